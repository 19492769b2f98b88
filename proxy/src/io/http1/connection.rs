//! The task of one connection: which state it is in, what it waits for, and until when.

mod buffering;
mod collecting;
mod ending;
mod forwarding;
mod paced;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use buffering::Buffered;
use collecting::Collected;
use paced::Paced;

use super::super::caller::Caller;
use super::super::deadline::Alarm;
use super::super::http2;
use super::super::idle::{Place, Rest};
use super::super::passage::Means;
use super::super::private::Private;
use super::super::runtime::{DataThread, Scratch};
use super::super::sessions::Presence;
use super::super::stream::Stream;
use super::super::tunnel::{self, Halves};
use super::super::underway::Seat;
use super::demands::{Demands, Limits};
use super::failure::{Failure, Progress};
use super::flow::SMALL;
use super::ours::Ours;
use super::record::{Open, Party};
use super::request::{self, Prepared};
use super::unreadable;
use super::view::Parsed;
use crate::access_log::{Cause, Phase, Termination};
use crate::bandwidth::Bandwidth;
use crate::h1::head::{HeadError, Request};
use crate::h1::reject::Reject;
use crate::h2::preface::Beginning;
use crate::plan::{Frontend, FrontendId};

/// A client's connection. As a future it ends when the connection is over.
pub(in crate::io) struct Connection {
    thread: Rc<DataThread>,
    stream: Stream,
    whose: Box<Whose>,
    state: State,
    /// What was read and not yet used: part of a head, or what the client sent ahead.
    inbox: Vec<u8>,
    /// When the connection began to wait for a request, for the client to close, or for the end of a tarpit.
    since: Instant,
    alarm: Alarm,
    /// A request has been answered.
    served: bool,
}

/// What is looked at when a request begins or a connection ends. A task is made of whole pairs of cache lines, and this
/// would make it one more.
struct Whose {
    party: Party,
    /// Absent for a stream of a connection, which has one.
    presence: Option<Presence>,
    /// Where it waits for requests.
    place: Place,
    /// Its own connections to servers.
    private: Private,
}

impl Whose {
    fn new(party: Party, presence: Option<Presence>) -> Self {
        Self { party, presence, place: Place::default(), private: Private::default() }
    }

    /// Lets whoever asks know that a request has got this far.
    #[inline]
    fn note(&self, progress: impl FnOnce(&Presence)) {
        if let Some(presence) = &self.presence {
            progress(presence);
        }
    }
}

enum State {
    /// For the first byte of a request.
    Waiting,
    /// For the rest of a head.
    Head(Open),
    /// For a server, for either side of a running exchange.
    Forwarding(Open),
    /// The same, or a tunnel, of limited bandwidth.
    Paced(Box<Paced>),
    /// For either side of a tunnel.
    Tunnel(Open, Halves),
    /// For content that a request waits for before it goes on to a server.
    Buffering(Box<Buffered>),
    /// For the rest of the content of a request that is answered here.
    Collecting(Box<Collected>),
    /// For the time to refuse it with this status.
    Tarpit(Open, u16),
    /// For our own answer to go out.
    Answering(Open, Farewell),
    /// For the client to close, having read our last answer.
    Lingering { left: usize },
    /// Between states.
    Moving,
}

/// How to part from a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// Not at all: it may ask for something else.
    Stay,
    /// Nothing of it can be unread.
    Close,
    /// It may still be sending, and closing with unread input resets the connection, which would destroy the answer on
    /// its way (RFC 9112 §9.6): so first only our side is closed.
    Linger,
}

impl State {
    /// Whether what is under way has no other end than that of the connection, and has not come to it.
    fn breaks_off(&self) -> bool {
        match self {
            Self::Forwarding(open) => open.ends_with_connection(),
            Self::Paced(paced) => paced.breaks_off(),
            Self::Tunnel(..) => true,
            Self::Waiting
            | Self::Head(_)
            | Self::Buffering(_)
            | Self::Collecting(_)
            | Self::Tarpit(..)
            | Self::Answering(..)
            | Self::Lingering { .. }
            | Self::Moving => false,
        }
    }
}

