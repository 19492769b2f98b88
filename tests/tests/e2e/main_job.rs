//! What the product is for: two nodes, one address, traffic, and a planned hand-over.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use evenkeel_tests::lab::client::{Failure, Pace, Reuse};
use evenkeel_tests::lab::topology::{VIP4, VIP6};
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{PairConfig, Prober};
use serde_json::json;

use super::pair::{BLINK, Pair, http};

#[test]
fn a_pair_elects_and_serves_both_families_through_its_addresses() {
    let config = PairConfig::default().section(
        "[vrrp.VI_6]\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = { a = 150, b = 100 }\nversion = 3\n\
         advert_int = \"100ms\"\nvirtual_ipaddress = [\"fe80::50/64\", \"fd77::50/64\"]",
    );
    let pair = Pair::start(&config);
    pair.a.wait_state("VI_6", "MASTER", SOON);
    pair.b.wait_state("VI_6", "BACKUP", SOON);

    for vip in [VIP4, VIP6] {
        let prober = Prober::start(&pair.lab.client, http(vip));
        prober.wait_answer(SOON);
        let begin = Instant::now();
        prober.run_for(Duration::from_millis(500));
        let report = prober.stop().since(begin);
        assert!(report.served() > 20, "{vip}: {report}");
        assert_eq!(report.failed(), 0, "{vip}: {report}");
    }
    assert!(pair.servers.iter().all(|s| s.requests() > 20), "round robin uses both servers");

    let pace = Pace { connection: Reuse::KeepAlive, ..Pace::default() };
    let prober = Prober::with_pace(&pair.lab.client, http(VIP4), pace);
    prober.wait_answer(SOON);
    prober.run_for(Duration::from_millis(500));
    let report = prober.stop();
    assert!(report.served() > 20 && report.failed() == 0, "keep-alive: {report}");
}

#[test]
fn status_tells_who_is_master_and_why() {
    let pair = Pair::start(&PairConfig::default());
    wait::until_true("a knows that the VIP is on", SOON, || {
        pair.a.status_at("/vrrp/0/vips/0/held") == json!(true)
    });
    let (a, b) = (pair.a.status().unwrap(), pair.b.status().unwrap());
    let at = |doc: &serde_json::Value, pointer: &str| doc.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at(&a, "/node"), "a");
    assert_eq!(at(&a, "/vrrp/0/state"), "MASTER");
    assert_eq!(at(&b, "/vrrp/0/state"), "BACKUP");
    assert_eq!(at(&b, "/vrrp/0/master"), "10.77.0.1");
    assert_eq!(at(&b, "/vrrp/0/peers/0/priority"), 150);
    assert_eq!(at(&a, "/vrrp/0/effective_priority"), 150);
    assert_eq!(at(&a, "/vrrp/0/vips/0"), json!({"address": "10.77.0.50/32", "held": true}));
    assert_eq!(at(&b, "/vrrp/0/vips/0"), json!({"address": "10.77.0.50/32", "held": false}));
    assert_ne!(at(&a, "/vrrp/0/cause"), "");
    assert_eq!(at(&a, "/worker/state"), "serving");
    assert_eq!(at(&a, "/worker/fitness"), "fit");
    assert!(
        at(&a, "/guard/answered_ms").as_u64().is_some_and(|ms| ms < 5_000),
        "the guard answers heartbeats"
    );
    assert_eq!(at(&a, "/listeners/0/frontend"), "www");
    let servers = at(&a, "/proxy/servers");
    let up = servers.as_array().unwrap().iter().filter(|s| s["state"] == "UP").count();
    assert_eq!(up, 2, "{servers}");
}

#[test]
fn sigterm_hands_over_and_the_preferred_node_comes_back_warm() {
    let mut pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();

    let stopped = Instant::now();
    let status = pair.a.terminate();
    assert_eq!(status.code(), Some(0), "a planned stop is no failure");
    prober.wait_via(&pair.lab.b, SOON);
    pair.wait_only(1);
    let (at, last) = pair.tap.adverts(&pair.lab.a, stopped).pop().expect("a said something");
    assert_eq!(last.priority(), 0, "its last word was the release");
    let took = pair.b.wait_state("VI_1", "MASTER", SOON).at;
    assert!(
        took < at + Duration::from_millis(700),
        "b waited for Skew_Time (61 ms), not for Master_Down (361 ms)"
    );
    let report = prober.report().since(stopped);
    assert!(report.longest_outage() < Duration::from_millis(800), "{report}");
    assert!(pair.owners.both(VIP4, stopped) < BLINK);

    // The backends are known to be up before the address comes back: nobody gets a 503.
    prober.run_for(Duration::from_millis(300));
    let returned = Instant::now();
    pair.a.restart();
    pair.wait_settled();
    prober.wait_via(&pair.lab.a, SOON);
    prober.run_for(Duration::from_millis(500));
    let report = prober.stop().since(returned);
    assert_eq!(report.count(Failure::Status(503)), 0, "{report}");
    assert_eq!(report.count(Failure::Refused), 0, "{report}");
    // What was under way through b in the very millisecond of the change may be cut.
    assert!(report.failed() <= 2, "{report}");
    assert!(pair.owners.both(VIP4, returned) < BLINK);
}

#[test]
fn an_ipv6_pair_fails_over() {
    let config = PairConfig { vips: "[\"fe80::50/64\", \"fd77::50/64\"]", ..PairConfig::default() };
    let lab = evenkeel_tests::lab::Lab::new();
    let _servers = evenkeel_tests::lab::Backend::pair(&lab.servers);
    let owners = evenkeel_tests::lab::Ownership::watch(&[&lab.a, &lab.b]);
    let tap = evenkeel_tests::lab::Tap::start(&lab);
    let config = config.render();
    let mut a = evenkeel_tests::lab::Node::start(&lab.a, &config);
    let b = evenkeel_tests::lab::Node::start(&lab.b, &config);
    a.wait_state("VI_1", "MASTER", SOON);
    b.wait_state("VI_1", "BACKUP", SOON);
    let prober = Prober::start(&lab.client, http(VIP6));
    prober.wait_via(&lab.a, SOON);

    let stopped = Instant::now();
    a.terminate();
    b.wait_state("VI_1", "MASTER", SOON);
    prober.wait_via(&lab.b, SOON);
    let report = prober.stop().since(stopped);
    assert!(report.longest_outage() < Duration::from_millis(800), "{report}");
    let link_local: IpAddr = "fe80::50".parse().unwrap();
    for vip in [VIP6, link_local] {
        assert!(owners.holds(1, vip) && !owners.holds(0, vip), "{vip}");
        assert!(owners.both(vip, stopped) < BLINK, "{vip}");
        assert!(tap.announcements(&lab.b, stopped).iter().any(|(_, n)| n.addr == vip), "{vip} is announced");
    }
    let adverts = tap.adverts(&lab.b, stopped);
    let (_, advert) = adverts.first().expect("b advertises");
    assert_eq!((advert.dst, advert.hop_limit), ("ff02::12".parse().unwrap(), 255));
    assert!(matches!(advert.src, IpAddr::V6(src) if src.is_unicast_link_local()), "{}", advert.src);
}
