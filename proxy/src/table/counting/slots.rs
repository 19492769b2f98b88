//! A part of a table that counts: entries found by their keys, and those that nobody holds in the order in which they end.
//!
//! Entries stand in one vector and never move: chains of a hash table and the order of ends are positions in it. All
//! entries live for the same time, so that the order of ends is the order in which they were let go.

use crate::table::Key;

/// Entries and what they store.
#[derive(Debug)]
pub(super) struct Slots {
    /// First entry of every chain; their number is a power of two.
    chains: Vec<u32>,
    slots: Vec<Slot>,
    /// Words of all entries, one after the other.
    words: Vec<u64>,
    width: usize,
    /// First of the places that are free, by their `chain`.
    free: u32,
    idle: Order,
    /// Entries there are.
    count: u32,
    most: u32,
}

#[derive(Debug)]
struct Slot {
    key: Option<Key>,
    hash: u64,
    /// The next of the same chain, or the next free one.
    chain: u32,
    holders: u32,
    /// When it ends if nobody holds it.
    end: u64,
    /// Its neighbours in the order of ends.
    before: u32,
    after: u32,
}

/// Those that nobody holds.
#[derive(Debug)]
struct Order {
    first: u32,
    last: u32,
}

/// What comes of holding a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// It has an entry.
    Known(u32),
    /// It has got one, and so many others had to make room.
    New(u32, usize),
    /// There is no room.
    Full,
}

/// What comes of removing a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// It has no entry.
    Unknown,
    /// A request that is under way holds it.
    InUse,
}

/// Whether entries that have not ended make room for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purge {
    /// Those that would end first.
    #[default]
    Oldest,
    /// None: there is no room (`nopurge`).
    Nothing,
}

/// An entry as it is looked at.
pub(in crate::table) struct Seen<'a> {
    pub(in crate::table) key: &'a Key,
    pub(in crate::table) words: &'a [u64],
    pub(in crate::table) holders: u32,
    /// When it ends; nothing while it is held.
    pub(in crate::table) end: Option<u64>,
}

impl Slots {
    pub(super) fn new(most: u32, width: usize) -> Self {
        Self {
            chains: vec![NONE; FIRST_CHAINS],
            slots: Vec::new(),
            words: Vec::new(),
            width,
            free: NONE,
            idle: Order { first: NONE, last: NONE },
            count: 0,
            most: most.clamp(1, NONE - 1),
        }
    }

    /// Holds the entry of a key, which is made if there is none.
    pub(super) fn hold(&mut self, hash: u64, key: Key, purge: Purge, now: u64) -> Hold {
        if let Some(at) = self.find(hash, &key) {
            if self.is_over(at, now) {
                self.remove(at);
            } else {
                if self.slot(at).is_some_and(|slot| slot.holders == 0) {
                    self.unlink(at);
                }
                self.change(at, |slot| slot.holders += 1);
                return Hold::Known(at);
            }
        }
        self.tidy(now);
        let mut lost = 0;
        if self.count >= self.most {
            if purge == Purge::Nothing || self.idle.first == NONE {
                return Hold::Full;
            }
            self.remove(self.idle.first);
            lost = 1;
        }
        let at = self.insert(hash, key);
        self.change(at, |slot| slot.holders = 1);
        Hold::New(at, lost)
    }

    /// Lets go of an entry, which lives on until `end`.
    pub(super) fn release(&mut self, at: u32, end: u64) {
        let mut free = false;
        self.change(at, |slot| {
            free = slot.holders == 1;
            slot.holders = slot.holders.saturating_sub(1);
            slot.end = end;
        });
        if free {
            self.link(at);
        }
    }

    /// The entry of a key.
    pub(super) fn look_up(&self, hash: u64, key: &Key, now: u64) -> Option<u32> {
        self.find(hash, key).filter(|at| !self.is_over(*at, now))
    }

    /// What an entry stores.
    pub(super) fn words(&self, at: u32) -> &[u64] {
        let start = at as usize * self.width;
        self.words.get(start..start + self.width).unwrap_or_default()
    }

    /// The same, to be changed.
    pub(super) fn words_mut(&mut self, at: u32) -> &mut [u64] {
        let start = at as usize * self.width;
        self.words.get_mut(start..start + self.width).unwrap_or_default()
    }

    /// Removes the entry of a key, unless somebody holds it.
    pub(super) fn clear(&mut self, hash: u64, key: &Key, now: u64) -> Removed {
        match self.find(hash, key) {
            Some(at) if self.slot(at).is_some_and(|slot| slot.holders > 0) => Removed::InUse,
            Some(at) => {
                let over = self.is_over(at, now);
                self.remove(at);
                if over { Removed::Unknown } else { Removed::Gone }
            }
            None => Removed::Unknown,
        }
    }

    /// Removes all that nobody holds. How many had not ended.
    pub(super) fn clear_idle(&mut self, now: u64) -> usize {
        let mut gone = 0;
        while self.idle.first != NONE {
            gone += usize::from(!self.is_over(self.idle.first, now));
            self.remove(self.idle.first);
        }
        gone
    }

