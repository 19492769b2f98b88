//! The field names a proxy acts on, recognised once while the head is parsed.

use super::class;

/// A field name this crate acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Known {
    /// RFC 9110 §7.2.
    Host,
    /// RFC 9110 §8.6.
    ContentLength,
    /// RFC 9112 §6.1.
    TransferEncoding,
    /// RFC 9110 §7.6.1.
    Connection,
    /// RFC 9112 §C.2.2: a connection option that is also a field.
    KeepAlive,
    /// The same intent as `Connection`, from clients that speak to a proxy; never forwarded (RFC 9112 §C.2.2).
    ProxyConnection,
    /// RFC 9110 §7.8.
    Upgrade,
    /// RFC 9110 §10.1.4.
    Te,
    /// RFC 9110 §10.1.1.
    Expect,
    /// Settings of an upgrade to HTTP/2 in clear text, a connection option (RFC 7540 §3.2.1).
    Http2Settings,
    /// RFC 6265 §5.4.
    Cookie,
    /// RFC 6265 §5.2.
    SetCookie,
    /// RFC 9111 §5.2.
    CacheControl,
    /// Any other name.
    Other,
}

/// How many names are known, [`Known::Other`] not counted.
pub(super) const KNOWN: usize = Known::Other as usize;

impl Known {
    /// Recognises `name`, which is a token, whatever its case (RFC 9110 §5.1).
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        // The length and the first letter leave one candidate.
        let Some(first) = name.first() else { return Self::Other };
        let (known, spelling): (Self, &[u8]) = match (name.len(), first | 0x20) {
            (2, b't') => (Self::Te, b"te"),
            (4, b'h') => (Self::Host, b"host"),
            (6, b'c') => (Self::Cookie, b"cookie"),
            (6, b'e') => (Self::Expect, b"expect"),
            (7, b'u') => (Self::Upgrade, b"upgrade"),
            (10, b's') => (Self::SetCookie, b"set-cookie"),
            (10, b'k') => (Self::KeepAlive, b"keep-alive"),
            (10, b'c') => (Self::Connection, b"connection"),
            (13, b'c') => (Self::CacheControl, b"cache-control"),
            (14, b'h') => (Self::Http2Settings, b"http2-settings"),
            (14, b'c') => (Self::ContentLength, b"content-length"),
            (16, b'p') => (Self::ProxyConnection, b"proxy-connection"),
            (17, b't') => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return Self::Other,
        };
        if class::is_spelled(name, spelling) { known } else { Self::Other }
    }
}

/// RFC 9110 §6.5.1: fields that frame, route, authenticate or describe a message mean nothing in a trailer, and a
/// recipient that merges trailers into the head would be fooled by them. They are dropped, and so are connection
/// options, which belong to one hop.
pub(super) fn is_forbidden_in_trailers(name: &[u8]) -> bool {
    FORBIDDEN_IN_TRAILERS.iter().any(|f| name.eq_ignore_ascii_case(f))
}

const FORBIDDEN_IN_TRAILERS: [&[u8]; 33] = [
    b"age",
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"expires",
    b"forwarded",
    b"host",
    b"http2-settings",
    b"keep-alive",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"vary",
    b"via",
    b"www-authenticate",
    b"x-forwarded-for",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case_and_nothing_else_is() {
        for (name, known) in [
            (&b"Host"[..], Known::Host),
            (b"HOST", Known::Host),
            (b"content-LENGTH", Known::ContentLength),
            (b"Transfer-Encoding", Known::TransferEncoding),
            (b"cONNECTION", Known::Connection),
            (b"Keep-Alive", Known::KeepAlive),
            (b"Proxy-Connection", Known::ProxyConnection),
            (b"uPgrade", Known::Upgrade),
            (b"TE", Known::Te),
            (b"Expect", Known::Expect),
            (b"HTTP2-Settings", Known::Http2Settings),
            (b"Cookie", Known::Cookie),
            (b"set-cookie", Known::SetCookie),
            (b"Cache-Control", Known::CacheControl),
            (b"Content_Length", Known::Other),
            (b"Transfer_Encoding", Known::Other),
            (b"Kost", Known::Other),
            (b"Keep-Alivf", Known::Other),
            (b"", Known::Other),
        ] {
            assert_eq!(Known::of(name), known, "{}", name.escape_ascii());
        }
    }
}
