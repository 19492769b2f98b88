//! What operators, leaders and servers themselves want, and what waits meanwhile.

use super::*;
use crate::health::Queued;
use crate::health::http::On404;
use crate::plan::{HttpManner, Redispatch, ServerLimits, Watch};

/// As HAProxy 2.6 does and says it.
#[test]
fn what_is_wanted_of_a_server_is_wanted_of_its_followers() {
    use AdminState::{Drain, Maint, Ready};
    let follow = |leader: u32| Server {
        watch: Watch { track: Some(ServerId(leader)), ..Watch::default() },
        ..server(1)
    };
    let mut world = World::new(vec![checked(server(1)), follow(0), follow(1)]);
    world.run_until(ms(300));
    let none = "0 sessions active, 0 requeued, 0 remaining in queue.";
    let cases = [
        (
            (0, Maint),
            ["MAINT", "MAINT", "MAINT"],
            vec![
                format!("Server be/s1 is going DOWN for maintenance. 2 active and 0 backup servers left. {none}"),
                format!("Server be/s2 is going DOWN for maintenance via be/s1. 1 active and 0 backup servers left. {none}"),
                format!("Server be/s3 is going DOWN for maintenance via be/s2. 0 active and 0 backup servers left. {none}"),
                "backend be has no server available!".into(),
            ],
        ),
        (
            (0, Ready),
            ["UP"; 3],
            vec![
                "Server be/s1 is UP/READY (leaving forced maintenance).".into(),
                "Server be/s2 is UP/READY (leaving maintenance).".into(),
                "Server be/s3 is UP/READY (leaving maintenance).".into(),
            ],
        ),
        (
            (0, Drain),
            ["DRAIN"; 3],
            vec![
                "Server be/s1 enters drain state. 2 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.".into(),
                "Server be/s2 enters drain state via be/s1. 1 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.".into(),
                "Server be/s3 enters drain state via be/s2. 0 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.".into(),
                "backend be has no server available!".into(),
            ],
        ),
        (
            (1, Maint),
            ["DRAIN", "MAINT", "MAINT"],
            vec![
                format!("Server be/s2 is going DOWN for maintenance. 0 active and 0 backup servers left. {none}"),
                format!("Server be/s3 is going DOWN for maintenance via be/s2. 0 active and 0 backup servers left. {none}"),
            ],
        ),
        ((0, Ready), ["UP", "MAINT", "MAINT"], vec!["Server be/s1 is UP (leaving forced drain).".into()]),
        (
            (1, Ready),
            ["UP"; 3],
            vec![
                "Server be/s2 is UP/READY (leaving forced maintenance).".into(),
                "Server be/s3 is UP/READY (leaving maintenance).".into(),
            ],
        ),
    ];
    for ((id, admin), operational, said) in cases {
        world.admin(id, admin);
        assert_eq!(world.operational(), operational, "{id} {admin:?}");
        let lines = world.said();
        let texts: Vec<_> = lines.iter().map(|line| line.split_once(": ").unwrap().1).collect();
        assert_eq!(texts, said, "{id} {admin:?}");
    }
}

