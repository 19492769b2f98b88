//! The rules of the framing layer, frame by frame: how each breach of them ends (RFC 9113 §5, §6; RFC 7541), and what is
//! none.

use super::client::{Frame, PREFACE, Raw, block, frame, headers};
use super::common::{Setup, TestProxy, answering, until};
use super::spellings;

// RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

// Flags.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

// RFC 9113 §7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// A request that is whole.
fn get(stream: u32) -> Vec<u8> {
    headers(stream, true, "GET", &[])
}

/// A request whose content is to come.
fn post(stream: u32) -> Vec<u8> {
    headers(stream, false, "POST", &[])
}

fn request_block() -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "h")])
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A request with something behind its header fields.
fn with_compressed(more: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&request_block()[..], more].concat())
}

fn proxy() -> TestProxy {
    Setup::new(&[answering().addr]).start()
}

/// What a connection is told that sends these frames.
fn told(proxy: &TestProxy, sent: &[u8]) -> Vec<Frame> {
    let mut raw = Raw::connect(proxy);
    raw.send(sent);
    raw.rest()
}

fn code_of(frame: &Frame) -> u32 {
    let at = if frame.kind == GOAWAY { 4 } else { 0 };
    u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap())
}

#[test]
fn breaches_that_concern_the_connection_end_it() {
    let proxy = proxy();
    let joined = |frames: &[Vec<u8>]| frames.concat();
    let oversized = vec![b'x'; 16_385];
    for (what, sent, code) in [
        // §4.1, §4.2.
        ("DATA too large", joined(&[post(1), frame(DATA, 0, 1, &oversized)]), FRAME_SIZE_ERROR),
        ("HEADERS too large", frame(HEADERS, END_HEADERS, 1, &oversized), FRAME_SIZE_ERROR),
        // §4.3, RFC 7541 §2.3.3, §4.2, §5.2.
        ("index 0", with_compressed(&[0x80]), COMPRESSION_ERROR),
        ("index beyond the tables", with_compressed(&[0xff, 0x80, 0x01]), COMPRESSION_ERROR),
        ("table larger than allowed", with_compressed(&[0x3f, 0xe1, 0xff, 0xff, 0x07]), COMPRESSION_ERROR),
        ("string cut short", with_compressed(&[0, 5, b'a']), COMPRESSION_ERROR),
        ("long Huffman padding", with_compressed(&[0, 1, b'x', 0x82, 0x1f, 0xff]), COMPRESSION_ERROR),
        ("zeros as Huffman padding", with_compressed(&[0, 1, b'x', 0x81, 0x00]), COMPRESSION_ERROR),
        // §5.1.
        ("DATA, idle", frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
        ("RST_STREAM, idle", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), PROTOCOL_ERROR),
        ("WINDOW_UPDATE, idle", update(1, 1), PROTOCOL_ERROR),
        ("CONTINUATION, idle", frame(CONTINUATION, END_HEADERS, 1, b""), PROTOCOL_ERROR),
        // §5.1.1.
        ("an even stream", get(2), PROTOCOL_ERROR),
        // §6.1, §6.2.
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, &request_block()), PROTOCOL_ERROR),
        ("padding only, and more", joined(&[post(1), frame(DATA, PADDED, 1, &[9, 0])]), PROTOCOL_ERROR),
        ("padded beyond HEADERS", frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0x82]), PROTOCOL_ERROR),
        (
            "HEADERS cut short by DATA",
            joined(&[frame(HEADERS, 0, 1, b""), frame(DATA, 0, 1, b"")]),
            PROTOCOL_ERROR,
        ),
        ("HEADERS cut short by others", joined(&[frame(HEADERS, 0, 1, b""), get(3)]), PROTOCOL_ERROR),
        (
            "HEADERS cut short by unknown",
            joined(&[frame(HEADERS, 0, 1, b""), frame(99, 0, 0, b"")]),
            PROTOCOL_ERROR,
        ),
        // §6.3, §6.4.
        ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, &[0; 5]), PROTOCOL_ERROR),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &[0; 4]), PROTOCOL_ERROR),
        ("RST_STREAM too short", joined(&[post(1), frame(RST_STREAM, 0, 1, &[0; 3])]), FRAME_SIZE_ERROR),
        // §6.5.
        ("SETTINGS of a stream", frame(SETTINGS, 0, 1, b""), PROTOCOL_ERROR),
        ("SETTINGS of half an entry", frame(SETTINGS, 0, 0, &[0; 3]), FRAME_SIZE_ERROR),
        ("acknowledgement with SETTINGS", frame(SETTINGS, ACK, 0, &[0, 4, 0, 0, 1, 0]), FRAME_SIZE_ERROR),
        ("ENABLE_PUSH 2", setting(2, 2), PROTOCOL_ERROR),
        ("INITIAL_WINDOW_SIZE too large", setting(4, 1 << 31), FLOW_CONTROL_ERROR),
        ("MAX_FRAME_SIZE too small", setting(5, 16_383), PROTOCOL_ERROR),
        ("MAX_FRAME_SIZE too large", setting(5, 1 << 24), PROTOCOL_ERROR),
        // §6.6, §8.4.
        (
            "PUSH_PROMISE",
            joined(&[post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]),
            PROTOCOL_ERROR,
        ),
        // §6.7, §6.8.
        ("PING of a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("PING too short", frame(PING, 0, 0, &[0; 6]), FRAME_SIZE_ERROR),
        ("GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        // §6.9.
        ("WINDOW_UPDATE by 0", update(0, 0), PROTOCOL_ERROR),
        ("WINDOW_UPDATE beyond the most", update(0, 0x7fff_ffff), FLOW_CONTROL_ERROR),
        ("WINDOW_UPDATE too short", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), FRAME_SIZE_ERROR),
    ] {
        let told = told(&proxy, &sent);
        let got = told.iter().rfind(|f| f.kind == GOAWAY).map(code_of);
        // h2 says no more than PROTOCOL_ERROR of several of them.
        assert!(got.is_some_and(|got| got == code || got == PROTOCOL_ERROR), "{what}: {told:?}");
    }
}

