//! Requests that are sent again because of what the server answered, as `retry_on` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_proxy::plan::{Layer, Observe, OnError, Redispatch, Retry, RetryEvent, RetryOn};
use evenkeel_proxy::retry::ALWAYS;

use super::common::{
    Scripted, Served, Setup, TestProxy, answering, await_signal, gist, scripted, signal, status,
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Its first connections do something else than answer.
fn failing(times: usize, fail: impl Fn(&mut Served) + Send + Sync + 'static) -> Scripted {
    scripted(move |served, number| {
        if number >= times {
            return served.answer_all();
        }
        served.request();
        fail(served);
    })
}

fn proxy(server: &Scripted, on: RetryOn, retries: u8, change: impl FnOnce(&mut Setup)) -> TestProxy {
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.retries = retries;
    setup.backend.http.retry = Retry { on, ..Retry::default() };
    change(&mut setup);
    setup.start()
}

fn only(event: RetryEvent) -> RetryOn {
    RetryOn::NONE.with(event)
}

#[test]
fn each_event_is_tried_again_and_only_if_asked_for() {
    type Fail = fn(&mut Served);
    let cases: [(RetryEvent, Fail, u16, &str); 6] = [
        (RetryEvent::EmptyResponse, |_| {}, 502, "SH--"),
        (RetryEvent::JunkResponse, |s| s.send("SSH-2.0-OpenSSH\r\n"), 502, "PH--"),
        (RetryEvent::JunkResponse, |s| s.send("HTTP/1.1 200 OK\r\nContent-"), 502, "SH--"),
        (RetryEvent::ResponseTimeout, |s| while s.request().is_some() {}, 504, "sH--"),
        (
            RetryEvent::Status(503),
            |s| s.send("HTTP/1.1 503 Away\r\nContent-Length: 4\r\n\r\naway"),
            503,
            "----",
        ),
        (RetryEvent::Status(404), |s| s.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), 404, "----"),
    ];
    let short = |setup: &mut Setup| setup.backend.timeout.server = Some(Duration::from_millis(300));
    for (event, fail, failed, flags) in cases {
        let server = failing(2, fail);
        let again = proxy(&server, only(event), 2, short);
        let mut client = again.client();
        client.send(GET);
        assert_eq!(client.response().1, b"GET /a HTTP/1.1", "{event:?}");
        assert_eq!(gist(&again.record()), "front back/s1 200 ---- 2 GET /a HTTP/1.1", "{event:?}");
        assert_eq!(server.count(), 3, "{event:?}");
        let totals = again.stats.snapshot().backends[0];
        assert_eq!((totals.retries, totals.repeats, totals.redispatches), (2, 2, 0), "{event:?}");

        // Attempts are used up: what came last is what the client gets.
        let server = failing(2, fail);
        let exhausted = proxy(&server, only(event), 1, short);
        let mut client = exhausted.client();
        client.send(GET);
        assert_eq!(status(&client.response().0), failed, "{event:?}");
        let record = format!("front back/s1 {failed} {flags} 1 GET /a HTTP/1.1");
        assert_eq!(gist(&exhausted.record()), record, "{event:?}");
        assert_eq!(server.count(), 2, "{event:?}");

        let server = failing(1, fail);
        let others = RetryOn::ALL_RETRYABLE_ERRORS;
        let off = if others.has(event) { RetryOn::default() } else { others };
        let once = proxy(&server, off, 3, short);
        let mut client = once.client();
        client.send(GET);
        assert_eq!(status(&client.response().0), failed, "{event:?}");
        assert_eq!(server.count(), 1, "{event:?}");
    }
}

#[test]
fn the_content_is_sent_again_if_it_may_be() {
    let post = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    for (non_idempotent, method, expected) in
        [(true, "POST", 200), (false, "POST", 502), (false, "PUT", 200), (true, "PUT", 200)]
    {
        let server = scripted(|served, number| {
            if let Some(head) = served.request() {
                let content = served.client.take(5);
                assert_eq!((head.contains("Content-Length: 5"), &*content), (true, &b"hello"[..]));
            }
            if number > 0 {
                served.send(OK);
                served.request();
            }
        });
        let on = only(RetryEvent::EmptyResponse);
        let proxy = proxy(&server, on, 3, |s| s.backend.http.retry.non_idempotent = non_idempotent);
        let mut client = proxy.client();
        client.send(post.replacen("POST", method, 1));
        assert_eq!(status(&client.response().0), expected, "{method} {non_idempotent}");
    }
}

