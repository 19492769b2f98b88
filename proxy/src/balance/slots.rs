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
    /// Most that have run at once, since that was last cleared.
    peak: AtomicU32,
    /// Most that have waited for it at once.
    waiting_peak: AtomicU32,
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
            peak: AtomicU32::new(0),
            waiting_peak: AtomicU32::new(0),
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

    /// Most that have run, and most that have waited, at once.
    pub(super) fn peaks(&self) -> (u32, u32) {
        (self.peak.load(Ordering::Relaxed), self.waiting_peak.load(Ordering::Relaxed))
    }

    pub(super) fn clear_peaks(&self) {
        self.peak.store(self.running(), Ordering::Relaxed);
        self.waiting_peak.store(self.waiting(), Ordering::Relaxed);
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
            note_peak(&self.peak, self.running.fetch_add(1, Ordering::Relaxed) + 1);
            return true;
        }
        let room = |running: u32| (running < most).then_some(running + 1);
        let taken = self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room);
        taken.is_ok_and(|before| {
            note_peak(&self.peak, before + 1);
            true
        })
    }

    /// Gives a slot back. The caller then sees to those who wait.
    #[inline]
    pub(super) fn give_back(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Counts one more that waits. The caller then looks for a free slot.
    pub(super) fn begin_waiting(&self) {
        note_peak(&self.waiting_peak, self.waiting.fetch_add(1, Ordering::SeqCst) + 1);
    }

    pub(super) fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Written only when there are more than ever, which soon is seldom.
#[inline]
pub(super) fn note_peak(peak: &AtomicU32, now: u32) {
    if now > peak.load(Ordering::Relaxed) {
        peak.fetch_max(now, Ordering::Relaxed);
    }
}

/// No limit.
pub(super) const UNLIMITED: u32 = u32::MAX;
