//! The last lines about requests and connections, for whoever looks at the node itself.

use std::collections::VecDeque;

use super::UnixMillis;

/// Lines in the order in which they came, each with its number. **Capacity:** a fixed number of bytes; the oldest go.
#[derive(Debug)]
pub struct Recent {
    room: usize,
    bytes: VecDeque<u8>,
    lines: VecDeque<(UnixMillis, usize)>,
    /// Lines that have gone.
    gone: u64,
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
        Self { room, bytes: VecDeque::new(), lines: VecDeque::new(), gone: 0 }
    }

    /// Takes a line. One that is longer than there is room is not kept, but counted.
    pub fn push(&mut self, at: UnixMillis, line: &[u8]) {
        while self.bytes.len() + line.len() > self.room
            && let Some((_, length)) = self.lines.pop_front()
        {
            self.bytes.drain(..length);
            self.gone += 1;
        }
        if line.len() > self.room {
            self.gone += 1;
            return;
        }
        self.bytes.extend(line);
        self.lines.push_back((at, line.len()));
    }

    /// The number of the last line; 0 before the first.
    pub fn last(&self) -> u64 {
        self.gone + self.lines.len() as u64
    }

    /// At most the last `most` of the lines behind the one with the number `after`.
    pub fn since(&self, after: u64, most: usize) -> Vec<RecentLine> {
        let first = after.max(self.gone).max(self.last().saturating_sub(most as u64));
        let skipped = usize::try_from(first - self.gone).unwrap_or(usize::MAX);
        let mut start: usize = self.lines.iter().take(skipped).map(|(_, length)| length).sum();
        let mut all = Vec::new();
        for (number, (at, length)) in (first + 1..).zip(self.lines.iter().skip(skipped)) {
            let bytes: Vec<u8> = self.bytes.range(start..start + length).copied().collect();
            start += length;
            all.push(RecentLine { number, at: *at, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(recent: &Recent, after: u64, most: usize) -> Vec<(u64, String)> {
        recent.since(after, most).into_iter().map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn the_oldest_go_and_numbers_stay() {
        let mut recent = Recent::new(10);
        assert_eq!((recent.last(), texts(&recent, 0, 9)), (0, vec![]));
        for line in ["one", "two", "three"] {
            recent.push(UnixMillis(7), line.as_bytes());
        }
        assert_eq!(texts(&recent, 0, 9), [(2, "two".into()), (3, "three".into())]);
        assert_eq!(texts(&recent, 0, 1), [(3, "three".into())]);
        assert_eq!(texts(&recent, 2, 9), [(3, "three".into())]);
        assert_eq!((texts(&recent, 3, 9), texts(&recent, 99, 9)), (vec![], vec![]));
        recent.push(UnixMillis(8), b"longer than there is room");
        assert_eq!((recent.last(), texts(&recent, 0, 9)), (4, vec![]));
        recent.push(UnixMillis(9), b"\xff");
        assert_eq!(texts(&recent, 0, 9), [(5, "\u{fffd}".into())]);
    }
}
