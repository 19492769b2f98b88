//! `evenkeel explain request`: what becomes of a request, and why.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use evenkeel_proxy::io::explain::{Explained, Fate, Place, Supposed, explain};
use evenkeel_proxy::plan::{FrontendId, Mode, Plan, ServerAddr};
use evenkeel_proxy::rules::explain::Finding;
use evenkeel_proxy::tls::SessionFacts;
use evenkeel_proxy::tls::suites::Version;

use super::docs::print;
use super::{RequestArgs, fail};
use crate::config::{self, Environment, lower};
use crate::telemetry;

/// `evenkeel explain request`.
pub(super) fn request(args: &RequestArgs) -> ExitCode {
    let environment = match Environment::of_process(args.config.node.as_deref()) {
        Ok(environment) => environment,
        Err(e) => return fail(&e),
    };
    let loaded = config::load(&args.config.config, &environment);
    let Some(config) = loaded.config.as_ref().filter(|_| loaded.is_valid()) else {
        eprint!("{}", loaded.render_human(telemetry::colour()));
        return ExitCode::FAILURE;
    };
    let plan = lower::proxy(config).plan;
    let frontend = match frontend(&plan, args.frontend.as_deref()) {
        Ok(id) => id,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::FAILURE;
        }
    };
    let head = head(args);
    let tls = args.sni.as_ref().map(|name| SessionFacts {
        version: Version::Tls13,
        cipher: "TLS_AES_128_GCM_SHA256",
        server_name: Some(name.to_ascii_lowercase().into()),
        alpn: Some(b"http/1.1".as_slice().into()),
        resumed: false,
        own: None,
        client: None,
    });
    let source = SocketAddr::new(args.src, 0);
    let supposed = Supposed { head: head.as_bytes(), source, destination: args.dst, tls };
    let explained = explain(&plan, frontend, &supposed);
    if args.json {
        return print(format!("{}\n", json(&plan, &explained)).as_bytes());
    }
    print(text(&plan, frontend, args, &explained).as_bytes())
}

/// The frontend of that name, or the only one.
fn frontend(plan: &Plan, name: Option<&str>) -> Result<FrontendId, String> {
    let all = (0..).map(FrontendId).zip(plan.frontends()).filter(|(_, f)| f.mode == Mode::Http);
    let http: Vec<(FrontendId, &str)> = all.map(|(id, f)| (id, f.name.as_str())).collect();
    let names = || http.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
    match (name, http.as_slice()) {
        (_, []) => Err("the configuration has no frontend for HTTP".into()),
        (None, [(id, _)]) => Ok(*id),
        (None, _) => Err(format!("say --frontend: {}", names())),
        (Some(wanted), _) => match http.iter().find(|(_, name)| *name == wanted) {
            Some((id, _)) => Ok(*id),
            None => Err(format!("there is no frontend `{wanted}` for HTTP; there are {}", names())),
        },
    }
}

