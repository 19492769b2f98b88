//! Agents, followers, observation and ejection.

use super::*;
use crate::balance::Shutdown;
use crate::health::Sign;
use crate::health::agent::AgentLine;
use crate::plan::{
    Action, CheckConfig, Ejection, InitState, Layer, Observe, OnError, OnMarked, Protocol, ServerLimits,
    Watch,
};

pub(super) fn agent() -> CheckConfig {
    let script = Script::of([Action::Protocol(Protocol::Agent { send: Vec::new() })]);
    CheckConfig { rise: 1, fall: 1, port: Some(9), ..check(script) }
}

pub(super) fn watched(watch: Watch) -> Server {
    Server { watch, ..checked(server(10)) }
}

impl World {
    /// The agent of the first server says this.
    pub(super) fn agent_says(&mut self, line: &str) {
        let job = Job { server: ServerId(0), probe: Probe::Agent };
        if let Some(Phase::Waiting { due }) = self.monitor.servers[0].agent.as_ref().map(|a| a.phase) {
            self.monitor.queue.remove(&(due, job));
            self.monitor.checked_mut(job).unwrap().phase = Phase::Running { since: self.now, stale: false };
        }
        let said = AgentLine::parse(line.as_bytes());
        self.monitor.handle_agent(self.now, ServerId(0), CheckResult::new(CheckStatus::L7Ok), Some(&said));
    }

    pub(super) fn sees(&mut self, id: u32, signs: &[Sign]) {
        for sign in signs {
            self.state.observations().note(ServerId(id), *sign);
        }
        self.monitor.handle_timeout(self.now);
    }
}

#[test]
fn an_agent_has_a_say_beside_the_checks() {
    let watch = Watch { agent: Some(agent()), ..Watch::default() };
    let mut world = World::new(vec![watched(watch)]);
    world.run_until(ms(1));
    world.agent_says("down # disk is full");
    assert_eq!(world.operational(), ["DOWN"]);
    let down = "Alert: Server be/s1 is DOWN, reason: Layer7 wrong status, \
                info: \"via agent : down (disk is full)\", check duration: 0ms. \
                0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said(), [down, "Emerg: backend be has no server available!"]);
    world.agent_says("50%");
    assert_eq!((world.operational(), world.state.server(ServerId(0)).unwrap().weight), (vec!["DOWN"], 5));
    world.agent_says("up 100%");
    assert_eq!((world.operational(), world.state.server(ServerId(0)).unwrap().weight), (vec!["UP"], 10));
    world.passes[0] = false;
    world.run_until(ms(20_000));
    assert_eq!(world.operational(), ["DOWN"], "an agent does not outvote the checks");
    world.agent_says("up");
    assert_eq!(world.operational(), ["DOWN"]);
}

#[test]
fn an_agent_acts_in_an_operators_place() {
    let watch = Watch { agent: Some(agent()), ..Watch::default() };
    let mut world = World::new(vec![watched(watch)]);
    world.run_until(ms(1));
    let mut seen = Vec::new();
    for line in ["drain", "maint", "ready", "nonsense"] {
        world.agent_says(line);
        seen.push(world.operational()[0]);
    }
    assert_eq!(seen, ["DRAIN", "MAINT", "UP", "UP"]);
    let last = world.monitor.report().remove(0).last_agent.unwrap();
    assert_eq!(
        (last.status, last.info.unwrap().as_str()),
        (CheckStatus::Checked, "agent reports an error : nonsense")
    );
    let job = Job { server: ServerId(0), probe: Probe::Agent };
    assert!(world.monitor.queue.iter().any(|(_, queued)| *queued == job), "it is asked again");
}

#[test]
fn an_agent_that_is_gone_changes_nothing() {
    let watch = Watch { agent: Some(agent()), ..Watch::default() };
    let mut world = World::new(vec![Server { check: None, ..watched(watch) }]);
    world.monitor.poll_check(world.start).unwrap();
    world.monitor.handle_agent(world.start, ServerId(0), CheckResult::new(CheckStatus::L4Connection), None);
    assert_eq!(world.operational(), ["UP"]);
    assert!(world.said().is_empty() && world.monitor.first_round_done());
}

