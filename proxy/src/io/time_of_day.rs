//! The time of day of instants, without asking for it each time.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tz::TimeZone;

use crate::access_log::{UnixMillis, UtcOffset};
use crate::rules::{DayTime, Zone};

/// What both clocks showed at the same time, a moment ago.
#[derive(Debug)]
pub(super) struct TimeOfDay {
    seen: Cell<Seen>,
    /// What was asked for last: what begins in one turn has one instant.
    last: Cell<(Instant, UnixMillis)>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    instant: Instant,
    unix_us: i64,
}

impl TimeOfDay {
    /// As the clocks show it now.
    pub(super) fn new() -> Self {
        let seen = look();
        let last = (seen.instant, UnixMillis(seen.unix_us.div_euclid(1000)));
        Self { seen: Cell::new(seen), last: Cell::new(last) }
    }

    /// What the clock of the day showed, or would have shown had it been set then as it is set now. That it has been set
    /// anew is found out [`OUTDATED`] later at most.
    #[inline]
    pub(super) fn at(&self, at: Instant) -> UnixMillis {
        let (last, shown) = self.last.get();
        if last == at {
            return shown;
        }
        let seen = self.seen.get();
        let unix_us = match at.checked_duration_since(seen.instant) {
            Some(since) if since <= OUTDATED => seen.unix_us.saturating_add(micros(since)),
            Some(_) => self.look_again().unix_us_at(at),
            None => seen.unix_us_at(at),
        };
        let shown = UnixMillis(unix_us.div_euclid(1000));
        self.last.set((at, shown));
        shown
    }

    #[cold]
    fn look_again(&self) -> Seen {
        let seen = look();
        self.seen.set(seen);
        seen
    }
}

impl Seen {
    /// What the clock of the day shows at an instant, before or after.
    fn unix_us_at(self, at: Instant) -> i64 {
        match at.checked_duration_since(self.instant) {
            Some(since) => self.unix_us.saturating_add(micros(since)),
            None => self.unix_us.saturating_sub(micros(self.instant.saturating_duration_since(at))),
        }
    }
}

fn look() -> Seen {
    // A clock before 1970 is not worth an error in a log.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Seen { instant: Instant::now(), unix_us: micros(since) }
}

/// What clock and calendar show now. The machine's zone is the one that it had when it was first asked for.
pub(super) fn day_time(zone: Zone) -> DayTime {
    static LOCAL: OnceLock<TimeZone> = OnceLock::new();
    let now = UnixMillis(look().unix_us.div_euclid(1000));
    let offset = match zone {
        Zone::Utc => UtcOffset(0),
        Zone::Local => {
            let local = LOCAL.get_or_init(|| TimeZone::local().unwrap_or_else(|_| TimeZone::utc()));
            let kind = local.find_local_time_type(now.0.div_euclid(1000));
            UtcOffset(kind.map_or(0, |kind| kind.ut_offset()))
        }
    };
    DayTime::at(now, offset)
}

#[inline]
fn micros(duration: Duration) -> i64 {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(duration.subsec_micros().into())
}

/// How long what was seen is relied on.
const OUTDATED: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_as_far_apart_as_they_are() {
        let time = TimeOfDay::new();
        let seen = time.seen.get();
        let ms = seen.unix_us.div_euclid(1000);
        let at = |us: i64| {
            let by = Duration::from_micros(us.unsigned_abs());
            time.at(if us < 0 { seen.instant - by } else { seen.instant + by }).0 - ms
        };
        let (rest, whole) = (seen.unix_us.rem_euclid(1000), 400_000);
        assert_eq!([at(0), at(-rest), at(-rest - 1)], [0, 0, -1]);
        assert_eq!([at(whole), at(999 - rest), at(1000 - rest)], [400, 0, 1]);
        assert_eq!(at(-3_600_000_000), -3_600_000);
    }

    #[test]
    fn a_clock_that_was_set_is_looked_at_again() {
        let time = TimeOfDay::new();
        let day_us = 86_400_000_000;
        let seen = time.seen.get();
        time.seen.set(Seen { unix_us: seen.unix_us - day_us, ..seen });
        let soon = seen.instant + OUTDATED;
        assert!(time.at(soon).0 < (seen.unix_us - day_us / 2) / 1000);
        assert!(time.at(soon + Duration::from_millis(1)).0 >= seen.unix_us / 1000);
    }
}
