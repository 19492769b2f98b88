//! Both directions after an upgrade: bytes, and the end of each side on its own.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::http1::flow::FlowError;
use super::http1::{Exchange, Failure, Timeouts};
use super::passage::Means;
use super::stream::Stream;
use crate::h1::body::Body;

/// Which directions are open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halves {
    to_server: bool,
    to_client: bool,
}

/// Turns an exchange into a tunnel. What the client sent ahead goes first.
pub(super) fn open(exchange: &mut Exchange, sent_ahead: &mut Vec<u8>) -> Halves {
    exchange.up.out.release();
    exchange.up.out.buffer().append(sent_ahead);
    exchange.up.body = Body::UntilClose;
    exchange.down.body = Body::UntilClose;
    Halves { to_server: true, to_client: true }
}

/// Moves what can be moved. Ready when both sides have ended or one has broken.
pub(super) fn poll(
    exchange: &mut Exchange,
    halves: &mut Halves,
    client: &mut Stream,
    means: &mut Means<'_>,
    cx: &mut Context<'_>,
    now: Instant,
) -> Poll<Result<(), Failure>> {
    let Exchange { up, down, server: Some(server), activity, .. } = exchange else {
        return Poll::Ready(Err(Failure::ServerClosed));
    };
    let before = (up.read, up.out.written(), down.read, down.out.written());
    let mut surplus = Vec::new();
    if halves.to_server {
        match up.poll(cx, client, &mut server.stream, means, &mut surplus) {
            Poll::Pending => {}
            // A side that ends may still listen: the end is passed on, the other direction stays.
            Poll::Ready(Ok(())) => {
                halves.to_server = false;
                server.stream.shutdown().map_err(|_| Failure::ServerClosed)?;
            }
            Poll::Ready(Err(e)) => {
                return Poll::Ready(Err(blame(e, Failure::ClientAborted, Failure::ServerClosed)));
            }
        }
    }
    if halves.to_client {
        match down.poll(cx, &mut server.stream, client, means, &mut surplus) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                halves.to_client = false;
                client.shutdown().map_err(|_| Failure::ClientAborted)?;
            }
            Poll::Ready(Err(e)) => {
                return Poll::Ready(Err(blame(e, Failure::ServerClosed, Failure::ClientAborted)));
            }
        }
    }
    if (up.read, down.out.written()) != (before.0, before.3) {
        activity.client = Some(now);
    }
    if (up.out.written(), down.read) != (before.1, before.2) {
        activity.server = Some(now);
    }
    if halves.to_server || halves.to_client { Poll::Pending } else { Poll::Ready(Ok(())) }
}

/// When an inactive tunnel ends, and what that is called. `timeout.tunnel` replaces the timers of both sides; once one side
/// has ended, those for that (`client_fin`, `server_fin`) replace it, for who is still waited for.
pub(super) fn deadline(exchange: &Exchange, halves: Halves) -> Option<(Instant, Failure)> {
    let Exchange { up, down, activity, timeouts: Timeouts { client, server }, .. } = exchange;
    let usual = shorter(client.tunnel, server.tunnel).or_else(|| shorter(client.client, server.server));
    if halves.to_server && halves.to_client {
        return Some((activity.client.max(activity.server)? + usual?, Failure::ClientTimeout));
    }
    let due = |waited_for: bool, since: Option<Instant>, limit: Option<Duration>| {
        if waited_for { Some(since? + limit?) } else { None }
    };
    let client_due = halves.to_server || down.is_waiting();
    let server_due = halves.to_client || up.is_waiting();
    let client = due(client_due, activity.client, client.client_fin.or(usual));
    let server = due(server_due, activity.server, server.server_fin.or(usual));
    match (client, server) {
        (Some(client), Some(server)) if server < client => Some((server, Failure::ServerTimeout)),
        (Some(client), _) => Some((client, Failure::ClientTimeout)),
        (None, Some(server)) => Some((server, Failure::ServerTimeout)),
        (None, None) => None,
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn blame(error: FlowError, source: Failure, sink: Failure) -> Failure {
    match error {
        FlowError::Source | FlowError::Truncated | FlowError::Malformed => source,
        FlowError::Sink => sink,
    }
}
