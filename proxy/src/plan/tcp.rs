//! What a plan says about connections below HTTP.

use std::time::Duration;

use crate::proxy_protocol::Version;
use crate::rules::{Count, Matcher};
use crate::table::TableId;

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

/// What is done with connections to a frontend, before anything of HTTP (HAProxy: `tcp-request`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRules {
    /// As soon as they are there: no byte has been read.
    pub connection: Vec<TcpRule>,
    /// Once it is known whose they are and there is a TLS session, if there is one.
    pub session: Vec<TcpRule>,
    /// Mode tcp: when their client has said something.
    pub content: Vec<TcpRule>,
    /// How long that is waited for (HAProxy: `tcp-request inspect-delay`).
    pub inspect_delay: Duration,
}

impl Default for TcpRules {
    fn default() -> Self {
        Self {
            connection: Vec::new(),
            session: Vec::new(),
            content: Vec::new(),
            inspect_delay: Duration::from_secs(5),
        }
    }
}

impl TcpRules {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &TcpRule> {
        self.connection.iter().chain(&self.session).chain(&self.content)
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.connection.is_empty() && self.session.is_empty() && self.content.is_empty()
    }
}

/// A rule for connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRule {
    /// Which connections.
    pub when: Matcher,
    /// What is done with them.
    pub action: TcpAction,
}

/// What is done with a connection. All but counting ends the asking at that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpAction {
    /// It goes on (`accept`).
    Accept,
    /// It is closed (`reject`).
    Reject,
    /// It is given up without a word (`silent-drop`).
    SilentDrop,
    /// It is counted.
    Count(Count),
}

impl TcpRule {
    /// The last of the tables that it counts in or asks for numbers.
    pub fn last_table(&self) -> Option<TableId> {
        let counts_in = match &self.action {
            TcpAction::Count(counting) => Some(counting.table()),
            TcpAction::Accept | TcpAction::Reject | TcpAction::SilentDrop => None,
        };
        counts_in.max(self.when.last_table())
    }

    /// Whether it looks at what the client has connected to, which has to be found out first.
    pub fn looks_at_destination(&self) -> bool {
        let of_action = match &self.action {
            TcpAction::Count(Count::Track(_, key)) => key.looks_at_destination(),
            TcpAction::Count(_) | TcpAction::Accept | TcpAction::Reject | TcpAction::SilentDrop => false,
        };
        of_action || self.when.looks_at_destination()
    }
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
