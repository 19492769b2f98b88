//! Request targets and `Host`: where a request wants to go (RFC 9112 §3.2, RFC 9110 §7.2).

use super::class::{self, HEX, REG_NAME};
use super::field::Known;
use super::head::{HeadIndex, Method, Version};

/// A request target, taken apart. The parts are what goes on to a server: always origin-form or asterisk-form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// RFC 9112 §3.2.1: `/path?query`.
    Origin(&'a [u8]),
    /// RFC 9112 §3.2.2: `http://authority/path?query`. The authority replaces whatever `Host` says.
    Absolute {
        /// Host and port.
        authority: &'a [u8],
        /// Path and query; may be empty or start with `?`.
        path: &'a [u8],
    },
    /// RFC 9112 §3.2.4: `*`, of OPTIONS only.
    Asterisk,
}

/// What is wrong with the `Host` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// HTTP/1.1 requires it.
    #[error("no Host")]
    Missing,
    /// More than one.
    #[error("repeated Host")]
    Repeated,
    /// Not a host and port.
    #[error("malformed Host")]
    Malformed,
}

/// RFC 9112 §3.2: exactly one valid `Host`, which HTTP/1.0 may leave out.
///
/// # Errors
/// The request gets 400.
#[inline]
pub fn check_host(version: Version, index: &HeadIndex, bytes: &[u8]) -> Result<(), HostError> {
    let Some(host) = index.first(Known::Host) else {
        return if version == Version::Http10 { Ok(()) } else { Err(HostError::Missing) };
    };
    if index.is_repeated(Known::Host) {
        return Err(HostError::Repeated);
    }
    if is_host(host.value.of(bytes)) { Ok(()) } else { Err(HostError::Malformed) }
}

/// Why a target is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// None of the forms the method allows.
    #[error("malformed request target")]
    Malformed,
    /// CONNECT asks for a tunnel to an address of the client's choice, which a proxy in front of servers has not to give.
    #[error("CONNECT is not supported")]
    Connect,
}

impl<'a> Target<'a> {
    /// Takes `target` apart. Its bytes have been checked by the head parser.
    ///
    /// # Errors
    /// The method does not allow that form, or it is none.
    pub fn parse(method: Method, target: &'a [u8]) -> Result<Self, TargetError> {
        if method == Method::Connect {
            return Err(TargetError::Connect);
        }
        match target {
            [b'/', ..] => Ok(Self::Origin(target)),
            b"*" if method == Method::Options => Ok(Self::Asterisk),
            _ => absolute(target).ok_or(TargetError::Malformed),
        }
    }

    /// The same authority, asked for something else.
    pub fn with(self, target: &'a [u8]) -> Self {
        match self {
            Self::Origin(_) => Self::Origin(target),
            Self::Absolute { authority, .. } => Self::Absolute { authority, path: target },
            Self::Asterisk => self,
        }
    }

    /// What the forwarded request line says (RFC 9112 §3.2.1, §3.2.4): an empty path is `/`, and `*` of OPTIONS.
    pub fn write_origin_form(&self, method: Method, out: &mut Vec<u8>) {
        match self {
            Self::Origin(target) => out.extend_from_slice(target),
            Self::Asterisk => out.push(b'*'),
            Self::Absolute { path, .. } => {
                match path {
                    [] if method == Method::Options => out.push(b'*'),
                    [b'/', ..] => {}
                    _ => out.push(b'/'),
                }
                out.extend_from_slice(path);
            }
        }
    }
}

/// The path of a target, and the query behind its question mark.
pub fn split_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], target.get(at + 1..)),
        None => (target, None),
    }
}

/// RFC 9110 §4.2: `http` or `https`, a non-empty host, and no user information (§4.2.4: an error where it is received).
fn absolute(target: &[u8]) -> Option<Target<'_>> {
    let (scheme, rest) = target.split_at_checked(memchr::memchr(b':', target)?)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = rest.strip_prefix(b"://")?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let named = !authority.is_empty() && authority[0] != b':';
    (named && is_host(authority)).then_some(Target::Absolute { authority, path })
}

/// Whether `value` may be the value of `Host`: `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2). Empty is allowed.
#[inline]
pub fn is_host(value: &[u8]) -> bool {
    if let [b'[', rest @ ..] = value {
        return is_ip_literal_and_port(rest);
    }
    let name_len = value.iter().position(|b| !class::is(*b, REG_NAME)).unwrap_or(value.len());
    is_port_or_nothing(&value[name_len..])
}

