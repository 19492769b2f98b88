//! The whole engine under any sequence of packets, interface changes, failures and time: no panic, no busy loop, no
//! address outside MASTER, nothing after a shutdown, and bounded answers.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_vrrp::config::{
    AnnounceConfig, ChecksumForm, EngineConfig, GroupConfig, Preempt, RouterConfig, TrackConfig, TrackKind,
    TrackUse, Transport, Vip, VipMismatch,
};
use evenkeel_vrrp::engine::Engine;
use evenkeel_vrrp::event::{
    Action, ActionResult, Command, InterfaceAddress, LinkState, NetEvent, RxMeta, State, TrackReport,
};
use evenkeel_vrrp::packet::{Advert, Auth, group};
use evenkeel_vrrp::types::{
    AuthPass, Centis, Family, IfIndex, IfName, Mac, Priority, RouterId, TrackId, Version, Vrid,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    let mut script = Script(bytes);
    while let Some(opcode) = script.byte() {
        world.event(opcode, &mut script);
        world.check();
    }
    // With everything working again, what could not be taken off is.
    world.adds_fail = false;
    world.removals_fail = false;
    world.sends_fail = false;
    world.run_for(Duration::from_secs(20));
    world.refused.clear();
    world.check();
});

/// The bytes as a list of decisions.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn small(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn slice(&mut self, length: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        head
    }
}

