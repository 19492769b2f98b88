//! A server's coming in, as the plan has it and as an earlier life knew it, and what a later life needs to know.

use std::time::Instant;

use super::eject::Ejected;
use super::{Checked, Job, Monitor, Phase, Probe, Watched};
use crate::health::history::History;
use crate::health::machine::Health;
use crate::health::schedule::first_delay;
use crate::health::snapshot::{HealthSnapshot, InheritedHealth, InheritedServer, Override};
use crate::plan::{AdminState, CheckConfig, Server, ServerId};

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
                if server.watch.track.is_some() {
                    let up = self.is_up(id);
                    self.state.set_up(id, up);
                }
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
        let since = known.and_then(|k| now.checked_sub(k.since_change)).unwrap_or(now);
        self.servers.push(Watched {
            check: None,
            agent: None,
            ejected: Ejected::default(),
            followers: Vec::new(),
            history: History::default(),
            since,
        });
        let (mut position, count) = place;
        if let Some(config) = &server.check {
            let probed = self.probed_at(id, config);
            let known =
                known.and_then(|k| k.health.as_ref()).filter(|h| h.checked.is_some() && h.checked == probed);
            let mut check = Checked::new(config, known);
            let stopped = admin == AdminState::Maint;
            check.awaited &= !stopped;
            self.unchecked += usize::from(check.awaited);
            if let Some(watched) = self.servers.last_mut() {
                watched.check = Some(check);
            }
            if !stopped {
                let job = Job { server: id, probe: Probe::Check };
                self.schedule(job, now + first_delay(config, position, count));
            }
            position += 1;
        }
        if let Some(config) = &server.watch.agent {
            if let Some(watched) = self.servers.last_mut() {
                watched.agent = Some(Checked { awaited: false, ..Checked::new(config, None) });
            }
            let job = Job { server: id, probe: Probe::Agent };
            self.schedule(job, now + first_delay(config, position, count));
        }
        let up = self.is_up(id);
        self.state.set_up(id, up);
        if let Some(ejection) = server.watch.ejection {
            self.timers.insert((now + ejection.interval, id));
        }
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
                checked: self.probed_at(id, config),
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

impl Checked {
    fn new(config: &CheckConfig, known: Option<&InheritedHealth>) -> Self {
        let fresh = || Health::begin(config.init, config.rise, config.fall);
        let health = known.map_or_else(fresh, |k| k.resume(config.rise, config.fall));
        let last = known.and_then(|k| k.last.clone());
        Self { awaited: last.is_none(), health, last, phase: Phase::Stopped, rounds: 0 }
    }
}
