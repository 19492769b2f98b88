//! Gets a server for a request: the one place where the data plane asks the balancer.
//!
//! Whoever has something to send makes an [`Assign`] and polls it. What it comes to is an [`Assigned`]: a lease on the
//! server, which counts the request as running there until it is dropped, so it is to be dropped as soon as the server
//! is done with the request, whatever becomes of the client. A backend that is full makes it wait, for no longer than
//! `timeout queue`; dropping an [`Assign`] leaves the queue.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::runtime::{Balance, DataThread};
use crate::access_log::QueuePositions;
use crate::balance::{Call, Lease, Outcome, Place, QueueFull, State, Wait, Waiting, Wish};
use crate::plan::{BackendId, ServerId};

/// On the way to a server of a backend.
pub(super) struct Assign {
    backend: BackendId,
    wish: Wish,
    queued: Option<Box<Queued>>,
    positions: QueuePositions,
}

/// In a queue.
struct Queued {
    waiting: Waiting<Balance>,
    until: Option<Instant>,
}

/// A request has its server.
pub(super) struct Assigned {
    /// The right to use the server.
    pub(super) lease: Lease<Balance>,
}

/// Why a request gets no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unassigned {
    /// The backend has no usable server.
    NoServer,
    /// The only server that will do is full, and so is its queue.
    QueueFull(ServerId),
    /// None became free in time. The server it waited for in particular, if it did.
    QueueTimeout(Option<ServerId>),
}

impl Assign {
    /// About to ask for a server of `backend`.
    pub(super) fn new(backend: BackendId, wish: Wish) -> Self {
        Self { backend, wish, queued: None, positions: QueuePositions::default() }
    }

    /// Goes to `server` if it is of the backend and usable, and persistence says nothing else.
    pub(super) fn prefer(&mut self, server: ServerId, thread: &DataThread) {
        let backend = thread.plan.backends().get(usize::from(self.backend.0));
        if backend.is_some_and(|b| b.servers.contains(&server.0)) {
            self.wish.pinned.get_or_insert(server);
        }
    }

    /// Whose servers.
    pub(super) fn backend(&self) -> BackendId {
        self.backend
    }

    /// What its server is chosen by: another one that it needs later is found by the same.
    pub(super) fn wish(&self) -> Wish {
        self.wish
    }

    /// This one's places in the queues so far.
    pub(super) fn positions(&self) -> QueuePositions {
        self.queued.as_ref().map_or(self.positions, |queued| with_place(self.positions, &queued.waiting))
    }

    /// Goes on. Pending: until a server is free or [`Assign::deadline`].
    #[inline]
    pub(super) fn poll(
        &mut self,
        cx: &Context<'_>,
        thread: &Rc<DataThread>,
        now: Instant,
    ) -> Poll<Result<Assigned, Unassigned>> {
        if self.queued.is_some() {
            return self.poll_queue(cx, thread, now);
        }
        match thread.balance.assign(self.backend, &self.wish) {
            Outcome::Assigned(server) => Poll::Ready(Ok(Assigned { lease: thread.lease(server) })),
            Outcome::Full(wait) => {
                let timeout = thread.plan.backends().get(usize::from(self.backend.0)).map(|b| b.timeout);
                let until = timeout.and_then(|t| Some(now + t.queue.or(t.connect)?));
                self.enter(cx, thread, wait, until)?;
                self.poll_queue(cx, thread, now)
            }
            Outcome::QueueFull(id) => Poll::Ready(Err(Unassigned::QueueFull(id))),
            Outcome::NoServer => Poll::Ready(Err(Unassigned::NoServer)),
        }
    }

    /// When to go on whatever happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queued.as_ref()?.until
    }

    #[cold]
    fn poll_queue(
        &mut self,
        cx: &Context<'_>,
        thread: &Rc<DataThread>,
        now: Instant,
    ) -> Poll<Result<Assigned, Unassigned>> {
        loop {
            let Some(queued) = &mut self.queued else { return Poll::Ready(Err(Unassigned::NoServer)) };
            let call = queued.waiting.poll(cx);
            if call.is_pending() && queued.until.is_some_and(|until| until <= now) {
                return Poll::Ready(Err(self.give_up()));
            }
            match ready!(call) {
                Call::Served(server) => {
                    self.leave();
                    return Poll::Ready(Ok(Assigned { lease: thread.lease(server) }));
                }
                Call::Again => {
                    if let Some(assigned) = self.ask_again(cx, thread)? {
                        return Poll::Ready(Ok(assigned));
                    }
                }
            }
        }
    }

    /// The server it waited for has gone.
    fn ask_again(
        &mut self,
        cx: &Context<'_>,
        thread: &Rc<DataThread>,
    ) -> Result<Option<Assigned>, Unassigned> {
        let until = self.queued.as_ref().and_then(|q| q.until);
        match thread.balance.assign(self.backend, &self.wish) {
            Outcome::Assigned(server) => {
                self.leave();
                Ok(Some(Assigned { lease: thread.lease(server) }))
            }
            Outcome::Full(wait) => self.enter(cx, thread, wait, until).map(|()| None),
            Outcome::QueueFull(id) => Err(Unassigned::QueueFull(id)),
            Outcome::NoServer => Err(Unassigned::NoServer),
        }
    }

    /// Enters a queue, at the age and with what is left of the time of one that it was in before.
    fn enter(
        &mut self,
        cx: &Context<'_>,
        thread: &Rc<DataThread>,
        wait: Wait,
        until: Option<Instant>,
    ) -> Result<(), Unassigned> {
        let before = self.leave();
        let wait = before.as_ref().map_or(wait, |b| wait.from(&b.waiting));
        let (thread, place) = (Balance::of(Rc::clone(thread)), wait.place());
        let waiting = State::wait(thread, wait, cx.waker()).map_err(|QueueFull| match place {
            Place::Server(id) => Unassigned::QueueFull(id),
            Place::Backend => Unassigned::NoServer,
        })?;
        self.queued = Some(Box::new(Queued { waiting, until }));
        Ok(())
    }

    /// Is in no queue any more, and keeps in mind which place it had.
    fn leave(&mut self) -> Option<Box<Queued>> {
        let queued = self.queued.take()?;
        self.positions = with_place(self.positions, &queued.waiting);
        Some(queued)
    }

    fn give_up(&mut self) -> Unassigned {
        let place = self.leave().map(|q| q.waiting.place());
        Unassigned::QueueTimeout(match place {
            Some(Place::Server(id)) => Some(id),
            Some(Place::Backend) | None => None,
        })
    }
}

fn with_place(before: QueuePositions, waiting: &Waiting<Balance>) -> QueuePositions {
    let place = waiting.position();
    match waiting.place() {
        Place::Server(_) => QueuePositions { server: before.server + place, ..before },
        Place::Backend => QueuePositions { backend: before.backend + place, ..before },
    }
}

impl Unassigned {
    /// The server it would have been.
    pub(super) fn server(self) -> Option<ServerId> {
        match self {
            Self::NoServer => None,
            Self::QueueFull(id) => Some(id),
            Self::QueueTimeout(id) => id,
        }
    }
}

impl Assigned {
    /// Which server it is.
    pub(super) fn server(&self) -> ServerId {
        self.lease.server()
    }
}