/// The engine with a kernel and a clock around it.
struct World {
    engine: Engine,
    now: Instant,
    /// Which routers have addresses on.
    on: BTreeMap<RouterId, BTreeSet<Vip>>,
    /// Which routers asked for a removal that failed and has not been repeated with success.
    refused: BTreeSet<RouterId>,
    adds_fail: bool,
    removals_fail: bool,
    sends_fail: bool,
    shut_down: bool,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let config = EngineConfig::new(routers(), groups(), tracks()).expect("a valid configuration");
        let mut world = Self {
            engine: Engine::new(config, now),
            now,
            on: BTreeMap::new(),
            refused: BTreeSet::new(),
            adds_fail: false,
            removals_fail: false,
            sends_fail: false,
            shut_down: false,
        };
        for n in 0..2 {
            world.net(link(n, true));
            for address in addresses(n) {
                world.net(NetEvent::AddressAdded(address));
            }
        }
        world
    }

    fn event(&mut self, opcode: u8, script: &mut Script<'_>) {
        match opcode % 12 {
            0 => self.run_for(Duration::from_millis(u64::from(script.small()) * 10)),
            // A pause: nothing runs, then everything at once.
            1 => {
                self.now += Duration::from_millis(u64::from(script.small()) * 50);
                self.engine.handle_timeout(self.now);
                self.drain();
            }
            2 => {
                let which = script.small();
                let length = usize::from(script.small() % 80);
                let bytes = script.slice(length);
                self.advert(which, bytes);
            }
            3 | 4 => {
                let which = script.small();
                let bytes = well_formed(which, script);
                self.advert(which, &bytes);
            }
            5 => self.net(link(script.small() % 2, opcode & 0x10 == 0)),
            6 => {
                let choice = script.small();
                let list = addresses(choice % 2);
                let address = list[usize::from(choice >> 1) % list.len()];
                let event =
                    if choice & 0x80 == 0 { NetEvent::AddressAdded } else { NetEvent::AddressRemoved };
                self.net(event(address));
            }
            7 => self.flush(script.small()),
            8 => {
                let report = match script.small() % 4 {
                    0 => TrackReport::DataPlane(false),
                    1 => TrackReport::DataPlane(true),
                    2 => TrackReport::Script(script.small() % 2 == 0),
                    _ => TrackReport::File(i32::from(script.small()) - 128),
                };
                self.engine.handle_track(self.now, TrackId(u16::from(script.small() % 4)), report);
                self.drain();
            }
            9 => {
                let faults = script.small();
                self.adds_fail = faults & 1 != 0;
                self.removals_fail = faults & 2 != 0;
                self.sends_fail = faults & 4 != 0;
            }
            10 => self.interface_goes(script.small() % 2),
            _ => {
                if script.small() == 0xff {
                    self.shut_down = true;
                    self.engine.handle_command(self.now, Command::Shutdown);
                    self.drain();
                }
            }
        }
    }

    fn net(&mut self, event: NetEvent) {
        self.engine.handle_net(self.now, event);
        self.drain();
    }

    fn advert(&mut self, which: u8, bytes: &[u8]) {
        let routers = self.engine.config().routers();
        let router = &routers[usize::from(which) % routers.len()];
        let src = match router.family {
            Family::V4 => IpAddr::from([10, 77, 0, which >> 4]),
            Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(which >> 4)]),
        };
        let dst = match &router.transport {
            Transport::Multicast => group(router.family),
            Transport::Unicast { .. } => IpAddr::from([10, 77, 0, 1]),
        };
        let hop_limit = if which & 8 == 0 { 255 } else { which };
        let number = u8::from(router.interface.as_str() == "eth1");
        let meta = RxMeta { ifindex: ifindex(number), src, dst, hop_limit };
        self.engine.handle_advert(self.now, &meta, bytes);
        let sent = self.drain();
        assert!(sent < 100, "one packet was answered by {sent}");
    }

    /// Somebody else removes addresses.
    fn flush(&mut self, choice: u8) {
        let router = RouterId(u16::from(choice) % 4);
        for vip in self.on.remove(&router).unwrap_or_default() {
            self.net(NetEvent::AddressRemoved(on_interface(&vip, self.interface_of(router))));
        }
    }

    /// An interface takes its addresses with it.
    fn interface_goes(&mut self, number: u8) {
        let there: Vec<_> = self.on.keys().copied().filter(|r| self.interface_of(*r) == number).collect();
        for router in there {
            self.on.remove(&router);
        }
        self.net(NetEvent::LinkGone(ifindex(number)));
    }

    fn interface_of(&self, router: RouterId) -> u8 {
        let config = &self.engine.config().routers()[usize::from(router.0)];
        u8::from(config.interface.as_str() == "eth1")
    }

    /// Time passes and every timer fires when it is due.
    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        let mut turns = 0;
        while let Some((at, why)) = self.engine.poll_timeout().filter(|(at, _)| *at <= end) {
            turns = if at <= self.now { turns + 1 } else { 0 };
            assert!(turns < 20, "busy loop: {why}");
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Does what the engine wants; how many frames and packets it sent.
    fn drain(&mut self) -> usize {
        let (mut sent, mut actions) = (0, 0);
        while let Some(action) = self.engine.poll_action() {
            actions += 1;
            assert!(actions < 5_000, "endless actions");
            match action {
                Action::SendAdvert { router, last_copy, .. } => {
                    sent += 1;
                    let result = match self.sends_fail {
                        true => ActionResult::AdvertFailed { router, errno: 101 },
                        false => ActionResult::AdvertSent { router, last_copy },
                    };
                    self.engine.handle_action_result(self.now, result);
                }
                Action::SendFrame { .. } => sent += 1,
                Action::AddVips { router, vips, .. } => self.add(router, vips),
                Action::RemoveVips { router, vips, .. } => self.remove(router, &vips),
                Action::VirtualMac { .. }
                | Action::RenewVips { .. }
                | Action::Heartbeat { .. }
                | Action::Listen { .. }
                | Action::Transition(_) => {}
            }
        }
        sent
    }

    fn add(&mut self, router: RouterId, vips: Vec<Vip>) {
        if self.adds_fail {
            return self.engine.handle_action_result(self.now, ActionResult::AddFailed { router, errno: 13 });
        }
        self.engine.handle_action_result(self.now, ActionResult::VipsAdded(router));
        let interface = self.interface_of(router);
        for vip in vips {
            self.on.entry(router).or_default().insert(vip.clone());
            self.engine.handle_net(self.now, NetEvent::AddressAdded(on_interface(&vip, interface)));
        }
    }

    fn remove(&mut self, router: RouterId, vips: &[Vip]) {
        if self.removals_fail {
            self.refused.insert(router);
            return self
                .engine
                .handle_action_result(self.now, ActionResult::RemoveFailed { router, errno: 16 });
        }
        self.refused.remove(&router);
        self.engine.handle_action_result(self.now, ActionResult::VipsRemoved(router));
        let interface = self.interface_of(router);
        for vip in vips {
            if self.on.entry(router).or_default().remove(vip) {
                self.engine.handle_net(self.now, NetEvent::AddressRemoved(on_interface(vip, interface)));
            }
        }
    }

    fn check(&self) {
        let snapshot = self.engine.snapshot(self.now);
        for router in &snapshot.routers {
            let holds = self.on.get(&router.id).is_some_and(|vips| !vips.is_empty());
            let may_hold = router.state == State::Master || self.refused.contains(&router.id);
            assert!(!holds || may_hold, "{router:?} holds addresses");
            assert!(!self.shut_down || router.state == State::Stopped, "{router:?} after a shutdown");
            assert!(router.peers.len() <= 16, "the table of peers is bounded");
        }
        let group: BTreeSet<bool> = snapshot.groups[0]
            .members
            .iter()
            .map(|m| snapshot.routers[usize::from(m.0)].state == State::Master)
            .collect();
        assert!(group.len() == 1, "the group is MASTER whole or not at all");
    }
}

