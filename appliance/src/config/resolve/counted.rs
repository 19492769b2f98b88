//! Tables that rules count in and ask: looked up, and whether they have what is asked of them.

use std::collections::BTreeSet;

use evenkeel_proxy::rules::{Count, Number, Subject, Test, TrackKey};
use evenkeel_proxy::table::{Counter, Event, KeyType, TableConfig, TableId, Which};

use super::conditions::There;
use super::profiles::undefined;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{
    Condition, CountedDraft, CountingDraft, Draft, SubjectDraft, TcpActionDraft, WhichDraft,
};
use crate::config::read::{Reader, shown};
use crate::config::source::{Span, Spanned};

/// The table of that name.
pub(super) fn table<'t>(
    cx: &mut Reader<'_>,
    name: &Spanned<String>,
    tables: &'t [Spanned<TableConfig>],
) -> Option<(TableId, &'t TableConfig)> {
    let mut all = (0..).map(TableId).zip(tables);
    let found = all.find(|(_, table)| table.value.name == name.value);
    if found.is_none() {
        cx.push(undefined("table", name, tables.iter().map(|t| t.value.name.as_str())));
    }
    found.map(|(id, table)| (id, &table.value))
}

/// What a rule counts.
pub(super) fn counting(
    cx: &mut Reader<'_>,
    draft: &CountingDraft,
    tables: &[Spanned<TableConfig>],
) -> Option<Count> {
    match draft {
        CountingDraft::Track(which, key) => {
            let (which, table) = looked_up(cx, which, tables)?;
            if table.store.is_empty() {
                let message = format!("table {} counts nothing", shown(&table.name));
                let help = format!("[table.{}] store = {{ http_req_rate = \"10s\" }}", table.name);
                cx.push(Diagnostic::error(Code::BadCombination, key.span, message).help(help));
            }
            check_key(cx, key, table);
            Some(Count::Track(which, key.value.clone()))
        }
        CountingDraft::Increase(which, event) => {
            let at = which.table.span;
            let (which, table) = looked_up(cx, which, tables)?;
            // Either will do.
            let counters = [Counter::Total(*event), Counter::Rate(*event)];
            if !counters.iter().any(|counter| table.store.has(*counter)) {
                not_stored(cx, table, Counter::Total(*event), at);
            }
            Some(Count::Increase(which, *event))
        }
        CountingDraft::SetTag(which, value) => {
            let at = which.table.span;
            let (which, table) = looked_up(cx, which, tables)?;
            check_stored(cx, table, Counter::Tag, at);
            Some(Count::SetTag(which, *value))
        }
    }
}

/// A condition on a number.
pub(super) fn condition(cx: &mut Reader<'_>, draft: &CountedDraft, there: &There<'_>) -> Option<Test> {
    let (counter, tables) = (draft.counter, there.tables);
    let of = match &draft.of {
        SubjectDraft::Tracked(which) => {
            let at = which.table.span;
            let (which, table) = looked_up(cx, which, tables)?;
            check_stored(cx, table, counter, at);
            check_counted(cx, counter, table, there, at);
            Subject::Tracked(which)
        }
        SubjectDraft::Source(name) => {
            let (id, config) = table(cx, name, tables)?;
            check_stored(cx, config, counter, name.span);
            check_counted(cx, counter, config, there, name.span);
            if config.key == KeyType::Integer {
                no_addresses(cx, config, name.span);
            }
            Subject::Source(id)
        }
    };
    Some(Test::Counted(Number { of, counter }, draft.range))
}

fn looked_up<'t>(
    cx: &mut Reader<'_>,
    which: &WhichDraft,
    tables: &'t [Spanned<TableConfig>],
) -> Option<(Which, &'t TableConfig)> {
    let (id, config) = table(cx, &which.table, tables)?;
    Some((Which { table: id, sc: which.sc }, config))
}

fn check_stored(cx: &mut Reader<'_>, table: &TableConfig, counter: Counter, at: Span) {
    if !table.store.has(counter) {
        not_stored(cx, table, counter, at);
    }
}

/// Warns of conditions on what nothing counts.
fn check_counted(cx: &mut Reader<'_>, counter: Counter, table: &TableConfig, there: &There<'_>, at: Span) {
    let of_sessions = matches!(counter, Counter::Total(Event::Session) | Counter::Rate(Event::Session));
    if of_sessions && !there.counting_connections.contains(&table.name) {
        let message = format!("`{}` stays 0: no rule of `tcp_request` tracks in this table", counter.name());
        let help = "conn_cnt, conn_rate, http_req_cnt or http_req_rate; or `track` in `tcp_request`";
        cx.push(Diagnostic::warning(Code::BadCombination, at, message).help(help));
    }
}

