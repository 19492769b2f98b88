//! Lua's patterns (Lua 5.4 §6.4.1). Those of the C library cannot be stopped, and some take longer than anybody waits.

use super::watch::Watch;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PatternError {
    /// The pattern is none.
    Malformed(String),
    /// It takes too long.
    Late,
}

type Found<T> = Result<T, PatternError>;

/// What a part in parentheses has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    /// A position, from 1.
    Position(usize),
    /// From, and up to.
    Text(usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Open,
    Position,
    Known(usize),
}

/// A pattern and a text.
pub(super) struct Matching<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    watch: &'a Watch,
    captures: Vec<(usize, Length)>,
    depth: usize,
    steps: u32,
}

impl<'a> Matching<'a> {
    pub(super) fn new(text: &'a [u8], pattern: &'a [u8], watch: &'a Watch) -> Self {
        Self { text, pattern, watch, captures: Vec::new(), depth: 0, steps: 0 }
    }

    /// Where the text from `at` on that matches the pattern ends, if it does.
    pub(super) fn at(&mut self, at: usize) -> Found<Option<usize>> {
        self.captures.clear();
        self.depth = 0;
        self.matches(at, 0)
    }

    /// What it has found; of a pattern without parentheses all of it, if `whole` says what that is.
    pub(super) fn captures(&self, whole: Option<(usize, usize)>) -> Found<Vec<Capture>> {
        if self.captures.is_empty() {
            return Ok(whole.map(|(from, to)| Capture::Text(from, to)).into_iter().collect());
        }
        (0..self.captures.len()).map(|at| self.capture(at)).collect()
    }

    /// One of them, from 0. Of a pattern without parentheses there is one: all of it.
    pub(super) fn capture_or_whole(&self, at: usize, (from, to): (usize, usize)) -> Found<Capture> {
        if at == 0 && self.captures.is_empty() {
            return Ok(Capture::Text(from, to));
        }
        self.capture(at)
    }

    fn capture(&self, at: usize) -> Found<Capture> {
        match self.captures.get(at) {
            Some((from, Length::Position)) => Ok(Capture::Position(from + 1)),
            Some((from, Length::Known(length))) => Ok(Capture::Text(*from, from + length)),
            Some((_, Length::Open)) => malformed("unfinished capture"),
            None => malformed(&format!("invalid capture index %{}", at + 1)),
        }
    }

    fn matches(&mut self, at: usize, pattern: usize) -> Found<Option<usize>> {
        if self.depth == DEEPEST {
            return malformed("pattern too complex");
        }
        self.depth += 1;
        let found = self.go_on(at, pattern);
        self.depth -= 1;
        found
    }

    fn go_on(&mut self, mut at: usize, mut pattern: usize) -> Found<Option<usize>> {
        loop {
            self.step()?;
            let next = self.pattern.get(pattern + 1).copied();
            match (self.pattern.get(pattern), next) {
                (None, _) => return Ok(Some(at)),
                (Some(b'('), Some(b')')) => return self.open(at, pattern + 2, Length::Position),
                (Some(b'('), _) => return self.open(at, pattern + 1, Length::Open),
                (Some(b')'), _) => return self.close(at, pattern + 1),
                (Some(b'$'), None) => return Ok((at == self.text.len()).then_some(at)),
                (Some(b'%'), Some(b'b')) => match self.balance(at, pattern + 2)? {
                    Some(end) => (at, pattern) = (end, pattern + 4),
                    None => return Ok(None),
                },
                (Some(b'%'), Some(b'f')) => match self.frontier(at, pattern + 2)? {
                    Some(behind) => pattern = behind,
                    None => return Ok(None),
                },
                (Some(b'%'), Some(digit @ b'0'..=b'9')) => match self.again(at, digit)? {
                    Some(end) => (at, pattern) = (end, pattern + 2),
                    None => return Ok(None),
                },
                _ => {
                    let behind = self.class_end(pattern)?;
                    let one = self.one(at, pattern, behind);
                    match (self.pattern.get(behind), one) {
                        (Some(b'?'), true) => match self.matches(at + 1, behind + 1)? {
                            Some(end) => return Ok(Some(end)),
                            None => pattern = behind + 1,
                        },
                        (Some(b'+'), true) => return self.most(at + 1, pattern, behind),
                        (Some(b'*'), true) => return self.most(at, pattern, behind),
                        (Some(b'-'), true) => return self.least(at, pattern, behind),
                        (Some(b'?' | b'*' | b'-'), false) => pattern = behind + 1,
                        (_, true) => (at, pattern) = (at + 1, behind),
                        (_, false) => return Ok(None),
                    }
                }
            }
        }
    }

    /// Looks at the clock now and then.
    fn step(&mut self) -> Found<()> {
        self.steps = self.steps.wrapping_add(1);
        let is_due = self.steps.is_multiple_of(STEPS);
        if is_due && self.watch.look() { Err(PatternError::Late) } else { Ok(()) }
    }

    fn open(&mut self, at: usize, pattern: usize, length: Length) -> Found<Option<usize>> {
        if self.captures.len() == MOST_CAPTURES {
            return malformed("too many captures");
        }
        self.captures.push((at, length));
        let found = self.matches(at, pattern)?;
        if found.is_none() {
            self.captures.pop();
        }
        Ok(found)
    }

