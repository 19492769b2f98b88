//! A configuration as it is said: tables, keys and values, each with where it comes from. What shows, compares and
//! completes configurations works on this; the [`Config`](super::Config) of the same sources says that it is right.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Default, Key, Section, Type};
use super::secret::is_reference;
use super::source::{FileId, Sources, Span};

/// A table, its keys in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct Tree {
    pub(super) entries: Vec<(String, Entry)>,
}

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
    /// Where its key stands, for the order; of what is said nowhere: the end.
    at: Option<Span>,
}

/// Two are equal if their values are.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Entry {}

/// A value of TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    /// A number with a fraction, or a date, as it is written: no key takes one.
    Other(String),
    Text(String),
    Array(Vec<Entry>),
    Table(Tree),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is said here.
    Said(Span),
    /// It is said here, in `[defaults]` or a profile.
    Inherited(String, Span),
    /// It is said nowhere.
    Default,
    /// It is what this is on the machine.
    Machine(&'static str),
}

impl Entry {
    pub(super) const fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin, at: None }
    }

    /// Where its key stands; of what is said nowhere: nowhere.
    pub(super) const fn at(&self) -> Option<Span> {
        self.at
    }

    /// The same, inherited from a section.
    pub(super) fn inherited(&self, section: &str) -> Self {
        let mut entry = self.clone();
        entry.inherit(section);
        entry
    }

    fn inherit(&mut self, section: &str) {
        if let Origin::Said(span) = self.origin {
            self.origin = Origin::Inherited(section.to_owned(), span);
        }
        match &mut self.value {
            Value::Table(tree) => tree.entries.iter_mut().for_each(|(_, e)| e.inherit(section)),
            Value::Array(all) => all.iter_mut().for_each(|e| e.inherit(section)),
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) => {}
        }
    }

    pub(super) const fn table(&self) -> Option<&Tree> {
        match &self.value {
            Value::Table(tree) => Some(tree),
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    pub(super) const fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text.as_str()),
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Array(_) | Value::Table(_) => None,
        }
    }

    fn elements_mut(&mut self) -> &mut [Self] {
        match &mut self.value {
            Value::Array(all) => all.as_mut_slice(),
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) | Value::Table(_) => &mut [],
        }
    }

    /// Its elements; of what is no array: itself.
    pub(super) const fn elements(&self) -> &[Self] {
        match &self.value {
            Value::Array(all) => all.as_slice(),
            Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_) | Value::Table(_) => {
                std::slice::from_ref(self)
            }
        }
    }
}

impl Tree {
    /// What sources say, all files together. They are expected to be free of syntax errors.
    pub fn of_sources(sources: &Sources) -> Self {
        let mut whole = Self::default();
        for (i, file) in sources.files.iter().enumerate() {
            let id = FileId(u16::try_from(i).unwrap_or(u16::MAX));
            let (table, _) = DeTable::parse_recoverable(&file.text);
            for (name, entry) in table_of(id, table.get_ref()).entries {
                whole.add(name, entry);
            }
        }
        whole
    }

    /// What a text says.
    pub fn of_text(text: &str) -> Self {
        Self::of_sources(&Sources::of_text("", text))
    }

    /// A section that stands in several files is one section.
    fn add(&mut self, name: String, entry: Entry) {
        match (self.get_mut(&name), entry.value) {
            (Some(Entry { value: Value::Table(there), .. }), Value::Table(more)) => {
                there.entries.extend(more.entries);
            }
            (_, value) => self.entries.push((name, Entry { value, ..entry })),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|(own, _)| own == name).map(|(_, entry)| entry)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|(own, _)| own == name).map(|(_, entry)| entry)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn set(&mut self, name: &str, entry: Entry) {
        match self.get_mut(name) {
            Some(there) => *there = entry,
            None => self.entries.push((name.to_owned(), entry)),
        }
    }

