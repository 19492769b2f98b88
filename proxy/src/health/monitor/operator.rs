//! What operators do to a server besides wishing: they overrule what watches it, or send it elsewhere.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Checked, Job, Monitor, Phase, Probe, Watched};
use crate::endpoint::Endpoint;
use crate::health::event::Turn;
use crate::health::machine::Health;
use crate::health::result::{CheckResult, CheckStatus};
use crate::health::snapshot::Overruled;
use crate::plan::{Server, ServerId};

/// What an operator says of a server's health. Its next check may say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// It works.
    Up,
    /// It works, but wants no new work.
    Stopping,
    /// It does not work.
    Down,
}

/// What can be told to be quiet.
pub type Mutable = Probe;

impl Monitor {
    /// Takes an operator's word for what checks would find. `false`: the server follows another one.
    pub fn handle_forced(&mut self, now: Instant, id: ServerId, to: Forced) -> bool {
        let Some(server) = self.plan.servers().get(id.0 as usize) else { return false };
        if server.watch.track.is_some() {
            return false;
        }
        let job = Job { server: id, probe: Probe::Check };
        let checked = self.force(job, to != Forced::Down);
        self.note_stopping(id, to == Forced::Stopping);
        if let Some(watched) = self.servers.get_mut(id.0 as usize) {
            watched.held_down = !checked && to == Forced::Down;
        }
        self.settle(now, id, by_operator(to));
        true
    }

    /// Takes an operator's word for what the agent would say. `false`: there is no agent.
    pub fn handle_forced_agent(&mut self, now: Instant, id: ServerId, up: bool) -> bool {
        if !self.force(Job { server: id, probe: Probe::Agent }, up) {
            return false;
        }
        self.settle(now, id, by_operator(if up { Forced::Up } else { Forced::Down }));
        true
    }

    /// Has a server not be probed, or be probed again; what is known of it stays. `false`: there is no such probe.
    pub fn handle_mute(&mut self, now: Instant, id: ServerId, probe: Mutable, muted: bool) -> bool {
        let job = Job { server: id, probe };
        let rests = probe == Probe::Check && self.rests(id);
        let Some(backend) = self.plan.servers().get(id.0 as usize).map(|s| s.backend) else { return false };
        let Some(checked) = self.checked_mut(job) else { return false };
        let before = std::mem::replace(&mut checked.muted, muted);
        match (checked.phase, muted) {
            (Phase::Waiting { due }, true) => {
                checked.phase = Phase::Stopped;
                self.queue.remove(&(due, job));
            }
            (Phase::Stopped, false) if before && !rests => self.schedule(job, now),
            (Phase::Waiting { .. } | Phase::Running { .. } | Phase::Stopped, _) => {}
        }
        // Nobody waits for the first check of a server that gets none.
        let awaited = muted && self.checked_mut(job).is_some_and(|c| std::mem::take(&mut c.awaited));
        self.unchecked -= usize::from(awaited);
        // A later life has to know.
        self.change(now, id, Turn::Muted, |state| state.usable(backend));
        true
    }

    /// Whether a server is not probed because an operator wants it so.
    pub fn is_muted(&self, id: ServerId, probe: Mutable) -> bool {
        let watched = self.servers.get(id.0 as usize);
        let checked = watched.and_then(|w| match probe {
            Probe::Check => w.check.as_ref(),
            Probe::Agent => w.agent.as_ref(),
        });
        checked.is_some_and(|c| c.muted)
    }

    /// Sends what comes for a server to another address, where it is checked at once. A name that is looked up has the
    /// last word.
    pub fn handle_readdress(&mut self, now: Instant, id: ServerId, to: SocketAddr) {
        let Some(backend) = self.plan.servers().get(id.0 as usize).map(|s| s.backend) else { return };
        let Some(from) = self.state.addresses().endpoint(id) else { return };
        let to = Endpoint::from(to);
        if self.state.addresses().set(id, Some(to.clone())) {
            self.check_anew(now, id);
            let turn = Turn::Readdressed((*from).clone(), to);
            self.change(now, id, turn, |state| state.usable(backend));
        }
    }

    /// What a later life has to know.
    pub(super) fn overruled(&self, id: ServerId, watched: &Watched, server: &Server) -> Overruled {
        let muted = |probed: &Option<Checked>| probed.as_ref().is_some_and(|c| c.muted);
        let now = self.state.addresses().endpoint(id);
        let sent = server.addr.fixed().zip(now).filter(|(from, to)| *from != &**to);
        Overruled {
            unchecked: muted(&watched.check),
            unasked: muted(&watched.agent),
            held_down: watched.held_down,
            sent: sent.map(|(from, to)| (from.clone(), (*to).clone())),
        }
    }

    fn force(&mut self, job: Job, up: bool) -> bool {
        let Some(checked) = self.checked_mut(job) else { return false };
        let (rise, fall) = (checked.health.rise(), checked.health.fall());
        checked.health = Health::restore(if up { u32::MAX } else { 0 }, rise, fall);
        true
    }
}

fn by_operator(to: Forced) -> Turn {
    let result = CheckResult::new(CheckStatus::Unknown).with_info(b"changed from CLI");
    match to {
        Forced::Up => Turn::Up(result),
        Forced::Stopping => Turn::Stopping(result),
        Forced::Down => Turn::Down(result),
    }
}
