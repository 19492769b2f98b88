use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::rules::{Matcher, Test};
use crate::tls::SessionFacts;

/// A request of which one table has a number.
struct Counted;

impl Request for Counted {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn target(&self) -> &[u8] {
        b"//%61?to=7"
    }

    fn authority(&self) -> &[u8] {
        b"Www.Example:8080"
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        name.eq_ignore_ascii_case("x-real-ip") && look(b"2001:db8::1:2:3:4")
    }

    fn source(&self) -> IpAddr {
        [192, 0, 2, 7].into()
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some(([198, 51, 100, 1], 8443).into())
    }

    fn tls(&self) -> Option<&SessionFacts> {
        None
    }

    fn counted(&self, number: &Number) -> Option<u64> {
        (number.of.table() == TableId(1)).then_some(7)
    }
}

#[test]
fn keys_are_what_tables_have() {
    let key = |key: &TrackKey, kind: KeyType| key.of(kind, &Looked::new(&Counted));
    let text = |text: &str| TrackKey::Text(Template::parse(text).unwrap());
    let (ip, number) = (KeyType::Ip { ipv6_prefix: 64 }, KeyType::Integer);
    let (string, binary) = (KeyType::String { len: 13 }, KeyType::Binary { len: 13 });
    let address = |text: &str| Some(Key::Ip(text.parse().unwrap()));
    let bytes = |bytes: &[u8]| Some(Key::Bytes(bytes.into()));
    for (what, kind, expected) in [
        (TrackKey::Source, ip, address("192.0.2.7")),
        (TrackKey::Source, number, None),
        (TrackKey::Source, string, bytes(b"192.0.2.7")),
        (TrackKey::Source, binary, bytes(&[192, 0, 2, 7])),
        (TrackKey::Destination, ip, address("198.51.100.1")),
        (TrackKey::Host, string, bytes(b"www.example")),
        (TrackKey::Path, string, bytes(b"/a")),
        (TrackKey::Base, string, bytes(b"www.example/a")),
        (TrackKey::Host, ip, None),
        (text("${hdr(X-Real-IP)}"), ip, address("2001:db8::")),
        (text("${host}"), ip, None),
        (text("${dst_port}"), number, Some(Key::Integer(8443))),
        (text("${query(to)}"), number, Some(Key::Integer(7))),
        (text("${method} ${host} and more"), string, bytes(b"GET www.examp")),
        (text("${cookie(a)}"), string, None),
    ] {
        assert_eq!(key(&what, kind), expected, "{what:?} {kind:?}");
    }
}

#[test]
fn what_has_no_number_is_in_no_range() {
    let holds = |table, least, most| {
        let number = Number { of: Subject::Source(TableId(table)), counter: Counter::Current };
        Matcher::Test(Test::Counted(number, Range { least, most })).holds(&Looked::new(&Counted))
    };
    for (least, most, expected) in [(0, u64::MAX, true), (7, 7, true), (8, u64::MAX, false), (0, 6, false)] {
        assert_eq!(holds(1, least, most), expected, "{least} to {most}");
    }
    assert!(!holds(2, 0, u64::MAX));
}

#[test]
fn rules_know_their_tables() {
    let which = Which { table: TableId(3), sc: None };
    let of = Subject::Tracked(Which { table: TableId(5), sc: Some(1) });
    let test = Matcher::Test(Test::Counted(Number { of, counter: Counter::Tag }, Range::ALL));
    let rule = crate::rules::Rule {
        when: Matcher::Not(Box::new(Matcher::Any(vec![Matcher::All(Vec::new()), test]))),
        action: crate::rules::Action::Count(Count::Increase(which, Event::Gpc0)),
    };
    assert_eq!(rule.last_table(), Some(TableId(5)));
    let always = crate::rules::Rule { when: Matcher::All(Vec::new()), ..rule };
    assert_eq!(always.last_table(), Some(TableId(3)));
    assert!(!always.looks_at_destination());
    let action = crate::rules::Action::Count(Count::Track(which, TrackKey::Destination));
    assert!(crate::rules::Rule { action, ..always }.looks_at_destination());
}

#[test]
fn what_is_counted_is_said_in_words() {
    let which = Which { table: TableId(3), sc: Some(1) };
    let first = Which { sc: None, ..which };
    for (count, words) in [
        (Count::Track(first, TrackKey::Source), "track src in table 3"),
        (Count::Increase(which, Event::Gpc1), "sc_inc_gpc1 of table 3 (sc 1)"),
        (Count::SetTag(first, 9), "sc_set_gpt0 of table 3 = 9"),
    ] {
        assert_eq!(count.to_string(), words);
    }
    let number = |of, least, most| {
        Test::Counted(Number { of, counter: Counter::Rate(Event::Request) }, Range { least, most })
            .to_string()
    };
    let tracked = Subject::Tracked(which);
    assert_eq!(
        number(tracked, 101, u64::MAX),
        "http_req_rate of what is tracked in table 3 (sc 1) is 101 or more"
    );
    assert_eq!(
        number(Subject::Source(TableId(0)), 0, 4),
        "http_req_rate of the source in table 0 is 4 or less"
    );
    assert!(number(tracked, 2, 2).ends_with(" is 2"));
    assert!(number(tracked, 2, 3).ends_with(" is 2 to 3"));
}
