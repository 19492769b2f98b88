//! Sockets of syslog daemons and of the journal.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, Type};

use super::queue::Queue;
use crate::access_log::Destination;

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(Stream),
}

/// A connection that is there, or on its way.
#[derive(Debug)]
pub(super) struct Stream {
    stream: TcpStream,
    /// Until when it has to be there; `None`: it is.
    due: Option<Instant>,
}

/// What one try to send came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// So many lines are with the target.
    Taken(u64),
    /// So many lines cannot be delivered.
    Lost(u64),
    /// Not now.
    Full,
    /// Not now, and the other end is gone if it is not by then.
    FullUntil(Instant),
    /// The other end is gone.
    Away,
}

impl Socket {
    /// `None`: there is nobody, or nothing to connect to.
    pub(super) fn connect(to: &Destination, now: Instant) -> Option<Self> {
        match to {
            Destination::Unix(path) | Destination::Journal(path) => unix(path).map(Self::Unix).ok(),
            Destination::Udp(address) => udp(*address).map(Self::Udp).ok(),
            Destination::Tcp(address) => Stream::begin(*address, now).map(Self::Tcp).ok(),
            Destination::Stdout | Destination::Stderr | Destination::File(_) => None,
        }
    }

    /// Sends lines, many in one call: of what a line costs, going in and out of the kernel is a sixth.
    pub(super) fn send_some(&mut self, queue: &mut Queue, now: Instant) -> Step {
        if let Self::Tcp(stream) = self {
            return stream.send_some(queue, now);
        }
        let sent = match send(self.as_fd(), queue) {
            // A refusal belongs to an earlier datagram: the line has not been tried yet.
            Err(Errno::CONNREFUSED) if matches!(self, Self::Udp(_)) => send(self.as_fd(), queue),
            sent => sent,
        };
        match sent {
            Ok(lines) => Step::Taken(queue.take_lines(lines)),
            Err(Errno::MSGSIZE) => Step::Lost(queue.take_lines(1)),
            Err(Errno::AGAIN) => Step::Full,
            Err(Errno::INTR) => Step::Taken(0),
            // Nobody there, no route, no buffers: the line is kept and the socket made anew.
            Err(_) => Step::Away,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(unix) => unix.as_fd(),
            Self::Udp(udp) => udp.as_fd(),
            Self::Tcp(tcp) => tcp.stream.as_fd(),
        }
    }
}

impl Stream {
    fn begin(address: SocketAddr, now: Instant) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // A daemon that has gone without a word is found out.
        socket.set_keepalive(true)?;
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
        Ok(Self { stream: socket.into(), due: Some(now + CONNECT) })
    }

    fn send_some(&mut self, queue: &mut Queue, now: Instant) -> Step {
        if let Some(due) = self.due {
            match self.stream.take_error() {
                Ok(None) if self.stream.peer_addr().is_ok() => self.due = None,
                Ok(None) if now < due => return Step::FullUntil(due),
                Ok(_) | Err(_) => return Step::Away,
            }
        }
        if self.is_closed() {
            return Step::Away;
        }
        match self.stream.write(queue.waiting()) {
            Ok(0) => Step::Away,
            Ok(written) => Step::Taken(queue.take(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Full,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Step::Taken(0),
            Err(_) => Step::Away,
        }
    }

    /// Whether the daemon has closed. What is sent to one that has is lost without a word. It has nothing to say else.
    fn is_closed(&mut self) -> bool {
        let mut nothing = [0; 256];
        match self.stream.read(&mut nothing) {
            Ok(n) => n == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}

fn unix(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How many lines were sent, at least 1. An error is about the first one.
fn send(fd: BorrowedFd<'_>, queue: &Queue) -> Result<usize, Errno> {
    if queue.len() == 1 {
        return rustix::net::send(fd, queue.waiting(), SendFlags::NOSIGNAL).map(|_| 1);
    }
    let lines: Vec<_> = queue.lines().take(AT_ONCE).map(|line| [IoSlice::new(line)]).collect();
    let mut controls: Vec<_> = lines.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let messages = lines.iter().zip(&mut controls).map(|(line, control)| MMsgHdr::new(line, control));
    rustix::net::sendmmsg(fd, &mut messages.collect::<Vec<_>>(), SendFlags::NOSIGNAL)
}

/// Datagrams that go to the kernel in one call, at most.
const AT_ONCE: usize = 64;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
