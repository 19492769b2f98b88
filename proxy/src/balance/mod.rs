//! Which server gets the next request: per-server state shared by all threads, and the rotation over those usable.
//!
//! Two sides meet here. **Data threads** call [`State::pick`] and hold a [`Lease`] while a request is with a server;
//! they take no lock, never wait and never allocate. **The control side** (health checker, admin commands) changes a
//! server's state; each change computes the backend's whole rotation anew and swaps it in as one pointer.
//!
//! A rotation is the order in which usable servers take turns, laid out in advance for one full round of weights
//! (see `rotation`). A pick is then one pointer load and one increment of a cursor that all threads share, so the
//! spread over servers is exact however the requests fall on threads, not merely equal on average per thread.

#[cfg(test)]
pub(crate) mod fixture;
mod lease;
mod rotation;
mod server;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use lease::Lease;
pub use server::ServerState;

use crate::names::Addresses;
use crate::plan::{AdminState, Backend, BackendId, Plan, ServerId};
use rotation::{Candidate, Rotation};
use server::{Flight, Switches};

/// State of all servers of one [`Plan`]; ids of another plan get no answer.
#[derive(Debug)]
pub struct State {
    backends: Box<[Group]>,
    switches: Box<[Switches]>,
    flights: Box<[Flight]>,
    addresses: Addresses,
}

/// One backend: what its threads take turns over.
#[derive(Debug)]
struct Group {
    /// Replaced whole; readers never wait for a writer.
    rotation: ArcSwap<Rotation>,
    cursor: Cursor,
    servers: std::ops::Range<u32>,
    allbackups: bool,
    /// Held while a change is made and its rotation computed, so that the last swap has seen every change.
    changing: Mutex<()>,
}

/// The shared position in the rotation. Aligned to two cache lines (the prefetcher fetches pairs), because every
/// thread writes it and nothing else should travel with it. It goes on counting over swaps: a rotation restarted at
/// its first turn on every change would favour the first server while another one flaps.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cursor(AtomicU64);

/// What a request wants of the balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// The server that persistence names: the request goes there unless the server has gone down or into maintenance.
    pub pinned: Option<ServerId>,
    /// A server that has just failed: another one is better.
    pub avoid: Option<ServerId>,
}

/// Servers of a backend that can take work, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usable {
    /// Usable servers that are not backups.
    pub active: u32,
    /// Usable backup servers, whether or not they are in use.
    pub backup: u32,
}

impl State {
    /// State as the plan asks for it, every server up: a checked one is taken down by its first failed check.
    pub fn new(plan: &Plan) -> Self {
        let switches: Box<[_]> = plan.servers().iter().map(Switches::new).collect();
        let backends = plan.backends().iter().map(|b| Group::new(b, &switches)).collect();
        let flights = plan.servers().iter().map(|_| Flight::default()).collect();
        Self { backends, switches, flights, addresses: Addresses::new(plan) }
    }

    /// Where servers are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Takes the next turn: the server whose turn it is, skipping those in `tried`.
    ///
    /// Active servers take turns by weight; backup servers only when no active one is usable (the first usable one,
    /// or all of them with `allbackups`). `None`: no server is usable, or all that are have been tried.
    pub fn pick(&self, backend: BackendId, tried: &[ServerId]) -> Option<ServerId> {
        let group = self.backends.get(usize::from(backend.0))?;
        let rotation = group.rotation.load();
        if let Some(only) = rotation.only() {
            return Some(only).filter(|id| !tried.contains(id));
        }
        // A second choice takes no turn of its own: else, of two servers, the one that fails would be everyone's first.
        let turn = match tried {
            [] => group.cursor.0.fetch_add(1, Ordering::Relaxed),
            _ => group.cursor.0.load(Ordering::Relaxed),
        };
        rotation.at(turn, tried)
    }

    /// The server for a request: the pinned one, else the next by the backend's algorithm.
    pub fn assign(&self, backend: BackendId, wish: &Wish) -> Option<ServerId> {
        let pinned = wish.pinned.filter(|id| self.server(*id).is_some_and(ServerState::takes_pinned));
        pinned.or_else(|| self.pick(backend, wish.avoid.as_slice())).or_else(|| self.pick(backend, &[]))
    }

    /// Counts a request as running on `server` until the lease is dropped.
    pub fn begin(&self, server: ServerId) -> Lease<&Self> {
        Lease::new(self, server)
    }

    /// Requests running on `server`.
    pub fn in_flight(&self, server: ServerId) -> u32 {
        self.flights.get(server.0 as usize).map_or(0, Flight::count)
    }

    /// What is known of `server`; `None` if it is not in the plan.
    pub fn server(&self, server: ServerId) -> Option<ServerState> {
        let switches = self.switches.get(server.0 as usize)?;
        Some(switches.read())
    }

    /// How many servers of `backend` can take work.
    pub fn usable(&self, backend: BackendId) -> Usable {
        self.backends.get(usize::from(backend.0)).map_or_else(Usable::default, |g| g.rotation.load().usable())
    }

    /// Records what health checks say. Returns what is usable after the change.
    pub fn set_up(&self, server: ServerId, up: bool) -> Usable {
        self.change(server, |s| s.set_up(up))
    }

    /// Records what the operator wants. Leaving maintenance brings the server back up: checks had stopped, and the
    /// next failed one takes it down again.
    pub fn set_admin(&self, server: ServerId, admin: AdminState) -> Usable {
        self.change(server, |s| s.set_admin(admin))
    }

    /// Changes the weight, 0–256; larger ones count as 256.
    pub fn set_weight(&self, server: ServerId, weight: u16) -> Usable {
        self.change(server, |s| s.set_weight(weight))
    }

    fn change(&self, server: ServerId, apply: impl FnOnce(&Switches)) -> Usable {
        let Some(switches) = self.switches.get(server.0 as usize) else { return Usable::default() };
        let Some(group) = self.backends.get(usize::from(switches.backend().0)) else {
            return Usable::default();
        };
        // The mutex guards no data of its own, so a panic of another holder leaves nothing half done.
        let guard = group.changing.lock().unwrap_or_else(PoisonError::into_inner);
        apply(switches);
        let rotation = group.compute(&self.switches);
        let usable = rotation.usable();
        group.rotation.store(Arc::new(rotation));
        drop(guard);
        usable
    }
}

impl Group {
    fn new(backend: &Backend, switches: &[Switches]) -> Self {
        let group = Self {
            rotation: ArcSwap::from_pointee(Rotation::default()),
            cursor: Cursor::default(),
            servers: backend.servers.clone(),
            allbackups: backend.allbackups,
            changing: Mutex::new(()),
        };
        group.rotation.store(Arc::new(group.compute(switches)));
        group
    }

    fn compute(&self, switches: &[Switches]) -> Rotation {
        let usable = self.servers.clone().filter_map(|id| {
            let switches = switches.get(id as usize)?;
            let state = switches.read();
            let weight = std::num::NonZeroU16::new(state.weight)?;
            state.is_usable().then_some(Candidate { id: ServerId(id), weight, backup: switches.backup() })
        });
        Rotation::new(usable, self.allbackups)
    }
}
