//! A TCP socket, which the runtime gets to know only if it has to be waited for.
//!
//! A client that has connected has usually sent its request as well, and the answer finds room in the socket's buffer:
//! a connection for a single request is read, written and closed without a registration, which costs two system calls
//! and room for its state.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::coop;

use super::stream::write;

/// A connected socket.
#[derive(Debug)]
pub(super) struct Socket {
    state: State,
    /// What is written from now on is the last of it.
    ends: bool,
}

#[derive(Debug)]
enum State {
    /// Just accepted. It is read once like this: whoever reads on and on is made to wait for its turn by the runtime.
    Fresh { socket: std::net::TcpStream, read: bool },
    /// The runtime knows it.
    Known(TcpStream),
    /// The runtime could not take it.
    Lost,
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Self {
        Self { state: State::Known(tcp), ends: false }
    }
}

impl Socket {
    /// One that has just been accepted, and does not block.
    pub(super) fn accepted(socket: OwnedFd) -> Self {
        Self { state: State::Fresh { socket: socket.into(), read: false }, ends: false }
    }

    /// The socket as the runtime knows it, if it does.
    #[inline]
    pub(super) fn known(&self) -> Option<&TcpStream> {
        match &self.state {
            State::Known(tcp) => Some(tcp),
            State::Fresh { .. } | State::Lost => None,
        }
    }

