//! Debian's Keepalived as the peer, in both roles and every dialect: one MASTER, failover under load both ways.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::keepalived::Dialect;
use evenkeel_tests::lab::topology::{Host, VIP4, VIP6};
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Backend, HaProxy, Keepalived, Lab, Node, Ownership, PairConfig, Prober, Tap};

use super::pair::{BLINK, http};

/// One way to speak, said in both languages.
struct Case {
    keepalived: Dialect,
    evenkeel: PairConfig,
    vip: IpAddr,
    /// Longest outage of a planned stop: Skew_Time and what a busy machine adds.
    stop: Duration,
}

fn v2_pass() -> Case {
    let instance = "authentication {\n auth_type PASS\n auth_pass s3cr3t42\n }".into();
    Case {
        keepalived: Dialect { version: 2, advert: "1", vips: "10.77.0.50/32", instance },
        evenkeel: PairConfig::v2(),
        vip: VIP4,
        stop: Duration::from_millis(1600),
    }
}

fn v3_multicast() -> Case {
    Case {
        keepalived: Dialect { version: 3, advert: "0.1", vips: "10.77.0.50/32", instance: String::new() },
        evenkeel: PairConfig::default(),
        vip: VIP4,
        stop: Duration::from_millis(1000),
    }
}

/// Keepalived sits on `keepalived`, Evenkeel on the other of 1 and 2.
fn v3_unicast(keepalived: u8) -> Case {
    let mine = 3 - keepalived;
    let mut case = v3_multicast();
    case.keepalived.instance =
        format!("unicast_src_ip 10.77.0.{keepalived}\n unicast_peer {{\n 10.77.0.{mine}\n }}");
    case.evenkeel = case
        .evenkeel
        .instance(&format!("unicast_src_ip = \"10.77.0.{mine}\"\nunicast_peer = \"10.77.0.{keepalived}\""));
    case
}

fn v3_ipv6() -> Case {
    let mut case = v3_multicast();
    case.keepalived.vips = "fe80::50/64\nfd77::50/64";
    case.evenkeel.vips = "[\"fe80::50/64\", \"fd77::50/64\"]";
    case.vip = VIP6;
    case
}

#[test]
fn v2_pass_keepalived_preferred() {
    keepalived_preferred(v2_pass());
}

#[test]
fn v2_pass_evenkeel_preferred() {
    evenkeel_preferred(v2_pass());
}

#[test]
fn v3_multicast_keepalived_preferred() {
    keepalived_preferred(v3_multicast());
}

#[test]
fn v3_multicast_evenkeel_preferred() {
    evenkeel_preferred(v3_multicast());
}

#[test]
fn v3_unicast_keepalived_preferred() {
    keepalived_preferred(v3_unicast(1));
}

#[test]
fn v3_unicast_evenkeel_preferred() {
    evenkeel_preferred(v3_unicast(2));
}

#[test]
fn v3_ipv6_keepalived_preferred() {
    keepalived_preferred(v3_ipv6());
}

#[test]
fn v3_ipv6_evenkeel_preferred() {
    evenkeel_preferred(v3_ipv6());
}

/// Keepalived on `a` with priority 150, Evenkeel on `b` with 100.
fn keepalived_preferred(mut case: Case) {
    case.evenkeel.priority = "100";
    let mixed = Mixed::new(&case);
    let lab = &mixed.lab;
    let _proxy = HaProxy::start(&lab.a);
    let mut peer = Keepalived::start(&lab.a, 150, &case.keepalived);
    peer.wait_state("MASTER", SOON);
    let node = Node::start(&lab.b, &case.evenkeel.render());
    node.wait_state("VI_1", "BACKUP", SOON);
    mixed.wait_owner(0);
    let prober = mixed.traffic(&lab.a);

    // The MASTER stops as planned.
    let stopped = Instant::now();
    peer.terminate();
    node.wait_state("VI_1", "MASTER", SOON);
    mixed.check_move(&prober, &lab.b, 1, stopped, case.stop);

    // It comes back and preempts.
    let returned = Instant::now();
    let mut peer = Keepalived::start(&lab.a, 150, &case.keepalived);
    peer.wait_state("MASTER", SOON);
    node.wait_state("VI_1", "BACKUP", SOON);
    mixed.check_move(&prober, &lab.a, 0, returned, case.stop);

    // Without a word: the cable.
    let pulled = Instant::now();
    lab.pull_cable(&lab.a);
    node.wait_state("VI_1", "MASTER", SOON);
    prober.wait_via(&lab.b, SOON);
    assert!(mixed.owners.both(case.vip, pulled) < BLINK);
    lab.plug_cable(&lab.a);
    peer.wait_state("MASTER", SOON);
    mixed.wait_owner(0);
    peer.terminate();
}

