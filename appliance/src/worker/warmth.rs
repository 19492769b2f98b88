//! How this node stands with its servers: whether taking the VIP from a node that serves would do clients any good.
//!
//! A node whose link or worker has just come back would answer 503 until its checks have found its servers again. It is
//! ready when every backend has a usable server. A backend that has had none for a minute while others had one does not
//! count any more: this node reaches its servers, and that backend is down for everybody. A node without a single usable
//! server may be cut off from them all.

use std::time::{Duration, Instant};

use evenkeel_vrrp::event::Servers;

/// The machine. Feed it what is usable; it says how the node stands.
#[derive(Debug)]
pub(super) struct Warmth {
    /// Per backend with servers: since when it has been down while another was up.
    down_alone_since: Vec<Option<Instant>>,
    warm: bool,
}

impl Warmth {
    /// Cold, with so many backends that have servers.
    pub(super) fn new(backends: usize) -> Self {
        Self { down_alone_since: vec![None; backends], warm: false }
    }

    /// How the node stands, now that these backends have a usable server. Ready also where there is nothing to wait
    /// for.
    pub(super) fn observe(&mut self, now: Instant, usable: &[bool]) -> Servers {
        let reached = usable.contains(&true);
        for (since, up) in self.down_alone_since.iter_mut().zip(usable) {
            if *up || !reached {
                *since = None;
            } else {
                since.get_or_insert(now);
            }
        }
        let given_up = |since: &Option<Instant>| since.is_some_and(|at| at + PATIENCE <= now);
        self.warm = usable.iter().zip(&self.down_alone_since).all(|(up, since)| *up || given_up(since));
        match (self.warm, reached) {
            (true, _) => Servers::Ready,
            (false, true) => Servers::NotReady,
            (false, false) => Servers::Lost,
        }
    }

    /// When to look again although nothing has changed.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.warm {
            return None;
        }
        self.down_alone_since.iter().flatten().map(|at| *at + PATIENCE).max()
    }
}

/// Longer than any usual `rise × inter`, so that a backend that is about to come up is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_backend_is_usable() {
        let (mut warmth, now) = (Warmth::new(2), Instant::now());
        assert_eq!(warmth.observe(now, &[false, false]), Servers::Lost);
        assert_eq!(warmth.poll_timeout(), None, "nothing reached: no time makes it ready");
        assert_eq!(warmth.observe(now, &[true, false]), Servers::NotReady);
        assert_eq!(warmth.observe(now, &[true, true]), Servers::Ready);
        assert_eq!(warmth.observe(now, &[false, false]), Servers::Lost);
    }

    #[test]
    fn a_backend_that_is_down_for_everybody_is_given_up() {
        let (mut warmth, now) = (Warmth::new(2), Instant::now());
        assert_eq!(warmth.observe(now, &[true, false]), Servers::NotReady);
        let due = warmth.poll_timeout().unwrap();
        assert_eq!(due, now + PATIENCE);
        let early = due.checked_sub(Duration::from_millis(1)).unwrap();
        assert_eq!(warmth.observe(early, &[true, false]), Servers::NotReady);
        assert_eq!(warmth.observe(due, &[true, false]), Servers::Ready);
        assert_eq!(warmth.observe(due, &[false, false]), Servers::Lost);
        assert_eq!(warmth.observe(due, &[true, false]), Servers::NotReady, "everything is waited for again");
    }

    #[test]
    fn nothing_to_wait_for_is_ready() {
        assert_eq!(Warmth::new(0).observe(Instant::now(), &[]), Servers::Ready);
    }
}