#[test]
fn followers_go_where_their_leader_goes() {
    let follow = |leader: u32| Server {
        watch: Watch { track: Some(ServerId(leader)), ..Watch::default() },
        ..server(1)
    };
    // The first follows the second, which follows the third.
    let mut world = World::new(vec![follow(1), follow(2), checked(server(1)), checked(server(1))]);
    world.passes[2] = false;
    world.run_until(ms(300));
    assert_eq!(world.operational(), ["DOWN", "DOWN", "DOWN", "UP"]);
    let said = world.said();
    assert!(said[1].starts_with("Alert: Server be/s2 is DOWN via be/s3. 2 active"), "{said:?}");
    assert!(said[2].starts_with("Alert: Server be/s1 is DOWN via be/s2. 1 active"), "{said:?}");
    world.passes[2] = true;
    world.run_until(ms(20_000));
    assert_eq!(world.operational(), ["UP"; 4]);
    world.admin(2, AdminState::Maint);
    assert_eq!(world.operational(), ["MAINT", "MAINT", "MAINT", "UP"]);
    let snapshot = world.monitor.snapshot(world.now);
    let next =
        World::with(vec![follow(1), follow(2), checked(server(1)), checked(server(1))], Some(&snapshot));
    assert_eq!(next.operational(), ["MAINT", "MAINT", "MAINT", "UP"], "from the start");
    let via: Vec<_> = next.monitor.report().iter().map(|r| r.rests_via.map(|id| id.0)).collect();
    assert_eq!(via, [Some(1), Some(2), None, None]);
}

fn observed(layer: Layer, error_limit: u32, on_error: OnError) -> World {
    let observe = Some(Observe { layer, error_limit, on_error });
    let mut server = watched(Watch { observe, ..Watch::default() });
    server.check.as_mut().unwrap().fastinter = Some(ms(100));
    let mut world = World::new(vec![server]);
    world.run_until(ms(5000));
    world
}

#[test]
fn errors_in_a_row_have_their_consequence() {
    let cases = [
        // on_error, how often the limit is reached, counter after each
        (OnError::FastInter, vec![4, 4, 4, 4]),
        (OnError::FailCheck, vec![3, 2, 0, 0]),
        (OnError::SuddenDeath, vec![2, 0, 0, 0]),
        (OnError::MarkDown, vec![0, 0, 0, 0]),
    ];
    for (on_error, counters) in cases {
        let mut world = observed(Layer::Layer4, 3, on_error);
        let due = world.monitor.poll_timeout().unwrap();
        let mut seen = Vec::new();
        for _ in 0..4 {
            world.sees(0, &[Sign::NotConnected, Sign::NotConnected]);
            world.sees(0, &[Sign::Connected, Sign::NotConnected, Sign::NotConnected]);
            assert_eq!(world.monitor.report()[0].health.unwrap().value(), seen.last().copied().unwrap_or(4));
            world.sees(0, &[Sign::NotConnected]);
            seen.push(world.monitor.report()[0].health.unwrap().value());
        }
        assert_eq!(seen, counters, "{on_error:?}");
        assert_eq!(world.monitor.poll_timeout(), Some(due.min(world.now + ms(100))), "{on_error:?}");
        assert_eq!(world.operational(), [if counters[3] == 0 { "DOWN" } else { "UP" }]);
    }
    // A monitor that comes late has as many consequences to draw, and forgets none of the rest.
    let mut world = observed(Layer::Layer4, 3, OnError::FailCheck);
    world.sees(0, &[Sign::NotConnected; 7]);
    assert_eq!(world.monitor.report()[0].health.unwrap().value(), 2);
    world.sees(0, &[Sign::NotConnected; 2]);
    assert_eq!(world.monitor.report()[0].health.unwrap().value(), 0);
    let mut world = observed(Layer::Layer4, 3, OnError::FailCheck);
    world.sees(0, &[Sign::NotConnected, Sign::NotConnected, Sign::NotConnected, Sign::Connected]);
    assert_eq!(world.monitor.report()[0].health.unwrap().value(), 3);
    let mut world = observed(Layer::Layer7, 2, OnError::MarkDown);
    world.sees(0, &[Sign::of_status(500), Sign::Connected, Sign::of_status(501), Sign::of_status(503)]);
    assert_eq!(world.operational(), ["UP"], "501 is no fault of the server's");
    world.sees(0, &[Sign::ReadTimeout]);
    let said = "Alert: Server be/s1 is DOWN, reason: Health analyze, \
                info: \"Detected 2 consecutive errors, last one was: Read timeout (http)\". \
                0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    assert_eq!(world.said()[0], said);
    let mut other = observed(Layer::Layer4, 1, OnError::MarkDown);
    other.sees(0, &[Sign::of_status(500), Sign::Closed]);
    assert_eq!(other.operational(), ["UP"], "responses are nothing to layer 4");
}

