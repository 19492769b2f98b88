//! Bytes in bulk: what goes in comes out, spliced or copied, however it is cut.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;

use evenkeel_proxy::endpoint::{Endpoint, UnixName};
use evenkeel_proxy::plan::ServerAddr;

use super::common::{PATIENCE, TestProxy, scripted};
use super::endings::setup;

/// Numbers that repeat with the seed (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From a byte to some 300 KB, all orders of magnitude alike.
    fn size(&mut self) -> usize {
        let bits = self.next() % 18;
        usize::try_from(1 + self.next() % (2 << bits)).unwrap()
    }
}

fn bytes(seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..TOTAL / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// Writes all of it in pieces, and the end.
fn send(mut to: impl Write, bytes: &[u8], seed: u64) {
    let mut random = Random(seed);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(random.size().min(rest.len()));
        to.write_all(piece).unwrap();
        rest = more;
    }
}

/// Reads to the end in pieces, now and then letting the other side wait.
fn receive(mut from: impl Read, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    let mut room = vec![0; 1 << 19];
    loop {
        if random.next().is_multiple_of(64) {
            std::thread::yield_now();
        }
        let room = &mut room[..random.size()];
        match from.read(room).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&room[..n]),
        }
    }
}

/// Both directions at once, through the proxy.
fn exchange(proxy: &TestProxy, seed: u64) {
    let client = TcpStream::connect(proxy.addr).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (up, down) = (bytes(UP), bytes(DOWN));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            send(&client, &up, seed);
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        assert!(receive(&client, seed + 1) == down, "what the server sent");
    });
    let record = proxy.record();
    assert!(record.contains(&format!(" {TOTAL} -- ")), "{record}");
}

#[test]
fn plain_tcp_is_spliced_without_loss() {
    let server = scripted(|served, number| {
        let (stream, seed) = (&served.client.stream, 100 + number as u64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send(stream, &bytes(DOWN), seed);
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            });
            assert!(receive(stream, seed + 1) == bytes(UP), "what the client sent");
        });
    });
    let proxy = setup(&[server.addr]).start();
    for seed in 1..4 {
        exchange(&proxy, seed);
    }
    let totals = proxy.stats.snapshot().frontends[0];
    assert_eq!((totals.bytes_in, totals.bytes_out), (3 * TOTAL as u64, 3 * TOTAL as u64));
}

#[test]
fn what_cannot_be_spliced_is_copied_without_loss() {
    let dir = std::env::temp_dir().join(format!("evenkeel-bulk-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("server");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send(&stream, &bytes(DOWN), 7);
                stream.shutdown(std::net::Shutdown::Write).unwrap();
            });
            assert!(receive(&stream, 8) == bytes(UP), "what the client sent");
        });
    });
    let mut config = setup(&[([127, 0, 0, 1], 1).into()]);
    config.servers[0].addr =
        ServerAddr::Fixed(Endpoint::Unix(UnixName::path(path.to_str().unwrap()).unwrap()));
    let proxy = config.start();
    exchange(&proxy, 5);
    server.join().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

/// Bytes in each direction.
const TOTAL: usize = 24 * 1024 * 1024;

const UP: u64 = 0x9e37_79b9_7f4a_7c15;
const DOWN: u64 = 0xd1b5_4a32_d192_ed03;
