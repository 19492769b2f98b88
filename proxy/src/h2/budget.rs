//! How much a peer may do that nobody asked it for.
//!
//! Some frames cost the sender nothing and the receiver something: resets of streams just opened (CVE-2023-44487), frames
//! that make the receiver reset its own streams (CVE-2025-8671), SETTINGS, PING and PRIORITY floods, empty DATA and
//! CONTINUATION (CVE-2019-9512 to -9518, CVE-2024-27316). None of them is wrong by itself. So a connection has a budget
//! (HAProxy: glitches): such frames are paid from it, and what a peer gets served fills it again, because every one of
//! them has its place in proportion to that: window updates, a ping now and then, a stream the user did not wait for.
//! When it is spent the connection is closed with ENHANCE_YOUR_CALM.

use std::time::{Duration, Instant};

use super::frames::{FrameHead, Kind};

/// The budget of one connection.
#[derive(Debug, Clone)]
pub struct Budget {
    left: u32,
    most: u32,
    /// Resets of ours that are not the peer's doing.
    excused: u32,
    filled: Instant,
}

impl Budget {
    /// A full one.
    pub const fn new(most: u32, now: Instant) -> Self {
        Self { left: most, most, excused: 0, filled: now }
    }

    /// Whether nothing is left.
    #[inline]
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The peer has sent a frame.
    #[inline]
    pub fn handle_received(&mut self, frame: FrameHead) {
        let cost = match frame.kind {
            // Requests and their content are what a connection is for; how many at once is limited.
            Kind::Headers => 0,
            Kind::Data if frame.len > 0 || frame.has_first_flag() => 0,
            Kind::RstStream => RESET,
            Kind::Continuation if frame.len == 0 => EMPTY_CONTINUATION,
            Kind::Data
            | Kind::Priority
            | Kind::Settings
            | Kind::Ping
            | Kind::GoAway
            | Kind::WindowUpdate
            | Kind::Continuation
            | Kind::Other => 1,
        };
        self.left = self.left.saturating_sub(cost);
    }

    /// The peer is a server and has sent a frame: a response is what it was asked for.
    #[inline]
    pub fn handle_of_server(&mut self, frame: FrameHead) {
        self.handle_received(frame);
        if frame.kind == Kind::Headers || (frame.kind == Kind::Data && frame.len > 0) {
            self.earn(SERVED);
        }
    }

    /// So many resets that the peer is going to be sent cost it nothing: it has not made us.
    pub const fn excuse(&mut self, resets: u32) {
        self.excused = self.excused.saturating_add(resets);
    }

    /// The peer is sent a frame.
    #[inline]
    pub fn handle_sent(&mut self, frame: FrameHead) {
        match frame.kind {
            Kind::Headers | Kind::Data => self.earn(SERVED),
            Kind::RstStream if self.excused > 0 => self.excused -= 1,
            // The peer has made us.
            Kind::RstStream => self.left = self.left.saturating_sub(RESET_BY_US),
            Kind::Priority
            | Kind::Settings
            | Kind::Ping
            | Kind::GoAway
            | Kind::WindowUpdate
            | Kind::Continuation
            | Kind::Other => {}
        }
    }

    /// Fills it as time passes.
    pub fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        if passed >= FILL_EVERY && !self.is_spent() {
            self.filled = now;
            let earned = passed.as_millis().saturating_mul(u128::from(PER_SECOND)) / 1000;
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
    }

    #[inline]
    fn earn(&mut self, amount: u32) {
        if !self.is_spent() {
            self.left = self.left.saturating_add(amount).min(self.most);
        }
    }
}

/// What a budget holds unless configured: 2,000 frames nobody asked for, or 500 resets, at once.
pub const GLITCHES: u32 = 2000;

/// A stream that is opened and reset costs a connection to a server.
const RESET: u32 = 4;

/// A peer that makes us reset streams has either been broken or read the advisory.
const RESET_BY_US: u32 = 8;

/// Allowed by the letter, sent by nobody.
const EMPTY_CONTINUATION: u32 = 16;

/// For every frame of a response: a client may update two windows, and ping, for each.
const SERVED: u32 = 4;

/// Twenty-five cancelled requests a second for ever, on top of what is served.
const PER_SECOND: u32 = 100;

