//! The access record of an exchange, written exactly once, however the exchange ends.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::caller::Caller;
use super::super::persist::Persistence;
use super::super::runtime::DataThread;
use super::super::upstream::DialError;
use super::counted;
use super::exchange::{Coding, Exchange};
use super::failure::Failure;
use crate::access_log::{
    AccessRecord, Cause, ConnectionCounts, Fields, Level, Manner, Phase, QueuePositions, RequestLine,
    ServerName, Termination, Timers,
};
use crate::h1::head::Request;
use crate::health::Sign;
use crate::plan::{BackendId, FrontendId, LogFormat, ServerId};
use crate::rules::LogLevel;
use crate::stats::{Spans, Times};

/// What the record will say.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The first byte of the request, or the connection if there was none.
    pub(super) started: Option<Instant>,
    pub(super) head_done: Option<Instant>,
    /// A server was chosen, or waiting for one has come to its end: whatever queue there was is behind it.
    pub(super) assigned: Option<Instant>,
    pub(super) connected: Option<Instant>,
    pub(super) responded: Option<Instant>,
    pub(super) status: Option<u16>,
    /// Set, like `ended`, when the end is known. Unset: the exchange was dropped in the middle.
    pub(super) termination: Option<Termination>,
    pub(super) ended: Option<Instant>,
    pub(super) failure: Option<Failure>,
    /// A rule has refused it.
    pub(super) denied: bool,
    /// The statistics page has answered it.
    pub(super) is_stats: bool,
    /// What a rule has said of its record.
    pub(super) log_level: Option<LogLevel>,
    /// A rule has withheld its response.
    pub(super) withheld: bool,
    /// What the server has answered with, if its client is told another status.
    pub(super) of_server: Option<u16>,
    pub(super) backend: Option<BackendId>,
    pub(super) server: Option<ServerId>,
    pub(super) queue: QueuePositions,
    pub(super) persistence: Persistence,
    pub(super) retries: u8,
    pub(super) redispatched: bool,
    line: Vec<u8>,
    method_bytes: usize,
    target_bytes: usize,
}

impl Facts {
    /// Keeps the request line, which the record quotes.
    pub(super) fn keep_line(&mut self, request: &Request, bytes: &[u8], http2: bool) {
        self.line.extend_from_slice(request.line().of(bytes));
        if http2 {
            self.line.truncate(self.line.len() - request.version_span.of(bytes).len());
            self.line.extend_from_slice(b"HTTP/2.0");
        }
        self.method_bytes = request.method_span.of(bytes).len();
        self.target_bytes = request.target.of(bytes).len();
    }

    pub(super) fn request_line(&self) -> RequestLine<'_> {
        if self.line.is_empty() {
            return RequestLine::Bad;
        }
        let target = self.method_bytes + 1;
        let version = target + self.target_bytes + 1;
        RequestLine::Line {
            method: self.line.get(..self.method_bytes).unwrap_or_default(),
            target: self.line.get(target..version - 1).unwrap_or_default(),
            version: self.line.get(version..).unwrap_or_default(),
        }
    }

    #[inline(always)]
    fn timers(&self, now: Instant) -> Timers {
        let between = |from: Option<Instant>, to: Option<Instant>| match (from?, to?) {
            // Steps taken in one turn have one time: the usual case over a kept connection.
            (from, to) if from == to => Some(Duration::ZERO),
            (from, to) => Some(to.saturating_duration_since(from)),
        };
        let active = between(self.started, Some(now)).unwrap_or(Duration::ZERO);
        // Over a connection that is kept a server is all that is waited for.
        let response = match (self.connected, self.responded) {
            (Some(from), Some(to)) if Some(from) == self.started && to == now => Some(active),
            (from, to) => between(from, to),
        };
        Timers {
            request: between(self.started, self.head_done),
            queue: between(self.head_done, self.assigned),
            connect: between(self.assigned, self.connected),
            response,
            active,
        }
    }

    pub(super) fn reset(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        line.shrink_to(ROOM);
        *self = Self { line, ..Self::default() };
    }
}

