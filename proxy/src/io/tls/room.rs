//! Room that all TLS streams of a thread share: each uses it while it is polled, and no longer.

use std::cell::RefCell;
use std::io;

use super::Backlog;

thread_local! {
    pub(super) static ROOM: RefCell<Room> = RefCell::new(Room::new());
}

/// Room for records coming in and going out.
pub(super) struct Room {
    input: Box<[u8]>,
    output: Vec<u8>,
    /// Bytes of `output` in use.
    filled: usize,
    /// Where pieces of a message meet to become one record.
    join: Box<[u8]>,
}

impl Room {
    fn new() -> Self {
        Self {
            input: vec![0; INPUT].into(),
            output: vec![0; OUTPUT],
            filled: 0,
            join: vec![0; LONGEST_PLAIN].into(),
        }
    }

    /// Where to read records to, behind `held` bytes that are kept elsewhere: at least the rest of a record, and as much
    /// as whoever asks for `wanted` plain bytes can take.
    pub(super) fn space(&mut self, held: usize, wanted: usize) -> io::Result<&mut [u8]> {
        let end = (held + wanted.max(LONGEST_RECORD)).min(self.input.len());
        // The library takes no message that long.
        self.input
            .get_mut(held..end)
            .filter(|space| !space.is_empty())
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Moves what was kept to the front of what was read behind it.
    pub(super) fn prepend(&mut self, held: &mut Vec<u8>) {
        if let Some(front) = self.input.get_mut(..held.len()) {
            front.copy_from_slice(held);
        }
        held.clear();
    }

    /// What was read.
    pub(super) fn input(&mut self, total: usize) -> &mut [u8] {
        self.input.get_mut(..total).unwrap_or_default()
    }

    /// Starts to collect records: those of the backlog come first.
    pub(super) fn begin(&mut self, backlog: &mut Backlog) {
        let waiting = backlog.records.get(backlog.sent..).unwrap_or_default();
        self.filled = waiting.len();
        self.reserve(0);
        if let Some(front) = self.output.get_mut(..waiting.len()) {
            front.copy_from_slice(waiting);
        }
        *backlog = Backlog::default();
    }

    /// The records collected, from one byte on.
    pub(super) fn records(&self, from: usize) -> &[u8] {
        self.output.get(from..self.filled).unwrap_or_default()
    }

    /// The room left for records, at least `more` of it, and where pieces of one can meet.
    pub(super) fn for_records(&mut self, more: usize) -> (&mut [u8], &mut [u8]) {
        self.reserve(more);
        (self.output.get_mut(self.filled..).unwrap_or_default(), &mut self.join)
    }

    /// So many bytes of the room for records are used now.
    pub(super) fn used(&mut self, n: usize) {
        self.filled += n;
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.filled + more.max(LONGEST_RECORD);
        if needed > self.output.len() {
            self.output.resize(needed, 0);
        }
    }
}

/// RFC 8446 §5.1: plain bytes of one record.
pub(super) const LONGEST_PLAIN: usize = 1 << 14;

/// RFC 5246 §6.2.3: the longest record there is, with its header.
const LONGEST_RECORD: usize = LONGEST_PLAIN + 2048 + 5;

/// Plain bytes that become records in one go.
pub(super) const MOST_SEALED: usize = 4 * LONGEST_PLAIN;

/// A message of the handshake can be 64 KiB long and is kept until it is whole; beyond that, what is read in one go.
const INPUT: usize = 192 * 1024;

const OUTPUT: usize = MOST_SEALED + LONGEST_RECORD;
