//! What the node has last said: its own events, and what its proxy logs about requests. Kept in memory, whatever becomes
//! of it elsewhere.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use evenkeel_proxy::access_log::{Recent, UnixMillis, utc};
use serde::{Deserialize, Serialize};

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The node: states, failures, operators' wishes.
    Node,
    /// The proxy, about a request or a connection.
    Proxy,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who says it.
    pub source: Source,
    /// What.
    pub text: String,
}

/// Lines, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// In the order of their times.
    pub lines: Vec<LogLine>,
    /// Lines that were gone before anybody looked.
    pub missed: u64,
    /// What to ask for the ones after these.
    pub cursor: Cursor,
}

/// How far somebody has read. As text: three numbers with dots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cursor {
    /// The last line of the node.
    pub node: u64,
    /// Which worker the other number is about: its process id.
    pub worker: u64,
    /// The last line of that worker.
    pub proxy: u64,
}

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// What is behind this; `None`: whatever there is.
    pub after: Option<Cursor>,
    /// At most the last so many lines.
    pub most: usize,
}

/// Lines of one source, in order, and the number of its last one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The number of the first, the time, the text.
    pub lines: Vec<(u64, i64, String)>,
    /// The number of the last line there has been.
    pub last: u64,
}

impl Said {
    /// What is behind the line of that number: at most the last `most` lines.
    pub fn of(recent: &Recent, after: u64, most: usize) -> Self {
        let lines = recent.since(after, most).into_iter().map(|line| (line.number, line.at.0, line.text));
        Self { lines: lines.collect(), last: recent.last() }
    }
}

/// More is not asked for at once.
pub const MOST: usize = 1000;

impl Page {
    /// Both together: what the node has said, and what worker `worker` has, if one has answered.
    pub fn of(wanted: &Wanted, node: Said, worker: Option<(u64, Said)>) -> Self {
        let after = wanted.after.unwrap_or_default();
        let mut cursor = Cursor { node: node.last, ..after };
        let mut missed = 0;
        let mut lines = Vec::new();
        let mut take = |said: Said, source, from: u64| {
            let first = said.lines.first().map_or(said.last + 1, |(number, ..)| *number);
            // What is left out because only the last ones are wanted has not been missed.
            if wanted.after.is_some() && said.lines.len() < wanted.most && from <= said.last {
                missed += first.saturating_sub(from + 1);
            }
            lines.extend(said.lines.into_iter().map(|(_, at_ms, text)| LogLine { at_ms, source, text }));
        };
        take(node, Source::Node, after.node);
        if let Some((worker, said)) = worker {
            (cursor.worker, cursor.proxy) = (worker, said.last);
            take(said, Source::Proxy, after.of_worker(worker));
        }
        lines.sort_by_key(|line| line.at_ms);
        lines.drain(..lines.len().saturating_sub(wanted.most));
        Self { lines, missed, cursor }
    }
}

impl Cursor {
    /// How far this worker's lines have been read.
    pub fn of_worker(&self, worker: u64) -> u64 {
        if self.worker == worker { self.proxy } else { 0 }
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Node => "node ",
            Source::Proxy => "proxy",
        };
        write!(f, "{} {source} {}", utc(UnixMillis(self.at_ms)), self.text)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.node, self.worker, self.proxy)
    }
}

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` does not say how far somebody has read")]
pub struct NoCursor(String);

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let numbers: Result<Vec<u64>, _> = text.split('.').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[node, worker, proxy]) => Ok(Self { node, worker, proxy }),
            Ok(_) | Err(_) => Err(NoCursor(text.to_owned())),
        }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for Cursor {
    type Error = NoCursor;

    fn try_from(text: String) -> Result<Self, NoCursor> {
        text.parse()
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    // A clock before 1970 is not worth an error in a log.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(first: u64, lines: &[(i64, &str)]) -> Said {
        let all: Vec<_> = (first..).zip(lines).map(|(n, (at, text))| (n, *at, (*text).to_owned())).collect();
        Said { last: first + lines.len() as u64 - 1, lines: all }
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_of_both_come_in_the_order_of_their_times() {
        let wanted = Wanted { after: None, most: 10 };
        let page =
            Page::of(&wanted, said(1, &[(10, "a"), (30, "c")]), Some((7, said(5, &[(20, "b"), (40, "d")]))));
        assert_eq!(texts(&page), ["a", "b", "c", "d"]);
        assert_eq!(page.cursor, Cursor { node: 2, worker: 7, proxy: 6 });
        assert_eq!(page.missed, 0, "who has not looked before has missed nothing");
        let few =
            Page::of(&Wanted { most: 1, ..wanted }, said(1, &[(10, "a")]), Some((7, said(1, &[(9, "b")]))));
        assert_eq!(texts(&few), ["a"]);
        assert_eq!(page.lines[1].to_string(), "1970-01-01T00:00:00.020Z proxy b");
    }

    #[test]
    fn what_has_gone_is_told() {
        let after = Some(Cursor { node: 1, worker: 7, proxy: 4 });
        let wanted = Wanted { after, most: 10 };
        let page = Page::of(&wanted, said(2, &[(1, "a")]), Some((7, said(8, &[(2, "b")]))));
        assert_eq!(page.missed, 3);
        // Another worker begins anew, and one that does not answer leaves it to the next time.
        let page = Page::of(&wanted, Said { lines: vec![], last: 1 }, Some((8, said(1, &[(2, "b")]))));
        assert_eq!((page.missed, page.cursor), (0, Cursor { node: 1, worker: 8, proxy: 1 }));
        let page = Page::of(&wanted, Said { lines: vec![], last: 1 }, None);
        assert_eq!((page.missed, Some(page.cursor)), (0, after));
    }

    #[test]
    fn a_cursor_is_three_numbers() {
        let cursor = Cursor { node: 1, worker: 22, proxy: 333 };
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        for text in ["", "1.2", "1.2.3.4", "1.2.x", "-1.2.3"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
