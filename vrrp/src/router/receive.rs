//! Which adverts count (RFC 9568 §7.1). Everything else is dropped, counted by its reason, and changes nothing.

use std::net::IpAddr;

use super::peers::Remembered;
use super::{Input, Phase, Router, Turn};
use crate::config::{Transport, VipMismatch};
use crate::event::RxMeta;
use crate::net::Net;
use crate::packet::{Advert, Auth, Decoded, Envelope, group, same_password};
use crate::stats::Counter;
use crate::types::Version;

impl Router {
    /// Takes an advert that is for this router by interface, family and VRID.
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_>, meta: &RxMeta, bytes: &[u8]) {
        match self.check(turn.net, meta, bytes) {
            Ok(decoded) => {
                self.counters.bump(Counter::AdvertsReceived);
                self.alone_until = None;
                if self.peers.heard(turn.now, meta.src, &decoded) == Remembered::Evicted {
                    self.counters.bump(Counter::PeersEvicted);
                }
                self.step(turn, Input::Heard { from: meta.src, advert: &decoded.advert });
            }
            Err(reason) => self.counters.bump(reason),
        }
    }

    fn check(&mut self, net: &Net, meta: &RxMeta, bytes: &[u8]) -> Result<Decoded, Counter> {
        match self.phase {
            Phase::Backup(_) | Phase::Master(_) => {}
            Phase::Init | Phase::Fault | Phase::Stopped => return Err(Counter::DropNotListening),
        }
        self.check_source(net, meta)?;
        self.check_destination(net, meta)?;
        let envelope = Envelope { version: self.config.version, src: meta.src, dst: meta.dst };
        let decoded = Advert::decode(bytes, &envelope).map_err(|e| e.counter())?;
        self.check_auth(decoded.advert.auth)?;
        self.check_interval(&decoded.advert)?;
        self.check_vips(&decoded.advert)?;
        Ok(decoded)
    }

    /// No rule of the RFCs, but no node can have such an address: 0.0.0.0 is how forgers win ties, and a node's own
    /// address is how a reflected advert looks.
    fn check_source(&self, net: &Net, meta: &RxMeta) -> Result<(), Counter> {
        let multicast = matches!(self.config.transport, Transport::Multicast);
        let impossible = match meta.src {
            IpAddr::V4(a) => a.is_unspecified() || a.is_multicast() || a.is_loopback() || net.is_broadcast(a),
            // RFC 9568 §5.1.2.1: the source is the link-local address.
            IpAddr::V6(a) => {
                a.is_unspecified()
                    || a.is_multicast()
                    || a.is_loopback()
                    || (multicast && !a.is_unicast_link_local())
            }
        };
        if impossible {
            return Err(Counter::DropSource);
        }
        if self.is_own(net, meta) {
            return Err(Counter::DropOwnSource);
        }
        match &self.config.transport {
            Transport::Unicast { peers, check_source: true } if !peers.contains(&meta.src) => {
                Err(Counter::DropUnknownPeer)
            }
            Transport::Unicast { .. } | Transport::Multicast => Ok(()),
        }
    }

    /// A virtual address as the source is the real owner's, even while this node holds it.
    fn is_own(&self, net: &Net, meta: &RxMeta) -> bool {
        if self.site.source() == Some(meta.src) {
            return true;
        }
        let is_vip = self.watch.iter().any(|w| w.vip.addr == meta.src);
        let here = match meta.src {
            IpAddr::V6(a) if a.is_unicast_link_local() => net.has_on(meta.ifindex, meta.src),
            IpAddr::V4(_) | IpAddr::V6(_) => net.has(meta.src),
        };
        here && !is_vip
    }

    /// RFC 9568 §7.1: "MUST verify that the IPv4 TTL / IPv6 Hop Limit is 255", which only a neighbour can produce. A
    /// unicast advert may be routed, so keepalived does not ask that of it.
    fn check_destination(&self, net: &Net, meta: &RxMeta) -> Result<(), Counter> {
        match &self.config.transport {
            Transport::Multicast if meta.dst != group(self.config.family) => Err(Counter::DropDestination),
            Transport::Multicast if meta.hop_limit != 255 => Err(Counter::DropHopLimit),
            Transport::Unicast { .. } if meta.dst.is_multicast() || !net.has(meta.dst) => {
                Err(Counter::DropDestination)
            }
            Transport::Multicast | Transport::Unicast { .. } => Ok(()),
        }
    }

    fn check_auth(&self, auth: Auth) -> Result<(), Counter> {
        match (&self.config.auth_pass, auth) {
            (None, Auth::None) => Ok(()),
            (Some(ours), Auth::Pass(theirs)) if same_password(&ours.0, &theirs.0) => Ok(()),
            (Some(_), Auth::Pass(_)) => Err(Counter::DropAuthPass),
            (None, Auth::Pass(_)) | (Some(_), Auth::None) => Err(Counter::DropAuthType),
        }
    }

    /// v2 (RFC 3768 §7.1): another interval is another configuration. v3 (RFC 9568 §6.1): BACKUPs learn it. A release
    /// needs no interval to be understood, but v2 demands it all the same.
    fn check_interval(&mut self, advert: &Advert) -> Result<(), Counter> {
        match self.config.version {
            Version::V2 if advert.interval != self.config.advert_int => Err(Counter::DropIntervalMismatch),
            Version::V3 if advert.interval != self.config.advert_int => {
                self.counters.bump(Counter::IntervalDiffers);
                Ok(())
            }
            Version::V2 | Version::V3 => Ok(()),
        }
    }

    /// The order of the addresses means nothing, except that the first of IPv6 is the link-local one.
    fn check_vips(&mut self, advert: &Advert) -> Result<(), Counter> {
        let mut theirs = advert.addresses.clone();
        let mut ours: Vec<IpAddr> = self.config.vips.iter().map(|v| v.addr).collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        match self.config.vip_mismatch {
            _ if theirs == ours => Ok(()),
            VipMismatch::Drop => Err(Counter::DropVipMismatch),
            VipMismatch::Accept => {
                self.counters.bump(Counter::VipMismatchAccepted);
                Ok(())
            }
        }
    }
}
