use super::*;
use crate::h1::head::Limits;

fn block(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let mut index = HeadIndex::default();
    let parsed = index.parse_response(head, &Limits { bytes: 1 << 20, fields: 128 }).unwrap().unwrap();
    let (parts, ()) = from_head(&parsed, &index, head).unwrap().into_parts();
    let text = |v: &HeaderValue| v.to_str().unwrap().to_owned();
    let fields = parts.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
    (parts.status.as_u16(), fields)
}

#[test]
fn heads_become_header_blocks() {
    for (head, status, fields) in [
        ("HTTP/1.1 200 OK\r\n\r\n", 200, &[][..]),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nX-A:  b c \r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
            404,
            &[("content-length", "3"), ("x-a", "b c"), ("set-cookie", "a"), ("set-cookie", "b")],
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: 1\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\n\r\n",
            200,
            &[],
        ),
        (
            "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\
             Sec-WebSocket-Protocol: chat\r\n\r\n",
            200,
            &[("sec-websocket-protocol", "chat")],
        ),
        ("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", 103, &[("link", "a")]),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(block(head.as_bytes()), (status, fields), "{head}");
    }
}

/// A long head is not kept whole by one of its values.
#[test]
fn long_heads_are_the_same() {
    let long = "x".repeat(5000);
    let (status, fields) = block(format!("HTTP/1.1 200 OK\r\na: {long}\r\nb: c\r\n\r\n").as_bytes());
    assert_eq!((status, fields.len(), fields[0].1.len(), fields[1].1.as_str()), (200, 2, 5000, "c"));
}

#[test]
fn header_blocks_become_heads() {
    let length = [("content-length", "3")];
    for (status, fields, asked, ends, expected, content) in [
        (200, &length[..], Method::Get, false, "200 OK\r\ncontent-length: 3\r\n\r\n", Content::Length),
        (200, &length, Method::Head, true, "200 OK\r\ncontent-length: 3\r\n\r\n", Content::None),
        (200, &[], Method::Get, true, "200 OK\r\ncontent-length: 0\r\n\r\n", Content::None),
        (200, &[], Method::Get, false, "200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Content::Chunks),
        (204, &[], Method::Get, true, "204 No Content\r\n\r\n", Content::None),
        (304, &length, Method::Get, true, "304 Not Modified\r\ncontent-length: 3\r\n\r\n", Content::None),
        (103, &[("link", "a")], Method::Get, false, "103 Early Hints\r\nlink: a\r\n\r\n", Content::None),
        (299, &[], Method::Head, true, "299 \r\n\r\n", Content::None),
    ] {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let mut out = Vec::new();
        let made = write_head(&mut out, &response.body(()).unwrap().into_parts().0, asked, ends);
        assert_eq!((made, String::from_utf8(out).unwrap()), (Ok(content), format!("HTTP/1.1 {expected}")));
    }
}

/// RFC 9113 §8.2.2.
#[test]
fn fields_of_one_hop_are_refused() {
    for name in ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"] {
        let response = Response::builder().header(name, "x").body(()).unwrap().into_parts().0;
        let made = write_head(&mut Vec::new(), &response, Method::Get, true);
        assert_eq!(made, Err(Malformed::ConnectionField), "{name}");
    }
}

/// RFC 6455 §1.3 has the key and its answer.
#[test]
fn consent_to_a_websocket_becomes_a_switch() {
    let response = Response::builder().header("sec-websocket-protocol", "chat").header("content-length", "0");
    let (parts, ()) = response.body(()).unwrap().into_parts();
    let mut out = Vec::new();
    assert_eq!(write_switched(&mut out, &parts, b"dGhlIHNhbXBsZSBub25jZQ=="), Ok(Content::Tunnel));
    let expected = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
