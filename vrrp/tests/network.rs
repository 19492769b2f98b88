//! The network under a MASTER changes: addresses flushed, interfaces down, gone, renamed.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod netns;

use std::fs;
use std::time::Duration;

use evenkeel_vrrp::config::RouterConfig;
use evenkeel_vrrp::event::State;
use evenkeel_vrrp::io::driver::{DriverEvent, DriverHandle, DriverOptions};
use netns::config::{FAST, addr, engine, router};
use netns::wire::Tap;
use netns::{Lan, holds_for, wait_for, wait_for_state};

const VIP: &str = "192.0.2.50/32";
const LIMIT: Duration = Duration::from_secs(20);

fn master(lan: &Lan, config: RouterConfig) -> DriverHandle {
    let driver = lan.nodes[0].spawn(engine(config), DriverOptions::default());
    wait_for_state(&driver, State::Master, LIMIT);
    driver
}

#[test]
fn flushed_address_comes_back() {
    let lan = Lan::new(1);
    let driver = master(&lan, router(&[VIP], 200, FAST));
    lan.nodes[0].ip("address del 192.0.2.50/32 dev eth0");
    let took = wait_for("the address", LIMIT, || lan.nodes[0].has(addr(VIP)));
    println!("back after {took:?}");
    assert_eq!(driver.snapshot().routers[0].state, State::Master);
}

#[test]
fn address_stays_while_adverts_go_out_and_goes_by_itself_when_the_thread_does_not_renew() {
    let lan = Lan::new(1);
    let driver = master(&lan, router(&[VIP], 200, FAST));
    holds_for("renewed", Duration::from_millis(2_500), || lan.nodes[0].has(addr(VIP)));
    let record = lan.nodes[0].addresses().into_iter().find(|r| r.address.addr == addr(VIP)).unwrap();
    assert!(record.valid_secs.is_some_and(|s| s <= 1), "{record:?}");
    drop(driver);
}

#[test]
fn interface_down_releases_and_up_recovers() {
    for vip in [VIP, "fe80::50/64"] {
        let lan = Lan::new(2);
        let driver = master(&lan, router(&[vip], 100, FAST));
        lan.nodes[0].ip("link set eth0 down");
        wait_for_state(&driver, State::Fault, LIMIT);
        wait_for("release", LIMIT, || !lan.nodes[0].has(addr(vip)));
        lan.nodes[0].ip("link set eth0 up");
        wait_for_state(&driver, State::Master, LIMIT);
        assert!(lan.nodes[0].has(addr(vip)));
        // It still hears the group.
        let stronger = lan.nodes[1].spawn(engine(router(&[vip], 200, FAST)), DriverOptions::default());
        wait_for_state(&driver, State::Backup, LIMIT);
        wait_for("one owner", LIMIT, || lan.owners(addr(vip)) == [1]);
        drop(stronger);
    }
}

#[test]
fn interface_that_comes_late_or_again_is_joined() {
    let lan = Lan::new(2);
    lan.nodes[0].ip("link set eth0 down");
    lan.nodes[0].ip("link set eth0 name eth7");
    let driver = lan.nodes[0].spawn(engine(router(&[VIP], 100, FAST)), DriverOptions::default());
    holds_for("nothing to do", Duration::from_millis(500), || {
        driver.snapshot().routers[0].state != State::Master
    });
    lan.nodes[0].ip("link set eth7 name eth0");
    lan.nodes[0].ip("link set eth0 up");
    wait_for_state(&driver, State::Master, LIMIT);

    lan.nodes[0].ip("link del eth0");
    wait_for_state(&driver, State::Fault, LIMIT);
    lan.switch.ip(&format!("link add p0 type veth peer name eth0 netns {}", lan.nodes[0].namespace()));
    lan.switch.ip("link set p0 master br0 up");
    lan.nodes[0].ip("address add 192.0.2.1/24 dev eth0");
    lan.nodes[0].ip("link set eth0 up");
    wait_for_state(&driver, State::Master, LIMIT);

    // It hears others on the new interface too.
    let stronger = lan.nodes[1].spawn(engine(router(&[VIP], 200, FAST)), DriverOptions::default());
    wait_for_state(&driver, State::Backup, LIMIT);
    wait_for("one owner", LIMIT, || lan.owners(addr(VIP)) == [1]);
    drop(stronger);
}

