//! Servers that have a name: where they are found to be, and what becomes of those that are not.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Job, Monitor, Phase, Probe};
use crate::balance::Usable;
use crate::endpoint::Endpoint;
use crate::health::event::Turn;
use crate::names::Unresolved;
use crate::plan::{AdminState, ServerId};

impl Monitor {
    /// Moves a server to where its name is found to be, or takes it out of service because nobody knows where that is.
    /// One that is found again is up until a check fails, and is checked at once; one that has moved is checked there
    /// at once.
    pub fn handle_move(&mut self, now: Instant, id: ServerId, to: Result<SocketAddr, Unresolved>) {
        let before = self.state.addresses().endpoint(id);
        let is_new = self.state.addresses().set(id, to.ok().map(Endpoint::from));
        if let Some(watched) = self.servers.get_mut(id.0 as usize) {
            watched.unresolved = to.err();
        }
        match (before, to) {
            (_, Err(why)) => {
                self.stop_checks(id);
                let admin = self.admin(id);
                self.change(now, id, Turn::Unresolved(why), |state| {
                    state.set_admin(id, admin);
                    state.set_up(id, false)
                });
            }
            (None, Ok(_)) => {
                if !self.rests(id) {
                    self.restart_checks(now, id);
                }
                let up = self.is_up(id);
                self.change(now, id, Turn::Resolved, |state| state.set_up(id, up));
            }
            (Some(from), Ok(to)) if is_new => {
                self.check_anew(now, id);
                let turn = Turn::Moved((*from).clone(), to.into());
                let backend = self.plan.servers().get(id.0 as usize).map(|s| s.backend);
                self.change(now, id, turn, |state| backend.map_or_else(Usable::default, |b| state.usable(b)));
            }
            (Some(_), Ok(_)) => {}
        }
    }

    /// Checks a server at once, and does not wait for a check that is under way elsewhere.
    pub(super) fn check_anew(&mut self, now: Instant, id: ServerId) {
        let job = Job { server: id, probe: Probe::Check };
        let Some(phase) = self.checked_mut(job).map(|check| &mut check.phase) else { return };
        match *phase {
            Phase::Waiting { .. } => self.schedule(job, now),
            Phase::Running { since, .. } => *phase = Phase::Running { since, stale: true },
            Phase::Stopped => {}
        }
    }

    /// Whether nobody knows where a server is.
    pub(super) fn is_lost(&self, id: ServerId) -> bool {
        self.state.addresses().endpoint(id).is_none()
    }

    /// A server that is out of service or cannot be found is not checked.
    pub(super) fn rests(&self, id: ServerId) -> bool {
        self.is_lost(id) || self.state.server(id).is_none_or(|s| s.admin == AdminState::Maint)
    }
}
