//! How many connections of clients there may be.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::Notify;

use crate::plan::{FrontendId, Plan};

/// Counts connections of clients over all threads and keeps them within `maxconn`.
#[derive(Debug)]
pub(in crate::io) struct Gate {
    process: Count,
    frontends: Box<[Count]>,
    /// Rings when the last connection has ended.
    emptied: Notify,
    /// Rings for all threads when a frontend goes on.
    resumed: Notify,
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

/// How many there are, have been at once, and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::io) struct Standing {
    pub(in crate::io) now: u32,
    pub(in crate::io) peak: u32,
    pub(in crate::io) most: u32,
}

/// A count and its limit, on a pair of cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Count {
    now: AtomicU32,
    most: AtomicU32,
    /// Most there have been at once.
    peak: AtomicU32,
    /// Nobody is let in for the time being.
    paused: AtomicBool,
}

impl Count {
    fn new(most: u32) -> Self {
        Self {
            now: AtomicU32::new(0),
            most: AtomicU32::new(most),
            peak: AtomicU32::new(0),
            paused: AtomicBool::new(false),
        }
    }

    fn enter(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let room = |now: u32| (now < most).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }

    fn note_peak(&self) {
        let now = self.now.load(Ordering::Relaxed);
        if now > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(now, Ordering::Relaxed);
        }
    }

    fn is_full(&self) -> bool {
        self.now.load(Ordering::Relaxed) >= self.most.load(Ordering::Relaxed)
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    pub(in crate::io) fn new(plan: &Plan) -> Self {
        let most = plan.global.maxconn;
        let frontends = plan.frontends().iter().map(|f| Count::new(f.maxconn.unwrap_or(most))).collect();
        Self::with(Count::new(most), frontends)
    }

    fn with(process: Count, frontends: Box<[Count]>) -> Self {
        Self {
            process,
            frontends,
            emptied: Notify::new(),
            resumed: Notify::new(),
            needed: Notify::new(),
            needs: AtomicU32::new(ANY),
        }
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

    /// Waits until there are no connections.
    pub(super) async fn empty(&self) {
        loop {
            let mut rung = pin!(self.emptied.notified());
            // From here on a bell is not missed.
            rung.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            rung.await;
        }
    }

    /// Connections of the process.
    pub(in crate::io) fn connections(&self) -> u32 {
        self.process.now.load(Ordering::SeqCst)
    }

    /// How many frontends there are.
    pub(super) fn frontends(&self) -> usize {
        self.frontends.len()
    }

    /// What holds for the process or one frontend, and has held.
    pub(in crate::io) fn standing(&self, of: Full) -> Standing {
        let count = match of {
            Full::Process => Some(&self.process),
            Full::Frontend(id) => self.frontends.get(usize::from(id.0)),
        };
        count.map_or_else(Standing::default, |c| Standing {
            now: c.now.load(Ordering::Relaxed),
            peak: c.peak.load(Ordering::Relaxed),
            most: c.most.load(Ordering::Relaxed),
        })
    }

    /// Changes a limit. Connections beyond it stay.
    pub(in crate::io) fn set_most(&self, of: Full, most: u32) {
        match of {
            Full::Process => self.process.most.store(most, Ordering::Relaxed),
            Full::Frontend(id) => {
                if let Some(count) = self.frontends.get(usize::from(id.0)) {
                    count.most.store(most, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether a frontend lets nobody in for the time being: who comes waits in the backlog.
    pub(in crate::io) fn is_paused(&self, frontend: FrontendId) -> bool {
        self.frontends.get(usize::from(frontend.0)).is_some_and(|c| c.paused.load(Ordering::Relaxed))
    }

    /// Has a frontend let nobody in, or go on.
    pub(in crate::io) fn pause(&self, frontend: FrontendId, paused: bool) {
        if let Some(count) = self.frontends.get(usize::from(frontend.0)) {
            count.paused.store(paused, Ordering::SeqCst);
        }
        if !paused {
            self.resumed.notify_waiters();
        }
    }

    /// Resolves when a frontend goes on.
    pub(in crate::io) fn resumed(&self) -> tokio::sync::futures::Notified<'_> {
        self.resumed.notified()
    }

    /// Lets the largest numbers begin anew with the present ones.
    pub(in crate::io) fn clear_peaks(&self) {
        for count in self.frontends.iter().chain([&self.process]) {
            count.peak.store(count.now.load(Ordering::Relaxed), Ordering::Relaxed);
        }
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

impl Permit {
    /// Somebody has come in by it.
    pub(in crate::io) fn used(self) -> Self {
        self.gate.process.note_peak();
        if let Some(count) = self.gate.frontends.get(usize::from(self.frontend.0)) {
            count.note_peak();
        }
        self
    }
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
