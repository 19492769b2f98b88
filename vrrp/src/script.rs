//! Scenario scripts for tests: one engine in virtual time, its actions as short words. A script fails on any action it
//! does not list, so that absence is asserted too.

mod build;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{ChecksumForm, EngineConfig, GroupConfig, RouterConfig, TrackConfig, Vip};
use crate::engine::Engine;
use crate::event::{
    Action, ActionResult, Cause, Command, InterfaceAddress, LinkState, NetEvent, RxMeta, State, TrackReport,
};
use crate::packet::{Advert, Auth, group};
use crate::snapshot::RouterSnapshot;
use crate::stats::Counter;
use crate::types::{Family, IfIndex, IfName, Mac, Priority, RouterId, TrackId};
pub(crate) use build::{data_plane, interface_track, script_track, tracking, tutorial, v3, v6};

/// Interface index of `eth0` in all scripts.
pub(crate) const ETH0: u32 = 2;
/// This node.
pub(crate) const OWN: &str = "10.77.0.2";
/// A peer with a lower and one with a higher address.
pub(crate) const LOW: &str = "10.77.0.1";
pub(crate) const HIGH: &str = "10.77.0.3";

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn ifindex(n: u32) -> IfIndex {
    IfIndex::new(n).expect("not 0")
}

/// One engine in virtual time. Adverts are sent with success unless `sends` is false, addresses come and go as asked
/// unless `adds` is false, and the kernel's reports of them are delivered at once unless `reports` is false.
pub(crate) struct Script {
    pub(crate) engine: Engine,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) sends: bool,
    pub(crate) adds: bool,
    pub(crate) reports: bool,
    said: VecDeque<String>,
}

