//! What is wanted of a server, whatever its probes find: by operators, by the server it follows, and by itself.

use std::time::Instant;

use super::Monitor;
use crate::health::event::{Turn, Via};
use crate::health::history::Operational;
use crate::plan::{AdminState, ServerId};

/// What is wanted of one server. The strictest holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes {
    /// By operators, or its agent in their place.
    pub(super) own: AdminState,
    /// What becomes of it by the server it follows.
    via: AdminState,
    /// It wants no new work, and has its checks say so (HAProxy: `disable-on-404`); or the server it follows does.
    stopping: bool,
}

impl Wishes {
    /// Only this, of its own.
    pub(super) fn of(own: AdminState) -> Self {
        Self { own, ..Self::default() }
    }
}

impl Monitor {
    /// Carries out what an operator wants of a server.
    pub fn handle_admin(&mut self, now: Instant, id: ServerId, admin: AdminState) {
        let Some(before) = self.state.server(id).map(|s| s.admin) else { return };
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        watched.wishes.own = admin;
        let turn = match self.ordered(id) {
            AdminState::Ready => Turn::Ready(before),
            AdminState::Drain => Turn::Drain,
            AdminState::Maint => Turn::Maint,
        };
        self.settle(now, id, turn);
    }

    /// A server follows another, which has changed.
    pub(super) fn follow(&mut self, now: Instant, id: ServerId, leader: ServerId) {
        let before = (self.ordered(id), self.is_stopping(id));
        self.inherit(id, leader);
        let how = match (before.0, self.ordered(id)) {
            (AdminState::Ready, AdminState::Ready)
            | (AdminState::Drain, AdminState::Drain)
            | (AdminState::Maint, AdminState::Maint) => {
                if self.is_stopping(id) && !before.1 {
                    Via::Stopping
                } else if self.leads_up(leader) {
                    Via::Up
                } else {
                    Via::Down
                }
            }
            (before, AdminState::Ready) => Via::Ready(before),
            (_, AdminState::Drain) => Via::Drain,
            (_, AdminState::Maint) => Via::Maint,
        };
        self.settle(now, id, Turn::Via(leader, how));
    }

    /// Takes over what becomes of a server by the one it follows.
    pub(super) fn inherit(&mut self, id: ServerId, leader: ServerId) {
        let is_out = self.operational(leader) == Operational::Maint;
        let via = if is_out { AdminState::Maint } else { self.ordered(leader) };
        let stopping = self.is_stopping(leader);
        if let Some(watched) = self.servers.get_mut(id.0 as usize) {
            watched.wishes = Wishes { via, stopping, ..watched.wishes };
        }
    }

    /// What operators want of a server, or of the one it follows.
    pub(super) fn ordered(&self, id: ServerId) -> AdminState {
        let wishes = self.servers.get(id.0 as usize).map(|w| w.wishes).unwrap_or_default();
        wishes.own.max(wishes.via)
    }

    /// All wishes together.
    pub(super) fn admin(&self, id: ServerId) -> AdminState {
        let stopping = if self.is_stopping(id) { AdminState::Drain } else { AdminState::Ready };
        self.ordered(id).max(stopping)
    }

    pub(super) fn is_stopping(&self, id: ServerId) -> bool {
        self.servers.get(id.0 as usize).is_some_and(|w| w.wishes.stopping)
    }

    /// Whether a server wants no new work, as its last check says.
    pub(super) fn note_stopping(&mut self, id: ServerId, stopping: bool) {
        if let Some(watched) = self.servers.get_mut(id.0 as usize) {
            watched.wishes.stopping = stopping;
        }
    }

    /// The server by which this one is out of service, if it would not be by itself.
    pub(super) fn rests_via(&self, id: ServerId) -> Option<ServerId> {
        let wishes = self.servers.get(id.0 as usize)?.wishes;
        let by_other = wishes.via == AdminState::Maint && wishes.own != AdminState::Maint;
        self.plan.servers().get(id.0 as usize)?.watch.track.filter(|_| by_other)
    }
}
