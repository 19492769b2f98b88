use http::header::HeaderName;

use super::*;
use crate::h1::head::Limits;

/// A request as h2 hands it over.
fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn head(parts: &Parts, ends: bool) -> Result<(String, Content), Malformed> {
    let mut out = Vec::new();
    let content = write_head(&mut out, parts, None, ends)?;
    Ok((String::from_utf8(out).unwrap(), content))
}

#[test]
fn header_blocks_become_heads() {
    for (method, uri, fields, ends, expected, content) in [
        ("GET", "http://a/x?y", &[][..], true, "GET /x?y HTTP/1.1\r\nhost: a\r\n\r\n", Content::None),
        ("GET", "/x", &[("host", "b")], true, "GET /x HTTP/1.1\r\nhost: b\r\n\r\n", Content::None),
        ("GET", "http://a/", &[("host", "A")], true, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", Content::None),
        (
            "GET",
            "http://a/",
            &[("host", "b")],
            true,
            "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            Content::None,
        ),
        (
            "GET",
            "http://a/",
            &[("cookie", "a=1"), ("x", ""), ("cookie", "b=2")],
            true,
            "GET / HTTP/1.1\r\nhost: a\r\nx:\r\ncookie: a=1; b=2\r\n\r\n",
            Content::None,
        ),
        (
            "POST",
            "http://a/",
            &[("te", "trailers")],
            false,
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: te\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n",
            Content::Chunks,
        ),
        (
            "POST",
            "http://a/",
            &[("content-length", "3")],
            false,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n",
            Content::Length,
        ),
        (
            "POST",
            "http://a/",
            &[],
            true,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
            Content::None,
        ),
        ("CONNECT", "a:80", &[], false, "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", Content::None),
        ("OPTIONS", "*", &[("host", "a")], true, "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", Content::None),
    ] {
        let made = head(&parts(method, uri, fields), ends);
        assert_eq!(made, Ok((expected.into(), content)), "{method} {uri} {fields:?}");
    }
}

/// RFC 9113 §8.1.1, §8.2.1, §8.2.2.
#[test]
fn malformed_requests_are_refused() {
    for (fields, ends, expected) in [
        (&[("connection", "close")][..], true, Malformed::ConnectionField),
        (&[("transfer-encoding", "chunked")], false, Malformed::ConnectionField),
        (&[("upgrade", "websocket")], true, Malformed::ConnectionField),
        (&[("keep-alive", "1")], true, Malformed::ConnectionField),
        (&[("proxy-connection", "x")], true, Malformed::ConnectionField),
        (&[("te", "gzip")], true, Malformed::ConnectionField),
        (&[("x", " a")], true, Malformed::Field),
        (&[("x", "a\t")], true, Malformed::Field),
        (&[("cookie", "a=1 ")], true, Malformed::Field),
        (&[("content-length", "1")], true, Malformed::Length),
    ] {
        assert_eq!(head(&parts("POST", "http://a/", fields), ends), Err(expected), "{fields:?}");
    }
}

/// RFC 8441 §5.
#[test]
fn a_websocket_becomes_an_upgrade() {
    let fields =
        [("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"), ("content-length", "0")];
    let parts = parts("CONNECT", "https://a/chat", &fields);
    let mut out = Vec::new();
    let protocol = Protocol { name: "websocket", nonce: *b"the sample nonce" };
    assert_eq!(write_head(&mut out, &parts, Some(protocol), false), Ok(Content::Tunnel));
    let expected = "GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\
                    connection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn heads_become_header_blocks() {
    let bytes = b"POST /x?y HTTP/1.1\r\nHost: a:8080\r\nConnection: te, x\r\nTE: trailers\r\nX-A: b c \r\n\
                  Transfer-Encoding: chunked\r\n\r\n";
    let mut index = HeadIndex::default();
    let parsed = index.parse_request(bytes, &Limits { bytes: 4096, fields: 16 }).unwrap().unwrap();
    let ForServer { request, framing, websocket } = from_head(&parsed, &index, bytes, Scheme::HTTP).unwrap();
    assert_eq!((framing, websocket), (BodyFraming::Chunked, None));
    assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "http://a:8080/x?y".into()));
    let fields: Vec<_> = request.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    assert_eq!(fields, [("x-a", &b"b c"[..]), ("te", b"trailers")]);
}

