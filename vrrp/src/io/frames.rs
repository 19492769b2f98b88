//! Sends ready-made Ethernet frames: gratuitous ARP and unsolicited neighbour advertisements.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::types::IfIndex;

/// A packet socket that receives nothing (its protocol is 0) and sends on any interface.
#[derive(Debug)]
pub(crate) struct FrameSender {
    socket: OwnedFd,
    /// Link-layer socket addresses by interface. The index is all the kernel uses of one when it sends a frame that
    /// has its Ethernet header already. At most one entry per interface of the host.
    targets: BTreeMap<u32, LinkAddr>,
}

impl FrameSender {
    pub(crate) fn open() -> nix::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { socket, targets: BTreeMap::new() })
    }

    /// Learns the interfaces of the host, so that the first frame of a take-over need not.
    pub(crate) fn learn(&mut self) -> nix::Result<()> {
        let links = getifaddrs()?.filter_map(|i| i.address.and_then(|a| a.as_link_addr().copied()));
        self.targets = links.filter_map(|l| u32::try_from(l.ifindex()).ok().map(|i| (i, l))).collect();
        Ok(())
    }

    /// Sends one frame, from the destination address on.
    pub(crate) fn send(&mut self, ifindex: IfIndex, frame: &[u8]) -> nix::Result<()> {
        if !self.targets.contains_key(&ifindex.value()) {
            self.learn()?;
        }
        let target = self.targets.get(&ifindex.value()).ok_or(Errno::ENODEV)?;
        sendto(self.socket.as_raw_fd(), frame, target, MsgFlags::MSG_DONTWAIT).map(|_| ())
    }
}
