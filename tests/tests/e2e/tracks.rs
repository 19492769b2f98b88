//! What else decides who is MASTER, and who is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::PairConfig;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};

use super::pair::{BLINK, Pair};

/// A directory that the unprivileged script user may use.
fn open_scratch(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    scratch
}

#[test]
fn a_weighted_script_moves_the_address_with_keepalived_arithmetic() {
    let scratch = open_scratch("script");
    let flag = scratch.write("ok", "");
    // Node b's script always succeeds: 100 + 60; a has 150 + 60, or 150 when its own fails.
    let script = format!(
        "[vrrp_script.chk]\nscript = [\"/bin/sh\", \"-c\", \"test -e {} || test $(hostname -I | grep -c 10.77.0.2) = 1\"]\n\
         interval = \"50ms\"\ntimeout = \"2s\"\nweight = 60",
        flag.display()
    );
    let pair =
        Pair::start(&PairConfig::default().instance("track = [\"data_plane\", \"chk\"]").section(&script));
    let priority = |node: &evenkeel_tests::lab::Node| node.status_at("/vrrp/0/effective_priority");
    wait::until_true("both have their bonus", SOON, || priority(&pair.a) == 210 && priority(&pair.b) == 160);

    let failed = Instant::now();
    fs::remove_file(&flag).unwrap();
    pair.b.wait_state("VI_1", "MASTER", SOON);
    pair.wait_only(1);
    assert_eq!(priority(&pair.a), 150);

    scratch.write("ok", "");
    pair.wait_settled();
    assert!(pair.owners.both(VIP4, failed) < BLINK);
}

#[test]
fn a_script_without_weight_takes_the_node_out() {
    let scratch = open_scratch("fault");
    let flag = scratch.write("ok", "");
    let script = format!(
        "[vrrp_script.chk]\nscript = [\"/bin/sh\", \"-c\", \"test -e {} || test $(hostname -I | grep -c 10.77.0.2) = 1\"]\n\
         interval = \"50ms\"\ntimeout = \"2s\"",
        flag.display()
    );
    let pair =
        Pair::start(&PairConfig::default().instance("track = [\"data_plane\", \"chk\"]").section(&script));
    let failed = Instant::now();
    fs::remove_file(&flag).unwrap();
    let fault = pair.a.wait_state("VI_1", "FAULT", SOON);
    assert!(fault.cause.contains("chk"), "{}", fault.cause);
    pair.wait_only(1);
    let releases = pair.tap.adverts(&pair.lab.a, failed).iter().filter(|(_, a)| a.priority() == 0).count();
    assert!(releases >= 1, "it released");
    scratch.write("ok", "");
    pair.wait_settled();
}

#[test]
fn a_tracked_file_adds_its_number_times_the_weight() {
    let scratch = open_scratch("file");
    let file = scratch.write("bonus", "0\n");
    let track = format!("track = [\"data_plane\", {{ file = \"{}\", weight = 1 }}]", file.display());
    // The same file on both nodes, read by both: only `b` uses it here.
    let config = PairConfig { priority: "{ a = 150, b = 100 }", ..PairConfig::default() };
    let plain = config.render();
    let tracked = config.instance(&track).render();
    let lab = evenkeel_tests::lab::Lab::new();
    let _servers = evenkeel_tests::lab::Backend::pair(&lab.servers);
    let a = evenkeel_tests::lab::Node::start(&lab.a, &plain);
    let b = evenkeel_tests::lab::Node::start(&lab.b, &tracked);
    a.wait_state("VI_1", "MASTER", SOON);
    b.wait_state("VI_1", "BACKUP", SOON);
    scratch.write("bonus", "70\n");
    b.wait_state("VI_1", "MASTER", SOON);
    assert_eq!(b.status_at("/vrrp/0/effective_priority"), 170);
    scratch.write("bonus", "0\n");
    a.wait_state("VI_1", "MASTER", SOON);
    b.wait_state("VI_1", "BACKUP", SOON);
}

