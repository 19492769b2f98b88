//! Tables, and the rules that stick clients to servers by them.

use evenkeel_proxy::sticky::{StickAction, StickKey};
use evenkeel_proxy::table::{KeyType, Purge, TableConfig};

use super::counted;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::StickDraft;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::{self, Bad};

/// Reads one `[table.X]`.
pub(super) fn table(
    cx: &mut Reader<'_>,
    name: Spanned<String>,
    node: Node<'_>,
) -> Option<Spanned<TableConfig>> {
    let mut t = Fields::of(cx, &keys::TABLE, name.span, node)?;
    let kind = t.read(cx, "type", Reader::word);
    let size = t.read(cx, "size", entries);
    let expire = t.read(cx, "expire", Reader::duration).map(|d| d.value);
    let ipv6_prefix = t.read(cx, "ipv6_prefix", Reader::int).map_or(64, |n| n.value);
    let len = t.read(cx, "len", Reader::int).map_or(32, |n| n.value);
    let nopurge = t.read(cx, "nopurge", Reader::bool).is_some_and(|yes| yes.value);
    let store = t.read(cx, "store", counted::store).unwrap_or_default();
    let others: &[&str] = match kind.as_ref().map_or("", |k| k.value) {
        "ip" => &["len"],
        "integer" => &["len", "ipv6_prefix"],
        _ => &["ipv6_prefix"],
    };
    for (other, kind) in others.iter().filter(|o| t.has(o)).zip(kind.iter().cycle()) {
        let message = format!("`{other}` says nothing about a table of type \"{}\"", kind.value);
        cx.push(Diagnostic::error(Code::BadCombination, t.at, message));
    }
    t.finish(cx);
    let size = size?;
    let key = match kind?.value {
        "integer" => KeyType::Integer,
        "string" => KeyType::String { len },
        "binary" => KeyType::Binary { len },
        _ => KeyType::Ip { ipv6_prefix },
    };
    let purge = if nopurge { Purge::Nothing } else { Purge::Oldest };
    Some(name.map(|name| TableConfig { name, key, size, expire, purge, store }))
}

/// A number, or text with HAProxy's suffixes.
fn entries(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<u32> {
    let text = match (node.value.as_str(), node.value.as_integer()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(number)) => number.to_string(),
        (None, None) => {
            cx.wrong_type(key, node, Some("size = \"100k\"".to_owned()));
            return None;
        }
    };
    match count(&text) {
        Ok(size) => Some(size),
        Err(bad) => {
            cx.bad_value(key, node, &text, bad);
            None
        }
    }
}

fn count(text: &str) -> Result<u32, Bad> {
    let (number, shift) = match text.strip_suffix(['k', 'm']) {
        Some(number) if text.ends_with('k') => (number, 10),
        Some(number) => (number, 20),
        None => (text, 0),
    };
    let number =
        number.parse::<u64>().map_err(|_| Bad::new("is not a number of entries").help("\"100k\""))?;
    let size = number.checked_mul(1 << shift).and_then(|n| u32::try_from(n).ok());
    size.filter(|n| (1..=MOST_ENTRIES).contains(n))
        .ok_or_else(|| Bad::new(format!("is not from 1 to {MOST_ENTRIES} entries")))
}

/// Reads `stick`. One rule alone needs no array.
pub(super) fn rules(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Vec<StickDraft>> {
    Some(node.one_or_many().into_iter().filter_map(|n| rule(cx, n)).collect())
}

fn rule(cx: &mut Reader<'_>, node: Node<'_>) -> Option<StickDraft> {
    let mut t = Fields::of(cx, &keys::STICK, node.key, node)?;
    let actions = [
        ("on", StickAction::On),
        ("match", StickAction::Match),
        ("store_request", StickAction::StoreRequest),
    ];
    let said: Vec<_> = actions.into_iter().filter(|(name, _)| t.has(name)).collect();
    let keys = actions.map(|(name, _)| t.read(cx, name, stick_key));
    let table = t.read(cx, "table", Reader::text);
    t.finish(cx);
    let [(_, action)] = said.as_slice() else {
        let message = "a stick rule is one of `on`, `match` and `store_request`";
        let help = "{ on = \"src\", table = \"clients\" }";
        cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message).help(help));
        return None;
    };
    Some(StickDraft { action: *action, key: keys.into_iter().flatten().next()?, table: table? })
}

fn stick_key(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<StickKey> {
    if node.value.as_table().is_none() {
        let word = cx.parsed(key, node, |text| match text {
            "src" => Ok(()),
            _ => Err(Bad::new("is not a key").help("\"src\", { cookie = \"NAME\" } or { hdr = \"NAME\" }")),
        });
        return word.map(|_| StickKey::Source);
    }
    let mut t = Fields::of(cx, &keys::STICK_FIELD, node.key, node)?;
    let token = |cx: &mut Reader<'_>, key, node: Node<'_>| {
        cx.parsed(key, node, |text| {
            if value::is_token(text) { Ok(text.to_owned()) } else { Err(Bad::new("is not a name")) }
        })
    };
    let cookie = t.read(cx, "cookie", token).map(|n| StickKey::Cookie(n.value));
    let header = t.read(cx, "hdr", token).map(|n| StickKey::Header(n.value));
    let both = t.has("cookie") && t.has("hdr");
    let none = !t.has("cookie") && !t.has("hdr");
    t.finish(cx);
    if both || none {
        let message = "the key of a stick rule is \"src\", a `cookie` or a `hdr`";
        cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message));
        return None;
    }
    cookie.or(header)
}

/// A gigabyte or two.
const MOST_ENTRIES: u32 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_entries() {
        for (text, size) in [("1", 1), ("100k", 102_400), ("1m", 1_048_576), ("10000000", 10_000_000)] {
            assert_eq!(count(text), Ok(size), "{text}");
        }
        for bad in ["", "0", "0k", "k", "-1", "1g", "1.5k", "10000001", "99999999999m", "100 k"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }
}
