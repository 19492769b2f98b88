//! One VRRP thread in another's place, as at a reload or an upgrade: nobody notices.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod netns;

use std::time::Duration;

use evenkeel_vrrp::config::{EngineConfig, RouterConfig};
use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::driver::{DriverEvent, DriverHandle, DriverOptions, Handed};
use evenkeel_vrrp::io::guard::{self, GuardOptions};
use evenkeel_vrrp::types::Vrid;
use netns::config::{FAST, addr, engine, router};
use netns::wire::Tap;
use netns::{Lan, holds_for, wait_for, wait_for_state};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

const VIP: &str = "192.0.2.50/32";
const OTHER: &str = "192.0.2.51/32";
const LIMIT: Duration = Duration::from_secs(20);

/// MASTER on the first node, watched by a guard.
fn guarded(lan: &Lan, config: EngineConfig) -> DriverHandle {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (ours, guards) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    lan.nodes[0].run(move || {
        // It ends with the test's end of its socket.
        std::thread::spawn(move || guard::run(guards, GuardOptions::default()));
    });
    let driver = lan.nodes[0].spawn(config, DriverOptions { guard: Some(ours), ..DriverOptions::default() });
    wait_for_state(&driver, State::Master, LIMIT);
    driver
}

/// Another thread, which knows only what can be written down.
fn replaced(lan: &Lan, mut driver: DriverHandle, config: EngineConfig) -> DriverHandle {
    let Handed { record, guard } = driver.suspend(&config).unwrap().expect("it was running");
    let record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
    let handed = Some(Handed { record, guard });
    lan.nodes[0].spawn(config, DriverOptions { handed, ..DriverOptions::default() })
}

fn transitions(driver: &DriverHandle) -> Vec<DriverEvent> {
    driver.events().take().into_iter().filter(|e| matches!(e, DriverEvent::Transition(_))).collect()
}

#[test]
fn the_pair_does_not_notice_whether_it_was_master_or_backup() {
    for virtual_mac in [false, true] {
        let lan = Lan::new(2);
        let config = |priority| engine(RouterConfig { virtual_mac, ..router(&[VIP], priority, FAST) });
        let mut driver = guarded(&lan, config(200));
        let mut peer = lan.nodes[1].spawn(config(100), DriverOptions::default());
        wait_for_state(&peer, State::Backup, LIMIT);
        let since = driver.snapshot().routers[0].since;
        let tap = Tap::new(&lan.nodes[1]);
        for _ in 0..5 {
            driver = replaced(&lan, driver, config(200));
            holds_for("one owner", Duration::from_millis(300), || lan.owners(addr(VIP)) == [0]);
            assert_eq!(transitions(&driver), []);
            assert_eq!(driver.snapshot().routers[0].state, State::Master);
        }
        assert!(driver.snapshot().routers[0].since.duration_since(since) < Duration::from_millis(5));
        assert_eq!(transitions(&peer), []);
        let adverts = tap.adverts_v4();
        // The priority stands behind the Ethernet and IP headers (RFC 9568 §5.1).
        let priorities = |f: &Vec<u8>| f[14 + usize::from(f[14] & 15) * 4 + 2];
        assert!(adverts.len() > 5 && adverts.iter().all(|f| priorities(f) == 200), "{adverts:02x?}");

        // The BACKUP goes on as well, and still takes over.
        let record = peer.suspend(&config(100)).unwrap();
        let peer =
            lan.nodes[1].spawn(config(100), DriverOptions { handed: record, ..DriverOptions::default() });
        holds_for("it hears the MASTER", Duration::from_millis(600), || lan.owners(addr(VIP)) == [0]);
        assert_eq!(transitions(&peer), []);
        driver.shutdown().unwrap();
        wait_for("take-over", LIMIT, || lan.owners(addr(VIP)) == [1]);
    }
}

#[test]
fn routers_and_addresses_come_and_go_around_one_that_stays() {
    let lan = Lan::new(1);
    let node = &lan.nodes[0];
    let gone =
        RouterConfig { vrid: Vrid::new(7).unwrap(), name: "gone".into(), ..router(&[OTHER], 200, FAST) };
    let two = EngineConfig::new(vec![gone, router(&[VIP], 200, FAST)], vec![], vec![]).unwrap();
    let driver = guarded(&lan, two);
    wait_for("both", LIMIT, || node.has(addr(OTHER)) && node.has(addr(VIP)));
    // Its number is another one now, which the guard has to learn: the lease of the old one ends.
    let driver = replaced(&lan, driver, engine(router(&[VIP, "192.0.2.52/32"], 200, FAST)));
    wait_for("the third", LIMIT, || node.has([192, 0, 2, 52].into()));
    assert!(!node.has(addr(OTHER)), "its router is gone");
    holds_for("held", Duration::from_millis(1_500), || node.has(addr(VIP)));
    assert_eq!(transitions(&driver), []);
    // An address that is not configured any more.
    let driver = replaced(&lan, driver, engine(router(&[VIP], 200, FAST)));
    wait_for("the third is off", LIMIT, || !node.has([192, 0, 2, 52].into()));
    holds_for("held", Duration::from_millis(500), || node.has(addr(VIP)));
    drop(driver);
    assert!(!node.has(addr(VIP)));
}

#[test]
fn the_guard_takes_off_what_no_successor_comes_for() {
    let lan = Lan::new(1);
    let config = engine(router(&[VIP], 200, FAST));
    let mut driver = guarded(&lan, config.clone());
    let handed = driver.suspend(&config).unwrap().unwrap();
    let took = wait_for("the lease", LIMIT, || !lan.nodes[0].has(addr(VIP)));
    assert!(took < Duration::from_secs(1), "{took:?}");
    // A successor that comes too late is a BACKUP first.
    let options = DriverOptions { handed: Some(handed), ..DriverOptions::default() };
    let driver = lan.nodes[0].spawn(config, options);
    let told = wait_for_state(&driver, State::Master, LIMIT);
    let states: Vec<_> = told
        .iter()
        .filter_map(|e| if let DriverEvent::Transition(t) = e { Some((t.from, t.to)) } else { None })
        .collect();
    assert_eq!(states, [(State::Master, State::Backup), (State::Backup, State::Master)]);
}
