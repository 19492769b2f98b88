//! Redis: `PING` is answered by `+PONG`, or by an error whose text is told.

use super::{Heard, over};
use crate::health::result::CheckStatus;

/// The command as an array of one bulk string.
pub(super) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

pub(super) fn hear(received: &[u8], last: bool) -> Heard {
    let line = match memchr::memchr(b'\n', received) {
        Some(end) => received.get(..end).unwrap_or_default(),
        None if last && !received.is_empty() => received,
        None => return Heard::More,
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line == b"+PONG" {
        over(CheckStatus::L7Ok, "Redis server is ok")
    } else {
        over(CheckStatus::L7Status, line)
    }
}