fn not_stored(cx: &mut Reader<'_>, table: &TableConfig, counter: Counter, at: Span) {
    let (name, counter) = (&table.name, counter.name());
    let message = format!("table {} does not store `{counter}`", shown(name));
    let value = if counter.ends_with("_rate") { "\"10s\"" } else { "true" };
    let help = format!("[table.{name}] store = {{ {counter} = {value} }}");
    cx.push(Diagnostic::error(Code::BadCombination, at, message).help(help));
}

/// Warns of conditions on entries of a table that no rule tracks in: they never hold, and what they were to limit is not
/// limited.
pub(super) fn check_tracked(cx: &mut Reader<'_>, draft: &Draft) {
    let Draft { acl, proxies, tables, .. } = draft;
    let rules = || proxies.iter().flat_map(|p| &p.rules);
    let of_responses = proxies.iter().flat_map(|p| &p.response_rules).map(|rule| &rule.when);
    let of_connections = || proxies.iter().flat_map(|p| &p.tcp_rules);
    let counts = of_connections().filter_map(|rule| match &rule.action {
        TcpActionDraft::Counts(counting) => Some(counting),
        TcpActionDraft::Is(_) => None,
    });
    let tracked: BTreeSet<&str> = rules()
        .filter_map(|rule| rule.counting.as_ref())
        .chain(counts)
        .filter_map(|counting| match counting {
            CountingDraft::Track(which, _) => Some(which.table.value.as_str()),
            CountingDraft::Increase(..) | CountingDraft::SetTag(..) => None,
        })
        .collect();
    let named = acl.iter().chain(proxies.iter().flat_map(|p| &p.acl)).map(|(_, condition)| condition);
    let routes = proxies.iter().flat_map(|p| &p.routing.routes).map(|route| &route.when);
    let of_connections = of_connections().map(|rule| &rule.when);
    let in_place = rules().map(|rule| &rule.when).chain(of_responses).chain(routes).chain(of_connections);
    named.chain(in_place).for_each(|condition| {
        asked(condition, &mut |table| {
            let name = &table.value;
            let there = tables.iter().any(|t| t.value.name == *name);
            if there && !tracked.contains(name.as_str()) {
                let message = format!("no rule tracks in table {}: this never holds", shown(name));
                let help = format!("http_request = [{{ track = {{ key = \"src\", table = \"{name}\" }} }}]");
                cx.push_absence(Diagnostic::warning(Code::BadCombination, table.span, message).help(help));
            }
        });
    });
}

/// Shows the tables of tracked entries that a condition asks for.
fn asked<'c>(condition: &'c Condition, show: &mut dyn FnMut(&'c Spanned<String>)) {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| asked(part, show)),
        Condition::Not(part) => asked(part, show),
        Condition::Counted(CountedDraft { of: SubjectDraft::Tracked(which), .. }) => show(&which.table),
        Condition::Counted(_) | Condition::Gauge(_) | Condition::Named(_) | Condition::Test(_) => {}
    }
}

/// Refuses keys that only requests have.
pub(super) fn check_key_of_connection(cx: &mut Reader<'_>, counting: &CountingDraft) {
    let CountingDraft::Track(_, key) = counting else { return };
    let of_request = match &key.value {
        TrackKey::Host | TrackKey::Path | TrackKey::Base => true,
        TrackKey::Text(text) => text.needs_more_than_connection(),
        TrackKey::Source | TrackKey::Destination => false,
    };
    if of_request {
        let message = "a rule for connections cannot track what only requests have";
        let help = "\"src\", \"dst\", or `track` in `http_request`";
        cx.push(Diagnostic::error(Code::BadCombination, key.span, message).help(help));
    }
}

/// Refuses keys that a table cannot have. Texts may be what it can have: that is seen with each.
fn check_key(cx: &mut Reader<'_>, key: &Spanned<TrackKey>, table: &TableConfig) {
    let is_address = matches!(key.value, TrackKey::Source | TrackKey::Destination);
    let is_name = matches!(key.value, TrackKey::Host | TrackKey::Path | TrackKey::Base);
    match table.key {
        KeyType::Integer if is_address => no_addresses(cx, table, key.span),
        KeyType::Ip { .. } | KeyType::Integer if is_name => {
            let kind = if table.key == KeyType::Integer { "numbers" } else { "addresses" };
            let message = format!("the keys of table {} are {kind}", shown(&table.name));
            let d = Diagnostic::error(Code::BadCombination, key.span, message);
            cx.push(d.help(format!("[table.{}] type = \"string\"", table.name)));
        }
        KeyType::Ip { .. } | KeyType::Integer | KeyType::String { .. } | KeyType::Binary { .. } => {}
    }
}

/// Refuses to look for addresses in a table of numbers.
pub(super) fn no_addresses(cx: &mut Reader<'_>, table: &TableConfig, at: Span) {
    let message = format!("the keys of table {} are numbers, not addresses", shown(&table.name));
    let d = Diagnostic::error(Code::BadCombination, at, message);
    cx.push(d.help(format!("[table.{}] type = \"ip\"", table.name)));
}
