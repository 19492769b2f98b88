//! Who watches whom: servers that follow others, and what needs checks to work.

use std::collections::BTreeMap;

use super::profiles::undefined;
use evenkeel_proxy::plan::{Action, CheckConfig, HttpCheck, Layer, Mode, ServerAddr, ServerProtocol};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::Proxy;
use crate::config::model::{Backend, Server};
use crate::config::read::{Reader, shown};
use crate::config::settings::{HowChecked, HttpChecks, Settings};
use crate::config::source::Spanned;

/// What is said of a server, whatever came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// It is checked, and that in its own words.
    pub(super) check: bool,
    /// It is observed, likewise.
    pub(super) observe: bool,
    /// It has an agent.
    pub(super) agent: bool,
}

/// What a server says that cannot be.
pub(super) fn check_server(cx: &mut Reader<'_>, server: &Server, said: &Said, mode: Mode) {
    let name = &server.name;
    let mut refuse = |message: &str, help: &str| {
        let message = format!("server {}: {message}", shown(&name.value));
        let d = Diagnostic::error(Code::BadCombination, name.span, message);
        cx.push(if help.is_empty() { d } else { d.help(help) });
    };
    if said.agent && server.watch.agent.is_none() {
        refuse("`agent_check` needs to know where the agent is", "agent_port = 9999");
    }
    if server.watch.observe.is_some() && server.check.is_none() && server.track.is_none() {
        refuse("`observe` needs checks, which bring the server up again", "check = true");
    }
    if mode == Mode::Tcp && server.watch.observe.is_some_and(|o| o.layer == Layer::Layer7) {
        let message = "`observe` with \"layer7\" looks at HTTP responses, and its backend is of mode tcp";
        refuse(message, "observe = \"layer4\"");
    }
    if server.track.is_some() && said.check {
        refuse("it follows another server and is not checked itself", "drop `check` or `track`");
    }
    if server.track.is_some() && said.observe {
        let message =
            "it follows another server: `observe` would take it down, and no check would bring it up";
        refuse(message, "drop `observe` or `track`");
    }
    check_elsewhere(server, refuse);
}

/// A socket has neither address nor port: one of them alone does not say where a probe goes.
fn check_elsewhere(server: &Server, mut refuse: impl FnMut(&str, &str)) {
    if !matches!(&server.addr, ServerAddr::Fixed(at) if at.ip().is_none()) {
        return;
    }
    let mut both = |what: &str, (addr, port): (&str, &str), is: (bool, bool)| {
        let (said, other) = match is {
            (true, false) => (addr, port),
            (false, true) => (port, addr),
            (true, true) | (false, false) => return,
        };
        refuse(&format!("it is at a socket: {what}`{said}` needs `{other}` beside it"), "");
    };
    if let Some(agent) = &server.watch.agent {
        both("", ("agent_addr", "agent_port"), (agent.addr.is_some(), agent.port.is_some()));
    }
    let Some(check) = &server.check else { return };
    both("", ("check_addr", "check_port"), (check.addr.is_some(), check.port.is_some()));
    // Steps say something else than the check: what both have in common goes for both.
    if check.addr.is_some() && check.port.is_some() {
        return;
    }
    for step in &check.script.steps {
        if let Action::Connect(connect) = &step.action {
            let what = format!("step {} of its checks connects elsewhere, and ", step.number);
            both(&what, ("addr", "port"), (connect.addr.is_some(), connect.port.is_some()));
        }
    }
}

/// What requests are made in needs some, and HTTP/2 needs more of them.
pub(super) fn check_protocol(
    cx: &mut Reader<'_>,
    server: &Spanned<String>,
    said: Option<&Spanned<ServerProtocol>>,
    check: &CheckConfig,
) {
    let requests = || {
        check.script.steps.iter().filter_map(|step| match &step.action {
            Action::Http(request) => Some(request),
            Action::Connect(_) | Action::Send(_) | Action::Expect(_) | Action::Protocol(_) => None,
        })
    };
    let has_host = |r: &HttpCheck| r.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if check.http.protocol == Some(ServerProtocol::Http2) && !requests().all(has_host) {
        let name = shown(&server.value);
        let message =
            format!("server {name}: an HTTP/2 check without a Host header: many servers answer 400");
        let help = "send = { uri = \"…\", headers = { Host = \"www.example.com\" } }, a step of `check`";
        cx.push_absence(Diagnostic::warning(Code::CheckWithoutHost, server.span, message).help(help));
    }
    let by_request = requests().next().is_some();
    if let Some(said) = said.filter(|said| said.value == ServerProtocol::Http2 && !by_request) {
        let name = shown(&server.value);
        let message =
            format!("server {name}: `check_proto` is about HTTP requests, and its checks make none");
        let d = Diagnostic::error(Code::BadCombination, said.span, message);
        cx.push(d.help("httpchk = \"/health\" in the backend"));
    }
}

/// What is said of the requests of checks needs checks that make some.
pub(super) fn check_requests(cx: &mut Reader<'_>, proxy: &Proxy, settings: &Settings) {
    let by_request = matches!(&settings.check, Some(HowChecked::By(script))
        if script.steps.iter().any(|step| matches!(step.action, Action::Http(_))));
    let HttpChecks { disable_on_404, send_state } = proxy.settings.http_checks;
    for (key, said) in [("disable_on_404", disable_on_404), ("send_state", send_state)] {
        if let Some(said) = said.filter(|said| said.value && !by_request) {
            let message = format!("`{key}` is about HTTP requests, and its checks make none");
            let d = Diagnostic::error(Code::BadCombination, said.span, message);
            cx.push(d.help("httpchk = \"/health\""));
        }
    }
}

/// Every `track` leads to a server that something watches, and not in a circle.
pub(super) fn check_tracks(cx: &mut Reader<'_>, backends: &[Backend]) {
    let mut all: BTreeMap<String, &Server> = BTreeMap::new();
    for backend in backends {
        for server in &backend.servers {
            all.insert(format!("{}/{}", backend.name.value, server.name.value), server);
        }
    }
    for (name, server) in &all {
        let Some(track) = &server.track else { continue };
        let Some(leader) = all.get(&track.value) else {
            cx.push(undefined("server", track, all.keys().map(String::as_str)));
            continue;
        };
        if leader.check.is_none() && leader.watch.agent.is_none() && leader.track.is_none() {
            let message = format!("server {} is watched by nothing: it is always up", shown(&track.value));
            cx.push(Diagnostic::error(Code::BadCombination, track.span, message).help("check = true, there"));
        }
        if leads_to(&all, server, name) {
            let message = format!("server {} follows itself", shown(name));
            cx.push(Diagnostic::error(Code::BadCombination, track.span, message));
        }
    }
}

fn leads_to(all: &BTreeMap<String, &Server>, from: &Server, name: &str) -> bool {
    let mut next = from.track.as_ref();
    for _ in 0..all.len() {
        match next {
            Some(track) if track.value == name => return true,
            Some(track) => next = all.get(&track.value).and_then(|s| s.track.as_ref()),
            None => return false,
        }
    }
    false
}
