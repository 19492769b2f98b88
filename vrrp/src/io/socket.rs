//! Raw sockets for IP protocol 112, one per interface and family.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrStorage, recvmsg,
    sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::event::RxMeta;
use crate::types::{Family, IfIndex, IfName};

/// A socket bound to one interface. It hears what is sent to this host or to a joined group, and sends with TTL 255
/// and traffic class 0xc0.
#[derive(Debug)]
pub(crate) struct VrrpSocket {
    socket: Socket,
    family: Family,
    ifindex: IfIndex,
    joined: bool,
}

/// What one read gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A VRRP message, at this place of the buffer.
    Message(RxMeta, Range<usize>),
    /// Something that cannot be a message for this interface.
    Unusable,
    /// Nothing more for now.
    Empty,
}

impl VrrpSocket {
    pub(crate) fn open(family: Family, ifindex: IfIndex, name: &IfName) -> io::Result<Self> {
        let socket = open_raw(family, Some(name), RECEIVE_BUFFER_BYTES)?;
        Ok(Self { socket, family, ifindex, joined: false })
    }

    /// Joins 224.0.0.18 or ff02::12 on the interface. A second call does nothing.
    pub(crate) fn join(&mut self) -> io::Result<()> {
        if self.joined {
            return Ok(());
        }
        let index = self.ifindex.value();
        match self.family {
            Family::V4 => {
                self.socket
                    .join_multicast_v4_n(&GROUP_V4, &socket2::InterfaceIndexOrAddress::Index(index))?;
            }
            Family::V6 => self.socket.join_multicast_v6(&GROUP_V6, index)?,
        }
        self.joined = true;
        Ok(())
    }

    /// Sends one VRRP message from `src`, which must be an address of this host.
    pub(crate) fn send(&self, src: IpAddr, dst: IpAddr, message: &[u8]) -> nix::Result<()> {
        send_on(&self.socket, self.ifindex, (src, dst), message)
    }

    /// Reads one message into `buffer` without waiting.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> nix::Result<Received> {
        let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::c_int);
        let mut data = [IoSliceMut::new(buffer)];
        let fd = self.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let (length, source, arrival) =
            match recvmsg::<SockaddrStorage>(fd, &mut data, Some(&mut control), flags) {
                Ok(m) if m.flags.contains(MsgFlags::MSG_TRUNC) => return Ok(Received::Unusable),
                Ok(m) => (m.bytes, m.address, Arrival::read(m.cmsgs()?)),
                Err(Errno::EAGAIN) => return Ok(Received::Empty),
                Err(e) => return Err(e),
            };
        let found = match self.family {
            Family::V4 => buffer.get(..length).and_then(|packet| parse_v4(packet, &arrival)),
            Family::V6 => source.and_then(|s| parse_v6(&s, length, &arrival)),
        };
        Ok(match found {
            Some((meta, place)) if meta.ifindex == self.ifindex => Received::Message(meta, place),
            _ => Received::Unusable,
        })
    }
}

impl AsFd for VrrpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A raw socket that sends as adverts have to be sent, bound to an interface or to none.
pub(crate) fn open_raw(family: Family, device: Option<&IfName>, receive_buffer: usize) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(IPPROTO_VRRP)))?;
    if let Some(name) = device {
        socket.bind_device(Some(name.as_str().as_bytes()))?;
    }
    match family {
        Family::V4 => set_up_v4(&socket)?,
        Family::V6 => set_up_v6(&socket)?,
    }
    // After the traffic class, which sets a priority of its own.
    setsockopt(&socket, sockopt::Priority, &TC_PRIO_CONTROL)?;
    // Without CAP_NET_ADMIN the size is limited by net.core.rmem_max.
    if setsockopt(&socket, sockopt::RcvBufForce, &receive_buffer).is_err() {
        socket.set_recv_buffer_size(receive_buffer)?;
    }
    Ok(socket)
}

/// Sends one VRRP message on an interface, from an address of this host.
pub(crate) fn send_on(
    socket: &Socket,
    ifindex: IfIndex,
    (src, dst): (IpAddr, IpAddr),
    message: &[u8],
) -> nix::Result<()> {
    let data = [IoSlice::new(message)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let sent = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let info = pktinfo_v4(ifindex, src);
            let to = SockaddrIn::from(SocketAddrV4::new(dst, 0));
            sendmsg(fd, &data, &[ControlMessage::Ipv4PacketInfo(&info)], flags, Some(&to))?
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let info = pktinfo_v6(ifindex, src);
            let to = SockaddrIn6::from(SocketAddrV6::new(dst, 0, 0, ifindex.value()));
            sendmsg(fd, &data, &[ControlMessage::Ipv6PacketInfo(&info)], flags, Some(&to))?
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            return Err(Errno::EAFNOSUPPORT);
        }
    };
    if sent == message.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
}

/// What the control messages of a datagram say.
#[derive(Debug, Default)]
struct Arrival {
    ifindex: Option<IfIndex>,
    destination_v6: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
}

