//! Rules about what is counted in tables: what is tracked, what rules count themselves, and conditions on numbers.

use std::fmt;

use super::matcher::{Looked, Request};
use super::template::Template;
use crate::table::{Counter, Event, Key, KeyType, TableId, Which};

/// What a rule does with what is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Count {
    /// The request is counted in the entry of this key (`track-sc`).
    Track(Which, TrackKey),
    /// One more of what rules count (`sc-inc-gpc`).
    Increase(Which, Event),
    /// The tag gets this value (`sc-set-gpt`).
    SetTag(Which, u32),
}

impl Count {
    /// The table it is in.
    pub fn table(&self) -> TableId {
        match self {
            Self::Track(which, _) | Self::Increase(which, _) | Self::SetTag(which, _) => which.table,
        }
    }
}

/// What of a request is the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackKey {
    /// The client's address.
    Source,
    /// What the client has connected to.
    Destination,
    /// The host, as rules compare it.
    Host,
    /// The path, as rules compare it.
    Path,
    /// Host and path, one behind the other.
    Base,
    /// This text.
    Text(Template),
}

impl TrackKey {
    /// The key in a table of this kind. `None`: the request has none, and is not tracked.
    pub fn of<R: Request>(&self, kind: KeyType, looked: &Looked<'_, R>) -> Option<Key> {
        match self {
            Self::Source => kind.of_address(looked.request().source()),
            Self::Destination => kind.of_address(looked.request().destination()?.ip()),
            Self::Host => kind.of_bytes(looked.host()),
            Self::Path => kind.of_bytes(looked.path()),
            Self::Base => kind.of_bytes(&[looked.host(), looked.path()].concat()),
            Self::Text(text) => {
                let mut out = Vec::new();
                text.fill(&mut out, looked).then(|| kind.of_bytes(&out))?
            }
        }
    }

    /// Whether what the client has connected to has to be found out for it.
    pub fn looks_at_destination(&self) -> bool {
        match self {
            Self::Destination => true,
            Self::Text(text) => text.looks_at_destination(),
            Self::Source | Self::Host | Self::Path | Self::Base => false,
        }
    }
}

/// A number that a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Of which entry.
    pub of: Subject,
    /// Which one.
    pub counter: Counter,
}

/// Whose entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One that the request is counted in (`sc_…`). It has no number if it is not.
    Tracked(Which),
    /// That of the client's address, counted in or not (`src_…`). Without one its numbers are 0.
    Source(TableId),
}

impl Subject {
    /// The table it is in.
    pub fn table(self) -> TableId {
        match self {
            Self::Tracked(which) => which.table,
            Self::Source(table) => table,
        }
    }
}

/// From which to which a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// At least this.
    pub least: u64,
    /// At most this.
    pub most: u64,
}

impl Range {
    /// All numbers.
    pub const ALL: Self = Self { least: 0, most: u64::MAX };

    /// Whether a number is in it.
    pub fn contains(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Track(which, key) => write!(f, "track {key} in {which}"),
            Self::Increase(which, event) => write!(f, "sc_inc_{} of {which}", Counter::Total(*event).name()),
            Self::SetTag(which, value) => write!(f, "sc_set_gpt0 of {which} = {value}"),
        }
    }
}

impl fmt::Display for TrackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("src"),
            Self::Destination => f.write_str("dst"),
            Self::Host => f.write_str("host"),
            Self::Path => f.write_str("path"),
            Self::Base => f.write_str("base"),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counter = self.counter.name();
        match self.of {
            Subject::Tracked(which) => write!(f, "{counter} of what is tracked in {which}"),
            Subject::Source(table) => write!(f, "{counter} of the source in table {}", table.0),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(f, "{least}"),
            (least, u64::MAX) => write!(f, "{least} or more"),
            (0, most) => write!(f, "{most} or less"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

#[cfg(test)]
mod tests;