/// What a state comes to.
enum Step {
    Next(State),
    /// Nothing to do until something happens, or until then.
    Wait(State, Option<Instant>),
    Over,
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let thread = Rc::clone(&this.thread);
        let mut scratch = thread.scratch.borrow_mut();
        let now = Instant::now();
        loop {
            let state = std::mem::replace(&mut this.state, State::Moving);
            match this.step(state, &mut scratch, cx, now) {
                Step::Next(state) => this.state = state,
                Step::Wait(state, deadline) if deadline.is_some_and(|d| d <= now) => {
                    match this.expire(state, now) {
                        Step::Next(state) | Step::Wait(state, _) => this.state = state,
                        Step::Over => return Poll::Ready(()),
                    }
                }
                Step::Wait(state, deadline) => {
                    this.state = state;
                    this.alarm.set(&thread.deadlines, deadline, cx, now);
                    return Poll::Pending;
                }
                Step::Over => return Poll::Ready(()),
            }
        }
    }
}

impl Connection {
    pub(in crate::io) fn new(
        thread: Rc<DataThread>,
        stream: Stream,
        caller: Caller,
        frontend: FrontendId,
        presence: Presence,
        now: Instant,
    ) -> Self {
        count_in(&thread, frontend);
        let party = Party { caller, frontend, http2: false };
        Self::of(thread, stream, Whose::new(party, Some(presence)), now)
    }

    /// One stream of a connection that is counted already.
    pub(in crate::io) fn of_stream(
        thread: Rc<DataThread>,
        stream: Stream,
        party: Party,
        now: Instant,
    ) -> Self {
        Self::of(thread, stream, Whose::new(party, None), now)
    }

    fn of(thread: Rc<DataThread>, stream: Stream, whose: Whose, now: Instant) -> Self {
        Self {
            thread,
            stream,
            whose: Box::new(whose),
            state: State::Waiting,
            inbox: Vec::new(),
            since: now,
            alarm: Alarm::default(),
            served: false,
        }
    }

    fn step(&mut self, state: State, scratch: &mut Scratch, cx: &mut Context<'_>, now: Instant) -> Step {
        match state {
            State::Waiting => self.wait(scratch, cx, now),
            State::Head(open) => self.read_head(open, scratch, cx, now),
            State::Forwarding(open) => self.forward(open, scratch, cx, now),
            State::Paced(paced) => self.pace(*paced, scratch, cx, now),
            State::Tunnel(open, halves) => self.tunnel(open, halves, scratch, cx, now),
            State::Buffering(buffered) => self.buffer(buffered, scratch, cx, now),
            State::Collecting(collected) => self.collect(collected, scratch, cx, now),
            State::Tarpit(open, status) => self.hold(open, status, scratch, cx, now),
            State::Answering(open, farewell) => self.answer(open, farewell, cx, now),
            State::Lingering { left } => self.linger(left, scratch, cx),
            State::Moving => Step::Over,
        }
    }

    /// The deadline has passed.
    fn expire(&mut self, state: State, now: Instant) -> Step {
        match state {
            State::Waiting if self.served => Step::Over,
            State::Waiting => {
                let open = Open::new(&self.thread, &self.whose.party, self.since);
                self.fail(open, Failure::HeadTimeout, now)
            }
            State::Head(open) => self.fail(open, Failure::HeadTimeout, now),
            State::Buffering(buffered) => self.expire_buffered(*buffered, now),
            State::Collecting(collected) => self.fail(collected.open, Failure::ClientTimeout, now),
            State::Forwarding(open) => {
                let failure = open.deadline().map_or(Failure::ServerTimeout, |(_, failure)| failure);
                self.fail_or_repeat(open, failure, now)
            }
            State::Paced(paced) => self.expire_paced(*paced, now),
            State::Tunnel(mut open, halves) => {
                let due = tunnel::deadline(&open, halves);
                let failure = due.map_or(Failure::ClientTimeout, |(_, failure)| failure);
                open.facts.termination = Some(failure.termination(Progress::Answering));
                Step::Over
            }
            State::Tarpit(open, status) => self.reply(open, &Ours::Tarpit(status), now),
            State::Answering(..) | State::Lingering { .. } | State::Moving => Step::Over,
        }
    }

