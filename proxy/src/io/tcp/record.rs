//! What is known of a connection when it is over: counted once, logged once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::super::http1::Failure;
use super::super::runtime::DataThread;
use crate::access_log::{
    AccessRecord, Cause, ConnectionCounts, Phase, QueuePositions, RequestLine, ServerName, Termination,
    Timers,
};
use crate::plan::{BackendId, FrontendId, ServerId};
use crate::tls::SessionFacts;

/// What the record will say.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) client: SocketAddr,
    pub(super) frontend: FrontendId,
    pub(super) tls: Option<Arc<SessionFacts>>,
    pub(super) started: Instant,
    pub(super) assigned: Option<Instant>,
    pub(super) connected: Option<Instant>,
    pub(super) backend: Option<BackendId>,
    pub(super) server: Option<ServerId>,
    pub(super) queue: QueuePositions,
    pub(super) retries: u8,
    pub(super) redispatched: bool,
    /// Set when the end is known. Unset: the connection was dropped in the middle.
    pub(super) termination: Option<Termination>,
    pub(super) failure: Option<Failure>,
    /// Bytes read from the client.
    pub(super) bytes_in: u64,
    /// Bytes the client has taken.
    pub(super) bytes_out: u64,
}

impl Facts {
    pub(super) fn new(
        client: SocketAddr,
        frontend: FrontendId,
        tls: Option<Arc<SessionFacts>>,
        now: Instant,
    ) -> Self {
        Self {
            client,
            frontend,
            tls,
            started: now,
            assigned: None,
            connected: None,
            backend: None,
            server: None,
            queue: QueuePositions::default(),
            retries: 0,
            redispatched: false,
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
        let frontend = Some(recorder.frontend(self.frontend));
        for counters in [Some(recorder.process()), frontend, backend, server].into_iter().flatten() {
            counters.bytes_in.add(self.bytes_in);
            counters.bytes_out.add(self.bytes_out);
            match self.termination.map(|t| t.cause) {
                Some(Cause::Client | Cause::ClientTimeout | Cause::ClientRate) => {
                    counters.client_aborts.add(1)
                }
                Some(Cause::Server | Cause::ServerTimeout) if self.connected.is_some() => {
                    counters.server_aborts.add(1);
                }
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
        let backend = self.backend.and_then(|b| thread.plan.backends().get(usize::from(b.0)));
        let server = self.server.and_then(|s| thread.plan.servers().get(s.0 as usize));
        let timers = self.timers(Instant::now());
        // Left in the middle: by a panic, or because the thread stops.
        let unfinished = || {
            let cause = if std::thread::panicking() { Cause::Internal } else { Cause::Killed };
            Termination::new(cause, Phase::Data)
        };
        let record = AccessRecord {
            client: self.client,
            time: thread.time_of_day.at(self.started),
            frontend: &frontend.name,
            tls: self.tls.as_deref(),
            backend: backend.map_or(&frontend.name, |b| &b.name),
            server: server.map_or(ServerName::None, |s| ServerName::Server(&s.name)),
            timers,
            status: None,
            bytes_out: self.bytes_out,
            bytes_in: self.bytes_in,
            request_cookie: None,
            response_cookie: None,
            termination: self.termination.unwrap_or_else(unfinished),
            counts: self.counts(thread),
            retries: self.retries,
            redispatched: self.redispatched,
            queue: self.queue,
            request_captures: &[],
            response_captures: &[],
            request: RequestLine::None,
            unique_id: None,
        };
        thread.logger.log(&frontend.log, frontend.log_format, &record);
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
