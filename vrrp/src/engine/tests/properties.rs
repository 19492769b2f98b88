//! What holds whatever happens.

use std::time::Duration;

use proptest::prelude::*;

use crate::event::{Command, State, TrackReport};
use crate::script::{HIGH, LOW, Script, data_plane, ip, ms, script_track, tracking, tutorial, v3};
use crate::stats::Counter;
use crate::timers::skew_time;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Losses shorter than Master_Down never cause a transition: up to two adverts in a row, and delays below
    /// Skew_Time on top.
    #[test]
    fn short_losses_never_cause_a_transition(
        priority in 1..=254_u8, fast: bool,
        losses in proptest::collection::vec((0..=2_u32, 0..1000_u32), 1..200),
    ) {
        let router = if fast { v3(priority, 10) } else { tutorial(priority) };
        let interval = router.advert_int.duration();
        let skew = skew_time(router.version, router.priority, router.advert_int);
        let mut s = Script::backup(router);
        s.hear(LOW, 254);
        let mut n = 0;
        for (lost, late) in losses {
            n += 1 + lost;
            s.run_to(interval * n + skew * late / 1000);
            s.hear(LOW, 254);
            s.expect(&[]);
        }
        prop_assert_eq!(s.state(), State::Backup);
    }

    /// A silence longer than Master_Down always does, and no other number of adverts before it matters.
    #[test]
    fn silence_always_ends_in_a_take_over(priority in 1..=254_u8, heard in 0..50_u32) {
        let mut s = Script::backup(tutorial(priority));
        for n in 0..heard {
            s.run_to(Duration::from_secs(1) * n);
            s.hear(LOW, 254);
        }
        let last = Duration::from_secs(1) * heard.saturating_sub(1);
        s.run_to(last + Duration::from_secs(4));
        prop_assert_eq!(s.state(), State::Master);
    }

    /// No bytes from the network make the engine panic, move, or speak.
    #[test]
    fn garbage_moves_nothing(
        packets in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..60), any::<[u8; 4]>(), any::<u8>()), 1..50),
    ) {
        let mut s = Script::master(tutorial(100));
        for (mut bytes, src, vrid) in packets {
            if let [first, second, ..] = bytes.as_mut_slice() {
                (*first, *second) = (0x21, if vrid < 200 { 51 } else { vrid });
            }
            s.hear_bytes(src.into(), ip("224.0.0.18"), &bytes);
        }
        s.expect(&[]);
        prop_assert_eq!(s.state(), State::Master);
        prop_assert_eq!(s.counter(Counter::AdvertsReceived), 0);
    }

    /// Whatever happens in whatever order: the lease is never outlived, nothing but a MASTER renews, the addresses are
    /// on exactly while MASTER, time-outs never stand still, and a stopped engine is silent.
    #[test]
    fn any_history_keeps_the_invariants(
        version3: bool, priority in 1..=255_u8,
        history in proptest::collection::vec((0..10_u8, any::<u8>(), 0..2000_u64), 1..150),
    ) {
        let router = if version3 { v3(priority, 100) } else { tutorial(priority) };
        let router = tracking(tracking(tracking(router, 0, None), 1, None), 2, Some(-20));
        let tracks = vec![script_track(), data_plane(), script_track()];
        let mut s = Script::ready(router, tracks);
        let (mut elapsed, mut master) = (0, false);
        for (event, detail, wait) in history {
            elapsed += wait;
            if event == 9 { s.sleep_to(ms(elapsed)) } else { s.run_to(ms(elapsed)) }
            disturb(&mut s, event, detail);
            let r = s.router(0);
            for word in s.words() {
                master = (master || word.contains(">MASTER")) && !word.starts_with("MASTER>");
                let renews = word.starts_with("heartbeat") || word.starts_with("renew");
                prop_assert!(master || !renews, "{word}");
            }
            prop_assert_eq!(master, r.state == State::Master);
            prop_assert_eq!(r.vips[0].on, master);
            prop_assert!(r.last_advert_sent.is_none_or(|sent| s.now < sent + ms(2500)));
        }
        s.command(Command::Shutdown);
        prop_assert_eq!(s.state(), State::Stopped);
        prop_assert!(!s.router(0).vips[0].on);
        s.forget();
        s.run_to(ms(elapsed + 100_000));
        s.hear(LOW, 1);
        s.expect_all(&[]);
    }

    /// The same with a kernel that refuses addresses now and then, and a third party that adds and removes them: what
    /// this node cannot help it cannot help, but it never stands still, never outlives the lease, and ends clean.
    #[test]
    fn a_hostile_kernel_does_not_confuse_it(
        priority in 1..=254_u8,
        history in proptest::collection::vec((0..12_u8, any::<u8>(), 0..2000_u64), 1..150),
    ) {
        let router = tracking(tracking(tracking(tutorial(priority), 0, None), 1, None), 2, Some(-20));
        let mut s = Script::ready(router, vec![script_track(), data_plane(), script_track()]);
        let mut elapsed = 0;
        for (event, detail, wait) in history {
            elapsed += wait;
            s.run_to(ms(elapsed));
            disturb(&mut s, event, detail);
            let r = s.router(0);
            prop_assert!(r.last_advert_sent.is_none_or(|sent| s.now < sent + ms(2500)));
        }
        (s.adds, s.reports) = (true, true);
        s.link(true);
        s.command(Command::Shutdown);
        s.run_to(ms(elapsed + 5000));
        s.forget();
        s.run_to(ms(elapsed + 100_000));
        s.expect_all(&[]);
    }
}

/// One of the things that happen to a node.
fn disturb(s: &mut Script, event: u8, detail: u8) {
    let odd = detail % 2 == 1;
    let peer = if odd { LOW } else { HIGH };
    match event {
        0..=2 => s.hear(peer, detail),
        3 => s.hear(peer, 0),
        4 => s.link(odd),
        5 => s.track(0, TrackReport::Script(detail > 60)),
        6 => s.track(1, TrackReport::DataPlane(odd)),
        7 => s.track(2, TrackReport::Script(odd)),
        8 => s.sends = detail > 60,
        10 => s.address(odd, "10.77.0.50", 32),
        11 => s.adds = detail > 60,
        _ => s.hear(peer, 100),
    }
}
