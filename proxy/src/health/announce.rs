//! Events as log lines, in HAProxy's words and at its levels, so that alerts which look for them go on working.

use super::event::{Event, Turn, Via};
use crate::access_log::Level;
use crate::plan::{AdminState, Plan};

/// A line and its urgency.
pub type Line = (Level, String);

/// The lines for an event: one about the server, and one more if its backend has nothing left. Empty for what HAProxy
/// does not log.
pub fn lines(plan: &Plan, event: &Event) -> Vec<Line> {
    let Some(server) = plan.servers().get(event.server.0 as usize) else { return Vec::new() };
    let Some(backend) = plan.backends().get(usize::from(server.backend.0)) else { return Vec::new() };
    let kind = if server.backup { "Backup Server" } else { "Server" };
    let subject = format!("{kind} {}/{}", backend.name, server.name);
    let mut lines = Vec::new();
    lines.extend(about_server(plan, &subject, event));
    if event.backend_lost {
        let kind = if backend.is_listen { "proxy" } else { "backend" };
        lines.push((Level::Emerg, format!("{kind} {} has no server available!", backend.name)));
    }
    lines
}

fn about_server(plan: &Plan, subject: &str, event: &Event) -> Option<Line> {
    let line = match &event.turn {
        Turn::Down(result) => (Level::Alert, format!("{subject} is DOWN, reason: {result}.{}", left(event))),
        Turn::Up(result) => (Level::Notice, format!("{subject} is UP, reason: {result}.{}", online(event))),
        Turn::Via(leader, how) => by_leader(&plan.name_of(*leader), *how, subject, event),
        Turn::Ejected(why, time) => {
            let seconds = time.as_secs_f64();
            (Level::Alert, format!("{subject} is ejected for {seconds}s, reason: {why}.{}", left(event)))
        }
        Turn::Readmitted => (Level::Notice, format!("{subject} is no longer ejected.{}", online(event))),
        Turn::Stopping(result) => {
            (Level::Notice, format!("{subject} is stopping, reason: {result}.{}", online(event)))
        }
        Turn::Maint => (Level::Alert, format!("{subject} is going DOWN for maintenance.{}", left(event))),
        Turn::Drain => (Level::Notice, format!("{subject} enters drain state.{}", online(event))),
        Turn::Ready(AdminState::Maint) => {
            (Level::Notice, format!("{subject} is UP/READY (leaving forced maintenance)."))
        }
        Turn::Ready(AdminState::Drain | AdminState::Ready) => {
            (Level::Notice, format!("{subject} is UP (leaving forced drain)."))
        }
        Turn::Unresolved(why) => {
            (Level::Alert, format!("{subject} is going DOWN for maintenance ({why}).{}", left(event)))
        }
        Turn::Resolved => (Level::Notice, format!("{subject} is UP/READY (resolves again).")),
        Turn::Moved(from, to) => {
            (Level::Notice, format!("{subject} changed its address from {from} to {to} by its name."))
        }
        Turn::Readdressed(from, to) => {
            (Level::Notice, format!("{subject} changed its address from {from} to {to} by an operator."))
        }
        Turn::Weight(_) | Turn::Maxconn(_) | Turn::Muted => return None,
    };
    Some(line)
}

/// The line for a server that goes where the one goes that it follows.
fn by_leader(leader: &str, how: Via, subject: &str, event: &Event) -> Line {
    match how {
        Via::Down => (Level::Alert, format!("{subject} is DOWN via {leader}.{}", left(event))),
        Via::Up => (Level::Notice, format!("{subject} is UP via {leader}.{}", online(event))),
        Via::Stopping => (Level::Notice, format!("{subject} is stopping via {leader}.{}", online(event))),
        Via::Maint => {
            (Level::Alert, format!("{subject} is going DOWN for maintenance via {leader}.{}", left(event)))
        }
        Via::Drain => (Level::Notice, format!("{subject} enters drain state via {leader}.{}", online(event))),
        Via::Ready(AdminState::Maint) => {
            (Level::Notice, format!("{subject} is UP/READY (leaving maintenance)."))
        }
        Via::Ready(AdminState::Drain | AdminState::Ready) => {
            (Level::Notice, format!("{subject} is UP (leaving drain) via {leader}."))
        }
    }
}

/// What is left after a loss.
fn left(event: &Event) -> String {
    let (active, queue) = (event.in_flight, event.queue);
    format!(
        "{} {active} sessions active, {} requeued, {} remaining in queue.",
        servers(event, "left"),
        queue.requeued,
        queue.waiting
    )
}

fn online(event: &Event) -> String {
    let queue = event.queue;
    format!(
        "{} {} sessions requeued, {} total in queue.",
        servers(event, "online"),
        queue.requeued,
        queue.waiting
    )
}

fn servers(event: &Event, word: &str) -> String {
    let (active, backup) = (event.usable.active, event.usable.backup);
    let on_backup = if active == 0 && backup > 0 { " Running on backup." } else { "" };
    format!(" {active} active and {backup} backup servers {word}.{on_backup}")
}
