//! TLS to clients and to servers: which certificate, which algorithms, who is trusted.
//!
//! | module | what it is |
//! |---|---|
//! | [`bundle`] | PEM files to a certificate chain and its key |
//! | [`certificates`] | the certificates of a listener, by the name the client asks for |
//! | [`suites`] | versions, cipher suites and curves, by OpenSSL's names |
//! | [`acceptor`] | what a listener asks of TLS clients |
//! | [`described`] | what a certificate of ours says, for operators |
//! | [`ocsp`] | what a stapled response says |
//! | [`own`] | what a certificate of ours is |
//! | [`connector`] | how TLS servers are talked to |
//! | [`trust`] | authorities and revocation lists |
//! | [`peer`] | what a client's certificate says |
//! | [`session`] | what is known of a client's session |
//!
//! Records and handshakes are rustls', with aws-lc's cryptography. Nothing here reads a file: texts come in as bytes, and
//! everything is checked before it is used.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub mod acceptor;
pub mod bundle;
pub mod certificates;
pub mod connector;
pub mod described;
#[cfg(test)]
pub(crate) mod fixture;
mod names;
pub mod ocsp;
pub mod own;
pub mod peer;
pub mod session;
pub mod suites;
pub mod trust;

pub use acceptor::{Acceptor, AcceptorConfig, ClientAuth};
pub use bundle::Certificate;
pub use certificates::Certificates;
pub use connector::{Connector, ConnectorConfig, ServerAuth};
pub use own::OwnCertificate;
pub use session::SessionFacts;
pub use suites::Policy;

/// Why TLS settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate to show.
    #[error("there is no certificate")]
    NoCertificate,
    /// The least version is above the greatest, or no suite is left for any version in the range.
    #[error("no TLS version is left: {0}")]
    NoVersion(&'static str),
    /// A certificate authority's file is not usable.
    #[error("the CA file {0}")]
    Authorities(String),
    /// A revocation list is not usable.
    #[error("the CRL file {0}")]
    Revocations(String),
    /// A name is neither a host name nor an address.
    #[error("{0} is neither a host name nor an IP address")]
    Name(String),
    /// Nothing says whose certificate it must be.
    #[error(
        "a server without a host name or IP address needs `sni` or `verifyhost` for its certificate to be verified"
    )]
    Nameless,
    /// The library refuses the whole.
    #[error("{0}")]
    Library(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Library(error.to_string())
    }
}

/// The cryptography everything here uses, as far as `policy` allows it.
fn provider(policy: &Policy) -> Arc<CryptoProvider> {
    let all = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(CryptoProvider { cipher_suites: policy.suites(), kx_groups: policy.groups(), ..all })
}
