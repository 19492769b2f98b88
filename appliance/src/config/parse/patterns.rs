//! Files of patterns: one in each line.

use std::path::PathBuf;

use evenkeel_proxy::list::ListId;

use super::condition::listed;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::Key;
use crate::config::read::{Node, Reader, shown};
use crate::config::source::Spanned;
use crate::config::value::Bad;

/// The patterns in a file, or in several. `None`: what is wrong has been reported.
pub(super) fn from_files<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: impl Fn(&str) -> Result<T, Bad>,
) -> Option<Vec<T>> {
    let errors = cx.errors;
    let mut all = Vec::new();
    for path in paths(cx, key, node)? {
        all.extend(from_file(cx, key, &path, &parse));
    }
    (cx.errors == errors).then_some(all)
}

/// The lists that a file is, or several are. `None`: what is wrong has been reported.
pub(super) fn lists<T>(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    parse: impl Fn(&str) -> Result<T, Bad>,
) -> Option<Vec<ListId>> {
    let errors = cx.errors;
    let mut ids = Vec::new();
    for path in paths(cx, key, node)? {
        let lines = from_file(cx, key, &path, |line| parse(line).map(|_| line.into()));
        let Some(id) = cx.lists.open(&path.value, lines) else {
            let message = format!("`{}`: more files of patterns than can be counted", key.name);
            cx.push(Diagnostic::error(Code::BadValue, path.span, message));
            return None;
        };
        ids.push(id);
    }
    (cx.errors == errors).then_some(ids)
}

fn paths(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Spanned<String>>> {
    let path = |text: &str| if text.is_empty() { Err(Bad::new("is empty")) } else { Ok(text.to_owned()) };
    let span = node.span;
    let all = listed(cx, key, node, path)?;
    Some(all.into_iter().map(|path| Spanned::new(path, span)).collect())
}

fn from_file<T>(
    cx: &mut Reader<'_>,
    key: &Key,
    path: &Spanned<String>,
    parse: impl Fn(&str) -> Result<T, Bad>,
) -> Vec<T> {
    let text = match cx.externals.fetch(&External::File(PathBuf::from(&path.value)), Privacy::Public, LARGEST)
    {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not text".to_owned()),
        Err(FetchError::Unreadable(why)) => Err(why),
        // Only secrets are refused for their permissions.
        Err(FetchError::Exposed(_)) => return Vec::new(),
    };
    let text = text.unwrap_or_else(|why| {
        let message = format!("`{}`: cannot read {}: {why}", key.name, shown(&path.value));
        cx.push(Diagnostic::error(Code::Unreadable, path.span, message));
        String::new()
    });
    let mut all = Vec::new();
    let mut wrong = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse(line) {
            Ok(pattern) => all.push(pattern),
            Err(bad) => wrong.push((number, line, bad)),
        }
    }
    let more = wrong.len().saturating_sub(SHOWN);
    for (number, line, bad) in wrong.into_iter().take(SHOWN) {
        let message = format!("`{}`: line {number} of {}: {} {}", key.name, path.value, shown(line), bad.why);
        cx.push(Diagnostic::error(Code::BadValue, path.span, message).help_if(bad.help));
    }
    if more > 0 {
        let message = format!("`{}`: {more} more lines of {} are wrong", key.name, path.value);
        cx.push(Diagnostic::error(Code::BadValue, path.span, message));
    }
    all
}

/// A million networks have room in it.
const LARGEST: u64 = 32 << 20;

/// So many wrong lines of a file are told.
const SHOWN: usize = 5;
