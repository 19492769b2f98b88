//! Fields of header blocks, both ways.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::Malformed;
use crate::h1::field::Known;
use crate::h1::head::{Field, Span};

/// RFC 9113 §8.2.1: a value neither starts nor ends with a blank. Control bytes never come this far.
pub(super) fn check_value(value: &[u8]) -> Result<&[u8], Malformed> {
    match value {
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => Err(Malformed::Field),
        value => Ok(value),
    }
}

/// RFC 9113 §8.2.2: fields that say something about one HTTP/1 connection make a message malformed.
pub(super) fn is_of_one_hop(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

/// Appends `name: value`.
pub(super) fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(if value.is_empty() { b":" } else { b": " });
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends trailers as they stand behind the last chunk.
///
/// # Errors
/// A field that HTTP/2 forbids.
pub fn write_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) -> Result<(), Malformed> {
    for (name, value) in trailers {
        write(out, name.as_str().as_bytes(), check_value(value.as_bytes())?);
    }
    Ok(())
}

/// The bytes of a head, in a form that field values can be cut out of.
///
/// Values share one copy of the head. A long head is copied value by value instead, because the peer's compression table
/// may keep a single value, and with it the copy, for as long as the connection lasts.
pub(super) enum Source<'a> {
    Shared(&'a [u8], Bytes),
    Single(&'a [u8]),
}

impl<'a> Source<'a> {
    pub(super) fn new(head: &'a [u8]) -> Self {
        if head.len() <= MOST_SHARED {
            Self::Shared(head, Bytes::copy_from_slice(head))
        } else {
            Self::Single(head)
        }
    }

    fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Shared(bytes, _) | Self::Single(bytes) => bytes,
        }
    }

    fn value(&self, span: Span) -> Result<HeaderValue, Malformed> {
        let value = match self {
            Self::Shared(bytes, shared) if span.end() <= bytes.len() => {
                HeaderValue::from_maybe_shared(shared.slice(span.start()..span.end()))
            }
            Self::Shared(bytes, _) | Self::Single(bytes) => HeaderValue::from_bytes(span.of(bytes)),
        };
        value.map_err(|_| Malformed::Field)
    }

    /// Adds a field of the head to a header block. Those about one hop stay behind (RFC 9113 §8.2.2).
    pub(super) fn append(&self, fields: &mut HeaderMap, field: &Field) -> Result<(), Malformed> {
        if is_of_one_hop(field.known) || matches!(field.known, Known::Te | Known::Http2Settings) {
            return Ok(());
        }
        let name = HeaderName::from_bytes(field.name.of(self.bytes())).map_err(|_| Malformed::Field)?;
        // More fields than the map holds are far beyond what a head may have.
        fields.try_append(name, self.value(field.value)?).map_err(|_| Malformed::Head)?;
        Ok(())
    }
}

/// Heads up to this size are copied once, not once per value.
const MOST_SHARED: usize = 4096;
