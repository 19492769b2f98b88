//! The keeper's loop: one turn takes one piece of news and does what follows from it.

mod takeover;
mod upgrade;
mod vrrp;

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use evenkeel_vrrp::event::TrackReport;
use evenkeel_vrrp::io::driver::{DriverOptions, Handed};
use evenkeel_vrrp::types::TrackId;
use tokio::sync::{mpsc, oneshot};

use super::admin::AdminSockets;
use super::control::{Ask, ControlSocket};
use super::edits::Edits;
use super::guard::GuardProcess;
use super::in_use::{self, Used};
use super::link::{LinkEvent, THIS, WorkerLink};
use super::listeners::Listeners;
use super::logs::{self, Readers};
use super::process::Process;
use super::reload::{self, Basis, Reload};
use super::runtime_dir::{CONTROL_SOCKET, RuntimeDir};
use super::service::Service;
use super::supervisor::{Action, Supervisor, WorkerId};
use super::{Asked as Signalled, Options, RunError, Signals, Started, words};
use crate::admin::node::NodeFacts;
use crate::config::{Config, Sources, lower, model};
use crate::ipc::{Counts, FromWorker, Order, Ordered, ServerHealth, ServersReport, ToWorker};
use crate::logs::Wanted;
use crate::status::{GuardStatus, ListenerStatus, NodeStatus, UpgradeStatus, WorkerReport, WorkerStatus};
use takeover::{Setup, Takeover};
use upgrade::Upgrade;
pub(super) use upgrade::configuration;
use vrrp::{Prepared, Vrrp, delivered};

/// A running node.
#[derive(Debug)]
pub(super) struct Keeper {
    node: String,
    global: model::Global,
    setup: Setup,
    /// Another configuration, while it is about to come into use.
    takeover: Option<Takeover>,
    /// Another version of the program, while it is about to be the one that runs.
    upgrade: Option<Upgrade>,
    /// What became of the last one.
    upgraded: Option<UpgradeStatus>,
    /// What operators have changed in files.
    edits: Edits,
    vrrp: Vrrp,
    guard: Option<GuardProcess>,
    /// The guard is of the program before an upgrade, and ends.
    renews_guard: bool,
    supervisor: Supervisor,
    link: Option<WorkerLink>,
    /// Workers that were given up, or retired, and have not ended yet.
    leaving: Vec<WorkerLink>,
    fit: Option<bool>,
    servers: ServersReport,
    last_loss: Option<String>,
    health: Vec<ServerHealth>,
    report: Option<WorkerReport>,
    asked: Vec<Asked>,
    /// Orders that wait for the worker's answer, by their numbers.
    orders: BTreeMap<u64, (Instant, OrderReply)>,
    readers: Readers,
    next_ask: u64,
    service: Service,
    reload: Reload,
    /// The worker has yet to be given the files of TLS that were read last.
    tls_due: bool,
    /// What retired workers have counted, and the worker has yet to be told.
    counts_due: Vec<Counts>,
    inbox: Inbox,
    control: Option<ControlSocket>,
    /// When the worker was last told what only the keeper knows.
    told_node: Option<Instant>,
    /// Reloads that replaced something, and those that were refused.
    reloads: (u64, u64),
    /// There is no VRRP thread any more, and none to be had.
    is_lost: bool,
    started: Started,
    options: Options,
    directory: RuntimeDir,
}

/// Where the answer to an order goes. Dropped: there is none.
type OrderReply = oneshot::Sender<Result<Ordered, String>>;

/// A status request that waits for the worker's report.
#[derive(Debug)]
struct Asked {
    number: u64,
    until: Instant,
    reply: oneshot::Sender<Box<NodeStatus>>,
}

/// Everything that sends news to the loop.
#[derive(Debug)]
struct Inbox {
    worker_tx: mpsc::Sender<(WorkerId, LinkEvent)>,
    worker: mpsc::Receiver<(WorkerId, LinkEvent)>,
    asks: mpsc::Receiver<Ask>,
}

