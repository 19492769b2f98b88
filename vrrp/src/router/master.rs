//! MASTER: advertises, answers rivals, and holds the addresses for as long as its adverts are really sent
//! (RFC 9568 §6.4.3).

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Backup, Farewell, Phase, Router, Standing, Turn};
use crate::config::{RouterConfig, Vip};
use crate::event::{Action, Cause, State};
use crate::packet::Advert;
use crate::stats::Counter;
use crate::types::Priority;

/// What a MASTER has to do, and when.
#[derive(Debug, Clone)]
pub(super) struct Master {
    /// Adver_Timer.
    next_advert: Instant,
    /// When the last advertisement that was really sent was decided on; at first, when this node became MASTER.
    last_sent: Instant,
    /// When the running advertisement was decided on. No copy of it is older, so a lease that counts from here ends
    /// before the Master_Down_Timer of whoever heard one, however late its result is known.
    decided: Instant,
    lease: Duration,
    /// Copies of the running advertisement whose result is not known.
    copies: usize,
    /// Whether one of its copies was sent.
    copy_sent: bool,
    /// Whether a copy has failed since an advertisement was sent.
    failing: bool,
    /// Whether any advertisement has been sent since this node became MASTER.
    proven: bool,
    /// When the kernel's lifetime of the addresses was set.
    renewed: Instant,
    /// Second round of announcements.
    second_round: Option<Instant>,
    /// Periodic round.
    refresh: Option<Instant>,
    /// Round that the rate limit has put off.
    late_round: Option<Instant>,
    /// Addresses that somebody removed, and when to put them on again.
    missing: Vec<Vip>,
    restore: Option<Instant>,
}

/// How an advert compares with what this MASTER says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    Released,
    Stronger,
    Weaker,
    OtherOwner,
}

impl Master {
    pub(super) fn new(now: Instant, config: &RouterConfig) -> Self {
        let after = |span: Duration| (!span.is_zero()).then(|| now + span);
        Self {
            next_advert: now + config.advert_int.duration(),
            last_sent: now,
            decided: now,
            lease: config.lease,
            copies: 0,
            copy_sent: false,
            failing: false,
            proven: false,
            renewed: now,
            second_round: after(config.announce.delay),
            refresh: after(config.announce.refresh),
            late_round: None,
            missing: Vec::new(),
            restore: None,
        }
    }

    /// One that another engine was until now, and that has to send an advert before `lapses_at`. Hosts know where the
    /// addresses are.
    pub(super) fn resumed(now: Instant, lapses_at: Instant, config: &RouterConfig) -> Self {
        let last_sent = lapses_at.checked_sub(config.lease).unwrap_or(now).min(now);
        Self { last_sent, proven: true, second_round: None, ..Self::new(now, config) }
    }

    /// A new advertisement of so many copies is under way.
    pub(super) const fn advertising(&mut self, now: Instant, copies: usize) {
        self.decided = now;
        self.copies = copies;
        self.copy_sent = false;
    }

    pub(super) fn lapses_at(&self) -> Instant {
        self.last_sent + self.lease
    }

    pub(super) const fn last_sent(&self) -> Instant {
        self.last_sent
    }

    pub(super) fn poll_timeout(&self) -> (Instant, &'static str) {
        let optional = [
            (self.second_round, "announce"),
            (self.refresh, "refresh"),
            (self.late_round, "announce_late"),
            (self.restore, "restore_vips"),
        ];
        let optional = optional.into_iter().filter_map(|(at, why)| at.map(|at| (at, why)));
        let advert = (self.next_advert, "advert");
        optional.chain([(self.lapses_at(), "lease")]).fold(advert, |a, b| if b.0 < a.0 { b } else { a })
    }
}

impl Router {
    pub(super) fn master_standing(
        &mut self,
        turn: &mut Turn<'_>,
        mut master: Master,
        new: Standing,
    ) -> Phase {
        let became_unfit = self.standing.is_fit() && !new.is_fit();
        let before = self.standing.place;
        if let Some(obstacle) = new.obstacle {
            // What can still be sent goes out from where the addresses are.
            let farewell = if new.place.is_some() { Farewell::Release } else { Farewell::Silent };
            self.counters.bump(Counter::Faults);
            self.give_up(turn, farewell, State::Fault, obstacle.cause());
            self.standing = new;
            return Phase::Fault;
        }
        let unfit = new.unfit;
        self.standing = new;
        let alone = self.alone_until.is_some_and(|until| turn.now < until);
        if let Some(track) = unfit.filter(|_| became_unfit && !alone) {
            return self.yield_unfit(turn, Cause::Unfit(track));
        }
        let place = self.standing.place;
        if before.map(|p| (p.carry, p.mac)) != place.map(|p| (p.carry, p.mac)) {
            self.add_vips(turn, None);
            self.extra_announce(turn, &mut master);
        }
        Phase::Master(master)
    }

