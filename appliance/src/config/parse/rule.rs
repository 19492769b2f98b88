//! `http_request` and `http_response`: what is done with requests, and what changes in responses.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_proxy::h1::answer;
use evenkeel_proxy::rules::action::{Action, Location, Redirect, Reply};
use evenkeel_proxy::rules::template::{Template, TemplateError, Variable};
use evenkeel_proxy::rules::{Edit, ResponseRules};

use super::condition::{field_name, listed, named_values, when};
use super::errorfile::GENERATED;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::RuleDraft;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::Bad;

/// Reads the rules of a section, if it has the key. `limit` is `bufsize`.
pub(super) fn rules(cx: &mut Reader<'_>, t: &mut Fields<'_>, limit: usize) -> Vec<RuleDraft> {
    let read = t.known(cx, "http_request", |cx, key, node| {
        let Some(all) = node.elements() else {
            cx.wrong_type(key, node, Some(format!("http_request = [{EXAMPLE}]")));
            return None;
        };
        Some(all.into_iter().filter_map(|n| rule(cx, n, limit)).collect())
    });
    read.unwrap_or_default()
}

/// Reads the rules for responses of a section, if it has the key.
pub(super) fn response_rules(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<RuleDraft> {
    let read = t.known(cx, "http_response", |cx, key, node| {
        let Some(all) = node.elements() else {
            cx.wrong_type(key, node, Some("http_response = [{ del_header = \"Server\" }]".into()));
            return None;
        };
        let rules: Vec<_> = all.into_iter().filter_map(|n| response_rule(cx, n)).collect();
        if rules.iter().map(|r| r.actions.len()).sum::<usize>() > ResponseRules::MOST {
            let message = format!("more than {} changes in `http_response`", ResponseRules::MOST);
            cx.push(Diagnostic::error(Code::BadValue, node.span, message));
        }
        Some(rules)
    });
    read.unwrap_or_default()
}

fn rule(cx: &mut Reader<'_>, node: Node<'_>, limit: usize) -> Option<RuleDraft> {
    let mut t = Fields::of(cx, &keys::HTTP_REQUEST, node.key, node)?;
    let errors = cx.errors;
    let said: Vec<&str> = ACTIONS.into_iter().filter(|a| t.has(a)).collect();
    let deny = t.read(cx, "deny", deny).map(Action::Deny);
    let reply = t.read(cx, "return", |cx, _, node| reply(cx, node, limit)).map(Action::Return);
    let redirect = t.read(cx, "redirect", |cx, _, node| redirect(cx, node)).map(Action::Redirect);
    let mut actions: Vec<_> = edits(cx, &mut t, &OF_REQUESTS).into_iter().map(Action::Edit).collect();
    actions.extend([deny, reply, redirect].into_iter().flatten());
    let when = when(cx, &mut t);
    let whole = cx.errors == errors;
    t.finish(cx);
    (does_one_thing(cx, node, &said, &ACTIONS) && whole).then_some(RuleDraft { when, actions, at: node.span })
}

fn response_rule(cx: &mut Reader<'_>, node: Node<'_>) -> Option<RuleDraft> {
    let mut t = Fields::of(cx, &keys::HTTP_RESPONSE, node.key, node)?;
    let errors = cx.errors;
    let said: Vec<&str> = EDITS.into_iter().filter(|a| t.has(a)).collect();
    let edits = edits(cx, &mut t, &[]);
    if edits.iter().any(|edit| !edit.is_fixed()) {
        let message = "nothing of a request is filled in in responses; a dollar sign is `$$`";
        cx.push(Diagnostic::error(Code::BadValue, node.span, message));
    }
    let when = when(cx, &mut t);
    let whole = cx.errors == errors;
    t.finish(cx);
    let actions = edits.into_iter().map(Action::Edit).collect();
    (does_one_thing(cx, node, &said, &EDITS) && whole).then_some(RuleDraft { when, actions, at: node.span })
}

fn does_one_thing(cx: &mut Reader<'_>, node: Node<'_>, said: &[&str], all: &[&str]) -> bool {
    match said {
        [] => {
            let message = "a rule that does nothing";
            let help = format!("one of {}", all.join(", "));
            cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
        }
        [_] => {}
        [one, other, ..] => {
            let message = format!("a rule does one thing, not both `{one}` and `{other}`");
            cx.push(Diagnostic::error(Code::BadCombination, node.span, message).help("a rule for each"));
        }
    }
    said.len() == 1
}

/// Changes of fields. Of `single` ones there are always one and no more.
fn edits(cx: &mut Reader<'_>, t: &mut Fields<'_>, single: &[&str]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let free = |name: &str| {
        if single.iter().any(|k| k.eq_ignore_ascii_case(name)) {
            return Err(Bad::new("is there once in every request").help("set_header"));
        }
        changeable(name)
    };
    let set = t.read(cx, "set_header", |cx, key, node| fields(cx, key, node, changeable, template));
    edits.extend(set.unwrap_or_default().into_iter().map(|(name, text)| Edit::Set(name, text)));
    let more = t.read(cx, "add_header", |cx, key, node| fields(cx, key, node, free, template));
    edits.extend(more.unwrap_or_default().into_iter().map(|(name, text)| Edit::Add(name, text)));
    let gone = t.read(cx, "del_header", |cx, key, node| listed(cx, key, node, free));
    edits.extend(gone.unwrap_or_default().into_iter().map(Edit::Del));
    edits
}

/// The name of a field that is not about the connection.
fn changeable(name: &str) -> Result<Box<str>, Bad> {
    if OF_CONNECTION.iter().any(|f| name.eq_ignore_ascii_case(f)) {
        return Err(Bad::new("is about the connection, which is not the rule's"));
    }
    field_name(name)
}

/// `true`, or a status that the proxy has an answer for.
fn deny(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<u16> {
    if let Some(yes) = node.value.as_bool() {
        if !yes {
            let message = "`deny = false` does nothing";
            cx.push(Diagnostic::error(Code::BadValue, node.span, message).help("take the rule out"));
        }
        return yes.then_some(403);
    }
    let Some(number) = node.value.as_integer() else {
        cx.wrong_type(key, node, Some("deny = 403".into()));
        return None;
    };
    let status = number.as_str().parse().ok().filter(|status| GENERATED.contains(status));
    if status.is_none() {
        let all: Vec<String> = GENERATED.iter().map(u16::to_string).collect();
        let bad =
            Bad::new("is no status to refuse a request with").help(format!("statuses: {}", all.join(", ")));
        cx.bad_value(key, node, number.as_str(), bad);
    }
    status
}

fn reply(cx: &mut Reader<'_>, node: Node<'_>, limit: usize) -> Option<Reply> {
    let mut t = Fields::of(cx, &keys::RETURN, node.key, node)?;
    let errors = cx.errors;
    let status = t.read(cx, "status", Reader::int::<u16>);
    let content_type = t.read(cx, "content_type", |cx, key, node| cx.parsed(key, node, field_value));
    let string = t.read(cx, "string", Reader::text);
    let file = t.read(cx, "file", Reader::text);
    let fields = t.read(cx, "hdr", |cx, key, node| fields(cx, key, node, changeable, field_value));
    let fields = fields.unwrap_or_default();
    t.finish(cx);
    if let (Some(_), Some(file)) = (&string, &file) {
        let message = "an answer has either `string` or `file`";
        cx.push(Diagnostic::error(Code::BadCombination, file.span, message));
    }
    let has_content = string.is_some() || file.is_some();
    let content = match (string, file) {
        (_, Some(file)) => content_of(cx, &file, limit)?,
        (Some(string), None) => string.value.into_bytes(),
        (None, None) => Vec::new(),
    };
    let status_span = status.as_ref().map_or(node.span, |s| s.span);
    let status = status.map_or(200, |s| s.value);
    if has_content && matches!(status, 204 | 205 | 304) {
        let message = format!("an answer with status {status} has no content");
        cx.push(Diagnostic::error(Code::BadCombination, status_span, message));
    }
    if content_type.is_some() && !has_content {
        let message = "`content_type` of an answer without content";
        cx.push(Diagnostic::error(Code::BadCombination, node.span, message).help("string, or file"));
    }
    if answer::reason(status).is_empty() {
        let message = format!("status {status} is not registered: it goes out without words");
        cx.push(Diagnostic::warning(Code::BadValue, status_span, message));
    }
    let mut lines = Vec::new();
    let kind = content_type.map_or_else(|| "text/plain".into(), |t| t.value);
    let of_content = has_content.then(|| ("content-type".into(), kind));
    for (name, value) in of_content.into_iter().chain(fields) {
        lines.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    (cx.errors == errors).then(|| Reply { status, fields: lines.into(), content: Arc::from(content) })
}

/// Fields with their values.
fn fields<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    name: impl Fn(&str) -> Result<Box<str>, Bad>,
    value: fn(&str) -> Result<T, Bad>,
) -> Option<Vec<(Box<str>, T)>> {
    named_values(cx, key, node, name, |cx, node| Some(cx.parsed(key, node, value)?.value))
}

fn content_of(cx: &mut Reader<'_>, path: &Spanned<String>, limit: usize) -> Option<Vec<u8>> {
    let file = External::File(PathBuf::from(&path.value));
    match cx.externals.fetch(&file, Privacy::Public, limit as u64) {
        Ok(bytes) => Some(bytes),
        Err(FetchError::Unreadable(why)) => {
            let message = format!("cannot read the answer's content: {why}");
            cx.push(Diagnostic::error(Code::Unreadable, path.span, message));
            None
        }
        // Only secrets are refused for their permissions.
        Err(FetchError::Exposed(_)) => None,
    }
}

fn redirect(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Redirect> {
    let mut t = Fields::of(cx, &keys::REDIRECT, node.key, node)?;
    let errors = cx.errors;
    let said: Vec<&str> = PLACES.into_iter().filter(|p| t.has(p)).collect();
    let scheme = t.read(cx, "scheme", Reader::word).map(|s| Location::Scheme(s.value.into()));
    let prefix = t.read(cx, "prefix", |cx, key, node| cx.parsed(key, node, prefix));
    let location = t.read(cx, "location", |cx, key, node| cx.parsed(key, node, template));
    let code = t.read(cx, "code", Reader::int::<u16>);
    t.finish(cx);
    if let Some(code) = code.as_ref().filter(|c| ![301, 302, 303, 307, 308].contains(&c.value)) {
        let message = format!("{} is no status of a redirect", code.value);
        cx.push(Diagnostic::error(Code::BadValue, code.span, message).help("301, 302, 303, 307 or 308"));
    }
    if said.len() != 1 {
        let message = "a redirect needs one of `scheme`, `prefix` and `location`";
        cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message));
    }
    let to = scheme
        .or_else(|| prefix.map(|p| Location::Prefix(p.value)))
        .or_else(|| location.map(|l| Location::Whole(l.value)));
    let redirect = Redirect { status: code.map_or(302, |c| c.value), to: to? };
    (cx.errors == errors).then_some(redirect)
}

fn prefix(text: &str) -> Result<Template, Bad> {
    if text.is_empty() || text == "/" {
        return Err(Bad::new("would send clients to where they have been"));
    }
    template(text)
}

pub(super) fn template(text: &str) -> Result<Template, Bad> {
    field_value(text)?;
    Template::parse(text).map_err(|error| {
        let of_name = Variable::OF_NAME.map(|name| format!("{name}(NAME)"));
        let names =
            || Variable::NAMES.iter().map(|(name, _)| *name).chain(of_name.iter().map(String::as_str));
        let meant = match &error {
            TemplateError::Unknown(name) => nearest(name, names()).map(|n| format!("${{{n}}}")),
            TemplateError::Nameless(kind) => Some(format!("${{{kind}(NAME)}}")),
            TemplateError::Open | TemplateError::Dollar => None,
        };
        let bad = Bad::new(error.to_string());
        let all = || names().map(|n| format!("${{{n}}}")).collect::<Vec<_>>().join(", ");
        bad.help(meant.unwrap_or_else(|| format!("there are {}", all())))
    })
}

/// RFC 9110 §5.5: visible bytes and blanks between them.
fn field_value(text: &str) -> Result<Box<str>, Bad> {
    if text.is_empty() {
        return Err(Bad::new("is empty"));
    }
    if text.trim() != text || text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Bad::new(
            "is not the value of a field: it has control characters, or blanks at its ends",
        ));
    }
    Ok(text.into())
}

const ACTIONS: [&str; 6] = ["deny", "return", "redirect", "set_header", "add_header", "del_header"];

const EDITS: [&str; 3] = ["set_header", "add_header", "del_header"];

/// RFC 9112 §3.2: a second one would be another request to some servers.
const OF_REQUESTS: [&str; 1] = ["host"];

const PLACES: [&str; 3] = ["scheme", "prefix", "location"];

/// What says where a message ends, and what becomes of its connection: the proxy's own business (RFC 9110 §7.6.1).
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

const EXAMPLE: &str = "{ deny = 403, if = \"is_admin\" }";
