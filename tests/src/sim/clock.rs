//! True time, which only the simulator knows, and the clock of each node, which is off by a few percent.

use std::time::{Duration, Instant};

/// True time: nanoseconds since the start of the schedule.
pub(crate) type Nanos = u64;

pub(crate) const MICRO: Nanos = 1_000;
pub(crate) const MILLI: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// A node's clock. Its kernel, its guard and its keeper share it.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    base: Instant,
    /// Parts per million it runs fast (negative: slow).
    ppm: i64,
    /// Local time that did not pass while the machine was stopped together with its clock.
    stopped: Nanos,
}

impl Clock {
    /// `origin` is any instant; only differences matter.
    pub(crate) fn new(origin: Instant, ppm: i64) -> Self {
        // Engines subtract from `now`; the first instant must not be the oldest there is.
        Self { base: origin + Duration::from_secs(86_400), ppm, stopped: 0 }
    }

    /// Local nanoseconds since the start.
    pub(crate) fn local(&self, at: Nanos) -> Nanos {
        self.scaled(at).saturating_sub(self.stopped)
    }

    pub(crate) fn instant(&self, at: Nanos) -> Instant {
        self.base + Duration::from_nanos(self.local(at))
    }

    /// Local nanoseconds of an instant of this clock.
    pub(crate) fn local_of(&self, instant: Instant) -> Nanos {
        u64::try_from(instant.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The first moment at which the clock shows `local` or more.
    pub(crate) fn when(&self, local: Nanos) -> Nanos {
        let shown = u128::from(local) + u128::from(self.stopped);
        let rate = u128::try_from(1_000_000 + self.ppm).unwrap_or(1_000_000);
        let mut at = u64::try_from(shown * 1_000_000 / rate).unwrap_or(u64::MAX);
        while u128::from(self.scaled(at)) < shown {
            at += 1;
        }
        at
    }

    /// The machine was stopped from `from` to `to`, and its clock with it.
    pub(crate) fn skip(&mut self, from: Nanos, to: Nanos) {
        self.stopped += self.scaled(to) - self.scaled(from);
    }

    fn scaled(&self, at: Nanos) -> Nanos {
        let off = i128::from(at) * i128::from(self.ppm) / 1_000_000;
        u64::try_from(i128::from(at) + off).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_the_clock_is_found_again() {
        for ppm in [-50_000, -1, 0, 1, 33, 50_000] {
            let mut clock = Clock::new(Instant::now(), ppm);
            for at in [0, 1, 999, MILLI, 7 * SECOND + 13, 900 * SECOND] {
                let local = clock.local(at);
                let found = clock.when(local);
                assert!(clock.local(found) >= local, "{ppm} {at}");
                assert!(found <= at + 1, "{ppm} {at} {found}");
            }
            clock.skip(SECOND, 4 * SECOND);
            let before = clock.local(5 * SECOND);
            assert_eq!(clock.when(before) / MILLI, 5_000, "{ppm}");
        }
    }
}
