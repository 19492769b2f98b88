//! One direction of a message: from the stream it comes from, through its framing, into the stream it goes to.

use std::io;
use std::task::{Context, Poll, ready};

use super::super::passage::{MOST_AT_ONCE, Means};
use super::super::stream::Stream;
use super::bypass::{Bypass, Supply};
use super::outbox::Outbox;
use crate::compress::Filter;
use crate::h1::body::{Body, Truncated};
use crate::h1::chunked::{ChunkError, Chunker};

/// Content on its way.
#[derive(Debug)]
pub(in crate::io) struct Flow {
    pub(in crate::io) body: Body,
    pub(in crate::io) out: Outbox,
    /// Set: the content goes out in chunks that it did not come in.
    pub(in crate::io) chunker: Option<Chunker>,
    /// Present with `chunker` only, which is set until the content is whole: the content is compressed. It is there until
    /// whoever owns the exchange takes it.
    pub(in crate::io) filter: Option<Box<Filter>>,
    /// Input that is the start of a line, to be read on.
    pub(in crate::io) held: Vec<u8>,
    /// The stream it goes to ends with it.
    pub(in crate::io) ends: bool,
    /// Bytes read in all.
    pub(in crate::io) read: u64,
    /// How much more content may be read, for all that is known now.
    pub(super) quota: u64,
    /// What does not go through the process.
    bypass: Bypass,
    /// How much is read at once: more while the other side keeps up, less when it does not, because what it does not
    /// take has to be kept.
    pub(super) window: usize,
}

/// Why content does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum FlowError {
    /// The stream it comes from failed.
    Source,
    /// The stream it comes from ended inside the content.
    Truncated,
    /// The content is broken.
    Malformed,
    /// The stream it goes to failed.
    Sink,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            body: Body::Done,
            out: Outbox::default(),
            chunker: None,
            filter: None,
            held: Vec::new(),
            ends: false,
            read: 0,
            quota: UNLIMITED,
            bypass: Bypass::default(),
            window: START,
        }
    }
}

impl Flow {
    /// Whether something waits to be written.
    #[inline]
    pub(in crate::io) fn is_waiting(&self) -> bool {
        !self.out.is_empty() || self.bypass.is_waiting()
    }

    /// Whether all content has passed and is written.
    #[inline]
    pub(in crate::io) fn is_done(&self) -> bool {
        self.body.is_done() && !self.is_waiting()
    }

