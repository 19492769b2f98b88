//! The VRRP thread's end of the guard's socket, and the list of what is held. Never waits: a guard that does not read
//! is noticed by its silence.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::guard_leases::MAX_FAREWELLS;
use super::guard_wire::{GuardMessage, GuardedAddress, MAX_ADDRESSES, MAX_BYTES};
use crate::event::AdvertCopy;
use crate::types::RouterId;

/// How the guard does, as the VRRP thread sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardStatus {
    /// A guard's socket is attached and its other end is open.
    pub connected: bool,
    /// When the guard last answered.
    pub last_ack: Option<Instant>,
    /// Beats sent since the last answer.
    pub unanswered: u32,
    /// Messages that could not be sent because the guard did not read.
    pub unsent: u64,
}

/// The socket, if a guard is attached, and everything a newly attached one must be told.
#[derive(Debug, Default)]
pub(crate) struct GuardLink {
    socket: Option<OwnedFd>,
    held: BTreeMap<RouterId, Held>,
    sequence: u32,
    status: GuardStatus,
    /// What the link before this one called its routers, and what they are called now, as long as the guard has not heard
    /// of the latter.
    renamed: Vec<(RouterId, RouterId)>,
    /// A `Hold` or a `Farewell` could not be sent; all are sent again with the next beat.
    behind: bool,
}

#[derive(Debug)]
struct Held {
    addresses: BTreeSet<GuardedAddress>,
    until: Duration,
    /// What the guard says when it takes the addresses off.
    farewells: Vec<AdvertCopy>,
}

impl GuardLink {
    /// Takes the socket of a new guard and tells it what is held. The socket before, if any, is closed, which makes
    /// its guard take everything off; the caller starts a new guard only when the old one is gone.
    pub(crate) fn attach(&mut self, socket: OwnedFd) {
        // Closing the old one takes it out of epoll.
        self.socket = Some(closed_early(socket));
        self.status = GuardStatus { connected: true, unanswered: 0, ..self.status };
        self.send_all();
    }

    /// Goes on with a guard that knows these routers by the numbers before, and has been sent so many beats.
    pub(crate) fn go_on(&mut self, sequence: u32, renamed: Vec<(RouterId, RouterId)>) {
        (self.sequence, self.renamed) = (sequence, renamed);
    }

    /// Lets go of the socket, without a word to the guard: the next link goes on with it. With the last beat's number.
    pub(crate) fn let_go(&mut self) -> (Option<OwnedFd>, u32) {
        self.held.clear();
        (self.socket.take(), self.sequence)
    }

