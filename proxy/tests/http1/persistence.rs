//! Clients keep their servers: by cookies, in every mode as HAProxy does it, and by tables.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::plan::{AdminState, ServerId};
use evenkeel_proxy::sticky::{Cookie, Mode, Preserve, StickAction, StickKey, StickRule, TableId, ToServer};
use evenkeel_proxy::table::{KeyType, TableConfig};

use super::common::{Client, PATIENCE, Scripted, Setup, field, gist, scripted};
use super::oracle::Haproxy;

const HIDDEN: Mode = Mode::Insert(ToServer::Hidden);

/// A server that says its name, and sets the cookies that the request asks for in `X-Set`, `;;` between them.
fn named(name: &'static str) -> Scripted {
    scripted(move |served, _| {
        while let Some(head) = served.request() {
            let cookies = field(&head, "x-set").unwrap_or_default();
            let fields = cookies.split(";;").filter(|c| !c.is_empty());
            let mut fields: String = fields.map(|c| format!("Set-Cookie: {c}\r\n")).collect();
            for (name, asked) in [("Cache-Control", "x-cache"), ("X-Status", "x-status")] {
                fields += &field(&head, asked).map(|v| format!("{name}: {v}\r\n")).unwrap_or_default();
            }
            let status = field(&head, "x-status").unwrap_or("200 OK").to_owned();
            served
                .send(format!("HTTP/1.1 {status}\r\nX-Server: {name}\r\n{fields}Content-Length: 0\r\n\r\n"));
        }
    })
}

fn client(addr: std::net::SocketAddr) -> Client {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

/// What of a head persistence has to do with, in an order of its own.
fn stickiness(head: &str) -> Vec<String> {
    let lines = head.lines().skip(1).filter_map(|l| l.split_once(':'));
    let lines = lines.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()));
    let mut kept: Vec<String> = lines
        .filter(|(n, _)| matches!(n.as_str(), "cookie" | "set-cookie" | "cache-control" | "x-server"))
        .map(|(n, v)| format!("{n}: {v}"))
        .collect();
    kept.sort();
    kept
}

/// Flags of a record.
fn flags(record: &str) -> String {
    gist(record).split(' ').nth(3).unwrap().to_owned()
}

/// The same requests through us and through HAProxy, to the same server: heads on both sides and the flags of the
/// record are the same.
fn compare(options: &str, cookie: Cookie, requests: &[&str]) {
    let server = named("one");
    let oracle = Haproxy::start(&format!(" cookie SRV {options}\n server s1 {} cookie s1\n", server.addr));
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.cookie = Some(Arc::new(cookie));
    setup.servers[0].cookie = Some("s1".into());
    let proxy = setup.start();
    for request in requests {
        let (line, fields) = request.split_once('|').unwrap_or((request, ""));
        let fields: String =
            fields.split('|').filter(|f| !f.is_empty()).map(|f| format!("{f}\r\n")).collect();
        let text = format!("{line} /x HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: 0\r\n\r\n");
        let ask = |mut client: Client| {
            client.send(&text);
            let answer = client.response().0;
            (stickiness(&server.head()), stickiness(&answer))
        };
        let theirs = (ask(client(oracle.addr)), flags(&oracle.record()));
        let mut ours = (ask(proxy.client()), flags(&proxy.record()));
        // HAProxy marks a response only if something in it lets a cache keep it. RFC 9111 §4.2.2 lets caches guess
        // without that, so we mark more.
        let private = |head: &Vec<String>| head.iter().any(|l| l == PRIVATE);
        if private(&ours.0.1) && !private(&theirs.0.1) {
            assert!(options.contains("nocache"));
            ours.0.1.retain(|l| l != PRIVATE);
        }
        assert_eq!(ours, theirs, "cookie SRV {options}: {request}");
    }
}

const PRIVATE: &str = "cache-control: private";

/// Every interesting request: what the client sends, and what the server sets.
const REQUESTS: &[&str] = &[
    "GET",
    "POST",
    "GET|Cookie: SRV=s1",
    "GET|Cookie: SRV=s2",
    "GET|Cookie: SRV=",
    "GET|Cookie: x=1; SRV=s1; y=2",
    "GET|Cookie: SRV=s1; y=2",
    "GET|Cookie: x=1; SRV=s1",
    "GET|Cookie: x=1|Cookie: SRV=s1",
    "GET|Cookie: SRV=s1~own; y=2",
    "GET|Cookie: SRV=s1|X-Set: SRV=mine; Path=/",
    "GET|X-Set: SRV=mine; Path=/",
    "GET|X-Set: a=b;;SRV=mine;;c=d",
    "GET|X-Set: a=b",
    "POST|Cookie: SRV=s1|X-Set: SRV=mine",
    "GET|X-Cache: private",
    "GET|X-Cache: max-age=60",
    "GET|X-Cache: no-store",
    "GET|X-Cache: max-age=0",
    "GET|X-Cache: no-cache=\"set-cookie\"",
    "GET|X-Cache: public, max-age=60",
    "GET|X-Status: 302 Found",
    "GET|X-Status: 404 Not Found",
    "GET|X-Status: 500 Internal Server Error",
];