    fn close(&mut self, at: usize, pattern: usize) -> Found<Option<usize>> {
        let Some(last) = self.captures.iter().rposition(|(_, length)| *length == Length::Open) else {
            return malformed("invalid pattern capture");
        };
        if let Some((from, length)) = self.captures.get_mut(last) {
            *length = Length::Known(at - *from);
        }
        let found = self.matches(at, pattern)?;
        if let (None, Some((_, length))) = (found, self.captures.get_mut(last)) {
            *length = Length::Open;
        }
        Ok(found)
    }

    fn balance(&mut self, at: usize, pattern: usize) -> Found<Option<usize>> {
        let Some([begin, end]) = self.pattern.get(pattern..pattern + 2) else {
            return malformed("malformed pattern (missing arguments to '%b')");
        };
        let (begin, end) = (*begin, *end);
        if self.text.get(at) != Some(&begin) {
            return Ok(None);
        }
        let mut depth = 1;
        for position in at + 1..self.text.len() {
            self.step()?;
            let byte = self.text.get(position).copied();
            if byte == Some(end) {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(position + 1));
                }
            } else if byte == Some(begin) {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// Where the pattern goes on if a set begins here.
    fn frontier(&self, at: usize, pattern: usize) -> Found<Option<usize>> {
        if self.pattern.get(pattern) != Some(&b'[') {
            return malformed("missing '[' after '%f' in pattern");
        }
        let behind = self.class_end(pattern)?;
        let before = at.checked_sub(1).and_then(|at| self.text.get(at)).copied().unwrap_or(0);
        let here = self.text.get(at).copied().unwrap_or(0);
        let begins =
            !self.is_in_set(before, pattern, behind - 1) && self.is_in_set(here, pattern, behind - 1);
        Ok(begins.then_some(behind))
    }

    /// The text of an earlier part once more.
    fn again(&self, at: usize, digit: u8) -> Found<Option<usize>> {
        let part = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|part| self.captures.get(part));
        let Some((from, Length::Known(length))) = part else {
            return malformed(&format!("invalid capture index %{}", digit as char));
        };
        let same = self.text.get(*from..from + length);
        let here = self.text.get(at..at + length);
        Ok((here.is_some() && here == same).then_some(at + length))
    }

    fn most(&mut self, at: usize, pattern: usize, behind: usize) -> Found<Option<usize>> {
        let mut end = at;
        while self.one(end, pattern, behind) {
            self.step()?;
            end += 1;
        }
        loop {
            let found = self.matches(end, behind + 1)?;
            if found.is_some() || end == at {
                return Ok(found);
            }
            end -= 1;
        }
    }

    fn least(&mut self, mut at: usize, pattern: usize, behind: usize) -> Found<Option<usize>> {
        loop {
            let found = self.matches(at, behind + 1)?;
            if found.is_some() || !self.one(at, pattern, behind) {
                return Ok(found);
            }
            at += 1;
        }
    }

    /// Where the description of one character ends.
    fn class_end(&self, mut pattern: usize) -> Found<usize> {
        let first = self.pattern.get(pattern);
        pattern += 1;
        match first {
            Some(b'%') if self.pattern.len() == pattern => malformed("malformed pattern (ends with '%')"),
            Some(b'%') => Ok(pattern + 1),
            Some(b'[') => {
                if self.pattern.get(pattern) == Some(&b'^') {
                    pattern += 1;
                }
                loop {
                    match self.pattern.get(pattern) {
                        None => return malformed("malformed pattern (missing ']')"),
                        Some(b'%') => pattern += 1 + usize::from(pattern + 1 < self.pattern.len()),
                        Some(_) => pattern += 1,
                    }
                    if self.pattern.get(pattern) == Some(&b']') {
                        return Ok(pattern + 1);
                    }
                }
            }
            _ => Ok(pattern),
        }
    }

    /// Whether there is a character here, and one of those that are described.
    fn one(&self, at: usize, pattern: usize, behind: usize) -> bool {
        let Some(byte) = self.text.get(at).copied() else { return false };
        match self.pattern.get(pattern) {
            Some(b'.') => true,
            Some(b'%') => self.pattern.get(pattern + 1).is_some_and(|class| is_of(byte, *class)),
            Some(b'[') => self.is_in_set(byte, pattern, behind - 1),
            other => other == Some(&byte),
        }
    }

    /// `last` is where the bracket closes.
    fn is_in_set(&self, byte: u8, pattern: usize, last: usize) -> bool {
        let set = self.pattern.get(pattern + 1..last).unwrap_or_default();
        let (set, wanted) = set.strip_prefix(b"^").map_or((set, true), |rest| (rest, false));
        let mut rest = set;
        loop {
            rest = match rest {
                [] => return !wanted,
                [b'%', class, rest @ ..] => {
                    if is_of(byte, *class) {
                        return wanted;
                    }
                    rest
                }
                [from, b'-', to, rest @ ..] => {
                    if (*from..=*to).contains(&byte) {
                        return wanted;
                    }
                    rest
                }
                [own, rest @ ..] => {
                    if *own == byte {
                        return wanted;
                    }
                    rest
                }
            };
        }
    }
}

/// Whether a pattern is a plain text.
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

fn is_of(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}

fn malformed<T>(why: &str) -> Found<T> {
    Err(PatternError::Malformed(why.to_owned()))
}

/// As Lua's `LUA_MAXCAPTURES`.
const MOST_CAPTURES: usize = 32;

/// As Lua's `MAXCCALLS`.
const DEEPEST: usize = 200;

/// Some ten microseconds.
const STEPS: u32 = 4096;
