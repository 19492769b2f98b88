//! What rules and balancers see of a request, and how rules are asked.

use std::net::{IpAddr, SocketAddr};

use super::super::caller::Caller;
use super::super::scripts::Scripting;
use super::super::{chance, persist, time_of_day};
use super::counted;
use super::demands::Limits;
use super::exchange::Exchange;
use super::ours::{Ours, Silent};
use super::scripted::{self, Then};
use crate::access_log::capture;
use crate::balance::{State, Subject};
use crate::h1::field::Known;
use crate::h1::head::{Field, HeadIndex, Method, Request, Version};
use crate::h1::target::Target;
use crate::lua::Message;
use crate::map::MapId;
use crate::rules::line::LineEdit;
use crate::rules::template::Template;
use crate::rules::{
    self, Call, Change, DayTime, Edit, Edits, Gauge, Looked, Number, Request as _, Rule, Said, Zone, action,
};
use crate::sticky::pairs;
use crate::tls::SessionFacts;

/// A head as it was parsed.
pub(super) struct Parsed<'a> {
    pub(super) request: Request,
    pub(super) index: &'a HeadIndex,
    /// The head alone.
    pub(super) bytes: &'a [u8],
}

impl persist::Request for Parsed<'_> {
    fn cookies(&self) -> impl Iterator<Item = &[u8]> {
        self.index.all(Known::Cookie).map(|f| f.value.of(self.bytes))
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let named = |f: &&Field| f.name.of(self.bytes).eq_ignore_ascii_case(name.as_bytes());
        self.index.fields().iter().find(named).map(|f| f.value.of(self.bytes))
    }
}

impl capture::Head for Parsed<'_> {
    fn last(&self, name: &str) -> Option<&[u8]> {
        self.index.last(self.bytes, name)
    }

    fn cookies(&self, look: &mut capture::Look<'_>) {
        let pairs = persist::Request::cookies(self).flat_map(pairs);
        let _found = pairs.into_iter().any(|pair| look(pair.name, pair.value));
    }
}

/// What is known of a request besides what rules make of it.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) parsed: &'a Parsed<'a>,
    pub(super) target: &'a Target<'a>,
    pub(super) caller: &'a Caller,
    pub(super) state: &'a State,
    /// `None`: there are none.
    pub(super) scripting: Option<Scripting<'a>>,
}

impl Given<'_> {
    /// The refusal of a request for which a script has failed.
    #[inline]
    pub(super) fn failed(&self) -> Option<Box<Ours>> {
        let scripting = self.scripting.as_ref()?;
        scripting.has_failed().then(|| Ours::Denial(500).into())
    }
}

/// A request, for the balancer to look at.
pub(super) struct Asking<'a> {
    pub(super) given: Given<'a>,
    pub(super) edits: &'a Edits,
}

/// Values of all fields of this name, as rules have left them.
pub(super) fn values<'a>(
    parsed: &'a Parsed<'_>,
    edits: &'a Edits,
    name: &str,
) -> impl Iterator<Item = &'a [u8]> {
    let Parsed { index, bytes, .. } = parsed;
    let came = if edits.is_gone(name.as_bytes()) { &[] } else { index.fields() };
    let named = came.iter().filter(move |f| f.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()));
    named.map(|f| f.value.of(bytes)).chain(edits.added(name))
}

impl Subject for Asking<'_> {
    fn source(&self) -> IpAddr {
        self.given.caller.source.ip()
    }

    fn target(&self) -> &[u8] {
        self.edits.target().unwrap_or_else(|| self.given.parsed.request.target.of(self.given.parsed.bytes))
    }

    fn host(&self) -> &[u8] {
        let Parsed { index, bytes, .. } = self.given.parsed;
        index.first(Known::Host).map(|f| f.value.of(bytes)).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&[u8]> {
        values(self.given.parsed, self.edits, name).next()
    }

    fn fields<'a>(&'a self, name: &str, look: &mut dyn FnMut(&'a [u8]) -> bool) {
        let _found = values(self.given.parsed, self.edits, name).any(look);
    }

    fn fill(&self, text: &Template, out: &mut Vec<u8>) -> bool {
        let view = View::of(self.given, self.edits);
        text.fill(out, &Looked::new(&view))
    }
}

/// A request, for rules to look at.
pub(super) struct View<'a> {
    given: Given<'a>,
    authority: &'a [u8],
    edits: &'a Edits,
    /// What it is counted in; absent where nobody asks for that.
    exchange: Option<&'a Exchange>,
}

