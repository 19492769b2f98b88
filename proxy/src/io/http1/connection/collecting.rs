//! The content of a request that is answered here, read to its end before it is.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::super::super::runtime::Scratch;
use super::super::failure::Failure;
use super::super::flow::SMALL;
use super::super::ours::Ours;
use super::super::record::Open;
use super::{Connection, State, Step};
use crate::page::StatsPage;
use crate::page::visit::{Turn, Visit};
use crate::page::wish::Said;

/// What is collected, and for whom.
pub(super) struct Collected {
    pub(super) open: Open,
    page: Arc<StatsPage>,
    visit: Visit,
    content: Vec<u8>,
}

impl Collected {
    pub(super) fn new(open: Open, page: Arc<StatsPage>, visit: Visit) -> Self {
        Self { open, page, visit, content: Vec::new() }
    }
}

impl Connection {
    /// Reads on, until all of it is there.
    pub(super) fn collect(
        &mut self,
        mut collected: Box<Collected>,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        loop {
            let Collected { open, visit, content, .. } = &mut *collected;
            // What came with the head, or what was read below.
            content.append(open.up.out.buffer());
            if content.len() > MOST {
                visit.turn = Turn::Refuse(Said::TooLarge);
                return self.answer_collected(*collected, now);
            }
            if open.up.body.is_done() {
                return self.answer_collected(*collected, now);
            }
            match self.read_content(open, scratch, cx) {
                Poll::Pending => {
                    let timeout = open.timeouts.client;
                    let limit = timeout.http_request.or(timeout.client);
                    let deadline = limit.and_then(|limit| Some(open.facts.started? + limit));
                    return Step::Wait(State::Collecting(collected), deadline);
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => return self.fail(collected.open, failure, now),
            }
        }
    }

    /// Reads some content of a request that has no server yet; a client that waits to be told to go on is.
    pub(super) fn read_content(
        &mut self,
        open: &mut Open,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>> {
        if std::mem::take(&mut open.held_back) {
            open.down.out.buffer().extend_from_slice(CONTINUE);
        }
        if let Poll::Ready(Err(_)) = open.down.out.poll_flush(cx, &mut self.stream) {
            return Poll::Ready(Err(Failure::ClientAborted));
        }
        match ready!(open.up.poll_fill(cx, &mut self.stream, &mut scratch.bytes, SMALL)) {
            Ok(0) | Err(_) => Poll::Ready(Err(Failure::ClientAborted)),
            Ok(total) => {
                let input = scratch.bytes.get_mut(..total).unwrap_or_default();
                let kept = open.up.offer(input, &mut self.inbox).map_err(|_| Failure::BadRequestBody)?;
                open.up.append(input.get(..kept).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
        }
    }

    fn answer_collected(&mut self, collected: Collected, now: Instant) -> Step {
        let Collected { open, page, visit, content } = collected;
        let ours = Ours::Reply(self.thread.services.page(&page, &visit, &content));
        self.handle_rule(open, &ours, now)
    }
}

/// More than the names of all servers that a person would choose at once (HAProxy: one buffer).
const MOST: usize = 16 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
