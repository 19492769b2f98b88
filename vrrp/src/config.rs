//! A checked configuration of all virtual routers of this node. [`EngineConfig::new`] is the only way to get one, so
//! that holding it proves that indices resolve and that the combinations are ones the protocol allows.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::types::{AuthPass, Centis, Family, GroupId, IfName, Priority, RouterId, TrackId, Version, Vrid};

/// All virtual routers, sync groups and tracked things of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    routers: Vec<RouterConfig>,
    groups: Vec<GroupConfig>,
    tracks: Vec<TrackConfig>,
}

/// One virtual router (keepalived: `vrrp_instance`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// Operator's name, unique on the node.
    pub name: String,
    /// Interface the router speaks on. It may not exist yet.
    pub interface: IfName,
    /// Family of the adverts and of every advertised address.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Protocol version; [`Version::V2`] is IPv4 only.
    pub version: Version,
    /// Configured priority, 1–255, before tracks.
    pub priority: Priority,
    /// Advertisement interval; whole seconds with v2, at most 40.95 s with v3.
    pub advert_int: Centis,
    /// v2 PASS password. `None`: no authentication.
    pub auth_pass: Option<AuthPass>,
    /// Advertised addresses, in the order they are sent. At most 20.
    pub vips: Vec<Vip>,
    /// Addresses that move with the router without being advertised (keepalived: `virtual_ipaddress_excluded`).
    pub excluded: Vec<Vip>,
    /// Whether a lower-priority MASTER is deposed.
    pub preempt: Preempt,
    /// Where adverts go.
    pub transport: Transport,
    /// Source address of adverts; `None`: the primary address of the interface (IPv6: its link-local address).
    pub source: Option<IpAddr>,
    /// Form of the v3 IPv4 checksum to send until a peer's form is learned.
    pub checksum: ChecksumForm,
    /// What an advert with another address list means.
    pub vip_mismatch: VipMismatch,
    /// Gratuitous ARP and unsolicited NA schedule.
    pub announce: AnnounceConfig,
    /// Use a macvlan interface with the virtual MAC address.
    pub virtual_mac: bool,
    /// What can change the priority or take the router out.
    pub tracks: Vec<TrackUse>,
    /// Time after the last advert really sent at which this node must have lost the addresses by itself.
    /// Always less than Master_Down_Interval of every backup.
    pub lease: Duration,
    /// How many silent intervals make a MASTER dead (keepalived: `down_timer_adverts`). The protocol's value is 3.
    pub down_timer_adverts: u8,
}

/// One virtual address with its prefix length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vip {
    /// The address.
    pub addr: IpAddr,
    /// 0–32 for IPv4, 0–128 for IPv6.
    pub prefix_len: u8,
    /// Interface that carries it; `None`: the router's own.
    pub dev: Option<IfName>,
}

/// Whether a BACKUP with a higher priority deposes a lower MASTER. A question among fit nodes only: a fit node always
/// deposes an unfit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempt {
    /// As the protocol's `Preempt_Mode` true.
    Always,
    /// As `nopreempt`.
    Never,
    /// As `preempt_delay`: only after having been ready for this long.
    After(Duration),
}

/// Where adverts go and who may send them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// 224.0.0.18 or ff02::12, TTL 255 demanded.
    Multicast,
    /// One copy to each peer (keepalived: `unicast_peer`).
    Unicast {
        /// The peers; never empty, all of the router's family.
        peers: Vec<IpAddr>,
        /// Drop adverts whose source is not one of `peers` (keepalived: `check_unicast_src`).
        check_source: bool,
    },
}

/// The three checksums of a v3 advert over IPv4 that exist in the field (`facts/vrrp.md` §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChecksumForm {
    /// Pseudo-header with the packet's destination: RFC 5798 and keepalived.
    Rfc5798,
    /// No pseudo-header for IPv4: RFC 9568 §5.2.8.
    Rfc9568,
    /// Pseudo-header with 224.0.0.18 although sent unicast: keepalived up to 1.3.6.
    OldUnicast,
}

/// What to do with an advert that lists other addresses than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VipMismatch {
    /// Count and drop it. A node with other addresses is not a member of this virtual router.
    Drop,
    /// Count it and take it, as keepalived does.
    Accept,
}

/// When gratuitous ARP or unsolicited NA frames are sent, per address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnounceConfig {
    /// Frames at once on becoming MASTER (keepalived: `garp_master_repeat`), 1–255.
    pub repeat: u8,
    /// When the second round comes (`garp_master_delay`); zero: no second round.
    pub delay: Duration,
    /// Frames in each refresh round (`garp_master_refresh_repeat`), 1–255.
    pub refresh_repeat: u8,
    /// Period of the refresh while MASTER (`garp_master_refresh`); zero: none.
    pub refresh: Duration,
    /// Frames after hearing a lower-priority MASTER (`garp_lower_prio_repeat`).
    pub lower_prio_repeat: u8,
}