/// Whose exchange it is.
#[derive(Debug, Clone)]
pub(in crate::io) struct Party {
    pub(in crate::io) caller: Caller,
    pub(in crate::io) frontend: FrontendId,
    /// It speaks HTTP/2, whatever the head that was made of its request says.
    pub(in crate::io) http2: bool,
}

/// Whose exchange it is, and the thread it runs on.
pub(super) struct Owner {
    thread: Rc<DataThread>,
    party: Party,
}

impl Owner {
    pub(super) fn party(&self) -> &Party {
        &self.party
    }

    pub(super) fn thread(&self) -> &DataThread {
        &self.thread
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.party.caller
    }
}

/// An exchange that is under way. Dropping it, for whatever reason, writes its record.
pub(in crate::io) struct Open {
    exchange: Option<Box<Exchange>>,
}

impl Open {
    /// Opens an exchange whose first byte has just come.
    pub(super) fn new(thread: &Rc<DataThread>, party: &Party, now: Instant) -> Self {
        let mut exchange = thread.take_exchange();
        exchange.facts.started = Some(now);
        exchange.activity.client = Some(now);
        if let Some(frontend) = thread.plan.frontends().get(usize::from(party.frontend.0)) {
            exchange.timeouts.client = frontend.timeout;
        }
        exchange.owner = Some(Owner { thread: Rc::clone(thread), party: party.clone() });
        Self { exchange: Some(exchange) }
    }
}

impl Open {
    /// Forgets it: what came was no request.
    pub(super) fn discard(mut self, thread: &DataThread) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.owner = None;
            thread.give_back(exchange);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut exchange) = self.exchange.take() else { return };
        let Some(Owner { thread, party }) = exchange.owner.take() else { return };
        // Left in the middle: by a panic, or because the thread stops.
        let unfinished = || {
            let cause = if std::thread::panicking() { Cause::Internal } else { Cause::Killed };
            Termination::new(cause, Phase::Normal)
        };
        let mut termination = exchange.facts.termination.unwrap_or_else(unfinished);
        (termination.cookie, termination.action) = exchange.facts.persistence.letters(exchange.facts.server);
        count(&exchange, &thread, &party);
        counted::release(&mut exchange, &thread, party.caller.tracked());
        if let Some(changes) = &exchange.changes {
            let coding = changes.coding;
            settle(&mut exchange, coding, &thread, &party);
        }
        observe(&exchange.facts, &thread);
        log(&exchange, &thread, &party, termination);
        if let Some(backend) = exchange.facts.backend {
            thread.recorder.backend(backend).current.lower();
        }
        thread.give_back(exchange);
    }
}

impl Deref for Open {
    type Target = Exchange;

    #[expect(clippy::unreachable, reason = "the exchange is taken by drop only")]
    fn deref(&self) -> &Exchange {
        match &self.exchange {
            Some(exchange) => exchange,
            None => unreachable!(),
        }
    }
}

impl DerefMut for Open {
    #[expect(clippy::unreachable, reason = "the exchange is taken by drop only")]
    fn deref_mut(&mut self) -> &mut Exchange {
        match &mut self.exchange {
            Some(exchange) => exchange,
            None => unreachable!(),
        }
    }
}

