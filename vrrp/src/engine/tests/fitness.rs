//! Fitness outranks priority: a node whose data plane does not serve is the last resort.

use std::time::Duration;

use crate::config::{Preempt, RouterConfig};
use crate::event::{Command, LOST_PATIENCE, Servers, State, TrackReport};
use crate::script::{HIGH, LOW, Script, data_plane, ms, tracking, tutorial};
use crate::stats::Counter;
use crate::types::Priority;

/// Skew_Time at priority 1 with v2: (256 − 1)/256 s.
const LAST_RESORT: Duration = Duration::from_nanos(996_093_750);

fn served(router: RouterConfig) -> Script {
    let mut s = Script::ready(tracking(router, 0, None), vec![data_plane()]);
    s.track(0, TrackReport::DataPlane(true));
    s.forget();
    s
}

fn serving_master(router: RouterConfig) -> Script {
    let mut s = served(router);
    s.next_timeout();
    s.start = s.now;
    s.forget();
    assert_eq!(s.state(), State::Master);
    s
}

fn serves(s: &mut Script, fit: bool) {
    s.track(0, TrackReport::DataPlane(fit));
}

#[test]
fn an_unknown_data_plane_counts_as_unfit_but_the_router_listens() {
    let mut s = Script::ready(tracking(tutorial(100), 0, None), vec![data_plane()]);
    s.expect(&["listen 2", "INIT>BACKUP Ready"]);
    let r = s.router(0);
    assert_eq!((r.fit, r.effective_priority), (false, Priority::MIN));
    assert_eq!(s.next(), Some((ms(3000) + LAST_RESORT, "master_down")));
    serves(&mut s, true);
    assert_eq!(s.next(), Some((Duration::from_micros(3_609_375), "master_down")));
    s.expect(&[]);
}

/// With a peer there, it takes over after its own Skew_Time, long before this node would come back.
#[test]
fn an_unfit_master_gives_up_and_a_peer_takes_over() {
    let mut s = serving_master(tutorial(200));
    s.run_to(ms(400));
    serves(&mut s, false);
    s.expect(&["advert 0", "remove 10.77.0.50", "MASTER>BACKUP Unfit(TrackId(0))"]);
    assert_eq!(s.next(), Some((ms(400) + LAST_RESORT, "master_down")));
    s.run_to(ms(1000));
    s.hear(LOW, 100);
    for n in 2..10 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 100);
    }
    s.expect(&[]);
    assert_eq!(s.counter(Counter::UnfitYields), 1);
    // Fit again, it preempts as usual.
    serves(&mut s, true);
    s.run_to(ms(20_000));
    assert_eq!(s.state(), State::Master);
}

/// A dead proxy is no worse than no proxy; and nobody is there to yield to a second time.
#[test]
fn alone_it_takes_the_addresses_back_and_keeps_them() {
    let mut s = serving_master(tutorial(200));
    serves(&mut s, false);
    s.forget();
    s.run_to(LAST_RESORT - Duration::from_nanos(1));
    s.expect(&[]);
    s.run_to(LAST_RESORT);
    s.expect(&["advert 1", "add 10.77.0.50", "garp 10.77.0.50", "BACKUP>MASTER MasterDown"]);
    for _ in 0..3 {
        serves(&mut s, true);
        serves(&mut s, false);
    }
    s.expect(&[]);
    // The regular adverts carry what is true at the time.
    s.run_to(LAST_RESORT + ms(1000));
    s.expect(&["advert 1"]);
    serves(&mut s, true);
    s.run_to(LAST_RESORT + ms(2000));
    s.expect(&["advert 200"]);
    // Somebody is heard: there is a peer to yield to.
    s.hear(LOW, 100);
    s.forget();
    serves(&mut s, false);
    s.expect(&["advert 0", "remove 10.77.0.50", "MASTER>BACKUP Unfit(TrackId(0))"]);
}