#[test]
fn every_mode_of_cookies_is_haproxys() {
    let insert = || Cookie::new("SRV", Mode::Insert(ToServer::Seen));
    let indirect = || Cookie::new("SRV", HIDDEN);
    for (options, cookie) in [
        ("insert", insert()),
        ("insert indirect", indirect()),
        ("insert indirect nocache", Cookie { nocache: true, ..indirect() }),
        ("insert postonly", Cookie { postonly: true, ..insert() }),
        ("insert preserve", Cookie { preserve: Preserve::Yes, ..insert() }),
        ("insert indirect preserve nocache", Cookie { preserve: Preserve::Yes, nocache: true, ..indirect() }),
        ("prefix", Cookie::new("SRV", Mode::Prefix)),
        ("rewrite", Cookie::new("SRV", Mode::Rewrite)),
        (
            "insert httponly secure domain .a.example domain .b.example attr \"SameSite=Lax\"",
            Cookie {
                httponly: true,
                secure: true,
                domains: vec![".a.example".into(), ".b.example".into()],
                attributes: vec!["SameSite=Lax".into()],
                ..insert()
            },
        ),
    ] {
        compare(options, cookie, REQUESTS);
    }
}

#[test]
fn dates_in_cookies_are_haproxys() {
    let idle = Some(Duration::from_secs(60));
    let cookie = Cookie { maxidle: idle, maxlife: idle, ..Cookie::new("SRV", HIDDEN) };
    let server = named("one");
    let oracle = Haproxy::start(&format!(
        " cookie SRV insert indirect maxidle 60s maxlife 60s\n server s1 {} cookie s1\n",
        server.addr
    ));
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.cookie = Some(Arc::new(cookie));
    setup.servers[0].cookie = Some("s1".into());
    let proxy = setup.start();
    // What either gives out the other takes.
    let get = |addr, cookie: &str| {
        let mut client = client(addr);
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n"));
        let head = client.response().0;
        field(&head, "set-cookie").map(|v| v.split(';').next().unwrap().to_owned())
    };
    let (theirs, ours) = (get(oracle.addr, "x=1").unwrap(), get(proxy.addr, "x=1").unwrap());
    assert_eq!((flags(&oracle.record()), flags(&proxy.record())), ("--NI".into(), "--NI".into()));
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours.split('|').count(), 3, "{ours}");
    get(oracle.addr, &ours);
    get(proxy.addr, &theirs);
    for record in [oracle.record(), proxy.record()] {
        assert!(["--VN", "--VU"].contains(&flags(&record).as_str()), "{record}");
    }
    for (value, expected) in
        [("SRV=s1|AAAAB|AAAAB", "--OI"), ("SRV=s1|AAAAB", "--EI"), ("SRV=s1", "--VU"), ("SRV=s1|x", "--VU")]
    {
        let (theirs, ours) = (get(oracle.addr, value), get(proxy.addr, value));
        assert_eq!(flags(&oracle.record()), expected, "HAProxy: {value}");
        assert_eq!(flags(&proxy.record()), expected, "{value}");
        assert_eq!(theirs.is_some(), ours.is_some());
    }
}

/// One request; which server answered, and the cookie it gave.
fn visit(proxy: &super::common::TestProxy, fields: &str) -> (String, Option<String>) {
    let mut client = proxy.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    let head = client.response().0;
    let cookie = field(&head, "set-cookie").map(|v| v.split(';').next().unwrap().to_owned());
    (field(&head, "x-server").unwrap().to_owned(), cookie)
}

#[test]
fn a_client_keeps_its_server_while_it_drains_and_loses_it_in_maintenance() {
    let (one, two) = (named("one"), named("two"));
    let mut setup = Setup::new(&[one.addr, two.addr]);
    setup.backend.cookie = Some(Arc::new(Cookie::new("SRV", HIDDEN)));
    setup.servers[0].cookie = Some("a".into());
    setup.servers[1].cookie = Some("b".into());
    let proxy = setup.start();
    let ten = |fields: &str| (0..10).map(|_| visit(&proxy, fields).0).collect::<BTreeSet<_>>();
    assert_eq!(ten("").len(), 2, "without a cookie in turn");
    assert_eq!(ten("Cookie: SRV=b\r\n"), BTreeSet::from(["two".to_owned()]));
    proxy.balance.set_admin(ServerId(1), AdminState::Drain);
    assert_eq!(ten("Cookie: SRV=b\r\n"), BTreeSet::from(["two".to_owned()]));
    assert_eq!(ten(""), BTreeSet::from(["one".to_owned()]));
    proxy.balance.set_admin(ServerId(1), AdminState::Maint);
    for _ in 0..40 {
        proxy.record();
    }
    assert_eq!(visit(&proxy, "Cookie: SRV=b\r\n"), ("one".into(), Some("SRV=a".into())));
    assert_eq!(gist(&proxy.record()), "front back/s1 200 --DI 0 GET / HTTP/1.1");
    while one.heads.try_recv().is_ok_and(|head| field(&head, "cookie").is_none()) {}
    assert!(one.heads.try_recv().is_err(), "the servers see nothing of it");
}

