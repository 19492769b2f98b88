//! Where configuration text comes from, and how a place in it is named.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Position of a file in [`Sources::files`]; 0 is the main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(pub u16);

/// A range of bytes in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A range in `file`. Files are far smaller than 4 GiB; a range beyond is cut off.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        let cut = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { file, start: cut(range.start), end: cut(range.end) }
    }

    /// The range within the file.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and where it stands. Two are equal if their values are.
#[derive(Debug, Clone, Copy)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands; of a default: where the thing stands that lacks it.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same place.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

/// One file as it was read.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Path as the operator would write it.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Everything a configuration is made of: the text of all files and the content of what they refer to. Enough to load
/// it again elsewhere without touching a file system.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The main file, then the included ones in the order of their names.
    pub files: Vec<SourceFile>,
    /// What was read from elsewhere: `file:PATH`, `env:NAME`, `cred:NAME` and the bytes found.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Names of those `blobs` that are secrets.
    pub secrets: Vec<String>,
    /// CPUs the process may use: the default of `nbthread`, the same wherever this is loaded.
    pub cpus: u16,
}

impl Sources {
    /// Sources of one file that is already in memory.
    pub fn of_text(name: &str, text: &str) -> Self {
        let files = vec![SourceFile { name: name.to_owned(), text: text.to_owned() }];
        Self { files, cpus: 1, ..Self::default() }
    }

    /// The name among the `blobs` of a file that is no secret.
    pub fn name_of_file(path: &str) -> String {
        super::environment::External::File(path.into()).to_string()
    }

    /// The file a span is in.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(usize::from(id.0))
    }

    /// The directory relative paths start from: that of the main file.
    pub fn base(&self) -> PathBuf {
        let main = self.files.first().map_or("", |f| f.name.as_str());
        Path::new(main).parent().map(Path::to_path_buf).unwrap_or_default()
    }

    /// Line and column, from 1, of a byte of a file. Columns count characters.
    pub fn position(&self, file: FileId, offset: u32) -> (usize, usize) {
        let text = self.file(file).map_or("", |f| f.text.as_str());
        Lines::new(text).position(offset as usize)
    }
}

/// Where the lines of a text start, to find many positions in it.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { text, starts }
    }

    /// Line, from 1, of a byte.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|s| *s <= offset)
    }

    /// Line and column, from 1, of a byte. Columns count characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let before = self.text.get(self.start(line)..offset).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// First byte of a line.
    pub(super) fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// The lines from that of `first` to that of `last`, both bytes, with their line ends.
    pub(super) fn around(&self, first: usize, last: usize) -> &'a str {
        let range = self.start(self.line(first))..self.start(self.line(last) + 1);
        self.text.get(range).unwrap_or("")
    }
}

/// Shows names and sizes only: texts and blobs may hold secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("files", &self.files)
            .field("blobs", &self.blobs.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.text.len())
    }
}

/// Largest configuration file. A megabyte is some ten thousand servers; the bound keeps a wrong path (a log, a device)
/// from filling memory.
pub(super) const MAX_FILE_BYTES: u64 = 8 << 20;
