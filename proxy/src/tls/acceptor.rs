//! What a listener asks of TLS clients and shows them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
    WebPkiClientVerifier,
};

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
}

impl Sessions {
    /// With tickets, whose keys are new every six hours and good for twice as long, or without; and with a cache of so
    /// many sessions for clients that take no ticket. Without tickets TLS 1.3 resumes from the cache too. A cache of 0
    /// without tickets: no client resumes anything.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(tickets: Tickets, cache: usize) -> Result<Self, TlsError> {
        let tickets = match tickets {
            Tickets::On => Some(rustls::crypto::aws_lc_rs::Ticketer::new()?),
            Tickets::Off => None,
        };
        let store: Arc<dyn StoresServerSessions> = match cache {
            0 => Arc::new(NoServerSessionStorage {}),
            size => ServerSessionMemoryCache::new(size),
        };
        Ok(Self { tickets, cache: store, size: cache })
    }

    /// The same kind, shared with nobody.
    fn apart(&self) -> Result<Self, TlsError> {
        Self::new(if self.tickets.is_some() { Tickets::On } else { Tickets::Off }, self.size)
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
    config: Arc<ServerConfig>,
    resolver: Arc<Resolver>,
    handshake_timeout: Duration,
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
        let resolver = Arc::new(Resolver::new(config.certificates));
        let sessions = match config.client_auth {
            ClientAuth::None => config.sessions,
            ClientAuth::Optional(..) | ClientAuth::Required(..) => config.sessions.apart()?,
        };
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)?
            .with_client_cert_verifier(verifier(config.client_auth, provider)?)
            .with_cert_resolver(Arc::clone(&resolver) as _);
        server.alpn_protocols = config.alpn;
        server.ignore_client_order = !config.policy.prefer_client_ciphers;
        sessions.apply(&mut server);
        Ok(Self { config: Arc::new(server), resolver, handshake_timeout: config.handshake_timeout })
    }

    /// The same with other protocols inside TLS, best first. Empty: none is named. Certificates and sessions are shared.
    #[must_use]
    pub fn with_alpn(&self, protocols: Vec<Vec<u8>>) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = protocols;
        Self {
            config: Arc::new(config),
            resolver: Arc::clone(&self.resolver),
            handshake_timeout: self.handshake_timeout,
        }
    }

    /// Shows other certificates from the next handshake on. Those that have begun, and sessions, are not disturbed.
    pub fn reload(&self, certificates: Certificates) {
        self.resolver.replace(certificates);
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// For the library.
    #[cfg(feature = "io")]
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The same one: two that were made alike have different keys.
impl PartialEq for Acceptor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
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
    let mut builder = WebPkiClientVerifier::builder_with_provider(authorities.0, provider);
    if !revocations.0.is_empty() {
        // A list of one authority says nothing about the certificates of another.
        builder = builder.with_crls(revocations.0).allow_unknown_revocation_status();
    }
    if optional {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|e| TlsError::Revocations(format!("cannot be used: {e}")))
}
