//! `stats`.

use std::time::Duration;

use evenkeel_proxy::page::{StatsPage, User};

use super::condition::{self, named_values};
use super::secret;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::StatsDraft;
use crate::config::keys::Key;
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::Bad;

/// The statistics page of a section.
pub(super) fn page(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<StatsDraft> {
    let mut t = Fields::of(cx, key.ty.section()?, node.key, node)?;
    let uri = t.read(cx, "uri", |cx, key, node| cx.parsed(key, node, uri));
    let refresh = t.read(cx, "refresh", |cx, key, node| {
        let every: Spanned<Duration> = cx.duration(key, node)?;
        if every.value.subsec_millis() > 0 {
            let message = "`refresh` is in whole seconds";
            cx.push(Diagnostic::error(Code::BadValue, every.span, message));
        }
        Some(every.value)
    });
    let users = t.read(cx, "auth", users).unwrap_or_default();
    let realm = t.read(cx, "realm", |cx, key, node| cx.parsed(key, node, realm)).map(|r| r.value);
    let admin_if = t.read(cx, "admin_if", condition::condition);
    let hide_version = t.read(cx, "hide_version", Reader::bool).is_some_and(|b| b.value);
    let scope = t.read(cx, "scope", |cx, key, node| {
        Some(node.one_or_many().into_iter().filter_map(|n| cx.text(key, n)).collect())
    });
    t.finish(cx);
    let page = StatsPage {
        uri: uri.map_or_else(|| StatsPage::URI.to_owned(), |u| u.value),
        refresh,
        realm: realm.unwrap_or_else(|| REALM.to_owned()),
        users,
        admin_if: None,
        hide_version,
        scope: Vec::new(),
    };
    Some(StatsDraft { page, admin_if, scope: scope.unwrap_or_default(), at: node.key })
}

fn users(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<User>> {
    let users = named_values(cx, key, node, user_name, |cx, node| secret::password(cx, key, node))?;
    Some(users.into_iter().map(|(name, password)| User { name: name.into(), password }).collect())
}

/// RFC 7617 §2: a colon ends the name.
fn user_name(text: &str) -> Result<Box<str>, Bad> {
    if text.is_empty() || text.contains(':') || text.chars().any(char::is_control) {
        return Err(Bad::new("is not the name of a user"));
    }
    Ok(text.into())
}

/// A path, with a query if it needs one.
fn uri(text: &str) -> Result<String, Bad> {
    if !text.starts_with('/') {
        return Err(Bad::new("is no path").help("\"/stats\""));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Bad::new("is not written as in a request: no spaces, ASCII only").help("\"/stats\""));
    }
    if text.contains([';', '#', '"', '<', '>', '\\']) {
        return Err(Bad::new("has a character that the words behind it need, or that no request has")
            .help("\"/stats\""));
    }
    if text.len() > 1 && text.ends_with('/') {
        return Err(Bad::new("ends with a slash, which is not needed").help("\"/stats\""));
    }
    Ok(text.to_owned())
}

/// What goes between quotes (RFC 7617 §2).
fn realm(text: &str) -> Result<String, Bad> {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && !matches!(b, b'"' | b'\\');
    if text.is_empty() || !text.bytes().all(plain) {
        return Err(Bad::new("cannot stand in a header: ASCII without quotes and backslashes"));
    }
    Ok(text.to_owned())
}

const REALM: &str = "Evenkeel statistics";
