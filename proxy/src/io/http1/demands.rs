//! What rules ask of a request's way to a server, besides changes.

use std::time::Instant;

use crate::bandwidth::{Accounts, Bandwidth, Share};
use crate::rules::action::{BodyWait, Limit};
use crate::rules::{Looked, Request};

/// What they ask.
#[derive(Debug, Default)]
pub(super) struct Demands {
    /// It waits for its content.
    pub(super) wait: Option<BodyWait>,
    /// It moves no faster than this.
    pub(super) limits: Limits,
}

/// Limits of one request: all of them hold.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) own: Bandwidth,
    /// What it has together with others: to the client.
    pub(super) down: Vec<Share>,
    /// The same from the client.
    pub(super) up: Vec<Share>,
}

impl Limits {
    /// What a rule says, filled in by the request.
    pub(super) fn of<R: Request>(limit: &Limit, request: &Looked<'_, R>, now: Option<Instant>) -> Self {
        let keyed = limit.keyed.as_ref().zip(now);
        let keyed = keyed.and_then(|(keyed, now)| Some((keyed, keyed.key.of(keyed.kind, request)?, now)));
        let Some((keyed, key, now)) = keyed else { return Self { own: limit.bandwidth, ..Self::default() } };
        let share = |accounts: &Option<Accounts>| {
            accounts.iter().map(|accounts| accounts.share(key.clone(), now)).collect()
        };
        Self { own: Bandwidth::default(), down: share(&keyed.download), up: share(&keyed.upload) }
    }

    /// These hold too.
    pub(super) fn add(&mut self, more: Self) {
        self.own = self.own.and(more.own);
        self.down.extend(more.down);
        self.up.extend(more.up);
    }

    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        self.own.is_none() && self.down.is_empty() && self.up.is_empty()
    }
}
