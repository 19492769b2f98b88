//! `balance` and what belongs to it.

use std::num::{NonZeroU8, NonZeroU16};

use evenkeel_proxy::lua::Program;
use evenkeel_proxy::plan::{Balance, HashFunction, HashKey, HashLayout, HashValue, Redispatch, UriKey};

use super::rule;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::{Hashing, HowBalanced};
use crate::config::value::{self, Bad};

/// `balance`: a word, or a table with what to hash.
pub(super) fn balance(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<HowBalanced> {
    if node.value.as_str().is_some() {
        return cx.word(&keys::BALANCE_WORD, node).map(|w| by_word(w.value));
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, None);
        return None;
    }
    by_table(cx, node)
}

/// `redispatch`: whether, or with which retry.
pub(super) fn redispatch(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Redispatch> {
    let Some(number) = node.value.as_integer() else {
        let said = cx.bool(key, node)?;
        return Some(if said.value { Redispatch::LAST } else { Redispatch::Never });
    };
    let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
    let read = read.filter(|n| (-MOST_RETRIES..=MOST_RETRIES).contains(n));
    let size = read.and_then(|n| NonZeroU8::new(u8::try_from(n.unsigned_abs()).ok()?));
    match (read, size) {
        (Some(n), Some(size)) => {
            Some(if n < 0 { Redispatch::FromEnd(size) } else { Redispatch::Every(size) })
        }
        _ => {
            let message = format!("`{}` must be {}, not {number}", key.name, key.ty);
            let off = (read == Some(0)).then(|| "false: retries stay with their server".to_owned());
            cx.push(Diagnostic::error(Code::BadValue, node.span, message).help_if(off));
            None
        }
    }
}

fn by_word(word: &str) -> HowBalanced {
    match word {
        "static-rr" => HowBalanced::By(Balance::StaticRr),
        "leastconn" => HowBalanced::By(Balance::LeastConn),
        "first" => HowBalanced::By(Balance::First),
        "random" => HowBalanced::By(Balance::Random(TWO)),
        "source" => HowBalanced::Hash(HashKey::Source),
        "uri" => HowBalanced::Hash(HashKey::Uri(UriKey::default())),
        _ => HowBalanced::By(Balance::RoundRobin),
    }
}

fn by_table(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HowBalanced> {
    let mut t = Fields::of(cx, &keys::BALANCE_BY, node.key, node)?;
    let said =
        ["uri", "hdr", "url_param", "cookie", "hash", "random"].into_iter().filter(|k| t.has(k)).count();
    let uri = t.read(cx, "uri", uri).map(HashKey::Uri);
    let domain_said = t.has("use_domain_only");
    let domain_only = t.read(cx, "use_domain_only", Reader::bool).is_some_and(|b| b.value);
    let hdr_said = t.has("hdr");
    let hdr = t.read(cx, "hdr", token).map(|name| HashKey::Header { name, domain_only });
    let url_param = t.read(cx, "url_param", Reader::text).map(|name| HashKey::UrlParam(name.value));
    let cookie = t.read(cx, "cookie", token).map(HashKey::Cookie);
    let hash = t.read(cx, "hash", |cx, key, node| rule::templated(cx, key, node, hashed)).map(|h| h.value);
    let random = t.read(cx, "random", positive).map(Balance::Random);
    t.finish(cx);
    if said != 1 {
        let message = "a table for `balance` has exactly one of `uri`, `hdr`, `url_param`, `cookie`, `hash` and `random`";
        cx.push(Diagnostic::error(Code::BadCombination, node.span, message));
        return None;
    }
    if domain_said && !hdr_said {
        let message = "`use_domain_only` goes with `hdr`";
        cx.push(
            Diagnostic::error(Code::BadCombination, node.span, message)
                .help("balance = { hdr = \"Host\", use_domain_only = true }"),
        );
    }
    let key = uri.or(hdr).or(url_param).or(cookie).or(hash);
    key.map(HowBalanced::Hash).or_else(|| random.map(HowBalanced::By))
}

fn uri(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<UriKey> {
    let mut t = Fields::of(cx, &keys::BALANCE_URI, node.key, node)?;
    let part = UriKey {
        whole: t.read(cx, "whole", Reader::bool).is_some_and(|b| b.value),
        length: t.read(cx, "len", positive),
        depth: t.read(cx, "depth", positive),
        path_only: t.read(cx, "path_only", Reader::bool).is_some_and(|b| b.value),
    };
    t.finish(cx);
    Some(part)
}

/// The name of a header field or a cookie.
fn token(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<String> {
    let name = cx.text(key, node)?;
    if value::is_token(&name.value) {
        return Some(name.value);
    }
    let message = format!("`{}`: {} is not such a name", key.name, shown(&name.value));
    cx.push(Diagnostic::error(Code::BadValue, name.span, message));
    None
}

/// A value by name, or a text.
fn hashed(text: &str, scripts: Option<&Program>) -> Result<HashKey, Bad> {
    if let Some((_, value)) = VALUES.into_iter().find(|(name, _)| *name == text) {
        return Ok(HashKey::Value(value));
    }
    let names = VALUES.map(|(name, _)| name);
    let text = rule::template(text, scripts)?;
    if text.is_fixed() {
        let bad = Bad::new("has nothing of a request in it");
        return Err(
            bad.help(format!("there are {}; or a text like \"${{host}}${{path}}\"", names.join(", ")))
        );
    }
    Ok(HashKey::Text(text))
}

/// `hash_type` and its like.
pub(super) fn hashing(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Hashing {
    Hashing {
        layout: t.known(cx, "hash_type", Reader::word).map(|w| match w.value {
            "consistent" => HashLayout::Consistent,
            _ => HashLayout::MapBased,
        }),
        function: t.known(cx, "hash_function", Reader::word).map(|w| match w.value {
            "djb2" => HashFunction::Djb2,
            "wt6" => HashFunction::Wt6,
            "crc32" => HashFunction::Crc32,
            "none" => HashFunction::None,
            _ => HashFunction::Sdbm,
        }),
        avalanche: t.known(cx, "hash_avalanche", Reader::bool).map(|b| b.value),
        factor: t.known(cx, "hash_balance_factor", positive),
    }
}

/// An integer whose range begins above zero.
fn positive(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<NonZeroU16> {
    cx.int(key, node).and_then(|n| NonZeroU16::new(n.value))
}

const VALUES: [(&str, HashValue); 5] = [
    ("src", HashValue::Source),
    ("host", HashValue::Host),
    ("path", HashValue::Path),
    ("pathq", HashValue::PathAndQuery),
    ("base", HashValue::Base),
];

/// As the range of `retries`.
const MOST_RETRIES: i64 = 100;

/// HAProxy's number of draws.
const TWO: NonZeroU16 = NonZeroU16::MIN.saturating_add(1);
