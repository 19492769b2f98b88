//! HTTP/2 as far as it is not the framing itself: between header blocks and HTTP/1.1 heads, and what a peer may do.
//!
//! Every stream is forwarded by the HTTP/1.1 path, so what a request may say is decided in one place whatever it came
//! in. Here header blocks become the bytes of a head and back. Nothing is repaired on the way: what HTTP/2 forbids
//! (RFC 9113 §8.2, §8.3) is refused here, and what is ambiguous is written so that the HTTP/1.1 rules see it and refuse.
//!
//! | module | what it does |
//! |---|---|
//! | [`request`] | a client's header block to the head of a request, and a head to a server's header block |
//! | [`response`] | a head to a client's header block, and a server's header block to a head |
//! | [`dechunk`] | content and trailers out of the chunks the HTTP/1.1 path writes |
//! | [`preface`] | what a connection in clear text begins with |
//! | [`websocket`] | the handshake of a WebSocket for a side that has none |
//! | [`frames`] | where frames begin in a stream of bytes |
//! | [`budget`] | how much a peer may do that nobody asked it for |

pub mod budget;
pub mod dechunk;
mod fields;
pub mod frames;
pub mod preface;
pub mod request;
pub mod response;
pub mod websocket;

/// A message that breaks the rules of HTTP/2 (RFC 9113 §8.1.1): its stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field of one HTTP/1 hop (RFC 9113 §8.2.2).
    #[error("connection-specific field")]
    ConnectionField,
    /// A value that starts or ends with a blank (RFC 9113 §8.2.1), or a name or value no field may have.
    #[error("malformed field")]
    Field,
    /// The stream has ended, and its content is not as long as it was said to be (RFC 9113 §8.1.1).
    #[error("content shorter than its length")]
    Length,
    /// Not a head.
    #[error("malformed head")]
    Head,
}

/// What follows a head, as HTTP/1.1 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    None,
    /// The content as it is: the head says how long it is.
    Length,
    /// Chunks, made of what comes.
    Chunks,
    /// Another protocol, as it is (RFC 8441).
    Tunnel,
}
