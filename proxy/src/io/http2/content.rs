//! The content of one direction of a stream: DATA frames to bytes, and bytes to DATA frames.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

use super::queue::{Piece, Queue};
use crate::h1::chunked::Chunker;
use crate::h1::framing::BodyFraming;
use crate::h2::Content;
use crate::h2::dechunk::{Dechunker, Next};
use crate::h2::request::write_trailers;

/// A message that comes in as frames and is read as HTTP/1.1 bytes.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Bytes to be read before any content: a head, the line of a chunk, trailers.
    lines: Vec<u8>,
    /// Bytes of `lines` that have been read.
    at: usize,
    body: RecvStream,
    chunker: Option<Chunker>,
    /// Content that has come and is not all read.
    data: Bytes,
    /// Bytes that have been read, and perhaps not used yet: the peer may send as many more when this is read on.
    used: usize,
    ended: bool,
    /// It is a response. Whoever has sent one whole may say so by a reset without error (RFC 9113 §8.1).
    response: bool,
}

impl Incoming {
    /// A request that begins with `head`.
    pub(super) fn new(head: Vec<u8>, content: Content, body: RecvStream) -> Self {
        let chunker = (content == Content::Chunks).then_some(Chunker::First);
        let ended = content == Content::None;
        Self { lines: head, at: 0, body, chunker, data: Bytes::new(), used: 0, ended, response: false }
    }

    /// A response that begins with `head`.
    pub(super) fn of_response(head: Vec<u8>, content: Content, body: RecvStream) -> Self {
        Self { response: true, ..Self::new(head, content, body) }
    }

    /// Reads on. 0: the message has ended.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        // Whoever reads on has passed on what was read before: so nobody keeps more than the windows allow.
        self.release()?;
        while filled < buf.len() {
            let room = buf.get_mut(filled..).unwrap_or_default();
            if self.at < self.lines.len() {
                filled += self.read_lines(room);
            } else if !self.data.is_empty() {
                filled += self.read_data(room);
            } else if self.ended {
                break;
            } else {
                match self.poll_frame(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) if filled == 0 => return Poll::Ready(Err(error)),
                    // What has been read comes first; the error is met again.
                    Poll::Ready(Err(_)) | Poll::Pending if filled > 0 => break,
                    Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
                }
            }
        }
        if self.body.is_end_stream() {
            // It may not be read again, and others share the connection's window.
            self.release()?;
        }
        Poll::Ready(Ok(filled))
    }

    fn read_lines(&mut self, buf: &mut [u8]) -> usize {
        let rest = self.lines.get(self.at..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        self.at += n;
        if self.at == self.lines.len() {
            self.lines.clear();
            self.at = 0;
        }
        n
    }

    fn read_data(&mut self, buf: &mut [u8]) -> usize {
        let data = self.data.split_to(self.data.len().min(buf.len()));
        buf[..data.len()].copy_from_slice(&data);
        self.used += data.len();
        data.len()
    }

    /// What has been used makes room for more.
    fn release(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.used) {
            0 => Ok(()),
            used => self.body.flow_control().release_capacity(used).map_err(broken),
        }
    }

    /// Takes the next frame: some content, or the end.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let data = match ready!(self.body.poll_data(cx)) {
            Some(Err(e)) if self.response && is_whole(&e) => None,
            data => data,
        };
        if let Some(data) = data {
            self.data = data.map_err(broken)?;
            if let Some(chunker) = &mut self.chunker
                && !self.data.is_empty()
            {
                chunker.begin(&mut self.lines, self.data.len());
            }
            return Poll::Ready(Ok(()));
        }
        let trailers = match ready!(self.body.poll_trailers(cx)) {
            Err(e) if self.response && is_whole(&e) => None,
            trailers => trailers.map_err(broken)?,
        };
        if let Some(chunker) = self.chunker.take() {
            chunker.end(&mut self.lines);
            if let Some(trailers) = trailers {
                // The empty line comes behind them.
                self.lines.truncate(self.lines.len() - 2);
                write_trailers(&mut self.lines, &trailers).map_err(invalid)?;
                self.lines.extend_from_slice(b"\r\n");
            }
        }
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

