//! The PROXY protocol as other programs speak it: HAProxy on both sides, nginx behind.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use evenkeel_proxy::balance::State;
use evenkeel_proxy::health::CheckStatus;
use evenkeel_proxy::io::checker::Checker;
use evenkeel_proxy::plan::{
    Action, AnnounceOption, AnnounceOptions, CheckConfig, HttpCheck, HttpManner, HttpVersion, InitState,
    Plan, Script, SendProxy,
};
use evenkeel_proxy::proxy_protocol::Version;

use super::common::{PATIENCE, Setup, TestProxy, closed_port, scripted, until};
use super::endings::setup;

/// A program with a configuration of its own, stopped on drop.
pub(crate) struct Program {
    child: Child,
    dir: PathBuf,
    pub(crate) addr: SocketAddr,
}

impl Program {
    /// Starts it; `config` makes the configuration for an address to listen on, which is `ADDR` in `args`.
    pub(crate) fn start(name: &str, args: &[&str], config: impl FnOnce(SocketAddr, &str) -> String) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("evenkeel-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (addr, file) = (closed_port(), dir.join("conf"));
        std::fs::write(&file, config(addr, dir.to_str().unwrap())).unwrap();
        let mut command = Command::new(name);
        command
            .args(args.iter().map(|a| a.replace("ADDR", &addr.to_string())))
            .arg(&file)
            .current_dir(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} (Debian package {name}): {e}"));
        let mut this = Self { child, dir, addr };
        this.await_ready(name);
        this
    }

    fn await_ready(&mut self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.addr).is_err() {
            assert_eq!(self.child.try_wait().unwrap(), None, "{name} ends");
            assert!(Instant::now() < deadline, "{name} does not listen on {}", self.addr);
            std::thread::yield_now();
        }
    }

    fn haproxy(sections: impl FnOnce(SocketAddr) -> String) -> Self {
        Self::start("haproxy", &["-db", "-f"], |addr, _| {
            let timeouts =
                "defaults\n mode http\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n";
            format!("{timeouts}{}", sections(addr))
        })
    }

    fn nginx() -> Self {
        Self::start("nginx", &["-e", "error.log", "-c"], |addr, dir| {
            let server = format!(
                "server {{ listen {addr} proxy_protocol; location / {{ return 200 \
                 \"$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr \
                 $proxy_protocol_server_port\"; }} }}"
            );
            let temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|t| format!("{t}_temp_path {dir}/{t};"))
                .concat();
            format!(
                "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\nevents {{}}\n\
                 http {{ access_log off; {temps}\n{server} }}\n"
            )
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; what was tested has been seen.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.dir).unwrap_or_default();
    }
}

fn announcing(mut setup: Setup, version: Version, crc32c: bool) -> TestProxy {
    let options =
        if crc32c { AnnounceOptions::NONE.with(AnnounceOption::Crc32c) } else { AnnounceOptions::NONE };
    setup.servers[0].send_proxy = Some(SendProxy { version, options });
    setup.start()
}

/// Asks through a proxy; the answer, and the client's own address.
fn ask(proxy: SocketAddr) -> (String, SocketAddr) {
    let stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = stream.local_addr().unwrap();
    std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut &stream, &mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not a response: {answer:?}"));
    (body.to_owned(), own)
}

#[test]
fn haproxy_and_nginx_understand_what_is_sent() {
    let haproxy = Program::haproxy(|addr| {
        format!(
            "frontend f\n bind {addr} accept-proxy\n http-request return status 200 content-type text/plain \
             lf-string \"%[src] %[src_port] %[dst] %[dst_port]\"\n"
        )
    });
    let nginx = Program::nginx();
    for server in [haproxy.addr, nginx.addr] {
        for setup in [setup, Setup::new] {
            for (version, crc32c) in [(Version::V1, false), (Version::V2, false), (Version::V2, true)] {
                let proxy = announcing(setup(&[server]), version, crc32c);
                let (told, own) = ask(proxy.addr);
                let to = proxy.addr;
                let expected = format!("{} {} {} {}", own.ip(), own.port(), to.ip(), to.port());
                assert_eq!(told, expected, "{version:?} to {server}");
            }
        }
    }
}

