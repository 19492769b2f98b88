//! Events as log lines, in HAProxy's words and at its levels, so that alerts which look for them go on working.

use std::fmt::Write as _;

use super::event::{Event, Turn};
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
        lines.push((Level::Emerg, format!("backend {} has no server available!", backend.name)));
    }
    lines
}

fn about_server(plan: &Plan, subject: &str, event: &Event) -> Option<Line> {
    let line = match &event.turn {
        Turn::Down(result) => (Level::Alert, format!("{subject} is DOWN, reason: {result}.{}", left(event))),
        Turn::Up(result) => (Level::Notice, format!("{subject} is UP, reason: {result}.{}", online(event))),
        Turn::DownVia(leader) => {
            (Level::Alert, format!("{subject} is DOWN via {}.{}", plan.name_of(*leader), left(event)))
        }
        Turn::UpVia(leader) => {
            (Level::Notice, format!("{subject} is UP via {}.{}", plan.name_of(*leader), online(event)))
        }
        Turn::Ejected(why, time) => {
            let seconds = time.as_secs_f64();
            (Level::Alert, format!("{subject} is ejected for {seconds}s, reason: {why}.{}", left(event)))
        }
        Turn::Readmitted => (Level::Notice, format!("{subject} is no longer ejected.{}", online(event))),
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
        Turn::Weight(_) | Turn::Maxconn(_) => return None,
    };
    Some(line)
}

/// What is left after a loss. There are no queues, so nothing is requeued and nothing remains in one.
fn left(event: &Event) -> String {
    let mut text = servers(event, "left");
    // Writing to a string does not fail.
    if write!(text, " {} sessions active, 0 requeued, 0 remaining in queue.", event.in_flight).is_err() {
        text.push('?');
    }
    text
}

fn online(event: &Event) -> String {
    servers(event, "online") + " 0 sessions requeued, 0 total in queue."
}

fn servers(event: &Event, word: &str) -> String {
    let (active, backup) = (event.usable.active, event.usable.backup);
    let on_backup = if active == 0 && backup > 0 { " Running on backup." } else { "" };
    format!(" {active} active and {backup} backup servers {word}.{on_backup}")
}
