//! An exchange between its head and its end: a server connection is taken or made, and the relay runs.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::super::super::assign::{Assign, Unassigned};
use super::super::super::runtime::{DataThread, Scratch};
use super::super::super::sessions::Presence;
use super::super::super::tunnel;
use super::super::super::underway::Seat;
use super::super::super::upstream::{Dial, Reuse};
use super::super::exchange::{Persist, ResponseState, ServerSide};
use super::super::failure::Failure;
use super::super::flow::SMALL;
use super::super::record::{self, Open};
use super::super::relay::{self, Client, End};
use super::super::repeat;
use super::{Connection, Farewell, State, Step};
use crate::access_log::{Cause, Phase, Termination};
use crate::health::Sign;
use crate::plan::{BackendId, HttpReuse, ServerId};

impl Connection {
    /// Gets a server, then takes a connection that is there, or sets out to make one.
    fn assign(&mut self, open: &mut Open, cx: &Context<'_>, now: Instant) -> Poll<Result<(), Failure>> {
        let Some(assign) = &mut open.assign else { return Poll::Ready(Ok(())) };
        let backend = assign.backend();
        let polled = ready!(assign.poll(cx, &self.thread, now));
        let (queue, wish) = (assign.positions(), assign.wish());
        open.facts.queue = queue;
        if open.repeat.from.is_none() {
            open.repeat.wish = wish;
        }
        open.assign = None;
        let assigned = match polled {
            Ok(assigned) => assigned,
            Err(reason) => {
                open.facts.server = reason.server();
                if matches!(reason, Unassigned::QueueTimeout(_)) {
                    open.facts.assigned = Some(now);
                }
                return Poll::Ready(Err(reason.into()));
            }
        };
        let server = assigned.server();
        open.facts.server = Some(server);
        self.whose.note(|presence| presence.handle_server(server));
        open.facts.assigned = Some(now);
        open.lease = Some(assigned.lease);
        if open.repeat.from.is_some() && repeat::handle_assigned(open, &self.thread, server) {
            open.dial = Some(
                Dial::new(&self.thread, backend, server, self.whose.party.caller.clone())
                    .after(open.repeat.made)
                    .by(open.repeat.wish),
            );
        } else {
            self.connect(open, backend, server, cx, now);
        }
        Poll::Ready(Ok(()))
    }

    fn connect(
        &mut self,
        open: &mut Open,
        backend: BackendId,
        server: ServerId,
        cx: &Context<'_>,
        now: Instant,
    ) {
        match self.kept(open, server, now) {
            Some(side) => {
                self.thread.recorder.server(server).reused.add(1);
                open.facts.connected = Some(now);
                open.start_clocks(now);
                open.notes.handle_server(&side.stream);
                open.server = Some(side);
                open.seat = self.thread.seat(server, cx);
            }
            None => {
                open.dial = Some(
                    Dial::new(&self.thread, backend, server, self.whose.party.caller.clone())
                        .after(open.repeat.made)
                        .by(open.repeat.wish),
                )
            }
        }
    }

    /// A connection to `server` that is there: the client's own, else one of those that all share.
    #[inline]
    fn kept(&mut self, open: &Open, server: ServerId, now: Instant) -> Option<ServerSide> {
        let addresses = self.thread.balance.addresses();
        if let Some((stream, epoch)) = self.whose.private.take(server, addresses) {
            return Some(ServerSide { stream, reused: true, private: true, deaf: false, epoch });
        }
        let reuse = match open.asked.reuse {
            HttpReuse::Safe if open.asked.method.is_idempotent() => Reuse::Any,
            HttpReuse::Never | HttpReuse::Safe => Reuse::JustUsed,
            HttpReuse::Always => Reuse::Any,
        };
        let epoch = addresses.epoch();
        let mut pool = self.thread.pool.borrow_mut();
        pool.follow(addresses);
        let stream = pool.take(server, reuse, now)?;
        Some(ServerSide { stream, reused: true, private: false, deaf: false, epoch })
    }

    /// Keeps a connection to `server` for the next request: of this client, or of any.
    #[inline]
    fn keep(&mut self, open: &Open, server: ServerId, side: ServerSide, now: Instant) {
        if self.thread.balance.addresses().is_outdated(server, side.epoch) {
            return;
        }
        if open.authenticates {
            self.whose.private.handle_authentication(server);
        }
        let own = side.private
            || open.authenticates
            || open.asked.reuse == HttpReuse::Never
            || is_announced(&self.thread, server);
        if !own {
            self.thread.pool.borrow_mut().put(server, side.stream, now);
        } else if !side.stream.is_multiplexed() {
            self.whose.private.put(server, side.stream, side.epoch);
        }
    }

