//! Scheduling class and locked memory of the VRRP thread, where the kernel grants them.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod netns;

use std::fs;
use std::time::Duration;

use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::driver::DriverOptions;
use evenkeel_vrrp::io::realtime::Privilege;
use netns::config::{FAST, engine, router};
use netns::{Lan, wait_for_state};

/// Scheduling policy and real-time priority of a thread of this process (fields 41 and 40 of proc_pid_stat(5)).
fn scheduling(name: &str) -> (String, String) {
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if fs::read_to_string(task.join("comm")).unwrap().trim() == name {
            let stat = fs::read_to_string(task.join("stat")).unwrap();
            let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
            return (fields[41 - 3].to_owned(), fields[40 - 3].to_owned());
        }
    }
    panic!("no thread {name}");
}

#[test]
fn privileges_are_used_or_reported() {
    let lan = Lan::new(1);
    let options = DriverOptions { realtime_priority: Some(7), lock_memory: true, ..DriverOptions::default() };
    let driver = lan.nodes[0].spawn(engine(router(&["192.0.2.50/32"], 200, FAST)), options);
    wait_for_state(&driver, State::Master, Duration::from_secs(5));
    let status = driver.status();
    println!("at most {:?} late", status.latest_wake);
    let refused = |what| status.refused.iter().any(|r| r.what == what);
    println!("refused: {:?}", status.refused);
    const SCHED_RR: &str = "2";
    let granted = scheduling("ek-vrrp") == (SCHED_RR.to_owned(), "7".to_owned());
    assert_ne!(granted, refused(Privilege::RealtimeScheduling));
    let process = fs::read_to_string("/proc/self/status").unwrap();
    let locked = process.lines().find_map(|l| l.strip_prefix("VmLck:")).unwrap();
    let locked_kib: u64 = locked.trim().trim_end_matches(" kB").parse().unwrap();
    println!("locked: {locked_kib} KiB");
    assert_ne!(locked_kib > 0, refused(Privilege::LockedMemory));
}
