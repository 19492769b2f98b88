//! What a plan says about connections below HTTP.

use std::time::Duration;

use super::BackendId;
use crate::hello::{ClientHello, HelloMatch};
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

/// Where connections go by the ClientHello that they begin with (HAProxy: `use_backend` with `req.ssl_sni`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloRouting {
    /// How long a hello is waited for (HAProxy: `tcp-request inspect-delay`).
    pub inspect_delay: Duration,
    /// The first that matches decides; if none does, or there is no hello, the frontend's default backend.
    pub routes: Vec<HelloRoute>,
}

impl HelloRouting {
    /// Where this one goes.
    pub fn backend(&self, hello: &ClientHello) -> Option<BackendId> {
        self.routes.iter().find(|r| r.when.matches(hello)).map(|r| r.backend)
    }
}

/// One way that connections go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloRoute {
    /// Which ones.
    pub when: HelloMatch,
    /// Where to.
    pub backend: BackendId,
}

/// How a server is told whose connection it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendProxy {
    /// Form of the header.
    pub version: Version,
    /// With a checksum: version 2 only.
    pub crc32c: bool,
}
