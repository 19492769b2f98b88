//! What a connection in clear text begins with, where both versions of HTTP are spoken.

use crate::h1::head::Method;

/// How a client that is no HTTP/1.1 client has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// As HTTP/2 by prior knowledge begins (RFC 9113 §3.3).
    Http2,
    /// A request, well formed or not: it is worth an answer of HTTP/1.1.
    Request,
    /// A whole line that names neither a method nor a version of HTTP. It may be meant as the preface of HTTP/2, which
    /// RFC 9113 §3.4 has end the connection, and no answer of HTTP/1.1 would be understood.
    Neither,
}

impl Beginning {
    /// What `bytes` are, the first ones of a connection, which are not a request of HTTP/1.1.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(PREFACE_LINE) {
            return Self::Http2;
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else { return Self::Request };
        let line = bytes.get(..end).unwrap_or_default();
        let method = line.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        // TLS to this port is binary: those who try know a refusal in clear text from silence.
        let is_text = line.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r'));
        if !is_text || method.is_empty() || Method::of(method) != Method::Other || names_http(line) {
            Self::Request
        } else {
            Self::Neither
        }
    }
}

fn names_http(line: &[u8]) -> bool {
    line.windows(5).any(|word| word.eq_ignore_ascii_case(b"HTTP/"))
}

/// The first line of the preface.
const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_http_goes_unanswered() {
        for (bytes, beginning) in [
            (&b"PRI * HTTP/2.0\r\n"[..], Beginning::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", Beginning::Http2),
            (b"PRI * HTTP/2.1\r\n\r\n", Beginning::Request),
            (b"pri * http/2.0\r\n\r\n", Beginning::Request),
            (b"GET /\r\n", Beginning::Request),
            (b"BREW / HTTP/x\r\n", Beginning::Request),
            (b"get / http/1.1\r\n", Beginning::Request),
            (b" GET /\r\n", Beginning::Request),
            (b"INVALID CONNECTION", Beginning::Request),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", Beginning::Request),
            (b"\r\n\r\n", Beginning::Request),
            (b"INVALID CONNECTION PREFACE\r\n\r\n", Beginning::Neither),
            (b"SSH-2.0-OpenSSH_9.2\n", Beginning::Neither),
            (b"EHLO mail\r\nPOST / HTTP/1.1\r\n", Beginning::Neither),
        ] {
            assert_eq!(Beginning::of(bytes), beginning, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
