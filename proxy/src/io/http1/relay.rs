//! Moves an exchange on: the request goes out and the response comes in, at the same time.

use std::task::{Context, Poll};
use std::time::Instant;

use super::super::passage::Means;
use super::super::runtime::{DataThread, Scratch};
use super::super::stream::Stream;
use super::exchange::{Exchange, ResponseState};
use super::failure::Failure;
use super::flow::{FlowError, START};
use super::ours::Ours;
use super::repeat;
use super::response::{self, Verdict, Withheld};
use super::unreadable;
use crate::h1::reject::Reject;
use crate::plan::RetryEvent;

/// Why polling an exchange stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The response has been sent whole.
    Complete,
    /// The exchange has become a tunnel.
    Tunnel,
    /// The server closed a connection it had kept, before it saw the request: another one has to be made.
    Stale,
    /// The answer has this status, after which the request is to be sent again.
    Again(u16),
    /// A rule puts this in the place of the response.
    Instead(Box<Ours>),
    /// It failed.
    Failed(Failure),
}

impl From<Withheld> for End {
    fn from(withheld: Withheld) -> Self {
        match withheld {
            Withheld::Failed(failure) => Self::Failed(failure),
            Withheld::Replaced(ours) => Self::Instead(ours),
        }
    }
}

/// The client's side of an exchange.
pub(super) struct Client<'a> {
    pub(super) stream: &'a mut Stream,
    /// Takes what the client sent ahead.
    pub(super) inbox: &'a mut Vec<u8>,
}

/// Moves what can be moved in either direction.
pub(super) fn poll(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
    now: Instant,
) -> Poll<End> {
    let before =
        (exchange.up.read, exchange.up.out.written(), exchange.down.read, exchange.down.out.written());
    let end = poll_both(exchange, client, thread, scratch, cx, now);
    // What one side has taken it may have taken long to: the time of the other begins when it can go on.
    let passed = exchange.up.out.written() != before.1 || exchange.down.out.written() != before.3;
    if exchange.up.read != before.0 {
        exchange.held_back = false;
    }
    if exchange.up.read != before.0 || passed {
        exchange.activity.client = Some(now);
    }
    if exchange.down.read != before.2 || passed {
        exchange.activity.server = Some(now);
    }
    end
}

fn poll_both(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
    now: Instant,
) -> Poll<End> {
    if !exchange.request_is_out()
        && let Poll::Ready(Err(end)) = poll_request(exchange, client, thread, scratch, cx)
    {
        return Poll::Ready(end);
    }
    while exchange.response == ResponseState::Awaited {
        match poll_head(exchange, client, thread, scratch, cx, now) {
            Poll::Ready(Ok(Verdict::Switched)) => return Poll::Ready(End::Tunnel),
            Poll::Ready(Ok(Verdict::Interim | Verdict::Final)) => {}
            Poll::Ready(Err(end)) => return Poll::Ready(end),
            Poll::Pending => return Poll::Pending,
        }
    }
    poll_content(exchange, client, thread, scratch, cx)
}

/// The rest of the request, to the server.
fn poll_request(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
) -> Poll<Result<(), End>> {
    let Exchange { up, server: Some(server), .. } = exchange else { return Poll::Pending };
    let mut means = Means { scratch: &mut scratch.bytes, pipes: &thread.pipes };
    match up.poll(cx, client.stream, &mut server.stream, &mut means, client.inbox) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
        Poll::Ready(Err(FlowError::Sink)) => {
            // It may have answered and closed before it read everything: its answer decides.
            server.deaf = true;
            Poll::Ready(Ok(()))
        }
        Poll::Ready(Err(FlowError::Source | FlowError::Truncated)) => {
            Poll::Ready(Err(End::Failed(Failure::ClientAborted)))
        }
        Poll::Ready(Err(FlowError::Malformed)) => Poll::Ready(Err(End::Failed(Failure::BadRequestBody))),
    }
}

/// The head of a response, from the server.
fn poll_head(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
    now: Instant,
) -> Poll<Result<Verdict, End>> {
    // An interim response first has to be out: one of them is all that is kept.
    match exchange.down.out.poll_flush(cx, client.stream) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(_)) => return Poll::Ready(Err(End::Failed(Failure::ClientAborted))),
        Poll::Pending => return Poll::Pending,
    }
    loop {
        let Exchange { down, server: Some(server), .. } = exchange else { return Poll::Pending };
        let spliceable = server.stream.is_plain_tcp() && client.stream.is_plain_tcp();
        let room = match spliceable {
            true => thread.forecast.head_room(exchange.facts.server),
            false => START.min(client.stream.appetite()),
        };
        let room = room.min(down.window);
        let total = match down.poll_fill(cx, &mut server.stream, &mut scratch.bytes, room) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0) | Err(_)) => {
                return Poll::Ready(Err(end_of_silence(exchange, thread)));
            }
            Poll::Ready(Ok(total)) => total,
        };
        if exchange.repeat.on.is_empty() {
            // It has read the request, or wants no more of it: from here on it must not be sent again.
            exchange.up.out.release();
        }
        match handle_bytes(exchange, client, thread, scratch, total, cx, now) {
            Ok(Some(verdict)) => return Poll::Ready(Ok(verdict)),
            Ok(None) => {}
            Err(end) => return Poll::Ready(Err(end)),
        }
    }
}

