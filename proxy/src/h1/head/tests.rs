use super::*;

const LIMITS: Limits = Limits { bytes: 256, fields: 4 };

fn request(bytes: &[u8]) -> Result<Option<Request>, HeadError> {
    HeadIndex::default().parse_request(bytes, &LIMITS)
}

fn response(bytes: &[u8]) -> Result<Option<Response>, HeadError> {
    HeadIndex::default().parse_response(bytes, &LIMITS)
}

#[test]
fn a_request_head_is_taken_apart_in_place() {
    let bytes = b"\r\n\r\nPUT /a?b HTTP/1.1\r\nHost:a\r\nX: \t y z \t\r\nhost: b\r\nE:\r\n\r\nbody";
    let mut index = HeadIndex::default();
    let request = index.parse_request(bytes, &LIMITS).unwrap().unwrap();
    assert_eq!(request.method, Method::Put);
    assert_eq!(request.method_span.of(bytes), b"PUT");
    assert_eq!(request.target.of(bytes), b"/a?b");
    assert_eq!(request.version, Version::Http11);
    assert_eq!(request.line().of(bytes), b"PUT /a?b HTTP/1.1");
    assert_eq!(request.len, bytes.len() - 4);
    let fields: Vec<(&[u8], &[u8], &[u8])> =
        index.fields().iter().map(|f| (f.name.of(bytes), f.value.of(bytes), f.line.of(bytes))).collect();
    assert_eq!(
        fields,
        [
            (&b"Host"[..], &b"a"[..], &b"Host:a\r\n"[..]),
            (b"X", b"y z", b"X: \t y z \t\r\n"),
            (b"host", b"b", b"host: b\r\n"),
            (b"E", b"", b"E:\r\n"),
        ]
    );
    assert_eq!(index.first(Known::Host).unwrap().value.of(bytes), b"a");
    assert_eq!(index.all(Known::Host).map(|f| f.value.of(bytes)).collect::<Vec<_>>(), [b"a", b"b"]);
    assert!(index.is_repeated(Known::Host));
    assert!(index.first(Known::Upgrade).is_none() && index.all(Known::Upgrade).next().is_none());
}

#[test]
fn an_index_forgets_the_head_before() {
    let mut index = HeadIndex::default();
    index.parse_request(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &LIMITS).unwrap();
    index.parse_request(b"GET / HTTP/1.1\r\nX: a\r\n\r\n", &LIMITS).unwrap();
    assert!(index.first(Known::Host).is_none() && !index.is_repeated(Known::Host));
    assert_eq!(index.fields().len(), 1);
}

#[test]
fn every_prefix_of_a_head_asks_for_more() {
    let bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    for n in 0..bytes.len() {
        assert_eq!(request(&bytes[..n]), Ok(None), "{n}");
    }
    assert_eq!(request(bytes).unwrap().unwrap().len, bytes.len());
    let bytes = b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n";
    for n in 0..bytes.len() {
        assert_eq!(response(&bytes[..n]), Ok(None), "{n}");
    }
    assert_eq!(response(bytes).unwrap().unwrap().len, bytes.len());
}

#[test]
fn what_is_not_a_request_is_refused() {
    use HeadError::{FieldName, FieldValue, LineEnd, Method, StartLine, Version};
    for (bytes, error) in [
        // RFC 9112 §2.2: CRLF and nothing else.
        (&b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], LineEnd),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", LineEnd),
        (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", LineEnd),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\nGET", LineEnd),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", StartLine),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", LineEnd),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil: HTTP/1.1\r\n\r\n", LineEnd),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", LineEnd),
        // RFC 9112 §3: single spaces, three parts.
        (b"GET\t/\tHTTP/1.1\r\n\r\n", StartLine),
        (b"GET  / HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /  HTTP/1.1\r\n\r\n", StartLine),
        (b" GET / HTTP/1.1\r\n\r\n", StartLine),
        (b"GET / HTTP/1.1 \r\n\r\n", StartLine),
        (b"GET /a b HTTP/1.1\r\n\r\n", StartLine),
        (b"GET  HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /\r\n\r\n", StartLine),
        (b"GET\r\n\r\n", StartLine),
        (b" / HTTP/1.1\r\n\r\n", StartLine),
        (b"G(T / HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /a\x00b HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /a\x7fb HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", StartLine),
        (b"GET /a#b HTTP/1.1\r\n\r\n", StartLine),
        (b"GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG / HTTP/1.1\r\n\r\n", Method),
        // RFC 9112 §2.3.
        (b"GET / HTTP/2.0\r\n\r\n", Version),
        (b"GET / HTTP/0.9\r\n\r\n", Version),
        (b"GET / HTTP/1.10\r\n\r\n", StartLine),
        (b"GET / HTTP/11.1\r\n\r\n", StartLine),
        (b"GET / http/1.1\r\n\r\n", StartLine),
        (b"GET / HTTP/1.1x\r\n\r\n", StartLine),
        // RFC 9112 §5.1, §5.2.
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nX: a\r\n\tb: c\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\n: a\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\n:\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nX\x00Y: z\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nX\xffY: z\r\n\r\n", FieldName),
        (b"GET / HTTP/1.1\r\nX@Y: z\r\n\r\n", FieldName),
        // RFC 9110 §5.5.
        (b"GET / HTTP/1.1\r\nX: y\x00z\r\n\r\n", FieldValue),
        (b"GET / HTTP/1.1\r\nX: y\x0bz\r\n\r\n", FieldValue),
        (b"GET / HTTP/1.1\r\nX:\x0cy\r\n\r\n", FieldValue),
        (b"GET / HTTP/1.1\r\nX: 123456789\x7f\r\n\r\n", FieldValue),
    ] {
        assert_eq!(request(bytes), Err(error), "{}", bytes.escape_ascii());
    }
}

