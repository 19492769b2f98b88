//! The world of one schedule: it jumps from event to event until the schedule ends or an invariant is broken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use evenkeel_vrrp::engine::Engine;
use evenkeel_vrrp::event::{Command, TrackReport};
use evenkeel_vrrp::types::TrackId;

use super::check::{Checks, Violation};
use super::clock::{MICRO, MILLI, Nanos};
use super::network::{Network, Packet};
use super::node::{Keeper, News, Node};
use super::rng::Rng;
use super::schedule::{DATA_PLANE, FILE, SCRIPT, Schedule};
use super::trace::Trace;

/// All nodes, the network between them, and the observer that sees everything.
pub(crate) struct World<'a> {
    pub(crate) plan: &'a Schedule,
    pub(crate) now: Nanos,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) rng: Rng,
    pub(crate) checks: Checks,
    pub(crate) trace: Trace,
    pub(crate) work: Work,
    agenda: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

/// What a schedule has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Events of the world.
    pub events: u64,
    /// Times a driver woke up.
    pub turns: u64,
    /// Actions done for engines.
    pub actions: u64,
    /// Adverts handed to engines.
    pub adverts: u64,
    /// State changes.
    pub transitions: u64,
    /// Faults that struck.
    pub faults: u64,
}

impl Work {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.turns += other.turns;
        self.actions += other.actions;
        self.adverts += other.adverts;
        self.transitions += other.transitions;
        self.faults += other.faults;
    }
}

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// A keeper's timer, or news for it.
    Wake(usize),
    /// A packet arrives.
    Deliver(Packet),
    /// An address lifetime may end.
    Kernel(usize),
    /// A lease may end, or the keeper has gone.
    Guard(usize),
    /// Number of the fault in the schedule.
    Fault(usize),
    /// One packet of an attack: number of the fault, how many are left.
    Attack(usize, u32),
    /// Frozen processes go on.
    Thaw { node: usize, keeper: bool, guard: bool, machine: bool },
    /// A keeper is started.
    Start(usize),
    /// A guard is started for a running keeper.
    StartGuard(usize),
    /// A tracked thing reports how it is.
    Report(usize, TrackId),
    /// The keeper is told to stop.
    Stop(usize),
    /// Everything that was wrong is right again.
    Quiet,
    /// From here on nothing may change.
    Settled,
    /// The last look.
    End,
}

