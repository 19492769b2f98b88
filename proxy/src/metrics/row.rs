//! One line of statistics: what it is of, and its values by column.

use std::borrow::Cow;

use super::field::{COLUMNS, COUNT, Column};

/// What a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A frontend, all its listeners together.
    Frontend,
    /// One listening address.
    Listener,
    /// A server.
    Server,
    /// A backend, all its servers together.
    Backend,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Frontend, Self::Listener, Self::Server, Self::Backend];

    /// HAProxy's letter in typed listings.
    pub fn letter(self) -> char {
        match self {
            Self::Frontend => 'F',
            Self::Listener => 'L',
            Self::Server => 'S',
            Self::Backend => 'B',
        }
    }

    /// HAProxy's number in the column `type`.
    pub fn number(self) -> u32 {
        match self {
            Self::Frontend => 0,
            Self::Backend => 1,
            Self::Server => 2,
            Self::Listener => 3,
        }
    }

    /// As JSON has it.
    pub fn object(self) -> &'static str {
        match self {
            Self::Frontend => "Frontend",
            Self::Listener => "Listener",
            Self::Server => "Server",
            Self::Backend => "Backend",
        }
    }

    /// As names of series have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Listener => "listener",
            Self::Server => "server",
            Self::Backend => "backend",
        }
    }
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number, or a position.
    U32(u32),
    /// A number that may be large.
    U64(u64),
    /// A number that may be negative.
    S32(i32),
    /// A word.
    Text(Cow<'static, str>),
}

impl Value {
    /// HAProxy's name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U32(_) => "u32",
            Self::U64(_) => "u64",
            Self::S32(_) => "s32",
            Self::Text(_) => "str",
        }
    }

    /// The value as a number; `None`: it is a word.
    pub fn number(&self) -> Option<i128> {
        match self {
            Self::U32(n) => Some((*n).into()),
            Self::U64(n) => Some((*n).into()),
            Self::S32(n) => Some((*n).into()),
            Self::Text(_) => None,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::U32(n) => write!(f, "{n}"),
            Self::U64(n) => write!(f, "{n}"),
            Self::S32(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::U32(n)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::U64(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Self {
        Self::S32(n)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// One line.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is of.
    pub kind: Kind,
    /// Number of the proxy.
    pub iid: u32,
    /// Number of the server or listener in it; 0 of the proxy itself.
    pub sid: u32,
    cells: [Option<Value>; COUNT],
    /// Servers by state, of a backend.
    pub servers: Vec<(&'static str, u32)>,
    /// Servers by the result of their last check, of a backend.
    pub checks: Vec<(&'static str, u32)>,
}

impl Row {
    /// An empty one.
    pub fn new(kind: Kind, iid: u32, sid: u32) -> Self {
        Self { kind, iid, sid, cells: [const { None }; COUNT], servers: Vec::new(), checks: Vec::new() }
    }

    /// Fills a cell.
    pub fn set(&mut self, column: Column, value: impl Into<Value>) {
        if let Some(cell) = self.cells.get_mut(column.position()) {
            *cell = Some(value.into());
        }
    }

    /// Fills a cell, if there is something to fill it with.
    pub fn set_some(&mut self, column: Column, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// What a cell holds.
    pub fn value(&self, column: Column) -> Option<&Value> {
        self.cells.get(column.position())?.as_ref()
    }

    /// What a cell holds, as text; empty: nothing.
    pub fn text(&self, column: Column) -> Cow<'_, str> {
        match self.value(column) {
            Some(Value::Text(text)) => Cow::Borrowed(text.as_ref()),
            Some(number) => Cow::Owned(number.to_string()),
            None => Cow::Borrowed(""),
        }
    }

    /// All cells that hold something.
    pub fn filled(&self) -> impl Iterator<Item = (Column, &Value)> {
        COLUMNS.into_iter().zip(&self.cells).filter_map(|(column, cell)| Some((column, cell.as_ref()?)))
    }

    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = Option<&Value>> {
        self.cells.iter().map(Option::as_ref)
    }
}
