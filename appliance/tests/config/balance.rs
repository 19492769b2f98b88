//! `balance`, how keys are hashed, and how much a server takes.

use std::num::NonZeroU16;
use std::time::Duration;

use evenkeel::config::lower;
use evenkeel_proxy::plan::{
    Balance, HashBalance, HashFunction, HashKey, HashLayout, HashValue, ServerLimits, UriKey,
};

use evenkeel_proxy::rules::template::Template;

use super::{TIMEOUTS, codes, good, web};

fn by(key: HashKey) -> HashBalance {
    HashBalance {
        key,
        layout: HashLayout::MapBased,
        function: HashFunction::Sdbm,
        avalanche: false,
        factor: None,
    }
}

fn header(name: &str, domain_only: bool) -> HashKey {
    HashKey::Header { name: name.into(), domain_only }
}

#[test]
fn every_algorithm_has_its_word_or_table() {
    let uri = |part: UriKey| Balance::Hash(by(HashKey::Uri(part)));
    let value = |value| Balance::Hash(by(HashKey::Value(value)));
    let text = |text| Balance::Hash(by(HashKey::Text(Template::parse(text).unwrap())));
    let none = UriKey::default();
    for (said, meant) in [
        ("\"roundrobin\"", Balance::RoundRobin),
        ("\"static-rr\"", Balance::StaticRr),
        ("\"leastconn\"", Balance::LeastConn),
        ("\"first\"", Balance::First),
        ("\"random\"", Balance::Random(NonZeroU16::new(2).unwrap())),
        ("{ random = 5 }", Balance::Random(NonZeroU16::new(5).unwrap())),
        ("\"source\"", Balance::Hash(by(HashKey::Source))),
        ("\"uri\"", uri(none)),
        ("{ uri = {} }", uri(none)),
        ("{ uri = { whole = true } }", uri(UriKey { whole: true, ..none })),
        ("{ uri = { len = 9 } }", uri(UriKey { length: NonZeroU16::new(9), ..none })),
        ("{ uri = { depth = 2 } }", uri(UriKey { depth: NonZeroU16::new(2), ..none })),
        ("{ uri = { path_only = true } }", uri(UriKey { path_only: true, ..none })),
        ("{ hdr = \"Host\" }", Balance::Hash(by(header("Host", false)))),
        ("{ hdr = \"Host\", use_domain_only = true }", Balance::Hash(by(header("Host", true)))),
        ("{ url_param = \"id\" }", Balance::Hash(by(HashKey::UrlParam("id".into())))),
        ("{ cookie = \"sid\" }", Balance::Hash(by(HashKey::Cookie("sid".into())))),
        ("{ hash = \"src\" }", value(HashValue::Source)),
        ("{ hash = \"host\" }", value(HashValue::Host)),
        ("{ hash = \"path\" }", value(HashValue::Path)),
        ("{ hash = \"pathq\" }", value(HashValue::PathAndQuery)),
        ("{ hash = \"base\" }", value(HashValue::Base)),
        ("{ hash = \"${src} ${hdr(X-User)}\" }", text("${src} ${hdr(X-User)}")),
    ] {
        assert_eq!(web(&format!("balance = {said}")).backends[0].balance, meant, "{said}");
    }
}

#[test]
fn consistent_hashing_mixes_once_more_unless_a_function_is_chosen() {
    let hash = |keys: &str| {
        let balance = web(&format!("balance = \"source\"\n{keys}")).backends[0].balance.clone();
        let Balance::Hash(hash) = balance else { panic!("{balance:?}") };
        hash
    };
    let ring = HashBalance { layout: HashLayout::Consistent, avalanche: true, ..by(HashKey::Source) };
    let chosen = HashBalance { function: HashFunction::Wt6, avalanche: false, ..ring.clone() };
    assert_eq!(hash("hash_type = \"consistent\""), ring);
    assert_eq!(hash("hash_type = \"consistent\"\nhash_function = \"wt6\""), chosen);
    assert_eq!(
        hash("hash_function = \"wt6\""),
        HashBalance { layout: HashLayout::MapBased, ..chosen.clone() }
    );
    assert!(hash("hash_avalanche = true").avalanche);
    assert!(!hash("hash_type = \"consistent\"\nhash_avalanche = false").avalanche);
    assert_eq!(hash("hash_type = \"consistent\"\nhash_balance_factor = 125").factor, NonZeroU16::new(125));
    // Only a ring bounds loads.
    let mapped = format!("{TIMEOUTS}[backend.b]\nbalance = \"uri\"\nhash_balance_factor = 125\n");
    assert!(codes(&mapped).contains(&"bad-combination"));
}

#[test]
fn what_a_server_takes_is_its_own_or_the_default() {
    let config = good(&format!(
        "{TIMEOUTS}balance = \"leastconn\"\nhash_type = \"consistent\"\n\
         default_server = {{ maxconn = 20, slowstart = \"30s\" }}\n\
         [listen.l]\nbind = \"*:80\"\nmaxconn = 500\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }},\n\
         {{ name = \"t\", addr = \"10.0.0.2:80\", weight = 256, minconn = 2, maxconn = 8, maxqueue = 4 }}]\n"
    ));
    let usual = ServerLimits {
        maxconn: Some(20),
        minconn: None,
        maxqueue: None,
        slowstart: Some(Duration::from_secs(30)),
    };
    let own = ServerLimits { maxconn: Some(8), minconn: Some(2), maxqueue: Some(4), ..usual };
    let plan = lower::proxy(&config).plan;
    assert_eq!([plan.servers()[0].limits, plan.servers()[1].limits], [usual, own]);
    assert_eq!(plan.backends()[0].balance, Balance::LeastConn);
    assert_eq!(plan.backends()[0].fullconn, 50, "a tenth of what the frontend lets in");
    assert_eq!(lower::proxy(&web("fullconn = 7")).plan.backends()[0].fullconn, 7);
}
