//! Requests that are counted in tables, and rules that ask for the numbers.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use evenkeel_proxy::rules::{
    Action, Count, How, Matcher, Number, Range, Rule, Subject, Test, Texts, TrackKey,
};
use evenkeel_proxy::table::{Counter, Event, Key, KeyType, Store, TableConfig, TableId, Which};

use super::common::{
    Client, PATIENCE, Scripted, Setup, TestProxy, answering, await_signal, scripted, signal, status, until,
};
use super::oracle::Haproxy;

const TABLE: TableId = TableId(0);
const WHICH: Which = Which { table: TABLE, sc: None };
const RATE: Counter = Counter::Rate(Event::Request);

fn table(key: KeyType) -> TableConfig {
    let period = Duration::from_secs(10);
    TableConfig {
        expire: Some(Duration::from_secs(30)),
        store: Store::new(Counter::NAMES.map(|(_, counter)| (counter, period))),
        ..TableConfig::new("t", key, 102_400)
    }
}

fn per_ip() -> TableConfig {
    table(KeyType::Ip { ipv6_prefix: 64 })
}

fn track(key: TrackKey) -> Rule {
    Rule { when: Matcher::All(Vec::new()), action: Action::Count(Count::Track(WHICH, key)) }
}

fn more_than(counter: Counter, number: u64) -> Matcher {
    let of = Subject::Tracked(WHICH);
    Matcher::Test(Test::Counted(Number { of, counter }, Range { least: number + 1, ..Range::ALL }))
}

pub(crate) fn path(path: &str) -> Matcher {
    Matcher::Test(Test::Path(Texts::new(How::Exact, false, vec![path.into()]).unwrap()))
}

fn limited(server: &Scripted, key: TrackKey, most: u64) -> Setup {
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    setup.frontend.http_request =
        vec![track(key), Rule { when: more_than(RATE, most), action: Action::Deny(429) }];
    setup
}

fn client_of(oracle: &Haproxy) -> Client {
    let stream = TcpStream::connect(oracle.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

fn ask(client: &mut Client, target: &str, fields: &str) -> u16 {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n"));
    status(&client.response().0)
}

/// A number of an address, once the requests before are over.
fn number(proxy: &TestProxy, address: &str, counter: Counter) -> Option<u64> {
    let table = proxy.balance.counters().table(TABLE).unwrap();
    until("requests are over", || table.entry(&ip(address), Instant::now()).is_none_or(|e| e.holders == 0));
    table.value_of(&ip(address), counter, Instant::now())
}

fn ip(address: &str) -> Key {
    Key::Ip(address.parse().unwrap())
}

/// The tutorial's limit: one request too many is the 101st, and those that are refused count as well.
#[test]
fn the_same_request_is_refused_as_by_haproxy() {
    let theirs = Haproxy::start(&format!(
        " stick-table type ip size 100k expire 30s store http_req_rate(10s)\n http-request track-sc0 src\n \
         http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100 }}\n server s1 {}\n",
        answering().addr
    ));
    let server = answering();
    let ours = limited(&server, TrackKey::Source, 100).start();
    let statuses = |client: &mut Client| (0..130).map(|_| ask(client, "/", "")).collect::<Vec<_>>();
    let found = statuses(&mut ours.client());
    assert_eq!(found, statuses(&mut client_of(&theirs)));
    assert_eq!(found.iter().position(|status| *status == 429), Some(100));
    assert_eq!(found.iter().filter(|status| **status == 429).count(), 30);
    assert_eq!(ask(&mut ours.client(), "/", ""), 429, "another connection of the same client");
}

/// HAProxy's table of the tutorial has IPv4 addresses only, and lets clients of IPv6 do what they like.
#[test]
fn clients_of_both_families_are_limited() {
    let server = answering();
    let mut setup = limited(&server, TrackKey::Source, 2);
    setup.accept_proxy = vec![("127.0.0.0".parse().unwrap(), 8)];
    let proxy = setup.start();
    let from = |family: &str, source: &str| {
        let mut client = proxy.client();
        let to = if family == "TCP4" { "192.0.2.1" } else { "2001:db8::1" };
        client.send(format!("PROXY {family} {source} {to} 1000 80\r\n"));
        ask(&mut client, "/", "")
    };
    for (family, source, expected) in [
        ("TCP6", "2001:db8:1:1::1", 200),
        ("TCP6", "2001:db8:1:1::2", 200),
        ("TCP6", "2001:db8:1:1:ffff::3", 429),
        ("TCP6", "2001:db8:1:2::1", 200),
        ("TCP4", "192.0.2.7", 200),
        ("TCP6", "::ffff:192.0.2.7", 200),
        ("TCP4", "192.0.2.7", 429),
        ("TCP4", "192.0.2.8", 200),
    ] {
        assert_eq!(from(family, source), expected, "{source}");
    }
}

/// Answers with the status that the path names, or with what is no response.
fn obedient() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            match head.split(' ').nth(1).unwrap() {
                "/garbage" => return served.send("garbage\r\n\r\n"),
                "/end" => return,
                path => served.send(format!(
                    "HTTP/1.1 {} X\r\nContent-Length: 2\r\n\r\nok",
                    path.strip_prefix('/').filter(|s| s.len() == 3).unwrap_or("200")
                )),
            }
        }
    })
}

