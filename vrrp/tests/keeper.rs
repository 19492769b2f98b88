//! A keeper that dies, freezes, goes in peace or misses news, and its guard. The keeper is a process of its own: this
//! binary again, told by an environment variable to play the keeper in one of its tests.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests measure real time")]

mod netns;

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use evenkeel_vrrp::config::{EngineConfig, Preempt, RouterConfig};
use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::Speaker;
use evenkeel_vrrp::io::driver::{self, DriverEvent, DriverOptions};
use evenkeel_vrrp::io::guard::{self, GuardOptions, GuardReport};
use evenkeel_vrrp::io::netlink::Netlink;
use evenkeel_vrrp::types::Priority;
use netns::config::{FAST, addr, engine, router};
use netns::wire::Tap;
use netns::{Lan, holds_for, wait_for, wait_for_state};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;

const VIP: &str = "192.0.2.50/32";
const VIP6: &str = "2001:db8::50/128";
const LIMIT: Duration = Duration::from_secs(20);
const KEEPER: &str = "EK_TEST_KEEPER";

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap()
}

type Guard = JoinHandle<std::io::Result<GuardReport>>;

fn start_guard(lan: &Lan, socket: OwnedFd) -> Guard {
    lan.nodes[0].run(|| {
        let options = GuardOptions { speaker: Some(Speaker::open().unwrap()), ..GuardOptions::default() };
        std::thread::spawn(|| guard::run(socket, options))
    })
}

fn keeper_router(advert_cs: u16) -> RouterConfig {
    let excluded = vec![netns::config::vip(VIP6)];
    RouterConfig { excluded, preempt: Preempt::Never, ..router(&[VIP], 200, advert_cs) }
}

fn keeper_config(advert_cs: u16) -> EngineConfig {
    engine(keeper_router(advert_cs))
}

/// A keeper process on the node, MASTER, with its guard in this process.
struct Keeper {
    child: Child,
    guard: Option<Guard>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // A failed test may leave it stopped.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Keeper {
    fn start(lan: &Lan, advert_cs: u16) -> Self {
        let (ours, guards) = pair();
        let guard = start_guard(lan, guards);
        let child = lan.nodes[0].run(move || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "plays_the_keeper_when_asked", "--nocapture"])
                .env(KEEPER, advert_cs.to_string())
                .stdin(Stdio::from(ours))
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        });
        for vip in [VIP, VIP6] {
            wait_for("the keeper's address", LIMIT, || lan.nodes[0].has(addr(vip)));
        }
        Self { child, guard: Some(guard) }
    }

    /// Kills the process; what its guard does, and how long after.
    fn killed(mut self) -> (GuardReport, Duration) {
        let start = Instant::now();
        self.child.kill().unwrap();
        let report = self.guard.take().unwrap().join().unwrap().unwrap();
        (report, start.elapsed())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }
}

/// Not a test by itself: the body of the keeper process. Its standard input is the guard's socket.
#[test]
fn plays_the_keeper_when_asked() {
    let Ok(advert_cs) = std::env::var(KEEPER) else { return };
    let guard = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let options = DriverOptions { guard: Some(guard), ..DriverOptions::default() };
    let driver = driver::spawn(keeper_config(advert_cs.parse().unwrap()), options).unwrap();
    // Until it is killed.
    wait_for("end", Duration::from_secs(60), || driver.is_finished());
}

fn gone(lan: &Lan) -> bool {
    !lan.nodes[0].has(addr(VIP)) && !lan.nodes[0].has(addr(VIP6))
}