    pub(super) fn remove(&mut self, names: &[&str]) {
        self.entries.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// A table in it; an empty one if there is none.
    pub(super) fn table_mut(&mut self, name: &str) -> Option<&mut Self> {
        if !self.has(name) {
            self.set(name, Entry::new(Value::Table(Self::default()), Origin::Default));
        }
        match self.get_mut(name) {
            Some(Entry { value: Value::Table(tree), .. }) => Some(tree),
            Some(_) | None => None,
        }
    }

    /// The named sections of a kind, in the order of the files.
    pub(super) fn named(&self, kind: &str) -> &[(String, Entry)] {
        self.get(kind).and_then(Entry::table).map_or(&[], |tree| tree.entries.as_slice())
    }

    /// Replaces every secret by `***`, but for references to where one is. How many there were.
    pub fn hide_secrets(&mut self, section: &Section) -> usize {
        let mut hidden = 0;
        for (name, entry) in &mut self.entries {
            let Some(key) = section.key(name) else { continue };
            hidden += hide(key, entry);
        }
        hidden
    }

    /// What secrets refer to, such as `file:PATH`.
    pub(super) fn references(&self, section: &Section) -> Vec<String> {
        let mut found = Vec::new();
        for (name, entry) in &self.entries {
            match section.key(name).map(|key| key.ty) {
                Some(Type::Secret) => found.extend(reference(entry)),
                Some(Type::Passwords) => {
                    let all = entry.table().into_iter().flat_map(|t| &t.entries);
                    found.extend(all.filter_map(|(_, e)| reference(e)));
                }
                Some(ty) => below(&ty, entry, &mut |section, tree| found.extend(tree.references(section))),
                None => {}
            }
        }
        found
    }
}

fn reference(entry: &Entry) -> Option<String> {
    entry.text().filter(|text| is_reference(text)).map(str::to_owned)
}

fn hide(key: &Key, entry: &mut Entry) -> usize {
    if matches!(key.ty, Type::Secret) {
        return hide_one(entry);
    }
    let mut hidden = 0;
    if let (Type::Passwords, Value::Table(tree)) = (key.ty, &mut entry.value) {
        hidden = tree.entries.iter_mut().map(|(_, e)| hide_one(e)).sum();
    }
    below_mut(&key.ty, entry, &mut |section, tree| hidden += tree.hide_secrets(section));
    hidden
}

fn hide_one(entry: &mut Entry) -> usize {
    if let Value::Text(text) = &mut entry.value
        && !is_reference(text)
    {
        HIDDEN.clone_into(text);
        return 1;
    }
    0
}

/// Goes to every table that has the keys of a type's section.
fn below_mut(ty: &Type, entry: &mut Entry, visit: &mut dyn FnMut(&'static Section, &mut Tree)) {
    let Some(section) = ty.section() else { return };
    match (&mut entry.value, ty) {
        (Value::Table(named), Type::Named(_)) => {
            for (_, entry) in &mut named.entries {
                if let Value::Table(tree) = &mut entry.value {
                    visit(section, tree);
                }
            }
        }
        (Value::Table(tree), _) => visit(section, tree),
        (Value::Array(all), _) => {
            for entry in all {
                if let Value::Table(tree) = &mut entry.value {
                    visit(section, tree);
                }
            }
        }
        (Value::Bool(_) | Value::Int(_) | Value::Other(_) | Value::Text(_), _) => {}
    }
}

/// The same without changing anything.
fn below(ty: &Type, entry: &Entry, visit: &mut dyn FnMut(&'static Section, &Tree)) {
    let Some(section) = ty.section() else { return };
    match (entry.table(), ty) {
        (Some(named), Type::Named(_)) => {
            named.entries.iter().filter_map(|(_, e)| e.table()).for_each(|tree| visit(section, tree));
        }
        _ => entry.elements().iter().filter_map(Entry::table).for_each(|tree| visit(section, tree)),
    }
}

fn table_of(file: FileId, table: &DeTable<'_>) -> Tree {
    let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let at = Span::new(file, key.span());
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (name.to_string(), Entry { at: Some(at), ..entry_of(file, value) })
    };
    let mut entries: Vec<(String, Entry)> = table.iter().map(entry).collect();
    entries.sort_by_key(|(_, entry)| entry.at);
    Tree { entries }
}

fn entry_of(file: FileId, value: &toml::Spanned<DeValue<'_>>) -> Entry {
    let span = Span::new(file, value.span());
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(on) => Value::Bool(*on),
        DeValue::Integer(n) => match i64::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Value::Int(n),
            Err(_) => Value::Other(n.to_string()),
        },
        DeValue::Float(n) => Value::Other(n.to_string()),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(all) => Value::Array(all.iter().map(|v| entry_of(file, v)).collect()),
        DeValue::Table(table) => Value::Table(table_of(file, table)),
    };
    Entry { value, origin: Origin::Said(span), at: Some(span) }
}

/// A default that is a value.
pub(super) fn default_of(key: &Key) -> Option<&'static Value> {
    match key.default {
        Default::Value(text) => DEFAULTS.get(text),
        Default::None | Default::Required | Default::Words(_) => None,
    }
}

