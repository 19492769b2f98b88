//! A thread that lives in a namespace with a runtime of its own: backends, the client and the observers.
use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::netns::NetNs;

/// Resolves when the resident is to end.
pub(super) type Stopped = oneshot::Receiver<()>;

/// A running resident. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Resident {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Resident {
    /// Moves into `netns`, runs `open` there, and returns when that is done: from then on `work` misses nothing.
    ///
    /// # Errors
    /// What `open` returns, or why the thread could not start or move in.
    pub(super) fn settle<T>(
        netns: &NetNs,
        role: &str,
        open: impl FnOnce() -> io::Result<T> + Send + 'static,
        work: impl AsyncFnOnce(T, Stopped) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, opened) = mpsc::sync_channel(1);
        let thread = netns.spawn(role, move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let belongings = open()?;
                if ready.send(()).is_err() {
                    return Ok(());
                }
                work(belongings, stopped).await
            })
        })?;
        if opened.recv().is_err() {
            return Err(outcome(thread).err().unwrap_or_else(|| io::Error::other("it ended at once")));
        }
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The story is over. A resident that failed earlier has shown it by its silence, which the story does
            // not accept.
            drop(outcome(thread));
        }
    }
}

fn outcome(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().map_err(|_| io::Error::other("a resident thread panicked"))?
}
