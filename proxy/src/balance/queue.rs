//! Requests that wait for a server, oldest first.
//!
//! A backend has one queue for those who take any server, and one per server for those who want that one. They are
//! under one lock, which is taken only by who waits, by who frees a slot while someone waits, and by changes of state:
//! a backend that is not full never touches it. Ages are counted in one sequence over all queues of a backend, so that
//! a free slot goes to who has waited longest for it in either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::layout::Layout;
use super::slots::{UNLIMITED, note_peak};
use super::{Group, Place, ServerState, State};
use crate::plan::{BackendId, ServerId};

/// The queues of one backend. Bounded by `maxqueue` per server, and by the connections of clients in all.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Queue {
    /// Waiting for any server.
    anyone: AtomicU32,
    /// Waiting at all.
    all: AtomicU32,
    /// Most that have waited at once.
    peak: AtomicU32,
    lines: Mutex<Lines>,
}

/// Who waits where.
#[derive(Debug, Default)]
pub(super) struct Lines {
    next: Age,
    backend: Line,
    servers: BTreeMap<ServerId, Line>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeMap<Age, Entry>,
    /// How many have been served.
    served: u32,
}

impl Line {
    fn oldest(&self) -> Option<Age> {
        self.waiting.keys().next().copied()
    }

    /// HAProxy's position of one that waits: those who were served while it did, and itself.
    fn position(&self, entry: &Entry) -> u32 {
        self.served.wrapping_sub(entry.came_after).wrapping_add(1)
    }
}

/// When a request began to wait, in the order of all that waited.
type Age = u64;

#[derive(Debug)]
struct Entry {
    ticket: Arc<Ticket>,
    waker: Waker,
    /// Stays with its server even if that goes down.
    bound: bool,
    /// How many had been served when it came.
    came_after: u32,
}

/// Where a waiting request hears what has become of it.
#[derive(Debug, Default)]
struct Ticket {
    call: AtomicU64,
    /// Set before the call, or when it leaves.
    position: AtomicU32,
}

/// What a waiting request is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// It has a slot of this server, and is to be counted there until the slot is given back.
    Served(ServerId),
    /// Its server is gone: it has to ask anew.
    Again,
}

impl Ticket {
    fn tell(&self, call: Call) {
        let word = match call {
            Call::Again => AGAIN,
            Call::Served(id) => SERVED + u64::from(id.0),
        };
        self.call.store(word, Ordering::Release);
    }

    fn told(&self) -> Option<Call> {
        match self.call.load(Ordering::Acquire) {
            0 => None,
            AGAIN => Some(Call::Again),
            word => u32::try_from(word - SERVED).ok().map(|id| Call::Served(ServerId(id))),
        }
    }
}

impl Lines {
    fn line(&mut self, place: Place) -> Option<&mut Line> {
        match place {
            Place::Backend => Some(&mut self.backend),
            Place::Server(id) => self.servers.get_mut(&id),
        }
    }
}

impl Queue {
    /// Requests that wait for any server.
    pub(super) fn anyone(&self) -> u32 {
        self.anyone.load(Ordering::SeqCst)
    }

    /// Requests that wait, for whichever server.
    pub(super) fn all(&self) -> u32 {
        self.all.load(Ordering::SeqCst)
    }

    /// Most that have waited at once.
    pub(super) fn peak(&self) -> u32 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn clear_peak(&self) {
        self.peak.store(self.all(), Ordering::Relaxed);
    }

