//! From a parsed request head to a decision: refuse it, or forward it to which server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::super::assign::Assign;
use super::super::persist::{self, Persistence};
use super::super::runtime::DataThread;
use super::super::scripts::Scripting;
use super::counted;
use super::exchange::{Asked, Changes, Coding, Exchange};
use super::failure::Failure;
use super::notes;
use super::ours::Ours;
use super::page;
use super::record::Party;
use super::repeat::Repeat;
use super::view::{Asking, Given, Parsed, View, ask, values};
use crate::balance::{Wish, key_of};
use crate::bandwidth::Bandwidth;
use crate::compress::accept::Accepted;
use crate::endpoint;
use crate::h1::body::Body;
use crate::h1::chunked::{Chunker, Output};
use crate::h1::conn::{self, Expectation, Options};
use crate::h1::forward::{self, ToServer};
use crate::h1::framing::{self, BodyFraming};
use crate::h1::head::Method;
use crate::h1::reject::Reject;
use crate::h1::target::{self, Target};
use crate::page::StatsPage;
use crate::page::visit::{Turn, Visit};
use crate::plan::{Backend, ForwardedFor, Frontend, HttpReuse};
use crate::rules::{Change, Edits, Looked};

/// What becomes of a request.
pub(super) enum Prepared {
    /// Its head is ready for a server, which is to be got.
    Forward(Assign),
    /// The same, and what it moves has limits.
    Pace(Assign, Bandwidth),
    /// A rule answers it.
    Answer(Box<Ours>),
    /// The statistics page answers it, when all of its content is there.
    Collect(Arc<StatsPage>, Visit),
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
    let Parsed { request, bytes, .. } = parsed;
    exchange.facts.keep_line(request, bytes, party.http2);
    exchange.facts.head_done = Some(now);
    exchange.asked.method = request.method;
    exchange.asked.version = request.version;
    let frontend = thread.plan.frontends().get(usize::from(party.frontend.0)).ok_or(Failure::NoServer)?;
    if let Some(records) = &frontend.records {
        notes::handle_request(exchange, thread, party, (frontend, records), parsed);
    }
    counted::handle_request(exchange, now);
    let said = read(exchange, parsed)?;
    exchange.up.body = Body::new(said.framing, Output::Chunks);
    let mut edits = Edits::default();
    if let Some(records) = &frontend.records {
        notes::tell(&exchange.notes, records, &mut edits);
    }
    let prepared = decide(exchange, thread, (party, frontend), parsed, said, &mut edits, now);
    if let Some(records) = &frontend.records
        && records.captures.of_rules()
    {
        notes::handle_rules(exchange, records, &edits);
    }
    prepared
}

