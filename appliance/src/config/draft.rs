//! What the sections say, read each by itself and nothing looked up between them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::names::Resolvers;
use evenkeel_proxy::page::StatsPage;
use evenkeel_proxy::plan::TcpAction;
use evenkeel_proxy::rules::{Action, Range, ResponseAction, Test, TrackKey};
use evenkeel_proxy::sticky::{StickAction, StickKey};
use evenkeel_proxy::table::{Counter, Event, TableConfig};
use evenkeel_proxy::tls::Acceptor;
use evenkeel_vrrp::config::{AnnounceConfig, ChecksumForm, Preempt, ScriptConfig, Vip, VipMismatch};
use evenkeel_vrrp::types::{IfName, Version};

use super::model::{Global, Notify, RouteTo, SyncGroup, Tracked};
use super::read::PerNode;
use super::secret::Secret;
use super::settings::{PlaceSettings, ServerSettings, ServerTls, Settings, WatchSettings};
use super::source::{Span, Spanned};
use super::value::Place;

/// All sections as they were read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) global: Global,
    pub(super) defaults: Settings,
    pub(super) profiles: BTreeMap<String, Profile>,
    pub(super) proxies: Vec<Proxy>,
    pub(super) acl: Vec<NamedCondition>,
    pub(super) tables: Vec<Spanned<TableConfig>>,
    pub(super) resolvers: Vec<Spanned<Resolvers>>,
    pub(super) routers: Vec<RouterDraft>,
    pub(super) scripts: Vec<ScriptDraft>,
    pub(super) groups: Vec<SyncGroup>,
}

/// `[profile.X]`.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) at: Span,
    pub(super) from: Option<Spanned<String>>,
    pub(super) settings: Settings,
}

/// A frontend, backend or listen.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) name: Spanned<String>,
    pub(super) side: Side,
    pub(super) from: Option<Spanned<String>>,
    pub(super) settings: Settings,
    /// Requests that a backend's servers have at once.
    pub(super) backend_maxconn: Option<u32>,
    /// The keys it has that concern HTTP only.
    pub(super) of_http: Vec<Spanned<&'static str>>,
    pub(super) binds: Vec<Spanned<BindDraft>>,
    pub(super) servers: Vec<ServerDraft>,
    pub(super) stick: Vec<StickDraft>,
    pub(super) acl: Vec<NamedCondition>,
    pub(super) tcp_rules: Vec<TcpRuleDraft>,
    pub(super) rules: Vec<RuleDraft>,
    pub(super) response_rules: Vec<ResponseRuleDraft>,
    pub(super) routing: Routing,
    pub(super) stats: Option<StatsDraft>,
}

/// A statistics page, before names in it are looked up.
#[derive(Debug)]
pub(super) struct StatsDraft {
    /// Without those of its parts that are below.
    pub(super) page: StatsPage,
    pub(super) admin_if: Option<Condition>,
    pub(super) scope: Vec<Spanned<String>>,
    pub(super) at: Span,
}

/// Which halves a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Frontend,
    Backend,
    Listen,
}

impl Side {
    pub(super) const fn is_front(self) -> bool {
        matches!(self, Self::Frontend | Self::Listen)
    }

    pub(super) const fn is_back(self) -> bool {
        matches!(self, Self::Backend | Self::Listen)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Listen => "listen",
        }
    }
}

/// One entry of `bind`.
#[derive(Debug, Clone)]
pub(super) struct BindDraft {
    pub(super) at: Bind,
    pub(super) tls: Option<Arc<Acceptor>>,
    /// It says which protocols are offered inside TLS.
    pub(super) alpn_said: bool,
    /// Networks of proxies.
    pub(super) accept_proxy: Arc<[(IpAddr, u8)]>,
}

/// Where a bind is.
#[derive(Debug, Clone)]
pub(super) enum Bind {
    Addrs(Vec<SocketAddr>),
    /// Every address of a virtual router, by its name.
    Router(Spanned<String>, u16),
}

/// One entry of `server`.
#[derive(Debug, Clone)]
pub(super) struct ServerDraft {
    pub(super) name: Spanned<String>,
    pub(super) addr: Option<Spanned<Place>>,
    /// How its name is looked up.
    pub(super) place: PlaceSettings,
    pub(super) cookie: Option<Spanned<String>>,
    pub(super) settings: ServerSettings,
    pub(super) tls: ServerTls,
    pub(super) watch: WatchSettings,
    /// The server it follows.
    pub(super) track: Option<Spanned<String>>,
}

/// What a section says of `use_backend`.
#[derive(Debug, Default)]
pub(super) struct Routing {
    /// Where `use_backend` stands.
    pub(super) said: Option<Span>,
    pub(super) routes: Vec<RouteDraft>,
    pub(super) inspect_delay: Option<Spanned<Duration>>,
}

/// One entry of `use_backend`, its names not looked up.
#[derive(Debug)]
pub(super) struct RouteDraft {
    pub(super) when: Condition,
    pub(super) to: RouteTo,
}

