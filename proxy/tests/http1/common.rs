//! A proxy on loopback with scripted servers behind it and raw clients in front. Everything waits with a deadline.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evenkeel_proxy::access_log::{Destination, Level, LogTarget};
use evenkeel_proxy::balance::State;
use evenkeel_proxy::io::checker::Checker;
use evenkeel_proxy::io::log_sink::LogSink;
use evenkeel_proxy::io::runtime::{self, ListenerSockets, Proxy, Shared};
use evenkeel_proxy::io::sight::Services;
use evenkeel_proxy::lua::Program;
use evenkeel_proxy::map::MapConfig;
use evenkeel_proxy::plan::{
    AdminState, Backend, BackendId, Balance, ClientHttp, ClientTimeouts, ErrorFiles, Frontend, FrontendId,
    Global, Http2, Listener, ListenerId, LogFormat, LogTargetId, Mode, Plan, Redispatch, Server, ServerHttp,
    ServerLimits, ServerProtocol, ServerTimeouts, Watch,
};
use evenkeel_proxy::route::Routes;
use evenkeel_proxy::stats::{Stats, Totals};
use evenkeel_proxy::table::TableConfig;

/// Nothing on loopback takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Parts of a plan, for tests to change.
pub(crate) struct Setup {
    pub(crate) global: Global,
    pub(crate) frontend: Frontend,
    pub(crate) backend: Backend,
    /// Others beside it.
    pub(crate) more_backends: Vec<Backend>,
    pub(crate) servers: Vec<Server>,
    pub(crate) tables: Vec<TableConfig>,
    pub(crate) maps: Vec<MapConfig>,
    /// Scripts that rules call.
    pub(crate) lua: Option<Arc<Program>>,
    /// Networks of proxies that say whose their connections are.
    pub(crate) accept_proxy: Vec<(IpAddr, u8)>,
    /// Another frontend, with a port of its own.
    pub(crate) beside: Option<Frontend>,
}

impl Setup {
    /// One frontend before one backend with these servers, all timers long.
    pub(crate) fn new(servers: &[SocketAddr]) -> Self {
        let long = Some(Duration::from_secs(60));
        let errors = Arc::new(ErrorFiles::default());
        Self {
            global: Global {
                node: "test".into(),
                threads: 1,
                maxconn: 1000,
                max_head_bytes: 16 * 1024,
                max_headers: 101,
                http2: Http2::default(),
                compressors: 100,
            },
            frontend: Frontend {
                name: "front".into(),
                mode: Mode::Http,
                default_backend: Some(BackendId(0)),
                routes: Routes::default(),
                tcp_request: evenkeel_proxy::plan::TcpRules::default(),
                timeout: ClientTimeouts { client: long, ..ClientTimeouts::default() },
                http_request: Vec::new(),
                http_response: evenkeel_proxy::rules::ResponseRules::default(),
                forwarded_for: None,
                stats: None,
                dontlognull: false,
                log: vec![LogTargetId(0)],
                log_format: LogFormat::Httplog,
                records: None,
                error_files: Arc::clone(&errors),
                maxconn: None,
                http: ClientHttp::default(),
            },
            backend: Backend {
                name: "back".into(),
                is_listen: false,
                log: Vec::new(),
                mode: Mode::Http,
                servers: 0..u32::try_from(servers.len()).unwrap(),
                balance: Balance::RoundRobin,
                maxconn: None,
                fullconn: 0,
                timeout: ServerTimeouts { connect: long, server: long, ..ServerTimeouts::default() },
                http_request: Vec::new(),
                http_response: evenkeel_proxy::rules::ResponseRules::default(),
                forwarded_for: None,
                retries: 0,
                redispatch: Redispatch::Never,
                allbackups: false,
                error_files: errors,
                cookie: None,
                stick: Vec::new(),
                http: ServerHttp::default(),
            },
            more_backends: Vec::new(),
            servers: servers.iter().enumerate().map(|(i, addr)| server(i, *addr)).collect(),
            tables: Vec::new(),
            maps: Vec::new(),
            lua: None,
            accept_proxy: Vec::new(),
            beside: None,
        }
    }

    /// Puts the second server into a backend of its own, `other`.
    pub(crate) fn split(&mut self) {
        self.backend.servers = 0..1;
        let other = Backend { name: "other".into(), servers: 1..2, ..Self::new(&[]).backend };
        self.more_backends.push(other);
        self.servers[1].backend = BackendId(1);
    }

