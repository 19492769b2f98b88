//! The node goes on as another version of the program: first a worker of it takes over, as with another configuration; then
//! the keeper becomes it, with its process, sockets, children and virtual routers. Until the last step everything is as it
//! was, and stays so if anything fails.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::task::JoinHandle;

use super::super::admin::AdminSockets;
use super::super::child;
use super::super::handover::{self, Baggage, Record, Worker};
use super::super::link::WorkerLink;
use super::super::listeners::Listeners;
use super::super::reload::{Good, Reply};
use super::super::supervisor::{Memory, Supervisor, WorkerId};
use super::*;
use crate::config::model::VirtualRouter;
use crate::config::{self, Secret};
use crate::status::UpgradeStatus;

/// One that is under way.
#[derive(Debug)]
pub(super) struct Upgrade {
    program: PathBuf,
    reply: Option<Reply>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The other program looks at what it would get.
    Looking(JoinHandle<Result<Config, String>>),
    /// Its worker is to take over.
    TakingOver,
    /// Workers go over to other channels.
    Moving(Moving),
}

#[derive(Debug)]
struct Moving {
    until: Instant,
    /// Where they go on, this end.
    channels: Vec<(WorkerId, u32, UnixStream)>,
    /// Who has not closed the channel before.
    open: BTreeSet<WorkerId>,
}

impl Keeper {
    /// An operator, or the package, wants the program that is now where this one was.
    pub(super) fn ask_upgrade(&mut self, reply: Reply) {
        let refused = if self.upgrade.is_some() {
            Some("an upgrade is under way")
        } else if self.takeover.is_some() || self.reload.is_busy() {
            Some("a reload is under way: try again when it has ended")
        } else {
            None
        };
        let looking = match (refused, self.supervisor.memory()) {
            (Some(why), _) => Err(why.to_owned()),
            (None, None) => Err("no worker serves".to_owned()),
            (None, Some(memory)) => self.look(memory),
        };
        match looking {
            Ok((program, looking)) => {
                tracing::info!(program = %program.display(), "upgrading");
                self.upgrade = Some(Upgrade { program, reply: Some(reply), stage: Stage::Looking(looking) });
            }
            Err(why) => tell(Some(reply), vec![format!("error: {why}")]),
        }
    }

    fn look(&self, memory: Memory) -> Result<(PathBuf, JoinHandle<Result<Config, String>>), String> {
        let program = program().map_err(|e| format!("cannot tell where this program is: {e}"))?;
        let record = self.record(memory, &mut Baggage::default()).map_err(|e| e.to_string())?;
        let file = record.written().map_err(|e| format!("cannot write down what there is: {e}"))?;
        let mut command = Command::new(&program);
        command.arg("could-resume").stdin(Stdio::from(file)).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        let lease = self.vrrp.engine.routers().iter().map(|router| router.lease).min();
        let looking = tokio::spawn(async move {
            let ran = tokio::time::timeout(LOOK_PATIENCE, command.output()).await;
            let ran = ran.map_err(|_| "the other program does not look at it in time".to_owned())?;
            let ran = ran.map_err(|e| format!("the other program cannot be run: {e}"))?;
            if !ran.status.success() {
                let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
                return Err(format!("the other program cannot go on from here: {said}"));
            }
            let parsed = tokio::task::spawn_blocking(move || configuration_within(lease, &record)).await;
            parsed.map_err(|e| e.to_string())?
        });
        Ok((program, looking))
    }

    /// Waits until the other program has looked.
    ///
    /// # Cancel safety
    /// Cancel safe: the task goes on.
    pub(super) async fn looked(upgrade: &mut Option<Upgrade>) -> Result<Config, String> {
        match upgrade {
            Some(Upgrade { stage: Stage::Looking(task), .. }) => {
                task.await.unwrap_or_else(|e| Err(e.to_string()))
            }
            Some(_) | None => std::future::pending().await,
        }
    }

    pub(super) fn take_looked(&mut self, looked: Result<Config, String>) {
        let Some(upgrade) = &mut self.upgrade else { return };
        upgrade.stage = Stage::TakingOver;
        let program = upgrade.program.clone();
        let good = looked.map_err(|why| vec![format!("error: {why}")]).and_then(|config| {
            let good = Good { config, sources: self.setup.as_read.clone(), is_same: true };
            self.set_up(&good).map(|setup| (good.config, setup))
        });
        match good {
            Ok((config, setup)) => self.begin_as(program, config, setup),
            Err(why) => self.refuse_upgrade(why),
        }
    }

    /// Everything stays as it was.
    pub(super) fn refuse_upgrade(&mut self, why: Vec<String>) {
        let Some(upgrade) = self.upgrade.take() else { return };
        tracing::error!(program = %upgrade.program.display(), ?why, "not upgraded");
        self.service.reloaded();
        tell(upgrade.reply, why);
    }

