//! Where a head that is refused goes wrong, for those who look for errors. Found out only then, by reading it once more,
//! byte by byte.

use super::class::{self, TARGET, TCHAR};
use super::field::Known;
use super::framing::{self, FramingError};
use super::head::{Field, HeadIndex, LONGEST_METHOD, Limits, Method, Request, Response};
use super::target::{self, HostError, Target};

/// A place in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Offset of the first byte that is not as it must be; at most the length of what there is.
    pub at: usize,
    /// What it should be a part of.
    pub part: Part,
}

macro_rules! parts {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        /// A part of a head, as HAProxy tells them apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Part {
            $($(#[$doc])* $variant,)*
        }

        impl Part {
            /// HAProxy's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// HAProxy's number.
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }
        }
    };
}

parts! {
    /// The method of a request.
    Method = 2 "MSG_RQMETH",
    /// What it asks for.
    Target = 4 "MSG_RQURI",
    /// Its version.
    RequestVersion = 6 "MSG_RQVER",
    /// The version of a response.
    ResponseVersion = 10 "MSG_RPVER",
    /// Its status.
    Status = 12 "MSG_RPCODE",
    /// The words behind that.
    Reason = 14 "MSG_RPREASON",
    /// The name of a field.
    FieldName = 17 "MSG_HDR_NAME",
    /// Its value, and the end of its line.
    FieldValue = 22 "MSG_HDR_VAL",
    /// The empty line.
    LastLine = 25 "MSG_LAST_LF",
}

/// Where bytes that are no request go wrong.
pub fn of_request(bytes: &[u8], limits: &Limits) -> Fault {
    let mut scan = Scan { bytes, at: 0, part: Part::Method };
    while scan.rest().starts_with(b"\r\n") {
        scan.at += 2;
    }
    let read = scan.request_line().and_then(|()| scan.fields(limits.fields));
    scan.fault(read, limits)
}

/// Where bytes that are no response go wrong.
pub fn of_response(bytes: &[u8], limits: &Limits) -> Fault {
    let mut scan = Scan { bytes, at: 0, part: Part::ResponseVersion };
    let read = scan.status_line().and_then(|()| scan.fields(limits.fields));
    scan.fault(read, limits)
}

/// Where a request that can be read says what it must not, and why that is refused. `None`: it does not.
pub fn in_request(request: &Request, index: &HeadIndex, bytes: &[u8]) -> Option<(Fault, String)> {
    if let Err(error) = framing::of_request(request, index, bytes) {
        return Some((of_framing(error, index), error.to_string()));
    }
    if let Err(error) = target::check_host(request.version, index, bytes) {
        let fault = match error {
            HostError::Missing => Fault { at: request.len.saturating_sub(2), part: Part::LastLine },
            HostError::Repeated | HostError::Malformed => in_field(index.all(Known::Host).last()),
        };
        return Some((fault, error.to_string()));
    }
    let error = Target::parse(request.method, request.target.of(bytes)).err()?;
    Some((Fault { at: request.target.start(), part: Part::Target }, error.to_string()))
}

/// The same of a response to a request with `method`; one that cannot be passed on for another reason has a status that it
/// must not have.
pub fn in_response(response: &Response, method: Method, index: &HeadIndex, bytes: &[u8]) -> (Fault, String) {
    match framing::of_response(response, method, index, bytes) {
        Err(error) => (of_framing(error, index), error.to_string()),
        Ok(_) => {
            let why = format!("nobody has asked for status {}", response.status);
            (Fault { at: STATUS_AT, part: Part::Status }, why)
        }
    }
}

fn of_framing(error: FramingError, index: &HeadIndex) -> Fault {
    in_field(match error {
        FramingError::ContentLength => index.first(Known::ContentLength),
        FramingError::RepeatedContentLength => index.all(Known::ContentLength).last(),
        FramingError::Both | FramingError::TransferEncoding | FramingError::TransferEncodingIn10 => {
            index.all(Known::TransferEncoding).last()
        }
    })
}

fn in_field(field: Option<&Field>) -> Fault {
    Fault { at: field.map_or(0, |f| f.value.start()), part: Part::FieldValue }
}

/// Reads on until something is wrong: `None` then, and it stands there.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    part: Part,
}

