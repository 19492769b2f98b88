use super::super::process::Thread;
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
    fn run(&mut self, ms: u64, answer: bool, process: &Process) -> Vec<Action> {
        let end = self.now + Duration::from_millis(ms);
        let mut seen = Vec::new();
        while let Some(at) = self.machine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now, process);
            for action in self.actions() {
                match action {
                    Action::Ping(id, seq) if answer => self.machine.handle_pong(self.now, id, seq),
                    Action::Ping(..) => {}
                    Action::Spawn(_)
                    | Action::SpawnSuccessor(_)
                    | Action::TakenOver(_)
                    | Action::NotTakenOver(..)
                    | Action::Kill(_)
                    | Action::Lost(..)
                    | Action::Starved(..)
                    | Action::DataPlane(_) => {
                        seen.push(action);
                    }
                }
            }
        }
        self.now = end;
        seen
    }

    /// The heartbeat that waits for its answer.
    fn seq(&self) -> u64 {
        let State::Serving(serving) = &self.machine.state else { panic!("{:?}", self.machine) };
        serving.seq
    }

    fn serving() -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.run(0, true, &Process::default()), [Action::Spawn(WorkerId(1))]);
        rig.machine.handle_ready(rig.now, WorkerId(1));
        assert_eq!(rig.actions(), [Action::DataPlane(true)]);
        assert_eq!(rig.run(10_000, true, &Process::default()), [], "an answering worker is left alone");
        rig
    }
}

/// A thread that waits for a processor, and got none since the last look.
fn starving() -> Process {
    let thread = Thread { id: 7, runnable: true, ran: Duration::ZERO, waited: Duration::ZERO, turns: 1 };
    Process { stopped: false, threads: vec![thread] }
}

fn stopped() -> Process {
    Process { stopped: true, threads: Vec::new() }
}

/// Worker 1 is killed after a silence that is its own fault, and replaced.
fn lost_after(loss: Loss, silent_ms: u64) -> [Action; 3] {
    let silence =
        Figures { lasted: Duration::from_millis(silent_ms), waited: Duration::ZERO, ran: Duration::ZERO };
    let one = WorkerId(1);
    [Action::Kill(one), Action::Lost(one, loss, Some(silence)), Action::Spawn(WorkerId(2))]
}

/// All of a silence but its first look, which has nothing to compare with, was a wait for a processor.
fn starved_for(ms: u64) -> Figures {
    let (lasted, waited) = (Duration::from_millis(ms), Duration::from_millis(ms - 50));
    Figures { lasted, waited, ran: Duration::ZERO }
}

#[test]
fn is_fit_once_a_worker_serves() {
    let mut rig = Rig::new();
    assert_eq!(rig.run(9_999, true, &Process::default()), [Action::Spawn(WorkerId(1))]);
    rig.machine.handle_ready(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [Action::DataPlane(true)]);
}

#[test]
fn a_killed_worker_is_replaced_at_once_and_nothing_moves() {
    let mut rig = Rig::serving();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [Action::Lost(WorkerId(1), Loss::Exited, None), Action::Spawn(WorkerId(2))]);
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [], "late news of the dead one");
    assert_eq!(rig.run(40, true, &Process::default()), []);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.run(2_000, true, &Process::default()), [], "fit all along");
}

#[test]
fn a_worker_not_ready_within_the_grace_makes_the_node_unfit() {
    let mut rig = Rig::serving();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    rig.actions();
    assert_eq!(rig.run(499, true, &Process::default()), []);
    assert_eq!(rig.run(1, true, &Process::default()), [Action::DataPlane(false)]);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.actions(), [Action::DataPlane(true)]);
}

#[test]
fn a_hung_worker_is_killed_after_the_timeout() {
    let mut rig = Rig::serving();
    let expected = lost_after(Loss::Hung, 300);
    assert_eq!(rig.run(300, false, &Process::default()), []);
    assert_eq!(rig.run(50, false, &Process::default()), expected);
}

#[test]
fn a_stopped_worker_is_killed_at_the_second_heartbeat() {
    let mut rig = Rig::serving();
    let expected = lost_after(Loss::Stopped, 50);
    assert_eq!(rig.run(100, false, &stopped()), expected);
}

#[test]
fn a_keeper_that_slept_does_not_blame_the_worker() {
    let mut rig = Rig::serving();
    rig.machine.handle_timeout(rig.now + Duration::from_millis(50), &Process::default());
    let ping = rig.actions();
    let [Action::Ping(id, seq)] = ping[..] else { panic!("{ping:?}") };
    rig.now += Duration::from_secs(60);
    rig.machine.handle_timeout(rig.now, &Process::default());
    assert_eq!(rig.actions(), []);
    rig.machine.handle_pong(rig.now, id, seq);
    assert_eq!(rig.run(5_000, true, &Process::default()), []);
}

#[test]
fn a_starved_worker_is_kept_and_told_of_once() {
    let mut rig = Rig::serving();
    assert_eq!(rig.run(300, false, &starving()), [], "the heartbeat is sent after 50 ms");
    assert_eq!(rig.run(499, false, &starving()), [Action::Starved(WorkerId(1), starved_for(300))]);
    rig.machine.handle_pong(rig.now, WorkerId(1), rig.seq());
    assert_eq!(rig.run(60_000, true, &Process::default()), [], "nothing was lost and nothing moved");
    assert_eq!((rig.machine.losses(), rig.machine.starvations()), (0, 1));
    let next = rig.run(400, false, &starving());
    assert_eq!(next, [Action::Starved(WorkerId(1), starved_for(300))], "another silence");
}

