//! A readable account of a schedule, kept only when somebody wants to read it.

use super::clock::Nanos;

/// Lines in the order of true time.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<Vec<String>>);

impl Trace {
    pub(crate) const fn kept() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn add(&mut self, at: Nanos, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(format!("{:>13.6} ms  {}", at as f64 / 1e6, line()));
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}
