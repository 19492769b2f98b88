//! What a configuration says, checked and with every default filled in. Holding a [`Config`] proves that it is valid;
//! [`super::lower`] turns it into what the engines take.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::access_log::LogTarget;
use evenkeel_proxy::bandwidth::Bandwidth;
use evenkeel_proxy::compress::Compression;
use evenkeel_proxy::map::MapId;
use evenkeel_proxy::page::StatsPage;
use evenkeel_proxy::plan::{
    AdminState, Balance, CheckConfig, ClientHttp, ClientTimeouts, ForwardedFor, Http2, LogFormat, Mode, Plan,
    Records, Redispatch, SendProxy, ServerAddr, ServerHttp, ServerLimits, ServerProtocol, ServerTimeouts,
    TcpRules, Watch,
};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Matcher, ResponseRule, Rule};
use evenkeel_proxy::sticky::{Cookie, StickRule};
use evenkeel_proxy::tls::acceptor::Sessions;
use evenkeel_proxy::tls::{Acceptor, Connector, Policy};
use evenkeel_vrrp::config::{
    AnnounceConfig, ChecksumForm, EngineConfig, Preempt, ScriptConfig, Vip, VipMismatch,
};
use evenkeel_vrrp::types::{Centis, Family, IfName, Priority, Version, Vrid};

use super::secret::Secret;
use super::source::{Span, Spanned};
use crate::admin::Level;

/// A valid configuration of this node.
#[derive(Debug)]
pub struct Config {
    /// Name of this node.
    pub node: String,
    /// What concerns the processes as a whole.
    pub global: Global,
    /// Frontends and the front halves of listens, in the order of the files.
    pub frontends: Vec<Frontend>,
    /// Backends and the back halves of listens, in the order of the files.
    pub backends: Vec<Backend>,
    /// Virtual routers, in the order of the files.
    pub routers: Vec<VirtualRouter>,
    /// Check programs, in the order of the files.
    pub scripts: Vec<Script>,
    /// Sync groups, in the order of the files.
    pub groups: Vec<SyncGroup>,
    pub(super) lowered: Lowered,
}

/// `[global]`.
#[derive(Debug, Clone)]
pub struct Global {
    /// The worker's user; `None`: as the documentation of the key says.
    pub user: Option<String>,
    /// The worker's group; `None`: that of its user.
    pub group: Option<String>,
    /// Whom scripts run as; `None`: as the documentation of the key says.
    pub script_user: Option<String>,
    /// Data threads, at least 1.
    pub nbthread: u16,
    /// Most connections from clients.
    pub maxconn: u32,
    /// How much the time between checks varies, in percent.
    pub spread_checks: u8,
    /// Where log lines go.
    pub log: Vec<LogTarget>,
    /// Where operators and their tools talk to the node.
    pub admin_sockets: Vec<AdminSocket>,
    /// Files that changes at admin sockets are written into, as they are named where they are used.
    pub saved_files: Vec<Spanned<String>>,
    /// How long a stopping worker may finish requests (`hard_stop_after`).
    pub drain_timeout: Duration,
    /// How the worker is watched.
    pub worker: WorkerWatch,
    /// Largest head, in bytes.
    pub bufsize: usize,
    /// Most header fields in one message.
    pub http_maxhdr: usize,
    /// What HTTP/2 connections may do.
    pub http2: Http2,
    /// Responses that may be compressed at a time.
    pub compressors: u32,
    /// What TLS binds have in common; `None` if the system gives no random numbers, which is reported.
    pub tls: Option<GlobalTls>,
}

/// One entry of `admin_socket`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSocket {
    /// Its file.
    pub path: PathBuf,
    /// Permissions of the file.
    pub mode: u32,
    /// Owner of the file; `None`: who starts the node.
    pub user: Option<String>,
    /// Group of the file; `None`: that of who starts the node.
    pub group: Option<String>,
    /// What its clients may do.
    pub level: Level,
    /// How long a client may be silent.
    pub timeout: Duration,
}

/// `[global.tls]`.
#[derive(Debug, Clone)]
pub struct GlobalTls {
    /// What may be negotiated.
    pub policy: Policy,
    /// How clients resume sessions, on all binds.
    pub sessions: Sessions,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// An address that a frontend listens on.
#[derive(Debug, Clone)]
pub struct Listening {
    /// The address.
    pub addr: SocketAddr,
    /// Its clients speak TLS.
    pub tls: Option<Arc<Acceptor>>,
    /// Networks of proxies that say whose their connections are.
    pub accept_proxy: Arc<[(IpAddr, u8)]>,
}

/// One entry of `use_backend`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which requests or connections.
    pub when: Matcher,
    /// Where they go.
    pub to: RouteTo,
}

