//! The task of one connection of a client that speaks HTTP/2. Its streams have tasks of their own.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;

use super::super::caller::Caller;
use super::super::deadline::Alarm;
use super::super::http1;
use super::super::idle::{Place, Rest};
use super::super::runtime::DataThread;
use super::super::sessions::Presence;
use super::super::stream::Stream;
use super::client::{ClientStream, Shared};
use super::content::MOST_AT_ONCE;
use super::queue::Piece;
use super::takes::{Leftovers, Patience, Takes};
use super::wire::{Line, Wire};
use crate::h2::budget::Budget;
use crate::h2::request::{self, Protocol};
use crate::plan::{FrontendId, Http2};

/// A client's connection. As a future it ends when the connection is over.
pub(in crate::io) struct Serve {
    thread: Rc<DataThread>,
    party: http1::Party,
    line: Line,
    session: Session,
    shared: Arc<Shared>,
    /// Streams that are done but for what h2 has of them.
    leftovers: Leftovers,
    /// How the client reads its socket.
    reads: Takes,
    /// When it last had something to do.
    active: Instant,
    /// It has something to do.
    busy: bool,
    alarm: Alarm,
    /// Where it waits for requests.
    place: Place,
    /// The client has been told to open no more streams.
    leaving: bool,
    /// It has sent a request.
    served: bool,
    presence: Presence,
}

enum Session {
    /// Until the client's preface is there.
    Opening(Handshake<Wire, Piece>),
    Running(Connection<Wire, Piece>),
    /// All has been said; what the client sends on is taken in, because closing with unread input would destroy our
    /// last frames on their way.
    Parting {
        until: Instant,
        left: usize,
        closed: bool,
    },
}

/// What a turn comes to.
enum Turn {
    Wait,
    Again,
    Over,
}

impl Serve {
    /// Serves a client that has agreed on HTTP/2 inside TLS.
    pub(in crate::io) fn of_tls(
        thread: Rc<DataThread>,
        stream: Stream,
        caller: Caller,
        frontend: FrontendId,
        presence: Presence,
        now: Instant,
    ) -> Self {
        http1::count_in(&thread, frontend);
        let party = http1::Party { caller, frontend, http2: true };
        Self::new(thread, stream, Vec::new(), party, presence, now)
    }

    /// Serves `stream`, of which `ahead` has been read. The connection has been counted in.
    pub(in crate::io) fn new(
        thread: Rc<DataThread>,
        stream: Stream,
        ahead: Vec<u8>,
        party: http1::Party,
        presence: Presence,
        now: Instant,
    ) -> Self {
        thread.recorder.frontend(party.frontend).http2_connections.add(1);
        presence.handle_http2();
        let settings = thread.plan.global.http2;
        let budget = Budget::new(settings.glitches, now);
        let (wire, line) = Wire::new(stream, ahead, budget);
        let session = Session::Opening(builder(&settings, thread.limits().bytes).handshake::<_, Piece>(wire));
        Self {
            thread,
            party,
            line,
            session,
            shared: Arc::default(),
            leftovers: Leftovers::default(),
            reads: Takes::new(0),
            active: now,
            busy: false,
            alarm: Alarm::default(),
            place: Place::default(),
            leaving: false,
            served: false,
            presence,
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Turn {
        match &mut self.session {
            Session::Opening(handshake) => match Pin::new(handshake).poll(cx) {
                Poll::Pending => Turn::Wait,
                Poll::Ready(Ok(connection)) => {
                    self.session = Session::Running(connection);
                    Turn::Again
                }
                // What came is not HTTP/2, or nothing came.
                Poll::Ready(Err(_)) => self.part(now),
            },
            Session::Running(_) => self.run(cx, now),
            Session::Parting { closed, .. } if !*closed => match self.line.poll_flush(cx) {
                Poll::Ready(Ok(())) if self.line.shutdown().is_ok() => {
                    *closed = true;
                    Turn::Again
                }
                Poll::Ready(_) => Turn::Over,
                Poll::Pending => Turn::Wait,
            },
            Session::Parting { until, left, .. } => {
                let mut scratch = self.thread.scratch.borrow_mut();
                match self.line.poll_discard(cx, &mut scratch.bytes) {
                    Poll::Pending if now < *until => Turn::Wait,
                    Poll::Ready(Ok(n)) if n > 0 && n < *left => {
                        *left -= n;
                        Turn::Again
                    }
                    Poll::Pending | Poll::Ready(_) => Turn::Over,
                }
            }
        }
    }

    fn run(&mut self, cx: &mut Context<'_>, now: Instant) -> Turn {
        let Session::Running(connection) = &mut self.session else { return Turn::Over };
        if self.thread.is_leaving() && !self.leaving {
            self.leaving = true;
            connection.graceful_shutdown();
        }
        loop {
            match connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.served = true;
                    open(&self.thread, &self.party, &self.shared, request, respond, now);
                }
                Poll::Ready(None | Some(Err(_))) => return self.part(now),
                Poll::Pending if self.line.is_spent() => {
                    self.thread.recorder.frontend(self.party.frontend).request_errors.add(1);
                    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    return self.cut(cx, now);
                }
                Poll::Pending => return Turn::Wait,
            }
        }
    }

