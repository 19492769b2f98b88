//! The page as HTML. Everything that comes from elsewhere is escaped by the macro.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use super::form::Deed;
use super::plot::{HEIGHT, Plot, WIDTH};
use super::sheet::{Panel, Sheet, Tone};
use crate::health::{Operational, ServerReport};
use crate::metrics::recent::{Latency, Track};
use crate::metrics::{Column, Kind, Row};
use crate::plan::ServerId;

/// How it looks.
pub const STYLE: &str = include_str!("page.css");

/// What keeps it fresh.
pub const SCRIPT: &str = include_str!("page.js");

/// What the page may load, and who may show it in a frame: nothing and nobody else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The whole page.
pub fn page(sheet: &Sheet<'_>) -> String {
    let uri = &sheet.page.uri;
    let node = item(sheet, "node");
    let refresh = sheet.page.refresh.filter(|_| !sheet.wish.no_refresh).map(|every| every.as_secs().max(1));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Statistics of " (node) }
                link rel="stylesheet" href=(format!("{uri};css"));
                script src=(format!("{uri};js")) defer {}
                @if let Some(seconds) = refresh {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body data-refresh=[refresh] {
                (top(sheet, &node))
                @if let Some(said) = sheet.wish.said {
                    p #said .good[said.is_good()] .bad[!said.is_good()] role="status" { (said.text()) }
                }
                p #stale role="alert" hidden {}
                main {
                    (process(sheet))
                    div #panels .live { @for panel in sheet.panels { (self::panel(panel)) } }
                    @for (name, rows) in proxies(sheet.rows) { (proxy(sheet, name, rows)) }
                }
                (legend())
            }
        }
    }
    .into_string()
}

fn top(sheet: &Sheet<'_>, node: &str) -> Markup {
    let (uri, wish) = (&sheet.page.uri, sheet.wish);
    let link = |words: &str| format!("{uri}{words}");
    let toggle = |set: bool, word: &str| {
        let words = wish.words();
        link(&if set { words.replace(word, "") } else { format!("{words}{word}") })
    };
    html! {
        header {
            h1 { (sheet.product.0) @if !sheet.page.hide_version { " " small { (sheet.product.1) } } " on " b { (node) } }
            nav {
                a href=(link(&wish.words())) { "Refresh now" }
                a href=(toggle(wish.no_refresh, ";norefresh")) {
                    @if wish.no_refresh { "Refresh by itself" } @else { "Stop refreshing" }
                }
                a href=(toggle(wish.up, ";up")) { @if wish.up { "Show all servers" } @else { "Hide servers that are down" } }
                a href=(link(";csv")) { "CSV" }
                a href=(link(";json")) { "JSON" }
            }
        }
    }
}

/// The value of an item of the process.
fn item(sheet: &Sheet<'_>, name: &str) -> String {
    let found = sheet.info.filled().find(|(_, item, _)| item.name == name);
    found.map(|(_, _, value)| value.to_string()).unwrap_or_default()
}

fn process(sheet: &Sheet<'_>) -> Markup {
    let item = |name| item(sheet, name);
    let number = |name| item(name).parse::<u64>().unwrap_or(0);
    html! {
        section #process .live {
            dl {
                div { dt { "pid" } dd { (item("Pid")) " (threads = " (item("Nbthread")) ")" } }
                div { dt { "uptime" } dd { (item("Uptime")) } }
                div { dt { "connections" } dd { (number("CurrConns")) " of " (number("Maxconn")) } }
                div { dt { "connection rate" } dd { (number("ConnRate")) "/s" } }
                div { dt { "TLS rate" } dd { (number("SslRate")) "/s" } }
                div { dt { "requests" } dd { (number("CumReq")) } }
                div { dt { "bit rate" } dd { (bits(number("BytesOutRate"))) } }
                div { dt { "memory" } dd { (bytes(number("PoolUsed_bytes"))) } }
                div { dt { "Running tasks" } dd { (number("Tasks")) "; idle = " (number("Idle_pct")) " %" } }
                @if number("DroppedLogs") > 0 {
                    div .bad { dt { "log lines lost" } dd { (number("DroppedLogs")) } }
                }
            }
        }
    }
}