impl<'a> View<'a> {
    /// What the target says of the host goes before `Host` (RFC 9112 §3.2.2).
    pub(super) fn of(given: Given<'a>, edits: &'a Edits) -> Self {
        let parsed = given.parsed;
        let authority = match given.target {
            _ if edits.is_gone(b"host") => edits.added("host").next().unwrap_or_default(),
            Target::Absolute { authority, .. } => authority,
            Target::Origin(_) | Target::Asterisk => {
                parsed.index.first(Known::Host).map_or(&[][..], |f| f.value.of(parsed.bytes))
            }
        };
        Self { given, authority, edits, exchange: None }
    }

    pub(super) fn with(self, exchange: &'a Exchange) -> Self {
        Self { exchange: Some(exchange), ..self }
    }

    /// The same for a script.
    fn message(&self) -> Message {
        scripted::message(self.given, self.edits, (self.method(), self.target(), self.authority))
    }
}

impl rules::Request for View<'_> {
    fn method(&self) -> &[u8] {
        self.edits
            .method()
            .unwrap_or_else(|| self.given.parsed.request.method_span.of(self.given.parsed.bytes))
    }

    fn target(&self) -> &[u8] {
        if let Some(target) = self.edits.target() {
            return target;
        }
        match self.given.target {
            Target::Origin(target) => target,
            Target::Absolute { path, .. } => path,
            Target::Asterisk => b"*",
        }
    }

    fn authority(&self) -> &[u8] {
        self.authority
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        values(self.given.parsed, self.edits, name).any(look)
    }

    fn source(&self) -> IpAddr {
        self.given.caller.source.ip()
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.given.caller.told.as_ref()?.destination
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.given.caller.tls.as_deref()
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.edits.variable(name)
    }

    fn mapped(&self, map: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        self.given.state.maps().value(map, key)
    }

    fn fetched(&self, call: &Call) -> Option<Said> {
        self.given.scripting?.fetch(call, self.message())
    }

    fn converted(&self, by: &Call, text: &[u8]) -> Option<Said> {
        self.given.scripting?.convert(by, text)
    }

    fn counted(&self, number: &Number) -> Option<u64> {
        counted::number(self.exchange?, number, self.given.caller.source.ip())
    }

    fn version(&self) -> &'static str {
        match self.given.parsed.request.version {
            _ if self.exchange.is_some_and(Exchange::is_of_http2) => "2.0",
            Version::Http11 => "1.1",
            Version::Http10 => "1.0",
        }
    }

    fn source_port(&self) -> u16 {
        self.given.caller.source.port()
    }

    fn gauge(&self, gauge: Gauge) -> Option<u64> {
        self.given.state.gauge(gauge)
    }

    fn day_time(&self, zone: Zone) -> Option<DayTime> {
        Some(time_of_day::day_time(zone))
    }

    fn random(&self) -> u32 {
        chance::random()
    }
}

/// Asks rules one after the other. Some: one of them answers.
#[inline]
pub(super) fn ask(
    rules: &[Rule],
    exchange: &mut Exchange,
    given: Given<'_>,
    edits: &mut Edits,
) -> Option<Box<Ours>> {
    if rules.is_empty() { None } else { ask_each(rules, exchange, given, edits) }
}

fn ask_each(
    mut rules: &[Rule],
    exchange: &mut Exchange,
    given: Given<'_>,
    edits: &mut Edits,
) -> Option<Box<Ours>> {
    while !rules.is_empty() {
        let view = View::of(given, edits).with(exchange);
        let looked = Looked::new(&view);
        let first = action::first(rules, &looked);
        if let Some(refusal) = given.failed() {
            return Some(refusal);
        }
        let (action, rest) = first?;
        match Ours::of(action, &looked) {
            Ok(ours) => return Some(ours.into()),
            Err(Silent::Edit(edit)) => {
                // What has no content for its client must not be asked for with some.
                let misread = given.parsed.request.method == Method::Head
                    && matches!(edit, Edit::Line(LineEdit::Method(_)));
                let change = if misread { Change::Nothing } else { edit.change(&looked) };
                // It holds whatever becomes of the request.
                if let Change::LogLevel(level) = change {
                    exchange.facts.log_level = Some(level);
                } else {
                    edits.apply(change);
                }
            }
            Err(Silent::Count(counting)) => {
                let key = counted::key(counting, exchange, &looked);
                counted::count(counting, key, exchange);
            }
            Err(Silent::Wait(wait)) => exchange.demands.get_or_insert_default().wait = Some(wait),
            Err(Silent::Limit(limit)) => {
                let now = exchange.facts.head_done;
                let limits = Limits::of(limit, &looked, now);
                exchange.demands.get_or_insert_default().limits.add(limits);
            }
            // Whoever explains runs no scripts.
            Err(Silent::Lua(call)) => {
                if let Some(scripting) = given.scripting {
                    match scripted::act(call, scripting, view.message(), edits) {
                        Then::GoOn => {}
                        Then::Stop => return None,
                        Then::Answer(ours) => return Some(ours.into()),
                    }
                }
            }
        }
        rules = rest;
    }
    None
}
