//! What tables store, what rules count, and conditions on numbers.

use std::time::Duration;

use evenkeel_proxy::lua::Program;
use evenkeel_proxy::rules::{Range, TrackKey};
use evenkeel_proxy::table::{Counter, Event, Store};

use super::rule::{template, templated};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Condition, CountedDraft, CountingDraft, SubjectDraft, WhichDraft};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value::Bad;

/// Reads `store` of a table.
pub(super) fn store(cx: &mut Reader<'_>, _: &'static Key, node: Node<'_>) -> Option<Store> {
    let mut t = Fields::of(cx, &keys::TABLE_STORE, node.key, node)?;
    let mut counters = Vec::new();
    for (name, counter) in Counter::NAMES {
        let read = match counter {
            Counter::Rate(_) => t.read(cx, name, Reader::duration).map(|period| (period.value, true)),
            Counter::Current | Counter::Total(_) | Counter::Tag => {
                t.read(cx, name, Reader::bool).map(|yes| (Duration::ZERO, yes.value))
            }
        };
        counters.extend(read.filter(|(_, stored)| *stored).map(|(period, _)| (counter, period)));
    }
    t.finish(cx);
    Some(Store::new(counters))
}

/// What a rule counts, if it counts.
pub(super) fn rule(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<CountingDraft> {
    let track = t.read(cx, "track", |cx, _, node| track(cx, node));
    let gpc0 = t.read(cx, "sc_inc_gpc0", |cx, _, node| increase(cx, node, Event::Gpc0));
    let gpc1 = t.read(cx, "sc_inc_gpc1", |cx, _, node| increase(cx, node, Event::Gpc1));
    let tag = t.read(cx, "sc_set_gpt0", |cx, _, node| set_tag(cx, node));
    track.or(gpc0).or(gpc1).or(tag)
}

fn track(cx: &mut Reader<'_>, node: Node<'_>) -> Option<CountingDraft> {
    let mut t = Fields::of(cx, &keys::TRACK_KEY, node.key, node)?;
    let key = t.read(cx, "key", key);
    let which = which(cx, &mut t);
    t.finish(cx);
    Some(CountingDraft::Track(which?, key?))
}

fn increase(cx: &mut Reader<'_>, node: Node<'_>, event: Event) -> Option<CountingDraft> {
    let mut t = Fields::of(cx, &keys::SC, node.key, node)?;
    let which = which(cx, &mut t);
    t.finish(cx);
    Some(CountingDraft::Increase(which?, event))
}

fn set_tag(cx: &mut Reader<'_>, node: Node<'_>) -> Option<CountingDraft> {
    let mut t = Fields::of(cx, &keys::SC_SET, node.key, node)?;
    let which = which(cx, &mut t);
    let value = t.read(cx, "value", Reader::int::<u32>);
    t.finish(cx);
    Some(CountingDraft::SetTag(which?, value?.value))
}

fn which(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<WhichDraft> {
    let table = t.read(cx, "table", Reader::text);
    let sc = t.read(cx, "sc", Reader::int::<u8>).map(|sc| sc.value);
    Some(WhichDraft { table: table?, sc })
}

/// What of a request tells it from others.
pub(super) fn key(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<TrackKey>> {
    templated(cx, key, node, track_key)
}

fn track_key(text: &str, scripts: Option<&Program>) -> Result<TrackKey, Bad> {
    if let Some((_, key)) = KEYS.into_iter().find(|(word, _)| *word == text) {
        return Ok(key);
    }
    let template = template(text, scripts)?;
    if template.is_fixed() {
        let words = KEYS.map(|(word, _)| word);
        let help = match nearest(text, words) {
            Some(meant) => format!("\"{meant}\""),
            None => {
                format!("\"{}\", or a text with variables, as \"${{hdr(X-Api-Key)}}\"", words.join("\", \""))
            }
        };
        return Err(Bad::new("is the same for every request").help(help));
    }
    Ok(TrackKey::Text(template))
}

/// What a matcher asks tables.
pub(super) fn conditions(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<Condition> {
    let mut all = Vec::new();
    for key in keys::MATCHER.keys {
        let tracked = key.name.strip_prefix("sc_").map(|name| (name, true));
        let Some((name, tracked)) = tracked.or_else(|| Some((key.name.strip_prefix("src_")?, false))) else {
            continue;
        };
        let Some((_, counter)) = Counter::NAMES.into_iter().find(|(known, _)| *known == name) else {
            continue;
        };
        let read = t.read(
            cx,
            key.name,
            |cx, _, node| if tracked { of_tracked(cx, node) } else { of_source(cx, node) },
        );
        all.extend(read.map(|(of, range)| Condition::Counted(CountedDraft { of, counter, range })));
    }
    all
}

fn of_tracked(cx: &mut Reader<'_>, node: Node<'_>) -> Option<(SubjectDraft, Range)> {
    let mut t = Fields::of(cx, &keys::SC_COUNTED, node.key, node)?;
    let which = which(cx, &mut t);
    let range = range(cx, &mut t, node);
    t.finish(cx);
    Some((SubjectDraft::Tracked(which?), range?))
}

fn of_source(cx: &mut Reader<'_>, node: Node<'_>) -> Option<(SubjectDraft, Range)> {
    let mut t = Fields::of(cx, &keys::SRC_COUNTED, node.key, node)?;
    let table = t.read(cx, "table", Reader::text);
    let range = range(cx, &mut t, node);
    t.finish(cx);
    Some((SubjectDraft::Source(table?), range?))
}

/// What comparisons come to, all together.
pub(super) fn range(cx: &mut Reader<'_>, t: &mut Fields<'_>, node: Node<'_>) -> Option<Range> {
    let errors = cx.errors;
    let said = ["gt", "ge", "lt", "le", "eq"].map(|name| {
        let is_said = t.has(name);
        (t.read(cx, name, Reader::int::<u64>).map(|n| n.value), is_said)
    });
    let [gt, ge, lt, le, eq] = said.map(|(number, _)| number);
    if !said.iter().any(|(_, is_said)| *is_said) {
        let message = "a number is asked for, and not what it has to be";
        let help = "one of gt, ge, lt, le and eq, as in `gt = 100`";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
    }
    let least = [gt.map(|n| n.saturating_add(1)), ge, eq].into_iter().flatten().max();
    let below = lt.map(|n| n.checked_sub(1));
    let most = [below.flatten(), le, eq].into_iter().flatten().min();
    let range = Range { least: least.unwrap_or(0), most: most.unwrap_or(u64::MAX) };
    if below == Some(None) || range.least > range.most {
        cx.push(Diagnostic::error(Code::BadCombination, node.span, "no number is like this"));
    }
    (cx.errors == errors).then_some(range)
}

const KEYS: [(&str, TrackKey); 5] = [
    ("src", TrackKey::Source),
    ("dst", TrackKey::Destination),
    ("host", TrackKey::Host),
    ("path", TrackKey::Path),
    ("base", TrackKey::Base),
];