fn head(args: &RequestArgs) -> String {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", args.method, args.path, args.host);
    for field in &args.headers {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

fn text(plan: &Plan, frontend: FrontendId, args: &RequestArgs, explained: &Explained) -> String {
    let mut out = String::new();
    let name = plan.frontends().get(usize::from(frontend.0)).map_or("?", |f| &f.name);
    line(
        &mut out,
        format_args!("{} {} for {} from {} to {name}", args.method, args.path, args.host, args.src),
    );
    for step in &explained.steps {
        let mark = match step.finding.holds {
            Some(true) => "yes",
            Some(false) => "no ",
            None => "?  ",
        };
        line(
            &mut out,
            format_args!("\n{mark} {} rule {}: {}", place(plan, step.place), step.number, step.action),
        );
        push(&mut out, &step.finding, 4);
    }
    let changes = &explained.changes;
    let said = [changes.method.as_ref().map(|m| ("method", m)), changes.target.as_ref().map(|t| ("path", t))];
    let fields = changes.lines.iter().map(|line| ("field", line));
    let mut said = said.into_iter().flatten().chain(fields).peekable();
    if said.peek().is_some() {
        line(&mut out, format_args!("\nchanged for the server"));
    }
    for (what, value) in said {
        line(&mut out, format_args!("    {what:<6} {value}"));
    }
    line(&mut out, format_args!("\n{}", fate(plan, &explained.fate)));
    if let Fate::Forwarded { backend, server, .. } = &explained.fate {
        for (at, candidate) in plan.servers().iter().enumerate().filter(|(_, s)| s.backend == *backend) {
            let chosen = server.is_some_and(|s| s.0 as usize == at);
            let mark = if chosen { "->" } else { "  " };
            let backup = if candidate.backup { ", backup" } else { "" };
            let addr = match &candidate.addr {
                ServerAddr::Fixed(at) => at.to_string(),
                ServerAddr::Named(name) => name.host.to_string(),
            };
            line(
                &mut out,
                format_args!("{mark} {} {addr} weight {}{backup}", candidate.name, candidate.weight),
            );
        }
    }
    out
}

fn push(out: &mut String, finding: &Finding, depth: usize) {
    let mark = match finding.holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => "the response will tell",
    };
    let found = finding.found.as_ref().map(|found| format!(": it is {found}")).unwrap_or_default();
    line(out, format_args!("{:depth$}{}{found} ({mark})", "", finding.asked));
    finding.parts.iter().for_each(|part| push(out, part, depth + 2));
}

fn place(plan: &Plan, place: Place) -> String {
    let front = |id: FrontendId| plan.frontends().get(usize::from(id.0)).map_or("?", |f| f.name.as_str());
    let back = |id: evenkeel_proxy::plan::BackendId| {
        plan.backends().get(usize::from(id.0)).map_or("?", |b| b.name.as_str())
    };
    match place {
        Place::Frontend(id) => format!("{} http_request", front(id)),
        Place::Route(id) => format!("{} use_backend", front(id)),
        Place::Backend(id) => format!("{} http_request", back(id)),
        Place::BackendResponse(id) => format!("{} http_response", back(id)),
        Place::FrontendResponse(id) => format!("{} http_response", front(id)),
        Place::Stats(id) => format!("{} stats", front(id)),
    }
}

fn fate(plan: &Plan, fate: &Fate) -> String {
    match fate {
        Fate::Malformed(status) => format!("=> it is no request, and refused with {status}"),
        Fate::Answered(Some(status)) => format!("=> answered with {status} by the last rule"),
        Fate::Answered(None) => "=> dropped without an answer by the last rule".into(),
        Fate::Nowhere => "=> no rule says where it goes, and there is no default_backend: 503".into(),
        Fate::Forwarded { backend, by_default, key, .. } => {
            let name = plan.backends().get(usize::from(backend.0)).map_or("?", |b| &b.name);
            let why = if *by_default { " by default" } else { "" };
            let key = key.map(|key| format!(", hash {key}")).unwrap_or_default();
            format!("=> backend {name}{why}{key}; its servers, all of them up and idle:")
        }
    }
}

fn json(plan: &Plan, explained: &Explained) -> serde_json::Value {
    fn finding(of: &Finding) -> serde_json::Value {
        let parts: Vec<serde_json::Value> = of.parts.iter().map(finding).collect();
        serde_json::json!({ "asked": of.asked, "found": of.found, "holds": of.holds, "parts": parts })
    }
    let steps: Vec<serde_json::Value> = explained
        .steps
        .iter()
        .map(|step| {
            serde_json::json!({
                "place": place(plan, step.place),
                "rule": step.number,
                "action": step.action,
                "condition": finding(&step.finding),
            })
        })
        .collect();
    let fate = match &explained.fate {
        Fate::Malformed(status) => serde_json::json!({ "malformed": status }),
        Fate::Answered(status) => serde_json::json!({ "answered": status }),
        Fate::Nowhere => serde_json::json!({ "answered": 503 }),
        Fate::Forwarded { backend, by_default, key, server } => {
            let name = plan.backends().get(usize::from(backend.0)).map(|b| b.name.as_str());
            let server = server.and_then(|s| plan.servers().get(s.0 as usize)).map(|s| s.name.as_str());
            serde_json::json!({ "backend": name, "by_default": by_default, "hash": key, "server": server })
        }
    };
    let changes = &explained.changes;
    let changes =
        serde_json::json!({ "method": changes.method, "path": changes.target, "fields": changes.lines });
    serde_json::json!({ "steps": steps, "changes": changes, "fate": fate })
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}
