//! What the connections of one data thread share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use super::super::deadline::Deadlines;
use super::super::http1::{Exchange, Forecast, SMALL};
use super::super::http2::Spare;
use super::super::idle::{Eviction, Idle};
use super::super::scripts::Scripts;
use super::super::sessions::Sessions;
use super::super::sight::Services;
use super::super::splice::Pipes;
use super::super::time_of_day::TimeOfDay;
use super::super::underway::{Seat, Underway};
use super::super::upstream::Pool;
use super::control::ThreadControl;
use super::gate::{Full, Gate};
use crate::access_log::Logger;
use crate::balance::{Lease, State};
use crate::compress::Deflaters;
use crate::h1::head::{HeadIndex, Limits};
use crate::plan::{Backend, BackendId, Plan, ServerId};
use crate::retry::RetryBudget;
use crate::stats::{Recorder, Stats};
use crate::sticky::Jar;

/// One data thread. Nothing in here is ever touched by another thread, but for what is behind an `Arc`.
pub(in crate::io) struct DataThread {
    pub(in crate::io) plan: Arc<Plan>,
    pub(in crate::io) balance: Arc<State>,
    pub(in crate::io) recorder: Recorder,
    pub(in crate::io) logger: Logger,
    pub(in crate::io) deadlines: Rc<Deadlines>,
    pub(in crate::io) pool: RefCell<Pool>,
    /// What persistence cookies mean.
    pub(in crate::io) jar: RefCell<Jar>,
    pub(in crate::io) scratch: RefCell<Scratch>,
    pub(in crate::io) pipes: Pipes,
    pub(in crate::io) forecast: Forecast,
    pub(in crate::io) deflaters: Deflaters,
    pub(in crate::io) http2_spare: Spare,
    pub(in crate::io) gate: Arc<Gate>,
    pub(in crate::io) idle: Idle,
    /// Who is there.
    pub(in crate::io) sessions: Rc<Sessions>,
    pub(in crate::io) time_of_day: TimeOfDay,
    pub(in crate::io) underway: Rc<Underway>,
    pub(in crate::io) control: Arc<ThreadControl>,
    pub(in crate::io) services: Services,
    /// What scripts can be called through; `None`: there are none.
    pub(in crate::io) scripts: Option<Box<Scripts>>,
    /// How connections are to end.
    leaving: Cell<Leaving>,
    /// Of the backends that send requests again.
    budgets: RefCell<BTreeMap<BackendId, RetryBudget>>,
    limits: Limits,
    /// Exchanges to use again, for their buffers. Bounded.
    #[expect(clippy::vec_box, reason = "exchanges move in and out of connections by pointer")]
    spare: RefCell<Vec<Box<Exchange>>>,
}

/// How connections are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaving {
    /// As they like.
    Not,
    /// With their next response, which says so. One that waits for a request is not closed, because that may be on its way;
    /// its own timeouts hold.
    WithResponse,
    /// Those that wait for a request at once, others with their response.
    Now,
}

/// Room that every connection uses while it is polled, and no longer.
pub(in crate::io) struct Scratch {
    /// Bytes just read. One buffer for all connections stays in the cache.
    pub(in crate::io) bytes: Box<[u8]>,
    /// Fields of the head being looked at.
    pub(in crate::io) index: HeadIndex,
}

impl DataThread {
    pub(super) fn new(parts: Parts) -> Rc<Self> {
        let limits =
            Limits { bytes: parts.plan.global.max_head_bytes, fields: parts.plan.global.max_headers };
        let room = SCRATCH.max(limits.bytes + 2 * SMALL);
        let budgets = budgets(&parts.plan, parts.recorder.stats()).into();
        let forecast = Forecast::new(parts.plan.servers().len());
        let scripts = parts.plan.lua().map(|program| Scripts::new(program, parts.number).into());
        let deflaters = Deflaters::new(parts.plan.global.compressors_of_thread());
        Rc::new(Self {
            budgets,
            scripts,
            pool: RefCell::new(Pool::new(parts.plan.servers().len())),
            jar: RefCell::default(),
            plan: parts.plan,
            balance: parts.balance,
            recorder: parts.recorder,
            logger: parts.logger,
            deadlines: parts.deadlines,
            gate: parts.gate,
            control: parts.control,
            services: parts.services,
            scratch: RefCell::new(Scratch { bytes: vec![0; room].into(), index: HeadIndex::default() }),
            pipes: Pipes::default(),
            forecast,
            deflaters,
            idle: Idle::default(),
            sessions: Rc::new(Sessions::new(parts.number)),
            time_of_day: TimeOfDay::new(),
            underway: Rc::default(),
            http2_spare: Spare::default(),
            leaving: Cell::new(Leaving::Not),
            limits,
            spare: RefCell::default(),
        })
    }

