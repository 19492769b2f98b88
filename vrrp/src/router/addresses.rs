//! What the kernel reports about the addresses of a router: put back what others take off while MASTER, take off what is
//! there while not.

use std::time::{Duration, Instant};

use super::{Input, Phase, Router, Turn};
use crate::config::Vip;
use crate::event::InterfaceAddress;
use crate::net::Net;
use crate::stats::Counter;
use crate::types::IfIndex;

/// How an address was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It is on and was not.
    Came,
    /// It is on and was.
    Refreshed,
    /// It is gone.
    Went,
}

impl Router {
    /// An address has come or gone.
    pub(crate) fn handle_address(&mut self, turn: &mut Turn<'_>, address: &InterfaceAddress, sight: Sight) {
        let Some(vip) = self.vip_at(turn.net, address) else { return };
        match sight {
            Sight::Refreshed => {}
            Sight::Came if self.watch.expected_addition(turn.now, &vip) => {}
            Sight::Came => self.remove_stray(turn),
            Sight::Went if self.watch.expected_removal(turn.now, &vip) => {}
            Sight::Went => self.step(turn, Input::VipGone(vip)),
        }
    }

    /// One of our addresses is on although this node is not MASTER: left behind by a process that died, or put on by
    /// somebody. An owner's addresses are the machine's own.
    fn remove_stray(&mut self, turn: &mut Turn<'_>) {
        let is_master = matches!(self.phase, Phase::Master(_)) || self.is_to_hold();
        if is_master || matches!(self.phase, Phase::Stopped) || self.config.priority.is_owner() {
            return;
        }
        self.counters.bump(Counter::StrayVips);
        if self.repairs.take(turn.now, 1) == 1 {
            self.remove_vips(turn);
        } else {
            self.removal_at = Some(self.repairs.free_at(turn.now));
        }
    }

    fn vip_at(&self, net: &Net, address: &InterfaceAddress) -> Option<Vip> {
        let same = |v: &Vip| (v.addr, v.prefix_len) == (address.addr, address.prefix_len);
        let on_it = |v: &Vip| self.carrier(net, v) == Some(address.ifindex);
        self.watch.iter().map(|w| &w.vip).find(|v| same(v) && on_it(v)).cloned()
    }

    /// The interface of an address.
    pub(super) fn carrier(&self, net: &Net, vip: &Vip) -> Option<IfIndex> {
        match &vip.dev {
            Some(name) => net.link(name).map(|l| l.ifindex),
            None => self.site.carry(),
        }
    }

    /// Addresses could not be taken off: the kernel's lifetime will do it, but trying again may be faster.
    pub(crate) fn removal_failed(&mut self, now: Instant) {
        self.counters.bump(Counter::RemoveFailed);
        if !matches!(self.phase, Phase::Master(_)) {
            self.removal_at = Some(now + REMOVAL_RETRY);
        }
    }

    pub(crate) fn removal_done(&mut self) {
        self.removal_at = None;
    }

    pub(super) fn retry_removal(&mut self, turn: &mut Turn<'_>) {
        if self.removal_at.take_if(|at| turn.now >= *at).is_some() {
            self.remove_vips(turn);
        }
    }
}

/// Our choice: often enough to be of use before the kernel's lifetime of some seconds ends.
const REMOVAL_RETRY: Duration = Duration::from_secs(1);