#[test]
fn a_server_that_wants_no_new_work_gets_none() {
    let follower = Server { watch: Watch { track: Some(ServerId(0)), ..Watch::default() }, ..server(1) };
    let plan = || vec![checked(server(1)), follower.clone()];
    let mut world = World::new(plan());
    world.run_until(ms(1));
    let found = |world: &mut World, status| {
        while world.monitor.poll_check(world.now).is_none() {
            world.now += ms(100);
        }
        world.monitor.handle_result(world.now, ServerId(0), CheckResult::new(status).with_code(404));
        (world.operational(), world.said())
    };
    let (operational, said) = found(&mut world, CheckStatus::L7OkConditional);
    assert_eq!(operational, ["NOLB", "NOLB"]);
    let why = "reason: Layer7 check conditionally passed, code: 404, check duration: 0ms";
    let queue = "0 sessions requeued, 0 total in queue.";
    assert_eq!(
        said,
        [
            format!("Notice: Server be/s1 is stopping, {why}. 1 active and 0 backup servers online. {queue}"),
            format!(
                "Notice: Server be/s2 is stopping via be/s1. 0 active and 0 backup servers online. {queue}"
            ),
            "Emerg: backend be has no server available!".into(),
        ]
    );
    let state = world.state.server(ServerId(0)).unwrap();
    assert!(!state.is_usable() && state.takes_pinned(), "clients that stay with it do");
    let next = World::with(plan(), Some(&world.monitor.snapshot(world.now)));
    assert_eq!(next.operational(), ["NOLB", "NOLB"], "its successor knows");

    assert_eq!(found(&mut world, CheckStatus::L7Status).0, ["NOLB", "NOLB"], "one failure is none");
    let (operational, said) = found(&mut world, CheckStatus::L7Ok);
    assert_eq!(operational, ["UP", "UP"]);
    assert!(said[0].starts_with("Notice: Server be/s1 is UP, reason: Layer7 check passed"), "{said:?}");
    assert!(said[1].starts_with("Notice: Server be/s2 is UP via be/s1. 2 active"), "{said:?}");

    found(&mut world, CheckStatus::L7OkConditional);
    for status in [CheckStatus::L7Status; 3] {
        found(&mut world, status);
    }
    assert_eq!(world.operational(), ["DOWN", "DOWN"]);
    assert_eq!(found(&mut world, CheckStatus::L7Ok), (vec!["DOWN", "DOWN"], vec![]));
    assert_eq!(found(&mut world, CheckStatus::L7Ok).0, ["UP", "UP"]);

    found(&mut world, CheckStatus::L7OkConditional);
    world.admin(0, AdminState::Drain);
    assert_eq!(world.operational(), ["DRAIN", "DRAIN"]);
    world.admin(0, AdminState::Maint);
    world.admin(0, AdminState::Ready);
    assert_eq!(world.operational(), ["UP", "UP"], "until its next check");
}

#[test]
fn requests_that_wait_are_counted() {
    use std::task::Waker;
    let limited = || {
        let limits = ServerLimits { maxconn: Some(1), ..ServerLimits::default() };
        Server { limits, ..server(1) }
    };
    let plan = plan_with(vec![limited(), limited()], |backend| backend.redispatch = Redispatch::LAST);
    let mut world = World::of(plan, None);
    world.admin(1, AdminState::Maint);
    world.said();
    let begin = |state: &Arc<State>, pinned: Option<u32>| {
        let wish = Wish { pinned: pinned.map(ServerId), ..Wish::default() };
        let Outcome::Full(wait) = state.assign(BE, &wish) else { panic!("there is room") };
        State::wait(Arc::clone(state), wait, Waker::noop()).unwrap()
    };
    let lease = Lease::of(Arc::clone(&world.state), ServerId(0));
    assert!(matches!(world.state.assign(BE, &Wish::default()), Outcome::Assigned(_)));
    let _anyone = begin(&world.state, None);
    let _pinned = begin(&world.state, Some(0));
    world.admin(1, AdminState::Ready);
    let queue = world.monitor.poll_event().unwrap().queue;
    assert_eq!(queue, Queued { requeued: 1, waiting: 0 }, "the second server has taken the first in line");
    world.admin(0, AdminState::Maint);
    let said = world.said();
    assert!(said[0].ends_with(" 1 sessions active, 1 requeued, 0 remaining in queue."), "{said:?}");
    drop(lease);
}

