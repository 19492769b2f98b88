//! Requests that wait for a server: until one is free, until their time is up, or not at all, beside HAProxy.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::plan::ServerLimits;
use evenkeel_proxy::sticky::{Cookie, Mode, ToServer};

use super::common::{
    Client, PATIENCE, Scripted, Setup, await_signal, gist, scripted, signal, status, timers, until,
};
use super::oracle::Haproxy;

const WAITS: Duration = Duration::from_millis(400);

/// A record's gist and its places in the queues.
fn gist_and_places(record: &str) -> String {
    format!("{} {}", gist(record), record.split(' ').nth(9).unwrap())
}

fn ask(addr: SocketAddr) -> Client {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::over(stream);
    client.send("GET / HTTP/1.1\r\nHost: h\r\nCookie: S=a\r\nConnection: close\r\n\r\n");
    client
}

/// A server that answers one request per signal.
fn patient() -> (Scripted, std::sync::mpsc::Sender<()>) {
    let (release, released) = signal();
    let server = scripted(move |served, _| {
        while served.request().is_some() {
            await_signal(&released);
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (server, release)
}

/// One request that a server holds, and two behind it whose answers come first. The records, in an order of their own.
fn crowd(
    addr: SocketAddr,
    release: &std::sync::mpsc::Sender<()>,
    server: &Scripted,
    record: impl Fn() -> String,
) -> Vec<String> {
    let mut first = ask(addr);
    server.head();
    let mut waiting = [ask(addr), ask(addr)];
    for client in &mut waiting {
        assert_eq!(status(&client.response().0), 503);
    }
    release.send(()).unwrap();
    assert_eq!(status(&first.response().0), 200);
    let mut records: Vec<String> = (0..3).map(|_| record()).collect();
    for record in records.iter().filter(|r| r.contains(" sQ")) {
        assert!(timers(record)[1] >= 390 && timers(record)[2] == -1, "{record}");
    }
    for record in records.iter().filter(|r| r.contains(" SQ")) {
        assert_eq!(timers(record)[1..4], [-1, -1, -1], "{record}");
    }
    records = records.iter().map(|r| gist_and_places(r)).collect();
    records.sort();
    records
}

#[test]
fn who_waits_too_long_or_finds_the_queue_full_is_told_as_by_haproxy() {
    let full = ServerLimits { maxconn: Some(1), maxqueue: Some(1), ..ServerLimits::default() };
    let cookie = "cookie S insert indirect";
    for (name, lines, bound, limits, expected) in [
        (
            "any server",
            "",
            false,
            ServerLimits { maxqueue: None, ..full },
            [
                "front back/<NOSRV> 503 sQ-- 0 GET / HTTP/1.1 0/1",
                "front back/<NOSRV> 503 sQ-- 0 GET / HTTP/1.1 0/1",
                "front back/s1 200 ---- 0 GET / HTTP/1.1 0/0",
            ],
        ),
        (
            "this server",
            cookie,
            true,
            full,
            [
                "front back/s1 200 --VN 0 GET / HTTP/1.1 0/0",
                "front back/s1 503 SQVN 0 GET / HTTP/1.1 0/0",
                "front back/s1 503 sQVN 0 GET / HTTP/1.1 1/0",
            ],
        ),
    ] {
        let (server, release) = patient();
        let maxqueue = if limits.maxqueue.is_some() { "maxqueue 1 cookie a" } else { "" };
        let oracle = Haproxy::start(&format!(
            " timeout queue 400ms\n {lines}\n server s1 {} maxconn 1 {maxqueue}\n",
            server.addr
        ));
        assert_eq!(crowd(oracle.addr, &release, &server, || oracle.record()), expected, "{name}: HAProxy");
        let mut setup = Setup::new(&[server.addr]);
        setup.backend.timeout.queue = Some(WAITS);
        setup.servers[0].limits = limits;
        if bound {
            setup.backend.cookie = Some(Arc::new(Cookie::new("S", Mode::Insert(ToServer::Hidden))));
            setup.servers[0].cookie = Some("a".into());
        }
        let proxy = setup.start();
        assert_eq!(crowd(proxy.addr, &release, &server, || proxy.record()), expected, "{name}");
    }
}

/// How many clients of `addr` are connected and have nothing to be read.
fn heard(addr: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", addr.port());
    let heard = |line: &&str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        matches!(fields[..], [_, local, _, "01", queues, ..] if local.ends_with(&port) && queues.ends_with(":00000000"))
    };
    table.lines().filter(heard).count()
}

#[test]
fn places_in_the_queue_are_haproxys() {
    let (server, release) = patient();
    let oracle = Haproxy::start(&format!(" server s1 {} maxconn 1\n", server.addr));
    let mut setup = Setup::new(&[server.addr]);
    setup.servers[0].limits = ServerLimits { maxconn: Some(1), ..ServerLimits::default() };
    let proxy = setup.start();
    let places = |addr, record: &dyn Fn() -> String| {
        let mut clients: Vec<_> = (0..4).map(|_| ask(addr)).collect();
        until("all have been heard", || heard(addr) == 4);
        clients.iter().for_each(|_| release.send(()).unwrap());
        for client in &mut clients {
            assert_eq!(status(&client.response().0), 200);
        }
        let mut places: Vec<_> = (0..4).map(|_| record().split(' ').nth(9).unwrap().to_owned()).collect();
        places.sort();
        places
    };
    assert_eq!(places(oracle.addr, &|| oracle.record()), ["0/0", "0/1", "0/2", "0/3"]);
    assert_eq!(places(proxy.addr, &|| proxy.record()), ["0/0", "0/1", "0/2", "0/3"]);
}
