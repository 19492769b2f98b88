//! Packets that must change nothing, and storms that must cost next to nothing.

use std::net::IpAddr;

use crate::config::{AnnounceConfig, ChecksumForm, RouterConfig, Transport, VipMismatch};
use crate::event::{RxMeta, State};
use crate::packet::{Advert, Auth, GROUP_V4};
use crate::script::{ETH0, HIGH, LOW, OWN, Script, ifindex, ip, ms, tutorial, v3, v6};
use crate::stats::Counter;
use crate::types::{AuthPass, Priority, Version, Vrid};

/// A change to a good advert of priority 200 that would depose the MASTER, and the counter that must explain why not.
struct Forgery {
    name: &'static str,
    meta: fn(&mut RxMeta),
    advert: fn(&mut Advert),
    bytes: fn(&mut Vec<u8>),
    counter: Counter,
}

const GOOD: Forgery = Forgery {
    name: "the control",
    meta: |_| (),
    advert: |_| (),
    bytes: |_| (),
    counter: Counter::AdvertsReceived,
};

fn forgeries() -> Vec<Forgery> {
    let from = |name, meta| Forgery { name, meta, counter: Counter::DropSource, ..GOOD };
    let bytes = |name, bytes, counter| Forgery { name, bytes, counter, ..GOOD };
    let advert = |name, advert, counter| Forgery { name, advert, counter, ..GOOD };
    vec![
        from("source 0.0.0.0", |m| m.src = ip("0.0.0.0")),
        from("multicast source", |m| m.src = ip("224.0.0.18")),
        from("loopback source", |m| m.src = ip("127.0.0.1")),
        from("limited broadcast source", |m| m.src = ip("255.255.255.255")),
        from("subnet broadcast source", |m| m.src = ip("10.77.0.255")),
        Forgery { name: "own source", meta: |m| m.src = ip(OWN), counter: Counter::DropOwnSource, ..GOOD },
        Forgery { name: "TTL 254", meta: |m| m.hop_limit = 254, counter: Counter::DropHopLimit, ..GOOD },
        Forgery {
            name: "unicast to us",
            meta: |m| m.dst = ip(OWN),
            counter: Counter::DropDestination,
            ..GOOD
        },
        bytes("bad checksum", |b| b[6] ^= 1, Counter::DropChecksum),
        bytes("version 4", |b| b[0] = 0x41, Counter::DropVersion),
        bytes("version 3", |b| b[0] = 0x31, Counter::DropVersion),
        bytes("type 2", |b| b[0] = 0x22, Counter::DropType),
        bytes("truncated header", |b| b.truncate(7), Counter::DropTruncated),
        bytes("truncated body", |b| b.truncate(19), Counter::DropLength),
        bytes("padded", |b| b.push(0), Counter::DropLength),
        bytes("count lies", |b| b[3] = 2, Counter::DropLength),
        advert("count 0", |a| a.addresses.clear(), Counter::DropCount),
        advert("other addresses", |a| a.addresses = vec![ip("10.77.0.99")], Counter::DropVipMismatch),
        advert("more addresses", |a| a.addresses.push(ip("10.77.0.99")), Counter::DropVipMismatch),
        advert("no authentication", |a| a.auth = Auth::None, Counter::DropAuthType),
        advert("wrong password", |a| a.auth = Auth::Pass(AuthPass(*b"s3cr3t43")), Counter::DropAuthPass),
        advert("short password", |a| a.auth = Auth::Pass(AuthPass(*b"s3cr3t\0\0")), Counter::DropAuthPass),
        Forgery {
            name: "authentication type 2",
            bytes: |b| {
                b[4] = 2;
                b[6] = b[6].wrapping_sub(1);
            },
            counter: Counter::DropAuthType,
            ..GOOD
        },
        advert(
            "other interval",
            |a| a.interval = crate::types::Centis::new(200).expect("in range"),
            Counter::DropIntervalMismatch,
        ),
    ]
}

