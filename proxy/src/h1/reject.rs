//! The answers the proxy gives itself.

use super::answer::{self, Answer, Manner};
use super::forward::{After, write_number};
use super::framing::FramingError;
use super::head::{HeadError, Version};
use super::target::{HostError, TargetError};

/// A status the proxy answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// 400: the request is not one.
    BadRequest,
    /// 408: the client was too slow.
    RequestTimeout,
    /// 413: the content is larger than allowed.
    ContentTooLarge,
    /// 414: the request line alone exceeds the limit.
    UriTooLong,
    /// 417: an expectation other than 100-continue.
    ExpectationFailed,
    /// 431: the head exceeds the limits.
    HeadTooLarge,
    /// 500: something in the proxy went wrong.
    InternalError,
    /// 501: a method or coding the proxy does not implement.
    NotImplemented,
    /// 502: the server's answer is not one.
    BadGateway,
    /// 503: no server takes the request.
    ServiceUnavailable,
    /// 504: the server was too slow.
    GatewayTimeout,
}

impl Reject {
    /// The status code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::RequestTimeout => 408,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::HeadTooLarge => 431,
            Self::InternalError => 500,
            Self::NotImplemented => 501,
            Self::BadGateway => 502,
            Self::ServiceUnavailable => 503,
            Self::GatewayTimeout => 504,
        }
    }

    /// The reason phrase and what a person in front of a browser should know.
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("Bad request", "The request is not valid HTTP."),
            Self::RequestTimeout => ("Request timeout", "The request did not arrive in time."),
            Self::ContentTooLarge => ("Content too large", "The request is larger than this site accepts."),
            Self::UriTooLong => ("URI too long", "The address of the request is too long."),
            Self::ExpectationFailed => ("Expectation failed", "The request expects something unknown."),
            Self::HeadTooLarge => ("Request header fields too large", "The request header is too large."),
            Self::InternalError => ("Internal server error", "The request could not be processed."),
            Self::NotImplemented => {
                ("Not implemented", "The request uses something this site does not support.")
            }
            Self::BadGateway => ("Bad gateway", "The server gave an invalid answer."),
            Self::ServiceUnavailable => ("Service unavailable", "No server is available for this request."),
            Self::GatewayTimeout => ("Gateway timeout", "The server did not answer in time."),
        }
    }
}

impl From<HeadError> for Reject {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::StartLineTooLong => Self::UriTooLong,
            HeadError::TooLarge | HeadError::TooManyFields => Self::HeadTooLarge,
            HeadError::Method => Self::NotImplemented,
            HeadError::LineEnd
            | HeadError::StartLine
            | HeadError::Version
            | HeadError::Status
            | HeadError::FieldName
            | HeadError::FieldValue => Self::BadRequest,
        }
    }
}

impl From<FramingError> for Reject {
    fn from(error: FramingError) -> Self {
        match error {
            // RFC 9112 §6.1: a transfer coding that is not understood gets 501.
            FramingError::TransferEncoding => Self::NotImplemented,
            FramingError::ContentLength
            | FramingError::RepeatedContentLength
            | FramingError::Both
            | FramingError::TransferEncodingIn10 => Self::BadRequest,
        }
    }
}

impl From<TargetError> for Reject {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Malformed => Self::BadRequest,
            TargetError::Connect => Self::NotImplemented,
        }
    }
}

impl From<HostError> for Reject {
    fn from(error: HostError) -> Self {
        match error {
            // RFC 9112 §3.2.
            HostError::Missing | HostError::Repeated | HostError::Malformed => Self::BadRequest,
        }
    }
}

/// Whether the answer carries content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// As usual.
    Sent,
    /// The request was HEAD: fields only (RFC 9110 §9.3.2).
    Omitted,
}

/// Appends a whole answer that ends its connection: `file` as it is, or the built-in one.
pub fn write(out: &mut Vec<u8>, reject: Reject, file: Option<&[u8]>, content: Content) {
    if let Some(file) = file {
        return write_file(out, file, content);
    }
    let (reason, sentence) = reject.text();
    // Its connection ends whatever it speaks.
    let manner = Manner { content, after: After::Close, version: Version::Http11 };
    write_page(out, reject.status(), reason, sentence, manner);
}

/// Appends what a rule refuses a request with.
pub fn write_denial(out: &mut Vec<u8>, status: u16, manner: Manner) {
    write_page(out, status, answer::reason(status), "The request is refused by a rule of this site.", manner);
}

/// Appends an answer that is kept ready.
pub fn write_file(out: &mut Vec<u8>, file: &[u8], content: Content) {
    let head = memchr::memmem::find(file, b"\r\n\r\n").map_or(file.len(), |end| end + 4);
    out.extend_from_slice(if content == Content::Omitted { &file[..head] } else { file });
}

fn write_page(out: &mut Vec<u8>, status: u16, reason: &str, sentence: &str, manner: Manner) {
    let mut page = Vec::with_capacity(128);
    page.extend_from_slice(b"<html><body><h1>");
    write_number(&mut page, u64::from(status));
    for part in [" ", reason, "</h1>\n", sentence, "\n</body></html>\n"] {
        page.extend_from_slice(part.as_bytes());
    }
    let fields = b"cache-control: no-cache\r\ncontent-type: text/html\r\n";
    Answer { status, reason, fields, content: &page }.write(out, manner);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_answers_are_complete_messages() {
        for reject in ALL {
            let mut out = Vec::new();
            write(&mut out, reject, None, Content::Sent);
            let text = String::from_utf8(out).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", reject.status())), "{head}");
            assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
            assert!(head.ends_with("\r\nconnection: close"), "{head}");
            let mut out = Vec::new();
            write(&mut out, reject, None, Content::Omitted);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{head}\r\n\r\n"));
        }
    }

    #[test]
    fn an_error_file_goes_out_as_it_is() {
        let file = b"HTTP/1.0 503 X\r\na: b\r\n\r\nbody\r\n\r\n";
        for (content, expected) in [(Content::Sent, &file[..]), (Content::Omitted, &file[..24])] {
            let mut out = Vec::new();
            write(&mut out, Reject::ServiceUnavailable, Some(file), content);
            assert_eq!(out, expected);
        }
    }

    const ALL: [Reject; 11] = [
        Reject::BadRequest,
        Reject::RequestTimeout,
        Reject::ContentTooLarge,
        Reject::UriTooLong,
        Reject::ExpectationFailed,
        Reject::HeadTooLarge,
        Reject::InternalError,
        Reject::NotImplemented,
        Reject::BadGateway,
        Reject::ServiceUnavailable,
        Reject::GatewayTimeout,
    ];
}
