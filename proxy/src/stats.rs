//! What has happened, counted: per frontend, backend and server. The process has had what its frontends had.
//!
//! Every data thread counts in a block of its own, which only it writes: an increment is a plain load and store in a
//! cache line no other thread touches, with no locked instruction. Whoever wants a total adds the blocks up.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::plan::{BackendId, FrontendId, Plan, ServerId};
use crate::retry::Tally;
use crate::unreadable::Unreadable;
pub use counted::{Counted, Named};
pub use times::{BOUNDS, Spans, Times, TimesTotals};

mod counted;
mod times;

/// All counters of one plan.
#[derive(Debug)]
pub struct Stats {
    blocks: Box<[Arc<Block>]>,
    /// Calls of scripts that failed, by all threads: rare enough to be counted in one place.
    lua_errors: AtomicU64,
    /// Messages that could not be read, if anybody can look at them.
    unreadable: Option<Unreadable>,
    /// What was counted before, and elsewhere.
    carried: Mutex<Snapshot>,
}

/// What one thread counts.
#[derive(Debug)]
struct Block {
    taken: AtomicBool,
    frontends: Box<[Counters]>,
    backends: Box<[Counters]>,
    servers: Box<[Counters]>,
    /// Takes what is counted for an id that is not in the plan; never read.
    unknown: Counters,
    /// How long requests took, if anybody wants to know.
    times: Option<BlockTimes>,
}

#[derive(Debug)]
struct BlockTimes {
    frontends: Box<[Times]>,
    servers: Box<[Times]>,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of one frontend, backend or server, written by one thread. Starts on its own pair of cache lines.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
            /// Responses by class: 1xx to 5xx, then all others.
            pub responses: [Counter; 6],
            /// Present: connections of a frontend, requests of a backend.
            pub current: Gauge,
            /// Connections to a server that wait for a request, as they were a moment ago.
            pub idle: Level,
        }

        /// Values read from [`Counters`], summed over threads.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
            /// Responses by class: 1xx to 5xx, then all others.
            pub responses: [u64; 6],
            /// Present: connections of a frontend or the process, requests of a backend.
            pub current: u64,
            /// Connections to a server that wait for a request.
            pub idle: u64,
            /// Most there have been at once; with several threads no less than that: each has its own.
            pub peak: u64,
        }

        impl Counters {
            fn add_to(&self, totals: &mut Totals) {
                $(totals.$name = totals.$name.wrapping_add(self.$name.value());)*
                for (total, counter) in totals.responses.iter_mut().zip(&self.responses) {
                    *total = total.wrapping_add(counter.value());
                }
                totals.current = totals.current.wrapping_add(self.current.value());
                totals.idle = totals.idle.wrapping_add(self.idle.0.load(Ordering::Relaxed));
                totals.peak = totals.peak.wrapping_add(self.current.peak.value());
            }
        }

        impl Totals {
            /// What has been added since `earlier`. The present is not history.
            #[must_use]
            pub fn since(mut self, earlier: &Self) -> Self {
                $(self.$name = self.$name.wrapping_sub(earlier.$name);)*
                for (total, before) in self.responses.iter_mut().zip(&earlier.responses) {
                    *total = total.wrapping_sub(*before);
                }
                self
            }

            /// Adds what was counted before. The present is not history: `current` stays as it is.
            pub fn carry(&mut self, earlier: &Self) {
                $(self.$name = self.$name.wrapping_add(earlier.$name);)*
                for (total, before) in self.responses.iter_mut().zip(&earlier.responses) {
                    *total = total.wrapping_add(*before);
                }
                self.peak = self.peak.max(earlier.peak);
            }

            /// The names of [`Self::numbers`], in their order.
            pub fn names() -> impl Iterator<Item = &'static str> {
                let counters = [$(stringify!($name)),*];
                counters.into_iter().chain(RESPONSES).chain([PEAK])
            }

            /// Every number of the past.
            pub fn numbers(&self) -> impl Iterator<Item = u64> {
                let counters = [$(self.$name),*];
                counters.into_iter().chain(self.responses).chain([self.peak])
            }

            /// Sets what [`Self::numbers`] gave under this name. A name that nothing has is passed over.
            pub fn set(&mut self, name: &str, number: u64) {
                match name {
                    $(stringify!($name) => self.$name = number,)*
                    PEAK => self.peak = number,
                    _ => {
                        let class = RESPONSES.iter().position(|class| *class == name);
                        if let Some(to) = class.and_then(|class| self.responses.get_mut(class)) {
                            *to = number;
                        }
                    }
                }
            }

            /// Without the present.
            fn past(&self) -> Self {
                Self { current: 0, idle: 0, ..*self }
            }
        }
    };
}