/// The values that stand in the table of keys as they would be written. There are few, and large configurations have
/// each of them thousands of times.
static DEFAULTS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let texts = keys::SECTIONS.iter().flat_map(|section| section.keys).filter_map(|key| match key.default {
        Default::Value(text) => Some(text),
        Default::None | Default::Required | Default::Words(_) => None,
    });
    texts.filter_map(|text| Some((text, literal(text)?))).collect()
});

fn literal(text: &str) -> Option<Value> {
    let value = DeValue::parse(text).ok()?;
    let mut entry = entry_of(FileId::default(), &value);
    // It is said nowhere.
    entry.elements_mut().iter_mut().for_each(|element| element.origin = Origin::Default);
    Some(entry.value)
}

impl Value {
    /// The same in JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(on) => (*on).into(),
            Self::Int(n) => (*n).into(),
            Self::Other(text) | Self::Text(text) => text.as_str().into(),
            Self::Array(all) => all.iter().map(|e| e.value.to_json()).collect(),
            Self::Table(tree) => tree.to_json(),
        }
    }
}

impl Tree {
    /// The same in JSON.
    pub fn to_json(&self) -> serde_json::Value {
        self.entries.iter().map(|(name, entry)| (name.clone(), entry.value.to_json())).collect()
    }
}

/// As it is written on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(on) => write!(f, "{on}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Other(text) => f.write_str(text),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Array(all) => {
                let all: Vec<String> = all.iter().map(|e| e.value.to_string()).collect();
                write!(f, "[{}]", all.join(", "))
            }
            Self::Table(tree) if tree.entries.is_empty() => f.write_str("{}"),
            Self::Table(tree) => {
                let all: Vec<String> =
                    tree.entries.iter().map(|(k, e)| format!("{} = {}", bare(k), e.value)).collect();
                write!(f, "{{ {} }}", all.join(", "))
            }
        }
    }
}

/// A key as it is written.
pub(super) fn bare(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_bare { key.to_owned() } else { quoted(key) }
}

/// A text as it is written: what can stand as it is between single quotes does, if it has what double ones would escape.
fn quoted(text: &str) -> String {
    let escapes = |c: char| matches!(c, '"' | '\\') || c.is_control();
    if text.contains(escapes) && !text.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// From where a secret is taken that is not said here.
pub(super) fn external(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "env" => Some(format!("environment variable {rest}")),
        "cred" => Some(format!("credential {rest}")),
        _ => None,
    }
}

/// What is shown of a secret.
pub(super) const HIDDEN: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::TOP;

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in ["plain", "a\"b", "a'b\"c", "back\\slash", "line\nend\t\r", "", "é\u{7f}\u{1}"] {
            assert_eq!(literal(&quoted(text)), Some(Value::Text(text.to_owned())), "{text:?}");
        }
        for text in ["[1, \"a\", { b = true, \"c d\" = [] }]", "{}", "-7", "1.5", "false"] {
            assert_eq!(literal(text).unwrap().to_string(), text);
        }
        assert_eq!(literal("0x1F").unwrap().to_string(), "31");
    }

    #[test]
    fn secrets_are_hidden_and_references_are_not() {
        let text = "[vrrp.V]\nauthentication = { auth_pass = \"plain\" }\n[vrrp.W.authentication]\n\
                    auth_pass = \"env:PASS\"\n[frontend.f.stats.auth]\nann = \"sesame\"\nbob = \"file:bob\"\n";
        let mut tree = Tree::of_text(text);
        assert_eq!(tree.hide_secrets(&TOP), 2);
        let shown = Value::Table(tree.clone()).to_string();
        assert!(!shown.contains("plain") && !shown.contains("sesame"), "{shown}");
        assert_eq!(tree.references(&TOP), ["env:PASS", "file:bob"]);
    }

    #[test]
    fn sections_of_several_files_are_one() {
        let file = |name: &str, text: &str| super::super::SourceFile { name: name.into(), text: text.into() };
        let files = vec![
            file("a", "[global]\nuser = \"u\"\n[backend.a]\n"),
            file("b", "[global]\ngroup = \"g\"\n[backend.b]\n"),
        ];
        let tree = Tree::of_sources(&Sources { files, ..Sources::default() });
        let names: Vec<&str> = tree.named("backend").iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names.as_slice(), tree.named("global").len()), (["a", "b"].as_slice(), 2));
    }
}
