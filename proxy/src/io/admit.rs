//! Between accept and the first request: what a listener asks of a connection, in this order, and which protocol it
//! speaks then.
//!
//! 1. Rules for connections (`tcp-request connection`).
//! 2. A header of the PROXY protocol, if the connection comes from a proxy that sends one.
//! 3. TLS, if the listener speaks it.
//! 4. Rules for sessions (`tcp-request session`).
//! 5. The protocol.
//!
//! The header and TLS each have a short timeout of their own, so that silence costs little.
//!
//! A connection to a listener that asks nothing is served at once, by the very task it keeps.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use super::caller::{Caller, Told};
use super::http1::Connection;
use super::http2;
use super::idle::{Place, Rest};
use super::proxy_header::{self, NoHeader, Said};
use super::runtime::{DataThread, Permit};
use super::session::{Seen, Tracked, Verdict};
use super::sessions::{Presence, Speaks};
use super::stream::Stream;
use super::tcp;
use super::tls::HandshakeError;
use crate::access_log::{AdmissionRecord, Level};
use crate::plan::{FrontendId, Listener, ListenerId, Mode};
use crate::proxy_protocol::{HeaderError, Origin};
use crate::stats::{Counter, Counters};
use crate::table::Event;

/// A connection that has just been taken in.
pub(super) struct Arrival {
    pub(super) stream: Stream,
    pub(super) client: SocketAddr,
    pub(super) listener: ListenerId,
    pub(super) frontend: FrontendId,
    pub(super) permit: Permit,
}

/// Sees a connection through to its protocol. The thread owns the task: it ends with it, and a panic in it ends this
/// connection only and is counted.
pub(super) fn admit(thread: &Rc<DataThread>, arrival: Arrival, now: Instant) {
    let Arrival { mut stream, client, listener, frontend, permit } = arrival;
    let mut whose = Guest { caller: Caller::of(client), listener, frontend, arrived: now };
    if is_asked(thread, frontend) {
        whose = whose.with_destination(thread, &stream).tracked(thread);
        if !is_let_in(thread, &mut stream, &whose, Stage::Connection, now) {
            return;
        }
    }
    let asks = thread.plan.listeners().get(usize::from(listener.0));
    let thread = Rc::clone(thread);
    let presence = thread.sessions.enter(permit, frontend, client, now);
    let card = presence.card();
    let task = match asks {
        Some(asks) if asks.expects_proxy(client.ip()) => {
            if stream.register().is_err() {
                return;
            }
            tokio::task::spawn_local(admit_announced(thread, stream, whose, presence, now))
        }
        Some(Listener { tls: Some(_), .. }) => {
            let whose = whose.with_destination(&thread, &stream);
            tokio::task::spawn_local(admit_encrypted(thread, stream, whose, presence, now))
        }
        _ => {
            let whose = whose.with_destination(&thread, &stream);
            if is_asked(&thread, frontend) && !is_let_in(&thread, &mut stream, &whose, Stage::Session, now) {
                return;
            }
            let Guest { caller, .. } = whose;
            let mode = mode(&thread, frontend);
            // Both sides are waited for, and spliced.
            if mode == Mode::Tcp && stream.register().is_err() {
                return;
            }
            // Each protocol's task is spawned as it is: a task that could be any of them would be as large as the
            // largest.
            match mode {
                Mode::Http => {
                    tokio::task::spawn_local(Connection::new(thread, stream, caller, frontend, presence, now))
                }
                Mode::Tcp => {
                    presence.set_protocol(Speaks::Tcp, false);
                    tokio::task::spawn_local(tcp::Connection::new(
                        thread, stream, caller, frontend, presence, now,
                    ))
                }
            }
        }
    };
    card.handle_task(&task);
}

/// Whose connection it is.
#[derive(Debug, Clone)]
struct Guest {
    caller: Caller,
    listener: ListenerId,
    frontend: FrontendId,
    arrived: Instant,
}

impl Guest {
    /// Finds out what the client has connected to, if a server is told or a rule looks at it.
    fn with_destination(mut self, thread: &DataThread, stream: &Stream) -> Self {
        if thread.plan.wants_destination() && self.caller.told.is_none() {
            let destination = stream.addresses().map(|(own, _)| own);
            self.caller.told = Some(told(destination, None, None));
        }
        self
    }

