//! `use_backend`: where connections go by what TLS clients say first.

use evenkeel_proxy::hello::HelloMatch;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Routing;
use crate::config::keys::{self, Key};
use crate::config::model::HelloRoute;
use crate::config::read::{Fields, Node, Reader};
use crate::config::value::Bad;

/// Reads both keys, if the section has them.
pub(super) fn routing(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Routing {
    Routing {
        said: t.key_span("use_backend"),
        routes: t.known(cx, "use_backend", routes).unwrap_or_default(),
        inspect_delay: t.known(cx, "inspect_delay", Reader::duration),
    }
}

fn routes(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<HelloRoute>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some(format!("use_backend = [{EXAMPLE}]")));
        return None;
    };
    Some(all.into_iter().filter_map(|n| route(cx, n)).collect())
}

fn route(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HelloRoute> {
    let mut t = Fields::of(cx, &keys::USE_BACKEND, node.key, node)?;
    let backend = t.read(cx, "backend", Reader::text);
    let when = t.read(cx, "if", |cx, _, node| matcher(cx, node));
    t.finish(cx);
    Some(HelloRoute { when: when?, backend: backend? })
}

fn matcher(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HelloMatch> {
    let mut t = Fields::of(cx, &keys::MATCHER, node.key, node)?;
    let said = ["req_ssl_sni", "req_ssl_sni_end", "req_ssl_alpn"].iter().any(|k| t.has(k));
    let names = t.read(cx, "req_ssl_sni", |cx, key, node| listed(cx, key, node, host_name));
    let ends = t.read(cx, "req_ssl_sni_end", |cx, key, node| listed(cx, key, node, end_of_name));
    let protocols = t.read(cx, "req_ssl_alpn", |cx, key, node| listed(cx, key, node, protocol));
    t.finish(cx);
    if !said {
        let message = "a matcher that asks for nothing";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(EXAMPLE));
        return None;
    }
    Some(HelloMatch {
        names: names.unwrap_or_default(),
        ends: ends.unwrap_or_default(),
        protocols: protocols.unwrap_or_default(),
    })
}

/// At least one value: none would match whatever comes.
fn listed<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: fn(&str) -> Result<T, Bad>,
) -> Option<Vec<T>> {
    let all = node.one_or_many();
    if all.is_empty() {
        let message = format!("`{}` has no value: no connection could match it", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
        return None;
    }
    Some(all.into_iter().filter_map(|n| cx.parsed(key, n, parse)).map(|v| v.value).collect())
}

/// In lower case.
fn host_name(text: &str) -> Result<Box<str>, Bad> {
    if let Some(end) = text.strip_prefix('*') {
        return Err(Bad::new("is a pattern, not a host name").help(format!("req_ssl_sni_end = \"{end}\"")));
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(Bad::new("is an address, and clients ask for names only"));
    }
    if text.starts_with('.') || text.ends_with('.') {
        return Err(Bad::new("is not a host name: it begins or ends with a dot"));
    }
    end_of_name(text)
}

fn end_of_name(text: &str) -> Result<Box<str>, Bad> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !text.is_ascii() {
        return Err(Bad::new("is not as clients write it").help("its ASCII form, which begins with \"xn--\""));
    }
    if text.is_empty() || text.len() > 255 || !text.bytes().all(allowed) || text.ends_with('.') {
        return Err(Bad::new("is not of a host name"));
    }
    Ok(text.to_ascii_lowercase().into())
}

fn protocol(text: &str) -> Result<Box<[u8]>, Bad> {
    // RFC 7301 §3.1: 1 to 255 bytes.
    if (1..=255).contains(&text.len()) {
        return Ok(text.as_bytes().into());
    }
    Err(Bad::new("is not the name of a protocol").help("\"h2\", \"http/1.1\", \"acme-tls/1\""))
}

const EXAMPLE: &str = "{ backend = \"app\", if = { req_ssl_sni = \"app.example.com\" } }";
