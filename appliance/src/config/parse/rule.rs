//! `http_request` and `http_response`: what is done with requests, and what changes in responses.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_proxy::access_log::Level;
use evenkeel_proxy::h1::answer;
use evenkeel_proxy::lua::{Kind, Program};
use evenkeel_proxy::rules::action::{Action, BodyWait, Location, Redirect, Reply, Service};
use evenkeel_proxy::rules::line::LineEdit;
use evenkeel_proxy::rules::replacement::{Replacement, ReplacementError};
use evenkeel_proxy::rules::template::{Template, TemplateError, Variable};
use evenkeel_proxy::rules::{Edit, LogLevel, ResponseAction, ResponseRules, Value, guard};

use super::condition::{field_name, listed, method, named_values, when};
use super::counted;
use super::errorfile::GENERATED;
use super::http;
use super::lua;
use super::map;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{ResponseRuleDraft, RuleDraft};
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
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
pub(super) fn response_rules(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    limit: usize,
) -> Vec<ResponseRuleDraft> {
    let read = t.known(cx, "http_response", |cx, key, node| {
        let Some(all) = node.elements() else {
            cx.wrong_type(key, node, Some("http_response = [{ del_header = \"Server\" }]".into()));
            return None;
        };
        let rules: Vec<_> = all.into_iter().filter_map(|n| response_rule(cx, n, limit)).collect();
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
    let deny = t.read(cx, "deny", |cx, key, node| refusal(cx, key, node, 403)).map(Action::Deny);
    let tarpit = t.read(cx, "tarpit", |cx, key, node| refusal(cx, key, node, 500)).map(Action::Tarpit);
    let dropped = t.read(cx, "silent_drop", yes).map(|()| Action::SilentDrop);
    let reply = t.read(cx, "return", |cx, _, node| reply(cx, node, limit)).map(Action::Return);
    let redirect = t.read(cx, "redirect", |cx, _, node| redirect(cx, node)).map(Action::Redirect);
    let service = t
        .read(cx, "use_service", Reader::word)
        .map(|word| Action::Serve(if word.value == "stats" { Service::Stats } else { Service::Prometheus }));
    let wait = t.read(cx, "wait_for_body", |cx, _, node| body_wait(cx, node)).map(Action::WaitForBody);
    let limit = t.read(cx, "set_bandwidth_limit", http::limit).map(|limit| Action::Limit(limit.into()));
    let capture = t.read(cx, "capture", |cx, _, node| capture(cx, node)).map(Action::Edit);
    let mut actions: Vec<_> =
        edits(cx, &mut t, &OF_REQUESTS, template).into_iter().map(Action::Edit).collect();
    actions.extend(line(cx, &mut t).map(|line| Action::Edit(Edit::Line(line))));
    let set = t.read(cx, "set_var", |cx, key, node| {
        named_values(cx, key, node, variable_name, |cx, node| variable_value(cx, key, node))
    });
    let variable = |(name, value)| Action::Edit(Edit::Variable(name, value));
    actions.extend(set.unwrap_or_default().into_iter().map(variable));
    actions.extend(
        [deny, tarpit, dropped, reply, redirect, service, wait, limit, capture].into_iter().flatten(),
    );
    actions.extend(lua::action(cx, &mut t, false).map(Action::Lua));
    let counting = counted::rule(cx, &mut t);
    let when = when(cx, &mut t);
    let whole = cx.errors == errors;
    t.finish(cx);
    let draft = RuleDraft { when, actions, counting, at: node.span };
    (does_one_thing(cx, node, &said, &ACTIONS) && whole).then_some(draft)
}

fn response_rule(cx: &mut Reader<'_>, node: Node<'_>, limit: usize) -> Option<ResponseRuleDraft> {
    let mut t = Fields::of(cx, &keys::HTTP_RESPONSE, node.key, node)?;
    let errors = cx.errors;
    let said: Vec<&str> = RESPONSE_ACTIONS.into_iter().filter(|a| t.has(a)).collect();
    let mut edits = edits(cx, &mut t, &[], response_template);
    let scripted = lua::action(cx, &mut t, true).map(ResponseAction::Lua);
    let set = t.read(cx, "set_var", |cx, key, node| {
        named_values(cx, key, node, variable_name, |cx, node| {
            Some(cx.parsed(key, node, any_response_template)?.value)
        })
    });
    let variable = |(name, text)| Edit::Variable(name, Value::Text(text));
    edits.extend(set.unwrap_or_default().into_iter().map(variable));
    if edits.iter().filter_map(Edit::text).any(Template::needs_request) {
        let message = "only the response and variables are filled in in responses; a dollar sign is `$$`";
        let help = format!("${{{}}}", Variable::OF_RESPONSES.join("}, ${"));
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help(help));
    }
    let mut actions: Vec<_> = edits.into_iter().map(ResponseAction::Edit).chain(scripted).collect();
    let status = t.read(cx, "set_status", Reader::int::<u16>);
    if let Some(status) = status.as_ref().filter(|s| matches!(s.value, 204 | 205 | 304)) {
        let message = format!("status {} says that there is no content", status.value);
        cx.push(Diagnostic::error(Code::BadValue, status.span, message).help("return = { status = 204 }"));
    }
    actions.extend(status.map(|status| ResponseAction::SetStatus(status.value)));
    let deny = t.read(cx, "deny", |cx, key, node| refusal(cx, key, node, 502));
    actions.extend(deny.map(ResponseAction::Deny));
    actions.extend(t.read(cx, "return", |cx, _, node| reply(cx, node, limit)).map(ResponseAction::Return));
    let elsewhere = t.read(cx, "redirect", |cx, _, node| redirect_of_response(cx, node));
    actions.extend(elsewhere.map(ResponseAction::Redirect));
    let when = when(cx, &mut t);
    let whole = cx.errors == errors;
    t.finish(cx);
    let draft = ResponseRuleDraft { when, actions, at: node.span };
    (does_one_thing(cx, node, &said, &RESPONSE_ACTIONS) && whole).then_some(draft)
}

pub(super) fn does_one_thing(cx: &mut Reader<'_>, node: Node<'_>, said: &[&str], all: &[&str]) -> bool {
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
fn edits(cx: &mut Reader<'_>, t: &mut Fields<'_>, single: &[&str], template: TemplateOf) -> Vec<Edit> {
    let mut edits = Vec::new();
    let free = |name: &str| {
        if single.iter().any(|k| k.eq_ignore_ascii_case(name)) {
            return Err(Bad::new("is there once in every request").help("set_header"));
        }
        changeable(name)
    };
    let set = t.read(cx, "set_header", |cx, key, node| texts(cx, key, node, changeable, template));
    edits.extend(set.unwrap_or_default().into_iter().map(|(name, text)| Edit::Set(name, text)));
    let more = t.read(cx, "add_header", |cx, key, node| texts(cx, key, node, free, template));
    edits.extend(more.unwrap_or_default().into_iter().map(|(name, text)| Edit::Add(name, text)));
    let gone = t.read(cx, "del_header", |cx, key, node| listed(cx, key, node, free));
    edits.extend(gone.unwrap_or_default().into_iter().map(Edit::Del));
    let one = |cx: &mut Reader<'_>, _: &'static Key, node| replacement_of_field(cx, node);
    edits.extend(t.read(cx, "replace_header", one).map(|(name, by)| Edit::Replace(name, by)));
    edits.extend(t.read(cx, "replace_value", one).map(|(name, by)| Edit::ReplaceElements(name, by)));
    edits.extend(t.read(cx, "set_log_level", Reader::word).map(|word| Edit::LogLevel(log_level(word.value))));
    edits
}

fn log_level(word: &str) -> LogLevel {
    Level::named(word).map_or(LogLevel::Silent, LogLevel::Level)
}

/// A change of the request line.
fn line(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<LineEdit> {
    let method = t.read(cx, "set_method", |cx, key, node| cx.parsed(key, node, new_method));
    let mut text = |cx: &mut Reader<'_>, name| {
        t.read(cx, name, |cx, key, node| templated(cx, key, node, template)).map(|text| text.value)
    };
    let path = text(cx, "set_path").map(LineEdit::Path);
    let path_query = text(cx, "set_pathq").map(LineEdit::PathQuery);
    let query = t.read(cx, "set_query", |cx, key, node| templated(cx, key, node, any_template));
    let replace = t.read(cx, "replace_path", |cx, _, node| replacement(cx, node, &keys::REPLACE_LINE));
    let replace_both = t.read(cx, "replace_pathq", |cx, _, node| replacement(cx, node, &keys::REPLACE_LINE));
    let all = [
        method.map(|method| LineEdit::Method(method.value)),
        path,
        path_query,
        query.map(|query| LineEdit::Query(query.value)),
        replace.map(LineEdit::ReplacePath),
        replace_both.map(LineEdit::ReplacePathQuery),
    ];
    all.into_iter().flatten().next()
}

fn variable_value(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Value> {
    if node.value.as_table().is_none() {
        return templated(cx, key, node, any_template).map(|text| Value::Text(text.value));
    }
    let mut t = Fields::of(cx, &keys::LOOK_UP, node.key, node)?;
    let map = t.read(cx, "map", |cx, key, node| {
        let name = cx.text(key, node)?;
        map::named(cx, &name)
    });
    let said = (t.has("map"), t.has("lua"));
    let by = t.read(cx, "lua", lua::converter);
    let looked_up = t.read(cx, "key", |cx, key, node| templated(cx, key, node, any_template));
    let default = t.read(cx, "default", Reader::text).map(|text| text.value.into());
    t.finish(cx);
    match said {
        (true, false) => Some(Value::Mapped { map: map?, key: looked_up?.value, default }),
        (false, true) => Some(Value::Converted { by: by?, of: looked_up?.value, default }),
        (false, false) | (true, true) => {
            let message = "a look-up needs one of `map` and `lua`";
            cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message));
            None
        }
    }
}

/// The name of a variable.
pub(super) fn variable_name(text: &str) -> Result<Box<str>, Bad> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(Bad::new("is not the name of a variable").help("letters, digits, `_`, `-` and `.`"));
    }
    Ok(text.into())
}

