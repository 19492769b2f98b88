//! Who becomes MASTER, and when.

use std::time::Duration;

use crate::config::{AnnounceConfig, ChecksumForm, Preempt, RouterConfig};
use crate::event::{Command, State, TrackReport};
use crate::script::{HIGH, LOW, Script, ip, ms, script_track, tracking, tutorial, v3, v6};
use crate::stats::Counter;
use crate::types::{Centis, Priority};

const fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// `facts/vrrp.md` §5: a cold start at the tutorial's settings takes Master_Down, 3 s and (256 − 100)/256 s.
#[test]
fn cold_start_to_master_and_planned_stop() {
    let mut s = Script::backup(tutorial(100));
    s.run_to(micros(3_609_374));
    s.expect(&[]);
    s.run_to(micros(3_609_375));
    s.expect_all(&[
        "advert 100",
        "add 10.77.0.50",
        "garp 10.77.0.50",
        "BACKUP>MASTER MasterDown",
        "heartbeat 2.5s",
    ]);
    s.run_to(micros(4_609_375));
    s.expect_all(&["advert 100", "heartbeat 2.5s", "renew 2.5s"]);
    s.command(Command::Shutdown);
    s.expect_all(&["advert 0", "remove 10.77.0.50", "MASTER>STOPPED Command", "listen none"]);
    assert_eq!(s.next(), None);
    assert_eq!(s.state(), State::Stopped);
}

/// RFC 9568 §6.4.2 and `facts/vrrp.md` §5: a planned stop of the MASTER costs Skew_Time, 609 ms at the tutorial's
/// settings, and the successor's advert goes before its addresses.
#[test]
fn a_release_is_followed_after_skew_time() {
    let mut s = Script::backup(tutorial(100));
    s.hear(LOW, 101);
    s.run_to(ms(500));
    s.hear(LOW, 0);
    s.run_to(ms(500) + micros(609_374));
    s.expect(&[]);
    s.run_to(ms(500) + micros(609_375));
    s.expect(&["advert 100", "add 10.77.0.50", "garp 10.77.0.50", "BACKUP>MASTER MasterReleased 10.77.0.1"]);
}

/// Releases in a row do not put the take-over off.
#[test]
fn repeated_releases_do_not_extend_skew_time() {
    let mut s = Script::backup(tutorial(100));
    s.hear(LOW, 101);
    for t in (0..600).step_by(100) {
        s.run_to(ms(t));
        s.hear(LOW, 0);
    }
    s.run_to(micros(609_375));
    assert_eq!(s.state(), State::Master);
}

/// The loser of a split says so to its winner; to a BACKUP that hears another MASTER it means nothing.
#[test]
fn a_release_of_another_node_is_not_followed() {
    let mut s = Script::backup(tutorial(100));
    s.hear(LOW, 101);
    s.run_to(ms(500));
    s.hear(HIGH, 0);
    assert_eq!(s.counter(Counter::ReleasesReceived), 1);
    assert_eq!(s.next(), Some((micros(3_609_375), "master_down")));
    s.hear(LOW, 0);
    assert_eq!(s.next(), Some((ms(500) + micros(609_375), "master_down")));
}

/// RFC 9568 §6.4.2: an advert that is accepted resets the timer; each silent interval counts from the last one.
#[test]
fn a_silent_master_is_replaced_after_master_down() {
    for (router, down) in [
        (tutorial(100), micros(3_609_375)),
        (v3(100, 100), micros(3_609_375)),
        (v3(100, 10), Duration::from_nanos(360_937_500)),
        (v3(100, 1), Duration::from_nanos(36_093_750)),
        (RouterConfig { down_timer_adverts: 5, ..v3(100, 10) }, Duration::from_nanos(560_937_500)),
    ] {
        let interval = router.advert_int.duration();
        let mut s = Script::backup(router);
        for n in 0..20 {
            s.run_to(interval * n);
            s.hear(LOW, 200);
        }
        let last = interval * 19;
        s.run_to(last + down - Duration::from_nanos(1));
        s.expect(&[]);
        s.run_to(last + down);
        assert_eq!(s.state(), State::Master);
        s.expect(&["advert 100", "add 10.77.0.50", "garp 10.77.0.50", "BACKUP>MASTER MasterDown 10.77.0.1"]);
    }
}