#[test]
fn a_request_too_large_to_keep_is_sent_once() {
    let server = scripted(|served, _| {
        served.request();
        served.client.take(100_000);
    });
    let proxy = proxy(&server, RetryOn::ALL_RETRYABLE_ERRORS, 3, |_| {});
    let mut client = proxy.client();
    client.send("PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    assert_eq!(status(&client.response().0), 502);
    assert_eq!(server.count(), 1);
    assert_eq!(gist(&proxy.record()), "front back/s1 502 SH-- 0 PUT /p HTTP/1.1");
}

#[test]
fn a_response_that_has_begun_is_not_tried_again() {
    let server = failing(1, |s| s.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"));
    let proxy = proxy(&server, RetryOn::ALL_RETRYABLE_ERRORS, 3, |_| {});
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.head()), 200);
    client.rest_or_reset();
    assert_eq!(gist(&proxy.record()), "front back/s1 200 SD-- 0 GET /a HTTP/1.1");
    assert_eq!(server.count(), 1);
}

#[test]
fn with_redispatch_another_server_gets_it() {
    let (bad, good) = (failing(usize::MAX, |_| {}), answering());
    let mut setup = Setup::new(&[bad.addr, good.addr]);
    setup.backend.retries = 3;
    setup.backend.redispatch = Redispatch::LAST;
    setup.backend.http.retry.on = only(RetryEvent::EmptyResponse);
    let proxy = setup.start();
    for turn in ["+1", "0"] {
        let mut client = proxy.client();
        client.send(GET);
        assert_eq!(status(&client.response().0), 200);
        assert_eq!(gist(&proxy.record()), format!("front back/s2 200 ---- {turn} GET /a HTTP/1.1"));
    }
    let totals = proxy.stats.snapshot();
    assert_eq!((totals.servers[0].redispatches, totals.backends[0].redispatches), (1, 1));
    assert_eq!((totals.servers[1].redispatches, totals.backends[0].retries), (0, 0));
}

/// The answer that a client gets in the end does not hide the failures before it.
#[test]
fn failures_that_are_repeated_count_against_their_server() {
    type Fail = fn(&mut Served);
    let cases: [(RetryEvent, Fail, bool); 5] = [
        (RetryEvent::EmptyResponse, |_| {}, true),
        (RetryEvent::JunkResponse, |s| s.send("SSH-2.0-OpenSSH\r\n"), true),
        (RetryEvent::ResponseTimeout, |s| while s.request().is_some() {}, true),
        (RetryEvent::Status(503), |s| s.send("HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"), true),
        (RetryEvent::Status(404), |s| s.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), false),
    ];
    for (event, fail, counts) in cases {
        let server = failing(2, fail);
        let proxy = proxy(&server, only(event), 2, |setup| {
            setup.backend.timeout.server = Some(Duration::from_millis(300));
            let on_error = OnError::MarkDown;
            setup.servers[0].watch.observe = Some(Observe { layer: Layer::Layer7, error_limit: 2, on_error });
        });
        let (marks, seen) = (Arc::new(AtomicU32::new(0)), Arc::clone(&proxy.balance));
        let counted = Arc::clone(&marks);
        seen.observations().wake_by(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut client = proxy.client();
        client.send(GET);
        assert_eq!(status(&client.response().0), 200, "{event:?}");
        assert_eq!(marks.load(Ordering::Relaxed), u32::from(counts), "{event:?}");
    }
}

#[test]
fn without_conn_failure_connecting_is_not_tried_again() {
    let mut setup = Setup::new(&[super::common::closed_port()]);
    setup.backend.retries = 3;
    setup.backend.http.retry.on = only(RetryEvent::EmptyResponse);
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.response().0), 503);
    assert_eq!(gist(&proxy.record()), "front back/s1 503 SC-- 0 GET /a HTTP/1.1");
}

#[test]
fn a_backend_that_fails_is_not_flooded() {
    let server = failing(usize::MAX, |_| {});
    let proxy = proxy(&server, only(RetryEvent::EmptyResponse), 1, |s| {
        s.backend.http.retry.budget_percent = 0;
    });
    let requests = 3 * ALWAYS;
    for _ in 0..requests {
        let mut client = proxy.client();
        client.send(GET);
        assert_eq!(status(&client.response().0), 502);
    }
    let repeats = proxy.stats.snapshot().backends[0].repeats;
    // More only if the machine took longer than the budget's window for them.
    assert!((ALWAYS..requests).contains(&repeats), "{repeats}");
    assert_eq!(server.count() as u64, requests + repeats);
}

#[test]
fn an_interim_response_passes_once_and_the_rest_is_tried_again() {
    let (go, wait) = signal();
    let server = scripted(move |served, number| {
        served.request();
        if number == 0 {
            served.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
            await_signal(&wait);
        } else {
            served.send(OK);
            served.request();
        }
    });
    let all = RetryOn::ALL_RETRYABLE_ERRORS;
    let proxy = proxy(&server, all, 1, |_| {});
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.head()), 103);
    go.send(()).unwrap();
    assert_eq!(client.response().1, b"ok");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 1 GET /a HTTP/1.1");
}
