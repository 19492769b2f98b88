//! Processes of the MASTER die or freeze, alone and together.

use std::time::{Duration, Instant};

use evenkeel_tests::lab::client::Failure;
use evenkeel_tests::lab::topology::VIP4;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{PairConfig, Role};
use nix::sys::signal::Signal;

use super::pair::{BLINK, Pair};

#[test]
fn a_killed_keeper_leaves_no_address_behind() {
    let mut pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let killed = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGKILL);
    wait::until_true("the guard takes the VIP off", SOON, || !pair.owners.holds(0, VIP4));
    assert!(
        killed.elapsed() < Duration::from_millis(250),
        "before the lease: it was the guard, after {:?}",
        killed.elapsed()
    );
    pair.b.wait_state("VI_1", "MASTER", SOON);
    prober.wait_via(&pair.lab.b, SOON);
    assert!(pair.owners.both(VIP4, killed) < BLINK);
    let report = prober.stop().since(killed);
    assert!(report.longest_outage() < Duration::from_millis(1500), "Master_Down is 361 ms: {report}");
    wait::until_true("guard and worker are gone too", SOON, || {
        pair.a.pids(Role::Guard).is_empty() && pair.a.pids(Role::Worker).is_empty()
    });

    // A restart into what is left takes the address back in order.
    pair.a.wait_exit(SOON);
    pair.a.restart();
    pair.wait_settled();
}

/// At 1 s adverts: the Skew_Time of priority 100 is 0.6 s, its Master_Down 3.6 s.
#[test]
fn the_guard_of_a_killed_keeper_says_so_and_the_peer_need_not_wait() {
    let pair = Pair::start(&PairConfig::v2());
    let prober = pair.traffic();
    let killed = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGKILL);
    let change = pair.b.wait_state("VI_1", "MASTER", SOON);
    assert!(change.cause.contains("released with priority 0"), "{change:?}");
    let took = change.at.duration_since(killed);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    prober.wait_via(&pair.lab.b, SOON);
    assert_eq!(pair.owners.both(VIP4, killed), Duration::ZERO);
    let releases = pair.tap.adverts(&pair.lab.a, killed).iter().filter(|(_, a)| a.priority() == 0).count();
    assert_eq!(releases, 1);
    let report = prober.stop().since(killed);
    assert!(report.longest_outage() < Duration::from_millis(2500), "{report}");
}

#[test]
fn everything_killed_at_once_leaves_the_address_to_the_kernel() {
    // At 1 s adverts the kernel's whole seconds are fine enough: no overlap at all.
    let mut pair = Pair::start(&PairConfig::v2());
    let prober = pair.traffic();
    let killed = Instant::now();
    pair.a.kill_all();
    assert!(pair.owners.holds(0, VIP4), "nobody is left to take the VIP off");
    wait::until_true("the kernel takes the VIP off", SOON, || !pair.owners.holds(0, VIP4));
    let left = killed.elapsed();
    assert!(left < Duration::from_millis(3600), "the lease is shorter than Master_Down: {left:?}");
    let change = pair.b.wait_state("VI_1", "MASTER", SOON);
    assert!(change.cause.contains("fell silent"), "nobody was left to release it: {change:?}");
    prober.wait_via(&pair.lab.b, SOON);
    assert_eq!(pair.owners.both(VIP4, killed), Duration::ZERO);
    let report = prober.stop().since(killed);
    assert!(report.longest_outage() < Duration::from_millis(6000), "Master_Down is 3.6 s: {report}");
}

#[test]
fn a_frozen_keeper_loses_the_address_before_the_peer_takes_it() {
    let pair = Pair::start(&PairConfig::v2());
    let prober = pair.traffic();
    let frozen = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGSTOP);
    prober.wait_via(&pair.lab.b, SOON);
    pair.wait_only(1);
    assert_eq!(pair.owners.both(VIP4, frozen), Duration::ZERO);

    // Thawed, it does not believe that it still has the address; it comes back by election.
    let thawed = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGCONT);
    let left = pair.a.transitions().len();
    wait::until_true("a notices that it overslept", SOON, || {
        pair.a.transitions().iter().any(|t| t.at >= thawed && t.from == "MASTER")
    });
    pair.wait_settled();
    prober.wait_via(&pair.lab.a, SOON);
    assert!(pair.a.transitions().len() >= left);
    assert!(pair.owners.both(VIP4, thawed) < BLINK);
}

#[test]
fn keeper_and_guard_frozen_together_are_fenced_by_the_kernel() {
    let pair = Pair::start(&PairConfig::v2());
    let prober = pair.traffic();
    let frozen = Instant::now();
    pair.a.signal(Role::Guard, Signal::SIGSTOP);
    pair.a.signal(Role::Keeper, Signal::SIGSTOP);
    prober.wait_via(&pair.lab.b, SOON);
    pair.wait_only(1);
    assert_eq!(pair.owners.both(VIP4, frozen), Duration::ZERO);
    pair.a.signal(Role::Guard, Signal::SIGCONT);
    pair.a.signal(Role::Keeper, Signal::SIGCONT);
    pair.wait_settled();
}

#[test]
fn a_frozen_keeper_with_fast_adverts_is_fenced_by_the_guard() {
    let pair = Pair::start(&PairConfig::default());
    let frozen = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGSTOP);
    pair.b.wait_state("VI_1", "MASTER", SOON);
    pair.wait_only(1);
    // The lease is 250 ms, Master_Down of b 361 ms.
    assert!(pair.owners.both(VIP4, frozen) < BLINK);
    pair.a.signal(Role::Keeper, Signal::SIGCONT);
    pair.wait_settled();
}

