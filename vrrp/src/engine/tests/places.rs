//! Interfaces and addresses that come late, go, and come back.

use crate::config::{RouterConfig, Transport, Vip};
use crate::event::{ActionResult, Cause, Command, InterfaceAddress, NetEvent, State, TrackReport};
use crate::script::{
    ETH0, HIGH, LOW, OWN, Script, ifindex, interface_track, ip, ms, script_track, tracking, tutorial, v3, v6,
};
use crate::stats::Counter;
use crate::types::{IfName, Mac, RouterId, Vrid};

const ROUTER: RouterId = RouterId(0);

#[test]
fn everything_may_come_late_and_status_says_what_is_missing() {
    let mut s = Script::new(vec![tutorial(100)], vec![], vec![]);
    let waiting = |s: &Script| s.router(0).waiting_for;
    assert_eq!(waiting(&s), Some(Cause::InterfaceDown));
    s.link_as(9, "other", true);
    s.expect(&[]);
    s.link(false);
    s.expect(&["listen 2"]);
    assert_eq!(waiting(&s), Some(Cause::InterfaceDown));
    s.link(true);
    assert_eq!(waiting(&s), Some(Cause::NoSourceAddress));
    s.expect(&[]);
    s.own_addresses();
    s.expect(&["INIT>BACKUP Ready"]);
    assert_eq!(waiting(&s), None);
}

/// Addresses that can be no source: virtual, secondary, tentative, of the other family or interface.
#[test]
fn only_a_real_primary_address_is_a_source() {
    let mut s = Script::new(vec![tutorial(100)], vec![], vec![]);
    s.link(true);
    s.link_as(3, "eth1", true);
    s.address(true, "10.77.0.50", 24);
    s.address_on(true, 3, "10.88.0.1", 24);
    s.address(true, "fd77::2", 64);
    let mut a = InterfaceAddress {
        ifindex: ifindex(ETH0),
        addr: ip("10.77.0.9"),
        prefix_len: 24,
        usable: true,
        secondary: true,
    };
    s.net(NetEvent::AddressAdded(a));
    (a.secondary, a.usable, a.addr) = (false, false, ip("10.77.0.8"));
    s.net(NetEvent::AddressAdded(a));
    assert_eq!(s.state(), State::Init);
    a.usable = true;
    s.net(NetEvent::AddressAdded(a));
    assert_eq!((s.state(), s.router(0).source), (State::Backup, Some(ip("10.77.0.8"))));
    // A new address does not displace the one in use; losing that one does.
    s.address(true, "10.77.0.1", 24);
    assert_eq!(s.router(0).source, Some(ip("10.77.0.8")));
    s.net(NetEvent::AddressRemoved(a));
    assert_eq!((s.state(), s.router(0).source), (State::Backup, Some(ip("10.77.0.1"))));
}

#[test]
fn ipv6_speaks_from_its_link_local_address() {
    let mut s = Script::new(vec![v6(100)], vec![], vec![]);
    s.link(true);
    s.address(true, "fd77::2", 64);
    s.address(true, "fe80::50", 128);
    assert_eq!(s.state(), State::Init, "neither global nor virtual");
    s.address(true, "fe80::2", 64);
    assert_eq!((s.state(), s.router(0).source), (State::Backup, Some(ip("fe80::2"))));
}

/// A peer with a global address cannot be reached from a link-local one.
#[test]
fn ipv6_unicast_speaks_from_an_address_the_peers_can_answer() {
    let transport = Transport::Unicast { peers: vec![ip("fd77::1")], check_source: true };
    let mut s = Script::new(vec![RouterConfig { transport, ..v6(100) }], vec![], vec![]);
    s.link(true);
    s.address(true, "fe80::2", 64);
    assert_eq!(s.state(), State::Init);
    s.address(true, "fd77::2", 64);
    assert_eq!(s.router(0).source, Some(ip("fd77::2")));
}

#[test]
fn a_configured_source_must_be_there() {
    let source = Some(ip("10.99.0.1"));
    let mut s = Script::ready(RouterConfig { source, ..tutorial(100) }, vec![]);
    assert_eq!(s.router(0).waiting_for, Some(Cause::NoSourceAddress));
    s.address_on(true, 1, "10.99.0.1", 32);
    assert_eq!((s.state(), s.router(0).source), (State::Backup, source));
}

