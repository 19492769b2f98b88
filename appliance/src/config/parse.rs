//! From TOML to a draft: every section read by itself, nothing resolved between them.

use std::collections::BTreeMap;

use toml::de::DeTable;

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::draft::{Draft, Side};
use super::keys;
use super::read::{Fields, Node, Reader, shown};
use super::source::{FileId, Span, Spanned};
use super::value::{self};

mod admin;
mod answered;
mod balance;
mod check;
mod compression;
mod condition;
mod cookie;
mod counted;
mod errorfile;
mod gauge;
mod global;
mod http;
mod log;
mod lua;
mod map;
mod patterns;
mod proxy;
mod resolvers;
mod route;
mod rule;
mod secret;
mod server;
mod stats;
mod stick;
mod tcp;
mod template;
mod tls;
mod track;
mod vip;
mod vrrp;
mod watch;

pub(super) use log::format as log_format;
pub(super) use lua::Scripts;

/// Reads all sections of all files. `cpus` is the default of `nbthread`.
pub(super) fn documents(cx: &mut Reader<'_>, files: &[(FileId, DeTable<'_>)], cpus: u16) -> Draft {
    let at = Span::default();
    let parts = files.iter().map(|(file, table)| (*file, table)).collect();
    let mut top = Fields::of_tables(&keys::TOP, at, parts);
    // Read when the files were gathered.
    let _include = top.all("include");
    let global = merged(cx, &mut top, "global", &keys::GLOBAL);
    let global = global::global(cx, global, cpus);
    if top.has("lua") {
        let section = merged(cx, &mut top, "lua", &keys::LUA);
        let program = lua::lua(cx, section, &global.worker);
        cx.lua = program.map_or(Scripts::Broken, |program| Scripts::Read(program.into()));
    } else {
        let _none = top.all("lua");
    }
    let defaults = merged(cx, &mut top, "defaults", &keys::DEFAULTS);
    let errors = cx.errors;
    let defaults = proxy::defaults(cx, defaults, &global);
    let mut profiles = BTreeMap::new();
    for (name, node) in named(cx, &mut top, "profile") {
        if let Some(profile) = proxy::profile(cx, name.span, node, &global) {
            profiles.insert(name.value, profile);
        }
    }
    cx.damaged_defaults = cx.errors > errors;
    for (name, node) in named(cx, &mut top, "map") {
        let map = map::map(cx, &name, node);
        cx.maps.push(map);
    }
    let mut proxies = Vec::new();
    for (key, side) in [("frontend", Side::Frontend), ("backend", Side::Backend), ("listen", Side::Listen)] {
        for (name, node) in named(cx, &mut top, key) {
            proxies.extend(cx.section(name.span, |cx| proxy::proxy(cx, name, side, node, &global)));
        }
    }
    proxies.sort_by_key(|p| p.name.span);
    let acl = named(cx, &mut top, "acl");
    let acl = condition::named(cx, acl);
    let tables = named(cx, &mut top, "table");
    let tables = tables.into_iter().filter_map(|(name, node)| stick::table(cx, name, node)).collect();
    let resolvers = named(cx, &mut top, "resolvers");
    let resolvers =
        resolvers.into_iter().filter_map(|(name, node)| resolvers::resolvers(cx, name, node)).collect();
    let routers = named(cx, &mut top, "vrrp");
    let router =
        |(name, node): (Spanned<String>, _)| cx.section(name.span, |cx| vrrp::router(cx, name, node));
    let routers = routers.into_iter().filter_map(router).collect();
    let scripts = named(cx, &mut top, "vrrp_script");
    let scripts = scripts.into_iter().filter_map(|(name, node)| vrrp::script(cx, name, node)).collect();
    let groups = named(cx, &mut top, "sync_group");
    let groups = groups.into_iter().filter_map(|(name, node)| vrrp::group(cx, name, node)).collect();
    top.finish(cx);
    map::check_saved(cx, &global.saved_files);
    Draft { global, defaults, profiles, proxies, acl, tables, resolvers, routers, scripts, groups }
}

/// A section that may stand in several files, key by key.
fn merged<'d>(
    cx: &mut Reader<'_>,
    top: &mut Fields<'d>,
    name: &'static str,
    section: &'static keys::Section,
) -> Fields<'d> {
    let mut parts = Vec::new();
    let mut at = Span::default();
    for node in top.all(name) {
        at = node.key;
        match node.value.as_table() {
            Some(table) => parts.push((node.span.file, table)),
            None => not_a_table(cx, node, &format!("[{name}]")),
        }
    }
    Fields::of_tables(section, at, parts)
}

/// The sections of one kind in all files, in the order of the files. A name that stands twice is reported.
fn named<'d>(
    cx: &mut Reader<'_>,
    top: &mut Fields<'d>,
    kind: &'static str,
) -> Vec<(Spanned<String>, Node<'d>)> {
    let mut all: Vec<(Spanned<String>, Node<'d>)> = Vec::new();
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for node in top.all(kind) {
        let Some(entries) = node.entries() else {
            not_a_table(cx, node, &format!("[{kind}.NAME]"));
            continue;
        };
        for (name, node) in entries {
            if node.value.as_table().is_none() {
                not_a_table(cx, node, &format!("[{kind}.NAME]"));
                continue;
            }
            if let Err(bad) = value::name(name.value) {
                let message = format!("the name {} {}", shown(name.value), bad.why);
                cx.push(Diagnostic::error(Code::BadName, name.span, message));
            }
            if let Some(first) = seen.get(name.value) {
                let message = format!("{kind} {} is defined twice", shown(name.value));
                let d = Diagnostic::error(Code::Duplicate, name.span, message).label("again here");
                cx.push(d.related(*first, "first here"));
            } else {
                seen.insert(name.value, name.span);
                all.push((name.map(str::to_owned), node));
            }
        }
    }
    all
}

fn not_a_table(cx: &mut Reader<'_>, node: Node<'_>, form: &str) {
    let message = format!("there must be a table {form} here");
    cx.push(Diagnostic::error(Code::WrongType, node.key, message));
}
