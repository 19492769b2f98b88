//! Between accept and the first request: what a listener asks of a connection, in this order, and which protocol it
//! speaks then.
//!
//! A connection to a listener that asks nothing is served at once, by the very task it keeps.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::http1::Connection;
use super::runtime::{DataThread, Permit};
use super::stream::Stream;
use super::tcp;
use crate::plan::{FrontendId, ListenerId, Mode};

/// A connection that has just been taken in.
pub(super) struct Arrival {
    pub(super) tcp: TcpStream,
    pub(super) client: SocketAddr,
    #[expect(dead_code, reason = "for what listeners ask of connections")]
    pub(super) listener: ListenerId,
    pub(super) frontend: FrontendId,
    pub(super) permit: Permit,
}

/// Sees a connection through to its protocol. The thread owns the task: it ends with it, and a panic in it ends this
/// connection only and is counted.
pub(super) fn admit(thread: &Rc<DataThread>, arrival: Arrival, now: Instant) {
    let Arrival { tcp, client, frontend, permit, .. } = arrival;
    // A socket that takes no options has been reset already.
    let Ok(stream) = Stream::new(tcp) else { return };
    if thread.plan.frontends().get(usize::from(frontend.0)).is_some_and(|f| f.mode == Mode::Tcp) {
        let connection = tcp::Connection::new(Rc::clone(thread), stream, client, frontend, permit, now);
        return drop(tokio::task::spawn_local(connection));
    }
    let connection = Connection::new(Rc::clone(thread), stream, client, frontend, permit, now);
    drop(tokio::task::spawn_local(connection));
}
