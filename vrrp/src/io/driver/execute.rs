//! Doing what the engine asks.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::status::DriverEvent;
use super::turn::Driver;
use crate::config::{Transport, Vip};
use crate::event::{Action, ActionResult};
use crate::io::guard_wire::GuardedAddress;
use crate::io::netlink::errno;
use crate::io::virtual_mac::Wanted;
use crate::types::{Family, IfIndex, RouterId};

impl Driver {
    /// Does one thing. The result, for actions that have one.
    pub(super) fn execute(&mut self, action: Action, now: Instant) -> Option<ActionResult> {
        match action {
            Action::SendAdvert { router, ifindex, src, dst, bytes, last_copy } => {
                Some(match self.send_advert(ifindex, src, dst, &bytes) {
                    Ok(()) => ActionResult::AdvertSent { router, last_copy },
                    Err(e) => ActionResult::AdvertFailed { router, errno: e as i32 },
                })
            }
            Action::AddVips { router, ifindex, vips, lease } => {
                Some(match self.add_vips(router, ifindex, &vips, lease, now) {
                    Ok(()) => ActionResult::VipsAdded(router),
                    Err(e) => ActionResult::AddFailed { router, errno: errno(&e) },
                })
            }
            Action::RemoveVips { router, ifindex, vips } => {
                Some(match self.remove_vips(router, ifindex, &vips) {
                    Ok(()) => ActionResult::VipsRemoved(router),
                    Err(e) => ActionResult::RemoveFailed { router, errno: errno(&e) },
                })
            }
            Action::RenewVips { router: _, ifindex, vips, lease } => {
                self.renew_vips(ifindex, &vips, lease);
                None
            }
            Action::Heartbeat { router, until } => {
                let farewells = self.engine.farewell(router);
                self.guard.beat(router, self.clock.since_boot(until), farewells);
                None
            }
            Action::SendFrame { router, ifindex, frame } => {
                self.send_frame(router, ifindex, &frame);
                None
            }
            Action::Listen { router, family, ifindex } => {
                self.listen(router, family, ifindex, now);
                None
            }
            Action::VirtualMac { router, parent, name, mac, create } => {
                let family = self.config(router).map_or(Family::V4, |c| c.family);
                let wanted = Wanted { router, family, parent, name: &name, mac };
                let done = if create {
                    self.virtual_macs.create(&mut self.netlink, self.watch.network(), &wanted)
                } else {
                    self.virtual_macs.delete(&mut self.netlink, router)
                };
                done.err().map(|e| ActionResult::VirtualMacFailed { router, errno: errno(&e) })
            }
            Action::Transition(transition) => {
                self.changed = true;
                self.tell(DriverEvent::Transition(transition));
                None
            }
        }
    }

    fn send_advert(&self, ifindex: IfIndex, src: IpAddr, dst: IpAddr, bytes: &[u8]) -> nix::Result<()> {
        let socket = self.sockets.at((ifindex, Family::of(dst))).ok_or(Errno::ENODEV)?;
        socket.send(src, dst, bytes)
    }

    /// The guard is told first: from here on it takes the addresses off when this thread does not go on.
    fn add_vips(
        &mut self,
        router: RouterId,
        ifindex: IfIndex,
        vips: &[Vip],
        lease: Duration,
        now: Instant,
    ) -> io::Result<()> {
        let (addresses, mut result) = self.resolve(ifindex, vips);
        self.hold(router, &addresses, now);
        self.held_changed = true;
        for a in &addresses {
            let set = self.netlink.set_address(a.ifindex, a.addr, a.prefix_len, lease);
            result = result.and(set);
        }
        result
    }

    /// The guard's lease is that of the election, which can be shorter than the kernel's. Putting an address back does
    /// not prolong it; only an advert does.
    fn hold(&mut self, router: RouterId, addresses: &[GuardedAddress], now: Instant) {
        let lease = self.config(router).map_or(Duration::ZERO, |c| c.lease);
        let now = self.clock.since_boot(now);
        let farewells = self.engine.farewell(router);
        self.guard.hold(router, now, now + lease, addresses, farewells);
    }

    fn remove_vips(&mut self, router: RouterId, ifindex: IfIndex, vips: &[Vip]) -> io::Result<()> {
        // An interface that is gone has taken its addresses with it.
        let (addresses, _) = self.resolve(ifindex, vips);
        let mut off = Vec::with_capacity(addresses.len());
        let mut result = Ok(());
        for a in addresses {
            match self.netlink.delete_address(a.ifindex, a.addr, a.prefix_len) {
                Ok(()) => off.push(a),
                Err(e) => result = result.and(Err(e)),
            }
        }
        self.guard.release(router, &off);
        self.held_changed = true;
        result
    }

    /// Sets the kernel's lifetime again, of addresses that are there.
    ///
    /// The kernel has no request that renews without adding, so what it has told so far is read first. An address that
    /// vanishes between that look and the request comes back, for one lease; its removal and its return are then both
    /// in the watch's queue, and the engine judges them within the same turn.
    fn renew_vips(&mut self, ifindex: IfIndex, vips: &[Vip], lease: Duration) {
        self.drain_watch();
        let (addresses, _) = self.resolve(ifindex, vips);
        for a in addresses {
            let present = self.watch.network().has(a.ifindex, a.addr, a.prefix_len);
            if present && self.netlink.set_address(a.ifindex, a.addr, a.prefix_len, lease).is_err() {
                self.status.netlink_failed += 1;
            }
        }
    }

    /// Addresses with the interfaces that carry them; an error if one of those is missing.
    fn resolve(&self, ifindex: IfIndex, vips: &[Vip]) -> (Vec<GuardedAddress>, io::Result<()>) {
        let network = self.watch.network();
        let mut result = Ok(());
        let mut found = Vec::with_capacity(vips.len());
        for vip in vips {
            let carrier = vip.dev.as_ref().map_or(Some(ifindex), |name| network.index_of(name));
            match carrier {
                Some(ifindex) => {
                    found.push(GuardedAddress { ifindex, addr: vip.addr, prefix_len: vip.prefix_len });
                }
                None => result = Err(Errno::ENODEV.into()),
            }
        }
        (found, result)
    }

    fn send_frame(&mut self, router: RouterId, ifindex: IfIndex, frame: &[u8]) {
        match self.frames.send(ifindex, frame) {
            Ok(()) => {
                self.frames_failing.remove(&router);
            }
            Err(e) => {
                self.status.frames_failed += 1;
                if self.frames_failing.insert(router) {
                    self.tell(DriverEvent::FramesFailed { router, errno: e as i32 });
                }
            }
        }
    }

    fn listen(&mut self, router: RouterId, family: Family, ifindex: Option<IfIndex>, now: Instant) {
        let multicast = self.config(router).is_some_and(|c| c.transport == Transport::Multicast);
        self.sockets.listen(router, ifindex.map(|i| (i, family)), multicast);
        self.settle_sockets(now);
        if ifindex.is_some() && self.frames.learn().is_err() {
            self.status.netlink_failed += 1;
        }
    }
}
