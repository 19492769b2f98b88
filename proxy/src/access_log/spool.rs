//! The way of a line from a data thread to the thread that writes it: bounded, batched, and never waited for.
//!
//! Each logger has two buffers behind one lock each. The writer takes one lock at a time and only to swap the buffer
//! out, so the logger, which only ever *tries* a lock, finds one of the two free. It stays with a buffer until it meets
//! the writer there, so that no line is overtaken: what is in that buffer then is on its way out. The writer is woken only if it said
//! that it sleeps; while it works or lingers, a line costs the producer no system call.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::admission::{AdmissionRecord, admission};
use super::clients::Clients;
use super::date::{Calendar, UtcOffset};
use super::escape::{Place, push_hash_escaped};
use super::format::{Format, Host};
use super::record::AccessRecord;
use super::target::Level;
use super::{httplog, journal, json, tcplog};
use crate::plan::{LogFormat, LogTargetId};

/// A thread's way to the log. It can move to a thread, but not be shared by two.
#[derive(Debug)]
pub struct Logger {
    /// `None`: nothing is logged.
    way: Option<(Arc<Spools>, Arc<Spool>)>,
    draft: RefCell<Draft>,
    one_thread: PhantomData<Cell<()>>,
}

/// What an entry is written with.
#[derive(Debug)]
struct Draft {
    /// Kept for its capacity.
    entry: Vec<u8>,
    known: Known,
    /// Of its buffers, the one that gets the entry.
    half: Half,
}

/// What is the same in many lines.
#[derive(Debug)]
struct Known {
    calendar: Calendar,
    clients: Clients,
}

impl Default for Draft {
    fn default() -> Self {
        let known = Known { calendar: Calendar::new(UtcOffset(0)), clients: Clients::default() };
        Self { entry: Vec::new(), known, half: Half::First }
    }
}

impl Logger {
    /// A logger whose lines go nowhere.
    pub fn disabled() -> Self {
        Self { way: None, draft: RefCell::default(), one_thread: PhantomData }
    }

    /// Hands an access line over to `targets`. Never blocks; a line that finds no room is dropped and counted.
    #[inline]
    pub fn log(&self, targets: &[LogTargetId], manner: Manner<'_>, record: &AccessRecord<'_>) {
        self.hand_over(targets, manner.level, Kind::Access, |out, Known { calendar, clients }, host| {
            let fields = out.len();
            if manner.fields == Fields::Wanted {
                journal::fields(out, record);
            }
            let line = out.len();
            match manner.format {
                LogFormat::Httplog => httplog(out, record, calendar, clients),
                LogFormat::Tcplog => tcplog(out, record, calendar, clients),
                LogFormat::Json => json(out, record, calendar.offset()),
                LogFormat::Custom(format) => format.write(out, record, calendar, host),
            }
            line - fields
        });
    }

    /// Writes what `format` makes of a record, for something else than a line.
    pub fn write(&self, out: &mut Vec<u8>, format: &Format, record: &AccessRecord<'_>) {
        let Ok(mut draft) = self.draft.try_borrow_mut() else { return };
        match &self.way {
            Some((spools, _)) => {
                draft.known.calendar.set_offset(UtcOffset(spools.offset_s.load(Ordering::Relaxed)));
                format.write(out, record, &mut draft.known.calendar, &spools.host);
            }
            None => format.write(out, record, &mut draft.known.calendar, &Host::default()),
        }
    }

    /// A number that no other request of this process has.
    pub fn next_number(&self) -> u32 {
        self.way.as_ref().map_or(0, |(spools, _)| spools.numbers.fetch_add(1, Ordering::Relaxed))
    }

    /// Hands over the line about a connection that came to nothing.
    pub fn admission(&self, targets: &[LogTargetId], level: Level, record: &AdmissionRecord<'_>) {
        self.hand_over(targets, level, Kind::Access, |out, known, _| {
            admission(out, record, known.calendar.offset());
            0
        });
    }

    /// Hands any other line over, such as a server's change of state. What is not printable is escaped.
    pub fn event(&self, targets: &[LogTargetId], level: Level, text: &str) {
        self.hand_over(targets, level, Kind::Event, |out, _, _| {
            push_hash_escaped(out, text.as_bytes(), Place::Free);
            0
        });
    }

