//! HTTP servers of the pair: they say who they are and by whom they were asked.
//!
//! `/` answers at once, `/slow?ms=N` after a while, `/health` as told.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::topology::Host;

/// A running backend.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    healthy: AtomicBool,
    stop: AtomicBool,
    requests: AtomicU64,
}

impl Backend {
    /// Starts one on an address of the host.
    pub fn start(host: &Host, name: &'static str, ip: IpAddr) -> Self {
        let address = SocketAddr::new(ip, PORT);
        let shared = Arc::new(Shared {
            name,
            healthy: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        });
        let listener = host.ns.run(move || TcpListener::bind(address)).expect("the backend binds");
        listener.set_nonblocking(true).expect("non-blocking");
        let serving = Arc::clone(&shared);
        let acceptor = host.ns.spawn("backend", move || accept(&listener, &serving));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The usual two.
    pub fn pair(host: &Host) -> [Self; 2] {
        let at = |last| IpAddr::from([10, 77, 0, last]);
        [Self::start(host, "s1", at(11)), Self::start(host, "s2", at(12))]
    }

    /// What `/health` answers from now on: 200, or 503.
    pub fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Requests answered, health checks not counted.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            // Its panic, if any, has been printed; the test judges by what clients saw.
            acceptor.join().unwrap_or_default();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut connections = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, peer)) => {
                let shared = Arc::clone(shared);
                connections.push(thread::spawn(move || {
                    // A client that hangs up is its own business.
                    serve(&stream, peer.ip(), &shared).unwrap_or_default();
                }));
                connections.retain(|c: &JoinHandle<()>| !c.is_finished());
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    for connection in connections {
        connection.join().unwrap_or_default();
    }
}

fn serve(stream: &TcpStream, peer: IpAddr, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        if !read_line(&mut reader, &mut head, shared)? {
            return Ok(());
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let target = text.split(' ').nth(1).unwrap_or("/");
        // An answer before the content is there would have the client's stream reset, which not every curl reads past.
        discard(&mut reader, content_length(&text), shared)?;
        answer(stream, target, peer, shared)?;
        let version_1_0 = text.lines().next().is_some_and(|l| l.ends_with("HTTP/1.0"));
        if version_1_0 || text.to_ascii_lowercase().contains("\r\nconnection: close") {
            return Ok(());
        }
    }
}

fn content_length(head: &str) -> usize {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

/// Reads so many bytes, or as many as come before the backend ends.
fn discard(reader: &mut BufReader<&TcpStream>, mut left: usize, shared: &Shared) -> io::Result<()> {
    while left > 0 {
        match reader.fill_buf() {
            Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                let n = bytes.len().min(left);
                reader.consume(n);
                left -= n;
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if shared.stop.load(Ordering::Relaxed) {
                    return Err(e);
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Appends one line; `false` at the end of the connection or of the backend.
fn read_line(reader: &mut BufReader<&TcpStream>, head: &mut Vec<u8>, shared: &Shared) -> io::Result<bool> {
    loop {
        match reader.read_until(b'\n', head) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if shared.stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
            }
            Err(e) => return Err(e),
        }
    }
}

fn answer(mut stream: &TcpStream, target: &str, peer: IpAddr, shared: &Shared) -> io::Result<()> {
    let healthy = shared.healthy.load(Ordering::Relaxed);
    let status = if target == "/health" && !healthy { "503 Service Unavailable" } else { "200 OK" };
    if target != "/health" {
        shared.requests.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(ms) = target.strip_prefix("/slow?ms=").and_then(|ms| ms.parse().ok()) {
        thread::sleep(Duration::from_millis(ms));
    }
    let name = shared.name;
    let body = format!("ok {name}\n");
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Backend: {name}\r\nX-Via: {peer}\r\n\r\n{body}"
    );
    stream.write_all(reply.as_bytes())
}

/// Where all backends listen.
pub const PORT: u16 = 8080;
