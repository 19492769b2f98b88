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
    weight(range) == 0
}

/// The weight of an element of `Accept` or its kin, in thousandths (RFC 9110 §12.4.2). One that says none, or none that
/// can be read, has the greatest.
pub(crate) fn weight(element: &[u8]) -> u16 {
    let mut parameters = element.split(|b| *b == b';').skip(1).map(<[u8]>::trim_ascii);
    let said = parameters.find_map(|p| p.strip_prefix(b"q=").or_else(|| p.strip_prefix(b"Q=")));
    let Some((b'0', rest)) = said.and_then(<[u8]>::split_first) else { return MOST };
    if rest.iter().all(|b| matches!(b, b'0' | b'.')) {
        return 0;
    }
    let Some(digits) = rest.strip_prefix(b".").filter(|d| d.iter().all(u8::is_ascii_digit)) else {
        return MOST;
    };
    let thousandths =
        [100, 10, 1].into_iter().zip(digits).map(|(unit, d)| unit * u16::from(d - b'0')).sum::<u16>();
    // However little it is, it is not nothing.
    thousandths.max(1)
}

/// The weight of what is taken without reserve.
const MOST: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_thousandths() {
        for (element, expected) in [
            ("gzip", 1000),
            ("gzip;q=1", 1000),
            ("gzip;q=1.000", 1000),
            ("gzip; Q=0.5", 500),
            ("gzip ;x=y; q=0.75", 750),
            ("gzip;q=0.123", 123),
            ("gzip;q=0.0001", 1),
            ("gzip;q=0", 0),
            ("gzip;q=0.", 0),
            ("gzip;q=0.000", 0),
            ("gzip;q=", 1000),
            ("gzip;q=x", 1000),
            ("gzip;q=0.5x", 1000),
        ] {
            assert_eq!(weight(element.as_bytes()), expected, "{element}");
        }
    }
}
