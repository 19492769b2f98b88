//! Files of patterns that conditions ask for, which an operator can change while requests are served (HAProxy: the
//! pattern references behind `acl … -f FILE`).
//!
//! A file may be asked for by several conditions, each of which compares in its own way. A change is made ready for all
//! of them first; then each gets the new set in one moment. Nobody who serves requests waits for that.

mod listed;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use listed::{Form, Listed, Patterns};

use crate::map::{EntryId, Prepared, Version, VersionError};

/// The lists of a plan. A list is never taken out; a lock is held by operators only.
#[derive(Debug, Default)]
pub struct Lists(Mutex<Vec<List>>);

/// Position of a list among those of its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListId(pub u16);

#[derive(Debug)]
struct List {
    name: Box<str>,
    entries: Entries,
    prepared: Prepared<Entries>,
    users: Vec<Arc<dyn User>>,
    changes: u64,
}

/// Patterns in the order in which they have been put in. Later ones have larger numbers.
#[derive(Debug, Clone, Default)]
struct Entries {
    all: BTreeMap<EntryId, Box<str>>,
    next: u32,
}

/// What a condition makes of the lists that it asks for.
trait User: std::fmt::Debug + Send + Sync {
    /// Makes a set ready of what is in the lists; calling what comes back puts it in use.
    fn prepared(&self, lists: &dyn Fn(ListId) -> Vec<Box<str>>) -> Result<Box<dyn FnOnce() + '_>, String>;

    /// Whether this pattern by itself is one, and is found in a text.
    fn finds(&self, pattern: &str, text: &[u8]) -> Result<bool, String>;

    /// How it compares.
    fn form(&self) -> Form;
}

/// Why a list is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// There is none.
    #[error("there is no such list")]
    Unknown,
    /// A version is not there, or cannot be begun.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A condition can do nothing with a pattern: it, and why.
    #[error("{0}")]
    Pattern(String),
}

/// What is said about a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The file it comes from, as the configuration names it.
    pub name: Box<str>,
    /// Its patterns.
    pub entries: usize,
    /// How each condition compares that asks for it.
    pub forms: Vec<Form>,
    /// How often it has been changed since it was read.
    pub changes: u64,
}

/// Whether a text is found in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How the first condition compares that asks for the list.
    pub form: Form,
    /// The first pattern that it finds.
    pub pattern: Option<Box<str>>,
}

impl Lists {
    /// The list of that file, which is filled with `patterns` if it is new. `None`: there are too many lists.
    pub fn open(&self, name: &str, patterns: impl IntoIterator<Item = Box<str>>) -> Option<ListId> {
        let lists = &mut *self.lock();
        let at = lists.iter().position(|list| *list.name == *name).unwrap_or(lists.len());
        let id = u16::try_from(at).ok().map(ListId)?;
        if at == lists.len() {
            let mut entries = Entries::default();
            patterns.into_iter().for_each(|pattern| entries.put(pattern));
            lists.push(List {
                name: name.into(),
                entries,
                prepared: Prepared::default(),
                users: Vec::new(),
                changes: 0,
            });
        }
        Some(id)
    }

