//! Clients that are slow on purpose, and those that keep a house full without doing anything.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use evenkeel_proxy::plan::Frontend;

use super::common::{
    Client, PATIENCE, Setup, TestProxy, answering, await_signal, gist, scripted, signal, status, until,
};

/// Sends `piece` again and again without a pause that a timeout of inactivity would notice, until the proxy answers or
/// closes. How long that took.
fn drip(client: &mut Client, piece: &[u8]) -> Duration {
    let start = Instant::now();
    client.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        assert!(start.elapsed() < PATIENCE, "an end in time");
        if client.stream.write_all(piece).is_err() {
            return start.elapsed();
        }
        match client.stream.peek(&mut [0]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(_) | Err(_) => break,
        }
    }
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    start.elapsed()
}

#[test]
fn a_head_sent_byte_by_byte_ends_in_time() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_millis(300));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX: ");
    assert!(drip(&mut client, b"x") >= Duration::from_millis(250));
    assert_eq!(status(&client.head()), 408);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 408 cR-- 0 <BADREQ>");
}

#[test]
fn content_sent_byte_by_byte_ends_in_time() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_millis(300));
    setup.frontend.http.min_rate.request_body = 10_000;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    assert!(drip(&mut client, b"x") >= Duration::from_millis(250));
    assert_eq!(status(&client.head()), 408);
    assert_eq!(gist(&proxy.record()), "front back/s1 408 rH-- 0 POST /slow HTTP/1.1");
    assert_eq!(proxy.frontend_totals().slow_clients, 1);
    // Whoever keeps up is not disturbed, though it takes several times as long.
    let mut client = proxy.client();
    client.send("POST /steady HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\n\r\n");
    let (start, mut at) = (Instant::now(), 0);
    while at < 20_000 {
        let due = usize::try_from(start.elapsed().as_micros() * 20 / 1000).unwrap().min(20_000);
        client.send(vec![b'x'; due.saturating_sub(at)]);
        at = at.max(due);
        std::thread::yield_now();
    }
    assert_eq!(status(&client.response().0), 200);
}

