//! A machine that only listens: the adverts as they arrive at the client.
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use evenkeel_vrrp::packet::{self, Envelope};
use evenkeel_vrrp::types::Version;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::cast::{CLIENT, Node, VRID};
use super::event::{Advert, Listening, Reporter, What};
use super::netns::NetNs;
use super::resident::{Resident, Stopped};

/// Joins the VRRP group in `netns` and reports every advert of the pair.
///
/// # Errors
/// When the socket cannot be had.
pub(super) fn listen(netns: &NetNs, reporter: Reporter) -> io::Result<Resident> {
    Resident::settle(netns, "wire", open_socket, async move |socket, stopped| {
        hear(&socket, &reporter, stopped).await
    })
}

/// Datagrams are datagrams: tokio's UDP socket waits for those of a raw socket as well.
fn open_socket() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(packet::PROTOCOL))))?;
    socket.join_multicast_v4(&packet::GROUP_V4, &CLIENT)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(std::net::UdpSocket::from(socket))
}

async fn hear(socket: &UdpSocket, reporter: &Reporter, mut stopped: Stopped) -> io::Result<()> {
    let mut packet = [0_u8; 2048];
    loop {
        let length = tokio::select! {
            // Cancel-safety: `recv` takes a datagram only when it returns it.
            _ = &mut stopped => return Ok(()),
            length = socket.recv(&mut packet) => length?,
        };
        let heard = packet.get(..length).and_then(decode);
        if heard.is_some_and(|advert| reporter.report(What::Advert(advert)) == Listening::No) {
            return Ok(());
        }
    }
}

/// Reads an IPv4 packet with a well-formed advertisement of one of the two nodes; anything else is nobody's business
/// here.
fn decode(packet: &[u8]) -> Option<Advert> {
    // RFC 791 §3.1: the header length is in 32-bit words, the addresses are at octets 12 and 16.
    let header_length = usize::from(packet.first()? & 0x0f) * 4;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    let (src, dst) = (address(12)?, address(16)?);
    let envelope = Envelope { version: Version::V3, src: IpAddr::V4(src), dst: IpAddr::V4(dst) };
    let advert = packet::Advert::decode(packet.get(header_length..)?, &envelope).ok()?.advert;
    if advert.vrid.value() != VRID {
        return None;
    }
    let (priority, interval) = (advert.priority.value(), advert.interval.duration());
    Some(Advert { from: Node::by_addr(src)?, priority, interval })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_vrrp::config::ChecksumForm;
    use evenkeel_vrrp::types::{Centis, Priority, Vrid};

    use super::super::cast::VIP;
    use super::*;

    /// An advert of `source` behind an IPv4 header with a router alert, as it is read from the socket.
    fn packet(source: Ipv4Addr, vrid: u8) -> Vec<u8> {
        let advert = packet::Advert {
            version: Version::V3,
            vrid: Vrid::new(vrid).unwrap(),
            priority: Priority::new(150),
            interval: Centis::new(10).unwrap(),
            auth: packet::Auth::None,
            addresses: vec![IpAddr::V4(VIP)],
        };
        let mut packet = vec![0x46, 0xc0, 0, 36, 0, 0, 0, 0, 255, 112, 0, 0];
        packet.extend(source.octets());
        packet.extend(packet::GROUP_V4.octets());
        packet.extend([0x94, 4, 0, 0]);
        packet.extend(advert.encode(ChecksumForm::Rfc5798, IpAddr::V4(source), IpAddr::V4(packet::GROUP_V4)));
        packet
    }

    #[test]
    fn an_advert_is_read_behind_header_options() {
        let heard = decode(&packet(Node::Lb1.addr(), VRID));
        let expected = Advert { from: Node::Lb1, priority: 150, interval: Duration::from_millis(100) };
        assert_eq!(heard, Some(expected));
    }

    #[test]
    fn what_is_not_an_advert_of_the_pair_is_passed_over() {
        let good = packet(Node::Lb1.addr(), VRID);
        let mut damaged = good.clone();
        *damaged.last_mut().unwrap() ^= 1;
        let cases = [
            ("another router", packet(Node::Lb1.addr(), VRID + 1)),
            ("another sender", packet(CLIENT, VRID)),
            ("bad checksum", damaged),
            ("cut off", good[..good.len() - 1].to_vec()),
            ("header only", good[..24].to_vec()),
            ("empty", Vec::new()),
        ];
        for (name, bytes) in cases {
            assert_eq!(decode(&bytes), None, "{name}");
        }
    }
}