/// Where an entry of `use_backend` leads to.
#[derive(Debug, Clone)]
pub enum RouteTo {
    /// This backend.
    Backend(Spanned<String>),
    /// The backend that a map names.
    Mapped {
        /// Which map.
        map: MapId,
        /// What is looked up in it.
        key: Template,
        /// Where the map is named.
        at: Span,
        /// All backends that it names when it is loaded.
        backends: Vec<Spanned<String>>,
    },
}

impl RouteTo {
    /// The backends that it is known to lead to.
    pub fn backends(&self) -> &[Spanned<String>] {
        match self {
            Self::Backend(name) => std::slice::from_ref(name),
            Self::Mapped { backends, .. } => backends,
        }
    }

    /// Where it is said.
    pub fn at(&self) -> Span {
        match self {
            Self::Backend(name) => name.span,
            Self::Mapped { at, .. } => *at,
        }
    }
}

/// `[global.worker]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerWatch {
    /// How long the node stays fit without a serving worker.
    pub grace: Duration,
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// A worker that leaves heartbeats unanswered for this long is replaced.
    pub heartbeat_timeout: Duration,
    /// A worker that is not ready after this long is replaced.
    pub start_timeout: Duration,
}

/// A frontend, or the front half of a listen.
#[derive(Debug, Clone)]
pub struct Frontend {
    /// Its name.
    pub name: Spanned<String>,
    /// What it speaks.
    pub mode: Mode,
    /// Where it listens.
    pub binds: Vec<Spanned<Listening>>,
    /// Where requests go.
    pub default_backend: Option<Spanned<String>>,
    /// What is done with requests.
    pub rules: Vec<Rule>,
    /// What changes in responses.
    pub response_rules: Vec<ResponseRule>,
    /// What goes elsewhere: requests, or in mode tcp connections.
    pub routes: Vec<Route>,
    /// What is done with connections.
    pub tcp_rules: TcpRules,
    /// Timers of the client side.
    pub timeout: ClientTimeouts,
    /// `X-Forwarded-For`.
    pub forwardfor: Option<ForwardedFor>,
    /// How responses are compressed; `None`: nothing is said of it.
    pub compression: Option<Arc<Compression>>,
    /// How fast content may move.
    pub bandwidth: Bandwidth,
    /// No record of connections without a byte.
    pub dontlognull: bool,
    /// The statistics page.
    pub stats: Option<Arc<StatsPage>>,
    /// Where access records go.
    pub log: Vec<LogTarget>,
    /// How they are written.
    pub log_format: LogFormat,
    /// What else is said of them.
    pub records: Option<Box<Records>>,
    /// Responses instead of the proxy's own errors.
    pub errorfile: ErrorResponses,
    /// Most connections at once.
    pub maxconn: Option<u32>,
    /// How HTTP is spoken with its clients.
    pub http: ClientHttp,
}

/// Full responses by status code.
pub type ErrorResponses = BTreeMap<u16, Arc<[u8]>>;

/// A backend, or the back half of a listen.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name.
    pub name: Spanned<String>,
    /// It is the back half of a listen.
    pub is_listen: bool,
    /// Where state changes of its servers go. `None`: to all targets that there are.
    pub log: Option<Vec<LogTarget>>,
    /// What its servers speak.
    pub mode: Mode,
    /// What is done with requests.
    pub rules: Vec<Rule>,
    /// What changes in responses.
    pub response_rules: Vec<ResponseRule>,
    /// How a server is chosen.
    pub balance: Balance,
    /// Timers of the server side.
    pub timeout: ServerTimeouts,
    /// `X-Forwarded-For`.
    pub forwardfor: Option<ForwardedFor>,
    /// How responses are compressed; `None`: nothing is said of it.
    pub compression: Option<Arc<Compression>>,
    /// How fast content may move.
    pub bandwidth: Bandwidth,
    /// The cookie by which clients keep their server.
    pub cookie: Option<Arc<Cookie>>,
    /// What of a request decides by a table.
    pub stick: Vec<StickRule>,
    /// Connection attempts after the first.
    pub retries: u8,
    /// The last one may go elsewhere.
    pub redispatch: Redispatch,
    /// Requests that its servers have at once, all together.
    pub maxconn: Option<u32>,
    /// Requests at which servers take their `maxconn`; `None`: as the documentation of the key says.
    pub fullconn: Option<u32>,
    /// Use all backups at once.
    pub allbackups: bool,
    /// Responses instead of the proxy's own errors.
    pub errorfile: ErrorResponses,
    /// How HTTP is spoken with its servers.
    pub http: ServerHttp,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name.
    pub name: Spanned<String>,
    /// Where requests go.
    pub addr: ServerAddr,
    /// What it is spoken to in.
    pub protocol: ServerProtocol,
    /// 0–256.
    pub weight: u16,
    /// How much it takes.
    pub limits: ServerLimits,
    /// Only when no other is usable.
    pub backup: bool,
    /// State it starts in.
    pub state: AdminState,
    /// Its checks; `None`: always up.
    pub check: Option<CheckConfig>,
    /// Its value in the backend's cookie.
    pub cookie: Option<String>,
    /// It is talked to over TLS.
    pub tls: Option<Arc<Connector>>,
    /// What else watches it, but for `track`.
    pub watch: Watch,
    /// The server it follows, as `backend/server`.
    pub track: Option<Spanned<String>>,
    /// It is told whose connections it gets.
    pub send_proxy: Option<SendProxy>,
    /// Health checks say that they are nobody's.
    pub check_send_proxy: Option<evenkeel_proxy::proxy_protocol::Version>,
}

