//! The life of the worker process, as a pure machine: when to spawn, when to kill, and whether the node is fit.
//!
//! ```text
//!            spawn            ready             exit / hung
//!  Waiting ─────────▶ Starting ─────▶ Serving ───────────────▶ Waiting (at once, or after a back-off)
//! ```
//! Another configuration comes into use by a *successor*: a second worker, started beside the one that serves. When it is
//! ready it is the worker, and the one before it is retired; if it is not, nothing has changed.
//!
//! The node is *fit* while a worker serves. A worker that is lost makes the node unfit only after the grace, so that a
//! replacement that is quick enough moves nothing.
//!
//! A worker that is silent because it gets no processor is *starved*, not hung: it is kept, with its connections. Its
//! clients wait no less for that, so the node is unfit just as late as with a hung worker whose successor never serves.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::process::Process;
use super::silence::{Figures, Silence};

/// Numbers a worker, so that news of a dead one are told from news of its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WorkerId(pub u64);

/// Spans the operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A worker that leaves heartbeats unanswered for this long is replaced. What it waited for a processor does not
    /// count.
    pub heartbeat_timeout: Duration,
    /// How long the node stays fit without a serving worker.
    pub grace: Duration,
    /// A worker that is not ready after this long, or starved for this long, is replaced.
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

/// Why a worker was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It ended.
    Exited,
    /// It could not be started.
    SpawnFailed,
    /// A thread of it left heartbeats unanswered.
    Hung,
    /// It got no processor for longer than a successor would be given to start.
    Starved,
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
            Self::Starved => "was starved of processor time for too long",
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
    /// Start one under this number with the next configuration, beside the one that there is.
    SpawnSuccessor(WorkerId),
    /// The successor is the worker now. The one before it is to finish what it has.
    TakenOver(WorkerId),
    /// The successor came to nothing.
    NotTakenOver(WorkerId, Loss),
    /// Send it a heartbeat.
    Ping(WorkerId, u64),
    /// SIGKILL it.
    Kill(WorkerId),
    /// Log that it is lost; if it was silent before, with what the silence consisted of.
    Lost(WorkerId, Loss, Option<Figures>),
    /// Log that it is silent for want of a processor, once in each silence.
    Starved(WorkerId, Figures),
    /// Tell the VRRP engine whether the data plane serves.
    DataPlane(bool),
}

/// The machine. Inputs are `handle_*`; drain [`Self::poll_action`] after each and arm [`Self::poll_timeout`].
#[derive(Debug)]
pub(super) struct Supervisor {
    settings: Settings,
    state: State,
    /// One that is to take over, since when.
    successor: Option<(WorkerId, Instant)>,
    next_id: u64,
    /// What was last told to the VRRP engine.
    fit: Option<bool>,
    /// When the node becomes unfit unless a worker serves.
    unfit_at: Option<Instant>,
    /// Workers lost soon after their start, in a row.
    quick_losses: u32,
    /// Workers lost since the start.
    losses: u64,
    /// Silences for want of a processor since the start.
    starvations: u64,
    actions: VecDeque<Action>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting { until: Instant },
    Starting { id: WorkerId, since: Instant },
    Serving(Serving),
    Stopped,
}

/// A worker that accepts connections.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Serving {
    id: WorkerId,
    since: Instant,
    /// The last heartbeat.
    seq: u64,
    /// While that is unanswered.
    silence: Option<Silence>,
    /// The silence has been told of as starvation.
    starved: bool,
    /// It has answered every heartbeat since.
    steady_since: Instant,
    next_ping: Instant,
}

impl Serving {
    fn new(id: WorkerId, now: Instant, heartbeat: Duration) -> Self {
        Self {
            id,
            since: now,
            seq: 0,
            silence: None,
            starved: false,
            steady_since: now,
            next_ping: now + heartbeat,
        }
    }
}

/// What one keeper leaves to the next: a worker serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Its number.
    serving: u64,
    next_id: u64,
    losses: u64,
    starvations: u64,
    /// What the VRRP engine knows.
    fit: Option<bool>,
}

impl Memory {
    /// The number of the worker that serves.
    pub(super) const fn serving(&self) -> u64 {
        self.serving
    }

    /// Whether the node was fit, as far as it was known.
    pub(super) const fn fit(&self) -> Option<bool> {
        self.fit
    }
}

