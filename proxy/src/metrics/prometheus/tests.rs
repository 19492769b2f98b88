use super::*;
use crate::metrics::History;
use crate::metrics::info::Process;
use crate::stats::{Spans, Totals};

fn backend_row() -> Row {
    let mut row = Row::new(Kind::Backend, 3, 0);
    row.set(Column::Pxname, "b\"e");
    row.set(Column::Status, "UP");
    row.set(Column::Stot, 7_u64);
    row.set(Column::Rtime, 1_250);
    row.set(Column::Hrsp1xx, 0_u64);
    row.set(Column::Hrsp2xx, 5_u64);
    row
}

#[test]
fn a_family_has_one_head_and_a_line_for_each() {
    let mut out = String::new();
    rows(&mut out, &[backend_row()], Scope::ALL);
    let family =
        |name: &str| -> Vec<String> { out.lines().filter(|l| l.contains(name)).map(str::to_owned).collect() };
    assert_eq!(
        family("haproxy_backend_status"),
        [
            "# HELP haproxy_backend_status Present state: 1 for the one that holds",
            "# TYPE haproxy_backend_status gauge",
            "haproxy_backend_status{proxy=\"b\\\"e\",state=\"DOWN\"} 0",
            "haproxy_backend_status{proxy=\"b\\\"e\",state=\"UP\"} 1",
        ]
    );
    assert_eq!(
        family("http_responses_total")[1..],
        [
            "# TYPE haproxy_backend_http_responses_total counter",
            "haproxy_backend_http_responses_total{proxy=\"b\\\"e\",code=\"1xx\"} 0",
            "haproxy_backend_http_responses_total{proxy=\"b\\\"e\",code=\"2xx\"} 5",
        ]
        .map(str::to_owned)
    );
    assert_eq!(
        family("response_time_average").last().unwrap(),
        "haproxy_backend_response_time_average_seconds{proxy=\"b\\\"e\"} 1.25"
    );
    assert!(family("current_queue").is_empty(), "nobody has a value");
}

#[test]
fn a_limit_that_is_none_is_not_a_number() {
    let mut row = Row::new(Kind::Server, 3, 1);
    row.set(Column::Pxname, "be");
    row.set(Column::Svname, "s1");
    row.set(Column::Status, "UP 2/3");
    let mut out = String::new();
    rows(&mut out, &[row], Scope::ALL);
    assert!(out.contains("haproxy_server_limit_sessions{proxy=\"be\",server=\"s1\"} NaN\n"), "{out}");
    assert!(out.contains("haproxy_server_status{proxy=\"be\",server=\"s1\",state=\"UP\"} 1\n"), "{out}");
}

#[test]
fn scopes_add_up() {
    let of = |query| Scope::of_query(query);
    assert_eq!(of(""), Ok(Scope::ALL));
    let two = of("scope=frontend&scope=server").unwrap();
    assert!(two.frontend && two.server && !two.backend && !two.global && !two.own);
    assert_eq!(of("scope=*"), Ok(Scope::ALL));
    assert!(!of("no-maint").unwrap().maint);
    assert_eq!(of("scope=nothing"), Err(UnknownScope));
    assert!(of("a=b&metrics=x").unwrap().global);
}

