use std::time::Duration;

use super::*;
use crate::access_log;
use crate::plan::ServerId;
use crate::sticky::ToServer;

const INSERT: Mode = Mode::Insert(ToServer::Seen);

/// A client that presented nothing, and a server with the value `s1` that answers a GET.
fn answer(cookie: &Cookie) -> Answer<'_> {
    let presented = Presented { worth: access_log::Cookie::None, ..Presented::default() };
    Answer { cookie, presented, value: Some(b"s1"), direct: false, post: false, now: Seconds(1_700_000_000) }
}

/// The same for a client that presented the right cookie.
fn direct(cookie: &Cookie) -> Answer<'_> {
    let mut answer = answer(cookie);
    answer.direct = true;
    answer.presented.worth = access_log::Cookie::Valid;
    answer.presented.server = Some(ServerId(0));
    answer
}

/// What becomes of a field, and the record's letter.
fn fate(answer: &Answer<'_>, field: &str) -> (String, char) {
    let (fate, action) = answer.fate(field.as_bytes());
    let letter = action.map_or('N', |a| char::from(a.letter()));
    let mut text = Vec::new();
    if fate != Fate::Remove {
        fate.write(&mut text, field.as_bytes());
    }
    (String::from_utf8(text).unwrap(), letter)
}

#[test]
fn the_servers_cookie_is_changed_as_the_mode_says() {
    for (mode, again, field, expected, letter) in [
        (INSERT, false, "SRV=x; Path=/", "", 'D'),
        (INSERT, true, "SRV=x", "", 'D'),
        (INSERT, false, "OTHER=x", "OTHER=x", 'N'),
        (INSERT, false, "srv=x", "srv=x", 'N'),
        (INSERT, false, "SRV", "SRV", 'N'),
        (Mode::Rewrite, false, "SRV=x; Path=/", "SRV=s1; Path=/", 'R'),
        (Mode::Rewrite, true, "SRV=; HttpOnly", "SRV=s1; HttpOnly", 'R'),
        (Mode::Rewrite, false, "SRV = \"x;y\"; a=b", "SRV = s1; a=b", 'R'),
        (Mode::Prefix, false, "SRV=x; Path=/", "SRV=s1~x; Path=/", 'R'),
        (Mode::Prefix, true, "SRV=x", "SRV=s1~x", 'R'),
    ] {
        let cookie = Cookie::new("SRV", mode);
        let answer = if again { direct(&cookie) } else { answer(&cookie) };
        assert_eq!(fate(&answer, field), (expected.to_owned(), letter), "{mode:?} {field}");
        let preserving = Cookie { preserve: Preserve::Yes, ..cookie.clone() };
        let kept = fate(&Answer { cookie: &preserving, ..answer }, field);
        assert_eq!(kept, (field.to_owned(), if letter == 'N' { 'N' } else { 'P' }));
    }
    let cookie = Cookie::new("SRV", Mode::Rewrite);
    let nameless = Answer { value: None, ..answer(&cookie) };
    assert_eq!(fate(&nameless, "SRV=x"), ("SRV=x".to_owned(), 'P'));
}

#[test]
fn ours_is_added_when_the_client_needs_it() {
    let none = CookieAction::None;
    let plain = Cookie::new("SRV", INSERT);
    assert_eq!(answer(&plain).insertion(none), Some(CookieAction::Inserted));
    assert_eq!(answer(&plain).insertion(CookieAction::Deleted), Some(CookieAction::Inserted));
    assert_eq!(direct(&plain).insertion(none), None);
    assert_eq!(Answer { value: None, ..answer(&plain) }.insertion(none), Some(CookieAction::Inserted));

    let post_only = Cookie { postonly: true, ..plain.clone() };
    assert_eq!(answer(&post_only).insertion(none), None);
    assert!(Answer { post: true, ..answer(&post_only) }.insertion(none).is_some());

    let preserving = Cookie { preserve: Preserve::Yes, ..plain.clone() };
    assert_eq!(answer(&preserving).insertion(CookieAction::Passive), None);
    assert!(answer(&preserving).insertion(none).is_some());

    for mode in [Mode::Prefix, Mode::Rewrite] {
        assert_eq!(answer(&Cookie::new("SRV", mode)).insertion(none), None);
    }
}

#[test]
fn dates_are_renewed_and_taken_away() {
    let plain = Cookie::new("SRV", INSERT);
    let idle = Cookie { maxidle: Some(Duration::from_secs(60)), ..plain.clone() };
    let life = Cookie { maxlife: Some(Duration::from_secs(60)), ..plain.clone() };
    let now = Seconds(1_700_000_000);
    let past = Some(Seconds(now.0 - 4));
    for (cookie, last, first, updated) in [
        (&idle, None, None, true),
        (&idle, past, None, true),
        (&idle, Some(now), None, false),
        (&idle, Some(now), past, true),
        (&life, Some(now), None, true),
        (&life, Some(now), past, false),
        (&life, past, past, true),
        (&plain, past, None, true),
        (&plain, Some(now), past, true),
    ] {
        let mut answer = direct(cookie);
        (answer.presented.last, answer.presented.first) = (last, first);
        let expected = updated.then_some(CookieAction::Updated);
        assert_eq!(answer.insertion(CookieAction::None), expected, "{cookie:?} {last:?} {first:?}");
    }
}

fn written(answer: &Answer<'_>) -> String {
    let mut out = Vec::new();
    answer.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn our_cookie_reads_as_haproxys() {
    let plain = Cookie::new("SRV", INSERT);
    assert_eq!(written(&answer(&plain)), "SRV=s1; path=/");
    assert_eq!(
        written(&Answer { value: None, ..answer(&plain) }),
        "SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"
    );
    let full = Cookie {
        domains: vec![".a.example".into(), ".b.example".into()],
        httponly: true,
        secure: true,
        attributes: vec!["SameSite=Lax".into(), "Partitioned".into()],
        maxidle: Some(Duration::from_secs(60)),
        maxlife: Some(Duration::from_secs(600)),
        ..plain
    };
    assert_eq!(
        written(&answer(&full)),
        "SRV=s1|ZVPxA|ZVPxA; path=/; domain=.a.example; domain=.b.example; HttpOnly; Secure; SameSite=Lax; Partitioned"
    );
    let mut later = direct(&full);
    later.presented.first = Some(Seconds(256));
    assert!(written(&later).starts_with("SRV=s1|ZVPxA|AAABA; "));
}

#[test]
fn what_caches_are_told_already() {
    for (value, forbidden) in [
        ("private", true),
        ("Private", true),
        ("max-age=60, no-store", true),
        ("no-cache", true),
        ("no-cache=\"Set-Cookie\"", true),
        ("no-cache=\"x\"", false),
        ("max-age=0", true),
        ("max-age=60", false),
        ("public", false),
        ("", false),
    ] {
        assert_eq!(forbids_sharing(value.as_bytes()), forbidden, "{value}");
    }
    assert!(is_cacheable_by_default(200) && !is_cacheable_by_default(302));
}
