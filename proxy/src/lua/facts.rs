//! What is known of a request, by HAProxy's names of fetches, and conversions of texts by those of its converters.

use std::net::SocketAddr;

use super::message::{Message, Phase};
use crate::h1::head::Version;
use crate::h1::target::split_query;
use crate::rules::matcher::elements;
use crate::rules::template::Variable;
use crate::rules::{Looked, Request as _};

/// A value, of the type that HAProxy gives scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// There is none.
    None,
    Bool(bool),
    Int(i64),
    Text(Vec<u8>),
}

/// Whether there is a fetch of that name.
pub(super) fn is_fetch(name: &str) -> bool {
    FETCHES.contains(&name)
}

/// What a fetch says of a message.
pub(super) fn fetch(message: &Message, name: &str, args: &[Vec<u8>]) -> Fact {
    let client = message.client();
    let tls = client.tls.as_deref();
    let certificate = tls.and_then(|t| t.client.as_ref());
    let certain = |text: Option<&[u8]>| text.map_or(Fact::None, |text| Fact::Text(text.into()));
    let of_request = message.phase() == Phase::Request;
    match name {
        "src" => Fact::Text(client.source.ip().to_canonical().to_string().into()),
        "src_port" => Fact::Int(client.source.port().into()),
        "dst" => Fact::of(client.destination, |to| Fact::Text(to.ip().to_canonical().to_string().into())),
        "dst_port" => Fact::of(client.destination, |to: SocketAddr| Fact::Int(to.port().into())),
        "ssl_fc" => Fact::Bool(tls.is_some()),
        "ssl_fc_sni" => certain(tls.and_then(|t| t.server_name.as_deref()).map(str::as_bytes)),
        "ssl_fc_alpn" => certain(tls.and_then(|t| t.alpn.as_deref())),
        "ssl_fc_protocol" => certain(tls.map(|t| t.version.as_str().as_bytes())),
        "ssl_c_used" => Fact::Bool(certificate.is_some()),
        "ssl_c_s_dn" => match (certificate, args.first().map(Vec::as_slice)) {
            (None, _) => Fact::None,
            (Some(c), None | Some(b"")) => Fact::Text(c.subject.one_line().into()),
            (Some(c), Some(part)) => {
                let part = std::str::from_utf8(part).ok().and_then(|part| c.subject.part(part));
                certain(part.map(str::as_bytes))
            }
        },
        "var" => {
            let name = args.first().and_then(|name| std::str::from_utf8(name).ok());
            certain(name.and_then(|name| message.variable(name)))
        }
        "method" => Fact::Text(message.method().into()),
        "status" | "res_hdr" | "res_fhdr" | "res_hdr_cnt" | "res_fhdr_cnt" | "res_ver" if of_request => {
            Fact::None
        }
        "status" => match message.phase() {
            Phase::Response(status) => Fact::Int(status.into()),
            Phase::Request => Fact::None,
        },
        "res_hdr" => field(message, args, true),
        "res_fhdr" => field(message, args, false),
        "res_hdr_cnt" => count(message, args, true),
        "res_fhdr_cnt" => count(message, args, false),
        "res_ver" => version(message),
        _ if of_request => of_requests(message, name, args),
        _ => Fact::None,
    }
}

fn of_requests(message: &Message, name: &str, args: &[Vec<u8>]) -> Fact {
    let (path, query) = split_query(message.target());
    let by_name = |variable: fn(Box<str>) -> Variable| {
        let Some(name) = args.first().and_then(|name| std::str::from_utf8(name).ok()) else {
            return Fact::None;
        };
        let mut out = Vec::new();
        let found = variable(name.into()).write(&mut out, &Looked::new(message));
        if found { Fact::Text(out) } else { Fact::None }
    };
    match name {
        "path" => Fact::Text(path.into()),
        "url" | "pathq" => Fact::Text(message.target().into()),
        "query" => Fact::of(query, |query| Fact::Text(query.into())),
        "base" => Fact::Text([message.authority(), path].concat()),
        "hdr" | "req_hdr" => field(message, args, true),
        "fhdr" | "req_fhdr" => field(message, args, false),
        "hdr_cnt" | "req_hdr_cnt" => count(message, args, true),
        "fhdr_cnt" | "req_fhdr_cnt" => count(message, args, false),
        "cook" | "req_cook" => by_name(Variable::Cookie),
        "urlp" | "url_param" => by_name(Variable::Parameter),
        "req_ver" => version(message),
        _ => Fact::None,
    }
}

impl Fact {
    fn of<T>(what: Option<T>, fact: impl FnOnce(T) -> Self) -> Self {
        what.map_or(Self::None, fact)
    }
}

