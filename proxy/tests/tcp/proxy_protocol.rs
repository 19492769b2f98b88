//! Headers of the PROXY protocol: whose connections are announced, and what becomes of those that are not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel_proxy::plan::{AnnounceOption, AnnounceOptions, Mode, SendProxy};
use evenkeel_proxy::proxy_protocol::{Announcement, Origin, Version, local, parse, v1, v2};

use super::common::{Scripted, Served, Setup, TestProxy, scripted};
use super::endings::setup;

const LOOPBACK: (IpAddr, u8) = (IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 32);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn client() -> SocketAddr {
    addr("192.0.2.7:4660")
}

fn vip() -> SocketAddr {
    addr("198.51.100.1:443")
}

fn line() -> Vec<u8> {
    let mut out = Vec::new();
    v1(&mut out, client(), vip());
    out
}

fn binary() -> Vec<u8> {
    let mut out = Vec::new();
    let said = Announcement {
        source: client(),
        destination: vip(),
        alpn: None,
        authority: Some(b"example.com"),
        unique_id: None,
        ssl: None,
        crc32c: true,
    };
    v2(&mut out, &said);
    out
}

/// Takes the header a connection begins with.
fn header(served: &mut Served) -> (Version, Origin) {
    let mut bytes = Vec::new();
    loop {
        bytes.extend(served.client.take(1));
        if let Some(header) = parse(&bytes).expect("a header") {
            return (header.version, header.origin);
        }
    }
}

/// A server that expects a header, and says what it is before it says what else came.
fn telling() -> Scripted {
    scripted(|served, _| {
        let (version, origin) = header(served);
        let said = match origin {
            Origin::Own => "nobody's".to_owned(),
            Origin::Relayed { source, destination } => format!("{source} {destination}"),
        };
        let rest = served.client.rest();
        served.send([format!("{version:?} {said} ").as_bytes(), &rest[..]].concat());
    })
}

fn announcing(mut setup: Setup, version: Version) -> Setup {
    let options = AnnounceOptions::NONE.with(AnnounceOption::Crc32c).with(AnnounceOption::Authority);
    setup.servers[0].send_proxy = Some(SendProxy { version, options });
    setup
}

/// What a server is told if the client's connection begins with these bytes.
fn told(proxy: &TestProxy, begin: &[u8]) -> String {
    let mut client = proxy.client();
    client.send(begin);
    client.send("data");
    client.shut();
    String::from_utf8(client.rest()).unwrap()
}

#[test]
fn what_is_announced_is_passed_on() {
    let server = telling();
    for (version, name) in [(Version::V1, "V1"), (Version::V2, "V2")] {
        let mut setup = announcing(setup(&[server.addr]), version);
        setup.accept_proxy = vec![LOOPBACK];
        let proxy = setup.start();
        for begin in [line(), binary()] {
            assert_eq!(told(&proxy, &begin), format!("{name} 192.0.2.7:4660 198.51.100.1:443 data"));
            assert!(proxy.record().ends_with(" -- 1/1/0/0/0 0/0"));
        }
        // The proxy before this one speaks for itself.
        let mut nobody = Vec::new();
        local(&mut nobody);
        for begin in [&nobody[..], b"PROXY UNKNOWN\r\n"] {
            let told = told(&proxy, begin);
            let to = proxy.addr;
            assert!(told.starts_with(&format!("{name} 127.0.0.1:")), "{told}");
            assert!(told.ends_with(&format!(" {to} data")), "{told}");
        }
    }
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let server = telling();
    let mut setup = announcing(setup(&[server.addr]), Version::V2);
    setup.accept_proxy = vec![LOOPBACK];
    let proxy = setup.start();
    for begin in [line(), binary()] {
        let mut client = proxy.client();
        for byte in &begin {
            client.send([*byte]);
            std::thread::yield_now();
        }
        // A client that closes without a word of its own may find nobody: the server need not be there yet.
        client.send("data");
        client.shut();
        assert_eq!(client.rest(), b"V2 192.0.2.7:4660 198.51.100.1:443 data");
    }
}

#[test]
fn only_trusted_sources_are_believed() {
    let server = telling();
    let mut setup = announcing(setup(&[server.addr]), Version::V1);
    setup.accept_proxy = vec![("10.0.0.0".parse().unwrap(), 8)];
    let proxy = setup.start();
    let told = told(&proxy, &line());
    assert!(told.starts_with("V1 127.0.0.1:"), "{told}");
    assert!(told.ends_with(" PROXY TCP4 192.0.2.7 198.51.100.1 4660 443\r\ndata"), "{told}");
    assert_eq!(proxy.frontend_totals().proxy_refused, 0);
}

#[test]
fn without_a_header_a_connection_is_closed() {
    let server = telling();
    let mut damaged = binary();
    *damaged.last_mut().unwrap() ^= 1;
    for (begin, says) in [
        (&b"GET / HTTP/1.1\r\n"[..], "Received something which does not look like a PROXY protocol header"),
        (
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4660 443 \r\n",
            "Received an invalid PROXY protocol header (the line of the PROXY header is malformed)",
        ),
        (&damaged, "Received an invalid PROXY protocol header (the PROXY header's checksum is wrong)"),
        (b"PROXY TCP4", "Truncated PROXY protocol header received"),
        (b"", "Connection closed while waiting for PROXY protocol header"),
    ] {
        let mut setup = setup(&[server.addr]);
        setup.accept_proxy = vec![LOOPBACK];
        let mut proxy = setup.start();
        let mut client = proxy.client();
        client.send(begin);
        client.shut();
        assert_eq!(client.rest_or_reset().0, b"");
        assert_eq!(proxy.record(), format!("front/1: {says}"));
        let totals = proxy.frontend_totals();
        assert_eq!((totals.proxy_refused, totals.connections, totals.requests), (1, 1, 0));
        proxy.no_more_records();
    }
    assert_eq!(server.count(), 0);
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let mut setup = setup(&[addr("127.0.0.1:1")]);
    setup.accept_proxy = vec![LOOPBACK];
    let proxy = setup.start();
    let begin = std::time::Instant::now();
    let mut client = proxy.client();
    client.send("PROXY ");
    assert_eq!(client.rest_or_reset().0, b"");
    assert!(begin.elapsed() >= Duration::from_secs(5));
    assert_eq!(proxy.record(), "front/1: Timeout while waiting for PROXY protocol header");
}

#[test]
fn a_server_of_http_gets_each_clients_connection_for_itself() {
    let server = scripted(|served, _| {
        let (version, origin) = header(served);
        while served.request().is_some() {
            let body = format!("{version:?} {origin:?}");
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    let mut setup = announcing(Setup::new(&[server.addr]), Version::V2);
    assert_eq!(setup.frontend.mode, Mode::Http);
    setup.accept_proxy = vec![LOOPBACK];
    let proxy = setup.start();
    for port in [1, 2] {
        let source = SocketAddr::new(client().ip(), port);
        let (mut client, mut begin) = (proxy.client(), Vec::new());
        v1(&mut begin, source, vip());
        client.send(begin);
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let body = String::from_utf8(client.response().1).unwrap();
            let origin = Origin::Relayed { source, destination: vip() };
            assert_eq!(body, format!("V2 {origin:?}"));
        }
    }
    assert_eq!(server.count(), 2);
}
