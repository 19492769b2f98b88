//! A [`Tree`] as a TOML file: sections in the order in which they stand, one key in each line, and behind it where
//! its value comes from, if that is asked for.

use std::fmt::Write as _;

use super::effective::FILLED;
use super::keys::{self, Key, Section, Type};
use super::source::{Lines, Sources, Span};
use super::tree::{Entry, Origin, Tree, Value, bare, external};

impl Tree {
    /// The file. With `origins` each value has a comment that says where in these sources, or from where else, it is.
    pub fn to_toml(&self, origins: Option<&Sources>) -> String {
        let files = origins.map_or(&[][..], |sources| &sources.files);
        let places = files.iter().map(|file| (file.name.as_str(), Lines::new(&file.text))).collect();
        let mut writer = Writer { out: String::new(), origins: origins.is_some(), places };
        let mut sections = Vec::new();
        for (name, entry) in &self.entries {
            match (keys::TOP.key(name).map(|key| key.ty), entry.table()) {
                (Some(Type::Named(section)), Some(named)) if section.path != keys::MATCHER.path => {
                    let path = |own: &str| format!("{}.{}", bare(name), bare(own));
                    sections.extend(named.entries.iter().map(|(own, e)| (path(own), e, section)));
                }
                (Some(Type::Table(section) | Type::Named(section)), Some(_)) => {
                    sections.push((bare(name), entry, section));
                }
                _ => writer.line(name, entry),
            }
        }
        sections.sort_by_key(|(_, entry, _)| entry.at());
        for (path, entry, section) in sections {
            if let Some(tree) = entry.table() {
                writer.section(&path, Brackets::One, entry, tree, section);
            }
        }
        writer.out
    }
}

struct Writer<'a> {
    out: String,
    origins: bool,
    /// Files by their numbers: names, and where their lines begin.
    places: Vec<(&'a str, Lines<'a>)>,
}

#[derive(Debug, Clone, Copy)]
enum Brackets {
    One,
    Two,
}

impl Writer<'_> {
    fn section(&mut self, path: &str, brackets: Brackets, entry: &Entry, tree: &Tree, section: &Section) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let header = match brackets {
            Brackets::One => format!("[{path}]"),
            Brackets::Two => format!("[[{path}]]"),
        };
        let place = entry.at().and_then(|at| self.place(at));
        self.commented(&header, place.as_deref());
        let (headed, lines): (Vec<_>, Vec<_>) =
            tree.entries.iter().partition(|(name, entry)| heads(section, name, entry).is_some());
        for (name, entry) in lines {
            self.line(name, entry);
        }
        for (name, entry) in headed {
            if let Some(below) = heads(section, name, entry) {
                self.below(&format!("{path}.{}", bare(name)), entry, below);
            }
        }
    }

    fn below(&mut self, path: &str, entry: &Entry, section: &Section) {
        match &entry.value {
            Value::Table(tree) => self.section(path, Brackets::One, entry, tree, section),
            Value::Array(all) => {
                for entry in all {
                    if let Value::Table(tree) = &entry.value {
                        self.section(path, Brackets::Two, entry, tree, section);
                    }
                }
            }
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) => {}
        }
    }

    /// A key with its value; what is long has a line for each element.
    fn line(&mut self, name: &str, entry: &Entry) {
        let key = bare(name);
        let text = entry.value.to_string();
        if let Value::Array(all) = &entry.value
            && all.len() > 1
            && key.len() + text.len() > MAX_LINE
        {
            self.out.push_str(&format!("{key} = [\n"));
            for element in all {
                let comment = self.comment(element);
                self.commented(&format!("  {},", element.value), comment.as_deref());
            }
            self.out.push_str("]\n");
            return;
        }
        let comment = self.comment(entry);
        self.commented(&format!("{key} = {text}"), comment.as_deref());
    }

    fn commented(&mut self, text: &str, comment: Option<&str>) {
        match comment {
            Some(comment) => writeln!(self.out, "{text}  # {comment}"),
            None => writeln!(self.out, "{text}"),
        }
        // Writing to a string does not fail.
        .unwrap_or_default();
    }

    fn comment(&self, entry: &Entry) -> Option<String> {
        if !self.origins {
            return None;
        }
        let mut comment = match &entry.origin {
            Origin::Said(at) => self.place(*at)?,
            Origin::Inherited(section, at) => format!("{section} {}", self.place(*at)?),
            Origin::Default => "default".to_owned(),
            Origin::Machine(what) => (*what).to_owned(),
        };
        if let Some(what) = entry.text().and_then(external) {
            comment.push_str(&format!(", {what}"));
        }
        Some(comment)
    }

    /// File and line.
    fn place(&self, at: Span) -> Option<String> {
        let (name, lines) = self.places.get(usize::from(at.file.0))?;
        Some(format!("{name}:{}", lines.line(at.range().start)))
    }
}

/// The section of a key whose value has a header of its own.
fn heads(section: &Section, name: &str, entry: &Entry) -> Option<&'static Section> {
    let key: &Key = section.key(name)?;
    let below = key.ty.section()?;
    match &entry.value {
        Value::Table(_) => Some(below),
        Value::Array(all) => {
            let listed = !all.is_empty() && FILLED.contains(&below.path);
            (listed && all.iter().all(|e| e.table().is_some())).then_some(below)
        }
        Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) => None,
    }
}

/// Longer arrays have a line for each element.
const MAX_LINE: usize = 90;
