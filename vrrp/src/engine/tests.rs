//! Scenario scripts: whole stories of one node, with exact durations.

use crate::event::{ActionResult, Command, NetEvent, State, TrackReport};
use crate::script::{HIGH, LOW, Script, ms, tutorial};

/// `facts/vrrp.md` §5: a cold start at the tutorial's settings takes Master_Down, 3 s and (256 − 100)/256 s.
#[test]
fn cold_start_to_master_and_planned_stop() {
    let mut s = Script::backup(tutorial(100));
    s.run_to(ms(3609));
    s.expect(&[]);
    s.run_to(ms(3610));
    s.expect_all(&[
        "advert 100",
        "add 10.77.0.50",
        "garp 10.77.0.50",
        "BACKUP>MASTER MasterDown",
        "heartbeat 2.5s",
    ]);
    s.run_to(ms(4610));
    s.expect_all(&["advert 100", "heartbeat 2.5s", "renew 2.5s"]);
    s.command(Command::Shutdown);
    s.expect_all(&["advert 0", "remove 10.77.0.50", "MASTER>STOPPED Command", "listen none"]);
    assert_eq!(s.next(), None);
    assert_eq!(s.state(), State::Stopped);
}
