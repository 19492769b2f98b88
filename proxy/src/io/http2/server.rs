//! One stream to a server, as the HTTP/1.1 path sees it: a byte stream that a request goes into and a response comes out
//! of.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::response::Parts;

use super::client::LIMITS;
use super::content::{self, Incoming, Outgoing};
use super::queue::{Piece, Queue};
use super::session::Shared;
use crate::h1::framing::BodyFraming;
use crate::h1::head::Method;
use crate::h2::{request, response};

/// One stream.
pub(in crate::io) struct ServerStream {
    shared: Arc<Shared>,
    request: Request,
    response: Response,
    queue: Arc<Queue>,
    asked: Asked,
    since: Instant,
    /// The server has said that it has done nothing about the request.
    unprocessed: bool,
    /// The request cannot be said in HTTP/2.
    unsayable: bool,
}

/// What of the request the response depends on.
struct Asked {
    method: Method,
    /// The key of a WebSocket's handshake.
    websocket: Option<Vec<u8>>,
}

enum Request {
    /// Its head is to come. What there is of it is kept.
    Head(SendRequest<Piece>, Vec<u8>),
    Content(SendStream<Piece>, Outgoing),
    Ended,
}

enum Response {
    /// There is no request yet.
    Unasked,
    /// Its head is to come. Interim ones before it are there to be read.
    Awaited(ResponseFuture, Vec<u8>),
    Content(Incoming),
    /// There will be none, or no more of it.
    Failed,
}

impl ServerStream {
    pub(super) fn new(send: SendRequest<Piece>, shared: Arc<Shared>, now: Instant) -> Self {
        shared.enter();
        Self {
            queue: Queue::new(&shared.kept),
            shared,
            since: now,
            request: Request::Head(send, Vec::new()),
            response: Response::Unasked,
            asked: Asked { method: Method::Get, websocket: None },
            unprocessed: false,
            unsayable: false,
        }
    }

    /// Whether the request cannot be said in HTTP/2: the server has not seen it.
    pub(in crate::io) fn is_unsayable(&self) -> bool {
        self.unsayable
    }

