//! Bytes on their way into a stream that may not take them all.

use std::io;
use std::task::{Context, Poll, ready};

use super::super::stream::Stream;

/// What could not be written yet, and what is kept in case it has to be written again.
#[derive(Debug, Default)]
pub(in crate::io) struct Outbox {
    bytes: Vec<u8>,
    /// Bytes of `bytes` that are written.
    sent: usize,
    keep: Keep,
    written: u64,
}

/// Whether written bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::io) enum Keep {
    /// They are forgotten once all is written.
    #[default]
    No,
    /// Everything since the outbox was empty is there still, to be sent once more over another connection: so many bytes
    /// at most, then none.
    Most(usize),
}

impl Outbox {
    /// The buffer, to append a head to.
    pub(in crate::io) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Keeps what it has and `more` bytes.
    pub(in crate::io) fn keep(&mut self, more: usize) {
        self.keep = Keep::Most(self.bytes.len() + more);
    }

    /// Whether nothing waits to be written.
    #[inline]
    pub(in crate::io) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Bytes that wait to be written.
    pub(in crate::io) fn waiting(&self) -> u64 {
        (self.bytes.len() - self.sent) as u64
    }

    /// Bytes written in all.
    pub(in crate::io) fn written(&self) -> u64 {
        self.written
    }

    /// Takes note of bytes that were written without it.
    pub(in crate::io) fn count(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Starts from the first byte again. `false`: it is no longer there.
    pub(in crate::io) fn rewind(&mut self) -> bool {
        if self.is_kept() {
            self.sent = 0;
        }
        self.is_kept()
    }

    /// Whether everything since the outbox was empty is there still.
    pub(in crate::io) fn is_kept(&self) -> bool {
        matches!(self.keep, Keep::Most(_))
    }

    /// Forgets what was kept.
    pub(in crate::io) fn release(&mut self) {
        self.keep = Keep::No;
        self.forget_if_sent();
    }

    /// Writes what waits, then `more`. What does not go out now waits: `more` is always taken.
    #[inline]
    pub(in crate::io) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
        mut more: &[u8],
    ) -> Poll<io::Result<()>> {
        if matches!(self.keep, Keep::Most(most) if self.bytes.len() + more.len() > most) {
            self.release();
        }
        // One small write is cheaper than two, and than a gathering one.
        if self.is_kept() || (!self.bytes.is_empty() && more.len() <= COALESCE) {
            self.bytes.extend_from_slice(more);
            more = &[];
        }
        loop {
            let waiting = self.bytes.get(self.sent..).unwrap_or_default();
            if waiting.is_empty() && more.is_empty() {
                self.forget_if_sent();
                return Poll::Ready(Ok(()));
            }
            let Poll::Ready(written) = to.poll_write(cx, waiting, more)? else {
                self.bytes.extend_from_slice(more);
                return Poll::Pending;
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written as u64;
            let of_waiting = written.min(waiting.len());
            self.sent += of_waiting;
            more = more.get(written - of_waiting..).unwrap_or_default();
            self.forget_if_sent();
        }
    }

    /// Writes what waits.
    #[inline]
    pub(in crate::io) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Stream,
    ) -> Poll<io::Result<()>> {
        if !self.is_empty() {
            ready!(self.poll_send(cx, to, &[]))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Empties it for another message. Room beyond what heads need is given back.
    pub(in crate::io) fn reset(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(ROOM);
        (self.sent, self.keep, self.written) = (0, Keep::No, 0);
    }

    #[inline]
    fn forget_if_sent(&mut self) {
        if self.keep == Keep::No && self.is_empty() {
            self.bytes.clear();
            self.sent = 0;
        }
    }
}

/// Content up to this size goes out in one piece with the head before it; measured against a gathering write.
const COALESCE: usize = 4096;

/// So much content of a request is kept for another attempt.
pub(in crate::io) const MOST_KEPT: usize = 32 * 1024;

/// Room that an unused outbox keeps.
const ROOM: usize = 4096;