/// One piece of news.
#[derive(Debug)]
enum News {
    Worker(WorkerId, LinkEvent),
    Ask(Ask),
    Track(TrackId, TrackReport),
    Driver,
    GuardEnded(String),
    Deadline,
    Reload,
    Read(Box<reload::Read>),
    Looked(Box<Result<Config, String>>),
    Stop(&'static str),
}

impl Keeper {
    /// Binds the listeners, starts guard and VRRP thread, opens the control socket. The worker is started by the first
    /// turn of [`Self::serve`].
    pub(super) fn start(
        config: Config,
        sources: Sources,
        node: &str,
        directory: RuntimeDir,
        options: Options,
    ) -> Result<Self, RunError> {
        let start = |what| move |e| RunError::Start(what, e);
        let proxy = lower::proxy(&config);
        let identity = super::users::worker(&config)?;
        let listeners =
            Listeners::bind(proxy.plan.listeners(), proxy.plan.global.threads).map_err(RunError::Bind)?;
        let (guard, guard_socket) = GuardProcess::spawn().map_err(start("the guard"))?;
        let prepared = Prepared::new(&config).map_err(start("tracked scripts"))?;
        let driver =
            DriverOptions { guard: Some(guard_socket), ..Vrrp::options(directory.join(LEASE_STATE)) };
        let vrrp = Vrrp::start(prepared, &config, driver).map_err(start("the VRRP thread"))?;
        // Until the worker has found its servers.
        vrrp.send_servers(ServersReport::NotReady);
        let (worker_tx, worker) = mpsc::channel(WORKER_NEWS);
        let (asks_tx, asks) = mpsc::channel(ASKS);
        let control = ControlSocket::open(&directory.join(CONTROL_SOCKET), asks_tx)
            .map_err(start("the control socket"))?;
        let admin = AdminSockets::make(&config.global.admin_sockets)
            .map_err(|(path, error)| RunError::AdminSocket(path, error))?;
        let now = Instant::now();
        Ok(Self {
            node: node.to_owned(),
            edits: Edits::start(&config, &sources).map_err(start("the thread that saves files"))?,
            setup: Setup {
                is_seen: crate::worker::is_seen(&config, &proxy.plan),
                sources: sources.for_worker(),
                as_read: sources.for_worker(),
                plan: proxy.plan,
                identity,
                drain_timeout: config.global.drain_timeout,
                listeners,
                admin,
            },
            takeover: None,
            upgrade: None,
            upgraded: None,
            vrrp,
            guard: Some(guard),
            renews_guard: false,
            supervisor: Supervisor::new(super::supervisor_settings(&config.global.worker), now),
            global: config.global,
            link: None,
            leaving: Vec::new(),
            fit: None,
            servers: ServersReport::NotReady,
            last_loss: None,
            health: Vec::new(),
            report: None,
            asked: Vec::new(),
            orders: BTreeMap::new(),
            readers: Readers::default(),
            next_ask: 0,
            service: Service::default(),
            reload: Reload::default(),
            tls_due: false,
            counts_due: Vec::new(),
            inbox: Inbox { worker_tx, worker, asks },
            control: Some(control),
            told_node: None,
            reloads: (0, 0),
            is_lost: false,
            started: Started(now),
            options,
            directory,
        })
    }

    /// Runs until asked to stop, or until it cannot do what it is there for.
    pub(super) async fn serve(&mut self, signals: &mut Signals) -> ExitCode {
        tracing::info!(node = %self.node, version = env!("CARGO_PKG_VERSION"), "starting");
        loop {
            let news = self.next(signals).await;
            if let News::Stop(signal) = news {
                tracing::info!(signal, "stopping");
                return ExitCode::SUCCESS;
            }
            self.take(news);
            if self.is_lost {
                tracing::error!("stopping: a node without its VRRP thread must not look like one");
                return ExitCode::FAILURE;
            }
        }
    }

    /// Releases the VIPs, drains the worker within the limit, and ends everything.
    pub(super) async fn stop(mut self, signals: &mut Signals) {
        self.service.stopping();
        self.supervisor.stop();
        self.vrrp.release().await;
        self.vrrp.follow_no_more();
        // Its process ends with it.
        self.takeover = None;
        self.setup.listeners.close();
        let limit_ms = u64::try_from(self.setup.drain_timeout.as_millis()).unwrap_or(u64::MAX);
        for link in self.link.iter().chain(&self.leaving) {
            link.send(ToWorker::Drain { limit_ms });
        }
        let until = tokio::time::Instant::now() + self.setup.drain_timeout + DRAIN_MARGIN;
        while self.link.is_some() || !self.leaving.is_empty() {
            // Every arm is cancel safe; what is left when the time is up is killed by dropping it.
            tokio::select! {
                () = tokio::time::sleep_until(until) => {
                    tracing::warn!("worker did not end in time");
                    break;
                }
                signal = signals.stop() => {
                    tracing::warn!(signal, "stopping without waiting for connections");
                    break;
                }
                Some((id, event)) = self.inbox.worker.recv() => self.take(News::Worker(id, event)),
            }
        }
        self.control = None;
        self.setup.admin = AdminSockets::default();
        self.vrrp.finish().await;
        self.edits.finish();
        tracing::info!("stopped");
    }

