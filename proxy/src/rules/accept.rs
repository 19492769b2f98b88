//! Whether a client takes a type of content: `Accept` (RFC 9110 §12.5.1).

use std::fmt;

use super::matcher::{Request, elements};

/// A type of content, such as `application/json`. In lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    kind: Box<str>,
    subtype: Box<str>,
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype)
    }
}

impl MediaType {
    /// Reads `type/subtype`, without parameters.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        let is_token = |t: &str| {
            !t.is_empty() && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        let named = is_token(kind) && is_token(subtype);
        named.then(|| Self {
            kind: kind.to_ascii_lowercase().into(),
            subtype: subtype.to_ascii_lowercase().into(),
        })
    }

    /// Whether the client takes it. The range that says most about it decides; a client that says nothing takes anything.
    pub fn is_accepted_by<R: Request>(&self, request: &R) -> bool {
        let (mut said, mut best) = (false, None);
        request.fields("accept", &mut |value| {
            for element in elements(value).filter(|e| !e.is_empty()) {
                said = true;
                if let Some(precision) = self.precision(element) {
                    best = best.max(Some((precision, !is_refused(element))));
                }
            }
            false
        });
        !said || best.is_some_and(|(_, taken)| taken)
    }

    /// How precisely a range says that it is meant. `None`: it is not.
    fn precision(&self, range: &[u8]) -> Option<u8> {
        let range = range.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
        let mut parts = range.splitn(2, |b| *b == b'/');
        let (kind, subtype) = (parts.next()?, parts.next()?);
        let is = |part: &[u8], own: &str| part.eq_ignore_ascii_case(own.as_bytes());
        match (kind, subtype) {
            (b"*", b"*") => Some(0),
            (kind, b"*") if is(kind, &self.kind) => Some(1),
            (kind, subtype) if is(kind, &self.kind) && is(subtype, &self.subtype) => Some(2),
            _ => None,
        }
    }
}

/// Whether a range has a weight of 0, which says that it is not taken (RFC 9110 §12.4.2).
fn is_refused(range: &[u8]) -> bool {
    let mut parameters = range.split(|b| *b == b';').skip(1).map(<[u8]>::trim_ascii);
    let weight = parameters.find_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")));
    weight.is_some_and(|w| w.first() == Some(&b'0') && w.iter().all(|b| matches!(b, b'0' | b'.')))
}
