//! The bytes of a connection that speaks HTTP/2: read in turns, written in one piece per turn, and counted.
//!
//! h2 flushes after every frame that carries more than a few bytes. With many streams on one connection that would be a
//! system call per stream; so what it writes is gathered, and its driver writes it out when it has nothing more to do.
//! What is large is not gathered: it goes out at once, from where it is.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::stream::Stream;
use crate::h2::budget::Budget;
use crate::h2::frames::{FrameHead, Kind, Scanner};

/// What h2 reads from and writes to.
pub(super) struct Wire {
    state: Rc<RefCell<State>>,
}

/// The driver's hold on the same connection.
pub(super) struct Line {
    state: Rc<RefCell<State>>,
}

/// Buffers of the connections of one thread, most of which have nothing to write at any time.
#[derive(Debug, Default)]
pub(in crate::io) struct Spare {
    buffers: RefCell<Vec<Vec<u8>>>,
}

struct State {
    stream: Stream,
    /// Bytes that were read before this was known to be HTTP/2.
    ahead: Vec<u8>,
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    sent: usize,
    /// Bytes written in all.
    written: u64,
    received: Scanner,
    given: Scanner,
    budget: Budget,
    /// What has come of a server.
    seen: Option<Seen>,
    /// Bytes read in this turn.
    read: usize,
    /// There is more to read than one turn may.
    more: bool,
    /// A write has been put off until there is room.
    blocked: bool,
}

impl Wire {
    /// A client's `stream`, of which `ahead` has been read.
    pub(super) fn new(stream: Stream, ahead: Vec<u8>, budget: Budget) -> (Self, Line) {
        Self::with(stream, ahead, budget, [PREFACE, 0], None)
    }

    /// The `stream` to a server.
    pub(super) fn to_server(stream: Stream, budget: Budget) -> (Self, Line) {
        Self::with(stream, Vec::new(), budget, [0, PREFACE], Some(Seen::default()))
    }

    /// `prefaces`: bytes before the first frame received and given.
    fn with(
        stream: Stream,
        ahead: Vec<u8>,
        budget: Budget,
        prefaces: [usize; 2],
        seen: Option<Seen>,
    ) -> (Self, Line) {
        let state = State {
            stream,
            ahead,
            out: Vec::new(),
            sent: 0,
            written: 0,
            received: Scanner::new(prefaces[0]),
            given: Scanner::new(prefaces[1]),
            budget,
            seen,
            read: 0,
            more: false,
            blocked: false,
        };
        let state = Rc::new(RefCell::new(state));
        (Self { state: Rc::clone(&state) }, Line { state })
    }
}

/// Frames of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// There were some.
    pub(super) any: bool,
    /// SETTINGS that are not an acknowledgement were among them.
    pub(super) settings: bool,
    /// It wants no more streams.
    pub(super) goaway: bool,
}

impl Seen {
    fn add(&mut self, frame: FrameHead) {
        self.any = true;
        self.settings |= frame.kind == Kind::Settings && !frame.has_first_flag();
        self.goaway |= frame.kind == Kind::GoAway;
    }
}

impl Line {
    /// So many resets that are to be sent are not the peer's fault.
    pub(super) fn excuse(&self, resets: u32) {
        self.state.borrow_mut().budget.excuse(resets);
    }

    /// Whether there is something to be written that the peer leaves no room for.
    pub(super) fn is_waiting(&self) -> bool {
        let state = self.state.borrow();
        state.waiting() > 0 || state.blocked
    }

    /// Bytes written in all.
    pub(super) fn written(&self) -> u64 {
        self.state.borrow().written
    }