/// A peer that comes later is BACKUP and says nothing. After a minute the node finds out again whether there is one.
#[test]
fn that_nobody_is_there_is_not_believed_for_ever() {
    for (after, yields) in [(59_999, 0), (60_000, 1)] {
        let mut s = Script::ready(tracking(tutorial(200), 0, None), vec![data_plane()]);
        s.next_timeout();
        s.start = s.now;
        assert_eq!((s.state(), s.router(0).effective_priority.value()), (State::Master, 1));
        serves(&mut s, true);
        s.run_to(ms(after));
        serves(&mut s, false);
        assert_eq!(s.counter(Counter::UnfitYields), yields, "{after}");
    }
}

/// Fit again before anybody took over: back at its own Skew_Time since the release.
#[test]
fn a_short_unfitness_ends_at_the_own_skew_time() {
    let mut s = serving_master(tutorial(200));
    serves(&mut s, false);
    s.forget();
    s.run_to(ms(100));
    serves(&mut s, true);
    assert_eq!(s.next(), Some((Duration::from_micros(218_750), "master_down")));
    s.run_to(ms(219));
    s.expect(&["advert 200", "add 10.77.0.50", "garp 10.77.0.50", "BACKUP>MASTER MasterDown"]);
}

#[test]
fn an_unfit_backup_stays_behind_and_moves_its_timer() {
    let mut s = served(tutorial(100));
    s.hear(LOW, 200);
    assert_eq!(s.next(), Some((Duration::from_micros(3_609_375), "master_down")));
    serves(&mut s, false);
    assert_eq!(s.next(), Some((ms(3000) + LAST_RESORT, "master_down")));
    serves(&mut s, true);
    assert_eq!(s.next(), Some((Duration::from_micros(3_609_375), "master_down")));
    s.expect(&[]);
}

/// Preemption is a question among fit nodes only.
#[test]
fn a_fit_backup_deposes_an_unfit_master_whatever_the_preemption() {
    for preempt in [Preempt::Always, Preempt::Never, Preempt::After(ms(900_000))] {
        let mut s = served(RouterConfig { preempt, ..tutorial(100) });
        for n in 0..4 {
            s.run_to(ms(n * 1000));
            s.hear(HIGH, 1);
        }
        s.run_to(ms(3610));
        assert_eq!(s.state(), State::Master, "{preempt:?}");
        s.hear(HIGH, 1);
        assert_eq!(s.state(), State::Master, "{preempt:?}");
    }
}

#[test]
fn an_unfit_backup_deposes_nobody() {
    let mut s = served(tutorial(200));
    serves(&mut s, false);
    for n in 0..20 {
        s.run_to(ms(n * 1000));
        s.hear(HIGH, 1);
    }
    s.expect(&[]);
}

/// What was begun as a fit node is not finished as an unfit one.
#[test]
fn a_challenger_that_becomes_unfit_lets_the_master_be() {
    let mut s = served(tutorial(200));
    for n in 0..20 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 100);
        if n == 3 {
            serves(&mut s, false);
        }
    }
    s.expect(&[]);
    assert_eq!(s.state(), State::Backup);
    // It waits for a silent MASTER no longer than others: Master_Down since the last advert.
    serves(&mut s, true);
    s.run_to(ms(21_000));
    serves(&mut s, false);
    assert_eq!(s.next().map(|(at, _)| at), Some(ms(19_000 + 3000) + Duration::from_nanos(996_093_750)));
}

#[test]
fn preempt_delay_counts_from_fitness() {
    let router = RouterConfig { preempt: Preempt::After(ms(5500)), ..tutorial(100) };
    let mut s = Script::ready(tracking(router, 0, None), vec![data_plane()]);
    s.forget();
    for n in 0..20 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 50);
        if n == 10 {
            serves(&mut s, true);
        }
    }
    // Ready for 5.5 s at 15.5 s; the last advert accepted was that at 15 s.
    assert_eq!(s.router(0).since.duration_since(s.start), Duration::from_micros(18_609_375));
    assert_eq!(s.state(), State::Master);
}

