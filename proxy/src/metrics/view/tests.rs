use std::sync::Arc;

use super::*;
use crate::balance::fixture::{check, plan_with, server};
use crate::health::{CheckStatus, Forced, Monitor};
use crate::metrics::row::Value;
use crate::plan::{AdminState, Script};
use crate::stats::Stats;

/// Two checked servers, a backup without checks, and what is known of them.
struct Bench {
    plan: Arc<Plan>,
    state: Arc<State>,
    monitor: Monitor,
    stats: Arc<Stats>,
    history: History,
    start: Instant,
}

impl Bench {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; there is no other way to make one"
    )]
    fn new() -> Self {
        let checked = || Server { check: Some(check(Script::default())), ..server(10) };
        let spare = Server { backup: true, ..server(1) };
        let plan = Arc::new(plan_with(vec![checked(), checked(), spare], |b| b.fullconn = 5));
        let state = Arc::new(State::new(&plan));
        let start = Instant::now();
        let monitor = Monitor::new(Arc::clone(&plan), Arc::clone(&state), start, 1, None);
        let stats = Arc::new(Stats::with_times(&plan, 1));
        Self { plan, state, monitor, stats, history: History::default(), start }
    }

    fn rows(&self, after: u64, wanted: &Wanted) -> Vec<Row> {
        let (servers, backends) = (self.monitor.report(), self.monitor.backend_records());
        let snapshot = self.stats.snapshot();
        let doors = [Door { now: 1, peak: 3, most: 50, paused: false }];
        let sources = Sources {
            plan: &self.plan,
            state: &self.state,
            snapshot: &snapshot,
            history: &self.history,
            servers: &servers,
            backends: &backends,
            doors: &doors,
            now: self.start + Duration::from_secs(after),
        };
        sources.rows(wanted)
    }

    fn check(&mut self, id: u32, status: CheckStatus) {
        let now = self.start + Duration::from_secs(10);
        while let Some(job) = self.monitor.poll_check(now) {
            let result = if job.server.0 == id { status } else { CheckStatus::L4Ok };
            self.monitor.handle_result(now, job.server, CheckResult::new(result));
        }
    }
}

fn names(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .map(|r| format!("{} {}/{} {}", r.text(Column::Svname), r.iid, r.sid, r.text(Column::Status)))
        .collect()
}

#[test]
fn rows_are_those_of_haproxy_in_its_order() {
    let bench = Bench::new();
    let all = names(&bench.rows(0, &Wanted::ALL));
    assert_eq!(
        all,
        ["FRONTEND 2/0 OPEN", "s1 3/1 UP 1/3", "s2 3/2 UP 1/3", "s3 3/3 no check", "BACKEND 3/0 UP"]
    );
    let some = |iid, kinds, sid| names(&bench.rows(0, &Wanted { iid, kinds, sid, ..Wanted::ALL }));
    assert_eq!(some(None, 1, None), ["FRONTEND 2/0 OPEN"]);
    assert_eq!(some(Some(3), 6, Some(2)), ["s2 3/2 UP 1/3", "BACKEND 3/0 UP"]);
    assert_eq!(some(Some(9), 7, None), [""; 0]);
}

