//! Frontends and backends with their defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evenkeel_proxy::access_log::{Destination, Fields, LogTarget};
use evenkeel_proxy::names::Resolvers;
use evenkeel_proxy::page::StatsPage;
use evenkeel_proxy::plan::{AdminState, Mode, ServerAddr, TcpAction, TcpRule, TcpRules};
use evenkeel_proxy::rules::{Action, Edit, ResponseAction, ResponseRule, ResponseRules, Rule};
use evenkeel_proxy::sticky::{Cookie, StickKey, StickRule};
use evenkeel_proxy::table::{KeyType, TableConfig};

use super::conditions::{Matchers, Stand, check_scope};
use super::profiles::undefined;
use super::{balance, counted, modes, place, stats, tls, watch};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::{
    On, Proxy, ResponseRuleDraft, RouteDraft, RuleDraft, ServerDraft, Side, StickDraft, TcpActionDraft,
};
use crate::config::model::{Backend, Frontend, Global, Listening, Route, Server};
use crate::config::read::{Reader, shown};
use crate::config::settings::{Log, Settings};
use crate::config::source::Spanned;

/// Frontends and listens share names, and so do backends and listens.
pub(super) fn check_names(cx: &mut Reader<'_>, proxies: &[Proxy]) {
    let mut seen: BTreeMap<&str, Vec<&Proxy>> = BTreeMap::new();
    for p in proxies {
        let others = seen.entry(&p.name.value).or_default();
        let halves =
            |q: &&Proxy| (p.side.is_front() && q.side.is_front()) || (p.side.is_back() && q.side.is_back());
        let clash = others.iter().copied().find(halves);
        others.push(p);
        if let Some(first) = clash {
            let name = shown(&p.name.value);
            let message =
                format!("{} {name} and {} {name} have the same name", first.side.as_str(), p.side.as_str());
            let d = Diagnostic::error(Code::Duplicate, p.name.span, message).label("again here");
            cx.push(d.related(first.name.span, "first here"));
        }
    }
}

/// What is asked of what comes to a section, in the order in which it is.
#[derive(Debug, Default)]
pub(super) struct Asked {
    rules: Vec<Rule>,
    response_rules: Vec<ResponseRule>,
    routes: Vec<Route>,
    stats: Option<StatsPage>,
    tcp_rules: TcpRules,
}

/// What its `http_request` and `use_backend` say.
pub(super) fn asked(cx: &mut Reader<'_>, proxy: &Proxy, matchers: &Matchers<'_>) -> Asked {
    let own = Matchers::new(cx, &proxy.acl, Some(matchers), matchers.there);
    let rules = rules(cx, &proxy.rules, &own);
    let rules = captured(cx, proxy, rules);
    let response_rules = response_rules(cx, &proxy.response_rules, &own);
    let route = |draft: &RouteDraft| {
        let when = own.resolve(cx, &draft.when)?;
        Some(Route { when, to: draft.to.clone() })
    };
    let routes = proxy.routing.routes.iter().filter_map(route).collect();
    let stats = stats::page(cx, proxy, &own);
    let tcp_rules = tcp_rules(cx, proxy, &own);
    Asked { rules, response_rules, routes, stats, tcp_rules }
}

/// The same with a place for what each of them captures.
fn captured(cx: &mut Reader<'_>, proxy: &Proxy, mut rules: Vec<Rule>) -> Vec<Rule> {
    let capture = |action: &Action| matches!(action, Action::Edit(Edit::Capture { .. }));
    if proxy.side == Side::Backend
        && let Some(draft) = proxy.rules.iter().find(|draft| draft.actions.iter().any(capture))
    {
        let message = "a rule of a backend has no record of its own to `capture` for";
        let help = "capture in `http_request` of its frontends, or `set_var` and `${var(NAME)}` in their `log_format`";
        cx.push(Diagnostic::error(Code::BadCombination, draft.at, message).help(help));
    }
    let mut next = 0;
    for rule in &mut rules {
        if let Action::Edit(Edit::Capture { place, .. }) = &mut rule.action {
            *place = next;
            next = next.saturating_add(1);
        }
    }
    rules
}

