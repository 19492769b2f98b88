//! Deadlines of a thread's connections, for nothing per request.
//!
//! A connection has one [`Slot`] for its whole life and writes a deadline into it, a plain store. The slot also
//! sits in one bucket of a timing wheel, at some instant *not after* its deadline. Only when that bucket comes up is the
//! deadline looked at: if it has moved on, as it has whenever the connection was active, the slot moves on with it; else
//! the connection's task is woken. So moving a deadline later costs nothing, and moving it before the slot's place in the
//! wheel, which happens about once per expiry, costs one push. The wheel's thread sleeps until the next bucket in use.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The deadlines of one thread.
#[derive(Debug)]
pub(super) struct Deadlines {
    start: Instant,
    wheel: RefCell<Wheel>,
    /// The task that turns the wheel, while it sleeps, and the tick it sleeps to.
    sleeper: RefCell<Option<Waker>>,
    sleeps_to: Cell<u64>,
}

/// A place for one deadline, given back on drop.
#[derive(Debug)]
pub(super) struct Slot {
    deadlines: Rc<Deadlines>,
    id: u32,
}

impl Deadlines {
    /// None yet; instants are counted from `start`.
    pub(super) fn new(start: Instant) -> Rc<Self> {
        let wheel = RefCell::new(Wheel::new());
        Rc::new(Self { start, wheel, sleeper: RefCell::default(), sleeps_to: Cell::new(0) })
    }

    /// A slot without a deadline, whose expiry wakes `waker`.
    pub(super) fn slot(self: &Rc<Self>, waker: Waker) -> Slot {
        Slot { id: self.wheel.borrow_mut().add(waker), deadlines: Rc::clone(self) }
    }

    /// Wakes everyone who has a slot.
    pub(super) fn wake_all(&self) {
        self.wheel.borrow().wake_all();
    }

    /// Turns the wheel for as long as the thread lives.
    pub(super) async fn turn(&self) {
        loop {
            let now = self.tick_before(Instant::now());
            let next = self.wheel.borrow_mut().advance(now);
            self.sleeps_to.set(next.unwrap_or(NEVER));
            match next {
                Some(tick) => {
                    let wake = self.start + Duration::from_millis(tick.saturating_mul(TICK_MS));
                    // Cancel-safe: either side only waits.
                    tokio::select! {
                        () = tokio::time::sleep_until(wake.into()) => {}
                        () = self.earlier() => {}
                    }
                }
                None => self.earlier().await,
            }
        }
    }

    /// Waits until a slot needs attention before the tick the wheel sleeps to.
    async fn earlier(&self) {
        let asleep = self.sleeps_to.get();
        poll_fn(|cx: &mut Context<'_>| {
            if self.sleeps_to.get() < asleep {
                return Poll::Ready(());
            }
            *self.sleeper.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn set(&self, id: u32, deadline: Option<Instant>) {
        let due = deadline.map_or(NEVER, |at| self.tick_after(at));
        let Some(queued) = self.wheel.borrow_mut().set(id, due) else { return };
        if queued < self.sleeps_to.get() {
            self.sleeps_to.set(queued);
            if let Some(sleeper) = self.sleeper.borrow_mut().take() {
                sleeper.wake();
            }
        }
    }

    /// The last tick that is not after `at`.
    fn tick_before(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.start)) / TICK_MS
    }

    /// The first tick that is after `at`, so that the deadline has passed when its bucket comes up.
    fn tick_after(&self, at: Instant) -> u64 {
        self.tick_before(at) + 1
    }
}

impl Slot {
    /// Sets the deadline. Expiry wakes the task once; whether the deadline has passed is for the task to look at.
    #[inline]
    pub(super) fn set(&self, deadline: Option<Instant>) {
        self.deadlines.set(self.id, deadline);
    }
}

/// Wakes the task of one connection at its deadline, at the latest. As long as it is set to wake it earlier nothing is to
/// be done: that is so nearly always, and the wake-up that comes too early is one in a timeout's time.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// When the slot wakes the task: not after the deadline, which is looked at then.
    armed: Option<Instant>,
    slot: Option<Slot>,
}

impl Alarm {
    /// Sets it to `deadline`, if there is one. It is always the same task that does.
    #[inline]
    pub(super) fn set(
        &mut self,
        deadlines: &Rc<Deadlines>,
        deadline: Option<Instant>,
        cx: &Context<'_>,
        now: Instant,
    ) {
        let Some(deadline) = deadline else { return };
        if self.armed.is_some_and(|armed| armed > now && armed <= deadline) {
            return;
        }
        self.armed = Some(deadline);
        self.attach(deadlines, cx).set(Some(deadline));
    }

