//! One log target: its descriptor, and the lines that it has not taken yet.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags};

use crate::access_log::{Destination, Level, LogTarget, UnixMillis, UtcOffset, syslog_header};

/// A target and its queue of at most [`QUEUE_BYTES`].
#[derive(Debug)]
pub(super) struct Outlet {
    config: LogTarget,
    medium: Medium,
    queue: Queue,
    counts: Arc<Counts>,
    header: Header,
}

/// The syslog header of the lines of a second.
#[derive(Debug)]
struct Header {
    pid: u32,
    of: Option<(Level, i64, UtcOffset)>,
    text: Vec<u8>,
}

/// How a target takes lines.
#[derive(Debug)]
enum Medium {
    /// As a stream, each line with its end.
    Stream { file: File, kind: StreamKind },
    /// As datagrams, each line with a syslog header. `None`: not connected, to be tried again at `retry`.
    Datagrams { socket: Option<Socket>, retry: Instant },
}

/// What a write to a stream may do to the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamKind {
    /// A regular file: writes end by themselves.
    File,
    /// A pipe, terminal or socket, perhaps shared with other processes and so not to be made non-blocking. It is asked
    /// for room first, and gets no more than a pipe that has room takes at once.
    Other,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

/// Lines waiting, oldest first.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Bytes at the front that are gone already.
    gone: usize,
    /// Lengths of the lines that are left.
    lines: VecDeque<usize>,
    /// The first line has been taken in part.
    torn: bool,
    /// The line that was taken last was torn, and its rest is gone.
    cut: bool,
}

/// What an outlet waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// All is written.
    ForLines,
    /// The target takes no more at present.
    ForRoom,
    /// The target is away, to be tried again.
    Until(Instant),
}

/// What became of a target's lines.
#[derive(Debug, Default)]
pub(super) struct Counts {
    written: AtomicU64,
    dropped: AtomicU64,
}

/// Readings of a target's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetCounts {
    /// Lines taken by the target.
    pub written: u64,
    /// Lines that it did not take in time, or not at all.
    pub dropped: u64,
}