    /// Moves what can be moved. Ready when all content has passed and is written. Input behind the content goes to
    /// `surplus`.
    pub(in crate::io) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        means: &mut Means<'_>,
        surplus: &mut Vec<u8>,
    ) -> Poll<Result<(), FlowError>> {
        let start = self.read;
        loop {
            if self.poll_flush(cx, to).map_err(|_| FlowError::Sink)?.is_pending() {
                self.window = SMALL;
                return Poll::Pending;
            }
            if self.body.is_done() {
                self.bypass.give_back(means.pipes);
                return Poll::Ready(Ok(()));
            }
            if self.quota == 0 {
                self.bypass.give_back(means.pipes);
                return self.pause(cx, to);
            }
            if self.read - start > self.most_at_once() {
                // Others want their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(spliced) = self.poll_splice(cx, from, to, means) {
                ready!(spliced)?;
                continue;
            }
            let quota = usize::try_from(self.quota).unwrap_or(usize::MAX);
            let room = self.window.min(means.scratch.len()).min(to.appetite()).min(quota);
            let before = self.read;
            let Poll::Ready(total) = self.poll_fill(cx, from, means.scratch, room) else {
                return self.pause(cx, to);
            };
            let total = total.map_err(|_| FlowError::Source)?;
            if total == 0 {
                self.body.end().map_err(|Truncated| FlowError::Truncated)?;
                continue;
            }
            self.quota = self.quota.saturating_sub(self.read - before);
            let filled = total >= room;
            if filled {
                self.bypass.supply = Supply::Streams;
            }
            let input = means.scratch.get_mut(..total).unwrap_or_default();
            let kept = self.offer(input, surplus).map_err(|_| FlowError::Malformed)?;
            let output = input.get(..kept).unwrap_or_default();
            if self.poll_send(cx, to, output).map_err(|_| FlowError::Sink)?.is_ready() && filled {
                self.window = (self.window * 2).min(means.scratch.len());
            }
        }
    }

    /// Bytes that have passed in all, as far as limits are concerned: of what is compressed, what goes out.
    pub(super) fn passed(&self) -> u64 {
        if self.filter.is_some() { self.out.written() + self.out.waiting() } else { self.read }
    }

    /// How much one turn moves.
    #[inline]
    fn most_at_once(&self) -> u64 {
        if self.filter.is_some() { MOST_COMPRESSED } else { MOST_AT_ONCE }
    }

    /// The source has nothing at the moment: the sink is not to wait for what a compressor holds.
    fn pause(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<Result<(), FlowError>> {
        if self.chunker.is_some()
            && let Some(filter) = self.filter.as_mut().filter(|f| f.is_dirty())
        {
            filter.flush(self.out.buffer()).map_err(|_| FlowError::Malformed)?;
            let _flushed_or_waiting = self.poll_flush(cx, to).map_err(|_| FlowError::Sink)?;
        }
        Poll::Pending
    }

    /// Takes content in without reading it. `None`: it has to be read, or that is cheaper.
    #[inline]
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
        to: &Stream,
        means: &Means<'_>,
    ) -> Option<Poll<Result<(), FlowError>>> {
        let plain = self.body.plain().min(self.quota);
        // What may have to be sent again must be seen, and so must what is put into chunks.
        if !self.bypass.is_worth(plain, self.body.needs_close())
            || self.out.is_kept()
            || self.chunker.is_some()
        {
            return None;
        }
        let (from, _) = (from.plain_tcp()?, to.plain_tcp()?);
        let taken = self.bypass.poll_fill(cx, from, plain, means.pipes)?;
        Some(taken.map(|taken| match taken {
            Err(_) => Err(FlowError::Source),
            Ok(0) => self.body.end().map_err(|Truncated| FlowError::Truncated),
            Ok(n) => {
                self.read += n;
                self.quota = self.quota.saturating_sub(n);
                self.body.pass(n);
                if self.bypass.supply == Supply::Trickles {
                    self.window = SMALL;
                }
                Ok(())
            }
        }))
    }

    /// Writes what waits.
    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        ready!(self.out.poll_flush(cx, to))?;
        while self.bypass.is_waiting() {
            self.out.count(ready!(self.bypass.poll_drain(cx, to))?);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into `scratch`, behind what was held, at most `room` bytes. The bytes there are, or 0 at the end of the
    /// stream.
    #[inline]
    pub(in crate::io) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        scratch: &mut [u8],
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let held = self.held.len();
        let end = (held + room).min(scratch.len());
        let n = ready!(from.poll_read(cx, scratch.get_mut(held..end).unwrap_or_default()))?;
        if n == 0 {
            return Poll::Ready(Ok(0));
        }
        if held > 0 {
            scratch[..held].copy_from_slice(&self.held);
            self.held.clear();
        }
        self.read += n as u64;
        Poll::Ready(Ok(held + n))
    }

    /// Takes the content from `input`. What is to be written is at its front, so many bytes.
    #[inline]
    pub(in crate::io) fn offer(
        &mut self,
        input: &mut [u8],
        surplus: &mut Vec<u8>,
    ) -> Result<usize, ChunkError> {
        let taken = self.body.take(input)?;
        if taken.consumed < input.len() {
            let rest = input.get(taken.consumed..).unwrap_or_default();
            if taken.done { surplus } else { &mut self.held }.extend_from_slice(rest);
        }
        Ok(taken.kept)
    }

    /// Sends content on. It is always taken; ready when nothing of it waits.
    #[inline]
    pub(in crate::io) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
        content: &[u8],
    ) -> Poll<io::Result<()>> {
        let Some(chunker) = &mut self.chunker else {
            if self.ends && self.body.is_done() {
                to.announce_end();
            }
            return self.out.poll_send(cx, to, content);
        };
        if self.filter.is_some() {
            return self.poll_send_compressed(cx, to, content);
        }
        if !content.is_empty() {
            chunker.begin(self.out.buffer(), content.len());
        }
        let sent = self.out.poll_send(cx, to, content)?;
        if self.body.is_done() {
            chunker.end(self.out.buffer());
            self.chunker = None;
            if self.ends {
                to.announce_end();
            }
            return self.out.poll_flush(cx, to);
        }
        sent.map(Ok)
    }

    fn poll_send_compressed(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
        content: &[u8],
    ) -> Poll<io::Result<()>> {
        let whole = self.body.is_done();
        if let Some(filter) = &mut self.filter {
            // What cannot be compressed on cannot be sent on: the client must not take it for the whole.
            let pushed = filter.push(content, whole, self.out.buffer());
            pushed.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        }
        if whole {
            self.chunker = None;
            if self.ends {
                to.announce_end();
            }
        }
        self.out.poll_flush(cx, to)
    }

    /// Lets content wait to be sent.
    pub(in crate::io) fn append(&mut self, content: &[u8]) {
        if let Some(chunker) = &mut self.chunker
            && !content.is_empty()
        {
            chunker.begin(self.out.buffer(), content.len());
        }
        self.out.buffer().extend_from_slice(content);
    }

    /// Forgets what came in, for the same message to come once more. What waits to go out stays.
    pub(in crate::io) fn restart(&mut self) {
        self.held.clear();
        self.bypass = Bypass::default();
        (self.read, self.window) = (0, START);
    }

    /// Makes it ready for another message.
    pub(in crate::io) fn reset(&mut self) {
        self.body = Body::Done;
        self.chunker = None;
        self.ends = false;
        self.out.reset();
        self.held.clear();
        self.held.shrink_to(SMALL);
        self.bypass = Bypass::default();
        (self.read, self.window, self.quota) = (0, START, UNLIMITED);
    }
}

/// More than ever comes.
const UNLIMITED: u64 = u64::MAX;

/// How much one turn puts through a compressor: a millisecond with little effort, ten with the most.
const MOST_COMPRESSED: u64 = 256 * 1024;

/// First read of a request, and every read while the other side is slower: at most this much is kept for it.
pub(in crate::io) const SMALL: usize = 16 * 1024;

/// First read of content: enough for most responses, and for a start the other side is trusted to take that much.
pub(super) const START: usize = 64 * 1024;
