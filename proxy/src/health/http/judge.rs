//! What a response is worth against its expectations, before all of it is there and after.

use super::{Response, field, lines};
use crate::health::result::{CheckResult, CheckStatus};
use crate::plan::{Expect, HeaderExpect, HttpCheck, HttpExpect, Says, TextMatch};

/// Judges before the end if the rest of the body cannot change the outcome.
pub(super) fn early(response: &Response, check: &HttpCheck) -> Option<CheckResult> {
    let Some(first) = undecided(response, check) else { return Some(whole(response, check)) };
    // An expectation before the first open one that already fails decides.
    let before = check.expect.iter().take_while(|e| !std::ptr::eq(*e, first));
    before.map(|e| test(response, e)).find_map(Result::err)
}

/// Judges all there is.
pub(super) fn whole(response: &Response, check: &HttpCheck) -> CheckResult {
    if check.expect.is_empty() && !(200..400).contains(&response.code) {
        let result = CheckResult::new(CheckStatus::L7Status).with_code(response.code);
        return result.with_info(&response.reason);
    }
    match check.expect.iter().try_for_each(|expect| test(response, expect)) {
        Ok(()) => passed(response, check),
        Err(failed) => failed,
    }
}

/// The first expectation whose outcome more of the body can change.
pub(super) fn undecided<'a>(response: &Response, check: &'a HttpCheck) -> Option<&'a HttpExpect> {
    check.expect.iter().find(|expect| !is_settled(response, &expect.wanted))
}

fn passed(response: &Response, check: &HttpCheck) -> CheckResult {
    let says = check.expect.last().map(|e| &e.says);
    let status = says.and_then(|s| s.ok_status).map_or(CheckStatus::L7Ok, CheckStatus::from);
    let info = says.and_then(|s| s.on_success.as_deref()).unwrap_or_default();
    CheckResult::new(status).with_code(response.code).with_info(info.as_bytes())
}

/// Whether more body leaves the outcome as it is: the head is known, and what was found stays.
fn is_settled(response: &Response, expect: &Expect) -> bool {
    match expect {
        Expect::Status(_) | Expect::StatusRegex(_) | Expect::Header(_) => true,
        Expect::String(text) => contains(&response.body, text),
        // Without a body there is nothing to look at, whatever the pattern takes.
        Expect::Regex(pattern) => {
            !response.body.is_empty() && pattern.keeps_matches() && pattern.is_match(&response.body)
        }
        Expect::Not(inner) => is_settled(response, inner),
    }
}

fn test(response: &Response, expect: &HttpExpect) -> Result<(), CheckResult> {
    let (holds, kind) = holds(response, &expect.wanted);
    // HAProxy: where there is no content, nothing can be said of it, not even that something is not in it.
    let is_blind = matches!(kind, Kind::Content { .. }) && response.body.is_empty();
    if holds && !is_blind { Ok(()) } else { Err(explain(response, expect, kind)) }
}

/// What an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    /// The content, and whether it should not have been there.
    Content {
        unwanted: bool,
    },
}

fn holds(response: &Response, expect: &Expect) -> (bool, Kind) {
    let content = Kind::Content { unwanted: false };
    match expect {
        Expect::Status(ranges) => (ranges.iter().any(|r| r.contains(&response.code)), Kind::Head),
        Expect::StatusRegex(pattern) => (pattern.is_match(response.code.to_string().as_bytes()), Kind::Head),
        Expect::Header(wanted) => (has_field(response, wanted), Kind::Head),
        Expect::String(text) => (contains(&response.body, text), content),
        Expect::Regex(pattern) => (pattern.is_match(&response.body), content),
        Expect::Not(inner) => match holds(response, inner) {
            (holds, Kind::Content { unwanted }) => (!holds, Kind::Content { unwanted: !unwanted }),
            (holds, Kind::Head) => (!holds, Kind::Head),
        },
    }
}

fn explain(response: &Response, expect: &HttpExpect, kind: Kind) -> CheckResult {
    let (status, usual): (_, &[u8]) = match kind {
        Kind::Head => (CheckStatus::L7Status, &response.reason),
        Kind::Content { .. } if response.body.is_empty() => {
            (CheckStatus::L7Response, b"HTTP content check could not find a response body")
        }
        Kind::Content { unwanted: true } => (CheckStatus::L7Response, b"HTTP check matched unwanted content"),
        Kind::Content { unwanted: false } => (CheckStatus::L7Response, b"HTTP content check did not match"),
    };
    let Says { on_error, error_status, .. } = &expect.says;
    let status = error_status.map_or(status, CheckStatus::from);
    let mut info = on_error.as_ref().map_or(usual, |text| text.as_bytes()).to_vec();
    if let Some(comment) = &expect.comment {
        info.extend_from_slice(b" comment: ");
        info.extend_from_slice(comment.as_bytes());
    }
    let result = if matches!(status, CheckStatus::L7Status | CheckStatus::L7OkConditional) {
        CheckResult::new(status).with_code(response.code)
    } else {
        CheckResult::new(status)
    };
    result.with_info(&info)
}

fn has_field(response: &Response, wanted: &HeaderExpect) -> bool {
    let named = lines(&response.fields).filter_map(field).filter(|(name, _)| is_named(name, &wanted.name));
    named.map(|(_, value)| value).any(|value| {
        let Some(text) = &wanted.value else { return true };
        if wanted.full {
            return matches(value, text);
        }
        value.split(|&b| b == b',').any(|part| matches(part.trim_ascii(), text))
    })
}

/// Names of fields are compared without regard to case (RFC 9110 §5.1); a pattern says for itself what it regards.
fn is_named(name: &[u8], wanted: &TextMatch) -> bool {
    if matches!(wanted, TextMatch::Regex(_)) {
        return matches(name, wanted);
    }
    let lower = match wanted {
        TextMatch::Exact(text) => TextMatch::Exact(text.to_ascii_lowercase()),
        TextMatch::Begins(text) => TextMatch::Begins(text.to_ascii_lowercase()),
        TextMatch::Ends(text) => TextMatch::Ends(text.to_ascii_lowercase()),
        TextMatch::Contains(text) => TextMatch::Contains(text.to_ascii_lowercase()),
        TextMatch::Regex(pattern) => TextMatch::Regex(pattern.clone()),
    };
    matches(&name.to_ascii_lowercase(), &lower)
}

fn matches(text: &[u8], wanted: &TextMatch) -> bool {
    match wanted {
        TextMatch::Exact(whole) => text == whole.as_bytes(),
        TextMatch::Begins(start) => text.starts_with(start.as_bytes()),
        TextMatch::Ends(end) => text.ends_with(end.as_bytes()),
        TextMatch::Contains(part) => contains(text, part.as_bytes()),
        TextMatch::Regex(pattern) => pattern.is_match(text),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}
