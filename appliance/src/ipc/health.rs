//! The health of servers on its way from a worker to its successor: the data plane's snapshot in a form that can be
//! written down.

use std::time::Duration;

use evenkeel_proxy::endpoint::Endpoint;
use evenkeel_proxy::health::result::Info;
use evenkeel_proxy::health::snapshot::{InheritedHealth, Override};
use evenkeel_proxy::health::{
    Cause, CheckResult, CheckStatus, EjectedFor, HealthSnapshot, InheritedChange, InheritedEjection,
    InheritedServer, Operational, Overruled,
};
use evenkeel_proxy::names::Unresolved;
use evenkeel_proxy::plan::AdminState;
use serde::{Deserialize, Serialize};

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHealth {
    /// Backend's name.
    pub backend: String,
    /// Server's name.
    pub server: String,
    /// What its checks found; `None`: it has no checks.
    pub checks: Option<Probes>,
    /// What its agent said; `None`: it has no agent.
    #[serde(default)]
    pub agent: Option<Probes>,
    /// Operator's wish: as configured, and in force.
    pub admin: (Admin, Admin),
    /// Weight: as configured, and in force.
    pub weight: (u16, u16),
    /// Most requests at once: as configured, and in force. `None`: any number.
    #[serde(default)]
    pub maxconn: (Option<u32>, Option<u32>),
    /// How long it is still ejected, if it is.
    #[serde(default)]
    pub ejected_for_ms: Option<u64>,
    /// Ejections that still make the next one longer.
    #[serde(default)]
    pub recent_ejections: u32,
    /// Where it was, as text; `None`: nobody knew.
    #[serde(default)]
    pub address: Option<String>,
    /// What operators did to it besides.
    #[serde(default)]
    pub overruled: Acts,
    /// Since the last change.
    pub since_change_ms: u64,
    /// The last changes, oldest first.
    #[serde(default)]
    pub history: Vec<PastChange>,
}

/// What operators did to a server that the configuration knows nothing of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acts {
    /// It is not checked.
    #[serde(default)]
    pub unchecked: bool,
    /// Its agent is not asked.
    #[serde(default)]
    pub unasked: bool,
    /// It has no checks and was taken down.
    #[serde(default)]
    pub held_down: bool,
    /// It was sent from the one address to the other, as text.
    #[serde(default)]
    pub sent: Option<(String, String)>,
}

/// A change of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastChange {
    /// How long ago.
    pub ago_ms: u64,
    /// From what, in HAProxy's word.
    pub from: String,
    /// To what.
    pub to: String,
    /// Why.
    pub cause: PastCause,
}

/// Why a server changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PastCause {
    /// What a check, its agent or its requests showed.
    Found(LastCheck),
    /// The server it follows.
    Followed(String),
    /// So many failures in a row took it out for so many milliseconds.
    Streak(u32, u64),
    /// So many failures, of so many requests, took it out for so many milliseconds.
    Rate(u32, u32, u64),
    /// It was back from that.
    Readmitted,
    /// Somebody wanted it.
    Admin(Admin),
    /// Nobody knew where it was, for this reason.
    Unresolved(String),
    /// Its name had an address again.
    Resolved,
}

/// What the checks or the agent of a server found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// Where it was probed, as text; `None`: nobody knew where it was.
    pub checked: Option<String>,
    /// The rise/fall counter.
    pub counter: u32,
    /// `rise` when it was counted.
    pub rise: u16,
    /// `fall` when it was counted.
    pub fall: u16,
    /// The last one.
    pub last: Option<LastCheck>,
    /// It said that the server wants no new work.
    #[serde(default)]
    pub stopping: bool,
}

/// A check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheck {
    /// HAProxy's name, such as `L7OK`.
    pub status: String,
    /// HTTP status or errno.
    pub code: Option<u16>,
    /// Explanation.
    pub info: Option<String>,
    /// How long it took.
    pub duration_us: u64,
}

/// Operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Admin {
    /// Takes work.
    Ready,
    /// Finishes.
    Drain,
    /// Out of service.
    Maint,
}

/// Writes a snapshot down.
pub fn write_down(snapshot: &HealthSnapshot) -> Vec<ServerHealth> {
    snapshot.servers.iter().map(of_server).collect()
}

