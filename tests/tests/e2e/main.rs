//! End-to-end tests: the built binary in network namespaces, with real sockets, real netlink and real traffic.
//!
//! They take root, `ip`, `bridge`, `setpriv`, and for some of them Debian's Keepalived and HAProxy. `./tests/run` sees
//! to all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; the message is the result"
)]

mod agents;
mod announce;
mod cables;
mod checks;
mod compression;
mod dialects;
mod difference;
mod edits;
mod explain;
mod failures;
mod grpc;
mod harness;
mod hostile;
mod http2;
mod interop;
mod limits;
mod logs;
mod long_lived;
mod lua;
mod main_job;
mod monitoring;
mod names;
mod operators;
mod page;
mod pair;
mod reload;
mod rules;
mod sight;
mod site;
mod soak;
mod startup;
mod starvation;
mod takeover;
mod tls;
mod tracks;
mod tutorial;
mod upgrade;