    /// Makes it known to the runtime.
    pub(super) fn register(&mut self) -> io::Result<&mut TcpStream> {
        if let State::Fresh { .. } = self.state
            && let State::Fresh { socket, .. } = std::mem::replace(&mut self.state, State::Lost)
        {
            self.state = State::Known(TcpStream::from_std(socket)?);
        }
        match &mut self.state {
            State::Known(tcp) => Ok(tcp),
            State::Fresh { .. } | State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reads into `buf`. 0: the peer has closed its side.
    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.state {
            State::Known(tcp) => read(tcp, cx, buf),
            State::Fresh { .. } | State::Lost => self.poll_first_read(cx, buf),
        }
    }

    fn poll_first_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let State::Fresh { socket, read: read @ false } = &mut self.state {
            match receive(socket.as_fd(), buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    *read = true;
                    return Poll::Ready(done);
                }
            }
        }
        read(self.register()?, cx, buf)
    }

    /// Waits for something to read; costs no system call. What it is has to be seen by reading.
    #[inline]
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.state {
            State::Known(tcp) => tcp.poll_read_ready(cx).map(drop),
            State::Fresh { .. } | State::Lost => Poll::Ready(()),
        }
    }

    /// Whether the runtime knows of nothing to read, not even an end. Who is to be woken stays as it was.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Known(tcp) => tcp.try_io(Interest::READABLE, || Ok(())).is_err(),
            State::Fresh { .. } | State::Lost => false,
        }
    }

    /// Writes from `first`, then from `second`.
    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A small message finds room nearly always. What does not is left to the runtime, which knows when there is.
        if let ([], one) | (one, []) = (first, second)
            && one.len() <= SMALL
        {
            match self.try_send(one) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
        write(self.register()?, cx, first, second)
    }

    /// Sends what finds room. Last words wait for the end, which follows at once, to go out in one packet with it.
    #[inline]
    fn try_send(&self, message: &[u8]) -> io::Result<usize> {
        let more = if self.ends { SendFlags::MORE } else { SendFlags::empty() };
        let send = |socket: BorrowedFd<'_>| loop {
            match rustix::net::send(socket, message, SendFlags::NOSIGNAL | more) {
                Err(Errno::INTR) => {}
                done => return done.map_err(io::Error::from),
            }
        };
        match &self.state {
            State::Known(tcp) => tcp.try_io(Interest::WRITABLE, || send(tcp.as_fd())),
            State::Fresh { socket, .. } => send(socket.as_fd()),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Says that the bytes of the next writes are the last ones: closing, or shutting down, follows at once.
    #[inline]
    pub(super) fn announce_end(&mut self) {
        self.ends = true;
    }

    /// Waits for the connection to be established. What went wrong, if something did.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<io::Error>>> {
        let tcp = self.register()?;
        ready!(tcp.poll_write_ready(cx))?;
        Poll::Ready(tcp.take_error())
    }

    /// Reads a byte, if there is one or an end.
    pub(super) fn try_read_byte(&self) -> io::Result<usize> {
        match &self.state {
            State::Known(tcp) => tcp.try_read(&mut [0]),
            State::Fresh { socket, .. } => receive(socket.as_fd(), &mut [0]),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The descriptor, to set options on.
    pub(super) fn options(&self) -> io::Result<socket2::SockRef<'_>> {
        match &self.state {
            State::Known(tcp) => Ok(tcp.into()),
            State::Fresh { socket, .. } => Ok(socket.into()),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// As `AsyncRead` does it, for less than half of the instructions.
#[inline]
fn read(tcp: &TcpStream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    // Whoever always finds something to read has to let others go on at times.
    let turn = ready!(coop::poll_proceed(cx));
    loop {
        let done = tcp.try_io(Interest::READABLE, || receive(tcp.as_fd(), buf));
        if done.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock) {
            ready!(tcp.poll_read_ready(cx))?;
            continue;
        }
        turn.made_progress();
        if done.as_ref().is_ok_and(|n| (1..buf.len()).contains(n)) {
            drained(tcp);
        }
        return Poll::Ready(done);
    }
}

/// What was read did not fill the room for it: there is nothing more until the kernel says so again.
#[inline]
fn drained(tcp: &TcpStream) {
    let nothing = tcp.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    debug_assert!(nothing.is_err(), "the runtime passes on what it is told");
}

fn receive(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::net::recv(socket, &mut *buf, RecvFlags::empty()) {
            Ok((n, _)) => return Ok(n),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A message up to this size is tried first.
const SMALL: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener};
    use std::task::Waker;

    use super::*;

    /// A client, and the socket that was accepted for it, with `said` to read.
    fn pair(said: &[u8]) -> (std::net::TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(said).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        // The client's bytes are there once they can be seen.
        assert!(said.is_empty() || accepted.peek(&mut [0]).unwrap() > 0);
        accepted.set_nonblocking(true).unwrap();
        (client, Socket::accepted(accepted.into()))
    }

    fn in_runtime(test: impl FnOnce(&mut Context<'_>)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _within = runtime.enter();
        test(&mut Context::from_waker(Waker::noop()));
    }

    #[test]
    fn a_single_exchange_is_none_of_the_runtimes_business() {
        in_runtime(|cx| {
            let (mut client, mut socket) = pair(b"question");
            let mut room = [0; 64];
            assert!(matches!(socket.poll_read(cx, &mut room), Poll::Ready(Ok(8))));
            assert!(matches!(socket.poll_write(cx, b"", b"answer"), Poll::Ready(Ok(6))));
            assert!(socket.known().is_none());
            drop(socket);
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).unwrap();
            assert_eq!(heard, b"answer");
        });
    }

    #[test]
    fn whoever_is_waited_for_or_read_again_is_registered() {
        in_runtime(|cx| {
            let (_silent, mut socket) = pair(b"");
            assert!(socket.poll_read(cx, &mut [0; 64]).is_pending());
            assert!(socket.known().is_some());
            let (_talker, mut socket) = pair(b"question after question");
            assert!(matches!(socket.poll_read(cx, &mut [0; 8]), Poll::Ready(Ok(8))));
            assert!(socket.known().is_none());
            assert!(socket.poll_read(cx, &mut [0; 8]).is_pending(), "the runtime has not looked yet");
            assert!(socket.known().is_some());
        });
    }

    #[test]
    fn last_words_go_out_with_the_end_however_it_comes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for registered in [false, true] {
                let (mut client, mut socket) = pair(b"");
                if registered {
                    socket.register().unwrap();
                }
                socket.announce_end();
                for words in ["last ", "words"] {
                    let sent = poll_fn(|cx| socket.poll_write(cx, words.as_bytes(), b"")).await;
                    assert_eq!(sent.unwrap(), 5);
                }
                assert_eq!(socket.known().is_some(), registered);
                socket.options().unwrap().shutdown(Shutdown::Write).unwrap();
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).unwrap();
                assert_eq!(heard, b"last words");
            }
        });
    }
}
