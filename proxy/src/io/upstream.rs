//! Connections to servers: kept for the next request, made anew, tried again.

pub(super) mod redispatch;
mod sessions;

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::uri::Scheme;

use super::assign::{Assign, Unassigned};
use super::caller::Caller;
use super::http2::Session;
use super::runtime::{Balance, DataThread};
use super::stream::Stream;
use crate::balance::{Lease, Wish};
use crate::health::Sign;
use crate::names::{Addresses, Epoch};
use crate::plan::{Backend, BackendId, Mode, RetryEvent, ServerId, ServerProtocol};
use sessions::{Opening, Sessions, Turn};

/// Idle connections of one thread, by server. At most [`MOST_IDLE`] per server: one more is closed instead of kept.
#[derive(Debug)]
pub(super) struct Pool {
    servers: Vec<Vec<Idle>>,
    pub(super) sessions: Sessions,
    /// Connections to where servers were in this epoch and still are.
    epoch: Epoch,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

/// Which idle connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Any that is still open: if the server closes it at this very moment, the request can be sent again.
    Any,
    /// Only one that was in use a moment ago. A request that must not be sent twice would otherwise be lost whenever it
    /// meets the end of the server's keep-alive time, which no server sets as short as this.
    JustUsed,
}

impl Pool {
    pub(super) fn new(servers: usize) -> Self {
        Self {
            servers: (0..servers).map(|_| Vec::new()).collect(),
            sessions: Sessions::new(servers),
            epoch: Epoch::default(),
        }
    }

    /// How many connections wait for a request, by server.
    pub(super) fn idle(&self) -> impl Iterator<Item = (ServerId, usize)> {
        (0..).map(ServerId).zip(self.servers.iter().map(Vec::len))
    }

    /// The connection to `server` that was used last, if it will do and is still good.
    pub(super) fn take(&mut self, server: ServerId, reuse: Reuse, now: Instant) -> Option<Stream> {
        // A request that meets the end of such a connection is known not to have been processed (RFC 9113 §6.8).
        if let Some(stream) = self.sessions.stream(server, now) {
            return Some(stream);
        }
        let idle = self.servers.get_mut(server.0 as usize)?;
        while let Some(last) = idle.last() {
            if reuse == Reuse::JustUsed && now.saturating_duration_since(last.since) > JUST_USED {
                return None;
            }
            // A server that says anything now, or nothing ever again, is not waiting for a request.
            if let Some(mut last) = idle.pop()
                && last.stream.is_quiet()
            {
                return Some(last.stream);
            }
        }
        None
    }

    /// Closes the connections to where servers are no longer.
    #[inline]
    pub(super) fn follow(&mut self, addresses: &Addresses) {
        let epoch = addresses.epoch();
        if epoch != self.epoch {
            let moved = |id: &ServerId| addresses.is_outdated(*id, self.epoch);
            for (id, idle) in (0..).map(ServerId).zip(&mut self.servers).filter(|(id, _)| moved(id)) {
                idle.clear();
                self.sessions.leave(id);
            }
            self.epoch = epoch;
        }
    }

    /// Keeps a connection whose last response is complete.
    pub(super) fn put(&mut self, server: ServerId, stream: Stream, now: Instant) {
        if let Some(idle) = self.servers.get_mut(server.0 as usize)
            && idle.len() < MOST_IDLE
            && !stream.is_multiplexed()
        {
            idle.push(Idle { stream, since: now });
        }
    }

    /// Closes what has been idle for too long or was closed by the server.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.sessions.sweep(now, LONGEST_IDLE);
        for idle in &mut self.servers {
            idle.retain_mut(|i| now.saturating_duration_since(i.since) < LONGEST_IDLE && i.stream.is_quiet());
        }
    }

    /// Closes all; how many of them no other request shared.
    pub(super) fn clear(&mut self) -> usize {
        self.sessions.clear();
        let closed = self.servers.iter().map(Vec::len).sum();
        self.servers.iter_mut().for_each(Vec::clear);
        closed
    }
}

/// Why no connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DialError {
    /// The server, or the network before it, refused.
    Refused,
    /// Nothing came back in time.
    Timeout,
    /// This machine has no more sockets, ports or memory.
    Resource,
    /// After the server had failed, no other one was to be had.
    Unassigned(Unassigned),
}

