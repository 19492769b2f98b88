//! What is done to servers.

use std::net::{IpAddr, SocketAddr};

use evenkeel_proxy::endpoint::Endpoint;
use evenkeel_proxy::health::{Forced, Mutable};
use evenkeel_proxy::io::sight::Sight;
use evenkeel_proxy::plan::{AdminState, BackendId, Plan, ServerId};

use super::{Call, Outcome};

/// The backend of that name.
pub(super) fn backend(plan: &Plan, name: &str) -> Option<BackendId> {
    (0..).map(BackendId).zip(plan.backends()).find(|(_, b)| b.name == name).map(|(id, _)| id)
}

/// The server that is named `backend/server`.
///
/// # Errors
/// What there is none of.
pub fn find(plan: &Plan, name: &str) -> Result<ServerId, String> {
    let (backend_name, server) = name.split_once('/').ok_or("Require 'backend/server'.")?;
    let backend = backend(plan, backend_name).ok_or("No such backend.")?;
    let own = plan.backends().get(usize::from(backend.0)).map(|b| b.servers.clone()).unwrap_or_default();
    let mut ids = own.map(ServerId);
    let found = ids.find(|id| plan.servers().get(id.0 as usize).is_some_and(|s| s.name == server));
    found.ok_or_else(|| "No such server.".to_owned())
}

/// Does something to the server that the word at `at` names.
fn with(call: &Call<'_>, at: usize, act: impl FnOnce(ServerId) -> Outcome) -> Outcome {
    match find(call.sight.plan(), call.word(at)) {
        Ok(id) => act(id),
        Err(why) => Outcome::Said(why),
    }
}

fn set_admin(call: &Call<'_>, at: usize, admin: AdminState) -> Outcome {
    with(call, at, |id| {
        call.sight.operator().set_admin(id, admin);
        Outcome::Done
    })
}

pub(super) fn enable(call: Call<'_>) -> Outcome {
    set_admin(&call, 2, AdminState::Ready)
}

pub(super) fn disable(call: Call<'_>) -> Outcome {
    set_admin(&call, 2, AdminState::Maint)
}

fn mute(call: &Call<'_>, probe: Mutable, muted: bool, otherwise: &str) -> Outcome {
    with(call, 2, |id| match call.sight.operator().mute(id, probe, muted) {
        // What there is none of is quiet already.
        true => Outcome::Done,
        false if muted => Outcome::Done,
        false => otherwise.into(),
    })
}

pub(super) fn enable_health(call: Call<'_>) -> Outcome {
    mute(&call, Mutable::Check, false, "Health check was not configured on this server, cannot enable.")
}

pub(super) fn disable_health(call: Call<'_>) -> Outcome {
    mute(&call, Mutable::Check, true, "")
}

pub(super) fn enable_agent(call: Call<'_>) -> Outcome {
    mute(&call, Mutable::Agent, false, "Agent was not configured on this server, cannot enable.")
}

pub(super) fn disable_agent(call: Call<'_>) -> Outcome {
    mute(&call, Mutable::Agent, true, "")
}

pub(super) fn get_weight(call: Call<'_>) -> Outcome {
    with(&call, 2, |id| {
        let now = call.sight.state().server(id).map_or(0, |s| s.weight);
        let initial = call.sight.plan().servers().get(id.0 as usize).map_or(0, |s| s.weight);
        Outcome::Said(format!("{now} (initial {initial})"))
    })
}

pub(super) fn set_weight(call: Call<'_>) -> Outcome {
    with(&call, 2, |id| weight(call.sight, id, call.word(3)))
}

/// `50`, or `50%` of the configured weight.
fn weight(sight: &Sight, id: ServerId, text: &str) -> Outcome {
    if text.is_empty() {
        return "Require <weight> or <weight%>.".into();
    }
    let initial = sight.plan().servers().get(id.0 as usize).map_or(0, |s| s.weight);
    let (number, relative) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let Ok(number) = number.parse::<i64>() else {
        let digits = number.chars().next().is_some_and(|c| c.is_ascii_digit());
        let trailing = if digits { "Trailing garbage in weight string" } else { GARBAGE };
        return trailing.into();
    };
    let weight = match relative {
        true if number < 0 => return "Relative weight must be positive.".into(),
        // HAProxy takes the largest for more.
        true => (i64::from(initial).saturating_mul(number) / 100).min(MAX_WEIGHT),
        false => number,
    };
    match u16::try_from(weight).ok().filter(|w| i64::from(*w) <= MAX_WEIGHT) {
        Some(weight) => {
            sight.operator().set_weight(id, weight);
            Outcome::Done
        }
        None => "Absolute weight can only be between 0 and 256 inclusive.".into(),
    }
}

