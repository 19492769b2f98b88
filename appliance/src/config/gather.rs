//! Reading the main file and those it includes.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::environment::Files;
use super::source::{FileId, MAX_FILE_BYTES, SourceFile, Sources, Span};

/// Reads the main file and every file it includes, in the order of their names.
pub(super) fn gather(path: &Path, files: &dyn Files) -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let mut diagnostics = Vec::new();
    match text(path, files) {
        Ok(text) => sources.files.push(SourceFile { name: path.display().to_string(), text }),
        Err(why) => {
            let message = format!("cannot read {}: {why}", path.display());
            return (sources, vec![Diagnostic::nowhere(Code::Unreadable, message)]);
        }
    }
    for include in includes(&sources) {
        let base = sources.base();
        for found in matches(&base, &include, files, &mut diagnostics) {
            if sources.files.iter().any(|f| f.name == found.display().to_string()) {
                continue;
            }
            if sources.files.len() > MAX_FILES {
                diagnostics.push(Diagnostic::error(
                    Code::Include,
                    include.at,
                    format!("more than {MAX_FILES} files"),
                ));
                return (sources, diagnostics);
            }
            match text(&found, files) {
                Ok(text) => sources.files.push(SourceFile { name: found.display().to_string(), text }),
                Err(why) => {
                    let message = format!("cannot read {}: {why}", found.display());
                    diagnostics.push(Diagnostic::error(Code::Include, include.at, message));
                }
            }
        }
    }
    (sources, diagnostics)
}

/// Checks `include` itself: strings in the main file, nothing elsewhere.
pub(super) fn check_includes(documents: &[(FileId, DeTable<'_>)]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (file, table) in documents {
        let Some((key, value)) = table.get_key_value("include") else { continue };
        let key = Span::new(*file, key.span());
        if *file != FileId(0) {
            let message = "only the main file includes others";
            diagnostics.push(Diagnostic::error(Code::Include, key, message));
            continue;
        }
        let strings = |v: &DeValue<'_>| {
            v.is_str() || v.as_array().is_some_and(|a| a.iter().all(|e| e.get_ref().is_str()))
        };
        if !strings(value.get_ref()) {
            let at = Span::new(*file, value.span());
            let message = "`include` must be a path or an array of paths";
            diagnostics
                .push(Diagnostic::error(Code::WrongType, at, message).help("include = [\"conf.d/*.toml\"]"));
        }
    }
    diagnostics
}

struct Include {
    pattern: String,
    at: Span,
}

fn includes(sources: &Sources) -> Vec<Include> {
    let main = sources.files.first().map_or("", |f| f.text.as_str());
    let (table, _) = DeTable::parse_recoverable(main);
    let Some(value) = table.get_ref().get("include") else { return Vec::new() };
    let include = |v: &toml::Spanned<DeValue<'_>>| {
        let at = Span::new(FileId(0), v.span());
        Some(Include { pattern: v.get_ref().as_str()?.to_owned(), at })
    };
    match value.get_ref().as_array() {
        Some(array) => array.iter().filter_map(include).collect(),
        None => include(value).into_iter().collect(),
    }
}

/// The files of one pattern. Only the last part of the path may have `*`.
fn matches(
    base: &Path,
    include: &Include,
    files: &dyn Files,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<PathBuf> {
    let path = base.join(&include.pattern);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    if dir.to_string_lossy().contains('*') {
        let message = "only the last part of an `include` may have `*`";
        diagnostics.push(Diagnostic::error(Code::Include, include.at, message));
        return Vec::new();
    }
    if !name.contains('*') {
        return vec![path];
    }
    let listed = if dir.as_os_str().is_empty() { files.list(Path::new(".")) } else { files.list(&dir) };
    match listed {
        Ok(mut names) => {
            // A hidden file is an editor's leftover more often than a configuration.
            names.retain(|n| !n.starts_with('.') && glob(&name, n));
            names.sort();
            names.into_iter().map(|n| dir.join(n)).collect()
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(e) => {
            let message = format!("cannot list {}: {e}", dir.display());
            diagnostics.push(Diagnostic::error(Code::Include, include.at, message));
            Vec::new()
        }
    }
}

/// Whether `name` is `pattern` with something for each `*`.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or(""),
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn text(path: &Path, files: &dyn Files) -> Result<String, String> {
    let content = files.read(path, MAX_FILE_BYTES).map_err(|e| e.to_string())?;
    String::from_utf8(content.bytes)
        .map_err(|e| format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
}

/// Included files; a pattern that finds more has the wrong directory.
const MAX_FILES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name) in
            [("*.toml", "a.toml"), ("*", "x"), ("1*-*.toml", "10-web.toml"), ("a*a", "aa"), ("x", "x")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.toml", "a.toml~"), ("a*a", "a"), ("1*-*.toml", "2-a.toml"), ("x", "xy"), ("*a*b", "b")]
        {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }
}
