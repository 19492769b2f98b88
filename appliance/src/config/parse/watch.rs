//! Agents, observation and ejection.

use std::time::Duration;

use evenkeel_proxy::plan::{Ejection, InitState, Layer, OnError, OnMarked};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::settings::WatchSettings;
use crate::config::source::Spanned;
use crate::config::value;

/// The keys of a server that concern what watches it beside its checks.
pub(super) fn settings(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> WatchSettings {
    fn plain<T>(v: Option<Spanned<T>>) -> Option<T> {
        v.map(|v| v.value)
    }
    WatchSettings {
        agent_check: t.read(cx, "agent_check", Reader::bool),
        agent_port: plain(t.read(cx, "agent_port", Reader::int)),
        agent_addr: plain(t.read(cx, "agent_addr", |cx, key, node| cx.address(key, node, value::ip))),
        agent_inter: plain(t.read(cx, "agent_inter", Reader::duration)),
        agent_send: plain(t.read(cx, "agent_send", Reader::text)),
        observe: t.read(cx, "observe", Reader::word).map(|w| w.map(layer)),
        error_limit: plain(t.read(cx, "error_limit", Reader::int)),
        on_error: t.read(cx, "on_error", Reader::word).map(|w| on_error(w.value)),
        init_state: t.read(cx, "init_state", Reader::word).map(|w| init_state(w.value)),
        on_marked_down: t.read(cx, "on_marked_down", Reader::word).map(|w| on_marked(w.value)),
        on_marked_up: t.read(cx, "on_marked_up", Reader::word).map(|w| on_marked(w.value)),
    }
}

/// `outlier_ejection`.
pub(super) fn ejection(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Ejection> {
    let mut t = Fields::of(cx, &keys::EJECTION, node.key, node)?;
    let consecutive_errors = t.read(cx, "consecutive_errors", Reader::int).map(|n| n.value);
    let failure_percent = t.read(cx, "failure_percent", Reader::int).map(|n| n.value);
    let min_requests = t.read(cx, "min_requests", Reader::int).map_or(20, |n| n.value);
    let mut duration = |name, default| {
        let said: Option<Spanned<Duration>> = t.read(cx, name, Reader::duration);
        said.map_or_else(|| Duration::from_secs(default), |d| d.value)
    };
    let (interval, time, max_time) =
        (duration("interval", 10), duration("time", 30), duration("max_time", 300));
    let max_percent = t.read(cx, "max_percent", Reader::int).map_or(10, |n| n.value);
    let said = t.has("consecutive_errors") || t.has("failure_percent");
    t.finish(cx);
    if !said {
        let message = "nothing says when a server is ejected";
        let help = "outlier_ejection = { consecutive_errors = 5 }, or failure_percent, or both";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
        return None;
    }
    Some(Ejection {
        consecutive_errors,
        failure_percent,
        min_requests,
        interval,
        time,
        max_time,
        max_percent,
    })
}

fn layer(word: &str) -> Layer {
    if word == "layer4" { Layer::Layer4 } else { Layer::Layer7 }
}

fn on_error(word: &str) -> OnError {
    match word {
        "fastinter" => OnError::FastInter,
        "sudden-death" => OnError::SuddenDeath,
        "mark-down" => OnError::MarkDown,
        _ => OnError::FailCheck,
    }
}

fn on_marked(word: &str) -> OnMarked {
    if word == "leave" { OnMarked::Leave } else { OnMarked::Shutdown }
}

fn init_state(word: &str) -> InitState {
    match word {
        "fully-up" => InitState::FullyUp,
        "down" => InitState::Down,
        "fully-down" => InitState::FullyDown,
        _ => InitState::Up,
    }
}