#[test]
fn a_tracked_interface_counts() {
    let lab = evenkeel_tests::lab::Lab::new();
    let _servers = evenkeel_tests::lab::Backend::pair(&lab.servers);
    for host in [&lab.a, &lab.b] {
        host.ns
            .ip("link add name uplink type veth peer name far\nlink set dev far up\nlink set dev uplink up");
    }
    let config =
        PairConfig::default().instance("track = [\"data_plane\", { interface = \"uplink\" }]").render();
    let a = evenkeel_tests::lab::Node::start(&lab.a, &config);
    let b = evenkeel_tests::lab::Node::start(&lab.b, &config);
    a.wait_state("VI_1", "MASTER", SOON);
    b.wait_state("VI_1", "BACKUP", SOON);
    lab.a.ns.ip("link set dev uplink down");
    a.wait_state("VI_1", "FAULT", SOON);
    b.wait_state("VI_1", "MASTER", SOON);
    lab.a.ns.ip("link set dev uplink up");
    a.wait_state("VI_1", "MASTER", SOON);
    b.wait_state("VI_1", "BACKUP", SOON);
}

#[test]
fn notify_scripts_run_in_order_with_keepalived_arguments() {
    let scratch = open_scratch("notify");
    let out = scratch.path().join("told");
    let script = scratch
        .write("notify.sh", &format!("#!/bin/sh\necho \"$@\" \"$(id -u)\" >> {}.$1.$4\n", out.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let lines: String = ["master", "backup", "fault", "stop"]
        .map(|state| format!("notify_{state} = [\"{}\", \"{state}\"]\n", script.display()))
        .concat();
    let mut pair = Pair::start(&PairConfig::default().instance(&lines));
    let told = |state: &str, priority: &str, keyword: &str| {
        // One file for each kind of call: `$1` is our own argument, `$4` the state.
        let path = format!("{}.{keyword}.{state}", out.display());
        wait::until(&format!("the {state} script has run"), SOON, || {
            let text = fs::read_to_string(&path).ok()?;
            text.lines()
                .find(|l| l.starts_with(&format!("{keyword} INSTANCE VI_1 {state} {priority} ")))
                .map(str::to_owned)
        })
    };
    let line = told("MASTER", "150", "master");
    assert!(!line.ends_with(" 0"), "not run by root: {line}");
    // It starts as unfit: its worker knows no server yet.
    told("BACKUP", "1", "backup");
    pair.lab.pull_cable(&pair.lab.a);
    told("FAULT", "150", "fault");
    pair.lab.plug_cable(&pair.lab.a);
    pair.wait_settled();
    pair.a.terminate();
    told("STOP", "150", "stop");
}

#[test]
fn a_sync_group_moves_whole() {
    let config = PairConfig { instance: "track = []\n".into(), ..PairConfig::default() }.section(
        "[vrrp.VI_2]\ninterface = \"eth1\"\nvirtual_router_id = 52\npriority = { a = 150, b = 100 }\nversion = 3\n\
         advert_int = \"100ms\"\nvirtual_ipaddress = [\"10.78.0.50/32\"]\ntrack = []\n\
         [sync_group.G]\ngroup = [\"VI_1\", \"VI_2\"]",
    );
    let lab = evenkeel_tests::lab::Lab::new();
    let _servers = evenkeel_tests::lab::Backend::pair(&lab.servers);
    // A second network between the two, as a cable of its own.
    lab.a.ns.ip(&format!("link add name eth1 type veth peer name eth1 netns {}", lab.b.ns.path()));
    for (host, last) in [(&lab.a, 1), (&lab.b, 2)] {
        host.ns.ip(&format!("link set dev eth1 up\naddr add 10.78.0.{last}/24 dev eth1"));
    }
    let inner = "10.78.0.50".parse().unwrap();
    let owners = evenkeel_tests::lab::Ownership::watch(&[&lab.a, &lab.b]);
    let config = config.render();
    let a = evenkeel_tests::lab::Node::start(&lab.a, &config);
    let b = evenkeel_tests::lab::Node::start(&lab.b, &config);
    let settled = |master: usize| {
        wait::until_true("both addresses are on one node", SOON, || {
            [VIP4, inner].iter().all(|vip| owners.holds(master, *vip) && !owners.holds(1 - master, *vip))
        });
    };
    settled(0);
    // The outer cable alone: the inner address goes along although its own cable is fine.
    lab.pull_cable(&lab.a);
    settled(1);
    let left = wait::until("VI_2 has left MASTER on a", SOON, || {
        a.transitions().into_iter().find(|t| t.instance == "VI_2" && t.from == "MASTER")
    });
    assert!(left.cause.contains('G'), "because of its group: {}", left.cause);
    lab.plug_cable(&lab.a);
    settled(0);
    wait::holds("the group stays together", Duration::from_secs(1), || {
        owners.holds(0, VIP4) == owners.holds(0, inner) && !owners.holds(1, VIP4)
    });
    drop(b);
}
