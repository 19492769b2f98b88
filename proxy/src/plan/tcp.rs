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
    /// What one of version 2 says besides (HAProxy: `proxy-v2-options`).
    pub options: AnnounceOptions,
}

/// What a header of version 2 may say besides addresses, and the protocol agreed on by ALPN, which it always says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AnnounceOption {
    /// A checksum.
    Crc32c,
    /// The name the client asked for.
    Authority,
    /// Whether and how the client speaks TLS.
    Ssl,
    /// The common name in its certificate; this one and the next ones come with [`Self::Ssl`].
    CertCn,
    /// The kind of key in the certificate it was shown.
    CertKey,
    /// How that certificate is signed.
    CertSig,
    /// The cipher suite.
    SslCipher,
}

/// A set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnnounceOptions(u8);

impl AnnounceOptions {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The same and `option`, with what it comes with.
    #[must_use]
    pub const fn with(self, option: AnnounceOption) -> Self {
        let ssl = match option {
            AnnounceOption::Crc32c | AnnounceOption::Authority => 0,
            AnnounceOption::Ssl
            | AnnounceOption::CertCn
            | AnnounceOption::CertKey
            | AnnounceOption::CertSig
            | AnnounceOption::SslCipher => 1 << AnnounceOption::Ssl as u8,
        };
        Self(self.0 | ssl | 1 << option as u8)
    }

    /// Whether `option` is among them.
    pub const fn has(self, option: AnnounceOption) -> bool {
        self.0 & (1 << option as u8) != 0
    }
}
