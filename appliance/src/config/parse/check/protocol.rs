//! Steps that speak a protocol.

use evenkeel_proxy::plan::{MysqlCheck, MysqlLogin, Protocol};

use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::value::Bad;

pub(super) fn mysql(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Protocol> {
    let mut check = MysqlCheck { user: None, login: None };
    if !is_plain(cx, key, node)? {
        let mut t = Fields::of(cx, &keys::MYSQL, node.key, node)?;
        check.user = t.read(cx, "user", user);
        check.login = t.read(cx, "version", Reader::word).map(|w| match w.value {
            "pre-41" => MysqlLogin::Pre41,
            "post-41" => MysqlLogin::Post41,
            _ => MysqlLogin::Post80,
        });
        t.finish(cx);
    }
    Some(Protocol::Mysql(check))
}

pub(super) fn pgsql(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Protocol> {
    let mut t = Fields::of(cx, &keys::PGSQL, node.key, node)?;
    let user = t.read(cx, "user", user);
    t.finish(cx);
    Some(Protocol::Pgsql { user: user? })
}

pub(super) fn smtp(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Protocol> {
    let mut hello = None;
    if !is_plain(cx, key, node)? {
        let mut t = Fields::of(cx, &keys::SMTP, node.key, node)?;
        hello = t.read(cx, "hello", |cx, key, node| cx.parsed(key, node, greeting));
        t.finish(cx);
    }
    Some(Protocol::Smtp { hello: hello.map_or_else(|| "HELO localhost".to_owned(), |h| h.value) })
}

pub(super) fn ssl_hello(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Protocol> {
    let mut sni = None;
    if !is_plain(cx, key, node)? {
        let mut t = Fields::of(cx, &keys::SSL_HELLO, node.key, node)?;
        sni = t.read(cx, "sni", |cx, key, node| cx.parsed(key, node, host)).map(|s| s.value);
        t.finish(cx);
    }
    Some(Protocol::SslHello { sni })
}

/// Protocols without settings.
pub(super) fn plain(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    protocol: Protocol,
) -> Option<Protocol> {
    let on = cx.bool(key, node)?;
    if !on.value {
        not_false(cx, key, node);
        return None;
    }
    Some(protocol)
}

/// Whether the value is `true`; a table it is otherwise. `None`: it is neither, and that has been said.
pub(super) fn is_plain(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<bool> {
    match (node.value.as_bool(), node.value.as_table()) {
        (Some(true), _) => Some(true),
        (Some(false), _) => {
            not_false(cx, key, node);
            None
        }
        (None, Some(_)) => Some(false),
        (None, None) => {
            cx.wrong_type(key, node, None);
            None
        }
    }
}

fn not_false(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) {
    cx.bad_value(key, node, "false", Bad::new("does nothing").help("leave the step out"));
}

fn user(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<String> {
    let user = |text: &str| {
        if text.is_empty() || text.len() > 128 || text.chars().any(char::is_control) {
            return Err(Bad::new("is not a user: 1 to 128 bytes without control characters"));
        }
        Ok(text.to_owned())
    };
    cx.parsed(key, node, user).map(|u| u.value)
}

/// RFC 5321 §4.1.1.1.
fn greeting(text: &str) -> Result<String, Bad> {
    match text.split_once(' ') {
        Some(("HELO" | "EHLO", name)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(text.to_owned())
        }
        _ => Err(Bad::new("is not a greeting").help("\"EHLO lb1.example.com\"")),
    }
}

/// A host name as it may stand in a ClientHello (RFC 6066 §3): no address.
fn host(text: &str) -> Result<String, Bad> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = (1..=253).contains(&text.len()) && text.chars().all(allowed);
    if is_name && text.parse::<std::net::IpAddr>().is_err() {
        Ok(text.trim_end_matches('.').to_owned())
    } else {
        Err(Bad::new("is not a host name"))
    }
}
