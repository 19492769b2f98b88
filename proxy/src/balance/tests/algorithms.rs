use std::num::NonZeroU16;

use super::*;
use crate::plan::{Balance, HashBalance, HashFunction, HashKey, HashLayout, ServerLimits};

fn by(balance: Balance, servers: Vec<Server>) -> State {
    State::new(&plan_with(servers, |b| b.balance = balance))
}

fn hashing(layout: HashLayout, factor: Option<u16>) -> Balance {
    Balance::Hash(HashBalance {
        key: HashKey::Source,
        layout,
        function: HashFunction::Sdbm,
        avalanche: true,
        factor: factor.and_then(NonZeroU16::new),
    })
}

fn weighted(weights: &[u16]) -> Vec<Server> {
    weights.iter().map(|&w| server(w)).collect()
}

fn keyed(hash: u32) -> Wish {
    Wish { key: Some(hash::avalanche(hash)), ..Wish::default() }
}

fn assigned(state: &State, wish: &Wish) -> ServerId {
    match state.assign(BE, wish) {
        Outcome::Assigned(id) => id,
        outcome @ (Outcome::Full(_) | Outcome::QueueFull(_) | Outcome::NoServer) => panic!("{outcome:?}"),
    }
}

/// The servers of requests that stay, by number from 1.
fn stay(state: &State, count: usize) -> String {
    let next = |_| (assigned(state, &Wish::default()).0 + 1).to_string();
    (0..count).map(next).collect::<Vec<_>>().join(" ")
}

#[test]
fn leastconn_fills_up_by_weight_and_lets_equals_take_turns() {
    // The orders of HAProxy 2.6.12. Idle servers come first, whatever their weight.
    for (weights, order) in [
        (&[1u16, 1, 1][..], "1 2 3 1 2 3 1"),
        (&[1, 3], "1 2 2 2 2 2 1 2 2 2 1 2 2 2 1 2"),
        (&[2, 1], "1 2 1 1 2 1 1 2 1 1 2 1"),
    ] {
        assert_eq!(stay(&by(Balance::LeastConn, weighted(weights)), order.len().div_ceil(2)), order);
    }
    let state = by(Balance::LeastConn, weighted(&[1, 1, 1]));
    assert_eq!(stay(&state, 6), "1 2 3 1 2 3");
    drop(Lease::of(&state, ServerId(1)));
    assert_eq!(stay(&state, 4), "2 3 1 2", "who has fewest is next, then equals go on in turn");
    // Requests that end at once: turns, and not always the first.
    let state = by(Balance::LeastConn, weighted(&[1, 9, 1]));
    assert_eq!(turns(&state, 6), "1 2 3 1 2 3");
}

#[test]
fn leastconn_passes_over_the_full() {
    let limit = ServerLimits { maxconn: Some(1), ..ServerLimits::default() };
    let state = by(Balance::LeastConn, vec![Server { limits: limit, ..server(100) }, server(1)]);
    assert_eq!(stay(&state, 5), "1 2 2 2 2");
}

#[test]
fn first_fills_one_server_after_the_other() {
    let limit =
        |n| Server { limits: ServerLimits { maxconn: Some(n), ..ServerLimits::default() }, ..server(1) };
    let state = by(Balance::First, vec![limit(2), limit(1), limit(5)]);
    assert_eq!(stay(&state, 5), "1 1 2 3 3");
    drop(Lease::of(&state, ServerId(0)));
    assert_eq!(stay(&state, 2), "1 3");
}

/// The rounds of HAProxy 2.6.12's static map.
#[test]
fn static_round_robin_is_haproxys() {
    for (weights, order) in [
        (&[1u16, 1, 1][..], "1 2 3 1 2 3"),
        (&[10, 10], "1 2 1 2"),
        (&[2, 1], "1 1 2 1 1 2 1 1 2"),
        (&[3, 1], "1 1 1 2 1 1 1 2 1"),
        (&[1, 2, 3], "1 3 2 3 2 3 1 3 2 3 2 3"),
        (&[3, 5], "1 2 1 2 2 1 2 2 1 2 1 2 2 1 2 2"),
        (&[1], "1 1"),
    ] {
        assert_eq!(turns(&by(Balance::StaticRr, weighted(weights)), order.len().div_ceil(2)), order);
    }
}

