//! Debian's Keepalived and HAProxy, as the peer of a node.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scratch::Scratch;
use super::topology::Host;
use super::wait;

/// How Keepalived is to speak.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// `vrrp_version`.
    pub version: u8,
    /// `advert_int` in seconds.
    pub advert: &'static str,
    /// `virtual_ipaddress`, one a line.
    pub vips: &'static str,
    /// Further lines of the instance.
    pub instance: String,
}

/// A Keepalived with one instance `VI_1`.
#[derive(Debug)]
pub struct Keepalived {
    process: Program,
}

/// A HAProxy in front of the usual backends.
#[derive(Debug)]
pub struct HaProxy {
    process: Program,
}

impl Keepalived {
    /// Starts it.
    pub fn start(host: &Host, priority: u8, dialect: &Dialect) -> Self {
        let scratch = Scratch::new("keepalived");
        let Dialect { version, advert, vips, instance } = dialect;
        let text = format!(
            "global_defs {{\n router_id {}\n vrrp_version {version}\n}}\nvrrp_instance VI_1 {{\n state BACKUP\n \
             interface eth0\n virtual_router_id 51\n priority {priority}\n advert_int {advert}\n {instance}\n \
             virtual_ipaddress {{\n{vips}\n }}\n}}\n",
            host.name
        );
        let file = scratch.write("keepalived.conf", &text);
        let at = |name: &str| scratch.path().join(name);
        let (pid, vrrp, checkers) = (at("pid"), at("vrrp.pid"), at("checkers.pid"));
        let child = host.ns.command("/usr/sbin/keepalived", move |command| {
            command.args(["-n", "-l", "-D", "-P", "-f"]).arg(file);
            command.arg("-p").arg(pid).arg("-r").arg(vrrp).arg("-c").arg(checkers);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        });
        Self { process: Program::new("keepalived", child, scratch) }
    }

    /// The state it last logged.
    pub fn state(&self) -> Option<String> {
        let entered = |line: &String| {
            let (_, rest) = line.split_once("(VI_1) Entering ")?;
            rest.split_ascii_whitespace().next().map(str::to_owned)
        };
        self.process.log().iter().rev().find_map(entered)
    }

    /// Waits until it is in this state.
    pub fn wait_state(&self, state: &str, limit: Duration) {
        wait::until_true(&format!("keepalived is {state}"), limit, || self.state().as_deref() == Some(state));
    }

    /// SIGTERM; waits for the end.
    pub fn terminate(&mut self) {
        self.process.terminate();
    }

    /// Its log.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }
}

impl HaProxy {
    /// Starts it on port 80 of the host.
    pub fn start(host: &Host) -> Self {
        let scratch = Scratch::new("haproxy");
        let text = "global\n nbthread 1\n maxconn 4000\ndefaults\n mode http\n timeout connect 2s\n timeout client 30s\n \
             timeout server 30s\nfrontend www\n bind :::80 v4v6\n default_backend b\nbackend b\n \
             option httpchk GET /health\n server s1 10.77.0.11:8080 check inter 200ms\n \
             server s2 10.77.0.12:8080 check inter 200ms\n";
        let file = scratch.write("haproxy.cfg", text);
        let child = host.ns.command("/usr/sbin/haproxy", move |command| {
            command.args(["-db", "-f"]).arg(file);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        });
        Self { process: Program::new("haproxy", child, scratch) }
    }

    /// Its log.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }
}

/// A process with its log.
#[derive(Debug)]
struct Program {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    _scratch: Scratch,
}

impl Program {
    fn new(name: &'static str, mut child: Child, scratch: Scratch) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] =
            [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
        for stream in streams.into_iter().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        Self { name, child, log, _scratch: scratch }
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // It may have ended.
        kill(Pid::from_raw(pid), signal).unwrap_or_default();
    }

    fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
        let child = &mut self.child;
        wait::until(&format!("{} ends", self.name), wait::SOON, || child.try_wait().expect("wait for it"));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGTERM first: Keepalived ends its children and takes its addresses off.
        self.signal(Signal::SIGTERM);
        let ended = (0..200).any(|_| {
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if !ended {
                std::thread::sleep(Duration::from_millis(10));
            }
            ended
        });
        if !ended {
            self.signal(Signal::SIGKILL);
            self.child.wait().map(drop).unwrap_or_default();
        }
        if std::thread::panicking() {
            eprintln!("---- log of {}", self.name);
            self.log().iter().for_each(|line| eprintln!("{line}"));
        }
    }
}