#[test]
fn odd_but_valid_requests_pass() {
    for bytes in [
        &b"GET /%zz%0 HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"GET / HTTP/1.9\r\nHost: a\r\n\r\n",
        b"G!#$%&'*+-.^_`|~ / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\tb \xc3\xa9\r\n\r\n",
        b"GET /a|b\"<>{}\\^` HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert!(matches!(request(bytes), Ok(Some(r)) if r.len == bytes.len()), "{}", bytes.escape_ascii());
    }
}

#[test]
fn limits_hold_whether_or_not_the_head_is_complete() {
    let long = |n: usize| "x".repeat(n);
    let line = |n: usize| format!("GET /{} HTTP/1.1\r\n", long(n));
    for (bytes, error) in [
        (format!("GET /{}", long(300)), HeadError::StartLineTooLong),
        (line(300), HeadError::StartLineTooLong),
        (format!("GET / HTTP/1.1\r\nX: {}", long(300)), HeadError::TooLarge),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", long(300)), HeadError::TooLarge),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(5)), HeadError::TooManyFields),
    ] {
        assert_eq!(request(bytes.as_bytes()), Err(error), "{bytes}");
    }
    let exactly = 256 - "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
    let head = |n| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", long(n));
    assert!(request(head(exactly).as_bytes()).unwrap().is_some());
    assert_eq!(request(head(exactly + 1).as_bytes()), Err(HeadError::TooLarge));
    // The content behind a head does not count.
    assert!(request(format!("GET / HTTP/1.1\r\n\r\n{}", long(300)).as_bytes()).unwrap().is_some());
    let four = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(4));
    assert!(request(four.as_bytes()).unwrap().is_some());
}

#[test]
fn status_lines() {
    for (bytes, expected) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Ok((200, &b"OK"[..], Version::Http11))),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", Ok((404, b"Not Found", Version::Http10))),
        (b"HTTP/1.1 200 \r\n\r\n", Ok((200, b"", Version::Http11))),
        (b"HTTP/1.1 200\r\n\r\n", Ok((200, b"", Version::Http11))),
        (b"HTTP/1.5 599 a\xe9\r\n\r\n", Ok((599, b"a\xe9", Version::Http11))),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1 20 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1  200 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1\t200 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1 200\tOK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1 +20 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1 200 O\x00K\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/1.1 099 OK\r\n\r\n", Err(HeadError::Status)),
        (b"HTTP/1.1 600 OK\r\n\r\n", Err(HeadError::Status)),
        (b"HTTP/1.10 200 OK\r\n\r\n", Err(HeadError::StartLine)),
        (b"HTTP/2.0 200 OK\r\n\r\n", Err(HeadError::Version)),
        (b"hello", Err(HeadError::Version)),
        (b"HTTP/1.1 200 OK\n\n", Err(HeadError::LineEnd)),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", Err(HeadError::FieldName)),
        (b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", Err(HeadError::FieldValue)),
    ] {
        let got = response(bytes).map(|r| r.map(|r| (r.status, r.reason.of(bytes), r.version)).unwrap());
        assert_eq!(got, expected, "{}", bytes.escape_ascii());
    }
}

proptest::proptest! {
    /// Whatever the bytes are: no panic, spans inside the input, and a head that parses parses alike with more behind it.
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(prop_byte(), 0..300), more: Vec<u8>) {
        let mut index = HeadIndex::default();
        if let Ok(Some(head)) = index.parse_request(&bytes, &LIMITS) {
            assert!(head.len <= bytes.len() && head.target.end() <= head.len);
            assert!(index.fields().iter().all(|f| f.line.end() <= head.len && !f.name.of(&bytes).is_empty()));
            let mut longer = bytes.clone();
            longer.extend_from_slice(&more);
            assert_eq!(request(&longer), Ok(Some(head)));
        }
        let mut status = b"HTTP/1.1 200 ".to_vec();
        status.extend_from_slice(&bytes);
        if let Ok(Some(head)) = response(&status) {
            assert!(head.len <= status.len());
        }
    }
}

/// Bytes that make heads more often than uniform ones do.
fn prop_byte() -> impl proptest::strategy::Strategy<Value = u8> {
    proptest::sample::select(b"\r\n\r\n\r\n: :GET / HTTP/1.1aX\t\x00\xff".to_vec())
}
