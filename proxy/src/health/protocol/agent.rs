//! An agent: it may be told something, and answers by one line.

use super::{Heard, over};
use crate::health::result::CheckStatus;

/// The line is whole; what it means is for [`crate::health::agent`].
pub(super) fn hear(received: &[u8], last: bool) -> Heard {
    match line(received) {
        Some(_) => over(CheckStatus::L7Ok, ""),
        None if last && !received.is_empty() => {
            over(CheckStatus::Checked, "Ignoring incomplete line from agent")
        }
        None => Heard::More,
    }
}

/// What stands before the first end of a line.
pub(in crate::health) fn line(received: &[u8]) -> Option<&[u8]> {
    let end = received.iter().position(|b| matches!(b, b'\r' | b'\n' | 0))?;
    received.get(..end)
}
