//! HAProxy's static map: a table of turns that hashes lead into.
//!
//! The table has as many turns as the weights add up to. In each turn every server's score grows by its weight; the
//! first server of the file whose score is furthest ahead, counted in whole rounds, gets the turn and pays a round for
//! it. Nothing here may be improved: the same key has to lead to the same server as it does with HAProxy.

use super::member::Member;
use crate::plan::ServerId;

/// The turns of all members.
pub(super) fn spread(members: &[Member]) -> Box<[ServerId]> {
    let round: i64 = members.iter().map(|m| i64::from(m.weight)).sum();
    let mut scores = vec![0i64; members.len()];
    // One turn makes everyone's share of it a whole round: the first is meant.
    if round == 1 {
        return members.iter().map(|m| m.id).take(1).collect();
    }
    (0..round)
        .filter_map(|_| {
            let mut best: Option<(usize, i64)> = None;
            for (at, (score, member)) in scores.iter_mut().zip(members).enumerate() {
                *score += i64::from(member.weight);
                let ahead = (*score + round) / round;
                if best.is_none_or(|(_, most)| ahead > most) {
                    best = Some((at, ahead));
                }
            }
            let (at, _) = best?;
            *scores.get_mut(at)? -= round;
            members.get(at).map(|m| m.id)
        })
        .collect()
}
