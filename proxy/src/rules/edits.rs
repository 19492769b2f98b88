//! Changes of the fields of a message, put together before its head is written anew.

use std::ops::Range;

use super::matcher::{Looked, Request};
use super::template::Template;
use crate::h1::forward::write_field;

/// A change of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// One field of this name and no other (`set-header`).
    Set(Box<str>, Template),
    /// One more field of this name (`add-header`).
    Add(Box<str>, Template),
    /// No field of this name (`del-header`).
    Del(Box<str>),
}

impl Edit {
    /// What its text comes to; empty if it has none.
    pub fn value<R: Request>(&self, request: &Looked<'_, R>) -> Vec<u8> {
        self.written(|text, out| text.write(out, request))
    }

    /// The same for a text that a request has no part in.
    pub fn fixed_value(&self) -> Vec<u8> {
        self.written(Template::write_fixed)
    }

    /// Whether a request has no part in its text.
    pub fn is_fixed(&self) -> bool {
        match self {
            Self::Set(_, text) | Self::Add(_, text) => text.is_fixed(),
            Self::Del(_) => true,
        }
    }

    fn written(&self, write: impl FnOnce(&Template, &mut Vec<u8>)) -> Vec<u8> {
        let mut value = Vec::new();
        if let Self::Set(_, text) | Self::Add(_, text) = self {
            write(text, &mut value);
        }
        value
    }
}

/// What becomes of the fields of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Names of which no field that came stays.
    gone: Vec<Box<str>>,
    /// Fields that are added: their names, and where their values are.
    added: Vec<(Box<str>, Range<usize>)>,
    values: Vec<u8>,
}

impl Edits {
    /// Whether nothing changes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.added.is_empty()
    }

    /// Makes one more change, on top of those before it. `value` is what its text has come to.
    pub fn apply(&mut self, edit: &Edit, value: &[u8]) {
        if let Edit::Set(name, _) | Edit::Del(name) = edit {
            self.added.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            if !self.is_gone(name.as_bytes()) {
                self.gone.push(name.clone());
            }
        }
        if let Edit::Set(name, _) | Edit::Add(name, _) = edit {
            let start = self.values.len();
            self.values.extend_from_slice(value);
            self.added.push((name.clone(), start..self.values.len()));
        }
    }

    /// Whether no field of this name that came stays.
    #[inline]
    pub fn is_gone(&self, name: &[u8]) -> bool {
        self.gone.iter().any(|gone| gone.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Values of added fields of this name.
    pub fn added<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.added.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, at)| self.values.get(at.clone()).unwrap_or_default())
    }

    /// Appends the lines that are added.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_without(out, None);
    }

    /// The same, without those that later changes take away.
    pub fn write_without(&self, out: &mut Vec<u8>, later: Option<&Self>) {
        for (name, at) in &self.added {
            if later.is_some_and(|later| later.is_gone(name.as_bytes())) {
                continue;
            }
            write_field(out, name.as_bytes(), self.values.get(at.clone()).unwrap_or_default());
        }
    }
}
