//! What is the case at this moment, as the observers tell it: what the story waits for.
use std::time::Duration;

use super::cast::{Node, PerNode};
use super::event::{Advert, Event, Probe, Served, What};

/// The state of the pair as seen from outside.
#[derive(Debug, Default)]
pub(super) struct Scene {
    held: PerNode<bool>,
    heard: Option<Advert>,
    adverts: u64,
    streak: Option<Streak>,
    interrupted: bool,
}

/// Requests served one after the other through one node, without a failure between them.
#[derive(Debug, Clone, Copy)]
struct Streak {
    through: Node,
    since: Duration,
    count: u32,
}

impl Scene {
    /// Takes in what happened.
    pub(super) fn feed(&mut self, event: &Event) {
        match &event.what {
            What::Advert(advert) => {
                self.heard = Some(*advert);
                self.adverts += 1;
            }
            What::Address { node, held } => *self.held.of_mut(*node) = *held,
            What::Probe(probe) => self.probe(probe),
            What::Interrupted => self.interrupted = true,
            What::Did(_) | What::Transition(_) | What::Warned { .. } | What::Exited { .. } => {}
        }
    }

    /// Whether `node` has the VIP and is the one that adverts it. The wire and the kernel say so, not the keeper.
    pub(super) fn is_master(&self, node: Node) -> bool {
        let adverts = self.heard.is_some_and(|advert| advert.from == node && advert.priority > 0);
        adverts && *self.held.of(node)
    }

    /// How many adverts were heard so far.
    pub(super) fn adverts(&self) -> u64 {
        self.adverts
    }

    /// Who has the VIP.
    pub(super) fn held(&self) -> &PerNode<bool> {
        &self.held
    }

    /// Whether the last [`STEADY`] requests were all served through `node`.
    pub(super) fn is_served_through(&self, node: Node) -> bool {
        self.streak.is_some_and(|streak| streak.through == node && streak.count >= STEADY)
    }

    /// Forgets the requests so far: what counts is served after this moment.
    pub(super) fn forget_requests(&mut self) {
        self.streak = None;
    }

    /// Whether somebody wants the demo to end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    fn probe(&mut self, probe: &Probe) {
        match (probe.result, self.streak) {
            (Ok(Served { through, .. }), Some(streak)) if streak.through == through => {
                self.streak = Some(Streak { count: streak.count.saturating_add(1), ..streak });
            }
            (Ok(Served { through, .. }), _) => {
                self.streak = Some(Streak { through, since: probe.started, count: 1 });
            }
            // The end of a request sent before the streak began says nothing about the time since.
            (Err(_), Some(streak)) if probe.started < streak.since => {}
            (Err(_), _) => self.streak = None,
        }
    }
}

/// A tenth of a second of good answers.
const STEADY: u32 = 20;

#[cfg(test)]
mod tests {
    use super::super::cast::App;
    use super::super::event::Failure;
    use super::*;

    fn event(what: What) -> Event {
        Event { at: Duration::ZERO, what }
    }

    fn probe(started_ms: u64, result: Result<Node, Failure>) -> Event {
        let started = Duration::from_millis(started_ms);
        let result = result.map(|through| Served { through, app: App::App1 });
        event(What::Probe(Probe { started, took: Duration::from_millis(1), result }))
    }

    fn advert(from: Node, priority: u8) -> Event {
        event(What::Advert(Advert { from, priority, interval: Duration::from_millis(100) }))
    }

    #[test]
    fn a_master_has_the_address_and_the_last_word() {
        let mut scene = Scene::default();
        let mut after = |event: Event| {
            scene.feed(&event);
            (scene.is_master(Node::Lb1), scene.is_master(Node::Lb2))
        };
        assert_eq!(after(advert(Node::Lb1, 150)), (false, false));
        assert_eq!(after(event(What::Address { node: Node::Lb1, held: true })), (true, false));
        assert_eq!(after(event(What::Address { node: Node::Lb2, held: true })), (true, false));
        assert_eq!(after(advert(Node::Lb2, 100)), (false, true));
        assert_eq!(after(advert(Node::Lb2, 0)), (false, false));
    }

    #[test]
    fn steady_service_is_a_streak_through_one_node() {
        let mut scene = Scene::default();
        for n in 0..STEADY {
            assert!(!scene.is_served_through(Node::Lb1), "after {n}");
            scene.feed(&probe(100 + u64::from(n), Ok(Node::Lb1)));
        }
        assert!(scene.is_served_through(Node::Lb1));
        scene.feed(&probe(99, Err(Failure::TimedOut)));
        assert!(scene.is_served_through(Node::Lb1), "a late end of an early request");
        scene.feed(&probe(200, Ok(Node::Lb2)));
        assert!(!scene.is_served_through(Node::Lb1) && !scene.is_served_through(Node::Lb2));
        scene.feed(&probe(201, Err(Failure::Refused)));
        assert!(!scene.is_served_through(Node::Lb2));
    }
}
