//! Connections go where their ClientHello says, and TLS is between the client and the server only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::plan::{Backend, BackendId, TcpRules};
use evenkeel_proxy::route::{Route, Routes};
use evenkeel_proxy::rules::{How, Matcher, Test, Texts};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use super::common::{Client, PATIENCE, Scripted, Setup, TestProxy, scripted};
use super::endings::setup;
use super::programs::Program;

/// An authority of its own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // A certificate of the same name as its issuer would be taken for one that vouches for itself.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).unwrap();
        Self { der: cert.der().clone(), pem: cert.pem(), issuer: Issuer::new(params, key) }
    }

    /// `openssl s_server` that proves to be `name`, and answers requests with what it knows of the session.
    fn server(&self, name: &str) -> Program {
        let key = KeyPair::generate().unwrap();
        let cert =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        Program::start("openssl", &["s_server", "-www", "-accept", "ADDR", "-cert"], |_, _| {
            format!("{}{}", cert.pem(), key.serialize_pem())
        })
    }

    /// Whether a client of rustls that asks for `name`, and would speak `alpn`, reaches a server that proves to be it.
    fn reaches(&self, proxy: &TestProxy, name: &'static str, alpn: &[&str]) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
        let server = ServerName::try_from(name).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), server).unwrap();
        let mut client = proxy.client();
        let mut tls = Stream::new(&mut session, &mut client.stream);
        if tls.write_all(b"GET / HTTP/1.0\r\n\r\n").is_err() {
            return false;
        }
        let mut answer = [0; 15];
        tls.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.0 200 ok");
        true
    }
}

fn route(backend: u16, when: Matcher) -> Route {
    Route { when, to: BackendId(backend).into() }
}

fn texts(how: How, text: &str) -> Texts {
    Texts::new(how, false, vec![text.into()]).unwrap()
}

pub(crate) fn named(name: &str) -> Matcher {
    Matcher::Test(Test::HelloName(texts(How::Exact, name)))
}

/// A backend for each server, routes to them, and no default.
fn routed(servers: &[SocketAddr], inspect_delay: Duration, routes: Vec<Route>) -> Setup {
    let mut setup = setup(servers);
    for (i, server) in (0u16..).zip(&mut setup.servers) {
        server.backend = BackendId(i);
        let own = u32::from(i)..u32::from(i) + 1;
        if i == 0 {
            setup.backend.servers = own;
        } else {
            setup.more_backends.push(Backend { servers: own, ..super::endings::setup(&[]).backend });
        }
    }
    setup.frontend.default_backend = None;
    setup.frontend.tcp_request = TcpRules { inspect_delay, ..TcpRules::default() };
    setup.frontend.routes = Routes::new(routes);
    setup
}

/// Tells what it gets first, after a word of who it is.
pub(crate) fn telling(who: &'static str) -> Scripted {
    scripted(move |served, _| {
        served.send(who);
        let said = served.client.rest();
        served.send(said);
    })
}

#[test]
fn clients_reach_the_server_that_they_ask_for() {
    let authority = Authority::new();
    let servers = ["a.example", "b.example", "c.sub.example"].map(|name| authority.server(name));
    let below = Matcher::Test(Test::HelloName(texts(How::Suffix, ".sub.example")));
    let acme = Matcher::Test(Test::HelloAlpn(texts(How::Exact, "acme-tls/1")));
    let of_acme = Matcher::All(vec![acme, named("a.example")]);
    let routes =
        vec![route(1, of_acme), route(0, named("a.example")), route(1, named("b.example")), route(2, below)];
    let proxy = routed(&servers.each_ref().map(|s| s.addr), PATIENCE, routes).start();
    for name in ["a.example", "b.example", "c.sub.example"] {
        assert!(authority.reaches(&proxy, name, &[]), "{name}");
        assert!(openssl(&authority, proxy.addr, name), "{name}");
    }
    // The rule for this protocol comes first, and leads to a server that is not a.example.
    assert!(authority.reaches(&proxy, "a.example", &["h2"]));
    assert!(!authority.reaches(&proxy, "a.example", &["acme-tls/1"]));
    assert!(!authority.reaches(&proxy, "d.example", &[]), "no rule, no server");
    assert_eq!(proxy.frontend_totals().hello_missing, 0);
}

/// Whether `openssl s_client` does likewise.
fn openssl(authority: &Authority, proxy: SocketAddr, name: &str) -> bool {
    let roots =
        std::env::temp_dir().join(format!("evenkeel-sni-{}-{}.pem", std::process::id(), proxy.port()));
    std::fs::write(&roots, &authority.pem).unwrap();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &proxy.to_string(), "-servername", name, "-verify_hostname", name]);
    command.args(["-verify_return_error", "-CAfile"]).arg(&roots);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().expect("openssl (Debian package openssl)");
    std::fs::remove_file(&roots).unwrap();
    status.success()
}

