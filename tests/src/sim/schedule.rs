//! What a seed stands for: who takes part with which configuration, and what befalls them when.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_vrrp::config::{
    AnnounceConfig, ChecksumForm, EngineConfig, GroupConfig, Preempt, RouterConfig, ScriptConfig,
    TrackConfig, TrackKind, TrackUse, Transport, Vip, VipMismatch,
};
use evenkeel_vrrp::event::{LOST_PATIENCE, Servers};
use evenkeel_vrrp::types::{AuthPass, Centis, Family, IfName, Priority, RouterId, TrackId, Version, Vrid};

use super::clock::{MICRO, MILLI, Nanos, SECOND};
use super::faults::{self, Fault};
use super::rng::Rng;

/// Everything that is decided before time starts.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) seed: u64,
    pub(crate) nodes: Vec<NodePlan>,
    pub(crate) routers: Vec<RouterPlan>,
    /// The routers form one sync group.
    pub(crate) grouped: bool,
    /// How many interfaces each node has.
    pub(crate) interfaces: usize,
    /// In the order of time.
    pub(crate) faults: Vec<(Nanos, Fault)>,
    /// From here on nothing goes wrong.
    pub(crate) quiet_from: Nanos,
    /// From here on nothing may change.
    pub(crate) settled_by: Nanos,
    pub(crate) end: Nanos,
    /// A packet takes between these, when nothing is wrong.
    pub(crate) delay: (Nanos, Nanos),
}

/// One node.
#[derive(Debug, Clone)]
pub(crate) struct NodePlan {
    /// How fast its clock runs, in parts per million off.
    pub(crate) ppm: i64,
    pub(crate) starts_at: Nanos,
    pub(crate) priority: u8,
    pub(crate) preempt: Preempt,
    /// How late its processes wake.
    pub(crate) wake_latency: Nanos,
}

