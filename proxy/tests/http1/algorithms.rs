//! Which server gets which request: the same one as HAProxy's, by every algorithm that leaves no choice.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use evenkeel_proxy::plan::{Balance, HashBalance, HashFunction, HashKey, HashLayout, HashValue, UriKey};
use evenkeel_proxy::rules::template::Template;
use socket2::{Domain, Socket, Type};

use super::common::{Client, PATIENCE, Scripted, Setup, answering, gist, status};
use super::oracle::Haproxy;

/// Weights that a table is laid out for in every way: equal, with a common divisor, without, and far apart.
const WEIGHTS: [[u16; 4]; 4] = [[1, 1, 1, 1], [10, 20, 30, 40], [3, 5, 7, 1], [100, 1, 50, 0]];

/// A request: from where, and its text.
struct Asked {
    source: Ipv4Addr,
    text: String,
}

/// Requests that differ in everything that is hashed.
fn requests() -> Vec<Asked> {
    let of = |n: u8| {
        let target = match n % 4 {
            0 => format!("/dir{n}/a/b?id=v{n}&x=1"),
            1 => format!("/same/{n}?x={n}&id={n}"),
            2 => format!("/{n}"),
            _ => format!("/long/er/path/{n}/?id="),
        };
        let key = if n % 5 == 4 { String::new() } else { format!("X-Key: k{n}, other\r\n") };
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: www{n}.site{n}.example\r\n{key}Cookie: a=b; sid=s{n}\r\nConnection: close\r\n\r\n"
        );
        Asked { source: Ipv4Addr::new(127, n, 3, 1 + n / 2), text }
    };
    (0..24).map(of).collect()
}

fn send(addr: SocketAddr, asked: &Asked) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((IpAddr::from(asked.source), 0)).into()).unwrap();
    socket.connect(&addr.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::over(stream);
    client.send(&asked.text);
    assert_eq!(status(&client.response().0), 200);
}

/// The servers that the requests go to, one after the other.
fn route(addr: SocketAddr, record: impl Fn() -> String, requests: &[Asked]) -> Vec<String> {
    let one = |asked: &Asked| {
        send(addr, asked);
        gist(&record()).split(' ').nth(1).unwrap().to_owned()
    };
    requests.iter().map(one).collect()
}

/// The ways of HAProxy and of us.
fn both(
    lines: &str,
    balance: &Balance,
    weights: [u16; 4],
    servers: &[Scripted; 4],
    requests: &[Asked],
) -> [Vec<String>; 2] {
    let mut setup = Setup::new(&servers.each_ref().map(|s| s.addr));
    setup.backend.balance = balance.clone();
    let mut theirs = format!(" {lines}\n");
    for (number, (server, weight)) in (1..).zip(servers.iter().zip(weights)) {
        setup.servers[number - 1].weight = weight;
        theirs += &format!(" server s{number} {} weight {weight}\n", server.addr);
    }
    let proxy = setup.start();
    let oracle = Haproxy::start(&theirs);
    [route(oracle.addr, || oracle.record(), requests), route(proxy.addr, || proxy.record(), requests)]
}

fn hashed(key: HashKey, layout: HashLayout, function: HashFunction, avalanche: bool) -> Balance {
    Balance::Hash(HashBalance { key, layout, function, avalanche, factor: None })
}

#[test]
fn keys_go_where_haproxy_sends_them() {
    use HashFunction::{Crc32, Djb2, Sdbm, Wt6};
    use HashLayout::{Consistent, MapBased};
    let header = |name: &str, domain_only| HashKey::Header { name: name.into(), domain_only };
    let n = std::num::NonZeroU16::new;
    let uri = UriKey::default();
    let text = |text: &str| HashKey::Text(Template::parse(text).unwrap());
    let keys: [(&str, HashKey); 16] = [
        ("source", HashKey::Source),
        ("uri", HashKey::Uri(uri)),
        ("uri whole", HashKey::Uri(UriKey { whole: true, ..uri })),
        ("uri len 6", HashKey::Uri(UriKey { length: n(6), ..uri })),
        ("uri depth 2", HashKey::Uri(UriKey { depth: n(2), ..uri })),
        ("uri path-only", HashKey::Uri(UriKey { path_only: true, ..uri })),
        ("hdr(X-Key)", header("X-Key", false)),
        ("hdr(Host) use_domain_only", header("Host", true)),
        ("url_param id", HashKey::UrlParam("id".into())),
        ("hash req.cook(sid)", HashKey::Cookie("sid".into())),
        ("hash src", HashKey::Value(HashValue::Source)),
        ("hash pathq", HashKey::Value(HashValue::PathAndQuery)),
        ("hash base", HashKey::Value(HashValue::Base)),
        ("hash req.fhdr(X-Key)", text("${hdr(X-Key)}")),
        ("hash url_param(id)", text("${query(id)}")),
        ("hash req.cook(sid)", text("${cookie(sid)}")),
    ];
    let ways: [(&str, HashLayout, HashFunction, bool); 7] = [
        ("", MapBased, Sdbm, false),
        ("hash-type consistent", Consistent, Sdbm, true),
        ("hash-type map-based djb2", MapBased, Djb2, false),
        ("hash-type map-based wt6 avalanche", MapBased, Wt6, true),
        ("hash-type consistent crc32", Consistent, Crc32, false),
        ("hash-type consistent wt6", Consistent, Wt6, false),
        ("hash-type consistent djb2 avalanche", Consistent, Djb2, true),
    ];
    let servers = [answering(), answering(), answering(), answering()];
    let requests = requests();
    // Every key in one way, and every way with one key, over all weights.
    let by_key = keys.iter().zip(ways.iter().cycle());
    let by_way = ways.iter().map(|way| (&keys[1], way));
    for (at, ((name, key), (type_line, layout, function, avalanche))) in by_key.chain(by_way).enumerate() {
        let lines = format!("balance {name}\n {type_line}");
        let balance = hashed(key.clone(), *layout, *function, *avalanche);
        let weights = WEIGHTS[at % WEIGHTS.len()];
        let [theirs, ours] = both(&lines, &balance, weights, &servers, &requests);
        assert_eq!(ours, theirs, "{lines} {weights:?}");
    }
}

#[test]
fn turns_are_haproxys() {
    let servers = [answering(), answering(), answering(), answering()];
    let requests = requests();
    for weights in WEIGHTS {
        let [theirs, ours] = both("balance static-rr", &Balance::StaticRr, weights, &servers, &requests);
        assert_eq!(ours, theirs, "static-rr {weights:?}");
    }
    let equal = WEIGHTS[0];
    for (line, balance) in [
        ("balance roundrobin", Balance::RoundRobin),
        ("balance leastconn", Balance::LeastConn),
        ("balance first", Balance::First),
    ] {
        let [theirs, ours] = both(line, &balance, equal, &servers, &requests);
        assert_eq!(ours, theirs, "{line}");
    }
}

/// Turns by weight are spread more evenly than HAProxy's, so the order is another one. The shares are the same.
#[test]
fn shares_of_a_round_are_haproxys() {
    let servers = [answering(), answering(), answering(), answering()];
    let requests: Vec<_> = requests().into_iter().take(16).collect();
    for weights in [[3, 5, 7, 1], [1, 1, 4, 2]] {
        let [theirs, ours] = both("balance roundrobin", &Balance::RoundRobin, weights, &servers, &requests)
            .map(|mut way| {
                way.sort();
                way
            });
        assert_eq!(ours, theirs, "{weights:?}");
    }
}
