//! Dates in cookies: seconds since 1970 in steps of four, thirty bits as five letters, as HAProxy writes them, so that
//! a cookie that one of the two has given out is understood by the other.

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub u64);

impl Seconds {
    /// Reads five letters. `None`: not a date, or none at all (zero).
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let mut steps = 0;
        for letter in text.get(..LETTERS)? {
            let digit = ALPHABET.iter().position(|a| a == letter)?;
            steps = steps << 6 | digit as u64;
        }
        (steps > 0).then_some(Self(steps * STEP))
    }

    /// The date as five letters, rounded up to a step.
    pub(super) fn encode(self) -> [u8; LETTERS] {
        let steps = self.0.div_ceil(STEP);
        let digit = |place: u32| ALPHABET[(steps >> (6 * place) & 63) as usize];
        [digit(4), digit(3), digit(2), digit(1), digit(0)]
    }

    /// Whether it is further back than `limit`, or so far ahead that it cannot be right: clocks that differ are
    /// forgiven for a day.
    pub(super) fn is_beyond(self, limit: u64, now: Self) -> bool {
        now.0.saturating_sub(self.0) > limit || self.0.saturating_sub(now.0) > DAY
    }
}

/// Length of a date in letters.
pub(super) const LETTERS: usize = 5;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const STEP: u64 = 4;

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for (seconds, text) in [(4, "AAAAB"), (256, "AAABA"), (1_700_000_000, "ZVPxA")] {
            assert_eq!(Seconds(seconds).encode(), text.as_bytes(), "{seconds}");
            assert_eq!(Seconds::decode(text.as_bytes()), Some(Seconds(seconds)));
        }
        assert_eq!(Seconds(1_700_000_001).encode(), Seconds(1_700_000_004).encode(), "rounded up");
        for none in ["AAAAA", "AAA", "AAA=B", ""] {
            assert_eq!(Seconds::decode(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn old_dates_and_impossible_ones() {
        let now = Seconds(1_000_000);
        for (date, beyond) in
            [(1_000_000, false), (999_900, false), (999_899, true), (1_086_400, false), (1_086_401, true)]
        {
            assert_eq!(Seconds(date).is_beyond(100, now), beyond, "{date}");
        }
    }
}
