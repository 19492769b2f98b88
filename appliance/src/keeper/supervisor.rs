//! The life of the worker process, as a pure machine: when to spawn, when to kill, and whether the node is fit.
//!
//! ```text
//!            spawn            ready             exit / hung
//!  Waiting ─────────▶ Starting ─────▶ Serving ───────────────▶ Waiting (at once, or after a back-off)
//! ```
//! The node is *fit* while a worker serves. A worker that is lost makes the node unfit only after the grace, so that a
//! replacement that is quick enough moves nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Numbers a worker, so that news of a dead one are told from news of its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WorkerId(pub u64);

/// Spans the operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A worker that leaves heartbeats unanswered for this long is replaced.
    pub heartbeat_timeout: Duration,
    /// How long the node stays fit without a serving worker.
    pub grace: Duration,
    /// A worker that is not ready after this long is replaced.
    pub start_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            heartbeat_timeout: Duration::from_millis(300),
            grace: Duration::from_millis(500),
            start_timeout: Duration::from_secs(10),
        }
    }
}

/// What the kernel says of a process that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessState {
    /// Running, runnable or sleeping: it may only be slow.
    Alive,
    /// Stopped by a signal or a debugger: it will not answer.
    Stopped,
}

/// Why a worker was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It ended.
    Exited,
    /// It could not be started.
    SpawnFailed,
    /// A thread of it left heartbeats unanswered.
    Hung,
    /// It was stopped by a signal.
    Stopped,
    /// It was not ready in time.
    StartTimeout,
}

impl Loss {
    /// For logs and status.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::SpawnFailed => "could not be started",
            Self::Hung => "left heartbeats unanswered",
            Self::Stopped => "was stopped by a signal",
            Self::StartTimeout => "was not ready in time",
        }
    }
}

/// What the shell must do, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a worker under this number.
    Spawn(WorkerId),
    /// Send it a heartbeat.
    Ping(WorkerId, u64),
    /// SIGKILL it.
    Kill(WorkerId),
    /// Log that it is lost.
    Lost(WorkerId, Loss),
    /// Tell the VRRP engine whether the data plane serves.
    DataPlane(bool),
}

/// The machine. Inputs are `handle_*`; drain [`Self::poll_action`] after each and arm [`Self::poll_timeout`].
#[derive(Debug)]
pub(super) struct Supervisor {
    settings: Settings,
    state: State,
    next_id: u64,
    /// What was last told to the VRRP engine.
    fit: Option<bool>,
    /// When the node becomes unfit unless a worker serves.
    unfit_at: Option<Instant>,
    /// Workers lost soon after their start, in a row.
    quick_losses: u32,
    /// Workers lost since the start.
    losses: u64,
    actions: VecDeque<Action>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Starting { id: WorkerId, since: Instant },
    Serving { id: WorkerId, since: Instant, seq: u64, unanswered: u32, next_ping: Instant },
    Stopped,
}

