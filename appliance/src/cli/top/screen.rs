//! From a status document and rates to a screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table};

use super::rates::{Rates, name};
use crate::status::{InstanceStatus, NodeStatus, ServerReport, ago};

/// What the person at the terminal has chosen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Screen {
    by_rate: bool,
    first: usize,
}

impl Screen {
    /// Servers by their requests, or as the configuration has them.
    pub(super) fn sort(&mut self) {
        self.by_rate = !self.by_rate;
    }

    /// So many servers down.
    pub(super) fn scroll(&mut self, lines: isize) {
        self.first = self.first.saturating_add_signed(lines);
    }

    /// Draws everything. `trouble`: why this is not what is now.
    pub(super) fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        s: &NodeStatus,
        rates: &Rates,
        trouble: Option<&str>,
    ) {
        let (routers, frontends) = (s.vrrp.len(), s.proxy.as_ref().map_or(0, |p| p.frontends.len()));
        let [top, of_routers, of_frontends, of_servers, keys] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(rows(routers)),
            Constraint::Length(rows(frontends)),
            Constraint::Min(2),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(heading(s, trouble), top);
        if routers > 0 {
            frame.render_widget(self::routers(&s.vrrp), of_routers);
        }
        if frontends > 0 {
            frame.render_widget(self::frontends(s, rates), of_frontends);
        }
        self.servers(frame, of_servers, s, rates);
        let order = if self.by_rate { "as configured" } else { "by requests" };
        let help = Line::from(format!("q quit   s servers {order}   ↑↓ scroll")).style(Style::new().dim());
        frame.render_widget(help, keys);
    }

    fn servers(&mut self, frame: &mut Frame<'_>, area: Rect, s: &NodeStatus, rates: &Rates) {
        let Some(report) = &s.proxy else {
            return frame.render_widget(Line::from("no worker reports"), area);
        };
        let mut servers: Vec<&ServerReport> = report.servers.iter().collect();
        if self.by_rate {
            servers.sort_by(|a, b| rates.server(b).total_cmp(&rates.server(a)));
        }
        let room = usize::from(area.height.saturating_sub(1)).max(1);
        self.first = self.first.min(servers.len().saturating_sub(room));
        let lines = servers.into_iter().skip(self.first).take(room).map(|server| {
            Row::new([
                Cell::from(name(server)),
                Cell::from(server.state.clone()).style(colour(&server.state)),
                Cell::from(server.since_ms.map(ago).unwrap_or_default()),
                number(format!("{:.0}", rates.server(server))),
                number(server.sessions.to_string()),
                number(server.weight.to_string()),
                Cell::from(why(server)),
            ])
        });
        let widths = [
            Constraint::Min(20),
            Constraint::Length(10),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Length(8),
            Constraint::Fill(3),
        ];
        let head = ["SERVER", "STATE", "SINCE", "   REQ/S", " RUNNING", "  WEIGHT", "CHECK"];
        frame.render_widget(Table::new(lines, widths).header(header(head)), area);
    }
}

/// Rows of a table of so many lines: a head, and a line between it and the next one.
fn rows(lines: usize) -> u16 {
    if lines == 0 { 0 } else { u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(2) }
}

/// How high a screen is that has room for everything.
pub(super) fn height(s: &NodeStatus) -> u16 {
    let (frontends, servers) = s.proxy.as_ref().map_or((0, 0), |p| (p.frontends.len(), p.servers.len()));
    let servers = u16::try_from(servers).unwrap_or(MOST_LINES);
    (3 + rows(s.vrrp.len()) + rows(frontends)).saturating_add(servers.max(1) + 1).min(MOST_LINES)
}

/// A drawn screen without its colours and without what is empty at the ends of lines.
pub(super) fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    };
    let lines: Vec<String> = buffer.content.chunks(width).map(line).collect();
    // The last one is for people at the keyboard.
    lines.get(..lines.len().saturating_sub(1)).unwrap_or_default().concat()
}

