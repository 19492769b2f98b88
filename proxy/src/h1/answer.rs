//! Whole messages of the proxy's own.

use super::forward::{After, write_number};
use super::head::Version;
use super::reject::Content;

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its reason phrase.
    pub reason: &'a str,
    /// Field lines, each with its line end.
    pub fields: &'a [u8],
    /// Its content.
    pub content: &'a [u8],
}

/// How an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Whether the content goes with it.
    pub content: Content,
    /// What the connection does after it.
    pub after: After,
    /// Version of the client.
    pub version: Version,
}

impl Answer<'_> {
    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>, manner: Manner) {
        out.extend_from_slice(b"HTTP/1.1 ");
        write_number(out, u64::from(self.status));
        out.push(b' ');
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        // RFC 9110 §8.6: not where there is no content by definition, nor where it is that of another answer.
        let has_content = !matches!(self.status, 204 | 304);
        if has_content {
            out.extend_from_slice(b"content-length: ");
            write_number(out, self.content.len() as u64);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(self.fields);
        out.extend_from_slice(match (manner.after, manner.version) {
            (After::Persist, Version::Http10) => b"connection: keep-alive\r\n".as_slice(),
            (After::Persist, Version::Http11) => b"",
            (After::Close | After::Switch, _) => b"connection: close\r\n",
        });
        out.extend_from_slice(b"\r\n");
        if manner.content == Content::Sent && has_content {
            out.extend_from_slice(self.content);
        }
    }
}

/// The reason phrase of a status (RFC 9110 §15, RFC 6585); empty: it has none that is known here.
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No content",
        301 => "Moved permanently",
        302 => "Found",
        303 => "See other",
        304 => "Not modified",
        307 => "Temporary redirect",
        308 => "Permanent redirect",
        400 => "Bad request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not found",
        405 => "Method not allowed",
        407 => "Proxy authentication required",
        408 => "Request timeout",
        410 => "Gone",
        413 => "Content too large",
        414 => "URI too long",
        417 => "Expectation failed",
        421 => "Misdirected request",
        422 => "Unprocessable content",
        425 => "Too early",
        429 => "Too many requests",
        431 => "Request header fields too large",
        451 => "Unavailable for legal reasons",
        500 => "Internal server error",
        501 => "Not implemented",
        502 => "Bad gateway",
        503 => "Service unavailable",
        504 => "Gateway timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(status: u16, manner: Manner) -> String {
        let mut out = Vec::new();
        let answer = Answer { status, reason: reason(status), fields: b"a: b\r\n", content: b"text" };
        answer.write(&mut out, manner);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn answers_are_whole_messages() {
        let usual = Manner { content: Content::Sent, after: After::Persist, version: Version::Http11 };
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\na: b\r\n";
        assert_eq!(written(200, usual), format!("{head}\r\ntext"));
        assert_eq!(written(200, Manner { content: Content::Omitted, ..usual }), format!("{head}\r\n"));
        assert_eq!(
            written(200, Manner { after: After::Close, ..usual }),
            format!("{head}connection: close\r\n\r\ntext")
        );
        assert_eq!(
            written(200, Manner { version: Version::Http10, ..usual }),
            format!("{head}connection: keep-alive\r\n\r\ntext")
        );
        assert_eq!(written(204, usual), "HTTP/1.1 204 No content\r\na: b\r\n\r\n");
        assert_eq!(written(304, usual), "HTTP/1.1 304 Not modified\r\na: b\r\n\r\n");
        assert_eq!(written(299, usual).lines().next(), Some("HTTP/1.1 299 "));
    }
}
