mod names;
mod nameservers;
mod over_http2;
mod over_tls;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::balance::Wish;
use crate::balance::fixture::{check, pick, plan, plan_with, server};
use crate::endpoint::{Endpoint, UnixName};
use crate::health::run::Whom;
use crate::health::{CheckStatus, Operational, Turn};
use crate::plan::{
    Action, ByteExpect, ByteMatch, CheckConfig, Expect, HttpCheck, HttpVersion, Says, Script, Server,
    ServerAddr,
};

/// Long enough for many reads at once.
const ENDLESS: &str = include_str!("tests.rs");

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server does with a connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Answers and closes.
    Answer(&'static str),
    /// Reads and says nothing.
    Silent,
    /// Sends the first part, then the second for ever.
    Endless(&'static str, &'static str),
    /// Closes at once.
    Close,
}

/// A server on loopback whose manner can be changed, and what it was asked.
struct Backend {
    addr: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<u8>>>,
    _task: JoinSet<()>,
}

impl Backend {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(manner));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let (now, log) = (Arc::clone(&manner), Arc::clone(&asked));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let manner = *now.lock().unwrap();
                connections.spawn(serve(stream, manner, Arc::clone(&log)));
            }
        });
        Self { addr, manner, asked, _task: task }
    }

    fn turn(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, asked: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 1024];
    if matches!(manner, Manner::Close) {
        return;
    }
    let Ok(count) = stream.read(&mut buffer).await else { return };
    *asked.lock().unwrap() = buffer[..count].to_vec();
    let sent = match manner {
        Manner::Answer(text) => stream.write_all(text.as_bytes()).await,
        Manner::Silent => stream.read(&mut buffer).await.map(drop),
        Manner::Endless(first, more) => {
            let mut sent = stream.write_all(first.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(more.as_bytes()).await;
            }
            sent
        }
        Manner::Close => Ok(()),
    };
    // The checker hangs up whenever it likes.
    drop(sent);
}

fn http(expect: Vec<Expect>) -> Script {
    Script::of([Action::Http(HttpCheck {
        method: "GET".into(),
        uri: "/health".into(),
        version: HttpVersion::V1_0,
        headers: Vec::new(),
        body: Vec::new(),
        expect: expect.into_iter().map(Into::into).collect(),
    })])
}

fn quick(script: Script) -> CheckConfig {
    CheckConfig { inter: Duration::from_millis(20), timeout: Some(PATIENCE), ..check(script) }
}

fn at(addr: impl Into<Endpoint>, config: CheckConfig) -> Server {
    Server { addr: ServerAddr::Fixed(addr.into()), check: Some(config), ..server(1) }
}

/// A port that nobody listens on.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn start(plan: Plan, capacity: usize) -> (Checker, Arc<State>, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(capacity);
    let plan = Arc::new(plan);
    let state = Arc::new(State::new(&plan));
    let checker = Checker::start(plan, Arc::clone(&state), 1, None, sender).unwrap();
    (checker, state, events)
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Turn {
    timeout(PATIENCE, events.recv()).await.expect("no event").expect("the checker is gone").turn
}

/// Outcome, code and remark of one check.
async fn probe_once(addr: impl Into<Endpoint>, config: CheckConfig) -> String {
    let plan = plan(vec![at(addr, config)]);
    let server = &plan.servers()[0];
    let at = server.check.as_ref().and_then(|c| c.target(server.addr.fixed()));
    let job = Job { server: ServerId(0), probe: Probe::Check };
    let result = timeout(PATIENCE, probe::probe(&plan, job, at, Whom::default()))
        .await
        .expect("the check did not end")
        .result;
    let code = result.code.map(|c| format!(" {c}")).unwrap_or_default();
    let info = result.info.map(|i| format!(" {}", i.as_str())).unwrap_or_default();
    format!("{}{code}{info}", result.status.name())
}

