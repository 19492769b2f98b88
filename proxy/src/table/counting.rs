//! Tables that count (HAProxy: what a stick table stores besides servers): numbers by key, that all threads share.
//!
//! Who counts holds the entry of a key, from the rule that tracks it to the end of the request, and an entry that is held
//! neither ends nor makes room. A table is cut into parts, each behind a lock that is held for some tens of nanoseconds: to
//! find or make an entry, to count something in it, to read a number. **Capacity:** the configured number of entries,
//! spread over the parts. **When full:** what nobody holds and would end first makes room, or with `nopurge` nothing does
//! and a new key is not tracked.

mod slots;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::store::{Counter, Event, Store};
use super::{Key, KeyType, TableConfig};
use slots::{Hold, Seen, Slots};

pub use slots::{Purge, Removed};

/// A table that counts.
#[derive(Debug)]
pub struct Counting {
    key: KeyType,
    store: Store,
    purge: Purge,
    /// In milliseconds. `None`: entries end only where there is no room.
    expire: Option<u64>,
    parts: Box<[Part]>,
    /// So that nobody can choose keys that all meet in one chain.
    hasher: RandomState,
    /// When its clock began.
    epoch: OnceLock<Instant>,
}

/// Two cache lines, so that threads that lock neighbours do not meet.
#[derive(Debug)]
#[repr(align(128))]
struct Part(Mutex<Slots>);

/// An entry that is held. It has to be [released](Counting::release).
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Held {
    part: u32,
    at: u32,
}

/// An entry, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub key: Key,
    /// How many requests under way hold it.
    pub holders: u32,
    /// When it ends if nothing happens. `None`: it is held, or nothing ends by time.
    pub ends_in: Option<Duration>,
    /// What it stores, in the order of the configuration; of a rate also its period.
    pub values: Vec<(Counter, Option<Duration>, u64)>,
}

/// How far entries have been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    part: u32,
    at: u32,
}

impl Counting {
    /// An empty table. `None`: the configuration has nothing to store in it.
    pub fn new(config: &TableConfig) -> Option<Self> {
        if config.store.is_empty() {
            return None;
        }
        let (parts, each) = super::cut(config.size);
        let part = |_| Part(Mutex::new(Slots::new(each, config.store.width())));
        Some(Self {
            key: config.key,
            store: config.store.clone(),
            purge: config.purge,
            expire: config.expire.map(|e| u64::try_from(e.as_millis()).unwrap_or(u64::MAX)),
            parts: (0..parts).map(part).collect(),
            hasher: RandomState::new(),
            epoch: OnceLock::new(),
        })
    }

    /// What its keys are.
    pub fn key_type(&self) -> KeyType {
        self.key
    }

    /// What it stores.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Holds the entry of `key`, which is made if there is none, and counts these events in it. `None`: it has none, and
    /// there is no room for one.
    pub fn track(&self, key: Key, events: &[Event], now: Instant) -> Option<Held> {
        let now = self.clock(now);
        let hash = self.hash(&key);
        let part = self.part_of(hash);
        let mut slots = self.lock(part)?;
        let at = match slots.hold(hash, key, self.purge, now) {
            Hold::Known(at) | Hold::New(at, _) => at,
            Hold::Full => return None,
        };
        let words = slots.words_mut(at);
        self.store.raise(words);
        events.iter().for_each(|event| self.store.count(words, *event, 1, now));
        Some(Held { part, at })
    }

    /// Counts events.
    pub fn count(&self, held: &Held, event: Event, events: u64, now: Instant) {
        let now = self.clock(now);
        if let Some(mut slots) = self.lock(held.part) {
            self.store.count(slots.words_mut(held.at), event, events, now);
        }
    }

    /// Sets the tag.
    pub fn set_tag(&self, held: &Held, value: u32) {
        if let Some(mut slots) = self.lock(held.part) {
            self.store.set_tag(slots.words_mut(held.at), value);
        }
    }

    /// What the entry says. `None`: that is not stored.
    pub fn value(&self, held: &Held, counter: Counter, now: Instant) -> Option<u64> {
        let now = self.clock(now);
        self.store.value(self.lock(held.part)?.words(held.at), counter, now)
    }

    /// What the entry of `key` says, which lives no longer for it; 0 if there is none. `None`: that is not stored.
    pub fn value_of(&self, key: &Key, counter: Counter, now: Instant) -> Option<u64> {
        let now = self.clock(now);
        let hash = self.hash(key);
        let slots = self.lock(self.part_of(hash))?;
        match slots.look_up(hash, key, now) {
            Some(at) => self.store.value(slots.words(at), counter, now),
            None => self.store.has(counter).then_some(0),
        }
    }

    /// Counts these events and lets go of the entry, which lives on from now.
    pub fn release(&self, held: Held, events: &[(Event, u64)], now: Instant) {
        let now = self.clock(now);
        let Held { part, at } = held;
        let Some(mut slots) = self.lock(part) else { return };
        let words = slots.words_mut(at);
        self.store.lower(words);
        events.iter().for_each(|(event, events)| self.store.count(words, *event, *events, now));
        slots.release(at, self.expire.map_or(NEVER, |expire| now.saturating_add(expire)));
    }

