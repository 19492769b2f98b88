//! One log target: its descriptor, and the lines that it has not taken yet.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::queue::Queue;
use super::socket::{Socket, Step};
use crate::access_log::spool::Entry;
use crate::access_log::{
    Destination, Host, Level, LogTarget, UnixMillis, UtcOffset, journal_entry, syslog_header,
};

/// A target and its queue of at most [`QUEUE_BYTES`].
#[derive(Debug)]
pub(super) struct Outlet {
    config: LogTarget,
    medium: Medium,
    queue: Queue,
    counts: Arc<Counts>,
    header: Header,
    /// Access lines that have been offered, for a sample of them.
    offered: u32,
    /// Kept for its capacity.
    text: Vec<u8>,
}

/// What stands in front of the lines of a second, or of a millisecond.
#[derive(Debug)]
struct Header {
    host: Host,
    of: Option<(Level, i64, UtcOffset)>,
    text: Vec<u8>,
}

/// How a target takes lines.
#[derive(Debug)]
enum Medium {
    /// As a stream, each line with its end.
    Stream { file: File, kind: StreamKind },
    /// Over a socket. `None`: not connected, to be tried again at `retry`, after so many failures.
    Socket { socket: Option<Socket>, retry: Instant, failures: u32 },
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

/// What an outlet waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// All is written.
    ForLines,
    /// The target takes no more at present.
    ForRoom,
    /// The same, and it is away if it has not taken more by then.
    ForRoomUntil(Instant),
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
    pub(super) fn open(config: LogTarget, host: Host) -> io::Result<Self> {
        let medium = Medium::open(&config.to)?;
        let header = Header { host, of: None, text: Vec::new() };
        Ok(Self {
            config,
            medium,
            queue: Queue::default(),
            counts: Arc::default(),
            header,
            offered: 0,
            text: Vec::new(),
        })
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

    /// Queues a line if it is urgent enough for this target, in its sample, and there is room.
    pub(super) fn offer(&mut self, entry: &Entry<'_>, at: UnixMillis, offset: UtcOffset) {
        let Entry { level, line, is_access, .. } = *entry;
        if level > self.config.level {
            return;
        }
        if let Some(sample) = self.config.sample.as_ref().filter(|_| is_access) {
            let number = self.offered;
            self.offered = number.wrapping_add(1).checked_rem(sample.of).unwrap_or(0);
            if !sample.takes(number) {
                return;
            }
        }
        if self.queue.waiting().len() + line.len() > QUEUE_BYTES {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let header = self.header.renew(&self.config, level, at, offset);
        match &self.config.to {
            Destination::Stdout | Destination::Stderr | Destination::File(_) => {
                self.queue.push(&[header, line, b"\n"]);
            }
            Destination::Unix(_) | Destination::Udp(_) => self.queue.push(&[header, line]),
            Destination::Tcp(_) => {
                self.text.clear();
                // Writing to a vector does not fail.
                drop(write!(self.text, "{} ", header.len() + line.len()));
                self.queue.push(&[&self.text, header, line]);
            }
            Destination::Journal(_) => {
                self.text.clear();
                journal_entry(&mut self.text, &self.config, level, line, entry.fields);
                self.queue.push(&[&self.text]);
            }
        }
    }

    /// Writes as much as the target takes without waiting.
    pub(super) fn flush(&mut self, now: Instant) -> Waiting {
        while self.queue.len() > 0 {
            let step = match &mut self.medium {
                Medium::Stream { file, kind } => write_some(file, *kind, &mut self.queue),
                Medium::Socket { socket: Some(socket), .. } => socket.send_some(&mut self.queue, now),
                Medium::Socket { socket: None, retry, .. } if now < *retry => return Waiting::Until(*retry),
                Medium::Socket { socket, .. } => {
                    *socket = Socket::connect(&self.config.to, now);
                    if socket.is_some() { Step::Taken(0) } else { Step::Away }
                }
            };
            match step {
                Step::Taken(lines) => {
                    self.counts.written.fetch_add(lines, Ordering::Relaxed);
                    self.medium.handle_taken(lines);
                }
                Step::Lost(lines) => {
                    self.counts.dropped.fetch_add(lines, Ordering::Relaxed);
                }
                Step::Full => return Waiting::ForRoom,
                Step::FullUntil(at) => return Waiting::ForRoomUntil(at),
                Step::Away => {
                    let retry = self.medium.disconnect(now);
                    // On another connection a line that was torn would be half a line.
                    self.queue.begin_anew();
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
            Medium::Socket { socket, .. } => socket.as_ref().map(AsFd::as_fd),
        }
    }
}

impl Header {
    /// The header of a line.
    fn renew(&mut self, target: &LogTarget, level: Level, at: UnixMillis, offset: UtcOffset) -> &[u8] {
        let time = if target.header.has_millis() { at.0 } else { at.0.div_euclid(1000) };
        let of = (level, time, offset);
        if self.of != Some(of) {
            self.text.clear();
            syslog_header(&mut self.text, target, level, &self.host, at, offset);
            self.of = Some(of);
        }
        &self.text
    }
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
            Destination::Unix(_) | Destination::Udp(_) | Destination::Tcp(_) | Destination::Journal(_) => {
                let now = Instant::now();
                Ok(Self::Socket { socket: Socket::connect(to, now), retry: now, failures: 0 })
            }
        }
    }

    /// Lines have arrived: if the target goes away later, that is a failure of its own.
    fn handle_taken(&mut self, lines: u64) {
        if let Self::Socket { failures, .. } = self
            && lines > 0
        {
            *failures = 0;
        }
    }

    /// The target is away. When it is tried again.
    fn disconnect(&mut self, now: Instant) -> Instant {
        let Self::Socket { socket, retry, failures } = self else { return now + RETRY };
        // To datagrams a daemon that restarts is back at once, and asking costs nothing.
        let patience = match socket {
            Some(Socket::Tcp(_)) => RETRY.saturating_mul(1 << (*failures).min(MOST_DOUBLINGS)),
            Some(Socket::Unix(_) | Socket::Udp(_)) | None => RETRY,
        };
        *socket = None;
        *failures = failures.saturating_add(1);
        *retry = now + patience;
        *retry
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

/// Most bytes that wait for one target. About 16,000 access lines, or what a few threads hand over at once: enough for
/// a syslog daemon's restart.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;

/// What a pipe with room takes without blocking (`PIPE_BUF`, pipe(7)).
const PIPE_BYTES: usize = 4096;

/// How long to wait before a target that was away is tried again; over TCP twice as long after each failure.
const RETRY: Duration = Duration::from_secs(1);

/// Up to half a minute or so.
const MOST_DOUBLINGS: u32 = 5;
