//! The compiled configuration of the data plane: immutable, shared by all threads, taken once per request.
//!
//! A [`Plan`] is built by [`Plan::new`] from plain parts and is then valid by construction: every id resolves.

mod balance;
mod check;
mod http;
mod records;
mod reload;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use balance::{
    Balance, HashBalance, HashFunction, HashKey, HashLayout, HashValue, Redispatch, ServerLimits, UriKey,
};
pub use check::{
    Action, ByteExpect, ByteMatch, CheckConfig, CheckHello, CheckTls, Connect, ErrorStatus, Expect,
    HeaderExpect, HttpCheck, HttpExpect, HttpManner, HttpVersion, InitState, MysqlCheck, MysqlLogin,
    OkStatus, Pattern, Protocol, Says, Script, Step, TextMatch, TimeoutStatus,
};
pub use http::{ClientHttp, HttpReuse, MinRate, Retry, RetryEvent, RetryOn, ServerHttp};
pub use records::{Records, UniqueId};
pub use watch::{Ejection, Layer, Observe, OnError, OnMarked, Watch};

use crate::access_log::{Format, is_loggable};
use crate::endpoint::{self, Endpoint};
use crate::list::Lists;
use crate::lua::Program;
use crate::map::{MapConfig, Maps};
use crate::names::{Name, Resolvers};
use crate::page::StatsPage;
use crate::proxy_protocol::Version;
use crate::route::Routes;
use crate::rules::{ResponseRules, Rule};
use crate::sticky::{Cookie, StickRule};
use crate::table::{TableConfig, TableId};
use crate::tls::{Acceptor, Connector};

mod tcp;

pub use tcp::{AnnounceOption, AnnounceOptions, Mode, SendProxy, TcpAction, TcpRule, TcpRules};

/// Position of a frontend in [`Plan::frontends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrontendId(pub u16);

/// Position of a backend in [`Plan::backends`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(pub u16);

/// Position of a server in the [`Plan`], counted over all backends, so that per-server state is one flat array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u32);

/// Position of a listening address in [`Plan::listeners`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// Everything the data plane serves.
#[derive(Debug)]
pub struct Plan {
    frontends: Vec<Frontend>,
    backends: Vec<Backend>,
    servers: Vec<Server>,
    listeners: Vec<Listener>,
    tables: Vec<TableConfig>,
    maps: Vec<MapConfig>,
    lists: Arc<Lists>,
    wants_destination: bool,
    resolvers: Vec<Resolvers>,
    lua: Option<Arc<Program>>,
    /// Process-wide settings.
    pub global: Global,
}

/// Process-wide settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Node name, for logs.
    pub node: String,
    /// Data threads, at least 1.
    pub threads: u16,
    /// Connections from clients, over all frontends; more wait in the backlog.
    pub maxconn: u32,
    /// Largest request or response head, in bytes.
    pub max_head_bytes: usize,
    /// Most header fields in one message.
    pub max_headers: usize,
    /// What HTTP/2 connections may do.
    pub http2: Http2,
    /// Responses that may be compressed at a time, over all threads.
    pub compressors: u32,
}

impl Global {
    /// Each thread's share of the compressors.
    pub fn compressors_of_thread(&self) -> usize {
        let share = self.compressors.div_ceil(u32::from(self.threads.max(1)));
        usize::try_from(share).unwrap_or(usize::MAX)
    }
}

/// What HTTP/2 connections may do (HAProxy: `tune.h2.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// Requests that may be open on one connection, of a client or to a server.
    pub max_streams: u32,
    /// Content of one stream that may be on its way to us, in bytes.
    pub initial_window: u32,
    /// Largest frame taken, 16,384 to 16,777,215 bytes.
    pub max_frame: u32,
    /// Size of the compression table for headers that come to us, in bytes.
    pub header_table: u32,
    /// What a peer may do that nobody asked it for: see [`crate::h2::budget`].
    pub glitches: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_streams: 100,
            initial_window: 65_536,
            max_frame: 16_384,
            header_table: 4096,
            glitches: crate::h2::budget::GLITCHES,
        }
    }
}

