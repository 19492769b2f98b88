//! Reading tables against the table of keys: every key is asked for by name, what was not asked for is unknown, and
//! every mistake becomes a diagnostic without stopping the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_proxy::list::Lists;
use evenkeel_proxy::map::MapConfig;
use evenkeel_proxy::tls::trust::Authorities;
use toml::de::{DeTable, DeValue};

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::environment::Externals;
use super::keys::{self, Default, Key, Section};
use super::parse::Scripts;
use super::source::{FileId, Span, Spanned};
use super::suggest::nearest;

mod scalars;

/// What reading needs everywhere: who this node is, where external things come from, and the findings so far.
pub(super) struct Reader<'e> {
    /// This node's name.
    pub(super) node: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// How many of them are errors.
    pub(super) errors: usize,
    pub(super) externals: &'e mut dyn Externals,
    /// Files with syntax errors: what seems to be missing there may only be unreadable.
    pub(super) broken: BTreeSet<FileId>,
    /// Maps, by position: rules name them.
    pub(super) maps: Vec<MapConfig>,
    /// Files of patterns that conditions have asked for.
    pub(super) lists: Arc<Lists>,
    /// Scripts: rules name what they register.
    pub(super) lua: Scripts,
    /// All tables of values per node: where, and the nodes they name.
    pub(super) node_tables: Vec<(Span, BTreeSet<String>)>,
    /// Names of sections that were read with errors: what seems to be missing there may be what the error is about.
    damaged: BTreeSet<Span>,
    /// Likewise for `[defaults]` and the profiles, which concern every section.
    pub(super) damaged_defaults: bool,
    /// The certificate authorities of the system, once they were asked for; `None` inside: there are none.
    pub(super) authorities: Option<Option<Authorities>>,
    /// What is said once for many, and has been reported.
    told: BTreeSet<Span>,
}

/// A value in a file.
#[derive(Clone, Copy)]
pub(super) struct Node<'d> {
    pub(super) value: &'d DeValue<'d>,
    /// Where the value stands.
    pub(super) span: Span,
    /// Where its key stands; of an array's element: the element.
    pub(super) key: Span,
}

/// The keys of one table, to be taken one by one.
pub(super) struct Fields<'d> {
    pub(super) section: &'static Section,
    /// Where the section is named.
    pub(super) at: Span,
    parts: Vec<(FileId, &'d DeTable<'d>)>,
    asked: BTreeSet<&'static str>,
}

/// A value that may differ per node.
#[derive(Debug, Clone)]
pub(super) enum PerNode<T> {
    Same(Spanned<T>),
    /// By node, and where the table stands.
    Each(BTreeMap<String, Spanned<T>>, Span),
}

impl<T: Clone> PerNode<T> {
    pub(super) fn of(&self, node: &str) -> Option<Spanned<T>> {
        match self {
            Self::Same(v) => Some(v.clone()),
            Self::Each(values, _) => values.get(node).cloned(),
        }
    }
}

impl<'e> Reader<'e> {
    pub(super) fn new(node: &str, externals: &'e mut dyn Externals) -> Self {
        Self {
            node: node.to_owned(),
            diagnostics: Vec::new(),
            errors: 0,
            externals,
            broken: BTreeSet::new(),
            maps: Vec::new(),
            lists: Arc::default(),
            lua: Scripts::None,
            node_tables: Vec::new(),
            damaged: BTreeSet::new(),
            damaged_defaults: false,
            authorities: None,
            told: BTreeSet::new(),
        }
    }
}

impl Reader<'_> {
    pub(super) fn push(&mut self, d: Diagnostic) {
        self.errors += usize::from(d.is_error());
        self.diagnostics.push(d);
    }

    /// Whether nothing has been asked of this place before: what is said once for many is reported once.
    pub(super) fn is_first(&mut self, at: Span) -> bool {
        self.told.insert(at)
    }

    /// Reports something that is not there, unless the file or the section could not be read whole.
    pub(super) fn push_absence(&mut self, d: Diagnostic) {
        if !d.span.is_some_and(|s| self.broken.contains(&s.file) || self.damaged.contains(&s)) {
            self.push(d);
        }
    }

    /// Reads the section that is named at `at`, and remembers if that gave errors.
    pub(super) fn section<T>(&mut self, at: Span, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.errors;
        let value = read(self);
        if self.errors > before {
            self.damaged.insert(at);
        }
        value
    }
}

