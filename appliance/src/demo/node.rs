//! A node of the pair: the real binary in its namespace, and the ways it can end.
use std::collections::VecDeque;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::cast::Node;
use super::event::{Listening, Reporter};
use super::log;
use super::netns::NetNs;
use super::processes::{self, Process};
use super::sandbox::STAGE;

/// A running node: its keeper, and through it everything the keeper started.
#[derive(Debug)]
pub(super) struct Running {
    node: Node,
    keeper: Child,
    log_tail: LogTail,
}

/// How to start a node.
#[derive(Debug)]
pub(super) struct Launcher {
    /// The binary under demonstration: this one.
    pub(super) binary: PathBuf,
    /// The file both nodes read.
    pub(super) config: PathBuf,
    /// Each node gets a run-time directory of its own below it.
    pub(super) runtime_root: PathBuf,
}

impl Launcher {
    /// Starts `evenkeel run` as `node` in its namespace.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) fn start(&self, node: Node, netns: &NetNs, reporter: Reporter) -> io::Result<Running> {
        let runtime_dir = self.runtime_dir(node);
        fs::create_dir_all(&runtime_dir)?;
        let mut keeper = netns.run(|| self.command(node, &runtime_dir).spawn())?;
        let log_tail = LogTail::default();
        if let Some(stderr) = keeper.stderr.take() {
            let tail = log_tail.clone();
            // Ends when the last process of the node has closed its stderr, which no later than the sandbox's end
            // all of them have.
            thread::Builder::new()
                .name(format!("log-{node}"))
                .spawn(move || follow_log(node, stderr, &reporter, &tail))?;
        }
        Ok(Running { node, keeper, log_tail })
    }

    /// The node leads a process group: a Ctrl-C at the terminal is for the demo alone, and a power cut hits the
    /// whole group in one system call.
    fn command(&self, node: Node, runtime_dir: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("run")
            .arg("--config")
            .arg(&self.config)
            .args(["--node", node.as_str(), "--runtime-dir"])
            .arg(runtime_dir)
            .env("EVENKEEL_LOG_FORMAT", "json")
            .env_remove(STAGE)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// The run-time directory of `node`.
    pub(super) fn runtime_dir(&self, node: Node) -> PathBuf {
        self.runtime_root.join(node.as_str())
    }
}

impl Running {
    /// Which node it is.
    pub(super) fn node(&self) -> Node {
        self.node
    }

    /// The keeper's pid, inside the sandbox.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.keeper.id().cast_signed())
    }

    /// The exit status, once the keeper has ended.
    ///
    /// # Errors
    /// When the kernel cannot tell.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.keeper.try_wait()
    }

    /// The last lines of the log, for an error message.
    pub(super) fn log_tail(&self) -> String {
        self.log_tail.text()
    }

    /// The keeper, guard and worker that run at this moment.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn processes(&self) -> io::Result<Vec<Process>> {
        let all = processes::all()?;
        Ok(processes::family(self.pid(), &all).into_iter().filter(|p| !p.is_zombie()).collect())
    }

    /// The process that serves the clients.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn worker(&self) -> io::Result<Option<Process>> {
        Ok(self.processes()?.into_iter().find(|process| process.name == WORKER))
    }

    /// Asks the node to stop, as `systemctl stop` does.
    ///
    /// # Errors
    /// When the keeper cannot be signalled.
    pub(super) fn terminate(&self) -> io::Result<()> {
        kill(self.pid(), Signal::SIGTERM).map_err(io::Error::from)
    }

    /// Ends every process of the node at once, without a chance to say goodbye, and returns when none is left.
    ///
    /// Everything is stopped first: of two processes killed one after the other, the second has the microseconds it
    /// needs to take the VIP off.
    ///
    /// # Errors
    /// When a process survives SIGKILL for [`KILL_LIMIT`].
    pub(super) fn cut_power(mut self) -> io::Result<()> {
        gone_is_fine(killpg(self.pid(), Signal::SIGSTOP))?;
        let victims = self.processes()?;
        for victim in victims.iter().filter(|victim| victim.pid != self.pid()) {
            gone_is_fine(kill(victim.pid, Signal::SIGKILL))?;
        }
        gone_is_fine(killpg(self.pid(), Signal::SIGKILL))?;
        self.keeper.wait()?;
        self.bury(&victims)
    }

    /// Collects the orphans, which are this process's children: it is pid 1.
    fn bury(&self, dead: &[Process]) -> io::Result<()> {
        let deadline = Instant::now() + KILL_LIMIT;
        for process in dead.iter().filter(|process| process.pid != self.pid()) {
            while is_there(process.pid)? {
                if Instant::now() > deadline {
                    return Err(io::Error::other(format!(
                        "{} {} survives SIGKILL",
                        process.name, process.pid
                    )));
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}

/// Reaps `pid` if it is a dead child, and tells whether there is still such a process.
fn is_there(pid: Pid) -> io::Result<bool> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => Ok(status.pid().is_none()),
        // Not a child: its parent is not dead yet, or it is reaped.
        Err(Errno::ECHILD) => Ok(kill(pid, None).is_ok()),
        Err(e) => Err(e.into()),
    }
}

fn gone_is_fine(result: nix::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn follow_log(node: Node, stderr: ChildStderr, reporter: &Reporter, tail: &LogTail) {
    for line in BufReader::new(stderr).split(b'\n') {
        // A pipe gives errors for no reason that a further read would mend.
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        tail.push(&line);
        let heard = log::read_line(node, &line);
        if heard.is_some_and(|what| reporter.report(what) == Listening::No) {
            return;
        }
    }
}

/// The last [`LogTail::LIMIT`] lines of a log; older ones are dropped.
#[derive(Debug, Clone, Default)]
struct LogTail {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl LogTail {
    const LIMIT: usize = 12;

    fn push(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == Self::LIMIT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }
}

/// The name the worker gives itself.
const WORKER: &str = "ek-worker";
/// What the kernel may need to end a process that was told to die.
pub(super) const KILL_LIMIT: Duration = Duration::from_secs(2);
