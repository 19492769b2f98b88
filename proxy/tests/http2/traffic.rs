//! What goes through, and in what form.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_proxy::compress::{Algo, Compression};
use evenkeel_proxy::io::sessions::Speaks;
use evenkeel_proxy::plan::{AdminState, OnMarked, ServerId};
use evenkeel_proxy::rules::ResponseRules;
use http::{HeaderMap, Request};

use super::client::{Raw, ask, begin, frame, get, headers, read, send_all, with_connection};
use super::common::{
    Setup, answering, await_signal, closed_port, field, gist, scripted, signal, status, until,
};

#[test]
fn streams_share_a_connection_and_are_recorded_as_http_2() {
    let server = answering();
    let mut proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        for _ in 0..3 {
            let answers = (0..20).map(|i| ask(&send, get(&format!("/{i}"))));
            for (i, answer) in futures(answers).await.into_iter().enumerate() {
                let answer = answer.unwrap();
                assert_eq!(answer.status(), 200);
                assert_eq!(answer.body, format!("GET /{i} HTTP/1.1").into_bytes());
                assert_eq!((answer.field("connection"), answer.trailers.is_none()), (None, true));
            }
        }
    });
    for _ in 0..60 {
        let record = gist(&proxy.record());
        assert!(record.starts_with("front back/s1 200 ---- 0 GET /"), "{record}");
        assert!(record.ends_with(" HTTP/2.0"), "{record}");
    }
    until("the connection to end", || proxy.stats.process_current() == 0);
    let totals = proxy.frontend_totals();
    assert_eq!((totals.connections, totals.requests), (1, 60));
    proxy.no_more_records();
}

/// Polls all of them at once.
pub(crate) async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut all {
            if output.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(cx)
            {
                *output = Some(done);
            }
        }
        if all.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[test]
fn a_request_becomes_a_clean_head() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        let request = Request::get("http://a:80/x?y")
            .header("cookie", "a=1")
            .header("x", "1")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        assert_eq!(ask(&send, request).await.unwrap().status(), 200);
        let request = Request::head("http://a/").body(()).unwrap();
        let answer = ask(&send, request).await.unwrap();
        assert_eq!(
            (answer.status(), answer.field("content-length"), answer.body.len()),
            (200, Some("15"), 0)
        );
        let request = Request::post("http://a/").body(()).unwrap();
        assert_eq!(ask(&send, request).await.unwrap().body, b"POST / HTTP/1.1");
    });
    assert_eq!(server.head(), "GET /x?y HTTP/1.1\r\nhost: a:80\r\nx: 1\r\ncookie: a=1; b=2");
    assert_eq!(server.head(), "HEAD / HTTP/1.1\r\nhost: a");
    assert_eq!(server.head(), "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0");
}

/// Larger than every window and buffer on the way.
const LARGE: usize = 3_000_000;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn large_content_passes_both_ways() {
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            let body = match field(&head, "content-length") {
                Some(length) => served.client.take(length.parse().unwrap()),
                None => chunks(served),
            };
            assert!(body == pattern(LARGE));
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
            served.send(&body);
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        for length in [Some(LARGE), None] {
            let mut request = Request::post("http://h/");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let (response, mut stream) = begin(&send, request.body(()).unwrap()).await;
            send_all(&mut stream, pattern(LARGE).into(), true).await;
            assert!(read(response.await.unwrap()).await.unwrap().body == pattern(LARGE));
        }
    });
}

/// The content of a chunked request.
fn chunks(served: &mut super::common::Served) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(served.client.take(1));
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        body.extend(served.client.take(size));
        served.client.take(2);
        if size == 0 {
            return body;
        }
    }
}

