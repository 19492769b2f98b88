//! One node: the real binary in a namespace, its log and its status.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::scratch::Scratch;
use super::topology::Host;
use super::wait;

/// A node that was started.
#[derive(Debug)]
pub struct Node {
    host: Host,
    child: Child,
    log: Log,
    reader: Option<JoinHandle<()>>,
    scratch: Arc<Scratch>,
}

type Log = Arc<Mutex<Vec<Line>>>;

/// Which process of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The parent.
    Keeper,
    /// The one that takes the VIPs off.
    Guard,
    /// The one that proxies.
    Worker,
}

/// A line of a node's log.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// The text.
    pub text: String,
    /// The text as JSON, if it is.
    pub json: Option<Value>,
}

/// A change of state, as logged.
#[derive(Debug, Clone)]
pub struct Transition {
    /// When the line was read.
    pub at: Instant,
    /// Instance.
    pub instance: String,
    /// State before.
    pub from: String,
    /// State after.
    pub to: String,
    /// Why.
    pub cause: String,
    /// Effective priority.
    pub priority: u64,
}

impl Node {
    /// Starts the node named like the host with this configuration.
    pub fn start(host: &Host, config: &str) -> Self {
        Self::start_in(host, config, &Arc::new(Scratch::new(host.name)))
    }

    /// The same in a directory that exists already: beside another instance, or where one has ended.
    pub fn start_in(host: &Host, config: &str, scratch: &Arc<Scratch>) -> Self {
        scratch.write(CONFIG, config);
        let log = Arc::default();
        let (child, reader) = launch(host, scratch, &log);
        Self { host: host.clone(), child, log, reader: Some(reader), scratch: Arc::clone(scratch) }
    }

    /// Starts it again after its end, with a log of its own.
    pub fn restart(&mut self) {
        self.wait_exit(wait::SOON);
        self.log = Arc::default();
        let (child, reader) = launch(&self.host, &self.scratch, &self.log);
        self.child = child;
        self.reader = Some(reader);
    }

    /// Where it runs.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its directory, with `run` the runtime directory.
    pub fn scratch(&self) -> &Arc<Scratch> {
        &self.scratch
    }

    /// Process id of a role that lives.
    ///
    /// # Panics
    /// If it does not come to life.
    pub fn pid(&self, role: Role) -> Pid {
        wait::until(&format!("{} has a {role:?}", self.host.name), wait::SOON, || {
            self.pids(role).first().copied()
        })
    }

    /// Process ids of a role in this namespace.
    pub fn pids(&self, role: Role) -> Vec<Pid> {
        self.host
            .ns
            .processes()
            .into_iter()
            .filter(|pid| comm(*pid).as_deref() == Some(role.comm()))
            .collect()
    }

    /// Signals one role.
    pub fn signal(&self, role: Role, signal: Signal) {
        kill(self.pid(role), signal).expect("signal a process of the node");
    }

    /// Kills everything at once, as a machine that loses power would end it, except that its addresses stay.
    pub fn kill_all(&mut self) {
        let pids: Vec<Pid> =
            [Role::Keeper, Role::Guard, Role::Worker].into_iter().flat_map(|r| self.pids(r)).collect();
        for pid in pids {
            // One may have ended by the death of another.
            kill(pid, Signal::SIGKILL).unwrap_or_default();
        }
        self.wait_exit(wait::SOON);
    }

