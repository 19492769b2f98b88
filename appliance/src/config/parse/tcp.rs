//! `tcp_request`: what is done with connections.

use evenkeel_proxy::plan::TcpAction;

use super::condition::when;
use super::counted;
use super::rule::{does_one_thing, yes};
use crate::config::draft::{On, TcpActionDraft, TcpRuleDraft};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};

/// Reads the rules of a section, if it has the key.
pub(super) fn rules(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<TcpRuleDraft> {
    t.known(cx, "tcp_request", read).unwrap_or_default()
}

fn read(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<TcpRuleDraft>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some(format!("tcp_request = [{EXAMPLE}]")));
        return None;
    };
    Some(all.into_iter().filter_map(|n| rule(cx, n)).collect())
}

fn rule(cx: &mut Reader<'_>, node: Node<'_>) -> Option<TcpRuleDraft> {
    let mut t = Fields::of(cx, &keys::TCP_REQUEST, node.key, node)?;
    let errors = cx.errors;
    let said: Vec<&str> = ACTIONS.into_iter().filter(|a| t.has(a)).collect();
    let on = t.read(cx, "on", Reader::word).map_or(On::Connection, |word| match word.value {
        "session" => On::Session,
        "content" => On::Content,
        _ => On::Connection,
    });
    let accept = t.read(cx, "accept", yes).map(|()| TcpAction::Accept);
    let reject = t.read(cx, "reject", yes).map(|()| TcpAction::Reject);
    let dropped = t.read(cx, "silent_drop", yes).map(|()| TcpAction::SilentDrop);
    let ends = accept.or(reject).or(dropped).map(TcpActionDraft::Is);
    let counts = counted::rule(cx, &mut t).map(TcpActionDraft::Counts);
    let action = ends.or(counts);
    let when = when(cx, &mut t);
    let whole = cx.errors == errors;
    t.finish(cx);
    let one = does_one_thing(cx, node, &said, &ACTIONS);
    let draft = TcpRuleDraft { on, when, action: action?, at: node.span };
    (one && whole).then_some(draft)
}

const ACTIONS: [&str; 7] =
    ["accept", "reject", "silent_drop", "track", "sc_inc_gpc0", "sc_inc_gpc1", "sc_set_gpt0"];

const EXAMPLE: &str = "{ reject = true, if = { src = \"192.0.2.0/24\" } }";
