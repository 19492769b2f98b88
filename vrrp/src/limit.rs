//! A bound on what others can make this node send.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// At most `max` grants within any span of the given length, the first ones at once. Remembers at most `max` instants.
///
/// A token bucket of the same capacity would grant up to twice as much within one span; the promises of this crate
/// are about any span, so the grants themselves are remembered.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    span: Duration,
    max: usize,
    granted: VecDeque<Instant>,
}

impl Quota {
    pub(crate) const fn new(max: usize, span: Duration) -> Self {
        Self { span, max, granted: VecDeque::new() }
    }

    /// Grants up to `wanted`, as many as are free.
    pub(crate) fn take(&mut self, now: Instant, wanted: usize) -> usize {
        self.forget(now);
        let grant = wanted.min(self.max - self.granted.len());
        self.granted.extend(std::iter::repeat_n(now, grant));
        grant
    }

    /// Whether nothing has been granted within the last span.
    pub(crate) fn is_unused(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.granted.is_empty()
    }

    /// When at least one grant will be free.
    pub(crate) fn free_at(&mut self, now: Instant) -> Instant {
        self.forget(now);
        if self.granted.len() < self.max {
            return now;
        }
        self.granted.front().map_or(now, |oldest| *oldest + self.span)
    }

    fn forget(&mut self, now: Instant) {
        while self.granted.front().is_some_and(|t| now.saturating_duration_since(*t) >= self.span) {
            self.granted.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary start for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn first_grants_come_at_once_and_each_frees_after_the_span() {
        let t0 = start();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut quota = Quota::new(3, Duration::from_millis(400));
        assert!(quota.is_unused(at(0)));
        assert_eq!(quota.take(at(0), 2), 2);
        assert!(!quota.is_unused(at(0)));
        assert_eq!(quota.take(at(100), 5), 1, "only what is left");
        assert_eq!(quota.take(at(399), 1), 0);
        assert_eq!(quota.free_at(at(399)), at(400));
        assert_eq!(quota.take(at(400), 5), 2, "the two of the start are free again");
        assert_eq!(quota.free_at(at(400)), at(500));
        assert_eq!(quota.take(at(500), 5), 1);
    }

    #[test]
    fn no_span_holds_more_than_the_maximum() {
        let t0 = start();
        let span = Duration::from_secs(10);
        let mut quota = Quota::new(5, span);
        let mut grants = Vec::new();
        for ms in (0..60_000).step_by(7) {
            let now = t0 + Duration::from_millis(ms);
            grants.extend(std::iter::repeat_n(now, quota.take(now, 2)));
        }
        for (i, first) in grants.iter().enumerate() {
            let within = grants[i..].iter().take_while(|t| t.duration_since(*first) < span).count();
            assert!(within <= 5, "{within} from grant {i}");
        }
        assert!(grants.len() >= 30, "the quota is used up: {}", grants.len());
    }
}
