//! What one condition has made of the lists that it asks for.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{ListId, User};

/// A set of patterns that changes with its lists.
pub struct Listed<T> {
    used: ArcSwap<T>,
    lists: Box<[ListId]>,
    names: Box<[Box<str>]>,
    /// What is in the set besides.
    patterns: Vec<Box<str>>,
    make: Make<T>,
}

/// Makes a set of patterns, or says what is wrong with one.
type Make<T> = Box<dyn Fn(&[&str]) -> Result<T, String> + Send + Sync>;

/// Something that is made of patterns and finds them in texts.
pub trait Patterns: fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Whether one of them is found.
    fn find_in(&self, text: &[u8]) -> bool;

    /// How they are compared.
    fn form(&self) -> Form;
}

/// How patterns are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// HAProxy's word.
    pub how: &'static str,
    /// Letters of either case are the same.
    pub nocase: bool,
}

impl<T: Patterns> Listed<T> {
    pub(super) fn new(
        lists: Box<[ListId]>,
        names: Box<[Box<str>]>,
        patterns: Vec<Box<str>>,
        make: impl Fn(&[&str]) -> Result<T, String> + Send + Sync + 'static,
        listed: &[Box<str>],
    ) -> Result<Self, String> {
        let all: Vec<&str> = patterns.iter().chain(listed).map(|pattern| &**pattern).collect();
        let used = ArcSwap::from_pointee(make(&all)?);
        Ok(Self { used, lists, names, patterns, make: Box::new(make) })
    }

    /// As it is now.
    #[inline]
    pub fn used(&self) -> Guard<Arc<T>> {
        self.used.load()
    }

    /// The files that it asks for.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
}

impl<T: Patterns> User for Listed<T> {
    fn prepared(&self, lists: &dyn Fn(ListId) -> Vec<Box<str>>) -> Result<Box<dyn FnOnce() + '_>, String> {
        let listed: Vec<Box<str>> = self.lists.iter().flat_map(|id| lists(*id)).collect();
        let all: Vec<&str> = self.patterns.iter().chain(&listed).map(|pattern| &**pattern).collect();
        let made = Arc::new((self.make)(&all)?);
        Ok(Box::new(move || self.used.store(made)))
    }

    fn finds(&self, pattern: &str, text: &[u8]) -> Result<bool, String> {
        Ok((self.make)(&[pattern])?.find_in(text))
    }

    fn form(&self) -> Form {
        self.used().form()
    }
}

impl<T: Patterns> fmt::Debug for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("names", &self.names)
            .field("used", &*self.used())
            .finish_non_exhaustive()
    }
}

impl<T: Patterns> PartialEq for Listed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names && **self.used() == **other.used()
    }
}

impl<T: Patterns + Eq> Eq for Listed<T> {}
