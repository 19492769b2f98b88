//! Writes log lines to their targets, on a thread of its own ("ek-log").
//!
//! Data threads leave lines in their spools; this thread takes them out in batches. A target that does not take lines
//! (a stopped reader, a syslog daemon that restarts, a full disk) holds up no other: what it has not taken waits in a
//! bounded queue of its own, and beyond that is dropped and counted.

mod outlet;
mod queue;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tz::TimeZone;

use crate::access_log::{Host, LogTarget, Logger, Recent, Spools, UnixMillis, UtcOffset};
use outlet::{Outlet, Waiting};

pub use outlet::TargetCounts;

/// The running writer. Dropping it writes out what is there, within [`LAST_WORDS`], and ends the thread.
#[derive(Debug)]
pub struct LogSink {
    spools: Arc<Spools>,
    control: Arc<Control>,
    counts: Vec<Arc<outlet::Counts>>,
    recent: Arc<Mutex<Recent>>,
    thread: Option<JoinHandle<()>>,
}

/// What other threads ask of the writer.
#[derive(Debug)]
struct Control {
    bell: EventFd,
    stop: AtomicBool,
    reopen: AtomicBool,
}

impl LogSink {
    /// Opens `targets`, in the order of their [`crate::plan::LogTargetId`]s, and starts writing. A syslog daemon that
    /// is not there yet is no error. Reads the local time zone, so that later no file is needed for it.
    ///
    /// # Errors
    /// A file cannot be opened, or the thread cannot be made.
    pub fn start(targets: Vec<LogTarget>) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let control =
            Arc::new(Control { bell, stop: AtomicBool::new(false), reopen: AtomicBool::new(false) });
        let host = this_host();
        let spools = Spools::new(SPOOL_BYTES, Waker::from(Arc::clone(&control))).of_host(host.clone());
        let spools = Arc::new(spools);
        let open = |target| Outlet::open(target, host.clone());
        let outlets = targets.into_iter().map(open).collect::<io::Result<Vec<_>>>()?;
        let counts = outlets.iter().map(Outlet::counts).collect();
        let recent = Arc::new(Mutex::new(Recent::new(RECENT_BYTES)));
        let writer = Writer {
            recent: Arc::clone(&recent),
            spools: Arc::clone(&spools),
            control: Arc::clone(&control),
            outlets,
            // A machine without a time zone file keeps UTC.
            zone: TimeZone::local().unwrap_or_else(|_| TimeZone::utc()),
            scratch: Vec::new(),
        };
        writer.set_offset();
        let thread = std::thread::Builder::new().name("ek-log".into()).spawn(move || writer.run())?;
        Ok(Self { spools, control, counts, recent, thread: Some(thread) })
    }

    /// Where loggers come from, for those that outlive this borrow.
    pub fn spools(&self) -> Arc<Spools> {
        Arc::clone(&self.spools)
    }

    /// A logger for one thread.
    pub fn logger(&self) -> Logger {
        self.spools.logger()
    }

    /// Opens files anew, after they have been moved away. One that cannot be opened stays as it is.
    pub fn reopen(&self) {
        self.control.reopen.store(true, Ordering::Release);
        self.control.wake_by_ref();
    }

    /// Looks at the last lines about requests and connections.
    pub fn look_at_recent<T>(&self, look: impl FnOnce(&Recent) -> T) -> T {
        look(&self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts lines that were lost, wherever, for those that outlive this borrow.
    pub fn losses(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let (spools, counts) = (Arc::clone(&self.spools), self.counts.clone());
        move || spools.dropped() + counts.iter().map(|c| c.read().dropped).sum::<u64>()
    }

    /// Lines that found no room on their way to the writer.
    pub fn dropped(&self) -> u64 {
        self.spools.dropped()
    }

    /// What became of the lines that reached the writer, by target.
    pub fn target_counts(&self) -> Vec<TargetCounts> {
        self.counts.iter().map(|counts| counts.read()).collect()
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Release);
        self.control.wake_by_ref();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Control {
    fn wake_by_ref(&self) {
        // The only failure is a counter that is full, and then the writer is being woken already.
        if self.bell.write(1).is_err() {
            std::thread::yield_now();
        }
    }
}

impl Wake for Control {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Self::wake_by_ref(self);
    }
}

struct Writer {
    recent: Arc<Mutex<Recent>>,
    spools: Arc<Spools>,
    control: Arc<Control>,
    outlets: Vec<Outlet>,
    zone: TimeZone,
    scratch: Vec<u8>,
}

impl Writer {
    fn run(mut self) {
        let mut last_words_until = None;
        loop {
            self.set_offset();
            if self.control.reopen.swap(false, Ordering::AcqRel) {
                self.outlets.iter_mut().for_each(Outlet::reopen);
            }
            // Read before the spools are emptied: what was logged before the stop is written.
            let stopping = self.control.stop.load(Ordering::Acquire);
            let worked = self.take_in();
            let now = Instant::now();
            let waiting: Vec<Waiting> = self.outlets.iter_mut().map(|outlet| outlet.flush(now)).collect();
            if stopping {
                let until = *last_words_until.get_or_insert(now + LAST_WORDS);
                if now >= until || waiting.iter().all(|w| *w == Waiting::ForLines) {
                    return;
                }
            }
            let nap = if worked > SPOOL_BYTES / 4 {
                Duration::ZERO
            } else if worked > 0 || stopping || !self.spools.fall_asleep() {
                LINGER
            } else {
                until_offset_may_change(unix_now())
            };
            self.rest(&waiting, nap, now);
        }
    }

    /// Moves all lines from the spools to their targets' queues. Returns how many bytes that were.
    fn take_in(&mut self) -> usize {
        let at = unix_now();
        let offset = offset_at(&self.zone, at);
        let mut bytes = 0;
        let outlets = &mut self.outlets;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        self.spools.drain(&mut self.scratch, |batch| {
            let mut access_lines = 0;
            for entry in batch.entries() {
                bytes += entry.line.len();
                access_lines += u64::from(entry.is_access);
                for target in entry.targets() {
                    if let Some(outlet) = outlets.get_mut(usize::from(target.0)) {
                        outlet.offer(&entry, at, offset);
                    }
                }
            }
            recent.push_batch(at, batch, access_lines);
        });
        bytes
    }

    /// Sleeps until there is something to do: the bell, a target that takes lines again, or a time.
    fn rest(&self, waiting: &[Waiting], nap: Duration, now: Instant) {
        let mut longest = nap;
        let mut fds: Vec<BorrowedFd<'_>> = Vec::new();
        for (outlet, waiting) in self.outlets.iter().zip(waiting) {
            match waiting {
                Waiting::ForLines => {}
                Waiting::ForRoom => fds.extend(outlet.fd()),
                Waiting::Until(at) => longest = longest.min(at.saturating_duration_since(now)),
                Waiting::ForRoomUntil(at) => {
                    longest = longest.min(at.saturating_duration_since(now));
                    fds.extend(outlet.fd());
                }
            }
        }
        let mut polled = vec![PollFd::new(self.control.bell.as_fd(), PollFlags::POLLIN)];
        polled.extend(fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLOUT)));
        // Rounded up, so that a time to come is not polled for in a busy loop.
        let timeout = PollTimeout::try_from(longest + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX);
        // Interrupted or not, the loop looks at everything again; an empty bell is no news either.
        let woken = poll(&mut polled, timeout).is_ok_and(|ready| ready > 0);
        if woken && self.control.bell.read().is_err() {
            std::thread::yield_now();
        }
    }

    fn set_offset(&self) {
        self.spools.set_offset(offset_at(&self.zone, unix_now()));
    }
}

