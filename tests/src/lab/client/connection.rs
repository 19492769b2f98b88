//! One HTTP connection without blocking.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use socket2::{Domain, Socket, Type};

use super::Reuse;
use crate::lab::topology::Host;

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Address from which the backend was asked: tells the node.
    pub via: Option<IpAddr>,
    /// The backend's name.
    pub backend: String,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// No connection within the timeout.
    ConnectTimeout,
    /// Connected, but no whole answer within the timeout.
    AnswerTimeout,
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection ended before the answer did.
    Eof,
    /// An answer that is not 200.
    Status(u16),
    /// Another error of the network.
    Network(i32),
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) start: Instant,
    socket: Socket,
    phase: Phase,
    request: &'static [u8],
    received: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Sending,
    Reading,
}

impl Connection {
    pub(super) fn open(target: SocketAddr, reuse: Reuse) -> Result<Self, Failure> {
        let start = Instant::now();
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, None).map_err(|e| failure(&e))?;
        socket.set_nonblocking(true).map_err(|e| failure(&e))?;
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
            Err(e) => return Err(failure(&e)),
        }
        let request = match reuse {
            Reuse::New => CLOSE,
            Reuse::KeepAlive => KEEP,
        };
        Ok(Self { start, socket, phase: Phase::Connecting, request, received: Vec::new() })
    }

    /// The next request on the same connection.
    pub(super) fn again(mut self, now: Instant) -> Self {
        self.start = now;
        self.phase = Phase::Sending;
        self.received.clear();
        self
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn wants(&self) -> PollFlags {
        match self.phase {
            Phase::Connecting | Phase::Sending => PollFlags::POLLOUT,
            Phase::Reading => PollFlags::POLLIN,
        }
    }

    /// Does what can be done now; the outcome once there is one.
    pub(super) fn advance(&mut self, now: Instant, timeout: Duration) -> Option<Result<Answer, Failure>> {
        match self.step() {
            Ok(None) if now.saturating_duration_since(self.start) >= timeout => {
                Some(Err(if self.phase == Phase::Connecting {
                    Failure::ConnectTimeout
                } else {
                    Failure::AnswerTimeout
                }))
            }
            Ok(outcome) => outcome.map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    fn step(&mut self) -> Result<Option<Answer>, Failure> {
        if self.phase == Phase::Connecting {
            match self.socket.take_error() {
                Ok(None) if self.socket.peer_addr().is_err() => return Ok(None),
                Ok(None) => self.phase = Phase::Sending,
                Ok(Some(e)) | Err(e) => return Err(failure(&e)),
            }
        }
        if self.phase == Phase::Sending {
            match self.socket.write(self.request) {
                Ok(_) => self.phase = Phase::Reading,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(failure(&e)),
            }
        }
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(Failure::Eof),
                Ok(n) => self.received.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(failure(&e)),
            }
            if let Some((status, answer)) = parse(&self.received) {
                return if status == 200 { Ok(Some(answer)) } else { Err(Failure::Status(status)) };
            }
        }
    }
}

/// One GET on a connection of its own, waiting for the answer; the status.
///
/// # Errors
/// What went wrong instead.
pub fn get(host: &Host, target: SocketAddr, path: &str, limit: Duration) -> Result<u16, Failure> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: vip\r\nConnection: close\r\n\r\n");
    host.ns
        .spawn("get", move || blocking_get(target, &request, limit))
        .join()
        .expect("the request thread lives")
}

fn blocking_get(target: SocketAddr, request: &str, limit: Duration) -> Result<u16, Failure> {
    let mut stream = TcpStream::connect_timeout(&target, limit).map_err(|e| failure(&e))?;
    stream.set_read_timeout(Some(limit)).map_err(|e| failure(&e))?;
    stream.write_all(request.as_bytes()).map_err(|e| failure(&e))?;
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(Failure::Eof),
            Ok(n) => received.extend_from_slice(&buffer[..n]),
            Err(e) => return Err(failure(&e)),
        }
        if let Some((status, _)) = parse(&received) {
            return Ok(status);
        }
    }
}

/// A whole response: its status and who it is from.
fn parse(bytes: &[u8]) -> Option<(u16, Answer)> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()).next()
    };
    let length: usize = field("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    if bytes.len() < end + length {
        return None;
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let via = field("x-via").and_then(|v| v.parse().ok());
    Some((status, Answer { via, backend: field("x-backend").unwrap_or_default().to_owned() }))
}

fn failure(error: &io::Error) -> Failure {
    let kind = error.kind();
    if kind == io::ErrorKind::ConnectionRefused {
        Failure::Refused
    } else if [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&kind) {
        Failure::Reset
    } else if kind == io::ErrorKind::TimedOut {
        Failure::ConnectTimeout
    } else if kind == io::ErrorKind::WouldBlock {
        Failure::AnswerTimeout
    } else {
        Failure::Network(error.raw_os_error().unwrap_or(0))
    }
}

const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: vip\r\nConnection: close\r\n\r\n";
const KEEP: &[u8] = b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n";
