//! Diagnostics as text: for people as rustc shows them, for machines one JSON object per line.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use serde::Serialize;

use super::diagnostic::{Diagnostic, Severity};
use super::secret::hide_all;
use super::source::{FileId, Lines, Sources, Span};

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
    let shown: Vec<String> = sources.files.iter().map(|f| hide_all(&f.text)).collect();
    let name_and_text = sources.files.iter().zip(&shown);
    let files: Vec<File<'_>> =
        name_and_text.map(|(f, text)| File { name: &f.name, text, lines: Lines::new(text) }).collect();
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Colour => Renderer::styled(),
    };
    let mut out = String::new();
    for d in diagnostics {
        out.push_str(&renderer.render(&report(d, &files)));
        out.push_str("\n\n");
    }
    out
}

/// A file as it is shown.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    lines: Lines<'a>,
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
    let lines: Vec<(&str, Lines<'_>)> =
        sources.files.iter().map(|f| (f.name.as_str(), Lines::new(&f.text))).collect();
    let mut out = String::new();
    for d in diagnostics {
        // A record of strings and numbers always serialises; the fallback keeps the line count right.
        out.push_str(&serde_json::to_string(&json(d, &lines)).unwrap_or_else(|_| "{}".to_owned()));
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

fn json<'a>(d: &'a Diagnostic, files: &[(&'a str, Lines<'_>)]) -> Json<'a> {
    let place = d.span.and_then(|s| Some((s, files.get(usize::from(s.file.0))?)));
    let start = place.map(|(s, (_, lines))| lines.position(s.start as usize));
    let end = place.map(|(s, (_, lines))| lines.position(s.end as usize));
    Json {
        code: d.code.as_str(),
        severity: d.severity.as_str(),
        message: &d.message,
        file: place.map(|(_, (name, _))| *name),
        line: start.map(|p| p.0),
        col: start.map(|p| p.1),
        end_line: end.map(|p| p.0),
        end_col: end.map(|p| p.1),
        help: d.help.join("; "),
        replacement: d.replacement.as_deref(),
    }
}

fn report<'a>(d: &'a Diagnostic, files: &'a [File<'a>]) -> Vec<Group<'a>> {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(d.message.as_str()).id(d.code.as_str());
    let mut group = Group::with_title(title).elements(snippets(d, files));
    for help in &d.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    std::iter::once(group).chain(suggestion(d, files)).collect()
}

/// One snippet per file, the file of the diagnostic first.
fn snippets<'a>(d: &'a Diagnostic, files: &'a [File<'a>]) -> Vec<Snippet<'a, Annotation<'a>>> {
    let primary = d.span.map(|s| (s, AnnotationKind::Primary, d.label.as_str()));
    let related = d.related.iter().map(|(s, label)| (*s, AnnotationKind::Context, label.as_str()));
    let marks: Vec<(Span, AnnotationKind, &str)> = primary.into_iter().chain(related).collect();
    let mut order: Vec<FileId> = Vec::new();
    for (span, ..) in &marks {
        if !order.contains(&span.file) {
            order.push(span.file);
        }
    }
    order.into_iter().filter_map(|id| snippet(id, &marks, files)).collect()
}

/// The lines from the first mark to the last, so that a large file costs nothing.
fn snippet<'a>(
    id: FileId,
    marks: &[(Span, AnnotationKind, &'a str)],
    files: &'a [File<'a>],
) -> Option<Snippet<'a, Annotation<'a>>> {
    let file = files.get(usize::from(id.0))?;
    let here = || marks.iter().filter(|(s, ..)| s.file == id);
    let first = here().map(|(s, ..)| s.start).min()? as usize;
    let last = here().map(|(s, ..)| s.end).max()? as usize;
    let line = file.lines.line(first);
    let text = file.lines.around(first, last);
    let marks = here().map(|(span, kind, label)| {
        let label = Some(*label).filter(|l| !l.is_empty());
        kind.span(within(file.text, *span, file.lines.start(line))).label(label)
    });
    Some(Snippet::source(text).path(file.name).line_start(line).annotations(marks))
}

fn suggestion<'a>(d: &'a Diagnostic, files: &'a [File<'a>]) -> Option<Group<'a>> {
    let (span, replacement) = (d.span?, d.replacement.as_deref()?);
    let file = files.get(usize::from(span.file.0))?;
    let line = file.lines.line(span.start as usize);
    let text = file.lines.around(span.start as usize, span.end as usize);
    let patch = Patch::new(within(file.text, span, file.lines.start(line)), replacement);
    let snippet = Snippet::source(text).path(file.name).line_start(line).patch(patch);
    Some(Level::HELP.secondary_title(format!("did you mean `{replacement}`?")).element(snippet))
}

/// The span cut to the text on character boundaries, counted from `base`.
fn within(text: &str, span: Span, base: usize) -> std::ops::Range<usize> {
    let fit = |n: u32| {
        let n = (n as usize).min(text.len());
        (0..=n).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
    };
    let (start, end) = (fit(span.start), fit(span.end));
    start.saturating_sub(base)..end.max(start).saturating_sub(base)
}