/// One entry of `tcp_request`, its names not looked up.
#[derive(Debug)]
pub(super) struct TcpRuleDraft {
    pub(super) on: On,
    pub(super) when: Condition,
    pub(super) action: TcpActionDraft,
    pub(super) at: Span,
}

/// When a rule for connections is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Connection,
    Session,
    Content,
}

/// What a rule for connections does.
#[derive(Debug)]
pub(super) enum TcpActionDraft {
    Is(TcpAction),
    Counts(CountingDraft),
}

/// One entry of `http_request`, its names not looked up.
#[derive(Debug)]
pub(super) struct RuleDraft {
    pub(super) when: Condition,
    /// One, or changes of several fields.
    pub(super) actions: Vec<Action>,
    /// What it counts, if it counts.
    pub(super) counting: Option<CountingDraft>,
    pub(super) at: Span,
}

/// One entry of `http_response`, its names not looked up.
#[derive(Debug)]
pub(super) struct ResponseRuleDraft {
    pub(super) when: Condition,
    /// One, or changes of several fields.
    pub(super) actions: Vec<ResponseAction>,
    pub(super) at: Span,
}

/// A matcher that has a name.
pub(super) type NamedCondition = (Spanned<String>, Condition);

/// A condition, names in it not looked up.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Named(Spanned<String>),
    Test(Test),
    Counted(CountedDraft),
    Gauge(GaugeDraft),
}

/// Which entry of a table, the table not looked up.
#[derive(Debug, Clone)]
pub(super) struct WhichDraft {
    pub(super) table: Spanned<String>,
    pub(super) sc: Option<u8>,
}

/// What a rule counts.
#[derive(Debug)]
pub(super) enum CountingDraft {
    Track(WhichDraft, Spanned<TrackKey>),
    Increase(WhichDraft, Event),
    SetTag(WhichDraft, u32),
}

/// A condition on a number of a table.
#[derive(Debug, Clone)]
pub(super) struct CountedDraft {
    pub(super) of: SubjectDraft,
    pub(super) counter: Counter,
    pub(super) range: Range,
}

/// A condition on a number of a backend or a server, its name not looked up.
#[derive(Debug, Clone)]
pub(super) struct GaugeDraft {
    pub(super) of: GaugeOf,
    pub(super) name: Spanned<String>,
    pub(super) range: Range,
}

/// Which number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GaugeOf {
    Usable,
    Queued,
    Up,
    Running,
    Waiting,
}

impl GaugeOf {
    pub(super) const fn is_of_server(self) -> bool {
        matches!(self, Self::Up | Self::Running | Self::Waiting)
    }
}

/// Whose entry.
#[derive(Debug, Clone)]
pub(super) enum SubjectDraft {
    Tracked(WhichDraft),
    Source(Spanned<String>),
}

/// One entry of `stick`, its table not looked up.
#[derive(Debug)]
pub(super) struct StickDraft {
    pub(super) action: StickAction,
    pub(super) key: StickKey,
    pub(super) table: Spanned<String>,
}

/// `[vrrp.X]` as it was read, for all nodes.
#[derive(Debug)]
pub(super) struct RouterDraft {
    pub(super) name: Spanned<String>,
    pub(super) interface: Option<PerNode<IfName>>,
    pub(super) vrid: Option<Spanned<u8>>,
    pub(super) priority: Option<PerNode<u8>>,
    pub(super) version: Option<Spanned<Version>>,
    pub(super) advert_int: Option<Spanned<Duration>>,
    pub(super) auth_pass: Option<Spanned<Secret>>,
    pub(super) vips: Vec<Spanned<Vip>>,
    pub(super) excluded: Vec<Spanned<Vip>>,
    pub(super) preempt: Option<Spanned<Preempt>>,
    pub(super) peers: Option<PerNode<Vec<Spanned<IpAddr>>>>,
    pub(super) unicast_src_ip: Option<PerNode<IpAddr>>,
    pub(super) mcast_src_ip: Option<PerNode<IpAddr>>,
    pub(super) check_unicast_src: bool,
    pub(super) use_vmac: bool,
    pub(super) checksum: ChecksumForm,
    pub(super) vip_mismatch: VipMismatch,
    pub(super) announce: AnnounceConfig,
    /// `None`: not said.
    pub(super) tracks: Option<Spanned<Vec<TrackDraft>>>,
    pub(super) lease: Option<Spanned<Duration>>,
    pub(super) down_timer_adverts: u8,
    pub(super) notify: Notify,
}

/// One entry of `track` as it was read.
#[derive(Debug)]
pub(super) struct TrackDraft {
    pub(super) what: Tracked,
    pub(super) at: Span,
    pub(super) weight: Option<Spanned<i16>>,
    pub(super) reverse: Option<bool>,
}

/// `[vrrp_script.X]` as it was read.
#[derive(Debug)]
pub(super) struct ScriptDraft {
    pub(super) name: Spanned<String>,
    /// `None`: without a program.
    pub(super) run: Option<ScriptConfig>,
    pub(super) weight: Option<Spanned<i16>>,
    pub(super) reverse: bool,
}