impl Supervisor {
    /// Wants a worker at `now`.
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            state: State::Waiting { until: now },
            next_id: 1,
            fit: None,
            unfit_at: None,
            quick_losses: 0,
            losses: 0,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            State::Waiting { until } => Some(until),
            State::Starting { since, .. } => Some(since + self.settings.start_timeout),
            State::Serving { next_ping, .. } => Some(next_ping),
            State::Stopped => None,
        };
        [state, self.unfit_at].into_iter().flatten().min()
    }

    /// The worker that lives, if one does.
    pub(super) fn current(&self) -> Option<WorkerId> {
        match self.state {
            State::Starting { id, .. } | State::Serving { id, .. } => Some(id),
            State::Waiting { .. } | State::Stopped => None,
        }
    }

    /// The state in a word, for status.
    pub(super) fn state_name(&self) -> &'static str {
        match self.state {
            State::Waiting { .. } => "waiting",
            State::Starting { .. } => "starting",
            State::Serving { .. } => "serving",
            State::Stopped => "stopped",
        }
    }

    /// Workers lost since the start.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Whether the worker owes an answer, so that asking the kernel for its state is worth it.
    pub(super) fn overdue(&self) -> bool {
        matches!(self.state, State::Serving { unanswered: 1.., .. })
    }

    /// The worker accepts connections.
    pub(super) fn handle_ready(&mut self, now: Instant, id: WorkerId) {
        if let State::Starting { id: current, .. } = self.state
            && current == id
        {
            let next_ping = now + self.settings.heartbeat;
            self.state = State::Serving { id, since: now, seq: 0, unanswered: 0, next_ping };
            self.unfit_at = None;
            self.report(true);
        }
    }

    /// Every data thread of the worker has answered heartbeat `seq`.
    pub(super) fn handle_pong(&mut self, id: WorkerId, answered: u64) {
        if let State::Serving { id: current, seq, unanswered, .. } = &mut self.state
            && *current == id
            && answered == *seq
        {
            *unanswered = 0;
        }
    }

    /// The worker process has ended, or its channel is closed.
    pub(super) fn handle_exit(&mut self, now: Instant, id: WorkerId) {
        if self.current() == Some(id) {
            self.lose(now, id, Loss::Exited);
        }
    }

    /// The worker process could not be created.
    pub(super) fn handle_spawn_failed(&mut self, now: Instant, id: WorkerId) {
        if self.current() == Some(id) {
            self.lose(now, id, Loss::SpawnFailed);
        }
    }

    /// A deadline has passed. `process` is what the kernel says of the current worker; it matters while
    /// [`Self::overdue`].
    ///
    /// Unanswered heartbeats are counted, not timed: a keeper that was itself frozen does not blame the worker.
    pub(super) fn handle_timeout(&mut self, now: Instant, process: ProcessState) {
        match self.state {
            State::Waiting { until } if until <= now => self.spawn(now),
            State::Starting { id, since } if since + self.settings.start_timeout <= now => {
                self.kill(now, id, Loss::StartTimeout);
            }
            State::Serving { id, next_ping, .. } if next_ping <= now => self.beat(now, id, process),
            State::Waiting { .. } | State::Starting { .. } | State::Serving { .. } | State::Stopped => {}
        }
        if self.unfit_at.is_some_and(|at| at <= now) {
            self.unfit_at = None;
            self.report(false);
        }
    }

    /// No worker is wanted any more. The current one is left to the caller, who drains it.
    pub(super) fn stop(&mut self) {
        self.state = State::Stopped;
        self.unfit_at = None;
    }

    fn beat(&mut self, now: Instant, id: WorkerId, process: ProcessState) {
        let allowed = self.settings.heartbeat_timeout.div_duration_f64(self.settings.heartbeat).ceil();
        let State::Serving { seq, unanswered, next_ping, .. } = &mut self.state else { return };
        let loss = match process {
            ProcessState::Stopped if *unanswered >= 1 => Some(Loss::Stopped),
            ProcessState::Stopped | ProcessState::Alive => {
                (f64::from(*unanswered) >= allowed).then_some(Loss::Hung)
            }
        };
        if let Some(loss) = loss {
            return self.kill(now, id, loss);
        }
        if *unanswered == 0 {
            *seq += 1;
            self.actions.push_back(Action::Ping(id, *seq));
        }
        *unanswered += 1;
        *next_ping = now + self.settings.heartbeat;
    }

    fn spawn(&mut self, now: Instant) {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        self.state = State::Starting { id, since: now };
        self.actions.push_back(Action::Spawn(id));
    }

    fn kill(&mut self, now: Instant, id: WorkerId, loss: Loss) {
        self.actions.push_back(Action::Kill(id));
        self.lose(now, id, loss);
    }

    fn lose(&mut self, now: Instant, id: WorkerId, loss: Loss) {
        let lived = match self.state {
            State::Serving { since, .. } => now.saturating_duration_since(since),
            State::Waiting { .. } | State::Starting { .. } | State::Stopped => Duration::ZERO,
        };
        self.losses += 1;
        self.quick_losses = if lived < QUICK_LOSS { self.quick_losses + 1 } else { 0 };
        self.actions.push_back(Action::Lost(id, loss));
        if self.fit == Some(true) && self.unfit_at.is_none() {
            self.unfit_at = Some(now + self.settings.grace);
        }
        let delay = back_off(self.quick_losses);
        if delay.is_zero() {
            self.spawn(now);
        } else {
            self.state = State::Waiting { until: now + delay };
        }
    }

    fn report(&mut self, fit: bool) {
        if self.fit != Some(fit) {
            self.fit = Some(fit);
            self.actions.push_back(Action::DataPlane(fit));
        }
    }
}

/// None for the first two quick losses, then 100 ms doubling to 5 s: a worker that dies of its configuration must not
/// eat the machine, one that was killed must be back at once.
fn back_off(quick_losses: u32) -> Duration {
    match quick_losses {
        0..=2 => Duration::ZERO,
        n => Duration::from_millis(100).saturating_mul(1 << (n - 3).min(6)).min(Duration::from_secs(5)),
    }
}

/// A worker that lived less than this counts towards the back-off.
const QUICK_LOSS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
