//! How servers are checked: when, where, and by which steps.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::ServerProtocol;
use crate::endpoint::Endpoint;
use crate::tls::Connector;

/// How a server is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConfig {
    /// Between checks.
    pub inter: Duration,
    /// Between checks while going up or down; `None`: `inter`.
    pub fastinter: Option<Duration>,
    /// Between checks while down; `None`: `inter`.
    pub downinter: Option<Duration>,
    /// Of one whole check; `None`: `inter`. Connecting takes no longer than `inter` and the backend's connect timeout.
    pub timeout: Option<Duration>,
    /// Consecutive failures that take an up server down, at least 1.
    pub fall: u16,
    /// Consecutive successes that bring a down server up, at least 1.
    pub rise: u16,
    /// Address to check; `None`: the server's.
    pub addr: Option<IpAddr>,
    /// Port to check; `None`: the server's.
    pub port: Option<u16>,
    /// How a connection of the check speaks TLS, if it is to; `None`: none does.
    pub tls: Option<CheckTls>,
    /// What the server is before its first check.
    pub init: InitState,
    /// How much the time between checks varies, in percent of it.
    pub spread_percent: u8,
    /// What is done. Servers of one backend share it.
    pub script: Arc<Script>,
    /// What is particular about its HTTP requests.
    pub http: HttpManner,
}

/// What is particular about the HTTP requests of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HttpManner {
    /// A server that is up says by a 404 that it wants no new work (HAProxy: `http-check disable-on-404`).
    pub disable_on_404: bool,
    /// They tell the server what is known of it (HAProxy: `http-check send-state`).
    pub send_state: bool,
    /// What they are made in (HAProxy: `check-proto`); `None`: what was agreed on inside TLS, else HTTP/1.
    pub protocol: Option<ServerProtocol>,
}

/// How checks speak TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTls {
    /// How it is spoken.
    pub connector: Arc<Connector>,
    /// How connections speak it that say another hello than that.
    pub others: Vec<(CheckHello, Arc<Connector>)>,
    /// Connections that do not say otherwise speak it. One to another address or port does not.
    pub everywhere: bool,
}

/// What a connection of a check asks a server for in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckHello {
    /// The name; `None`: as the check does.
    pub sni: Option<String>,
    /// Protocols, best first; `None`: as the check does.
    pub alpn: Option<Vec<Vec<u8>>>,
}

/// What a server is before its first check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitState {
    /// Up; it takes as many failures as ever to take it down.
    FullyUp,
    /// Up; one failure takes it down.
    #[default]
    Up,
    /// Down; one success brings it up.
    Down,
    /// Down; it takes as many successes as ever to bring it up.
    FullyDown,
}

impl CheckConfig {
    /// Where the checks of a server go that is at `server`. `None`: nobody knows where that is.
    pub fn target(&self, server: Option<&Endpoint>) -> Option<Endpoint> {
        elsewhere(server, self.addr, self.port)
    }

    /// How a connection of the check speaks TLS. `None`: not at all.
    pub fn connector(&self, connection: &Connect) -> Option<&Connector> {
        let tls = self.tls.as_ref()?;
        let by_default = tls.everywhere && connection.addr.is_none() && connection.port.is_none();
        if !connection.tls.unwrap_or(by_default) {
            return None;
        }
        match &connection.hello {
            None => Some(&tls.connector),
            Some(hello) => tls.others.iter().find(|(of, _)| of == hello).map(|(_, connector)| &**connector),
        }
    }
}

impl Connect {
    /// What HTTP requests are made in on the connection; `agreed`: HTTP/2 has been agreed on inside TLS.
    pub fn speaks(&self, config: &CheckConfig, agreed: bool) -> ServerProtocol {
        let is_elsewhere = self.addr.is_some() || self.port.is_some() || self.hello.is_some();
        let of_check = config.http.protocol.filter(|_| !is_elsewhere);
        let agreed = if agreed { ServerProtocol::Http2 } else { ServerProtocol::Http1 };
        self.protocol.or(of_check).unwrap_or(agreed)
    }

    /// Where the step connects in a check of `target`.
    pub fn target(&self, target: &Endpoint) -> Endpoint {
        elsewhere(Some(target), self.addr, self.port).unwrap_or_else(|| target.clone())
    }
}