counters! {
    /// Connections accepted from clients, or made to a server.
    connections,
    /// Requests received, or sent to a server.
    requests,
    /// Bytes from clients towards servers.
    bytes_in,
    /// Bytes from servers, or of the proxy's own answers, towards clients.
    bytes_out,
    /// Requests refused by a rule.
    denied,
    /// Responses withheld by a rule.
    denied_responses,
    /// Connections closed by a rule before anything was read of them.
    denied_connections,
    /// Connections closed by a rule once their session was there.
    denied_sessions,
    /// Requests that could not be read: malformed, too large, too slow.
    request_errors,
    /// Connections to a server that failed or timed out.
    connect_errors,
    /// Responses that could not be read: malformed, cut short, too slow.
    response_errors,
    /// Connection attempts after the first, to the same server.
    retries,
    /// Connection attempts moved to another server.
    redispatches,
    /// Transfers the client broke off.
    client_aborts,
    /// Transfers the server broke off.
    server_aborts,
    /// Requests that found no usable server.
    no_server,
    /// Requests sent over a connection that had carried one before.
    reused,
    /// TLS handshakes with clients that came to their end.
    tls_handshakes,
    /// Those of them that went on with an earlier session.
    tls_resumed,
    /// TLS handshakes with clients that failed.
    tls_failed,
    /// TLS handshakes with clients that took too long.
    tls_timeouts,
    /// Transfers ended because the client was slower than it has to be.
    slow_clients,
    /// Idle connections of clients that were closed to make room for others.
    evicted,
    /// Requests sent again after an answer that was none, or had a status that is tried again.
    repeats,
    /// Connections refused because their PROXY header was missing, malformed or late.
    proxy_refused,
    /// Connections that did not begin with a TLS ClientHello in time where one is looked for.
    hello_missing,
    /// Requests that a rule or a service of the proxy's own has answered.
    intercepted,
    /// Requests that went to the server their client had before.
    pinned,
    /// Connections of clients that speak HTTP/2.
    http2_connections,
    /// Requests in HTTP/2.
    http2_requests,
    /// Requests that were lost by a fault of the proxy's own, or for want of its means.
    internal_errors,
    /// Bytes of content that were compressed.
    comp_in,
    /// Bytes that they became.
    comp_out,
    /// Bytes of responses that would have been compressed, had there been a compressor left.
    comp_byp,
    /// Responses that were compressed.
    comp_rsp,
}

impl Counters {
    /// Counts a response by its status.
    pub fn response(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1).min(OTHER);
        if let Some(counter) = self.responses.get(class) {
            counter.add(1);
        }
    }
}

/// A number that grows, written by one thread.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        // One writer: nothing can change between the load and the store.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The count of this thread.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The largest number there has been, written by one thread; whoever clears it may be overtaken by that thread.
#[derive(Debug, Default)]
pub struct Peak(AtomicU64);

impl Peak {
    /// There is this number.
    #[inline]
    pub fn note(&self, n: u64) {
        if n > self.0.load(Ordering::Relaxed) {
            self.0.store(n, Ordering::Relaxed);
        }
    }

    /// The largest so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn restart(&self, at: u64) {
        self.0.store(at, Ordering::Relaxed);
    }
}

/// A number that is looked at now and then, written by one thread.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// It is this now.
    pub fn set(&self, n: usize) {
        self.0.store(u64::try_from(n).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A number that goes up and down, written by one thread.
#[derive(Debug, Default)]
pub struct Gauge {
    now: Counter,
    peak: Peak,
}

impl Gauge {
    /// Counts one more until the guard is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.raise();
        Held(self)
    }

    /// Counts one more, for a holder that cannot borrow. It owes a [`Gauge::lower`].
    pub fn raise(&self) {
        self.now.add(1);
        self.peak.note(self.now.value());
    }

    /// Counts one less.
    pub fn lower(&self) {
        self.now.add(u64::MAX);
    }

    /// The value of this thread.
    pub fn value(&self) -> u64 {
        self.now.value()
    }
}

/// One unit of a [`Gauge`], given back on drop.
#[derive(Debug)]
#[must_use = "the gauge goes down again when this is dropped"]
pub struct Held<'a>(&'a Gauge);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lower();
    }
}

