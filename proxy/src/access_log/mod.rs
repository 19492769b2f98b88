//! One record per request, on every way a request can end: what it holds, how it is written, how it is handed over.
//!
//! A data thread fills an [`AccessRecord`] from borrowed parts and gives it to its [`Logger`], which writes the line
//! straight into a bounded buffer ([`spool`]). The thread of `io::log_sink` empties the buffers and feeds the targets.
//! A data thread never waits for a log: what does not fit is dropped and counted.

mod admission;
pub mod capture;
mod clients;
mod date;
mod escape;
pub mod format;
mod httplog;
mod journal;
mod json;
mod number;
mod recent;
mod record;
pub mod spool;
mod syslog;
mod target;
#[cfg(test)]
mod tests;

pub use admission::{AdmissionRecord, admission};
pub use capture::{Capture, Captures, CookieCapture, Kept};
pub use clients::Clients;
pub(crate) use date::of_certificate;
pub use date::{Calendar, UnixMillis, UtcOffset, utc};
pub(crate) use escape::is_loggable;
pub use format::{Format, FormatError, Host};
pub use httplog::{httplog, tcplog};
pub use journal::journal_entry;
pub use json::json;
pub use recent::{Recent, RecentLine};
pub use record::{
    AccessRecord, Cause, ConnectionCounts, Cookie, CookieAction, Details, Phase, QueuePositions, RequestLine,
    ServerName, Termination, Timers,
};
pub use spool::{Fields, Logger, Manner, Spools};
pub use syslog::syslog_header;
pub use target::{Destination, Facility, Header, Level, LogTarget, Sample};