#[test]
fn leftovers_are_removed_before_the_first_advert() {
    let lan = Lan::new(1);
    let node = &lan.nodes[0];
    let index = node.index("eth0");
    let path = std::env::temp_dir().join(format!("ek-vrrp-leftovers-{}", std::process::id()));
    // By tag; by list; listed but permanent, so not ours; neither tagged nor listed.
    node.run(move || {
        let mut netlink = evenkeel_vrrp::io::netlink::Netlink::open().unwrap();
        netlink.set_address(index, [192, 0, 2, 61].into(), 32, Duration::from_secs(60)).unwrap();
    });
    node.ip("address add 192.0.2.62/32 dev eth0 valid_lft 60 preferred_lft 60");
    node.ip("address add 192.0.2.63/32 dev eth0");
    node.ip("address add 192.0.2.64/32 dev eth0 valid_lft 60 preferred_lft 60");
    fs::write(&path, "# list\neth0 192.0.2.62/32\neth0 192.0.2.63/32\n").unwrap();
    let options = DriverOptions { state_file: Some(path.clone()), ..DriverOptions::default() };
    let driver = node.spawn(engine(router(&[VIP], 200, FAST)), options);
    let here = |last: u8| node.has([192, 0, 2, last].into());
    assert_eq!([61, 62, 63, 64].map(here), [false, false, true, true]);

    let told = wait_for_state(&driver, State::Master, LIMIT);
    assert_eq!(told.first(), Some(&DriverEvent::LeftoversRemoved(2)));
    let list = || fs::read_to_string(&path).unwrap();
    wait_for("the list of held addresses", LIMIT, || list().contains("eth0 192.0.2.50/32"));
    driver.shutdown().unwrap();
    assert!(!list().contains("192.0.2"), "{}", list());

    // The same for a service manager, without a thread.
    node.run(move || {
        let mut netlink = evenkeel_vrrp::io::netlink::Netlink::open().unwrap();
        netlink.set_address(index, [192, 0, 2, 61].into(), 32, Duration::from_secs(60)).unwrap();
        assert_eq!(evenkeel_vrrp::io::driver::release_leftovers(None).unwrap(), 1);
    });
    assert!(!here(61));
    fs::remove_file(path).unwrap();
}

#[test]
fn virtual_mac_carries_addresses_and_adverts() {
    let lan = Lan::new(2);
    let tap = Tap::new(&lan.nodes[1]);
    let sysctl = "/proc/sys/net/ipv4/conf/eth0/arp_ignore";
    let before = lan.nodes[0].run(move || fs::read_to_string(sysctl).unwrap());
    // Left by a run that was killed before it had made its settings.
    lan.nodes[0].ip("link add vrrp.51 link eth0 address 00:00:5e:00:01:33 type macvlan mode bridge");
    let driver = master(&lan, RouterConfig { virtual_mac: true, ..router(&[VIP], 200, FAST) });
    let own = "/proc/sys/net/ipv4/conf/vrrp.51/arp_ignore";
    assert_eq!(lan.nodes[0].run(move || fs::read_to_string(own).unwrap()), "1\n");
    let virtual_mac = [0, 0, 0x5e, 0, 1, 51];
    let mut adverts = Vec::new();
    wait_for("adverts", LIMIT, || {
        adverts.extend(tap.adverts_v4());
        adverts.len() >= 2
    });
    assert!(adverts.iter().all(|f| f[6..12] == virtual_mac), "{adverts:02x?}");
    // Another host reaches the address at the virtual MAC.
    lan.nodes[1].ip("route replace 192.0.2.50/32 dev eth0");
    let answered = lan.nodes[1].run(|| {
        let listener = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        listener.send_to(b"x", "192.0.2.50:9").is_ok()
    });
    assert!(answered);
    let arp_reply = |f: &Vec<u8>| {
        f.get(12..14) == Some(&[8, 6])
            && f.get(20..22) == Some(&[0, 2])
            && f.get(28..32) == Some(&[192, 0, 2, 50])
    };
    let mut replies = Vec::new();
    wait_for("an ARP reply", LIMIT, || {
        replies.extend(tap.frames().into_iter().filter(arp_reply));
        !replies.is_empty()
    });
    assert!(replies.iter().all(|f| f[22..28] == virtual_mac), "{replies:02x?}");
    let index = driver.snapshot().routers[0].ifindex.unwrap();
    assert_ne!(index, lan.nodes[0].index("eth0"));
    driver.shutdown().unwrap();
    let links = lan.nodes[0].run(|| evenkeel_vrrp::io::netlink::Netlink::open().unwrap().links().unwrap());
    assert!(links.iter().all(|l| l.ifindex != index), "the macvlan is gone");
    assert_eq!(lan.nodes[0].run(move || fs::read_to_string(sysctl).unwrap()), before);
}

#[test]
fn ipv6_virtual_mac_elects() {
    let lan = Lan::new(2);
    let vips = ["fe80::50/64", "2001:db8::50/128"];
    let config = |priority| RouterConfig { virtual_mac: true, ..router(&vips, priority, FAST) };
    let first = master(&lan, config(200));
    let second = lan.nodes[1].spawn(engine(config(100)), DriverOptions::default());
    wait_for_state(&second, State::Backup, LIMIT);
    holds_for("the backup hears the master", Duration::from_millis(600), || lan.owners(addr(vips[1])) == [0]);
    first.shutdown().unwrap();
    wait_for_state(&second, State::Master, LIMIT);
    wait_for("take-over", LIMIT, || lan.owners(addr(vips[1])) == [1]);
}
