//! The last lines about requests and connections, for whoever looks at the node itself.

use super::UnixMillis;
use super::spool::{Batch, one_line};

/// Lines in the order in which they came, each with its number. **Capacity:** a fixed number of bytes, in two halves: when
/// one is full the other is begun anew. They are kept in the batches in which they come, so that a line costs its share of
/// one copy, and is looked for only when somebody asks.
#[derive(Debug)]
pub struct Recent {
    room: usize,
    older: Half,
    newer: Half,
    /// Lines that have gone.
    gone: u64,
}

/// Batches, each behind its time and its length.
#[derive(Debug, Default)]
struct Half {
    bytes: Vec<u8>,
    lines: u64,
}

/// A line that has been logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentLine {
    /// Its number, from 1.
    pub number: u64,
    /// When it came to the writer.
    pub at: UnixMillis,
    /// The line, without whatever a target puts before it.
    pub text: String,
}

impl Recent {
    /// With room for so many bytes of lines.
    pub fn new(room: usize) -> Self {
        Self { room: room / 2, older: Half::default(), newer: Half::default(), gone: 0 }
    }

    /// Takes a line.
    pub fn push(&mut self, at: UnixMillis, line: &[u8]) {
        self.push_batch(at, Batch::of(&one_line(line)), 1);
    }

    /// Takes a batch, of which so many entries are about requests and connections. Of one that is longer than there is
    /// room only the end is kept, and nothing before it.
    pub fn push_batch(&mut self, at: UnixMillis, batch: Batch<'_>, lines: u64) {
        let bytes = batch.bytes();
        if self.newer.bytes.len() + HEAD + bytes.len() <= self.room {
            return self.newer.push(at, bytes, lines);
        }
        std::mem::swap(&mut self.older, &mut self.newer);
        self.gone += self.newer.clear();
        let too_long = (HEAD + bytes.len()).saturating_sub(self.room);
        if too_long == 0 {
            return self.newer.push(at, bytes, lines);
        }
        let (end, lines_before) = batch.end_behind(too_long);
        self.gone += self.older.clear() + lines_before;
        self.newer.push(at, end.bytes(), lines - lines_before);
    }

    /// The number of the last line; 0 before the first.
    pub fn last(&self) -> u64 {
        self.gone + self.older.lines + self.newer.lines
    }

    /// At most the last `most` of the lines behind the one with the number `after`; of a number that no line has had yet,
    /// which is one of an earlier life, all.
    pub fn since(&self, after: u64, most: usize) -> Vec<RecentLine> {
        let after = if after > self.last() { 0 } else { after };
        let first = after.max(self.last().saturating_sub(most as u64));
        let all = self.older.iter().chain(self.newer.iter());
        let wanted = (self.gone + 1..).zip(all).filter(|(number, _)| *number > first);
        wanted
            .map(|(number, (at, line))| {
                let text = String::from_utf8_lossy(line).into_owned();
                RecentLine { number, at, text }
            })
            .collect()
    }
}

impl Half {
    fn push(&mut self, at: UnixMillis, batch: &[u8], lines: u64) {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&at.0.to_le_bytes());
        head[8..].copy_from_slice(&u32::try_from(batch.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(&head);
        self.bytes.extend_from_slice(batch);
        self.lines += lines;
    }

    /// Returns how many lines there were.
    fn clear(&mut self) -> u64 {
        self.bytes.clear();
        std::mem::take(&mut self.lines)
    }

    fn batches(&self) -> impl Iterator<Item = (UnixMillis, Batch<'_>)> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (at, behind) = rest.split_first_chunk()?;
            let (length, behind) = behind.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (batch, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some((UnixMillis(i64::from_le_bytes(*at)), Batch::of(batch)))
        })
    }

    fn iter(&self) -> impl Iterator<Item = (UnixMillis, &[u8])> {
        self.batches().flat_map(|(at, batch)| {
            let lines = batch.entries().filter(|entry| entry.is_access);
            lines.map(move |entry| (at, entry.line))
        })
    }
}

/// A time and a length.
const HEAD: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(recent: &Recent, after: u64, most: usize) -> Vec<(u64, String)> {
        recent.since(after, most).into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn the_oldest_go_and_numbers_stay() {
        // A line of four bytes in each half.
        let mut recent = Recent::new(2 * (HEAD + one_line(b"four").len()));
        assert_eq!((recent.last(), texts(&recent, 0, 9)), (0, vec![]));
        for line in ["one", "two", "four"] {
            recent.push(UnixMillis(7), line.as_bytes());
        }
        assert_eq!(texts(&recent, 0, 9), [(2, "two".into()), (3, "four".into())]);
        assert_eq!(texts(&recent, 0, 1), [(3, "four".into())]);
        assert_eq!(texts(&recent, 2, 9), [(3, "four".into())]);
        assert_eq!((texts(&recent, 3, 9), texts(&recent, 99, 1)), (vec![], vec![(3, "four".into())]));
        recent.push(UnixMillis(8), b"longer than there is room");
        assert_eq!((recent.last(), texts(&recent, 0, 9)), (4, vec![]));
        recent.push(UnixMillis(9), b"\xff");
        assert_eq!(texts(&recent, 0, 9), [(5, "\u{fffd}".into())]);
        assert_eq!(recent.since(0, 1)[0].at, UnixMillis(9));
    }

    #[test]
    fn of_a_batch_that_is_too_long_the_end_is_kept() {
        let mut recent = Recent::new(2 * (HEAD + 2 * one_line(b"four").len()));
        recent.push(UnixMillis(1), b"gone");
        let batch = ["fore", "then", "last"].map(|line| one_line(line.as_bytes())).concat();
        recent.push_batch(UnixMillis(2), Batch::of(&batch), 3);
        assert_eq!(texts(&recent, 0, 9), [(3, "then".into()), (4, "last".into())]);
        recent.push(UnixMillis(3), b"more");
        assert_eq!(texts(&recent, 3, 9), [(4, "last".into()), (5, "more".into())]);
    }
}
