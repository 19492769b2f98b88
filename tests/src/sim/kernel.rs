//! A node's kernel, as far as addresses go: interfaces, addresses that expire by themselves, and the reports of both
//! that a netlink socket would give.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_vrrp::config::Vip;
use evenkeel_vrrp::event::{InterfaceAddress, LinkState, NetEvent};
use evenkeel_vrrp::types::{IfIndex, IfName, Mac};

use super::clock::{MILLI, Nanos, SECOND};
use super::rng::Rng;

/// Interfaces and addresses of one node. Times are local.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) interfaces: Vec<Interface>,
    addresses: BTreeMap<Key, Entry>,
    /// What has changed since the keeper last read. Read or not, it waits here.
    pub(crate) reports: VecDeque<NetEvent>,
}

/// One interface of the node.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: Mac,
    pub(crate) up: bool,
    /// The address adverts come from, unless it was taken away.
    pub(crate) own: Vec<(IpAddr, u8)>,
}

type Key = (u32, IpAddr, u8);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// `None`: for ever.
    gone_at: Option<Nanos>,
    /// Put on by the keeper: it carries its tag.
    ours: bool,
}

impl Kernel {
    pub(crate) fn new(interfaces: Vec<Interface>) -> Self {
        let mut kernel = Self { interfaces, addresses: BTreeMap::new(), reports: VecDeque::new() };
        for i in 0..kernel.interfaces.len() {
            kernel.give_own(i);
        }
        kernel
    }

    /// All there is, as a first dump tells it. Earlier reports are contained in it.
    pub(crate) fn dump(&mut self) -> Vec<NetEvent> {
        self.reports.clear();
        let links = self.interfaces.iter().filter_map(link).map(NetEvent::Link);
        let addresses = self.addresses.keys().filter_map(|k| self.record(*k)).map(NetEvent::AddressAdded);
        links.chain(addresses).collect()
    }

    /// Which interface has this index.
    pub(crate) fn interface_of(&self, index: IfIndex) -> Option<usize> {
        self.interfaces.iter().position(|i| i.index == index.value())
    }

    pub(crate) fn has(&self, interface: usize, vip: &Vip) -> bool {
        let index = self.interfaces[interface].index;
        self.addresses.contains_key(&(index, vip.addr, vip.prefix_len))
    }

    pub(crate) fn is_local(&self, addr: IpAddr) -> bool {
        self.addresses.keys().any(|(_, a, _)| *a == addr)
    }

    /// `RTM_NEWADDR` with a lifetime: whole seconds, at least one. The removal comes up to half a second late
    /// (`facts/vrrp.md` §6.1: the address checker works in rounded ticks).
    pub(crate) fn set_leased(
        &mut self,
        now: Nanos,
        interface: usize,
        vip: &Vip,
        lease: Duration,
        rng: &mut Rng,
    ) {
        let lifetime = lease.as_secs().max(1) * SECOND;
        let late = if rng.chance(30) { 0 } else { rng.below(LATE) };
        let gone_at = Some(now + lifetime + late);
        self.put(interface, vip.addr, vip.prefix_len, Entry { gone_at, ours: true });
    }

    /// Somebody else's address, for ever.
    pub(crate) fn put_foreign(&mut self, interface: usize, vip: &Vip) {
        self.put(interface, vip.addr, vip.prefix_len, Entry { gone_at: None, ours: false });
    }

    pub(crate) fn remove(&mut self, interface: usize, vip: &Vip) -> bool {
        let index = self.interfaces[interface].index;
        self.remove_key((index, vip.addr, vip.prefix_len))
    }

    /// Everything the keeper's tag is on.
    pub(crate) fn remove_leftovers(&mut self) -> usize {
        let ours: Vec<Key> = self.addresses.iter().filter(|(_, e)| e.ours).map(|(k, _)| *k).collect();
        ours.into_iter().filter(|k| self.remove_key(*k)).count()
    }

