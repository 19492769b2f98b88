//! Requests: a client's header block to an HTTP/1.1 head, and a head to the header block for a server.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TE};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri};

use super::fields::{self, Source};
use super::{Content, Malformed, websocket};
use crate::h1::field::Known;
use crate::h1::framing::{self, BodyFraming};
use crate::h1::head::{self, HeadIndex};

pub use super::fields::write_trailers;

/// What a client asks for with the extended CONNECT method (RFC 8441).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol<'a> {
    /// The `:protocol` pseudo header field.
    pub name: &'a str,
    /// Random bytes for the handshake a server over HTTP/1.1 wants.
    pub nonce: [u8; 16],
}

/// Appends the HTTP/1.1 head of a request. `ends`: nothing follows its header block.
///
/// An authority and a `Host` that differ are both written, and so is every `Content-Length`: HTTP/1.1 refuses requests
/// with two of either, which is the one place that decides about it (RFC 9113 §8.3.1, RFC 9112 §3.2, §6.3).
///
/// # Errors
/// The request is malformed by the rules of HTTP/2.
pub fn write_head(
    out: &mut Vec<u8>,
    request: &Parts,
    protocol: Option<Protocol<'_>>,
    ends: bool,
) -> Result<Content, Malformed> {
    let websocket = protocol.filter(|p| p.name.eq_ignore_ascii_case("websocket"));
    let method = if websocket.is_some() { "GET" } else { request.method.as_str() };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target(request, websocket.is_some()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    write_host(out, request)?;
    write_fields(out, &request.headers, websocket.is_some())?;
    let content = if let Some(websocket) = websocket {
        write_handshake(out, &websocket.nonce);
        Content::Tunnel
    } else {
        write_framing(out, request, ends)?
    };
    out.extend_from_slice(b"\r\n");
    Ok(content)
}

/// A plain CONNECT names an authority; it is for the HTTP/1.1 path to refuse (RFC 9113 §8.5).
fn target(request: &Parts, websocket: bool) -> &str {
    if request.method == Method::CONNECT && !websocket {
        return request.uri.authority().map_or("*", Authority::as_str);
    }
    request.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// RFC 9113 §8.3.1: the authority is the `Host`.
fn write_host(out: &mut Vec<u8>, request: &Parts) -> Result<(), Malformed> {
    let authority = request.uri.authority().map(|a| a.as_str().as_bytes());
    if let Some(authority) = authority {
        fields::write(out, b"host", authority);
    }
    for host in request.headers.get_all(HOST) {
        let host = fields::check_value(host.as_bytes())?;
        if !authority.is_some_and(|a| a.eq_ignore_ascii_case(host)) {
            fields::write(out, b"host", host);
        }
    }
    Ok(())
}

fn write_fields(out: &mut Vec<u8>, headers: &HeaderMap, websocket: bool) -> Result<(), Malformed> {
    let mut cookie = false;
    for (name, value) in headers {
        let value = fields::check_value(value.as_bytes())?;
        let name = name.as_str().as_bytes();
        let known = Known::of(name);
        if fields::is_of_one_hop(known) {
            return Err(Malformed::ConnectionField);
        }
        if known == Known::Te {
            write_te(out, value, websocket)?;
        } else if name == b"cookie" {
            cookie = true;
        } else if !(matches!(known, Known::Host | Known::Http2Settings)
            // A tunnel has no content.
            || (websocket && known == Known::ContentLength))
        {
            fields::write(out, name, value);
        }
    }
    if cookie {
        write_cookie(out, headers);
    }
    Ok(())
}

/// RFC 9113 §8.2.2: it may say nothing but `trailers`.
fn write_te(out: &mut Vec<u8>, value: &[u8], websocket: bool) -> Result<(), Malformed> {
    if value != b"trailers" {
        return Err(Malformed::ConnectionField);
    }
    if !websocket {
        // RFC 9110 §10.1.4: whoever sends TE over HTTP/1.1 names it in Connection.
        out.extend_from_slice(b"connection: te\r\nte: trailers\r\n");
    }
    Ok(())
}

/// RFC 9113 §8.2.3: crumbs become one field again.
fn write_cookie(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut between: &[u8] = b"cookie: ";
    for crumb in headers.get_all(COOKIE) {
        out.extend_from_slice(between);
        out.extend_from_slice(crumb.as_bytes());
        between = b"; ";
    }
    out.extend_from_slice(b"\r\n");
}

fn write_framing(out: &mut Vec<u8>, request: &Parts, ends: bool) -> Result<Content, Malformed> {
    let length = request.headers.get(CONTENT_LENGTH);
    match (length, ends) {
        // RFC 9113 §8.1.1.
        (Some(length), true) if length != "0" => Err(Malformed::Length),
        (Some(_), true) => Ok(Content::None),
        (Some(_), false) => Ok(Content::Length),
        (None, true) => {
            // RFC 9110 §8.6: these methods anticipate content, and servers ask for a length.
            if matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
                out.extend_from_slice(b"content-length: 0\r\n");
            }
            Ok(Content::None)
        }
        // The answer to a CONNECT is a refusal; what follows it is not content.
        (None, false) if request.method == Method::CONNECT => Ok(Content::None),
        (None, false) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Ok(Content::Chunks)
        }
    }
}