#[tokio::test]
async fn outcomes_over_real_sockets() {
    let long_line = "HTTP/1.0 200 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let cases = [
        (Manner::Answer("HTTP/1.0 200 OK\r\n\r\nup"), "L7OK 200"),
        (Manner::Answer("HTTP/1.0 503 Busy\r\n\r\n"), "L7STS 503 Busy"),
        (Manner::Answer("220 mail ESMTP\r\n"), "L7RSP response does not begin with HTTP/"),
        (Manner::Answer("HTTP/1.0 200 OK\r\n"), "L7RSP response head cut short"),
        (Manner::Close, "L7RSP connection closed without a response"),
        (Manner::Endless(long_line, long_line), "L7RSP response head too large"),
        (Manner::Endless("HTTP/1.0 200 OK\r\n", "X: y\r\n"), "L7RSP response head too large"),
        (Manner::Endless("HTTP/1.0 200 OK\r\n\r\n", "\0\0\0\0"), "L7OK 200"),
    ];
    for (manner, expected) in cases {
        let backend = Backend::start(manner).await;
        let outcome = probe_once(backend.addr, quick(http(Vec::new()))).await;
        // A close may reach us as a reset, if our request came too late to be read.
        let reset = matches!(manner, Manner::Close) && outcome == "L7RSP Connection reset by peer";
        assert!(outcome == expected || reset, "{manner:?}: {outcome}");
    }
    let backend = Backend::start(Manner::Endless("HTTP/1.0 200 OK\r\n\r\n", "abab")).await;
    let needle = |text: &str| quick(http(vec![Expect::String(text.into())]));
    assert_eq!(probe_once(backend.addr, needle("baba")).await, "L7OK 200");
    assert_eq!(probe_once(backend.addr, needle("c")).await, "L7RSP HTTP content check did not match");
}

#[tokio::test]
async fn connections_that_fail() {
    let refused = nobody().await;
    assert_eq!(probe_once(refused, quick(Script::default())).await, "L4CON Connection refused");
    assert_eq!(probe_once(refused, quick(http(Vec::new()))).await, "L4CON Connection refused");
    let backend = Backend::start(Manner::Silent).await;
    assert_eq!(probe_once(backend.addr, quick(Script::default())).await, "L4OK");
    let elsewhere = CheckConfig { port: Some(backend.addr.port()), ..quick(Script::default()) };
    assert_eq!(probe_once(refused, elsewhere).await, "L4OK", "an address of its own to check");
    let other = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let there = other.local_addr().unwrap();
    let elsewhere =
        CheckConfig { addr: Some(there.ip()), port: Some(there.port()), ..quick(Script::default()) };
    assert_eq!(probe_once(refused, elsewhere).await, "L4OK");
    let (reached, _) = timeout(PATIENCE, other.accept()).await.expect("nobody came").unwrap();
    assert_eq!(reached.local_addr().unwrap(), there);
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let backend = Backend::start(Manner::Silent).await;
    let short = CheckConfig { timeout: Some(Duration::from_millis(50)), ..quick(http(Vec::new())) };
    assert_eq!(probe_once(backend.addr, short).await, "L7TOUT");
    let by_interval = CheckConfig { timeout: None, ..quick(http(Vec::new())) };
    assert_eq!(probe_once(backend.addr, by_interval).await, "L7TOUT", "without a timeout: the interval");
    let dripping =
        Backend::start(Manner::Endless("HTTP/1.0 100 Wait\r\n\r\n", "HTTP/1.0 100 Wait\r\n\r\n")).await;
    let short = CheckConfig { timeout: Some(Duration::from_millis(50)), ..quick(http(Vec::new())) };
    let outcome = probe_once(dripping.addr, short).await;
    // Which bound is met first is a matter of speed.
    let bounds = ["L7TOUT", "L7RSP response head too large"];
    assert!(bounds.contains(&&*outcome), "activity does not prolong a check: {outcome}");
}

