//! `evenkeel fmt`: a TOML file in one form. Its tokens are written again, all of them and in their order, with other
//! blanks between them: nothing is sorted, no value is spelled anew, and every comment stays where it is.
//!
//! One blank around `=` and behind commas, two before a comment, comments of neighbouring lines one below the other; an
//! array that has several lines has one for each element; one blank line before each table, at most one elsewhere.

use toml_parser::parser::{Event, EventKind};

/// The file in its form; `None` if it is not TOML.
pub fn format(text: &str) -> Option<String> {
    let formatted = written(&events(text)?, text);
    // What is written must say the same, whatever this has got wrong.
    (super::Tree::of_text(text) == super::Tree::of_text(&formatted)).then_some(formatted)
}

/// All tokens but blanks.
fn events(text: &str) -> Option<Vec<Event>> {
    toml::de::DeTable::parse(text).ok()?;
    let source = toml_parser::Source::new(text);
    let mut events: Vec<Event> = Vec::new();
    let mut error = None;
    toml_parser::parser::parse_document(&source.lex().into_vec(), &mut events, &mut error);
    events.retain(|event| event.kind() != EventKind::Whitespace);
    error.is_none().then_some(events)
}

fn written(events: &[Event], text: &str) -> String {
    let mut writer = Writer { multi: of_several_lines(events), ..Writer::default() };
    for (at, event) in events.iter().enumerate() {
        let next = events.get(at + 1).map(Event::kind);
        let raw = text.get(event.span().start()..event.span().end()).unwrap_or("");
        writer.take(at, event.kind(), next, raw);
    }
    writer.flush(None);
    let lines = spaced(writer.lines);
    let columns = columns(&lines);
    lines.into_iter().zip(columns).map(|(line, column)| line.show(column)).collect()
}

/// For each token whether it opens an array or a table that has line ends of its own.
fn of_several_lines(events: &[Event]) -> Vec<bool> {
    let mut multi = vec![false; events.len()];
    let mut open = Vec::new();
    for (at, kind) in events.iter().map(Event::kind).enumerate() {
        if matches!(kind, EventKind::ArrayOpen | EventKind::InlineTableOpen) {
            open.push(at);
        } else if matches!(kind, EventKind::ArrayClose | EventKind::InlineTableClose) {
            open.pop();
        } else if kind == EventKind::Newline
            && let Some(multi) = open.last().and_then(|at| multi.get_mut(*at))
        {
            *multi = true;
        }
    }
    multi
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Comment,
    Header,
    Text,
}

#[derive(Debug)]
struct Line {
    kind: Kind,
    text: String,
    comment: Option<String>,
}

impl Line {
    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// With its comment, in this column.
    fn show(self, column: usize) -> String {
        match &self.comment {
            Some(comment) => {
                let blanks = column.saturating_sub(self.width()).max(2);
                format!("{}{}{comment}\n", self.text, " ".repeat(blanks))
            }
            None => format!("{}\n", self.text),
        }
    }
}

#[derive(Debug, Default)]
struct Writer {
    multi: Vec<bool>,
    lines: Vec<Line>,
    /// Arrays and tables that are open, and whether each has a line for each element.
    open: Vec<bool>,
    text: String,
    is_header: bool,
    /// What comes next begins another line.
    ended: bool,
    /// There has been a line end since what is there.
    fresh: bool,
}

