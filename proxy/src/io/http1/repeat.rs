//! Sending a request again after an answer that is none, or one that another server may do better.

use super::super::assign::Assign;
use super::super::runtime::DataThread;
use super::super::upstream::redispatch;
use super::exchange::{Exchange, ResponseState};
use super::failure::Failure;
use crate::balance::Wish;
use crate::h1::head::Method;
use crate::health::Sign;
use crate::plan::{Backend, RetryEvent, RetryOn, ServerId};

/// What may be done again, and what has been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeat {
    /// Events after which this request is sent again though a server may have seen it.
    pub(super) on: RetryOn,
    /// Attempts after the first, to connect or to get an answer: `retries` bounds them all together.
    pub(super) made: u8,
    /// The server of the attempt before this one, while this one has none.
    pub(super) from: Option<ServerId>,
    /// What the server was chosen by; the next one is chosen by it too.
    pub(super) wish: Wish,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { on: RetryOn::NONE, made: 0, from: None, wish: Wish::default() }
    }
}

impl Repeat {
    /// For a request to `backend`.
    pub(super) fn new(backend: &Backend, method: Method) -> Self {
        let retry = &backend.http.retry;
        let repeatable = retry.non_idempotent || method.is_idempotent();
        let on = if repeatable { retry.on.after_sending() } else { RetryOn::NONE };
        Self { on, ..Self::default() }
    }
}

/// The event that a failure is, if it is one after which a request can be sent again.
pub(super) fn event_of(failure: Failure, exchange: &Exchange) -> Option<RetryEvent> {
    match failure {
        Failure::ServerClosed | Failure::ShutDown(_) if exchange.down.read == 0 => {
            Some(RetryEvent::EmptyResponse)
        }
        Failure::ServerClosed | Failure::ShutDown(_) | Failure::BadResponse => Some(RetryEvent::JunkResponse),
        Failure::ServerTimeout => Some(RetryEvent::ResponseTimeout),
        Failure::Refused(_)
        | Failure::HeadCutShort
        | Failure::HeadTimeout
        | Failure::NoServer
        | Failure::QueueFull
        | Failure::QueueTimeout
        | Failure::Dial(_)
        | Failure::ClientAborted
        | Failure::ClientTimeout
        | Failure::ClientTooSlow
        | Failure::Denied
        | Failure::Script
        | Failure::BadRequestBody => None,
    }
}

/// Whether the request is to be sent again after `event`: it may be, all of it is there still, and neither `retries` nor
/// the backend's budget is used up.
pub(super) fn is_due(exchange: &Exchange, thread: &DataThread, event: RetryEvent) -> bool {
    if !exchange.repeat.on.has(event) || exchange.response != ResponseState::Awaited {
        return false;
    }
    let Some(id) = exchange.facts.backend else { return false };
    let retries = thread.plan.backends().get(usize::from(id.0)).map_or(0, |b| b.retries);
    exchange.repeat.made < retries && exchange.up.out.is_kept() && thread.may_repeat(id)
}

/// Starts over: the request is as it was before it was sent, and wants a server. `shown` is what this attempt has shown
/// of its server, which a good answer of another one does not make good.
///
/// With `redispatch` it wants another one when a connection that fails would; HAProxy's pause is for those only.
pub(super) fn start_over(exchange: &mut Exchange, thread: &DataThread, shown: Option<Sign>) {
    let (Some(id), Some(server)) = (exchange.facts.backend, exchange.facts.server) else { return };
    if let Some(sign) = shown {
        thread.balance.observations().note(server, sign);
    }
    thread.recorder.backend(id).repeats.add(1);
    exchange.server = None;
    exchange.lease = None;
    exchange.seat = None;
    exchange.down.restart();
    exchange.surplus.clear();
    // Kept, as `is_due` has found.
    exchange.up.out.rewind();
    exchange.activity.server = None;
    exchange.facts.connected = None;
    exchange.facts.retries = exchange.facts.retries.saturating_add(1);
    exchange.repeat.made = exchange.repeat.made.saturating_add(1);
    exchange.repeat.from = Some(server);
    let Wish { key, .. } = exchange.repeat.wish;
    let wish = match redispatch::is_due(thread, id, server, &exchange.repeat.wish, exchange.repeat.made) {
        true => Wish { key, avoid: Some(server), ..Wish::default() },
        false => Wish { key, pinned: Some(server), ..Wish::default() },
    };
    exchange.assign = Some(Assign::new(id, wish));
}

/// Counts an attempt that has got its server. Whether it is to go over a new connection: the one before has shown that
/// connections to the same server are not to be relied on.
pub(super) fn handle_assigned(exchange: &mut Exchange, thread: &DataThread, server: ServerId) -> bool {
    let (Some(from), Some(backend)) = (exchange.repeat.from.take(), exchange.facts.backend) else {
        return false;
    };
    let counters = [thread.recorder.server(from), thread.recorder.backend(backend)];
    if from == server {
        counters.iter().for_each(|c| c.retries.add(1));
        return true;
    }
    counters.iter().for_each(|c| c.redispatches.add(1));
    exchange.facts.redispatched = true;
    false
}
