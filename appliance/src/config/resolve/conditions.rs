//! Names of matchers looked up, in the frontend first, then at the top of the file, then among those that are always there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use evenkeel_proxy::plan::{BackendId, ServerId};
use evenkeel_proxy::rules::{Gauge, How, Matcher, Network, Scope, Test, Texts};
use evenkeel_proxy::table::TableConfig;

use super::counted;
use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{
    Condition, CountingDraft, GaugeDraft, GaugeOf, NamedCondition, On, Proxy, TcpActionDraft,
};
use crate::config::read::{Reader, shown};
use crate::config::source::{Span, Spanned};

/// What conditions can name besides matchers.
#[derive(Debug)]
pub(super) struct There<'a> {
    pub(super) tables: &'a [Spanned<TableConfig>],
    backends: BTreeMap<String, BackendId>,
    /// As `backend/server`.
    servers: BTreeMap<String, ServerId>,
    /// Tables in which connections are counted.
    pub(super) counting_connections: BTreeSet<String>,
}

impl<'a> There<'a> {
    /// Numbered as they are in the plan: in the order of the files.
    pub(super) fn new(proxies: &[Proxy], tables: &'a [Spanned<TableConfig>]) -> Self {
        let backs = || proxies.iter().filter(|p| p.side.is_back());
        let of = |p: &Proxy| {
            let backend = p.name.value.clone();
            p.servers.iter().map(move |s| format!("{backend}/{}", s.name.value)).collect::<Vec<_>>()
        };
        let counted = proxies.iter().flat_map(|p| &p.tcp_rules).filter_map(|rule| match &rule.action {
            TcpActionDraft::Counts(CountingDraft::Track(which, _)) => Some(which.table.value.clone()),
            TcpActionDraft::Counts(CountingDraft::Increase(..) | CountingDraft::SetTag(..))
            | TcpActionDraft::Is(_) => None,
        });
        Self {
            counting_connections: counted.collect(),
            tables,
            backends: backs().map(|p| p.name.value.clone()).zip((0..).map(BackendId)).collect(),
            servers: backs().flat_map(of).zip((0..).map(ServerId)).collect(),
        }
    }

    fn gauge(&self, cx: &mut Reader<'_>, draft: &GaugeDraft) -> Option<Test> {
        let GaugeDraft { of, name, range } = draft;
        let (backend, server) = (self.backends.get(&name.value), self.servers.get(&name.value));
        let gauge = match of {
            GaugeOf::Usable => backend.map(|id| Gauge::Usable(*id)),
            GaugeOf::Queued => backend.map(|id| Gauge::Queued(*id)),
            GaugeOf::Up => server.map(|id| Gauge::Up(*id)),
            GaugeOf::Running => server.map(|id| Gauge::Running(*id)),
            GaugeOf::Waiting => server.map(|id| Gauge::Waiting(*id)),
        };
        if gauge.is_none() {
            let d = match of.is_of_server() {
                true => undefined("server", name, self.servers.keys().map(String::as_str)),
                false => undefined("backend", name, self.backends.keys().map(String::as_str)),
            };
            cx.push(d);
        }
        gauge.map(|gauge| Test::Gauge(gauge, *range))
    }
}

/// Matchers that have a name. Those of a frontend lie over those of the file.
#[derive(Debug)]
pub(super) struct Matchers<'a> {
    outer: Option<&'a Self>,
    pub(super) there: &'a There<'a>,
    /// `None`: what it says has been reported.
    known: BTreeMap<&'a str, Option<Matcher>>,
}

/// Matchers being looked up, one for the other.
struct Looking<'a> {
    named: BTreeMap<&'a str, &'a Condition>,
    matchers: Matchers<'a>,
    underway: Vec<&'a str>,
}

impl<'a> Matchers<'a> {
    /// Looks up what is in `named`, and reports what is not there.
    pub(super) fn new(
        cx: &mut Reader<'_>,
        named: &'a [NamedCondition],
        outer: Option<&'a Self>,
        there: &'a There<'a>,
    ) -> Self {
        let by_name = named.iter().map(|(name, condition)| (name.value.as_str(), condition)).collect();
        let matchers = Matchers { outer, there, known: BTreeMap::new() };
        let mut looking = Looking { named: by_name, matchers, underway: Vec::new() };
        for (name, _) in named {
            looking.define(cx, &name.value);
        }
        looking.matchers
    }

