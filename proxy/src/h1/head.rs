//! Parses message heads in place: nothing is copied, a [`HeadIndex`] remembers where the parts are.
//!
//! Strict by design. A line ends in CRLF and nothing else, there is no folding, no blank before a colon, no control byte
//! in a value (RFC 9112 §2.2, §5): every one of these is read differently by some server behind us.

use super::class::{self, TARGET, TCHAR};
use super::field::{KNOWN, Known};

/// Bounds on a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes from the first to the empty line, that included. At most 2^24.
    pub bytes: usize,
    /// Field lines. At most 2^15.
    pub fields: usize,
}

/// The protocol version of a message, as far as it changes anything. A later minor version of HTTP/1 is treated as 1.1
/// (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1 and later minor versions.
    Http11,
}

/// The method, as far as it changes what a proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: the answer has no content.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// CONNECT.
    Connect,
    /// TRACE.
    Trace,
    /// Any other token.
    Other,
}

impl Method {
    /// Its token; empty: it is another one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other => "",
        }
    }

    /// Recognises a method; they are case-sensitive (RFC 9110 §9.1).
    pub fn of(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"CONNECT" => Self::Connect,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }

    /// RFC 9110 §9.2.2: doing it twice is doing it once, so it may be sent again when a connection broke.
    pub const fn is_idempotent(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace => true,
            Self::Post | Self::Connect | Self::Other => false,
        }
    }
}

/// A range of the parsed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[expect(clippy::cast_possible_truncation, reason = "heads are bounded by Limits::bytes, far below 2^32")]
    const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes it stands for. Empty if `bytes` is not what was parsed.
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Offset of the first byte.
    pub const fn start(self) -> usize {
        self.start as usize
    }

    /// Offset after the last byte.
    pub const fn end(self) -> usize {
        self.end as usize
    }
}

/// A request line, and how long the head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The method, recognised.
    pub method: Method,
    /// The method as sent.
    pub method_span: Span,
    /// The request target as sent.
    pub target: Span,
    /// The version as sent.
    pub version_span: Span,
    /// What the version means.
    pub version: Version,
    /// Bytes of the head, empty lines before it included.
    pub len: usize,
}

impl Request {
    /// The request line without its line end.
    pub const fn line(&self) -> Span {
        Span { start: self.method_span.start, end: self.version_span.end }
    }
}

/// A status line, and how long the head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// What the version means.
    pub version: Version,
    /// Bytes of the head.
    pub len: usize,
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, recognised.
    pub known: Known,
    /// The name as sent.
    pub name: Span,
    /// The value without the blanks around it.
    pub value: Span,
    /// The whole line with its line end.
    pub line: Span,
}

/// Why bytes are not a message head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A line ends in a bare LF, or holds a bare CR.
    #[error("line not ended by CRLF")]
    LineEnd,
    /// Not `method SP target SP version`, or not `version SP status [SP reason]`.
    #[error("malformed start line")]
    StartLine,
    /// Not HTTP/1.x.
    #[error("unsupported protocol version")]
    Version,
    /// Method longer than any in use.
    #[error("unknown method")]
    Method,
    /// Status outside 100 to 599.
    #[error("invalid status code")]
    Status,
    /// Not `name: value`: folded, blank before the colon, no colon, or not a token.
    #[error("malformed field line")]
    FieldName,
    /// Control byte in a value.
    #[error("control byte in a field value")]
    FieldValue,
    /// The start line alone exceeds the limit.
    #[error("start line too long")]
    StartLineTooLong,
    /// The head exceeds the limit on bytes.
    #[error("head too large")]
    TooLarge,
    /// The head exceeds the limit on fields.
    #[error("too many fields")]
    TooManyFields,
}

/// Where the fields of one head are. Meant to be kept and reused: parsing then allocates nothing.
#[derive(Debug, Default, Clone)]
pub struct HeadIndex {
    fields: Vec<Field>,
    /// For each known name, one more than the position of its first field; 0 if absent.
    first: [u16; KNOWN],
    /// Bit per known name: it occurs more than once.
    repeated: u16,
}