fn rules(cx: &mut Reader<'_>, drafts: &[RuleDraft], matchers: &Matchers<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for draft in drafts {
        match matchers.resolve(cx, &draft.when) {
            Some(when) if check_scope(cx, &when, Stand::Request, draft.at) => {
                let rule = |action: &Action| Rule { when: when.clone(), action: action.clone() };
                rules.extend(draft.actions.iter().map(rule));
                let counting = draft.counting.as_ref();
                let counting = counting.and_then(|c| counted::counting(cx, c, matchers.there.tables));
                rules.extend(counting.map(|counting| Rule { when, action: Action::Count(counting) }));
            }
            Some(_) | None => {}
        }
    }
    rules
}

fn response_rules(
    cx: &mut Reader<'_>,
    drafts: &[ResponseRuleDraft],
    matchers: &Matchers<'_>,
) -> Vec<ResponseRule> {
    let mut rules = Vec::new();
    for draft in drafts {
        match matchers.resolve(cx, &draft.when) {
            Some(when) if check_scope(cx, &when, Stand::Response, draft.at) => {
                let rule =
                    |action: &ResponseAction| ResponseRule { when: when.clone(), action: action.clone() };
                rules.extend(draft.actions.iter().map(rule));
            }
            Some(_) | None => {}
        }
    }
    if let Some(last) = drafts.last()
        && ResponseRules::conditions(&rules) > ResponseRules::MOST
    {
        let message =
            format!("more than {} different conditions on requests in `http_response`", ResponseRules::MOST);
        cx.push(Diagnostic::error(Code::BadValue, last.at, message));
    }
    rules
}

fn tcp_rules(cx: &mut Reader<'_>, proxy: &Proxy, matchers: &Matchers<'_>) -> TcpRules {
    let mut all = TcpRules::default();
    if let Some(delay) = &proxy.routing.inspect_delay {
        all.inspect_delay = delay.value;
    }
    for draft in &proxy.tcp_rules {
        let Some(when) = matchers.resolve(cx, &draft.when) else { continue };
        if !check_scope(cx, &when, Stand::Tcp(draft.on), draft.at) {
            continue;
        }
        let action = match &draft.action {
            TcpActionDraft::Is(action) => Some(action.clone()),
            TcpActionDraft::Counts(counting) => {
                counted::check_key_of_connection(cx, counting);
                counted::counting(cx, counting, matchers.there.tables).map(TcpAction::Count)
            }
        };
        let rules = match draft.on {
            On::Connection => &mut all.connection,
            On::Session => &mut all.session,
            On::Content => &mut all.content,
        };
        rules.extend(action.map(|action| TcpRule { when, action }));
    }
    all
}

/// The front half of a proxy.
pub(super) fn frontend(
    cx: &mut Reader<'_>,
    proxy: &Proxy,
    settings: &Settings,
    binds: Vec<Spanned<Listening>>,
    asked: Asked,
    global: &Global,
    (backends, all): (&BTreeSet<String>, &BTreeSet<String>),
) -> Frontend {
    let default_backend = match proxy.side {
        Side::Listen => Some(proxy.name.clone()),
        Side::Frontend | Side::Backend => settings.default_backend.clone(),
    };
    let mode = settings.mode.unwrap_or_default();
    modes::check_keys(cx, proxy, mode);
    let Asked { rules, response_rules, routes, stats, tcp_rules } = asked;
    let all = all.iter().map(String::as_str);
    let stats = stats::checked(cx, proxy, stats, &binds, all);
    modes::check_routing(cx, proxy, &routes, mode, &binds);
    modes::check_content(cx, proxy, &tcp_rules, mode, &binds);
    for route in &routes {
        route.to.backends().iter().for_each(|backend| check_backend(cx, backend, backends));
    }
    // A frontend that serves some names only need not serve others, and one that answers by itself serves nobody else's.
    let leads_nowhere =
        !proxy.routing.routes.is_empty() || rules.iter().any(Rule::answers_all) || proxy.stats.is_some();
    if default_backend.is_some() || !leads_nowhere {
        route(cx, proxy, mode, default_backend.as_ref(), backends);
    }
    if settings.timeout.client.is_none() {
        missing_timeouts(cx, proxy, &["client"]);
    }
    let log = log(settings, global);
    let mut log_format = modes::log_format(cx, proxy, settings, mode);
    let to_journal = log.iter().any(|target| matches!(target.to, Destination::Journal(_)));
    let fields = if to_journal { Fields::Wanted } else { Fields::None };
    let by_rules =
        rules.iter().filter(|rule| matches!(rule.action, Action::Edit(Edit::Capture { .. }))).count();
    let by_rules = u16::try_from(by_rules).unwrap_or(u16::MAX);
    let records = settings.records.records(&mut log_format, mode == Mode::Http, fields, by_rules);
    check_upload(cx, proxy, settings);
    Frontend {
        name: proxy.name.clone(),
        mode,
        binds,
        default_backend,
        rules,
        response_rules,
        routes,
        tcp_rules,
        timeout: settings.timeout.of_client(),
        forwardfor: settings.forwardfor.clone().flatten().filter(|_| mode == Mode::Http),
        compression: settings.compression.clone().filter(|_| mode == Mode::Http),
        bandwidth: settings.http.bandwidth.filter(|_| mode == Mode::Http).unwrap_or_default(),
        dontlognull: settings.dontlognull.unwrap_or(false),
        stats,
        log,
        log_format,
        records,
        errorfile: settings.errorfile.clone(),
        maxconn: settings.maxconn,
        http: settings.http.of_client(),
    }
}

