//! The address of every server, as it is at the moment: written by whoever looks names up, read by data threads and
//! checks without waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::endpoint::Endpoint;
use crate::plan::{Plan, ServerId};

/// Addresses of all servers of one [`Plan`].
#[derive(Debug)]
pub struct Addresses {
    /// Counts changes, over all servers.
    epoch: AtomicU64,
    slots: Box<[Slot]>,
}

/// One server.
#[derive(Debug)]
struct Slot {
    at: ArcSwapOption<Endpoint>,
    /// The epoch its last change began.
    changed: AtomicU64,
}

/// A moment between two changes of addresses. What has an epoch can be asked later whether it is still true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Epoch(u64);

impl Addresses {
    /// As the configuration has them.
    pub fn new(plan: &Plan) -> Self {
        let slot = |at: Option<&Endpoint>| Slot {
            at: ArcSwapOption::new(at.cloned().map(Arc::new)),
            changed: AtomicU64::new(0),
        };
        let slots = plan.servers().iter().map(|s| slot(s.addr.fixed())).collect();
        Self { epoch: AtomicU64::new(0), slots }
    }

    /// Where `server` is. `None`: nobody knows.
    pub fn endpoint(&self, server: ServerId) -> Option<Arc<Endpoint>> {
        self.slots.get(server.0 as usize)?.at.load_full()
    }

    /// The epoch that is. Read before an address is, it says later whether that address is outdated.
    #[inline]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Whether the address of `server` has changed since `epoch`.
    #[inline]
    pub fn is_outdated(&self, server: ServerId, epoch: Epoch) -> bool {
        self.epoch() != epoch
            && self.slots.get(server.0 as usize).is_some_and(|s| s.changed.load(Ordering::Acquire) > epoch.0)
    }

    /// Moves `server`. Whether that is a change. Called by one thread at a time.
    pub fn set(&self, server: ServerId, at: Option<Endpoint>) -> bool {
        let Some(slot) = self.slots.get(server.0 as usize) else { return false };
        if slot.at.load().as_deref() == at.as_ref() {
            return false;
        }
        slot.at.store(at.map(Arc::new));
        // In this order: whoever sees the new epoch sees that this server has changed, and its new address.
        slot.changed.store(self.epoch.load(Ordering::Relaxed) + 1, Ordering::Release);
        self.epoch.fetch_add(1, Ordering::AcqRel);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::balance::fixture;

    #[test]
    fn a_change_outdates_what_was_read_before_it_and_no_other_server() {
        let plan = fixture::plan(vec![fixture::server(1), fixture::server(1)]);
        let addresses = Addresses::new(&plan);
        let (one, two) = (ServerId(0), ServerId(1));
        let before = addresses.epoch();
        let there: Endpoint = SocketAddr::from(([127, 0, 0, 1], 1)).into();
        assert_eq!(addresses.endpoint(one).as_deref(), Some(&there));
        assert!(!addresses.set(one, Some(there)), "the same address is no change");
        assert!(!addresses.is_outdated(one, before));

        let moved: Endpoint = SocketAddr::from(([127, 0, 0, 2], 1)).into();
        assert!(addresses.set(one, Some(moved.clone())));
        assert_eq!(addresses.endpoint(one).as_deref(), Some(&moved));
        assert!(addresses.is_outdated(one, before));
        assert!(!addresses.is_outdated(two, before));

        let after = addresses.epoch();
        assert!(!addresses.is_outdated(one, after));
        assert!(addresses.set(two, None));
        assert!(addresses.endpoint(two).is_none());
        assert!(addresses.is_outdated(two, after) && !addresses.is_outdated(one, after));
        assert!(!addresses.set(ServerId(2), None), "a server of another plan");
    }
}
