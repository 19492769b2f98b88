//! `evenkeel status`: asks the keeper and shows its answer to a person or a machine.

use std::fmt::Write as _;
use std::process::ExitCode;

use hyper::Method;

use super::control::{self, Answer};
use super::docs::print;
use super::{StatusArgs, fail};
use crate::status::{ChangeReport, InstanceStatus, NodeStatus, ServerReport, WorkerReport, ago};

/// `evenkeel status [--json]`.
pub(super) fn status(args: &StatusArgs) -> ExitCode {
    let path = args.runtime_dir.join(crate::keeper::CONTROL_SOCKET);
    let document: NodeStatus = match control::ask(&path, Method::GET, "/status", ANSWER_LIMIT) {
        Ok(Answer { status, body }) if status.is_success() => match serde_json::from_slice(&body) {
            Ok(document) => document,
            Err(e) => return fail(&e),
        },
        Ok(answer) => return fail(&answer.refusal()),
        Err(e) => return fail(&e),
    };
    if args.json {
        return match serde_json::to_string_pretty(&document) {
            Ok(text) => print(format!("{text}\n").as_bytes()),
            Err(e) => fail(&e),
        };
    }
    print(render(&document).as_bytes())
}

fn render(s: &NodeStatus) -> String {
    let mut out =
        format!("node {}  evenkeel {}  pid {}  up {}\n", s.node, s.version, s.pid, ago(s.uptime_ms));
    if let Some(upgrade) = &s.upgrade {
        match &upgrade.failed {
            None => line(&mut out, format_args!("  upgraded from version {}", upgrade.from)),
            Some(why) => line(&mut out, format_args!("  not upgraded: {why}")),
        }
    }
    let worker = &s.worker;
    line(&mut out, format_args!("worker {} ({}){}", worker.state, worker.fitness, pid(worker.pid)));
    if let Some(loss) = &worker.last_loss {
        line(&mut out, format_args!("  {} lost, the last one {loss}", worker.lost));
    }
    for retired in &worker.retired {
        line(&mut out, format_args!("  retired pid {retired} finishes its connections"));
    }
    if worker.starved > 0 {
        line(&mut out, format_args!("  starved of processor time {} times", worker.starved));
    }
    match s.guard.answered_ms {
        Some(ms) => line(&mut out, format_args!("guard{}, answered {} ago", pid(s.guard.pid), ago(ms))),
        None => line(&mut out, format_args!("guard{}", pid(s.guard.pid))),
    }
    for refused in &s.vrrp_thread {
        line(&mut out, format_args!("note: {refused}"));
    }
    s.vrrp.iter().for_each(|i| instance(&mut out, i));
    out.push('\n');
    for l in &s.listeners {
        line(&mut out, format_args!("listen {:<28} {}", l.address, l.frontend));
    }
    if let Some(report) = &s.proxy {
        proxy(&mut out, report);
    }
    out
}

fn instance(out: &mut String, i: &InstanceStatus) {
    let priority = if i.priority == i.effective_priority {
        i.priority.to_string()
    } else {
        format!("{} (configured {})", i.effective_priority, i.priority)
    };
    line(out, format_args!("\n{}  {} for {}: {}", i.name, i.state, ago(i.since_ms), i.cause));
    line(
        out,
        format_args!(
            "  VRRPv{} {} vrid {} on {}, priority {priority}{}",
            i.version,
            i.family,
            i.virtual_router_id,
            i.interface,
            i.master.as_ref().map(|m| format!(", MASTER is {m}")).unwrap_or_default()
        ),
    );
    for vip in &i.vips {
        line(out, format_args!("  vip {:<24} {}", vip.address, if vip.held { "held" } else { "not held" }));
    }
    for peer in &i.peers {
        let heard = ago(peer.heard_ms);
        line(
            out,
            format_args!(
                "  peer {:<23} v{} priority {} heard {heard} ago",
                peer.address, peer.version, peer.priority
            ),
        );
    }
    for track in &i.tracks {
        let weight = track.weight.map(|w| format!(", weight {w}")).unwrap_or_default();
        line(out, format_args!("  track {:<22} {}{weight}", track.name, track.state));
    }
    let dropped: Vec<_> = i.counters.iter().filter(|(name, _)| name.starts_with("drop_")).collect();
    for (name, count) in dropped {
        line(out, format_args!("  {name} {count}"));
    }
}

