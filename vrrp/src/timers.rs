//! Skew_Time and Master_Down_Interval, in exact durations: nothing is rounded to the units of the wire.

use std::time::Duration;

use crate::types::{Centis, Priority, Version};

/// How long a BACKUP waits beyond the silent intervals: the less, the higher its priority.
///
/// v2 (RFC 3768 §6.1): `(256 - Priority) / 256` seconds, whatever the interval.
/// v3 (RFC 9568 §6.1): `(256 - Priority) * Active_Adver_Interval / 256`.
pub fn skew_time(version: Version, priority: Priority, interval: Centis) -> Duration {
    let steps = 256 - u64::from(priority.value());
    match version {
        Version::V2 => Duration::from_nanos(steps * (NANOS_PER_SECOND / 256)),
        Version::V3 => Duration::from_nanos(steps * u64::from(interval.value()) * NANOS_PER_CENTI / 256),
    }
}

/// How long a BACKUP waits for a silent MASTER: `down_timer_adverts` (the protocol says 3) intervals and Skew_Time.
pub fn master_down_interval(
    version: Version,
    priority: Priority,
    interval: Centis,
    down_timer_adverts: u8,
) -> Duration {
    interval.duration() * u32::from(down_timer_adverts) + skew_time(version, priority, interval)
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_CENTI: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(n: u64) -> Duration {
        Duration::from_micros(n)
    }

    /// RFC 3768 §6.1 and RFC 9568 §6.1. The figures of `facts/vrrp.md` §5 are these plus the noise of a busy machine.
    #[test]
    fn skew_time_is_exact() {
        let nanos = Duration::from_nanos;
        for (version, priority, interval, skew) in [
            (Version::V2, 100, 100, micros(609_375)),
            (Version::V2, 101, 100, nanos(605_468_750)),
            (Version::V2, 100, 1000, micros(609_375)),
            (Version::V2, 1, 100, nanos(996_093_750)),
            (Version::V2, 254, 100, nanos(7_812_500)),
            (Version::V2, 255, 100, nanos(3_906_250)),
            (Version::V3, 100, 100, micros(609_375)),
            (Version::V3, 100, 10, nanos(60_937_500)),
            (Version::V3, 100, 1, nanos(6_093_750)),
            (Version::V3, 255, 1, nanos(39_062)),
            (Version::V3, 1, 4095, nanos(40_790_039_062)),
        ] {
            let centis = Centis::new(interval).expect("in range");
            assert_eq!(
                skew_time(version, Priority::new(priority), centis),
                skew,
                "{version:?} {priority} {interval}"
            );
        }
    }

    #[test]
    fn master_down_adds_the_silent_intervals() {
        for (version, priority, interval, adverts, down) in [
            (Version::V2, 100, 100, 3, micros(3_609_375)),
            (Version::V2, 102, 100, 3, Duration::from_nanos(3_601_562_500)),
            (Version::V2, 100, 200, 3, micros(6_609_375)),
            (Version::V3, 100, 10, 3, Duration::from_nanos(360_937_500)),
            (Version::V3, 100, 10, 2, Duration::from_nanos(260_937_500)),
            (Version::V3, 100, 100, 1, micros(1_609_375)),
        ] {
            let centis = Centis::new(interval).expect("in range");
            assert_eq!(
                master_down_interval(version, Priority::new(priority), centis, adverts),
                down,
                "{version:?} {priority} {interval} {adverts}"
            );
        }
    }
}
