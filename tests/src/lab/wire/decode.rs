//! What of a frame concerns a virtual router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame that matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A VRRP message.
    Advert(SeenAdvert),
    /// A gratuitous ARP or an unsolicited neighbour advertisement.
    Announcement(Announcement),
}

/// A VRRP message with its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAdvert {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// The message.
    pub bytes: Vec<u8>,
}

impl SeenAdvert {
    /// Protocol version.
    pub fn version(&self) -> u8 {
        self.bytes.first().map_or(0, |b| b >> 4)
    }

    /// Priority.
    pub fn priority(&self) -> u8 {
        self.bytes.get(2).copied().unwrap_or(0)
    }
}

/// "This address is here."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The address.
    pub addr: IpAddr,
    /// The Ethernet address it is said to have.
    pub mac: [u8; 6],
}

/// Source address and content of an Ethernet frame, if it is one of those.
pub(super) fn frame(bytes: &[u8]) -> Option<([u8; 6], Heard)> {
    let mac = six(bytes, 6)?;
    let kind = u16::from_be_bytes(bytes.get(12..14)?.try_into().ok()?);
    let body = bytes.get(14..)?;
    let heard = match kind {
        ETHERTYPE_IPV4 => ipv4(body),
        ETHERTYPE_IPV6 => ipv6(body),
        ETHERTYPE_ARP => arp(body),
        _ => None,
    };
    heard.map(|heard| (mac, heard))
}

fn ipv4(packet: &[u8]) -> Option<Heard> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    if *packet.get(9)? != VRRP {
        return None;
    }
    Some(Heard::Advert(SeenAdvert {
        src: v4(packet, 12)?,
        dst: v4(packet, 16)?,
        hop_limit: *packet.get(8)?,
        bytes: packet.get(header..total.min(packet.len()))?.to_vec(),
    }))
}

fn ipv6(packet: &[u8]) -> Option<Heard> {
    let length = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
    let payload = packet.get(40..40 + length)?;
    match *packet.get(6)? {
        VRRP => Some(Heard::Advert(SeenAdvert {
            src: v6(packet, 8)?,
            dst: v6(packet, 24)?,
            hop_limit: *packet.get(7)?,
            bytes: payload.to_vec(),
        })),
        // Type 136 without the S flag, target address at 8, option 2 (target link-layer address) at 24.
        ICMPV6
            if payload.first() == Some(&136)
                && payload.get(4)? & 0x40 == 0
                && payload.get(24) == Some(&2) =>
        {
            Some(Heard::Announcement(Announcement { addr: v6(payload, 8)?, mac: six(payload, 26)? }))
        }
        _ => None,
    }
}

/// Gratuitous: sender and target protocol address are the same.
fn arp(packet: &[u8]) -> Option<Heard> {
    let (sender, target) = (v4(packet, 14)?, v4(packet, 24)?);
    (sender == target).then_some(())?;
    Some(Heard::Announcement(Announcement { addr: sender, mac: six(packet, 8)? }))
}

fn six(bytes: &[u8], at: usize) -> Option<[u8; 6]> {
    bytes.get(at..at + 6)?.try_into().ok()
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?).into())
}

fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?).into())
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const VRRP: u8 = 112;
const ICMPV6: u8 = 58;
