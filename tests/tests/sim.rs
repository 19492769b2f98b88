//! The pair in a simulated world: see `evenkeel_tests::sim` for what is checked and how.
//!
//! `EVENKEEL_SIM_SCHEDULES` sets how many schedules are run (100,000), `EVENKEEL_SIM_FIRST` the first seed (1), and
//! `EVENKEEL_SIM_SEED` runs and tells exactly one.

use std::collections::BTreeMap;
use std::time::Instant;

use evenkeel_tests::sim::campaign::{self, Report};

#[test]
fn invariants_hold_in_every_schedule() {
    let origin = Instant::now();
    if let Some(seed) = number("EVENKEEL_SIM_SEED") {
        let (told, result) = campaign::account(seed, origin);
        println!("{told}");
        assert_eq!(result, Ok(()), "seed {seed}");
        return;
    }
    for seed in campaign::regressions() {
        judge(&campaign::run_all(seed, 1, origin), origin);
    }
    let first = number("EVENKEEL_SIM_FIRST").unwrap_or(1);
    let count = number("EVENKEEL_SIM_SCHEDULES").unwrap_or(100_000);
    let report = campaign::run_all(first, count, origin);
    println!("{} schedules in {:?}: {:?}", report.schedules, origin.elapsed(), report.work);
    println!("most events: {} in seed {}", report.longest.0, report.longest.1);
    judge(&report, origin);
    assert_eq!(report.schedules, count);
    // A world in which nothing happens breaks nothing.
    let (faults, transitions) = (report.work.faults / count.max(1), report.work.transitions / count.max(1));
    assert!(count < 1_000 || (faults >= 3 && transitions >= 5), "{faults} faults, {transitions} transitions");
}

/// Equal seeds are equal schedules, on any machine and at any time.
#[test]
fn a_seed_is_a_schedule() {
    let origin = Instant::now();
    for seed in [1, 2, 3, 395] {
        let (first, _) = campaign::account(seed, origin);
        let (again, _) = campaign::account(seed, Instant::now());
        assert!(first.lines().count() > 20);
        assert_eq!(first, again, "seed {seed}");
    }
}

/// Tells the first failure in full, and how many there are of each kind.
fn judge(report: &Report, origin: Instant) {
    let mut kinds: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (seed, violation) in &report.failures {
        kinds.entry(violation.invariant).or_default().push(*seed);
    }
    for (kind, seeds) in &kinds {
        println!("{kind}: {seeds:?}\n    {}", report.failures[&seeds[0]].detail);
    }
    if let Some((seed, violation)) = report.failures.first_key_value() {
        let (told, _) = campaign::account(*seed, origin);
        println!("{told}");
        assert_eq!(None, Some(violation), "seed {seed}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
