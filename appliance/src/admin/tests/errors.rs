//! `show errors`, by what a real HAProxy has shown of the same messages.

use evenkeel_proxy::access_log::UnixMillis;
use evenkeel_proxy::h1::fault::{Fault, Part};
use evenkeel_proxy::plan::{BackendId, FrontendId, ServerId};
use evenkeel_proxy::unreadable::About;

use super::{Bench, Level};

/// Recorded from HAProxy 2.6, but for what is its own: the size of its buffers and the numbers of its flags.
const REQUEST: &str = " \n\
     [30/Nov/2026:22:21:31.293] frontend fe (#2): invalid request\n  \
     backend <NONE> (#-1), server <NONE> (#-1), event #0, src 127.0.0.1:49804\n  \
     buffer starts at 0 (including 0 out), 4038 free,\n  \
     len 58, wraps at 4096, error at position 28\n  \
     H1 msg state MSG_HDR_NAME(17), malformed field line :\n  \n  \
     00000  GET / HTTP/1.1\\r\\n\n  00016  Host: a\\r\\n\n  00025  bad header: y\\r\\n\n  \
     00040  Cookie: secret\\r\\n\n  00056  \\r\\n\n";
const RESPONSE: &str = " \n\
     [30/Nov/2026:22:21:31.293] backend be (#3): invalid response\n  \
     frontend fe (#2), server s2 (#2), event #1, src 127.0.0.1:49804\n  \
     buffer starts at 0 (including 0 out), 4079 free,\n  \
     len 17, wraps at 4096, error at position 3\n  \
     H1 msg state MSG_RPVER(10), x :\n  \n  \
     00000  SSH-2.0-OpenSSH\\r\\n\n";

#[test]
fn the_last_messages_that_could_not_be_read_are_shown() {
    let mut bench = Bench::new(Level::Operator);
    let unreadable = bench.sight.unreadable().expect("somebody looks");
    let client = "127.0.0.1:49804".parse().unwrap();
    let (time, frontend) = (UnixMillis(1_796_077_291_293), FrontendId(0));
    let about = About { time, client, frontend, backend: None, server: None };
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nbad header: y\r\nCookie: secret\r\n\r\n";
    let fault = Fault { at: 28, part: Part::FieldName };
    unreadable.note_request(about, request, fault, "malformed field line".to_owned());
    let about = About { backend: Some(BackendId(0)), server: Some(ServerId(1)), ..about };
    let fault = Fault { at: 3, part: Part::ResponseVersion };
    unreadable.note_response(about, b"SSH-2.0-OpenSSH\r\n", fault, "x".to_owned());
    let mut said = |line: &str| {
        let said = bench.say(line);
        match said.split_once('\n') {
            Some((first, rest)) if first.starts_with("Total events captured on [") => {
                assert!(first.ends_with("] : 2"), "{first}");
                rest.strip_suffix('\n').expect("an end").to_owned()
            }
            _ => said,
        }
    };
    let both = format!("{REQUEST}{RESPONSE}");
    for (line, expected) in [
        ("show errors", both.as_str()),
        ("show errors fe", &both),
        ("show errors 2", &both),
        ("show errors be", RESPONSE),
        ("show errors 3 response", RESPONSE),
        ("show errors 3 request", ""),
        ("show errors fe request", REQUEST),
        ("show errors -1 response", RESPONSE),
        ("show errors response", RESPONSE),
        ("show errors 99", ""),
        ("show errors nope", "No such proxy.\n\n"),
        ("show errors 0", "No such proxy.\n\n"),
    ] {
        assert_eq!(said(line), expected, "{line}");
    }
}