fn this_host() -> Host {
    // A machine without a name gets none in its lines.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Host { name: name.trim().to_owned(), pid: std::process::id() }
}

fn offset_at(zone: &TimeZone, at: UnixMillis) -> UtcOffset {
    let seconds = at.0.div_euclid(1000);
    UtcOffset(zone.find_local_time_type(seconds).map_or(0, |kind| kind.ut_offset()))
}

fn unix_now() -> UnixMillis {
    // A clock before 1970 is not worth an error in a log.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time zones change their offset at quarters of an hour.
fn until_offset_may_change(now: UnixMillis) -> Duration {
    let left_ms = QUARTER_MS - now.0.rem_euclid(QUARTER_MS);
    Duration::from_millis(u64::try_from(left_ms).unwrap_or(1000))
}

const QUARTER_MS: i64 = 15 * 60 * 1000;

/// Bytes a thread's lines may take up until the writer takes them: 20 ms of 200,000 lines per second, should the writer
/// have to wait for a processor.
const SPOOL_BYTES: usize = 1024 * 1024;

/// Lines that are kept for whoever looks: about a thousand.
const RECENT_BYTES: usize = 256 * 1024;

/// How long lines are collected before they are written. Longer saves wake-ups, shorter shows lines earlier; a line
/// that comes when all is quiet is written at once.
const LINGER: Duration = Duration::from_millis(5);

/// How long a stop waits for targets to take what is left.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
