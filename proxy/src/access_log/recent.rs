//! The last lines about requests and connections, for whoever looks at the node itself.

use super::UnixMillis;

/// Lines in the order in which they came, each with its number. **Capacity:** a fixed number of bytes, in two halves: when
/// one is full the other is begun anew, so that a line costs little more than its copy.
#[derive(Debug)]
pub struct Recent {
    room: usize,
    older: Half,
    newer: Half,
    /// Lines that have gone.
    gone: u64,
}

/// Lines, each behind its time and its length.
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

    /// Takes a line. One that is longer than there is room is not kept, but counted, and so are those before it.
    #[inline]
    pub fn push(&mut self, at: UnixMillis, line: &[u8]) {
        if self.newer.bytes.len() + HEAD + line.len() > self.room && !self.turn(line) {
            return;
        }
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&at.0.to_le_bytes());
        head[8..].copy_from_slice(&u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.newer.bytes.extend_from_slice(&head);
        self.newer.bytes.extend_from_slice(line);
        self.newer.lines += 1;
    }

    /// The newer half is full. Whether the line has room in another.
    #[cold]
    fn turn(&mut self, line: &[u8]) -> bool {
        std::mem::swap(&mut self.older, &mut self.newer);
        self.gone += std::mem::take(&mut self.newer.lines);
        self.newer.bytes.clear();
        let has_room = HEAD + line.len() <= self.room;
        if !has_room {
            self.gone += std::mem::take(&mut self.older.lines) + 1;
            self.older.bytes.clear();
        }
        has_room
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
    fn iter(&self) -> impl Iterator<Item = (UnixMillis, &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (at, behind) = rest.split_first_chunk()?;
            let (length, behind) = behind.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (line, behind) = behind.split_at_checked(length)?;
            rest = behind;
            Some((UnixMillis(i64::from_le_bytes(*at)), line))
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
        let mut recent = Recent::new(32);
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
}