    /// Whether it is set, and not due yet. Then deadlines that have moved later need not be looked at.
    #[inline]
    pub(super) fn is_ahead_of(&self, now: Instant) -> bool {
        self.armed.is_some_and(|armed| armed > now)
    }

    /// Forgets when it is set to: the next deadline may be one of another kind.
    pub(super) fn forget(&mut self) {
        self.armed = None;
    }

    /// Has the task woken when all are, whatever its deadline. It is always the same task that does.
    #[inline]
    pub(super) fn attach(&mut self, deadlines: &Rc<Deadlines>, cx: &Context<'_>) -> &Slot {
        self.slot.get_or_insert_with(|| deadlines.slot(cx.waker().clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.deadlines.wheel.borrow_mut().remove(self.id);
    }
}

/// Slots in buckets of one tick each. A slot due beyond the last bucket waits there and is then moved on.
#[derive(Debug)]
struct Wheel {
    entries: Vec<Entry>,
    free: Vec<u32>,
    buckets: Vec<Vec<u32>>,
    /// The first tick that has not come up.
    next: u64,
    /// Empty but while the wheel turns; kept for its room.
    up: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    due: u64,
    /// The tick of its bucket; `NEVER`: in none. An id found in another bucket was left behind there.
    queued: u64,
    waker: Option<Waker>,
}

impl Wheel {
    fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            buckets: vec![Vec::new(); BUCKETS],
            next: 0,
            up: Vec::new(),
        }
    }

    fn add(&mut self, waker: Waker) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { due: NEVER, queued: NEVER, waker: None });
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.due = NEVER;
            entry.waker = Some(waker);
        }
        id
    }

    fn remove(&mut self, id: u32) {
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.due = NEVER;
            entry.waker = None;
            self.free.push(id);
        }
    }

    /// Stores a deadline. Returns the tick of the bucket the slot was put into, if it had to be put anew.
    #[inline]
    fn set(&mut self, id: u32, due: u64) -> Option<u64> {
        let entry = self.entries.get_mut(id as usize)?;
        entry.due = due;
        if due >= entry.queued {
            return None;
        }
        Some(self.queue(id, due))
    }

    fn queue(&mut self, id: u32, due: u64) -> u64 {
        let tick = due.clamp(self.next, self.next + BUCKETS as u64 - 1);
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.queued = tick;
        }
        if let Some(bucket) = self.buckets.get_mut(bucket_of(tick)) {
            bucket.push(id);
        }
        tick
    }

    /// Lets all ticks up to `now` come up. Returns the next tick with a slot in its bucket.
    fn advance(&mut self, now: u64) -> Option<u64> {
        // After a pause longer than the wheel every bucket comes up once, and that is all of them.
        let behind = (now + 1).saturating_sub(self.next).min(BUCKETS as u64);
        let from = (now + 1).max(self.next) - behind;
        self.next = self.next.max(now + 1);
        // Emptied first: a slot that moves on may come to a bucket among these.
        let mut up = std::mem::take(&mut self.up);
        for tick in from..from + behind {
            if let Some(bucket) = self.buckets.get_mut(bucket_of(tick)) {
                up.append(bucket);
            }
        }
        up.drain(..).for_each(|id| self.come_up(id, now));
        self.up = up;
        (self.next..self.next + BUCKETS as u64)
            .find(|tick| self.buckets.get(bucket_of(*tick)).is_some_and(|b| !b.is_empty()))
    }

    fn come_up(&mut self, id: u32, now: u64) {
        let Some(entry) = self.entries.get_mut(id as usize) else { return };
        if entry.queued > now {
            return;
        }
        entry.queued = NEVER;
        if entry.due <= now {
            entry.due = NEVER;
            if let Some(waker) = &entry.waker {
                waker.wake_by_ref();
            }
        } else if entry.due != NEVER {
            let due = entry.due;
            self.queue(id, due);
        }
    }

    fn wake_all(&self) {
        self.entries.iter().filter_map(|e| e.waker.as_ref()).for_each(Waker::wake_by_ref);
    }
}

fn bucket_of(tick: u64) -> usize {
    // The remainder is below BUCKETS, which is a usize.
    usize::try_from(tick % BUCKETS as u64).unwrap_or(0)
}

fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

/// Deadlines are kept to this precision: finer than any timeout a person configures, and at most 62 wake-ups a second.
const TICK_MS: u64 = 16;

/// Four seconds: an idle connection with a longer timeout is looked at that often.
const BUCKETS: usize = 256;

const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests;
