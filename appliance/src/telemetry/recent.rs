//! The last lines of this process, kept for whoever asks.

use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use evenkeel_proxy::access_log::{Recent, UnixMillis};
use tracing_subscriber::fmt::MakeWriter;

use crate::logs::{Said, now_ms};

static RECENT: LazyLock<Mutex<Recent>> = LazyLock::new(|| Mutex::new(Recent::new(ROOM)));

/// What this process has said behind the line of that number: at most the last `most` lines.
pub fn said_since(after: u64, most: usize) -> Said {
    Said::of(&lock(), after, most)
}

/// Keeps each event as one line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep;

/// One event being formatted; kept when dropped.
#[derive(Debug)]
pub(super) struct Line(Vec<u8>);

impl MakeWriter<'_> for Keep {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(Vec::with_capacity(256))
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = self.0.trim_ascii();
        if !line.is_empty() {
            lock().push(UnixMillis(now_ms()), line);
        }
    }
}

fn lock() -> MutexGuard<'static, Recent> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// About a thousand lines of a control plane, which says little.
const ROOM: usize = 128 * 1024;