/// Whether it is told to go on or does so by itself: from then on it is the client who is waited for.
#[test]
fn content_that_was_held_back_has_to_keep_pace_as_well() {
    for told in [true, false] {
        let server = scripted(move |served, _| {
            served.request();
            if told {
                served.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            served.client.rest_or_reset();
        });
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.timeout.client = Some(Duration::from_millis(300));
        setup.frontend.http.min_rate.request_body = 10_000;
        let proxy = setup.start();
        let mut client = proxy.client();
        client.send("POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
        if told {
            assert_eq!(status(&client.head()), 100);
        }
        assert!(drip(&mut client, b"x") >= Duration::from_millis(250));
        assert_eq!(status(&client.head()), 408, "{told}");
        assert_eq!(gist(&proxy.record()), "front back/s1 408 rH-- 0 POST /x HTTP/1.1");
    }
}

/// Nobody has read what it had to say, so it cannot have been late.
#[test]
fn time_in_the_queue_is_not_the_clients() {
    for expectation in ["Expect: 100-continue\r\n", ""] {
        let (go, may_go) = signal();
        let server = scripted(move |served, number| {
            if number == 0 {
                served.request();
                await_signal(&may_go);
                return served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
            let head = served.request().unwrap();
            if head.contains("xpect") {
                served.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            assert_eq!(served.client.take(5), b"hello");
            served.send("HTTP/1.1 204 No Content\r\n\r\n");
            served.request();
        });
        let timeout = Duration::from_millis(200);
        let mut setup = Setup::new(&[server.addr]);
        setup.servers[0].limits.maxconn = Some(1);
        setup.frontend.timeout.client = Some(timeout);
        let proxy = setup.start();
        let mut first = proxy.client();
        first.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        server.head();
        let mut second = proxy.client();
        second.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{expectation}Content-Length: 5\r\n\r\n"));
        let sent = Instant::now();
        until("it waits", || proxy.stats.snapshot().backends[0].current == 2);
        until("its time is up", || sent.elapsed() > timeout * 2);
        go.send(()).unwrap();
        server.head();
        if !expectation.is_empty() {
            assert_eq!(status(&second.head()), 100);
        }
        second.send("hello");
        assert_eq!(status(&second.head()), 204);
    }
}

#[test]
fn a_response_read_byte_by_byte_ends_in_time() {
    let server = scripted(|served, _| {
        if served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
            let content = vec![b'x'; 1 << 20];
            while served.client.stream.write_all(&content).is_ok() {}
        }
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_millis(500));
    setup.frontend.http.min_rate.response = 50_000_000;
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
    // Much less than it has to take, but so much that the proxy sees it move.
    let (start, mut got, mut bytes) = (Instant::now(), 0_u128, vec![0; 65536]);
    while start.elapsed() < PATIENCE {
        if got > start.elapsed().as_millis() * 10_000 {
            std::thread::yield_now();
            continue;
        }
        match client.stream.read(&mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(n) => got += n as u128,
        }
        if proxy.frontend_totals().slow_clients == 1 {
            break;
        }
    }
    until("the client is given up", || proxy.frontend_totals().slow_clients == 1);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 rD-- 0 GET /large HTTP/1.1");
}

fn get(client: &mut Client) -> u16 {
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    status(&client.response().0)
}

/// Connections of which the proxy has answered a request each.
fn fill(proxy: &TestProxy, count: usize) -> Vec<Client> {
    let served = |_| {
        let mut client = proxy.client();
        assert_eq!(get(&mut client), 200);
        client
    };
    (0..count).map(served).collect()
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let end = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    matches!(end, Ok(0))
}

#[test]
fn idle_connections_make_room_for_one_that_has_a_request() {
    for limit_of_frontend in [true, false] {
        for threads in [1, 2] {
            let server = answering();
            let mut setup = Setup::new(&[server.addr]);
            setup.global.threads = threads;
            match limit_of_frontend {
                true => setup.frontend.maxconn = Some(8),
                false => setup.global.maxconn = 8,
            }
            let proxy = setup.start();
            let mut house = fill(&proxy, 8);
            if threads == 1 {
                assert_eq!(proxy.proxy().connections(), 8);
            }
            let mut polite = proxy.client();
            assert_eq!(get(&mut polite), 200);
            until("the house is within its limit", || proxy.proxy().connections() <= 8);
            // A connection waits for all threads: each may find somebody to make room, for the last of the house as well.
            let gone = || house.iter().filter(|c| is_closed(&c.stream)).count();
            until("who is gone was asked to leave", || proxy.frontend_totals().evicted == gone() as u64);
            let most = if threads == 1 { 1 } else { 3 };
            assert!((1..=most).contains(&gone()), "{} for {threads} threads", gone());
            if threads == 1 {
                assert!(is_closed(&house[0].stream), "the one idle for the longest");
            }
            // The others are served as before.
            for client in house.iter_mut().filter(|c| !is_closed(&c.stream)) {
                assert_eq!(get(client), 200);
            }
        }
    }
}

#[test]
fn connections_that_never_said_anything_make_room() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.maxconn = Some(4);
    let proxy = setup.start();
    let _mute: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    until("the house is full", || proxy.proxy().connections() == 4);
    for _ in 0..6 {
        assert_eq!(get(&mut proxy.client()), 200);
    }
}

/// One byte of a request does not make a connection worth more than one that says nothing, and neither does a part of what
/// has to come before a request. The oldest goes first.
#[test]
fn connections_that_never_said_enough_make_room() {
    for (part, announces) in [("G", false), ("GET / HTTP/1.1\r\nHost: h\r\n", false), ("PROXY TCP4 ", true)] {
        let server = answering();
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.maxconn = Some(4);
        if announces {
            setup.accept_proxy = vec![(Ipv4Addr::LOCALHOST.into(), 32)];
        }
        let proxy = setup.start();
        let house: Vec<_> = (0..4)
            .map(|n| {
                let mut client = proxy.client();
                client.send(part);
                until("it is in", || proxy.proxy().connections() == n + 1);
                client
            })
            .collect();
        let mut polite = proxy.client();
        if announces {
            polite.send("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
        }
        assert_eq!(get(&mut polite), 200, "{part}");
        assert!(is_closed(&house[0].stream), "{part}: the oldest");
        assert!(house[1..].iter().all(|client| !is_closed(&client.stream)), "{part}: no more than needed");
        assert_eq!(proxy.frontend_totals().evicted, 1, "{part}");
        if !announces {
            assert_eq!(gist(&proxy.record()), "front front/<NOSRV> -1 RR-- 0 <BADREQ>", "{part}");
        }
    }
}

/// A frontend that is full, with clients before its door, costs those of another one nothing.
#[test]
fn a_full_frontend_does_not_hold_up_another() {
    let (server, release) = {
        let (release, released) = signal();
        let server = scripted(move |served, _| {
            while let Some(head) = served.request() {
                if head.starts_with("GET /hold ") {
                    await_signal(&released);
                }
                served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        (server, release)
    };
    let mut setup = Setup::new(&[server.addr]);
    setup.beside = Some(Frontend { name: "beside".into(), ..Setup::new(&[]).frontend });
    setup.frontend.maxconn = Some(1);
    let proxy = setup.start();
    let mut first = proxy.client();
    first.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    server.head();
    let _before_the_door = [proxy.client(), proxy.client()];
    let start = Instant::now();
    for _ in 0..RUNS {
        let mut client = Client::over(TcpStream::connect(proxy.beside.unwrap()).unwrap());
        client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(get(&mut client), 200);
    }
    // Not with a pause of 10 ms before each.
    assert!(start.elapsed() < Duration::from_millis(8 * RUNS), "{:?}", start.elapsed());
    release.send(()).unwrap();
    assert_eq!(status(&first.response().0), 200);
}

const RUNS: u64 = 200;
