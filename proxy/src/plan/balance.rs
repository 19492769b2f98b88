//! How a backend chooses among its servers, and how much each of them takes.

use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use crate::rules::template::Template;

/// Balancing algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// Round robin in the order of HAProxy's static map.
    StaticRr,
    /// The server with the fewest requests for its weight; equals take turns.
    LeastConn,
    /// The first server of the file that is not full.
    First,
    /// Of so many servers drawn by weight, the one with the fewest requests for its weight.
    Random(NonZeroU16),
    /// The same server for the same key.
    Hash(HashBalance),
}

impl Balance {
    /// Whether it looks into a request, so that connections in TCP mode cannot be balanced by it.
    pub fn needs_http(&self) -> bool {
        match self {
            Self::Hash(hash) => !matches!(hash.key, HashKey::Source | HashKey::Value(HashValue::Source)),
            Self::RoundRobin | Self::StaticRr | Self::LeastConn | Self::First | Self::Random(_) => false,
        }
    }

    /// Whether what the client has connected to has to be found out for it.
    pub fn looks_at_destination(&self) -> bool {
        match self {
            Self::Hash(hash) => {
                matches!(&hash.key, HashKey::Text(text) if text.looks_at_destination())
            }
            Self::RoundRobin | Self::StaticRr | Self::LeastConn | Self::First | Self::Random(_) => false,
        }
    }

    /// Whether a server's weight can be anything between none and all of it, as a slow start needs.
    pub fn is_dynamic(&self) -> bool {
        match self {
            Self::RoundRobin | Self::LeastConn | Self::Random(_) => true,
            Self::StaticRr | Self::First => false,
            Self::Hash(hash) => hash.layout == HashLayout::Consistent,
        }
    }
}

/// Whether what one server has failed at may go to another one (HAProxy: `option redispatch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redispatch {
    /// It stays with its server.
    #[default]
    Never,
    /// With every so manieth retry.
    Every(NonZeroU8),
    /// With the so manieth retry from the end; 1 is the last one.
    FromEnd(NonZeroU8),
}

impl Redispatch {
    /// With the last retry.
    pub const LAST: Self = Self::FromEnd(NonZeroU8::MIN);

    /// Whether it may go to another server at all.
    pub fn is_on(self) -> bool {
        self != Self::Never
    }

    /// Whether a request that wants one server in particular leaves it with its `made`-th of `retries` retries. Counted
    /// from the end, it is every retry whose number can be divided by that of the first such one, as in HAProxy.
    pub fn is_due(self, made: u8, retries: u8) -> bool {
        let every = match self {
            Self::Never => return false,
            Self::Every(n) => n.get(),
            Self::FromEnd(n) => retries.saturating_add(1).saturating_sub(n.get()).max(1),
        };
        made.is_multiple_of(every)
    }
}

/// How a key leads to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashBalance {
    /// What of the request is the key. A request that has none of it goes round robin.
    pub key: HashKey,
    /// Where hashes lead.
    pub layout: HashLayout,
    /// How the key is hashed; a source address has its own way.
    pub function: HashFunction,
    /// Mix the hash once more.
    pub avalanche: bool,
    /// With [`HashLayout::Consistent`]: no server gets more than this percentage of the average load, over 100.
    pub factor: Option<NonZeroU16>,
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address, by HAProxy's `balance source`: its words combined by exclusive or.
    Source,
    /// The request target, or some of it.
    Uri(UriKey),
    /// The first value of a request field.
    Header {
        /// Name of the field.
        name: String,
        /// Only the label before the last dot, as `example` of `www.example.com`.
        domain_only: bool,
    },
    /// The value of a parameter of the query.
    UrlParam(String),
    /// The value of a cookie.
    Cookie(String),
    /// A value by name.
    Value(HashValue),
    /// Whatever of the request is filled into a text.
    Text(Template),
}

/// Which part of the request target is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UriKey {
    /// With the query.
    pub whole: bool,
    /// So many bytes at most.
    pub length: Option<NonZeroU16>,
    /// Up to the slash after so many directories, the first slash not counted.
    pub depth: Option<NonZeroU16>,
    /// Without scheme and authority, if the client sent any.
    pub path_only: bool,
}

/// A value that every request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashValue {
    /// The client's address, its bytes hashed.
    Source,
    /// The host asked for, in lower case, without port.
    Host,
    /// The path without the query.
    Path,
    /// The path with the query.
    PathAndQuery,
    /// The host and the path without the query.
    Base,
}

/// Where hashes lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashLayout {
    /// Into a table of turns. Even, but nearly every key moves when a server comes or goes.
    MapBased,
    /// Onto a ring, to the closest point of a server. Less even; only the keys of that server move.
    Consistent,
}

/// How a key is hashed. HAProxy's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashFunction {
    /// Of the sdbm data base.
    Sdbm,
    /// Bernstein's, with 33.
    Djb2,
    /// Rotations; evened out on bytes below 128.
    Wt6,
    /// CRC-32 of Ethernet.
    Crc32,
    /// The key is a decimal number.
    None,
}

/// How much one server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLimits {
    /// Requests at once; more wait. `None`: no limit.
    pub maxconn: Option<u32>,
    /// Requests at once while the backend is idle: the limit grows with the backend's load, up to `maxconn` when the
    /// backend has [`super::Backend::fullconn`] requests. `None`: always `maxconn`.
    pub minconn: Option<u32>,
    /// Requests that may wait for this server in particular. `None`: no limit of its own; they are bounded by the
    /// connections of clients.
    pub maxqueue: Option<u32>,
    /// How long weight and `maxconn` take to grow to their full size after the server came back.
    pub slowstart: Option<Duration>,
}