/// A listening address of a frontend. The supervisor binds it; the worker only receives the descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whose it is.
    pub frontend: FrontendId,
    /// The address; unspecified for `*`.
    pub addr: SocketAddr,
    /// Its clients speak TLS. `None`: clear text.
    pub tls: Option<Arc<Acceptor>>,
    /// Networks of proxies whose connections begin with a header of the PROXY protocol.
    pub accept_proxy: Arc<[(IpAddr, u8)]>,
}

impl Listener {
    /// An address that asks nothing of its connections.
    pub fn new(frontend: FrontendId, addr: SocketAddr) -> Self {
        Self { frontend, addr, tls: None, accept_proxy: Arc::default() }
    }

    /// Whether connections from there begin with a header of the PROXY protocol.
    pub fn expects_proxy(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.accept_proxy.iter().any(|(network, prefix)| endpoint::contains(*network, *prefix, source))
    }
}

/// What a request meets first (HAProxy: `frontend`).
#[derive(Debug)]
pub struct Frontend {
    /// Operator's name.
    pub name: String,
    /// What it speaks.
    pub mode: Mode,
    /// Where requests go that no rule sends elsewhere. `None`: 503.
    pub default_backend: Option<BackendId>,
    /// Mode http: what is done with requests before it is decided where they go.
    pub http_request: Vec<Rule>,
    /// Mode http: what changes in responses, behind what their backend has changed.
    pub http_response: ResponseRules,
    /// Requests that go elsewhere; in mode tcp connections.
    pub routes: Routes,
    /// Mode http: the statistics page, behind `http_request`.
    pub stats: Option<Arc<StatsPage>>,
    /// What is done with connections.
    pub tcp_request: TcpRules,
    /// Timers of the client side.
    pub timeout: ClientTimeouts,
    /// Add `X-Forwarded-For`.
    pub forwarded_for: Option<ForwardedFor>,
    /// Do not log connections that carried no byte.
    pub dontlognull: bool,
    /// Where access records go; empty: nowhere.
    pub log: Vec<LogTargetId>,
    /// How they are written.
    pub log_format: LogFormat,
    /// What else is said of them. `None`: nothing.
    pub records: Option<Box<Records>>,
    /// Answers that replace the proxy's own errors.
    pub error_files: Arc<ErrorFiles>,
    /// Most connections at once; more wait in the backlog. `None`: the global limit.
    pub maxconn: Option<u32>,
    /// How HTTP is spoken with its clients.
    pub http: ClientHttp,
}

impl Frontend {
    /// Whether its records, or identifiers of its requests, show what clients have connected to.
    fn logs_destination(&self) -> bool {
        let of_id = self.records.iter().filter_map(|r| r.unique_id.as_ref()).map(|id| &id.format);
        let of_lines = match &self.log_format {
            LogFormat::Custom(format) => Some(&**format),
            LogFormat::Httplog | LogFormat::Tcplog | LogFormat::Json => None,
        };
        of_lines.into_iter().chain(of_id).any(Format::looks_at_destination)
    }
}

/// Position of a log target in the worker's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogTargetId(pub u16);

/// Line format of access records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFormat {
    /// HAProxy's `option httplog`.
    Httplog,
    /// HAProxy's `option tcplog`.
    Tcplog,
    /// One JSON object per line.
    Json,
    /// The operator's own.
    Custom(Arc<Format>),
}

/// Timers of the client side. `None`: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientTimeouts {
    /// Inactivity of the client.
    pub client: Option<Duration>,
    /// From the first byte of a request to the end of its head. Unset: `client`, for all of it.
    pub http_request: Option<Duration>,
    /// Wait for the next request. Unset: `http_request`, else `client`.
    pub http_keep_alive: Option<Duration>,
    /// Inactivity of a tunnel, in both directions: after an upgrade, and in mode tcp. Unset: `client`.
    pub tunnel: Option<Duration>,
    /// Inactivity of a client in a tunnel of which one direction has ended. Unset: as before that.
    pub client_fin: Option<Duration>,
    /// How long clients in a tarpit are kept waiting. Unset: not at all.
    pub tarpit: Option<Duration>,
}

