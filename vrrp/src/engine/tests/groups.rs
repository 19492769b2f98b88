//! Sync groups: one MASTER, all MASTER; one leaves, all leave.

use crate::config::{GroupConfig, RouterConfig};
use crate::config::{TrackConfig, TrackUse};
use crate::event::{Command, State, TrackReport};
use crate::script::{LOW, Script, data_plane, interface_track, ms, script_track, tracking, tutorial, v6};
use crate::types::{IfName, Priority, RouterId, TrackId, Vrid};

/// VI_1 (IPv4) and VI_6 (IPv6) on one interface.
fn pair_with(v4: RouterConfig, tracks: Vec<TrackConfig>) -> Script {
    let group = GroupConfig { name: "G".into(), members: vec![RouterId(0), RouterId(1)] };
    let mut s = Script::new(vec![v4, v6(100)], vec![group], tracks);
    s.link(true);
    s.own_addresses();
    s
}

fn pair() -> Script {
    let mut s = pair_with(tutorial(100), vec![]);
    s.expect(&["VI_1 listen 2", "VI_6 listen 2", "VI_1 INIT>BACKUP Ready", "VI_6 INIT>BACKUP Ready"]);
    s
}

fn states(s: &Script) -> (State, State) {
    (s.router(0).state, s.router(1).state)
}

const BOTH_MASTER: (State, State) = (State::Master, State::Master);
const BOTH_BACKUP: (State, State) = (State::Backup, State::Backup);

/// INIT waits for the last of them: the IPv6 link-local address comes late.
#[test]
fn members_enter_the_election_together() {
    let group = GroupConfig { name: "G".into(), members: vec![RouterId(0), RouterId(1)] };
    let mut s = Script::new(vec![tutorial(100), v6(100)], vec![group], vec![]);
    s.link(true);
    s.address(true, "10.77.0.2", 24);
    s.expect(&["VI_1 listen 2", "VI_6 listen 2"]);
    assert_eq!(s.engine.snapshot(s.now).groups[0].state, Some(State::Init));
    s.address(true, "fe80::2", 64);
    s.expect(&["VI_1 INIT>BACKUP Ready", "VI_6 INIT>BACKUP Ready"]);
}

/// The MASTER of VI_1 falls silent; VI_6 still hears it and moves all the same.
#[test]
fn one_takes_over_all_take_over() {
    let mut s = pair();
    for n in 0..4 {
        s.run_to(ms(n * 1000));
        s.hear_for(1, "fe80::1", 200);
    }
    s.run_to(ms(3610));
    s.expect(&[
        "VI_1 advert 100",
        "VI_1 add 10.77.0.50",
        "VI_1 garp 10.77.0.50",
        "VI_1 BACKUP>MASTER MasterDown",
        "VI_6 advert 100",
        "VI_6 add fe80::50,fd77::50",
        "VI_6 na fe80::50",
        "VI_6 na fd77::50",
        "VI_6 BACKUP>MASTER Group(GroupId(0))",
    ]);
    assert_eq!(s.engine.snapshot(s.now).groups[0].state, Some(State::Master));
}

#[test]
fn one_is_deposed_all_leave() {
    let mut s = pair();
    s.run_to(ms(3610));
    assert_eq!(states(&s), BOTH_MASTER);
    s.forget();
    s.hear_for(1, "fe80::1", 200);
    s.expect(&[
        "VI_6 advert 0",
        "VI_6 remove fe80::50,fd77::50",
        "VI_6 MASTER>BACKUP HigherPriority fe80::1 200",
        "VI_1 advert 0",
        "VI_1 remove 10.77.0.50",
        "VI_1 MASTER>BACKUP Group(GroupId(0))",
    ]);
    assert_eq!(states(&s), BOTH_BACKUP);
}

#[test]
fn one_fails_all_fail_and_all_come_back() {
    let v4 = tracking(tutorial(100), 0, None);
    let mut s = pair_with(v4, vec![script_track()]);
    s.expect(&["VI_1 listen 2", "VI_6 listen 2"]);
    s.track(0, TrackReport::Script(true));
    s.run_to(ms(3610));
    assert_eq!(states(&s), BOTH_MASTER);
    s.forget();
    s.track(0, TrackReport::Script(false));
    s.expect(&[
        "VI_1 advert 0",
        "VI_1 remove 10.77.0.50",
        "VI_1 MASTER>FAULT TrackFailed(TrackId(0))",
        "VI_6 advert 0",
        "VI_6 remove fe80::50,fd77::50",
        "VI_6 MASTER>FAULT Group(GroupId(0))",
    ]);
    s.track(0, TrackReport::Script(true));
    s.expect(&["VI_1 FAULT>BACKUP Ready", "VI_6 FAULT>BACKUP Ready"]);
}

