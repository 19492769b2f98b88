//! From a parsed request head to a decision: refuse it, or forward it to which server.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::assign::Assign;
use super::super::caller::Caller;
use super::super::persist::{self, Persistence};
use super::super::runtime::DataThread;
use super::exchange::{Asked, Changes, Exchange};
use super::failure::Failure;
use super::ours::Ours;
use super::record::Party;
use super::repeat::Repeat;
use crate::balance::{Subject, Wish, key_of};
use crate::endpoint;
use crate::h1::body::Body;
use crate::h1::chunked::{Chunker, Output};
use crate::h1::conn::{self, Expectation, Options};
use crate::h1::field::Known;
use crate::h1::forward::{self, ToServer};
use crate::h1::framing::{self, BodyFraming};
use crate::h1::head::{Field, HeadIndex, Method, Request};
use crate::h1::reject::Reject;
use crate::h1::target::{self, Target};
use crate::map::{MapId, Maps};
use crate::plan::{Backend, ForwardedFor, Frontend, HttpReuse};
use crate::rules::line::LineEdit;
use crate::rules::template::Template;
use crate::rules::{self, Change, Edit, Edits, Looked, Rule, Variables, action};
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

/// A request, for the balancer to look at.
pub(super) struct Asking<'a> {
    pub(super) parsed: &'a Parsed<'a>,
    pub(super) target: &'a Target<'a>,
    pub(super) caller: &'a Caller,
    pub(super) edits: &'a Edits,
    pub(super) maps: &'a Maps,
}

/// Values of all fields of this name, as rules have left them.
fn values<'a>(parsed: &'a Parsed<'_>, edits: &'a Edits, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let Parsed { index, bytes, .. } = parsed;
    let came = if edits.is_gone(name.as_bytes()) { &[] } else { index.fields() };
    let named = came.iter().filter(move |f| f.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()));
    named.map(|f| f.value.of(bytes)).chain(edits.added(name))
}

impl Subject for Asking<'_> {
    fn source(&self) -> IpAddr {
        self.caller.source.ip()
    }

    fn target(&self) -> &[u8] {
        self.edits.target().unwrap_or_else(|| self.parsed.request.target.of(self.parsed.bytes))
    }

    fn host(&self) -> &[u8] {
        let Parsed { index, bytes, .. } = self.parsed;
        index.first(Known::Host).map(|f| f.value.of(bytes)).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<&[u8]> {
        values(self.parsed, self.edits, name).next()
    }

    fn fields<'a>(&'a self, name: &str, look: &mut dyn FnMut(&'a [u8]) -> bool) {
        let _found = values(self.parsed, self.edits, name).any(look);
    }

    fn fill(&self, text: &Template, out: &mut Vec<u8>) -> bool {
        let view = View::of(self.parsed, self.target, self.caller, self.edits, self.maps);
        text.fill(out, &Looked::new(&view))
    }
}

/// A request, for rules to look at.
pub(super) struct View<'a> {
    parsed: &'a Parsed<'a>,
    target: &'a Target<'a>,
    authority: &'a [u8],
    caller: &'a Caller,
    edits: &'a Edits,
    maps: &'a Maps,
}

impl<'a> View<'a> {
    /// What the target says of the host goes before `Host` (RFC 9112 §3.2.2).
    pub(super) fn of(
        parsed: &'a Parsed<'a>,
        target: &'a Target<'a>,
        caller: &'a Caller,
        edits: &'a Edits,
        maps: &'a Maps,
    ) -> Self {
        let authority = match target {
            _ if edits.is_gone(b"host") => edits.added("host").next().unwrap_or_default(),
            Target::Absolute { authority, .. } => authority,
            Target::Origin(_) | Target::Asterisk => {
                parsed.index.first(Known::Host).map_or(&[][..], |f| f.value.of(parsed.bytes))
            }
        };
        Self { parsed, target, authority, caller, edits, maps }
    }
}

