//! What was counted elsewhere: by a worker that was replaced, and by one that still finishes its connections. By name,
//! because a configuration may number things otherwise than the one before.

use std::collections::BTreeMap;

use super::{Snapshot, Stats, TimesTotals, Totals};
use crate::plan::{Plan, ServerId};

/// Totals of a process by name. The present is not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Of the process.
    pub process: Totals,
    /// Of its frontends.
    pub frontends: Vec<Named>,
    /// Of its backends.
    pub backends: Vec<Named>,
    /// Of its servers, `backend/server`.
    pub servers: Vec<Named>,
}

/// What one of them has counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// What it has counted.
    pub totals: Totals,
    /// How long its requests took, if anybody wanted to know.
    pub times: Option<TimesTotals>,
}

impl Counted {
    /// Whether nothing has been counted.
    pub fn is_nothing(&self) -> bool {
        let past = Totals { peak: 0, ..self.process };
        past == Totals::default()
            && [&self.backends, &self.servers].into_iter().flatten().all(|named| {
                let past = Totals { peak: 0, ..named.totals };
                past == Totals::default()
            })
    }

    /// What has been added since `earlier`, by the same process.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.process = self.process.since(&earlier.process);
        let lists = [
            (&mut self.frontends, &earlier.frontends),
            (&mut self.backends, &earlier.backends),
            (&mut self.servers, &earlier.servers),
        ];
        for (now, before) in lists {
            for (now, before) in now.iter_mut().zip(before) {
                now.totals = now.totals.since(&before.totals);
                now.times = now.times.zip(before.times).map(|(now, before)| now.since(&before));
            }
        }
        self
    }
}

impl Stats {
    /// Everything that has been counted, here and before.
    pub fn counted(&self, plan: &Plan) -> Counted {
        let snapshot = self.snapshot();
        let [frontends, backends, servers] = names(plan);
        Counted {
            process: snapshot.process.past(),
            frontends: named(frontends, &snapshot.frontends, &snapshot.frontend_times),
            backends: named(backends, &snapshot.backends, &[]),
            servers: named(servers, &snapshot.servers, &snapshot.server_times),
        }
    }

    /// Adds what was counted elsewhere. What the plan does not have any more counts for the process only.
    pub fn carry(&self, plan: &Plan, counted: &Counted) {
        let mut carried = self.carried();
        carried.process.carry(&counted.process);
        let Snapshot { frontends, backends, servers, frontend_times, server_times, .. } = &mut *carried;
        let [of_frontends, of_backends, of_servers] = names(plan);
        add(&counted.frontends, of_frontends, frontends, frontend_times);
        add(&counted.backends, of_backends, backends, &mut Vec::new());
        add(&counted.servers, of_servers, servers, server_times);
    }
}

/// Of frontends, backends and servers, in the order of their numbers.
fn names(plan: &Plan) -> [Vec<String>; 3] {
    let servers = u32::try_from(plan.servers().len()).unwrap_or(u32::MAX);
    [
        plan.frontends().iter().map(|f| f.name.clone()).collect(),
        plan.backends().iter().map(|b| b.name.clone()).collect(),
        (0..servers).map(|id| plan.name_of(ServerId(id))).collect(),
    ]
}

fn named(names: Vec<String>, totals: &[Totals], times: &[TimesTotals]) -> Vec<Named> {
    let times = times.iter().copied().map(Some).chain(std::iter::repeat(None));
    let all = names.into_iter().zip(totals).zip(times);
    all.map(|((name, totals), times)| Named { name, totals: totals.past(), times }).collect()
}

fn add(all: &[Named], names: Vec<String>, totals: &mut Vec<Totals>, times: &mut Vec<TimesTotals>) {
    totals.resize(names.len(), Totals::default());
    times.resize(names.len(), TimesTotals::default());
    let places: BTreeMap<String, usize> = names.into_iter().zip(0..).collect();
    for named in all {
        let Some(at) = places.get(&named.name).copied() else { continue };
        if let Some(to) = totals.get_mut(at) {
            to.carry(&named.totals);
        }
        if let (Some(to), Some(from)) = (times.get_mut(at), &named.times) {
            *to = to.and(from);
        }
    }
}

