//! An exchange of limited bandwidth: it moves when it may, and is woken when it may again.

use std::task::Context;
use std::time::Instant;

use super::super::super::runtime::Scratch;
use super::super::super::tunnel::{self, Halves};
use super::super::exchange::{Exchange, ResponseState};
use super::super::flow::Flow;
use super::super::record::Open;
use super::{Connection, State, Step};
use crate::bandwidth::{Bandwidth, Throttle};

/// The exchange, or the tunnel it has become, and its accounts.
pub(super) struct Paced {
    open: Open,
    halves: Option<Halves>,
    accounts: Accounts,
}

/// One account per direction that has a limit.
#[derive(Debug, Clone, Copy)]
struct Accounts {
    down: Option<Throttle>,
    up: Option<Throttle>,
}

/// What an account has to say after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Nothing: whoever has to move may.
    Free,
    /// What it was granted is used up, and there is more already.
    Again,
    /// Nothing may move until then.
    Until(Instant),
}

impl Paced {
    pub(super) fn new(open: Open, limits: Bandwidth, now: Instant) -> Self {
        let (down, mut up) = (limits.download.map(Throttle::new), limits.upload.map(Throttle::new));
        // What came with the head has passed unasked.
        up.iter_mut().for_each(|throttle| throttle.settle(open.up.passed(), now));
        Self { open, halves: None, accounts: Accounts { down, up } }
    }

    /// The state without its limits.
    fn bare(self) -> (State, Accounts) {
        let state = match self.halves {
            None => State::Forwarding(self.open),
            Some(halves) => State::Tunnel(self.open, halves),
        };
        (state, self.accounts)
    }
}

impl Accounts {
    /// Grants each direction what it may move at `now`.
    fn grant(&self, exchange: &mut Exchange, now: Instant) {
        if let Some(throttle) = &self.down {
            exchange.down.quota = throttle.grant(now).unwrap_or(0);
            if exchange.response == ResponseState::Awaited {
                // What comes with the head passes unasked.
                exchange.down.window = HEAD_ROOM;
                exchange.down.quota = exchange.down.quota.saturating_sub(HEAD_ROOM as u64);
            }
        }
        if let Some(throttle) = &self.up {
            exchange.up.quota = throttle.grant(now).unwrap_or(0);
        }
    }

    /// Accounts for what has moved at `now`. When the exchange is to be polled again. A side that may not move is not
    /// waited for meanwhile.
    fn settle(&mut self, exchange: &mut Exchange, cx: &Context<'_>, now: Instant) -> Option<Instant> {
        let down = self.down.as_mut().map_or(Verdict::Free, |t| settle(t, &exchange.down, now));
        let up = self.up.as_mut().map_or(Verdict::Free, |t| settle(t, &exchange.up, now));
        if down == Verdict::Again || up == Verdict::Again {
            cx.waker().wake_by_ref();
        }
        let (mut next, activity) = (None, &mut exchange.activity);
        for (verdict, since) in [(down, &mut activity.server), (up, &mut activity.client)] {
            if let Verdict::Until(when) = verdict {
                *since = since.map(|since| since.max(when));
                next = next.into_iter().chain([when]).min();
            }
        }
        next
    }
}

fn settle(throttle: &mut Throttle, flow: &Flow, now: Instant) -> Verdict {
    throttle.settle(flow.passed(), now);
    if flow.body.is_done() || flow.quota > 0 {
        return Verdict::Free;
    }
    throttle.grant(now).map_or_else(Verdict::Until, |_| Verdict::Again)
}

impl Connection {
    /// Moves an exchange as far as its limits allow.
    pub(super) fn pace(
        &mut self,
        mut paced: Paced,
        scratch: &mut Scratch,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Step {
        paced.accounts.grant(&mut paced.open, now);
        let (state, mut accounts) = paced.bare();
        match self.step(state, scratch, cx, now) {
            Step::Wait(State::Forwarding(mut open), due) => {
                let next = accounts.settle(&mut open, cx, now);
                // Before there is a server nothing moves, and something else is waited for.
                let due = if open.server.is_some() { open.deadline().map(|(at, _)| at) } else { due };
                let paced = Paced { open, halves: None, accounts };
                Step::Wait(State::Paced(paced.into()), due.into_iter().chain(next).min())
            }
            Step::Wait(State::Tunnel(mut open, halves), _) => {
                let next = accounts.settle(&mut open, cx, now);
                let due = tunnel::deadline(&open, halves).map(|(at, _)| at);
                let paced = Paced { open, halves: Some(halves), accounts };
                Step::Wait(State::Paced(paced.into()), due.into_iter().chain(next).min())
            }
            step @ (Step::Next(_) | Step::Wait(..) | Step::Over) => accounts.keep(step),
        }
    }

    /// The deadline has passed.
    pub(super) fn expire_paced(&mut self, paced: Paced, now: Instant) -> Step {
        let (state, accounts) = paced.bare();
        let step = self.expire(state, now);
        accounts.keep(step)
    }
}

impl Accounts {
    /// An exchange that goes on keeps its limits.
    fn keep(self, step: Step) -> Step {
        let paced = |open, halves| State::Paced(Paced { open, halves, accounts: self }.into());
        match step {
            Step::Next(State::Forwarding(open)) => Step::Next(paced(open, None)),
            Step::Next(State::Tunnel(open, halves)) => Step::Next(paced(open, Some(halves))),
            other @ (Step::Next(_) | Step::Wait(..) | Step::Over) => other,
        }
    }
}

/// As much of a response is read before it is known where it ends.
const HEAD_ROOM: usize = 4096;