    /// A condition with all names looked up. `None`: what is wrong has been reported.
    pub(super) fn resolve(&self, cx: &mut Reader<'_>, condition: &Condition) -> Option<Matcher> {
        resolve(cx, self.there, condition, &mut |cx, name| self.find(cx, name))
    }

    fn find(&self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<Matcher> {
        self.look(&name.value).unwrap_or_else(|| missing(cx, name, self.known.keys().copied(), self.outer))
    }

    /// What a name stands for here; the inner `None`: that has been reported.
    fn look(&self, name: &str) -> Option<Option<Matcher>> {
        self.known.get(name).cloned().or_else(|| beyond(self.outer, name))
    }
}

/// The same for a name that a section does not have itself.
fn beyond(outer: Option<&Matchers<'_>>, name: &str) -> Option<Option<Matcher>> {
    match outer {
        Some(outer) => outer.look(name),
        None => predefined(name).map(Some),
    }
}

/// Reports a name that stands for nothing, with those that do.
fn missing<'n>(
    cx: &mut Reader<'_>,
    name: &Spanned<String>,
    own: impl Iterator<Item = &'n str> + Clone,
    outer: Option<&'n Matchers<'n>>,
) -> Option<Matcher> {
    let outer = outer.into_iter().flat_map(|o| o.known.keys().copied());
    cx.push(undefined("matcher", name, own.chain(outer).chain(ALWAYS)));
    None
}

impl<'a> Looking<'a> {
    /// Looks up what a matcher says. What is reported of it is reported once, where it stands.
    fn define(&mut self, cx: &mut Reader<'_>, name: &'a str) -> Option<Matcher> {
        if let Some(known) = self.matchers.known.get(name) {
            return known.clone();
        }
        let condition = *self.named.get(name)?;
        self.underway.push(name);
        let there = self.matchers.there;
        let when = resolve(cx, there, condition, &mut |cx, other| self.look_up(cx, other));
        self.underway.pop();
        self.matchers.known.insert(name, when.clone());
        when
    }

    fn look_up(&mut self, cx: &mut Reader<'_>, name: &Spanned<String>) -> Option<Matcher> {
        let outer = self.matchers.outer;
        let Some((own, _)) = self.named.get_key_value(name.value.as_str()) else {
            let own = self.named.keys().copied();
            return beyond(outer, &name.value).unwrap_or_else(|| missing(cx, name, own, outer));
        };
        if self.underway.contains(own) {
            let message = format!("matcher {} refers to itself", shown(&name.value));
            cx.push(Diagnostic::error(Code::BadCombination, name.span, message));
            return None;
        }
        self.define(cx, own)
    }
}

/// Looks names up and puts together what they stand for.
fn resolve<'e>(
    cx: &mut Reader<'e>,
    there: &There<'_>,
    condition: &Condition,
    find: &mut dyn FnMut(&mut Reader<'e>, &Spanned<String>) -> Option<Matcher>,
) -> Option<Matcher> {
    let mut all = |cx: &mut Reader<'e>, parts: &[Condition]| -> Option<Vec<Matcher>> {
        let read: Vec<_> = parts.iter().map(|part| resolve(cx, there, part, find)).collect();
        read.into_iter().collect()
    };
    match condition {
        Condition::Named(name) => find(cx, name),
        Condition::Test(test) => Some(Matcher::Test(test.clone())),
        Condition::Counted(draft) => counted::condition(cx, draft, there).map(Matcher::Test),
        Condition::Gauge(draft) => there.gauge(cx, draft).map(Matcher::Test),
        Condition::Not(part) => {
            let part = all(cx, std::slice::from_ref(&**part))?.pop()?;
            Some(Matcher::Not(Box::new(part)))
        }
        Condition::All(parts) => {
            let mut parts = all(cx, parts)?;
            if parts.len() == 1 {
                return parts.pop();
            }
            Some(Matcher::All(parts))
        }
        Condition::Any(parts) => all(cx, parts).map(Matcher::Any),
    }
}

