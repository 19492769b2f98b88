//! One virtual router: the state machine of RFC 9568 §6.4 (v2: RFC 3768 §6.4), with what operating it needs besides:
//! FAULT, fitness, the lease, and a memory of who was heard.
//!
//! ```text
//!            ready                    Master_Down, release, preempt
//!   INIT ───────────► BACKUP ─────────────────────────────────────► MASTER
//!    │ ready, owner      ▲  ◄───────────────────────────────────────  │ ▲
//!    ├───────────────────┼── higher priority, unfit, lease ran out ───┼─┘
//!    ▼                   │ ready                                      │
//!   FAULT ───────────────┘ ◄────── interface, source, track, group ───┘
//! ```
//! STOPPED is entered from everywhere by command and never left.

mod addresses;
mod backup;
mod master;
mod peers;
mod receive;
pub(crate) mod resume;
mod send;
pub(crate) mod site;
mod view;
mod vips;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Preempt, RouterConfig, Vip};
use crate::event::{Action, Cause, State, Transition};
use crate::limit::Quota;
use crate::net::Net;
use crate::packet::Advert;
use crate::stats::{Counter, Counters};
use crate::timers::{master_down_interval, skew_time};
use crate::types::{Centis, GroupId, Priority, RouterId, TrackId};
pub(crate) use addresses::Sight;
use backup::Backup;
use master::Master;
use peers::Peers;
use resume::Inherited;
use site::{Place, Site};
use vips::VipWatch;

/// One call into the engine: when, in which surroundings, and where actions go.
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) net: &'a Net,
    pub(crate) actions: &'a mut VecDeque<Action>,
}

/// What a router brings to the election, apart from the election itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What keeps it out.
    pub(crate) obstacle: Option<Obstacle>,
    /// Which data plane does not serve.
    pub(crate) unfit: Option<TrackId>,
    /// It serves, but reaches none of its servers.
    pub(crate) lost: bool,
    /// Priority with the weights of its tracks.
    pub(crate) tracked: Priority,
    /// Where it can send from; always there when nothing keeps it out.
    pub(crate) place: Option<Place>,
}

/// Why a router cannot take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// Something has not come yet; a router that never ran waits in INIT.
    Awaits(Cause),
    /// Something has failed: FAULT.
    Failed(Cause),
}

impl Obstacle {
    pub(crate) const fn cause(self) -> Cause {
        match self {
            Self::Awaits(cause) | Self::Failed(cause) => cause,
        }
    }
}

impl Standing {
    /// Priority its adverts carry: an unfit node is the last resort, one without servers the last but one.
    pub(crate) fn priority(&self) -> Priority {
        if self.unfit.is_some() {
            Priority::MIN
        } else if self.lost && !self.tracked.is_owner() {
            self.tracked.min(Priority::LOST)
        } else {
            self.tracked
        }
    }

    const fn is_fit(&self) -> bool {
        self.unfit.is_none()
    }
}

/// What can happen to a router.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// Interfaces, tracks or the group have changed.
    Standing(Standing),
    /// A valid advert of another node.
    Heard { from: IpAddr, advert: &'a Advert },
    /// A timer may have run out.
    Timeout,
    /// No advert was really sent for the lease: the addresses are no longer ours.
    Lapsed,
    /// A copy of an advert was really sent.
    Sent { last_copy: bool },
    /// A copy of an advert was not sent.
    SendFailed,
    /// Addresses could not be put on.
    AddFailed,
    /// Somebody else has removed an address.
    VipGone(Vip),
    /// Another member of the group has become MASTER.
    Lead(GroupId),
    /// Another member of the group has left MASTER.
    Leave(GroupId),
    /// Release and stop.
    Stop,
}

/// The state with what belongs to it alone.
#[derive(Debug, Clone)]
enum Phase {
    Init,
    Backup(Backup),
    Master(Master),
    Fault,
    Stopped,
}

/// A change of a router's own accord that its group has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It became MASTER.
    Took,
    /// It left MASTER.
    Left,
}

/// Whether a release goes out before the addresses are taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// A priority-0 advert.
    Release,
    /// A priority-0 advert, unless adverts of others have made this node send too many already.
    LimitedRelease,
    /// None: it could not be sent, or would be too late.
    Silent,
}

