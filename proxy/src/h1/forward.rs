//! The head that goes on to the other side: the received one without what belongs to one hop, and with what we add.
//!
//! Runs of fields that stay are copied as they are, in one piece; a message without hop-by-hop fields is one copy.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use super::answer;
use super::chunked::Output;
use super::conn::{self, Expectation, Options};
use super::field::Known;
use super::framing::BodyFraming;
use super::head::{Field, HeadIndex, Method, Request, Response, Version};
use super::target::Target;
use crate::access_log::CookieAction;
use crate::decimal::push_ipv4;
use crate::rules::Edits;
use crate::sticky::response::Answer;
use crate::sticky::{self, Cookie};

/// What is decided about a request before its head is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct ToServer<'a> {
    /// The target, taken apart.
    pub target: Target<'a>,
    /// What its `Connection` said.
    pub options: Options,
    /// Whether 100 (Continue) is asked of the server.
    pub expectation: Expectation,
    /// Content of the request.
    pub framing: BodyFraming,
    /// Whether the request may switch protocols.
    pub upgrade: bool,
    /// The client's address to add.
    pub forwarded_for: Option<ForwardedFor<'a>>,
    /// The persistence cookie, if the server must not see it as it is.
    pub cookie: Option<&'a Cookie>,
    /// What rules change; `None`: nothing.
    pub edits: Option<&'a Edits>,
}

/// The client's address and the field that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardedFor<'a> {
    /// Field name.
    pub header: &'a str,
    /// The client.
    pub client: IpAddr,
    /// Leave a field the client sent alone.
    pub if_none: bool,
}

/// What is decided about a response before its head is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct ToClient<'a> {
    /// Version of the client.
    pub version: Version,
    /// Method of the request.
    pub method: Method,
    /// Content of the response.
    pub framing: BodyFraming,
    /// What the client's connection does after this response.
    pub after: After,
    /// Persistence by a cookie.
    pub sticky: Option<&'a Answer<'a>>,
    /// What rules of the backend change, then those of the frontend, then compression: each on top of those before it.
    pub edits: &'a [Cow<'a, Edits>],
}

/// What a connection does after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next message follows.
    Persist,
    /// It closes.
    Close,
    /// It becomes a tunnel.
    Switch,
}

impl ToClient<'_> {
    /// In what form chunked content goes to the client: HTTP/1.0 has no chunks.
    pub const fn output(&self) -> Output {
        match self.version {
            Version::Http11 => Output::Chunks,
            Version::Http10 => Output::Data,
        }
    }
}

