//! How many events there were in the last while, as HAProxy counts them.

/// Events of the present period and of the one before it. Of that one as much counts as the window of the period's length
/// still covers, as if its events had been spread over it evenly.
///
/// Times are milliseconds of a clock that has been running for more than two periods when the first event comes: a rate
/// without events began at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    /// When the present period began.
    pub(super) start: u64,
    pub(super) current: u64,
    pub(super) previous: u64,
}

impl Rate {
    /// Counts events.
    pub(super) fn add(&mut self, events: u64, period: u64, now: u64) {
        // Threads read the clock one after the other, and do not come here in that order.
        let age = now.saturating_sub(self.start);
        if age < period {
            self.current = self.current.saturating_add(events);
            return;
        }
        let follows = age < period.saturating_mul(2);
        *self = match follows {
            true => Self { start: self.start + period, current: events, previous: self.current },
            // A whole period had none.
            false => Self { start: now, current: events, previous: 0 },
        };
    }

    /// How many there were in the period that ends now.
    pub(super) fn read(&self, period: u64, now: u64) -> u64 {
        let age = now.saturating_sub(self.start);
        let (past, current, remaining) = if age <= period {
            (self.previous, self.current, period - age)
        } else {
            let remaining = period.saturating_mul(2).checked_sub(age);
            (remaining.map_or(0, |_| self.current), 0, remaining.unwrap_or(0))
        };
        // One event does not come and go as its share is rounded.
        if current == 0 && past <= 1 {
            return past;
        }
        let share = u128::from(past) * u128::from(remaining) / u128::from(period.max(1));
        current.saturating_add(u64::try_from(share).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: u64 = 10_000;
    /// More than two periods after the clock's start.
    const START: u64 = 1 << 32;

    /// Events at these times, and what is read at another.
    fn read(events: &[(u64, u64)], at: u64) -> u64 {
        let mut rate = Rate::default();
        for (time, count) in events {
            rate.add(*count, PERIOD, START + time);
        }
        rate.read(PERIOD, START + at)
    }

    #[test]
    fn what_has_passed_fades() {
        for (at, seen) in [
            (0, 100),
            (9_999, 100),
            (10_000, 100),
            (10_001, 99),
            (15_000, 50),
            (19_900, 1),
            (19_901, 0),
            (20_000, 0),
            (20_001, 0),
        ] {
            assert_eq!(read(&[(0, 100)], at), seen, "{at} ms");
        }
    }

    #[test]
    fn one_event_stays_one_until_its_window_has_passed() {
        for (at, seen) in [(0, 1), (10_000, 1), (19_999, 1), (20_000, 1), (20_001, 0)] {
            assert_eq!(read(&[(0, 1)], at), seen, "{at} ms");
        }
    }

    #[test]
    fn periods_follow_one_another() {
        let events = [(0, 40), (12_000, 10)];
        // The second period began at 10 s, not at its first event.
        assert_eq!(read(&events, 12_000), 10 + 40 * 8 / 10);
        assert_eq!(read(&events, 20_000), 10);
        assert_eq!(read(&events, 25_000), 5);
        // After a whole period without events one begins with the next event.
        let late = [(0, 40), (20_000, 10)];
        assert_eq!(read(&late, 20_000), 10);
        assert_eq!(read(&late, 29_000), 10);
        assert_eq!(read(&late, 35_000), 5);
    }

    #[test]
    fn a_thread_that_read_the_clock_earlier_counts_as_well() {
        assert_eq!(read(&[(100, 5), (50, 5)], 99), 10);
    }

    #[test]
    fn nothing_overflows() {
        let mut rate = Rate::default();
        rate.add(u64::MAX, u64::MAX / 4, START);
        rate.add(u64::MAX, u64::MAX / 4, START);
        assert_eq!(rate.read(u64::MAX / 4, START), u64::MAX);
        assert_eq!(Rate::default().read(0, 0), 0);
    }

    proptest! {
        /// It is what a list of all events, sorted into their periods, comes to.
        #[test]
        fn counts_like_a_list(
            period in 1_u64..2000,
            steps in proptest::collection::vec((0_u64..3000, 0_u64..50), 1..60),
            later in 0_u64..5000,
        ) {
            let (mut rate, mut now) = (Rate::default(), START);
            // When the period began that the last event fell into, and all events with the period each fell into.
            let (mut began, mut events): (Option<u64>, Vec<(u64, u64)>) = (None, Vec::new());
            for (wait, count) in steps {
                now += wait;
                rate.add(count, period, now);
                let this = match began {
                    Some(at) if now < at + period => at,
                    Some(at) if now < at + 2 * period => at + period,
                    Some(_) | None => now,
                };
                began = Some(this);
                events.push((this, count));
            }
            let now = now + later;
            let of = |start: u64| events.iter().filter(|(at, _)| *at == start).map(|(_, n)| n).sum::<u64>();
            let last = began.unwrap();
            let before = last.checked_sub(period).map_or(0, of);
            let (past, current, left) = match now - last {
                age if age <= period => (before, of(last), period - age),
                age if age <= 2 * period => (of(last), 0, 2 * period - age),
                _ => (0, 0, 0),
            };
            let expected = if current == 0 && past <= 1 { past } else { current + past * left / period };
            prop_assert_eq!(rate.read(period, now), expected);
        }

        /// Whatever the times are, no more is reported than two periods had.
        #[test]
        fn never_reports_more_than_there_was(
            steps in proptest::collection::vec((any::<u32>(), 0_u64..50), 1..60),
            period in 1_u64..1 << 33,
        ) {
            let (mut rate, mut all) = (Rate::default(), 0);
            for (at, count) in steps {
                rate.add(count, period, START + u64::from(at));
                all += count;
                prop_assert!(rate.read(period, START + u64::from(at)) <= all);
            }
        }
    }
}
