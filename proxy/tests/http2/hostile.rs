//! Clients that break the rules, and clients that keep them to no good end.

use std::time::Instant;

use super::client::{POLITE, Raw, ask, block, frame, get, headers, with_connection};
use super::common::{Setup, TestProxy, answering, gist, until};

/// What a polite client on another connection sees.
fn polite(proxy: &TestProxy) {
    let since = Instant::now();
    with_connection(proxy.addr, async |send| {
        assert_eq!(ask(&send, get("/")).await.unwrap().status(), 200);
    });
    assert!(since.elapsed() < POLITE, "answered after {:?}", since.elapsed());
}

/// RFC 9113 §8.1.1: malformed requests are reset one by one, without reaching a server.
#[test]
fn malformed_requests_are_reset() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let pseudo = |fields: &[(&str, &str)]| frame(1, 5, 1, &block(fields));
    let (method, scheme, path, authority) =
        ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h"));
    for (what, request) in [
        ("connection", headers(1, true, "GET", &[("connection", "close")])),
        ("keep-alive", headers(1, true, "GET", &[("keep-alive", "1")])),
        ("proxy-connection", headers(1, true, "GET", &[("proxy-connection", "close")])),
        ("transfer-encoding", headers(1, false, "POST", &[("transfer-encoding", "chunked")])),
        ("upgrade", headers(1, true, "GET", &[("upgrade", "h2c")])),
        ("te", headers(1, true, "GET", &[("te", "gzip")])),
        ("leading blank", headers(1, true, "GET", &[("x", " a")])),
        ("trailing blank", headers(1, true, "GET", &[("x", "a\t")])),
        ("CR", headers(1, true, "GET", &[("x", "a\rb")])),
        ("LF", headers(1, true, "GET", &[("x", "a\r\nb: c")])),
        ("NUL", headers(1, true, "GET", &[("x", "a\0b")])),
        ("upper case", headers(1, true, "GET", &[("X-A", "a")])),
        ("blank in a name", headers(1, true, "GET", &[("x a", "a")])),
        ("colon in a name", headers(1, true, "GET", &[("x:a", "a")])),
        ("line end in a name", headers(1, true, "GET", &[("x\r\na", "a")])),
        ("length without content", headers(1, true, "POST", &[("content-length", "1")])),
        ("negative length", headers(1, false, "POST", &[("content-length", "-1")])),
        ("late pseudo field", pseudo(&[method, scheme, path, ("x", "a"), authority])),
        ("unknown pseudo field", pseudo(&[method, scheme, path, authority, (":x", "a")])),
        ("response's pseudo field", pseudo(&[method, scheme, path, authority, (":status", "200")])),
        ("repeated method", pseudo(&[method, method, scheme, path, authority])),
        ("repeated path", pseudo(&[method, scheme, path, path, authority])),
        ("no method", pseudo(&[scheme, path, authority])),
        ("no scheme", pseudo(&[method, path, authority])),
        ("no path", pseudo(&[method, scheme, authority])),
        ("empty path", pseudo(&[method, scheme, (":path", ""), authority])),
        ("blank in the path", pseudo(&[method, scheme, (":path", "/ x"), authority])),
        ("line end in the path", pseudo(&[method, scheme, (":path", "/ HTTP/1.1\r\nx: y"), authority])),
        ("blank in the method", pseudo(&[(":method", "GET /x"), scheme, path, authority])),
        ("line end in the authority", pseudo(&[method, scheme, path, (":authority", "h\r\nx: y")])),
    ] {
        let mut raw = Raw::connect(&proxy);
        raw.send(request);
        let answer = raw.next();
        // RST_STREAM, or the end of the connection for what no table of fields can hold.
        assert!(matches!(answer.kind, 3 | 7), "{what}: {answer:?}");
    }
    assert_eq!(server.count(), 0);
    polite(&proxy);
}

