//! Servers that have a name.

use super::*;
use crate::names::{InitAddr, Name, Prefer, ResolversId};
use crate::plan::{ServerAddr, Watch};

fn named() -> Server {
    let name = Name {
        host: "app.test".into(),
        port: Some(80),
        resolvers: ResolversId(0),
        prefer: Prefer::V4,
        init: [InitAddr::Last].into(),
    };
    Server { addr: ServerAddr::Named(name), ..checked(server(1)) }
}

fn place(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

impl World {
    fn moves(&mut self, id: u32, to: Result<u8, Unresolved>) {
        self.monitor.handle_move(self.now, ServerId(id), to.map(place));
    }

    fn probed_at(&self, id: u32) -> Option<Endpoint> {
        self.monitor.target(Job { server: ServerId(id), probe: Probe::Check }).map(|(_, at)| at)
    }
}

#[test]
fn a_server_without_an_address_is_in_maintenance_and_not_checked() {
    let mut world = World::new(vec![named()]);
    world.run_until(ms(60_000));
    assert_eq!((world.operational(), world.made.len()), (vec!["MAINT"], 0));
    assert!(world.monitor.report()[0].is_lost);
    assert!(!world.monitor.first_round_done(), "its name is being looked up");
    world.moves(0, Err(Unresolved::Nx));
    assert!(world.monitor.first_round_done(), "there will be no check");
    let report = world.monitor.report().remove(0);
    assert_eq!(report.unresolved, Some(Unresolved::Nx));
    assert_eq!(report.history.last().unwrap().cause, Cause::Unresolved(Unresolved::Nx));
    assert_eq!(world.state.usable(BE), Usable::default());
}

#[test]
fn a_server_that_is_found_is_up_and_checked_there_at_once() {
    let mut world = World::new(vec![named()]);
    world.moves(0, Ok(1));
    assert_eq!((world.operational(), world.probed_at(0)), (vec!["UP"], Some(place(1).into())));
    assert_eq!(world.said(), ["Notice: Server be/s1 is UP/READY (resolves again)."]);
    world.run_until(ms(0));
    assert_eq!(world.made, [(ms(0), 0)]);
    assert!(world.monitor.first_round_done());

    world.run_until(ms(500));
    world.passes[0] = false;
    world.moves(0, Ok(2));
    let moved = "Notice: Server be/s1 changed its address from 192.0.2.1:80 to 192.0.2.2:80 by its name.";
    assert_eq!(world.said(), [moved]);
    world.run_until(ms(501));
    assert_eq!((world.made.len(), world.made[1]), (2, (ms(500), 0)), "not only when it would have been due");
    assert_eq!(world.probed_at(0), Some(place(2).into()));

    world.moves(0, Err(Unresolved::NoneLeft));
    let lost = "Alert: Server be/s1 is going DOWN for maintenance (No IP for server). \
                0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said()[0], lost);
    let made = world.made.len();
    world.run_until(ms(60_000));
    assert_eq!(world.made.len(), made, "nobody knows where to");
}

#[test]
fn a_check_of_where_a_server_was_says_nothing_of_where_it_is() {
    let mut world = World::new(vec![named()]);
    world.moves(0, Ok(1));
    let job = world.monitor.poll_check(world.now).unwrap();
    world.moves(0, Ok(2));
    world.monitor.handle_result(world.now, job.server, CheckResult::new(CheckStatus::L4Connection));
    assert_eq!(world.operational(), ["UP"]);
    assert_eq!(world.monitor.poll_check(world.now), Some(job), "again, at the new place");

    world.moves(0, Err(Unresolved::Timeout));
    world.monitor.handle_result(world.now, job.server, CheckResult::new(CheckStatus::L4Ok));
    assert_eq!((world.operational(), world.monitor.poll_timeout()), (vec!["MAINT"], None));
}

#[test]
fn maintenance_and_names_do_not_undo_each_other() {
    let mut world = World::new(vec![named()]);
    world.moves(0, Ok(1));
    world.admin(0, AdminState::Maint);
    world.moves(0, Err(Unresolved::Nx));
    assert!(!world.monitor.report()[0].is_lost, "an operator wants it so");
    world.admin(0, AdminState::Ready);
    assert_eq!(world.operational(), ["MAINT"]);
    world.moves(0, Ok(1));
    assert_eq!(world.operational(), ["UP"]);
    world.admin(0, AdminState::Maint);
    world.moves(0, Err(Unresolved::Nx));
    world.moves(0, Ok(1));
    assert_eq!((world.operational(), world.state.usable(BE)), (vec!["MAINT"], Usable::default()));
}

#[test]
fn what_a_server_said_where_it_was_is_not_said_where_it_is() {
    let mut world = World::new(vec![named()]);
    world.moves(0, Ok(1));
    let job = world.monitor.poll_check(world.now).unwrap();
    world.monitor.handle_result(world.now, job.server, CheckResult::new(CheckStatus::L7OkConditional));
    assert_eq!(world.operational(), ["NOLB"]);
    world.moves(0, Err(Unresolved::Nx));
    assert_eq!(world.operational(), ["MAINT"]);
    world.moves(0, Ok(2));
    assert_eq!((world.operational(), world.state.usable(BE).active), (vec!["UP"], 1));
}

#[test]
fn followers_of_a_lost_server_are_out_of_service_with_it() {
    let watch = Watch { track: Some(ServerId(0)), ..Watch::default() };
    let mut world = World::new(vec![named(), Server { watch, ..server(1) }]);
    assert_eq!(world.operational(), ["MAINT", "MAINT"]);
    world.moves(0, Ok(1));
    assert_eq!(world.operational(), ["UP", "UP"]);
    world.moves(0, Err(Unresolved::Refused));
    assert_eq!(world.operational(), ["MAINT", "MAINT"]);
}

#[test]
fn where_a_server_was_is_remembered_but_not_over_what_is_configured() {
    let mut world = World::new(vec![named(), checked(server(1))]);
    world.moves(0, Ok(7));
    world.run_until(ms(500));
    let snapshot = world.monitor.snapshot(world.now);
    let next = World::with(vec![named(), checked(server(1))], Some(&snapshot));
    assert_eq!((next.operational(), next.probed_at(0)), (vec!["UP", "UP"], Some(place(7).into())));
    assert!(next.monitor.first_round_done());
    let fixed = World::with(vec![checked(server(1)), server(1)], Some(&snapshot));
    assert_ne!(fixed.probed_at(0), Some(place(7).into()));
}