    /// The socket, to be waited for.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn status(&self) -> GuardStatus {
        self.status
    }

    /// Every address held, of all routers.
    pub(crate) fn held(&self) -> impl Iterator<Item = &GuardedAddress> {
        self.held.values().flat_map(|h| &h.addresses)
    }

    /// The router is about to have these addresses, besides what it has; until then, unless its lease runs. Who takes
    /// them off for it says these farewells.
    pub(crate) fn hold(
        &mut self,
        router: RouterId,
        now: Duration,
        until: Duration,
        addresses: &[GuardedAddress],
        farewells: Vec<AdvertCopy>,
    ) {
        let fresh = || Held { addresses: BTreeSet::new(), until, farewells: Vec::new() };
        let held = self.held.entry(router).or_insert_with(fresh);
        held.addresses.extend(addresses);
        held.farewells = farewells;
        if held.until <= now {
            held.until = until;
        }
        self.send_hold(router);
        self.forget_old_numbers(router);
    }

    /// The guard knows the addresses of this router by its number of now.
    fn forget_old_numbers(&mut self, router: RouterId) {
        let Some(at) = self.renamed.iter().position(|(_, now)| *now == router) else { return };
        let (before, _) = self.renamed.swap_remove(at);
        let is_used = self.held.contains_key(&before) || self.renamed.iter().any(|(was, _)| *was == before);
        if before != router && !is_used {
            self.send(&GuardMessage::Release { router: before });
        }
    }

    /// These addresses of the router are off.
    pub(crate) fn release(&mut self, router: RouterId, addresses: &[GuardedAddress]) {
        let Some(held) = self.held.get_mut(&router) else { return };
        held.addresses.retain(|a| !addresses.contains(a));
        // Whoever lets go has said so itself, or had a reason not to.
        held.farewells.clear();
        if held.addresses.is_empty() {
            self.held.remove(&router);
            self.send(&GuardMessage::Release { router });
        } else {
            self.send_hold(router);
        }
    }

    /// Everything is off.
    pub(crate) fn release_all(&mut self) {
        for router in std::mem::take(&mut self.held).into_keys() {
            self.send(&GuardMessage::Release { router });
        }
    }

    /// An advert of the router was really sent. Its farewells change with its source address and its peers.
    pub(crate) fn beat(&mut self, router: RouterId, until: Duration, farewells: Vec<AdvertCopy>) {
        let Some(held) = self.held.get_mut(&router) else { return };
        held.until = until;
        // A router without a farewell is about to release its addresses.
        let changed = !farewells.is_empty() && held.farewells != farewells;
        if changed {
            held.farewells = farewells;
        }
        if std::mem::take(&mut self.behind) {
            self.send_all();
        } else if changed {
            self.behind |= !self.send_farewells(router);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&GuardMessage::Beat { router, until, sequence: self.sequence });
        self.status.unanswered = self.status.unanswered.saturating_add(1);
    }

    /// Reads the answers. `true`: the guard is gone; its socket is closed.
    pub(crate) fn read_answers(&mut self, now: Instant) -> bool {
        let mut buffer = [0; MAX_BYTES];
        while let Some(socket) = &self.socket {
            match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) if length > 0 => {
                    let message = buffer.get(..length).and_then(GuardMessage::decode);
                    if let Some(GuardMessage::Ack { sequence, .. }) = message {
                        self.status.last_ack = Some(now);
                        self.status.unanswered = self.sequence.wrapping_sub(sequence);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return false,
                Ok(_) | Err(_) => {
                    self.detach();
                    return true;
                }
            }
        }
        false
    }

    /// Closes the socket.
    pub(crate) fn detach(&mut self) {
        self.socket = None;
        self.status.connected = false;
    }

    fn send_all(&mut self) {
        let routers: Vec<_> = self.held.keys().copied().collect();
        for router in routers {
            self.send_hold(router);
        }
    }

    fn send_hold(&mut self, router: RouterId) {
        let Some(held) = self.held.get(&router) else { return };
        let addresses: Vec<_> = held.addresses.iter().copied().collect();
        let until = held.until;
        let mut parts = addresses.chunks(MAX_ADDRESSES);
        let first = parts.next().unwrap_or_default().to_vec();
        let mut sent = self.send(&GuardMessage::Hold { router, until, addresses: first });
        for part in parts {
            sent &= self.send(&GuardMessage::HoldMore { router, addresses: part.to_vec() });
        }
        sent &= self.send_farewells(router);
        self.behind |= !sent;
    }

    fn send_farewells(&mut self, router: RouterId) -> bool {
        let copies = self.held.get(&router).map(|h| h.farewells.clone()).unwrap_or_default();
        let mut sent = true;
        for (i, copy) in copies.into_iter().take(MAX_FAREWELLS).enumerate() {
            sent &= self.send(&GuardMessage::Farewell { router, first: i == 0, copy });
        }
        sent
    }

    /// A guard that is gone is found by [`Self::read_answers`]: its end of the socket is readable then.
    fn send(&mut self, message: &GuardMessage) -> bool {
        let Some(socket) = &self.socket else { return true };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let sent = send(socket.as_raw_fd(), &message.encode(), flags).is_ok();
        self.status.unsent += u64::from(!sent);
        sent
    }
}

