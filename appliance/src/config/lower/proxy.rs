//! Frontends and backends to a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_proxy::access_log::LogTarget;
use evenkeel_proxy::compress::Compression;
use evenkeel_proxy::plan;
use evenkeel_proxy::plan::{BackendId, ErrorFiles, FrontendId, LogTargetId, Plan, ServerId, Watch};
use evenkeel_proxy::route::{Route, Routes, To};
use evenkeel_proxy::rules::ResponseRules;

use crate::config::codes::Code;
use crate::config::diagnostic::{Diagnostic, Refusal};
use crate::config::model::{
    self, Backend, ErrorResponses, Frontend, Global, Listening, ProxyParts, RouteTo, Server,
};
use crate::config::resolve::Resolved;

pub(super) fn parts(node: &str, global: &Global, resolved: &Resolved) -> Result<ProxyParts, Refusal> {
    let mut ids: BTreeMap<&str, BackendId> = BTreeMap::new();
    for (i, b) in resolved.backends.iter().enumerate() {
        ids.insert(&b.name.value, BackendId(number(i, "backends")?));
    }
    let mut log_targets = Vec::new();
    let mut frontends = Vec::new();
    let mut listeners = Vec::new();
    for (i, f) in resolved.frontends.iter().enumerate() {
        let id = FrontendId(number(i, "frontends")?);
        listeners.extend(f.binds.iter().map(|b| listener(id, &b.value)));
        let to = f.default_backend.as_ref().and_then(|b| ids.get(b.value.as_str()).copied());
        frontends.push(plan::Frontend { routes: routes(f, &ids), ..frontend(f, to, &mut log_targets)? });
    }
    number(listeners.len(), "listening addresses")?;
    let mut servers = Vec::new();
    let mut backends = Vec::new();
    let names = server_names(resolved);
    let fronts_compress =
        resolved.frontends.iter().any(|f| compression(f.compression.as_ref(), false).is_some());
    for (i, b) in resolved.backends.iter().enumerate() {
        let first = server_number(servers.len())?;
        let id = BackendId(number(i, "backends")?);
        servers.extend(b.servers.iter().map(|s| server(s, id, &names)));
        let servers = first..server_number(servers.len())?;
        let log = match &b.log {
            Some(targets) => {
                targets.iter().map(|t| target_id(t, &mut log_targets)).collect::<Result<_, _>>()?
            }
            None => all_of(&log_targets),
        };
        let fullconn = usual_fullconn(b, &resolved.frontends, global.maxconn);
        backends.push(plan::Backend { log, ..backend(b, servers, fullconn, fronts_compress) });
    }
    let global = plan::Global {
        node: node.to_owned(),
        threads: global.nbthread,
        maxconn: global.maxconn,
        max_head_bytes: global.bufsize,
        max_headers: global.http_maxhdr,
        http2: global.http2,
        compressors: global.compressors,
    };
    let plan = Plan::new(global, frontends, backends, servers, listeners)
        .and_then(|plan| plan.with_tables(resolved.tables.clone()))
        .and_then(|plan| plan.with_maps(resolved.maps.clone()))
        .and_then(|plan| plan.with_resolvers(resolved.resolvers.clone()))
        .map_err(|e| Box::new(Diagnostic::nowhere(Code::Refused, e.to_string())))?
        .with_lists(Arc::clone(&resolved.lists))
        .with_lua(resolved.lua.clone());
    Ok(ProxyParts { plan: Arc::new(plan), log_targets })
}

fn listener(frontend: FrontendId, listening: &Listening) -> plan::Listener {
    plan::Listener {
        tls: listening.tls.clone(),
        accept_proxy: Arc::clone(&listening.accept_proxy),
        ..plan::Listener::new(frontend, listening.addr)
    }
}

fn frontend(
    f: &Frontend,
    default_backend: Option<BackendId>,
    targets: &mut Vec<LogTarget>,
) -> Result<plan::Frontend, Refusal> {
    let log = f.log.iter().map(|t| target_id(t, targets)).collect::<Result<_, _>>()?;
    Ok(plan::Frontend {
        name: f.name.value.clone(),
        mode: f.mode,
        default_backend,
        routes: Routes::default(),
        tcp_request: f.tcp_rules.clone(),
        timeout: f.timeout,
        http_request: f.rules.clone(),
        http_response: ResponseRules::new(f.response_rules.clone())
            .with_compression(compression(f.compression.as_ref(), false))
            .with_bandwidth(f.bandwidth),
        forwarded_for: f.forwardfor.clone(),
        dontlognull: f.dontlognull,
        stats: f.stats.clone(),
        log,
        log_format: f.log_format.clone(),
        records: f.records.clone(),
        error_files: error_files(&f.errorfile),
        maxconn: f.maxconn,
        http: f.http,
    })
}

