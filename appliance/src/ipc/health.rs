//! The health of servers on its way from a worker to its successor: the data plane's snapshot in a form that can be
//! written down.

use std::time::Duration;

use evenkeel_proxy::health::result::Info;
use evenkeel_proxy::health::snapshot::{InheritedHealth, Override};
use evenkeel_proxy::health::{CheckResult, CheckStatus, HealthSnapshot, InheritedServer};
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
    pub checks: Option<Checks>,
    /// Operator's wish: as configured, and in force.
    pub admin: (Admin, Admin),
    /// Weight: as configured, and in force.
    pub weight: (u16, u16),
    /// Since the last change.
    pub since_change_ms: u64,
}

/// What the checks of a server found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Where it was checked, as text; `None`: nobody knew where it was.
    pub checked: Option<String>,
    /// The rise/fall counter.
    pub counter: u32,
    /// `rise` when it was counted.
    pub rise: u16,
    /// `fall` when it was counted.
    pub fall: u16,
    /// The last check.
    pub last: Option<LastCheck>,
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
    let of_checks = |h: &InheritedHealth| Checks {
        checked: h.checked.as_ref().map(ToString::to_string),
        counter: h.counter,
        rise: h.rise,
        fall: h.fall,
        last: h.last.as_ref().map(of_result),
    };
    ServerHealth {
        backend: s.backend.clone(),
        server: s.server.clone(),
        checks: s.health.as_ref().map(of_checks),
        admin: (of_admin(s.admin.configured), of_admin(s.admin.in_force)),
        weight: (s.weight.configured, s.weight.in_force),
        since_change_ms: u64::try_from(s.since_change.as_millis()).unwrap_or(u64::MAX),
    }
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
    let to_checks = |c: &Checks| InheritedHealth {
        checked: c.checked.as_ref().and_then(|text| text.parse().ok()),
        counter: c.counter,
        rise: c.rise,
        fall: c.fall,
        last: c.last.as_ref().and_then(to_result),
    };
    InheritedServer {
        backend: s.backend.clone(),
        server: s.server.clone(),
        health: s.checks.as_ref().map(to_checks),
        admin: Override { configured: to_admin(s.admin.0), in_force: to_admin(s.admin.1) },
        weight: Override { configured: s.weight.0, in_force: s.weight.1 },
        since_change: Duration::from_millis(s.since_change_ms),
    }
}

fn to_result(last: &LastCheck) -> Option<CheckResult> {
    let mut result = CheckResult::new(CheckStatus::named(&last.status)?);
    result.code = last.code;
    result.info = last.info.as_ref().and_then(|text| Info::new(text.as_bytes()));
    result.duration = Duration::from_micros(last.duration_us);
    Some(result)
}

const fn to_admin(admin: Admin) -> AdminState {
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
        let server = InheritedServer {
            backend: "app".into(),
            server: "app1".into(),
            health: Some(InheritedHealth {
                checked: "192.0.2.1:80".parse().ok(),
                counter: 3,
                rise: 2,
                fall: 3,
                last: Some(last),
            }),
            admin: Override { configured: AdminState::Ready, in_force: AdminState::Drain },
            weight: Override { configured: 100, in_force: 7 },
            since_change: Duration::from_millis(1500),
        };
        let snapshot = HealthSnapshot { servers: vec![server] };
        let json = serde_json::to_string(&write_down(&snapshot)).unwrap();
        let back: Vec<ServerHealth> = serde_json::from_str(&json).unwrap();
        assert_eq!(read_back(&back), snapshot);
    }
}
