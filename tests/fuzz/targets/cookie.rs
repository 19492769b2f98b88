//! Cookies of clients and servers: pairs cover the field, what is edited out is gone, and the rest is what it was.
#![no_main]

use evenkeel_proxy::access_log::CookieAction;
use evenkeel_proxy::sticky::request::{self, Presented};
use evenkeel_proxy::sticky::response::{Answer, Fate};
use evenkeel_proxy::sticky::{Cookie, Mode, Seconds, ToServer, pairs};
use libfuzzer_sys::fuzz_target;

/// Cookies by name and value, without what belongs to the one before.
fn cookies(field: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let cookies = pairs(field).filter(|p| !p.is_attribute());
    cookies.filter_map(|p| Some((p.name.to_vec(), p.value?.to_vec()))).collect()
}

fuzz_target!(|field: &[u8]| {
    let mut at = 0;
    for pair in pairs(field) {
        assert_eq!(pair.at.start, at, "pairs follow one another");
        assert!(
            pair.value_at.end <= pair.at.end && pair.value.is_none_or(|v| v == &field[pair.value_at.clone()])
        );
        at = pair.at.end;
    }
    assert!(at == field.len() || field.get(at..).is_some_and(|rest| pairs(rest).next().is_some()));

    let hidden = Cookie::new("S", Mode::Insert(ToServer::Hidden));
    let mut out = Vec::new();
    let left = request::write(&mut out, &hidden, field);
    assert_eq!(left, !out.is_empty());
    let others: Vec<_> = cookies(field).into_iter().filter(|(name, _)| name != b"S").collect();
    assert_eq!(cookies(&out), others, "ours is gone, the others are there");

    for mode in [Mode::Insert(ToServer::Seen), Mode::Rewrite] {
        let mut out = Vec::new();
        request::write(&mut out, &Cookie::new("S", mode), field);
        assert_eq!(cookies(&out), cookies(field), "nothing is hidden in other modes");
    }

    let prefix = Cookie::new("S", Mode::Prefix);
    let answer = Answer {
        cookie: &prefix,
        presented: Presented::default(),
        value: Some(b"srv"),
        direct: false,
        post: false,
        now: Seconds(1),
    };
    let (fate, action) = answer.fate(field);
    if let Fate::Replace { .. } = fate {
        assert_eq!(action, Some(CookieAction::Rewritten));
        let (mut given, mut back) = (Vec::new(), Vec::new());
        fate.write(&mut given, field);
        request::write(&mut back, &prefix, &given);
        let first =
            |field: &[u8]| pairs(field).next().map(|p| (p.name.to_vec(), p.value.map(<[u8]>::to_vec)));
        assert_eq!(first(&back), first(field), "the server gets back what it gave");
    }
});
