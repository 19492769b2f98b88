//! What `status` shows: plain data, a copy of the engine's state at one instant.

use std::net::IpAddr;
use std::time::Instant;

use crate::config::{ChecksumForm, Vip};
use crate::event::{Cause, State, Transition};
use crate::stats::Counters;
use crate::types::{Family, GroupId, IfIndex, IfName, Priority, RouterId, TrackId, Version, Vrid};

/// The whole engine at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When it was taken; all other instants are relative to it.
    pub at: Instant,
    /// The virtual routers, in the order of the configuration.
    pub routers: Vec<RouterSnapshot>,
    /// The sync groups, in the order of the configuration.
    pub groups: Vec<GroupSnapshot>,
    /// The tracked things, in the order of the configuration.
    pub tracks: Vec<TrackSnapshot>,
    /// What belongs to no router.
    pub counters: Counters,
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSnapshot {
    /// Position in the configuration.
    pub id: RouterId,
    /// Operator's name.
    pub name: String,
    /// Interface it speaks on.
    pub interface: IfName,
    /// Index of the interface adverts use, if it is there (with a virtual MAC: the macvlan interface).
    pub ifindex: Option<IfIndex>,
    /// Address family.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Protocol version.
    pub version: Version,
    /// State.
    pub state: State,
    /// Since when it is in this state.
    pub since: Instant,
    /// The last change; `None` before the first.
    pub last_transition: Option<Transition>,
    /// What keeps it out of the election, if something does.
    pub waiting_for: Option<Cause>,
    /// Configured priority.
    pub base_priority: Priority,
    /// Priority its adverts carry: with tracks, and 1 while unfit.
    pub effective_priority: Priority,
    /// Whether this node can serve, as far as its data plane tracks tell.
    pub fit: bool,
    /// Who is MASTER as far as known: own source address when MASTER.
    pub master: Option<IpAddr>,
    /// Source address of its adverts, if there is one.
    pub source: Option<IpAddr>,
    /// When the last advertisement was really sent, while MASTER.
    pub last_advert_sent: Option<Instant>,
    /// Nodes heard, by address.
    pub peers: Vec<PeerSnapshot>,
    /// Addresses it carries when MASTER, advertised ones first.
    pub vips: Vec<VipSnapshot>,
    /// Tracks it uses.
    pub tracks: Vec<TrackUseSnapshot>,
    /// Its counters.
    pub counters: Counters,
}

/// A node that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerSnapshot {
    /// Source address of its adverts.
    pub addr: IpAddr,
    /// Protocol version it speaks.
    pub version: Version,
    /// Priority in its last advert.
    pub priority: Priority,
    /// When it was last heard.
    pub last_heard: Instant,
    /// Its form of the v3 IPv4 checksum; `None` where there is only one.
    pub checksum: Option<ChecksumForm>,
}

/// A virtual address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipSnapshot {
    /// The address.
    pub vip: Vip,
    /// Whether it is listed in adverts.
    pub advertised: bool,
    /// Whether the kernel says that it is on.
    pub on: bool,
}

/// A track as one router uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackUseSnapshot {
    /// Which one.
    pub track: TrackId,
    /// Configured weight.
    pub weight: Option<i16>,
    /// Its state.
    pub state: TrackState,
    /// What it adds to the priority at present.
    pub contribution: i32,
}

/// A tracked thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSnapshot {
    /// Position in the configuration.
    pub id: TrackId,
    /// Operator's name.
    pub name: String,
    /// Its state.
    pub state: TrackState,
}

/// State of a tracked thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TrackState {
    /// It has not reported yet.
    Pending,
    /// Good.
    Ok,
    /// Failed.
    Failed,
    /// The number in a tracked file.
    Value(i32),
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// Position in the configuration.
    pub id: GroupId,
    /// Operator's name.
    pub name: String,
    /// State the members share; `None` while they differ, which lasts no longer than one call.
    pub state: Option<State>,
    /// The members.
    pub members: Vec<RouterId>,
}