fn version(message: &Message) -> Fact {
    Fact::Text(match message.version() {
        Version::Http11 => b"1.1".to_vec(),
        Version::Http10 => b"1.0".to_vec(),
    })
}

/// The last value, or which one the second argument says: from 1, or from the end by -1. Values are taken apart at commas
/// if `listed`.
fn field(message: &Message, args: &[Vec<u8>], listed: bool) -> Fact {
    let Some(name) = args.first() else { return Fact::None };
    let which = args.get(1).and_then(|n| std::str::from_utf8(n).ok()?.trim().parse().ok()).unwrap_or(-1_i64);
    let all = values(message, name, listed);
    let at = match which {
        1.. => usize::try_from(which - 1).ok(),
        0 => None,
        _ => usize::try_from(-which).ok().and_then(|back| all.len().checked_sub(back)),
    };
    let found = at.and_then(|at| all.get(at)).or_else(|| all.last().filter(|_| which == 0));
    found.map_or(Fact::None, |value| Fact::Text(value.to_vec()))
}

fn count(message: &Message, args: &[Vec<u8>], listed: bool) -> Fact {
    let count = match args.first() {
        Some(name) => values(message, name, listed).len(),
        None => message.all().count(),
    };
    Fact::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn values<'m>(message: &'m Message, name: &'m [u8], listed: bool) -> Vec<&'m [u8]> {
    let values = message.values(name);
    if listed { values.flat_map(elements).collect() } else { values.collect() }
}

/// Whether there is a converter of that name.
pub(super) fn is_converter(name: &str) -> bool {
    CONVERTERS.contains(&name)
}

/// What a converter makes of a text.
pub(super) fn convert(name: &str, text: &[u8]) -> Fact {
    Fact::Text(match name {
        "lower" => text.to_ascii_lowercase(),
        "upper" => text.to_ascii_uppercase(),
        "hex" => text.iter().flat_map(|byte| digits(*byte)).collect(),
        "url_enc" => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
            let encoded = |byte: &u8| match plain(byte) {
                true => vec![*byte],
                false => {
                    let [high, low] = digits(*byte);
                    vec![b'%', high, low]
                }
            };
            text.iter().flat_map(encoded).collect()
        }
        "url_dec" => decoded(text),
        "base64" => {
            let mut out = Vec::new();
            crate::h2::websocket::write_base64(&mut out, text);
            out
        }
        "b64dec" => match from_base64(text) {
            Some(bytes) => bytes,
            None => return Fact::None,
        },
        "length" => return Fact::Int(i64::try_from(text.len()).unwrap_or(i64::MAX)),
        "crc32c" => return Fact::Int(crc32c::crc32c(text).into()),
        _ => return Fact::None,
    })
}

fn digits(byte: u8) -> [u8; 2] {
    let digit = |n: u8| if n < 10 { b'0' + n } else { b'A' + n - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// Percent signs undone, and nothing else, as HAProxy does it without an argument.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let two =
            after.first_chunk::<2>().filter(|two| *first == b'%' && two.iter().all(u8::is_ascii_hexdigit));
        let byte = two.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => out.push(*first),
        }
    }
    out
}

/// RFC 4648 §4, with its padding.
fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let bare = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for group in bare.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let value = match group.get(at) {
                Some(byte @ b'A'..=b'Z') => byte - b'A',
                Some(byte @ b'a'..=b'z') => byte - b'a' + 26,
                Some(byte @ b'0'..=b'9') => byte - b'0' + 52,
                Some(b'+') => 62,
                Some(b'/') => 63,
                None => 0,
                Some(_) => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        // A single digit is no byte.
        out.extend_from_slice(bytes.get(..group.len().checked_sub(1).filter(|n| *n > 0)?)?);
    }
    Some(out)
}

/// All there are, by HAProxy's names with `_` for dots.
const FETCHES: [&str; 36] = [
    "base",
    "cook",
    "dst",
    "dst_port",
    "fhdr",
    "fhdr_cnt",
    "hdr",
    "hdr_cnt",
    "method",
    "path",
    "pathq",
    "query",
    "req_cook",
    "req_fhdr",
    "req_fhdr_cnt",
    "req_hdr",
    "req_hdr_cnt",
    "req_ver",
    "res_fhdr",
    "res_fhdr_cnt",
    "res_hdr",
    "res_hdr_cnt",
    "res_ver",
    "src",
    "src_port",
    "ssl_c_s_dn",
    "ssl_c_used",
    "ssl_fc",
    "ssl_fc_alpn",
    "ssl_fc_protocol",
    "ssl_fc_sni",
    "status",
    "url",
    "url_param",
    "urlp",
    "var",
];

const CONVERTERS: [&str; 9] =
    ["b64dec", "base64", "crc32c", "hex", "length", "lower", "upper", "url_dec", "url_enc"];

#[cfg(test)]
mod tests;