/// A virtual router.
#[derive(Debug)]
pub(crate) struct Router {
    id: RouterId,
    config: RouterConfig,
    phase: Phase,
    /// The state before, while it waits in INIT to go on with it.
    inherited: Option<Inherited>,
    since: Instant,
    last_transition: Option<Transition>,
    standing: Standing,
    pub(crate) site: Site,
    /// From when on a lower-priority MASTER may be deposed; `None`: never.
    preempt_from: Option<Instant>,
    /// Until when it may not, because taking over has failed.
    pub(crate) hold_until: Option<Instant>,
    /// Since when this node's servers are ready; `None`: they are not, and no MASTER that serves is deposed.
    ready_since: Option<Instant>,
    /// Since when the MASTER has been saying that it reaches no server.
    lost_since: Option<Instant>,
    /// Nobody took over when this node was unfit, and nobody has been heard since. Known until then only: a BACKUP that
    /// comes later is not heard.
    alone_until: Option<Instant>,
    moved: Option<Moved>,
    peers: Peers,
    watch: VipWatch,
    /// When to try again to take the addresses off.
    removal_at: Option<Instant>,
    extra_adverts: Quota,
    farewells: Quota,
    extra_frames: Quota,
    repairs: Quota,
    pub(crate) counters: Counters,
}

impl Router {
    pub(crate) fn new(id: RouterId, config: RouterConfig, site: Site, now: Instant) -> Self {
        let standing = Standing {
            obstacle: Some(Obstacle::Awaits(Cause::InterfaceDown)),
            unfit: None,
            lost: false,
            tracked: config.priority,
            place: None,
        };
        Self {
            id,
            phase: Phase::Init,
            inherited: None,
            since: now,
            last_transition: None,
            standing,
            site,
            preempt_from: None,
            hold_until: None,
            ready_since: Some(now),
            lost_since: None,
            alone_until: None,
            moved: None,
            peers: Peers::default(),
            watch: VipWatch::new(&config),
            removal_at: None,
            extra_adverts: Quota::new(EXTRA_ADVERTS.0, EXTRA_ADVERTS.1),
            farewells: Quota::new(FAREWELLS.0, FAREWELLS.1),
            extra_frames: Quota::new(EXTRA_FRAMES.0, EXTRA_FRAMES.1),
            repairs: Quota::new(REPAIRS.0, REPAIRS.1),
            counters: Counters::default(),
            config,
        }
    }

    /// The machine: every state with every input.
    pub(crate) fn step(&mut self, turn: &mut Turn<'_>, input: Input<'_>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        self.phase = match (phase, input) {
            (Phase::Init, Input::Standing(new)) => self.assess(turn, State::Init, new),
            (Phase::Fault, Input::Standing(new)) => self.assess(turn, State::Fault, new),
            (Phase::Backup(b), Input::Standing(new)) => self.backup_standing(turn, b, new),
            (Phase::Master(m), Input::Standing(new)) => self.master_standing(turn, m, new),
            (Phase::Stopped, Input::Standing(_)) => Phase::Stopped,

            (Phase::Backup(b), Input::Heard { from, advert }) => self.backup_heard(turn, b, from, advert),
            (Phase::Master(m), Input::Heard { from, advert }) => self.master_heard(turn, m, from, advert),
            (phase @ (Phase::Init | Phase::Fault | Phase::Stopped), Input::Heard { .. }) => phase,

            (Phase::Backup(b), Input::Timeout) => self.backup_timeout(turn, b),
            (Phase::Master(m), Input::Timeout) => self.master_timeout(turn, m),
            (phase @ (Phase::Init | Phase::Fault | Phase::Stopped), Input::Timeout) => {
                self.retry_removal(turn);
                phase
            }

            (Phase::Master(m), Input::Lapsed) => self.master_lapsed(turn, &m),
            (Phase::Master(m), Input::Sent { last_copy }) => self.master_sent(turn, m, last_copy),
            (Phase::Master(m), Input::SendFailed) => self.master_send_failed(turn, m),
            (Phase::Master(_), Input::AddFailed) => self.master_add_failed(turn),
            (Phase::Master(m), Input::VipGone(vip)) => Self::master_vip_gone(turn, m, vip),
            // Results of what was asked for before leaving MASTER say nothing about this state.
            (
                phase @ (Phase::Init | Phase::Backup(_) | Phase::Fault | Phase::Stopped),
                Input::Lapsed | Input::Sent { .. } | Input::SendFailed | Input::AddFailed | Input::VipGone(_),
            ) => phase,

            (Phase::Backup(_), Input::Lead(group)) => {
                self.take_over(turn, State::Backup, Cause::Group(group))
            }
            (Phase::Master(_), Input::Leave(group)) => {
                self.give_up(turn, Farewell::Release, State::Backup, Cause::Group(group));
                self.listen(turn.now, None)
            }
            (phase @ (Phase::Init | Phase::Master(_) | Phase::Fault | Phase::Stopped), Input::Lead(_))
            | (phase @ (Phase::Init | Phase::Backup(_) | Phase::Fault | Phase::Stopped), Input::Leave(_)) => {
                phase
            }

            (Phase::Master(_), Input::Stop) => {
                self.give_up(turn, Farewell::Release, State::Stopped, Cause::Command);
                Phase::Stopped
            }
            (phase @ (Phase::Init | Phase::Backup(_) | Phase::Fault), Input::Stop) => {
                self.transition(turn, state_of(&phase), State::Stopped, Cause::Command);
                Phase::Stopped
            }
            (Phase::Stopped, Input::Stop) => Phase::Stopped,
        };
    }

