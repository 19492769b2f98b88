mod moves;
mod slowstart;
mod watching;
mod wishes;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::balance::fixture::{backup, check, plan, plan_with, server};
use crate::balance::{Lease, Outcome, Wish};
use crate::health::CheckStatus;
use crate::health::announce::lines;
use crate::plan::{BackendId, Mode, Script, Server};

const BE: BackendId = BackendId(0);

fn checked(server: Server) -> Server {
    Server { check: Some(check(Script::default())), ..server }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A monitor in virtual time, with the results that its checks will have.
struct World {
    plan: Arc<Plan>,
    state: Arc<State>,
    monitor: Monitor,
    start: Instant,
    now: Instant,
    /// By server: whether its checks pass.
    passes: Vec<bool>,
    /// When each check was made.
    made: Vec<(Duration, u32)>,
}

impl World {
    fn new(servers: Vec<Server>) -> Self {
        Self::with(servers, None)
    }

    /// A backend of mode tcp.
    fn tcp(servers: Vec<Server>) -> Self {
        Self::of(plan_with(servers, |backend| backend.mode = Mode::Tcp), None)
    }

    fn with(servers: Vec<Server>, inherited: Option<&HealthSnapshot>) -> Self {
        Self::of(plan(servers), inherited)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn of(plan: Plan, inherited: Option<&HealthSnapshot>) -> Self {
        let passes = vec![true; plan.servers().len()];
        let plan = Arc::new(plan);
        let state = Arc::new(State::new(&plan));
        let start = Instant::now() + Duration::from_secs(3600);
        let monitor = Monitor::new(Arc::clone(&plan), Arc::clone(&state), start, 7, inherited);
        Self { plan, state, monitor, start, now: start, passes, made: Vec::new() }
    }

    /// Runs until `at` after the start; checks take no time.
    fn run_until(&mut self, at: Duration) {
        while let Some(due) = self.monitor.poll_timeout().filter(|due| *due <= self.start + at) {
            self.now = self.now.max(due);
            self.monitor.handle_timeout(self.now);
            while let Some(Job { server: id, .. }) = self.monitor.poll_check(self.now) {
                self.made.push((self.now - self.start, id.0));
                let status =
                    if self.passes[id.0 as usize] { CheckStatus::L4Ok } else { CheckStatus::L4Connection };
                self.monitor.handle_result(self.now, id, CheckResult::new(status));
            }
        }
        self.now = self.start + at;
    }

    /// Log lines of all events since the last call.
    fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(event) = self.monitor.poll_event() {
            said.extend(
                lines(&self.plan, &event).into_iter().map(|(level, text)| format!("{level:?}: {text}")),
            );
        }
        said
    }

    fn operational(&self) -> Vec<&'static str> {
        self.monitor.report().iter().map(|r| r.operational.as_str()).collect()
    }

    fn admin(&mut self, id: u32, admin: AdminState) {
        self.monitor.handle_admin(self.now, ServerId(id), admin);
    }
}

#[test]
fn a_dead_server_is_out_after_its_first_check_and_back_after_rise() {
    let mut world = World::new(vec![checked(server(1)), checked(server(1))]);
    world.passes[1] = false;
    assert_eq!(world.operational(), ["UP", "UP"], "up until checked");
    assert!(!world.monitor.first_round_done());
    world.run_until(ms(250));
    assert!(world.monitor.first_round_done(), "the first round takes no longer than that");
    assert_eq!(world.operational(), ["UP", "DOWN"]);
    assert_eq!(world.state.usable(BE), Usable { active: 1, backup: 0 });
    let down = "Alert: Server be/s2 is DOWN, reason: Layer4 connection problem, check duration: 0ms. \
                1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said(), [down]);
    world.passes[1] = true;
    world.run_until(ms(6000));
    let up = "Notice: Server be/s2 is UP, reason: Layer4 check passed, check duration: 0ms. \
              2 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.";
    assert_eq!(world.said(), [up]);
}

