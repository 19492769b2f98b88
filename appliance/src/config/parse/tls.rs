//! TLS: certificates, authorities and algorithms, all of which are read and checked here, so that what is accepted works.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::tls::acceptor::{Acceptor, AcceptorConfig, ClientAuth, Sessions, Tickets};
use evenkeel_proxy::tls::bundle::Files;
use evenkeel_proxy::tls::certificates::UnknownName;
use evenkeel_proxy::tls::suites::{Curve, Suite, Version};
use evenkeel_proxy::tls::trust::{Authorities, Revocations};
use evenkeel_proxy::tls::{Certificate, Certificates, Policy, TlsError};

use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::environment::{External, FetchError, Privacy};
use crate::config::keys::{self, Key};
use crate::config::model::GlobalTls;
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::ServerTls;
use crate::config::source::{Span, Spanned};
use crate::config::suggest::nearest;

/// Reads `tls` of `[global]`; what is missing or wrong gets its default.
pub(super) fn global(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<GlobalTls> {
    let said = t.read(cx, "tls", |cx, _, node| {
        let mut t = Fields::of(cx, &keys::TLS, node.key, node)?;
        let policy = policy(cx, &mut t, &Policy::default(), ["min_ver", "max_ver"], true);
        let tickets = t.read(cx, "tls_tickets", Reader::bool).is_none_or(|b| b.value);
        let cache = t.read(cx, "cache_size", Reader::int).map_or(CACHE, |n| n.value);
        let lifetime = t.read(cx, "cache_lifetime", Reader::duration).map_or(Sessions::LIFETIME, |d| d.value);
        let timeout = t.read(cx, "handshake_timeout", Reader::duration).map_or(HANDSHAKE, |d| d.value);
        t.finish(cx);
        let tickets = if tickets { Tickets::On } else { Tickets::Off };
        Some((policy, (tickets, cache, lifetime), timeout, node.span))
    });
    let usual = (Tickets::On, CACHE, Sessions::LIFETIME);
    let none = || (Policy::default(), usual, HANDSHAKE, Span::default());
    let (policy, (tickets, cache, lifetime), handshake_timeout, at) = said.unwrap_or_else(none);
    match Sessions::lasting(tickets, cache, lifetime) {
        Ok(sessions) => Some(GlobalTls { policy, sessions, handshake_timeout }),
        Err(error) => {
            refused(cx, at, &error);
            None
        }
    }
}

/// The TLS keys of a bind. `None`: it speaks clear text, or something is wrong and reported.
pub(super) fn bind(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    global: Option<&GlobalTls>,
    at: Span,
) -> Option<Arc<Acceptor>> {
    let errors = cx.errors;
    let ssl = t.read(cx, "ssl", Reader::bool).is_some_and(|b| b.value);
    let certificates = t.read(cx, "crt", certificates);
    let strict = t.read(cx, "strict_sni", Reader::bool).is_some_and(|b| b.value);
    let alpn = t.read(cx, "alpn", alpn);
    let (verify, ca) = (t.read(cx, "verify", Reader::word), t.read(cx, "ca_file", authorities));
    let crl = t.read(cx, "crl_file", revocations);
    let base = global.map(|g| g.policy.clone()).unwrap_or_default();
    let policy = policy(cx, t, &base, ["ssl_min_ver", "ssl_max_ver"], true);
    let said = keys::BIND_TLS.iter().find(|k| **k != "ssl" && t.has(k));
    if let (false, Some(key)) = (ssl, said) {
        let message = format!("a bind with `{key}` and without `ssl = true` speaks clear text");
        cx.push(Diagnostic::error(Code::Tls, at, message).help("ssl = true"));
    }
    if ssl && !t.has("crt") {
        let d = Diagnostic::error(Code::Tls, at, "a bind with `ssl` needs a certificate");
        cx.push_absence(d.help("crt = [\"/etc/evenkeel/certs/\"]"));
    }
    let client_auth = client_auth(cx, at, verify, ca, crl);
    if !ssl || cx.errors > errors {
        return None;
    }
    let unknown = if strict { UnknownName::Refuse } else { UnknownName::First };
    let global = global?;
    let acceptor = Acceptor::new(AcceptorConfig {
        certificates: Certificates::new(&certificates?, unknown),
        policy,
        alpn: alpn.unwrap_or_else(|| vec![b"h2".to_vec(), b"http/1.1".to_vec()]),
        client_auth,
        sessions: global.sessions.clone(),
        handshake_timeout: global.handshake_timeout,
    });
    acceptor.map(Arc::new).map_err(|error| refused(cx, at, &error)).ok()
}

fn client_auth(
    cx: &mut Reader<'_>,
    at: Span,
    verify: Option<Spanned<&str>>,
    ca: Option<Authorities>,
    crl: Option<Revocations>,
) -> ClientAuth {
    let asks = verify.filter(|v| v.value != "none");
    match (asks, ca) {
        (None, None) if crl.is_none() => ClientAuth::None,
        (None, _) => {
            let message = "`ca_file` and `crl_file` of a bind are about clients' certificates, for which it does not ask";
            cx.push(Diagnostic::error(Code::Tls, at, message).help("verify = \"required\" or \"optional\""));
            ClientAuth::None
        }
        (Some(verify), None) => {
            let message =
                format!("`verify = \"{}\"` needs `ca_file`: whose certificates are good", verify.value);
            cx.push_absence(Diagnostic::error(Code::Tls, verify.span, message));
            ClientAuth::None
        }
        (Some(verify), Some(ca)) => match verify.value {
            "optional" => ClientAuth::Optional(ca, crl.unwrap_or_default()),
            _ => ClientAuth::Required(ca, crl.unwrap_or_default()),
        },
    }
}

/// The TLS keys of a server or of `default_server`.
pub(super) fn server(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> ServerTls {
    let said = keys::SERVER_POLICY.iter().any(|k| t.has(k));
    let policy = policy(cx, t, &Policy::default(), ["ssl_min_ver", "ssl_max_ver"], false);
    ServerTls {
        ssl: t.read(cx, "ssl", Reader::bool).map(|b| b.value),
        verify: t.read(cx, "verify", Reader::word).map(|v| v.value == "required"),
        ca: t.read(cx, "ca_file", authorities),
        crl: t.read(cx, "crl_file", revocations),
        sni: t.read(cx, "sni", Reader::text),
        verifyhost: t.read(cx, "verifyhost", Reader::text),
        alpn: t.read(cx, "alpn", alpn),
        check_ssl: t.read(cx, "check_ssl", Reader::bool).map(|b| b.value),
        check_sni: t.read(cx, "check_sni", Reader::text),
        check_alpn: t.read(cx, "check_alpn", alpn),
        certificate: t.read(cx, "crt", |cx, key, node| {
            let path = cx.text(key, node)?;
            file(cx, Path::new(&path.value), path.span).map(Arc::new)
        }),
        policy: said.then_some(policy),
    }
}

fn policy(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    base: &Policy,
    [min, max]: [&'static str; 2],
    ordered: bool,
) -> Policy {
    let min = t.read(cx, min, Reader::word).map(|w| w.map(version));
    let max = t.read(cx, max, Reader::word).map(|w| w.map(version));
    let ciphers = t.read(cx, "ciphers", |cx, key, node| Some(suites(cx, key, node, Version::Tls12)));
    let ciphersuites =
        t.read(cx, "ciphersuites", |cx, key, node| Some(suites(cx, key, node, Version::Tls13)));
    let curves = t.read(cx, "curves", curves);
    // A server's order is its own affair.
    let prefer = if ordered { t.read(cx, "prefer_client_ciphers", Reader::bool) } else { None };
    let order_said = ciphers.is_some() || ciphersuites.is_some();
    let policy = Policy {
        min: min.map_or(base.min, |v| v.value),
        max: max.map_or(base.max, |v| v.value),
        prefer_client_ciphers: prefer.map_or(base.prefer_client_ciphers && !order_said, |b| b.value),
        ciphers: ciphers.unwrap_or_else(|| base.ciphers.clone()),
        ciphersuites: ciphersuites.unwrap_or_else(|| base.ciphersuites.clone()),
        curves: curves.unwrap_or_else(|| base.curves.clone()),
    };
    if let Some(at) = min.or(max).filter(|_| policy.min > policy.max) {
        let message = "the least version of TLS is above the greatest";
        cx.push(Diagnostic::error(Code::BadCombination, at.span, message));
    }
    policy
}

fn version(word: &str) -> Version {
    if word == "TLSv1.3" { Version::Tls13 } else { Version::Tls12 }
}

/// The elements of an array of texts, or of one text with separators.
fn listed(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>, separator: char) -> Vec<Spanned<String>> {
    let mut all = Vec::new();
    for node in node.one_or_many() {
        if let Some(text) = cx.text(key, node) {
            let parts = text.value.split(separator).map(str::trim).filter(|p| !p.is_empty());
            all.extend(parts.map(|p| Spanned::new(p.to_owned(), text.span)));
        }
    }
    all
}

fn suites(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>, version: Version) -> Vec<Suite> {
    let said = listed(cx, key, node, ':');
    let found: Vec<_> = said.iter().filter_map(|name| suite(cx, key, name, version)).collect();
    if said.is_empty() {
        let message = format!("`{}` is empty: no client could connect", key.name);
        cx.push(Diagnostic::error(Code::Cipher, node.span, message));
    }
    found
}

fn suite(cx: &mut Reader<'_>, key: &Key, name: &Spanned<String>, version: Version) -> Option<Suite> {
    match Suite::named(&name.value, version) {
        Ok(suite) => Some(suite),
        Err(why) => {
            let message = format!("`{}`: {} {why}", key.name, shown(&name.value));
            let names: Vec<&str> = Suite::names(version).collect();
            let meant =
                nearest(&name.value, names.iter().copied()).map(|n| format!("a similar one is `{n}`"));
            let d = Diagnostic::error(Code::Cipher, name.span, message).help_if(meant);
            cx.push(d.help(format!("`{}` can be: {}", key.name, names.join(", "))));
            None
        }
    }
}

fn curves(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Curve>> {
    let mut found = Vec::new();
    let said = listed(cx, key, node, ':');
    if said.is_empty() {
        let message = "`curves` is empty: no client could connect";
        cx.push(Diagnostic::error(Code::Cipher, node.span, message));
    }
    for name in said {
        match Curve::named(&name.value) {
            Some(curve) => found.push(curve),
            None => {
                let message = format!("`curves`: {} is not supported", shown(&name.value));
                let names: Vec<&str> = Curve::names().collect();
                let d = Diagnostic::error(Code::Cipher, name.span, message);
                cx.push(d.help(format!("curves: {}", names.join(", "))));
            }
        }
    }
    Some(found)
}

pub(super) fn alpn(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Vec<u8>>> {
    protocols(cx, key, node, PROTOCOLS)
}

fn protocols(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    spoken: &[&str],
) -> Option<Vec<Vec<u8>>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for name in listed(cx, key, node, ',') {
        if spoken.contains(&name.value.as_str()) {
            found.push(name.value.into_bytes());
        } else {
            let message =
                format!("`{}`: {} is not a protocol that is spoken here", key.name, shown(&name.value));
            let d = Diagnostic::error(Code::BadValue, name.span, message);
            cx.push(d.help(format!("protocols: {}", spoken.join(", "))));
        }
    }
    Some(found)
}

fn authorities(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Authorities> {
    let path = cx.text(key, node)?;
    let pem = fetch(cx, Path::new(&path.value), Privacy::Public, path.span)?;
    Authorities::read(&pem).map_err(|e| bad_file(cx, &path, &e)).ok()
}

fn revocations(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Revocations> {
    let path = cx.text(key, node)?;
    let pem = fetch(cx, Path::new(&path.value), Privacy::Public, path.span)?;
    let lists = Revocations::read(&pem).map_err(|e| bad_file(cx, &path, &e)).ok()?;
    if cx.externals.now().is_some_and(|now| lists.is_outdated(now)) {
        let message =
            format!("a list in {} is past its time: nobody of its authority is believed", shown(&path.value));
        cx.push(Diagnostic::warning(Code::Certificate, path.span, message));
    }
    Some(lists)
}

fn bad_file(cx: &mut Reader<'_>, path: &Spanned<String>, error: &TlsError) {
    cx.push(Diagnostic::error(Code::Certificate, path.span, format!("{}: {error}", shown(&path.value))));
}

fn refused(cx: &mut Reader<'_>, at: Span, error: &TlsError) {
    cx.push(Diagnostic::error(Code::Refused, at, error.to_string()));
}

/// All certificates of `crt`: of files, and of directories in the order of their names.
fn certificates(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<Certificate>> {
    let mut all = Vec::new();
    for node in node.one_or_many() {
        let Some(path) = cx.text(key, node) else { continue };
        let (at, path) = (path.span, PathBuf::from(path.value));
        match cx.externals.list(&path) {
            Ok(names) => all.extend(directory(cx, &path, names, at)),
            // Not a directory: what it is shows when it is read.
            Err(_) => all.extend(file(cx, &path, at)),
        }
    }
    Some(all)
}

fn directory(cx: &mut Reader<'_>, dir: &Path, mut names: Vec<String>, at: Span) -> Vec<Certificate> {
    names.retain(|n| !n.starts_with('.') && !BESIDE.iter().any(|e| n.ends_with(e)));
    names.sort();
    let mut found = Vec::new();
    let errors = cx.errors;
    for name in names {
        let path = dir.join(name);
        // A directory in a directory is passed over, as by HAProxy.
        if cx.externals.list(&path).is_err() {
            found.extend(file(cx, &path, at));
        }
    }
    if found.is_empty() && cx.errors == errors {
        let message = format!("there is no certificate in {}", shown(&dir.to_string_lossy()));
        cx.push(Diagnostic::error(Code::Certificate, at, message));
    }
    found
}

/// A certificate, its key, and what lies beside them.
fn file(cx: &mut Reader<'_>, path: &Path, at: Span) -> Option<Certificate> {
    let pem = fetch(cx, path, Privacy::Key, at)?;
    let beside = |cx: &mut Reader<'_>, extension: &str| -> Option<PathBuf> {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let names = cx.externals.list(dir).ok()?;
        let name = path.file_name()?.to_str()?;
        let stem = path.file_stem()?.to_str()?;
        let candidates = [format!("{name}.{extension}"), format!("{stem}.{extension}")];
        candidates.into_iter().find(|c| c != name && names.contains(c)).map(|c| path.with_file_name(c))
    };
    let key = match beside(cx, "key") {
        Some(path) if !evenkeel_proxy::tls::bundle::holds_key(&pem) => {
            Some(fetch(cx, &path, Privacy::Key, at)?)
        }
        Some(_) | None => None,
    };
    let ocsp = match beside(cx, "ocsp") {
        Some(path) => Some(fetch(cx, &path, Privacy::Public, at)?),
        None => None,
    };
    let read = Certificate::read(Files { pem: &pem, key: key.as_deref(), ocsp: ocsp.as_deref() });
    let name = path.to_string_lossy();
    match read {
        Ok(certificate) => {
            let trouble = |now| certificate.staple().and_then(|staple| staple.trouble(now));
            if let Some(trouble) = cx.externals.now().and_then(trouble) {
                let message =
                    format!("the OCSP response beside {} {trouble}: it is not stapled", shown(&name));
                cx.push(Diagnostic::warning(Code::Certificate, at, message));
            }
            Some(certificate.named(&name))
        }
        Err(why) => {
            cx.push(Diagnostic::error(Code::Certificate, at, format!("{} {why}", shown(&name))));
            None
        }
    }
}

fn fetch(cx: &mut Reader<'_>, path: &Path, privacy: Privacy, at: Span) -> Option<Vec<u8>> {
    match cx.externals.fetch(&External::Tls(path.to_owned()), privacy, MAX_BYTES) {
        Ok(bytes) => Some(bytes),
        Err(FetchError::Unreadable(why)) => {
            cx.push(Diagnostic::error(Code::Unreadable, at, format!("cannot read {why}")));
            None
        }
        Err(FetchError::Exposed(mode)) => {
            let path = path.to_string_lossy();
            let message = format!(
                "the private key in {} is open to every user of this machine (mode {mode:04o})",
                shown(&path)
            );
            cx.push(Diagnostic::error(Code::SecretExposed, at, message).help(format!("chmod o= {path}")));
            None
        }
    }
}

/// What the data plane speaks inside TLS.
const PROTOCOLS: &[&str] = &["h2", "http/1.1", "http/1.0"];

/// Files that belong to a certificate of the same name, with HAProxy's extensions.
const BESIDE: &[&str] = &[".key", ".ocsp", ".issuer", ".sctl"];

/// The authorities of a system are a quarter of a megabyte, and revocation lists can be larger.
const MAX_BYTES: u64 = 64 << 20;

/// HAProxy's `tune.ssl.cachesize`.
const CACHE: usize = 20_000;

const HANDSHAKE: Duration = Duration::from_secs(5);
