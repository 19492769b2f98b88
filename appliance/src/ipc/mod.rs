//! What keeper and worker say to each other.
//!
//! The worker gets the configuration as text and re-reads it by itself, so neither side trusts the other's structures.

mod channel;
mod counted;
pub mod health;
pub mod tables;

use evenkeel_vrrp::event::Servers;
use serde::{Deserialize, Serialize};

use crate::admin::node::NodeFacts;
use crate::config::Sources;
use crate::edit::Edit;
use crate::logs::Said;
use crate::status::WorkerReport;
use crate::worker::privileges::Identity;

pub use self::health::{Admin, ServerHealth};
pub use channel::{Receiver, Sender, channel};
pub use counted::Counts;
pub use tables::TableContent;

/// From the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message: everything the worker needs. Its descriptors are the listening sockets, in the order of
    /// `sockets`, and then the admin sockets, in the order of the configuration.
    Start(Box<Start>),
    /// Every data thread must answer.
    Ping(u64),
    /// Report counters and states.
    Report(u64),
    /// The files of TLS have been read anew: everything as at the start, but for them.
    Tls(Box<Sources>),
    /// An operator wants something of a server; the number comes back with the answer.
    Order(u64, Order),
    /// Somebody wants the last lines about requests: those behind this one, at most so many.
    Logs {
        /// Comes back with the answer.
        number: u64,
        /// The last one that is known.
        after: u64,
        /// How many.
        most: usize,
    },
    /// What the keeper knows, for the metrics.
    Node(Box<NodeFacts>),
    /// A successor is about to start: what has it to know? The number comes back.
    HandOver(u64),
    /// A worker that was retired has counted this since it told of it last.
    Counts(Box<Counts>),
    /// Another keeper goes on in the place of this one: everything that follows, and every answer, goes over the socket that
    /// is this message's descriptor. The one that it came over is to be closed.
    Move,
    /// The successor accepts: finish what runs, however long it takes, then exit. A [`ToWorker::Drain`] may follow.
    Retire,
    /// Stop accepting, finish what runs within the limit, then exit.
    Drain {
        /// The limit.
        limit_ms: u64,
    },
}

/// What a worker starts from.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// Name of this node.
    pub node: String,
    /// Configuration files and what they refer to.
    pub sources: Sources,
    /// Who the worker becomes before it does anything else.
    pub identity: Identity,
    /// Position of the listener in the plan and its number of sockets.
    pub sockets: Vec<(u16, u16)>,
    /// Health of the servers as the last worker knew it.
    pub health: Vec<ServerHealth>,
    /// What the worker before it has counted, if it is still there to say so.
    pub counts: Counts,
    /// What was in its tables.
    pub tables: Vec<TableContent>,
}

/// What an operator wants of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which, as `backend/server`.
    pub server: String,
    /// What it is to do.
    pub state: Admin,
}

/// What has come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// Which, as `backend/server`.
    pub server: String,
    /// What it was: `UP`, `DOWN`, `NOLB`, `DRAIN` or `MAINT`.
    pub from: String,
    /// What it is.
    pub to: String,
    /// Requests that are still with it.
    pub sessions: u32,
}

/// How a node stands with its servers; see [`evenkeel_vrrp::event::Servers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServersReport {
    /// Each backend has a usable one.
    Ready,
    /// Some backend has none.
    NotReady,
    /// None is usable.
    Lost,
}

impl From<Servers> for ServersReport {
    fn from(servers: Servers) -> Self {
        match servers {
            Servers::Ready => Self::Ready,
            Servers::NotReady => Self::NotReady,
            Servers::Lost => Self::Lost,
        }
    }
}

impl From<ServersReport> for Servers {
    fn from(report: ServersReport) -> Self {
        match report {
            ServersReport::Ready => Self::Ready,
            ServersReport::NotReady => Self::NotReady,
            ServersReport::Lost => Self::Lost,
        }
    }
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// Every data thread accepts.
    Ready,
    /// How this node stands with its servers.
    Servers(ServersReport),
    /// Every data thread has answered this heartbeat.
    Pong(u64),
    /// The answer to [`ToWorker::Report`].
    Report(u64, Box<WorkerReport>),
    /// The health of servers has changed: what a successor must know.
    Health(Vec<ServerHealth>),
    /// What is in tables, a piece of it: for a successor that is about to start.
    Table(Box<TableContent>),
    /// The answer to [`ToWorker::HandOver`]: all else has been told, and so much has been counted.
    HandedOver(u64, Box<Counts>),
    /// What a retired worker has counted since it told of it last.
    Counts(Box<Counts>),
    /// An operator has changed what comes from a file.
    Edited {
        /// The file, as the configuration names it.
        file: String,
        /// What has been done to it.
        edit: Edit,
    },
    /// A server changed its state; a line for the log.
    Event {
        /// Syslog level, 0 (emerg) to 7 (debug).
        level: u8,
        /// What happened.
        line: String,
    },
    /// The answer to [`ToWorker::Order`], or why it cannot be carried out.
    Ordered(u64, Result<Ordered, String>),
    /// The answer to [`ToWorker::Logs`].
    Logs(u64, Said),
    /// Certificates have been replaced, or why they have not.
    Tls(Result<(), String>),
    /// The worker cannot serve this configuration and exits.
    Rejected(String),
    /// Nothing runs any more, or the limit has passed with so many connections left.
    Drained {
        /// Connections cut.
        left: u64,
    },
}
