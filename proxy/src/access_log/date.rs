//! Dates for log lines. The core reads no clock: the instant and the offset from UTC are arguments.

use super::number::{push_padded, push_two, push_unsigned};
use crate::decimal::push_then;

/// An instant as milliseconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub i64);

/// Seconds that local time is ahead of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UtcOffset(pub i32);

/// Writes instants as dates. Those of the same second, as lines are that follow each other, are converted once.
#[derive(Debug)]
pub struct Calendar {
    offset: UtcOffset,
    /// Of `text`; absent: of none.
    second: Option<i64>,
    /// HAProxy's `%tr` up to the milliseconds.
    text: Vec<u8>,
}

impl Calendar {
    /// Of a time zone that is `offset` ahead of UTC.
    pub fn new(offset: UtcOffset) -> Self {
        Self { offset, second: None, text: Vec::new() }
    }

    /// What local time is ahead of UTC from now on.
    #[inline]
    pub fn set_offset(&mut self, offset: UtcOffset) {
        if self.offset != offset {
            *self = Self::new(offset);
        }
    }

    /// What local time is ahead of UTC.
    pub fn offset(&self) -> UtcOffset {
        self.offset
    }

    /// `22/Nov/2026:21:16:00.123`.
    pub fn date(&mut self, at: UnixMillis) -> String {
        let mut out = Vec::new();
        self.push_date(&mut out, at);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Appends `22/Nov/2026:21:16:00.123`, HAProxy's `%tr`.
    pub(super) fn push_date(&mut self, out: &mut Vec<u8>, at: UnixMillis) {
        self.push_httplog(out, at);
        out.truncate(out.len() - 2);
    }

    /// The same and what follows it in a line: `] `.
    #[inline]
    pub(super) fn push_httplog(&mut self, out: &mut Vec<u8>, at: UnixMillis) {
        let (second, milli) = (at.0.div_euclid(1000), at.0.rem_euclid(1000));
        if self.second != Some(second) {
            self.text.clear();
            Civil::new(at, self.offset).push_second(&mut self.text);
            self.second = Some(second);
        }
        out.extend_from_slice(&self.text);
        let digit = |value: i64| b'0' + u8::try_from(value % 10).unwrap_or(0);
        out.extend_from_slice(&[digit(milli / 100), digit(milli / 10), digit(milli), b']', b' ']);
    }
}

/// `Nov  2 21:16:00 2026 GMT`, as OpenSSL writes an instant, which is in seconds since 1970.
pub(crate) fn of_certificate(at: i64) -> String {
    let civil = Civil::new(UnixMillis(at.saturating_mul(1000)), UtcOffset(0));
    let mut out = Vec::new();
    civil.push_syslog(&mut out);
    out.push(b' ');
    push_unsigned(&mut out, civil.year.unsigned_abs());
    out.extend_from_slice(b" GMT");
    String::from_utf8_lossy(&out).into_owned()
}

/// An instant as calendar and clock show it in some time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    year: i64,
    /// 1–12.
    month: u8,
    /// 1–31.
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    milli: u16,
    offset: UtcOffset,
}

/// A time as RFC 3339 has it, in UTC: `2026-11-22T20:16:00.123Z`.
pub fn utc(at: UnixMillis) -> String {
    let mut out = Vec::new();
    Civil::new(at, UtcOffset(0)).push_rfc3339(&mut out);
    String::from_utf8_lossy(&out).replace("+00:00", "Z")
}

impl Civil {
    /// `at` in a time zone that is `offset` ahead of UTC (proleptic Gregorian calendar).
    pub(super) fn new(at: UnixMillis, offset: UtcOffset) -> Self {
        let local = at.0.saturating_add(i64::from(offset.0) * 1000);
        let (days, in_day) = (local.div_euclid(DAY_MS), local.rem_euclid(DAY_MS));
        let (year, month, day) = civil_from_days(days);
        let narrow = |value: i64| u8::try_from(value).unwrap_or(0);
        Self {
            year,
            month,
            day,
            hour: narrow(in_day / 3_600_000),
            minute: narrow(in_day / 60_000 % 60),
            second: narrow(in_day / 1000 % 60),
            milli: u16::try_from(in_day % 1000).unwrap_or(0),
            offset,
        }
    }

    /// `22/Nov/2026:21:16:00.123`, HAProxy's `%tr`.
    pub(super) fn push_httplog(&self, out: &mut Vec<u8>) {
        self.push_second(out);
        push_padded(out, self.milli.into(), 3);
    }

    /// `22/Nov/2026:21:16:00.`
    fn push_second(&self, out: &mut Vec<u8>) {
        push_two(out, self.day);
        out.push(b'/');
        out.extend_from_slice(self.month_name().as_bytes());
        out.push(b'/');
        push_then(out, self.year.unsigned_abs(), b':');
        self.push_clock(out);
        out.push(b'.');
    }

    /// `22/Nov/2026:21:16:00 +0100`, HAProxy's `%trl`.
    pub(super) fn push_zoned(&self, out: &mut Vec<u8>) {
        self.push_second(out);
        out.pop();
        out.extend_from_slice(if self.offset.0 < 0 { b" -" } else { b" +" });
        let ahead = u64::from(self.offset.0.unsigned_abs());
        push_padded(out, ahead / 3600, 2);
        push_padded(out, ahead / 60 % 60, 2);
    }

    /// `2026-11-22T21:16:00.123+01:00` (RFC 3339).
    pub(super) fn push_rfc3339(&self, out: &mut Vec<u8>) {
        push_padded(out, self.year.unsigned_abs(), 4);
        out.push(b'-');
        push_two(out, self.month);
        out.push(b'-');
        push_two(out, self.day);
        out.push(b'T');
        self.push_clock(out);
        out.push(b'.');
        push_padded(out, self.milli.into(), 3);
        out.push(if self.offset.0 < 0 { b'-' } else { b'+' });
        let ahead = u64::from(self.offset.0.unsigned_abs());
        push_padded(out, ahead / 3600, 2);
        out.push(b':');
        push_padded(out, ahead / 60 % 60, 2);
    }

    /// `Nov  2 21:16:00` (RFC 3164 §4.1.2: the day is padded with a space).
    pub(super) fn push_syslog(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.month_name().as_bytes());
        out.push(b' ');
        if self.day < 10 {
            out.push(b' ');
        }
        push_unsigned(out, self.day.into());
        out.push(b' ');
        self.push_clock(out);
    }

    fn push_clock(&self, out: &mut Vec<u8>) {
        push_two(out, self.hour);
        out.push(b':');
        push_two(out, self.minute);
        out.push(b':');
        push_two(out, self.second);
    }

    fn month_name(&self) -> &'static str {
        MONTHS.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or("???")
    }
}

/// Year, month (1–12) and day (1–31) of a day counted from 1970-01-01. Years are counted from March, so that the
/// leap day is the last of its year, in eras of 400 years, which all have the same number of days.
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let since_march_0 = days + DAYS_0000_03_01_TO_1970;
    let era = since_march_0.div_euclid(DAYS_PER_ERA);
    let day_of_era = since_march_0.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(0), u8::try_from(day).unwrap_or(0))
}

const DAY_MS: i64 = 86_400_000;
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_0000_03_01_TO_1970: i64 = 719_468;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
