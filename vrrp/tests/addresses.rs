//! Addresses with a lifetime, against the kernel.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod netns;

use std::net::IpAddr;
use std::time::Duration;

use evenkeel_vrrp::io::netlink::{ADDRESS_PROTOCOL, AddressRecord, Netlink};
use evenkeel_vrrp::types::IfIndex;
use netns::{Node, holds_for, wait_for};

fn node() -> (Node, IfIndex) {
    let node = Node::new();
    node.ip("link add eth0 type veth peer name eth1");
    node.ip("link set eth1 up");
    node.ip("link set eth0 up");
    let ifindex = node.index("eth0");
    (node, ifindex)
}

fn set(node: &Node, ifindex: IfIndex, addr: IpAddr, prefix_len: u8, lifetime: Duration) {
    node.run(move || Netlink::open().unwrap().set_address(ifindex, addr, prefix_len, lifetime)).unwrap();
}

fn record(node: &Node, addr: IpAddr) -> Option<AddressRecord> {
    node.addresses().into_iter().find(|r| r.address.addr == addr)
}

const TESTED: [(&str, u8); 4] =
    [("192.0.2.50", 32), ("192.0.2.51", 24), ("2001:db8::50", 128), ("fe80::50", 64)];

#[test]
fn address_is_tagged_has_a_lifetime_and_is_never_an_ipv6_source() {
    let (node, ifindex) = node();
    for (text, prefix_len) in TESTED {
        let addr = text.parse().unwrap();
        set(&node, ifindex, addr, prefix_len, Duration::from_millis(7_900));
        let record = record(&node, addr).unwrap();
        assert_eq!(record.address.prefix_len, prefix_len);
        assert_eq!(record.protocol, Some(ADDRESS_PROTOCOL), "{text}: needs Linux 5.18");
        assert!(record.valid_secs.is_some_and(|s| (6..=7).contains(&s)), "{text}: {:?}", record.valid_secs);
        assert_eq!(record.address.usable, addr.is_ipv4(), "{text}: IPv6 is deprecated from the start");
    }
}

#[test]
fn kernel_removes_an_address_that_is_not_renewed_and_keeps_one_that_is() {
    let (node, ifindex) = node();
    for (text, prefix_len) in TESTED {
        set(&node, ifindex, text.parse().unwrap(), prefix_len, Duration::from_secs(1));
    }
    let kept: IpAddr = "192.0.2.99".parse().unwrap();
    for (text, _) in TESTED {
        let took = wait_for("expiry", Duration::from_secs(4), || {
            set(&node, ifindex, kept, 32, Duration::from_secs(1));
            !node.has(text.parse().unwrap())
        });
        println!("{text}: gone {took:?} after the last look");
    }
    holds_for("a renewed address stays", Duration::from_millis(2_500), || {
        set(&node, ifindex, kept, 32, Duration::from_secs(1));
        node.has(kept)
    });
}

#[test]
fn deleting_is_idempotent() {
    let (node, ifindex) = node();
    for (text, prefix_len) in TESTED {
        let addr: IpAddr = text.parse().unwrap();
        set(&node, ifindex, addr, prefix_len, Duration::from_secs(30));
        let delete =
            move || Netlink::open().unwrap().delete_address(ifindex, addr, prefix_len).map_err(|e| e.kind());
        assert_eq!(node.run(delete), Ok(()));
        assert!(!node.has(addr));
        assert_eq!(node.run(delete), Ok(()), "{text}: not there counts as done");
    }
    let gone = IfIndex::new(4_000).unwrap();
    let delete = move || Netlink::open().unwrap().delete_address(gone, "192.0.2.1".parse().unwrap(), 32);
    assert!(node.run(delete).is_ok(), "no such interface counts as done");
    let set = move || {
        let lifetime = Duration::from_secs(1);
        Netlink::open()
            .unwrap()
            .set_address(gone, "192.0.2.1".parse().unwrap(), 32, lifetime)
            .map_err(|e| e.raw_os_error())
    };
    assert_eq!(node.run(set), Err(Some(nix::errno::Errno::ENODEV as i32)));
}

#[test]
fn dumps_of_many_addresses_are_complete() {
    let (node, ifindex) = node();
    let found = node.run(move || {
        let mut netlink = Netlink::open().unwrap();
        for i in 0..=255u8 {
            for j in 0..4u8 {
                netlink.set_address(ifindex, [10, 9, j, i].into(), 32, Duration::from_secs(60)).unwrap();
            }
        }
        netlink.addresses().unwrap()
    });
    assert_eq!(found.iter().filter(|r| r.protocol == Some(ADDRESS_PROTOCOL)).count(), 1024);
}
