//! One node: its clock, kernel, guard and keeper, and what is wrong with each.

use std::collections::VecDeque;
use std::time::Instant;

use evenkeel_vrrp::config::Vip;
use evenkeel_vrrp::engine::Engine;
use evenkeel_vrrp::event::{AdvertCopy, Command, NetEvent, Servers, State, TrackReport};
use evenkeel_vrrp::types::{IfIndex, Mac, TrackId};

use super::clock::{Clock, Nanos};
use super::faults::Who;
use super::guard::Guard;
use super::kernel::{Interface, Kernel};
use super::network::Packet;
use super::schedule::{Schedule, interface_name, own_address};
use evenkeel_vrrp::types::Family;

/// A machine with its three processes (the worker is no more than what it says of itself).
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) clock: Clock,
    pub(crate) kernel: Kernel,
    pub(crate) guard: Guard,
    pub(crate) keeper: Option<Keeper>,
    pub(crate) keeper_frozen: bool,
    /// Since when the keeper has been able to act.
    pub(crate) keeper_since: Nanos,
    /// The whole machine stands still since then, with or without its clock.
    pub(crate) machine_frozen: Option<(Nanos, bool)>,
    pub(crate) priority: u8,
    pub(crate) send_fails_percent: u64,
    pub(crate) add_fails: bool,
    pub(crate) remove_fails: bool,
    /// When it last turned out that addresses could not be put on or taken off.
    pub(crate) add_failed_at: Option<Nanos>,
    pub(crate) remove_failed_at: Option<Nanos>,
    pub(crate) data_plane: bool,
    pub(crate) servers: Servers,
    pub(crate) servers_since: Nanos,
    pub(crate) script: bool,
    pub(crate) file: i32,
    /// Strikes when the keeper has done this many more actions.
    pub(crate) interrupt: Option<(u32, Interrupt)>,
    /// The wake-up that counts; others on the agenda are stale.
    pub(crate) wake_at: Option<Nanos>,
    pub(crate) kernel_at: Option<Nanos>,
    pub(crate) guard_at: Option<Nanos>,
    /// Turns within the second that began then.
    pub(crate) turns: (Nanos, u32),
}

/// What strikes a keeper in the middle of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Freeze(Who, Nanos),
    Kill(Who, Nanos),
}

/// A running keeper: the engine and what its driver remembers.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) engine: Engine,
    /// The socket's receive queue.
    pub(crate) inbox: VecDeque<Packet>,
    /// Netlink messages read but not handed on yet.
    pub(crate) events: VecDeque<NetEvent>,
    /// From the rest of the process.
    pub(crate) news: VecDeque<News>,
    /// Interface each router listens on.
    pub(crate) listening: Vec<Option<IfIndex>>,
    /// States as the transitions tell them.
    pub(crate) states: Vec<State>,
    /// What the guard has been told, for the next guard.
    pub(crate) held: Vec<Option<Held>>,
    /// The time of a turn that was interrupted.
    pub(crate) interrupted: Option<Instant>,
    /// What the worker was last said to do.
    serves: Option<bool>,
    /// The command to stop was taken.
    pub(crate) stopping: bool,
}

/// What the guard is told of a router.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// End of the lease, in local time.
    pub(crate) until: Nanos,
    /// Which addresses on which interfaces.
    pub(crate) addresses: Vec<(usize, Vip)>,
    /// What it says when it takes them off.
    pub(crate) farewells: Vec<AdvertCopy>,
}

/// Input from within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Track(TrackId, TrackReport),
    Command(Command),
}

impl Node {
    pub(crate) fn new(plan: &Schedule, node: usize, origin: Instant) -> Self {
        let interface = |i: usize| Interface {
            index: 2 + u32::try_from(i).unwrap_or(0),
            name: interface_name(i),
            mac: Mac([2, 0, 0, 0, u8::try_from(i).unwrap_or(0), u8::try_from(node).unwrap_or(0)]),
            up: true,
            own: vec![(own_address(Family::V4, i, node), 24), (own_address(Family::V6, i, node), 64)],
        };
        Self {
            clock: Clock::new(origin, plan.nodes[node].ppm),
            kernel: Kernel::new((0..plan.interfaces).map(interface).collect()),
            guard: Guard::default(),
            keeper: None,
            keeper_frozen: false,
            keeper_since: 0,
            machine_frozen: None,
            priority: plan.nodes[node].priority,
            send_fails_percent: 0,
            add_fails: false,
            remove_fails: false,
            add_failed_at: None,
            remove_failed_at: None,
            data_plane: true,
            servers: Servers::Ready,
            servers_since: 0,
            script: true,
            file: 0,
            interrupt: None,
            wake_at: None,
            kernel_at: None,
            guard_at: None,
            turns: (0, 0),
        }
    }

    pub(crate) const fn keeper_runs(&self) -> bool {
        self.keeper.is_some() && !self.keeper_frozen && self.machine_frozen.is_none()
    }

    pub(crate) const fn guard_runs(&self) -> bool {
        self.guard.runs() && self.machine_frozen.is_none()
    }

    pub(crate) fn state(&self, router: usize) -> Option<State> {
        self.keeper.as_ref().map(|k| k.states[router])
    }
}

impl Keeper {
    /// Remembers what the worker says; what it said before and says now, if it had said anything.
    pub(crate) fn takes(&mut self, news: News) -> Option<(bool, bool)> {
        let News::Track(_, TrackReport::DataPlane(serves)) = news else { return None };
        self.serves.replace(serves).map(|before| (before, serves))
    }

    pub(crate) fn new(engine: Engine, routers: usize) -> Self {
        Self {
            engine,
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            news: VecDeque::new(),
            listening: vec![None; routers],
            states: vec![State::Init; routers],
            held: vec![None; routers],
            interrupted: None,
            serves: None,
            stopping: false,
        }
    }
}

/// As many messages as a default socket buffer holds.
pub(crate) const INBOX: usize = 200;
