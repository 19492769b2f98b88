//! Conditions and actions in words: what is asked, what a request has of it, and what comes of that.

use std::fmt;

use super::action::{Action, BodyWait, Limit, Location, Redirect, Reply, Service};
use super::edits::{Edit, LogLevel, Value};
use super::line::LineEdit;
use super::matcher::{Looked, Matcher, Request, Test, elements, said};
use super::networks::Networks;
use super::response::{Answered, ResponseAction};
use super::texts::Texts;
use crate::bandwidth::Bandwidth;

/// What a condition comes to for one request. Made by the very look that decides about requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is asked: `path begins with "/admin"`.
    pub asked: String,
    /// What the request has of it. `None`: nothing, or it is asked of several parts.
    pub found: Option<String>,
    /// Whether it holds. `None`: only the response can tell.
    pub holds: Option<bool>,
    /// The conditions that it is made of, as far as they are asked: up to the one that settles it.
    pub parts: Vec<Self>,
}

impl Matcher {
    /// The same as [`Matcher::holds`], with the reasons.
    pub fn explain<R: Request>(&self, request: &Looked<'_, R>) -> Finding {
        match self {
            Self::All(parts) if parts.is_empty() => leaf("always".into(), None, Some(true)),
            Self::Any(parts) if parts.is_empty() => leaf("never".into(), None, Some(false)),
            Self::All(parts) | Self::Any(parts) if parts.len() == 1 => parts[0].explain(request),
            Self::All(parts) => group("all of", parts, request, false),
            Self::Any(parts) => group("one of", parts, request, true),
            Self::Not(part) => {
                let part = part.explain(request);
                let holds = part.holds.map(|holds| !holds);
                Finding { asked: "not".into(), found: None, holds, parts: vec![part] }
            }
            Self::Test(test) => {
                let holds = if self.looks_at_response() { None } else { Some(self.holds(request)) };
                leaf(test.to_string(), test.found(request), holds)
            }
        }
    }
}

fn leaf(asked: String, found: Option<String>, holds: Option<bool>) -> Finding {
    Finding { asked, found, holds, parts: Vec::new() }
}

/// Asks up to the first that is `settled`.
fn group<R: Request>(asked: &str, all: &[Matcher], request: &Looked<'_, R>, settled: bool) -> Finding {
    let (mut parts, mut known) = (Vec::new(), true);
    for matcher in all {
        let part = matcher.explain(request);
        let is_settled = part.holds == Some(settled);
        known &= part.holds.is_some();
        parts.push(part);
        if is_settled {
            return Finding { asked: asked.into(), found: None, holds: Some(settled), parts };
        }
    }
    Finding { asked: asked.into(), found: None, holds: known.then_some(!settled), parts }
}