fn heading<'a>(s: &NodeStatus, trouble: Option<&'a str>) -> Paragraph<'a> {
    let connections =
        s.proxy.as_ref().map(|p| format!("  {} connections", p.connections)).unwrap_or_default();
    let worker = &s.worker;
    let first = format!(
        "{}  evenkeel {}  up {}  worker {} ({}){connections}",
        s.node,
        s.version,
        ago(s.uptime_ms),
        worker.state,
        worker.fitness
    );
    let fit = worker.fitness.starts_with("fit");
    let first = Line::from(first).style(if fit { Style::new().bold() } else { Style::new().bold().red() });
    let trouble = trouble.map(|why| Line::from(format!("not up to date: {why}")).style(Style::new().red()));
    Paragraph::new(Vec::from_iter([first].into_iter().chain(trouble)))
}

fn routers<'a>(all: &[InstanceStatus]) -> Table<'a> {
    let lines = all.iter().map(|i| {
        let held = i.vips.iter().filter(|v| v.held).count();
        let addresses: Vec<&str> = i.vips.iter().map(|v| v.address.as_str()).collect();
        let peers: Vec<String> =
            i.peers.iter().map(|p| format!("{} {} ago", p.address, ago(p.heard_ms))).collect();
        Row::new([
            Cell::from(i.name.clone()),
            Cell::from(i.state.clone()).style(colour(&i.state)),
            Cell::from(ago(i.since_ms)),
            number(i.effective_priority.to_string()),
            Cell::from(format!("{} ({held} here)", addresses.join(" "))),
            Cell::from(i.master.clone().unwrap_or_default()),
            Cell::from(peers.join(", ")),
        ])
    });
    let widths = [
        Constraint::Min(12),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Fill(2),
        Constraint::Length(16),
        Constraint::Fill(2),
    ];
    let head = ["ROUTER", "STATE", "SINCE", "PRIORITY", "ADDRESSES", "MASTER", "PEERS HEARD"];
    Table::new(lines, widths).header(header(head))
}

fn frontends<'a>(s: &NodeStatus, rates: &Rates) -> Table<'a> {
    let all = s.proxy.as_ref().map(|p| p.frontends.as_slice()).unwrap_or_default();
    let lines = all.iter().map(|f| {
        let rate = rates.frontends.get(&f.name).copied().unwrap_or_default();
        let bad = |n: f64| {
            let style = if n > 0.0 { Style::new().red() } else { Style::new() };
            number(format!("{n:.0}")).style(style)
        };
        Row::new([
            Cell::from(f.name.clone()),
            number(format!("{:.0}", rate.requests)),
            number(f.connections.to_string()),
            number(format!("{:.0}", rate.client_errors)),
            bad(rate.server_errors),
            Cell::from(format!("{:>12}", f.requests)),
        ])
    });
    let widths = [
        Constraint::Min(20),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(12),
    ];
    Table::new(lines, widths).header(header([
        "FRONTEND",
        "   REQ/S",
        "   CONNS",
        "   4XX/S",
        "   5XX/S",
        "    REQUESTS",
    ]))
}

fn header<'a, const N: usize>(names: [&'static str; N]) -> Row<'a> {
    Row::new(names).style(Style::new().add_modifier(Modifier::REVERSED))
}

fn number<'a>(text: String) -> Cell<'a> {
    Cell::from(format!("{text:>8}"))
}

/// HAProxy's colours, and the same for routers.
fn colour(state: &str) -> Style {
    let colour = match state.split(' ').next().unwrap_or_default() {
        "UP" if state.contains('/') => Color::Yellow,
        "DOWN" if state.contains('/') => Color::LightRed,
        "UP" | "MASTER" => Color::Green,
        "DOWN" | "FAULT" => Color::Red,
        "DRAIN" | "NOLB" | "BACKUP" => Color::Blue,
        "MAINT" | "STOPPED" => Color::Magenta,
        _ => Color::Reset,
    };
    Style::new().fg(colour)
}

/// Why a server is not up, or what its last check says.
fn why(server: &ServerReport) -> String {
    let last = server.history.last().filter(|c| !server.state.starts_with("UP") && c.to != "UP");
    last.map_or_else(|| server.check.clone(), |change| change.reason.clone())
}

/// More than any terminal has.
const MOST_LINES: u16 = 2000;

