//! Plans for tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Lease, Outcome, State, Wish};
use crate::plan::{
    AdminState, Backend, BackendId, Balance, CheckConfig, ClientHttp, ClientTimeouts, ErrorFiles, Frontend,
    Global, Http2, HttpManner, InitState, LogFormat, Mode, Plan, Redispatch, Script, Server, ServerHttp,
    ServerId, ServerLimits, ServerProtocol, ServerTimeouts, Watch,
};
use crate::route::Routes;

/// A server `sN` of weight 1, active, ready, unchecked.
pub(crate) fn server(weight: u16) -> Server {
    Server {
        name: String::new(),
        backend: BackendId(0),
        addr: SocketAddr::from(([127, 0, 0, 1], 1)).into(),
        weight,
        backup: false,
        admin: AdminState::Ready,
        protocol: ServerProtocol::Http1,
        limits: ServerLimits::default(),
        check: None,
        cookie: None,
        tls: None,
        watch: Watch::default(),
        send_proxy: None,
        check_send_proxy: None,
    }
}

/// The same as a backup.
pub(crate) fn backup(weight: u16) -> Server {
    Server { backup: true, ..server(weight) }
}

/// A check of these steps with HAProxy's defaults.
pub(crate) fn check(script: Script) -> CheckConfig {
    CheckConfig {
        inter: Duration::from_secs(2),
        fastinter: None,
        downinter: None,
        timeout: None,
        fall: 3,
        rise: 2,
        addr: None,
        port: None,
        tls: None,
        init: InitState::default(),
        spread_percent: 0,
        script: Arc::new(script),
        http: HttpManner::default(),
    }
}

/// The server the next request would get; its slot is given back at once.
pub(crate) fn pick(state: &State, wish: Wish) -> Option<ServerId> {
    match state.assign(BackendId(0), &wish) {
        Outcome::Assigned(id) => Some(Lease::of(state, id).server()),
        Outcome::NoServer => None,
        outcome @ (Outcome::Full(_) | Outcome::QueueFull(_)) => panic!("{outcome:?}"),
    }
}

/// A frontend `fe` in mode http that leads to the first backend.
pub(crate) fn frontend() -> Frontend {
    Frontend {
        name: "fe".into(),
        mode: Mode::Http,
        default_backend: Some(BackendId(0)),
        http_request: Vec::new(),
        http_response: crate::rules::ResponseRules::default(),
        routes: Routes::default(),
        tcp_request: crate::plan::TcpRules::default(),
        timeout: ClientTimeouts::default(),
        forwarded_for: None,
        stats: None,
        dontlognull: false,
        log: Vec::new(),
        log_format: LogFormat::Httplog,
        records: None,
        error_files: Arc::default(),
        maxconn: Some(50),
        http: ClientHttp::default(),
    }
}

/// One backend `be` with the servers `s1`, `s2` and so on, and the frontend `fe` if they speak HTTP.
pub(crate) fn plan(servers: Vec<Server>) -> Plan {
    plan_with(servers, |_| {})
}

/// The same, changed.
pub(crate) fn plan_with(servers: Vec<Server>, change: impl FnOnce(&mut Backend)) -> Plan {
    let mut backend = Backend {
        name: "be".into(),
        is_listen: false,
        log: Vec::new(),
        mode: Mode::Http,
        servers: 0..u32::try_from(servers.len()).unwrap(),
        balance: Balance::RoundRobin,
        maxconn: None,
        fullconn: 0,
        timeout: ServerTimeouts::default(),
        http_request: Vec::new(),
        http_response: crate::rules::ResponseRules::default(),
        forwarded_for: None,
        retries: 3,
        redispatch: Redispatch::Never,
        allbackups: false,
        http: ServerHttp::default(),
        error_files: Arc::new(ErrorFiles::default()),
        cookie: None,
        stick: Vec::new(),
    };
    change(&mut backend);
    let name = |(n, server): (usize, Server)| match server.name.is_empty() {
        true => Server { name: format!("s{}", n + 1), ..server },
        false => server,
    };
    let servers = servers.into_iter().enumerate().map(name).collect();
    let global = Global {
        node: "a".into(),
        threads: 2,
        maxconn: 100,
        max_head_bytes: 16384,
        max_headers: 100,
        http2: Http2::default(),
        compressors: 100,
    };
    let frontends = if backend.mode == Mode::Http { vec![frontend()] } else { Vec::new() };
    Plan::new(global, frontends, vec![backend], servers, Vec::new()).unwrap()
}