fn send(s: &mut Script, forgery: &Forgery) {
    let mut advert = s.peer_advert(0, 200);
    (forgery.advert)(&mut advert);
    let (src, dst) = (ip(HIGH), IpAddr::from(GROUP_V4));
    let mut meta = RxMeta { ifindex: ifindex(ETH0), src, dst, hop_limit: 255 };
    (forgery.meta)(&mut meta);
    let mut bytes = advert.encode(ChecksumForm::Rfc5798, meta.src, meta.dst);
    (forgery.bytes)(&mut bytes);
    s.hear_raw(&meta, &bytes);
}

#[test]
fn each_forgery_is_counted_by_its_cause_and_moves_nothing() {
    for forgery in forgeries() {
        for mut s in [Script::master(tutorial(100)), Script::backup(tutorial(100))] {
            let before = (s.state(), s.next());
            send(&mut s, &forgery);
            s.expect(&[]);
            assert_eq!((s.state(), s.next()), before, "{}", forgery.name);
            let counters = s.router(0).counters;
            let engine = s.engine.snapshot(s.now).counters;
            let count = counters.count(forgery.counter) + engine.count(forgery.counter);
            assert_eq!(count, 1, "{}: {:?}", forgery.name, forgery.counter);
            assert_eq!(counters.count(Counter::AdvertsReceived), 0, "{}", forgery.name);
            assert!(s.router(0).peers.is_empty(), "{}", forgery.name);
        }
    }
    let mut s = Script::master(tutorial(100));
    send(&mut s, &GOOD);
    assert_eq!(s.state(), State::Backup, "the control does depose");
}

/// A zero interval would make a BACKUP's timer run out at once (`facts/reliability.md` §6).
#[test]
fn v3_interval_zero_is_dropped() {
    let mut s = Script::master(v3(100, 100));
    let advert = s.peer_advert(0, 200);
    let (src, dst) = (ip(HIGH), IpAddr::from(GROUP_V4));
    let mut bytes = advert.encode(ChecksumForm::Rfc9568, src, dst);
    // 100 cs less, and the checksum more by as much.
    bytes[5] = 0;
    let sum = u16::from_be_bytes([bytes[6], bytes[7]]) + 100;
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    s.hear_bytes(src, dst, &bytes);
    s.expect(&[]);
    assert_eq!((s.state(), s.counter(Counter::DropIntervalZero)), (State::Master, 1));
}

#[test]
fn adverts_for_nobody_are_counted_by_the_engine() {
    let mut s = Script::backup(tutorial(100));
    let dst = IpAddr::from(GROUP_V4);
    let mut other = s.peer_advert(0, 200);
    other.vrid = Vrid::new(52).expect("not 0");
    s.hear_advert(HIGH, &other, ChecksumForm::Rfc5798);
    let bytes = s.peer_advert(0, 200).encode(ChecksumForm::Rfc5798, ip(HIGH), dst);
    let meta = RxMeta { ifindex: ifindex(99), src: ip(HIGH), dst, hop_limit: 255 };
    s.hear_raw(&meta, &bytes);
    s.hear_bytes(ip("fe80::9"), ip("ff02::12"), &bytes);
    assert_eq!(s.engine.snapshot(s.now).counters.count(Counter::DropUnknownRouter), 3);
    assert_eq!(s.counter(Counter::AdvertsReceived), 0);
}

/// `facts/reliability.md` §10: 3,000 adverts of priority 1 in 6 s: at most 10 adverts a second and 5 gratuitous ARPs.
#[test]
fn a_storm_is_not_amplified() {
    let announce = AnnounceConfig { repeat: 5, lower_prio_repeat: 5, ..tutorial(100).announce };
    for priority in [1, 0] {
        let mut s = Script::master(RouterConfig { announce, ..tutorial(100) });
        for n in 0..3000 {
            s.run_to(ms(n * 2));
            s.hear(LOW, priority);
        }
        assert_eq!(s.state(), State::Master);
        let words = s.words();
        let count = |prefix: &str| words.iter().filter(|w| w.starts_with(prefix)).count();
        let (adverts, frames) = (count("advert"), count("garp"));
        assert!((7..=60).contains(&adverts), "{adverts} adverts in 6 s");
        assert_eq!(frames, 5);
    }
}