pub(super) const EJECTION: Ejection = Ejection {
    consecutive_errors: Some(3),
    failure_percent: Some(50),
    min_requests: 4,
    interval: Duration::from_secs(10),
    time: Duration::from_secs(30),
    max_time: Duration::from_secs(70),
    max_percent: 50,
};

fn outliers(count: usize) -> World {
    let watch = || Watch { ejection: Some(EJECTION), ..Watch::default() };
    World::new((0..count).map(|_| Server { watch: watch(), ..server(1) }).collect())
}

#[test]
fn outliers_are_out_for_a_time_that_grows() {
    let mut world = outliers(4);
    let bad = [Sign::WrongResponse; 3];
    world.sees(0, &bad[..2]);
    assert_eq!(world.operational(), ["UP"; 4]);
    world.sees(0, &bad[2..]);
    assert_eq!(world.operational(), ["DOWN", "UP", "UP", "UP"]);
    assert!(world.monitor.report()[0].ejected_until.is_some());
    let said = world.said();
    assert!(
        said[0].starts_with("Alert: Server be/s1 is ejected for 30s, reason: 3 consecutive errors. 3 active"),
        "{said:?}"
    );
    world.run_until(ms(29_999));
    assert_eq!(world.operational()[0], "DOWN");
    world.run_until(ms(30_000));
    assert_eq!(world.operational()[0], "UP");
    assert!(world.said()[0].starts_with("Notice: Server be/s1 is no longer ejected. 4 active"));
    // Again at once: twice as long, then as long as it may be at most.
    for (begin, length) in [(30_001u64, 60_000u64), (90_002, 70_000), (160_003, 70_000)] {
        world.run_until(ms(begin));
        world.sees(0, &bad);
        world.run_until(ms(begin + length - 1));
        assert_eq!(world.operational()[0], "DOWN", "{begin}");
        world.run_until(ms(begin + length));
        assert_eq!(world.operational()[0], "UP", "{begin}");
    }
    // Intervals without one are forgiving.
    world.run_until(ms(400_000));
    world.sees(0, &bad);
    world.run_until(ms(430_000));
    assert_eq!(world.operational()[0], "UP");
}

#[test]
fn not_too_many_outliers_are_out() {
    let mut world = outliers(4);
    let bad = [Sign::NotConnected; 3];
    for id in 0..4 {
        world.sees(id, &bad);
    }
    assert_eq!(world.operational(), ["DOWN", "DOWN", "UP", "UP"], "half of them");
    let mut alone = outliers(1);
    alone.sees(0, &bad);
    assert_eq!(alone.operational(), ["UP"], "not the last one");
    let mut pair = outliers(2);
    pair.sees(0, &bad);
    pair.sees(1, &bad);
    assert_eq!(pair.operational(), ["DOWN", "UP"]);
}

#[test]
fn the_share_of_failures_counts_too() {
    let mut world = outliers(2);
    world.sees(0, &[Sign::WrongResponse, Sign::Response, Sign::WrongResponse]);
    world.run_until(ms(10_000));
    assert_eq!(world.operational(), ["UP", "UP"], "too few requests");
    world.sees(0, &[Sign::Response, Sign::WrongResponse, Sign::Response, Sign::WrongResponse]);
    world.run_until(ms(19_999));
    assert_eq!(world.operational(), ["UP", "UP"], "not before the interval ends");
    world.run_until(ms(20_000));
    assert_eq!(world.operational(), ["DOWN", "UP"]);
    assert!(world.said()[0].contains("reason: 2 of 4 requests failed"));
}