    /// A panic of another holder leaves the queues in order: every change is one insertion or removal.
    pub(super) fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets a request that was told to wait at `place` wait there. It goes on by `waker`.
    ///
    /// # Errors
    /// The server's own queue is full.
    pub fn wait<S>(state: S, wait: Wait, waker: &Waker) -> Result<Waiting<S>, QueueFull>
    where
        S: std::ops::Deref<Target = Self>,
    {
        let Wait { backend, place, bound, since } = wait;
        let Some(group) = state.backends.get(usize::from(backend.0)) else { return Err(QueueFull) };
        let mut lines = group.queue.lock();
        let age = since.unwrap_or(lines.next);
        lines.next = lines.next.max(age + 1);
        let line = match place {
            Place::Backend => &mut lines.backend,
            Place::Server(id) => {
                let slots = state.slots.get(id.0 as usize).ok_or(QueueFull)?;
                if slots.waiting() >= slots.maxqueue {
                    return Err(QueueFull);
                }
                slots.begin_waiting();
                lines.servers.entry(id).or_default()
            }
        };
        let ticket = Arc::new(Ticket::default());
        let came_after = line.served;
        line.waiting
            .insert(age, Entry { ticket: Arc::clone(&ticket), waker: waker.clone(), bound, came_after });
        let waiting = group.queue.all.fetch_add(1, Ordering::SeqCst) + 1;
        note_peak(&group.queue.peak, waiting);
        let calls = match place {
            Place::Backend => {
                let first = group.queue.anyone.fetch_add(1, Ordering::SeqCst) == 0;
                // While someone waits, what becomes free is passed on. Only the first may have come too late for that;
                // or the very number of requests allows for more of them.
                if first || group.counted { state.serve_all(backend, &mut lines) } else { Vec::new() }
            }
            Place::Server(id) if !bound && !state.server(id).is_some_and(ServerState::takes_pinned) => {
                // It has gone while the request was on its way here.
                state.turn_away(backend, id, &mut lines)
            }
            Place::Server(_) if group.most != UNLIMITED => state.serve_all(backend, &mut lines),
            Place::Server(id) => state.serve(backend, id, &mut lines),
        };
        drop(lines);
        wake(calls);
        let waker = waker.clone();
        Ok(Waiting { state, backend, place, age, ticket, waker, over: false })
    }

    /// Gives every free slot of the servers in use to who has waited for it longest.
    pub(super) fn serve_all(&self, backend: BackendId, lines: &mut Lines) -> Vec<Waker> {
        let Some(group) = self.backends.get(usize::from(backend.0)) else { return Vec::new() };
        let layout = group.layout.load();
        let mut calls = Vec::new();
        if group.most != UNLIMITED {
            while let Some(call) = self.serve_oldest(group, &layout, lines) {
                calls.push(call);
            }
            return calls;
        }
        for member in layout.members() {
            calls.append(&mut self.serve(backend, member.id, lines));
        }
        calls
    }

    /// Gives a slot to who has waited longest of those who can have one, whichever server they wait for: of a backend that
    /// is full as a whole, a slot of one server is as good as that of another.
    fn serve_oldest(&self, group: &Group, layout: &Layout, lines: &mut Lines) -> Option<Waker> {
        let mut heads: Vec<(Age, Place)> = lines
            .servers
            .iter()
            .filter_map(|(id, line)| Some((line.oldest()?, Place::Server(*id))))
            .collect();
        heads.extend(lines.backend.oldest().map(|age| (age, Place::Backend)));
        heads.sort_unstable_by_key(|(age, _)| *age);
        let has_slot = |id: &ServerId| self.slots.get(id.0 as usize).is_some_and(|slots| group.take(slots));
        heads.into_iter().find_map(|(age, place)| {
            let server = match place {
                Place::Server(id) => Some(id).filter(has_slot),
                Place::Backend => layout.members().iter().map(|m| m.id).find(has_slot),
            };
            self.call(group.id, (place, age), server?, lines)
        })
    }

    /// Tells one who waits that it has a slot of a server.
    fn call(
        &self,
        backend: BackendId,
        (place, age): (Place, Age),
        server: ServerId,
        lines: &mut Lines,
    ) -> Option<Waker> {
        let entry = self.remove(backend, place, Some(age), lines)?;
        if let Some(line) = lines.line(place) {
            line.served = line.served.wrapping_add(1);
        }
        entry.ticket.tell(Call::Served(server));
        Some(entry.waker)
    }

    /// Gives free slots of one server to who has waited longest, for it in particular or, if it is in use, for any.
    pub(super) fn serve(&self, backend: BackendId, id: ServerId, lines: &mut Lines) -> Vec<Waker> {
        let mut calls = Vec::new();
        let group = self.backends.get(usize::from(backend.0));
        let (Some(group), Some(slots)) = (group, self.slots.get(id.0 as usize)) else { return calls };
        let in_use = group.layout.load().contains(id);
        loop {
            let own = lines.servers.get(&id).and_then(Line::oldest);
            let any = lines.backend.oldest().filter(|_| in_use);
            let place = match (own, any) {
                (None, None) => break,
                (Some(own), Some(any)) if any < own => Place::Backend,
                (None, Some(_)) => Place::Backend,
                (Some(_), _) => Place::Server(id),
            };
            if !group.take(slots) {
                break;
            }
            let age = own.into_iter().chain(any).min().unwrap_or_default();
            let Some(call) = self.call(backend, (place, age), id, lines) else {
                group.give_back(slots);
                break;
            };
            calls.push(call);
        }
        calls
    }