/// After the opening bracket: an IPv6 or later address, perhaps with a zone (RFC 6874), and a port.
fn is_ip_literal_and_port(rest: &[u8]) -> bool {
    let Some(close) = memchr::memchr(b']', rest) else { return false };
    let (literal, after) = rest.split_at(close);
    let (address, zone) = match memchr::memmem::find(literal, b"%25") {
        Some(at) => (&literal[..at], Some(&literal[at + 3..])),
        None => (literal, None),
    };
    let address_byte = |b: &u8| class::is(*b, HEX) || matches!(b, b':' | b'.' | b'v' | b'V');
    let zone_byte = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'~' | b'-');
    !address.is_empty()
        && address.iter().all(address_byte)
        && zone.is_none_or(|z| !z.is_empty() && z.iter().all(zone_byte))
        && is_port_or_nothing(&after[1..])
}

fn is_port_or_nothing(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::Limits;
    use super::*;

    #[test]
    fn forms_follow_the_method() {
        use Method::{Connect, Get, Options};
        let absolute = |authority, path| Ok(Target::Absolute { authority, path });
        let malformed = Err(TargetError::Malformed);
        for (method, target, expected) in [
            (Get, &b"/"[..], Ok(Target::Origin(b"/"))),
            (Get, b"/a?b=/../%zz", Ok(Target::Origin(b"/a?b=/../%zz"))),
            (Get, b"//x", Ok(Target::Origin(b"//x"))),
            (Options, b"*", Ok(Target::Asterisk)),
            (Get, b"*", malformed),
            (Get, b"http://a/x?y", absolute(&b"a"[..], &b"/x?y"[..])),
            (Get, b"HTTPS://a:443", absolute(b"a:443", b"")),
            (Get, b"http://a?x", absolute(b"a", b"?x")),
            (Get, b"http://[::1]:80/", absolute(b"[::1]:80", b"/")),
            (Get, b"http:///x", malformed),
            (Get, b"http://:80/x", malformed),
            (Get, b"http://u@a/x", malformed),
            (Get, b"http:/a/x", malformed),
            (Get, b"ftp://a/x", malformed),
            (Get, b"a:80", malformed),
            (Get, b"x", malformed),
            (Connect, b"a:80", Err(TargetError::Connect)),
            (Connect, b"/x", Err(TargetError::Connect)),
        ] {
            assert_eq!(Target::parse(method, target), expected, "{}", target.escape_ascii());
        }
    }

    #[test]
    fn absolute_targets_become_origin_form() {
        for (method, target, expected) in [
            (Method::Get, &b"http://a"[..], &b"/"[..]),
            (Method::Get, b"http://a?x", b"/?x"),
            (Method::Get, b"http://a/x", b"/x"),
            (Method::Options, b"http://a", b"*"),
            (Method::Options, b"http://a/x", b"/x"),
            (Method::Options, b"*", b"*"),
        ] {
            let mut out = Vec::new();
            Target::parse(method, target).unwrap().write_origin_form(method, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn exactly_one_host() {
        for (fields, in_11, in_10) in [
            ("", Err(HostError::Missing), Ok(())),
            ("Host: a\r\n", Ok(()), Ok(())),
            ("Host:\r\n", Ok(()), Ok(())),
            ("Host: a\r\nhost: a\r\n", Err(HostError::Repeated), Err(HostError::Repeated)),
            ("Host: a b\r\n", Err(HostError::Malformed), Err(HostError::Malformed)),
        ] {
            let bytes = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            let mut index = HeadIndex::default();
            index.parse_request(bytes.as_bytes(), &Limits { bytes: 4096, fields: 9 }).unwrap().unwrap();
            for (version, expected) in [(Version::Http11, in_11), (Version::Http10, in_10)] {
                assert_eq!(check_host(version, &index, bytes.as_bytes()), expected, "{fields:?} {version:?}");
            }
        }
    }

    #[test]
    fn host_syntax() {
        for good in [
            "",
            "a",
            "a.b-c_d~",
            "a:",
            "a:80",
            "1.2.3.4:8080",
            "[::1]",
            "[::1]:80",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "a%41",
            "a,b",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "u@a",
            "[::1",
            "[::1]x",
            "[]",
            "[::g]",
            "[fe80::1%25]",
            "a:80x",
            "a:-1",
            "a:80:80",
            "a?b",
            "a#b",
            "a\\b",
            "\u{e9}",
            "a, b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