    /// INIT and FAULT: enters the election when nothing stands in the way (RFC 9568 §6.4.1).
    fn assess(&mut self, turn: &mut Turn<'_>, from: State, new: Standing) -> Phase {
        let obstacle = new.obstacle;
        self.standing = new;
        match (obstacle, from) {
            (None, _) => match self.inherited.take() {
                Some(inherited) => self.resume(turn, inherited),
                None => self.enter_election(turn, from),
            },
            (Some(Obstacle::Failed(cause)), State::Init) => {
                let from = self.inherited.as_ref().map_or(from, Inherited::state);
                self.disinherit(turn);
                self.counters.bump(Counter::Faults);
                self.transition(turn, from, State::Fault, cause);
                Phase::Fault
            }
            (Some(Obstacle::Awaits(_)), State::Init) => Phase::Init,
            (
                Some(Obstacle::Awaits(_) | Obstacle::Failed(_)),
                State::Backup | State::Master | State::Fault | State::Stopped,
            ) => Phase::Fault,
        }
    }

    fn enter_election(&mut self, turn: &mut Turn<'_>, from: State) -> Phase {
        self.start_preempt_delay(turn.now);
        if self.config.priority.is_owner() {
            return self.take_over(turn, from, Cause::Owner);
        }
        self.transition(turn, from, State::Backup, Cause::Ready);
        self.listen(turn.now, None)
    }

    fn start_preempt_delay(&mut self, now: Instant) {
        self.preempt_from = match self.config.preempt {
            Preempt::Always => Some(now),
            Preempt::Never => None,
            Preempt::After(delay) => Some(now + delay),
        };
    }

    /// BACKUP with a full Master_Down_Interval ahead, with the interval of `master` if there is one.
    fn listen(&self, now: Instant, master: Option<(IpAddr, Centis)>) -> Phase {
        let interval = master.map_or(self.config.advert_int, |(_, interval)| interval);
        let deadline = now + self.master_down(interval);
        Phase::Backup(Backup::new(deadline, interval, master.map(|(from, _)| from)))
    }

    fn master_down(&self, interval: Centis) -> Duration {
        let RouterConfig { version, down_timer_adverts, .. } = self.config;
        master_down_interval(version, self.standing.priority(), interval, down_timer_adverts)
    }

    fn skew(&self, interval: Centis) -> Duration {
        skew_time(self.config.version, self.standing.priority(), interval)
    }

    /// Becomes MASTER. Advert first: it is what keeps other nodes from doing the same (keepalived's order). Not so when a
    /// living MASTER is deposed: it lets go when it hears the advert, and what clients send until they have heard the
    /// announcement would reach a node without the addresses. So they hear it first.
    fn take_over(&mut self, turn: &mut Turn<'_>, from: State, cause: Cause) -> Phase {
        let nobody_there = matches!(cause, Cause::MasterDown { .. } | Cause::Group(_));
        self.alone_until = (self.standing.unfit.is_some() && nobody_there).then(|| turn.now + ALONE_FOR);
        self.removal_at = None;
        self.lost_since = None;
        let mut master = Master::new(turn.now, &self.config);
        let deposes = matches!(cause, Cause::Preempts { .. });
        if !deposes {
            self.advertise(turn, &mut master);
        }
        self.add_vips(turn, None);
        self.announce(turn, usize::from(self.config.announce.repeat));
        if deposes {
            self.advertise(turn, &mut master);
        }
        self.counters.bump(Counter::BecameMaster);
        self.transition(turn, from, State::Master, cause);
        self.moved = Some(Moved::Took);
        Phase::Master(master)
    }