#[test]
fn round_robin_shares_what_the_full_cannot_take() {
    let full = Server { limits: ServerLimits { maxconn: Some(1), ..ServerLimits::default() }, ..server(8) };
    let state = by(Balance::RoundRobin, vec![full, server(1), server(3)]);
    let wish = Wish { pinned: Some(ServerId(0)), ..Wish::default() };
    assert_eq!(assigned(&state, &wish), ServerId(0));
    let mut counts = [0u32; 3];
    for _ in 0..1200 {
        counts[pick(&state, None).unwrap().0 as usize] += 1;
    }
    assert_eq!(counts[0], 0);
    assert!((250..=400).contains(&counts[1]), "{counts:?}");
}

#[test]
fn random_draws_by_weight_and_prefers_the_less_loaded() {
    let draws = |n| Balance::Random(NonZeroU16::new(n).unwrap());
    let state = by(draws(1), weighted(&[1, 2, 5]));
    let mut counts = [0u32; 3];
    for _ in 0..80_000 {
        counts[pick(&state, None).unwrap().0 as usize] += 1;
    }
    for (had, share) in counts.into_iter().zip([10_000u32, 20_000, 50_000]) {
        assert!(had.abs_diff(share) < share / 20, "{counts:?}");
    }
    // With two draws the fullest of many stays close to the average: the power of two choices.
    let fullest = |n| {
        let state = by(draws(n), weighted(&[1; 64]));
        for _ in 0..6400 {
            assigned(&state, &Wish::default());
        }
        (0..64).map(|id| state.in_flight(ServerId(id))).max().unwrap()
    };
    assert!(fullest(1) > 115, "{}", fullest(1));
    assert!(fullest(2) < 110, "{}", fullest(2));
}

#[test]
fn a_key_stays_with_its_server() {
    for layout in [HashLayout::MapBased, HashLayout::Consistent] {
        let state = by(hashing(layout, None), weighted(&[1, 2, 3, 4]));
        let mut counts = [0u32; 4];
        for key in 0..10_000 {
            let id = assigned(&state, &keyed(key));
            counts[id.0 as usize] += 1;
            assert_eq!(assigned(&state, &keyed(key)), id);
        }
        for (had, weight) in counts.into_iter().zip(1..) {
            assert!(had.abs_diff(weight * 1000) < weight * 500, "{layout:?}: {counts:?}");
        }
        // Without a key: turns by weight.
        let mut turns = [0u32; 4];
        (0..1600).for_each(|_| turns[pick(&state, None).unwrap().0 as usize] += 1);
        assert_eq!(turns, [160, 320, 480, 640]);
    }
}

/// What a map cannot: of n servers, only the keys of the one that goes move, which are about one n-th.
#[test]
fn consistent_hashing_moves_only_the_keys_of_the_server_that_goes() {
    for servers in [2usize, 3, 10, 30] {
        let state = by(hashing(HashLayout::Consistent, None), weighted(&vec![10; servers]));
        let before: Vec<ServerId> = (0..10_000).map(|k| assigned(&state, &keyed(k))).collect();
        let gone = ServerId(1);
        state.set_up(gone, false);
        let after: Vec<ServerId> = (0..10_000).map(|k| assigned(&state, &keyed(k))).collect();
        let moved: Vec<_> = before.iter().zip(&after).filter(|(b, a)| b != a).collect();
        assert!(moved.iter().all(|(b, _)| **b == gone), "only those of the server that went");
        assert!(moved.len() < 2 * 10_000 / servers, "{} of {servers}", moved.len());
        state.set_up(gone, true);
        let back: Vec<ServerId> = (0..10_000).map(|k| assigned(&state, &keyed(k))).collect();
        assert_eq!(before, back);
    }
}