fn proxy(out: &mut String, r: &WorkerReport) {
    line(out, format_args!("\nproxy: {} threads, {} connections", r.threads, r.connections));
    for f in &r.frontends {
        let [_, ok, moved, client, server] = f.responses;
        line(
            out,
            format_args!(
                "frontend {:<20} {} connections, {} requests; 2xx {ok}, 3xx {moved}, 4xx {client}, 5xx {server}",
                f.name, f.connections, f.requests
            ),
        );
    }
    r.servers.iter().for_each(|s| server(out, s));
    if r.log_dropped > 0 {
        line(out, format_args!("note: {} access records dropped", r.log_dropped));
    }
}

fn server(out: &mut String, s: &ServerReport) {
    let name = format!("{}/{}", s.backend, s.name);
    let since = s.since_ms.map(|ms| format!(" for {}", ago(ms))).unwrap_or_default();
    let backup = if s.backup { ", backup" } else { "" };
    line(
        out,
        format_args!(
            "server {name:<22} {}{since}  {}  {} running, {} served, weight {}{backup}  {}",
            s.state, s.address, s.sessions, s.requests, s.weight, s.check
        ),
    );
    if let Some(said) = &s.agent {
        line(out, format_args!("  agent {said}"));
    }
    if let Some(ms) = s.ejected_ms {
        line(out, format_args!("  ejected for {} more", ago(ms)));
    }
    for change in s.history.iter().rev().take(CHANGES_SHOWN) {
        let ChangeReport { ago_ms, from, to, reason, .. } = change;
        line(out, format_args!("  {} ago {from} -> {to}: {reason}", ago(*ago_ms)));
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}

fn pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" pid {pid}")).unwrap_or_else(|| " not running".into())
}

/// The latest changes of each server, latest first; `--json` has all that are kept.
const CHANGES_SHOWN: usize = 3;

const ANSWER_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_why_it_is_what_it_is() {
        let change = |ago_ms, from: &str, to: &str, reason: &str| ChangeReport {
            ago_ms,
            from: from.into(),
            to: to.into(),
            reason: reason.into(),
            check: None,
        };
        let report = ServerReport {
            backend: "app".into(),
            name: "app1".into(),
            address: "192.0.2.1:80".into(),
            state: "DOWN".into(),
            since_ms: Some(1_500),
            check: "L7OK/200 in 1ms".into(),
            agent: Some("L7STS in 0ms (via agent : down)".into()),
            ejected_ms: Some(28_500),
            maxconn: None,
            weight: 100,
            backup: false,
            sessions: 2,
            requests: 30,
            history: vec![
                change(90_000, "UP", "MAINT", "set to maintenance"),
                change(80_000, "MAINT", "UP", "set ready"),
                change(70_000, "UP", "DOWN", "via app/app2"),
                change(1_500, "UP", "DOWN", "ejected for 30s: 5 consecutive errors"),
            ],
        };
        let mut out = String::new();
        server(&mut out, &report);
        assert_eq!(
            out,
            "server app/app1               DOWN for 1.5s  192.0.2.1:80  2 running, 30 served, weight 100  \
             L7OK/200 in 1ms\n\
             \x20 agent L7STS in 0ms (via agent : down)\n\
             \x20 ejected for 28.5s more\n\
             \x20 1.5s ago UP -> DOWN: ejected for 30s: 5 consecutive errors\n\
             \x20 1m 10s ago UP -> DOWN: via app/app2\n\
             \x20 1m 20s ago MAINT -> UP: set ready\n"
        );
    }
}
