//! Lines that a target has not taken yet.

use std::collections::VecDeque;

/// Lines waiting, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// Bytes at the front that are gone already.
    gone: usize,
    /// Lengths of the lines that are left.
    lines: VecDeque<usize>,
    /// How much of the first line has been taken.
    taken: usize,
    /// The line that was taken last was torn, and its rest is gone.
    cut: bool,
}

impl Queue {
    /// The bytes of the lines, without what has been taken.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.gone + self.taken..).unwrap_or_default()
    }

    /// The lines one by one. The first one may have been taken in part.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.get(self.gone..).unwrap_or_default();
        self.lines.iter().map(move |length| {
            let (line, behind) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = behind;
            line
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn push(&mut self, parts: &[&[u8]]) {
        // Moved up once it is as much that is gone as is left: each byte moves but once or twice.
        if self.gone > self.bytes.len() / 2 {
            self.bytes.drain(..self.gone);
            self.gone = 0;
        }
        let begin = self.bytes.len();
        if std::mem::take(&mut self.cut) {
            // The torn line before this one gets its end.
            self.bytes.push(b'\n');
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.lines.push_back(self.bytes.len() - begin);
    }

    /// Removes `count` bytes from the front. Returns how many lines ended in them.
    pub(super) fn take(&mut self, count: usize) -> u64 {
        self.taken += count;
        let mut ended = 0;
        while let Some(first) = self.lines.front().filter(|first| **first <= self.taken) {
            self.taken -= first;
            self.gone += first;
            self.lines.pop_front();
            ended += 1;
        }
        if self.lines.is_empty() {
            self.bytes.clear();
            (self.gone, self.taken) = (0, 0);
        }
        ended
    }

    /// Removes the first lines whole. Returns how many.
    pub(super) fn take_lines(&mut self, count: usize) -> u64 {
        self.take(self.lines.iter().take(count).sum())
    }

    /// The first line begins anew: who had taken a part of it has forgotten it.
    pub(super) fn begin_anew(&mut self) {
        self.taken = 0;
    }

    /// Forgets all lines. Returns how many.
    pub(super) fn clear(&mut self) -> u64 {
        let lines = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        self.cut |= self.taken > 0;
        self.bytes.clear();
        (self.gone, self.taken) = (0, 0);
        self.lines.clear();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Queue {
        let mut queue = Queue::default();
        lines.iter().for_each(|line| queue.push(&[line.as_bytes(), b"\n"]));
        queue
    }

    #[test]
    fn lines_end_when_all_of_them_is_taken() {
        let mut queue = of(&["one", "two", "three"]);
        assert_eq!((queue.take(3), queue.waiting()), (0, &b"\ntwo\nthree\n"[..]));
        assert_eq!((queue.take(6), queue.waiting(), queue.len()), (2, &b"hree\n"[..], 1));
        queue.push(&[b"four"]);
        assert_eq!(queue.lines().collect::<Vec<_>>(), [&b"three\n"[..], b"four"]);
        assert_eq!((queue.take(9), queue.waiting(), queue.len()), (2, &b""[..], 0));
    }

    #[test]
    fn a_torn_line_gets_an_end_or_begins_anew() {
        let mut queue = of(&["one", "two"]);
        assert_eq!(queue.take(2), 0);
        queue.begin_anew();
        assert_eq!(queue.waiting(), b"one\ntwo\n");
        assert_eq!(queue.take(2), 0);
        assert_eq!(queue.clear(), 2);
        queue.push(&[b"next\n"]);
        assert_eq!(queue.waiting(), b"\nnext\n");
        assert_eq!(queue.take(6), 1);
        assert_eq!(queue.take_lines(3), 0);
        let mut queue = of(&["one", "two", "three"]);
        assert_eq!((queue.take_lines(2), queue.waiting()), (2, &b"three\n"[..]));
    }
}
