//! The interfaces and addresses of this node, as the kernel tells of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::config::{RouterConfig, Transport};
use crate::event::{InterfaceAddress, LinkState, NetEvent};
use crate::types::{Family, IfIndex, IfName};

/// What is known of the node's interfaces. As large as the kernel's own tables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Net {
    links: BTreeMap<IfIndex, LinkState>,
    /// In the order of arrival, which is the kernel's order of preference.
    addresses: Vec<InterfaceAddress>,
}

impl Net {
    /// Takes a change; `false` if it was none (the kernel reports each refresh of an address).
    pub(crate) fn handle(&mut self, event: &NetEvent) -> bool {
        match event {
            NetEvent::Link(link) => self.links.insert(link.ifindex, link.clone()).as_ref() != Some(link),
            NetEvent::LinkGone(ifindex) => {
                self.addresses.retain(|a| a.ifindex != *ifindex);
                self.links.remove(ifindex).is_some()
            }
            NetEvent::AddressAdded(added) => self.add(*added),
            NetEvent::AddressRemoved(removed) => {
                let before = self.addresses.len();
                self.addresses.retain(|a| !same_address(a, removed));
                self.addresses.len() != before
            }
        }
    }

    fn add(&mut self, added: InterfaceAddress) -> bool {
        match self.addresses.iter_mut().find(|a| same_address(a, &added)) {
            Some(known) if *known == added => false,
            Some(known) => {
                *known = added;
                true
            }
            None => {
                self.addresses.push(added);
                true
            }
        }
    }

    /// The interface that has this name now.
    pub(crate) fn link(&self, name: &IfName) -> Option<&LinkState> {
        self.links.values().find(|l| l.name == *name)
    }

    /// Whether this node has the address, on any interface.
    pub(crate) fn has(&self, addr: IpAddr) -> bool {
        self.addresses.iter().any(|a| a.addr == addr)
    }

    /// Whether a link-local or other address is on one interface.
    pub(crate) fn has_on(&self, ifindex: IfIndex, addr: IpAddr) -> bool {
        self.addresses.iter().any(|a| a.addr == addr && a.ifindex == ifindex)
    }

    /// Whether an address is on an interface with that prefix length.
    pub(crate) fn has_exactly(&self, ifindex: IfIndex, addr: IpAddr, prefix_len: u8) -> bool {
        let wanted = (ifindex, addr, prefix_len);
        self.addresses.iter().any(|a| (a.ifindex, a.addr, a.prefix_len) == wanted)
    }

    /// Whether `addr` is the broadcast address of one of the node's IPv4 subnets.
    pub(crate) fn is_broadcast(&self, addr: Ipv4Addr) -> bool {
        let of_subnet = |a: &InterfaceAddress| match a.addr {
            // RFC 3021: /31 and /32 have no broadcast address.
            IpAddr::V4(own) if a.prefix_len < 31 => {
                addr.to_bits() == own.to_bits() | (u32::MAX >> a.prefix_len)
            }
            IpAddr::V4(_) | IpAddr::V6(_) => false,
        };
        addr.is_broadcast() || self.addresses.iter().any(of_subnet)
    }

    /// Where a router's adverts come from: the configured address if this node has it; else the primary IPv4 address
    /// (RFC 9568 §1.7) or the IPv6 link-local address (§5.1.2.1) of its interface. A virtual address is none, unless
    /// the router owns it. `current` stays if it still qualifies.
    pub(crate) fn source(
        &self,
        router: &RouterConfig,
        ifindex: IfIndex,
        virtual_addresses: &BTreeSet<IpAddr>,
        current: Option<IpAddr>,
    ) -> Option<IpAddr> {
        if let Some(configured) = router.source {
            let present = |a: &InterfaceAddress| a.addr == configured && a.usable;
            return self.addresses.iter().any(present).then_some(configured);
        }
        let scope = Scope::of(router);
        let candidates: Vec<IpAddr> = self
            .addresses
            .iter()
            .filter(|a| a.ifindex == ifindex && a.usable && !a.secondary && scope.fits(a.addr))
            .map(|a| a.addr)
            .collect();
        let real = |a: &&IpAddr| !virtual_addresses.contains(*a);
        let kept = candidates.iter().filter(real).find(|a| Some(**a) == current);
        let first = || candidates.iter().find(real);
        let owned = || candidates.first().filter(|_| router.priority.is_owner());
        kept.or_else(first).or_else(owned).copied()
    }
}

/// Which addresses can reach the peers.
enum Scope {
    V4,
    V6LinkLocal,
    V6Global,
}

impl Scope {
    fn of(router: &RouterConfig) -> Self {
        let global = |p: &IpAddr| matches!(p, IpAddr::V6(a) if !a.is_unicast_link_local());
        match (router.family, &router.transport) {
            (Family::V4, _) => Self::V4,
            (Family::V6, Transport::Unicast { peers, .. }) if peers.iter().any(global) => Self::V6Global,
            (Family::V6, Transport::Unicast { .. } | Transport::Multicast) => Self::V6LinkLocal,
        }
    }

    const fn fits(&self, addr: IpAddr) -> bool {
        match (self, addr) {
            (Self::V4, IpAddr::V4(a)) => !a.is_loopback(),
            (Self::V6LinkLocal, IpAddr::V6(a)) => a.is_unicast_link_local(),
            (Self::V6Global, IpAddr::V6(a)) => !a.is_unicast_link_local() && !a.is_loopback(),
            (Self::V4, IpAddr::V6(_)) | (Self::V6LinkLocal | Self::V6Global, IpAddr::V4(_)) => false,
        }
    }
}

fn same_address(a: &InterfaceAddress, b: &InterfaceAddress) -> bool {
    (a.ifindex, a.addr, a.prefix_len) == (b.ifindex, b.addr, b.prefix_len)
}
