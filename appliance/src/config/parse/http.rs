//! Keys about how HTTP is spoken.

use std::num::NonZeroU64;

use evenkeel_proxy::bandwidth::Bandwidth;
use evenkeel_proxy::plan::{HttpReuse, RetryEvent, RetryOn};
use evenkeel_proxy::rules::action::{Keyed, Limit};

use super::counted;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::HttpSettings;
use crate::config::suggest::nearest;

/// Those that the section has.
pub(super) fn settings(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> HttpSettings {
    HttpSettings {
        min_request_rate: t.known(cx, "min_request_rate", Reader::int).map(|n| n.value),
        min_response_rate: t.known(cx, "min_response_rate", Reader::int).map(|n| n.value),
        retry_on: t.known(cx, "retry_on", retry_on),
        retry_non_idempotent: t.known(cx, "retry_non_idempotent", Reader::bool).map(|b| b.value),
        retry_budget: t.known(cx, "retry_budget", Reader::int).map(|n| n.value),
        abort_on_close: t.known(cx, "abortonclose", Reader::bool).map(|b| b.value),
        reuse: t.known(cx, "http_reuse", Reader::word).map(|word| match word.value {
            "never" => HttpReuse::Never,
            "always" => HttpReuse::Always,
            _ => HttpReuse::Safe,
        }),
        bandwidth: t.known(cx, "bandwidth", bandwidth),
    }
}

/// `false`, or a table.
fn bandwidth(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Bandwidth> {
    if node.value.as_bool() == Some(false) {
        return Some(Bandwidth::default());
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("bandwidth = { download = \"1MiB\" }".to_owned()));
        return None;
    }
    let mut t = Fields::of(cx, &keys::BANDWIDTH, node.key, node)?;
    let limits = rates(cx, &mut t, key, node);
    t.finish(cx);
    Some(limits)
}

/// `set_bandwidth_limit` of a rule.
pub(super) fn limit(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Limit> {
    let mut t = Fields::of(cx, &keys::SET_BANDWIDTH_LIMIT, node.key, node)?;
    let bandwidth = rates(cx, &mut t, key, node);
    let (is_keyed, by) = (t.has("key"), t.read(cx, "key", counted::key));
    t.finish(cx);
    let keyed = by.map(|by| Keyed::new(by.value, bandwidth));
    (keyed.is_some() == is_keyed).then_some(Limit { bandwidth, keyed })
}

fn rates(cx: &mut Reader<'_>, t: &mut Fields<'_>, key: &Key, node: Node<'_>) -> Bandwidth {
    let mut rate = |name| t.read(cx, name, Reader::size).and_then(|s| NonZeroU64::new(s.value));
    let limits = Bandwidth { download: rate("download"), upload: rate("upload") };
    if !t.has("download") && !t.has("upload") {
        let message = format!("`{}` limits nothing", key.name);
        let help = format!("{} = {{ download = \"1MiB\", upload = \"1MiB\" }}", key.name);
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
    }
    limits
}

fn retry_on(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<RetryOn> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some("retry_on = [\"conn-failure\", \"empty-response\"]".to_owned()));
        return None;
    };
    let events: Vec<_> = all.into_iter().map(|n| events(cx, key, n)).collect();
    // One that is wrong has been reported; the others do not stand for the whole.
    events.into_iter().try_fold(RetryOn::NONE, |on, event| Some(on.and(event?)))
}

fn events(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<RetryOn> {
    if let Some(number) = node.value.as_integer() {
        let status = number.as_str().parse().ok().filter(|s| RetryOn::STATUSES.contains(s));
        if status.is_none() {
            let message =
                format!("`{}`: {number} is no status after which a request is sent again", key.name);
            let known = RetryOn::STATUSES.map(|s| s.to_string()).join(", ");
            cx.push(Diagnostic::error(Code::BadValue, node.span, message).help(known));
        }
        return status.map(|s| RetryOn::NONE.with(RetryEvent::Status(s)));
    }
    let text = cx.text(key, node)?;
    let found = WORDS.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let message = format!("`{}`: {} is no event", key.name, shown(&text.value));
        let d = Diagnostic::error(Code::BadValue, node.span, message);
        let words = WORDS.map(|(word, _)| word);
        let d = match nearest(&text.value, words) {
            Some(meant) => d.replace_with(format!("\"{meant}\"")),
            None if text.value == "0rtt-rejected" => {
                d.help("early data is not accepted, so none is rejected")
            }
            None if text.value.parse::<u16>().is_ok() => d.help(format!("{}, without quotes", text.value)),
            None => d.help(words.join(", ")),
        };
        cx.push(d);
    }
    found.map(|(_, on)| *on)
}

const WORDS: [(&str, RetryOn); 6] = [
    ("none", RetryOn::NONE),
    ("conn-failure", RetryOn::NONE.with(RetryEvent::ConnFailure)),
    ("empty-response", RetryOn::NONE.with(RetryEvent::EmptyResponse)),
    ("junk-response", RetryOn::NONE.with(RetryEvent::JunkResponse)),
    ("response-timeout", RetryOn::NONE.with(RetryEvent::ResponseTimeout)),
    ("all-retryable-errors", RetryOn::ALL_RETRYABLE_ERRORS),
];