    /// Ends a connection that has been told so.
    fn cut(&mut self, cx: &mut Context<'_>, now: Instant) -> Turn {
        let Session::Running(connection) = &mut self.session else { return Turn::Over };
        // It writes its last frame. If there is no room for that, the client has not read for long.
        drop(connection.poll_closed(cx));
        self.part(now)
    }

    /// The protocol has come to its end: what waits is still written, as far as there is room.
    fn part(&mut self, now: Instant) -> Turn {
        self.leftovers.clear();
        self.session = Session::Parting { until: now + LINGER, left: MOST_DISCARDED, closed: false };
        Turn::Again
    }

    /// Takes note of whether it has something to do: for a stream, or with bytes that the client has not taken.
    fn update(&mut self, now: Instant) {
        self.leftovers.update(|new| self.shared.take_left(new));
        self.presence.set_streams(self.shared.open());
        let before = self.busy;
        self.busy = self.shared.is_busy() || !self.leftovers.is_empty() || self.line.is_waiting();
        if self.busy || before {
            self.active = now;
        }
    }

    /// When something has to have happened.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let frontend = self.thread.plan.frontends().get(usize::from(self.party.frontend.0))?;
        let timeout = &frontend.timeout;
        if let Session::Parting { until, .. } = &self.session {
            return Some(*until);
        }
        let patience = timeout.client.map(|t| Patience { timeout: t, rate: frontend.http.min_rate.response });
        if !self.busy {
            patience.into_iter().for_each(|p| self.reads.rest(self.line.written(), p, now));
            let request = timeout.http_request.or(timeout.client);
            let limit = if self.served { timeout.http_keep_alive.or(request) } else { request };
            return Some(self.active + limit?);
        }
        // A client that may be idle for ever may be slow for ever. Streams that are open look after themselves.
        let patience = patience?;
        let (late, next) = self.leftovers.check(patience, now);
        self.count_slow(late);
        if self.line.is_waiting() {
            let due = self.reads.due(self.line.written(), patience, now);
            return Some(next.map_or(due, |next| next.min(due)));
        }
        self.reads.rest(self.line.written(), patience, now);
        next
    }

    fn count_slow(&self, streams: u64) {
        if streams > 0 {
            self.thread.recorder.frontend(self.party.frontend).slow_clients.add(streams);
        }
    }

    /// Whether it has nothing to do and is to make room.
    fn is_unwanted(&mut self, cx: &Context<'_>) -> bool {
        if matches!(self.session, Session::Parting { .. }) || self.busy {
            self.thread.idle.rise(&self.place);
            return false;
        }
        self.thread.idle.sit(&mut self.place, self.party.frontend, self.active, cx) == Rest::Leave
    }

    /// Makes room at once: the client is told, if it reads, and not waited for.
    fn leave(&mut self, cx: &mut Context<'_>) {
        http1::count_evicted(&self.thread, self.party.frontend);
        if let Session::Running(connection) = &mut self.session {
            connection.abrupt_shutdown(Reason::NO_ERROR);
            drop(connection.poll_closed(cx));
        }
        drop(self.line.poll_flush(cx));
    }

    /// The deadline has passed: the client is told, if that is possible, and left.
    fn expire(&mut self, cx: &mut Context<'_>, now: Instant) -> Turn {
        if self.busy && !matches!(self.session, Session::Parting { .. }) {
            // It does not read. If the reset cannot be arranged the connection is gone.
            drop(self.line.reset_on_close());
            self.count_slow(1);
            return Turn::Over;
        }
        match &mut self.session {
            Session::Running(connection) if !self.leaving => {
                self.leaving = true;
                connection.abrupt_shutdown(Reason::NO_ERROR);
                self.cut(cx, now)
            }
            Session::Opening(_) | Session::Running(_) | Session::Parting { .. } => Turn::Over,
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.thread.idle.leave(&mut self.place);
        http1::count_out(&self.thread, self.party.frontend);
        if std::thread::panicking() {
            self.thread.control.count_panic();
        }
    }
}

