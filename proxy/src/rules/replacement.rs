//! Values in which an expression finds something, written anew.

use std::fmt;

use regex::bytes::Regex;

use super::edits::Seen;
use super::template::{Fetches, Template, TemplateError};
use super::texts::{self, PatternError};

/// A regular expression, and what becomes of a value in which it finds something: all of the value, as HAProxy's
/// `replace-header` does it. The text has `\1` for the expression's first group and so on, and `\0` for all it has found.
#[derive(Debug, Clone)]
pub struct Replacement {
    regex: Regex,
    with: Template,
}

/// Why it is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplacementError {
    /// The expression is not one.
    #[error("is no regular expression: {0}")]
    Expression(PatternError),
    /// The text is not one.
    #[error("{0}")]
    Text(TemplateError),
}

impl Replacement {
    /// Makes it ready.
    ///
    /// # Errors
    /// The expression or the text is not one, or the text has a group that the expression has not.
    pub fn new(expression: &str, nocase: bool, with: &str) -> Result<Self, ReplacementError> {
        Self::new_with(expression, nocase, with, &|_| None)
    }

    /// The same with fetches of scripts.
    ///
    /// # Errors
    /// The same.
    pub fn new_with(
        expression: &str,
        nocase: bool,
        with: &str,
        fetches: Fetches<'_>,
    ) -> Result<Self, ReplacementError> {
        let regex = texts::expression(expression, nocase).map_err(ReplacementError::Expression)?;
        let groups = u8::try_from(regex.captures_len() - 1).unwrap_or(u8::MAX);
        let with = Template::parse_replacement(with, groups, fetches).map_err(ReplacementError::Text)?;
        Ok(Self { regex, with })
    }

    /// The text.
    pub fn text(&self) -> &Template {
        &self.with
    }

    /// What becomes of a value; `None`: nothing is found, and it stays.
    pub fn of(&self, value: &[u8], message: &impl Seen) -> Option<Vec<u8>> {
        let found = self.regex.captures(value)?;
        let mut out = Vec::new();
        let group = |n: u8| found.get(usize::from(n)).map(|m| m.as_bytes()).unwrap_or_default();
        message.fill(&self.with, &mut out, &group);
        Some(out)
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.regex, self.with)
    }
}

impl PartialEq for Replacement {
    fn eq(&self, other: &Self) -> bool {
        (self.regex.as_str(), &self.with) == (other.regex.as_str(), &other.with)
    }
}

impl Eq for Replacement {}
