//! The network as the kernel tells it: a table of interfaces and addresses, kept current by netlink multicast, and the
//! changes to it as [`NetEvent`]s.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::SocketAddr;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};

use super::netlink::decode::{self, Messages};
use super::netlink::{Netlink, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK};
use crate::event::{InterfaceAddress, LinkState, NetEvent};
use crate::types::{IfIndex, IfName, Mac};

/// Subscription to link and address changes of one network namespace.
#[derive(Debug)]
pub(crate) struct Watch {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
    network: Network,
}

/// Interfaces and addresses as last told, and the changes not handed on yet.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeMap<IfIndex, LinkState>,
    addresses: BTreeMap<AddressKey, InterfaceAddress>,
    /// Drained after each read, so it is bounded by [`READS_PER_DRAIN`] datagrams.
    events: VecDeque<NetEvent>,
}

type AddressKey = (IfIndex, IpAddr, u8);

impl Watch {
    /// Subscribes in the network namespace of the calling thread and takes the first dump; its events are waiting.
    pub(crate) fn open(netlink: &mut Netlink) -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES).is_err() {
            socket.set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
        }
        for group in [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR] {
            socket.add_membership(group)?;
        }
        let mut watch = Self { socket, buffer: vec![0; BUFFER_BYTES], network: Network::default() };
        watch.resync(netlink)?;
        Ok(watch)
    }

    /// Reads what the kernel has told since, without waiting. When it had to drop messages, everything is dumped
    /// again and the differences become events.
    pub(crate) fn drain(&mut self, netlink: &mut Netlink) -> io::Result<()> {
        for _ in 0..READS_PER_DRAIN {
            match self.read() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Errno::ENOBUFS) => return self.catch_up(netlink),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The next change.
    pub(crate) fn poll_event(&mut self) -> Option<NetEvent> {
        self.network.events.pop_front()
    }

    /// The tables.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// `false`: nothing more to read.
    fn read(&mut self) -> nix::Result<bool> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(Errno::EAGAIN) => return Ok(false),
            Err(Errno::EINTR) => return Ok(true),
            Err(e) => return Err(e),
        };
        for m in Messages(self.buffer.get(..length).unwrap_or_default()) {
            self.network.apply(m.kind, m.payload);
        }
        Ok(true)
    }

    /// Messages queued before the loss say nothing that the dump does not say better.
    fn catch_up(&mut self, netlink: &mut Netlink) -> io::Result<()> {
        for _ in 0..READS_PER_DRAIN {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => break,
                Err(e) => return Err(e.into()),
            }
        }
        self.resync(netlink)
    }

    fn resync(&mut self, netlink: &mut Netlink) -> io::Result<()> {
        let links = netlink.links()?;
        let addresses = netlink.addresses()?;
        self.network.replace(links, addresses.into_iter().map(|a| a.address).collect());
        Ok(())
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Network {
    /// The interface of that name.
    pub(crate) fn index_of(&self, name: &IfName) -> Option<IfIndex> {
        self.links.values().find(|l| l.name == *name).map(|l| l.ifindex)
    }

    /// The name of an interface.
    pub(crate) fn name_of(&self, ifindex: IfIndex) -> Option<&IfName> {
        self.links.get(&ifindex).map(|l| &l.name)
    }

    /// The Ethernet address of an interface.
    pub(crate) fn mac_of(&self, ifindex: IfIndex) -> Option<Mac> {
        self.links.get(&ifindex).and_then(|l| l.mac)
    }

    /// All interfaces.
    pub(crate) fn links(&self) -> impl Iterator<Item = &LinkState> {
        self.links.values()
    }

    /// Whether the address is on the interface.
    pub(crate) fn has(&self, ifindex: IfIndex, addr: IpAddr, prefix_len: u8) -> bool {
        self.addresses.contains_key(&(ifindex, addr, prefix_len))
    }

    fn apply(&mut self, kind: u16, payload: &[u8]) {
        match kind {
            RTM_NEWLINK => self.set_link(decode::link(payload)),
            RTM_DELLINK => self.remove_link(decode::link(payload).map(|l| l.ifindex)),
            RTM_NEWADDR => self.set_address(decode::address(payload).map(|a| a.address)),
            RTM_DELADDR => self.remove_address(decode::address(payload).map(|a| a.address)),
            _ => {}
        }
    }

    /// The kernel repeats itself about links (statistics, wireless); only news is told.
    fn set_link(&mut self, link: Option<LinkState>) {
        let Some(link) = link else { return };
        if self.links.insert(link.ifindex, link.clone()).as_ref() != Some(&link) {
            self.events.push_back(NetEvent::Link(link));
        }
    }

    fn remove_link(&mut self, ifindex: Option<IfIndex>) {
        let Some(ifindex) = ifindex else { return };
        let orphans: Vec<_> = self.addresses.values().filter(|a| a.ifindex == ifindex).copied().collect();
        for orphan in orphans {
            self.remove_address(Some(orphan));
        }
        if self.links.remove(&ifindex).is_some() {
            self.events.push_back(NetEvent::LinkGone(ifindex));
        }
    }

    fn set_address(&mut self, address: Option<InterfaceAddress>) {
        let Some(address) = address else { return };
        self.addresses.insert(key(&address), address);
        self.events.push_back(NetEvent::AddressAdded(address));
    }

    fn remove_address(&mut self, address: Option<InterfaceAddress>) {
        let Some(address) = address else { return };
        if self.addresses.remove(&key(&address)).is_some() {
            self.events.push_back(NetEvent::AddressRemoved(address));
        }
    }

    /// Takes a dump for the truth. Removals first: an address that moved is gone before it is there.
    fn replace(&mut self, links: Vec<LinkState>, addresses: Vec<InterfaceAddress>) {
        let gone: Vec<_> =
            self.links.keys().filter(|i| !links.iter().any(|l| l.ifindex == **i)).copied().collect();
        for ifindex in gone {
            self.remove_link(Some(ifindex));
        }
        let gone: Vec<_> = self
            .addresses
            .values()
            .filter(|old| !addresses.iter().any(|new| key(new) == key(old)))
            .copied()
            .collect();
        for address in gone {
            self.remove_address(Some(address));
        }
        for link in links {
            self.set_link(Some(link));
        }
        for address in addresses {
            if self.addresses.get(&key(&address)) != Some(&address) {
                self.set_address(Some(address));
            }
        }
    }
}

fn key(address: &InterfaceAddress) -> AddressKey {
    (address.ifindex, address.addr, address.prefix_len)
}

/// `linux/rtnetlink.h`.
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
/// A host that configures a hundred containers at once sends some hundred KiB.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;
const BUFFER_BYTES: usize = 64 * 1024;
/// A storm of changes must not keep the thread from sending adverts.
const READS_PER_DRAIN: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, running: bool) -> LinkState {
        let name = IfName::new(&format!("eth{index}")).unwrap();
        LinkState { ifindex: IfIndex::new(index).unwrap(), name, running, mac: None }
    }

    fn address(index: u32, last: u8) -> InterfaceAddress {
        let ifindex = IfIndex::new(index).unwrap();
        let addr = [192, 0, 2, last].into();
        InterfaceAddress { ifindex, addr, prefix_len: 24, usable: true, secondary: false }
    }

    fn events(network: &mut Network) -> Vec<NetEvent> {
        network.events.drain(..).collect()
    }

    #[test]
    fn first_dump_tells_everything() {
        let mut n = Network::default();
        n.replace(vec![link(2, true)], vec![address(2, 1)]);
        assert_eq!(events(&mut n), [NetEvent::Link(link(2, true)), NetEvent::AddressAdded(address(2, 1))]);
        assert_eq!(n.index_of(&IfName::new("eth2").unwrap()), IfIndex::new(2));
        assert!(n.has(IfIndex::new(2).unwrap(), [192, 0, 2, 1].into(), 24));
        assert!(!n.has(IfIndex::new(2).unwrap(), [192, 0, 2, 1].into(), 32));
    }

    #[test]
    fn later_dump_tells_differences_only() {
        let mut n = Network::default();
        n.replace(vec![link(2, true), link(3, true)], vec![address(2, 1), address(3, 1)]);
        events(&mut n);
        n.replace(vec![link(2, false)], vec![address(2, 2)]);
        let expected = [
            NetEvent::AddressRemoved(address(3, 1)),
            NetEvent::LinkGone(IfIndex::new(3).unwrap()),
            NetEvent::AddressRemoved(address(2, 1)),
            NetEvent::Link(link(2, false)),
            NetEvent::AddressAdded(address(2, 2)),
        ];
        assert_eq!(events(&mut n), expected);
    }

    #[test]
    fn refresh_of_an_address_is_told_but_not_of_a_link() {
        let mut n = Network::default();
        n.set_link(Some(link(2, true)));
        n.set_address(Some(address(2, 1)));
        events(&mut n);
        n.set_link(Some(link(2, true)));
        n.set_address(Some(address(2, 1)));
        assert_eq!(events(&mut n), [NetEvent::AddressAdded(address(2, 1))]);
    }

    #[test]
    fn removal_of_something_unknown_is_no_event() {
        let mut n = Network::default();
        n.remove_address(Some(address(2, 1)));
        n.remove_link(IfIndex::new(2));
        assert_eq!(events(&mut n), []);
    }
}
