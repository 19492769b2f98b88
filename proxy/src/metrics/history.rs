//! What counters do not say by themselves: how fast they grow, means, and when they last grew. Made of snapshots that are
//! taken every second, so that requests pay nothing for it.

use std::time::{Duration, Instant};

use crate::stats::{Snapshot, Spans, TimesTotals, Totals};

/// What snapshots have shown.
#[derive(Debug, Clone, Default)]
pub struct History {
    last: Option<(Instant, Snapshot)>,
    process: Past,
    frontends: Vec<Past>,
    backends: Vec<Past>,
    servers: Vec<Past>,
    means: Vec<Means>,
}

/// Of the process, a frontend, a backend or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Past {
    /// Connections per second.
    pub connections: Rate,
    /// Requests per second.
    pub requests: Rate,
    /// TLS handshakes per second.
    pub handshakes: Rate,
    /// Bytes to clients per second.
    pub bytes_out: Rate,
    /// Bytes given to compression per second.
    pub comp_in: Rate,
    /// Bytes that it made of them per second.
    pub comp_out: Rate,
    /// When there last was something; `None`: never.
    pub active: Option<Instant>,
}

/// How fast something grows, per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// In the last second.
    pub now: u32,
    /// The most there has been in a second.
    pub most: u32,
}

/// Means of the last requests of a server, as HAProxy keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Means {
    count: u64,
    /// In microseconds.
    queue: f64,
    connect: f64,
    response: f64,
    total: f64,
}

impl History {
    /// Takes note of what has been counted until `now`.
    pub fn tick(&mut self, now: Instant, snapshot: Snapshot) {
        self.resize(&snapshot);
        if let Some((then, last)) = &self.last {
            let passed = now.saturating_duration_since(*then);
            if passed < SHORTEST {
                return;
            }
            let grown = snapshot.clone().since(last);
            self.process.note(&grown.process, passed, now);
            let lists = [
                (&mut self.frontends, &grown.frontends),
                (&mut self.backends, &grown.backends),
                (&mut self.servers, &grown.servers),
            ];
            for (pasts, grown) in lists {
                pasts.iter_mut().zip(grown).for_each(|(past, grown)| past.note(grown, passed, now));
            }
            self.means.iter_mut().zip(&grown.server_times).for_each(|(means, grown)| means.note(grown));
        }
        self.last = Some((now, snapshot));
    }

    fn resize(&mut self, to: &Snapshot) {
        self.frontends.resize(to.frontends.len(), Past::default());
        self.backends.resize(to.backends.len(), Past::default());
        self.servers.resize(to.servers.len(), Past::default());
        self.means.resize(to.server_times.len(), Means::default());
    }

    /// Of the process.
    pub fn process(&self) -> &Past {
        &self.process
    }

    /// Of a frontend, by its number.
    pub fn frontend(&self, at: usize) -> Past {
        self.frontends.get(at).copied().unwrap_or_default()
    }

    /// Of a backend, by its number.
    pub fn backend(&self, at: usize) -> Past {
        self.backends.get(at).copied().unwrap_or_default()
    }

    /// Of a server, by its number.
    pub fn server(&self, at: usize) -> Past {
        self.servers.get(at).copied().unwrap_or_default()
    }

    /// Means over the last requests of servers, in microseconds, weighted by how many they had.
    pub fn means(&self, servers: std::ops::Range<u32>) -> Spans {
        let own = self.means.get(servers.start as usize..servers.end as usize).unwrap_or_default();
        let weight = |m: &Means| m.count.min(WINDOW) as f64;
        let all: f64 = own.iter().map(weight).sum();
        let mean = |of: fn(&Means) -> f64| {
            let sum: f64 = own.iter().map(|m| of(m) * weight(m)).sum();
            if all > 0.0 { (sum / all).round() as u64 } else { 0 }
        };
        Spans {
            queue: mean(|m| m.queue),
            connect: mean(|m| m.connect),
            response: mean(|m| m.response),
            total: mean(|m| m.total),
        }
    }

