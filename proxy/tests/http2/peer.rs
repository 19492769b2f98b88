//! A server that speaks HTTP/2 and does what the path says.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, Method, Request, Response};

use super::client::send_all;

/// A running server. It ends with the test.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Peer {
    /// With settings of its own.
    pub(crate) fn start(build: impl Fn(&mut Builder) + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let theirs = Arc::clone(&counts);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((tcp, _)) = listener.accept().await {
                    let mut builder = Builder::new();
                    build(&mut builder);
                    tokio::spawn(serve(tcp, builder, Arc::clone(&theirs)));
                }
            });
        });
        Self { addr, counts }
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::Relaxed)
    }

    /// The most requests that ran at once.
    pub(crate) fn most_running(&self) -> usize {
        self.counts.most_running.load(Ordering::Relaxed)
    }
}

async fn serve(tcp: tokio::net::TcpStream, builder: Builder, counts: Arc<Counts>) {
    tcp.set_nodelay(true).unwrap();
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(tcp).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let running = counts.running.fetch_add(1, Ordering::Relaxed) + 1;
        counts.most_running.fetch_max(running, Ordering::Relaxed);
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            // What goes wrong here is seen at the other end.
            drop(answer(request, respond).await);
            counts.running.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (parts, mut body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    match (&parts.method, &*path) {
        (&Method::CONNECT, _) => {
            let version = parts.headers.get("sec-websocket-version").is_some();
            assert!(version && parts.headers.get("sec-websocket-key").is_none(), "{:?}", parts.headers);
            let mut stream = respond.send_response(Response::new(()), false)?;
            send_all(&mut stream, Bytes::from_static(b"welcome"), false).await;
            while let Some(data) = body.data().await {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                send_all(&mut stream, data, false).await;
            }
            stream.send_data(Bytes::new(), true)?;
        }
        (_, "/echo") => {
            let mut stream = respond.send_response(Response::new(()), false)?;
            while let Some(data) = body.data().await {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                send_all(&mut stream, data, false).await;
            }
            let mut trailers = body.trailers().await?.unwrap_or_else(HeaderMap::new);
            trailers.insert("te-was", parts.headers.get("te").cloned().unwrap_or("none".parse()?));
            stream.send_trailers(trailers)?;
        }
        (_, "/trailers-only") => {
            let response = Response::builder().header("grpc-status", "12").body(())?;
            respond.send_response(response, true)?;
        }
        (_, "/big") => {
            let mut stream = respond.send_response(Response::new(()), false)?;
            send_all(&mut stream, vec![b'x'; BIG].into(), true).await;
        }
        // An answer before the request is there, of which no more is wanted.
        (_, "/early") => {
            let mut stream = respond.send_response(Response::builder().status(413).body(())?, false)?;
            // h2 resets the stream without error when it is dropped.
            send_all(&mut stream, Bytes::from_static(b"too much"), true).await;
        }
        (_, "/hints") => {
            let hints = Response::builder().status(103).header("link", "a").body(())?;
            respond.send_informational(hints)?;
            respond.send_response(Response::builder().status(204).body(())?, true)?;
        }
        // Never, unless the client gives up.
        (_, "/never") => {
            poll_fn(|cx| respond.poll_reset(cx)).await?;
        }
        (method, path) => {
            tokio::task::yield_now().await;
            let text = format!("{method} {path} {}", parts.uri.authority().map_or("-", |a| a.as_str()));
            let response = Response::builder().header("content-length", text.len()).body(())?;
            let ends = *method == Method::HEAD;
            let mut stream = respond.send_response(response, ends)?;
            if !ends {
                send_all(&mut stream, text.into(), true).await;
            }
        }
    }
    Ok(())
}

/// What "/big" has to say: more than any window.
pub(crate) const BIG: usize = 3 << 20;