#[test]
fn another_server_is_found_for_a_key_whose_server_failed() {
    for layout in [HashLayout::MapBased, HashLayout::Consistent] {
        let state = by(hashing(layout, None), weighted(&[1, 1, 1]));
        for key in 0..100 {
            let first = assigned(&state, &keyed(key));
            let wish = Wish { avoid: Some(first), ..keyed(key) };
            assert_ne!(assigned(&state, &wish), first);
        }
    }
}

#[test]
fn a_key_waits_for_its_server() {
    let limit = ServerLimits { maxconn: Some(1), ..ServerLimits::default() };
    let servers = vec![Server { limits: limit, ..server(1) }, Server { limits: limit, ..server(1) }];
    let state = by(hashing(HashLayout::MapBased, None), servers);
    let id = assigned(&state, &keyed(1));
    let outcome = state.assign(BE, &keyed(1));
    assert!(matches!(outcome, Outcome::Full(wait) if wait.place() == Place::Server(id)), "{outcome:?}");
}

/// `hash_balance_factor`: even when every request has the same key nobody gets more than the factor allows.
#[test]
fn a_bounded_load_spills_over() {
    for factor in [101u16, 125, 200, 300] {
        let state = by(hashing(HashLayout::Consistent, Some(factor)), weighted(&[1; 10]));
        let mut leases = Vec::new();
        for total in 1..=1000u32 {
            leases.push(Lease::of(&state, assigned(&state, &keyed(7))));
            let fullest = (0..10).map(|id| state.in_flight(ServerId(id))).max().unwrap();
            let most = (total * u32::from(factor)).div_ceil(100).div_ceil(10);
            assert!(fullest <= most.max(1), "{fullest} of {total} with {factor}");
        }
        drop(leases);
        assert_eq!(state.backends[0].total.0.load(Ordering::Relaxed), 0);
    }
    let state = by(hashing(HashLayout::Consistent, None), weighted(&[1; 10]));
    let ids: Vec<_> = (0..100).map(|_| assigned(&state, &keyed(7))).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "without a factor it is one server's");
}

proptest! {
    /// Every static algorithm gives each server exactly its weight in every round.
    #[test]
    fn a_static_round_is_exact(weights in proptest::collection::vec(1u16..=256, 1..8)) {
        let state = by(Balance::StaticRr, weighted(&weights));
        let divisor = weights.iter().map(|&w| u64::from(w)).fold(0, gcd);
        let round: u64 = weights.iter().map(|&w| u64::from(w) / divisor).sum();
        for _ in 0..2 {
            let mut had = vec![0u64; weights.len()];
            for _ in 0..round {
                had[pick(&state, None).unwrap().0 as usize] += 1;
            }
            let shares: Vec<u64> = weights.iter().map(|&w| u64::from(w) / divisor).collect();
            prop_assert_eq!(had, shares);
        }
    }

    /// After any sequence of requests coming and going, the next request goes where it is least loaded.
    #[test]
    fn leastconn_never_chooses_the_more_loaded(
        weights in proptest::collection::vec(1u16..=20, 2..6),
        ends in proptest::collection::vec((any::<bool>(), any::<proptest::sample::Index>()), 1..120),
    ) {
        let state = by(Balance::LeastConn, weighted(&weights));
        let mut leases = Vec::new();
        for (end, which) in ends {
            if end && !leases.is_empty() {
                let at = which.index(leases.len());
                drop(leases.swap_remove(at));
                continue;
            }
            let load = |id: usize| {
                let running = u64::from(state.in_flight(ServerId(id as u32)));
                if running == 0 { (0, 1) } else { (running + 1, u64::from(weights[id])) }
            };
            let loads: Vec<_> = (0..weights.len()).map(load).collect();
            let id = assigned(&state, &Wish::default());
            leases.push(Lease::of(&state, id));
            let chosen = loads[id.0 as usize];
            prop_assert!(loads.iter().all(|l| chosen.0 * l.1 <= l.0 * chosen.1), "{id:?} of {loads:?}");
        }
    }
}
