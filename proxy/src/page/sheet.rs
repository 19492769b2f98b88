//! What is on the page.

use std::time::Instant;

use super::StatsPage;
use super::wish::Wish;
use crate::health::ServerReport;
use crate::metrics::recent::Recent;
use crate::metrics::{Info, Row};
use crate::plan::Plan;

/// Everything the page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// What is served.
    pub plan: &'a Plan,
    /// The page.
    pub page: &'a StatsPage,
    /// What is wanted of it.
    pub wish: &'a Wish,
    /// With what operators may do.
    pub admin: bool,
    /// Name and version of the product.
    pub product: (&'a str, &'a str),
    /// What is known of the process.
    pub info: &'a Info,
    /// The rows of statistics, in their order.
    pub rows: &'a [Row],
    /// How servers are, by `ServerId`.
    pub servers: &'a [ServerReport],
    /// The last minutes.
    pub recent: &'a Recent,
    /// What others have to show.
    pub panels: &'a [Panel],
    /// When.
    pub now: Instant,
}

/// A table on the page that is not the proxy's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Panel {
    /// What it is called.
    pub title: String,
    /// Names of its columns.
    pub head: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a panel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How good that is.
    pub tone: Tone,
}

/// How good something is: HAProxy's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// It just is.
    #[default]
    Plain,
    /// As it should be.
    Up,
    /// On its way down.
    Falling,
    /// On its way up.
    Rising,
    /// It does not work.
    Down,
    /// Out of service because somebody wants it so.
    Maint,
    /// It finishes what it has.
    Drain,
    /// Nobody looks.
    Unchecked,
}

impl Tone {
    /// Of a server, frontend or backend whose status is in these words.
    pub fn of(status: &str) -> Self {
        match status.split(' ').next().unwrap_or_default() {
            "UP" if status.contains('/') && !status.contains('(') => Self::Falling,
            "UP" | "OPEN" => Self::Up,
            "DOWN" if status.contains('/') && !status.contains('(') => Self::Rising,
            "DOWN" | "STOP" => Self::Down,
            "MAINT" | "PAUSED" => Self::Maint,
            "DRAIN" | "NOLB" => Self::Drain,
            "no" => Self::Unchecked,
            _ => Self::Plain,
        }
    }

    /// The class that elements of this tone have.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Up => "up",
            Self::Falling => "falling",
            Self::Rising => "rising",
            Self::Down => "down",
            Self::Maint => "maint",
            Self::Drain => "drain",
            Self::Unchecked => "unchecked",
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: Tone::Plain }
    }
}

impl Cell {
    /// With a tone.
    pub fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_haproxys_colours() {
        for (status, class) in [
            ("UP", "up"),
            ("UP 2/3", "falling"),
            ("UP (1/3)", "up"),
            ("DOWN", "down"),
            ("DOWN 1/2", "rising"),
            ("MAINT (via b/s)", "maint"),
            ("NOLB", "drain"),
            ("no check", "unchecked"),
            ("OPEN", "up"),
        ] {
            assert_eq!(Tone::of(status).class(), class, "{status}");
        }
    }
}
