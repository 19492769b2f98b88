//! The last minutes: how much there was in each stretch of time, for plots, and how long requests took lately.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::stats::{BOUNDS, Snapshot, TimesTotals, Totals};

/// Of all frontends, backends and servers of a plan.
#[derive(Debug, Default)]
pub struct Recent {
    last: Option<(Instant, Snapshot)>,
    frontends: Vec<Track>,
    backends: Vec<Track>,
    servers: Vec<Track>,
    frontend_times: Vec<Lately>,
    server_times: Vec<Lately>,
}

/// What there was of one frontend, backend or server, a [`STRETCH`] at a time, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Track {
    /// Requests, or connections where there were more of these.
    pub requests: VecDeque<u32>,
    /// Requests that ended badly: errors of the proxy, of servers, and responses with status 5xx.
    pub errors: VecDeque<u32>,
}

/// How long requests took, by [`BOUNDS`], a [`STRETCH`] at a time.
type Lately = VecDeque<Counts>;

/// Requests by how long they took.
type Counts = [u32; BOUNDS.len() + 1];

impl Recent {
    /// Takes note of what has been counted until `now`; once a [`STRETCH`].
    pub fn tick(&mut self, now: Instant, snapshot: &Snapshot) {
        let Some((then, last)) = &self.last else {
            self.last = Some((now, snapshot.clone()));
            return;
        };
        // Ticks come a moment early or late.
        if now.saturating_duration_since(*then) + Duration::from_millis(500) < STRETCH {
            return;
        }
        let grown = snapshot.clone().since(last);
        note(&mut self.frontends, &grown.frontends);
        note(&mut self.backends, &grown.backends);
        note(&mut self.servers, &grown.servers);
        note_times(&mut self.frontend_times, &grown.frontend_times);
        note_times(&mut self.server_times, &grown.server_times);
        self.last = Some((now, snapshot.clone()));
    }

    /// Of a frontend, by its number.
    pub fn frontend(&self, at: usize) -> Option<&Track> {
        self.frontends.get(at)
    }

    /// Of a backend, by its number.
    pub fn backend(&self, at: usize) -> Option<&Track> {
        self.backends.get(at)
    }

    /// Of a server, by its number.
    pub fn server(&self, at: usize) -> Option<&Track> {
        self.servers.get(at)
    }

    /// How long requests of a frontend took in the last minute. `None`: there were none.
    pub fn frontend_latency(&self, at: usize) -> Option<Latency> {
        Latency::of(self.frontend_times.get(at..at + 1).unwrap_or_default())
    }

    /// How long requests took that these servers answered in the last minute. `None`: there were none.
    pub fn server_latency(&self, servers: Range<u32>) -> Option<Latency> {
        let range = servers.start as usize..servers.end as usize;
        Latency::of(self.server_times.get(range).unwrap_or_default())
    }
}

fn note(tracks: &mut Vec<Track>, grown: &[Totals]) {
    tracks.resize(grown.len(), Track::default());
    for (track, grown) in tracks.iter_mut().zip(grown) {
        let [.., server_errors, _] = grown.responses;
        let refused = grown.request_errors + grown.connect_errors + grown.response_errors;
        push(&mut track.requests, count(grown.requests.max(grown.connections)), STRETCHES);
        push(&mut track.errors, count(server_errors.max(refused)), STRETCHES);
    }
}

fn note_times(times: &mut Vec<Lately>, grown: &[TimesTotals]) {
    times.resize(grown.len(), Lately::default());
    for (lately, grown) in times.iter_mut().zip(grown) {
        push(lately, grown.buckets.map(count), LATELY);
    }
}

fn push<T>(line: &mut VecDeque<T>, value: T, most: usize) {
    if line.len() >= most {
        line.pop_front();
    }
    line.push_back(value);
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// How long requests took: so many of a hundred no longer than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of them.
    pub p50: Duration,
    /// Ninety.
    pub p90: Duration,
    /// Ninety-nine.
    pub p99: Duration,
}

