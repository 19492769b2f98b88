//! Who had an address when: address events of every node's kernel on one clock.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::topology::Host;

/// Follows the addresses of two nodes.
#[derive(Debug)]
pub struct Ownership {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    changes: Mutex<Vec<Change>>,
}

/// An address came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When the event was read.
    pub at: Instant,
    /// Position of the host in the list given to [`Ownership::watch`].
    pub host: usize,
    /// The address.
    pub addr: IpAddr,
    /// Came (also on each refresh), or went.
    pub added: bool,
}

impl Ownership {
    /// Starts to follow; what is on the hosts already is not seen.
    pub fn watch(hosts: &[&Host]) -> Self {
        let shared = Arc::new(Shared::default());
        let threads = hosts.iter().enumerate().map(|(number, host)| {
            let socket = host.ns.run(subscribe);
            let shared = Arc::clone(&shared);
            host.ns.spawn("ownership", move || follow(&socket, number, &shared))
        });
        Self { threads: threads.collect(), shared }
    }

    /// Whether host number `host` has the address now.
    pub fn holds(&self, host: usize, addr: IpAddr) -> bool {
        let changes = self.changes();
        changes.iter().rev().find(|c| c.host == host && c.addr == addr).is_some_and(|c| c.added)
    }

    /// How long both hosts had the address at once, since `from`.
    pub fn both(&self, addr: IpAddr, from: Instant) -> Duration {
        self.with_owners(addr, from, |owners| owners == 2)
    }

    /// How long no host had the address, since `from`.
    pub fn none(&self, addr: IpAddr, from: Instant) -> Duration {
        self.with_owners(addr, from, |owners| owners == 0)
    }

    /// How often the address came to a host that did not have it, since `from`.
    pub fn arrivals(&self, addr: IpAddr, from: Instant) -> usize {
        let mut on = [false; HOSTS];
        let mut arrivals = 0;
        for c in self.changes().iter().filter(|c| c.addr == addr) {
            arrivals += usize::from(c.added && !on[c.host] && c.at >= from);
            on[c.host] = c.added;
        }
        arrivals
    }

    /// All events of an address.
    pub fn of(&self, addr: IpAddr) -> Vec<Change> {
        self.changes().iter().filter(|c| c.addr == addr).copied().collect()
    }

    fn with_owners(&self, addr: IpAddr, from: Instant, wanted: impl Fn(usize) -> bool) -> Duration {
        let mut on = [false; HOSTS];
        let mut since = from;
        let mut sum = Duration::ZERO;
        for c in self.changes().iter().filter(|c| c.addr == addr) {
            if c.at > since {
                if wanted(on.iter().filter(|o| **o).count()) {
                    sum += c.at.duration_since(since);
                }
                since = c.at;
            }
            on[c.host] = c.added;
        }
        if wanted(on.iter().filter(|o| **o).count()) {
            sum += Instant::now().saturating_duration_since(since);
        }
        sum
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, Vec<Change>> {
        self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What a watcher has to say is in its events.
            thread.join().unwrap_or_default();
        }
    }
}

fn subscribe() -> OwnedFd {
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
            .expect("a netlink socket");
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP_IPV4_IFADDR | GROUP_IPV6_IFADDR)).expect("subscribe");
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(100)).expect("a receive timeout");
    socket
}

fn follow(socket: &OwnedFd, host: usize, shared: &Shared) {
    let mut buffer = [0; 16 << 10];
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) else { continue };
        let at = Instant::now();
        let mut rest = &buffer[..length];
        while let Some((message, after)) = split_message(rest) {
            rest = after;
            if let Some((addr, added)) = address_event(message) {
                let mut changes = shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
                changes.push(Change { at, host, addr, added });
            }
        }
    }
}

/// `struct nlmsghdr`: length, type, flags, sequence, port; aligned to 4.
fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let message = bytes.get(..length).filter(|_| length >= 16)?;
    Some((message, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// `struct ifaddrmsg` after the header, then attributes. `IFA_LOCAL` is the address if there is one, else `IFA_ADDRESS`.
fn address_event(message: &[u8]) -> Option<(IpAddr, bool)> {
    let added = match u16_at(message, 4)? {
        RTM_NEWADDR => true,
        RTM_DELADDR => false,
        _ => return None,
    };
    let mut rest = message.get(24..)?;
    let (mut address, mut local) = (None, None);
    while let Some(length) = u16_at(rest, 0).map(usize::from).filter(|length| *length >= 4) {
        let value = rest.get(4..length)?;
        match u16_at(rest, 2)? {
            IFA_ADDRESS => address = ip(value),
            IFA_LOCAL => local = ip(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    local.or(address).map(|addr| (addr, added))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::from(Ipv4Addr::from(b)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|b| IpAddr::from(Ipv6Addr::from(b)))).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

const HOSTS: usize = 2;
/// `linux/rtnetlink.h`.
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const GROUP_IPV4_IFADDR: u32 = 0x10;
const GROUP_IPV6_IFADDR: u32 = 0x100;
/// `linux/if_addr.h`.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