#[test]
fn the_flow_resumes_when_the_cable_is_back() {
    let mut s = Script::master(tutorial(100));
    s.link(false);
    s.expect(&["remove 10.77.0.50", "MASTER>FAULT InterfaceDown"]);
    s.run_to(ms(60_000));
    s.hear(LOW, 50);
    s.expect(&[]);
    assert_eq!(s.counter(Counter::DropNotListening), 1);
    s.link(true);
    s.expect(&["FAULT>BACKUP Ready"]);
    s.run_to(ms(63_610));
    assert_eq!(s.state(), State::Master);
}

/// The same name under another index: USB adapters, containers, reloaded drivers.
#[test]
fn an_interface_made_anew_is_found_again() {
    let mut s = Script::master(tutorial(100));
    s.net(NetEvent::LinkGone(ifindex(ETH0)));
    s.expect(&["listen none", "remove 10.77.0.50", "MASTER>FAULT InterfaceDown"]);
    s.link_as(7, "eth0", true);
    s.expect(&["listen 7"]);
    s.address_on(true, 7, OWN, 24);
    s.expect(&["FAULT>BACKUP Ready"]);
    s.next_timeout();
    s.expect(&["advert 100 on 7", "add 10.77.0.50 on 7", "garp 10.77.0.50 on 7", "BACKUP>MASTER MasterDown"]);
}

#[test]
fn an_interface_renamed_is_another_interface() {
    let mut s = Script::backup(tutorial(100));
    s.link_as(ETH0, "eth9", true);
    s.expect(&["listen none", "BACKUP>FAULT InterfaceDown"]);
    s.link_as(ETH0, "eth0", true);
    s.expect(&["listen 2", "FAULT>BACKUP Ready"]);
}

/// networkd, NetworkManager and operators flush addresses; a MASTER puts them on again at once.
#[test]
fn a_flushed_address_is_put_on_again() {
    let vips = ["10.77.0.50", "10.77.0.51"];
    let vip = |a: &str| Vip { addr: ip(a), prefix_len: 32, dev: None };
    let router = RouterConfig { vips: vips.map(vip).to_vec(), ..tutorial(100) };
    let mut s = Script::master(router);
    s.address(false, "10.77.0.51", 32);
    s.expect(&["add 10.77.0.51", "garp 10.77.0.51"]);
    assert_eq!(s.counter(Counter::VipsRestored), 1);
    // Somebody who does it all the time gets his way for a while, and no more than that.
    for n in 1..100 {
        s.run_to(ms(n * 50));
        s.address(false, "10.77.0.50", 32);
    }
    assert_eq!(s.count("add"), 4);
    s.run_to(ms(9999));
    assert_eq!(s.count("add"), 0);
    s.run_to(ms(10_000));
    s.expect(&["advert 100", "add 10.77.0.50", "garp 10.77.0.50"]);
}

/// A flush of many addresses is one event, however many reports the kernel makes of it.
#[test]
fn many_addresses_flushed_at_once_are_put_on_again_at_once() {
    let vips: Vec<Vip> =
        (50..70).map(|n| Vip { addr: [10, 77, 0, n].into(), prefix_len: 32, dev: None }).collect();
    let mut s = Script::master(RouterConfig { vips: vips.clone(), ..tutorial(100) });
    for vip in vips {
        let (ifindex, addr, prefix_len) = (ifindex(ETH0), vip.addr, vip.prefix_len);
        let a = InterfaceAddress { ifindex, addr, prefix_len, usable: true, secondary: false };
        s.net(NetEvent::AddressRemoved(a));
    }
    s.expect(&[]);
    assert_eq!(s.next(), Some((ms(0), "restore_vips")));
    s.run_to(ms(0));
    assert_eq!(s.counter(Counter::VipsRestored), 20);
    assert_eq!(s.count("add"), 1);
}

/// MASTER, BACKUP and MASTER again before the kernel's reports of the first time are read.
#[test]
fn late_reports_of_our_own_doing_are_no_flush() {
    let mut s = Script::backup(tutorial(100));
    s.reports = false;
    s.next_timeout();
    s.start = s.now;
    s.hear(HIGH, 200);
    s.hear(HIGH, 0);
    s.run_to(ms(700));
    assert_eq!(s.state(), State::Master);
    s.forget();
    s.address(true, "10.77.0.50", 32);
    s.address(false, "10.77.0.50", 32);
    s.address(true, "10.77.0.50", 32);
    s.expect(&[]);
    assert_eq!(s.counter(Counter::VipsRestored), 0);
    s.address(false, "10.77.0.50", 32);
    s.expect(&["add 10.77.0.50", "garp 10.77.0.50"]);
}