impl Test {
    /// What a request has of what is asked.
    fn found<R: Request>(&self, looked: &Looked<'_, R>) -> Option<String> {
        let request = looked.request();
        let tls = request.tls();
        let certificate = tls.and_then(|t| t.client.as_ref());
        match self {
            Self::Host(_) => Some(quoted(looked.host())),
            Self::Path(_) if looked.path() != looked.raw_path() => {
                Some(format!("{}, sent as {}", quoted(looked.path()), quoted(looked.raw_path())))
            }
            Self::Path(_) | Self::RawPath(_) => Some(quoted(looked.raw_path())),
            Self::Method(_) => Some(quoted(request.method())),
            Self::Header(name, _) => list(|look| {
                request.fields(name, &mut |value| {
                    elements(value).for_each(&mut *look);
                    false
                });
            }),
            Self::Query(name, _) => list(|look| {
                looked.parameters(name, &mut |value| {
                    look(value);
                    false
                });
            }),
            Self::Cookie(name, _) => list(|look| {
                looked.cookies(name, &mut |value| {
                    look(value);
                    false
                });
            }),
            Self::Accepts(_) => list(|look| {
                request.fields("accept", &mut |value| {
                    look(value);
                    false
                });
            }),
            Self::Variable(name, _) => request.variable(name).map(quoted),
            Self::Source(_) => Some(request.source().to_canonical().to_string()),
            Self::Destination(_) | Self::DestinationPort(..) => {
                request.destination().map(|to| to.to_string())
            }
            Self::Sni(_) => tls.and_then(|t| t.server_name.as_deref()).map(|name| quoted(name.as_bytes())),
            Self::Alpn(_) => tls.and_then(|t| t.alpn.as_deref()).map(quoted),
            Self::Subject(_) => certificate.map(|c| quoted(c.subject.one_line().as_bytes())),
            Self::CommonName(_) => {
                certificate.and_then(|c| c.subject.part("CN")).map(|cn| quoted(cn.as_bytes()))
            }
            Self::Counted(number, _) => request.counted(number).map(|number| number.to_string()),
            Self::HeaderCount(name, _) => Some(looked.count(name).to_string()),
            Self::TargetLength(_) => Some(request.target().len().to_string()),
            Self::Version(_) => Some(request.version().to_owned()),
            Self::SourcePort(..) => Some(request.source_port().to_string()),
            Self::HelloName(_) => {
                said(request).and_then(|h| h.server_name.as_deref()).map(|name| quoted(name.as_bytes()))
            }
            Self::HelloAlpn(_) => list(|look| {
                let offered = said(request).into_iter().flat_map(|hello| &hello.protocols);
                offered.for_each(|name| look(name));
            }),
            Self::Received(_) => Some(request.received().bytes.to_string()),
            Self::TlsVersion(_) => tls.map(|t| t.version.as_str().to_owned()),
            Self::TlsCipher(_) => tls.map(|t| t.cipher.to_owned()),
            Self::Gauge(gauge, _) => request.gauge(*gauge).map(|number| number.to_string()),
            Self::Hours(hours) => request.day_time(hours.zone).map(|at| at.to_string()),
            Self::Fetched(..)
            | Self::IsFetched(_)
            | Self::HasHeader(_)
            | Self::HasQuery(_)
            | Self::HasCookie(_)
            | Self::HasVariable(_)
            | Self::Tls(_)
            | Self::Certificate(_)
            | Self::Chance(..)
            | Self::Response(_) => None,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(texts) => write!(f, "host {}", Asked(texts)),
            Self::Path(texts) => write!(f, "path {}", Asked(texts)),
            Self::RawPath(texts) => write!(f, "raw path {}", Asked(texts)),
            Self::Method(texts) => write!(f, "method {}", Asked(texts)),
            Self::Header(name, texts) => write!(f, "an element of field {name} {}", Asked(texts)),
            Self::HasHeader(name) => write!(f, "there is a field {name}"),
            Self::Query(name, texts) => write!(f, "parameter {name} {}", Asked(texts)),
            Self::HasQuery(name) => write!(f, "there is a parameter {name}"),
            Self::Cookie(name, texts) => write!(f, "cookie {name} {}", Asked(texts)),
            Self::HasCookie(name) => write!(f, "there is a cookie {name}"),
            Self::Variable(name, texts) => write!(f, "variable {name} {}", Asked(texts)),
            Self::HasVariable(name) => write!(f, "there is a variable {name}"),
            Self::Accepts(wanted) => write!(f, "the client takes {wanted}"),
            Self::Source(networks) => write!(f, "source is in {}", Ranges(networks)),
            Self::Destination(networks) => write!(f, "destination is in {}", Ranges(networks)),
            Self::DestinationPort(from, to) if from == to => write!(f, "destination port is {from}"),
            Self::DestinationPort(from, to) => write!(f, "destination port is {from} to {to}"),
            Self::Tls(wanted) => write!(f, "the client speaks {}TLS", if *wanted { "" } else { "no " }),
            Self::Sni(texts) => write!(f, "server name of the handshake {}", Asked(texts)),
            Self::Alpn(texts) => write!(f, "protocol of the handshake {}", Asked(texts)),
            Self::Certificate(wanted) => {
                write!(f, "the client has shown {} certificate", if *wanted { "a" } else { "no" })
            }
            Self::Subject(texts) => write!(f, "subject of the client's certificate {}", Asked(texts)),
            Self::CommonName(texts) => write!(f, "common name of the client's certificate {}", Asked(texts)),
            Self::Counted(number, range) => write!(f, "{number} is {range}"),
            Self::Fetched(call, texts) => write!(f, "lua({call}), which is not run here, {}", Asked(texts)),
            Self::IsFetched(call) => write!(f, "lua({call}), which is not run here, says yes"),
            Self::HeaderCount(name, range) => write!(f, "number of elements of field {name} is {range}"),
            Self::TargetLength(range) => write!(f, "length of path and query is {range}"),
            Self::Version(texts) => write!(f, "version of HTTP {}", Asked(texts)),
            Self::SourcePort(from, to) if from == to => write!(f, "source port is {from}"),
            Self::SourcePort(from, to) => write!(f, "source port is {from} to {to}"),
            Self::HelloName(texts) => write!(f, "name asked for in the ClientHello {}", Asked(texts)),
            Self::HelloAlpn(texts) => write!(f, "a protocol offered in the ClientHello {}", Asked(texts)),
            Self::Received(range) => write!(f, "number of bytes received is {range}"),
            Self::TlsVersion(texts) => write!(f, "version of TLS {}", Asked(texts)),
            Self::TlsCipher(texts) => write!(f, "cipher suite {}", Asked(texts)),
            Self::Response(answered) => answered.fmt(f),
            Self::Gauge(gauge, range) => write!(f, "{gauge} is {range}"),
            Self::Hours(hours) => write!(f, "time of day is {hours}"),
            Self::Chance(of, range) => write!(f, "a random number below {of} is {range}"),
        }
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(ranges) => {
                f.write_str("the status is ")?;
                ranges
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, range)| write!(f, "{}{range}", if at == 0 { "" } else { ", " }))
            }
            Self::Header(name, texts) => {
                write!(f, "an element of field {name} of the response {}", Asked(texts))
            }
            Self::HasHeader(name) => write!(f, "there is a field {name} in the response"),
            Self::HeaderCount(name, range) => {
                write!(f, "number of elements of field {name} of the response is {range}")
            }
        }
    }
}

