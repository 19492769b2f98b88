//! Tables that count: what the file says of them, of rules that track and of conditions on numbers.

use std::time::Duration;

use evenkeel::config::{Config, lower};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Action, Count, Matcher, Number, Range, Rule, Subject, Test, TrackKey};
use evenkeel_proxy::table::{Counter, Event, KeyType, Purge, TableId, Which};

use super::{TIMEOUTS, good};

fn site(tables: &str, frontend: &str) -> Config {
    good(&format!(
        "{TIMEOUTS}\n{tables}\n[listen.l]\nbind = \"*:80\"\n{frontend}\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
    ))
}

#[test]
fn tables_say_what_they_store() {
    let stores = Counter::NAMES.map(|(name, counter)| match counter {
        Counter::Rate(_) => format!("{name} = \"10s\""),
        Counter::Current | Counter::Total(_) | Counter::Tag => format!("{name} = true"),
    });
    let config = site(
        &format!(
            r#"
[table.all]
type = "ip"
size = "100k"
expire = "30s"
store = {{ {} }}
[table.numbers]
type = "integer"
size = 10
nopurge = true
store = {{ gpc0 = true, gpc1 = false, conn_rate = "1m" }}
[table.bytes]
type = "binary"
len = 20
size = 10
"#,
            stores.join(", ")
        ),
        "",
    );
    let plan = lower::proxy(&config).plan;
    let [all, numbers, bytes] = plan.tables() else { panic!("three tables") };
    assert_eq!((all.key, all.size, all.purge), (KeyType::Ip { ipv6_prefix: 64 }, 102_400, Purge::Oldest));
    let second = |counter| matches!(counter, Counter::Rate(_)).then(|| Duration::from_secs(10));
    let expected: Vec<_> = Counter::NAMES.iter().map(|(_, counter)| (*counter, second(*counter))).collect();
    assert_eq!(all.store.counters().collect::<Vec<_>>(), expected);
    assert_eq!((numbers.key, numbers.purge, numbers.expire), (KeyType::Integer, Purge::Nothing, None));
    let minute = Some(Duration::from_secs(60));
    assert_eq!(
        numbers.store.counters().collect::<Vec<_>>(),
        [(Counter::Rate(Event::Connection), minute), (Counter::Total(Event::Gpc0), None)]
    );
    assert_eq!((bytes.key, bytes.store.is_empty()), (KeyType::Binary { len: 20 }, true));
}

/// The tutorial's limit, with the matcher under a name.
#[test]
fn rules_track_and_ask() {
    let config = site(
        r#"
[acl]
too_fast = { sc_http_req_rate = { table = "per_ip", gt = 100 } }
[table.other]
type = "ip"
size = 10
[table.per_ip]
type = "ip"
size = "100k"
expire = "30s"
store = { http_req_rate = "10s", gpc0 = true, gpc1_rate = "1m", gpt0 = true }
[table.names]
type = "string"
size = "1k"
store = { http_req_cnt = true }
"#,
        r#"http_request = [
  { track = { key = "src", table = "per_ip" } },
  { deny = 429, if = "too_fast" },
  { track = { key = "base", table = "names", sc = 2 }, unless = "LOCALHOST" },
  { track = { key = "${hdr(X-Key)}", table = "names" } },
  { sc_inc_gpc0 = { table = "per_ip" } },
  { sc_inc_gpc1 = { table = "per_ip", sc = 0 } },
  { sc_set_gpt0 = { table = "per_ip", value = 9 } },
  { deny = 403, if = { src_gpt0 = { table = "per_ip", eq = 9 }, sc_http_req_cnt = { table = "names", sc = 2, ge = 2, lt = 10 } } },
]"#,
    );
    let plan = lower::proxy(&config).plan;
    let rules = &plan.frontends()[0].http_request;
    let per_ip = Which { table: TableId(1), sc: None };
    let names = |sc| Which { table: TableId(2), sc };
    let asks = |of, counter, least, most| {
        Matcher::Test(Test::Counted(Number { of, counter }, Range { least, most }))
    };
    let actions: Vec<&Action> = rules.iter().map(|rule| &rule.action).collect();
    let count = |counting| Action::Count(counting);
    let text = TrackKey::Text(Template::parse("${hdr(X-Key)}").unwrap());
    assert_eq!(
        actions,
        [
            &count(Count::Track(per_ip, TrackKey::Source)),
            &Action::Deny(429),
            &count(Count::Track(names(Some(2)), TrackKey::Base)),
            &count(Count::Track(names(None), text)),
            &count(Count::Increase(per_ip, Event::Gpc0)),
            &count(Count::Increase(Which { sc: Some(0), ..per_ip }, Event::Gpc1)),
            &count(Count::SetTag(per_ip, 9)),
            &Action::Deny(403),
        ]
    );
    let Rule { when, .. } = &rules[1];
    assert_eq!(*when, asks(Subject::Tracked(per_ip), Counter::Rate(Event::Request), 101, u64::MAX));
    let Rule { when: Matcher::All(both), .. } = &rules[7] else { panic!("two conditions: {:?}", rules[7]) };
    let expected = [
        asks(Subject::Tracked(names(Some(2))), Counter::Total(Event::Request), 2, 9),
        asks(Subject::Source(TableId(1)), Counter::Tag, 9, 9),
    ];
    assert_eq!(both.as_slice(), expected);
}
