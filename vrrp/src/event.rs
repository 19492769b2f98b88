//! What goes into the engine and what comes out of it.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::Vip;
use crate::types::{Family, GroupId, IfIndex, IfName, Mac, Priority, RouterId, TrackId};

/// What the receiver knows of an advert besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxMeta {
    /// Interface it came in on.
    pub ifindex: IfIndex,
    /// Source address of the IP header.
    pub src: IpAddr,
    /// Destination address of the IP header.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
}

/// The state of an interface, as netlink tells it. Sent for each interface at start and at each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Kernel index.
    pub ifindex: IfIndex,
    /// Name now.
    pub name: IfName,
    /// Administratively up and with carrier.
    pub running: bool,
    /// Ethernet address, if it has one.
    pub mac: Option<Mac>,
}

/// A change of links or addresses. All addresses are reported, ours too: that is how a flushed VIP is noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// An interface is there or has changed.
    Link(LinkState),
    /// An interface has gone.
    LinkGone(IfIndex),
    /// An address is on an interface (also sent for each refresh of it).
    AddressAdded(InterfaceAddress),
    /// An address has gone from an interface.
    AddressRemoved(InterfaceAddress),
}

/// An address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceAddress {
    /// The interface.
    pub ifindex: IfIndex,
    /// The address.
    pub addr: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
    /// Usable as a source: neither tentative nor failed duplicate detection nor deprecated.
    pub usable: bool,
    /// A secondary of another address of the subnet (IPv4).
    pub secondary: bool,
}

/// What a tracked thing reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackReport {
    /// A script ended: success or not. A timeout and a signal are failures.
    Script(bool),
    /// The data plane serves (`true`), or does not.
    DataPlane(bool),
    /// The number in a tracked file.
    File(i32),
}

/// An operator's or the supervisor's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Release everything and stop: priority-0 adverts, addresses off. Final.
    Shutdown,
    /// How this node stands with the servers it proxies to. [`Servers::Ready`] until told otherwise.
    Servers(Servers),
}

/// How a node that serves stands with its own servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Servers {
    /// Each backend has one that can be used.
    #[default]
    Ready,
    /// Some backend has none, as after the node's link or worker has come back. The node stays MASTER if it is, and
    /// takes over from a silent, releasing or unfit MASTER, but deposes no other, whatever its priority.
    NotReady,
    /// No server can be used at all: this node may be cut off from them. As [`Self::NotReady`], and it advertises
    /// [`Priority::LOST`], so that the other half of a split that reaches its servers keeps the addresses. A BACKUP
    /// deposes a MASTER that advertises this only after it has itself been ready for [`LOST_PATIENCE`], so that an
    /// outage of the servers, which both nodes see, moves nothing.
    Lost,
}

/// Longer than the checks of one node usually run behind those of the other.
pub const LOST_PATIENCE: Duration = Duration::from_secs(30);

/// One copy of an advertisement: to the group or to one peer, in one form of the checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvertCopy {
    /// Interface to send on.
    pub ifindex: IfIndex,
    /// Source address.
    pub src: IpAddr,
    /// Group or peer.
    pub dst: IpAddr,
    /// The VRRP message, checksum included.
    pub bytes: Vec<u8>,
}

