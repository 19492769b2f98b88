//! A server's coming in, as the plan has it and as an earlier life knew it, and what a later life needs to know.

use std::time::Instant;

use super::eject::Ejected;
use super::wishes::Wishes;
use super::{Checked, Job, Monitor, Phase, Probe, Record, Watched};
use crate::health::history::{Change, History, Operational};
use crate::health::machine::Health;
use crate::health::schedule::first_delay;
use crate::health::snapshot::{HealthSnapshot, InheritedChange, InheritedHealth, InheritedServer, Override};
use crate::plan::{AdminState, CheckConfig, Server, ServerAddr, ServerId};

impl Monitor {
    /// What a later life needs to go on from here.
    pub fn snapshot(&self, now: Instant) -> HealthSnapshot {
        let watched = (0..).map(ServerId).zip(&self.servers).zip(self.plan.servers());
        let servers = watched.filter_map(|((id, watched), server)| self.remember(now, id, watched, server));
        HealthSnapshot { servers: servers.collect() }
    }

    pub(super) fn admit_all(&mut self, now: Instant, inherited: Option<&HealthSnapshot>) {
        let plan = std::sync::Arc::clone(&self.plan);
        let probes = |s: &Server| usize::from(s.check.is_some()) + usize::from(s.watch.agent.is_some());
        let count = plan.servers().iter().map(probes).sum();
        let mut position = 0;
        for (id, server) in (0..).map(ServerId).zip(plan.servers()) {
            let known = inherited.and_then(|snapshot| snapshot.find(&plan, server));
            self.admit(now, id, server, known, (position, count));
            position += probes(server);
        }
        for (id, server) in (0..).map(ServerId).zip(plan.servers()) {
            if let Some(leader) = server.watch.track.and_then(|l| self.servers.get_mut(l.0 as usize)) {
                leader.followers.push(id);
            }
        }
        // Leaders may come after those who follow them.
        for _ in plan.servers().iter().filter(|s| s.watch.track.is_some()) {
            for (id, server) in (0..).map(ServerId).zip(plan.servers()) {
                if let Some(leader) = server.watch.track {
                    self.inherit(id, leader);
                    self.state.set_admin(id, self.admin(id));
                    self.state.set_up(id, self.is_up(id));
                }
            }
        }
        for id in (0..plan.servers().len()).filter_map(|id| u32::try_from(id).ok()).map(ServerId) {
            let told = self.operational(id);
            if let Some(watched) = self.servers.get_mut(id.0 as usize) {
                watched.told = told;
            }
        }
    }

    /// `place`: how many probes come before its own, of how many.
    fn admit(
        &mut self,
        now: Instant,
        id: ServerId,
        server: &Server,
        known: Option<&InheritedServer>,
        place: (usize, usize),
    ) {
        let admin = known.map_or(server.admin, |k| k.admin.merged(server.admin));
        self.state.set_admin(id, admin);
        self.state.set_weight(id, known.map_or(server.weight, |k| k.weight.merged(server.weight)));
        let maxconn = known.map_or(server.limits.maxconn, |k| k.maxconn.merged(server.limits.maxconn));
        self.state.set_maxconn(id, maxconn);
        self.servers.push(Watched::new(now, server, admin, known));
        match &server.addr {
            ServerAddr::Named(name) => {
                let last = known.and_then(|k| k.address.clone());
                self.state.addresses().set(id, name.begins_at(last));
            }
            ServerAddr::Fixed(configured) => {
                let sent = known.and_then(|k| k.overruled.sent.as_ref());
                if let Some((_, to)) = sent.filter(|(from, _)| from == configured) {
                    self.state.addresses().set(id, Some(to.clone()));
                }
            }
        }
        let known_overruled = known.map(|k| k.overruled.clone()).unwrap_or_default();
        let (mut position, count) = place;
        if let Some(config) = &server.check {
            let known = self.resumable(id, config, known.and_then(|k| k.health.as_ref()));
            let mut check = Checked::new(config, known);
            // One whose name is being looked up is awaited: there will be a check, or no address.
            check.muted = known_overruled.unchecked;
            check.awaited &= admin != AdminState::Maint && !check.muted;
            self.unchecked += usize::from(check.awaited);
            if let Some(watched) = self.servers.last_mut() {
                watched.check = Some(check);
            }
            self.note_stopping(id, known.is_some_and(|k| k.stopping));
            self.state.set_admin(id, self.admin(id));
            if !self.rests(id) {
                let job = Job { server: id, probe: Probe::Check };
                self.schedule(job, now + first_delay(config, position, count));
            }
            position += 1;
        }
        if let Some(config) = &server.watch.agent {
            let known = self.resumable(id, config, known.and_then(|k| k.agent.as_ref()));
            if let Some(watched) = self.servers.last_mut() {
                let muted = known_overruled.unasked;
                watched.agent = Some(Checked { awaited: false, muted, ..Checked::new(config, known) });
            }
            let job = Job { server: id, probe: Probe::Agent };
            self.schedule(job, now + first_delay(config, position, count));
        }
        let up = self.is_up(id);
        self.state.set_up(id, up);
        if let Some(ejection) = server.watch.ejection {
            self.timers.insert((now + ejection.interval, id));
        }
        if let Some(until) = self.servers.last().and_then(|w| w.ejected.until()) {
            self.timers.insert((until, id));
        }
    }

