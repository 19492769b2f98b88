//! One stream of a client, as the HTTP/1.1 path sees it: a byte stream that a request comes out of and a response goes
//! into.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::content::{self, Incoming, Outgoing};
use super::queue::{Kept, Piece, Queue};
use crate::h1::framing::{self, BodyFraming};
use crate::h1::head::{HeadIndex, Limits, Method};
use crate::h2::{Content, response};

/// What the streams of one connection share. All of them are on one thread, so that nobody ever waits for the lock; but a
/// stream is a kind of [`Stream`](super::super::stream::Stream), and others of these change threads.
#[derive(Debug, Default)]
pub(super) struct Shared {
    open: AtomicU32,
    /// Streams that have been reset though the client has done nothing wrong.
    excused: AtomicU32,
    index: Mutex<HeadIndex>,
    pub(super) kept: Arc<Kept>,
    left: Mutex<Vec<Left>>,
    task: OnceLock<Waker>,
}

/// A stream that nobody looks after any more, of whose response h2 had something to send at that time.
#[derive(Debug)]
pub(super) struct Left {
    /// Keeps it from being forgotten, and allows to reset it.
    pub(super) send: SendStream<Piece>,
    pub(super) queue: Arc<Queue>,
}

impl Shared {
    /// How many streams are open.
    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a stream is open.
    pub(super) fn is_busy(&self) -> bool {
        self.open() > 0
    }

    /// Says which task looks after what streams leave. It is always the same.
    pub(super) fn set_task(&self, cx: &Context<'_>) {
        self.task.get_or_init(|| cx.waker().clone());
    }

    fn leave(&self, left: Left) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(left);
        // h2 says nothing of content that has to wait for its window.
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Streams reset for no fault of the client's since this was last asked.
    pub(super) fn take_excused(&self) -> u32 {
        self.excused.swap(0, Ordering::Relaxed)
    }

    /// Moves streams that were left since this was last asked to `to`.
    pub(super) fn take_left(&self, to: &mut Vec<Left>) {
        to.append(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// One stream.
#[derive(Debug)]
pub(in crate::io) struct ClientStream {
    shared: Arc<Shared>,
    request: Incoming,
    response: Response,
    queue: Arc<Queue>,
    /// Bytes of the response that there was no room for.
    offered: usize,
    /// Bytes of the request that may be kept for another attempt.
    granted: usize,
    /// The request is HEAD: no content follows the response's head, whatever it says.
    method: Method,
    tunnel: bool,
    /// If the response ends before its end that is the server's doing, or ours.
    excused: bool,
}

#[derive(Debug)]
enum Response {
    /// Its head is to come, or the final one after an interim one. What there is of it is kept.
    Head(SendResponse<Piece>, Vec<u8>),
    Content(SendStream<Piece>, Outgoing),
    /// All of it has been given to h2, unless there was nothing but a head.
    Ended(Option<SendStream<Piece>>),
    /// Between states.
    Moving,
}

impl ClientStream {
    pub(super) fn new(
        shared: &Arc<Shared>,
        head: Vec<u8>,
        content: Content,
        body: RecvStream,
        respond: SendResponse<Piece>,
    ) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        let method = head.split(|b| *b == b' ').next().map_or(Method::Other, Method::of);
        Self {
            shared: Arc::clone(shared),
            request: Incoming::new(head, content, body),
            response: Response::Head(respond, Vec::new()),
            queue: Queue::new(&shared.kept),
            offered: 0,
            granted: 0,
            method,
            tunnel: content == Content::Tunnel,
            excused: false,
        }
    }

    /// Reads the request.
    #[inline]
    pub(in crate::io) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if matches!(self.response, Response::Ended(_)) && !self.tunnel {
            return Poll::Ready(Ok(0));
        }
        self.request.poll_read(cx, buf)
    }

    /// How much content of the request may be kept for another attempt, `most` at most.
    pub(in crate::io) fn keep(&mut self, most: usize) -> usize {
        if self.granted == 0 {
            self.granted = self.shared.kept.grant(most);
        }
        self.granted
    }

    /// How much is to be read for it at once.
    pub(in crate::io) fn appetite(&self) -> usize {
        self.shared.kept.appetite()
    }

    /// Takes bytes of the response: from `first`, then from `second`.
    pub(in crate::io) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        first: &[u8],
        second: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = self.poll_take(cx, first, second);
        let n = if let Poll::Ready(Ok(n)) = taken { n } else { 0 };
        // What is not taken is kept until it is offered again.
        self.set_offered((first.len() + second.len()).saturating_sub(n));
        taken
    }

