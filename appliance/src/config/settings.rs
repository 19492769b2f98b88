//! What a proxy section says and `[defaults]` can say for it: every key optional, laid one over the other.

mod watch;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::access_log::LogTarget;
use evenkeel_proxy::compress::Compression;
use evenkeel_proxy::names::{InitAddr, Prefer};
use evenkeel_proxy::plan::{
    AdminState, AnnounceOptions, Balance, CheckConfig, ClientTimeouts, Ejection, ForwardedFor, HashFunction,
    HashKey, HashLayout, HttpManner, InitState, LogFormat, Mode, Redispatch, Script, SendProxy, ServerLimits,
    ServerProtocol, ServerTimeouts,
};

use evenkeel_proxy::proxy_protocol::Version;
use evenkeel_proxy::sticky::Cookie;
use evenkeel_proxy::tls::trust::{Authorities, Revocations};
use evenkeel_proxy::tls::{Certificate, Policy};

mod http;
mod records;

use super::source::Spanned;
pub(super) use http::HttpSettings;
pub(super) use records::RecordSettings;
pub(super) use watch::WatchSettings;

/// Keys of a proxy section that have defaults.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) mode: Option<Mode>,
    pub(super) timeout: Timeouts,
    /// `Some(None)`: said to be off.
    pub(super) forwardfor: Option<Option<ForwardedFor>>,
    pub(super) compression: Option<Arc<Compression>>,
    pub(super) dontlognull: Option<bool>,
    pub(super) log: Option<Log>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) records: RecordSettings,
    pub(super) errorfile: BTreeMap<u16, Arc<[u8]>>,
    pub(super) default_backend: Option<Spanned<String>>,
    pub(super) maxconn: Option<u32>,
    pub(super) balance: Option<HowBalanced>,
    pub(super) hash: Hashing,
    pub(super) fullconn: Option<u32>,
    /// `Some(None)`: said to be off.
    pub(super) cookie: Option<Option<Cookie>>,
    pub(super) retries: Option<u8>,
    pub(super) redispatch: Option<Redispatch>,
    pub(super) allbackups: Option<bool>,
    pub(super) http: HttpSettings,
    pub(super) check: Option<HowChecked>,
    pub(super) http_checks: HttpChecks,
    pub(super) server: ServerSettings,
    pub(super) server_tls: ServerTls,
    pub(super) server_place: PlaceSettings,
    pub(super) watch: WatchSettings,
    pub(super) ejection: Option<Ejection>,
}

/// `log`.
#[derive(Debug, Clone)]
pub(super) enum Log {
    Off,
    /// Where `[global]` says.
    Global,
    Own(Vec<LogTarget>),
}

/// `check` and `httpchk` together.
#[derive(Debug, Clone)]
pub(super) enum HowChecked {
    Off,
    By(Arc<Script>),
}

/// What is particular about the HTTP requests of checks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HttpChecks {
    pub(super) disable_on_404: Option<Spanned<bool>>,
    pub(super) send_state: Option<Spanned<bool>>,
}

impl HttpChecks {
    fn over(self, base: Self) -> Self {
        Self {
            disable_on_404: self.disable_on_404.or(base.disable_on_404),
            send_state: self.send_state.or(base.send_state),
        }
    }

    /// With nothing said meaning no.
    pub(super) fn manner(self) -> HttpManner {
        let is_on = |said: Option<Spanned<bool>>| said.is_some_and(|on| on.value);
        HttpManner {
            disable_on_404: is_on(self.disable_on_404),
            send_state: is_on(self.send_state),
            protocol: None,
        }
    }
}

/// `balance`.
#[derive(Debug, Clone)]
pub(super) enum HowBalanced {
    By(Balance),
    /// By hash, in whatever way `hash_type` and its like say.
    Hash(HashKey),
}

/// `hash_type`, `hash_function`, `hash_avalanche` and `hash_balance_factor`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hashing {
    pub(super) layout: Option<HashLayout>,
    pub(super) function: Option<HashFunction>,
    pub(super) avalanche: Option<bool>,
    pub(super) factor: Option<NonZeroU16>,
}

impl Hashing {
    fn over(self, base: Self) -> Self {
        Self {
            layout: self.layout.or(base.layout),
            function: self.function.or(base.function),
            avalanche: self.avalanche.or(base.avalanche),
            factor: self.factor.or(base.factor),
        }
    }
}

/// `timeout`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timeouts {
    pub(super) connect: Option<Duration>,
    pub(super) client: Option<Duration>,
    pub(super) server: Option<Duration>,
    pub(super) http_request: Option<Duration>,
    pub(super) http_keep_alive: Option<Duration>,
    pub(super) queue: Option<Duration>,
    pub(super) tunnel: Option<Duration>,
    pub(super) client_fin: Option<Duration>,
    pub(super) tarpit: Option<Duration>,
    pub(super) server_fin: Option<Duration>,
    pub(super) check: Option<Duration>,
}

