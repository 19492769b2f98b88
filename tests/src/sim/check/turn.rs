//! What must be true whenever a driver goes to sleep: state and addresses agree, groups are whole, nothing spins, and
//! a packet that is none has changed nothing (I8, I12).

use std::time::Instant;

use evenkeel_vrrp::event::{State, Transition};
use evenkeel_vrrp::snapshot::{RouterSnapshot, Snapshot};

use crate::sim::clock::SECOND;
use crate::sim::faults::Attack;
use crate::sim::world::World;

impl World<'_> {
    pub(crate) fn transition(&mut self, n: usize, change: &Transition) {
        let r = usize::from(change.router.0);
        let (from, to, cause) = (change.from, change.to, change.cause);
        self.trace.add(self.now, || format!("node {n}: router {r} {from} -> {to}: {cause:?}"));
        self.work.transitions += 1;
        self.waits_anew(n, r);
        self.check_farewell(n, r, change);
        self.check_preemption(n, r, change);
        let Some(keeper) = &mut self.nodes[n].keeper else { return };
        let known = std::mem::replace(&mut keeper.states[r], to);
        if known != from || from == to {
            let detail = format!("node {n} router {r}: told {from} -> {to} in {known}");
            self.checks.fail("transitions form a chain", detail);
        }
        if self.checks.settled {
            let detail = format!("node {n} router {r}: {from} -> {to} ({cause:?}) without any cause");
            self.checks.fail("I7 no flap", detail);
        }
    }

    /// After an engine has nothing more to do: I12.
    pub(crate) fn check_group(&mut self, n: usize) {
        let Some(keeper) = &self.nodes[n].keeper else { return };
        if !self.plan.grouped {
            return;
        }
        let masters = keeper.states.iter().filter(|s| **s == State::Master).count();
        if masters != 0 && masters != keeper.states.len() {
            let detail = format!("node {n}: {:?}", keeper.states);
            self.checks.fail("I12 group whole", detail);
        }
    }

    /// A driver goes to sleep with everything done and nothing waiting.
    pub(crate) fn check_settled_turn(&mut self, n: usize) {
        let node = &self.nodes[n];
        let Some(keeper) = &node.keeper else { return };
        if !node.kernel.reports.is_empty() || !keeper.inbox.is_empty() {
            return;
        }
        let recently = |at: Option<u64>| at.is_some_and(|at| at + 12 * SECOND / 10 > self.now);
        if recently(node.remove_failed_at) || self.checks.many_repairs(n, self.now) {
            return;
        }
        let mut wrong = None;
        for (r, plan) in self.plan.routers.iter().enumerate() {
            let on = plan.all_vips().filter(|v| node.kernel.has(plan.interface, v)).count();
            let master = keeper.states[r] == State::Master;
            let owner = keeper.engine.config().routers()[r].priority.is_owner();
            let all = plan.all_vips().count();
            if (!master && on > 0 && !owner) || (master && on < all) {
                wrong =
                    Some(format!("node {n} router {r}: {}, {on} of {all} addresses on", keeper.states[r]));
            }
        }
        if let Some(detail) = wrong {
            self.checks.fail("addresses follow the state", detail);
        }
    }

    /// I8: everything but counters is as it was, and nothing is to be done.
    pub(crate) fn check_nothing_changed(
        &mut self,
        n: usize,
        now: Instant,
        attack: Attack,
        before: &Snapshot,
        timeout: Option<(Instant, &'static str)>,
    ) {
        let Some(keeper) = &mut self.nodes[n].keeper else { return };
        let after = keeper.engine.snapshot(now);
        let same = before.routers.iter().zip(&after.routers).all(|(b, a)| essence(b) == essence(a));
        let action = keeper.engine.poll_action();
        if !same || keeper.engine.poll_timeout() != timeout || action.is_some() {
            let detail = format!("node {n}: {attack:?} has changed something (action: {action:?})");
            self.checks.fail("I8 bad packets change nothing", detail);
        }
        let counted = |s: &Snapshot| {
            let all = s.routers.iter().map(|r| &r.counters).chain([&s.counters]);
            all.flat_map(|c| c.iter().map(|(_, value)| value)).sum::<u64>()
        };
        if counted(before) >= counted(&after) {
            self.checks.fail("I8 bad packets are counted", format!("node {n}: {attack:?}"));
        }
    }

    /// A timer in the past, or one that fires without effect, would spin.
    pub(crate) fn check_wakeups(&mut self, n: usize) {
        let (since, count) = self.nodes[n].turns;
        if self.now >= since + SECOND {
            self.nodes[n].turns = (self.now, 1);
            return;
        }
        self.nodes[n].turns = (since, count + 1);
        let own: u64 = self.plan.routers.iter().map(|r| SECOND / r.interval(n)).sum();
        let shortest = self.plan.routers.iter().flat_map(|r| &r.advert_int).min();
        let heard = 100 / u64::from(*shortest.unwrap_or(&100)) * 2 * self.plan.routers.len() as u64;
        let attacks = self.plan.faults.len() as u64 * 1_000;
        if u64::from(count) > 300 + 12 * (own + heard) + attacks {
            self.checks.fail("no busy loop", format!("node {n}: {count} turns within a second"));
        }
    }
}

/// What a packet could change, without the counters.
fn essence(r: &RouterSnapshot) -> impl PartialEq {
    let peers: Vec<_> = r.peers.iter().map(|p| (p.addr, p.priority, p.last_heard)).collect();
    let vips: Vec<_> = r.vips.iter().map(|v| v.on).collect();
    (r.state, r.since, r.effective_priority, r.fit, r.master, r.source, peers, vips)
}
