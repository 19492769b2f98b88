//! TLS over another stream, as a stream.
//!
//! Records are read in large pieces into room that all streams of a thread share, decrypted there and copied out; a
//! stream that idles holds neither plain bytes nor records. What is written goes out in full records, the head of a
//! message together with its content, and the notice of the end in the same write as the last bytes.

mod room;
mod session;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use rustls::ProtocolVersion;

use self::room::{ROOM, Room};
use self::session::{Opened, Sealed, Session};
use super::stream::Stream;
use crate::tls::certificates::Hello;
use crate::tls::{Acceptor, Connector, SessionFacts};

/// A TLS session and the stream it runs over.
#[derive(Debug)]
pub(super) struct TlsStream {
    session: Session,
    pub(super) under: Stream,
    /// Part of a record, or of a handshake message.
    incoming: Vec<u8>,
    /// Decrypted, and not yet taken.
    plain: Vec<u8>,
    out: Backlog,
    incoming_end: Option<End>,
    outgoing_end: OutgoingEnd,
    /// What the client's hello came to, until the handshake is over.
    hello: Option<Hello>,
    facts: Option<Arc<SessionFacts>>,
    /// Something has come from the peer.
    heard: bool,
}

/// Why nothing more comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer has said so.
    Notified,
    /// The connection ended without a word: what came may not be all there was (RFC 8446 §6.1).
    Torn,
    /// The session is broken.
    Broken,
}

/// How far our own end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutgoingEnd {
    /// More will be written.
    Open,
    /// The next bytes are the last: the notice goes with them.
    Announced,
    /// The notice is written, or in the backlog.
    Notified,
    /// As soon as the backlog is out the stream below is to be closed for writing.
    Closing,
    /// It is closed.
    Closed,
    /// It must be seen that something is missing: no notice.
    Aborted,
}

/// Records that the stream below has not taken yet.
#[derive(Debug, Default)]
struct Backlog {
    records: Vec<u8>,
    sent: usize,
    /// Plain bytes in it that the writer has not been told are written.
    owed: usize,
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The connection ended or broke.
    Io(io::Error),
    /// One side did not like what the other said.
    Tls(rustls::Error),
}

impl TlsStream {
    /// The server's side of a session over `under`, before its handshake.
    pub(super) fn accept(acceptor: &Acceptor, under: Stream) -> io::Result<Self> {
        let session = Session::accept(acceptor).map_err(io::Error::other)?;
        Ok(Self::new(session, under))
    }

    /// The client's side of a session over `under`, before its handshake.
    pub(super) fn connect(connector: &Connector, under: Stream) -> io::Result<Self> {
        let session = Session::connect(connector).map_err(io::Error::other)?;
        let mut stream = Self::new(session, under);
        // The client speaks first.
        let hello = stream.session.open(&mut [], &mut [], &mut stream.plain, &mut stream.out.records);
        hello.map_err(io::Error::other)?;
        Ok(stream)
    }

    fn new(session: Session, under: Stream) -> Self {
        Self {
            session,
            under,
            incoming: Vec::new(),
            plain: Vec::new(),
            out: Backlog::default(),
            incoming_end: None,
            outgoing_end: OutgoingEnd::Open,
            hello: None,
            facts: None,
            heard: false,
        }
    }

