//! What goes wrong, and what clients and records are told: HAProxy's statuses and letters for the same events.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::common::{
    Client, PATIENCE, Setup, answering, await_signal, closed_port, field, gist, scripted, signal, status,
    timers, until,
};
use super::oracle::Haproxy;
use evenkeel_proxy::plan::{
    AdminState, Balance, HashBalance, HashFunction, HashKey, HashLayout, Redispatch, ServerId, UriKey,
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const SHORT: Option<Duration> = Some(Duration::from_millis(100));

#[test]
fn what_is_not_a_request_gets_its_status_and_one_record() {
    let server = answering();
    let mut proxy = Setup::new(&[server.addr]).start();
    let long = "x".repeat(20_000);
    for (request, code, letters) in [
        ("GET / HTTP/1.1\r\n\r\n".into(), 400, "PR-- 0 GET / HTTP/1.1"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), 400, "PR-- 0 GET / HTTP/1.1"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400, "PR-- 0 <BADREQ>"),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), 400, "PR-- 0 <BADREQ>"),
        ("\x16\x03\x01\n".into(), 400, "PR-- 0 <BADREQ>"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            400,
            "PR-- 0 POST / HTTP/1.1",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n".into(),
            501,
            "PR-- 0 POST / HTTP/1.1",
        ),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n".into(), 501, "PR-- 0 CONNECT a:80 HTTP/1.1"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 1\r\n\r\n".into(),
            417,
            "PR-- 0 POST / HTTP/1.1",
        ),
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414, "PR-- 0 <BADREQ>"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), 431, "PR-- 0 <BADREQ>"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(102)), 431, "PR-- 0 <BADREQ>"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n".into(),
            400,
            "PH-- 0 POST / HTTP/1.1",
        ),
    ] {
        let mut client = proxy.client();
        client.send(&request);
        let (head, _) = client.response();
        assert_eq!((status(&head), field(&head, "connection")), (code, Some("close")), "{request:.60}");
        // The answer survives whatever of the request was not read.
        client.shut();
        assert_eq!(client.rest(), b"");
        // A backend is chosen only for what is a request.
        let record = gist(&proxy.record()).replace("front front/", "").replace("front back/", "");
        assert_eq!(record, format!("<NOSRV> {code} {letters}"), "{request:.60}");
    }
    assert_eq!(server.count(), 0);
    proxy.no_more_records();
}

#[test]
fn a_client_that_says_nothing_is_answered_but_recorded_only_if_asked() {
    for (dontlognull, records) in [(false, 2), (true, 0)] {
        let mut setup = Setup::new(&[closed_port()]);
        setup.frontend.dontlognull = dontlognull;
        setup.frontend.timeout.http_request = SHORT;
        let mut proxy = setup.start();
        let mut client = proxy.client();
        client.shut();
        assert_eq!(status(&client.response().0), 400);
        let mut client = proxy.client();
        assert_eq!(status(&client.response().0), 408);
        assert_eq!(client.rest(), b"");
        let mut seen: Vec<_> = (0..records).map(|_| gist(&proxy.record())).collect();
        seen.sort();
        let expected = ["front front/<NOSRV> 400 CR-- 0 <BADREQ>", "front front/<NOSRV> 408 cR-- 0 <BADREQ>"];
        assert_eq!(seen, expected[..records]);
        proxy.no_more_records();
    }
}

#[test]
fn an_incomplete_head_times_out_whatever_trickles_in() {
    let mut setup = Setup::new(&[closed_port()]);
    setup.frontend.timeout.http_request = SHORT;
    let mut proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: ");
    // Another byte for as long as there is no answer.
    client.stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let start = Instant::now();
    while client.stream.peek(&mut [0]).is_err() {
        client.send("a");
        assert!(start.elapsed() < PATIENCE, "an answer in time");
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(status(&client.response().0), 408);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 408 cR-- 0 <BADREQ>");
    proxy.no_more_records();
}

#[test]
fn a_head_cut_short_gets_400() {
    let mut proxy = Setup::new(&[closed_port()]).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    client.shut();
    assert_eq!(status(&client.response().0), 400);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 400 CR-- 0 <BADREQ>");
    proxy.no_more_records();
}

#[test]
fn an_idle_kept_connection_is_closed_without_a_word() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_keep_alive = SHORT;
    let mut proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    client.response();
    assert_eq!(client.rest(), b"");
    proxy.record();
    proxy.no_more_records();
}