impl rules::Request for View<'_> {
    fn method(&self) -> &[u8] {
        self.edits.method().unwrap_or_else(|| self.parsed.request.method_span.of(self.parsed.bytes))
    }

    fn target(&self) -> &[u8] {
        if let Some(target) = self.edits.target() {
            return target;
        }
        match self.target {
            Target::Origin(target) => target,
            Target::Absolute { path, .. } => path,
            Target::Asterisk => b"*",
        }
    }

    fn authority(&self) -> &[u8] {
        self.authority
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        values(self.parsed, self.edits, name).any(look)
    }

    fn source(&self) -> IpAddr {
        self.caller.source.ip()
    }

    fn destination(&self) -> Option<SocketAddr> {
        self.caller.told.as_ref()?.destination
    }

    fn tls(&self) -> Option<&SessionFacts> {
        self.caller.tls.as_deref()
    }

    fn variable(&self, name: &str) -> Option<&[u8]> {
        self.edits.variable(name)
    }

    fn mapped(&self, map: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        self.maps.look(map, |map| map.look_up(key).map(|entry| entry.value.as_bytes().into()))?
    }
}

/// Asks rules one after the other. Some: one of them answers.
#[inline]
pub(super) fn ask(
    rules: &[Rule],
    parsed: &Parsed<'_>,
    target: &Target<'_>,
    caller: &Caller,
    edits: &mut Edits,
    maps: &Maps,
) -> Option<Box<Ours>> {
    if rules.is_empty() { None } else { ask_each(rules, parsed, target, caller, edits, maps) }
}

fn ask_each(
    mut rules: &[Rule],
    parsed: &Parsed<'_>,
    target: &Target<'_>,
    caller: &Caller,
    edits: &mut Edits,
    maps: &Maps,
) -> Option<Box<Ours>> {
    while !rules.is_empty() {
        let view = View::of(parsed, target, caller, edits, maps);
        let looked = Looked::new(&view);
        let (action, rest) = action::first(rules, &looked)?;
        match Ours::of(action, &looked) {
            Ok(ours) => return Some(ours.into()),
            Err(edit) => {
                // What has no content for its client must not be asked for with some.
                let misread =
                    parsed.request.method == Method::Head && matches!(edit, Edit::Line(LineEdit::Method(_)));
                let change = if misread { Change::Nothing } else { edit.change(&looked) };
                edits.apply(change);
                rules = rest;
            }
        }
    }
    None
}

/// What becomes of a request.
pub(super) enum Prepared {
    /// Its head is ready for a server, which is to be got.
    Forward(Assign),
    /// A rule answers it.
    Answer(Box<Ours>),
}