fn count(exchange: &Exchange, thread: &DataThread, party: &Party) {
    let facts = &exchange.facts;
    let (bytes_in, bytes_out) = (exchange.up.read, exchange.down.out.written());
    let backend = facts.backend.map(|b| thread.recorder.backend(b));
    let server = facts.server.map(|s| thread.recorder.server(s));
    let frontend = Some(thread.recorder.frontend(party.frontend));
    if let Some((of_frontend, of_server)) = thread.recorder.times(party.frontend, facts.server) {
        note(of_frontend, of_server, facts);
    }
    if let Some(counters) = server
        && facts.persistence.wish().pinned == facts.server
    {
        counters.pinned.add(1);
    }
    let statuses = [facts.status, facts.status, facts.of_server.or(facts.status)];
    for (counters, status) in [frontend, backend, server].into_iter().zip(statuses) {
        let Some(counters) = counters else { continue };
        counters.requests.add(1);
        counters.bytes_in.add(bytes_in);
        counters.bytes_out.add(bytes_out);
        if let Some(status) = status {
            counters.response(status);
        }
        if facts.withheld {
            counters.denied_responses.add(1);
        }
        if facts.denied {
            counters.denied.add(1);
        }
        match facts.failure {
            None => {}
            Some(
                Failure::Refused(_) | Failure::HeadCutShort | Failure::HeadTimeout | Failure::BadRequestBody,
            ) => {
                counters.request_errors.add(1);
            }
            Some(Failure::NoServer) => counters.no_server.add(1),
            Some(Failure::QueueFull | Failure::QueueTimeout) => counters.connect_errors.add(1),
            Some(Failure::Dial(DialError::Resource) | Failure::Script) => counters.internal_errors.add(1),
            Some(Failure::Denied) => counters.denied.add(1),
            // Counted per attempt.
            Some(Failure::Dial(_)) => {}
            Some(Failure::ClientAborted | Failure::ClientTimeout) => counters.client_aborts.add(1),
            Some(Failure::ClientTooSlow) => counters.slow_clients.add(1),
            Some(Failure::ServerClosed) => {
                counters.server_aborts.add(1);
                counters.response_errors.add(1);
            }
            Some(Failure::ServerTimeout | Failure::BadResponse | Failure::ShutDown(_)) => {
                counters.response_errors.add(1);
            }
        }
    }
}

/// Notes how long it took, where somebody wants to know.
#[inline(never)]
fn note(frontend: &Times, server: Option<&Times>, facts: &Facts) {
    let spans = Spans::from(&facts.timers(facts.ended.unwrap_or_else(Instant::now)));
    frontend.note(spans);
    if let Some(times) = server {
        times.note(spans);
    }
}

/// Counts what was compressed, and gives the compressor back.
#[cold]
fn settle(exchange: &mut Exchange, coding: Coding, thread: &DataThread, party: &Party) {
    let filter = exchange.down.filter.take();
    let frontend = Some(thread.recorder.frontend(party.frontend));
    let backend = exchange.facts.backend.map(|b| thread.recorder.backend(b));
    for counters in [frontend, backend].into_iter().flatten() {
        if let Some((taken, given)) = filter.as_ref().map(|f| f.bytes()) {
            counters.comp_rsp.add(1);
            counters.comp_in.add(taken);
            counters.comp_out.add(given);
        }
        if coding == Coding::Bypassed {
            counters.comp_byp.add(exchange.down.read);
        }
    }
    if let Some(filter) = filter {
        thread.deflaters.put(filter.into_deflater());
    }
}

/// Notes what the exchange showed of its server, if anybody wants to know. Connections are noted where they are made,
/// attempts that were followed by others where they ended.
fn observe(facts: &Facts, thread: &DataThread) {
    let Some(server) = facts.server.filter(|s| thread.balance.observations().watches(*s)) else { return };
    let sign = match facts.failure {
        None => facts.of_server.or(facts.status).map(Sign::of_status),
        Some(failure) => sign_of(failure),
    };
    if let Some(sign) = sign {
        thread.balance.observations().note(server, sign);
    }
}

/// What a failure shows of the server, if it is the server's.
pub(super) fn sign_of(failure: Failure) -> Option<Sign> {
    match failure {
        Failure::ServerClosed => Some(Sign::Closed),
        Failure::ServerTimeout => Some(Sign::ReadTimeout),
        Failure::BadResponse => Some(Sign::InvalidResponse),
        Failure::Refused(_)
        | Failure::HeadCutShort
        | Failure::HeadTimeout
        | Failure::NoServer
        | Failure::QueueFull
        | Failure::QueueTimeout
        | Failure::Dial(_)
        | Failure::ClientAborted
        | Failure::ClientTimeout
        | Failure::ClientTooSlow
        | Failure::BadRequestBody
        | Failure::Denied
        | Failure::Script
        | Failure::ShutDown(_) => None,
    }
}

