//! Content of all sizes, byte for byte, whichever way it takes through the proxy: copied or spliced.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::common::{Served, Setup, await_signal, field, gist, scripted, signal, status, until};
use evenkeel_proxy::plan::ServerId;

/// Around what is read with a head, what is worth splicing, what is kept for another attempt, and what a pipe takes.
fn sizes() -> impl Iterator<Item = usize> {
    let around = |n: usize| [n - 1, n, n + 1];
    let edges = [16 << 10, 32 << 10, 48 << 10, 64 << 10, 80 << 10, 256 << 10, 272 << 10, 512 << 10, 2 << 20];
    [0, 1, 1000].into_iter().chain(edges.into_iter().flat_map(around))
}

/// No two places look alike.
fn content(bytes: usize) -> Vec<u8> {
    let words = u32::try_from(bytes / 4 + 1).unwrap();
    let mut all: Vec<u8> = (0..words).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    all.truncate(bytes);
    all
}

/// How a message says where its content ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    /// All of it in one chunk.
    Chunk,
    /// In chunks of this size and its neighbours.
    Chunks(usize),
    Close,
}

impl Framing {
    fn field(self, bytes: usize) -> String {
        match self {
            Self::Length => format!("Content-Length: {bytes}\r\n"),
            Self::Chunk | Self::Chunks(_) => "Transfer-Encoding: chunked\r\n".into(),
            Self::Close => "Connection: close\r\n".into(),
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        let chunk = match self {
            Self::Length | Self::Close => return bytes.to_vec(),
            Self::Chunk => bytes.len().max(1),
            Self::Chunks(size) => size,
        };
        let mut all = Vec::new();
        let (mut rest, mut more) = (bytes, 0);
        while !rest.is_empty() {
            let (chunk, left) = rest.split_at((chunk + more).min(rest.len()));
            (rest, more) = (left, (more + 1) % 3);
            all.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            all.extend_from_slice(chunk);
            all.extend_from_slice(b"\r\n");
        }
        all.extend_from_slice(b"0\r\n\r\n");
        all
    }
}

/// Answers `GET /BYTES` with so much content, until the proxy closes.
fn serve(served: &mut Served, framing: Framing) {
    while let Some(head) = served.request() {
        let bytes = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        served.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.field(bytes)));
        // A server that writes in pieces, as most do.
        let message = framing.of(&content(bytes));
        message.chunks(100_000).for_each(|piece| served.send(piece));
        if framing == Framing::Close {
            return;
        }
    }
}

#[test]
fn responses_of_all_sizes_come_whole() {
    for framing in [Framing::Length, Framing::Chunk, Framing::Chunks(20_000), Framing::Close] {
        let server = scripted(move |served, _| serve(served, framing));
        let proxy = Setup::new(&[server.addr]).start();
        let mut kept = None;
        for bytes in sizes() {
            let client = match framing {
                Framing::Close => &mut proxy.client(),
                Framing::Length | Framing::Chunk | Framing::Chunks(_) => {
                    kept.get_or_insert_with(|| proxy.client())
                }
            };
            client.send(format!("GET /{bytes} HTTP/1.1\r\nHost: h\r\n\r\n"));
            let head = client.head();
            assert_eq!(status(&head), 200);
            let expected = framing.of(&content(bytes));
            let got = if framing == Framing::Close { client.rest() } else { client.take(expected.len()) };
            assert!(got == expected, "{framing:?}, {bytes} bytes");
            // The bytes of the record are the content and the heads of both.
            let record = proxy.record();
            let counted: usize = record.split(' ').nth(4).unwrap().parse().unwrap();
            assert_eq!(counted, head.len() + 4 + expected.len(), "{framing:?}: {record}");
            assert!(record.contains(" ---- "), "{record}");
        }
        if framing != Framing::Close {
            assert_eq!(server.count(), 1, "{framing:?}: the connection to the server stays in step");
        }
        until("all of it is counted", || proxy.frontend_totals().bytes_out > sizes().sum::<usize>() as u64);
    }
}