    fn wait(&mut self, scratch: &mut Scratch, cx: &mut Context<'_>, now: Instant) -> Step {
        if !self.inbox.is_empty() {
            let total = self.inbox.len().min(scratch.bytes.len());
            scratch.bytes[..total].copy_from_slice(&self.inbox[..total]);
            self.inbox = Vec::new();
            let mut open = self.open(now);
            open.up.read = total as u64;
            return self.handle_head(open, total, scratch, now);
        }
        if self.served && self.thread.closes_idle() {
            return Step::Over;
        }
        let room = self.stream.first_room();
        match self.stream.poll_read(cx, &mut scratch.bytes[..room]) {
            Poll::Pending => self.rest(cx),
            Poll::Ready(Ok(0) | Err(_)) if self.served => Step::Over,
            Poll::Ready(Ok(0) | Err(_)) => {
                let open = Open::new(&self.thread, &self.whose.party, self.since);
                self.fail(open, Failure::HeadCutShort, now)
            }
            Poll::Ready(Ok(n)) => {
                self.thread.idle.rise(&self.whose.place);
                let mut open = self.open(now);
                open.up.read = n as u64;
                self.handle_head(open, n, scratch, now)
            }
        }
    }

    /// Opens an exchange whose first byte has just come.
    #[inline]
    fn open(&self, now: Instant) -> Open {
        let mut open = Open::new(&self.thread, &self.whose.party, now);
        // A stream of HTTP/2 is never the first: the connection's handshakes were before all of them.
        open.notes.begin(self.since, !self.served && self.whose.presence.is_some());
        open
    }

    /// Nothing to do: until a request comes, or until room is needed.
    fn rest(&mut self, cx: &Context<'_>) -> Step {
        if self.is_to_leave(cx) {
            return Step::Over;
        }
        Step::Wait(State::Waiting, self.request_deadline())
    }

    /// Sits down while the client has yet to say what it wants, or to go. Whether it has to make room, for it has waited the
    /// longest; a part of a head does not make it a younger one.
    fn is_to_leave(&mut self, cx: &Context<'_>) -> bool {
        let frontend = self.whose.party.frontend;
        let leaves = self.whose.presence.is_some()
            && self.thread.idle.sit(&mut self.whose.place, frontend, self.since, cx) == Rest::Leave;
        if leaves {
            count_evicted(&self.thread, frontend);
        }
        leaves
    }

    fn frontend(&self) -> Option<&Frontend> {
        self.thread.plan.frontends().get(usize::from(self.whose.party.frontend.0))
    }

    /// When the first byte of a request is due.
    fn request_deadline(&self) -> Option<Instant> {
        let timeout = &self.frontend()?.timeout;
        let request = timeout.http_request.or(timeout.client);
        let limit = if self.served { timeout.http_keep_alive.or(request) } else { request };
        Some(self.since + limit?)
    }

    fn read_head(
        &mut self,
        mut open: Open,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        let held = self.inbox.len();
        let Some(room) = scratch.bytes.get_mut(held..held + SMALL) else {
            return self.fail(open, Failure::Refused(Reject::HeadTooLarge), now);
        };
        match self.stream.poll_read(cx, room) {
            Poll::Pending if self.is_to_leave(cx) => {
                open.facts.termination = Some(Termination::new(Cause::Resource, Phase::Request));
                open.facts.ended = Some(now);
                Step::Over
            }
            Poll::Pending => {
                let timeout = open.timeouts.client;
                // For the whole of it: a byte now and then does not keep it open.
                let limit = timeout.http_request.or(timeout.client);
                let deadline = limit.and_then(|limit| Some(open.facts.started? + limit));
                Step::Wait(State::Head(open), deadline)
            }
            Poll::Ready(Ok(0) | Err(_)) => self.fail(open, Failure::HeadCutShort, now),
            Poll::Ready(Ok(n)) => {
                self.thread.idle.rise(&self.whose.place);
                open.up.read += n as u64;
                open.activity.client = Some(now);
                // Without the end of a line nothing new can be known, short of the limit.
                let news = memchr::memchr(b'\n', &room[..n]).is_some();
                if !news && held + n <= self.thread.limits().bytes {
                    self.inbox.extend_from_slice(&room[..n]);
                    return Step::Next(State::Head(open));
                }
                scratch.bytes[..held].copy_from_slice(&self.inbox);
                self.inbox.clear();
                self.handle_head(open, held + n, scratch, now)
            }
        }
    }