/// Timers of the server side. `None`: unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerTimeouts {
    /// Until the connection is established.
    pub connect: Option<Duration>,
    /// Inactivity of the server.
    pub server: Option<Duration>,
    /// Inactivity of a tunnel, in both directions: after an upgrade, and in mode tcp. Unset: `server`.
    pub tunnel: Option<Duration>,
    /// Inactivity of a server in a tunnel of which one direction has ended. Unset: as before that.
    pub server_fin: Option<Duration>,
    /// Wait for a free server. Unset: `connect`.
    pub queue: Option<Duration>,
}

/// HAProxy's `option forwardfor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedFor {
    /// Field name; `X-Forwarded-For` unless configured.
    pub header: String,
    /// Sources that get none: address and prefix length.
    pub except: Vec<(IpAddr, u8)>,
    /// Only if the request has none.
    pub if_none: bool,
}

/// Full responses, read and checked when the configuration was loaded, by status code.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ErrorFiles(pub std::collections::BTreeMap<u16, Arc<[u8]>>);

/// A group of servers (HAProxy: `backend`).
#[derive(Debug)]
pub struct Backend {
    /// Operator's name.
    pub name: String,
    /// It is the back half of a `listen`.
    pub is_listen: bool,
    /// Where changes of state of its servers are logged.
    pub log: Vec<LogTargetId>,
    /// What its servers speak.
    pub mode: Mode,
    /// Its servers, in the order of the file.
    pub servers: std::ops::Range<u32>,
    /// How a server is chosen.
    pub balance: Balance,
    /// Timers of the server side.
    pub timeout: ServerTimeouts,
    /// Mode http: what is done with requests that have come here.
    pub http_request: Vec<Rule>,
    /// Mode http: what changes in responses.
    pub http_response: ResponseRules,
    /// Add `X-Forwarded-For` (either side may ask for it).
    pub forwarded_for: Option<ForwardedFor>,
    /// Connection attempts after the first (HAProxy: `retries`, default 3).
    pub retries: u8,
    /// Whether retries may go to another server.
    pub redispatch: Redispatch,
    /// Requests that all its servers together have at once. `None`: any number. More wait.
    pub maxconn: Option<u32>,
    /// Requests at which every server takes its `maxconn` (HAProxy: `fullconn`); matters to servers with a `minconn`.
    pub fullconn: u32,
    /// Use every backup server instead of the first one (`option allbackups`).
    pub allbackups: bool,
    /// Answers that replace the proxy's own errors.
    pub error_files: Arc<ErrorFiles>,
    /// The cookie by which clients keep their server.
    pub cookie: Option<Arc<Cookie>>,
    /// What of a request decides by a table.
    pub stick: Vec<StickRule>,
    /// How HTTP is spoken with its servers.
    pub http: ServerHttp,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Operator's name, unique in its backend.
    pub name: String,
    /// Whose it is.
    pub backend: BackendId,
    /// Where requests go.
    pub addr: ServerAddr,
    /// How it is spoken to, in mode http.
    pub protocol: ServerProtocol,
    /// 0–256; 0 gets no new work.
    pub weight: u16,
    /// Used only when no other server is usable.
    pub backup: bool,
    /// State the configuration asks for.
    pub admin: AdminState,
    /// How much it takes.
    pub limits: ServerLimits,
    /// Health checks; `None`: always up.
    pub check: Option<CheckConfig>,
    /// Its value in the backend's persistence cookie.
    pub cookie: Option<String>,
    /// It is talked to over TLS. `None`: clear text.
    pub tls: Option<Arc<Connector>>,
    /// What else watches it.
    pub watch: Watch,
    /// Connections to it begin with a header of the PROXY protocol.
    pub send_proxy: Option<SendProxy>,
    /// So do those of its health checks, with one of this version.
    pub check_send_proxy: Option<Version>,
}

/// What a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, by prior knowledge (RFC 9113 §3.3).
    Http2,
}

/// Where a server is, as the configuration says it. What holds at run time is in [`crate::names::Addresses`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerAddr {
    /// Always there.
    Fixed(Endpoint),
    /// Where its name is found to be.
    Named(Name),
}

impl ServerAddr {
    /// Where the server is from the start, before anything is looked up.
    pub fn fixed(&self) -> Option<&Endpoint> {
        match self {
            Self::Fixed(endpoint) => Some(endpoint),
            Self::Named(_) => None,
        }
    }
}