    async fn next(&mut self, signals: &mut Signals) -> News {
        let waiting = self.asked.iter().map(|a| a.until).chain(self.orders.values().map(|(until, _)| *until));
        let taking_over = self.takeover.as_ref().and_then(Takeover::poll_timeout);
        let deadline = waiting.chain(self.supervisor.poll_timeout()).chain(self.readers.poll_timeout());
        // Workers that move are not watched: they answer nobody for that moment.
        let deadline = self.move_deadline().or_else(|| deadline.chain(taking_over).min());
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let guard = async {
            match &mut self.guard {
                Some(guard) => guard.ended().await,
                None => std::future::pending().await,
            }
        };
        // Every arm is cancel safe: channels keep what has arrived, readiness stays, the deadline is absolute.
        tokio::select! {
            biased;
            asked = signals.asked() => match asked {
                Signalled::Stop(signal) => News::Stop(signal),
                Signalled::Reload => News::Reload,
            },
            report = self.vrrp.news() => match report {
                Some((id, report)) => News::Track(id, report),
                None => News::Driver,
            },
            Some((id, event)) = self.inbox.worker.recv() => News::Worker(id, event),
            ended = guard => News::GuardEnded(ended),
            Some(ask) = self.inbox.asks.recv() => News::Ask(ask),
            looked = Self::looked(&mut self.upgrade) => News::Looked(Box::new(looked)),
            read = self.reload.read() => News::Read(Box::new(read)),
            () = sleep => News::Deadline,
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Worker(id, LinkEvent::Message(message)) => self.take_message(id, message),
            News::Worker(id, LinkEvent::Closed) => self.take_closed(id),
            News::Worker(id, LinkEvent::Exited(how)) => {
                self.take_exit(id, &how);
                self.take_end_while_moving(id);
            }
            News::Ask(Ask::Status(reply)) => self.ask(reply),
            News::Ask(Ask::Config(reply)) => self.tell_config(reply),
            News::Ask(Ask::Logs(wanted, reply)) => self.read_logs(wanted, reply),
            News::Ask(Ask::Order(order, reply)) => self.order(order, reply),
            News::Ask(Ask::Reload(reply)) => self.reload.ask(Some(reply), basis(&self.setup, &self.node)),
            News::Ask(Ask::Upgrade(reply)) => self.ask_upgrade(reply),
            News::Looked(looked) => self.take_looked(*looked),
            News::Reload => self.reload.ask(None, basis(&self.setup, &self.node)),
            News::Read(read) => self.take_read(*read),
            News::Track(id, report) => self.vrrp.send_track(id, report),
            News::Driver => {
                self.vrrp.take_events();
            }
            News::GuardEnded(how) => self.replace_guard(&how),
            News::Deadline => self.take_deadline(),
            News::Stop(_) => {}
        }
        self.act();
    }

    fn take_message(&mut self, id: WorkerId, message: FromWorker) {
        if self.takeover.as_ref().is_some_and(|takeover| takeover.is_of(id)) {
            return self.take_message_of_successor(id, message);
        }
        if self.link.as_ref().is_none_or(|link| link.id != id) {
            return self.take_last_words(id, message);
        }
        match message {
            FromWorker::Ready => {
                tracing::info!(worker = id.0, "worker ready");
                self.supervisor.handle_ready(Instant::now(), id);
                self.service.ready();
            }
            FromWorker::Servers(report) => {
                tracing::info!(servers = ?report, "own servers");
                self.servers = report;
                self.vrrp.send_servers(report);
            }
            FromWorker::Pong(seq) => {
                let now = Instant::now();
                self.supervisor.handle_pong(now, id, seq);
                if self.service.feed_watchdog(now, &self.vrrp.driver.snapshot()) {
                    self.vrrp.refresh();
                }
            }
            FromWorker::Report(number, report) => {
                self.report = Some(*report);
                self.answer(|asked| asked.number <= number);
            }
            FromWorker::Logs(number, said) => self.readers.answer(number, said),
            FromWorker::Ordered(number, outcome) => self.answer_order(number, outcome),
            FromWorker::Health(health) => self.health = health,
            FromWorker::Table(table) => self.take_table(*table),
            FromWorker::HandedOver(number, counts) => self.take_handed_over(number, *counts),
            // Only a retired one tells of them.
            FromWorker::Counts(_) => {}
            FromWorker::Edited { file, edit } => self.edits.take(&mut self.setup.sources, &file, edit),
            FromWorker::Event { level: 0..=3, line } => tracing::error!("{line}"),
            FromWorker::Event { level: 4, line } => tracing::warn!("{line}"),
            FromWorker::Event { level: 5.., line } => tracing::info!("{line}"),
            FromWorker::Tls(Ok(())) => tracing::info!(worker = id.0, "TLS files in use"),
            FromWorker::Tls(Err(reason)) => {
                tracing::error!(worker = id.0, %reason, "worker cannot use the TLS files");
            }
            FromWorker::Rejected(reason) => tracing::error!(worker = id.0, %reason, "worker cannot serve"),
            FromWorker::Drained { left: 0 } => tracing::info!(worker = id.0, "worker drained"),
            FromWorker::Drained { left } => {
                tracing::warn!(worker = id.0, left, "connections cut: the drain timeout has passed");
            }
        }
    }

