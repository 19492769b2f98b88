//! Another configuration comes into use: a second worker starts with it beside the one that serves. When it accepts
//! connections it is the worker, and the one before it finishes what it has. Until then everything is as it was, and stays
//! so if anything fails.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_proxy::plan::Plan;

use super::super::admin::AdminSockets;
use super::super::edits::Edits;
use super::super::link::{THIS, WorkerLink};
use super::super::listeners::Listeners;
use super::super::reload::{Good, Outcome, Read};
use super::super::supervisor::{Loss, WorkerId};
use super::super::users;
use super::Keeper;
use super::vrrp::Prepared;
use crate::config::{Config, Severity, Sources, lower};
use crate::ipc::{Counts, FromWorker, ServerHealth, Start, TableContent, ToWorker};
use crate::worker::privileges::Identity;

/// What follows from a configuration.
#[derive(Debug)]
pub(super) struct Setup {
    /// With what operators have changed in files.
    pub(super) sources: Sources,
    /// As they were read.
    pub(super) as_read: Sources,
    pub(super) plan: Arc<Plan>,
    pub(super) identity: Identity,
    pub(super) listeners: Listeners,
    pub(super) admin: AdminSockets,
    pub(super) drain_timeout: Duration,
    /// Somebody can look at what the worker shows.
    pub(super) is_seen: bool,
}

/// A configuration that is to come into use.
#[derive(Debug)]
pub(super) struct Takeover {
    config: Config,
    setup: Setup,
    /// The program of the next worker.
    program: PathBuf,
    /// Another VRRP configuration, if it is another one.
    vrrp: Option<Prepared>,
    /// Until when the worker may say what its successor has to know; `None`: it has, or the time is up.
    handing_over: Option<(u64, Instant)>,
    /// What the worker has counted until it said so.
    counts: Counts,
    /// What is in its tables.
    tables: Vec<TableContent>,
    link: Option<WorkerLink>,
    /// What was found when it was read.
    told: Vec<String>,
    /// Why the successor cannot serve, in its own words.
    reason: Option<String>,
}

impl Takeover {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.handing_over.map(|(_, until)| until)
    }

    /// The successor's process goes with this, if it still runs.
    pub(super) fn is_of(&self, id: WorkerId) -> bool {
        self.link.as_ref().is_some_and(|link| link.id == id)
    }
}

impl Keeper {
    /// The configuration has been read anew.
    pub(super) fn take_read(&mut self, read: Read) {
        for (severity, line) in &read.found {
            match severity {
                Severity::Error => tracing::error!("{line}"),
                Severity::Warning => tracing::warn!("{line}"),
            }
        }
        let Some(good) = read.good else {
            return self.refuse(read.told);
        };
        if self.upgrade.is_some() {
            return self.refuse(vec!["error: an upgrade is under way".to_owned()]);
        }
        if good.is_same {
            self.renew_tls(good.sources);
            return self.accept(read.told);
        }
        match self.set_up(&good).and_then(|setup| Ok((setup, self.prepare(&good.config)?))) {
            Ok((setup, vrrp)) => {
                let difference = vrrp.iter().flat_map(|vrrp| self.vrrp.difference(vrrp));
                let told = read.told.into_iter().chain(difference).collect();
                self.begin(good.config, setup, vrrp, told);
            }
            Err(why) => self.refuse(read.told.into_iter().chain(why).collect()),
        }
    }

    /// Gets everything that the configuration needs and this node has not got. An error: nothing has changed.
    pub(super) fn set_up(&self, good: &Good) -> Result<Setup, Vec<String>> {
        let plan = lower::proxy(&good.config).plan;
        let identity = users::worker(&good.config).map_err(|e| vec![format!("error: {e}")])?;
        let listeners = self.setup.listeners.with(plan.listeners(), plan.global.threads);
        let listeners =
            listeners.map_err(|all| all.iter().map(|e| format!("error: {e}")).collect::<Vec<_>>())?;
        let global = &good.config.global;
        let admin = self.setup.admin.with(&global.admin_sockets).map_err(|(path, error)| {
            vec![format!("error: cannot make the admin socket {}: {error}", path.display())]
        })?;
        let mut sources = good.sources.clone();
        self.carry_over(&mut sources);
        Ok(Setup {
            is_seen: crate::worker::is_seen(&good.config, &plan),
            sources,
            as_read: good.sources.clone(),
            plan,
            identity,
            listeners,
            admin,
            drain_timeout: global.drain_timeout,
        })
    }

