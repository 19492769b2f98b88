//! An HTTP check: the request it sends, and the judgement of what comes back.
//!
//! The response is hostile until judged: at most [`HEAD_BYTES`] of head and [`BODY_BYTES`] of body are kept, and
//! nothing in it decides how long the check lasts (the caller's deadline does).

mod judge;

use super::chunked::Chunked;
use super::result::{CheckResult, CheckStatus};
use crate::plan::{HttpCheck, HttpExpect, HttpVersion};

/// The bytes of the request: no field but the configured ones, `Content-Length` with a body, and `Connection: close`
/// with HTTP/1.1; and `state`, if the server is told what is known of it.
pub fn request(check: &HttpCheck, state: Option<&str>) -> Vec<u8> {
    let version = match check.version {
        HttpVersion::V1_0 => "HTTP/1.0",
        HttpVersion::V1_1 => "HTTP/1.1",
    };
    let mut out = format!("{} {} {version}\r\n", check.method, check.uri).into_bytes();
    let mut field = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    };
    for (name, value) in fields(check, state) {
        field(name, value);
    }
    let has = |name: &str| check.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if !check.body.is_empty() && !has("content-length") {
        field("Content-Length", &check.body.len().to_string());
    }
    if check.version == HttpVersion::V1_1 && !has("connection") {
        field("Connection", "close");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&check.body);
    out
}

/// The fields of the request that are none of the protocol's.
pub fn fields<'a>(check: &'a HttpCheck, state: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let configured = check.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    configured.chain(state.map(|state| ("X-Haproxy-Server-State", state)))
}

/// A response while it comes in.
#[derive(Debug)]
pub struct Evaluation<'a> {
    check: &'a HttpCheck,
    on_404: On404,
    stage: Stage,
}

/// What a 404 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum On404 {
    /// What any other status does.
    #[default]
    Judge,
    /// The server wants no new work, whatever is expected of it.
    Stop,
}

#[derive(Debug)]
enum Stage {
    /// The head so far, how much of it is known not to contain its end, and how long those before it were.
    Head {
        head: Vec<u8>,
        searched: usize,
        before: usize,
    },
    Body(Response),
}

/// A response whose head is complete.
#[derive(Debug)]
struct Response {
    code: u16,
    reason: Vec<u8>,
    /// The lines of its fields.
    fields: Vec<u8>,
    framing: Framing,
    body: Vec<u8>,
    /// Bytes that came after the head.
    raw_bytes: usize,
}

/// Where the body ends.
#[derive(Debug)]
enum Framing {
    /// After so many bytes.
    Length(u64),
    Chunked(Chunked),
    /// Where the connection does.
    Close,
}

/// The fields of a head that matter here.
#[derive(Debug, Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
}

impl<'a> Evaluation<'a> {
    /// Nothing received yet.
    pub fn new(check: &'a HttpCheck) -> Self {
        Self { check, on_404: On404::Judge, stage: Stage::Head { head: Vec::new(), searched: 0, before: 0 } }
    }

    /// With another meaning of a 404.
    #[must_use]
    pub fn taking_404(self, on_404: On404) -> Self {
        Self { on_404, ..self }
    }

    /// Takes bytes in. `Some`: judged; more bytes would change nothing.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<CheckResult> {
        let mut pending = bytes;
        let mut carried;
        loop {
            match &mut self.stage {
                Stage::Body(response) => {
                    return match response.take(pending) {
                        // What stood before the fault may have settled it: the verdict must not depend on how the
                        // bytes were cut.
                        Err(text) => {
                            Some(judge::early(response, self.check).unwrap_or_else(|| invalid(text)))
                        }
                        Ok(()) if response.is_complete() => Some(judge::whole(response, self.check)),
                        Ok(()) => judge::early(response, self.check),
                    };
                }
                Stage::Head { head, searched, before } => {
                    head.extend_from_slice(pending);
                    if !begins_as_response(head) {
                        return Some(invalid("response does not begin with HTTP/"));
                    }
                    let end = head_end(head, *searched);
                    if before.saturating_add(end.unwrap_or(head.len())) > HEAD_BYTES {
                        return Some(invalid("response head too large"));
                    }
                    let Some(end) = end else {
                        *searched = head.len().saturating_sub(2);
                        return None;
                    };
                    carried = head.split_off(end);
                    pending = &carried;
                    match Response::parse(head, &self.check.method) {
                        Err(text) => return Some(invalid(text)),
                        // RFC 9110 §15.2: interim responses come before the one that counts.
                        Ok(interim) if (100..200).contains(&interim.code) && interim.code != 101 => {
                            *before += head.len();
                            head.clear();
                            *searched = 0;
                        }
                        Ok(Response { code: code @ 404, .. }) if self.on_404 == On404::Stop => {
                            return Some(CheckResult::new(CheckStatus::L7OkConditional).with_code(code));
                        }
                        Ok(response) => self.stage = Stage::Body(response),
                    }
                }
            }
        }
    }

    /// The connection has ended.
    pub fn end(&self) -> CheckResult {
        match &self.stage {
            Stage::Head { head, .. } if head.is_empty() => invalid("connection closed without a response"),
            Stage::Head { .. } => invalid("response head cut short"),
            Stage::Body(response) => judge::whole(response, self.check),
        }
    }

    /// The expectation that cannot be decided yet, if it is one that is waited for.
    pub fn undecided(&self) -> Option<&'a HttpExpect> {
        match &self.stage {
            Stage::Head { .. } => self.check.expect.first(),
            Stage::Body(response) => judge::undecided(response, self.check),
        }
    }
}

