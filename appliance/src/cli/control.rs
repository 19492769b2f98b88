//! Asks the keeper of this machine, over its control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use hyper_util::rt::TokioIo;

/// What the keeper has answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// What it says, line by line.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// It does not do what it was asked.
    pub(super) fn refusal(&self) -> io::Error {
        io::Error::other(self.text().trim().to_owned())
    }
}

/// No keeper has answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer from a running evenkeel at {path}")]
pub(super) struct NoAnswer {
    path: String,
    #[source]
    source: io::Error,
}

impl NoAnswer {
    pub(super) fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.display().to_string(), source }
    }
}

/// Sends one request without content and waits for the answer.
///
/// # Errors
/// If there is none within the limit.
pub(super) fn ask(socket: &Path, method: Method, target: &str, limit: Duration) -> Result<Answer, NoAnswer> {
    send(socket, method, target, Vec::new(), limit)
}

/// Sends one request and waits for the answer.
///
/// # Errors
/// If there is none within the limit.
pub(super) fn send(
    socket: &Path,
    method: Method,
    target: &str,
    content: Vec<u8>,
    limit: Duration,
) -> Result<Answer, NoAnswer> {
    let asked = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "timed out"));
            tokio::time::timeout(limit, exchange(socket, method, target, content)).await.unwrap_or_else(late)
        })
    };
    asked().map_err(|source| NoAnswer::new(socket, source))
}

async fn exchange(path: &Path, method: Method, target: &str, content: Vec<u8>) -> io::Result<Answer> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = hyper::Request::builder().method(method).uri(target).header("host", "evenkeel");
    let request = request.body(Full::new(Bytes::from(content)));
    let exchange = async {
        let request = request.map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer { status, body })
    };
    // Dropping the connection future when the exchange is done closes the socket; nothing is lost by that.
    tokio::select! {
        answer = exchange => answer,
        ended = connection => Err(ended.err().map_or_else(|| io::ErrorKind::UnexpectedEof.into(), io::Error::other)),
    }
}
