//! Bytes from one socket to another without a copy through the process: `splice(2)` through a pipe.
//!
//! A pipe is taken from the thread's pool when a socket has something for it and given back once it is empty, so that a
//! thread needs about as many as it has receivers that are slower than their senders. Pipes are not always to be had: the
//! pool is bounded, descriptors run out, and the kernel bounds what the pipes of one user hold (`pipe-user-pages-soft`).
//! Whoever gets none copies.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The pipes of one thread. At most [`MOST_PIPES`] exist at a time, in use and idle; beyond that there are none.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    idle: RefCell<Vec<Pipe>>,
    exist: Rc<Cell<usize>>,
    /// How often one that is not there is not even tried to make: the kernel has just refused one, which costs more than
    /// the copy that a pipe would save.
    refused: Cell<u32>,
}

/// A pipe, with what it holds.
#[derive(Debug)]
pub(super) struct Pipe {
    into: OwnedFd,
    out_of: OwnedFd,
    held: usize,
    exist: Rc<Cell<usize>>,
}

impl Pipes {
    /// An empty pipe, if there is one to be had.
    pub(super) fn take(&self) -> Option<Pipe> {
        if let Some(idle) = self.idle.borrow_mut().pop() {
            return Some(idle);
        }
        if self.exist.get() >= MOST_PIPES {
            return None;
        }
        if let Some(left) = self.refused.get().checked_sub(1) {
            self.refused.set(left);
            return None;
        }
        let made = Pipe::new(&self.exist).ok();
        if made.is_none() {
            self.refused.set(PATIENCE);
        }
        made
    }

    /// Takes a pipe back. One that holds something is closed.
    pub(super) fn put(&self, pipe: Pipe) {
        let mut idle = self.idle.borrow_mut();
        if pipe.held == 0 && idle.len() < MOST_IDLE {
            idle.push(pipe);
        }
    }
}

impl Pipe {
    fn new(exist: &Rc<Cell<usize>>) -> nix::Result<Self> {
        let (out_of, into) = nix::unistd::pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        // A small pipe would cost more system calls than copying: then rather none.
        fcntl(&into, FcntlArg::F_SETPIPE_SZ(ROOM_C_INT))?;
        exist.set(exist.get() + 1);
        Ok(Self { into, out_of, held: 0, exist: Rc::clone(exist) })
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes in what the socket has, at most `limit` bytes and what the pipe holds. 0: the peer has closed its side.
    ///
    /// Only an empty pipe can be filled: of one that holds something the kernel does not say whether it is full or the
    /// socket is empty.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_empty(), "a pipe is emptied before it is filled again");
        loop {
            ready!(from.poll_read_ready(cx))?;
            match from.try_io(Interest::READABLE, || pass(from, &self.into, limit.min(ROOM))) {
                Ok(n) => {
                    self.held += n;
                    return Poll::Ready(Ok(n));
                }
                Err(e) if is_passing(&e) => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Passes on what the socket takes. The bytes it took; pending if that is none.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<usize>> {
        loop {
            ready!(to.poll_write_ready(cx))?;
            match to.try_io(Interest::WRITABLE, || pass(&self.out_of, to, self.held)) {
                Ok(n) => {
                    self.held = self.held.saturating_sub(n);
                    return Poll::Ready(Ok(n));
                }
                Err(e) if is_passing(&e) => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.exist.set(self.exist.get().saturating_sub(1));
    }
}

fn pass(from: impl AsFd, to: impl AsFd, limit: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, limit, flags)?)
}

/// Readiness that was not there, or a signal: to be asked for again.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Measured: bulk costs a tenth less through pipes of 256 KiB than of 64 KiB.
const ROOM: usize = 256 * 1024;
const ROOM_C_INT: nix::libc::c_int = 256 * 1024;

/// The kernel lets an unprivileged user fill 64 MiB of pipes by default, which all threads share.
const MOST_PIPES: usize = 64;

/// After so many times of copying instead the kernel is asked for a pipe again.
const PATIENCE: u32 = 1024;

/// Idle pipes cost two descriptors each.
const MOST_IDLE: usize = 16;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn pipes_are_bounded_and_come_back() {
        let pipes = Pipes::default();
        let taken: Vec<_> = std::iter::from_fn(|| pipes.take()).collect();
        assert_eq!(taken.len(), MOST_PIPES);
        taken.into_iter().for_each(|pipe| pipes.put(pipe));
        assert_eq!((pipes.idle.borrow().len(), pipes.exist.get()), (MOST_IDLE, MOST_IDLE));
        let mut used = pipes.take().unwrap();
        used.held = 1;
        pipes.put(used);
        assert_eq!(
            pipes.exist.get(),
            MOST_IDLE - 1,
            "what holds bytes of one connection is not given to another"
        );
    }

    #[test]
    fn a_kernel_that_refuses_is_not_asked_each_time() {
        let pipes = Pipes { refused: Cell::new(2), ..Pipes::default() };
        assert_eq!([(); 3].map(|()| pipes.take().is_some()), [false, false, true]);
        // What is there is had at any time.
        let pipe = pipes.take().unwrap();
        pipes.put(pipe);
        pipes.refused.set(2);
        assert!(pipes.take().is_some());
    }

    #[tokio::test]
    async fn a_pipe_passes_bytes_and_the_end_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let pair = async || {
            let near = TcpStream::connect(to).await.unwrap();
            (near, listener.accept().await.unwrap().0)
        };
        let ((sender, from), (receiver, sink)) = (pair().await, pair().await);
        assert_eq!(sender.try_write(b"through").unwrap(), 7);
        let mut pipe = Pipes::default().take().unwrap();
        let filled = std::future::poll_fn(|cx| pipe.poll_fill(cx, &from, 4)).await.unwrap();
        assert_eq!((filled, pipe.is_empty()), (4, false), "no more than asked for");
        assert_eq!(std::future::poll_fn(|cx| pipe.poll_drain(cx, &sink)).await.unwrap(), 4);
        assert_eq!(std::future::poll_fn(|cx| pipe.poll_fill(cx, &from, ROOM)).await.unwrap(), 3);
        assert_eq!(std::future::poll_fn(|cx| pipe.poll_drain(cx, &sink)).await.unwrap(), 3);
        drop(sender);
        assert_eq!(std::future::poll_fn(|cx| pipe.poll_fill(cx, &from, ROOM)).await.unwrap(), 0);
        drop(sink);
        let mut bytes = Vec::new();
        let mut receiver = receiver;
        tokio::io::AsyncReadExt::read_to_end(&mut receiver, &mut bytes).await.unwrap();
        assert_eq!(bytes, b"through");
    }
}
