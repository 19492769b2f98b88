//! Changes of a message, put together before its head is written anew.

use std::borrow::Cow;
use std::ops::Range;

use super::line::LineEdit;
use super::matcher::{Looked, Request, elements};
use super::replacement::Replacement;
use super::script::{Call, Said};
use super::template::Template;
use crate::access_log::Level;
use crate::h1::forward::write_field;
use crate::map::MapId;

/// A change of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// One field of this name and no other (`set-header`).
    Set(Box<str>, Template),
    /// One more field of this name (`add-header`).
    Add(Box<str>, Template),
    /// No field of this name (`del-header`).
    Del(Box<str>),
    /// Values of fields of this name in which something is found are others (`replace-header`).
    Replace(Box<str>, Replacement),
    /// The same of each element of the lists that the values are (`replace-value`).
    ReplaceElements(Box<str>, Replacement),
    /// The request line is another.
    Line(LineEdit),
    /// A variable has another value, for further rules and for those of the response (`set-var`).
    Variable(Box<str>, Value),
    /// Its record is of this level, or there is none (`set-log-level`).
    LogLevel(LogLevel),
    /// Its record shows a text among the captured fields (`capture`).
    Capture {
        /// Which of those that rules capture, from 0.
        place: u16,
        /// What is shown.
        text: Template,
        /// Most bytes of it.
        bytes: usize,
    },
}

/// How urgent a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// There is none.
    Silent,
    /// This.
    Level(Level),
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(Template),
    /// What a map has for a text.
    Mapped {
        /// Which map.
        map: MapId,
        /// What is looked up in it.
        key: Template,
        /// What it is if there is no entry. `None`: the variable stays as it is.
        default: Option<Box<str>>,
    },
    /// What a converter of a script makes of a text.
    Converted {
        /// Which converter.
        by: Call,
        /// Of what.
        of: Template,
        /// What it is if the converter makes nothing of it. `None`: the variable stays as it is.
        default: Option<Box<str>>,
    },
}

/// What of a message goes into changes of it.
pub trait Seen {
    /// Hands the values of all fields of this name, in any case, to `look`.
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8]));

    /// Appends a text with what the message fills in.
    fn fill<'g>(&self, text: &Template, out: &mut Vec<u8>, group: &dyn Fn(u8) -> &'g [u8]);

    /// What a map has for a key.
    fn mapped(&self, map: MapId, key: &[u8]) -> Option<Box<[u8]>>;

    /// What a converter of a script makes of a text. A message by itself knows no scripts.
    fn converted(&self, _by: &Call, _text: &[u8]) -> Option<Said> {
        None
    }

    /// Path and query of a request.
    fn target(&self) -> &[u8];
}

impl<R: Request> Seen for Looked<'_, R> {
    fn each(&self, name: &str, look: &mut dyn FnMut(&[u8])) {
        self.request().fields(name, &mut |value| {
            look(value);
            false
        });
    }

    fn fill<'g>(&self, text: &Template, out: &mut Vec<u8>, group: &dyn Fn(u8) -> &'g [u8]) {
        text.write_with(out, self, group);
    }

    fn mapped(&self, map: MapId, key: &[u8]) -> Option<Box<[u8]>> {
        self.request().mapped(map, key)
    }

    fn converted(&self, by: &Call, text: &[u8]) -> Option<Said> {
        self.request().converted(by, text)
    }

    fn target(&self) -> &[u8] {
        self.request().target()
    }
}

