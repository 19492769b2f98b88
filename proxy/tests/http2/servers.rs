//! Servers that speak HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_proxy::compress::{Algo, Compression};
use evenkeel_proxy::plan::ServerProtocol;
use evenkeel_proxy::rules::ResponseRules;
use http::{HeaderMap, Request};

use super::client::{PREFACE, ask, begin, frame, get, read, send_all, with_connection};
use super::common::{Served, Setup, TestProxy, gist, scripted, signal, status, until};
use super::peer::{BIG, Peer};
use super::traffic::futures;

fn before(addr: std::net::SocketAddr) -> Setup {
    let mut setup = Setup::new(&[addr]);
    setup.servers[0].protocol = ServerProtocol::Http2;
    setup
}

fn polite() -> Peer {
    Peer::start(|builder| {
        builder.enable_connect_protocol();
    })
}

/// What a client of HTTP/1.1 is answered.
fn ask_plainly(proxy: &TestProxy, request: &str) -> (String, Vec<u8>) {
    let mut client = proxy.client();
    client.send(request);
    client.response()
}

#[test]
fn requests_of_all_clients_share_a_connection() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    with_connection(proxy.addr, async |send| {
        let answers = (0..60).map(|i| ask(&send, get(&format!("/{i}"))));
        for (i, answer) in futures(answers).await.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!((answer.status(), answer.trailers.is_none()), (200, true));
            assert_eq!(answer.body, format!("GET /{i} h").into_bytes());
        }
    });
    let (head, body) =
        ask_plainly(&proxy, "GET /plain HTTP/1.1\r\nHost: a:8\r\nConnection: x\r\nX: y\r\n\r\n");
    assert_eq!((status(&head), &body[..]), (200, &b"GET /plain a:8"[..]), "{head}");
    let mut client = proxy.client();
    client.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\nGET /no-host HTTP/1.0\r\n\r\n");
    assert!(client.head().contains("content-length: 12"));
    assert!(client.response().1.starts_with(b"GET /no-host "));
    // One connection, although all of the first requests came before there was any.
    assert_eq!((peer.connections(), peer.requests()), (1, 63));
    let totals = proxy.stats.snapshot().servers[0];
    assert_eq!((totals.connections, totals.reused), (1, 62));
}

#[test]
fn content_and_trailers_pass_both_ways() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    with_connection(proxy.addr, async |send| {
        let request = Request::post("http://h/echo").header("te", "trailers").body(()).unwrap();
        let (response, mut stream) = begin(&send, request).await;
        let sent = Bytes::from(vec![b'y'; BIG]);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let send_rest = async {
            send_all(&mut stream, sent.clone(), false).await;
            stream.send_trailers(trailers).unwrap();
        };
        let ((), answer) = tokio::join!(send_rest, async { read(response.await.unwrap()).await.unwrap() });
        assert!(answer.body == sent, "{} bytes", answer.body.len());
        let trailers = answer.trailers.unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        assert_eq!(trailers.get("te-was").unwrap(), "trailers");
        let answer = ask(&send, get("/trailers-only")).await.unwrap();
        assert_eq!((answer.field("grpc-status"), answer.body.len()), (Some("12"), 0));
        let answer = ask(&send, get("/big")).await.unwrap();
        assert_eq!(answer.body.len(), BIG);
        assert_eq!(ask(&send, get("/hints")).await.unwrap().status(), 204);
    });
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n";
    let mut client = proxy.client();
    client.send(request);
    let head = client.head();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let expected = b"2\r\nhi\r\n0\r\nx-sum: 1\r\nte-was: none\r\n\r\n";
    assert_eq!(client.take(expected.len()).escape_ascii().to_string(), expected.escape_ascii().to_string());
    let (head, body) = ask_plainly(&proxy, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((status(&head), &body[..]), (200, &b"POST /x a"[..]));
    assert_eq!(peer.connections(), 1);
}

