//! HTTP/1.1 as bytes: heads, framing and connection semantics, with no socket in sight.
//!
//! | module | what it decides |
//! |---|---|
//! | [`head`] | where the parts of a message head are, and whether the head is one |
//! | [`field`] | which field names matter to a proxy |
//! | [`target`] | the form of a request target, and what a `Host` may be |
//! | [`framing`] | where a message ends |
//! | [`chunked`] | the same, chunk by chunk |
//! | [`body`] | how far through its content a message is |
//! | [`conn`] | what `Connection`, `Expect`, `TE` and `Upgrade` ask for |
//! | [`forward`] | the head that goes on to the other side |
//! | [`answer`] | whole messages of the proxy's own |
//! | [`reject`] | what the proxy says when it refuses or fails |
//! | [`fault`] | where a head that is refused goes wrong |
//!
//! The rules are those of RFC 9110 and RFC 9112 taken to the letter: what the RFC lets a recipient repair and what
//! parsers are known to read differently is refused, because a proxy that repairs a message vouches for its repair.

pub mod answer;
pub mod body;
pub mod chunked;
mod class;
pub mod conn;
pub mod fault;
pub mod field;
pub mod forward;
pub mod framing;
pub mod head;
pub mod reject;
pub mod target;
