//! A byte stream to a client or a server.
//!
//! Reads and writes are tried before they wait: a stream that has bytes, or room, costs one system call and no
//! registration. A read that did not fill the buffer has drained the socket, which the runtime remembers, so that the
//! next one waits without asking the kernel.
//!
//! A plain TCP connection is the common kind and decided first; whatever else a stream needs is behind a pointer.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::http1::{MOST_KEPT, SMALL};
use super::http2::{self, ClientStream, ServerStream};
use super::socket::Socket;
use super::tls::{HandshakeError, TlsStream};
use crate::endpoint::Endpoint;
use crate::tls::{Acceptor, Connector, SessionFacts};

/// A connected stream.
#[derive(Debug)]
pub(super) struct Stream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(Socket),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
    /// One of the streams of a client's HTTP/2 connection.
    Http2(Box<ClientStream>),
    /// One of the streams of an HTTP/2 connection to a server.
    Http2Server(Box<ServerStream>),
    /// Handed over to whoever drives it now.
    Gone,
}

impl From<ClientStream> for Stream {
    fn from(stream: ClientStream) -> Self {
        Self { kind: Kind::Http2(Box::new(stream)) }
    }
}

impl From<ServerStream> for Stream {
    fn from(stream: ServerStream) -> Self {
        Self { kind: Kind::Http2Server(Box::new(stream)) }
    }
}

impl Stream {
    /// Takes over a connected socket. Small messages leave at once: they are always complete ones.
    pub(super) fn new(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        Ok(Self { kind: Kind::Tcp(tcp.into()) })
    }

    /// Takes over a socket that has just been accepted, with the options of the one that listens.
    pub(super) fn accepted(socket: OwnedFd) -> Self {
        Self { kind: Kind::Tcp(Socket::accepted(socket)) }
    }

    /// Makes a socket that has just been accepted known to the runtime now, because it will be waited for.
    pub(super) fn register(&mut self) -> io::Result<()> {
        if let Kind::Tcp(tcp) = &mut self.kind {
            tcp.register()?;
        }
        Ok(())
    }

    /// Starts to connect. The stream is not usable until [`Stream::poll_connected`].
    pub(super) fn connect(to: &Endpoint) -> io::Result<Self> {
        match to {
            Endpoint::Ip(to) => {
                let socket = start_to_connect(socket2::Domain::for_address(*to), &(*to).into())?;
                Self::new(TcpStream::from_std(socket.into())?)
            }
            Endpoint::Unix(to) => {
                let address = socket2::SockAddr::unix(to.as_path())?;
                let socket = start_to_connect(socket2::Domain::UNIX, &address).map_err(no_room)?;
                Ok(Self { kind: Kind::Unix(UnixStream::from_std(socket.into())?) })
            }
        }
    }

    /// Starts to connect, and to agree on TLS then. The stream is not usable until [`Stream::poll_connected`].
    pub(super) fn connect_tls(to: &Endpoint, connector: &Connector) -> io::Result<Self> {
        Self::connect(to)?.secure(connector)
    }

    /// Becomes a TLS session with the server it is connected to. It is not usable until [`Stream::poll_connected`].
    pub(super) fn secure(self, connector: &Connector) -> io::Result<Self> {
        Ok(Self { kind: Kind::Tls(Box::new(TlsStream::connect(connector, self)?)) })
    }

    /// Becomes the TLS session of a client, before its handshake.
    pub(super) fn accept_tls(self, acceptor: &Acceptor) -> io::Result<Self> {
        Ok(Self { kind: Kind::Tls(Box::new(TlsStream::accept(acceptor, self)?)) })
    }

