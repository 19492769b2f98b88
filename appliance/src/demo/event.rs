//! What the demo observes: one type for everything that ends up in the timeline and the report.
use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::cast::{App, Node};

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Since the start of the demo, on one clock for all observers.
    pub(super) at: Duration,
    /// What it was.
    pub(super) what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The demo itself did something to the pair.
    Did(String),
    /// The client's machine heard an advert.
    Advert(Advert),
    /// A keeper logged a transition.
    Transition(Transition),
    /// A keeper logged a warning or an error.
    Warned {
        /// Whose log.
        node: Node,
        /// The message, with the fields that explain it.
        text: String,
    },
    /// The kernel of a node got or lost the virtual address.
    Address {
        /// Whose kernel.
        node: Node,
        /// Whether it has the address.
        held: bool,
    },
    /// A keeper process ended.
    Exited {
        /// Which one.
        node: Node,
        /// Its exit status in words.
        status: String,
    },
    /// A request came to its end, good or bad.
    Probe(Probe),
    /// Somebody pressed Ctrl-C or sent SIGTERM.
    Interrupted,
}

/// One VRRPv3 advertisement as seen on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advert {
    /// Who sent it.
    pub(super) from: Node,
    /// 0 means that the sender leaves.
    pub(super) priority: u8,
    /// The announced advertisement interval.
    pub(super) interval: Duration,
}

/// A state change as the keeper's event line tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transition {
    /// Whose state.
    pub(super) node: Node,
    /// The state left, in the keeper's words.
    pub(super) from: String,
    /// The state entered.
    pub(super) to: String,
    /// Why.
    pub(super) cause: String,
}

/// One request of the client, on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    /// When the connection was started.
    pub(super) started: Duration,
    /// How long the whole exchange lasted.
    pub(super) took: Duration,
    /// Who answered, or why nobody did.
    pub(super) result: Result<Served, Failure>,
}

/// The way a good answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    /// The node the backend saw as its client.
    pub(super) through: Node,
    /// The backend that answered.
    pub(super) app: App,
}

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No complete answer within the client's patience.
    TimedOut,
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The network said that there is no such host.
    Unreachable,
    /// The connection ended before the answer was complete.
    Cut,
    /// An answer with another status than 200.
    Status(u16),
    /// An answer that is not one of the demo's backends'.
    Strange,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer"),
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::Unreachable => f.write_str("host unreachable"),
            Self::Cut => f.write_str("connection closed without an answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Strange => f.write_str("an answer of nobody known"),
        }
    }
}

/// The demo's clock and the way into its event queue, for one observer.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    start: Instant,
    queue: SyncSender<Event>,
}

/// Where the events come out.
pub(super) type Events = std::sync::mpsc::Receiver<Event>;

impl Reporter {
    /// Starts the clock.
    pub(super) fn new() -> (Self, Events) {
        let (queue, events) = sync_channel(QUEUE_LIMIT);
        (Self { start: Instant::now(), queue }, events)
    }

    /// Time since the start of the demo.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Reports something that happens at this moment. A full queue makes the observer wait; after the end of the
    /// story nobody listens and the event is of no use.
    pub(super) fn report(&self, what: What) -> Listening {
        match self.queue.send(Event { at: self.now(), what }) {
            Ok(()) => Listening::Yes,
            Err(_) => Listening::No,
        }
    }
}

/// Whether anybody still wants events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listening {
    /// Go on observing.
    Yes,
    /// The story is over.
    No,
}

/// Far above what 200 requests a second leave between two looks at the queue.
const QUEUE_LIMIT: usize = 4096;
