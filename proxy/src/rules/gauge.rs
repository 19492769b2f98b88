//! What conditions ask besides the message: how servers are, and what time it is.

use std::fmt;

use crate::access_log::{UnixMillis, UtcOffset};
use crate::plan::{BackendId, ServerId};

/// A number of a backend or of a server, as it is when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// Servers of a backend that get new work (`nbsrv`): backups count once no other server is left.
    Usable(BackendId),
    /// Requests that wait in a backend, for whichever server (`queue`).
    Queued(BackendId),
    /// 1 if a server is up and not in maintenance, else 0 (`srv_is_up`).
    Up(ServerId),
    /// Requests that a server has (`srv_conn`).
    Running(ServerId),
    /// Requests that wait for this server in particular (`srv_queue`).
    Waiting(ServerId),
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable(of) => write!(f, "nbsrv of backend {}", of.0),
            Self::Queued(of) => write!(f, "queue of backend {}", of.0),
            Self::Up(of) => write!(f, "srv_is_up of server {}", of.0),
            Self::Running(of) => write!(f, "srv_conn of server {}", of.0),
            Self::Waiting(of) => write!(f, "srv_queue of server {}", of.0),
        }
    }
}

/// Whose clock is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// That of the machine.
    Local,
    /// UTC.
    Utc,
}

/// What a clock and a calendar of the week show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTime {
    /// 0 for Monday to 6 for Sunday.
    pub day: u8,
    /// Minutes since midnight.
    pub minute: u16,
}

impl DayTime {
    /// At an instant, in a zone that is `offset` ahead of UTC.
    pub fn at(at: UnixMillis, offset: UtcOffset) -> Self {
        let seconds = at.0.div_euclid(1000) + i64::from(offset.0);
        // 1970 began with a Thursday.
        let day = (seconds.div_euclid(86_400) + 3).rem_euclid(7);
        let minute = seconds.rem_euclid(86_400) / 60;
        Self { day: u8::try_from(day).unwrap_or(0), minute: u16::try_from(minute).unwrap_or(0) }
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = Hours::DAYS.get(usize::from(self.day)).copied().unwrap_or_default();
        write!(f, "{day} {:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

/// A part of the day, on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Minutes since midnight when it begins.
    pub from: u16,
    /// Minutes since midnight before which it ends. No later than `from`: on the day after.
    pub to: u16,
    /// On which days it begins: a bit for each, the lowest for Monday.
    pub days: u8,
    /// By whose clock.
    pub zone: Zone,
}

impl Hours {
    /// All days of the week.
    pub const EVERY_DAY: u8 = 0b111_1111;

    /// Names of the days, Monday first.
    pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// Whether it is that time. What has begun before midnight is of the day before.
    pub fn hold(&self, at: DayTime) -> bool {
        let begins_on = |day: u8| self.days >> day & 1 == 1;
        let since_its_begin = at.minute >= self.from && begins_on(at.day);
        if self.from < self.to {
            return since_its_begin && at.minute < self.to;
        }
        since_its_begin || (at.minute < self.to && begins_on((at.day + 6) % 7))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{} to {}", clock(self.from), clock(self.to))?;
        if self.zone == Zone::Utc {
            f.write_str(" UTC")?;
        }
        if self.days == Self::EVERY_DAY {
            return Ok(());
        }
        let named = (0..7).zip(Self::DAYS).filter(|(day, _)| self.days >> day & 1 == 1);
        named
            .enumerate()
            .try_for_each(|(at, (_, name))| write!(f, "{}{name}", if at == 0 { " on " } else { ", " }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u8, hour: u16, minute: u16) -> DayTime {
        DayTime { day, minute: hour * 60 + minute }
    }

    #[test]
    fn instants_have_days_and_minutes() {
        for (seconds, offset, expected) in [
            (0, 0, at(3, 0, 0)),
            (-1, 0, at(2, 23, 59)),
            // 2026-11-30 18:39:19 UTC, a Monday.
            (1_796_063_959, 0, at(0, 18, 39)),
            (1_796_063_959, 3600 * 6, at(1, 0, 39)),
            (1_796_063_959, -3600 * 19, at(6, 23, 39)),
        ] {
            assert_eq!(DayTime::at(UnixMillis(seconds * 1000), UtcOffset(offset)), expected, "{seconds}");
        }
    }

    #[test]
    fn hours_hold_up_to_their_end() {
        let zone = Zone::Utc;
        let office = Hours { from: 8 * 60, to: 18 * 60, days: 0b001_1111, zone };
        let night = Hours { from: 22 * 60, to: 6 * 60, days: 0b000_0001, zone };
        let whole = Hours { from: 0, to: 24 * 60, days: 0b100_0000, zone };
        for (hours, when, holds) in [
            (office, at(0, 8, 0), true),
            (office, at(0, 7, 59), false),
            (office, at(4, 17, 59), true),
            (office, at(4, 18, 0), false),
            (office, at(5, 12, 0), false),
            // From Monday to Tuesday.
            (night, at(0, 21, 59), false),
            (night, at(0, 22, 0), true),
            (night, at(1, 5, 59), true),
            (night, at(1, 6, 0), false),
            (night, at(0, 5, 0), false),
            (night, at(1, 23, 0), false),
            (whole, at(6, 0, 0), true),
            (whole, at(6, 23, 59), true),
            (whole, at(0, 0, 0), false),
        ] {
            assert_eq!(hours.hold(when), holds, "{hours} at {when:?}");
        }
        assert_eq!(office.to_string(), "08:00 to 18:00 UTC on mon, tue, wed, thu, fri");
        assert_eq!(
            Hours { days: Hours::EVERY_DAY, zone: Zone::Local, ..night }.to_string(),
            "22:00 to 06:00"
        );
    }
}
