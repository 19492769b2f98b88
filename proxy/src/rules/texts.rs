//! Sets of patterns for one text, asked whether one of them matches.

use std::fmt;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::list::{Form, Listed, Patterns};

/// How a pattern is compared with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// It is the text (HAProxy: `str`).
    Exact,
    /// The text begins with it (`beg`).
    Prefix,
    /// The text ends with it (`end`).
    Suffix,
    /// It is somewhere in the text (`sub`).
    Substring,
    /// It is a whole part of the text, or several, between slashes (`dir`).
    Directory,
    /// A regular expression, which finds something in the text (`reg`).
    Regex,
}

/// Patterns that are compared in one way. Asking takes about as long for many as for one.
#[derive(Debug, Clone)]
pub struct Texts {
    how: How,
    nocase: bool,
    patterns: Vec<Box<str>>,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    /// The patterns in order, in lower case if case does not matter.
    Whole(Vec<Box<[u8]>>),
    /// Those, and how long they are: each length once.
    Parts(Vec<Box<[u8]>>, Vec<usize>),
    /// All of them as one expression.
    Automaton(Box<Regex>),
    /// What is in files at present.
    Listed(Arc<Listed<Texts>>),
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl PatternError {
    /// What the library says, in fewer words.
    pub(crate) fn of(error: &regex::Error) -> Self {
        Self(reason(error))
    }
}

impl Texts {
    /// Makes patterns ready to be asked.
    ///
    /// # Errors
    /// A regular expression is not one, or all together are too large.
    pub fn new(how: How, nocase: bool, patterns: Vec<Box<str>>) -> Result<Self, PatternError> {
        let by = match how {
            _ if patterns.is_empty() => By::Whole(Vec::new()),
            How::Exact => By::Whole(sorted(&patterns, nocase)),
            How::Prefix | How::Suffix => {
                let mut lengths: Vec<usize> = patterns.iter().map(|p| p.len()).collect();
                lengths.sort_unstable();
                lengths.dedup();
                By::Parts(sorted(&patterns, nocase), lengths)
            }
            How::Substring | How::Directory | How::Regex => {
                By::Automaton(Box::new(automaton(how, nocase, &patterns)?))
            }
        };
        Ok(Self { how, nocase, patterns, by })
    }

    /// Patterns that an operator can change.
    pub fn listed(list: Arc<Listed<Self>>) -> Self {
        let used = list.used();
        let (how, nocase) = (used.how, used.nocase);
        drop(used);
        Self { how, nocase, patterns: Vec::new(), by: By::Listed(list) }
    }

    /// Whether a pattern is one, by itself.
    ///
    /// # Errors
    /// It is a regular expression that is not one.
    pub fn check(how: How, pattern: &str) -> Result<(), PatternError> {
        automaton(how, false, &[pattern.into()]).map(drop)
    }

    /// Whether one of them matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        match &self.by {
            By::Whole(all) if !self.nocase => is_in(all, text),
            By::Parts(all, lengths) if !self.nocase => self.has_part(all, lengths, text),
            By::Whole(all) => lowered(text, |text| is_in(all, text)),
            By::Parts(all, lengths) => lowered(text, |text| self.has_part(all, lengths, text)),
            By::Automaton(regex) => regex.is_match(text),
            By::Listed(list) => list.used().matches(text),
        }
    }

    #[inline]
    fn has_part(&self, all: &[Box<[u8]>], lengths: &[usize], text: &[u8]) -> bool {
        lengths.iter().take_while(|l| **l <= text.len()).any(|length| {
            let (begin, end) = (text.get(..*length), text.get(text.len() - length..));
            let part = if self.how == How::Prefix { begin } else { end };
            part.is_some_and(|part| is_in(all, part))
        })
    }

    /// How they are compared.
    pub fn how(&self) -> How {
        self.how
    }

    /// As they were given. None if they can be changed.
    pub fn patterns(&self) -> &[Box<str>] {
        &self.patterns
    }

    /// The files that they are in, if they can be changed, which has them as they are now.
    pub fn list(&self) -> Option<&Listed<Self>> {
        match &self.by {
            By::Listed(list) => Some(list),
            By::Whole(_) | By::Parts(..) | By::Automaton(_) => None,
        }
    }
}

impl Patterns for Texts {
    fn find_in(&self, text: &[u8]) -> bool {
        self.matches(text)
    }

    fn form(&self) -> Form {
        let how = match self.how {
            How::Exact => "str",
            How::Prefix => "beg",
            How::Suffix => "end",
            How::Substring => "sub",
            How::Directory => "dir",
            How::Regex => "reg",
        };
        Form { how, nocase: self.nocase }
    }
}

impl PartialEq for Texts {
    fn eq(&self, other: &Self) -> bool {
        (self.how, self.nocase, &self.patterns, self.list())
            == (other.how, other.nocase, &other.patterns, other.list())
    }
}

impl Eq for Texts {}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "is",
            Self::Prefix => "begins with",
            Self::Suffix => "ends with",
            Self::Substring => "contains",
            Self::Directory => "has the directory",
            Self::Regex => "matches",
        })
    }
}

/// Halving rather than hashing: most sets have a pattern or two.
#[inline]
fn is_in(sorted: &[Box<[u8]>], text: &[u8]) -> bool {
    sorted.binary_search_by(|pattern| (**pattern).cmp(text)).is_ok()
}