/// RFC 9113 §5.4.1 lets an endpoint end the connection for these as well.
#[test]
fn breaches_that_concern_a_stream_reset_it() {
    let proxy = proxy();
    for (what, sent, code) in [
        // §5.1.
        ("DATA behind the end", [get(1), frame(DATA, 0, 1, b"x")].concat(), STREAM_CLOSED),
        ("HEADERS behind the end", [get(1), get(1)].concat(), STREAM_CLOSED),
        (
            "trailers without END_STREAM",
            [post(1), frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))].concat(),
            PROTOCOL_ERROR,
        ),
        // §6.3, §6.9.
        ("PRIORITY too short", [post(1), frame(PRIORITY, 0, 1, &[0; 4])].concat(), FRAME_SIZE_ERROR),
        ("WINDOW_UPDATE by 0", [post(1), update(1, 0)].concat(), PROTOCOL_ERROR),
        ("WINDOW_UPDATE beyond the most", [post(1), update(1, 0x7fff_ffff)].concat(), FLOW_CONTROL_ERROR),
    ] {
        let mut raw = Raw::connect(&proxy);
        raw.send(sent);
        let answer = loop {
            let next = raw.next();
            if matches!(next.kind, RST_STREAM | GOAWAY) {
                break next;
            }
        };
        let got = code_of(&answer);
        assert!(got == code || (answer.kind == GOAWAY && got == PROTOCOL_ERROR), "{what}: {answer:?}");
    }
}

/// What looks odd and is allowed: the request behind it, or made of it, is answered.
#[test]
fn what_is_allowed_is_served() {
    let proxy = proxy();
    let fields = request_block();
    let padded = [&[3][..], &fields, &[0; 3]].concat();
    let weighted = [&[0, 0, 0, 0, 9][..], &fields].concat();
    let (first, second) = fields.split_at(7);
    for (what, sent) in [
        ("an unknown frame", [frame(0xee, 0xff, 0, b"x"), get(1)].concat()),
        ("unknown flags", frame(HEADERS, 0xd2 | END_HEADERS | END_STREAM, 1, &fields)),
        ("an unknown setting", [setting(0xff, 1), get(1)].concat()),
        ("PRIORITY of an idle stream", [frame(PRIORITY, 0, 5, &[0, 0, 0, 3, 9]), get(1)].concat()),
        ("padding", frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded)),
        ("a weight", frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &weighted)),
        (
            "CONTINUATION",
            [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, second)].concat(),
        ),
        ("the end in an empty frame", [post(1), frame(DATA, END_STREAM, 1, b"")].concat()),
        (
            "the end in trailers",
            [post(1), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x", "y")]))].concat(),
        ),
        ("padded content", [post(1), frame(DATA, PADDED | END_STREAM, 1, &[2, b'x', 0, 0])].concat()),
        ("a reserved bit", [update(0x8000_0000, 1), get(1)].concat()),
        ("a smaller table", with_compressed(&[])),
    ] {
        let mut raw = Raw::connect(&proxy);
        raw.send(sent);
        let answer = raw.next();
        assert_eq!((answer.kind, answer.stream), (HEADERS, 1), "{what}: {answer:?}");
        // :status 200 is the eighth entry of the static table.
        assert_eq!(answer.payload.first(), Some(&0x88), "{what}: {answer:?}");
    }
}

