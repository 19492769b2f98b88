//! What an agent says of its server: one line of words, in HAProxy's language.
//!
//! `up`, `down`, `stopped` and `fail` are its health, `ready`, `drain` and `maint` what it wants in an operator's place,
//! `75%` and `weight:10` its weight, `maxconn:30` its room. Behind a `#` in a word's place stands why. Of two words of
//! one kind the last counts.

use crate::plan::AdminState;

/// An agent's line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentLine {
    /// How the server is, and in which word.
    pub health: Option<AgentHealth>,
    /// What the agent wants of it.
    pub admin: Option<AdminState>,
    /// Its weight.
    pub weight: Option<AgentWeight>,
    /// Most connections to it at once; 0: no limit.
    pub maxconn: Option<u32>,
    /// Why, in the agent's words.
    pub description: String,
    /// The first word that means nothing.
    pub unknown: Option<String>,
}

/// How a server is, in its agent's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentHealth {
    /// `up`.
    Up,
    /// `down`.
    Down,
    /// `stopped`.
    Stopped,
    /// `fail`.
    Fail,
}

/// A weight, as an agent says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentWeight {
    /// In percent of the configured one.
    Percent(u32),
    /// Itself.
    Absolute(u16),
}

impl AgentHealth {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Stopped => "stopped",
            Self::Fail => "fail",
        }
    }
}

impl AgentWeight {
    /// The weight it means for a server of that configured weight: 0–256.
    pub fn of(self, configured: u16) -> u16 {
        match self {
            Self::Percent(percent) => {
                let weight = u64::from(configured) * u64::from(percent) / 100;
                u16::try_from(weight.min(HEAVIEST)).unwrap_or(256)
            }
            Self::Absolute(weight) => weight,
        }
    }
}

impl AgentLine {
    /// Reads a line, without its end.
    pub fn parse(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let (mut read, mut rest) = (Self::default(), &*text);
        loop {
            rest = rest.trim_start_matches(SEPARATORS);
            // Within a word it is part of it, as HAProxy reads it.
            if let Some(description) = rest.strip_prefix('#') {
                description.trim().clone_into(&mut read.description);
                return read;
            }
            let (word, after) = rest.split_at(rest.find(SEPARATORS).unwrap_or(rest.len()));
            if word.is_empty() {
                return read;
            }
            read.take(word);
            rest = after;
        }
    }

    fn take(&mut self, word: &str) {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "up" => self.health = Some(AgentHealth::Up),
            "down" => self.health = Some(AgentHealth::Down),
            "stopped" => self.health = Some(AgentHealth::Stopped),
            "fail" => self.health = Some(AgentHealth::Fail),
            "ready" => self.admin = Some(AdminState::Ready),
            "drain" => self.admin = Some(AdminState::Drain),
            "maint" => self.admin = Some(AdminState::Maint),
            _ => {
                let known = match (lower.strip_prefix("weight:"), lower.strip_prefix("maxconn:")) {
                    (Some(text), _) => weight(text).map(|w| self.weight = Some(w)),
                    (None, Some(number)) => number.parse().ok().map(|n| self.maxconn = Some(n)),
                    (None, None) if lower.ends_with('%') => weight(&lower).map(|w| self.weight = Some(w)),
                    (None, None) => None,
                };
                if known.is_none() {
                    self.unknown.get_or_insert_with(|| word.to_owned());
                }
            }
        }
    }
}

fn weight(text: &str) -> Option<AgentWeight> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(AgentWeight::Percent),
        None => text.parse().ok().filter(|w| u64::from(*w) <= HEAVIEST).map(AgentWeight::Absolute),
    }
}

/// What stands between words.
const SEPARATORS: [char; 3] = [' ', '\t', ','];

const HEAVIEST: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_haproxy_reads_them() {
        let base = AgentLine::default;
        let cases = [
            ("", base()),
            ("up", AgentLine { health: Some(AgentHealth::Up), ..base() }),
            (
                "UP 75%",
                AgentLine { health: Some(AgentHealth::Up), weight: Some(AgentWeight::Percent(75)), ..base() },
            ),
            (
                "up,ready\tmaxconn:30",
                AgentLine {
                    health: Some(AgentHealth::Up),
                    admin: Some(AdminState::Ready),
                    maxconn: Some(30),
                    ..base()
                },
            ),
            (
                "down # disk is full ",
                AgentLine { health: Some(AgentHealth::Down), description: "disk is full".into(), ..base() },
            ),
            ("fail,#x", AgentLine { health: Some(AgentHealth::Fail), description: "x".into(), ..base() }),
            ("#only", AgentLine { description: "only".into(), ..base() }),
            (
                "failed # x up",
                AgentLine { unknown: Some("failed".into()), description: "x up".into(), ..base() },
            ),
            (
                "stopped#x down \t#\t a#b",
                AgentLine {
                    health: Some(AgentHealth::Down),
                    unknown: Some("stopped#x".into()),
                    description: "a#b".into(),
                    ..base()
                },
            ),
            ("drain maint", AgentLine { admin: Some(AdminState::Maint), ..base() }),
            ("weight:10", AgentLine { weight: Some(AgentWeight::Absolute(10)), ..base() }),
            ("weight:50%", AgentLine { weight: Some(AgentWeight::Percent(50)), ..base() }),
            (
                "weight:257 stopped",
                AgentLine {
                    health: Some(AgentHealth::Stopped),
                    unknown: Some("weight:257".into()),
                    ..base()
                },
            ),
            (
                "what 5x% up",
                AgentLine { health: Some(AgentHealth::Up), unknown: Some("what".into()), ..base() },
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(AgentLine::parse(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn percents_are_of_the_configured_weight() {
        let cases = [
            (AgentWeight::Percent(50), 100, 50),
            (AgentWeight::Percent(0), 100, 0),
            (AgentWeight::Percent(u32::MAX), 256, 256),
            (AgentWeight::Absolute(7), 100, 7),
        ];
        for (said, configured, weight) in cases {
            assert_eq!(said.of(configured), weight, "{said:?}");
        }
    }
}
