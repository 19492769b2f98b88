//! Content on its way through h2: how much of it a connection keeps, and what of it has left.
//!
//! h2 takes what the windows of a stream have room for, long before the peer reads its socket. With a hundred streams and
//! windows as large as the peer likes that would be a hundred times what one stream may have; so a connection has one
//! bound for all of them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Buf;

/// What one connection keeps for a peer that does not take it. All who use it are on one thread.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Bytes in h2.
    queued: AtomicUsize,
    /// Bytes that streams have been offered and had no room for. Whoever offered them keeps them.
    offered: AtomicUsize,
    /// Bytes of requests that streams may keep for another attempt.
    granted: AtomicUsize,
    /// Streams wait for others to be written.
    starved: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// What h2 has of one stream.
#[derive(Debug)]
pub(super) struct Queue {
    kept: Arc<Kept>,
    waiting: AtomicUsize,
    gone: AtomicU64,
}

/// A piece of content in h2. It counts for as long as h2 keeps it, however it comes to its end.
#[derive(Debug, Default)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    /// Bytes that have left.
    at: usize,
    queue: Option<Arc<Queue>>,
}

impl Kept {
    /// How much is to be read for a stream of this connection at once: what it does not take has to be kept.
    pub(super) fn appetite(&self) -> usize {
        MOST_OFFERED.saturating_sub(self.offered.load(Ordering::Relaxed)).max(LEAST_READ)
    }

    /// A stream that had no room for so many bytes has no room for that many instead.
    pub(super) fn change_offered(&self, before: usize, after: usize) {
        self.offered.fetch_add(after, Ordering::Relaxed);
        self.offered.fetch_sub(before, Ordering::Relaxed);
    }

    /// Lets a stream keep `most` bytes of its request, or what is left of what all may keep.
    pub(super) fn grant(&self, most: usize) -> usize {
        let granted = most.min(MOST_GRANTED.saturating_sub(self.granted.load(Ordering::Relaxed)));
        self.granted.fetch_add(granted, Ordering::Relaxed);
        granted
    }

    /// A stream keeps them no longer.
    pub(super) fn take_back(&self, granted: usize) {
        self.granted.fetch_sub(granted, Ordering::Relaxed);
    }

    /// How many more bytes h2 may have.
    fn room(&self) -> usize {
        MOST_QUEUED.saturating_sub(self.queued.load(Ordering::Relaxed))
    }

    /// How many more bytes h2 may have, at least 1. Pending: none, until others are written.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<usize> {
        let room = self.room();
        if room > 0 {
            // What is scarce is shared by more.
            let scarce = room < MOST_QUEUED / 2;
            return Poll::Ready(if scarce { room.min(SHARE) } else { room });
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !waiting.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        self.starved.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// Lets streams go on that have waited, once it is worth it. For the connection's task, after it has written.
    pub(super) fn feed(&self) {
        if self.starved.load(Ordering::Relaxed) && self.room() >= WORTHWHILE {
            self.starved.store(false, Ordering::Relaxed);
            // In the order they came: who has waited for longest is served first.
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(Waker::wake);
        }
    }
}

impl Queue {
    /// That of a new stream.
    pub(super) fn new(kept: &Arc<Kept>) -> Arc<Self> {
        Arc::new(Self { kept: Arc::clone(kept), waiting: AtomicUsize::new(0), gone: AtomicU64::new(0) })
    }

    /// Bytes in h2, which are to be written yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Bytes that have left h2.
    pub(super) fn gone(&self) -> u64 {
        self.gone.load(Ordering::Relaxed)
    }

    /// Whether there is room for so many bytes that may never leave, and h2 has none of this stream. Half of all room is
    /// for those that will.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.waiting() == 0 && self.kept.room() >= MOST_QUEUED / 2 + bytes
    }