    /// A worker that was retired, or given up.
    fn take_last_words(&mut self, id: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Edited { file, edit } => self.edits.take(&mut self.setup.sources, &file, edit),
            FromWorker::Drained { left: 0 } => tracing::info!(worker = id.0, "worker drained"),
            FromWorker::Drained { left } => {
                tracing::warn!(worker = id.0, left, "connections cut: the drain timeout has passed");
            }
            FromWorker::Counts(counts) => {
                self.counts_due.push(*counts);
                self.pass_on();
            }
            // What they say of servers is the other's to say.
            FromWorker::Ready
            | FromWorker::Servers(_)
            | FromWorker::Pong(_)
            | FromWorker::Report(..)
            | FromWorker::Health(_)
            | FromWorker::Table(_)
            | FromWorker::HandedOver(..)
            | FromWorker::Event { .. }
            | FromWorker::Ordered(..)
            | FromWorker::Logs(..)
            | FromWorker::Tls(_)
            | FromWorker::Rejected(_) => {}
        }
    }

    fn take_exit(&mut self, id: WorkerId, how: &str) {
        tracing::info!(worker = id.0, how, "worker ended");
        self.leaving.retain(|link| link.id != id);
        let is_current = self.link.as_ref().is_some_and(|link| link.id == id);
        if is_current {
            self.link = None;
            self.orders.clear();
        }
        if is_current || self.takeover.as_ref().is_some_and(|takeover| takeover.is_of(id)) {
            self.supervisor.handle_exit(Instant::now(), id);
        }
    }

    fn take_deadline(&mut self) {
        let now = Instant::now();
        if self.move_deadline().is_some() {
            return self.take_move_deadline(now);
        }
        self.answer(|asked| asked.until <= now);
        // Whoever asked hears that nobody has answered.
        self.orders.retain(|_, (until, _)| *until > now);
        self.readers.handle_timeout(now);
        self.take_hand_over_deadline(now);
        let process = match &self.link {
            Some(link) if self.supervisor.overdue(now) => Process::read(link.pid),
            Some(_) | None => Process::default(),
        };
        self.supervisor.handle_timeout(now, &process);
    }

    /// Carries out what the supervisor wants.
    fn act(&mut self) {
        while let Some(action) = self.supervisor.poll_action() {
            match action {
                Action::Spawn(id) => self.spawn_worker(id),
                Action::SpawnSuccessor(id) => self.spawn_successor(id),
                Action::TakenOver(id) => self.adopt(id),
                Action::NotTakenOver(id, loss) => self.give_takeover_up(id, loss),
                Action::Ping(id, seq) => {
                    if let Some(link) = self.link.as_ref().filter(|link| link.id == id) {
                        link.send(ToWorker::Ping(seq));
                    }
                    self.pass_on();
                    self.tell_node();
                }
                Action::Kill(id) => {
                    if let Some(link) = self.link.take_if(|link| link.id == id) {
                        link.kill();
                        self.leaving.push(link);
                    }
                }
                Action::Lost(id, loss, silence) => {
                    let silence = silence.map(tracing::field::display);
                    tracing::error!(worker = id.0, reason = loss.as_str(), silence, "worker lost");
                    self.last_loss = Some(loss.as_str().to_owned());
                }
                Action::Starved(id, silence) => {
                    tracing::warn!(worker = id.0, %silence, "worker starved of processor time; it is kept");
                }
                Action::DataPlane(fit) => self.report_fitness(fit),
            }
        }
        let fitness = self.fitness();
        self.service.show(&self.vrrp.driver.snapshot(), fitness);
    }

