//! Maps of a plan: what is in use, and what is being prepared to take its place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{EntryError, Map, MapConfig, MapId};

/// The maps of a plan, shared by all threads. A lock is held for one look-up or one change, never across a wait.
#[derive(Debug, Default)]
pub struct Maps(Box<[Versions]>);

#[derive(Debug)]
struct Versions {
    name: String,
    file: Option<Box<str>>,
    used: RwLock<Map>,
    prepared: RwLock<Prepared<Map>>,
    changes: AtomicU64,
}

/// Versions of something that are being prepared, each by its number.
#[derive(Debug)]
pub struct Prepared<T> {
    begun: BTreeMap<Version, T>,
    last: Version,
}

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self { begun: BTreeMap::new(), last: Version(0) }
    }
}

impl<T> Prepared<T> {
    /// Begins one.
    ///
    /// # Errors
    /// Too many have been begun and not come to an end.
    pub fn begin(&mut self, new: T) -> Result<Version, VersionError> {
        if self.begun.len() >= MOST {
            return Err(VersionError::TooMany);
        }
        self.last.0 += 1;
        self.begun.insert(self.last, new);
        Ok(self.last)
    }

    /// One of them.
    ///
    /// # Errors
    /// It is not being prepared.
    pub fn one(&mut self, version: Version) -> Result<&mut T, VersionError> {
        self.begun.get_mut(&version).ok_or(VersionError::Unknown)
    }

    /// Ends one, and drops those that were begun before it.
    ///
    /// # Errors
    /// It is not being prepared.
    pub fn end(&mut self, version: Version) -> Result<T, VersionError> {
        let ended = self.begun.remove(&version).ok_or(VersionError::Unknown)?;
        self.begun.retain(|other, _| *other > version);
        Ok(ended)
    }
}

/// Which of several that are being prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version(pub u32);

/// Why nothing can be done with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// There is none of that number, or nothing that has versions.
    #[error("is not being prepared")]
    Unknown,
    /// More than a few at once are a mistake.
    #[error("is one more than may be prepared at once")]
    TooMany,
}

impl Maps {
    /// As the configuration says them.
    ///
    /// # Errors
    /// A key is not one: the map's position, the key's, and why.
    pub fn new(configs: &[MapConfig]) -> Result<Self, (usize, usize, EntryError)> {
        let mut all = Vec::with_capacity(configs.len());
        for (position, config) in configs.iter().enumerate() {
            let map = Map::of(config).map_err(|(at, error)| (position, at, error))?;
            all.push(Versions {
                name: config.name.clone(),
                file: config.file.clone(),
                used: RwLock::new(map),
                prepared: RwLock::default(),
                changes: AtomicU64::new(0),
            });
        }
        Ok(Self(all.into()))
    }

    /// Names in the order of the plan.
    pub fn names(&self) -> impl Iterator<Item = (MapId, &str)> {
        (0..).map(MapId).zip(self.0.iter().map(|map| map.name.as_str()))
    }

    /// Maps that are what a file says, the file, and how often each has been changed since it was read.
    pub fn files(&self) -> impl Iterator<Item = (MapId, &str, u64)> {
        (0..)
            .map(MapId)
            .zip(&self.0)
            .filter_map(|(id, map)| Some((id, map.file.as_deref()?, map.changes.load(Ordering::Acquire))))
    }

    /// Looks at a map that is in use.
    pub fn look<T>(&self, id: MapId, look: impl FnOnce(&Map) -> T) -> Option<T> {
        Some(look(&read(&self.0.get(usize::from(id.0))?.used)))
    }

    /// What a map that is in use has for a key.
    pub fn value(&self, id: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        self.look(id, |map| map.look_up(key).map(|entry| entry.value.as_bytes().into()))?
    }

    /// Changes a map that is in use.
    pub fn change<T>(&self, id: MapId, change: impl FnOnce(&mut Map) -> T) -> Option<T> {
        let map = self.0.get(usize::from(id.0))?;
        let changed = change(&mut write(&map.used));
        map.changes.fetch_add(1, Ordering::Release);
        Some(changed)
    }

    /// Begins another version of a map, without entries.
    ///
    /// # Errors
    /// There is no such map, or too many have been begun and not come to an end.
    pub fn prepare(&self, id: MapId) -> Result<Version, VersionError> {
        let map = self.0.get(usize::from(id.0)).ok_or(VersionError::Unknown)?;
        let (how, nocase) = {
            let used = read(&map.used);
            (used.how, used.nocase)
        };
        write(&map.prepared).begin(Map::new(how, nocase))
    }

    /// Changes a version that is being prepared.
    ///
    /// # Errors
    /// It is not.
    pub fn change_prepared<T>(
        &self,
        id: MapId,
        version: Version,
        change: impl FnOnce(&mut Map) -> T,
    ) -> Result<T, VersionError> {
        let map = self.0.get(usize::from(id.0)).ok_or(VersionError::Unknown)?;
        write(&map.prepared).one(version).map(change)
    }

    /// Puts a version in use, in one moment. Those that were begun before it are dropped.
    ///
    /// # Errors
    /// It is not being prepared.
    pub fn commit(&self, id: MapId, version: Version) -> Result<(), VersionError> {
        let map = self.0.get(usize::from(id.0)).ok_or(VersionError::Unknown)?;
        let new = write(&map.prepared).end(version)?;
        let old = std::mem::replace(&mut *write(&map.used), new);
        map.changes.fetch_add(1, Ordering::Release);
        // Readers wait for the exchange only, not for the end of what it was.
        drop(old);
        Ok(())
    }
}

/// A panic in a look at a map leaves it as it was.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Versions of one thing that can be prepared at once.
const MOST: usize = 16;