/// Where requests go, and connections.
fn routes(f: &Frontend, ids: &BTreeMap<&str, BackendId>) -> Routes {
    let route = |r: &model::Route| {
        let to = match &r.to {
            RouteTo::Backend(name) => To::Backend(ids.get(name.value.as_str()).copied()?),
            RouteTo::Mapped { map, key, .. } => To::Mapped { map: *map, key: key.clone() },
        };
        Some(Route { when: r.when.clone(), to })
    };
    let names = ids.iter().map(|(name, id)| ((*name).into(), *id)).collect();
    Routes::new(f.routes.iter().filter_map(route).collect()).naming(names)
}

/// Equal targets share a number, and so a socket.
fn target_id(target: &LogTarget, all: &mut Vec<LogTarget>) -> Result<LogTargetId, Refusal> {
    let at = all.iter().position(|t| t == target).unwrap_or_else(|| {
        all.push(target.clone());
        all.len() - 1
    });
    number(at, "log targets").map(LogTargetId)
}

/// Every place once, whatever its tag.
fn all_of(targets: &[LogTarget]) -> Vec<LogTargetId> {
    let is_first = |at: usize, target: &LogTarget| !targets.iter().take(at).any(|t| t.to == target.to);
    let numbered = targets.iter().enumerate().filter(|(at, target)| is_first(*at, target));
    numbered.filter_map(|(at, _)| u16::try_from(at).ok()).map(LogTargetId).collect()
}

/// HAProxy's: a tenth of what the frontends that lead to a backend let in.
fn usual_fullconn(backend: &Backend, frontends: &[Frontend], most: u32) -> u32 {
    let leads = |f: &&Frontend| {
        let mut to = f.default_backend.iter().chain(f.routes.iter().flat_map(|r| r.to.backends()));
        to.any(|b| b.value == backend.name.value)
    };
    let sum = frontends.iter().filter(leads).fold(0u32, |n, f| n.saturating_add(f.maxconn.unwrap_or(most)));
    (sum / 10).max(1)
}

/// What is said of compression, if it makes a difference. That there is none does where somebody else might compress.
fn compression(said: Option<&Arc<Compression>>, others: bool) -> Option<Arc<Compression>> {
    said.filter(|c| others || !c.algos.is_empty()).cloned()
}

fn backend(
    b: &Backend,
    servers: std::ops::Range<u32>,
    fullconn: u32,
    fronts_compress: bool,
) -> plan::Backend {
    plan::Backend {
        name: b.name.value.clone(),
        is_listen: b.is_listen,
        log: Vec::new(),
        mode: b.mode,
        servers,
        balance: b.balance.clone(),
        maxconn: b.maxconn,
        fullconn: b.fullconn.unwrap_or(fullconn),
        timeout: b.timeout,
        http_request: b.rules.clone(),
        http_response: ResponseRules::new(b.response_rules.clone())
            .with_compression(compression(b.compression.as_ref(), fronts_compress))
            .with_bandwidth(b.bandwidth),
        forwarded_for: b.forwardfor.clone(),
        retries: b.retries,
        redispatch: b.redispatch,
        allbackups: b.allbackups,
        error_files: error_files(&b.errorfile),
        cookie: b.cookie.clone(),
        stick: b.stick.clone(),
        http: b.http,
    }
}

/// The position of every server in the plan, by `backend/server`.
fn server_names(resolved: &Resolved) -> BTreeMap<String, ServerId> {
    let of = |b: &Backend| {
        let name = b.name.value.clone();
        b.servers.iter().map(move |s| format!("{name}/{}", s.name.value)).collect::<Vec<_>>()
    };
    resolved.backends.iter().flat_map(of).zip((0..).map(ServerId)).collect()
}

fn server(s: &Server, backend: BackendId, names: &BTreeMap<String, ServerId>) -> plan::Server {
    let track = s.track.as_ref().and_then(|t| names.get(&t.value).copied());
    plan::Server {
        name: s.name.value.clone(),
        backend,
        addr: s.addr.clone(),
        protocol: s.protocol,
        weight: s.weight,
        backup: s.backup,
        limits: s.limits,
        admin: s.state,
        check: s.check.clone(),
        cookie: s.cookie.clone(),
        tls: s.tls.clone(),
        watch: Watch { track, ..s.watch.clone() },
        send_proxy: s.send_proxy,
        check_send_proxy: s.check_send_proxy,
    }
}

fn error_files(responses: &ErrorResponses) -> Arc<ErrorFiles> {
    Arc::new(ErrorFiles(responses.clone()))
}

fn number(at: usize, what: &str) -> Result<u16, Refusal> {
    let refusal = || Box::new(Diagnostic::nowhere(Code::TooMany, format!("more than 65,535 {what}")));
    u16::try_from(at).map_err(|_| refusal())
}

fn server_number(at: usize) -> Result<u32, Refusal> {
    let refusal = || Box::new(Diagnostic::nowhere(Code::TooMany, "more than 4,294,967,295 servers"));
    u32::try_from(at).map_err(|_| refusal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_ids_end() {
        assert_eq!(number(65_535, "backends"), Ok(65_535));
        let refused = number(65_536, "backends").unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (Code::TooMany, "more than 65,535 backends"));
    }
}
