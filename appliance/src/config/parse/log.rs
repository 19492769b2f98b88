//! Log targets, and what records show.

use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_proxy::access_log::format::Field;
use evenkeel_proxy::access_log::{
    Capture, Captures, CookieCapture, Destination, Facility, Format, FormatError, Header, Level, LogTarget,
    Sample,
};
use evenkeel_proxy::plan::{LogFormat, UniqueId};
use evenkeel_proxy::rules::template::{TemplateError, Variable};

use super::rule;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::settings::RecordSettings;
use crate::config::suggest::nearest;
use crate::config::value::{self, Bad};

/// An array of log targets. One alone needs no array.
pub(super) fn targets(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Vec<LogTarget> {
    if node.elements().is_none() && node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("log = [{ to = \"/dev/log\" }]".to_owned()));
        return Vec::new();
    }
    node.one_or_many().into_iter().filter_map(|n| target(cx, n)).collect()
}

fn target(cx: &mut Reader<'_>, node: Node<'_>) -> Option<LogTarget> {
    let mut t = Fields::of(cx, &keys::LOG_TARGET, node.key, node)?;
    let to = t.read(cx, "to", |cx, key, node| cx.parsed(key, node, destination));
    let header_at = t.key_span("format");
    let header = t.read(cx, "format", Reader::word).and_then(|w| Header::named(w.value));
    let facility = t.read(cx, "facility", Reader::word).and_then(|w| Facility::named(w.value));
    let level = t.read(cx, "level", Reader::word).and_then(|w| Level::named(w.value));
    let tag = t.read(cx, "tag", |cx, key, node| cx.parsed(key, node, tag));
    let sample = t.read(cx, "sample", |cx, key, node| cx.parsed(key, node, sample)).map(|s| s.value);
    t.finish(cx);
    let usual = LogTarget::new(to?.value);
    if let (Destination::Journal(_), Some(at)) = (&usual.to, header_at) {
        let message = "the journal has fields for what other targets have in front of a line";
        cx.push(Diagnostic::error(Code::BadCombination, at, message));
    }
    Some(LogTarget {
        header: header.unwrap_or(usual.header),
        facility: facility.unwrap_or(usual.facility),
        level: level.unwrap_or(usual.level),
        tag: tag.map_or(usual.tag, |t| t.value),
        to: usual.to,
        sample,
    })
}

fn destination(text: &str) -> Result<Destination, Bad> {
    match text {
        "stdout" => return Ok(Destination::Stdout),
        "stderr" => return Ok(Destination::Stderr),
        "journald" => return Ok(Destination::Journal(PathBuf::from(JOURNAL))),
        _ => {}
    }
    if let Some(path) = text.strip_prefix("file:") {
        return if path.starts_with('/') {
            Ok(Destination::File(PathBuf::from(path)))
        } else {
            Err(Bad::new("has no absolute path").help("\"file:/var/log/evenkeel.log\""))
        };
    }
    if text.starts_with('/') {
        return Ok(Destination::Unix(PathBuf::from(text)));
    }
    let at = match text.strip_prefix("tcp:") {
        Some(address) => value::socket(address).map(Destination::Tcp),
        None => value::socket(text.strip_prefix("udp:").unwrap_or(text)).map(Destination::Udp),
    };
    at.map_err(|bad| match bad.help {
        Some(_) => bad,
        None => bad.help(
            "a socket path, \"IP:PORT\", \"tcp:IP:PORT\", \"journald\", \"file:PATH\", \"stdout\" or \"stderr\"",
        ),
    })
}

/// RFC 5424 §6.2.5 allows 48 printable characters.
pub(super) fn tag(text: &str) -> Result<String, Bad> {
    let good = !text.is_empty() && text.len() <= 48 && text.chars().all(|c| c.is_ascii_graphic());
    if good { Ok(text.to_owned()) } else { Err(Bad::new("is not a word of 1 to 48 printable characters")) }
}

/// `RANGES:SIZE`, as HAProxy has it.
fn sample(text: &str) -> Result<Sample, Bad> {
    let bad = |why: &str| Bad::new(why).help("\"1:10\" is the first of ten, \"1,3-5:10\" four of ten");
    let (ranges, of) = text.split_once(':').ok_or_else(|| bad("is no sample"))?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(|| bad("is no sample"));
    let of = number(of)?;
    let range = |range: &str| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Ok((number(from)?, number(to)?))
    };
    let ranges = ranges.split(',').map(range).collect::<Result<Vec<_>, Bad>>()?;
    if ranges.iter().any(|(from, to)| from > to || *to > of) {
        return Err(bad("has a range that is not within its size"));
    }
    if ranges.iter().zip(ranges.iter().skip(1)).any(|(one, next)| next.0 <= one.1) {
        return Err(bad("has ranges that overlap, or are not in order"));
    }
    Ok(Sample { ranges, of })
}

/// `log_format`: by name, or a text.
pub(in crate::config) fn format(text: &str) -> Result<LogFormat, Bad> {
    match text {
        "httplog" => Ok(LogFormat::Httplog),
        "tcplog" => Ok(LogFormat::Tcplog),
        "json" => Ok(LogFormat::Json),
        "clf" => own_format(Format::CLF),
        _ if text.contains(['%', '$']) => own_format(text),
        _ => {
            let names = ["httplog", "tcplog", "clf", "json"];
            let meant = nearest(text, names).map(|name| format!("\"{name}\""));
            let all = || {
                "\"httplog\", \"tcplog\", \"clf\", \"json\" or a text like \"${client_ip} %r %ST\"".to_owned()
            };
            Err(Bad::new("has nothing of a request in it").help(meant.unwrap_or_else(all)))
        }
    }
}

