//! Prometheus text, version 0.0.4, with HAProxy's names, labels and types, and some of our own beside them.

use std::borrow::Cow;
use std::fmt::Display;

use super::field::{COLUMNS, Column, Series, SeriesKind};
use super::info::Info;
use super::row::{Kind, Row, Value};
use super::text::put;
use super::view::CHECK_RESULTS;
use crate::plan::Plan;
use crate::stats::{BOUNDS, Snapshot, TimesTotals};

/// Which families are wanted (HAProxy: `?scope=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Of the process.
    pub global: bool,
    /// Of frontends.
    pub frontend: bool,
    /// Of backends.
    pub backend: bool,
    /// Of servers.
    pub server: bool,
    /// Servers that are out of service too.
    pub maint: bool,
    /// What HAProxy has not: times, and what the caller adds.
    pub own: bool,
}

/// There is no scope of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such scope")]
pub struct UnknownScope;

impl Scope {
    /// Everything.
    pub const ALL: Self =
        Self { global: true, frontend: true, backend: true, server: true, maint: true, own: true };

    const NONE: Self =
        Self { global: false, frontend: false, backend: false, server: false, maint: true, own: false };

    /// What the query of a request asks for: `scope=` any number of times, `no-maint`. Without a scope, everything.
    ///
    /// # Errors
    /// A scope there is none of.
    pub fn of_query(query: &str) -> Result<Self, UnknownScope> {
        let (mut asked, mut maint) = (None, true);
        for word in query.split('&') {
            match word.split_once('=') {
                Some(("scope", name)) => {
                    let scope = asked.get_or_insert(Self::NONE);
                    match name {
                        "global" | "process" => scope.global = true,
                        "frontend" => scope.frontend = true,
                        "backend" => scope.backend = true,
                        "server" => scope.server = true,
                        "evenkeel" => scope.own = true,
                        // There are none of these.
                        "listener" | "sticktable" => {}
                        "*" => *scope = Self::ALL,
                        // Takes back what came before.
                        "" => *scope = Self::NONE,
                        _ => return Err(UnknownScope),
                    }
                }
                None if word == "no-maint" => maint = false,
                _ => {}
            }
        }
        Ok(Self { maint, ..asked.unwrap_or(Self::ALL) })
    }

    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Frontend => self.frontend,
            Kind::Listener => false,
            Kind::Server => self.server,
            Kind::Backend => self.backend,
        }
    }
}

/// The series of the process.
pub fn process(out: &mut String, info: &Info) {
    for (_, item, value) in info.filled() {
        let Some((name, kind, help)) = item.series else { continue };
        let name = format!("haproxy_process_{name}");
        head(out, &name, kind.as_str(), help);
        match value {
            Value::Text(version) => put(out, format_args!("{name}{{version=\"{}\"}} 1\n", label(version))),
            number @ (Value::U32(_) | Value::U64(_) | Value::S32(_)) => {
                put(out, format_args!("{name} {number}\n"))
            }
        }
    }
}

/// The series of frontends, backends and servers.
pub fn rows(out: &mut String, rows: &[Row], scope: Scope) {
    for kind in [Kind::Frontend, Kind::Backend, Kind::Server].into_iter().filter(|kind| scope.has(*kind)) {
        let is_in = |row: &&Row| row.kind == kind && (scope.maint || !is_resting(row));
        let own: Vec<&Row> = rows.iter().filter(is_in).collect();
        if own.is_empty() {
            continue;
        }
        let mut last = "";
        for column in COLUMNS {
            let Some(series) = column.field().series.filter(|s| s.is_of(kind)) else { continue };
            if own.iter().all(|row| value(row, column).is_none() && !has_always(series.kind, kind, column)) {
                continue;
            }
            let name = format!("haproxy_{}_{}", kind.word(), series.name);
            if series.name != last {
                head(out, &name, series.kind.as_str(), series.help);
                last = series.name;
            }
            own.iter().for_each(|row| one(out, &name, &series, row, column));
        }
    }
}

/// The value of a column. A check without a code has 0 for one.
fn value(row: &Row, column: Column) -> Option<Cow<'_, Value>> {
    let has_check = column == Column::CheckCode && row.value(Column::CheckStatus).is_some();
    row.value(column).map(Cow::Borrowed).or_else(|| has_check.then_some(Cow::Owned(Value::U32(0))))
}

fn is_resting(row: &Row) -> bool {
    row.kind == Kind::Server && row.text(Column::Status).starts_with("MAINT")
}

/// What is there even if no row has a value: a limit that is none is not a number.
fn has_always(kind: SeriesKind, of: Kind, column: Column) -> bool {
    of == Kind::Server
        && kind == SeriesKind::Gauge
        && matches!(column, Column::Slim | Column::Qlimit | Column::Throttle | Column::SrcIlim)
}