/// A server that is always faster than the steps of the check never lets a timer look at the clock.
#[tokio::test]
async fn a_server_that_never_pauses_does_not_prolong_a_check() {
    let backend = Backend::start(Manner::Endless("a", ENDLESS)).await;
    let expect = ByteExpect {
        wanted: ByteMatch::Contains(b"a".to_vec()),
        negate: false,
        min_recv: None,
        says: Says::default(),
    };
    let step = || [Action::Send(b"x".to_vec()), Action::Expect(expect.clone())];
    let script = Script::of((0..30_000).flat_map(|_| step()));
    let short = CheckConfig { timeout: Some(Duration::from_millis(50)), ..quick(script) };
    let outcome = probe_once(backend.addr, short).await;
    assert!(outcome.starts_with("L7TOUT at step "), "{outcome}");
}

#[tokio::test]
async fn no_connection_in_time() {
    // A listener whose accept queue is full drops what else comes.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let mut filling = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(addr)).await {
        filling.push(stream);
        assert!(filling.len() < 100, "the queue does not fill");
    }
    let config =
        CheckConfig { inter: PATIENCE, timeout: Some(Duration::from_millis(50)), ..check(Script::default()) };
    assert_eq!(probe_once(addr, config).await, "L4TOUT");
}

/// A path in the directory for temporary files that no other test takes.
fn socket_path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("evenkeel-{name}-{}.sock", std::process::id()))
}

fn unix(path: &std::path::Path) -> Endpoint {
    Endpoint::Unix(UnixName::Path(path.into()))
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_checked_like_a_port() {
    let path = socket_path("check");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        let asked = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
        buffer[..asked].to_vec()
    });
    assert_eq!(probe_once(unix(&path), quick(http(Vec::new()))).await, "L7OK 200");
    assert_eq!(serving.await.unwrap(), b"GET /health HTTP/1.0\r\n\r\n");
    std::fs::remove_file(&path).unwrap();
    let gone = probe_once(unix(&path), quick(Script::default())).await;
    assert_eq!(gone, "L4CON No such file or directory");
}

#[tokio::test]
async fn a_full_backlog_of_a_socket_is_its_servers_fault() {
    let path = socket_path("full");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let client = || {
        let client =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM.nonblocking(), None).unwrap();
        client.connect(&socket2::SockAddr::unix(&path).unwrap()).map(|()| client)
    };
    let mut filling = Vec::new();
    while let Ok(stream) = client() {
        filling.push(stream);
        assert!(filling.len() < 100, "the queue does not fill");
    }
    let outcome = probe_once(unix(&path), quick(Script::default())).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(outcome, "L4CON Backlog of the socket is full");
}

#[test]
fn what_this_machine_lacks_is_not_held_against_the_server() {
    use nix::errno::Errno;
    let ours =
        [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::EADDRNOTAVAIL, Errno::EAGAIN];
    let theirs =
        [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::ETIMEDOUT, Errno::EPERM];
    let outcome = |errno: Errno| probe::failure(&errno.into()).ours;
    assert!(ours.into_iter().all(outcome));
    assert!(theirs.into_iter().all(|errno| !outcome(errno)));
}

#[test]
fn limits_come_from_timeout_interval_and_connect_timeout() {
    let ms = Duration::from_millis;
    let cases = [
        // timeout, inter, connect timeout of the backend → until connected, until judged
        (None, 2000, None, (2000, 2000)),
        (None, 2000, Some(500), (500, 2000)),
        (None, 2000, Some(5000), (2000, 2000)),
        (Some(300), 2000, Some(500), (300, 300)),
        (Some(3000), 2000, Some(500), (500, 3000)),
        (Some(3000), 2000, None, (2000, 3000)),
    ];
    for (timeout, inter, connect, (until_connected, until_judged)) in cases {
        let config = CheckConfig { timeout: timeout.map(ms), inter: ms(inter), ..check(Script::default()) };
        let limits = crate::health::run::Limits::new(&config, connect.map(ms));
        assert_eq!((limits.connect, limits.whole), (ms(until_connected), ms(until_judged)), "{config:?}");
    }
}

