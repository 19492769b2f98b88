//! Which name is to be looked up when, and what an answer means for the servers of that name.
//!
//! There is no clock and no socket in here. The driver asks [`Lookups::poll_timeout`] how long it may sleep, makes the
//! lookups that [`Lookups::poll_lookup`] names, brings what came of them to [`Lookups::handle_answer`], and carries out
//! the moves that [`Lookups::poll_move`] returns.
//!
//! Servers of one backend with the same name and port share its addresses, one each: a server keeps the one it has
//! while answers have it, whatever their order is. So they share the records of a service.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Addresses, Hold, Name, Unresolved};
use crate::plan::{BackendId, Plan, ServerAddr, ServerId};

/// Lookups of all names of a plan.
#[derive(Debug)]
pub struct Lookups {
    names: Vec<Looked>,
    moves: VecDeque<Move>,
}

/// Position of a name in [`Lookups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(usize);

/// What came of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Places.
    Found {
        /// In the order of the answer; of a service, in the order in which they are to be used.
        places: Vec<Place>,
        /// How long they hold.
        ttl: Duration,
        /// Whether that is all: `false` if one family could not be asked for.
        whole: bool,
    },
    /// None.
    Failed(Unresolved),
}

/// Where a server may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// There.
    pub at: SocketAddr,
    /// The weight that its record says.
    pub weight: Option<u16>,
}

/// What becomes of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Whose.
    pub server: ServerId,
    /// Where it is, or why nobody knows.
    pub to: Result<SocketAddr, Unresolved>,
    /// Its weight from now on, if its record says another one than before.
    pub weight: Option<u16>,
}

/// One name of one backend.
#[derive(Debug)]
struct Looked {
    backend: BackendId,
    name: Name,
    hold: Hold,
    every: Duration,
    /// When the next lookup is to be made; `None`: one is under way.
    due: Option<Instant>,
    /// When addresses were last found.
    found: Option<Instant>,
    members: Vec<Member>,
}

/// One server of that name.
#[derive(Debug)]
struct Member {
    server: ServerId,
    at: Option<SocketAddr>,
    /// What its record said last.
    weight: Option<u16>,
    /// When an answer last had that address.
    seen: Instant,
    /// Nothing has been told about it.
    fresh: bool,
}

impl Lookups {
    /// All names are due at `now`. Servers that are somewhere by `addresses` stay there for as long as a failed lookup
    /// lets them.
    pub fn new(plan: &Plan, addresses: &Addresses, now: Instant) -> Self {
        let mut names: Vec<Looked> = Vec::new();
        for (id, server) in (0..).map(ServerId).zip(plan.servers()) {
            let ServerAddr::Named(name) = &server.addr else { continue };
            let Some(resolvers) = plan.resolvers().get(usize::from(name.resolvers.0)) else { continue };
            let at = addresses.endpoint(id).and_then(|at| at.ip());
            let member = Member { server: id, at, weight: None, seen: now, fresh: at.is_none() };
            match names.iter_mut().find(|n| n.backend == server.backend && n.name.shares_with(name)) {
                Some(known) => known.members.push(member),
                None => names.push(Looked {
                    backend: server.backend,
                    name: name.clone(),
                    hold: resolvers.hold,
                    every: resolvers.every,
                    due: Some(now),
                    found: None,
                    members: vec![member],
                }),
            }
        }
        for name in &mut names {
            name.found = name.members.iter().any(|m| m.at.is_some()).then_some(now);
        }
        Self { names, moves: VecDeque::new() }
    }