#[test]
fn killed_keeper_loses_its_addresses_at_once() {
    let lan = Lan::new(1);
    let keeper = Keeper::start(&lan, FAST);
    let (report, took) = keeper.killed();
    assert!(gone(&lan));
    assert_eq!(report.removed, 2);
    println!("guard done {took:?} after SIGKILL");
    // The target is 20 ms; the rest is for a busy machine.
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn the_guard_releases_in_the_place_of_a_killed_keeper() {
    let lan = Lan::new(2);
    let keeper = Keeper::start(&lan, FAST);
    let tap = Tap::new(&lan.nodes[1]);
    let (report, _) = keeper.killed();
    assert_eq!((report.removed, report.farewells, report.unsaid), (2, 1, 0));
    let mut heard = Vec::new();
    wait_for("priority 0", LIMIT, || {
        heard.extend(tap.adverts_v4());
        heard.last().is_some_and(|f| f.get(36) == Some(&0))
    });
    let last = heard.last().unwrap();
    assert_eq!((last[15], last[22]), (0xc0, 255), "traffic class and TTL of an advert");
    assert_eq!((&last[26..30], &last[30..34]), (&[192, 0, 2, 1][..], &[224, 0, 0, 18][..]));
    let before = heard.iter().rev().find(|f| f[36] != 0);
    assert!(before.is_none_or(|f| f[35] == last[35] && f[34] == last[34] && f[40..] == last[40..]));
}

#[test]
fn the_guard_of_a_frozen_keeper_releases_when_the_lease_ends() {
    let lan = Lan::new(2);
    let keeper = Keeper::start(&lan, FAST);
    let tap = Tap::new(&lan.nodes[1]);
    keeper.signal(Signal::SIGSTOP);
    wait_for("priority 0", LIMIT, || tap.adverts_v4().iter().any(|f| f.get(36) == Some(&0)));
    assert!(gone(&lan), "off before it is said");
    let (report, _) = keeper.killed();
    assert_eq!((report.farewells, report.unsaid), (1, 0), "said once");
}

#[test]
fn frozen_keeper_loses_its_addresses_after_the_lease_and_recovers() {
    let lan = Lan::new(1);
    let keeper = Keeper::start(&lan, FAST);
    holds_for("beats keep the lease", Duration::from_millis(800), || !gone(&lan));
    keeper.signal(Signal::SIGSTOP);
    let took = wait_for("end of the lease", LIMIT, || gone(&lan));
    println!("gone {took:?} after SIGSTOP; the lease is 250 ms");
    assert!(took >= Duration::from_millis(100), "the last beat was at most 100 ms old: {took:?}");
    // Less than the kernel takes, whose lifetime is one second here.
    assert!(took < Duration::from_millis(900), "{took:?}");
    keeper.signal(Signal::SIGCONT);
    wait_for("the address again", LIMIT, || lan.nodes[0].has(addr(VIP)));
    holds_for("armed anew", Duration::from_millis(600), || lan.nodes[0].has(addr(VIP)));
    keeper.killed();
    assert!(gone(&lan));
}

#[test]
fn peer_of_a_frozen_keeper_takes_over_with_no_moment_of_two_owners() {
    let lan = Lan::new(2);
    let keeper = Keeper::start(&lan, FAST);
    let peer = lan.nodes[1].spawn(
        engine(RouterConfig { priority: Priority::new(100), ..keeper_router(FAST) }),
        DriverOptions::default(),
    );
    wait_for_state(&peer, State::Backup, LIMIT);
    let never_two = || assert!(lan.owners(addr(VIP)).len() < 2, "two owners");
    keeper.signal(Signal::SIGSTOP);
    wait_for("take-over", LIMIT, || {
        never_two();
        lan.owners(addr(VIP)) == [1]
    });
    let tap = Tap::new(&lan.nodes[1]);
    keeper.signal(Signal::SIGCONT);
    holds_for("the sleeper does not come back", Duration::from_millis(800), || lan.owners(addr(VIP)) == [1]);
    let from_sleeper = |f: &&Vec<u8>| f.get(26..30) == Some(&[192, 0, 2, 1]);
    assert_eq!(tap.adverts_v4().iter().filter(from_sleeper).count(), 0, "adverts of a MASTER that slept");
    keeper.killed();
}

#[test]
fn keeper_that_goes_in_peace_leaves_nothing_to_the_guard() {
    let lan = Lan::new(1);
    let (ours, guards) = pair();
    let guard = start_guard(&lan, guards);
    let options = DriverOptions { guard: Some(ours), ..DriverOptions::default() };
    let driver = lan.nodes[0].spawn(keeper_config(FAST), options);
    wait_for_state(&driver, State::Master, LIMIT);
    wait_for("answers", LIMIT, || driver.status().guard.last_ack.is_some());
    assert!(driver.status().guard.connected);
    driver.shutdown().unwrap();
    assert_eq!(guard.join().unwrap().unwrap(), GuardReport::default());
}

#[test]
fn guard_acts_on_the_keepers_pidfd_though_a_descendant_holds_the_socket() {
    let lan = Lan::new(1);
    let (ours, guards) = pair();
    // A pipe that hangs up is to `poll` what a pidfd is whose process has ended.
    let (keeper, life) = nix::unistd::pipe().unwrap();
    let options = GuardOptions { keeper: Some(keeper), ..GuardOptions::default() };
    let guard = lan.nodes[0].run(|| std::thread::spawn(|| guard::run(guards, options)));
    let options = DriverOptions { guard: Some(ours), ..DriverOptions::default() };
    let driver = lan.nodes[0].spawn(keeper_config(FAST), options);
    wait_for_state(&driver, State::Master, LIMIT);
    assert!(!guard.is_finished());
    drop(life);
    assert_eq!(guard.join().unwrap().unwrap().removed, 2);
    drop(driver);
}

#[test]
fn dead_guard_is_noticed_and_its_successor_takes_over() {
    let lan = Lan::new(1);
    let (ours, guards) = pair();
    let options = DriverOptions { guard: Some(ours), ..DriverOptions::default() };
    let driver = lan.nodes[0].spawn(keeper_config(FAST), options);
    wait_for_state(&driver, State::Master, LIMIT);
    drop(guards);
    let events = driver.events();
    wait_for("loss of the guard", LIMIT, || events.take().contains(&DriverEvent::GuardLost));
    assert!(!driver.status().guard.connected);
    assert!(!gone(&lan), "the keeper goes on");

    let (ours, mut guards) = pair();
    driver.set_guard(ours).unwrap();
    wait_for("the new guard", LIMIT, || driver.status().guard.connected);
    // This guard reads nothing, which shows.
    wait_for("unanswered beats", LIMIT, || driver.status().guard.unanswered >= 3);
    let mut first = [0; 256];
    let length = std::fs::File::from(guards.try_clone().unwrap()).read(&mut first).unwrap();
    assert_eq!((first[0], first[1]), (1, 2), "{:?}", &first[..length]);
    let (ours, fresh) = pair();
    guards = fresh;
    let guard = start_guard(&lan, guards);
    driver.set_guard(ours).unwrap();
    wait_for("answers", LIMIT, || {
        driver.status().guard.unanswered == 0 && driver.status().guard.last_ack.is_some()
    });
    drop(driver);
    assert_eq!(guard.join().unwrap().unwrap().removed, 0);
}

#[test]
fn news_lost_in_a_storm_is_found_out_by_a_dump() {
    let lan = Lan::new(1);
    let keeper = Keeper::start(&lan, SLOW);
    let index = lan.nodes[0].index("eth0");
    keeper.signal(Signal::SIGSTOP);
    // More than the queue of the frozen keeper holds; then its own address, of which it hears nothing.
    let (took, dropped) = lan.nodes[0].run(move || {
        let start = Instant::now();
        let mut netlink = Netlink::open().unwrap();
        for _ in 0..6_000 {
            netlink.set_address(index, [10, 99, 0, 1].into(), 32, Duration::from_secs(600)).unwrap();
        }
        netlink.delete_address(index, addr(VIP), 32).unwrap();
        (start.elapsed(), std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap())
    });
    let drops = dropped.lines().skip(1).filter_map(|l| l.split_whitespace().nth(8)?.parse::<u64>().ok());
    let drops: u64 = drops.sum();
    println!("storm of {took:?}, {drops} messages dropped");
    assert!(drops > 0, "{dropped}");
    assert!(took < Duration::from_secs(7), "the lease is 7.5 s: {took:?}");
    keeper.signal(Signal::SIGCONT);
    let back = wait_for("the address again", LIMIT, || lan.nodes[0].has(addr(VIP)));
    println!("back after {back:?}");
    keeper.killed();
}

/// A lease that outlasts the storm on a busy machine.
const SLOW: u16 = 300;
