use std::num::NonZeroU16;

use super::*;
use crate::plan::HashLayout;

struct Asked {
    target: &'static str,
    fields: Vec<(&'static str, &'static str)>,
}

impl Subject for Asked {
    fn source(&self) -> IpAddr {
        IpAddr::from([10, 0, 0, 1])
    }

    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }

    fn host(&self) -> &[u8] {
        self.field("Host").unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_bytes())
    }

    fn fields<'a>(&'a self, name: &str, look: &mut dyn FnMut(&'a [u8]) -> bool) {
        let of_name = self.fields.iter().filter(|(n, _)| *n == name);
        let _found = of_name.map(|(_, v)| v.as_bytes()).any(look);
    }

    fn fill(&self, text: &Template, out: &mut Vec<u8>) -> bool {
        text.write_of_response(out, &(), &|_| &[]);
        text.is_fixed()
    }
}

fn by(key: HashKey) -> Balance {
    Balance::Hash(HashBalance {
        key,
        layout: HashLayout::MapBased,
        function: HashFunction::Crc32,
        avalanche: false,
        factor: None,
    })
}

fn crc(text: &str) -> Option<u32> {
    Some(hash::of(HashFunction::Crc32, text.as_bytes()))
}

#[test]
fn parts_of_a_target() {
    let plain = UriKey::default();
    let n = NonZeroU16::new;
    for (target, part, hashed) in [
        ("/a/b/c?d=e", plain, "/a/b/c"),
        ("/a/b/c?d=e", UriKey { whole: true, ..plain }, "/a/b/c?d=e"),
        ("/a/b/c?d=e", UriKey { length: n(3), ..plain }, "/a/"),
        ("/a/b/c?d=e", UriKey { length: n(99), ..plain }, "/a/b/c"),
        ("/a/b/c?d=e", UriKey { depth: n(1), ..plain }, "/a"),
        ("/a/b/c?d=e", UriKey { depth: n(2), ..plain }, "/a/b"),
        ("/a/b/c?d=e", UriKey { depth: n(3), ..plain }, "/a/b/c"),
        ("/a/b?c/d/e", UriKey { depth: n(2), whole: true, ..plain }, "/a/b?c"),
        ("http://h/a?b", plain, "http://h/a"),
        ("http://h/a?b", UriKey { path_only: true, ..plain }, "/a"),
        ("http://h", UriKey { path_only: true, ..plain }, ""),
        ("*", plain, "*"),
    ] {
        assert_eq!(uri_part(target.as_bytes(), part), hashed.as_bytes(), "{target} {part:?}");
    }
}

#[test]
fn keys_of_a_request() {
    let asked = Asked {
        target: "/p/q?user=joe&empty=&use=1",
        fields: vec![
            ("Host", "WWW.Example.com:8080"),
            ("X-User", " a , b"),
            ("X-Empty", ""),
            ("Cookie", "a=1; sid=xyz; b=2"),
            ("Cookie", "other=3; sid=second"),
        ],
    };
    let header = |name: &str, domain_only| HashKey::Header { name: name.into(), domain_only };
    for (key, hashed) in [
        (header("X-User", false), crc("a")),
        (header("X-Empty", false), None),
        (header("X-None", false), None),
        (header("Host", false), crc("WWW.Example.com:8080")),
        (header("Host", true), crc("Example")),
        (HashKey::UrlParam("user".into()), crc("joe")),
        (HashKey::UrlParam("empty".into()), crc("")),
        (HashKey::UrlParam("use".into()), crc("1")),
        (HashKey::UrlParam("joe".into()), None),
        (HashKey::Cookie("sid".into()), crc("xyz")),
        (HashKey::Cookie("other".into()), crc("3")),
        (HashKey::Cookie("si".into()), None),
        (HashKey::Source, Some(0x0a00_0001)),
        (HashKey::Value(HashValue::Source), Some(hash::of(HashFunction::Crc32, &[10, 0, 0, 1]))),
        (HashKey::Value(HashValue::Host), crc("www.example.com")),
        (HashKey::Value(HashValue::Path), crc("/p/q")),
        (HashKey::Value(HashValue::PathAndQuery), crc("/p/q?user=joe&empty=&use=1")),
        (HashKey::Value(HashValue::Base), crc("www.example.com/p/q")),
        (HashKey::Text(Template::parse("text").unwrap()), crc("text")),
        (HashKey::Text(Template::parse("${hdr(X-None)}").unwrap()), None),
    ] {
        assert_eq!(key_of(&by(key.clone()), &asked), hashed, "{key:?}");
    }
    assert_eq!(key_of(&Balance::LeastConn, &asked), None);
}

#[test]
fn the_domain_is_the_label_before_the_last_dot() {
    for (host, label) in [
        ("www.example.com", "example"),
        ("example.com", "example"),
        ("a.b.c.d", "c"),
        ("localhost", "localhost"),
        (".com", ""),
        ("", ""),
    ] {
        assert_eq!(domain(host.as_bytes()), label.as_bytes(), "{host}");
    }
}

#[test]
fn hosts_lose_their_port_and_case() {
    for (host, name) in [("A.b:1", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
        assert_eq!(host_of(host.as_bytes()), name.as_bytes(), "{host}");
    }
}