#[test]
fn the_last_server_takes_the_backend_with_it() {
    let mut world = World::new(vec![checked(server(1)), checked(backup(1))]);
    let pinned = Wish { pinned: Some(ServerId(0)), ..Wish::default() };
    assert!(matches!(world.state.assign(BackendId(0), &pinned), Outcome::Assigned(_)));
    let lease = Lease::of(Arc::clone(&world.state), ServerId(0));
    world.passes[0] = false;
    world.run_until(ms(250));
    let first = "Alert: Server be/s1 is DOWN, reason: Layer4 connection problem, check duration: 0ms. \
                 0 active and 1 backup servers left. Running on backup. \
                 1 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said(), [first]);
    drop(lease);
    world.passes[1] = false;
    world.run_until(ms(20_000));
    let second = "Alert: Backup Server be/s2 is DOWN, reason: Layer4 connection problem, check duration: 0ms. \
                  0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said(), [second, "Emerg: backend be has no server available!"]);
}

#[test]
fn operators_changes_are_announced_as_haproxy_does() {
    use AdminState::{Drain, Maint, Ready};
    let mut world = World::new(vec![server(1), server(1)]);
    let mut steps = Vec::new();
    for (id, admin) in [(0, Maint), (0, Ready), (0, Drain), (0, Ready), (0, Ready), (0, Maint), (1, Maint)] {
        world.admin(id, admin);
        steps.extend(world.said());
    }
    world.monitor.handle_weight(world.now, ServerId(0), 5);
    steps.extend(world.said());
    let left = "0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(
        steps,
        [
            format!(
                "Alert: Server be/s1 is going DOWN for maintenance. 1 active and 0 backup servers left. {left}"
            ),
            "Notice: Server be/s1 is UP/READY (leaving forced maintenance).".into(),
            "Notice: Server be/s1 enters drain state. 1 active and 0 backup servers online. \
             0 sessions requeued, 0 total in queue."
                .into(),
            "Notice: Server be/s1 is UP (leaving forced drain).".into(),
            format!(
                "Alert: Server be/s1 is going DOWN for maintenance. 1 active and 0 backup servers left. {left}"
            ),
            format!(
                "Alert: Server be/s2 is going DOWN for maintenance. 0 active and 0 backup servers left. {left}"
            ),
            "Emerg: backend be has no server available!".into(),
        ]
    );
}

#[test]
fn checks_are_spread_and_then_keep_their_interval() {
    let mut world = World::new((0..10).map(|_| checked(server(1))).collect());
    world.run_until(Duration::from_secs(60));
    for id in 0..10u32 {
        let times: Vec<_> = world.made.iter().filter(|(_, made)| *made == id).map(|(at, _)| *at).collect();
        assert_eq!(times[0], ms(u64::from(id) * 25), "the first round is spread over 250 ms");
        let second = times[1] - times[0];
        assert!((ms(1000)..=ms(2000)).contains(&second), "{second:?}");
        assert!(times.windows(2).skip(1).all(|w| w[1] - w[0] == ms(2000)), "{times:?}");
    }
    let mut phases: Vec<_> = world.made.iter().rev().take(10).map(|(at, _)| at.as_millis() % 2000).collect();
    phases.sort_unstable();
    assert!(phases[9] - phases[0] > 500, "later rounds are spread further: {phases:?}");
}

#[test]
fn intervals_depend_on_the_standing() {
    let mut config = check(Script::default());
    config.fastinter = Some(ms(100));
    config.downinter = Some(ms(5000));
    let mut world = World::new(vec![Server { check: Some(config), ..server(1) }]);
    // From boot (falling, one success from the top) to the top, then down, then up again.
    world.run_until(ms(10_000));
    world.passes[0] = false;
    world.run_until(ms(13_000));
    assert_eq!(world.operational(), ["DOWN"]);
    world.passes[0] = true;
    world.run_until(ms(40_000));
    let gaps: Vec<_> = world.made.windows(2).map(|w| (w[1].0 - w[0].0).as_millis()).skip(1).collect();
    let fails = gaps.iter().position(|&gap| gap == 100).unwrap();
    assert!(gaps[..fails].iter().all(|&gap| gap == 2000), "{gaps:?}");
    assert_eq!(gaps[fails..fails + 4], [100, 100, 5000, 100], "falling twice, down, rising: {gaps:?}");
    assert!(gaps[fails + 4..].iter().all(|&gap| gap == 2000), "{gaps:?}");
}