#[test]
fn a_table_remembers_who_answered() {
    let (one, two) = (named("one"), named("two"));
    let mut setup = Setup::new(&[one.addr, two.addr]);
    let rule = |key, table| StickRule { action: StickAction::On, key, table: TableId(table) };
    setup.backend.stick =
        vec![rule(StickKey::Header("X-User".into()), 0), rule(StickKey::Cookie("JSESSIONID".into()), 0)];
    setup.tables = vec![TableConfig {
        expire: Some(Duration::from_secs(600)),
        ..TableConfig::new("users", KeyType::String { len: 32 }, 100)
    }];
    let proxy = setup.start();
    let first = visit(&proxy, "X-User: ann\r\n").0;
    let second = visit(&proxy, "x-user: bob\r\n").0;
    assert_ne!(first, second, "new clients come in turn");
    for _ in 0..4 {
        assert_eq!(visit(&proxy, "X-User: ann\r\n").0, first);
        assert_eq!(visit(&proxy, "Cookie: y=1; JSESSIONID=bob\r\n").0, second);
    }
    let (at, other) = if first == "one" { (ServerId(0), "two") } else { (ServerId(1), "one") };
    proxy.balance.set_admin(at, AdminState::Maint);
    assert_eq!(visit(&proxy, "X-User: ann\r\n").0, other, "a server that is gone is not waited for");
    proxy.balance.set_admin(at, AdminState::Ready);
    assert_eq!(visit(&proxy, "X-User: ann\r\n").0, other, "and the new one is remembered");
    assert_eq!(proxy.balance.tables().forget(ServerId(u32::from(other == "two"))), 2);
}

#[test]
fn a_table_of_addresses_keeps_everybody_from_one_place_together() {
    let (one, two) = (named("one"), named("two"));
    let mut setup = Setup::new(&[one.addr, two.addr]);
    let rule = |action| StickRule { action, key: StickKey::Source, table: TableId(0) };
    setup.backend.stick = vec![rule(StickAction::Match), rule(StickAction::StoreRequest)];
    let key = KeyType::Ip { ipv6_prefix: 64 };
    setup.tables = vec![TableConfig::new("clients", key, 10)];
    let proxy = setup.start();
    let servers: BTreeSet<_> = (0..10).map(|_| visit(&proxy, "").0).collect();
    assert_eq!(servers.len(), 1);
    assert_eq!(proxy.balance.tables().table(TableId(0)).unwrap().len(), 1);
}

/// Whom a table knows is brought back without a cookie, also with another one than that of its server.
#[test]
fn who_is_brought_back_by_a_table_gets_no_cookie_as_with_haproxy() {
    let (one, two) = (named("one"), named("two"));
    let oracle = Haproxy::start(&format!(
        " stick-table type ip size 1k\n stick on src\n cookie SRV insert\n server s1 {} cookie a\n server s2 {} \
         cookie b\n",
        one.addr, two.addr
    ));
    let mut setup = Setup::new(&[one.addr, two.addr]);
    setup.backend.cookie = Some(Arc::new(Cookie::new("SRV", Mode::Insert(ToServer::Seen))));
    setup.backend.stick =
        vec![StickRule { action: StickAction::On, key: StickKey::Source, table: TableId(0) }];
    let key = KeyType::Ip { ipv6_prefix: 128 };
    setup.tables = vec![TableConfig::new("clients", key, 1024)];
    setup.servers[0].cookie = Some("a".into());
    setup.servers[1].cookie = Some("b".into());
    let proxy = setup.start();
    for (cookie, expected) in [
        ("", "front back/s1 200 --NI 0 GET / HTTP/1.1"),
        ("", "front back/s1 200 --NN 0 GET / HTTP/1.1"),
        ("Cookie: SRV=b\r\n", "front back/s2 200 --VN 0 GET / HTTP/1.1"),
        ("Cookie: SRV=c\r\n", "front back/s2 200 --IN 0 GET / HTTP/1.1"),
        ("", "front back/s2 200 --NN 0 GET / HTTP/1.1"),
    ] {
        let get = |addr| {
            let mut client = client(addr);
            client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{cookie}\r\n"));
            let head = client.response().0;
            field(&head, "set-cookie").map(|v| v.split(';').next().unwrap().to_owned())
        };
        let (theirs, ours) = (get(oracle.addr), get(proxy.addr));
        assert_eq!(gist(&oracle.record()), expected, "HAProxy: {cookie}");
        assert_eq!(gist(&proxy.record()), expected, "{cookie}");
        assert_eq!(ours, theirs, "{cookie}");
    }
}
