//! TLS to servers: what a server says and `default_server` adds, put together and checked.

use std::sync::Arc;

use evenkeel_proxy::plan::{Action, CheckConfig, CheckHello, CheckTls, Connect, ServerProtocol, Step};
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
    host: Option<&str>,
    tls: &ServerTls,
    protocol: ServerProtocol,
) -> Option<Arc<Connector>> {
    if !tls.ssl.unwrap_or(false) {
        return None;
    }
    let unsaid = unsaid(protocol);
    let sni = tls.sni.as_ref().map(|s| s.value.as_str());
    build(cx, server, host, tls, (sni, tls.alpn.as_ref().or(unsaid.as_ref())))
}

/// How the checks of a server speak TLS. `None`: in clear text, or something is wrong and reported.
pub(super) fn of_checks(
    cx: &mut Reader<'_>,
    server: &Spanned<String>,
    host: Option<&str>,
    tls: &ServerTls,
    check: &CheckConfig,
) -> Option<CheckTls> {
    // What listens elsewhere need not speak what the server speaks.
    let inherits = check.port.is_none() && check.addr.is_none();
    let everywhere = tls.check_ssl.unwrap_or_else(|| inherits && tls.ssl.unwrap_or(false));
    let asks = |step: &Step| matches!(&step.action, Action::Connect(Connect { tls: Some(true), .. }));
    if !everywhere && !check.script.steps.iter().any(asks) {
        return None;
    }
    let sni = tls.check_sni.as_ref().or(tls.sni.as_ref()).map(|s| s.value.as_str());
    let unsaid = check.http.protocol.and_then(unsaid);
    let alpn = tls.check_alpn.as_ref().or(unsaid.as_ref());
    let connector = build(cx, server, host, tls, (sni, alpn))?;
    let mut others: Vec<(CheckHello, Arc<Connector>)> = Vec::new();
    for hello in check.script.steps.iter().filter_map(own_hello) {
        if others.iter().all(|(of, _)| of != hello) {
            let asked = (hello.sni.as_deref().or(sni), hello.alpn.as_ref().or(alpn));
            others.push((hello.clone(), build(cx, server, host, tls, asked)?));
        }
    }
    Some(CheckTls { connector, others, everywhere })
}

/// What is offered where nothing is said: many servers speak no HTTP/2 inside TLS that has not agreed on it.
fn unsaid(protocol: ServerProtocol) -> Option<Vec<Vec<u8>>> {
    match protocol {
        ServerProtocol::Http1 => None,
        ServerProtocol::Http2 => Some(vec![b"h2".to_vec()]),
    }
}

fn own_hello(step: &Step) -> Option<&CheckHello> {
    match &step.action {
        Action::Connect(connect) => connect.hello.as_ref(),
        Action::Send(_) | Action::Expect(_) | Action::Http(_) | Action::Protocol(_) => None,
    }
}

fn build(
    cx: &mut Reader<'_>,
    server: &Spanned<String>,
    host: Option<&str>,
    tls: &ServerTls,
    (sni, alpn): (Option<&str>, Option<&Vec<Vec<u8>>>),
) -> Option<Arc<Connector>> {
    let crl = || tls.crl.clone().unwrap_or_default();
    let auth = match (tls.verify.unwrap_or(true), &tls.ca) {
        (false, _) => ServerAuth::None,
        (true, Some(ca)) => ServerAuth::Required(ca.clone(), crl()),
        (true, None) => ServerAuth::Required(of_system(cx, server.span)?, crl()),
    };
    let made = Connector::new(ConnectorConfig {
        auth,
        sni,
        verifyhost: tls.verifyhost.as_ref().map(|s| s.value.as_str()),
        host,
        policy: tls.policy.clone().unwrap_or_default(),
        alpn: alpn.cloned().unwrap_or_default(),
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
