//! The last changes of a server, for the operator who asks why.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::event::Turn;
use super::monitor::EjectedFor;
use super::result::CheckResult;
use crate::names::Unresolved;
use crate::plan::{AdminState, Plan};

/// What a server is, health and operator's wish together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operational {
    /// Takes work.
    Up,
    /// Failed its checks.
    Down,
    /// Takes no new work, as its own checks want it.
    Stopping,
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
    pub cause: Cause,
}

/// Why a server changed. Other servers are named, not numbered: a later worker's plan may be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// What a check, its agent or its requests showed.
    Found(CheckResult),
    /// The server it follows changed: backend and name.
    Followed(String),
    /// Its requests failed: it was taken out for so long.
    Ejected(EjectedFor, Duration),
    /// It was back from that.
    Readmitted,
    /// An operator wanted it, or its agent in an operator's place.
    Admin(AdminState),
    /// Nobody knew any more where it was, or nobody did from the start.
    Unresolved(Unresolved),
    /// Its name had an address again.
    Resolved,
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
            Self::Stopping => "NOLB",
            Self::Drain => "DRAIN",
            Self::Maint => "MAINT",
        }
    }
}

impl Operational {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Up, Self::Down, Self::Stopping, Self::Drain, Self::Maint];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == name)
    }
}

impl Cause {
    /// What of a turn is the reason of a change. `None`: a turn that changes nothing of what a server is.
    pub fn of(turn: &Turn, plan: &Plan) -> Option<Self> {
        Some(match turn {
            Turn::Up(result) | Turn::Down(result) | Turn::Stopping(result) => Self::Found(result.clone()),
            Turn::Via(leader, _) => Self::Followed(plan.name_of(*leader)),
            Turn::Ejected(why, time) => Self::Ejected(*why, *time),
            Turn::Readmitted => Self::Readmitted,
            Turn::Maint => Self::Admin(AdminState::Maint),
            Turn::Drain => Self::Admin(AdminState::Drain),
            Turn::Ready(_) => Self::Admin(AdminState::Ready),
            Turn::Unresolved(why) => Self::Unresolved(*why),
            Turn::Resolved => Self::Resolved,
            Turn::Weight(_) | Turn::Maxconn(_) | Turn::Moved(..) | Turn::Readdressed(..) | Turn::Muted => {
                return None;
            }
        })
    }
}

/// For a person; a check as in HAProxy's log lines.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(result) => write!(f, "{result}"),
            Self::Followed(leader) => write!(f, "via {leader}"),
            Self::Ejected(why, time) => write!(f, "ejected for {}s: {why}", time.as_secs_f64()),
            Self::Readmitted => f.write_str("no longer ejected"),
            Self::Admin(AdminState::Ready) => f.write_str("set ready"),
            Self::Admin(AdminState::Drain) => f.write_str("set to drain"),
            Self::Admin(AdminState::Maint) => f.write_str("set to maintenance"),
            Self::Unresolved(why) => write!(f, "{why}"),
            Self::Resolved => f.write_str("resolves again"),
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
