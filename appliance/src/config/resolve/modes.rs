//! What goes with `mode`, and what does not.

use evenkeel_proxy::plan::{LogFormat, Mode, ServerProtocol, TcpRules};
use evenkeel_proxy::rules::Scope;
use evenkeel_proxy::sticky::StickKey;

use super::conditions::looks_at;
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{On, Proxy, ServerDraft};
use crate::config::model::{Backend, Frontend, Listening, Route, RouteTo, Server};
use crate::config::read::{Reader, shown};
use crate::config::settings::{ServerTls, Settings};
use crate::config::source::{Span, Spanned};

/// Refuses what concerns HTTP in a section of mode tcp.
pub(super) fn check_keys(cx: &mut Reader<'_>, proxy: &Proxy, mode: Mode) {
    if mode == Mode::Http {
        return;
    }
    let name = shown(&proxy.name.value);
    for key in &proxy.of_http {
        let message = format!("`{}` concerns HTTP, and {name} is of mode tcp", key.value);
        cx.push(Diagnostic::error(Code::Mode, key.span, message));
    }
    let own = &proxy.settings.timeout;
    let timers = [("http_request", own.http_request), ("http_keep_alive", own.http_keep_alive)];
    for (timer, _) in timers.iter().filter(|(_, said)| said.is_some()) {
        let message = format!("timeout `{timer}` concerns HTTP, and {name} is of mode tcp");
        cx.push(Diagnostic::error(Code::Mode, proxy.name.span, message));
    }
}

/// Refuses rules that look at what is not to be seen: a ClientHello in mode http or where TLS is ended, requests in mode
/// tcp. And to wait for a hello that nobody asks for.
pub(super) fn check_routing(
    cx: &mut Reader<'_>,
    proxy: &Proxy,
    routes: &[Route],
    mode: Mode,
    binds: &[Spanned<Listening>],
) {
    let name = shown(&proxy.name.value);
    let delay = proxy.routing.inspect_delay.as_ref().map(|d| d.span);
    let there: &[Scope] = match mode {
        Mode::Http => &[Scope::Connection, Scope::Session, Scope::Request],
        Mode::Tcp => &[Scope::Connection, Scope::Session, Scope::Content],
    };
    for route in routes {
        if let (RouteTo::Mapped { key, at, .. }, Mode::Tcp) = (&route.to, mode)
            && key.needs_more_than_connection()
        {
            let message = format!("this key is of requests, and {name} is of mode tcp");
            cx.push(Diagnostic::error(Code::Mode, *at, message).help("mode = \"http\""));
        }
        let Some(beyond) = route.when.beyond(there) else { continue };
        let looks_at = looks_at(beyond.scope());
        let message = format!(
            "this rule of `use_backend` looks at {looks_at}, and {name} is of mode {}",
            mode.as_str()
        );
        let other = match (beyond.scope(), mode) {
            (Scope::Response, _) => None,
            (_, Mode::Http) => Some("mode = \"tcp\"".to_owned()),
            (_, Mode::Tcp) => Some("mode = \"http\"".to_owned()),
        };
        cx.push(Diagnostic::error(Code::Mode, route.to.at(), message).help_if(other));
    }
    if let Some(span) = delay.filter(|_| mode == Mode::Http) {
        let message = format!("`inspect_delay` is for what is passed on, and {name} is of mode http");
        cx.push(Diagnostic::error(Code::Mode, span, message).help("mode = \"tcp\""));
    } else if let (None, Some(span)) = (proxy.routing.said, delay)
        && !proxy.tcp_rules.iter().any(|rule| rule.on == On::Content)
    {
        let message = "`inspect_delay` without `use_backend` and rules on content: nothing is waited for";
        cx.push(Diagnostic::error(Code::BadCombination, span, message));
    }
    if let (Some(span), Mode::Tcp) = (proxy.routing.said, mode)
        && routes.iter().any(|route| route.when.looks_at_hello())
    {
        check_passed_on(cx, proxy, "`use_backend`", span, binds);
    }
}

/// Refuses to look at TLS that is passed on where it is ended.
fn check_passed_on(cx: &mut Reader<'_>, proxy: &Proxy, what: &str, at: Span, binds: &[Spanned<Listening>]) {
    if let Some(bind) = binds.iter().find(|b| b.value.tls.is_some()) {
        let name = shown(&proxy.name.value);
        let message = format!("{what} looks at TLS that is passed on, and {name} ends it itself");
        let d = Diagnostic::error(Code::BadCombination, at, message).help("ssl_fc_sni, ssl_fc_alpn");
        cx.push(d.related(bind.span, "with `ssl`"));
    }
}