#[test]
fn a_slow_check_does_not_delay_the_next_one_twice() {
    let mut world = World::new(vec![checked(server(1))]);
    world.run_until(ms(5000));
    let due = world.monitor.poll_timeout().unwrap();
    let id = world.monitor.poll_check(due).unwrap().server;
    assert_eq!(world.monitor.poll_timeout(), None, "one check at a time");
    world.monitor.handle_result(due + ms(1500), id, CheckResult::new(CheckStatus::L4Ok));
    assert_eq!(world.monitor.poll_timeout(), Some(due + ms(2000)), "counted from its beginning");
    let id = world.monitor.poll_check(due + ms(2000)).unwrap().server;
    world.monitor.handle_result(due + ms(6000), id, CheckResult::new(CheckStatus::L4Timeout));
    assert_eq!(world.monitor.poll_timeout(), Some(due + ms(6000)), "but not before its end");
}

#[test]
fn a_lack_of_our_own_resources_takes_no_server_down() {
    let mut world = World::new(vec![checked(server(1))]);
    for _ in 0..10 {
        let due = world.monitor.poll_timeout().unwrap();
        let id = world.monitor.poll_check(due).unwrap().server;
        world.monitor.handle_result(due, id, CheckResult::new(CheckStatus::SocketError));
    }
    assert_eq!(world.operational(), ["UP"]);
    assert!(world.said().is_empty());
}

#[test]
fn maintenance_stops_checks_and_a_fresh_start_follows() {
    let mut world = World::new(vec![checked(server(1))]);
    world.passes[0] = false;
    world.run_until(ms(100));
    assert_eq!(world.operational(), ["DOWN"]);
    world.admin(0, AdminState::Maint);
    let made = world.made.len();
    world.run_until(ms(60_000));
    assert_eq!((world.made.len(), world.operational()), (made, vec!["MAINT"]));
    world.admin(0, AdminState::Ready);
    assert_eq!(world.operational(), ["UP"], "one failure from down");
    world.run_until(ms(60_001));
    assert_eq!((world.made.len(), world.operational()), (made + 1, vec!["DOWN"]), "checked at once");
}

#[test]
fn a_result_from_before_maintenance_says_nothing() {
    let mut world = World::new(vec![checked(server(1))]);
    let id = world.monitor.poll_check(world.start).unwrap().server;
    world.admin(0, AdminState::Maint);
    assert!(world.monitor.first_round_done(), "nobody waits for a server in maintenance");
    world.admin(0, AdminState::Drain);
    world.monitor.handle_result(world.start, id, CheckResult::new(CheckStatus::L4Connection));
    assert_eq!(world.operational(), ["DRAIN"]);
    assert_eq!(world.monitor.poll_timeout(), Some(world.start), "checked anew at once");
    world.admin(0, AdminState::Maint);
    assert_eq!(world.monitor.poll_timeout(), None);
}

#[test]
fn drained_servers_are_checked_on() {
    let mut world = World::new(vec![checked(server(1)), server(1)]);
    world.run_until(ms(100));
    world.admin(0, AdminState::Drain);
    world.passes[0] = false;
    world.run_until(ms(30_000));
    assert_eq!(world.operational(), ["DOWN", "UP"]);
    world.passes[0] = true;
    world.run_until(ms(60_000));
    assert_eq!(world.operational(), ["DRAIN", "UP"]);
}