/// RFC 6455 §4.1 for a client that speaks RFC 8441, which has no key.
fn write_handshake(out: &mut Vec<u8>, nonce: &[u8; 16]) {
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ");
    websocket::write_key(out, nonce);
    out.extend_from_slice(b"\r\n");
}

/// What a server is asked in HTTP/2.
#[derive(Debug)]
pub struct ForServer {
    /// The header block. A WebSocket is asked for by the extended CONNECT method, whose protocol is to be added.
    pub request: http::Request<()>,
    /// What follows it, as HTTP/1.1 bytes.
    pub framing: BodyFraming,
    /// The key of the handshake of a WebSocket, which has no place in HTTP/2 (RFC 8441 §5).
    pub websocket: Option<Vec<u8>>,
}

/// The header block for a server, and what its content is.
///
/// # Errors
/// The head cannot be said in HTTP/2.
pub fn from_head(
    request: &head::Request,
    index: &HeadIndex,
    bytes: &[u8],
    scheme: Scheme,
) -> Result<ForServer, Malformed> {
    let framing = framing::of_request(request, index, bytes).map_err(|_| Malformed::Head)?;
    // RFC 6455 §4.1: the method is GET. Of any other one the extended CONNECT would make it a GET.
    let asks = request.method == head::Method::Get
        && index.first(Known::Upgrade).is_some_and(|f| f.value.of(bytes).eq_ignore_ascii_case(b"websocket"));
    let mut websocket = asks.then(Vec::new);
    let source = Source::new(bytes.get(..request.len).unwrap_or(bytes));
    let mut fields = HeaderMap::with_capacity(index.fields().len());
    for field in index.fields() {
        match &mut websocket {
            Some(key) if field.name.of(bytes).eq_ignore_ascii_case(b"sec-websocket-key") => {
                *key = field.value.of(bytes).to_vec();
            }
            Some(_) | None if field.known == Known::Host => {}
            Some(_) | None => source.append(&mut fields, field)?,
        }
    }
    // RFC 9113 §8.2.2: the one thing TE may say.
    if index.first(Known::Te).is_some() {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
    let method = Method::from_bytes(request.method_span.of(bytes)).map_err(|_| Malformed::Head)?;
    let host = index.first(Known::Host).map_or(&b""[..], |f| f.value.of(bytes));
    let mut out = http::Request::new(());
    *out.uri_mut() = uri(request.target.of(bytes), host, scheme)?;
    *out.method_mut() = if websocket.is_some() { Method::CONNECT } else { method };
    // RFC 9113 §8.3.1: only what was HTTP/1.1 may name no authority.
    *out.version_mut() = if host.is_empty() { http::Version::HTTP_11 } else { http::Version::HTTP_2 };
    *out.headers_mut() = fields;
    Ok(ForServer { request: out, framing, websocket })
}

fn uri(target: &[u8], host: &[u8], scheme: Scheme) -> Result<Uri, Malformed> {
    let mut parts = http::uri::Parts::default();
    let path_and_query = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(target))
        .or_else(|_| PathAndQuery::from_maybe_shared(Bytes::from(encoded(target))))
        .map_err(|_| Malformed::Head)?;
    parts.path_and_query = Some(path_and_query);
    if !host.is_empty() {
        let host = Authority::from_maybe_shared(Bytes::copy_from_slice(host));
        parts.authority = Some(host.map_err(|_| Malformed::Head)?);
        parts.scheme = Some(scheme);
    }
    Uri::from_parts(parts).map_err(|_| Malformed::Head)
}

/// A target that HTTP/1.1 lets pass, with what RFC 3986 allows nowhere in a URI as it has to be written there.
fn encoded(target: &[u8]) -> Vec<u8> {
    let digit = |n: u8| b"0123456789ABCDEF"[usize::from(n & 15)];
    let mut out = Vec::with_capacity(target.len() + 16);
    for byte in target {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7f.. => {
                out.extend_from_slice(&[b'%', digit(byte >> 4), digit(*byte)]);
            }
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests;