#[test]
fn a_stalled_upload_times_out() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        await_signal(&wait);
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = SHORT;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(status(&client.response().0), 408);
    assert_eq!(gist(&proxy.record()), "front back/s1 408 cH-- 0 POST / HTTP/1.1");
    go.send(()).unwrap();
}

#[test]
fn a_silent_server_times_out() {
    let (go, wait) = signal();
    let server = scripted(move |served, number| {
        served.request();
        if number == 1 {
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
        await_signal(&wait);
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.timeout.server = SHORT;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.response().0), 504);
    let record = proxy.record();
    assert_eq!(gist(&record), "front back/s1 504 sH-- 0 GET /a HTTP/1.1");
    let times = timers(&record);
    assert_eq!((times[3], times[4] >= 90), (-1, true), "{times:?}");
    // In the middle of a response all that is left is to end it.
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.head()), 200);
    assert_eq!(client.rest(), b"half");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 sD-- 0 GET /a HTTP/1.1");
    go.send(()).unwrap();
    go.send(()).unwrap();
}

#[test]
fn an_inactive_tunnel_times_out() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        served.client.stream.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.timeout.tunnel = SHORT;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(status(&client.head()), 101);
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy.record()), "front back/s1 101 cD-- 0 GET / HTTP/1.1");
}

