//! How often something has been down, and for how long.

use std::time::{Duration, Instant};

/// What has become of a server or a backend since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it last went down or came up.
    pub since: Instant,
    /// How often it has gone down.
    pub downs: u64,
    is_down: bool,
    down_for: Duration,
}

impl Record {
    /// It is up, and has been for ever.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, downs: 0, is_down: false, down_for: Duration::ZERO }
    }

    /// How long it has been down, all times together.
    pub fn down_for(&self, now: Instant) -> Duration {
        let present = if self.is_down { now.saturating_duration_since(self.since) } else { Duration::ZERO };
        self.down_for + present
    }

    /// It was down or not, and now it is or is not.
    pub(super) fn note(&mut self, now: Instant, was_down: bool, is_down: bool) {
        if was_down == is_down {
            return;
        }
        self.down_for = self.down_for(now);
        self.downs += u64::from(is_down);
        self.is_down = is_down;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn times_of_being_down_add_up() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut record = Record::new(start);
        record.note(at(10), false, true);
        assert_eq!((record.downs, record.down_for(at(12)).as_secs()), (1, 2));
        record.note(at(15), true, false);
        record.note(at(16), false, false);
        record.note(at(20), false, true);
        assert_eq!((record.downs, record.down_for(at(21)).as_secs(), record.since), (2, 6, at(20)));
    }
}
