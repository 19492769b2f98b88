//! How servers are talked to over TLS, and how it is made sure that they are who they should be.

use std::net::Ipv4Addr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::bundle::Certificate;
use super::suites::Policy;
use super::trust::{Authorities, Revocations};
use super::{TlsError, provider};

/// Whether a server must prove who it is (HAProxy: `verify`).
#[derive(Debug, Clone)]
pub enum ServerAuth {
    /// It must, by one of these authorities.
    Required(Authorities, Revocations),
    /// Anybody will do: what is sent is safe from those who only listen.
    None,
}

/// Everything a [`Connector`] is made of.
#[derive(Debug)]
pub struct ConnectorConfig<'a> {
    /// Whether it must prove who it is.
    pub auth: ServerAuth,
    /// The name it is asked for. `None`: none is sent.
    pub sni: Option<&'a str>,
    /// The name or address its certificate must be for. `None`: that of `sni`, else `host`.
    pub verifyhost: Option<&'a str>,
    /// The name or address it is reached by, if it has one.
    pub host: Option<&'a str>,
    /// What may be negotiated.
    pub policy: Policy,
    /// Protocols inside TLS, best first. Empty: none is named.
    pub alpn: Vec<Vec<u8>>,
    /// What it is shown if it asks (`crt`).
    pub certificate: Option<&'a Certificate>,
}

/// What is needed to speak TLS with one server. Sessions are resumed, by all threads alike.
#[derive(Debug)]
pub struct Connector {
    config: ArcSwap<ClientConfig>,
    name: ServerName<'static>,
}

impl Connector {
    /// Checks everything and puts it together.
    ///
    /// # Errors
    /// What does not fit.
    pub fn new(config: ConnectorConfig<'_>) -> Result<Self, TlsError> {
        let provider = provider(&config.policy);
        let versions = config.policy.versions();
        if versions.is_empty() {
            return Err(TlsError::NoVersion("the least one is above the greatest"));
        }
        let sni = config.sni.map(name).transpose()?;
        let expected = config.verifyhost.or(config.sni).or(config.host).map(name).transpose()?;
        if expected.is_none() && matches!(config.auth, ServerAuth::Required(..)) {
            return Err(TlsError::Nameless);
        }
        // Where nothing is verified the name is only that of the sessions.
        let expected = expected.unwrap_or_else(|| ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        let verifier = Verifier::new(config.auth, expected.clone(), &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut client = match config.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let shown = SingleCertAndKey::from(certificate.key().as_ref().clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        client.alpn_protocols = config.alpn;
        client.enable_sni = sni.is_some();
        client.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Self { config: ArcSwap::from_pointee(client), name: sni.unwrap_or(expected) })
    }

    /// What the library needs to begin a session, and whom to ask for.
    pub fn session(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (self.config.load_full(), self.name.clone())
    }

    /// Shows the server what `from`, which is for the same one, shows it, and believes those whom it believes, from the next
    /// connection on. Sessions begin anew: one could come from a server that is believed no more.
    pub fn reload(&self, from: &Self) {
        self.config.store(from.config.load_full());
    }
}

/// The same one: it has sessions that another has not.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Connector {}

fn name(text: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsError::Name(text.to_owned()))
}

/// Judges a server's certificate by the name it must have, which need not be the one it was asked for.
#[derive(Debug)]
struct Verifier {
    /// `None`: whatever it shows will do.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that were named one by one.
    named: Arc<[CertificateDer<'static>]>,
    expected: ServerName<'static>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        auth: ServerAuth,
        expected: ServerName<'static>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut named = Arc::default();
        let chain = match auth {
            ServerAuth::None => None,
            ServerAuth::Required(authorities, revocations) => {
                named = authorities.named;
                let mut builder =
                    WebPkiServerVerifier::builder_with_provider(authorities.store, Arc::clone(provider));
                if !revocations.0.is_empty() {
                    builder = builder
                        .with_crls(revocations.0)
                        .allow_unknown_revocation_status()
                        .enforce_revocation_expiration();
                }
                let built = builder.build();
                Some(built.map_err(|e| TlsError::Revocations(format!("cannot be used: {e}")))?)
            }
        };
        Ok(Self { chain, named, expected, provider: Arc::clone(provider) })
    }
}

impl Verifier {
    /// A certificate that is believed as it is has to be for the server, and in time.
    fn verify_named(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        verify_server_name(&ParsedCertificate::try_from(certificate)?, &self.expected)?;
        let parsed = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?.1;
        let (now, valid) = (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), parsed.validity());
        if now < valid.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > valid.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _asked: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.chain {
            None => Ok(ServerCertVerified::assertion()),
            // One that signs itself as an authority is no server's, unless it is the very one that is believed.
            Some(_) if self.named.contains(end_entity) => self.verify_named(end_entity, now),
            Some(chain) => {
                chain.verify_server_cert(end_entity, intermediates, &self.expected, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Sessions kept per server: TLS 1.3 gives out several per connection, and pooled connections are few.
const SESSIONS: usize = 256;
