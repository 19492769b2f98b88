//! What is remembered of clients (HAProxy: stick tables): a value by key, bounded in number and in time.
//!
//! | module | what it is about |
//! |---|---|
//! | `key` | what the keys are |
//! | `shard` | a part of a table that remembers one value of each key |
//! | `counting` | tables that count |
//! | `store`, `rate` | what they count, and how many there were in the last while |
//! | `tracking` | what one request is counted in |
//! | `inherited` | what is counted, on its way to another process |
//!
//! A table is shared by all threads. It is cut into shards, each behind a lock that is held for one look-up and never
//! across a wait, so that threads meet at one only by chance. **Capacity:** the configured number of entries, spread over
//! the shards. **When full:** the entries of a shard that would end first make room, expired ones before all others.
//! Looking up an entry makes it new again.

mod counting;
mod inherited;
mod key;
mod rate;
mod shard;
mod store;
mod tracking;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use counting::{Counting, Cursor, Entry, Held, Purge, Removed};
pub use inherited::InheritedEntry;
pub use key::{Key, KeyType};
use shard::Shard;
pub use store::{Counter, Event, Store};
pub use tracking::{Counters, TableId, Tracking, Which};

/// What the configuration says about a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConfig {
    /// Operator's name.
    pub name: String,
    /// What its keys are.
    pub key: KeyType,
    /// Most entries, at least 1.
    pub size: u32,
    /// An entry ends so long after it was last looked up. `None`: only when there is no room.
    pub expire: Option<Duration>,
    /// Whether others make room for new ones.
    pub purge: Purge,
    /// What is counted of every key.
    pub store: Store,
}

impl TableConfig {
    /// A table that counts nothing, and in which entries end only where there is no room.
    pub fn new(name: &str, key: KeyType, size: u32) -> Self {
        Self { name: name.to_owned(), key, size, expire: None, purge: Purge::Oldest, store: Store::default() }
    }
}

/// A table with values of type `V`.
#[derive(Debug)]
pub struct Table<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    expire: Option<Duration>,
    purge: Purge,
}

impl<V: Copy> Table<V> {
    /// An empty table.
    pub fn new(config: &TableConfig) -> Self {
        let (shards, each) = cut(config.size);
        let shard = |_| Mutex::new(Shard::new(each as usize));
        Self { shards: (0..shards).map(shard).collect(), expire: config.expire, purge: config.purge }
    }

    /// The value of `key`, which lives on from `now`.
    pub fn look_up(&self, key: &Key, now: Instant) -> Option<V> {
        self.shard(key).look_up(key, now, self.end(now))
    }

    /// Sets the value of `key`. How many entries had to make room for it. Without room, and if none is made, nothing is set.
    pub fn store(&self, key: Key, value: V, now: Instant) -> usize {
        let end = self.end(now);
        self.shard(&key).store(key, value, self.purge, now, end)
    }

    /// Removes what does not meet a condition. How many.
    pub fn retain(&self, mut keep: impl FnMut(&Key, V) -> bool) -> usize {
        self.shards.iter().map(|s| lock(s).retain(&mut keep)).sum()
    }

    /// Entries, expired ones that nobody has met again included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| lock(s).len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn end(&self, now: Instant) -> Option<Instant> {
        self.expire.and_then(|e| now.checked_add(e))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder by their number, of which there is at least one"
    )]
    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard<V>> {
        lock(&self.shards[(key.spread() % self.shards.len() as u64) as usize])
    }
}

/// A shard whose holder has panicked is as good as it was: every change leaves both of its orders whole or an entry
/// without an end, which room is made of last.
fn lock<V>(shard: &Mutex<Shard<V>>) -> MutexGuard<'_, Shard<V>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many parts a table is cut into, and how many entries each has room for. Rounded up: a table may hold a few more
/// than it says, never fewer.
fn cut(size: u32) -> (u32, u32) {
    let size = size.max(1);
    let parts = SHARDS.min(size.div_ceil(LEAST_PER_SHARD)).max(1);
    (parts, size.div_ceil(parts))
}

/// Some times the threads of a large machine.
const SHARDS: u32 = 64;

/// A small table is not cut: room made in one of its shards would be far from what would end first.
const LEAST_PER_SHARD: u32 = 64;

#[cfg(test)]
mod tests;