fn why(change: &Change) -> Option<&CheckResult> {
    match &change.cause {
        Cause::Found(result) => Some(result),
        Cause::Followed(_)
        | Cause::Ejected(..)
        | Cause::Readmitted
        | Cause::Admin(_)
        | Cause::Unresolved(_)
        | Cause::Resolved => None,
    }
}

#[test]
fn history_keeps_the_last_changes_with_their_reasons() {
    let mut world = World::new(vec![checked(server(1))]);
    for second in 1..=40 {
        world.passes[0] = second % 2 == 0;
        world.run_until(Duration::from_secs(second * 20));
    }
    let report = world.monitor.report().remove(0);
    assert_eq!(report.history.len(), History::CAPACITY);
    let last = report.history.last().unwrap();
    assert_eq!((last.from, last.to), (Operational::Down, Operational::Up));
    assert_eq!(why(last).map(|c| c.status), Some(CheckStatus::L4Ok));
    assert_eq!(report.since, last.at);
    assert!(report.history.windows(2).all(|w| w[0].at < w[1].at && w[0].to == w[1].from));
}

#[test]
fn a_replacement_goes_on_where_its_predecessor_was() {
    let mut world = World::new(vec![checked(server(1)), checked(server(4)), checked(server(1)), server(1)]);
    world.passes[0] = false;
    world.run_until(ms(10_000));
    world.admin(2, AdminState::Maint);
    world.monitor.handle_weight(world.now, ServerId(1), 9);
    world.run_until(ms(11_000));
    let snapshot = world.monitor.snapshot(world.now);

    let next = World::with(
        vec![checked(server(1)), checked(server(4)), checked(server(1)), server(1)],
        Some(&snapshot),
    );
    assert_eq!(next.operational(), ["DOWN", "UP", "MAINT", "UP"]);
    assert!(next.monitor.first_round_done(), "nothing is unknown");
    assert_eq!(next.state.server(ServerId(1)).unwrap().weight, 9);
    let report = next.monitor.report();
    assert_eq!(report[0].health.unwrap().value(), 0);
    assert_eq!(report[1].health.unwrap().value(), 4);
    assert_eq!(next.start - report[2].since, ms(1000), "since when is remembered");
    assert_eq!(next.monitor.snapshot(next.start), snapshot, "and would be handed on");
}

#[test]
fn an_edited_configuration_wins_over_what_was() {
    let mut world = World::new(vec![checked(server(1)), checked(server(1)), server(1)]);
    world.passes = vec![false; 3];
    world.run_until(ms(1000));
    for id in 0..3 {
        world.monitor.handle_weight(world.now, ServerId(id), 9);
        world.admin(id, AdminState::Drain);
    }
    let snapshot = world.monitor.snapshot(world.now);
    let mut moved = checked(server(1));
    moved.addr = SocketAddr::from(([127, 0, 0, 1], 2)).into();
    let edited = Server { admin: AdminState::Maint, ..checked(server(2)) };
    let next = World::with(vec![moved, edited, server(1)], Some(&snapshot));
    assert_eq!(next.operational(), ["DRAIN", "MAINT", "DRAIN"], "another address: nothing is known of it");
    assert_eq!(next.state.server(ServerId(1)).unwrap().weight, 2);
    assert_eq!(next.state.server(ServerId(2)).unwrap().weight, 9);
    assert!(!next.monitor.first_round_done());
}

#[test]
fn ids_of_another_plan_change_nothing() {
    let mut world = World::new(vec![server(1)]);
    world.admin(9, AdminState::Maint);
    world.monitor.handle_weight(world.now, ServerId(9), 1);
    world.monitor.handle_result(world.now, ServerId(0), CheckResult::new(CheckStatus::L4Timeout));
    world.monitor.handle_result(world.now, ServerId(9), CheckResult::new(CheckStatus::L4Timeout));
    assert!(world.said().is_empty() && world.monitor.first_round_done());
    assert_eq!((world.operational(), world.monitor.poll_timeout()), (vec!["UP"], None));
}