impl Scan<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What is there is too long if nothing else is wrong with it.
    fn fault(self, read: Option<()>, limits: &Limits) -> Fault {
        let at = if read.is_some() { self.at.min(limits.bytes) } else { self.at };
        Fault { at: at.min(self.bytes.len()), part: self.part }
    }

    fn request_line(&mut self) -> Option<()> {
        let start = self.at;
        self.run(Part::Method, TCHAR)?;
        if self.at - start > LONGEST_METHOD {
            self.at = start + LONGEST_METHOD;
            return None;
        }
        self.text(b" ")?;
        self.run(Part::Target, TARGET)?;
        self.text(b" ")?;
        self.part = Part::RequestVersion;
        self.text(b"HTTP/1.")?;
        self.digits(1)?;
        self.text(b"\r\n")
    }

    fn status_line(&mut self) -> Option<()> {
        self.text(b"HTTP/1.")?;
        self.digits(1)?;
        self.text(b" ")?;
        self.part = Part::Status;
        if !matches!(self.rest().first(), Some(b'1'..=b'5')) {
            return None;
        }
        self.digits(3)?;
        if self.rest().first() == Some(&b' ') {
            self.part = Part::Reason;
            self.at = class::text_end(self.bytes, self.at);
        }
        self.text(b"\r\n")
    }

    /// At most so many of them.
    fn fields(&mut self, most: usize) -> Option<()> {
        for _ in 0..most {
            if self.rest().first() == Some(&b'\r') {
                break;
            }
            self.run(Part::FieldName, TCHAR)?;
            self.text(b":")?;
            self.part = Part::FieldValue;
            self.at = class::text_end(self.bytes, self.at);
            self.text(b"\r\n")?;
        }
        self.part = Part::LastLine;
        self.text(b"\r\n")
    }

    /// One or more bytes of these classes.
    fn run(&mut self, part: Part, classes: u8) -> Option<()> {
        self.part = part;
        let length = class::run(self.rest(), classes);
        self.at += length;
        (length > 0).then_some(())
    }

    fn digits(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.rest().first().filter(|b| b.is_ascii_digit())?;
            self.at += 1;
        }
        Some(())
    }

    fn text(&mut self, text: &[u8]) -> Option<()> {
        let same = self.rest().iter().zip(text).take_while(|(a, b)| a == b).count();
        self.at += same;
        (same == text.len()).then_some(())
    }
}

/// Behind `HTTP/1.1 `.
const STATUS_AT: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 256, fields: 4 };

    /// The first two of requests and the first of responses are where HAProxy 2.6 says.
    #[test]
    fn the_first_byte_that_is_wrong_is_found() {
        use Part::{FieldName, FieldValue, LastLine, Method, RequestVersion, Target};
        for (bytes, at, part) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\nbad header: y\r\n\r\n"[..], 28, FieldName),
            (b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n", 1, Method),
            (b"\r\n\r\n G", 4, Method),
            (b"", 0, Method),
            (b"GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG / HTTP/1.1\r\n\r\n", 32, Method),
            (b"GET  / HTTP/1.1\r\n\r\n", 4, Target),
            (b"GET /a#b HTTP/1.1\r\n\r\n", 6, Target),
            (b"GET /\r\n\r\n", 5, Target),
            (b"GET / HTTP/2.0\r\n\r\n", 11, RequestVersion),
            (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 14, RequestVersion),
            (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 16, FieldName),
            (b"GET / HTTP/1.1\r\nX: y\x00z\r\n\r\n", 20, FieldValue),
            (b"GET / HTTP/1.1\r\nX: y\nz", 20, FieldValue),
            (b"GET / HTTP/1.1\r\n\rX", 17, LastLine),
            (b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", 40, LastLine),
        ] {
            assert_eq!(of_request(bytes, &LIMITS), Fault { at, part }, "{}", bytes.escape_ascii());
        }
        for (bytes, at, part) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nbad header: x\r\n\r\n"[..], 39, FieldName),
            (b"SSH-2.0-OpenSSH\r\n", 0, Part::ResponseVersion),
            (b"HTTP/1.1 099 OK\r\n\r\n", 9, Part::Status),
            (b"HTTP/1.1 2x0 OK\r\n\r\n", 10, Part::Status),
            (b"HTTP/1.1 200 O\x00K\r\n\r\n", 14, Part::Reason),
            (b"HTTP/1.1 200\n\n", 12, Part::Status),
        ] {
            assert_eq!(of_response(bytes, &LIMITS), Fault { at, part }, "{}", bytes.escape_ascii());
        }
        assert_eq!((FieldName.name(), FieldName.number()), ("MSG_HDR_NAME", 17));
    }

    #[test]
    fn what_can_be_read_and_must_not_be_said_is_found() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], None),
            (b"GET / HTTP/1.1\r\n\r\n", Some((16, "no Host"))),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Some((31, "repeated Host"))),
            (
                b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
                Some((41, "malformed Content-Length")),
            ),
            (
                b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Some((54, "both Content-Length and Transfer-Encoding")),
            ),
            (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", Some((4, "malformed request target"))),
        ] {
            let mut index = HeadIndex::default();
            let request = index.parse_request(bytes, &LIMITS).unwrap().unwrap();
            let found = in_request(&request, &index, bytes);
            let found = found.as_ref().map(|(fault, why)| (fault.at, why.as_str()));
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
        }
        let response = |bytes: &[u8]| {
            let mut index = HeadIndex::default();
            let response = index.parse_response(bytes, &LIMITS).unwrap().unwrap();
            let (fault, why) = in_response(&response, Method::Get, &index, bytes);
            (fault.at, why)
        };
        let length = response(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
        assert_eq!(length, (33, "malformed Content-Length".to_owned()));
        let upgrade = response(b"HTTP/1.1 101 Switching\r\n\r\n");
        assert_eq!(upgrade, (9, "nobody has asked for status 101".to_owned()));
    }

    proptest::proptest! {
        /// Whatever the bytes are: no panic, and a place inside of them.
        #[test]
        fn the_place_is_inside(bytes in proptest::collection::vec(byte(), 0..300)) {
            for fault in [of_request(&bytes, &LIMITS), of_response(&bytes, &LIMITS)] {
                assert!(fault.at <= bytes.len(), "{fault:?}");
            }
        }
    }

    /// Bytes that make heads more often than uniform ones do.
    fn byte() -> impl proptest::strategy::Strategy<Value = u8> {
        proptest::sample::select(b"\r\n\r\n\r\n: :GET / HTTP/1.1aX\t\x00\xff".to_vec())
    }
}