#[test]
fn trailers_pass_both_ways() {
    let server = scripted(|served, _| {
        let head = served.request().unwrap();
        assert_eq!(field(&head, "te"), Some("trailers"));
        assert_eq!(served.client.take(22), b"2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n");
        served.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n",
        );
        served.request();
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        let request = Request::post("http://h/").header("te", "trailers").body(()).unwrap();
        let (response, mut stream) = begin(&send, request).await;
        stream.send_data(Bytes::from_static(b"hi"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!(answer.body, b"hello");
        assert_eq!(answer.trailers.unwrap().get("grpc-status").unwrap(), "0");
    });
}

#[test]
fn responses_of_every_framing_end() {
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            match head.split(' ').nth(1).unwrap() {
                "/close" => return served.send("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
                "/204" => served.send("HTTP/1.1 204 No Content\r\n\r\n"),
                "/304" => served.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
                "/empty" => served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
                _ => served.send("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            }
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        for (path, status, body) in [
            ("/close", 200, &b"until the end"[..]),
            ("/204", 204, b""),
            ("/304", 304, b""),
            ("/empty", 200, b""),
            ("/103", 200, b"ok"),
        ] {
            let answer = ask(&send, get(path)).await.unwrap();
            assert_eq!((answer.status(), &*answer.body), (status, body), "{path}");
        }
    });
}

/// RFC 9113 §8.1: a response that is cut short is reset, so that it does not pass for the whole.
#[test]
fn a_response_cut_short_is_reset_and_the_connection_stays() {
    let server = scripted(|served, number| {
        if number == 0 {
            served.request();
            return served.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
        }
        served.answer_all();
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        let error = ask(&send, get("/")).await.unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
        assert_eq!(ask(&send, get("/")).await.unwrap().status(), 200);
    });
    assert_eq!(gist(&proxy.record()), "front back/s1 200 SD-- 0 GET / HTTP/2.0");
}

#[test]
fn a_client_that_resets_its_stream_ends_the_exchange() {
    let (gone, is_gone) = signal();
    let gone = std::sync::Mutex::new(gone);
    let server = scripted(move |served, _| {
        served.request();
        // The end of the connection: the proxy has given it up.
        assert_eq!(served.request(), None);
        gone.lock().unwrap().send(()).unwrap();
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut raw = Raw::connect(&proxy);
    raw.send(headers(1, true, "GET", &[]));
    server.head();
    raw.send(frame(3, 0, 1, &8_u32.to_be_bytes()));
    await_signal(&is_gone);
    let record = gist(&proxy.record());
    assert!(record.contains(" CH-- 0 GET / HTTP/2.0"), "{record}");
    drop(raw);
    proxy.no_more_records();
}

#[test]
fn a_client_that_resets_its_stream_leaves_the_queue() {
    let server = scripted(|served, _| while served.request().is_some() {});
    let mut setup = Setup::new(&[server.addr]);
    setup.servers[0].limits.maxconn = Some(1);
    let mut proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    raw.send(headers(1, true, "GET", &[]));
    server.head();
    raw.send(headers(3, true, "GET", &[]));
    until("it waits", || proxy.stats.snapshot().backends[0].current == 2);
    raw.send(frame(3, 0, 3, &8_u32.to_be_bytes()));
    // As HAProxy 2.6.12 records it.
    assert_eq!(gist(&proxy.record()), "front back/<NOSRV> -1 CQ-- 0 GET / HTTP/2.0");
    assert_eq!(server.count(), 1);
    drop(raw);
    assert!(gist(&proxy.record()).starts_with("front back/s1 "));
    proxy.no_more_records();
}

#[test]
fn a_websocket_is_a_tunnel() {
    let server = scripted(|served, _| {
        let head = served.request().unwrap();
        assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&head, "upgrade"), Some("websocket"));
        assert_eq!(field(&head, "connection"), Some("upgrade"));
        assert_eq!(field(&head, "sec-websocket-key").map(str::len), Some(24));
        served.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome",
        );
        let said = served.client.take(5);
        served.send(said);
        assert_eq!(served.client.rest(), b"");
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        // The settings that allow it come with the first answer from the proxy.
        while !send.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut request = Request::connect("http://h/chat").body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, mut stream) = begin(&send, request).await;
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "welcome");
        stream.send_data(Bytes::from_static(b"hello"), false).unwrap();
        assert_eq!(body.data().await.unwrap().unwrap(), "hello");
        stream.send_data(Bytes::new(), true).unwrap();
        // The end may come with an empty frame.
        while let Some(data) = body.data().await {
            assert_eq!(data.unwrap(), "");
        }
    });
    assert_eq!(gist(&proxy.record()), "front back/s1 101 ---- 0 GET /chat HTTP/2.0");
}

#[test]
fn a_refused_websocket_is_an_answer() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        served.request();
    });
    let proxy = Setup::new(&[server.addr]).start();
    with_connection(proxy.addr, async |send| {
        while !send.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut request = Request::connect("http://h/chat").body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, _stream) = begin(&send, request).await;
        let answer = read(response.await.unwrap()).await.unwrap();
        assert_eq!((answer.status(), &*answer.body), (403, &b"no"[..]));
    });
}

#[test]
fn the_proxys_own_answers_are_responses() {
    let proxy = Setup::new(&[closed_port()]).start();
    with_connection(proxy.addr, async |send| {
        let answer = ask(&send, get("/")).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(answer.body.starts_with(b"<html>"));
        let (response, _stream) = begin(&send, Request::connect("h:80").body(()).unwrap()).await;
        assert_eq!(read(response.await.unwrap()).await.unwrap().status(), 501);
    });
    assert_eq!(gist(&proxy.record()), "front back/s1 503 SC-- 0 GET / HTTP/2.0");
}

