//! Values that are looked up by what a request has (HAProxy: maps), and that an operator can change while requests are
//! served.
//!
//! | module | what it is about |
//! |---|---|
//! | `index` | how keys are compared, and found among many |
//! | `versions` | maps of a plan: what is in use, and what is being prepared to take its place |

mod index;
mod versions;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use index::How;
use index::Index;
pub use versions::{Maps, Prepared, Version, VersionError};

use crate::rules::PatternError;

/// What the configuration says about a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapConfig {
    /// Operator's name.
    pub name: String,
    /// How its keys are compared.
    pub how: How,
    /// Letters of either case are the same.
    pub nocase: bool,
    /// Keys and values in the order in which they are found.
    pub entries: Vec<(Box<str>, Box<str>)>,
    /// The file that all of them come from, if it is one.
    pub file: Option<Box<str>>,
}

/// Position of a map in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(pub u16);

/// What an entry is told from others by, for as long as the map is there. Later ones have larger numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// A map. Looking a key up takes about as long for many entries as for one. **Capacity:** what memory allows; it grows by what
/// the configuration and operators put in only.
#[derive(Debug)]
pub struct Map {
    how: How,
    nocase: bool,
    entries: BTreeMap<EntryId, Entry>,
    index: Index,
    next: u32,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it was given.
    pub key: Box<str>,
    /// What is found by it.
    pub value: Box<str>,
}

/// Why an entry cannot be put in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The key is not one.
    #[error("is not an address or a network")]
    Network,
    /// The key is not one.
    #[error("is no regular expression: {0}")]
    Expression(#[from] PatternError),
    /// As many have been put in as can be counted.
    #[error("is one more than can be counted")]
    Full,
}

impl Map {
    /// Without entries.
    pub fn new(how: How, nocase: bool) -> Self {
        Self { how, nocase, entries: BTreeMap::new(), index: Index::new(how), next: 0 }
    }

    /// As the configuration says it.
    ///
    /// # Errors
    /// A key is not one; its position, and why.
    pub fn of(config: &MapConfig) -> Result<Self, (usize, EntryError)> {
        let mut map = Self::new(config.how, config.nocase);
        map.extend(config.entries.iter().cloned())?;
        Ok(map)
    }

    /// How keys are compared.
    pub fn how(&self) -> How {
        self.how
    }

    /// Whether letters of either case are the same.
    pub fn ignores_case(&self) -> bool {
        self.nocase
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in the order in which they have been put in.
    pub fn entries(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// The entry for a text: of several whose keys match the longest of a beginning or a network, else the first.
    pub fn look_up(&self, text: &[u8]) -> Option<&Entry> {
        let id = match self.nocase {
            true => self.index.find(&text.to_ascii_lowercase()),
            false => self.index.find(text),
        };
        self.entries.get(&id?)
    }

    /// The same for an address.
    pub fn look_up_address(&self, address: IpAddr) -> Option<&Entry> {
        match self.how {
            How::Ip => self.entries.get(&self.index.find_address(address)?),
            How::Str | How::Beg | How::End | How::Sub | How::Dir | How::Dom | How::Reg => {
                self.look_up(address.to_canonical().to_string().as_bytes())
            }
        }
    }

    /// Puts one more entry in. One with the same key that is there goes before it.
    ///
    /// # Errors
    /// The key is not one, or there is no room.
    pub fn add(&mut self, key: Box<str>, value: Box<str>) -> Result<EntryId, EntryError> {
        self.extend([(key, value)]).map_err(|(_, error)| error)?;
        Ok(EntryId(self.next - 1))
    }

    /// Puts several in, which is much less work than one by one where keys are looked for in texts.
    ///
    /// # Errors
    /// A key is not one, or there is no room; its position, and why. The map stays as it was.
    pub fn extend(
        &mut self,
        entries: impl IntoIterator<Item = (Box<str>, Box<str>)>,
    ) -> Result<(), (usize, EntryError)> {
        let first = self.next;
        let mut result = Ok(());
        for (at, (key, value)) in entries.into_iter().enumerate() {
            let id = EntryId(self.next);
            let spelled = self.spelled(&key);
            let counted = self.next.checked_add(1).ok_or(EntryError::Full);
            match counted.and_then(|next| self.index.insert(&spelled, id).map(|()| next)) {
                Ok(next) => self.next = next,
                Err(error) => {
                    result = Err((at, error));
                    break;
                }
            }
            self.entries.insert(id, Entry { key, value });
        }
        let settled = self.settle();
        match result.and_then(|()| settled.map_err(|error| (0, error))) {
            Ok(()) => Ok(()),
            Err(error) => {
                let added: Vec<EntryId> = self.entries.range(EntryId(first)..).map(|(id, _)| *id).collect();
                for id in added {
                    self.take_out(id);
                }
                // What was there could be made ready before.
                self.settle().unwrap_or_default();
                Err(error)
            }
        }
    }

    /// Gives entries with this key another value. How many.
    pub fn set(&mut self, key: &str, value: &str) -> usize {
        let same = self.entries.values_mut().filter(|entry| *entry.key == *key);
        same.map(|entry| entry.value = value.into()).count()
    }

    /// Gives one entry another value. Whether it is there.
    pub fn set_entry(&mut self, id: EntryId, value: &str) -> bool {
        self.entries.get_mut(&id).map(|entry| entry.value = value.into()).is_some()
    }

    /// Takes entries with this key out. How many.
    pub fn remove(&mut self, key: &str) -> usize {
        let same = self.entries.iter().filter(|(_, entry)| *entry.key == *key);
        let same: Vec<EntryId> = same.map(|(id, _)| *id).collect();
        let count = same.into_iter().filter(|id| self.take_out(*id)).count();
        // Fewer keys than before can be made ready as those were.
        self.settle().unwrap_or_default();
        count
    }

    /// Takes one entry out. Whether it was there.
    pub fn remove_entry(&mut self, id: EntryId) -> bool {
        let was = self.take_out(id);
        self.settle().unwrap_or_default();
        was
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.index = Index::new(self.how);
    }

    fn take_out(&mut self, id: EntryId) -> bool {
        let Some(entry) = self.entries.remove(&id) else { return false };
        let spelled = self.spelled(&entry.key);
        self.index.remove(&spelled, id);
        true
    }

    fn spelled(&self, key: &str) -> String {
        if self.nocase && self.how != How::Reg { key.to_ascii_lowercase() } else { key.to_owned() }
    }

    /// Makes keys that are looked for in texts ready, all at once.
    fn settle(&mut self) -> Result<(), EntryError> {
        self.index.settle(self.nocase)
    }
}

#[cfg(test)]
mod tests;