    /// Whether there is anything to look up at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// When the driver has to come back; `None`: only when an answer comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.names.iter().filter_map(|n| n.due).min()
    }

    /// The next name to look up, if one is due. Its answer is awaited by [`Self::handle_answer`].
    pub fn poll_lookup(&mut self, now: Instant) -> Option<(NameId, Name)> {
        let is_due = |n: &Looked| n.due.is_some_and(|due| due <= now);
        let at = self.names.iter().position(is_due)?;
        let looked = self.names.get_mut(at)?;
        looked.due = None;
        Some((NameId(at), looked.name.clone()))
    }

    /// Takes what came of a lookup into account and schedules the next one.
    pub fn handle_answer(&mut self, now: Instant, id: NameId, answer: Answer) {
        let Some(looked) = self.names.get_mut(id.0) else { return };
        match answer {
            Answer::Found { places, ttl, whole } if !places.is_empty() => {
                looked.share_out(now, places, whole, &mut self.moves);
                looked.due = Some(now + ttl.min(looked.hold.valid).max(looked.every));
            }
            Answer::Found { .. } => looked.fail(now, Unresolved::Other, &mut self.moves),
            Answer::Failed(why) => looked.fail(now, why, &mut self.moves),
        }
    }

    /// The next move, oldest first.
    pub fn poll_move(&mut self) -> Option<Move> {
        self.moves.pop_front()
    }
}

impl Looked {
    /// Gives every server a place of its own, as far as they go round.
    fn share_out(&mut self, now: Instant, mut places: Vec<Place>, whole: bool, moves: &mut VecDeque<Move>) {
        self.found = Some(now);
        if self.name.port.is_some() {
            // One family, as HAProxy: a server of two families is one server, not two.
            let is_preferred = |place: &Place| self.name.prefer.is(place.at.ip());
            if places.iter().any(is_preferred) {
                places.retain(is_preferred);
            }
        }
        let listed: BTreeMap<SocketAddr, Option<u16>> =
            places.iter().rev().map(|p| (p.at, p.weight)).collect();
        let before = self.before();
        let mut taken = BTreeSet::new();
        for member in &mut self.members {
            let Some(at) = member.at else { continue };
            let is_listed = listed.contains_key(&at);
            let is_over = whole && now.saturating_duration_since(member.seen) >= self.hold.obsolete;
            if is_listed {
                member.seen = now;
            }
            // Several may have begun at the same place.
            if (!is_listed && is_over) || !taken.insert(at) {
                member.at = None;
            }
        }
        let mut free = places.iter().filter(|place| taken.insert(place.at));
        for member in self.members.iter_mut().filter(|m| m.at.is_none()) {
            member.at = free.next().map(|place| place.at);
            member.seen = now;
        }
        for member in &mut self.members {
            let said = member.at.and_then(|at| listed.get(&at).copied().flatten());
            member.weight = said.or(member.weight);
        }
        let why = if self.name.port.is_none() { Unresolved::Removed } else { Unresolved::NoneLeft };
        self.tell(&before, why, moves);
    }

    /// Where servers are and what weight they have been told.
    fn before(&self) -> Vec<(Option<SocketAddr>, Option<u16>)> {
        self.members.iter().map(|m| (m.at, m.weight)).collect()
    }

    /// Takes the addresses away once they are older than such a failure allows.
    fn fail(&mut self, now: Instant, why: Unresolved, moves: &mut VecDeque<Move>) {
        let end = self.found.map(|found| found + self.hold.of(why)).filter(|end| *end > now);
        self.due = Some(end.map_or(now + self.every, |end| end.min(now + self.every)));
        if end.is_some() {
            return;
        }
        let before = self.before();
        self.found = None;
        for member in &mut self.members {
            member.at = None;
        }
        self.tell(&before, why, moves);
    }

    /// Tells what has changed, and once of every server.
    fn tell(
        &mut self,
        before: &[(Option<SocketAddr>, Option<u16>)],
        why: Unresolved,
        moves: &mut VecDeque<Move>,
    ) {
        for (member, (at, weight)) in self.members.iter_mut().zip(before) {
            if std::mem::take(&mut member.fresh) || (member.at, member.weight) != (*at, *weight) {
                // Nothing was removed of a server that never had any.
                let why = if why == Unresolved::Removed && at.is_none() { Unresolved::NoneLeft } else { why };
                let weight = member.weight.filter(|w| Some(*w) != *weight);
                moves.push_back(Move { server: member.server, to: member.at.ok_or(why), weight });
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests;