/// Nor is one that makes the router change sides all the time: each change takes Skew_Time at least.
#[test]
fn a_flapping_rival_is_not_amplified() {
    let announce = AnnounceConfig { repeat: 5, lower_prio_repeat: 5, ..tutorial(100).announce };
    let mut s = Script::master(RouterConfig { announce, ..tutorial(100) });
    for n in 0..300 {
        s.run_to(ms(n * 20));
        s.hear(HIGH, if n % 2 == 0 { 254 } else { 0 });
    }
    let words = s.words();
    let count = |prefix: &str| words.iter().filter(|w| w.starts_with(prefix)).count();
    assert!(count("advert") <= 60, "{} adverts", count("advert"));
    assert!(count("garp") <= 55, "{} frames", count("garp"));
    assert!(words.len() < 200, "{} actions", words.len());
}

/// The first of a kind is answered at once even in the middle of nowhere; limits bound repetition, not reaction.
#[test]
fn the_first_answer_comes_at_once() {
    let mut s = Script::master(tutorial(100));
    s.run_to(ms(1234));
    s.forget();
    s.hear(LOW, 99);
    s.expect(&["advert 100", "garp 10.77.0.50"]);
}

/// What the limit has put off comes later, once: the addresses are announced after the last rival all the same.
#[test]
fn a_suppressed_announcement_is_made_up_for() {
    let announce = AnnounceConfig { lower_prio_repeat: 5, ..tutorial(100).announce };
    let mut s = Script::master(RouterConfig { announce, ..tutorial(100) });
    for n in 0..5 {
        s.run_to(ms(n * 500));
        s.hear(LOW, 99);
    }
    assert_eq!(s.count("garp"), 5);
    s.run_to(ms(9999));
    assert_eq!(s.count("garp"), 0);
    s.run_to(ms(30_000));
    assert_eq!(s.count("garp"), 1);
}

#[test]
fn a_differing_address_list_is_a_matter_of_policy() {
    let router = RouterConfig { vip_mismatch: VipMismatch::Accept, ..tutorial(100) };
    let mut s = Script::master(router);
    let mut advert = s.peer_advert(0, 200);
    advert.addresses = vec![ip("10.77.0.99")];
    s.hear_advert(HIGH, &advert, ChecksumForm::Rfc5798);
    assert_eq!(s.state(), State::Backup);
    assert_eq!(s.counter(Counter::VipMismatchAccepted), 1);
}

/// The owner of the address speaks from it, and is heard even by the node that holds it meanwhile. Any other address of
/// this node is a reflection.
#[test]
fn the_owner_may_speak_from_the_address_itself() {
    let mut s = Script::master(tutorial(100));
    s.address(true, "10.77.0.22", 24);
    assert!(s.router(0).vips[0].on);
    s.hear("10.77.0.22", 255);
    assert_eq!((s.state(), s.counter(Counter::DropOwnSource)), (State::Master, 1));
    s.hear("10.77.0.50", 255);
    assert_eq!(s.state(), State::Backup);
}

#[test]
fn the_order_of_addresses_means_nothing() {
    let mut s = Script::master(v6(100));
    let mut advert = s.peer_advert(0, 200);
    advert.addresses.reverse();
    s.hear_advert("fe80::9", &advert, ChecksumForm::Rfc5798);
    assert_eq!(s.state(), State::Backup);
}

