use std::time::Duration;

use super::*;
use crate::config::ScriptConfig;
use crate::types::{Priority, TrackId};

fn script(rise: u16, fall: u16, init_fail: bool) -> Track {
    let second = Duration::from_secs(1);
    Track::new(TrackConfig {
        name: "check".into(),
        kind: TrackKind::Script(ScriptConfig {
            command: vec!["/bin/true".into()],
            interval: second,
            timeout: second,
            rise,
            fall,
            init_fail,
            user: None,
        }),
    })
}

const fn usage(weight: Option<i16>, reverse: bool) -> TrackUse {
    TrackUse { track: TrackId(0), weight, reverse }
}

/// Runs of results as `+` and `-`; the states after each as `p`ending, `o`k, `f`ailed.
#[test]
fn rise_and_fall_are_keepalived_s() {
    for (rise, fall, init_fail, results, states) in [
        (1, 1, false, "+-+", "ofo"),
        (3, 3, false, "+", "o"),
        (3, 3, false, "-", "f"),
        (3, 3, false, "+--+--+---", "ooooooooof"),
        (3, 3, false, "-++-+++", "ffffffo"),
        (3, 2, false, "-+++-+--", "fffoooof"),
        (3, 1, true, "++-+++", "fffffo"),
        (1, 3, true, "+--+--", "oooooo"),
        (2, 1, false, "+-++-", "offof"),
    ] {
        let mut track = script(rise, fall, init_fail);
        let initial = if init_fail { TrackState::Failed } else { TrackState::Pending };
        assert_eq!(track.state(), initial);
        let mut got = String::new();
        for result in results.chars() {
            track.handle(TrackReport::Script(result == '+'));
            got.push(match track.state() {
                TrackState::Pending => 'p',
                TrackState::Ok => 'o',
                TrackState::Failed => 'f',
                TrackState::Value(_) => 'v',
            });
        }
        assert_eq!(got, states, "rise {rise} fall {fall} init_fail {init_fail}: {results}");
    }
}

#[test]
fn script_verdicts() {
    use Verdict::{Adds, Awaited, Fails};
    for (weight, reverse, pending, ok, failed) in [
        (Some(2), false, Adds(0), Adds(2), Adds(0)),
        (Some(-20), false, Adds(0), Adds(0), Adds(-20)),
        (Some(2), true, Adds(0), Adds(-2), Adds(0)),
        (Some(-20), true, Adds(0), Adds(0), Adds(20)),
        (None, false, Awaited, Adds(0), Fails),
        (None, true, Awaited, Fails, Adds(0)),
    ] {
        let mut track = script(1, 1, false);
        let usage = usage(weight, reverse);
        assert_eq!(track.verdict(&usage), pending, "pending {usage:?}");
        track.handle(TrackReport::Script(true));
        assert_eq!(track.verdict(&usage), ok, "ok {usage:?}");
        track.handle(TrackReport::Script(false));
        assert_eq!(track.verdict(&usage), failed, "failed {usage:?}");
        track.handle(TrackReport::DataPlane(true));
        track.handle(TrackReport::File(7));
        assert_eq!(track.verdict(&usage), failed, "reports of another kind change nothing");
    }
}

/// `facts/vrrp.md` §3: `killall -0` with weight 2, priorities 101 and 100.
#[test]
fn the_tutorial_s_arithmetic() {
    for (a_up, b_up, a, b) in
        [(true, true, 103, 102), (false, true, 101, 102), (true, false, 103, 100), (false, false, 101, 100)]
    {
        let priority = |base: i32, up: bool| {
            let mut track = script(1, 1, false);
            track.handle(TrackReport::Script(up));
            match track.verdict(&usage(Some(2), false)) {
                Verdict::Adds(n) => Priority::clamped(base + n).value(),
                other @ (Verdict::Awaited | Verdict::Fails | Verdict::Unfit) => panic!("{other:?}"),
            }
        };
        assert_eq!((priority(101, a_up), priority(100, b_up)), (a, b));
    }
}

#[test]
fn file_verdicts() {
    use Verdict::{Adds, Fails};
    let mut track =
        Track::new(TrackConfig { name: "file".into(), kind: TrackKind::File { path: "/run/n".into() } });
    assert_eq!(track.state(), TrackState::Value(0), "a missing file counts as 0");
    for (value, weight, reverse, verdict) in [
        (0, None, false, Adds(0)),
        (1, None, false, Fails),
        (-1, None, false, Fails),
        (0, None, true, Fails),
        (1, None, true, Adds(0)),
        (5, Some(2), false, Adds(10)),
        (5, Some(2), true, Adds(-10)),
        (-5, Some(2), false, Adds(-10)),
        (253, Some(1), false, Adds(253)),
        (254, Some(1), false, Adds(253)),
        (-253, Some(1), false, Adds(-253)),
        (-254, Some(1), false, Fails),
        (i32::MAX, Some(253), false, Adds(253)),
        (i32::MIN, Some(253), false, Fails),
        (i32::MIN, Some(253), true, Adds(253)),
    ] {
        track.handle(TrackReport::File(value));
        assert_eq!(track.verdict(&usage(weight, reverse)), verdict, "{value} {weight:?} {reverse}");
    }
}

#[test]
fn data_plane_verdicts() {
    use Verdict::{Adds, Unfit};
    let mut track = Track::new(TrackConfig { name: "worker".into(), kind: TrackKind::DataPlane });
    let (plain, weighted) = (usage(None, false), usage(Some(-30), false));
    assert_eq!((track.verdict(&plain), track.verdict(&weighted)), (Unfit, Adds(0)), "not known yet");
    track.handle(TrackReport::DataPlane(true));
    assert_eq!((track.verdict(&plain), track.verdict(&weighted)), (Adds(0), Adds(0)));
    track.handle(TrackReport::DataPlane(false));
    assert_eq!((track.verdict(&plain), track.verdict(&weighted)), (Unfit, Adds(-30)));
}

#[test]
fn interface_verdicts() {
    use crate::event::{LinkState, NetEvent};
    use crate::types::{IfIndex, IfName};
    use Verdict::{Adds, Awaited, Fails};

    let name = IfName::new("eth1").expect("a name");
    let ifindex = IfIndex::new(7).expect("not 0");
    let mut net = Net::default();
    let mut track =
        Track::new(TrackConfig { name: "uplink".into(), kind: TrackKind::Interface(name.clone()) });
    let mut check = |net: &Net, plain, weighted| {
        track.look(net);
        assert_eq!(track.verdict(&usage(None, false)), plain);
        assert_eq!(track.verdict(&usage(Some(-10), false)), weighted);
    };
    check(&net, Awaited, Adds(-10));
    let mut link = LinkState { ifindex, name, running: true, mac: None };
    net.handle(&NetEvent::Link(link.clone()));
    check(&net, Adds(0), Adds(0));
    link.running = false;
    net.handle(&NetEvent::Link(link));
    check(&net, Fails, Adds(-10));
    net.handle(&NetEvent::LinkGone(ifindex));
    check(&net, Fails, Adds(-10));
}
