//! TLS to servers: what a server says and `default_server` adds, put together and checked.

use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_proxy::tls::trust::Authorities;
use evenkeel_proxy::tls::{Connector, ConnectorConfig, ServerAuth, TlsError};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::read::{Reader, shown};
use crate::config::settings::ServerTls;
use crate::config::source::{Span, Spanned};

/// How a server is talked to over TLS. `None`: in clear text, or something is wrong and reported.
pub(super) fn connector(
    cx: &mut Reader<'_>,
    server: &Spanned<String>,
    addr: SocketAddr,
    tls: ServerTls,
) -> Option<Arc<Connector>> {
    if !tls.ssl.unwrap_or(false) {
        return None;
    }
    let auth = match (tls.verify.unwrap_or(true), tls.ca) {
        (false, _) => ServerAuth::None,
        (true, Some(ca)) => ServerAuth::Required(ca, tls.crl.unwrap_or_default()),
        (true, None) => ServerAuth::Required(of_system(cx, server.span)?, tls.crl.unwrap_or_default()),
    };
    let host = addr.ip().to_string();
    let text = |said: &Option<Spanned<String>>| said.as_ref().map(|s| s.value.clone());
    let (sni, verifyhost) = (text(&tls.sni), text(&tls.verifyhost));
    let made = Connector::new(ConnectorConfig {
        auth,
        sni: sni.as_deref(),
        verifyhost: verifyhost.as_deref(),
        host: Some(&host),
        policy: tls.policy.unwrap_or_default(),
        alpn: tls.alpn.unwrap_or_default(),
        certificate: tls.certificate.as_deref(),
    });
    made.map(Arc::new).map_err(|error| refused(cx, server, &error)).ok()
}

fn refused(cx: &mut Reader<'_>, server: &Spanned<String>, error: &TlsError) {
    let message = format!("server {}: {error}", shown(&server.value));
    cx.push(Diagnostic::error(Code::Tls, server.span, message));
}

/// The authorities that the system believes, read once.
fn of_system(cx: &mut Reader<'_>, at: Span) -> Option<Authorities> {
    if let Some(found) = &cx.authorities {
        return found.clone();
    }
    let found = match cx.externals.fetch(&External::Authorities, Privacy::Public, u64::MAX) {
        Ok(all) => Authorities::of_system(certificates(&all)).map_err(|e| e.to_string()),
        Err(FetchError::Unreadable(why)) => Err(why),
        Err(FetchError::Exposed(_)) => Err("others can write to them".to_owned()),
    };
    let found = found.map_err(|why| {
        let message = format!("the certificates of servers cannot be verified: {why}");
        cx.push(
            Diagnostic::error(Code::Certificate, at, message).help("ca_file = \"…\", or verify = \"none\""),
        );
    });
    cx.authorities = Some(found.clone().ok());
    found.ok()
}

/// Certificates in DER, each behind its length.
fn certificates(mut all: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = all.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let Some((der, rest)) = rest.split_at_checked(length) else { break };
        found.push(der);
        all = rest;
    }
    found
}
