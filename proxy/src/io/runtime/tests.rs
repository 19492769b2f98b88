//! A data thread to try single parts on.

use super::*;

use crate::access_log::Spools;
use crate::plan::{
    ClientHttp, ClientTimeouts, ErrorFiles, Frontend, Global, Http2, Listener, LogFormat, LogTargetId, Mode,
};
use crate::route::Routes;

/// One thread, one frontend, no servers.
pub(in crate::io) fn plan(listeners: Vec<Listener>) -> Plan {
    let global = Global {
        node: "n".into(),
        threads: 1,
        maxconn: 9,
        max_head_bytes: 4096,
        max_headers: 16,
        http2: Http2::default(),
        compressors: 100,
    };
    let frontend = Frontend {
        name: "fe".into(),
        mode: Mode::Http,
        default_backend: None,
        routes: Routes::default(),
        tcp_request: crate::plan::TcpRules::default(),
        timeout: ClientTimeouts { client: Some(Duration::from_secs(5)), ..ClientTimeouts::default() },
        http_request: Vec::new(),
        http_response: crate::rules::ResponseRules::default(),
        forwarded_for: None,
        stats: None,
        dontlognull: false,
        log: vec![LogTargetId(0)],
        log_format: LogFormat::Httplog,
        records: None,
        error_files: Arc::new(ErrorFiles::default()),
        maxconn: None,
        http: ClientHttp::default(),
    };
    Plan::new(global, vec![frontend], Vec::new(), Vec::new(), listeners).unwrap()
}

/// A thread with one frontend that logs to `spools`, and no servers.
pub(in crate::io) fn thread(spools: &Arc<Spools>) -> Rc<DataThread> {
    let plan = Arc::new(plan(Vec::new()));
    let stats = Arc::new(Stats::new(&plan, 1));
    DataThread::new(thread::Parts {
        services: Services::default(),
        number: 0,
        balance: Arc::new(State::new(&plan)),
        recorder: stats.recorder().unwrap(),
        logger: spools.logger(),
        deadlines: Deadlines::new(Instant::now()),
        gate: Arc::new(Gate::new(&plan)),
        control: Arc::new(ThreadControl::new(Arc::default())),
        plan,
    })
}

/// Its gate, which lets nine connections in.
pub(in crate::io) fn gate(thread: &DataThread) -> Arc<Gate> {
    Arc::clone(&thread.gate)
}