/// Right of one thread to write its block. It can move to a thread, but not be shared by two.
#[derive(Debug)]
pub struct Recorder {
    stats: Arc<Stats>,
    block: Arc<Block>,
    one_thread: PhantomData<Cell<()>>,
}

impl Recorder {
    /// Counters of a frontend.
    pub fn frontend(&self, id: FrontendId) -> &Counters {
        self.block.frontends.get(usize::from(id.0)).unwrap_or(&self.block.unknown)
    }

    /// Counters of a backend.
    pub fn backend(&self, id: BackendId) -> &Counters {
        self.block.backends.get(usize::from(id.0)).unwrap_or(&self.block.unknown)
    }

    /// Counters of a server.
    pub fn server(&self, id: ServerId) -> &Counters {
        self.block.servers.get(id.0 as usize).unwrap_or(&self.block.unknown)
    }

    /// Where to note how long a request took that came to `frontend` and, if it did, to `server`. `None`: nobody wants to
    /// know.
    #[inline]
    pub fn times(&self, frontend: FrontendId, server: Option<ServerId>) -> Option<(&Times, Option<&Times>)> {
        let times = self.block.times.as_ref()?;
        let of_server = server.and_then(|id| times.servers.get(id.0 as usize));
        Some((times.frontends.get(usize::from(frontend.0))?, of_server))
    }

    /// All threads' counters, for totals.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.block.taken.store(false, Ordering::Release);
    }
}

impl Stats {
    /// Counters at zero, for `threads` recorders at a time.
    pub fn new(plan: &Plan, threads: u16) -> Self {
        Self {
            blocks: (0..threads).map(|_| Arc::new(Block::new(plan))).collect(),
            lua_errors: AtomicU64::default(),
            unreadable: None,
            carried: Mutex::default(),
        }
    }

    fn carried(&self) -> MutexGuard<'_, Snapshot> {
        // Numbers that are added one after the other: a panic between them leaves nothing that could not be read.
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for those who want to know how long requests take, and to see what could not be read, too.
    pub fn with_times(plan: &Plan, threads: u16) -> Self {
        let block = || Block { times: Some(BlockTimes::new(plan)), ..Block::new(plan) };
        let blocks = (0..threads).map(|_| Arc::new(block())).collect();
        Self { blocks, unreadable: Some(Unreadable::new(plan)), ..Self::new(plan, 0) }
    }

