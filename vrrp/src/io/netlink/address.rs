//! Putting addresses on and off, with the kernel's own lifetime as the last line of the lease.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::Netlink;
use crate::types::IfIndex;

/// `IFA_PROTO` of the addresses put on here: the IP protocol number of VRRP. The kernel itself uses 1–3, Keepalived 18.
pub const ADDRESS_PROTOCOL: u8 = 112;

impl Netlink {
    /// Puts an address on, or sets the lifetime of one that is on. The kernel removes it `lifetime` (rounded down to
    /// seconds, at least one) after the last call.
    ///
    /// `NLM_F_REPLACE` re-adds an address that is gone; a caller that must not do so looks first.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn set_address(
        &mut self,
        ifindex: IfIndex,
        addr: IpAddr,
        prefix_len: u8,
        lifetime: Duration,
    ) -> io::Result<()> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        let mut message = message(ifindex, addr, prefix_len);
        message.attributes.push(AddressAttribute::CacheInfo(lifetimes(addr, lifetime)));
        if addr.is_ipv6() {
            // Duplicate detection would keep the address unusable for a second, and would find the old MASTER.
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        if !self.tags {
            return self.request(RouteNetlinkMessage::NewAddress(message), flags);
        }
        let untagged = message.clone();
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL)));
        match self.request(RouteNetlinkMessage::NewAddress(message), flags) {
            Err(e) if is_any(&e, &[Errno::EINVAL, Errno::EOPNOTSUPP]) => {
                self.request(RouteNetlinkMessage::NewAddress(untagged), flags)?;
                self.tags = false;
                Ok(())
            }
            other => other,
        }
    }

    /// Takes an address off. One that is not there, or whose interface is gone, counts as done.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn delete_address(&mut self, ifindex: IfIndex, addr: IpAddr, prefix_len: u8) -> io::Result<()> {
        match self.request(RouteNetlinkMessage::DelAddress(message(ifindex, addr, prefix_len)), 0) {
            Err(e) if is_any(&e, &[Errno::EADDRNOTAVAIL, Errno::ENODEV]) => Ok(()),
            other => other,
        }
    }
}

fn message(ifindex: IfIndex, addr: IpAddr, prefix_len: u8) -> AddressMessage {
    let family = if addr.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut message = AddressMessage::default();
    message.header = AddressHeader { family, prefix_len, index: ifindex.value(), ..Default::default() };
    message.attributes = vec![AddressAttribute::Local(addr), AddressAttribute::Address(addr)];
    message
}

/// IPv6 addresses are deprecated from the start, so that they are never chosen as a source address.
fn lifetimes(addr: IpAddr, lifetime: Duration) -> CacheInfo {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1);
    let mut info = CacheInfo::default();
    info.ifa_valid = seconds;
    info.ifa_preferred = if addr.is_ipv4() { seconds } else { 0 };
    info
}

fn is_any(error: &io::Error, errnos: &[Errno]) -> bool {
    error.raw_os_error().is_some_and(|raw| errnos.contains(&Errno::from_raw(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetime_is_whole_seconds_and_never_zero() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        for (ms, seconds) in [(0, 1), (250, 1), (1_999, 1), (2_000, 2), (2_500, 2), (7_200_000, 7_200)] {
            let info = lifetimes(v4, Duration::from_millis(ms));
            assert_eq!((info.ifa_valid, info.ifa_preferred), (seconds, seconds), "{ms} ms");
        }
        let v6 = lifetimes("2001:db8::1".parse().unwrap(), Duration::from_secs(3));
        assert_eq!((v6.ifa_valid, v6.ifa_preferred), (3, 0));
    }
}
