//! `evenkeel demo`: two nodes, two backends and a client on this machine, and what happens when the MASTER dies.
//!
//! The demo needs no configuration, no root and no installed program. It runs the real binary on both nodes, in
//! network namespaces that only its own processes hold, and leaves nothing behind however it ends.
//!
//! | module | what it is |
//! |---|---|
//! | `sandbox` | the namespaces, and the process in them that everything else descends from |
//! | `story`, `stage` | the acts; the hosts and the waiting for what should happen |
//! | `cast`, `net`, `netns` | who plays, and the network between them |
//! | `node`, `processes`, `log` | a node: start, stop, kill, what its log tells |
//! | `backend`, `client`, `wire`, `addresses`, `resident` | who serves, who asks, and the witnesses |
//! | `event`, `scene`, `timeline`, `report`, `screen` | from what was seen to what is shown |
mod addresses;
mod backend;
mod cast;
mod client;
mod event;
mod log;
mod net;
mod netns;
mod node;
mod processes;
mod report;
mod resident;
mod sandbox;
mod scene;
mod screen;
mod stage;
mod story;
mod timeline;
mod wire;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use event::{Listening, Reporter, What};
use node::Running;
pub use sandbox::SandboxError;
use sandbox::Signals;
use screen::Screen;
use stage::Stage;

/// What the command line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoOptions {
    /// Leave the pair running after the last act, until Ctrl-C.
    pub keep: bool,
    /// Colour the output.
    pub color: bool,
}

/// Why a demo did not come to its good end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// There is no place to play.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A step failed for a reason of the machine's.
    #[error("cannot {what}")]
    Cannot {
        /// The step.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something that has to happen did not.
    #[error("not seen within {} s: {what}{logs}", limit.as_secs())]
    NotSeen {
        /// What should have happened.
        what: String,
        /// How long it was waited for.
        limit: Duration,
        /// What the nodes said last.
        logs: String,
    },
    /// A keeper ended that should not have, or not in this way.
    #[error("{node} ended ({status}); its last log lines:\n{log}")]
    Fell {
        /// Which node.
        node: &'static str,
        /// Its exit status.
        status: String,
        /// What it said last.
        log: String,
    },
    /// The node has no worker process.
    #[error("{node} has no worker")]
    NoWorker {
        /// Which node.
        node: &'static str,
    },
    /// The story needs a node that does not run.
    #[error("{node} is not running")]
    NotRunning {
        /// Which node.
        node: &'static str,
    },
    /// Nobody reads the output any more.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// Ctrl-C or SIGTERM before the end.
    #[error("interrupted; everything is removed")]
    Interrupted,
}

impl DemoError {
    fn at(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Cannot { what, source }
    }

    /// Adds the log of a node that is off the stage to a wait that was in vain.
    fn with_log(mut self, running: &Running) -> Self {
        if let Self::NotSeen { logs, .. } = &mut self {
            logs.push_str(&format!("\nlast log lines of {}:\n{}", running.node(), running.log_tail()));
        }
        self
    }
}

/// Runs the demo and returns the exit code of the whole: 0 when everything happened as it has to.
///
/// Two processes come here. The one the operator started makes the namespaces, starts this executable again with
/// the same arguments as pid 1 inside them, and only passes its exit code on. The caller must therefore
/// * call this before it starts a thread or a runtime: a process with several threads gets no user namespace;
/// * reach this call again for the same arguments, without writing to standard output or reading standard input
///   on the way.
///
/// # Errors
/// In the inner process, the reason why the demo failed; the outer one then returns its exit code and no error, so
/// that the reason is printed once.
pub fn run(options: DemoOptions) -> Result<ExitCode, DemoError> {
    if !sandbox::is_inside() {
        return Ok(ExitCode::from(sandbox::launch()?));
    }
    let sandbox = sandbox::furnish()?;
    let (reporter, events) = Reporter::new();
    watch_signals(reporter.clone()).map_err(DemoError::at("catch signals"))?;
    let mut stage = Stage::build(&sandbox, Screen::new(options.color), reporter, events)?;
    story::introduce(&mut stage, &sandbox)?;
    story::play(&mut stage)?;
    if options.keep {
        story::keep(&mut stage, &sandbox)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Turns Ctrl-C, SIGTERM and SIGHUP into an event. The thread lives as long as the process: a signal may come at any
/// time.
fn watch_signals(reporter: Reporter) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                signals.next().await;
                if reporter.report(What::Interrupted) == Listening::No {
                    return;
                }
            }
        });
    })?;
    Ok(())
}
