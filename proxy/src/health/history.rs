//! The last changes of a server, for the operator who asks why.

use std::collections::VecDeque;
use std::time::Instant;

use super::event::Turn;

/// What a server is, health and operator's wish together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operational {
    /// Takes work.
    Up,
    /// Failed its checks.
    Down,
    /// Takes no new work.
    Drain,
    /// Out of service.
    Maint,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// From what.
    pub from: Operational,
    /// To what.
    pub to: Operational,
    /// Why.
    pub why: Turn,
}

/// The last [`Self::CAPACITY`] changes; older ones are forgotten.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<Change>);

impl Operational {
    /// As HAProxy's status column says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Drain => "DRAIN",
            Self::Maint => "MAINT",
        }
    }
}

impl History {
    /// Changes kept.
    pub const CAPACITY: usize = 16;

    /// Adds the latest change.
    pub fn push(&mut self, change: Change) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(change);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.0.iter()
    }

    /// The latest.
    pub fn last(&self) -> Option<&Change> {
        self.0.back()
    }
}
