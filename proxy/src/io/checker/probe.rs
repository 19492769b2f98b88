//! One check over a real socket: connect, ask, listen, judge, reset.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::endpoint::Endpoint;
use crate::health::http::{Evaluation, request};
use crate::health::{CheckResult, CheckStatus};
use crate::plan::{CheckConfig, CheckKind, HttpCheck, Plan, ServerId};

/// Checks a server of `plan` once, where it is.
///
/// # Cancel safety
/// Dropping the future closes the connection; nothing else is left behind.
pub(super) async fn probe(plan: &Plan, id: ServerId, at: Option<Endpoint>) -> CheckResult {
    let start = Instant::now();
    let (Some((config, limits)), Some(target)) = (find(plan, id), at.and_then(|at| at.ip())) else {
        return CheckResult::new(CheckStatus::Unknown);
    };
    let result = match connect(target, start + limits.connect).await {
        Err(failed) => failed,
        Ok(stream) => match &config.kind {
            CheckKind::Tcp => CheckResult::new(CheckStatus::L4Ok),
            CheckKind::Http(check) => http(stream, check, start + limits.whole).await,
        },
    };
    result.taking(start.elapsed())
}

/// How long a check may take, from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Until connected.
    pub(super) connect: Duration,
    /// Until judged.
    pub(super) whole: Duration,
}

impl Limits {
    /// Without a timeout of their own, checks take at most their interval, and connecting no longer than requests
    /// may take to connect.
    pub(super) fn new(config: &CheckConfig, connect: Option<Duration>) -> Self {
        let whole = config.timeout.unwrap_or(config.inter);
        Self { connect: connect.map_or(whole, |limit| limit.min(whole)).min(config.inter), whole }
    }
}

fn find(plan: &Plan, id: ServerId) -> Option<(&CheckConfig, Limits)> {
    let server = plan.servers().get(id.0 as usize)?;
    let config = server.check.as_ref()?;
    let backend = plan.backends().get(usize::from(server.backend.0))?;
    Some((config, Limits::new(config, backend.timeout.connect)))
}

async fn connect(target: SocketAddr, deadline: Instant) -> Result<TcpStream, CheckResult> {
    // Dropping the connect future when time is up closes the socket.
    let stream = match timeout_at(deadline.into(), TcpStream::connect(target)).await {
        Err(_) => return Err(CheckResult::new(CheckStatus::L4Timeout)),
        Ok(Err(error)) => return Err(not_connected(&error)),
        Ok(Ok(stream)) => stream,
    };
    // Closing with a reset leaves no TIME_WAIT behind, neither here nor with the server.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).map_err(|error| not_connected(&error))?;
    Ok(stream)
}

/// Tells what is wrong with the server from what this machine has run out of, descriptors, ports or memory: that must
/// not take every server down at once.
pub(super) fn not_connected(error: &io::Error) -> CheckResult {
    let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
    let ours = matches!(
        errno,
        Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM | Errno::EADDRNOTAVAIL | Errno::EAGAIN
    );
    let status = if ours { CheckStatus::SocketError } else { CheckStatus::L4Connection };
    CheckResult::new(status).with_info(errno.desc().as_bytes())
}

async fn http(mut stream: TcpStream, check: &HttpCheck, deadline: Instant) -> CheckResult {
    // Dropping the exchange when time is up closes the connection, half-sent request and all.
    match timeout_at(deadline.into(), exchange(&mut stream, check)).await {
        Ok(result) => result,
        Err(_) => CheckResult::new(CheckStatus::L7Timeout),
    }
}

async fn exchange(stream: &mut TcpStream, check: &HttpCheck) -> CheckResult {
    // A server may answer and close before it has read everything: its answer counts.
    let sent = stream.write_all(&request(check)).await;
    let mut evaluation = Evaluation::new(check);
    let mut buffer = [0; READ_BYTES];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return evaluation.end(),
            Ok(n) => {
                if let Some(result) = evaluation.feed(buffer.get(..n).unwrap_or_default()) {
                    return result;
                }
            }
            Err(error) => {
                let errno =
                    sent.err().unwrap_or(error).raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
                return CheckResult::new(CheckStatus::L7Response).with_info(errno.desc().as_bytes());
            }
        }
    }
}

/// Enough for most responses at once.
const READ_BYTES: usize = 4096;
