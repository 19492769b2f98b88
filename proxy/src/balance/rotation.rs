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

use super::member::Member;
use crate::plan::ServerId;

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

/// One full round of turns over the members. Bounded by the configuration, and by [`MOST_TURNS`]: weights that make a
/// longer round are rounded.
pub(super) fn spread(members: &[Member]) -> Box<[ServerId]> {
    let weights = weights(members);
    let round: u64 = weights.iter().sum();

    let mut waiting: BinaryHeap<Reverse<(u64, Due)>> = BinaryHeap::new();
    let mut open: BinaryHeap<Reverse<Due>> = BinaryHeap::with_capacity(members.len());
    for (position, &weight) in weights.iter().enumerate() {
        open.push(Reverse(Due { closes: round.div_ceil(weight), weight: Reverse(weight), position, had: 0 }));
    }
    let mut turns = Vec::new();
    for turn in 0..round {
        while waiting.peek().is_some_and(|Reverse((opens, _))| *opens <= turn) {
            open.extend(waiting.pop().map(|Reverse((_, due))| Reverse(due)));
        }
        let Some(Reverse(due)) = open.pop() else { continue };
        turns.extend(members.get(due.position).map(|m| m.id));
        let (had, weight) = (due.had + 1, due.weight.0);
        if had < weight {
            let next = Due { closes: ((had + 1) * round).div_ceil(weight), had, ..due };
            waiting.push(Reverse((had * round / weight, next)));
        }
    }
    turns.into_boxed_slice()
}

/// The members' weights without their common divisor.
fn weights(members: &[Member]) -> Vec<u64> {
    let mut weights: Vec<u64> = members.iter().map(|m| u64::from(m.weight)).collect();
    let divide = |weights: &mut Vec<u64>| {
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        weights.iter_mut().for_each(|w| *w /= divisor);
    };
    divide(&mut weights);
    // Weights come in sixteenths, for slow starts: of that precision a huge backend has no need.
    if weights.iter().sum::<u64>() > MOST_TURNS {
        weights.iter_mut().for_each(|w| *w = w.div_ceil(FINE));
        divide(&mut weights);
    }
    weights
}

/// Greatest common divisor.
pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Parts of one unit of weight, HAProxy's for the same purpose.
pub(super) const FINE: u64 = 16;

/// What the largest backend needs: 4095 servers of weight 256.
const MOST_TURNS: u64 = 4095 * 256;
