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
        Self { process, frontends, emptied: Notify::new() }
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
        drop(first);
        assert!(gate.enter(one).is_some());
        assert_eq!((gate.connections(), gate.of_frontend(one), gate.of_frontend(two)), (2, 1, 1));
        assert!(gate.enter(FrontendId(2)).is_none());
    }
}
