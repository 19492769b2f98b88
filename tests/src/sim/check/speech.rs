//! I9, I13: what a node says is bounded by its own schedule and small quotas, and it announces only what it has.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use evenkeel_vrrp::event::State;
use evenkeel_vrrp::types::IfIndex;

use super::Released;
use crate::sim::clock::{MICRO, MILLI, Nanos, SECOND};
use crate::sim::schedule::RouterPlan;
use crate::sim::world::World;

/// What one router of one node has sent. Times are local.
#[derive(Debug)]
pub(crate) struct Ledger {
    repeat: usize,
    /// When the second round comes after the first.
    delay: Nanos,
    refresh: Nanos,
    refresh_repeat: usize,
    /// How late a MASTER can be and still be one.
    lateness: Nanos,
    /// Frames sent within the last ten seconds, for each address.
    frames: Vec<VecDeque<Nanos>>,
    /// When the schedule allowed how many frames for each address.
    planned: VecDeque<(Nanos, usize)>,
    last_advert: Option<Nanos>,
    extra_adverts: VecDeque<Nanos>,
}

impl Ledger {
    pub(crate) fn new(plan: &RouterPlan) -> Self {
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(0);
        let a = &plan.announce;
        Self {
            repeat: usize::from(a.repeat),
            delay: nanos(a.delay),
            refresh: nanos(a.refresh),
            refresh_repeat: usize::from(a.refresh_repeat),
            lateness: plan.longest_down() + SECOND,
            frames: vec![VecDeque::new(); plan.all_vips().count()],
            planned: VecDeque::new(),
            last_advert: None,
            extra_adverts: VecDeque::new(),
        }
    }

    /// Mastership begins, and its schedule.
    /// What was decided at one time can be done later, by a process that was frozen.
    pub(super) fn took_over(&mut self, decided: Nanos, local: Nanos) {
        self.planned.push_back((local, self.repeat));
        if self.delay > 0 {
            self.planned.push_back((decided + self.delay, self.repeat));
        }
    }

    /// Addresses are put on again; each may be announced once more.
    pub(super) fn restoring(&mut self, local: Nanos) {
        self.planned.push_back((local, 1));
    }

    /// Whether others have made it send adverts lately.
    pub(super) fn has_sent_extra(&self) -> bool {
        !self.extra_adverts.is_empty()
    }

    /// A new process knows nothing of what the old one has sent.
    pub(super) fn restarted(&mut self) {
        self.frames.iter_mut().for_each(VecDeque::clear);
        self.extra_adverts.clear();
        self.last_advert = None;
    }

    /// Counts a frame; how many beyond the schedule were sent within ten seconds.
    fn frame(&mut self, vip: usize, local: Nanos) -> usize {
        let frames = &mut self.frames[vip];
        frames.push_back(local);
        while frames.front().is_some_and(|t| t + 10 * SECOND <= local) {
            frames.pop_front();
        }
        // A round that was planned just before may have been sent late, by a process that was frozen.
        self.planned.retain(|(at, _)| at + 10 * SECOND + self.lateness > local);
        let planned: usize = self.planned.iter().filter(|(at, _)| *at <= local).map(|(_, n)| n).sum();
        let refreshes = match self.refresh {
            0 => 0,
            period => usize::try_from(10 * SECOND / period + 1).unwrap_or(1) * self.refresh_repeat,
        };
        frames.len().saturating_sub(planned + refreshes)
    }

    /// Counts an advert; how many beyond the schedule were sent within a second.
    fn advert(&mut self, local: Nanos, interval: Nanos, jitter: Nanos) -> usize {
        let extra = &mut self.extra_adverts;
        while extra.front().is_some_and(|t| t + SECOND <= local) {
            extra.pop_front();
        }
        let due = self.last_advert.is_none_or(|last| local + jitter >= last + interval);
        self.last_advert = Some(local);
        if !due {
            extra.push_back(local);
        }
        extra.len()
    }
}

