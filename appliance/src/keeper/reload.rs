//! Reading the configuration anew while the node runs. Nothing is replaced unless all of it is good.

use std::collections::VecDeque;
use std::path::Path;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{self, Config, Environment, Loaded, Severity, Sources};

/// What came of it, line by line, for whoever has asked. An error: everything is as it was.
pub(super) type Outcome = Result<Vec<String>, Vec<String>>;

/// One who wants to hear what came of it.
pub(super) type Reply = oneshot::Sender<Outcome>;

/// The files as they are read, on a thread of their own: a disk may be slow. One reload at a time, from the reading to its
/// outcome.
#[derive(Debug, Default)]
pub(super) struct Reload {
    reading: Option<JoinHandle<Read>>,
    /// Who asked for the one under way; `None`: there is none.
    waiting: Option<Vec<Option<Reply>>>,
    /// Who asked since: what has been read may be older than what they mean.
    next: VecDeque<Option<Reply>>,
}

/// What is read anew, and compared.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    /// As they were when they were read.
    pub(super) as_read: Sources,
    /// With what operators have changed since.
    pub(super) in_use: Sources,
    pub(super) node: String,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// If it is good.
    pub(super) good: Option<Good>,
    /// Errors, and warnings about certificates, for the log.
    pub(super) found: Vec<(Severity, String)>,
    /// Everything found, for whoever has asked.
    pub(super) told: Vec<String>,
}

/// A good configuration.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) config: Config,
    /// Without secrets.
    pub(super) sources: Sources,
    /// Nothing but files of TLS can be others than before.
    pub(super) is_same: bool,
}

impl Reload {
    /// One is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.is_some()
    }

    /// Begins to read; or will, when the reload under way has come to its end.
    pub(super) fn ask(&mut self, reply: Option<Reply>, basis: impl FnOnce() -> Basis) {
        self.next.push_back(reply);
        self.go_on(basis);
    }

    fn go_on(&mut self, basis: impl FnOnce() -> Basis) {
        if self.waiting.is_some() || self.next.is_empty() {
            return;
        }
        self.waiting = Some(self.next.drain(..).collect());
        let basis = basis();
        self.reading = Some(tokio::task::spawn_blocking(move || read(&basis)));
    }

    /// Waits until the files have been read.
    ///
    /// # Cancel safety
    /// Cancel safe: what has been read stays until it is taken.
    pub(super) async fn read(&mut self) -> Read {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let read = reading.await;
        self.reading = None;
        read.unwrap_or_else(|e| Read::failed(format!("the files could not be read: {e}")))
    }

    /// Tells those who asked what came of it, and begins anew for those who asked since.
    pub(super) fn answer(&mut self, outcome: &Outcome, basis: impl FnOnce() -> Basis) {
        for reply in self.waiting.take().into_iter().flatten().flatten() {
            if reply.send(outcome.clone()).is_err() {
                tracing::debug!("whoever asked for the reload is gone");
            }
        }
        self.go_on(basis);
    }
}

impl Read {
    fn failed(why: String) -> Self {
        let told = vec![format!("error: {why}")];
        Self { good: None, found: vec![(Severity::Error, why)], told }
    }
}

fn read(basis: &Basis) -> Read {
    let environment = match Environment::of_process(Some(&basis.node)) {
        Ok(environment) => environment,
        Err(e) => return Read::failed(e.to_string()),
    };
    let main = basis.as_read.files.first().map_or("", |file| file.name.as_str());
    let fresh = config::load(Path::new(main), &environment);
    let (found, told) = (fresh.lines(), fresh.render_human(false).lines().map(str::to_owned).collect());
    let Loaded { config, sources, .. } = fresh;
    let good = config.map(|config| {
        let sources = sources.for_worker();
        let of_tls = config::reload_tls(&basis.as_read, &environment);
        let is_same = of_tls.config.is_some() && is_same(&sources, of_tls.sources, &basis.in_use);
        Good { config, sources, is_same }
    });
    Read { good, found, told }
}

/// Whether nothing is new, but for the files of TLS, which `before` has as they are now. What operators have changed in a
/// file, and the keeper has written into it, is not new.
fn is_same(fresh: &Sources, mut before: Sources, in_use: &Sources) -> bool {
    for (name, bytes) in &mut before.blobs {
        if let Some(now) = fresh.blobs.get(name)
            && in_use.blobs.get(name) == Some(now)
        {
            bytes.clone_from(now);
        }
    }
    *fresh == before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str, blobs: &[(&str, &str)]) -> Sources {
        let blobs = blobs.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        Sources { blobs: blobs.collect(), ..Sources::of_text("/etc/evenkeel.toml", text) }
    }

    #[test]
    fn what_is_new_is_told_from_what_is_known() {
        let before = sources("a", &[("file:bad.lst", "one"), ("file:x.pem", "new")]);
        let edited = sources("a", &[("file:bad.lst", "one two"), ("file:x.pem", "old")]);
        for (fresh, same, why) in [
            (before.clone(), true, "nothing"),
            (sources("a", &[("file:bad.lst", "one two"), ("file:x.pem", "new")]), true, "edits were saved"),
            (sources("a", &[("file:bad.lst", "three"), ("file:x.pem", "new")]), false, "a file"),
            (sources("b", &[("file:bad.lst", "one"), ("file:x.pem", "new")]), false, "the text"),
            (sources("a", &[("file:x.pem", "new")]), false, "a file less"),
        ] {
            assert_eq!(is_same(&fresh, before.clone(), &edited), same, "{why}");
        }
    }
}