impl Default for AnnounceConfig {
    /// Keepalived's repeats, plus a refresh each minute.
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Duration::from_secs(5),
            refresh_repeat: 1,
            refresh: Duration::from_secs(60),
            lower_prio_repeat: 5,
        }
    }
}

/// Virtual routers that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// Operator's name, unique on the node.
    pub name: String,
    /// The members; at least two.
    pub members: Vec<RouterId>,
}

/// How a router uses a tracked thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackUse {
    /// Which thing.
    pub track: TrackId,
    /// −253..=253; `None` (keepalived: weight 0) means that a failure takes the router out: FAULT, or *unfit* for
    /// [`TrackKind::DataPlane`].
    pub weight: Option<i16>,
    /// Multiply the weight by −1.
    pub reverse: bool,
}

/// Something whose state bears on the priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackConfig {
    /// Operator's name, unique on the node.
    pub name: String,
    /// What it is.
    pub kind: TrackKind,
}

/// What can be tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackKind {
    /// The worker of this very process tree.
    DataPlane,
    /// A program run at an interval (keepalived: `vrrp_script`).
    Script(ScriptConfig),
    /// Another interface: up and running, or not.
    Interface(IfName),
    /// A number in a file (keepalived: `vrrp_track_file`).
    File {
        /// The file. Missing counts as 0.
        path: PathBuf,
    },
}

/// A check program and the arithmetic of its results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptConfig {
    /// Program and arguments; no shell.
    pub command: Vec<String>,
    /// Time between starts.
    pub interval: Duration,
    /// After this long the run counts as a failure and is ended.
    pub timeout: Duration,
    /// Consecutive successes that turn a failed script OK, at least 1.
    pub rise: u16,
    /// Consecutive failures that turn a good script KO, at least 1.
    pub fall: u16,
    /// Start as failed until `rise` successes.
    pub init_fail: bool,
    /// Run as this user; `None`: the engine's unprivileged script user.
    pub user: Option<String>,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Two routers share interface, family and VRID.
    #[error("{0} and {1} have the same interface, family and virtual_router_id")]
    DuplicateVrid(String, String),
    /// v2 carries IPv4 only.
    #[error("{0}: VRRP version 2 carries IPv4 only")]
    V2WithIpv6(String),
    /// v3 has no authentication field.
    #[error("{0}: VRRP version 3 has no authentication")]
    V3WithAuth(String),
    /// The interval cannot be expressed on the wire.
    #[error("{0}: advert_int {1} cannot be sent with version {2}")]
    Interval(String, Centis, u8),
    /// No address to advertise.
    #[error("{0}: no virtual address to advertise")]
    NoVip(String),
    /// More addresses than an advert should carry.
    #[error("{0}: {1} advertised addresses; at most 20 (list the others as excluded)")]
    TooManyVips(String, usize),
    /// An advertised address or peer of the other family.
    #[error("{0}: {1} is not of the family of the router")]
    Family(String, IpAddr),
    /// The first IPv6 address must be link-local (RFC 9568 §5.2.9).
    #[error("{0}: the first IPv6 address must be link-local, not {1}")]
    FirstNotLinkLocal(String, IpAddr),
    /// The prefix is longer than the address.
    #[error("{0}: {1} has no prefix length {2}")]
    PrefixLen(String, IpAddr, u8),
    /// Unicast without peers.
    #[error("{0}: unicast without a peer")]
    NoPeer(String),
    /// The lease would outlive the peer's patience.
    #[error("{0}: lease {1:?} must be below the peer's Master_Down_Interval of at least {2:?}")]
    Lease(String, Duration, Duration),
    /// A reference to something that is not there.
    #[error("{0}: unknown track or member")]
    Dangling(String),
    /// A router in two groups, or a group of less than two.
    #[error("sync group {0}: needs at least two members, each in this group only")]
    Group(String),
    /// Priority 0 is not a configuration.
    #[error("{0}: priority 0")]
    PriorityZero(String),
}

impl EngineConfig {
    /// Checks everything the engine relies on.
    ///
    /// # Errors
    /// All reasons found, in the order of the routers.
    pub fn new(
        routers: Vec<RouterConfig>,
        groups: Vec<GroupConfig>,
        tracks: Vec<TrackConfig>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        for (i, r) in routers.iter().enumerate() {
            check_router(r, tracks.len(), &mut errors);
            for other in routers.iter().take(i) {
                if (&other.interface, other.family, other.vrid) == (&r.interface, r.family, r.vrid) {
                    errors.push(ConfigError::DuplicateVrid(other.name.clone(), r.name.clone()));
                }
            }
        }
        check_groups(&groups, routers.len(), &mut errors);
        if errors.is_empty() { Ok(Self { routers, groups, tracks }) } else { Err(errors) }
    }