#[test]
fn servers_that_give_no_valid_answer() {
    for (answer, letters) in [
        ("", "SH--"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "SH--"),
        ("garbage\r\n\r\n", "PH--"),
        ("HTTP/2 200 OK\r\n\r\n", "PH--"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "PH--"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "PH--"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "PH--"),
        ("HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "PH--"),
        ("HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "PH--"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "PH--"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "PD--"),
    ] {
        let server = scripted(move |served, _| {
            served.request();
            served.send(answer);
        });
        let mut proxy = Setup::new(&[server.addr]).start();
        let mut client = proxy.client();
        client.send(GET);
        if letters == "PD--" {
            // Its head was out before the first chunk was looked at.
            client.rest();
        } else {
            let (head, _) = client.response();
            assert_eq!((status(&head), field(&head, "connection")), (502, Some("close")), "{answer:?}");
        }
        let record = gist(&proxy.record());
        let code = if letters == "PD--" { 200 } else { 502 };
        assert_eq!(record, format!("front back/s1 {code} {letters} 0 GET /a HTTP/1.1"), "{answer:?}");
        proxy.no_more_records();
    }
}

#[test]
fn a_response_cut_short_does_not_look_whole() {
    for (answer, body, reset) in [
        ("Content-Length: 10\r\n\r\nhalf", "half", false),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nhalf\r\n", false),
        // Without framing only a reset can say so.
        ("\r\nhalf", "half", true),
    ] {
        let server = scripted(move |served, _| {
            served.request();
            served.send(format!("HTTP/1.1 200 OK\r\n{answer}"));
            if reset {
                served.client.stream.set_nonblocking(false).unwrap();
                socket2::SockRef::from(&served.client.stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
        });
        let mut proxy = Setup::new(&[server.addr]).start();
        let mut client = proxy.client();
        client.send(GET);
        let (bytes, was_reset) = client.rest_or_reset();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if reset {
            // A reset may overtake what was sent before it.
            assert!(was_reset, "{text}");
        } else {
            assert!(text.ends_with(&format!("\r\n\r\n{body}")), "{text}");
        }
        let record = gist(&proxy.record());
        assert!(record.contains(" SD-- ") || (reset && record.contains(" SH-- ")), "{record}");
        proxy.no_more_records();
    }
}

#[test]
fn a_refusing_server_is_tried_again() {
    for retries in [0, 2] {
        let mut setup = Setup::new(&[closed_port()]);
        setup.backend.retries = retries;
        setup.backend.timeout.connect = SHORT;
        let proxy = setup.start();
        let mut client = proxy.client();
        let start = Instant::now();
        client.send(GET);
        assert_eq!(status(&client.response().0), 503);
        // Spaced by the connect timeout, which is shorter than a second.
        assert!(start.elapsed() >= Duration::from_millis(100) * retries.into());
        let record = proxy.record();
        assert_eq!(gist(&record), format!("front back/s1 503 SC-- {retries} GET /a HTTP/1.1"));
        assert_eq!(timers(&record)[2..4], [-1, -1]);
    }
}

#[test]
fn the_last_retry_goes_to_another_server() {
    let server = answering();
    let mut setup = Setup::new(&[closed_port(), server.addr]);
    (setup.backend.retries, setup.backend.redispatch) = (1, Redispatch::LAST);
    let proxy = setup.start();
    let mut client = proxy.client();
    let mut records = Vec::new();
    for _ in 0..2 {
        client.send(GET);
        assert_eq!(status(&client.response().0), 200);
        records.push(gist(&proxy.record()));
    }
    records.sort();
    assert_eq!(
        records,
        ["front back/s2 200 ---- +1 GET /a HTTP/1.1", "front back/s2 200 ---- 0 GET /a HTTP/1.1"]
    );
    for server in [0, 1] {
        until("nothing is in flight", || proxy.balance.in_flight(ServerId(server)) == 0);
    }
}

/// The next server on the ring gets it, as with HAProxy: a client finds the same one for as long as its own is away.
#[test]
fn the_last_retry_is_hashed_again() {
    let (dead, second, third) = (closed_port(), answering(), answering());
    let mut setup = Setup::new(&[dead, second.addr, third.addr]);
    (setup.backend.retries, setup.backend.redispatch) = (1, Redispatch::LAST);
    setup.backend.balance = Balance::Hash(HashBalance {
        key: HashKey::Uri(UriKey::default()),
        layout: HashLayout::Consistent,
        function: HashFunction::Sdbm,
        avalanche: true,
        factor: None,
    });
    let proxy = setup.start();
    let oracle = Haproxy::start(&format!(
        " balance uri\n hash-type consistent\n option redispatch\n retries 1\n server s1 {dead}\n server s2 {}\n \
         server s3 {}\n",
        second.addr, third.addr
    ));
    let (mut ours, mut theirs) = (proxy.client(), Client::over(TcpStream::connect(oracle.addr).unwrap()));
    theirs.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut moved = BTreeSet::new();
    for n in (0..24).chain(0..24) {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n");
        for client in [&mut ours, &mut theirs] {
            client.send(&request);
            assert_eq!(status(&client.response().0), 200);
        }
        let record = gist(&proxy.record());
        assert_eq!(record, gist(&oracle.record()));
        if record.contains(" +1 ") {
            moved.insert(record.split(' ').nth(1).map(str::to_owned));
        }
    }
    assert_eq!(moved.len(), 2, "the ring spreads what the dead server had: {moved:?}");
}

#[test]
fn a_server_that_does_not_answer_the_connection_times_out() {
    let (addr, _full) = full_backlog();
    let mut setup = Setup::new(&[addr]);
    setup.backend.timeout.connect = SHORT;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.response().0), 503);
    assert_eq!(gist(&proxy.record()), "front back/s1 503 sC-- 0 GET /a HTTP/1.1");
}

#[test]
fn without_a_server_there_is_503_at_once() {
    let mut setup = Setup::new(&[closed_port()]);
    setup.servers[0].admin = AdminState::Maint;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(status(&client.response().0), 503);
    assert_eq!(gist(&proxy.record()), "front back/<NOSRV> 503 SC-- 0 GET /a HTTP/1.1");
}

/// RFC 9112 §9.3.1: the server closes a kept connection just as the next request reaches it.
#[test]
fn a_stale_connection_costs_an_idempotent_request_nothing() {
    let server = scripted(|served, number| {
        if number == 0 {
            served.request();
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            // Takes the next request and closes.
            served.request();
        } else {
            served.answer_all();
        }
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.response().1, b"ok");
    client.send("PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().1, b"PUT /b HTTP/1.1");
    assert_eq!(server.count(), 2);
    proxy.record();
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 1 PUT /b HTTP/1.1");
    drop(client);
    proxy.no_more_records();
}

#[test]
fn a_request_that_must_not_be_repeated_is_sent_once() {
    let server = scripted(|served, number| {
        if number == 0 {
            served.request();
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            served.request();
        } else {
            served.answer_all();
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    client.response();
    client.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(status(&client.response().0), 502);
    assert_eq!(server.count(), 1);
    proxy.record();
    assert_eq!(gist(&proxy.record()), "front back/s1 502 SH-- 0 POST /b HTTP/1.1");
}

#[test]
fn a_connection_that_the_server_has_closed_is_not_used() {
    let (closed, wait) = signal();
    let server = scripted(move |served, number| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if number == 0 {
            served.client.stream.shutdown(std::net::Shutdown::Both).unwrap();
            closed.send(()).unwrap();
        } else {
            served.answer_all();
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    client.response();
    await_signal(&wait);
    client.send("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().1, b"ok");
    proxy.record();
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 POST /b HTTP/1.1");
    assert_eq!(server.count(), 2);
}

#[test]
fn what_a_server_sends_behind_its_response_reaches_nobody() {
    let server = scripted(|served, _| {
        while served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(GET);
        assert_eq!(client.response().1, b"ok");
    }
    assert_eq!(server.count(), 3);
}

#[test]
fn an_answer_before_the_content_ends_the_connection() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        served.client.stream.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    let (head, body) = client.response();
    assert_eq!((status(&head), field(&head, "connection"), &*body), (413, Some("close"), &b"big"[..]));
    // What would have been the rest of the content is not another request.
    client.send(GET);
    client.shut();
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy.record()), "front back/s1 413 ---- 0 POST / HTTP/1.1");
}

#[test]
fn a_client_that_leaves_during_its_upload_is_noticed() {
    let server = scripted(|served, _| {
        served.request();
        served.client.stream.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf");
    server.head();
    drop(client);
    assert_eq!(gist(&proxy.record()), "front back/s1 400 CH-- 0 POST / HTTP/1.1");
    until("its request is over", || proxy.balance.in_flight(ServerId(0)) == 0);
    proxy.no_more_records();
}

#[test]
fn a_client_that_leaves_during_its_download_is_noticed() {
    let (done, wait) = signal();
    let server = scripted(move |served, _| {
        use std::io::Write;
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        // Until the proxy closes.
        while served.client.stream.write_all(&[b'x'; 65536]).is_ok() {}
        done.send(()).unwrap();
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    client.take(100_000);
    drop(client);
    await_signal(&wait);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 CD-- 0 GET /a HTTP/1.1");
    proxy.no_more_records();
}

/// A listener whose backlog is full: the kernel ignores further connections.
pub(crate) fn full_backlog() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog has a limit");
    }
    (addr, (listener, waiting))
}

#[test]
fn records_of_requests_that_are_cut_by_stopping() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        await_signal(&wait);
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    server.head();
    until("the request in flight", || proxy.balance.in_flight(ServerId(0)) == 1);
    proxy.proxy.take().unwrap().stop();
    assert_eq!(gist(&proxy.record()), "front back/s1 -1 K--- 0 GET /a HTTP/1.1");
    assert_eq!(proxy.balance.in_flight(ServerId(0)), 0);
    go.send(()).unwrap();
}