impl HeadIndex {
    /// Parses a request head at the start of `bytes`. `None`: more bytes are needed.
    ///
    /// # Errors
    /// The first thing that no continuation could make a request.
    pub fn parse_request(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Request>, HeadError> {
        let start = skip_empty_lines(bytes);
        let Some(line) = line_at(bytes, start)? else {
            return match bytes.len() > limits.bytes {
                true => Err(HeadError::StartLineTooLong),
                false => Ok(None),
            };
        };
        if line.end > limits.bytes {
            return Err(HeadError::StartLineTooLong);
        }
        let mut request = request_line(bytes, start, line.end)?;
        let Some(len) = self.parse_fields(bytes, line.next, limits)? else { return Ok(None) };
        request.len = len;
        Ok(Some(request))
    }

    /// Parses a response head at the start of `bytes`. `None`: more bytes are needed.
    ///
    /// # Errors
    /// The first thing that no continuation could make a response.
    pub fn parse_response(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Response>, HeadError> {
        // A server that does not speak HTTP is found out by its first bytes, not by a timeout.
        let known = bytes.len().min(PREFIX.len());
        if bytes[..known] != PREFIX[..known] {
            return Err(HeadError::Version);
        }
        let Some(line) = line_at(bytes, 0)? else {
            return match bytes.len() > limits.bytes {
                true => Err(HeadError::StartLineTooLong),
                false => Ok(None),
            };
        };
        let mut response = status_line(bytes, line.end)?;
        let Some(len) = self.parse_fields(bytes, line.next, limits)? else { return Ok(None) };
        response.len = len;
        Ok(Some(response))
    }

    /// All fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The first field of that name.
    #[inline]
    pub fn first(&self, known: Known) -> Option<&Field> {
        let at = *self.first.get(known as usize)?;
        self.fields.get(usize::from(at).checked_sub(1)?)
    }

    /// The value of the last field of that name, in any case.
    pub fn last<'a>(&self, bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let named = |f: &&Field| f.name.of(bytes).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().rev().find(named).map(|f| f.value.of(bytes))
    }

    /// All fields of that name.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &Field> {
        let from = self.first.get(known as usize).map_or(0, |at| usize::from(*at));
        let rest = if from == 0 { &[] } else { self.fields.get(from - 1..).unwrap_or_default() };
        rest.iter().filter(move |f| f.known == known)
    }

    /// Whether a name occurs more than once.
    #[inline]
    pub const fn is_repeated(&self, known: Known) -> bool {
        self.repeated & (1 << known as u16) != 0
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.first = [0; KNOWN];
        self.repeated = 0;
    }

    /// Field lines up to the empty line. The length of the head, or `None` if it is not all there.
    fn parse_fields(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        limits: &Limits,
    ) -> Result<Option<usize>, HeadError> {
        self.clear();
        loop {
            let line = match bytes.get(at) {
                Some(b'\r') if bytes.get(at + 1) == Some(&b'\n') => return within(at + 2, limits).map(Some),
                Some(b'\r') if bytes.len() == at + 1 => None,
                Some(b'\r' | b'\n') => return Err(HeadError::LineEnd),
                Some(_) => field_line(bytes, at)?,
                None => None,
            };
            let Some(field) = line else {
                return within(bytes.len(), limits).map(|_| None);
            };
            at = within(field.line.end(), limits)?;
            if self.fields.len() >= limits.fields {
                return Err(HeadError::TooManyFields);
            }
            self.push(field);
        }
    }

    #[inline]
    fn push(&mut self, field: Field) {
        self.fields.push(field);
        let Some(first) = self.first.get_mut(field.known as usize) else { return };
        if *first == 0 {
            *first = u16::try_from(self.fields.len()).unwrap_or(0);
        } else {
            self.repeated |= 1 << field.known as u16;
        }
    }
}

/// A line found in the bytes: where its text ends and where the next line starts.
struct Line {
    end: usize,
    next: usize,
}

/// RFC 9112 §2.2: a server ignores an empty line before the request line.
fn skip_empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    while bytes.get(at..at + 2) == Some(b"\r\n") {
        at += 2;
    }
    at
}

/// RFC 9112 §2.2: lines end in CRLF. A bare LF may be taken for a line end by the RFC and is not by us: servers differ.
#[inline]
fn line_at(bytes: &[u8], at: usize) -> Result<Option<Line>, HeadError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(lf) = memchr::memchr(b'\n', rest) else { return Ok(None) };
    match lf.checked_sub(1).and_then(|cr| rest.get(cr)) {
        Some(b'\r') => Ok(Some(Line { end: at + lf - 1, next: at + lf + 1 })),
        _ => Err(HeadError::LineEnd),
    }
}

