//! Rules for connections, and what connections are counted in.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use evenkeel_proxy::plan::{TcpAction, TcpRule};
use evenkeel_proxy::rules::{Action, Count, Matcher, Network, Number, Range, Rule, Subject, Test, TrackKey};
use evenkeel_proxy::table::{Counter, Event, Key, KeyType, Store, TableConfig, TableId, Which};

use super::common::{Client, PATIENCE, Setup, answering, gist, status, until};
use super::oracle::Haproxy;

const WHICH: Which = Which { table: TableId(0), sc: None };

fn per_ip() -> TableConfig {
    let period = Duration::from_secs(10);
    TableConfig {
        expire: Some(Duration::from_secs(30)),
        store: Store::new(Counter::NAMES.map(|(_, counter)| (counter, period))),
        ..TableConfig::new("t", KeyType::Ip { ipv6_prefix: 64 }, 102_400)
    }
}

fn rule(when: Matcher, action: TcpAction) -> TcpRule {
    TcpRule { when, action }
}

fn track() -> TcpRule {
    rule(Matcher::All(Vec::new()), TcpAction::Count(Count::Track(WHICH, TrackKey::Source)))
}

fn more_than(counter: Counter, number: u64) -> Matcher {
    let of = Subject::Tracked(WHICH);
    Matcher::Test(Test::Counted(Number { of, counter }, Range { least: number + 1, ..Range::ALL }))
}

/// Whether a new connection to an address serves a request.
fn is_served(addr: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect(addr) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = stream;
    if stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").is_err() {
        return false;
    }
    let mut first = [0; 1];
    matches!(stream.read(&mut first), Ok(1))
}

#[test]
fn the_same_connections_are_rejected_as_by_haproxy() {
    let theirs = Haproxy::start_whole(
        "",
        " stick-table type ip size 100k expire 30s store conn_rate(10s)\n tcp-request connection track-sc0 src\n \
         tcp-request connection reject if { sc_conn_rate(0) gt 4 }\n http-request return status 200\n",
        "",
    );
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    let rate = Counter::Rate(Event::Connection);
    setup.frontend.tcp_request.connection = vec![track(), rule(more_than(rate, 4), TcpAction::Reject)];
    let mut proxy = setup.start();
    // Whether it has been found to listen has been counted there.
    let found = [(); 7].map(|()| is_served(theirs.addr));
    assert_eq!(found, [true, true, true, false, false, false, false]);
    drop(TcpStream::connect(proxy.addr).unwrap());
    until("the connection is counted", || proxy.frontend_totals().connections == 1);
    assert_eq!([(); 7].map(|()| is_served(proxy.addr)), found);
    let totals = proxy.frontend_totals();
    assert_eq!((totals.denied_connections, totals.denied_sessions, totals.denied), (4, 0, 0));
    assert_eq!(totals.connections, 8);
    // The first one has closed without a word; of those that were rejected nothing is told.
    (0..4).for_each(|_| drop(proxy.record()));
    proxy.no_more_records();
}

/// Numbers after two connections, the first with two requests, during the request of the second one.
#[test]
fn numbers_of_connections_are_haproxys() {
    let names = ["conn_cnt", "conn_cur", "sess_cnt", "http_req_cnt", "http_err_cnt", "gpc0"];
    let list = names.map(|name| match name {
        "gpc0" => "%[sc_get_gpc0(0)]".to_owned(),
        name => format!("%[sc_{name}(0)]"),
    });
    let theirs = Haproxy::start_whole(
        "",
        &format!(
            " stick-table type ip size 100k expire 30s store {}\n tcp-request connection track-sc0 src if {{ src 127.0.0.1 }}\n \
             http-request sc-inc-gpc0(0)\n http-request deny if {{ path /denied }}\n \
             http-request return status 200 content-type text/plain lf-string \"{}\"\n",
            names.join(","),
            list.join(" ")
        ),
        "",
    );
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    setup.frontend.tcp_request.connection = vec![track()];
    let denied = super::tables::path("/denied");
    setup.frontend.http_request = vec![
        Rule { when: Matcher::All(Vec::new()), action: Action::Count(Count::Increase(WHICH, Event::Gpc0)) },
        Rule { when: denied, action: Action::Deny(403) },
    ];
    let proxy = setup.start();
    let ask = |client: &mut Client, path: &str| {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let (head, body) = client.response();
        (status(&head), String::from_utf8(body).unwrap())
    };
    let connect = |addr: SocketAddr| {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client::over(stream)
    };
    let visit = |addr: SocketAddr| {
        let (mut first, mut second) = (connect(addr), connect(addr));
        assert_eq!(ask(&mut first, "/").0, 200);
        assert_eq!(ask(&mut first, "/denied").0, 403);
        let (status, said) = ask(&mut second, "/");
        assert_eq!(status, 200);
        (first, second, said)
    };
    // HAProxy's own look whether it listens was one that says nothing, which counts as an error.
    let (_first, _second, theirs) = visit(theirs.addr);
    drop(TcpStream::connect(proxy.addr).unwrap());
    proxy.record();
    let (first, second, _) = visit(proxy.addr);
    let table = proxy.balance.counters().table(TableId(0)).unwrap();
    let key = Key::Ip([127, 0, 0, 1].into());
    let number = |name: &str| {
        let (_, counter) = Counter::NAMES.into_iter().find(|(known, _)| *known == name).unwrap();
        table.value_of(&key, counter, Instant::now()).unwrap()
    };
    let ours = names.map(|name| number(name).to_string());
    assert_eq!(ours.join(" "), theirs);
    drop((first, second));
    until("connections are over", || number("conn_cur") == 0);
    assert!(number("bytes_in_cnt") > 0 && number("bytes_out_cnt") > 0);
}

#[test]
fn rules_see_both_ends_of_what_a_proxy_announces() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.accept_proxy = vec![("127.0.0.0".parse().unwrap(), 8)];
    setup.tables = vec![per_ip()];
    let from = |address: [u8; 4]| {
        Matcher::Test(Test::Source([Network { address: address.into(), prefix: 32 }].into_iter().collect()))
    };
    // The proxy itself connects; whose the connection is shows later.
    setup.frontend.tcp_request.connection =
        vec![rule(from([192, 0, 2, 7]), TcpAction::Reject), rule(from([127, 0, 0, 1]), TcpAction::Accept)];
    setup.frontend.tcp_request.session = vec![
        rule(from([192, 0, 2, 7]), TcpAction::Reject),
        rule(from([192, 0, 2, 8]), TcpAction::SilentDrop),
        track(),
    ];
    let proxy = setup.start();
    for (source, served) in [("192.0.2.7", false), ("192.0.2.8", false), ("192.0.2.9", true)] {
        let mut client = proxy.client();
        client.send(format!("PROXY TCP4 {source} 198.51.100.1 1000 80\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        let mut first = [0; 12];
        let answered = client.stream.read_exact(&mut first).is_ok() && first == *b"HTTP/1.1 200";
        assert_eq!(answered, served, "{source}");
    }
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET / HTTP/1.1");
    let totals = proxy.frontend_totals();
    assert_eq!((totals.denied_connections, totals.denied_sessions), (0, 2));
    let table = proxy.balance.counters().table(TableId(0)).unwrap();
    let key = Key::Ip([192, 0, 2, 9].into());
    let sessions = table.value_of(&key, Counter::Total(Event::Session), Instant::now());
    assert_eq!(sessions, Some(1));
}