impl Writer {
    fn take(&mut self, at: usize, kind: EventKind, next: Option<EventKind>, raw: &str) {
        match kind {
            EventKind::Newline => self.newline(),
            EventKind::Comment => self.comment(raw.trim_end()),
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                self.put(raw);
                self.is_header = true;
            }
            EventKind::SimpleKey
            | EventKind::KeySep
            | EventKind::StdTableClose
            | EventKind::ArrayTableClose => self.put(raw),
            EventKind::KeyValSep => self.put(" = "),
            EventKind::Scalar => {
                self.put(raw);
                self.end_of_value();
            }
            EventKind::ArrayOpen | EventKind::InlineTableOpen => {
                let multi = self.multi.get(at).copied().unwrap_or(false);
                let is_table = kind == EventKind::InlineTableOpen;
                let is_empty = next == Some(EventKind::InlineTableClose);
                self.put(if is_table && !multi && !is_empty { "{ " } else { raw });
                self.open.push(multi);
                self.ended = multi;
            }
            EventKind::ArrayClose | EventKind::InlineTableClose => self.close(kind, raw),
            // In several lines each element has its comma already; behind the last one of a line there is none.
            EventKind::ValueSep => {
                let is_last = matches!(next, Some(EventKind::ArrayClose | EventKind::InlineTableClose));
                if self.open.last() == Some(&false) && !is_last {
                    self.put(", ");
                }
            }
            EventKind::Whitespace | EventKind::Error => {}
        }
    }

    fn close(&mut self, kind: EventKind, raw: &str) {
        if self.open.pop() == Some(true) {
            self.flush(None);
            while self.lines.last().is_some_and(|line| line.kind == Kind::Blank) {
                self.lines.pop();
            }
            self.put(raw);
        } else if kind == EventKind::InlineTableClose && !self.text.ends_with('{') {
            self.put(" }");
        } else {
            self.put(raw);
        }
        self.end_of_value();
    }

    fn end_of_value(&mut self) {
        if self.open.last() == Some(&true) {
            self.text.push(',');
            self.ended = true;
        }
    }

    fn put(&mut self, text: &str) {
        if self.ended {
            self.flush(None);
        }
        if self.text.is_empty() {
            self.text = self.indent();
        }
        self.text.push_str(text);
        self.fresh = false;
    }

    fn newline(&mut self) {
        if self.fresh || (self.lines.is_empty() && self.text.is_empty()) {
            self.flush(None);
            let after = self.lines.last();
            // Nothing is set off from the beginning of the file or of an array.
            if after.is_some_and(|line| line.kind != Kind::Blank && !line.text.ends_with(['[', '{'])) {
                self.lines.push(Line { kind: Kind::Blank, text: String::new(), comment: None });
            }
        }
        self.fresh = true;
        self.ended = true;
    }

    fn comment(&mut self, comment: &str) {
        if !self.text.is_empty() && !self.fresh {
            self.flush(Some(comment.to_owned()));
        } else {
            self.flush(None);
            let text = format!("{}{comment}", self.indent());
            self.lines.push(Line { kind: Kind::Comment, text, comment: None });
        }
        self.fresh = false;
    }

    fn flush(&mut self, comment: Option<String>) {
        let kind = if std::mem::take(&mut self.is_header) { Kind::Header } else { Kind::Text };
        if !self.text.is_empty() {
            self.lines.push(Line { kind, text: std::mem::take(&mut self.text), comment });
        }
        self.ended = false;
    }

    fn indent(&self) -> String {
        "  ".repeat(self.open.iter().filter(|multi| **multi).count())
    }
}

/// With a blank line before each table and the comments that belong to it, and none behind its header.
fn spaced(lines: Vec<Line>) -> Vec<Line> {
    let mut out: Vec<Line> = Vec::with_capacity(lines.len());
    for line in lines {
        let after_header = out.last().is_some_and(|line| line.kind == Kind::Header);
        if line.kind == Kind::Header {
            let comments = out.iter().rev().take_while(|line| line.kind == Kind::Comment).count();
            let at = out.len() - comments;
            if at > 0 && out.get(at - 1).is_some_and(|line| line.kind != Kind::Blank) {
                out.insert(at, Line { kind: Kind::Blank, text: String::new(), comment: None });
            }
        }
        if !(line.kind == Kind::Blank && after_header) {
            out.push(line);
        }
    }
    while out.last().is_some_and(|line| line.kind == Kind::Blank) {
        out.pop();
    }
    out
}

/// Where the comment of each line is: the same for neighbours, unless a line is long.
fn columns(lines: &[Line]) -> Vec<usize> {
    let mut columns = Vec::with_capacity(lines.len());
    for run in lines.chunk_by(|a, b| a.comment.is_some() && b.comment.is_some()) {
        let widths = run.iter().map(Line::width).filter(|width| *width <= LONG);
        let column = widths.max().unwrap_or(0) + 2;
        columns.extend(run.iter().map(|_| column));
    }
    columns
}