    /// How many bytes there is room for, at least 1. Pending: none, until other streams are written.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<usize> {
        self.kept.poll_room(cx)
    }

    /// A piece of content for h2.
    pub(super) fn piece(self: &Arc<Self>, bytes: &[u8]) -> Piece {
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.kept.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        Piece { bytes: bytes.to_vec(), at: 0, queue: Some(Arc::clone(self)) }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.bytes.len().min(self.at + bytes);
        if let Some(queue) = &self.queue {
            queue.gone.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
            queue.kept.queued.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        }
    }
}

/// What h2 may have of all streams together. With as much that is offered, what a hundred streams are read for at least,
/// and the streams themselves, one connection costs less than 2 MB whatever the peer does.
const MOST_QUEUED: usize = 512 * 1024;

/// What streams may keep of their requests for another attempt, all together.
const MOST_GRANTED: usize = 512 * 1024;

/// From here on no more is read for a stream than it has to be.
const MOST_OFFERED: usize = 512 * 1024;

/// Enough for most heads, and little enough for a hundred streams.
const LEAST_READ: usize = 2 * 1024;

/// Room for which waiting streams are woken: a quarter of it all, so that they do not take turns byte by byte.
const WORTHWHILE: usize = MOST_QUEUED / 4;

/// What one stream gets at a time when there is not enough for all.
const SHARE: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_piece_counts_until_it_is_dropped() {
        let kept = Arc::new(Kept::default());
        let queue = Queue::new(&kept);
        let mut piece = queue.piece(&[1; 1000]);
        assert_eq!((queue.waiting(), queue.gone(), kept.room()), (1000, 0, MOST_QUEUED - 1000));
        assert!(!queue.has_room(1), "one at a time");
        piece.advance(600);
        assert_eq!((piece.remaining(), piece.chunk().len()), (400, 400));
        assert_eq!((queue.waiting(), queue.gone()), (1000, 600));
        drop(piece);
        assert_eq!((queue.waiting(), queue.gone(), kept.room()), (0, 600, MOST_QUEUED));
        assert!(queue.has_room(MOST_QUEUED / 2) && !queue.has_room(MOST_QUEUED / 2 + 1));
    }

    #[test]
    fn who_finds_no_room_is_woken_when_it_is_worth_it() {
        let kept = Arc::new(Kept::default());
        let (one, two) = (Queue::new(&kept), Queue::new(&kept));
        let mut full: Vec<Piece> = (0..8).map(|_| one.piece(&[0; MOST_QUEUED / 8])).collect();
        let woken = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        assert!(two.poll_room(&cx).is_pending() && two.poll_room(&cx).is_pending());
        for (left, times) in [(7, 0), (6, 1), (5, 1)] {
            full.truncate(left);
            kept.feed();
            assert_eq!(woken.0.load(Ordering::Relaxed), times, "{left}");
        }
        assert_eq!(two.poll_room(&cx), Poll::Ready(SHARE), "a share of what there is");
        full.clear();
        assert_eq!(two.poll_room(&cx), Poll::Ready(MOST_QUEUED));
    }

    #[test]
    fn requests_are_kept_up_to_a_bound() {
        let kept = Kept::default();
        let granted: Vec<usize> = (0..4).map(|_| kept.grant(MOST_GRANTED * 2 / 5)).collect();
        assert_eq!(granted.iter().sum::<usize>(), MOST_GRANTED);
        assert_eq!(granted[2..], [MOST_GRANTED - granted[0] - granted[1], 0]);
        kept.take_back(granted[0]);
        assert_eq!(kept.grant(1), 1);
    }

    #[test]
    fn little_is_read_for_streams_that_take_nothing() {
        let kept = Kept::default();
        assert_eq!(kept.appetite(), MOST_OFFERED);
        kept.change_offered(0, MOST_OFFERED - 10_000);
        assert_eq!(kept.appetite(), 10_000);
        kept.change_offered(0, 20_000);
        assert_eq!(kept.appetite(), LEAST_READ);
        kept.change_offered(MOST_OFFERED, 0);
        assert_eq!(kept.appetite(), MOST_OFFERED - 10_000);
    }
}
