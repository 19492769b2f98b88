//! The whole table: every state with every input, what is done, and what state follows. A cell lists all actions; an
//! empty one says that nothing at all may happen.

use crate::event::{ActionResult, Command, NetEvent, State, TrackReport};
use crate::script::{ETH0, HIGH, LOW, Script, data_plane, ifindex, ms, script_track, tracking, tutorial};
use crate::types::RouterId;

const ROUTER: RouterId = RouterId(0);

/// A router of priority 100 that needs a script and prefers a data plane, in the given state.
fn in_state(state: State) -> Script {
    let router = tracking(tracking(tutorial(100), 0, None), 1, None);
    let mut s = Script::ready(router, vec![script_track(), data_plane()]);
    s.track(1, TrackReport::DataPlane(true));
    match state {
        State::Init => {}
        State::Backup => s.track(0, TrackReport::Script(true)),
        State::Master => {
            s.track(0, TrackReport::Script(true));
            s.next_timeout();
        }
        State::Fault => s.track(0, TrackReport::Script(false)),
        State::Stopped => s.command(Command::Shutdown),
    }
    s.start = s.now;
    s.forget();
    assert_eq!(s.state(), state);
    s
}

struct Row {
    input: &'static str,
    act: fn(&mut Script),
    init: &'static [&'static str],
    backup: &'static [&'static str],
    master: &'static [&'static str],
    fault: &'static [&'static str],
    /// States that follow INIT, BACKUP, MASTER and FAULT. STOPPED is never left, and all it still does is to try again
    /// to take its addresses off.
    then: [State; 4],
}

const I: State = State::Init;
const B: State = State::Backup;
const M: State = State::Master;
const F: State = State::Fault;
const X: State = State::Stopped;

const GIVE_WAY: &[&str] = &["advert 0", "remove 10.77.0.50"];
const ANSWER: &[&str] = &["advert 100", "garp 10.77.0.50"];

