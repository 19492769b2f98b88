//! What is known of a client's TLS session once its handshake is over: for rules and for the log.

use std::sync::Arc;

use super::own::OwnCertificate;
use super::peer::ClientCertificate;
use super::suites::Version;

/// A client's TLS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// The version agreed on (HAProxy: `ssl_fc_protocol`).
    pub version: Version,
    /// The cipher suite agreed on, by OpenSSL's name (`ssl_fc_cipher`).
    pub cipher: &'static str,
    /// The name the client asked for, in lower case (`ssl_fc_sni`).
    pub server_name: Option<Box<str>>,
    /// The protocol inside agreed on (`ssl_fc_alpn`).
    pub alpn: Option<Box<[u8]>>,
    /// Whether it goes on with an earlier session (`ssl_fc_is_resumed`).
    pub resumed: bool,
    /// The certificate the client was shown, or would have been without an earlier session.
    pub own: Option<Arc<OwnCertificate>>,
    /// What the client has shown, which is verified: a certificate that is not good ends the handshake. `None`: it was
    /// not asked, or has shown none (`ssl_c_used`).
    pub client: Option<ClientCertificate>,
}
