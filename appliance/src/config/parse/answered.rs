//! Conditions on responses.

use evenkeel_proxy::rules::{Answered, How, Range, Test};

use super::condition::{by_name, field_name, named_values, one_of};
use super::gauge::compared;
use crate::config::draft::Condition;
use crate::config::keys::Key;
use crate::config::read::{Fields, Node, Reader};
use crate::config::value::Bad;

/// Those that a matcher has.
pub(super) fn conditions(cx: &mut Reader<'_>, t: &mut Fields<'_>, nocase: bool) -> Vec<Condition> {
    let mut tests: Vec<Answered> = t.read(cx, "status", statuses).map(Answered::Status).into_iter().collect();
    for (key, how) in RES_HDR {
        let named = by_name(cx, t, key, how, nocase, field_name);
        tests.extend(named.into_iter().map(|(name, texts)| Answered::Header(name, texts)));
    }
    let counts = t.read(cx, "res_hdr_cnt", |cx, key, node| named_values(cx, key, node, field_name, compared));
    tests.extend(
        counts.unwrap_or_default().into_iter().map(|(name, range)| Answered::HeaderCount(name, range)),
    );
    let mut all: Vec<Condition> =
        tests.into_iter().map(|answered| Condition::Test(Test::Response(answered))).collect();
    all.extend(one_of(cx, t, "res_hdr_exists", field_name, |name| Test::Response(Answered::HasHeader(name))));
    all
}

/// Numbers, and texts such as "500-599".
fn statuses(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Range>> {
    let all = node.one_or_many();
    let count = all.len();
    let read: Vec<_> = all.into_iter().filter_map(|node| status(cx, key, node)).collect();
    if count == 0 {
        cx.bad_value(key, node, "", Bad::new("is no status: nothing could match it"));
    }
    (count > 0 && read.len() == count).then_some(read)
}

fn status(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Range> {
    let said = match (node.value.as_integer(), node.value.as_str()) {
        (Some(number), _) => number.as_str().to_owned(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => {
            cx.wrong_type(key, node, Some("status = [404, \"500-599\"]".into()));
            return None;
        }
    };
    let (from, to) = said.split_once('-').unwrap_or((&said, &said));
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|status| (100..=999).contains(status));
    match (number(from), number(to)) {
        (Some(least), Some(most)) if least <= most => Some(Range { least, most }),
        _ => {
            let bad = Bad::new("is neither a status nor a range of them").help("404, \"500-599\"");
            cx.bad_value(key, node, &said, bad);
            None
        }
    }
}

const RES_HDR: [(&str, How); 5] = [
    ("res_hdr", How::Exact),
    ("res_hdr_beg", How::Prefix),
    ("res_hdr_end", How::Suffix),
    ("res_hdr_sub", How::Substring),
    ("res_hdr_reg", How::Regex),
];
