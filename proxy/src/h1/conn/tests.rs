use super::super::head::Limits;
use super::*;

fn with<T>(fields: &str, ask: impl Fn(&HeadIndex, &[u8]) -> T) -> T {
    let bytes = format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let mut index = HeadIndex::default();
    index.parse_request(bytes.as_bytes(), &Limits { bytes: 4096, fields: 32 }).unwrap().unwrap();
    ask(&index, bytes.as_bytes())
}

/// RFC 9112 §9.3.
#[test]
fn persistence() {
    for (fields, in_11, in_10) in [
        ("", true, false),
        ("Connection: close\r\n", false, false),
        ("Connection: Keep-Alive\r\n", true, true),
        ("Connection: x , CLOSE\r\n", false, false),
        ("Connection: keep-alive\r\nConnection: close\r\n", false, false),
        ("Connection: close\r\nConnection: keep-alive\r\n", false, false),
        ("Connection: closed\r\n", true, false),
        ("Proxy-Connection: close\r\n", true, false),
        ("Connection: , ,\r\n", true, false),
    ] {
        let options = with(fields, Options::of);
        assert_eq!(options.persists(Version::Http11), in_11, "{fields:?}");
        assert_eq!(options.persists(Version::Http10), in_10, "{fields:?} in 1.0");
    }
}

#[test]
fn nominated_names() {
    for (fields, name, nominated) in [
        ("Connection: close, X-A\r\n", "x-a", true),
        ("Connection: close\r\nConnection: X-A\r\n", "X-A", true),
        ("Connection: X-A\r\n", "X-AB", false),
        ("Connection: X-AB\r\n", "X-A", false),
        ("", "X-A", false),
    ] {
        assert_eq!(with(fields, |i, b| is_nominated(i, b, name.as_bytes())), nominated, "{fields:?}");
    }
    assert!(with("Connection: close, X-A\r\n", Options::of).nominates());
    assert!(!with("Connection: close, upgrade, TE, keep-alive\r\n", Options::of).nominates());
}

/// RFC 9110 §10.1.1.
#[test]
fn expectations() {
    use Expectation::{Continue, None, Unknown};
    let body = BodyFraming::Length(5);
    for (fields, version, framing, expected) in [
        ("", Version::Http11, body, None),
        ("Expect: 100-continue\r\n", Version::Http11, body, Continue),
        ("Expect: 100-Continue\r\n", Version::Http11, BodyFraming::Chunked, Continue),
        ("Expect: 100-continue\r\n", Version::Http11, BodyFraming::None, None),
        ("Expect: 100-continue\r\n", Version::Http10, body, None),
        ("Expect: y 100-continue\r\n", Version::Http11, body, Unknown),
        ("Expect: 100-continue, x\r\n", Version::Http11, body, Unknown),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", Version::Http11, body, Unknown),
        ("Expect:\r\n", Version::Http11, body, Unknown),
    ] {
        assert_eq!(
            with(fields, |i, b| expectation(version, framing, i, b)),
            expected,
            "{fields:?} {version:?}"
        );
    }
}

/// RFC 9110 §7.8.
#[test]
fn upgrades() {
    for (fields, version, wanted) in [
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", Version::Http11, true),
        ("Connection: keep-alive, upgrade\r\nUpgrade: a/1, b\r\n", Version::Http11, true),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", Version::Http10, false),
        ("Upgrade: websocket\r\n", Version::Http11, false),
        ("Connection: Upgrade\r\n", Version::Http11, false),
        ("Connection: Upgrade\r\nUpgrade: h2c\r\n", Version::Http11, false),
        ("Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n", Version::Http11, false),
        ("Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n", Version::Http11, false),
    ] {
        let wants = with(fields, |i, b| wants_upgrade(version, Options::of(i, b), i, b));
        assert_eq!(wants, wanted, "{fields:?} {version:?}");
    }
}

/// RFC 9110 §10.1.4.
#[test]
fn trailers() {
    for (fields, takes) in [
        ("Connection: TE\r\nTE: trailers\r\n", true),
        ("Connection: te\r\nTE: gzip;q=0.5, Trailers\r\n", true),
        ("TE: trailers\r\n", false),
        ("Connection: TE\r\nTE: gzip\r\n", false),
    ] {
        assert_eq!(with(fields, |i, b| takes_trailers(Options::of(i, b), i, b)), takes, "{fields:?}");
    }
}