    /// Gives way to whoever can serve. If nobody has taken over after the Skew_Time of the least priority, which is
    /// longer than that of any fit node, this node takes the addresses back: a dead proxy is no worse than no proxy.
    pub(super) fn yield_unfit(&mut self, turn: &mut Turn<'_>, cause: Cause) -> Phase {
        self.counters.bump(Counter::UnfitYields);
        self.give_up(turn, Farewell::Release, State::Backup, cause);
        let interval = self.config.advert_int;
        Phase::Backup(Backup::new(turn.now + self.skew(interval), interval, None))
    }

    pub(super) fn master_heard(
        &mut self,
        turn: &mut Turn<'_>,
        mut master: Master,
        from: IpAddr,
        advert: &Advert,
    ) -> Phase {
        match self.rival(from, advert.priority) {
            // RFC 9568 §6.4.3: "send an ADVERTISEMENT immediately". Here the release also tells that there were two
            // MASTERs a moment ago, so that hosts may have the other's MAC address.
            Rival::Released => {
                self.counters.bump(Counter::ReleasesReceived);
                self.answer(turn, &mut master);
                Phase::Master(master)
            }
            // RFC 9568 §6.4.3: "send an ADVERTISEMENT immediately to assert the Active state to the sending node and
            // to update any learning bridges".
            Rival::Weaker => {
                self.counters.bump(Counter::LowerPriorityHeard);
                self.answer(turn, &mut master);
                Phase::Master(master)
            }
            // RFC 9568 §6.4.3 with errata 8298: two owners are a mistake of configuration that no timer can mend.
            Rival::OtherOwner => {
                self.counters.bump(Counter::DuplicateOwner);
                Phase::Master(master)
            }
            // The release tells the winner that there were two; it announces the addresses once more, and this node,
            // which nobody must believe any more, does not.
            Rival::Stronger => {
                let cause = Cause::HigherPriority { from, priority: advert.priority };
                self.give_up(turn, Farewell::LimitedRelease, State::Backup, cause);
                self.listen(turn.now, Some((from, advert.interval)))
            }
        }
    }

    /// RFC 9568 §6.4.3: a higher priority wins, among equals the higher address.
    fn rival(&self, from: IpAddr, theirs: Priority) -> Rival {
        let ours = self.standing.priority();
        if theirs == Priority::RELEASE {
            return Rival::Released;
        }
        if ours.is_owner() && theirs.is_owner() {
            return Rival::OtherOwner;
        }
        let by_address = || Some(from).cmp(&self.standing.place.map(|p| p.source));
        match theirs.cmp(&ours).then_with(by_address) {
            Ordering::Greater => Rival::Stronger,
            Ordering::Less | Ordering::Equal => Rival::Weaker,
        }
    }

    fn answer(&mut self, turn: &mut Turn<'_>, master: &mut Master) {
        if self.extra_adverts.take(turn.now, 1) == 1 {
            self.advertise(turn, master);
            master.next_advert = turn.now + self.config.advert_int.duration();
        } else {
            self.counters.bump(Counter::AdvertsSuppressed);
        }
        self.extra_announce(turn, master);
    }

    /// Announces beyond the schedule. Most of the quota is left for later causes: a rival is heard first, and its release
    /// a moment later, when it has let go of the addresses; and a split that heals may be followed by the next.
    fn extra_announce(&mut self, turn: &mut Turn<'_>, master: &mut Master) {
        let repeat = usize::from(self.config.announce.lower_prio_repeat);
        let round = if self.extra_frames.is_unused(turn.now) { FIRST_ROUND } else { LATER_ROUND };
        let wanted = repeat.min(round);
        let granted = self.extra_frames.take(turn.now, wanted);
        self.announce(turn, granted);
        if granted < wanted {
            self.counters.bump(Counter::AnnouncementsSuppressed);
        }
        if granted == 0 && wanted > 0 {
            master.late_round = Some(self.extra_frames.free_at(turn.now));
        } else {
            master.late_round = None;
        }
    }

    pub(super) fn master_timeout(&mut self, turn: &mut Turn<'_>, mut master: Master) -> Phase {
        let now = turn.now;
        if now >= master.next_advert {
            self.advertise(turn, &mut master);
            let interval = self.config.advert_int.duration();
            let on_schedule = master.next_advert + interval;
            master.next_advert = if on_schedule > now { on_schedule } else { now + interval };
        }
        if master.restore.take_if(|at| now >= *at).is_some() {
            self.restore(turn, &mut master);
        }
        let announce = self.config.announce;
        if master.second_round.take_if(|at| now >= *at).is_some() {
            self.announce(turn, usize::from(announce.repeat));
        }
        if master.refresh.is_some_and(|at| now >= at) {
            master.refresh = Some(now + announce.refresh);
            self.announce(turn, usize::from(announce.refresh_repeat));
        }
        if master.late_round.take_if(|at| now >= *at).is_some() {
            self.extra_announce(turn, &mut master);
        }
        Phase::Master(master)
    }

