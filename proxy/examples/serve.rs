//! Serves one frontend in front of one backend: for benchmarks, conformance tools and a first look.
//!
//! `serve --listen 127.0.0.1:8080 --backend 127.0.0.1:9000 [--backend …] [--threads N] [--timeout-ms MS]
//! [--keep-alive-ms MS] [--connect-ms MS] [--retries N] [--log UDP-ADDRESS|FILE]
//! [--mode tcp] [--host NAME] [--hosts N] [--networks N] [--rules N] [--cert PEM-BUNDLE [--tickets off]]`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::access_log::{Destination, Level, LogTarget};
use evenkeel_proxy::balance::State;
use evenkeel_proxy::io::log_sink::LogSink;
use evenkeel_proxy::io::runtime::{self, ListenerSockets, Shared};
use evenkeel_proxy::plan::{
    AdminState, Backend, BackendId, Balance, ClientHttp, ClientTimeouts, ErrorFiles, ForwardedFor, Frontend,
    FrontendId, Global, Http2, Listener, ListenerId, LogFormat, LogTargetId, Mode, Plan, Redispatch, Server,
    ServerHttp, ServerLimits, ServerProtocol, ServerTimeouts, Watch,
};
use evenkeel_proxy::route::{Route, Routes};
use evenkeel_proxy::rules::{Action, How, Matcher, Network, ResponseRules, Rule, Test, Texts};
use evenkeel_proxy::stats::Stats;
use evenkeel_proxy::tls::acceptor::{Sessions, Tickets};
use evenkeel_proxy::tls::bundle::Files;
use evenkeel_proxy::tls::certificates::UnknownName;
use evenkeel_proxy::tls::{Acceptor, AcceptorConfig, Certificate, Certificates, ClientAuth, Policy};

type Problem = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("serve: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Problem> {
    let options = Options::parse()?;
    let plan = Arc::new(options.plan()?);
    let sockets =
        (0..options.threads).map(|_| listen(options.listen).map(Into::into)).collect::<Result<_, _>>()?;
    let balance = Arc::new(State::new(&plan));
    let stats = Arc::new(Stats::new(&plan, options.threads));
    let sink = options.log.map(|to| LogSink::start(vec![log_target(to)])).transpose()?;
    let shared = match &sink {
        Some(sink) => Shared::new(balance, stats, sink),
        None => Shared::without_log(balance, stats),
    };
    let proxy = runtime::start(plan, vec![ListenerSockets { id: ListenerId(0), sockets }], shared)?;
    eprintln!("listening on {}", options.listen);
    loop {
        std::thread::park();
        eprintln!("{} connections", proxy.connections());
    }
}

fn route(host: &str) -> Result<Route, Problem> {
    let hosts = Texts::new(How::Exact, false, vec![host.into()])?;
    Ok(Route { when: Matcher::Test(Test::Host(hosts)), to: BackendId(0).into() })
}

fn log_target(to: Destination) -> LogTarget {
    LogTarget { level: Level::Info, tag: "serve".into(), ..LogTarget::new(to) }
}

struct Options {
    listen: SocketAddr,
    backends: Vec<SocketAddr>,
    threads: u16,
    timeout: Duration,
    keep_alive: Option<Duration>,
    connect: Duration,
    retries: u8,
    log: Option<Destination>,
    mode: Mode,
    /// Requests for this host are sent to the backend by a rule.
    host: Option<String>,
    /// So many rules for other hosts stand before it.
    hosts: u32,
    /// So many networks are refused, in one rule.
    networks: u32,
    /// So many rules look at paths, fields and addresses that no request has.
    rules: u32,
    /// A PEM bundle: clients speak TLS.
    cert: Option<std::path::PathBuf>,
    tickets: Tickets,
}

