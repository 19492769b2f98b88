//! Values that must not be seen: a type that does not print them, and hiding them in quoted source lines.

use std::fmt;

use super::keys::{self, Type};
use super::source::{SourceFile, Sources};

/// A secret. Prints as `***`; compared only for equality of configurations.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Passwords that only ever come from a manual. Compared without case, also cut to the 8 bytes VRRP sends.
pub(super) fn is_placeholder(password: &[u8]) -> bool {
    let lower = password.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|p| {
        let cut = p.get(..p.len().min(8)).unwrap_or(p);
        lower == p.as_bytes() || (p.len() > 8 && lower == cut.as_bytes())
    })
}

impl Sources {
    /// The same configuration for the worker, which needs no password of a virtual router: every secret, inline or
    /// fetched, is overwritten with asterisks. All positions stay what they were, and it loads as before.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        let hide = |f: &SourceFile| SourceFile { name: f.name.clone(), text: hide_inline(&f.text) };
        let mut blobs = self.blobs.clone();
        for name in &self.secrets {
            if let Some(bytes) = blobs.get_mut(name) {
                *bytes = MASK.to_vec();
            }
        }
        Self {
            files: self.files.iter().map(hide).collect(),
            blobs,
            secrets: self.secrets.clone(),
            cpus: self.cpus,
        }
    }
}

/// Overwrites everything that is secret in a text that people will see.
pub(super) fn hide_all(text: &str) -> String {
    hide_passwords(&hide_inline(text))
}

/// Overwrites what stands in quotes in tables of passwords: `auth = { … }`, `auth.NAME = …`, and all lines under a heading
/// that ends in `.auth]`.
fn hide_passwords(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, name) in names_of(|ty| matches!(ty, Type::Passwords)).flat_map(|name| text.match_indices(name)) {
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if text.get(..at).unwrap_or("").ends_with(is_inside) {
            continue;
        }
        let rest = text.get(at + name.len()..).unwrap_or("").trim_start_matches(['"', '\'', ' ', '\t']);
        let (from, end) = match rest.chars().next() {
            Some(']') => (rest, "\n["),
            Some('.') => (rest, "\n"),
            Some('=') => match rest.get(1..).unwrap_or("").trim_start_matches([' ', '\t']) {
                table if table.starts_with('{') => (table, "}"),
                value => (value, "\n"),
            },
            _ => continue,
        };
        mask_quoted(&mut bytes, text, text.len() - from.len(), end);
    }
    // Only whole characters are overwritten, by ASCII: the result is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Overwrites what stands in quotes from a place on, but for references, up to `end` outside of quotes.
fn mask_quoted(bytes: &mut [u8], text: &str, mut at: usize, end: &str) {
    while let Some(rest) = text.get(at..) {
        let Some(quote) = rest.find(['"', '\'']) else { return };
        if rest.get(..quote).is_some_and(|before| before.contains(end)) {
            return;
        }
        let delimiter = rest.get(quote..=quote).unwrap_or("\"");
        let fence = delimiter.repeat(3);
        let delimiter =
            if rest.get(quote..).is_some_and(|r| r.starts_with(&fence)) { &fence } else { delimiter };
        let start = at + quote + delimiter.len();
        let inside = text.get(start..).unwrap_or("");
        let length = closing(inside, delimiter).unwrap_or_else(|| inside.find('\n').unwrap_or(inside.len()));
        // A quoted name is not one of the secrets.
        let behind = inside.get(length + delimiter.len()..).unwrap_or("").trim_start_matches([' ', '\t']);
        if !is_reference(inside.get(..length).unwrap_or("")) && !behind.starts_with('=') {
            mask(bytes, start..start + length);
        }
        at = start + length + delimiter.len();
    }
}

/// Overwrites inline secrets, byte for byte, wherever the name of a secret key is followed by `=` and a quoted string.
/// Works on the text rather than on the parsed value, so that a line quoted because of a syntax error is covered too.
pub(super) fn hide_inline(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for name in names_of(|ty| matches!(ty, Type::Secret)) {
        for (at, _) in text.match_indices(name) {
            if let Some(value) = quoted_value(text, at + name.len()) {
                let inside = text.get(value.clone()).unwrap_or("");
                if !is_reference(inside) {
                    mask(&mut bytes, value);
                }
            }
        }
    }
    // Only whole characters are overwritten, by ASCII: the result is UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Whether a secret value says where the secret is instead of what it is.
pub(super) fn is_reference(value: &str) -> bool {
    ["file:", "env:", "cred:"].iter().any(|p| value.starts_with(p))
}

/// Names of the keys of a type.
fn names_of(is: fn(&Type) -> bool) -> impl Iterator<Item = &'static str> {
    keys::SECTIONS.iter().flat_map(|s| s.keys).filter(move |k| is(&k.ty)).map(|k| k.name)
}