    /// Whether the server has done nothing about the request, so that it may be sent again whatever it is (RFC 9113 §8.7).
    pub(in crate::io) fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }

    /// The server has not answered in time.
    pub(in crate::io) fn suspect(&self, now: Instant) {
        self.shared.suspect(self.since, now);
    }

    /// Takes bytes of the request: from `first`, then from `second`.
    pub(in crate::io) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let input = if first.is_empty() { second } else { first };
        match &mut self.request {
            Request::Head(..) => self.poll_head(cx, input),
            Request::Content(send, outgoing) => {
                let taken = ready!(outgoing.poll_write(cx, send, &self.queue, input))?;
                if outgoing.is_ended() {
                    self.request = Request::Ended;
                }
                Poll::Ready(Ok(taken))
            }
            Request::Ended => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Takes bytes of the head, and sends it when it is whole.
    fn poll_head(&mut self, cx: &Context<'_>, input: &[u8]) -> Poll<io::Result<usize>> {
        let Request::Head(_, held) = &mut self.request else { return Poll::Ready(Ok(0)) };
        let before = held.len();
        let mut bytes = std::mem::take(held);
        bytes.extend_from_slice(input);
        let sent = self.poll_send_head(cx, &bytes);
        if !matches!(sent, Poll::Ready(Ok(Some(_))))
            && let Request::Head(_, held) = &mut self.request
        {
            // What is pending has not been taken.
            bytes.truncate(if sent.is_pending() { before } else { bytes.len() });
            *held = bytes;
        }
        match ready!(sent) {
            Ok(Some(len)) => Poll::Ready(Ok(len.saturating_sub(before))),
            Ok(None) => Poll::Ready(Ok(input.len())),
            Err(error) => {
                (self.request, self.response) = (Request::Ended, Response::Failed);
                Poll::Ready(Err(error))
            }
        }
    }

    /// Sends the head at the front of `bytes`. How long it is, or `None` if it is not all there.
    fn poll_send_head(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        let Request::Head(send, _) = &mut self.request else { return Poll::Ready(Ok(None)) };
        // What a panic leaves behind is overwritten by parsing.
        let mut index = self.shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = index.parse_request(bytes, &LIMITS).map_err(content::invalid)?;
        let Some(head) = parsed else { return Poll::Ready(Ok(None)) };
        let made = request::from_head(&head, &index, bytes, self.shared.scheme.clone());
        let mut made = made.map_err(|malformed| {
            self.unsayable = true;
            content::invalid(malformed)
        })?;
        if made.websocket.is_some() {
            // RFC 8441 §3: not before the server has said that it knows the method.
            ready!(self.shared.poll_settled(cx));
            if !send.is_extended_connect_protocol_enabled() {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            }
            made.request.extensions_mut().insert(Protocol::from_static("websocket"));
        }
        let ends = made.framing == BodyFraming::None && made.websocket.is_none();
        let (response, content) = match send.send_request(made.request, ends) {
            Ok(asked) => asked,
            Err(error) => {
                // Nothing of it has left: the connection is closing, or has run out of streams.
                self.unprocessed = true;
                self.shared.retire();
                return Poll::Ready(Err(content::broken(error)));
            }
        };
        self.request = match (&made.websocket, ends) {
            (Some(_), _) => Request::Content(content, Outgoing::tunnel()),
            (None, false) => Request::Content(content, Outgoing::new(made.framing)),
            (None, true) => Request::Ended,
        };
        self.response = Response::Awaited(response, Vec::new());
        self.asked = Asked { method: head.method, websocket: made.websocket };
        Poll::Ready(Ok(Some(head.len)))
    }

    /// Reads the response.
    pub(in crate::io) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.response {
                Response::Unasked => return Poll::Pending,
                Response::Failed => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Response::Content(incoming) => return incoming.poll_read(cx, buf),
                Response::Awaited(_, interim) if !interim.is_empty() => {
                    let n = interim.len().min(buf.len());
                    buf[..n].copy_from_slice(&interim[..n]);
                    interim.drain(..n);
                    return Poll::Ready(Ok(n));
                }
                Response::Awaited(..) => {
                    if let Err(error) = ready!(self.poll_response(cx)) {
                        self.response = Response::Failed;
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// Waits for a head, an interim or the final one.
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Response::Awaited(future, interim) = &mut self.response else { return Poll::Ready(Ok(())) };
        if let Poll::Ready(Some(Ok(head))) = future.poll_informational(cx) {
            let (parts, ()) = head.into_parts();
            response::write_head(interim, &parts, self.asked.method, false).map_err(content::invalid)?;
            return Poll::Ready(Ok(()));
        }
        match ready!(std::pin::Pin::new(future).poll(cx)) {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                self.response = Response::Content(self.begin(&parts, body)?);
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                self.unprocessed = is_unprocessed(&error);
                Poll::Ready(Err(content::broken(error)))
            }
        }
    }

    fn begin(&self, parts: &Parts, body: RecvStream) -> io::Result<Incoming> {
        let mut head = Vec::with_capacity(HEAD_ROOM);
        let content = match &self.asked.websocket {
            Some(key) if parts.status.is_success() => response::write_switched(&mut head, parts, key),
            Some(_) | None => response::write_head(&mut head, parts, self.asked.method, body.is_end_stream()),
        };
        Ok(Incoming::of_response(head, content.map_err(content::invalid)?, body))
    }

    /// Ends the request, if only its end is missing.
    pub(in crate::io) fn shutdown(&mut self) -> io::Result<()> {
        if let Request::Content(send, outgoing) = &mut self.request
            && outgoing.may_end()
        {
            send.send_data(Piece::default(), true).map_err(content::broken)?;
            self.request = Request::Ended;
        }
        Ok(())
    }
}

impl Drop for ServerStream {
    /// A stream that has not come to its end is reset by h2 as its handles go.
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").field("unprocessed", &self.unprocessed).finish_non_exhaustive()
    }
}

/// RFC 9113 §8.7: a stream above the one a GOAWAY names, or refused.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || (error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM)))
}

/// Most heads fit.
const HEAD_ROOM: usize = 512;