impl From<SocketAddr> for ServerAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Fixed(addr.into())
    }
}

/// What the operator wants of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AdminState {
    /// Takes work.
    #[default]
    Ready,
    /// Takes no new work; running requests finish, checks go on.
    Drain,
    /// Takes nothing; checks stop.
    Maint,
}

/// Why parts do not make a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// An id points nowhere.
    #[error("{0} refers to something that is not in the plan")]
    Dangling(String),
    /// A name has bytes that log lines would have to escape.
    #[error("{0:?} is no name of a frontend, backend or server")]
    Name(String),
    /// A number is out of its range.
    #[error("{0} is out of range")]
    Range(String),
    /// A frontend and its backend do not speak the same protocol.
    #[error("frontend {0} and backend {1} are not of the same mode")]
    Modes(String, String),
}

impl Plan {
    /// Checks that all ids resolve and numbers are in range.
    ///
    /// # Errors
    /// The first thing that does not fit. Operators never see this: the loader has checked with positions.
    pub fn new(
        global: Global,
        frontends: Vec<Frontend>,
        backends: Vec<Backend>,
        servers: Vec<Server>,
        listeners: Vec<Listener>,
    ) -> Result<Self, PlanError> {
        if global.threads == 0 {
            return Err(PlanError::Range("threads".into()));
        }
        let names = frontends.iter().map(|f| &f.name).chain(backends.iter().map(|b| &b.name));
        if let Some(name) = names.chain(servers.iter().map(|s| &s.name)).find(|n| !is_loggable(n.as_bytes()))
        {
            return Err(PlanError::Name(name.clone()));
        }
        for f in &frontends {
            for to in f.default_backend.into_iter().chain(f.routes.backends()) {
                let to =
                    backends.get(usize::from(to.0)).ok_or_else(|| PlanError::Dangling(f.name.clone()))?;
                if to.mode != f.mode {
                    return Err(PlanError::Modes(f.name.clone(), to.name.clone()));
                }
            }
        }
        for (i, b) in backends.iter().enumerate() {
            let whole = servers.get(b.servers.start as usize..b.servers.end as usize);
            let own = |s: &Server| usize::from(s.backend.0) == i;
            if !whole.is_some_and(|s| s.iter().all(own)) {
                return Err(PlanError::Dangling(b.name.clone()));
            }
        }
        if let Some(s) = servers.iter().find(|s| s.weight > 256) {
            return Err(PlanError::Range(format!("weight of {}", s.name)));
        }
        if let Some(l) = listeners.iter().find(|l| usize::from(l.frontend.0) >= frontends.len()) {
            return Err(PlanError::Dangling(l.addr.to_string()));
        }
        let wants_destination = servers.iter().any(|s| s.send_proxy.is_some())
            || frontends.iter().any(|f| f.routes.look_at_destination())
            || frontends.iter().flat_map(|f| &f.http_request).any(Rule::looks_at_destination)
            || frontends.iter().flat_map(|f| f.tcp_request.all()).any(TcpRule::looks_at_destination)
            || backends.iter().flat_map(|b| &b.http_request).any(Rule::looks_at_destination)
            || backends.iter().any(|b| b.balance.looks_at_destination())
            || frontends.iter().any(|f| f.http_response.look_at_destination())
            || frontends.iter().any(Frontend::logs_destination)
            || backends.iter().any(|b| b.http_response.look_at_destination());
        Ok(Self {
            frontends,
            backends,
            servers,
            listeners,
            tables: Vec::new(),
            maps: Vec::new(),
            lists: Arc::default(),
            wants_destination,
            resolvers: Vec::new(),
            lua: None,
            global,
        })
    }

