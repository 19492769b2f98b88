//! Both directions after an upgrade: bytes, and the end of each side on its own.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::http1::flow::FlowError;
use super::http1::{Exchange, Timeouts};
use super::passage::Means;
use super::stream::Stream;
use crate::h1::body::Body;

/// Which directions are open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Halves {
    to_server: bool,
    to_client: bool,
}

/// Which side broke a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Client,
    Server,
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
) -> Poll<Result<(), Broken>> {
    let Exchange { up, down, server: Some(server), activity, .. } = exchange else {
        return Poll::Ready(Err(Broken::Server));
    };
    let before = (up.read, up.out.written(), down.read, down.out.written());
    let mut surplus = Vec::new();
    if halves.to_server {
        match up.poll(cx, client, &mut server.stream, means, &mut surplus) {
            Poll::Pending => {}
            // A side that ends may still listen: the end is passed on, the other direction stays.
            Poll::Ready(Ok(())) => {
                halves.to_server = false;
                server.stream.shutdown().map_err(|_| Broken::Server)?;
            }
            Poll::Ready(Err(e)) => return Poll::Ready(Err(blame(e, Broken::Client, Broken::Server))),
        }
    }
    if halves.to_client {
        match down.poll(cx, &mut server.stream, client, means, &mut surplus) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                halves.to_client = false;
                client.shutdown().map_err(|_| Broken::Client)?;
            }
            Poll::Ready(Err(e)) => return Poll::Ready(Err(blame(e, Broken::Server, Broken::Client))),
        }
    }
    if before != (up.read, up.out.written(), down.read, down.out.written()) {
        activity.client = Some(now);
    }
    if halves.to_server || halves.to_client { Poll::Pending } else { Poll::Ready(Ok(())) }
}

/// When an inactive tunnel ends. `timeout tunnel` replaces the timers of both sides.
pub(super) fn deadline(exchange: &Exchange) -> Option<Instant> {
    let Timeouts { client, server } = exchange.timeouts;
    let limit = shorter(client.tunnel, server.tunnel).or_else(|| shorter(client.client, server.server))?;
    Some(exchange.activity.client? + limit)
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn blame(error: FlowError, source: Broken, sink: Broken) -> Broken {
    match error {
        FlowError::Source | FlowError::Truncated | FlowError::Malformed => source,
        FlowError::Sink => sink,
    }
}