/// What HTTP/1.1 would not let pass gets the same answer, and the same record.
#[test]
fn ambiguous_requests_are_refused_as_in_http_1() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let with = |more: &[(&str, &str)]| frame(1, 5, 1, &block(&[&pseudo[..], more].concat()));
    for (what, request) in [
        ("two hosts", with(&[(":authority", "a"), ("host", "b")])),
        ("no host", with(&[])),
        ("user information", with(&[(":authority", "u@a")])),
        ("two lengths", headers(1, false, "POST", &[("content-length", "1"), ("content-length", "2")])),
        ("signed length", headers(1, false, "POST", &[("content-length", "+1")])),
    ] {
        let mut raw = Raw::connect(&proxy);
        raw.send(request);
        let answer = raw.next();
        // :status 400 is the twelfth entry of the static table.
        let refused = (answer.kind == 1 && answer.payload.first() == Some(&0x8c)) || answer.kind == 3;
        assert!(refused, "{what}: {answer:?}");
    }
    assert_eq!(server.count(), 0);
    polite(&proxy);
    let records: Vec<String> = (0..3).map(|_| gist(&proxy.record())).collect();
    assert!(records.iter().any(|r| r.contains("<NOSRV> 400 PR--") && r.contains("HTTP/2.0")), "{records:?}");
}

/// RFC 9113 §8.1.1: content longer or shorter than was said is not passed on as the whole.
#[test]
fn content_that_does_not_fit_its_length_is_reset() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    for content in [&b"xx"[..], b""] {
        let mut raw = Raw::connect(&proxy);
        raw.send(headers(1, false, "POST", &[("content-length", "1")]));
        raw.send(frame(0, 1, 1, content));
        let answer = raw.next();
        assert_eq!((answer.kind, &answer.payload[..]), (3, &1_u32.to_be_bytes()[..]), "{content:?}");
    }
    polite(&proxy);
}

/// The nth frame, or frames, of a flood.
type Nth = Box<dyn Fn(u32) -> Vec<u8>>;

/// Every flood ends its connection, with its reason, after the documented number of frames; others notice nothing.
#[test]
fn floods_end_their_connection() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let open = headers(1, false, "POST", &[]);
    let unfinished = frame(1, 0, 1, &block(&[(":method", "GET")]));
    let mut update = frame(8, 0, 0, &1_u32.to_be_bytes());
    update.truncate(13);
    let reset = |n: u32| {
        let id = 1 + 2 * n;
        [headers(id, true, "GET", &[]), frame(3, 0, id, &8_u32.to_be_bytes())].concat()
    };
    let made_to_reset = |n: u32| {
        let id = 1 + 2 * n;
        [headers(id, false, "POST", &[("content-length", "1")]), frame(0, 1, id, b"xx")].concat()
    };
    let same = |frame: Vec<u8>| move |_: u32| frame.clone();
    let floods: [(&str, &[u8], Nth, usize); 9] = [
        ("SETTINGS", b"", Box::new(same(frame(4, 0, 0, &[0, 4, 0, 0, 255, 255]))), 4000),
        ("PING", b"", Box::new(same(frame(6, 0, 0, b"abcdefgh"))), 4000),
        ("PRIORITY", b"", Box::new(same(frame(2, 0, 5, &[0; 5]))), 4000),
        ("WINDOW_UPDATE", b"", Box::new(same(update)), 4000),
        ("unknown", b"", Box::new(same(frame(0xfa, 0, 0, b"x"))), 4000),
        ("empty DATA", &open, Box::new(same(frame(0, 0, 1, b""))), 4000),
        ("empty CONTINUATION", &unfinished, Box::new(same(frame(9, 0, 1, b""))), 1000),
        ("rapid reset", b"", Box::new(reset), 2000),
        ("made to reset", b"", Box::new(made_to_reset), 2000),
    ];
    for (what, before, one, most) in floods {
        let mut raw = Raw::connect(&proxy);
        raw.send(before);
        let mut sent = 0;
        while sent < most && raw.try_send(&(0..50).flat_map(|i| one((sent + i) as u32)).collect::<Vec<_>>()) {
            sent += 50;
        }
        let code = raw.goaway();
        assert!(sent < most || code.is_some(), "{what}: {code:?} after {sent}");
        // ENHANCE_YOUR_CALM, or none that got through to a client that kept sending.
        assert!(matches!(code, Some(11) | None), "{what}: {code:?}");
        polite(&proxy);
    }
}

