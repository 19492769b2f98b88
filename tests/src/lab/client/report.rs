//! What a prober saw: outages as a client feels them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Failure, Probe};

/// All probes, by their start.
#[derive(Debug, Clone)]
pub struct Report {
    probes: Vec<Probe>,
}

/// From the start of the first failed probe to the start of the next good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Start of the first failed probe.
    pub start: Instant,
    /// Until the start of the next good one, or the end of the last one.
    pub length: Duration,
}

impl Report {
    pub(super) fn new(mut probes: Vec<Probe>) -> Self {
        probes.sort_by_key(|p| p.start);
        Self { probes }
    }

    /// Only what began since `start`.
    #[must_use]
    pub fn since(&self, start: Instant) -> Self {
        Self { probes: self.probes.iter().filter(|p| p.start >= start).cloned().collect() }
    }

    /// Requests that were answered.
    pub fn served(&self) -> usize {
        self.probes.iter().filter(|p| p.outcome.is_ok()).count()
    }

    /// Requests that failed.
    pub fn failed(&self) -> usize {
        self.probes.len() - self.served()
    }

    /// How many failed in this way.
    pub fn count(&self, failure: Failure) -> usize {
        self.probes.iter().filter(|p| p.outcome == Err(failure)).count()
    }

    /// The longest time an answered request took.
    pub fn slowest(&self) -> Duration {
        let answered = self.probes.iter().filter(|p| p.outcome.is_ok());
        answered.map(|p| p.end.duration_since(p.start)).max().unwrap_or_default()
    }

    /// The longest time between two good answers, and before the first and after the last.
    pub fn longest_silence(&self) -> Duration {
        let mut answers: Vec<Instant> =
            self.probes.iter().filter(|p| p.outcome.is_ok()).map(|p| p.end).collect();
        answers.extend(self.probes.first().map(|p| p.start));
        answers.extend(self.probes.last().map(|p| p.start));
        answers.sort();
        answers.windows(2).map(|w| w[1].duration_since(w[0])).max().unwrap_or_default()
    }

    /// All outages; two that are less than 30 ms apart are one.
    pub fn outages(&self) -> Vec<Outage> {
        let mut spans: Vec<(Instant, Instant)> = Vec::new();
        let mut open: Option<(Instant, Instant)> = None;
        for probe in &self.probes {
            match (&probe.outcome, open) {
                (Err(_), None) => open = Some((probe.start, probe.end)),
                (Err(_), Some((start, _))) => open = Some((start, probe.end)),
                (Ok(_), Some((start, _))) => {
                    spans.push((start, probe.start));
                    open = None;
                }
                (Ok(_), None) => {}
            }
        }
        spans.extend(open);
        let mut merged: Vec<(Instant, Instant)> = Vec::new();
        for (start, end) in spans {
            match merged.last_mut() {
                Some(last) if start.duration_since(last.1) < APART => last.1 = end,
                Some(_) | None => merged.push((start, end)),
            }
        }
        merged.into_iter().map(|(start, end)| Outage { start, length: end.duration_since(start) }).collect()
    }

    /// Length of the longest outage.
    pub fn longest_outage(&self) -> Duration {
        self.outages().iter().map(|o| o.length).max().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failures: BTreeMap<Failure, usize> = BTreeMap::new();
        for failure in self.probes.iter().filter_map(|p| p.outcome.as_ref().err()) {
            *failures.entry(*failure).or_default() += 1;
        }
        let begin = self.probes.first().map(|p| p.start);
        write!(f, "{} served, failed {failures:?}, outages", self.served())?;
        for outage in self.outages() {
            let at = begin.map_or(Duration::ZERO, |begin| outage.start.duration_since(begin));
            write!(f, " [{} ms at {} ms]", outage.length.as_millis(), at.as_millis())?;
        }
        Ok(())
    }
}

const APART: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::client::Answer;

    fn report(outcomes: &[(u64, bool)]) -> Report {
        let zero = Instant::now();
        let probe = |&(ms, ok): &(u64, bool)| Probe {
            start: zero + Duration::from_millis(ms),
            end: zero + Duration::from_millis(ms + if ok { 1 } else { 100 }),
            outcome: if ok {
                Ok(Answer { via: None, backend: String::new() })
            } else {
                Err(Failure::ConnectTimeout)
            },
        };
        Report::new(outcomes.iter().map(probe).collect())
    }

    #[test]
    fn an_outage_lasts_from_the_first_failed_to_the_next_good_start() {
        let lengths = |outcomes: &[(u64, bool)]| -> Vec<u128> {
            report(outcomes).outages().iter().map(|o| o.length.as_millis()).collect()
        };
        assert_eq!(lengths(&[(0, true), (5, true)]), Vec::<u128>::new());
        assert_eq!(
            lengths(&[(0, true), (5, false), (10, false), (15, true)]),
            [10],
            "the timeout does not count"
        );
        assert_eq!(lengths(&[(5, false), (10, true), (20, false), (25, true)]), [20], "one outage");
        assert_eq!(lengths(&[(5, false), (10, true), (60, false), (65, true)]), [5, 5]);
        assert_eq!(lengths(&[(0, true), (5, false), (10, false)]), [105], "never good again");
    }

    #[test]
    fn probes_are_ordered_by_their_start() {
        let r = report(&[(10, false), (0, true), (15, true)]);
        assert_eq!((r.served(), r.failed(), r.longest_outage().as_millis()), (2, 1, 5));
    }
}
