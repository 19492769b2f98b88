//! `[defaults]`, `[profile.X]`, `[frontend.X]`, `[backend.X]` and `[listen.X]`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::plan::{ForwardedFor, Mode};

use super::{
    balance, check, compression, condition, cookie, errorfile, http, log, route, rule, server, stats, stick,
    tcp, template, tls, watch,
};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{Bind, BindDraft, Profile, Proxy, Side};
use crate::config::keys::{self, Key};
use crate::config::model::{Global, GlobalTls};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::{HowChecked, HttpChecks, Log, ServerSettings, Settings, Timeouts};
use crate::config::source::{Span, Spanned};
use crate::config::value;

/// Reads `[defaults]`.
pub(super) fn defaults(cx: &mut Reader<'_>, mut t: Fields<'_>, global: &Global) -> Settings {
    let settings = settings(cx, &mut t, global);
    t.finish(cx);
    settings
}

/// Reads one `[profile.X]`.
pub(super) fn profile(cx: &mut Reader<'_>, at: Span, node: Node<'_>, global: &Global) -> Option<Profile> {
    let mut t = Fields::of(cx, &keys::PROFILE, at, node)?;
    let from = t.read(cx, "from", Reader::text);
    let settings = settings(cx, &mut t, global);
    t.finish(cx);
    Some(Profile { at, from, settings })
}

/// Reads one frontend, backend or listen.
pub(super) fn proxy(
    cx: &mut Reader<'_>,
    name: Spanned<String>,
    side: Side,
    node: Node<'_>,
    global: &Global,
) -> Option<Proxy> {
    let section = match side {
        Side::Frontend => &keys::FRONTEND,
        Side::Backend => &keys::BACKEND,
        Side::Listen => &keys::LISTEN,
    };
    let mut t = Fields::of(cx, section, name.span, node)?;
    let from = t.read(cx, "from", Reader::text);
    let mut settings = settings(cx, &mut t, global);
    let backend_maxconn = if side == Side::Backend { settings.maxconn.take() } else { None };
    let of_http =
        keys::OF_HTTP.iter().filter_map(|name| Some(Spanned::new(*name, t.key_span(name)?))).collect();
    let binds =
        if side.is_front() { binds(cx, &mut t, side, &name, global.tls.as_ref()) } else { Vec::new() };
    let mut servers = Vec::new();
    if side.is_back() {
        servers = t.read(cx, "server", server::servers).unwrap_or_default();
        servers.extend(t.read(cx, "server_template", template::servers).unwrap_or_default());
    }
    let stick = t.known(cx, "stick", stick::rules).unwrap_or_default();
    let acl = if t.section.key("acl").is_some() { super::named(cx, &mut t, "acl") } else { Vec::new() };
    let acl = condition::named(cx, acl);
    let tcp_rules = tcp::rules(cx, &mut t);
    let rules = rule::rules(cx, &mut t, global.bufsize);
    let response_rules = rule::response_rules(cx, &mut t, global.bufsize);
    let routing = route::routing(cx, &mut t);
    let stats = t.known(cx, "stats", stats::page);
    t.finish(cx);
    Some(Proxy {
        name,
        side,
        from,
        settings,
        backend_maxconn,
        of_http,
        binds,
        servers,
        stick,
        acl,
        tcp_rules,
        rules,
        response_rules,
        routing,
        stats,
    })
}

