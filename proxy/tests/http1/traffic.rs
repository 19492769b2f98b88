//! HTTP/1.1 through the proxy, over real sockets: what goes through, and in what form.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use super::common::{Setup, answering, await_signal, field, gist, scripted, signal, status};
use evenkeel_proxy::plan::{BackendId, ForwardedFor};
use evenkeel_proxy::route::{Route, Routes};
use evenkeel_proxy::rules::{How, Matcher, Test, Texts};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn connections_are_kept_on_both_sides() {
    let server = answering();
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for _ in 0..5 {
        client.send(GET);
        let (head, body) = client.response();
        assert_eq!((status(&head), &*body), (200, &b"GET /a HTTP/1.1"[..]));
        assert_eq!(field(&head, "connection"), None);
        assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
    }
    // Another client uses the same connection to the server.
    proxy.client().send(GET);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
    assert_eq!(server.count(), 1);
    drop(client);
    proxy.no_more_records();
}

#[test]
fn the_request_is_forwarded_clean_and_with_the_clients_address() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.forwarded_for =
        Some(ForwardedFor { header: "X-Forwarded-For".into(), except: Vec::new(), if_none: false });
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nA: 1\r\n\r\n");
    let (head, _) = client.response();
    assert_eq!(field(&head, "connection"), Some("close"));
    assert_eq!(server.head(), "GET /x HTTP/1.1\r\nA: 1\r\nhost: b\r\nX-Forwarded-For: 127.0.0.1");
    assert_eq!(client.rest(), b"");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET http://b/x HTTP/1.1");
}