    /// Lifetimes end.
    pub(crate) fn expire(&mut self, now: Nanos) -> bool {
        let due = |e: &Entry| e.gone_at.is_some_and(|at| at <= now);
        let gone: Vec<Key> = self.addresses.iter().filter(|(_, e)| due(e)).map(|(k, _)| *k).collect();
        gone.into_iter().map(|k| self.remove_key(k)).fold(false, |a, b| a | b)
    }

    /// The machine slept while its clock went on: lifetimes count ticks, and there were none.
    pub(crate) fn sleep(&mut self, slept: Nanos) {
        for entry in self.addresses.values_mut() {
            entry.gone_at = entry.gone_at.map(|at| at + slept);
        }
    }

    /// Whether the keeper's address is on.
    pub(crate) fn has_ours(&self, interface: usize, vip: &Vip) -> bool {
        let index = self.interfaces[interface].index;
        self.addresses.get(&(index, vip.addr, vip.prefix_len)).is_some_and(|e| e.ours)
    }

    pub(crate) fn next_expiry(&self) -> Option<Nanos> {
        self.addresses.values().filter_map(|e| e.gone_at).min()
    }

    pub(crate) fn set_up(&mut self, interface: usize, up: bool) {
        self.interfaces[interface].up = up;
        self.reports.extend(link(&self.interfaces[interface]).map(NetEvent::Link));
    }

    /// The interface's own addresses go, or come back.
    pub(crate) fn take_own(&mut self, interface: usize) {
        let Interface { index, own, .. } = self.interfaces[interface].clone();
        for (addr, prefix_len) in own {
            self.remove_key((index, addr, prefix_len));
        }
    }

    pub(crate) fn give_own(&mut self, interface: usize) {
        for (addr, prefix_len) in self.interfaces[interface].own.clone() {
            self.put(interface, addr, prefix_len, Entry { gone_at: None, ours: false });
        }
    }

    /// The interface is deleted and made anew: same name, another index, no addresses but its own.
    pub(crate) fn replace(&mut self, interface: usize) {
        let old = self.interfaces[interface].index;
        let gone: Vec<Key> = self.addresses.keys().filter(|k| k.0 == old).copied().collect();
        for key in gone {
            self.remove_key(key);
        }
        self.reports.extend(IfIndex::new(old).map(NetEvent::LinkGone));
        self.interfaces[interface].index = old + 10;
        self.reports.extend(link(&self.interfaces[interface]).map(NetEvent::Link));
        self.give_own(interface);
    }

    fn put(&mut self, interface: usize, addr: IpAddr, prefix_len: u8, entry: Entry) {
        let key = (self.interfaces[interface].index, addr, prefix_len);
        self.addresses.insert(key, entry);
        self.reports.extend(self.record(key).map(NetEvent::AddressAdded));
    }

    fn remove_key(&mut self, key: Key) -> bool {
        let record = self.record(key);
        let there = self.addresses.remove(&key).is_some();
        if there {
            self.reports.extend(record.map(NetEvent::AddressRemoved));
        }
        there
    }

    /// IPv6 leased addresses are deprecated from the start; an IPv4 address in the subnet of another is its secondary.
    fn record(&self, (index, addr, prefix_len): Key) -> Option<InterfaceAddress> {
        let leased = self.addresses.get(&(index, addr, prefix_len)).is_some_and(|e| e.ours);
        let secondary = addr.is_ipv4() && leased && prefix_len == 24;
        let usable = !(leased && addr.is_ipv6());
        Some(InterfaceAddress { ifindex: IfIndex::new(index)?, addr, prefix_len, usable, secondary })
    }
}

fn link(interface: &Interface) -> Option<LinkState> {
    Some(LinkState {
        ifindex: IfIndex::new(interface.index)?,
        name: IfName::new(&interface.name)?,
        running: interface.up,
        mac: Some(interface.mac),
    })
}

/// How late the kernel can be.
pub(crate) const LATE: Nanos = 500 * MILLI;