    /// A copy has left this node. With the last one the lease starts anew: heartbeat to the guard, lifetime to the
    /// kernel.
    pub(super) fn master_sent(&mut self, turn: &mut Turn<'_>, mut master: Master, last_copy: bool) -> Phase {
        master.copies = master.copies.saturating_sub(1);
        master.copy_sent = true;
        if last_copy || master.copies == 0 {
            self.renew(turn, &mut master);
        }
        Phase::Master(master)
    }

    /// A peer that cannot be reached must not cost the others their MASTER: one copy sent is an advertisement sent. A
    /// MASTER whose very first advertisement fails has not become one: it must not hold the addresses even for a lease.
    pub(super) fn master_send_failed(&mut self, turn: &mut Turn<'_>, mut master: Master) -> Phase {
        master.copies = master.copies.saturating_sub(1);
        if master.copies > 0 {
            return Phase::Master(master);
        }
        if master.copy_sent {
            self.renew(turn, &mut master);
            return Phase::Master(master);
        }
        master.failing = true;
        if master.proven { Phase::Master(master) } else { self.master_lapsed(turn, &master) }
    }

    fn renew(&mut self, turn: &mut Turn<'_>, master: &mut Master) {
        let (router, now) = (self.id, turn.now);
        self.counters.bump(Counter::AdvertsSent);
        master.last_sent = master.decided;
        master.copies = 0;
        master.copy_sent = false;
        master.failing = false;
        master.proven = true;
        turn.actions.push_back(Action::Heartbeat { router, until: master.lapses_at() });
        if now.saturating_duration_since(master.renewed) >= RENEWAL
            && let Some(place) = self.standing.place
        {
            master.renewed = now;
            let (ifindex, vips, lease) = (place.carry, self.watch.all(), self.lifetime());
            turn.actions.push_back(Action::RenewVips { router, ifindex, vips, lease });
        }
    }

    /// The lease ran out. A release would come too late to be true, because a BACKUP may be MASTER already.
    pub(super) fn master_lapsed(&mut self, turn: &mut Turn<'_>, master: &Master) -> Phase {
        let (cause, counter) = if master.failing {
            (Cause::CannotSend, Counter::CannotSend)
        } else {
            (Cause::Overslept, Counter::Overslept)
        };
        self.counters.bump(counter);
        self.give_up(turn, Farewell::Silent, State::Backup, cause);
        self.listen(turn.now, None)
    }

    /// What is still queued was meant by a MASTER: it must neither leave nor fail after the fact.
    pub(super) fn withdraw(&mut self, turn: &mut Turn<'_>) {
        let id = self.id;
        let adds = |action: &Action| matches!(action, Action::AddVips { router, .. } if *router == id);
        if turn.actions.iter().any(adds) {
            self.watch.additions_failed();
        }
        turn.actions.retain(|action| !speaks_as_master(action, id));
    }

    /// A MASTER without the addresses serves nobody. Another node may; this one does not depose it again for a while.
    pub(super) fn master_add_failed(&mut self, turn: &mut Turn<'_>) -> Phase {
        self.watch.additions_failed();
        self.hold_until = Some(turn.now + HOLD_AFTER_FAILURE);
        self.give_up(turn, Farewell::Release, State::Backup, Cause::CannotAddVips);
        self.listen(turn.now, None)
    }

    pub(super) fn master_vip_gone(turn: &Turn<'_>, mut master: Master, vip: Vip) -> Phase {
        if !master.missing.contains(&vip) {
            master.missing.push(vip);
        }
        // With the next timeout, which is due at once: a flush takes several, and their repair is one.
        master.restore.get_or_insert(turn.now);
        Phase::Master(master)
    }

    fn restore(&mut self, turn: &mut Turn<'_>, master: &mut Master) {
        if self.repairs.take(turn.now, 1) == 0 {
            master.restore = Some(self.repairs.free_at(turn.now));
            return;
        }
        let missing = std::mem::take(&mut master.missing);
        self.counters.add(Counter::VipsRestored, missing.len() as u64);
        self.add_vips(turn, Some(&missing));
        self.announce_these(turn, &missing, 1);
    }
}

fn speaks_as_master(action: &Action, of: super::RouterId) -> bool {
    match action {
        Action::SendAdvert { router, .. }
        | Action::AddVips { router, .. }
        | Action::RenewVips { router, .. }
        | Action::Heartbeat { router, .. }
        | Action::SendFrame { router, .. } => *router == of,
        Action::RemoveVips { .. }
        | Action::Listen { .. }
        | Action::VirtualMac { .. }
        | Action::Transition(_) => false,
    }
}

/// Frames of the extra quota that the first cause may use.
const FIRST_ROUND: usize = 2;
/// What every other one may: with five in all, two splits are told of at once, each by a rival and by its release.
const LATER_ROUND: usize = 1;
/// The kernel counts lifetimes in seconds; renewing more often than this costs and gains nothing.
const RENEWAL: Duration = Duration::from_millis(300);
/// Our choice: long enough not to flap, short enough that a repaired node is of use again.
const HOLD_AFTER_FAILURE: Duration = Duration::from_secs(60);
