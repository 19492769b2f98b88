//! What two Evenkeel nodes say on the wire, dialect by dialect.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::wire::{Heard, SeenAdvert};
use evenkeel_tests::lab::{Host, PairConfig};

use super::pair::{BLINK, Pair};

#[test]
fn v2_with_a_password_is_what_keepalived_would_send() {
    let pair = Pair::start(&PairConfig::v2());
    let advert = one_advert(&pair, &pair.lab.a);
    assert_eq!((advert.src, advert.dst), (ip("10.77.0.1"), ip("224.0.0.18")));
    assert_eq!(advert.hop_limit, 255);
    // Version and type, VRID, priority, count, PASS, 1 s; then the checksum.
    assert_eq!(advert.bytes[..6], [0x21, 51, 150, 1, 1, 1]);
    assert_eq!(advert.bytes[8..], *b"\x0a\x4d\x00\x32s3cr3t42");
}

#[test]
fn v3_adverts_come_every_interval_and_stop_at_the_backup() {
    let pair = Pair::start(&PairConfig::default());
    let from = Instant::now();
    wait::until_true("a has sent some adverts", SOON, || pair.tap.adverts(&pair.lab.a, from).len() > 20);
    let adverts = pair.tap.adverts(&pair.lab.a, from);
    let span = adverts.last().unwrap().0.duration_since(adverts[0].0);
    let mean = span / u32::try_from(adverts.len() - 1).unwrap();
    assert!(
        mean > Duration::from_millis(95) && mean < Duration::from_millis(115),
        "every 100 ms, not {mean:?}"
    );
    let (_, advert) = &adverts[0];
    assert_eq!(advert.bytes[..6], [0x31, 51, 150, 1, 0, 10]);
    assert_eq!(advert.bytes[8..], [10, 77, 0, 50]);
    assert!(pair.tap.adverts(&pair.lab.b, from).is_empty(), "a BACKUP is silent");
}

#[test]
fn a_wrong_password_is_no_peer() {
    let lab = evenkeel_tests::lab::Lab::new();
    let _servers = evenkeel_tests::lab::Backend::pair(&lab.servers);
    let owners = evenkeel_tests::lab::Ownership::watch(&[&lab.a, &lab.b]);
    let config = PairConfig::v2().render();
    let a = evenkeel_tests::lab::Node::start(&lab.a, &config);
    a.wait_state("VI_1", "MASTER", SOON);
    let b = evenkeel_tests::lab::Node::start(&lab.b, &config.replace("s3cr3t42", "another1"));
    b.wait_state("VI_1", "MASTER", SOON);
    wait::until_true("each is on its own", SOON, || owners.holds(0, VIP4) && owners.holds(1, VIP4));
    wait::until_true("and counts why", SOON, || {
        a.status_at("/vrrp/0/counters/drop_auth_pass").as_u64().is_some_and(|n| n >= 2)
    });
}

#[test]
fn unicast_adverts_go_to_the_peer_alone_and_fail_over() {
    let config = PairConfig::default()
        .instance("unicast_src_ip = { a = \"10.77.0.1\", b = \"10.77.0.2\" }")
        .instance("unicast_peer = { a = [\"10.77.0.2\"], b = [\"10.77.0.1\"] }");
    let mut pair = Pair::start(&config);
    let advert = one_advert(&pair, &pair.lab.a);
    assert_eq!((advert.src, advert.dst), (ip("10.77.0.1"), ip("10.77.0.2")));
    let prober = pair.traffic();
    let stopped = Instant::now();
    pair.a.terminate();
    prober.wait_via(&pair.lab.b, SOON);
    let report = prober.stop().since(stopped);
    assert!(report.longest_outage() < Duration::from_millis(800), "{report}");
    pair.a.restart();
    pair.wait_settled();
    assert!(pair.owners.both(VIP4, stopped) < BLINK);
}

#[test]
fn a_virtual_mac_stays_the_same_wherever_the_address_is() {
    let mut pair = Pair::start(&PairConfig::default().instance("use_vmac = true"));
    let virtual_mac = [0x00, 0x00, 0x5e, 0x00, 0x01, 51];
    let says = |host: &Host, from: Instant| {
        wait::until(&format!("{} sends adverts from the virtual MAC", host.name), SOON, || {
            let frames = pair.tap.frames();
            frames
                .iter()
                .any(|f| {
                    f.from == host.name
                        && f.at >= from
                        && f.mac == virtual_mac
                        && matches!(f.heard, Heard::Advert(_))
                })
                .then_some(())
        });
        let announced = pair.tap.announcements(host, from);
        assert!(announced.iter().all(|(_, n)| n.addr != VIP4 || n.mac == virtual_mac), "{announced:?}");
    };
    says(&pair.lab.a, Instant::now());
    let prober = pair.traffic();
    let entry = pair.lab.client.ns.output("ip neigh show 10.77.0.50");
    assert!(entry.contains("00:00:5e:00:01:33"), "the client knows the virtual MAC: {entry}");

    let stopped = Instant::now();
    pair.a.terminate();
    prober.wait_via(&pair.lab.b, SOON);
    pair.b.wait_state("VI_1", "MASTER", SOON);
    let report = prober.stop().since(stopped);
    assert!(report.longest_outage() < Duration::from_millis(800), "{report}");
    let links = pair.lab.a.ns.output("ip -o link show");
    assert!(
        !links.contains("macvlan") && links.lines().count() == 2,
        "a has removed its macvlan interface: {links}"
    );
    pair.a.restart();
    pair.wait_settled();
}

#[test]
fn nopreempt_leaves_the_address_where_it_is() {
    let mut pair = Pair::start(&PairConfig::default().instance("preempt = \"never\""));
    pair.a.terminate();
    pair.b.wait_state("VI_1", "MASTER", SOON);
    let returned = Instant::now();
    pair.a.restart();
    pair.a.wait_fit();
    pair.a.wait_state("VI_1", "BACKUP", SOON);
    wait::holds("b keeps the VIP", Duration::from_secs(1), || {
        pair.owners.holds(1, VIP4) && !pair.owners.holds(0, VIP4)
    });
    assert!(pair.b.transitions().iter().all(|t| t.at < returned));
}

#[test]
fn excluded_addresses_move_along_unadvertised() {
    let config =
        PairConfig::default().instance("virtual_ipaddress_excluded = [\"10.77.0.51/32\", \"fd77::51/64\"]");
    let mut pair = Pair::start(&config);
    let extra = [ip("10.77.0.51"), ip("fd77::51")];
    wait::until_true("a has them", SOON, || extra.iter().all(|addr| pair.owners.holds(0, *addr)));
    let advert = one_advert(&pair, &pair.lab.a);
    assert_eq!(advert.bytes[3], 1, "one address is advertised");
    pair.a.terminate();
    wait::until_true("b has them", SOON, || {
        extra.iter().all(|addr| pair.owners.holds(1, *addr) && !pair.owners.holds(0, *addr))
    });
}

fn one_advert(pair: &Pair, host: &Host) -> SeenAdvert {
    let from = Instant::now();
    wait::until(&format!("{} advertises", host.name), SOON, || pair.tap.adverts(host, from).pop()).1
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
