use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::balance::State;
use crate::endpoint::Endpoint;
use crate::io::passage::{Means, Passage};
use crate::io::runtime::{self, ListenerSockets, Shared};
use crate::io::splice::Pipes;
use crate::plan::{FrontendId, Listener, ListenerId};
use crate::stats::Stats;
use crate::tls::acceptor::{Sessions, Tickets};
use crate::tls::certificates::UnknownName;
use crate::tls::fixture::{Authority, Texts};
use crate::tls::suites::{Curve, Version};
use crate::tls::trust::{Authorities, Revocations};
use crate::tls::{
    AcceptorConfig, Certificate, Certificates, ClientAuth, ConnectorConfig, Policy, ServerAuth,
};

/// What the two sides of a test are made of.
struct Case {
    ca: Authority,
    certificate: Texts,
    client_auth: ClientAuth,
    server_auth: Option<ServerAuth>,
    shown: Option<Certificate>,
    policy: Policy,
    tickets: Tickets,
    cache: usize,
    sni: Option<&'static str>,
    unknown: UnknownName,
    alpn: &'static [&'static [u8]],
    verifyhost: Option<&'static str>,
}

impl Case {
    fn new() -> Self {
        let ca = Authority::new("ca");
        Self {
            certificate: ca.issue(&["www.example.com"]),
            ca,
            client_auth: ClientAuth::None,
            server_auth: None,
            shown: None,
            policy: Policy::default(),
            tickets: Tickets::On,
            cache: 0,
            sni: Some("www.example.com"),
            unknown: UnknownName::First,
            alpn: &[b"http/1.1"],
            verifyhost: None,
        }
    }

    fn believed(&self) -> Authorities {
        Authorities::read(self.ca.pem.as_bytes()).unwrap()
    }

    fn acceptor(&self) -> Acceptor {
        Acceptor::new(self.settings()).unwrap()
    }

    fn settings(&self) -> AcceptorConfig {
        AcceptorConfig {
            certificates: Certificates::new(&[self.certificate.read()], self.unknown),
            policy: Policy::default(),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            client_auth: self.client_auth.clone(),
            sessions: Sessions::new(self.tickets, self.cache).unwrap(),
            handshake_timeout: Duration::from_secs(5),
        }
    }

    /// The policy holds for the acceptor as well.
    fn acceptor_of_policy(&self) -> Acceptor {
        Acceptor::new(AcceptorConfig { policy: self.policy.clone(), ..self.settings() }).unwrap()
    }

    fn connector(&self) -> Connector {
        let required = || ServerAuth::Required(self.believed(), Revocations::default());
        Connector::new(ConnectorConfig {
            auth: self.server_auth.clone().unwrap_or_else(required),
            sni: self.sni,
            verifyhost: self.verifyhost,
            host: Some("127.0.0.1"),
            policy: self.policy.clone(),
            alpn: self.alpn.iter().map(|p| p.to_vec()).collect(),
            certificate: self.shown.as_ref(),
        })
        .unwrap()
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), test).await.unwrap() })
}

/// A connection before its handshake: the server's side, and how the client's turned out.
async fn connect(
    acceptor: &Acceptor,
    connector: &Connector,
) -> (Result<Stream, HandshakeError>, io::Result<Stream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = Endpoint::Ip(listener.local_addr().unwrap());
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = Stream::new(tcp).unwrap().accept_tls(acceptor).unwrap();
        poll_fn(|cx| stream.poll_handshake(cx)).await.map(|()| stream)
    };
    let client = async {
        let mut stream = Stream::connect_tls(&at, connector).unwrap();
        poll_fn(|cx| stream.poll_connected(cx)).await.map(|()| stream)
    };
    tokio::join!(server, client)
}

async fn connected(case: &Case) -> (Stream, Stream) {
    let (server, client) = connect(&case.acceptor(), &case.connector()).await;
    (server.unwrap(), client.unwrap())
}

