use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::access_log::Cookie as Worth;
use crate::balance::fixture;
use crate::names::Addresses;
use crate::plan::Server;

const INSERT: Mode = Mode::Insert(ToServer::Seen);
const HIDDEN: Mode = Mode::Insert(ToServer::Hidden);

/// Three servers with the values `a`, `b` and `b`, of which the second is down.
fn look(cookie: &Cookie, fields: &[&str]) -> Presented {
    let server = |value: &str| Server { cookie: Some(value.to_owned()), ..fixture::server(1) };
    let cookie = Arc::new(cookie.clone());
    let plan = fixture::plan_with(["a", "b", "b", "c"].map(server).to_vec(), |b| {
        b.cookie = Some(Arc::clone(&cookie));
    });
    let values = Values::new(&plan, &plan.backends()[0], &Addresses::new(&plan));
    let takes = |id: ServerId| !matches!(id.0, 1 | 3);
    find(&cookie, &values, fields.iter().map(|f| f.as_bytes()), takes, NOW)
}

const NOW: Seconds = Seconds(1_700_000_000);

#[test]
fn cookies_name_servers() {
    let insert = Cookie::new("SRV", INSERT);
    let prefix = Cookie::new("SRV", Mode::Prefix);
    for (cookie, fields, worth, server) in [
        (&insert, &[][..], Worth::None, None),
        (&insert, &["x=1"], Worth::None, None),
        (&insert, &["srv=a"], Worth::None, None),
        (&insert, &["SRV"], Worth::None, None),
        (&insert, &["SRV=a"], Worth::Valid, Some(0)),
        (&insert, &["x=1; SRV=a; y=2"], Worth::Valid, Some(0)),
        (&insert, &["x=1", "SRV=a"], Worth::Valid, Some(0)),
        (&insert, &["SRV=b"], Worth::Valid, Some(2)),
        (&insert, &["SRV=c"], Worth::Down, None),
        (&insert, &["SRV=z"], Worth::Invalid, None),
        (&insert, &["SRV="], Worth::Invalid, None),
        (&insert, &["SRV=z; SRV=a"], Worth::Valid, Some(0)),
        (&insert, &["SRV=a; SRV=z"], Worth::Valid, Some(0)),
        (&insert, &["SRV=a|ZVPxA"], Worth::Valid, Some(0)),
        (&prefix, &["SRV=a~xyz"], Worth::Valid, Some(0)),
        (&prefix, &["SRV=a"], Worth::Valid, Some(0)),
        (&prefix, &["SRV=~xyz"], Worth::Invalid, None),
    ] {
        let presented = look(cookie, fields);
        assert_eq!((presented.worth, presented.server.map(|s| s.0)), (worth, server), "{fields:?}");
    }
}

#[test]
fn dates_in_cookies_end_them() {
    let dated = |back: u64, first: Option<u64>| {
        let text = |s: u64| String::from_utf8(Seconds(NOW.0 - s).encode().to_vec()).unwrap();
        let first = first.map(|f| format!("|{}", text(f))).unwrap_or_default();
        format!("SRV=a|{}{first}", text(back))
    };
    let cookie = Cookie {
        maxidle: Some(Duration::from_secs(100)),
        maxlife: Some(Duration::from_secs(1000)),
        ..Cookie::new("SRV", INSERT)
    };
    for (value, worth) in [
        (dated(100, Some(1000)), Worth::Valid),
        (dated(104, Some(1000)), Worth::Expired),
        (dated(100, Some(1004)), Worth::Old),
        (dated(104, Some(1004)), Worth::Old),
        (dated(100, None), Worth::Valid),
        ("SRV=a".to_owned(), Worth::Valid),
        ("SRV=a|bad".to_owned(), Worth::Valid),
    ] {
        let presented = look(&cookie, &[value.as_str()]);
        assert_eq!(presented.worth, worth, "{value}");
        assert_eq!(presented.server.is_some(), worth == Worth::Valid);
        assert_eq!(
            presented.last.is_some(),
            worth == Worth::Valid && value.contains('|') && !value.contains("bad")
        );
    }
}

fn written(mode: Mode, field: &str) -> Option<String> {
    let cookie = Cookie::new("SRV", mode);
    let mut out = b"cookie: ".to_vec();
    let left = write(&mut out, &cookie, field.as_bytes());
    assert_eq!(left, out.len() > 8, "{field}");
    left.then(|| String::from_utf8(out[8..].to_vec()).unwrap())
}

#[test]
fn the_server_does_not_see_what_is_hidden() {
    for (field, left) in [
        ("SRV=a", None),
        ("SRV=a; x=1", Some("x=1")),
        ("x=1; SRV=a", Some("x=1")),
        ("x=1; SRV=a; y=2", Some("x=1; y=2")),
        ("x=1;SRV=a;y=2", Some("x=1;y=2")),
        ("SRV=a; SRV=b", None),
        ("SRV=a; x=1; SRV=b", Some("x=1")),
        ("$Version=1; SRV=a; $Path=/; x=1", Some("$Version=1; x=1")),
        ("SRV; x=1", Some("SRV; x=1")),
        ("XSRV=a", Some("XSRV=a")),
    ] {
        assert_eq!(written(HIDDEN, field).as_deref(), left, "{field}");
        assert_eq!(written(INSERT, field).as_deref(), Some(field));
        assert_eq!(written(Mode::Rewrite, field).as_deref(), Some(field));
    }
}

#[test]
fn the_server_sees_its_own_value_without_the_prefix() {
    for (field, left) in [
        ("SRV=a~1", "SRV=1"),
        ("x=1; SRV=a~1; y=2~3", "x=1; SRV=1; y=2~3"),
        ("SRV=a~", "SRV="),
        ("SRV=1", "SRV=1"),
        ("SRV=a~b~c", "SRV=b~c"),
    ] {
        assert_eq!(written(Mode::Prefix, field).as_deref(), Some(left), "{field}");
    }
}

#[test]
fn only_what_differs_is_edited() {
    for (mode, field, edited) in [
        (HIDDEN, "SRV=z", true),
        (HIDDEN, "x=1", false),
        (INSERT, "SRV=a", false),
        (Mode::Prefix, "SRV=a~1", true),
        (Mode::Prefix, "SRV=1", false),
        (Mode::Rewrite, "SRV=a", false),
    ] {
        assert_eq!(look(&Cookie::new("SRV", mode), &[field]).edited, edited, "{mode:?} {field}");
    }
}