/// The inside of the quoted string that follows `=` after byte `from`; to the end of the line if the quote is missing.
fn quoted_value(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let rest = text.get(from..)?;
    let after = rest.trim_start_matches([' ', '\t', '"', '\'']).strip_prefix('=')?;
    let value = after.trim_start_matches([' ', '\t']);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let fence = quote.to_string().repeat(3);
    let delimiter = if value.starts_with(&fence) { fence } else { quote.to_string() };
    let start = text.len() - value.len() + delimiter.len();
    let inside = text.get(start..)?;
    let end = closing(inside, &delimiter).unwrap_or_else(|| inside.find('\n').unwrap_or(inside.len()));
    Some(start..start + end)
}

/// Where the closing delimiter starts. A backslash escapes in basic strings only; a single-line string ends with its
/// line.
fn closing(inside: &str, delimiter: &str) -> Option<usize> {
    let escapes = delimiter.starts_with('"');
    let mut skip = false;
    for (i, c) in inside.char_indices() {
        if skip {
            skip = false;
        } else if escapes && c == '\\' {
            skip = true;
        } else if inside.get(i..).is_some_and(|s| s.starts_with(delimiter)) {
            return Some(i);
        } else if c == '\n' && delimiter.len() == 1 {
            return None;
        }
    }
    None
}

fn mask(bytes: &mut [u8], range: std::ops::Range<usize>) {
    for b in bytes.get_mut(range).into_iter().flatten() {
        if *b != b'\n' && *b != b'\r' {
            *b = b'*';
        }
    }
}

/// Stands for a secret where it is not needed; as long as the longest VRRP password.
const MASK: &[u8] = b"********";

const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change_me",
    "change-me",
    "password",
    "passwd",
    "secret",
    "yourpassword",
    "your_password",
    "yourpass",
    "your_pass",
    "yourpasswd",
    "yoursecret",
    "mypassword",
    "example",
    "placeholder",
    "12345678",
    "1234",
    "1111",
    "xxxx",
    "xxxxxxxx",
    "todo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_secrets_are_hidden_byte_for_byte() {
        for (text, shown) in [
            ("auth_pass = \"s3cret\" # x", "auth_pass = \"******\" # x"),
            ("{ auth_pass='a\\' }", "{ auth_pass='**' }"),
            ("auth_pass = \"a\\\"b\"", "auth_pass = \"****\""),
            ("\"auth_pass\" = \"é\"", "\"auth_pass\" = \"**\""),
            ("auth_pass = \"unclosed\nnext = 1", "auth_pass = \"********\nnext = 1"),
            ("auth_pass = \"\"\"a\nb\"\"\"", "auth_pass = \"\"\"*\n*\"\"\""),
            ("auth_pass = \"file:/etc/x\"", "auth_pass = \"file:/etc/x\""),
            ("auth_pass == 'x'", "auth_pass == 'x'"),
        ] {
            assert_eq!(hide_inline(text), shown);
        }
    }

    #[test]
    fn tables_of_passwords_are_hidden() {
        for (text, shown) in [
            (
                "auth = { a = \"one\", \"b\" = 'two}' } # \"x\"",
                "auth = { a = \"***\", \"b\" = '****' } # \"x\"",
            ),
            ("stats.auth.a = \"one\"\nrealm = \"x\"", "stats.auth.a = \"***\"\nrealm = \"x\""),
            (
                "[listen.s.stats.auth]\na = \"one\"\nb = \"file:/x\"\n[defaults]\nc = \"d\"",
                "[listen.s.stats.auth]\na = \"***\"\nb = \"file:/x\"\n[defaults]\nc = \"d\"",
            ),
            ("auth = { a = \"unclosed\nb = 1", "auth = { a = \"********\nb = 1"),
            ("auth = { a = 5, b = \"two\"", "auth = { a = 5, b = \"***\""),
            ("authority = \"x\"\nno_auth = \"y\"", "authority = \"x\"\nno_auth = \"y\""),
        ] {
            assert_eq!(hide_all(text), shown);
        }
    }

    #[test]
    fn placeholders_are_recognised_whole_and_cut() {
        for p in ["YourPassword", "YourPass", "changeme", "CHANGEME", "1234"] {
            assert!(is_placeholder(p.as_bytes()), "{p}");
        }
        for p in ["s3cr3t42", "yourpa55", "", "12345"] {
            assert!(!is_placeholder(p.as_bytes()), "{p}");
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        let s = Secret::new(b"hunter2".to_vec());
        assert_eq!(format!("{s} {s:?}"), "*** ***");
    }
}
