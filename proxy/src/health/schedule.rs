//! How long until the next check of a server.
//!
//! The first round is made as soon as possible, because a worker is not ready before it, but spread over a short
//! span in the order of the plan. The second check of each server then comes after a random part of its interval:
//! from there on checks are spread over the whole interval and keep their places.

use std::time::Duration;

use super::machine::Standing;
use crate::plan::CheckConfig;

/// Delay from the beginning of one check to the beginning of the next.
pub fn interval(config: &CheckConfig, standing: Standing) -> Duration {
    let chosen = match standing {
        Standing::Up => config.inter,
        Standing::Down => config.downinter.unwrap_or(config.inter),
        Standing::Falling | Standing::Rising => config.fastinter.unwrap_or(config.inter),
    };
    chosen.max(SHORTEST_INTERVAL)
}

/// Delay of the first check of the server at `position` of `count` checked ones.
pub fn first_delay(config: &CheckConfig, position: usize, count: usize) -> Duration {
    let span = config.inter.min(FIRST_ROUND);
    let position = u32::try_from(position).unwrap_or(u32::MAX);
    let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    span.mul_f64(f64::from(position) / f64::from(count))
}

/// The second delay of a server: between half of `interval` and all of it, as `random` decides.
pub fn second_delay(interval: Duration, random: &mut Random) -> Duration {
    interval.mul_f64(0.5 + 0.5 * random.fraction())
}

/// `regular`, more or less: by up to so many percent of it, as `random` decides.
pub fn spread(regular: Duration, percent: u8, random: &mut Random) -> Duration {
    if percent == 0 {
        return regular;
    }
    let part = f64::from(percent.min(50)) / 100.0;
    regular.mul_f64(1.0 + part * (1.0 - 2.0 * random.fraction()))
}

/// Random numbers for spreading things, nothing more: `SplitMix64`, from a seed, so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers that depend on `seed` only.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to, but not including, 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        f64::from(u32::try_from(z >> 32).unwrap_or(0)) / 4_294_967_296.0
    }
}

/// Within how much time all servers are checked for the first time, if their interval is longer. Chosen so that a
/// restarted worker knows its servers well before a peer would think of taking over.
const FIRST_ROUND: Duration = Duration::from_millis(250);

/// An interval of zero would keep the checker busy with one server.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