    /// `write` returns how many bytes of fields it has written before the line.
    fn hand_over(
        &self,
        targets: &[LogTargetId],
        level: Level,
        kind: Kind,
        write: impl FnOnce(&mut Vec<u8>, &mut Known, &Host) -> usize,
    ) {
        let Some((spools, spool)) = &self.way else { return };
        // Only a formatter that logs could hold the buffer already, and there is none.
        let Ok(mut draft) = self.draft.try_borrow_mut() else { return };
        if targets.is_empty() {
            return;
        }
        let Draft { entry, known, half } = &mut *draft;
        entry.clear();
        known.calendar.set_offset(UtcOffset(spools.offset_s.load(Ordering::Relaxed)));
        let head = begin_entry(entry, targets, level, kind);
        let fields = write(entry, known, &spools.host);
        end_entry(entry, head, fields);
        spool.push(entry, half, spools.capacity_bytes);
        spools.wake();
    }
}

/// How an access line is written.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// What it looks like.
    pub format: &'a LogFormat,
    /// How urgent it is.
    pub level: Level,
    /// What goes with it.
    pub fields: Fields,
}

/// What is known of a request in fields of its own, for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// Nobody takes them.
    None,
    /// They are written.
    Wanted,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A request or connection.
    Access,
    /// Something else.
    Event,
}

impl Drop for Logger {
    fn drop(&mut self) {
        if let Some((_, spool)) = &self.way {
            spool.abandoned.store(true, Ordering::Release);
        }
    }
}

/// What all loggers and the writer have in common.
#[derive(Debug)]
pub struct Spools {
    spools: Mutex<Vec<Arc<Spool>>>,
    capacity_bytes: usize,
    /// The writer sleeps until it is woken.
    asleep: AtomicBool,
    waker: Waker,
    offset_s: AtomicI32,
    /// Lines dropped by loggers that are gone.
    dropped_before: AtomicU64,
    host: Host,
    /// The next number of a request that wants one.
    numbers: AtomicU32,
}

impl Spools {
    /// No loggers yet. Each will hold at most twice `capacity_bytes`; `waker` ends the writer's sleep.
    pub fn new(capacity_bytes: usize, waker: Waker) -> Self {
        Self {
            spools: Mutex::default(),
            capacity_bytes,
            asleep: AtomicBool::new(false),
            waker,
            offset_s: AtomicI32::new(0),
            dropped_before: AtomicU64::new(0),
            host: Host::default(),
            numbers: AtomicU32::new(0),
        }
    }

    /// The same in lines of this process.
    #[must_use]
    pub fn of_host(self, host: Host) -> Self {
        Self { host, ..self }
    }

    /// A logger for one thread.
    pub fn logger(self: &Arc<Self>) -> Logger {
        let spool = Arc::new(Spool::default());
        lock(&self.spools).push(Arc::clone(&spool));
        Logger { way: Some((Arc::clone(self), spool)), draft: RefCell::default(), one_thread: PhantomData }
    }

    /// Sets what local time is ahead of UTC in lines written from now on.
    pub fn set_offset(&self, offset: UtcOffset) {
        self.offset_s.store(offset.0, Ordering::Relaxed);
    }

    /// Lines that found no room.
    pub fn dropped(&self) -> u64 {
        let present = lock(&self.spools).iter().map(|s| s.dropped.load(Ordering::Relaxed)).sum::<u64>();
        present + self.dropped_before.load(Ordering::Relaxed)
    }

