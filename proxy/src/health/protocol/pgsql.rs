//! PostgreSQL: a startup message of protocol 3.0 is answered by an authentication request, or by an error whose fields
//! are told.

use super::{Heard, invalid, over};
use crate::health::result::{CheckResult, CheckStatus};

/// `StartupMessage`: its length, the version, the user, a final zero.
pub(super) fn startup(user: &str) -> Vec<u8> {
    let mut body = VERSION_3.to_vec();
    body.extend_from_slice(b"user\0");
    body.extend_from_slice(user.as_bytes());
    body.extend_from_slice(b"\0\0");
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    let mut message = length.to_be_bytes().to_vec();
    message.append(&mut body);
    message
}

pub(super) fn hear(received: &[u8]) -> Heard {
    let (kind, rest) = match received {
        [] => return Heard::More,
        [kind @ (b'R' | b'E'), rest @ ..] => (*kind, rest),
        [..] => return invalid("not a PostgreSQL server"),
    };
    let [a, b, c, d, rest @ ..] = rest else { return Heard::More };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    let Some(length) = usize::try_from(length).ok().and_then(|n| n.checked_sub(4)) else {
        return invalid("not a PostgreSQL server");
    };
    if length > LONGEST {
        return invalid("not a PostgreSQL server");
    }
    let Some(body) = rest.get(..length) else { return Heard::More };
    if kind == b'E' { over(CheckStatus::L7Response, error(body)) } else { authentication(body) }
}

/// Any request is a sign of life: the server has found the user and asks for a password, or for none.
fn authentication(body: &[u8]) -> Heard {
    let [a, b, c, d, ..] = body else { return invalid("not a PostgreSQL server") };
    match u32::from_be_bytes([*a, *b, *c, *d]) {
        0 => {
            let result = CheckResult::new(CheckStatus::L7Ok).with_info(b"PostgreSQL server is ok");
            Heard::Over(Box::new(result), TERMINATE.to_vec())
        }
        2 | 3 | 5 | 6 | 7 | 9 | 10 => over(CheckStatus::L7Ok, "PostgreSQL server is ok"),
        _ => over(CheckStatus::L7Status, "PostgreSQL unknown error"),
    }
}

/// Severity, SQLSTATE and message of an `ErrorResponse`: fields of one letter and a text that ends with a zero. Servers
/// older than 9.6 translate the severity `S`; `V` is never translated.
fn error(body: &[u8]) -> Vec<u8> {
    let field = |letter: u8| {
        let mut fields = body.split(|&b| b == 0).filter_map(<[u8]>::split_first);
        fields.find(|(kind, _)| **kind == letter).map(|(_, text)| text)
    };
    let parts = [field(b'V').or_else(|| field(b'S')), field(b'C'), field(b'M')];
    let mut words = Vec::new();
    for part in parts.into_iter().flatten() {
        if !words.is_empty() {
            words.push(b' ');
        }
        words.extend_from_slice(part);
    }
    words
}

const VERSION_3: [u8; 4] = [0, 3, 0, 0];
/// `Terminate`: without it the server logs a lost connection.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
/// Longer first messages are not PostgreSQL's.
const LONGEST: usize = 8192;
