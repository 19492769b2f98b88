//! Changes of a request line: the method, and what is asked for.

use super::edits::Seen;
use super::replacement::Replacement;
use super::template::Template;
use crate::h1::target::split_query;

/// A change of the request line. A request for no path (`OPTIONS *`) stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEdit {
    /// Another method (`set-method`). A response to HEAD has no content, so nothing becomes HEAD, and HEAD nothing else.
    Method(Box<str>),
    /// Another path and the same query (`set-path`).
    Path(Template),
    /// Another query and the same path (`set-query`); an empty one is none.
    Query(Template),
    /// Another path and query (`set-pathq`).
    PathQuery(Template),
    /// Another path, if the expression finds something in it (`replace-path`).
    ReplacePath(Replacement),
    /// Another path and query, if the expression finds something in them (`replace-pathq`).
    ReplacePathQuery(Replacement),
}

impl LineEdit {
    /// The text that is filled in, if there is one.
    pub fn text(&self) -> Option<&Template> {
        match self {
            Self::Method(_) => None,
            Self::Path(text) | Self::Query(text) | Self::PathQuery(text) => Some(text),
            Self::ReplacePath(by) | Self::ReplacePathQuery(by) => Some(by.text()),
        }
    }

    /// The path and query that a request for `target` asks for then; `None`: what it asks for stays.
    pub fn target(&self, target: &[u8], message: &impl Seen) -> Option<Vec<u8>> {
        let filled = |text: &Template| {
            let mut out = Vec::new();
            message.fill(text, &mut out, &|_| &[]);
            out
        };
        let (path, query) = split_query(target);
        match self {
            Self::Method(_) => None,
            Self::Path(text) => Some(with_path(target, &filled(text))),
            Self::Query(text) => Some(with_query(target, &filled(text))),
            Self::PathQuery(text) => Some(spelled(&filled(text))),
            Self::ReplacePath(by) => Some(joined(&by.of(path, message)?, query)),
            Self::ReplacePathQuery(by) => Some(spelled(&by.of(target, message)?)),
        }
    }
}

/// The target with another path.
pub(crate) fn with_path(target: &[u8], path: &[u8]) -> Vec<u8> {
    joined(path, split_query(target).1)
}

/// The target with another query; an empty one is none.
pub(crate) fn with_query(target: &[u8], query: &[u8]) -> Vec<u8> {
    joined(split_query(target).0, Some(query))
}

/// A target as it can be sent.
pub(crate) fn spelled(target: &[u8]) -> Vec<u8> {
    let (path, query) = split_query(target);
    joined(path, query)
}

/// A request target of what may have come from anywhere in a request: nothing in it can end the line or be taken for
/// another part of it.
fn joined(path: &[u8], query: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len() + query.map_or(0, |q| q.len() + 1) + 1);
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    push(&mut out, path, b"#?");
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        out.push(b'?');
        push(&mut out, query, b"#");
    }
    out
}

fn push(out: &mut Vec<u8>, text: &[u8], others: &[u8]) {
    for byte in text {
        if byte.is_ascii_graphic() && !others.contains(byte) {
            out.push(*byte);
        } else {
            let digits = b"0123456789ABCDEF";
            out.extend([b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::edits::fixture::Fixed;

    fn text(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    #[test]
    fn lines_are_changed() {
        let replace = |e: &str, with: &str| Replacement::new(e, false, with).unwrap();
        for (edit, target, changed) in [
            (LineEdit::Method("PUT".into()), "/a", None),
            (LineEdit::Path(text("/new")), "/a/b?c=d", Some("/new?c=d")),
            (LineEdit::Path(text("new")), "/a", Some("/new")),
            (LineEdit::Path(text("/n?x#y z\r\n")), "/a?q", Some("/n%3Fx%23y%20z%0D%0A?q")),
            (LineEdit::Query(text("x=1&y=2")), "/a?c", Some("/a?x=1&y=2")),
            (LineEdit::Query(text("x")), "/a", Some("/a?x")),
            (LineEdit::Query(text("")), "/a?c", Some("/a")),
            (LineEdit::PathQuery(text("/b?d?e")), "/a?c", Some("/b?d?e")),
            (LineEdit::PathQuery(text("?d")), "/a?c", Some("/?d")),
            (LineEdit::ReplacePath(replace("^/api/(.*)$", r"/\1/v2")), "/api/x?y=1", Some("/x/v2?y=1")),
            (LineEdit::ReplacePath(replace("^/api/(.*)$", r"/\1")), "/ap/x", None),
            (LineEdit::ReplacePath(replace("b", "/all")), "/a/b/c", Some("/all")),
            (LineEdit::ReplacePathQuery(replace(r"^([^?]*)\?id=(\d+)$", r"\1/\2")), "/a?id=7", Some("/a/7")),
        ] {
            let found = edit.target(target.as_bytes(), &Fixed);
            assert_eq!(found.as_deref(), changed.map(str::as_bytes), "{edit:?} of {target}");
        }
    }
}