    /// Part of its only caller: on its own it costs some fifty instructions of a request, to save and restore registers.
    #[inline(always)]
    pub(super) fn forward(
        &mut self,
        mut open: Open,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        match self.assign(&mut open, cx, now) {
            Poll::Pending if self.poll_gone(&mut open, scratch, cx).is_ready() => {
                open.facts.queue = open.assign.as_ref().map(Assign::positions).unwrap_or_default();
                open.facts.assigned = Some(now);
                return Self::abandon(open, Phase::Queue, now);
            }
            Poll::Pending => {
                let deadline = open.assign.as_ref().and_then(Assign::deadline);
                return Step::Wait(State::Forwarding(open), deadline);
            }
            Poll::Ready(Err(failure)) => return self.fail(open, failure, now),
            Poll::Ready(Ok(())) => {}
        }
        if open.dial.is_some() {
            match self.dial(&mut open, cx, now) {
                Poll::Pending if self.poll_gone(&mut open, scratch, cx).is_ready() => {
                    return Self::abandon(open, Phase::Connect, now);
                }
                Poll::Pending => {
                    let deadline = open.dial.as_ref().and_then(|d| d.deadline(&self.thread));
                    return Step::Wait(State::Forwarding(open), deadline);
                }
                Poll::Ready(Err(failure)) => return self.fail(open, failure, now),
                Poll::Ready(Ok(())) => {}
            }
        }
        if let Some(why) = open.seat.as_ref().and_then(Seat::ended) {
            return self.fail_or_repeat(open, Failure::ShutDown(why), now);
        }
        let mut client = Client { stream: &mut self.stream, inbox: &mut self.inbox };
        match relay::poll(&mut open, &mut client, &self.thread, scratch, cx, now) {
            Poll::Pending if self.poll_gone(&mut open, scratch, cx).is_ready() => {
                self.fail(open, Failure::ClientAborted, now)
            }
            Poll::Pending => {
                if let Some(frontend) = self.frontend() {
                    open.keep_pace(frontend.http.min_rate, now);
                }
                let deadline = open.deadline().map(|(at, _)| at);
                Step::Wait(State::Forwarding(open), deadline)
            }
            Poll::Ready(End::Complete) => self.complete(open, now),
            Poll::Ready(End::Tunnel) => {
                let halves = tunnel::open(&mut open, &mut self.inbox);
                Step::Next(State::Tunnel(open, halves))
            }
            Poll::Ready(End::Stale) => {
                open.server = None;
                open.seat = None;
                if let (Some(backend), Some(server)) = (open.facts.backend, open.facts.server) {
                    self.thread.recorder.server(server).retries.add(1);
                    self.thread.recorder.backend(backend).retries.add(1);
                    open.facts.retries = open.facts.retries.saturating_add(1);
                    open.dial = Some(
                        Dial::new(&self.thread, backend, server, self.whose.party.caller.clone())
                            .after(open.repeat.made)
                            .by(open.repeat.wish),
                    );
                }
                Step::Next(State::Forwarding(open))
            }
            Poll::Ready(End::Again(status)) => {
                repeat::start_over(&mut open, &self.thread, Some(Sign::of_status(status)));
                Step::Next(State::Forwarding(open))
            }
            Poll::Ready(End::Instead(ours)) => self.replace(open, &ours, now),
            Poll::Ready(End::Failed(failure)) => self.fail_or_repeat(open, failure, now),
        }
    }

    /// Whether the client has gone while its request waits. A stream of HTTP/2 says so. Of a connection only reading can
    /// tell, which is done if it matters (`abortonclose`): what is read belongs to the content or to the next request.
    #[inline]
    fn poll_gone(&mut self, open: &mut Open, scratch: &mut Scratch, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.is_multiplexed() || !open.asked.abort_on_close {
            return self.stream.poll_aborted(cx);
        }
        self.poll_closed(open, scratch, cx)
    }