/// RFC 9568 §6.4.2: a lower priority is ignored with preemption, so the timer runs on: 3.6 s, as keepalived.
#[test]
fn preemption_waits_for_the_timer_and_no_longer() {
    let mut s = Script::backup(tutorial(100));
    for n in 0..4 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 99);
    }
    assert_eq!(s.router(0).master, Some(ip(LOW)));
    s.run_to(micros(3_609_375));
    // Advert last: whoever hears it lets go, and by then everybody knows where the address is.
    s.expect(&["add 10.77.0.50", "garp 10.77.0.50", "advert 100", "BACKUP>MASTER Preempts 10.77.0.1 99"]);
}

#[test]
fn without_preemption_a_lower_master_is_left_alone_until_it_is_silent() {
    let mut s = Script::backup(RouterConfig { preempt: Preempt::Never, ..tutorial(100) });
    for n in 0..20 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 2);
    }
    s.expect(&[]);
    s.run_to(ms(19_000) + micros(3_609_375));
    assert_eq!(s.state(), State::Master);
}

/// The delay counts from readiness; when it is over, the timer still has to run out.
#[test]
fn preempt_delay_counts_from_readiness() {
    let mut s = Script::backup(RouterConfig { preempt: Preempt::After(ms(5500)), ..tutorial(100) });
    for n in 0..9 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 99);
    }
    // The advert at 5 s was the last to be accepted.
    s.run_to(ms(5000) + micros(3_609_374));
    s.expect(&[]);
    s.run_to(ms(5000) + micros(3_609_375));
    assert_eq!(s.state(), State::Master);
}

/// RFC 9568 §6.4.1 and §6.4.3: the owner does not wait, and yields to nobody.
#[test]
fn the_owner_is_master_at_once_and_stays() {
    let mut s = Script::ready(tutorial(255), vec![]);
    s.expect(&["listen 2", "advert 255", "add 10.77.0.50", "garp 10.77.0.50", "INIT>MASTER Owner"]);
    s.hear(HIGH, 254);
    s.expect(&["advert 255", "garp 10.77.0.50"]);
    s.hear(HIGH, 255);
    s.expect(&[]);
    assert_eq!((s.state(), s.counter(Counter::DuplicateOwner)), (State::Master, 1));
}

#[test]
fn tracks_never_change_the_owner_s_priority() {
    let router = tracking(tracking(tutorial(255), 0, Some(-100)), 1, None);
    let mut s = Script::ready(router, vec![script_track(), crate::script::data_plane()]);
    s.track(0, TrackReport::Script(false));
    s.track(1, TrackReport::DataPlane(false));
    let r = s.router(0);
    assert_eq!((r.state, r.effective_priority, r.fit), (State::Master, Priority::OWNER, true));
}

/// RFC 9568 §6.1: a BACKUP learns the MASTER's interval; one that takes over uses its own again.
#[test]
fn v3_learns_the_interval_of_the_master() {
    let mut s = Script::backup(v3(100, 100));
    let mut advert = s.peer_advert(0, 200);
    advert.interval = Centis::new(20).expect("in range");
    s.hear_advert(LOW, &advert, ChecksumForm::Rfc5798);
    // 3 × 200 ms and 156/256 of 200 ms.
    s.run_to(micros(721_874));
    s.expect(&[]);
    s.run_to(micros(721_875));
    assert_eq!(s.state(), State::Master);
    assert_eq!(s.counter(Counter::IntervalDiffers), 1);
    assert_eq!(s.next(), Some((micros(1_721_875), "advert")));
    s.hear_advert(LOW, &advert, ChecksumForm::Rfc5798);
    assert_eq!(s.next(), Some((micros(1_443_750), "master_down")), "learned on stepping down, too");
}