fn log(exchange: &Exchange, thread: &DataThread, party: &Party, termination: Termination) {
    let facts = &exchange.facts;
    let Some(frontend) = thread.plan.frontends().get(usize::from(party.frontend.0)) else { return };
    let nothing_sent = exchange.up.read == 0;
    if frontend.log.is_empty() || (frontend.dontlognull && nothing_sent) {
        return;
    }
    let mut manner = Manner { format: &frontend.log_format, level: Level::Info, fields: Fields::None };
    if let Some(records) = &frontend.records {
        let normal = is_normal(facts, termination);
        if normal && records.dontlog_normal {
            return;
        }
        manner.level = if !normal && records.separate_errors { Level::Err } else { Level::Info };
        manner.fields = records.fields;
    }
    match facts.log_level {
        None => {}
        Some(LogLevel::Silent) => return,
        Some(LogLevel::Level(level)) => manner.level = level,
    }
    let backend = facts.backend.and_then(|b| thread.plan.backends().get(usize::from(b.0)));
    let server = facts.server.and_then(|s| thread.plan.servers().get(s.0 as usize));
    let ended = facts.ended.unwrap_or_else(Instant::now);
    let timers = facts.timers(ended);
    let mut record = AccessRecord {
        client: party.caller.source,
        time: thread.time_of_day.at(facts.started.unwrap_or(ended)),
        frontend: &frontend.name,
        tls: party.caller.tls.as_deref(),
        backend: backend.map_or(&frontend.name, |b| &b.name),
        server: match server {
            Some(server) => ServerName::Server(&server.name),
            None if facts.is_stats => ServerName::Stats,
            None => ServerName::None,
        },
        timers,
        status: facts.status,
        bytes_out: exchange.down.out.written(),
        bytes_in: exchange.up.read,
        termination,
        counts: counts(exchange, thread, party),
        retries: facts.retries,
        redispatched: facts.redispatched,
        queue: facts.queue,
        request: facts.request_line(),
        kept: &exchange.notes.kept,
        details: None,
    };
    let details;
    if let LogFormat::Custom(_) = frontend.log_format {
        details = exchange.notes.details(thread, party, (facts.started, facts.responded), ended);
        record.details = Some(&details);
    }
    thread.logger.log(&frontend.log, manner, &record);
}

/// Whether nothing went wrong that whoever looks for errors wants to see: as HAProxy tells it.
fn is_normal(facts: &Facts, termination: Termination) -> bool {
    let ran = match termination.cause {
        Cause::Normal => facts.retries == 0,
        Cause::Local => true,
        Cause::Client
        | Cause::Server
        | Cause::Proxy
        | Cause::Resource
        | Cause::Internal
        | Cause::Down
        | Cause::Up
        | Cause::Killed
        | Cause::ClientTimeout
        | Cause::ClientRate
        | Cause::ServerTimeout => false,
    };
    ran && !facts.redispatched && facts.status.is_none_or(|status| status < 500)
}

/// This request is with no backend and no server any more; its client is still there. As HAProxy counts.
fn counts(exchange: &Exchange, thread: &DataThread, party: &Party) -> ConnectionCounts {
    let facts = &exchange.facts;
    let backend = facts.backend.map_or(0, |b| thread.recorder.stats().backend_current(b).saturating_sub(1));
    let own = u32::from(exchange.lease.is_some());
    ConnectionCounts {
        process: thread.gate.connections(),
        frontend: thread.gate.of_frontend(party.frontend),
        backend: u32::try_from(backend).unwrap_or(u32::MAX),
        server: facts.server.map_or(0, |s| thread.balance.in_flight(s).saturating_sub(own)),
    }
}

/// Room that an unused request line keeps.
const ROOM: usize = 1024;
