//! Priorities, and whether tracks can change who is MASTER.

use std::collections::BTreeMap;

use evenkeel_vrrp::config::Preempt;
use evenkeel_vrrp::types::Priority;

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::RouterDraft;
use crate::config::model::{Track, Tracked};
use crate::config::read::{PerNode, Reader};
use crate::config::source::Spanned;

/// The priority of this node, after the rules for those of all nodes.
pub(super) fn of_node(cx: &mut Reader<'_>, r: &RouterDraft) -> Option<Spanned<u8>> {
    let Some(said) = &r.priority else { return Some(Spanned::new(USUAL, r.name.span)) };
    match said {
        PerNode::Same(value) => reserved(cx, *value),
        PerNode::Each(values, _) => {
            let mut by_value: BTreeMap<u8, (&str, Spanned<u8>)> = BTreeMap::new();
            for (node, value) in values {
                reserved(cx, *value);
                if let Some((first, at)) = by_value.get(&value.value) {
                    let message = format!(
                        "{}: {first} and {node} have the same priority {}",
                        r.name.value, value.value
                    );
                    cx.push(
                        Diagnostic::error(Code::VrrpEqualPriorities, value.span, message)
                            .related(at.span, "the other one"),
                    );
                } else {
                    by_value.insert(value.value, (node, *value));
                }
            }
        }
    }
    said.of(&cx.node)
}

fn reserved(cx: &mut Reader<'_>, value: Spanned<u8>) {
    if (Priority::MIN.value()..=Priority::LOST.value()).contains(&value.value) {
        let message = "priorities 1 and 2 are kept for nodes that cannot serve";
        cx.push(
            Diagnostic::error(Code::VrrpReservedPriority, value.span, message)
                .help("3 to 254, or 255 for the owner"),
        );
    }
}

/// Refuses weights that cannot do what they are there for.
pub(super) fn check_weights(cx: &mut Reader<'_>, r: &RouterDraft, tracks: &[Spanned<Track>]) {
    let weighted: Vec<(&Spanned<Track>, i32)> =
        tracks.iter().filter_map(|t| Some((t, i32::from(t.value.weight?)))).collect();
    let Some((first, _)) = weighted.first() else { return };
    if let Some(preempt) = r.preempt
        && preempt.value == Preempt::Never
    {
        let message = format!("{}: with preempt = \"never\" a weight moves nothing", r.name.value);
        let help = "leave the weight out: a failure then takes the node out";
        let d = Diagnostic::error(Code::VrrpNopreemptWeight, first.span, message).help(help);
        cx.push(d.related(preempt.span, "no BACKUP takes over from a lower MASTER"));
        return;
    }
    if let Some(owner) = owner(r) {
        let message = format!("{}: the owner's priority 255 is fixed, no weight changes it", r.name.value);
        let d = Diagnostic::error(Code::BadCombination, first.span, message);
        cx.push(
            d.related(owner.span, "the owner")
                .help("leave the weight out: a failure then takes the node out"),
        );
        return;
    }
    // What a file says is any number: its weight can always be enough.
    if !tracks.iter().any(|t| matches!(t.value.what, Tracked::File(_)) && t.value.weight.is_some()) {
        never_moves(cx, r, &weighted);
    }
}

fn owner(r: &RouterDraft) -> Option<Spanned<u8>> {
    let is_owner = |p: &&Spanned<u8>| Priority::new(p.value).is_owner();
    match r.priority.as_ref()? {
        PerNode::Same(p) => Some(p).filter(is_owner).copied(),
        PerNode::Each(values, _) => values.values().find(is_owner).copied(),
    }
}

/// The two highest nodes, everything good on the second and every weighted track failed on the first.
fn never_moves(cx: &mut Reader<'_>, r: &RouterDraft, weighted: &[(&Spanned<Track>, i32)]) {
    let Some(PerNode::Each(values, _)) = &r.priority else { return };
    let mut nodes: Vec<(&str, i32)> = values.iter().map(|(n, p)| (n.as_str(), i32::from(p.value))).collect();
    nodes.sort_by_key(|(name, p)| (-*p, *name));
    let (Some((high, high_base)), Some((low, low_base))) = (nodes.first(), nodes.get(1)) else { return };
    // A positive weight is added while good, a negative one while bad; `reverse` turns the sign.
    let signed = |t: &Track, w: i32| if t.reverse { -w } else { w };
    let good: i32 = weighted.iter().map(|(t, w)| signed(&t.value, *w).max(0)).sum();
    let bad: i32 = weighted.iter().map(|(t, w)| signed(&t.value, *w).min(0)).sum();
    let failed = i32::from(Priority::clamped(high_base + bad).value());
    let fit = i32::from(Priority::clamped(low_base + good).value());
    if failed < fit {
        return;
    }
    let what = if weighted.len() == 1 { "the check" } else { "every check" };
    let relation = if failed == fit { "=" } else { ">" };
    let message = format!(
        "{}: {high} {high_base}{}, {low} {low_base}{}: with {what} failed {high} keeps {failed} {relation} {fit}",
        r.name.value,
        weights(weighted),
        weights(weighted)
    );
    let enough = high_base - low_base + 1;
    let (span, negative) = weighted.first().map_or((r.name.span, false), |(t, w)| (t.span, *w < 0));
    let enough = if negative { format!("-{enough} or less") } else { format!("{enough} or more") };
    let help = format!("no weight, so that a failure takes the node out; or a weight of {enough}");
    cx.push(Diagnostic::error(Code::VrrpNeverMoves, span, message).help(help));
}

fn weights(weighted: &[(&Spanned<Track>, i32)]) -> String {
    weighted.iter().map(|(_, w)| format!(" + weight {w}")).collect()
}

/// Keepalived's default, and RFC 9568 §5.2.4's.
const USUAL: u8 = 100;
