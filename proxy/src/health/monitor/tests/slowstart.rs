//! Slow starts of servers that agents, operators and ejections take out and let back in.

use super::watching::{EJECTION, agent, watched};
use super::*;
use crate::health::Sign;
use crate::plan::{ServerLimits, Watch};

/// What happens to the first server.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Its agent says this.
    Says(&'static str),
    Admin(AdminState),
    /// Requests fail until it is ejected.
    Fails,
    /// So many seconds pass.
    Pass(u64),
}

/// Weight as if there were no slow start, percentage of it that is in force, room.
type Seen = (u16, Option<u8>, Option<u32>);

const FULL: Seen = (100, None, Some(40));

fn run(acts: &[(Act, Seen)]) {
    let slow = || {
        let watch = Watch { agent: Some(agent()), ejection: Some(EJECTION), ..Watch::default() };
        let limits = ServerLimits {
            slowstart: Some(Duration::from_secs(10)),
            maxconn: Some(40),
            ..ServerLimits::default()
        };
        Server { limits, weight: 100, check: None, ..watched(watch) }
    };
    let mut world = World::new(vec![slow(), server(1), server(1)]);
    for (number, (act, expected)) in acts.iter().enumerate() {
        match *act {
            Act::Says(line) => world.agent_says(line),
            Act::Admin(admin) => world.admin(0, admin),
            Act::Fails => world.sees(0, &[Sign::WrongResponse; 3]),
            Act::Pass(seconds) => {
                // As data threads do, every second.
                for _ in 0..seconds {
                    world.run_until(world.now - world.start + Duration::from_secs(1));
                    world.state.advance(world.now);
                }
            }
        }
        let state = world.state.server(ServerId(0)).unwrap();
        assert_eq!((state.weight, state.throttle, state.maxconn), *expected, "{number}: {act:?} of {acts:?}");
    }
}

#[test]
fn a_slow_start_follows_every_absence_and_nothing_else() {
    use Act::{Admin, Fails, Pass, Says};
    let at = |percent| (100, Some(percent), Some(40));
    run(&[(Says("up ready 100%"), FULL), (Pass(2), FULL)]);
    // The first second of each is the one in which it is first looked at.
    run(&[(Says("down"), FULL), (Says("up"), at(0)), (Pass(1), at(0)), (Pass(5), at(50)), (Pass(5), FULL)]);
    run(&[(Says("maint"), FULL), (Says("ready"), at(0)), (Pass(4), at(30))]);
    run(&[(Admin(AdminState::Maint), FULL), (Says("up ready"), at(0))]);
    run(&[(Fails, FULL), (Pass(29), FULL), (Pass(2), at(10)), (Pass(9), FULL)]);
    // Neither a drain nor a weight of nothing is an absence.
    run(&[(Says("drain"), FULL), (Pass(3), FULL), (Says("ready"), FULL)]);
    run(&[(Says("0%"), (0, None, Some(40))), (Pass(3), (0, None, Some(40))), (Says("100%"), FULL)]);
}

#[test]
fn a_slow_start_goes_on_whatever_else_changes() {
    use Act::{Fails, Pass, Says};
    let at = |percent| (100, Some(percent), Some(40));
    let rising = [(Says("down"), FULL), (Says("up"), at(0)), (Pass(4), at(30))];
    let then = |rest: &[(Act, Seen)]| run(&[&rising, rest].concat());
    then(&[
        (Says("50% maxconn:10"), (50, Some(30), Some(10))),
        (Pass(2), (50, Some(50), Some(10))),
        (Pass(5), (50, None, Some(10))),
    ]);
    then(&[(Says("drain"), at(30)), (Pass(2), at(50)), (Says("ready"), at(50)), (Pass(5), FULL)]);
    then(&[
        (Says("0%"), (0, Some(30), Some(40))),
        (Pass(3), (0, Some(60), Some(40))),
        (Says("100%"), at(60)),
    ]);
    // Who goes again begins again.
    then(&[(Says("down"), FULL), (Pass(3), FULL), (Says("up"), at(0)), (Pass(2), at(10))]);
    then(&[(Fails, FULL), (Pass(31), at(10))]);
    // An agent that says so while it is ejected changes nothing until it is back.
    then(&[(Fails, FULL), (Says("up 50%"), (50, None, Some(40))), (Pass(31), (50, Some(10), Some(40)))]);
}
