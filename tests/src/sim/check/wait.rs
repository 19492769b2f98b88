//! I6, I15 at every moment: no BACKUP waits longer than Master_Down for a silent MASTER, nor longer than Skew_Time for one
//! that has let go; and whoever lets go of its own accord says so.

use evenkeel_vrrp::config::Preempt;
use evenkeel_vrrp::event::{Cause, Servers, State, Transition};
use evenkeel_vrrp::types::Priority;

use super::SLACK;
use crate::sim::clock::{MILLI, Nanos, SECOND};
use crate::sim::faults::{Attack, Fault};
use crate::sim::network::Packet;
use crate::sim::world::World;

/// What a BACKUP waits for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wait {
    /// Since when it has been BACKUP.
    since: Nanos,
    /// Who it last heard.
    master: Option<usize>,
    /// By when it has to be MASTER, if nobody else is.
    by: Option<Nanos>,
}

impl World<'_> {
    /// A node was heard, or an attacker in its place.
    pub(super) fn note_wait(&mut self, n: usize, from: Option<usize>, packet: &Packet) {
        let (r, now) = (packet.router, self.now);
        let released = packet.priority() == 0;
        let wait = &mut self.checks.waits[n][r];
        if !released {
            *wait = Wait { since: now, master: from, by: None };
            return;
        }
        // What is late may be older than what was heard before it.
        if self.nodes[n].state(r) == Some(State::Backup) && wait.master == from && !packet.late {
            let plan = &self.plan.routers[r];
            let skew = plan.longest_down() - plan.longest_interval() * u64::from(plan.down_adverts);
            wait.by.get_or_insert(now + skew + SLACK);
        }
    }

    /// Whose advert a node has heard last.
    pub(super) fn follows(&self, n: usize, r: usize) -> Option<usize> {
        self.checks.waits[n][r].master
    }

    pub(super) fn waits_anew(&mut self, n: usize, r: usize) {
        self.checks.waits[n][r] = Wait { since: self.now, master: None, by: None };
    }

    /// After every event.
    pub(super) fn check_wait(&mut self, n: usize, r: usize) {
        let Wait { since, by, .. } = self.checks.waits[n][r];
        let node = &self.nodes[n];
        if node.state(r) != Some(State::Backup) || !node.keeper_runs() {
            return;
        }
        let held = (0..self.nodes.len()).any(|o| self.checks.holding[o][r].is_some());
        // Whoever hears two MASTERs may have set its timer by the one that is gone.
        let disturbed = (0..self.nodes.len()).any(|o| self.checks.excused[n * self.nodes.len() + o] >= since);
        if by.is_some_and(|by| self.now > by) && !held && !disturbed {
            let detail =
                format!("node {n} router {r}: BACKUP although the MASTER let go and nobody took over");
            self.checks.fail("I6 a release is followed", detail);
        }
        let patience = self.patience(r);
        let awake = since.max(node.keeper_since).max(self.checks.spoofed[n]);
        if self.now > awake + patience {
            let silent = (self.now - awake) / MILLI;
            let detail = format!("node {n} router {r}: BACKUP for {silent} ms although it has heard nobody");
            self.checks.fail("I6 silence is followed", detail);
        }
    }

    /// Master_Down_Interval and a skew for a priority that changes, each as long as it can be.
    fn patience(&self, r: usize) -> Nanos {
        let plan = &self.plan.routers[r];
        let forged = |(_, f): &(Nanos, Fault)| {
            matches!(f, Fault::Attack { attack: Attack::HighestPriority | Attack::LowestPriority, .. })
        };
        let factor = if self.plan.faults.iter().any(forged) { 3 } else { 1 };
        let skew = plan.longest_interval().max(SECOND);
        factor * plan.longest_down() + skew + SLACK
    }

    /// A node leaves MASTER: whoever can still speak tells the others.
    pub(super) fn check_farewell(&mut self, n: usize, r: usize, change: &Transition) {
        if change.from != State::Master {
            return;
        }
        let deposed = matches!(change.cause, Cause::HigherPriority { .. });
        let speaks = match change.cause {
            Cause::Command | Cause::Unfit(_) | Cause::TrackFailed(_) | Cause::CannotAddVips => true,
            // Part of the quota of extra adverts, which others and earlier releases can use up.
            Cause::HigherPriority { .. } => !self.checks.ledgers[n][r].has_sent_extra(),
            Cause::Ready
            | Cause::Owner
            | Cause::MasterDown { .. }
            | Cause::MasterReleased { .. }
            | Cause::Preempts { .. }
            | Cause::InterfaceDown
            | Cause::NoSourceAddress
            | Cause::Group(_)
            | Cause::Overslept
            | Cause::CannotSend => false,
        };
        let last = self.checks.farewell[n][r];
        let said = last.is_some_and(|(at, _)| at >= self.decided(n, change));
        let local = self.nodes[n].clock.local(self.now);
        let limited = deposed && last.is_some_and(|(_, at)| at + SECOND > local);
        if speaks && !said && !limited {
            let who = if deposed { "the loser of a split" } else { "a MASTER that lets go" };
            let detail = format!("node {n} router {r}: {who} ({:?}) did not say so", change.cause);
            self.checks.fail("I13 farewell", detail);
        }
    }

    /// I15: the worker has stopped serving, and the engine has been told.
    pub(crate) fn check_yield(&mut self, n: usize) {
        let Some(keeper) = &self.nodes[n].keeper else { return };
        let owner = |r: usize| keeper.engine.config().routers()[r].priority.is_owner();
        let all = 0..self.plan.routers.len();
        let concerns = |r: usize| {
            let members = if self.plan.grouped { all.clone() } else { r..r + 1 };
            members.clone().any(|m| self.plan.routers[m].data_plane) && !members.clone().any(owner)
        };
        // Nobody took over from it when it was last unfit.
        let local = self.nodes[n].clock.local(self.now);
        let alone = |r: usize| self.checks.unfit_master[n][r].is_some_and(|at| local < at + 61 * SECOND);
        let stays = |r: &usize| keeper.states[*r] == State::Master && !alone(*r);
        if let Some(r) = all.clone().find(|r| concerns(*r) && stays(r)) {
            self.checks.fail("I15 an unfit MASTER yields", format!("node {n} router {r}: stays MASTER"));
        }
    }

    /// A MASTER is deposed only by whom the policy allows to.
    pub(super) fn check_preemption(&mut self, n: usize, r: usize, change: &Transition) {
        if (change.from, change.to) == (State::Init, State::Backup) || change.from == State::Fault {
            self.checks.ready_at[n][r] = self.nodes[n].clock.local_of(change.at);
        }
        if change.to == State::Backup
            && matches!(change.from, State::Init | State::Fault)
            && change.priority.is_owner()
        {
            self.checks.fail("I6 an owner does not wait", format!("node {n} router {r}"));
        }
        if change.to == State::Master && change.priority == Priority::MIN {
            self.checks.unfit_master[n][r] = Some(self.nodes[n].clock.local_of(change.at));
        }
        let Cause::Preempts { priority: theirs, .. } = change.cause else { return };
        let plan = &self.plan.nodes[n];
        let ready_for = self.nodes[n].clock.local_of(change.at) - self.checks.ready_at[n][r];
        let patient = match plan.preempt {
            Preempt::Always => true,
            Preempt::Never => false,
            Preempt::After(wait) => u128::from(ready_for) >= wait.as_nanos(),
        };
        // What was decided on the MASTER's last advert stands until the timer runs out.
        let news = self.nodes[n].servers_since.max(self.nodes[n].keeper_since);
        let settled = news + self.plan.routers[r].longest_down() < self.now;
        let ready = self.nodes[n].servers == Servers::Ready || !settled;
        let weak = theirs <= Priority::LOST;
        let may = change.priority.is_owner() || weak || (patient && ready);
        if change.priority <= theirs || !may {
            let detail =
                format!("node {n} router {r}: {:?} deposes {theirs}, {:?}", change.priority, plan.preempt);
            self.checks.fail("I7 preemption by the policy", detail);
        }
    }

    /// When a change was decided, a little before to be sure.
    fn decided(&self, n: usize, change: &Transition) -> Nanos {
        let clock = &self.nodes[n].clock;
        clock.when(clock.local_of(change.at)).saturating_sub(MILLI)
    }
}