    /// Has it counted, if a rule says so.
    fn tracked(mut self, thread: &Rc<DataThread>) -> Self {
        self.caller.told = Some(told(self.caller.destination(), None, Some(Tracked::new(thread))));
        self
    }
}

/// A connection that says first whose it is.
async fn admit_announced(
    thread: Rc<DataThread>,
    stream: Stream,
    mut whose: Guest,
    presence: Presence,
    arrived: Instant,
) {
    match proxy_header::read(&thread, &stream, whose.frontend, arrived).await {
        Ok(Said { origin: Origin::Own, .. }) => {}
        Ok(Said { origin: Origin::Relayed { source, destination }, authority }) => {
            // What it is counted in stays: it is the same connection.
            let tracked = whose.caller.told.take().and_then(Rc::into_inner).and_then(|told| told.tracked);
            let wanted = thread.plan.wants_destination() || tracked.is_some();
            let told = wanted.then(|| told(Some(destination), authority, tracked));
            whose.caller = Caller { told, ..Caller::of(source) };
            presence.set_source(source);
        }
        Err(failure) => {
            let unwanted = matches!(failure, NoHeader::Unwanted { .. });
            let turned_away = |counters: &Counters| {
                if unwanted { &counters.evicted } else { &counters.proxy_refused }.add(1);
            };
            return turn_away(&thread, &whose, &Refusal::from(&failure), turned_away, arrived);
        }
    }
    let whose = whose.with_destination(&thread, &stream);
    let encrypted =
        thread.plan.listeners().get(usize::from(whose.listener.0)).is_some_and(|l| l.tls.is_some());
    if encrypted {
        admit_encrypted(thread, stream, whose, presence, Instant::now()).await;
    } else {
        serve(thread, stream, whose, presence).await;
    }
}

/// A connection that speaks TLS.
async fn admit_encrypted(
    thread: Rc<DataThread>,
    stream: Stream,
    whose: Guest,
    presence: Presence,
    arrived: Instant,
) {
    let asks = thread.plan.listeners().get(usize::from(whose.listener.0));
    let Some(acceptor) = asks.and_then(|l| l.tls.as_ref()) else { return };
    let shaken = match stream.accept_tls(acceptor) {
        Ok(stream) => {
            let deadline = arrived + acceptor.handshake_timeout();
            handshake(&thread, stream, whose.frontend, arrived, deadline).await
        }
        Err(error) => Err(NoTls::Failed(error.to_string())),
    };
    match shaken {
        Ok(stream) => {
            let counters = thread.recorder.frontend(whose.frontend);
            counters.tls_handshakes.add(1);
            if stream.tls().is_some_and(|t| t.session().is_resumed()) {
                counters.tls_resumed.add(1);
            }
            serve(thread, stream, whose, presence).await;
        }
        Err(failure) => {
            let counter: fn(&Counters) -> &Counter = match &failure {
                NoTls::Unwanted { .. } => |counters| &counters.evicted,
                NoTls::Timeout { .. } => |counters| &counters.tls_timeouts,
                NoTls::Closed { .. } | NoTls::Broken(_) | NoTls::Failed(_) => |counters| &counters.tls_failed,
            };
            let turned_away = |counters: &Counters| counter(counters).add(1);
            turn_away(&thread, &whose, &Refusal::from(failure), turned_away, arrived);
        }
    }
}

/// Speaks the protocol of the frontend, to its end.
async fn serve(thread: Rc<DataThread>, mut stream: Stream, mut whose: Guest, presence: Presence) {
    let now = Instant::now();
    whose.caller.tls = stream.session().cloned();
    let Guest { frontend, arrived, .. } = whose;
    if is_asked(&thread, frontend) && !is_let_in(&thread, &mut stream, &whose, Stage::Session, now) {
        return;
    }
    let caller = whose.caller;
    let handshakes = now.saturating_duration_since(arrived);
    if let Some(told) = &caller.told {
        told.handshake_ms.set(u32::try_from(handshakes.as_millis()).unwrap_or(u32::MAX));
    }
    let mode = mode(&thread, frontend);
    let speaks = if mode == Mode::Tcp { Speaks::Tcp } else { Speaks::Http1 };
    presence.set_protocol(speaks, caller.tls.is_some());
    match mode {
        Mode::Http if stream.has_agreed_on_http2() => {
            http2::Serve::of_tls(thread, stream, caller, frontend, presence, now).await;
        }
        Mode::Http => Connection::new(thread, stream, caller, frontend, presence, now).await,
        Mode::Tcp => tcp::Connection::new(thread, stream, caller, frontend, presence, now).await,
    }
}