/// Refuses to ask of clients what they are kept from.
fn check_upload(cx: &mut Reader<'_>, proxy: &Proxy, settings: &Settings) {
    let least = u64::from(settings.http.of_client().min_rate.request_body);
    if settings.http.bandwidth.and_then(|b| b.upload).is_some_and(|most| most.get() < least) {
        let message = format!(
            "{} {} ends requests that come with less than {least} bytes a second (`min_request_rate`), and lets none \
             come with more than its `bandwidth`",
            proxy.side.as_str(),
            shown(&proxy.name.value)
        );
        cx.push(Diagnostic::error(Code::BadCombination, proxy.name.span, message));
    }
}

fn route(
    cx: &mut Reader<'_>,
    proxy: &Proxy,
    mode: Mode,
    to: Option<&Spanned<String>>,
    backends: &BTreeSet<String>,
) {
    match to {
        None if cx.damaged_defaults => {}
        None => {
            let message = format!(
                "frontend {} has no default_backend: {}",
                shown(&proxy.name.value),
                modes::fate(mode)
            );
            cx.push_absence(Diagnostic::warning(Code::NoRoute, proxy.name.span, message));
        }
        Some(name) => check_backend(cx, name, backends),
    }
}

fn check_backend(cx: &mut Reader<'_>, name: &Spanned<String>, backends: &BTreeSet<String>) {
    if !backends.contains(&name.value) {
        cx.push(undefined("backend", name, backends.iter().map(String::as_str)));
    }
}

fn log(settings: &Settings, global: &Global) -> Vec<LogTarget> {
    let targets = match &settings.log {
        Some(Log::Off) => return Vec::new(),
        Some(Log::Own(targets)) => targets,
        Some(Log::Global) | None => &global.log,
    };
    let tagged = |target: &LogTarget| match &settings.records.tag {
        // Of no other kind has a line a tag: it stays one target.
        Some(tag) if target.has_tag() => LogTarget { tag: tag.clone(), ..target.clone() },
        Some(_) | None => target.clone(),
    };
    targets.iter().map(tagged).collect()
}

