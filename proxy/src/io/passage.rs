//! One direction of bytes nobody looks at: from one stream into another, then its end.
//!
//! Small messages are read into the thread's scratch buffer and written from there. A sender that keeps filling what it
//! is given is streaming: the bytes of plain TCP are then spliced, until they come in small pieces again.

use std::io;
use std::task::{Context, Poll, ready};

use super::http1::SMALL;
use super::splice::{Pipe, Pipes};
use super::stream::Stream;

/// Bytes on their way, and how many there were.
#[derive(Debug)]
pub(super) struct Passage {
    /// Bytes read from the source.
    pub(super) read: u64,
    /// Bytes the sink has taken.
    pub(super) written: u64,
    /// Read and not written, from `sent` on.
    held: Vec<u8>,
    sent: usize,
    /// The same in a pipe: if there are any, `held` is empty.
    pipe: Option<Pipe>,
    end: End,
    /// How much is read at once: more while the source fills it, less while the sink does not take it.
    window: usize,
    /// Reads in a row that filled the window.
    full: u8,
    /// Splices in a row that were hardly worth it.
    thin: u8,
    /// The task waits for the source to have something: nothing is to be done until it has.
    waits: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The source is open.
    Open,
    /// It has ended; the sink does not know.
    Seen,
    PassedOn,
}

/// Which stream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Source,
    Sink,
}

/// What a thread lends to the passages it polls.
pub(super) struct Means<'a> {
    /// Room for bytes just read.
    pub(super) scratch: &'a mut [u8],
    pub(super) pipes: &'a Pipes,
}

impl Default for Passage {
    fn default() -> Self {
        Self {
            read: 0,
            written: 0,
            held: Vec::new(),
            sent: 0,
            pipe: None,
            end: End::Open,
            window: SMALL,
            full: 0,
            thin: 0,
            waits: false,
        }
    }
}