    /// The routers; a [`RouterId`] is a position here.
    pub fn routers(&self) -> &[RouterConfig] {
        &self.routers
    }

    /// The sync groups; a [`GroupId`] is a position here.
    pub fn groups(&self) -> &[GroupConfig] {
        &self.groups
    }

    /// The tracked things; a [`TrackId`] is a position here.
    pub fn tracks(&self) -> &[TrackConfig] {
        &self.tracks
    }

    /// The group a router is in.
    pub fn group_of(&self, router: RouterId) -> Option<GroupId> {
        let at = self.groups.iter().position(|g| g.members.contains(&router))?;
        u16::try_from(at).ok().map(GroupId)
    }
}

impl RouterConfig {
    /// The shortest time any backup with this configuration waits for a silent MASTER: the intervals alone, since
    /// Skew_Time can come close to zero.
    pub fn least_master_down(&self) -> Duration {
        self.advert_int.duration() * u32::from(self.down_timer_adverts)
    }

    /// The lease that fits the interval: half an interval short of [`Self::least_master_down`], and never above it.
    pub fn default_lease(advert_int: Centis, down_timer_adverts: u8) -> Duration {
        let adv = advert_int.duration();
        adv * u32::from(down_timer_adverts) - adv / 2
    }
}

fn check_router(r: &RouterConfig, tracks: usize, errors: &mut Vec<ConfigError>) {
    let name = || r.name.clone();
    if r.priority == Priority::RELEASE {
        errors.push(ConfigError::PriorityZero(name()));
    }
    let representable = match r.version {
        Version::V2 => r.advert_int.value().is_multiple_of(100),
        Version::V3 => r.advert_int <= Centis::V3_MAX,
    };
    if !representable {
        errors.push(ConfigError::Interval(name(), r.advert_int, r.version.number()));
    }
    if r.version == Version::V2 && r.family == Family::V6 {
        errors.push(ConfigError::V2WithIpv6(name()));
    }
    if r.version == Version::V3 && r.auth_pass.is_some() {
        errors.push(ConfigError::V3WithAuth(name()));
    }
    check_vips(r, errors);
    if let Transport::Unicast { peers, .. } = &r.transport {
        if peers.is_empty() {
            errors.push(ConfigError::NoPeer(name()));
        }
        let foreign = peers.iter().filter(|p| Family::of(**p) != r.family);
        errors.extend(foreign.map(|p| ConfigError::Family(name(), *p)));
    }
    if r.lease >= r.least_master_down() {
        errors.push(ConfigError::Lease(name(), r.lease, r.least_master_down()));
    }
    if r.tracks.iter().any(|t| usize::from(t.track.0) >= tracks) {
        errors.push(ConfigError::Dangling(name()));
    }
}

fn check_vips(r: &RouterConfig, errors: &mut Vec<ConfigError>) {
    let name = || r.name.clone();
    // RFC 9568 §5.2.5: an advert with no address must be ignored, so excluded addresses alone elect nobody.
    if r.vips.is_empty() {
        errors.push(ConfigError::NoVip(name()));
    }
    if r.vips.len() > MAX_VIPS {
        errors.push(ConfigError::TooManyVips(name(), r.vips.len()));
    }
    let foreign = r.vips.iter().filter(|v| Family::of(v.addr) != r.family);
    errors.extend(foreign.map(|v| ConfigError::Family(name(), v.addr)));
    if let Some(IpAddr::V6(first)) = r.vips.first().map(|v| v.addr)
        && !first.is_unicast_link_local()
    {
        errors.push(ConfigError::FirstNotLinkLocal(name(), first.into()));
    }
    for v in r.vips.iter().chain(&r.excluded) {
        let longest = if v.addr.is_ipv4() { 32 } else { 128 };
        if v.prefix_len > longest {
            errors.push(ConfigError::PrefixLen(name(), v.addr, v.prefix_len));
        }
    }
}

fn check_groups(groups: &[GroupConfig], routers: usize, errors: &mut Vec<ConfigError>) {
    let mut seen = std::collections::BTreeSet::new();
    for g in groups {
        let fresh = g.members.iter().all(|m| seen.insert(*m));
        if g.members.len() < 2 || !fresh {
            errors.push(ConfigError::Group(g.name.clone()));
        }
        if g.members.iter().any(|m| usize::from(m.0) >= routers) {
            errors.push(ConfigError::Dangling(g.name.clone()));
        }
    }
}

/// Keepalived's limit for addresses in one advert; more would not fit every receiver.
const MAX_VIPS: usize = 20;