/// One virtual router, as all nodes have it.
#[derive(Debug, Clone)]
pub(crate) struct RouterPlan {
    pub(crate) interface: usize,
    pub(crate) version: Version,
    pub(crate) family: Family,
    pub(crate) vrid: u8,
    /// Of each node: v3 nodes may differ.
    pub(crate) advert_int: Vec<u16>,
    pub(crate) down_adverts: u8,
    pub(crate) lease_percent: u32,
    pub(crate) auth: Option<[u8; 8]>,
    pub(crate) unicast: bool,
    pub(crate) check_source: bool,
    pub(crate) checksum: Vec<ChecksumForm>,
    pub(crate) vips: Vec<Vip>,
    pub(crate) excluded: Vec<Vip>,
    pub(crate) announce: AnnounceConfig,
    pub(crate) data_plane: bool,
    pub(crate) script: bool,
    pub(crate) file_weight: Option<i16>,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = if rng.chance(35) { 3 } else { 2 };
        let (routers, grouped, interfaces) = draw_routers(&mut rng, count);
        let unit = routers.iter().map(RouterPlan::longest_interval).max().unwrap_or(SECOND);
        let nodes = draw_nodes(&mut rng, count, unit);
        let latest_start = nodes.iter().map(|n| n.starts_at).max().unwrap_or(0);
        let slowest = routers.iter().map(RouterPlan::longest_down).max().unwrap_or(SECOND);
        let low = rng.between(10 * MICRO, 200 * MICRO);
        let delay = (low, low + rng.between(10 * MICRO, 500 * MICRO));
        let shape =
            faults::Shape { nodes: count, interfaces, routers: &routers, unit, slowest, latest_start };
        let (faults, quiet_from) = faults::draw(&mut rng, &shape);
        let longest_wait = nodes.iter().map(|n| n.preempt_wait()).max().unwrap_or(0);
        // Twice a takeover (somebody, then the right one), its wait, and what a process needs to come up.
        let settle = 3 * slowest + longest_wait + longest_wait / 10 + 2 * unit + SECOND;
        let spoofed =
            |(_, f): &(Nanos, Fault)| matches!(f, Fault::Attack { attack, .. } if !attack.must_be_dropped());
        // A forged interval is learned like any other and outlives its packet.
        let learned = if faults.iter().any(spoofed) { 9 * slowest } else { 0 };
        let lost = |(_, f): &(Nanos, Fault)| matches!(f, Fault::Servers { servers: Servers::Lost, .. });
        let patience = if faults.iter().any(lost) { LOST_PATIENCE.as_secs() * SECOND * 106 / 100 } else { 0 };
        let settled_by = quiet_from + settle + learned + patience;
        let watch = if faults.is_empty() { 60 * unit } else { 12 * unit };
        let end = settled_by + watch;
        Self { seed, nodes, routers, grouped, interfaces, faults, quiet_from, settled_by, end, delay }
    }

    /// The configuration of a node, with this priority.
    pub(crate) fn config(&self, node: usize, priority: u8) -> Option<EngineConfig> {
        let tracks = vec![
            TrackConfig { name: "worker".into(), kind: TrackKind::DataPlane },
            TrackConfig { name: "script".into(), kind: TrackKind::Script(script()) },
            TrackConfig { name: "file".into(), kind: TrackKind::File { path: PathBuf::from("/run/number") } },
        ];
        let routers = (0..self.routers.len()).map(|r| self.router_config(node, r, priority)).collect();
        let members = (0..self.routers.len()).map(router_id).collect();
        let groups = if self.grouped { vec![GroupConfig { name: "G".into(), members }] } else { Vec::new() };
        EngineConfig::new(routers, groups, tracks).ok()
    }

    fn router_config(&self, node: usize, r: usize, priority: u8) -> RouterConfig {
        let plan = &self.routers[r];
        let advert_int = Centis::new(plan.advert_int[node]).unwrap_or(Centis::SECOND);
        let longest = RouterConfig::default_lease(advert_int, plan.down_adverts);
        let others = (0..self.nodes.len()).filter(|n| *n != node);
        let transport = if plan.unicast {
            let peers = others.map(|n| plan.source(n)).collect();
            Transport::Unicast { peers, check_source: plan.check_source }
        } else {
            Transport::Multicast
        };
        let mut tracks = Vec::new();
        let mut uses = |wanted: bool, track: TrackId, weight| {
            tracks.extend(wanted.then_some(TrackUse { track, weight, reverse: false }));
        };
        uses(plan.data_plane, DATA_PLANE, None);
        uses(plan.script, SCRIPT, None);
        uses(plan.file_weight.is_some(), FILE, plan.file_weight);
        RouterConfig {
            name: format!("VI_{r}"),
            interface: IfName::new(&interface_name(plan.interface)).unwrap_or_else(unreachable_name),
            family: plan.family,
            vrid: Vrid::new(plan.vrid).unwrap_or_else(unreachable_vrid),
            version: plan.version,
            priority: Priority::new(priority),
            advert_int,
            auth_pass: plan.auth.map(AuthPass),
            vips: plan.vips.clone(),
            excluded: plan.excluded.clone(),
            preempt: self.nodes[node].preempt,
            transport,
            source: None,
            checksum: plan.checksum[node],
            vip_mismatch: VipMismatch::Drop,
            announce: plan.announce,
            virtual_mac: false,
            tracks,
            lease: longest * plan.lease_percent / 100,
            down_timer_adverts: plan.down_adverts,
        }
    }

    /// The lease of a router on a node.
    pub(crate) fn lease(&self, node: usize, r: usize) -> Nanos {
        let plan = &self.routers[r];
        let advert_int = u64::from(plan.advert_int[node]) * 10 * MILLI;
        let longest = advert_int * u64::from(plan.down_adverts) - advert_int / 2;
        longest * u64::from(plan.lease_percent) / 100
    }
}

impl NodePlan {
    fn preempt_wait(&self) -> Nanos {
        match self.preempt {
            Preempt::Always | Preempt::Never => 0,
            Preempt::After(wait) => u64::try_from(wait.as_nanos()).unwrap_or(0),
        }
    }
}

impl RouterPlan {
    /// Advertisement interval of a node.
    pub(crate) fn interval(&self, node: usize) -> Nanos {
        u64::from(self.advert_int[node]) * 10 * MILLI
    }

    pub(crate) fn longest_interval(&self) -> Nanos {
        (0..self.advert_int.len()).map(|n| self.interval(n)).max().unwrap_or(SECOND)
    }

