//! All virtual routers of one node behind one set of inputs and outputs.
//!
//! Inputs are `handle_*`, each with the time at which it happens. After any of them, and after each action's result,
//! drain [`Engine::poll_action`] and arm a timer for [`Engine::poll_timeout`].
//!
//! Every input first looks at the leases: a process that slept past one finds itself BACKUP before it reads the adverts
//! that have queued up meanwhile.

mod resume;
mod view;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::config::{EngineConfig, RouterConfig};
use crate::event::{
    Action, ActionResult, AdvertCopy, Cause, Command, NetEvent, RxMeta, Servers, TrackReport,
};
use crate::group;
use crate::net::Net;
use crate::packet::peek_vrid;
use crate::router::site::{Place, Site};
use crate::router::{Input, Obstacle, Router, Sight, Standing, Turn};
use crate::snapshot::Snapshot;
use crate::stats::{Counter, Counters};
use crate::track::{Track, Verdict};
use crate::types::{Family, IfName, Priority, RouterId, TrackId};

/// The VRRP engine: no socket, no clock, no randomness inside.
///
/// Everything it keeps is bounded by the configuration, by the kernel's tables and by constants; what arrives from the
/// network can make it neither grow nor send more than its limits allow.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    net: Net,
    tracks: Vec<Track>,
    routers: Vec<Router>,
    virtual_addresses: BTreeSet<IpAddr>,
    actions: VecDeque<Action>,
    counters: Counters,
    servers: Servers,
    stopped: bool,
}

impl Engine {
    /// All routers start in INIT and wait for [`Engine::handle_net`] to tell of their interfaces.
    pub fn new(config: EngineConfig, now: Instant) -> Self {
        let ids = (0..=u16::MAX).map(RouterId);
        let router = |(id, r): (RouterId, &RouterConfig)| {
            let macvlan = r.virtual_mac.then(|| macvlan_name(config.routers(), id, r)).flatten();
            Router::new(id, r.clone(), Site::new(id, r, macvlan), now)
        };
        let routers = ids.zip(config.routers()).map(router).collect();
        let addresses = |r: &RouterConfig| r.vips.iter().chain(&r.excluded).map(|v| v.addr).collect();
        let virtual_addresses = config.routers().iter().flat_map::<Vec<_>, _>(addresses).collect();
        Self {
            net: Net::default(),
            tracks: config.tracks().iter().cloned().map(Track::new).collect(),
            routers,
            virtual_addresses,
            actions: VecDeque::new(),
            counters: Counters::default(),
            servers: Servers::Ready,
            stopped: false,
            config,
        }
    }

    /// A change of interfaces or addresses.
    pub fn handle_net(&mut self, now: Instant, event: NetEvent) {
        self.expire_leases(now);
        let changed = self.net.handle(&event);
        if changed {
            self.settle(now);
        }
        match event {
            NetEvent::AddressAdded(address) => {
                let sight = if changed { Sight::Came } else { Sight::Refreshed };
                self.each_router(now, |router, turn| router.handle_address(turn, &address, sight));
            }
            NetEvent::AddressRemoved(address) => {
                self.each_router(now, |router, turn| router.handle_address(turn, &address, Sight::Went));
            }
            NetEvent::Link(_) | NetEvent::LinkGone(_) => {}
        }
        self.follow_groups(now);
    }

    /// An advert: `bytes` is the VRRP message, what follows the IP header.
    pub fn handle_advert(&mut self, now: Instant, meta: &RxMeta, bytes: &[u8]) {
        self.expire_leases(now);
        match self.addressee(meta, bytes) {
            Ok(router) => {
                let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
                if let Some(router) = self.routers.get_mut(router) {
                    router.receive(&mut turn, meta, bytes);
                }
                self.follow_groups(now);
            }
            Err(reason) => self.counters.bump(reason),
        }
    }

