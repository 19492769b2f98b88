//! What a listener asks of TLS clients and shows them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
    WebPkiClientVerifier,
};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use super::bundle::Certificate;
use super::certificates::{Certificates, Resolver};
use super::suites::Policy;
use super::trust::{Authorities, Revocations};
use super::{TlsError, provider};

/// Whether clients show a certificate (HAProxy: `verify`).
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They are asked; one that is shown must be good.
    Optional(Authorities, Revocations),
    /// Without a good one there is no connection.
    Required(Authorities, Revocations),
}

/// How clients resume sessions, so that a handshake costs them a trip less and us a signature less.
///
/// One for all threads and, but for those that verify clients, all listeners: a client may come back anywhere. A ticket
/// says that its client was verified, so it must not be good where other authorities are believed.
#[derive(Clone)]
pub struct Sessions {
    tickets: Option<Arc<dyn ProducesTickets>>,
    cache: Arc<dyn StoresServerSessions>,
    size: usize,
    lifetime: Duration,
}

impl Sessions {
    /// With tickets, whose keys are new every six hours and good for twice as long, or without; and with a cache of so
    /// many sessions for clients that take no ticket. Without tickets TLS 1.3 resumes from the cache too. A cache of 0
    /// without tickets: no client resumes anything. Sessions are in the cache for [`Self::LIFETIME`].
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(tickets: Tickets, cache: usize) -> Result<Self, TlsError> {
        Self::lasting(tickets, cache, Self::LIFETIME)
    }

    /// HAProxy's `tune.ssl.lifetime`.
    pub const LIFETIME: Duration = Duration::from_secs(300);

    /// The same with sessions that are in the cache for so long.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn lasting(tickets: Tickets, cache: usize, lifetime: Duration) -> Result<Self, TlsError> {
        let tickets = match tickets {
            Tickets::On => Some(rustls::crypto::aws_lc_rs::Ticketer::new()?),
            Tickets::Off => None,
        };
        let store: Arc<dyn StoresServerSessions> = match cache {
            0 => Arc::new(NoServerSessionStorage {}),
            size => Arc::new(Ageing {
                cache: ServerSessionMemoryCache::new(size),
                lifetime: lifetime.as_secs(),
                clock: Arc::new(DefaultTimeProvider),
            }),
        };
        Ok(Self { tickets, cache: store, size: cache, lifetime })
    }

    /// The same kind, shared with nobody.
    fn apart(&self) -> Result<Self, TlsError> {
        let tickets = if self.tickets.is_some() { Tickets::On } else { Tickets::Off };
        Self::lasting(tickets, self.size, self.lifetime)
    }

    fn apply(self, config: &mut ServerConfig) {
        if self.tickets.is_none() && self.size == 0 {
            config.send_tls13_tickets = 0;
        }
        if let Some(ticketer) = self.tickets {
            config.ticketer = ticketer;
        }
        config.session_storage = self.cache;
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("tickets", &self.tickets.is_some())
            .field("cache", &self.size)
            .finish()
    }
}

/// A cache whose sessions come to an end.
#[derive(Debug)]
struct Ageing {
    cache: Arc<ServerSessionMemoryCache>,
    /// In seconds.
    lifetime: u64,
    clock: Arc<dyn TimeProvider>,
}

impl Ageing {
    fn now(&self) -> Option<u64> {
        self.clock.current_time().map(|now| now.as_secs())
    }

    /// A session that was stored with its time, if it is not over.
    fn fresh(&self, stored: Vec<u8>) -> Option<Vec<u8>> {
        let (session, since) = stored.split_last_chunk::<8>()?;
        let age = self.now()?.checked_sub(u64::from_le_bytes(*since));
        age.is_some_and(|age| age < self.lifetime).then(|| session.to_vec())
    }
}

