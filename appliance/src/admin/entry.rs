//! How entries of maps and lists are spoken of.

use std::fmt::Write as _;

use evenkeel_proxy::map::{EntryId, Version, VersionError};

use super::Outcome;

/// Whether a map or a list is meant: by its name, or by `#` and its position.
pub(super) fn is_named(text: &str, position: u16, name: &str) -> bool {
    let number = text.strip_prefix('#').and_then(|number| number.parse::<u16>().ok());
    number == Some(position) || name == text
}

/// An entry as it is shown: `#0x1f`.
pub(super) fn reference(text: &str) -> Option<EntryId> {
    u32::from_str_radix(text.strip_prefix("#0x")?, 16).ok().map(EntryId)
}

/// A version that goes before everything else.
pub(super) fn versioned<'a, 'w>(words: &'a [&'w str]) -> (Option<Version>, &'a [&'w str]) {
    let version = |word: &str| word.strip_prefix('@')?.parse().ok().map(Version);
    match words.split_first() {
        Some((first, rest)) if first.starts_with('@') => (Some(version(first).unwrap_or_default()), rest),
        _ => (None, words),
    }
}

/// Why nothing is done with a version.
pub(super) fn refused(error: VersionError) -> Outcome {
    match error {
        VersionError::Unknown => "Version number out of range.".into(),
        VersionError::TooMany => "Too many versions are being prepared.".into(),
    }
}

/// Puts a line at the end.
pub(super) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}
