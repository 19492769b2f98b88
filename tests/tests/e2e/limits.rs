//! What a process may open, and what is done when it may open no more.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use evenkeel_tests::lab::node::Role;
use evenkeel_tests::lab::wait::SOON;

use super::site::{FRONT, Site};

/// Sends a request and reads the beginning of its answer.
fn ask(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it takes a request");
    let mut bytes = [0; 4096];
    let n = stream.read(&mut bytes).expect("an answer in time");
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}

#[test]
fn a_house_without_descriptors_serves_a_polite_client() {
    let site = Site::start(&format!("{FRONT}bind = \"*:80\""), |_| {});
    let connect = || site.lab.client.ns.run(|| TcpStream::connect("10.77.0.1:80").expect("connect"));
    let worker = site.node.pid(Role::Worker);
    let limits = |pid| std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits of a process");
    let open_files = limits(worker);
    let open_files = open_files.lines().find(|l| l.starts_with("Max open files")).expect("a line");
    let columns: Vec<&str> = open_files.split_whitespace().collect();
    assert_eq!(columns[3], columns[4], "as many as it may: {open_files}");

    let mut idle: Vec<TcpStream> = (0..40).map(|_| connect()).collect();
    for client in &mut idle {
        assert!(ask(client).starts_with("HTTP/1.1 200"));
    }
    // Not one more: the least number that is free is one too many.
    let numbers = std::fs::read_dir(format!("/proc/{worker}/fd")).expect("descriptors of a process");
    let numbers = numbers.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let numbers: BTreeSet<u32> = numbers.collect();
    let most = (0..).find(|n| !numbers.contains(n)).expect("a number");
    let limit = format!("--nofile={most}:");
    // Whoever a process belongs to may lower what it may open.
    let owner = |kind: &str| -> u32 {
        let status =
            std::fs::read_to_string(format!("/proc/{worker}/status")).expect("the status of a process");
        let line = status.lines().find_map(|l| l.strip_prefix(kind)).expect("whose it is").to_owned();
        line.split_whitespace().next().and_then(|id| id.parse().ok()).expect("a number")
    };
    let set = Command::new("prlimit")
        .args(["--pid", &worker.to_string(), &limit])
        .uid(owner("Uid:"))
        .gid(owner("Gid:"))
        .output()
        .expect("prlimit runs");
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));

    let mut polite = Vec::new();
    for _ in 0..10 {
        let mut client = connect();
        assert!(ask(&mut client).starts_with("HTTP/1.1 200"));
        polite.push(client);
    }
    let closed = |client: &TcpStream| {
        client.set_read_timeout(Some(Duration::from_millis(1))).expect("a limit");
        matches!(client.peek(&mut [0]), Ok(0))
    };
    let gone = idle.iter().filter(|client| closed(client)).count();
    assert!((1..idle.len()).contains(&gone), "those who waited longest made room: {gone}");
}
