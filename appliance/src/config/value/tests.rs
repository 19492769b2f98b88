use super::*;

fn why<T: std::fmt::Debug>(r: Result<T, Bad>) -> String {
    let bad = r.unwrap_err();
    format!("{}|{}", bad.why, bad.help.unwrap_or_default())
}

#[test]
fn durations() {
    for (text, micros) in [
        ("0s", 0),
        ("250us", 250),
        ("100ms", 100_000),
        ("3s", 3_000_000),
        ("3 s", 3_000_000),
        ("2m", 120_000_000),
        ("1h", 3_600_000_000),
        ("24d", 2_073_600_000_000),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
    }
    for (text, bad) in [
        ("3", "has no unit|\"3ms\" or \"3s\""),
        ("", "does not start with a number|"),
        ("-1s", "does not start with a number|"),
        ("s", "does not start with a number|"),
        ("1.5s", "is not a whole number|use a smaller unit: \"1500ms\" instead of \"1.5s\""),
        ("3sec", "has no unit of time `sec`|units are us, ms, s, m, h and d"),
        ("3S", "has no unit of time `S`|units are us, ms, s, m, h and d"),
        ("1m30s", "has no unit of time `m30s`|units are us, ms, s, m, h and d"),
        ("99999999999999999999s", "is too large|"),
        ("9999999999999999d", "is too large|"),
    ] {
        assert_eq!(why(duration(text)), bad, "{text}");
    }
}

#[test]
fn durations_are_shown_as_they_are_written() {
    for text in ["0s", "250us", "100ms", "1500ms", "3s", "60s", "90s", "10m", "1h", "24d"] {
        assert_eq!(show(duration(text).unwrap()), text);
    }
}

#[test]
fn sizes() {
    for (text, bytes) in [("0B", 0), ("512B", 512), ("16KiB", 16384), ("1MiB", 1 << 20), ("2GiB", 2 << 30)] {
        assert_eq!(size(text), Ok(bytes), "{text}");
        assert_eq!(show_bytes(bytes), text);
    }
    for (text, bad) in [
        ("16384", "has no unit|\"16384B\" or \"16384KiB\""),
        ("16k", "has no unit of size `k`|units are B, KiB, MiB and GiB"),
        ("16KB", "has no unit of size `KB`|units are B, KiB, MiB and GiB"),
        ("KiB", "does not start with a number|"),
        ("99999999999999999GiB", "is too large|"),
    ] {
        assert_eq!(why(size(text)), bad, "{text}");
    }
}

#[test]
fn binds() {
    let both = vec!["0.0.0.0:80".parse().unwrap(), "[::]:80".parse().unwrap()];
    assert_eq!(bind("*:80"), Ok(both.clone()));
    assert_eq!(bind(":80"), Ok(both));
    assert_eq!(bind("[::]:443"), Ok(vec!["[::]:443".parse().unwrap()]));
    assert_eq!(bind("10.0.0.1:8080"), Ok(vec!["10.0.0.1:8080".parse().unwrap()]));
    for (text, bad) in [
        ("*", "has no port|for instance \"*:80\""),
        ("*:", "has no port from 1 to 65535 but ``|"),
        ("*:0", "has no port from 1 to 65535 but `0`|"),
        ("*:+80", "has no port from 1 to 65535 but `+80`|"),
        ("*:70000", "has no port from 1 to 65535 but `70000`|"),
        ("80", "is a port without an address|\"*:80\""),
        ("10.0.0.1", "has no port|for instance \"10.0.0.1:80\""),
        ("10.0.0.1:0", "has port 0|"),
        ("fe80::1", "has no port|for instance \"[fe80::1]:80\""),
        ("2001:db8::1:80", "has no port|for instance \"[2001:db8::1:80]:80\""),
        ("1:2:3:4:5:6:7:8:80", "is IPv6 without brackets|\"[1:2:3:4:5:6:7:8]:80\""),
        ("web.example.com:80", "is a name, not an IP address|only servers may have names: write the address"),
        ("10.0.0:80", "is not an IP address|"),
        ("", "is not an IP address|"),
    ] {
        assert_eq!(why(bind(text)), bad, "{text}");
    }
}

#[test]
fn prefixes() {
    for (text, addr, length) in [
        ("192.168.1.100/24", "192.168.1.100", 24),
        ("10.0.0.1", "10.0.0.1", 32),
        ("fe80::1", "fe80::1", 128),
        ("::/0", "::", 0),
    ] {
        assert_eq!(cidr(text), Ok((addr.parse().unwrap(), length)), "{text}");
    }
    assert_eq!(why(cidr("10.0.0.1/33")), "has no prefix length from 0 to 32|");
    assert_eq!(why(cidr("10.0.0.1/")), "has no prefix length from 0 to 32|");
    assert_eq!(why(cidr("fd00::1/129")), "has no prefix length from 0 to 128|");
    assert_eq!(why(cidr("10.0.0.256/24")), "is not an IP address|");
    assert_eq!(network("10.0.0.0/8"), Ok(("10.0.0.0".parse().unwrap(), 8)));
    assert_eq!(network("0.0.0.0/0"), Ok(("0.0.0.0".parse().unwrap(), 0)));
    assert_eq!(why(network("10.1.2.3/8")), "has bits set beyond its prefix length|\"10.0.0.0/8\"");
    assert_eq!(why(network("fd00::1/64")), "has bits set beyond its prefix length|\"fd00::/64\"");
}

#[test]
fn names() {
    for good in ["web1", "VI_1", "a.b-c:d"] {
        assert_eq!(name(good), Ok(()));
    }
    for bad in ["", "a b", "é", "a/b", &"x".repeat(65)] {
        assert!(name(bad).is_err(), "{bad}");
    }
}

#[test]
fn status_ranges() {
    assert_eq!(statuses("200"), Ok(200..=200));
    assert_eq!(statuses("200-399"), Ok(200..=399));
    for bad in ["", "20", "600", "99", "399-200", "200-", "-200", "2xx", "0200"] {
        assert!(statuses(bad).is_err(), "{bad}");
    }
}

#[test]
fn http_words() {
    assert!(
        is_token("X-Forwarded-For") && !is_token("") && !is_token("a b") && !is_token("a:") && !is_token("é")
    );
    assert!(is_field_value("a\tb é") && !is_field_value("a\r\nb") && !is_field_value("\0"));
}
