//! The status document of a node: what `evenkeel status` shows and `--json` prints. Durations are milliseconds before
//! the moment of asking.

use serde::{Deserialize, Serialize};

/// Everything about this node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Node name.
    pub node: String,
    /// Version of the running keeper.
    pub version: String,
    /// Process id of the keeper.
    pub pid: u32,
    /// How long the keeper runs.
    pub uptime_ms: u64,
    /// The last upgrade of the keeper, if there was one.
    #[serde(default)]
    pub upgrade: Option<UpgradeStatus>,
    /// `serving`, `starting`, … and `fit`, `unfit` or `unknown`.
    pub worker: WorkerStatus,
    /// The guard.
    pub guard: GuardStatus,
    /// What of the VRRP thread's wishes the system refused (real-time priority, locked memory).
    pub vrrp_thread: Vec<String>,
    /// One entry per VRRP instance.
    pub vrrp: Vec<InstanceStatus>,
    /// Listening addresses.
    pub listeners: Vec<ListenerStatus>,
    /// What the worker last reported; `None` while there is none.
    pub proxy: Option<WorkerReport>,
}

/// The keeper has gone on as another program, or was to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeStatus {
    /// How often it was tried up to the last step.
    pub number: u64,
    /// The version before.
    pub from: String,
    /// Why the next one could not go on, and this one did.
    pub failed: Option<String>,
}

/// The worker process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `waiting`, `starting`, `serving` or `stopped`.
    pub state: String,
    /// Whether the node may hold a VIP: `unknown`, `unfit`, `fit`, or `fit` with what keeps it from taking one.
    pub fitness: String,
    /// Process id, if one lives.
    pub pid: Option<u32>,
    /// Workers lost since the keeper started.
    pub lost: u64,
    /// How often one was silent for want of a processor, and kept.
    pub starved: u64,
    /// Why the last one was lost.
    pub last_loss: Option<String>,
    /// Process ids of workers whose successor serves, and who finish what they have.
    #[serde(default)]
    pub retired: Vec<u32>,
}

/// The guard process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardStatus {
    /// Process id, if one lives.
    pub pid: Option<u32>,
    /// Since it last answered a heartbeat; `None` before the first.
    pub answered_ms: Option<u64>,
}

/// One VRRP instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Name.
    pub name: String,
    /// Interface.
    pub interface: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// VRID.
    pub virtual_router_id: u8,
    /// 2 or 3.
    pub version: u8,
    /// `MASTER`, `BACKUP`, `FAULT`, `INIT` or `STOPPED`.
    pub state: String,
    /// How long in this state.
    pub since_ms: u64,
    /// Why it is in this state.
    pub cause: String,
    /// Configured priority.
    pub priority: u8,
    /// Priority that is advertised now.
    pub effective_priority: u8,
    /// Who is MASTER, as far as this node knows.
    pub master: Option<String>,
    /// Virtual addresses.
    pub vips: Vec<VipStatus>,
    /// Nodes heard.
    pub peers: Vec<PeerStatus>,
    /// Tracked things.
    pub tracks: Vec<TrackStatus>,
    /// Counters by name; zeros left out.
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// One virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipStatus {
    /// Address with prefix length.
    pub address: String,
    /// Whether it is on this node.
    pub held: bool,
}

/// Another node, as its adverts show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Source address.
    pub address: String,
    /// Its protocol version.
    pub version: u8,
    /// Its last priority.
    pub priority: u8,
    /// Since its last advert.
    pub heard_ms: u64,
}

/// A tracked thing and what it does to the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackStatus {
    /// Name.
    pub name: String,
    /// `ok`, `failed` or `unknown`, or the number of a file.
    pub state: String,
    /// Configured weight; `None`: a failure takes the instance out.
    pub weight: Option<i16>,
}

/// One listening address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// Frontend.
    pub frontend: String,
    /// Address.
    pub address: String,
    /// Sockets, one per data thread.
    pub sockets: usize,
}

/// What a worker knows of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// Data threads.
    pub threads: u16,
    /// Connections from clients now.
    pub connections: u64,
    /// Frontends.
    pub frontends: Vec<FrontendReport>,
    /// Servers of all backends.
    pub servers: Vec<ServerReport>,
    /// Access records dropped because no sink took them.
    pub log_dropped: u64,
}

/// Counters of a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendReport {
    /// Name.
    pub name: String,
    /// Connections now.
    pub connections: u64,
    /// Requests since the worker started.
    pub requests: u64,
    /// Answers by class, 1xx to 5xx.
    pub responses: [u64; 5],
    /// TLS handshakes with its clients.
    pub tls: TlsReport,
}

/// TLS handshakes with clients, since the worker started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReport {
    /// Came to their end.
    pub handshakes: u64,
    /// Of those, went on with an earlier session.
    pub resumed: u64,
    /// Failed.
    pub failed: u64,
    /// Took too long.
    pub timeouts: u64,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerReport {
    /// Backend.
    pub backend: String,
    /// Server.
    pub name: String,
    /// Address.
    pub address: String,
    /// `UP`, `DOWN`, `UP 2/3`, `NOLB`, `DRAIN`, `MAINT`, `MAINT (via BACKEND/SERVER)`, `MAINT (resolution)`, `no check`.
    pub state: String,
    /// How long in this state, if it ever changed.
    pub since_ms: Option<u64>,
    /// The last check in words, such as `L7OK/200 in 1ms`.
    pub check: String,
    /// What its agent last said, in words, such as `L7OK in 1ms (via agent : up)`; `None`: it has no agent, or that has
    /// said nothing yet.
    #[serde(default)]
    pub agent: Option<String>,
    /// How long its requests still keep it out, if they do (`outlier_ejection`).
    #[serde(default)]
    pub ejected_ms: Option<u64>,
    /// Requests it takes at once; `None`: any number.
    #[serde(default)]
    pub maxconn: Option<u32>,
    /// Weight.
    pub weight: u16,
    /// Whether it is a backup server.
    pub backup: bool,
    /// Requests running now.
    pub sessions: u64,
    /// Requests sent to it since the worker started.
    pub requests: u64,
    /// Its last changes, oldest first, 16 at most.
    #[serde(default)]
    pub history: Vec<ChangeReport>,
}

/// A change of a server's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// How long ago.
    pub ago_ms: u64,
    /// `UP`, `DOWN`, `NOLB`, `DRAIN` or `MAINT`.
    pub from: String,
    /// The same.
    pub to: String,
    /// Why, in words, such as `Layer7 wrong status, code: 500, check duration: 3ms`.
    pub reason: String,
    /// The check that showed it, if one did.
    pub check: Option<CheckReport>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// HAProxy's name, such as `L7STS`.
    pub status: String,
    /// Status code of the response, if there was one.
    pub code: Option<u16>,
    /// More about it, such as words of the server.
    pub info: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// How long, for a person: `42ms`, `3.2s`, `5m 3s`, `2h 5m`, `3d 4h`.
pub(crate) fn ago(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms}ms"),
        1..60 => format!("{s}.{}s", ms % 1000 / 100),
        60..3600 => format!("{}m {}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let cases =
            [(42, "42ms"), (3_270, "3.2s"), (303_000, "5m 3s"), (7_500_000, "2h 5m"), (273_600_000, "3d 4h")];
        for (ms, text) in cases {
            assert_eq!(ago(ms), text);
        }
    }
}