fn own_format(text: &str) -> Result<LogFormat, Bad> {
    let format = parsed(text)?;
    if format.is_fixed() {
        return Err(Bad::new("has nothing of a request in it"));
    }
    Ok(LogFormat::Custom(Arc::new(format)))
}

fn parsed(text: &str) -> Result<Format, Bad> {
    if text.chars().any(char::is_control) {
        return Err(Bad::new("has control characters"));
    }
    Format::parse(text).map_err(|error| {
        let meant = match &error {
            FormatError::Variable(TemplateError::Unknown(name)) => nearest_variable(name),
            FormatError::Variable(TemplateError::Nameless(kind)) => Some(format!("${{{kind}(NAME)}}")),
            FormatError::Expression { instead, .. } => instead.clone(),
            FormatError::Variable(
                TemplateError::Open
                | TemplateError::Dollar
                | TemplateError::NoFetch(_)
                | TemplateError::Group(_)
                | TemplateError::Backslash,
            )
            | FormatError::Percent
            | FormatError::Letters(_)
            | FormatError::Flag(_)
            | FormatError::Flags => None,
        };
        let all = || "`evenkeel explain log_format` tells of all variables".to_owned();
        Bad::new(error.to_string()).help(meant.unwrap_or_else(all))
    })
}

fn nearest_variable(name: &str) -> Option<String> {
    let of_rules = Variable::NAMES.iter().map(|(name, _)| *name);
    nearest(name, Field::names().chain(of_rules)).map(|name| format!("${{{name}}}"))
}

/// What a section says of records, beside where they go and what they look like.
pub(super) fn records(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> RecordSettings {
    RecordSettings {
        dontlog_normal: t.known(cx, "dontlog_normal", Reader::bool).map(|b| b.value),
        separate_errors: t.known(cx, "log_separate_errors", Reader::bool).map(|b| b.value),
        tag: t.known(cx, "log_tag", |cx, key, node| cx.parsed(key, node, tag)).map(|tag| tag.value),
        capture: t.known(cx, "capture", capture),
        unique_id: t.known(cx, "unique_id", unique_id),
    }
}

fn capture(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Captures> {
    let mut t = Fields::of(cx, &keys::CAPTURE, node.key, node)?;
    let request = t.read(cx, "request", captures).unwrap_or_default();
    let response = t.read(cx, "response", captures).unwrap_or_default();
    let cookie = t.read(cx, "cookie", |cx, _, node| {
        let mut t = Fields::of(cx, &keys::CAPTURE_COOKIE, node.key, node)?;
        let begin = t.read(cx, "name", |cx, key, node| cx.parsed(key, node, cookie_name));
        let bytes = t.read(cx, "len", Reader::int);
        t.finish(cx);
        Some(CookieCapture { begin: begin?.value, bytes: bytes?.value })
    });
    t.finish(cx);
    Some(Captures { request, response, cookie, ..Captures::default() })
}

fn captures(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Vec<Capture>> {
    let one = |cx: &mut Reader<'_>, node: Node<'_>| {
        let mut t = Fields::of(cx, &keys::CAPTURE_FIELD, node.key, node)?;
        let name = t.read(cx, "header", |cx, key, node| cx.parsed(key, node, field_name));
        let bytes = t.read(cx, "len", Reader::int);
        t.finish(cx);
        Some(Capture { name: name?.value, bytes: bytes?.value })
    };
    Some(node.one_or_many().into_iter().filter_map(|n| one(cx, n)).collect())
}

fn field_name(text: &str) -> Result<Box<str>, Bad> {
    if value::is_token(text) { Ok(text.into()) } else { Err(Bad::new("is not the name of a field")) }
}

fn cookie_name(text: &str) -> Result<Box<str>, Bad> {
    let name = text.strip_suffix('=').unwrap_or(text);
    if value::is_token(name) { Ok(text.into()) } else { Err(Bad::new("is not the name of a cookie")) }
}

/// `Some(None)`: said to be off.
fn unique_id(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Option<UniqueId>> {
    let usual = || Format::parse("${uuid}").ok();
    if let Some(on) = node.value.as_bool() {
        let make = || Some(UniqueId { format: usual()?, tells: told("X-Request-ID").ok() });
        return Some(on.then(make).flatten());
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, None);
        return None;
    }
    let mut t = Fields::of(cx, &keys::UNIQUE_ID, node.key, node)?;
    let format_said = t.has("format");
    let format = t.read(cx, "format", |cx, key, node| cx.parsed(key, node, id_format)).map(|f| f.value);
    let tells = t.read(cx, "header", |cx, key, node| cx.parsed(key, node, told)).map(|name| name.value);
    t.finish(cx);
    let format = if format_said { format } else { usual() };
    Some(Some(UniqueId { format: format?, tells }))
}

fn id_format(text: &str) -> Result<Format, Bad> {
    let format = parsed(text)?;
    if let Some(later) = format.later() {
        return Err(Bad::new(format!("has `{later}`, which is not known when a request begins")));
    }
    if format.is_fixed() {
        return Err(Bad::new("is the same for every request").help("\"${uuid}\""));
    }
    Ok(format)
}

/// A field that the proxy sets.
fn told(name: &str) -> Result<Box<str>, Bad> {
    if rule::OF_REQUESTS.iter().any(|f| name.eq_ignore_ascii_case(f)) {
        return Err(Bad::new("says where a request goes"));
    }
    rule::changeable(name)
}

/// Where the journal listens (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const JOURNAL: &str = "/run/systemd/journal/socket";
