//! The count of requests running on a server, released when the request is over however it ended.

use std::ops::Deref;

use super::State;
use crate::plan::ServerId;

/// One request running on one server. `S` is however the holder reaches the state: `&State`, `Arc<State>`.
#[derive(Debug)]
#[must_use = "the request counts as over when the lease is dropped"]
pub struct Lease<S: Deref<Target = State>> {
    state: S,
    server: ServerId,
}

impl<S: Deref<Target = State>> Lease<S> {
    /// Counts one request on `server`.
    pub fn new(state: S, server: ServerId) -> Self {
        if let Some(flight) = state.flights.get(server.0 as usize) {
            flight.begin();
        }
        Self { state, server }
    }

    /// The server the request is with.
    pub fn server(&self) -> ServerId {
        self.server
    }
}

impl<S: Deref<Target = State>> Drop for Lease<S> {
    fn drop(&mut self) {
        if let Some(flight) = self.state.flights.get(self.server.0 as usize) {
            flight.end();
        }
    }
}
