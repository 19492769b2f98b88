//! What is under way for long outlives reloads and upgrades: a download, a WebSocket and a tunnel, over whichever worker
//! began them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use evenkeel_tests::lab::Role;
use evenkeel_tests::lab::node::run_to_end;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until_true};

use super::takeover::{Rig, Tunnel};
use super::upgrade::install;

const PIECE: usize = 64 << 10;

/// A server of its own for one download, a piece for each word, and for WebSockets, which it echoes.
fn serve(host: &Host, words: Receiver<()>) {
    let listener = host.ns.run(|| TcpListener::bind(("10.77.0.11", 8090))).expect("an address");
    std::thread::spawn(move || {
        let mut words = Some(words);
        for stream in listener.incoming().map_while(Result::ok) {
            let head = head(&stream);
            if head.starts_with("GET /download") {
                let words = words.take().expect("one download");
                std::thread::spawn(move || pieces(stream, &words));
            } else {
                std::thread::spawn(move || echo(stream));
            }
        }
    });
}

fn pieces(mut stream: TcpStream, words: &Receiver<()>) {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").expect("a head");
    for () in words {
        write!(stream, "{PIECE:x}\r\n").and_then(|()| stream.write_all(&[b'x'; PIECE])).expect("a piece");
        stream.write_all(b"\r\n").expect("a piece");
    }
    stream.write_all(b"0\r\n\r\n").expect("the end");
}

fn echo(mut stream: TcpStream) {
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .expect("a head");
    let mut bytes = [0; 64];
    while let Ok(n @ 1..) = stream.read(&mut bytes) {
        if stream.write_all(&bytes[..n]).is_err() {
            return;
        }
    }
}

/// Up to the empty line, and nothing behind it.
fn head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn open(host: &Host, request: &'static str) -> TcpStream {
    let at = SocketAddr::from(([10, 77, 0, 1], 85));
    let mut stream = host.ns.run(move || TcpStream::connect(at)).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a time limit");
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

/// Reads whole chunks of a download, so many of them.
fn take_pieces(stream: &mut TcpStream, count: usize) {
    let head = format!("{PIECE:x}\r\n");
    let mut bytes = vec![0; head.len() + PIECE + 2];
    for number in 0..count {
        stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("piece {number}: {e}"));
        assert!(bytes.starts_with(head.as_bytes()), "{:?}", String::from_utf8_lossy(&bytes[..20]));
    }
}

fn say(words: &Sender<()>, count: usize) {
    (0..count).for_each(|_| words.send(()).expect("the server is there"));
}

#[test]
fn a_download_and_a_websocket_outlive_reloads_and_upgrades() {
    let files = Arc::new(Scratch::new("long-lived"));
    install(files.path());
    let rig = Rig::start_in(files);
    let with_long = format!(
        "{}[frontend.long]\nbind = [\"10.77.0.1:85\"]\ndefault_backend = \"long\"\n\
         [backend.long]\nserver = [{{ name = \"s1\", addr = \"10.77.0.11:8090\" }}]\n",
        rig.config
    );
    assert_eq!(rig.reload(&with_long), (Some(0), String::new()));
    let (words, told) = channel();
    serve(&rig.lab.servers, told);
    let client = &rig.lab.client;
    let mut download = open(client, "GET /download HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(head(&download).starts_with("HTTP/1.1 200 OK"));
    let mut socket =
        open(client, "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(head(&socket).starts_with("HTTP/1.1 101 "));
    let mut tunnel = Tunnel::open(client);
    let mut alive = |download: &mut TcpStream| {
        say(&words, 3);
        take_pieces(download, 3);
        socket.write_all(b"hello").expect("it takes it");
        let mut echoed = [0; 5];
        socket.read_exact(&mut echoed).expect("an echo");
        assert_eq!((&echoed, tunnel.ask().as_str()), (b"hello", "HTTP/1.1 200 OK"));
    };
    alive(&mut download);
    let first = rig.node.status_at("/worker/pid");
    let other = with_long.replace("nbthread = 2", "nbthread = 1");
    let directory = rig.files.path().join("run").display().to_string();
    for config in [&other, &with_long] {
        assert_eq!(rig.reload(config), (Some(0), String::new()));
        alive(&mut download);
        install(rig.files.path());
        let (code, _, told) = run_to_end(&rig.lab.a, &["upgrade", "--runtime-dir", &directory]);
        assert_eq!(code, Some(0), "{told}");
        alive(&mut download);
    }
    assert_eq!(
        rig.node.status_at("/worker/retired"),
        serde_json::json!([first]),
        "one worker has all of them"
    );
    drop(words);
    let mut end = [0; 5];
    download.read_exact(&mut end).expect("the end");
    assert_eq!(&end, b"0\r\n\r\n");
    drop((download, socket, tunnel));
    until_true("its worker ends", SOON, || rig.node.pids(Role::Worker).len() == 1);
}
