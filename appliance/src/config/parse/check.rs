//! How servers are checked: `httpchk` and `check`.

use std::ops::RangeInclusive;

use evenkeel_proxy::plan::{Expect, HttpCheck, HttpVersion};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::HowChecked;
use crate::config::source::{Span, Spanned};
use crate::config::value::{self, Bad};

/// `"URI"`, `"METHOD URI"` or `"METHOD URI VERSION"`.
pub(super) fn httpchk(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<HttpCheck>> {
    let check = cx.parsed(key, node, request)?;
    without_host(cx, &check.value, node.span);
    Some(check)
}

/// `true`, `false` or steps. With `httpchk` the request is there already.
pub(super) fn check(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    httpchk: Option<&Spanned<HttpCheck>>,
) -> Option<HowChecked> {
    if let Some(on) = node.value.as_bool() {
        return Some(match (on, httpchk) {
            (false, _) => HowChecked::Off,
            (true, None) => HowChecked::Tcp,
            (true, Some(http)) => HowChecked::Http(http.value.clone()),
        });
    }
    let Some(steps) = node.elements() else {
        cx.wrong_type(
            key,
            node,
            Some("check = [{ send = { uri = \"/health\" } }, { expect = { status = 200 } }]".to_owned()),
        );
        return None;
    };
    let mut http = httpchk.map(|h| h.value.clone());
    let mut expects = Vec::new();
    for node in steps {
        let Some(step) = step(cx, node) else { continue };
        let wrong = match (&step, &http) {
            (Step::Send(_), Some(_)) if httpchk.is_some() => {
                Some("`httpchk` is the request: there is no `send` beside it")
            }
            (Step::Send(_), Some(_)) => Some("a check sends one request: this is the second"),
            (Step::Expect(_), None) => Some("`expect` comes before `send`: nothing has been asked for"),
            (Step::Send(_), None) | (Step::Expect(_), Some(_)) => None,
        };
        if let Some(message) = wrong {
            cx.push_absence(Diagnostic::error(Code::CheckSteps, node.span, message));
        }
        match step {
            Step::Send(request) => http = Some(*request),
            Step::Expect(e) => expects.extend(e),
        }
    }
    // An array without steps is a connection: there is nothing to send and nothing to wait for.
    Some(http.map_or(HowChecked::Tcp, |h| HowChecked::Http(HttpCheck { expect: expects, ..h })))
}

enum Step {
    Send(Box<HttpCheck>),
    /// `None`: with errors.
    Expect(Option<Expect>),
}

fn step(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Step> {
    let mut t = Fields::of(cx, &keys::CHECK_STEP, node.key, node)?;
    let send = t.read(cx, "send", |cx, _, node| send(cx, node));
    let expect = t.read(cx, "expect", |cx, _, node| Some(expect(cx, node, 0)));
    let said = (t.has("send"), t.has("expect"));
    t.finish(cx);
    match (said, send, expect) {
        ((true, false), Some(send), _) => Some(Step::Send(Box::new(send))),
        ((false, true), _, Some(expect)) => Some(Step::Expect(expect)),
        ((true, true), _, _) => {
            let message = "a step is either `send` or `expect`; make two of it";
            cx.push(Diagnostic::error(Code::CheckSteps, node.span, message));
            None
        }
        ((false, false), _, _) => {
            cx.push_absence(Diagnostic::error(Code::CheckSteps, node.span, "a step has `send` or `expect`"));
            None
        }
        _ => None,
    }
}

fn send(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HttpCheck> {
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

fn expect(cx: &mut Reader<'_>, node: Node<'_>, depth: u8) -> Option<Expect> {
    let mut t = Fields::of(cx, &keys::EXPECT, node.key, node)?;
    let status = t.read(cx, "status", statuses).map(Expect::Status);
    let string = t.read(cx, "string", Reader::text).map(|s| Expect::String(s.value.into_bytes()));
    let not = t.read(cx, "not", |cx, key, node| {
        if depth < MAX_DEPTH {
            return expect(cx, node, depth + 1).map(|e| Expect::Not(Box::new(e)));
        }
        cx.bad_value(key, node, "not", Bad::new("is nested too deeply"));
        None
    });
    let said = ["status", "string", "not"].into_iter().filter(|k| t.has(k)).count();
    t.finish(cx);
    if said != 1 {
        let message = "an expectation is one of `status`, `string` and `not`";
        cx.push_absence(
            Diagnostic::error(Code::CheckSteps, node.span, message).help("several steps must all hold"),
        );
        return None;
    }
    status.or(string).or(not)
}

fn statuses(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    let mut all = Vec::new();
    for node in node.one_or_many() {
        let text = match (node.value.as_str(), node.value.as_integer()) {
            (Some(text), _) => text.to_owned(),
            (None, Some(number)) => number.to_string(),
            (None, None) => {
                cx.wrong_type(key, node, None);
                return None;
            }
        };
        match value::statuses(&text) {
            Ok(range) => all.push(range),
            Err(bad) => cx.bad_value(key, node, &text, bad),
        }
    }
    if all.is_empty() && node.elements().is_some_and(|e| e.is_empty()) {
        cx.bad_value(key, node, "[]", Bad::new("lists no status: nothing could hold"));
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

/// `not` of `not` of … is never needed.
const MAX_DEPTH: u8 = 4;

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