    /// Starts it on a free port.
    pub(crate) fn start(self) -> TestProxy {
        let records = UdpSocket::bind(LOOPBACK).unwrap();
        records.set_read_timeout(Some(PATIENCE)).unwrap();
        let to = Destination::Udp(records.local_addr().unwrap());
        let target = LogTarget { level: Level::Info, tag: "test".into(), ..LogTarget::new(to) };
        let sink = LogSink::start(vec![target]);
        let sink = sink.unwrap();
        let socket = TcpListener::bind(LOOPBACK).unwrap();
        let addr = socket.local_addr().unwrap();
        let accept_proxy = self.accept_proxy.into();
        let backends = std::iter::once(self.backend).chain(self.more_backends).collect();
        let mut listeners = vec![Listener { accept_proxy, ..Listener::new(FrontendId(0), addr) }];
        let mut sockets = vec![ListenerSockets { id: ListenerId(0), sockets: vec![socket.into()] }];
        let beside = self.beside.as_ref().map(|_| {
            let socket = TcpListener::bind(LOOPBACK).unwrap();
            let addr = socket.local_addr().unwrap();
            listeners.push(Listener::new(FrontendId(1), addr));
            sockets.push(ListenerSockets { id: ListenerId(1), sockets: vec![socket.into()] });
            addr
        });
        let frontends = std::iter::once(self.frontend).chain(self.beside).collect();
        let threads = self.global.threads;
        let plan = Arc::new(
            Plan::new(self.global, frontends, backends, self.servers, listeners)
                .and_then(|plan| plan.with_tables(self.tables))
                .and_then(|plan| plan.with_maps(self.maps))
                .unwrap()
                .with_lua(self.lua),
        );
        let stats = Arc::new(Stats::with_times(&plan, threads));
        let balance = Arc::new(State::new(&plan));
        let services = Services::default();
        let shared =
            Shared::new(Arc::clone(&balance), Arc::clone(&stats), &sink).with_services(services.clone());
        let proxy = runtime::start(Arc::clone(&plan), sockets, shared).unwrap();
        TestProxy { addr, beside, plan, proxy: Some(proxy), balance, stats, services, records, _sink: sink }
    }
}

fn server(number: usize, addr: SocketAddr) -> Server {
    Server {
        name: format!("s{}", number + 1),
        backend: BackendId(0),
        addr: addr.into(),
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
    }
}

/// A running proxy.
pub(crate) struct TestProxy {
    pub(crate) addr: SocketAddr,
    /// Of the other frontend.
    pub(crate) beside: Option<SocketAddr>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) services: Services,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) balance: Arc<State>,
    pub(crate) stats: Arc<Stats>,
    records: UdpSocket,
    _sink: LogSink,
}

impl TestProxy {
    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, ahead: Vec::new() }
    }

    /// What checks its servers, and carries out what operators want of them.
    pub(crate) fn checker(&self) -> Checker {
        let (events, _) = tokio::sync::mpsc::channel(1);
        Checker::start(Arc::clone(&self.plan), Arc::clone(&self.balance), 1, None, events).unwrap()
    }

    /// The next access record, without the syslog header, the client's address and the date.
    pub(crate) fn record(&self) -> String {
        self.line().split_once("] ").expect("a date").1.to_owned()
    }

    /// The next line of the log, with its header.
    pub(crate) fn line(&self) -> String {
        let mut bytes = [0; 4096];
        let n = self.records.recv(&mut bytes).expect("an access record");
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    /// Fails if there is a record that has not been read.
    pub(crate) fn no_more_records(&mut self) {
        // Stopping the threads and the writer leaves nothing on the way.
        self.proxy.take();
        self.records.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        if let Ok(n) = self.records.recv(&mut bytes) {
            panic!("unexpected record {}", String::from_utf8_lossy(&bytes[..n]));
        }
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    pub(crate) fn frontend_totals(&self) -> Totals {
        self.stats.snapshot().frontends[0]
    }
}

/// The parts of an access record that do not depend on time: names, status, flags, retries, request.
pub(crate) fn gist(record: &str) -> String {
    let fields: Vec<&str> = record.splitn(13, ' ').collect();
    let [frontend, target, _timers, status, _bytes, _cc, _cs, flags, counts, _queues, ..] = fields[..] else {
        panic!("not a record: {record}")
    };
    let request = record.split_once('"').unwrap().1.trim_end_matches('"');
    let retries = counts.rsplit('/').next().unwrap();
    format!("{frontend} {target} {status} {flags} {retries} {request}")
}

/// Timers of a record, in milliseconds: TR, Tw, Tc, Tr, Ta.
pub(crate) fn timers(record: &str) -> Vec<i64> {
    record.split(' ').nth(2).unwrap().split('/').map(|t| t.parse().unwrap()).collect()
}

/// A raw client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Read and not yet looked at.
    ahead: Vec<u8>,
}

