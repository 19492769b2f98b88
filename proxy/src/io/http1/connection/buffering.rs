//! A request that is kept back until its content is there: a server is not got before that.

use std::task::{Context, Poll};
use std::time::Instant;

use super::super::super::runtime::Scratch;
use super::super::demands::Limits;
use super::super::failure::Failure;
use super::super::record::Open;
use super::{Connection, State, Step};
use crate::h1::reject::Reject;
use crate::rules::action::BodyWait;

/// What waits, and for how much.
pub(super) struct Buffered {
    open: Open,
    limits: Limits,
    /// Bytes that wait to go to the server, head and all.
    enough: u64,
    until: Instant,
}

impl Buffered {
    /// So many bytes of its content came with its head, and wait behind it to go out.
    pub(super) fn new(open: Open, limits: Limits, wait: BodyWait, content: usize, now: Instant) -> Self {
        let most = wait.at_least.map_or(MOST, |bytes| u64::from(bytes.get()).min(MOST));
        let head = open.up.out.waiting().saturating_sub(content as u64);
        Self { limits, enough: head + most, until: open.facts.head_done.unwrap_or(now) + wait.time, open }
    }
}

impl Connection {
    /// Reads on, until that is enough.
    pub(super) fn buffer(
        &mut self,
        mut buffered: Box<Buffered>,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        loop {
            let Buffered { open, enough, .. } = &mut *buffered;
            if open.up.body.is_done() || open.up.out.waiting() >= *enough {
                let Buffered { open, limits, .. } = *buffered;
                return Step::Next(Self::on_its_way(open, limits, now));
            }
            match self.read_content(open, scratch, cx) {
                Poll::Pending => {
                    let until = buffered.until;
                    return Step::Wait(State::Buffering(buffered), Some(until));
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => return self.fail(buffered.open, as_of_head(failure), now),
            }
        }
    }

    /// Its content has not come in time.
    pub(super) fn expire_buffered(&mut self, buffered: Buffered, now: Instant) -> Step {
        self.fail(buffered.open, Failure::HeadTimeout, now)
    }
}

/// A request is not whole before its content is, as HAProxy sees it.
pub(super) fn as_of_head(failure: Failure) -> Failure {
    if failure == Failure::ClientAborted {
        Failure::HeadCutShort
    } else if failure == Failure::BadRequestBody {
        Failure::Refused(Reject::BadRequest)
    } else {
        failure
    }
}

/// What a request keeps of its content (HAProxy: one buffer).
const MOST: u64 = 16 * 1024;
