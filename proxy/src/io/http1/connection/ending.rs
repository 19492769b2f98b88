//! How exchanges fail and connections end.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::super::super::runtime::Scratch;
use super::super::super::sessions::Presence;
use super::super::counted;
use super::super::failure::{Failure, Progress};
use super::super::ours::Ours;
use super::super::record::Open;
use super::{Connection, Farewell, State, Step};
use crate::h1::answer::Manner;
use crate::h1::forward::After;
use crate::h1::head::Method;
use crate::h1::reject::{self, Content, Reject};

impl Connection {
    /// Ends an exchange before its end: with an answer of our own while that is possible.
    pub(super) fn fail(&mut self, mut open: Open, failure: Failure, now: Instant) -> Step {
        // It is busy with the answer.
        self.thread.idle.rise(&self.whose.place);
        let progress = open.progress();
        open.facts.failure = Some(failure);
        open.facts.termination = Some(failure.termination(progress));
        open.facts.ended = Some(now);
        if let (Failure::ServerTimeout, Some(side)) = (failure, &open.server) {
            side.stream.suspect(now);
        }
        open.server = None;
        open.seat = None;
        open.assign = None;
        open.dial = None;
        self.inbox = Vec::new();
        if failure.is_of_server() {
            self.stream.excuse();
        }
        if progress == Progress::Answering {
            // With no framing but the end, an ordinary end would pass for the whole. If the reset cannot be arranged
            // the connection is gone already.
            if open.ends_with_connection() {
                drop(self.stream.reset_on_close());
            }
            return Step::Over;
        }
        counted::handle_failure(&open, &self.thread, failure, now);
        let reject = failure.reject();
        let content = if open.asked.method == Method::Head { Content::Omitted } else { Content::Sent };
        let file = self.error_file(&open, reject.status());
        reject::write(open.down.out.buffer(), reject, file.as_deref(), content);
        open.facts.status = Some(reject.status());
        open.activity.client = Some(now);
        let farewell = if failure.leaves_input() { Farewell::Linger } else { Farewell::Close };
        Step::Next(State::Answering(open, farewell))
    }

    /// Does with a request what a rule says, in a server's place.
    pub(super) fn handle_rule(&mut self, mut open: Open, ours: &Ours, now: Instant) -> Step {
        match ours {
            Ours::SilentDrop => {
                self.stream.vanish_on_close();
                part(open, ours, now)
            }
            Ours::Close => part(open, ours, now),
            Ours::Tarpit(status) => {
                self.since = now;
                open.facts.denied = true;
                counted::handle_denial(&open, &self.thread, now);
                Step::Next(State::Tarpit(open, *status))
            }
            Ours::Denial(_) | Ours::Reply(_) | Ours::Service(..) | Ours::Page(..) | Ours::Redirect(..) => {
                self.reply(open, ours, now)
            }
        }
    }

    /// Keeps a client waiting for its refusal, unless it goes.
    pub(super) fn hold(
        &mut self,
        open: Open,
        status: u16,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        // The end of a request over HTTP/2 is not its client's.
        if !self.whose.party.http2 {
            match self.stream.poll_read(cx, &mut scratch.bytes) {
                Poll::Pending => {}
                Poll::Ready(Ok(0) | Err(_)) => return self.reply(open, &Ours::Tarpit(status), now),
                // Others first: whoever sends without end gets no more of the thread than they do.
                Poll::Ready(Ok(_)) => cx.waker().wake_by_ref(),
            }
        }
        let patience = self.frontend().and_then(|f| f.timeout.tarpit).unwrap_or_default();
        Step::Wait(State::Tarpit(open, status), Some(self.since + patience))
    }

    /// Answers a request in the place of what its server has answered, which is not read any further.
    pub(super) fn replace(&mut self, mut open: Open, ours: &Ours, now: Instant) -> Step {
        open.server = None;
        open.seat = None;
        open.lease = None;
        open.down.held = Vec::new();
        open.facts.responded = Some(now);
        if ours.is_denial() {
            open.facts.withheld = true;
        }
        open.facts.termination = Some(ours.termination_of_response());
        self.give(open, ours, now)
    }

    /// Answers a request in a server's place.
    pub(super) fn reply(&mut self, mut open: Open, ours: &Ours, now: Instant) -> Step {
        open.facts.denied = ours.is_denial();
        open.facts.termination = Some(ours.termination());
        // What is held has been counted.
        if ours.is_denial() && !matches!(ours, Ours::Tarpit(_)) {
            counted::handle_denial(&open, &self.thread, now);
        }
        self.give(open, ours, now)
    }

