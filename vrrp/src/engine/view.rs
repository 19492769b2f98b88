//! Copies the engine's state into plain data for `status`.

use std::time::Instant;

use super::Engine;
use crate::router::{Obstacle, Router};
use crate::snapshot::{GroupSnapshot, RouterSnapshot, Snapshot, TrackSnapshot, TrackUseSnapshot};
use crate::track::Verdict;
use crate::types::{GroupId, RouterId, TrackId};

pub(super) fn snapshot(engine: &Engine, now: Instant) -> Snapshot {
    Snapshot {
        at: now,
        routers: engine.routers.iter().map(|r| router(engine, r)).collect(),
        groups: groups(engine),
        tracks: tracks(engine),
        counters: engine.counters.clone(),
    }
}

fn router(engine: &Engine, router: &Router) -> RouterSnapshot {
    let (config, standing) = (router.config(), router.standing());
    RouterSnapshot {
        id: router.id(),
        name: config.name.clone(),
        interface: config.interface.clone(),
        ifindex: router.site.listening(),
        family: config.family,
        vrid: config.vrid,
        version: config.version,
        state: router.state(),
        since: router.since(),
        last_transition: router.last_transition().cloned(),
        waiting_for: standing.obstacle.map(Obstacle::cause),
        base_priority: config.priority,
        effective_priority: standing.priority(),
        fit: standing.unfit.is_none(),
        master: router.master(),
        source: router.site.source(),
        last_advert_sent: router.last_sent(),
        peers: router.peers().copied().collect(),
        vips: router.vips(&engine.net),
        tracks: track_uses(engine, router),
        counters: router.counters.clone(),
    }
}

fn track_uses(engine: &Engine, router: &Router) -> Vec<TrackUseSnapshot> {
    let usage = |usage: &crate::config::TrackUse| {
        let track = engine.tracks.get(usize::from(usage.track.0))?;
        let contribution = match track.verdict(usage) {
            Verdict::Adds(n) => n,
            Verdict::Awaited | Verdict::Fails | Verdict::Unfit => 0,
        };
        let (track, weight, state) = (usage.track, usage.weight, track.state());
        Some(TrackUseSnapshot { track, weight, state, contribution })
    };
    router.config().tracks.iter().filter_map(usage).collect()
}

fn tracks(engine: &Engine) -> Vec<TrackSnapshot> {
    let ids = (0..=u16::MAX).map(TrackId);
    ids.zip(&engine.tracks)
        .map(|(id, t)| TrackSnapshot { id, name: t.config().name.clone(), state: t.state() })
        .collect()
}

fn groups(engine: &Engine) -> Vec<GroupSnapshot> {
    let state = |id: &RouterId| engine.routers.get(usize::from(id.0)).map(Router::state);
    let ids = (0..=u16::MAX).map(GroupId);
    ids.zip(engine.config.groups())
        .map(|(id, group)| {
            let mut states = group.members.iter().filter_map(state);
            let first = states.next();
            let shared = first.filter(|s| states.all(|other| other == *s));
            let (name, members) = (group.name.clone(), group.members.clone());
            GroupSnapshot { id, name, state: shared, members }
        })
        .collect()
}
