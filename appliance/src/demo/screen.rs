//! The output: lines that stay and, on a terminal, one that is rewritten.
use std::io::{self, IsTerminal, Stdout, Write};

use super::timeline::{BOLD, RESET};

/// Standard output.
#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    color: bool,
    is_terminal: bool,
    progress_shown: bool,
}

impl Screen {
    /// Colours, if they are wanted, and progress are for a terminal only.
    pub(super) fn new(color: bool) -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        Self { out, color: color && is_terminal, is_terminal, progress_shown: false }
    }

    /// Whether lines are to be coloured.
    pub(super) fn color(&self) -> bool {
        self.color
    }

    /// Prints a line, or several.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        let erase = if self.progress_shown { ERASE } else { "" };
        self.progress_shown = false;
        writeln!(self.out, "{erase}{text}")?;
        self.out.flush()
    }

    /// Prints a heading.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        let (bold, reset) = if self.color { (BOLD, RESET) } else { ("", "") };
        self.line(&format!("\n{bold}── {text}{reset}"))
    }

    /// Shows where things stand, in place of what was shown before.
    ///
    /// # Errors
    /// When nobody reads the output any more.
    pub(super) fn progress(&mut self, text: &str) -> io::Result<()> {
        if !self.is_terminal {
            return Ok(());
        }
        self.progress_shown = true;
        write!(self.out, "{ERASE}{text}")?;
        self.out.flush()
    }
}

/// Back to the first column, and nothing to the right of it.
const ERASE: &str = "\r\u{1b}[K";
