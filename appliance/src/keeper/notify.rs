//! Notify scripts: which one a transition runs.

use evenkeel_vrrp::event::{State, Transition};

use super::scripts::{Notice, Notifier};
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
    /// Scripts run with the rights of `identity`.
    pub(super) fn start(routers: &[VirtualRouter], identity: Identity) -> Self {
        Self { notifier: Notifier::start(), instances: instances(routers), identity }
    }

    /// Other scripts; those that are queued run.
    pub(super) fn replace(&mut self, routers: &[VirtualRouter], identity: Option<Identity>) {
        self.instances = instances(routers);
        self.identity = identity.unwrap_or(self.identity);
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

fn instances(routers: &[VirtualRouter]) -> Vec<(String, Notify)> {
    routers.iter().map(|r| (r.name.value.clone(), r.notify.clone())).collect()
}