/// Keys of a server that `default_server` can say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ServerSettings {
    pub(super) weight: Option<u16>,
    pub(super) maxconn: Option<u32>,
    pub(super) minconn: Option<u32>,
    pub(super) maxqueue: Option<u32>,
    pub(super) slowstart: Option<Duration>,
    pub(super) backup: Option<bool>,
    pub(super) state: Option<AdminState>,
    pub(super) check: Option<bool>,
    pub(super) inter: Option<Duration>,
    pub(super) fastinter: Option<Duration>,
    pub(super) downinter: Option<Duration>,
    pub(super) rise: Option<u16>,
    pub(super) fall: Option<u16>,
    pub(super) check_port: Option<u16>,
    pub(super) check_addr: Option<IpAddr>,
    pub(super) protocol: Option<ServerProtocol>,
    pub(super) check_protocol: Option<Spanned<ServerProtocol>>,
    /// `Some(None)`: said to be off.
    pub(super) send_proxy: Option<Option<Version>>,
    /// What a header of version 2 says besides.
    pub(super) proxy_options: Option<AnnounceOptions>,
    pub(super) check_send_proxy: Option<bool>,
}

/// How the name of a server is looked up, as far as `default_server` can say it.
#[derive(Debug, Clone, Default)]
pub(super) struct PlaceSettings {
    /// Who is asked.
    pub(super) resolvers: Option<Spanned<String>>,
    pub(super) prefer: Option<Prefer>,
    pub(super) init: Option<Spanned<Arc<[InitAddr]>>>,
}

impl PlaceSettings {
    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            resolvers: self.resolvers.or_else(|| base.resolvers.clone()),
            prefer: self.prefer.or(base.prefer),
            init: self.init.or_else(|| base.init.clone()),
        }
    }
}

/// Keys of a server's TLS that `default_server` can say.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerTls {
    pub(super) ssl: Option<bool>,
    /// The server must prove who it is.
    pub(super) verify: Option<bool>,
    pub(super) ca: Option<Authorities>,
    pub(super) crl: Option<Revocations>,
    pub(super) sni: Option<Spanned<String>>,
    pub(super) verifyhost: Option<Spanned<String>>,
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    /// Its checks speak TLS.
    pub(super) check_ssl: Option<bool>,
    pub(super) check_sni: Option<Spanned<String>>,
    pub(super) check_alpn: Option<Vec<Vec<u8>>>,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) policy: Option<Policy>,
}

impl ServerTls {
    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: &Self) -> Self {
        Self {
            ssl: self.ssl.or(base.ssl),
            verify: self.verify.or(base.verify),
            ca: self.ca.or_else(|| base.ca.clone()),
            crl: self.crl.or_else(|| base.crl.clone()),
            sni: self.sni.or_else(|| base.sni.clone()),
            verifyhost: self.verifyhost.or_else(|| base.verifyhost.clone()),
            alpn: self.alpn.or_else(|| base.alpn.clone()),
            check_ssl: self.check_ssl.or(base.check_ssl),
            check_sni: self.check_sni.or_else(|| base.check_sni.clone()),
            check_alpn: self.check_alpn.or_else(|| base.check_alpn.clone()),
            certificate: self.certificate.or_else(|| base.certificate.clone()),
            policy: self.policy.or_else(|| base.policy.clone()),
        }
    }
}

impl Settings {
    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: &Self) -> Self {
        let mut errorfile = base.errorfile.clone();
        errorfile.extend(self.errorfile);
        Self {
            mode: self.mode.or(base.mode),
            timeout: self.timeout.over(base.timeout),
            forwardfor: self.forwardfor.or_else(|| base.forwardfor.clone()),
            compression: self.compression.or_else(|| base.compression.clone()),
            dontlognull: self.dontlognull.or(base.dontlognull),
            log: self.log.or_else(|| base.log.clone()),
            log_format: self.log_format.or_else(|| base.log_format.clone()),
            records: self.records.over(&base.records),
            errorfile,
            default_backend: self.default_backend.or_else(|| base.default_backend.clone()),
            maxconn: self.maxconn.or(base.maxconn),
            balance: self.balance.or_else(|| base.balance.clone()),
            hash: self.hash.over(base.hash),
            fullconn: self.fullconn.or(base.fullconn),
            cookie: self.cookie.or_else(|| base.cookie.clone()),
            retries: self.retries.or(base.retries),
            redispatch: self.redispatch.or(base.redispatch),
            allbackups: self.allbackups.or(base.allbackups),
            http: self.http.over(&base.http),
            check: self.check.or_else(|| base.check.clone()),
            http_checks: self.http_checks.over(base.http_checks),
            server: self.server.over(base.server),
            server_tls: self.server_tls.over(&base.server_tls),
            server_place: self.server_place.over(&base.server_place),
            watch: self.watch.over(&base.watch),
            ejection: self.ejection.or(base.ejection),
        }
    }
}

