use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::rules::{How, Network};
use crate::tls::SessionFacts;

struct Asked;

impl Request for Asked {
    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn target(&self) -> &[u8] {
        b"/%61dmin?id=7&id=8"
    }

    fn authority(&self) -> &[u8] {
        b"WWW.example:80"
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        name.eq_ignore_ascii_case("accept") && (look(b"a, b") || look(b"c\xff"))
    }

    fn source(&self) -> IpAddr {
        [10, 0, 0, 1].into()
    }

    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn tls(&self) -> Option<&SessionFacts> {
        None
    }
}

fn texts(how: How, patterns: &[&str]) -> Texts {
    Texts::new(how, false, patterns.iter().map(|p| (*p).into()).collect()).unwrap()
}

fn said(matcher: &Matcher) -> String {
    fn push(out: &mut String, finding: &Finding, depth: usize) {
        let Finding { asked, found, holds, parts } = finding;
        let found = found.as_ref().map(|found| format!(": {found}")).unwrap_or_default();
        out.push_str(&format!(
            "{:depth$}{asked}{found} {}\n",
            "",
            match holds {
                Some(true) => "+",
                Some(false) => "-",
                None => "?",
            }
        ));
        parts.iter().for_each(|part| push(out, part, depth + 1));
    }
    let looked = Looked::new(&Asked);
    let finding = matcher.explain(&looked);
    assert_eq!(finding.holds.unwrap_or(false), matcher.holds(&looked));
    let mut out = String::new();
    push(&mut out, &finding, 0);
    out
}

#[test]
fn conditions_say_what_they_ask_and_find() {
    let networks = |all: &[([u8; 4], u8)]| -> Networks {
        all.iter().map(|(address, prefix)| Network { address: (*address).into(), prefix: *prefix }).collect()
    };
    let test = Matcher::Test;
    let admin = || test(Test::Path(texts(How::Prefix, &["/admin"])));
    let office = || test(Test::Source(networks(&[([192, 0, 2, 0], 24), ([198, 51, 100, 7], 32)])));
    for (matcher, expected) in [
        (Matcher::All(Vec::new()), "always +\n"),
        (Matcher::Any(Vec::new()), "never -\n"),
        (admin(), "path begins with \"/admin\": \"/admin\", sent as \"/%61dmin\" +\n"),
        (
            Matcher::All(vec![admin(), Matcher::Not(Box::new(office()))]),
            "all of +\n path begins with \"/admin\": \"/admin\", sent as \"/%61dmin\" +\n not +\n  \
             source is in 192.0.2.0-192.0.2.255, 198.51.100.7: 10.0.0.1 -\n",
        ),
        // What is not asked is not told.
        (
            Matcher::Any(vec![Matcher::All(vec![office(), admin()]), admin(), office()]),
            "one of +\n all of -\n  source is in 192.0.2.0-192.0.2.255, 198.51.100.7: 10.0.0.1 -\n path begins with \
             \"/admin\": \"/admin\", sent as \"/%61dmin\" +\n",
        ),
        (
            test(Test::Host(texts(How::Exact, &["a", "b"]))),
            "host is one of \"a\", \"b\": \"www.example\" -\n",
        ),
        (
            test(Test::Header("Accept".into(), texts(How::Exact, &["b"]))),
            "an element of field Accept is \"b\": \"a\", \"b\", \"c\\xff\" +\n",
        ),
        (test(Test::Header("X".into(), texts(How::Exact, &["b"]))), "an element of field X is \"b\" -\n"),
        (
            test(Test::Query("id".into(), texts(How::Exact, &["1", "2", "3", "4", "5", "8"]))),
            "parameter id is one of \"1\", \"2\", \"3\", \"4\" and 2 more: \"7\", \"8\" +\n",
        ),
        (test(Test::Tls(true)), "the client speaks TLS -\n"),
        (test(Test::DestinationPort(80, 90)), "destination port is 80 to 90 -\n"),
    ] {
        assert_eq!(said(&matcher), expected);
    }
}