/// `at` with another address or port. A Unix socket has neither: of it, only both together make another place.
fn elsewhere(at: Option<&Endpoint>, ip: Option<IpAddr>, port: Option<u16>) -> Option<Endpoint> {
    let own = at.and_then(Endpoint::ip);
    let ip = ip.or_else(|| own.map(|a| a.ip()));
    match (ip, port.or_else(|| own.map(|a| a.port()))) {
        (Some(ip), Some(port)) if own != Some(SocketAddr::new(ip, port)) => {
            Some(SocketAddr::new(ip, port).into())
        }
        _ => at.cloned(),
    }
}

/// What a check does: steps in order. Without any it connects and closes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The steps. A script that does not begin with [`Action::Connect`] connects by itself first.
    pub steps: Vec<Step>,
}

impl Script {
    /// A script of these actions, numbered in order.
    pub fn of(actions: impl IntoIterator<Item = Action>) -> Self {
        let step = |(number, action)| Step { number, comment: None, action };
        Self { steps: (1..).zip(actions).map(step).collect() }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its position in the configuration, counted from 1: what messages name it by.
    pub number: u16,
    /// The operator's remark, told when the step fails.
    pub comment: Option<String>,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Opens a connection, after closing the one there is.
    Connect(Connect),
    /// Sends bytes. What was received before is forgotten.
    Send(Vec<u8>),
    /// Looks at what has been received since the last [`Self::Send`].
    Expect(ByteExpect),
    /// Sends a request and judges the response.
    Http(HttpCheck),
    /// Speaks a protocol on a fresh connection.
    Protocol(Protocol),
}

/// Where and how a step connects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    /// Address; `None`: the one that is checked.
    pub addr: Option<IpAddr>,
    /// Port; `None`: the one that is checked.
    pub port: Option<u16>,
    /// Close in the usual way instead of by a reset. Leaves a port in TIME_WAIT, and no complaint in the server's log.
    pub linger: bool,
    /// Whether it speaks TLS; `None`: as the check does.
    pub tls: Option<bool>,
    /// What it asks for then; `None`: what the check does.
    pub hello: Option<CheckHello>,
    /// What HTTP requests on it are made in; `None`: as the check does, if it goes where that goes.
    pub protocol: Option<ServerProtocol>,
}

/// What must have been received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteExpect {
    /// What is looked for.
    pub wanted: ByteMatch,
    /// It must not be there.
    pub negate: bool,
    /// With fewer bytes nothing is decided; with as many an absence is. `None`: an absence is decided by the end of
    /// the connection, a full buffer, or the timeout.
    pub min_recv: Option<usize>,
    /// What the check says for itself.
    pub says: Says,
}

/// What is looked for in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByteMatch {
    /// The bytes stand somewhere.
    Contains(Vec<u8>),
    /// Likewise; written as hexadecimal digits by the operator.
    Binary(Vec<u8>),
    /// The pattern matches somewhere.
    Regex(Pattern),
    /// The pattern matches the bytes written as upper-case hexadecimal digits.
    BinaryRegex(Pattern),
}

/// What an expectation reports instead of the usual.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Says {
    /// Remark when it is met.
    pub on_success: Option<String>,
    /// Remark when it is not.
    pub on_error: Option<String>,
    /// Outcome of a check that ends with this expectation met.
    pub ok_status: Option<OkStatus>,
    /// Outcome when it is not met.
    pub error_status: Option<ErrorStatus>,
    /// Outcome when time runs out over it.
    pub tout_status: Option<TimeoutStatus>,
}

/// Outcomes of an expectation that is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OkStatus {
    /// `L7OK`.
    L7Ok,
    /// `L7OKC`: the server wants no new work.
    L7OkConditional,
    /// `L6OK`.
    L6Ok,
    /// `L4OK`.
    L4Ok,
}

/// Outcomes of an expectation that is not met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorStatus {
    /// `L7OKC`: no failure, but the server wants no new work.
    L7OkConditional,
    /// `L7RSP`.
    L7Response,
    /// `L7STS`.
    L7Status,
    /// `L6RSP`.
    L6Response,
    /// `L4CON`.
    L4Connection,
}

/// Outcomes of an expectation over which time runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutStatus {
    /// `L7TOUT`.
    L7Timeout,
    /// `L6TOUT`.
    L6Timeout,
    /// `L4TOUT`.
    L4Timeout,
}

