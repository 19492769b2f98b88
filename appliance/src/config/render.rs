//! Diagnostics as text: for people as rustc shows them, for machines one JSON object per line.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde::Serialize;

use super::diagnostic::{Diagnostic, Severity};
use super::secret::hide_inline;
use super::source::{FileId, Sources, Span};

/// Whether escape sequences are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// Terminal colours.
    Colour,
}

impl Style {
    /// Colours on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; elsewhere only with `CLICOLOR_FORCE`.
    pub fn detect(is_terminal: bool, var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| var(name).is_some_and(|v| !v.is_empty() && v != "0");
        let dumb = var("TERM").is_some_and(|t| t == "dumb");
        let no = var("NO_COLOR").is_some_and(|v| !v.is_empty());
        if !no && (set("CLICOLOR_FORCE") || (is_terminal && !dumb)) { Self::Colour } else { Self::Plain }
    }
}

/// All diagnostics with the lines they are about, without a summary. Inline secrets show as asterisks.
pub fn render_human(diagnostics: &[Diagnostic], sources: &Sources, style: Style) -> String {
    let texts: Vec<String> = sources.files.iter().map(|f| hide_inline(&f.text)).collect();
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let mut out = String::new();
    for d in diagnostics {
        out.push_str(&renderer.render(&report(d, sources, &texts)));
        out.push_str("\n\n");
    }
    out
}

/// The last line: `error: 2 errors, 1 warning; the running configuration was not touched`. `None` if there is nothing
/// to say. `consequence` says what the errors mean to the caller.
pub fn summary(diagnostics: &[Diagnostic], consequence: &str) -> Option<String> {
    let errors = diagnostics.iter().filter(|d| d.is_error()).count();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    match (errors, diagnostics.len() - errors) {
        (0, 0) => None,
        (0, w) => Some(format!("warning: {}", count(w, "warning"))),
        (e, 0) => Some(format!("error: {}; {consequence}", count(e, "error"))),
        (e, w) => Some(format!("error: {}, {}; {consequence}", count(e, "error"), count(w, "warning"))),
    }
}

/// One JSON object per diagnostic, one per line. Lines and columns count from 1, columns in characters.
pub fn render_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = String::new();
    for d in diagnostics {
        // A record of strings and numbers always serialises; the fallback keeps the line count right.
        out.push_str(&serde_json::to_string(&json(d, sources)).unwrap_or_else(|_| "{}".to_owned()));
        out.push('\n');
    }
    out
}

#[derive(Serialize)]
struct Json<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    col: Option<usize>,
    end_line: Option<usize>,
    end_col: Option<usize>,
    help: String,
    replacement: Option<&'a str>,
}

fn json<'a>(d: &'a Diagnostic, sources: &'a Sources) -> Json<'a> {
    let start = d.span.map(|s| sources.position(s.file, s.start));
    let end = d.span.map(|s| sources.position(s.file, s.end));
    Json {
        code: d.code.as_str(),
        severity: d.severity.as_str(),
        message: &d.message,
        file: d.span.and_then(|s| sources.file(s.file)).map(|f| f.name.as_str()),
        line: start.map(|p| p.0),
        col: start.map(|p| p.1),
        end_line: end.map(|p| p.0),
        end_col: end.map(|p| p.1),
        help: d.help.join("; "),
        replacement: d.replacement.as_deref(),
    }
}

fn report<'a>(d: &'a Diagnostic, sources: &'a Sources, texts: &'a [String]) -> Vec<Group<'a>> {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(d.message.as_str()).id(d.code.as_str());
    let mut group = Group::with_title(title).elements(snippets(d, sources, texts));
    for help in &d.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let fix = suggestion(d, sources, texts);
    std::iter::once(group).chain(fix).collect()
}

/// One snippet per file, the file of the diagnostic first.
fn snippets<'a>(
    d: &'a Diagnostic,
    sources: &'a Sources,
    texts: &'a [String],
) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let Some(span) = d.span else { return Vec::new() };
    let mut files: Vec<FileId> = vec![span.file];
    for (other, _) in &d.related {
        if !files.contains(&other.file) {
            files.push(other.file);
        }
    }
    files.into_iter().filter_map(|file| snippet(file, d, sources, texts)).collect()
}

fn snippet<'a>(
    file: FileId,
    d: &'a Diagnostic,
    sources: &'a Sources,
    texts: &'a [String],
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let (name, text) = named_text(file, sources, texts)?;
    let mut snippet = Snippet::source(text).path(name);
    if let Some(span) = d.span.filter(|s| s.file == file) {
        let label = Some(d.label.as_str()).filter(|l| !l.is_empty());
        snippet = snippet.annotation(AnnotationKind::Primary.span(within(text, span)).label(label));
    }
    for (span, label) in d.related.iter().filter(|(s, _)| s.file == file) {
        snippet = snippet.annotation(AnnotationKind::Context.span(within(text, *span)).label(label.as_str()));
    }
    Some(snippet)
}

fn suggestion<'a>(d: &'a Diagnostic, sources: &'a Sources, texts: &'a [String]) -> Option<Group<'a>> {
    let (span, replacement) = (d.span?, d.replacement.as_deref()?);
    let (name, text) = named_text(span.file, sources, texts)?;
    let patch = Snippet::source(text).path(name).patch(Patch::new(within(text, span), replacement));
    Some(Level::HELP.secondary_title(format!("did you mean `{replacement}`?")).element(patch))
}

fn named_text<'a>(file: FileId, sources: &'a Sources, texts: &'a [String]) -> Option<(&'a str, &'a str)> {
    let at = usize::from(file.0);
    Some((sources.files.get(at)?.name.as_str(), texts.get(at)?.as_str()))
}

/// The span cut to the text, on character boundaries.
fn within(text: &str, span: Span) -> std::ops::Range<usize> {
    let fit = |n: u32| {
        let n = (n as usize).min(text.len());
        (0..=n).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
    };
    let (start, end) = (fit(span.start), fit(span.end));
    start..end.max(start)
}