pub(super) fn set_maxconn(call: Call<'_>) -> Outcome {
    with(&call, 3, |id| {
        let text = call.word(4);
        if text.is_empty() {
            return "Require <maxconn>.".into();
        }
        match text.parse::<u32>() {
            Ok(most) => {
                call.sight.operator().set_maxconn(id, (most > 0).then_some(most));
                Outcome::Done
            }
            Err(_) => "maxconn string empty or preceded by garbage".into(),
        }
    })
}

pub(super) fn set(call: Call<'_>) -> Outcome {
    let sight = call.sight;
    with(&call, 2, |id| match call.word(3) {
        "weight" => weight(sight, id, call.word(4)),
        "state" => match call.word(4) {
            "ready" => set_admin(&call, 2, AdminState::Ready),
            "drain" => set_admin(&call, 2, AdminState::Drain),
            "maint" => set_admin(&call, 2, AdminState::Maint),
            _ => "'set server <srv> state' expects 'ready', 'drain' and 'maint'.".into(),
        },
        "health" => {
            let to = match call.word(4) {
                "up" => Forced::Up,
                "stopping" => Forced::Stopping,
                "down" => Forced::Down,
                _ => return "'set server <srv> health' expects 'up', 'stopping', or 'down'.".into(),
            };
            match sight.operator().force(id, to) {
                true => Outcome::Done,
                false => "cannot change health on a tracking server.".into(),
            }
        }
        "agent" => {
            let up = match call.word(4) {
                "up" => true,
                "down" => false,
                _ => return "'set server <srv> agent' expects 'up' or 'down'.".into(),
            };
            match sight.operator().force_agent(id, up) {
                true => Outcome::Done,
                false => "agent checks are not enabled on this server.".into(),
            }
        }
        "addr" => address(&call, id),
        _ => USAGE.into(),
    })
}

/// `IP`, `IP port PORT`, `IP port +OFFSET`.
fn address(call: &Call<'_>, id: ServerId) -> Outcome {
    let (to, port) = (call.word(4), call.word(6));
    if to.is_empty() || (call.word(5) == "port" && port.is_empty()) {
        return "set server <b>/<s> addr requires an address and optionally a port.".into();
    }
    let Ok(ip) = to.parse::<IpAddr>() else {
        return Outcome::Said(format!("Invalid addr '{to}'{BY_SOCKET}"));
    };
    let Some(Endpoint::Ip(now)) = call.sight.state().addresses().endpoint(id).as_deref().cloned() else {
        return "this server has no address that could be changed.".into();
    };
    let new_port = match (call.word(5) == "port").then_some(port) {
        None => Some(now.port()),
        Some(text) => match text.strip_prefix(['+', '-']) {
            None => text.parse::<u16>().ok().filter(|p| *p > 0),
            Some(_) => {
                let offset = text.parse::<i32>().ok();
                offset.and_then(|o| u16::try_from(i32::from(now.port()) + o).ok()).filter(|p| *p > 0)
            }
        },
    };
    let Some(new_port) = new_port else {
        return Outcome::Said(format!("Invalid port '{port}'{BY_SOCKET}"));
    };
    call.sight.operator().readdress(id, SocketAddr::new(ip, new_port));
    let ip_said = match now.ip() == ip {
        true => "no need to change the addr".to_owned(),
        false => format!("IP changed from '{}' to '{ip}'", now.ip()),
    };
    let port_said = match (call.word(5) == "port", now.port() == new_port) {
        (false, _) => String::new(),
        (true, true) => ", no need to change the port".to_owned(),
        (true, false) => format!(", port changed from '{}' to '{new_port}'", now.port()),
    };
    Outcome::Said(format!("{ip_said}{port_said}{BY_SOCKET}"))
}

pub(super) fn shutdown_sessions(call: Call<'_>) -> Outcome {
    with(&call, 3, |id| {
        call.sight.state().shutdowns().order_by_operator(id);
        Outcome::Done
    })
}

const USAGE: &str = "usage: set server <backend>/<server> addr | agent | health | state | weight";
const GARBAGE: &str = "Empty weight string empty or preceded by garbage";
const BY_SOCKET: &str = " by 'stats socket command'";
/// HAProxy's largest weight.
const MAX_WEIGHT: i64 = 256;
