//! Logs of the control plane. Written by a thread of their own: a stalled journal, pipe or disk stalls nothing else.

mod recent;
mod writer;

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

pub use recent::said_since;
pub use writer::LogThread;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// For people, with time stamps.
    Text,
    /// For the journal, which stamps lines itself.
    Plain,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error. Keep the result until the end: dropping it flushes what is queued.
///
/// `EVENKEEL_LOG` (or `RUST_LOG`) filters, `EVENKEEL_LOG_FORMAT=json` switches to JSON lines; under systemd's journal
/// the time stamp is left out.
///
/// # Errors
/// If the thread cannot be created, or logging has been started before.
pub fn start() -> std::io::Result<LogThread> {
    let thread = LogThread::start()?;
    let filter = ["EVENKEEL_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| EnvFilter::try_from_env(name).ok())
        .unwrap_or_else(|| EnvFilter::new("info"));
    let written = fmt::layer().with_writer(thread.writer()).with_target(false).with_ansi(colour());
    let written = match format() {
        Format::Text => written.boxed(),
        Format::Plain => written.without_time().boxed(),
        Format::Json => written.json().flatten_event(false).with_current_span(false).boxed(),
    };
    let kept = fmt::layer().with_writer(recent::Keep).with_target(false).with_ansi(false).without_time();
    registry().with(filter).with(written).with(kept).try_init().map_err(std::io::Error::other)?;
    Ok(thread)
}

fn format() -> Format {
    if std::env::var_os("EVENKEEL_LOG_FORMAT").is_some_and(|v| v == "json") {
        Format::Json
    } else if std::env::var_os("JOURNAL_STREAM").is_some() {
        Format::Plain
    } else {
        Format::Text
    }
}

/// Colour only for a person: a terminal, unless `NO_COLOR` says no or `CLICOLOR_FORCE` says yes.
pub fn colour() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
    if set("NO_COLOR") {
        return false;
    }
    set("CLICOLOR_FORCE")
        || (std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb"))
}
