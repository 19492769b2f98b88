//! What the client is given: the server's own cookie changed or removed, ours added.

use std::ops::Range;

use super::cookie::{Cookie, Mode, Preserve};
use super::date::Seconds;
use super::pairs::pairs;
use super::request::{BAR, Presented, TILDE};
use crate::access_log::CookieAction;

/// What is known about a request when its response comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The backend's cookie.
    pub cookie: &'a Cookie,
    /// What the request said.
    pub presented: Presented,
    /// The value of the server that answers; `None`: it has none.
    pub value: Option<&'a [u8]>,
    /// The server is the one the request named.
    pub direct: bool,
    /// The request was a POST.
    pub post: bool,
    /// The time of day.
    pub now: Seconds,
}

/// What happens to a `Set-Cookie` field of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It is passed on as it is.
    Keep,
    /// It is removed.
    Remove,
    /// A part of its value is replaced.
    Replace {
        /// Which part.
        part: Range<usize>,
        /// By this.
        by: &'a [u8],
        /// And this.
        then: &'static [u8],
    },
}

impl Fate<'_> {
    /// Appends what becomes of the value of a field that is not removed.
    pub fn write(&self, out: &mut Vec<u8>, value: &[u8]) {
        match self {
            Self::Keep | Self::Remove => out.extend_from_slice(value),
            Self::Replace { part, by, then } => {
                for piece in [value.get(..part.start).unwrap_or_default(), by, then] {
                    out.extend_from_slice(piece);
                }
                out.extend_from_slice(value.get(part.end..).unwrap_or_default());
            }
        }
    }

    /// What the record calls it, if it concerns our cookie at all.
    pub const fn action(&self) -> Option<CookieAction> {
        match self {
            Self::Keep => None,
            Self::Remove => Some(CookieAction::Deleted),
            Self::Replace { .. } => Some(CookieAction::Rewritten),
        }
    }
}

impl<'a> Answer<'a> {
    /// What happens to a `Set-Cookie` field, and what the record calls that. Of several fields the last one counts.
    pub fn fate(&self, field: &[u8]) -> (Fate<'a>, Option<CookieAction>) {
        let Some(pair) = pairs(field).next() else { return (Fate::Keep, None) };
        if pair.value.is_none() || !self.cookie.is_named(pair.name) {
            return (Fate::Keep, None);
        }
        let value = pair.value_at;
        let fate = match (self.cookie.mode, self.value) {
            _ if self.cookie.preserve == Preserve::Yes => Fate::Keep,
            (Mode::Insert(_), _) => Fate::Remove,
            (Mode::Rewrite, Some(ours)) => Fate::Replace { part: value, by: ours, then: &[] },
            (Mode::Prefix, Some(ours)) => {
                Fate::Replace { part: value.start..value.start, by: ours, then: &[TILDE] }
            }
            (Mode::Rewrite | Mode::Prefix, None) => Fate::Keep,
        };
        let action = fate.action().or(Some(CookieAction::Passive));
        (fate, action)
    }

    /// Whether our cookie is added, after `seen` has happened to the server's, and what the record calls it then.
    pub fn insertion(&self, seen: CookieAction) -> Option<CookieAction> {
        let cookie = self.cookie;
        let inserts = matches!(cookie.mode, Mode::Insert(_));
        let left_to_server = cookie.preserve == Preserve::Yes && seen == CookieAction::Passive;
        if !inserts || left_to_server || (cookie.postonly && !self.post) {
            return None;
        }
        let Presented { last, first, .. } = self.presented;
        // A date is renewed once it is past, and taken away where it is not asked for.
        let dated = cookie.maxidle.is_some() || last.is_some();
        let stale = dated && last.is_none_or(|last| last < self.now);
        let first_changes = cookie.maxlife.is_some() != first.is_some();
        match (self.direct, self.value) {
            (true, _) if !stale && !first_changes => None,
            (true, Some(_)) => Some(CookieAction::Updated),
            _ => Some(CookieAction::Inserted),
        }
    }

    /// Appends the value of the `Set-Cookie` field that gives the client our cookie; one that takes it away, if the
    /// server has no value.
    pub fn write(&self, out: &mut Vec<u8>) {
        let cookie = self.cookie;
        out.extend_from_slice(cookie.name.as_bytes());
        out.push(b'=');
        match self.value {
            Some(value) => {
                out.extend_from_slice(value);
                self.write_dates(out);
                out.extend_from_slice(b"; path=/");
            }
            None => out.extend_from_slice(b"; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"),
        }
        for domain in &cookie.domains {
            out.extend_from_slice(b"; domain=");
            out.extend_from_slice(domain.as_bytes());
        }
        if cookie.httponly {
            out.extend_from_slice(b"; HttpOnly");
        }
        if cookie.secure {
            out.extend_from_slice(b"; Secure");
        }
        for attribute in &cookie.attributes {
            out.extend_from_slice(b"; ");
            out.extend_from_slice(attribute.as_bytes());
        }
    }

    fn write_dates(&self, out: &mut Vec<u8>) {
        if self.cookie.maxidle.is_none() && self.cookie.maxlife.is_none() {
            return;
        }
        out.push(BAR);
        out.extend_from_slice(&self.now.encode());
        if self.cookie.maxlife.is_some() {
            out.push(BAR);
            out.extend_from_slice(&self.presented.first.unwrap_or(self.now).encode());
        }
    }
}

/// Whether a cache may keep a response with this status without being told (RFC 9110 §15.1). Only such a response needs
/// to be marked when it carries a cookie of ours.
pub const fn is_cacheable_by_default(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 404 | 405 | 410 | 414 | 501)
}

/// Whether the value of a `Cache-Control` field keeps a response, or its cookies, out of shared caches already.
pub fn forbids_sharing(cache_control: &[u8]) -> bool {
    let directives = cache_control.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    directives.into_iter().any(|d| {
        let is = |name: &[u8]| d.eq_ignore_ascii_case(name);
        let begins = |name: &[u8]| d.get(..name.len()).is_some_and(|d| d.eq_ignore_ascii_case(name));
        is(b"private")
            || is(b"no-cache")
            || is(b"no-store")
            || is(b"max-age=0")
            || is(b"s-maxage=0")
            || begins(b"private=")
            || begins(b"no-cache=\"set-cookie")
    })
}

#[cfg(test)]
mod tests;
