//! Which server gets the next request, and whether it has to wait for one.
//!
//! Two sides meet here. **Data threads** call [`State::assign`]: it takes a slot of a server, or says where to wait.
//! They hold a [`Lease`] while the request is with the server. Unless a backend is full they take no lock, never wait
//! and never allocate. **The control side** (health checker, admin commands) changes a server's state; each change
//! lays the backend's servers out anew and swaps that in as one pointer.
//!
//! | module | what it is |
//! |---|---|
//! | `choose` | the algorithms: from a layout and what each server has to one server |
//! | `layout`, `rotation`, `map`, `ring` | servers in use, prepared for an algorithm |
//! | `key`, `hash` | from a request to the number by which hashing algorithms place it |
//! | `slots`, `lease` | how many requests a server has, and may have |
//! | `queue` | requests that wait |
//! | `change`, `server`, `rise` | what the control side changes, slow starts included |
//! | `shutdown` | ending what is under way with a server |
//!
//! What all threads share on the way of a request is the layout's pointer, a cursor where servers take turns, and the
//! counts of the server itself. So the spread over servers is exact however the requests fall on threads, not merely
//! equal on average per thread.

mod change;
mod choose;
#[cfg(test)]
pub(crate) mod fixture;
mod hash;
mod key;
mod layout;
mod lease;
mod map;
mod member;
mod queue;
mod ring;
mod rise;
mod rotation;
mod server;
mod shutdown;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

pub use key::{Subject, key_of};
pub use lease::Lease;
pub use queue::{Call, QueueFull, Wait, Waiting};
pub use server::ServerState;
pub use shutdown::{Shutdown, Shutdowns};

use crate::health::Observations;
use crate::map::Maps;
use crate::names::Addresses;
use crate::plan::{Backend, BackendId, Balance, Plan, Server, ServerId};
use crate::rules::Gauge;
use crate::sticky::Tables;
use crate::table::Counters;
use layout::Layout;
use queue::Queue;
use rise::Rising;
use rotation::gcd;
use server::Switches;
use slots::{Slots, UNLIMITED};

/// State of all servers of one [`Plan`]; ids of another plan get no answer.
#[derive(Debug)]
pub struct State {
    backends: Box<[Group]>,
    switches: Box<[Switches]>,
    slots: Box<[Slots]>,
    /// Servers in a slow start.
    rising: AtomicU32,
    addresses: Addresses,
    tables: Tables,
    maps: Maps,
    counters: Counters,
    observations: Observations,
    shutdowns: Shutdowns,
}

/// One backend.
#[derive(Debug)]
struct Group {
    id: BackendId,
    balance: Balance,
    /// Replaced whole; readers never wait for a writer.
    layout: ArcSwap<Layout>,
    cursor: Cursor,
    queue: Queue,
    total: Total,
    servers: std::ops::Range<u32>,
    allbackups: bool,
    /// Who is sent to a server by persistence may go to another.
    redispatch: bool,
    fullconn: u32,
    /// Most that may run on all servers together; [`UNLIMITED`]: any number.
    most: u32,
    /// `total` is kept: something depends on it.
    counted: bool,
    /// What weights are counted in by algorithms with a table: the largest that divides all that are configured.
    unit: u16,
    /// Held while a change is made and its layout computed, so that the last swap has seen every change.
    changing: Mutex<Vec<Rising>>,
}

/// The shared position in the turns. Aligned to two cache lines (the prefetcher fetches pairs), because every
/// thread writes it and nothing else should travel with it. It goes on counting over swaps: turns restarted at
/// the first on every change would favour the first server while another one flaps.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cursor(AtomicU64);

/// Requests running on all servers of a backend.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Total(AtomicU32);

/// What a request wants of the balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wish {
    /// What [`key_of`] makes of it.
    pub key: Option<u32>,
    /// The server that persistence names: the request goes there unless the server has gone down or into maintenance.
    pub pinned: Option<ServerId>,
    /// A server that has just failed: another one is better.
    pub avoid: Option<ServerId>,
}

/// What a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A slot of this server. It is to be given back by a [`Lease`].
    Assigned(ServerId),
    /// Whoever could take it is full: it is to wait, by [`State::wait`].
    Full(Wait),
    /// The only server it can go to is full, and so is its queue.
    QueueFull(ServerId),
    /// No server is usable.
    NoServer,
}

/// Where a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// For any server of the backend.
    Backend,
    /// For this server.
    Server(ServerId),
}