/// Appends the head of `request` as a server of ours shall see it.
pub fn request(out: &mut Vec<u8>, request: &Request, index: &HeadIndex, bytes: &[u8], to: &ToServer<'_>) {
    out.reserve(request.len + ROOM);
    let line = to.edits.filter(|edits| edits.target().is_some() || edits.method().is_some());
    let from = match to.target {
        Target::Origin(_) if request.version_span.of(bytes) == b"HTTP/1.1" && line.is_none() => {
            request.line().start()
        }
        Target::Origin(_) | Target::Absolute { .. } | Target::Asterisk => {
            let method = line.and_then(Edits::method).unwrap_or_else(|| request.method_span.of(bytes));
            out.extend_from_slice(method);
            out.push(b' ');
            to.target.write_origin_form(Method::of(method), out);
            // RFC 9112 §2.3: an intermediary sends its own version.
            out.extend_from_slice(b" HTTP/1.1\r\n");
            index.fields().first().map_or(request.len - 2, |f| f.line.start())
        }
    };
    copy_fields(out, bytes, from, request.len - 2, index, |field| match to.edits {
        Some(edits) if edits.is_gone(field.name.of(bytes)) => Fate::Drop,
        _ => request_field(field, index, bytes, to),
    });
    // What servers trust of the client's address is the last that is said of it.
    if let Some(edits) = to.edits {
        edits.write(out);
    }
    request_additions(out, index, bytes, to);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of `response` as the client shall see it. What was done to the persistence cookie.
pub fn response(
    out: &mut Vec<u8>,
    response: &Response,
    index: &HeadIndex,
    bytes: &[u8],
    to: &ToClient<'_>,
) -> CookieAction {
    out.reserve(response.len + ROOM);
    let first = index.fields().first().map_or(response.len - 2, |f| f.line.start());
    let status = told_status(response.status, to.edits);
    let from = if status != response.status {
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(answer::reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        first
    } else if bytes.starts_with(b"HTTP/1.1 ") && bytes.get(12) == Some(&b' ') {
        0
    } else {
        // RFC 9112 §2.3, §4: our own version, and the space before an absent reason.
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, u64::from(response.status));
        out.push(b' ');
        out.extend_from_slice(response.reason.of(bytes));
        out.extend_from_slice(b"\r\n");
        first
    };
    let options = Options::of(index, bytes);
    let mut seen = CookieAction::NotApplicable;
    let edited = !to.edits.is_empty();
    copy_fields(out, bytes, from, response.len - 2, index, |field| {
        if edited && to.edits.iter().any(|edits| edits.is_gone(field.name.of(bytes))) {
            return Fate::Drop;
        }
        response_field(field, response.status, options, index, bytes, to, &mut seen)
    });
    if edited {
        add_edits(out, to.edits);
    }
    if let Some(answer) = to.sticky {
        seen = add_cookie(out, response.status, index, bytes, answer, seen);
    }
    let interim = matches!(response.status, 100..=199);
    match (to.after, to.version) {
        (After::Switch, _) => out.extend_from_slice(b"connection: upgrade\r\n"),
        (After::Close, Version::Http11) if !interim => out.extend_from_slice(b"connection: close\r\n"),
        (After::Persist, Version::Http10) if !interim => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (After::Close | After::Persist, _) => {}
    }
    out.extend_from_slice(b"\r\n");
    seen
}

/// The status that the client is told of a response with these changes. One that says that there is no content stays.
#[inline]
pub fn told_status(status: u16, edits: &[Cow<'_, Edits>]) -> u16 {
    let other = edits.iter().rev().find_map(|edits| edits.status());
    other.filter(|_| !matches!(status, 100..=199 | 204 | 304)).unwrap_or(status)
}

/// Adds what is added, but for what later changes take away.
#[cold]
fn add_edits(out: &mut Vec<u8>, edits: &[Cow<'_, Edits>]) {
    let mut later = edits;
    while let Some((first, rest)) = later.split_first() {
        first.write_without(out, rest);
        later = rest;
    }
}

/// Gives the client our cookie, if it needs it.
#[cold]
fn add_cookie(
    out: &mut Vec<u8>,
    status: u16,
    index: &HeadIndex,
    bytes: &[u8],
    answer: &Answer<'_>,
    seen: CookieAction,
) -> CookieAction {
    let seen = if seen == CookieAction::NotApplicable { CookieAction::None } else { seen };
    let Some(action) = answer.insertion(seen) else { return seen };
    out.extend_from_slice(b"set-cookie: ");
    answer.write(out);
    out.extend_from_slice(b"\r\n");
    let forbidden =
        || index.all(Known::CacheControl).any(|f| sticky::response::forbids_sharing(f.value.of(bytes)));
    if answer.cookie.nocache && sticky::response::is_cacheable_by_default(status) && !forbidden() {
        out.extend_from_slice(b"cache-control: private\r\n");
    }
    action
}

/// What happens to a field.
#[derive(Clone)]
enum Fate<'a> {
    Keep,
    Drop,
    /// Written anew without the blanks a lenient parser could trip over.
    Plain,
    /// A `Cookie` without what the server must not see.
    Cookie(&'a Cookie),
    /// A `Set-Cookie` with another value.
    SetCookie(sticky::response::Fate<'a>),
}

/// Copies the lines from `from` to `end` that stay, as few pieces as possible.
fn copy_fields<'a>(
    out: &mut Vec<u8>,
    bytes: &[u8],
    from: usize,
    end: usize,
    index: &HeadIndex,
    mut fate: impl FnMut(&Field) -> Fate<'a>,
) {
    let mut run = from;
    for field in index.fields() {
        let fate = fate(field);
        if matches!(fate, Fate::Keep) {
            continue;
        }
        out.extend_from_slice(bytes.get(run..field.line.start()).unwrap_or_default());
        run = field.line.end();
        if !matches!(fate, Fate::Drop) {
            write_anew(out, field, bytes, &fate);
        }
    }
    out.extend_from_slice(bytes.get(run..end).unwrap_or_default());
}

/// Writes a field that does not stay as it is.
fn write_anew(out: &mut Vec<u8>, field: &Field, bytes: &[u8], fate: &Fate<'_>) {
    let (begin, value) = (out.len(), field.value.of(bytes));
    out.extend_from_slice(field.name.of(bytes));
    out.extend_from_slice(b": ");
    match fate {
        Fate::Keep | Fate::Drop | Fate::Plain => out.extend_from_slice(value),
        Fate::Cookie(cookie) => {
            if !sticky::request::write(out, cookie, value) {
                // Nothing is left of it.
                return out.truncate(begin);
            }
        }
        Fate::SetCookie(fate) => fate.write(out, value),
    }
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn request_field<'a>(field: &Field, index: &HeadIndex, bytes: &[u8], to: &ToServer<'a>) -> Fate<'a> {
    match field.known {
        Known::Cookie if let Some(cookie) = to.cookie => Fate::Cookie(cookie),
        Known::Other | Known::Cookie | Known::SetCookie | Known::CacheControl => {
            nominated(field, to.options, index, bytes)
        }
        // RFC 9110 §7.6.1: about this hop only. What the next hop needs of it is added below.
        Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Http2Settings => Fate::Drop,
        Known::Te | Known::Upgrade => Fate::Drop,
        Known::Expect if to.expectation == Expectation::Continue => Fate::Keep,
        Known::Expect => Fate::Drop,
        // RFC 9112 §3.2.2: the authority of an absolute target replaces Host.
        Known::Host if matches!(to.target, Target::Absolute { .. }) => Fate::Drop,
        // Naming these in Connection would change whose request it is or where it ends: they stay.
        Known::Host => Fate::Keep,
        Known::ContentLength if to.framing.is_reframed() => Fate::Drop,
        Known::ContentLength | Known::TransferEncoding => plain(field, bytes),
    }
}

fn request_additions(out: &mut Vec<u8>, index: &HeadIndex, bytes: &[u8], to: &ToServer<'_>) {
    match to.target {
        Target::Absolute { authority, .. } if !to.edits.is_some_and(|e| e.is_gone(b"host")) => {
            write_field(out, b"host", authority)
        }
        Target::Absolute { .. } => {}
        // RFC 9112 §3.2: an HTTP/1.0 request may come without Host; ours may not go without.
        Target::Origin(_) | Target::Asterisk
            if index.first(Known::Host).is_none() && !to.edits.is_some_and(|e| e.is_gone(b"host")) =>
        {
            write_field(out, b"host", b"")
        }
        Target::Origin(_) | Target::Asterisk => {}
    }
    if to.framing.is_reframed() {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if to.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        for field in index.all(Known::Upgrade) {
            write_field(out, b"upgrade", field.value.of(bytes));
        }
    } else if index.first(Known::Te).is_some() && conn::takes_trailers(to.options, index, bytes) {
        // RFC 9110 §10.1.4: whoever sends TE names it in Connection.
        out.extend_from_slice(b"connection: te\r\nte: trailers\r\n");
    }
    if let Some(forwarded_for) = &to.forwarded_for {
        let name = forwarded_for.header.as_bytes();
        let stays = || !to.edits.is_some_and(|e| e.is_gone(name));
        let came = || index.fields().iter().any(|f| f.name.of(bytes).eq_ignore_ascii_case(name));
        let added = || to.edits.is_some_and(|e| e.added(forwarded_for.header).next().is_some());
        let sent = || (stays() && came()) || added();
        if !forwarded_for.if_none || !sent() {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            write_address(out, forwarded_for.client);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[inline]
fn response_field<'a>(
    field: &Field,
    status: u16,
    options: Options,
    index: &HeadIndex,
    bytes: &[u8],
    to: &ToClient<'a>,
    seen: &mut CookieAction,
) -> Fate<'a> {
    let bodiless = matches!(status, 100..=199 | 204);
    match field.known {
        Known::SetCookie if let Some(answer) = to.sticky => {
            let (fate, action) = answer.fate(field.value.of(bytes));
            *seen = action.unwrap_or(*seen);
            match fate {
                sticky::response::Fate::Keep => nominated(field, options, index, bytes),
                sticky::response::Fate::Remove => Fate::Drop,
                replace @ sticky::response::Fate::Replace { .. } => Fate::SetCookie(replace),
            }
        }
        Known::Other
        | Known::Te
        | Known::Expect
        | Known::Host
        | Known::Cookie
        | Known::SetCookie
        | Known::CacheControl => nominated(field, options, index, bytes),
        Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::Http2Settings => Fate::Drop,
        // RFC 9110 §15.2.2 and §15.5.22: these two answers say what to switch to.
        Known::Upgrade if status == 101 || status == 426 => Fate::Keep,
        Known::Upgrade => Fate::Drop,
        // RFC 9110 §8.6: no Content-Length in these.
        Known::ContentLength if bodiless => Fate::Drop,
        // Equal repeats were accepted as one.
        Known::ContentLength if index.first(Known::ContentLength) != Some(field) => Fate::Drop,
        Known::ContentLength => plain(field, bytes),
        // RFC 9112 §6.1: not in these, and not to an HTTP/1.0 client.
        Known::TransferEncoding if bodiless || to.output() == Output::Data => Fate::Drop,
        Known::TransferEncoding => plain(field, bytes),
    }
}

/// RFC 9110 §7.6.1: a field named in Connection is removed.
#[inline]
fn nominated(field: &Field, options: Options, index: &HeadIndex, bytes: &[u8]) -> Fate<'static> {
    if options.nominates() && conn::is_nominated(index, bytes, field.name.of(bytes)) {
        Fate::Drop
    } else {
        Fate::Keep
    }
}

/// Keeps a framing field that is spelled `name: value`, rewrites one with other blanks.
#[inline]
fn plain(field: &Field, bytes: &[u8]) -> Fate<'static> {
    let tight = field.value.start() == field.name.end() + 2 && field.line.end() == field.value.end() + 2;
    if tight && bytes.get(field.value.start() - 1) == Some(&b' ') { Fate::Keep } else { Fate::Plain }
}

pub(crate) fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(if value.is_empty() { b":" } else { b": " });
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// An address as `X-Forwarded-For` has it. IPv4 by hand: it is in nearly every request.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(v4) => push_ipv4(out, v4),
        // Writing to a Vec cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// A decimal number.
pub fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What we may add to a head, roughly: saves growing the buffer twice.
const ROOM: usize = 128;

#[cfg(test)]
mod tests;
