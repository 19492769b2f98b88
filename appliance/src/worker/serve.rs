//! The worker's control loop: it answers the keeper, and passes on what health checks find.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_proxy::access_log::{Destination, LogTarget, Logger};
use evenkeel_proxy::balance::State;
use evenkeel_proxy::health::{self, announce};
use evenkeel_proxy::io::checker::{Checker, Operator};
use evenkeel_proxy::io::log_sink::LogSink;
use evenkeel_proxy::io::runtime::{self, ListenerSockets, Proxy, Shared};
use evenkeel_proxy::io::sight::{More, Parts, Services};
use evenkeel_proxy::plan::{BackendId, ListenerId, Plan};
use evenkeel_proxy::stats::{Counted, Stats};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::WorkerError;
use super::edited::{self, Edited};
use super::line::{moved, say};
use super::report::Sources;
use super::retired::Retired;
use super::sandbox;
use super::seen::{self, Seen};
use super::warmth::Warmth;
use crate::admin::{find, node, panel};
use crate::config::{self, Diagnostic, lower};
use crate::edit::Edit;
use crate::ipc::{
    Counts, FromWorker, Order, Ordered, Receiver, Sender, ServersReport, Start, TableContent, ToWorker,
    health as handover, tables,
};
use crate::logs::Said;

/// Everything that serves.
pub(super) struct Service {
    node: String,
    plan: Arc<Plan>,
    state: Arc<State>,
    stats: Arc<Stats>,
    proxy: Proxy,
    checker: Checker,
    events: mpsc::Receiver<health::Event>,
    first_round: watch::Receiver<bool>,
    logger: Logger,
    sink: LogSink,
    /// Every server has been checked at least once.
    checked: bool,
    warmth: Warmth,
    /// What the keeper was last told.
    standing: Option<ServersReport>,
    /// What it was last told to have been counted.
    counted: Counted,
    /// The keeper's heartbeat that waits for the data threads.
    beating: Option<u64>,
    /// The configuration as it is with TLS files that were read anew.
    renewing: Option<JoinHandle<Renewed>>,
    /// What operators see, if anybody looks.
    seen: Option<Seen>,
    /// What they change in files; absent while it is looked at.
    edited: Option<Edited>,
    looking: Option<JoinHandle<(Edited, Changes)>>,
    /// What is written down for a successor.
    handing_over: Option<JoinHandle<(u64, Vec<TableContent>)>>,
}

/// The same plan with other TLS files, or what is wrong with them.
type Renewed = Result<Arc<Plan>, String>;

/// Changes of files, by their names.
type Changes = Vec<(String, Edit)>;

/// One piece of news.
enum News {
    Keeper(Option<(ToWorker, Vec<OwnedFd>)>),
    Health(health::Event),
    /// Every data thread has answered this heartbeat of the keeper.
    Beat(u64),
    /// Every server has been checked, or the warmth is due.
    LookAtWarmth,
    SnapshotDue,
    LookAtEdits,
    Edits(Changes),
    WrittenDown(u64, Vec<TableContent>),
    Renewed(Renewed),
}