    /// Looks at what there is of a head: all bytes since its first are in `scratch`, none in the inbox.
    fn handle_head(&mut self, open: Open, total: usize, scratch: &mut Scratch, now: Instant) -> Step {
        let bytes = &scratch.bytes[..total];
        match scratch.index.parse_request(bytes, self.thread.limits()) {
            Ok(None) => {
                self.inbox.extend_from_slice(bytes);
                Step::Next(State::Head(open))
            }
            Err(error) => match Beginning::of(bytes) {
                Beginning::Http2 => self.switch(open, bytes.to_vec(), now),
                beginning @ (Beginning::Neither | Beginning::Request) => {
                    unreadable::handle_request(&self.thread, &self.whose.party, bytes, error, now);
                    if beginning == Beginning::Neither && !self.served && self.whose.presence.is_some() {
                        return self.hang_up(open, now);
                    }
                    self.fail(open, Failure::Refused(error.into()), now)
                }
            },
            Ok(Some(request)) => self.begin(open, request, total, scratch, now),
        }
    }

    /// The client speaks HTTP/2 by prior knowledge (RFC 9113 §3.3), or is refused where that makes no sense.
    fn switch(&mut self, open: Open, ahead: Vec<u8>, now: Instant) -> Step {
        let Some(presence) = (!self.served).then(|| self.whose.presence.take()).flatten() else {
            return self.fail(open, Failure::Refused(HeadError::Version.into()), now);
        };
        open.discard(&self.thread);
        if self.stream.register().is_err() {
            return Step::Over;
        }
        let party = Party { http2: true, ..self.whose.party.clone() };
        let stream = self.stream.hand_over();
        let card = presence.card();
        let serve = http2::Serve::new(Rc::clone(&self.thread), stream, ahead, party, presence, now);
        // The thread owns its tasks: they end with it, and a panic in one ends that one only and is counted.
        card.handle_task(&tokio::task::spawn_local(serve));
        Step::Over
    }

