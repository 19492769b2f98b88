//! A request's slot on a server, given back when the request is over however it ended.

use std::ops::Deref;

use super::State;
use crate::plan::ServerId;

/// One request that counts as running on one server. `S` is however the holder reaches the state: `&State`,
/// `Arc<State>`.
#[derive(Debug)]
#[must_use = "the request counts as over when the lease is dropped"]
pub struct Lease<S: Deref<Target = State>> {
    state: S,
    server: ServerId,
}

impl<S: Deref<Target = State>> Lease<S> {
    /// Holds the slot that [`State::assign`] or [`super::Call::Served`] has given.
    pub fn of(state: S, server: ServerId) -> Self {
        Self { state, server }
    }

    /// The server the request is with.
    pub fn server(&self) -> ServerId {
        self.server
    }
}

impl<S: Deref<Target = State>> Drop for Lease<S> {
    fn drop(&mut self) {
        self.state.release(self.server);
    }
}