#[test]
fn connections_are_what_servers_of_mode_tcp_are_ejected_by() {
    let watch = || Watch { ejection: Some(EJECTION), ..Watch::default() };
    let pair = || World::tcp(vec![Server { watch: watch(), ..server(1) }, server(1)]);
    let mut world = pair();
    // Now and then one is refused: never two in a row.
    for n in 1..20 {
        world.sees(0, &[Sign::NotConnected, Sign::Connected, Sign::NotConnected, Sign::Connected]);
        world.sees(0, &[Sign::Connected]);
        assert_eq!(world.operational(), ["UP", "UP"], "{n}");
        world.run_until(ms(n * 10_000));
        assert_eq!(world.operational(), ["UP", "UP"], "two of five in an interval, {n}");
    }
    world.sees(0, &[Sign::NotConnected; 3]);
    assert_eq!(world.operational(), ["DOWN", "UP"]);
    let mut world = pair();
    let half = [Sign::NotConnected, Sign::Connected, Sign::NotConnected, Sign::Connected];
    world.sees(0, &half);
    world.run_until(ms(10_000));
    assert_eq!(world.operational(), ["DOWN", "UP"]);
    assert!(world.said()[0].contains("reason: 2 of 4 requests failed"));
}

#[test]
fn what_a_server_is_before_its_first_check() {
    let cases = [
        (InitState::FullyUp, "UP", false, 3),
        (InitState::Up, "UP", false, 1),
        (InitState::Down, "DOWN", true, 1),
        (InitState::FullyDown, "DOWN", true, 2),
    ];
    for (init, first, passes, checks) in cases {
        let mut server = checked(server(1));
        server.check.as_mut().unwrap().init = init;
        let mut world = World::new(vec![server]);
        world.passes[0] = passes;
        assert_eq!(world.operational(), [first], "{init:?}");
        while world.operational() == [first] {
            let next = world.monitor.poll_timeout().unwrap() - world.start;
            world.run_until(next);
        }
        assert_eq!(world.made.len(), checks, "{init:?}");
    }
}