const TABLE: &[Row] = &[
    Row {
        input: "release",
        act: |s| s.hear(HIGH, 0),
        init: &[],
        backup: &[],
        master: ANSWER,
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "lower priority",
        act: |s| s.hear(HIGH, 99),
        init: &[],
        backup: &[],
        master: ANSWER,
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "same priority, lower address",
        act: |s| s.hear(LOW, 100),
        init: &[],
        backup: &[],
        master: ANSWER,
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "same priority, higher address",
        act: |s| s.hear(HIGH, 100),
        init: &[],
        backup: &[],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>BACKUP HigherPriority 10.77.0.3 100"],
        fault: &[],
        then: [I, B, B, F],
    },
    Row {
        input: "higher priority",
        act: |s| s.hear(LOW, 101),
        init: &[],
        backup: &[],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>BACKUP HigherPriority 10.77.0.1 101"],
        fault: &[],
        then: [I, B, B, F],
    },
    Row {
        input: "timeout before it is due",
        act: |s| s.engine.handle_timeout(s.now),
        init: &[],
        backup: &[],
        master: &[],
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "the next timeout",
        act: |s| {
            if s.next().is_some() {
                s.next_timeout();
            }
        },
        init: &[],
        backup: &["advert 100", "add 10.77.0.50", "garp 10.77.0.50", "BACKUP>MASTER MasterDown"],
        master: &["advert 100"],
        fault: &[],
        then: [I, M, M, F],
    },
    Row {
        input: "lease runs out",
        act: |s| {
            s.sleep_to(ms(2500));
            s.engine.handle_timeout(s.now);
            s.result(ActionResult::VipsAdded(ROUTER));
        },
        init: &[],
        backup: &[],
        master: &["remove 10.77.0.50", "MASTER>BACKUP Overslept"],
        fault: &[],
        then: [I, B, B, F],
    },
    Row {
        input: "advert sent",
        act: |s| s.result(ActionResult::AdvertSent { router: ROUTER, last_copy: true }),
        init: &[],
        backup: &[],
        master: &[],
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "advert not sent",
        act: |s| s.result(ActionResult::AdvertFailed { router: ROUTER, errno: 1 }),
        init: &[],
        backup: &[],
        master: &[],
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "addresses not added",
        act: |s| s.result(ActionResult::AddFailed { router: ROUTER, errno: 1 }),
        init: &[],
        backup: &[],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>BACKUP CannotAddVips"],
        fault: &[],
        then: [I, B, B, F],
    },
    Row {
        input: "addresses not removed",
        act: |s| {
            s.result(ActionResult::RemoveFailed { router: ROUTER, errno: 1 });
            s.run_to(ms(999));
            s.expect(&[]);
            s.run_to(ms(1000));
        },
        init: &["remove 10.77.0.50"],
        backup: &["remove 10.77.0.50"],
        master: &["advert 100"],
        fault: &["remove 10.77.0.50"],
        then: [I, B, M, F],
    },
    Row {
        input: "an address of ours comes",
        act: |s| s.address(true, "10.77.0.50", 32),
        init: &["remove 10.77.0.50"],
        backup: &["remove 10.77.0.50"],
        master: &[],
        fault: &["remove 10.77.0.50"],
        then: [I, B, M, F],
    },
    Row {
        input: "an address of ours goes",
        act: |s| s.address(false, "10.77.0.50", 32),
        init: &[],
        backup: &[],
        master: &["add 10.77.0.50", "garp 10.77.0.50"],
        fault: &[],
        then: [I, B, M, F],
    },
    Row {
        input: "interface down",
        act: |s| s.link(false),
        init: &[],
        backup: &["BACKUP>FAULT InterfaceDown"],
        master: &["remove 10.77.0.50", "MASTER>FAULT InterfaceDown"],
        fault: &[],
        then: [I, F, F, F],
    },
    Row {
        input: "interface gone",
        act: |s| s.net(NetEvent::LinkGone(ifindex(ETH0))),
        init: &["listen none"],
        backup: &["listen none", "BACKUP>FAULT InterfaceDown"],
        master: &["listen none", "remove 10.77.0.50", "MASTER>FAULT InterfaceDown"],
        fault: &["listen none"],
        then: [I, F, F, F],
    },
    Row {
        input: "source address gone",
        act: |s| s.address(false, "10.77.0.2", 24),
        init: &[],
        backup: &["BACKUP>FAULT NoSourceAddress"],
        master: &["remove 10.77.0.50", "MASTER>FAULT NoSourceAddress"],
        fault: &[],
        then: [I, F, F, F],
    },
    Row {
        input: "script fails",
        act: |s| s.track(0, TrackReport::Script(false)),
        init: &["INIT>FAULT TrackFailed(TrackId(0))"],
        backup: &["BACKUP>FAULT TrackFailed(TrackId(0))"],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>FAULT TrackFailed(TrackId(0))"],
        fault: &[],
        then: [F, F, F, F],
    },
    Row {
        input: "script succeeds",
        act: |s| s.track(0, TrackReport::Script(true)),
        init: &["INIT>BACKUP Ready"],
        backup: &[],
        master: &[],
        fault: &["FAULT>BACKUP Ready"],
        then: [B, B, M, B],
    },
    Row {
        input: "data plane fails",
        act: |s| s.track(1, TrackReport::DataPlane(false)),
        init: &[],
        backup: &[],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>BACKUP Unfit(TrackId(1))"],
        fault: &[],
        then: [I, B, B, F],
    },
    Row {
        input: "shutdown",
        act: |s| s.command(Command::Shutdown),
        init: &["INIT>STOPPED Command", "listen none"],
        backup: &["BACKUP>STOPPED Command", "listen none"],
        master: &["advert 0", "remove 10.77.0.50", "MASTER>STOPPED Command", "listen none"],
        fault: &["FAULT>STOPPED Command", "listen none"],
        then: [X, X, X, X],
    },
];

#[test]
fn every_state_with_every_input() {
    for row in TABLE {
        let cells = [(I, row.init), (B, row.backup), (M, row.master), (F, row.fault)];
        for ((state, words), then) in cells.into_iter().zip(row.then) {
            let mut s = in_state(state);
            (row.act)(&mut s);
            println!("{} in {state}", row.input);
            s.expect(words);
            assert_eq!(s.state(), then, "{} in {state}", row.input);
        }
        let mut s = in_state(X);
        (row.act)(&mut s);
        println!("{} in {X}", row.input);
        s.expect(if row.input == "addresses not removed" { row.init } else { &[] });
        assert_eq!(s.state(), X, "{} in {X}", row.input);
    }
}

/// RFC 9568 §6.4.3: the release goes before anything else of the change, so that a BACKUP is on its way when the
/// addresses go; and a MASTER that steps down announces nothing afterwards.
#[test]
fn releases_come_first_and_no_announcement_follows() {
    for row in TABLE.iter().filter(|r| r.then[2] != M && r.master.contains(&"advert 0")) {
        assert_eq!(&row.master[..2], GIVE_WAY, "{}", row.input);
        let mut s = in_state(M);
        (row.act)(&mut s);
        s.forget();
        let until = s.now.duration_since(s.start) + ms(900);
        s.run_to(until);
        assert_eq!(s.count("garp"), 0, "{}", row.input);
    }
}