impl Service {
    /// Reads the configuration again and starts log, checks and data threads.
    pub(super) fn start(start: Start, sockets: Vec<OwnedFd>) -> Result<Self, WorkerError> {
        let failed = |what| move |e| WorkerError::Start(what, e);
        let loaded = config::load_from_sources(&start.sources, &start.node);
        let Some(config) = loaded.config else {
            return Err(WorkerError::Rejected(reasons(&loaded.diagnostics)));
        };
        let parts = lower::proxy(&config);
        let plan = parts.plan;
        shut_in(&parts.log_targets)?;
        let sink = LogSink::start(parts.log_targets).map_err(failed("the log"))?;
        let state = Arc::new(State::new(&plan));
        let is_seen = seen::is_wanted(&config, &plan);
        let new_stats = if is_seen { Stats::with_times } else { Stats::new };
        let stats = Arc::new(new_stats(&plan, plan.global.threads));
        stats.carry(&plan, &Counted::from(&start.counts));
        tables::read_back(&start.tables, &plan, &state, Instant::now());
        let inherited = (!start.health.is_empty()).then(|| handover::read_back(&start.health));
        let (events_tx, events) = mpsc::channel(EVENTS);
        let seed = u64::from(std::process::id());
        let checker =
            Checker::start(Arc::clone(&plan), Arc::clone(&state), seed, inherited.as_ref(), events_tx)
                .map_err(failed("health checks"))?;
        let mut sockets = sockets;
        let served = start.sockets.iter().map(|(_, count)| usize::from(*count)).sum::<usize>();
        let admin_sockets = sockets.split_off(served.min(sockets.len()));
        let listeners = listeners(&start.sockets, sockets);
        let first_round = checker.first_round();
        let logger = sink.logger();
        if seen::may_order(&config, &plan) {
            state.shutdowns().allow_orders();
        }
        let services = Services::default();
        let shared =
            Shared::new(Arc::clone(&state), Arc::clone(&stats), &sink).with_services(services.clone());
        let proxy = runtime::start(Arc::clone(&plan), listeners, shared).map_err(failed("data threads"))?;
        let seen = match is_seen {
            true => {
                let parts = Parts {
                    plan: Arc::clone(&plan),
                    state: Arc::clone(&state),
                    stats: Arc::clone(&stats),
                    doors: proxy.doors(),
                    operator: checker.operator(),
                    product: seen::product(),
                    dropped_logs: Box::new(sink.losses()),
                };
                let seen = Seen::start(&config, parts, admin_sockets).map_err(failed("the admin sockets"))?;
                services.offer(Arc::clone(&seen.sight));
                Some(seen)
            }
            false => None,
        };
        Ok(Self {
            node: start.node,
            warmth: Warmth::new(served_backends(&plan).count()),
            looking: None,
            handing_over: None,
            edited: seen.as_ref().and_then(|_| Edited::new(Arc::clone(&plan), Arc::clone(&state))),
            plan,
            state,
            stats,
            proxy,
            checker,
            events,
            first_round,
            logger,
            sink,
            checked: false,
            standing: None,
            counted: Counted::default(),
            beating: None,
            renewing: None,
            seen,
        })
    }

