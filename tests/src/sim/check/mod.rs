//! The observer: it sees everything, and says which invariant is broken first.

mod end;
mod fence;
mod pair;
mod speech;
mod turn;
mod wait;

use std::collections::VecDeque;

use super::clock::{MILLI, Nanos, SECOND};
use super::faults::{Attack, Fault};
use super::network::Packet;
use super::schedule::Schedule;
pub(crate) use speech::Ledger;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which one, by its number in `facts/reliability.md` §7 where it has one.
    pub invariant: &'static str,
    /// Who, what and when.
    pub detail: String,
}

/// What the observer remembers. Indices are node, then router.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) violation: Option<Violation>,
    nodes: usize,
    /// Since when a node answers for a router's addresses, seen from outside.
    holding: Vec<Vec<Option<Nanos>>>,
    /// Until when a pair of nodes could not be expected to agree.
    excused: Vec<Nanos>,
    /// The last advert really sent: true and local time.
    sent: Vec<Vec<Option<(Nanos, Nanos)>>>,
    /// Local time from which the lease counts.
    lease_from: Vec<Vec<Nanos>>,
    sent_since_beat: Vec<Vec<bool>>,
    sent_since_renewal: Vec<Vec<bool>>,
    heard: Vec<Vec<Option<Heard>>>,
    /// When a valid packet of an attacker was last taken.
    spoofed: Vec<Nanos>,
    clock_stopped: Vec<Nanos>,
    /// When a node could not send.
    pub(crate) failed_send: Vec<Nanos>,
    ledgers: Vec<Vec<Ledger>>,
    /// Until when a MASTER that heard of another has to announce.
    owed: Vec<Vec<Option<Nanos>>>,
    /// Which node the segment believes to have an address.
    /// and since when.
    believed: Vec<Vec<Option<(usize, Nanos)>>>,
    /// When a node last released.
    released: Vec<Vec<Option<Released>>>,
    /// When a MASTER last heard of another one, in local time.
    rival_at: Vec<Vec<Option<Nanos>>>,
    /// Since when a node has been MASTER.
    master_from: Vec<Vec<Nanos>>,
    waits: Vec<Vec<wait::Wait>>,
    /// When, in local time, an unfit node last became MASTER.
    unfit_master: Vec<Vec<Option<Nanos>>>,
    /// Since when, in local time, a router has been in the election.
    ready_at: Vec<Vec<Nanos>>,
    /// When a node last tried to send a priority-0 advert, in true and in local time.
    farewell: Vec<Vec<Option<(Nanos, Nanos)>>>,
    /// Addresses somebody else has changed, by node.
    repairs: Vec<VecDeque<Nanos>>,
    /// Adverts sent since everything is settled.
    adverts_when_settled: Vec<Vec<u64>>,
    settled: bool,
    pub(crate) attacked_by_replay: bool,
    /// What an attacker has recorded.
    pub(crate) history: VecDeque<Packet>,
}

/// An advert of another node that an engine was given.
#[derive(Debug, Clone, Copy)]
struct Heard {
    from: usize,
    sent_at: Nanos,
    at: Nanos,
    late: bool,
}

/// A priority-0 advert.
#[derive(Debug, Clone, Copy)]
struct Released {
    at: Nanos,
    /// No copy of it was lost.
    heard: bool,
    /// All copies were sent.
    complete: bool,
}