    /// What is said of VRRP, if it is something else.
    fn prepare(&self, config: &Config) -> Result<Option<Prepared>, Vec<String>> {
        let is_same = lower::vrrp(config).engine == self.vrrp.engine
            && config.global.script_user == self.global.script_user;
        let prepared = (!is_same).then(|| Prepared::new(config)).transpose();
        prepared.map_err(|e| vec![format!("error: a script of VRRP: {e}")])
    }

    /// The same configuration, with a worker of another program.
    pub(super) fn begin_as(&mut self, program: PathBuf, config: Config, setup: Setup) {
        self.begin(config, setup, None, Vec::new());
        if let Some(takeover) = &mut self.takeover {
            takeover.program = program;
        }
    }

    fn begin(&mut self, config: Config, setup: Setup, vrrp: Option<Prepared>, told: Vec<String>) {
        self.service.reloading();
        self.next_ask += 1;
        let number = self.next_ask;
        let asked = self.link.as_ref().is_some_and(|link| link.send(ToWorker::HandOver(number)));
        let handing_over = asked.then(|| (number, Instant::now() + HAND_OVER_PATIENCE));
        self.takeover = Some(Takeover {
            config,
            setup,
            program: THIS.into(),
            vrrp,
            handing_over,
            counts: Counts::default(),
            tables: Vec::new(),
            link: None,
            told,
            reason: None,
        });
        if !asked {
            self.supervisor.take_over(Instant::now());
        }
    }

    pub(super) fn take_table(&mut self, table: TableContent) {
        if let Some(takeover) = self.takeover.as_mut().filter(|takeover| takeover.handing_over.is_some()) {
            takeover.tables.push(table);
        }
    }

    /// The worker has said what its successor has to know.
    pub(super) fn take_handed_over(&mut self, number: u64, counts: Counts) {
        if let Some(takeover) = &mut self.takeover
            && takeover.handing_over.take_if(|(asked, _)| *asked == number).is_some()
        {
            // What it has just told of files belongs to them.
            let mut sources = takeover.setup.as_read.clone();
            self.edits.carry_over(&self.setup.as_read, &self.setup.sources, &mut sources);
            takeover.setup.sources = sources;
            takeover.counts = counts;
            self.supervisor.take_over(Instant::now());
        }
    }

    /// A worker that says nothing is as good as none: what it has told before is what is known.
    pub(super) fn take_hand_over_deadline(&mut self, now: Instant) {
        let late = self.takeover.as_mut().and_then(|t| t.handing_over.take_if(|(_, until)| *until <= now));
        if late.is_some() {
            tracing::warn!("the worker has not said in time what its successor has to know");
            self.supervisor.take_over(now);
        }
    }

    pub(super) fn spawn_successor(&mut self, id: WorkerId) {
        let Some(takeover) = &mut self.takeover else { return };
        let start = Start {
            counts: std::mem::take(&mut takeover.counts),
            tables: std::mem::take(&mut takeover.tables),
            ..start(&self.node, &takeover.setup, self.health.clone())
        };
        let descriptors =
            takeover.setup.listeners.descriptors().into_iter().chain(takeover.setup.admin.descriptors());
        let owned: std::io::Result<Vec<OwnedFd>> = descriptors.map(|fd| fd.try_clone_to_owned()).collect();
        match owned.and_then(|fds| {
            WorkerLink::spawn(&takeover.program, id, start, fds, self.inbox.worker_tx.clone())
        }) {
            Ok(link) => {
                tracing::info!(worker = id.0, pid = link.pid, "successor started");
                takeover.link = Some(link);
            }
            Err(err) => {
                tracing::error!(worker = id.0, %err, "successor cannot be started");
                self.supervisor.handle_spawn_failed(Instant::now(), id);
            }
        }
    }

    /// News of a successor, which has not taken over yet.
    pub(super) fn take_message_of_successor(&mut self, id: WorkerId, message: FromWorker) {
        match message {
            FromWorker::Ready => self.supervisor.handle_ready(Instant::now(), id),
            FromWorker::Rejected(reason) => {
                if let Some(takeover) = &mut self.takeover {
                    takeover.reason = Some(reason);
                }
            }
            FromWorker::Servers(_)
            | FromWorker::Pong(_)
            | FromWorker::Report(..)
            | FromWorker::Health(_)
            | FromWorker::Table(_)
            | FromWorker::HandedOver(..)
            | FromWorker::Counts(_)
            | FromWorker::Edited { .. }
            | FromWorker::Event { .. }
            | FromWorker::Ordered(..)
            | FromWorker::Logs(..)
            | FromWorker::Tls(_)
            | FromWorker::Drained { .. } => {
                tracing::debug!(worker = id.0, "a successor says what only a worker does");
            }
        }
    }