    /// Writer: takes all lines and gives them to `each`, oldest first per logger, in the batches in which they were.
    /// `scratch` is swapped with the loggers' buffers, so that nobody allocates in the long run.
    pub fn drain(&self, scratch: &mut Vec<u8>, mut each: impl FnMut(Batch<'_>)) {
        let mut spools = lock(&self.spools);
        for spool in spools.iter() {
            // A line that comes after this is seen in the next round at the latest.
            if !spool.filled.swap(false, Ordering::AcqRel) {
                continue;
            }
            for half in &spool.halves {
                scratch.clear();
                std::mem::swap(&mut *lock(half), scratch);
                if !scratch.is_empty() {
                    each(Batch(scratch));
                }
            }
        }
        spools.retain(|spool| {
            let gone = spool.abandoned.load(Ordering::Acquire) && spool.is_empty();
            if gone {
                self.dropped_before.fetch_add(spool.dropped.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            !gone
        });
    }

    /// Writer: announces that it is about to sleep. If a line came in meanwhile it must not: returns false.
    pub fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`: either this thread sees the line, or the logger sees the sleeper.
        fence(Ordering::SeqCst);
        let nothing = lock(&self.spools).iter().all(|s| s.is_empty());
        if !nothing {
            self.asleep.store(false, Ordering::Relaxed);
        }
        nothing
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.waker.wake_by_ref();
        }
    }
}

/// Buffers of one logger.
#[derive(Debug, Default)]
struct Spool {
    halves: [Mutex<Vec<u8>>; 2],
    /// Lines have come since the writer last began to look. So that it need not lock a buffer without emptying it.
    filled: AtomicBool,
    dropped: AtomicU64,
    /// The logger is gone; what it left is still written.
    abandoned: AtomicBool,
}

impl Spool {
    fn push(&self, entry: &[u8], half: &mut Half, capacity_bytes: usize) {
        // The writer may just move on from one to the other.
        for _ in 0..TRIES {
            let Ok(mut bytes) = self.half(*half).try_lock() else {
                *half = half.other();
                continue;
            };
            if bytes.len() + entry.len() <= capacity_bytes {
                bytes.extend_from_slice(entry);
                drop(bytes);
                return self.filled.store(true, Ordering::Release);
            }
            break;
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn half(&self, half: Half) -> &Mutex<Vec<u8>> {
        let [first, second] = &self.halves;
        match half {
            Half::First => first,
            Half::Second => second,
        }
    }

    fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::Acquire)
    }
}

/// One of a logger's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    First,
    Second,
}

impl Half {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// One line as the writer finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Urgency, to be compared with a target's.
    pub level: Level,
    /// It is about a request or connection.
    pub is_access: bool,
    /// The line, without a line end.
    pub line: &'a [u8],
    /// Fields of the journal, each with a line end.
    pub fields: &'a [u8],
    /// Pairs of little-endian bytes.
    targets: &'a [u8],
}

impl Entry<'_> {
    /// Where the line is to go.
    pub fn targets(&self) -> impl Iterator<Item = LogTargetId> {
        self.targets.as_chunks().0.iter().map(|pair| LogTargetId(u16::from_le_bytes(*pair)))
    }
}

/// What one logger has left in one buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a>(&'a [u8]);

impl<'a> Batch<'a> {
    /// Of bytes that [`Batch::bytes`] gave.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// To be kept.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its lines, oldest first.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        Entries(self.0)
    }

    /// What is left of it without the entries that lie in its first bytes, and how many access lines those are.
    pub(super) fn end_behind(self, bytes: usize) -> (Self, u64) {
        let (mut entries, mut lines) = (Entries(self.0), 0);
        while self.0.len() - entries.0.len() < bytes {
            let Some(entry) = entries.next() else { return (Self(&[]), lines) };
            lines += u64::from(entry.is_access);
        }
        (Self(entries.0), lines)
    }
}

/// Entries of a buffer. An entry is its level, the number of its targets, the length of line and fields together, that of the
/// fields, the targets, the fields and the line.
struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (&[level, count, a, b, c, d, e, f], rest) = self.0.split_first_chunk::<HEAD_BYTES>()?;
        let (targets, rest) = rest.split_at_checked(usize::from(count) * 2)?;
        let bytes = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let (text, rest) = rest.split_at_checked(bytes)?;
        let (fields, line) = text.split_at_checked(u16::from_le_bytes([e, f]).into())?;
        self.0 = rest;
        let is_access = level & ACCESS != 0;
        Some(Entry { level: Level::numbered(level & !ACCESS)?, is_access, line, fields, targets })
    }
}

/// An access line as an entry that goes nowhere.
pub(super) fn one_line(line: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(HEAD_BYTES + line.len());
    let head = begin_entry(&mut entry, &[], Level::Info, Kind::Access);
    entry.extend_from_slice(line);
    end_entry(&mut entry, head, 0);
    entry
}

/// Writes all but the lengths. Returns where the text begins.
fn begin_entry(out: &mut Vec<u8>, targets: &[LogTargetId], level: Level, kind: Kind) -> usize {
    let count = u8::try_from(targets.len()).unwrap_or(u8::MAX);
    let kind = if kind == Kind::Event { 0 } else { ACCESS };
    out.extend_from_slice(&[level as u8 | kind, count, 0, 0, 0, 0, 0, 0]);
    for target in targets.iter().take(count.into()) {
        out.extend_from_slice(&target.0.to_le_bytes());
    }
    out.len()
}

fn end_entry(out: &mut [u8], start: usize, fields: usize) {
    let [a, b, c, d] = u32::try_from(out.len() - start).unwrap_or(u32::MAX).to_le_bytes();
    // Fields are bounded, as what they show is.
    let [e, f] = u16::try_from(fields).unwrap_or(u16::MAX).to_le_bytes();
    if let Some(lengths) = out.get_mut(2..HEAD_BYTES) {
        lengths.copy_from_slice(&[a, b, c, d, e, f]);
    }
}

/// The buffers are plain bytes appended in one step, so a panic of another holder leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const HEAD_BYTES: usize = 8;

/// In the byte of the level: the entry is about a request or connection.
const ACCESS: u8 = 0x80;

/// How often a logger looks for a free buffer.
const TRIES: u32 = 3;