/// Servers of a backend that can take work, by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usable {
    /// Usable servers that are not backups.
    pub active: u32,
    /// Usable backup servers, whether or not they are in use.
    pub backup: u32,
}

impl State {
    /// State as the plan asks for it, every server up: a checked one is taken down by its first failed check.
    pub fn new(plan: &Plan) -> Self {
        let switches: Box<[_]> = plan.servers().iter().map(Switches::new).collect();
        let backends: Box<[Group]> = (0..)
            .map(BackendId)
            .zip(plan.backends())
            .map(|b| Group::new(b, plan.servers(), &switches))
            .collect();
        let counted = |s: &Server| backends.get(usize::from(s.backend.0)).is_some_and(|g| g.counted);
        let slots = plan.servers().iter().map(|s| Slots::new(&s.limits, counted(s))).collect();
        Self {
            backends,
            switches,
            slots,
            rising: AtomicU32::new(0),
            addresses: Addresses::new(plan),
            tables: Tables::new(plan),
            // A plan has seen to it that their keys are some.
            maps: Maps::new(plan.maps()).unwrap_or_default(),
            counters: Counters::new(plan.tables()),
            observations: Observations::new(plan),
            shutdowns: Shutdowns::new(plan),
        }
    }

    /// Which clients had which servers.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Values that rules look up.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// What clients have done.
    #[inline]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where servers are.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What requests show of servers.
    #[inline]
    pub fn observations(&self) -> &Observations {
        &self.observations
    }

    /// Orders to end sessions.
    #[inline]
    pub fn shutdowns(&self) -> &Shutdowns {
        &self.shutdowns
    }

    /// Requests running on `server`.
    pub fn in_flight(&self, server: ServerId) -> u32 {
        self.slots.get(server.0 as usize).map_or(0, Slots::running)
    }

    /// Requests waiting for `server` in particular.
    pub fn waiting(&self, server: ServerId) -> u32 {
        self.slots.get(server.0 as usize).map_or(0, Slots::waiting)
    }

    /// Most requests that have run on `server` at once, and most that have waited for it in particular.
    pub fn peaks(&self, server: ServerId) -> (u32, u32) {
        self.slots.get(server.0 as usize).map_or((0, 0), Slots::peaks)
    }

    /// Requests waiting in `backend`, for whichever server, and the most there have been at once.
    pub fn queued(&self, backend: BackendId) -> (u32, u32) {
        self.backends.get(usize::from(backend.0)).map_or((0, 0), |g| (g.queue.all(), g.queue.peak()))
    }

    /// Lets the largest numbers begin anew with the present ones.
    pub fn clear_peaks(&self) {
        self.slots.iter().for_each(Slots::clear_peaks);
        self.backends.iter().for_each(|g| g.queue.clear_peak());
    }

    /// Requests waiting for any server of `backend`.
    pub fn waiting_for_any(&self, backend: BackendId) -> u32 {
        self.backends.get(usize::from(backend.0)).map_or(0, |g| g.queue.anyone())
    }

    /// What is known of `server`; `None` if it is not in the plan.
    pub fn server(&self, server: ServerId) -> Option<ServerState> {
        let switches = self.switches.get(server.0 as usize)?;
        Some(switches.read())
    }

    /// How many servers of `backend` can take work.
    pub fn usable(&self, backend: BackendId) -> Usable {
        self.backends.get(usize::from(backend.0)).map_or_else(Usable::default, |g| g.layout.load().usable())
    }

    /// A number that conditions ask for; `None` if it is of nothing in the plan.
    pub fn gauge(&self, gauge: Gauge) -> Option<u64> {
        let of = |backend: BackendId| self.backends.get(usize::from(backend.0));
        Some(match gauge {
            Gauge::Usable(backend) => u64::from(of(backend)?.used()),
            Gauge::Queued(backend) => u64::from(of(backend)?.queue.all()),
            Gauge::Up(server) => u64::from(self.server(server)?.takes_pinned()),
            Gauge::Running(server) => u64::from(self.slots.get(server.0 as usize)?.running()),
            Gauge::Waiting(server) => u64::from(self.slots.get(server.0 as usize)?.waiting()),
        })
    }

    /// Gives a slot of `server` back, to whoever has waited longest for it.
    #[inline]
    fn release(&self, server: ServerId) {
        let Some(slots) = self.slots.get(server.0 as usize) else { return };
        slots.give_back();
        if slots.most() != UNLIMITED || slots.counted {
            self.pass_on(server, slots);
        }
    }

