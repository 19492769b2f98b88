//! The model of a keeper's driver: the order of a turn, and what each action does to kernel, guard and network. It
//! follows `evenkeel_vrrp::io::driver`: the clock is read once a turn, a turn that takes too long ends early, adverts come
//! before time, and time before everything else.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_vrrp::config::Vip;
use evenkeel_vrrp::event::{Action, ActionResult, Command, RxMeta};
use evenkeel_vrrp::types::{IfIndex, RouterId};

use super::clock::{MICRO, Nanos};
use super::network::{Origin, Packet};
use super::node::{Held, INBOX, Interrupt, News};
use super::world::{Event, World};

/// Whether the keeper can go on with its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    /// It was frozen or killed.
    Off,
}

impl World<'_> {
    /// One turn of a driver. One that was interrupted goes on where it was, with the time it had.
    pub(crate) fn turn(&mut self, n: usize) {
        if !self.nodes[n].keeper_runs() {
            return;
        }
        self.work.turns += 1;
        let interrupted = self.nodes[n].keeper.as_mut().and_then(|k| k.interrupted.take());
        if let Some(stale) = interrupted
            && self.settle(n, stale) == Go::Off
        {
            return;
        }
        if self.whole_turn(n) == Go::Off {
            return;
        }
        if self.nodes[n].keeper.as_ref().is_some_and(|k| k.stopping) {
            self.stopped(n);
            return;
        }
        self.check_settled_turn(n);
        self.arm_keeper(n);
    }

    fn whole_turn(&mut self, n: usize) -> Go {
        let now = self.nodes[n].clock.instant(self.now);
        self.drain_watch(n);
        if let Some(keeper) = &mut self.nodes[n].keeper {
            keeper.engine.expire_leases(now);
        }
        if self.settle(n, now) == Go::Off {
            return Go::Off;
        }
        for _ in 0..ADVERTS_AT_ONCE {
            let Some(packet) = self.nodes[n].keeper.as_mut().and_then(|k| k.inbox.pop_front()) else { break };
            if self.hear(n, now, &packet) == Go::Off {
                return Go::Off;
            }
        }
        if self.pass_time(n, now) == Go::Off {
            return Go::Off;
        }
        self.take_news(n, now)
    }

    fn drain_watch(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if let Some(keeper) = &mut node.keeper {
            keeper.events.extend(node.kernel.reports.drain(..));
        }
    }

    fn hear(&mut self, n: usize, now: Instant, packet: &Packet) -> Go {
        let node = &mut self.nodes[n];
        let Some(keeper) = &mut node.keeper else { return Go::Off };
        let Some(ifindex) = IfIndex::new(node.kernel.interfaces[packet.interface].index) else {
            return Go::On;
        };
        let Packet { src, dst, hop_limit, .. } = *packet;
        let meta = RxMeta { ifindex, src, dst, hop_limit };
        self.work.adverts += 1;
        let before = match packet.origin {
            Origin::Attacker(attack) if attack.must_be_dropped() => {
                let idle = keeper.engine.poll_timeout().is_none_or(|(at, _)| at > now);
                idle.then(|| (keeper.engine.snapshot(now), keeper.engine.poll_timeout()))
            }
            Origin::Attacker(_) | Origin::Node(_) => None,
        };
        keeper.engine.handle_advert(now, &meta, &packet.bytes);
        if let (Some((before, timeout)), Origin::Attacker(attack)) = (before, packet.origin) {
            self.check_nothing_changed(n, now, attack, &before, timeout);
        }
        self.heard(n, packet);
        self.settle(n, now)
    }

    fn pass_time(&mut self, n: usize, now: Instant) -> Go {
        let Some(keeper) = &mut self.nodes[n].keeper else { return Go::Off };
        if keeper.engine.poll_timeout().is_some_and(|(at, _)| at <= now) {
            keeper.engine.handle_timeout(now);
            return self.settle(n, now);
        }
        Go::On
    }

    fn take_news(&mut self, n: usize, now: Instant) -> Go {
        while let Some(keeper) = &mut self.nodes[n].keeper {
            let Some(news) = keeper.news.pop_front() else { return Go::On };
            match news {
                News::Track(track, report) => keeper.engine.handle_track(now, track, report),
                News::Command(command) => keeper.engine.handle_command(now, command),
            }
            keeper.stopping |= news == News::Command(Command::Shutdown);
            let served = keeper.takes(news);
            if self.settle(n, now) == Go::Off {
                return Go::Off;
            }
            if served == Some((true, false)) {
                self.check_yield(n);
            }
        }
        Go::Off
    }

    /// Does what the engine asks and hands network changes on, until both are quiet. A turn whose time is past leaves the
    /// rest to the next one, which looks at the leases first.
    fn settle(&mut self, n: usize, now: Instant) -> Go {
        for _ in 0..ACTIONS_AT_ONCE {
            let fresh = self.nodes[n].clock.instant(self.now);
            let Some(keeper) = &mut self.nodes[n].keeper else { return Go::Off };
            if fresh.saturating_duration_since(now) > TURN_AT_MOST {
                return Go::On;
            }
            let Some(action) = keeper.engine.poll_action() else {
                let Some(event) = keeper.events.pop_front() else {
                    self.check_group(n);
                    return Go::On;
                };
                keeper.engine.handle_net(now, event);
                continue;
            };
            self.work.actions += 1;
            let result = self.execute(n, action, now);
            let go = self.interrupted(n, now);
            if let (Some(result), Some(keeper)) = (result, &mut self.nodes[n].keeper) {
                keeper.engine.handle_action_result(now, result);
            }
            if go == Go::Off {
                return Go::Off;
            }
        }
        self.checks.fail("actions end", format!("node {n}: {ACTIONS_AT_ONCE} actions in one call"));
        Go::Off
    }

    /// Counts down to a freeze or a kill in the middle of a turn.
    fn interrupted(&mut self, n: usize, now: Instant) -> Go {
        let Some((left, interrupt)) = self.nodes[n].interrupt else { return Go::On };
        if left > 1 {
            self.nodes[n].interrupt = Some((left - 1, interrupt));
            return Go::On;
        }
        self.nodes[n].interrupt = None;
        if let Some(keeper) = &mut self.nodes[n].keeper {
            keeper.interrupted = Some(now);
        }
        match interrupt {
            Interrupt::Freeze(who, lasts) => self.freeze(n, who, lasts),
            Interrupt::Kill(who, again) => self.kill(n, who, again),
        }
        Go::Off
    }

    fn arm_keeper(&mut self, n: usize) {
        let Some(keeper) = &self.nodes[n].keeper else { return };
        if !keeper.inbox.is_empty() || !self.nodes[n].kernel.reports.is_empty() {
            self.wake_soon(n);
        }
        let Some(keeper) = &self.nodes[n].keeper else { return };
        if let Some((at, _)) = keeper.engine.poll_timeout() {
            let clock = &self.nodes[n].clock;
            let due = clock.when(clock.local_of(at)).max(self.now);
            let latency = MICRO + self.rng.below(self.plan.nodes[n].wake_latency);
            self.wake(n, due + latency);
        }
    }

    fn execute(&mut self, n: usize, action: Action, now: Instant) -> Option<ActionResult> {
        match action {
            Action::SendAdvert { router, ifindex, src, dst, bytes, last_copy } => {
                Some(self.send_advert(n, router, ifindex, (src, dst), bytes, last_copy))
            }
            Action::AddVips { router, ifindex, vips, lease } => {
                Some(self.add_vips(n, router, ifindex, &vips, lease, now))
            }
            Action::RemoveVips { router, ifindex, vips } => Some(self.remove_vips(n, router, ifindex, &vips)),
            Action::RenewVips { router, ifindex, vips, lease } => {
                self.renew_vips(n, router, ifindex, &vips, lease);
                None
            }
            Action::Heartbeat { router, until } => {
                let until = self.nodes[n].clock.local_of(until);
                self.check_heartbeat(n, usize::from(router.0), until);
                self.beat(n, router, until);
                None
            }
            Action::SendFrame { router, ifindex, frame } => {
                self.send_frame(n, usize::from(router.0), ifindex, &frame);
                None
            }
            Action::Listen { router, ifindex, .. } => {
                if let Some(keeper) = &mut self.nodes[n].keeper {
                    keeper.listening[usize::from(router.0)] = ifindex;
                }
                None
            }
            Action::VirtualMac { .. } => None,
            Action::Transition(transition) => {
                self.transition(n, &transition);
                None
            }
        }
    }

    fn beat(&mut self, n: usize, router: RouterId, until: Nanos) {
        let node = &mut self.nodes[n];
        let Some(keeper) = &mut node.keeper else { return };
        let farewells = keeper.engine.farewell(router);
        node.guard.beat(router.0, until, &farewells);
        if let Some(held) = &mut keeper.held[usize::from(router.0)] {
            held.until = until;
            if !farewells.is_empty() {
                held.farewells = farewells;
            }
        }
        self.arm_fences(n);
    }

    fn lease_end(&self, n: usize, now: Instant, lease: Duration) -> Nanos {
        let lease = u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
        self.nodes[n].clock.local_of(now) + lease
    }

    fn interface_to_send_from(&mut self, n: usize, ifindex: IfIndex, src: IpAddr) -> Result<usize, i32> {
        let node = &self.nodes[n];
        let interface = node.kernel.interface_of(ifindex).ok_or(ENODEV)?;
        if !node.kernel.is_local(src) {
            return Err(EADDRNOTAVAIL);
        }
        let percent = node.send_fails_percent;
        if self.rng.chance(percent) {
            self.checks.failed_send[n] = self.now;
            return Err(ENOBUFS);
        }
        Ok(interface)
    }

    fn send_advert(
        &mut self,
        n: usize,
        router: RouterId,
        ifindex: IfIndex,
        (src, dst): (IpAddr, IpAddr),
        bytes: Vec<u8>,
        last_copy: bool,
    ) -> ActionResult {
        if bytes.get(2) == Some(&0) {
            let local = self.nodes[n].clock.local(self.now);
            self.checks.farewell(n, usize::from(router.0), (self.now, local));
        }
        let r = usize::from(router.0);
        let interface = match self.interface_to_send_from(n, ifindex, src) {
            Ok(interface) => interface,
            Err(errno) => {
                if bytes.get(2) == Some(&0) {
                    self.checks.release_unsent(n, r, self.now);
                }
                return ActionResult::AdvertFailed { router, errno };
            }
        };
        self.advert_sent(n, r, bytes.get(2).copied().unwrap_or(0), last_copy);
        self.put_on_the_wire(Packet {
            origin: Origin::Node(n),
            to: n,
            interface,
            router: r,
            src,
            dst,
            hop_limit: 255,
            bytes: bytes.into(),
            sent_at: self.now,
            late: false,
        });
        ActionResult::AdvertSent { router, last_copy }
    }

    /// To everybody whom the packet, still with its sender, is for.
    pub(crate) fn put_on_the_wire(&mut self, packet: Packet) {
        self.remember_for_replay(&packet);
        let (from, r, dst) = (packet.to, packet.router, packet.dst);
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            if dst.is_multicast() || self.plan.routers[r].source(to) == dst {
                self.transmit(from, Packet { to, ..packet.clone() });
            }
        }
    }

    /// Puts a packet on the way to one node.
    fn transmit(&mut self, from: usize, mut packet: Packet) {
        let to = packet.to;
        let up = self.nodes[from].kernel.interfaces[packet.interface].up;
        let lost = self.network.loss_percent(from, to);
        if !up || self.rng.chance(lost) {
            self.checks.lost(from, to, &packet, self.now);
            return;
        }
        let copies = 1 + u32::from(self.rng.chance(self.network.duplicate_percent));
        for _ in 0..copies {
            let usual = self.rng.between(self.plan.delay.0, self.plan.delay.1);
            let extra = self.network.extra_delay(from, to);
            let extra = self.rng.below(extra + 1);
            packet.late = extra > 0;
            let at = self.now + usual + extra;
            self.at(at, Event::Deliver(packet.clone()));
        }
    }

    /// A packet arrives at the socket, if there is one.
    pub(crate) fn deliver(&mut self, packet: Packet) {
        let n = packet.to;
        let node = &mut self.nodes[n];
        let up = node.kernel.interfaces[packet.interface].up;
        let ours = packet.dst.is_multicast() || node.kernel.is_local(packet.dst);
        let index = node.kernel.interfaces[packet.interface].index;
        let listens = |k: &&mut super::node::Keeper| k.listening.iter().flatten().any(|i| i.value() == index);
        let room = if node.machine_frozen.is_some() { RING } else { INBOX };
        match node.keeper.as_mut().filter(listens) {
            Some(keeper) if up && ours && keeper.inbox.len() < room => {
                keeper.inbox.push_back(packet);
                self.turn_or_wait(n);
            }
            Some(_) | None => {
                if let Origin::Node(from) = packet.origin {
                    self.checks.lost(from, n, &packet, self.now);
                }
            }
        }
    }

    fn turn_or_wait(&mut self, n: usize) {
        if self.nodes[n].keeper_runs() {
            self.turn(n);
        }
    }

    fn add_vips(
        &mut self,
        n: usize,
        router: RouterId,
        ifindex: IfIndex,
        vips: &[Vip],
        lease: Duration,
        now: Instant,
    ) -> ActionResult {
        let r = usize::from(router.0);
        self.check_add(n, r);
        let failed = |errno| ActionResult::AddFailed { router, errno };
        let Some(interface) = self.nodes[n].kernel.interface_of(ifindex) else { return failed(ENODEV) };
        let until = self.lease_end(n, now, lease.min(Duration::from_nanos(self.plan.lease(n, r))));
        let asked_at = self.nodes[n].clock.local_of(now);
        self.hold(n, r, (asked_at, until), interface, vips);
        let local = self.nodes[n].clock.local(self.now);
        let node = &mut self.nodes[n];
        if node.add_fails {
            node.add_failed_at = Some(self.now);
            // Some were on before the first failed.
            let (first, _) = vips.split_at(vips.len() / 2);
            for vip in first {
                node.kernel.set_leased(local, interface, vip, lease, &mut self.rng);
            }
            self.vips_set(n);
            return failed(ENOBUFS);
        }
        for vip in vips {
            node.kernel.set_leased(local, interface, vip, lease, &mut self.rng);
        }
        self.vips_set(n);
        ActionResult::VipsAdded(router)
    }

    fn hold(&mut self, n: usize, r: usize, (local, until): (Nanos, Nanos), interface: usize, vips: &[Vip]) {
        let node = &mut self.nodes[n];
        let Some(keeper) = &mut node.keeper else { return };
        let id = u16::try_from(r).unwrap_or(0);
        let farewells = keeper.engine.farewell(RouterId(id));
        let fresh = || Held { until, addresses: Vec::new(), farewells: Vec::new() };
        let held = keeper.held[r].get_or_insert_with(fresh);
        // Putting an address back does not prolong the lease; only an advert does.
        if held.until <= local {
            held.until = until;
        }
        for vip in vips {
            if !held.addresses.iter().any(|(i, v)| (*i, v) == (interface, vip)) {
                held.addresses.push((interface, vip.clone()));
            }
        }
        held.farewells = farewells;
        let held = held.clone();
        node.guard.hold(id, held);
        self.arm_fences(n);
    }

    fn vips_set(&mut self, n: usize) {
        self.addresses_changed(n);
        self.arm_fences(n);
    }

    fn remove_vips(&mut self, n: usize, router: RouterId, ifindex: IfIndex, vips: &[Vip]) -> ActionResult {
        let node = &mut self.nodes[n];
        let interface = node.kernel.interface_of(ifindex);
        if node.remove_fails && interface.is_some() {
            node.remove_failed_at = Some(self.now);
            return ActionResult::RemoveFailed { router, errno: ENOBUFS };
        }
        for vip in vips {
            if let Some(i) = interface {
                node.kernel.remove(i, vip);
            }
        }
        if let Some(keeper) = &mut node.keeper {
            keeper.held[usize::from(router.0)] = None;
        }
        node.guard.release(router.0);
        self.addresses_changed(n);
        ActionResult::VipsRemoved(router)
    }

    fn renew_vips(&mut self, n: usize, router: RouterId, ifindex: IfIndex, vips: &[Vip], lease: Duration) {
        let r = usize::from(router.0);
        self.check_renewal(n, r);
        self.drain_watch(n);
        let node = &mut self.nodes[n];
        let Some(interface) = node.kernel.interface_of(ifindex) else { return };
        let local = node.clock.local(self.now);
        for vip in vips {
            if node.kernel.has(interface, vip) {
                node.kernel.set_leased(local, interface, vip, lease, &mut self.rng);
            }
        }
        self.vips_set(n);
    }

    /// The keeper has stopped in order: what it still held is off, the guard has nothing to do.
    fn stopped(&mut self, n: usize) {
        self.trace.add(self.now, || format!("node {n}: stopped"));
        let node = &mut self.nodes[n];
        let held = node.keeper.take().map(|k| k.held).unwrap_or_default();
        for (interface, vip) in held.into_iter().flatten().flat_map(|h| h.addresses) {
            node.kernel.remove(interface, &vip);
        }
        node.guard.die();
        node.interrupt = None;
        node.kernel.reports.clear();
        self.observe_holding(n);
    }
}

/// As in the driver.
const ADVERTS_AT_ONCE: u32 = 64;
/// Far more than one call can ask for.
const ACTIONS_AT_ONCE: u32 = 5_000;
const TURN_AT_MOST: Duration = Duration::from_millis(20);
/// What a network card keeps for a machine that stands still.
const RING: usize = 8;
const ENODEV: i32 = 19;
const EADDRNOTAVAIL: i32 = 99;
const ENOBUFS: i32 = 105;
