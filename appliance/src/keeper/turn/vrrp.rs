//! The VRRP thread with what belongs to its configuration: tracked scripts and files, notify scripts. Another configuration
//! replaces all of it while the virtual routers stay in their states.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_vrrp::config::{EngineConfig, TrackKind};
use evenkeel_vrrp::event::{Command, Servers, TrackReport};
use evenkeel_vrrp::io::driver::{self, DriverEvent, DriverHandle, DriverOptions, Events, Handed, SendError};
use evenkeel_vrrp::types::TrackId;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::notify::Notifications;
use super::super::{scripts, users, words};
use crate::config::diff::{routers_of, routers_that_change};
use crate::config::{Config, lower};
use crate::ipc::ServersReport;
use crate::worker::privileges::Identity;

/// Everything of VRRP that the keeper holds.
#[derive(Debug)]
pub(super) struct Vrrp {
    pub(super) engine: EngineConfig,
    pub(super) driver: DriverHandle,
    events: AsyncFd<Arc<Events>>,
    notifications: Notifications,
    followed: Followed,
    state_file: PathBuf,
    /// The guard that the thread is about to lose is to be lost.
    loses_guard: bool,
}

/// What a configuration says about VRRP, with its scripts and files followed already.
#[derive(Debug)]
pub(super) struct Prepared {
    engine: EngineConfig,
    /// Whose rights notify scripts have.
    notify_as: Identity,
    followed: Followed,
}

#[derive(Debug)]
struct Followed {
    tasks: JoinSet<()>,
    reports: mpsc::Receiver<(TrackId, TrackReport)>,
}

impl Prepared {
    /// # Errors
    /// If the user of a script does not exist.
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        let engine = lower::vrrp(config).engine;
        let (sender, reports) = mpsc::channel(TRACK_NEWS);
        let users = |name: Option<&str>| users::script(config, name);
        let tasks = scripts::follow_tracks(engine.tracks(), &users, &sender)?;
        Ok(Self { engine, notify_as: users(None)?, followed: Followed { tasks, reports } })
    }
}

impl Vrrp {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the kernel does not let it.
    pub(super) fn start(prepared: Prepared, config: &Config, options: DriverOptions) -> io::Result<Self> {
        let Prepared { engine, notify_as, followed } = prepared;
        let state_file = options.state_file.clone().unwrap_or_default();
        let driver = driver::spawn(engine.clone(), options)?;
        let events = crate::sys::watch_events(driver.events())?;
        let notifications = Notifications::start(&config.routers, notify_as);
        Ok(Self { engine, driver, events, notifications, followed, state_file, loses_guard: false })
    }

    /// How the thread is to run.
    pub(super) fn options(state_file: PathBuf) -> DriverOptions {
        DriverOptions {
            realtime_priority: Some(REALTIME_PRIORITY),
            lock_memory: true,
            state_file: Some(state_file),
            guard: None,
            handed: None,
        }
    }

    /// Another guard is to follow: the loss of the one that there is means nothing.
    pub(super) fn lose_guard(&mut self) {
        self.loses_guard = true;
    }

    /// Other notify scripts, of the same virtual routers.
    pub(super) fn replace_notifications(&mut self, config: &Config) {
        self.notifications.replace(&config.routers, None);
    }

    /// Another configuration: virtual routers that are in both go on, the others let go or begin. An error: there is no
    /// VRRP thread any more.
    ///
    /// # Errors
    /// If the thread has failed, or the kernel does not let the next one start.
    pub(super) fn replace(&mut self, prepared: Prepared, config: &Config) -> io::Result<()> {
        let Prepared { engine, notify_as, followed } = prepared;
        let handed = self.driver.suspend(&engine)?;
        self.take_events();
        self.go_on(engine, followed, handed)?;
        self.notifications.replace(&config.routers, Some(notify_as));
        Ok(())
    }

    /// Ends the thread; the same virtual routers are to go on. `None`: they have been released.
    ///
    /// # Errors
    /// If the thread has failed.
    pub(super) fn suspend(&mut self) -> io::Result<Option<Handed>> {
        let handed = self.driver.suspend(&self.engine)?;
        self.take_events();
        Ok(handed)
    }