    /// What was found where the server is still probed.
    fn resumable<'k>(
        &self,
        id: ServerId,
        config: &CheckConfig,
        known: Option<&'k InheritedHealth>,
    ) -> Option<&'k InheritedHealth> {
        let probed = self.probed_at(id, config);
        known.filter(|h| h.checked.is_some() && h.checked == probed)
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
        let found = |(checked, config): (&Checked, &CheckConfig), stopping| InheritedHealth {
            checked: self.probed_at(id, config),
            counter: checked.health.value(),
            rise: checked.health.rise(),
            fall: checked.health.fall(),
            last: checked.last.clone(),
            stopping,
        };
        let (check, agent) = (watched.check.as_ref().zip(server.check.as_ref()), watched.agent.as_ref());
        let change = |change: &Change| InheritedChange {
            ago: now.saturating_duration_since(change.at),
            from: change.from,
            to: change.to,
            cause: change.cause.clone(),
        };
        Some(InheritedServer {
            backend: backend.name.clone(),
            server: server.name.clone(),
            health: check.map(|check| found(check, self.is_stopping(id))),
            agent: agent.zip(server.watch.agent.as_ref()).map(|agent| found(agent, false)),
            admin: Override { configured: server.admin, in_force: watched.wishes.own },
            weight: Override { configured: server.weight, in_force: state.weight },
            maxconn: Override { configured: server.limits.maxconn, in_force: state.maxconn },
            ejected: watched.ejected.remember(now),
            overruled: self.overruled(id, watched, server),
            address: self.state.addresses().endpoint(id).map(|at| (*at).clone()),
            since_change: now.saturating_duration_since(watched.since),
            history: watched.history.iter().map(change).collect(),
        })
    }
}

impl Watched {
    fn new(now: Instant, server: &Server, own: AdminState, known: Option<&InheritedServer>) -> Self {
        let mut history = History::default();
        for InheritedChange { ago, from, to, cause } in known.map(|k| &k.history).into_iter().flatten() {
            if let Some(at) = now.checked_sub(*ago) {
                history.push(Change { at, from: *from, to: *to, cause: cause.clone() });
            }
        }
        // Whoever is not to be ejected any more is not kept out by it either.
        let ejected = known.map(|k| k.ejected).filter(|_| server.watch.ejection.is_some());
        Self {
            check: None,
            agent: None,
            ejected: ejected.map_or_else(Ejected::default, |known| Ejected::resume(known, now)),
            unresolved: None,
            wishes: Wishes::of(own),
            told: Operational::Up,
            followers: Vec::new(),
            history,
            since: known.and_then(|k| now.checked_sub(k.since_change)).unwrap_or(now),
            record: Record::new(now),
            held_down: known.is_some_and(|k| k.overruled.held_down) && server.check.is_none(),
        }
    }
}

impl Checked {
    fn new(config: &CheckConfig, known: Option<&InheritedHealth>) -> Self {
        let fresh = || Health::begin(config.init, config.rise, config.fall);
        let health = known.map_or_else(fresh, |k| k.resume(config.rise, config.fall));
        let last = known.and_then(|k| k.last.clone());
        Self {
            awaited: last.is_none(),
            health,
            last,
            phase: Phase::Stopped,
            rounds: 0,
            failed: 0,
            muted: false,
        }
    }
}
