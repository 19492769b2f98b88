//! What one engine leaves to the next, so that another configuration or another version of the program goes on where it
//! was: no advert of priority 0, no address taken off, no election.
//!
//! Moments are spans, counted from when [`crate::engine::Engine::continuation`] was asked: instants mean nothing to
//! another process.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::{ChecksumForm, EngineConfig, RouterConfig, Vip};
use crate::event::Servers;
use crate::snapshot::TrackState;
use crate::stats::Counters;
use crate::types::{Centis, Family, IfName, Priority, RouterId, Version, Vrid};

/// Everything that outlives an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Continuation {
    /// Of each router that has not stopped.
    pub routers: Vec<RouterContinuation>,
    /// Of each tracked thing, by its name.
    pub tracks: Vec<(String, TrackMemory)>,
    /// How the node stands with its servers.
    pub servers: Servers,
    /// What belongs to no router.
    pub counters: Counters,
}

/// What makes a virtual router the same one under another configuration: what peers and hosts know it by. Its name may
/// change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// Interface it speaks on.
    pub interface: IfName,
    /// Address family.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Whether its addresses are on an interface of their own.
    pub virtual_mac: bool,
}

impl Identity {
    /// Of the router with this configuration.
    pub fn of(config: &RouterConfig) -> Self {
        let RouterConfig { interface, family, vrid, virtual_mac, .. } = config;
        Self { interface: interface.clone(), family: *family, vrid: *vrid, virtual_mac: *virtual_mac }
    }
}

/// One virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterContinuation {
    /// Which one it was.
    pub was: RouterId,
    /// Which one it is.
    pub identity: Identity,
    /// What it was doing.
    pub phase: Continued,
    /// For how long.
    pub since: Duration,
    /// Whether its node could serve.
    pub fit: bool,
    /// When it may depose a MASTER; `None`: not by its configuration.
    pub preempt_in: Option<Duration>,
    /// For how long it may not, because taking over has failed.
    pub hold_for: Option<Duration>,
    /// For how long this node's servers have been ready, if they are.
    pub ready_for: Option<Duration>,
    /// Who was heard.
    pub peers: Vec<PeerContinuation>,
    /// Its counters.
    pub counters: Counters,
}

/// State of a router that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continued {
    /// It had not begun.
    Init,
    /// It listened.
    Backup {
        /// To whom, and how often that one speaks.
        master: Option<(IpAddr, Centis)>,
    },
    /// It held the addresses.
    Master {
        /// How long it might have gone on without another advert.
        lease_left: Duration,
        /// The addresses.
        vips: Vec<Vip>,
    },
    /// Something kept it out.
    Fault,
}

/// A node that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerContinuation {
    /// Source address of its adverts.
    pub addr: IpAddr,
    /// Protocol version it speaks.
    pub version: Version,
    /// Priority in its last advert.
    pub priority: Priority,
    /// How long ago that was.
    pub heard_ago: Duration,
    /// Its form of the v3 IPv4 checksum.
    pub checksum: Option<ChecksumForm>,
}

/// What a track has found out. Interfaces and files are looked at anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackMemory {
    /// Whether the data plane serves.
    DataPlane(TrackState),
    /// What a script says.
    Script {
        /// The state that follows.
        state: TrackState,
        /// How far it is from turning.
        level: u32,
    },
    /// Whether an interface runs.
    Interface(TrackState),
    /// The number in a file.
    File(i32),
}

impl Continuation {
    /// Which router of `config` is which of these, by their positions: before, after.
    pub fn heirs(&self, config: &EngineConfig) -> Vec<(RouterId, RouterId)> {
        let heir = |was: &RouterContinuation| {
            let same = |config: &RouterConfig| Identity::of(config) == was.identity;
            let at = config.routers().iter().position(same)?;
            Some((was.was, RouterId(u16::try_from(at).ok()?)))
        };
        self.routers.iter().filter_map(heir).collect()
    }
}
