//! What a plan says about connections below HTTP.

use crate::proxy_protocol::Version;

/// The protocol of a frontend or backend (HAProxy: `mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// HTTP: requests are read and forwarded one by one.
    #[default]
    Http,
    /// Any protocol over TCP: the bytes of a connection are passed on as they are.
    Tcp,
}

impl Mode {
    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

/// How a server is told whose connection it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendProxy {
    /// Form of the header.
    pub version: Version,
    /// With a checksum: version 2 only.
    pub crc32c: bool,
}
