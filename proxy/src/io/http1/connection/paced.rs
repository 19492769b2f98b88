//! An exchange of limited bandwidth: it moves when it may, and is woken when it may again.

use std::num::NonZeroU64;
use std::task::Context;
use std::time::Instant;

use super::super::super::runtime::Scratch;
use super::super::super::tunnel::{self, Halves};
use super::super::demands::Limits;
use super::super::exchange::{Exchange, ResponseState};
use super::super::flow::Flow;
use super::super::record::Open;
use super::{Connection, State, Step};
use crate::bandwidth::{Share, Throttle};

/// The exchange, or the tunnel it has become, and its accounts.
pub(super) struct Paced {
    open: Open,
    halves: Option<Halves>,
    accounts: Accounts,
}

/// The accounts of both directions.
#[derive(Debug)]
struct Accounts {
    down: Account,
    up: Account,
}

/// What one direction may move: its own, and what it has together with others.
#[derive(Debug)]
struct Account {
    own: Option<Throttle>,
    shares: Vec<Share>,
}

impl Account {
    fn new(rate: Option<NonZeroU64>, shares: Vec<Share>) -> Self {
        Self { own: rate.map(Throttle::new), shares }
    }

    fn is_none(&self) -> bool {
        self.own.is_none() && self.shares.is_empty()
    }

    /// What may move at `now`, or when something may.
    fn peek(&self, now: Instant) -> Result<u64, Instant> {
        let own = self.own.iter().map(|throttle| throttle.grant(now));
        let granted = own.chain(self.shares.iter().map(|share| share.grant(now)));
        granted
            .reduce(|a, b| match (a, b) {
                (Ok(a), Ok(b)) => Ok(a.min(b)),
                (Err(a), Err(b)) => Err(a.max(b)),
                (Err(when), Ok(_)) | (Ok(_), Err(when)) => Err(when),
            })
            .unwrap_or(Ok(u64::MAX))
    }

    /// Takes that, so that others who have a share get no more than the rest.
    fn take(&mut self, now: Instant) -> u64 {
        let bytes = self.peek(now).unwrap_or(0);
        self.shares.iter_mut().for_each(|share| share.reserve(bytes, now));
        bytes
    }

    fn settle(&mut self, passed: u64, now: Instant) {
        self.own.iter_mut().for_each(|throttle| throttle.settle(passed, now));
        self.shares.iter_mut().for_each(|share| share.settle(passed, now));
    }
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
    pub(super) fn new(open: Open, limits: Limits, now: Instant) -> Self {
        let Limits { own, down, up } = limits;
        let (down, mut up) = (Account::new(own.download, down), Account::new(own.upload, up));
        // What came with the head has passed unasked.
        up.settle(open.up.passed(), now);
        Self { open, halves: None, accounts: Accounts { down, up } }
    }

    /// Whether it has no other end than that of the connection, and has not come to it.
    pub(super) fn breaks_off(&self) -> bool {
        self.halves.is_some() || self.open.ends_with_connection()
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
    fn grant(&mut self, exchange: &mut Exchange, now: Instant) {
        if !self.down.is_none() {
            exchange.down.quota = self.down.take(now);
            if exchange.response == ResponseState::Awaited {
                // What comes with the head passes unasked.
                exchange.down.window = HEAD_ROOM;
                exchange.down.quota = exchange.down.quota.saturating_sub(HEAD_ROOM as u64);
            }
        }
        if !self.up.is_none() {
            exchange.up.quota = self.up.take(now);
        }
    }

    /// Accounts for what has moved at `now`. When the exchange is to be polled again. A side that may not move is not
    /// waited for meanwhile.
    fn settle(&mut self, exchange: &mut Exchange, cx: &Context<'_>, now: Instant) -> Option<Instant> {
        let (down, up) =
            (settle(&mut self.down, &exchange.down, now), settle(&mut self.up, &exchange.up, now));
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

fn settle(account: &mut Account, flow: &Flow, now: Instant) -> Verdict {
    account.settle(flow.passed(), now);
    if account.is_none() || flow.body.is_done() || flow.quota > 0 {
        return Verdict::Free;
    }
    account.peek(now).map_or_else(Verdict::Until, |_| Verdict::Again)
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
