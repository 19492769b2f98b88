//! Consistent hashing as HAProxy does it: every server has points on a ring of 32-bit numbers, as many as its weight
//! says, and a key belongs to the closest point. A server that comes or goes moves the keys next to its points only.

use super::hash;
use super::member::Member;
use crate::plan::ServerId;

/// The ring. Bounded by the configuration: 8 bytes × 16 × sum of weights.
#[derive(Debug)]
pub(super) struct Ring {
    points: Box<[Point]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    at: u32,
    server: ServerId,
}

impl Ring {
    pub(super) fn new(members: &[Member]) -> Self {
        let points_of = |m: &Member| {
            let (server, number) = (m.id, m.position.wrapping_add(1));
            // HAProxy numbers servers from 1 and keeps room for the points of the largest weight.
            (0..m.weight).map(move |n| {
                let at = hash::avalanche(number.wrapping_mul(POINTS_PER_SERVER).wrapping_add(n));
                Point { at, server }
            })
        };
        let mut points: Box<[Point]> = members.iter().flat_map(points_of).collect();
        points.sort_unstable();
        Self { points }
    }

    /// The server of the `turn`-th point.
    pub(super) fn turn(&self, turn: u64) -> Option<ServerId> {
        let len = u64::try_from(self.points.len()).ok().filter(|&len| len > 0)?;
        self.points.get(usize::try_from(turn % len).ok()?).map(|p| p.server)
    }

    /// Servers of the points from the one that is closest to `hash`, once around.
    pub(super) fn from(&self, hash: u32) -> impl Iterator<Item = ServerId> + '_ {
        let len = self.points.len();
        let after = self.points.partition_point(|p| p.at < hash);
        let next = if after == len { 0 } else { after };
        let previous = if next == 0 { len.saturating_sub(1) } else { next - 1 };
        let distance = |at: usize, of: fn(u32, u32) -> u32| self.points.get(at).map(|p| of(p.at, hash));
        let back = distance(previous, |at, hash| hash.wrapping_sub(at));
        let forth = distance(next, u32::wrapping_sub);
        let start = if back <= forth { previous } else { next };
        let (before, from) = self.points.split_at_checked(start).unwrap_or_default();
        from.iter().chain(before).map(|p| p.server)
    }
}

/// HAProxy's: 16 points for each of 256 steps of weight.
const POINTS_PER_SERVER: u32 = 4096;