    /// Its worker serves: all of them are to go over to channels that the next keeper gets.
    pub(super) fn begin_to_move(&mut self) {
        let Some(upgrade) = &mut self.upgrade else { return };
        let mut moving =
            Moving { until: Instant::now() + MOVE_PATIENCE, channels: Vec::new(), open: BTreeSet::new() };
        for link in self.link.iter().chain(&self.leaving) {
            match link.move_to_another() {
                Ok(channel) => {
                    moving.open.insert(link.id);
                    moving.channels.push((link.id, link.pid, channel));
                }
                Err(err) => {
                    tracing::warn!(worker = link.id.0, %err, "worker reads nothing any more");
                    link.kill();
                }
            }
        }
        upgrade.stage = Stage::Moving(moving);
    }

    fn moving(&mut self) -> Option<&mut Moving> {
        match &mut self.upgrade {
            Some(Upgrade { stage: Stage::Moving(moving), .. }) => Some(moving),
            Some(_) | None => None,
        }
    }

    /// While workers move they are not watched; it takes milliseconds.
    pub(super) fn move_deadline(&self) -> Option<Instant> {
        match &self.upgrade {
            Some(Upgrade { stage: Stage::Moving(moving), .. }) => Some(moving.until),
            Some(_) | None => None,
        }
    }

    /// A worker has said its last over this channel.
    pub(super) fn take_closed(&mut self, id: WorkerId) {
        let Some(moving) = self.moving() else { return };
        moving.open.remove(&id);
        if moving.open.is_empty() {
            self.become_it();
        }
    }

    /// A worker that has ended needs no channel.
    pub(super) fn take_end_while_moving(&mut self, id: WorkerId) {
        if let Some(moving) = self.moving() {
            moving.channels.retain(|(other, ..)| *other != id);
            self.take_closed(id);
        }
    }

    /// Whoever has not moved by now never will. Those that only finish what they have end here; without the one that serves
    /// there is no upgrade.
    pub(super) fn take_move_deadline(&mut self, now: Instant) {
        let current = self.link.as_ref().map(|link| link.id);
        let Some(moving) = self.moving().filter(|moving| moving.until <= now) else { return };
        let late = std::mem::take(&mut moving.open);
        moving.channels.retain(|(id, ..)| !late.contains(id));
        for link in self.link.iter().chain(&self.leaving).filter(|link| late.contains(&link.id)) {
            tracing::error!(worker = link.id.0, "worker does not go over to another channel");
            link.kill();
        }
        if current.is_some_and(|id| late.contains(&id)) {
            self.refuse_upgrade(vec!["error: the worker does not answer".to_owned()]);
        } else {
            self.become_it();
        }
    }

    /// The last step. Returns only if the kernel refuses a program that has just run.
    fn become_it(&mut self) {
        let Some(Upgrade { program, stage: Stage::Moving(moving), .. }) = self.upgrade.take() else { return };
        self.edits.finish();
        let err = match self.leave(&program, moving) {
            Ok(never) => match never {},
            Err(err) => err,
        };
        tracing::error!(%err, program = %program.display(), "cannot go on as the other program");
        // Its workers answer another keeper.
        self.is_lost = true;
    }

    fn leave(&mut self, program: &Path, moving: Moving) -> std::io::Result<std::convert::Infallible> {
        let memory = self.supervisor.memory().ok_or_else(|| std::io::Error::other("no worker serves"))?;
        let mut baggage = Baggage::default();
        let mut record = self.record(memory, &mut baggage)?;
        for (id, pid, channel) in moving.channels {
            let worker = Worker { id: id.0, pid, channel: baggage.take(channel.into()) };
            if id.0 == record.supervisor.serving() {
                record.worker = Some(worker);
            } else {
                record.leaving.push(worker);
            }
        }
        self.vrrp.follow_no_more();
        if let Some(handed) = self.vrrp.suspend()? {
            record.guard_socket = handed.guard.map(|socket| baggage.take(socket));
            record.vrrp = Some(handed.record);
        }
        Err(record.go_on_as(program, &self.options, &baggage))
    }