    /// Waits for the connection to be established or refused; with TLS, for the handshake as well.
    pub(super) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let error = match &mut self.kind {
            Kind::Tcp(tcp) => ready!(tcp.poll_connected(cx))?,
            Kind::Unix(unix) => {
                ready!(unix.poll_write_ready(cx))?;
                unix.take_error()?
            }
            Kind::Tls(tls) => {
                ready!(tls.under().poll_connected(cx))?;
                return tls.poll_handshake(cx).map_err(io::Error::from);
            }
            Kind::Http2(_) | Kind::Http2Server(_) => None,
            Kind::Gone => Some(io::ErrorKind::NotConnected.into()),
        };
        Poll::Ready(error.map_or(Ok(()), Err))
    }

    /// Waits for the connection, sends these bytes before any other, TLS's included, then waits for the rest of it.
    pub(super) fn poll_announced(
        &mut self,
        cx: &mut Context<'_>,
        announcement: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        if !announcement.is_empty() {
            let bare = match &mut self.kind {
                Kind::Tls(tls) => tls.under(),
                Kind::Tcp(_) | Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => self,
            };
            ready!(bare.poll_connected(cx))?;
            while !announcement.is_empty() {
                match ready!(bare.poll_write(cx, announcement, &[]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => announcement.drain(..n),
                };
            }
        }
        self.poll_connected(cx)
    }

    /// The addresses of a TCP connection, ours first.
    pub(super) fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let tcp = match &self.kind {
            Kind::Tcp(tcp) => tcp,
            Kind::Tls(tls) => return tls.under.addresses(),
            Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => return None,
        };
        let options = tcp.options().ok()?;
        Some((options.local_addr().ok()?.as_socket()?, options.peer_addr().ok()?.as_socket()?))
    }

    /// Takes the stream away from whoever holds it; nothing can be done with what is left.
    pub(super) fn hand_over(&mut self) -> Self {
        Self { kind: std::mem::replace(&mut self.kind, Kind::Gone) }
    }

    /// Whether the peer has given up what it asked for. Of a stream that is a connection nothing but reading can tell.
    #[inline]
    pub(super) fn poll_aborted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.kind {
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Tls(_) | Kind::Http2Server(_) | Kind::Gone => Poll::Pending,
            Kind::Http2(stream) => stream.poll_aborted(cx),
        }
    }

    /// Goes on with the handshake of a TLS client. Any other stream has none.
    pub(super) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        match &mut self.kind {
            Kind::Tls(tls) => tls.poll_handshake(cx),
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => {
                Poll::Ready(Ok(()))
            }
        }
    }

    /// The TLS session, if there is one.
    #[inline]
    pub(super) fn tls(&self) -> Option<&TlsStream> {
        match &self.kind {
            Kind::Tls(tls) => Some(tls),
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => None,
        }
    }

    /// Whether HTTP/2 has been agreed on.
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        self.tls().is_some_and(|t| t.session().alpn() == Some(b"h2"))
    }

    /// Whether it is one of several streams of one connection.
    #[inline]
    pub(super) fn is_multiplexed(&self) -> bool {
        matches!(self.kind, Kind::Http2(_) | Kind::Http2Server(_))
    }

    /// Whether the server has said that it has done nothing about the request.
    pub(super) fn is_unprocessed(&self) -> bool {
        matches!(&self.kind, Kind::Http2Server(stream) if stream.is_unprocessed())
    }

    /// Whether a request cannot be said in the server's protocol.
    pub(super) fn is_unsayable(&self) -> bool {
        matches!(&self.kind, Kind::Http2Server(stream) if stream.is_unsayable())
    }

    /// The server has not answered in time. A connection that others share may have to be left.
    pub(super) fn suspect(&self, now: Instant) {
        if let Kind::Http2Server(stream) = &self.kind {
            stream.suspect(now);
        }
    }

    /// What is known of a client's TLS session, if it is one.
    #[inline]
    pub(super) fn session(&self) -> Option<&Arc<SessionFacts>> {
        self.tls()?.facts()
    }

    /// Whether the bytes on its socket are its own.
    #[inline]
    pub(super) fn is_plain_tcp(&self) -> bool {
        matches!(self.kind, Kind::Tcp(_))
    }

    /// The socket, if the bytes on it are the stream's own and the runtime knows it: what may be spliced.
    #[inline]
    pub(super) fn plain_tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.known(),
            Kind::Unix(_) | Kind::Tls(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => None,
        }
    }

    /// Reads into `buf`. 0: the peer has closed its side.
    #[inline]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(tcp) => tcp.poll_read(cx, buf),
            Kind::Unix(unix) => read(unix, cx, buf),
            Kind::Tls(tls) => tls.poll_read(cx, buf),
            Kind::Http2(stream) => stream.poll_read(cx, buf),
            Kind::Http2Server(stream) => stream.poll_read(cx, buf),
            Kind::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Waits for something to read, if it can be known before it is read.
    #[inline]
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.kind {
            Kind::Tcp(tcp) => tcp.poll_readable(cx),
            Kind::Unix(_) | Kind::Tls(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => {
                Poll::Ready(())
            }
        }
    }

    /// Whether it is known that there is nothing to read, not even an end, so that a task that waits for some still does.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        matches!(&self.kind, Kind::Tcp(tcp) if tcp.is_drained())
    }

    /// Writes from `first`, then from `second`. If it is pending, the next call must offer the same bytes first, more of
    /// them or not: they may be under way.
    #[inline]
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(tcp) => tcp.poll_write(cx, first, second),
            Kind::Unix(unix) => write(unix, cx, first, second),
            Kind::Tls(tls) => tls.poll_write(cx, first, second),
            Kind::Http2(stream) => stream.poll_write(cx, first, second),
            Kind::Http2Server(stream) => stream.poll_write(cx, first, second),
            Kind::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Says that the bytes of the next writes are the last ones, so that the end can go with them: it is to follow at
    /// once, by closing or by [`Stream::shutdown`].
    #[inline]
    pub(super) fn announce_end(&mut self) {
        match &mut self.kind {
            Kind::Tcp(tcp) => tcp.announce_end(),
            Kind::Tls(tls) => tls.announce_end(),
            Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => {}
        }
    }

    /// Closes our side; the peer may go on sending.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        let socket = match &mut self.kind {
            Kind::Tcp(tcp) => tcp.options()?,
            Kind::Unix(unix) => socket2::SockRef::from(&*unix),
            Kind::Tls(tls) => return tls.shutdown(),
            Kind::Http2(stream) => return stream.shutdown(),
            Kind::Http2Server(stream) => return stream.shutdown(),
            Kind::Gone => return Err(io::ErrorKind::NotConnected.into()),
        };
        socket.shutdown(std::net::Shutdown::Write)
    }

    /// Makes closing send a reset: the only way to say that what was sent is not all there is.
    pub(super) fn reset_on_close(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(tcp) => tcp.options()?.set_linger(Some(std::time::Duration::ZERO)),
            // There is no reset to send: the peer sees an end, and that is all it can be told.
            Kind::Unix(_) => Ok(()),
            Kind::Tls(tls) => tls.reset_on_close(),
            // What is dropped before its end is reset.
            Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => Ok(()),
        }
    }

    /// Makes closing something that the peer does not hear of, as far as that can be done without privileges: the reset
    /// ends at the first router. Of HTTP/2 only the stream ends.
    pub(super) fn vanish_on_close(&mut self) {
        match &mut self.kind {
            Kind::Tcp(tcp) => {
                // What cannot be set leaves a reset, which the peer hears of: no harm is done.
                drop(tcp.options().map(|socket| match socket.domain() {
                    Ok(socket2::Domain::IPV6) => socket.set_unicast_hops_v6(1),
                    _ => socket.set_ttl_v4(1),
                }));
            }
            Kind::Tls(tls) => tls.under().vanish_on_close(),
            Kind::Unix(_) | Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => {}
        }
        drop(self.reset_on_close());
    }

    /// What is cut short of what was to be sent is not the peer's fault, who would pay for it otherwise.
    pub(super) fn excuse(&mut self) {
        if let Kind::Http2(stream) = &mut self.kind {
            stream.excuse();
        }
    }

    /// How much is to be read at once to be written to it. A stream that takes nothing would have us keep it, and others
    /// of its connection with it.
    #[inline]
    pub(super) fn appetite(&self) -> usize {
        match &self.kind {
            Kind::Http2(stream) => stream.appetite(),
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Tls(_) | Kind::Http2Server(_) | Kind::Gone => usize::MAX,
        }
    }

    /// How much is to be read of a request before it is known what it is: what is not its head is kept until there is a
    /// server for it.
    #[inline]
    pub(super) fn first_room(&self) -> usize {
        if self.is_multiplexed() { http2::FIRST_READ } else { SMALL }
    }

    /// How much content of its request may be kept for another attempt.
    pub(super) fn keep(&mut self) -> usize {
        match &mut self.kind {
            Kind::Http2(stream) => stream.keep(MOST_KEPT),
            Kind::Tcp(_) | Kind::Unix(_) | Kind::Tls(_) | Kind::Http2Server(_) | Kind::Gone => MOST_KEPT,
        }
    }

    /// Whether an idle stream is still good: nothing to read, not even an end.
    ///
    /// Costs no system call unless the runtime has seen something.
    pub(super) fn is_quiet(&mut self) -> bool {
        // Readiness may be left over from a read that just filled its buffer: only the kernel knows. Without any it is not
        // asked.
        let said = match &mut self.kind {
            Kind::Tcp(tcp) => tcp.try_read_byte(),
            Kind::Unix(unix) => unix.try_read(&mut [0]),
            Kind::Tls(tls) => return tls.is_quiet(),
            Kind::Http2(_) | Kind::Http2Server(_) | Kind::Gone => return false,
        };
        matches!(said, Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

#[inline]
pub(super) fn read<S: AsyncRead + Unpin>(
    from: &mut S,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buf = ReadBuf::new(buf);
    ready!(Pin::new(from).poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(buf.filled().len()))
}

#[inline]
pub(super) fn write<S: AsyncWrite + Unpin>(
    to: &mut S,
    cx: &mut Context<'_>,
    first: &[u8],
    second: &[u8],
) -> Poll<io::Result<usize>> {
    let to = Pin::new(to);
    match (first, second) {
        ([], one) | (one, []) => to.poll_write(cx, one),
        (first, second) => to.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
    }
}

fn start_to_connect(domain: socket2::Domain, to: &socket2::SockAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM.nonblocking().cloexec(), None)?;
    match socket.connect(to) {
        Ok(()) => Ok(socket),
        Err(e) if e.raw_os_error() == Some(nix::libc::EINPROGRESS) => Ok(socket),
        Err(e) => Err(e),
    }
}

/// `EAGAIN` of a Unix socket means that its listener's backlog is full: that is the server's fault, not a want of this
/// machine's.
fn no_room(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(nix::libc::EAGAIN) {
        return io::Error::new(io::ErrorKind::ConnectionRefused, BACKLOG_IS_FULL);
    }
    error
}

/// Why a Unix socket takes no connection that somebody listens on.
pub(super) const BACKLOG_IS_FULL: &str = "Backlog of the socket is full";

#[cfg(test)]
impl Stream {
    /// Its session.
    pub(super) fn tls_for_tests(&mut self) -> &mut TlsStream {
        let Kind::Tls(tls) = &mut self.kind else { panic!("no TLS") };
        tls
    }

    /// Waits until the kernel has something.
    pub(super) async fn readable_for_tests(&self) {
        let tcp = self.plain_tcp().expect("no TCP");
        tcp.readable().await.unwrap();
    }
}
