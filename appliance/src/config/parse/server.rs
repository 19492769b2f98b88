//! Servers and `default_server`.

use std::sync::Arc;

use evenkeel_proxy::names::{InitAddr, Prefer};
use evenkeel_proxy::plan::{AdminState, AnnounceOption, AnnounceOptions, ServerProtocol};
use evenkeel_proxy::proxy_protocol::Version;

use super::{cookie, tls, watch};
use crate::config::codes::Code;
use crate::config::diagnostic::Diagnostic;
use crate::config::draft::ServerDraft;
use crate::config::keys::{self, Key};
use crate::config::read::{Fields, Node, Reader, shown};
use crate::config::settings::{PlaceSettings, ServerSettings, ServerTls, WatchSettings};
use crate::config::source::Spanned;
use crate::config::suggest::nearest;
use crate::config::value;

/// An array of servers. Those with errors are kept as far as they have a name.
pub(super) fn servers(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Vec<ServerDraft>> {
    let Some(all) = node.elements() else {
        cx.wrong_type(key, node, Some("server = [{ name = \"web1\", addr = \"192.0.2.10:80\" }]".to_owned()));
        return None;
    };
    Some(all.into_iter().filter_map(|n| server(cx, n)).collect())
}

fn server(cx: &mut Reader<'_>, node: Node<'_>) -> Option<ServerDraft> {
    let mut t = Fields::of(cx, &keys::SERVER, node.key, node)?;
    let name = t.read(cx, "name", Reader::name);
    let addr = t.read(cx, "addr", |cx, key, node| cx.address(key, node, value::place));
    let place = place(cx, &mut t);
    let cookie = t.read(cx, "cookie", cookie::server_value);
    let settings = settings(cx, &mut t);
    let tls = tls::server(cx, &mut t);
    let watch = watch::settings(cx, &mut t);
    let track = t.read(cx, "track", Reader::text);
    t.finish(cx);
    Some(ServerDraft { name: name?, addr, place, cookie, settings, tls, watch, track })
}

/// `default_server`.
pub(super) fn default_server(
    cx: &mut Reader<'_>,
    _: &'static Key,
    node: Node<'_>,
) -> Option<(ServerSettings, ServerTls, WatchSettings, PlaceSettings)> {
    let mut t = Fields::of(cx, &keys::DEFAULT_SERVER, node.key, node)?;
    let place = place(cx, &mut t);
    let settings = settings(cx, &mut t);
    let tls = tls::server(cx, &mut t);
    let watch = watch::settings(cx, &mut t);
    t.finish(cx);
    Some((settings, tls, watch, place))
}

/// How the name of a server is looked up.
pub(super) fn place(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> PlaceSettings {
    let prefer = |word: Spanned<&str>| if word.value == "ipv4" { Prefer::V4 } else { Prefer::V6 };
    PlaceSettings {
        resolvers: t.read(cx, "resolvers", Reader::text),
        prefer: t.read(cx, "resolve_prefer", Reader::word).map(prefer),
        init: t.read(cx, "init_addr", init_addr),
    }
}

fn init_addr(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<Spanned<Arc<[InitAddr]>>> {
    let at = node.span;
    let all = node.one_or_many().into_iter().map(|node| cx.address(key, node, value::init_addr));
    let all: Option<Vec<_>> = all.collect::<Vec<_>>().into_iter().map(|one| Some(one?.value)).collect();
    Some(Spanned::new(all?.into(), at))
}

pub(super) fn settings(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> ServerSettings {
    fn plain<T>(v: Option<Spanned<T>>) -> Option<T> {
        v.map(|v| v.value)
    }
    ServerSettings {
        weight: plain(t.read(cx, "weight", Reader::int)),
        maxconn: plain(t.read(cx, "maxconn", Reader::int)),
        minconn: plain(t.read(cx, "minconn", Reader::int)),
        maxqueue: plain(t.read(cx, "maxqueue", Reader::int)),
        slowstart: plain(t.read(cx, "slowstart", Reader::duration)),
        backup: plain(t.read(cx, "backup", Reader::bool)),
        state: t.read(cx, "state", Reader::word).map(|w| state(w.value)),
        check: plain(t.read(cx, "check", Reader::bool)),
        inter: plain(t.read(cx, "inter", Reader::duration)),
        fastinter: plain(t.read(cx, "fastinter", Reader::duration)),
        downinter: plain(t.read(cx, "downinter", Reader::duration)),
        rise: plain(t.read(cx, "rise", Reader::int)),
        fall: plain(t.read(cx, "fall", Reader::int)),
        check_port: plain(t.read(cx, "check_port", Reader::int)),
        check_addr: plain(t.read(cx, "check_addr", |cx, key, node| cx.address(key, node, value::ip))),
        protocol: t.read(cx, "proto", Reader::word).map(|w| protocol(w.value)),
        check_protocol: t.read(cx, "check_proto", Reader::word).map(|w| w.map(protocol)),
        send_proxy: send_proxy(cx, t),
        proxy_options: t.read(cx, "proxy_v2_options", proxy_v2_options),
        check_send_proxy: plain(t.read(cx, "check_send_proxy", Reader::bool)),
    }
}

pub(super) fn protocol(word: &str) -> ServerProtocol {
    if word == "h2" { ServerProtocol::Http2 } else { ServerProtocol::Http1 }
}

/// `send_proxy` and `send_proxy_v2`: saying either of them says which it is.
fn send_proxy(cx: &mut Reader<'_>, t: &mut Fields<'_>) -> Option<Option<Version>> {
    let first = t.read(cx, "send_proxy", Reader::bool);
    let second = t.read(cx, "send_proxy_v2", Reader::bool);
    let (v1, v2) = (first.as_ref().is_some_and(|b| b.value), second.as_ref().is_some_and(|b| b.value));
    if let Some(second) = &second
        && v1
        && v2
    {
        let message =
            "`send_proxy` and `send_proxy_v2` exclude each other: a connection begins with one header";
        cx.push(Diagnostic::error(Code::BadCombination, second.span, message));
    }
    match (v1, v2) {
        (_, true) => Some(Some(Version::V2)),
        (true, false) => Some(Some(Version::V1)),
        (false, false) => (first.is_some() || second.is_some()).then_some(None),
    }
}

fn proxy_v2_options(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<AnnounceOptions> {
    let all: Vec<_> = node.one_or_many().into_iter().map(|node| proxy_v2_option(cx, key, node)).collect();
    // One that is wrong has been reported; the others do not stand for the whole.
    all.into_iter().try_fold(AnnounceOptions::NONE, |options, one| Some(options.with(one?)))
}

fn proxy_v2_option(cx: &mut Reader<'_>, key: &'static Key, node: Node<'_>) -> Option<AnnounceOption> {
    let text = cx.text(key, node)?;
    let found = PROXY_V2_OPTIONS.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let message = format!("`{}`: there is no option {}", key.name, shown(&text.value));
        let d = Diagnostic::error(Code::BadValue, node.span, message);
        let words = PROXY_V2_OPTIONS.map(|(word, _)| word);
        let d = match nearest(&text.value, words) {
            _ if text.value == "unique-id" => d.help("requests and connections have no unique id to tell of"),
            _ if text.value.contains(',') => d.help("an array of them: [\"ssl\", \"crc32c\"]"),
            Some(meant) => d.replace_with(format!("\"{meant}\"")),
            None => d.help(words.join(", ")),
        };
        cx.push(d);
    }
    found.map(|(_, option)| *option)
}

const PROXY_V2_OPTIONS: [(&str, AnnounceOption); 7] = [
    ("ssl", AnnounceOption::Ssl),
    ("cert-cn", AnnounceOption::CertCn),
    ("cert-key", AnnounceOption::CertKey),
    ("cert-sig", AnnounceOption::CertSig),
    ("ssl-cipher", AnnounceOption::SslCipher),
    ("authority", AnnounceOption::Authority),
    ("crc32c", AnnounceOption::Crc32c),
];

fn state(word: &str) -> AdminState {
    match word {
        "drain" => AdminState::Drain,
        "maint" => AdminState::Maint,
        _ => AdminState::Ready,
    }
}
