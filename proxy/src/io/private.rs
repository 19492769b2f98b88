//! Connections to servers that belong to one client: nobody else's request may go over them.
//!
//! A server that authenticates connections instead of requests (NTLM, Negotiate) takes whatever comes over one for its
//! first user's; one that is told whose connection it gets takes it for that client's; and the operator may want none
//! shared (`http_reuse = "never"`).

use super::stream::Stream;
use crate::names::{Addresses, Epoch};
use crate::plan::ServerId;

/// Those of one client's connection, and they end with it. At most [`MOST`]: the one unused for the longest makes room.
#[derive(Debug, Default)]
pub(super) struct Private(Option<Box<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// The last one used last.
    connections: Vec<Owned>,
    /// Where the client is known by its connection.
    known_at: Option<ServerId>,
}

#[derive(Debug)]
struct Owned {
    server: ServerId,
    stream: Stream,
    /// When the server was where this leads.
    epoch: Epoch,
}

impl Private {
    /// The server that knows the client by its connection: its requests are to go there.
    #[inline]
    pub(super) fn known_at(&self) -> Option<ServerId> {
        self.0.as_ref().and_then(|held| held.known_at)
    }

    /// The connection to `server`, if there is one that is still good.
    #[inline]
    pub(super) fn take(&mut self, server: ServerId, addresses: &Addresses) -> Option<(Stream, Epoch)> {
        self.0.as_mut().and_then(|held| held.take(server, addresses))
    }

    /// Keeps a connection whose last response is complete.
    pub(super) fn put(&mut self, server: ServerId, stream: Stream, epoch: Epoch) {
        let connections = &mut self.0.get_or_insert_default().connections;
        if connections.len() >= MOST {
            drop(connections.remove(0));
        }
        connections.push(Owned { server, stream, epoch });
    }

    /// The server knows the client by the connection that is in use.
    pub(super) fn handle_authentication(&mut self, server: ServerId) {
        self.0.get_or_insert_default().known_at = Some(server);
    }
}

impl Held {
    fn take(&mut self, server: ServerId, addresses: &Addresses) -> Option<(Stream, Epoch)> {
        let at = self.connections.iter().position(|c| c.server == server);
        let found = at.map(|at| self.connections.remove(at)).and_then(|mut owned| {
            let good = !addresses.is_outdated(server, owned.epoch) && owned.stream.is_quiet();
            good.then_some((owned.stream, owned.epoch))
        });
        if found.is_none() && self.known_at == Some(server) {
            // Whoever authenticates anew may do it anywhere.
            self.known_at = None;
        }
        found
    }
}

/// HAProxy's default (`tune.max-session-srv-conns`).
const MOST: usize = 5;
