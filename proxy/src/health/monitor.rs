//! All servers together: which check is due, what its result changes, and who is to be told.
//!
//! The monitor has no clock and no sockets. Its driver asks [`Monitor::poll_timeout`] how long it may sleep, starts the
//! checks that [`Monitor::poll_check`] names, brings their results to [`Monitor::handle_result`] and passes on what
//! [`Monitor::poll_event`] returns. It is the only one to change the [`State`] that data threads balance by.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::event::{Event, ServerReport, Turn};
use super::history::{Change, History, Operational};
use super::machine::{Crossing, Health};
use super::result::{CheckResult, Verdict};
use super::schedule::{Random, first_delay, interval, second_delay};
use super::snapshot::{HealthSnapshot, InheritedHealth, InheritedServer, Override};
use crate::balance::{State, Usable};
use crate::endpoint::Endpoint;
use crate::plan::{AdminState, CheckConfig, Plan, Server, ServerId};

/// Health of all servers of a plan.
#[derive(Debug)]
pub struct Monitor {
    plan: Arc<Plan>,
    state: Arc<State>,
    /// By [`ServerId`].
    servers: Vec<Watched>,
    /// Checks to be made, by time.
    queue: BTreeSet<(Instant, ServerId)>,
    /// Checked servers that have no result yet.
    unchecked: usize,
    random: Random,
    events: VecDeque<Event>,
    dropped_events: u64,
}

/// One server.
#[derive(Debug)]
struct Watched {
    check: Option<Checked>,
    history: History,
    /// When what it is began.
    since: Instant,
}

/// Checks of one server.
#[derive(Debug)]
struct Checked {
    health: Health,
    last: Option<CheckResult>,
    phase: Phase,
    /// How many checks have ended.
    rounds: u64,
    /// Whether `unchecked` still counts it.
    awaited: bool,
}

