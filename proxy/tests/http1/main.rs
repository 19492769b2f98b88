//! HTTP/1.1 through the proxy, over real sockets on loopback: scripted servers behind it, raw clients before it.
#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "deadlines of tests are real time"))]

#[cfg(test)]
mod aborts;
#[cfg(test)]
mod algorithms;
#[cfg(test)]
mod bandwidth;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod common;
#[cfg(test)]
mod compression;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod lua;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod redispatch;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod slow;
#[cfg(test)]
mod spellings;
#[cfg(test)]
mod tables;
mod traffic;
#[cfg(test)]
mod tunnels;
mod waiting;
