//! Every file as TOML, as far as it is TOML.

use toml::de::{DeTable, DeValue};

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::read::{Reader, shown};
use super::source::{FileId, Lines, MAX_FILE_BYTES, Sources, Span};

/// Parses all files. Syntax errors are reported; what could be read all the same is returned.
pub(super) fn documents<'s>(cx: &mut Reader<'_>, sources: &'s Sources) -> Vec<(FileId, DeTable<'s>)> {
    let mut documents = Vec::new();
    for (i, file) in sources.files.iter().enumerate() {
        let id = FileId(u16::try_from(i).unwrap_or(u16::MAX));
        if file.text.len() as u64 > MAX_FILE_BYTES {
            cx.push(Diagnostic::nowhere(Code::Unreadable, format!("{} is too large", file.name)));
            continue;
        }
        let (table, errors) = DeTable::parse_recoverable(&file.text);
        let lines = Lines::new(&file.text);
        let mut last_line = None;
        let mut reported = 0;
        for e in errors {
            cx.broken.insert(id);
            let span = Span::new(id, e.span().unwrap_or(0..0));
            let line = lines.line(span.range().start);
            // What follows on the same line is mostly the first error again.
            if last_line.replace(line) != Some(line) && reported < MAX_SYNTAX_ERRORS {
                reported += 1;
                let word = file.text.get(span.range()).unwrap_or("");
                cx.push(diagnostic(e.message(), span, word, table.get_ref()));
            }
        }
        documents.push((id, table.into_inner()));
    }
    documents
}

fn diagnostic(message: &str, span: Span, word: &str, table: &DeTable<'_>) -> Diagnostic {
    if message != "duplicate key" {
        return Diagnostic::error(Code::Syntax, span, message);
    }
    let d = Diagnostic::error(Code::Duplicate, span, format!("{} is defined twice", shown(word)))
        .label("again here");
    let mut earlier = Vec::new();
    same_keys(word.trim_matches(['"', '\'']), span, table, &mut earlier);
    // The parser does not say where the first one is. If several keys have this name, none is better than a wrong one.
    match earlier.as_slice() {
        [first] => d.related(*first, "first here"),
        _ => d,
    }
}

/// All keys of this name before `span`, however deep.
fn same_keys(name: &str, span: Span, table: &DeTable<'_>, found: &mut Vec<Span>) {
    for (key, value) in table {
        let at = Span::new(span.file, key.span());
        if key.get_ref() == name && at < span {
            found.push(at);
        }
        below(name, span, value.get_ref(), found);
    }
}

fn below(name: &str, span: Span, value: &DeValue<'_>, found: &mut Vec<Span>) {
    if let Some(table) = value.as_table() {
        same_keys(name, span, table, found);
    }
    for element in value.as_array().into_iter().flat_map(|a| a.iter()) {
        below(name, span, element.get_ref(), found);
    }
}

/// Per file. A file with more is something else than a configuration, and the rest would say the same.
const MAX_SYNTAX_ERRORS: usize = 100;
