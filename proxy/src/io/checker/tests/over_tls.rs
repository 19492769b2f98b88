//! Checks that speak TLS, of servers that do, that do not, and that say nothing.

use std::future::poll_fn;

use super::*;
use crate::io::stream::Stream;
use crate::plan::{CheckTls, Connect};
use crate::tls::acceptor::{Acceptor, AcceptorConfig, ClientAuth, Sessions, Tickets};
use crate::tls::certificates::{Certificates, UnknownName};
use crate::tls::fixture::Authority;
use crate::tls::trust::{Authorities, Revocations};
use crate::tls::{Connector, ConnectorConfig, Policy, ServerAuth};

fn connector(ca: &Authority) -> CheckTls {
    let believed = Authorities::read(ca.pem.as_bytes()).unwrap();
    let connector = Connector::new(ConnectorConfig {
        auth: ServerAuth::Required(believed, Revocations::default()),
        sni: Some("www.example.com"),
        verifyhost: None,
        host: None,
        policy: Policy::default(),
        alpn: Vec::new(),
        certificate: None,
    });
    CheckTls { connector: Arc::new(connector.unwrap()), others: Vec::new(), everywhere: true }
}

/// Takes connections that speak TLS and answers every request, without saying goodbye.
async fn serve_tls(listener: TcpListener, ca: &Authority) {
    let acceptor = Acceptor::new(AcceptorConfig {
        certificates: Certificates::new(&[ca.issue(&["www.example.com"]).read()], UnknownName::First),
        policy: Policy::default(),
        alpn: Vec::new(),
        client_auth: ClientAuth::None,
        sessions: Sessions::new(Tickets::Off, 0).unwrap(),
        handshake_timeout: PATIENCE,
    });
    let acceptor = acceptor.unwrap();
    while let Ok((tcp, _)) = listener.accept().await {
        let mut stream = Stream::new(tcp).unwrap().accept_tls(&acceptor).unwrap();
        if poll_fn(|cx| stream.poll_handshake(cx)).await.is_err() {
            continue;
        }
        let mut request = [0; 1000];
        if let Ok(1..) = poll_fn(|cx| stream.poll_read(cx, &mut request)).await {
            let answer = b"HTTP/1.0 200 OK\r\n\r\n";
            poll_fn(|cx| stream.poll_write(cx, answer, &[])).await.unwrap();
        }
    }
}

#[tokio::test]
async fn outcomes_over_tls() {
    let ca = Authority::new("ca");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let plain = Backend::start(Manner::Answer("HTTP/1.0 200 OK\r\n\r\n")).await;
    // Connections wait in its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = connector(&ca);
    let over_tls = |script| CheckConfig { tls: Some(tls.clone()), ..quick(script) };
    let stranger =
        CheckConfig { tls: Some(connector(&Authority::new("another"))), ..quick(Script::default()) };
    let explicit = |tls| Script::of([Action::Connect(Connect { tls, ..Connect::default() })]);
    let elsewhere = Connect { port: Some(plain.addr.port()), ..Connect::default() };
    let short = Duration::from_millis(50);
    let cases = [
        (addr, over_tls(http(Vec::new())), "L7OK 200"),
        (addr, over_tls(Script::default()), "L6OK"),
        (addr, over_tls(explicit(None)), "L6OK (tcp-check)"),
        (addr, over_tls(explicit(Some(false))), "L4OK (tcp-check)"),
        (addr, over_tls(Script::of([Action::Connect(elsewhere)])), "L4OK (tcp-check)"),
        (addr, stranger, "L6RSP SSL handshake failure (invalid peer certificate: UnknownIssuer)"),
        (
            silent.local_addr().unwrap(),
            CheckConfig { timeout: Some(short), ..over_tls(Script::default()) },
            "L6TOUT",
        ),
        (nobody().await, over_tls(Script::default()), "L4CON Connection refused"),
    ];
    let judge = async {
        for (addr, config, outcome) in cases {
            assert_eq!(probe_once(addr, config).await, outcome, "{addr}");
        }
        // It may have hung up before its answer was read.
        let outcome = probe_once(plain.addr, over_tls(Script::default())).await;
        assert!(outcome.starts_with("L6RSP SSL handshake failure ("), "{outcome}");
    };
    tokio::select! {
        () = judge => {}
        () = serve_tls(listener, &ca) => panic!("it takes connections for ever"),
    }
}