    fn go_on(&mut self, engine: EngineConfig, followed: Followed, handed: Option<Handed>) -> io::Result<()> {
        // The memory of this process is locked already.
        let options = DriverOptions { handed, lock_memory: false, ..Self::options(self.state_file.clone()) };
        self.driver = driver::spawn(engine.clone(), options)?;
        self.events = crate::sys::watch_events(self.driver.events())?;
        (self.engine, self.followed) = (engine, followed);
        Ok(())
    }

    /// What such a replacement does to virtual routers, in words.
    pub(super) fn difference(&self, prepared: &Prepared) -> Vec<String> {
        routers_that_change(&routers_of(&self.engine), &routers_of(&prepared.engine))
    }

    /// The next result of a tracked script or file; `None`: the thread has told something.
    ///
    /// # Cancel safety
    /// Cancel safe: what has been reported and told stays in its queue.
    pub(super) async fn news(&mut self) -> Option<(TrackId, TrackReport)> {
        // Both arms are cancel safe: readiness stays until it is cleared, the channel keeps what has arrived.
        tokio::select! {
            biased;
            ready = self.events.readable() => {
                if let Ok(mut ready) = ready {
                    ready.clear_ready();
                }
                None
            }
            // Without one nothing is tracked.
            Some(report) = self.followed.reports.recv() => Some(report),
            else => std::future::pending().await,
        }
    }

    /// Ends tracked scripts.
    pub(super) fn follow_no_more(&mut self) {
        self.followed.tasks.abort_all();
    }

    /// Runs the notify scripts that are queued, for a bounded time.
    pub(super) async fn finish(self) {
        self.notifications.finish().await;
    }

    pub(super) fn send_track(&self, id: TrackId, report: TrackReport) {
        delivered(self.driver.send_track(id, report));
    }

    /// How the node stands with its own servers.
    pub(super) fn send_servers(&self, servers: ServersReport) {
        delivered(self.driver.command(Command::Servers(Servers::from(servers))));
    }

    /// Whether the data plane serves.
    pub(super) fn send_fitness(&self, fit: bool) {
        for (id, track) in (0..).map(TrackId).zip(self.engine.tracks()) {
            if track.kind == TrackKind::DataPlane {
                self.send_track(id, TrackReport::DataPlane(fit));
            }
        }
    }

    /// Has a fresh snapshot published.
    pub(super) fn refresh(&self) {
        delivered(self.driver.refresh());
    }

    /// Has the thread send priority 0 and take the addresses off, and waits for that.
    pub(super) async fn release(&mut self) {
        delivered(self.driver.command(Command::Shutdown));
        let until = tokio::time::Instant::now() + RELEASE_LIMIT;
        while !self.driver.is_finished() {
            // Cancel safe: readiness stays until it is cleared.
            match tokio::time::timeout_at(until, self.events.readable()).await {
                Ok(Ok(mut ready)) => ready.clear_ready(),
                Ok(Err(_)) | Err(_) => {
                    tracing::error!("the VRRP thread did not release in time");
                    break;
                }
            }
            if self.take_events() {
                break;
            }
        }
    }

    /// Logs what the thread tells, and runs notify scripts. `true` if it has ended.
    pub(super) fn take_events(&mut self) -> bool {
        let mut stopped = false;
        for event in self.events.get_ref().take() {
            stopped |= event == DriverEvent::Stopped;
            if let DriverEvent::Transition(t) = &event {
                self.notifications.transition(t);
            }
            if event == DriverEvent::GuardLost && std::mem::take(&mut self.loses_guard) {
                continue;
            }
            words::log(&event, &self.engine);
        }
        stopped
    }
}

/// A VRRP thread that takes nothing any more is dying or dead: the lease takes the addresses off.
pub(super) fn delivered(sent: Result<(), SendError>) {
    if let Err(err) = sent {
        tracing::error!(%err, "cannot reach the VRRP thread");
    }
}

/// Above every normal process, below the guard.
const REALTIME_PRIORITY: u8 = 50;
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
const TRACK_NEWS: usize = 64;
