//! Conditions on numbers, servers and the time of day.

use std::num::NonZeroU32;

use evenkeel_proxy::rules::{Hours, Range, Test, Zone};

use super::condition::{field_name, listed, named_values};
use super::counted::range;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Condition, GaugeDraft, GaugeOf};
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader};
use crate::config::source::Spanned;
use crate::config::value::Bad;

/// Those that a matcher has.
pub(super) fn conditions(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Vec<Condition> {
    let counts = t.read(cx, "hdr_cnt", |cx, key, node| named_values(cx, key, node, field_name, compared));
    let counts = counts.unwrap_or_default().into_iter();
    let mut tests: Vec<Test> = counts.map(|(name, range)| Test::HeaderCount(name, range)).collect();
    tests.extend(t.read(cx, "url_len", |cx, _, node| compared(cx, node)).map(Test::TargetLength));
    tests.extend(t.read(cx, "time", |cx, _, node| hours(cx, node)).map(Test::Hours));
    tests.extend(
        t.read(cx, "rand", |cx, _, node| chance(cx, node)).map(|(of, range)| Test::Chance(of, range)),
    );
    let mut all: Vec<Condition> = tests.into_iter().map(Condition::Test).collect();
    for (key, of) in [("nbsrv", GaugeOf::Usable), ("queue", GaugeOf::Queued)] {
        all.extend(t.read(cx, key, |cx, _, node| gauge(cx, node, &keys::OF_BACKEND, of)));
    }
    for (key, of) in [("srv_conn", GaugeOf::Running), ("srv_queue", GaugeOf::Waiting)] {
        all.extend(t.read(cx, key, |cx, _, node| gauge(cx, node, &keys::OF_SERVER, of)));
    }
    all.extend(t.read(cx, "srv_is_up", servers_up));
    all
}

pub(super) fn compared(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Range> {
    let mut t = Fields::of(cx, &keys::COMPARED, node.key, node)?;
    let range = range(cx, &mut t, node);
    t.finish(cx);
    range
}

fn gauge(
    cx: &mut Reader<'_>,
    node: Node<'_>,
    section: &'static keys::Section,
    of: GaugeOf,
) -> Option<Condition> {
    let mut t = Fields::of(cx, section, node.key, node)?;
    let name = t.read(cx, if of.is_of_server() { "server" } else { "backend" }, Reader::text);
    let range = range(cx, &mut t, node);
    t.finish(cx);
    Some(Condition::Gauge(GaugeDraft { of, name: name?, range: range? }))
}

fn servers_up(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Condition> {
    let mut at = node.one_or_many().into_iter();
    let names = listed(cx, key, node, |name| Ok(name.to_owned()))?;
    let range = Range { least: 1, most: 1 };
    let up = |name: String| {
        let span = at.next().map_or(node.span, |node| node.span);
        Condition::Gauge(GaugeDraft { of: GaugeOf::Up, name: Spanned::new(name, span), range })
    };
    Some(Condition::Any(names.into_iter().map(up).collect()))
}

fn hours(cx: &mut Reader<'_>, node: Node<'_>) -> Option<Hours> {
    let mut t = Fields::of(cx, &keys::HOURS, node.key, node)?;
    let errors = cx.errors;
    let said = ["from", "to", "days"].into_iter().any(|key| t.has(key));
    let from = t.read(cx, "from", |cx, key, node| cx.parsed(key, node, clock));
    let to = t.read(cx, "to", |cx, key, node| cx.parsed(key, node, clock));
    let days = t.read(cx, "days", |cx, key, node| listed(cx, key, node, days));
    let utc = t.read(cx, "utc", Reader::bool).is_some_and(|utc| utc.value);
    t.finish(cx);
    if !said {
        let message = "a time of day that is any time";
        let help = "{ from = \"22:00\", to = \"06:00\", days = \"mon-fri\" }";
        cx.push_absence(Diagnostic::error(Code::MissingKey, node.span, message).help(help));
    }
    if let (Some(from), Some(to)) = (&from, &to)
        && from.value == to.value
    {
        let message = "a time of day that ends when it begins";
        cx.push(Diagnostic::error(Code::BadCombination, to.span, message));
    }
    let hours = Hours {
        from: from.map_or(0, |from| from.value),
        to: to.map_or(MIDNIGHT, |to| to.value),
        days: days.map_or(Hours::EVERY_DAY, |days| days.into_iter().fold(0, |all, days| all | days)),
        zone: if utc { Zone::Utc } else { Zone::Local },
    };
    (cx.errors == errors).then_some(hours)
}

/// Minutes since midnight.
fn clock(text: &str) -> Result<u16, Bad> {
    let bad = || Bad::new("is no time of day").help("\"00:00\" to \"24:00\"");
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        two.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour).ok_or_else(bad)?, number(minute).ok_or_else(bad)?);
    let minutes = hour * 60 + minute;
    if minute < 60 && minutes <= MIDNIGHT { Ok(minutes) } else { Err(bad()) }
}

/// A day, or one to another: a bit for each.
fn days(text: &str) -> Result<u8, Bad> {
    let number = |name: &str| {
        let at = Hours::DAYS.iter().position(|day| *day == name);
        at.ok_or_else(|| {
            Bad::new("is no day of the week").help(format!("\"{}\"", Hours::DAYS.join("\", \"")))
        })
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    // From Saturday to Monday is over the end of the week.
    let many = (last + 7 - first) % 7;
    Ok((0..=many).fold(0, |all, by| all | 1 << ((first + by) % 7)))
}

fn chance(cx: &mut Reader<'_>, node: Node<'_>) -> Option<(NonZeroU32, Range)> {
    let mut t = Fields::of(cx, &keys::RAND, node.key, node)?;
    let of = t.read(cx, "of", Reader::int::<u32>);
    let range = range(cx, &mut t, node);
    t.finish(cx);
    let of = NonZeroU32::new(of.map_or(100, |of| of.value))?;
    let range = range?;
    if range.least >= u64::from(of.get()) {
        let message = format!("a number below {of} is never {range}");
        cx.push(Diagnostic::error(Code::BadCombination, node.span, message));
        return None;
    }
    Some((of, range))
}

const MIDNIGHT: u16 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_days_are_read() {
        for (text, minutes) in [("00:00", Some(0)), ("09:30", Some(570)), ("24:00", Some(1440))] {
            assert_eq!(clock(text).ok(), minutes, "{text}");
        }
        for text in ["", "9:30", "24:01", "12:60", "12", "12:3", "+1:00", "12:00:00"] {
            assert!(clock(text).is_err(), "{text}");
        }
        for (text, bits) in
            [("mon", Some(1)), ("sun", Some(64)), ("mon-fri", Some(31)), ("sat-mon", Some(97))]
        {
            assert_eq!(days(text).ok(), bits, "{text}");
        }
        for text in ["", "monday", "mon-", "mon-fri-sun", "Mon"] {
            assert!(days(text).is_err(), "{text}");
        }
    }
}