/// What a killed process left behind is taken off before the first advert.
#[test]
fn leftovers_are_taken_off_at_the_start() {
    let mut s = Script::new(vec![tutorial(100)], vec![], vec![]);
    s.link(true);
    s.address(true, "10.77.0.50", 32);
    s.own_addresses();
    s.expect(&["listen 2", "remove 10.77.0.50", "INIT>BACKUP Ready"]);
    assert_eq!(s.counter(Counter::StrayVips), 1);
    // Another prefix length is another address: not ours.
    s.address(true, "10.77.0.50", 24);
    s.expect(&[]);
}

#[test]
fn the_status_shows_which_addresses_the_kernel_has() {
    let excluded = vec![Vip { addr: ip("10.77.0.60"), prefix_len: 32, dev: None }];
    let mut s = Script::backup(RouterConfig { excluded, ..tutorial(100) });
    let on = |s: &Script| s.router(0).vips.iter().map(|v| (v.advertised, v.on)).collect::<Vec<_>>();
    assert_eq!(on(&s), [(true, false), (false, false)]);
    s.next_timeout();
    s.expect(&[
        "advert 100",
        "add 10.77.0.50,10.77.0.60",
        "garp 10.77.0.50",
        "garp 10.77.0.60",
        "BACKUP>MASTER MasterDown",
    ]);
    assert_eq!(on(&s), [(true, true), (false, true)]);
    s.reports = false;
    s.address(false, "10.77.0.60", 32);
    assert_eq!(on(&s), [(true, true), (false, false)]);
}

/// An address on another interface is announced there, with that interface's Ethernet address.
#[test]
fn an_address_may_live_on_another_interface() {
    let name = IfName::new("eth1").expect("a name");
    let vips = vec![Vip { addr: ip("10.77.0.50"), prefix_len: 32, dev: Some(name) }];
    let mut s = Script::new(vec![RouterConfig { vips, ..tutorial(100) }], vec![], vec![]);
    s.link_as(5, "eth1", true);
    s.link(true);
    s.own_addresses();
    s.next_timeout();
    s.expect(&[
        "listen 2",
        "INIT>BACKUP Ready",
        "advert 100",
        "add 10.77.0.50",
        "garp 10.77.0.50 on 5",
        "BACKUP>MASTER MasterDown",
    ]);
}

/// A bond that fails over to another slave answers with another Ethernet address.
#[test]
fn a_new_ethernet_address_is_announced() {
    let mut s = Script::master(tutorial(100));
    s.link_with(ETH0, "eth0", true, Some(Mac([2, 0, 0, 0, 0, 9])));
    s.expect(&["add 10.77.0.50", "garp 10.77.0.50"]);
}

#[test]
fn a_tracked_interface_takes_the_router_out() {
    let mut s = Script::new(vec![tracking(tutorial(100), 0, None)], vec![], vec![interface_track("eth1")]);
    s.link(true);
    s.own_addresses();
    assert_eq!(s.state(), State::Init, "an interface not yet seen is awaited");
    s.link_as(3, "eth1", true);
    s.run_to(ms(4000));
    assert_eq!(s.state(), State::Master);
    s.forget();
    s.link_as(3, "eth1", false);
    s.expect(&["advert 0", "remove 10.77.0.50", "MASTER>FAULT TrackFailed(TrackId(0))"]);
}

/// With several things missing, the interface is named before the track, and all have to come.
#[test]
fn all_obstacles_have_to_go() {
    let mut s = Script::ready(tracking(tutorial(100), 0, None), vec![script_track()]);
    s.track(0, TrackReport::Script(false));
    s.link(false);
    assert_eq!(s.router(0).waiting_for, Some(Cause::InterfaceDown));
    s.track(0, TrackReport::Script(true));
    assert_eq!(s.state(), State::Fault);
    s.link(true);
    assert_eq!(s.state(), State::Backup);
}

const MACVLAN: u32 = 8;
const VIRTUAL: Mac = Mac([0, 0, 0x5e, 0, 1, 51]);

fn virtual_mac() -> Script {
    let mut s = Script::new(vec![RouterConfig { virtual_mac: true, ..v3(100, 100) }], vec![], vec![]);
    s.link(true);
    s.own_addresses();
    s
}

