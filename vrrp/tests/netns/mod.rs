//! Nodes in network namespaces of their own, for tests that need root.
//!
//! A node is a thread that has left the namespace of the test; what runs on it, and every thread and process started
//! there, lives in its namespace. The namespace goes when the last of them ends.
#![allow(dead_code, unreachable_pub, reason = "shared by test binaries that each use a part of it")]
#![expect(clippy::disallowed_methods, reason = "tests measure real time")]

pub mod config;
pub mod wire;

use std::fs;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_vrrp::config::EngineConfig;
use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::driver::{self, DriverEvent, DriverHandle, DriverOptions};
use evenkeel_vrrp::io::netlink::{AddressRecord, Netlink};
use evenkeel_vrrp::types::{IfIndex, IfName};
use nix::poll::{PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, gettid};

type Job = Box<dyn FnOnce() + Send>;

/// A namespace with a thread in it.
pub struct Node {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    namespace: String,
}

impl Node {
    /// An empty namespace with `lo` up.
    pub fn new() -> Self {
        assert!(Uid::effective().is_root(), "this test makes network namespaces and must run as root");
        let (jobs, work) = mpsc::channel::<Job>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).expect("cannot make a network namespace");
            tell.send(format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid())).unwrap();
            for job in work {
                job();
            }
        });
        let namespace = told.recv().expect("the node did not start");
        let node = Self { jobs: Some(jobs), thread: Some(thread), namespace };
        // No duplicate detection: IPv6 addresses are usable at once.
        node.run(|| fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")).expect("no IPv6 here");
        node.ip("link set lo up");
        node
    }

    /// Runs something on the node and waits for it; a panic there is a panic here.
    pub fn run<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        let job = move || tell.send(catch_unwind(AssertUnwindSafe(f))).unwrap();
        self.jobs.as_ref().unwrap().send(Box::new(job)).expect("the node has ended");
        told.recv().unwrap().unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs `ip` with these words; it must succeed.
    pub fn ip(&self, words: &str) {
        let words = words.to_owned();
        self.run(move || {
            let output = Command::new("ip")
                .args(words.split_whitespace())
                .stdin(Stdio::null())
                .output()
                .expect("this test needs the `ip` program (iproute2)");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {words}: {error}");
        });
    }

    /// The addresses of the node.
    pub fn addresses(&self) -> Vec<AddressRecord> {
        self.run(|| Netlink::open().unwrap().addresses().unwrap())
    }

    /// Whether an address is on the node.
    pub fn has(&self, addr: IpAddr) -> bool {
        self.addresses().iter().any(|r| r.address.addr == addr)
    }

    /// The index of an interface.
    pub fn index(&self, name: &str) -> IfIndex {
        let name = IfName::new(name).unwrap();
        self.run(move || {
            let links = Netlink::open().unwrap().links().unwrap();
            links.into_iter().find(|l| l.name == name).expect("no such interface").ifindex
        })
    }

    /// Starts a VRRP thread on the node.
    pub fn spawn(&self, config: EngineConfig, options: DriverOptions) -> DriverHandle {
        self.run(move || driver::spawn(config, options)).unwrap()
    }

    /// Where other processes find the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("jobs do not panic outside of `run`");
        }
    }
}

/// Nodes around one switch. Node `i` has `eth0` with 192.0.2.(i+1)/24 and a link-local address; its port at the
/// switch is `p<i>`.
pub struct Lan {
    pub nodes: Vec<Node>,
    pub switch: Node,
}

impl Lan {
    pub fn new(count: usize) -> Self {
        let switch = Node::new();
        switch.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0");
        switch.ip("link set br0 up");
        let nodes: Vec<_> = (0..count).map(|_| Node::new()).collect();
        for (i, node) in nodes.iter().enumerate() {
            switch.ip(&format!("link add p{i} type veth peer name eth0 netns {}", node.namespace()));
            switch.ip(&format!("link set p{i} master br0 up"));
            node.ip(&format!("address add 192.0.2.{}/24 dev eth0", i + 1));
            node.ip("link set eth0 up");
            let name = IfName::new("eth0").unwrap();
            let running = || {
                let name = name.clone();
                node.run(move || {
                    let links = Netlink::open().unwrap().links().unwrap();
                    links.iter().any(|l| l.name == name && l.running)
                })
            };
            wait_for("carrier on eth0", Duration::from_secs(5), running);
            wait_for("a link-local address", Duration::from_secs(5), || {
                node.addresses().iter().any(|r| is_link_local(r.address.addr) && r.address.usable)
            });
        }
        Self { nodes, switch }
    }

    /// The nodes that have an address.
    pub fn owners(&self, addr: IpAddr) -> Vec<usize> {
        let indices = 0..self.nodes.len();
        indices.filter(|i| self.nodes.get(*i).is_some_and(|n| n.has(addr))).collect()
    }
}

/// Waits for the router to reach a state, by its events; everything that was told meanwhile.
pub fn wait_for_state(driver: &DriverHandle, state: State, limit: Duration) -> Vec<DriverEvent> {
    let events = driver.events();
    let mut told = Vec::new();
    wait_for(state.as_str(), limit, || {
        told.extend(events.take());
        told.iter().rev().find_map(|e| if let DriverEvent::Transition(t) = e { Some(t.to) } else { None })
            == Some(state)
    });
    told
}

/// Waits until the condition holds and tells how long it took; fails after `limit`.
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "no {what} within {limit:?}");
        tick();
    }
    start.elapsed()
}

/// Checks that the condition holds all the time.
pub fn holds_for(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(condition(), "{what}: not after {:?}", start.elapsed());
        tick();
    }
}

/// Lets others run for a moment.
fn tick() {
    poll(&mut [], PollTimeout::from(2u8)).unwrap();
}

fn is_link_local(addr: IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
