//! The harness itself, proved on the pair everybody knows: Keepalived and HAProxy.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::keepalived::Dialect;
use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::SOON;
use evenkeel_tests::lab::{Backend, HaProxy, Keepalived, Lab, Ownership, Prober, Tap};

#[test]
fn keepalived_fails_over_and_every_instrument_sees_it() {
    let lab = Lab::new();
    let _servers = Backend::pair(&lab.servers);
    let tap = Tap::start(&lab);
    let owners = Ownership::watch(&[&lab.a, &lab.b]);
    let dialect = Dialect { version: 3, advert: "0.1", vips: "10.77.0.50/32", instance: String::new() };
    let _proxies = [HaProxy::start(&lab.a), HaProxy::start(&lab.b)];
    let mut a = Keepalived::start(&lab.a, 150, &dialect);
    a.wait_state("MASTER", SOON);
    let b = Keepalived::start(&lab.b, 100, &dialect);
    b.wait_state("BACKUP", SOON);
    let prober = Prober::start(&lab.client, SocketAddr::new(VIP4, 80));
    prober.wait_via(&lab.a, SOON);
    prober.run_for(Duration::from_millis(300));

    let stopped = Instant::now();
    a.terminate();
    b.wait_state("MASTER", SOON);
    prober.wait_via(&lab.b, SOON);

    assert!(!owners.holds(0, VIP4) && owners.holds(1, VIP4));
    let (both, none) = (owners.both(VIP4, stopped), owners.none(VIP4, stopped));
    assert!(both < Duration::from_millis(50), "a planned stop: both held the VIP for {both:?}");
    // Skew_Time of priority 100 at 100 ms: 61 ms.
    assert!(none > Duration::from_millis(20) && none < Duration::from_secs(1), "nobody held it for {none:?}");
    let last = tap.adverts(&lab.a, stopped).pop().expect("a said something");
    assert_eq!(last.1.priority(), 0, "its last word was the release");
    assert!(tap.announcements(&lab.b, stopped).iter().filter(|(_, n)| n.addr == VIP4).count() >= 5);
    let report = prober.stop().since(stopped);
    let outage = report.longest_outage();
    assert!(outage > Duration::from_millis(20) && outage < Duration::from_secs(2), "{report}");
}