fn new_method(text: &str) -> Result<Box<str>, Bad> {
    if matches!(text, "HEAD" | "CONNECT") {
        return Err(Bad::new("would make the response something that its client misreads"));
    }
    method(text)
}

fn replacement_of_field(cx: &mut Reader<'_>, node: Node<'_>) -> Option<(Box<str>, Replacement)> {
    let mut t = Fields::of(cx, &keys::REPLACE, node.key, node)?;
    let name = t.read(cx, "name", |cx, key, node| cx.parsed(key, node, changeable));
    let by = replaced(cx, &mut t);
    t.finish(cx);
    Some((name?.value, by?))
}

fn replacement(cx: &mut Reader<'_>, node: Node<'_>, section: &'static keys::Section) -> Option<Replacement> {
    let mut t = Fields::of(cx, section, node.key, node)?;
    let by = replaced(cx, &mut t);
    t.finish(cx);
    by
}

fn replaced(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<Replacement> {
    let reg = t.read(cx, "reg", Reader::text);
    let with = t.read(cx, "with", Reader::text);
    let nocase = t.read(cx, "nocase", Reader::bool).is_some_and(|yes| yes.value);
    let (reg, with) = (reg?, with?);
    if with.value.chars().any(|c| c.is_control() && c != '\t') {
        let message = "`with` has control characters, which no value may have";
        cx.push(Diagnostic::error(Code::BadValue, with.span, message));
        return None;
    }
    let scripts = cx.lua.clone();
    let fetches = |name: &str| Some(scripts.program()?.find(Kind::Fetch, name)?.0);
    match Replacement::new_with(&reg.value, nocase, &with.value, &fetches) {
        Ok(by) => Some(by),
        Err(error) => {
            let (span, help) = match &error {
                ReplacementError::Expression(_) => (reg.span, None),
                ReplacementError::Text(error) => (with.span, help(error, scripts.program())),
            };
            let name = if span == reg.span { "reg" } else { "with" };
            let message =
                format!("`{name}`: {} {error}", shown(if name == "reg" { &reg.value } else { &with.value }));
            cx.push(Diagnostic::error(Code::BadValue, span, message).help_if(help));
            None
        }
    }
}

/// The name of a field that is not about the connection.
pub(super) fn changeable(name: &str) -> Result<Box<str>, Bad> {
    if guard::is_of_connection(name.as_bytes()) {
        return Err(Bad::new("is about the connection, which is not the rule's"));
    }
    field_name(name)
}

/// `true`: `false` would do nothing.
pub(super) fn yes(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<()> {
    let yes = cx.bool(key, node)?.value;
    if !yes {
        let message = format!("`{} = false` does nothing", key.name);
        cx.push(Diagnostic::error(Code::BadValue, node.span, message).help("take the rule out"));
    }
    yes.then_some(())
}

/// `true`, or a status that the proxy has an answer for.
fn refusal(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>, usual: u16) -> Option<u16> {
    if node.value.as_bool().is_some() {
        return yes(cx, key, node).map(|()| usual);
    }
    let Some(number) = node.value.as_integer() else {
        cx.wrong_type(key, node, Some(format!("{} = {usual}", key.name)));
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

fn body_wait(cx: &mut Reader<'_>, node: Node<'_>) -> Option<BodyWait> {
    let mut t = Fields::of(cx, &keys::WAIT_FOR_BODY, node.key, node)?;
    let time = t.read(cx, "time", Reader::duration);
    let at_least = t.read(cx, "at_least", Reader::size);
    let at_least = at_least.and_then(|bytes| NonZeroU32::new(u32::try_from(bytes.value).ok()?));
    t.finish(cx);
    Some(BodyWait { time: time?.value, at_least })
}

/// Its place is that of the rule among others that capture, which is known when all are.
fn capture(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Edit> {
    let mut t = Fields::of(cx, &keys::RULE_CAPTURE, node.key, node)?;
    let text = t.read(cx, "text", |cx, key, node| templated(cx, key, node, any_template));
    let bytes = t.read(cx, "len", Reader::int::<u16>);
    t.finish(cx);
    Some(Edit::Capture { place: 0, text: text?.value, bytes: bytes?.value.into() })
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

/// How texts of requests, or of responses, are read.
type TemplateOf = fn(&str, Option<&Program>) -> Result<Template, Bad>;

/// Fields with texts.
fn texts(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    name: impl Fn(&str) -> Result<Box<str>, Bad>,
    template: TemplateOf,
) -> Option<Vec<(Box<str>, Template)>> {
    named_values(cx, key, node, name, |cx, node| Some(templated(cx, key, node, template)?.value))
}

/// A text with variables, to which the fetches of scripts belong.
pub(super) fn templated<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: impl FnOnce(&str, Option<&Program>) -> Result<T, Bad>,
) -> Option<Spanned<T>> {
    let scripts = cx.lua.clone();
    cx.parsed(key, node, |text| parse(text, scripts.program()))
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
    let prefix = t.read(cx, "prefix", |cx, key, node| templated(cx, key, node, prefix));
    let location = t.read(cx, "location", |cx, key, node| templated(cx, key, node, template));
    let code = t.read(cx, "code", redirect_status);
    t.finish(cx);
    if said.len() != 1 {
        let message = "a redirect needs one of `scheme`, `prefix` and `location`";
        cx.push_absence(Diagnostic::error(Code::BadCombination, node.span, message));
    }
    let to = scheme
        .or_else(|| prefix.map(|p| Location::Prefix(p.value)))
        .or_else(|| location.map(|l| Location::Whole(l.value)));
    let redirect = Redirect { status: code.unwrap_or(302), to: to? };
    (cx.errors == errors).then_some(redirect)
}

/// Of the request nothing is left but what rules have kept.
fn redirect_of_response(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Redirect> {
    let mut t = Fields::of(cx, &keys::RESPONSE_REDIRECT, node.key, node)?;
    let to = t.read(cx, "location", |cx, key, node| templated(cx, key, node, response_template));
    let code = t.read(cx, "code", redirect_status);
    t.finish(cx);
    let to = to?;
    if to.value.needs_request() {
        let message = "only the response and variables are filled in in responses; a dollar sign is `$$`";
        cx.push(Diagnostic::error(Code::BadValue, to.span, message));
        return None;
    }
    Some(Redirect { status: code.unwrap_or(302), to: Location::Whole(to.value) })
}

fn redirect_status(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<u16> {
    let code = Reader::int::<u16>(cx, key, node)?;
    if ![301, 302, 303, 307, 308].contains(&code.value) {
        let message = format!("{} is no status of a redirect", code.value);
        cx.push(Diagnostic::error(Code::BadValue, code.span, message).help("301, 302, 303, 307 or 308"));
        return None;
    }
    Some(code.value)
}

fn prefix(text: &str, scripts: Option<&Program>) -> Result<Template, Bad> {
    if text.is_empty() || text == "/" {
        return Err(Bad::new("would send clients to where they have been"));
    }
    template(text, scripts)
}

pub(super) fn template(text: &str, scripts: Option<&Program>) -> Result<Template, Bad> {
    field_value(text)?;
    any_template(text, scripts)
}

/// A text that may be empty.
pub(super) fn any_template(text: &str, scripts: Option<&Program>) -> Result<Template, Bad> {
    if text.chars().any(char::is_control) {
        return Err(Bad::new("has control characters"));
    }
    let fetches = |name: &str| Some(scripts?.find(Kind::Fetch, name)?.0);
    Template::parse_with(text, &fetches).map_err(|error| {
        let help = help(&error, scripts);
        Bad { help, ..Bad::new(error.to_string()) }
    })
}

/// The same for the text of a rule for responses.
fn response_template(text: &str, _scripts: Option<&Program>) -> Result<Template, Bad> {
    field_value(text)?;
    any_response_template(text)
}

fn any_response_template(text: &str) -> Result<Template, Bad> {
    if text.chars().any(char::is_control) {
        return Err(Bad::new("has control characters"));
    }
    Template::parse_of_response(text).map_err(|error| {
        let all = || format!("${{{}}}", Variable::OF_RESPONSES.join("}, ${"));
        let help = match &error {
            TemplateError::Nameless(kind) => Some(format!("${{{kind}(NAME)}}")),
            TemplateError::Unknown(_) | TemplateError::Open | TemplateError::Dollar => Some(all()),
            TemplateError::NoFetch(_) | TemplateError::Group(_) | TemplateError::Backslash => None,
        };
        Bad { help, ..Bad::new(error.to_string()) }
    })
}

/// What would have been right.
fn help(error: &TemplateError, scripts: Option<&Program>) -> Option<String> {
    let of_name = Variable::OF_NAME.map(|name| format!("{name}(NAME)"));
    let names = || Variable::NAMES.iter().map(|(name, _)| *name).chain(of_name.iter().map(String::as_str));
    let all = || names().map(|n| format!("${{{n}}}")).collect::<Vec<_>>().join(", ");
    match error {
        TemplateError::Unknown(name) => Some(match nearest(name, names()) {
            Some(n) => format!("${{{n}}}"),
            None => format!("there are {}", all()),
        }),
        TemplateError::NoFetch(name) => Some(lua::help(scripts, Kind::Fetch, name)),
        TemplateError::Nameless(kind) => Some(format!("${{{kind}(NAME)}}")),
        TemplateError::Open | TemplateError::Dollar => Some(format!("there are {}", all())),
        TemplateError::Group(_) | TemplateError::Backslash => None,
    }
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

const ACTIONS: [&str; 27] = [
    "deny",
    "tarpit",
    "silent_drop",
    "return",
    "redirect",
    "use_service",
    "wait_for_body",
    "set_bandwidth_limit",
    "capture",
    "set_header",
    "add_header",
    "del_header",
    "replace_header",
    "replace_value",
    "set_method",
    "set_path",
    "set_query",
    "set_pathq",
    "replace_path",
    "replace_pathq",
    "set_var",
    "lua",
    "set_log_level",
    "track",
    "sc_inc_gpc0",
    "sc_inc_gpc1",
    "sc_set_gpt0",
];

const RESPONSE_ACTIONS: [&str; 12] = [
    "deny",
    "return",
    "redirect",
    "set_header",
    "add_header",
    "del_header",
    "replace_header",
    "replace_value",
    "set_status",
    "set_var",
    "set_log_level",
    "lua",
];

/// RFC 9112 §3.2: a second one would be another request to some servers.
pub(super) const OF_REQUESTS: [&str; 1] = ["host"];

const PLACES: [&str; 3] = ["scheme", "prefix", "location"];

const EXAMPLE: &str = "{ deny = 403, if = \"is_admin\" }";