struct Entry {
    at: Nanos,
    sequence: u64,
    event: Event,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl<'a> World<'a> {
    pub(crate) fn new(plan: &'a Schedule, origin: Instant, trace: Trace) -> Self {
        let count = plan.nodes.len();
        let mut world = Self {
            plan,
            now: 0,
            nodes: (0..count).map(|n| Node::new(plan, n, origin)).collect(),
            network: Network::new(count),
            rng: Rng::new(!plan.seed),
            checks: Checks::new(plan),
            trace,
            work: Work::default(),
            agenda: BinaryHeap::new(),
            sequence: 0,
        };
        for (n, node) in plan.nodes.iter().enumerate() {
            world.at(node.starts_at, Event::Start(n));
        }
        for (i, (at, _)) in plan.faults.iter().enumerate() {
            world.at(*at, Event::Fault(i));
        }
        world.at(plan.quiet_from, Event::Quiet);
        world.at(plan.settled_by, Event::Settled);
        world.at(plan.end, Event::End);
        world
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self) -> Result<(), Violation> {
        while let Some(Reverse(entry)) = self.agenda.pop() {
            self.now = entry.at;
            let ended = matches!(entry.event, Event::End);
            self.work.events += 1;
            self.happen(entry.event);
            self.check_step();
            if let Some(violation) = self.checks.violation.take() {
                return Err(violation);
            }
            if ended {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(crate) fn at(&mut self, at: Nanos, event: Event) {
        self.sequence += 1;
        self.agenda.push(Reverse(Entry { at: at.max(self.now), sequence: self.sequence, event }));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(n) if self.nodes[n].wake_at == Some(self.now) => {
                self.nodes[n].wake_at = None;
                self.check_wakeups(n);
                self.turn(n);
            }
            Event::Wake(_) => {}
            Event::Deliver(packet) => self.deliver(packet),
            Event::Kernel(n) => self.kernel_timer(n),
            Event::Guard(n) => self.guard_timer(n),
            Event::Fault(i) => self.strike(i),
            Event::Attack(i, left) => self.attack(i, left),
            Event::Thaw { node, keeper, guard, machine } => self.thaw(node, keeper, guard, machine),
            Event::Start(n) => self.start(n),
            Event::StartGuard(n) => self.start_guard(n),
            Event::Report(n, track) => self.report(n, track),
            Event::Stop(n) => self.news(n, News::Command(Command::Shutdown)),
            Event::Quiet => self.quiet(),
            Event::Settled => self.settled(),
            Event::End => self.check_end(),
        }
    }

    /// Wakes the keeper as soon as the scheduler lets it.
    pub(crate) fn wake_soon(&mut self, n: usize) {
        let latency = MICRO + self.rng.below(self.plan.nodes[n].wake_latency);
        self.wake(n, self.now + latency);
    }

    pub(crate) fn wake(&mut self, n: usize, at: Nanos) {
        let node = &mut self.nodes[n];
        if node.keeper_runs() && node.wake_at.is_none_or(|earlier| at < earlier) {
            node.wake_at = Some(at);
            self.at(at, Event::Wake(n));
        }
    }

    /// Sets the kernel's and the guard's timers after anything that can have changed them.
    pub(crate) fn arm_fences(&mut self, n: usize) {
        let node = &self.nodes[n];
        if node.machine_frozen.is_some() {
            return;
        }
        let due = |local: Nanos| node.clock.when(local).max(self.now);
        let expiry = node.kernel.next_expiry().map(due);
        let end = node.guard.next_end().filter(|_| node.guard_runs()).map(due);
        if let Some(at) = expiry
            && self.nodes[n].kernel_at.is_none_or(|earlier| at < earlier)
        {
            self.nodes[n].kernel_at = Some(at);
            self.at(at, Event::Kernel(n));
        }
        if let Some(at) = end
            && self.nodes[n].guard_at.is_none_or(|earlier| at < earlier)
        {
            let at = at + self.rng.below(self.plan.nodes[n].wake_latency);
            self.nodes[n].guard_at = Some(at);
            self.at(at, Event::Guard(n));
        }
    }

    fn kernel_timer(&mut self, n: usize) {
        if self.nodes[n].kernel_at != Some(self.now) || self.nodes[n].machine_frozen.is_some() {
            return;
        }
        self.nodes[n].kernel_at = None;
        let local = self.nodes[n].clock.local(self.now);
        if self.nodes[n].kernel.expire(local) {
            self.trace.add(self.now, || format!("node {n}: the kernel's lifetime of its addresses ends"));
            self.checks.repair_wanted(n, self.now);
            self.check_expiry(n);
            self.addresses_changed(n);
        }
        self.arm_fences(n);
    }

    /// After addresses have changed, by whoever: who answers from outside, and whether the keeper has news.
    pub(crate) fn addresses_changed(&mut self, n: usize) {
        self.observe_holding(n);
        if !self.nodes[n].kernel.reports.is_empty() {
            self.wake_soon(n);
        }
    }

    fn start(&mut self, n: usize) {
        if self.nodes[n].keeper.is_some() {
            return;
        }
        if self.nodes[n].machine_frozen.is_some() {
            self.at(self.now + MILLI, Event::Start(n));
            return;
        }
        let Some(config) = self.plan.config(n, self.nodes[n].priority) else {
            self.checks.fail("configuration", format!("node {n}: refused"));
            return;
        };
        let node = &mut self.nodes[n];
        node.guard.die();
        let removed = node.kernel.remove_leftovers();
        let mut keeper =
            Keeper::new(Engine::new(config, node.clock.instant(self.now)), self.plan.routers.len());
        keeper.events.extend(node.kernel.dump());
        node.keeper = Some(keeper);
        node.keeper_frozen = false;
        node.keeper_since = self.now;
        node.guard.alive = true;
        node.guard.frozen = false;
        node.guard.running_since = self.now;
        let priority = node.priority;
        self.trace.add(self.now, || {
            format!("node {n}: starts with priority {priority}, {removed} leftovers removed")
        });
        self.observe_holding(n);
        self.checks.restarted(n);
        self.tell_tracks(n);
        self.wake_soon(n);
    }

    /// The worker comes up, the script runs for the first time, the file is read.
    fn tell_tracks(&mut self, n: usize) {
        let worker = self.now + self.rng.between(MILLI, 60 * MILLI);
        self.at(worker, Event::Report(n, DATA_PLANE));
        let script = self.now + self.rng.between(MILLI, 30 * MILLI);
        self.at(script, Event::Report(n, SCRIPT));
        self.at(self.now + MILLI, Event::Report(n, FILE));
        let servers = self.nodes[n].servers;
        self.news(n, News::Command(Command::Servers(servers)));
    }

    fn report(&mut self, n: usize, track: TrackId) {
        let node = &self.nodes[n];
        let report = match track {
            DATA_PLANE => TrackReport::DataPlane(node.data_plane),
            SCRIPT => TrackReport::Script(node.script),
            _ => TrackReport::File(node.file),
        };
        self.news(n, News::Track(track, report));
    }

    pub(crate) fn news(&mut self, n: usize, news: News) {
        if let Some(keeper) = &mut self.nodes[n].keeper {
            keeper.news.push_back(news);
            self.wake_soon(n);
        }
    }

    fn start_guard(&mut self, n: usize) {
        if self.nodes[n].keeper.is_none() || self.nodes[n].guard.alive {
            return;
        }
        if !self.nodes[n].keeper_runs() {
            self.at(self.now + 10 * MILLI, Event::StartGuard(n));
            return;
        }
        let held = self.nodes[n].keeper.as_ref().map(|k| k.held.clone()).unwrap_or_default();
        let guard = &mut self.nodes[n].guard;
        guard.alive = true;
        guard.frozen = false;
        guard.running_since = self.now;
        for (r, lease) in held.into_iter().enumerate() {
            if let Some(held) = lease {
                guard.hold(u16::try_from(r).unwrap_or(0), held);
            }
        }
        self.trace.add(self.now, || format!("node {n}: a new guard"));
        self.arm_fences(n);
    }
}