#[test]
fn quantiles_can_be_read_from_histograms() {
    let plan = crate::balance::fixture::plan(vec![crate::balance::fixture::server(1)]);
    let mut times =
        TimesTotals { sum: Spans { total: 1_500_000, ..Spans::default() }, ..TimesTotals::default() };
    times.buckets[3] = 90;
    times.buckets[12] = 10;
    let snapshot = Snapshot { frontend_times: vec![times], server_times: vec![times], ..Snapshot::default() };
    let mut out = String::new();
    super::times(&mut out, &plan, &snapshot);
    for line in [
        "# TYPE evenkeel_frontend_request_duration_seconds histogram",
        "evenkeel_frontend_request_duration_seconds_bucket{proxy=\"fe\",le=\"0.0005\"} 0",
        "evenkeel_frontend_request_duration_seconds_bucket{proxy=\"fe\",le=\"0.001\"} 90",
        "evenkeel_server_request_duration_seconds_bucket{proxy=\"be\",server=\"s1\",le=\"1\"} 100",
        "evenkeel_server_request_duration_seconds_bucket{proxy=\"be\",server=\"s1\",le=\"+Inf\"} 100",
        "evenkeel_server_request_duration_seconds_sum{proxy=\"be\",server=\"s1\"} 1.5",
        "evenkeel_server_request_duration_seconds_count{proxy=\"be\",server=\"s1\"} 100",
    ] {
        assert!(out.lines().any(|l| l == line), "{line}\n{out}");
    }
}

#[test]
fn the_process_says_its_version_in_a_label() {
    let process = Process { version: "1.2".into(), ..Process::default() };
    let info = Info::new(&process, &Totals::default(), History::default().process());
    let mut out = String::new();
    super::process(&mut out, &info);
    assert!(out.contains("haproxy_process_build_info{version=\"1.2\"} 1\n"), "{out}");
    assert!(
        out.contains("# TYPE haproxy_process_requests_total counter\nhaproxy_process_requests_total 0\n"),
        "{out}"
    );
}

/// Every family of HAProxy 2.8 is there with its type, or the documentation says why not. Recorded from it: name, type,
/// labels.
#[test]
fn families_are_haproxys() {
    let documentation = include_str!("../../../../docs/metrics.md");
    let out = everything();
    let heads: std::collections::BTreeMap<&str, &str> =
        out.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    for line in include_str!("haproxy-2.8.txt").lines() {
        let mut words = line.split(' ');
        let [name, kind] = [(); 2].map(|()| words.next().unwrap());
        let labels = words.next().unwrap_or_default().trim_matches(['{', '}']);
        if documentation.contains(&format!("| `{name}` |")) {
            assert_eq!(heads.get(name), None, "{name} is there and said to be missing");
            continue;
        }
        assert_eq!(heads.get(name).copied(), Some(kind), "{name}");
        let series =
            out.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        let series = series.unwrap_or_else(|| panic!("{name} has no series"));
        for label in labels.split(',').filter(|l| !l.is_empty()) {
            assert!(series.contains(&format!("{label}=\"")), "{name} has no label {label}: {series}");
        }
    }
    let recorded = include_str!("haproxy-2.8.txt");
    let unknown: Vec<_> = heads.keys().filter(|n| !recorded.contains(&format!("{n} "))).collect();
    assert!(unknown.is_empty(), "HAProxy has no {unknown:?}");
}

/// The format as Prometheus reads it: every series belongs to the family before it, and has a number.
#[test]
fn every_line_is_one_that_prometheus_reads() {
    let out = everything();
    let mut family = "";
    for line in out.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            family = head.split(' ').next().unwrap();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        assert_eq!(name, family, "{line}");
        assert!(value == "NaN" || value.parse::<f64>().is_ok(), "{line}");
        assert!(!series.contains('{') || series.ends_with("\"}"), "{line}");
    }
}

/// All families, with a value in every column that can have one.
fn everything() -> String {
    let info = Info::new(&Process::default(), &Totals::default(), History::default().process());
    let all = [Kind::Frontend, Kind::Backend, Kind::Server].map(|kind| {
        let mut row = Row::new(kind, 2, 1);
        row.set(Column::Pxname, "p");
        row.set(Column::Svname, "s");
        for column in COLUMNS {
            let Some(series) = column.field().series.filter(|s| s.is_of(kind)) else { continue };
            if series.kind == SeriesKind::States { row.set(column, "UP") } else { row.set(column, 1) }
        }
        row.servers = vec![("UP", 1)];
        row.checks = vec![("L4OK", 1)];
        row
    });
    let mut out = String::new();
    process(&mut out, &info);
    rows(&mut out, &all, Scope::ALL);
    out
}