fn one(out: &mut String, name: &str, series: &Series, row: &Row, column: Column) {
    let Some(value) = value(row, column) else {
        if has_always(series.kind, row.kind, column) {
            line(out, name, row, None, "NaN");
        }
        return;
    };
    match series.kind {
        SeriesKind::Gauge | SeriesKind::Counter => line(out, name, row, None, value),
        SeriesKind::Millis => line(out, name, row, None, Seconds(value.number().unwrap_or(0) * 1000)),
        SeriesKind::Classes(class) => line(out, name, row, Some(("code", class)), value),
        SeriesKind::States => {
            let text = row.text(column);
            for state in states(row.kind, column) {
                line(out, name, row, Some(("state", state)), u8::from(holds(&text, state)));
            }
        }
        SeriesKind::ServerStates => counts(out, name, row, &row.servers),
        SeriesKind::CheckStates => counts(out, name, row, &row.checks),
    }
}

fn counts(out: &mut String, name: &str, row: &Row, counts: &[(&str, u32)]) {
    counts.iter().for_each(|(state, count)| line(out, name, row, Some(("state", state)), count));
}

fn states(kind: Kind, column: Column) -> &'static [&'static str] {
    match (column, kind) {
        (Column::CheckStatus, _) => &CHECK_RESULTS,
        (_, Kind::Server) => &["DOWN", "UP", "MAINT", "DRAIN", "NOLB"],
        (_, Kind::Frontend | Kind::Backend | Kind::Listener) => &["DOWN", "UP"],
    }
}

/// Whether a row's word is of that state: `UP 2/3` is up, and so is what is not watched.
fn holds(text: &str, state: &str) -> bool {
    let word = text.split(' ').next().unwrap_or_default();
    match word {
        "OPEN" | "no" => state == "UP",
        "PAUSED" | "STOP" => state == "DOWN",
        _ => word == state,
    }
}

fn line(out: &mut String, name: &str, row: &Row, more: Option<(&str, &str)>, value: impl Display) {
    put(out, format_args!("{name}{{proxy=\"{}\"", label(&row.text(Column::Pxname))));
    if row.kind == Kind::Server {
        put(out, format_args!(",server=\"{}\"", label(&row.text(Column::Svname))));
    }
    if let Some((key, value)) = more {
        put(out, format_args!(",{key}=\"{value}\""));
    }
    put(out, format_args!("}} {value}\n"));
}

/// How long requests took, as histograms: quantiles of any sum of them can be read from these.
pub fn times(out: &mut String, plan: &Plan, snapshot: &Snapshot) {
    const OF_FRONTENDS: &str = "evenkeel_frontend_request_duration_seconds";
    const OF_SERVERS: &str = "evenkeel_server_request_duration_seconds";
    if snapshot.frontend_times.is_empty() && snapshot.server_times.is_empty() {
        return;
    }
    head(out, OF_FRONTENDS, "histogram", "From the first byte of requests to the last of their responses");
    for (frontend, times) in plan.frontends().iter().zip(&snapshot.frontend_times) {
        histogram(out, OF_FRONTENDS, &format!("proxy=\"{}\"", label(&frontend.name)), times);
    }
    head(out, OF_SERVERS, "histogram", "The same, by the server that answered");
    for (server, times) in plan.servers().iter().zip(&snapshot.server_times) {
        let backend = plan.backends().get(usize::from(server.backend.0)).map_or("", |b| b.name.as_str());
        let labels = format!("proxy=\"{}\",server=\"{}\"", label(backend), label(&server.name));
        histogram(out, OF_SERVERS, &labels, times);
    }
}

fn histogram(out: &mut String, name: &str, labels: &str, times: &TimesTotals) {
    let mut below = 0_u64;
    for (bound, count) in BOUNDS.iter().zip(&times.buckets) {
        below = below.wrapping_add(*count);
        put(out, format_args!("{name}_bucket{{{labels},le=\"{}\"}} {below}\n", Seconds((*bound).into())));
    }
    let count = times.count();
    put(out, format_args!("{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n"));
    put(out, format_args!("{name}_sum{{{labels}}} {}\n", Seconds(times.sum.total.into())));
    put(out, format_args!("{name}_count{{{labels}}} {count}\n"));
}

/// Calls of scripts that have failed.
pub fn lua(out: &mut String, errors: u64) {
    const NAME: &str = "evenkeel_lua_errors_total";
    head(out, NAME, "counter", "Calls of Lua that failed, took too long or took too much memory");
    put(out, format_args!("{NAME} {errors}\n"));
}

/// The lines before a family.
pub fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    put(out, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
}

/// A label's value: what may not stand in quotes is escaped.
pub fn label(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

/// Microseconds as seconds, without needless zeros.
struct Seconds(i128);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let text = text.trim_end_matches('0');
        f.write_str(text.strip_suffix('.').unwrap_or(text))
    }
}

#[cfg(test)]
mod tests;