#[cfg(test)]
pub(super) mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// A node with a router, a frontend and two servers.
    pub(in crate::cli::top) fn status() -> NodeStatus {
        let server = |name: &str, state: &str| {
            serde_json::json!({
                "backend": "app", "name": name, "address": "192.0.2.1:80", "state": state, "since_ms": 61_000,
                "check": "L7OK/200 in 1ms", "weight": 100, "backup": false, "sessions": 3, "requests": 10,
                "history": [{ "ago_ms": 61_000, "from": "UP", "to": "DOWN", "reason": "Layer4 timeout", "check": null }],
            })
        };
        let document = serde_json::json!({
            "node": "lb1", "version": "0.1.0", "pid": 1, "uptime_ms": 7_500_000,
            "worker": { "state": "serving", "fitness": "fit", "pid": 2, "lost": 0, "starved": 0, "last_loss": null },
            "guard": { "pid": 3, "answered_ms": 5 }, "vrrp_thread": [], "listeners": [],
            "vrrp": [{
                "name": "VI_1", "interface": "eth0", "family": "ipv4", "virtual_router_id": 51, "version": 2,
                "state": "MASTER", "since_ms": 5_000, "cause": "", "priority": 101, "effective_priority": 101,
                "master": "192.0.2.1", "vips": [{ "address": "192.0.2.50/24", "held": true }],
                "peers": [{ "address": "192.0.2.2", "version": 2, "priority": 100, "heard_ms": 300 }],
                "tracks": [], "counters": {},
            }],
            "proxy": {
                "threads": 1, "connections": 7, "log_dropped": 0,
                "frontends": [{
                    "name": "www", "connections": 7, "requests": 100, "responses": [0, 98, 0, 2, 0],
                    "tls": { "handshakes": 0, "resumed": 0, "failed": 0, "timeouts": 0 },
                }],
                "servers": [server("app1", "UP"), server("app2", "DOWN")],
            },
        });
        serde_json::from_value(document).unwrap()
    }

    fn drawn(
        screen: &mut Screen,
        s: &NodeStatus,
        rates: &Rates,
        trouble: Option<&str>,
        size: (u16, u16),
    ) -> String {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal.draw(|frame| screen.draw(frame, s, rates, trouble)).unwrap();
        text(terminal.backend().buffer())
    }

    #[test]
    fn everything_is_on_the_screen() {
        let (s, mut rates) = (status(), Rates::default());
        rates.servers.insert("app/app2".into(), 12.4);
        let height = height(&s);
        let first = drawn(&mut Screen::default(), &s, &rates, None, (110, height));
        let lines: Vec<String> =
            first.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected = [
            "lb1 evenkeel 0.1.0 up 2h 5m worker serving (fit) 7 connections",
            "",
            "ROUTER STATE SINCE PRIORITY ADDRESSES MASTER PEERS HEARD",
            "VI_1 MASTER 5.0s 101 192.0.2.50/24 (1 here) 192.0.2.1 192.0.2.2 300ms ago",
            "",
            "FRONTEND REQ/S CONNS 4XX/S 5XX/S REQUESTS",
            "www 0 7 0 0 100",
            "",
            "SERVER STATE SINCE REQ/S RUNNING WEIGHT CHECK",
            "app/app1 UP 1m 1s 0 3 100 L7OK/200 in 1ms",
            "app/app2 DOWN 1m 1s 12 3 100 Layer4 timeout",
        ];
        assert_eq!(lines, expected, "{first}");
        let old = drawn(&mut Screen::default(), &s, &rates, Some("no answer"), (110, height));
        assert!(old.contains("not up to date: no answer"), "{old}");
    }

    #[test]
    fn servers_are_sorted_and_scrolled() {
        let (s, mut rates) = (status(), Rates::default());
        rates.servers.insert("app/app2".into(), 12.4);
        let mut screen = Screen::default();
        let at = |text: &str, name: &str| text.lines().position(|l| l.contains(name));
        let text = drawn(&mut screen, &s, &rates, None, (110, height(&s)));
        assert!(at(&text, "app/app1") < at(&text, "app/app2"));
        screen.sort();
        let text = drawn(&mut screen, &s, &rates, None, (110, height(&s)));
        assert!(at(&text, "app/app2") < at(&text, "app/app1"));
        screen.scroll(100);
        let text = drawn(&mut screen, &s, &rates, None, (110, height(&s) - 1));
        assert_eq!((at(&text, "app/app2"), at(&text, "app/app1").is_some()), (None, true), "{text}");
        screen.scroll(isize::MIN);
        let small = drawn(&mut screen, &s, &rates, None, (20, 3));
        assert!(small.contains("SERVER"), "{small}");
    }
}
