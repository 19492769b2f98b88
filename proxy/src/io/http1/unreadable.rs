//! Keeps messages that cannot be read, if anybody can look at them. Off the path of those that can.

use std::time::Instant;

use super::super::runtime::DataThread;
use super::exchange::Exchange;
use super::record::Party;
use super::view::Parsed;
use crate::h1::fault;
use crate::h1::head::{HeadError, HeadIndex, Response};
use crate::unreadable::{About, Unreadable};

/// What came is no request.
#[cold]
pub(super) fn handle_request(
    thread: &DataThread,
    party: &Party,
    bytes: &[u8],
    error: HeadError,
    now: Instant,
) {
    let Some(kept) = kept(thread, party) else { return };
    let fault = fault::of_request(bytes, thread.limits());
    kept.note_request(of_party(thread, party, now), bytes, fault, error.to_string());
}

/// A request says what it must not.
#[cold]
pub(super) fn handle_refused(thread: &DataThread, party: &Party, parsed: &Parsed<'_>, now: Instant) {
    let Parsed { request, index, bytes } = parsed;
    let Some(kept) = kept(thread, party) else { return };
    if let Some((fault, why)) = fault::in_request(request, index, bytes) {
        kept.note_request(of_party(thread, party, now), bytes, fault, why);
    }
}

/// What the server has answered is no response.
#[cold]
pub(super) fn handle_response(
    exchange: &Exchange,
    thread: &DataThread,
    bytes: &[u8],
    error: HeadError,
    now: Instant,
) {
    let Some((kept, about)) = of_exchange(exchange, thread, now) else { return };
    let fault = fault::of_response(bytes, thread.limits());
    kept.note_response(about, bytes, fault, error.to_string());
}

/// A response says what it must not.
#[cold]
pub(super) fn handle_withheld(
    exchange: &Exchange,
    thread: &DataThread,
    response: &Response,
    index: &HeadIndex,
    bytes: &[u8],
    now: Instant,
) {
    let Some((kept, about)) = of_exchange(exchange, thread, now) else { return };
    let (fault, why) = fault::in_response(response, exchange.asked.method, index, bytes);
    kept.note_response(about, bytes, fault, why);
}

/// A head that was made of one of HTTP/2 is not what the client has sent.
fn kept<'t>(thread: &'t DataThread, party: &Party) -> Option<&'t Unreadable> {
    if party.http2 { None } else { thread.recorder.stats().unreadable() }
}

fn of_party(thread: &DataThread, party: &Party, now: Instant) -> About {
    About {
        time: thread.time_of_day.at(now),
        client: party.caller.source,
        frontend: party.frontend,
        backend: None,
        server: None,
    }
}

fn of_exchange<'t>(
    exchange: &Exchange,
    thread: &'t DataThread,
    now: Instant,
) -> Option<(&'t Unreadable, About)> {
    let kept = thread.recorder.stats().unreadable()?;
    let is_made = exchange.server.as_ref().is_some_and(|s| s.stream.is_multiplexed());
    let party = exchange.owner.as_ref()?.party();
    let (backend, server) = (exchange.facts.backend, exchange.facts.server);
    (!is_made).then(|| (kept, About { backend, server, ..of_party(thread, party, now) }))
}