/// Connecting to a server of a backend, with HAProxy's retries: after a failure the same server again, not sooner than a
/// second or the connect timeout, whichever is shorter, after it has refused; with `redispatch` another one, at once if
/// there is one.
pub(super) struct Dial {
    /// Where the attempt goes.
    pub(super) server: ServerId,
    /// Attempts after the first.
    pub(super) retries: u8,
    /// An attempt moved to another server.
    pub(super) redispatched: bool,
    /// The stream is one of a connection that was there.
    pub(super) joined: bool,
    /// What the server was chosen by.
    wish: Wish,
    backend: BackendId,
    left: u8,
    attempt: Attempt,
    /// Before the address of the running attempt was read.
    epoch: Epoch,
    /// Others wait for the connection.
    opening: Option<Opening>,
    caller: Caller,
}

enum Attempt {
    /// To be made at once.
    Due,
    /// Another request opens a connection that this one may share.
    Joining {
        since: Instant,
        turn: Turn,
    },
    Trying {
        stream: Stream,
        /// What is still to be said of whose connection it is.
        announcement: Vec<u8>,
        since: Instant,
    },
    Pausing {
        until: Instant,
        then: Next,
    },
    /// Another server is asked for.
    Reassigning(Assign),
}

/// Where the next attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Same,
    Another,
}

impl Dial {
    /// About to connect to `server`, for whom it is.
    pub(super) fn new(thread: &DataThread, backend: BackendId, server: ServerId, caller: Caller) -> Self {
        let left =
            backend_of(thread, backend).map_or(0, |b| match b.http.retry.on.has(RetryEvent::ConnFailure) {
                true => b.retries,
                false => 0,
            });
        let epoch = Epoch::default();
        let (attempt, opening) = (Attempt::Due, None);
        Self {
            server,
            retries: 0,
            redispatched: false,
            joined: false,
            wish: Wish::default(),
            backend,
            left,
            attempt,
            epoch,
            caller,
            opening,
        }
    }

    /// The same with what the server was chosen by, so that another one is chosen by it too.
    pub(super) fn by(self, wish: Wish) -> Self {
        Self { wish, ..self }
    }

    /// The same with what `made` attempts have left of the retries.
    pub(super) fn after(self, made: u8) -> Self {
        Self { left: self.left.saturating_sub(made), ..self }
    }

