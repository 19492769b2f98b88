//! Where a router lives: the interface it speaks on, the one that carries its addresses, and its source address. All
//! of them may come late, go, and come back under another index.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{RouterConfig, Transport};
use crate::event::{Action, Cause, LinkState};
use crate::net::Net;
use crate::types::{Family, IfIndex, IfName, Mac, RouterId};

/// Everything needed to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Interface of the adverts.
    pub(crate) speak: IfIndex,
    /// Interface of the addresses that name none.
    pub(crate) carry: IfIndex,
    /// Ethernet address that answers for those addresses.
    pub(crate) mac: Option<Mac>,
    /// Source of the adverts.
    pub(crate) source: IpAddr,
}

/// What was asked of the driver to live there.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    router: RouterId,
    listening: Option<IfIndex>,
    carry: Option<IfIndex>,
    source: Option<IpAddr>,
    macvlan: Option<Macvlan>,
}

/// The interface with the virtual MAC address (RFC 9568 §7.3).
#[derive(Debug, Clone)]
struct Macvlan {
    name: IfName,
    mac: Mac,
    /// Parent it was last asked for on, and when to ask again if it has not come.
    asked: Option<(IfIndex, Instant)>,
    /// Until when the one of the engine before this one may yet be told of.
    awaited: Option<Instant>,
}

impl Site {
    pub(crate) fn new(router: RouterId, config: &RouterConfig, macvlan_name: Option<IfName>) -> Self {
        let mac = Mac::virtual_router(config.family, config.vrid);
        let macvlan = macvlan_name.map(|name| Macvlan { name, mac, asked: None, awaited: None });
        Self { router, listening: None, carry: None, source: None, macvlan }
    }

    /// The engine before this one has made the macvlan interface: the kernel will tell of it.
    pub(crate) fn inherit(&mut self, now: Instant) {
        if let Some(m) = &mut self.macvlan {
            m.awaited = Some(now + TOLD_WITHIN);
        }
    }

    /// Looks where the router can live now, asks for what is missing, and says what stands in the way.
    pub(crate) fn survey(
        &mut self,
        now: Instant,
        net: &Net,
        config: &RouterConfig,
        virtual_addresses: &BTreeSet<IpAddr>,
        actions: &mut VecDeque<Action>,
    ) -> Result<Place, Cause> {
        let parent = net.link(&config.interface);
        self.ask_for_macvlan(now, net, parent, actions);
        let carry = match &self.macvlan {
            Some(m) => net.link(&m.name).filter(|l| l.mac == Some(m.mac)),
            None => parent,
        };
        // A unicast advert is addressed to the parent's MAC address and comes in there.
        let speak = if matches!(config.transport, Transport::Multicast) { carry } else { parent };
        self.carry = carry.map(|l| l.ifindex);
        self.listen(config.family, speak.map(|l| l.ifindex), actions);
        let (Some(parent), Some(carry), Some(speak)) = (parent, carry, speak) else {
            return Err(Cause::InterfaceDown);
        };
        if !(parent.running && carry.running) {
            return Err(Cause::InterfaceDown);
        }
        self.source = net.source(config, parent.ifindex, virtual_addresses, self.source);
        let source = self.source.ok_or(Cause::NoSourceAddress)?;
        Ok(Place { speak: speak.ifindex, carry: carry.ifindex, mac: carry.mac, source })
    }

    /// Name of the interface that carries its addresses, if it has one of its own.
    #[cfg(feature = "io")]
    pub(crate) fn macvlan_name(&self) -> Option<&IfName> {
        self.macvlan.as_ref().map(|m| &m.name)
    }

    /// Interface adverts come in on.
    pub(crate) const fn listening(&self) -> Option<IfIndex> {
        self.listening
    }

    /// Interface of the addresses that name none, even while nothing can be sent.
    pub(crate) const fn carry(&self) -> Option<IfIndex> {
        self.carry
    }

    /// Source address, even while nothing can be sent.
    pub(crate) const fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// When the macvlan interface should be asked for again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        let macvlan = self.macvlan.as_ref().filter(|_| self.carry.is_none())?;
        macvlan.awaited.or_else(|| macvlan.asked.map(|(_, again)| again))
    }

    /// Leaves for good.
    pub(crate) fn leave(&mut self, family: Family, actions: &mut VecDeque<Action>) {
        self.listen(family, None, actions);
        if let Some(m) = &mut self.macvlan
            && let Some((parent, _)) = m.asked.take()
        {
            actions.push_back(m.action(self.router, parent, false));
        }
    }

    fn listen(&mut self, family: Family, on: Option<IfIndex>, actions: &mut VecDeque<Action>) {
        if self.listening != on {
            self.listening = on;
            actions.push_back(Action::Listen { router: self.router, family, ifindex: on });
        }
    }

    fn ask_for_macvlan(
        &mut self,
        now: Instant,
        net: &Net,
        parent: Option<&LinkState>,
        actions: &mut VecDeque<Action>,
    ) {
        let Some(m) = &mut self.macvlan else { return };
        let Some(parent) = parent else {
            // A macvlan interface goes with its parent.
            m.asked = None;
            return;
        };
        let there = net.link(&m.name).is_some_and(|l| l.mac == Some(m.mac));
        m.awaited.take_if(|until| there || now >= *until);
        if m.awaited.is_some() {
            return;
        }
        let waiting = m.asked.is_some_and(|(on, again)| on == parent.ifindex && now < again);
        if there && m.asked.is_none() {
            // Left by a previous process: it is ours by name and address, and ours to delete.
            m.asked = Some((parent.ifindex, now));
        } else if !there && !waiting {
            m.asked = Some((parent.ifindex, now + MACVLAN_RETRY));
            actions.push_back(m.action(self.router, parent.ifindex, true));
        }
    }
}

impl Macvlan {
    fn action(&self, router: RouterId, parent: IfIndex, create: bool) -> Action {
        Action::VirtualMac { router, parent, name: self.name.clone(), mac: self.mac, create }
    }
}

/// Our choice: all there is is told of at once.
const TOLD_WITHIN: Duration = Duration::from_millis(200);
/// Our choice: the kernel makes one in a millisecond, so a missing one has failed.
const MACVLAN_RETRY: Duration = Duration::from_secs(5);