/// Checks the request, asks the rules, and makes the head that is forwarded.
///
/// # Errors
/// The request is refused.
pub(super) fn prepare(
    exchange: &mut Exchange,
    thread: &DataThread,
    party: &Party,
    parsed: &Parsed<'_>,
    now: Instant,
) -> Result<Prepared, Failure> {
    let Parsed { request, index, bytes } = parsed;
    exchange.facts.keep_line(request, bytes, party.http2);
    exchange.facts.head_done = Some(now);
    exchange.asked.method = request.method;
    exchange.asked.version = request.version;
    let (framing, target) = check(parsed).map_err(Failure::Refused)?;
    let options = Options::of(index, bytes);
    let expectation = conn::expectation(request.version, framing, index, bytes);
    if expectation == Expectation::Unknown {
        return Err(Failure::Refused(Reject::ExpectationFailed));
    }
    // A request with content first has to end before anything else can be spoken (RFC 9110 §7.8), which no client does.
    let upgrade = framing == BodyFraming::None && conn::wants_upgrade(request.version, options, index, bytes);
    let persists = options.persists(request.version);
    exchange.asked = Asked {
        method: request.method,
        version: request.version,
        persists,
        expectation,
        upgrade,
        abort_on_close: false,
        reuse: HttpReuse::default(),
    };
    exchange.held_back = expectation == Expectation::Continue;

    exchange.up.body = Body::new(framing, Output::Chunks);
    let frontend = thread.plan.frontends().get(usize::from(party.frontend.0)).ok_or(Failure::NoServer)?;
    let mut edits = Edits::default();
    let maps = thread.balance.maps();
    if let Some(ours) = ask(&frontend.http_request, parsed, &target, &party.caller, &mut edits, maps) {
        return Ok(Prepared::Answer(ours));
    }
    let view = View::of(parsed, &target, &party.caller, &edits, maps);
    let looked = Looked::new(&view);
    let of_rules = if frontend.routes.is_empty() { None } else { frontend.routes.backend(&looked) };
    let id = of_rules.or(frontend.default_backend).ok_or(Failure::NoServer)?;
    let backend = thread.plan.backends().get(usize::from(id.0)).ok_or(Failure::NoServer)?;
    let holding = if frontend.http_response.is_empty() { 0 } else { frontend.http_response.holding(&looked) };
    exchange.timeouts.server = backend.timeout;
    exchange.asked.abort_on_close = backend.http.abort_on_close;
    exchange.asked.reuse = backend.http.reuse;
    exchange.repeat = Repeat::new(backend, request.method);
    exchange.facts.backend = Some(id);
    thread.recorder.backend(id).current.raise();
    if let Some(ours) = ask(&backend.http_request, parsed, &target, &party.caller, &mut edits, maps) {
        return Ok(Prepared::Answer(ours));
    }
    if !frontend.http_response.is_empty() || !backend.http_response.is_empty() {
        let view = View::of(parsed, &target, &party.caller, &edits, maps);
        let of_backend = backend.http_response.holding(&Looked::new(&view));
        exchange.changes = Some(Box::new(Changes {
            frontend: party.frontend,
            holding,
            of_backend,
            set: Variables::default(),
        }));
    }

    let forwarded_for = forwarded_for(frontend, backend.forwarded_for.as_ref(), party.caller.source.ip());
    let mut wish = Wish::default();
    let mut cookie = None;
    if persist::is_used(backend) {
        let persistence =
            Persistence::of_request(thread, (id, backend), party.caller.source.ip(), parsed, now);
        wish = persistence.wish();
        cookie = backend.cookie.as_deref().filter(|_| persistence.is_edited());
        exchange.facts.persistence = persistence;
    }
    let changed = (!edits.is_empty()).then_some(&edits);
    let target = match changed {
        Some(edits) => changed_line(exchange, backend, edits, target),
        None => target,
    };
    let to =
        ToServer { target, options, expectation, framing, upgrade, forwarded_for, cookie, edits: changed };
    forward::request(exchange.up.out.buffer(), request, index, bytes, &to);
    exchange.up.chunker = framing.is_reframed().then_some(Chunker::First);
    let asking = Asking { parsed, target: &target, caller: &party.caller, edits: &edits, maps };
    wish.key = key_of(&backend.balance, &asking);
    if let Some(changes) = &mut exchange.changes {
        changes.set = edits.into_variables();
    }
    Ok(Prepared::Forward(Assign::new(id, wish)))
}

/// What a request whose line rules have changed asks for.
#[cold]
fn changed_line<'a>(
    exchange: &mut Exchange,
    backend: &Backend,
    edits: &'a Edits,
    target: Target<'a>,
) -> Target<'a> {
    if let Some(method) = edits.method() {
        exchange.asked.method = Method::of(method);
        exchange.repeat = Repeat::new(backend, exchange.asked.method);
    }
    edits.target().map_or(target, |to| target.with(to))
}

pub(super) fn check<'a>(parsed: &Parsed<'a>) -> Result<(BodyFraming, Target<'a>), Reject> {
    let Parsed { request, index, bytes } = parsed;
    let framing = framing::of_request(request, index, bytes)?;
    target::check_host(request.version, index, bytes)?;
    let target = Target::parse(request.method, request.target.of(bytes))?;
    Ok((framing, target))
}

/// Either side may ask for the field; HAProxy's rules for both: the backend's name wins, and a field the client sent is
/// left alone only if everyone who asks says so.
fn forwarded_for<'a>(
    frontend: &'a Frontend,
    backend: Option<&'a ForwardedFor>,
    client: IpAddr,
) -> Option<forward::ForwardedFor<'a>> {
    let frontend = frontend.forwarded_for.as_ref().filter(|f| !is_excepted(f, client));
    let backend = backend.filter(|b| !is_excepted(b, client));
    let header = &backend.or(frontend)?.header;
    let if_none = [frontend, backend].into_iter().flatten().all(|f| f.if_none);
    Some(forward::ForwardedFor { header, client, if_none })
}

fn is_excepted(asked: &ForwardedFor, client: IpAddr) -> bool {
    let client = client.to_canonical();
    asked.except.iter().any(|(network, prefix)| endpoint::contains(*network, *prefix, client))
}
