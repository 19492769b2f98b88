//! What is known of a connection when it is over: counted once, logged once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::caller::Caller;
use super::super::http1::Failure;
use super::super::runtime::DataThread;
use crate::access_log::{
    AccessRecord, Cause, ConnectionCounts, Details, Fields, Format, Kept, Level, Manner, Phase,
    QueuePositions, RequestLine, ServerName, Termination, Timers,
};
use crate::plan::{BackendId, FrontendId, LogFormat, ServerId};
use crate::stats::Spans;
use crate::tls::SessionFacts;

/// What the record will say.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) client: SocketAddr,
    pub(super) frontend: FrontendId,
    pub(super) tls: Option<Arc<SessionFacts>>,
    pub(super) handshake_ms: u32,
    /// What the client has connected to, if somebody wants to know.
    pub(super) destination: Option<SocketAddr>,
    /// Both ends of the connection to the server, if records show them.
    pub(super) ends: Option<(SocketAddr, SocketAddr)>,
    pub(super) started: Instant,
    pub(super) assigned: Option<Instant>,
    pub(super) connected: Option<Instant>,
    pub(super) backend: Option<BackendId>,
    pub(super) server: Option<ServerId>,
    pub(super) queue: QueuePositions,
    pub(super) retries: u8,
    pub(super) redispatched: bool,
    /// A rule has closed it.
    pub(super) denied: bool,
    /// Set when the end is known. Unset: the connection was dropped in the middle.
    pub(super) termination: Option<Termination>,
    pub(super) failure: Option<Failure>,
    /// Bytes read from the client.
    pub(super) bytes_in: u64,
    /// Bytes the client has taken.
    pub(super) bytes_out: u64,
}

impl Facts {
    pub(super) fn new(caller: &Caller, frontend: FrontendId, now: Instant) -> Self {
        Self {
            client: caller.source,
            frontend,
            tls: caller.tls.clone(),
            handshake_ms: caller.handshake_ms(),
            destination: caller.destination(),
            ends: None,
            started: now,
            assigned: None,
            connected: None,
            backend: None,
            server: None,
            queue: QueuePositions::default(),
            retries: 0,
            redispatched: false,
            denied: false,
            termination: None,
            failure: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// Adds to the counters of everyone concerned.
    pub(super) fn count(&self, thread: &DataThread) {
        let recorder = &thread.recorder;
        let backend = self.backend.map(|b| recorder.backend(b));
        let server = self.server.map(|s| recorder.server(s));
        for counters in [backend, server].into_iter().flatten() {
            counters.requests.add(1);
        }
        if let Some((of_frontend, of_server)) = recorder.times(self.frontend, self.server) {
            let spans = Spans::from(&self.timers(Instant::now()));
            of_frontend.note(spans);
            if let Some(times) = of_server {
                times.note(spans);
            }
        }
        let frontend = Some(recorder.frontend(self.frontend));
        for counters in [frontend, backend, server].into_iter().flatten() {
            counters.bytes_in.add(self.bytes_in);
            counters.bytes_out.add(self.bytes_out);
            match self.termination.map(|t| t.cause) {
                Some(Cause::Client | Cause::ClientTimeout | Cause::ClientRate) => {
                    counters.client_aborts.add(1)
                }
                Some(Cause::Server | Cause::ServerTimeout) if self.connected.is_some() => {
                    counters.server_aborts.add(1);
                }
                Some(Cause::Proxy) if self.denied => counters.denied.add(1),
                Some(Cause::Proxy) => counters.request_errors.add(1),
                _ if self.failure == Some(Failure::NoServer) => counters.no_server.add(1),
                _ if matches!(self.failure, Some(Failure::QueueFull | Failure::QueueTimeout)) => {
                    counters.connect_errors.add(1);
                }
                // An attempt to connect that failed is counted where it is made.
                _ => {}
            }
        }
    }

    /// Writes the access record.
    pub(super) fn log(&self, thread: &DataThread) {
        let Some(frontend) = thread.plan.frontends().get(usize::from(self.frontend.0)) else { return };
        if frontend.log.is_empty() || (frontend.dontlognull && self.bytes_in == 0) {
            return;
        }
        // Left in the middle: by a panic, or because the thread stops.
        let unfinished = || {
            let cause = if std::thread::panicking() { Cause::Internal } else { Cause::Killed };
            Termination::new(cause, Phase::Data)
        };
        let termination = self.termination.unwrap_or_else(unfinished);
        let normal = termination.cause == Cause::Normal && self.retries == 0 && !self.redispatched;
        let records = frontend.records.as_deref();
        if normal && records.is_some_and(|r| r.dontlog_normal) {
            return;
        }
        let is_error = !normal && records.is_some_and(|r| r.separate_errors);
        let manner = Manner {
            format: &frontend.log_format,
            level: if is_error { Level::Err } else { Level::Info },
            fields: records.map_or(Fields::None, |r| r.fields),
        };
        let backend = self.backend.and_then(|b| thread.plan.backends().get(usize::from(b.0)));
        let server = self.server.and_then(|s| thread.plan.servers().get(s.0 as usize));
        let now = Instant::now();
        let details = match &frontend.log_format {
            LogFormat::Custom(format) => Some(self.details(thread, format, now)),
            LogFormat::Httplog | LogFormat::Tcplog | LogFormat::Json => None,
        };
        let record = AccessRecord {
            client: self.client,
            time: thread.time_of_day.at(self.started),
            frontend: &frontend.name,
            tls: self.tls.as_deref(),
            backend: backend.map_or(&frontend.name, |b| &b.name),
            server: server.map_or(ServerName::None, |s| ServerName::Server(&s.name)),
            timers: self.timers(now),
            status: None,
            bytes_out: self.bytes_out,
            bytes_in: self.bytes_in,
            termination,
            counts: self.counts(thread),
            retries: self.retries,
            redispatched: self.redispatched,
            queue: self.queue,
            request: RequestLine::None,
            kept: &Kept::default(),
            details: details.as_ref(),
        };
        thread.logger.log(&frontend.log, manner, &record);
    }

    /// What an operator's format shows.
    fn details(&self, thread: &DataThread, format: &Format, now: Instant) -> Details {
        let handshake = Duration::from_millis(self.handshake_ms.into());
        Details {
            accepted: thread.time_of_day.at(self.started.checked_sub(handshake).unwrap_or(self.started)),
            handshake,
            data: self.connected.map(|at| now.saturating_duration_since(at)),
            frontend: self.destination,
            source: self.ends.map(|(own, _)| own),
            server: self.ends.map(|(_, server)| server),
            number: if format.counts_requests() { thread.logger.next_number() } else { 0 },
            ..Details::default()
        }
    }

    fn timers(&self, now: Instant) -> Timers {
        let since = |from: Instant, to: Option<Instant>| Some(to?.saturating_duration_since(from));
        Timers {
            request: None,
            queue: since(self.started, self.assigned),
            connect: self.assigned.and_then(|at| since(at, self.connected)),
            response: None,
            active: now.saturating_duration_since(self.started),
        }
    }

    /// This connection is with no server any more; the client's is still there.
    fn counts(&self, thread: &DataThread) -> ConnectionCounts {
        let backend = self.backend.map_or(0, |b| thread.recorder.stats().backend_current(b));
        ConnectionCounts {
            process: thread.gate.connections(),
            frontend: thread.gate.of_frontend(self.frontend),
            backend: u32::try_from(backend).unwrap_or(u32::MAX),
            server: self.server.map_or(0, |s| thread.balance.in_flight(s)),
        }
    }
}