impl Response {
    fn parse(head: &[u8], method: &str) -> Result<Self, &'static str> {
        let (first, rest) = split_line(head);
        let (code, reason) = status_line(first).ok_or("invalid status line")?;
        let fields = Fields::parse(lines(rest))?;
        // RFC 9112 §6.3.
        let framing = if method == "HEAD" || matches!(code, 100..200 | 204 | 304) {
            Framing::Length(0)
        } else if fields.chunked {
            Framing::Chunked(Chunked::default())
        } else {
            fields.length.map_or(Framing::Close, Framing::Length)
        };
        let (reason, fields) = (reason.to_vec(), rest.to_vec());
        Ok(Self { code, reason, fields, framing, body: Vec::new(), raw_bytes: 0 })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.raw_bytes = self.raw_bytes.saturating_add(bytes.len());
        let room = BODY_BYTES.saturating_sub(self.body.len());
        match &mut self.framing {
            Framing::Chunked(position) => {
                position.decode(bytes, &mut self.body, room).map_err(|_| "invalid chunk in the body")?;
            }
            Framing::Length(left) => {
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                self.body.extend(bytes.iter().take(wanted.min(room)));
                *left -= u64::try_from(wanted).unwrap_or(*left);
            }
            Framing::Close => self.body.extend(bytes.iter().take(room)),
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let ended = match self.framing {
            Framing::Length(left) => left == 0,
            Framing::Chunked(position) => position == Chunked::Done,
            Framing::Close => false,
        };
        ended || self.body.len() >= BODY_BYTES || self.raw_bytes >= RAW_BODY_BYTES
    }
}

impl Fields {
    fn parse<'h>(lines: impl Iterator<Item = &'h [u8]>) -> Result<Self, &'static str> {
        let mut fields = Self::default();
        for (name, value) in lines.filter_map(field) {
            if name.eq_ignore_ascii_case(b"content-length") {
                fields.length = Some(decimal(value).ok_or("invalid Content-Length")?);
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                fields.chunked = value.to_ascii_lowercase().ends_with(b"chunked");
            }
        }
        Ok(fields)
    }
}

/// The first line without its end, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    let (line, rest) = bytes.split_at(end);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (line, rest) = (!bytes.is_empty()).then(|| split_line(bytes))?;
        bytes = rest;
        Some(line)
    })
}

/// Name and value of a field's line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at(memchr::memchr(b':', line)?);
    Some((name, value.get(1..)?.trim_ascii()))
}

/// Status and reason of `HTTP/1.1 200 OK`. The reason may be missing, with or without its space.
fn status_line(line: &[u8]) -> Option<(u16, &[u8])> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let [major, b'.', minor, b' ', a, b, c, rest @ ..] = rest else { return None };
    if !(major.is_ascii_digit() && minor.is_ascii_digit() && (b'1'..=b'9').contains(a)) {
        return None;
    }
    let code = u16::try_from(decimal(&[*a, *b, *c])?).ok()?;
    match rest {
        [] => Some((code, rest)),
        [b' ', reason @ ..] => Some((code, reason)),
        _ => None,
    }
}

/// Length of the head with its empty line, if it is complete. A bare LF ends a line, as HAProxy's checks accept.
/// No line ends before `searched`, or none that is followed by the end of an empty line.
fn head_end(head: &[u8], searched: usize) -> Option<usize> {
    let mut line_ends = memchr::memchr_iter(b'\n', head.get(searched..)?).map(|at| searched + at);
    line_ends.find_map(|at| match head.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Whether the bytes so far can become a response: what speaks another protocol is not waited for.
fn begins_as_response(head: &[u8]) -> bool {
    let start = b"HTTP/";
    head.starts_with(start) || start.starts_with(head)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn invalid(text: &str) -> CheckResult {
    CheckResult::new(CheckStatus::L7Response).with_info(text.as_bytes())
}

/// Most bytes of a response's head, as HAProxy's buffer, interim responses before it included.
pub const HEAD_BYTES: usize = 16 * 1024;

/// Most bytes of a response's body that are looked at, as HAProxy's buffer.
pub const BODY_BYTES: usize = 16 * 1024;

/// Most bytes of a response's body that are read: chunks may spend many on few, or on none.
const RAW_BODY_BYTES: usize = 4 * BODY_BYTES;

#[cfg(test)]
mod tests;