fn told(destination: Option<SocketAddr>, authority: Option<Box<[u8]>>, tracked: Option<Tracked>) -> Rc<Told> {
    Rc::new(Told { destination, authority, handshake_ms: Cell::new(0), tracked })
}

/// Which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connection,
    Session,
}

/// Whether there are rules for connections.
fn is_asked(thread: &DataThread, frontend: FrontendId) -> bool {
    thread.plan.frontends().get(usize::from(frontend.0)).is_some_and(|f| !f.tcp_request.is_empty())
}

/// Asks the rules whether a connection is let in. One that is not is closed as cheaply as can be, counted, and not logged.
#[cold]
fn is_let_in(thread: &DataThread, stream: &mut Stream, whose: &Guest, stage: Stage, now: Instant) -> bool {
    let Some(frontend) = thread.plan.frontends().get(usize::from(whose.frontend.0)) else { return true };
    let rules = match stage {
        Stage::Connection => &frontend.tcp_request.connection,
        Stage::Session => &frontend.tcp_request.session,
    };
    let verdict = Seen::unread(&whose.caller, thread, now).ask(rules, &mut 0).unwrap_or(Verdict::Accept);
    match (verdict, stage) {
        (Verdict::Accept, Stage::Connection) => return true,
        (Verdict::Accept, Stage::Session) => {
            if let Some(tracked) = whose.caller.tracked() {
                tracked.count(Event::Session, 1, now);
            }
            return true;
        }
        // If the reset cannot be arranged the connection is gone.
        (Verdict::Reject, _) => drop(stream.reset_on_close()),
        (Verdict::SilentDrop, _) => stream.vanish_on_close(),
    }
    let counters = thread.recorder.frontend(whose.frontend);
    counters.connections.add(1);
    match stage {
        Stage::Connection => counters.denied_connections.add(1),
        Stage::Session => counters.denied_sessions.add(1),
    }
    false
}

fn mode(thread: &DataThread, frontend: FrontendId) -> Mode {
    thread.plan.frontends().get(usize::from(frontend.0)).map_or(Mode::Http, |f| f.mode)
}

/// Why there is no TLS session with a client.
#[derive(Debug)]
enum NoTls {
    /// It took too long. `heard`: it has said something.
    Timeout { heard: bool },
    /// Another connection needed the room.
    Unwanted { heard: bool },
    /// The client closed.
    Closed { heard: bool },
    /// The connection broke.
    Broken(io::Error),
    /// The two do not understand each other, or one does not trust the other.
    Failed(String),
}

/// What a handshake comes to.
enum Shaken {
    Ended(Result<(), HandshakeError>),
    /// The deadline has passed.
    Late,
    /// Room is needed.
    Unwanted,
}