    /// The longest Master_Down_Interval any node can have, by a clock that is 5 % slow.
    pub(crate) fn longest_down(&self) -> Nanos {
        let unit = self.longest_interval();
        let skew = if self.version == Version::V2 { SECOND } else { unit };
        (unit * u64::from(self.down_adverts) + skew) * 106 / 100
    }

    /// Where a node's adverts come from.
    pub(crate) fn source(&self, node: usize) -> IpAddr {
        own_address(self.family, self.interface, node)
    }

    /// Every address that moves.
    pub(crate) fn all_vips(&self) -> impl Iterator<Item = &Vip> {
        self.vips.iter().chain(&self.excluded)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |t: Nanos| t / MILLI;
        writeln!(
            f,
            "seed {}: quiet from {} ms, settled by {} ms, end {} ms, packets take {}-{} us{}",
            self.seed,
            ms(self.quiet_from),
            ms(self.settled_by),
            ms(self.end),
            self.delay.0 / MICRO,
            self.delay.1 / MICRO,
            if self.grouped { ", one sync group" } else { "" },
        )?;
        for (i, n) in self.nodes.iter().enumerate() {
            let (at, ppm) = (ms(n.starts_at), n.ppm);
            writeln!(f, "  node {i}: priority {}, {:?}, starts {at} ms, {ppm} ppm", n.priority, n.preempt)?;
        }
        for (i, r) in self.routers.iter().enumerate() {
            writeln!(f, "  router {i}: {r:?}")?;
        }
        for (at, fault) in &self.faults {
            writeln!(f, "  {:>9.3} ms {fault:?}", *at as f64 / 1e6)?;
        }
        Ok(())
    }
}

fn draw_nodes(rng: &mut Rng, count: usize, unit: Nanos) -> Vec<NodePlan> {
    let equal = rng.chance(12);
    let owner = rng.chance(8);
    let cold_start = rng.chance(60);
    let base = rng.between(64, 180);
    (0..count)
        .map(|i| {
            let priority = match (equal, owner && i == 0) {
                (_, true) => 255,
                (true, false) => u8::try_from(base).unwrap_or(100),
                (false, false) => u8::try_from(rng.between(64, 254)).unwrap_or(100),
            };
            let preempt = match rng.below(10) {
                0..=5 => Preempt::Always,
                6..=7 => Preempt::Never,
                _ => Preempt::After(Duration::from_nanos(rng.below(8 * unit))),
            };
            NodePlan {
                ppm: i64::try_from(rng.below(100_001)).unwrap_or(0) - 50_000,
                starts_at: if cold_start { rng.below(MILLI) } else { rng.below(8 * unit) },
                priority,
                preempt,
                wake_latency: rng.between(5 * MICRO, 200 * MICRO),
            }
        })
        .collect()
}

fn draw_routers(rng: &mut Rng, nodes: usize) -> (Vec<RouterPlan>, bool, usize) {
    let (count, grouped) = match rng.below(100) {
        0..=64 => (1, false),
        65..=76 => (2, false),
        _ => (2, true),
    };
    let interfaces = if count == 2 && rng.chance(50) { 2 } else { 1 };
    let interval = rng.pick(&[1, 10, 10, 30, 100, 100, 100, 300]);
    let routers: Vec<_> =
        (0..count).map(|r| draw_router(rng, r, nodes, grouped, interfaces, interval)).collect();
    (routers, grouped, interfaces)
}