/// RFC 3768 §7.1: v2 nodes with another interval do not talk to each other.
#[test]
fn v2_drops_another_interval() {
    let mut s = Script::backup(tutorial(100));
    let mut advert = s.peer_advert(0, 200);
    advert.interval = Centis::new(200).expect("in range");
    s.hear_advert(LOW, &advert, ChecksumForm::Rfc5798);
    assert_eq!(s.counter(Counter::DropIntervalMismatch), 1);
    s.run_to(micros(3_609_375));
    assert_eq!(s.state(), State::Master);
}

/// `facts/vrrp.md` §3: a new priority moves the running timer by the difference of the skews.
#[test]
fn a_new_priority_moves_the_running_timer() {
    let mut s = Script::ready(tracking(tutorial(100), 0, Some(50)), vec![script_track()]);
    s.run_to(ms(1000));
    s.hear(LOW, 200);
    assert_eq!(s.next(), Some((ms(4000) + micros(609_375), "master_down")));
    s.run_to(ms(2000));
    s.track(0, TrackReport::Script(true));
    assert_eq!(s.router(0).effective_priority, Priority::new(150));
    assert_eq!(s.next(), Some((ms(4000) + Duration::from_nanos(414_062_500), "master_down")));
    s.track(0, TrackReport::Script(false));
    assert_eq!(s.next(), Some((ms(4000) + micros(609_375), "master_down")));
}

/// `facts/vrrp.md` §3: A (101) and B (100) with weight 2. The proxy on A dies: its next regular advert says so, and B
/// takes over when its timer, running since the last advert it accepted, runs out.
#[test]
fn the_tutorial_s_pair() {
    let pair = |priority| Script::ready(tracking(tutorial(priority), 0, Some(2)), vec![script_track()]);
    let (mut a, mut b) = (pair(101), pair(100));
    a.track(0, TrackReport::Script(true));
    b.track(0, TrackReport::Script(true));
    a.next_timeout();
    a.start = a.now;
    a.forget();
    b.forget();
    b.start = b.now;
    b.hear(LOW, 103);
    a.run_to(ms(500));
    a.track(0, TrackReport::Script(false));
    a.expect(&[]);
    a.run_to(ms(1000));
    a.expect(&["advert 101"]);
    for n in 1..4 {
        b.run_to(ms(n * 1000));
        b.hear(LOW, 101);
    }
    // 3 s and (256 − 102)/256 s after the last accepted advert.
    b.run_to(Duration::from_nanos(3_601_562_499));
    b.expect(&[]);
    b.run_to(Duration::from_nanos(3_601_562_500));
    assert_eq!(b.state(), State::Master);
    a.hear(HIGH, 102);
    a.expect(&["advert 0", "remove 10.77.0.50", "MASTER>BACKUP HigherPriority 10.77.0.3 102"]);
}

#[test]
fn tracked_priority_is_clamped_to_what_a_backup_may_have() {
    for (base, weight, ok, priority) in
        [(100, 253, true, 254), (100, -253, false, 1), (254, 1, true, 254), (1, -1, false, 1)]
    {
        let mut s = Script::ready(tracking(tutorial(base), 0, Some(weight)), vec![script_track()]);
        s.track(0, TrackReport::Script(ok));
        assert_eq!(s.router(0).effective_priority, Priority::new(priority), "{base} {weight}");
    }
}

