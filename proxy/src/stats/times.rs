//! How long requests take: sums, the longest, and how many took how long.

use std::time::Duration;

use super::{Counter, Peak};
use crate::access_log::Timers;

/// How long one request took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spans {
    /// It waited for a server.
    pub queue: u64,
    /// A connection to it was made.
    pub connect: u64,
    /// The server thought about it.
    pub response: u64,
    /// All of it.
    pub total: u64,
}

impl From<&Timers> for Spans {
    /// A step that was not reached took no time.
    fn from(timers: &Timers) -> Self {
        let micros = |span: Duration| span.as_secs() * 1_000_000 + u64::from(span.subsec_micros());
        let step = |span: Option<Duration>| span.map_or(0, micros);
        Self {
            queue: step(timers.queue),
            connect: step(timers.connect),
            response: step(timers.response),
            total: micros(timers.active),
        }
    }
}

/// How long the requests of a frontend or server took, written by one thread.
#[derive(Debug, Default)]
pub struct Times {
    queue: Time,
    connect: Time,
    response: Time,
    total: Time,
    /// By [`BOUNDS`]; the last one is of all that took longer.
    buckets: [Counter; BUCKETS],
}

#[derive(Debug, Default)]
struct Time {
    sum: Counter,
    longest: Peak,
}

impl Time {
    #[inline]
    fn note(&self, span: u64) {
        // Over a connection that there was, waiting and connecting take no time.
        if span > 0 {
            self.sum.add(span);
            self.longest.note(span);
        }
    }
}

impl Times {
    /// A request took so long.
    #[inline]
    pub fn note(&self, spans: Spans) {
        self.queue.note(spans.queue);
        self.connect.note(spans.connect);
        self.response.note(spans.response);
        self.total.note(spans.total);
        let at = BOUNDS.partition_point(|bound| *bound < spans.total);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
    }

    pub(super) fn clear_peaks(&self) {
        for time in [&self.queue, &self.connect, &self.response, &self.total] {
            time.longest.restart(0);
        }
    }

    fn add_to(&self, totals: &mut TimesTotals) {
        let TimesTotals { sum, longest, buckets } = totals;
        let parts = [
            (&self.queue, &mut sum.queue, &mut longest.queue),
            (&self.connect, &mut sum.connect, &mut longest.connect),
            (&self.response, &mut sum.response, &mut longest.response),
            (&self.total, &mut sum.total, &mut longest.total),
        ];
        for (time, sum, longest) in parts {
            *sum = sum.wrapping_add(time.sum.value());
            *longest = (*longest).max(time.longest.value());
        }
        for (total, bucket) in buckets.iter_mut().zip(&self.buckets) {
            *total = total.wrapping_add(bucket.value());
        }
    }
}

/// The same, summed over threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimesTotals {
    /// Sums, in microseconds.
    pub sum: Spans,
    /// The longest, in microseconds.
    pub longest: Spans,
    /// How many took so long, by [`BOUNDS`].
    pub buckets: [u64; BUCKETS],
}

impl TimesTotals {
    /// How many requests there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }

    /// Every number, for writing down.
    pub fn numbers(&self) -> Vec<u64> {
        let Self { sum, longest, buckets } = self;
        let of = |s: &Spans| [s.queue, s.connect, s.response, s.total];
        of(sum).into_iter().chain(of(longest)).chain(*buckets).collect()
    }

    /// What [`Self::numbers`] gave. `None`: they are of something else.
    pub fn of_numbers(numbers: &[u64]) -> Option<Self> {
        let of = |&[queue, connect, response, total]: &[u64; 4]| Spans { queue, connect, response, total };
        let (sum, rest) = numbers.split_first_chunk()?;
        let (longest, rest) = rest.split_first_chunk()?;
        Some(Self { sum: of(sum), longest: of(longest), buckets: rest.try_into().ok()? })
    }

    /// Those of this and of `other` together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.sum = self.sum.with(&other.sum, u64::wrapping_add);
        self.longest = self.longest.with(&other.longest, u64::max);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(n, m)| *n = n.wrapping_add(*m));
        self
    }

    /// What has been added since `earlier`.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.sum = self.sum.with(&earlier.sum, u64::wrapping_sub);
        self.buckets.iter_mut().zip(&earlier.buckets).for_each(|(n, m)| *n = n.wrapping_sub(*m));
        self
    }
}

impl Spans {
    fn with(self, other: &Self, by: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            queue: by(self.queue, other.queue),
            connect: by(self.connect, other.connect),
            response: by(self.response, other.response),
            total: by(self.total, other.total),
        }
    }
}

pub(super) fn add_all(times: &[Times], totals: &mut Vec<TimesTotals>) {
    totals.resize(times.len(), TimesTotals::default());
    times.iter().zip(totals).for_each(|(times, totals)| times.add_to(totals));
}

/// Upper ends of the buckets, in microseconds: a request of exactly that long is in it. Three to a decade, from the
/// fastest answers of a cache to the usual timeouts.
pub const BOUNDS: [u64; 17] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

const BUCKETS: usize = BOUNDS.len() + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_in_the_bucket_whose_end_it_does_not_pass() {
        let times = Times::default();
        for total in [0, 100, 101, 30_000_000, 30_000_001] {
            times.note(Spans { total, ..Spans::default() });
        }
        let mut totals = TimesTotals::default();
        times.add_to(&mut totals);
        assert_eq!((totals.buckets[0], totals.buckets[1]), (2, 1));
        assert_eq!((totals.buckets[BUCKETS - 2], totals.buckets[BUCKETS - 1]), (1, 1));
        assert_eq!((totals.count(), totals.longest.total), (5, 30_000_001));
    }

    #[test]
    fn totals_add_up_and_the_longest_of_all_stays() {
        let of = |total| TimesTotals {
            sum: Spans { total, ..Spans::default() },
            longest: Spans { total, ..Spans::default() },
            buckets: [1; BUCKETS],
        };
        let both = of(3).and(&of(5));
        assert_eq!((both.sum.total, both.longest.total, both.buckets[0]), (8, 5, 2));
        assert_eq!(both.since(&of(3)).sum.total, 5);
    }
}