impl Passage {
    /// Moves what can be moved. Ready when the source has ended and the sink knows.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        means: &mut Means<'_>,
    ) -> Poll<Result<(), Broken>> {
        // One task polls both directions, and hears of one at a time.
        if self.waits && from.is_drained() {
            return Poll::Pending;
        }
        self.waits = false;
        let start = self.read;
        loop {
            ready!(self.poll_flush(cx, to))?;
            match self.end {
                End::PassedOn => return Poll::Ready(Ok(())),
                End::Seen => {
                    self.give_back(means.pipes);
                    self.end = End::PassedOn;
                    to.shutdown().map_err(|_| Broken::Sink)?;
                    return Poll::Ready(Ok(()));
                }
                End::Open => {}
            }
            if self.read - start > MOST_AT_ONCE {
                // Others want their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.full >= STREAMING
                && let (Some(from), Some(_)) = (from.plain_tcp(), to.plain_tcp())
                && let Some(mut pipe) = self.pipe.take().or_else(|| means.pipes.take())
            {
                let filled = pipe.poll_fill(cx, from, usize::MAX);
                self.pipe = Some(pipe);
                let Poll::Ready(filled) = filled else {
                    self.give_back(means.pipes);
                    return Poll::Pending;
                };
                self.handle_spliced(filled.map_err(|_| Broken::Source)?);
            } else {
                ready!(self.poll_copy(cx, from, to, means.scratch))?;
                // What did not fill the window was all there was.
                let drained = self.full == 0 && !self.is_waiting() && self.end == End::Open;
                if drained && from.poll_readable(cx).is_pending() {
                    self.wait();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The source has nothing. The runtime may also have said so because the task has done enough for one turn; then it
    /// does not watch the source.
    fn wait(&mut self) {
        self.waits = tokio::task::coop::has_budget_remaining();
    }

    /// Reads what the source says before there is a sink, up to a bound.
    pub(super) fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        scratch: &mut [u8],
    ) -> Result<(), Broken> {
        while self.end == End::Open && self.held.len() < SMALL {
            let room = (SMALL - self.held.len()).min(scratch.len());
            match poll_read(from, cx, scratch.get_mut(..room).unwrap_or_default()) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => self.end = End::Seen,
                Poll::Ready(Ok(n)) => {
                    self.read += n as u64;
                    self.held.extend_from_slice(scratch.get(..n).unwrap_or_default());
                }
                Poll::Ready(Err(_)) => return Err(Broken::Source),
            }
        }
        Ok(())
    }

    /// What was read ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.held
    }

    /// Whether the source is still to be read.
    pub(super) fn is_open(&self) -> bool {
        self.end == End::Open
    }

    /// Whether the sink has been told of the end.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::PassedOn
    }

    /// Whether the sink has something to take.
    pub(super) fn is_waiting(&self) -> bool {
        !self.held.is_empty() || self.pipe.as_ref().is_some_and(|p| !p.is_empty())
    }

    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broken>> {
        let window = self.window.min(scratch.len());
        let room = scratch.get_mut(..window).unwrap_or_default();
        let Poll::Ready(read) = poll_read(from, cx, room) else {
            self.wait();
            return Poll::Pending;
        };
        let n = read.map_err(|_| Broken::Source)?;
        if n == 0 {
            self.end = End::Seen;
            return Poll::Ready(Ok(()));
        }
        self.read += n as u64;
        let bytes = scratch.get(..n).unwrap_or_default();
        let taken = match to.poll_write(cx, bytes, &[]) {
            Poll::Pending => 0,
            Poll::Ready(written) => written.map_err(|_| Broken::Sink)?,
        };
        self.written += taken as u64;
        self.held.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        self.full = if n == window { self.full.saturating_add(1) } else { 0 };
        if n == window && self.held.is_empty() {
            self.window = (window * 2).min(scratch.len());
        }
        Poll::Ready(Ok(()))
    }

    fn handle_spliced(&mut self, n: usize) {
        if n == 0 {
            self.end = End::Seen;
            return;
        }
        self.read += n as u64;
        self.thin = if n < WORTHWHILE { self.thin + 1 } else { 0 };
        if self.thin >= MOST_THIN {
            (self.full, self.thin, self.window) = (0, 0, SMALL);
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<Result<(), Broken>> {
        while let Some(pipe) = self.pipe.as_mut().filter(|p| !p.is_empty()) {
            let Some(to) = to.plain_tcp() else { return Poll::Ready(Err(Broken::Sink)) };
            let n = ready!(pipe.poll_drain(cx, to)).map_err(|_| Broken::Sink)?;
            self.written += n as u64;
        }
        while let Some(rest) = self.held.get(self.sent..).filter(|r| !r.is_empty()) {
            let Poll::Ready(written) = to.poll_write(cx, rest, &[]) else {
                // What the sink does not take has to be kept.
                self.window = SMALL;
                return Poll::Pending;
            };
            let n = written.map_err(|_| Broken::Sink)?;
            self.written += n as u64;
            self.sent += n;
        }
        if self.sent > 0 {
            (self.held, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    fn give_back(&mut self, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.put(pipe);
        }
    }
}

/// Reads. A TLS peer that ends without a notice has ended all the same: many do, and only what is inside could tell
/// whether something is missing.
fn poll_read(from: &mut Stream, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
    let ended = |e: io::Error| if e.kind() == io::ErrorKind::UnexpectedEof { Ok(0) } else { Err(e) };
    from.poll_read(cx, room).map(|read| read.or_else(ended))
}

/// Reads in a row that fill the window before a sender counts as streaming: it has sent 48 KiB without a pause then.
const STREAMING: u8 = 2;

/// A splice of less than this is not worth its second system call.
const WORTHWHILE: usize = 4096;

/// So many thin splices in a row are no accident.
const MOST_THIN: u8 = 4;

/// How much one turn moves: about a quarter of a millisecond.
pub(super) const MOST_AT_ONCE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::coop;

    use super::*;

    /// A connection's two ends, of which a passage has the second one.
    async fn pair(listener: &TcpListener) -> (TcpStream, Stream) {
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, Stream::new(listener.accept().await.unwrap().0).unwrap())
    }

    #[tokio::test]
    async fn a_turn_that_ends_early_loses_no_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ((mut sender, mut from), (receiver, mut to)) = (pair(&listener).await, pair(&listener).await);
        let (mut passage, pipes, mut scratch) = (Passage::default(), Pipes::default(), vec![0; SMALL]);
        let mut means = Means { scratch: &mut scratch, pipes: &pipes };
        for (round, words) in [b"first", b"other"].into_iter().enumerate() {
            sender.write_all(words).await.unwrap();
            from.readable_for_tests().await;
            // A task that has done much in this turn is told to wait, though there is something to read.
            poll_fn(|cx| {
                while coop::poll_proceed(cx).map(|turn| turn.made_progress()).is_ready() {}
                assert!(passage.poll(cx, &mut from, &mut to, &mut means).is_pending());
                assert!(!passage.waits, "nobody would wake it");
                Poll::Ready(())
            })
            .await;
            tokio::task::yield_now().await;
            poll_fn(|cx| {
                assert!(passage.poll(cx, &mut from, &mut to, &mut means).is_pending());
                assert!(passage.waits && from.is_drained());
                Poll::Ready(())
            })
            .await;
            assert_eq!(passage.written, (round as u64 + 1) * 5);
        }
        drop(sender);
        assert_eq!(poll_fn(|cx| passage.poll(cx, &mut from, &mut to, &mut means)).await, Ok(()));
        let mut heard = [0; 16];
        receiver.readable().await.unwrap();
        assert_eq!(receiver.try_read(&mut heard).unwrap(), 10);
    }
}
