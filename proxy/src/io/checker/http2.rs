//! The HTTP request of a check over HTTP/2: one connection with one stream. The response is brought to the [`Run`] in
//! the form of HTTP/1, by which it is judged.
//!
//! What the server sends is bounded by h2's limits, and how long it may take by the caller's deadline.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::health::http::{BODY_BYTES, HEAD_BYTES, fields};
use crate::health::run::{Run, Want};
use crate::io::stream::Stream;
use crate::plan::HttpCheck;

/// Asks over `stream`, which is connected, what `run` wants asked, and lets it hear the answer.
///
/// # Errors
/// The connection broke, or is none of HTTP/2, before there was a verdict.
///
/// # Cancel safety
/// Dropping the future closes the connection, and the run with it is to be ended.
pub(super) async fn ask(stream: Stream, run: &mut Run<'_>) -> io::Result<()> {
    let Some((check, state)) = run.request() else { return Ok(()) };
    let scheme = if stream.tls().is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let request = request(check, state, scheme).map_err(io::Error::other)?;
    let opening = Builder::new()
        .enable_push(false)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .initial_window_size(u32::try_from(BODY_BYTES).unwrap_or(u32::MAX))
        .handshake(Wire(stream));
    let (sender, connection) = opening.await.map_err(broken)?;
    let mut connection = pin!(connection);
    let mut asking = pin!(exchange(sender, request, check, run));
    // Nothing moves on the stream unless the connection is driven, so both are polled. When the connection has ended, its
    // streams know of it, and what had come before is still there to be taken.
    tokio::select! {
        asked = &mut asking => asked,
        _ended = &mut connection => asking.await,
    }
    .map_err(broken)
}

async fn exchange(
    sender: SendRequest<Bytes>,
    request: Request<()>,
    check: &HttpCheck,
    run: &mut Run<'_>,
) -> Result<(), h2::Error> {
    let mut sender = sender.ready().await?;
    let (response, mut sending) = sender.send_request(request, check.body.is_empty())?;
    if !check.body.is_empty() {
        sending.send_data(Bytes::copy_from_slice(&check.body), true)?;
    }
    run.handle_sent(Instant::now());
    let response = response.await?;
    run.handle_received(Instant::now(), &head(&response));
    let mut content = response.into_body();
    while run.poll(Instant::now()) == Want::Receive {
        match content.data().await {
            None => run.handle_end(Instant::now()),
            Some(bytes) => {
                let bytes = bytes?;
                content.flow_control().release_capacity(bytes.len())?;
                run.handle_received(Instant::now(), &bytes);
            }
        }
    }
    Ok(())
}

/// The head of the request. As with HAProxy the authority is the `Host`, and there is none without.
fn request(check: &HttpCheck, state: Option<&str>, scheme: Scheme) -> Result<Request<()>, http::Error> {
    let mut headers = HeaderMap::new();
    let mut authority = None;
    for (name, value) in fields(check, state) {
        let name = HeaderName::try_from(name)?;
        if name == HOST {
            authority.get_or_insert(value);
        } else if ![CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name) {
            headers.append(name, HeaderValue::try_from(value)?);
        }
    }
    if !check.body.is_empty() && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(check.body.len()));
    }
    let path = PathAndQuery::try_from(check.uri.as_str());
    let (uri, version) = match (authority, path) {
        (_, Err(_)) => (Uri::try_from(&check.uri)?, Version::HTTP_2),
        (Some(host), Ok(path)) => {
            let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build()?;
            (uri, Version::HTTP_2)
        }
        // To h2 this is a request that somebody else sent without an authority.
        (None, Ok(path)) => (path.into(), Version::HTTP_11),
    };
    let method = Method::try_from(check.method.as_str())?;
    let mut request = Request::builder().method(method).uri(uri).version(version).body(())?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The head of the response as HTTP/1 would have it, without a reason: HTTP/2 has none.
fn head<B>(response: &Response<B>) -> Vec<u8> {
    let mut out = format!("HTTP/2.0 {}\r\n", response.status().as_str()).into_bytes();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The bytes of the connection, as h2 reads and writes them.
struct Wire(Stream);

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = match ready!(self.0.poll_read(cx, buf.initialize_unfilled())) {
            // A server that closes a TLS connection without saying so has still said what it has said.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes, &[])
    }

    /// Nothing is held back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::HttpVersion;

    #[test]
    fn requests_are_those_of_http_1_without_what_concerns_connections() {
        let check = |uri: &str, headers: &[(&str, &str)], body: &str| HttpCheck {
            method: "POST".into(),
            uri: uri.into(),
            version: HttpVersion::V1_1,
            headers: headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
            body: body.into(),
            expect: Vec::new(),
        };
        let text = |check: &HttpCheck, state| {
            let request = request(check, state, Scheme::HTTPS).unwrap();
            format!("{} {:?} {:?}", request.uri(), request.version(), request.headers())
        };
        let host = [("Host", "a.example"), ("Connection", "close"), ("X-A", "1")];
        assert_eq!(text(&check("/x?y", &host, ""), None), "https://a.example/x?y HTTP/2.0 {\"x-a\": \"1\"}");
        assert_eq!(text(&check("/", &[], "ok"), None), "/ HTTP/1.1 {\"content-length\": \"2\"}");
        assert_eq!(text(&check("/", &[], ""), Some("UP")), "/ HTTP/1.1 {\"x-haproxy-server-state\": \"UP\"}");
        assert_eq!(text(&check("http://b/z", &[], ""), None), "http://b/z HTTP/2.0 {}");
    }
}
