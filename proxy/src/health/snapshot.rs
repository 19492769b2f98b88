//! What is known of all servers as plain data, so that a worker which replaces this one does not begin by sending
//! traffic to servers known to be dead, nor forgets what an operator has set.
//!
//! Servers are named, not numbered: the next worker's plan may be another one. Where the configuration says something
//! else than it did when the snapshot was taken, the configuration wins.

use std::time::Duration;

use super::history::{Cause, Operational};
use super::machine::Health;
use super::result::CheckResult;
use crate::endpoint::Endpoint;
use crate::plan::{AdminState, Plan, Server};

/// All servers of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthSnapshot {
    /// In the order of the plan they were taken from.
    pub servers: Vec<InheritedServer>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedServer {
    /// Backend's name.
    pub backend: String,
    /// Server's name.
    pub server: String,
    /// What its checks found; `None`: it has no checks.
    pub health: Option<InheritedHealth>,
    /// What its agent said; `None`: it has no agent.
    pub agent: Option<InheritedHealth>,
    /// Operator's wish as configured, and as it was in force.
    pub admin: Override<AdminState>,
    /// Weight as configured, and as it was in force.
    pub weight: Override<u16>,
    /// Most requests at once as configured, and as it was in force. `None`: any number.
    pub maxconn: Override<Option<u32>>,
    /// Its ejections.
    pub ejected: InheritedEjection,
    /// Where it was; `None`: nobody knew.
    pub address: Option<Endpoint>,
    /// What operators did to it besides.
    pub overruled: Overruled,
    /// How long ago the last change was.
    pub since_change: Duration,
    /// The last changes, oldest first.
    pub history: Vec<InheritedChange>,
}

/// What operators did to a server that the configuration knows nothing of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overruled {
    /// It is not checked.
    pub unchecked: bool,
    /// Its agent is not asked.
    pub unasked: bool,
    /// It has no checks and was taken down.
    pub held_down: bool,
    /// It was sent from where the configuration has it to somewhere else.
    pub sent: Option<(Endpoint, Endpoint)>,
}

/// Ejections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InheritedEjection {
    /// How long it is still out.
    pub left: Option<Duration>,
    /// Ejections that still make the next one longer.
    pub recent: u32,
}

/// A change of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedChange {
    /// How long ago.
    pub ago: Duration,
    /// From what.
    pub from: Operational,
    /// To what.
    pub to: Operational,
    /// Why.
    pub cause: Cause,
}

/// What the probes of a server found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InheritedHealth {
    /// Where it was probed; `None`: nobody knew where it was. Of another address nothing is known.
    pub checked: Option<Endpoint>,
    /// The rise/fall counter.
    pub counter: u32,
    /// `rise` when it was counted.
    pub rise: u16,
    /// `fall` when it was counted.
    pub fall: u16,
    /// The last one; `None`: none had ended.
    pub last: Option<CheckResult>,
    /// It said that it wants no new work.
    pub stopping: bool,
}

/// A configured value and the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Override<T> {
    /// What the configuration said.
    pub configured: T,
    /// What was in force.
    pub in_force: T,
}

impl<T: Copy + PartialEq> Override<T> {
    /// The value in force, unless the configuration has been edited since.
    pub fn merged(self, configured: T) -> T {
        if self.configured == configured { self.in_force } else { configured }
    }
}

impl InheritedHealth {
    /// The counter under the `rise` and `fall` of today.
    pub fn resume(&self, rise: u16, fall: u16) -> Health {
        Health::inherit(Health::restore(self.counter, self.rise, self.fall), rise, fall)
    }
}

impl HealthSnapshot {
    /// What is known of a server of `plan`.
    pub fn find(&self, plan: &Plan, server: &Server) -> Option<&InheritedServer> {
        let backend = plan.backends().get(usize::from(server.backend.0))?;
        self.servers.iter().find(|s| s.server == server.name && s.backend == backend.name)
    }
}
