//! The nodes a router has heard. Bounded, because anybody on the segment can invent nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::ChecksumForm;
use crate::packet::Decoded;
use crate::snapshot::PeerSnapshot;

/// At most [`PEERS`] nodes by address; when full, the one not heard for longest makes room.
#[derive(Debug, Clone, Default)]
pub(super) struct Peers(BTreeMap<IpAddr, PeerSnapshot>);

/// What became of the others when a node was remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remembered {
    /// There was room.
    Kept,
    /// Another node was forgotten.
    Evicted,
}

impl Peers {
    pub(super) fn heard(&mut self, now: Instant, addr: IpAddr, decoded: &Decoded) -> Remembered {
        let evicted = !self.0.contains_key(&addr) && self.0.len() >= PEERS && self.evict();
        let Decoded { advert, checksum } = decoded;
        let (version, priority) = (advert.version, advert.priority);
        let peer = PeerSnapshot { addr, version, priority, last_heard: now, checksum: *checksum };
        self.0.insert(addr, peer);
        if evicted { Remembered::Evicted } else { Remembered::Kept }
    }

    /// One that was heard by the engine before this one.
    pub(super) fn remember(&mut self, peer: PeerSnapshot) {
        if self.0.len() < PEERS {
            self.0.insert(peer.addr, peer);
        }
    }

    fn evict(&mut self) -> bool {
        let oldest = self.0.values().min_by_key(|p| p.last_heard).map(|p| p.addr);
        oldest.and_then(|addr| self.0.remove(&addr)).is_some()
    }

    pub(super) fn heard_at(&self, addr: IpAddr) -> Option<Instant> {
        self.0.get(&addr).map(|p| p.last_heard)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PeerSnapshot> {
        self.0.values()
    }

    /// Checksum forms that a copy to `dst` should go out in: ours, and those of the peers it can reach when they
    /// differ. Ours is never left out, so that a forged advert cannot make this node unreadable to its real peers.
    pub(super) fn forms(&self, dst: IpAddr, ours: ChecksumForm) -> Vec<ChecksumForm> {
        let reached = |p: &&PeerSnapshot| dst.is_multicast() || p.addr == dst;
        let mut forms: Vec<_> = self.0.values().filter(reached).filter_map(|p| p.checksum).collect();
        // To the group the old sum is the same as that of RFC 5798.
        forms.retain(|f| *f != ours && !(dst.is_multicast() && *f == ChecksumForm::OldUnicast));
        forms.sort_unstable();
        forms.dedup();
        forms.insert(0, ours);
        forms
    }
}

/// Our choice: far more than nodes that share an address, and a table that is scanned in a microsecond.
pub(super) const PEERS: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::packet::{Advert, Auth};
    use crate::types::{Centis, Priority, Version, Vrid};

    fn decoded(checksum: ChecksumForm) -> Decoded {
        let advert = Advert {
            version: Version::V3,
            vrid: Vrid::new(1).expect("not 0"),
            priority: Priority::new(7),
            interval: Centis::SECOND,
            auth: Auth::None,
            addresses: vec![],
        };
        Decoded { advert, checksum: Some(checksum) }
    }

    #[test]
    fn the_node_not_heard_for_longest_makes_room() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary start for virtual time")]
        let t0 = Instant::now();
        let mut peers = Peers::default();
        let addr = |n| IpAddr::from([10, 0, 0, n]);
        for n in 0..16 {
            let now = t0 + Duration::from_secs(u64::from(n));
            assert_eq!(peers.heard(now, addr(n), &decoded(ChecksumForm::Rfc5798)), Remembered::Kept);
        }
        let late = t0 + Duration::from_secs(100);
        assert_eq!(peers.heard(late, addr(0), &decoded(ChecksumForm::Rfc5798)), Remembered::Kept);
        assert_eq!(peers.heard(late, addr(99), &decoded(ChecksumForm::Rfc5798)), Remembered::Evicted);
        assert_eq!(peers.iter().count(), PEERS);
        assert!(peers.iter().all(|p| p.addr != addr(1)), "the oldest has gone");
        assert!(peers.iter().any(|p| p.addr == addr(0)), "heard again since");
    }

    #[test]
    fn a_peer_is_answered_in_its_form_and_nobody_loses_ours() {
        use ChecksumForm::{OldUnicast, Rfc5798, Rfc9568};
        #[expect(clippy::disallowed_methods, reason = "an arbitrary start for virtual time")]
        let t0 = Instant::now();
        let group = crate::packet::group(crate::types::Family::V4);
        let addr = |n| IpAddr::from([10, 0, 0, n]);
        let mut peers = Peers::default();
        assert_eq!(peers.forms(group, Rfc5798), [Rfc5798]);
        peers.heard(t0, addr(1), &decoded(Rfc9568));
        peers.heard(t0, addr(2), &decoded(OldUnicast));
        peers.heard(t0, addr(3), &decoded(Rfc5798));
        assert_eq!(peers.forms(group, Rfc5798), [Rfc5798, Rfc9568]);
        assert_eq!(peers.forms(group, Rfc9568), [Rfc9568, Rfc5798]);
        assert_eq!(peers.forms(addr(1), Rfc5798), [Rfc5798, Rfc9568]);
        assert_eq!(peers.forms(addr(2), Rfc5798), [Rfc5798, OldUnicast]);
        assert_eq!(peers.forms(addr(3), Rfc5798), [Rfc5798]);
        assert_eq!(peers.forms(addr(4), Rfc9568), [Rfc9568]);
    }
}