/// The back half of a proxy.
pub(super) fn backend(
    cx: &mut Reader<'_>,
    proxy: Proxy,
    settings: Settings,
    asked: Asked,
    global: &Global,
    tables: &[Spanned<TableConfig>],
    resolvers: &[Spanned<Resolvers>],
) -> Backend {
    let name = proxy.name.value.clone();
    let timers = [("connect", settings.timeout.connect), ("server", settings.timeout.server)];
    let missing: Vec<&str> = timers.iter().filter(|(_, t)| t.is_none()).map(|(name, _)| *name).collect();
    // What answers by itself needs no server.
    let is_alone = proxy.servers.is_empty() && proxy.stats.is_some();
    if !is_alone {
        missing_timeouts(cx, &proxy, &missing);
    }
    if proxy.servers.is_empty() && !is_alone {
        let message = format!(
            "{} {} has no server: {}",
            proxy.side.as_str(),
            shown(&proxy.name.value),
            modes::fate(settings.mode.unwrap_or_default())
        );
        cx.push_absence(Diagnostic::warning(Code::NoServer, proxy.name.span, message));
    }
    if proxy.side == Side::Backend {
        modes::check_keys(cx, &proxy, settings.mode.unwrap_or_default());
    }
    check_servers(cx, &proxy);
    watch::check_requests(cx, &proxy, &settings);
    let mode = settings.mode.unwrap_or_default();
    // A cookie that a default says does not concern what is not HTTP.
    let cookie = settings.cookie.clone().flatten().filter(|_| mode == Mode::Http);
    check_cookies(cx, &proxy, cookie.as_ref());
    modes::check_stick(cx, &proxy, mode);
    let balance = balance::of(settings.balance.as_ref(), settings.hash);
    let servers: Vec<Server> = proxy
        .servers
        .into_iter()
        .filter_map(|s| server(cx, s, &name, &settings, global, resolvers))
        .collect();
    balance::check(cx, &proxy.name, mode, (&balance, settings.hash), &servers);
    let targets = log(&settings, global);
    let nowhere = targets.is_empty() && !matches!(settings.log, Some(Log::Off));
    Backend {
        is_listen: proxy.side == Side::Listen,
        log: (!nowhere).then_some(targets),
        name: proxy.name,
        rules: asked.rules,
        response_rules: asked.response_rules,
        mode: settings.mode.unwrap_or_default(),
        balance,
        timeout: settings.timeout.of_server(),
        forwardfor: settings.forwardfor.clone().flatten().filter(|_| mode == Mode::Http),
        compression: settings.compression.clone().filter(|_| mode == Mode::Http),
        bandwidth: settings.http.bandwidth.filter(|_| mode == Mode::Http).unwrap_or_default(),
        cookie: cookie.map(Arc::new),
        stick: proxy.stick.into_iter().filter_map(|rule| stick(cx, rule, tables)).collect(),
        retries: settings.retries.unwrap_or(3),
        redispatch: settings.redispatch.unwrap_or_default(),
        maxconn: proxy.backend_maxconn,
        fullconn: settings.fullconn,
        allbackups: settings.allbackups.unwrap_or(false),
        http: settings.http.of_server(),
        servers,
        errorfile: settings.errorfile,
    }
}

fn stick(cx: &mut Reader<'_>, rule: StickDraft, tables: &[Spanned<TableConfig>]) -> Option<StickRule> {
    let (table, config) = counted::table(cx, &rule.table, tables)?;
    if rule.key == StickKey::Source && config.key == KeyType::Integer {
        counted::no_addresses(cx, config, rule.table.span);
    }
    Some(StickRule { action: rule.action, key: rule.key, table })
}

