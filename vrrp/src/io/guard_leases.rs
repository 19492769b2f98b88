//! What the guard remembers: which addresses each router holds, until when, and what to say when they are taken off.
//! Pure; time is a span since boot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::guard_wire::{GuardMessage, GuardedAddress};
use crate::event::AdvertCopy;
use crate::types::RouterId;

/// The leases of all routers of the node; one entry per router, each with at most [`MAX_HELD`] addresses.
#[derive(Debug, Default)]
pub(crate) struct Leases(BTreeMap<RouterId, Lease>);

#[derive(Debug)]
struct Lease {
    addresses: Vec<GuardedAddress>,
    /// `None`: ended. The addresses are remembered, for a keeper that was frozen between `Hold` and putting them on,
    /// and puts them on when it wakes.
    until: Option<Duration>,
    /// The priority-0 adverts of the router; at most [`MAX_FAREWELLS`].
    farewells: Vec<AdvertCopy>,
}

/// What is to be done about leases that end: the addresses come off, and then it is said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) addresses: Vec<GuardedAddress>,
    pub(crate) farewells: Vec<AdvertCopy>,
}

impl Lease {
    /// What to say, if it has not been said and is news. A guard that itself slept through the end says nothing: the
    /// peers have noticed by then, and this node may have become MASTER again.
    fn farewells(&self, now: Duration) -> &[AdvertCopy] {
        let news = self.until.is_some_and(|end| now < end.saturating_add(NEWS));
        if news { &self.farewells } else { &[] }
    }
}

impl Leases {
    /// Takes a message; the answer to send, if it wants one.
    pub(crate) fn handle(&mut self, message: GuardMessage) -> Option<GuardMessage> {
        match message {
            GuardMessage::Hold { router, until, addresses } => {
                self.0.insert(router, Lease { addresses, until: Some(until), farewells: Vec::new() });
                None
            }
            GuardMessage::HoldMore { router, addresses } => {
                if let Some(lease) = self.0.get_mut(&router) {
                    let room = MAX_HELD.saturating_sub(lease.addresses.len());
                    lease.addresses.extend(addresses.into_iter().take(room));
                }
                None
            }
            GuardMessage::Beat { router, until, sequence } => {
                if let Some(Lease { until: Some(end), .. }) = self.0.get_mut(&router) {
                    *end = until;
                }
                Some(GuardMessage::Ack { router, sequence })
            }
            GuardMessage::Release { router } => {
                self.0.remove(&router);
                None
            }
            GuardMessage::Farewell { router, first, copy } => {
                if let Some(lease) = self.0.get_mut(&router) {
                    if first {
                        lease.farewells.clear();
                    }
                    if lease.farewells.len() < MAX_FAREWELLS {
                        lease.farewells.push(copy);
                    }
                }
                None
            }
            GuardMessage::Ack { .. } => None,
        }
    }

    /// When the next lease ends.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        self.0.values().filter_map(|l| l.until).min()
    }

    /// Ends the leases whose time has come.
    pub(crate) fn end_due(&mut self, now: Duration) -> Ended {
        let mut ended = Ended::default();
        for lease in self.0.values_mut().filter(|l| l.until.is_some_and(|end| end <= now)) {
            ended.addresses.extend(&lease.addresses);
            ended.farewells.extend_from_slice(lease.farewells(now));
            lease.until = None;
        }
        ended
    }

    /// Every address that may be on, with what has not been said yet.
    pub(crate) fn all(&self, now: Duration) -> Ended {
        let leases = self.0.values();
        Ended {
            addresses: leases.clone().flat_map(|l| &l.addresses).copied().collect(),
            farewells: leases.flat_map(|l| l.farewells(now)).cloned().collect(),
        }
    }
}