    /// Everything but workers and virtual routers.
    fn record(&self, supervisor: Memory, baggage: &mut Baggage) -> std::io::Result<Record> {
        let mut listeners = Vec::new();
        for bound in self.setup.listeners.iter() {
            let copies = bound.sockets.iter().map(|fd| baggage.copy(fd.as_fd()));
            listeners.push((bound.addr, copies.collect::<std::io::Result<_>>()?));
        }
        let mut admin = Vec::new();
        for (path, inode, socket) in self.setup.admin.iter() {
            admin.push((path.to_owned(), inode, baggage.copy(socket)?));
        }
        let control = match &self.control {
            Some(control) => Some(baggage.copy(control.listener())?),
            None => None,
        };
        let password =
            |r: &evenkeel_vrrp::config::RouterConfig| Some((r.name.clone(), r.auth_pass?.0.to_vec()));
        Ok(Record {
            format: Record::FORMAT,
            node: self.node.clone(),
            as_read: self.setup.as_read.clone(),
            in_use: self.setup.sources.clone(),
            touched: self.edits.touched().clone(),
            passwords: self.vrrp.engine.routers().iter().filter_map(password).collect(),
            lock: baggage.copy(self.directory.lock())?,
            control,
            listeners,
            admin,
            guard: self.guard.as_ref().and_then(GuardProcess::pid),
            guard_socket: None,
            worker: None,
            leaving: Vec::new(),
            supervisor,
            vrrp: None,
            servers: self.servers,
            health: self.health.clone(),
            counts_due: self.counts_due.clone(),
            last_loss: self.last_loss.clone(),
            reloads: self.reloads,
            uptime: self.started.0.elapsed(),
            upgrade: UpgradeStatus {
                number: self.upgraded.as_ref().map_or(0, |upgrade| upgrade.number) + 1,
                from: env!("CARGO_PKG_VERSION").to_owned(),
            },
        })
    }

    /// Goes on where another program was, in this very process.
    pub(in crate::keeper) fn resume(
        config: Config,
        record: Record,
        options: Options,
    ) -> Result<Self, RunError> {
        let start = |what| move |e| RunError::Start(what, e);
        let parts = Inherited::take(&record).map_err(start("from what was left"))?;
        // First of all: each moment without it is one without adverts.
        let directory = RuntimeDir::inherited(&options.runtime_dir, parts.lock).map_err(start("the lock"))?;
        let prepared = Prepared::new(&config).map_err(start("tracked scripts"))?;
        let handed = record.vrrp.map(|record| Handed { record, guard: parts.guard_socket });
        let driver = DriverOptions { handed, ..Vrrp::options(directory.join(LEASE_STATE)) };
        let vrrp = Vrrp::start(prepared, &config, driver).map_err(start("the VRRP thread"))?;
        let proxy = lower::proxy(&config);
        let identity = super::super::users::worker(&config)?;
        let now = Instant::now();
        let (worker_tx, worker) = mpsc::channel(WORKER_NEWS);
        let (asks_tx, asks) = mpsc::channel(ASKS);
        let path = directory.join(CONTROL_SOCKET);
        let control = match parts.control {
            Some(listener) => ControlSocket::inherited(&path, listener.into(), asks_tx),
            None => ControlSocket::open(&path, asks_tx),
        };
        let mut links = links(parts.workers, &worker_tx).map_err(start("a worker's channel"))?;
        let serving = WorkerId(record.supervisor.serving());
        let current = links.iter().position(|link| link.id == serving).map(|at| links.swap_remove(at));
        let mut edits =
            Edits::start(&config, &record.in_use).map_err(start("the thread that saves files"))?;
        edits.inherit(record.touched);
        // Of the program before: another one follows when it has ended.
        let guard = record.guard.map(GuardProcess::inherited).transpose().map_err(start("the guard"))?;
        let guard = guard.and_then(|mut guard| guard.start_kill().is_ok().then_some(guard));
        let upgrade = record.upgrade;
        tracing::info!(from = %upgrade.from, to = env!("CARGO_PKG_VERSION"), "goes on");
        let mut keeper = Self {
            node: record.node,
            edits,
            setup: Setup {
                is_seen: crate::worker::is_seen(&config, &proxy.plan),
                sources: record.in_use,
                as_read: record.as_read,
                identity,
                drain_timeout: config.global.drain_timeout,
                listeners: Listeners::inherited(proxy.plan.listeners(), parts.listeners),
                admin: AdminSockets::inherited(parts.admin),
                plan: proxy.plan,
            },
            takeover: None,
            upgrade: None,
            upgraded: Some(upgrade),
            vrrp,
            renews_guard: guard.is_some(),
            guard,
            supervisor: Supervisor::resume(
                super::super::supervisor_settings(&config.global.worker),
                now,
                &record.supervisor,
            ),
            global: config.global,
            link: current,
            leaving: links,
            fit: record.supervisor.fit(),
            servers: record.servers,
            last_loss: record.last_loss,
            health: record.health,
            report: None,
            asked: Vec::new(),
            orders: BTreeMap::new(),
            readers: Readers::default(),
            next_ask: 0,
            service: Service::resumed(),
            reload: Reload::default(),
            tls_due: false,
            counts_due: record.counts_due,
            inbox: Inbox { worker_tx, worker, asks },
            control: Some(control.map_err(start("the control socket"))?),
            told_node: None,
            reloads: record.reloads,
            is_lost: false,
            started: Started(now.checked_sub(record.uptime).unwrap_or(now)),
            options,
            directory,
        };
        keeper.begin_again();
        Ok(keeper)
    }

