//! What the control side changes: health, the operator's wishes, weights and limits.
//!
//! All changes go the same way: the switch is thrown, the backend is laid out anew, and whoever waits is served from
//! what has become free, or sent away from a server that has gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::layout::Layout;
use super::member::Member;
use super::rise::{FULL, Rising, Step};
use super::server::Switches;
use super::{Group, ServerState, State, Usable, queue};
use crate::plan::{AdminState, Balance, HashLayout, ServerId};

impl State {
    /// Records what health checks say. Returns what is usable after the change.
    pub fn set_up(&self, server: ServerId, up: bool) -> Usable {
        self.change(server, |s| s.set_up(up))
    }

    /// Records what the operator wants. Leaving maintenance brings the server back up: checks had stopped, and the
    /// next failed one takes it down again.
    pub fn set_admin(&self, server: ServerId, admin: AdminState) -> Usable {
        self.change(server, |s| s.set_admin(admin))
    }

    /// Changes the weight, 0–256; larger ones count as 256.
    pub fn set_weight(&self, server: ServerId, weight: u16) -> Usable {
        self.change(server, |s| s.set_weight(weight))
    }

    /// Changes the weight to a percentage of the configured one.
    pub fn set_weight_percent(&self, server: ServerId, percent: u32) -> Usable {
        self.change(server, |s| s.set_weight_percent(percent))
    }

    /// Changes how many requests the server takes at once. `None`: any number.
    pub fn set_maxconn(&self, server: ServerId, maxconn: Option<u32>) -> Usable {
        self.change(server, |s| s.set_maxconn(maxconn))
    }

    /// Lets slow starts go on. To be called every second or so; without any it costs nothing. Not for a data thread: large
    /// backends take their time.
    pub fn advance(&self, now: Instant) {
        if self.rising.load(Ordering::Relaxed) == 0 {
            return;
        }
        for group in &self.backends {
            let mut rising = group.changing();
            let steps: Vec<_> = rising.iter_mut().map(|r| (r.server, r.advance(now))).collect();
            rising.retain(|r| !r.is_over(now));
            self.rise(group, &steps);
            let over = steps.iter().filter(|(_, step)| *step == FULL).count();
            self.rising.fetch_sub(u32::try_from(over).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Lets servers of one backend rise, all together: laid out anew it is once at most, and only if a weight differs.
    fn rise(&self, group: &Group, steps: &[(ServerId, Step)]) {
        let (mut limits, mut weights) = (false, false);
        for (server, step) in steps {
            let Some(switches) = self.switches.get(server.0 as usize) else { continue };
            let before = (switches.limit(), switches.risen(1));
            switches.set_rise(*step);
            limits |= before.0 != switches.limit();
            weights |= before.1 != switches.risen(1);
            if let Some(slots) = self.slots.get(server.0 as usize) {
                slots.set_most(switches.limit());
            }
        }
        if weights {
            group.layout.store(Arc::new(group.lay_out(&self.switches)));
        }
        if limits {
            let mut lines = group.queue.lock();
            let backend = group.id;
            let served = steps.iter().flat_map(|(server, _)| self.serve(backend, *server, &mut lines));
            let calls = served.collect();
            drop(lines);
            queue::wake(calls);
        }
    }

    fn change(&self, server: ServerId, apply: impl FnOnce(&Switches)) -> Usable {
        let Some(switches) = self.switches.get(server.0 as usize) else { return Usable::default() };
        let Some(group) = self.backends.get(usize::from(switches.backend().0)) else {
            return Usable::default();
        };
        let mut rising = group.changing();
        let before = switches.read();
        apply(switches);
        self.follow(&mut rising, group, server, switches, before);
        self.put_in_force(group, server, switches)
    }

    /// A server that comes back begins its slow start; one that goes has none.
    fn follow(
        &self,
        rising: &mut Vec<Rising>,
        group: &Group,
        server: ServerId,
        switches: &Switches,
        before: ServerState,
    ) {
        let Some(slowstart) = switches.slowstart().filter(|_| group.balance.is_dynamic()) else { return };
        let runs = ServerState::takes_pinned;
        match (runs(before), runs(switches.read())) {
            (false, true) => {
                let step = Rising::new(server, slowstart);
                switches.set_rise(step.first_step());
                rising.push(step);
                self.rising.fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                let present = rising.len();
                rising.retain(|r| r.server != server);
                let gone = u32::try_from(present - rising.len()).unwrap_or(0);
                self.rising.fetch_sub(gone, Ordering::Relaxed);
                switches.set_rise(FULL);
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Lays out the backend as its switches are, while the caller holds its lock on changes.
    fn put_in_force(&self, group: &Group, server: ServerId, switches: &Switches) -> Usable {
        if let Some(slots) = self.slots.get(server.0 as usize) {
            slots.set_most(switches.limit());
        }
        let layout = group.lay_out(&self.switches);
        let usable = layout.usable();
        group.layout.store(Arc::new(layout));
        let backend = switches.backend();
        let mut lines = group.queue.lock();
        let mut calls = Vec::new();
        if !switches.read().takes_pinned() {
            calls = self.turn_away(backend, server, &mut lines);
        }
        calls.append(&mut self.serve(backend, server, &mut lines));
        calls.append(&mut self.serve_all(backend, &mut lines));
        drop(lines);
        queue::wake(calls);
        usable
    }
}

impl Group {
    /// The layout of the servers that are usable at present.
    pub(super) fn lay_out(&self, switches: &[Switches]) -> Layout {
        let usable = (0..).zip(self.servers.clone()).filter_map(|(position, id)| {
            let switches = switches.get(id as usize)?;
            let state = switches.read();
            let weight = self.weight_of(state, switches);
            let member = Member { id: ServerId(id), position, weight, before: 0, backup: switches.backup() };
            (state.is_usable() && weight > 0).then_some(member)
        });
        Layout::new(&self.balance, usable, self.allbackups)
    }

    /// The weight in the algorithm's units. Never 0 unless the configured one is.
    fn weight_of(&self, state: ServerState, switches: &Switches) -> u32 {
        let table = match &self.balance {
            Balance::StaticRr => true,
            Balance::Hash(by) => by.layout == HashLayout::MapBased,
            Balance::RoundRobin | Balance::LeastConn | Balance::First | Balance::Random(_) => false,
        };
        if table { state.weight.div_ceil(self.unit).into() } else { switches.risen(state.weight) }
    }
}