#[test]
fn one_oversleeps_all_leave() {
    let mut s = pair();
    s.run_to(ms(3610));
    s.forget();
    s.sleep_to(ms(20_000));
    s.hear(LOW, 50);
    s.expect(&[
        "VI_1 remove 10.77.0.50",
        "VI_1 MASTER>BACKUP Overslept",
        "VI_6 remove fe80::50,fd77::50",
        "VI_6 MASTER>BACKUP Overslept",
    ]);
}

/// Unfitness is shared: a group that only half of it gives up would be torn, or won back by the other half.
#[test]
fn one_is_unfit_all_are() {
    let v4 = tracking(tutorial(100), 0, None);
    let mut s = pair_with(v4, vec![data_plane()]);
    s.track(0, TrackReport::DataPlane(true));
    s.run_to(ms(3610));
    assert_eq!(states(&s), BOTH_MASTER);
    s.forget();
    s.track(0, TrackReport::DataPlane(false));
    assert_eq!(states(&s), BOTH_BACKUP);
    assert_eq!(s.router(1).effective_priority, Priority::MIN);
    s.forget();
    s.run_to(ms(3610 + 997));
    assert_eq!(states(&s), BOTH_MASTER, "nobody else was there");
    s.forget();
    s.track(0, TrackReport::DataPlane(true));
    s.track(0, TrackReport::DataPlane(false));
    s.expect(&[]);
}

/// keepalived: weights are not used in a sync group; a failure without weight is.
#[test]
fn weights_do_not_count_in_a_group() {
    let v4 = tracking(tracking(tutorial(100), 0, Some(50)), 1, Some(-50));
    let mut s = pair_with(v4, vec![script_track(), interface_track("eth1")]);
    s.track(0, TrackReport::Script(true));
    assert_eq!(s.router(0).effective_priority, Priority::new(100));
}

#[test]
fn an_owner_takes_its_group_along() {
    let mut s = pair_with(tutorial(255), vec![]);
    assert_eq!(states(&s), BOTH_MASTER);
    s.command(Command::Shutdown);
    assert_eq!(states(&s), (State::Stopped, State::Stopped));
    assert_eq!(s.count("VI_6 advert 0"), 1);
}

/// A member that cannot put its addresses on makes the whole group stand back.
#[test]
fn one_cannot_add_its_addresses_all_stand_back() {
    let mut s = pair();
    s.adds = false;
    s.run_to(ms(3610));
    assert_eq!(states(&s), BOTH_BACKUP);
    s.adds = true;
    s.forget();
    for n in 4..60 {
        s.run_to(ms(n * 1000));
        s.hear_for(0, LOW, 50);
        s.hear_for(1, "fe80::1", 50);
    }
    assert_eq!(s.count("VI_6 advert"), 0);
    for n in 60..70 {
        s.run_to(ms(n * 1000));
        s.hear_for(0, LOW, 50);
        s.hear_for(1, "fe80::1", 50);
    }
    assert_eq!(states(&s), BOTH_MASTER);
}

/// Routers outside the group are not concerned.
#[test]
fn others_do_not_follow() {
    let other = RouterConfig {
        name: "VI_2".into(),
        vrid: Vrid::new(52).expect("not 0"),
        interface: IfName::new("eth0").expect("a name"),
        tracks: vec![TrackUse { track: TrackId(0), weight: None, reverse: false }],
        ..tutorial(100)
    };
    let group = GroupConfig { name: "G".into(), members: vec![RouterId(0), RouterId(1)] };
    let mut s = Script::new(vec![tutorial(100), v6(100), other], vec![group], vec![script_track()]);
    s.link(true);
    s.own_addresses();
    assert_eq!(states(&s), BOTH_BACKUP);
    assert_eq!(s.router(2).state, State::Init);
    s.track(0, TrackReport::Script(false));
    assert_eq!(states(&s), BOTH_BACKUP);
    assert_eq!(s.router(2).state, State::Fault);
}