/// What a change comes to for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// Nothing.
    Nothing,
    /// All fields of this name are these.
    Fields(&'a str, Vec<Vec<u8>>),
    /// There is one more.
    More(&'a str, Vec<u8>),
    /// This is the method.
    Method(&'a str),
    /// This is asked for.
    Target(Vec<u8>),
    /// This variable has this value.
    Variable(&'a str, Box<[u8]>),
    /// There is no such variable.
    NoVariable(&'a str),
    /// This is the status of a response.
    Status(u16),
    /// Its record is of this level.
    LogLevel(LogLevel),
    /// Its record shows this there.
    Captured(u16, Vec<u8>),
}

impl Edit {
    /// What it comes to.
    pub fn change(&self, message: &impl Seen) -> Change<'_> {
        let filled = |text: &Template| {
            let mut out = Vec::new();
            message.fill(text, &mut out, &|_| &[]);
            out
        };
        match self {
            Self::Set(name, text) => Change::Fields(name, vec![filled(text)]),
            Self::Add(name, text) => Change::More(name, filled(text)),
            Self::Del(name) => Change::Fields(name, Vec::new()),
            Self::Replace(name, by) => replaced(name, message, |value| by.of(value, message)),
            Self::ReplaceElements(name, by) => {
                replaced(name, message, |value| replaced_elements(value, by, message))
            }
            Self::Variable(name, Value::Text(text)) => Change::Variable(name, filled(text).into()),
            Self::Variable(name, Value::Mapped { map, key, default }) => {
                let default = || default.as_deref().map(|text| text.as_bytes().into());
                let found = message.mapped(*map, &filled(key)).or_else(default);
                found.map_or(Change::Nothing, |value| Change::Variable(name, value))
            }
            Self::Variable(name, Value::Converted { by, of, default }) => {
                let default = || default.as_deref().map(|text| text.as_bytes().into());
                let made = message.converted(by, &filled(of)).map(Said::into_text).or_else(default);
                made.map_or(Change::Nothing, |value| Change::Variable(name, value))
            }
            Self::LogLevel(level) => Change::LogLevel(*level),
            Self::Capture { place, text, bytes } => {
                let mut shown = filled(text);
                shown.truncate(*bytes);
                Change::Captured(*place, shown)
            }
            Self::Line(_) if message.target() == b"*" => Change::Nothing,
            Self::Line(LineEdit::Method(method)) => Change::Method(method),
            Self::Line(line) => {
                line.target(message.target(), message).map_or(Change::Nothing, Change::Target)
            }
        }
    }

    /// The text that is filled in, if there is one.
    pub fn text(&self) -> Option<&Template> {
        match self {
            Self::Set(_, text) | Self::Add(_, text) | Self::Capture { text, .. } => Some(text),
            Self::Replace(_, by) | Self::ReplaceElements(_, by) => Some(by.text()),
            Self::Line(line) => line.text(),
            Self::Variable(
                _,
                Value::Text(text) | Value::Mapped { key: text, .. } | Value::Converted { of: text, .. },
            ) => Some(text),
            Self::Del(_) | Self::LogLevel(_) => None,
        }
    }

    /// Whether what it comes to is the same for every message.
    pub fn is_constant(&self) -> bool {
        match self {
            Self::Set(_, text) | Self::Add(_, text) => text.is_fixed(),
            Self::Del(_) | Self::LogLevel(_) => true,
            Self::Replace(..)
            | Self::ReplaceElements(..)
            | Self::Line(_)
            | Self::Variable(..)
            | Self::Capture { .. } => false,
        }
    }
}

fn replaced<'a>(
    name: &'a str,
    message: &impl Seen,
    replace: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Change<'a> {
    let (mut values, mut found) = (Vec::new(), false);
    message.each(name, &mut |value| {
        let new = replace(value);
        found |= new.is_some();
        values.push(new.map_or_else(|| value.to_vec(), one_line));
    });
    if found { Change::Fields(name, values) } else { Change::Nothing }
}

fn replaced_elements(value: &[u8], by: &Replacement, message: &impl Seen) -> Option<Vec<u8>> {
    let (mut out, mut found) = (Vec::with_capacity(value.len()), false);
    for element in elements(value) {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        let new = by.of(element, message);
        found |= new.is_some();
        out.extend_from_slice(new.as_deref().unwrap_or(element));
    }
    found.then_some(out)
}

/// An expression may take blanks to the ends of a value, where none are.
fn one_line(value: Vec<u8>) -> Vec<u8> {
    let trimmed = value.trim_ascii();
    if trimmed.len() == value.len() { value } else { trimmed.to_vec() }
}

/// What becomes of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits(Option<Box<Made>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Made {
    /// Names of which no field that came stays.
    gone: Vec<Box<str>>,
    /// Fields that are added: their names, and where their values are.
    added: Vec<(Box<str>, Range<usize>)>,
    values: Vec<u8>,
    method: Option<Box<str>>,
    target: Option<Box<[u8]>>,
    /// Of a response.
    status: Option<u16>,
    log_level: Option<LogLevel>,
    /// For its record.
    captured: Vec<(u16, Vec<u8>)>,
    /// Variables that are gone, whoever has set them before.
    unset: Vec<Box<str>>,
    variables: Variables,
}

/// What rules have set, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(Box<str>, Box<[u8]>)>);

impl Variables {
    /// The value of one.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(own, _)| **own == *name).map(|(_, value)| &**value)
    }

    /// One gets a value.
    pub fn set(&mut self, name: &str, value: Box<[u8]>) {
        match self.0.iter_mut().find(|(own, _)| **own == *name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
    }

    /// One is gone.
    pub fn unset(&mut self, name: &str) {
        self.0.retain(|(own, _)| **own != *name);
    }
}

impl Edits {
    /// Whether nothing changes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Makes one more change, on top of those before it.
    pub fn apply(&mut self, change: Change<'_>) {
        if change == Change::Nothing {
            return;
        }
        let made = self.0.get_or_insert_default();
        match change {
            Change::Nothing => {}
            Change::Fields(name, values) => {
                made.added.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                if !made.is_gone(name.as_bytes()) {
                    made.gone.push(name.into());
                }
                values.iter().for_each(|value| made.add(name, value));
            }
            Change::More(name, value) => made.add(name, &value),
            Change::Method(method) => made.method = Some(method.into()),
            Change::Target(target) => made.target = Some(target.into()),
            Change::Variable(name, value) => {
                made.unset.retain(|other| **other != *name);
                made.variables.set(name, value);
            }
            Change::NoVariable(name) => {
                made.variables.unset(name);
                made.unset.push(name.into());
            }
            Change::Status(status) => made.status = Some(status),
            Change::LogLevel(level) => made.log_level = Some(level),
            Change::Captured(place, shown) => made.captured.push((place, shown)),
        }
    }

    /// The level of its record, if rules say one.
    #[inline]
    pub fn log_level(&self) -> Option<LogLevel> {
        self.0.as_ref()?.log_level
    }

    /// What its record shows besides, in the order in which it was captured.
    pub fn captured(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.0.iter().flat_map(|made| made.captured.iter().map(|(place, shown)| (*place, &**shown)))
    }

    /// Whether a variable is gone that was set before.
    pub fn has_unset(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|made| made.unset.iter().any(|other| **other == *name))
    }

    /// Tells the client another status.
    pub fn set_status(&mut self, status: u16) {
        self.0.get_or_insert_default().status = Some(status);
    }

    /// The status of a response, if it is another.
    #[inline]
    pub fn status(&self) -> Option<u16> {
        self.0.as_ref()?.status
    }

    /// What rules have set.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.0.as_ref()?.variables.value(name)
    }

    /// What rules have set so far.
    pub fn variables(&self) -> Variables {
        self.0.as_ref().map(|made| made.variables.clone()).unwrap_or_default()
    }

    /// All variables, with those that were set before.
    pub fn over(&self, mut before: Variables) -> Variables {
        if let Some(made) = &self.0 {
            made.unset.iter().for_each(|name| before.unset(name));
            made.variables.0.iter().for_each(|(name, value)| before.set(name, value.clone()));
        }
        before
    }

    /// The method, if it is another.
    pub fn method(&self) -> Option<&[u8]> {
        self.0.as_ref()?.method.as_deref().map(str::as_bytes)
    }

    /// Names and values of all fields that are added.
    pub fn all_added(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().flat_map(|made| made.added.iter().map(|(name, at)| (name.as_bytes(), made.value(at))))
    }

    /// Path and query, if they are others.
    #[inline]
    pub fn target(&self) -> Option<&[u8]> {
        self.0.as_ref()?.target.as_deref()
    }

    /// Whether no field of this name that came stays.
    #[inline]
    pub fn is_gone(&self, name: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|made| made.is_gone(name))
    }

    /// Values of added fields of this name.
    pub fn added<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let all = self.0.iter().flat_map(|made| made.added.iter().map(|(other, at)| (other, made.value(at))));
        all.filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Appends the lines that are added.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_without(out, &[]);
    }

    /// The same, without those that later changes take away.
    pub fn write_without(&self, out: &mut Vec<u8>, later: &[Cow<'_, Self>]) {
        let Some(made) = &self.0 else { return };
        for (name, at) in &made.added {
            if later.iter().any(|later| later.is_gone(name.as_bytes())) {
                continue;
            }
            write_field(out, name.as_bytes(), made.value(at));
        }
    }
}

impl Made {
    fn is_gone(&self, name: &[u8]) -> bool {
        self.gone.iter().any(|gone| gone.as_bytes().eq_ignore_ascii_case(name))
    }

    fn value(&self, at: &Range<usize>) -> &[u8] {
        self.values.get(at.clone()).unwrap_or_default()
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.added.push((name.into(), start..self.values.len()));
    }
}

#[cfg(test)]
pub(super) mod fixture;

#[cfg(test)]
mod tests;
