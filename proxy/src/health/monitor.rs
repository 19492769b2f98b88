//! All servers together: which check is due, what its result changes, and who is to be told.
//!
//! The monitor has no clock and no sockets. Its driver asks [`Monitor::poll_timeout`] how long it may sleep, tells it the
//! time by [`Monitor::handle_timeout`], starts the checks that [`Monitor::poll_check`] names, brings their results to
//! [`Monitor::handle_result`] and [`Monitor::handle_agent`], and passes on what [`Monitor::poll_event`] returns. It is
//! the only one to change the [`State`] that data threads balance by.
//!
//! A server takes work when everything that watches it agrees: its checks, its agent, the server it follows, it is not
//! ejected, and it is known where it is.

mod admit;
mod agent;
mod eject;
mod moves;
mod observe;
mod operator;
mod record;
mod sessions;
#[cfg(test)]
mod tests;
mod whom;
mod wishes;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::event::{Event, Queued, ServerReport, Turn};
use super::history::{Cause, Change, History, Operational};
use super::machine::Health;
use super::result::{CheckResult, CheckStatus, Verdict};
use super::schedule::{Random, interval, second_delay, spread};
use super::snapshot::HealthSnapshot;
use crate::balance::{State, Usable};
use crate::endpoint::Endpoint;
use crate::names::Unresolved;
use crate::plan::{AdminState, CheckConfig, Plan, ServerId};
use eject::Ejected;
pub use eject::EjectedFor;
pub use operator::{Forced, Mutable};
pub use record::Record;
use wishes::Wishes;

/// Health of all servers of a plan.
#[derive(Debug)]
pub struct Monitor {
    plan: Arc<Plan>,
    state: Arc<State>,
    /// By [`ServerId`].
    servers: Vec<Watched>,
    /// Checks to be made, by time.
    queue: BTreeSet<(Instant, Job)>,
    /// Ejections to end and failures to be counted, by time.
    timers: BTreeSet<(Instant, ServerId)>,
    /// Checked servers that have no result yet.
    unchecked: usize,
    random: Random,
    events: VecDeque<Event>,
    dropped_events: u64,
    /// By [`BackendId`].
    backends: Vec<Record>,
}

/// What is done to learn how a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// Its check is made.
    Check,
    /// Its agent is asked.
    Agent,
}

/// One probe of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// Of whom.
    pub server: ServerId,
    /// What is done.
    pub probe: Probe,
}

/// One server.
#[derive(Debug)]
struct Watched {
    check: Option<Checked>,
    agent: Option<Checked>,
    ejected: Ejected,
    /// Why nobody knows where it is, if it has been looked for in vain.
    unresolved: Option<Unresolved>,
    wishes: Wishes,
    /// What it was when that was last told.
    told: Operational,
    /// Who follows it.
    followers: Vec<ServerId>,
    history: History,
    /// When what it is began.
    since: Instant,
    record: Record,
    /// An operator has taken down a server that has no checks.
    held_down: bool,
}

/// Checks of one server.
#[derive(Debug)]
struct Checked {
    health: Health,
    last: Option<CheckResult>,
    phase: Phase,
    /// How many checks have ended.
    rounds: u64,
    /// How many have failed while it was up.
    failed: u64,
    /// Whether `unchecked` still counts it.
    awaited: bool,
    /// An operator wants none.
    muted: bool,
}

/// What is going on with a server's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next one is in the queue.
    Waiting { due: Instant },
    /// One is being made. `stale`: maintenance or a move came in between, so it says nothing any more.
    Running { since: Instant, stale: bool },
    /// None is made: maintenance, or nobody knows where the server is.
    Stopped,
}

impl Monitor {
    /// Begins at `now` with the servers as the plan has them, or as `inherited` knows them from an earlier life.
    /// `seed` decides how checks are spread.
    pub fn new(
        plan: Arc<Plan>,
        state: Arc<State>,
        now: Instant,
        seed: u64,
        inherited: Option<&HealthSnapshot>,
    ) -> Self {
        let mut monitor = Self {
            servers: Vec::with_capacity(plan.servers().len()),
            plan,
            state,
            queue: BTreeSet::new(),
            timers: BTreeSet::new(),
            unchecked: 0,
            random: Random::new(seed),
            events: VecDeque::new(),
            dropped_events: 0,
            backends: Vec::new(),
        };
        monitor.backends = monitor.plan.backends().iter().map(|_| Record::new(now)).collect();
        monitor.admit_all(now, inherited);
        monitor
    }

