//! What the guard remembers: which addresses each router holds and until when. Pure; time is a span since boot.

use std::collections::BTreeMap;
use std::time::Duration;

use super::guard_wire::{GuardMessage, GuardedAddress};
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
}

impl Leases {
    /// Takes a message; the answer to send, if it wants one.
    pub(crate) fn handle(&mut self, message: GuardMessage) -> Option<GuardMessage> {
        match message {
            GuardMessage::Hold { router, until, addresses } => {
                self.0.insert(router, Lease { addresses, until: Some(until) });
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
            GuardMessage::Ack { .. } => None,
        }
    }

    /// When the next lease ends.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        self.0.values().filter_map(|l| l.until).min()
    }

    /// Ends the leases whose time has come and tells their addresses.
    pub(crate) fn end_due(&mut self, now: Duration) -> Vec<GuardedAddress> {
        let due = self.0.values_mut().filter(|l| l.until.is_some_and(|end| end <= now));
        due.flat_map(|lease| {
            lease.until = None;
            lease.addresses.iter().copied()
        })
        .collect()
    }

    /// Every address that may be on.
    pub(crate) fn all(&self) -> Vec<GuardedAddress> {
        self.0.values().flat_map(|l| l.addresses.iter().copied()).collect()
    }
}

/// Far more than a router can use; keeps a mad keeper from filling the guard's memory.
const MAX_HELD: usize = 4096;

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
        assert_eq!(leases.end_due(at(179)), []);
        assert_eq!(leases.end_due(at(180)), [address(1)]);
        assert_eq!(leases.end_due(at(500)), []);
        assert_eq!(leases.next_end(), None);
    }

    #[test]
    fn beat_after_the_end_changes_nothing_until_the_next_hold() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        assert_eq!(leases.end_due(at(100)), [address(1)]);
        assert_eq!(leases.handle(beat(300)), Some(GuardMessage::Ack { router: R, sequence: 9 }));
        assert_eq!(leases.next_end(), None);
        assert_eq!(leases.all(), [address(1)], "still taken off when the keeper dies");
        leases.handle(hold(400));
        assert_eq!(leases.next_end(), Some(at(400)));
    }

    #[test]
    fn release_forgets_and_more_needs_a_hold() {
        let mut leases = Leases::default();
        leases.handle(GuardMessage::HoldMore { router: R, addresses: vec![address(2)] });
        assert_eq!(leases.all(), []);
        leases.handle(hold(100));
        leases.handle(GuardMessage::HoldMore { router: R, addresses: vec![address(2)] });
        assert_eq!(leases.all(), [address(1), address(2)]);
        leases.handle(GuardMessage::Release { router: R });
        assert_eq!((leases.all(), leases.next_end()), (vec![], None));
    }

    #[test]
    fn a_beat_read_late_grants_no_extra_time() {
        let mut leases = Leases::default();
        leases.handle(hold(100));
        leases.handle(beat(150));
        assert_eq!(leases.end_due(at(60_000)), [address(1)], "asleep in between");
    }
}
