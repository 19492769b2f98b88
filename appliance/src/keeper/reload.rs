//! Reading the files of TLS anew while the node runs. Nothing else of the configuration is looked at, and nothing is
//! replaced unless all of it is good.

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{self, Environment, Severity, Sources};

/// What came of it, line by line, for whoever has asked. An error: everything is as it was.
pub(super) type Outcome = Result<Vec<String>, Vec<String>>;

/// One who wants to hear what came of it.
pub(super) type Reply = oneshot::Sender<Outcome>;

/// The files as they are read, on a thread of their own: a disk may be slow.
#[derive(Debug, Default)]
pub(super) struct Reload {
    reading: Option<JoinHandle<Read>>,
    /// Who asked for what is being read.
    waiting: Vec<Option<Reply>>,
    /// Who asked since: what is being read may be older than what they mean.
    next: VecDeque<Option<Reply>>,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// The sources with the new files, if they are good.
    pub(super) sources: Option<Sources>,
    /// Errors, and warnings about certificates.
    pub(super) found: Vec<(Severity, String)>,
}

impl Reload {
    /// Begins to read; or will, when what is being read has been.
    pub(super) fn ask(&mut self, reply: Option<Reply>, sources: &Sources, node: &str) {
        self.next.push_back(reply);
        self.go_on(sources, node);
    }

    fn go_on(&mut self, sources: &Sources, node: &str) {
        if self.reading.is_some() || self.next.is_empty() {
            return;
        }
        self.waiting = self.next.drain(..).collect();
        let (sources, node) = (sources.clone(), node.to_owned());
        self.reading = Some(tokio::task::spawn_blocking(move || read(&sources, node)));
    }

    /// Waits until the files have been read.
    ///
    /// # Cancel safety
    /// Cancel safe: what has been read stays until it is taken.
    pub(super) async fn read(&mut self) -> Read {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let read = reading.await;
        self.reading = None;
        let failed = |e: tokio::task::JoinError| Read {
            sources: None,
            found: vec![(Severity::Error, format!("the files could not be read: {e}"))],
        };
        read.unwrap_or_else(failed)
    }

    /// Tells those who asked what came of it, and begins anew for those who asked since.
    pub(super) fn answer(&mut self, outcome: &Outcome, sources: &Sources, node: &str) {
        for reply in self.waiting.drain(..).flatten() {
            if reply.send(outcome.clone()).is_err() {
                tracing::debug!("whoever asked for the reload is gone");
            }
        }
        self.go_on(sources, node);
    }
}

fn read(sources: &Sources, node: String) -> Read {
    let environment = match Environment::of_process(Some(&node)) {
        Ok(environment) => environment,
        Err(e) => return Read { sources: None, found: vec![(Severity::Error, e.to_string())] },
    };
    let loaded = config::reload_tls(sources, &environment);
    let found = loaded.lines();
    Read { sources: loaded.config.is_some().then(|| loaded.sources.for_worker()), found }
}
