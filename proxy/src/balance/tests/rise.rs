use std::time::{Duration, Instant};

use super::*;
use crate::plan::{Balance, ServerLimits};

#[expect(clippy::disallowed_methods, reason = "there is no other way to come by an instant")]
fn start() -> Instant {
    Instant::now()
}

const TEN: Duration = Duration::from_secs(10);

fn slow(maxconn: Option<u32>) -> Server {
    Server {
        limits: ServerLimits { slowstart: Some(TEN), maxconn, ..ServerLimits::default() },
        ..server(100)
    }
}

/// Of 1600 requests, those that the first server gets.
fn share(state: &State) -> usize {
    (0..1600).filter(|_| pick(state, None) == Some(ServerId(0))).count()
}

#[test]
fn a_server_that_comes_back_takes_its_share_by_degrees() {
    let start = start();
    let at = |tenths: u64| start + Duration::from_millis(tenths * 1000);
    for balance in [Balance::RoundRobin, Balance::Random(std::num::NonZeroU16::MIN)] {
        let exact = balance == Balance::RoundRobin;
        let state = State::new(&plan_with(vec![slow(None), server(100)], |b| b.balance = balance));
        state.advance(start);
        assert!(share(&state).abs_diff(800) < 100, "never when the process starts");
        state.set_up(ServerId(0), false);
        assert_eq!(share(&state), 0);
        state.set_up(ServerId(0), true);
        for (time, sixteenths, throttle) in
            [(0, 1, Some(0)), (1, 2, Some(10)), (5, 8, Some(50)), (9, 15, Some(90)), (10, 16, None)]
        {
            state.advance(at(time));
            let expected = 1600 * sixteenths / (sixteenths + 16);
            let had = share(&state);
            assert!(had.abs_diff(expected) <= if exact { 1 } else { 100 }, "{time} s: {had}, not {expected}");
            assert_eq!(state.server(ServerId(0)).unwrap().throttle, throttle, "{time} s");
        }
        state.advance(at(20));
        assert!(share(&state).abs_diff(800) < 100);
    }
}

#[test]
fn limits_rise_too_and_a_relapse_starts_over() {
    let start = start();
    let state = State::new(&plan(vec![slow(Some(40)), server(100)]));
    let most = |state: &State| {
        let pinned = Wish { pinned: Some(ServerId(0)), ..Wish::default() };
        let mut held = Vec::new();
        while let Outcome::Assigned(id) = state.assign(BE, &pinned) {
            held.push(id);
        }
        let leases: Vec<_> = held.into_iter().map(|id| Lease::of(state, id)).collect();
        leases.len()
    };
    assert_eq!(most(&state), 40);
    for time in [0, 100] {
        state.set_admin(ServerId(0), AdminState::Maint);
        state.set_admin(ServerId(0), AdminState::Ready);
        assert_eq!(most(&state), 1);
        state.advance(start + Duration::from_secs(time));
        state.advance(start + Duration::from_secs(time + 5));
        assert_eq!(most(&state), 20);
    }
    state.set_admin(ServerId(0), AdminState::Drain);
    state.set_admin(ServerId(0), AdminState::Ready);
    assert_eq!(most(&state), 20, "a drain is no absence");
    state.advance(start + Duration::from_secs(111));
    assert_eq!(most(&state), 40);
    assert_eq!(state.rising.load(Ordering::Relaxed), 0);
}

#[test]
fn algorithms_with_a_table_know_no_slow_start() {
    let state = State::new(&plan_with(vec![slow(None), server(100)], |b| b.balance = Balance::StaticRr));
    state.set_up(ServerId(0), false);
    state.set_up(ServerId(0), true);
    assert_eq!(share(&state), 800);
}