    /// SIGTERM to the keeper; waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Role::Keeper, Signal::SIGTERM);
        self.wait_exit(wait::SOON)
    }

    /// Waits for the end of the keeper.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait::until("the keeper ends", limit, || child.try_wait().expect("wait for the keeper"))
    }

    /// The status document, if the node answers.
    pub fn status(&self) -> Option<Value> {
        let run = self.scratch.path().join("run");
        let out = self.host.ns.run(move || {
            Command::new(binary())
                .args(["status", "--json", "--runtime-dir"])
                .arg(run)
                .output()
                .expect("run the binary")
        });
        out.status.success().then(|| serde_json::from_slice(&out.stdout).expect("a JSON document"))
    }

    /// One value of the status document; `Null` if there is none.
    pub fn status_at(&self, pointer: &str) -> Value {
        self.status().and_then(|s| s.pointer(pointer).cloned()).unwrap_or(Value::Null)
    }

    /// The log until now.
    pub fn log(&self) -> Vec<Line> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All changes of state until now.
    pub fn transitions(&self) -> Vec<Transition> {
        self.log().iter().filter_map(transition).collect()
    }

    /// State of the instance now, by the log.
    pub fn state(&self, instance: &str) -> Option<String> {
        self.transitions().into_iter().rev().find(|t| t.instance == instance).map(|t| t.to)
    }

    /// Waits until the instance is in this state.
    pub fn wait_state(&self, instance: &str, state: &str, limit: Duration) -> Transition {
        wait::until(&format!("{}: {instance} is {state}", self.host.name), limit, || {
            self.transitions().into_iter().rev().find(|t| t.instance == instance).filter(|t| t.to == state)
        })
    }

    /// Waits until the data plane serves and knows its servers.
    pub fn wait_fit(&self) {
        wait::until_true(&format!("{} is fit", self.host.name), wait::SOON, || {
            let log = self.log();
            let news = log.iter().rev().find(|line| line.message() == Some("data plane"));
            news.is_some_and(|line| line.field("fit") == Some(&Value::Bool(true)))
        });
    }

    /// Waits for a log line that contains `text`.
    pub fn wait_log(&self, text: &str, limit: Duration) -> Line {
        wait::until(&format!("{} logs `{text}`", self.host.name), limit, || {
            self.log().into_iter().find(|line| line.text.contains(text))
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Guard and worker end with their keeper; one that is frozen ends with the namespace. A keeper that cannot be
        // killed or waited for has ended already.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("---- log of {}", self.host.name);
            self.log().iter().for_each(|line| eprintln!("{}", line.text));
        } else if let Some(reader) = self.reader.take() {
            reader.join().unwrap_or_default();
        }
    }
}

impl Line {
    /// The message of the event.
    pub fn message(&self) -> Option<&str> {
        self.field("message")?.as_str()
    }

    /// A field of the event.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get("fields")?.get(name)
    }
}

impl Role {
    /// The name the kernel shows.
    pub fn comm(self) -> &'static str {
        match self {
            Self::Keeper => "evenkeel",
            Self::Guard => "ek-guard",
            Self::Worker => "ek-worker",
        }
    }
}

/// Runs the binary to its end; exit code, standard output, standard error.
pub fn run_to_end(host: &Host, args: &[&str]) -> (Option<i32>, String, String) {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    let out = host.ns.run(move || Command::new(binary()).args(args).output().expect("run the binary"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// The binary under test: `EVENKEEL_BIN`, else the one beside this test in the target directory.
///
/// # Panics
/// If there is none.
pub fn binary() -> PathBuf {
    let path = std::env::var_os("EVENKEEL_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("the path of this test");
            // target/PROFILE/deps/TEST
            test.parent().and_then(Path::parent).expect("a target directory").join("evenkeel")
        },
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "there is no {}: build it with `cargo build -p evenkeel`, or run ./tests/run",
        path.display()
    );
    path
}

fn launch(host: &Host, scratch: &Scratch, log: &Log) -> (Child, JoinHandle<()>) {
    let (file, run, name) = (scratch.path().join(CONFIG), scratch.path().join("run"), host.name);
    // A program of its own, which a test can replace.
    let own = scratch.path().join("evenkeel");
    let program = if own.exists() { own } else { binary() };
    let program = program.to_str().expect("a readable path");
    let mut child = host.ns.command(program, move |command| {
        command.args(["run", "--node", name, "--config"]).arg(file).arg("--runtime-dir").arg(run);
        command
            .env("EVENKEEL_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
    });
    let stderr = child.stderr.take().expect("piped");
    let log = Arc::clone(log);
    let reader = std::thread::spawn(move || {
        for text in BufReader::new(stderr).lines().map_while(Result::ok) {
            let json = serde_json::from_str(&text).ok();
            let line = Line { at: Instant::now(), text, json };
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    (child, reader)
}

fn comm(pid: Pid) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

fn transition(line: &Line) -> Option<Transition> {
    if line.message() != Some("state changed") {
        return None;
    }
    let text = |name| line.field(name).and_then(Value::as_str).map(str::to_owned);
    Some(Transition {
        at: line.at,
        instance: text("instance")?,
        from: text("from")?,
        to: text("to")?,
        cause: text("cause")?,
        priority: line.field("priority").and_then(Value::as_u64)?,
    })
}

const CONFIG: &str = "evenkeel.toml";