    fn spawn_worker(&mut self, id: WorkerId) {
        let start = takeover::start(&self.node, &self.setup, self.health.clone());
        let sockets_of_all =
            self.setup.listeners.descriptors().into_iter().chain(self.setup.admin.descriptors());
        let owned: std::io::Result<Vec<OwnedFd>> = sockets_of_all.map(|fd| fd.try_clone_to_owned()).collect();
        let spawned = owned
            .and_then(|fds| WorkerLink::spawn(Path::new(THIS), id, start, fds, self.inbox.worker_tx.clone()));
        match spawned {
            Ok(link) => {
                tracing::info!(worker = id.0, pid = link.pid, "worker started");
                self.link = Some(link);
                // It starts from them.
                self.tls_due = false;
            }
            Err(err) => {
                tracing::error!(worker = id.0, %err, "worker cannot be started");
                self.supervisor.handle_spawn_failed(Instant::now(), id);
            }
        }
    }

    /// A worker that takes no message just now gets them with the next heartbeat.
    fn pass_on(&mut self) {
        if self.move_deadline().is_some() {
            // What is sent now goes to a channel that nobody reads any more.
            return;
        }
        let Some(link) = &self.link else { return };
        if self.tls_due && link.send(ToWorker::Tls(Box::new(self.setup.sources.clone()))) {
            self.tls_due = false;
        }
        self.counts_due.retain(|counts| !link.send(ToWorker::Counts(Box::new(counts.clone()))));
    }

    /// Every second, if anybody looks: what the worker shows of what only the keeper knows.
    fn tell_node(&mut self) {
        let now = Instant::now();
        if !self.setup.is_seen || self.told_node.is_some_and(|at| now < at + TELL_NODE) {
            return;
        }
        let Some(link) = &self.link else { return };
        let snapshot = self.vrrp.driver.snapshot();
        let facts = NodeFacts {
            vrrp: snapshot.routers.iter().map(|r| words::instance(r, &snapshot, &self.vrrp.engine)).collect(),
            worker: self.worker_status(),
            uptime_ms: u64::try_from((now - self.started.0).as_millis()).unwrap_or(u64::MAX),
            version: env!("CARGO_PKG_VERSION").into(),
            reloads: self.reloads,
        };
        // One that has no room for it just now gets the next.
        link.send(ToWorker::Node(Box::new(facts)));
        self.told_node = Some(now);
        // For the next time.
        self.vrrp.refresh();
    }

    fn worker_status(&self) -> WorkerStatus {
        WorkerStatus {
            state: self.supervisor.state_name().into(),
            fitness: self.fitness().into(),
            pid: self.link.as_ref().map(|link| link.pid),
            lost: self.supervisor.losses(),
            starved: self.supervisor.starvations(),
            last_loss: self.last_loss.clone(),
            retired: self.leaving.iter().map(|link| link.pid).collect(),
        }
    }

    fn report_fitness(&mut self, fit: bool) {
        tracing::info!(fit, "data plane");
        self.fit = Some(fit);
        self.vrrp.send_fitness(fit);
    }

    fn replace_guard(&mut self, how: &str) {
        if std::mem::take(&mut self.renews_guard) {
            tracing::info!("another guard takes over");
        } else {
            tracing::error!(how, "guard ended; starting another");
        }
        self.guard = match GuardProcess::spawn() {
            Ok((guard, socket)) => {
                delivered(self.vrrp.driver.set_guard(socket));
                Some(guard)
            }
            Err(err) => {
                tracing::error!(%err, "guard cannot be started; the kernel's lease is the only one left");
                None
            }
        };
    }

    fn ask(&mut self, reply: oneshot::Sender<Box<NodeStatus>>) {
        self.next_ask += 1;
        let number = self.next_ask;
        let asked = self.link.as_ref().is_some_and(|link| link.send(ToWorker::Report(number)));
        self.vrrp.refresh();
        let patience = if asked { REPORT_PATIENCE } else { REFRESH_PATIENCE };
        self.asked.push(Asked { number, until: Instant::now() + patience, reply });
    }

    fn tell_config(&self, reply: in_use::Reply) {
        let Setup { as_read, sources, plan, .. } = &self.setup;
        let used = Used::new(&self.node, as_read, sources, plan, &self.vrrp.engine);
        if reply.send(Box::new(used)).is_err() {
            tracing::debug!("whoever asked for the configuration is gone");
        }
    }

