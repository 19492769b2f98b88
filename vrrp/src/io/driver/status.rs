//! What the VRRP thread tells of itself, besides the engine's snapshot.

use std::time::Duration;

use crate::event::{ActionResult, Transition};
use crate::io::guard_link::GuardStatus;
use crate::io::realtime::Refused;
use crate::types::{IfIndex, RouterId};

/// Something that happened in the VRRP thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverEvent {
    /// A router has changed its state.
    Transition(Transition),
    /// This many addresses of an earlier run were taken off at the start.
    LeftoversRemoved(usize),
    /// The kernel did not grant a privilege; the thread runs without it.
    Refused(Refused),
    /// An action failed that did not fail the last time: adverts, addresses or the macvlan interface of a router.
    ActionFailed(ActionResult),
    /// Gratuitous ARP or neighbour advertisements of a router cannot be sent; told once until one is sent again.
    FramesFailed {
        /// The router.
        router: RouterId,
        /// The kernel's reason.
        errno: i32,
    },
    /// No socket could be opened on an interface; tried again each second, told once.
    ListenFailed {
        /// The interface.
        ifindex: IfIndex,
        /// The kernel's reason.
        errno: i32,
    },
    /// The guard has ended. Addresses stay; start another and attach it.
    GuardLost,
    /// The machine was suspended for this long.
    Suspended(Duration),
    /// The list of held addresses cannot be written; told once until it can.
    StateFileFailed {
        /// The kernel's reason.
        errno: i32,
    },
    /// The thread has released everything and ends.
    Stopped,
}

/// Figures of the VRRP thread. All counters start at zero with the thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriverStatus {
    /// Privileges the kernel did not grant.
    pub refused: Vec<Refused>,
    /// The guard.
    pub guard: GuardStatus,
    /// Events that nobody took in time.
    pub events_dropped: u64,
    /// Datagrams without usable headers, and reads that failed.
    pub received_unusable: u64,
    /// Gratuitous ARP and neighbour advertisement frames that could not be sent.
    pub frames_failed: u64,
    /// Times the kernel's tables of links and addresses could not be read.
    pub netlink_failed: u64,
    /// The latest the thread ever was for a deadline of the engine.
    pub latest_wake: Duration,
    /// Time the machine was suspended since the start.
    pub suspended: Duration,
}
