//! What a request is counted in, on its way: nothing here costs more than a look where no rule tracks.

use std::net::IpAddr;
use std::time::Instant;

use super::super::runtime::DataThread;
use super::super::session::Tracked;
use super::exchange::Exchange;
use super::failure::Failure;
use super::record::sign_of;
use crate::rules::{Count, Looked, Number, Request, Subject};
use crate::table::{Event, Key};

/// The number that a rule asks for. `None`: there is none.
pub(super) fn number(exchange: &Exchange, number: &Number, source: IpAddr) -> Option<u64> {
    let counters = exchange.owner.as_ref()?.thread().balance.counters();
    let now = exchange.facts.head_done?;
    match number.of {
        Subject::Tracked(which) => {
            let own = exchange.tracking.value(counters, which, number.counter, now);
            own.or_else(|| of_connection(exchange)?.value(which, number.counter, now))
        }
        Subject::Source(table) => {
            let table = counters.table(table)?;
            table.value_of(&table.key_type().of_address(source)?, number.counter, now)
        }
    }
}

/// What its client's connection is counted in, if rules look at connections.
#[inline]
fn of_connection(exchange: &Exchange) -> Option<&Tracked> {
    exchange.owner.as_ref()?.party().caller.tracked()
}

/// Counts an event in all that a request is counted in, and its connection.
fn count_in_all(exchange: &Exchange, thread: &DataThread, event: Event, now: Instant) {
    exchange.tracking.count(thread.balance.counters(), event, now);
    if let Some(tracked) = of_connection(exchange) {
        tracked.count(event, 1, now);
    }
}

/// A request has come. What rules track of it is counted when they do.
#[inline]
pub(super) fn handle_request(exchange: &Exchange, now: Instant) {
    if let Some(tracked) = of_connection(exchange) {
        tracked.count(Event::Request, 1, now);
    }
}

/// What a rule tracks of a request.
pub(super) fn key<R: Request>(counting: &Count, exchange: &Exchange, looked: &Looked<'_, R>) -> Option<Key> {
    let Count::Track(which, key) = counting else { return None };
    let counters = exchange.owner.as_ref()?.thread().balance.counters();
    key.of(counters.table(which.table)?.key_type(), looked)
}

/// Does what a rule says. `key` is what it tracks.
pub(super) fn count(counting: &Count, key: Option<Key>, exchange: &mut Exchange) {
    let Exchange { owner: Some(owner), facts, tracking, .. } = exchange else { return };
    let (counters, Some(now)) = (owner.thread().balance.counters(), facts.head_done) else { return };
    // What the connection is counted in can be meant as well.
    if let Count::Increase(which, _) | Count::SetTag(which, _) = counting
        && !tracking.has(*which)
        && let Some(tracked) = owner.party().caller.tracked()
        && tracked.has(*which)
    {
        return tracked.handle(counting, None, now);
    }
    match (counting, key) {
        (Count::Track(which, _), Some(key)) => tracking.track(counters, *which, key, now),
        (Count::Track(..), None) => {}
        (Count::Increase(which, event), _) => tracking.count_in(counters, *which, *event, now),
        (Count::SetTag(which, value), _) => tracking.set_tag(counters, *which, *value),
    }
}

/// A server has answered with an error. Counted at once, whenever the client takes the response.
#[cold]
pub(super) fn handle_error(exchange: &Exchange, thread: &DataThread, status: u16, now: Instant) {
    let event = match status {
        400..=499 => Event::Error,
        // What the server says that it does not know is the client's doing, as with HAProxy.
        501 | 505 => return,
        500..=599 => Event::Failure,
        _ => return,
    };
    count_in_all(exchange, thread, event, now);
}

/// A request is refused by a rule.
pub(super) fn handle_denial(exchange: &Exchange, thread: &DataThread, now: Instant) {
    count_in_all(exchange, thread, Event::Error, now);
}

/// What came is no request, or nothing came: it is one in what the connection is counted in, and an error, as with HAProxy.
fn handle_no_request(exchange: &Exchange, now: Instant) {
    let Some(tracked) = of_connection(exchange) else { return };
    if exchange.facts.head_done.is_none() {
        tracked.count(Event::Request, 1, now);
    }
    tracked.count(Event::Error, 1, now);
}

/// An exchange fails before its response has begun. What the client does wrong after its head counts as nothing, as with
/// HAProxy, and neither does a server that is not reached.
pub(super) fn handle_failure(exchange: &Exchange, thread: &DataThread, failure: Failure, now: Instant) {
    if matches!(failure, Failure::Refused(_) | Failure::HeadCutShort | Failure::HeadTimeout) {
        handle_no_request(exchange, now);
    }
    if sign_of(failure).is_some() {
        count_in_all(exchange, thread, Event::Failure, now);
    }
}

/// The request is over.
#[inline]
pub(super) fn release(exchange: &mut Exchange, thread: &DataThread, tracked: Option<&Tracked>) {
    if exchange.tracking.is_empty() && tracked.is_none() {
        return;
    }
    let now = exchange.facts.ended.unwrap_or_else(Instant::now);
    let (bytes_in, bytes_out) = (exchange.up.read, exchange.down.out.written());
    if let Some(tracked) = tracked {
        tracked.count(Event::BytesIn, bytes_in, now);
        tracked.count(Event::BytesOut, bytes_out, now);
    }
    exchange.tracking.release(thread.balance.counters(), bytes_in, bytes_out, now);
}