/// `since`: when the client was taken in. Until it has said what it has to it may have to make room.
async fn handshake(
    thread: &Rc<DataThread>,
    mut stream: Stream,
    frontend: FrontendId,
    since: Instant,
    deadline: Instant,
) -> Result<Stream, NoTls> {
    let (mut slot, mut place) = (None, Place::default());
    let shaken = poll_fn(|cx| {
        let polled = stream.poll_handshake(cx);
        if polled.is_ready() {
            return polled.map(Shaken::Ended);
        }
        if Instant::now() >= deadline {
            return Poll::Ready(Shaken::Late);
        }
        if thread.idle.sit(&mut place, frontend, since, cx) == Rest::Leave {
            return Poll::Ready(Shaken::Unwanted);
        }
        slot.get_or_insert_with(|| thread.deadlines.slot(cx.waker().clone())).set(Some(deadline));
        Poll::Pending
    });
    let shaken = shaken.await;
    thread.idle.leave(&mut place);
    let heard = stream.tls().is_some_and(|t| t.has_heard());
    match shaken {
        Shaken::Ended(Ok(())) => Ok(stream),
        Shaken::Late => Err(NoTls::Timeout { heard }),
        Shaken::Unwanted => Err(NoTls::Unwanted { heard }),
        Shaken::Ended(Err(HandshakeError::Io(e))) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Err(NoTls::Closed { heard })
        }
        Shaken::Ended(Err(HandshakeError::Io(e))) => Err(NoTls::Broken(e)),
        Shaken::Ended(Err(HandshakeError::Tls(e))) => Err(NoTls::Failed(e.to_string())),
    }
}

/// Why a connection comes to nothing, as its record says it.
struct Refusal {
    what: &'static str,
    why: Option<String>,
    /// The client has said something.
    heard: bool,
}

impl From<NoTls> for Refusal {
    fn from(failure: NoTls) -> Self {
        let (what, why, heard) = match failure {
            NoTls::Timeout { heard } => ("Timeout during SSL handshake", None, heard),
            NoTls::Unwanted { heard } => {
                ("Connection closed during SSL handshake", Some("to make room".to_owned()), heard)
            }
            NoTls::Closed { heard } => ("Connection closed during SSL handshake", None, heard),
            NoTls::Broken(error) => ("Connection error during SSL handshake", Some(error.to_string()), true),
            NoTls::Failed(why) => ("SSL handshake failure", Some(why), true),
        };
        Self { what, why, heard }
    }
}

impl From<&NoHeader> for Refusal {
    fn from(failure: &NoHeader) -> Self {
        let (what, why, heard) = match failure {
            NoHeader::Timeout { heard } => ("Timeout while waiting for PROXY protocol header", None, *heard),
            NoHeader::Unwanted { heard } => (
                "Connection closed while waiting for PROXY protocol header",
                Some("to make room".to_owned()),
                *heard,
            ),
            NoHeader::Closed { heard: false } => {
                ("Connection closed while waiting for PROXY protocol header", None, false)
            }
            NoHeader::Closed { heard: true } => ("Truncated PROXY protocol header received", None, true),
            NoHeader::Broken(error) => {
                ("Connection error while waiting for PROXY protocol header", Some(error.to_string()), true)
            }
            NoHeader::Bad(HeaderError::Absent) => {
                ("Received something which does not look like a PROXY protocol header", None, true)
            }
            NoHeader::Bad(error) => {
                ("Received an invalid PROXY protocol header", Some(error.to_string()), true)
            }
        };
        Self { what, why, heard }
    }
}

/// Counts and logs a connection that comes to nothing, which closes it.
fn turn_away(
    thread: &DataThread,
    whose: &Guest,
    refusal: &Refusal,
    count: impl Fn(&Counters),
    arrived: Instant,
) {
    let counters = thread.recorder.frontend(whose.frontend);
    counters.connections.add(1);
    count(counters);
    let Some(frontend) = thread.plan.frontends().get(usize::from(whose.frontend.0)) else { return };
    if frontend.log.is_empty() || (frontend.dontlognull && !refusal.heard) {
        return;
    }
    let record = AdmissionRecord {
        client: whose.caller.source,
        time: thread.time_of_day.at(arrived),
        frontend: &frontend.name,
        listener: number_in_frontend(thread, whose),
        what: refusal.what,
        why: refusal.why.as_deref(),
    };
    let is_apart = frontend.records.as_ref().is_some_and(|records| records.separate_errors);
    let level = if is_apart { Level::Err } else { Level::Info };
    thread.logger.admission(&frontend.log, level, &record);
}

/// Counted from 1.
fn number_in_frontend(thread: &DataThread, whose: &Guest) -> u16 {
    let first = thread.plan.listeners().iter().position(|l| l.frontend == whose.frontend);
    let first = first.and_then(|f| u16::try_from(f).ok()).unwrap_or(0);
    whose.listener.0.saturating_sub(first) + 1
}