/// `None` for a server that was read with errors.
fn server(
    cx: &mut Reader<'_>,
    draft: ServerDraft,
    backend: &str,
    settings: &Settings,
    global: &Global,
    resolvers: &[Spanned<Resolvers>],
) -> Option<Server> {
    modes::check_protocol(cx, &draft, settings.mode.unwrap_or_default());
    let addr = place::of(cx, draft.addr.as_ref()?, draft.place.over(&settings.server_place), resolvers)?;
    let host = match &addr {
        ServerAddr::Fixed(at) => at.ip().map(|at| at.ip().to_string()),
        // A service is where its records say: none of these names is the one to prove.
        ServerAddr::Named(name) if name.port.is_none() => None,
        ServerAddr::Named(name) => Some(name.host.trim_end_matches('.').to_owned()),
    };
    let how = draft.tls.over(&settings.server_tls);
    let timeout = settings.timeout.check;
    let said = watch::Said {
        check: draft.settings.check == Some(true),
        observe: draft.watch.observe.is_some(),
        agent: draft.watch.agent_check.or(settings.watch.agent_check).is_some_and(|on| on.value),
    };
    let own = draft.settings.over(settings.server);
    let protocol = own.protocol.unwrap_or_default();
    let tls = tls::connector(cx, &draft.name, host.as_deref(), &how, protocol);
    let mut watch = draft.watch.over(&settings.watch);
    // What `default_server` says is not for who follows another: no check of its own would bring it up again.
    watch.observe = watch.observe.filter(|_| draft.track.is_none() || said.observe);
    let mut check = own.checks(settings.check.as_ref(), timeout).filter(|_| draft.track.is_none());
    if let Some(check) = &mut check {
        check.init = watch.init_state.unwrap_or_default();
        check.spread_percent = global.spread_checks;
        check.http = settings.http_checks.manner();
        // What speaks in another way than the server's other connections may be something else.
        let as_server = check.addr.is_none() && check.port.is_none() && how.check_ssl.is_none();
        check.http.protocol =
            own.check_protocol.map(|said| said.value).or_else(|| own.protocol.filter(|_| as_server));
        watch::check_protocol(cx, &draft.name, own.check_protocol.as_ref(), check);
    }
    // What keeps requests from TLS has been reported.
    let sound = tls.is_some() == how.ssl.unwrap_or(false);
    if let Some(check) = check.as_mut().filter(|_| sound) {
        check.tls = tls::of_checks(cx, &draft.name, host.as_deref(), &how, check);
    }
    // Without a backend's name a server of the same backend is meant.
    let of_backend = |t: String| if t.contains('/') { t } else { format!("{backend}/{t}") };
    let server = Server {
        name: draft.name,
        addr,
        protocol,
        weight: own.weight.unwrap_or(1),
        limits: own.limits(),
        backup: own.backup.unwrap_or(false),
        state: own.state.unwrap_or(AdminState::Ready),
        cookie: draft.cookie.map(|c| c.value),
        check,
        tls,
        watch: watch.watch(settings.ejection, timeout, global.spread_checks),
        track: draft.track.map(|t| t.map(of_backend)),
        send_proxy: own.announcement(),
        check_send_proxy: own.check_announcement(),
    };
    watch::check_server(cx, &server, &said, settings.mode.unwrap_or_default());
    modes::check_announced(cx, &server, &how, settings.mode.unwrap_or_default());
    Some(server)
}

fn check_servers(cx: &mut Reader<'_>, proxy: &Proxy) {
    let mut seen = BTreeMap::new();
    for server in &proxy.servers {
        let name = &server.name;
        if let Some(first) = seen.insert(name.value.as_str(), name.span) {
            let message =
                format!("server {} is defined twice in {}", shown(&name.value), shown(&proxy.name.value));
            let d = Diagnostic::error(Code::Duplicate, name.span, message).label("again here");
            cx.push(d.related(first, "first here"));
        }
    }
}

/// Values without a cookie, and a cookie without values, do nothing: somebody believes that they do.
fn check_cookies(cx: &mut Reader<'_>, proxy: &Proxy, cookie: Option<&Cookie>) {
    let name = shown(&proxy.name.value);
    let Some(cookie) = cookie else {
        for value in proxy.servers.iter().filter_map(|s| s.cookie.as_ref()) {
            let message = format!("a server has a `cookie`, but {} {name} has none", proxy.side.as_str());
            let help = "cookie = { name = \"SERVERID\", indirect = true, nocache = true } in the backend";
            cx.push_absence(Diagnostic::error(Code::MissingKey, value.span, message).help(help));
        }
        return;
    };
    let valued = cookie.dynamic_key.is_some() || proxy.servers.iter().any(|s| s.cookie.is_some());
    if !valued && !proxy.servers.is_empty() {
        let message =
            format!("{} {name} has a `cookie`, but no server has a value in it", proxy.side.as_str());
        let help = "{ name = \"web1\", addr = \"…\", cookie = \"web1\" }, or dynamic_cookie_key = \"…\"";
        cx.push_absence(Diagnostic::error(Code::MissingKey, proxy.name.span, message).help(help));
    }
}

fn missing_timeouts(cx: &mut Reader<'_>, proxy: &Proxy, missing: &[&str]) {
    if missing.is_empty() || cx.damaged_defaults {
        return;
    }
    let what = missing.join(" and no ");
    let message = format!(
        "{} {} has no {what} timeout: a peer that vanishes holds its connection for ever",
        proxy.side.as_str(),
        shown(&proxy.name.value)
    );
    let help = "[defaults] timeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }";
    cx.push_absence(Diagnostic::warning(Code::MissingTimeout, proxy.name.span, message).help(help));
}
