//! Connections of one thread to servers that speak HTTP/2. Requests share them; while one is being opened, others wait for
//! it instead of opening their own.

use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::super::http2::Session;
use super::super::runtime::DataThread;
use super::super::stream::Stream;
use crate::plan::ServerId;

/// By server.
#[derive(Debug)]
pub(in crate::io) struct Sessions {
    servers: Vec<Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    open: Vec<Session>,
    /// There has been one.
    been: bool,
    /// One is being opened.
    opening: bool,
    /// Requests that wait for it, once each.
    waiting: Vec<Waker>,
    /// Counts openings that have begun or ended.
    turn: Turn,
}

/// Which opening of a connection a request waits for.
pub(super) type Turn = u64;

impl Sessions {
    pub(super) fn new(servers: usize) -> Self {
        Self { servers: (0..servers).map(|_| Entry::default()).collect() }
    }

    /// A stream of a connection that is there. The first one with room is filled, so that others may become idle.
    #[inline]
    pub(super) fn stream(&mut self, server: ServerId, now: Instant) -> Option<Stream> {
        self.servers.get_mut(server.0 as usize)?.open.iter_mut().find_map(|s| s.stream(now))
    }

    /// Keeps a connection for other requests.
    pub(super) fn keep(&mut self, server: ServerId, session: Session) {
        if let Some(entry) = self.servers.get_mut(server.0 as usize) {
            entry.open.push(session);
            entry.been = true;
        }
    }

    /// Whether there has ever been a connection to it.
    pub(super) fn have_been(&self, server: ServerId) -> bool {
        self.servers.get(server.0 as usize).is_some_and(|e| e.been)
    }

    /// Waits for a connection that is being opened, or of which it is not known yet how much it takes. `None`: there is
    /// none. `waits`: what the request, always the same task, was told when it asked before.
    pub(super) fn wait(&mut self, server: ServerId, waits: Option<Turn>, cx: &Context<'_>) -> Option<Turn> {
        let entry = self.servers.get_mut(server.0 as usize)?;
        if entry.opening && waits != Some(entry.turn) {
            entry.waiting.push(cx.waker().clone());
        }
        (entry.opening || entry.open.iter().any(|s| s.is_settling(cx))).then_some(entry.turn)
    }

    /// Leaves the connections to where a server is no longer.
    pub(super) fn leave(&mut self, server: ServerId) {
        if let Some(entry) = self.servers.get_mut(server.0 as usize) {
            entry.open.clear();
        }
    }

    /// Leaves what has been idle for too long or takes no more streams.
    pub(super) fn sweep(&mut self, now: Instant, idle: Duration) {
        for entry in &mut self.servers {
            entry.open.retain_mut(|s| s.is_of_use(now, idle));
        }
    }

    /// Leaves all.
    pub(super) fn clear(&mut self) {
        self.servers.iter_mut().for_each(|e| e.open.clear());
    }

    fn mark(&mut self, server: ServerId, opening: bool) {
        if let Some(entry) = self.servers.get_mut(server.0 as usize) {
            entry.opening = opening;
            entry.turn += 1;
            entry.waiting.drain(..).for_each(Waker::wake);
        }
    }
}

/// Whoever has this opens a connection to a server, and others wait for it.
pub(super) struct Opening {
    thread: Rc<DataThread>,
    server: ServerId,
}

impl Opening {
    pub(super) fn new(thread: &Rc<DataThread>, server: ServerId) -> Self {
        thread.pool.borrow_mut().sessions.mark(server, true);
        Self { thread: Rc::clone(thread), server }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.thread.pool.borrow_mut().sessions.mark(self.server, false);
    }
}
