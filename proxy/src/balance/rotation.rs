//! The order in which usable servers take turns.
//!
//! One round has as many turns as the weights add up to (divided by their common divisor). Turn by turn, each server
//! is kept within less than one turn of its exact share: its k-th turn of a round of L falls into the window
//! `[⌊kL/w⌋, ⌈(k+1)L/w⌉)`, and among the servers whose window is open the one whose window closes first goes
//! first. That rule always finds a place for every turn (earliest deadline first is optimal on unit jobs with
//! integer windows), so a heavy server never gets its share as a burst and a light one never waits a whole round too
//! long. With equal weights it is plain rotation in the order of the file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU16;

use super::Usable;
use crate::plan::ServerId;

/// A usable server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) id: ServerId,
    pub(super) weight: NonZeroU16,
    pub(super) backup: bool,
}

/// One full round of turns over the servers in use. Bounded by the configuration: 4 bytes × sum of weights.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    turns: Box<[ServerId]>,
    /// Distinct servers in `turns`.
    members: Box<[ServerId]>,
    usable: Usable,
}

impl Rotation {
    pub(super) fn new(candidates: impl Iterator<Item = Candidate>, allbackups: bool) -> Self {
        let (backups, actives): (Vec<_>, Vec<_>) = candidates.partition(|c| c.backup);
        let usable = Usable { active: count(&actives), backup: count(&backups) };
        let in_use: &[Candidate] = match (actives.as_slice(), backups.as_slice()) {
            ([], all) if allbackups => all,
            ([], all) => all.get(..1).unwrap_or_default(),
            (actives, _) => actives,
        };
        let members = in_use.iter().map(|c| c.id).collect();
        Self { turns: spread(in_use), members, usable }
    }

    pub(super) fn usable(&self) -> Usable {
        self.usable
    }

    /// The server in use, if it is the only one.
    pub(super) fn only(&self) -> Option<ServerId> {
        match &*self.members {
            [id] => Some(*id),
            _ => None,
        }
    }

    /// The server of turn `turn`, counted over all rounds, or the next after it that is not in `tried`.
    pub(super) fn at(&self, turn: u64, tried: &[ServerId]) -> Option<ServerId> {
        let round = u64::try_from(self.turns.len()).ok().filter(|&len| len > 0)?;
        let start = usize::try_from(turn % round).ok()?;
        let (before, after) = self.turns.split_at_checked(start)?;
        if tried.is_empty() {
            return after.first().copied();
        }
        if self.members.iter().all(|id| tried.contains(id)) {
            return None;
        }
        after.iter().chain(before).find(|id| !tried.contains(id)).copied()
    }
}

/// A turn that a server is due, while a round is laid out. Ordered as a heap wants it: first to close, then the
/// heavier server (its windows are the tighter ones), then the order of the file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    closes: u64,
    weight: Reverse<u64>,
    position: usize,
    /// How many turns of the round the server has had.
    had: u64,
}

fn spread(candidates: &[Candidate]) -> Box<[ServerId]> {
    let divisor = candidates.iter().map(|c| u64::from(c.weight.get())).fold(0, gcd).max(1);
    let weight_of = |c: &Candidate| u64::from(c.weight.get()) / divisor;
    let round: u64 = candidates.iter().map(weight_of).sum();

    let mut waiting: BinaryHeap<Reverse<(u64, Due)>> = BinaryHeap::new();
    let mut open: BinaryHeap<Reverse<Due>> = BinaryHeap::with_capacity(candidates.len());
    for (position, candidate) in candidates.iter().enumerate() {
        let weight = weight_of(candidate);
        open.push(Reverse(Due { closes: round.div_ceil(weight), weight: Reverse(weight), position, had: 0 }));
    }
    let mut turns = Vec::new();
    for turn in 0..round {
        while waiting.peek().is_some_and(|Reverse((opens, _))| *opens <= turn) {
            open.extend(waiting.pop().map(|Reverse((_, due))| Reverse(due)));
        }
        let Some(Reverse(due)) = open.pop() else { continue };
        turns.extend(candidates.get(due.position).map(|c| c.id));
        let (had, weight) = (due.had + 1, due.weight.0);
        if had < weight {
            let next = Due { closes: ((had + 1) * round).div_ceil(weight), had, ..due };
            waiting.push(Reverse((had * round / weight, next)));
        }
    }
    turns.into_boxed_slice()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn count(candidates: &[Candidate]) -> u32 {
    u32::try_from(candidates.len()).unwrap_or(u32::MAX)
}
