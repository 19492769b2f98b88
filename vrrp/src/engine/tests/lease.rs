//! The lease: addresses are held only while adverts are really sent.

use crate::config::{RouterConfig, Transport};
use crate::event::{Action, ActionResult, AdvertCopy, Command, NetEvent, State};
use crate::script::{HIGH, LOW, Script, ip, ms, tutorial, v3};
use crate::stats::Counter;
use crate::types::{Centis, IfIndex, RouterId};

const ROUTER: RouterId = RouterId(0);

/// A thawed process finds itself BACKUP before it reads the adverts that queued up while it was frozen. As MASTER it
/// would answer them and win the addresses back (`facts/vrrp.md` §5, "stop").
#[test]
fn a_thawed_master_reads_old_adverts_as_backup() {
    let mut s = Script::master(tutorial(200));
    s.run_to(ms(10_000));
    s.forget();
    s.sleep_to(ms(16_000));
    s.hear(LOW, 100);
    s.expect_all(&["remove 10.77.0.50", "MASTER>BACKUP Overslept"]);
    assert_eq!(s.counter(Counter::Overslept), 1);
    assert_eq!(s.counter(Counter::LowerPriorityHeard), 0);
}

/// Every input looks at the lease first.
#[test]
fn every_input_looks_at_the_lease_first() {
    use crate::event::{Command, TrackReport};
    type Act = fn(&mut Script);
    let acts: [(&str, Act); 7] = [
        ("advert", |s| s.hear(LOW, 100)),
        ("timeout", |s| s.run_to(ms(2500))),
        ("net", |s| s.net(NetEvent::LinkGone(IfIndex::new(99).expect("not 0")))),
        ("track", |s| s.track(9, TrackReport::DataPlane(true))),
        ("result", |s| s.result(ActionResult::AdvertSent { router: ROUTER, last_copy: true })),
        ("garbage", |s| s.hear_bytes(ip(LOW), ip("224.0.0.18"), &[1, 2, 3])),
        ("command", |s| s.command(Command::Shutdown)),
    ];
    for (name, act) in acts {
        let mut s = Script::master(tutorial(200));
        s.sleep_to(ms(2500));
        act(&mut s);
        assert_eq!(s.counter(Counter::Overslept), 1, "{name}");
        assert_eq!(s.count("advert"), 0, "{name}: not even a release");
        assert_ne!(s.state(), State::Master, "{name}");
        let mut s = Script::master(tutorial(200));
        s.sleep_to(ms(2499));
        act(&mut s);
        assert_eq!(s.counter(Counter::Overslept), 0, "{name}: the lease holds to its end");
    }
}

/// What a frozen MASTER left in the queue must not leave after the thaw.
#[test]
fn words_queued_before_the_freeze_are_withdrawn() {
    let mut s = Script::backup(tutorial(100));
    let (at, _) = s.engine.poll_timeout().expect("Master_Down");
    s.engine.handle_timeout(at);
    s.start = at;
    s.sleep_to(ms(2500));
    s.engine.handle_timeout(s.now);
    s.run_to(ms(2501));
    s.expect_all(&[]);
    s.hear(LOW, 100);
    // The transitions are told, for the log; the adverts, addresses and frames are not.
    s.expect_all(&["BACKUP>MASTER MasterDown", "remove 10.77.0.50", "MASTER>BACKUP Overslept"]);
}

/// An advertisement that was handed to the driver renews nothing; one that was sent does.
#[test]
fn only_a_sent_advert_renews_the_lease() {
    let mut s = Script::master(tutorial(100));
    s.run_to(ms(5000));
    s.forget();
    s.sends = false;
    s.run_to(ms(7499));
    s.expect_all(&["advert 100", "advert 100"]);
    s.run_to(ms(7500));
    s.expect_all(&["remove 10.77.0.50", "MASTER>BACKUP CannotSend"]);
    assert_eq!((s.counter(Counter::CannotSend), s.counter(Counter::AdvertsFailed)), (1, 2));
    assert_eq!(s.next().map(|(_, why)| why), Some("master_down"));
}