/// What is going on with a server's checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next one is in the queue.
    Waiting { due: Instant },
    /// One is being made. `stale`: maintenance came in between, so it says nothing any more.
    Running { since: Instant, stale: bool },
    /// None is made: maintenance.
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
            plan: Arc::clone(&plan),
            state,
            queue: BTreeSet::new(),
            unchecked: 0,
            random: Random::new(seed),
            events: VecDeque::new(),
            dropped_events: 0,
        };
        let count = plan.servers().iter().filter(|s| s.check.is_some()).count();
        let mut position = 0;
        for (id, server) in (0..).map(ServerId).zip(plan.servers()) {
            let known = inherited.and_then(|snapshot| snapshot.find(&plan, server));
            let delay = server.check.as_ref().map(|config| first_delay(config, position, count));
            position += usize::from(delay.is_some());
            monitor.admit(now, id, server, known, delay.map(|d| now + d));
        }
        monitor
    }

    /// When the driver has to come back; `None`: only when something happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// The next server to check, if one is due. Its result is awaited by [`Self::handle_result`].
    pub fn poll_check(&mut self, now: Instant) -> Option<ServerId> {
        let &(due, id) = self.queue.first()?;
        if due > now {
            return None;
        }
        self.queue.pop_first();
        let check = self.check_mut(id)?;
        check.phase = Phase::Running { since: now, stale: false };
        Some(id)
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes the result of a check into account and schedules the next one.
    pub fn handle_result(&mut self, now: Instant, id: ServerId, result: CheckResult) {
        let Some(config) = self.config(id).cloned() else { return };
        let Some(check) = self.check_mut(id) else { return };
        let Phase::Running { since, stale } = check.phase else { return };
        if stale {
            self.after_stale(now, id);
            return;
        }
        let crossing = match result.status.verdict() {
            Verdict::Pass => check.health.observe(true),
            Verdict::Fail => check.health.observe(false),
            Verdict::Inconclusive => None,
        };
        check.last = Some(result.clone());
        check.rounds += 1;
        let (standing, rounds) = (check.health.standing(), check.rounds);
        if std::mem::take(&mut check.awaited) {
            self.unchecked -= 1;
        }
        let regular = interval(&config, standing);
        let delay = if rounds == 1 { second_delay(regular, &mut self.random) } else { regular };
        self.schedule(id, (since + delay).max(now));
        match crossing {
            Some(Crossing::Down) => self.cross(now, id, false, Turn::Down(result)),
            Some(Crossing::Up) => self.cross(now, id, true, Turn::Up(result)),
            None => {}
        }
    }

    /// Carries out what an operator wants of a server. A server that leaves maintenance is up until a check fails,
    /// and is checked at once.
    pub fn handle_admin(&mut self, now: Instant, id: ServerId, admin: AdminState) {
        let Some(before) = self.state.server(id).map(|s| s.admin) else { return };
        if before == admin {
            return;
        }
        let turn = match admin {
            AdminState::Ready => Turn::Ready(before),
            AdminState::Drain => Turn::Drain,
            AdminState::Maint => Turn::Maint,
        };
        self.change(now, id, turn, None, |state| state.set_admin(id, admin));
        match (before, admin) {
            (_, AdminState::Maint) => self.stop_checks(id),
            (AdminState::Maint, _) => self.restart_checks(now, id),
            (AdminState::Ready | AdminState::Drain, AdminState::Ready | AdminState::Drain) => {}
        }
    }

    /// Changes a server's weight, 0–256.
    pub fn handle_weight(&mut self, now: Instant, id: ServerId, weight: u16) {
        if self.state.server(id).is_some_and(|s| s.weight != weight) {
            self.change(now, id, Turn::Weight(weight), None, |state| state.set_weight(id, weight));
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

    /// What to do to check a server, and where.
    pub fn target(&self, id: ServerId) -> Option<(&CheckConfig, Endpoint)> {
        let server = self.plan.servers().get(id.0 as usize)?;
        let config = server.check.as_ref()?;
        Some((config, self.checked_at(id, config)?))
    }

    /// What is known of each server, by [`ServerId`].
    pub fn report(&self) -> Vec<ServerReport> {
        let of = |(id, watched): (ServerId, &Watched)| ServerReport {
            server: id,
            operational: self.operational(id),
            since: watched.since,
            health: watched.check.as_ref().map(|c| c.health),
            last: watched.check.as_ref().and_then(|c| c.last.clone()),
            history: watched.history.iter().cloned().collect(),
        };
        (0..).map(ServerId).zip(&self.servers).map(of).collect()
    }

    /// What a later life needs to go on from here.
    pub fn snapshot(&self, now: Instant) -> HealthSnapshot {
        let watched = (0..).map(ServerId).zip(&self.servers).zip(self.plan.servers());
        let servers = watched.filter_map(|((id, watched), server)| self.remember(now, id, watched, server));
        HealthSnapshot { servers: servers.collect() }
    }
}

/// One server's coming in.
impl Monitor {
    fn admit(
        &mut self,
        now: Instant,
        id: ServerId,
        server: &Server,
        known: Option<&InheritedServer>,
        first_check: Option<Instant>,
    ) {
        let admin = known.map_or(server.admin, |k| k.admin.merged(server.admin));
        self.state.set_admin(id, admin);
        self.state.set_weight(id, known.map_or(server.weight, |k| k.weight.merged(server.weight)));
        let since = known.and_then(|k| now.checked_sub(k.since_change)).unwrap_or(now);
        self.servers.push(Watched { check: None, history: History::default(), since });
        let (Some(config), Some(due)) = (&server.check, first_check) else { return };
        let checked = self.checked_at(id, config);
        let known =
            known.and_then(|k| k.health.as_ref()).filter(|h| h.checked.is_some() && h.checked == checked);
        let mut check = Checked::new(config, known);
        self.state.set_up(id, check.health.is_up());
        let stopped = admin == AdminState::Maint;
        check.awaited &= !stopped;
        self.unchecked += usize::from(check.awaited);
        if let Some(watched) = self.servers.last_mut() {
            watched.check = Some(check);
        }
        if !stopped {
            self.schedule(id, due);
        }
    }

    /// Where the checks of a server go. `None`: nobody knows where it is.
    fn checked_at(&self, id: ServerId, config: &CheckConfig) -> Option<Endpoint> {
        config.target(self.state.addresses().endpoint(id).as_deref())
    }

    fn remember(
        &self,
        now: Instant,
        id: ServerId,
        watched: &Watched,
        server: &Server,
    ) -> Option<InheritedServer> {
        let state = self.state.server(id)?;
        let backend = self.plan.backends().get(usize::from(server.backend.0))?;
        let health =
            watched.check.as_ref().zip(server.check.as_ref()).map(|(check, config)| InheritedHealth {
                checked: self.checked_at(id, config),
                counter: check.health.value(),
                rise: check.health.rise(),
                fall: check.health.fall(),
                last: check.last.clone(),
            });
        Some(InheritedServer {
            backend: backend.name.clone(),
            server: server.name.clone(),
            health,
            admin: Override { configured: server.admin, in_force: state.admin },
            weight: Override { configured: server.weight, in_force: state.weight },
            since_change: now.saturating_duration_since(watched.since),
        })
    }
}

/// Checks and changes of one server.
impl Monitor {
    fn schedule(&mut self, id: ServerId, due: Instant) {
        let Some(check) = self.servers.get_mut(id.0 as usize).and_then(|w| w.check.as_mut()) else { return };
        if let Phase::Waiting { due: earlier } = check.phase {
            self.queue.remove(&(earlier, id));
        }
        check.phase = Phase::Waiting { due };
        self.queue.insert((due, id));
    }

    fn stop_checks(&mut self, id: ServerId) {
        let Some(check) = self.servers.get_mut(id.0 as usize).and_then(|w| w.check.as_mut()) else { return };
        check.phase = match check.phase {
            Phase::Waiting { due } => {
                self.queue.remove(&(due, id));
                Phase::Stopped
            }
            Phase::Running { since, .. } => Phase::Running { since, stale: true },
            Phase::Stopped => Phase::Stopped,
        };
        // Nobody waits for the first check of a server that gets none.
        self.unchecked -= usize::from(std::mem::take(&mut check.awaited));
    }

    fn restart_checks(&mut self, now: Instant, id: ServerId) {
        let Some(config) = self.config(id).cloned() else { return };
        let Some(check) = self.check_mut(id) else { return };
        check.health = Health::boot(config.rise, config.fall);
        if check.phase == Phase::Stopped {
            self.schedule(id, now);
        }
    }

    /// A check that was overtaken by maintenance has ended. If maintenance is over again, a new one is due.
    fn after_stale(&mut self, now: Instant, id: ServerId) {
        if self.state.server(id).is_some_and(|s| s.admin != AdminState::Maint) {
            self.schedule(id, now);
        } else if let Some(check) = self.check_mut(id) {
            check.phase = Phase::Stopped;
        }
    }

    fn cross(&mut self, now: Instant, id: ServerId, up: bool, turn: Turn) {
        let result = match &turn {
            Turn::Down(result) | Turn::Up(result) => Some(result.clone()),
            Turn::Maint | Turn::Drain | Turn::Ready(_) | Turn::Weight(_) => None,
        };
        self.change(now, id, turn, result, |state| state.set_up(id, up));
    }

    /// Applies a change to the state, remembers it and tells about it.
    fn change(
        &mut self,
        now: Instant,
        id: ServerId,
        turn: Turn,
        check: Option<CheckResult>,
        apply: impl FnOnce(&State) -> Usable,
    ) {
        let Some(backend) = self.plan.servers().get(id.0 as usize).map(|s| s.backend) else { return };
        let (from, before) = (self.operational(id), self.state.usable(backend));
        let usable = apply(&self.state);
        let to = self.operational(id);
        if let Some(watched) = self.servers.get_mut(id.0 as usize).filter(|_| from != to) {
            watched.since = now;
            watched.history.push(Change { at: now, from, to, check });
        }
        let backend_lost = before != Usable::default() && usable == Usable::default();
        let in_flight = self.state.in_flight(id);
        if self.events.len() == MOST_EVENTS {
            self.dropped_events += 1;
        } else {
            self.events.push_back(Event { at: now, server: id, turn, usable, backend_lost, in_flight });
        }
    }

    fn operational(&self, id: ServerId) -> Operational {
        match self.state.server(id) {
            None => Operational::Maint,
            Some(state) => match (state.admin, state.up) {
                (AdminState::Maint, _) => Operational::Maint,
                (_, false) => Operational::Down,
                (AdminState::Drain, true) => Operational::Drain,
                (AdminState::Ready, true) => Operational::Up,
            },
        }
    }

    fn config(&self, id: ServerId) -> Option<&CheckConfig> {
        self.plan.servers().get(id.0 as usize)?.check.as_ref()
    }

    fn check_mut(&mut self, id: ServerId) -> Option<&mut Checked> {
        self.servers.get_mut(id.0 as usize)?.check.as_mut()
    }
}

impl Checked {
    fn new(config: &CheckConfig, known: Option<&InheritedHealth>) -> Self {
        let health = known
            .map_or_else(|| Health::boot(config.rise, config.fall), |k| k.resume(config.rise, config.fall));
        let last = known.and_then(|k| k.last.clone());
        Self { awaited: last.is_none(), health, last, phase: Phase::Stopped, rounds: 0 }
    }
}

/// Events kept for a driver that does not ask. One that does never comes near: a check result makes one.
const MOST_EVENTS: usize = 4096;

#[cfg(test)]
mod tests;