#[test]
fn a_node_whose_worker_starves_is_unfit_until_the_worker_keeps_up() {
    let mut rig = Rig::serving();
    let mut at = |ms| rig.run(ms, false, &starving());
    assert_eq!(at(850), [Action::Starved(WorkerId(1), starved_for(300)), Action::DataPlane(false)]);
    assert_eq!(at(2_000), []);
    rig.machine.handle_pong(rig.now, WorkerId(1), rig.seq());
    assert_eq!(rig.run(499, true, &Process::default()), [], "a sign of life is not enough");
    assert_eq!(rig.run(51, true, &Process::default()), [Action::DataPlane(true)]);
}

#[test]
fn patience_with_a_starved_worker_ends() {
    let mut rig = Rig::serving();
    let kept = rig.run(10_000, false, &starving());
    assert_eq!(kept[1..], [Action::DataPlane(false)]);
    let lost = Action::Lost(WorkerId(1), Loss::Starved, Some(starved_for(10_000)));
    let expected = [Action::Kill(WorkerId(1)), lost, Action::Spawn(WorkerId(2))];
    assert_eq!(rig.run(50, false, &starving()), expected);
}

#[test]
fn a_worker_that_starves_and_then_hangs_is_replaced() {
    let mut rig = Rig::serving();
    rig.run(850, false, &starving());
    let lost = rig.run(250, false, &Process::default());
    assert!(
        matches!(lost[..], [Action::Kill(_), Action::Lost(_, Loss::Hung, _), Action::Spawn(_)]),
        "{lost:?}"
    );
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
            rig.machine.handle_timeout(rig.now, &Process::default());
        }
        waits.push((rig.now - from).as_millis());
        rig.actions();
    }
    assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3200]);
    rig.machine.handle_ready(rig.now, WorkerId(10));
    rig.run(6_000, true, &Process::default());
    rig.machine.handle_exit(rig.now, WorkerId(10));
    assert!(rig.actions().contains(&Action::Spawn(WorkerId(11))), "a long life ends the back-off");
}

#[test]
fn a_worker_that_never_gets_ready_is_replaced() {
    let mut rig = Rig::new();
    rig.run(0, true, &Process::default());
    let seen = rig.run(10_000, true, &Process::default());
    assert_eq!(seen[..2], [Action::Kill(WorkerId(1)), Action::Lost(WorkerId(1), Loss::StartTimeout, None)]);
}

#[test]
fn after_stop_nothing_is_wanted() {
    let mut rig = Rig::serving();
    rig.machine.stop();
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), []);
    assert_eq!(rig.machine.poll_timeout(), None);
}

#[test]
fn a_successor_takes_over_when_it_is_ready() {
    let mut rig = Rig::serving();
    rig.machine.take_over(rig.now);
    rig.machine.take_over(rig.now);
    assert_eq!(rig.actions(), [Action::SpawnSuccessor(WorkerId(2))], "one at a time");
    assert_eq!(rig.run(1000, true, &Process::default()), [], "until then the other one is watched");
    assert_eq!(rig.machine.current(), Some(WorkerId(1)));
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.actions(), [Action::TakenOver(WorkerId(2))], "the node was fit all along");
    assert_eq!((rig.machine.current(), rig.machine.losses()), (Some(WorkerId(2)), 0));
    rig.machine.handle_exit(rig.now, WorkerId(1));
    assert_eq!(rig.actions(), [], "it was retired");
    assert_eq!(rig.run(10_000, true, &Process::default()), []);
}

#[test]
fn a_successor_that_is_not_ready_changes_nothing() {
    let mut rig = Rig::serving();
    rig.machine.take_over(rig.now);
    rig.machine.handle_exit(rig.now, WorkerId(2));
    let lost = Action::NotTakenOver(WorkerId(2), Loss::Exited);
    assert_eq!(rig.actions(), [Action::SpawnSuccessor(WorkerId(2)), lost]);
    rig.machine.take_over(rig.now);
    rig.actions();
    let late = [Action::Kill(WorkerId(3)), Action::NotTakenOver(WorkerId(3), Loss::StartTimeout)];
    assert_eq!(rig.run(20_000, true, &Process::default()), late);
    rig.machine.handle_ready(rig.now, WorkerId(3));
    assert_eq!((rig.actions(), rig.machine.current()), (vec![], Some(WorkerId(1))), "too late");
    assert_eq!(rig.machine.losses(), 0);
}

#[test]
fn whichever_worker_is_ready_first_serves() {
    let mut rig = Rig::serving();
    rig.machine.take_over(rig.now);
    rig.machine.handle_exit(rig.now, WorkerId(1));
    let lost = Action::Lost(WorkerId(1), Loss::Exited, None);
    let started = [Action::SpawnSuccessor(WorkerId(2)), lost, Action::Spawn(WorkerId(3))];
    assert_eq!(rig.actions(), started);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!(rig.actions(), [Action::TakenOver(WorkerId(2))]);
    rig.machine.handle_ready(rig.now, WorkerId(3));
    assert_eq!((rig.actions(), rig.machine.current()), (vec![], Some(WorkerId(2))), "nobody waits for it");
}

#[test]
fn a_node_that_stops_wants_no_successor() {
    let mut rig = Rig::serving();
    rig.machine.take_over(rig.now);
    rig.actions();
    rig.machine.stop();
    rig.machine.take_over(rig.now);
    rig.machine.handle_ready(rig.now, WorkerId(2));
    assert_eq!((rig.actions(), rig.machine.poll_timeout()), (vec![], None));
}
