//! What is kept, shown and left out in the records of a frontend.

use std::sync::Arc;

use super::LogFormat;
use crate::access_log::{Captures, Fields, Format};

/// What is said of the records of a frontend, beside their format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// What is kept of requests and responses.
    pub captures: Captures,
    /// How requests are given identifiers. `None`: they are not.
    pub unique_id: Option<UniqueId>,
    /// Only what has not gone as it should is logged (HAProxy: `option dontlog-normal`).
    pub dontlog_normal: bool,
    /// That is more urgent than the rest (`option log-separate-errors`).
    pub separate_errors: bool,
    /// What goes with a line.
    pub fields: Fields,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            captures: Captures::default(),
            unique_id: None,
            dontlog_normal: false,
            separate_errors: false,
            fields: Fields::None,
        }
    }
}

impl Records {
    /// Keeps what lines in `format`, and identifiers, ask for by name; these get to know where it is.
    pub fn ask(&mut self, format: &mut LogFormat) {
        if let Some(id) = &self.unique_id {
            id.format.ask(&mut self.captures);
        }
        if let LogFormat::Custom(format) = format {
            format.ask(&mut self.captures);
            Arc::make_mut(format).handle_captures(&self.captures);
        }
        if let Some(id) = &mut self.unique_id {
            id.format.handle_captures(&self.captures);
        }
    }

    /// Whether lines in `format` show what is noted for them only.
    pub fn is_needed_for(&self, format: &LogFormat) -> bool {
        matches!(format, LogFormat::Custom(format) if format.looks_at_server() || format.counts_requests())
    }
}

/// An identifier of each request (HAProxy: `unique-id-format`, `unique-id-header`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueId {
    /// What it looks like. It shows nothing that is not known when a request begins.
    pub format: Format,
    /// The field that tells the server. `None`: it is not told.
    pub tells: Option<Box<str>>,
}
