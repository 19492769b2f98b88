//! What is known of a request when it is over.

use std::net::SocketAddr;
use std::time::Duration;

use super::capture::Kept;
use super::date::UnixMillis;
use crate::tls::SessionFacts;

/// Everything an access line can show. Borrowed: it lives only while the line is written.
#[derive(Debug, Clone)]
pub struct AccessRecord<'a> {
    /// Who asked.
    pub client: SocketAddr,
    /// When the first byte of the request came; without a request, when the connection was accepted.
    pub time: UnixMillis,
    /// Frontend's name. As all names in a plan, it needs no escapes in a line.
    pub frontend: &'a str,
    /// The TLS session of the client's connection, if it had one.
    pub tls: Option<&'a SessionFacts>,
    /// Backend's name; the frontend's if no backend was chosen.
    pub backend: &'a str,
    /// Who answered.
    pub server: ServerName<'a>,
    /// How long each step took.
    pub timers: Timers,
    /// Status sent to the client; `None`: nothing was sent.
    pub status: Option<u16>,
    /// Bytes sent to the client, head included.
    pub bytes_out: u64,
    /// Bytes read from the client, head included.
    pub bytes_in: u64,
    /// Who ended it, and when.
    pub termination: Termination,
    /// Connections at the end, this one included.
    pub counts: ConnectionCounts,
    /// Connection attempts after the first.
    pub retries: u8,
    /// The last attempt went to another server than the first.
    pub redispatched: bool,
    /// Places of this one in the queues.
    pub queue: QueuePositions,
    /// The request line.
    pub request: RequestLine<'a>,
    /// What was kept of both heads.
    pub kept: &'a Kept,
    /// What only line formats of an operator show; `None`: nobody asks.
    pub details: Option<&'a Details>,
}

/// What built-in formats do not show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// When the wait for the request began: its connection was accepted, or the request before it had ended (`%t`).
    pub accepted: UnixMillis,
    /// How long the handshakes of the connection took, if this is its first request (`%Th`).
    pub handshake: Duration,
    /// How long the first byte of the request was waited for (`%Ti`).
    pub idle: Duration,
    /// From the end of the response head, in mode tcp from the connection to the server, to the end (`%Td`).
    pub data: Option<Duration>,
    /// What the client has connected to (`%fi:%fp`).
    pub frontend: Option<SocketAddr>,
    /// Where the connection to the server comes from (`%bi:%bp`).
    pub source: Option<SocketAddr>,
    /// Where it leads (`%si:%sp`).
    pub server: Option<SocketAddr>,
    /// The number of the request in this process (`%rt`).
    pub number: u32,
    /// A number that nobody has used before.
    pub random: u128,
}

/// Who answered a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerName<'a> {
    /// A server, or the last one that was tried.
    Server(&'a str),
    /// None was chosen. HAProxy's `<NOSRV>`.
    None,
    /// The statistics page. HAProxy's `<STATS>`.
    Stats,
}

/// Durations of the steps of a request. `None`: the step was not reached or did not end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timers {
    /// First byte to the end of the head (HAProxy `%TR`).
    pub request: Option<Duration>,
    /// Waiting for a free server (`%Tw`).
    pub queue: Option<Duration>,
    /// Connecting, retries included (`%Tc`); zero over a reused connection.
    pub connect: Option<Duration>,
    /// Connected to the end of the response head (`%Tr`).
    pub response: Option<Duration>,
    /// First byte of the request to the last of the response (`%Ta`).
    pub active: Duration,
}

/// How a request ended (HAProxy's `%tsc`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Termination {
    /// Who ended it.
    pub cause: Cause,
    /// What was going on.
    pub phase: Phase,
    /// What the client's persistence cookie was worth.
    pub cookie: Cookie,
    /// What was done to the server's persistence cookie.
    pub action: CookieAction,
}

/// Who or what ended a request. The letters are HAProxy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nobody: it ran to its end.
    #[default]
    Normal,
    /// The client closed.
    Client,
    /// The server closed or refused.
    Server,
    /// The proxy, by a rule or because of a protocol violation.
    Proxy,
    /// A resource of the proxy ran out.
    Resource,
    /// The proxy found itself in error.
    Internal,
    /// The server was seen to go down.
    Down,
    /// The proxy answered by itself as asked: a redirect, a fixed answer, the statistics page.
    Local,
    /// A server of higher rank came back up.
    Up,
    /// An operator.
    Killed,
    /// The client was too slow.
    ClientTimeout,
    /// The client sent or took something now and then, but less than it has to. The letter is not HAProxy's.
    ClientRate,
    /// The server was too slow.
    ServerTimeout,
}

