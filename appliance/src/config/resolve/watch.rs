//! Who watches whom: servers that follow others, and what needs checks to work.

use std::collections::BTreeMap;

use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Backend, Server};
use crate::config::read::{Reader, shown};

/// What a server says that cannot be.
pub(super) fn check_server(cx: &mut Reader<'_>, server: &Server, agent_wanted: bool, own_check: bool) {
    let name = &server.name;
    let mut refuse = |message: &str, help: &str| {
        let message = format!("server {}: {message}", shown(&name.value));
        cx.push(Diagnostic::error(Code::BadCombination, name.span, message).help(help));
    };
    if agent_wanted && server.watch.agent.is_none() {
        refuse("`agent_check` needs to know where the agent is", "agent_port = 9999");
    }
    if server.watch.observe.is_some() && server.check.is_none() && server.track.is_none() {
        refuse("`observe` needs checks, which bring the server up again", "check = true");
    }
    if server.track.is_some() && own_check {
        refuse("it follows another server and is not checked itself", "drop `check` or `track`");
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