    /// As part of what others can make this node send, or of what is kept for this.
    fn may_say_farewell(&mut self, now: Instant) -> bool {
        self.extra_adverts.take(now, 1) == 1 || self.farewells.take(now, 1) == 1
    }

    /// Leaves MASTER for another state; the release goes first, so that a BACKUP is on its way when the addresses go.
    fn give_up(&mut self, turn: &mut Turn<'_>, farewell: Farewell, to: State, cause: Cause) {
        self.withdraw(turn);
        match farewell {
            Farewell::Release => self.release(turn),
            Farewell::LimitedRelease if self.may_say_farewell(turn.now) => self.release(turn),
            Farewell::LimitedRelease => self.counters.bump(Counter::AdvertsSuppressed),
            Farewell::Silent => {}
        }
        self.remove_vips(turn);
        self.counters.bump(Counter::LeftMaster);
        self.transition(turn, State::Master, to, cause);
        self.moved = Some(Moved::Left);
    }

    fn transition(&mut self, turn: &mut Turn<'_>, from: State, to: State, cause: Cause) {
        let (router, priority, at) = (self.id, self.standing.priority(), turn.now);
        let transition = Transition { router, from, to, cause, priority, at };
        self.since = turn.now;
        self.last_transition = Some(transition.clone());
        turn.actions.push_back(Action::Transition(transition));
    }

    /// When a MASTER that is not renewed stops being one.
    pub(crate) fn lapses_at(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Master(m) => Some(m.lapses_at()),
            Phase::Init | Phase::Backup(_) | Phase::Fault | Phase::Stopped => None,
        }
    }

    /// The next thing to happen by itself, and what it is.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let own = match &self.phase {
            Phase::Backup(b) => Some((b.deadline(), "master_down")),
            Phase::Master(m) => Some(m.poll_timeout()),
            Phase::Init | Phase::Fault | Phase::Stopped => None,
        };
        let removal = self.removal_at.map(|at| (at, "remove_vips"));
        let macvlan = match self.phase {
            Phase::Stopped => None,
            Phase::Init | Phase::Backup(_) | Phase::Master(_) | Phase::Fault => {
                self.site.retry_at().map(|at| (at, "virtual_mac"))
            }
        };
        own.into_iter().chain(removal).chain(macvlan).min_by_key(|(at, _)| *at)
    }

    /// What the group has to follow, once.
    pub(crate) fn take_move(&mut self) -> Option<Moved> {
        self.moved.take()
    }
}

const fn state_of(phase: &Phase) -> State {
    match phase {
        Phase::Init => State::Init,
        Phase::Backup(_) => State::Backup,
        Phase::Master(_) => State::Master,
        Phase::Fault => State::Fault,
        Phase::Stopped => State::Stopped,
    }
}

/// Our choice: long enough for a worker that fails again and again, short enough for a peer that was away.
const ALONE_FOR: Duration = Duration::from_secs(60);
/// Kept for the releases with which a deposed MASTER tells the winner that there were two, so that a storm of answers
/// cannot keep a split from being told; together they are at most ten within a second.
const FAREWELLS: (usize, Duration) = (1, Duration::from_secs(1));
/// Adverts that others can make a MASTER send beyond its own schedule: three at once, 7.5 a second, and so never ten
/// within a second. Three, because the news of a split and of its end come within milliseconds of each other.
const EXTRA_ADVERTS: (usize, Duration) = (3, Duration::from_millis(400));
/// Announcement frames per address that others can make a MASTER send beyond its own schedule.
const EXTRA_FRAMES: (usize, Duration) = (5, Duration::from_secs(10));
/// Times this node puts addresses on again, or takes strays off, before it lets the other side have its way a while.
const REPAIRS: (usize, Duration) = (5, Duration::from_secs(10));

#[cfg(test)]
mod tests;
