//! What the configuration says about servers that have a name instead of an address.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;

/// Position of a [`Resolvers`] in [`crate::plan::Plan::resolvers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolversId(pub u16);

/// A server's name, its port, and whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The host or the service (`_http._tcp.example.com`), fully qualified.
    pub host: Arc<str>,
    /// The port; names of hosts have none. `None`: a service, whose records say the ports (RFC 2782).
    pub port: Option<u16>,
    /// Whom to ask.
    pub resolvers: ResolversId,
    /// Which family is taken if the name has addresses of both.
    pub prefer: Prefer,
    /// Where it is until its name has been looked up: the first of these that says anything.
    pub init: Arc<[InitAddr]>,
}

/// Where a server is at first (HAProxy: `init-addr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitAddr {
    /// Where it was in an earlier life.
    Last,
    /// There.
    Ip(IpAddr),
    /// Nowhere.
    None,
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
    /// Longest answer that is taken over UDP (`accepted_payload_size`).
    pub payload_bytes: u16,
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
    /// The record of the service is gone that the server was of.
    Removed,
}

impl Name {
    /// Where a server of this name is at first, if `last` is where it was in an earlier life.
    pub fn begins_at(&self, last: Option<Endpoint>) -> Option<Endpoint> {
        // With another port it is another server.
        let is_same = |at: &Endpoint| self.port.is_none() || at.ip().map(|at| at.port()) == self.port;
        let last = last.filter(is_same);
        for how in self.init.iter() {
            match *how {
                InitAddr::Last if last.is_some() => return last,
                InitAddr::Last => {}
                InitAddr::Ip(ip) => return self.port.map(|port| SocketAddr::new(ip, port).into()),
                InitAddr::None => return None,
            }
        }
        None
    }

    /// Whether servers of the two names share what is found.
    pub fn shares_with(&self, other: &Self) -> bool {
        (&self.host, self.port, self.resolvers, self.prefer)
            == (&other.host, other.port, other.resolvers, other.prefer)
    }
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
            Unresolved::NoneLeft | Unresolved::Removed => self.obsolete,
        }
    }
}

impl Unresolved {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Nx, Self::Timeout, Self::Refused, Self::Other, Self::NoneLeft, Self::Removed];

    /// HAProxy's words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nx => "DNS NX status",
            Self::Timeout => "DNS timeout status",
            Self::Refused => "DNS refused status",
            Self::Other => "unspecified DNS error",
            Self::NoneLeft => "No IP for server",
            Self::Removed => "entry removed from SRV record",
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