    /// The time of [`Engine::poll_timeout`] has come. Harmless when called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.expire_leases(now);
        if self.routers.iter().any(|r| r.site.retry_at().is_some_and(|at| now >= at)) {
            self.settle(now);
        }
        self.each_router(now, |router, turn| router.step(turn, Input::Timeout));
        self.follow_groups(now);
    }

    /// News of a tracked thing. Interface tracks take theirs from [`Engine::handle_net`].
    pub fn handle_track(&mut self, now: Instant, track: TrackId, report: TrackReport) {
        self.expire_leases(now);
        if let Some(track) = self.tracks.get_mut(usize::from(track.0)) {
            track.handle(report);
            self.settle(now);
        }
    }

    /// How an action went.
    pub fn handle_action_result(&mut self, now: Instant, result: ActionResult) {
        self.expire_leases(now);
        let (ActionResult::AdvertSent { router, .. }
        | ActionResult::AdvertFailed { router, .. }
        | ActionResult::VipsAdded(router)
        | ActionResult::AddFailed { router, .. }
        | ActionResult::VipsRemoved(router)
        | ActionResult::RemoveFailed { router, .. }
        | ActionResult::VirtualMacFailed { router, .. }) = result;
        let Some(router) = self.routers.get_mut(usize::from(router.0)) else { return };
        let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
        match result {
            ActionResult::AdvertSent { last_copy, .. } => router.step(&mut turn, Input::Sent { last_copy }),
            ActionResult::AdvertFailed { .. } => {
                router.counters.bump(Counter::AdvertsFailed);
                router.step(&mut turn, Input::SendFailed);
            }
            ActionResult::AddFailed { .. } => {
                router.counters.bump(Counter::AddFailed);
                router.step(&mut turn, Input::AddFailed);
            }
            ActionResult::VipsRemoved(_) => router.removal_done(),
            ActionResult::RemoveFailed { .. } => router.removal_failed(now),
            ActionResult::VirtualMacFailed { .. } => router.counters.bump(Counter::VirtualMacFailed),
            // The kernel's own report says more: which address, where, and for how long it stays.
            ActionResult::VipsAdded(_) => {}
        }
        self.follow_groups(now);
    }

    /// A command.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.expire_leases(now);
        match command {
            Command::Shutdown => self.stop(now),
            Command::Servers(servers) => {
                self.servers = servers;
                self.routers.iter_mut().for_each(|r| r.set_ready(now, servers == Servers::Ready));
                self.settle(now);
            }
        }
    }

    /// The next thing to do; in order, until `None`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Engine::handle_timeout`] is wanted next, and why.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.routers.iter().filter_map(Router::poll_timeout).min_by_key(|(at, _)| *at)
    }

    /// The priority-0 adverts with which a router would let go now, for whoever has to say it when this process cannot;
    /// empty unless it is MASTER and can speak.
    pub fn farewell(&self, router: RouterId) -> Vec<AdvertCopy> {
        self.routers.get(usize::from(router.0)).map(Router::farewell).unwrap_or_default()
    }

    /// State of everything.
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        view::snapshot(self, now)
    }

    /// The configuration in force.
    pub fn config(&self) -> &EngineConfig {
        &self.config
    }

    /// Whoever has not really sent an advert for its lease has lost the addresses already. Every input looks at this
    /// first; a driver does before each action, because it may have been stopped since the action was queued.
    pub fn expire_leases(&mut self, now: Instant) {
        let lapsed = |r: &Router| r.lapses_at().is_some_and(|at| now >= at);
        if self.routers.iter().any(lapsed) {
            let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
            for router in self.routers.iter_mut().filter(|r| lapsed(r)) {
                router.step(&mut turn, Input::Lapsed);
            }
            self.follow_groups(now);
        }
    }

    /// Works out anew what each router brings to the election.
    fn settle(&mut self, now: Instant) {
        if self.stopped {
            return;
        }
        for track in &mut self.tracks {
            track.look(&self.net);
        }
        let mut standings: Vec<Standing> = Vec::with_capacity(self.routers.len());
        for router in &mut self.routers {
            let in_group = self.config.group_of(router.id()).is_some();
            let (site, config) = router.survey_parts();
            let (net, vips) = (&self.net, &self.virtual_addresses);
            let place = site.survey(now, net, config, vips, &mut self.actions);
            let lost = self.servers == Servers::Lost;
            standings.push(Standing { lost, ..standing(config, in_group, &self.tracks, place) });
        }
        group::share(self.config.groups(), &mut standings);
        let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
        for (router, standing) in self.routers.iter_mut().zip(standings) {
            router.step(&mut turn, Input::Standing(standing));
        }
        self.follow_groups(now);
    }

    fn follow_groups(&mut self, now: Instant) {
        let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
        group::follow(self.config.groups(), &mut self.routers, &mut turn);
    }

    fn each_router(&mut self, now: Instant, mut act: impl FnMut(&mut Router, &mut Turn<'_>)) {
        let mut turn = Turn { now, net: &self.net, actions: &mut self.actions };
        for router in &mut self.routers {
            act(router, &mut turn);
        }
    }

    /// The router an advert is for: VRIDs are scoped to interface and family (RFC 9568 §5.2.3).
    fn addressee(&self, meta: &RxMeta, bytes: &[u8]) -> Result<usize, Counter> {
        let vrid = peek_vrid(bytes).map_err(|e| e.counter())?;
        let meant = |r: &Router| {
            r.site.listening() == Some(meta.ifindex)
                && r.config().family == Family::of(meta.src)
                && r.config().vrid == vrid
        };
        self.routers.iter().position(meant).ok_or(Counter::DropUnknownRouter)
    }

    fn stop(&mut self, now: Instant) {
        self.stopped = true;
        self.each_router(now, |router, turn| {
            router.step(turn, Input::Stop);
            router.leave_site(turn);
        });
        self.follow_groups(now);
    }
}