    /// When the driver has to come back; `None`: only when something happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let check = self.queue.first().map(|(due, _)| *due);
        let timer = self.timers.first().map(|(due, _)| *due);
        check.into_iter().chain(timer).min()
    }

    /// Does what has become due other than checks, and weighs what data threads have seen.
    pub fn handle_timeout(&mut self, now: Instant) {
        for marked in self.state.observations().take_marked() {
            self.handle_marked(now, marked);
        }
        while let Some(&(due, id)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            self.handle_timer(now, id);
        }
    }

    /// The next probe to make, if one is due. Its result is awaited by [`Self::handle_result`], or
    /// [`Self::handle_agent`] if it is of an agent.
    pub fn poll_check(&mut self, now: Instant) -> Option<Job> {
        let &(due, job) = self.queue.first()?;
        if due > now {
            return None;
        }
        self.queue.pop_first();
        let checked = self.checked_mut(job)?;
        checked.phase = Phase::Running { since: now, stale: false };
        Some(job)
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the result of a check into account and schedules the next one.
    pub fn handle_result(&mut self, now: Instant, id: ServerId, result: CheckResult) {
        let job = Job { server: id, probe: Probe::Check };
        let Some(check) = self.checked_mut(job) else { return };
        let Phase::Running { since, stale } = check.phase else { return };
        if stale {
            self.after_stale(now, id);
            return;
        }
        let passed = result.status.verdict() == Verdict::Pass;
        let was_up = check.health.is_up();
        if result.status.verdict() != Verdict::Inconclusive {
            check.health.observe(passed);
        }
        let is_up = check.health.is_up();
        check.last = Some(result.clone());
        check.failed += u64::from(was_up && result.status.verdict() == Verdict::Fail);
        if std::mem::take(&mut check.awaited) {
            self.unchecked -= 1;
        }
        if passed {
            self.state.observations().forgive(id);
        }
        self.schedule_next(now, since, job);
        if passed || !is_up {
            self.note_stopping(id, is_up && result.status == CheckStatus::L7OkConditional);
        }
        let turn = match (passed, self.is_stopping(id)) {
            (true, true) => Turn::Stopping(result),
            (true, false) => Turn::Up(result),
            (false, _) => Turn::Down(result),
        };
        self.settle(now, id, turn);
    }

    /// Changes a server's weight, 0–256.
    pub fn handle_weight(&mut self, now: Instant, id: ServerId, weight: u16) {
        if self.state.server(id).is_some_and(|s| s.weight != weight) {
            self.change(now, id, Turn::Weight(weight), |state| state.set_weight(id, weight));
        }
    }

    /// Changes how many requests a server takes at once. `None`: any number.
    pub fn handle_maxconn(&mut self, now: Instant, id: ServerId, maxconn: Option<u32>) {
        if self.state.server(id).is_some_and(|s| s.maxconn != maxconn) {
            self.change(now, id, Turn::Maxconn(maxconn), |state| state.set_maxconn(id, maxconn));
        }
    }

    /// Whether every checked server has been checked at least once, in this life or the one it goes on from.
    pub fn first_round_done(&self) -> bool {
        self.unchecked == 0
    }

    /// Events that found no room: nobody had asked for any.
    pub fn dropped_events(&self) -> u64 {
        self.dropped_events
    }

    /// What to do to probe a server, and where.
    pub fn target(&self, job: Job) -> Option<(&CheckConfig, Endpoint)> {
        let config = self.config(job)?;
        Some((config, self.probed_at(job.server, config)?))
    }

    /// What is known of each server, by [`ServerId`].
    pub fn report(&self) -> Vec<ServerReport> {
        let of = |(id, watched): (ServerId, &Watched)| ServerReport {
            server: id,
            operational: self.operational(id),
            since: watched.since,
            health: watched.check.as_ref().map(|c| c.health),
            last: watched.check.as_ref().and_then(|c| c.last.clone()),
            agent: watched.agent.as_ref().map(|c| c.health),
            last_agent: watched.agent.as_ref().and_then(|c| c.last.clone()),
            ejected_until: watched.ejected.until(),
            is_lost: self.is_lost(id) && self.state.server(id).is_some_and(|s| s.admin != AdminState::Maint),
            rests_via: self.rests_via(id),
            unresolved: watched.unresolved,
            record: watched.record,
            failed_checks: watched.check.as_ref().map(|c| c.failed),
            history: watched.history.iter().cloned().collect(),
        };
        (0..).map(ServerId).zip(&self.servers).map(of).collect()
    }
}

