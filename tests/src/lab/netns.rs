//! Network namespaces without names: each is held by a thread that lives in it. It vanishes with its processes and
//! this value, even if the test is killed.

use std::fs;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, gettid};

use super::wait;

/// A network namespace.
#[derive(Debug)]
pub struct Netns {
    name: String,
    /// Where `ip link … netns` finds it.
    path: String,
    handle: OwnedFd,
    inode: u64,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Netns {
    /// Makes a new, empty namespace.
    ///
    /// # Panics
    /// Without root, or when the kernel refuses.
    pub fn new(name: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "the end-to-end tests make network namespaces: run them as root"
        );
        let (jobs, inbox) = channel::<Job>();
        let (tell, told) = channel();
        let thread = Builder::new()
            .name(format!("in-{name}"))
            .spawn(move || {
                unshare(CloneFlags::CLONE_NEWNET).expect("unshare the network namespace");
                let handle = fs::File::open(OWN_NETNS).expect("open the new namespace");
                tell.send((handle, gettid())).expect("the maker of the namespace waits");
                while let Ok(job) = inbox.recv() {
                    job();
                }
            })
            .expect("start a namespace thread");
        let (handle, tid) = told.recv().expect("the namespace thread answers");
        let inode = handle.metadata().expect("stat the namespace").st_ino();
        let path = format!("/proc/{}/task/{tid}/ns/net", std::process::id());
        let ns = Self {
            name: name.into(),
            path,
            handle: handle.into(),
            inode,
            jobs: Some(jobs),
            thread: Some(thread),
        };
        ns.sysctl("net/ipv6/conf/all/accept_dad", "0");
        ns.sysctl("net/ipv6/conf/default/accept_dad", "0");
        ns.sysctl("net/ipv6/conf/default/accept_ra", "0");
        ns.ip("link set lo up");
        ns
    }

    /// Name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path by which `ip link … netns` finds the namespace.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Runs `work` on the thread that holds the namespace and waits for its result.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        let job: Job = Box::new(move || {
            // A receiver that is gone has panicked itself.
            tell.send(catch_unwind(AssertUnwindSafe(work))).unwrap_or_default();
        });
        self.jobs.as_ref().expect("not dropped").send(job).expect("the namespace thread lives");
        told.recv().expect("the namespace thread answers").unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Starts another thread inside the namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        role: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let handle = self.handle.try_clone().expect("clone the namespace descriptor");
        let thread = Builder::new().name(format!("{role}-{}", self.name));
        let entered = move || {
            setns(handle.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the namespace");
            work()
        };
        thread.spawn(entered).expect("start a thread")
    }

    /// Starts a process inside the namespace. It dies with the namespace (`setpriv` asks the kernel for that, since the
    /// parent of the process is the thread that holds the namespace).
    pub fn command(&self, program: &str, prepare: impl FnOnce(&mut Command) + Send + 'static) -> Child {
        let program = program.to_owned();
        self.run(move || {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--", &program]);
            prepare(&mut command);
            command.spawn().unwrap_or_else(|e| panic!("cannot run setpriv {program}: {e}"))
        })
    }

    /// Runs a program to its end and returns what it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn output(&self, line: &str) -> String {
        let line = line.to_owned();
        self.run(move || {
            let mut words = line.split_ascii_whitespace();
            let program = words.next().expect("a program");
            let out = Command::new(program).args(words).output();
            let out = out.unwrap_or_else(|e| panic!("cannot run {line}: {e}"));
            assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8_lossy(&out.stdout).into_owned()
        })
    }

    /// Runs `ip` with these lines, one command each.
    ///
    /// # Panics
    /// If one fails.
    pub fn ip(&self, batch: &str) {
        feed(self, "ip", batch);
    }

    /// Runs `bridge` with these lines.
    ///
    /// # Panics
    /// If one fails.
    pub fn bridge(&self, batch: &str) {
        feed(self, "bridge", batch);
    }

    /// Sets a value under `/proc/sys`; a missing one is a kernel without that feature.
    pub fn sysctl(&self, key: &str, value: &str) {
        let (path, value) = (format!("/proc/sys/{key}"), value.to_owned());
        self.run(move || {
            if fs::exists(&path).unwrap_or(false) {
                fs::write(&path, value).unwrap_or_else(|e| panic!("cannot set {path}: {e}"));
            }
        });
    }

    /// Every process in the namespace, whoever started it.
    pub fn processes(&self) -> Vec<Pid> {
        let own = std::process::id();
        let pids = fs::read_dir("/proc").expect("read /proc").filter_map(|entry| {
            entry.ok()?.file_name().to_str()?.parse::<u32>().ok().filter(|pid| *pid != own)
        });
        pids.filter(|pid| {
            // A process that has just ended has no namespace any more.
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|m| m.st_ino() == self.inode)
        })
        .filter_map(|pid| i32::try_from(pid).ok().map(Pid::from_raw))
        .collect()
    }

    /// Kills every process in the namespace.
    pub fn kill_all(&self) {
        for pid in self.processes() {
            // It may have ended meanwhile.
            kill(pid, Signal::SIGKILL).unwrap_or_default();
        }
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        self.kill_all();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been handed to whoever asked for the work.
            thread.join().unwrap_or_default();
        }
        if !std::thread::panicking() {
            wait::until_true("the processes of the namespace are gone", Duration::from_secs(10), || {
                self.kill_all();
                self.processes().is_empty()
            });
        }
    }
}

fn feed(ns: &Netns, program: &'static str, batch: &str) {
    let batch = batch.to_owned();
    let (out, batch) = ns.run(move || {
        let mut child = Command::new(program)
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {program} (Debian package iproute2): {e}"));
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(batch.as_bytes()).expect("write to its standard input");
        drop(stdin);
        (child.wait_with_output().expect("wait for it"), batch)
    });
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} in {}: {errors}in\n{batch}", ns.name);
}

const OWN_NETNS: &str = "/proc/thread-self/ns/net";
