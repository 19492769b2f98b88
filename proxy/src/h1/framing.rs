//! Where a message ends (RFC 9112 §6): the question request smuggling is about.
//!
//! Nothing is repaired. A message that two parsers could end at different places is refused, and what is forwarded
//! carries exactly one framing field, in its plainest spelling.

use super::field::Known;
use super::head::{HeadIndex, Method, Request, Response, Version};

/// How the content of a message is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none: the message is its head.
    None,
    /// That many bytes, at least 1.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything up to the end of the connection; responses only.
    UntilClose,
}

impl BodyFraming {
    /// Whether a request is forwarded in chunks although it came with a length: from 2^32 on, which a server that
    /// counts in 32 bits takes for a short one, and the rest of the content for more requests.
    pub const fn is_reframed(self) -> bool {
        matches!(self, Self::Length(bytes) if bytes > u32::MAX as u64)
    }
}

/// Why a message has no certain end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Not a plain decimal number below 2^63.
    #[error("malformed Content-Length")]
    ContentLength,
    /// Several Content-Length fields.
    #[error("repeated Content-Length")]
    RepeatedContentLength,
    /// Content-Length beside Transfer-Encoding.
    #[error("both Content-Length and Transfer-Encoding")]
    Both,
    /// Transfer-Encoding other than exactly `chunked`.
    #[error("unsupported Transfer-Encoding")]
    TransferEncoding,
    /// Transfer-Encoding in an HTTP/1.0 message.
    #[error("Transfer-Encoding in HTTP/1.0")]
    TransferEncodingIn10,
}

/// How the content of a request is delimited.
///
/// # Errors
/// The request must be refused and its connection closed.
pub fn of_request(request: &Request, index: &HeadIndex, bytes: &[u8]) -> Result<BodyFraming, FramingError> {
    // RFC 9112 §6.3 rule 7: a request with neither field has no content.
    Ok(declared(request.version, index, bytes, Repeats::Refused)?.unwrap_or(BodyFraming::None))
}

/// How the content of a final or interim response to a request with `method` is delimited.
///
/// # Errors
/// The response must not be forwarded; its connection cannot be used again.
pub fn of_response(
    response: &Response,
    method: Method,
    index: &HeadIndex,
    bytes: &[u8],
) -> Result<BodyFraming, FramingError> {
    let declared = declared(response.version, index, bytes, Repeats::IfEqual)?;
    // RFC 9112 §6.3 rule 1: no content whatever the fields say.
    if method == Method::Head || matches!(response.status, 100..=199 | 204 | 304) {
        return Ok(BodyFraming::None);
    }
    // RFC 9112 §6.3 rule 8.
    Ok(declared.unwrap_or(BodyFraming::UntilClose))
}

/// Whether equal Content-Length fields count as one (RFC 9112 §6.3 rule 5 allows it).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Requests: only an attacker or a broken client sends them.
    Refused,
    /// Responses: applications behind several layers do; the forwarded head carries the first only.
    IfEqual,
}

fn declared(
    version: Version,
    index: &HeadIndex,
    bytes: &[u8],
    repeats: Repeats,
) -> Result<Option<BodyFraming>, FramingError> {
    let length = index.first(Known::ContentLength);
    if let Some(coding) = index.first(Known::TransferEncoding) {
        // RFC 9112 §6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing.
        if version == Version::Http10 {
            return Err(FramingError::TransferEncodingIn10);
        }
        // RFC 9112 §6.1: either smuggling or splitting is attempted; it ought to be handled as an error.
        if length.is_some() {
            return Err(FramingError::Both);
        }
        // RFC 9112 §6.1, §7: a recipient knows chunked; `x, chunked`, `chunked,` and quoted or repeated forms are what
        // parsers disagree about, so exactly the one word is accepted.
        if index.is_repeated(Known::TransferEncoding)
            || !coding.value.of(bytes).eq_ignore_ascii_case(b"chunked")
        {
            return Err(FramingError::TransferEncoding);
        }
        return Ok(Some(BodyFraming::Chunked));
    }
    let Some(length) = length else { return Ok(None) };
    if index.is_repeated(Known::ContentLength) {
        let first = length.value.of(bytes);
        let equal = index.all(Known::ContentLength).all(|f| f.value.of(bytes) == first);
        if repeats == Repeats::Refused || !equal {
            return Err(FramingError::RepeatedContentLength);
        }
    }
    match content_length(length.value.of(bytes))? {
        0 => Ok(Some(BodyFraming::None)),
        n => Ok(Some(BodyFraming::Length(n))),
    }
}

/// RFC 9110 §8.6: `1*DIGIT`. Leading zeros are octal to some, and 2^63 and more are negative to some: both are refused.
fn content_length(value: &[u8]) -> Result<u64, FramingError> {
    let plain = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !plain {
        return Err(FramingError::ContentLength);
    }
    // At most 19 digits: below 10^19, which a u64 holds.
    let number = value.iter().fold(0_u64, |n, d| n.wrapping_mul(10).wrapping_add(u64::from(d - b'0')));
    i64::try_from(number).map(|_| number).map_err(|_| FramingError::ContentLength)
}

#[cfg(test)]
mod tests;