async fn write(stream: &mut Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // Split anywhere: a head and its content.
        let (head, body) = bytes.split_at(bytes.len() / 3);
        let n = poll_fn(|cx| stream.poll_write(cx, head, body)).await.unwrap();
        bytes = &bytes[n..];
    }
}

async fn read(stream: &mut Stream, most: usize) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; most];
    let n = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?;
    buf.truncate(n);
    Ok(buf)
}

async fn read_exactly(stream: &mut Stream, wanted: usize, at_once: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < wanted {
        let some = read(stream, at_once.min(wanted - all.len())).await.unwrap();
        assert!(!some.is_empty(), "an end after {} of {wanted} bytes", all.len());
        all.extend(some);
    }
    all
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
}

#[test]
fn bytes_pass_both_ways_whatever_their_number() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut case = Case::new();
        case.policy.max = version;
        run(async {
            let (mut server, mut client) = connected(&case).await;
            for (len, at_once) in
                [(1, 1), (16_384, 100_000), (16_385, 5), (100_000, 16_384), (3_000_000, 262_144)]
            {
                let bytes = pattern(len);
                let (_, got) =
                    tokio::join!(write(&mut client, &bytes), read_exactly(&mut server, len, at_once));
                assert!(got == bytes, "{version:?} {len} up");
                let (_, got) =
                    tokio::join!(write(&mut server, &bytes), read_exactly(&mut client, len, at_once));
                assert!(got == bytes, "{version:?} {len} down");
            }
            // Nothing is kept for a stream that idles.
            let tls = |s: &Stream| {
                let tls = s.tls().unwrap();
                (tls.incoming.capacity(), tls.plain.capacity(), tls.out.records.capacity())
            };
            let mut cx = Context::from_waker(Waker::noop());
            assert!(client.poll_read(&mut cx, &mut [0; 16]).is_pending());
            assert!(server.poll_read(&mut cx, &mut [0; 16]).is_pending());
            assert_eq!((tls(&client), tls(&server)), ((0, 0, 0), (0, 0, 0)));
        });
    }
}

#[test]
fn bytes_count_as_written_when_they_are_and_only_once() {
    run(async {
        let (mut server, mut client) = connected(&Case::new()).await;
        let bytes = pattern(8_000_000);
        let mut written = 0;
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(n) = server.poll_write(&mut cx, &bytes[written..], &[]) {
            written += n.unwrap();
        }
        assert!(written > 0 && written < bytes.len());
        // The rest is offered as far as it has not been taken, which is how the session knows it again.
        let (_, got) = tokio::join!(
            write(&mut server, &bytes[written..]),
            read_exactly(&mut client, bytes.len(), 65_536)
        );
        assert!(got == bytes);
    });
}

