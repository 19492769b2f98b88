//! What the configuration says about servers that have a name instead of an address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Position of a [`Resolvers`] in [`crate::plan::Plan::resolvers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolversId(pub u16);

/// A server's name, its port, and whom to ask.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The host, fully qualified.
    pub host: Arc<str>,
    /// The port; names have none.
    pub port: u16,
    /// Whom to ask.
    pub resolvers: ResolversId,
    /// Which family is taken if the name has addresses of both.
    pub prefer: Prefer,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Prefer {
    /// IPv4.
    V4,
    /// IPv6: HAProxy's default.
    #[default]
    V6,
}

/// Name servers that are asked alike (HAProxy: `resolvers`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolvers {
    /// Its name.
    pub name: String,
    /// Where they are.
    pub nameservers: Vec<SocketAddr>,
    /// How long answers hold.
    pub hold: Hold,
    /// How often a question is asked again without an answer (`resolve_retries`).
    pub retries: u16,
    /// How long an answer is waited for (`timeout.retry`).
    pub answer_within: Duration,
    /// Shortest time from one lookup of a name to the next (`timeout.resolve`).
    pub every: Duration,
}

/// How long what was found out holds (HAProxy: `hold`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Longest time before a name that was found is looked up again; the answer may say less.
    pub valid: Duration,
    /// How long a server keeps an address that answers have no more.
    pub obsolete: Duration,
    /// How long servers keep their addresses when the name is said not to exist.
    pub nx: Duration,
    /// The same when nobody answers.
    pub timeout: Duration,
    /// The same when the question is refused.
    pub refused: Duration,
    /// The same when anything else is wrong.
    pub other: Duration,
}

/// Why a server has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unresolved {
    /// The name does not exist.
    Nx,
    /// Nobody answered.
    Timeout,
    /// The question was refused.
    Refused,
    /// Anything else: a broken answer, or one without addresses.
    Other,
    /// The name has fewer addresses than there are servers of that name.
    NoneLeft,
}

impl Prefer {
    /// Whether an address is of that family.
    pub fn is(self, ip: IpAddr) -> bool {
        matches!((self, ip), (Self::V4, IpAddr::V4(_)) | (Self::V6, IpAddr::V6(_)))
    }
}

/// HAProxy's defaults.
impl Default for Hold {
    fn default() -> Self {
        let usual = Duration::from_secs(30);
        Self {
            valid: Duration::from_secs(10),
            obsolete: Duration::ZERO,
            nx: usual,
            timeout: usual,
            refused: usual,
            other: usual,
        }
    }
}

impl Hold {
    /// How long servers keep their addresses when lookups fail in that way.
    pub fn of(&self, why: Unresolved) -> Duration {
        match why {
            Unresolved::Nx => self.nx,
            Unresolved::Timeout => self.timeout,
            Unresolved::Refused => self.refused,
            Unresolved::Other => self.other,
            Unresolved::NoneLeft => self.obsolete,
        }
    }
}

impl Unresolved {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Nx, Self::Timeout, Self::Refused, Self::Other, Self::NoneLeft];

    /// HAProxy's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nx => "DNS NX status",
            Self::Timeout => "DNS timeout status",
            Self::Refused => "DNS refused status",
            Self::Other => "unspecified DNS error",
            Self::NoneLeft => "No IP for server",
        }
    }

    /// The one that these words mean.
    pub fn named(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|u| u.as_str() == words)
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
