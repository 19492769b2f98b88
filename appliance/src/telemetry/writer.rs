//! A bounded queue in front of standard error. When it is full, lines are dropped and counted, and the count is
//! written once there is room again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The thread that writes. Dropping it writes what is queued, for a bounded time.
#[derive(Debug)]
pub struct LogThread {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
    finished: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    Finish,
}

/// Hands each event to the queue as one line.
#[derive(Debug, Clone)]
pub(super) struct QueueWriter {
    queue: SyncSender<Item>,
    dropped: Arc<AtomicU64>,
}

/// One event being formatted; queued when dropped.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Vec<u8>,
    target: QueueWriter,
}

impl LogThread {
    pub(super) fn start() -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUED_LINES);
        let (done, finished) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("ek-log".into()).spawn(move || {
            write_lines(&lines, &counter, &mut io::stderr());
            // Nobody waiting for the end is fine: then the process is ending anyway.
            done.try_send(()).unwrap_or_default();
        })?;
        Ok(Self { queue, dropped, finished, thread: Some(thread) })
    }

    pub(super) fn writer(&self) -> QueueWriter {
        QueueWriter { queue: self.queue.clone(), dropped: Arc::clone(&self.dropped) }
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        let asked = self.queue.try_send(Item::Finish).is_ok();
        let done = asked && self.finished.recv_timeout(FLUSH_LIMIT) != Err(RecvTimeoutError::Timeout);
        if done && let Some(thread) = self.thread.take() {
            // The thread has sent its last message; a panic in it has already been printed.
            thread.join().unwrap_or_default();
        }
    }
}

impl<'a> MakeWriter<'a> for QueueWriter {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { bytes: Vec::with_capacity(256), target: self.clone() }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if !line.is_empty() && self.target.queue.try_send(Item::Line(line)).is_err() {
            self.target.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_lines(lines: &Receiver<Item>, dropped: &AtomicU64, out: &mut impl Write) {
    while let Ok(Item::Line(line)) = lines.recv() {
        let lost = dropped.swap(0, Ordering::Relaxed);
        let notice = if lost > 0 { format!("{lost} log lines dropped\n") } else { String::new() };
        // Standard error is the last place to complain to: a line it refuses is counted for the next notice.
        if out.write_all(notice.as_bytes()).and_then(|()| out.write_all(&line)).is_err() {
            dropped.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }
}

/// About 256 KiB of lines; a control plane that says more in a stall has nothing more to say.
const QUEUED_LINES: usize = 1024;
/// A stalled sink must not hold up the end of the process.
const FLUSH_LIMIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_counts_and_tells() {
        let (queue, lines) = sync_channel(2);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = QueueWriter { queue, dropped: Arc::clone(&dropped) };
        for n in 0..5 {
            writeln!(writer.make_writer(), "line {n}").unwrap();
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 3);
        drop(writer);
        let mut out = Vec::new();
        write_lines(&lines, &dropped, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "3 log lines dropped\nline 0\nline 1\n");
    }
}