/// `[vrrp.X]`, for this node.
#[derive(Debug, Clone)]
pub struct VirtualRouter {
    /// Its name.
    pub name: Spanned<String>,
    /// Interface it speaks on.
    pub interface: IfName,
    /// Family of its adverts.
    pub family: Family,
    /// Its number.
    pub vrid: Spanned<Vrid>,
    /// Protocol version.
    pub version: Version,
    /// Priority of this node.
    pub priority: Spanned<Priority>,
    /// Time between adverts.
    pub advert_int: Spanned<Centis>,
    /// Password of version 2.
    pub auth_pass: Option<Spanned<Secret>>,
    /// Advertised addresses.
    pub vips: Vec<Spanned<Vip>>,
    /// Addresses that move along.
    pub excluded: Vec<Spanned<Vip>>,
    /// Whether a higher priority takes over.
    pub preempt: Preempt,
    /// Unicast peers; empty: multicast.
    pub peers: Vec<Spanned<IpAddr>>,
    /// Drop adverts that come from no peer.
    pub check_unicast_src: bool,
    /// Source address of adverts.
    pub source: Option<Spanned<IpAddr>>,
    /// Checksum form to begin with.
    pub checksum: ChecksumForm,
    /// What other address lists mean.
    pub vip_mismatch: VipMismatch,
    /// Announcements.
    pub announce: AnnounceConfig,
    /// Virtual MAC address.
    pub use_vmac: bool,
    /// What is tracked.
    pub tracks: Vec<Spanned<Track>>,
    /// When the node loses the addresses by itself.
    pub lease: Spanned<Duration>,
    /// Silent intervals that make a MASTER dead.
    pub down_timer_adverts: u8,
    /// Notify scripts.
    pub notify: Notify,
}

/// Programs that are run on a change of state; each a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// On becoming MASTER.
    pub master: Option<Vec<String>>,
    /// On becoming BACKUP.
    pub backup: Option<Vec<String>>,
    /// On entering FAULT.
    pub fault: Option<Vec<String>>,
    /// When the router stops.
    pub stop: Option<Vec<String>>,
}

/// One entry of `track`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What is tracked.
    pub what: Tracked,
    /// −253..=253, never 0; `None`: a failure takes the node out.
    pub weight: Option<i16>,
    /// Success and failure turned round.
    pub reverse: bool,
}

/// What can be tracked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracked {
    /// The worker.
    DataPlane,
    /// A check program, by name.
    Script(String),
    /// An interface.
    Interface(IfName),
    /// A file with a number.
    File(PathBuf),
}

/// `[vrrp_script.X]`.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its name.
    pub name: Spanned<String>,
    /// What is run and when.
    pub run: ScriptConfig,
}

/// `[sync_group.X]`.
#[derive(Debug, Clone)]
pub struct SyncGroup {
    /// Its name.
    pub name: Spanned<String>,
    /// Names of its members.
    pub members: Vec<Spanned<String>>,
}

/// Both halves of a lowered configuration.
#[derive(Clone)]
pub(super) struct Lowered {
    pub(super) proxy: ProxyParts,
    pub(super) vrrp: VrrpParts,
}

/// Says nothing: the engine's configuration holds passwords in plain bytes.
impl fmt::Debug for Lowered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lowered").finish_non_exhaustive()
    }
}

/// What the data plane takes.
#[derive(Debug, Clone)]
pub struct ProxyParts {
    /// Everything it serves, listening addresses included.
    pub plan: Arc<Plan>,
    /// The log targets; a `LogTargetId` is a position here.
    pub log_targets: Vec<LogTarget>,
}

/// What the VRRP engine and those around it take.
#[derive(Debug, Clone)]
pub struct VrrpParts {
    /// The engine's configuration.
    pub engine: EngineConfig,
    /// Notify scripts; a `RouterId` is a position here.
    pub notify: Vec<Notify>,
}