    fn give(&mut self, mut open: Open, ours: &Ours, now: Instant) -> Step {
        self.thread.idle.rise(&self.whose.place);
        let denied = ours.is_denial();
        let status = ours.status();
        let file = status.filter(|_| denied).and_then(|status| self.error_file(&open, status));
        let whole = open.up.body.is_done();
        let held = matches!(ours, Ours::Tarpit(_));
        // What is kept ready says by itself what becomes of the connection: it ends.
        let stays = whole && file.is_none() && open.asked.persists && !held && !self.thread.is_leaving();
        let manner = Manner {
            content: if open.asked.method == Method::Head { Content::Omitted } else { Content::Sent },
            after: if stays { After::Persist } else { After::Close },
            version: open.asked.version,
        };
        match file {
            Some(file) => reject::write_file(open.down.out.buffer(), &file, manner.content),
            None => ours.write(open.down.out.buffer(), manner),
        }
        open.facts.status = status;
        if !denied {
            self.thread.recorder.frontend(self.whose.party.frontend).intercepted.add(1);
        }
        open.facts.ended = Some(now);
        open.activity.client = Some(now);
        let farewell = match whole && !open.asked.persists {
            _ if stays => Farewell::Stay,
            true => Farewell::Close,
            false => Farewell::Linger,
        };
        if farewell != Farewell::Stay {
            self.inbox = Vec::new();
        }
        Step::Next(State::Answering(open, farewell))
    }

    /// Ends a connection of a client that would understand no answer.
    pub(super) fn hang_up(&mut self, mut open: Open, now: Instant) -> Step {
        let failure = Failure::Refused(Reject::BadRequest);
        open.facts.failure = Some(failure);
        open.facts.termination = Some(failure.termination(Progress::Unanswered));
        open.facts.ended = Some(now);
        counted::handle_failure(&open, &self.thread, failure, now);
        drop(open);
        self.part(Farewell::Linger, now)
    }

    fn error_file(&self, open: &Open, status: u16) -> Option<Arc<[u8]>> {
        let plan = &self.thread.plan;
        let backend = open.facts.backend.and_then(|b| plan.backends().get(usize::from(b.0)));
        let frontend = plan.frontends().get(usize::from(self.whose.party.frontend.0));
        let of_backend = backend.and_then(|b| b.error_files.0.get(&status));
        of_backend.or_else(|| frontend.and_then(|f| f.error_files.0.get(&status))).cloned()
    }

    pub(super) fn answer(
        &mut self,
        mut open: Open,
        farewell: Farewell,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        if farewell != Farewell::Stay {
            self.stream.announce_end();
        }
        match open.down.out.poll_flush(cx, &mut self.stream) {
            Poll::Pending => {
                let deadline = open.activity.client.and_then(|at| Some(at + open.timeouts.client.client?));
                Step::Wait(State::Answering(open, farewell), deadline)
            }
            Poll::Ready(Err(_)) => Step::Over,
            Poll::Ready(Ok(())) => {
                // The next request may come at once: this one must be counted off before that is looked at.
                drop(open);
                if farewell == Farewell::Stay {
                    self.whose.note(Presence::rest);
                    self.served = true;
                    self.since = now;
                    return Step::Next(State::Waiting);
                }
                self.part(farewell, now)
            }
        }
    }

    pub(super) fn part(&mut self, farewell: Farewell, now: Instant) -> Step {
        // A client that is gone already need not be waited for.
        if farewell == Farewell::Close || self.stream.shutdown().is_err() {
            return Step::Over;
        }
        self.since = now;
        Step::Next(State::Lingering { left: MOST_DISCARDED })
    }

    pub(super) fn linger(&mut self, mut left: usize, scratch: &mut Scratch, cx: &mut Context<'_>) -> Step {
        loop {
            match self.stream.poll_read(cx, &mut scratch.bytes) {
                Poll::Pending if self.is_to_leave(cx) => return Step::Over,
                Poll::Pending => return Step::Wait(State::Lingering { left }, Some(self.since + LINGER)),
                Poll::Ready(Ok(0) | Err(_)) => return Step::Over,
                Poll::Ready(Ok(n)) if n >= left => return Step::Over,
                Poll::Ready(Ok(n)) => left -= n,
            }
        }
    }
}

/// Gives a connection up without an answer.
fn part(mut open: Open, ours: &Ours, now: Instant) -> Step {
    open.facts.denied = true;
    open.facts.termination = Some(ours.termination());
    open.facts.ended = Some(now);
    Step::Over
}

/// How long a client may take to read our last answer while it is still sending.
const LINGER: Duration = Duration::from_secs(1);

/// What it may send meanwhile.
const MOST_DISCARDED: usize = 1024 * 1024;
