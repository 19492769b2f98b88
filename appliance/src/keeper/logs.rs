//! Those who want the last lines of the log, while the worker is asked for its part.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::logs::{Page, Said, Wanted};
use crate::telemetry;

/// One who wants lines.
pub(super) type Reply = oneshot::Sender<Page>;

/// Who waits for a worker's answer, by the number of the question.
#[derive(Debug, Default)]
pub(super) struct Readers(BTreeMap<u64, Reader>);

#[derive(Debug)]
struct Reader {
    wanted: Wanted,
    worker: u32,
    until: Instant,
    reply: Reply,
}

impl Readers {
    /// Somebody wants lines, and the worker with this process id has been asked for its own.
    pub(super) fn wait(&mut self, number: u64, worker: u32, wanted: Wanted, reply: Reply) {
        self.0.insert(number, Reader { wanted, worker, until: Instant::now() + PATIENCE, reply });
    }

    /// The worker has answered.
    pub(super) fn answer(&mut self, number: u64, said: Said) {
        if let Some(Reader { wanted, worker, reply, .. }) = self.0.remove(&number) {
            tell(&wanted, Some((worker.into(), said)), reply);
        }
    }

    /// When somebody has waited long enough.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.values().map(|reader| reader.until).min()
    }

    /// Whoever has waited long enough gets what the node has said.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let late = self.0.extract_if(.., |_, reader| reader.until <= now);
        late.for_each(|(_, Reader { wanted, reply, .. })| tell(&wanted, None, reply));
    }
}

/// Answers with what the node has said, and a worker.
pub(super) fn tell(wanted: &Wanted, worker: Option<(u64, Said)>, reply: Reply) {
    let said = telemetry::said_since(wanted.after.unwrap_or_default().node, wanted.most);
    if reply.send(Page::of(wanted, said, worker)).is_err() {
        tracing::debug!("whoever wanted the log is gone");
    }
}

/// How long a worker has to answer.
const PATIENCE: Duration = Duration::from_secs(2);