impl Counts {
    pub(super) fn read(&self) -> TargetCounts {
        TargetCounts {
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

impl Outlet {
    pub(super) fn open(config: LogTarget) -> io::Result<Self> {
        let medium = Medium::open(&config.to)?;
        let header = Header { pid: std::process::id(), of: None, text: Vec::new() };
        Ok(Self { config, medium, queue: Queue::default(), counts: Arc::default(), header })
    }

    pub(super) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Opens a file anew by its name; other targets have none to open.
    pub(super) fn reopen(&mut self) {
        if let Destination::File(_) = &self.config.to
            && let Ok(medium) = Medium::open(&self.config.to)
        {
            self.medium = medium;
        }
    }

    /// Queues a line if it is urgent enough for this target and there is room.
    pub(super) fn offer(&mut self, level: Level, line: &[u8], at: UnixMillis, offset: UtcOffset) {
        if level > self.config.level {
            return;
        }
        if self.queue.waiting().len() + line.len() > QUEUE_BYTES {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.medium {
            Medium::Stream { .. } => self.queue.push(&[line, b"\n"]),
            Medium::Datagrams { .. } => {
                self.queue.push(&[self.header.renew(&self.config, level, at, offset), line]);
            }
        }
    }

    /// Writes as much as the target takes without waiting.
    pub(super) fn flush(&mut self, now: Instant) -> Waiting {
        while !self.queue.lines.is_empty() {
            let step = match &mut self.medium {
                Medium::Stream { file, kind } => write_some(file, *kind, &mut self.queue),
                Medium::Datagrams { socket: Some(socket), .. } => socket.send_some(&mut self.queue),
                Medium::Datagrams { socket: None, retry } if now < *retry => return Waiting::Until(*retry),
                Medium::Datagrams { socket, .. } => {
                    *socket = Socket::connect(&self.config.to);
                    if socket.is_some() { Step::Taken(0) } else { Step::Away }
                }
            };
            match step {
                Step::Taken(lines) => {
                    self.counts.written.fetch_add(lines, Ordering::Relaxed);
                }
                Step::Lost(lines) => {
                    self.counts.dropped.fetch_add(lines, Ordering::Relaxed);
                }
                Step::Full => return Waiting::ForRoom,
                Step::Away => {
                    let retry = now + RETRY;
                    self.medium.disconnect(retry);
                    return Waiting::Until(retry);
                }
            }
        }
        Waiting::ForLines
    }

    /// What to poll for room.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.medium {
            Medium::Stream { file, .. } => Some(file.as_fd()),
            Medium::Datagrams { socket, .. } => socket.as_ref().map(Socket::as_fd),
        }
    }
}

impl Header {
    /// The header of a line.
    fn renew(&mut self, target: &LogTarget, level: Level, at: UnixMillis, offset: UtcOffset) -> &[u8] {
        let of = (level, at.0.div_euclid(1000), offset);
        if self.of != Some(of) {
            self.text.clear();
            syslog_header(&mut self.text, target, level, self.pid, at, offset);
            self.of = Some(of);
        }
        &self.text
    }
}

/// What one try to write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// So many lines are with the target.
    Taken(u64),
    /// So many lines cannot be delivered.
    Lost(u64),
    /// Not now.
    Full,
    /// The other end is gone.
    Away,
}

impl Medium {
    fn open(to: &Destination) -> io::Result<Self> {
        let stream = |file: File| {
            let kind = if file.metadata()?.is_file() { StreamKind::File } else { StreamKind::Other };
            Ok(Self::Stream { file, kind })
        };
        match to {
            Destination::Stdout => stream(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
            Destination::Stderr => stream(File::from(io::stderr().as_fd().try_clone_to_owned()?)),
            Destination::File(path) => stream(open_file(path)?),
            Destination::Unix(_) | Destination::Udp(_) => {
                Ok(Self::Datagrams { socket: Socket::connect(to), retry: Instant::now() })
            }
        }
    }

    fn disconnect(&mut self, until: Instant) {
        if let Self::Datagrams { socket, retry } = self {
            *socket = None;
            *retry = until;
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    // Non-blocking, for the case that it is a FIFO without a reader.
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
}

fn write_some(file: &mut File, kind: StreamKind, queue: &mut Queue) -> Step {
    let limit = match kind {
        StreamKind::File => usize::MAX,
        StreamKind::Other if has_room(file.as_fd()) => PIPE_BYTES,
        StreamKind::Other => return Step::Full,
    };
    let front = queue.waiting();
    match file.write(front.get(..limit).unwrap_or(front)) {
        Ok(written) => Step::Taken(queue.take(written)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Full,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Step::Taken(0),
        // No reader, no space, no device: what waited is lost, later lines are tried again.
        Err(_) => Step::Lost(queue.clear()),
    }
}

fn has_room(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(fd, PollFlags::POLLOUT)];
    // An error or a hang-up counts as room too: the write says what it is.
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

impl Socket {
    fn connect(to: &Destination) -> Option<Self> {
        match to {
            Destination::Unix(path) => Self::unix(path).ok(),
            Destination::Udp(address) => Self::udp(*address).ok(),
            Destination::Stdout | Destination::Stderr | Destination::File(_) => None,
        }
    }

    fn unix(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        Ok(Self::Unix(socket))
    }

    fn udp(address: SocketAddr) -> io::Result<Self> {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local)?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self::Udp(socket))
    }

    /// Sends lines, many in one call: of what a line costs, going in and out of the kernel is a sixth.
    fn send_some(&self, queue: &mut Queue) -> Step {
        let sent = match self.send(queue) {
            // A refusal belongs to an earlier datagram: the line has not been tried yet.
            Err(Errno::CONNREFUSED) if matches!(self, Self::Udp(_)) => self.send(queue),
            sent => sent,
        };
        match sent {
            Ok(lines) => Step::Taken(queue.take(queue.lines.iter().take(lines).sum())),
            Err(Errno::MSGSIZE) => Step::Lost(queue.take(queue.lines.front().copied().unwrap_or(0))),
            Err(Errno::AGAIN) => Step::Full,
            Err(Errno::INTR) => Step::Taken(0),
            // Nobody there, no route, no buffers: the line is kept and the socket made anew.
            Err(_) => Step::Away,
        }
    }

    /// How many lines were sent, at least 1. An error is about the first one.
    fn send(&self, queue: &Queue) -> Result<usize, Errno> {
        let fd = self.as_fd();
        let mut rest = queue.waiting();
        let mut next = |length: &usize| {
            let (line, behind) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = behind;
            line
        };
        if let (Some(only), 1) = (queue.lines.front(), queue.lines.len()) {
            return rustix::net::send(fd, next(only), SendFlags::NOSIGNAL).map(|_| 1);
        }
        let lines: Vec<_> = queue.lines.iter().take(AT_ONCE).map(|l| [IoSlice::new(next(l))]).collect();
        let mut controls: Vec<_> = lines.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let messages = lines.iter().zip(&mut controls).map(|(line, control)| MMsgHdr::new(line, control));
        rustix::net::sendmmsg(fd, &mut messages.collect::<Vec<_>>(), SendFlags::NOSIGNAL)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(unix) => unix.as_fd(),
            Self::Udp(udp) => udp.as_fd(),
        }
    }
}

impl Queue {
    /// The bytes of the lines.
    fn waiting(&self) -> &[u8] {
        self.bytes.get(self.gone..).unwrap_or_default()
    }

    fn push(&mut self, parts: &[&[u8]]) {
        // Moved up once it is as much that is gone as is left: each byte moves but once or twice.
        if self.gone > self.bytes.len() / 2 {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        let begin = self.bytes.len();
        if std::mem::take(&mut self.cut) {
            // The torn line before this one gets its end.
            self.bytes.push(b'\n');
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.lines.push_back(self.bytes.len() - begin);
    }

    /// Removes `count` bytes from the front. Returns how many lines ended in them.
    fn take(&mut self, count: usize) -> u64 {
        self.gone = (self.gone + count).min(self.bytes.len());
        if self.gone == self.bytes.len() {
            self.bytes.clear();
            self.gone = 0;
        }
        let mut left = count;
        let mut ended = 0;
        while let Some(first) = self.lines.front_mut() {
            if *first > left {
                *first -= left;
                self.torn |= left > 0;
                break;
            }
            left -= *first;
            self.lines.pop_front();
            self.torn = false;
            ended += 1;
        }
        ended
    }

    /// Forgets all lines. Returns how many.
    fn clear(&mut self) -> u64 {
        let lines = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        self.cut |= std::mem::take(&mut self.torn);
        self.bytes.clear();
        self.gone = 0;
        self.lines.clear();
        lines
    }
}

/// Most bytes that wait for one target. About 16,000 access lines, or what a few threads hand over at once: enough for
/// a syslog daemon's restart.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// Datagrams that go to the kernel in one call, at most.
const AT_ONCE: usize = 64;

/// What a pipe with room takes without blocking (`PIPE_BUF`, pipe(7)).
const PIPE_BYTES: usize = 4096;

/// How long to wait before a target that was away is tried again.
const RETRY: Duration = Duration::from_secs(1);
