//! Gets a server for a request: the one place where the data plane asks the balancer.
//!
//! Whoever has something to send makes an [`Assign`] and polls it. What it comes to is an [`Assigned`]: a lease on the
//! server, which counts the request as running there until it is dropped, so it is to be dropped as soon as the server
//! is done with the request, whatever becomes of the client.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::runtime::{Balance, DataThread};
use crate::access_log::QueuePositions;
use crate::balance::{Lease, Wish};
use crate::plan::{BackendId, ServerId};

/// On the way to a server of a backend.
#[derive(Debug)]
pub(super) struct Assign {
    backend: BackendId,
    wish: Wish,
}

/// A request has its server.
pub(super) struct Assigned {
    /// The right to use the server.
    pub(super) lease: Lease<Balance>,
    /// Requests that were before this one in the queues.
    pub(super) queue: QueuePositions,
}

/// Why a request gets no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unassigned {
    /// The backend has no usable server.
    NoServer,
}

impl Assign {
    /// About to ask for a server of `backend`.
    pub(super) fn new(backend: BackendId, wish: Wish) -> Self {
        Self { backend, wish }
    }

    /// Whose servers.
    pub(super) fn backend(&self) -> BackendId {
        self.backend
    }

    /// Goes on. Pending: until a server is free or [`Assign::deadline`].
    #[inline]
    #[expect(clippy::needless_pass_by_ref_mut, reason = "polling is what moves it on")]
    pub(super) fn poll(
        &mut self,
        _cx: &mut Context<'_>,
        thread: &Rc<DataThread>,
        _now: Instant,
    ) -> Poll<Result<Assigned, Unassigned>> {
        let server = thread.balance.assign(self.backend, &self.wish).ok_or(Unassigned::NoServer)?;
        let lease = thread.lease(server);
        Poll::Ready(Ok(Assigned { lease, queue: QueuePositions::default() }))
    }

    /// When to go on whatever happens.
    pub(super) fn deadline(&self, _thread: &DataThread) -> Option<Instant> {
        None
    }
}

impl Assigned {
    /// Which server it is.
    pub(super) fn server(&self) -> ServerId {
        self.lease.server()
    }
}
