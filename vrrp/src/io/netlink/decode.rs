//! Reading rtnetlink messages: only the fields the engine needs, so that attributes of newer kernels cannot make an
//! event unreadable. Pure; malformed input yields nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NlaBuffer, NlasIterator};

use crate::event::{InterfaceAddress, LinkState};
use crate::types::{IfIndex, IfName, Mac};

/// One netlink message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// `nlmsg_flags`.
    pub(crate) flags: u16,
    /// `nlmsg_seq`.
    pub(crate) sequence: u32,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
}

/// The messages of one datagram. Ends at the first malformed header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let message = Message {
            kind: u16_at(self.0, 4)?,
            flags: u16_at(self.0, 6)?,
            sequence: u32_at(self.0, 8)?,
            payload: self.0.get(HEADER_LEN..length)?,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// An address with what only netlink knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRecord {
    /// The address.
    pub address: InterfaceAddress,
    /// `IFA_PROTO`: who put it there; `None` on kernels before 5.18.
    pub protocol: Option<u8>,
    /// Seconds until the kernel removes it; `None`: never.
    pub valid_secs: Option<u32>,
}

/// `RTM_NEWLINK` and `RTM_DELLINK`. `None` also for messages about a bridge port: their removal is not the
/// removal of the interface.
pub(crate) fn link(payload: &[u8]) -> Option<LinkState> {
    if *payload.first()? != AF_UNSPEC {
        return None;
    }
    let ifindex = IfIndex::new(u32_at(payload, 4)?)?;
    let flags = u32_at(payload, 8)?;
    let mut name = None;
    let mut mac = None;
    for attribute in attributes(payload, LINK_HEADER_LEN) {
        match attribute.kind() {
            IFLA_IFNAME => name = text(attribute.value()).and_then(IfName::new),
            IFLA_ADDRESS => mac = attribute.value().try_into().ok().map(Mac),
            _ => {}
        }
    }
    let running = flags & RUNNING == RUNNING;
    Some(LinkState { ifindex, name: name?, running, mac })
}

/// `RTM_NEWADDR` and `RTM_DELADDR`.
pub(crate) fn address(payload: &[u8]) -> Option<AddressRecord> {
    let prefix_len = *payload.get(1)?;
    let mut flags = u32::from(*payload.get(2)?);
    let ifindex = IfIndex::new(u32_at(payload, 4)?)?;
    let (mut local, mut peer, mut protocol, mut valid_secs) = (None, None, None, None);
    for attribute in attributes(payload, ADDRESS_HEADER_LEN) {
        let value = attribute.value();
        match attribute.kind() {
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => peer = ip(value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            IFA_PROTO => protocol = value.first().copied(),
            IFA_CACHEINFO => valid_secs = u32_at(value, 4).filter(|v| *v != u32::MAX),
            _ => {}
        }
    }
    // On a point-to-point interface IFA_ADDRESS is the other end and IFA_LOCAL is ours.
    let addr = local.or(peer)?;
    let usable = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED) == 0;
    let secondary = addr.is_ipv4() && flags & IFA_F_SECONDARY != 0;
    let address = InterfaceAddress { ifindex, addr, prefix_len, usable, secondary };
    Some(AddressRecord { address, protocol, valid_secs })
}

/// The errno of an `NLMSG_ERROR`; 0 is an acknowledgement.
pub(crate) fn error_code(payload: &[u8]) -> Option<i32> {
    let raw = payload.get(..4)?.try_into().ok()?;
    Some(i32::from_ne_bytes(raw).saturating_neg())
}

fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).map_while(Result::ok)
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(value).ok().map(|v6| Ipv6Addr::from(v6).into())
}

fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// `nlmsghdr`, `ifinfomsg` and `ifaddrmsg` of the kernel's headers.
const HEADER_LEN: usize = 16;
const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
const AF_UNSPEC: u8 = 0;
/// `IFF_UP`, `IFF_RUNNING` and `IFF_LOWER_UP`: up, operational, with carrier.
const RUNNING: u32 = 0x1 | 0x40 | 0x1_0000;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_SECONDARY: u32 = 0x01;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_DEPRECATED: u32 = 0x20;
const IFA_F_TENTATIVE: u32 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut out = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        out.extend_from_slice(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_LEN + payload.len()).unwrap();
        let mut out = length.to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend([0; 2]);
        out.extend(7u32.to_ne_bytes());
        out.extend([0; 4]);
        out.extend_from_slice(payload);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn link_payload(family: u8, flags: u32) -> Vec<u8> {
        let mut p = vec![family, 0, 1, 0];
        p.extend(3u32.to_ne_bytes());
        p.extend(flags.to_ne_bytes());
        p.extend([0; 4]);
        p.extend(attribute(IFLA_IFNAME, b"eth0\0"));
        p.extend(attribute(60_000 & 0x3fff, b"from a newer kernel"));
        p.extend(attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        p
    }

    #[test]
    fn link_is_running_only_with_all_three_flags() {
        for (flags, running) in [(0x1_0041, true), (0x1_0001, false), (0x41, false), (0x1_0040, false)] {
            let state = link(&link_payload(0, flags)).unwrap();
            assert_eq!(state.running, running, "{flags:#x}");
            assert_eq!((state.ifindex.value(), state.name.as_str()), (3, "eth0"));
            assert_eq!(state.mac, Some(Mac([2, 0, 0, 0, 0, 1])));
        }
    }

    #[test]
    fn bridge_port_messages_are_not_links() {
        assert_eq!(link(&link_payload(7, 0x1_0041)), None);
    }

    #[test]
    fn address_fields() {
        let mut p = vec![2, 24, 0x80 | 0x01, 0];
        p.extend(5u32.to_ne_bytes());
        p.extend(attribute(IFA_ADDRESS, &[10, 0, 0, 9]));
        p.extend(attribute(IFA_LOCAL, &[10, 0, 0, 1]));
        p.extend(attribute(IFA_PROTO, &[112]));
        p.extend(attribute(IFA_CACHEINFO, &[[2, 0, 0, 0], [3, 0, 0, 0], [0; 4], [0; 4]].concat()));
        let record = address(&p).unwrap();
        assert_eq!(record.address.addr, IpAddr::from([10, 0, 0, 1]), "the local end counts");
        assert_eq!((record.address.prefix_len, record.address.secondary), (24, true));
        assert_eq!((record.protocol, record.valid_secs), (Some(112), Some(u32::from_ne_bytes([3, 0, 0, 0]))));
        assert!(record.address.usable);
        p.extend(attribute(IFA_FLAGS, &IFA_F_TENTATIVE.to_ne_bytes()));
        assert!(!address(&p).unwrap().address.usable, "IFA_FLAGS overrides the header");
    }

    #[test]
    fn messages_of_a_datagram() {
        let bytes = [message(16, &[1, 2, 3]), message(20, &[4])].concat();
        let found: Vec<_> = Messages(&bytes).map(|m| (m.kind, m.sequence, m.payload.to_vec())).collect();
        assert_eq!(found, [(16, 7, vec![1, 2, 3]), (20, 7, vec![4])]);
    }

    #[test]
    fn truncation_never_panics() {
        let whole = message(16, &link_payload(0, 0x1_0041));
        for end in 0..whole.len() {
            for m in Messages(&whole[..end]) {
                assert!(link(m.payload).is_none_or(|l| l.name.as_str() == "eth0"));
                assert!(address(m.payload).is_none_or(|a| a.address.ifindex.value() > 0));
                assert!(error_code(m.payload).is_some() || m.payload.len() < 4);
            }
        }
        // A length shorter than the header itself must end the iteration.
        assert_eq!(Messages(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
    }

    #[test]
    fn error_codes_are_positive_errnos() {
        assert_eq!(error_code(&(-17i32).to_ne_bytes()), Some(17));
        assert_eq!(error_code(&0i32.to_ne_bytes()), Some(0));
        assert_eq!(error_code(&[1]), None);
    }
}
