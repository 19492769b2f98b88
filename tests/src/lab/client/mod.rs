//! The client of the pair: probes through the VIP and measures what fails, and for how long.

mod connection;
mod report;

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::topology::Host;
use super::wait;
use connection::Connection;

pub use connection::{Answer, Failure, get};
pub use report::{Outage, Report};

/// One request: when it began and ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When it began.
    pub start: Instant,
    /// When it was answered or given up.
    pub end: Instant,
    /// The answer, or what went wrong.
    pub outcome: Result<Answer, Failure>,
}

/// How a prober asks.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between the starts of two requests.
    pub interval: Duration,
    /// A request that is not answered after this long has failed. Under a second, so that a lost SYN counts: its
    /// repetition comes after one second.
    pub timeout: Duration,
    /// Whether each request has its own connection, or all share one.
    pub connection: Reuse,
}

/// Connections of a prober.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// A new one for each request.
    New,
    /// One for all, as long as it lives.
    KeepAlive,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(5),
            timeout: Duration::from_millis(800),
            connection: Reuse::New,
        }
    }
}

/// A client that asks without pause.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    probes: Mutex<Vec<Probe>>,
}

impl Prober {
    /// Asks `target` every 5 ms, each time on a new connection.
    pub fn start(host: &Host, target: SocketAddr) -> Self {
        Self::with_pace(host, target, Pace::default())
    }

    /// Asks `target` at this pace.
    pub fn with_pace(host: &Host, target: SocketAddr, pace: Pace) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = host.ns.spawn("prober", move || run(target, pace, &theirs));
        Self { shared, thread: Some(thread) }
    }

    /// Everything until now.
    pub fn report(&self) -> Report {
        Report::new(self.shared.probes().clone())
    }

    /// Waits for an answer to a request that begins from now on.
    pub fn wait_answer(&self, limit: Duration) -> Answer {
        let since = Instant::now();
        wait::until("the VIP answers", limit, || {
            let probes = self.shared.probes();
            let answered = probes
                .iter()
                .rev()
                .take_while(|p| p.end >= since)
                .find(|p| p.start >= since && p.outcome.is_ok());
            answered.and_then(|p| p.outcome.clone().ok())
        })
    }

    /// Waits until a request that begins from now on is answered through this node.
    pub fn wait_via(&self, node: &Host, limit: Duration) {
        let since = Instant::now();
        let via = node.v4.into();
        wait::until_true(&format!("the VIP answers through {}", node.name), limit, || {
            let probes = self.shared.probes();
            probes
                .iter()
                .rev()
                .take_while(|p| p.end >= since)
                .any(|p| p.start >= since && p.outcome.as_ref().is_ok_and(|a| a.via == Some(via)))
        });
    }

    /// Lets `span` of traffic pass.
    pub fn run_for(&self, span: Duration) {
        let end = Instant::now() + span;
        wait::until_true("traffic has passed", span + wait::SOON, || {
            self.shared.probes().last().is_some_and(|p| p.end >= end)
        });
    }

    /// Stops asking, waits for the last answers, and reports.
    pub fn stop(mut self) -> Report {
        self.finish();
        self.report()
    }

    fn finish(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the prober lives");
        }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.finish();
        }
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn probes(&self) -> std::sync::MutexGuard<'_, Vec<Probe>> {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(target: SocketAddr, pace: Pace, shared: &Shared) {
    let mut running: Vec<Connection> = Vec::new();
    let mut idle: Option<Connection> = None;
    let mut next = Instant::now();
    loop {
        let stopping = shared.stop.load(Ordering::Relaxed);
        let now = Instant::now();
        if stopping && running.is_empty() {
            return;
        }
        let alone = pace.connection == Reuse::New || running.is_empty();
        if !stopping && now >= next && alone {
            // A prober that was not scheduled does not catch up in a burst.
            next = if now > next + LATE { now } else { next } + pace.interval;
            match idle.take().map_or_else(|| Connection::open(target, pace.connection), |c| Ok(c.again(now)))
            {
                Ok(connection) => running.push(connection),
                Err(failure) => record(shared, now, Err(failure)),
            }
        }
        wait_ready(&running, next.saturating_duration_since(Instant::now()));
        let mut still = Vec::with_capacity(running.len());
        for mut connection in running {
            match connection.advance(Instant::now(), pace.timeout) {
                None => still.push(connection),
                Some(outcome) => {
                    let keep = pace.connection == Reuse::KeepAlive && outcome.is_ok();
                    record(shared, connection.start, outcome);
                    idle = keep.then_some(connection);
                }
            }
        }
        running = still;
    }
}

fn record(shared: &Shared, start: Instant, outcome: Result<Answer, Failure>) {
    shared.probes().push(Probe { start, end: Instant::now(), outcome });
}

fn wait_ready(running: &[Connection], limit: Duration) {
    let interests: Vec<(BorrowedFd<'_>, PollFlags)> =
        running.iter().map(|c| (c.socket().as_fd(), c.wants())).collect();
    let mut fds: Vec<PollFd<'_>> = interests.iter().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
    let millis = u16::try_from(limit.min(TICK).as_millis()).unwrap_or(1).max(1);
    // Interrupted or not: `advance` tries every connection anyway.
    poll(&mut fds, PollTimeout::from(millis)).unwrap_or_default();
}

const LATE: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(20);
