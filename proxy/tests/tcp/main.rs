//! Mode tcp through the proxy, over real sockets on loopback: scripted servers behind it, raw clients before it.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "deadlines of tests are real time"))]

#[cfg(test)]
mod bulk;
#[cfg(test)]
#[path = "../http1/common.rs"]
#[allow(dead_code, reason = "shared with the tests of HTTP, which use the rest")]
mod common;
#[cfg(test)]
mod content;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod proxy_protocol;
#[cfg(test)]
mod sni;