fn draw_router(
    rng: &mut Rng,
    r: usize,
    nodes: usize,
    grouped: bool,
    interfaces: usize,
    interval: u16,
) -> RouterPlan {
    let version = if rng.chance(35) { Version::V2 } else { Version::V3 };
    let family = if version == Version::V3 && rng.chance(45) { Family::V6 } else { Family::V4 };
    let interval = if version == Version::V2 { interval.max(100) } else { interval };
    // v3 learns the MASTER's interval, so nodes may differ; v2 drops what differs.
    let differ = version == Version::V3 && !grouped && rng.chance(15);
    let multiple = |rng: &mut Rng| interval * u16::try_from(rng.between(1, 3)).unwrap_or(1);
    let advert_int = (0..nodes).map(|_| if differ { multiple(rng) } else { interval }).collect();
    let forms = [ChecksumForm::Rfc5798, ChecksumForm::Rfc9568, ChecksumForm::OldUnicast];
    let checksum = (0..nodes).map(|_| if rng.chance(70) { forms[0] } else { rng.pick(&forms) }).collect();
    let unicast = rng.chance(40);
    RouterPlan {
        interface: r % interfaces,
        version,
        family,
        vrid: u8::try_from(51 + r).unwrap_or(51),
        advert_int,
        down_adverts: rng.pick(&[3, 3, 3, 3, 2, 4, 5]),
        lease_percent: rng.pick(&[100, 100, 100, 90, 80]),
        auth: (version == Version::V2 && rng.chance(50)).then_some(*b"s3cr3t42"),
        unicast,
        check_source: unicast && rng.chance(50),
        checksum,
        vips: draw_vips(rng, family, r),
        excluded: if rng.chance(10) { vec![excluded_vip(r)] } else { Vec::new() },
        announce: AnnounceConfig {
            repeat: rng.pick(&[1, 2, 5]),
            delay: rng.pick(&[Duration::ZERO, Duration::from_millis(700), Duration::from_secs(5)]),
            refresh_repeat: rng.pick(&[1, 1, 2]),
            refresh: rng.pick(&[Duration::ZERO, Duration::from_secs(3), Duration::from_secs(60)]),
            lower_prio_repeat: rng.pick(&[1, 5]),
        },
        data_plane: rng.chance(70),
        script: rng.chance(15),
        file_weight: (!grouped && rng.chance(20)).then(|| rng.pick(&[-7, 5, 20])),
    }
}

fn draw_vips(rng: &mut Rng, family: Family, r: usize) -> Vec<Vip> {
    let r = u8::try_from(r).unwrap_or(0);
    let many = if rng.chance(30) { 3 } else { 1 };
    let wide = rng.chance(30);
    (0..many)
        .map(|k| match family {
            Family::V4 => Vip {
                addr: IpAddr::from([10, 0, r, 100 + k]),
                prefix_len: if wide { 24 } else { 32 },
                dev: None,
            },
            // RFC 9568 §5.2.9: the first one is link-local.
            Family::V6 if k == 0 => {
                let addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x51, u16::from(r)).into();
                Vip { addr, prefix_len: 64, dev: None }
            }
            Family::V6 => {
                let addr = Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from(r), 0, 0, 0x51, u16::from(k)).into();
                Vip { addr, prefix_len: 128, dev: None }
            }
        })
        .collect()
}

fn excluded_vip(r: usize) -> Vip {
    let addr = Ipv4Addr::new(192, 0, 2, u8::try_from(r).unwrap_or(0) + 1);
    Vip { addr: addr.into(), prefix_len: 32, dev: None }
}

/// A node's own address on an interface.
pub(crate) fn own_address(family: Family, interface: usize, node: usize) -> IpAddr {
    let (i, n) = (u8::try_from(interface).unwrap_or(0), u8::try_from(node).unwrap_or(0) + 1);
    match family {
        Family::V4 => IpAddr::from([10, 0, i, n]),
        Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, u16::from(i), u16::from(n)).into(),
    }
}

/// `eth0`, `eth1`.
pub(crate) fn interface_name(interface: usize) -> String {
    format!("eth{interface}")
}

pub(crate) fn router_id(r: usize) -> RouterId {
    RouterId(u16::try_from(r).unwrap_or(0))
}

fn script() -> ScriptConfig {
    let second = Duration::from_secs(1);
    let command = vec!["/bin/check".to_owned()];
    ScriptConfig {
        command,
        interval: second,
        timeout: second,
        rise: 1,
        fall: 1,
        init_fail: false,
        user: None,
    }
}

#[expect(clippy::panic, reason = "the names are literals")]
fn unreachable_name() -> IfName {
    panic!("interface names are valid")
}

#[expect(clippy::panic, reason = "the numbers are literals")]
fn unreachable_vrid() -> Vrid {
    panic!("virtual router identifiers are not 0")
}

pub(crate) const DATA_PLANE: TrackId = TrackId(0);
pub(crate) const SCRIPT: TrackId = TrackId(1);
pub(crate) const FILE: TrackId = TrackId(2);
