//! What the VRRP thread tells: events, the snapshot for readers, and the list of held addresses.

use std::time::{Duration, Instant};

use super::status::DriverEvent;
use super::turn::Driver;
use crate::event::ActionResult;
use crate::io::leftovers::HeldAddress;
use crate::io::netlink::errno;

/// Kinds of action that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failing {
    Advert,
    Add,
    Remove,
    VirtualMac,
}

impl Driver {
    pub(super) fn tell(&mut self, event: DriverEvent) {
        if self.shared.events.0.push(event).is_err() {
            self.status.events_dropped += 1;
        }
    }

    /// Failures are told when they begin, not each time.
    pub(super) fn note_result(&mut self, result: ActionResult) {
        let (router, kind, failed) = match result {
            ActionResult::AdvertSent { router, .. } => (router, Failing::Advert, false),
            ActionResult::AdvertFailed { router, .. } => (router, Failing::Advert, true),
            ActionResult::VipsAdded(router) => (router, Failing::Add, false),
            ActionResult::AddFailed { router, .. } => (router, Failing::Add, true),
            ActionResult::VipsRemoved(router) => (router, Failing::Remove, false),
            ActionResult::RemoveFailed { router, .. } => (router, Failing::Remove, true),
            ActionResult::VirtualMacFailed { router, .. } => (router, Failing::VirtualMac, true),
        };
        if !failed {
            self.failing.remove(&(router, kind));
        } else if self.failing.insert((router, kind)) {
            self.tell(DriverEvent::ActionFailed(result));
        }
    }

    /// After the adverts and announcements of the turn: a slow disk must not delay them.
    pub(super) fn write_state_file(&mut self) {
        if !std::mem::take(&mut self.held_changed) {
            return;
        }
        let Some(file) = &self.state_file else { return };
        let network = self.watch.network();
        let held = self.guard.held().filter_map(|a| {
            let interface = network.name_of(a.ifindex)?.clone();
            Some(HeldAddress { interface, addr: a.addr, prefix_len: a.prefix_len })
        });
        let written = file.write(&held.collect());
        let failed_before = std::mem::replace(&mut self.state_file_failing, written.is_err());
        if let Err(e) = written
            && !failed_before
        {
            self.tell(DriverEvent::StateFileFailed { errno: errno(&e) });
        }
    }

    pub(super) fn publish_if_due(&mut self, now: Instant) {
        let due = self.stale && now.saturating_duration_since(self.published_at) >= PUBLISH_EVERY;
        if self.changed || due {
            self.publish(now);
        }
    }

    pub(super) fn publish_last(&mut self) {
        self.status.guard = self.guard.status();
        self.shared.publish_last(self.engine.snapshot(self.clock.now()), self.status.clone());
    }

    pub(super) fn publish(&mut self, now: Instant) {
        self.status.guard = self.guard.status();
        if self.shared.publish(self.engine.snapshot(now), self.status.clone()) {
            self.published_at = now;
            self.changed = false;
            self.stale = false;
        }
    }
}

pub(super) const PUBLISH_EVERY: Duration = Duration::from_secs(1);
