//! HTTP/2 through the proxy, over real sockets on loopback: h2's client and raw frames before it, scripted servers
//! behind it.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "deadlines of tests are real time"))]

#[cfg(test)]
mod client;
#[cfg(test)]
#[path = "../http1/common.rs"]
#[expect(dead_code, reason = "the tests of HTTP/1.1 use all of it")]
mod common;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod slow;
#[cfg(test)]
#[path = "../http1/spellings.rs"]
mod spellings;
#[cfg(test)]
mod traffic;