fn sorted(patterns: &[Box<str>], nocase: bool) -> Vec<Box<[u8]>> {
    let bytes = |p: &str| if nocase { p.to_ascii_lowercase().into_bytes() } else { p.as_bytes().to_vec() };
    let mut all: Vec<Box<[u8]>> = patterns.iter().map(|p| bytes(p).into()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Looks at a text in lower case. Short ones, which nearly all are, take no room of their own.
fn lowered<T>(text: &[u8], look: impl FnOnce(&[u8]) -> T) -> T {
    let mut room = [0; 256];
    match room.get_mut(..text.len()) {
        Some(lower) => {
            lower.copy_from_slice(text);
            lower.make_ascii_lowercase();
            look(lower)
        }
        None => look(&text.to_ascii_lowercase()),
    }
}

fn automaton(how: How, nocase: bool, patterns: &[Box<str>]) -> Result<Regex, PatternError> {
    let mut all = String::new();
    for pattern in patterns {
        if !all.is_empty() {
            all.push('|');
        }
        match how {
            How::Regex => {
                // One that is whole only together with the others would mean something else.
                build(pattern, nocase)?;
                all.push_str("(?:");
                all.push_str(pattern);
                all.push(')');
            }
            How::Directory => all.push_str(&regex::escape(pattern.trim_matches('/'))),
            How::Exact | How::Prefix | How::Suffix | How::Substring => all.push_str(&regex::escape(pattern)),
        }
    }
    if how == How::Directory {
        all = format!("(?:^|/)(?:{all})(?:/|$)");
    }
    build(&all, nocase)
}

/// One regular expression.
///
/// # Errors
/// It is not one, or is too large.
pub(super) fn expression(pattern: &str, nocase: bool) -> Result<Regex, PatternError> {
    build(pattern, nocase)
}

/// Bytes are looked at, not characters: what comes over the wire need not be text.
fn build(pattern: &str, nocase: bool) -> Result<Regex, PatternError> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).case_insensitive(nocase).dot_matches_new_line(true).size_limit(LARGEST);
    builder.build().map_err(|error| PatternError::of(&error))
}

fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::Syntax(text) => {
            // What it says last is what is wrong; before that it shows where.
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
        regex::Error::CompiledTooBig(limit) => format!("takes more than {} MiB", limit / MIB),
        other => other.to_string(),
    }
}

const MIB: usize = 1024 * 1024;

/// What expressions may take when they are compiled. 10,000 words of ten letters take 6 MiB.
const LARGEST: usize = 64 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(how: How, nocase: bool, patterns: &[&str]) -> Texts {
        Texts::new(how, nocase, patterns.iter().map(|&p| p.into()).collect()).unwrap()
    }

    #[test]
    fn patterns_match_as_haproxys_do() {
        use How::{Directory, Exact, Prefix, Regex, Substring, Suffix};
        for (how, patterns, matching, others) in [
            (Exact, &["/a", "/b"][..], &["/a", "/b"][..], &["/", "/ab", "", "/A"][..]),
            (Prefix, &["/api/", "/v1"], &["/api/", "/api/x", "/v12"], &["/api", "/v", "", "x/api/"]),
            (Suffix, &[".php", "/"], &[".php", "/x.php", "/"], &[".PHP", ".php.", ""]),
            (Substring, &["adm", "+."], &["adm", "xadmx", "a+.b"], &["ad", "a+b", ""]),
            (
                Directory,
                &["/admin/", "a/b"],
                &["/admin", "/x/admin/y", "admin", "/a/b", "x/a/b/c"],
                &["/administer", "/a/bc", "/b"],
            ),
            (Regex, &["^/[0-9]+$", "x|y"], &["/12", "axb", "y"], &["/12a", "", "/1/"]),
        ] {
            let set = texts(how, false, patterns);
            for text in matching {
                assert!(set.matches(text.as_bytes()), "{text:?} {how} one of {patterns:?}");
            }
            for text in others {
                assert!(!set.matches(text.as_bytes()), "{text:?} {how} none of {patterns:?}");
            }
            let upper: Vec<String> = matching.iter().map(|t| t.to_ascii_uppercase()).collect();
            let nocase = texts(how, true, patterns);
            for text in &upper {
                assert!(nocase.matches(text.as_bytes()), "{text:?} {how} one of {patterns:?}");
            }
        }
    }

    #[test]
    fn bytes_need_not_be_text() {
        assert!(texts(How::Regex, false, &["^.x$"]).matches(b"\xffx"));
        assert!(texts(How::Regex, false, &["a.b"]).matches(b"a\nb"));
        assert!(texts(How::Suffix, false, &["é"]).matches("café".as_bytes()));
        assert!(!texts(How::Regex, false, &["a"]).matches(b"\xff"));
    }

    #[test]
    fn no_pattern_matches_nothing() {
        for how in [How::Exact, How::Prefix, How::Suffix, How::Substring, How::Directory, How::Regex] {
            assert!(!texts(how, false, &[]).matches(b""), "{how}");
        }
    }

    #[test]
    fn wrong_expressions_are_told() {
        let error = |pattern: &str| Texts::check(How::Regex, pattern).unwrap_err().to_string();
        assert_eq!(error("a("), "unclosed group");
        assert_eq!(error("a{1000}{1000}{1000}"), "takes more than 64 MiB");
        assert_eq!(error(r"(a)\1"), "backreferences are not supported");
        assert!(
            Texts::new(How::Regex, false, vec!["a)".into(), "(b".into()]).is_err(),
            "each is one by itself"
        );
        assert!(Texts::check(How::Substring, "a(").is_ok());
    }

    #[test]
    fn many_are_found() {
        let names: Vec<Box<str>> = (0..10_000).map(|i| format!("/part-{i}/").into()).collect();
        for how in [How::Exact, How::Prefix, How::Suffix, How::Substring, How::Directory] {
            let set = Texts::new(how, false, names.clone()).unwrap();
            assert!(set.matches(b"/part-9999/") && !set.matches(b"/part-10000/"), "{how}");
        }
    }
}