/// An advert that is right in form; what it says is up to the script.
fn well_formed(which: u8, script: &mut Script<'_>) -> Vec<u8> {
    let routers = routers();
    let router = &routers[usize::from(which) % routers.len()];
    let (priority, interval, lie) = (script.small(), script.small(), script.small());
    let advert = Advert {
        version: router.version,
        vrid: if lie == 1 { Vrid::new(99).expect("not 0") } else { router.vrid },
        priority: Priority::new(priority),
        interval: match router.version {
            Version::V2 => Centis::new(100 * u16::from(interval % 3 + 1)).expect("not 0"),
            Version::V3 => Centis::new(u16::from(interval) + 1).expect("not 0"),
        },
        auth: match (router.auth_pass, lie) {
            (Some(_), 2) => Auth::None,
            (Some(pass), _) => Auth::Pass(pass),
            (None, _) => Auth::None,
        },
        addresses: router.vips.iter().map(|v| v.addr).collect(),
    };
    // The form of the checksum that needs no address: accepted over IPv4; over IPv6 the kernel has checked it.
    let (src, dst) = match router.family {
        Family::V4 => (IpAddr::from([10, 77, 0, 2]), group(Family::V4)),
        Family::V6 => (IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(which >> 4)]), group(Family::V6)),
    };
    let form = if router.family == Family::V4 { ChecksumForm::Rfc9568 } else { ChecksumForm::Rfc5798 };
    advert.encode(form, src, dst)
}

fn routers() -> Vec<RouterConfig> {
    let base = |name: &str, interface: &str, vrid, version, vips: &[&str]| RouterConfig {
        name: name.into(),
        interface: IfName::new(interface).expect("a name"),
        family: Family::of(vips[0].parse().expect("an address")),
        vrid: Vrid::new(vrid).expect("not 0"),
        version,
        priority: Priority::new(100),
        advert_int: Centis::new(100).expect("not 0"),
        auth_pass: None,
        vips: vips.iter().map(|v| vip(v)).collect(),
        excluded: Vec::new(),
        preempt: Preempt::Always,
        transport: Transport::Multicast,
        source: None,
        checksum: ChecksumForm::Rfc5798,
        vip_mismatch: VipMismatch::Drop,
        announce: AnnounceConfig::default(),
        virtual_mac: false,
        tracks: Vec::new(),
        lease: Duration::from_millis(2500),
        down_timer_adverts: 3,
    };
    let track = |n, weight| TrackUse { track: TrackId(n), weight, reverse: false };
    let v2 = RouterConfig {
        auth_pass: Some(AuthPass(*b"s3cr3t42")),
        tracks: vec![track(0, None), track(1, Some(-20))],
        ..base("V2", "eth0", 51, Version::V2, &["10.77.0.50"])
    };
    let unicast = RouterConfig {
        transport: Transport::Unicast { peers: vec![IpAddr::from([10, 77, 0, 2])], check_source: true },
        advert_int: Centis::new(10).expect("not 0"),
        lease: Duration::from_millis(250),
        preempt: Preempt::After(Duration::from_secs(2)),
        tracks: vec![track(2, Some(2))],
        ..base("UNI", "eth0", 52, Version::V3, &["10.77.0.51", "10.77.0.52"])
    };
    let outer = RouterConfig {
        preempt: Preempt::Never,
        ..base("OUT", "eth0", 53, Version::V3, &["fe80::50", "fd77::50"])
    };
    let inner = RouterConfig {
        excluded: vec![vip("fd78::51")],
        ..base("IN", "eth1", 54, Version::V3, &["10.78.0.50"])
    };
    vec![v2, unicast, outer, inner]
}

fn groups() -> Vec<GroupConfig> {
    vec![GroupConfig { name: "G".into(), members: vec![RouterId(2), RouterId(3)] }]
}

fn tracks() -> Vec<TrackConfig> {
    let script = evenkeel_vrrp::config::ScriptConfig {
        command: vec!["/bin/true".into()],
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        init_fail: false,
        user: None,
    };
    vec![
        TrackConfig { name: "data_plane".into(), kind: TrackKind::DataPlane },
        TrackConfig { name: "chk".into(), kind: TrackKind::Script(script) },
        TrackConfig { name: "file".into(), kind: TrackKind::File { path: "/bonus".into() } },
    ]
}

fn vip(text: &str) -> Vip {
    let addr: IpAddr = text.parse().expect("an address");
    Vip { addr, prefix_len: if addr.is_ipv4() { 32 } else { 128 }, dev: None }
}

fn ifindex(number: u8) -> IfIndex {
    IfIndex::new(u32::from(number) + 2).expect("not 0")
}

fn link(number: u8, running: bool) -> NetEvent {
    let name = IfName::new(if number == 0 { "eth0" } else { "eth1" }).expect("a name");
    NetEvent::Link(LinkState {
        ifindex: ifindex(number),
        name,
        running,
        mac: Some(Mac([2, 0, 0, 0, 0, number])),
    })
}

/// What a network manager put on the interfaces.
fn addresses(number: u8) -> [InterfaceAddress; 2] {
    let v4: IpAddr = [10, 77 + number, 0, 1].into();
    let v6: IpAddr = [0xfe80, 0, 0, 0, 0, 0, 0, 1].into();
    [(v4, 24), (v6, 64)].map(|(addr, prefix_len)| InterfaceAddress {
        ifindex: ifindex(number),
        addr,
        prefix_len,
        usable: true,
        secondary: false,
    })
}

fn on_interface(vip: &Vip, number: u8) -> InterfaceAddress {
    InterfaceAddress {
        ifindex: ifindex(number),
        addr: vip.addr,
        prefix_len: vip.prefix_len,
        usable: true,
        secondary: false,
    }
}