impl StoresServerSessions for Ageing {
    fn put(&self, key: Vec<u8>, mut value: Vec<u8>) -> bool {
        let Some(now) = self.now() else { return false };
        value.extend_from_slice(&now.to_le_bytes());
        self.cache.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.get(key).and_then(|stored| self.fresh(stored))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.take(key).and_then(|stored| self.fresh(stored))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// Whether session tickets are given out (`tls_tickets`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tickets {
    /// They are.
    On,
    /// They are not.
    Off,
}

/// Everything an [`Acceptor`] is made of.
#[derive(Debug)]
pub struct AcceptorConfig {
    /// What clients are shown.
    pub certificates: Certificates,
    /// What may be negotiated.
    pub policy: Policy,
    /// Protocols inside TLS, best first. Empty: none is named.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
    /// How they resume sessions.
    pub sessions: Sessions,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// What a listener needs to speak TLS with clients.
#[derive(Debug)]
pub struct Acceptor {
    settings: ArcSwap<Settings>,
    /// Clients show certificates.
    verifies: bool,
    handshake_timeout: Duration,
}

/// What the library needs to begin a session.
#[derive(Debug)]
pub(crate) struct Settings {
    /// With our protocols.
    named: Arc<ServerConfig>,
    /// Without any.
    #[cfg(feature = "io")]
    unnamed: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl Settings {
    fn new(named: ServerConfig, certificates: Arc<Certificates>) -> Self {
        #[cfg(feature = "io")]
        let unnamed = {
            let mut unnamed = named.clone();
            unnamed.alpn_protocols = Vec::new();
            Arc::new(unnamed)
        };
        Self {
            named: Arc::new(named),
            #[cfg(feature = "io")]
            unnamed,
            certificates,
        }
    }

    /// Whether any protocol is ours, so that it matters what the client offers.
    #[cfg(feature = "io")]
    pub(crate) fn names_protocols(&self) -> bool {
        !self.named.alpn_protocols.is_empty()
    }

    /// For a client that offers these. If none of them is ours it is answered as if it had offered none, as by HAProxy: it
    /// may do without.
    #[cfg(feature = "io")]
    pub(crate) fn for_client(&self, offered: &[Box<[u8]>]) -> Arc<ServerConfig> {
        let ours = |offer: &[u8]| self.named.alpn_protocols.iter().any(|own| own == offer);
        let shared = offered.is_empty() || offered.iter().any(|offer| ours(offer));
        Arc::clone(if shared { &self.named } else { &self.unnamed })
    }
}

impl Acceptor {
    /// Checks everything and puts it together.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(config: AcceptorConfig) -> Result<Self, TlsError> {
        let provider = provider(&config.policy);
        let versions = config.policy.versions();
        if versions.is_empty() {
            return Err(TlsError::NoVersion("the least one is above the greatest"));
        }
        let clock: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
        let certificates = Arc::new(config.certificates);
        let resolver = Resolver { certificates: Arc::clone(&certificates), clock: Arc::clone(&clock) };
        let verifies = !matches!(config.client_auth, ClientAuth::None);
        let sessions = if verifies { config.sessions.apart()? } else { config.sessions };
        let mut server = ServerConfig::builder_with_details(Arc::clone(&provider), clock)
            .with_protocol_versions(&versions)?
            .with_client_cert_verifier(verifier(config.client_auth, provider)?)
            .with_cert_resolver(Arc::new(resolver));
        server.alpn_protocols = config.alpn;
        server.ignore_client_order = !config.policy.prefer_client_ciphers;
        sessions.apply(&mut server);
        let settings = ArcSwap::from_pointee(Settings::new(server, certificates));
        Ok(Self { settings, verifies, handshake_timeout: config.handshake_timeout })
    }

    /// The same with other protocols inside TLS, best first. Empty: none is named. Sessions are shared.
    #[must_use]
    pub fn with_alpn(&self, protocols: Vec<Vec<u8>>) -> Self {
        let settings = self.settings.load();
        let mut config = ServerConfig::clone(&settings.named);
        config.alpn_protocols = protocols;
        Self {
            settings: ArcSwap::from_pointee(Settings::new(config, Arc::clone(&settings.certificates))),
            verifies: self.verifies,
            handshake_timeout: self.handshake_timeout,
        }
    }