    /// The successor accepts connections: its configuration is the one in use.
    pub(super) fn adopt(&mut self, id: WorkerId) {
        let Some(Takeover { config, setup, vrrp, link, told, .. }) = self.takeover.take() else { return };
        let before = std::mem::replace(&mut self.link, link);
        if let Some(before) = before {
            tracing::info!(worker = id.0, before = before.id.0, "worker has taken over");
            if !before.send(ToWorker::Retire) {
                // It reads nothing any more: what it has cannot be finished.
                before.kill();
            }
            self.leaving.push(before);
        }
        // Addresses that are listened on no more are closed here: in the worker they are, soon after.
        self.setup = setup;
        self.orders.clear();
        self.told_node = None;
        self.tls_due = false;
        self.supervisor.set(super::super::supervisor_settings(&config.global.worker));
        self.setup.admin.own(&config.global.admin_sockets);
        self.replace_vrrp(vrrp, &config);
        if config.global.saved_files != self.global.saved_files {
            self.save_other_files(&config);
        }
        self.global = config.global;
        if self.upgrade.is_some() {
            return self.begin_to_move();
        }
        self.accept(told);
    }

    /// The virtual routers go on, or let go, or begin.
    fn replace_vrrp(&mut self, prepared: Option<Prepared>, config: &Config) {
        let Some(prepared) = prepared else { return self.vrrp.replace_notifications(config) };
        if let Err(err) = self.vrrp.replace(prepared, config) {
            tracing::error!(%err, "the VRRP thread cannot be replaced");
            self.is_lost = true;
            return;
        }
        if let Some(fit) = self.fit {
            self.vrrp.send_fitness(fit);
        }
        self.vrrp.send_servers(self.servers);
    }

    fn save_other_files(&mut self, config: &Config) {
        match Edits::start(config, &self.setup.sources) {
            Ok(edits) => std::mem::replace(&mut self.edits, edits).finish(),
            Err(err) => tracing::error!(%err, "the files that are saved stay what they were"),
        }
    }

    /// The successor came to nothing.
    pub(super) fn give_takeover_up(&mut self, id: WorkerId, loss: Loss) {
        let Some(Takeover { link, told, reason, .. }) = self.takeover.take() else { return };
        if let Some(link) = link {
            // It may have ended already.
            link.kill();
            self.leaving.push(link);
        }
        let reason = reason.unwrap_or_else(|| loss.as_str().to_owned());
        tracing::error!(worker = id.0, %reason, "successor cannot serve");
        let line = format!("error: the next worker cannot serve: {reason}");
        if self.upgrade.is_some() {
            return self.refuse_upgrade(vec![line]);
        }
        self.refuse(told.into_iter().chain([line]).collect());
    }

    fn renew_tls(&mut self, as_read: Sources) {
        tracing::info!("TLS files read");
        let mut sources = as_read.clone();
        self.carry_over(&mut sources);
        (self.setup.sources, self.setup.as_read) = (sources, as_read);
        self.tls_due = true;
        self.pass_on();
    }

    /// What operators have changed goes on, but in files that are others now.
    fn carry_over(&self, fresh: &mut Sources) {
        self.edits.carry_over(&self.setup.as_read, &self.setup.sources, fresh);
    }

    fn accept(&mut self, told: Vec<String>) {
        tracing::info!("configuration in use");
        self.reloads.0 += 1;
        self.end_reload(&Ok(told));
    }

    fn refuse(&mut self, told: Vec<String>) {
        tracing::error!("configuration not replaced: the one in use stays");
        self.reloads.1 += 1;
        self.end_reload(&Err(told));
    }

    fn end_reload(&mut self, outcome: &Outcome) {
        self.service.reloaded();
        let basis = super::basis(&self.setup, &self.node);
        self.reload.answer(outcome, basis);
    }
}

/// What a worker starts from.
pub(super) fn start(node: &str, setup: &Setup, health: Vec<ServerHealth>) -> Start {
    let count = |sockets: &Vec<OwnedFd>| u16::try_from(sockets.len()).unwrap_or(u16::MAX);
    Start {
        node: node.to_owned(),
        sources: setup.sources.clone(),
        identity: setup.identity,
        sockets: setup.listeners.iter().map(|b| (b.id.0, count(&b.sockets))).collect(),
        health,
        counts: Counts::default(),
        tables: Vec::new(),
    }
}

/// For a worker to say what its successor has to know.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(3);
