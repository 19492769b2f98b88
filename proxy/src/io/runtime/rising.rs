//! Lets slow starts go on, on a thread of its own: laying out a large backend takes longer than a data thread may be away.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::balance::State;

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Rising {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rising {
    pub(super) fn start(balance: Arc<State>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let run = move || {
            while stopped.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
                balance.advance(Instant::now());
            }
        };
        let thread = std::thread::Builder::new().name("ek-rising".to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Rising {
    fn drop(&mut self) {
        drop(self.stop.take());
        // One that panicked has ended too.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// HAProxy's slow starts go by seconds too.
const STEP: Duration = Duration::from_secs(1);