    /// Decides about a request whose head is complete.
    fn begin(
        &mut self,
        mut open: Open,
        request: Request,
        total: usize,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Step {
        let Scratch { bytes, index } = scratch;
        let (head, rest) = bytes[..total].split_at_mut(request.len);
        let parsed = Parsed { request, index, bytes: head };
        let prepared = match request::prepare(&mut open, &self.thread, &self.whose.party, &parsed, now) {
            Ok(prepared) => prepared,
            Err(failure) => {
                if matches!(failure, Failure::Refused(_)) {
                    unreadable::handle_refused(&self.thread, &self.whose.party, &parsed, now);
                }
                return self.fail(open, failure, now);
            }
        };
        let kept = if open.up.body.is_done() { 0 } else { self.stream.keep() };
        open.up.out.keep(kept);
        let Ok(content) = open.up.offer(rest, &mut self.inbox) else {
            let failure = Failure::BadRequestBody;
            let is_of_head = open.waits_for_content();
            return self.fail(open, if is_of_head { buffering::as_of_head(failure) } else { failure }, now);
        };
        open.held_back &= content == 0;
        open.up.append(&rest[..content]);
        // What belongs to the next request was not read for this one.
        open.up.read -= self.inbox.len() as u64;
        let (mut assign, limits) = match prepared {
            Prepared::Forward(assign) => (assign, None),
            Prepared::Pace(assign, limits) => (assign, Some(limits)),
            Prepared::Collect(page, visit) => {
                self.thread.idle.rise(&self.whose.place);
                return Step::Next(State::Collecting(Collected::new(open, page, visit).into()));
            }
            Prepared::Answer(ours) => {
                let ours = ours.made(&self.thread.services, open.asked.method);
                return self.handle_rule(open, &ours, now);
            }
        };
        self.whose.note(|presence| presence.handle_backend(assign.backend()));
        if let Some(server) = self.whose.private.known_at() {
            assign.prefer(server, &self.thread);
        }
        open.assign = Some(assign);
        if limits.is_none() && open.demands.is_none() {
            return Step::Next(State::Forwarding(open));
        }
        self.hold_back(open, limits.unwrap_or_default(), content, now)
    }

    /// A request with limits, or one that waits for its content.
    #[cold]
    fn hold_back(&self, mut open: Open, limits: Bandwidth, content: usize, now: Instant) -> Step {
        let Demands { wait, limits: of_rules } = open.demands.take().map_or_else(Demands::default, |d| *d);
        let mut all = Limits { own: limits, ..Limits::default() };
        all.add(of_rules);
        Step::Next(match wait {
            None => Self::on_its_way(open, all, now),
            Some(wait) => {
                self.thread.idle.rise(&self.whose.place);
                State::Buffering(Buffered::new(open, all, wait, content, now).into())
            }
        })
    }

    /// A request that is to go to a server now.
    fn on_its_way(open: Open, limits: Limits, now: Instant) -> State {
        if limits.is_none() {
            State::Forwarding(open)
        } else {
            State::Paced(Paced::new(open, limits, now).into())
        }
    }

    fn tunnel(
        &mut self,
        mut open: Open,
        mut halves: Halves,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        let end = match open.seat.as_ref().and_then(Seat::ended) {
            Some(why) => Poll::Ready(Err(Failure::ShutDown(why))),
            None => {
                let mut means = Means { scratch: &mut scratch.bytes, pipes: &self.thread.pipes };
                tunnel::poll(&mut open, &mut halves, &mut self.stream, &mut means, cx, now)
            }
        };
        open.facts.termination = Some(match end {
            Poll::Pending => {
                let deadline = tunnel::deadline(&open, halves).map(|(at, _)| at);
                return Step::Wait(State::Tunnel(open, halves), deadline);
            }
            Poll::Ready(Ok(())) => Termination::default(),
            Poll::Ready(Err(failure)) => {
                if failure.is_of_server() {
                    self.stream.excuse();
                }
                // What was passed on is not all there was. If the reset cannot be arranged the connection is gone.
                drop(self.stream.reset_on_close());
                if let Some(server) = &mut open.server {
                    drop(server.stream.reset_on_close());
                }
                failure.termination(Progress::Answering)
            }
        });
        Step::Over
    }
}

/// Counts a connection as there.
pub(in crate::io) fn count_in(thread: &DataThread, frontend: FrontendId) {
    let counters = thread.recorder.frontend(frontend);
    counters.connections.add(1);
    counters.current.raise();
}

/// Counts a connection that makes room for another one.
pub(in crate::io) fn count_evicted(thread: &DataThread, frontend: FrontendId) {
    thread.recorder.frontend(frontend).evicted.add(1);
}

/// Counts a connection as gone.
pub(in crate::io) fn count_out(thread: &DataThread, frontend: FrontendId) {
    thread.recorder.frontend(frontend).current.lower();
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Ended by an operator, or because the thread stops: an ordinary end would pass for the whole.
        if self.state.breaks_off() {
            drop(self.stream.reset_on_close());
        }
        self.thread.idle.leave(&mut self.whose.place);
        if self.whose.presence.is_some() {
            count_out(&self.thread, self.whose.party.frontend);
        }
        if std::thread::panicking() {
            self.thread.control.count_panic();
        }
    }
}

#[cfg(test)]
mod tests;
