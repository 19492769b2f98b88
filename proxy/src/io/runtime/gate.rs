//! How many connections of clients there may be.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

use crate::plan::{FrontendId, Plan};

/// Counts connections of clients over all threads and keeps them within `maxconn`.
#[derive(Debug)]
pub(in crate::io) struct Gate {
    process: Count,
    frontends: Box<[Count]>,
    /// Rings when the last connection has ended.
    emptied: Notify,
    /// Rings for one thread when another one needs room that it cannot make itself.
    needed: Notify,
    /// The frontend that needs it; [`ANY`]: the process.
    needs: AtomicU32,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io) enum Full {
    Process,
    Frontend(FrontendId),
}

/// A count and its limit, on a pair of cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Count {
    now: AtomicU32,
    most: u32,
}

impl Count {
    fn new(most: u32) -> Self {
        Self { now: AtomicU32::new(0), most }
    }

    fn enter(&self) -> bool {
        let room = |now: u32| (now < self.most).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    fn is_full(&self) -> bool {
        self.now.load(Ordering::Relaxed) >= self.most
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    pub(super) fn new(plan: &Plan) -> Self {
        let most = plan.global.maxconn;
        let frontends = plan.frontends().iter().map(|f| Count::new(f.maxconn.unwrap_or(most))).collect();
        Self::with(Count::new(most), frontends)
    }

    fn with(process: Count, frontends: Box<[Count]>) -> Self {
        Self { process, frontends, emptied: Notify::new(), needed: Notify::new(), needs: AtomicU32::new(ANY) }
    }

    /// Lets one connection in, until the permit is dropped. `None`: a limit is reached.
    pub(in crate::io) fn enter(self: &Arc<Self>, frontend: FrontendId) -> Option<Permit> {
        let count = self.frontends.get(usize::from(frontend.0))?;
        if !self.process.enter() {
            return None;
        }
        if !count.enter() {
            self.process.leave();
            return None;
        }
        Some(Permit { gate: Arc::clone(self), frontend })
    }

    /// The limit that keeps connections of a frontend out, if one does.
    pub(in crate::io) fn full(&self, frontend: FrontendId) -> Option<Full> {
        if self.process.is_full() {
            return Some(Full::Process);
        }
        let of_frontend = self.frontends.get(usize::from(frontend.0))?;
        of_frontend.is_full().then_some(Full::Frontend(frontend))
    }

    /// Asks the threads, one after the other from call to call, to make room.
    pub(in crate::io) fn ask_for_room(&self, full: Full) {
        let needs = match full {
            Full::Process => ANY,
            Full::Frontend(frontend) => u32::from(frontend.0),
        };
        self.needs.store(needs, Ordering::Relaxed);
        self.needed.notify_one();
    }

    /// Waits until a thread asks for room. Two that ask at once may get an answer meant for the other; they ask again.
    pub(in crate::io) async fn asked_for_room(&self) -> Full {
        self.needed.notified().await;
        let needs = u16::try_from(self.needs.load(Ordering::Relaxed));
        needs.map_or(Full::Process, |frontend| Full::Frontend(FrontendId(frontend)))
    }

    /// Waits until there are no connections, or until `deadline`. How many are left.
    pub(super) async fn empty(&self, deadline: Instant) -> u32 {
        let empty = async {
            loop {
                let mut rung = pin!(self.emptied.notified());
                // From here on a bell is not missed.
                rung.as_mut().enable();
                if self.connections() == 0 {
                    return;
                }
                rung.await;
            }
        };
        // Cancel-safe: it only waits. Whether it came to its end is in the count.
        let _in_time = tokio::time::timeout_at(deadline.into(), empty).await;
        self.connections()
    }

    /// Connections of the process.
    pub(in crate::io) fn connections(&self) -> u32 {
        self.process.now.load(Ordering::SeqCst)
    }

    /// Connections of one frontend.
    pub(in crate::io) fn of_frontend(&self, frontend: FrontendId) -> u32 {
        self.frontends.get(usize::from(frontend.0)).map_or(0, |c| c.now.load(Ordering::Relaxed))
    }
}

/// The right of one connection to be there.
#[derive(Debug)]
pub(in crate::io) struct Permit {
    gate: Arc<Gate>,
    frontend: FrontendId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.process.leave();
        if let Some(count) = self.gate.frontends.get(usize::from(self.frontend.0)) {
            count.leave();
        }
        if self.gate.connections() == 0 {
            self.gate.emptied.notify_waiters();
        }
    }
}

/// No frontend has this number.
const ANY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_permits_come_back() {
        let (one, two) = (FrontendId(0), FrontendId(1));
        let gate = Arc::new(Gate::with(Count::new(3), [Count::new(2), Count::new(9)].into()));
        let first = gate.enter(one).unwrap();
        let _second = gate.enter(one).unwrap();
        assert!(gate.enter(one).is_none());
        assert_eq!((gate.connections(), gate.of_frontend(one)), (2, 2));
        let _third = gate.enter(two).unwrap();
        assert!(gate.enter(two).is_none());
        assert_eq!(gate.full(two), Some(Full::Process));
        drop(first);
        assert!(gate.enter(one).is_some());
        assert_eq!((gate.connections(), gate.of_frontend(one), gate.of_frontend(two)), (2, 1, 1));
        assert_eq!((gate.full(one), gate.full(two)), (None, None));
        let _first = gate.enter(one).unwrap();
        assert_eq!(gate.full(one), Some(Full::Process));
        assert!(gate.enter(FrontendId(2)).is_none());
    }
}