impl<'d> Node<'d> {
    /// The elements of an array, or the value itself as the only one.
    pub(super) fn one_or_many(self) -> Vec<Self> {
        self.elements().unwrap_or_else(|| vec![self])
    }

    /// The elements of an array.
    pub(super) fn elements(self) -> Option<Vec<Self>> {
        let file = self.span.file;
        let element = |v: &'d toml::Spanned<DeValue<'d>>| {
            let span = Span::new(file, v.span());
            Node { value: v.get_ref(), span, key: span }
        };
        Some(self.value.as_array()?.iter().map(element).collect())
    }

    /// The entries of a table in the order of the file: names with their places, and values.
    pub(super) fn entries(self) -> Option<Vec<(Spanned<&'d str>, Self)>> {
        let mut all: Vec<_> = entries(self.span.file, self.value.as_table()?).collect();
        all.sort_by_key(|(name, _)| name.span);
        Some(all)
    }
}

fn entries<'d>(file: FileId, table: &'d DeTable<'d>) -> impl Iterator<Item = (Spanned<&'d str>, Node<'d>)> {
    table.iter().map(move |(k, v)| {
        let key = Span::new(file, k.span());
        (
            Spanned::new(k.get_ref().as_ref(), key),
            Node { value: v.get_ref(), span: Span::new(file, v.span()), key },
        )
    })
}

impl<'d> Fields<'d> {
    /// The keys of a value that must be a table.
    pub(super) fn of(
        cx: &mut Reader<'_>,
        section: &'static Section,
        at: Span,
        node: Node<'d>,
    ) -> Option<Self> {
        let Some(table) = node.value.as_table() else {
            let found = scalars::type_name(node.value);
            let message = format!("{} must be a table, not {found}", section.called);
            cx.push(Diagnostic::error(Code::WrongType, node.span, message).help(keys_of(section)));
            return None;
        };
        Some(Self::of_tables(section, at, vec![(node.span.file, table)]))
    }

    /// The keys of one section that stands in several files.
    pub(super) fn of_tables(
        section: &'static Section,
        at: Span,
        parts: Vec<(FileId, &'d DeTable<'d>)>,
    ) -> Self {
        Self { section, at, parts, asked: BTreeSet::new() }
    }

    /// Takes a key that stands at most once; a second one in another file is reported.
    pub(super) fn take(
        &mut self,
        cx: &mut Reader<'_>,
        name: &'static str,
    ) -> Option<(&'static Key, Node<'d>)> {
        let key = self.key(name)?;
        let mut all = self.all(name).into_iter();
        let first = all.next()?;
        for again in all {
            let message = format!("{} has `{name}` twice", self.section.called);
            cx.push(
                Diagnostic::error(Code::Duplicate, again.key, message)
                    .label("again here")
                    .related(first.key, "first here"),
            );
        }
        Some((key, first))
    }