/// More often than that is not worth the division.
const FILL_EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an instant to count from; there is no other way to make one")]
mod tests {
    use super::*;

    fn frame(kind: Kind, len: u32, flags: u8) -> FrameHead {
        FrameHead { len, kind, flags }
    }

    /// How many of these end a connection.
    fn most(received: FrameHead) -> Option<u32> {
        let mut budget = Budget::new(GLITCHES, Instant::now());
        (1..=2 * GLITCHES).find(|_| {
            budget.handle_received(received);
            budget.is_spent()
        })
    }

    #[test]
    fn floods_end_and_requests_do_not() {
        for (received, ends) in [
            (frame(Kind::Settings, 6, 0), Some(2000)),
            (frame(Kind::Settings, 0, 1), Some(2000)),
            (frame(Kind::Ping, 8, 0), Some(2000)),
            (frame(Kind::Priority, 5, 0), Some(2000)),
            (frame(Kind::WindowUpdate, 4, 0), Some(2000)),
            (frame(Kind::Other, 8, 0), Some(2000)),
            (frame(Kind::Data, 0, 0), Some(2000)),
            (frame(Kind::RstStream, 4, 0), Some(500)),
            (frame(Kind::Continuation, 0, 0), Some(125)),
            (frame(Kind::Data, 1, 0), None),
            (frame(Kind::Data, 0, 1), None),
            (frame(Kind::Headers, 10, 5), None),
        ] {
            assert_eq!(most(received), ends, "{received:?}");
        }
    }

    #[test]
    fn being_made_to_reset_ends_as_well() {
        let mut budget = Budget::new(GLITCHES, Instant::now());
        for _ in 0..249 {
            budget.handle_sent(frame(Kind::RstStream, 4, 0));
        }
        assert!(!budget.is_spent());
        budget.handle_sent(frame(Kind::RstStream, 4, 0));
        assert!(budget.is_spent());
    }

    #[test]
    fn resets_for_the_fault_of_others_cost_nothing() {
        let mut budget = Budget::new(GLITCHES, Instant::now());
        budget.excuse(GLITCHES);
        for _ in 0..GLITCHES {
            budget.handle_sent(frame(Kind::RstStream, 4, 0));
        }
        assert_eq!(budget.left, GLITCHES);
        budget.handle_sent(frame(Kind::RstStream, 4, 0));
        assert_eq!(budget.left, GLITCHES - RESET_BY_US);
    }

    #[test]
    fn what_is_served_pays_for_window_updates_and_pings() {
        let mut budget = Budget::new(GLITCHES, Instant::now());
        for _ in 0..100_000 {
            budget.handle_sent(frame(Kind::Data, 100, 0));
            for kind in [Kind::WindowUpdate, Kind::WindowUpdate, Kind::Ping, Kind::Ping] {
                budget.handle_received(frame(kind, 4, 0));
            }
        }
        assert!(!budget.is_spent());
    }

    /// A server may ping for every frame of a long response.
    #[test]
    fn responses_of_a_server_pay_for_its_pings() {
        let mut budget = Budget::new(GLITCHES, Instant::now());
        for _ in 0..100_000 {
            budget.handle_of_server(frame(Kind::Data, 100, 0));
            budget.handle_of_server(frame(Kind::Ping, 8, 0));
        }
        assert!(!budget.is_spent());
        for _ in 0..GLITCHES {
            budget.handle_of_server(frame(Kind::Data, 0, 0));
        }
        assert!(budget.is_spent());
    }

    #[test]
    fn time_fills_it_up_to_its_size_and_never_brings_it_back() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut budget = Budget::new(100, start);
        let spend = |budget: &mut Budget, n| {
            for _ in 0..n {
                budget.handle_received(frame(Kind::Ping, 8, 0));
            }
        };
        spend(&mut budget, 99);
        budget.fill(at(50));
        budget.fill(at(200));
        spend(&mut budget, 20);
        assert!(!budget.is_spent());
        budget.fill(at(3_600_000));
        spend(&mut budget, 100);
        assert!(budget.is_spent());
        budget.fill(at(7_200_000));
        budget.handle_sent(frame(Kind::Data, 1, 0));
        assert!(budget.is_spent());
    }
}
