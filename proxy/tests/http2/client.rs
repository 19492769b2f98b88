//! Clients: h2's own, and one that sends whatever frames it is told.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

use super::common::{Client, PATIENCE, TestProxy};

/// Runs `test` with a connection to the proxy, within a test's patience.
pub(crate) fn with_connection<F: Future<Output = ()>>(
    addr: SocketAddr,
    test: impl FnOnce(SendRequest<Bytes>) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(addr).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (send, connection) = h2::client::handshake(tcp).await.unwrap();
        tokio::spawn(async move {
            // How it ends is seen by the streams.
            drop(connection.await);
        });
        tokio::time::timeout(PATIENCE, test(send)).await.expect("done in time");
    });
}

/// A response that has come to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|v| v.to_str().unwrap())
    }
}

pub(crate) fn get(path: &str) -> Request<()> {
    Request::get(format!("http://h{path}")).body(()).unwrap()
}

/// Sends a request without content and reads its answer.
pub(crate) async fn ask(send: &SendRequest<Bytes>, request: Request<()>) -> Result<Answer, h2::Error> {
    let mut send = send.clone().ready().await?;
    let (response, _) = send.send_request(request, true)?;
    read(response.await?).await
}

/// Sends the head of a request that goes on.
pub(crate) async fn begin(
    send: &SendRequest<Bytes>,
    request: Request<()>,
) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
    send.clone().ready().await.unwrap().send_request(request, false).unwrap()
}

/// Reads content and trailers.
pub(crate) async fn read(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?;
    Ok(Answer { head: Response::from_parts(parts, ()), body, trailers })
}

/// Sends content as the windows allow.
pub(crate) async fn send_all(stream: &mut SendStream<Bytes>, mut data: Bytes, ends: bool) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let part = data.split_to(room.min(data.len()));
        stream.send_data(part, ends && data.is_empty()).unwrap();
    }
}

/// A frame that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Sends frames as they are given.
pub(crate) struct Raw {
    client: Client,
}

impl Raw {
    /// Has sent the preface and empty SETTINGS.
    pub(crate) fn connect(proxy: &TestProxy) -> Self {
        let mut client = proxy.client();
        client.send(PREFACE);
        client.send(frame(4, 0, 0, b""));
        Self { client }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.send(bytes);
    }

    /// Sends for as long as the peer takes it.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        std::io::Write::write_all(&mut self.client.stream, bytes).is_ok()
    }

    /// What it reads from.
    pub(crate) fn stream(&mut self) -> &mut std::net::TcpStream {
        &mut self.client.stream
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<Frame> {
        let (bytes, _) = self.client.rest_or_reset();
        let (mut bytes, mut frames) = (&bytes[..], Vec::new());
        while let Some((head, rest)) = bytes.split_at_checked(9) {
            let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some((payload, rest)) = rest.split_at_checked(len) else { break };
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            frames.push(Frame { kind: head[3], flags: head[4], stream, payload: payload.to_vec() });
            bytes = rest;
        }
        frames
    }

    /// The code of the GOAWAY the connection ends with.
    pub(crate) fn goaway(&mut self) -> Option<u32> {
        let last = self.rest().into_iter().rfind(|f| f.kind == 7)?;
        Some(u32::from_be_bytes(last.payload[4..8].try_into().unwrap()))
    }

    /// The next frame that is neither SETTINGS nor WINDOW_UPDATE nor PING.
    pub(crate) fn next(&mut self) -> Frame {
        loop {
            let head = self.client.take(9);
            let payload = self.client.take(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize);
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if !matches!(head[3], 4 | 6 | 8) {
                return Frame { kind: head[3], flags: head[4], stream, payload };
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![len[1], len[2], len[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as literals that are not indexed (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for part in [name, value] {
            // RFC 7541 §5.1: a length from 127 on takes a second byte.
            match u8::try_from(part.len()).unwrap() {
                long @ 127.. => bytes.extend_from_slice(&[127, long - 127]),
                short => bytes.push(short),
            }
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    bytes
}

/// HEADERS with these fields behind the usual pseudo fields, and END_HEADERS.
pub(crate) fn headers(stream: u32, ends: bool, method: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "h")];
    let mut payload = block(&pseudo);
    payload.extend_from_slice(&block(fields));
    frame(1, 4 | u8::from(ends), stream, &payload)
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How soon a polite client has to be answered, whatever others do, on a machine that is busy otherwise.
pub(crate) const POLITE: Duration = Duration::from_secs(2);
