use super::super::head::Limits;
use super::*;

const LIMITS: Limits = Limits { bytes: 4096, fields: 32 };

fn request(version: &str, fields: &str) -> Result<BodyFraming, FramingError> {
    let bytes = format!("POST / HTTP/{version}\r\n{fields}\r\n");
    let mut index = HeadIndex::default();
    let head = index.parse_request(bytes.as_bytes(), &LIMITS).unwrap().unwrap();
    of_request(&head, &index, bytes.as_bytes())
}

fn response(method: Method, start: &str, fields: &str) -> Result<BodyFraming, FramingError> {
    let bytes = format!("HTTP/{start}\r\n{fields}\r\n");
    let mut index = HeadIndex::default();
    let head = index.parse_response(bytes.as_bytes(), &LIMITS).unwrap().unwrap();
    of_response(&head, method, &index, bytes.as_bytes())
}

/// RFC 9112 §6.3, and what parsers are known to disagree about.
#[test]
fn requests() {
    use BodyFraming::{Chunked, Length, None};
    use FramingError::{Both, ContentLength, RepeatedContentLength, TransferEncoding, TransferEncodingIn10};
    for (fields, expected) in [
        ("", Ok(None)),
        ("Content-Length: 0\r\n", Ok(None)),
        ("Content-Length: 5\r\n", Ok(Length(5))),
        ("Content-Length: \t5\t \r\n", Ok(Length(5))),
        ("Content-Length: 4294967301\r\n", Ok(Length(4_294_967_301))),
        ("Content-Length: 9223372036854775807\r\n", Ok(Length(i64::MAX as u64))),
        ("Content-Length: 9223372036854775808\r\n", Err(ContentLength)),
        ("Content-Length: 18446744073709551621\r\n", Err(ContentLength)),
        ("Content-Length: 99999999999999999999\r\n", Err(ContentLength)),
        ("Content-Length: 010\r\n", Err(ContentLength)),
        ("Content-Length: 00\r\n", Err(ContentLength)),
        ("Content-Length: +5\r\n", Err(ContentLength)),
        ("Content-Length: -5\r\n", Err(ContentLength)),
        ("Content-Length: 5.0\r\n", Err(ContentLength)),
        ("Content-Length: 0x5\r\n", Err(ContentLength)),
        ("Content-Length: 5 5\r\n", Err(ContentLength)),
        ("Content-Length: 5, 5\r\n", Err(ContentLength)),
        ("Content-Length: 5;\r\n", Err(ContentLength)),
        ("Content-Length: \u{b2}5\r\n", Err(ContentLength)),
        ("Content-Length: inf\r\n", Err(ContentLength)),
        ("Content-Length:\r\n", Err(ContentLength)),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(RepeatedContentLength)),
        ("Content-Length: 0\r\ncontent-length: 35\r\n", Err(RepeatedContentLength)),
        ("Content-Length:\r\nContent-Length: 5\r\n", Err(RepeatedContentLength)),
        ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("Transfer-Encoding: CHUNKED\r\n", Ok(Chunked)),
        ("Transfer-Encoding: \t chunked \r\n", Ok(Chunked)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(Both)),
        ("Content-Length: 0\r\nTransfer-Encoding: identity\r\n", Err(Both)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: chunked, chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: chunked, gzip\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: chunked,\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: ,chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: chunked;q=1\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: \"chunked\"\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: identity\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: xchunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding: \u{a0}chunked\r\n", Err(TransferEncoding)),
        ("Transfer-Encoding:\r\n", Err(TransferEncoding)),
        ("Transfer_Encoding: chunked\r\nContent_Length: 3\r\n", Ok(None)),
    ] {
        assert_eq!(request("1.1", fields), expected, "{fields:?}");
        let in_10 = if fields.contains("Transfer-Encoding") { Err(TransferEncodingIn10) } else { expected };
        assert_eq!(request("1.0", fields), in_10, "HTTP/1.0 {fields:?}");
    }
}

#[test]
fn responses() {
    use BodyFraming::{Chunked, Length, None, UntilClose};
    use FramingError::{Both, ContentLength, RepeatedContentLength, TransferEncoding, TransferEncodingIn10};
    let get = Method::Get;
    for (method, start, fields, expected) in [
        (get, "1.1 200 OK", "", Ok(UntilClose)),
        (get, "1.1 200 OK", "Content-Length: 5\r\n", Ok(Length(5))),
        (get, "1.1 200 OK", "Content-Length: 0\r\n", Ok(None)),
        (get, "1.1 200 OK", "Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        (get, "1.0 200 OK", "Content-Length: 5\r\n", Ok(Length(5))),
        (get, "1.0 200 OK", "", Ok(UntilClose)),
        (get, "1.0 200 OK", "Transfer-Encoding: chunked\r\n", Err(TransferEncodingIn10)),
        (Method::Head, "1.1 200 OK", "Content-Length: 5\r\n", Ok(None)),
        (Method::Head, "1.1 200 OK", "Transfer-Encoding: chunked\r\n", Ok(None)),
        (get, "1.1 204 No Content", "", Ok(None)),
        (get, "1.1 304 Not Modified", "Content-Length: 5\r\n", Ok(None)),
        (get, "1.1 100 Continue", "", Ok(None)),
        (get, "1.1 103 Early Hints", "Link: x\r\n", Ok(None)),
        (get, "1.1 200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n", Ok(Length(5))),
        (get, "1.1 200 OK", "Content-Length: 5\r\nContent-Length: 6\r\n", Err(RepeatedContentLength)),
        (get, "1.1 200 OK", "Content-Length: 5, 5\r\n", Err(ContentLength)),
        (get, "1.1 200 OK", "Content-Length: -1\r\n", Err(ContentLength)),
        (Method::Head, "1.1 200 OK", "Content-Length: x\r\n", Err(ContentLength)),
        (get, "1.1 200 OK", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(Both)),
        (get, "1.1 200 OK", "Transfer-Encoding: gzip\r\n", Err(TransferEncoding)),
    ] {
        assert_eq!(response(method, start, fields), expected, "{method:?} {start} {fields:?}");
    }
}

#[test]
fn lengths_that_do_not_fit_32_bits_are_reframed() {
    for (framing, reframed) in [
        (BodyFraming::None, false),
        (BodyFraming::Length(u64::from(u32::MAX)), false),
        (BodyFraming::Length(u64::from(u32::MAX) + 1), true),
        (BodyFraming::Chunked, false),
    ] {
        assert_eq!(framing.is_reframed(), reframed, "{framing:?}");
    }
}