/// Content that is written as HTTP/1.1 bytes and goes out as frames.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// So many bytes are to come.
    Length(u64),
    Chunks(Dechunker),
    /// Whatever comes, until our side is closed.
    Open,
    Ended,
}

impl Outgoing {
    pub(super) fn new(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::None => Self::Ended,
            BodyFraming::Length(bytes) => Self::Length(bytes),
            BodyFraming::Chunked => Self::Chunks(Dechunker::default()),
            BodyFraming::UntilClose => Self::Open,
        }
    }

    pub(super) fn tunnel() -> Self {
        Self::Open
    }

    /// The end has been sent.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// Closing our side is the end of it, and not an end in the middle.
    pub(super) fn may_end(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Takes bytes from `input`, at least one unless there is no room.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut SendStream<Piece>,
        queue: &Arc<Queue>,
        input: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                let small = here as u64 == *left && here <= SMALL && queue.has_room(here);
                let n = if small { here } else { ready!(poll_room(cx, to, queue, here))? };
                *left -= n as u64;
                let ends = *left == 0;
                send(to, queue, &input[..n], ends)?;
                if ends {
                    *self = Self::Ended;
                }
                Poll::Ready(Ok(n))
            }
            Self::Chunks(chunks) => {
                let (taken, ended) = ready!(poll_chunks(cx, chunks, to, queue, input))?;
                if ended {
                    *self = Self::Ended;
                }
                Poll::Ready(Ok(taken))
            }
            Self::Open => {
                let n = ready!(poll_room(cx, to, queue, input.len()))?;
                send(to, queue, &input[..n], false)?;
                Poll::Ready(Ok(n))
            }
            Self::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

/// How much of `input` was taken, and whether the message has ended.
fn poll_chunks(
    cx: &mut Context<'_>,
    chunks: &mut Dechunker,
    to: &mut SendStream<Piece>,
    queue: &Arc<Queue>,
    input: &[u8],
) -> Poll<io::Result<(usize, bool)>> {
    let mut rest = input;
    loop {
        match chunks.advance(&mut rest).map_err(invalid)? {
            Next::More => return Poll::Ready(Ok((input.len() - rest.len(), false))),
            Next::Data(here) => {
                let Poll::Ready(n) = poll_room(cx, to, queue, here)? else {
                    let taken = input.len() - rest.len();
                    return if taken > 0 { Poll::Ready(Ok((taken, false))) } else { Poll::Pending };
                };
                send(to, queue, &rest[..n], false)?;
                chunks.take(n);
                rest = &rest[n..];
            }
            Next::End => {
                let trailers = chunks.take_trailers();
                let ended = if trailers.is_empty() {
                    to.send_data(Piece::default(), true)
                } else {
                    to.send_trailers(trailers)
                };
                ended.map_err(broken)?;
                return Poll::Ready(Ok((input.len() - rest.len(), true)));
            }
        }
    }
}

/// How many of `want` bytes the peer's windows and the connection have room for, at least 1. Pending: none.
fn poll_room(
    cx: &mut Context<'_>,
    to: &mut SendStream<Piece>,
    queue: &Queue,
    want: usize,
) -> Poll<io::Result<usize>> {
    let want = want.min(MOST_AT_ONCE).min(ready!(queue.poll_room(cx)));
    if to.capacity() < want {
        to.reserve_capacity(want);
    }
    loop {
        let room = to.capacity().min(want);
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        match ready!(to.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn send(to: &mut SendStream<Piece>, queue: &Arc<Queue>, data: &[u8], ends: bool) -> io::Result<()> {
    to.send_data(queue.piece(data), ends).map_err(broken)
}

/// The server wants no more of the request, its response being sent.
fn is_whole(error: &h2::Error) -> bool {
    error.is_reset() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
}

/// The stream or its connection is gone.
pub(super) fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

/// What was to be sent is not a message.
pub(super) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Content that is sent without asking for room: what a stream may make us keep if its window is closed. That of a
/// hundred streams leaves room for others.
const SMALL: usize = 4 * 1024;

/// Asked for at once, and what h2 keeps of one stream: more than most windows, and not all of a connection's.
pub(super) const MOST_AT_ONCE: usize = 64 * 1024;