/// Lines that are longer do not move the comments of their neighbours.
const LONG: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(format(text).as_deref(), Some(expected), "{text}");
        assert_eq!(format(expected).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn blanks_are_put_in_order_and_nothing_else() {
        check("", "");
        check("\n\n a=1\n\n\n  b  = 'x'   \n\n", "a = 1\n\nb = 'x'\n");
        check("a.\"b c\" . d=[1,2 ,3,]\n", "a.\"b c\".d = [1, 2, 3]\n");
        check("a={}\nb=[]\nc={x=1,y={z=[ ]}}\n", "a = {}\nb = []\nc = { x = 1, y = { z = [] } }\n");
        check("[a]\n\nx=1\n[[b . c]]\ny=2\n[d]", "[a]\nx = 1\n\n[[b.c]]\ny = 2\n\n[d]\n");
        check(
            "a = \"\"\"x\n  # no comment\n\"\"\"\r\nb=1\r\n",
            "a = \"\"\"x\n  # no comment\n\"\"\"\nb = 1\n",
        );
    }

    #[test]
    fn arrays_of_several_lines_have_one_for_each_element() {
        check("a=[1,\n2]\n", "a = [\n  1,\n  2,\n]\n");
        check("a=[\n\n { x=1},{y=2 }\n\n\n , 3\n\n]", "a = [\n  { x = 1 },\n  { y = 2 },\n\n  3,\n]\n");
        check("a = [{ b = [\n1 ] }]\n", "a = [{ b = [\n  1,\n] }]\n");
        check("a = [ [\n1,2],\n]\n", "a = [\n  [\n    1,\n    2,\n  ],\n]\n");
        check("a={\nb=1,\nc=2\n}\n", "a = {\n  b = 1,\n  c = 2,\n}\n");
    }

    #[test]
    fn comments_stay_where_they_are() {
        check(
            "#a\n\n\n#b\n[t] # c\nx=1# d\nlong=2 #e\n# f\n",
            "#a\n\n#b\n[t]       # c\nx = 1     # d\nlong = 2  #e\n# f\n",
        );
        check("x=1\n# of a\n[a]\n# in a\ny=2\n", "x = 1\n\n# of a\n[a]\n# in a\ny = 2\n");
        check(
            "a=[ # here\n1,# one\n  # own\n2 # two\n, 3\n# end\n] # there\n",
            "a = [  # here\n  1,   # one\n  # own\n  2,  # two\n  3,\n  # end\n]  # there\n",
        );
    }

    #[test]
    fn what_is_no_toml_stays_what_it_is() {
        for text in ["a = ", "[a", "a = 1\na = 2\n", "a = [1\n"] {
            assert_eq!(format(text), None, "{text}");
        }
    }

    /// Comments, and all that is no blank and no comma.
    fn substance(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect()
    }

    fn value() -> impl Strategy<Value = String> {
        let scalar = prop::sample::select(vec!["1", "\"a # b\"", "'c'", "true", "1.5", "\"\"\"\n x\"\"\""]);
        scalar.prop_map(str::to_owned).prop_recursive(3, 12, 4, |inner| {
            let gap = prop::sample::select(vec!["", " ", "\n", " # c\n", "\n\n# d\n "]);
            let blank = prop::sample::select(vec!["", " ", "  "]);
            prop_oneof![
                prop::collection::vec((gap.clone(), inner.clone(), gap), 0..4).prop_map(|all| {
                    let all: Vec<String> = all.into_iter().map(|(a, v, b)| format!("{a}{v}{b}")).collect();
                    format!("[{}]", all.join(","))
                }),
                prop::collection::vec((blank.clone(), inner, blank), 0..3).prop_map(|all| {
                    let all = all.into_iter().enumerate();
                    let all: Vec<String> = all.map(|(i, (a, v, b))| format!("{a}k{i}={b}{v}{a}")).collect();
                    format!("{{{}}}", all.join(","))
                }),
            ]
        })
    }

    fn file() -> impl Strategy<Value = String> {
        let around = prop::sample::select(vec!["", "\n", "# e\n", "\n\n\n", "\n# f\n\n", "  "]);
        let comment = prop::sample::select(vec!["", " # g", "#h"]);
        prop::collection::vec((around, any::<bool>(), value(), comment), 0..6).prop_map(|all| {
            let mut text = String::new();
            for (i, (around, heads, value, comment)) in all.into_iter().enumerate() {
                let header = if heads { format!("[t{i}]{comment}\n") } else { String::new() };
                text.push_str(&format!("{around}{header}{around}v{i} ={value}{comment}\n"));
            }
            text
        })
    }

    proptest! {
        #[test]
        fn whatever_stands_there_means_the_same_and_keeps_its_form(text in file()) {
            let once = format(&text);
            prop_assert!(once.is_some(), "{}", text);
            let once = once.unwrap_or_default();
            prop_assert_eq!(format(&once), Some(once.clone()));
            prop_assert_eq!(substance(&text), substance(&once));
        }
    }
}