    /// Entries, ended ones that are still there included.
    pub fn len(&self) -> usize {
        self.locked().map(|slots| slots.count() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of `key` as it is.
    pub fn entry(&self, key: &Key, now: Instant) -> Option<Entry> {
        let now = self.clock(now);
        let hash = self.hash(key);
        let slots = self.lock(self.part_of(hash))?;
        let at = slots.look_up(hash, key, now)?;
        slots.seen(at, now).map(|seen| self.shown(&seen, now))
    }

    /// Up to about `most` entries behind `cursor`, for `show`; where to go on, if there may be more. Whoever looks at all of
    /// a table keeps threads from a part of it for no longer than so many take.
    pub fn entries(
        &self,
        cursor: Cursor,
        most: u32,
        now: Instant,
        mut show: impl FnMut(Entry),
    ) -> Option<Cursor> {
        let mut seen = Vec::new();
        let next = self.look(cursor, most, now, |s, now| seen.push(self.shown(s, now)));
        seen.into_iter().for_each(&mut show);
        next
    }

    /// The same as they are, while a part of the table is locked.
    pub(super) fn look(
        &self,
        cursor: Cursor,
        most: u32,
        now: Instant,
        mut show: impl FnMut(&Seen<'_>, u64),
    ) -> Option<Cursor> {
        let now = self.clock(now);
        let slots = self.lock(cursor.part)?;
        let end = slots.places().min(cursor.at.saturating_add(most.max(1)));
        (cursor.at..end).filter_map(|at| slots.seen(at, now)).for_each(|seen| show(&seen, now));
        let next = if end < slots.places() { Cursor { at: end, ..cursor } } else { cursor.next_part() };
        ((next.part as usize) < self.parts.len()).then_some(next)
    }

    /// Makes an entry that nobody holds, with what `write` says. Nothing happens if it has one, or if there is no room.
    pub(super) fn restore(
        &self,
        key: Key,
        ends_in_ms: Option<u64>,
        now: Instant,
        write: impl FnOnce(&Store, &mut [u64], u64),
    ) {
        let now = self.clock(now);
        let hash = self.hash(&key);
        let Some(mut slots) = self.lock(self.part_of(hash)) else { return };
        if slots.look_up(hash, &key, now).is_some() {
            return;
        }
        let Hold::New(at, _) = slots.hold(hash, key, self.purge, now) else { return };
        write(&self.store, slots.words_mut(at), now);
        let end =
            self.expire.map_or(NEVER, |expire| now.saturating_add(ends_in_ms.unwrap_or(expire).min(expire)));
        slots.release(at, end);
    }

    /// Removes the entry of `key`, unless it is held.
    pub fn clear(&self, key: &Key, now: Instant) -> Removed {
        let now = self.clock(now);
        let hash = self.hash(key);
        self.lock(self.part_of(hash)).map_or(Removed::Unknown, |mut slots| slots.clear(hash, key, now))
    }

    /// Removes all that is not held. How many.
    pub fn clear_all(&self, now: Instant) -> usize {
        let now = self.clock(now);
        self.locked().map(|mut slots| slots.clear_idle(now)).sum()
    }

    fn shown(&self, seen: &Seen<'_>, now: u64) -> Entry {
        let value = |counter| self.store.value(seen.words, counter, now).unwrap_or_default();
        Entry {
            key: seen.key.clone(),
            holders: seen.holders,
            ends_in: seen.end.filter(|end| *end != NEVER).map(|end| Duration::from_millis(end - now)),
            values: self.store.counters().map(|(c, period)| (c, period, value(c))).collect(),
        }
    }

    /// What the clock of the table shows.
    fn clock(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(*self.epoch.get_or_init(|| now));
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX).saturating_add(BEGINNING)
    }

    /// In as few steps as there can be: this is a good part of what a request costs that is counted.
    fn hash(&self, key: &Key) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        match key {
            Key::Ip(IpAddr::V4(v4)) => hasher.write_u32(v4.to_bits()),
            Key::Ip(IpAddr::V6(v6)) => hasher.write_u128(v6.to_bits()),
            Key::Integer(number) => hasher.write_u32(*number),
            Key::Bytes(bytes) => hasher.write(bytes),
        }
        hasher.finish()
    }

    /// Chains are told apart by other bits.
    fn part_of(&self, hash: u64) -> u32 {
        ((hash >> 32) % self.parts.len() as u64) as u32
    }

    /// A part whose holder has panicked is as good as it was: nothing that can fail is done while it is locked.
    fn lock(&self, part: u32) -> Option<MutexGuard<'_, Slots>> {
        let part = self.parts.get(part as usize)?;
        Some(part.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn locked(&self) -> impl Iterator<Item = MutexGuard<'_, Slots>> {
        self.parts.iter().map(|part| part.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Cursor {
    fn next_part(self) -> Self {
        Self { part: self.part + 1, at: 0 }
    }
}

/// What the clock of a table shows at first: every period of a rate has passed twice.
pub(super) const BEGINNING: u64 = 1 << 42;

/// The end of what does not end.
const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests;
