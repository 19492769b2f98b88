//! How many requests of a backend may be sent again.
//!
//! Retries help one request past one bad server. When all servers are bad they multiply the load just when there is too
//! much of it. So a backend has a budget: of all requests of the last seconds only a share may have been sent again.

/// How many requests there were, and how many were sent again; both counts only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests of the backend, those under way included.
    pub offered: u64,
    /// Times that one was sent again.
    pub repeated: u64,
}

/// The budget of one backend: its tallies over the last [`WINDOW_S`] seconds.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    percent: u16,
    seconds: [Tally; WINDOW_S],
    /// The oldest of them.
    oldest: usize,
}

impl RetryBudget {
    /// Requests may be sent again as long as that is so for less than `percent` of all.
    pub fn new(percent: u16, now: Tally) -> Self {
        Self { percent, seconds: [now; WINDOW_S], oldest: 0 }
    }

    /// Takes note of the tally, once per second.
    pub fn handle_second(&mut self, now: Tally) {
        if let Some(oldest) = self.seconds.get_mut(self.oldest) {
            *oldest = now;
        }
        self.oldest = (self.oldest + 1) % WINDOW_S;
    }

    /// Whether one more request may be sent again.
    pub fn allows(&self, now: Tally) -> bool {
        let before = self.seconds.get(self.oldest).copied().unwrap_or(now);
        let offered = now.offered.saturating_sub(before.offered);
        let repeated = now.repeated.saturating_sub(before.repeated);
        let share = offered.saturating_mul(self.percent.into()) / 100;
        repeated < share.max(ALWAYS)
    }
}

/// What happened longer ago than this many seconds no longer counts: long enough for a share to mean something, and
/// shorter than most outages.
pub const WINDOW_S: usize = 10;

/// So many within the window are always allowed: a few requests cannot overload a server, and of a few a share is none.
pub const ALWAYS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(offered: u64, repeated: u64) -> Tally {
        Tally { offered, repeated }
    }

    #[test]
    fn a_few_are_always_allowed() {
        let budget = RetryBudget::new(0, tally(500, 7));
        assert!(budget.allows(tally(501, 7 + ALWAYS - 1)));
        assert!(!budget.allows(tally(900, 7 + ALWAYS)));
    }

    #[test]
    fn beyond_them_it_is_a_share() {
        let budget = RetryBudget::new(20, tally(0, 0));
        for (offered, repeated, allowed) in
            [(1000, 199, true), (1000, 200, false), (100, 19, true), (100, 20, false), (40, 9, true)]
        {
            assert_eq!(budget.allows(tally(offered, repeated)), allowed, "{repeated} of {offered}");
        }
    }

    /// An outage of a minute at 1000 requests per second, each of which would be sent again if it could.
    #[test]
    fn an_outage_is_not_multiplied() {
        let mut budget = RetryBudget::new(20, tally(0, 0));
        let mut now = tally(0, 0);
        for second in 0..60 {
            for _ in 0..1000 {
                now.offered += 1;
                if budget.allows(now) {
                    now.repeated += 1;
                }
            }
            budget.handle_second(now);
            assert!(now.repeated <= now.offered / 5 + ALWAYS, "second {second}: {now:?}");
        }
        assert!(now.repeated > now.offered / 6, "and the share is used: {now:?}");
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut budget = RetryBudget::new(10, tally(0, 0));
        let spent = tally(100, 10);
        assert!(!budget.allows(spent));
        for _ in 0..WINDOW_S {
            assert!(!budget.allows(spent));
            budget.handle_second(spent);
        }
        assert!(budget.allows(spent));
    }
}