/// A node whose very first advert fails has not become MASTER: it never puts an address on.
#[test]
fn a_node_that_cannot_send_takes_no_address() {
    let mut s = Script::backup(tutorial(100));
    s.sends = false;
    s.next_timeout();
    s.start = s.now;
    s.expect_all(&[
        "advert 100",
        "BACKUP>MASTER MasterDown",
        "remove 10.77.0.50",
        "MASTER>BACKUP CannotSend",
    ]);
    s.sends = true;
    s.run_to(ms(3610));
    assert_eq!(s.state(), State::Master);
}

/// A failure that passes costs nothing.
#[test]
fn one_failed_advert_is_survived() {
    let mut s = Script::master(tutorial(100));
    s.sends = false;
    s.run_to(ms(1000));
    s.sends = true;
    s.run_to(ms(20_000));
    assert_eq!(s.state(), State::Master);
    assert_eq!(s.counter(Counter::AdvertsSent), 20, "one at the take-over, one failed of twenty");
}

/// The wake-up for the lease is announced even if nothing else is due.
#[test]
fn the_lease_is_part_of_the_timeout() {
    let mut s = Script::master(RouterConfig { lease: ms(900), ..tutorial(100) });
    assert_eq!(s.next(), Some((ms(900), "lease")));
    s.run_to(ms(900));
    s.expect(&["remove 10.77.0.50", "MASTER>BACKUP Overslept"]);
}

/// A beat that is handed on late, by a driver that was stopped after the advert was sent, grants nothing more.
#[test]
fn a_late_beat_ends_with_the_lease_of_its_advert() {
    let mut s = Script::master(tutorial(100));
    s.forget();
    s.run_to(ms(999));
    s.now = s.start + ms(1000);
    let sent_at = s.now;
    s.engine.handle_timeout(sent_at);
    s.engine.handle_action_result(sent_at, ActionResult::AdvertSent { router: ROUTER, last_copy: true });
    s.sleep_to(ms(2000));
    let beats = std::iter::from_fn(|| s.engine.poll_action());
    let ends: Vec<_> = beats
        .filter_map(|a| if let Action::Heartbeat { until, .. } = a { Some(until) } else { None })
        .collect();
    assert_eq!(ends, [sent_at + ms(2500)]);
}

/// A process that is stopped between an advert and the news that it was sent: the lease is the advert's.
#[test]
fn a_result_that_is_known_late_grants_nothing_more() {
    let mut s = Script::master(tutorial(100));
    s.forget();
    s.run_to(ms(999));
    let decided = s.start + ms(1000);
    s.engine.handle_timeout(decided);
    s.engine.handle_action_result(
        decided + ms(900),
        ActionResult::AdvertSent { router: ROUTER, last_copy: true },
    );
    let ends: Vec<_> = std::iter::from_fn(|| s.engine.poll_action())
        .filter_map(|a| if let Action::Heartbeat { until, .. } = a { Some(until) } else { None })
        .collect();
    assert_eq!(ends, [decided + ms(2500)]);
}

/// With unicast the lease starts anew with the last copy; a peer that cannot be reached does not cost it.
#[test]
fn a_lease_is_renewed_once_per_advertisement() {
    let transport = Transport::Unicast { peers: vec![ip(LOW), ip(HIGH)], check_source: true };
    let mut s = Script::backup(RouterConfig { transport, ..tutorial(100) });
    s.next_timeout();
    s.start = s.now;
    s.expect_all(&[
        "advert 100 to 10.77.0.1",
        "advert 100 to 10.77.0.3",
        "add 10.77.0.50",
        "garp 10.77.0.50",
        "BACKUP>MASTER MasterDown",
        "heartbeat 2.5s",
    ]);
    assert_eq!(s.counter(Counter::AdvertsSent), 1);
    // From here on the results come by hand.
    for (first, last, renewed) in
        [(true, true, true), (true, false, true), (false, true, true), (false, false, false)]
    {
        let (at, why) = s.engine.poll_timeout().expect("the next advert");
        assert_eq!(why, "advert");
        s.now = at;
        s.engine.handle_timeout(at);
        while s.engine.poll_action().is_some() {}
        let before = s.counter(Counter::AdvertsSent);
        for (sent, last_copy) in [(first, false), (last, true)] {
            s.result(if sent {
                ActionResult::AdvertSent { router: ROUTER, last_copy }
            } else {
                ActionResult::AdvertFailed { router: ROUTER, errno: 113 }
            });
        }
        assert_eq!(s.counter(Counter::AdvertsSent) - before, u64::from(renewed), "{first} {last}");
        assert_eq!(s.count("heartbeat"), usize::from(renewed), "{first} {last}");
    }
}

