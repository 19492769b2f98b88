//! What is known of one server, in atomics: switches that rarely change, and the count of running requests.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};

use crate::plan::{AdminState, BackendId, Server};

/// A reading of one server's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerState {
    /// What the operator wants.
    pub admin: AdminState,
    /// What health checks say; true without checks.
    pub up: bool,
    /// Weight in force, 0–256.
    pub weight: u16,
}

impl ServerState {
    /// Whether new work may be given to the server.
    pub fn is_usable(self) -> bool {
        self.up && self.admin == AdminState::Ready && self.weight > 0
    }

    /// Whether the server takes those whom persistence sends there, which it does while it drains.
    pub fn takes_pinned(self) -> bool {
        self.up && self.admin != AdminState::Maint
    }
}

/// State that the control side changes. Writers hold the backend's lock; other readers (status) may see a change a
/// little early or late, never a torn value, and data threads read the rotation instead.
#[derive(Debug)]
pub(super) struct Switches {
    up: AtomicBool,
    admin: AtomicU8,
    weight: AtomicU16,
    backup: bool,
    backend: BackendId,
}

impl Switches {
    pub(super) fn new(server: &Server) -> Self {
        Self {
            up: AtomicBool::new(true),
            admin: AtomicU8::new(encode(server.admin)),
            weight: AtomicU16::new(server.weight.min(MAX_WEIGHT)),
            backup: server.backup,
            backend: server.backend,
        }
    }

    pub(super) fn read(&self) -> ServerState {
        ServerState {
            admin: decode(self.admin.load(Ordering::Relaxed)),
            up: self.up.load(Ordering::Relaxed),
            weight: self.weight.load(Ordering::Relaxed),
        }
    }

    pub(super) fn backup(&self) -> bool {
        self.backup
    }

    pub(super) fn backend(&self) -> BackendId {
        self.backend
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }

    pub(super) fn set_admin(&self, admin: AdminState) {
        let before = decode(self.admin.swap(encode(admin), Ordering::Relaxed));
        if before == AdminState::Maint && admin != AdminState::Maint {
            self.set_up(true);
        }
    }

    pub(super) fn set_weight(&self, weight: u16) {
        self.weight.store(weight.min(MAX_WEIGHT), Ordering::Relaxed);
    }
}

/// Requests running on one server. Every data thread writes it, so it shares its pair of cache lines with nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Flight(AtomicU32);

impl Flight {
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn encode(admin: AdminState) -> u8 {
    match admin {
        AdminState::Ready => 0,
        AdminState::Drain => 1,
        AdminState::Maint => 2,
    }
}

fn decode(byte: u8) -> AdminState {
    match byte {
        0 => AdminState::Ready,
        1 => AdminState::Drain,
        _ => AdminState::Maint,
    }
}

/// Largest weight the configuration language knows, as HAProxy's.
const MAX_WEIGHT: u16 = 256;