    /// Counts a call of a script that has failed.
    pub fn count_lua_error(&self) {
        self.lua_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages that could not be read. `None`: nobody can look at them.
    pub fn unreadable(&self) -> Option<&Unreadable> {
        self.unreadable.as_ref()
    }

    /// Calls of scripts that have failed.
    pub fn lua_errors(&self) -> u64 {
        self.lua_errors.load(Ordering::Relaxed)
    }

    /// Lets the largest numbers begin anew with the present ones.
    pub fn clear_peaks(&self) {
        for block in &self.blocks {
            let all = block.frontends.iter().chain(&block.backends).chain(&block.servers);
            all.for_each(|c| c.current.peak.restart(c.current.value()));
            let times = block.times.iter().flat_map(|t| t.frontends.iter().chain(&t.servers));
            times.for_each(Times::clear_peaks);
        }
    }

    /// A block to count in; `None` when there are as many recorders as threads. A block whose recorder was dropped is
    /// taken up again by the next one and goes on from where it was.
    pub fn recorder(self: &Arc<Self>) -> Option<Recorder> {
        let free = |block: &&Arc<Block>| !block.taken.swap(true, Ordering::Acquire);
        let block = Arc::clone(self.blocks.iter().find(free)?);
        Some(Recorder { stats: Arc::clone(self), block, one_thread: PhantomData })
    }

    /// Connections the process has now.
    pub fn process_current(&self) -> u64 {
        let of = |b: &Arc<Block>| b.frontends.iter().map(|c| c.current.value()).fold(0, u64::wrapping_add);
        self.blocks.iter().map(of).fold(0, u64::wrapping_add)
    }

    /// Connections a frontend has now.
    pub fn frontend_current(&self, id: FrontendId) -> u64 {
        let of = |b: &Arc<Block>| b.frontends.get(usize::from(id.0)).map_or(0, |c| c.current.value());
        self.blocks.iter().map(of).fold(0, u64::wrapping_add)
    }

    /// Requests a backend has now.
    pub fn backend_current(&self, id: BackendId) -> u64 {
        let of = |b: &Arc<Block>| b.backends.get(usize::from(id.0)).map_or(0, |c| c.current.value());
        self.blocks.iter().map(of).fold(0, u64::wrapping_add)
    }

    /// How many requests a backend had, those it has now included, and how many were sent again.
    pub fn backend_tally(&self, id: BackendId) -> Tally {
        let of = self.blocks.iter().filter_map(|b| b.backends.get(usize::from(id.0)));
        of.fold(Tally::default(), |sum, c| Tally {
            offered: sum.offered.wrapping_add(c.requests.value()).wrapping_add(c.current.value()),
            repeated: sum.repeated.wrapping_add(c.repeats.value()),
        })
    }

    /// Everything, summed over threads. Threads go on counting meanwhile, so values are not of one instant.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for block in &self.blocks {
            block.frontends.iter().for_each(|c| c.add_to(&mut snapshot.process));
            add_all(&block.frontends, &mut snapshot.frontends);
            add_all(&block.backends, &mut snapshot.backends);
            add_all(&block.servers, &mut snapshot.servers);
            if let Some(times) = &block.times {
                times::add_all(&times.frontends, &mut snapshot.frontend_times);
                times::add_all(&times.servers, &mut snapshot.server_times);
            }
        }
        counted::add_carried(&mut snapshot, &self.carried());
        snapshot
    }
}

/// Totals by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the process.
    pub process: Totals,
    /// By [`FrontendId`].
    pub frontends: Vec<Totals>,
    /// By [`BackendId`].
    pub backends: Vec<Totals>,
    /// By [`ServerId`].
    pub servers: Vec<Totals>,
    /// By [`FrontendId`], if anybody wants to know.
    pub frontend_times: Vec<TimesTotals>,
    /// By [`ServerId`], if anybody wants to know.
    pub server_times: Vec<TimesTotals>,
}

impl Snapshot {
    /// What has been added since `earlier`, of the same plan.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.process = self.process.since(&earlier.process);
        let lists = [
            (&mut self.frontends, &earlier.frontends),
            (&mut self.backends, &earlier.backends),
            (&mut self.servers, &earlier.servers),
        ];
        for (now, before) in lists {
            now.iter_mut().zip(before).for_each(|(now, before)| *now = now.since(before));
        }
        let times = [
            (&mut self.frontend_times, &earlier.frontend_times),
            (&mut self.server_times, &earlier.server_times),
        ];
        for (now, before) in times {
            now.iter_mut().zip(before).for_each(|(now, before)| *now = now.since(before));
        }
        self
    }
}

impl BlockTimes {
    fn new(plan: &Plan) -> Self {
        Self {
            frontends: plan.frontends().iter().map(|_| Times::default()).collect(),
            servers: plan.servers().iter().map(|_| Times::default()).collect(),
        }
    }
}

impl Block {
    fn new(plan: &Plan) -> Self {
        Self {
            taken: AtomicBool::new(false),
            frontends: plan.frontends().iter().map(|_| Counters::default()).collect(),
            backends: plan.backends().iter().map(|_| Counters::default()).collect(),
            servers: plan.servers().iter().map(|_| Counters::default()).collect(),
            unknown: Counters::default(),
            times: None,
        }
    }
}

fn add_all(counters: &[Counters], totals: &mut Vec<Totals>) {
    totals.resize(counters.len(), Totals::default());
    for (counters, totals) in counters.iter().zip(totals) {
        counters.add_to(totals);
    }
}

/// Position of "none of 1xx to 5xx" in `responses`.
const OTHER: usize = 5;

/// What `responses` are called by themselves.
const RESPONSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

