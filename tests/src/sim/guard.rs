//! The guard process of a node: what `evenkeel guard` remembers, when it takes addresses off, and what it says then.

use std::collections::BTreeMap;

use evenkeel_vrrp::config::Vip;
use evenkeel_vrrp::event::AdvertCopy;

use super::clock::{MILLI, Nanos};
use super::network::{Origin, Packet};
use super::node::Held;
use super::world::{Event, World};

/// Leases by router. Times are local.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    leases: BTreeMap<u16, Lease>,
    pub(crate) alive: bool,
    pub(crate) frozen: bool,
    /// True time since which it has been able to act.
    pub(crate) running_since: Nanos,
}

#[derive(Debug)]
struct Lease {
    held: Held,
    /// The addresses stay known until the keeper says that they are off.
    ended: bool,
}

/// What is taken off, and what is said then: for which router, and whether it is its last copy.
#[derive(Debug, Default)]
struct Ended {
    addresses: Vec<(usize, Vip)>,
    farewells: Vec<(usize, AdvertCopy, bool)>,
}

impl Ended {
    fn add(&mut self, router: u16, lease: &Lease, now: Nanos) {
        let Held { until, addresses, farewells } = &lease.held;
        self.addresses.extend(addresses.iter().cloned());
        if !lease.ended && now < until + NEWS {
            let copies = farewells.iter().enumerate();
            let last = farewells.len().saturating_sub(1);
            self.farewells.extend(copies.map(|(i, copy)| (usize::from(router), copy.clone(), i == last)));
        }
    }
}

impl Guard {
    pub(crate) const fn runs(&self) -> bool {
        self.alive && !self.frozen
    }

    pub(crate) fn hold(&mut self, router: u16, held: Held) {
        if self.alive {
            self.leases.insert(router, Lease { held, ended: false });
        }
    }

    pub(crate) fn beat(&mut self, router: u16, until: Nanos, farewells: &[AdvertCopy]) {
        let Some(lease) = self.leases.get_mut(&router) else { return };
        if !lease.ended {
            lease.held.until = until;
        }
        if !farewells.is_empty() {
            lease.held.farewells = farewells.to_vec();
        }
    }

    pub(crate) fn release(&mut self, router: u16) {
        self.leases.remove(&router);
    }

    pub(crate) fn next_end(&self) -> Option<Nanos> {
        self.leases.values().filter(|l| !l.ended).map(|l| l.held.until).min()
    }

    /// Ends leases whose time has come.
    fn end_due(&mut self, now: Nanos) -> Ended {
        let mut ended = Ended::default();
        for (router, lease) in self.leases.iter_mut().filter(|(_, l)| !l.ended && l.held.until <= now) {
            ended.add(*router, lease, now);
            lease.ended = true;
        }
        ended
    }

    /// The keeper is gone: everything that may be on, and the guard's own end.
    fn end_all(&mut self, now: Nanos) -> Ended {
        self.alive = false;
        let mut ended = Ended::default();
        for (router, lease) in std::mem::take(&mut self.leases) {
            ended.add(router, &lease, now);
        }
        ended
    }

    /// Killed: forgets everything.
    pub(crate) fn die(&mut self) {
        self.alive = false;
        self.leases.clear();
    }
}

impl World<'_> {
    pub(crate) fn guard_timer(&mut self, n: usize) {
        if self.nodes[n].guard_at != Some(self.now) {
            return;
        }
        self.nodes[n].guard_at = None;
        if !self.nodes[n].guard_runs() {
            return;
        }
        let local = self.nodes[n].clock.local(self.now);
        let gone = self.nodes[n].keeper.is_none();
        let guard = &mut self.nodes[n].guard;
        let ended = if gone { guard.end_all(local) } else { guard.end_due(local) };
        let mut removed = false;
        for (interface, vip) in &ended.addresses {
            removed |= self.nodes[n].kernel.remove(*interface, vip);
        }
        if removed {
            self.trace.add(self.now, || format!("node {n}: the guard takes the addresses off"));
            self.addresses_changed(n);
        }
        for (r, copy, last_copy) in ended.farewells {
            self.say_farewell(n, r, copy, last_copy);
        }
        self.arm_fences(n);
    }

    /// The guard sees at once that the keeper has gone.
    pub(crate) fn guard_notices(&mut self, n: usize) {
        let at = self.now + 1 + self.rng.below(MILLI);
        self.nodes[n].guard_at = Some(at);
        self.at(at, Event::Guard(n));
    }

    /// It speaks for a keeper that is dead or frozen, and from its addresses.
    fn say_farewell(&mut self, n: usize, r: usize, copy: AdvertCopy, last_copy: bool) {
        self.check_guards_farewell(n, r, &copy);
        let AdvertCopy { ifindex, src, dst, bytes } = copy;
        let node = &self.nodes[n];
        let Some(interface) = node.kernel.interface_of(ifindex) else { return };
        if !node.kernel.is_local(src) || self.rng.chance(node.send_fails_percent) {
            return;
        }
        self.trace.add(self.now, || format!("node {n}: the guard lets go of router {r}"));
        self.note_release(n, r, last_copy);
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
    }
}

/// As in the guard: after this it is no news.
const NEWS: Nanos = 100 * MILLI;