impl World<'_> {
    pub(crate) fn advert_sent(&mut self, n: usize, r: usize, priority: u8, last_copy: bool) {
        self.trace.add(self.now, || format!("node {n}: sends {priority} for router {r}"));
        let local = self.nodes[n].clock.local(self.now);
        let jitter = 2 * self.plan.nodes[n].wake_latency + 100 * MICRO;
        let (interval, now) = (self.plan.routers[r].interval(n), self.now);
        let master = self.nodes[n].keeper.as_ref().is_some_and(|k| k.states[r] == State::Master);
        if !master {
            self.checks.ledgers[n][r].last_advert = Some(local);
        }
        let checks = &mut self.checks;
        if last_copy && priority > 0 && master {
            checks.adverts_when_settled[n][r] += u64::from(checks.settled);
            let extra = checks.ledgers[n][r].advert(local, interval, jitter);
            if extra > EXTRA_ADVERTS {
                let detail = format!("node {n} router {r}: {extra} extra adverts within a second");
                checks.fail("I9 adverts", detail);
            }
        }
        if priority > 0 {
            self.note_sent(n, r);
        } else {
            self.checks.sent[n][r] = Some((now, local));
            self.note_release(n, r, last_copy);
        }
    }

    /// A priority-0 advert has left a node: its keeper's or, in its place, its guard's.
    pub(crate) fn note_release(&mut self, n: usize, r: usize, last_copy: bool) {
        let now = self.now;
        let released = &mut self.checks.released[n][r];
        match released {
            Some(r) if r.at == now => r.complete |= last_copy,
            Some(_) | None => *released = Some(Released { at: now, heard: true, complete: last_copy }),
        }
    }

    pub(crate) fn send_frame(&mut self, n: usize, r: usize, ifindex: IfIndex, frame: &[u8]) {
        let Some(vip) = self.announced_vip(r, frame) else {
            self.checks.fail("I13 frames", format!("node {n} router {r}: a frame for an unknown address"));
            return;
        };
        let plan = &self.plan.routers[r];
        // An interface that is not there any more takes no frame.
        if self.nodes[n].kernel.interface_of(ifindex) != Some(plan.interface) {
            return;
        }
        self.trace.add(self.now, || format!("node {n}: announces address {vip} of router {r}"));
        let local = self.nodes[n].clock.local(self.now);
        // What a keeper still had to send when it was frozen was granted before.
        let thawed = self.now <= self.nodes[n].keeper_since + MILLI && self.nodes[n].keeper_since > 0;
        let extra = if thawed { 0 } else { self.checks.ledgers[n][r].frame(vip, local) };
        if extra > EXTRA_FRAMES {
            let detail = format!("node {n} router {r}: {extra} extra frames within ten seconds");
            self.checks.fail("I9 announcements", detail);
        }
        self.announced(n, r);
        let node = &self.nodes[n];
        // A report of its removal may be there, unread.
        let told = node.kernel.reports.is_empty() && node.keeper.as_ref().is_none_or(|k| k.events.is_empty());
        let there = plan.all_vips().nth(vip).is_some_and(|v| node.kernel.has(plan.interface, v));
        if !there && told && !self.flushed_recently(n) {
            let detail = format!("node {n} announces address {vip} of router {r}, which it does not have");
            self.checks.fail("I13 announces only what it has", detail);
        }
        if node.kernel.interfaces[plan.interface].up {
            self.checks.believed[r][vip] = Some((n, self.now));
        }
    }

    /// Somebody has taken addresses off, perhaps the guard of a frozen keeper, and the keeper has had no time to put them
    /// on again.
    fn flushed_recently(&self, n: usize) -> bool {
        let flushed = self.checks.repairs[n].back().copied().unwrap_or(0);
        let latest = flushed.max(self.nodes[n].keeper_since);
        latest + 2 * MILLI + self.plan.nodes[n].wake_latency >= self.now
    }

    /// Which address a gratuitous ARP or an unsolicited neighbour advertisement is about.
    fn announced_vip(&self, r: usize, frame: &[u8]) -> Option<usize> {
        let addr = match frame.get(12..14)? {
            [0x08, 0x06] => IpAddr::from(<[u8; 4]>::try_from(frame.get(28..32)?).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(frame.get(62..78)?).ok()?),
        };
        self.plan.routers[r].all_vips().position(|v| v.addr == addr)
    }
}

/// Per second and router, whatever arrives.
const EXTRA_ADVERTS: usize = 10;
/// Per ten seconds and address.
const EXTRA_FRAMES: usize = 5;