    /// Sends those who wait for a server that has gone to ask anew, but for those bound to it.
    pub(super) fn turn_away(&self, backend: BackendId, id: ServerId, lines: &mut Lines) -> Vec<Waker> {
        let ages: Vec<Age> = lines.servers.get(&id).map_or_else(Vec::new, |line| {
            line.waiting.iter().filter(|(_, entry)| !entry.bound).map(|(age, _)| *age).collect()
        });
        let gone =
            ages.into_iter().filter_map(|age| self.remove(backend, Place::Server(id), Some(age), lines));
        gone.map(|entry| {
            entry.ticket.tell(Call::Again);
            entry.waker
        })
        .collect()
    }

    fn remove(&self, backend: BackendId, place: Place, age: Option<Age>, lines: &mut Lines) -> Option<Entry> {
        let queue = &self.backends.get(usize::from(backend.0))?.queue;
        let line = lines.line(place)?;
        let entry = line.waiting.remove(&age?)?;
        entry.ticket.position.store(line.position(&entry), Ordering::Relaxed);
        match place {
            Place::Backend => {
                queue.anyone.fetch_sub(1, Ordering::SeqCst);
            }
            Place::Server(id) => self.slots.get(id.0 as usize)?.end_waiting(),
        }
        queue.all.fetch_sub(1, Ordering::SeqCst);
        Some(entry)
    }
}

/// How a request is to wait: from [`super::Outcome::Full`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub(super) backend: BackendId,
    pub(super) place: Place,
    pub(super) bound: bool,
    pub(super) since: Option<Age>,
}

impl Wait {
    /// In which queue.
    pub fn place(&self) -> Place {
        self.place
    }

    /// With the place in the order of one who has waited before.
    #[must_use]
    pub fn from<S: std::ops::Deref<Target = State>>(self, before: &Waiting<S>) -> Self {
        Self { since: Some(before.age), ..self }
    }
}

/// No more may wait for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of the server is full")]
pub struct QueueFull;

/// A request that waits. Dropping it leaves the queue, and gives back a slot that it was given but has not taken.
#[derive(Debug)]
#[must_use = "the request leaves the queue when this is dropped"]
pub struct Waiting<S: std::ops::Deref<Target = State>> {
    state: S,
    backend: BackendId,
    place: Place,
    age: Age,
    ticket: Arc<Ticket>,
    waker: Waker,
    /// It has been called and has heard it.
    over: bool,
}

impl<S: std::ops::Deref<Target = State>> Waiting<S> {
    /// Which queue it is in.
    pub fn place(&self) -> Place {
        self.place
    }

    /// How many of its queue were served while it waited, itself included, as HAProxy counts.
    pub fn position(&self) -> u32 {
        let waits = self.state.backends.get(usize::from(self.backend.0)).and_then(|group| {
            let mut lines = group.queue.lock();
            let line = lines.line(self.place)?;
            line.waiting.get(&self.age).map(|entry| line.position(entry))
        });
        // Who has left has it in hand.
        waits.unwrap_or_else(|| self.ticket.position.load(Ordering::Relaxed))
    }

    /// Ready when it is called.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Call> {
        if let Some(call) = self.ticket.told() {
            self.over = true;
            return Poll::Ready(call);
        }
        if !self.waker.will_wake(cx.waker()) {
            self.waker = cx.waker().clone();
            if !self.renew() {
                // Called meanwhile.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Whether it still waits.
    fn renew(&self) -> bool {
        let Some(group) = self.state.backends.get(usize::from(self.backend.0)) else { return false };
        let mut lines = group.queue.lock();
        let entry = lines.line(self.place).and_then(|line| line.waiting.get_mut(&self.age));
        let Some(entry) = entry else { return false };
        entry.waker = self.waker.clone();
        true
    }
}

impl<S: std::ops::Deref<Target = State>> Drop for Waiting<S> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        if let Some(group) = self.state.backends.get(usize::from(self.backend.0)) {
            let mut lines = group.queue.lock();
            drop(self.state.remove(self.backend, self.place, Some(self.age), &mut lines));
        }
        // Calls are made under the lock: none can come any more.
        if let Some(Call::Served(id)) = self.ticket.told() {
            self.state.release(id);
        }
    }
}

/// After the lock is gone: a woken thread may want it at once.
pub(super) fn wake(calls: Vec<Waker>) {
    calls.into_iter().for_each(Waker::wake);
}

const AGAIN: u64 = 1;
const SERVED: u64 = 2;
