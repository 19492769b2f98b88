//! The persistence cookie of a backend.

use std::time::Duration;

use evenkeel_proxy::sticky::{Cookie, Mode, Preserve, ToServer};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::{self, Bad};

/// `false`, or a table. `Some(None)`: said to be off.
pub(super) fn cookie(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Option<Cookie>> {
    if node.value.as_bool() == Some(false) {
        return Some(None);
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(
            key,
            node,
            Some("cookie = { name = \"SERVERID\", indirect = true, nocache = true }".to_owned()),
        );
        return None;
    }
    let mut t = Fields::of(cx, &keys::COOKIE, node.key, node)?;
    let name = t.read(cx, "name", name);
    let mode = t.read(cx, "mode", Reader::word).map_or("insert", |w| w.value);
    let mut on = |cx: &mut Reader<'_>, name| t.read(cx, name, Reader::bool).is_some_and(|b| b.value);
    let (indirect, nocache, postonly) = (on(cx, "indirect"), on(cx, "nocache"), on(cx, "postonly"));
    let (preserve, httponly, secure) = (on(cx, "preserve"), on(cx, "httponly"), on(cx, "secure"));
    let domains =
        t.read(cx, "domain", |cx, key, node| Some(texts(cx, key, node, domain))).unwrap_or_default();
    let attributes =
        t.read(cx, "attr", |cx, key, node| Some(texts(cx, key, node, attribute))).unwrap_or_default();
    let maxidle = seconds(cx, &mut t, "maxidle");
    let maxlife = seconds(cx, &mut t, "maxlife");
    let dynamic_key = t.read(cx, "dynamic_cookie_key", Reader::text).map(|s| s.value.into_bytes());
    check_mode(cx, &t, mode);
    t.finish(cx);
    let mode = match (mode, indirect) {
        ("prefix", _) => Mode::Prefix,
        ("rewrite", _) => Mode::Rewrite,
        (_, false) => Mode::Insert(ToServer::Seen),
        (_, true) => Mode::Insert(ToServer::Hidden),
    };
    Some(Some(Cookie {
        name: name?.value,
        mode,
        preserve: if preserve { Preserve::Yes } else { Preserve::No },
        postonly,
        nocache,
        domains,
        httponly,
        secure,
        attributes,
        maxidle,
        maxlife,
        dynamic_key,
    }))
}

/// Refuses what has no meaning for a cookie that is not ours: it would be believed to be in force.
fn check_mode(cx: &mut Reader<'_>, t: &Fields<'_>, mode: &str) {
    let of_insert: &[&str] =
        &["indirect", "nocache", "postonly", "httponly", "secure", "domain", "attr", "maxidle", "maxlife"];
    for name in of_insert.iter().filter(|name| mode != "insert" && t.has(name)) {
        let message = format!("`{name}` does nothing to a cookie of the server's (mode = \"{mode}\")");
        cx.push(Diagnostic::error(Code::BadCombination, t.at, message).help("mode = \"insert\""));
    }
}

fn name(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<String>> {
    cx.parsed(key, node, |text| {
        // RFC 6265 §4.1.1: a token.
        if value::is_token(text) { Ok(text.to_owned()) } else { Err(Bad::new("is not the name of a cookie")) }
    })
}

/// The value of a server in the cookie.
pub(super) fn server_value(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
) -> Option<Spanned<String>> {
    cx.parsed(key, node, |text| match text {
        "" => Err(Bad::new("is empty")),
        text if !text.bytes().all(is_cookie_octet) => {
            Err(Bad::new("has characters that a cookie's value cannot have"))
        }
        text if text.contains(['|', '~']) => {
            Err(Bad::new("has `|` or `~`, which stand between the parts of a cookie's value"))
        }
        text => Ok(text.to_owned()),
    })
}

fn texts(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: impl Fn(&str) -> Result<String, Bad>,
) -> Vec<String> {
    node.one_or_many().into_iter().filter_map(|n| cx.parsed(key, n, &parse)).map(|t| t.value).collect()
}

fn domain(text: &str) -> Result<String, Bad> {
    let host = text.strip_prefix('.').unwrap_or(text);
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if host.is_empty() || !host.chars().all(good) {
        return Err(Bad::new("is not a domain"));
    }
    Ok(text.to_owned())
}

/// RFC 6265 §4.1.1: anything but control characters and the delimiter.
fn attribute(text: &str) -> Result<String, Bad> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c == ';') {
        return Err(Bad::new("is not an attribute of a cookie").help("\"SameSite=Lax\", one attribute each"));
    }
    Ok(text.to_owned())
}

fn seconds(cx: &mut Reader<'_>, t: &mut Fields<'_>, name: &'static str) -> Option<Duration> {
    t.read(cx, name, |cx, key, node| {
        let limit = cx.duration(key, node)?;
        if limit.value.subsec_nanos() == 0 {
            return Some(limit.value);
        }
        cx.bad_value(key, node, &value::show(limit.value), Bad::new("is not a whole number of seconds"));
        None
    })
}

/// RFC 6265 §4.1.1.
const fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}