/// The snapshot that was written down. A result this build does not know is left out.
pub fn read_back(servers: &[ServerHealth]) -> HealthSnapshot {
    HealthSnapshot { servers: servers.iter().map(to_server).collect() }
}

fn of_server(s: &InheritedServer) -> ServerHealth {
    ServerHealth {
        backend: s.backend.clone(),
        server: s.server.clone(),
        checks: s.health.as_ref().map(of_probes),
        agent: s.agent.as_ref().map(of_probes),
        admin: (of_admin(s.admin.configured), of_admin(s.admin.in_force)),
        weight: (s.weight.configured, s.weight.in_force),
        address: s.address.as_ref().map(ToString::to_string),
        maxconn: (s.maxconn.configured, s.maxconn.in_force),
        ejected_for_ms: s.ejected.left.map(millis),
        recent_ejections: s.ejected.recent,
        overruled: of_acts(&s.overruled),
        since_change_ms: millis(s.since_change),
        history: s.history.iter().map(of_change).collect(),
    }
}

fn of_acts(o: &Overruled) -> Acts {
    let text = |(from, to): &(Endpoint, Endpoint)| (from.to_string(), to.to_string());
    Acts {
        unchecked: o.unchecked,
        unasked: o.unasked,
        held_down: o.held_down,
        sent: o.sent.as_ref().map(text),
    }
}

fn to_acts(a: &Acts) -> Overruled {
    let ends = |(from, to): &(String, String)| Some((from.parse().ok()?, to.parse().ok()?));
    Overruled {
        unchecked: a.unchecked,
        unasked: a.unasked,
        held_down: a.held_down,
        sent: a.sent.as_ref().and_then(ends),
    }
}

fn of_probes(h: &InheritedHealth) -> Probes {
    Probes {
        checked: h.checked.as_ref().map(ToString::to_string),
        counter: h.counter,
        rise: h.rise,
        fall: h.fall,
        last: h.last.as_ref().map(of_result),
        stopping: h.stopping,
    }
}

