use super::*;
use crate::tls::fixture::session_of;

/// A request as it came.
struct Sent {
    method: &'static str,
    target: &'static str,
    fields: &'static [(&'static str, &'static str)],
    tls: Option<SessionFacts>,
}

impl Request for Sent {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }

    fn authority(&self) -> &[u8] {
        self.fields.iter().find(|(name, _)| *name == "Host").map_or(b"", |(_, value)| value.as_bytes())
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .any(|(_, value)| look(value.as_bytes()))
    }

    fn source(&self) -> IpAddr {
        [192, 0, 2, 7].into()
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some(([198, 51, 100, 1], 8443).into())
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.tls.as_ref()
    }
}

fn get(target: &'static str, fields: &'static [(&'static str, &'static str)]) -> Sent {
    Sent { method: "GET", target, fields, tls: None }
}

fn is(patterns: &[&str]) -> Texts {
    texts(How::Exact, patterns)
}

fn texts(how: How, patterns: &[&str]) -> Texts {
    Texts::new(how, false, patterns.iter().map(|&p| p.into()).collect()).unwrap()
}

fn holds(test: Test, request: &Sent) -> bool {
    Matcher::Test(test).holds(&Looked::new(request))
}

#[test]
fn hosts_are_compared_without_port_and_case() {
    for (host, is_it) in [
        ("app.example", true),
        ("App.Example:8080", true),
        ("app.example.", true),
        ("app.example.:80", true),
        ("app.example:x", false),
        ("xapp.example", false),
        ("app.example.org", false),
        ("", false),
    ] {
        let fields: &'static [_] = Box::leak(Box::new([("Host", &*String::leak(host.into()))]));
        assert_eq!(holds(Test::Host(is(&["app.example"])), &get("/", fields)), is_it, "{host}");
    }
    assert!(holds(Test::Host(is(&["[2001:db8::1]"])), &get("/", &[("Host", "[2001:DB8::1]:443")])));
}

/// `facts/reliability.md`, classes 4 and 16.
#[test]
fn no_spelling_of_a_path_escapes() {
    let under = Test::Path(texts(How::Prefix, &["/admin"]));
    let php = Test::Path(texts(How::Suffix, &[".php"]));
    for target in [
        "/admin",
        "/admin?x",
        "/%61dmin/x",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/x/%2e%2e/admin",
        "/;/admin",
        "/admin;x",
        "/%2561dmin",
        "\\admin",
        "/admin%23",
        "/%2Fadmin",
        "/x\\..\\admin",
    ] {
        assert!(holds(under.clone(), &get(target, &[])), "{target}");
    }
    for target in ["/x.php", "/x.php?a", "/x%2ephp", "/x.php;v", "/x.php%00.jpg", "/x.%70hp"] {
        assert!(holds(php.clone(), &get(target, &[])), "{target}");
    }
    // As it was sent.
    assert!(!holds(Test::RawPath(texts(How::Prefix, &["/admin"])), &get("/%61dmin", &[])));
    assert!(holds(Test::RawPath(is(&["/%61dmin"])), &get("/%61dmin?q", &[])));
    assert!(!holds(under, &get("/Admin", &[])));
}

