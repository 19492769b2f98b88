//! I2, I5: a node holds addresses only while its lease runs, whatever its processes do. The lease itself runs from
//! adverts really sent.

use evenkeel_vrrp::event::{AdvertCopy, State};

use super::SLACK;
use crate::sim::clock::{MICRO, Nanos, SECOND};
use crate::sim::world::World;

impl World<'_> {
    /// Who answers for the router's addresses now.
    pub(crate) fn observe_holding(&mut self, n: usize) {
        let (plan, now) = (self.plan, self.now);
        for (r, router) in plan.routers.iter().enumerate() {
            let node = &self.nodes[n];
            let answers = node.machine_frozen.is_none() && node.kernel.interfaces[router.interface].up;
            let has = router.all_vips().any(|v| node.kernel.has_ours(router.interface, v));
            let since = &mut self.checks.holding[n][r];
            match (answers && has, *since) {
                (true, None) => {
                    *since = Some(now);
                    self.trace.add(now, || format!("node {n}: answers for router {r}"));
                }
                (false, Some(_)) => {
                    *since = None;
                    self.trace.add(now, || format!("node {n}: no longer answers for router {r}"));
                }
                (true, Some(_)) | (false, None) => {}
            }
        }
    }

    /// When the lease of a router ends, in true time.
    pub(super) fn lease_ends(&self, n: usize, r: usize) -> Nanos {
        self.nodes[n].clock.when(self.checks.lease_from[n][r] + self.plan.lease(n, r))
    }

    /// Whether something was there at the end of the lease to take the addresses off.
    pub(super) fn fenced(&self, n: usize, r: usize) -> bool {
        let ends = self.lease_ends(n, r);
        let node = &self.nodes[n];
        let guard = node.guard_runs() && node.guard.running_since <= ends;
        let keeper = node.keeper_runs() && node.keeper_since <= ends && !removal_fails(self, n);
        guard || keeper
    }

    pub(super) fn check_fence(&mut self, n: usize, r: usize) {
        if self.checks.holding[n][r].is_none() {
            return;
        }
        let ends = self.lease_ends(n, r);
        let node = &self.nodes[n];
        let mut acts_from = Nanos::MAX;
        if node.guard_runs() {
            acts_from = node.guard.running_since;
        }
        if node.keeper_runs() && !removal_fails(self, n) {
            acts_from = acts_from.min(node.keeper_since);
        }
        if acts_from == Nanos::MAX {
            return;
        }
        let over = self.now.saturating_sub(ends.max(acts_from));
        if self.now > ends && over > SLACK {
            let detail = format!(
                "node {n} holds router {r} for {} us beyond its lease, although a process could have let go",
                over / 1_000
            );
            self.checks.fail("I2 lease", detail);
        }
    }

    /// The kernel ends no lifetime of a MASTER that is well: the address would come and go.
    pub(crate) fn check_expiry(&mut self, n: usize) {
        let node = &self.nodes[n];
        for (r, plan) in self.plan.routers.iter().enumerate() {
            let interval = plan.interval(n) * 106 / 100 + SLACK;
            let advertises = self.checks.sent[n][r].is_some_and(|(at, _)| at + interval > self.now);
            let awake = node.keeper_runs() && node.keeper_since + 2 * plan.longest_down() < self.now;
            let troubled = node.send_fails_percent > 0
                || self.checks.failed_send[n] + 2 * plan.longest_down() > self.now;
            let missing = plan.all_vips().any(|v| !node.kernel.has(plan.interface, v));
            if node.state(r) == Some(State::Master) && missing && advertises && awake && !troubled {
                let detail =
                    format!("node {n} router {r}: the kernel removes an address of a MASTER that is well");
                self.checks.fail("I7 held addresses stay", detail);
                return;
            }
        }
    }

    /// The guard lets go of what is off, in the name of a node that was MASTER, and of nobody who has come back since.
    pub(crate) fn check_guards_farewell(&mut self, n: usize, r: usize, copy: &AdvertCopy) {
        let mine = copy.bytes.get(1) == Some(&self.plan.routers[r].vrid);
        if copy.bytes.get(2) != Some(&0) || !mine {
            self.checks.fail("I13 guard", format!("node {n} router {r}: says {:?}", copy.bytes));
        }
        if self.checks.holding[n][r].is_some() {
            let detail = format!("node {n} router {r}: the guard lets go of what the node still answers for");
            self.checks.fail("I1 off before it is said", detail);
        }
        let ends = self.lease_ends(n, r);
        if self.now > ends + SECOND {
            let detail =
                format!("node {n} router {r}: said {} us after the lease", (self.now - ends) / 1_000);
            self.checks.fail("I13 the guard says what is news", detail);
        }
    }

    /// A beat and a renewal each need an advert of their own, and a beat grants a lease from that advert.
    pub(crate) fn check_heartbeat(&mut self, n: usize, r: usize, until: Nanos) {
        let sent = self.checks.sent[n][r].map_or(0, |(_, local)| local);
        if until > sent + self.plan.lease(n, r) + MICRO {
            self.checks.fail("I2 beat", format!("node {n} router {r}: a beat grants more than a lease"));
        }
        if !std::mem::take(&mut self.checks.sent_since_beat[n][r]) {
            self.checks.fail("I2 beat", format!("node {n} router {r}: a beat without an advert really sent"));
        }
    }

    pub(crate) fn check_renewal(&mut self, n: usize, r: usize) {
        if !std::mem::take(&mut self.checks.sent_since_renewal[n][r]) {
            self.checks
                .fail("I2 renewal", format!("node {n} router {r}: renewed without an advert really sent"));
        }
    }

    /// A copy of an advert has left the node.
    pub(super) fn note_sent(&mut self, n: usize, r: usize) {
        let local = self.nodes[n].clock.local(self.now);
        self.checks.sent[n][r] = Some((self.now, local));
        self.checks.lease_from[n][r] = local;
        self.checks.sent_since_beat[n][r] = true;
        self.checks.sent_since_renewal[n][r] = true;
    }

    /// Addresses go on: a lease begins with mastership, and with nothing else.
    pub(crate) fn check_add(&mut self, n: usize, r: usize) {
        if self.nodes[n].state(r) == Some(State::Master) {
            let local = self.nodes[n].clock.local(self.now);
            self.checks.ledgers[n][r].restoring(local);
            return;
        }
        let Some(keeper) = &self.nodes[n].keeper else { return };
        let snapshot = keeper.engine.snapshot(self.nodes[n].clock.instant(self.now));
        let Some(change) = snapshot.routers[r].last_transition.clone() else {
            self.checks.fail("addresses only as MASTER", format!("node {n} router {r}: never left INIT"));
            return;
        };
        let local = self.nodes[n].clock.local(self.now);
        self.checks.lease_from[n][r] = self.checks.lease_from[n][r].max(local);
        let decided = self.nodes[n].clock.local_of(change.at);
        self.checks.ledgers[n][r].took_over(decided, local);
        self.checks.master_from[n][r] = self.now;
        self.check_takeover(n, r, &change);
    }
}

/// Removals fail, or a retry (after a second) is still to come.
pub(super) fn removal_fails(world: &World<'_>, n: usize) -> bool {
    let node = &world.nodes[n];
    let retry = 12 * SECOND / 10;
    node.remove_fails || node.remove_failed_at.is_some_and(|at| at + retry > world.now)
}