/// Refuses rules on content where that is requests, or hidden in TLS.
pub(super) fn check_content(
    cx: &mut Reader<'_>,
    proxy: &Proxy,
    rules: &TcpRules,
    mode: Mode,
    binds: &[Spanned<Listening>],
) {
    let Some(first) = proxy.tcp_rules.iter().find(|rule| rule.on == On::Content) else { return };
    if mode == Mode::Http {
        let message = format!("a rule on content, and {} is of mode http", shown(&proxy.name.value));
        cx.push(Diagnostic::error(Code::Mode, first.at, message).help("http_request"));
    } else if rules.content.iter().any(|rule| rule.when.looks_at_hello()) {
        check_passed_on(cx, proxy, "a rule on content", first.at, binds);
    }
}

/// Refuses to look for what only requests have in connections.
pub(super) fn check_stick(cx: &mut Reader<'_>, proxy: &Proxy, mode: Mode) {
    if mode == Mode::Http {
        return;
    }
    for rule in proxy.stick.iter().filter(|r| r.key != StickKey::Source) {
        let message = format!("a stick rule looks at HTTP, and {} is of mode tcp", shown(&proxy.name.value));
        cx.push(Diagnostic::error(Code::Mode, rule.table.span, message).help("on = \"src\""));
    }
}

/// Refuses a server that is to be spoken to in HTTP by a backend of mode tcp.
pub(super) fn check_protocol(cx: &mut Reader<'_>, server: &ServerDraft, mode: Mode) {
    if mode == Mode::Tcp && server.settings.protocol.is_some() {
        let name = shown(&server.name.value);
        let message = format!("`proto` concerns HTTP, and the backend of server {name} is of mode tcp");
        cx.push(Diagnostic::error(Code::Mode, server.name.span, message));
    }
}

/// Refuses to tell a server of HTTP/2 whose its connections are: requests of all clients share them.
pub(super) fn check_announced(cx: &mut Reader<'_>, server: &Server, how: &ServerTls, mode: Mode) {
    let is_h2 = server.protocol == ServerProtocol::Http2;
    let may_become_h2 = how.alpn.as_ref().is_some_and(|names| names.iter().any(|n| n == b"h2"));
    if mode == Mode::Tcp || server.send_proxy.is_none() || !(is_h2 || may_become_h2) {
        return;
    }
    let said = if is_h2 { "`proto = \"h2\"`" } else { "`alpn` with \"h2\"" };
    let message = format!(
        "server {}: {said} does not go with `send_proxy`: requests of all clients share connections of HTTP/2",
        shown(&server.name.value)
    );
    cx.push(Diagnostic::error(Code::BadCombination, server.name.span, message));
}

/// The line format of a frontend. One that a default says for the other mode does not hold.
pub(super) fn log_format(cx: &mut Reader<'_>, proxy: &Proxy, settings: &Settings, mode: Mode) -> LogFormat {
    let usual = match mode {
        Mode::Http => LogFormat::Httplog,
        Mode::Tcp => LogFormat::Tcplog,
    };
    if let Some(what) = proxy.settings.log_format.as_ref().and_then(|format| alien(format, mode)) {
        let message = format!(
            "log_format {what} is not for {}, which is of mode {}",
            shown(&proxy.name.value),
            mode.as_str()
        );
        cx.push(Diagnostic::error(Code::Mode, proxy.name.span, message));
    }
    settings.log_format.clone().filter(|format| alien(format, mode).is_none()).unwrap_or(usual)
}

/// What of a format a mode has not got.
pub(in crate::config) fn alien(format: &LogFormat, mode: Mode) -> Option<String> {
    match (format, mode) {
        (LogFormat::Tcplog, Mode::Http) => Some("\"tcplog\"".to_owned()),
        (LogFormat::Httplog, Mode::Tcp) => Some("\"httplog\"".to_owned()),
        (LogFormat::Custom(format), Mode::Tcp) => format.of_http().map(|field| format!("with `{field}`")),
        (LogFormat::Tcplog | LogFormat::Httplog | LogFormat::Json | LogFormat::Custom(_), _) => None,
    }
}

/// Refuses a frontend whose backend is of another mode.
pub(super) fn check_routes(cx: &mut Reader<'_>, frontends: &[Frontend], backends: &[Backend]) {
    for frontend in frontends {
        let routes = frontend.routes.iter().flat_map(|r| r.to.backends());
        for to in frontend.default_backend.iter().chain(routes) {
            let Some(backend) = backends.iter().find(|b| b.name.value == to.value) else { continue };
            if backend.mode == frontend.mode {
                continue;
            }
            let message = format!(
                "frontend {} is of mode {}, and backend {} is of mode {}",
                shown(&frontend.name.value),
                frontend.mode.as_str(),
                shown(&backend.name.value),
                backend.mode.as_str()
            );
            let d = Diagnostic::error(Code::Mode, to.span, message);
            cx.push(d.related(backend.name.span, "the backend"));
        }
    }
}

/// What becomes of clients that nobody serves.
pub(super) fn fate(mode: Mode) -> &'static str {
    match mode {
        Mode::Http => "every request gets 503",
        Mode::Tcp => "every connection is closed",
    }
}
