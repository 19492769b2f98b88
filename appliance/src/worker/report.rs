//! The worker's part of the status document.

use std::time::{Duration, Instant};

use evenkeel_proxy::balance::State;
use evenkeel_proxy::health::machine::Standing;
use evenkeel_proxy::health::{self, Cause, Change, Operational};
use evenkeel_proxy::plan::{FrontendId, Plan, Server, ServerId};
use evenkeel_proxy::stats::Stats;

use crate::status::{ChangeReport, CheckReport, FrontendReport, ServerReport, TlsReport, WorkerReport};

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
                tls: TlsReport {
                    handshakes: counted.tls_handshakes,
                    resumed: counted.tls_resumed,
                    failed: counted.tls_failed,
                    timeouts: counted.tls_timeouts,
                },
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
        let ms = |at: Instant| millis(self.now.saturating_duration_since(at));
        ServerReport {
            backend: backend.map_or_else(String::new, |b| b.name.clone()),
            name: server.name.clone(),
            address: self.state.addresses().endpoint(id).map_or_else(|| "-".to_owned(), |at| at.to_string()),
            state: known.map_or_else(|| "no check".to_owned(), |known| self.state_words(server, known)),
            since_ms: known.map(|k| ms(k.since)),
            check: known.map(reason).unwrap_or_default(),
            agent: known.and_then(|k| k.last_agent.as_ref()).map(check_words),
            ejected_ms: known
                .and_then(|k| k.ejected_until)
                .map(|until| millis(until.saturating_duration_since(self.now))),
            maxconn: self.state.server(id).map_or(server.limits.maxconn, |s| s.maxconn),
            weight: self.state.server(id).map_or(server.weight, |s| s.weight),
            backup: server.backup,
            sessions: u64::from(self.state.in_flight(id)),
            requests,
            history: known.map(|k| k.history.iter().map(|c| self.change(c)).collect()).unwrap_or_default(),
        }
    }

    /// HAProxy's words: `UP`, or `UP 2/3` while checks fail, when two more of three take it down; `DOWN 1/2` while they
    /// pass; `no check` of a server that nothing but its requests can take down.
    fn state_words(&self, server: &Server, known: &health::ServerReport) -> String {
        if let Some(leader) = known.rests_via {
            return format!("MAINT (via {})", self.plan.name_of(leader));
        }
        if known.is_lost {
            return "MAINT (resolution)".to_owned();
        }
        let name = known.operational.as_str();
        let is_up = match known.operational {
            Operational::Up | Operational::Stopping => true,
            Operational::Down => false,
            Operational::Drain | Operational::Maint => return name.to_owned(),
        };
        let Some(health) = known.health else {
            let unwatched = is_up && server.watch.track.is_none();
            return if unwatched { "no check" } else { name }.to_owned();
        };
        let (value, rise) = (health.value(), u32::from(health.rise()));
        match health.standing() {
            Standing::Falling if is_up => format!("{name} {}/{}", value - rise + 1, health.fall()),
            Standing::Rising if !is_up => format!("{name} {value}/{rise}"),
            Standing::Up | Standing::Falling | Standing::Down | Standing::Rising => name.to_owned(),
        }
    }

    fn change(&self, change: &Change) -> ChangeReport {
        let check = match &change.cause {
            Cause::Found(result) => Some(CheckReport {
                status: result.status.name().to_owned(),
                code: result.code,
                info: result.info.as_ref().map(|i| i.as_str().to_owned()),
                duration_ms: millis(result.duration),
            }),
            Cause::Followed(_)
            | Cause::Ejected(..)
            | Cause::Readmitted
            | Cause::Admin(_)
            | Cause::Unresolved(_)
            | Cause::Resolved => None,
        };
        ChangeReport {
            ago_ms: millis(self.now.saturating_duration_since(change.at)),
            from: change.from.as_str().to_owned(),
            to: change.to.as_str().to_owned(),
            reason: change.cause.to_string(),
            check,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the last check found, or why there is none.
fn reason(known: &health::ServerReport) -> String {
    match known.unresolved {
        Some(why) => why.to_string(),
        None => known.last.as_ref().map(check_words).unwrap_or_default(),
    }
}

/// `L7OK/200 in 1ms`, as HAProxy's statistics page has it.
fn check_words(result: &health::CheckResult) -> String {
    let code = result.code.map(|c| format!("/{c}")).unwrap_or_default();
    let info = result.info.as_ref().map(|i| format!(" ({})", i.as_str())).unwrap_or_default();
    format!("{}{code} in {}ms{info}", result.status.name(), result.duration.as_millis())
}
