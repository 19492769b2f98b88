//! Frames that tell the segment where a virtual address is: gratuitous ARP and unsolicited neighbour advertisements.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet::packet::arp::{ArpHardwareTypes, ArpOperations, MutableArpPacket};
use pnet::packet::ethernet::{EtherType, EtherTypes, MutableEthernetPacket};
use pnet::packet::icmpv6::ndp::{MutableNeighborAdvertPacket, NdpOption, NdpOptionTypes};
use pnet::packet::icmpv6::{Icmpv6Packet, Icmpv6Types, checksum};
use pnet::packet::ip::IpNextHeaderProtocols;
use pnet::packet::ipv6::MutableIpv6Packet;
use pnet::util::MacAddr;
use pnet::util::core_net;

use crate::types::Mac;

/// The frame that announces `vip` at `mac`: ARP for IPv4, NDP for IPv6.
pub fn frame(mac: Mac, vip: IpAddr) -> Vec<u8> {
    match vip {
        IpAddr::V4(addr) => gratuitous_arp(mac, addr),
        IpAddr::V6(addr) => unsolicited_na(mac, addr),
    }
}

/// RFC 5227 §3: an ARP request, broadcast, with the address as sender and target. The target hardware address is the
/// broadcast address, as keepalived sends it (`facts/vrrp.md` §1.6).
pub fn gratuitous_arp(mac: Mac, vip: Ipv4Addr) -> Vec<u8> {
    let mut out = vec![0; ETHERNET + ARP];
    let (head, body) = out.split_at_mut(ETHERNET);
    ethernet(head, mac, MacAddr::broadcast(), EtherTypes::Arp);
    if let Some(mut arp) = MutableArpPacket::new(body) {
        arp.set_hardware_type(ArpHardwareTypes::Ethernet);
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(ArpOperations::Request);
        arp.set_sender_hw_addr(mac_addr(mac));
        arp.set_sender_proto_addr(vip.octets().into());
        arp.set_target_hw_addr(MacAddr::broadcast());
        arp.set_target_proto_addr(vip.octets().into());
    }
    out
}

/// RFC 4861 §7.2.6: an unsolicited advertisement to all nodes, Override set, Solicited clear, with the target's
/// link-layer address. The Router flag is clear: this node forwards nothing at layer 3.
pub fn unsolicited_na(mac: Mac, vip: Ipv6Addr) -> Vec<u8> {
    let mut out = vec![0; ETHERNET + IPV6 + NA];
    let (head, body) = out.split_at_mut(ETHERNET);
    ethernet(head, mac, ALL_NODES_MAC, EtherTypes::Ipv6);
    let (ip, icmp) = body.split_at_mut(IPV6);
    if let Some(mut ip) = MutableIpv6Packet::new(ip) {
        ip.set_version(6);
        ip.set_payload_length(NA_LENGTH);
        ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
        ip.set_hop_limit(255);
        ip.set_source(vip.octets().into());
        ip.set_destination(ALL_NODES.into());
    }
    neighbour_advert(icmp, mac, vip);
    out
}

fn neighbour_advert(icmp: &mut [u8], mac: Mac, vip: Ipv6Addr) {
    if let Some(mut na) = MutableNeighborAdvertPacket::new(icmp) {
        na.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        na.set_flags(OVERRIDE);
        na.set_target_addr(vip.octets().into());
        // The length of an option counts in units of 8 octets (RFC 4861 §4.6.1).
        let link_layer =
            NdpOption { option_type: NdpOptionTypes::TargetLLAddr, length: 1, data: mac.0.to_vec() };
        na.set_options(&[link_layer]);
    }
    let source = core_net::Ipv6Addr::from(vip.octets());
    let sum = Icmpv6Packet::new(icmp).map_or(0, |packet| checksum(&packet, &source, &ALL_NODES.into()));
    if let Some(mut na) = MutableNeighborAdvertPacket::new(icmp) {
        na.set_checksum(sum);
    }
}

fn ethernet(head: &mut [u8], from: Mac, to: MacAddr, kind: EtherType) {
    if let Some(mut frame) = MutableEthernetPacket::new(head) {
        frame.set_destination(to);
        frame.set_source(mac_addr(from));
        frame.set_ethertype(kind);
    }
}

const fn mac_addr(mac: Mac) -> MacAddr {
    let [a, b, c, d, e, f] = mac.0;
    MacAddr(a, b, c, d, e, f)
}

/// RFC 4291 §2.7.1, ff02::1.
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
/// RFC 2464 §7.
const ALL_NODES_MAC: MacAddr = MacAddr(0x33, 0x33, 0, 0, 0, 1);
/// RFC 4861 §4.4: R, S and O are the three upper bits.
const OVERRIDE: u8 = 0x20;

const ETHERNET: usize = 14;
const ARP: usize = 28;
const IPV6: usize = 40;
const NA_LENGTH: u16 = 32;
const NA: usize = NA_LENGTH as usize;

#[cfg(test)]
mod tests {
    use super::*;
    use pnet::packet::ethernet::EthernetPacket;

    /// Each recorded frame is rebuilt from its source MAC address and the address it announces.
    #[test]
    fn frames_are_those_recorded_from_keepalived() {
        let mut seen = 0;
        for line in RECORDED.lines().filter(|l| !l.starts_with('#')) {
            let [set, kind, hex] = line.split(' ').collect::<Vec<_>>().try_into().expect("three columns");
            let wire = crate::packet::tests::unhex(hex);
            let from = EthernetPacket::new(&wire).expect("a frame").get_source();
            let mac = Mac(from.octets());
            let vip = match kind {
                "arp" => IpAddr::from(<[u8; 4]>::try_from(&wire[28..32]).expect("four")),
                _ => IpAddr::from(<[u8; 16]>::try_from(&wire[62..78]).expect("sixteen")),
            };
            assert_eq!(frame(mac, vip), wire, "{set} {vip}");
            seen += 1;
        }
        assert!(seen >= 20, "{seen} frames");
    }

    const RECORDED: &str = include_str!("../tests/fixtures/announcements.txt");
}
