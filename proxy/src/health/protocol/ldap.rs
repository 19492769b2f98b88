//! LDAPv3: an anonymous bind (RFC 4511 §4.2), and its response read as BER with definite lengths (§5.1).

use super::{Heard, invalid};
use crate::health::result::{CheckResult, CheckStatus};

/// Message 1: bind request of version 3, empty name, simple authentication with an empty password.
pub(super) const BIND: &[u8] =
    &[0x30, 0x0c, 0x02, 0x01, 0x01, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00];

pub(super) fn hear(received: &[u8]) -> Heard {
    match bind_response(received) {
        Ok((0, _)) => {
            let result = CheckResult::new(CheckStatus::L7Ok).with_code(0).with_info(b"Success");
            Heard::Over(Box::new(result), UNBIND.to_vec())
        }
        Ok((code, message)) => {
            let mut info = words(code).as_bytes().to_vec();
            if !message.is_empty() {
                info.extend_from_slice(b": ");
                info.extend_from_slice(message);
            }
            let result = CheckResult::new(CheckStatus::L7Status).with_code(code).with_info(&info);
            Heard::Over(Box::new(result), UNBIND.to_vec())
        }
        Err(Unread::Short) => Heard::More,
        Err(Unread::Foreign) => invalid("Not LDAPv3 protocol"),
    }
}

/// Why there is no response to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    /// More bytes are needed.
    Short,
    /// It is something else.
    Foreign,
}

/// Result code and diagnostic message. Within the outer message, whose length is known to be there, a lack of bytes is
/// a malformed message and not an unfinished one.
fn bind_response(received: &[u8]) -> Result<(u16, &[u8]), Unread> {
    let whole = |_| Unread::Foreign;
    let (message, _) = element(SEQUENCE, received)?;
    let (id, rest) = element(INTEGER, message).map_err(whole)?;
    if id != [1] {
        return Err(Unread::Foreign);
    }
    let (response, _) = element(BIND_RESPONSE, rest).map_err(whole)?;
    let (code, rest) = element(ENUMERATED, response).map_err(whole)?;
    let code = match code {
        [code] => u16::from(*code),
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => return Err(Unread::Foreign),
    };
    let (_matched_dn, rest) = element(OCTET_STRING, rest).map_err(whole)?;
    let (diagnostic, _) = element(OCTET_STRING, rest).map_err(whole)?;
    Ok((code, diagnostic))
}

/// The contents of the element of that tag at the start of `bytes`, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), Unread> {
    let (length, rest) = match bytes {
        [] => return Err(Unread::Short),
        [found, ..] if *found != tag => return Err(Unread::Foreign),
        [_] => return Err(Unread::Short),
        [_, short @ 0..0x80, rest @ ..] => (usize::from(*short), rest),
        [_, long, rest @ ..] => {
            let count = usize::from(long & 0x7f);
            // RFC 4511 §5.1 (1): only the definite form; more than four bytes would be a message of gigabytes.
            if !(1..=4).contains(&count) {
                return Err(Unread::Foreign);
            }
            let (digits, rest) = rest.split_at_checked(count).ok_or(Unread::Short)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    if length > LONGEST {
        return Err(Unread::Foreign);
    }
    rest.split_at_checked(length).ok_or(Unread::Short)
}

/// RFC 4511 §4.1.9, as far as a bind can end so.
fn words(code: u16) -> &'static str {
    match code {
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        13 => "confidentialityRequired",
        32 => "noSuchObject",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9",
    }
}

/// Message 2: unbind request (RFC 4511 §4.3).
const UNBIND: &[u8] = &[0x30, 0x05, 0x02, 0x01, 0x02, 0x42, 0x00];
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
const OCTET_STRING: u8 = 0x04;
/// `[APPLICATION 1]`, constructed.
const BIND_RESPONSE: u8 = 0x61;
/// A bind response that is longer does not fit into what is kept of an answer.
const LONGEST: usize = 16 * 1024;
