//! What others may look at.

use std::net::IpAddr;
use std::time::Instant;

use super::site::Site;
use super::{Phase, Router, Standing, Turn, state_of, vips};
use crate::config::RouterConfig;
use crate::event::{State, Transition};
use crate::net::Net;
use crate::snapshot::{PeerSnapshot, VipSnapshot};
use crate::types::RouterId;

impl Router {
    /// The site with the configuration it is surveyed for.
    pub(crate) const fn survey_parts(&mut self) -> (&mut Site, &RouterConfig) {
        (&mut self.site, &self.config)
    }

    /// Stops listening and deletes what was made to live there.
    pub(crate) fn leave_site(&mut self, turn: &mut Turn<'_>) {
        self.site.leave(self.config.family, turn.actions);
    }

    pub(crate) const fn id(&self) -> RouterId {
        self.id
    }

    pub(crate) const fn config(&self) -> &RouterConfig {
        &self.config
    }

    pub(crate) const fn state(&self) -> State {
        match (&self.phase, &self.inherited) {
            (Phase::Init, Some(inherited)) => inherited.state(),
            (phase, _) => state_of(phase),
        }
    }

    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) const fn last_transition(&self) -> Option<&Transition> {
        self.last_transition.as_ref()
    }

    pub(crate) const fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &PeerSnapshot> {
        self.peers.iter()
    }

    pub(crate) fn vips(&self, net: &Net) -> Vec<VipSnapshot> {
        let snapshot = |w: &vips::Watched| {
            let (vip, advertised, on) = (w.vip.clone(), w.advertised, self.is_on(net, &w.vip));
            VipSnapshot { vip, advertised, on }
        };
        self.watch.iter().map(snapshot).collect()
    }

    /// Who is MASTER, as far as this node knows.
    pub(crate) const fn master(&self) -> Option<IpAddr> {
        match &self.phase {
            Phase::Master(_) => self.site.source(),
            Phase::Backup(b) => b.master(),
            Phase::Init | Phase::Fault | Phase::Stopped => None,
        }
    }

    pub(crate) const fn last_sent(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Master(m) => Some(m.last_sent()),
            Phase::Init | Phase::Backup(_) | Phase::Fault | Phase::Stopped => None,
        }
    }
}
