//! Against Keepalived on the other node. Run with `--ignored` where Keepalived is installed.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod netns;

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use evenkeel_vrrp::config::{RouterConfig, Transport};
use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::driver::DriverOptions;
use evenkeel_vrrp::types::{AuthPass, Version};
use netns::config::{FAST, engine, router};
use netns::{Lan, holds_for, wait_for, wait_for_state};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const VIP: &str = "192.0.2.50/32";
const LIMIT: Duration = Duration::from_secs(15);
static RUNS: AtomicU32 = AtomicU32::new(0);

/// Keepalived on a node; ends with this value.
struct Keepalived {
    child: Child,
    directory: PathBuf,
}

impl Keepalived {
    /// `instance` is the body of the `vrrp_instance`; priority 100 unless it says otherwise.
    fn start(lan: &Lan, node: usize, instance: &str) -> Self {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("ek-keepalived-{}-{run}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let text = format!(
            "vrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n \
             virtual_router_id 51\n priority 100\n{instance}\n}}\n"
        );
        fs::write(directory.join("keepalived.conf"), text).unwrap();
        let at = directory.clone();
        let child = lan.nodes[node].run(move || {
            let file = |name: &str| at.join(name).into_os_string();
            Command::new("keepalived")
                .args(["--dont-fork", "--log-console", "--vrrp", "--use-file"])
                .arg(file("keepalived.conf"))
                .arg("--pid")
                .arg(file("pid"))
                .arg("--vrrp_pid")
                .arg(file("vrrp.pid"))
                .stdin(Stdio::null())
                .stdout(fs::File::create(file("log")).unwrap())
                .stderr(Stdio::null())
                .spawn()
                .expect("this test needs keepalived")
        });
        Self { child, directory }
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// Our MASTER is believed, its release is understood, and it deposes the weaker Keepalived again.
fn take_turns(ours: RouterConfig, instance: &str) {
    let lan = Lan::new(2);
    let vip = ours.vips.last().unwrap().addr;
    let driver = lan.nodes[0].spawn(engine(ours.clone()), DriverOptions::default());
    wait_for_state(&driver, State::Master, LIMIT);
    let keepalived = Keepalived::start(&lan, 1, instance);
    let patience = ours.least_master_down() * 2;
    holds_for("keepalived believes us", patience, || lan.owners(vip) == [0]);
    driver.shutdown().unwrap();
    wait_for("keepalived's take-over", LIMIT, || lan.owners(vip) == [1]);
    let driver = lan.nodes[0].spawn(engine(ours.clone()), DriverOptions::default());
    wait_for_state(&driver, State::Master, LIMIT);
    wait_for("keepalived's release", LIMIT, || lan.owners(vip) == [0]);
    holds_for("keepalived believes us again", patience, || lan.owners(vip) == [0]);
    drop(keepalived);
}

#[test]
#[ignore = "needs keepalived"]
fn version_2_with_password() {
    let ours = RouterConfig {
        version: Version::V2,
        auth_pass: Some(AuthPass(*b"s3cr3t42")),
        ..router(&[VIP], 101, 100)
    };
    let auth = "advert_int 1\n authentication {\n auth_type PASS\n auth_pass s3cr3t42\n }";
    take_turns(ours, &format!("{auth}\n virtual_ipaddress {{ {VIP} }}"));
}

#[test]
#[ignore = "needs keepalived"]
fn version_3_multicast() {
    let instance = format!("version 3\n advert_int 0.1\n virtual_ipaddress {{ {VIP} }}");
    take_turns(router(&[VIP], 101, FAST), &instance);
}

#[test]
#[ignore = "needs keepalived"]
fn version_3_unicast() {
    let peers = vec![IpAddr::from([192, 0, 2, 2])];
    let transport = Transport::Unicast { peers, check_source: true };
    let ours = RouterConfig { transport, ..router(&[VIP], 101, FAST) };
    let unicast = "unicast_src_ip 192.0.2.2\n unicast_peer {\n 192.0.2.1\n }";
    let instance = format!("version 3\n advert_int 0.1\n {unicast}\n virtual_ipaddress {{ {VIP} }}");
    take_turns(ours, &instance);
}

#[test]
#[ignore = "needs keepalived"]
fn version_3_ipv6() {
    let vips = ["fe80::50/64", "2001:db8::50/128"];
    let instance =
        format!("version 3\n advert_int 0.1\n virtual_ipaddress {{\n {}\n {}\n }}", vips[0], vips[1]);
    take_turns(router(&vips, 101, FAST), &instance);
}
