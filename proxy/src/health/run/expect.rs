//! What bytes are worth against an expectation, in HAProxy's words.

use super::SCRIPT;
use crate::health::result::{CheckResult, CheckStatus};
use crate::plan::{ByteExpect, ByteMatch};

/// Judges what has been received. `None`: more can change it, and more can come (`last`: it cannot).
pub(super) fn judge(
    expect: &ByteExpect,
    number: u16,
    comment: Option<&str>,
    received: &[u8],
    last: bool,
) -> Option<CheckResult> {
    if !last && received.len() < least(expect) {
        return None;
    }
    let found = is_found(&expect.wanted, received);
    if !found && !last && expect.min_recv.is_none() {
        return None;
    }
    if found != expect.negate {
        let status = expect.says.ok_status.map_or(CheckStatus::L7Ok, CheckStatus::from);
        let info = expect.says.on_success.as_ref().map_or(SCRIPT, |text| text.as_bytes());
        return Some(CheckResult::new(status).with_info(info));
    }
    let status = expect.says.error_status.map_or(CheckStatus::L7Response, CheckStatus::from);
    let mut info = expect.says.on_error.clone().unwrap_or_else(|| usual(expect, number, received, found));
    if let Some(comment) = comment {
        info.push_str(" comment: ");
        info.push_str(comment);
    }
    Some(CheckResult::new(status).with_info(info.as_bytes()))
}

/// The expectation in the place of a timeout or a broken connection.
pub(super) fn named(expect: &ByteExpect) -> String {
    match &expect.wanted {
        ByteMatch::Contains(text) => format!(" (expect string '{}')", String::from_utf8_lossy(text)),
        ByteMatch::Binary(bytes) => format!(" (expect binary '{}')", hex(bytes)),
        ByteMatch::Regex(_) => " (expect regex)".to_owned(),
        ByteMatch::BinaryRegex(_) => " (expect binary regex)".to_owned(),
    }
}

/// With fewer bytes there is nothing to look at.
fn least(expect: &ByteExpect) -> usize {
    let of_match = match &expect.wanted {
        ByteMatch::Contains(bytes) | ByteMatch::Binary(bytes) => bytes.len(),
        ByteMatch::Regex(_) | ByteMatch::BinaryRegex(_) => 0,
    };
    of_match.max(expect.min_recv.unwrap_or(0))
}

fn is_found(wanted: &ByteMatch, received: &[u8]) -> bool {
    match wanted {
        ByteMatch::Contains(bytes) | ByteMatch::Binary(bytes) => {
            memchr::memmem::find(received, bytes).is_some()
        }
        ByteMatch::Regex(pattern) => pattern.is_match(received),
        ByteMatch::BinaryRegex(pattern) => pattern.is_match(hex(received).as_bytes()),
    }
}

fn usual(expect: &ByteExpect, number: u16, received: &[u8], found: bool) -> String {
    if received.is_empty() {
        return format!("TCPCHK got an empty response at step {number}");
    }
    let verdict = if found { "TCPCHK matched unwanted content" } else { "TCPCHK did not match content" };
    let what = match &expect.wanted {
        ByteMatch::Contains(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ByteMatch::Binary(_) => "(binary)".to_owned(),
        ByteMatch::Regex(_) => "(regex)".to_owned(),
        ByteMatch::BinaryRegex(_) => "(binary regex)".to_owned(),
    };
    format!("{verdict} {what} at step {number}")
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
