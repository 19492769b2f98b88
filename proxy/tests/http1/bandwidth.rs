//! Limits of bandwidth. What is measured is never more than the least time that something has to take.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_proxy::bandwidth::Bandwidth;
use evenkeel_proxy::compress::{Algo, Compression};
use evenkeel_proxy::rules::action::{Keyed, Limit};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Action, Matcher, ResponseRules, Rule, TrackKey};

use super::common::{Client, Scripted, Setup, TestProxy, field, gist, scripted, until};

fn limits(download: u64, upload: u64) -> ResponseRules {
    let bandwidth = Bandwidth { download: NonZeroU64::new(download), upload: NonZeroU64::new(upload) };
    ResponseRules::default().with_bandwidth(bandwidth)
}

fn limited(server: &Scripted, rules: ResponseRules) -> TestProxy {
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = rules;
    setup.start()
}

/// The least time in which so much passes, of which a tenth of a second's worth may at once.
fn least(bytes: usize, rate: u64) -> Duration {
    Duration::from_micros((bytes as u64 - rate / 10) * 1_000_000 / rate)
}

const RATE: u64 = 1_000_000;

const BYTES: usize = 400_000;

/// Content of [`BYTES`] bytes, framed as the path says.
fn giving() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            let content = vec![b'x'; BYTES];
            match head.split(' ').nth(1).unwrap() {
                "/length" => served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n")),
                "/chunk" => {
                    served
                        .send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{BYTES:x}\r\n"));
                    served.send(&content);
                    served.send("\r\n0\r\n\r\n");
                    continue;
                }
                _ => {
                    served.send("HTTP/1.1 200 OK\r\n\r\n");
                    served.send(&content);
                    return;
                }
            }
            served.send(&content);
        }
    })
}

#[test]
fn downloads_are_no_faster() {
    let server = giving();
    let proxy = limited(&server, limits(RATE, 0));
    for path in ["/length", "/chunk", "/close"] {
        let mut client = proxy.client();
        let start = Instant::now();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        client.head();
        // However fast the beginning comes, it is not more than may be so far.
        let mut got = 0;
        while got < BYTES - 50_000 {
            client.take(50_000);
            got += 50_000;
            let so_far = start.elapsed();
            assert!(so_far >= least(got.max(100_000), RATE), "{path}: {got} bytes after {so_far:?}");
        }
        let rest = client.rest();
        assert!(start.elapsed() >= least(BYTES, RATE), "{path}");
        assert!(got + rest.len() >= BYTES, "{path}: {} bytes", got + rest.len());
        assert!(gist(&proxy.record()).starts_with("front back/s1 200 ---- "), "{path}");
    }
}

/// A rule's limit, for all with the same key.
#[test]
fn those_with_the_same_key_are_together_no_faster() {
    let server = giving();
    let mut setup = Setup::new(&[server.addr]);
    let bandwidth = Bandwidth { download: NonZeroU64::new(RATE), upload: None };
    let key = TrackKey::Text(Template::parse("${hdr(X-Key)}").unwrap());
    let limit = Limit { bandwidth, keyed: Some(Keyed::new(key, bandwidth)) };
    let rule = Rule { when: Matcher::All(Vec::new()), action: Action::Limit(limit.into()) };
    setup.frontend.http_request = vec![rule];
    let proxy = setup.start();
    let ask = |key: &str| {
        let mut client = proxy.client();
        client.send(format!("GET /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{key}\r\n"));
        client
    };
    // Nobody's key is a limit of its own.
    for (keys, together) in [(["X-Key: a\r\n"; 3], 3), (["X-Key: b\r\n", "X-Key: c\r\n", ""], 1)] {
        let start = Instant::now();
        let mut clients = keys.map(ask);
        for client in &mut clients {
            client.head();
            client.take(BYTES);
        }
        assert!(start.elapsed() >= least(BYTES * together, RATE), "{keys:?}");
        for _ in keys {
            assert!(gist(&proxy.record()).starts_with("front back/s1 200 ---- "), "{keys:?}");
        }
    }
}

