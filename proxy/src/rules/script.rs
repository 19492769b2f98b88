//! Functions of scripts, as rules name them.

use std::fmt;

/// Position of a function among those that scripts have registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u16);

/// A function with what it is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which function.
    pub function: FunctionId,
    /// Its name.
    pub name: Box<str>,
    /// What else it gets.
    pub args: Box<[Box<str>]>,
}

impl Call {
    /// Reads a name, and behind commas what the function is called with.
    ///
    /// # Errors
    /// The name, if `find` does not know the function.
    pub fn parse<'t>(text: &'t str, find: &dyn Fn(&str) -> Option<FunctionId>) -> Result<Self, &'t str> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let function = find(name).ok_or(name)?;
        Ok(Self { function, name: name.into(), args: parts.map(Into::into).collect() })
    }
}

/// What a function says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Yes or no.
    Bool(bool),
    /// A text, or a number as one.
    Text(Box<[u8]>),
}

impl Said {
    /// Whether there is something: anything but no.
    pub fn is_true(&self) -> bool {
        *self != Self::Bool(false)
    }

    /// The same as a text: yes is 1 and no is 0.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Bool(true) => b"1",
            Self::Bool(false) => b"0",
            Self::Text(text) => text,
        }
    }

    /// The same, kept.
    pub fn into_text(self) -> Box<[u8]> {
        match self {
            Self::Text(text) => text,
            Self::Bool(_) => self.text().into(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.args.iter().try_for_each(|arg| write!(f, ",{arg}"))
    }
}
