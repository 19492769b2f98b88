//! The network around the MASTER fails, in every way it can.

use std::time::{Duration, Instant};

use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Backend, Host, Lab, Node, Ownership, PairConfig};

use super::pair::{BLINK, Pair};

#[test]
fn a_pulled_cable_moves_the_address_and_plugging_brings_it_back() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let pulled = Instant::now();
    pair.lab.pull_cable(&pair.lab.a);
    prober.wait_via(&pair.lab.b, SOON);
    let lost = pair.a.wait_state("VI_1", "FAULT", SOON);
    assert!(lost.at < pulled + Duration::from_secs(1), "the node sees its own cable");
    pair.wait_only(1);
    let report = prober.report().since(pulled);
    assert!(report.longest_outage() < Duration::from_millis(1500), "Master_Down is 361 ms: {report}");
    assert!(pair.owners.both(VIP4, pulled) < BLINK);

    let plugged = Instant::now();
    pair.lab.plug_cable(&pair.lab.a);
    pair.wait_settled();
    prober.wait_via(&pair.lab.a, SOON);
    prober.run_for(Duration::from_millis(300));
    assert!(pair.owners.both(VIP4, plugged) < BLINK);
}

#[test]
fn a_silent_blackhole_moves_the_address_and_the_heal_is_heard_by_everybody() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let lost = Instant::now();
    pair.lab.blackhole(&pair.lab.a);
    prober.wait_via(&pair.lab.b, SOON);
    prober.run_for(Duration::from_millis(500));
    let report = prober.report().since(lost);
    assert!(report.longest_outage() < Duration::from_millis(1500), "{report}");

    let healed = Instant::now();
    pair.lab.unblackhole(&pair.lab.a);
    pair.wait_settled();
    prober.wait_via(&pair.lab.a, SOON);
    prober.run_for(Duration::from_millis(500));
    let report = prober.stop().since(healed);
    assert!(
        report.longest_outage() < Duration::from_millis(500),
        "a client with a stale entry is told: {report}"
    );
    assert!(
        pair.tap.announcements(&pair.lab.a, healed).iter().any(|(_, n)| n.addr == VIP4),
        "the winner announces itself"
    );
}

#[test]
fn a_healed_partition_leaves_no_client_behind() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    // More splits than this within ten seconds run into the limit on announcements that others can cause.
    for round in 0..2 {
        pair.lab.partition();
        pair.b.wait_state("VI_1", "MASTER", SOON);
        // Both hold it, and the client listens to whom it heard last: b.
        prober.wait_via(&pair.lab.b, SOON);
        prober.run_for(Duration::from_millis(200));
        let healed = Instant::now();
        pair.lab.heal();
        pair.wait_settled();
        prober.wait_via(&pair.lab.a, SOON);
        prober.run_for(Duration::from_millis(300));
        let report = prober.report().since(healed);
        assert!(report.longest_outage() < Duration::from_millis(200), "heal {round}: {report}");
    }
}

#[test]
fn a_flushed_address_comes_back_at_once() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let flushed = Instant::now();
    pair.lab.a.ns.ip("addr del 10.77.0.50/32 dev eth0");
    wait::until_true("the VIP is on again", SOON, || {
        pair.owners.of(VIP4).iter().any(|c| c.at >= flushed && !c.added) && pair.owners.holds(0, VIP4)
    });
    prober.wait_via(&pair.lab.a, SOON);
    let report = prober.stop().since(flushed);
    assert!(report.longest_outage() < Duration::from_millis(500), "{report}");
    assert!(pair.a.transitions().iter().all(|t| t.at < flushed), "repaired without an election");
    wait::until_true("it is counted", SOON, || {
        pair.a.status_at("/vrrp/0/counters/vips_restored").as_u64().is_some_and(|n| n >= 1)
    });
}

#[test]
fn everything_flushed_from_the_interface_is_survived() {
    let pair = Pair::start(&PairConfig::default());
    let flushed = Instant::now();
    // What an eager network manager does: all addresses go, its own come back.
    pair.lab.a.ns.ip("addr flush dev eth0");
    pair.b.wait_state("VI_1", "MASTER", SOON);
    pair.wait_only(1);
    assert!(pair.owners.both(VIP4, flushed) < BLINK);
    let status = pair.a.status_at("/vrrp/0/cause");
    assert!(status.as_str().is_some_and(|cause| cause.contains("address")), "status says why: {status}");
    pair.lab.a.address();
    pair.wait_settled();
}

#[test]
fn a_late_interface_and_a_late_address_are_waited_for() {
    let lab = Lab::new();
    let _servers = Backend::pair(&lab.servers);
    let late = Host::unplugged("late", 3);
    let owners = Ownership::watch(&[&late]);
    let config = PairConfig { priority: "120", ..PairConfig::default() }.render();
    let node = Node::start(&late, &config);
    let why = |part: &str| {
        wait::until_true(&format!("status says `{part}`"), SOON, || {
            node.status_at("/vrrp/0/cause").as_str().is_some_and(|cause| cause.contains(part))
        });
    };
    why("interface");
    assert!(!owners.holds(0, VIP4));
    late.plug_into(&lab.switch);
    why("no address");
    assert!(!owners.holds(0, VIP4));
    late.address();
    node.wait_state("VI_1", "MASTER", SOON);
    wait::until_true("the VIP is on", SOON, || owners.holds(0, VIP4));
}

#[test]
fn an_interface_that_is_replaced_is_followed() {
    let pair = Pair::start(&PairConfig::default());
    let gone = Instant::now();
    pair.lab.switch.ip("link del dev a");
    pair.b.wait_state("VI_1", "MASTER", SOON);
    // Another index, another Ethernet address.
    pair.lab.a.plug_into(&pair.lab.switch);
    pair.lab.a.address();
    pair.wait_settled();
    assert!(pair.owners.both(VIP4, gone) < BLINK);
    let prober = pair.traffic();
    assert!(prober.stop().served() > 10);
}