/// What was going on when a request ended. The letters are HAProxy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was left to do.
    #[default]
    Normal,
    /// Waiting for the request's head.
    Request,
    /// Waiting for a free server.
    Queue,
    /// Connecting to the server.
    Connect,
    /// Waiting for the response's head.
    Headers,
    /// Transferring data.
    Data,
    /// Sending the last bytes to the client after the server had finished.
    Last,
    /// Holding the client in a tarpit.
    Tarpit,
}

/// What the client's persistence cookie was worth. The letters are HAProxy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cookie {
    /// Persistence does not apply.
    #[default]
    NotApplicable,
    /// The client sent none.
    None,
    /// It names no known server.
    Invalid,
    /// It names a server that is down.
    Down,
    /// It was followed.
    Valid,
    /// It is older than the idle limit.
    Expired,
    /// It is older than the absolute limit.
    Old,
    /// It was there and not used.
    Unused,
}

/// What was done to the server's persistence cookie. The letters are HAProxy's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CookieAction {
    /// Persistence does not apply.
    #[default]
    NotApplicable,
    /// Nothing, and the server set none.
    None,
    /// One was inserted.
    Inserted,
    /// One was updated.
    Updated,
    /// The server's was passed on.
    Passive,
    /// The server's was rewritten.
    Rewritten,
    /// The server's was removed.
    Deleted,
}

/// Connections present when the record was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// In the process (`%ac`).
    pub process: u32,
    /// In the frontend (`%fc`).
    pub frontend: u32,
    /// In the backend (`%bc`).
    pub backend: u32,
    /// With the server (`%sc`).
    pub server: u32,
}

/// How many requests were served from the queues while this one waited there, itself included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueuePositions {
    /// Queue of the server (`%sq`).
    pub server: u32,
    /// Queue of the backend (`%bq`).
    pub backend: u32,
}

/// The request line as the client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestLine<'a> {
    /// The connection was not HTTP: there are no requests.
    None,
    /// There was none that could be read. HAProxy's `<BADREQ>`.
    Bad,
    /// A readable one.
    Line {
        /// Method.
        method: &'a [u8],
        /// Target, as sent.
        target: &'a [u8],
        /// Version, such as `HTTP/1.1`.
        version: &'a [u8],
    },
}

impl Cause {
    /// HAProxy's letter.
    pub fn letter(self) -> u8 {
        match self {
            Self::Normal => b'-',
            Self::Client => b'C',
            Self::Server => b'S',
            Self::Proxy => b'P',
            Self::Resource => b'R',
            Self::Internal => b'I',
            Self::Down => b'D',
            Self::Local => b'L',
            Self::Up => b'U',
            Self::Killed => b'K',
            Self::ClientTimeout => b'c',
            Self::ClientRate => b'r',
            Self::ServerTimeout => b's',
        }
    }
}

impl Phase {
    /// HAProxy's letter.
    pub fn letter(self) -> u8 {
        match self {
            Self::Normal => b'-',
            Self::Request => b'R',
            Self::Queue => b'Q',
            Self::Connect => b'C',
            Self::Headers => b'H',
            Self::Data => b'D',
            Self::Last => b'L',
            Self::Tarpit => b'T',
        }
    }
}

impl Cookie {
    /// HAProxy's letter.
    pub fn letter(self) -> u8 {
        match self {
            Self::NotApplicable => b'-',
            Self::None => b'N',
            Self::Invalid => b'I',
            Self::Down => b'D',
            Self::Valid => b'V',
            Self::Expired => b'E',
            Self::Old => b'O',
            Self::Unused => b'U',
        }
    }
}

impl CookieAction {
    /// HAProxy's letter.
    pub fn letter(self) -> u8 {
        match self {
            Self::NotApplicable => b'-',
            Self::None => b'N',
            Self::Inserted => b'I',
            Self::Updated => b'U',
            Self::Passive => b'P',
            Self::Rewritten => b'R',
            Self::Deleted => b'D',
        }
    }
}

impl Termination {
    /// An ending without persistence cookies.
    pub fn new(cause: Cause, phase: Phase) -> Self {
        Self { cause, phase, ..Self::default() }
    }

    /// The four letters.
    pub fn letters(self) -> [u8; 4] {
        [self.cause.letter(), self.phase.letter(), self.cookie.letter(), self.action.letter()]
    }
}
