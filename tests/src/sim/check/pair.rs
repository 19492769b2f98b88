//! I1, as far as it can hold without a witness: two nodes answer at once only while they cannot hear each other, or for
//! as long as one advert takes.

use evenkeel_vrrp::event::{Cause, State, Transition};

use super::fence::removal_fails;
use super::{Heard, SLACK, Violation};
use crate::sim::clock::{MILLI, Nanos};
use crate::sim::network::{Origin, Packet};
use crate::sim::world::World;

impl World<'_> {
    /// After every event.
    pub(crate) fn check_step(&mut self) {
        let (nodes, routers) = (self.nodes.len(), self.plan.routers.len());
        for r in 0..routers {
            for n in 0..nodes {
                self.check_fence(n, r);
                self.check_owed(n, r);
                self.check_wait(n, r);
                for other in n + 1..nodes {
                    self.check_overlap(n, other, r);
                }
            }
        }
        if self.work.events > MOST_EVENTS {
            self.checks.fail("work", format!("{MOST_EVENTS} events"));
        }
    }

    fn check_overlap(&mut self, a: usize, b: usize, r: usize) {
        let (Some(since_a), Some(since_b)) = (self.checks.holding[a][r], self.checks.holding[b][r]) else {
            return;
        };
        let excused = self.checks.excused[a * self.nodes.len() + b];
        let acting = |n: usize| self.nodes[n].keeper_runs();
        // A node whose keeper does not run is held by its fences alone, and they are checked by themselves.
        let undecided = !acting(a) || !acting(b) || self.unheard(a, b) || self.unheard(b, a);
        let from = since_a.max(since_b).max(excused);
        if undecided || self.now.saturating_sub(from) <= self.agreement() {
            return;
        }
        let detail = format!(
            "nodes {a} and {b} both hold router {r} for {} us although they hear each other",
            (self.now - from) / 1_000
        );
        self.checks.violation.get_or_insert(Violation { invariant: "I1 two holders", detail });
    }

    /// Whether packets from one to the other are impeded now.
    fn unheard(&self, from: usize, to: usize) -> bool {
        let failing = |n: usize| self.nodes[n].send_fails_percent > 0 || removal_fails(self, n);
        self.network.loss_percent(from, to) > 0 || self.network.extra_delay(from, to) > 0 || failing(from)
    }

    /// How long two MASTERs that hear each other may need: the advert of the stronger one.
    fn agreement(&self) -> Nanos {
        let longest = self.plan.routers.iter().map(|r| r.longest_interval()).max().unwrap_or(0);
        longest * 106 / 100 + 2 * self.plan.delay.1 + SLACK
    }

    /// An engine was given a packet.
    pub(crate) fn heard(&mut self, n: usize, packet: &Packet) {
        let (now, r) = (self.now, packet.router);
        match packet.origin {
            Origin::Attacker(attack) if attack.must_be_dropped() => {}
            Origin::Attacker(_) => {
                self.checks.spoofed[n] = now;
                self.checks.disturbed_by(n, now);
                self.note_wait(n, None, packet);
                // It may have used up the quota of announcements.
                self.checks.rival_at[n][r] = Some(self.nodes[n].clock.local(now));
            }
            Origin::Node(from) => {
                // An address owner may speak from the address itself, and then no peer knows it.
                let known = packet.src == self.plan.routers[r].source(from);
                let late = !known || packet.late || now - packet.sent_at > self.plan.delay.1 + MILLI;
                if late {
                    self.checks.disturbed(from, n, now);
                }
                let heard = Heard { from, sent_at: packet.sent_at, at: now, late };
                self.checks.heard[n][r] = Some(heard);
                if known {
                    self.note_rival(n, packet);
                }
                if known || !self.plan.routers[r].check_source {
                    self.note_wait(n, Some(from), packet);
                }
                self.trace.add(now, || {
                    format!("node {n}: hears {} of node {from} for router {r}", packet.priority())
                });
            }
        }
    }

    /// A MASTER that heard of another one and stays owes the segment an announcement: at once, or when its quota
    /// allows.
    fn note_rival(&mut self, n: usize, packet: &Packet) {
        let r = packet.router;
        let clock = &self.nodes[n].clock;
        let local = clock.local(self.now);
        let snapshot = self.nodes[n].keeper.as_ref().map(|k| k.engine.snapshot(clock.instant(self.now)));
        let Some(router) = snapshot.and_then(|s| s.routers.into_iter().nth(r)) else { return };
        let was_master = self.nodes[n].state(r) == Some(State::Master);
        let dropped = router.last_transition.is_none();
        if was_master && router.state == State::Master && !dropped && self.checks.owed[n][r].is_none() {
            let recently = self.checks.rival_at[n][r].is_some_and(|at| at + QUOTA > local);
            let wait = if recently { QUOTA } else { MILLI };
            self.checks.owed[n][r] = Some(self.now + wait);
        }
        if was_master {
            self.checks.rival_at[n][r] = Some(local);
        }
    }

    pub(crate) fn announced(&mut self, n: usize, r: usize) {
        self.checks.owed[n][r] = None;
    }

    fn check_owed(&mut self, n: usize, r: usize) {
        let Some(by) = self.checks.owed[n][r] else { return };
        if self.nodes[n].state(r) != Some(State::Master) || !self.nodes[n].keeper_runs() {
            self.checks.owed[n][r] = None;
        } else if self.now > by + self.plan.nodes[n].wake_latency + MILLI {
            let detail = format!("node {n} router {r}: heard of another MASTER and did not announce in time");
            self.checks.fail("I13 winner announces", detail);
        }
    }

    /// A node is about to take the addresses. When the MASTER fell silent, its lease must have ended.
    pub(super) fn check_takeover(&mut self, n: usize, r: usize, change: &Transition) {
        if change.to != State::Master {
            return;
        }
        for other in (0..self.nodes.len()).filter(|o| *o != n) {
            if self.checks.holding[other][r].is_none() {
                continue;
            }
            if change.cause == (Cause::MasterDown { last: Some(self.plan.routers[r].source(other)) }) {
                self.check_silence(n, other, r);
            }
            let source = self.plan.routers[r].source(other);
            if let Cause::MasterReleased { by } = change.cause
                && by != source
                && self.follows(n, r) == Some(other)
            {
                let detail =
                    format!("node {n} router {r} follows the release of {by} although {source} is MASTER");
                self.checks.fail("I7 only the MASTER's release counts", detail);
            }
        }
    }

    /// `n` heard every advert of `other`, in time, until there were none; still `other` holds the addresses.
    fn check_silence(&mut self, n: usize, other: usize, r: usize) {
        let (Some(heard), Some((sent_at, _))) = (self.checks.heard[n][r], self.checks.sent[other][r]) else {
            return;
        };
        let heard_all = heard.from == other && heard.sent_at == sent_at && !heard.late;
        let undisturbed =
            self.checks.spoofed[n] < heard.at && self.checks.clock_stopped[other] < heard.sent_at;
        if heard_all && undisturbed && self.fenced(other, r) {
            let detail = format!(
                "node {n} takes router {r} over {} us after the last advert of node {other}, which still holds it",
                (self.now - sent_at) / 1_000
            );
            self.checks.fail("I1 lease shorter than Master_Down", detail);
        }
    }
}

/// Far more than any schedule needs.
const MOST_EVENTS: u64 = 400_000;
/// The quota for extra announcements is over ten seconds, by a clock that may be slow.
pub(super) const QUOTA: Nanos = 10_700 * MILLI;