    fn begin_again(&mut self) {
        let workers = self.link.iter().chain(&self.leaving).map(|link| link.pid);
        let known: Vec<u32> = workers.chain(self.guard.as_ref().and_then(GuardProcess::pid)).collect();
        child::wait_for_strays(&known);
        if self.guard.is_none() {
            self.replace_guard("there was none");
        } else {
            self.vrrp.lose_guard();
        }
        self.service.reloaded();
    }
}

/// The descriptors of a record.
struct Inherited {
    lock: OwnedFd,
    control: Option<OwnedFd>,
    listeners: Vec<(std::net::SocketAddr, Vec<OwnedFd>)>,
    admin: Vec<(PathBuf, u64, OwnedFd)>,
    guard_socket: Option<OwnedFd>,
    workers: Vec<(Worker, OwnedFd)>,
}

impl Inherited {
    fn take(record: &Record) -> std::io::Result<Self> {
        let take_all =
            |fds: &Vec<_>| fds.iter().map(|fd| handover::take(*fd)).collect::<std::io::Result<_>>();
        let listeners = record.listeners.iter().map(|(addr, fds)| Ok((*addr, take_all(fds)?)));
        let admin =
            record.admin.iter().map(|(path, inode, fd)| Ok((path.clone(), *inode, handover::take(*fd)?)));
        let workers = record.worker.iter().chain(&record.leaving);
        let workers = workers.map(|worker| Ok((worker.clone(), handover::take(worker.channel)?)));
        Ok(Self {
            lock: handover::take(record.lock)?,
            control: record.control.map(handover::take).transpose()?,
            listeners: listeners.collect::<std::io::Result<_>>()?,
            admin: admin.collect::<std::io::Result<_>>()?,
            guard_socket: record.guard_socket.map(handover::take).transpose()?,
            workers: workers.collect::<std::io::Result<_>>()?,
        })
    }
}

fn links(
    workers: Vec<(Worker, OwnedFd)>,
    events: &mpsc::Sender<(WorkerId, LinkEvent)>,
) -> std::io::Result<Vec<WorkerLink>> {
    let link = |(worker, channel): (Worker, OwnedFd)| {
        WorkerLink::inherited(WorkerId(worker.id), worker.pid, channel.into(), events.clone())
    };
    workers.into_iter().map(link).collect()
}

/// The configuration that is in use, as this program reads it.
///
/// # Errors
/// If it does not take it.
pub(in crate::keeper) fn configuration(record: &Record) -> Result<Config, String> {
    let loaded = config::load_from_sources(&record.as_read, &record.node);
    let Some(mut config) = loaded.config else {
        let lines: Vec<String> = loaded.lines().into_iter().map(|(_, line)| line).collect();
        return Err(format!("the configuration in use is refused: {}", lines.join("; ")));
    };
    let secret = |router: &mut VirtualRouter| {
        let known = record.passwords.iter().find(|(name, _)| *name == router.name.value);
        if let (Some(pass), Some((_, known))) = (&mut router.auth_pass, known) {
            pass.value = Secret::new(known.clone());
        }
    };
    config.routers.iter_mut().for_each(secret);
    Ok(config)
}

/// The same, unless writing it down and reading it, during which there are no adverts, takes longer than half of a lease:
/// a node that would lose its addresses by it had better hand them over.
fn configuration_within(lease: Option<Duration>, record: &Record) -> Result<Config, String> {
    let began = Instant::now();
    drop(record.written().map_err(|e| e.to_string())?);
    let config = configuration(record)?;
    let took = began.elapsed();
    match lease.filter(|lease| took > *lease / 2) {
        Some(lease) => Err(format!(
            "reading the configuration takes {took:.1?}, too long for a lease of {lease:.1?}: restart the node instead"
        )),
        None => Ok(config),
    }
}

/// Where this program was, whatever is there now.
fn program() -> std::io::Result<PathBuf> {
    let path = std::fs::read_link(THIS)?;
    let text = path.to_string_lossy();
    match text.strip_suffix(" (deleted)") {
        Some(before) => Ok(before.into()),
        None => Ok(path.clone()),
    }
}

fn tell(reply: Option<Reply>, why: Vec<String>) {
    if let Some(reply) = reply
        && reply.send(Err(why)).is_err()
    {
        tracing::debug!("whoever asked for the upgrade is gone");
    }
}

/// For the other program to look at what it would get.
const LOOK_PATIENCE: Duration = Duration::from_secs(20);
/// For all workers to go over to other channels.
const MOVE_PATIENCE: Duration = Duration::from_secs(1);