    /// A set for a condition that asks for these lists, which changes with them; `patterns` are in it besides.
    ///
    /// # Errors
    /// The condition can do nothing with a pattern.
    pub fn ask<T: Patterns>(
        &self,
        ids: &[ListId],
        patterns: Vec<Box<str>>,
        make: impl Fn(&[&str]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Arc<Listed<T>>, ListError> {
        let lists = &mut *self.lock();
        let all: Vec<Box<str>> = ids.iter().flat_map(|id| contents(lists, *id)).collect();
        let names = ids.iter().filter_map(|id| Some(lists.get(usize::from(id.0))?.name.clone())).collect();
        let listed =
            Arc::new(Listed::new(ids.into(), names, patterns, make, &all).map_err(ListError::Pattern)?);
        for id in ids {
            if let Some(list) = lists.get_mut(usize::from(id.0)) {
                list.users.push(Arc::clone(&listed) as Arc<dyn User>);
            }
        }
        Ok(listed)
    }

    /// All lists.
    pub fn all(&self) -> Vec<(ListId, Summary)> {
        let summary = |list: &List| Summary {
            name: list.name.clone(),
            entries: list.entries.all.len(),
            forms: list.users.iter().map(|user| user.form()).collect(),
            changes: list.changes,
        };
        (0..).map(ListId).zip(self.lock().iter().map(summary)).collect()
    }

    /// What is in a list that is in use, or in a version of it that is being prepared.
    ///
    /// # Errors
    /// Neither is there.
    pub fn entries(
        &self,
        id: ListId,
        version: Option<Version>,
    ) -> Result<Vec<(EntryId, Box<str>)>, ListError> {
        let lists = &mut *self.lock();
        let list = lists.get_mut(usize::from(id.0)).ok_or(ListError::Unknown)?;
        let entries = match version {
            Some(version) => list.prepared.one(version)?,
            None => &mut list.entries,
        };
        Ok(entries.all.iter().map(|(id, pattern)| (*id, pattern.clone())).collect())
    }

    /// Looks for a text in a list that is in use.
    pub fn find(&self, id: ListId, text: &[u8]) -> Option<Found> {
        let lists = &*self.lock();
        let list = lists.get(usize::from(id.0))?;
        let user = list.users.first()?;
        let mut patterns = list.entries.all.values();
        let pattern = patterns.find(|pattern| user.finds(pattern, text) == Ok(true)).cloned();
        Some(Found { form: user.form(), pattern })
    }

    /// Puts patterns into a list, or into a version of it that is being prepared; all of them or none.
    ///
    /// # Errors
    /// Neither is there, or a condition can do nothing with one of them.
    pub fn add(&self, id: ListId, version: Option<Version>, patterns: &[&str]) -> Result<(), ListError> {
        let lists = &mut *self.lock();
        let list = lists.get_mut(usize::from(id.0)).ok_or(ListError::Unknown)?;
        if let Some(pattern) = patterns.iter().find(|pattern| !is_line(pattern)) {
            return Err(ListError::Pattern(format!("`{pattern}` cannot be a line of a file of patterns")));
        }
        for (pattern, user) in patterns.iter().flat_map(|p| list.users.iter().map(move |user| (p, user))) {
            user.finds(pattern, b"").map_err(ListError::Pattern)?;
        }
        let put = |entries: &mut Entries| patterns.iter().for_each(|pattern| entries.put((*pattern).into()));
        match version {
            Some(version) => {
                put(list.prepared.one(version)?);
                Ok(())
            }
            None => {
                let mut entries = list.entries.clone();
                put(&mut entries);
                replace(lists, id, entries)
            }
        }
    }

    /// Takes out of a list what `which` names. How many patterns it has then less.
    ///
    /// # Errors
    /// There is no such list.
    pub fn remove(&self, id: ListId, which: Which<'_>) -> Result<usize, ListError> {
        let lists = &mut *self.lock();
        let list = lists.get(usize::from(id.0)).ok_or(ListError::Unknown)?;
        let mut entries = list.entries.clone();
        entries.all.retain(|id, pattern| match which {
            Which::Entry(entry) => *id != entry,
            Which::Pattern(text) => **pattern != *text,
        });
        let gone = list.entries.all.len() - entries.all.len();
        if gone > 0 {
            replace(lists, id, entries)?;
        }
        Ok(gone)
    }

    /// Takes everything out of a list, or out of a version of it that is being prepared.
    ///
    /// # Errors
    /// Neither is there.
    pub fn clear(&self, id: ListId, version: Option<Version>) -> Result<(), ListError> {
        let lists = &mut *self.lock();
        let list = lists.get_mut(usize::from(id.0)).ok_or(ListError::Unknown)?;
        match version {
            Some(version) => {
                list.prepared.one(version)?.all.clear();
                Ok(())
            }
            None => {
                let next = list.entries.next;
                replace(lists, id, Entries { all: BTreeMap::new(), next })
            }
        }
    }

    /// Begins another version of a list, without patterns.
    ///
    /// # Errors
    /// There is no such list, or too many versions have been begun and not come to an end.
    pub fn prepare(&self, id: ListId) -> Result<Version, ListError> {
        let lists = &mut *self.lock();
        let list = lists.get_mut(usize::from(id.0)).ok_or(ListError::Unknown)?;
        let next = list.entries.next;
        Ok(list.prepared.begin(Entries { all: BTreeMap::new(), next })?)
    }

    /// Puts a version in use, in one moment. Those that were begun before it are dropped.
    ///
    /// # Errors
    /// It is not being prepared, or what is in it together is too much for a condition; then the list stays as it was.
    pub fn commit(&self, id: ListId, version: Version) -> Result<(), ListError> {
        let lists = &mut *self.lock();
        let list = lists.get_mut(usize::from(id.0)).ok_or(ListError::Unknown)?;
        let entries = list.prepared.end(version)?;
        replace(lists, id, entries)
    }

    /// An operator's panic leaves lists as they were.
    fn lock(&self) -> MutexGuard<'_, Vec<List>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is taken out of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// One entry.
    Entry(EntryId),
    /// All that are this pattern.
    Pattern(&'a str),
}

impl Entries {
    fn put(&mut self, pattern: Box<str>) {
        self.all.insert(EntryId(self.next), pattern);
        self.next = self.next.saturating_add(1);
    }
}

/// Whether a file of patterns or of a map can have it as a line: what is read from there next time is what is there now.
pub fn is_line(pattern: &str) -> bool {
    !pattern.is_empty()
        && pattern.trim() == pattern
        && !pattern.starts_with('#')
        && !pattern.contains(['\n', '\r', '\0'])
}

fn contents(lists: &[List], id: ListId) -> Vec<Box<str>> {
    let list = lists.get(usize::from(id.0));
    list.map(|list| list.entries.all.values().cloned().collect()).unwrap_or_default()
}

/// Gives a list other patterns, once every condition that asks for it has made them ready.
fn replace(lists: &mut [List], id: ListId, entries: Entries) -> Result<(), ListError> {
    let Some(list) = lists.get_mut(usize::from(id.0)) else { return Err(ListError::Unknown) };
    let old = std::mem::replace(&mut list.entries, entries);
    list.changes += 1;
    let users = list.users.clone();
    let ready: Result<Vec<_>, String> = {
        let lists = &*lists;
        users.iter().map(|user| user.prepared(&|id| contents(lists, id))).collect()
    };
    match ready {
        Ok(ready) => {
            ready.into_iter().for_each(|put_in_use| put_in_use());
            Ok(())
        }
        Err(why) => {
            if let Some(list) = lists.get_mut(usize::from(id.0)) {
                list.entries = old;
                list.changes -= 1;
            }
            Err(ListError::Pattern(why))
        }
    }
}

#[cfg(test)]
mod tests;
