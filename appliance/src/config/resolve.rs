//! From the draft to the configuration of this node: defaults laid under, names looked up, everything that concerns
//! more than one section checked.

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_proxy::list::Lists;
use evenkeel_proxy::lua::Program;
use evenkeel_proxy::map::MapConfig;
use evenkeel_proxy::names::Resolvers;
use evenkeel_proxy::table::TableConfig;

use super::codes::Code;
use super::diagnostic::Diagnostic;
use super::draft::{Draft, Side};
use super::model::{Backend, Frontend, Script, SyncGroup, VirtualRouter};
use super::parse::Scripts;
use super::read::Reader;

mod balance;
mod binds;
mod conditions;
mod counted;
mod groups;
mod modes;
mod place;
mod priority;
mod profiles;
mod proxies;
mod router;
mod stats;
mod tls;
mod tracks;
mod watch;

pub(super) use modes::alien;

/// The sections of this node. Complete only if no error was reported.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) frontends: Vec<Frontend>,
    pub(super) backends: Vec<Backend>,
    pub(super) tables: Vec<TableConfig>,
    pub(super) maps: Vec<MapConfig>,
    pub(super) lists: Arc<Lists>,
    pub(super) lua: Option<Arc<Program>>,
    pub(super) resolvers: Vec<Resolvers>,
    pub(super) routers: Vec<VirtualRouter>,
    pub(super) scripts: Vec<Script>,
    pub(super) groups: Vec<SyncGroup>,
}

/// Resolves a draft. What cannot be resolved is reported and left out.
pub(super) fn resolve(cx: &mut Reader<'_>, draft: Draft) -> Resolved {
    nodes_agree(cx);
    counted::check_tracked(cx, &draft);
    let serves = draft.proxies.iter().any(|p| p.side.is_front());
    let mut routers = Vec::new();
    for r in &draft.routers {
        routers.extend(router::router(cx, r, &draft.scripts, serves));
    }
    router::check_together(cx, &routers);
    tracks::unused_scripts(cx, &draft.scripts, &draft.routers);
    let groups = groups::groups(cx, draft.groups, &draft.routers, &routers);
    let scripts =
        draft.scripts.into_iter().filter_map(|s| Some(Script { name: s.name, run: s.run? })).collect();

    let bases = profiles::Profiles::new(cx, draft.profiles, draft.defaults);
    proxies::check_names(cx, &draft.proxies);
    let (mut frontends, mut backends) = (Vec::new(), Vec::new());
    let names: BTreeSet<String> =
        draft.proxies.iter().filter(|p| p.side.is_back()).map(|p| p.name.value.clone()).collect();
    let all: BTreeSet<String> = draft.proxies.iter().map(|p| p.name.value.clone()).collect();
    let there = conditions::There::new(&draft.proxies, &draft.tables);
    let matchers = conditions::Matchers::new(cx, &draft.acl, None, &there);
    for proxy in draft.proxies {
        let settings = bases.settle(cx, proxy.from.as_ref(), proxy.settings.clone());
        if proxy.side.is_front() {
            let binds = binds::binds(cx, &proxy.binds, settings.mode.unwrap_or_default(), &draft.routers);
            let asked = proxies::asked(cx, &proxy, &matchers);
            frontends.push(proxies::frontend(
                cx,
                &proxy,
                &settings,
                binds,
                asked,
                &draft.global,
                (&names, &all),
            ));
        }
        if matches!(proxy.side, Side::Backend | Side::Listen) {
            // Those of a listen have been asked by its front half.
            let asked = match proxy.side {
                Side::Backend => proxies::asked(cx, &proxy, &matchers),
                Side::Frontend | Side::Listen => proxies::Asked::default(),
            };
            backends.push(proxies::backend(
                cx,
                proxy,
                settings,
                asked,
                &draft.global,
                &draft.tables,
                &draft.resolvers,
            ));
        }
    }
    watch::check_tracks(cx, &backends);
    binds::check_overlaps(cx, &frontends);
    modes::check_routes(cx, &frontends, &backends);
    let resolvers = draft.resolvers.into_iter().map(|r| r.value).collect();
    let tables = draft.tables.into_iter().map(|t| t.value).collect();
    let maps = std::mem::take(&mut cx.maps);
    let lists = Arc::clone(&cx.lists);
    let lua = match std::mem::take(&mut cx.lua) {
        Scripts::Read(program) => Some(program),
        Scripts::None | Scripts::Broken => None,
    };
    Resolved { frontends, backends, tables, maps, lists, lua, resolvers, routers, scripts, groups }
}

/// Every table of values per node names the same nodes: else the file is valid on one of them only.
fn nodes_agree(cx: &mut Reader<'_>) {
    let tables = std::mem::take(&mut cx.node_tables);
    let all: BTreeSet<String> = tables.iter().flat_map(|(_, names)| names.iter().cloned()).collect();
    for (span, names) in tables {
        // The node that is missing itself has been reported already.
        let missing: Vec<&str> =
            all.difference(&names).map(String::as_str).filter(|n| *n != cx.node).collect();
        if !missing.is_empty() {
            let message =
                format!("this table has no value for {}, which another table names", missing.join(" and "));
            cx.push_absence(Diagnostic::error(Code::PerNode, span, message));
        }
    }
}
