//! Compression of responses on their way to a client.
//!
//! | module | what it is about |
//! |---|---|
//! | `accept` | codings that a client takes: `Accept-Encoding` |
//! | `response` | which responses are compressed, and what changes in their heads |
//! | `deflater` | one stream of compressed bytes, and those of a thread, bounded |
//! | `filter` | content of a response in, chunks of compressed content out |
//!
//! What is compressed is HAProxy's choice (`filter compression`): responses that are whole, to clients that take it, of
//! the types that the operator has listed. Their content goes out in chunks, because nobody knows how long it will be.

pub mod accept;
pub mod deflater;
pub mod filter;
pub mod response;

pub use accept::Algo;
pub use deflater::{Deflater, Deflaters};
pub use filter::Filter;

/// Which responses are compressed, and how (HAProxy: `compression`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compression {
    /// Codings, the preferred one first. Empty: nothing is compressed.
    pub algos: Vec<Algo>,
    /// Types of content; empty: any but `multipart`.
    pub types: Vec<MediaRange>,
    /// Content that is known to be smaller stays as it is, in bytes.
    pub min_size: u64,
    /// Effort, 1 (least) to 9.
    pub level: u8,
    /// Servers do not see what clients take, and so do not compress themselves.
    pub offload: bool,
}

/// Types of content: `text/html`, or all of a kind, `text/*`. In lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRange {
    kind: Box<str>,
    /// `None`: any.
    subtype: Option<Box<str>>,
}

impl MediaRange {
    /// Reads `type/subtype` or `type/*`, without parameters.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        let is_token = |t: &str| {
            !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        let subtype = match subtype {
            "*" => None,
            subtype if is_token(subtype) => Some(subtype.to_ascii_lowercase().into()),
            _ => return None,
        };
        is_token(kind).then(|| Self { kind: kind.to_ascii_lowercase().into(), subtype })
    }

    /// Whether content that says this of itself (`Content-Type`) is of this type.
    pub fn has(&self, content_type: &[u8]) -> bool {
        let essence = content_type.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let mut parts = essence.splitn(2, |b| *b == b'/');
        let (Some(kind), Some(subtype)) = (parts.next(), parts.next()) else { return false };
        let is = |part: &[u8], own: &str| part.eq_ignore_ascii_case(own.as_bytes());
        is(kind, &self.kind) && self.subtype.as_ref().is_none_or(|own| is(subtype, own))
    }
}

/// The least that looks for more than the nearest match: measured on text, what comes out is a quarter less than with 1, for
/// a third more time, and with 6 another tenth less for twice the time.
pub const USUAL_LEVEL: u8 = 2;

/// Less content is hardly smaller when compressed, with its 18 bytes of header and checksum.
pub const USUAL_MIN_SIZE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_case_and_parameters() {
        let html = MediaRange::parse("Text/HTML").unwrap();
        for (value, has) in [
            ("text/html", true),
            ("TEXT/html; charset=utf-8", true),
            (" text/html ;x", true),
            ("text/htmlx", false),
            ("text", false),
            ("", false),
            ("text/plain", false),
        ] {
            assert_eq!(html.has(value.as_bytes()), has, "{value}");
        }
        let text = MediaRange::parse("text/*").unwrap();
        assert!(text.has(b"text/css") && !text.has(b"textual/css") && !text.has(b"image/svg+xml"));
        for text in ["", "text", "text/", "/html", "*/*", "text/html; charset=x", "a b/c"] {
            assert_eq!(MediaRange::parse(text), None, "{text:?}");
        }
    }
}
