//! What operators see of the running data plane, and what they can do to it: everything behind the admin socket, the
//! metrics and the statistics page.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::checker::Operator;
use super::runtime::Doors;
use crate::balance::State;
use crate::metrics::prometheus::{self, Scope, UnknownScope};
use crate::metrics::recent::Recent;
use crate::metrics::{History, Info, Process, Row, Sources, Wanted};
use crate::page::StatsPage;
use crate::page::sheet::Panel;
use crate::plan::Plan;
use crate::rules::action::{Reply, Service};
use crate::stats::{Snapshot, Stats};
use crate::unreadable::Unreadable;

/// One process, seen from outside.
pub struct Sight {
    plan: Arc<Plan>,
    state: Arc<State>,
    stats: Arc<Stats>,
    doors: Doors,
    operator: Operator,
    product: Product,
    began: Instant,
    /// In seconds since 1970.
    began_at: u64,
    memory: Mutex<Memory>,
    /// What others add.
    more: Mutex<More>,
    dropped_logs: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// What the process calls itself.
#[derive(Debug, Clone)]
pub struct Product {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// When that was released, as `2026/06/26`.
    pub released: &'static str,
}

/// What others add to what the proxy knows itself.
#[derive(Debug, Clone, Default)]
pub struct More {
    /// Families of metrics, as text.
    pub families: Arc<str>,
    /// Tables of the statistics page.
    pub panels: Arc<[Panel]>,
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Memory {
    history: History,
    recent: Recent,
    /// What had been counted when the counters were last cleared.
    cleared: Option<Snapshot>,
    /// Processor time used, when.
    processor: Option<(Instant, Duration)>,
    idle_percent: u32,
}

/// What a sight is made of, all of the same plan.
pub struct Parts {
    /// What is served.
    pub plan: Arc<Plan>,
    /// How servers are used.
    pub state: Arc<State>,
    /// What is counted.
    pub stats: Arc<Stats>,
    /// How connections are let in.
    pub doors: Doors,
    /// How servers are changed.
    pub operator: Operator,
    /// What the process calls itself.
    pub product: Product,
    /// How many access records were lost.
    pub dropped_logs: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Sight {
    /// Of a process that has just begun.
    pub fn new(parts: Parts) -> Self {
        let Parts { plan, state, stats, doors, operator, product, dropped_logs } = parts;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let sight = Self {
            plan,
            state,
            stats,
            doors,
            operator,
            product,
            began: Instant::now(),
            began_at: since_1970.as_secs(),
            memory: Mutex::default(),
            more: Mutex::default(),
            dropped_logs,
        };
        sight.tick();
        sight
    }

    /// Takes note of what has been counted. To be called every second.
    pub fn tick(&self) {
        let (now, used) = (Instant::now(), processor_time());
        let snapshot = self.stats.snapshot();
        let mut memory = self.memory();
        memory.recent.tick(now, &snapshot);
        memory.history.tick(now, snapshot);
        if let Some((then, before)) = memory.processor.replace((now, used)) {
            let passed = now.saturating_duration_since(then) * u32::from(self.plan.global.threads);
            let busy = used.saturating_sub(before).as_micros() * 100 / passed.as_micros().max(1);
            memory.idle_percent = 100 - u32::try_from(busy.min(100)).unwrap_or(100);
        }
    }

    /// The rows of statistics that are wanted.
    pub fn rows(&self, wanted: &Wanted) -> Vec<Row> {
        let snapshot = self.snapshot();
        self.rows_of(wanted, &snapshot)
    }

    fn rows_of(&self, wanted: &Wanted, snapshot: &Snapshot) -> Vec<Row> {
        let (servers, backends) = (self.operator.report(), self.operator.backend_records());
        let doors = self.doors.frontends();
        let history = self.memory().history.clone();
        let sources = Sources {
            plan: &self.plan,
            state: &self.state,
            snapshot,
            history: &history,
            servers: &servers,
            backends: &backends,
            doors: &doors,
            now: Instant::now(),
        };
        sources.rows(wanted)
    }

    /// What is known of the process as a whole.
    pub fn info(&self) -> Info {
        self.info_of(&self.snapshot())
    }

    fn info_of(&self, snapshot: &Snapshot) -> Info {
        let door = self.doors.process();
        let memory = self.memory();
        let listeners = u32::try_from(self.plan.listeners().len()).unwrap_or(u32::MAX);
        let process = Process {
            name: self.product.name,
            version: self.product.version.clone(),
            released: self.product.released,
            threads: self.plan.global.threads,
            pid: std::process::id(),
            uptime: self.began.elapsed().as_secs(),
            started: self.began_at,
            descriptors: descriptors(),
            maxconn: (door.most, self.plan.global.maxconn),
            connections: door.now,
            tls_connections: self.tls_connections(),
            listeners,
            dropped_logs: (self.dropped_logs)(),
            node: self.plan.global.node.clone(),
            stopping: false,
            idle_percent: memory.idle_percent,
            memory: resident(),
        };
        Info::new(&process, &snapshot.process, memory.history.process())
    }

    /// Of frontends whose clients all speak TLS.
    fn tls_connections(&self) -> u32 {
        let speaks = |at: usize| {
            let mut own = self.plan.listeners().iter().filter(|l| usize::from(l.frontend.0) == at).peekable();
            own.peek().is_some() && own.all(|l| l.tls.is_some())
        };
        let doors = self.doors.frontends();
        doors.iter().enumerate().filter(|(at, _)| speaks(*at)).map(|(_, door)| door.now).sum()
    }

    /// Everything as Prometheus has it, as far as `scope` goes.
    pub fn prometheus(&self, scope: Scope) -> String {
        let snapshot = self.snapshot();
        let mut out = String::new();
        if scope.global {
            prometheus::process(&mut out, &self.info_of(&snapshot));
        }
        if scope.frontend || scope.backend || scope.server {
            prometheus::rows(&mut out, &self.rows_of(&Wanted::ALL, &snapshot), scope);
        }
        if scope.own {
            prometheus::times(&mut out, &self.plan, &snapshot);
            if self.plan.lua().is_some() {
                prometheus::lua(&mut out, self.stats.lua_errors());
            }
            out.push_str(&self.more().families);
        }
        out
    }

    /// Adds to the metrics and to the statistics page, in the place of what was added before.
    pub fn set_more(&self, more: More) {
        *self.more.lock().unwrap_or_else(PoisonError::into_inner) = more;
    }

    pub(super) fn more(&self) -> More {
        self.more.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets somebody look at the last minutes.
    pub(super) fn with_recent<T>(&self, look: impl FnOnce(&Recent) -> T) -> T {
        look(&self.memory().recent)
    }

    /// Lets the largest numbers begin anew (HAProxy: `clear counters`).
    pub fn clear_peaks(&self) {
        self.stats.clear_peaks();
        self.state.clear_peaks();
        self.doors.clear_peaks();
        self.memory().history.clear_peaks();
    }

    /// Lets everything that is counted begin anew (HAProxy: `clear counters all`).
    pub fn clear(&self) {
        self.clear_peaks();
        self.memory().cleared = Some(self.stats.snapshot());
    }

    /// What is served.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How servers are used.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Messages that could not be read. `None`: nobody was to look at them.
    pub fn unreadable(&self) -> Option<&Unreadable> {
        self.stats.unreadable()
    }

    /// How connections are let in.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// How servers are changed.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// What the process calls itself.
    pub fn product(&self) -> &Product {
        &self.product
    }

    fn snapshot(&self) -> Snapshot {
        let snapshot = self.stats.snapshot();
        match &self.memory().cleared {
            Some(cleared) => snapshot.since(cleared),
            None => snapshot,
        }
    }

    /// A panic of another holder leaves numbers of a moment ago.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sight").field("product", &self.product).finish_non_exhaustive()
    }
}

/// What requests can be answered with that is made when they come. Empty until the process has begun.
#[derive(Debug, Clone, Default)]
pub struct Services(Arc<OnceLock<Arc<Sight>>>);

impl Services {
    /// From now on there is an answer. Only the first one counts.
    pub fn offer(&self, sight: Arc<Sight>) {
        self.0.get_or_init(|| sight);
    }