#[tokio::test]
async fn a_server_goes_down_and_comes_back() {
    let backend = Backend::start(Manner::Answer("HTTP/1.0 200 OK\r\n\r\n")).await;
    let (checker, state, mut events) = start(plan(vec![at(backend.addr, quick(http(Vec::new())))]), 16);
    timeout(PATIENCE, checker.first_round().wait_for(|done| *done)).await.unwrap().unwrap();
    assert!(checker.first_round_done());
    assert_eq!(*backend.asked.lock().unwrap(), b"GET /health HTTP/1.0\r\n\r\n");
    assert!(pick(&state, Wish::default()).is_some());

    backend.turn(Manner::Answer("HTTP/1.0 500 Oops\r\n\r\n"));
    let Turn::Down(result) = next(&mut events).await else { panic!("it came up") };
    assert_eq!((result.status, result.code), (CheckStatus::L7Status, Some(500)));
    assert_eq!(pick(&state, Wish::default()), None, "before the event is out the server is");

    backend.turn(Manner::Answer("HTTP/1.0 204 Fine\r\n\r\n"));
    let Turn::Up(result) = next(&mut events).await else { panic!("it went down") };
    assert_eq!(result.code, Some(204));
    assert_eq!(checker.report()[0].operational, Operational::Up);
    assert_eq!(checker.report()[0].history.len(), 2);
}

#[tokio::test]
async fn operators_changes_take_effect_at_once() {
    let dead = nobody().await;
    let (checker, state, mut events) = start(plan(vec![at(dead, quick(Script::default())), server(1)]), 16);
    assert!(matches!(next(&mut events).await, Turn::Down(_)));
    checker.set_admin(ServerId(0), AdminState::Maint);
    assert_eq!(checker.report()[0].operational, Operational::Maint);
    assert_eq!(next(&mut events).await, Turn::Maint);
    checker.set_admin(ServerId(0), AdminState::Ready);
    assert_eq!(next(&mut events).await, Turn::Ready(AdminState::Maint));
    assert!(matches!(next(&mut events).await, Turn::Down(_)), "checked again");
    checker.set_weight(ServerId(1), 7);
    assert_eq!(next(&mut events).await, Turn::Weight(7));
    assert_eq!(state.server(ServerId(1)).unwrap().weight, 7);
}

#[tokio::test]
async fn a_replacement_inherits_what_is_known() {
    let dead = nobody().await;
    let slow = CheckConfig { inter: PATIENCE, ..check(Script::default()) };
    let (checker, _, mut events) = start(plan(vec![at(dead, slow.clone())]), 16);
    assert!(matches!(next(&mut events).await, Turn::Down(_)));
    let snapshot = checker.snapshot();
    drop(checker);

    let plan = Arc::new(plan(vec![at(dead, slow)]));
    let state = Arc::new(State::new(&plan));
    let (sender, _events) = mpsc::channel(1);
    let checker = Checker::start(plan, Arc::clone(&state), 2, Some(&snapshot), sender).unwrap();
    assert!(checker.first_round_done(), "known before the first check");
    assert_eq!(pick(&state, Wish::default()), None);
}

#[tokio::test]
async fn events_that_find_no_room_are_counted() {
    let dead = nobody().await;
    let servers = (0..5).map(|_| at(dead, quick(Script::default()))).collect();
    let (checker, _, _unread) = start(plan(servers), 2);
    timeout(PATIENCE, checker.first_round().wait_for(|done| *done)).await.unwrap().unwrap();
    assert_eq!(checker.dropped_events(), 3);
}

#[tokio::test]
async fn stopping_does_not_wait_for_checks() {
    let backend = Backend::start(Manner::Silent).await;
    let servers = (0..3).map(|_| at(backend.addr, quick(http(Vec::new())))).collect();
    let (checker, _, mut events) = start(plan_with(servers, |_| {}), 1);
    let begun = Instant::now();
    let ended = tokio::task::spawn_blocking(move || drop(checker));
    ended.await.unwrap();
    assert!(begun.elapsed() < PATIENCE / 2, "checks would have taken {PATIENCE:?}");
    assert!(events.recv().await.is_none(), "the thread is gone");
}