/// What there is to be counted, one after the other.
const VISITS: [&str; 14] = [
    "/", "/200", "/400", "/404", "/499", "/500", "/501", "/503", "/505", "/599", "/garbage", "/end",
    "/denied", "/counted",
];

#[test]
fn numbers_are_haproxys() {
    let names = [
        "conn_cnt",
        "conn_cur",
        "sess_cnt",
        "http_req_cnt",
        "http_err_cnt",
        "http_fail_cnt",
        "gpc0",
        "gpc0_rate",
    ];
    let rates = ["conn_rate", "http_req_rate", "http_err_rate", "http_fail_rate"];
    let all: Vec<&str> = names.into_iter().chain(rates).collect();
    let shown: Vec<String> =
        all.iter().map(|name| format!("%[src_{name}]").replace("src_gpc0]", "src_get_gpc0]")).collect();
    let stored: Vec<String> = all
        .iter()
        .map(|name| if name.ends_with("_rate") { format!("{name}(10s)") } else { (*name).to_owned() })
        .collect();
    let theirs = Haproxy::start(&format!(
        " stick-table type ip size 100k expire 30s store {}\n \
         http-request return status 200 content-type text/plain lf-string \"{}\" if {{ path /show }}\n \
         http-request track-sc0 src\n http-request deny if {{ path /denied }}\n \
         http-request sc-inc-gpc0(0) if {{ path /counted }}\n server s1 {}\n",
        stored.join(","),
        shown.join(" "),
        obedient().addr
    ));
    let server = obedient();
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    setup.backend.http_request = vec![
        track(TrackKey::Source),
        Rule { when: path("/denied"), action: Action::Deny(403) },
        Rule { when: path("/counted"), action: Action::Count(Count::Increase(WHICH, Event::Gpc0)) },
    ];
    let ours = setup.start();
    for visit in VISITS {
        let of_ours = ask(&mut ours.client(), visit, "");
        assert_eq!(of_ours, ask(&mut client_of(&theirs), visit, ""), "{visit}");
        let ask_theirs = || {
            let mut client = client_of(&theirs);
            client.send("GET /show HTTP/1.1\r\nHost: h.example\r\n\r\n");
            String::from_utf8(client.response().1).unwrap()
        };
        // Its client has the answer before the request is over.
        until("HAProxy's request is over", || ask_theirs().split(' ').nth(1) == Some("0"));
        let theirs = ask_theirs();
        let number = |name: &&str| {
            let (_, counter) = Counter::NAMES.into_iter().find(|(known, _)| known == name).unwrap();
            number(&ours, "127.0.0.1", counter).unwrap().to_string()
        };
        assert_eq!(all.iter().map(number).collect::<Vec<_>>().join(" "), theirs, "{visit}: {all:?}");
    }
}

