//! One thread in another's place: what it leaves when it is suspended instead of stopped.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::turn::Driver;
use crate::config::EngineConfig;
use crate::continuation::{Continuation, Identity};
use crate::engine::Engine;
use crate::io::clock::BootClock;
use crate::io::virtual_mac::VirtualMacs;

/// Everything. The addresses stay on, and the guard goes on watching over them for as long as the last advert allows.
#[derive(Debug)]
pub struct Handed {
    /// What can be written down.
    pub record: Record,
    /// The keeper's end of the guard's socket; closing it ends the leases.
    pub guard: Option<OwnedFd>,
}

/// What can be written down, for another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    continuation: Continuation,
    /// When, as a span since boot.
    at: Duration,
    /// Number of the last beat to the guard.
    sequence: u32,
    virtual_macs: VirtualMacs,
}

impl Record {
    /// The routers of which it tells.
    pub fn continuation(&self) -> &Continuation {
        &self.continuation
    }
}

impl Handed {
    /// The engine that goes on.
    pub(super) fn engine(&self, config: EngineConfig, clock: &BootClock, now: Instant) -> Engine {
        let elapsed = clock.since_boot(now).saturating_sub(self.record.at);
        Engine::resume(config, self.record.continuation.clone(), elapsed, now)
    }
}

impl Driver {
    /// Goes on with what is there: macvlan interfaces, settings, and the guard.
    pub(super) fn take_handed(&mut self, handed: Handed) {
        let heirs = handed.record.continuation.heirs(self.engine.config());
        self.guard.go_on(handed.record.sequence, heirs.clone());
        self.virtual_macs = handed.record.virtual_macs;
        self.virtual_macs.renumber(&heirs);
        if let Some(guard) = handed.guard {
            self.attach_guard(guard);
        }
    }

    /// Routers that have no heir let go; the others speak no more.
    pub(super) fn suspend(&mut self, now: Instant, heirs: &[Identity]) {
        self.engine.leave_others(now, heirs);
        self.suspended = true;
    }

    /// What the next thread goes on with.
    pub(super) fn hand_over(mut self) -> io::Result<Option<Handed>> {
        self.write_state_file();
        self.publish_last();
        let now = self.clock.now();
        let (guard, sequence) = self.guard.let_go();
        let record = Record {
            continuation: self.engine.continuation(now),
            at: self.clock.since_boot(now),
            sequence,
            virtual_macs: std::mem::take(&mut self.virtual_macs),
        };
        Ok(Some(Handed { record, guard }))
    }
}
