mod algorithms;
mod queue;
mod rise;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::fixture::{backup, plan, plan_with, server};
use super::*;
use crate::plan::{AdminState, Server};

const BE: BackendId = BackendId(0);

fn pick(state: &State, avoid: Option<ServerId>) -> Option<ServerId> {
    fixture::pick(state, Wish { avoid, ..Wish::default() })
}

/// The servers of the next `count` turns, by number from 1; `-` for none.
fn turns(state: &State, count: usize) -> String {
    let turn = |_| pick(state, None).map_or_else(|| "-".into(), |id| (id.0 + 1).to_string());
    (0..count).map(turn).collect::<Vec<_>>().join(" ")
}

#[test]
fn turns_are_spread_by_weight() {
    let cases: &[(&str, &[u16], &str)] = &[
        ("equal weights rotate in the order of the file", &[1, 1, 1], "1 2 3 1 2 3 1 2 3"),
        ("the common divisor does not matter", &[100, 100, 100], "1 2 3 1 2 3"),
        ("a heavy server's turns do not come in a burst", &[1, 2, 3], "3 2 3 2 3 1 3 2 3 2 3 1"),
        ("five to one", &[5, 1], "1 1 1 1 1 2 1 1 1 1 1 2"),
        ("five to one to one", &[5, 1, 1], "1 1 1 2 1 1 3 1 1 1 2 1 1 3"),
        ("weight 0 gets nothing", &[1, 0, 1], "1 3 1 3"),
        ("one server", &[7], "1 1 1"),
        ("only weight 0", &[0, 0], "- -"),
        ("no server", &[], "- -"),
        ("the extremes", &[256, 255, 0], "1 2 1 2 1 2 1 2"),
    ];
    for (name, weights, expected) in cases {
        let state = State::new(&plan(weights.iter().map(|&w| server(w)).collect()));
        assert_eq!(turns(&state, expected.split(' ').count()), *expected, "{name}");
    }
}

/// Reference: whatever the weights, after any number of turns each server is less than one turn away from its share.
fn check_shares(weights: &[u16], rounds: usize) {
    let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
    let state = State::new(&plan(weights.iter().map(|&w| server(w)).collect()));
    let mut had = vec![0u64; weights.len()];
    for turn in 1..=total * rounds as u64 {
        let id = pick(&state, None).unwrap().0 as usize;
        had[id] += 1;
        for (server, &weight) in weights.iter().enumerate() {
            let apart = (had[server] * total).abs_diff(turn * u64::from(weight));
            assert!(
                apart < total,
                "server {server} of {weights:?} has had {} after {turn} turns",
                had[server]
            );
        }
    }
}

proptest! {
    #[test]
    fn shares_are_exact_at_every_turn(weights in proptest::collection::vec(0u16..=256, 1..12)) {
        prop_assume!(weights.iter().any(|&w| w > 0));
        check_shares(&weights, 2);
    }

    #[test]
    fn changes_never_pick_what_is_not_usable(
        weights in proptest::collection::vec(0u16..=5, 1..6),
        backups in proptest::collection::vec(any::<bool>(), 6),
        all in any::<bool>(),
        steps in proptest::collection::vec((0u32..6, 0u8..8), 0..40),
    ) {
        let servers: Vec<Server> = weights
            .iter()
            .zip(&backups)
            .map(|(&w, &b)| if b { backup(w) } else { server(w) })
            .collect();
        let plan = plan_with(servers, |b| b.allbackups = all);
        let state = State::new(&plan);
        for (id, change) in steps {
            let id = ServerId(id);
            match change {
                0 => state.set_up(id, false),
                1 | 2 => state.set_up(id, true),
                3 => state.set_admin(id, AdminState::Maint),
                4 => state.set_admin(id, AdminState::Drain),
                5 | 6 => state.set_admin(id, AdminState::Ready),
                _ => state.set_weight(id, 3),
            };
            check_against_model(&plan, &state, all)?;
        }
    }
}

/// Every usable server of the kind in use gets a turn within a round, and no other does.
fn check_against_model(plan: &Plan, state: &State, all: bool) -> Result<(), TestCaseError> {
    let usable = |backup: bool| -> Vec<ServerId> {
        let of = |(id, s): (u32, &Server)| {
            (s.backup == backup && state.server(ServerId(id)).unwrap().is_usable()).then_some(ServerId(id))
        };
        (0..).zip(plan.servers()).filter_map(of).collect()
    };
    let (actives, backups) = (usable(false), usable(true));
    let counts = Usable { active: actives.len() as u32, backup: backups.len() as u32 };
    prop_assert_eq!(state.usable(BE), counts);
    let in_use = match (actives.is_empty(), all) {
        (false, _) => actives,
        (true, true) => backups,
        (true, false) => backups.into_iter().take(1).collect(),
    };
    let mut seen: Vec<ServerId> = (0..64).filter_map(|_| pick(state, None)).collect();
    seen.sort();
    seen.dedup();
    prop_assert_eq!(seen, in_use);
    Ok(())
}

