//! The usable servers of a backend, laid out for its algorithm.
//!
//! Data threads read a layout and never change it; a change of state makes a new one. It holds what can be prepared:
//! who takes part, in which order, with which weight. How many requests each server has is not in it.

use super::member::Member;
use super::ring::Ring;
use super::{Usable, map, rotation};
use crate::plan::{Balance, HashLayout, ServerId};

/// What one choice is made from.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Servers in use, in the order of the file.
    members: Box<[Member]>,
    /// Of the members.
    weight: u64,
    order: Order,
    usable: Usable,
}

/// How members are found.
#[derive(Debug, Default)]
pub(super) enum Order {
    /// One after the other, or all looked at.
    #[default]
    Members,
    /// By turns: each server as often in a round as its weight says.
    Turns(Box<[ServerId]>),
    /// By hash.
    Ring(Ring),
}

impl Layout {
    /// Of all usable servers, in the order of the file, those that are in use: the active ones, else the first backup
    /// or all of them.
    pub(super) fn new(balance: &Balance, usable: impl Iterator<Item = Member>, allbackups: bool) -> Self {
        let (backups, actives): (Vec<_>, Vec<_>) = usable.partition(|m| m.backup);
        let usable = Usable { active: count(&actives), backup: count(&backups) };
        let mut members: Box<[Member]> = match (actives.is_empty(), allbackups) {
            (false, _) => actives.into(),
            (true, true) => backups.into(),
            (true, false) => backups.get(..1).unwrap_or_default().into(),
        };
        let mut weight = 0;
        for member in &mut members {
            member.before = weight;
            weight += member.weight;
        }
        let order = match balance {
            Balance::RoundRobin | Balance::Random(_) => Order::Turns(rotation::spread(&members)),
            Balance::StaticRr => Order::Turns(map::spread(&members)),
            Balance::LeastConn | Balance::First => Order::Members,
            Balance::Hash(by) => match by.layout {
                HashLayout::MapBased => Order::Turns(map::spread(&members)),
                HashLayout::Consistent => Order::Ring(Ring::new(&members)),
            },
        };
        Self { members, weight: weight.into(), order, usable }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that name, if the server is in use.
    pub(super) fn member(&self, id: ServerId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&id, |m| m.id).ok()?;
        self.members.get(at)
    }

    /// Whether the server is in use.
    pub(super) fn contains(&self, id: ServerId) -> bool {
        self.member(id).is_some()
    }

    /// Sum of the members' weights.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn usable(&self) -> Usable {
        self.usable
    }

    /// The server in use, if it is the only one.
    #[inline]
    pub(super) fn only(&self) -> Option<ServerId> {
        match &*self.members {
            [only] => Some(only.id),
            _ => None,
        }
    }

    /// The server of turn `turn`, counted over all rounds. `None`: there are no turns.
    #[inline]
    pub(super) fn turn(&self, turn: u64) -> Option<ServerId> {
        match &self.order {
            Order::Turns(turns) => turns.get(index(turn, turns.len())?).copied(),
            Order::Ring(ring) => ring.turn(turn),
            Order::Members => self.members.get(index(turn, self.members.len())?).map(|m| m.id),
        }
    }

    /// Where a hash leads, and where it leads if that will not do, and so on over all servers in use; some come up
    /// several times.
    pub(super) fn by_hash(&self, hash: u32) -> impl Iterator<Item = ServerId> + '_ {
        let (turns, ring) = match &self.order {
            Order::Turns(turns) => (Some(turns), None),
            Order::Ring(ring) => (None, Some(ring)),
            Order::Members => (None, None),
        };
        let mapped = turns.into_iter().flat_map(move |turns| {
            let start = index(hash.into(), turns.len()).unwrap_or(0);
            let (before, after) = turns.split_at_checked(start).unwrap_or_default();
            after.iter().chain(before).copied()
        });
        mapped.chain(ring.into_iter().flat_map(move |ring| ring.from(hash)))
    }
}

fn index(turn: u64, len: usize) -> Option<usize> {
    let len = u64::try_from(len).ok().filter(|&len| len > 0)?;
    usize::try_from(turn % len).ok()
}

fn count(members: &[Member]) -> u32 {
    u32::try_from(members.len()).unwrap_or(u32::MAX)
}
