//! HTTP checks over HTTP/2, without TLS: of a server that is made of the other end of h2.

use std::future::poll_fn;

use bytes::Bytes;

use super::*;
use crate::plan::{Connect, HeaderExpect, HttpManner, ServerProtocol, TextMatch};

/// Answers with the status that is the path, and says in the body what it was asked.
async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        connections.spawn(async move {
            let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let uri = request.uri();
                let asked = format!("{} {:?}", request.method(), uri.authority().map(|a| a.as_str()));
                let status = uri.path().trim_start_matches('/');
                let endless = status == "endless";
                let response = http::Response::builder()
                    .status(status.parse::<u16>().unwrap_or(200))
                    .header("X-Tag", "a, b")
                    .body(())
                    .unwrap();
                let Ok(mut content) = respond.send_response(response, false) else { continue };
                if !endless {
                    // The checker hangs up whenever it likes.
                    content.send_data(Bytes::from(asked), true).unwrap_or_default();
                    continue;
                }
                tokio::spawn(async move {
                    loop {
                        content.reserve_capacity(1024);
                        if !matches!(poll_fn(|cx| content.poll_capacity(cx)).await, Some(Ok(1..))) {
                            return;
                        }
                        let some = Bytes::from(vec![b'a'; content.capacity().min(1024)]);
                        if content.send_data(some, false).is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }
}

fn asking(uri: &str, expect: Vec<Expect>) -> HttpCheck {
    HttpCheck {
        method: "GET".into(),
        uri: uri.into(),
        version: HttpVersion::V1_1,
        headers: vec![("Host".into(), "app.example".into())],
        body: Vec::new(),
        expect: expect.into_iter().map(Into::into).collect(),
    }
}

#[tokio::test]
async fn outcomes_over_http2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(serve(listener));
    let http2 = HttpManner { protocol: Some(ServerProtocol::Http2), ..HttpManner::default() };
    let with = |check: HttpCheck| CheckConfig { http: http2, ..quick(Script::of([Action::Http(check)])) };
    let text = |text: &str| Expect::String(text.into());
    let tag = HeaderExpect {
        name: TextMatch::Exact("X-Tag".into()),
        value: Some(TextMatch::Exact("b".into())),
        full: false,
    };
    let posting =
        HttpCheck { method: "POST".into(), body: b"{}".to_vec(), ..asking("/", vec![text("POST")]) };
    let head = HttpCheck { method: "HEAD".into(), ..asking("/204", Vec::new()) };
    let explicit = Connect { protocol: Some(ServerProtocol::Http2), ..Connect::default() };
    let step = |uri| Action::Http(asking(uri, Vec::new()));
    let cases = [
        (with(asking("/", Vec::new())), "L7OK 200"),
        (with(asking("/503", Vec::new())), "L7STS 503"),
        (with(asking("/", vec![text("GET Some(\"app.example\")")])), "L7OK 200"),
        (with(asking("/", vec![text("nothing")])), "L7RSP HTTP content check did not match"),
        (with(asking("/", vec![Expect::Header(tag)])), "L7OK 200"),
        (with(posting), "L7OK 200"),
        (with(head), "L7OK 204"),
        (with(asking("/endless", vec![text("b")])), "L7RSP HTTP content check did not match"),
        (quick(Script::of([Action::Connect(explicit), step("/201")])), "L7OK 201"),
        (CheckConfig { http: http2, ..quick(Script::of([step("/200"), step("/404")])) }, "L7STS 404"),
    ];
    for (config, outcome) in cases {
        assert_eq!(probe_once(addr, config.clone()).await, outcome, "{config:?}");
    }
}

#[tokio::test]
async fn who_speaks_no_http2_fails_checks_over_it() {
    let http2 = HttpManner { protocol: Some(ServerProtocol::Http2), ..HttpManner::default() };
    let asked = || Script::of([Action::Http(asking("/", Vec::new()))]);
    let old = Backend::start(Manner::Answer("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let outcome = probe_once(old.addr, CheckConfig { http: http2, ..quick(asked()) }).await;
    // Its close may reach us as a reset.
    assert!(["L7RSP HTTP/2 failure", "L7RSP Connection reset by peer"].contains(&&*outcome), "{outcome}");
    // Connections wait in its backlog.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let timeout = Some(Duration::from_millis(50));
    let outcome =
        probe_once(silent.local_addr().unwrap(), CheckConfig { http: http2, timeout, ..quick(asked()) })
            .await;
    assert_eq!(outcome, "L7TOUT");
}