#[test]
fn no_server_of_at_most_half_the_weight_gets_three_turns_in_a_row() {
    for weights in [&[3u16, 2, 1][..], &[5, 3, 2], &[50, 30, 20], &[7, 7, 1], &[4, 3, 1], &[13, 11, 2]] {
        let state = State::new(&plan(weights.iter().map(|&w| server(w)).collect()));
        let order: Vec<_> = (0..500).map(|_| pick(&state, None).unwrap()).collect();
        assert!(order.windows(3).all(|w| w[0] != w[1] || w[1] != w[2]), "{weights:?}: {order:?}");
    }
}

#[test]
fn backups_step_in_only_when_no_active_is_left() {
    let state = State::new(&plan(vec![server(1), server(1), backup(1), backup(3)]));
    assert_eq!(turns(&state, 4), "1 2 1 2");
    assert_eq!(state.set_up(ServerId(0), false), Usable { active: 1, backup: 2 });
    assert_eq!(turns(&state, 2), "2 2");
    assert_eq!(state.set_admin(ServerId(1), AdminState::Drain), Usable { active: 0, backup: 2 });
    assert_eq!(turns(&state, 4), "3 3 3 3", "the first usable backup alone");
    state.set_up(ServerId(2), false);
    assert_eq!(turns(&state, 2), "4 4", "then the next");
    assert_eq!(state.set_up(ServerId(3), false), Usable::default());
    assert_eq!(turns(&state, 2), "- -");
    assert_eq!(state.set_up(ServerId(0), true), Usable { active: 1, backup: 0 });
    assert_eq!(turns(&state, 2), "1 1");
}

#[test]
fn all_backups_share_by_weight_if_asked_to() {
    let state = State::new(&plan_with(vec![server(1), backup(1), backup(3)], |b| b.allbackups = true));
    state.set_weight(ServerId(0), 0);
    let mut counts = BTreeMap::new();
    for _ in 0..8 {
        *counts.entry(pick(&state, None).unwrap().0).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([(1, 2), (2, 6)]));
}

#[test]
fn configured_states_hold_from_the_start() {
    let mut servers = vec![server(1), server(1), server(1)];
    servers[0].admin = AdminState::Maint;
    servers[1].admin = AdminState::Drain;
    let state = State::new(&plan(servers));
    assert_eq!(turns(&state, 2), "3 3");
    state.set_admin(ServerId(0), AdminState::Ready);
    state.set_admin(ServerId(2), AdminState::Maint);
    assert_eq!(turns(&state, 2), "1 1");
}

#[test]
fn leaving_maintenance_is_a_fresh_start() {
    let state = State::new(&plan(vec![server(1)]));
    state.set_up(ServerId(0), false);
    state.set_admin(ServerId(0), AdminState::Drain);
    assert!(!state.server(ServerId(0)).unwrap().up, "drain keeps what checks say");
    state.set_admin(ServerId(0), AdminState::Maint);
    state.set_admin(ServerId(0), AdminState::Ready);
    assert!(state.server(ServerId(0)).unwrap().up);
}

#[test]
fn tried_servers_are_passed_over() {
    let state = State::new(&plan(vec![server(1), server(5), server(1), backup(1)]));
    for _ in 0..14 {
        assert_ne!(pick(&state, Some(ServerId(1))), Some(ServerId(1)));
    }
    let single = State::new(&plan(vec![server(1), backup(1)]));
    let again = pick(&single, Some(ServerId(0)));
    assert_eq!(again, Some(ServerId(0)), "a backup is no other server while an active one is usable");
}

#[test]
fn ids_of_another_plan_get_no_answer() {
    let state = State::new(&plan(vec![server(1)]));
    assert_eq!(state.assign(BackendId(7), &Wish::default()), Outcome::NoServer);
    assert_eq!(state.set_up(ServerId(9), false), Usable::default());
    assert_eq!(state.server(ServerId(9)), None);
    let lease = Lease::of(&state, ServerId(9));
    assert_eq!(state.in_flight(lease.server()), 0);
}

