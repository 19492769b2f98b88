//! Frames nobody honest would send.

use std::net::{IpAddr, Ipv4Addr};

use evenkeel_vrrp::config::ChecksumForm;
use evenkeel_vrrp::packet::{Advert, Auth, GROUP_V4};
use evenkeel_vrrp::types::{AuthPass, Centis, Priority, Version, Vrid};

/// An IPv4 header with every field that a forger may want to lie in.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4Header {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// TTL.
    pub ttl: u8,
    /// Protocol.
    pub protocol: u8,
    /// Added to the true total length.
    pub length_lie: i16,
}

impl Ipv4Header {
    /// A header as it should be.
    pub fn honest(src: Ipv4Addr) -> Self {
        Self { src, dst: GROUP_V4, ttl: 255, protocol: 112, length_lie: 0 }
    }
}

/// A frame under construction.
#[derive(Debug, Clone, Copy)]
pub struct Forged {
    /// Ethernet source address.
    pub src_mac: [u8; 6],
    /// Ethernet destination address.
    pub dst_mac: [u8; 6],
    /// The header.
    pub ip: Ipv4Header,
}

impl Forged {
    /// To the VRRP group, with an honest header.
    pub fn new(src_mac: [u8; 6], src: Ipv4Addr) -> Self {
        Self { src_mac, dst_mac: GROUP_MAC, ip: Ipv4Header::honest(src) }
    }

    /// The frame with this payload.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(34 + payload.len());
        out.extend(self.dst_mac);
        out.extend(self.src_mac);
        out.extend([0x08, 0x00]);
        let total = u16::try_from(20 + payload.len())
            .expect("a short payload")
            .wrapping_add_signed(self.ip.length_lie);
        let mut header = vec![0x45, 0xc0];
        header.extend(total.to_be_bytes());
        header.extend([0, 0, 0, 0, self.ip.ttl, self.ip.protocol, 0, 0]);
        header.extend(self.ip.src.octets());
        header.extend(self.ip.dst.octets());
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend(header);
        out.extend(payload);
        out
    }
}

/// A well-formed v2 message with a password.
pub fn advert_v2(vrid: u8, priority: u8, seconds: u16, pass: Option<&[u8; 8]>, vips: &[Ipv4Addr]) -> Vec<u8> {
    let auth = pass.map_or(Auth::None, |p| Auth::Pass(AuthPass(*p)));
    encode(Version::V2, vrid, priority, seconds * 100, auth, Ipv4Addr::UNSPECIFIED, vips)
}

/// A well-formed v3 message, as sent from `src` to the group.
pub fn advert_v3(vrid: u8, priority: u8, centis: u16, src: Ipv4Addr, vips: &[Ipv4Addr]) -> Vec<u8> {
    encode(Version::V3, vrid, priority, centis, Auth::None, src, vips)
}

fn encode(
    version: Version,
    vrid: u8,
    priority: u8,
    centis: u16,
    auth: Auth,
    src: Ipv4Addr,
    vips: &[Ipv4Addr],
) -> Vec<u8> {
    let advert = Advert {
        version,
        vrid: Vrid::new(vrid).expect("not 0"),
        priority: Priority::new(priority),
        interval: Centis::new(centis).expect("not 0"),
        auth,
        addresses: vips.iter().copied().map(IpAddr::V4).collect(),
    };
    advert.encode(ChecksumForm::Rfc5798, src.into(), GROUP_V4.into())
}

/// The message with a checksum that fits what it says: the only one of version 2, and for version 3 over IPv4 that of
/// RFC 9568 §5.2.8, which covers the message alone.
pub fn reseal(mut message: Vec<u8>) -> Vec<u8> {
    if message.len() >= 8 {
        message[6..8].fill(0);
        let sum = checksum(&message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |b| u32::from(*b)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

/// RFC 1112 §6.4 for 224.0.0.18.
const GROUP_MAC: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
