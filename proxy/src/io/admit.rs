//! Between accept and the first request: what a listener asks of a connection, in this order, and which protocol it
//! speaks then.
//!
//! 1. TLS, if the listener speaks it: the handshake has a short timeout of its own, so that silence costs little.
//! 2. The protocol.
//!
//! A connection to a listener that asks nothing is served at once, by the very task it keeps.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::TcpStream;

use super::http1::Connection;
use super::http2;
use super::runtime::{DataThread, Permit};
use super::stream::Stream;
use super::tcp;
use super::tls::HandshakeError;
use crate::access_log::{AdmissionRecord, UnixMillis};
use crate::plan::{FrontendId, ListenerId, Mode};

/// A connection that has just been taken in.
pub(super) struct Arrival {
    pub(super) tcp: TcpStream,
    pub(super) client: SocketAddr,
    pub(super) listener: ListenerId,
    pub(super) frontend: FrontendId,
    pub(super) permit: Permit,
}

/// Sees a connection through to its protocol. The thread owns the task: it ends with it, and a panic in it ends this
/// connection only and is counted.
pub(super) fn admit(thread: &Rc<DataThread>, arrival: Arrival, now: Instant) {
    let Arrival { tcp, client, listener, frontend, permit } = arrival;
    // A socket that takes no options has been reset already.
    let Ok(stream) = Stream::new(tcp) else { return };
    let whose = Guest { client, listener, frontend };
    let tls = thread.plan.listeners().get(usize::from(listener.0)).and_then(|l| l.tls.as_ref());
    let Some(acceptor) = tls else {
        let thread = Rc::clone(thread);
        // Each protocol's task is spawned as it is: a task that could be any of them would be as large as the largest.
        return drop(match mode(&thread, frontend) {
            Mode::Http => {
                tokio::task::spawn_local(Connection::new(thread, stream, client, frontend, permit, now))
            }
            Mode::Tcp => {
                tokio::task::spawn_local(tcp::Connection::new(thread, stream, client, frontend, permit, now))
            }
        });
    };
    let deadline = now + acceptor.handshake_timeout();
    let opened = stream.accept_tls(acceptor);
    let thread = Rc::clone(thread);
    drop(tokio::task::spawn_local(async move {
        let shaken = match opened {
            Ok(stream) => handshake(&thread, stream, deadline).await,
            Err(error) => Err(NoTls::Failed(error.to_string())),
        };
        match shaken {
            Ok(stream) => serve(thread, stream, whose, permit).await,
            Err(failure) => turn_away(&thread, whose, &failure, now),
        }
    }));
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
struct Guest {
    client: SocketAddr,
    listener: ListenerId,
    frontend: FrontendId,
}

/// Speaks the protocol that was agreed on, to its end.
async fn serve(thread: Rc<DataThread>, stream: Stream, whose: Guest, permit: Permit) {
    let counters = thread.recorder.frontend(whose.frontend);
    counters.tls_handshakes.add(1);
    if stream.tls().is_some_and(|t| t.session().is_resumed()) {
        counters.tls_resumed.add(1);
    }
    let (Guest { client, frontend, .. }, now) = (whose, Instant::now());
    match mode(&thread, frontend) {
        Mode::Http if stream.has_agreed_on_http2() => {
            http2::Serve::of_tls(thread, stream, client, frontend, permit, now).await;
        }
        Mode::Http => Connection::new(thread, stream, client, frontend, permit, now).await,
        Mode::Tcp => tcp::Connection::new(thread, stream, client, frontend, permit, now).await,
    }
}

fn mode(thread: &DataThread, frontend: FrontendId) -> Mode {
    thread.plan.frontends().get(usize::from(frontend.0)).map_or(Mode::Http, |f| f.mode)
}

/// Why there is no TLS session with a client.
#[derive(Debug)]
enum NoTls {
    /// It took too long. `heard`: it has said something.
    Timeout { heard: bool },
    /// The client closed.
    Closed { heard: bool },
    /// The connection broke.
    Broken(io::Error),
    /// The two do not understand each other, or one does not trust the other.
    Failed(String),
}

async fn handshake(thread: &Rc<DataThread>, mut stream: Stream, deadline: Instant) -> Result<Stream, NoTls> {
    let mut slot = None;
    let shaken = poll_fn(|cx| {
        let polled = stream.poll_handshake(cx);
        if polled.is_pending() {
            if Instant::now() >= deadline {
                return Poll::Ready(None);
            }
            slot.get_or_insert_with(|| thread.deadlines.slot(cx.waker().clone())).set(Some(deadline));
        }
        polled.map(Some)
    });
    let shaken = shaken.await;
    let heard = stream.tls().is_some_and(|t| t.has_heard());
    match shaken {
        Some(Ok(())) => Ok(stream),
        None => Err(NoTls::Timeout { heard }),
        Some(Err(HandshakeError::Io(e))) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Err(NoTls::Closed { heard })
        }
        Some(Err(HandshakeError::Io(e))) => Err(NoTls::Broken(e)),
        Some(Err(HandshakeError::Tls(e))) => Err(NoTls::Failed(e.to_string())),
    }
}

/// Counts and logs a connection that comes to nothing, which closes it.
fn turn_away(thread: &DataThread, whose: Guest, failure: &NoTls, arrived: Instant) {
    for counters in [thread.recorder.process(), thread.recorder.frontend(whose.frontend)] {
        counters.connections.add(1);
        counters.tls_failed.add(1);
    }
    let Some(frontend) = thread.plan.frontends().get(usize::from(whose.frontend.0)) else { return };
    let (what, why, heard) = match failure {
        NoTls::Timeout { heard } => ("Timeout during SSL handshake", None, *heard),
        NoTls::Closed { heard } => ("Connection closed during SSL handshake", None, *heard),
        NoTls::Broken(error) => ("Connection error during SSL handshake", Some(error.to_string()), true),
        NoTls::Failed(why) => ("SSL handshake failure", Some(why.clone()), true),
    };
    if frontend.log.is_empty() || (frontend.dontlognull && !heard) {
        return;
    }
    let record = AdmissionRecord {
        client: whose.client,
        time: wall_clock(arrived.elapsed()),
        frontend: &frontend.name,
        listener: number_in_frontend(thread, whose),
        what,
        why: why.as_deref(),
    };
    thread.logger.admission(&frontend.log, &record);
}

/// Counted from 1.
fn number_in_frontend(thread: &DataThread, whose: Guest) -> u16 {
    let first = thread.plan.listeners().iter().position(|l| l.frontend == whose.frontend);
    let first = first.and_then(|f| u16::try_from(f).ok()).unwrap_or(0);
    whose.listener.0.saturating_sub(first) + 1
}

/// The time of day so long ago.
fn wall_clock(ago: Duration) -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
