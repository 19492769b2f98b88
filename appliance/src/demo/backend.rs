//! The backends: a small HTTP/1.1 server that says who it is and through which node the request came.
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::cast::{App, BACKEND_PORT};
use super::netns::NetNs;
use super::resident::{Resident, Stopped};

/// The header in which a backend says its name.
pub(super) const SERVED_BY: &str = "x-served-by";
/// The header in which it says whose connection the request came on.
pub(super) const THROUGH: &str = "x-through";

/// Starts `app` in its namespace and returns when it listens.
///
/// # Errors
/// When it cannot listen.
pub(super) fn start(app: App, netns: &NetNs) -> io::Result<Resident> {
    let listen = move || {
        let listener = std::net::TcpListener::bind((app.addr(), BACKEND_PORT))?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    Resident::settle(netns, "backend", listen, async move |listener, stopped| {
        serve(app, listener, stopped).await
    })
}

/// Accepts until `stopped` resolves; the connections end with the returning task set.
async fn serve(app: App, listener: TcpListener, mut stopped: Stopped) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Cancel-safety: an accepted connection is never lost by dropping `accept`, and the other two only
            // observe.
            _ = &mut stopped => return Ok(()),
            accepted = listener.accept(), if connections.len() < CONNECTION_LIMIT => {
                let (connection, peer) = accepted?;
                connections.spawn(converse(app, connection, peer));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers requests on one connection until the other side has enough of it. A broken connection is the other
/// side's matter: it ends the conversation and nothing else.
async fn converse(app: App, mut connection: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let through = match peer.ip() {
        IpAddr::V4(addr) => addr,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let mut input = Vec::with_capacity(HEAD_LIMIT);
    loop {
        let Some(end) = read_head(&mut connection, &mut input).await? else { return Ok(()) };
        let head = String::from_utf8_lossy(&input[..end]).to_ascii_lowercase();
        let reuse = Reuse::after(&head);
        connection.write_all(answer(app, through, &head, reuse).as_bytes()).await?;
        if reuse == Reuse::No {
            return connection.shutdown().await;
        }
        input.drain(..end);
    }
}

/// Reads until a request head is complete and returns its length; `None` when no further request comes.
async fn read_head(connection: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if input.len() >= HEAD_LIMIT {
            return Ok(None);
        }
        let read = tokio::time::timeout(IDLE_LIMIT, connection.read_buf(input)).await;
        match read {
            Ok(Ok(0)) | Err(_) => return Ok(None),
            Ok(other) => _ = other?,
        }
    }
}

/// Whether the connection can carry another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Yes,
    No,
}

impl Reuse {
    /// A request body is not read, so nothing can follow it; HTTP/1.0 ends with the answer.
    fn after(lower_case_head: &str) -> Self {
        let ends = ["connection: close", "content-length:", "transfer-encoding:"]
            .iter()
            .any(|header| lower_case_head.contains(&format!("\r\n{header}")));
        let http_1_0 = lower_case_head.lines().next().is_some_and(|line| line.ends_with("http/1.0"));
        if ends || http_1_0 { Self::No } else { Self::Yes }
    }
}

fn answer(app: App, through: Ipv4Addr, lower_case_head: &str, reuse: Reuse) -> String {
    let body = format!("hello from {app}, through {through}\n");
    let connection = match reuse {
        Reuse::Yes => "keep-alive",
        Reuse::No => "close",
    };
    // RFC 9110 §9.3.2: an answer to HEAD has the head of an answer to GET and no body.
    let sent_body = if lower_case_head.starts_with("head ") { "" } else { &body };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{SERVED_BY}: {app}\r\n\
         {THROUGH}: {through}\r\nConnection: {connection}\r\n\r\n{sent_body}",
        body.len()
    )
}

/// The demo's own client and the nodes' pools stay far below; beyond it new connections wait in the backlog.
const CONNECTION_LIMIT: usize = 1024;
/// What a request head of the demo may take; a longer one ends the connection.
const HEAD_LIMIT: usize = 16 * 1024;
/// Longer than any pool of the demo keeps an idle connection busy.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_who_and_through_whom() {
        let text = answer(App::App2, Ipv4Addr::new(10, 99, 0, 1), "get / http/1.1\r\n\r\n", Reuse::Yes);
        assert!(text.contains("\r\nx-served-by: app2\r\n"), "{text}");
        assert!(text.contains("\r\nx-through: 10.99.0.1\r\n"), "{text}");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{text}");
    }

    #[test]
    fn head_gets_no_body() {
        let text = answer(App::App1, Ipv4Addr::LOCALHOST, "head / http/1.1\r\n\r\n", Reuse::Yes);
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_connection_is_reused_only_when_nothing_unread_can_follow() {
        let cases = [
            ("get / http/1.1\r\nhost: a\r\n\r\n", Reuse::Yes),
            ("get / http/1.0\r\nhost: a\r\n\r\n", Reuse::No),
            ("get / http/1.1\r\nconnection: close\r\n\r\n", Reuse::No),
            ("post / http/1.1\r\ncontent-length: 3\r\n\r\n", Reuse::No),
            ("post / http/1.1\r\ntransfer-encoding: chunked\r\n\r\n", Reuse::No),
        ];
        for (head, expected) in cases {
            assert_eq!(Reuse::after(head), expected, "{head:?}");
        }
    }
}
