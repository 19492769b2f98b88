//! A byte stream to a client or a server.
//!
//! Reads and writes are tried before they wait: a stream that has bytes, or room, costs one system call and no
//! registration. A read that did not fill the buffer has drained the socket, which the runtime remembers, so that the
//! next one waits without asking the kernel.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connected stream.
#[derive(Debug)]
pub(super) struct Stream {
    tcp: TcpStream,
}

impl Stream {
    /// Takes over a connected socket. Small messages leave at once: they are always complete ones.
    pub(super) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self { tcp })
    }

    /// Starts to connect. The stream is not usable until [`Stream::poll_connected`].
    pub(super) fn connect(to: SocketAddr) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(to);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM.nonblocking().cloexec(), None)?;
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
            Err(e) => return Err(e),
        }
        Self::new(TcpStream::from_std(socket.into())?)
    }

    /// Waits for the connection to be established or refused.
    pub(super) fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.tcp.poll_write_ready(cx))?;
        Poll::Ready(self.tcp.take_error()?.map_or(Ok(()), Err))
    }

    /// Reads into `buf`. 0: the peer has closed its side.
    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Writes from `first`, then from `second`.
    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tcp = Pin::new(&mut self.tcp);
        match (first, second) {
            ([], one) | (one, []) => tcp.poll_write(cx, one),
            (first, second) => tcp.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
        }
    }

    /// Closes our side; the peer may go on sending.
    pub(super) fn shutdown(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.tcp).shutdown(std::net::Shutdown::Write)
    }

    /// Makes closing send a reset: the only way to say that what was sent is not all there is.
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        self.tcp.set_zero_linger()
    }

    /// Whether an idle stream is still good: nothing to read, not even an end.
    ///
    /// Costs no system call unless the runtime has seen something.
    pub(super) fn is_quiet(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        if self.tcp.poll_read_ready(&mut cx).is_pending() {
            return true;
        }
        // Readiness may be left over from a read that just filled its buffer: only the kernel knows.
        matches!(self.tcp.try_read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}