#[test]
fn requests_of_all_sizes_come_whole() {
    for framing in [Framing::Length, Framing::Chunk, Framing::Chunks(20_000)] {
        let server = scripted(move |served, _| {
            while let Some(head) = served.request() {
                let bytes = head.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
                let expected = framing.of(&content(bytes));
                let whole = served.client.take(expected.len()) == expected;
                served.send(format!(
                    "HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n",
                    if whole { 200 } else { 500 }
                ));
            }
        });
        let proxy = Setup::new(&[server.addr]).start();
        let mut client = proxy.client();
        for bytes in sizes() {
            client.send(format!("PUT /{bytes} HTTP/1.1\r\nHost: h\r\n{}\r\n", framing.field(bytes)));
            framing.of(&content(bytes)).chunks(70_000).for_each(|piece| client.send(piece));
            assert_eq!(status(&client.response().0), 200, "{framing:?}, {bytes} bytes");
        }
        assert_eq!(server.count(), 1, "{framing:?}: the connection to the server stays in step");
        until("all of it is counted", || proxy.frontend_totals().bytes_in > sizes().sum::<usize>() as u64);
    }
}

/// Many at once, more than there are pipes, whose clients read when they like.
#[test]
fn many_slow_readers_get_what_is_theirs() {
    const BYTES: usize = 3 << 20;
    let server = scripted(|served, _| serve(served, Framing::Length));
    let proxy = Setup::new(&[server.addr]).start();
    let mut clients: Vec<_> = (0..80).map(|_| proxy.client()).collect();
    let request = format!("GET /{BYTES} HTTP/1.1\r\nHost: h\r\n\r\n");
    clients.iter_mut().for_each(|c| c.send(&request));
    clients.iter_mut().for_each(|c| assert_eq!(status(&c.head()), 200));
    let expected = content(BYTES);
    for piece in expected.chunks(300_007) {
        for client in &mut clients {
            assert!(client.take(piece.len()) == piece);
        }
    }
    for client in &mut clients {
        client.send("GET /20000 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(client.response().1 == content(20_000));
    }
}

/// One that comes in small pieces gets to the client piece by piece.
#[test]
fn a_trickle_is_not_held_back() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        for piece in content(1_000_000).chunks(10_000) {
            served.send(piece);
            await_signal(&wait);
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    for piece in content(1_000_000).chunks(10_000) {
        assert!(client.take(piece.len()) == piece);
        go.send(()).unwrap();
    }
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET / HTTP/1.1");
}

#[test]
fn a_server_that_ends_inside_large_content_is_told_apart() {
    for (framing, flags) in [(Framing::Length, "SD--"), (Framing::Chunk, "SD--")] {
        let server = scripted(move |served, number| {
            served.request();
            served.send(format!("HTTP/1.1 200 OK\r\n{}\r\n", framing.field(2_000_000)));
            let message = framing.of(&content(2_000_000));
            if number == 0 {
                return served.send(&message[..1_000_000]);
            }
            served.send(&message);
            served.request();
        });
        let proxy = Setup::new(&[server.addr]).start();
        for (got, flags) in [(1_000_000, flags), (framing.of(&content(2_000_000)).len(), "----")] {
            let mut client = proxy.client();
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            client.head();
            assert!(client.take(got) == framing.of(&content(2_000_000))[..got]);
            if flags != "----" {
                assert_eq!(client.rest(), b"");
            }
            assert_eq!(gist(&proxy.record()), format!("front back/s1 200 {flags} 0 GET / HTTP/1.1"));
        }
        assert_eq!(server.count(), 2, "what was cut short is not used again");
    }
}

#[test]
fn a_client_that_leaves_inside_large_content_harms_no_other() {
    let (done, wait) = signal();
    let server = scripted(move |served, number| {
        if number > 0 {
            return serve(served, Framing::Length);
        }
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while served.client.stream.write_all(&[b'x'; 65536]).is_ok() {}
        done.send(()).unwrap();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.take(1_000_000);
    drop(client);
    await_signal(&wait);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 CD-- 0 GET / HTTP/1.1");
    // Nothing of it is left where others' content passes.
    for _ in 0..4 {
        let mut client = proxy.client();
        client.send("GET /3000000 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(client.response().1 == content(3_000_000));
    }
}

#[test]
fn a_client_that_takes_nothing_of_large_content_times_out() {
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while served.client.stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.client = Some(Duration::from_millis(100));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    assert_eq!(gist(&proxy.record()), "front back/s1 200 cD-- 0 GET / HTTP/1.1");
}

#[test]
fn a_server_that_stops_inside_large_content_times_out() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        served.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        served.send(content(1_000_000));
        await_signal(&wait);
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.timeout.server = Some(Duration::from_millis(100));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.head();
    assert!(client.rest() == content(1_000_000));
    assert_eq!(gist(&proxy.record()), "front back/s1 200 sD-- 0 GET / HTTP/1.1");
    go.send(()).unwrap();
}

#[test]
fn a_server_that_reads_nothing_of_large_content_times_out() {
    let (go, wait) = signal();
    let server = scripted(move |served, _| {
        served.request();
        await_signal(&wait);
    });
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.timeout.server = Some(Duration::from_millis(100));
    let proxy = setup.start();
    let client = proxy.client();
    let mut writer = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        writer.write_all(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n").unwrap();
        // Until the proxy closes.
        while writer.write_all(&[b'x'; 65536]).is_ok() {}
    });
    assert_eq!(gist(&proxy.record()), "front back/s1 504 sH-- 0 PUT / HTTP/1.1");
    writing.join().unwrap();
    go.send(()).unwrap();
}

/// It has answered before it has read everything: the answer goes to the client, and no more is asked of the connection.
#[test]
fn an_early_answer_to_large_content_arrives() {
    for reads in [0, 1_000_000] {
        let server = scripted(move |served, _| {
            served.request();
            served.client.take(reads);
            served.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
            served.client.stream.read_to_end(&mut Vec::new()).unwrap_or_default();
        });
        let proxy = Setup::new(&[server.addr]).start();
        let mut client = proxy.client();
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
        let writer = client.stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || while (&writer).write_all(&[b'x'; 65536]).is_ok() {});
        let (head, body) = client.response();
        assert_eq!((status(&head), field(&head, "connection"), &*body), (413, Some("close"), &b"big"[..]));
        assert_eq!(gist(&proxy.record()), "front back/s1 413 ---- 0 PUT / HTTP/1.1");
        until("its request is over", || proxy.balance.in_flight(ServerId(0)) == 0);
        client.stream.shutdown(std::net::Shutdown::Both).unwrap_or_default();
        writing.join().unwrap();
        assert_eq!(server.count(), 1);
    }
}

#[test]
fn a_client_that_leaves_inside_a_large_upload_is_noticed() {
    let server = scripted(|served, _| {
        served.request();
        served.client.stream.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n");
    client.send(content(1_000_000));
    drop(client);
    assert_eq!(gist(&proxy.record()), "front back/s1 400 CH-- 0 PUT / HTTP/1.1");
    until("its request is over", || proxy.balance.in_flight(ServerId(0)) == 0);
}

/// A tunnel that carries bulk: both directions at once.
#[test]
fn tunnels_carry_bulk() {
    const BYTES: usize = 8 << 20;
    let server = scripted(|served, _| {
        served.request();
        served.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        let mut writer = served.client.stream.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&content(BYTES)).unwrap_or_default());
        let whole = served.client.take(BYTES) == content(BYTES);
        writing.join().unwrap();
        served.send(if whole { "whole" } else { "wrong" });
    });
    let proxy = Setup::new(&[server.addr]).start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    assert_eq!(status(&client.head()), 101);
    let mut writer: TcpStream = client.stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&content(BYTES)).unwrap());
    assert!(client.take(BYTES) == content(BYTES));
    assert_eq!(client.take(5), b"whole");
    writing.join().unwrap();
}