#[test]
fn an_upgrade_to_a_websocket_becomes_an_extended_connect() {
    let bytes = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\
                  Sec-WebSocket-Key: k==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut index = HeadIndex::default();
    let parsed = index.parse_request(bytes, &Limits { bytes: 4096, fields: 16 }).unwrap().unwrap();
    let ForServer { request, framing, websocket } = from_head(&parsed, &index, bytes, Scheme::HTTPS).unwrap();
    assert_eq!((framing, websocket), (BodyFraming::None, Some(b"k==".to_vec())));
    assert_eq!((request.method(), request.uri().to_string()), (&Method::CONNECT, "https://a/chat".into()));
    let fields: Vec<_> = request.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
    assert_eq!(fields, [("sec-websocket-version", &b"13"[..])]);
}

#[test]
fn targets_are_encoded_where_they_have_to_be() {
    let made = |target: &str, host: &str| {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        let mut index = HeadIndex::default();
        let parsed = index.parse_request(&bytes, &Limits { bytes: 4096, fields: 16 }).unwrap().unwrap();
        from_head(&parsed, &index, &bytes, Scheme::HTTP).map(|made| made.request.uri().to_string())
    };
    for (target, expected) in [
        ("/a%zz?b=%", "http://a/a%zz?b=%"),
        ("/[]@!$&'()*+,;=:~-._?/?", "http://a/[]@!$&'()*+,;=:~-._?/?"),
        ("/<a>", "http://a/%3Ca%3E"),
        ("/a?\"b\"", "http://a/a?%22b%22"),
        ("/`a`?<\\^{|}>%20", "http://a/%60a%60?%3C%5C%5E%7B%7C%7D%3E%20"),
    ] {
        assert_eq!(made(target, "a").as_deref(), Ok(expected));
    }
    assert_eq!(made("/", "a%41"), Err(Malformed::Head));
}

#[test]
fn only_a_get_becomes_a_websocket() {
    let bytes = b"POST /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut index = HeadIndex::default();
    let parsed = index.parse_request(bytes, &Limits { bytes: 4096, fields: 16 }).unwrap().unwrap();
    let ForServer { request, websocket, .. } = from_head(&parsed, &index, bytes, Scheme::HTTP).unwrap();
    assert_eq!((request.method(), request.headers().len(), websocket), (&Method::POST, 0, None));
}

/// Without an authority there is no scheme either: so it is said to have been HTTP/1.1.
#[test]
fn a_request_without_host_names_no_authority() {
    for target in ["/x", "*"] {
        let bytes = format!("OPTIONS {target} HTTP/1.1\r\n\r\n").into_bytes();
        let mut index = HeadIndex::default();
        let parsed = index.parse_request(&bytes, &Limits { bytes: 4096, fields: 16 }).unwrap().unwrap();
        let made = from_head(&parsed, &index, &bytes, Scheme::HTTP).unwrap().request;
        assert_eq!((made.uri().to_string(), made.version()), (target.into(), http::Version::HTTP_11));
    }
}

#[test]
fn trailers_are_lines() {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    trailers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static(""));
    let mut out = Vec::new();
    assert_eq!(write_trailers(&mut out, &trailers), Ok(()));
    assert_eq!(out, b"grpc-status: 0\r\ngrpc-message:\r\n");
    trailers.insert(HeaderName::from_static("x"), HeaderValue::from_static("a "));
    assert_eq!(write_trailers(&mut out, &trailers), Err(Malformed::Field));
}