impl Options {
    fn parse() -> Result<Self, Problem> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            backends: Vec::new(),
            threads: 1,
            timeout: Duration::from_secs(60),
            keep_alive: None,
            connect: Duration::from_secs(5),
            retries: 3,
            log: None,
            mode: Mode::Http,
            host: None,
            hosts: 0,
            networks: 0,
            rules: 0,
            cert: None,
            tickets: Tickets::On,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
            let ms = || value.parse().map(Duration::from_millis);
            match name.as_str() {
                "--listen" => options.listen = value.parse()?,
                "--backend" => options.backends.push(value.parse()?),
                "--threads" => options.threads = value.parse()?,
                "--timeout-ms" => options.timeout = ms()?,
                "--keep-alive-ms" => options.keep_alive = Some(ms()?),
                "--connect-ms" => options.connect = ms()?,
                "--log" => {
                    options.log =
                        Some(value.parse().map_or_else(|_| Destination::File(value.into()), Destination::Udp))
                }
                "--mode" if value == "tcp" => options.mode = Mode::Tcp,
                "--host" => options.host = Some(value),
                "--hosts" => options.hosts = value.parse()?,
                "--networks" => options.networks = value.parse()?,
                "--rules" => options.rules = value.parse()?,
                "--cert" => options.cert = Some(value.into()),
                "--tickets" => options.tickets = if value == "off" { Tickets::Off } else { Tickets::On },
                "--retries" => options.retries = value.parse()?,
                _ => return Err(format!("unknown option {name}").into()),
            }
        }
        Ok(options)
    }

    fn routes(&self) -> Result<Routes, Problem> {
        let others = (0..self.hosts).map(|n| format!("site-{n}.example"));
        let all = others.chain(self.host.clone());
        Ok(Routes::new(all.map(|host| route(&host)).collect::<Result<_, _>>()?))
    }

    /// Rules that ask something of every request and refuse none: clients are on loopback.
    fn refusals(&self) -> Result<Vec<Rule>, Problem> {
        let mut rules = Vec::new();
        if self.networks > 0 {
            let address = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n * 64));
            let networks = (0..self.networks).map(|n| Network { address: address(n), prefix: 27 });
            rules.push(Matcher::Test(Test::Source(networks.collect())));
        }
        for n in 0..self.rules {
            let texts = |how, text: String| Texts::new(how, false, vec![text.into()]);
            rules.push(Matcher::Test(match n % 5 {
                0 => Test::Path(texts(How::Prefix, format!("/admin{n}/"))?),
                1 => Test::Path(texts(How::Suffix, format!(".php{n}"))?),
                2 => Test::Header("User-Agent".into(), texts(How::Substring, format!("bot{n}"))?),
                3 => Test::Method(texts(How::Exact, format!("TRACE{n}"))?),
                _ => Test::Source(
                    [Network { address: [192, 0, 2, 0].into(), prefix: 24 }].into_iter().collect(),
                ),
            }));
        }
        Ok(rules.into_iter().map(|when| Rule { when, action: Action::Deny(403) }).collect())
    }

    fn client_timeouts(&self) -> ClientTimeouts {
        ClientTimeouts {
            client: Some(self.timeout),
            http_request: Some(self.timeout),
            http_keep_alive: self.keep_alive,
            ..ClientTimeouts::default()
        }
    }

    fn plan(&self) -> Result<Plan, Problem> {
        let errors = Arc::new(ErrorFiles::default());
        let frontend = Frontend {
            name: "front".into(),
            mode: self.mode,
            default_backend: Some(BackendId(0)),
            routes: self.routes()?,
            tcp_request: evenkeel_proxy::plan::TcpRules::default(),
            timeout: self.client_timeouts(),
            http_request: self.refusals()?,
            http_response: ResponseRules::default(),
            forwarded_for: Some(ForwardedFor {
                header: "X-Forwarded-For".into(),
                except: Vec::new(),
                if_none: false,
            }),
            stats: None,
            dontlognull: true,
            log: self.log.iter().map(|_| LogTargetId(0)).collect(),
            log_format: if self.mode == Mode::Tcp { LogFormat::Tcplog } else { LogFormat::Httplog },
            records: None,
            error_files: Arc::clone(&errors),
            maxconn: None,
            http: ClientHttp::default(),
        };
        let backend = Backend {
            name: "back".into(),
            is_listen: false,
            log: Vec::new(),
            mode: self.mode,
            servers: 0..u32::try_from(self.backends.len())?,
            balance: Balance::RoundRobin,
            maxconn: None,
            fullconn: 0,
            timeout: ServerTimeouts {
                connect: Some(self.connect),
                server: Some(self.timeout),
                ..ServerTimeouts::default()
            },
            http_request: Vec::new(),
            http_response: ResponseRules::default(),
            forwarded_for: None,
            retries: self.retries,
            redispatch: Redispatch::LAST,
            allbackups: false,
            error_files: errors,
            cookie: None,
            stick: Vec::new(),
            http: ServerHttp::default(),
        };
        let servers = self.backends.iter().enumerate().map(|(i, addr)| Server {
            name: format!("s{}", i + 1),
            backend: BackendId(0),
            addr: (*addr).into(),
            weight: 1,
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
        });
        let global = Global {
            node: "serve".into(),
            threads: self.threads,
            maxconn: 15_000,
            max_head_bytes: 16 * 1024,
            max_headers: 101,
            http2: Http2::default(),
            compressors: 100,
        };
        let tls = self.cert.as_deref().map(|cert| self.acceptor(cert)).transpose()?;
        let listener = Listener { tls, ..Listener::new(FrontendId(0), self.listen) };
        Ok(Plan::new(global, vec![frontend], vec![backend], servers.collect(), vec![listener])?)
    }
}

impl Options {
    fn acceptor(&self, cert: &std::path::Path) -> Result<Arc<Acceptor>, Problem> {
        let pem = std::fs::read(cert)?;
        let certificate = Certificate::read(Files { pem: &pem, key: None, ocsp: None })?;
        let acceptor = Acceptor::new(AcceptorConfig {
            certificates: Certificates::new(&[certificate], UnknownName::First),
            policy: Policy::default(),
            alpn: vec![b"http/1.1".to_vec()],
            client_auth: ClientAuth::None,
            sessions: Sessions::new(self.tickets, 0)?,
            handshake_timeout: Duration::from_secs(5),
        });
        Ok(Arc::new(acceptor?))
    }
}

/// A listening socket that other threads' sockets may share the address with.
fn listen(at: SocketAddr) -> std::io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&at.into())?;
    socket.listen(4096)?;
    Ok(socket)
}