/// The guard hears of each advert; the kernel, which counts in seconds, only a few times a second.
#[test]
fn the_kernel_is_not_refreshed_with_every_fast_advert() {
    let mut s = Script::master(v3(100, 1));
    s.run_to(ms(3000));
    let said = s.engine.snapshot(s.now).routers[0].counters.count(Counter::AdvertsSent);
    assert_eq!(said, 301, "one at the take-over and a hundred a second");
    let mut s = Script::master(v3(100, 1));
    s.run_to(ms(3000));
    assert_eq!(s.count("renew 1s"), 10);
    let mut s = Script::master(v3(100, 1));
    s.run_to(ms(3000));
    assert_eq!(s.count("heartbeat 25ms"), 300);
}

/// The kernel counts whole seconds: an address whose lifetime ends between two renewals would come and go.
#[test]
fn the_kernel_s_lifetime_outlasts_the_interval() {
    for (advert_int, adverts, lease_ms, lifetime) in [
        (100, 3, 2500, ms(2500)),
        (100, 2, 1500, ms(2000)),
        (100, 3, 2000, ms(2000)),
        (1, 3, 25, ms(1000)),
        (75, 3, 1875, ms(1875)),
        (76, 2, 1140, ms(2000)),
        (300, 2, 4500, ms(4500)),
    ] {
        let advert_int = Centis::new(advert_int).expect("in range");
        let router =
            RouterConfig { advert_int, down_timer_adverts: adverts, lease: ms(lease_ms), ..v3(100, 1) };
        let mut s = Script::master(router);
        s.run_to(advert_int.duration().max(ms(300)));
        assert_eq!(s.count(&format!("renew {lifetime:?}")), 1, "{advert_int} {lease_ms}");
    }
}

/// Nothing but a MASTER renews.
#[test]
fn only_a_master_renews() {
    let mut s = Script::master(tutorial(100));
    s.run_to(ms(3000));
    s.hear(LOW, 200);
    s.forget();
    for n in 1..20 {
        s.run_to(ms(3000 + n * 500));
        s.hear(LOW, 200);
        s.result(ActionResult::AdvertSent { router: ROUTER, last_copy: true });
    }
    s.expect_all(&[]);
}

/// What the guard says for a MASTER that cannot is what the MASTER itself would say.
#[test]
fn a_farewell_is_the_release_of_a_master() {
    let peers = vec![ip(LOW), ip("10.77.0.9")];
    let unicast =
        RouterConfig { transport: Transport::Unicast { peers, check_source: false }, ..v3(200, 100) };
    for config in [tutorial(200), unicast] {
        assert_eq!(Script::backup(config.clone()).engine.farewell(ROUTER), []);
        let mut s = Script::master(config);
        s.hear(LOW, 100);
        let farewell = s.engine.farewell(ROUTER);
        assert_eq!(s.engine.farewell(RouterId(1)), []);
        s.engine.handle_command(s.now, Command::Shutdown);
        let mut released = Vec::new();
        while let Some(action) = s.engine.poll_action() {
            if let Action::SendAdvert { ifindex, src, dst, bytes, .. } = action {
                released.push(AdvertCopy { ifindex, src, dst, bytes });
            }
        }
        assert!(!farewell.is_empty() && farewell.iter().all(|c| c.bytes.get(2) == Some(&0)));
        assert_eq!(farewell, released);
        assert_eq!(s.engine.farewell(ROUTER), [], "it has let go");
    }
}