#[test]
fn what_is_under_way_is_counted() {
    let (go, gone) = signal();
    let server = scripted(move |served, _| {
        while served.request().is_some() {
            await_signal(&gone);
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    setup.frontend.http_request = vec![
        track(TrackKey::Source),
        Rule { when: more_than(Counter::Current, 2), action: Action::Deny(429) },
    ];
    let proxy = setup.start();
    let mut clients = [proxy.client(), proxy.client()];
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: h.example\r\n\r\n");
        server.head();
    }
    assert_eq!(ask(&mut proxy.client(), "/", ""), 429, "a third one at once");
    // A client that goes away in the middle is under way no longer.
    let [mut first, second] = clients;
    drop(second);
    let table = proxy.balance.counters().table(TABLE).unwrap();
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(status(&first.response().0), 200);
    until("nothing is under way", || {
        table.value_of(&ip("127.0.0.1"), Counter::Current, Instant::now()) == Some(0)
    });
    go.send(()).unwrap();
    assert_eq!(ask(&mut first, "/", ""), 200);
}

/// Whoever was refused for too much is refused everything for as long as the entry lives.
#[test]
fn rules_count_and_mark() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![table(KeyType::String { len: 32 })];
    let user = TrackKey::Text(evenkeel_proxy::rules::template::Template::parse("${hdr(X-User)}").unwrap());
    setup.frontend.http_request = vec![
        track(user),
        Rule { when: more_than(Counter::Tag, 0), action: Action::Deny(403) },
        Rule { when: path("/bait"), action: Action::Count(Count::Increase(WHICH, Event::Gpc1)) },
        Rule {
            when: more_than(Counter::Total(Event::Gpc1), 1),
            action: Action::Count(Count::SetTag(WHICH, 7)),
        },
    ];
    let proxy = setup.start();
    let mut client = proxy.client();
    for (target, fields, expected) in [
        ("/", "X-User: ann\r\n", 200),
        ("/bait", "X-User: ann\r\n", 200),
        ("/bait", "X-User: ann\r\n", 200),
        ("/", "X-User: ann\r\n", 403),
        ("/", "X-User: bob\r\n", 200),
        ("/bait", "", 200),
        ("/bait", "", 200),
        ("/", "", 200),
    ] {
        assert_eq!(ask(&mut client, target, fields), expected, "{target} {fields}");
    }
}

#[test]
fn an_address_can_be_asked_for_that_no_rule_tracks() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.tables = vec![per_ip()];
    let of = Subject::Source(TABLE);
    let requests = |least, most| {
        let number = Number { of, counter: Counter::Total(Event::Request) };
        Matcher::Test(Test::Counted(number, Range { least, most }))
    };
    setup.frontend.http_request = vec![
        Rule { when: Matcher::All(vec![path("/new"), requests(0, 0)]), action: Action::Deny(401) },
        Rule { when: requests(2, u64::MAX), action: Action::Deny(429) },
        track(TrackKey::Source),
    ];
    let proxy = setup.start();
    let mut client = proxy.client();
    let found = ["/new", "/", "/new", "/", "/"].map(|target| ask(&mut client, target, ""));
    assert_eq!(found, [401, 200, 200, 429, 429]);
    assert_eq!(number(&proxy, "127.0.0.1", Counter::Total(Event::Request)), Some(2));
}

#[test]
fn bytes_are_counted_when_a_request_is_over() {
    let server = answering();
    let mut setup = limited(&server, TrackKey::Source, 100);
    setup.frontend.log = Vec::new();
    let proxy = setup.start();
    let request =
        "POST / HTTP/1.1\r\nHost: h.example\r\nContent-Length: 1000\r\n\r\n".to_owned() + &"x".repeat(1000);
    let mut client = proxy.client();
    client.send(&request);
    let (head, body) = client.response();
    let bytes = |event| number(&proxy, "127.0.0.1", Counter::Total(event));
    assert_eq!(bytes(Event::BytesIn), Some(request.len() as u64));
    assert_eq!(bytes(Event::BytesOut), Some((head.len() + 4 + body.len()) as u64));
}