    /// Limits on heads.
    #[inline]
    pub(in crate::io) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Lets connections end.
    pub(super) fn leave(&self, how: Leaving) {
        if self.leaving.get() >= how {
            return;
        }
        self.leaving.set(how);
        if how == Leaving::Now {
            let _closed = self.pool.borrow_mut().clear();
        }
        self.deadlines.wake_all();
    }

    /// Whether no response may leave its connection open.
    #[inline]
    pub(in crate::io) fn is_leaving(&self) -> bool {
        self.leaving.get() != Leaving::Not
    }

    /// Whether connections that wait for a request end.
    #[inline]
    pub(in crate::io) fn closes_idle(&self) -> bool {
        self.leaving.get() == Leaving::Now
    }

    /// Frees descriptors, of which the process has none left: connections to servers that wait for requests are closed, and
    /// the client that has waited for the longest is asked to leave, here and on another thread. `false`: there was none.
    pub(in crate::io) fn relieve(&self) -> bool {
        let closed = self.pool.borrow_mut().clear();
        let asked = self.idle.evict(Full::Process);
        self.gate.ask_for_room(Full::Process);
        closed > 0 || asked != Eviction::Nobody
    }

    /// An exchange to fill.
    pub(in crate::io) fn take_exchange(&self) -> Box<Exchange> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives an exchange back.
    pub(in crate::io) fn give_back(&self, mut exchange: Box<Exchange>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_EXCHANGES {
            exchange.reset();
            spare.push(exchange);
        }
    }

    /// Whether the backend's budget lets a request be sent again.
    pub(in crate::io) fn may_repeat(&self, backend: BackendId) -> bool {
        let tally = self.recorder.stats().backend_tally(backend);
        self.budgets.borrow().get(&backend).is_some_and(|budget| budget.allows(tally))
    }

    /// Lets the budgets take note of a second that has passed.
    pub(super) fn tick_budgets(&self) {
        for (backend, budget) in self.budgets.borrow_mut().iter_mut() {
            budget.handle_second(self.recorder.stats().backend_tally(*backend));
        }
    }

    /// A seat for what the calling task does with `server` from now on, if that may have to end when the server does.
    #[inline]
    pub(in crate::io) fn seat(&self, server: ServerId, cx: &Context<'_>) -> Option<Seat> {
        self.underway.sit(&self.balance, server, cx)
    }

    /// Holds a slot of `server` that the balancer has given.
    pub(in crate::io) fn lease(self: &Rc<Self>, server: ServerId) -> Lease<Balance> {
        Lease::of(Balance(Rc::clone(self)), server)
    }
}

/// Budgets of the backends that need one.
fn budgets(plan: &Plan, stats: &Stats) -> BTreeMap<BackendId, RetryBudget> {
    let repeats = |b: &Backend| !b.http.retry.on.after_sending().is_empty();
    let ids = (0..).map(BackendId).zip(plan.backends()).filter(|(_, b)| repeats(b));
    ids.map(|(id, b)| (id, RetryBudget::new(b.http.retry.budget_percent, stats.backend_tally(id)))).collect()
}

/// What a thread is made of.
pub(super) struct Parts {
    pub(super) plan: Arc<Plan>,
    pub(super) balance: Arc<State>,
    pub(super) recorder: Recorder,
    pub(super) logger: Logger,
    pub(super) deadlines: Rc<Deadlines>,
    pub(super) gate: Arc<Gate>,
    pub(super) control: Arc<ThreadControl>,
    pub(super) services: Services,
    /// From 0.
    pub(super) number: u16,
}

/// The way of a lease to the balancing state: over the thread, because a count of references that all threads share
/// would be written by all of them for every request.
pub(in crate::io) struct Balance(Rc<DataThread>);

impl Balance {
    /// Of this thread.
    pub(in crate::io) fn of(thread: Rc<DataThread>) -> Self {
        Self(thread)
    }
}

impl Deref for Balance {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0.balance
    }
}

/// Measured: bodies cost a tenth less with 256 KiB than with 64 KiB, and it still fits the second-level cache.
const SCRATCH: usize = 256 * 1024;

/// Enough for the requests a thread has in flight at a time under load; each is about a kilobyte and its buffers.
const SPARE_EXCHANGES: usize = 256;
