//! All virtual routers of one node behind one set of inputs and outputs.
//!
//! Inputs are `handle_*`, each with the time at which it happened. After any of them, and after each action's result,
//! drain [`Engine::poll_action`] and arm a timer for [`Engine::poll_timeout`].

use std::collections::VecDeque;
use std::time::Instant;

use crate::config::EngineConfig;
use crate::event::{Action, ActionResult, Command, NetEvent, RxMeta, TrackReport};
use crate::snapshot::Snapshot;
use crate::stats::Counters;
use crate::types::TrackId;

/// The VRRP engine: no socket, no clock, no randomness inside.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    actions: VecDeque<Action>,
    counters: Counters,
}

impl Engine {
    /// All routers start in INIT and wait for [`Engine::handle_net`] to tell of their interfaces.
    pub fn new(config: EngineConfig, _now: Instant) -> Self {
        Self { config, actions: VecDeque::new(), counters: Counters::default() }
    }

    /// A change of interfaces or addresses.
    pub fn handle_net(&mut self, _now: Instant, _event: NetEvent) {}

    /// An advert: `bytes` is the VRRP message, what follows the IP header.
    pub fn handle_advert(&mut self, _now: Instant, _meta: &RxMeta, _bytes: &[u8]) {}

    /// The time of [`Engine::poll_timeout`] has come. Harmless when called early.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// News of a tracked thing. Interface tracks take theirs from [`Engine::handle_net`].
    pub fn handle_track(&mut self, _now: Instant, _track: TrackId, _report: TrackReport) {}

    /// How an action went.
    pub fn handle_action_result(&mut self, _now: Instant, _result: ActionResult) {}

    /// A command.
    pub fn handle_command(&mut self, _now: Instant, _command: Command) {}

    /// The next thing to do; in order, until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Engine::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// State of everything.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        Snapshot {
            at: now,
            routers: Vec::new(),
            groups: Vec::new(),
            tracks: Vec::new(),
            counters: self.counters.clone(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }
}