impl fmt::Display for ResponseAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(edit) => edit.fmt(f),
            Self::SetStatus(status) => write!(f, "set_status {status}"),
            Self::Lua(call) => write!(f, "lua {call}, which is not run here"),
            Self::Deny(status) => write!(f, "deny with {status}"),
            Self::Return(reply) => reply.fmt(f),
            Self::Redirect(redirect) => redirect.fmt(f),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "return {} with {} bytes", self.status, self.content.len())
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redirect with {}", self.status)?;
        match &self.to {
            Location::Scheme(scheme) => write!(f, " to {scheme}"),
            Location::Prefix(text) => write!(f, " to {text} and path and query"),
            Location::Whole(text) => write!(f, " to {text}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(edit) => edit.fmt(f),
            Self::Count(count) => count.fmt(f),
            Self::WaitForBody(BodyWait { time, at_least: None }) => write!(f, "wait_for_body {time:?}"),
            Self::WaitForBody(BodyWait { time, at_least: Some(bytes) }) => {
                write!(f, "wait_for_body {time:?}, or for {bytes} bytes")
            }
            Self::Limit(limit) => limit.fmt(f),
            Self::Deny(status) => write!(f, "deny with {status}"),
            Self::Tarpit(status) => write!(f, "tarpit, then {status}"),
            Self::SilentDrop => f.write_str("silent_drop"),
            Self::Lua(call) => write!(f, "lua {call}, which is not run here"),
            Self::Serve(Service::Prometheus) => f.write_str("answer with the metrics"),
            Self::Serve(Service::Stats) => f.write_str("answer with the statistics page"),
            Self::Return(reply) => reply.fmt(f),
            Self::Redirect(redirect) => redirect.fmt(f),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("set_bandwidth_limit")?;
        let Bandwidth { download, upload } = self.bandwidth;
        for (name, rate) in [("download", download), ("upload", upload)] {
            if let Some(rate) = rate {
                write!(f, " {name} {rate} bytes a second")?;
            }
        }
        if self.keyed.is_some() { f.write_str(" for all with the same key") } else { Ok(()) }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(name, text) => write!(f, "set_header {name}: {text}"),
            Self::Add(name, text) => write!(f, "add_header {name}: {text}"),
            Self::Del(name) => write!(f, "del_header {name}"),
            Self::Replace(name, by) => write!(f, "replace_header {name}: {by}"),
            Self::ReplaceElements(name, by) => write!(f, "replace_value {name}: {by}"),
            Self::Line(LineEdit::Method(method)) => write!(f, "set_method {method}"),
            Self::Line(LineEdit::Path(text)) => write!(f, "set_path {text}"),
            Self::Line(LineEdit::Query(text)) => write!(f, "set_query {text}"),
            Self::Line(LineEdit::PathQuery(text)) => write!(f, "set_pathq {text}"),
            Self::Line(LineEdit::ReplacePath(by)) => write!(f, "replace_path {by}"),
            Self::Line(LineEdit::ReplacePathQuery(by)) => write!(f, "replace_pathq {by}"),
            Self::Capture { text, .. } => write!(f, "capture {text}"),
            Self::LogLevel(LogLevel::Silent) => f.write_str("set_log_level silent"),
            Self::LogLevel(LogLevel::Level(level)) => write!(f, "set_log_level {}", level.name()),
            Self::Variable(name, Value::Text(text)) => write!(f, "set_var {name} = {text}"),
            Self::Variable(name, Value::Mapped { key, .. }) => {
                write!(f, "set_var {name} from a map by {key}")
            }
            Self::Variable(name, Value::Converted { by, of, .. }) => {
                write!(f, "set_var {name} by lua {by} of {of}")
            }
        }
    }
}

/// What texts are compared with.
struct Asked<'a>(&'a Texts);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(list) = self.0.list() {
            return write!(f, "{} ({})", Asked(&list.used()), list.names().join(", "));
        }
        let patterns = self.0.patterns();
        write!(f, "{}", self.0.how())?;
        if patterns.len() != 1 {
            f.write_str(" one of")?;
        }
        for (at, pattern) in patterns.iter().take(SHOWN).enumerate() {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, quoted(pattern.as_bytes()))?;
        }
        match patterns.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

struct Ranges<'a>(&'a Networks);

impl fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(list) = self.0.list() {
            return write!(f, "{} ({})", Ranges(&list.used()), list.names().join(", "));
        }
        let mut all = self.0.ranges();
        for (at, (first, last)) in all.by_ref().take(SHOWN).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        match all.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// All values, or that there is none.
fn list(each: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    each(&mut |value| all.push(quoted(value)));
    (!all.is_empty()).then(|| all.join(", "))
}

/// Whatever it is, on one line.
fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", text.escape_ascii())
}

/// So many of what is compared with are told.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests;
