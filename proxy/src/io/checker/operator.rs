//! An operator's hand on the servers: from any thread, at any time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use crate::health::{Forced, Mutable, Record, ServerReport};
use crate::plan::{AdminState, ServerId};

/// Changes servers, and knows how they are.
#[derive(Debug, Clone)]
pub struct Operator {
    pub(super) shared: Arc<Shared>,
}

impl Operator {
    /// Says what is wanted of a server.
    pub fn set_admin(&self, server: ServerId, admin: AdminState) {
        self.shared.monitor().handle_admin(Instant::now(), server, admin);
        self.shared.changed.notify_one();
    }

    /// Changes a server's weight, 0–256.
    pub fn set_weight(&self, server: ServerId, weight: u16) {
        self.shared.monitor().handle_weight(Instant::now(), server, weight);
        self.shared.changed.notify_one();
    }

    /// Changes how many requests a server takes at once. `None`: any number.
    pub fn set_maxconn(&self, server: ServerId, maxconn: Option<u32>) {
        self.shared.monitor().handle_maxconn(Instant::now(), server, maxconn);
        self.shared.changed.notify_one();
    }

    /// Says what the checks of a server would find. `false`: it follows another server.
    #[must_use]
    pub fn force(&self, server: ServerId, to: Forced) -> bool {
        let done = self.shared.monitor().handle_forced(Instant::now(), server, to);
        self.shared.changed.notify_one();
        done
    }

    /// Says what the agent of a server would say. `false`: it has none.
    #[must_use]
    pub fn force_agent(&self, server: ServerId, up: bool) -> bool {
        let done = self.shared.monitor().handle_forced_agent(Instant::now(), server, up);
        self.shared.changed.notify_one();
        done
    }

    /// Ends or begins the probes of a server. `false`: it has none of that sort.
    #[must_use]
    pub fn mute(&self, server: ServerId, probe: Mutable, muted: bool) -> bool {
        let done = self.shared.monitor().handle_mute(Instant::now(), server, probe, muted);
        self.shared.changed.notify_one();
        done
    }

    /// Whether such probes are not made because an operator wants it so.
    pub fn is_muted(&self, server: ServerId, probe: Mutable) -> bool {
        self.shared.monitor().is_muted(server, probe)
    }

    /// Sends what comes for a server to another address.
    pub fn readdress(&self, server: ServerId, to: SocketAddr) {
        self.shared.monitor().handle_readdress(Instant::now(), server, to);
        self.shared.changed.notify_one();
    }

    /// What is known of each server, by [`ServerId`].
    pub fn report(&self) -> Vec<ServerReport> {
        self.shared.monitor().report()
    }

    /// How often and for how long backends have been down, by `BackendId`.
    pub fn backend_records(&self) -> Vec<Record> {
        self.shared.monitor().backend_records()
    }
}