    /// Serves until the keeper says so or is gone.
    pub(super) async fn run(mut self, mut keeper: Sender, mut orders: Receiver) {
        if say(&keeper, &FromWorker::Ready).await.is_err() {
            return;
        }
        let mut snapshot_due = None;
        let mut edits_due = tokio::time::interval(edited::PERIOD);
        edits_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.next(&mut orders, snapshot_due, &mut edits_due).await {
                News::Keeper(Some((ToWorker::Move, fds))) => match moved(fds) {
                    Some(channel) => (keeper, orders) = channel,
                    None => return,
                },
                News::Keeper(Some((ToWorker::Retire, _))) => {
                    self.tell_all_edits(&keeper).await;
                    return self.retired().serve(keeper, orders).await;
                }
                News::Keeper(Some((ToWorker::Drain { limit_ms }, _))) => {
                    return self.drain(&keeper, Duration::from_millis(limit_ms)).await;
                }
                News::Keeper(Some((ToWorker::Start(_), _)) | None) => return,
                news @ (News::Keeper(_)
                | News::Beat(_)
                | News::WrittenDown(..)
                | News::Renewed(_)
                | News::Health(_)
                | News::LookAtWarmth
                | News::SnapshotDue
                | News::LookAtEdits
                | News::Edits(_)) => {
                    if self.handle(&keeper, news, &mut snapshot_due).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// What a worker that goes on does about it.
    async fn handle(
        &mut self,
        keeper: &Sender,
        news: News,
        snapshot_due: &mut Option<tokio::time::Instant>,
    ) -> std::io::Result<()> {
        match news {
            News::Keeper(Some((order, _))) => self.take(keeper, order).await,
            // This has ended the loop.
            News::Keeper(None) => Ok(()),
            News::Beat(seq) => {
                self.beating = None;
                say(keeper, &FromWorker::Pong(seq)).await
            }
            News::WrittenDown(number, tables) => self.tell_all(keeper, number, tables).await,
            News::Renewed(renewed) => {
                let used = renewed.and_then(|plan| match self.proxy.reload_tls(&plan) {
                    true => Ok(()),
                    false => Err("it is another configuration".to_owned()),
                });
                say(keeper, &FromWorker::Tls(used)).await
            }
            News::Health(event) => {
                snapshot_due.get_or_insert_with(|| tokio::time::Instant::now() + SNAPSHOT_DELAY);
                self.tell(keeper, &event).await.and(self.look_at_warmth(keeper).await)
            }
            News::LookAtWarmth => self.look_at_warmth(keeper).await.and(self.hand_over(keeper).await),
            News::SnapshotDue => {
                *snapshot_due = None;
                self.hand_over(keeper).await
            }
            News::LookAtEdits => {
                // Beside this loop, which has heartbeats to answer.
                self.looking = self.edited.take_if(|edited| edited.is_stale()).map(|mut edited| {
                    tokio::task::spawn_blocking(move || {
                        let changes = edited.changes();
                        (edited, changes)
                    })
                });
                Ok(())
            }
            News::Edits(changes) => tell_edits(keeper, changes).await,
        }
    }

    /// What the keeper wants of a worker that goes on.
    async fn take(&mut self, keeper: &Sender, order: ToWorker) -> std::io::Result<()> {
        match order {
            ToWorker::Ping(seq) => self.beating = Some(seq),
            ToWorker::Report(number) => {
                return say(keeper, &FromWorker::Report(number, Box::new(self.report()))).await;
            }
            ToWorker::Tls(sources) => {
                // Beside the loop, which has heartbeats to answer: thousands of keys take their time. Of two the later one
                // counts.
                let node = self.node.clone();
                // Whoever has moved log files away says so in the same way.
                self.sink.reopen();
                self.renewing = Some(tokio::task::spawn_blocking(move || renew(&sources, &node)));
            }
            ToWorker::Order(number, order) => {
                return say(keeper, &FromWorker::Ordered(number, self.carry_out(&order))).await;
            }
            ToWorker::Logs { number, after, most } => {
                let said = self.sink.look_at_recent(|recent| Said::of(recent, after, most));
                return say(keeper, &FromWorker::Logs(number, said)).await;
            }
            ToWorker::Node(facts) => {
                if let Some(seen) = &self.seen {
                    let families = node::families(&facts).into();
                    seen.sight.set_more(More { families, panels: panel::panels(&facts).into() });
                }
            }
            ToWorker::HandOver(number) => self.handing_over = Some(self.write_down(number)),
            ToWorker::Counts(counts) => self.stats.carry(&self.plan, &Counted::from(&*counts)),
            // These end the loop, which has taken them.
            ToWorker::Start(_) | ToWorker::Retire | ToWorker::Move | ToWorker::Drain { .. } => {}
        }
        Ok(())
    }

    async fn next(
        &mut self,
        orders: &mut Receiver,
        snapshot_due: Option<tokio::time::Instant>,
        edits_due: &mut Interval,
    ) -> News {
        let due = async {
            match snapshot_due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let checked = self.checked;
        let first_round = async {
            if checked || self.first_round.wait_for(|done| *done).await.is_err() {
                // Looked at already, or the checks have ended and nothing more will be known.
                std::future::pending().await
            }
        };
        let warmth_due = async {
            match self.warmth.poll_timeout() {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let beat = answered(&self.proxy, self.beating);
        // Every arm is cancel safe: channels keep what has arrived, the deadlines are absolute.
        tokio::select! {
            biased;
            order = orders.recv::<ToWorker>() => News::Keeper(order.ok().flatten()),
            seq = beat => News::Beat(seq),
            () = first_round => News::LookAtWarmth,
            () = warmth_due => News::LookAtWarmth,
            Some(event) = self.events.recv() => News::Health(event),
            () = due => News::SnapshotDue,
            _ = edits_due.tick(), if self.edited.is_some() => News::LookAtEdits,
            changes = looked(&mut self.looking, &mut self.edited) => News::Edits(changes),
            (number, tables) = written_down(&mut self.handing_over) => News::WrittenDown(number, tables),
            renewed = renewed(&mut self.renewing) => News::Renewed(renewed),
        }
    }

    async fn tell(&self, keeper: &Sender, event: &health::Event) -> std::io::Result<()> {
        let server = self.plan.servers().get(event.server.0 as usize);
        let backend = server.and_then(|s| self.plan.backends().get(usize::from(s.backend.0)));
        for (level, line) in announce::lines(&self.plan, event) {
            self.logger.event(backend.map_or(&[], |b| &b.log), level, &line);
            say(keeper, &FromWorker::Event { level: level as u8, line }).await?;
        }
        Ok(())
    }

    /// Tells the keeper when the warmth has changed. Before every server has been checked nothing is known.
    async fn look_at_warmth(&mut self, keeper: &Sender) -> std::io::Result<()> {
        self.checked = self.checker.first_round_done();
        let usable: Vec<bool> = served_backends(&self.plan)
            .map(|id| self.state.usable(id))
            .map(|u| u.active + u.backup > 0)
            .collect();
        let observed = self.warmth.observe(Instant::now(), &usable);
        let standing = if self.checked { observed.into() } else { ServersReport::NotReady };
        if self.standing.replace(standing) == Some(standing) {
            return Ok(());
        }
        say(keeper, &FromWorker::Servers(standing)).await
    }

    async fn hand_over(&self, keeper: &Sender) -> std::io::Result<()> {
        say(keeper, &FromWorker::Health(handover::write_down(&self.checker.snapshot()))).await
    }

    /// Begins to write down what may take its time, beside this loop, which has heartbeats to answer.
    fn write_down(&self, number: u64) -> JoinHandle<(u64, Vec<TableContent>)> {
        let (plan, state) = (Arc::clone(&self.plan), Arc::clone(&self.state));
        tokio::task::spawn_blocking(move || (number, tables::write_down(&plan, &state, Instant::now())))
    }

    /// Everything that a successor has to know.
    async fn tell_all(
        &mut self,
        keeper: &Sender,
        number: u64,
        tables: Vec<TableContent>,
    ) -> std::io::Result<()> {
        for table in tables {
            say(keeper, &FromWorker::Table(Box::new(table))).await?;
        }
        self.tell_all_edits(keeper).await;
        self.hand_over(keeper).await?;
        self.counted = self.stats.counted(&self.plan);
        say(keeper, &FromWorker::HandedOver(number, Box::new(Counts::from(&self.counted)))).await
    }

    fn carry_out(&self, order: &Order) -> Result<Ordered, String> {
        let id = find(&self.plan, &order.server)?;
        let state = |operator: &Operator| {
            let report = operator.report();
            report.get(id.0 as usize).map_or_else(String::new, |r| r.operational.as_str().to_owned())
        };
        let operator = self.checker.operator();
        let from = state(&operator);
        operator.set_admin(id, handover::to_admin(order.state));
        let (to, sessions) = (state(&operator), self.state.in_flight(id));
        Ok(Ordered { server: self.plan.name_of(id), from, to, sessions })
    }

    fn report(&self) -> crate::status::WorkerReport {
        let written = self.sink.target_counts();
        let sources = Sources {
            plan: &self.plan,
            state: &self.state,
            stats: &self.stats,
            servers: self.checker.report(),
            log_dropped: self.sink.dropped() + written.iter().map(|t| t.dropped).sum::<u64>(),
            now: Instant::now(),
        };
        sources.report()
    }

    /// What goes on when another worker accepts, checks, and is talked to.
    fn retired(self) -> Retired {
        let Self { plan, stats, proxy, sink, counted, .. } = self;
        Retired { plan, stats, proxy, sink, counted }
    }

    async fn drain(mut self, keeper: &Sender, limit: Duration) {
        self.tell_all_edits(keeper).await;
        let left = self.proxy.drain(Instant::now() + limit).await;
        say(keeper, &FromWorker::Drained { left }).await.unwrap_or_default();
    }

    /// Tells the keeper of every change in files that it has not been told of. One that is gone needs none of this.
    async fn tell_all_edits(&mut self, keeper: &Sender) {
        if self.looking.is_some() {
            let changes = looked(&mut self.looking, &mut self.edited).await;
            tell_edits(keeper, changes).await.unwrap_or_default();
        }
        let last = self.edited.as_mut().map(Edited::changes).unwrap_or_default();
        tell_edits(keeper, last).await.unwrap_or_default();
    }
}

/// Before the first thread, and before the first byte from the network.
fn shut_in(logs: &[LogTarget]) -> Result<(), WorkerError> {
    let files = logs.iter().filter_map(|target| match &target.to {
        Destination::File(path) => Some(path.as_path()),
        Destination::Stdout
        | Destination::Stderr
        | Destination::Journal(_)
        | Destination::Unix(_)
        | Destination::Udp(_)
        | Destination::Tcp(_) => None,
    });
    let missing = sandbox::enter(&sandbox::directories(files)).map_err(WorkerError::Privileges)?;
    for what in missing {
        eprintln!("ek-worker: this kernel has no {what}");
    }
    Ok(())
}

/// Tells the keeper what operators have changed in files.
async fn tell_edits(keeper: &Sender, changes: Changes) -> std::io::Result<()> {
    for (file, edit) in changes {
        say(keeper, &FromWorker::Edited { file, edit }).await?;
    }
    Ok(())
}

/// Waits until it has been looked at what operators have changed.
///
/// # Cancel safety
/// Cancel safe: what has been found stays until it is taken.
async fn looked(looking: &mut Option<JoinHandle<(Edited, Changes)>>, edited: &mut Option<Edited>) -> Changes {
    let Some(task) = looking else { return std::future::pending().await };
    let found = task.await;
    *looking = None;
    match found {
        Ok((back, changes)) => {
            *edited = Some(back);
            changes
        }
        Err(error) => {
            tracing::error!(%error, "what operators change in files is not kept any more");
            Vec::new()
        }
    }
}

/// Waits until what a successor has to know is written down.
///
/// # Cancel safety
/// Cancel safe: what has been written down stays until it is taken.
async fn written_down(
    handing_over: &mut Option<JoinHandle<(u64, Vec<TableContent>)>>,
) -> (u64, Vec<TableContent>) {
    let Some(task) = handing_over else { return std::future::pending().await };
    let written = task.await;
    *handing_over = None;
    match written {
        Ok(written) => written,
        Err(error) => {
            tracing::error!(%error, "a successor does not get what is in tables");
            // No order has this number: the keeper goes on by itself in a moment.
            (0, Vec::new())
        }
    }
}

/// Waits until every data thread has answered the keeper's heartbeat.
///
/// # Cancel safety
/// Cancel safe: asked anew, the threads answer anew.
async fn answered(proxy: &Proxy, beating: Option<u64>) -> u64 {
    match beating {
        Some(seq) => {
            proxy.heartbeat().await;
            seq
        }
        None => std::future::pending().await,
    }
}

/// Loads the same configuration with TLS files that were read anew.
fn renew(sources: &config::Sources, node: &str) -> Renewed {
    let loaded = config::load_from_sources(sources, node);
    let config = loaded.config.ok_or_else(|| reasons(&loaded.diagnostics))?;
    Ok(lower::proxy(&config).plan)
}

/// Waits until that is done.
///
/// # Cancel safety
/// Cancel safe: what has been loaded stays until it is taken.
async fn renewed(renewing: &mut Option<JoinHandle<Renewed>>) -> Renewed {
    let Some(task) = renewing else { return std::future::pending().await };
    let renewed = task.await;
    *renewing = None;
    renewed.unwrap_or_else(|e| Err(e.to_string()))
}

fn reasons(found: &[Diagnostic]) -> String {
    found.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Backends that have servers.
fn served_backends(plan: &Plan) -> impl Iterator<Item = BackendId> {
    (0..).map(BackendId).zip(plan.backends()).filter(|(_, b)| !b.servers.is_empty()).map(|(id, _)| id)
}

/// The sockets of each listener, as the keeper counted them.
fn listeners(counts: &[(u16, u16)], sockets: Vec<OwnedFd>) -> Vec<ListenerSockets> {
    let mut sockets = sockets.into_iter();
    counts
        .iter()
        .map(|(id, count)| ListenerSockets {
            id: ListenerId(*id),
            sockets: sockets.by_ref().take(usize::from(*count)).collect(),
        })
        .collect()
}

const EVENTS: usize = 256;
/// Changes of health mostly come in groups.
const SNAPSHOT_DELAY: Duration = Duration::from_millis(20);