/// RFC 9113 §6.5.3, §6.7: both have to be acknowledged.
#[test]
fn settings_and_pings_are_acknowledged() {
    let proxy = proxy();
    let frames = told(&proxy, &[frame(PING, 0, 0, b"12345678"), frame(GOAWAY, 0, 0, &[0; 8])].concat());
    let acks = |kind: u8| frames.iter().filter(move |f| f.kind == kind && f.flags & ACK != 0);
    assert_eq!(acks(SETTINGS).count(), 1, "{frames:?}");
    assert_eq!(acks(PING).map(|f| &f.payload[..]).collect::<Vec<_>>(), [b"12345678"], "{frames:?}");
}

/// RFC 9113 §6.9.2: a window may be closed before the first request and opened behind it.
#[test]
fn content_waits_for_its_window() {
    let proxy = proxy();
    let mut raw = Raw::connect(&proxy);
    raw.send([setting(4, 0), get(1)].concat());
    assert_eq!(raw.next().kind, HEADERS);
    raw.send(setting(4, 1));
    let one = raw.next();
    assert_eq!((one.kind, one.payload.len(), one.flags & END_STREAM), (DATA, 1, 0), "{one:?}");
    raw.send(update(1, 1000));
    let mut rest = raw.next();
    while rest.flags & END_STREAM == 0 {
        rest = raw.next();
    }
    assert_eq!(rest.stream, 1);
}

/// RFC 9113 §3.4: what is no preface ends the connection; what is a request of HTTP/1.1 is answered as one.
#[test]
fn a_preface_is_whole_or_none() {
    let proxy = proxy();
    for (sent, answered) in [
        (&b"INVALID CONNECTION PREFACE\r\n\r\n"[..], false),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false),
        (b"GET /\r\n\r\n", true),
        (b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", true),
    ] {
        let mut client = proxy.client();
        client.send(sent);
        let said = client.rest();
        assert_eq!(said.starts_with(b"HTTP/1.1 400 "), answered, "{said:?}");
        assert!(answered || said.is_empty(), "{said:?}");
    }
    let mut client = proxy.client();
    client.send(&PREFACE[..16]);
    client.send(b"\r\nXX\r\n\r\n");
    let (said, _) = client.rest_or_reset();
    assert!(!said.starts_with(b"HTTP/1"), "{said:?}");
    until("it is counted", || proxy.frontend_totals().request_errors == 4);
}

/// `facts/reliability.md`, classes 4 and 16: the same table as over HTTP/1.1.
#[test]
fn no_spelling_escapes_a_rule() {
    let server = answering();
    let proxy = spellings::guarded(&[server.addr]).start();
    let mut raw = Raw::connect(&proxy);
    let mut stream = 1;
    // `true`: refused by a rule.
    let mut is_refused = |path: &str, host: &str, by: &str| {
        let pseudo =
            [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", host), ("x-by", by)];
        raw.send(frame(1, 5, stream, &block(&pseudo)));
        stream += 2;
        let answer = raw.next();
        assert_eq!(answer.kind, 1, "HEADERS for {path} of {host}");
        // RFC 7541 §A: 200 is in the static table, 403 is not.
        let refused = answer.payload.first() != Some(&0x88);
        let mut last = answer.flags & 1 == 1;
        while !last {
            let more = raw.next();
            last = more.flags & 1 == 1;
        }
        refused
    };
    for path in spellings::PATHS {
        for by in spellings::WAYS {
            assert!(is_refused(path, "h", by), "{path} by {by}");
        }
    }
    for path in spellings::CASES {
        assert!(is_refused(path, "h", "nocase"), "{path}");
        assert!(!is_refused(path, "h", "beg"), "{path}: letters differ");
    }
    for host in spellings::HOSTS {
        assert!(is_refused("/", host, ""), "{host}");
    }
    for path in spellings::OTHERS {
        assert!(!is_refused(path, "h", "reg"), "{path}");
    }
    while server.heads.try_recv().is_ok() {}
    // What is no path does not reach a server, and of what has a fragment the rest is what rules and servers see.
    for (path, seen) in [
        ("/admin/#x", None),
        ("/#/../admin/", Some("GET / HTTP/1.1\r\n")),
        ("/\u{c0}\u{af}admin/", None),
        ("admin/", None),
        ("*", None),
    ] {
        let mut raw = Raw::connect(&proxy);
        let pseudo =
            [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "h"), ("x-by", "beg")];
        raw.send(frame(1, 5, 1, &block(&pseudo)));
        let answer = raw.next();
        let served = answer.kind == 1 && answer.payload.first() == Some(&0x88);
        assert_eq!(served, seen.is_some(), "{path:?}");
        let head = server.heads.try_recv().ok();
        let begin = head.as_ref().map(|head| format!("{}\r\n", head.lines().next().unwrap_or_default()));
        assert_eq!(begin.as_deref(), seen, "{path:?}");
    }
}
