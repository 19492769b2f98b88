//! What is known of one server, in atomics: switches that rarely change.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::time::Duration;

use super::rise::{FULL, Step};
use super::rotation::FINE;
use super::slots::UNLIMITED;
use crate::plan::{AdminState, BackendId, Server};

/// A reading of one server's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerState {
    /// What the operator wants.
    pub admin: AdminState,
    /// What health checks say; true without checks.
    pub up: bool,
    /// Weight in force, 0–256, as if there were no slow start.
    pub weight: u16,
    /// Requests it takes at once, as if there were no slow start. `None`: any number.
    pub maxconn: Option<u32>,
    /// During a slow start: how much of its weight it has, in percent (HAProxy: `throttle`).
    pub throttle: Option<u8>,
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
/// little early or late, never a torn value, and data threads read the layout instead.
#[derive(Debug)]
pub(super) struct Switches {
    up: AtomicBool,
    admin: AtomicU8,
    weight: AtomicU16,
    maxconn: AtomicU32,
    /// How far a slow start is; [`FULL`]: there is none.
    rise: AtomicU32,
    /// As configured.
    full_weight: u16,
    slowstart: Option<Duration>,
    backup: bool,
    backend: BackendId,
}

impl Switches {
    pub(super) fn new(server: &Server) -> Self {
        let weight = server.weight.min(MAX_WEIGHT);
        Self {
            up: AtomicBool::new(true),
            admin: AtomicU8::new(encode(server.admin)),
            weight: AtomicU16::new(weight),
            maxconn: AtomicU32::new(server.limits.maxconn.unwrap_or(UNLIMITED)),
            rise: AtomicU32::new(FULL),
            full_weight: weight,
            slowstart: server.limits.slowstart,
            backup: server.backup,
            backend: server.backend,
        }
    }

    pub(super) fn read(&self) -> ServerState {
        let maxconn = self.maxconn.load(Ordering::Relaxed);
        ServerState {
            admin: decode(self.admin.load(Ordering::Relaxed)),
            up: self.up.load(Ordering::Relaxed),
            weight: self.weight.load(Ordering::Relaxed),
            maxconn: (maxconn != UNLIMITED).then_some(maxconn),
            throttle: self.throttle(),
        }
    }

    fn throttle(&self) -> Option<u8> {
        let rise = self.rise.load(Ordering::Relaxed);
        (rise < FULL).then(|| u8::try_from(rise * 100 / FULL).unwrap_or(100))
    }

    pub(super) fn backup(&self) -> bool {
        self.backup
    }

    pub(super) fn backend(&self) -> BackendId {
        self.backend
    }

    pub(super) fn slowstart(&self) -> Option<Duration> {
        self.slowstart
    }

    /// A weight in sixteenths, as far as it has risen: at least a sixteenth of it, as in HAProxy.
    pub(super) fn risen(&self, weight: u16) -> u32 {
        let rise = u64::from(self.rise.load(Ordering::Relaxed));
        let sixteenths = (rise * FINE).div_ceil(u64::from(FULL));
        u32::from(weight) * u32::try_from(sixteenths).unwrap_or(1)
    }

    /// Requests the server takes at once, as far as that has risen: at least one.
    pub(super) fn limit(&self) -> u32 {
        let maxconn = self.maxconn.load(Ordering::Relaxed);
        if maxconn == UNLIMITED {
            return UNLIMITED;
        }
        let rise = u64::from(self.rise.load(Ordering::Relaxed));
        u32::try_from(u64::from(maxconn) * rise / u64::from(FULL)).unwrap_or(maxconn).max(1)
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

    pub(super) fn set_weight_percent(&self, percent: u32) {
        let weight = u64::from(self.full_weight) * u64::from(percent) / 100;
        self.set_weight(u16::try_from(weight).unwrap_or(MAX_WEIGHT));
    }

    pub(super) fn set_maxconn(&self, maxconn: Option<u32>) {
        self.maxconn.store(maxconn.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }

    pub(super) fn set_rise(&self, step: Step) {
        self.rise.store(step, Ordering::Relaxed);
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
