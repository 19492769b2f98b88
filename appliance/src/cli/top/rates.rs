//! From two status documents to numbers per second.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::status::{NodeStatus, ServerReport, WorkerReport};

/// What happened per second between two looks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Rates {
    /// By frontend.
    pub(super) frontends: BTreeMap<String, FrontendRate>,
    /// Requests, by `backend/server`.
    pub(super) servers: BTreeMap<String, f64>,
}

/// Of one frontend.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct FrontendRate {
    pub(super) requests: f64,
    /// Answers with status 4xx.
    pub(super) client_errors: f64,
    /// Answers with status 5xx.
    pub(super) server_errors: f64,
}

impl Rates {
    /// Between two looks at one worker. What a new one has counted was all since it began.
    pub(super) fn between(before: &NodeStatus, now: &NodeStatus, passed: Duration) -> Self {
        let Some(report) = &now.proxy else { return Self::default() };
        let same = before.worker.pid == now.worker.pid;
        let earlier = before.proxy.as_ref().filter(|_| same);
        let seconds = passed.as_secs_f64().max(0.001);
        let rate = |now: u64, before: Option<u64>| now.saturating_sub(before.unwrap_or(0)) as f64 / seconds;
        let frontend = |f: &crate::status::FrontendReport| {
            let was = earlier.and_then(|e| e.frontends.iter().find(|was| was.name == f.name));
            let [.., client, server] = f.responses;
            let class = |at: usize| was.and_then(|was| was.responses.get(at).copied());
            let rates = FrontendRate {
                requests: rate(f.requests, was.map(|was| was.requests)),
                client_errors: rate(client, class(3)),
                server_errors: rate(server, class(4)),
            };
            (f.name.clone(), rates)
        };
        let server = |s: &ServerReport| {
            let was = earlier.and_then(|e| find(e, s)).map(|was| was.requests);
            (name(s), rate(s.requests, was))
        };
        Self {
            frontends: report.frontends.iter().map(frontend).collect(),
            servers: report.servers.iter().map(server).collect(),
        }
    }

    /// Requests of a server per second.
    pub(super) fn server(&self, server: &ServerReport) -> f64 {
        self.servers.get(&name(server)).copied().unwrap_or(0.0)
    }
}

fn find<'a>(report: &'a WorkerReport, server: &ServerReport) -> Option<&'a ServerReport> {
    report.servers.iter().find(|s| s.backend == server.backend && s.name == server.name)
}

/// `backend/server`.
pub(super) fn name(server: &ServerReport) -> String {
    format!("{}/{}", server.backend, server.name)
}

#[cfg(test)]
mod tests {
    use super::super::screen::tests::status;
    use super::*;

    #[test]
    fn what_grew_is_divided_by_the_time() {
        let (mut before, mut now) = (status(), status());
        let report = |s: &mut NodeStatus, requests, errors| {
            let proxy = s.proxy.as_mut().unwrap();
            proxy.frontends[0].requests = requests;
            proxy.frontends[0].responses[4] = errors;
            proxy.servers[0].requests = requests;
        };
        report(&mut before, 100, 1);
        report(&mut now, 150, 3);
        let rates = Rates::between(&before, &now, Duration::from_secs(2));
        let frontend = rates.frontends["www"];
        assert_eq!((frontend.requests, frontend.client_errors, frontend.server_errors), (25.0, 0.0, 1.0));
        assert_eq!(rates.servers["app/app1"], 25.0);
        now.worker.pid = Some(99);
        let rates = Rates::between(&before, &now, Duration::from_secs(2));
        assert_eq!(rates.servers["app/app1"], 75.0, "a new worker began at nothing");
        now.proxy = None;
        assert_eq!(Rates::between(&before, &now, Duration::from_secs(2)), Rates::default());
    }
}
