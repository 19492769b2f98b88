//! The control socket: HTTP/1.1 on a Unix socket in the runtime directory, for `evenkeel status` and its like. It
//! answers whatever state the worker is in.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | the status document, JSON |
//! | `GET /config` | the configuration in use, without secrets, JSON: [`crate::config::diff::InUse`] |
//! | `GET /logs?after=CURSOR&most=N` | the last lines of the log, JSON: [`crate::logs::Page`] |
//! | `POST /server` | an order of JSON, such as `{"server":"b/s1","state":"drain"}`: 200 and what came of it, or 409 and why not |
//! | `POST /reload` | once the configuration is in use: 200 and what changed, or 409 and why nothing was replaced |
//! | `POST /upgrade` | 409 and why nothing was replaced; else the connection ends with this keeper, and the status of the
//!   next one tells of it |

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::reload::Reply;
use super::{in_use, logs};
use crate::ipc::{Order, Ordered};
use crate::logs::{MOST, NoCursor, Wanted};
use crate::status::NodeStatus;

/// What the control socket asks of the keeper.
#[derive(Debug)]
pub(super) enum Ask {
    /// The status of the node.
    Status(oneshot::Sender<Box<NodeStatus>>),
    /// The configuration in use.
    Config(in_use::Reply),
    /// To bring the configuration into use as it is now.
    Reload(Reply),
    /// To go on as the program that is now where this one was.
    Upgrade(Reply),
    /// The last lines of the log.
    Logs(Wanted, logs::Reply),
    /// To have a server do something.
    Order(Order, oneshot::Sender<Result<Ordered, String>>),
}

/// The serving task. Dropping it closes the socket and removes its file.
#[derive(Debug)]
pub(super) struct ControlSocket {
    task: JoinHandle<()>,
    listener: OwnedFd,
    path: std::path::PathBuf,
}

impl ControlSocket {
    /// Listens on `path`, replacing a file left by an earlier life, readable by the owner and group only.
    ///
    /// # Errors
    /// If the socket cannot be created.
    pub(super) fn open(path: &Path, asks: mpsc::Sender<Ask>) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        let listener = StdUnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Self::inherited(path, listener, asks)
    }

    /// Goes on listening where the keeper before this one did: who has asked since waits there.
    ///
    /// # Errors
    /// If the socket cannot be listened on.
    pub(super) fn inherited(
        path: &Path,
        listener: StdUnixListener,
        asks: mpsc::Sender<Ask>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let copy = listener.try_clone()?.into();
        let task = tokio::spawn(accept(UnixListener::from_std(listener)?, asks));
        Ok(Self { task, listener: copy, path: path.to_owned() })
    }

    /// The socket, for the next keeper.
    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(err) = std::fs::remove_file(&self.path) {
            tracing::debug!(%err, "control socket file was gone already");
        }
    }
}

async fn accept(listener: UnixListener, asks: mpsc::Sender<Ask>) {
    // Connections end with this task: the set aborts what still runs when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, asks.clone()));
            }
            Err(err) => {
                tracing::warn!(%err, "control socket cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: UnixStream, asks: mpsc::Sender<Ask>) {
    let service = service_fn(|request: Request<Incoming>| answer(request, asks.clone()));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_LIMIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(err)) => tracing::debug!(%err, "control connection ended early"),
        Err(_) => tracing::debug!("control connection closed: too long"),
    }
}

