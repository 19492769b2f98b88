//! Clients that close while their requests wait: what becomes of them, beside HAProxy with `option abortonclose`.

use std::net::{SocketAddr, TcpStream};

use super::common::{Client, PATIENCE, Scripted, Setup, TestProxy, gist, scripted, until};
use super::failures::full_backlog;
use super::oracle::Haproxy;
use evenkeel_proxy::plan::ServerId;

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

/// A server that answers nobody.
fn silent() -> Scripted {
    scripted(|served, _| while served.request().is_some() {})
}

fn client(addr: SocketAddr) -> Client {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

fn ours(server: SocketAddr, abort_on_close: bool) -> TestProxy {
    let mut setup = Setup::new(&[server]);
    setup.backend.http.abort_on_close = abort_on_close;
    setup.servers[0].limits.maxconn = Some(1);
    setup.start()
}

fn theirs(server: SocketAddr) -> Haproxy {
    Haproxy::start_with(
        " option abortonclose\n timeout queue 500\n",
        &format!(" server s1 {server} maxconn 1\n"),
    )
}

/// The record of a client that closes as soon as it has asked.
fn closes_at_once(addr: SocketAddr, request: &str, record: impl Fn() -> String) -> String {
    let mut client = client(addr);
    client.send(request);
    client.shut();
    client.rest_or_reset();
    gist(&record())
}

/// The records of clients that close in the queue, and of the one with the server, which closes last.
fn in_queue(
    addr: SocketAddr,
    server: &Scripted,
    requests: &[&str],
    record: impl Fn() -> String,
) -> Vec<String> {
    let mut first = client(addr);
    first.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    server.head();
    let mut records: Vec<_> = requests.iter().map(|r| closes_at_once(addr, r, &record)).collect();
    first.shut();
    assert!(first.rest_or_reset().0.starts_with(b"HTTP/1.1 400 "));
    records.push(gist(&record()));
    records
}

/// Who was asked, and the letters. HAProxy answers 503 to a client that is found to have closed as soon as it enters the
/// queue, and nothing to one that closes there; we never answer it.
fn fate(gist: &str) -> Vec<&str> {
    let words: Vec<&str> = gist.split(' ').collect();
    vec![words[1], words[3]]
}

#[test]
fn who_closes_leaves_the_queue_and_the_server_as_with_haproxy() {
    let server = silent();
    let haproxy = theirs(server.addr);
    // HAProxy does not see an end that comes together with the request, and then lets it wait for `timeout queue`.
    let asked = || in_queue(haproxy.addr, &server, &[GET], || haproxy.record());
    let expected =
        (0..20).map(|_| asked()).find(|found| fate(&found[0]) != ["back/<NOSRV>", "sQ--"]).unwrap();
    let before = server.count();
    let mut proxy = ours(server.addr, true);
    let post = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
    // What becomes of clients that send content and close depends with HAProxy on when the end of it comes.
    let (whole, part) = (format!("{post}abc"), format!("{post}ab"));
    let found = in_queue(proxy.addr, &server, &[GET, &whole, &part], || proxy.record());
    let fates = |gists: [&String; 2]| gists.map(|g| fate(g).join(" "));
    assert_eq!(fates([&found[0], &found[3]]), fates([&expected[0], &expected[1]]));
    for (record, expected) in found.iter().zip([
        "front back/<NOSRV> -1 CQ-- 0 GET /a HTTP/1.1",
        "front back/<NOSRV> -1 CQ-- 0 POST /a HTTP/1.1",
        "front back/<NOSRV> -1 CQ-- 0 POST /a HTTP/1.1",
        "front back/s1 400 CH-- 0 GET /first HTTP/1.1",
    ]) {
        assert_eq!(record, expected);
    }
    until("the slot is free", || proxy.balance.in_flight(ServerId(0)) == 0);
    assert_eq!(server.count(), before + 1);
    proxy.no_more_records();
}

/// HAProxy sees the end of such a client only if it comes before the second request is looked at, and else lets it wait for
/// `timeout queue`.
#[test]
fn who_closes_behind_requests_sent_ahead_leaves_the_queue() {
    let server = silent();
    let proxy = ours(server.addr, true);
    let mut first = client(proxy.addr);
    first.send("GET /first HTTP/1.1\r\nHost: h\r\n\r\n");
    server.head();
    let found = closes_at_once(proxy.addr, &GET.repeat(2), || proxy.record());
    assert_eq!(found, "front back/<NOSRV> -1 CQ-- 0 GET /a HTTP/1.1");
}

#[test]
fn who_closes_is_not_connected_for_as_with_haproxy() {
    let (addr, _full) = full_backlog();
    let haproxy = theirs(addr);
    let proxy = ours(addr, true);
    let records = [(haproxy.addr, &|| haproxy.record()), (proxy.addr, &|| proxy.record())]
        as [(SocketAddr, &dyn Fn() -> String); 2];
    for (addr, record) in records {
        let mut client = client(addr);
        client.send(GET);
        client.shut();
        client.rest_or_reset();
        assert_eq!(fate(&gist(&record())), ["back/s1", "CC--"]);
    }
}

#[test]
fn who_closes_may_wait_for_the_answer_unless_told_otherwise() {
    let server = super::common::answering();
    let proxy = ours(server.addr, false);
    let mut client = client(proxy.addr);
    client.send(GET);
    client.shut();
    assert!(client.rest_or_reset().0.ends_with(b"GET /a HTTP/1.1"));
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
}

/// What the client sends meanwhile is not lost.
#[test]
fn requests_sent_ahead_are_answered() {
    let server = super::common::answering();
    let proxy = ours(server.addr, true);
    let mut client = client(proxy.addr);
    client.send(GET.repeat(3));
    for _ in 0..3 {
        assert!(client.response().1.ends_with(b"GET /a HTTP/1.1"));
        assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
    }
}
