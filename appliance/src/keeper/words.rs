//! The VRRP engine's state in words, for logs and status.

use std::time::Instant;

use evenkeel_vrrp::config::EngineConfig;
use evenkeel_vrrp::event::Cause;
use evenkeel_vrrp::io::driver::DriverEvent;
use evenkeel_vrrp::snapshot::{RouterSnapshot, Snapshot, TrackState};
use evenkeel_vrrp::types::{GroupId, RouterId, TrackId};

use crate::status::{InstanceStatus, PeerStatus, TrackStatus, VipStatus};

/// Why a router changed its state, as a sentence fragment.
pub(super) fn cause(cause: Cause, config: &EngineConfig) -> String {
    match cause {
        Cause::Ready => "interface, source address and tracks are ready".into(),
        Cause::Owner => "priority 255: owner of the addresses".into(),
        Cause::MasterDown { last: Some(addr) } => format!("{addr} fell silent"),
        Cause::MasterDown { last: None } => "no MASTER heard".into(),
        Cause::MasterReleased { by } => format!("{by} released with priority 0"),
        Cause::Preempts { from, priority } => format!("{from} advertises only priority {priority}"),
        Cause::HigherPriority { from, priority } => format!("{from} advertises priority {priority}"),
        Cause::InterfaceDown => "interface is down".into(),
        Cause::NoSourceAddress => "interface has no address to send from".into(),
        Cause::TrackFailed(track) => format!("track {} failed", track_name(track, config)),
        Cause::Unfit(track) => format!("{} does not serve", track_name(track, config)),
        Cause::Group(group) => format!("sync group {} left together", group_name(group, config)),
        Cause::Overslept => "overslept the lease: this process did not run in time".into(),
        Cause::CannotSend => "adverts cannot be sent".into(),
        Cause::CannotAddVips => "virtual addresses cannot be added".into(),
        Cause::Command => "told to".into(),
    }
}

/// Logs an event of the VRRP thread.
pub(super) fn log(event: &DriverEvent, config: &EngineConfig) {
    let router = |id: RouterId| config.routers().get(usize::from(id.0)).map_or("?", |r| r.name.as_str());
    match event {
        DriverEvent::Transition(t) => tracing::info!(
            instance = router(t.router),
            from = t.from.as_str(),
            to = t.to.as_str(),
            cause = %cause(t.cause, config),
            priority = t.priority.value(),
            "state changed"
        ),
        DriverEvent::LeftoversRemoved(count) => {
            tracing::warn!(count, "virtual addresses of an earlier run removed");
        }
        DriverEvent::Refused(refused) => tracing::warn!(%refused, "VRRP thread runs without"),
        DriverEvent::ActionFailed(result) => tracing::error!(?result, "VRRP action failed"),
        DriverEvent::FramesFailed { router: id, errno } => {
            tracing::error!(instance = router(*id), errno, "announcements cannot be sent");
        }
        DriverEvent::ListenFailed { ifindex, errno } => {
            tracing::error!(ifindex = ifindex.value(), errno, "cannot listen for adverts");
        }
        DriverEvent::GuardLost => tracing::error!("guard does not answer any more"),
        DriverEvent::Suspended(span) => tracing::warn!(?span, "machine was suspended"),
        DriverEvent::StateFileFailed { errno } => {
            tracing::warn!(errno, "list of held addresses cannot be written");
        }
        DriverEvent::Stopped => tracing::info!("VRRP released"),
    }
}

fn track_name(track: TrackId, config: &EngineConfig) -> &str {
    config.tracks().get(usize::from(track.0)).map_or("?", |t| t.name.as_str())
}

fn group_name(group: GroupId, config: &EngineConfig) -> &str {
    config.groups().get(usize::from(group.0)).map_or("?", |g| g.name.as_str())
}

/// One instance for the status document.
pub(super) fn instance(
    router: &RouterSnapshot,
    snapshot: &Snapshot,
    config: &EngineConfig,
) -> InstanceStatus {
    // The engine's clock goes on while the machine sleeps, so only its own instants compare.
    let now = snapshot.at;
    let ms = |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    let why = router.waiting_for.or_else(|| router.last_transition.as_ref().map(|t| t.cause));
    let peer = |p: &evenkeel_vrrp::snapshot::PeerSnapshot| PeerStatus {
        address: p.addr.to_string(),
        version: p.version.number(),
        priority: p.priority.value(),
        heard_ms: ms(p.last_heard),
    };
    let vip = |v: &evenkeel_vrrp::snapshot::VipSnapshot| VipStatus {
        address: format!("{}/{}", v.vip.addr, v.vip.prefix_len),
        held: v.on,
    };
    let track = |t: &evenkeel_vrrp::snapshot::TrackUseSnapshot| TrackStatus {
        name: snapshot
            .tracks
            .get(usize::from(t.track.0))
            .map_or_else(String::new, |track| track.name.clone()),
        state: track_state(t.state),
        weight: t.weight,
    };
    InstanceStatus {
        name: router.name.clone(),
        interface: router.interface.to_string(),
        family: router.family.as_str().into(),
        virtual_router_id: router.vrid.value(),
        version: router.version.number(),
        state: router.state.as_str().into(),
        since_ms: ms(router.since),
        cause: why.map_or_else(|| "just started".into(), |c| cause(c, config)),
        priority: router.base_priority.value(),
        effective_priority: router.effective_priority.value(),
        master: router.master.map(|a| a.to_string()),
        vips: router.vips.iter().map(vip).collect(),
        peers: router.peers.iter().map(peer).collect(),
        tracks: router.tracks.iter().map(track).collect(),
        counters: nonzero(router.counters.iter().map(|(c, n)| (c.as_str(), n))),
    }
}

fn nonzero<'a>(counters: impl Iterator<Item = (&'a str, u64)>) -> std::collections::BTreeMap<String, u64> {
    counters.filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect()
}

fn track_state(state: TrackState) -> String {
    match state {
        TrackState::Pending => "unknown".into(),
        TrackState::Ok => "ok".into(),
        TrackState::Failed => "failed".into(),
        TrackState::Value(n) => n.to_string(),
    }
}