/// RFC 9568 §5.1.2.1.
#[test]
fn ipv6_adverts_come_from_a_link_local_address() {
    let mut s = Script::master(v6(100));
    let advert = s.peer_advert(0, 200);
    for (from, counter) in [("fd77::9", Counter::DropSource), ("fe80::2", Counter::DropOwnSource)] {
        s.hear_advert(from, &advert, ChecksumForm::Rfc5798);
        assert_eq!((s.state(), s.counter(counter)), (State::Master, 1), "{from}");
    }
    s.hear_advert("fe80::9", &advert, ChecksumForm::Rfc5798);
    assert_eq!(s.state(), State::Backup);
}

fn unicast(check_source: bool) -> RouterConfig {
    RouterConfig { transport: Transport::Unicast { peers: vec![ip(LOW)], check_source }, ..v3(100, 100) }
}

fn hear_unicast(s: &mut Script, from: &str, dst: &str, hop_limit: u8) {
    let (src, dst) = (ip(from), ip(dst));
    let bytes = s.peer_advert(0, 200).encode(ChecksumForm::Rfc5798, src, dst);
    s.hear_raw(&RxMeta { ifindex: ifindex(ETH0), src, dst, hop_limit }, &bytes);
}

#[test]
fn unicast_adverts_are_for_this_node_and_from_a_peer() {
    for (from, dst, ttl, check, counter) in [
        (LOW, "224.0.0.18", 255, true, Counter::DropDestination),
        (LOW, "10.77.0.77", 255, true, Counter::DropDestination),
        (HIGH, OWN, 255, true, Counter::DropUnknownPeer),
        (OWN, OWN, 255, false, Counter::DropOwnSource),
        ("0.0.0.0", OWN, 255, false, Counter::DropSource),
    ] {
        let mut s = Script::master(unicast(check));
        hear_unicast(&mut s, from, dst, ttl);
        assert_eq!((s.state(), s.counter(counter)), (State::Master, 1), "{from} {dst}");
    }
    for (from, ttl, check) in [(LOW, 255, true), (LOW, 61, true), (HIGH, 61, false)] {
        let mut s = Script::master(unicast(check));
        hear_unicast(&mut s, from, OWN, ttl);
        assert_eq!(s.state(), State::Backup, "{from} {ttl}");
    }
}

/// `facts/vrrp.md` §1.4: a peer is answered in the form it uses, and nobody who reads ours is left out.
#[test]
fn the_checksum_form_of_a_peer_is_learned() {
    let mut s = Script::master(v3(200, 100));
    let advert = s.peer_advert(0, 100);
    s.hear_advert(LOW, &advert, ChecksumForm::Rfc9568);
    assert_eq!(s.router(0).peers[0].checksum, Some(ChecksumForm::Rfc9568));
    s.forget();
    s.run_to(ms(1000));
    s.expect(&["advert 200", "advert 200"]);
    assert_eq!(s.counter(Counter::AdvertsSent), 3, "two copies are one advertisement");
    let mut s = Script::master(unicast(true));
    let (src, dst) = (ip(LOW), ip(OWN));
    let bytes = s.peer_advert(0, 50).encode(ChecksumForm::OldUnicast, src, dst);
    s.hear_raw(&RxMeta { ifindex: ifindex(ETH0), src, dst, hop_limit: 255 }, &bytes);
    assert_eq!(s.router(0).peers[0].checksum, Some(ChecksumForm::OldUnicast));
}

#[test]
fn peers_are_remembered_and_bounded() {
    let mut s = Script::backup(tutorial(100));
    for n in 0..40_u64 {
        s.run_to(ms(n));
        s.hear(&format!("10.77.0.{}", 100 + n), 10);
    }
    let peers = s.router(0).peers;
    assert_eq!(peers.len(), 16);
    assert!(peers.iter().all(|p| p.priority == Priority::new(10) && p.version == Version::V2));
    assert_eq!(s.counter(Counter::PeersEvicted), 24);
}