    /// What there is to see. `None`: the process has not begun.
    pub(super) fn sight(&self) -> Option<&Sight> {
        self.0.get().map(|sight| &**sight)
    }

    /// What a service answers to a request for `target`.
    pub(super) fn answer(&self, service: Service, target: &[u8]) -> Reply {
        match service {
            Service::Prometheus => self.metrics(target),
            Service::Stats => {
                let (page, visit) = StatsPage::at(target);
                self.page(&page, &visit, &[])
            }
        }
    }

    fn metrics(&self, target: &[u8]) -> Reply {
        let query = target.iter().position(|b| *b == b'?').and_then(|at| target.get(at + 1..));
        let query = String::from_utf8_lossy(query.unwrap_or_default());
        let scope = Scope::of_query(query.split('#').next().unwrap_or_default());
        match (self.0.get(), scope) {
            (Some(sight), Ok(scope)) => Reply {
                status: 200,
                fields: METRICS_FIELDS.as_bytes().into(),
                content: sight.prometheus(scope).into_bytes().into(),
            },
            (Some(_), Err(UnknownScope)) => empty(400),
            (None, _) => empty(503),
        }
    }
}

/// An answer without content.
pub(super) fn empty(status: u16) -> Reply {
    Reply { status, fields: Box::default(), content: Arc::from([]) }
}

const METRICS_FIELDS: &str = "cache-control: no-cache\r\ncontent-type: text/plain; version=0.0.4\r\n";

/// Processor time this process has used.
fn processor_time() -> Duration {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
    let time = |t: nix::sys::time::TimeVal| {
        let micros = t.tv_sec().saturating_mul(1_000_000).saturating_add(t.tv_usec());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    used.map_or(Duration::ZERO, |used| time(used.user_time()) + time(used.system_time()))
}

fn descriptors() -> u64 {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// Memory in use, in bytes; 0 if the system does not say.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * PAGE)
}

/// Of the machines this runs on.
const PAGE: u64 = 4096;