    /// Sees to those who wait for a backend that is full as a whole.
    fn pass_on_whole(&self, backend: BackendId) {
        let Some(group) = self.backends.get(usize::from(backend.0)) else { return };
        if group.most != UNLIMITED && group.queue.all() > 0 {
            let mut lines = group.queue.lock();
            let calls = self.serve_all(backend, &mut lines);
            drop(lines);
            queue::wake(calls);
        }
    }

    fn pass_on(&self, server: ServerId, slots: &Slots) {
        let Some(backend) = self.switches.get(server.0 as usize).map(Switches::backend) else { return };
        let Some(group) = self.backends.get(usize::from(backend.0)) else { return };
        if group.counted {
            group.total.0.fetch_sub(1, Ordering::SeqCst);
        }
        // Of a backend that is full as a whole, anyone may have waited for this.
        let whole = group.most != UNLIMITED;
        if slots.waiting() == 0 && group.queue.anyone() == 0 && !(whole && group.queue.all() > 0) {
            return;
        }
        let mut lines = group.queue.lock();
        let calls = match whole {
            true => self.serve_all(backend, &mut lines),
            false => self.serve(backend, server, &mut lines),
        };
        drop(lines);
        queue::wake(calls);
    }
}

impl Group {
    fn new((id, backend): (BackendId, &Backend), servers: &[Server], switches: &[Switches]) -> Self {
        let own = backend.servers.start as usize..backend.servers.end as usize;
        let own = servers.get(own).unwrap_or_default();
        let divisor = own.iter().map(|s| u64::from(s.weight)).fold(0, gcd).max(1);
        let ramps = |s: &Server| s.limits.minconn.is_some();
        let bounded = matches!(&backend.balance, Balance::Hash(by) if by.factor.is_some());
        let group = Self {
            id,
            balance: backend.balance.clone(),
            layout: ArcSwap::from_pointee(Layout::default()),
            cursor: Cursor::default(),
            queue: Queue::default(),
            total: Total::default(),
            servers: backend.servers.clone(),
            allbackups: backend.allbackups,
            redispatch: backend.redispatch.is_on(),
            fullconn: backend.fullconn,
            most: backend.maxconn.unwrap_or(UNLIMITED),
            counted: bounded || backend.maxconn.is_some() || own.iter().any(ramps),
            unit: u16::try_from(divisor).unwrap_or(1),
            changing: Mutex::default(),
        };
        group.layout.store(group.lay_out(switches).into());
        group
    }

    /// Servers that get new work: backups only if no other is left, and then the first one unless all are wanted.
    fn used(&self) -> u32 {
        match self.layout.load().usable() {
            Usable { active: 0, backup } if self.allbackups => backup,
            Usable { active: 0, backup } => backup.min(1),
            Usable { active, .. } => active,
        }
    }

    /// Takes a slot for a request that has not waited.
    #[inline]
    fn admit(&self, slots: &Slots) -> bool {
        self.take_of(slots, 1)
    }

    /// Takes a slot for a request that waits.
    fn take(&self, slots: &Slots) -> bool {
        self.take_of(slots, 0)
    }

    #[inline]
    fn take_of(&self, slots: &Slots, uncounted: u32) -> bool {
        if !self.counted {
            return slots.take(slots.most());
        }
        if !slots.take(self.limit(slots, uncounted)) {
            return false;
        }
        let room = |total: u32| (total < self.most).then_some(total + 1);
        let within = self.total.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).is_ok();
        if !within {
            // Whoever missed the slot meanwhile is seen to: who is refused here waits, or passes on.
            slots.give_back();
        }
        within
    }

    /// How many requests the server may have at the backend's present load.
    fn limit(&self, slots: &Slots, uncounted: u32) -> u32 {
        let most = slots.most();
        if slots.minconn >= most || most == UNLIMITED {
            return most;
        }
        let total = self.total.0.load(Ordering::SeqCst);
        let present = total.saturating_add(self.queue.all()).saturating_add(uncounted);
        if present >= self.fullconn {
            return most;
        }
        let share = u64::from(present) * u64::from(most) / u64::from(self.fullconn);
        u32::try_from(share).unwrap_or(most).max(slots.minconn)
    }

    fn give_back(&self, slots: &Slots) {
        slots.give_back();
        if self.counted {
            self.total.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A panic of another holder leaves nothing half done: the layout is computed from the switches every time.
    fn changing(&self) -> MutexGuard<'_, Vec<Rising>> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
