//! Content that nobody looks at, past the process: through a pipe, from socket to socket.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;

use super::super::splice::{Pipe, Pipes};
use super::super::stream::Stream;

/// One message's way past the process.
#[derive(Debug, Default)]
pub(super) struct Bypass {
    /// Present while it is in use. Nothing else is written while it holds something.
    pipe: Option<Pipe>,
    pub(super) supply: Supply,
    /// Splices in a row that were hardly worth it.
    thin: u8,
}

/// How content comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Supply {
    #[default]
    Unknown,
    /// What was read filled the room for it.
    Streams,
    /// In small pieces, which are cheaper to copy.
    Trickles,
}

impl Bypass {
    /// Whether something waits to be written.
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        self.pipe.as_ref().is_some_and(|p| !p.is_empty())
    }

    /// Whether to take it for so many bytes to come, which is a guess if they are `endless`.
    #[inline]
    pub(super) fn is_worth(&self, bytes: u64, endless: bool) -> bool {
        match self.supply {
            Supply::Unknown => bytes >= WORTHWHILE && !endless,
            Supply::Streams => bytes >= WORTHWHILE,
            Supply::Trickles => false,
        }
    }

    /// Takes in what the source has, at most `limit` bytes. 0: it has ended. `None`: there is no pipe.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        limit: u64,
        pipes: &Pipes,
    ) -> Option<Poll<io::Result<u64>>> {
        let mut pipe = self.pipe.take().or_else(|| pipes.take())?;
        let filled = pipe.poll_fill(cx, from, usize::try_from(limit).unwrap_or(usize::MAX));
        self.pipe = Some(pipe);
        match filled {
            Poll::Ready(Ok(n)) => {
                self.watch(n as u64, limit);
                Some(Poll::Ready(Ok(n as u64)))
            }
            Poll::Ready(Err(e)) => Some(Poll::Ready(Err(e))),
            Poll::Pending => {
                self.give_back(pipes);
                Some(Poll::Pending)
            }
        }
    }

    /// Passes on what the sink takes: so many bytes.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, to: &Stream) -> Poll<io::Result<u64>> {
        let (Some(pipe), Some(to)) = (&mut self.pipe, to.plain_tcp()) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        Poll::Ready(Ok(ready!(pipe.poll_drain(cx, to))? as u64))
    }

    /// Gives the pipe back. One that holds something is closed.
    pub(super) fn give_back(&mut self, pipes: &Pipes) {
        if let Some(pipe) = self.pipe.take() {
            pipes.put(pipe);
        }
    }

    fn watch(&mut self, taken: u64, limit: u64) {
        self.thin = if taken < THIN.min(limit) { self.thin + 1 } else { 0 };
        if self.thin >= MOST_THIN {
            (self.supply, self.thin) = (Supply::Trickles, 0);
        }
    }
}

/// What is left of content is copied if it is less: measured, there is no difference at this size.
const WORTHWHILE: u64 = 16 * 1024;

/// A splice of less than this is not worth its second system call.
const THIN: u64 = 4096;

/// So many thin splices in a row are no accident.
const MOST_THIN: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_spliced_if_it_is_large() {
        let (least, less) = (WORTHWHILE, WORTHWHILE - 1);
        for (supply, bytes, endless, worth) in [
            (Supply::Unknown, least, false, true),
            (Supply::Unknown, less, false, false),
            (Supply::Unknown, u64::MAX, true, false),
            (Supply::Streams, least, false, true),
            (Supply::Streams, less, false, false),
            (Supply::Streams, u64::MAX, true, true),
            (Supply::Trickles, least, false, false),
            (Supply::Trickles, u64::MAX, true, false),
        ] {
            let bypass = Bypass { supply, ..Bypass::default() };
            assert_eq!(bypass.is_worth(bytes, endless), worth, "{supply:?}, {bytes}");
        }
    }

    #[test]
    fn what_comes_in_small_pieces_is_copied() {
        let mut bypass = Bypass::default();
        for taken in [1, 1, 1, THIN, 1, 1, 1] {
            bypass.watch(taken, u64::MAX);
            assert_eq!(bypass.supply, Supply::Unknown);
        }
        // The end of content is small for another reason.
        bypass.watch(1, 1);
        bypass.watch(1, u64::MAX);
        bypass.watch(1, u64::MAX);
        bypass.watch(1, u64::MAX);
        assert_eq!(bypass.supply, Supply::Unknown);
        bypass.watch(1, u64::MAX);
        assert_eq!(bypass.supply, Supply::Trickles);
    }
}
