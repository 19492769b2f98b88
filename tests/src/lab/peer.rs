//! Debian's servers as they come, each in a scratch directory and the namespace of a host, on its loopback: what health
//! checks are tried on, and HAProxy's checks beside them.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scratch::Scratch;
use super::topology::Host;
use super::wait;

/// A server that was started.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    scratch: Scratch,
}

impl Peer {
    /// Starts `program` (of a Debian package) with `args`, in which `@` stands for its scratch directory, after
    /// `prepare` has filled that directory.
    ///
    /// # Panics
    /// If the program is not there; the message says which package brings it.
    pub fn start(
        host: &Host,
        program: &str,
        package: &str,
        args: &[&str],
        prepare: impl FnOnce(&Scratch),
    ) -> Self {
        assert!(Path::new(program).exists(), "{program} is missing: apt-get install {package}");
        let name = program.rsplit('/').next().unwrap_or(program);
        let scratch = Scratch::new(name);
        prepare(&scratch);
        let dir = scratch.path().to_str().expect("a path in UTF-8").to_owned();
        let args: Vec<String> = args.iter().map(|a| a.replace('@', &dir)).collect();
        let log = std::fs::File::create(scratch.path().join("log")).expect("make a log");
        let errors = log.try_clone().expect("clone the log");
        let child = host.ns.command(program, move |command| {
            command.args(args).stdin(Stdio::null()).stdout(log).stderr(errors).current_dir(dir);
        });
        Self { child, scratch }
    }

    /// Its scratch directory.
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the peer lives");
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        end(&mut self.child);
        if std::thread::panicking() {
            eprintln!("---- log in {}\n{}", self.path().display(), self.log());
        }
    }
}

/// Asks the program to end, so that it takes its children and its shared memory with it, and kills it if it does not.
fn end(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may have ended by itself; then there is nobody to ask, and its end is collected all the same.
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap_or_default();
    }
    let deadline = Instant::now() + PATIENCE;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap_or_default();
    child.wait().map(drop).unwrap_or_default();
}

/// Longer than any of the servers takes to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a program to its end, as what a server needs before it starts.
///
/// # Panics
/// If it fails.
pub fn prepare(program: &str, args: &[&str]) {
    run(program, args, Stdio::null());
}

/// [`prepare`], with a file to read as its input.
///
/// # Panics
/// If it fails.
pub fn prepare_from(input: &Path, program: &str, args: &[&str]) {
    run(program, args, std::fs::File::open(input).expect("open the input").into());
}

fn run(program: &str, args: &[&str], input: Stdio) {
    let out = Command::new(program).args(args).stdin(input).output();
    let out = out.unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// What HAProxy thinks of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// As `UP`, `UP 2/3`, `DOWN`, `DRAIN` or `MAINT`.
    pub state: String,
    /// Weight in force, whatever the state.
    pub weight: u64,
    /// Most connections at once; `None`: any number.
    pub maxconn: Option<u64>,
}

/// HAProxy's checks of one server.
#[derive(Debug)]
pub struct Oracle {
    haproxy: Peer,
    socket: PathBuf,
}

impl Oracle {
    /// Starts HAProxy with these lines in a backend.
    pub fn start(host: &Host, backend: &str) -> Self {
        let text = |scratch: &Scratch| {
            let socket = scratch.path().join("sock");
            let text = format!(
                "global\n nbthread 1\n stats socket {} level admin\ndefaults\n mode tcp\n timeout connect 2s\n \
                 timeout client 5s\n timeout server 5s\n timeout check 2s\nbackend b\n{backend}\n",
                socket.display()
            );
            scratch.write("haproxy.cfg", &text);
        };
        let haproxy =
            Peer::start(host, "/usr/sbin/haproxy", "haproxy", &["-db", "-f", "@/haproxy.cfg"], text);
        let socket = haproxy.path().join("sock");
        Self { haproxy, socket }
    }

    /// Its last check of server `s`: `check_status`, `check_code`, and what it says beside.
    ///
    /// # Panics
    /// If there is none in time.
    pub fn check(&self) -> (String, String, String) {
        wait::until("haproxy has checked", Duration::from_secs(15), || {
            let csv = self.ask("show stat")?;
            let header = csv.lines().next()?.trim_start_matches("# ");
            let line = csv.lines().find(|l| l.starts_with("b,s,"))?;
            let column = |name: &str| {
                let at = header.split(',').position(|c| c == name)?;
                line.split(',').nth(at).map(str::to_owned)
            };
            let status = column("check_status")?;
            // A star stands before the status while a check is running.
            let status = status.trim_start_matches("* ").to_owned();
            (!status.is_empty() && status != "INI").then(|| {
                (status, column("check_code").unwrap_or_default(), column("last_chk").unwrap_or_default())
            })
        })
    }

    /// What it thinks of server `s`, once it answers.
    pub fn standing(&self) -> Option<Standing> {
        let csv = self.ask("show stat")?;
        let header = csv.lines().next()?.trim_start_matches("# ");
        let line = csv.lines().find(|l| l.starts_with("b,s,"))?;
        let column = |name: &str| {
            let at = header.split(',').position(|c| c == name)?;
            line.split(',').nth(at)
        };
        let table = self.ask("show servers state b")?;
        let header = table.lines().find_map(|l| l.strip_prefix("# "))?;
        let line = table.lines().find(|l| l.split(' ').nth(3) == Some("s"))?;
        let at = header.split(' ').position(|c| c == "srv_uweight")?;
        Some(Standing {
            // Whose word it was stands behind.
            state: column("status")?.replace(" (agent)", ""),
            weight: line.split(' ').nth(at)?.parse().ok()?,
            maxconn: column("slim")?.parse().ok(),
        })
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        stream.write_all(format!("{command}\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// HAProxy's log.
    pub fn log(&self) -> String {
        self.haproxy.log()
    }
}