    /// Makes closing say that what was sent is not all there is.
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        self.state.borrow_mut().stream.reset_on_close()
    }

    /// Begins a turn. What is gathered in it goes into a buffer of `spare`.
    pub(super) fn begin(&self, now: Instant, spare: &Spare) {
        let mut state = self.state.borrow_mut();
        state.budget.fill(now);
        if state.out.capacity() == 0 {
            state.out = spare.buffers.borrow_mut().pop().unwrap_or_default();
        }
        (state.read, state.more) = (0, false);
    }

    /// Whether the peer has done too much that nobody asked for.
    pub(super) fn is_spent(&self) -> bool {
        self.state.borrow().budget.is_spent()
    }

    /// Whether a turn has ended before all was read: another one is to follow.
    pub(super) fn has_more(&self) -> bool {
        self.state.borrow().more
    }

    /// What has come of the server since this was last asked.
    pub(super) fn take_seen(&self) -> Seen {
        self.state.borrow_mut().seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether there is room for a write that was put off.
    pub(super) fn take_unblocked(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state.waiting() <= MOST_WAITING && std::mem::take(&mut state.blocked)
    }

    /// Writes what waits.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_flush(cx)
    }

    /// Ends a turn: an empty buffer is given back.
    pub(super) fn end(&self, spare: &Spare) {
        let mut state = self.state.borrow_mut();
        let mut spare = spare.buffers.borrow_mut();
        if state.out.is_empty() && spare.len() < MOST_SPARE && state.out.capacity() <= 2 * MOST_WAITING {
            spare.push(std::mem::take(&mut state.out));
        } else if state.out.is_empty() {
            state.out = Vec::new();
        }
    }

    /// Closes our side.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        self.state.borrow_mut().stream.shutdown()
    }

    /// Reads, to no end but to take in what the peer is still sending.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.state.borrow_mut().stream.poll_read(cx, buf)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let n = ready!(self.stream.poll_write(cx, &self.out[self.sent..], &[]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
            self.written += n as u64;
        }
        self.out.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.budget.is_spent() {
            // The driver ends the connection; nothing more of it is looked at.
            return Poll::Pending;
        }
        if self.read >= MOST_READ {
            self.more = true;
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if self.ahead.is_empty() {
            let n = ready!(self.stream.poll_read(cx, buf.initialize_unfilled()))?;
            buf.advance(n);
        } else {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..n]);
            self.ahead.drain(..n);
        }
        let Self { received, budget, seen, .. } = self;
        let new = buf.filled().get(before..).unwrap_or_default();
        match seen {
            None => received.scan(new, |frame| budget.handle_received(frame)),
            Some(seen) => received.scan(new, |frame| {
                seen.add(frame);
                budget.handle_of_server(frame);
            }),
        }
        self.read += new.len();
        Poll::Ready(Ok(()))
    }

    /// Takes bytes of frames. They are gathered unless there are many of them.
    fn poll_write(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting() > MOST_WAITING {
            self.blocked = true;
            match self.poll_flush(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending if self.waiting() > MOST_WAITING => return Poll::Pending,
                Poll::Pending => {}
            }
            self.blocked = false;
        }
        let taken = if second.len() >= LARGE && self.stream.is_plain_tcp() {
            self.keep(first);
            first.len() + self.write_through(cx, second)?
        } else {
            self.keep(first);
            self.keep(second);
            first.len() + second.len()
        };
        let Self { given, budget, .. } = self;
        given.scan(first, |frame| budget.handle_sent(frame));
        given.scan(second.get(..taken - first.len()).unwrap_or_default(), |frame| budget.handle_sent(frame));
        Poll::Ready(Ok(taken))
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what waits and `content` behind it. What there is no room for is not taken.
    fn write_through(&mut self, cx: &mut Context<'_>, content: &[u8]) -> io::Result<usize> {
        let waiting = &self.out[self.sent..];
        let Poll::Ready(written) = self.stream.poll_write(cx, waiting, content)? else { return Ok(0) };
        let of_waiting = written.min(waiting.len());
        self.sent += of_waiting;
        self.written += written as u64;
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        Ok(written - of_waiting)
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.state.borrow_mut().poll_write(cx, buf, &[])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = bufs.iter().filter(|b| !b.is_empty());
        let first = filled.next().map_or(&[][..], |b| b);
        let second = filled.next().map_or(&[][..], |b| b);
        self.state.borrow_mut().poll_write(cx, first, second)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The driver flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state.borrow_mut().poll_flush(cx)
    }
}

/// RFC 9113 §3.4.
const PREFACE: usize = 24;

/// Read in one turn: enough for the requests of a hundred streams, and no flood keeps the thread for longer.
const MOST_READ: usize = 64 * 1024;

/// More than this is not gathered for a peer that does not read.
const MOST_WAITING: usize = 64 * 1024;

/// As many connections of a thread as may be in the middle of writing, most of the time.
const MOST_SPARE: usize = 8;

/// Content from which a copy costs more than a system call per frame.
const LARGE: usize = 8 * 1024;