impl Supervisor {
    /// Wants a worker at `now`.
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            state: State::Waiting { until: now },
            successor: None,
            next_id: 1,
            fit: None,
            unfit_at: None,
            quick_losses: 0,
            losses: 0,
            starvations: 0,
            actions: VecDeque::new(),
        }
    }

    /// Goes on with a worker that serves: one of the keeper before this one. It is as fit as it was.
    pub(super) fn resume(settings: Settings, now: Instant, memory: &Memory) -> Self {
        let mut supervisor = Self::new(settings, now);
        supervisor.next_id = memory.next_id;
        (supervisor.losses, supervisor.starvations) = (memory.losses, memory.starvations);
        supervisor.fit = memory.fit;
        supervisor.state = State::Serving(Serving::new(WorkerId(memory.serving), now, settings.heartbeat));
        supervisor
    }

    /// What the next keeper has to know; `None`: no worker serves.
    pub(super) fn memory(&self) -> Option<Memory> {
        let State::Serving(serving) = &self.state else { return None };
        Some(Memory {
            serving: serving.id.0,
            next_id: self.next_id,
            losses: self.losses,
            starvations: self.starvations,
            fit: self.fit,
        })
    }

    /// The next thing to do.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let state = match &self.state {
            State::Waiting { until } => Some(*until),
            State::Starting { since, .. } => Some(*since + self.settings.start_timeout),
            State::Serving(serving) => Some(serving.next_ping),
            State::Stopped => None,
        };
        let successor = self.successor.map(|(_, since)| since + self.settings.start_timeout);
        [state, successor, self.unfit_at].into_iter().flatten().min()
    }

    /// The worker that lives, if one does.
    pub(super) fn current(&self) -> Option<WorkerId> {
        match &self.state {
            State::Starting { id, .. } | State::Serving(Serving { id, .. }) => Some(*id),
            State::Waiting { .. } | State::Stopped => None,
        }
    }

    /// The state in a word, for status.
    pub(super) fn state_name(&self) -> &'static str {
        match self.state {
            State::Waiting { .. } => "waiting",
            State::Starting { .. } => "starting",
            State::Serving(_) => "serving",
            State::Stopped => "stopped",
        }
    }

    /// Workers lost since the start.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Silences for want of a processor since the start.
    pub(super) fn starvations(&self) -> u64 {
        self.starvations
    }

    /// Whether the worker owes an answer at `now`, so that asking the kernel for its state is worth it.
    pub(super) fn overdue(&self, now: Instant) -> bool {
        matches!(&self.state, State::Serving(serving) if serving.silence.is_some() && serving.next_ping <= now)
    }

    /// Wants a successor. One at a time; none once the node stops.
    pub(super) fn take_over(&mut self, now: Instant) {
        if self.successor.is_none() && self.state != State::Stopped {
            let id = self.new_id();
            self.successor = Some((id, now));
            self.actions.push_back(Action::SpawnSuccessor(id));
        }
    }

    /// Watches workers like this from now on.
    pub(super) fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The worker accepts connections.
    pub(super) fn handle_ready(&mut self, now: Instant, id: WorkerId) {
        let is_successor = self.successor.take_if(|(successor, _)| *successor == id).is_some();
        let is_awaited = matches!(self.state, State::Starting { id: current, .. } if current == id);
        if !is_successor && !is_awaited {
            return;
        }
        if is_successor {
            self.actions.push_back(Action::TakenOver(id));
        }
        self.state = State::Serving(Serving::new(id, now, self.settings.heartbeat));
        self.unfit_at = None;
        self.report(true);
    }

    /// Every data thread of the worker has answered heartbeat `seq`.
    pub(super) fn handle_pong(&mut self, now: Instant, id: WorkerId, answered: u64) {
        if let State::Serving(serving) = &mut self.state
            && serving.id == id
            && answered == serving.seq
        {
            serving.silence = None;
            if std::mem::take(&mut serving.starved) {
                serving.steady_since = now;
            }
        }
    }

    /// The worker process has ended, or its channel is closed.
    pub(super) fn handle_exit(&mut self, now: Instant, id: WorkerId) {
        if self.current() == Some(id) {
            self.lose(now, id, Loss::Exited, None);
        }
        self.give_up(id, Loss::Exited);
    }

    /// The worker process could not be created.
    pub(super) fn handle_spawn_failed(&mut self, now: Instant, id: WorkerId) {
        if self.current() == Some(id) {
            self.lose(now, id, Loss::SpawnFailed, None);
        }
        self.give_up(id, Loss::SpawnFailed);
    }

    /// A deadline has passed. `process` is what the kernel says of the current worker; it matters while
    /// [`Self::overdue`].
    pub(super) fn handle_timeout(&mut self, now: Instant, process: &Process) {
        match &self.state {
            State::Waiting { until } if *until <= now => self.spawn(now),
            State::Starting { id, since } if *since + self.settings.start_timeout <= now => {
                self.kill(now, *id, Loss::StartTimeout, None);
            }
            State::Serving(serving) if serving.next_ping <= now => self.beat(now, process),
            State::Waiting { .. } | State::Starting { .. } | State::Serving(_) | State::Stopped => {}
        }
        if self.unfit_at.is_some_and(|at| at <= now) {
            self.unfit_at = None;
            self.report(false);
        }
        if let Some((id, since)) = self.successor
            && since + self.settings.start_timeout <= now
        {
            self.actions.push_back(Action::Kill(id));
            self.give_up(id, Loss::StartTimeout);
        }
    }

    /// No worker is wanted any more. The current one is left to the caller, who drains it, and so is a successor.
    pub(super) fn stop(&mut self) {
        self.successor = None;
        self.state = State::Stopped;
        self.unfit_at = None;
    }

    fn beat(&mut self, now: Instant, process: &Process) {
        let State::Serving(serving) = &mut self.state else { return };
        serving.next_ping = now + self.settings.heartbeat;
        let Some(silence) = &mut serving.silence else {
            serving.seq += 1;
            serving.silence = Some(Silence::new(now));
            self.actions.push_back(Action::Ping(serving.id, serving.seq));
            // After starvation the node is fit once the worker keeps up, not at the first sign of life.
            let steady = serving.steady_since + self.settings.grace <= now;
            if steady {
                self.report(true);
            }
            return;
        };
        silence.look(now, self.settings.heartbeat, process);
        let (id, lasted, charged, figures) =
            (serving.id, silence.lasted(), silence.charged(), silence.figures());
        if process.stopped {
            self.kill(now, id, Loss::Stopped, Some(figures));
        } else if charged >= self.settings.heartbeat_timeout {
            self.kill(now, id, Loss::Hung, Some(figures));
        } else if lasted >= self.settings.start_timeout {
            self.kill(now, id, Loss::Starved, Some(figures));
        } else if lasted >= self.settings.heartbeat_timeout {
            self.bear(lasted, figures);
        }
    }

    /// The worker is silent and cannot help it.
    fn bear(&mut self, lasted: Duration, figures: Figures) {
        let State::Serving(serving) = &mut self.state else { return };
        if !std::mem::replace(&mut serving.starved, true) {
            self.starvations += 1;
            self.actions.push_back(Action::Starved(serving.id, figures));
        }
        if lasted >= self.settings.heartbeat_timeout + self.settings.grace {
            self.report(false);
        }
    }

    fn give_up(&mut self, id: WorkerId, loss: Loss) {
        if self.successor.take_if(|(successor, _)| *successor == id).is_some() {
            self.actions.push_back(Action::NotTakenOver(id, loss));
        }
    }

    fn new_id(&mut self) -> WorkerId {
        let id = WorkerId(self.next_id);
        self.next_id += 1;
        id
    }

    fn spawn(&mut self, now: Instant) {
        let id = self.new_id();
        self.state = State::Starting { id, since: now };
        self.actions.push_back(Action::Spawn(id));
    }

    fn kill(&mut self, now: Instant, id: WorkerId, loss: Loss, silence: Option<Figures>) {
        self.actions.push_back(Action::Kill(id));
        self.lose(now, id, loss, silence);
    }

    fn lose(&mut self, now: Instant, id: WorkerId, loss: Loss, silence: Option<Figures>) {
        let lived = match &self.state {
            State::Serving(serving) => now.saturating_duration_since(serving.since),
            State::Waiting { .. } | State::Starting { .. } | State::Stopped => Duration::ZERO,
        };
        self.losses += 1;
        self.quick_losses = if lived < QUICK_LOSS { self.quick_losses + 1 } else { 0 };
        self.actions.push_back(Action::Lost(id, loss, silence));
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