/// The schedule of announcements: at once, after the delay, and each minute.
#[test]
fn announcements_follow_their_schedule() {
    let announce = AnnounceConfig {
        repeat: 5,
        delay: ms(5000),
        refresh_repeat: 2,
        refresh: ms(60_000),
        lower_prio_repeat: 5,
    };
    let mut s = Script::backup(RouterConfig { announce, ..v6(100) });
    s.next_timeout();
    s.start = s.now;
    let pair = ["na fe80::50", "na fd77::50"];
    let mut first = vec!["advert 100", "add fe80::50,fd77::50"];
    first.extend(pair.iter().cycle().take(10));
    first.push("BACKUP>MASTER MasterDown");
    s.expect(&first);
    s.run_to(ms(4999));
    assert_eq!(s.count("na "), 0);
    s.run_to(ms(5000));
    assert_eq!(s.count("na "), 10);
    s.run_to(ms(59_999));
    assert_eq!(s.count("na "), 0);
    s.run_to(ms(60_000));
    assert_eq!(s.count("na "), 4);
    s.run_to(ms(240_000));
    assert_eq!(s.count("na "), 12);
}

/// Each side of a healed split, whichever hears first. The loser's release makes the winner announce once more after
/// the loser has let go, and the loser announces nothing.
#[test]
fn a_healed_split_is_announced_by_the_winner() {
    let announce = AnnounceConfig { lower_prio_repeat: 5, ..tutorial(100).announce };
    let node = |priority| Script::master(RouterConfig { announce, ..tutorial(priority) });
    // The winner hears first: two frames at once, and one when the loser has let go.
    let mut winner = node(101);
    winner.run_to(ms(300));
    winner.hear(LOW, 100);
    winner.expect(&["advert 101", "garp 10.77.0.50", "garp 10.77.0.50"]);
    winner.hear(LOW, 0);
    winner.expect(&["advert 101", "garp 10.77.0.50"]);
    // The next split, a moment later, is not beyond the limit.
    winner.run_to(ms(1000));
    winner.forget();
    winner.hear(LOW, 100);
    winner.expect(&["advert 101", "garp 10.77.0.50"]);
    winner.hear(LOW, 0);
    winner.expect(&["advert 101", "garp 10.77.0.50"]);
    // The loser hears first: its release is all the winner needs.
    let mut loser = node(100);
    loser.run_to(ms(300));
    loser.hear(HIGH, 101);
    loser.expect(&["advert 0", "remove 10.77.0.50", "MASTER>BACKUP HigherPriority 10.77.0.3 101"]);
    loser.run_to(ms(1000));
    loser.hear(HIGH, 101);
    loser.expect(&[]);
    let mut winner = node(101);
    winner.hear(LOW, 0);
    winner.expect(&["advert 101", "garp 10.77.0.50", "garp 10.77.0.50"]);
}

/// An extra advert starts the interval anew, so that answers do not come on top of the schedule.
#[test]
fn an_answer_restarts_the_advert_timer() {
    let mut s = Script::master(tutorial(100));
    s.run_to(ms(700));
    s.hear(LOW, 50);
    s.expect(&["advert 100", "garp 10.77.0.50"]);
    s.run_to(ms(1699));
    s.expect(&[]);
    s.run_to(ms(1700));
    s.expect(&["advert 100"]);
}

/// A node whose addresses cannot be put on leaves the place to others for a minute, and tries again if there are none.
#[test]
fn a_node_that_cannot_add_its_addresses_stands_back() {
    let mut s = Script::backup(tutorial(100));
    s.adds = false;
    s.next_timeout();
    s.start = s.now;
    // The announcement was still queued behind the addresses, and is withdrawn with them.
    s.expect(&[
        "advert 100",
        "add 10.77.0.50",
        "BACKUP>MASTER MasterDown",
        "advert 0",
        "remove 10.77.0.50",
        "MASTER>BACKUP CannotAddVips",
    ]);
    s.adds = true;
    for n in 1..60 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 50);
    }
    s.expect(&["remove 10.77.0.50"]);
    for n in 60..64 {
        s.run_to(ms(n * 1000));
        s.hear(LOW, 50);
    }
    assert_eq!(s.state(), State::Master, "deposed once the minute is over");
}
