//! The data plane: what happens to the bytes of clients and servers.
//!
//! The crate is a pure core and an `io` module that drives it. The core holds no socket and reads no clock: it turns
//! bytes and instants into decisions, and `io` carries them out, one thread per core.
//!
//! | module | what it is |
//! |---|---|
//! | [`h1`] | HTTP/1.1 heads, framing and forwarding, on byte slices |
//! | [`h2`] | HTTP/2 header blocks to HTTP/1.1 heads and back, and what a peer may do |
//! | [`access_log`] | one record per request, and how it leaves the thread |
//! | [`balance`] | which server gets the next request |
//! | [`bandwidth`] | how much of a message may pass by now |
//! | [`compress`] | compression of responses |
//! | [`endpoint`] | where a socket is |
//! | [`hello`] | what a TLS client says first, read without answering it |
//! | [`health`] | checks: when, what they find, when a server goes down or comes up |
//! | [`list`] | files of patterns, which an operator can change |
//! | [`map`] | values looked up by what a request has |
//! | [`metrics`] | what operators and their tools see of all this |
//! | [`names`] | servers whose address is found out, or changes, at run time |
//! | [`pace`] | whether a client keeps up |
//! | [`page`] | the statistics page |
//! | [`plan`] | the compiled configuration, immutable and shared |
//! | [`route`] | where requests go by their host and their client |
//! | [`retry`] | how many requests may be sent again |
//! | [`sticky`] | persistence: a client goes back to the server it had |
//! | [`table`] | what is remembered of clients |
//! | [`proxy_protocol`] | headers that say whose connection it really is |
//! | [`stats`] | what has happened, counted |
//! | [`tls`] | certificates, algorithms and trust, to clients and to servers |
//! | [`unreadable`] | messages that could not be read, kept for whoever looks for errors |
//!
//! Life of a request: accept → head parsed (`h1::head`, `h1::framing`) → frontend's rules and route → backend →
//! `balance` → `io::upstream` (connect, retry) → `h1::forward` → relay → one access record on every exit path.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod access_log;
pub mod balance;
pub mod bandwidth;
pub mod compress;
mod decimal;
pub mod endpoint;
pub mod h1;
pub mod h2;
pub mod health;
pub mod hello;
#[cfg(feature = "io")]
pub mod io;
pub mod list;
pub mod lua;
pub mod map;
pub mod metrics;
pub mod names;
pub mod pace;
pub mod page;
pub mod plan;
pub mod proxy_protocol;
pub mod retry;
pub mod route;
pub mod rules;
pub mod stats;
pub mod sticky;
pub mod table;
pub mod tls;
pub mod unreadable;