    #[cold]
    fn poll_closed(&mut self, open: &mut Open, scratch: &mut Scratch, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let whole = open.up.body.is_done();
            // While there is a server content is read for it, and an end is seen there.
            let full = if whole { self.inbox.len() } else { open.up.out.buffer().len() } >= SMALL;
            if full || (!whole && open.server.is_some()) {
                return Poll::Pending;
            }
            if whole {
                match ready!(self.stream.poll_read(cx, &mut scratch.bytes[..SMALL])) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(n) => self.inbox.extend_from_slice(&scratch.bytes[..n]),
                }
                continue;
            }
            match ready!(open.up.poll_fill(cx, &mut self.stream, &mut scratch.bytes, SMALL)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(total) => {
                    open.held_back = false;
                    let input = &mut scratch.bytes[..total];
                    let Ok(kept) = open.up.offer(input, &mut self.inbox) else { return Poll::Ready(()) };
                    open.up.append(&input[..kept]);
                }
            }
        }
    }

    /// Ends an exchange whose client has gone before a server had the request. Nobody is there to be told.
    fn abandon(mut open: Open, phase: Phase, now: Instant) -> Step {
        open.facts.failure = Some(Failure::ClientAborted);
        open.facts.termination = Some(Termination::new(Cause::Client, phase));
        open.facts.ended = Some(now);
        Step::Over
    }

    /// Ends an exchange that has failed while a server was at it, or starts it over.
    pub(super) fn fail_or_repeat(&mut self, mut open: Open, failure: Failure, now: Instant) -> Step {
        let again = !open.repeat.on.is_empty()
            && repeat::event_of(failure, &open).is_some_and(|e| repeat::is_due(&open, &self.thread, e));
        if !again {
            return self.fail(open, failure, now);
        }
        repeat::start_over(&mut open, &self.thread, record::sign_of(failure));
        Step::Next(State::Forwarding(open))
    }

    fn dial(&self, open: &mut Open, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Failure>> {
        let Some(mut dial) = open.dial.take() else { return Poll::Ready(Ok(())) };
        let before = dial.retries;
        let polled = dial.poll(cx, &self.thread, &mut open.lease, now);
        open.facts.server = Some(dial.server);
        self.whose.note(|presence| presence.handle_server(dial.server));
        open.facts.retries = open.facts.retries.saturating_add(dial.retries - before);
        open.repeat.made = open.repeat.made.saturating_add(dial.retries - before);
        open.facts.redispatched |= dial.redispatched;
        match polled {
            Poll::Pending => {
                open.dial = Some(dial);
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Failure::Dial(error))),
            Poll::Ready(Ok(stream)) => {
                let counters = self.thread.recorder.server(dial.server);
                if dial.joined { &counters.reused } else { &counters.connections }.add(1);
                open.facts.connected = Some(now);
                open.start_clocks(now);
                let epoch = dial.epoch();
                open.notes.handle_server(&stream);
                open.server =
                    Some(ServerSide { stream, reused: dial.joined, private: false, deaf: false, epoch });
                open.seat = self.thread.seat(dial.server, cx);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The response is out whole: both connections are kept or closed.
    fn complete(&mut self, mut open: Open, now: Instant) -> Step {
        let ResponseState::Relaying { client, server, .. } = open.response else {
            return self.fail(open, Failure::BadResponse, now);
        };
        let clean = open.up.is_done() && open.down.held.is_empty() && open.surplus.is_empty();
        if let Some(id) = open.facts.server {
            self.thread.forecast.handle_response(id, open.down.read);
        }
        if let (Some(side), Some(id)) = (open.server.take(), open.facts.server)
            && server == Persist::Yes
            && clean
            && !side.deaf
        {
            self.keep(&open, id, side, now);
        }
        open.facts.termination = Some(Termination::default());
        open.facts.ended = Some(now);
        // The next request may come at once: what is in flight must be counted off before it is looked at.
        let (whole, asked) = (open.up.is_done(), open.asked);
        drop(open);
        self.whose.note(Presence::rest);
        self.served = true;
        self.since = now;
        match client {
            Persist::Yes if whole => Step::Next(State::Waiting),
            Persist::Yes | Persist::No if whole && !asked.persists => Step::Over,
            Persist::Yes | Persist::No => self.part(Farewell::Linger, now),
        }
    }
}

/// Whether the server is told whose connection it gets, so that no other client's request may go over it.
fn is_announced(thread: &DataThread, server: ServerId) -> bool {
    let plan = &thread.plan;
    plan.wants_destination() && plan.servers().get(server.0 as usize).is_some_and(|s| s.send_proxy.is_some())
}