fn of_change(change: &InheritedChange) -> PastChange {
    let cause = match &change.cause {
        Cause::Found(result) => PastCause::Found(of_result(result)),
        Cause::Followed(leader) => PastCause::Followed(leader.clone()),
        Cause::Ejected(EjectedFor::Streak(streak), time) => PastCause::Streak(*streak, millis(*time)),
        Cause::Ejected(EjectedFor::Rate(failures, requests), time) => {
            PastCause::Rate(*failures, *requests, millis(*time))
        }
        Cause::Readmitted => PastCause::Readmitted,
        Cause::Admin(admin) => PastCause::Admin(of_admin(*admin)),
        Cause::Unresolved(why) => PastCause::Unresolved(why.as_str().to_owned()),
        Cause::Resolved => PastCause::Resolved,
    };
    let word = |state: Operational| state.as_str().to_owned();
    PastChange { ago_ms: millis(change.ago), from: word(change.from), to: word(change.to), cause }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn of_result(r: &CheckResult) -> LastCheck {
    LastCheck {
        status: r.status.name().to_owned(),
        code: r.code,
        info: r.info.as_ref().map(|i| i.as_str().to_owned()),
        duration_us: u64::try_from(r.duration.as_micros()).unwrap_or(u64::MAX),
    }
}

const fn of_admin(admin: AdminState) -> Admin {
    match admin {
        AdminState::Ready => Admin::Ready,
        AdminState::Drain => Admin::Drain,
        AdminState::Maint => Admin::Maint,
    }
}

fn to_server(s: &ServerHealth) -> InheritedServer {
    InheritedServer {
        backend: s.backend.clone(),
        server: s.server.clone(),
        health: s.checks.as_ref().map(to_probes),
        agent: s.agent.as_ref().map(to_probes),
        admin: Override { configured: to_admin(s.admin.0), in_force: to_admin(s.admin.1) },
        weight: Override { configured: s.weight.0, in_force: s.weight.1 },
        address: s.address.as_ref().and_then(|text| text.parse().ok()),
        maxconn: Override { configured: s.maxconn.0, in_force: s.maxconn.1 },
        ejected: InheritedEjection {
            left: s.ejected_for_ms.map(Duration::from_millis),
            recent: s.recent_ejections,
        },
        overruled: to_acts(&s.overruled),
        since_change: Duration::from_millis(s.since_change_ms),
        history: s.history.iter().filter_map(to_change).collect(),
    }
}

fn to_probes(c: &Probes) -> InheritedHealth {
    InheritedHealth {
        checked: c.checked.as_ref().and_then(|text| text.parse().ok()),
        counter: c.counter,
        rise: c.rise,
        fall: c.fall,
        last: c.last.as_ref().and_then(to_result),
        stopping: c.stopping,
    }
}

fn to_change(change: &PastChange) -> Option<InheritedChange> {
    let cause = match &change.cause {
        PastCause::Found(result) => Cause::Found(to_result(result)?),
        PastCause::Followed(leader) => Cause::Followed(leader.clone()),
        PastCause::Streak(streak, ms) => {
            Cause::Ejected(EjectedFor::Streak(*streak), Duration::from_millis(*ms))
        }
        PastCause::Rate(failures, requests, ms) => {
            Cause::Ejected(EjectedFor::Rate(*failures, *requests), Duration::from_millis(*ms))
        }
        PastCause::Readmitted => Cause::Readmitted,
        PastCause::Admin(admin) => Cause::Admin(to_admin(*admin)),
        PastCause::Unresolved(why) => Cause::Unresolved(Unresolved::named(why)?),
        PastCause::Resolved => Cause::Resolved,
    };
    let (from, to) = (Operational::named(&change.from)?, Operational::named(&change.to)?);
    Some(InheritedChange { ago: Duration::from_millis(change.ago_ms), from, to, cause })
}

fn to_result(last: &LastCheck) -> Option<CheckResult> {
    let mut result = CheckResult::new(CheckStatus::named(&last.status)?);
    result.code = last.code;
    result.info = last.info.as_ref().and_then(|text| Info::new(text.as_bytes()));
    result.duration = Duration::from_micros(last.duration_us);
    Some(result)
}

/// As the data plane says it.
pub const fn to_admin(admin: Admin) -> AdminState {
    match admin {
        Admin::Ready => AdminState::Ready,
        Admin::Drain => AdminState::Drain,
        Admin::Maint => AdminState::Maint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_reads_back() {
        let mut last = CheckResult::new(CheckStatus::named("L7STS").unwrap()).with_code(503);
        last.info = Info::new(b"Service Unavailable");
        last.duration = Duration::from_millis(12);
        let probes = InheritedHealth {
            checked: "192.0.2.1:80".parse().ok(),
            counter: 3,
            rise: 2,
            fall: 3,
            last: Some(last.clone()),
            stopping: true,
        };
        let causes = [
            Cause::Found(last),
            Cause::Followed("app/app2".into()),
            Cause::Ejected(EjectedFor::Streak(5), Duration::from_secs(30)),
            Cause::Ejected(EjectedFor::Rate(3, 7), Duration::from_millis(1)),
            Cause::Readmitted,
            Cause::Admin(AdminState::Drain),
            Cause::Unresolved(Unresolved::Nx),
            Cause::Resolved,
        ];
        let (from, to) = (Operational::Down, Operational::Drain);
        let ago = Duration::from_secs(7);
        let history = causes.map(|cause| InheritedChange { ago, from, to, cause }).to_vec();
        let server = InheritedServer {
            backend: "app".into(),
            server: "app1".into(),
            health: Some(probes.clone()),
            agent: Some(InheritedHealth { last: None, ..probes }),
            admin: Override { configured: AdminState::Ready, in_force: AdminState::Drain },
            weight: Override { configured: 100, in_force: 7 },
            maxconn: Override { configured: Some(30), in_force: None },
            ejected: InheritedEjection { left: Some(Duration::from_millis(900)), recent: 2 },
            address: "192.0.2.1:80".parse().ok(),
            overruled: Overruled {
                unchecked: true,
                unasked: true,
                held_down: true,
                sent: "192.0.2.1:80".parse().ok().zip("192.0.2.2:80".parse().ok()),
            },
            since_change: Duration::from_millis(1500),
            history,
        };
        let snapshot = HealthSnapshot { servers: vec![server] };
        let json = serde_json::to_string(&write_down(&snapshot)).unwrap();
        let back: Vec<ServerHealth> = serde_json::from_str(&json).unwrap();
        assert_eq!(read_back(&back), snapshot);
    }
}
