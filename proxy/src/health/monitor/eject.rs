//! Ejection of outliers: a server whose checks pass but whose requests fail is taken out for a while.
//!
//! Two signs take it out: failures in a row, and the share of failures in an interval. It comes back by itself; each
//! ejection that follows soon lasts longer, and an interval without one makes the next shorter again. Never more than
//! a share of a backend is out, and never its last usable server.

use std::fmt;
use std::time::Instant;

use super::Monitor;
use crate::health::event::Turn;
use crate::health::snapshot::InheritedEjection;
use crate::plan::{AdminState, Ejection, ServerId};

/// Ejections of one server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ejected {
    until: Option<Instant>,
    /// Ejections that still make the next one longer.
    recent: u32,
    /// When its failures are next counted.
    review: Option<Instant>,
}

/// Why a server is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EjectedFor {
    /// So many failures in a row.
    Streak(u32),
    /// So many failures, of so many requests.
    Rate(u32, u32),
}

impl fmt::Display for EjectedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streak(streak) => write!(f, "{streak} consecutive errors"),
            Self::Rate(failures, requests) => write!(f, "{failures} of {requests} requests failed"),
        }
    }
}

impl Ejected {
    /// As an earlier life knew it.
    pub(super) fn resume(known: InheritedEjection, now: Instant) -> Self {
        Self { until: known.left.map(|left| now + left), recent: known.recent, review: None }
    }

    /// For a later life.
    pub(super) fn remember(&self, now: Instant) -> InheritedEjection {
        let left = self.until.map(|until| until.saturating_duration_since(now));
        InheritedEjection { left, recent: self.recent }
    }

    /// Until when it is out.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }
}

impl Monitor {
    pub(super) fn handle_streak(&mut self, now: Instant, id: ServerId, streak: u32) {
        if let Some(ejection) = self.ejection(id) {
            self.eject(now, id, ejection, EjectedFor::Streak(streak));
        }
    }

    /// An ejection ends, or an interval does.
    pub(super) fn handle_timer(&mut self, now: Instant, id: ServerId) {
        let Some(ejection) = self.ejection(id) else { return };
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        if watched.ejected.until.is_some_and(|until| until <= now) {
            watched.ejected.until = None;
            // What is counted from here on is of the server that is back.
            watched.ejected.review = Some(now + ejection.interval);
            self.timers.insert((now + ejection.interval, id));
            self.state.observations().take_counts(id);
            self.settle(now, id, Turn::Readmitted);
        }
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        if watched.ejected.review.is_none_or(|review| review <= now) {
            let review = now + ejection.interval;
            watched.ejected.review = Some(review);
            self.timers.insert((review, id));
            self.review(now, id, ejection);
        }
    }

    fn review(&mut self, now: Instant, id: ServerId, ejection: Ejection) {
        let (requests, failures) = self.state.observations().take_counts(id);
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        if watched.ejected.until.is_some() {
            return;
        }
        let too_many = ejection.failure_percent.is_some_and(|percent| {
            requests >= ejection.min_requests.max(1)
                && u64::from(failures) * 100 >= u64::from(requests) * u64::from(percent)
        });
        if too_many {
            self.eject(now, id, ejection, EjectedFor::Rate(failures, requests));
        } else {
            watched.ejected.recent = watched.ejected.recent.saturating_sub(1);
        }
    }

    fn eject(&mut self, now: Instant, id: ServerId, ejection: Ejection, why: EjectedFor) {
        let usable = self.state.server(id).is_some_and(|s| s.is_usable());
        if !usable || !self.may_eject(id, ejection) {
            return;
        }
        let Some(watched) = self.servers.get_mut(id.0 as usize) else { return };
        watched.ejected.recent = watched.ejected.recent.saturating_add(1);
        let time =
            ejection.time.saturating_mul(watched.ejected.recent).min(ejection.max_time.max(ejection.time));
        let until = now + time;
        watched.ejected.until = Some(until);
        self.timers.insert((until, id));
        self.settle(now, id, Turn::Ejected(why, time));
    }

    /// Whether one more of the backend's servers may be out: within the share, or the first, and not the last usable.
    fn may_eject(&self, id: ServerId, ejection: Ejection) -> bool {
        let Some(backend) = self.plan.servers().get(id.0 as usize).map(|s| s.backend) else { return false };
        let Some(group) = self.plan.backends().get(usize::from(backend.0)) else { return false };
        let of_backend = || group.servers.clone().map(ServerId);
        let is_out =
            |id: &ServerId| self.servers.get(id.0 as usize).is_some_and(|w| w.ejected.until.is_some());
        let others = of_backend().filter(|other| *other != id);
        let remaining = others.filter(|o| self.state.server(*o).is_some_and(|s| s.is_usable())).count();
        let out = of_backend().filter(is_out).count();
        let total =
            of_backend().filter(|o| self.state.server(*o).is_some_and(|s| s.admin != AdminState::Maint));
        let share = total.count() * usize::from(ejection.max_percent) / 100;
        remaining > 0 && out < share.max(1)
    }

    fn ejection(&self, id: ServerId) -> Option<Ejection> {
        self.plan.servers().get(id.0 as usize)?.watch.ejection
    }
}
