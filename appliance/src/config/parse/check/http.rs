//! The HTTP request of a check: `httpchk` and the table form of `send`.

use evenkeel_proxy::plan::{HttpCheck, HttpVersion};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::source::{Span, Spanned};
use crate::config::value::{self, Bad};

/// `"URI"`, `"METHOD URI"` or `"METHOD URI VERSION"`.
pub(in crate::config::parse) fn httpchk(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
) -> Option<Spanned<HttpCheck>> {
    let check = cx.parsed(key, node, request)?;
    without_host(cx, &check.value, node.span);
    Some(check)
}

pub(super) fn send(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HttpCheck> {
    let mut t = Fields::of(cx, &keys::SEND, node.key, node)?;
    let method = t.read(cx, "method", |cx, key, node| cx.parsed(key, node, method));
    let uri = t.read(cx, "uri", |cx, key, node| cx.parsed(key, node, target));
    let version = t.read(cx, "version", Reader::word).map_or(HttpVersion::V1_0, |w| version(w.value));
    let headers = t.read(cx, "headers", headers).unwrap_or_default();
    let body = t.read(cx, "body", Reader::text);
    t.finish(cx);
    let check = HttpCheck {
        method: method.map_or_else(|| "GET".to_owned(), |m| m.value),
        uri: uri.map_or_else(|| "/".to_owned(), |u| u.value),
        version,
        headers,
        body: body.map(|b| b.value.into_bytes()).unwrap_or_default(),
        expect: Vec::new(),
    };
    without_host(cx, &check, node.key);
    Some(check)
}

fn headers(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<(String, String)>> {
    let Some(entries) = node.entries() else {
        cx.wrong_type(key, node, Some("headers = { Host = \"www.example.com\" }".to_owned()));
        return None;
    };
    let mut all = Vec::new();
    for (name, node) in entries {
        let Some(text) = cx.text(key, node) else { continue };
        if !value::is_token(name.value) {
            let message = format!("{} is not the name of a header field", shown(name.value));
            cx.push(Diagnostic::error(Code::BadValue, name.span, message));
        } else if !value::is_field_value(&text.value) {
            let message = format!("{} is not the value of a header field", shown(&text.value));
            cx.push(Diagnostic::error(Code::BadValue, text.span, message));
        } else {
            all.push((name.value.to_owned(), text.value));
        }
    }
    Some(all)
}

fn request(text: &str) -> Result<HttpCheck, Bad> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (first, uri, last) = match words.as_slice() {
        [uri] => ("GET", *uri, "HTTP/1.0"),
        [method, uri] => (*method, *uri, "HTTP/1.0"),
        [method, uri, version @ ("HTTP/1.0" | "HTTP/1.1")] => (*method, *uri, *version),
        _ => {
            return Err(
                Bad::new("is not a request").help("\"/health\", \"GET /health\" or \"GET /health HTTP/1.1\"")
            );
        }
    };
    Ok(HttpCheck {
        method: method(first)?,
        uri: target(uri)?,
        version: version(last),
        headers: Vec::new(),
        body: Vec::new(),
        expect: Vec::new(),
    })
}

fn version(word: &str) -> HttpVersion {
    if word == "HTTP/1.1" { HttpVersion::V1_1 } else { HttpVersion::V1_0 }
}

fn method(text: &str) -> Result<String, Bad> {
    if !value::is_token(text) {
        return Err(Bad::new("is not an HTTP method"));
    }
    if text.contains(|c: char| c.is_ascii_lowercase()) {
        return Err(Bad::new("is not a usual method: methods are upper case")
            .help(format!("\"{}\"", text.to_uppercase())));
    }
    Ok(text.to_owned())
}

/// The forms of a request target a health check can use (RFC 9112 §3.2): origin form, `*`, absolute form.
fn target(text: &str) -> Result<String, Bad> {
    let visible = text.bytes().all(|b| b.is_ascii_graphic());
    let form = text.starts_with('/') || text == "*" || text.starts_with("http://");
    match (visible, form) {
        (true, true) => Ok(text.to_owned()),
        (false, _) => Err(Bad::new("has blanks or characters that must be percent-encoded")),
        (true, false) => Err(Bad::new("is not a request target").help(format!("\"/{text}\""))),
    }
}

fn without_host(cx: &mut Reader<'_>, check: &HttpCheck, at: Span) {
    let host = check.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if check.version == HttpVersion::V1_1 && !host {
        let message = "an HTTP/1.1 check without a Host header: many servers answer 400";
        let help = "send = { uri = \"…\", version = \"HTTP/1.1\", headers = { Host = \"www.example.com\" } }";
        cx.push_absence(Diagnostic::warning(Code::CheckWithoutHost, at, message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        for (text, method, uri, v11) in [
            ("/health", "GET", "/health", false),
            ("HEAD /", "HEAD", "/", false),
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*", true),
            (" GET  /a?b=c  HTTP/1.0 ", "GET", "/a?b=c", false),
        ] {
            let r = request(text).unwrap();
            assert_eq!(
                (r.method.as_str(), r.uri.as_str(), r.version == HttpVersion::V1_1),
                (method, uri, v11)
            );
        }
        for bad in ["", "health", "get /", "GET / HTTP/2", "GET / HTTP/1.1 x", "GE(T /", "/ü"] {
            assert!(request(bad).is_err(), "{bad}");
        }
    }
}
