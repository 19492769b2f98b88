//! Frames on the bridge: every advert and announcement that is seen, and hostile ones that are sent.

mod decode;
mod forge;

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::topology::{Host, Lab};

pub use decode::{Announcement, Heard, SeenAdvert};
pub use forge::{Forged, Ipv4Header, advert_v2, advert_v3, reseal};

/// One interesting frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// When it was read.
    pub at: Instant,
    /// Port of the bridge it came in by: the name of the host that sent it.
    pub from: String,
    /// Ethernet source address.
    pub mac: [u8; 6],
    /// What it is.
    pub heard: Heard,
}

/// Listens on every port of the bridge.
#[derive(Debug)]
pub struct Tap {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    frames: Mutex<Vec<Frame>>,
}

impl Tap {
    /// Starts to listen. Cables plugged in later are not seen.
    pub fn start(lab: &Lab) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let (socket, ports) = lab.switch.run(|| (packet_socket(), ports()));
        let thread = lab.switch.spawn("tap", move || listen(&socket, &ports, &theirs));
        Self { shared, thread: Some(thread) }
    }

    /// Everything heard until now.
    pub fn frames(&self) -> Vec<Frame> {
        self.shared.frames.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adverts a host sent since `from`, oldest first.
    pub fn adverts(&self, host: &Host, from: Instant) -> Vec<(Instant, SeenAdvert)> {
        let frames = self.frames().into_iter().filter(|f| f.from == host.name && f.at >= from);
        frames.filter_map(|f| if let Heard::Advert(a) = f.heard { Some((f.at, a)) } else { None }).collect()
    }

    /// Gratuitous ARP and unsolicited NA frames a host sent since `from`.
    pub fn announcements(&self, host: &Host, from: Instant) -> Vec<(Instant, Announcement)> {
        let frames = self.frames().into_iter().filter(|f| f.from == host.name && f.at >= from);
        frames
            .filter_map(|f| if let Heard::Announcement(a) = f.heard { Some((f.at, a)) } else { None })
            .collect()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it heard stays; a panic in it has been printed.
            thread.join().unwrap_or_default();
        }
    }
}

/// Sends ready-made frames from a host's `eth0`.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    target: LinkAddr,
    /// Ethernet address of the interface.
    pub mac: [u8; 6],
}

impl Injector {
    /// On this host.
    pub fn new(host: &Host) -> Self {
        let (socket, target) = host.ns.run(|| {
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None);
            (socket.expect("a packet socket"), links().remove("eth0").expect("eth0"))
        });
        Self { socket, target, mac: target.addr().expect("Ethernet") }
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) {
        sendto(self.socket.as_raw_fd(), frame, &self.target, MsgFlags::empty()).expect("send a frame");
    }
}

fn packet_socket() -> OwnedFd {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll);
    let socket = socket.expect("a packet socket");
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(100)).expect("a receive timeout");
    setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).expect("a large buffer");
    socket
}

fn links() -> BTreeMap<String, LinkAddr> {
    let interfaces = getifaddrs().expect("list the interfaces");
    interfaces.filter_map(|i| Some((i.interface_name, *i.address?.as_link_addr()?))).collect()
}

fn ports() -> BTreeMap<usize, String> {
    links().into_iter().map(|(name, link)| (link.ifindex(), name)).collect()
}

fn listen(socket: &OwnedFd, ports: &BTreeMap<usize, String>, shared: &Shared) {
    let mut buffer = [0; 2048];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok((length, Some(link))) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer) else {
            continue;
        };
        if link.pkttype() == PACKET_OUTGOING {
            continue;
        }
        let at = Instant::now();
        let Some(from) = ports.get(&link.ifindex()).filter(|name| *name != "br0") else { continue };
        if let Some((mac, heard)) = decode::frame(&buffer[..length]) {
            let frame = Frame { at, from: from.clone(), mac, heard };
            shared.frames.lock().unwrap_or_else(PoisonError::into_inner).push(frame);
        }
    }
}

/// `linux/if_packet.h`.
const PACKET_OUTGOING: u8 = 4;
