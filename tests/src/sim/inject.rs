//! Faults strike, and end.

use std::rc::Rc;

use evenkeel_vrrp::event::Command;

use super::clock::{MILLI, Nanos};
use super::faults::{Attack, Fault, Who};
use super::forge;
use super::network::{Origin, Packet};
use super::node::{Interrupt, News};
use super::schedule::{DATA_PLANE, FILE, SCRIPT};
use super::world::{Event, World};

impl World<'_> {
    pub(crate) fn strike(&mut self, i: usize) {
        let (_, fault) = self.plan.faults[i];
        self.work.faults += 1;
        self.trace.add(self.now, || format!("!! {fault:?}"));
        match fault {
            Fault::Loss { from, to, percent } => {
                self.network.set_loss(from, to, percent);
                self.checks.disturbed(from, to, self.now);
            }
            Fault::Delay { from, to, up_to } => {
                // What is on its way may still take that long.
                let last = self.now + self.network.extra_delay(from, to) + self.plan.delay.1;
                self.checks.disturbed(from, to, last);
                self.network.set_delay(from, to, up_to);
            }
            Fault::Duplicate { percent } => self.network.duplicate_percent = percent,
            Fault::Freeze { node, who, after_actions: 0, lasts } => self.freeze(node, who, lasts),
            Fault::Freeze { node, who, after_actions, lasts } => {
                self.nodes[node].interrupt = Some((after_actions, Interrupt::Freeze(who, lasts)));
            }
            Fault::Kill { node, who, after_actions: 0, again } => self.kill(node, who, again),
            Fault::Kill { node, who, after_actions, again } => {
                self.nodes[node].interrupt = Some((after_actions, Interrupt::Kill(who, again)));
            }
            Fault::Restart { node, away, priority } => {
                self.nodes[node].priority = priority.unwrap_or(self.nodes[node].priority);
                self.at(self.now, Event::Stop(node));
                self.at(self.now + away + MILLI, Event::Start(node));
            }
            Fault::Link { node, interface, up } => {
                self.nodes[node].kernel.set_up(interface, up);
                self.checks.disturbed_by(node, self.now);
                self.addresses_changed(node);
            }
            Fault::SendFails { node, percent } => {
                self.checks.disturbed_by(node, self.now);
                self.nodes[node].send_fails_percent = percent;
            }
            Fault::AddFails { node, fails } => self.nodes[node].add_fails = fails,
            Fault::RemoveFails { node, fails } => self.nodes[node].remove_fails = fails,
            Fault::DataPlane { node, serves } => {
                self.nodes[node].data_plane = serves;
                self.at(self.now, Event::Report(node, DATA_PLANE));
            }
            Fault::Servers { node, servers } => {
                self.nodes[node].servers = servers;
                self.nodes[node].servers_since = self.now;
                self.news(node, News::Command(Command::Servers(servers)));
            }
            Fault::Script { node, success } => {
                self.nodes[node].script = success;
                self.at(self.now, Event::Report(node, SCRIPT));
            }
            Fault::File { node, value } => {
                self.nodes[node].file = value;
                self.at(self.now, Event::Report(node, FILE));
            }
            Fault::Flush { node } => self.flush(node),
            Fault::Stray { node, router } => self.stray(node, router),
            Fault::OwnAddress { node, interface, there } => {
                if there {
                    self.nodes[node].kernel.give_own(interface);
                } else {
                    self.nodes[node].kernel.take_own(interface);
                }
                self.meddled(node);
            }
            Fault::Replace { node, interface } => {
                self.nodes[node].kernel.replace(interface);
                self.checks.repair_wanted(node, self.now);
                self.meddled(node);
            }
            Fault::Attack { count, .. } => self.attack(i, count),
        }
    }

    fn flush(&mut self, n: usize) {
        for plan in &self.plan.routers {
            for vip in plan.all_vips() {
                self.nodes[n].kernel.remove(plan.interface, vip);
            }
        }
        self.checks.repair_wanted(n, self.now);
        self.meddled(n);
    }

    /// One that is on already is left alone: it would become permanent, and that is another story.
    fn stray(&mut self, n: usize, router: usize) {
        let plan = &self.plan.routers[router];
        if !self.nodes[n].kernel.has(plan.interface, &plan.vips[0]) {
            self.nodes[n].kernel.put_foreign(plan.interface, &plan.vips[0]);
            self.checks.repair_wanted(n, self.now);
        }
        self.meddled(n);
    }

    /// Somebody else has changed interfaces or addresses.
    fn meddled(&mut self, n: usize) {
        self.checks.disturbed_by(n, self.now);
        self.addresses_changed(n);
        self.arm_fences(n);
    }

    pub(crate) fn freeze(&mut self, n: usize, who: Who, lasts: Nanos) {
        self.trace.add(self.now, || format!("node {n}: {who:?} frozen for {} ms", lasts / MILLI));
        let (keeper, guard, machine) = match who {
            Who::Keeper => (true, false, false),
            Who::Guard => (false, true, false),
            Who::Both => (true, true, false),
            Who::Machine { clock_stops } => {
                if self.nodes[n].machine_frozen.is_none() {
                    self.nodes[n].machine_frozen = Some((self.now, clock_stops));
                }
                (false, false, true)
            }
        };
        let node = &mut self.nodes[n];
        node.keeper_frozen |= keeper && node.keeper.is_some();
        node.guard.frozen |= guard && node.guard.alive;
        if machine {
            self.observe_holding(n);
        }
        self.at(self.now + lasts, Event::Thaw { node: n, keeper, guard, machine });
    }

    pub(crate) fn thaw(&mut self, n: usize, keeper: bool, guard: bool, machine: bool) {
        let now = self.now;
        let node = &mut self.nodes[n];
        let mut thawed = false;
        if keeper && node.keeper_frozen {
            node.keeper_frozen = false;
            node.keeper_since = now;
            thawed = true;
        }
        if guard && node.guard.frozen {
            node.guard.frozen = false;
            node.guard.running_since = now;
            thawed = true;
        }
        if machine && let Some((since, clock_stops)) = node.machine_frozen.take() {
            let slept = node.clock.local(now) - node.clock.local(since);
            if clock_stops {
                node.clock.skip(since, now);
                self.checks.clock_stopped(n, now);
            } else {
                node.kernel.sleep(slept);
            }
            node.keeper_since = now;
            node.guard.running_since = now;
            node.kernel_at = None;
            thawed = true;
        }
        if !thawed {
            return;
        }
        self.trace.add(now, || format!("node {n}: goes on"));
        let node = &mut self.nodes[n];
        node.wake_at = None;
        node.guard_at = None;
        let orphaned = node.keeper.is_none() && node.guard.alive;
        self.checks.disturbed_by(n, now);
        self.observe_holding(n);
        self.arm_fences(n);
        if orphaned && self.nodes[n].guard_runs() {
            self.guard_notices(n);
        }
        self.wake_soon(n);
    }

    pub(crate) fn kill(&mut self, n: usize, who: Who, again: Nanos) {
        self.trace.add(self.now, || format!("node {n}: {who:?} killed"));
        let (keeper, guard) = (matches!(who, Who::Keeper | Who::Both), matches!(who, Who::Guard | Who::Both));
        let node = &mut self.nodes[n];
        if guard {
            node.guard.die();
            let respawn = self.now + again.min(2_000 * MILLI) + 10 * MILLI;
            self.at(respawn, Event::StartGuard(n));
        }
        let node = &mut self.nodes[n];
        if keeper && node.keeper.is_some() {
            node.keeper = None;
            node.keeper_frozen = false;
            node.wake_at = None;
            node.interrupt = None;
            node.kernel.reports.clear();
            if node.guard_runs() {
                self.guard_notices(n);
            }
            self.at(self.now + again + MILLI, Event::Start(n));
        }
    }

    pub(crate) fn attack(&mut self, i: usize, left: u32) {
        let (_, Fault::Attack { to, router, attack, gap, .. }) = self.plan.faults[i] else { return };
        if left == 0 {
            return;
        }
        self.at(self.now + gap, Event::Attack(i, left - 1));
        let packet =
            if attack == Attack::Replay { self.replay(to, router) } else { self.forged(to, router, attack) };
        if let Some(packet) = packet {
            self.deliver(packet);
        }
    }

    fn forged(&mut self, to: usize, router: usize, attack: Attack) -> Option<Packet> {
        let forged = forge::forge(self.plan, &mut self.rng, to, router, attack)?;
        Some(Packet {
            origin: Origin::Attacker(forged.attack),
            to,
            interface: self.plan.routers[router].interface,
            router,
            src: forged.src,
            dst: forged.dst,
            hop_limit: forged.hop_limit,
            bytes: Rc::from(forged.bytes),
            sent_at: self.now,
            late: false,
        })
    }

    /// An old packet, as the receiver got it or could have got it.
    fn replay(&mut self, to: usize, router: usize) -> Option<Packet> {
        let own = self.plan.routers[router].source(to);
        let heard: Vec<&Packet> = self
            .checks
            .history
            .iter()
            .filter(|p| p.router == router && p.origin != Origin::Node(to))
            .filter(|p| p.dst == own || p.dst.is_multicast())
            .collect();
        let packet = heard.get(self.rng.index(heard.len().max(1)))?;
        Some(Packet { origin: Origin::Attacker(Attack::Replay), to, ..(*packet).clone() })
    }

    pub(crate) fn remember_for_replay(&mut self, packet: &Packet) {
        if self.checks.attacked_by_replay {
            if self.checks.history.len() >= 64 {
                self.checks.history.pop_front();
            }
            self.checks.history.push_back(packet.clone());
        }
    }

    /// Whatever the faults left is put right. What workers, scripts and files say stays as it is.
    pub(crate) fn quiet(&mut self) {
        self.trace.add(self.now, || "-- quiet: everything is repaired".to_owned());
        self.network.heal();
        for n in 0..self.nodes.len() {
            self.thaw(n, true, true, true);
            let node = &mut self.nodes[n];
            node.interrupt = None;
            node.send_fails_percent = 0;
            node.add_fails = false;
            node.remove_fails = false;
            for i in 0..self.plan.interfaces {
                if !self.nodes[n].kernel.interfaces[i].up {
                    self.nodes[n].kernel.set_up(i, true);
                }
                self.nodes[n].kernel.give_own(i);
            }
            if self.nodes[n].keeper.is_none() {
                self.at(self.now + MILLI, Event::Start(n));
            }
            self.checks.disturbed_by(n, self.now);
            self.addresses_changed(n);
        }
    }
}