fn panel(panel: &Panel) -> Markup {
    html! {
        section .panel {
            h2 { (panel.title) }
            div .scroll {
                table {
                    thead { tr { @for name in &panel.head { th scope="col" { (name) } } } }
                    tbody {
                        @for row in &panel.rows {
                            tr { @for cell in row { td class=(cell.tone.class()) { (cell.text) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Rows that belong together, by the name of their proxy.
fn proxies(rows: &[Row]) -> impl Iterator<Item = (String, &[Row])> {
    let same = |a: &Row, b: &Row| a.iid == b.iid;
    rows.chunk_by(same).map(|rows| {
        let name = rows.first().map(|row| row.text(Column::Pxname).into_owned());
        (name.unwrap_or_default(), rows)
    })
}

fn proxy(sheet: &Sheet<'_>, name: String, rows: &[Row]) -> Markup {
    let iid = rows.first().map_or(0, |row| row.iid);
    let mode = rows.first().map(|row| row.text(Column::Mode).into_owned()).unwrap_or_default();
    let admin = sheet.admin && rows.iter().any(|row| row.kind == Kind::Server);
    let table = html! {
        div .scroll {
            table {
                (head(admin))
                tbody id=(format!("rows-{iid}")) .live {
                    @for row in rows { (self::row(sheet, row, admin)) }
                }
            }
        }
    };
    html! {
        section .proxy id=(format!("proxy-{name}")) {
            h2 { a href=(format!("#proxy-{name}")) { (name) } " " small { (mode) } }
            @if admin {
                form method="post" action=(format!("{}{}", sheet.page.uri, sheet.wish.words())) {
                    (table)
                    (actions(iid))
                }
            } @else {
                (table)
            }
        }
    }
}

fn actions(iid: u32) -> Markup {
    html! {
        p .actions {
            input type="hidden" name="b" value=(format!("#{iid}"));
            label {
                "Action on the servers chosen: "
                select name="action" {
                    option value="" {}
                    @for (word, text, _) in Deed::ALL { option value=(word) { (text) } }
                    option value="weight" { "Set weight to" }
                }
            }
            label { "weight " input name="weight" type="number" min="0" max="256" value="100"; }
            button type="submit" { "Apply" }
        }
    }
}

fn head(admin: bool) -> Markup {
    // What is wrong comes first, whatever the screen has room for.
    const GROUPS: [(&str, u8); 11] = [
        ("State", 2),
        ("Queue", 3),
        ("Session rate", 3),
        ("Sessions", 5),
        ("Bytes", 2),
        ("Denied", 2),
        ("Errors", 3),
        ("Warnings", 2),
        ("Latency, last minute", 3),
        ("Last 10 minutes", 1),
        ("Server", 7),
    ];
    const NAMES: [&str; 33] = [
        "Status", "Why", "Cur", "Max", "Limit", "Cur", "Max", "Limit", "Cur", "Max", "Limit", "Total",
        "Last", "In", "Out", "Req", "Resp", "Req", "Conn", "Resp", "Retr", "Redis", "p50", "p90", "p99", "",
        "Wght", "Act", "Bck", "Chk", "Dwn", "Dwntme", "Thrtle",
    ];
    html! {
        thead {
            tr .groups {
                @if admin { th {} }
                th {}
                @for (name, span) in GROUPS { th colspan=(span) scope="colgroup" { (name) } }
            }
            tr {
                @if admin { th {} }
                th scope="col" { "Name" }
                @for (at, name) in NAMES.into_iter().enumerate() {
                    th scope="col" .x[!is_for_all(at)] { (name) }
                }
            }
        }
    }
}

/// Whether a column is shown on narrow screens too.
fn is_for_all(at: usize) -> bool {
    matches!(at, 0 | 1 | 5 | 8 | 24)
}

fn row(sheet: &Sheet<'_>, row: &Row, admin: bool) -> Markup {
    let status = row.text(Column::Status);
    let tone = Tone::of(&status);
    let server = server_of(sheet, row);
    let name = row.text(Column::Svname);
    let shown = match row.kind {
        Kind::Frontend => "Frontend".into(),
        Kind::Backend => "Backend".into(),
        Kind::Server | Kind::Listener => name.clone(),
    };
    let lately = lately(sheet, row, server);
    let plot = lately.track.and_then(Plot::of);
    let cells = cells(row, lately.latency);
    let is_server = row.kind == Kind::Server;
    let class = format!("{} {}", tone.class(), row.kind.word());
    html! {
        tr class=(class) {
            @if admin {
                td { @if is_server { input type="checkbox" name="s" value=(name) aria-label=(format!("choose {name}")); } }
            }
            th scope="row" { (shown) }
            td .status { (status) @if let Some(since) = number(row, Column::Lastchg) { " " small { (span(since)) } } }
            td .why { (why(sheet, row, server)) }
            @for (at, cell) in (2..).zip(cells) { td .x[!is_for_all(at)] { (cell) } }
            td .x { @if let Some(plot) = plot { (picture(&plot)) } }
            @for column in [Column::Weight, Column::Act, Column::Bck, Column::Chkfail, Column::Chkdown] {
                td .x { (row.text(column)) }
            }
            td .x { @if let Some(down) = number(row, Column::Downtime) { (span(down)) } }
            td .x { @if let Some(throttle) = number(row, Column::Throttle) { (throttle) " %" } }
        }
    }
}

/// The server a row is of.
fn server_of(sheet: &Sheet<'_>, row: &Row) -> Option<ServerId> {
    let backend = row.text(Column::Pxname);
    let backend = sheet.plan.backends().iter().find(|b| row.kind == Kind::Server && *b.name == *backend)?;
    // Servers are numbered from 1 in their backend.
    Some(ServerId(backend.servers.start + row.sid.checked_sub(1)?))
}

/// The last minutes of what a row is of.
struct LatelyOf<'a> {
    track: Option<&'a Track>,
    latency: Option<Latency>,
}

fn lately<'a>(sheet: &Sheet<'a>, row: &Row, server: Option<ServerId>) -> LatelyOf<'a> {
    let (plan, recent) = (sheet.plan, sheet.recent);
    let name = row.text(Column::Pxname);
    let (track, latency) = match (row.kind, server) {
        (Kind::Frontend, _) => match plan.frontends().iter().position(|f| *f.name == *name) {
            Some(at) => (recent.frontend(at), recent.frontend_latency(at)),
            None => (None, None),
        },
        (Kind::Backend, _) => match plan.backends().iter().position(|b| *b.name == *name) {
            Some(at) => {
                let servers = plan.backends().get(at).map(|b| b.servers.clone()).unwrap_or_default();
                (recent.backend(at), recent.server_latency(servers))
            }
            None => (None, None),
        },
        (Kind::Server, Some(ServerId(id))) => (recent.server(id as usize), recent.server_latency(id..id + 1)),
        (Kind::Server | Kind::Listener, _) => (None, None),
    };
    LatelyOf { track, latency }
}

/// The numbers of a row, in the order of the head, up to the picture.
fn cells(row: &Row, latency: Option<Latency>) -> Vec<String> {
    let plain = [
        Column::Qcur,
        Column::Qmax,
        Column::Qlimit,
        Column::Rate,
        Column::RateMax,
        Column::RateLim,
        Column::Scur,
        Column::Smax,
        Column::Slim,
        Column::Stot,
    ];
    let mut cells: Vec<String> = plain.into_iter().map(|column| row.text(column).into_owned()).collect();
    let last = row.value(Column::Lastsess).and_then(crate::metrics::Value::number);
    cells.push(match last {
        Some(seconds) if seconds >= 0 => span(u64::try_from(seconds).unwrap_or(0)),
        Some(_) => "never".to_owned(),
        None => String::new(),
    });
    cells.extend([Column::Bin, Column::Bout].map(|c| number(row, c).map(bytes).unwrap_or_default()));
    let faults = [
        Column::Dreq,
        Column::Dresp,
        Column::Ereq,
        Column::Econ,
        Column::Eresp,
        Column::Wretr,
        Column::Wredis,
    ];
    cells.extend(faults.map(|column| row.text(column).into_owned()));
    let times = latency.map(|l| [l.p50, l.p90, l.p99].map(time));
    cells.extend(times.unwrap_or_default());
    cells
}

fn picture(plot: &Plot) -> Markup {
    let label = format!("at most {} in 5 seconds", plot.most);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
            title { (label) }
            polygon points=(plot.all) {}
            @if !plot.errors.is_empty() { polygon .errors points=(plot.errors) {} }
        }
    }
}

/// Why a server is what it is, in words.
fn why(sheet: &Sheet<'_>, row: &Row, server: Option<ServerId>) -> Markup {
    let Some(report) = server.and_then(|id| sheet.servers.get(id.0 as usize)) else {
        return match (row.kind, &*row.text(Column::Status)) {
            (Kind::Backend, "DOWN") => html! { "no server of it can take requests" },
            (Kind::Frontend, "PAUSED") => html! { "disabled by an operator" },
            _ => html! {},
        };
    };
    let cause = match report.operational {
        Operational::Up => None,
        Operational::Down | Operational::Stopping | Operational::Drain | Operational::Maint => cause(report),
    };
    let now = |at| span(sheet.now.saturating_duration_since(at).as_secs());
    html! {
        @match cause {
            Some(cause) => { (cause) }
            None => { (last_check(row)) }
        }
        @if report.history.len() > 1 {
            details {
                summary { (report.history.len()) " changes" }
                ol reversed { @for change in report.history.iter().rev() {
                    li {
                        (now(change.at)) " ago: " (change.from.as_str()) " to " (change.to.as_str()) ", " (change.cause)
                    }
                } }
            }
        }
    }
}

/// Why it is not up: what took it down, or what its last check says where it was never up.
fn cause(report: &ServerReport) -> Option<String> {
    let last = report.history.last().filter(|change| change.to == report.operational);
    let known = last.map(|change| change.cause.to_string());
    known.or_else(|| report.last.as_ref().or(report.last_agent.as_ref()).map(ToString::to_string))
}

/// `L7OK/200 in 1ms`, as HAProxy writes it.
fn last_check(row: &Row) -> String {
    let (status, code) = (row.text(Column::CheckStatus), row.text(Column::CheckCode));
    if status.is_empty() {
        return String::new();
    }
    let code = if code.is_empty() { String::new() } else { format!("/{code}") };
    let time = number(row, Column::CheckDuration).map(|ms| format!(" in {ms}ms")).unwrap_or_default();
    format!("{status}{code}{time}")
}

fn legend() -> Markup {
    let tones = [
        (Tone::Up, "UP"),
        (Tone::Falling, "UP, going down"),
        (Tone::Rising, "DOWN, going up"),
        (Tone::Down, "DOWN"),
        (Tone::Drain, "DRAIN or NOLB"),
        (Tone::Maint, "MAINT"),
        (Tone::Unchecked, "not checked"),
    ];
    html! {
        footer { ul { @for (tone, text) in tones { li class=(tone.class()) { (text) } } } }
    }
}

fn number(row: &Row, column: Column) -> Option<u64> {
    row.value(column)?.number().and_then(|n| u64::try_from(n).ok())
}

/// `3d4h`, `4h12m`, `12m30s`, `30s`.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

fn time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        ..1_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        1_000..1_000_000 => format!("{:.0} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn bytes(n: u64) -> String {
    scaled(n, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB"])
}

fn bits(per_second: u64) -> String {
    scaled(per_second.saturating_mul(8), 1000.0, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

fn scaled(n: u64, step: f64, units: [&str; 5]) -> String {
    let (mut value, mut at) = (n as f64, 0);
    while value >= step && at + 1 < units.len() {
        value /= step;
        at += 1;
    }
    let unit = units.get(at).copied().unwrap_or_default();
    if at == 0 { format!("{n} {unit}") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 59, 61, 7_260, 90_000].map(span), ["0s", "59s", "1m1s", "2h1m", "1d1h"]);
        assert_eq!([100, 2048, 3 << 30].map(bytes), ["100 B", "2.0 KiB", "3.0 GiB"]);
        assert_eq!(bits(125_000), "1.0 Mbit/s");
        let micros = [150, 2_400, 2_400_000].map(Duration::from_micros);
        assert_eq!(micros.map(time), ["0.1 ms", "2 ms", "2.4 s"]);
    }
}