impl Checks {
    pub(crate) fn new(plan: &Schedule) -> Self {
        let (nodes, routers) = (plan.nodes.len(), plan.routers.len());
        let replayed = |f: &(Nanos, Fault)| matches!(f.1, Fault::Attack { attack: Attack::Replay, .. });
        let ledger = |r: usize| Ledger::new(&plan.routers[r]);
        Self {
            violation: None,
            nodes,
            holding: vec![vec![None; routers]; nodes],
            excused: vec![0; nodes * nodes],
            sent: vec![vec![None; routers]; nodes],
            lease_from: vec![vec![0; routers]; nodes],
            sent_since_beat: vec![vec![false; routers]; nodes],
            sent_since_renewal: vec![vec![false; routers]; nodes],
            heard: vec![vec![None; routers]; nodes],
            spoofed: vec![0; nodes],
            clock_stopped: vec![0; nodes],
            failed_send: vec![0; nodes],
            ledgers: (0..nodes).map(|_| (0..routers).map(ledger).collect()).collect(),
            owed: vec![vec![None; routers]; nodes],
            believed: plan.routers.iter().map(|r| vec![None; r.all_vips().count()]).collect(),
            released: vec![vec![None; routers]; nodes],
            rival_at: vec![vec![None; routers]; nodes],
            master_from: vec![vec![0; routers]; nodes],
            waits: vec![vec![wait::Wait::default(); routers]; nodes],
            unfit_master: vec![vec![None; routers]; nodes],
            ready_at: vec![vec![0; routers]; nodes],
            farewell: vec![vec![None; routers]; nodes],
            repairs: vec![VecDeque::new(); nodes],
            adverts_when_settled: vec![vec![0; routers]; nodes],
            settled: false,
            attacked_by_replay: plan.faults.iter().any(replayed),
            history: VecDeque::new(),
        }
    }

    /// Keeps the first.
    pub(crate) fn fail(&mut self, invariant: &'static str, detail: String) {
        self.violation.get_or_insert(Violation { invariant, detail });
    }

    /// Something between two nodes went wrong, or will until then.
    pub(crate) fn disturbed(&mut self, a: usize, b: usize, until: Nanos) {
        for at in [a * self.nodes + b, b * self.nodes + a] {
            self.excused[at] = self.excused[at].max(until);
        }
    }

    /// A packet did not arrive.
    pub(crate) fn lost(&mut self, from: usize, to: usize, packet: &Packet, now: Nanos) {
        self.disturbed(from, to, now);
        if packet.priority() == 0
            && let Some(released) = &mut self.released[from][packet.router]
        {
            released.heard = false;
        }
    }

    /// A copy of a priority-0 advert could not be sent: whom it was for knows nothing, whatever the other copies do.
    pub(crate) fn release_unsent(&mut self, n: usize, r: usize, at: Nanos) {
        self.released[n][r] = Some(Released { at, heard: false, complete: false });
    }

    /// A node tries to send a priority-0 advert.
    pub(crate) fn farewell(&mut self, n: usize, r: usize, at: (Nanos, Nanos)) {
        self.farewell[n][r] = Some(at);
    }

    /// Something at one node went wrong.
    pub(crate) fn disturbed_by(&mut self, n: usize, until: Nanos) {
        for other in 0..self.nodes {
            self.disturbed(n, other, until);
        }
    }

    pub(crate) fn clock_stopped(&mut self, n: usize, at: Nanos) {
        self.clock_stopped[n] = at;
    }

    /// Somebody changed one of a node's virtual addresses.
    pub(crate) fn repair_wanted(&mut self, n: usize, at: Nanos) {
        let repairs = &mut self.repairs[n];
        repairs.push_back(at);
        while repairs.front().is_some_and(|t| t + 11 * SECOND < at) {
            repairs.pop_front();
        }
    }

    /// Whether the node may have used up its repairs.
    fn many_repairs(&self, n: usize, now: Nanos) -> bool {
        self.repairs[n].iter().filter(|t| **t + 11 * SECOND >= now).count() > 4
    }

    pub(crate) fn restarted(&mut self, n: usize) {
        for r in 0..self.heard[n].len() {
            self.heard[n][r] = None;
            self.owed[n][r] = None;
            self.ledgers[n][r].restarted();
        }
    }
}

/// What processes may take to react, in true time: a few wake-ups.
const SLACK: Nanos = 5 * MILLI;