/// The keys with defaults, as far as the section has them.
fn settings(cx: &mut Reader<'_>, t: &mut Fields<'_>, global: &Global) -> Settings {
    let mode = t.read(cx, "mode", Reader::word);
    let (mut server, server_tls, watch, place) =
        t.known(cx, "default_server", server::default_server).unwrap_or_default();
    let check = how_checked(cx, t, &mut server);
    Settings {
        mode: mode.map(|w| if w.value == "tcp" { Mode::Tcp } else { Mode::Http }),
        timeout: t.read(cx, "timeout", timeouts).unwrap_or_default(),
        forwardfor: t.read(cx, "forwardfor", forwardfor),
        compression: t.known(cx, "compression", compression::compression),
        dontlognull: t.known(cx, "dontlognull", Reader::bool).map(|b| b.value),
        log: t.known(cx, "log", |cx, key, node| Some(logging(cx, key, node))),
        log_format: t
            .known(cx, "log_format", |cx, key, node| cx.parsed(key, node, log::format))
            .map(|f| f.value),
        records: log::records(cx, t),
        errorfile: t
            .read(cx, "errorfile", |cx, key, node| errorfile::errorfiles(cx, key, node, global.bufsize))
            .unwrap_or_default(),
        default_backend: t.known(cx, "default_backend", Reader::text),
        maxconn: t.known(cx, "maxconn", Reader::int).map(|n| n.value),
        balance: t.known(cx, "balance", balance::balance),
        hash: balance::hashing(cx, t),
        fullconn: t.known(cx, "fullconn", Reader::int).map(|n| n.value),
        cookie: t.known(cx, "cookie", cookie::cookie),
        retries: t.known(cx, "retries", Reader::int).map(|n| n.value),
        redispatch: t.known(cx, "redispatch", balance::redispatch),
        allbackups: t.known(cx, "allbackups", Reader::bool).map(|b| b.value),
        http: http::settings(cx, t),
        check,
        http_checks: HttpChecks {
            disable_on_404: t.known(cx, "disable_on_404", Reader::bool),
            send_state: t.known(cx, "send_state", Reader::bool),
        },
        server,
        server_tls,
        server_place: place,
        watch,
        ejection: t.known(cx, "outlier_ejection", watch::ejection),
    }
}

/// `check` and `httpchk`. A section that says how servers are checked also says that they are, unless its
/// `default_server` says otherwise.
fn how_checked(cx: &mut Reader<'_>, t: &mut Fields<'_>, server: &mut ServerSettings) -> Option<HowChecked> {
    let httpchk = t.known(cx, "httpchk", check::httpchk);
    let how = match t.known(cx, "check", |cx, key, node| check::check(cx, key, node, httpchk.as_ref())) {
        Some(how) => Some(how),
        None => httpchk.map(|h| check::by_request(h.value)),
    };
    if let Some(how) = &how
        && server.check.is_none()
    {
        server.check = Some(!matches!(how, HowChecked::Off));
    }
    how
}