/// What one router brings to the election by itself.
fn standing(
    config: &RouterConfig,
    in_group: bool,
    tracks: &[Track],
    place: Result<Place, Cause>,
) -> Standing {
    let owner = config.priority.is_owner();
    let (mut failed, mut awaited, mut unfit, mut sum) = (None, None, None, 0);
    for usage in &config.tracks {
        let verdict = tracks.get(usize::from(usage.track.0)).map(|t| t.verdict(usage));
        match verdict {
            Some(Verdict::Adds(n)) => sum += n,
            Some(Verdict::Fails) => failed = failed.or(Some(usage.track)),
            Some(Verdict::Awaited) => awaited = awaited.or(Some(usage.track)),
            Some(Verdict::Unfit) => unfit = unfit.or(Some(usage.track)),
            None => {}
        }
    }
    let missing = place.err().map(Obstacle::Awaits);
    let failed = failed.map(|t| Obstacle::Failed(Cause::TrackFailed(t)));
    let awaited = awaited.map(|t| Obstacle::Awaits(Cause::TrackFailed(t)));
    // RFC 9568 §8.3.1: the owner's priority is 255, whatever happens. keepalived: no weights in a sync group, whose
    // members would otherwise be elected on different nodes.
    let tracked = if owner || in_group {
        config.priority
    } else {
        Priority::clamped(i32::from(config.priority.value()) + sum)
    };
    Standing {
        obstacle: missing.or(failed).or(awaited),
        unfit: unfit.filter(|_| !owner),
        lost: false,
        tracked,
        place: place.ok(),
    }
}

/// `vrrp.51` as keepalived names it, `vrrp6.51` for IPv6; with the router's position where that is taken.
fn macvlan_name(routers: &[RouterConfig], id: RouterId, router: &RouterConfig) -> Option<IfName> {
    let six = if router.family == Family::V6 { "6" } else { "" };
    let same = |r: &&RouterConfig| r.virtual_mac && (r.family, r.vrid) == (router.family, router.vrid);
    let name = if routers.iter().filter(same).count() > 1 {
        format!("vrrp{six}.{}.{}", router.vrid, id.0)
    } else {
        format!("vrrp{six}.{}", router.vrid)
    };
    IfName::new(&name)
}

#[cfg(test)]
mod tests;