impl Script {
    pub(crate) fn new(
        routers: Vec<RouterConfig>,
        groups: Vec<GroupConfig>,
        tracks: Vec<TrackConfig>,
    ) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary start for virtual time")]
        let start = Instant::now();
        let config = EngineConfig::new(routers, groups, tracks).expect("a valid configuration");
        let engine = Engine::new(config, start);
        Self { engine, start, now: start, sends: true, adds: true, reports: true, said: VecDeque::new() }
    }

    /// One router whose interface is up with its address: in BACKUP unless a track or its priority says otherwise.
    pub(crate) fn ready(router: RouterConfig, tracks: Vec<TrackConfig>) -> Self {
        let mut script = Self::new(vec![router], vec![], tracks);
        script.link(true);
        script.own_addresses();
        script
    }

    /// Another engine goes on with another configuration, so much later; the kernel is as it is.
    pub(crate) fn resume(&mut self, routers: Vec<RouterConfig>, tracks: Vec<TrackConfig>, elapsed: Duration) {
        let config = EngineConfig::new(routers, vec![], tracks).expect("a valid configuration");
        let continuation = self.engine.continuation(self.now);
        self.now += elapsed;
        self.engine = Engine::resume(config, continuation, elapsed, self.now);
    }

    /// One router in BACKUP, its first words said.
    pub(crate) fn backup(router: RouterConfig) -> Self {
        let mut script = Self::ready(router, vec![]);
        script.expect(&["listen 2", "INIT>BACKUP Ready"]);
        script
    }

    /// One router that has become MASTER by Master_Down; the clock starts anew there.
    pub(crate) fn master(router: RouterConfig) -> Self {
        let mut script = Self::backup(router);
        script.next_timeout();
        assert_eq!(script.state(), State::Master);
        script.said.clear();
        script.start = script.now;
        script
    }

    pub(crate) fn link(&mut self, running: bool) {
        self.link_as(ETH0, "eth0", running);
    }

    pub(crate) fn link_as(&mut self, index: u32, name: &str, running: bool) {
        let mac = Some(Mac([2, 0x77, 0, 0, 0, index as u8]));
        self.link_with(index, name, running, mac);
    }

    pub(crate) fn link_with(&mut self, index: u32, name: &str, running: bool, mac: Option<Mac>) {
        let name = IfName::new(name).expect("a name");
        self.net(NetEvent::Link(LinkState { ifindex: ifindex(index), name, running, mac }));
    }

    pub(crate) fn own_addresses(&mut self) {
        self.address(true, OWN, 24);
        self.address(true, "fe80::2", 64);
    }

    pub(crate) fn address(&mut self, added: bool, addr: &str, prefix_len: u8) {
        self.address_on(added, ETH0, addr, prefix_len);
    }

    pub(crate) fn address_on(&mut self, added: bool, index: u32, addr: &str, prefix_len: u8) {
        let (ifindex, addr) = (ifindex(index), ip(addr));
        let a = InterfaceAddress { ifindex, addr, prefix_len, usable: true, secondary: false };
        self.net(if added { NetEvent::AddressAdded(a) } else { NetEvent::AddressRemoved(a) });
        // As in a driver's turn, what is due comes after what has happened.
        if self.engine.poll_timeout().is_some_and(|(at, _)| at <= self.now) {
            self.engine.handle_timeout(self.now);
            self.drain();
        }
    }

    pub(crate) fn net(&mut self, event: NetEvent) {
        self.engine.handle_net(self.now, event);
        self.drain();
    }

    pub(crate) fn track(&mut self, track: u16, report: TrackReport) {
        self.engine.handle_track(self.now, TrackId(track), report);
        self.drain();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.engine.handle_command(self.now, command);
        self.drain();
    }

    pub(crate) fn result(&mut self, result: ActionResult) {
        self.engine.handle_action_result(self.now, result);
        self.drain();
    }

    pub(crate) fn config(&self, router: usize) -> &RouterConfig {
        &self.engine.config().routers()[router]
    }

    /// What a peer with the same configuration would say.
    pub(crate) fn peer_advert(&self, router: usize, priority: u8) -> Advert {
        let config = self.config(router);
        Advert {
            version: config.version,
            vrid: config.vrid,
            priority: Priority::new(priority),
            interval: config.advert_int,
            auth: config.auth_pass.map_or(Auth::None, Auth::Pass),
            addresses: config.vips.iter().map(|v| v.addr).collect(),
        }
    }

    /// An advert of a peer with the same configuration.
    pub(crate) fn hear(&mut self, from: &str, priority: u8) {
        self.hear_for(0, from, priority);
    }

    pub(crate) fn hear_for(&mut self, router: usize, from: &str, priority: u8) {
        let advert = self.peer_advert(router, priority);
        self.hear_advert(from, &advert, ChecksumForm::Rfc5798);
    }

    pub(crate) fn hear_advert(&mut self, from: &str, advert: &Advert, form: ChecksumForm) {
        let src = ip(from);
        let dst = group(Family::of(src));
        self.hear_bytes(src, dst, &advert.encode(form, src, dst));
    }

    pub(crate) fn hear_bytes(&mut self, src: IpAddr, dst: IpAddr, bytes: &[u8]) {
        let meta = RxMeta { ifindex: ifindex(ETH0), src, dst, hop_limit: 255 };
        self.hear_raw(&meta, bytes);
    }

    pub(crate) fn hear_raw(&mut self, meta: &RxMeta, bytes: &[u8]) {
        self.engine.handle_advert(self.now, meta, bytes);
        self.drain();
    }

    /// Lets time pass, up to so long after the start, with every timeout on its way taken when it is due.
    pub(crate) fn run_to(&mut self, since_start: Duration) {
        let end = self.start + since_start;
        while let Some((at, why)) = self.engine.poll_timeout().filter(|(at, _)| *at <= end) {
            assert!(at >= self.now || self.engine.poll_timeout().is_some(), "{why}");
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
            let next = self.engine.poll_timeout();
            assert!(next.is_none_or(|(next, _)| next > self.now), "{why} is due again at once: {next:?}");
        }
        self.now = end;
    }

    /// Takes the next timeout and says what it was.
    pub(crate) fn next_timeout(&mut self) -> &'static str {
        let (at, why) = self.engine.poll_timeout().expect("a timeout");
        self.now = at;
        self.engine.handle_timeout(at);
        self.drain();
        why
    }

    /// The process does not run until so long after the start.
    pub(crate) fn sleep_to(&mut self, since_start: Duration) {
        self.now = self.start + since_start;
    }

    /// Time from the start to the next timeout, and its reason.
    pub(crate) fn next(&self) -> Option<(Duration, &'static str)> {
        self.engine.poll_timeout().map(|(at, why)| (at.duration_since(self.start), why))
    }

    /// Everything said since the last look, heartbeats and renewals left out.
    #[track_caller]
    pub(crate) fn expect(&mut self, words: &[&str]) {
        let said: Vec<String> = self.said.drain(..).filter(|w| !is_renewal(w)).collect();
        assert_eq!(said, words, "at {:?}", self.now.duration_since(self.start));
    }

    /// Everything said since the last look, heartbeats and renewals too.
    #[track_caller]
    pub(crate) fn expect_all(&mut self, words: &[&str]) {
        let said: Vec<String> = self.said.drain(..).collect();
        assert_eq!(said, words, "at {:?}", self.now.duration_since(self.start));
    }

    /// How often a word was said since the last look.
    pub(crate) fn count(&mut self, word: &str) -> usize {
        self.said.drain(..).filter(|w| w.starts_with(word)).count()
    }

    /// Everything said since the last look.
    pub(crate) fn words(&mut self) -> Vec<String> {
        self.said.drain(..).collect()
    }

    pub(crate) fn forget(&mut self) {
        self.said.clear();
    }

    pub(crate) fn router(&self, i: usize) -> RouterSnapshot {
        self.engine.snapshot(self.now).routers.swap_remove(i)
    }

    pub(crate) fn state(&self) -> State {
        self.router(0).state
    }

    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        self.router(0).counters.count(counter)
    }

    /// Notes all actions and gives the results a healthy driver would.
    fn drain(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            self.said.push_back(self.word(&action));
            let result = self.perform(&action);
            if let Some(result) = result {
                self.engine.handle_action_result(self.now, result);
            }
        }
    }

    fn perform(&mut self, action: &Action) -> Option<ActionResult> {
        const EIO: i32 = 5;
        match action {
            Action::SendAdvert { router, last_copy, .. } if self.sends => {
                Some(ActionResult::AdvertSent { router: *router, last_copy: *last_copy })
            }
            Action::SendAdvert { router, .. } => {
                Some(ActionResult::AdvertFailed { router: *router, errno: EIO })
            }
            Action::AddVips { router, ifindex, vips, .. } if self.adds => {
                self.report(*ifindex, vips, true);
                Some(ActionResult::VipsAdded(*router))
            }
            Action::AddVips { router, .. } => Some(ActionResult::AddFailed { router: *router, errno: EIO }),
            Action::RemoveVips { router, ifindex, vips } if self.adds => {
                self.report(*ifindex, vips, false);
                Some(ActionResult::VipsRemoved(*router))
            }
            Action::RemoveVips { router, .. } => {
                Some(ActionResult::RemoveFailed { router: *router, errno: EIO })
            }
            Action::RenewVips { .. }
            | Action::Heartbeat { .. }
            | Action::SendFrame { .. }
            | Action::Listen { .. }
            | Action::VirtualMac { .. }
            | Action::Transition(_) => None,
        }
    }

    fn report(&mut self, ifindex: IfIndex, vips: &[Vip], added: bool) {
        for vip in vips.iter().filter(|_| self.reports) {
            let (addr, prefix_len) = (vip.addr, vip.prefix_len);
            let a = InterfaceAddress { ifindex, addr, prefix_len, usable: true, secondary: false };
            let event = if added { NetEvent::AddressAdded(a) } else { NetEvent::AddressRemoved(a) };
            self.engine.handle_net(self.now, event);
        }
    }

    /// `VI_1 ` in front where there is more than one router.
    fn word(&self, action: &Action) -> String {
        match action {
            Action::SendAdvert { router, ifindex, dst, bytes, .. } => {
                let to = if dst.is_multicast() { String::new() } else { format!(" to {dst}") };
                format!("{}advert {}{}{to}", self.who(*router), bytes[2], on(*ifindex))
            }
            Action::AddVips { router, ifindex, vips, .. } => {
                format!("{}add {}{}", self.who(*router), list(vips), on(*ifindex))
            }
            Action::RemoveVips { router, ifindex, vips } => {
                format!("{}remove {}{}", self.who(*router), list(vips), on(*ifindex))
            }
            Action::RenewVips { router, lease, .. } => format!("{}renew {lease:?}", self.who(*router)),
            Action::Heartbeat { router, until } => {
                format!("{}heartbeat {:?}", self.who(*router), until.duration_since(self.now))
            }
            Action::SendFrame { router, ifindex, frame } => {
                format!("{}{}{}", self.who(*router), frame_word(frame), on(*ifindex))
            }
            Action::Listen { router, ifindex, .. } => {
                let at = ifindex.map_or_else(|| "none".into(), |i| i.value().to_string());
                format!("{}listen {at}", self.who(*router))
            }
            Action::VirtualMac { router, name, mac, create, .. } => {
                let verb = if *create { "create" } else { "delete" };
                format!("{}{verb} {name} {mac}", self.who(*router))
            }
            Action::Transition(t) => {
                format!("{}{}>{} {}", self.who(t.router), t.from, t.to, cause_word(t.cause))
            }
        }
    }

    fn who(&self, router: RouterId) -> String {
        match self.engine.config().routers() {
            [_] => String::new(),
            all => format!("{} ", all[usize::from(router.0)].name),
        }
    }
}

