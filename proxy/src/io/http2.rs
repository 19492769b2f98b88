//! Connections that speak HTTP/2. Their streams are forwarded by the HTTP/1.1 path: there is one way a request goes.
//!
//! | module | what it does |
//! |---|---|
//! | `serve` | the task of a client's connection: takes its streams in, closes it in time |
//! | `client` | one stream of a client, as a byte stream of HTTP/1.1 |
//! | `session` | a connection to a server: the task that drives it, what the pool and its streams know of it |
//! | `server` | one stream to a server, as a byte stream of HTTP/1.1 |
//! | `content` | the content of a stream in either direction |
//! | `queue` | what waits in h2 to be sent, and the bound on it |
//! | `takes` | whether a client takes what waits for it |
//! | `wire` | the bytes of the connection: gathered, and counted against floods |
//!
//! h2 does the framing, the compression, flow control and the states of streams. Between a connection's task and those of
//! its streams it keeps the queues; everything stays on one thread. A turn of the connection's task reads what is there,
//! starts new streams and writes once what the streams have had to say since.

mod client;
mod content;
mod queue;
mod serve;
mod server;
mod session;
mod takes;
mod wire;

pub(super) use client::ClientStream;
pub(super) use serve::Serve;
pub(super) use server::ServerStream;
pub(super) use session::Session;
pub(super) use wire::Spare;

/// So much of a request is read before it is known what it is: enough for most heads.
pub(super) const FIRST_READ: usize = 4 * 1024;
