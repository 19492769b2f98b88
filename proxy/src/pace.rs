//! Whether a client keeps up with the least it has to send or take.
//!
//! An inactivity timeout does not end a client that moves one byte now and then. So there is an account of how far it is
//! behind: time in which it is waited for counts against it, bytes count for it, and nobody gets ahead, so that a client
//! cannot save up for being slow later. While somebody else is waited for the account rests.

use std::time::{Duration, Instant};

/// How far a client is behind, in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    behind: Duration,
    /// Present: it has been waited for since then, when this many bytes had moved.
    waited: Option<(Instant, u64)>,
}

/// Whether the client is who has to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is.
    Client,
    /// Somebody else is.
    Other,
}

impl Pace {
    /// Whether nothing has to be settled when the turn is not the client's.
    #[inline]
    pub fn rests(&self) -> bool {
        self.waited.is_none()
    }

    /// Takes note of the bytes `moved` in all and of whose turn it is from `now` on. When the client will be behind by
    /// more than `allowance`, if it moves nothing until then; with a `rate` of 0 bytes per second: never.
    pub fn handle_turn(
        &mut self,
        turn: Turn,
        moved: u64,
        rate: u32,
        allowance: Duration,
        now: Instant,
    ) -> Option<Instant> {
        if let Some((since, before)) = self.waited.take() {
            let owed = self.behind + now.saturating_duration_since(since);
            self.behind = owed.saturating_sub(worth(moved.saturating_sub(before), rate));
        }
        if turn == Turn::Other || rate == 0 {
            return None;
        }
        self.waited = Some((now, moved));
        Some(now + allowance.saturating_sub(self.behind))
    }
}

/// The time that so many bytes may take.
fn worth(bytes: u64, rate: u32) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(1_000_000_000) / u64::from(rate.max(1)))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from; there is no other way to make one")]
mod tests {
    use super::*;

    const ALLOWANCE: Duration = Duration::from_secs(10);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn one_byte_now_and_then_ends_in_time() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let mut due = pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, start);
        let mut now = start;
        for bytes in 1_u64.. {
            now += seconds(1);
            if due.is_some_and(|due| due <= now) {
                break;
            }
            due = pace.handle_turn(Turn::Client, bytes, 100, ALLOWANCE, now);
        }
        assert_eq!(now - start, seconds(11), "a byte is worth a hundredth of a second");
    }

    #[test]
    fn who_keeps_up_is_never_late_and_saves_nothing_up() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, start);
        for second in 1..=1000 {
            let now = start + seconds(second);
            let due = pace.handle_turn(Turn::Client, second * 1_000_000, 100, ALLOWANCE, now);
            assert_eq!(due, Some(now + ALLOWANCE));
        }
    }

    #[test]
    fn what_was_lost_can_be_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, start);
        let now = start + seconds(9);
        assert_eq!(pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, now), Some(now + seconds(1)));
        assert_eq!(pace.handle_turn(Turn::Client, 400, 100, ALLOWANCE, now), Some(now + seconds(5)));
    }

    #[test]
    fn time_others_take_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, start);
        let now = start + seconds(4);
        assert_eq!(pace.handle_turn(Turn::Other, 0, 100, ALLOWANCE, now), None);
        assert!(pace.rests());
        let now = now + seconds(1000);
        assert_eq!(pace.handle_turn(Turn::Client, 0, 100, ALLOWANCE, now), Some(now + seconds(6)));
    }

    /// Pieces of a byte count for as much as one of the same size.
    #[test]
    fn the_size_of_pieces_does_not_matter() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for bytes in 0..=20_000 {
            let now = start + Duration::from_micros(bytes * 50);
            assert_eq!(pace.handle_turn(Turn::Client, bytes, 20_000, ALLOWANCE, now), Some(now + ALLOWANCE));
        }
    }

    #[test]
    fn without_a_rate_nobody_is_late() {
        let now = Instant::now();
        assert_eq!(Pace::default().handle_turn(Turn::Client, 0, 0, ALLOWANCE, now), None);
    }
}