impl Timeouts {
    fn over(self, base: Self) -> Self {
        Self {
            connect: self.connect.or(base.connect),
            client: self.client.or(base.client),
            server: self.server.or(base.server),
            http_request: self.http_request.or(base.http_request),
            http_keep_alive: self.http_keep_alive.or(base.http_keep_alive),
            queue: self.queue.or(base.queue),
            tunnel: self.tunnel.or(base.tunnel),
            client_fin: self.client_fin.or(base.client_fin),
            tarpit: self.tarpit.or(base.tarpit),
            server_fin: self.server_fin.or(base.server_fin),
            check: self.check.or(base.check),
        }
    }

    /// Those of the client side.
    pub(super) fn of_client(self) -> ClientTimeouts {
        ClientTimeouts {
            client: self.client,
            http_request: self.http_request,
            http_keep_alive: self.http_keep_alive,
            tunnel: self.tunnel,
            client_fin: self.client_fin,
            tarpit: self.tarpit.or(self.connect).or(Some(TARPIT)),
        }
    }

    /// Those of the server side.
    pub(super) const fn of_server(self) -> ServerTimeouts {
        ServerTimeouts {
            connect: self.connect,
            server: self.server,
            tunnel: self.tunnel,
            server_fin: self.server_fin,
            queue: self.queue,
        }
    }
}

impl ServerSettings {
    /// How much the server takes.
    pub(super) const fn limits(&self) -> ServerLimits {
        ServerLimits {
            maxconn: self.maxconn,
            minconn: self.minconn,
            maxqueue: self.maxqueue,
            slowstart: self.slowstart,
        }
    }

    /// What is said here, and what `base` says of the rest.
    pub(super) fn over(self, base: Self) -> Self {
        Self {
            weight: self.weight.or(base.weight),
            maxconn: self.maxconn.or(base.maxconn),
            minconn: self.minconn.or(base.minconn),
            maxqueue: self.maxqueue.or(base.maxqueue),
            slowstart: self.slowstart.or(base.slowstart),
            backup: self.backup.or(base.backup),
            state: self.state.or(base.state),
            check: self.check.or(base.check),
            inter: self.inter.or(base.inter),
            fastinter: self.fastinter.or(base.fastinter),
            downinter: self.downinter.or(base.downinter),
            rise: self.rise.or(base.rise),
            fall: self.fall.or(base.fall),
            check_port: self.check_port.or(base.check_port),
            check_addr: self.check_addr.or(base.check_addr),
            protocol: self.protocol.or(base.protocol),
            check_protocol: self.check_protocol.or(base.check_protocol),
            send_proxy: self.send_proxy.or(base.send_proxy),
            proxy_options: self.proxy_options.or(base.proxy_options),
            check_send_proxy: self.check_send_proxy.or(base.check_send_proxy),
        }
    }

    /// How the server is told whose connections it gets.
    pub(super) fn announcement(&self) -> Option<SendProxy> {
        let version = self.send_proxy.flatten()?;
        let options = self.proxy_options.filter(|_| version == Version::V2).unwrap_or_default();
        Some(SendProxy { version, options })
    }

    /// The form of the header that health checks begin with.
    pub(super) fn check_announcement(&self) -> Option<Version> {
        let version = self.send_proxy.flatten();
        // Another place is another program, perhaps.
        let same_place = self.check_port.is_none() && self.check_addr.is_none();
        let wanted = self.check_send_proxy.unwrap_or_else(|| version.is_some() && same_place);
        wanted.then(|| version.unwrap_or(Version::V1))
    }

    /// The checks of a server; `None` if it is not checked.
    pub(super) fn checks(&self, how: Option<&HowChecked>, timeout: Option<Duration>) -> Option<CheckConfig> {
        if !self.check.unwrap_or(false) {
            return None;
        }
        let script = match how {
            Some(HowChecked::By(script)) => Arc::clone(script),
            Some(HowChecked::Off) | None => Arc::default(),
        };
        Some(CheckConfig {
            inter: self.inter.unwrap_or(INTER),
            fastinter: self.fastinter,
            downinter: self.downinter,
            timeout,
            fall: self.fall.unwrap_or(3),
            rise: self.rise.unwrap_or(2),
            addr: self.check_addr,
            port: self.check_port,
            tls: None,
            init: InitState::default(),
            spread_percent: 0,
            script,
            http: HttpManner::default(),
        })
    }
}

/// HAProxy's `inter`.
const INTER: Duration = Duration::from_secs(2);

/// How long a tarpit holds clients if nothing says so.
const TARPIT: Duration = Duration::from_secs(10);