/// The probes of one server.
impl Monitor {
    fn schedule(&mut self, job: Job, due: Instant) {
        let Some(checked) = self.checked_mut(job) else { return };
        let phase = if checked.muted { Phase::Stopped } else { Phase::Waiting { due } };
        let before = std::mem::replace(&mut checked.phase, phase);
        if let Phase::Waiting { due: earlier } = before {
            self.queue.remove(&(earlier, job));
        }
        if phase != Phase::Stopped {
            self.queue.insert((due, job));
        }
    }

    /// After a probe that began at `since`.
    fn schedule_next(&mut self, now: Instant, since: Instant, job: Job) {
        let Some(config) = self.config(job).cloned() else { return };
        let Some(checked) = self.checked_mut(job) else { return };
        checked.rounds += 1;
        let (standing, rounds) = (checked.health.standing(), checked.rounds);
        let regular = interval(&config, standing);
        let delay = if rounds == 1 {
            second_delay(regular, &mut self.random)
        } else {
            spread(regular, config.spread_percent, &mut self.random)
        };
        self.schedule(job, (since + delay).max(now));
    }

    fn stop_checks(&mut self, id: ServerId) {
        let job = Job { server: id, probe: Probe::Check };
        let Some(check) = self.servers.get_mut(id.0 as usize).and_then(|w| w.check.as_mut()) else { return };
        check.phase = match check.phase {
            Phase::Waiting { due } => {
                self.queue.remove(&(due, job));
                Phase::Stopped
            }
            Phase::Running { since, .. } => Phase::Running { since, stale: true },
            Phase::Stopped => Phase::Stopped,
        };
        // Nobody waits for the first check of a server that gets none.
        self.unchecked -= usize::from(std::mem::take(&mut check.awaited));
        // What it has said it will have to say again.
        self.note_stopping(id, false);
    }

    fn restart_checks(&mut self, now: Instant, id: ServerId) {
        if self.is_lost(id) {
            return;
        }
        let job = Job { server: id, probe: Probe::Check };
        let Some(config) = self.config(job).cloned() else { return };
        let Some(check) = self.checked_mut(job) else { return };
        check.health = Health::boot(config.rise, config.fall);
        if check.phase == Phase::Stopped {
            self.schedule(job, now);
        }
    }

    /// A check that was overtaken by maintenance has ended. If maintenance is over again, a new one is due.
    fn after_stale(&mut self, now: Instant, id: ServerId) {
        let job = Job { server: id, probe: Probe::Check };
        if !self.rests(id) {
            self.schedule(job, now);
        } else if let Some(check) = self.checked_mut(job) {
            check.phase = Phase::Stopped;
        }
    }
}

/// What a server is, all that watches it taken together.
impl Monitor {
    /// Whether all that watches a server lets it take work.
    fn is_up(&self, id: ServerId) -> bool {
        let Some(watched) = self.servers.get(id.0 as usize) else { return false };
        let probes = watched.check.iter().chain(&watched.agent);
        let followed = self.plan.servers().get(id.0 as usize).and_then(|s| s.watch.track);
        probes.into_iter().all(|checked| checked.health.is_up())
            && watched.ejected.until().is_none()
            && !self.is_lost(id)
            && !watched.held_down
            && followed.is_none_or(|leader| self.leads_up(leader))
    }

    /// Whether who follows this server is up by it.
    fn leads_up(&self, leader: ServerId) -> bool {
        match self.operational(leader) {
            Operational::Up | Operational::Stopping | Operational::Drain => true,
            Operational::Down | Operational::Maint => false,
        }
    }

    /// Brings the state in line with what watches the server and what is wanted of it; if that is a change, `turn` is
    /// why. A server that leaves maintenance is up until a check fails, and is checked at once.
    fn settle(&mut self, now: Instant, id: ServerId, turn: Turn) {
        let Some(state) = self.state.server(id) else { return };
        let admin = self.admin(id);
        match (state.admin, admin) {
            (AdminState::Maint, AdminState::Maint) => {}
            (_, AdminState::Maint) => self.stop_checks(id),
            (AdminState::Maint, _) => self.restart_checks(now, id),
            (AdminState::Ready | AdminState::Drain, AdminState::Ready | AdminState::Drain) => {}
        }
        let up = self.is_up(id);
        // What it is may change although the state does not: from wanting no work to being wanted to have none.
        let is_told = self.servers.get(id.0 as usize).is_some_and(|w| w.told == self.operational(id));
        if (state.admin, state.up) != (admin, up) || !is_told {
            self.change(now, id, turn, |state| {
                state.set_admin(id, admin);
                state.set_up(id, up)
            });
        }
    }

