//! The algorithms.
//!
//! Each of them takes a slot of the server it chooses, and passes over those that are full: a server that another
//! thread has filled up meanwhile is no choice. Only hashing waits for the one server it has chosen, as HAProxy does,
//! because its keys are to stay together.

use std::num::NonZeroU16;
use std::sync::atomic::Ordering;

use super::layout::Layout;
use super::member::Member;
use super::queue::Wait;
use super::server::ServerState;
use super::{Group, Outcome, Place, State, Wish};
use crate::plan::{BackendId, Balance, ServerId};

impl State {
    /// Chooses a server and takes a slot of it: the pinned one, else by the backend's algorithm among the active
    /// servers; among backup servers only when no active one is usable (the first usable one, or all of them with
    /// `allbackups`). Never waits.
    ///
    /// Those who wait for any server go first: whoever comes while there are some joins them.
    pub fn assign(&self, backend: BackendId, wish: &Wish) -> Outcome {
        let Some(group) = self.backends.get(usize::from(backend.0)) else { return Outcome::NoServer };
        let choice = Choice { state: self, group, backend, wish };
        if let Some(outcome) = wish.pinned.and_then(|id| choice.pinned(id)) {
            return outcome;
        }
        let layout = group.layout.load();
        match (&group.balance, wish.key) {
            (Balance::Hash(by), Some(hash)) => choice.by_hash(&layout, hash, by.factor),
            (
                Balance::RoundRobin
                | Balance::StaticRr
                | Balance::LeastConn
                | Balance::First
                | Balance::Random(_)
                | Balance::Hash(_),
                _,
            ) => choice.any(&layout),
        }
    }
}

/// One choice.
struct Choice<'a> {
    state: &'a State,
    group: &'a Group,
    backend: BackendId,
    wish: &'a Wish,
}

