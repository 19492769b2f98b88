//! The keeper: the privileged parent. It checks the configuration, binds every listening socket, runs the VRRP thread,
//! starts and watches guard and worker, and answers the control socket. It never reads a byte from a client.
//!
//! One thread waits for everything here; adverts are sent by the VRRP thread, which waits for nothing here.

mod admin;
mod child;
mod control;
mod edits;
mod guard;
mod handover;
mod in_use;
mod link;
mod listeners;
mod logs;
mod notify;
mod process;
mod reload;
mod runtime_dir;
mod scripts;
mod service;
mod silence;
mod supervisor;
mod turn;
mod users;
mod words;

use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{self, Environment};
use crate::telemetry;
use runtime_dir::RuntimeDir;
use turn::Keeper;

pub use listeners::BindError;
pub use runtime_dir::CONTROL_SOCKET;

/// What `evenkeel run` was given.
#[derive(Debug, Clone)]
pub struct Options {
    /// Configuration file.
    pub config: PathBuf,
    /// Node name, if not the host name.
    pub node: Option<String>,
    /// Directory for the control socket, the lock and the lease state.
    pub runtime_dir: PathBuf,
    /// The descriptor of what the program before this one has left, in the same process.
    pub resume: Option<RawFd>,
}

impl Options {
    /// The command line that says the same to the next program, with what this one leaves.
    fn command_line(&self, record: RawFd) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["evenkeel".into(), "run".into()];
        words.extend(["--config".into(), self.config.clone().into()]);
        words.extend(["--runtime-dir".into(), self.runtime_dir.clone().into()]);
        if let Some(node) = &self.node {
            words.extend(["--node".into(), node.into()]);
        }
        words.extend(["--resume".into(), record.to_string().into()]);
        words
    }
}

/// Why a node could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// This node's name or environment cannot be told.
    #[error("cannot tell this node's name")]
    Environment(#[source] config::EnvironmentError),
    /// The configuration has errors; they have been printed.
    #[error("the configuration has errors; nothing was started")]
    Config,
    /// The runtime directory cannot be used.
    #[error("cannot use runtime directory {0}")]
    RuntimeDir(PathBuf, #[source] io::Error),
    /// Another keeper runs on this directory.
    #[error("another evenkeel runs with runtime directory {0}")]
    AlreadyRunning(PathBuf),
    /// Addresses that cannot be listened on.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Bind(Vec<BindError>),
    /// An admin socket cannot be made.
    #[error("cannot make the admin socket {0}")]
    AdminSocket(PathBuf, #[source] io::Error),
    /// A configured user does not exist.
    #[error("user {0} does not exist")]
    NoUser(String),
    /// A part of the node could not be started.
    #[error("cannot start {0}")]
    Start(&'static str, #[source] io::Error),
    /// Virtual addresses that a node has left cannot be taken off.
    #[error("cannot take the virtual addresses off")]
    Release(#[source] io::Error),
}

/// Takes off the virtual addresses that a node which is gone has left; how many there were.
///
/// # Errors
/// If a node runs on this directory, or the kernel refuses.
pub fn release_vips(runtime_dir: &Path) -> Result<usize, RunError> {
    // Held until the addresses are off: a node that starts meanwhile must not have its own taken away. Without the
    // directory there is no node, and making it would be a trace of nothing.
    let directory = runtime_dir.exists().then(|| RuntimeDir::claim(runtime_dir)).transpose()?;
    let state = directory.as_ref().map(|d| d.join(turn::LEASE_STATE));
    evenkeel_vrrp::io::driver::release_leftovers(state).map_err(RunError::Release)
}

/// Runs this node until SIGTERM or SIGINT.
///
/// # Errors
/// If the node could not be started. Once it runs, failures are handled and logged.
pub fn run(options: &Options) -> Result<ExitCode, RunError> {
    // Operators and their tools look for this name, whatever the file is called.
    nix::sys::prctl::set_name(c"evenkeel").map_err(|e| RunError::Start("the process", e.into()))?;
    raise_descriptors();
    if let Some(record) = options.resume {
        return resume(options, record);
    }
    let environment = Environment::of_process(options.node.as_deref()).map_err(RunError::Environment)?;
    let loaded = config::load(&options.config, &environment);
    eprint!("{}", loaded.render_human(telemetry::colour()));
    let config = loaded.config.ok_or(RunError::Config)?;
    let directory = RuntimeDir::claim(&options.runtime_dir)?;
    serve(|| Keeper::start(config, loaded.sources, &environment.node, directory, options.clone()))
}

/// Whether this program could go on from a record, which is read from standard input.
///
/// # Errors
/// Why not.
pub fn could_resume() -> Result<(), String> {
    let record = handover::Record::read(io::stdin().lock())?;
    turn::configuration(&record).map(drop)
}

/// Goes on where another program was, in this very process. If that cannot be, the other one goes on.
fn resume(options: &Options, record: RawFd) -> Result<ExitCode, RunError> {
    let unreadable = |why: String| RunError::Start("from what was left", io::Error::other(why));
    let record = handover::Record::inherited(record).map_err(unreadable)?;
    // It has been looked at before: what is wrong now is the end of this node, as at any start.
    let config = turn::configuration(&record).map_err(unreadable)?;
    let options = Options { resume: None, ..options.clone() };
    serve(|| Keeper::resume(config, record, options))
}

fn serve(keeper: impl FnOnce() -> Result<Keeper, RunError>) -> Result<ExitCode, RunError> {
    let start = |what| move |e| RunError::Start(what, e);
    let log = telemetry::start().map_err(start("logging"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(start("the event loop"))?;
    let code = runtime.block_on(async {
        let mut signals = Signals::new().map_err(start("signal handling"))?;
        handover::listen_again().map_err(start("signal handling"))?;
        let mut keeper = keeper()?;
        let code = keeper.serve(&mut signals).await;
        keeper.stop(&mut signals).await;
        Ok(code)
    });
    // What the blocking pool still reads (a tracked file on a stalled disk) must not hold up the end.
    runtime.shutdown_background();
    drop(log);
    code
}

/// Lets this process and those it starts open as many files as they may: what is usual is meant for programs that wait
/// for files by number.
fn raise_descriptors() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(err) = raised {
        eprintln!("warning: the limit of open files stays as it is: {err}");
    }
}

fn supervisor_settings(watch: &config::model::WorkerWatch) -> supervisor::Settings {
    supervisor::Settings {
        heartbeat: watch.heartbeat_interval,
        heartbeat_timeout: watch.heartbeat_timeout,
        grace: watch.grace,
        start_timeout: watch.start_timeout,
    }
}

/// The signals a keeper answers.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To end; which signal.
    Stop(&'static str),
    /// To read the files of TLS anew.
    Reload,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    ///
    /// # Cancel safety
    /// Cancel safe: a signal that has arrived stays pending.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Asked::Stop("SIGINT"),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// Waits for the request to stop.
    ///
    /// # Cancel safety
    /// Cancel safe: a signal that has arrived stays pending.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            if let Asked::Stop(signal) = self.asked().await {
                return signal;
            }
        }
    }
}

/// When the process began, for the uptime.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started(Instant);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_node_that_runs_are_not_taken_off() {
        let path = std::env::temp_dir().join(format!("evenkeel-release-{}", std::process::id()));
        let running = RuntimeDir::claim(&path).unwrap();
        assert!(matches!(release_vips(&path), Err(RunError::AlreadyRunning(_))));
        drop(running);
        std::fs::remove_dir_all(&path).unwrap();
    }
}