/// What openssl 3 says first to a.example (one record of TLS 1.3, made once and kept).
pub(crate) fn hello_of_openssl() -> &'static [u8] {
    include_bytes!("../../../tests/fuzz/corpus/client_hello/openssl")
}

#[test]
fn not_a_byte_is_lost_or_changed() {
    let server = telling("a: ");
    let proxy = routed(&[server.addr], PATIENCE, vec![route(0, named("a.example"))]).start();
    let whole = hello_of_openssl();
    // In records of three bytes, in as many packets as they come to; more follows at once.
    let spread: Vec<u8> = whole[5..]
        .chunks(3)
        .flat_map(|c| [&[22, 3, 1, 0, u8::try_from(c.len()).unwrap()], c].concat())
        .collect();
    for (hello, at_once) in
        [(whole, whole.len()), (whole, 100), (&spread[..], spread.len()), (&spread[..], 9)]
    {
        let mut client = proxy.client();
        let sent = [hello, b"and more"].concat();
        for part in sent.chunks(at_once) {
            client.send(part);
        }
        client.shut();
        assert_eq!(client.rest(), [b"a: ", &sent[..]].concat());
    }
    assert_eq!(proxy.frontend_totals().hello_missing, 0);
}

fn end_of(mut client: Client) -> Vec<u8> {
    client.rest()
}

#[test]
fn what_is_no_hello_goes_to_the_default_backend_or_nowhere() {
    let (server, other) = (telling("a: "), telling("other: "));
    let start = |default: Option<BackendId>, delay: Duration| {
        let mut setup = routed(&[server.addr, other.addr], delay, vec![route(0, named("a.example"))]);
        setup.frontend.default_backend = default;
        setup.start()
    };
    let (open, closed) = (start(Some(BackendId(1)), PATIENCE), start(None, PATIENCE));
    for (said, expected) in [("SSH-2.0-x\r\n", "other: SSH-2.0-x\r\n"), ("\x16\x03", "other: \x16\x03")] {
        let mut client = open.client();
        client.send(said);
        client.shut();
        assert_eq!(end_of(client), expected.as_bytes());
    }
    let mut client = closed.client();
    client.send("SSH-2.0-x\r\n");
    let (answer, _) = client.rest_or_reset();
    assert_eq!(answer, b"");
    assert_eq!((open.frontend_totals().hello_missing, closed.frontend_totals().hello_missing), (2, 1));
    // Nobody has said anything.
    drop(closed.client());
    assert!(closed.record().contains("front front/<NOSRV>"), "the one before");
    let record = closed.record();
    assert!(record.contains(" 0 CR "), "{record}");
    assert_eq!(closed.frontend_totals().hello_missing, 1);
}

#[test]
fn one_who_says_nothing_in_time_goes_to_the_default_backend() {
    let server = telling("welcome");
    let mut setup = routed(&[server.addr], Duration::from_millis(50), vec![route(0, named("a.example"))]);
    setup.frontend.default_backend = Some(BackendId(0));
    let proxy = setup.start();
    let mut client = proxy.client();
    assert_eq!(client.take(7), b"welcome");
    assert_eq!(proxy.frontend_totals().hello_missing, 1);
    // Nor does a hello that never ends keep anybody.
    let mut client = proxy.client();
    client.send(&hello_of_openssl()[..40]);
    assert_eq!(client.take(7), b"welcome");
    client.send(b"x");
    client.shut();
    assert_eq!(client.rest(), [&hello_of_openssl()[..40], b"x"].concat());
}

#[test]
fn a_hello_without_end_is_given_up() {
    let server = telling("a: ");
    let proxy = routed(&[server.addr], PATIENCE, vec![route(0, named("a.example"))]).start();
    let client = TcpStream::connect(proxy.addr).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // 16,383 bytes of a message in records of one byte.
    let endless: Vec<u8> = [1, 0, 0x3F, 0xFB]
        .iter()
        .chain([7].iter().cycle())
        .take(4000)
        .flat_map(|b| [22, 3, 1, 0, 1, *b])
        .collect();
    // It may be closed before all of it is there.
    (&client).write_all(&endless).unwrap_or_default();
    let mut answer = Vec::new();
    (&client).read_to_end(&mut answer).unwrap_or_default();
    assert_eq!(answer, b"");
    assert_eq!(proxy.frontend_totals().hello_missing, 1);
}
