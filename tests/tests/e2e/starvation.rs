//! A worker that gets no processor is kept; one that has one and answers nothing is replaced.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Node, PairConfig, Role};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::pair::{Pair, http};

#[test]
fn a_starved_worker_is_kept_with_its_connections() {
    let pair = Pair::start(&PairConfig::default());
    let worker = pair.a.pid(Role::Worker);
    // To the node's own address: that stays when the VIP goes.
    let mut client = Client::connect(&pair.lab.client, http(pair.lab.a.v4.into()));
    client.ask().expect("an answer before");

    let quota = Quota::on(worker);
    let told = pair.a.wait_log("starved of processor time", SOON);
    let silence = told.field("silence").and_then(|s| s.as_str()).unwrap_or_default().to_owned();
    assert!(silence.contains("for a processor"), "with its figures: {told:?}");
    // Nobody is answered: the peer, which can, gets the VIP.
    pair.b.wait_state("VI_1", "MASTER", SOON);
    assert_eq!(pair.a.pid(Role::Worker), worker, "kept: {silence}");
    drop(quota);

    client.ask().expect("an answer on the same connection after");
    pair.wait_settled();
    assert_eq!(pair.a.pid(Role::Worker), worker);
    let status = pair.a.status().expect("a status");
    assert_eq!(status.pointer("/worker/lost"), Some(&0.into()), "{status}");
    assert!(status.pointer("/worker/starved").and_then(|n| n.as_u64()).is_some_and(|n| n >= 1), "{status}");
}

#[test]
fn a_spinning_worker_is_replaced_however_busy_the_machine() {
    let pair = Pair::start(&PairConfig::default());
    for busy in [false, true] {
        let worker = pair.a.pid(Role::Worker);
        let load = busy.then(Load::start);
        spin(worker);
        wait::until_true("there is another worker", SOON, || {
            pair.a.pids(Role::Worker).iter().all(|pid| *pid != worker)
        });
        drop(load);
        let lost = lost(&pair.a);
        assert_eq!(lost, "left heartbeats unanswered", "busy: {busy}");
        wait::until_true("it serves", SOON, || pair.a.status_at("/worker/state") == "serving");
        pair.wait_settled();
    }
}

/// Why the last worker was lost.
fn lost(node: &Node) -> String {
    let log = node.log();
    let line = log.iter().rev().find(|l| l.message() == Some("worker lost")).expect("it is told");
    line.field("reason").and_then(|r| r.as_str()).unwrap_or_default().to_owned()
}

/// Makes the threads of a process run for ever without doing anything, by the instruction to which a system call
/// returns: a jump to itself. What sleeps in the same place runs into it too.
fn spin(pid: Pid) {
    let at = wait::until("a data thread sleeps in the kernel", SOON, || {
        tasks(pid).into_iter().filter(|task| named(pid, *task, "ek-data-")).find_map(|task| {
            let call = fs::read_to_string(format!("/proc/{pid}/task/{task}/syscall")).ok()?;
            u64::from_str_radix(call.split_ascii_whitespace().next_back()?.strip_prefix("0x")?, 16).ok()
        })
    });
    let memory =
        fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")).expect("open the memory");
    memory.write_all_at(JUMP_TO_ITSELF, at).expect("write the instruction");
}

fn tasks(pid: Pid) -> Vec<Pid> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw)).collect()
}

fn named(pid: Pid, task: Pid, prefix: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/task/{task}/comm")).is_ok_and(|name| name.starts_with(prefix))
}

/// A CPU quota of a thousandth for one process, until it is dropped: a millisecond, then nothing for the rest of a
/// second.
struct Quota {
    group: PathBuf,
}

impl Quota {
    fn on(pid: Pid) -> Self {
        let root = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"].map(Path::new);
        let root =
            root.into_iter().find(|root| root.join("cgroup.procs").exists()).expect("a cgroup file system");
        if !root.join("cpu.cfs_quota_us").exists() && root.join("cgroup.subtree_control").exists() {
            fs::write(root.join("cgroup.subtree_control"), "+cpu").expect("delegate the cpu controller");
        }
        let group = root.join(format!("evenkeel-test-{pid}"));
        fs::create_dir(&group).expect("make a control group");
        let quota = Self { group };
        if quota.group.join("cpu.max").exists() {
            quota.set("cpu.max", "1000 1000000");
        } else {
            quota.set("cpu.cfs_period_us", "1000000");
            quota.set("cpu.cfs_quota_us", "1000");
        }
        quota.set("cgroup.procs", &pid.to_string());
        quota
    }

    fn set(&self, file: &str, value: &str) {
        let file = self.group.join(file);
        fs::write(&file, value).unwrap_or_else(|e| panic!("cannot set {}: {e}", file.display()));
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        let root = self.group.parent().expect("it was made in one");
        let members = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        for pid in members.lines() {
            // It may have ended meanwhile.
            fs::write(root.join("cgroup.procs"), pid).unwrap_or_default();
        }
        wait::until_true("the control group is gone", SOON, || {
            fs::remove_dir(&self.group).is_ok() || !self.group.exists()
        });
    }
}

/// Two loops on each processor, until they are dropped: whoever wants a processor gets a third of it.
struct Load {
    loops: Vec<Child>,
}

impl Load {
    fn start() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |n| {
            let mut shell = Command::new("setpriv");
            shell.args(["--pdeathsig", "KILL", "--", "sh", "-c", "while :; do :; done"]);
            let child = shell.stdin(Stdio::null()).spawn().expect("start a loop");
            bind(Pid::from_raw(child.id().try_into().expect("a process id")), n % processors);
            child
        };
        Self { loops: (0..processors * 2).map(start).collect() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.loops {
            child.kill().expect("kill a loop");
            child.wait().expect("wait for a loop");
        }
    }
}

fn bind(task: Pid, processor: usize) {
    let mut only = CpuSet::new();
    only.set(processor).expect("a processor number");
    sched_setaffinity(task, &only).expect("bind to a processor");
}

/// A client that keeps its connection.
struct Client(TcpStream);

impl Client {
    fn connect(from: &Host, target: SocketAddr) -> Self {
        let stream = from.ns.run(move || TcpStream::connect(target).expect("connect"));
        stream.set_read_timeout(Some(SOON)).expect("set a limit");
        Self(stream)
    }

    /// One request; its response has a body of known length.
    fn ask(&mut self) -> Result<(), String> {
        let text = |e: std::io::Error| e.to_string();
        self.0.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").map_err(text)?;
        let mut response = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = self.0.read(&mut piece).map_err(text)?;
            response.extend_from_slice(&piece[..count]);
            let said = String::from_utf8_lossy(&response);
            if count == 0 {
                return Err(format!("closed after {said:?}"));
            }
            let Some((head, body)) = said.split_once("\r\n\r\n") else { continue };
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.expect("a response with its length") {
                return head.starts_with("HTTP/1.1 200").then_some(()).ok_or_else(|| head.to_owned());
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
const JUMP_TO_ITSELF: &[u8] = &[0xeb, 0xfe];
#[cfg(target_arch = "aarch64")]
const JUMP_TO_ITSELF: &[u8] = &[0x00, 0x00, 0x00, 0x14];
