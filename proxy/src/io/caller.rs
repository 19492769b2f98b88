//! Whose connection it is: the client, and what it connected to.

use std::net::SocketAddr;

use super::stream::Stream;
use crate::plan::SendProxy;
use crate::proxy_protocol::{self, Announcement, Version};

/// A client as its connection, or the proxy it came through, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    /// The client.
    pub(super) source: SocketAddr,
    /// What it connected to; `None`: nobody has asked for it.
    pub(super) destination: Option<SocketAddr>,
}

impl Caller {
    /// The header that tells a server of this client.
    pub(super) fn announcement(self, how: SendProxy) -> Vec<u8> {
        let mut out = Vec::new();
        let source = self.source;
        match (how.version, self.destination) {
            (Version::V1, Some(destination)) => proxy_protocol::v1(&mut out, source, destination),
            (Version::V2, Some(destination)) => {
                let said = Announcement {
                    source,
                    destination,
                    alpn: None,
                    authority: None,
                    unique_id: None,
                    ssl: None,
                    crc32c: how.crc32c,
                };
                proxy_protocol::v2(&mut out, &said);
            }
            (version, None) => unknown(&mut out, version),
        }
        out
    }
}

/// The header of a connection of our own, which relays nobody's. As HAProxy does it: version 1 names the addresses of
/// the connection, because not every server takes `UNKNOWN`.
pub(super) fn of_our_own(version: Version, stream: &Stream) -> Vec<u8> {
    let mut out = Vec::new();
    match (version, stream.addresses()) {
        (Version::V1, Some((own, server))) => proxy_protocol::v1(&mut out, own, server),
        (version, _) => unknown(&mut out, version),
    }
    out
}

fn unknown(out: &mut Vec<u8>, version: Version) {
    match version {
        Version::V1 => out.extend_from_slice(b"PROXY UNKNOWN\r\n"),
        Version::V2 => proxy_protocol::local(out),
    }
}
