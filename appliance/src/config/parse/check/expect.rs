//! `expect`: what an answer must be, and what is reported of it.

use std::ops::RangeInclusive;

use evenkeel_proxy::plan::{
    ByteExpect, ByteMatch, ErrorStatus, Expect, HeaderExpect, HttpExpect, OkStatus, Pattern, Says, TextMatch,
    TimeoutStatus,
};

use super::hex;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::{Span, Spanned};
use crate::config::value::{self, Bad};

/// An expectation before it is known what the check speaks.
pub(super) struct Expectation {
    wanted: Wanted,
    /// How often it stands under a `not`.
    nots: u8,
    min_recv: Option<Spanned<usize>>,
    says: Says,
    at: Span,
}

enum Wanted {
    Status(Vec<RangeInclusive<u16>>),
    StatusRegex(Pattern),
    Header(HeaderExpect),
    String(Vec<u8>),
    Regex(Pattern),
    Binary(Vec<u8>),
    BinaryRegex(Pattern),
}

impl Expectation {
    /// Whether it looks for text.
    pub(super) const fn is_text(&self) -> bool {
        matches!(self.wanted, Wanted::String(_) | Wanted::Regex(_))
    }

    /// Of an HTTP response.
    pub(super) fn of_http(self, cx: &mut Reader<'_>, comment: Option<String>) -> Option<HttpExpect> {
        if let Some(min_recv) = &self.min_recv {
            let message = "`min_recv` is not of HTTP: a response says where it ends";
            cx.push(Diagnostic::error(Code::CheckSteps, min_recv.span, message));
        }
        let wanted = match self.wanted {
            Wanted::Status(ranges) => Expect::Status(ranges),
            Wanted::StatusRegex(pattern) => Expect::StatusRegex(pattern),
            Wanted::Header(header) => Expect::Header(header),
            Wanted::String(text) => Expect::String(text),
            Wanted::Regex(pattern) => Expect::Regex(pattern),
            Wanted::Binary(_) | Wanted::BinaryRegex(_) => {
                let message = "`binary` and `rbinary` are not of HTTP";
                cx.push(Diagnostic::error(Code::CheckSteps, self.at, message).help("`string` or `rstring`"));
                return None;
            }
        };
        let wanted = (0..self.nots).fold(wanted, |inner, _| Expect::Not(Box::new(inner)));
        Some(HttpExpect { wanted, says: self.says, comment })
    }

    /// Of bytes.
    pub(super) fn of_bytes(self, cx: &mut Reader<'_>) -> Option<ByteExpect> {
        let wanted = match self.wanted {
            Wanted::String(text) => ByteMatch::Contains(text),
            Wanted::Regex(pattern) => ByteMatch::Regex(pattern),
            Wanted::Binary(bytes) => ByteMatch::Binary(bytes),
            Wanted::BinaryRegex(pattern) => ByteMatch::BinaryRegex(pattern),
            Wanted::Status(_) | Wanted::StatusRegex(_) | Wanted::Header(_) => {
                let message =
                    "`status`, `rstatus` and `header` are of HTTP, but nothing has been asked for by HTTP";
                let help =
                    "before it: { send = { uri = \"/health\" } }, or `httpchk = \"/health\"` beside `check`";
                cx.push_absence(Diagnostic::error(Code::CheckSteps, self.at, message).help(help));
                return None;
            }
        };
        let min_recv = self.min_recv.map(|n| n.value);
        Some(ByteExpect { wanted, negate: self.nots % 2 == 1, min_recv, says: self.says })
    }
}

pub(super) fn expect(cx: &mut Reader<'_>, node: Node<'_>, depth: u8) -> Option<Expectation> {
    let mut t = Fields::of(cx, &keys::EXPECT, node.key, node)?;
    let wanted = wanted(cx, &mut t);
    let inner = t.read(cx, "not", |cx, key, node| {
        if depth < MAX_DEPTH {
            return expect(cx, node, depth + 1);
        }
        cx.bad_value(key, node, "not", Bad::new("is nested too deeply"));
        None
    });
    let min_recv = t.read(cx, "min_recv", Reader::int);
    let says = says(cx, &mut t);
    let misplaced = SAYS.into_iter().find(|k| depth > 0 && t.has(k));
    let said = WANTED.into_iter().filter(|k| t.has(k)).count();
    t.finish(cx);
    if let Some(key) = misplaced {
        let message = format!("`{key}` stands beside `not`, not under it");
        cx.push(Diagnostic::error(Code::CheckSteps, node.span, message));
    }
    if said != 1 {
        let message = format!("an expectation is one of `{}`", WANTED.join("`, `"));
        cx.push_absence(
            Diagnostic::error(Code::CheckSteps, node.span, message).help("several steps must all hold"),
        );
        return None;
    }
    match (wanted, inner) {
        (Some(wanted), None) => Some(Expectation { wanted, nots: 0, min_recv, says, at: node.span }),
        (None, Some(inner)) => {
            Some(Expectation { nots: inner.nots + 1, min_recv, says, at: node.span, ..inner })
        }
        _ => None,
    }
}

