//! Going on where another engine was: what it leaves, and the way back into its state.

use std::time::{Duration, Instant};

use super::master::Master;
use super::{Phase, Preempt, Router, Turn};
use crate::config::Vip;
use crate::continuation::{Continued, Identity, PeerContinuation, RouterContinuation};
use crate::event::{Cause, State};
use crate::snapshot::PeerSnapshot;
#[cfg(feature = "io")]
use crate::types::IfName;

/// A state to go on with as soon as nothing stands in the way.
#[derive(Debug, Clone)]
pub(crate) struct Inherited {
    phase: Continued,
    /// When a MASTER must have sent an advert, or is none.
    lapses_at: Instant,
    fit: bool,
    preempt_in: Option<Duration>,
}

impl Inherited {
    pub(super) const fn state(&self) -> State {
        match self.phase {
            Continued::Init => State::Init,
            Continued::Backup { .. } => State::Backup,
            Continued::Master { .. } => State::Master,
            Continued::Fault => State::Fault,
        }
    }
}

impl Router {
    /// What the next engine has to know; nothing of a router that has stopped.
    pub(crate) fn continuation(&self, now: Instant) -> Option<RouterContinuation> {
        let phase = match (&self.phase, &self.inherited) {
            (Phase::Stopped, _) => return None,
            (Phase::Init, Some(inherited)) => match &inherited.phase {
                Continued::Master { vips, .. } => Continued::Master {
                    lease_left: inherited.lapses_at.saturating_duration_since(now),
                    vips: vips.clone(),
                },
                phase @ (Continued::Init | Continued::Backup { .. } | Continued::Fault) => phase.clone(),
            },
            (Phase::Init, None) => Continued::Init,
            (Phase::Fault, _) => Continued::Fault,
            (Phase::Backup(b), _) => Continued::Backup { master: b.master().map(|m| (m, b.interval())) },
            (Phase::Master(m), _) => Continued::Master {
                lease_left: m.lapses_at().saturating_duration_since(now),
                vips: self.watch.all(),
            },
        };
        let preempt_in = match &self.inherited {
            Some(inherited) => inherited.preempt_in,
            None => self.preempt_from.map(|at| at.saturating_duration_since(now)),
        };
        let ago = |at: Instant| now.saturating_duration_since(at);
        let peer = |p: &PeerSnapshot| PeerContinuation {
            addr: p.addr,
            version: p.version,
            priority: p.priority,
            heard_ago: ago(p.last_heard),
            checksum: p.checksum,
        };
        Some(RouterContinuation {
            was: self.id,
            identity: Identity::of(&self.config),
            phase,
            since: ago(self.since),
            fit: self.standing.is_fit(),
            preempt_in,
            hold_for: self.hold_until.map(|at| at.saturating_duration_since(now)),
            ready_for: self.ready_since.map(ago),
            peers: self.peers.iter().map(peer).collect(),
            counters: self.counters.clone(),
        })
    }

    /// Goes on with that, `elapsed` after it was said. A router in another state than INIT or FAULT gets there once the
    /// kernel has told of the interface and its addresses.
    pub(crate) fn inherit(&mut self, now: Instant, elapsed: Duration, from: RouterContinuation) {
        let before = |ago: Duration| now.checked_sub(ago + elapsed).unwrap_or(now);
        let later = |left: Duration| now + left.saturating_sub(elapsed);
        self.since = before(from.since);
        self.site.inherit(now);
        self.hold_until = from.hold_for.map(later);
        self.ready_since = from.ready_for.map(before);
        self.counters = from.counters;
        for peer in from.peers {
            let PeerContinuation { addr, version, priority, heard_ago, checksum } = peer;
            let last_heard = before(heard_ago);
            self.peers.remember(PeerSnapshot { addr, version, priority, last_heard, checksum });
        }
        let lapses_at = match from.phase {
            Continued::Master { lease_left, .. } => later(lease_left),
            Continued::Init | Continued::Backup { .. } => now,
            Continued::Fault => {
                self.phase = Phase::Fault;
                return;
            }
        };
        let preempt_in = from.preempt_in.map(|left| left.saturating_sub(elapsed));
        self.inherited = Some(Inherited { phase: from.phase, lapses_at, fit: from.fit, preempt_in });
    }

    /// Whether it goes on with something.
    #[cfg(feature = "io")]
    pub(crate) const fn has_inherited(&self) -> bool {
        self.inherited.is_some()
    }

    /// Whether the addresses on the interface are there because of the MASTER that this router goes on being.
    pub(crate) fn is_to_hold(&self) -> bool {
        self.inherited.as_ref().is_some_and(|inherited| inherited.state() == State::Master)
    }

    /// Whether this address is one that it goes on holding there.
    #[cfg(feature = "io")]
    pub(crate) fn is_to_hold_address(&self, interface: &IfName, addr: std::net::IpAddr, len: u8) -> bool {
        let carrier = |vip: &Vip| match &vip.dev {
            Some(dev) => dev == interface,
            None => self.site.macvlan_name().unwrap_or(&self.config.interface) == interface,
        };
        let same = |vip: &Vip| (vip.addr, vip.prefix_len) == (addr, len) && carrier(vip);
        self.is_to_hold() && self.watch.iter().any(|w| same(&w.vip))
    }

    /// Nothing stands in the way: into the state that was left.
    pub(super) fn resume(&mut self, turn: &mut Turn<'_>, from: Inherited) -> Phase {
        match from.phase {
            Continued::Master { vips, .. } if turn.now < from.lapses_at => {
                self.resume_master(turn, from.lapses_at, from.fit, &vips)
            }
            Continued::Master { .. } => {
                // Too late: a BACKUP may be MASTER already.
                self.remove_vips(turn);
                self.enter_election(turn, State::Master)
            }
            Continued::Backup { master } if !self.config.priority.is_owner() => {
                self.preempt_from = match self.config.preempt {
                    Preempt::Always => Some(turn.now),
                    Preempt::Never => None,
                    Preempt::After(delay) => Some(turn.now + from.preempt_in.unwrap_or(delay).min(delay)),
                };
                // A whole interval: what was said meanwhile has not been heard.
                self.listen(turn.now, master)
            }
            Continued::Backup { .. } | Continued::Init | Continued::Fault => {
                self.enter_election(turn, State::Init)
            }
        }
    }

    /// An advert at once, the addresses renewed, and nothing announced but those that are new.
    fn resume_master(
        &mut self,
        turn: &mut Turn<'_>,
        lapses_at: Instant,
        was_fit: bool,
        held: &[Vip],
    ) -> Phase {
        self.start_preempt_delay(turn.now);
        let mut master = Master::resumed(turn.now, lapses_at, &self.config);
        self.advertise(turn, &mut master);
        let fresh: Vec<Vip> = self.watch.all().into_iter().filter(|vip| !held.contains(vip)).collect();
        self.add_vips(turn, None);
        self.announce_these(turn, &fresh, usize::from(self.config.announce.repeat));
        // Who has come into the group is to follow.
        self.moved = Some(super::Moved::Took);
        match self.standing.unfit {
            Some(track) if was_fit => self.yield_unfit(turn, Cause::Unfit(track)),
            Some(_) | None => Phase::Master(master),
        }
    }

    /// Something failed on the way: whoever was MASTER lets go of the addresses.
    pub(super) fn disinherit(&mut self, turn: &mut Turn<'_>) {
        if self.inherited.take().is_some_and(|inherited| inherited.state() == State::Master) {
            self.remove_vips(turn);
        }
    }
}