#[test]
fn intervals_vary_when_asked_to() {
    let mut server = checked(server(1));
    server.check.as_mut().unwrap().spread_percent = 20;
    let mut world = World::new(vec![server]);
    world.run_until(ms(200_000));
    let gaps: Vec<_> = world.made.windows(2).skip(1).map(|w| (w[1].0 - w[0].0).as_millis()).collect();
    assert!(gaps.iter().all(|gap| (1600..=2400).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max().unwrap() - gaps.iter().min().unwrap() > 200, "{gaps:?}");
}

#[test]
fn an_agent_changes_weight_and_room() {
    let watch = Watch { agent: Some(agent()), ..Watch::default() };
    let limits = ServerLimits { maxconn: Some(40), ..ServerLimits::default() };
    let mut world = World::new(vec![Server { limits, ..watched(watch) }]);
    world.run_until(ms(1));
    let cases = [
        ("maxconn:30", 10, Some(30)),
        ("150% up", 15, Some(30)),
        ("maxconn:0", 15, None),
        ("maxconn:x 10%", 1, None),
        ("weight:200 maxconn:7", 200, Some(7)),
        ("up", 200, Some(7)),
        ("down maxconn:8 0%", 0, Some(8)),
        ("100%", 10, Some(8)),
    ];
    for (line, weight, maxconn) in cases {
        world.agent_says(line);
        let state = world.state.server(ServerId(0)).unwrap();
        assert_eq!((state.weight, state.maxconn), (weight, maxconn), "{line}");
    }
    assert_eq!(world.operational(), ["DOWN"]);
}

#[test]
fn a_replacement_knows_agents_ejections_and_reasons() {
    let servers = || {
        let watch = Watch { agent: Some(agent()), ejection: Some(EJECTION), ..Watch::default() };
        vec![
            watched(watch),
            Server { watch: Watch { ejection: Some(EJECTION), ..Watch::default() }, ..server(1) },
        ]
    };
    let mut world = World::new(servers());
    world.run_until(ms(1));
    world.agent_says("down maxconn:5 # full");
    world.admin(0, AdminState::Drain);
    world.run_until(ms(5_000));
    world.agent_says("up");
    world.sees(1, &[Sign::WrongResponse; 3]);
    assert_eq!(world.operational(), ["DRAIN", "UP"], "the last usable server stays");
    world.admin(0, AdminState::Ready);
    world.sees(1, &[Sign::WrongResponse; 3]);
    world.agent_says("down # full");
    let snapshot = world.monitor.snapshot(world.now + ms(2_000));
    let mut next = World::with(servers(), Some(&snapshot));
    assert_eq!(next.operational(), ["DOWN", "DOWN"]);
    assert_eq!(next.state.server(ServerId(0)).unwrap().maxconn, Some(5));
    let reports = next.monitor.report();
    assert_eq!(reports[0].last_agent, world.monitor.report()[0].last_agent);
    let told: Vec<_> = reports[0].history.iter().map(|c| (c.to.as_str(), c.cause.to_string())).collect();
    let full = "Layer7 wrong status, info: \"via agent : down (full)\", check duration: 0ms".to_owned();
    let up = "Layer7 check passed, info: \"via agent : up\", check duration: 0ms".to_owned();
    assert_eq!(told, [("DOWN", full.clone()), ("DRAIN", up), ("UP", "set ready".to_owned()), ("DOWN", full)]);
    let ago = next.start - reports[0].history[0].at;
    assert_eq!(ago, (world.now + ms(2_000)) - (world.start + ms(1)));
    let told: Vec<_> = reports[1].history.iter().map(|c| c.cause.to_string()).collect();
    assert_eq!(told, ["ejected for 30s: 3 consecutive errors"]);
    // What is left of the ejection passes in the next life.
    next.run_until(ms(27_999));
    assert_eq!(next.operational()[1], "DOWN");
    next.run_until(ms(28_000));
    assert_eq!(next.operational()[1], "UP");
}

/// Who is told that its sessions end, and why.
#[test]
fn sessions_end_as_configured() {
    let shutting = |server: Server| {
        let watch = Watch {
            on_marked_down: OnMarked::Shutdown,
            on_marked_up: OnMarked::Shutdown,
            ejection: Some(EJECTION),
            ..Watch::default()
        };
        Server { watch, ..server }
    };
    let mut world =
        World::new(vec![shutting(checked(server(1))), shutting(server(1)), backup(1), shutting(backup(1))]);
    let orders = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&orders);
    world.state.shutdowns().deliver_by(move |id, why| told.lock().unwrap().push((id.0, why)));
    let ordered = || std::mem::take(&mut *orders.lock().unwrap());
    let up = vec![(2, Shutdown::Up), (3, Shutdown::Up)];
    world.passes[0] = false;
    world.run_until(ms(250));
    assert_eq!(ordered(), [(0, Shutdown::Down)], "checks");
    world.admin(0, AdminState::Maint);
    assert_eq!(ordered(), [], "it had none any more");
    world.admin(0, AdminState::Drain);
    assert_eq!(ordered(), [], "it takes nothing over");
    world.admin(0, AdminState::Maint);
    world.passes[0] = true;
    assert_eq!(ordered(), [(0, Shutdown::Down)], "an operator");
    world.admin(0, AdminState::Ready);
    assert_eq!(ordered(), up);
    world.sees(1, &[Sign::WrongResponse; 3]);
    assert_eq!((world.operational()[1], ordered()), ("DOWN", vec![]), "an ejection ends nothing");
    world.run_until(ms(31_000));
    assert_eq!((world.operational()[1], ordered()), ("UP", up));
    world.admin(3, AdminState::Maint);
    assert_eq!(ordered(), [(3, Shutdown::Down)]);
    world.admin(3, AdminState::Ready);
    assert_eq!(ordered(), [], "a backup takes nobody's place");
    world.admin(1, AdminState::Drain);
    world.admin(1, AdminState::Ready);
    assert_eq!(ordered(), [], "it was there all the time");
}