fn logging(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Log {
    match node.value.as_bool() {
        Some(true) => Log::Global,
        Some(false) => Log::Off,
        None => Log::Own(log::targets(cx, key, node)),
    }
}

fn timeouts(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Timeouts> {
    let mut t = Fields::of(cx, key.ty.section()?, node.key, node)?;
    let mut read = |name| t.known(cx, name, Reader::duration).map(|d: Spanned<Duration>| d.value);
    let timeouts = Timeouts {
        connect: read("connect"),
        client: read("client"),
        server: read("server"),
        http_request: read("http_request"),
        http_keep_alive: read("http_keep_alive"),
        queue: read("queue"),
        tunnel: read("tunnel"),
        client_fin: read("client_fin"),
        tarpit: read("tarpit"),
        server_fin: read("server_fin"),
        check: read("check"),
    };
    t.finish(cx);
    Some(timeouts)
}

fn forwardfor(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Option<ForwardedFor>> {
    let plain = ForwardedFor { header: "X-Forwarded-For".to_owned(), except: Vec::new(), if_none: false };
    if let Some(on) = node.value.as_bool() {
        return Some(on.then_some(plain));
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, None);
        return None;
    }
    let mut t = Fields::of(cx, &keys::FORWARDFOR, node.key, node)?;
    let header = t.read(cx, "header", |cx, key, node| {
        let name = cx.text(key, node)?;
        if value::is_token(&name.value) {
            return Some(name.value);
        }
        let message = format!("{} is not the name of a header field", shown(&name.value));
        cx.push(Diagnostic::error(Code::BadValue, name.span, message));
        None
    });
    let except = t.read(cx, "except", |cx, key, node| {
        let nets = node.one_or_many().into_iter();
        Some(nets.filter_map(|n| cx.address(key, n, value::network)).map(|n| n.value).collect())
    });
    let if_none = t.read(cx, "if_none", Reader::bool);
    t.finish(cx);
    Some(Some(ForwardedFor {
        header: header.unwrap_or(plain.header),
        except: except.unwrap_or_default(),
        if_none: if_none.is_some_and(|b| b.value),
    }))
}

fn binds(
    cx: &mut Reader<'_>,
    t: &mut Fields<'_>,
    side: Side,
    name: &Spanned<String>,
    tls: Option<&GlobalTls>,
) -> Vec<Spanned<BindDraft>> {
    let Some((key, node)) = t.take(cx, "bind") else {
        let message = format!("{} {} has no `bind`: nothing can reach it", side.as_str(), shown(&name.value));
        cx.push_absence(Diagnostic::error(Code::NoBind, name.span, message).help("bind = [\"*:80\"]"));
        return Vec::new();
    };
    let all = node.one_or_many();
    if all.is_empty() {
        let message = format!("{} has an empty `bind`: nothing can reach it", shown(&name.value));
        cx.push(Diagnostic::error(Code::NoBind, node.span, message));
    }
    all.into_iter().filter_map(|n| bind(cx, key, n, tls)).collect()
}

fn bind(
    cx: &mut Reader<'_>,
    key: &'static Key,
    node: Node<'_>,
    tls: Option<&GlobalTls>,
) -> Option<Spanned<BindDraft>> {
    if node.value.as_str().is_some() {
        let addrs = cx.address(key, node, value::bind)?;
        return Some(addrs.map(|a| BindDraft {
            at: Bind::Addrs(a),
            tls: None,
            alpn_said: false,
            accept_proxy: Arc::default(),
        }));
    }
    if node.value.as_table().is_none() {
        cx.wrong_type(key, node, Some("\"*:80\" or { vip = \"VI_1\", port = 80 }".to_owned()));
        return None;
    }
    let mut t = Fields::of(cx, &keys::BIND, node.key, node)?;
    let addr = t.read(cx, "addr", |cx, key, node| cx.address(key, node, value::bind));
    let (addr_said, vip_said) = (t.has("addr"), t.has("vip"));
    let vip = t.read(cx, "vip", Reader::text);
    let port = t.read(cx, "port", Reader::int::<u16>);
    let (at, port_said) = (node.span, t.has("port"));
    let tls = tls::bind(cx, &mut t, tls, at);
    let alpn_said = t.has("alpn");
    let accept_proxy = t.read(cx, "accept_proxy", accept_proxy).unwrap_or_default();
    t.finish(cx);
    let draft = |bind| Some(Spanned::new(BindDraft { at: bind, tls, alpn_said, accept_proxy }, at));
    match (addr_said, vip_said, port_said) {
        (true, false, false) => draft(Bind::Addrs(addr?.value)),
        (false, true, true) => draft(Bind::Router(vip?, port?.value)),
        (false, false, _) => {
            cx.push_absence(Diagnostic::error(
                Code::MissingKey,
                at,
                "a bind needs `addr`, or `vip` and `port`",
            ));
            None
        }
        (true, _, _) => {
            let message = "a bind has either `addr`, or `vip` and `port`";
            cx.push(Diagnostic::error(Code::BadCombination, at, message).help("the port is part of `addr`"));
            None
        }
        (false, true, false) => {
            cx.push_absence(Diagnostic::error(Code::MissingKey, at, "a bind to a `vip` needs a `port`"));
            None
        }
    }
}

/// Networks of proxies. HAProxy's `accept-proxy` trusts everybody, and that has to be said here.
fn accept_proxy(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Arc<[(IpAddr, u8)]>> {
    if node.value.as_bool().is_some() {
        cx.wrong_type(key, node, Some("accept_proxy = [\"192.0.2.0/24\"]: where the proxies are".to_owned()));
        return None;
    }
    let networks = node.one_or_many().into_iter().filter_map(|n| cx.address(key, n, value::network));
    Some(networks.map(|n| n.value).collect())
}