async fn answer(
    request: Request<Incoming>,
    asks: mpsc::Sender<Ask>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let response = match (request.method(), request.uri().path()) {
        (&Method::GET, "/status") => status(&asks).await,
        (&Method::GET, "/config") => config(&asks).await,
        (&Method::GET, "/logs") => match wanted(request.uri().query().unwrap_or_default()) {
            Ok(wanted) => lines(wanted, &asks).await,
            Err(why) => plain(StatusCode::BAD_REQUEST, &format!("{why}\n")),
        },
        (&Method::POST, "/reload") => change(&asks, Ask::Reload).await,
        (&Method::POST, "/upgrade") => change(&asks, Ask::Upgrade).await,
        (&Method::POST, "/server") => order(request, &asks).await,
        (_, "/server") => plain(StatusCode::METHOD_NOT_ALLOWED, "use POST\n"),
        (_, "/status" | "/config" | "/logs") => plain(StatusCode::METHOD_NOT_ALLOWED, "use GET\n"),
        (_, "/reload" | "/upgrade") => plain(StatusCode::METHOD_NOT_ALLOWED, "use POST\n"),
        _ => {
            plain(StatusCode::NOT_FOUND, "there are /status, /config, /logs, /server, /reload and /upgrade\n")
        }
    };
    Ok(response)
}

async fn config(asks: &mpsc::Sender<Ask>) -> Response<Full<Bytes>> {
    let (reply, answer) = oneshot::channel();
    if asks.send(Ask::Config(reply)).await.is_ok()
        && let Some(told) = in_use::told(answer).await
    {
        return json(&told);
    }
    plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n")
}

async fn change(asks: &mpsc::Sender<Ask>, what: impl Fn(Reply) -> Ask) -> Response<Full<Bytes>> {
    let (reply, answer) = oneshot::channel();
    if asks.send(what(reply)).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n");
    }
    let text = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
    match answer.await {
        Ok(Ok(warnings)) => plain(StatusCode::OK, &text(warnings)),
        Ok(Err(errors)) => plain(StatusCode::CONFLICT, &text(errors)),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n"),
    }
}

async fn order(request: Request<Incoming>, asks: &mpsc::Sender<Ask>) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), LONGEST_ORDER).collect().await;
    let Ok(body) = body else { return plain(StatusCode::PAYLOAD_TOO_LARGE, "the order is too long\n") };
    let order = match serde_json::from_slice(&body.to_bytes()) {
        Ok(order) => order,
        Err(err) => return plain(StatusCode::BAD_REQUEST, &format!("{err}\n")),
    };
    let (reply, answer) = oneshot::channel();
    if asks.send(Ask::Order(order, reply)).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n");
    }
    match answer.await {
        Ok(Ok(ordered)) => json(&ordered),
        Ok(Err(why)) => plain(StatusCode::CONFLICT, &format!("{why}\n")),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "no worker has answered\n"),
    }
}

/// What is asked for: `after=CURSOR&most=N`, each of them or not.
fn wanted(query: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted { after: None, most: MOST };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "after" => wanted.after = Some(value.parse().map_err(|e: NoCursor| e.to_string())?),
            "most" => {
                let most: usize = value.parse().map_err(|_| format!("`{value}` is no number"))?;
                wanted.most = most.min(MOST);
            }
            other => return Err(format!("there is no `{other}` to say")),
        }
    }
    Ok(wanted)
}

async fn lines(wanted: Wanted, asks: &mpsc::Sender<Ask>) -> Response<Full<Bytes>> {
    let (reply, answer) = oneshot::channel();
    if asks.send(Ask::Logs(wanted, reply)).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n");
    }
    match answer.await {
        Ok(page) => json(&page),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n"),
    }
}

async fn status(asks: &mpsc::Sender<Ask>) -> Response<Full<Bytes>> {
    let (reply, answer) = oneshot::channel();
    if asks.send(Ask::Status(reply)).await.is_err() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n");
    }
    let Ok(document) = answer.await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the keeper is ending\n");
    };
    json(&document)
}

fn json(document: &impl serde::Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(document) {
        Ok(json) => {
            let mut response = Response::new(Full::new(Bytes::from(json)));
            let json_type = header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json_type);
            response
        }
        Err(err) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{err}\n")),
    }
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// Names of a backend and a server, and a word.
const LONGEST_ORDER: usize = 4096;
/// Operators and their tools; more at once is a mistake.
const MAX_CONNECTIONS: usize = 32;
const CONNECTION_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