/// An HTTP check: what is sent and what is expected (HAProxy: `option httpchk`, `http-check send`, `http-check expect`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// Method.
    pub method: String,
    /// Request target.
    pub uri: String,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: HttpVersion,
    /// Fields, in order. With HTTP/1.1 a `Connection: close` is added.
    pub headers: Vec<(String, String)>,
    /// Body to send; empty: none.
    pub body: Vec<u8>,
    /// Expectations, all of which must hold, in order. Empty: any 2xx or 3xx.
    pub expect: Vec<HttpExpect>,
}

/// HTTP version of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0.
    V1_0,
    /// HTTP/1.1.
    V1_1,
}

/// One expectation of an HTTP check, with its place among the steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpExpect {
    /// What must hold.
    pub wanted: Expect,
    /// What the check says for itself.
    pub says: Says,
    /// The operator's remark, told when the expectation fails.
    pub comment: Option<String>,
}

impl From<Expect> for HttpExpect {
    fn from(wanted: Expect) -> Self {
        Self { wanted, says: Says::default(), comment: None }
    }
}

/// What an HTTP response must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// The status is in one of the ranges.
    Status(Vec<RangeInclusive<u16>>),
    /// The pattern matches the status's three digits.
    StatusRegex(Pattern),
    /// The body contains the bytes (first 16 KiB).
    String(Vec<u8>),
    /// The pattern matches in the body (first 16 KiB).
    Regex(Pattern),
    /// A field is there.
    Header(HeaderExpect),
    /// The inner expectation does not hold.
    Not(Box<Self>),
}

/// A field that a response must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderExpect {
    /// Its name, without regard to case.
    pub name: TextMatch,
    /// Its value; `None`: any.
    pub value: Option<TextMatch>,
    /// The value is taken whole; else each part of a comma-separated list is a value.
    pub full: bool,
}

/// How a text is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// It is this.
    Exact(String),
    /// It begins so.
    Begins(String),
    /// It ends so.
    Ends(String),
    /// This is in it.
    Contains(String),
    /// The pattern matches.
    Regex(Pattern),
}

/// Protocols that checks know how to speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// MySQL and MariaDB.
    Mysql(MysqlCheck),
    /// `PING`, to be answered by `+PONG`.
    Redis,
    /// PostgreSQL.
    Pgsql {
        /// User in the startup message.
        user: String,
    },
    /// SMTP.
    Smtp {
        /// Greeting command with its domain: `EHLO mail.example.com`.
        hello: String,
    },
    /// LDAPv3: an anonymous bind.
    Ldap,
    /// An agent: one line, which the monitor takes apart.
    Agent {
        /// What it is told first; empty: nothing.
        send: Vec<u8>,
    },
    /// A TLS ClientHello that is answered.
    SslHello {
        /// Name in the hello; `None`: none.
        sni: Option<String>,
    },
}

/// A MySQL check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlCheck {
    /// User that logs in, without a password; `None`: the server's greeting is all that is looked at.
    pub user: Option<String>,
    /// Form of the login; `None`: the newest that the greeting offers.
    pub login: Option<MysqlLogin>,
}

/// Forms of a MySQL login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MysqlLogin {
    /// Before MySQL 4.1.
    Pre41,
    /// Since MySQL 4.1.
    Post41,
    /// With the name of an authentication plugin, as MySQL 8.0 wants it.
    Post80,
}

/// A regular expression over bytes, of bounded size.
#[derive(Debug, Clone)]
pub struct Pattern(regex::bytes::Regex);

impl Pattern {
    /// Compiles `text`. Bytes are matched as they are, in no particular encoding.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        let mut builder = regex::bytes::RegexBuilder::new(text);
        builder.unicode(false).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build().map(Self)
    }

    /// Whether it matches somewhere in `bytes`.
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes)
    }

    /// Whether what it matches in bytes it also matches in these with others behind them. Says no too often rather than
    /// too rarely: an end or a boundary in the pattern may look at what follows.
    pub fn keeps_matches(&self) -> bool {
        let looks_ahead = ["$", "\\b", "\\B", "\\z", "\\<", "\\>"];
        !looks_ahead.iter().any(|assertion| self.as_str().contains(assertion))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Patterns are equal if they are written the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// Most memory of a compiled pattern: many times what a sensible one needs.
const PATTERN_BYTES: usize = 1 << 20;
