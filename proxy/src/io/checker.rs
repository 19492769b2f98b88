//! Makes the health checks, on a thread of their own ("ek-check"), whatever the data threads are busy with.
//!
//! The thread runs the [`Monitor`]: it starts the checks that are due as tasks, takes in their results, and publishes
//! events. On the same thread the names of servers are looked up, which may move servers. Results change [`State`],
//! which data threads balance by. Operators' changes come in from any thread through [`Checker::set_admin`] and
//! [`Checker::set_weight`].

mod http2;
mod names;
mod operator;
mod probe;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::balance::State;
use crate::health::{Event, HealthSnapshot, Job, Monitor, Probe, ServerReport};
use crate::names::Lookups;
use crate::plan::{AdminState, Plan, ServerId};
pub use operator::Operator;
use probe::Probed;

/// The running checks. Dropping it ends them and their thread.
#[derive(Debug)]
pub struct Checker {
    shared: Arc<Shared>,
    first_round: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    state: Arc<State>,
    /// Held for moments only, by the check thread and by whoever asks or commands; never by a data thread.
    monitor: Mutex<Monitor>,
    /// Something changed that the thread has not seen.
    changed: Notify,
    stopping: AtomicBool,
    dropped_events: AtomicU64,
}

impl Checker {
    /// Starts checking the servers of `plan`, going on from `inherited` if given. `seed` decides how checks are spread.
    /// When `events` is full an event is dropped and counted; the state itself is never late.
    ///
    /// # Errors
    /// The thread or its runtime cannot be made.
    pub fn start(
        plan: Arc<Plan>,
        state: Arc<State>,
        seed: u64,
        inherited: Option<&HealthSnapshot>,
        events: mpsc::Sender<Event>,
    ) -> io::Result<Self> {
        let monitor = Monitor::new(Arc::clone(&plan), Arc::clone(&state), Instant::now(), seed, inherited);
        let (round, first_round) = watch::channel(monitor.first_round_done());
        let shared = Arc::new(Shared {
            plan,
            state: Arc::clone(&state),
            monitor: Mutex::new(monitor),
            changed: Notify::new(),
            stopping: AtomicBool::new(false),
            dropped_events: AtomicU64::new(0),
        });
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let waking = Arc::downgrade(&shared);
        state.observations().wake_by(move || {
            if let Some(shared) = waking.upgrade() {
                shared.changed.notify_one();
            }
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ek-check".into())
            .spawn(move || runtime.block_on(run(&of_thread, &events, &round)))?;
        Ok(Self { shared, first_round, thread: Some(thread) })
    }

    /// Whether every checked server has been checked at least once, in this life or the inherited one.
    pub fn first_round_done(&self) -> bool {
        *self.first_round.borrow()
    }

    /// Becomes true when [`Self::first_round_done`] does.
    pub fn first_round(&self) -> watch::Receiver<bool> {
        self.first_round.clone()
    }

    /// Carries out what an operator wants of a server.
    pub fn set_admin(&self, server: ServerId, admin: AdminState) {
        self.shared.monitor().handle_admin(Instant::now(), server, admin);
        self.shared.changed.notify_one();
    }

    /// Changes a server's weight, 0–256.
    pub fn set_weight(&self, server: ServerId, weight: u16) {
        self.shared.monitor().handle_weight(Instant::now(), server, weight);
        self.shared.changed.notify_one();
    }

    /// An operator's hand on the servers. It may outlive the checks, and then changes what nobody checks any more.
    pub fn operator(&self) -> Operator {
        Operator { shared: Arc::clone(&self.shared) }
    }

    /// What is known of each server, by [`ServerId`].
    pub fn report(&self) -> Vec<ServerReport> {
        self.shared.monitor().report()
    }

    /// What a worker that replaces this one needs to go on from here.
    pub fn snapshot(&self) -> HealthSnapshot {
        self.shared.monitor().snapshot(Instant::now())
    }

    /// Events that found no room.
    pub fn dropped_events(&self) -> u64 {
        self.shared.dropped_events.load(Ordering::Relaxed) + self.shared.monitor().dropped_events()
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Shared {
    /// A panic of another holder ends the process in a release build; in others the monitor is as good as it was.
    fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Checks = JoinSet<(Job, Probed)>;

/// The check thread: one task per check under way, at most one per server; dropped, and so aborted, at the end.
async fn run(shared: &Arc<Shared>, events: &mpsc::Sender<Event>, round: &watch::Sender<bool>) {
    let mut checks = Checks::new();
    let lookups = Lookups::new(&shared.plan, shared.state.addresses(), Instant::now());
    let mut names = JoinSet::new();
    names.spawn(names::run(Arc::clone(shared), lookups));
    while !shared.stopping.load(Ordering::Acquire) {
        let wake_at = turn(shared, &mut checks, events, round);
        let sleep = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        // Each arm may be dropped: a finished check stays in the set, a notification that came stays stored, and the
        // sleep is made anew from the monitor.
        tokio::select! {
            Some(ended) = checks.join_next() => take_in(shared, ended),
            Some(Err(error)) = names.join_next() => pass_on(error),
            () = shared.changed.notified() => {}
            () = sleep => {}
        }
    }
}

/// Starts what is due and publishes what happened. Returns when the next check is due.
fn turn(
    shared: &Arc<Shared>,
    checks: &mut Checks,
    events: &mpsc::Sender<Event>,
    round: &watch::Sender<bool>,
) -> Option<Instant> {
    let now = Instant::now();
    let mut monitor = shared.monitor();
    monitor.handle_timeout(now);
    while let Some(job) = monitor.poll_check(now) {
        let plan = Arc::clone(&shared.plan);
        let at = monitor.target(job).map(|(_, at)| at);
        let whom = monitor.whom(job);
        checks.spawn(async move { (job, probe::probe(&plan, job, at, whom).await) });
    }
    while let Some(event) = monitor.poll_event() {
        if events.try_send(event).is_err() {
            shared.dropped_events.fetch_add(1, Ordering::Relaxed);
        }
    }
    if monitor.first_round_done() {
        round.send_if_modified(|done| !std::mem::replace(done, true));
    }
    monitor.poll_timeout()
}

fn take_in(shared: &Shared, ended: Result<(Job, Probed), JoinError>) {
    match ended {
        Ok((Job { server, probe: Probe::Check }, probed)) => {
            shared.monitor().handle_result(Instant::now(), server, probed.result);
        }
        Ok((Job { server, probe: Probe::Agent }, Probed { result, line })) => {
            shared.monitor().handle_agent(Instant::now(), server, result, line.as_ref());
        }
        Err(error) => pass_on(error),
    }
}

/// A release build has aborted by then. Elsewhere the thread ends as loudly, and its owner with it.
fn pass_on(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}
