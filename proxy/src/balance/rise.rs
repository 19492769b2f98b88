//! Slow starts: a server that comes back takes its share by degrees.

use std::time::{Duration, Instant};

use crate::plan::ServerId;

/// One server on its way to its full weight.
#[derive(Debug)]
pub(super) struct Rising {
    pub(super) server: ServerId,
    slowstart: Duration,
    /// When it was first looked at.
    since: Option<Instant>,
}

/// How far a slow start is, in parts of [`FULL`]; at least 1.
pub(super) type Step = u32;

/// The end of a slow start. Fine enough for limits; weights round to their own sixteenths.
pub(super) const FULL: Step = 1000;

impl Rising {
    pub(super) fn new(server: ServerId, slowstart: Duration) -> Self {
        Self { server, slowstart, since: None }
    }

    /// Where it begins.
    pub(super) fn first_step(&self) -> Step {
        if self.slowstart.is_zero() { FULL } else { 1 }
    }

    /// How far it is.
    pub(super) fn advance(&mut self, now: Instant) -> Step {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since).as_millis();
        let whole = self.slowstart.as_millis();
        if elapsed >= whole {
            return FULL;
        }
        let step = elapsed * u128::from(FULL) / whole;
        Step::try_from(step).unwrap_or(FULL).max(1)
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= self.slowstart)
    }
}