impl Arrival {
    fn read(messages: impl Iterator<Item = ControlMessageOwned>) -> Self {
        let mut arrival = Self::default();
        for message in messages {
            #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
            match message {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    arrival.ifindex = u32::try_from(info.ipi_ifindex).ok().and_then(IfIndex::new);
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    arrival.ifindex = IfIndex::new(info.ipi6_ifindex);
                    arrival.destination_v6 = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
                }
                ControlMessageOwned::Ipv6HopLimit(limit) => arrival.hop_limit = u8::try_from(limit).ok(),
                _ => {}
            }
        }
        arrival
    }
}

/// An IPv4 raw socket delivers the IP header too; it says all but the interface.
fn parse_v4(packet: &[u8], arrival: &Arrival) -> Option<(RxMeta, Range<usize>)> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if header < 20 || header > packet.len() {
        return None;
    }
    let address =
        |at: usize| -> Option<Ipv4Addr> { Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into()) };
    let meta = RxMeta {
        ifindex: arrival.ifindex?,
        src: address(12)?.into(),
        dst: address(16)?.into(),
        hop_limit: *packet.get(8)?,
    };
    Some((meta, header..packet.len()))
}

fn parse_v6(source: &SockaddrStorage, length: usize, arrival: &Arrival) -> Option<(RxMeta, Range<usize>)> {
    let meta = RxMeta {
        ifindex: arrival.ifindex?,
        src: source.as_sockaddr_in6()?.ip().into(),
        dst: arrival.destination_v6?.into(),
        hop_limit: arrival.hop_limit?,
    };
    Some((meta, 0..length))
}

fn set_up_v4(socket: &Socket) -> io::Result<()> {
    socket.set_multicast_all_v4(false)?;
    socket.set_multicast_loop_v4(false)?;
    socket.set_multicast_ttl_v4(HOP_LIMIT)?;
    socket.set_ttl_v4(HOP_LIMIT)?;
    socket.set_tos_v4(TRAFFIC_CLASS)?;
    setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    Ok(())
}

/// Freebind, because the source of the adverts can be a link-local address of the parent of the macvlan they leave through.
fn set_up_v6(socket: &Socket) -> io::Result<()> {
    socket.set_freebind_v6(true)?;
    socket.set_multicast_all_v6(false)?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_multicast_hops_v6(HOP_LIMIT)?;
    socket.set_unicast_hops_v6(HOP_LIMIT)?;
    socket.set_tclass_v6(TRAFFIC_CLASS)?;
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(())
}

fn pktinfo_v4(ifindex: IfIndex, src: Ipv4Addr) -> libc::in_pktinfo {
    libc::in_pktinfo {
        ipi_ifindex: i32::try_from(ifindex.value()).unwrap_or(0),
        ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(src.octets()) },
        ipi_addr: libc::in_addr { s_addr: 0 },
    }
}

fn pktinfo_v6(ifindex: IfIndex, src: Ipv6Addr) -> libc::in6_pktinfo {
    libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: src.octets() }, ipi6_ifindex: ifindex.value() }
}

/// RFC 9568 §5.1.1.4.
const IPPROTO_VRRP: i32 = 112;
/// RFC 9568 §5.1.1.2 and §5.1.2.2.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// RFC 9568 §5.1.1.3 and §5.1.2.3: must be 255.
const HOP_LIMIT: u32 = 255;
/// CS6, internetwork control, as every implementation sends it.
const TRAFFIC_CLASS: u32 = 0xc0;
/// The queueing class of control traffic (`linux/pkt_sched.h`).
const TC_PRIO_CONTROL: i32 = 7;
/// Room for thousands of adverts while the thread handles a burst.
const RECEIVE_BUFFER_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> Arrival {
        Arrival { ifindex: IfIndex::new(4), destination_v6: None, hop_limit: None }
    }

    #[test]
    fn ipv4_header_is_read_and_skipped() {
        let mut packet = vec![0x46, 0xc0, 0, 36, 0, 1, 0, 0, 255, 112, 0, 0, 10, 77, 0, 2, 224, 0, 0, 18];
        packet.extend([0x94, 4, 0, 0]);
        packet.extend([0x31, 0x33, 0x64, 0x01, 0x00, 0x32, 0x75, 0x3c, 0x0a, 0x4d, 0x00, 0x32]);
        let (meta, place) = parse_v4(&packet, &arrival()).unwrap();
        assert_eq!(place, 24..36);
        assert_eq!((meta.src, meta.dst), ([10, 77, 0, 2].into(), [224, 0, 0, 18].into()));
        assert_eq!((meta.hop_limit, meta.ifindex.value()), (255, 4));
    }

    #[test]
    fn short_or_odd_headers_are_unusable() {
        let packet = [0x45, 0xc0, 0, 20, 0, 1, 0, 0, 255, 112, 0, 0, 10, 77, 0, 2, 224, 0, 0, 18];
        for end in 0..packet.len() {
            assert!(parse_v4(&packet[..end], &arrival()).is_none(), "{end}");
        }
        for first in [0x44, 0x40, 0x46] {
            let mut odd = packet;
            odd[0] = first;
            assert!(parse_v4(&odd, &arrival()).is_none(), "{first:#x}");
        }
        assert!(parse_v4(&packet, &Arrival::default()).is_none(), "no interface told");
    }
}