fn is_renewal(word: &str) -> bool {
    word.contains("heartbeat ") || word.contains("renew ")
}

fn on(ifindex: IfIndex) -> String {
    if ifindex.value() == ETH0 { String::new() } else { format!(" on {}", ifindex.value()) }
}

fn list(vips: &[Vip]) -> String {
    vips.iter().map(|v| v.addr.to_string()).collect::<Vec<_>>().join(",")
}

fn frame_word(frame: &[u8]) -> String {
    match frame.len() {
        42 => format!("garp {}", IpAddr::from(<[u8; 4]>::try_from(&frame[28..32]).expect("four"))),
        _ => format!("na {}", IpAddr::from(<[u8; 16]>::try_from(&frame[62..78]).expect("sixteen"))),
    }
}

fn cause_word(cause: Cause) -> String {
    match cause {
        Cause::MasterDown { last: None } => "MasterDown".into(),
        Cause::MasterDown { last: Some(last) } => format!("MasterDown {last}"),
        Cause::MasterReleased { by } => format!("MasterReleased {by}"),
        Cause::Preempts { from, priority } => format!("Preempts {from} {priority}"),
        Cause::HigherPriority { from, priority } => format!("HigherPriority {from} {priority}"),
        Cause::Ready
        | Cause::Owner
        | Cause::InterfaceDown
        | Cause::NoSourceAddress
        | Cause::TrackFailed(_)
        | Cause::Unfit(_)
        | Cause::Group(_)
        | Cause::Overslept
        | Cause::CannotSend
        | Cause::CannotAddVips
        | Cause::Command => format!("{cause:?}"),
    }
}