/// RFC 9112 §3: `method SP request-target SP HTTP-version`, with exactly these two spaces.
fn request_line(bytes: &[u8], start: usize, end: usize) -> Result<Request, HeadError> {
    let line = bytes.get(start..end).unwrap_or_default();
    let method_len = class::run(line, TCHAR);
    if method_len == 0 || line.get(method_len) != Some(&b' ') {
        return Err(HeadError::StartLine);
    }
    let target_at = method_len + 1;
    let rest = &line[target_at..];
    let target_len = class::run(rest, TARGET);
    if target_len == 0 || rest.get(target_len) != Some(&b' ') {
        return Err(HeadError::StartLine);
    }
    let version_at = target_at + target_len + 1;
    let version = version(&line[version_at..])?;
    if method_len > LONGEST_METHOD {
        return Err(HeadError::Method);
    }
    Ok(Request {
        method: Method::of(&line[..method_len]),
        method_span: Span::new(start, start + method_len),
        target: Span::new(start + target_at, start + target_at + target_len),
        version_span: Span::new(start + version_at, end),
        version,
        len: 0,
    })
}

/// RFC 9112 §4: `HTTP-version SP status-code SP [reason-phrase]`. The second space is missing in the field, and harmless.
fn status_line(bytes: &[u8], end: usize) -> Result<Response, HeadError> {
    let line = bytes.get(..end).unwrap_or_default();
    let (head, rest) = line.split_at_checked(8).ok_or(HeadError::StartLine)?;
    let version = version(head)?;
    let [b' ', a, b, c, rest @ ..] = rest else { return Err(HeadError::StartLine) };
    if ![a, b, c].iter().all(|d| d.is_ascii_digit()) {
        return Err(HeadError::StartLine);
    }
    let reason = match rest {
        [] => rest,
        [b' ', reason @ ..] => reason,
        _ => return Err(HeadError::StartLine),
    };
    if !class::is_field_value(reason) {
        return Err(HeadError::StartLine);
    }
    let digit = |d: &u8| u16::from(d - b'0');
    let status = digit(a) * 100 + digit(b) * 10 + digit(c);
    // RFC 9110 §15: codes outside 100..599 are invalid; there is nothing true to pass on.
    if !(100..=599).contains(&status) {
        return Err(HeadError::Status);
    }
    Ok(Response { status, reason: Span::new(end - reason.len(), end), version, len: 0 })
}

/// RFC 9112 §2.3: `HTTP/` DIGIT `.` DIGIT, of major version 1.
#[inline]
fn version(bytes: &[u8]) -> Result<Version, HeadError> {
    match bytes {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(HeadError::Version),
        _ => Err(HeadError::StartLine),
    }
}

/// `len`, if a head may be so long.
#[inline]
fn within(len: usize, limits: &Limits) -> Result<usize, HeadError> {
    if len > limits.bytes { Err(HeadError::TooLarge) } else { Ok(len) }
}

/// RFC 9112 §5: `field-name ":" OWS field-value OWS CRLF`, in one pass. A blank before the name (folding, §5.2) or before
/// the colon (§5.1) is not a token and so refused. `None`: the line is not all there.
#[inline]
fn field_line(bytes: &[u8], at: usize) -> Result<Option<Field>, HeadError> {
    let name_end = at + class::token_run(bytes.get(at..).unwrap_or_default());
    match bytes.get(name_end) {
        Some(b':') if name_end > at => {}
        Some(_) => return Err(HeadError::FieldName),
        None => return Ok(None),
    }
    let mut start = name_end + 1;
    let mut end = class::text_end(bytes, start);
    let next = end + 2;
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {}
        (None | Some(b'\r'), None) => return Ok(None),
        (Some(b'\r' | b'\n'), _) => return Err(HeadError::LineEnd),
        _ => return Err(HeadError::FieldValue),
    }
    // In this text nothing but SP and HTAB is as low as that.
    while start < end && bytes[start] <= b' ' {
        start += 1;
    }
    while start < end && bytes[end - 1] <= b' ' {
        end -= 1;
    }
    Ok(Some(Field {
        known: Known::of(&bytes[at..name_end]),
        name: Span::new(at, name_end),
        value: Span::new(start, end),
        line: Span::new(at, next),
    }))
}

/// Every HTTP/1 message of a server starts with this.
const PREFIX: &[u8] = b"HTTP/1.";

/// RFC 9112 §3: a method longer than any the server implements gets 501. The longest registered one has 17 letters.
pub(super) const LONGEST_METHOD: usize = 32;

#[cfg(test)]
mod tests;