impl Client {
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads a head, up to and without its empty line.
    pub(crate) fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8(self.ahead[..end].to_vec()).unwrap();
                self.ahead.drain(..end + 4);
                return head;
            }
            assert!(self.fill() > 0, "end inside a head: {}", self.ahead.escape_ascii());
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            assert!(self.fill() > 0, "end after {} of {n} bytes", self.ahead.len());
        }
        self.ahead.drain(..n).collect()
    }

    /// Reads a response with a Content-Length, or without content.
    pub(crate) fn response(&mut self) -> (String, Vec<u8>) {
        let head = self.head();
        let length = field(&head, "content-length").map_or(0, |v| v.parse().unwrap());
        let body = self.take(length);
        (head, body)
    }

    /// Everything up to the end. Fails if the connection is reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.ahead)
    }

    /// Like `rest`, and whether the connection was reset.
    pub(crate) fn rest_or_reset(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = std::mem::take(&mut self.ahead);
        let reset = self.stream.read_to_end(&mut bytes).is_err();
        (bytes, reset)
    }

    pub(crate) fn shut(&self) {
        match self.stream.shutdown(std::net::Shutdown::Write) {
            // The proxy has reset it already.
            Err(e) if e.kind() == std::io::ErrorKind::NotConnected => {}
            done => done.unwrap(),
        }
    }

    fn fill(&mut self) -> usize {
        let mut bytes = [0; 65536];
        let n = self.stream.read(&mut bytes).expect("bytes or an end in time");
        self.ahead.extend_from_slice(&bytes[..n]);
        n
    }
}

/// The value of a field in a head.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|l| l.split_once(':'))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
}

pub(crate) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A scripted server: `serve` gets every connection, with its number from 0, on a thread of its own.
pub(crate) struct Scripted {
    pub(crate) addr: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Heads of the requests that `serve` reported.
    pub(crate) heads: Receiver<String>,
}

/// One connection to a scripted server.
pub(crate) struct Served {
    pub(crate) client: Client,
    report: mpsc::Sender<String>,
}

impl Served {
    /// Reads and reports a request head. `None`: the proxy has closed.
    pub(crate) fn request(&mut self) -> Option<String> {
        while !self.client.ahead.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut bytes = [0; 65536];
            match self.client.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(n) => self.client.ahead.extend_from_slice(&bytes[..n]),
            }
        }
        let head = self.client.head();
        self.report.send(head.clone()).unwrap_or_default();
        Some(head)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The proxy may have closed; what it makes of that is tested, not this.
        self.client.stream.write_all(bytes.as_ref()).unwrap_or_default();
    }

    /// Answers every request with 200 and its request line, keeping the connection.
    pub(crate) fn answer_all(&mut self) {
        while let Some(head) = self.request() {
            let length = field(&head, "content-length").map_or(0, |v| v.parse().unwrap());
            self.client.take(length);
            let line = head.lines().next().unwrap();
            let body = if line.starts_with("HEAD ") { "" } else { line };
            self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", line.len()));
        }
    }
}

pub(crate) fn scripted(serve: impl Fn(&mut Served, usize) + Send + Sync + 'static) -> Scripted {
    let listener = TcpListener::bind(LOOPBACK).unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (report, heads) = mpsc::channel();
    let (count, serve) = (Arc::clone(&connections), Arc::new(serve));
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let number = count.fetch_add(1, Ordering::SeqCst);
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            let mut served = Served { client: Client { stream, ahead: Vec::new() }, report: report.clone() };
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(&mut served, number));
        }
    });
    Scripted { addr, connections, heads }
}

/// A server that answers every request.
pub(crate) fn answering() -> Scripted {
    scripted(|served, _| served.answer_all())
}

impl Scripted {
    pub(crate) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn head(&self) -> String {
        self.heads.recv_timeout(PATIENCE).expect("a request")
    }
}

/// An address where nothing listens.
pub(crate) fn closed_port() -> SocketAddr {
    TcpListener::bind(LOOPBACK).unwrap().local_addr().unwrap()
}

/// A channel whose receiver can be given to a server's script, which runs on other threads.
pub(crate) fn signal() -> (mpsc::Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (send, receive) = mpsc::channel();
    (send, Arc::new(Mutex::new(receive)))
}

/// Waits for a signal, for as long as a test waits.
pub(crate) fn await_signal(receiver: &Mutex<Receiver<()>>) {
    receiver.lock().unwrap().recv_timeout(PATIENCE).expect("a signal in time");
}

/// Waits for a condition.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what} in time");
        std::thread::yield_now();
    }
}

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
