//! What a router asks the driver to send and to put on interfaces.

use std::net::IpAddr;
use std::time::Duration;

use super::{Master, Phase, Router, Turn};
use crate::announce;
use crate::config::{RouterConfig, Transport, Vip};
use crate::event::{Action, AdvertCopy};
use crate::net::Net;
use crate::packet::{Advert, Auth, group};
use crate::stats::Counter;
use crate::types::{IfIndex, Mac, Priority};

impl Router {
    /// One advertisement: to the group, or a copy to each peer.
    pub(super) fn advertise(&self, turn: &mut Turn<'_>, master: &mut Master) {
        let copies = self.send_adverts(turn, self.standing.priority());
        master.advertising(turn.now, copies);
    }

    /// RFC 9568 §6.4.3: "the router MUST send an ADVERTISEMENT with Priority = 0".
    pub(super) fn release(&mut self, turn: &mut Turn<'_>) {
        self.send_adverts(turn, Priority::RELEASE);
        self.counters.bump(Counter::ReleasesSent);
    }

    /// What [`Self::release`] would send now, for somebody who has to say it in this node's place: a MASTER's only.
    pub(crate) fn farewell(&self) -> Vec<AdvertCopy> {
        match self.phase {
            Phase::Master(_) => self.copies(Priority::RELEASE),
            Phase::Init | Phase::Backup(_) | Phase::Fault | Phase::Stopped => Vec::new(),
        }
    }

    /// Queues the copies and says how many there are.
    fn send_adverts(&self, turn: &mut Turn<'_>, priority: Priority) -> usize {
        let (router, copies) = (self.id, self.copies(priority));
        let count = copies.len();
        for (i, AdvertCopy { ifindex, src, dst, bytes }) in copies.into_iter().enumerate() {
            let last_copy = i + 1 == count;
            turn.actions.push_back(Action::SendAdvert { router, ifindex, src, dst, bytes, last_copy });
        }
        count
    }

    /// One advertisement, to each destination in each form that is read there; none without a place to speak from.
    fn copies(&self, priority: Priority) -> Vec<AdvertCopy> {
        let Some(place) = self.standing.place else { return Vec::new() };
        let advert = self.advert(priority);
        let (ifindex, src) = (place.speak, place.source);
        let mut copies = Vec::new();
        for dst in self.destinations() {
            let forms = self.peers.forms(dst, self.config.checksum);
            let encoded = |form| AdvertCopy { ifindex, src, dst, bytes: advert.encode(form, src, dst) };
            copies.extend(forms.into_iter().map(encoded));
        }
        copies
    }

    fn advert(&self, priority: Priority) -> Advert {
        Advert {
            version: self.config.version,
            vrid: self.config.vrid,
            priority,
            interval: self.config.advert_int,
            auth: self.config.auth_pass.map_or(Auth::None, Auth::Pass),
            addresses: self.config.vips.iter().map(|v| v.addr).collect(),
        }
    }

    fn destinations(&self) -> Vec<IpAddr> {
        match &self.config.transport {
            Transport::Multicast => vec![group(self.config.family)],
            Transport::Unicast { peers, .. } => peers.clone(),
        }
    }

    /// Asks for addresses to be put on: all, or some.
    pub(super) fn add_vips(&mut self, turn: &mut Turn<'_>, some: Option<&[Vip]>) {
        let Some(place) = self.standing.place else { return };
        let vips = some.map_or_else(|| self.watch.all(), <[Vip]>::to_vec);
        let on = self.on(turn.net);
        self.watch.putting_on(turn.now, |v| vips.contains(v), |v| on.contains(v));
        let (router, ifindex, lease) = (self.id, place.carry, self.lifetime());
        turn.actions.push_back(Action::AddVips { router, ifindex, vips, lease });
    }

    /// Asks for all addresses to be taken off, from where they were put even if that is going.
    pub(super) fn remove_vips(&mut self, turn: &mut Turn<'_>) {
        let carry = self.standing.place.map(|p| p.carry).or_else(|| self.site.carry());
        let Some(ifindex) = carry else { return };
        let on = self.on(turn.net);
        self.watch.taking_off(turn.now, |v| on.contains(v));
        let (router, vips) = (self.id, self.watch.all());
        turn.actions.push_back(Action::RemoveVips { router, ifindex, vips });
    }

    /// Kernel lifetime of the addresses. The kernel counts whole seconds, so it is the coarser fence behind the guard's,
    /// and must outlast the interval at which it is renewed: an address that comes and goes would serve nobody.
    pub(super) fn lifetime(&self) -> Duration {
        let RouterConfig { lease, advert_int, .. } = self.config;
        let least = advert_int.duration() + LATENESS;
        if Duration::from_secs(lease.as_secs()) >= least {
            lease
        } else {
            Duration::from_secs(least.as_secs() + 1)
        }
    }

    fn on(&self, net: &Net) -> Vec<Vip> {
        self.watch.iter().map(|w| &w.vip).filter(|v| self.is_on(net, v)).cloned().collect()
    }

    /// Whether the kernel has the address where it belongs.
    pub(super) fn is_on(&self, net: &Net, vip: &Vip) -> bool {
        self.carrier(net, vip).is_some_and(|ifindex| net.has_exactly(ifindex, vip.addr, vip.prefix_len))
    }

    /// Announces every address `repeat` times, all of them once before any of them twice.
    pub(super) fn announce(&mut self, turn: &mut Turn<'_>, repeat: usize) {
        self.announce_these(turn, &self.watch.all(), repeat);
    }

    pub(super) fn announce_these(&mut self, turn: &mut Turn<'_>, vips: &[Vip], repeat: usize) {
        let router = self.id;
        let frames: Vec<(IfIndex, Vec<u8>)> = vips
            .iter()
            .filter_map(|vip| {
                let (ifindex, mac) = self.answers_at(turn.net, vip)?;
                Some((ifindex, announce::frame(mac, vip.addr)))
            })
            .collect();
        for _ in 0..repeat {
            for (ifindex, frame) in frames.iter().cloned() {
                turn.actions.push_back(Action::SendFrame { router, ifindex, frame });
            }
        }
        self.counters.add(Counter::AnnouncementsSent, (frames.len() * repeat) as u64);
    }

    /// Interface and Ethernet address that answer for an address; `None` where there is no Ethernet to announce on.
    fn answers_at(&self, net: &Net, vip: &Vip) -> Option<(IfIndex, Mac)> {
        match &vip.dev {
            Some(name) => net.link(name).and_then(|l| Some((l.ifindex, l.mac?))),
            None => self.standing.place.and_then(|p| Some((p.carry, p.mac?))),
        }
    }
}

/// Our choice: how late a renewal can be on a busy machine.
const LATENESS: Duration = Duration::from_millis(250);