    fn set_offered(&mut self, bytes: usize) {
        if bytes != self.offered {
            self.shared.kept.change_offered(self.offered, bytes);
            self.offered = bytes;
        }
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.response {
            Response::Head(_, held) if held.is_empty() => self.take_head(first, second),
            Response::Head(..) => self.take_rest_of_head(first, second),
            Response::Content(send, outgoing) => {
                let input = if first.is_empty() { second } else { first };
                let taken = ready!(outgoing.poll_write(cx, send, &self.queue, input))?;
                if outgoing.is_ended() {
                    self.end();
                }
                Poll::Ready(Ok(taken))
            }
            Response::Ended(_) | Response::Moving => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The end of the content has been given to h2.
    fn end(&mut self) {
        self.response = match std::mem::replace(&mut self.response, Response::Moving) {
            Response::Content(send, _) => Response::Ended(Some(send)),
            other @ (Response::Head(..) | Response::Ended(_) | Response::Moving) => other,
        };
    }

    /// Nothing of a head has come before: it is usually whole.
    fn take_head(&mut self, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        let input = if first.is_empty() { second } else { first };
        match self.handle_head(input)? {
            Some(taken) => Poll::Ready(Ok(taken)),
            None => {
                if let Response::Head(_, held) = &mut self.response {
                    held.extend_from_slice(input);
                }
                Poll::Ready(Ok(input.len()))
            }
        }
    }

    fn take_rest_of_head(&mut self, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        let Response::Head(_, held) = &mut self.response else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        let mut whole = std::mem::take(held);
        let before = whole.len();
        whole.extend_from_slice(if first.is_empty() { second } else { first });
        match self.handle_head(&whole)? {
            Some(taken) => Poll::Ready(Ok(taken.saturating_sub(before))),
            None => {
                let taken = whole.len() - before;
                if let Response::Head(_, held) = &mut self.response {
                    *held = whole;
                }
                Poll::Ready(Ok(taken))
            }
        }
    }

    /// Sends the head at the front of `bytes`. How long it is, or `None` if it is not all there.
    fn handle_head(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let shared = Arc::clone(&self.shared);
        // What a panic leaves behind is overwritten by parsing.
        let mut index = shared.index.lock().unwrap_or_else(PoisonError::into_inner);
        let parsed = index.parse_response(bytes, &LIMITS).map_err(content::invalid)?;
        let Some(head) = parsed else { return Ok(None) };
        let Response::Head(respond, _) = &mut self.response else { return Ok(None) };
        let message = response::from_head(&head, &index, bytes).map_err(content::invalid)?;
        match head.status {
            101 if self.tunnel => {
                let send = respond.send_response(message, false).map_err(content::broken)?;
                self.response = Response::Content(send, Outgoing::tunnel());
            }
            100..=199 => respond.send_informational(message).map_err(content::broken)?,
            _ => {
                let framing = framing::of_response(&head, self.method, &index, bytes);
                let framing = framing.map_err(content::invalid)?;
                let ends = framing == BodyFraming::None;
                let send = respond.send_response(message, ends).map_err(content::broken)?;
                self.response = if ends {
                    Response::Ended(None)
                } else {
                    Response::Content(send, Outgoing::new(framing))
                };
            }
        }
        Ok(Some(head.len))
    }

    /// Whether the client has given the stream up.
    pub(in crate::io) fn poll_aborted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.response {
            Response::Head(respond, _) => respond.poll_reset(cx).map(|_| ()),
            Response::Content(send, _) => send.poll_reset(cx).map(|_| ()),
            Response::Ended(_) | Response::Moving => Poll::Pending,
        }
    }

    /// If the response ends before its end, that is not the client's fault.
    pub(in crate::io) fn excuse(&mut self) {
        self.excused = true;
    }

    /// Ends the response, if only its end is missing.
    pub(in crate::io) fn shutdown(&mut self) -> io::Result<()> {
        if let Response::Content(send, outgoing) = &mut self.response
            && outgoing.may_end()
        {
            send.send_data(Piece::default(), true).map_err(content::broken)?;
            self.end();
        }
        Ok(())
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        self.shared.kept.take_back(self.granted);
        let mut cx = Context::from_waker(Waker::noop());
        // A stream that is reset already is not reset again.
        let excused = self.excused && self.poll_aborted(&mut cx).is_pending();
        let reset = match std::mem::replace(&mut self.response, Response::Moving) {
            // RFC 9113 §8.1: a response that is not whole must not look as if it were.
            Response::Head(mut respond, _) => {
                respond.send_reset(Reason::INTERNAL_ERROR);
                true
            }
            Response::Content(mut send, _) => {
                send.send_reset(Reason::INTERNAL_ERROR);
                true
            }
            Response::Ended(Some(send)) if self.queue.waiting() > 0 => {
                self.shared.leave(Left { send, queue: Arc::clone(&self.queue) });
                false
            }
            Response::Ended(_) | Response::Moving => false,
        };
        if reset && excused {
            self.shared.excused.fetch_add(1, Ordering::Relaxed);
        }
        self.set_offered(0);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The head has been looked at before; what the proxy has added to it is not to fail here.
pub(super) const LIMITS: Limits = Limits { bytes: 1 << 24, fields: 1 << 15 };
