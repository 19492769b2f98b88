//! The cookies of one `Cookie` field, or the cookie of a `Set-Cookie` field, in place.
//!
//! As lenient as HAProxy: what RFC 6265 §4.2.1 allows, and from RFC 2965 quoted values, commas between cookies and
//! `$`-attributes, because clients that send such things still exist and servers accept them.

use std::ops::Range;

/// One cookie. Offsets are into the field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Its name. May be empty.
    pub name: &'a [u8],
    /// Its value, with quotes if it has them; `None` without an equals sign.
    pub value: Option<&'a [u8]>,
    /// Where its value stands; empty behind the name without one.
    pub value_at: Range<usize>,
    /// All of it: from the delimiter before it, or the beginning, to the delimiter behind it, or the end.
    pub at: Range<usize>,
}

impl Pair<'_> {
    /// An attribute of the cookie before it (RFC 2965 §3.3.4).
    pub fn is_attribute(&self) -> bool {
        self.name.first() == Some(&b'$')
    }
}

/// Takes the value of a field apart. Every byte belongs to exactly one pair.
pub fn pairs(field: &[u8]) -> Pairs<'_> {
    Pairs { field, at: 0, first: true }
}

/// Iterator over the cookies of a field.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    field: &'a [u8],
    at: usize,
    first: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let (field, start) = (self.field, self.at);
        if start >= field.len() {
            return None;
        }
        // All but the first begin at their delimiter; the first of a field that begins with one is empty.
        let delimiter = usize::from(!std::mem::take(&mut self.first));
        let name_start = skip_blanks(field, start + delimiter);
        let stop = field.get(name_start..)?.iter().position(|b| matches!(b, b'=' | b',' | b';'));
        let stop = stop.map_or(field.len(), |n| name_start + n);
        let name_end = trim_end(field, name_start, stop);
        let name = field.get(name_start..name_end)?;
        if field.get(stop) != Some(&b'=') {
            // A field cannot end in a delimiter that begins nothing: the next turn takes it.
            self.at = stop;
            return Some(Pair { name, value: None, value_at: name_end..name_end, at: start..stop });
        }
        let value_start = skip_blanks(field, stop + 1);
        let end = value_end(field, value_start);
        let value_at = value_start..trim_end(field, value_start, end);
        self.at = end;
        Some(Pair { name, value: field.get(value_at.clone()), value_at, at: start..end })
    }
}

fn skip_blanks(field: &[u8], at: usize) -> usize {
    let rest = field.get(at..).unwrap_or_default();
    at.min(field.len()) + rest.iter().take_while(|b| is_blank(**b)).count()
}

fn trim_end(field: &[u8], start: usize, end: usize) -> usize {
    let text = field.get(start..end).unwrap_or_default();
    end - text.iter().rev().take_while(|b| is_blank(**b)).count()
}

/// RFC 2965 §3.1: a quoted string hides delimiters, and a backslash in it the quote.
fn value_end(field: &[u8], start: usize) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let rest = field.get(start..).unwrap_or_default();
    let ends = |b: &u8| {
        match (quoted, *b) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b',' | b';') => return true,
            _ => {}
        }
        false
    };
    rest.iter().position(ends).map_or(field.len(), |n| start + n)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(field: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        pairs(field.as_bytes()).map(|p| (text(p.name), p.value.map(text))).collect()
    }

    #[test]
    fn cookies_are_found_as_haproxy_finds_them() {
        for (field, expected) in [
            ("a=1", &[("a", Some("1"))][..]),
            ("a=1; b=2;c=3", &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]),
            (" a = 1 ;\tb=2 ", &[("a", Some("1")), ("b", Some("2"))]),
            ("a=1, b=2", &[("a", Some("1")), ("b", Some("2"))]),
            ("a=\"1;b=2\"; c=3", &[("a", Some("\"1;b=2\"")), ("c", Some("3"))]),
            ("a=\"1\\\";b=2\"; c=3", &[("a", Some("\"1\\\";b=2\"")), ("c", Some("3"))]),
            ("a=\"1; b=2", &[("a", Some("\"1; b=2"))]),
            ("a=1=2", &[("a", Some("1=2"))]),
            ("a=", &[("a", Some(""))]),
            ("a", &[("a", None)]),
            ("a; b=2", &[("a", None), ("b", Some("2"))]),
            ("=1", &[("", Some("1"))]),
            ("a=1;;b=2", &[("a", Some("1")), ("", None), ("b", Some("2"))]),
            ("a=1;", &[("a", Some("1")), ("", None)]),
            (";", &[("", None), ("", None)]),
            (", ;a=1", &[("", None), ("", None), ("a", Some("1"))]),
            ("$Version=1; a=1; $Path=/", &[("$Version", Some("1")), ("a", Some("1")), ("$Path", Some("/"))]),
            ("", &[]),
            (" ", &[("", None)]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect();
            assert_eq!(parsed(field), expected, "{field:?}");
        }
    }

    #[test]
    fn pairs_cover_the_field() {
        for field in ["a=1; b=2;c", ";;,a=\"", "a=1;", " = ;", "$x"] {
            let mut at = 0;
            for pair in pairs(field.as_bytes()) {
                assert_eq!(pair.at.start, at, "{field:?}");
                assert!(pair.at.contains(&pair.value_at.start) || pair.value_at.start == pair.at.end);
                at = pair.at.end;
            }
            assert_eq!(at, field.len(), "{field:?}");
        }
    }
}
