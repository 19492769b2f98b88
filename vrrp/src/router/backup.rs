//! BACKUP: listens, and decides whom to yield to (RFC 9568 §6.4.2).

use std::net::IpAddr;
use std::time::Instant;

use super::{Phase, Router, Standing, Turn};
use crate::config::Preempt;
use crate::event::{Cause, LOST_PATIENCE, State};
use crate::packet::Advert;
use crate::stats::Counter;
use crate::types::{Centis, Priority};

/// What a BACKUP waits for.
#[derive(Debug, Clone)]
pub(super) struct Backup {
    /// Master_Down_Timer.
    deadline: Instant,
    /// Master_Adver_Interval: learned from the MASTER with v3.
    interval: Centis,
    /// The last node whose advert was accepted, or that is about to be deposed.
    master: Option<IpAddr>,
    /// Why nothing more is expected of that node.
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Released(IpAddr),
    Contested(IpAddr, Priority),
}

impl Backup {
    pub(super) const fn new(deadline: Instant, interval: Centis, master: Option<IpAddr>) -> Self {
        Self { deadline, interval, master, verdict: Verdict::Accepted }
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) const fn interval(&self) -> Centis {
        self.interval
    }

    pub(super) const fn master(&self) -> Option<IpAddr> {
        self.master
    }

    const fn cause(&self) -> Cause {
        match self.verdict {
            Verdict::Accepted => Cause::MasterDown { last: self.master },
            Verdict::Released(by) => Cause::MasterReleased { by },
            Verdict::Contested(from, priority) => Cause::Preempts { from, priority },
        }
    }
}

impl Router {
    pub(super) fn backup_standing(
        &mut self,
        turn: &mut Turn<'_>,
        mut backup: Backup,
        new: Standing,
    ) -> Phase {
        let skew_before = self.skew(backup.interval);
        let became_fit = new.is_fit() && !self.standing.is_fit();
        self.standing = new;
        if let Some(obstacle) = self.standing.obstacle {
            self.counters.bump(Counter::Faults);
            self.transition(turn, State::Backup, State::Fault, obstacle.cause());
            return Phase::Fault;
        }
        if became_fit && matches!(self.config.preempt, Preempt::After(_)) {
            self.start_preempt_delay(turn.now);
        }
        // Whoever was to be deposed stays if this node would not begin it any more, and has not fallen silent since.
        if let (Verdict::Contested(_, theirs), Some(from)) = (backup.verdict, backup.master)
            && !self.contests(turn.now, theirs)
        {
            let heard = self.peers.heard_at(from).unwrap_or(turn.now);
            return self.listen(heard, Some((from, backup.interval)));
        }
        // keepalived: a new priority moves the running timer by the difference of the skews.
        let later = backup.deadline + self.skew(backup.interval);
        backup.deadline = later.checked_sub(skew_before).unwrap_or(turn.now);
        Phase::Backup(backup)
    }

    pub(super) fn backup_heard(
        &mut self,
        turn: &Turn<'_>,
        mut backup: Backup,
        from: IpAddr,
        advert: &Advert,
    ) -> Phase {
        if advert.priority == Priority::RELEASE {
            self.counters.bump(Counter::ReleasesReceived);
            // The loser of a split lets go while its winner is MASTER. Followed by every BACKUP, that release would
            // elect another loser, and so on.
            if backup.master.is_some_and(|master| master != from) {
                return Phase::Backup(backup);
            }
            // RFC 9568 §6.4.2: "Set the Active_Down_Timer to Skew_Time". Never later than it would have run out
            // anyway, or releases in a row would put it off for ever.
            backup.deadline = backup.deadline.min(turn.now + self.skew(backup.interval));
            backup.verdict = Verdict::Released(from);
            return Phase::Backup(backup);
        }
        self.note_servers_of(turn.now, advert.priority);
        if self.contests(turn.now, advert.priority) {
            backup.master = Some(from);
            backup.verdict = Verdict::Contested(from, advert.priority);
            return Phase::Backup(backup);
        }
        self.listen(turn.now, Some((from, advert.interval)))
    }

    pub(crate) fn set_ready(&mut self, now: Instant, ready: bool) {
        self.ready_since = if ready { self.ready_since.or(Some(now)) } else { None };
    }

    /// Remembers for how long the MASTER has been without servers.
    fn note_servers_of(&mut self, now: Instant, master: Priority) {
        self.lost_since = if master == Priority::LOST { self.lost_since.or(Some(now)) } else { None };
    }

    /// Whether an advert is ignored, so that the timer runs out on its sender.
    fn contests(&self, now: Instant, theirs: Priority) -> bool {
        let ours = self.standing.priority();
        if theirs >= ours || self.hold_until.is_some_and(|until| now < until) {
            return false;
        }
        // The least priority is how an unfit node says so; fitness is no question of preemption.
        let they_are_unfit = theirs == Priority::MIN && self.standing.is_fit();
        if theirs == Priority::LOST && !ours.is_owner() {
            let long = |since: Option<Instant>| since.is_some_and(|at| at + LOST_PATIENCE <= now);
            return long(self.lost_since) && long(self.ready_since);
        }
        let may_preempt = self.ready_since.is_some() && self.preempt_from.is_some_and(|from| now >= from);
        ours.is_owner() || they_are_unfit || may_preempt
    }

    pub(super) fn backup_timeout(&mut self, turn: &mut Turn<'_>, backup: Backup) -> Phase {
        if turn.now >= backup.deadline {
            return self.take_over(turn, State::Backup, backup.cause());
        }
        self.retry_removal(turn);
        Phase::Backup(backup)
    }
}
