//! Notify scripts: which one a transition runs.

use std::io;

use evenkeel_vrrp::event::{State, Transition};

use super::scripts::{Notice, Notifier, Users};
use crate::config::model::{Notify, VirtualRouter};
use crate::worker::privileges::Identity;

/// The notify scripts of all instances.
#[derive(Debug)]
pub(super) struct Notifications {
    notifier: Notifier,
    /// Name and scripts, in the order of the engine's routers.
    instances: Vec<(String, Notify)>,
    identity: Identity,
}

impl Notifications {
    /// # Errors
    /// If the script user does not exist.
    pub(super) fn start(routers: &[VirtualRouter], users: Users<'_>) -> io::Result<Self> {
        let instances = routers.iter().map(|r| (r.name.value.clone(), r.notify.clone())).collect();
        Ok(Self { notifier: Notifier::start(), instances, identity: users(None)? })
    }

    /// Other scripts, of the same instances.
    pub(super) fn replace(&mut self, routers: &[VirtualRouter]) {
        self.instances = routers.iter().map(|r| (r.name.value.clone(), r.notify.clone())).collect();
    }

    /// Queues the script of a transition, if there is one.
    pub(super) fn transition(&self, t: &Transition) {
        let Some((instance, notify)) = self.instances.get(usize::from(t.router.0)) else { return };
        let script = match t.to {
            State::Master => &notify.master,
            State::Backup => &notify.backup,
            State::Fault => &notify.fault,
            State::Stopped => &notify.stop,
            State::Init => &None,
        };
        let Some(command) = script else { return };
        self.notifier.notify(Notice {
            command: command.clone(),
            instance: instance.clone(),
            state: if t.to == State::Stopped { "STOP" } else { t.to.as_str() },
            priority: t.priority.value(),
            identity: self.identity,
        });
    }

    /// Runs what is queued, for a bounded time.
    pub(super) async fn finish(self) {
        self.notifier.finish().await;
    }
}