#[test]
fn leases_count_running_requests() {
    let state = Arc::new(State::new(&plan(vec![server(1), server(1)])));
    assert!(pick(&state, None).is_some());
    let pinned = Wish { pinned: Some(ServerId(1)), ..Wish::default() };
    let assigned = Outcome::Assigned(ServerId(1));
    assert_eq!((state.assign(BE, &pinned), state.assign(BE, &pinned)), (assigned, assigned));
    let (one, two) = (Lease::of(&*state, ServerId(1)), Lease::of(Arc::clone(&state), ServerId(1)));
    assert_eq!((state.in_flight(ServerId(0)), state.in_flight(ServerId(1))), (0, 2));
    drop(one);
    assert_eq!(state.in_flight(two.server()), 1);
    drop(two);
    assert_eq!(state.in_flight(ServerId(1)), 0);
}

#[test]
fn threads_together_keep_the_shares() {
    let weights = [1u16, 2, 3, 10];
    let state = State::new(&plan(weights.iter().map(|&w| server(w)).collect()));
    let (threads, each) = (4u64, 16 * 500);
    let counts = std::thread::scope(|scope| {
        let run = || {
            let mut counts = [0u64; 4];
            for _ in 0..each {
                counts[pick(&state, None).unwrap().0 as usize] += 1;
            }
            counts
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers.into_iter().map(|w| w.join().unwrap()).fold([0u64; 4], |mut sum, counts| {
            sum.iter_mut().zip(counts).for_each(|(a, b)| *a += b);
            sum
        })
    });
    assert_eq!(counts.map(|c| c * 16 / (threads * each)), weights.map(u64::from), "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), threads * each);
}

#[test]
fn changes_under_load_are_never_seen_half_made() {
    let state = State::new(&plan(vec![server(1), server(2), server(3)]));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let picker = || {
            let mut picks = 0u64;
            while !done.load(Ordering::Relaxed) {
                // Server 1 stays up throughout, so there is always one.
                assert!(pick(&state, None).is_some());
                picks += 1;
            }
            picks
        };
        let pickers: Vec<_> = (0..3).map(|_| scope.spawn(picker)).collect();
        for n in 0..20_000u32 {
            state.set_up(ServerId(1 + n % 2), n % 3 == 0);
        }
        done.store(true, Ordering::Relaxed);
        assert!(pickers.into_iter().map(|p| p.join().unwrap()).all(|picks| picks > 0));
    });
    state.set_up(ServerId(1), false);
    state.set_up(ServerId(2), false);
    assert_eq!(turns(&state, 2), "1 1", "a change holds from the next pick on");
}

#[test]
fn the_largest_backend_is_laid_out() {
    let weights: Vec<_> = (0..4095u16).map(|n| server(1 + n % 256)).collect();
    let total: u64 = weights.iter().map(|s| u64::from(s.weight)).sum();
    let state = State::new(&plan(weights));
    let mut counts = vec![0u64; 4095];
    for _ in 0..total {
        counts[pick(&state, None).unwrap().0 as usize] += 1;
    }
    assert!(counts.iter().enumerate().all(|(n, &had)| had == 1 + n as u64 % 256));
}

#[test]
fn conditions_ask_for_numbers() {
    let state = State::new(&plan(vec![server(1), server(1), backup(1), backup(1)]));
    let all = |state: &State| {
        [Gauge::Usable(BE), Gauge::Up(ServerId(0)), Gauge::Running(ServerId(0)), Gauge::Queued(BE)]
            .map(|gauge| state.gauge(gauge).unwrap())
    };
    assert_eq!(all(&state), [2, 1, 0, 0]);
    let Outcome::Assigned(first) = state.assign(BE, &Wish::default()) else { panic!("a server") };
    let lease = Lease::of(&state, first);
    assert_eq!(state.gauge(Gauge::Running(lease.server())), Some(1));
    drop(lease);
    state.set_up(ServerId(0), false);
    assert_eq!(all(&state), [1, 0, 0, 0]);
    // Then the first backup only.
    state.set_admin(ServerId(1), AdminState::Drain);
    assert_eq!(all(&state), [1, 0, 0, 0]);
    assert_eq!(state.gauge(Gauge::Up(ServerId(1))), Some(1), "a server that drains is up");
    state.set_admin(ServerId(1), AdminState::Maint);
    assert_eq!(state.gauge(Gauge::Up(ServerId(1))), Some(0));
    for backup in [2, 3] {
        state.set_up(ServerId(backup), false);
    }
    assert_eq!(all(&state), [0, 0, 0, 0]);
    assert_eq!(state.gauge(Gauge::Usable(BackendId(7))), None);
    assert_eq!(state.gauge(Gauge::Waiting(ServerId(70))), None);
}
