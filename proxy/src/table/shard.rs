//! A part of a table: entries by key, and in the order in which they end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::counting::Purge;
use super::key::Key;

#[derive(Debug)]
pub(super) struct Shard<V> {
    entries: BTreeMap<Key, Entry<V>>,
    /// When entries end: those without an end after all others, by when they were last touched.
    order: BTreeSet<(Place, Key)>,
    most: usize,
    turn: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    place: Place,
}

/// Where an entry stands in the order of ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Ends(Instant, u64),
    Never(u64),
}

impl Place {
    fn is_over(self, now: Instant) -> bool {
        matches!(self, Self::Ends(at, _) if at <= now)
    }
}

impl<V: Copy> Shard<V> {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), order: BTreeSet::new(), most: most.max(1), turn: 0 }
    }

    pub(super) fn look_up(&mut self, key: &Key, now: Instant, end: Option<Instant>) -> Option<V> {
        let entry = self.entries.get(key)?;
        let (value, place) = (entry.value, entry.place);
        if place.is_over(now) {
            self.remove(key);
            return None;
        }
        self.put(key.clone(), value, end);
        Some(value)
    }

    /// How many had to make room.
    pub(super) fn store(
        &mut self,
        key: Key,
        value: V,
        purge: Purge,
        now: Instant,
        end: Option<Instant>,
    ) -> usize {
        let mut lost = 0;
        while !self.entries.contains_key(&key) && self.entries.len() >= self.most {
            let Some((place, first)) = self.order.first().cloned() else { break };
            if purge == Purge::Nothing && !place.is_over(now) {
                return lost;
            }
            lost += usize::from(!place.is_over(now));
            self.remove(&first);
        }
        self.put(key, value, end);
        lost
    }

    pub(super) fn retain(&mut self, keep: &mut impl FnMut(&Key, V) -> bool) -> usize {
        let gone: Vec<Key> =
            self.entries.iter().filter(|(k, e)| !keep(k, e.value)).map(|(k, _)| k.clone()).collect();
        gone.iter().for_each(|key| self.remove(key));
        gone.len()
    }

    fn put(&mut self, key: Key, value: V, end: Option<Instant>) {
        self.turn += 1;
        let place = end.map_or(Place::Never(self.turn), |at| Place::Ends(at, self.turn));
        self.order.insert((place, key.clone()));
        if let Some(before) = self.entries.insert(key.clone(), Entry { value, place }) {
            self.order.remove(&(before.place, key));
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.order.remove(&(entry.place, key));
        }
    }
}

impl<V> Shard<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
