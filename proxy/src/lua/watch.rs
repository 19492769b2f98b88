//! How long a call may take. Nothing that catches errors gets past it.

use std::cell::Cell;
use std::time::Duration;

/// Where the time comes from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// How long the processor has worked for this thread, from any beginning. Waiting for one is not the script's doing.
    pub worked: fn() -> Duration,
    /// The time of day, since 1970.
    pub wall: fn() -> Duration,
}

/// The time of the call that is under way.
#[derive(Debug)]
pub(super) struct Watch {
    clock: Clock,
    limit: Cell<Duration>,
    /// When it was first looked at: short calls never look.
    began: Cell<Option<Duration>>,
    is_over: Cell<bool>,
    /// Every instruction is looked at from here on.
    is_tight: Cell<bool>,
}

impl Watch {
    pub(super) fn new(clock: Clock) -> Self {
        let limit = Cell::new(Duration::ZERO);
        Self { clock, limit, began: Cell::default(), is_over: Cell::default(), is_tight: Cell::default() }
    }

    /// A call begins.
    pub(super) fn begin(&self, limit: Duration) {
        self.limit.set(limit);
        self.began.set(None);
        self.is_over.set(false);
    }

    /// Whether it has taken too long.
    pub(super) fn look(&self) -> bool {
        let now = (self.clock.worked)();
        let began = self.began.get().unwrap_or(now);
        self.began.set(Some(began));
        if now.saturating_sub(began) >= self.limit.get() {
            self.is_over.set(true);
        }
        self.is_over.get()
    }

    /// Whether that has been seen.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Whether nobody has asked for this before: then every instruction is to be looked at.
    pub(super) fn tighten(&self) -> bool {
        self.is_over.get() && !self.is_tight.replace(true)
    }

    /// Whether every instruction is looked at, which is to end.
    pub(super) fn loosen(&self) -> bool {
        self.is_tight.replace(false)
    }

    /// The time of day, since 1970.
    pub(super) fn wall(&self) -> Duration {
        (self.clock.wall)()
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_with_the_first_look() {
        thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });
        let watch =
            Watch::new(Clock { worked: || Duration::from_millis(NOW.get()), wall: || Duration::ZERO });
        watch.begin(Duration::from_millis(10));
        for (now, over) in [(100, false), (109, false), (110, true), (111, true)] {
            NOW.set(now);
            assert_eq!((watch.look(), watch.is_over()), (over, over), "{now}");
        }
        watch.begin(Duration::from_millis(10));
        assert!(!watch.is_over() && !watch.look());
    }
}