/// What the server said: heads and perhaps the start of content, or a part of a head. `None`: no whole head.
fn handle_bytes(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    total: usize,
    cx: &mut Context<'_>,
    now: Instant,
) -> Result<Option<Verdict>, End> {
    let failed = |failure| End::Failed(failure);
    let Scratch { bytes, index } = scratch;
    let mut at = 0;
    let mut latest = None;
    loop {
        let bytes = bytes.get_mut(at..total).unwrap_or_default();
        let parsed = match index.parse_response(bytes, thread.limits()) {
            Ok(parsed) => parsed,
            Err(error) => {
                unreadable::handle_response(exchange, thread, bytes, error, now);
                return Err(failed(Failure::BadResponse));
            }
        };
        let Some(head) = parsed else {
            exchange.down.held.extend_from_slice(bytes);
            return Ok(latest);
        };
        if !exchange.repeat.on.is_empty() && repeat::is_due(exchange, thread, RetryEvent::Status(head.status))
        {
            return Err(End::Again(head.status));
        }
        let verdict = match response::handle_head(exchange, &head, index, bytes, thread, now) {
            Ok(verdict) => verdict,
            Err(withheld) => {
                if withheld == Withheld::Failed(Failure::BadResponse) {
                    unreadable::handle_withheld(exchange, thread, &head, index, bytes, now);
                }
                return Err(withheld.into());
            }
        };
        if verdict != Verdict::Interim {
            exchange.up.out.release();
        }
        let rest = bytes.get_mut(head.len..).unwrap_or_default();
        match verdict {
            Verdict::Interim => at += head.len,
            Verdict::Switched => exchange.down.out.buffer().extend_from_slice(rest),
            Verdict::Final => {
                let kept = exchange
                    .down
                    .offer(rest, &mut exchange.surplus)
                    .map_err(|_| failed(Failure::BadResponse))?;
                let content = rest.get(..kept).unwrap_or_default();
                if let Poll::Ready(Err(_)) = exchange.down.poll_send(cx, client.stream, content) {
                    return Err(failed(Failure::ClientAborted));
                }
            }
        }
        latest = Some(verdict);
        if verdict != Verdict::Interim {
            return Ok(latest);
        }
    }
}

/// The server ended or broke the connection where a response should have been.
fn end_of_silence(exchange: &mut Exchange, thread: &DataThread) -> End {
    let Some(server) = &exchange.server else { return End::Failed(Failure::ServerClosed) };
    if server.stream.is_unsayable() {
        return End::Failed(Failure::Refused(Reject::BadRequest));
    }
    let untouched = exchange.down.read == 0;
    // RFC 9112 §9.3.1: a connection may be closed just when a request goes out. It may be sent again if that cannot
    // change what it does, or if nothing of it was sent.
    let repeatable = exchange.asked.method.is_idempotent()
        || exchange.up.out.written() == 0
        || server.stream.is_unprocessed();
    // A connection of its own that is new is not closed by chance; one that is shared may be, and so may the next one.
    let by_chance =
        if server.stream.is_multiplexed() { has_retries_left(exchange, thread) } else { server.reused };
    if by_chance && untouched && repeatable && exchange.up.out.rewind() {
        return End::Stale;
    }
    End::Failed(Failure::ServerClosed)
}

fn has_retries_left(exchange: &Exchange, thread: &DataThread) -> bool {
    let backend = exchange.facts.backend.and_then(|b| thread.plan.backends().get(usize::from(b.0)));
    backend.is_some_and(|b| exchange.facts.retries < b.retries)
}

/// The rest of the response, to the client.
fn poll_content(
    exchange: &mut Exchange,
    client: &mut Client<'_>,
    thread: &DataThread,
    scratch: &mut Scratch,
    cx: &mut Context<'_>,
) -> Poll<End> {
    let Exchange { down, server: Some(server), surplus, .. } = exchange else {
        return Poll::Ready(End::Failed(Failure::ServerClosed));
    };
    // More is to come than came with the head: it may have to wait, and can be spliced.
    if !down.is_done() && client.stream.register().is_err() {
        return Poll::Ready(End::Failed(Failure::ClientAborted));
    }
    let mut means = Means { scratch: &mut scratch.bytes, pipes: &thread.pipes };
    match down.poll(cx, &mut server.stream, client.stream, &mut means, surplus) {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Ok(())) => Poll::Ready(End::Complete),
        Poll::Ready(Err(FlowError::Sink)) => Poll::Ready(End::Failed(Failure::ClientAborted)),
        Poll::Ready(Err(FlowError::Source | FlowError::Truncated)) => {
            Poll::Ready(End::Failed(Failure::ServerClosed))
        }
        Poll::Ready(Err(FlowError::Malformed)) => Poll::Ready(End::Failed(Failure::BadResponse)),
    }
}
