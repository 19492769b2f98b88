//! What a monitor has to tell: events as they happen, and reports when asked.

use std::time::{Duration, Instant};

use super::history::{Change, Operational};
use super::machine::Health;
use super::monitor::{EjectedFor, Record};
use super::result::CheckResult;
use crate::balance::Usable;
use crate::endpoint::Endpoint;
use crate::names::Unresolved;
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
    /// Requests that wait.
    pub queue: Queued,
}

/// Requests that wait when a server changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queued {
    /// Left a queue by it: to other servers, or to this one.
    pub requeued: u32,
    /// Still wait for this server.
    pub waiting: u32,
}

/// What happened to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Checks, its agent or its requests took it down.
    Down(CheckResult),
    /// Checks or its agent brought it up.
    Up(CheckResult),
    /// It answers, but wants no new work.
    Stopping(CheckResult),
    /// Something happened to the server that it follows.
    Via(ServerId, Via),
    /// Its requests failed: it is out for so long.
    Ejected(EjectedFor, Duration),
    /// It is back from being ejected.
    Readmitted,
    /// An operator took it out of service.
    Maint,
    /// An operator lets it finish.
    Drain,
    /// An operator put it back, from what is named.
    Ready(AdminState),
    /// An operator or its agent gave it another weight.
    Weight(u16),
    /// Its agent changed how many requests it takes at once. `None`: any number.
    Maxconn(Option<u32>),
    /// Nobody knows any more where it is, or nobody did from the start.
    Unresolved(Unresolved),
    /// Its name has an address again.
    Resolved,
    /// Its name has another address: from the one, to the other.
    Moved(Endpoint, Endpoint),
    /// An operator has sent what comes for it from the one to the other.
    Readdressed(Endpoint, Endpoint),
    /// An operator wants it to be probed no more, or again.
    Muted,
}

/// What happened to the server that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// It went down.
    Down,
    /// It came up.
    Up,
    /// It wants no new work.
    Stopping,
    /// It was taken out of service, or nobody knows where it is.
    Maint,
    /// It is let finish.
    Drain,
    /// It was put back, from what is named.
    Ready(AdminState),
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
    /// Its agent's counter; `None`: no agent.
    pub agent: Option<Health>,
    /// What its agent last said.
    pub last_agent: Option<CheckResult>,
    /// Until when it is ejected.
    pub ejected_until: Option<Instant>,
    /// Whether it is out of service only because nobody knows where it is.
    pub is_lost: bool,
    /// The server it follows, if it is out of service only because that is.
    pub rests_via: Option<ServerId>,
    /// Why, if it has been looked for.
    pub unresolved: Option<Unresolved>,
    /// How often and for how long it has been down.
    pub record: Record,
    /// Checks that failed while it was up; `None`: no checks.
    pub failed_checks: Option<u64>,
    /// Its last changes, oldest first.
    pub history: Vec<Change>,
}