fn wanted(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<Wanted> {
    let status = t.read(cx, "status", statuses).map(Wanted::Status);
    let rstatus = t.read(cx, "rstatus", regex).map(Wanted::StatusRegex);
    let header = t.read(cx, "header", |cx, _, node| header(cx, node)).map(Wanted::Header);
    let string = t.read(cx, "string", text).map(|s| Wanted::String(s.into_bytes()));
    let rstring = t.read(cx, "rstring", regex).map(Wanted::Regex);
    let binary =
        t.read(cx, "binary", |cx, key, node| cx.parsed(key, node, hex)).map(|b| Wanted::Binary(b.value));
    let rbinary = t.read(cx, "rbinary", regex).map(Wanted::BinaryRegex);
    status.or(rstatus).or(header).or(string).or(rstring).or(binary).or(rbinary)
}

fn says(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Says {
    Says {
        on_success: t.read(cx, "on_success", text),
        on_error: t.read(cx, "on_error", text),
        ok_status: t.read(cx, "ok_status", Reader::word).map(|w| match w.value {
            "L7OKC" => OkStatus::L7OkConditional,
            "L6OK" => OkStatus::L6Ok,
            "L4OK" => OkStatus::L4Ok,
            _ => OkStatus::L7Ok,
        }),
        error_status: t.read(cx, "error_status", Reader::word).map(|w| match w.value {
            "L7OKC" => ErrorStatus::L7OkConditional,
            "L7STS" => ErrorStatus::L7Status,
            "L6RSP" => ErrorStatus::L6Response,
            "L4CON" => ErrorStatus::L4Connection,
            _ => ErrorStatus::L7Response,
        }),
        tout_status: t.read(cx, "tout_status", Reader::word).map(|w| match w.value {
            "L6TOUT" => TimeoutStatus::L6Timeout,
            "L4TOUT" => TimeoutStatus::L4Timeout,
            _ => TimeoutStatus::L7Timeout,
        }),
    }
}

fn header(cx: &mut Reader<'_>, node: Node<'_>) -> Option<HeaderExpect> {
    let mut t = Fields::of(cx, &keys::HEADER, node.key, node)?;
    let (names, name) = one_of(cx, &mut t, ["name", "name_beg", "name_end", "name_sub", "name_reg"]);
    let (values, value) = one_of(cx, &mut t, ["value", "value_beg", "value_end", "value_sub", "value_reg"]);
    let full = t.read(cx, "full", Reader::bool).is_some_and(|b| b.value);
    t.finish(cx);
    if names != 1 || values > 1 {
        let message = "a field has one of the names, and at most one of the values";
        let help = "header = { name = \"Content-Type\", value_beg = \"text/html\" }";
        cx.push_absence(Diagnostic::error(Code::CheckSteps, node.span, message).help(help));
        return None;
    }
    Some(HeaderExpect { name: name?, value, full })
}

/// How many of the keys are said, and one of them: whole, beginning, end, part, pattern.
fn one_of(cx: &mut Reader<'_>, t: &mut Fields<'_>, keys: [&'static str; 5]) -> (usize, Option<TextMatch>) {
    let said = keys.iter().filter(|k| t.has(k)).count();
    let [whole, beg, end, sub, reg] = keys;
    let whole = t.read(cx, whole, text).map(TextMatch::Exact);
    let beg = t.read(cx, beg, text).map(TextMatch::Begins);
    let end = t.read(cx, end, text).map(TextMatch::Ends);
    let sub = t.read(cx, sub, text).map(TextMatch::Contains);
    let reg = t.read(cx, reg, regex).map(TextMatch::Regex);
    (said, whole.or(beg).or(end).or(sub).or(reg))
}

/// Text that is not empty: nothing is found everywhere.
fn text(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<String> {
    let text = cx.text(key, node)?;
    if text.value.is_empty() {
        cx.bad_value(key, node, "", Bad::new("is empty"));
        return None;
    }
    Some(text.value)
}

fn regex(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Pattern> {
    let compile = |text: &str| {
        Pattern::new(text).map_err(|error| {
            // The first lines of the library's message show the pattern, which stands in the file.
            let words = error.to_string();
            let last = words.lines().last().unwrap_or_default();
            Bad::new(format!("is not a regular expression: {}", last.trim_start_matches("error: ")))
        })
    };
    cx.parsed(key, node, compile).map(|p| p.value)
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

const WANTED: [&str; 8] = ["status", "rstatus", "header", "string", "rstring", "binary", "rbinary", "not"];
const SAYS: [&str; 6] = ["min_recv", "on_success", "on_error", "ok_status", "error_status", "tout_status"];

/// `not` of `not` of … is never needed.
const MAX_DEPTH: u8 = 4;
