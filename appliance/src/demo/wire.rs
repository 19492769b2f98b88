//! A machine that only listens: the adverts as they arrive at the client.
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

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
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP_PROTOCOL)))?;
    socket.join_multicast_v4(&VRRP_GROUP, &CLIENT)?;
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

/// Reads an IPv4 packet with a VRRPv3 advertisement of one of the two nodes; anything else is nobody's business
/// here.
fn decode(packet: &[u8]) -> Option<Advert> {
    // RFC 791 §3.1: the header length is in 32-bit words, the source address at octet 12.
    let header_length = usize::from(packet.first()? & 0x0f) * 4;
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let vrrp = packet.get(header_length..)?;
    // RFC 9568 §5.1: version and type, VRID, priority, count, then 12 bits of centiseconds.
    let [version_and_type, vrid, priority, _count, interval_high, interval_low, ..] = *vrrp else {
        return None;
    };
    if version_and_type != VERSION_3_ADVERTISEMENT || vrid != VRID {
        return None;
    }
    let centiseconds = u16::from_be_bytes([interval_high & 0x0f, interval_low]);
    Some(Advert {
        from: Node::by_addr(Ipv4Addr::from(source))?,
        priority,
        interval: Duration::from_millis(u64::from(centiseconds) * 10),
    })
}

/// RFC 9568 §5.1.1.4.
const VRRP_PROTOCOL: i32 = 112;
/// RFC 9568 §5.1.1.2.
const VRRP_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// RFC 9568 §5.2.1 and §5.2.2.
const VERSION_3_ADVERTISEMENT: u8 = 0x31;

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: [u8; 4], vrrp: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x46, 0xc0, 0, 40, 0, 0, 0, 0, 255, 112, 0, 0];
        packet.extend(source);
        packet.extend([224, 0, 0, 18, 0x94, 4, 0, 0]);
        packet.extend(vrrp);
        packet
    }

    #[test]
    fn an_advert_is_read_behind_header_options() {
        let heard = decode(&packet([10, 99, 0, 1], &[0x31, 51, 150, 1, 0, 10, 0, 0, 10, 99, 0, 50]));
        let expected = Advert { from: Node::Lb1, priority: 150, interval: Duration::from_millis(100) };
        assert_eq!(heard, Some(expected));
    }

    #[test]
    fn what_is_not_an_advert_of_the_pair_is_passed_over() {
        let good = [0x31, 51, 150, 1, 0, 10, 0, 0];
        let cases: [(&str, Vec<u8>); 5] = [
            ("another router", packet([10, 99, 0, 1], &[0x31, 52, 150, 1, 0, 10])),
            ("another sender", packet([10, 99, 0, 9], &good)),
            ("version 2", packet([10, 99, 0, 1], &[0x21, 51, 150, 1, 0, 1, 0, 0])),
            ("cut off", packet([10, 99, 0, 1], &good[..5])),
            ("empty", Vec::new()),
        ];
        for (name, bytes) in cases {
            assert_eq!(decode(&bytes), None, "{name}");
        }
    }
}