    /// The same with tables.
    ///
    /// # Errors
    /// A rule refers to a table that is not among them.
    pub fn with_tables(self, tables: Vec<TableConfig>) -> Result<Self, PlanError> {
        let of_rules = |rules: &[Rule]| rules.iter().filter_map(Rule::last_table).max();
        let of_backend = |b: &Backend| {
            let sticks = b.stick.iter().map(|rule| rule.table).max();
            sticks.max(of_rules(&b.http_request)).max(b.http_response.last_table())
        };
        let of_frontend = |f: &Frontend| {
            let of_connections = f.tcp_request.all().filter_map(TcpRule::last_table).max();
            let of_requests = of_rules(&f.http_request).max(f.http_response.last_table());
            of_requests.max(f.routes.last_table()).max(of_connections)
        };
        let last = self.backends.iter().map(|b| (of_backend(b), &b.name));
        let mut last = last.chain(self.frontends.iter().map(|f| (of_frontend(f), &f.name)));
        let dangling = |table: Option<TableId>| table.is_some_and(|t| usize::from(t.0) >= tables.len());
        if let Some((_, name)) = last.find(|(table, _)| dangling(*table)) {
            return Err(PlanError::Dangling(name.clone()));
        }
        Ok(Self { tables, ..self })
    }

    /// The same with name servers.
    ///
    /// # Errors
    /// A server refers to some that are not among them.
    pub fn with_resolvers(self, resolvers: Vec<Resolvers>) -> Result<Self, PlanError> {
        let dangling = |s: &&Server| match &s.addr {
            ServerAddr::Named(name) => usize::from(name.resolvers.0) >= resolvers.len(),
            ServerAddr::Fixed(_) => false,
        };
        if let Some(server) = self.servers.iter().find(dangling) {
            return Err(PlanError::Dangling(server.name.clone()));
        }
        Ok(Self { resolvers, ..self })
    }

    /// All groups of name servers; a `ResolversId` is a position here.
    pub fn resolvers(&self) -> &[Resolvers] {
        &self.resolvers
    }

    /// The same with maps.
    ///
    /// # Errors
    /// A rule looks into a map that is not there, or a key of a map is none.
    pub fn with_maps(self, maps: Vec<MapConfig>) -> Result<Self, PlanError> {
        let rules = self.frontends.iter().map(|f| &f.http_request);
        let rules = rules.chain(self.backends.iter().map(|b| &b.http_request)).flatten();
        let of_routes = self.frontends.iter().filter_map(|f| f.routes.last_map());
        let last = rules.filter_map(Rule::map).chain(of_routes).max();
        if last.is_some_and(|id| usize::from(id.0) >= maps.len()) {
            return Err(PlanError::Dangling("a map".into()));
        }
        if let Err((map, at, why)) = Maps::new(&maps) {
            let config = maps.get(map);
            let key = config.and_then(|m| m.entries.get(at)).map_or("", |(key, _)| key);
            let name = config.map_or("", |m| &m.name);
            return Err(PlanError::Range(format!("{key} of map {name}, which {why}")));
        }
        Ok(Self { maps, ..self })
    }

    /// The same with the lists that its conditions ask for.
    #[must_use]
    pub fn with_lists(self, lists: Arc<Lists>) -> Self {
        Self { lists, ..self }
    }

    /// The lists that its conditions ask for.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// The same with scripts.
    #[must_use]
    pub fn with_lua(self, lua: Option<Arc<Program>>) -> Self {
        Self { lua, ..self }
    }

    /// The scripts that rules call, if there are any.
    pub fn lua(&self) -> Option<&Arc<Program>> {
        self.lua.as_ref()
    }

    /// All maps; a `MapId` is a position here.
    pub fn maps(&self) -> &[MapConfig] {
        &self.maps
    }

    /// All tables; a `TableId` is a position here.
    pub fn tables(&self) -> &[TableConfig] {
        &self.tables
    }

    /// All frontends; a [`FrontendId`] is a position here.
    pub fn frontends(&self) -> &[Frontend] {
        &self.frontends
    }

    /// All backends; a [`BackendId`] is a position here.
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// All servers of all backends; a [`ServerId`] is a position here.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Whether a server is told, or a rule looks at, what clients have connected to.
    pub fn wants_destination(&self) -> bool {
        self.wants_destination
    }

    /// A server's full name, as `backend/server`; empty if it is not in the plan.
    pub fn name_of(&self, server: ServerId) -> String {
        let Some(server) = self.servers.get(server.0 as usize) else { return String::new() };
        let backend = self.backends.get(usize::from(server.backend.0));
        format!("{}/{}", backend.map_or("", |b| b.name.as_str()), server.name)
    }

    /// All listening addresses; a [`ListenerId`] is a position here.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }
}