    fn read_logs(&mut self, wanted: Wanted, reply: logs::Reply) {
        self.next_ask += 1;
        let (number, most) = (self.next_ask, wanted.most);
        let question = |link: &&WorkerLink| {
            let after = wanted.after.unwrap_or_default().of_worker(link.pid.into());
            link.send(ToWorker::Logs { number, after, most })
        };
        match self.link.as_ref().filter(question) {
            Some(link) => self.readers.wait(number, link.pid, wanted, reply),
            None => logs::tell(&wanted, None, reply),
        }
    }

    fn order(&mut self, order: Order, reply: OrderReply) {
        self.next_ask += 1;
        let number = self.next_ask;
        if self.link.as_ref().is_some_and(|link| link.send(ToWorker::Order(number, order))) {
            self.orders.insert(number, (Instant::now() + ORDER_PATIENCE, reply));
        }
    }

    fn answer_order(&mut self, number: u64, outcome: Result<Ordered, String>) {
        if let Some((_, reply)) = self.orders.remove(&number)
            && reply.send(outcome).is_err()
        {
            tracing::debug!("whoever gave an order is gone");
        }
    }

    fn answer(&mut self, due: impl Fn(&Asked) -> bool) {
        let due: Vec<Asked> = self.asked.extract_if(.., |asked| due(asked)).collect();
        for asked in due {
            if asked.reply.send(Box::new(self.status())).is_err() {
                tracing::debug!("whoever asked for the status is gone");
            }
        }
    }

    fn status(&self) -> NodeStatus {
        let now = Instant::now();
        let snapshot = self.vrrp.driver.snapshot();
        let thread = self.vrrp.driver.status();
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let listener = |b: &super::listeners::Bound| ListenerStatus {
            frontend: self.frontend_of(b.id),
            address: b.addr.to_string(),
            sockets: b.sockets.len(),
        };
        NodeStatus {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_ms: millis(now - self.started.0),
            upgrade: self.upgraded.clone(),
            worker: self.worker_status(),
            guard: GuardStatus {
                pid: self.guard.as_ref().and_then(GuardProcess::pid),
                answered_ms: thread
                    .guard
                    .last_ack
                    .map(|at| millis(snapshot.at.saturating_duration_since(at))),
            },
            vrrp_thread: thread.refused.iter().map(|r| format!("VRRP thread runs without {r}")).collect(),
            vrrp: snapshot.routers.iter().map(|r| words::instance(r, &snapshot, &self.vrrp.engine)).collect(),
            listeners: self.setup.listeners.iter().map(listener).collect(),
            proxy: self.report.clone(),
        }
    }

    fn fitness(&self) -> &'static str {
        match (self.fit, self.servers) {
            (None, _) => "unknown",
            (Some(false), _) => "unfit",
            (Some(true), ServersReport::Ready) => "fit",
            (Some(true), ServersReport::NotReady) => {
                "fit, but a backend has no server: deposes no MASTER that serves"
            }
            (Some(true), ServersReport::Lost) => {
                "fit, but no server can be used: yields to a MASTER that has one"
            }
        }
    }

    fn frontend_of(&self, id: evenkeel_proxy::plan::ListenerId) -> String {
        let listener = self.setup.plan.listeners().get(usize::from(id.0));
        let frontend = listener.and_then(|l| self.setup.plan.frontends().get(usize::from(l.frontend.0)));
        frontend.map_or_else(String::new, |f| f.name.clone())
    }
}

/// What a reload reads and compares with.
fn basis(setup: &Setup, node: &str) -> impl FnOnce() -> Basis {
    || Basis { as_read: setup.as_read.clone(), in_use: setup.sources.clone(), node: node.to_owned() }
}

/// Name of the list of held addresses in the runtime directory.
pub(super) const LEASE_STATE: &str = "vips";
/// News a worker may have waiting; it stops reading the keeper's messages when it is full.
const WORKER_NEWS: usize = 256;
const ASKS: usize = 32;
/// How often the worker is told what only the keeper knows.
const TELL_NODE: Duration = Duration::from_secs(1);
/// A worker that does not report by then is shown with its last report.
const REPORT_PATIENCE: Duration = Duration::from_millis(300);
/// A worker that has not carried an order out by then hangs.
const ORDER_PATIENCE: Duration = Duration::from_secs(3);
/// For the VRRP thread to publish a fresh snapshot.
const REFRESH_PATIENCE: Duration = Duration::from_millis(5);
/// For the worker's own end after its drain.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);