/// Adds what was counted before to what is counted here.
pub(super) fn add_carried(snapshot: &mut Snapshot, carried: &Snapshot) {
    snapshot.process.carry(&carried.process);
    let lists = [
        (&mut snapshot.frontends, &carried.frontends),
        (&mut snapshot.backends, &carried.backends),
        (&mut snapshot.servers, &carried.servers),
    ];
    for (now, before) in lists {
        now.iter_mut().zip(before).for_each(|(now, before)| now.carry(before));
    }
    let times = [
        (&mut snapshot.frontend_times, &carried.frontend_times),
        (&mut snapshot.server_times, &carried.server_times),
    ];
    for (now, before) in times {
        now.iter_mut().zip(before).for_each(|(now, before)| *now = now.and(before));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::balance::fixture::{plan, server};
    use crate::plan::{BackendId, FrontendId};
    use crate::stats::Spans;

    #[test]
    fn what_was_counted_goes_on_under_its_name() {
        let one = |name: &str| crate::plan::Server { name: name.into(), ..server(1) };
        let before = plan(vec![one("s1"), one("s2")]);
        let counting = Arc::new(Stats::with_times(&before, 1));
        let recorder = counting.recorder().unwrap();
        recorder.server(ServerId(1)).requests.add(3);
        recorder.server(ServerId(1)).response(200);
        recorder.backend(BackendId(0)).bytes_in.add(7);
        let held = recorder.frontend(FrontendId(0)).current.hold();
        recorder.frontend(FrontendId(0)).requests.add(3);
        let (of_frontend, of_server) = recorder.times(FrontendId(0), Some(ServerId(1))).unwrap();
        let spans = Spans { total: 2000, ..Spans::default() };
        of_frontend.note(spans);
        of_server.unwrap().note(spans);
        let counted = counting.counted(&before);
        assert_eq!((counted.process.requests, counted.process.current), (3, 0), "the present is not carried");

        // One server is gone, and the other one has its number.
        let after = plan(vec![one("s2")]);
        let stats = Stats::with_times(&after, 1);
        stats.carry(&after, &counted);
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.servers[0].requests, snapshot.servers[0].responses[1]), (3, 1));
        assert_eq!((snapshot.process.requests, snapshot.backends[0].bytes_in), (3, 7));
        assert_eq!((snapshot.server_times[0].count(), snapshot.frontend_times[0].sum.total), (1, 2000));
        assert_eq!(stats.counted(&after).process, counted.process, "and so on");

        // What the one before counts until its end.
        drop(held);
        recorder.server(ServerId(1)).requests.add(2);
        recorder.frontend(FrontendId(0)).requests.add(2);
        stats.carry(&after, &counting.counted(&before).since(&counted));
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.servers[0].requests, snapshot.process.requests), (5, 5));
        assert_eq!(snapshot.server_times[0].count(), 1);
    }

    #[test]
    fn numbers_have_names() {
        let names: Vec<&str> = Totals::names().collect();
        let mut totals = Totals::default();
        for (number, name) in (1..).zip(&names) {
            totals.set(name, number);
        }
        totals.set("of a later version", 7);
        let numbers: Vec<u64> = (1..).take(names.len()).collect();
        assert_eq!(totals.numbers().collect::<Vec<_>>(), numbers);
        assert_eq!((totals.connections, totals.responses[0] + 6, totals.current), (1, totals.peak, 0));
        let times = TimesTotals { sum: Spans { queue: 1, ..Spans::default() }, ..TimesTotals::default() };
        assert_eq!(TimesTotals::of_numbers(&times.numbers()), Some(times));
        assert_eq!(TimesTotals::of_numbers(&[1, 2]), None);
    }
}