#[test]
fn uploads_are_no_faster() {
    let server = scripted(|served, _| {
        while let Some(head) = served.request() {
            match field(&head, "content-length") {
                Some(length) => drop(served.client.take(length.parse().unwrap())),
                None => drop(served.client.take(BYTES + 2 * 7 + 5)),
            }
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = limited(&server, limits(0, RATE));
    let content = vec![b'x'; BYTES];
    let half = BYTES / 2;
    for (framing, parts) in [
        (format!("Content-Length: {BYTES}"), [&content[..], b"", b""].concat()),
        (
            "Transfer-Encoding: chunked".to_owned(),
            [format!("{half:x}\r\n").as_bytes(), &content[..half], b"\r\n"].concat().repeat(2),
        ),
    ] {
        let mut client = proxy.client();
        let start = Instant::now();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
        client.send(&parts);
        if framing.starts_with('T') {
            client.send("0\r\n\r\n");
        }
        client.response();
        assert!(start.elapsed() >= least(BYTES, RATE), "{framing}");
    }
}

/// Who may not move has not gone.
#[test]
fn no_timeout_ends_what_may_not_move() {
    let server = scripted(|served, _| {
        let head = served.request().unwrap();
        served.client.take(field(&head, "content-length").unwrap().parse().unwrap());
        served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n{}", "x".repeat(6000)));
        served.request();
    });
    let mut setup = Setup::new(&[server.addr]);
    let short = Some(Duration::from_millis(300));
    setup.frontend.http_response = limits(2000, 2000);
    setup.frontend.timeout.client = short;
    setup.backend.timeout.server = short;
    let proxy = setup.start();
    let mut client = proxy.client();
    let start = Instant::now();
    client.send(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 7000\r\n\r\n{}", "x".repeat(7000)));
    assert_eq!(client.response().1.len(), 6000);
    assert!(start.elapsed() >= Duration::from_millis((6000 - 4096) / 2), "a head's room may pass at once");
}

/// Of two limits the lower holds, and of others none.
#[test]
fn both_sides_may_limit() {
    let server = giving();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_response = limits(100 * RATE, RATE);
    setup.backend.http_response = limits(RATE, 0);
    let proxy = setup.start();
    let mut client = proxy.client();
    let start = Instant::now();
    client.send("GET /length HTTP/1.1\r\nHost: h\r\n\r\n");
    client.response();
    assert!(start.elapsed() >= least(BYTES, RATE));
}

/// What is compressed counts as it goes out.
#[test]
fn compressed_content_counts_as_it_goes_out() {
    let server = scripted(|served, _| {
        while served.request().is_some() {
            let content = vec![b'x'; 10_000_000];
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()));
            served.send(&content);
        }
    });
    let by =
        Compression { algos: vec![Algo::Gzip], types: Vec::new(), min_size: 0, level: 6, offload: false };
    let proxy = limited(&server, limits(RATE, 0).with_compression(Some(Arc::new(by))));
    let mut client = proxy.client();
    // As it came in it would take as long as all tests together.
    client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = client.head();
    assert_eq!(field(&head, "content-encoding"), Some("gzip"));
    until("it has come", || proxy.frontend_totals().comp_rsp == 1);
    assert_eq!(proxy.frontend_totals().comp_in, 10_000_000);
}

/// A tunnel has the limits of the request that opened it.
#[test]
fn tunnels_are_no_faster() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        served.send(vec![b'x'; BYTES]);
        served.client.take(BYTES);
        served.send("end");
    });
    let proxy = limited(&server, limits(RATE, RATE));
    let mut client: Client = proxy.client();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    client.head();
    client.take(BYTES);
    let half = start.elapsed();
    assert!(half >= least(BYTES, RATE));
    client.send(vec![b'x'; BYTES]);
    assert_eq!(client.take(3), b"end");
    assert!(start.elapsed() >= half + least(BYTES, RATE));
}
