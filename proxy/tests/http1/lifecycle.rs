//! Starting, limits, heartbeats and draining.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::{
    Client, PATIENCE, Scripted, Setup, TestProxy, answering, await_signal, field, gist, scripted, signal,
    until,
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

#[test]
fn every_thread_answers_heartbeats() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.global.threads = 4;
    let proxy = setup.start();
    for _ in 0..100 {
        block_on(async { tokio::time::timeout(PATIENCE, proxy.proxy().heartbeat()).await }).unwrap();
    }
}

#[test]
fn draining_lets_requests_finish_and_closes_the_rest() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        while let Some(head) = served.request() {
            if head.starts_with("GET /slow ") {
                await_signal(&wait);
            }
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut idle = proxy.client();
    idle.send(GET);
    idle.response();
    let mut busy = proxy.client();
    busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    server.head();
    server.head();
    proxy.proxy().start_draining();
    // The idle one ends, the busy one is answered and told.
    assert_eq!(idle.rest(), b"");
    until("only the busy one is left", || proxy.proxy().connections() == 1);
    assert_eq!(block_on(async { proxy.proxy().drain(Instant::now()).await }), 1);
    until("nobody accepts", || TcpStream::connect(proxy.addr).is_err());
    go.send(()).unwrap();
    let (head, body) = busy.response();
    assert_eq!((field(&head, "connection"), &*body), (Some("close"), &b"ok"[..]));
    busy.shut();
    assert_eq!(busy.rest(), b"");
    assert_eq!(block_on(proxy.proxy().drain(Instant::now() + PATIENCE)), 0);
    proxy.record();
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /slow HTTP/1.1");
    proxy.no_more_records();
}

/// A server that answers every GET, and waits for the content of a POST.
fn patient() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            if head.starts_with("POST") {
                served.client.rest_or_reset();
                return;
            }
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

/// A client in the middle of its request, which has reached the server.
fn busy(proxy: &TestProxy, server: &Scripted) -> Client {
    let mut client = proxy.client();
    client.send("POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nha");
    assert!(server.head().starts_with("POST"));
    client
}

#[test]
fn connections_beyond_the_limit_wait_their_turn() {
    for limit_of_frontend in [true, false] {
        let server = patient();
        let mut setup = Setup::new(&[server.addr]);
        match limit_of_frontend {
            true => setup.frontend.maxconn = Some(2),
            false => setup.global.maxconn = 2,
        }
        let proxy = setup.start();
        let (first, _second) = (busy(&proxy, &server), busy(&proxy, &server));
        // The kernel has it; the proxy has not.
        let mut third = proxy.client();
        third.send(GET);
        third.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(third.stream.peek(&mut [0]).is_err());
        assert_eq!((proxy.proxy().connections(), proxy.frontend_totals().evicted), (2, 0));
        third.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        drop(first);
        assert_eq!(third.response().1, b"ok");
    }
}

#[test]
fn connections_that_say_nothing_harm_nobody() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_request = Some(Duration::from_secs(1));
    let proxy = setup.start();
    let silent: Vec<_> = (0..500).map(|_| proxy.client()).collect();
    let mut client = proxy.client();
    for _ in 0..20 {
        client.send(GET);
        client.response();
    }
    // All of them end by themselves, at their deadline and not with the next event.
    until("the silent ones are gone", || {
        proxy.proxy().connections() == 1 || proxy.proxy().connections() == 0
    });
    drop(silent);
}