const PEAK: &str = "peak";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::fixture::{plan, server};

    fn stats(threads: u16) -> Arc<Stats> {
        Arc::new(Stats::new(&plan(vec![server(1), server(1)]), threads))
    }

    #[test]
    fn totals_are_sums_over_threads() {
        let stats = stats(2);
        let (one, two) = (stats.recorder().unwrap(), stats.recorder().unwrap());
        assert!(stats.recorder().is_none(), "as many as threads");
        one.server(ServerId(1)).bytes_in.add(5);
        two.server(ServerId(1)).bytes_in.add(7);
        two.backend(BackendId(0)).requests.add(1);
        let held = one.frontend(FrontendId(0)).current.hold();
        let both = (held, two.frontend(FrontendId(0)).current.hold());
        assert_eq!(stats.process_current(), 2);
        let snapshot = stats.snapshot();
        assert_eq!(snapshot.servers[1].bytes_in, 12);
        assert_eq!(snapshot.servers[0], Totals::default());
        assert_eq!((snapshot.backends[0].requests, snapshot.process.current), (1, 2));
        drop(both);
        assert_eq!(stats.process_current(), 0);
    }

    #[test]
    fn the_most_there_has_been_is_kept_until_it_is_cleared() {
        let stats = stats(1);
        let recorder = stats.recorder().unwrap();
        let backend = &recorder.backend(BackendId(0)).current;
        let (one, two) = (backend.hold(), backend.hold());
        drop(one);
        assert_eq!(stats.snapshot().backends[0].peak, 2);
        stats.clear_peaks();
        assert_eq!(stats.snapshot().backends[0].peak, 1);
        drop(two);
    }

    #[test]
    fn times_are_kept_for_those_who_ask() {
        assert!(stats(1).recorder().unwrap().times(FrontendId(0), None).is_none());
        let stats = Arc::new(Stats::with_times(&plan(vec![server(1)]), 1));
        let recorder = stats.recorder().unwrap();
        let before = stats.snapshot();
        let (frontend, server) = recorder.times(FrontendId(0), Some(ServerId(0))).unwrap();
        for times in [Some(frontend), server].into_iter().flatten() {
            times.note(Spans { total: 3_000, response: 2_000, ..Spans::default() });
        }
        let after = stats.snapshot().since(&before);
        assert_eq!((after.server_times[0].count(), after.frontend_times[0].sum.total), (1, 3_000));
    }

    #[test]
    fn a_thread_that_is_replaced_goes_on_counting() {
        let stats = stats(1);
        let first = stats.recorder().unwrap();
        first.backend(BackendId(0)).requests.add(3);
        drop(first);
        stats.recorder().unwrap().backend(BackendId(0)).requests.add(4);
        assert_eq!(stats.snapshot().backends[0].requests, 7);
    }

    #[test]
    fn responses_are_counted_by_class() {
        let stats = stats(1);
        let recorder = stats.recorder().unwrap();
        for status in [100, 200, 204, 302, 404, 503, 599, 600, 999, 99, 0] {
            recorder.server(ServerId(0)).response(status);
        }
        assert_eq!(stats.snapshot().servers[0].responses, [1, 2, 1, 1, 2, 4]);
    }

    #[test]
    fn ids_of_another_plan_count_nowhere() {
        let stats = stats(1);
        let recorder = stats.recorder().unwrap();
        recorder.frontend(FrontendId(9)).requests.add(1);
        recorder.server(ServerId(9)).requests.add(1);
        let snapshot = stats.snapshot();
        let all = [&snapshot.frontends, &snapshot.backends, &snapshot.servers];
        assert!(all.into_iter().flatten().all(|totals| *totals == Totals::default()));
        assert_eq!((stats.frontend_current(FrontendId(9)), stats.backend_current(BackendId(9))), (0, 0));
    }

    #[test]
    fn a_later_life_carries_history_but_not_the_present() {
        let mut earlier = Totals { requests: 5, current: 3, ..Totals::default() };
        earlier.responses[1] = 4;
        let mut totals = Totals { requests: 1, current: 1, ..Totals::default() };
        totals.carry(&earlier);
        assert_eq!((totals.requests, totals.responses[1], totals.current), (6, 4, 1));
    }

    #[test]
    fn threads_share_no_cache_line() {
        assert_eq!(align_of::<Counters>(), 128);
        assert_eq!(size_of::<Counters>() % 128, 0);
    }
}