    /// Lets the largest numbers begin anew.
    pub fn clear_peaks(&mut self) {
        let lists = [&mut self.frontends, &mut self.backends, &mut self.servers];
        for past in lists.into_iter().flatten().chain([&mut self.process]) {
            let rates =
                [&mut past.connections, &mut past.requests, &mut past.handshakes, &mut past.bytes_out];
            rates.into_iter().for_each(|rate| rate.most = rate.now);
        }
    }
}

impl Past {
    fn note(&mut self, grown: &Totals, passed: Duration, now: Instant) {
        self.connections.note(grown.connections, passed);
        self.requests.note(grown.requests, passed);
        self.handshakes.note(grown.tls_handshakes, passed);
        self.bytes_out.note(grown.bytes_out, passed);
        self.comp_in.note(grown.comp_in, passed);
        self.comp_out.note(grown.comp_out, passed);
        if grown.connections + grown.requests > 0 {
            self.active = Some(now);
        }
    }
}

impl Rate {
    fn note(&mut self, grown: u64, passed: Duration) {
        let millis = passed.as_millis().max(1);
        // Rounded up: one request in a second and a bit is one per second and not none.
        self.now = u32::try_from((u128::from(grown) * 1000).div_ceil(millis)).unwrap_or(u32::MAX);
        self.most = self.most.max(self.now);
    }
}

impl Means {
    fn note(&mut self, grown: &TimesTotals) {
        let count = grown.count();
        if count == 0 {
            return;
        }
        let before = self.count;
        self.count = before.saturating_add(count);
        // A plain mean at first, then one in which older requests fade.
        let kept = match self.count {
            ..=WINDOW => before as f64 / self.count as f64,
            _ => (1.0 - 1.0 / WINDOW as f64).powf(count as f64),
        };
        let fade = |mean: &mut f64, sum: u64| *mean = *mean * kept + sum as f64 / count as f64 * (1.0 - kept);
        fade(&mut self.queue, grown.sum.queue);
        fade(&mut self.connect, grown.sum.connect);
        fade(&mut self.response, grown.sum.response);
        fade(&mut self.total, grown.sum.total);
    }
}

/// HAProxy's mean is over about as many requests, whatever its manual says.
const WINDOW: u64 = 512;

/// Rates over less than this would jump.
const SHORTEST: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(requests: u64, total: u64) -> Snapshot {
        let totals = Totals { requests, bytes_out: 10 * requests, ..Totals::default() };
        let mut times = TimesTotals { sum: Spans { total, ..Spans::default() }, ..TimesTotals::default() };
        times.buckets[0] = requests;
        Snapshot { servers: vec![totals], server_times: vec![times], process: totals, ..Snapshot::default() }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn rates_are_per_second_and_the_most_stays() {
        let (mut history, start) = (History::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        history.tick(at(0), snapshot(5, 0));
        assert_eq!(history.server(0).active, None, "what came before is no news");
        history.tick(at(1000), snapshot(15, 0));
        assert_eq!(history.server(0).requests, Rate { now: 10, most: 10 });
        history.tick(at(1200), snapshot(900, 0));
        assert_eq!(history.server(0).requests.now, 10, "too soon to say");
        history.tick(at(3000), snapshot(17, 0));
        assert_eq!(history.server(0).requests, Rate { now: 1, most: 10 });
        assert_eq!((history.process().bytes_out.now, history.server(0).active), (10, Some(at(3000))));
        history.clear_peaks();
        assert_eq!(history.server(0).requests.most, 1);
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn means_are_plain_at_first_and_fade_then() {
        let (mut history, start) = (History::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        history.tick(at(0), snapshot(0, 0));
        history.tick(at(1), snapshot(2, 400));
        assert_eq!(history.means(0..1).total, 200);
        history.tick(at(2), snapshot(4, 1400));
        assert_eq!(history.means(0..1).total, 350);
        history.tick(at(3), snapshot(100_004, 1400 + 100_000 * 70));
        assert_eq!(history.means(0..1).total, 70, "the old ones are forgotten");
        assert_eq!(history.means(0..9), Spans::default());
    }
}