#[test]
fn http_1_0_clients_get_what_they_understand() {
    let server = scripted(|served, _| {
        while served.request().is_some() {
            served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n");
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = client.head();
    assert_eq!(field(&head, "transfer-encoding"), None);
    assert_eq!(client.rest(), b"hello!");
    assert!(server.head().starts_with("GET / HTTP/1.1\r\n"));
    // A kept connection, when the length is known.
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let (head, _) = client.response();
        assert_eq!(field(&head, "connection"), Some("keep-alive"));
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.response();
    assert_eq!(client.rest(), b"");
}

#[test]
fn chunks_go_both_ways() {
    let server = scripted(|served, _| {
        served.request();
        let body = served.client.take(b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n".len());
        served.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        served.send(&body);
        served.answer_all();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    // In the middle of everything.
    for piece in ["lo\r", "\n3;ext", "=1\r\nyou\r\n", "0\r\nContent-Length: 9\r", "\n\r\n"] {
        client.send(piece);
    }
    assert_eq!(status(&client.head()), 200);
    assert_eq!(
        client.take(b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n".len()),
        b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"
    );
    client.send(GET);
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(server.count(), 1, "the connection is still in step");
}

#[test]
fn responses_without_content_end_with_their_head() {
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            served.send(match &*path {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
                "/0" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            });
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for (request, code) in [("GET /204", 204), ("GET /304", 304), ("HEAD /", 200), ("GET /0", 200)] {
        client.send(format!("{request} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(status(&client.head()), code, "{request}");
    }
    assert_eq!(server.count(), 1);
}

#[test]
fn content_that_only_the_end_ends_closes_the_client_too() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\n\r\nhello");
        served.send("you");
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(field(&client.head(), "connection"), Some("close"));
    assert_eq!(client.rest(), b"helloyou");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = answering();
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    let mut all = String::new();
    for i in 0..20 {
        all.push_str(&format!("POST /{i} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"));
        all.push_str(&format!("GET /{i} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    client.send(all);
    for i in 0..20 {
        for method in ["POST", "GET"] {
            let (head, body) = client.response();
            assert_eq!(status(&head), 200);
            assert_eq!(body, format!("{method} /{i} HTTP/1.1").into_bytes());
            assert_eq!(gist(&proxy.record()), format!("front back/s1 200 ---- 0 {method} /{i} HTTP/1.1"));
        }
    }
    drop(client);
    proxy.no_more_records();
}

/// RFC 9110 §10.1.1.
#[test]
fn the_server_decides_about_100_continue() {
    let server = scripted(|served, _| {
        let Some(head) = served.request() else { return };
        assert_eq!(field(&head, "expect"), Some("100-continue"));
        if head.starts_with("POST /no ") {
            served.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
        } else {
            served.send("HTTP/1.1 100 Continue\r\n\r\n");
            let body = served.client.take(5);
            // The next request is a POST: it must not meet the end of this connection.
            served.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
            served.send(body);
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let expecting = |path| {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    let mut client = proxy.client();
    client.send(expecting("/yes"));
    assert_eq!(client.head(), "HTTP/1.1 100 Continue");
    client.send("hello");
    assert_eq!(client.response().1, b"hello");
    // Refused: the content is never asked for, so the connection cannot be kept.
    let mut client = proxy.client();
    client.send(expecting("/no"));
    let (head, body) = client.response();
    assert_eq!((status(&head), field(&head, "connection"), &*body), (401, Some("close"), &b"no"[..]));
    assert_eq!(client.rest(), b"");
}

#[test]
fn interim_responses_are_passed_on() {
    let server = scripted(|served, _| {
        while served.request().is_some() {
            served.send(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 103 Early",
            );
            served.send(" Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    // The 100 nobody asked for is dropped.
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints\r\nLink: x");
    assert_eq!(client.head(), "HTTP/1.1 103 Early Hints");
    assert_eq!(client.response().1, b"ok");
    // HTTP/1.0 knows none of them.
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().1, b"ok");
}

/// RFC 9110 §7.8: bytes flow both ways, and either side may end first.
#[test]
fn upgrades_become_tunnels() {
    let server = scripted(|served, _| {
        let Some(head) = served.request() else { return };
        assert_eq!((field(&head, "upgrade"), field(&head, "connection")), (Some("echo"), Some("upgrade")));
        served.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nfirst");
        let early = served.client.take(5);
        served.send(early);
        let mut rest = Vec::new();
        // The client's end arrives while our side is open.
        served.client.stream.read_to_end(&mut rest).unwrap();
        served.send(format!("{} bytes", rest.len()));
    });
    let mut proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly");
    let head = client.head();
    assert_eq!(
        (status(&head), field(&head, "upgrade"), field(&head, "connection")),
        (101, Some("echo"), Some("upgrade"))
    );
    assert_eq!(client.take(10), b"firstearly");
    client.send(vec![b'x'; 300_000]);
    client.shut();
    assert_eq!(client.rest(), b"300000 bytes");
    assert_eq!(gist(&proxy.record()), "front back/s1 101 ---- 0 GET /ws HTTP/1.1");
    proxy.no_more_records();
}

#[test]
fn an_upgrade_that_is_refused_is_an_ordinary_response() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        assert_eq!(client.response().1, b"GET /a HTTP/1.1");
    }
    assert_eq!(server.count(), 1);
}

#[test]
fn a_client_that_has_shut_its_side_is_answered() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        await_signal(&wait);
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        served.answer_all();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    client.shut();
    server.head();
    go.send(()).unwrap();
    assert_eq!(client.response().1, b"ok");
    assert_eq!(client.rest(), b"");
}

#[test]
fn heads_may_come_in_any_pieces() {
    let server = scripted(|served, _| {
        while served.request().is_some() {
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" {
                served.send([*byte]);
            }
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    for _ in 0..3 {
        for byte in GET.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.response().1, b"ok");
    }
    assert_eq!(server.count(), 1);
}

/// The server echoes while it reads: neither direction may wait for the other.
#[test]
fn large_content_flows_both_ways_at_once() {
    const BYTES: usize = 24 * 1024 * 1024;
    let plain: Vec<u8> = (0..BYTES).map(|i| (i / 1000) as u8).collect();
    let mut chunked = Vec::new();
    for chunk in plain.chunks(77_777) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for (framing, body) in [
        (format!("Content-Length: {BYTES}"), Arc::new(plain)),
        ("Transfer-Encoding: chunked".into(), Arc::new(chunked)),
    ] {
        let (answer, bytes) = (format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"), body.len());
        let server = scripted(move |served, _| {
            served.request();
            served.send(&answer);
            let mut left = bytes;
            while left > 0 {
                let piece = served.client.take(left.min(50_000));
                left -= piece.len();
                served.send(piece);
            }
        });
        let proxy = Setup::new(&[server.addr]).start();
        let mut client = proxy.client();
        let (mut writer, sent) = (client.stream.try_clone().unwrap(), Arc::clone(&body));
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
        let writing = std::thread::spawn(move || {
            writer.write_all(head.as_bytes()).unwrap();
            writer.write_all(&sent).unwrap();
        });
        assert_eq!(status(&client.head()), 200);
        assert!(client.take(bytes) == **body, "{framing}");
        writing.join().unwrap();
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    const BYTES: usize = 8 * 1024 * 1024;
    let server = scripted(|served, _| {
        while served.request().is_some() {
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n"));
            served.send(vec![b'x'; BYTES]);
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    client.head();
    let mut got = 0;
    while got < BYTES {
        // Small reads: the proxy has to stop reading from the server again and again.
        got += client.take((BYTES - got).min(1 << 16)).len();
    }
    client.send(GET);
    assert_eq!(status(&client.head()), 200);
}

#[test]
fn many_clients_on_several_threads() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.global.threads = 2;
    let proxy = setup.start();
    std::thread::scope(|scope| {
        for i in 0..32 {
            let proxy = &proxy;
            scope.spawn(move || {
                let mut client = proxy.client();
                for j in 0..50 {
                    client.send(format!("GET /{i}/{j} HTTP/1.1\r\nHost: h\r\n\r\n"));
                    assert_eq!(client.response().1, format!("GET /{i}/{j} HTTP/1.1").into_bytes());
                }
            });
        }
    });
    super::common::until("all connections over", || proxy.proxy().connections() == 0);
    let totals = proxy.frontend_totals();
    assert_eq!(
        (totals.connections, totals.requests, totals.responses[1], totals.current),
        (32, 1600, 1600, 0)
    );
    assert_eq!(proxy.balance.in_flight(evenkeel_proxy::plan::ServerId(0)), 0);
}

#[test]
fn servers_take_turns() {
    let servers = [answering(), answering(), answering()];
    let proxy = Setup::new(&[servers[0].addr, servers[1].addr, servers[2].addr]).start();
    let mut client = proxy.client();
    for _ in 0..9 {
        client.send(GET);
        client.response();
    }
    for server in &servers {
        for _ in 0..3 {
            server.head();
        }
        assert_eq!(server.count(), 1);
    }
}

#[test]
fn a_known_address_keeps_its_name() {
    // An error file replaces the proxy's own answer, byte for byte.
    let mut setup = Setup::new(&[]);
    let file: Arc<[u8]> = b"HTTP/1.0 503 Mine\r\nX: y\r\n\r\nsorry".to_vec().into();
    setup.backend.error_files = Arc::new(evenkeel_proxy::plan::ErrorFiles([(503, file)].into()));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send(GET);
    assert_eq!(client.rest(), b"HTTP/1.0 503 Mine\r\nX: y\r\n\r\nsorry");
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.rest(), b"HTTP/1.0 503 Mine\r\nX: y\r\n\r\n");
}

#[test]
fn the_record_has_the_times() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        while served.request().is_some() {
            await_signal(&wait);
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send(GET);
    server.head();
    let begin = Duration::from_millis(30);
    // The server answers no sooner than this.
    super::common::until("some time to pass", {
        let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        move || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap() > start + begin
    });
    go.send(()).unwrap();
    client.response();
    let times = super::common::timers(&proxy.record());
    assert!(times[..3].iter().all(|t| (0..5000).contains(t)), "{times:?}");
    assert!(times[3] >= 25 && times[4] >= times[3], "{times:?}");
    assert!(Duration::from_millis(u64::try_from(times[4]).unwrap()) < super::common::PATIENCE);
}

#[test]
fn requests_go_where_their_host_says() {
    let (first, second) = (answering(), answering());
    let mut setup = Setup::new(&[first.addr, second.addr]);
    setup.split();
    let hosts = Texts::new(How::Exact, false, vec!["other.example".into()]).unwrap();
    let when = Matcher::Test(Test::Host(hosts));
    setup.frontend.routes = Routes::new(vec![Route { when, to: BackendId(1).into() }]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for (target, host, asked) in [
        ("/", "some.example", "front back/s1 200 "),
        ("/", "Other.Example:8080", "front other/s2 200 "),
        ("http://other.example/", "some.example", "front other/s2 200 "),
        ("http://some.example/", "other.example", "front back/s1 200 "),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(status(&client.response().0), 200);
        let record = gist(&proxy.record());
        assert!(record.starts_with(asked), "{target} {host}: {record}");
    }
    assert_eq!((first.count(), second.count()), (1, 1));
}