/// Two unfit nodes settle on one, the higher address among equals, and stay there.
#[test]
fn two_unfit_nodes_do_not_ping_pong() {
    let (mut a, mut b) = (serving_master(tutorial(200)), served(tutorial(100)));
    serves(&mut b, false);
    b.start = b.now;
    serves(&mut a, false);
    b.hear(HIGH, 0);
    a.run_to(LAST_RESORT);
    b.run_to(LAST_RESORT);
    assert_eq!((a.state(), b.state()), (State::Master, State::Master), "both at the same instant");
    // To A (10.77.0.2 in its script) B is LOW; to B, A is HIGH.
    a.hear(LOW, 1);
    b.hear(HIGH, 1);
    assert_eq!((a.state(), b.state()), (State::Master, State::Backup));
    a.hear(LOW, 0);
    for n in 2..60 {
        a.run_to(ms(n * 1000));
        b.run_to(ms(n * 1000));
        b.hear(HIGH, 1);
        let (fit_a, fit_b) = (a.router(0).fit, b.router(0).fit);
        assert_eq!((a.state(), b.state(), fit_a, fit_b), (State::Master, State::Backup, false, false));
    }
}

/// The preferred node comes back while its own servers are not ready yet: the MASTER that serves stays, however long.
#[test]
fn a_cold_node_deposes_nobody_who_serves() {
    let mut s = served(tutorial(200));
    s.command(Command::Servers(Servers::NotReady));
    for n in 1..20 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 100);
    }
    s.expect(&[]);
    s.command(Command::Servers(Servers::Ready));
    for n in 20..23 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 100);
    }
    s.next_timeout();
    assert_eq!(s.state(), State::Master);
}

#[test]
fn a_cold_node_takes_over_where_nobody_serves() {
    type Event = fn(&mut Script);
    let events: [(&str, Event, u64); 3] = [
        ("a silent MASTER", |_| {}, 3_218),
        ("one that releases", |s| s.hear(LOW, 0), 218),
        ("one that is unfit", |s| s.hear(LOW, 1), 3_218),
    ];
    for (who, event, within_ms) in events {
        let mut s = served(tutorial(200));
        s.command(Command::Servers(Servers::NotReady));
        s.hear(LOW, 100);
        event(&mut s);
        s.run_to(ms(within_ms));
        assert_eq!(s.state(), State::Backup, "{who}: not before Skew_Time");
        s.run_to(ms(within_ms + 1));
        assert_eq!(s.state(), State::Master, "{who}");
    }
}

#[test]
fn a_master_that_gets_cold_stays() {
    let mut s = serving_master(tutorial(200));
    s.command(Command::Servers(Servers::NotReady));
    s.run_to(ms(500));
    s.hear(LOW, 100);
    assert_eq!(s.state(), State::Master);
}

/// The half of a split that kept its servers keeps the addresses when it heals, whatever the priorities.
#[test]
fn a_master_without_servers_loses_a_healed_split() {
    let mut s = serving_master(tutorial(200));
    s.command(Command::Servers(Servers::Lost));
    s.expect(&[]);
    s.run_to(ms(1000));
    s.expect(&["advert 2"]);
    s.run_to(ms(1500));
    s.hear(LOW, 100);
    assert_eq!(s.state(), State::Backup);
}

/// Both nodes see an outage of the servers, one a little earlier than the other: nothing moves.
#[test]
fn a_master_without_servers_is_deposed_only_by_a_node_that_stays_ready() {
    let mut s = served(tutorial(200));
    let silence = |s: &mut Script, from_s: u64, to_s: u64| {
        for n in from_s..to_s {
            s.run_to(ms(n * 1000));
            s.hear(LOW, 2);
        }
    };
    silence(&mut s, 1, 20);
    s.command(Command::Servers(Servers::Lost));
    silence(&mut s, 20, 60);
    s.command(Command::Servers(Servers::Ready));
    silence(&mut s, 60, 90);
    assert_eq!(s.state(), State::Backup, "ready for less than {LOST_PATIENCE:?}");
    silence(&mut s, 90, 96);
    assert_eq!(s.state(), State::Master);
}