    /// The entry in a place, if there is one that has not ended.
    pub(super) fn seen(&self, at: u32, now: u64) -> Option<Seen<'_>> {
        let slot = self.slot(at)?;
        let key = slot.key.as_ref()?;
        let end = (slot.holders == 0).then_some(slot.end);
        let there = end.is_none_or(|end| end > now);
        there.then(|| Seen { key, words: self.words(at), holders: slot.holders, end })
    }

    /// Places, free ones included.
    pub(super) fn places(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(NONE)
    }

    /// Entries, ended ones that are still there included.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// For every new entry up to two that have ended go, so that they are gone soon where there is any coming and going.
    fn tidy(&mut self, now: u64) {
        for _ in 0..2 {
            let first = self.idle.first;
            if first == NONE || !self.is_over(first, now) {
                return;
            }
            self.remove(first);
        }
    }

    fn is_over(&self, at: u32, now: u64) -> bool {
        self.slot(at).is_some_and(|slot| slot.holders == 0 && slot.end <= now)
    }

    fn find(&self, hash: u64, key: &Key) -> Option<u32> {
        let mut at = self.chains.get(self.chain_of(hash)).copied()?;
        loop {
            let slot = self.slot(at)?;
            if slot.hash == hash && slot.key.as_ref() == Some(key) {
                return Some(at);
            }
            at = slot.chain;
        }
    }

    /// Puts a key in a free place. It is in no order yet.
    fn insert(&mut self, hash: u64, key: Key) -> u32 {
        if self.count as usize >= self.chains.len() {
            self.grow();
        }
        let slot = Slot { key: Some(key), hash, chain: NONE, holders: 0, end: 0, before: NONE, after: NONE };
        let at = if let Some(free) = self.slots.get_mut(self.free as usize) {
            let at = self.free;
            self.free = free.chain;
            *free = slot;
            self.words_mut(at).fill(0);
            at
        } else {
            let at = self.places();
            self.slots.push(slot);
            self.words.resize(self.words.len() + self.width, 0);
            at
        };
        self.chain(at);
        self.count += 1;
        at
    }

    /// Puts an entry before the others of its chain.
    fn chain(&mut self, at: u32) {
        let Some(hash) = self.slot(at).map(|slot| slot.hash) else { return };
        let chain = self.chain_of(hash);
        let Some(first) = self.chains.get_mut(chain) else { return };
        let next = std::mem::replace(first, at);
        self.change(at, |slot| slot.chain = next);
    }

    /// Twice as many chains. Their entries are put in them anew.
    fn grow(&mut self) {
        self.chains = vec![NONE; self.chains.len() * 2];
        let used: Vec<u32> =
            (0..).zip(&self.slots).filter(|(_, s)| s.key.is_some()).map(|(at, _)| at).collect();
        used.into_iter().for_each(|at| self.chain(at));
    }

    /// Takes an entry that nobody holds out of everything.
    fn remove(&mut self, at: u32) {
        self.unlink(at);
        let Some(slot) = self.slots.get_mut(at as usize) else { return };
        slot.key = None;
        let (hash, next) = (slot.hash, std::mem::replace(&mut slot.chain, self.free));
        self.free = at;
        self.count -= 1;
        let chain = self.chain_of(hash);
        let Some(mut one) = self.chains.get(chain).copied() else { return };
        if one == at {
            self.chains.get_mut(chain).into_iter().for_each(|first| *first = next);
            return;
        }
        while let Some(slot) = self.slots.get_mut(one as usize) {
            if slot.chain == at {
                slot.chain = next;
                return;
            }
            one = slot.chain;
        }
    }

    /// Puts an entry at the end of the order of ends.
    fn link(&mut self, at: u32) {
        let last = std::mem::replace(&mut self.idle.last, at);
        self.change(at, |slot| (slot.before, slot.after) = (last, NONE));
        match last {
            NONE => self.idle.first = at,
            last => self.change(last, |slot| slot.after = at),
        }
    }

    /// Takes an entry out of the order of ends.
    fn unlink(&mut self, at: u32) {
        let Some((before, after)) = self.slot(at).map(|slot| (slot.before, slot.after)) else { return };
        match before {
            NONE => self.idle.first = after,
            before => self.change(before, |slot| slot.after = after),
        }
        match after {
            NONE => self.idle.last = before,
            after => self.change(after, |slot| slot.before = before),
        }
        self.change(at, |slot| (slot.before, slot.after) = (NONE, NONE));
    }

    fn chain_of(&self, hash: u64) -> usize {
        hash as usize & (self.chains.len() - 1)
    }

    fn slot(&self, at: u32) -> Option<&Slot> {
        self.slots.get(at as usize)
    }

    fn change(&mut self, at: u32, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(at as usize) {
            change(slot);
        }
    }
}

/// No place.
const NONE: u32 = u32::MAX;

/// Chains of a part that has had no entry.
const FIRST_CHAINS: usize = 16;