impl Future for Serve {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let now = Instant::now();
        this.line.begin(now, &this.thread.http2_spare);
        this.shared.set_task(cx);
        this.line.excuse(this.shared.take_excused());
        let mut turn = this.turn(cx, now);
        loop {
            match turn {
                Turn::Over => return Poll::Ready(()),
                Turn::Again => {}
                Turn::Wait => {
                    if matches!(this.line.poll_flush(cx), Poll::Ready(Err(_))) {
                        return Poll::Ready(());
                    }
                    if !this.line.take_unblocked() {
                        break;
                    }
                }
            }
            turn = this.turn(cx, now);
        }
        this.shared.kept.feed();
        this.update(now);
        if this.is_unwanted(cx) {
            this.leave(cx);
            return Poll::Ready(());
        }
        let deadline = this.deadline(now);
        if deadline.is_some_and(|d| d <= now) {
            match this.expire(cx, now) {
                Turn::Over => return Poll::Ready(()),
                Turn::Wait | Turn::Again => cx.waker().wake_by_ref(),
            }
        }
        if this.line.has_more() {
            cx.waker().wake_by_ref();
        }
        this.line.end(&this.thread.http2_spare);
        // Even with no deadline it is to be woken for draining.
        this.alarm.attach(&this.thread.deadlines, cx);
        this.alarm.set(&this.thread.deadlines, deadline, cx, now);
        Poll::Pending
    }
}

/// What a client is told, and what h2 itself allows it.
fn builder(settings: &Http2, max_head_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(settings.initial_window)
        .initial_connection_window_size(settings.initial_window.max(CONNECTION_WINDOW))
        .max_frame_size(settings.max_frame)
        .max_concurrent_streams(settings.max_streams)
        .max_send_buffer_size(MOST_AT_ONCE)
        .header_table_size(settings.header_table)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(RESET_REMEMBERED)
        .max_pending_accept_reset_streams(MOST_RESET_UNSEEN)
        .max_local_error_reset_streams(Some(MOST_MADE_RESET))
        .enable_connect_protocol();
    builder
}

/// Sets a stream of the client going.
fn open(
    thread: &Rc<DataThread>,
    party: &http1::Party,
    shared: &Arc<Shared>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Piece>,
    now: Instant,
) {
    if respond.poll_reset(&mut Context::from_waker(Waker::noop())).is_ready() {
        // It has been taken back, or broken, in the frames read with it: nobody is asked for an answer.
        return thread.recorder.frontend(party.frontend).request_errors.add(1);
    }
    let (parts, body) = request.into_parts();
    let mut head = Vec::with_capacity(HEAD_ROOM);
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let protocol = protocol.map(|name| Protocol { name: name.as_str(), nonce: nonce() });
    match request::write_head(&mut head, &parts, protocol, body.is_end_stream()) {
        Ok(content) => {
            let stream = Stream::from(ClientStream::new(shared, head, content, body, respond));
            thread.recorder.frontend(party.frontend).http2_requests.add(1);
            let connection = http1::Connection::of_stream(Rc::clone(thread), stream, party.clone(), now);
            // The thread owns its tasks: they end with it, and a panic in one ends that one only and is counted.
            drop(tokio::task::spawn_local(connection));
        }
        Err(_) => {
            thread.recorder.frontend(party.frontend).request_errors.add(1);
            respond.send_reset(Reason::PROTOCOL_ERROR);
        }
    }
}

/// Bytes nobody has used before, for the handshake of a WebSocket: they tell connections apart and guard no secret.
fn nonce() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(0_u8));
    (half() << 64 | half()).to_be_bytes()
}

/// Content of all streams together that may be on its way to us: what one connection can make us keep.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Streams whose reset the peer may not have seen; frames for them are ignored.
const RESET_REMEMBERED: usize = 64;

/// Streams reset by the client before they were looked at (CVE-2023-44487).
const MOST_RESET_UNSEEN: usize = 100;

/// Streams the client has made us reset (CVE-2025-8671).
const MOST_MADE_RESET: usize = 200;

/// Most heads fit.
const HEAD_ROOM: usize = 512;

/// How long a client may take to read our last frames while it is still sending.
const LINGER: Duration = Duration::from_secs(1);

/// What it may send meanwhile.
const MOST_DISCARDED: usize = 1024 * 1024;