/// Evenkeel on `a` with priority 150, Keepalived on `b` with 100.
fn evenkeel_preferred(mut case: Case) {
    case.evenkeel.priority = "150";
    let mixed = Mixed::new(&case);
    let lab = &mixed.lab;
    let mut node = Node::start(&lab.a, &case.evenkeel.render());
    node.wait_state("VI_1", "MASTER", SOON);
    let _proxy = HaProxy::start(&lab.b);
    let mut peer = Keepalived::start(&lab.b, 100, &case.keepalived);
    peer.wait_state("BACKUP", SOON);
    mixed.wait_owner(0);
    let prober = mixed.traffic(&lab.a);

    let stopped = Instant::now();
    assert_eq!(node.terminate().code(), Some(0));
    peer.wait_state("MASTER", SOON);
    mixed.check_move(&prober, &lab.b, 1, stopped, case.stop);

    let returned = Instant::now();
    node.restart();
    node.wait_state("VI_1", "MASTER", SOON);
    peer.wait_state("BACKUP", SOON);
    mixed.check_move(&prober, &lab.a, 0, returned, case.stop);

    let pulled = Instant::now();
    lab.pull_cable(&lab.a);
    peer.wait_state("MASTER", SOON);
    prober.wait_via(&lab.b, SOON);
    assert!(mixed.owners.both(case.vip, pulled) < BLINK);
    lab.plug_cable(&lab.a);
    node.wait_state("VI_1", "MASTER", SOON);
    peer.wait_state("BACKUP", SOON);
    mixed.wait_owner(0);
    peer.terminate();
}

/// The instruments around a mixed pair.
struct Mixed {
    owners: Ownership,
    tap: Tap,
    _servers: [Backend; 2],
    vip: IpAddr,
    lab: Lab,
}

impl Mixed {
    fn new(case: &Case) -> Self {
        let lab = Lab::new();
        Self {
            owners: Ownership::watch(&[&lab.a, &lab.b]),
            tap: Tap::start(&lab),
            _servers: Backend::pair(&lab.servers),
            vip: case.vip,
            lab,
        }
    }

    fn wait_owner(&self, node: usize) {
        wait::until_true("the VIP is on one node only", SOON, || {
            self.owners.holds(node, self.vip) && !self.owners.holds(1 - node, self.vip)
        });
    }

    fn traffic(&self, via: &Host) -> Prober {
        let prober = Prober::start(&self.lab.client, http(self.vip));
        prober.wait_via(via, SOON);
        prober.run_for(Duration::from_millis(200));
        prober
    }

    /// The VIP is on `node` alone, clients follow it, and neither took long.
    fn check_move(&self, prober: &Prober, host: &Host, node: usize, since: Instant, limit: Duration) {
        self.wait_owner(node);
        prober.wait_via(host, SOON);
        prober.run_for(Duration::from_millis(300));
        let report = prober.report().since(since);
        assert!(report.longest_outage() < limit, "to {}: {report}", host.name);
        let both = self.owners.both(self.vip, since);
        assert!(both < BLINK, "to {}: both held the VIP for {both:?}", host.name);
        let announced = self.tap.announcements(host, since);
        assert!(announced.iter().any(|(_, n)| n.addr == self.vip), "{} announces the VIP", host.name);
    }
}
