//! What touches sockets, clocks and threads: it carries out what the core decides.
//!
//! | module | what it does |
//! |---|---|
//! | [`runtime`] | data threads: start, heartbeat, drain, stop |
//! | `accept` | takes connections in, within the limits |
//! | `session` | rules for connections, and what they are counted in |
//! | [`sessions`] | who is there, and ending it |
//! | `admit` | sees a connection through to its protocol |
//! | `assign` | gets a server for a request |
//! | `http1` | one connection of a client, request after request |
//! | [`explain`] | tells what becomes of a request instead of doing it |
//! | `http2` | one connection that speaks HTTP/2, whose streams are forwarded by `http1` |
//! | `persist` | which server a client had, and what it is told about the one it gets |
//! | `upstream` | connections to servers: pooled, made, tried again |
//! | `tcp` | a client's connection in mode tcp, to its end |
//! | `passage`, `splice` | one direction of bytes nobody looks at |
//! | `tunnel` | both directions after an upgrade |
//! | [`checker`] | makes the health checks, on a thread of its own |
//! | `page` | the statistics page of what runs, and what operators do on it |
//! | [`sight`] | what operators see, and what they can do |
//! | [`log_sink`] | writes log lines to their targets, on a thread of its own |
//! | `tls` | TLS over a stream, as a stream |
//! | `stream`, `socket`, `deadline`, `time_of_day`, `chance` | bytes, time and luck for all of these |
//!
//! A connection lives and dies on one thread, and so does everything it uses on the request path: buffers, server
//! connections, deadlines, counters. Threads share the plan, which nobody writes, and the atomics of balancing.
#![expect(clippy::disallowed_methods, reason = "this is the part of the crate that reads the clock")]

mod accept;
mod admit;
mod assign;
mod caller;
mod chance;
pub mod checker;
mod deadline;
mod http1;
mod http2;
mod idle;
pub mod log_sink;
mod page;
mod passage;
mod persist;
mod private;
mod proxy_header;
pub mod runtime;
pub mod scripts;
mod session;
pub mod sessions;
pub mod sight;
mod socket;
mod splice;
mod stream;
mod tcp;
mod time_of_day;
mod tls;
mod tunnel;
mod underway;
mod upstream;

pub use http1::explain;
