//! Many schedules on all cores, and one schedule told in full.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

pub use super::check::Violation;
use super::schedule::Schedule;
use super::trace::Trace;
pub use super::world::Work;
use super::world::World;

/// What many schedules came to.
#[derive(Debug, Default)]
pub struct Report {
    /// How many were run.
    pub schedules: u64,
    /// Everything they did, together.
    pub work: Work,
    /// The most events of one schedule, and its seed.
    pub longest: (u64, u64),
    /// Seeds that broke an invariant, in order.
    pub failures: BTreeMap<u64, Violation>,
}

/// Runs one schedule.
///
/// # Errors
/// The first broken invariant.
pub fn run(seed: u64, origin: Instant) -> (Work, Result<(), Violation>) {
    let plan = Schedule::new(seed);
    let mut world = World::new(&plan, origin, Trace::default());
    let result = world.run();
    (world.work, result)
}

/// Runs one schedule and tells everything that happens in it.
pub fn account(seed: u64, origin: Instant) -> (String, Result<(), Violation>) {
    let plan = Schedule::new(seed);
    let mut world = World::new(&plan, origin, Trace::kept());
    let result = world.run();
    let mut told = plan.to_string();
    for line in world.trace.lines() {
        told.push_str(line);
        told.push('\n');
    }
    if let Err(v) = &result {
        let _ = writeln!(told, "{:>13.6} ms  BROKEN: {}: {}", world.now as f64 / 1e6, v.invariant, v.detail);
    }
    (told, result)
}

/// Seeds that once broke an invariant.
pub fn regressions() -> Vec<u64> {
    let seed = |line: &str| line.split_whitespace().next()?.parse().ok();
    include_str!("regressions.txt").lines().filter_map(seed).collect()
}

/// Runs the schedules of these seeds on all cores; gives up after [`ENOUGH`] failures.
pub fn run_all(first: u64, count: u64, origin: Instant) -> Report {
    let next = AtomicU64::new(0);
    let failed = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Report::default();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= count || failed.load(Ordering::Relaxed) >= ENOUGH {
                        break;
                    }
                    if mine.one(first.wrapping_add(i), origin).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                report.lock().unwrap().merge(mine);
            });
        }
    });
    report.into_inner().unwrap()
}

impl Report {
    fn one(&mut self, seed: u64, origin: Instant) -> Result<(), ()> {
        let (work, result) = run(seed, origin);
        self.schedules += 1;
        self.work.add(&work);
        self.longest = self.longest.max((work.events, seed));
        result.map_err(|violation| {
            self.failures.insert(seed, violation);
        })
    }

    fn merge(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.work.add(&other.work);
        self.longest = self.longest.max(other.longest);
        self.failures.extend(other.failures);
    }
}

/// Failures after which more would teach nothing.
pub const ENOUGH: usize = 40;
