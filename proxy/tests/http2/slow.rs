//! Clients that are slow, on purpose or not: what they ask for, what they send, and what they leave unread.

use std::io::Read;
use std::time::{Duration, Instant};

use super::client::{Frame, Raw, frame, headers};
use super::common::{
    PATIENCE, Scripted, Setup, TestProxy, answering, await_signal, gist, scripted, signal, until,
};

/// A new size of the windows of all streams.
fn windows(size: u32) -> Vec<u8> {
    let mut payload = vec![0, 4];
    payload.extend_from_slice(&size.to_be_bytes());
    frame(4, 0, 0, &payload)
}

fn more(stream: u32, bytes: u32) -> Vec<u8> {
    frame(8, 0, stream, &bytes.to_be_bytes())
}

/// A client whose streams have no room for content.
fn closed(proxy: &TestProxy) -> Raw {
    let mut raw = Raw::connect(proxy);
    raw.send(windows(0));
    raw
}

/// The next frame of a stream that is not its head.
fn content(raw: &mut Raw, stream: u32) -> Frame {
    loop {
        let frame = raw.next();
        if frame.stream == stream && frame.kind != 1 {
            return frame;
        }
    }
}

/// Waits for time to pass.
fn pass(time: Duration) {
    let start = Instant::now();
    until("time to pass", || start.elapsed() >= time);
}

/// A server whose responses have so many bytes.
fn serving(length: usize) -> Scripted {
    scripted(move |served, _| {
        while served.request().is_some() {
            served.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
            let mut left = length;
            while left > 0 {
                let n = left.min(CONTENT.len());
                if std::io::Write::write_all(&mut served.client.stream, &CONTENT[..n]).is_err() {
                    return;
                }
                left -= n;
            }
        }
    })
}

static CONTENT: [u8; 65536] = [b'x'; 65536];

/// What h2 has of a response is not idle time, however short `timeout.http_keep_alive` is.
#[test]
fn a_response_that_waits_for_its_window_is_not_cut_off() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_keep_alive = Some(Duration::from_millis(50));
    let proxy = setup.start();
    let mut raw = closed(&proxy);
    raw.send(headers(1, true, "GET", &[]));
    until("it is answered", || proxy.frontend_totals().requests == 1);
    pass(Duration::from_millis(250));
    raw.send(more(1, 5));
    assert_eq!(content(&mut raw, 1).payload, b"GET /");
    pass(Duration::from_millis(250));
    raw.send(more(1, 100));
    assert_eq!(content(&mut raw, 1).payload, b" HTTP/1.1");
    // Only then it is idle.
    assert_eq!(raw.goaway(), Some(0));
}

/// The same for what waits for the socket to be read.
#[test]
fn a_download_that_is_read_slowly_is_finished() {
    const LENGTH: usize = 16 << 20;
    let server = serving(LENGTH);
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.http_keep_alive = Some(Duration::from_millis(50));
    let proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    raw.send([windows(1 << 30), more(0, 1 << 30), headers(1, true, "GET", &[])].concat());
    let (mut bytes, mut got) = (vec![0; 4096], 0);
    // Until nothing of it is left but what h2, the connection and the kernel have.
    while proxy.frontend_totals().requests == 0 {
        got += raw.stream().read(&mut bytes).unwrap();
    }
    // Longer than it would be waited for if it had been told to go.
    pass(Duration::from_millis(1500));
    loop {
        match raw.stream().read(&mut bytes).expect("no reset") {
            0 => break,
            n => got += n,
        }
    }
    assert!(got > LENGTH, "{got}");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET / HTTP/2.0");
}

/// A client that takes nothing of a response, or a byte now and then, is given up, though h2 has all of it.
#[test]
fn windows_that_stay_shut_end_their_streams() {
    for bytes_at_once in [0, 1] {
        let (go, may_go) = signal();
        let server = scripted(move |served, _| {
            while served.request().is_some() {
                served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                await_signal(&may_go);
                served.send(&CONTENT[..1000]);
            }
        });
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.timeout.client = Some(Duration::from_millis(400));
        setup.frontend.timeout.http_keep_alive = Some(PATIENCE * 3);
        setup.frontend.http.min_rate.response = 10_000;
        let proxy = setup.start();
        let mut raw = closed(&proxy);
        raw.send(headers(1, true, "GET", &[]));
        assert_eq!(raw.next().kind, 1);
        go.send(()).unwrap();
        until("it is answered", || proxy.frontend_totals().requests == 1);
        let start = Instant::now();
        for byte in 0..12 {
            if bytes_at_once > 0 && proxy.frontend_totals().slow_clients == 0 {
                raw.send(more(1, bytes_at_once));
                until("a byte or the end", || start.elapsed() > Duration::from_millis(50) * byte);
            }
        }
        until("it is given up", || proxy.frontend_totals().slow_clients == 1);
        let mut got = 0;
        let end = loop {
            let frame = content(&mut raw, 1);
            if frame.kind == 3 {
                break frame;
            }
            got += frame.payload.len();
        };
        assert_eq!(got > 0, bytes_at_once > 0, "{got}");
        assert_eq!(end.payload, 8_u32.to_be_bytes(), "CANCEL");
        // The connection goes on.
        raw.send([windows(65_535), headers(3, true, "GET", &[])].concat());
        go.send(()).unwrap();
        assert_eq!(content(&mut raw, 3).payload.len(), 1000);
    }
}

