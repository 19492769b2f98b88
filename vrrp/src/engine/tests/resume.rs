//! Another engine goes on where one was: after a reload, or as another version of the program.

use crate::config::RouterConfig;
use crate::continuation::{Continued, Identity};
use crate::event::{Command, Servers, State, TrackReport};
use crate::script::{HIGH, LOW, Script, data_plane, ip, ms, script_track, tracking, tutorial, v3};
use crate::stats::Counter;
use crate::types::{Priority, Vrid};

/// The kernel tells the new engine what there is, in the order in which it may: the virtual address before the node's own.
fn told(script: &mut Script, vips: &[&str]) {
    script.link(true);
    for vip in vips {
        script.address(true, vip, 32);
    }
    script.own_addresses();
}

const VIP: &str = "10.77.0.50";

#[test]
fn a_master_goes_on_without_a_word_too_many() {
    let mut script = Script::master(tutorial(100));
    script.run_to(ms(5_000));
    let before = script.router(0);
    script.forget();
    script.resume(vec![tutorial(100)], vec![], ms(80));
    assert_eq!(script.state(), State::Master, "whoever asks sees nothing else");
    told(&mut script, &[VIP]);
    // An advert at once, the address renewed: nothing is announced, nobody hears of a change.
    script.expect(&["listen 2", "advert 100", "add 10.77.0.50"]);
    let after = script.router(0);
    assert_eq!((after.state, after.since), (State::Master, before.since));
    assert_eq!(after.counters.count(Counter::BecameMaster), 1);
    assert_eq!(after.counters.count(Counter::AdvertsSent), before.counters.count(Counter::AdvertsSent) + 1);
    assert_eq!(script.next_timeout(), "advert");
}

#[test]
fn a_master_that_slept_past_its_lease_is_none() {
    let mut script = Script::master(tutorial(100));
    script.run_to(ms(5_000));
    script.forget();
    script.resume(vec![tutorial(100)], vec![], ms(60_000));
    told(&mut script, &[VIP]);
    script.expect(&["listen 2", "remove 10.77.0.50", "MASTER>BACKUP Ready"]);
}

#[test]
fn a_master_that_fails_meanwhile_lets_go() {
    let mut script = Script::ready(tracking(tutorial(100), 0, None), vec![script_track()]);
    script.track(0, TrackReport::Script(true));
    while script.state() != State::Master {
        script.next_timeout();
    }
    script.forget();
    let routers = vec![tracking(tutorial(100), 0, None)];
    script.resume(routers, vec![script_track()], ms(50));
    script.link(true);
    script.address(true, VIP, 24);
    script.track(0, TrackReport::Script(false));
    script.own_addresses();
    script.expect(&["listen 2", "remove 10.77.0.50", "MASTER>FAULT TrackFailed(TrackId(0))"]);
}

#[test]
fn a_backup_listens_on_and_knows_to_whom() {
    let mut script = Script::backup(tutorial(100));
    script.hear(HIGH, 150);
    script.resume(vec![tutorial(100)], vec![], ms(100));
    assert_eq!(script.state(), State::Backup);
    told(&mut script, &[]);
    script.expect(&["listen 2"]);
    let router = script.router(0);
    assert_eq!((router.master, router.state), (Some(ip(HIGH)), State::Backup));
    assert_eq!(router.peers.len(), 1);
    assert_eq!(script.next_timeout(), "master_down");
}

#[test]
fn what_is_another_router_lets_go_and_begins_anew() {
    let other = |vrid| RouterConfig { vrid: Vrid::new(vrid).unwrap(), name: format!("r{vrid}"), ..tutorial(100) };
    let mut script = Script::master(tutorial(100));
    script.forget();
    let heirs = [Identity::of(&other(77))];
    script.engine.leave_others(script.now, &heirs);
    script.command(Command::Servers(Servers::Ready));
    script.expect(&["advert 0", "remove 10.77.0.50", "MASTER>STOPPED Command", "listen none"]);
    assert_eq!(script.engine.continuation(script.now).routers, []);
    script.resume(vec![other(77)], vec![], ms(1));
    assert_eq!(script.state(), State::Init);
}

#[test]
fn a_configuration_changes_around_a_master() {
    let mut script = Script::master(tutorial(100));
    script.run_to(ms(3_000));
    script.forget();
    let mut config = RouterConfig { name: "renamed".into(), priority: Priority::new(90), ..tutorial(100) };
    config.vips.push(crate::config::Vip { addr: ip("10.77.0.51"), prefix_len: 32, dev: None });
    script.resume(vec![config], vec![], ms(5));
    told(&mut script, &[VIP]);
    script.expect(&[
        "listen 2",
        "advert 90",
        "add 10.77.0.50,10.77.0.51",
        "garp 10.77.0.51",
    ]);
}

#[test]
fn tracks_servers_and_fitness_are_known() {
    let tracked = || tracking(tracking(v3(100, 100), 0, None), 1, Some(-30));
    let tracks = || vec![data_plane(), script_track()];
    let mut script = Script::ready(tracked(), tracks());
    script.track(0, TrackReport::DataPlane(true));
    script.track(1, TrackReport::Script(false));
    script.command(Command::Servers(Servers::NotReady));
    script.hear(LOW, 50);
    let before = script.router(0);
    script.resume(vec![tracked()], tracks(), ms(10));
    told(&mut script, &[]);
    let after = script.router(0);
    assert_eq!((after.effective_priority, after.fit), (before.effective_priority, true));
    assert_eq!(after.tracks, before.tracks);
    // It still deposes nobody, as its servers are not there.
    script.hear(LOW, 50);
    script.forget();
    script.run_to(ms(1_500));
    assert_eq!(script.state(), State::Backup);
}

#[test]
fn what_is_left_can_be_left_again() {
    let mut script = Script::master(tutorial(100));
    script.run_to(ms(2_000));
    let first = script.engine.continuation(script.now);
    script.resume(vec![tutorial(100)], vec![], ms(0));
    // Before the kernel has told of anything.
    let second = script.engine.continuation(script.now);
    assert_eq!(first, second);
    assert!(matches!(second.routers[0].phase, Continued::Master { .. }));
    assert_eq!(script.router(0).source, None);
}
