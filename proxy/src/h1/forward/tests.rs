use super::super::framing;
use super::super::head::Limits;
use super::After::{Close, Persist, Switch};
use super::Version::{Http10, Http11};
use super::*;

const LIMITS: Limits = Limits { bytes: 4096, fields: 64 };
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
const XFF: Option<ForwardedFor<'static>> =
    Some(ForwardedFor { header: "X-Forwarded-For", client: CLIENT, if_none: false });

fn to_server(bytes: &str, forwarded_for: Option<ForwardedFor<'_>>) -> String {
    let bytes = bytes.as_bytes();
    let mut index = HeadIndex::default();
    let head = index.parse_request(bytes, &LIMITS).unwrap().unwrap();
    let body = framing::of_request(&head, &index, bytes).unwrap();
    let options = Options::of(&index, bytes);
    let to = ToServer {
        target: Target::parse(head.method, head.target.of(bytes)).unwrap(),
        options,
        expectation: conn::expectation(head.version, body, &index, bytes),
        framing: body,
        upgrade: conn::wants_upgrade(head.version, options, &index, bytes),
        forwarded_for,
        cookie: None,
        edits: None,
    };
    let mut out = Vec::new();
    request(&mut out, &head, &index, bytes, &to);
    String::from_utf8(out).unwrap()
}

fn to_client(bytes: &str, version: Version, method: Method, after: After) -> String {
    let bytes = bytes.as_bytes();
    let mut index = HeadIndex::default();
    let head = index.parse_response(bytes, &LIMITS).unwrap().unwrap();
    let framing = framing::of_response(&head, method, &index, bytes).unwrap();
    let mut out = Vec::new();
    response(
        &mut out,
        &head,
        &index,
        bytes,
        &ToClient { version, method, framing, after, sticky: None, edits: &[] },
    );
    String::from_utf8(out).unwrap()
}

#[test]
fn requests() {
    for (from, to) in [
        // Nothing to change: one copy.
        ("GET /a?b HTTP/1.1\r\nHost: a\r\nX:y\r\n\r\n", "GET /a?b HTTP/1.1\r\nHost: a\r\nX:y\r\n\r\n"),
        // RFC 9112 §2.3: our version. §3.2: a Host in any case.
        ("GET / HTTP/1.0\r\nX: y\r\n\r\n", "GET / HTTP/1.1\r\nX: y\r\nhost:\r\n\r\n"),
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nhost:\r\n\r\n"),
        ("GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // RFC 9112 §3.2.2: the target's authority is the host.
        (
            "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nX: y\r\nhost: b:81\r\n\r\n",
        ),
        ("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nhost: b\r\n\r\n"),
        ("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"),
        // RFC 9110 §7.6.1: hop-by-hop fields and those named in Connection go, wherever they stand.
        (
            "GET / HTTP/1.1\r\nConnection: close, X-Hop\r\nHost: a\r\nX-Hop: 1\r\nA: 1\r\nx-hop: 2\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\n\r\n",
        ),
        // Naming what frames or routes the request does not remove it.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding, Host\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        // One plain framing field.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5 \r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        // A length that a 32-bit counter takes for 5.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4294967301\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        // RFC 9110 §10.1.4.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nconnection: te\r\nte: trailers\r\n\r\n",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        // RFC 9110 §7.8.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 13\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        // RFC 9110 §10.1.1.
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        assert_eq!(to_server(from, None), to, "{from:?}");
    }
}

#[test]
fn the_clients_address_is_added_last() {
    let from = "GET / HTTP/1.1\r\nHost: a\r\nX-FORWARDED-FOR: 1.1.1.1\r\n\r\n";
    let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-FORWARDED-FOR: 1.1.1.1\r\n";
    assert_eq!(to_server(from, XFF), format!("{sent}X-Forwarded-For: 192.0.2.7\r\n\r\n"));
    let if_none = XFF.map(|f| ForwardedFor { if_none: true, ..f });
    assert_eq!(to_server(from, if_none), format!("{sent}\r\n"));
    let v6 = XFF.map(|f| ForwardedFor { header: "X-Client", client: "2001:db8::1".parse().unwrap(), ..f });
    assert_eq!(to_server(from, v6), format!("{sent}X-Client: 2001:db8::1\r\n\r\n"));
    // Naming it in Connection removes the client's, never ours.
    let named =
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nConnection: X-Forwarded-For\r\n\r\n";
    assert_eq!(to_server(named, XFF), "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
}

#[test]
fn responses() {
    for (from, version, after, to) in RESPONSES {
        assert_eq!(to_client(from, *version, Method::Get, *after), *to, "{from:?}");
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(to_client(head, Http11, Method::Head, Persist), head);
}

#[test]
fn numbers_and_addresses() {
    for n in [0, 9, 10, 255, 1_000_000, u64::MAX] {
        let mut out = Vec::new();
        write_number(&mut out, n);
        assert_eq!(out, n.to_string().into_bytes());
    }
    for (address, written) in [
        ("10.0.255.1", "10.0.255.1"),
        ("105.99.100.9", "105.99.100.9"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1", "fe80::1"),
    ] {
        let mut out = Vec::new();
        write_address(&mut out, address.parse().unwrap());
        assert_eq!(out, written.as_bytes());
    }
}

/// What the server sends, who asked, what becomes of the connection, what the client gets.
const RESPONSES: &[(&str, Version, After, &str)] = &[
    (
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Http11,
        Close,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\n",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Http10,
        Persist,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: keep-alive\r\n\r\n",
    ),
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Http10,
        Close,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ),
    // RFC 9112 §2.3, §4.
    (
        "HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n",
        Http11,
        Close,
        "HTTP/1.1 404 Not Found\r\nA: b\r\nconnection: close\r\n\r\n",
    ),
    (
        "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    ),
    ("HTTP/1.1 200\r\n\r\n", Http11, Close, "HTTP/1.1 200 \r\nconnection: close\r\n\r\n"),
    // RFC 9110 §7.6.1.
    (
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    // Framing fields: one, plain, and none where there is no content.
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    ),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:  chunked\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Http10, Close, "HTTP/1.1 200 OK\r\n\r\n"),
    (
        "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 204 No Content\r\n\r\n",
    ),
    (
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    ),
    // Interim responses say nothing about the connection.
    ("HTTP/1.1 100 Continue\r\n\r\n", Http11, Close, "HTTP/1.1 100 Continue\r\n\r\n"),
    (
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    ),
    // RFC 9110 §7.8, §15.5.22.
    (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        Http11,
        Switch,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ),
    (
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
        Http11,
        Persist,
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nContent-Length: 0\r\n\r\n",
    ),
];
