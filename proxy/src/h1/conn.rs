//! What a message asks of its connection: persistence, `Expect`, `TE`, `Upgrade` (RFC 9110 §7.6.1, §7.8, RFC 9112 §9).

use super::class;
use super::field::Known;
use super::framing::BodyFraming;
use super::head::{HeadIndex, Version};

/// What the `Connection` fields of a message say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    bits: u8,
}

impl Options {
    const CLOSE: u8 = 1;
    const KEEP_ALIVE: u8 = 2;
    const UPGRADE: u8 = 4;
    const TE: u8 = 8;
    const OTHER: u8 = 16;

    /// Reads them from a head.
    #[inline]
    pub fn of(index: &HeadIndex, bytes: &[u8]) -> Self {
        let mut options = Self::default();
        if index.first(Known::Connection).is_some() {
            for field in index.all(Known::Connection) {
                options.read(field.value.of(bytes));
            }
        }
        options
    }

    fn read(&mut self, value: &[u8]) {
        // Nearly every value is one word.
        self.bits |= match value {
            b"keep-alive" | b"Keep-Alive" => Self::KEEP_ALIVE,
            b"close" => Self::CLOSE,
            _ => Self::of_list(value),
        };
    }

    fn of_list(value: &[u8]) -> u8 {
        let mut bits = 0;
        for option in members(value) {
            bits |= match option.len() {
                5 if option.eq_ignore_ascii_case(b"close") => Self::CLOSE,
                10 if option.eq_ignore_ascii_case(b"keep-alive") => Self::KEEP_ALIVE,
                7 if option.eq_ignore_ascii_case(b"upgrade") => Self::UPGRADE,
                2 if option.eq_ignore_ascii_case(b"te") => Self::TE,
                _ => Self::OTHER,
            };
        }
        bits
    }

    const fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// RFC 9112 §9.3: whether the sender of this message lets the connection persist.
    pub const fn persists(self, version: Version) -> bool {
        !self.has(Self::CLOSE)
            && match version {
                Version::Http11 => true,
                Version::Http10 => self.has(Self::KEEP_ALIVE),
            }
    }

    /// The `Upgrade` field was meant for us (RFC 9110 §7.8).
    pub const fn upgrade(self) -> bool {
        self.has(Self::UPGRADE)
    }

    /// The `TE` field was meant for us (RFC 9110 §10.1.4).
    pub const fn te(self) -> bool {
        self.has(Self::TE)
    }

    /// Other fields are named, which are to be removed.
    pub const fn nominates(self) -> bool {
        self.has(Self::OTHER)
    }
}

/// Whether a `Connection` field of the message names the field `name`.
pub fn is_nominated(index: &HeadIndex, bytes: &[u8], name: &[u8]) -> bool {
    index.all(Known::Connection).any(|f| members(f.value.of(bytes)).any(|m| m.eq_ignore_ascii_case(name)))
}

/// What an `Expect` field asks for (RFC 9110 §10.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// The client waits for 100 (Continue) before it sends the content.
    Continue,
    /// Something else: 417.
    Unknown,
}

/// What the request expects. HTTP/1.0 clients and requests without content cannot expect anything (RFC 9110 §10.1.1).
pub fn expectation(version: Version, framing: BodyFraming, index: &HeadIndex, bytes: &[u8]) -> Expectation {
    let Some(field) = index.first(Known::Expect) else { return Expectation::None };
    let plain =
        field.value.of(bytes).eq_ignore_ascii_case(b"100-continue") && !index.is_repeated(Known::Expect);
    match (plain, version, framing) {
        (false, _, _) => Expectation::Unknown,
        (true, Version::Http10, _) | (true, Version::Http11, BodyFraming::None) => Expectation::None,
        (true, Version::Http11, _) => Expectation::Continue,
    }
}

/// Whether a request may switch protocols: it asks for one in the proper way, and not for HTTP/2 in clear text, which
/// would let a client reach past the proxy's rules.
pub fn wants_upgrade(version: Version, options: Options, index: &HeadIndex, bytes: &[u8]) -> bool {
    // RFC 9110 §7.8: Upgrade in an HTTP/1.0 request is ignored.
    let Some(field) = index.first(Known::Upgrade) else { return false };
    version == Version::Http11
        && options.upgrade()
        && !index.is_repeated(Known::Upgrade)
        && !members(field.value.of(bytes)).any(|m| m.eq_ignore_ascii_case(b"h2c"))
}

/// Whether the sender takes trailers (RFC 9110 §10.1.4).
pub fn takes_trailers(options: Options, index: &HeadIndex, bytes: &[u8]) -> bool {
    options.te()
        && index
            .all(Known::Te)
            .any(|f| members(f.value.of(bytes)).any(|m| m.eq_ignore_ascii_case(b"trailers")))
}

/// The members of a comma-separated list; empty ones do not count (RFC 9110 §5.6.1).
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(class::trim_ows).filter(|m| !m.is_empty())
}

#[cfg(test)]
mod tests;