/// `facts/haproxy.md`, item 14.
#[test]
fn fields_are_lists() {
    let json = |request: &Sent| holds(Test::Header("accept".into(), is(&["application/json"])), request);
    assert!(json(&get("/", &[("Accept", "text/html, application/json")])));
    assert!(json(&get("/", &[("ACCEPT", "text/html"), ("accept", "application/json")])));
    assert!(!json(&get("/", &[("Accept", "application/json;q=0.9")])));
    assert!(!json(&get("/", &[("Accept", "\"a, application/json\"")])));
    assert!(json(&get("/", &[("Accept", r#""a\", b", application/json"#)])));
    assert!(holds(Test::HasHeader("x-a".into()), &get("/", &[("X-A", "")])));
    assert!(!holds(Test::HasHeader("x-a".into()), &get("/", &[("X-B", "")])));
}

#[test]
fn types_are_accepted_as_the_client_says() {
    for (accept, taken) in [
        (None, true),
        (Some("application/json"), true),
        (Some("APPLICATION/JSON;q=0.9"), true),
        (Some("application/json;q=0"), false),
        (Some("application/json; q=0.000, */*"), false),
        (Some("*/*;q=0, application/*"), true),
        (Some("application/*;q=0, */*"), false),
        (Some("text/html, */*;q=0.1"), true),
        (Some("text/html"), false),
        (Some("application/jsonp"), false),
        (Some(""), true),
        (Some("nonsense"), false),
        (Some("application/json;q=x"), true),
    ] {
        let field: &'static [_] = match accept {
            Some(value) => Box::leak(Box::new([("Accept", value)])),
            None => &[],
        };
        let json = accept::MediaType::parse("application/json").unwrap();
        assert_eq!(holds(Test::Accepts(json), &get("/", field)), taken, "{accept:?}");
    }
    assert_eq!(accept::MediaType::parse("json"), None);
    assert_eq!(accept::MediaType::parse("a/b;q=1"), None);
}

#[test]
fn queries_and_cookies_are_taken_apart() {
    let query =
        |name: &str, value: &str, target| holds(Test::Query(name.into(), is(&[value])), &get(target, &[]));
    assert!(query("a", "1", "/?a=1&b=2") && query("b", "2", "/?a=1&b=2") && query("a", "2", "/?a=1&a=2"));
    assert!(query("a b", "c d", "/?a+b=c%20d") && query("a", "", "/?a") && query("a", "b=c", "/?a=b=c"));
    assert!(!query("a", "1", "/a=1") && !query("A", "1", "/?a=1") && !query("a", "1", "/?aa=1"));
    assert!(holds(Test::HasQuery("a".into()), &get("/?&&a", &[])));
    let cookie = |name: &str, value: &str| {
        let request = get("/", &[("Cookie", "a=1; b=\"2\";c =3"), ("cookie", "d=4;a=5")]);
        holds(Test::Cookie(name.into(), is(&[value])), &request)
    };
    assert!(
        cookie("a", "1") && cookie("a", "5") && cookie("b", "\"2\"") && cookie("c", "3") && cookie("d", "4")
    );
    assert!(!cookie("a", "4") && !cookie("A", "1"));
    assert!(holds(Test::HasCookie("d".into()), &get("/", &[("Cookie", "d")])));
}

#[test]
fn clients_are_told_apart() {
    let networks = |text: &str, prefix| [super::super::Network { address: text.parse().unwrap(), prefix }];
    let clear = get("/", &[]);
    let secured = Sent { tls: Some(session_of("/O=Example/CN=builder")), ..get("/", &[]) };
    for (test, in_clear, with_tls) in [
        (Test::Source(networks("192.0.2.0", 24).into_iter().collect()), true, true),
        (Test::Source(networks("192.0.3.0", 24).into_iter().collect()), false, false),
        (Test::Destination(networks("198.51.100.1", 32).into_iter().collect()), true, true),
        (Test::DestinationPort(8443, 8443), true, true),
        (Test::DestinationPort(0, 8442), false, false),
        (Test::Tls(true), false, true),
        (Test::Tls(false), true, false),
        (Test::Certificate(true), false, true),
        (Test::Certificate(false), true, false),
        (Test::Subject(is(&["/O=Example/CN=builder"])), false, true),
        (Test::CommonName(is(&["builder"])), false, true),
        (Test::CommonName(is(&["tester"])), false, false),
        (Test::Method(is(&["GET", "HEAD"])), true, true),
        (Test::Method(is(&["get"])), false, false),
    ] {
        assert_eq!(
            (holds(test.clone(), &clear), holds(test.clone(), &secured)),
            (in_clear, with_tls),
            "{test:?}"
        );
    }
}

#[test]
fn conditions_are_combined() {
    let request = get("/a", &[("Host", "h")]);
    let path = |p: &str| Matcher::Test(Test::Path(is(&[p])));
    let not = |m: Matcher| Matcher::Not(Box::new(m));
    for (matcher, expected) in [
        (Matcher::All(vec![]), true),
        (Matcher::Any(vec![]), false),
        (Matcher::All(vec![path("/a"), path("/b")]), false),
        (Matcher::Any(vec![path("/a"), path("/b")]), true),
        (not(path("/a")), false),
        (Matcher::All(vec![path("/a"), not(path("/b"))]), true),
    ] {
        assert_eq!(matcher.holds(&Looked::new(&request)), expected, "{matcher:?}");
    }
}

#[test]
fn rules_can_be_found_by_the_host_they_need() {
    let host = |hosts: &[&str]| Matcher::Test(Test::Host(is(hosts)));
    let path = || Matcher::Test(Test::Path(is(&["/"])));
    let known = |matcher: Matcher| matcher.hosts().map(|hosts| hosts.len());
    assert_eq!(known(host(&["a", "b"])), Some(2));
    assert_eq!(known(Matcher::All(vec![path(), host(&["a", "b"]), host(&["a"])])), Some(1));
    assert_eq!(known(Matcher::Any(vec![host(&["a"])])), Some(1));
    assert_eq!(known(Matcher::Any(vec![host(&["a"]), path()])), None);
    assert_eq!(known(Matcher::Not(Box::new(host(&["a"])))), None);
    assert_eq!(known(Matcher::Test(Test::Host(texts(How::Suffix, &[".a"])))), None);
}

#[test]
fn numbers_are_compared() {
    let range = |least, most| Range { least, most };
    let request =
        get("/a?b=c", &[("X-Forwarded-For", "a, b"), ("x-forwarded-for", "c"), ("X-One", "\"a,b\"")]);
    for (test, expected) in [
        (Test::HeaderCount("x-forwarded-for".into(), range(3, 3)), true),
        (Test::HeaderCount("x-forwarded-for".into(), range(4, u64::MAX)), false),
        (Test::HeaderCount("x-one".into(), range(1, 1)), true),
        (Test::HeaderCount("x-none".into(), range(0, 0)), true),
        (Test::TargetLength(range(6, 6)), true),
        (Test::TargetLength(range(7, u64::MAX)), false),
        (Test::Version(is(&["1.1"])), true),
        (Test::Version(is(&["2.0", "1.0"])), false),
        (Test::SourcePort(0, 1023), true),
        (Test::SourcePort(1024, 65_535), false),
        // Neither servers nor clocks are known of a request by itself.
        (Test::Gauge(Gauge::Usable(crate::plan::BackendId(0)), range(0, u64::MAX)), false),
        (Test::Hours(Hours { from: 0, to: 1440, days: Hours::EVERY_DAY, zone: Zone::Utc }), false),
        (Test::Chance(NonZeroU32::MIN, range(0, 0)), true),
    ] {
        assert_eq!(holds(test.clone(), &request), expected, "{test}");
    }
}

#[test]
fn upper_case_is_seen_at_every_place() {
    for length in 0..20 {
        let lower = vec![b'z'; length];
        assert!(!has_upper_case(&lower), "{length}");
        for at in 0..length {
            for (b, is_upper) in [(b'A', true), (b'Z', true), (b'@', false), (b'[', false), (0xc1, false)] {
                let mut text = lower.clone();
                text[at] = b;
                assert_eq!(has_upper_case(&text), is_upper, "{b:#04x} at {at} of {length}");
            }
        }
    }
}
