//! Scripts, what they may use up, and what they register.

use std::time::Duration;

use crate::rules::FunctionId;

/// A file of Lua.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// As operators name it, and as errors do.
    pub name: Box<str>,
    /// The text.
    pub text: Box<[u8]>,
}

/// What scripts may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of one interpreter, of which each data thread has one, in bytes.
    pub memory: usize,
    /// Time of one call that the processor works for it.
    pub time: Duration,
}

impl Default for Limits {
    /// A script that needs more in a request is not made for requests: 50 ms of one hold up all others of its thread, and
    /// six such are taken for a thread that hangs.
    fn default() -> Self {
        Self { memory: 16 << 20, time: Duration::from_millis(50) }
    }
}

/// What becomes of a request for which a script fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// It is answered with 500: a script may have been there to refuse it.
    #[default]
    Deny,
    /// It goes on as if the script had done nothing (as with HAProxy).
    Continue,
}

/// What a function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `core.register_action`.
    Action,
    /// `core.register_fetches`.
    Fetch,
    /// `core.register_converters`.
    Converter,
}

impl Kind {
    /// What it is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Fetch => "fetch",
            Self::Converter => "converter",
        }
    }
}

/// A function that a script has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// What it is for.
    pub kind: Kind,
    /// Its name, unique among those of its kind.
    pub name: Box<str>,
    /// How many arguments an action gets.
    pub args: u8,
    /// An action is for requests.
    pub of_requests: bool,
    /// An action is for responses.
    pub of_responses: bool,
}

/// Scripts that have been read and run once, and what they have registered. A [`FunctionId`] is a position in that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub(super) scripts: Vec<Script>,
    pub(super) functions: Vec<Function>,
    /// What they may use up.
    pub limits: Limits,
    /// What becomes of a request for which one fails.
    pub on_error: OnError,
}

impl Program {
    /// All that is registered, in the order in which that was done.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function of that kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<(FunctionId, &Function)> {
        let is_it = |f: &Function| f.kind == kind && *f.name == *name;
        let at = self.functions.iter().position(is_it)?;
        Some((FunctionId(u16::try_from(at).ok()?), self.functions.get(at)?))
    }

    /// The names of all of one kind.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.functions.iter().filter(move |f| f.kind == kind).map(|f| &*f.name)
    }

    /// The scripts themselves.
    pub fn scripts(&self) -> &[Script] {
        &self.scripts
    }
}

/// Why scripts cannot be used.
#[cfg(feature = "lua")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    /// Position of the script that is to blame, if it is one of them.
    pub script: Option<usize>,
    /// What is wrong, with file and line.
    pub message: String,
}

#[cfg(feature = "lua")]
impl Program {
    /// Runs scripts to see what they register. `clock` as for [`State`](super::State).
    ///
    /// # Errors
    /// One of them fails, takes too long or too much memory, or registers something twice.
    pub fn load(
        scripts: Vec<Script>,
        limits: Limits,
        on_error: OnError,
        clock: super::Clock,
    ) -> Result<Self, ScriptError> {
        let functions = super::state::registered(&scripts, limits, clock)?;
        Ok(Self { scripts, functions, limits, on_error })
    }
}