impl Choice<'_> {
    /// `None`: the server is gone, or everyone waits for it already and another one may do.
    fn pinned(&self, id: ServerId) -> Option<Outcome> {
        if !self.state.server(id).is_some_and(ServerState::takes_pinned) {
            return None;
        }
        match self.at(id, !self.group.redispatch) {
            Outcome::QueueFull(_) if self.group.redispatch => None,
            outcome @ (Outcome::Assigned(_)
            | Outcome::Full(_)
            | Outcome::QueueFull(_)
            | Outcome::NoServer) => Some(outcome),
        }
    }

    fn any(&self, layout: &Layout) -> Outcome {
        if layout.members().is_empty() {
            return Outcome::NoServer;
        }
        if self.group.queue.anyone() > 0 {
            return self.full(Place::Backend);
        }
        let chosen = match (&self.group.balance, layout.only()) {
            (_, Some(only)) => Some(only).filter(|id| self.admit(*id)),
            (Balance::RoundRobin | Balance::StaticRr | Balance::Hash(_), None) => self.by_turn(layout),
            (Balance::LeastConn, None) => self.least(layout),
            (Balance::First, None) => self.first(layout.members()),
            (Balance::Random(draws), None) => self.drawn(layout, *draws),
        };
        chosen.map_or_else(|| self.full(Place::Backend), Outcome::Assigned)
    }

    #[inline]
    fn by_turn(&self, layout: &Layout) -> Option<ServerId> {
        // A second choice takes no turn of its own: else, of two servers, the one that fails would be everyone's first.
        let turn = match self.wish.avoid {
            None => self.group.cursor.0.fetch_add(1, Ordering::Relaxed),
            Some(_) => self.group.cursor.0.load(Ordering::Relaxed),
        };
        let id = layout.turn(turn)?;
        if self.wish.avoid != Some(id) && self.admit(id) {
            return Some(id);
        }
        self.after(layout, turn)
    }

    /// The next after `turn` that is not full. By turns for a while, so that what a full server cannot take is shared
    /// by weight too; then one by one.
    fn after(&self, layout: &Layout, turn: u64) -> Option<ServerId> {
        let members = layout.members();
        let turns = TURNS_TRIED * u64::try_from(members.len()).unwrap_or(u64::MAX);
        let mut next = (1..turns).filter_map(|n| layout.turn(turn.wrapping_add(n)));
        next.find(|id| self.wish.avoid != Some(*id) && self.admit(*id)).or_else(|| self.first(members))
    }

    /// The first that is not full; what is to be avoided only if nothing else is left.
    fn first(&self, members: &[Member]) -> Option<ServerId> {
        let others = members.iter().map(|m| m.id).filter(|id| self.wish.avoid != Some(*id));
        let avoided = self.wish.avoid.filter(|avoid| members.iter().any(|m| m.id == *avoid));
        others.chain(avoided).find(|id| self.admit(*id))
    }

    /// The one with the fewest requests for its weight. Equals take turns: the search begins behind the last choice.
    fn least(&self, layout: &Layout) -> Option<ServerId> {
        let members = layout.members();
        let cursor = &self.group.cursor.0;
        for _ in 0..ATTEMPTS {
            let start = cursor.load(Ordering::Relaxed);
            let start = usize::try_from(start).unwrap_or(0) % members.len().max(1);
            let (before, after) = members.split_at_checked(start)?;
            let mut best: Option<(u64, Member)> = None;
            for member in after.iter().chain(before) {
                let Some(load) = self.load_of(member) else { continue };
                let less = |(least, than): &(u64, Member)| {
                    load * u64::from(than.weight) < least * u64::from(member.weight)
                };
                if best.as_ref().is_none_or(less) {
                    best = Some((load, *member));
                }
                if load == 0 {
                    break;
                }
            }
            let (_, chosen) = best?;
            if self.admit(chosen.id) {
                let at = members.binary_search_by_key(&chosen.id, |m| m.id).unwrap_or(0);
                cursor.store(u64::try_from(at + 1).unwrap_or(0), Ordering::Relaxed);
                return Some(chosen.id);
            }
        }
        self.first(members)
    }

    /// The load that `leastconn` compares: an idle server is one whatever its weight; another counts as if it had the
    /// request. `None`: it is full or to be avoided.
    fn load_of(&self, member: &Member) -> Option<u64> {
        let slots = self.state.slots.get(member.id.0 as usize)?;
        if self.wish.avoid == Some(member.id)
            || slots.waiting() > 0
            || slots.running() >= self.group.limit(slots, 1)
        {
            return None;
        }
        Some(match slots.running() {
            0 => 0,
            load => u64::from(load) + 1,
        })
    }

    /// Of so many drawn by weight, the one with the fewest requests for its weight.
    fn drawn(&self, layout: &Layout, draws: NonZeroU16) -> Option<ServerId> {
        let first = self.group.cursor.0.fetch_add(draws.get().into(), Ordering::Relaxed);
        let draw = |n: u16| layout.turn(scatter(first.wrapping_add(n.into())));
        let mut best: Option<(u64, Member)> = None;
        for id in (0..draws.get()).filter_map(draw).filter(|id| self.wish.avoid != Some(*id)) {
            let member = layout.member(id)?;
            let load = self.state.slots.get(id.0 as usize)?.load().into();
            let less = |(least, than): &(u64, Member)| {
                load * u64::from(than.weight) < least * u64::from(member.weight)
            };
            if best.as_ref().is_none_or(less) {
                best = Some((load, *member));
            }
        }
        let chosen = best.map(|(_, member)| member.id).filter(|id| self.admit(*id));
        chosen.or_else(|| self.after(layout, scatter(first)))
    }

    fn by_hash(&self, layout: &Layout, hash: u32, factor: Option<NonZeroU16>) -> Outcome {
        if let Some(only) = layout.only() {
            return self.at(only, false);
        }
        let will_do = |id: &ServerId| {
            self.wish.avoid != Some(*id) && factor.is_none_or(|f| self.has_share(layout, *id, f))
        };
        let chosen = layout.by_hash(hash).find(will_do).or_else(|| layout.by_hash(hash).next());
        chosen.map_or(Outcome::NoServer, |id| self.at(id, false))
    }

    /// HAProxy's `hash-balance-factor`: of all requests, this one included and times the factor, every server may have
    /// its share by weight, and at least one.
    fn has_share(&self, layout: &Layout, id: ServerId, factor: NonZeroU16) -> bool {
        let member = layout.member(id);
        let (Some(member), Some(slots)) = (member, self.state.slots.get(id.0 as usize)) else { return false };
        let requests = u64::from(self.group.total.0.load(Ordering::SeqCst)) + 1;
        let places = (requests * u64::from(factor.get())).div_ceil(100);
        let whole = layout.weight().max(1);
        let (weight, before) = (u64::from(member.weight), u64::from(member.before));
        let (each, rest) = (places / whole, places % whole);
        let share = weight * each + (before + weight) * rest / whole - before * rest / whole;
        u64::from(slots.running()) < share.max(1)
    }

    /// This server or none. Those who wait for any server go before where they could be served.
    fn at(&self, id: ServerId, bound: bool) -> Outcome {
        let overtakes = self.group.queue.anyone() > 0 && self.group.layout.load().contains(id);
        if !overtakes && self.admit(id) {
            return Outcome::Assigned(id);
        }
        match self.state.slots.get(id.0 as usize) {
            Some(slots) if slots.waiting() < slots.maxqueue => {
                Outcome::Full(Wait { backend: self.backend, place: Place::Server(id), bound, since: None })
            }
            Some(_) | None => {
                self.state.pass_on_whole(self.backend);
                Outcome::QueueFull(id)
            }
        }
    }

    fn full(&self, place: Place) -> Outcome {
        Outcome::Full(Wait { backend: self.backend, place, bound: false, since: None })
    }

    /// Takes a slot, unless it belongs to someone who waits for it.
    #[inline]
    fn admit(&self, id: ServerId) -> bool {
        let Some(slots) = self.state.slots.get(id.0 as usize) else { return false };
        slots.waiting() == 0 && self.group.admit(slots)
    }
}

/// Numbers in a row to numbers without order: the finisher of SplitMix64.
fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Turns looked at per server before weights no longer matter.
const TURNS_TRIED: u64 = 8;

/// How often the least loaded server may have been filled up by another thread.
const ATTEMPTS: usize = 4;
