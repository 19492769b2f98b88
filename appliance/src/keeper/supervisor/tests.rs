use super::*;

struct Rig {
    machine: Supervisor,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::now();
        Self { machine: Supervisor::new(Settings::default(), now), now }
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.machine.poll_action()).collect()
    }

    /// Runs every deadline up to `ms` from now; heartbeats are answered if `answer`.
    fn run(&mut self, ms: u64, answer: bool, process: ProcessState) -> Vec<Action> {
        let end = self.now + Duration::from_millis(ms);
        let mut seen = Vec::new();
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now, process);
            for action in self.actions() {
                match action {
                    Action::Ping(id, seq) if answer => self.machine.handle_pong(id, seq),
                    Action::Ping(..) => {}
                    Action::Spawn(_) | Action::Kill(_) | Action::Lost(..) | Action::DataPlane(_) => {
                        seen.push(action);
                    }
                }
            }
        }
        self.now = end;
        seen
    }

    fn serving() -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.run(0, true, ProcessState::Alive), [Action::Spawn(WorkerId(1))]);
        rig.machine.handle_ready(rig.now, WorkerId(1));
        assert_eq!(rig.actions(), [Action::DataPlane(true)]);
        assert_eq!(rig.run(10_000, true, ProcessState::Alive), [], "an answering worker is left alone");
        rig
    }
}

#[test]
fn is_fit_once_a_worker_serves() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(9_999, true, ProcessState::Alive), [Action::Spawn(WorkerId(1))]);
    rig.machine.handle_ready(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [Action::DataPlane(true)]);
}

#[test]
fn a_killed_worker_is_replaced_at_once_and_nothing_moves() {
    let mut rig = Rig::serving();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [Action::Lost(WorkerId(1), Loss::Exited), Action::Spawn(WorkerId(2))]);
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [], "late news of the dead one");
    assert_eq!(rig.run(40, true, ProcessState::Alive), []);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.run(2_000, true, ProcessState::Alive), [], "fit all along");
}

#[test]
fn a_worker_not_ready_within_the_grace_makes_the_node_unfit() {
    let mut rig = Rig::serving();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    rig.actions();
    assert_eq!(rig.run(499, true, ProcessState::Alive), []);
    assert_eq!(rig.run(1, true, ProcessState::Alive), [Action::DataPlane(false)]);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.actions(), [Action::DataPlane(true)]);
}

#[test]
fn a_hung_worker_is_killed_after_the_timeout() {
    let mut rig = Rig::serving();
    let expected =
        [Action::Kill(WorkerId(1)), Action::Lost(WorkerId(1), Loss::Hung), Action::Spawn(WorkerId(2))];
    assert_eq!(rig.run(300, false, ProcessState::Alive), []);
    assert_eq!(rig.run(50, false, ProcessState::Alive), expected);
}

#[test]
fn a_stopped_worker_is_killed_at_the_second_heartbeat() {
    let mut rig = Rig::serving();
    let expected =
        [Action::Kill(WorkerId(1)), Action::Lost(WorkerId(1), Loss::Stopped), Action::Spawn(WorkerId(2))];
    assert_eq!(rig.run(100, false, ProcessState::Stopped), expected);
}

#[test]
fn a_keeper_that_slept_does_not_blame_the_worker() {
    let mut rig = Rig::serving();
    rig.machine.handle_timeout(rig.now + Duration::from_millis(50), ProcessState::Alive);
    let ping = rig.actions();
    let [Action::Ping(id, seq)] = ping[..] else { panic!("{ping:?}") };
    rig.now += Duration::from_secs(60);
    rig.machine.handle_timeout(rig.now, ProcessState::Alive);
    assert_eq!(rig.actions(), []);
    rig.machine.handle_pong(id, seq);
    assert_eq!(rig.run(5_000, true, ProcessState::Alive), []);
}

#[test]
fn a_crash_loop_backs_off_and_recovers() {
    let mut rig = Rig::serving();
    let mut waits = Vec::new();
    for id in 1..=9 {
        rig.machine.handle_exit(rig.now, WorkerId(id));
        let from = rig.now;
        while rig.machine.current().is_none() {
            rig.now = rig.machine.poll_timeout().unwrap().max(rig.now);
            rig.machine.handle_timeout(rig.now, ProcessState::Alive);
        }
        waits.push((rig.now - from).as_millis());
        rig.actions();
    }
    assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3200]);
    rig.machine.handle_ready(rig.now, WorkerId(10));
    rig.run(6_000, true, ProcessState::Alive);
    rig.machine.handle_exit(rig.now, WorkerId(10));
    assert!(rig.actions().contains(&Action::Spawn(WorkerId(11))), "a long life ends the back-off");
}

#[test]
fn a_worker_that_never_gets_ready_is_replaced() {
    let mut rig = Rig::new();
    rig.run(0, true, ProcessState::Alive);
    let seen = rig.run(10_000, true, ProcessState::Alive);
    assert_eq!(seen[..2], [Action::Kill(WorkerId(1)), Action::Lost(WorkerId(1), Loss::StartTimeout)]);
}

#[test]
fn after_stop_nothing_is_wanted() {
    let mut rig = Rig::serving();
    rig.machine.stop();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), []);
    assert_eq!(rig.machine.poll_timeout(), None);
}