impl Latency {
    fn of(times: &[Lately]) -> Option<Self> {
        let mut sums = [0_u64; BOUNDS.len() + 1];
        for counts in times.iter().flatten() {
            sums.iter_mut().zip(counts).for_each(|(sum, n)| *sum += u64::from(*n));
        }
        let at = |percent| quantile(&sums, percent);
        Some(Self { p50: at(50)?, p90: at(90)?, p99: at(99)? })
    }
}

/// Within which time `percent` of them ended, as if they were spread evenly between two bounds. What took longer than the
/// last bound took as long as that, for all that is known. `None`: there are none.
fn quantile(counts: &[u64], percent: u64) -> Option<Duration> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let rank = all as f64 * percent as f64 / 100.0;
    let (mut below, mut lower) = (0_u64, 0_u64);
    for (bound, n) in BOUNDS.iter().zip(counts) {
        if (below + n) as f64 >= rank && *n > 0 {
            let part = (rank - below as f64) / *n as f64;
            let micros = lower as f64 + part * (*bound - lower) as f64;
            return Some(Duration::from_micros(micros.round() as u64));
        }
        below += n;
        lower = *bound;
    }
    Some(Duration::from_micros(lower))
}

/// What one point of a plot stands for.
pub const STRETCH: Duration = Duration::from_secs(5);

/// Points that are kept: ten minutes.
const STRETCHES: usize = 120;

/// Of times, a minute.
const LATELY: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(requests: u64, bad: u64) -> Snapshot {
        let mut totals = Totals { requests, connections: 1, ..Totals::default() };
        totals.responses = [0, requests - bad, 0, 0, bad, 0];
        let mut times = TimesTotals::default();
        times.buckets[1] = requests;
        Snapshot {
            frontends: vec![totals],
            servers: vec![totals],
            frontend_times: vec![times],
            server_times: vec![times],
            ..Snapshot::default()
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn stretches_hold_what_was_in_them() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        recent.tick(at(0), &snapshot(100, 0));
        recent.tick(at(2000), &snapshot(103, 0));
        assert_eq!(recent.server(0), None, "too early");
        recent.tick(at(4900), &snapshot(110, 4));
        recent.tick(at(10_000), &snapshot(110, 4));
        let track = recent.server(0).unwrap();
        assert_eq!((track.requests.clone().into(), track.errors.clone().into()), (vec![10, 0], vec![4, 0]));
        for n in 0..200 {
            recent.tick(at(15_000 + n * 5000), &snapshot(111 + n, 4));
        }
        assert_eq!(recent.frontend(0).map(|t| t.requests.len()), Some(STRETCHES));
        let (lower, upper) = (Duration::from_micros(BOUNDS[0]), Duration::from_micros(BOUNDS[1]));
        let latency = recent.server_latency(0..1).unwrap();
        assert_eq!(latency.p50, lower + (upper - lower) / 2);
        assert!(latency.p50 < latency.p90 && latency.p90 < latency.p99 && latency.p99 < upper);
        assert_eq!(recent.frontend_latency(7), None);
    }

    #[test]
    fn quantiles_lie_between_bounds() {
        let mut counts = [0; BOUNDS.len() + 1];
        assert_eq!(quantile(&counts, 50), None);
        counts[0] = 90;
        counts[2] = 10;
        assert_eq!(quantile(&counts, 90), Some(Duration::from_micros(BOUNDS[0])));
        let middle = Duration::from_micros(BOUNDS[1] + (BOUNDS[2] - BOUNDS[1]) / 2);
        assert_eq!(quantile(&counts, 95), Some(middle));
        counts[BOUNDS.len()] = 100;
        assert_eq!(quantile(&counts, 99), BOUNDS.last().map(|b| Duration::from_micros(*b)));
    }
}
