//! What the cookies of a request say, and which of them the server sees.

use super::cookie::{Cookie, Mode, ToServer};
use super::date::{LETTERS, Seconds};
use super::jar::Values;
use super::pairs::{Pair, pairs};
use crate::access_log;
use crate::plan::ServerId;

/// What a request says about the server it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presented {
    /// What its cookie is worth.
    pub worth: access_log::Cookie,
    /// The server it names.
    pub server: Option<ServerId>,
    /// When the client was last here, if the cookie says so.
    pub last: Option<Seconds>,
    /// When it came first.
    pub first: Option<Seconds>,
    /// There are cookies the server must not see as they are.
    pub edited: bool,
}

/// Looks at the `Cookie` fields of a request. `takes` says whether a server can take the request: not if it is down.
pub fn find<'a>(
    cookie: &Cookie,
    values: &Values,
    fields: impl Iterator<Item = &'a [u8]>,
    takes: impl Fn(ServerId) -> bool,
    now: Seconds,
) -> Presented {
    let mut presented = Presented { worth: access_log::Cookie::None, ..Presented::default() };
    for pair in fields.flat_map(pairs) {
        let Some(value) = pair.value.filter(|_| cookie.is_named(pair.name)) else { continue };
        presented.edited |= is_edited(cookie, value);
        if presented.server.is_none() {
            judge(cookie, values, value, &takes, now, &mut presented);
        }
    }
    presented
}

fn judge(
    cookie: &Cookie,
    values: &Values,
    value: &[u8],
    takes: &impl Fn(ServerId) -> bool,
    now: Seconds,
    presented: &mut Presented,
) {
    let (name, dates) = split(cookie, value);
    (presented.last, presented.first) = dates;
    let limit = |limit: Option<std::time::Duration>| limit.map(|l| l.as_secs());
    let beyond = |date: Option<Seconds>, limit: Option<u64>| {
        date.zip(limit).is_some_and(|(date, limit)| date.is_beyond(limit, now))
    };
    let too_old = beyond(presented.first, limit(cookie.maxlife));
    if too_old || beyond(presented.last, limit(cookie.maxidle)) {
        (presented.last, presented.first) = (None, None);
        presented.worth = if too_old { access_log::Cookie::Old } else { access_log::Cookie::Expired };
        return;
    }
    presented.worth = access_log::Cookie::Invalid;
    // An empty value names nobody: that is what a server without one takes the cookie away with.
    for server in values.servers(name).filter(|_| !name.is_empty()) {
        if takes(server) {
            presented.worth = access_log::Cookie::Valid;
            presented.server = Some(server);
            return;
        }
        presented.worth = access_log::Cookie::Down;
    }
}

/// The server's name in a value, and the dates behind it.
fn split<'a>(cookie: &Cookie, value: &'a [u8]) -> (&'a [u8], (Option<Seconds>, Option<Seconds>)) {
    let delimiter = match cookie.mode {
        Mode::Prefix => TILDE,
        Mode::Insert(_) | Mode::Rewrite => BAR,
    };
    let Some(end) = memchr::memchr(delimiter, value) else {
        return (value, (None, None));
    };
    let (name, rest) = value.split_at(end);
    if delimiter == TILDE {
        return (name, (None, None));
    }
    let rest = rest.get(1..).unwrap_or_default();
    let first = memchr::memchr(BAR, rest).and_then(|at| Seconds::decode(rest.get(at + 1..)?));
    (name, (Seconds::decode(rest.get(..LETTERS).unwrap_or_default()), first))
}

fn is_edited(cookie: &Cookie, value: &[u8]) -> bool {
    match cookie.mode {
        Mode::Insert(ToServer::Hidden) => true,
        Mode::Prefix => memchr::memchr(TILDE, value).is_some(),
        Mode::Insert(ToServer::Seen) | Mode::Rewrite => false,
    }
}

/// Appends what the server sees of a `Cookie` field. `false`: nothing is left of it, and nothing was appended.
pub fn write(out: &mut Vec<u8>, cookie: &Cookie, field: &[u8]) -> bool {
    let begin = out.len();
    // Attributes go with the cookie they stand behind.
    let mut dropping = false;
    for pair in pairs(field) {
        let ours = cookie.is_named(pair.name) && pair.value.is_some();
        dropping = match (pair.is_attribute(), cookie.mode) {
            (true, _) => dropping,
            (false, Mode::Insert(ToServer::Hidden)) => ours,
            (false, _) => false,
        };
        if !dropping {
            copy(out, cookie, field, &pair, ours, begin);
        }
    }
    out.len() > begin
}

fn copy(out: &mut Vec<u8>, cookie: &Cookie, field: &[u8], pair: &Pair<'_>, ours: bool, begin: usize) {
    let mut text = pair.at.clone();
    if out.len() == begin {
        // The first that stays needs no delimiter.
        let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b';' | b',');
        text.start += field.get(text.clone()).unwrap_or_default().iter().take_while(blank).count();
    }
    let tilde = match (ours, cookie.mode, pair.value) {
        (true, Mode::Prefix, Some(value)) => memchr::memchr(TILDE, value),
        _ => None,
    };
    match tilde {
        Some(at) => {
            out.extend_from_slice(field.get(text.start..pair.value_at.start).unwrap_or_default());
            out.extend_from_slice(field.get(pair.value_at.start + at + 1..text.end).unwrap_or_default());
        }
        None => out.extend_from_slice(field.get(text).unwrap_or_default()),
    }
}

/// Between our value and the server's in prefix mode (HAProxy's delimiter).
pub(super) const TILDE: u8 = b'~';

/// Between our value and its dates (HAProxy's delimiter).
pub(super) const BAR: u8 = b'|';

#[cfg(test)]
mod tests;