#[test]
fn draining_finishes_streams_and_then_closes() {
    let (go, may_go) = signal();
    let server = scripted(move |served, _| {
        served.request();
        await_signal(&may_go);
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        served.request();
    });
    let proxy = Arc::new(Setup::new(&[server.addr]).start());
    let mut raw = Raw::connect(&proxy);
    raw.send(headers(1, true, "GET", &[]));
    server.head();
    proxy.proxy().start_draining();
    // RFC 9113 §6.8: a warning first, so that streams on their way are not lost.
    let warning = raw.next();
    assert_eq!((warning.kind, &warning.payload[..4]), (7, &[0x7f, 0xff, 0xff, 0xff][..]));
    go.send(()).unwrap();
    let kinds: Vec<u8> = raw.rest().iter().map(|f| f.kind).filter(|k| matches!(k, 0 | 1)).collect();
    assert_eq!(kinds, [1, 0]);
}

#[test]
fn an_idle_connection_ends_on_time() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_keep_alive = Some(Duration::from_millis(50));
    let proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    raw.send(headers(1, true, "GET", &[]));
    assert_eq!(raw.goaway(), Some(0));
    // And so does one that never says anything.
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_request = Some(Duration::from_millis(50));
    let proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    assert_eq!(raw.goaway(), Some(0));
}

#[test]
fn http_1_clients_are_not_confused_with_it() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    for bytes in [
        "PRI * HTTP/2.1\r\n\r\n",
        "PRI / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(bytes);
        client.shut();
        let answers = String::from_utf8(client.rest()).unwrap();
        let last = answers.rfind("HTTP/1.1 ").unwrap();
        assert_eq!(status(&answers[last..]), 400, "{bytes:?}");
    }
}

#[test]
fn streams_end_with_their_server_and_the_connection_goes_on() {
    let stuck = scripted(|served, _| while served.request().is_some() {});
    let (good, other) = (answering(), answering());
    let mut setup = Setup::new(&[stuck.addr, good.addr, other.addr]);
    setup.servers[0].watch.on_marked_down = OnMarked::Shutdown;
    let proxy = setup.start();
    let checker = proxy.checker();
    with_connection(proxy.addr, async |send| {
        let marked = async {
            let connected = || proxy.stats.snapshot().servers[0].connections > 0;
            while !connected() {
                tokio::task::yield_now().await;
            }
            checker.set_admin(ServerId(0), AdminState::Maint);
        };
        let (ended, ()) = tokio::join!(ask(&send, get("/a")), marked);
        assert_eq!(ended.unwrap().status(), 502);
        for _ in 0..4 {
            assert_eq!(ask(&send, get("/b")).await.unwrap().status(), 200);
        }
    });
    assert_eq!(gist(&proxy.record()), "front back/s1 502 DH-- 0 GET /a HTTP/2.0");
}

#[test]
fn content_is_compressed_between_protocols() {
    use std::io::Read;
    let by =
        Compression { algos: vec![Algo::Gzip], types: Vec::new(), min_size: 0, level: 1, offload: false };
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            served.send(match head.starts_with("GET /chunks") {
                true => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n",
                false => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            });
        }
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = ResponseRules::default().with_compression(Some(Arc::new(by)));
    let proxy = setup.start();
    with_connection(proxy.addr, async |send| {
        for path in ["/length", "/chunks"] {
            let mut request = get(path);
            request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
            let answer = ask(&send, request).await.unwrap();
            let told = ["content-encoding", "vary", "content-length", "transfer-encoding"];
            let told = told.map(|name| answer.field(name));
            assert_eq!(told, [Some("gzip"), Some("accept-encoding"), None, None]);
            let mut content = Vec::new();
            flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut content).unwrap();
            assert_eq!(content, b"hello");
            assert_eq!(answer.trailers.is_some(), path == "/chunks");
        }
        assert_eq!(ask(&send, get("/length")).await.unwrap().body, b"hello");
    });
}

/// A connection is one session however many streams it has, and all of them end with it.
#[test]
fn a_connection_is_listed_with_its_streams_and_can_be_ended() {
    let server = scripted(|served, _| {
        served.request();
        served.client.rest_or_reset();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let doors = proxy.proxy().doors();
    with_connection(proxy.addr, async |send| {
        let (one, two) = (begin(&send, get("/one")).await, begin(&send, get("/two")).await);
        let list = || doors.sessions(None, 9).sessions;
        while list().first().is_none_or(|s| s.streams < 2) {
            // They are sent meanwhile.
            tokio::task::yield_now().await;
        }
        let [session] = &list()[..] else { panic!("one connection") };
        assert_eq!((session.speaks, session.backend), (Speaks::Http2, None));
        assert!(doors.end_session(session.id));
        assert!(one.0.await.is_err() && two.0.await.is_err());
        until("it to be gone", || list().is_empty());
    });
    until("its streams to be gone", || proxy.balance.in_flight(ServerId(0)) == 0);
}