#[test]
fn streams_with_shut_windows_do_not_disturb_others() {
    let server = serving(100_000);
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_secs(2));
    setup.frontend.timeout.http_keep_alive = Some(PATIENCE * 3);
    let proxy = setup.start();
    let mut raw = closed(&proxy);
    let ids = || (0..99).map(|i| 1 + 2 * i);
    raw.send(ids().flat_map(|id| headers(id, true, "GET", &[])).collect::<Vec<_>>());
    for _ in ids() {
        assert_eq!(raw.next().kind, 1);
    }
    // One that has a window gets everything.
    raw.send([headers(199, true, "GET", &[]), more(199, 200_000), more(0, 200_000)].concat());
    let mut got = 0;
    while got < 100_000 {
        let frame = content(&mut raw, 199);
        assert_eq!(frame.kind, 0);
        got += frame.payload.len();
    }
    // The others end in time, and nothing of them is left.
    let ended = ids().map(|_| raw.next()).inspect(|end| assert_eq!(end.kind, 3)).count();
    assert_eq!(ended, 99);
    until("all are recorded", || proxy.frontend_totals().requests == 100);
    assert_eq!(proxy.frontend_totals().slow_clients + proxy.frontend_totals().client_aborts, 99);
}

/// Windows as large as may be, and nothing is read: what is kept for it is bounded, and it ends in time.
#[test]
fn a_client_that_does_not_read_costs_little_and_is_given_up() {
    let server = serving(64 << 20);
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_secs(2));
    setup.frontend.timeout.http_keep_alive = Some(PATIENCE * 3);
    let proxy = setup.start();
    let before = resident();
    let mut raw = Raw::connect(&proxy);
    raw.send([windows(1 << 30), more(0, 1 << 30)].concat());
    raw.send((0..99).flat_map(|i| headers(1 + 2 * i, true, "GET", &[])).collect::<Vec<_>>());
    until("all are under way", || server.connections.load(std::sync::atomic::Ordering::SeqCst) == 99);
    pass(Duration::from_millis(500));
    // Most of it is the servers' threads, which have 64 KiB each for what they read.
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{} KiB", grown >> 10);
    until("it is given up", || proxy.proxy().connections() == 0);
    assert!(proxy.frontend_totals().slow_clients > 0);
}

/// Bytes of memory this process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Whether it is told to go on or not: content has to keep pace from its first byte.
#[test]
fn content_sent_byte_by_byte_ends_in_time() {
    for expects in [true, false] {
        let server = scripted(move |served, _| {
            served.request();
            if expects {
                served.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            served.client.rest_or_reset();
        });
        let mut setup = Setup::new(&[server.addr]);
        setup.frontend.timeout.client = Some(Duration::from_millis(300));
        setup.frontend.http.min_rate.request_body = 10_000;
        let proxy = setup.start();
        let mut raw = Raw::connect(&proxy);
        let fields: &[(&str, &str)] = &[("content-length", "1000000"), ("expect", "100-continue")];
        raw.send(headers(1, false, "POST", &fields[..1 + usize::from(expects)]));
        if expects {
            assert_eq!(raw.next().kind, 1, "to go on");
        }
        let start = Instant::now();
        // Small pieces, but not so many that they count as a flood.
        while proxy.frontend_totals().requests == 0 && raw.try_send(&frame(0, 0, 1, b"x")) {
            assert!(start.elapsed() < PATIENCE, "{expects}");
            pass(Duration::from_millis(5));
        }
        assert_eq!(gist(&proxy.record()), "front back/s1 408 rH-- 0 POST / HTTP/2.0", "{expects}");
    }
}

/// A client is not to pay for servers that cut their responses short.
#[test]
fn responses_cut_short_by_servers_cost_the_client_nothing() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.global.http2.glitches = 100;
    let proxy = setup.start();
    let mut raw = Raw::connect(&proxy);
    for i in 0..100 {
        raw.send(headers(1 + 2 * i, true, "GET", &[]));
        let mut last = raw.next();
        while last.kind == 1 {
            last = raw.next();
        }
        assert_eq!((last.kind, last.stream), (3, 1 + 2 * i), "{last:?}");
        assert_eq!(last.payload, 2_u32.to_be_bytes(), "INTERNAL_ERROR");
    }
}