/// Asks the rules, and makes the head that is forwarded.
#[inline(always)]
fn decide(
    exchange: &mut Exchange,
    thread: &DataThread,
    (party, frontend): (&Party, &Frontend),
    parsed: &Parsed<'_>,
    said: Said<'_>,
    edits: &mut Edits,
    now: Instant,
) -> Result<Prepared, Failure> {
    let Parsed { request, index, bytes } = parsed;
    let Said { framing, target, options, expectation, upgrade } = said;
    let caller = &party.caller;
    let scripting = Scripting::begin(thread, frontend, now);
    let given = Given { parsed, target: &target, caller, state: &thread.balance, scripting };
    if let Some(ours) = ask(&frontend.http_request, exchange, given, edits) {
        return Ok(Prepared::Answer(ours));
    }
    if let Some(page) = &frontend.stats
        && let Some(visit) = page::visit(page, exchange, given, edits)
    {
        // Whoever may change servers may hang on what a script says.
        let refused = given.failed().map(Prepared::Answer);
        return Ok(refused.unwrap_or_else(|| visited(exchange, page, visit, framing)));
    }
    let view = View::of(given, edits).with(exchange);
    let looked = Looked::new(&view);
    let of_rules = if frontend.routes.is_empty() { None } else { frontend.routes.backend(&looked) };
    let id = of_rules.or(frontend.default_backend).ok_or(Failure::NoServer)?;
    let backend = thread.plan.backends().get(usize::from(id.0)).ok_or(Failure::NoServer)?;
    let holding = if frontend.http_response.is_empty() { 0 } else { frontend.http_response.holding(&looked) };
    if let Some(refusal) = given.failed() {
        return Ok(Prepared::Answer(refusal));
    }
    exchange.timeouts.server = backend.timeout;
    exchange.asked.abort_on_close = backend.http.abort_on_close;
    exchange.asked.reuse = backend.http.reuse;
    exchange.repeat = Repeat::new(backend, request.method);
    exchange.facts.backend = Some(id);
    thread.recorder.backend(id).current.raise();
    if let Some(ours) = ask(&backend.http_request, exchange, given, edits) {
        return Ok(Prepared::Answer(ours));
    }
    if !frontend.http_response.is_empty() || !backend.http_response.is_empty() {
        let view = View::of(given, edits).with(exchange);
        let of_backend = backend.http_response.holding(&Looked::new(&view));
        let coding = coding(frontend, backend, parsed, edits);
        exchange.changes = Some(Changes::new(party.frontend, holding, of_backend, coding).into());
    }
    if let Some(refusal) = given.failed() {
        return Ok(Prepared::Answer(refusal));
    }

    let forwarded_for = forwarded_for(frontend, backend.forwarded_for.as_ref(), party.caller.source.ip());
    let (mut wish, mut cookie) = (Wish::default(), None);
    if persist::is_used(backend) {
        let persistence =
            Persistence::of_request(thread, (id, backend), party.caller.source.ip(), parsed, now);
        wish = persistence.wish();
        cookie = backend.cookie.as_deref().filter(|_| persistence.is_edited());
        exchange.facts.persistence = persistence;
    }
    let changed = (!edits.is_empty()).then_some(&*edits);
    let target = match changed {
        Some(edits) => changed_line(exchange, backend, edits, target),
        None => target,
    };
    let expectation = exchange.settle_expectation(expectation);
    let to =
        ToServer { target, options, expectation, framing, upgrade, forwarded_for, cookie, edits: changed };
    forward::request(exchange.up.out.buffer(), request, index, bytes, &to);
    exchange.up.chunker = framing.is_reframed().then_some(Chunker::First);
    wish.key = key_of(&backend.balance, &Asking { given, edits });
    if let Some(changes) = &mut exchange.changes {
        changes.set = edits.variables();
        return Ok(limited(Assign::new(id, wish), frontend, backend));
    }
    Ok(Prepared::Forward(Assign::new(id, wish)))
}

/// What a head says of its message and its connection.
struct Said<'a> {
    framing: BodyFraming,
    target: Target<'a>,
    options: Options,
    expectation: Expectation,
    upgrade: bool,
}

/// Checks what it says, and notes what still matters once it is gone.
#[inline]
fn read<'a>(exchange: &mut Exchange, parsed: &Parsed<'a>) -> Result<Said<'a>, Failure> {
    let Parsed { request, index, bytes } = parsed;
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
    Ok(Said { framing, target, options, expectation, upgrade })
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

/// A request that the statistics page answers.
#[cold]
fn visited(exchange: &mut Exchange, page: &Arc<StatsPage>, visit: Visit, framing: BodyFraming) -> Prepared {
    exchange.facts.is_stats = true;
    match visit.turn {
        Turn::Change => {
            // Nobody gets it in chunks.
            exchange.up.body = Body::new(framing, Output::Data);
            Prepared::Collect(Arc::clone(page), visit)
        }
        Turn::Challenge | Turn::NotAllowed | Turn::Show { .. } | Turn::Refuse(_) => {
            Prepared::Answer(Ours::Page(Arc::clone(page), visit).into())
        }
    }
}

/// A request that may have limits.
#[cold]
fn limited(assign: Assign, frontend: &Frontend, backend: &Backend) -> Prepared {
    let limits = frontend.http_response.bandwidth().and(backend.http_response.bandwidth());
    if limits.is_none() { Prepared::Forward(assign) } else { Prepared::Pace(assign, limits) }
}

/// How the response may be compressed. A server that is to leave that to us does not see what its client takes.
#[cold]
fn coding(frontend: &Frontend, backend: &Backend, parsed: &Parsed<'_>, edits: &mut Edits) -> Coding {
    let of_backend = backend.http_response.compression();
    let Some(by) = of_backend.or_else(|| frontend.http_response.compression()) else { return Coding::None };
    let mut accepted = Accepted::default();
    values(parsed, edits, ACCEPT_ENCODING).for_each(|value| accepted.read(value));
    let Some(algo) = accepted.choose(&by.algos) else { return Coding::None };
    if by.offload {
        edits.apply(Change::Fields(ACCEPT_ENCODING, Vec::new()));
    }
    Coding::Wanted(algo)
}

const ACCEPT_ENCODING: &str = "accept-encoding";

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