/// RFC 9568 §7.3: adverts and ARP carry the virtual router MAC address; both leave by the macvlan interface.
#[test]
fn a_virtual_mac_has_an_interface_of_its_own() {
    let mut s = virtual_mac();
    s.expect(&["create vrrp.51 00:00:5e:00:01:33"]);
    assert_eq!(s.router(0).waiting_for, Some(Cause::InterfaceDown));
    s.link_with(MACVLAN, "vrrp.51", true, Some(VIRTUAL));
    s.expect(&["listen 8", "INIT>BACKUP Ready"]);
    s.next_timeout();
    s.expect(&["advert 100 on 8", "add 10.77.0.50 on 8", "garp 10.77.0.50 on 8", "BACKUP>MASTER MasterDown"]);
    s.command(Command::Shutdown);
    s.expect(&[
        "advert 0 on 8",
        "remove 10.77.0.50 on 8",
        "MASTER>STOPPED Command",
        "listen none",
        "delete vrrp.51 00:00:5e:00:01:33",
    ]);
}

#[test]
fn a_macvlan_that_does_not_come_is_asked_for_again() {
    let mut s = virtual_mac();
    s.forget();
    s.result(ActionResult::VirtualMacFailed { router: ROUTER, errno: 16 });
    assert_eq!(s.counter(Counter::VirtualMacFailed), 1);
    s.run_to(ms(4999));
    s.expect(&[]);
    s.run_to(ms(5000));
    s.expect(&["create vrrp.51 00:00:5e:00:01:33"]);
    // One of that name with another address is not it.
    s.link_with(MACVLAN, "vrrp.51", true, Some(Mac([2, 0, 0, 0, 0, 1])));
    assert_eq!(s.state(), State::Init);
    // Without its parent there is nothing to wait for.
    s.net(NetEvent::LinkGone(ifindex(ETH0)));
    assert_eq!(s.next(), None);
}

#[test]
fn a_macvlan_that_is_deleted_is_made_again() {
    let mut s = virtual_mac();
    s.link_with(MACVLAN, "vrrp.51", true, Some(VIRTUAL));
    s.run_to(ms(60_000));
    s.forget();
    s.net(NetEvent::LinkGone(ifindex(MACVLAN)));
    s.expect(&[
        "create vrrp.51 00:00:5e:00:01:33",
        "listen none",
        "remove 10.77.0.50 on 8",
        "MASTER>FAULT InterfaceDown",
    ]);
    s.link_with(9, "vrrp.51", true, Some(VIRTUAL));
    s.expect(&["listen 9", "FAULT>BACKUP Ready"]);
}

/// A unicast advert is addressed to the parent's Ethernet address, so it is spoken and heard there.
#[test]
fn unicast_with_a_virtual_mac_speaks_on_the_parent() {
    let transport = Transport::Unicast { peers: vec![ip(LOW)], check_source: true };
    let router = RouterConfig { virtual_mac: true, transport, ..v3(100, 100) };
    let mut s = Script::new(vec![router], vec![], vec![]);
    s.link(true);
    s.own_addresses();
    s.link_with(MACVLAN, "vrrp.51", true, Some(VIRTUAL));
    s.expect(&["create vrrp.51 00:00:5e:00:01:33", "listen 2", "INIT>BACKUP Ready"]);
    s.next_timeout();
    s.expect(&[
        "advert 100 to 10.77.0.1",
        "add 10.77.0.50 on 8",
        "garp 10.77.0.50 on 8",
        "BACKUP>MASTER MasterDown",
    ]);
}

/// The same VRID on two interfaces needs two names.
#[test]
fn macvlan_names_do_not_collide() {
    let on = |interface: &str, vrid: u8| RouterConfig {
        name: format!("{interface}-{vrid}"),
        interface: IfName::new(interface).expect("a name"),
        vrid: Vrid::new(vrid).expect("not 0"),
        virtual_mac: true,
        ..v3(100, 100)
    };
    let mut s = Script::new(vec![on("eth0", 51), on("eth1", 51), on("eth1", 52)], vec![], vec![]);
    s.link(true);
    s.link_as(3, "eth1", true);
    s.expect(&[
        "eth0-51 create vrrp.51.0 00:00:5e:00:01:33",
        "eth1-51 create vrrp.51.1 00:00:5e:00:01:33",
        "eth1-52 create vrrp.52 00:00:5e:00:01:34",
    ]);
}