    /// Shows clients what `from` shows them, and believes those whom it believes, from the next handshake on. Handshakes
    /// that have begun and connections are not disturbed. Sessions can be resumed still, unless clients show certificates:
    /// who is believed no more must not come back by a session.
    pub fn reload(&self, from: &Self) {
        let from_settings = from.settings.load();
        let mut config = ServerConfig::clone(&from_settings.named);
        if !self.verifies && !from.verifies {
            let before = self.settings.load();
            config.ticketer = Arc::clone(&before.named.ticketer);
            config.session_storage = Arc::clone(&before.named.session_storage);
        }
        let certificates = Arc::clone(&from_settings.certificates);
        self.settings.store(Arc::new(Settings::new(config, certificates)));
    }

    /// What clients are shown.
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.settings.load().certificates)
    }

    /// Shows clients `certificate` in the place of those of its file, from the next handshake on. What is connected is not
    /// disturbed, and sessions can be resumed still. Whether there were any of its file: if not, nothing changes.
    pub fn replace(&self, certificate: &Certificate) -> bool {
        let mut replaced = false;
        self.settings.rcu(|settings| {
            let Some(certificates) = settings.certificates.with(certificate).map(Arc::new) else {
                replaced = false;
                return Arc::clone(settings);
            };
            replaced = true;
            let clock: Arc<dyn TimeProvider> = Arc::new(DefaultTimeProvider);
            let mut config = ServerConfig::clone(&settings.named);
            config.cert_resolver = Arc::new(Resolver { certificates: Arc::clone(&certificates), clock });
            Arc::new(Settings::new(config, certificates))
        });
        replaced
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// For the library.
    #[cfg(feature = "io")]
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }
}

/// The same one: two that were made alike have different keys.
impl PartialEq for Acceptor {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Acceptor {}

fn verifier(
    auth: ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let (authorities, revocations, optional) = match auth {
        ClientAuth::None => return Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Optional(a, r) => (a, r, true),
        ClientAuth::Required(a, r) => (a, r, false),
    };
    let mut builder = WebPkiClientVerifier::builder_with_provider(authorities.store, provider);
    if !revocations.0.is_empty() {
        // A list of one authority says nothing about the certificates of another.
        // One that is past its time says nothing about those who were revoked since.
        builder = builder
            .with_crls(revocations.0)
            .allow_unknown_revocation_status()
            .enforce_revocation_expiration();
    }
    if optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|e| TlsError::Revocations(format!("cannot be used: {e}")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustls_pki_types::UnixTime;

    use super::*;

    #[derive(Debug, Default)]
    struct Clock(AtomicU64);

    impl TimeProvider for Clock {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
        }
    }

    #[test]
    fn sessions_in_the_cache_come_to_an_end() {
        let clock = Arc::new(Clock::default());
        let cache =
            Ageing { cache: ServerSessionMemoryCache::new(8), lifetime: 300, clock: Arc::clone(&clock) as _ };
        let at = |seconds| clock.0.store(seconds, Ordering::Relaxed);
        at(1000);
        assert!(cache.put(b"a".to_vec(), b"session".to_vec()) && cache.put(b"b".to_vec(), Vec::new()));
        at(1299);
        assert_eq!(cache.get(b"a").as_deref(), Some(&b"session"[..]));
        assert_eq!(cache.take(b"b"), Some(Vec::new()));
        at(1300);
        assert_eq!((cache.get(b"a"), cache.take(b"a"), cache.take(b"b")), (None, None, None));
        // A clock that was set back says nothing about ages.
        cache.put(b"a".to_vec(), b"session".to_vec());
        at(1299);
        assert_eq!(cache.get(b"a"), None);
    }
}