#[test]
fn a_killed_guard_is_replaced_and_the_new_one_guards() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let guard = pair.a.pid(Role::Guard);
    let killed = Instant::now();
    pair.a.signal(Role::Guard, Signal::SIGKILL);
    wait::until_true("there is another guard", SOON, || {
        pair.a.pids(Role::Guard).iter().any(|pid| *pid != guard)
    });
    wait::until_true("it answers", SOON, || {
        pair.a.status_at("/guard/answered_ms").as_u64().is_some_and(|ms| ms < 1000)
    });
    prober.run_for(Duration::from_millis(300));
    let report = prober.stop().since(killed);
    assert_eq!(report.failed(), 0, "{report}");
    assert_eq!(pair.owners.arrivals(VIP4, killed), 0, "the VIP stayed where it was");
    assert!(pair.a.transitions().iter().all(|t| t.at < killed), "no transition");

    let killed = Instant::now();
    pair.a.signal(Role::Keeper, Signal::SIGKILL);
    wait::until_true("the new guard takes the VIP off", SOON, || !pair.owners.holds(0, VIP4));
    assert!(killed.elapsed() < Duration::from_millis(250), "after {:?}", killed.elapsed());
}

#[test]
fn a_killed_worker_refuses_no_connection_and_moves_nothing() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let worker = pair.a.pid(Role::Worker);
    let killed = Instant::now();
    pair.a.signal(Role::Worker, Signal::SIGKILL);
    wait::until_true("there is another worker", SOON, || {
        pair.a.pids(Role::Worker).iter().any(|pid| *pid != worker)
    });
    prober.wait_via(&pair.lab.a, SOON);
    prober.run_for(Duration::from_millis(300));
    let report = prober.stop().since(killed - Duration::from_millis(20));
    assert_eq!(report.count(Failure::Refused), 0, "{report}");
    assert_eq!(report.count(Failure::Status(503)), 0, "the new worker knows which servers are up: {report}");
    assert!(report.failed() <= 10, "only what the dead worker had in its hands: {report}");
    assert!(
        report.longest_silence() < Duration::from_millis(800),
        "{:?}: {report}",
        report.longest_silence()
    );
    assert!(pair.a.transitions().iter().all(|t| t.at < killed), "no transition");
    assert_eq!(pair.owners.arrivals(VIP4, killed), 0);
    assert_eq!(pair.a.status_at("/worker/lost"), 1);
}

#[test]
fn a_stopped_worker_is_noticed_and_replaced() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let worker = pair.a.pid(Role::Worker);
    let stopped = Instant::now();
    pair.a.signal(Role::Worker, Signal::SIGSTOP);
    wait::until_true("there is another worker", SOON, || {
        pair.a.pids(Role::Worker).iter().all(|pid| *pid != worker)
    });
    prober.wait_answer(SOON);
    prober.run_for(Duration::from_millis(300));
    let report = prober.stop().since(stopped);
    assert!(
        report.longest_silence() < Duration::from_millis(1500),
        "{:?}: {report}",
        report.longest_silence()
    );
    assert_eq!(report.count(Failure::Refused), 0, "{report}");
}

#[test]
fn a_node_that_cannot_keep_a_worker_gives_the_address_up_until_it_can() {
    let pair = Pair::start(&PairConfig::default());
    let prober = pair.traffic();
    let begin = Instant::now();
    wait::until_true("b is MASTER while a has no worker", SOON, || {
        // Each worker dies as soon as it is seen.
        for pid in pair.a.pids(Role::Worker) {
            nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap_or_default();
        }
        pair.b.state("VI_1").as_deref() == Some("MASTER")
    });
    prober.wait_via(&pair.lab.b, SOON);
    let releases = pair.tap.adverts(&pair.lab.a, begin).iter().filter(|(_, a)| a.priority() == 0).count();
    assert!(releases >= 1, "it released instead of falling silent");
    assert!(pair.a.pids(Role::Keeper).len() == 1, "the keeper lives");
    // Left alone it gets a worker, is fit, and takes the address back.
    pair.a.wait_fit();
    pair.wait_settled();
    prober.wait_via(&pair.lab.a, SOON);
    assert!(pair.owners.both(VIP4, begin) < BLINK);
}

#[test]
fn a_restart_finds_and_removes_what_an_earlier_life_left() {
    let mut pair = Pair::start(&PairConfig::v2());
    pair.a.kill_all();
    assert!(pair.owners.holds(0, VIP4));
    // Back at once, before the kernel's lease is over: b has noticed nothing yet.
    let restarted = Instant::now();
    pair.a.restart();
    wait::until_true("the old address is off before the node takes part", SOON, || {
        !pair.owners.holds(0, VIP4)
    });
    let removed = Instant::now();
    let first = pair.a.wait_state("VI_1", "BACKUP", SOON);
    assert!(first.at + BLINK > removed, "the leftover was removed first");
    assert!(
        removed.duration_since(restarted) < Duration::from_millis(1500),
        "by the node, not by the kernel"
    );
    pair.wait_settled();
    assert_eq!(pair.owners.both(VIP4, restarted), Duration::ZERO);
}
