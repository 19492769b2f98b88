//! Whether a client takes what waits for it, while no stream's task can tell.
//!
//! A stream's task is done when h2 has all of the response. What h2 has not sent by then waits for the client to open its
//! windows or to read its socket, with the same limits as before: some of it within `timeout.client`, and so much of it as
//! `min_response_rate` wants.

use std::time::{Duration, Instant};

use h2::Reason;

use super::client::Left;
use crate::pace::{Pace, Turn};

/// What a client may take its time with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without anything being taken.
    pub(super) timeout: Duration,
    /// Bytes per second.
    pub(super) rate: u32,
}

/// How what waits in one place is taken.
#[derive(Debug)]
pub(super) struct Takes {
    pace: Pace,
    /// Bytes taken so far.
    taken: u64,
    /// Present: something waits since then, or some of it was taken then.
    moved: Option<Instant>,
}

impl Takes {
    /// So much has been taken, and nothing waits yet.
    pub(super) fn new(taken: u64) -> Self {
        Self { pace: Pace::default(), taken, moved: None }
    }

    /// Something waits, of which so much has been taken in all. When the client is too late.
    pub(super) fn due(&mut self, taken: u64, patience: Patience, now: Instant) -> Instant {
        let moved = self.moved.filter(|_| taken == self.taken).unwrap_or(now);
        (self.taken, self.moved) = (taken, Some(moved));
        let Patience { timeout, rate } = patience;
        let idle = moved + timeout;
        let late = self.pace.handle_turn(Turn::Client, taken, rate, timeout, now);
        late.map_or(idle, |late| late.min(idle))
    }

    /// Nothing waits.
    pub(super) fn rest(&mut self, taken: u64, patience: Patience, now: Instant) {
        (self.taken, self.moved) = (taken, None);
        self.pace.handle_turn(Turn::Other, taken, patience.rate, patience.timeout, now);
    }
}

/// Streams whose tasks are done and whose responses are not all sent: as many as may be open, at most.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    streams: Vec<Leftover>,
    /// Room for those that are new.
    new: Vec<Left>,
}

#[derive(Debug)]
struct Leftover {
    stream: Left,
    takes: Takes,
}

impl Leftovers {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Takes in those that are new and forgets those that are sent.
    pub(super) fn update(&mut self, take_new: impl FnOnce(&mut Vec<Left>)) {
        take_new(&mut self.new);
        let streams = self.new.drain(..).filter(|s| s.queue.waiting() > 0);
        self.streams.extend(streams.map(|stream| {
            let takes = Takes::new(stream.queue.gone());
            Leftover { stream, takes }
        }));
        self.streams.retain(|s| s.stream.queue.waiting() > 0);
    }

    /// Resets those whose client is too late. How many, and when the next one will be.
    pub(super) fn check(&mut self, patience: Patience, now: Instant) -> (u64, Option<Instant>) {
        let (mut late, mut next) = (0, None);
        self.streams.retain_mut(|Leftover { stream, takes }| {
            let due = takes.due(stream.queue.gone(), patience, now);
            if due <= now {
                stream.send.send_reset(Reason::CANCEL);
                late += 1;
                return false;
            }
            next = Some(next.map_or(due, |next: Instant| next.min(due)));
            true
        });
        (late, next)
    }

    /// Forgets them all.
    pub(super) fn clear(&mut self) {
        self.streams.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { timeout: Duration::from_secs(10), rate: 100 };

    #[test]
    fn a_client_is_late_that_takes_nothing_or_too_little() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut takes = Takes::new(5);
        assert_eq!(takes.due(5, PATIENCE, start), at(10));
        // Enough of it: the time starts again.
        assert_eq!(takes.due(5005, PATIENCE, at(9)), at(19));
        // A byte now and then does not help.
        assert!(takes.due(5006, PATIENCE, at(18)) < at(20));
        let lenient = Patience { rate: 0, ..PATIENCE };
        assert_eq!(takes.due(5007, lenient, at(19)), at(29));
    }

    #[test]
    fn nobody_is_late_while_nothing_waits() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut takes = Takes::new(0);
        takes.due(0, PATIENCE, start);
        takes.rest(100, PATIENCE, at(1));
        assert_eq!(takes.due(100, PATIENCE, at(1000)), at(1010));
    }
}