#[test]
fn header_lists_are_bounded() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    // One large entry in the table, and then references to it.
    let mut bomb = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h")]);
    bomb.extend_from_slice(b"\x40\x06x-bomb\x7f\xa1\x1e");
    bomb.extend_from_slice(&[b'B'; 4000]);
    bomb.extend_from_slice(&[0xbe; 8000]);
    let mut raw = Raw::connect(&proxy);
    raw.send(frame(1, 5, 1, &bomb));
    assert_eq!(raw.goaway(), Some(11));
    // A little too much is answered: it may be a cookie that grew.
    let long = "x".repeat(250);
    let fields: Vec<(String, &str)> = (0..62).map(|i| (format!("x-{i}"), &*long)).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let mut payload = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h")]);
    payload.extend_from_slice(&block(&fields));
    let mut raw = Raw::connect(&proxy);
    raw.send([frame(1, 1, 1, &payload[..15_000]), frame(9, 4, 1, &payload[15_000..])].concat());
    assert_eq!(raw.next().kind, 1);
    polite(&proxy);
    // CONTINUATION without end.
    let mut raw = Raw::connect(&proxy);
    raw.send(frame(1, 1, 1, &block(&[(":method", "GET")])));
    let piece = frame(9, 0, 1, &block(&fields[..40]));
    let ended = (0..100).any(|_| !raw.try_send(&piece)) || raw.goaway().is_some();
    assert!(ended);
    polite(&proxy);
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.global.http2.max_streams = 3;
    let proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    // The limit holds from the moment the client has acknowledged it.
    raw.send(frame(4, 1, 0, b""));
    let many: Vec<u8> = (0..5).flat_map(|i| headers(1 + 2 * i, false, "POST", &[])).collect();
    raw.send(many);
    for _ in 0..2 {
        let answer = raw.next();
        assert_eq!((answer.kind, &answer.payload[..]), (3, &7_u32.to_be_bytes()[..]), "{answer:?}");
        assert!(answer.stream >= 7, "{answer:?}");
    }
    polite(&proxy);
}

#[test]
fn idle_connections_make_room() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.maxconn = Some(4);
    let proxy = setup.start();
    // One that has never asked for anything is told, and goes; then one that has.
    let mut house: Vec<Raw> = (0..4).map(|_| Raw::connect(&proxy)).collect();
    until("the house is full", || proxy.proxy().connections() == 4);
    for raw in &mut house[1..] {
        raw.send(headers(1, true, "GET", &[]));
        assert_eq!(raw.next().kind, 1);
    }
    let mut newcomers = Vec::new();
    for gone in &mut house[..2] {
        let mut raw = Raw::connect(&proxy);
        raw.send(headers(1, true, "GET", &[]));
        assert_eq!(raw.next().kind, 1);
        newcomers.push(raw);
        assert_eq!(gone.goaway(), Some(0));
    }
    assert_eq!(proxy.frontend_totals().evicted, 2);
    // One with a stream open stays.
    house[2].send(headers(3, false, "POST", &[]));
    house[3].send(headers(3, false, "POST", &[]));
    until("they are forwarded", || proxy.frontend_totals().requests >= 3 + 2 + 2);
    for _ in 0..4 {
        polite(&proxy);
    }
    for raw in &mut house[2..] {
        raw.send(frame(0, 1, 3, b"x"));
        while raw.next().stream != 3 {}
    }
}
