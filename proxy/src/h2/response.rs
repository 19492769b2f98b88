//! Responses: an HTTP/1.1 head to the header block for a client, and a server's header block to a head.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Response, StatusCode};

use super::fields::{self, Source};
use super::{Content, Malformed, websocket};
use crate::h1::field::Known;
use crate::h1::forward::write_number;
use crate::h1::head::{self, HeadIndex, Method};

/// The header block of a response for a client.
///
/// An accepted upgrade is told as RFC 8441 §5 has it: 200, and no key.
///
/// # Errors
/// The head cannot be said in HTTP/2.
pub fn from_head(
    response: &head::Response,
    index: &HeadIndex,
    bytes: &[u8],
) -> Result<Response<()>, Malformed> {
    let switched = response.status == 101;
    let status = StatusCode::from_u16(if switched { 200 } else { response.status });
    let source = Source::new(bytes.get(..response.len).unwrap_or(bytes));
    let mut fields = HeaderMap::with_capacity(index.fields().len());
    for field in index.fields() {
        let key = switched && field.name.of(bytes).eq_ignore_ascii_case(b"sec-websocket-accept");
        if !key {
            source.append(&mut fields, field)?;
        }
    }
    let mut out = Response::new(());
    *out.status_mut() = status.map_err(|_| Malformed::Head)?;
    *out.headers_mut() = fields;
    Ok(out)
}

/// Appends the HTTP/1.1 head of a server's response. `ends`: nothing follows its header block.
///
/// # Errors
/// The response is malformed by the rules of HTTP/2.
pub fn write_head(
    out: &mut Vec<u8>,
    response: &Parts,
    asked: Method,
    ends: bool,
) -> Result<Content, Malformed> {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_number(out, u64::from(response.status.as_u16()));
    out.push(b' ');
    out.extend_from_slice(response.status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &response.headers {
        write_field(out, name, value)?;
    }
    let content = framing(out, response, asked, ends);
    out.extend_from_slice(b"\r\n");
    Ok(content)
}

/// Appends the HTTP/1.1 head of a server's consent to a WebSocket (RFC 8441 §5), which was asked for with `key`.
///
/// # Errors
/// The response is malformed by the rules of HTTP/2.
pub fn write_switched(out: &mut Vec<u8>, response: &Parts, key: &[u8]) -> Result<Content, Malformed> {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
    );
    out.extend_from_slice(b"sec-websocket-accept: ");
    websocket::write_accept(out, key);
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        write_field(out, name, value)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(Content::Tunnel)
}

fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) -> Result<(), Malformed> {
    let name = name.as_str().as_bytes();
    let value = fields::check_value(value.as_bytes())?;
    if fields::is_of_one_hop(Known::of(name)) {
        return Err(Malformed::ConnectionField);
    }
    fields::write(out, name, value);
    Ok(())
}

fn framing(out: &mut Vec<u8>, response: &Parts, asked: Method, ends: bool) -> Content {
    let bodiless = asked == Method::Head
        || response.status.is_informational()
        || matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let has_length = response.headers.contains_key(CONTENT_LENGTH);
    if bodiless {
        return Content::None;
    }
    match (has_length, ends) {
        (true, true) => Content::None,
        (true, false) => Content::Length,
        (false, true) => {
            out.extend_from_slice(b"content-length: 0\r\n");
            Content::None
        }
        (false, false) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Content::Chunks
        }
    }
}

#[cfg(test)]
mod tests;