#[test]
fn an_end_is_told_from_a_break() {
    run(async {
        let case = Case::new();
        // With the last bytes.
        let (mut server, mut client) = connected(&case).await;
        server.announce_end();
        write(&mut server, b"bye").await;
        assert_eq!(read(&mut client, 16).await.unwrap(), b"bye");
        assert_eq!(read(&mut client, 16).await.unwrap(), b"");
        // After them; the other direction goes on.
        let (mut server, mut client) = connected(&case).await;
        write(&mut server, b"bye").await;
        server.shutdown().unwrap();
        assert_eq!(read(&mut client, 16).await.unwrap(), b"bye");
        assert_eq!(read(&mut client, 16).await.unwrap(), b"");
        write(&mut client, b"still here").await;
        assert_eq!(read(&mut server, 16).await.unwrap(), b"still here");
        // By going away in order.
        let (server, mut client) = connected(&case).await;
        drop(server);
        assert_eq!(read(&mut client, 16).await.unwrap(), b"");
        // By a reset: it must not look like an end.
        let (mut server, mut client) = connected(&case).await;
        server.reset_on_close().unwrap();
        drop(server);
        assert!(read(&mut client, 16).await.is_err());
        // The connection below ends without a word.
        let (mut server, mut client) = connected(&case).await;
        server.tls_for_tests().outgoing_end = OutgoingEnd::Aborted;
        drop(server);
        assert_eq!(read(&mut client, 16).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(&mut client, 16).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn tickets_do_not_disturb_an_idle_stream() {
    run(async {
        let (mut server, mut client) = connected(&Case::new()).await;
        let mut cx = Context::from_waker(Waker::noop());
        // The tickets leave with the first read that finds nothing.
        assert!(server.poll_read(&mut cx, &mut [0; 16]).is_pending());
        client.tls_for_tests().under.readable_for_tests().await;
        assert!(client.is_quiet());
        write(&mut server, b"x").await;
        client.tls_for_tests().under.readable_for_tests().await;
        assert!(!client.is_quiet());
        // An end is noticed as well.
        let (server, mut client) = connected(&Case::new()).await;
        drop(server);
        client.tls_for_tests().under().readable_for_tests().await;
        assert!(!client.is_quiet());
    });
}

#[test]
fn sessions_are_resumed_as_configured() {
    for version in [Version::Tls12, Version::Tls13] {
        for (tickets, cache, resumed) in
            [(Tickets::On, 0, true), (Tickets::Off, 100, true), (Tickets::Off, 0, false)]
        {
            let mut case = Case::new();
            (case.tickets, case.cache, case.policy.max) = (tickets, cache, version);
            run(async {
                let (acceptor, connector) = (case.acceptor(), case.connector());
                for again in [false, true, true] {
                    let (server, client) = connect(&acceptor, &connector).await;
                    let (mut server, mut client) = (server.unwrap(), client.unwrap());
                    write(&mut server, b"x").await;
                    assert_eq!(read(&mut client, 1).await.unwrap(), b"x");
                    let found = server.tls().unwrap().session().is_resumed();
                    assert_eq!(found, resumed && again, "{version:?} {tickets:?} {cache}");
                    let name = server.session().unwrap().server_name.as_deref();
                    assert_eq!(name, Some("www.example.com"), "resumed or not");
                }
            });
        }
    }
}

#[test]
fn servers_are_held_to_their_names() {
    run(async {
        let good = Case::new();
        let (server, client) = connected(&good).await;
        assert_eq!(server.session().unwrap().server_name.as_deref(), Some("www.example.com"));
        assert_eq!(client.tls().unwrap().session().alpn(), Some(&b"http/1.1"[..]));
        let wrong_name = Case { sni: Some("other.example.com"), ..Case::new() };
        let by_address = Case { sni: None, ..Case::new() };
        let stranger = Authorities::read(Authority::new("ca").pem.as_bytes()).unwrap();
        let required = ServerAuth::Required(stranger, Revocations::default());
        let wrong_ca = Case { server_auth: Some(required), ..Case::new() };
        for case in [wrong_name, by_address, wrong_ca] {
            let (server, client) = connect(&case.acceptor(), &case.connector()).await;
            assert_eq!(client.unwrap_err().kind(), io::ErrorKind::InvalidData);
            // In TLS 1.3 the server hears of it from the alert.
            assert!(
                matches!(server, Err(HandshakeError::Tls(rustls::Error::AlertReceived(_)))),
                "{server:?}"
            );
        }
        let other_name = Case { sni: Some("x.example"), verifyhost: Some("www.example.com"), ..Case::new() };
        let anybody = Case { sni: None, server_auth: Some(ServerAuth::None), ..Case::new() };
        for case in [other_name, anybody] {
            let (server, _client) = connected(&case).await;
            assert_eq!(server.session().unwrap().server_name.as_deref(), case.sni);
        }
        let revoked = Case::new();
        let list = revoked.ca.revoke(&revoked.certificate);
        let list = Revocations::read(list.as_bytes()).unwrap();
        let revoked = Case { server_auth: Some(ServerAuth::Required(revoked.believed(), list)), ..revoked };
        let (_, client) = connect(&revoked.acceptor(), &revoked.connector()).await;
        assert!(client.unwrap_err().to_string().contains("Revoked"));
    });
}

#[test]
fn clients_are_known_by_their_certificates() {
    run(async {
        let ca = Authority::new("clients");
        let believed = || Authorities::read(ca.pem.as_bytes()).unwrap();
        let (good, revoked) = (ca.issue(&["alice"]), ca.issue(&["bob"]));
        let stranger = Authority::new("clients").issue(&["mallory"]);
        let list = || Revocations::read(ca.revoke(&revoked).as_bytes()).unwrap();
        let required = || ClientAuth::Required(believed(), list());
        let optional = || ClientAuth::Optional(believed(), list());
        for (auth, shown, subject) in [
            (required(), Some(&good), Ok(Some("/CN=alice/O=Example"))),
            (required(), None, Err(())),
            (required(), Some(&revoked), Err(())),
            (required(), Some(&stranger), Err(())),
            (optional(), Some(&good), Ok(Some("/CN=alice/O=Example"))),
            (optional(), None, Ok(None)),
            (optional(), Some(&stranger), Err(())),
            (ClientAuth::None, Some(&good), Ok(None)),
        ] {
            for version in [Version::Tls12, Version::Tls13] {
                let mut case = Case::new();
                case.policy.max = version;
                let shown = shown.map(Texts::read);
                let case = Case { client_auth: auth.clone(), shown, ..case };
                let (acceptor, connector) = (case.acceptor(), case.connector());
                let (server, _client) = connect(&acceptor, &connector).await;
                let found =
                    server.map(|s| s.session().unwrap().client.as_ref().map(|c| c.subject.one_line()));
                assert_eq!(
                    found.as_ref().map(|f| f.as_deref()).map_err(|_| ()),
                    subject,
                    "{auth:?} {found:?}"
                );
            }
        }
    });
}

#[test]
fn other_certificates_take_effect_at_once() {
    run(async {
        let case = Case::new();
        let acceptor = case.acceptor();
        let second = Case { sni: Some("new.example"), ..case };
        let (_, refused) = connect(&acceptor, &second.connector()).await;
        assert!(refused.is_err());
        let second = Case { certificate: second.ca.issue(&["new.example"]), ..second };
        acceptor.reload(&second.acceptor());
        let (_, client) = connect(&acceptor, &second.connector()).await;
        assert!(client.is_ok());
    });
}

#[test]
fn strict_names_are_refused_and_whoever_speaks_no_tls_is_told() {
    run(async {
        let case = Case { unknown: UnknownName::Refuse, ..Case::new() };
        let acceptor = case.acceptor();
        let unknown = Case { sni: Some("unknown.example"), server_auth: Some(ServerAuth::None), ..case };
        let (server, client) = connect(&acceptor, &unknown.connector()).await;
        assert!(matches!(server, Err(HandshakeError::Tls(_))) && client.is_err());

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client =
            Stream::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap()).unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = Stream::new(tcp).unwrap().accept_tls(&acceptor).unwrap();
        write(&mut client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let error = poll_fn(|cx| stream.poll_handshake(cx)).await.unwrap_err();
        assert!(matches!(error, HandshakeError::Tls(_)), "{error:?}");
        // RFC 8446 §6: a fatal alert.
        let alert = read(&mut client, 100).await.unwrap();
        assert_eq!((alert[0], alert[5]), (21, 2), "{alert:?}");
    });
}

#[test]
fn a_hello_in_pieces_is_a_hello() {
    run(async {
        let case = Case::new();
        let (listener, connector) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), case.connector());
        let mut hello = TlsStream::connect(&connector, {
            let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Stream::new(TcpStream::connect(other.local_addr().unwrap()).await.unwrap()).unwrap()
        })
        .unwrap();
        let bytes = std::mem::take(&mut hello.out.records);
        let mut client =
            Stream::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap()).unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let acceptor: Arc<Acceptor> = Arc::new(case.acceptor());
        let mut server = Stream::new(tcp).unwrap().accept_tls(&acceptor).unwrap();
        let sender = async {
            for byte in bytes.chunks(1) {
                write(&mut client, byte).await;
                tokio::task::yield_now().await;
            }
            read_exactly(&mut client, 1, 1).await
        };
        let answered = tokio::select! {
            shaken = poll_fn(|cx| server.poll_handshake(cx)) => panic!("{shaken:?}"),
            first = sender => first,
        };
        // A handshake record, the server's hello.
        assert_eq!(answered, [22]);
    });
}

#[test]
fn certificates_are_replaced_while_the_proxy_runs() {
    let case = Case::new();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let plan_of = |case: &Case, addr| {
        let tls = Some(Arc::new(case.acceptor()));
        runtime::tests::plan(vec![Listener { tls, ..Listener::new(FrontendId(0), addr) }])
    };
    let plan = Arc::new(plan_of(&case, addr));
    let shared = Shared::without_log(Arc::new(State::new(&plan)), Arc::new(Stats::new(&plan, 1)));
    let sockets = vec![ListenerSockets { id: ListenerId(0), sockets: vec![socket.into()] }];
    let proxy = runtime::start(Arc::clone(&plan), sockets, shared).unwrap();
    let other = case.ca.issue(&["other.example.com"]);
    run(async {
        let connect = async |case: &Case| {
            let mut stream = Stream::connect_tls(&Endpoint::Ip(addr), &case.connector()).unwrap();
            poll_fn(|cx| stream.poll_connected(cx)).await.map(|()| stream)
        };
        let mut before = connect(&case).await.unwrap();
        let case = Case { certificate: other, ..case };
        assert!(proxy.reload_tls(&plan_of(&case, addr)));
        assert!(connect(&case).await.is_err(), "the name is no longer there");
        let case = Case { sni: Some("other.example.com"), ..case };
        assert!(connect(&case).await.is_ok());
        // What is connected stays.
        write(&mut before, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(read(&mut before, 100).await.unwrap().starts_with(b"HTTP/1.1 503 "));
        assert!(!proxy.reload_tls(&runtime::tests::plan(Vec::new())), "another plan");
        // By hand, in the place of those of the same file, until files are read anew.
        let third = case.ca.issue(&["third.example.com"]).read();
        let acceptor = plan.listeners()[0].tls.as_ref().unwrap();
        assert!(!acceptor.replace(&third.clone().named("third.pem")), "nobody shows that file");
        assert!(connect(&case).await.is_ok());
        assert!(acceptor.replace(&third));
        assert!(connect(&case).await.is_err());
        let case = Case { sni: Some("third.example.com"), ..case };
        assert!(connect(&case).await.is_ok());
        assert!(proxy.reload_tls(&plan_of(&case, addr)));
        assert!(connect(&case).await.is_err());
    });
    proxy.stop();
}

#[test]
fn bytes_that_nobody_looks_at_end_when_their_sender_does() {
    run(async {
        let (mut source, mut client) = connected(&Case::new()).await;
        write(&mut client, b"all of it").await;
        // Without a notice.
        client.tls_for_tests().under().shutdown().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut sink, mut far) =
            (Stream::new(near).unwrap(), Stream::new(listener.accept().await.unwrap().0).unwrap());
        let (mut passage, pipes, mut scratch) = (Passage::default(), Pipes::default(), [0; 4096]);
        let passed = poll_fn(|cx| {
            let mut means = Means { scratch: &mut scratch, pipes: &pipes };
            passage.poll(cx, &mut source, &mut sink, &mut means)
        });
        assert_eq!(passed.await, Ok(()));
        assert_eq!(read(&mut far, 100).await.unwrap(), b"all of it");
        assert_eq!(read(&mut far, 100).await.unwrap(), b"");
    });
}

/// RFC 7301 §3.2 would end it; HAProxy goes on as if nothing had been offered, and so do its clients.
#[test]
fn a_client_of_other_protocols_does_without() {
    run(async {
        const OLD: &[&[u8]] = &[b"http/0.9", b"spdy/3"];
        const BOTH: &[&[u8]] = &[b"spdy/3", b"http/1.1"];
        const NEW: &[&[u8]] = &[b"http/1.1", b"h2"];
        for (offered, agreed) in
            [(OLD, None), (&[], None), (BOTH, Some(&b"http/1.1"[..])), (NEW, Some(b"h2"))]
        {
            for version in [Version::Tls12, Version::Tls13] {
                let mut case = Case { alpn: offered, ..Case::new() };
                case.policy.max = version;
                let (server, client) = connect(&case.acceptor(), &case.connector()).await;
                let server = server.map_err(|e| format!("{e:?}")).unwrap();
                assert!(client.is_ok());
                assert_eq!(server.session().unwrap().alpn.as_deref(), agreed, "{offered:?}");
            }
        }
    });
}

/// The key exchange that a quantum computer does not break, between two of us: a client that offers no other.
#[test]
fn the_hybrid_key_exchange_is_spoken() {
    run(async {
        let hybrid = Curve::named("X25519MLKEM768").unwrap();
        for (curves, spoken) in [(vec![hybrid], true), (vec![Curve::named("X25519").unwrap()], false)] {
            let case = Case::new();
            let connector = Case { policy: Policy { curves: vec![hybrid], ..Policy::default() }, ..case };
            let acceptor = Case { policy: Policy { curves, ..Policy::default() }, ..Case::new() };
            let acceptor = Case { certificate: connector.certificate.clone(), ..acceptor };
            let (server, client) = connect(&acceptor.acceptor_of_policy(), &connector.connector()).await;
            assert_eq!((server.is_ok(), client.is_ok()), (spoken, spoken));
        }
    });
}

/// A server that signs its own certificate, as an authority: `ca_file` is that certificate.
#[test]
fn a_certificate_that_is_believed_as_it_is() {
    run(async {
        let own = Texts::self_signed(&["www.example.com"]);
        let believed = Authorities::read(own.cert.as_bytes()).unwrap();
        let auth = Some(ServerAuth::Required(believed, Revocations::default()));
        let case = Case { certificate: own, server_auth: auth, ..Case::new() };
        let (_, client) = connect(&case.acceptor(), &case.connector()).await;
        assert!(client.is_ok(), "{client:?}");
        let case = Case { verifyhost: Some("other.example"), ..case };
        let (_, client) = connect(&case.acceptor(), &case.connector()).await;
        assert!(client.is_err(), "it is not for that name");
        let other = Case { certificate: Texts::self_signed(&["www.example.com"]), verifyhost: None, ..case };
        let (_, client) = connect(&other.acceptor(), &other.connector()).await;
        assert!(client.is_err(), "another one with the same name");
    });
}

/// A list that is past its time does not say who was revoked since.
#[test]
fn an_outdated_list_revokes_everybody() {
    run(async {
        let case = Case::new();
        let client = case.ca.issue_numbered("client", 7);
        let other = case.ca.issue_numbered("other", 8);
        for (until, accepted) in [(2090, true), (2025, false)] {
            let list = Revocations::read(case.ca.revoke_until(&other, until).as_bytes()).unwrap();
            assert_eq!(list.is_outdated(1_800_000_000), !accepted);
            let client_auth = ClientAuth::Required(case.believed(), list);
            let auth = Case { client_auth, ..Case::new() };
            let auth = Case { certificate: case.certificate.clone(), ..auth };
            let shows = Case { shown: Some(client.read()), ..Case::new() };
            let believes = Some(ServerAuth::None);
            let shows = Case { server_auth: believes, ..shows };
            let (server, _client) = connect(&auth.acceptor(), &shows.connector()).await;
            assert_eq!(server.is_ok(), accepted, "{until}");
        }
    });
}