    /// Goes on with the handshake. Ready when bytes can be read and written.
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        ROOM.with_borrow_mut(|room| self.poll_handshake_in(room, cx))
    }

    fn poll_handshake_in(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), HandshakeError>> {
        loop {
            // The peer waits for what there is, but for tickets, which go with the first bytes that are written: of those
            // nobody waits for.
            let only_tickets =
                self.session.is_server() && self.session.version() == Some(ProtocolVersion::TLSv1_3);
            let over = !self.session.is_handshaking();
            if !(over && only_tickets) {
                // What does not go out now does so later: the stream below wakes this task, or a read or write sends on.
                let _later = self.poll_flush(cx).map_err(HandshakeError::Io)?;
            }
            if over {
                self.facts = self.session.facts(self.hello.take().unwrap_or_default()).map(Arc::new);
                return Poll::Ready(Ok(()));
            }
            match ready!(self.poll_fill(room, cx, 0)).map_err(HandshakeError::Io)? {
                0 => return Poll::Ready(Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into()))),
                total => self.open_or_tell(room, cx, total, &mut [])?,
            };
        }
    }

    /// Reads plain bytes into `buf`. 0: the peer has said that there are no more.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.plain.is_empty() {
            return Poll::Ready(Ok(take(&mut self.plain, buf)));
        }
        ROOM.with_borrow_mut(|room| {
            loop {
                if let Some(end) = self.incoming_end {
                    return Poll::Ready(end.into());
                }
                match self.poll_fill(room, cx, buf.len()) {
                    Poll::Ready(Ok(0)) => self.incoming_end = Some(End::Torn),
                    Poll::Ready(Ok(total)) => {
                        let opened = self.open_or_tell(room, cx, total, buf);
                        if let Ok(n @ 1..) = opened {
                            return Poll::Ready(Ok(n));
                        }
                    }
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Pending => {
                        self.rest(cx)?;
                        return Poll::Pending;
                    }
                }
            }
        })
    }

    /// Nothing comes in: what waits to go out goes, and room that is not needed is given back.
    fn rest(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.incoming.is_empty() && self.incoming.capacity() > 0 {
            self.incoming = Vec::new();
        }
        if self.plain.capacity() > 0 {
            self.plain = Vec::new();
        }
        // What does not go out now does so later: the stream below wakes this task.
        let _later = self.poll_flush(cx)?;
        Ok(())
    }

    /// Writes from `first`, then from `second`. Bytes count as written when the stream below has taken their records.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.out.owed > 0 {
            return self.poll_settle(cx);
        }
        ROOM.with_borrow_mut(|room| {
            let last = self.outgoing_end == OutgoingEnd::Announced;
            room.begin(&mut self.out);
            let Sealed { taken, notified } = self.seal(room, [first, second], last)?;
            if notified {
                self.outgoing_end = OutgoingEnd::Notified;
            }
            let mut sent = 0;
            let blocked = loop {
                let rest = room.records(sent);
                if rest.is_empty() {
                    break None;
                }
                match self.under.poll_write(cx, rest, &[]) {
                    Poll::Ready(Ok(0)) => break Some(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => sent += n,
                    Poll::Ready(Err(e)) => break Some(Err(e)),
                    Poll::Pending => break Some(Ok(())),
                }
            };
            match blocked {
                None => Poll::Ready(Ok(taken)),
                Some(Err(e)) => Poll::Ready(Err(e)),
                Some(Ok(())) => {
                    let of = room.records(0).len();
                    self.out = Backlog { records: room.records(sent).to_vec(), sent: 0, owed: taken };
                    self.out.settle(sent, of).map_or(Poll::Pending, |n| Poll::Ready(Ok(n)))
                }
            }
        })
    }

    /// Sends on what an earlier write left behind; its bytes, which the caller offers again, count as they go.
    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.out.left();
        let flushed = self.poll_flush(cx)?;
        let sent = before - self.out.left();
        match self.out.settle(sent, before) {
            Some(n) => Poll::Ready(Ok(n)),
            None if flushed.is_ready() => Poll::Ready(Ok(std::mem::take(&mut self.out.owed))),
            None => Poll::Pending,
        }
    }

    /// Says that the bytes of the next writes are the last ones.
    pub(super) fn announce_end(&mut self) {
        if self.outgoing_end == OutgoingEnd::Open {
            self.outgoing_end = OutgoingEnd::Announced;
        }
    }

    /// Closes our side: with a notice, as soon as all is out.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        self.notify_end();
        if matches!(self.outgoing_end, OutgoingEnd::Notified) {
            self.outgoing_end = OutgoingEnd::Closing;
        }
        let mut cx = Context::from_waker(Waker::noop());
        match self.poll_flush(&mut cx) {
            Poll::Ready(flushed) => flushed,
            // The next read sends on.
            Poll::Pending => Ok(()),
        }
    }

    /// Makes closing send a reset, and no notice of the end before it.
    pub(super) fn reset_on_close(&mut self) -> io::Result<()> {
        self.outgoing_end = OutgoingEnd::Aborted;
        self.under.reset_on_close()
    }

    /// Whether an idle stream is still good. A ticket that came late is taken in: it says nothing about the next request.
    pub(super) fn is_quiet(&mut self) -> bool {
        let idle = |s: &Self| s.plain.is_empty() && s.incoming.is_empty() && s.incoming_end.is_none();
        if !idle(self) {
            return false;
        }
        let mut cx = Context::from_waker(Waker::noop());
        let read = self.poll_read(&mut cx, &mut [0]);
        read.is_pending() && idle(self)
    }

    /// The stream below.
    pub(super) fn under(&mut self) -> &mut Stream {
        &mut self.under
    }

    /// What is known of the session, at the server's side, once the handshake is over.
    pub(super) fn facts(&self) -> Option<&Arc<SessionFacts>> {
        self.facts.as_ref()
    }

    /// Whether the peer has said anything.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// What the handshake has come to.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Reads records behind what is left of earlier ones; how many bytes there are then. 0: the end.
    fn poll_fill(&mut self, room: &mut Room, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let held = self.incoming.len();
        let space = room.space(held, wanted)?;
        let n = ready!(self.under.poll_read(cx, space))?;
        if n == 0 {
            return Poll::Ready(Ok(0));
        }
        self.heard = true;
        room.prepend(&mut self.incoming);
        Poll::Ready(Ok(held + n))
    }

    /// Handles `total` bytes of records in `room`; plain bytes go into `buf`, then into `plain`. How many are in `buf`.
    fn open(&mut self, room: &mut Room, total: usize, buf: &mut [u8]) -> Result<usize, HandshakeError> {
        let input = room.input(total);
        let opened = self.session.open(input, buf, &mut self.plain, &mut self.out.records);
        let Opened { used, plain, closed, hello } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.incoming_end = Some(End::Broken);
                self.outgoing_end = OutgoingEnd::Aborted;
                return Err(HandshakeError::Tls(error));
            }
        };
        self.incoming.extend_from_slice(input.get(used..).unwrap_or_default());
        if closed {
            self.incoming_end = Some(End::Notified);
        }
        if hello.is_some() {
            self.hello = hello;
        }
        Ok(plain)
    }

    /// The same; if the records are not as they should be, the peer is told.
    fn open_or_tell(
        &mut self,
        room: &mut Room,
        cx: &mut Context<'_>,
        total: usize,
        buf: &mut [u8],
    ) -> Result<usize, HandshakeError> {
        let opened = self.open(room, total, buf);
        if opened.is_err() {
            // The connection is over: what the peer does not take now it will not get.
            let _told = self.poll_flush(cx);
        }
        opened
    }

    fn seal(&mut self, room: &mut Room, pieces: [&[u8]; 2], last: bool) -> io::Result<Sealed> {
        if matches!(self.incoming_end, Some(End::Broken)) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sealed = self.session.seal(&mut self.incoming, &mut self.plain, pieces, last, room);
        sealed.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// Puts the notice of the end behind everything that waits.
    fn notify_end(&mut self) {
        if !matches!(self.outgoing_end, OutgoingEnd::Open | OutgoingEnd::Announced)
            || self.session.is_handshaking()
        {
            return;
        }
        self.outgoing_end = OutgoingEnd::Notified;
        // There is no room when the thread itself is ending, and then nobody to tell.
        let _said = ROOM.try_with(|room| {
            let Ok(mut room) = room.try_borrow_mut() else { return };
            let owed = self.out.owed;
            room.begin(&mut self.out);
            // A session that cannot even say goodbye has nothing to say.
            drop(self.seal(&mut room, [&[], &[]], true));
            self.out = Backlog { records: room.records(0).to_vec(), sent: 0, owed };
        });
    }

    /// Sends what waits; ready when nothing does.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.out.left() > 0 {
            let rest = self.out.records.get(self.out.sent..).unwrap_or_default();
            match ready!(self.under.poll_write(cx, rest, &[]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.out.sent += n,
            }
        }
        if !self.out.records.is_empty() {
            self.out.records = Vec::new();
            self.out.sent = 0;
        }
        if self.outgoing_end == OutgoingEnd::Closing {
            self.outgoing_end = OutgoingEnd::Closed;
            return Poll::Ready(self.under.shutdown());
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for TlsStream {
    /// The peer is told that this is the end, unless it must not believe so.
    fn drop(&mut self) {
        self.notify_end();
        if self.outgoing_end == OutgoingEnd::Notified {
            let mut cx = Context::from_waker(Waker::noop());
            // Nobody is left to wait.
            let _told = self.poll_flush(&mut cx);
        }
    }
}

impl Backlog {
    /// Bytes that wait.
    fn left(&self) -> usize {
        self.records.len() - self.sent
    }

    /// After `sent` of the `of` bytes that waited have gone: as many plain bytes as that is, if any, are written.
    fn settle(&mut self, sent: usize, of: usize) -> Option<usize> {
        if self.left() == 0 {
            return None;
        }
        // The last one is written when the last record is out whole.
        let most = self.owed.saturating_sub(1);
        let n = self.owed.checked_mul(sent)?.checked_div(of)?.min(most);
        self.owed -= n;
        (n > 0).then_some(n)
    }
}

impl From<End> for io::Result<usize> {
    fn from(end: End) -> Self {
        match end {
            End::Notified => Ok(0),
            End::Torn => Err(io::ErrorKind::UnexpectedEof.into()),
            End::Broken => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Io(error) => error,
            HandshakeError::Tls(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

/// Moves plain bytes from the front of `plain` into `buf`; how many.
fn take(plain: &mut Vec<u8>, buf: &mut [u8]) -> usize {
    let n = plain.len().min(buf.len());
    buf[..n].copy_from_slice(&plain[..n]);
    plain.drain(..n);
    n
}

#[cfg(test)]
mod tests;
