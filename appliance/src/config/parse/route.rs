//! `use_backend`: where requests go, and in mode tcp connections by what TLS clients say first.

use std::net::IpAddr;

use evenkeel_proxy::hello::HelloMatch;
use evenkeel_proxy::route::RequestMatch;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Routing;
use crate::config::keys::{self, Key};
use crate::config::model::{Route, When};
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

fn routes(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Route>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some(format!("use_backend = [{EXAMPLE}]")));
        return None;
    };
    Some(all.into_iter().filter_map(|n| route(cx, n)).collect())
}

fn route(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Route> {
    let mut t = Fields::of(cx, &keys::USE_BACKEND, node.key, node)?;
    let backend = t.read(cx, "backend", Reader::text);
    let when = t.read(cx, "if", |cx, _, node| matcher(cx, node));
    t.finish(cx);
    Some(Route { when: when?, backend: backend? })
}

fn matcher(cx: &mut Reader<'_>, node: Node<'_>) -> Option<When> {
    let mut t = Fields::of(cx, &keys::MATCHER, node.key, node)?;
    let of_hello = OF_HELLO.iter().find(|k| t.has(k));
    let of_request = OF_REQUEST.iter().find(|k| t.has(k));
    let (hello, request) = (hello(cx, &mut t), request(cx, &mut t));
    t.finish(cx);
    match (of_hello, of_request) {
        (None, None) => {
            let message = "a matcher that asks for nothing";
            cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(EXAMPLE));
            None
        }
        (Some(of_hello), Some(of_request)) => {
            let message = format!(
                "`{of_hello}` looks at TLS that is passed on, and `{of_request}` at requests, which are not seen there"
            );
            cx.push(Diagnostic::error(Code::BadCombination, node.span, message));
            None
        }
        (Some(_), None) => Some(When::Hello(hello)),
        (None, Some(_)) => Some(When::Request(request)),
    }
}

/// What is asked of requests.
fn request(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> RequestMatch {
    let texts = |cx: &mut Reader<'_>, key, node| listed(cx, key, node, text);
    RequestMatch {
        hosts: t.read(cx, "host", |cx, key, node| listed(cx, key, node, host)).unwrap_or_default(),
        tls: t.read(cx, "ssl_fc", Reader::bool).map(|yes| yes.value),
        certificate: t.read(cx, "ssl_c_used", Reader::bool).map(|yes| yes.value),
        subjects: t.read(cx, "ssl_c_s_dn", texts).unwrap_or_default(),
        common_names: t.read(cx, "ssl_c_s_dn_cn", texts).unwrap_or_default(),
    }
}

/// What is asked of a ClientHello.
fn hello(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> HelloMatch {
    let names = t.read(cx, "req_ssl_sni", |cx, key, node| listed(cx, key, node, host_name));
    let ends = t.read(cx, "req_ssl_sni_end", |cx, key, node| listed(cx, key, node, end_of_name));
    let protocols = t.read(cx, "req_ssl_alpn", |cx, key, node| listed(cx, key, node, protocol));
    HelloMatch {
        names: names.unwrap_or_default(),
        ends: ends.unwrap_or_default(),
        protocols: protocols.unwrap_or_default(),
    }
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
        let message = format!("`{}` has no value: nothing could match it", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
        return None;
    }
    Some(all.into_iter().filter_map(|n| cx.parsed(key, n, parse)).map(|v| v.value).collect())
}

/// As requests name it: without a port, in lower case, an IPv6 address in brackets.
fn host(text: &str) -> Result<Box<str>, Bad> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => return Ok(format!("[{address}]").into()),
        Ok(IpAddr::V4(_)) => return Ok(bare.into()),
        Err(_) => {}
    }
    if let Some((name, _)) = text.split_once(':') {
        return Err(Bad::new("has a port, and `host` is compared without").help(format!("host = \"{name}\"")));
    }
    if text.starts_with('*') {
        return Err(Bad::new("is a pattern, not a host name"));
    }
    named(text)
}

fn text(text: &str) -> Result<Box<str>, Bad> {
    if text.is_empty() { Err(Bad::new("is empty")) } else { Ok(text.into()) }
}

/// In lower case.
fn host_name(text: &str) -> Result<Box<str>, Bad> {
    if let Some(end) = text.strip_prefix('*') {
        return Err(Bad::new("is a pattern, not a host name").help(format!("req_ssl_sni_end = \"{end}\"")));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(Bad::new("is an address, and clients ask for names only"));
    }
    named(text)
}

fn named(text: &str) -> Result<Box<str>, Bad> {
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

const OF_HELLO: [&str; 3] = ["req_ssl_sni", "req_ssl_sni_end", "req_ssl_alpn"];

const OF_REQUEST: [&str; 5] = ["host", "ssl_fc", "ssl_c_used", "ssl_c_s_dn", "ssl_c_s_dn_cn"];

const EXAMPLE: &str = "{ backend = \"app\", if = { host = \"app.example.com\" } }";
