//! The rise/fall counter of one server, with HAProxy's arithmetic.

use crate::plan::InitState;

/// Counts from 0 to `rise + fall - 1`; the server is up from `rise` on.
///
/// ```text
///    0  1 … rise-1 | rise … rise+fall-2  rise+fall-1
///    down, rising  |   up, falling            up
/// ```
/// A failure takes one off, and the whole rest when that leaves `rise`. A success adds one, and goes to the top once
/// `rise` is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    value: u32,
    rise: u16,
    fall: u16,
}

/// Where a server is between up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Up without doubt.
    Up,
    /// Up, but the last check failed.
    Falling,
    /// Down without doubt.
    Down,
    /// Down, but the last check passed.
    Rising,
}

/// A crossing of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Came up.
    Up,
    /// Went down.
    Down,
}

impl Health {
    /// At start, and when maintenance ends: up, but one failure from down, so that a dead server gets work only until
    /// its first check. `rise` and `fall` below 1 count as 1.
    pub fn boot(rise: u16, fall: u16) -> Self {
        let (rise, fall) = (rise.max(1), fall.max(1));
        Self { value: rise.into(), rise, fall }
    }

    /// Before the first check, as the configuration has it.
    pub fn begin(init: InitState, rise: u16, fall: u16) -> Self {
        let boot = Self::boot(rise, fall);
        let value = match init {
            InitState::FullyUp => boot.top(),
            InitState::Up => boot.rise.into(),
            InitState::Down => u32::from(boot.rise) - 1,
            InitState::FullyDown => 0,
        };
        Self { value, ..boot }
    }

    /// Goes on from the counter of an earlier life, whose `rise` and `fall` may have been others: what was up is up,
    /// what was down is down, and the count is kept as far as the new range has room for it.
    pub fn inherit(earlier: Self, rise: u16, fall: u16) -> Self {
        let fresh = Self::boot(rise, fall);
        let value = match earlier.standing() {
            Standing::Up => fresh.top(),
            Standing::Falling => {
                let above_line = earlier.value - u32::from(earlier.rise);
                (u32::from(fresh.rise) + above_line).min(fresh.top())
            }
            Standing::Down | Standing::Rising => earlier.value.min(u32::from(fresh.rise) - 1),
        };
        Self { value, ..fresh }
    }

    /// A counter as it was written down; values out of range count as the nearest in it.
    pub fn restore(value: u32, rise: u16, fall: u16) -> Self {
        let fresh = Self::boot(rise, fall);
        Self { value: value.min(fresh.top()), ..fresh }
    }

    /// Takes a check into account.
    pub fn observe(&mut self, passed: bool) -> Option<Crossing> {
        let was_up = self.is_up();
        if passed {
            self.value = (self.value + 1).min(self.top());
            if self.is_up() {
                self.value = self.top();
            }
        } else {
            self.value = self.value.saturating_sub(1);
            if !self.is_up() {
                self.value = 0;
            }
        }
        match (was_up, self.is_up()) {
            (false, true) => Some(Crossing::Up),
            (true, false) => Some(Crossing::Down),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether the server is up.
    pub fn is_up(self) -> bool {
        self.value >= self.rise.into()
    }

    /// Where the server is between up and down.
    pub fn standing(self) -> Standing {
        match (self.is_up(), self.value) {
            (true, value) if value == self.top() => Standing::Up,
            (true, _) => Standing::Falling,
            (false, 0) => Standing::Down,
            (false, _) => Standing::Rising,
        }
    }

    /// The counter.
    pub fn value(self) -> u32 {
        self.value
    }

    /// Successes that bring a down server up.
    pub fn rise(self) -> u16 {
        self.rise
    }

    /// Failures that take an up server down.
    pub fn fall(self) -> u16 {
        self.fall
    }

    fn top(self) -> u32 {
        u32::from(self.rise) + u32::from(self.fall) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs checks (`+` passed, `-` failed) and writes down the counter after each, with the crossings.
    fn run(mut health: Health, checks: &str) -> String {
        let mut seen = health.value().to_string();
        for check in checks.chars() {
            let mark = match health.observe(check == '+') {
                Some(Crossing::Up) => "U",
                Some(Crossing::Down) => "D",
                None => "",
            };
            seen.push_str(&format!(" {}{mark}", health.value()));
        }
        seen
    }

    #[test]
    fn counts_as_haproxy_does() {
        let cases = [
            // rise 2, fall 3: top is 4, the line is at 2.
            ("boot is one failure from down", 2, 3, "-", "2 0D"),
            ("a success at boot makes it sure", 2, 3, "+", "2 4"),
            ("fall failures from the top", 2, 3, "+---", "2 4 3 2 0D"),
            ("a success in between starts over", 2, 3, "+--+--+", "2 4 3 2 4 3 2 4"),
            ("rise successes from the bottom", 2, 3, "-++", "2 0D 1 4U"),
            ("a failure while rising starts over", 2, 3, "-+-++", "2 0D 1 0 1 4U"),
            ("down stays down", 2, 3, "---", "2 0D 0 0"),
            ("up stays up", 2, 3, "+++", "2 4 4 4"),
            // rise 1, fall 1: every check decides.
            ("rise 1 fall 1", 1, 1, "-+-+", "1 0D 1U 0D 1U"),
            ("rise 3 fall 1", 3, 1, "-+++-", "3 0D 1 2 3U 0D"),
            ("zero counts as one", 0, 0, "-+", "1 0D 1U"),
        ];
        for (name, rise, fall, checks, expected) in cases {
            assert_eq!(run(Health::boot(rise, fall), checks), expected, "{name}");
        }
    }

    #[test]
    fn the_largest_counts_do_not_overflow() {
        let mut health = Health::boot(u16::MAX, u16::MAX);
        assert_eq!(health.observe(true), None);
        assert_eq!(health.value(), 2 * u32::from(u16::MAX) - 1);
        assert_eq!(health.standing(), Standing::Up);
    }

    #[test]
    fn a_later_life_goes_on_with_other_counts() {
        let at = |value, rise, fall| Health::restore(value, rise, fall);
        let cases = [
            ("sure stays sure", at(4, 2, 3), (3, 5), 7, Standing::Up),
            ("falling keeps its distance to the line", at(3, 2, 3), (5, 5), 6, Standing::Falling),
            ("falling keeps no more than there is", at(8, 2, 9), (2, 2), 3, Standing::Up),
            ("down stays down", at(0, 2, 3), (1, 1), 0, Standing::Down),
            ("rising keeps its count", at(1, 2, 3), (4, 1), 1, Standing::Rising),
            ("rising does not cross by itself", at(3, 4, 3), (2, 3), 1, Standing::Rising),
        ];
        for (name, earlier, (rise, fall), value, standing) in cases {
            let health = Health::inherit(earlier, rise, fall);
            assert_eq!((health.value(), health.standing()), (value, standing), "{name}");
        }
    }
}