/// What HTTP/1.1 lets pass in a target and RFC 3986 does not is written as it has to be. A `Host` that is no authority is
/// the client's fault, not the server's.
#[test]
fn what_has_no_place_in_http_2_is_encoded_or_refused() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    let (head, body) = ask_plainly(&proxy, "GET /a<b>`c|?\"d\"=<e> HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&head), 200, "{head}");
    assert_eq!(String::from_utf8(body).unwrap(), "GET /a%3Cb%3E%60c%7C a");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a<b>`c|?#22d#22=<e> HTTP/1.1");
    let mut client = proxy.client();
    client.send("POST /x HTTP/1.1\r\nHost: a%41\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(status(&client.head()), 400);
    assert_eq!(gist(&proxy.record()), "front back/s1 400 PR-- 0 POST /x HTTP/1.1");
    with_connection(proxy.addr, async |send| {
        assert_eq!(ask(&send, get("/next")).await.unwrap().status(), 200);
    });
    let totals = proxy.stats.snapshot().servers[0];
    assert_eq!((totals.response_errors, totals.retries, totals.server_aborts), (0, 0, 0));
    assert_eq!((peer.connections(), peer.requests()), (1, 2));
}

/// RFC 9113 §8.1: the answer counts, and the end of the request is not waited for.
#[test]
fn an_early_answer_is_the_answer() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    let mut client = proxy.client();
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    let head = client.head();
    assert_eq!(status(&head), 413, "{head}");
    with_connection(proxy.addr, async |send| {
        let (response, _stream) = begin(&send, Request::post("http://h/early").body(()).unwrap()).await;
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!((answer.status(), &answer.body[..]), (413, &b"too much"[..]));
        assert_eq!(ask(&send, get("/next")).await.unwrap().status(), 200);
    });
}

#[test]
fn a_limit_on_streams_is_kept() {
    let peer = Peer::start(|builder| {
        builder.max_concurrent_streams(2);
    });
    let proxy = before(peer.addr).start();
    with_connection(proxy.addr, async |send| {
        // The limit is known from the first answer on.
        ask(&send, get("/first")).await.unwrap();
        let answers = (0..40).map(|i| ask(&send, get(&format!("/{i}"))));
        for answer in futures(answers).await {
            assert_eq!(answer.unwrap().status(), 200);
        }
    });
    assert!(peer.most_running() <= 2 * peer.connections(), "{} at once", peer.most_running());
    assert!(peer.connections() > 1);
}

/// Sixty clients do not read what they have asked for; the next one is answered.
#[test]
fn those_who_do_not_read_do_not_stop_others() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    let stuck: Vec<_> = (0..60)
        .map(|_| {
            let mut client = proxy.client();
            client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
            client.head();
            client
        })
        .collect();
    let (head, _) = ask_plainly(&proxy, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(status(&head), 200);
    assert_eq!(peer.connections(), 1);
    for mut client in stuck {
        assert_eq!(client.take(1000).len(), 1000);
    }
}

#[test]
fn websockets_pass_from_either_protocol() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    let mut client = proxy.client();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let head = client.head();
    assert_eq!(status(&head), 101, "{head}");
    assert!(head.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert_eq!(client.take(7), b"welcome");
    client.send("hello");
    assert_eq!(client.take(5), b"hello");
    client.shut();
    assert_eq!(client.rest(), b"");
    with_connection(proxy.addr, async |send| {
        while !send.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut request =
            Request::connect("http://h/chat").header("sec-websocket-version", "13").body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, mut stream) = begin(&send, request).await;
        let mut body = response.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "welcome");
        stream.send_data(Bytes::from_static(b"hello"), true).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), "hello");
        while let Some(data) = body.data().await {
            assert_eq!(data.unwrap(), "");
        }
    });
    assert_eq!(peer.connections(), 1);
}

#[test]
fn a_server_without_websockets_is_a_bad_gateway_to_them() {
    let peer = Peer::start(|_| {});
    let proxy = before(peer.addr).start();
    let upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(status(&ask_plainly(&proxy, upgrade).0), 502);
    assert_eq!(peer.requests(), 0);
    // The next request does not suffer.
    assert_eq!(status(&ask_plainly(&proxy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").0), 200);
    assert_eq!(peer.connections(), 1);
}

/// A client that gives up takes its stream with it, and nobody else's.
#[test]
fn giving_up_ends_the_stream_only() {
    let peer = polite();
    let proxy = before(peer.addr).start();
    with_connection(proxy.addr, async |send| {
        let (response, mut stream) = begin(&send, get("/never")).await;
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(ask(&send, get("/")).await.unwrap().status(), 200);
        stream.send_reset(h2::Reason::CANCEL);
        assert!(response.await.is_err());
        assert_eq!(ask(&send, get("/")).await.unwrap().status(), 200);
    });
    until("the record", || gist(&proxy.record()).contains("CH--"));
    assert_eq!((peer.connections(), peer.requests()), (1, 3));
}

/// Nothing has come since the request: the connection may be dead, and the next request does not go there.
#[test]
fn a_silent_connection_is_left() {
    let server = scripted(|served, number| {
        let stream = await_request(served);
        if number == 0 {
            // Silent until the proxy closes.
            served.client.rest_or_reset();
            return;
        }
        served.send(frame(1, 5, stream, OK));
        served.client.rest_or_reset();
    });
    let mut setup = before(server.addr);
    setup.backend.timeout.server = Some(Duration::from_millis(300));
    let proxy = setup.start();
    assert_eq!(status(&ask_plainly(&proxy, GET).0), 504);
    assert_eq!(status(&ask_plainly(&proxy, GET).0), 200);
    assert_eq!(server.count(), 2);
}

/// RFC 9113 §6.8: what is above the last stream of a GOAWAY has not been processed, whatever it is.
#[test]
fn what_a_goaway_leaves_out_is_sent_again() {
    for (farewell, method) in [
        (frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]), "POST"),
        // No farewell at all: only what may be repeated is.
        (Vec::new(), "GET"),
    ] {
        let server = scripted(move |served, number| {
            let stream = await_request(served);
            if number > 0 {
                served.send(frame(1, 5, stream, OK));
                served.client.rest_or_reset();
                return;
            }
            part(served, &farewell);
        });
        let mut setup = before(server.addr);
        setup.backend.retries = 3;
        let proxy = setup.start();
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        let (head, _) = ask_plainly(&proxy, &request);
        assert_eq!(status(&head), 200, "{method}: {head}");
        assert_eq!(server.count(), 2);
        assert_eq!(gist(&proxy.record()), format!("front back/s1 200 ---- 1 {method} / HTTP/1.1"));
    }
}

/// The connection is good for the next attempt.
#[test]
fn what_is_refused_is_sent_again() {
    let server = scripted(|served, _| {
        let stream = await_request(served);
        served.send(frame(3, 0, stream, REFUSED));
        let stream = try_await_request(served).expect("it again");
        served.send(frame(1, 5, stream, OK));
        served.client.rest_or_reset();
    });
    let mut setup = before(server.addr);
    setup.backend.retries = 3;
    let proxy = setup.start();
    let (head, _) = ask_plainly(&proxy, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(status(&head), 200, "{head}");
    assert_eq!(server.count(), 1);
}

#[test]
fn what_may_have_been_processed_is_not_sent_again() {
    for farewell in [
        Vec::new(),
        // INTERNAL_ERROR.
        frame(3, 0, 1, &[0, 0, 0, 2]),
        // A GOAWAY that names the stream.
        frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
    ] {
        let server = scripted(move |served, _| {
            await_request(served);
            part(served, &farewell);
        });
        let mut setup = before(server.addr);
        setup.backend.retries = 3;
        let proxy = setup.start();
        let (head, _) = ask_plainly(&proxy, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(status(&head), 502, "{head}");
        assert_eq!(server.count(), 1);
    }
}

/// Retries end.
#[test]
fn a_server_that_refuses_everything_is_given_up() {
    let server = scripted(|served, _| {
        let stream = await_request(served);
        served.send(frame(3, 0, stream, REFUSED));
        while let Some(stream) = try_await_request(served) {
            served.send(frame(3, 0, stream, REFUSED));
        }
    });
    let mut setup = before(server.addr);
    setup.backend.retries = 3;
    let proxy = setup.start();
    assert_eq!(status(&ask_plainly(&proxy, GET).0), 502);
    assert_eq!(gist(&proxy.record()), "front back/s1 502 SH-- 3 GET / HTTP/1.1");
}

/// A server's flood ends its connection as a client's does.
#[test]
fn floods_of_servers_end_their_connection() {
    let (taken, all_taken) = signal();
    let server = scripted(move |served, _| {
        next_bytes(served, PREFACE.len());
        let ping = frame(6, 0, 0, b"abcdefgh").repeat(100);
        served.send(frame(4, 0, 0, b""));
        for _ in 0..10_000 {
            if std::io::Write::write_all(&mut served.client.stream, &ping).is_err() {
                return;
            }
        }
        taken.send(()).unwrap();
    });
    let proxy = before(server.addr).start();
    assert_eq!(
        status(&ask_plainly(&proxy, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").0),
        502
    );
    // Not all of a million.
    assert!(all_taken.lock().unwrap().try_recv().is_err());
}

/// Says this and nothing more, or just closes.
fn part(served: &mut Served, farewell: &[u8]) {
    served.send(farewell);
    if !farewell.is_empty() {
        // Closing with unread input would destroy it on its way.
        served.client.shut();
        served.client.rest_or_reset();
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A header block of one field: `:status: 200` (RFC 7541 appendix A).
const OK: &[u8] = &[0x88];

/// RFC 9113 §7: REFUSED_STREAM.
const REFUSED: &[u8] = &[0, 0, 0, 7];

/// Reads the preface and frames up to those of a whole request; its stream.
fn await_request(served: &mut Served) -> u32 {
    assert_eq!(next_bytes(served, PREFACE.len()).expect("a preface"), PREFACE);
    served.send(frame(4, 0, 0, b""));
    try_await_request(served).expect("a request")
}

fn try_await_request(served: &mut Served) -> Option<u32> {
    loop {
        let head: [u8; 9] = next_bytes(served, 9)?.try_into().unwrap();
        let [a, b, c, kind, flags, stream @ ..] = head;
        next_bytes(served, u32::from_be_bytes([0, a, b, c]) as usize)?;
        // HEADERS or DATA with END_STREAM.
        if kind <= 1 && flags & 1 != 0 {
            return Some(u32::from_be_bytes(stream));
        }
    }
}

fn next_bytes(served: &mut Served, n: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; n];
    std::io::Read::read_exact(&mut served.client.stream, &mut bytes).ok().map(|()| bytes)
}

#[test]
fn what_they_answer_is_compressed() {
    use std::io::Read;
    let by = Compression { algos: vec![Algo::Gzip], types: Vec::new(), min_size: 0, level: 1, offload: true };
    let peer = polite();
    let mut setup = before(peer.addr);
    setup.frontend.http_response = ResponseRules::default().with_compression(Some(Arc::new(by)));
    let proxy = setup.start();
    with_connection(proxy.addr, async |send| {
        for path in ["/big", "/small"] {
            let mut request = get(path);
            request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
            let answer = ask(&send, request).await.unwrap();
            assert_eq!(answer.field("content-encoding"), Some("gzip"), "{path}");
            let mut content = Vec::new();
            flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut content).unwrap();
            assert_eq!(content, ask(&send, get(path)).await.unwrap().body, "{path}");
        }
    });
}