/// Something the driver must do, in the order given. The result comes back by
/// `Engine::handle_action_result` for those that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a VRRP message from the raw socket of the router; the result comes back.
    SendAdvert {
        /// The router.
        router: RouterId,
        /// Interface to send on.
        ifindex: IfIndex,
        /// Source address.
        src: IpAddr,
        /// Group or peer.
        dst: IpAddr,
        /// The VRRP message, checksum included.
        bytes: Vec<u8>,
        /// Whether this is the last copy of one advertisement (unicast sends a copy to each peer). The lease is
        /// renewed by the result of this one.
        last_copy: bool,
    },
    /// Put addresses on, each with a kernel lifetime of `lease`; the result comes back.
    AddVips {
        /// The router.
        router: RouterId,
        /// Interface of addresses that name none.
        ifindex: IfIndex,
        /// The addresses, advertised ones first.
        vips: Vec<Vip>,
        /// After this long without renewal the kernel must remove them.
        lease: Duration,
    },
    /// Take addresses off. An address that is not there counts as done; the result comes back.
    RemoveVips {
        /// The router.
        router: RouterId,
        /// Interface of addresses that name none.
        ifindex: IfIndex,
        /// The addresses.
        vips: Vec<Vip>,
    },
    /// Set the kernel lifetime of addresses that are on to `lease` again. Refused by the kernel's silence if they are
    /// not there; they must not be added by this.
    RenewVips {
        /// The router.
        router: RouterId,
        /// Interface of addresses that name none.
        ifindex: IfIndex,
        /// The addresses.
        vips: Vec<Vip>,
        /// The lifetime.
        lease: Duration,
    },
    /// Tell the guard that an advert of this router was really sent and how long the addresses may stay.
    Heartbeat {
        /// The router.
        router: RouterId,
        /// A lease after the advert, however late this is done.
        until: Instant,
    },
    /// Send one Ethernet frame (gratuitous ARP or unsolicited NA).
    SendFrame {
        /// The router.
        router: RouterId,
        /// Interface to send on.
        ifindex: IfIndex,
        /// The frame from the destination address on.
        frame: Vec<u8>,
    },
    /// Join the VRRP group on an interface and prepare its sockets, or leave it.
    Listen {
        /// The router.
        router: RouterId,
        /// Family of the group.
        family: Family,
        /// The interface; `None`: stop listening.
        ifindex: Option<IfIndex>,
    },
    /// Create (`true`) or delete the router's macvlan interface; the result comes back.
    VirtualMac {
        /// The router.
        router: RouterId,
        /// Parent interface.
        parent: IfIndex,
        /// Name of the macvlan interface.
        name: IfName,
        /// Its address.
        mac: Mac,
        /// Create or delete.
        create: bool,
    },
    /// The state of a router has changed. Sent after the actions of the change.
    Transition(Transition),
}

/// How an [`Action`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionResult {
    /// An advert copy left this node.
    AdvertSent {
        /// The router.
        router: RouterId,
        /// As in the action.
        last_copy: bool,
    },
    /// An advert could not be sent; `errno` as the kernel gave it.
    AdvertFailed {
        /// The router.
        router: RouterId,
        /// The kernel's reason.
        errno: i32,
    },
    /// Addresses are on.
    VipsAdded(RouterId),
    /// Not all addresses could be put on.
    AddFailed {
        /// The router.
        router: RouterId,
        /// The kernel's reason.
        errno: i32,
    },
    /// Addresses are off.
    VipsRemoved(RouterId),
    /// Not all addresses could be taken off.
    RemoveFailed {
        /// The router.
        router: RouterId,
        /// The kernel's reason.
        errno: i32,
    },
    /// The macvlan interface could not be made.
    VirtualMacFailed {
        /// The router.
        router: RouterId,
        /// The kernel's reason.
        errno: i32,
    },
}

/// State of one virtual router, in Keepalived's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not started: interface or source address missing, or a track has not reported yet.
    Init,
    /// Listening.
    Backup,
    /// Holding the addresses and advertising.
    Master,
    /// Taken out by a track, the interface or the group.
    Fault,
    /// Stopped for good.
    Stopped,
}

impl State {
    /// The word operators know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stopped => "STOPPED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One change of state with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The router.
    pub router: RouterId,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// Effective priority at that moment.
    pub priority: Priority,
    /// When.
    pub at: Instant,
}

/// Why a router changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Everything needed is there: interface, source address, first track results.
    Ready,
    /// The owner of the addresses starts as MASTER.
    Owner,
    /// No advert within Master_Down_Interval.
    MasterDown {
        /// Who was MASTER, if one was ever heard.
        last: Option<IpAddr>,
    },
    /// The MASTER released with priority 0.
    MasterReleased {
        /// Who.
        by: IpAddr,
    },
    /// The MASTER has a lower priority and is deposed.
    Preempts {
        /// Whom.
        from: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// An advert with a higher priority (or the same and a higher address).
    HigherPriority {
        /// From whom.
        from: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// The interface is down or gone.
    InterfaceDown,
    /// The interface has no address to send from.
    NoSourceAddress,
    /// A tracked thing without weight failed.
    TrackFailed(TrackId),
    /// The data plane does not serve.
    Unfit(TrackId),
    /// Another member of the sync group left.
    Group(GroupId),
    /// This process slept past its lease: the addresses are no longer ours.
    Overslept,
    /// The lease could not be renewed because adverts could not be sent.
    CannotSend,
    /// Addresses could not be put on.
    CannotAddVips,
    /// An operator's or the supervisor's command.
    Command,
}