/// Where a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Tcp(On),
    Request,
    Response,
}

impl Stand {
    /// What can be looked at there.
    const fn sees(self) -> &'static [Scope] {
        match self {
            Self::Tcp(On::Connection) => &[Scope::Connection],
            Self::Tcp(On::Session) => &[Scope::Connection, Scope::Session],
            Self::Tcp(On::Content) => &[Scope::Connection, Scope::Session, Scope::Content],
            Self::Request => &[Scope::Connection, Scope::Session, Scope::Request],
            Self::Response => &[Scope::Connection, Scope::Session, Scope::Request, Scope::Response],
        }
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(On::Connection) => "a rule on connections",
            Self::Tcp(On::Session) => "a rule on sessions",
            Self::Tcp(On::Content) => "a rule on content",
            Self::Request => "a rule for requests",
            Self::Response => "a rule for responses",
        })
    }
}

/// What a test looks at, for people.
pub(super) const fn looks_at(scope: Scope) -> &'static str {
    match scope {
        Scope::Connection => "connections",
        Scope::Session => "TLS sessions (`ssl_…`)",
        Scope::Content => "TLS that is passed on (`req_…`)",
        Scope::Request => "requests",
        Scope::Response => "responses (`status`, `res_hdr…`)",
    }
}

/// Refuses a condition on what cannot be seen where it stands. Whether it is one that can.
pub(super) fn check_scope(cx: &mut Reader<'_>, when: &Matcher, stand: Stand, at: Span) -> bool {
    let Some(beyond) = when.beyond(stand.sees()) else { return true };
    let message = format!("{stand} cannot look at {}: {beyond}", looks_at(beyond.scope()));
    let help = match (stand, beyond.scope()) {
        (Stand::Tcp(On::Connection), Scope::Session) => Some("on = \"session\""),
        (Stand::Tcp(On::Connection | On::Session), Scope::Content) => Some("on = \"content\", in mode tcp"),
        (Stand::Tcp(_), Scope::Request) => Some("http_request"),
        (Stand::Tcp(_) | Stand::Request, Scope::Response) => Some("http_response"),
        (Stand::Tcp(_) | Stand::Request | Stand::Response, _) => None,
    };
    let d = Diagnostic::error(Code::BadCombination, at, message);
    cx.push(d.help_if(help.map(str::to_owned)));
    false
}

/// Matchers that are always there, by HAProxy's names.
fn predefined(name: &str) -> Option<Matcher> {
    let methods = |methods: &[&str]| {
        let methods = methods.iter().map(|&m| m.into()).collect();
        Texts::new(How::Exact, false, methods).ok().map(|texts| Matcher::Test(Test::Method(texts)))
    };
    match name {
        "TRUE" => Some(Matcher::All(Vec::new())),
        "FALSE" => Some(Matcher::Any(Vec::new())),
        "LOCALHOST" => {
            let local = [([127, 0, 0, 0].into(), 8), (std::net::Ipv6Addr::LOCALHOST.into(), 128)];
            let networks = local.into_iter().map(|(address, prefix)| Network { address, prefix });
            Some(Matcher::Test(Test::Source(networks.collect())))
        }
        "METH_GET" => methods(&["GET", "HEAD"]),
        "HTTP_1.0" | "HTTP_1.1" | "HTTP_2.0" => {
            let version = vec![name.trim_start_matches("HTTP_").into()];
            Texts::new(How::Exact, false, version).ok().map(|texts| Matcher::Test(Test::Version(texts)))
        }
        _ => {
            let method = name.strip_prefix("METH_").filter(|_| ALWAYS.contains(&name))?;
            methods(&[method])
        }
    }
}

const ALWAYS: [&str; 13] = [
    "TRUE",
    "FALSE",
    "LOCALHOST",
    "METH_GET",
    "METH_HEAD",
    "METH_POST",
    "METH_PUT",
    "METH_DELETE",
    "METH_OPTIONS",
    "METH_TRACE",
    "HTTP_1.0",
    "HTTP_1.1",
    "HTTP_2.0",
];
