//! One engine in another's place.

use std::time::{Duration, Instant};

use super::Engine;
use crate::config::EngineConfig;
use crate::continuation::{Continuation, Identity};
use crate::router::{Input, Turn};

impl Engine {
    /// Goes on where another engine was, `elapsed` after it has said so. Routers that are new begin in INIT; those that
    /// are the same are back in their states, without a transition, when [`Engine::handle_net`] has told of their
    /// interfaces. A MASTER whose lease has run out meanwhile is none.
    pub fn resume(config: EngineConfig, from: Continuation, elapsed: Duration, now: Instant) -> Self {
        let mut engine = Self::new(config, now);
        let Continuation { mut routers, tracks, servers, counters } = from;
        (engine.servers, engine.counters) = (servers, counters);
        for track in &mut engine.tracks {
            if let Some((_, memory)) = tracks.iter().find(|(name, _)| *name == track.config().name) {
                track.remember(*memory);
            }
        }
        for router in &mut engine.routers {
            let identity = Identity::of(router.config());
            if let Some(at) = routers.iter().position(|was| was.identity == identity) {
                router.inherit(now, elapsed, routers.swap_remove(at));
            }
        }
        engine
    }

    /// What the next engine has to know.
    pub fn continuation(&self, now: Instant) -> Continuation {
        let tracks = self.tracks.iter().map(|t| (t.config().name.clone(), t.memory())).collect();
        Continuation {
            routers: self.routers.iter().filter_map(|r| r.continuation(now)).collect(),
            tracks,
            servers: self.servers,
            counters: self.counters.clone(),
        }
    }

    /// The next engine will not have other routers than these: they let go for good. The groups they were in do not
    /// follow them, and this engine asks for nothing else any more.
    pub fn leave_others(&mut self, now: Instant, heirs: &[Identity]) {
        self.expire_leases(now);
        self.stopped = true;
        let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
        for router in &mut self.routers {
            if !heirs.contains(&Identity::of(router.config())) {
                router.step(&mut turn, Input::Stop);
                router.leave_site(&mut turn);
                router.take_move();
            }
        }
    }
}

#[cfg(feature = "io")]
mod kept {
    //! What a driver finds at its start and leaves there.

    use std::net::IpAddr;

    use super::Engine;
    use crate::router::Router;
    use crate::types::IfName;

    impl Engine {
        /// Whether this address on this interface belongs to a MASTER that goes on.
        pub(crate) fn goes_on_holding(&self, interface: &IfName, addr: IpAddr, prefix_len: u8) -> bool {
            self.routers.iter().any(|r| r.is_to_hold_address(interface, addr, prefix_len))
        }

        /// The interfaces of their own that such routers have.
        pub(crate) fn macvlans_that_go_on(&self) -> Vec<IfName> {
            let name = |r: &Router| r.site.macvlan_name().cloned();
            self.routers.iter().filter(|r| r.has_inherited()).filter_map(name).collect()
        }
    }
}