#[test]
fn what_haproxy_sends_is_understood() {
    // The server gets the client's address from HTTP, as the last proxy saw it.
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            let body = super::common::field(&head, "x-forwarded-for").unwrap_or("none").to_owned();
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    });
    for how in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"] {
        let mut config = Setup::new(&[server.addr]);
        config.frontend.forwarded_for = Some(evenkeel_proxy::plan::ForwardedFor {
            header: "X-Forwarded-For".into(),
            except: Vec::new(),
            if_none: false,
        });
        config.accept_proxy = vec![("127.0.0.1".parse().unwrap(), 32)];
        let proxy = config.start();
        // Clients of another loopback address, so that it is told apart from the proxy's own.
        let before = Program::haproxy(|addr| {
            format!("listen l\n bind {addr}\n mode tcp\n server s {} {how}\n", proxy.addr)
        });
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).unwrap();
        socket.connect(&before.addr.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut &stream, &mut answer).unwrap();
        assert!(answer.ends_with("\r\n\r\n127.0.0.9"), "{how}: {answer}");
        assert_eq!(proxy.frontend_totals().proxy_refused, 0, "{how}");
    }
}

/// What the first check of a server finds, if checks begin with such a header.
fn checked(server: SocketAddr, header: Option<Version>) -> CheckStatus {
    let mut config = Setup::new(&[server]);
    config.servers[0].check_send_proxy = header;
    config.servers[0].check = Some(CheckConfig {
        inter: Duration::from_millis(50),
        fastinter: None,
        downinter: None,
        timeout: Some(PATIENCE),
        fall: 1,
        rise: 1,
        addr: None,
        port: None,
        tls: None,
        init: InitState::default(),
        spread_percent: 0,
        script: Arc::new(Script::of([Action::Http(HttpCheck {
            method: "GET".into(),
            uri: "/".into(),
            version: HttpVersion::V1_0,
            headers: Vec::new(),
            body: Vec::new(),
            expect: Vec::new(),
        })])),
        http: HttpManner::default(),
    });
    let plan =
        Plan::new(config.global, vec![config.frontend], vec![config.backend], config.servers, Vec::new());
    let plan = Arc::new(plan.unwrap());
    let state = Arc::new(State::new(&plan));
    let (events, _taken) = tokio::sync::mpsc::channel(64);
    let checker = Checker::start(plan, state, 1, None, events).unwrap();
    until("a check", || checker.first_round_done());
    checker.report()[0].last.as_ref().unwrap().status
}

#[test]
fn checks_say_that_they_are_nobodys() {
    let haproxy = Program::haproxy(|addr| {
        format!("frontend f\n bind {addr} accept-proxy\n http-request return status 200\n")
    });
    let nginx = Program::nginx();
    for server in [haproxy.addr, nginx.addr] {
        for version in [Version::V1, Version::V2] {
            assert_eq!(checked(server, Some(version)), CheckStatus::L7Ok, "{version:?} to {server}");
        }
        assert_ne!(checked(server, None), CheckStatus::L7Ok, "{server} wants a header");
    }
}

#[test]
fn redis_is_served_in_both_directions() {
    let redis = Program::start("redis-server", &[], |addr, dir| {
        format!("bind {}\nport {}\ndir {dir}\nsave \"\"\nappendonly no\n", addr.ip(), addr.port())
    });
    let proxy = setup(&[redis.addr]).start();
    let mut client = proxy.client();
    let value = "x".repeat(3_000_000);
    client.send(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$3000000\r\n{value}\r\nSTRLEN big\r\nGET big\r\n"));
    assert_eq!(client.take(5), b"+OK\r\n");
    assert_eq!(client.take(10), b":3000000\r\n");
    assert_eq!(client.take(10), b"$3000000\r\n");
    assert!(client.take(3_000_000).iter().all(|b| *b == b'x'));
    assert_eq!(client.take(2), b"\r\n");
    client.send("QUIT\r\n");
    assert_eq!(client.rest(), b"+OK\r\n");
    drop(client);
    assert!(proxy.record().contains(" -- 1/1/0/0/0 0/0"));
}