    /// Goes on. Pending: until the stream is ready or [`Dial::deadline`]. `lease` is the one on the server, and is
    /// exchanged for one on another if the attempt moves there.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        thread: &Rc<DataThread>,
        lease: &mut Option<Lease<Balance>>,
        now: Instant,
    ) -> Poll<Result<Stream, DialError>> {
        loop {
            let failure = match std::mem::replace(&mut self.attempt, Attempt::Due) {
                Attempt::Joining { since, .. } if self.timeout(thread).is_some_and(|t| now >= since + t) => {
                    DialError::Timeout
                }
                begin @ (Attempt::Due | Attempt::Joining { .. }) => {
                    let (since, turn) = match begin {
                        Attempt::Joining { since, turn } => (since, Some(turn)),
                        Attempt::Due
                        | Attempt::Trying { .. }
                        | Attempt::Pausing { .. }
                        | Attempt::Reassigning(_) => (now, None),
                    };
                    if let Some(joined) = self.join(cx, thread, (since, turn), now) {
                        return joined.map(Ok);
                    }
                    match self.start(thread) {
                        Ok(stream) => {
                            let announcement = self.announcement(thread);
                            self.attempt = Attempt::Trying { stream, announcement, since: now };
                            continue;
                        }
                        Err(e) => kind_of(thread, &e),
                    }
                }
                Attempt::Trying { mut stream, mut announcement, since } => {
                    match stream.poll_announced(cx, &mut announcement) {
                        Poll::Ready(Ok(())) => match self.finish(cx, thread, stream, now) {
                            Ok(stream) => {
                                thread.balance.observations().note(self.server, Sign::Connected);
                                return Poll::Ready(Ok(stream));
                            }
                            Err(e) => kind_of(thread, &e),
                        },
                        Poll::Ready(Err(e)) => kind_of(thread, &e),
                        Poll::Pending if self.timeout(thread).is_some_and(|t| now >= since + t) => {
                            DialError::Timeout
                        }
                        Poll::Pending => {
                            self.attempt = Attempt::Trying { stream, announcement, since };
                            return Poll::Pending;
                        }
                    }
                }
                Attempt::Pausing { until, then } if now < until => {
                    self.attempt = Attempt::Pausing { until, then };
                    return Poll::Pending;
                }
                Attempt::Pausing { then: Next::Same, .. } => continue,
                Attempt::Pausing { then: Next::Another, .. } => {
                    self.reassign();
                    continue;
                }
                Attempt::Reassigning(mut assign) => match assign.poll(cx, thread, now) {
                    Poll::Pending => {
                        self.attempt = Attempt::Reassigning(assign);
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(reason)) => return Poll::Ready(Err(DialError::Unassigned(reason))),
                    Poll::Ready(Ok(assigned)) => {
                        self.handle_reassigned(thread, assigned.server());
                        *lease = Some(assigned.lease);
                        continue;
                    }
                },
            };
            if self.handle_failure(thread, failure, now)? == Next::Another {
                // Not before: its own slot must be free for it to wait for one.
                *lease = None;
            }
        }
    }

    /// When to go on whatever happens.
    pub(super) fn deadline(&self, thread: &DataThread) -> Option<Instant> {
        match &self.attempt {
            Attempt::Due => None,
            Attempt::Trying { since, .. } | Attempt::Joining { since, .. } => {
                self.timeout(thread).map(|t| *since + t)
            }
            Attempt::Pausing { until, .. } => Some(*until),
            Attempt::Reassigning(assign) => assign.deadline(),
        }
    }

    /// When the server was where the connection leads.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Shares a connection that others have opened, or waits for one that they open. `None`: this request opens one.
    fn join(
        &mut self,
        cx: &Context<'_>,
        thread: &Rc<DataThread>,
        (since, turn): (Instant, Option<Turn>),
        now: Instant,
    ) -> Option<Poll<Stream>> {
        let mut pool = thread.pool.borrow_mut();
        pool.follow(thread.balance.addresses());
        // What was agreed on before will be again.
        let agreed = pool.sessions.have_been(self.server) && self.is_of_http(thread);
        if !agreed && !self.is_told_http2(thread) {
            return None;
        }
        if let Some(stream) = pool.sessions.stream(self.server, now) {
            self.joined = true;
            return Some(Poll::Ready(stream));
        }
        if let Some(turn) = pool.sessions.wait(self.server, turn, cx) {
            self.attempt = Attempt::Joining { since, turn };
            return Some(Poll::Pending);
        }
        drop(pool);
        self.opening = Some(Opening::new(thread, self.server));
        None
    }

    /// The connection is there: if requests share it, this one is the first.
    fn finish(
        &mut self,
        cx: &mut Context<'_>,
        thread: &Rc<DataThread>,
        stream: Stream,
        now: Instant,
    ) -> io::Result<Stream> {
        let opening = self.opening.take();
        let agreed = stream.has_agreed_on_http2() && self.is_of_http(thread);
        if !agreed && !self.is_told_http2(thread) {
            return Ok(stream);
        }
        let scheme = if stream.tls().is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let mut session = Session::open(thread, stream, scheme, cx, now)?;
        let stream = session.stream(now).ok_or(io::ErrorKind::ConnectionReset)?;
        if !thread.balance.addresses().is_outdated(self.server, self.epoch) {
            thread.pool.borrow_mut().sessions.keep(self.server, session);
        }
        // Those who wait find it.
        drop(opening);
        Ok(stream)
    }

    /// Whether the server is spoken to in HTTP/2 without asking it.
    fn is_told_http2(&self, thread: &DataThread) -> bool {
        let server = thread.plan.servers().get(self.server.0 as usize);
        server.is_some_and(|s| s.protocol == ServerProtocol::Http2) && self.is_of_http(thread)
    }

    fn is_of_http(&self, thread: &DataThread) -> bool {
        backend_of(thread, self.backend).is_some_and(|b| b.mode == Mode::Http)
    }

    fn start(&mut self, thread: &DataThread) -> io::Result<Stream> {
        self.epoch = thread.balance.addresses().epoch();
        let at = thread.balance.addresses().endpoint(self.server);
        // Not a matter of this machine's resources, so: refused.
        let at = at.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        match thread.plan.servers().get(self.server.0 as usize).and_then(|s| s.tls.as_ref()) {
            None => Stream::connect(&at),
            Some(connector) => Stream::connect_tls(&at, connector),
        }
    }

    /// The header of the PROXY protocol that the server wants; empty: it wants none.
    #[inline]
    fn announcement(&self, thread: &DataThread) -> Vec<u8> {
        match thread.plan.servers().get(self.server.0 as usize).and_then(|s| s.send_proxy) {
            None => Vec::new(),
            Some(how) => self.caller.announcement(how),
        }
    }

    fn handle_failure(
        &mut self,
        thread: &DataThread,
        failure: DialError,
        now: Instant,
    ) -> Result<Next, DialError> {
        self.opening = None;
        if failure != DialError::Resource {
            thread.balance.observations().note(self.server, Sign::NotConnected);
        }
        thread.recorder.server(self.server).connect_errors.add(1);
        thread.recorder.backend(self.backend).connect_errors.add(1);
        self.left = self.left.checked_sub(1).ok_or(failure)?;
        self.retries = self.retries.saturating_add(1);
        let made = backend_of(thread, self.backend).map_or(0, |b| b.retries.saturating_sub(self.left));
        let then = match redispatch::is_due(thread, self.backend, self.server, &self.wish, made) {
            true => Next::Another,
            false => Next::Same,
        };
        if then == Next::Same {
            self.count_retry(thread);
        }
        // Waiting has done for a pause. And another server need not be spared what this one could not bear.
        let alone = then == Next::Same || thread.balance.usable(self.backend).active <= 1;
        if failure != DialError::Timeout && alone {
            let pause = self.timeout(thread).map_or(LONGEST_PAUSE, |t| t.min(LONGEST_PAUSE));
            self.attempt = Attempt::Pausing { until: now + pause, then };
        } else if then == Next::Another {
            self.reassign();
        }
        Ok(then)
    }

    fn reassign(&mut self) {
        self.wish = Wish { key: self.wish.key, avoid: Some(self.server), ..Wish::default() };
        self.attempt = Attempt::Reassigning(Assign::new(self.backend, self.wish));
    }

    /// HAProxy counts what comes back to the same server as a retry.
    fn handle_reassigned(&mut self, thread: &DataThread, server: ServerId) {
        if server == self.server {
            return self.count_retry(thread);
        }
        thread.recorder.server(self.server).redispatches.add(1);
        thread.recorder.backend(self.backend).redispatches.add(1);
        self.server = server;
        self.redispatched = true;
    }

    fn count_retry(&self, thread: &DataThread) {
        thread.recorder.server(self.server).retries.add(1);
        thread.recorder.backend(self.backend).retries.add(1);
    }

    fn timeout(&self, thread: &DataThread) -> Option<Duration> {
        backend_of(thread, self.backend).and_then(|b| b.timeout.connect)
    }
}

fn backend_of(thread: &DataThread, backend: BackendId) -> Option<&Backend> {
    thread.plan.backends().get(usize::from(backend.0))
}

fn kind_of(thread: &DataThread, error: &io::Error) -> DialError {
    use nix::libc::{EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM, ETIMEDOUT};
    if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
        // For the next attempt.
        let _any: bool = thread.relieve();
    }
    match error.raw_os_error() {
        Some(EADDRNOTAVAIL | EAGAIN | EMFILE | ENFILE | ENOBUFS | ENOMEM) => DialError::Resource,
        Some(ETIMEDOUT) => DialError::Timeout,
        _ => DialError::Refused,
    }
}

/// Idle connections per server and thread.
const MOST_IDLE: usize = 512;

/// Servers that keep connections longer than this are rarer than firewalls that forget them.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// Keep-alive times of servers start at a second.
const JUST_USED: Duration = Duration::from_millis(500);

/// HAProxy's pause before the same server is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