    /// Applies a change to the state, remembers it and tells about it, and to those who follow the server.
    fn change(&mut self, now: Instant, id: ServerId, turn: Turn, apply: impl FnOnce(&State) -> Usable) {
        let Some(backend) = self.plan.servers().get(id.0 as usize).map(|s| s.backend) else { return };
        let waiting = || self.state.waiting(id);
        let (before, lines) = (self.state.usable(backend), (waiting(), self.state.waiting_for_any(backend)));
        let usable = apply(&self.state);
        let requeued =
            lines.0.saturating_sub(waiting()) + lines.1.saturating_sub(self.state.waiting_for_any(backend));
        let (waiting, to) = (waiting(), self.operational(id));
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        let from = std::mem::replace(&mut watched.told, to);
        let followers = watched.followers.clone();
        watched.record.note(now, is_out(from), is_out(to));
        if let Some(record) = self.backends.get_mut(usize::from(backend.0)) {
            record.note(now, before == Usable::default(), usable == Usable::default());
        }
        self.shut_down(id, from, to, &turn);
        // One that was lost all along has a reason to be, now.
        let told = from != to || matches!(turn, Turn::Unresolved(_));
        let cause = Cause::of(&turn, &self.plan).filter(|_| told);
        if let Some((watched, cause)) = self.servers.get_mut(id.0 as usize).zip(cause) {
            watched.since = now;
            watched.history.push(Change { at: now, from, to, cause });
        }
        let backend_lost = before != Usable::default() && usable == Usable::default();
        let in_flight = self.state.in_flight(id);
        if self.events.len() == MOST_EVENTS {
            self.dropped_events += 1;
        } else {
            let queue = Queued { requeued, waiting };
            self.events.push_back(Event {
                at: now,
                server: id,
                turn,
                usable,
                backend_lost,
                in_flight,
                queue,
            });
        }
        for follower in followers {
            self.follow(now, follower, id);
        }
    }

    /// When backends last went up or down, and how often; by `BackendId`.
    pub fn backend_records(&self) -> Vec<Record> {
        self.backends.clone()
    }

    fn operational(&self, id: ServerId) -> Operational {
        match self.state.server(id) {
            None => Operational::Maint,
            Some(state) => match (state.admin, state.up) {
                (AdminState::Maint, _) => Operational::Maint,
                // HAProxy's words: maintenance, for want of an address.
                _ if self.is_lost(id) => Operational::Maint,
                (_, false) => Operational::Down,
                (AdminState::Drain, true) if self.ordered(id) == AdminState::Ready => Operational::Stopping,
                (AdminState::Drain, true) => Operational::Drain,
                (AdminState::Ready, true) => Operational::Up,
            },
        }
    }

    /// Where the probes of a server go. `None`: nobody knows where it is.
    fn probed_at(&self, id: ServerId, config: &CheckConfig) -> Option<Endpoint> {
        config.target(self.state.addresses().endpoint(id).as_deref())
    }

    fn config(&self, job: Job) -> Option<&CheckConfig> {
        let server = self.plan.servers().get(job.server.0 as usize)?;
        match job.probe {
            Probe::Check => server.check.as_ref(),
            Probe::Agent => server.watch.agent.as_ref(),
        }
    }

    fn checked_mut(&mut self, job: Job) -> Option<&mut Checked> {
        let watched = self.servers.get_mut(job.server.0 as usize)?;
        match job.probe {
            Probe::Check => watched.check.as_mut(),
            Probe::Agent => watched.agent.as_mut(),
        }
    }
}

/// Whether it is down, as the time counts that it has been.
fn is_out(operational: Operational) -> bool {
    match operational {
        Operational::Down | Operational::Maint => true,
        Operational::Up | Operational::Stopping | Operational::Drain => false,
    }
}

/// Events kept for a driver that does not ask. One that does never comes near: a check result makes one.
const MOST_EVENTS: usize = 4096;
