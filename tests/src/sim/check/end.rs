//! I6, I7, I13, I15 in the long run: when everything has been right for a while, exactly one node holds the addresses, it
//! is the right one, everybody knows it, and nothing moves.

use evenkeel_vrrp::config::Preempt;
use evenkeel_vrrp::event::{Servers, State};
use evenkeel_vrrp::types::Priority;

use super::pair::QUOTA;
use crate::sim::clock::SECOND;
use crate::sim::world::World;

/// A node as the election should see it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    node: usize,
    fit: bool,
    priority: u8,
}

impl World<'_> {
    /// From here on nothing may change.
    pub(crate) fn settled(&mut self) {
        self.trace.add(self.now, || "-- settled".to_owned());
        // A node whose addresses could not be put on stands back for a minute, and that may end at any time.
        self.checks.settled = self.nodes.iter().all(|n| n.add_failed_at.is_none());
        for r in 0..self.plan.routers.len() {
            self.check_order(r);
        }
    }

    pub(crate) fn check_end(&mut self) {
        for r in 0..self.plan.routers.len() {
            self.check_order(r);
            if self.checks.settled {
                self.check_cadence(r);
            }
        }
        for n in 0..self.nodes.len() {
            self.check_snapshot(n);
        }
    }

    fn check_order(&mut self, r: usize) {
        let candidates: Vec<Candidate> = (0..self.nodes.len()).filter_map(|n| self.candidate(n, r)).collect();
        let holders: Vec<usize> =
            (0..self.nodes.len()).filter(|n| self.checks.holding[*n][r].is_some()).collect();
        let masters: Vec<usize> =
            (0..self.nodes.len()).filter(|n| self.nodes[*n].state(r) == Some(State::Master)).collect();
        let wanted = usize::from(!candidates.is_empty());
        if holders != masters || masters.len() != wanted {
            let detail = format!("router {r}: MASTER {masters:?}, holders {holders:?}, of {candidates:?}");
            self.checks.fail("I6 one MASTER in the end", detail);
            return;
        }
        let Some(master) = masters.first().copied() else { return };
        let Some(holder) = candidates.iter().find(|c| c.node == master).copied() else {
            self.checks.fail("I6 the MASTER is a candidate", format!("router {r}: node {master}"));
            return;
        };
        if let Some(better) = candidates.iter().find(|c| self.deposes(c, &holder)) {
            let detail = format!("router {r}: {holder:?} is MASTER although there is {better:?}");
            self.checks.fail("I6 the right MASTER", detail);
        }
        self.check_belief(r, master);
    }

    /// What configuration and surroundings make of a node, worked out apart from the engine.
    fn candidate(&self, n: usize, r: usize) -> Option<Candidate> {
        let node = &self.nodes[n];
        let config = node.keeper.as_ref()?.engine.config();
        let members: Vec<usize> =
            if self.plan.grouped { (0..self.plan.routers.len()).collect() } else { vec![r] };
        let works = |m: &usize| {
            let plan = &self.plan.routers[*m];
            node.kernel.interfaces[plan.interface].up && (node.script || !plan.script)
        };
        if !members.iter().all(works) {
            return None;
        }
        let base = config.routers()[r].priority.value();
        let fit = base == 255 || node.data_plane || !members.iter().any(|m| self.plan.routers[*m].data_plane);
        let weight = self.plan.routers[r].file_weight.map_or(0, i32::from);
        let sum = i32::from(base) + weight * node.file;
        let lost = node.servers == Servers::Lost;
        let priority = match (fit, base) {
            (false, _) => 1,
            (true, 255) => 255,
            (true, _) if lost => Priority::LOST.value(),
            (true, _) => u8::try_from(sum.clamp(1, 254)).unwrap_or(1),
        };
        Some(Candidate { node: n, fit, priority })
    }

    /// Whether one should have taken over from the other by now.
    fn deposes(&self, challenger: &Candidate, holder: &Candidate) -> bool {
        if challenger.node == holder.node || challenger.priority <= holder.priority {
            return false;
        }
        if self.nodes[challenger.node].add_failed_at.is_some() {
            return false;
        }
        // Neither keeps an owner, nor anybody from an unfit MASTER.
        let ready = self.nodes[challenger.node].servers == Servers::Ready;
        let policy = self.plan.nodes[challenger.node].preempt != Preempt::Never;
        let lost = holder.priority == Priority::LOST.value();
        challenger.priority == 255 || (challenger.fit && !holder.fit) || (ready && (policy || lost))
    }

    /// Hosts that listen to announcements know where the addresses are. A MASTER that could not know of another one is
    /// corrected by the refresh only.
    fn check_belief(&mut self, r: usize, master: usize) {
        let refresh = u64::try_from(self.plan.routers[r].announce.refresh.as_nanos()).unwrap_or(0);
        for (vip, believed) in self.checks.believed[r].iter().enumerate() {
            let wrong = match believed {
                Some((n, _)) if *n == master => false,
                Some((n, since)) => {
                    let released = self.checks.released[*n][r];
                    let from = self.checks.master_from[master][r];
                    let told = released.is_some_and(|release| {
                        let in_time = release.at >= *since.max(&from) && self.now > release.at + QUOTA;
                        in_time && release.heard && release.complete
                    });
                    let refreshed =
                        refresh > 0 && self.now > *since.max(&from) + refresh * 106 / 100 + SECOND;
                    told || refreshed || from > *since
                }
                None => true,
            };
            if wrong {
                let detail = format!(
                    "router {r}: node {master} is MASTER, but the last to announce address {vip} was {believed:?}"
                );
                self.checks.fail("I13 the segment knows the MASTER", detail);
                return;
            }
        }
    }

    /// The MASTER advertised at its interval, and nobody else did at all.
    fn check_cadence(&mut self, r: usize) {
        for n in 0..self.nodes.len() {
            let sent = self.checks.adverts_when_settled[n][r];
            let master = self.nodes[n].state(r) == Some(State::Master);
            let span = self.plan.end - self.plan.settled_by;
            let expected = span / self.plan.routers[r].interval(n);
            let tolerance = 2 + expected / 15;
            let right = if master { sent.abs_diff(expected) <= tolerance } else { sent == 0 };
            if !right {
                let detail = format!(
                    "node {n} router {r}: {sent} adverts, expected about {expected}, MASTER: {master}"
                );
                self.checks.fail("I7 cadence", detail);
            }
        }
    }

    /// What `status` would show is what there is.
    fn check_snapshot(&mut self, n: usize) {
        let Some(keeper) = &self.nodes[n].keeper else { return };
        let snapshot = keeper.engine.snapshot(self.nodes[n].clock.instant(self.now));
        for (r, router) in snapshot.routers.iter().enumerate() {
            let plan = &self.plan.routers[r];
            let master = (0..self.nodes.len()).find(|m| self.nodes[*m].state(r) == Some(State::Master));
            let on = plan.all_vips().all(|v| self.nodes[n].kernel.has(plan.interface, v));
            let takes_part = matches!(router.state, State::Backup | State::Master);
            let right = router.state == keeper.states[r]
                && router.vips.iter().all(|v| v.on == on)
                && (!takes_part || router.master == master.map(|m| plan.source(m)))
                && self.candidate(n, r).is_none_or(|c| c.priority == router.effective_priority.value());
            if !right {
                let detail = format!("node {n} router {r}: {router:?}");
                self.checks.fail("status tells the truth", detail);
                return;
            }
        }
        if self.plan.grouped && snapshot.groups.iter().any(|g| g.state.is_none()) {
            self.checks.fail("I12 group whole", format!("node {n}: {:?}", snapshot.groups));
        }
    }
}
