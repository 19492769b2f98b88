//! What the control side and a data thread tell each other: a few atomics and a bell.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::inquiry::Inquiry;
use crate::balance::Shutdown;
use crate::plan::ServerId;

/// Between one data thread and everyone else. The thread looks at it whenever the bell rings.
#[derive(Debug)]
pub(in crate::io) struct ThreadControl {
    bell: Notify,
    /// Rings when any thread has answered.
    heard: Arc<Notify>,
    /// The last heartbeat asked for.
    asked: AtomicU64,
    /// The last heartbeat the thread has answered.
    answered: AtomicU64,
    retire: AtomicBool,
    drain: AtomicBool,
    stop: AtomicBool,
    panics: AtomicU32,
    /// Sessions to end, of which server and why. No longer than there are servers, twice.
    shutdowns: Mutex<Vec<(ServerId, Shutdown)>>,
    /// Questions that are to be answered. Whoever asks waits, for a second at most.
    inquiries: Mutex<Vec<Arc<Inquiry>>>,
}

/// What a data thread is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Serve,
    Retire,
    Drain,
    Stop,
}

impl ThreadControl {
    pub(super) fn new(heard: Arc<Notify>) -> Self {
        Self {
            bell: Notify::new(),
            heard,
            asked: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            retire: AtomicBool::new(false),
            drain: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            panics: AtomicU32::new(0),
            shutdowns: Mutex::default(),
            inquiries: Mutex::default(),
        }
    }

    /// Asks for a sign of life.
    pub(super) fn ask(&self, beat: u64) {
        self.asked.store(beat, Ordering::Release);
        self.bell.notify_one();
    }

    /// The last heartbeat the thread has answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    pub(super) fn order_retirement(&self) {
        self.retire.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub(super) fn order_drain(&self) {
        self.drain.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    pub(super) fn order_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Ends the sessions with a server.
    pub(super) fn order_shutdown(&self, server: ServerId, why: Shutdown) {
        let mut shutdowns = self.shutdowns();
        if !shutdowns.contains(&(server, why)) {
            shutdowns.push((server, why));
        }
        drop(shutdowns);
        self.bell.notify_one();
    }

    /// Data thread: the sessions to end since the last call.
    pub(super) fn take_shutdowns(&self) -> Vec<(ServerId, Shutdown)> {
        std::mem::take(&mut *self.shutdowns())
    }

    /// Has the thread answer a question.
    pub(super) fn inquire(&self, inquiry: &Arc<Inquiry>) {
        self.inquiries().push(Arc::clone(inquiry));
        self.bell.notify_one();
    }

    /// Data thread: the questions since the last call.
    pub(super) fn take_inquiries(&self) -> Vec<Arc<Inquiry>> {
        std::mem::take(&mut *self.inquiries())
    }

    fn inquiries(&self) -> MutexGuard<'_, Vec<Arc<Inquiry>>> {
        self.inquiries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shutdowns(&self) -> MutexGuard<'_, Vec<(ServerId, Shutdown)>> {
        self.shutdowns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Data thread: waits for the bell, answers the heartbeat, and says what else is wanted.
    pub(super) async fn heed(&self) -> Order {
        self.bell.notified().await;
        self.answered.store(self.asked.load(Ordering::Acquire), Ordering::Release);
        self.heard.notify_waiters();
        if self.stop.load(Ordering::Acquire) {
            Order::Stop
        } else if self.drain.load(Ordering::Acquire) {
            Order::Drain
        } else if self.retire.load(Ordering::Acquire) {
            Order::Retire
        } else {
            Order::Serve
        }
    }

    pub(in crate::io) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::io) fn panics(&self) -> u32 {
        self.panics.load(Ordering::Relaxed)
    }
}