    /// Every occurrence of a key, file by file.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<Node<'d>> {
        self.asked.insert(name);
        let found = |(file, t): &(FileId, &'d DeTable<'d>)| {
            let (key, value) = t.get_key_value(name)?;
            Some(Node {
                value: value.get_ref(),
                span: Span::new(*file, value.span()),
                key: Span::new(*file, key.span()),
            })
        };
        self.parts.iter().filter_map(found).collect()
    }

    /// Where a key stands, if it is there.
    pub(super) fn key_span(&self, name: &str) -> Option<Span> {
        let found =
            |(file, t): &(FileId, &'d DeTable<'d>)| Some(Span::new(*file, t.get_key_value(name)?.0.span()));
        self.parts.iter().find_map(found)
    }

    /// Takes a key and reads it.
    pub(super) fn read<'e, T>(
        &mut self,
        cx: &mut Reader<'e>,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'e>, &'static Key, Node<'d>) -> Option<T>,
    ) -> Option<T> {
        let taken = self.take(cx, name);
        if taken.is_none() && self.key(name).is_some_and(|k| k.default == Default::Required) {
            self.missing(cx, name);
        }
        let (key, node) = taken?;
        read(cx, key, node)
    }

    /// Takes a key and reads it, if the section has such a key at all.
    pub(super) fn known<'e, T>(
        &mut self,
        cx: &mut Reader<'e>,
        name: &'static str,
        read: impl FnOnce(&mut Reader<'e>, &'static Key, Node<'d>) -> Option<T>,
    ) -> Option<T> {
        self.section.key(name)?;
        self.read(cx, name, read)
    }

    /// Whether a key is said.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|(_, t)| t.contains_key(name))
    }

    /// Takes a key that may differ per node and reads it for every node.
    pub(super) fn read_per_node<'e, T>(
        &mut self,
        cx: &mut Reader<'e>,
        name: &'static str,
        read: impl Fn(&mut Reader<'e>, &'static Key, Node<'d>) -> Option<Spanned<T>>,
    ) -> Option<PerNode<T>> {
        self.read(cx, name, |cx, key, node| {
            let Some(entries) = node.entries() else { return read(cx, key, node).map(PerNode::Same) };
            let mut values = BTreeMap::new();
            let mut names = BTreeSet::new();
            for (name, node) in entries {
                names.insert(name.value.to_owned());
                if let Some(v) = read(cx, key, node) {
                    values.insert(name.value.to_owned(), v);
                }
            }
            own_node_is_named(cx, key, node, &names);
            cx.node_tables.push((node.key, names));
            Some(PerNode::Each(values, node.span))
        })
    }

    /// Reports that a key is missing.
    pub(super) fn missing(&self, cx: &mut Reader<'_>, name: &str) {
        let message = format!("{} needs `{name}`", self.section.called);
        let what = self.section.key(name).map(|k| format!("`{name}` is {}", k.ty));
        cx.push_absence(Diagnostic::error(Code::MissingKey, self.at, message).help_if(what));
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self, cx: &mut Reader<'_>) {
        debug_assert!(
            self.section.keys.iter().all(|k| self.asked.contains(k.name)),
            "the reader does not ask for every key of {}",
            self.section.path
        );
        for (file, table) in &self.parts {
            for (name, _) in entries(*file, table) {
                if !self.asked.contains(name.value) {
                    cx.push(unknown_key(self.section, name));
                }
            }
        }
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        let key = self.section.key(name);
        debug_assert!(key.is_some(), "{}.{name} is not in the table of keys", self.section.path);
        key
    }
}

fn own_node_is_named(cx: &mut Reader<'_>, key: &Key, node: Node<'_>, names: &BTreeSet<String>) {
    if names.contains(&cx.node) {
        return;
    }
    let listed: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!("`{}` has no value for this node, {}", key.name, shown(&cx.node));
    let meant = nearest(&cx.node, listed.iter().copied()).map(|n| format!("a similar name is there: `{n}`"));
    let there = match listed.as_slice() {
        [] => "the table is empty".to_owned(),
        names => format!("nodes named here: {}", names.join(", ")),
    };
    cx.push(
        Diagnostic::error(Code::PerNode, node.span, message)
            .help_if(meant)
            .help(there)
            .help("the node's name is `--node`, else EVENKEEL_NODE, else the host name"),
    );
}

fn unknown_key(section: &'static Section, name: Spanned<&str>) -> Diagnostic {
    let message = format!("{} has no key {}", section.called, shown(name.value));
    let d = Diagnostic::error(Code::UnknownKey, name.span, message);
    if let Some((_, hint)) = section.hints.iter().find(|(word, _)| *word == name.value) {
        return d.help(*hint);
    }
    if let Some(meant) = nearest(name.value, section.keys.iter().map(|k| k.name)) {
        return d.label("a similar key exists").help(keys_of(section)).replace_with(meant);
    }
    let elsewhere: Vec<&str> =
        keys::SECTIONS.iter().filter(|s| s.key(name.value).is_some()).map(|s| s.path).collect();
    let elsewhere = (!elsewhere.is_empty()).then(|| format!("it is a key of {}", elsewhere.join(", ")));
    d.help_if(elsewhere).help(keys_of(section))
}

fn keys_of(section: &Section) -> String {
    let mut names: Vec<&str> = section.keys.iter().map(|k| k.name).collect();
    names.sort_unstable();
    format!("keys of {}: {}", section.called, names.join(", "))
}

/// A text of the operator's in a message: quoted, without control characters, not endless.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