#[test]
fn a_server_says_how_it_is_and_how_long_it_was_not() {
    let mut bench = Bench::new();
    bench.check(0, CheckStatus::L4Connection);
    let rows = bench.rows(14, &Wanted::ALL);
    let (one, other) = (&rows[1], &rows[2]);
    assert_eq!((one.text(Column::Status), other.text(Column::Status)), ("DOWN".into(), "UP".into()));
    for (column, value) in [
        (Column::CheckStatus, "L4CON"),
        (Column::CheckDesc, "Layer4 connection problem"),
        (Column::CheckHealth, "0"),
        (Column::Chkfail, "1"),
        (Column::Chkdown, "1"),
        (Column::Downtime, "4"),
        (Column::Lastchg, "4"),
        (Column::Lastsess, "-1"),
        (Column::Weight, "10"),
        (Column::Addr, "127.0.0.1:1"),
        (Column::CheckCode, ""),
    ] {
        assert_eq!(one.text(column), value, "{column:?}");
    }
    let backend = rows.last().unwrap();
    assert_eq!((backend.text(Column::Act), backend.text(Column::Bck)), ("1".into(), "1".into()));
    assert_eq!((backend.text(Column::Weight), backend.text(Column::Downtime)), ("10".into(), "0".into()));
    let states: Vec<_> = backend.servers.iter().filter(|(_, n)| *n > 0).copied().collect();
    assert_eq!(states, [("DOWN", 1), ("UP", 2)]);
    let up = names(&bench.rows(14, &Wanted { up: true, ..Wanted::ALL }));
    assert_eq!(up, ["FRONTEND 2/0 OPEN", "s2 3/2 UP", "s3 3/3 no check", "BACKEND 3/0 UP (2/3)"]);
}

#[test]
fn operators_wishes_show() {
    let mut bench = Bench::new();
    bench.check(9, CheckStatus::L4Ok);
    bench.monitor.handle_admin(bench.start, ServerId(0), AdminState::Drain);
    bench.monitor.handle_admin(bench.start, ServerId(1), AdminState::Maint);
    assert!(bench.monitor.handle_forced(bench.start, ServerId(2), Forced::Down));
    let rows = bench.rows(0, &Wanted::ALL);
    assert_eq!(
        names(&rows)[1..],
        ["s1 3/1 DRAIN", "s2 3/2 MAINT", "s3 3/3 DOWN", "BACKEND 3/0 DOWN"].map(str::to_owned)
    );
    assert_eq!((rows[1].text(Column::Weight), rows[1].text(Column::Uweight)), ("10".into(), "10".into()));
    assert_eq!(rows[2].value(Column::CheckStatus), None, "nobody checks it");
    assert!(bench.monitor.handle_forced(bench.start, ServerId(2), Forced::Up));
    let no_maint = names(&bench.rows(0, &Wanted { no_maint: true, ..Wanted::ALL }));
    assert_eq!(no_maint[1..], ["s1 3/1 DRAIN", "s3 3/3 no check", "BACKEND 3/0 UP (2/3)"].map(str::to_owned));
}

#[test]
fn what_was_counted_is_in_its_column() {
    let mut bench = Bench::new();
    let recorder = bench.stats.recorder().unwrap();
    bench.history.tick(bench.start, bench.stats.snapshot());
    let server = recorder.server(ServerId(1));
    server.requests.add(4);
    server.pinned.add(1);
    server.bytes_out.add(99);
    server.response(200);
    let (frontend, times) = recorder.times(crate::plan::FrontendId(0), Some(ServerId(1))).unwrap();
    for times in [Some(frontend), times].into_iter().flatten() {
        times.note(Spans { response: 7_400, total: 9_000, ..Spans::default() });
    }
    bench.history.tick(bench.start + Duration::from_secs(1), bench.stats.snapshot());
    let rows = bench.rows(3, &Wanted::ALL);
    let (server, backend) = (&rows[2], &rows[4]);
    for (column, value) in [
        (Column::Stot, Value::U64(4)),
        (Column::Lbtot, Value::U64(3)),
        (Column::Bout, Value::U64(99)),
        (Column::Hrsp2xx, Value::U64(1)),
        (Column::Rate, Value::U32(4)),
        (Column::Rtime, Value::U32(7)),
        (Column::TtimeMax, Value::U32(9)),
        (Column::Lastsess, Value::S32(2)),
    ] {
        assert_eq!(server.value(column), Some(&value), "{column:?}");
    }
    assert_eq!(backend.value(Column::Rtime), Some(&Value::U32(7)));
    assert_eq!(backend.value(Column::Lbtot), Some(&Value::U64(3)));
    let frontend = &rows[0];
    for (column, value) in [(Column::Scur, 1), (Column::Smax, 3), (Column::Slim, 50)] {
        assert_eq!(frontend.value(column), Some(&Value::U32(value)), "{column:?}");
    }
}
