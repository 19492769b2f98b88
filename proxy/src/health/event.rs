//! What a monitor has to tell: events as they happen, and reports when asked.

use std::time::Instant;

use super::history::{Change, Operational};
use super::machine::Health;
use super::result::CheckResult;
use crate::balance::Usable;
use crate::plan::{AdminState, ServerId};

/// Something that operators may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// Whom it happened to.
    pub server: ServerId,
    /// What happened.
    pub turn: Turn,
    /// What the backend has left.
    pub usable: Usable,
    /// The backend had usable servers before and has none any more.
    pub backend_lost: bool,
    /// Requests running on the server.
    pub in_flight: u32,
}

/// What happened to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Checks took it down.
    Down(CheckResult),
    /// Checks brought it up.
    Up(CheckResult),
    /// An operator took it out of service.
    Maint,
    /// An operator lets it finish.
    Drain,
    /// An operator put it back, from what is named.
    Ready(AdminState),
    /// An operator gave it another weight.
    Weight(u16),
}

/// What is known of a server, for status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReport {
    /// Whose.
    pub server: ServerId,
    /// What it is.
    pub operational: Operational,
    /// When that began.
    pub since: Instant,
    /// Its rise/fall counter; `None`: no checks.
    pub health: Option<Health>,
    /// Its last check.
    pub last: Option<CheckResult>,
    /// Its last changes, oldest first.
    pub history: Vec<Change>,
}
