//! How many requests a server has and how many it may have.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::plan::ServerLimits;

/// The requests of one server. Every data thread writes it, so it shares its pair of cache lines with nothing.
///
/// A slot is taken and given back by one atomic step each. Whoever gives one back looks for waiting requests *after*
/// that, and whoever begins to wait is counted *before* looking for a free slot, both in one order that all threads
/// agree on (`SeqCst`): so at least one of the two sees the other, and nobody waits beside a free slot.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Slots {
    running: AtomicU32,
    /// Most that may run, slow start included; [`UNLIMITED`]: any number.
    most: AtomicU32,
    /// Waiting for this server in particular.
    waiting: AtomicU32,
    /// Most that may wait for it; [`UNLIMITED`]: any number.
    pub(super) maxqueue: u32,
    /// Most that may run while the backend is idle.
    pub(super) minconn: u32,
    /// Its backend keeps a total.
    pub(super) counted: bool,
}

impl Slots {
    pub(super) fn new(limits: &ServerLimits, counted: bool) -> Self {
        Self {
            running: AtomicU32::new(0),
            most: AtomicU32::new(limits.maxconn.unwrap_or(UNLIMITED)),
            waiting: AtomicU32::new(0),
            maxqueue: limits.maxqueue.unwrap_or(UNLIMITED),
            minconn: limits.minconn.unwrap_or(UNLIMITED),
            counted,
        }
    }

    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Requests that are the server's: with it, and waiting for it.
    pub(super) fn load(&self) -> u32 {
        self.running().saturating_add(self.waiting.load(Ordering::Relaxed))
    }

    pub(super) fn most(&self) -> u32 {
        self.most.load(Ordering::SeqCst)
    }

    pub(super) fn set_most(&self, most: u32) {
        self.most.store(most, Ordering::SeqCst);
    }

    /// Takes a slot of at most `most`.
    #[inline]
    pub(super) fn take(&self, most: u32) -> bool {
        if most == UNLIMITED {
            self.running.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let room = |running: u32| (running < most).then_some(running + 1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).is_ok()
    }

    /// Gives a slot back. The caller then sees to those who wait.
    #[inline]
    pub(super) fn give_back(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts one more that waits. The caller then looks for a free slot.
    pub(super) fn begin_waiting(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// No limit.
pub(super) const UNLIMITED: u32 = u32::MAX;
