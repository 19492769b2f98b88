//! The worker's part of the status document.

use std::time::Instant;

use evenkeel_proxy::balance::State;
use evenkeel_proxy::health;
use evenkeel_proxy::plan::{FrontendId, Plan, Server, ServerId};
use evenkeel_proxy::stats::Stats;

use crate::status::{FrontendReport, ServerReport, WorkerReport};

/// Everything a report is made from.
pub(super) struct Sources<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a State,
    pub(super) stats: &'a Stats,
    pub(super) servers: Vec<health::ServerReport>,
    pub(super) log_dropped: u64,
    pub(super) now: Instant,
}

impl Sources<'_> {
    /// The document.
    pub(super) fn report(&self) -> WorkerReport {
        let totals = self.stats.snapshot();
        let frontend = |(at, name): (usize, &str)| {
            let counted = totals.frontends.get(at).copied().unwrap_or_default();
            let [a, b, c, d, e, _other] = counted.responses;
            FrontendReport {
                name: name.to_owned(),
                connections: u16::try_from(at).map_or(0, |id| self.stats.frontend_current(FrontendId(id))),
                requests: counted.requests,
                responses: [a, b, c, d, e],
            }
        };
        let server = |(id, server): (ServerId, &Server)| {
            let requests = totals.servers.get(id.0 as usize).map_or(0, |t| t.requests);
            self.server(id, server, requests)
        };
        WorkerReport {
            threads: self.plan.global.threads,
            connections: self.stats.process_current(),
            frontends: self
                .plan
                .frontends()
                .iter()
                .map(|f| f.name.as_str())
                .enumerate()
                .map(frontend)
                .collect(),
            servers: (0..).map(ServerId).zip(self.plan.servers()).map(server).collect(),
            log_dropped: self.log_dropped,
        }
    }

    fn server(&self, id: ServerId, server: &Server, requests: u64) -> ServerReport {
        let known = self.servers.iter().find(|s| s.server == id);
        let backend = self.plan.backends().get(usize::from(server.backend.0));
        let ms = |at: Instant| u64::try_from(self.now.saturating_duration_since(at).as_millis()).ok();
        ServerReport {
            backend: backend.map_or_else(String::new, |b| b.name.clone()),
            name: server.name.clone(),
            address: self.state.addresses().endpoint(id).map_or_else(|| "-".to_owned(), |at| at.to_string()),
            state: known.map_or("no check", |k| k.operational.as_str()).to_owned(),
            since_ms: known.and_then(|k| ms(k.since)),
            check: known.and_then(|k| k.last.as_ref()).map(check_words).unwrap_or_default(),
            weight: self.state.server(id).map_or(server.weight, |s| s.weight),
            backup: server.backup,
            sessions: u64::from(self.state.in_flight(id)),
            requests,
        }
    }
}

/// `L7OK/200 in 1ms`, as HAProxy's statistics page has it.
fn check_words(result: &health::CheckResult) -> String {
    let code = result.code.map(|c| format!("/{c}")).unwrap_or_default();
    let info = result.info.as_ref().map(|i| format!(" ({})", i.as_str())).unwrap_or_default();
    format!("{}{code} in {}ms{info}", result.status.name(), result.duration.as_millis())
}