#[test]
fn servers_are_told_what_is_known_of_them() {
    let with_state = |weight, backup| {
        let mut server = Server { backup, ..checked(server(weight)) };
        server.check.as_mut().unwrap().http =
            HttpManner { send_state: true, disable_on_404: true, protocol: None };
        server
    };
    let job = |id| Job { server: ServerId(id), probe: Probe::Check };
    let mut world = World::new(vec![with_state(5, false), with_state(1, true)]);
    let told = |world: &World, id| world.monitor.whom(job(id)).state.unwrap();
    let place = "address=127.0.0.1; port=1";
    // As HAProxy 2.6 begins.
    assert_eq!(told(&world, 0), format!("UP 1/3; {place}; name=be/s1; node=a; weight=5/5; scur=0/0; qcur=0"));
    assert_eq!(told(&world, 1), format!("UP 1/3; {place}; name=be/s2; node=a; weight=1/5; scur=0/0; qcur=0"));
    assert!(matches!(world.state.assign(BE, &Wish::default()), Outcome::Assigned(_)));
    let lease = Lease::of(Arc::clone(&world.state), ServerId(0));
    world.run_until(ms(300));
    assert_eq!(told(&world, 0), format!("UP; {place}; name=be/s1; node=a; weight=5/5; scur=1/1; qcur=0"));
    drop(lease);
    let answers = |world: &mut World, status| {
        let (at, job) = *world.monitor.queue.iter().find(|(_, job)| job.server == ServerId(0)).unwrap();
        world.monitor.queue.remove(&(at, job));
        world.monitor.checked_mut(job).unwrap().phase = Phase::Running { since: world.now, stale: false };
        world.monitor.handle_result(world.now, ServerId(0), CheckResult::new(status));
        let told = told(world, 0);
        let (words, _) = told.split_once(';').unwrap();
        let (_, weight) = told.split_once("weight=").unwrap();
        let may_stop = world.monitor.whom(job).on_404 == On404::Stop;
        format!("{words} {} {may_stop}", weight.split_once(';').unwrap().0)
    };
    let seen: Vec<_> = [
        CheckStatus::L7OkConditional,
        CheckStatus::L7Status,
        CheckStatus::L7Status,
        CheckStatus::L7Status,
        CheckStatus::L7Ok,
        CheckStatus::L7Ok,
    ]
    .map(|status| answers(&mut world, status))
    .into();
    assert_eq!(
        seen,
        [
            "NOLB 5/1 true",
            "NOLB 2/3 5/1 true",
            "NOLB 1/3 5/1 true",
            "DOWN 5/1 false",
            "DOWN 1/2 5/1 false",
            "UP 5/5 true",
        ]
    );
}

/// What operators do besides wishing holds, and a later life knows of it.
#[test]
fn operators_overrule_what_watches_a_server() {
    let mut world = World::new(vec![checked(server(1)), server(1)]);
    world.run_until(ms(2500));
    world.made.clear();
    assert!(world.monitor.handle_mute(world.now, ServerId(0), Probe::Check, true));
    assert!(!world.monitor.handle_mute(world.now, ServerId(1), Probe::Check, true), "it has no checks");
    world.passes[0] = false;
    world.run_until(ms(20_000));
    assert_eq!(world.made, [], "nobody checks it");
    assert!(world.monitor.handle_forced(world.now, ServerId(1), Forced::Down));
    assert_eq!(world.operational(), ["UP", "DOWN"]);
    let there: SocketAddr = "127.0.0.9:9".parse().unwrap();
    world.monitor.handle_readdress(world.now, ServerId(1), there);
    let said = world.said();
    assert!(
        said.iter().any(|l| l.contains("changed its address from 127.0.0.1:1 to 127.0.0.9:9 by an operator")),
        "{said:?}"
    );

    let snapshot = world.monitor.snapshot(world.now);
    let mut later = World::with(vec![checked(server(1)), server(1)], Some(&snapshot));
    assert!(later.monitor.first_round_done(), "no check is awaited");
    later.run_until(ms(20_000));
    assert_eq!((later.made.len(), later.operational()), (0, vec!["UP", "DOWN"]));
    assert_eq!(later.state.addresses().endpoint(ServerId(1)).as_deref(), Some(&there.into()));
    later.passes[0] = false;
    assert!(later.monitor.handle_mute(later.now, ServerId(0), Probe::Check, false));
    assert!(later.monitor.handle_forced(later.now, ServerId(1), Forced::Up));
    later.run_until(ms(40_000));
    assert_eq!(later.operational(), ["DOWN", "UP"]);
}