/// Far more than a router can use; keeps a mad keeper from filling the guard's memory.
const MAX_HELD: usize = 4096;
/// Copies of one router's farewell: unicast peers, in up to three forms of the checksum.
pub(crate) const MAX_FAREWELLS: usize = 96;
/// Our choice: a guard that is scheduled at all is not later than that.
const NEWS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::IfIndex;

    const R: RouterId = RouterId(3);

    fn address(last: u8) -> GuardedAddress {
        GuardedAddress { ifindex: IfIndex::new(2).unwrap(), addr: [192, 0, 2, last].into(), prefix_len: 32 }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn hold(ms: u64) -> GuardMessage {
        GuardMessage::Hold { router: R, until: at(ms), addresses: vec![address(1)] }
    }

    fn beat(ms: u64) -> GuardMessage {
        GuardMessage::Beat { router: R, until: at(ms), sequence: 9 }
    }

    #[test]
    fn lease_ends_once_and_beats_prolong_it() {
        let mut leases = Leases::default();
        assert_eq!(leases.handle(hold(100)), None);
        assert_eq!(leases.next_end(), Some(at(100)));
        assert_eq!(leases.handle(beat(180)), Some(GuardMessage::Ack { router: R, sequence: 9 }));
        assert_eq!(leases.end_due(at(179)).addresses, []);
        assert_eq!(leases.end_due(at(180)).addresses, [address(1)]);
        assert_eq!(leases.end_due(at(500)).addresses, []);
        assert_eq!(leases.next_end(), None);
    }

    #[test]
    fn beat_after_the_end_changes_nothing_until_the_next_hold() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        assert_eq!(leases.end_due(at(100)).addresses, [address(1)]);
        assert_eq!(leases.handle(beat(300)), Some(GuardMessage::Ack { router: R, sequence: 9 }));
        assert_eq!(leases.next_end(), None);
        assert_eq!(leases.all(at(0)).addresses, [address(1)], "still taken off when the keeper dies");
        leases.handle(hold(400));
        assert_eq!(leases.next_end(), Some(at(400)));
    }

    #[test]
    fn release_forgets_and_more_needs_a_hold() {
        let mut leases = Leases::default();
        leases.handle(GuardMessage::HoldMore { router: R, addresses: vec![address(2)] });
        assert_eq!(leases.all(at(0)).addresses, []);
        leases.handle(hold(100));
        leases.handle(GuardMessage::HoldMore { router: R, addresses: vec![address(2)] });
        assert_eq!(leases.all(at(0)).addresses, [address(1), address(2)]);
        leases.handle(GuardMessage::Release { router: R });
        assert_eq!((leases.all(at(0)).addresses, leases.next_end()), (vec![], None));
    }

    #[test]
    fn a_beat_read_late_grants_no_extra_time() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        leases.handle(beat(150));
        assert_eq!(leases.end_due(at(60_000)).addresses, [address(1)], "asleep in between");
    }

    fn farewell(first: bool, last: u8) -> GuardMessage {
        GuardMessage::Farewell { router: R, first, copy: copy(last) }
    }

    fn copy(last: u8) -> AdvertCopy {
        AdvertCopy {
            ifindex: IfIndex::new(2).unwrap(),
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, last].into(),
            bytes: vec![0x31, 7, 0],
        }
    }

    #[test]
    fn the_end_is_said_once() {
        let mut leases = Leases::default();
        leases.handle(farewell(true, 9));
        leases.handle(hold(100));
        assert_eq!(leases.all(at(1)).farewells, [], "not before it holds anything");
        for message in [farewell(true, 7), farewell(true, 8), farewell(false, 9)] {
            assert_eq!(leases.handle(message), None);
        }
        assert_eq!(leases.all(at(1)).farewells, [copy(8), copy(9)]);
        leases.handle(beat(180));
        assert_eq!(leases.end_due(at(180)).farewells, [copy(8), copy(9)]);
        assert_eq!(leases.end_due(at(181)), Ended::default());
        assert_eq!(leases.all(at(181)), Ended { addresses: vec![address(1)], farewells: vec![] });
    }

    #[test]
    fn what_is_no_news_is_not_said() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        leases.handle(farewell(true, 8));
        assert_eq!(leases.all(at(199)).farewells, [copy(8)]);
        assert_eq!(leases.all(at(200)).farewells, []);
        assert_eq!(leases.end_due(at(200)), Ended { addresses: vec![address(1)], farewells: vec![] });
        leases.handle(hold(400));
        assert_eq!(leases.all(at(300)).farewells, [], "a hold begins anew");
        leases.handle(farewell(true, 8));
        leases.handle(GuardMessage::Release { router: R });
        assert_eq!(leases.all(at(300)), Ended::default());
    }

    #[test]
    fn farewells_are_bounded() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        (0..=200).for_each(|i| drop(leases.handle(farewell(false, i))));
        assert_eq!(leases.all(at(1)).farewells.len(), MAX_FAREWELLS);
    }
}
