//! What else decides whether a server takes work, beside its checks.

use std::time::Duration;

use super::{CheckConfig, ServerId};

/// What else decides whether a server takes work.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// An agent on the server that says how it is (HAProxy: `agent-check`). Its script is the one protocol of agents.
    pub agent: Option<CheckConfig>,
    /// What clients' requests tell of it (HAProxy: `observe`).
    pub observe: Option<Observe>,
    /// Taking it out for a while when it fails more than others.
    pub ejection: Option<Ejection>,
    /// It is up when that one is (HAProxy: `track`).
    pub track: Option<ServerId>,
    /// What becomes of its sessions when it goes down (HAProxy: `on-marked-down`).
    pub on_marked_down: OnMarked,
    /// What becomes of the sessions of its backend's backup servers when it comes up (HAProxy: `on-marked-up`).
    pub on_marked_up: OnMarked,
}

/// What becomes of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMarked {
    /// They go on.
    #[default]
    Leave,
    /// They are ended.
    Shutdown,
}

/// What is made of requests that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observe {
    /// What counts as a failure.
    pub layer: Layer,
    /// Failures in a row that have a consequence, at least 1.
    pub error_limit: u32,
    /// Which.
    pub on_error: OnError,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Whether connections are established.
    Layer4,
    /// Also whether responses are good ones.
    Layer7,
}

/// What too many failures in a row do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// The next check is made after `fastinter`.
    FastInter,
    /// They count as a failed check.
    FailCheck,
    /// They count as a failed check, and one more takes the server down.
    SuddenDeath,
    /// They take the server down.
    MarkDown,
}

/// When a server is taken out although its checks pass, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row; `None`: they do not matter.
    pub consecutive_errors: Option<u32>,
    /// Failures in percent of the requests of an interval; `None`: they do not matter.
    pub failure_percent: Option<u8>,
    /// Requests of an interval below which nothing is made of their failures.
    pub min_requests: u32,
    /// Over which failures are counted.
    pub interval: Duration,
    /// How long the first ejection lasts. Each that follows soon lasts as much longer.
    pub time: Duration,
    /// How long an ejection lasts at most.
    pub max_time: Duration,
    /// Servers of a backend, in percent, that may be out at once. One always may, while another is usable.
    pub max_percent: u8,
}
