//! The PROXY protocol, versions 1 and 2: a header at the begin of a connection that says whose connection it really is.
//!
//! Specified by HAProxy's `doc/proxy-protocol.txt`; sections are of that. Whoever accepts a header from anybody lets
//! anybody choose an address, so it is only looked for in connections from sources that are trusted.

mod read;
mod tlv;
mod write;

use std::net::SocketAddr;

pub use read::{HeaderError, MOST_BYTES, parse};
pub use tlv::{Tlv, Tlvs, kind};
pub use write::{Announcement, MOST_VALUE_BYTES, Secured, Shown, Ssl, local, v1, v2};

/// A header that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its bytes; after them the connection's own begin.
    pub len: usize,
    /// Its form.
    pub version: Version,
    /// Whose connection it is.
    pub origin: Origin,
    /// What else is said of it: version 2 only.
    pub tlvs: Tlvs<'a>,
}

/// Forms of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nothing is said: the sender speaks for itself, does not know, or names something that is no TCP connection. The
    /// addresses of the connection hold.
    Own,
    /// A client's, that the sender relays.
    Relayed {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
}

/// §2.2: how version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

#[cfg(test)]
mod tests;