/// A descriptor with a number above those of the driver's own sockets, which are open already. When a process dies the
/// kernel lets go of its descriptors from the highest down, and a packet socket on the way takes milliseconds.
fn closed_early(socket: OwnedFd) -> OwnedFd {
    socket.try_clone().unwrap_or(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::clock::BootClock;
    use crate::types::IfIndex;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    const R: RouterId = RouterId(0);
    const NOW: Duration = Duration::from_secs(8);
    const UNTIL: Duration = Duration::from_secs(9);

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    fn addresses(count: u16) -> Vec<GuardedAddress> {
        let address = |i: u16| {
            let [a, b] = i.to_be_bytes();
            GuardedAddress { ifindex: IfIndex::new(1).unwrap(), addr: [10, 0, a, b].into(), prefix_len: 32 }
        };
        (0..count).map(address).collect()
    }

    fn received(fd: &OwnedFd) -> Vec<GuardMessage> {
        let mut buffer = [0; MAX_BYTES];
        let mut found = Vec::new();
        while let Ok(length @ 1..) = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            found.push(GuardMessage::decode(&buffer[..length]).unwrap());
        }
        found
    }

    #[test]
    fn parts_of_a_router_come_and_go() {
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        let all = addresses(2);
        link.hold(R, NOW, UNTIL, &all[..1], vec![]);
        link.hold(R, NOW, UNTIL, &all[1..], vec![]);
        link.release(R, &all[..1]);
        link.release(R, &all[1..]);
        let hold = |list: &[GuardedAddress]| GuardMessage::Hold {
            router: R,
            until: UNTIL,
            addresses: list.to_vec(),
        };
        let expected = [hold(&all[..1]), hold(&all), hold(&all[1..]), GuardMessage::Release { router: R }];
        assert_eq!(received(&guard), expected);
        assert_eq!(link.held().count(), 0);
    }

    #[test]
    fn more_addresses_do_not_prolong_a_running_lease() {
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        let later = UNTIL + Duration::from_secs(1);
        link.hold(R, NOW, UNTIL, &addresses(1), vec![]);
        link.hold(R, NOW, later, &addresses(2), vec![]);
        link.hold(R, UNTIL, later, &addresses(2), vec![]);
        let ends: Vec<_> = received(&guard)
            .into_iter()
            .map(|m| if let GuardMessage::Hold { until, .. } = m { Some(until) } else { None })
            .collect();
        assert_eq!(ends, [Some(UNTIL), Some(UNTIL), Some(later)]);
    }

    #[test]
    fn a_new_guard_is_told_everything_even_many_addresses() {
        let mut link = GuardLink::default();
        link.hold(R, NOW, UNTIL, &addresses(130), vec![]);
        let (ours, guard) = pair();
        link.attach(ours);
        let sizes: Vec<_> = received(&guard)
            .into_iter()
            .map(|m| match m {
                GuardMessage::Hold { addresses, until: UNTIL, .. } => (true, addresses.len()),
                GuardMessage::HoldMore { addresses, .. } => (false, addresses.len()),
                m @ (GuardMessage::Hold { .. }
                | GuardMessage::Beat { .. }
                | GuardMessage::Release { .. }
                | GuardMessage::Farewell { .. }
                | GuardMessage::Ack { .. }) => panic!("{m:?}"),
            })
            .collect();
        assert_eq!(sizes, [(true, 64), (false, 64), (false, 2)]);
    }

    #[test]
    fn silence_and_death_are_noticed() {
        let now = BootClock::start().unwrap().now();
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        link.hold(R, NOW, UNTIL, &addresses(1), vec![]);
        for _ in 0..3 {
            link.beat(R, UNTIL, vec![]);
        }
        assert_eq!(link.status().unanswered, 3);
        let ack = GuardMessage::Ack { router: R, sequence: 2 };
        send(guard.as_raw_fd(), &ack.encode(), MsgFlags::empty()).unwrap();
        assert!(!link.read_answers(now));
        assert_eq!((link.status().unanswered, link.status().last_ack), (1, Some(now)));
        drop(guard);
        link.beat(R, UNTIL, vec![]);
        assert!(link.read_answers(now));
        assert!(!link.status().connected);
        assert!(link.socket().is_none());
    }

    #[test]
    fn what_a_stuck_guard_missed_is_sent_again() {
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        let list = addresses(1);
        link.hold(R, NOW, UNTIL, &list, vec![]);
        while link.status().unsent == 0 {
            link.beat(R, UNTIL, vec![]);
        }
        link.hold(R, NOW, UNTIL, &addresses(2), vec![]);
        received(&guard);
        link.beat(R, UNTIL, vec![]);
        let hold = GuardMessage::Hold { router: R, until: UNTIL, addresses: addresses(2) };
        assert_eq!(received(&guard).first(), Some(&hold));
    }

    #[test]
    fn beats_without_addresses_are_not_sent() {
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        link.beat(R, UNTIL, vec![]);
        assert_eq!(received(&guard), []);
    }

    fn copy(last: u8) -> AdvertCopy {
        AdvertCopy {
            ifindex: IfIndex::new(1).unwrap(),
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, last].into(),
            bytes: vec![0x31, 7, 0],
        }
    }

    #[test]
    fn farewells_are_told_when_they_change_and_to_a_new_guard() {
        let farewell = |first, last| GuardMessage::Farewell { router: R, first, copy: copy(last) };
        let hold = || GuardMessage::Hold { router: R, until: UNTIL, addresses: addresses(1) };
        let beat = |sequence| GuardMessage::Beat { router: R, until: UNTIL, sequence };
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        link.hold(R, NOW, UNTIL, &addresses(1), vec![copy(2)]);
        assert_eq!(received(&guard), [hold(), farewell(true, 2)]);
        link.beat(R, UNTIL, vec![copy(2)]);
        assert_eq!(received(&guard), [beat(1)]);
        link.beat(R, UNTIL, vec![copy(2), copy(3)]);
        assert_eq!(received(&guard), [farewell(true, 2), farewell(false, 3), beat(2)]);
        let (ours, guard) = pair();
        link.attach(ours);
        assert_eq!(received(&guard), [hold(), farewell(true, 2), farewell(false, 3)]);
        link.beat(R, UNTIL, vec![]);
        assert_eq!(received(&guard), [beat(3)], "about to release");
    }

    #[test]
    fn a_removal_that_fails_in_part_leaves_nothing_to_say() {
        let (ours, guard) = pair();
        let mut link = GuardLink::default();
        link.attach(ours);
        link.hold(R, NOW, UNTIL, &addresses(2), vec![copy(2)]);
        received(&guard);
        link.release(R, &addresses(2)[1..]);
        assert_eq!(
            received(&guard),
            [GuardMessage::Hold { router: R, until: UNTIL, addresses: addresses(1) }]
        );
    }
}
