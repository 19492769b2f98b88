//! `evenkeel config diff`: what another configuration would change, and what that does to who is served.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use evenkeel_proxy::plan::Plan;
use evenkeel_vrrp::config::EngineConfig;
use evenkeel_vrrp::continuation::Identity;
use serde::{Deserialize, Serialize};

use super::keys::{self, Section, Type};
use super::source::Sources;
use super::tree::{Entry, Tree, Value, bare, default_of};

/// A configuration as another process can be told of it: without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    /// The node.
    pub node: String,
    /// Path of the main file.
    pub file: String,
    /// All that it means on this node, as TOML.
    pub toml: String,
    /// How many passwords it has; what they are is not told.
    pub passwords: usize,
    /// Digests of the files that it names, and of lists of directories, as they were read.
    pub files: BTreeMap<String, String>,
    /// Likewise of those that operators have changed since at an admin socket: as they are now.
    pub edited: BTreeMap<String, String>,
    /// Where each frontend listens.
    pub listeners: Vec<(String, String)>,
    /// All servers, as `backend/server`.
    pub servers: Vec<String>,
    /// Virtual routers: what they are called, and what makes them the same.
    pub routers: Vec<(String, Identity)>,
}

impl InUse {
    /// Of a configuration that is loaded.
    pub fn of(node: &str, sources: &Sources, plan: &Plan, routers: Vec<(String, Identity)>) -> Self {
        // Of passwords not even a digest is told.
        let kept: Vec<String> = Tree::of_sources(sources).references(&keys::TOP);
        let is_told = |name: &String| !kept.contains(name) && !sources.secrets.contains(name);
        let files = sources.blobs.iter().filter(|(name, _)| is_told(name));
        let mut tree = Tree::effective_anywhere(sources, node);
        let passwords = tree.hide_secrets(&keys::TOP) + kept.len();
        let frontend = |at: u16| plan.frontends().get(usize::from(at)).map_or("", |f| f.name.as_str());
        let backend = |at: u16| plan.backends().get(usize::from(at)).map_or("", |b| b.name.as_str());
        Self {
            node: node.to_owned(),
            file: sources.files.first().map(|f| f.name.clone()).unwrap_or_default(),
            toml: tree.to_toml(None),
            passwords,
            files: files.map(|(name, bytes)| (name.clone(), digest(bytes))).collect(),
            listeners: plan
                .listeners()
                .iter()
                .map(|l| (frontend(l.frontend.0).to_owned(), l.addr.to_string()))
                .collect(),
            servers: plan.servers().iter().map(|s| format!("{}/{}", backend(s.backend.0), s.name)).collect(),
            routers,
            edited: BTreeMap::new(),
        }
    }

    /// Files that are others now than they were read, by what operators have changed.
    #[must_use]
    pub fn with_edited(self, files: &BTreeMap<String, Vec<u8>>) -> Self {
        let edited = files.iter().map(|(name, bytes)| (name.clone(), digest(bytes))).collect();
        Self { edited, ..self }
    }
}

/// The virtual routers of a configuration: what they are called, and what makes them the same.
pub fn routers_of(engine: &EngineConfig) -> Vec<(String, Identity)> {
    engine.routers().iter().map(|router| (router.name.clone(), Identity::of(router))).collect()
}

/// Who is served by the configuration in use.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Connections from clients, by frontend.
    pub connections: BTreeMap<String, u64>,
    /// Requests that servers have, by `backend/server`.
    pub requests: BTreeMap<String, u64>,
}

/// What would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Section by section.
    pub changes: Vec<Change>,
    /// What follows for clients and peers, a line each.
    pub consequences: Vec<String>,
}

/// One key, section or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, such as `backend.app.retries`.
    pub path: String,
    /// What.
    pub what: What,
    /// How it comes into use.
    pub by: By,
}

/// What becomes of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It was not there.
    Added(Option<String>),
    /// It is there no more.
    Removed(Option<String>),
    /// It is another one.
    Changed(String, String),
    /// The same in another order.
    Moved,
    /// A file with another content.
    Content,
}

/// How a change comes into use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Another worker takes over.
    Reload,
    /// The worker that serves uses it for its next handshakes.
    Handshakes,
}

impl Difference {
    /// Of two configurations. `live`: the first one is in use, and serves these.
    pub fn between(old: &InUse, new: &InUse, live: Option<&Live>) -> Self {
        let mut changes = Vec::new();
        let (was, is) = (Tree::of_text(&old.toml), Tree::of_text(&new.toml));
        tables(&mut changes, "", &was, &is, Some(&keys::TOP));
        let only_files = changes.is_empty();
        files(&mut changes, old, new);
        let mut consequences = Vec::new();
        if !changes.is_empty() {
            let is_tls = |change: &Change| change.by == By::Handshakes;
            if !(only_files && changes.iter().all(is_tls)) {
                // One worker has all of it.
                changes.iter_mut().for_each(|change| change.by = By::Reload);
                consequences.extend(live.map(another_worker));
            }
            listeners(&mut consequences, old, new, live);
            servers(&mut consequences, old, new, live);
            consequences.extend(routers_that_change(&old.routers, &new.routers));
        }
        Self { changes, consequences }
    }

    /// For people: a line for each change, and one for each thing that follows.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for change in &self.changes {
            change.render(&mut out);
        }
        if !self.consequences.is_empty() {
            out.push('\n');
        }
        for line in &self.consequences {
            push(&mut out, format_args!("{line}\n"));
        }
        out
    }
}

impl Change {
    fn render(&self, out: &mut String) {
        let by = match self.by {
            By::Reload => "reload",
            By::Handshakes => "reload, the worker stays",
        };
        let path = &self.path;
        match &self.what {
            What::Added(value) => push(out, format_args!("+ {path}{}  ({by})\n", said(value.as_deref()))),
            What::Removed(value) => push(out, format_args!("- {path}{}  ({by})\n", said(value.as_deref()))),
            What::Changed(was, is) => {
                push(out, format_args!("~ {path}: {} -> {}  ({by})\n", short(was), short(is)));
            }
            What::Moved => push(out, format_args!("~ {path}: another order  ({by})\n")),
            What::Content => push(out, format_args!("~ {path}: another content  ({by})\n")),
        }
    }
}

fn said(value: Option<&str>) -> String {
    value.map(|value| format!(" = {}", short(value))).unwrap_or_default()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or("")),
        None => text.to_owned(),
    }
}

/// Compares two tables key by key.
fn tables(out: &mut Vec<Change>, path: &str, old: &Tree, new: &Tree, section: Option<&Section>) {
    let gone = old.entries.iter().filter(|(name, _)| !new.has(name));
    let names = new.entries.iter().chain(gone).map(|(name, _)| name);
    for name in names {
        let key = section.and_then(|section| section.key(name));
        let inside = if path.is_empty() { bare(name) } else { format!("{path}.{}", bare(name)) };
        let is_default = |entry: &Entry| key.and_then(default_of) == Some(&entry.value);
        match (old.get(name), new.get(name)) {
            (Some(was), Some(is)) => values(out, &inside, was, is, key.map(|key| key.ty)),
            (Some(was), None) if !is_default(was) => {
                one_side(out, &inside, was, key.map(|k| k.ty), What::Removed)
            }
            (None, Some(is)) if !is_default(is) => one_side(out, &inside, is, key.map(|k| k.ty), What::Added),
            (_, _) => {}
        }
    }
}

/// What is in one of them only. A kind of named sections is told name by name.
fn one_side(
    out: &mut Vec<Change>,
    path: &str,
    entry: &Entry,
    ty: Option<Type>,
    what: fn(Option<String>) -> What,
) {
    match (&entry.value, ty) {
        (Value::Table(named), Some(Type::Named(_))) => {
            let change = |name: &str| (format!("{path}.{}", bare(name)), what(None));
            out.extend(named.entries.iter().map(|(name, _)| change(name)).map(|(p, w)| changed(p, w)));
        }
        (Value::Table(_), Some(Type::Table(_))) => out.push(changed(path.to_owned(), what(None))),
        (value, _) => out.push(changed(path.to_owned(), what(Some(value.to_string())))),
    }
}

fn values(out: &mut Vec<Change>, path: &str, old: &Entry, new: &Entry, ty: Option<Type>) {
    let section = ty.and_then(|ty| ty.section());
    match (&old.value, &new.value) {
        (Value::Table(was), Value::Table(is)) => match ty {
            Some(Type::Named(section)) => sections(out, path, was, is, section),
            _ => tables(out, path, was, is, section),
        },
        (Value::Array(was), Value::Array(is)) => arrays(out, path, was, is, section),
        (was, is) if was != is => {
            out.push(changed(path.to_owned(), What::Changed(was.to_string(), is.to_string())));
        }
        _ => {}
    }
}

/// Sections by their names, of which there may be thousands.
fn sections(out: &mut Vec<Change>, path: &str, old: &Tree, new: &Tree, section: &Section) {
    let (mut was, is) = (of_names(old), of_names(new));
    for (name, entry) in is {
        let inside = format!("{path}.{}", bare(name));
        match (was.remove(name).and_then(Entry::table), entry.table()) {
            (Some(was), Some(is)) => tables(out, &inside, was, is, Some(section)),
            (_, _) => out.push(changed(inside, What::Added(None))),
        }
    }
    out.extend(was.keys().map(|name| changed(format!("{path}.{}", bare(name)), What::Removed(None))));
}

fn of_names(tree: &Tree) -> BTreeMap<&str, &Entry> {
    tree.entries.iter().map(|(name, entry)| (name.as_str(), entry)).collect()
}

/// Elements that have names by these, others as they are.
fn arrays(out: &mut Vec<Change>, path: &str, old: &[Entry], new: &[Entry], section: Option<&Section>) {
    let before = out.len();
    if let (Some(was), Some(is)) = (by_name(old), by_name(new)) {
        let mut was: BTreeMap<&str, &Entry> = was.into_iter().collect();
        for (name, entry) in is {
            let inside = format!("{path}.{}", bare(name));
            match (was.remove(name).and_then(Entry::table), entry.table()) {
                (Some(was), Some(is)) => tables(out, &inside, was, is, section),
                (_, _) => out.push(changed(inside, What::Added(Some(entry.value.to_string())))),
            }
        }
        let gone = |(name, entry): (&&str, &&Entry)| {
            changed(format!("{path}.{}", bare(name)), What::Removed(Some(entry.value.to_string())))
        };
        out.extend(was.iter().map(gone));
    } else {
        let only = |these: &[Entry], those: &[Entry]| -> Vec<String> {
            these.iter().filter(|e| !those.contains(e)).map(|e| e.value.to_string()).collect()
        };
        let (gone, more) = (only(old, new), only(new, old));
        if let ([was], [is]) = (gone.as_slice(), more.as_slice()) {
            out.push(changed(path.to_owned(), What::Changed(was.clone(), is.clone())));
        } else {
            out.extend(gone.into_iter().map(|was| changed(path.to_owned(), What::Removed(Some(was)))));
            out.extend(more.into_iter().map(|is| changed(path.to_owned(), What::Added(Some(is)))));
        }
    }
    if out.len() == before && old != new && !in_one_order(old, new) {
        out.push(changed(path.to_owned(), What::Moved));
    }
}

/// Elements of the same names in the same order, whatever the order of their keys.
fn in_one_order(old: &[Entry], new: &[Entry]) -> bool {
    let names = |all: &[Entry]| -> Option<Vec<String>> {
        Some(by_name(all)?.into_iter().map(|(name, _)| name.to_owned()).collect())
    };
    names(old).is_some_and(|was| Some(was) == names(new))
}

fn by_name(all: &[Entry]) -> Option<Vec<(&str, &Entry)>> {
    all.iter().map(|e| Some((e.table()?.get("name")?.text()?, e))).collect()
}

fn changed(path: String, what: What) -> Change {
    Change { path, what, by: By::Reload }
}

/// Files with another content than was read, and than operators have made of it. Those that only one of them names are
/// told of where they are named.
fn files(out: &mut Vec<Change>, old: &InUse, new: &InUse) {
    for (name, is) in &new.files {
        let is_known = old.edited.get(name) == Some(is);
        if old.files.get(name).is_some_and(|was| was != is && !is_known) {
            let is_tls = ["tls:", "dir:", "system-"].iter().any(|kind| name.starts_with(kind));
            let by = if is_tls { By::Handshakes } else { By::Reload };
            out.push(Change { path: name.clone(), what: What::Content, by });
        }
    }
}

fn another_worker(live: &Live) -> String {
    let connections: u64 = live.connections.values().sum();
    format!("another worker takes over; {} by the one that has them", finished(connections))
}

fn finished(connections: u64) -> String {
    match connections {
        0 => "there are no connections to be finished".to_owned(),
        1 => "1 connection is finished".to_owned(),
        n => format!("{n} connections are finished"),
    }
}

/// Addresses that are listened on no more, and those that are new.
fn listeners(out: &mut Vec<String>, old: &InUse, new: &InUse, live: Option<&Live>) {
    let addresses = |of: &InUse| of.listeners.iter().map(|(_, a)| a.clone()).collect::<BTreeSet<_>>();
    let (was, is) = (addresses(old), addresses(new));
    for (frontend, address) in old.listeners.iter().filter(|(_, a)| !is.contains(a)) {
        let others = old.listeners.iter().filter(|(f, _)| f == frontend).count() > 1;
        let connections = live.map(|live| live.connections.get(frontend).copied().unwrap_or(0));
        let fate = match connections {
            Some(n) if others && n > 0 => {
                format!(": of {n} connections of the frontend, those to it are finished, then closed")
            }
            Some(0) => ": no connections".to_owned(),
            Some(n) => format!(": {}, then closed", finished(n)),
            None => ": its connections are finished, then closed".to_owned(),
        };
        out.push(format!("frontend {frontend} listens on {address} no more{fate}"));
    }
    for (frontend, address) in new.listeners.iter().filter(|(_, a)| !was.contains(a)) {
        out.push(format!("frontend {frontend} begins to listen on {address}"));
    }
}

/// Servers that get no more requests.
fn servers(out: &mut Vec<String>, old: &InUse, new: &InUse, live: Option<&Live>) {
    let stay: BTreeSet<&String> = new.servers.iter().collect();
    for server in old.servers.iter().filter(|server| !stay.contains(server)) {
        let running = live.map(|live| live.requests.get(server).copied().unwrap_or(0));
        let fate = match running {
            Some(0) => String::new(),
            Some(1) => ": 1 request is finished".to_owned(),
            Some(n) => format!(": {n} requests are finished"),
            None => ": its requests are finished".to_owned(),
        };
        out.push(format!("server {server} goes{fate}"));
    }
}

/// Virtual routers that let go, and those that begin, in words; the others go on in their states.
pub fn routers_that_change(old: &[(String, Identity)], new: &[(String, Identity)]) -> Vec<String> {
    let lacks = |of: &[(String, Identity)], identity: &Identity| !of.iter().any(|(_, it)| it == identity);
    let line = |(name, identity): &(String, Identity), what: &str| {
        format!("virtual router {name} ({}, VRID {}) {what}", identity.interface, identity.vrid)
    };
    let gone = old.iter().filter(|(_, identity)| lacks(new, identity));
    let gone = gone.map(|router| line(router, "lets go of its addresses"));
    let begun = new.iter().filter(|(_, identity)| lacks(old, identity));
    gone.chain(begun.map(|router| line(router, "begins"))).collect()
}

/// FNV-1a: files are told apart, and another version of this program tells the same ones apart.
fn digest(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Writing to a string does not fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

/// Characters of a value that are shown.
const MAX_VALUE: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn in_use(toml: &str) -> InUse {
        InUse {
            node: "a".into(),
            file: "/etc/evenkeel/evenkeel.toml".into(),
            toml: toml.into(),
            passwords: 0,
            files: BTreeMap::new(),
            edited: BTreeMap::new(),
            listeners: Vec::new(),
            servers: Vec::new(),
            routers: Vec::new(),
        }
    }

    fn check(old: &str, new: &str, expected: &[&str]) {
        let difference = Difference::between(&in_use(old), &in_use(new), None);
        let told = difference.render();
        let lines: Vec<&str> = told.lines().map(|line| line.trim_end_matches("  (reload)")).collect();
        assert_eq!(lines, expected, "{old}{new}");
    }

    #[test]
    fn changes_are_told_key_by_key() {
        check("[global]\nmaxconn = 5\n", "[global]\nmaxconn = 5\n", &[]);
        check("[global]\nmaxconn = 5\n", "[global]\nmaxconn = 6\n", &["~ global.maxconn: 5 -> 6"]);
        check("", "[backend.b]\nretries = 1\n[backend.c]\n", &["+ backend.b", "+ backend.c"]);
        check("[backend.b]\n[backend.c]\n", "[backend.c]\n", &["- backend.b"]);
        check(
            "[backend.b]\ntimeout = { connect = \"1s\", server = \"2s\" }\n",
            "[backend.b]\ntimeout = { server = \"3s\", queue = \"4s\" }\n",
            &[
                "~ backend.b.timeout.server: \"2s\" -> \"3s\"",
                "+ backend.b.timeout.queue = \"4s\"",
                "- backend.b.timeout.connect = \"1s\"",
            ],
        );
        check("[backend.b]\nretries = 3\n", "[backend.b]\n", &[]);
        check("[acl]\n", "[acl]\nx = { path = \"/\" }\n", &["+ acl.x"]);
    }

    #[test]
    fn servers_are_told_by_their_names_and_rules_as_they_are() {
        let servers = |all: &str| format!("[backend.b]\nserver = [{all}]\n");
        let (one, two) = ("{ name = \"s1\", addr = \"a:1\" }", "{ name = \"s2\", addr = \"a:2\" }");
        let heavy = "{ addr = \"a:1\", weight = 2, name = \"s1\" }";
        check(
            &servers(&format!("{one}, {two}")),
            &servers(heavy),
            &["+ backend.b.server.s1.weight = 2", &format!("- backend.b.server.s2 = {two}")],
        );
        check(
            &servers(&format!("{one}, {two}")),
            &servers(&format!("{two}, {one}")),
            &["~ backend.b.server: another order"],
        );
        let rules = |all: &str| format!("[frontend.f]\nhttp_request = [{all}]\n");
        check(
            &rules("{ deny = 403 }, { deny = 404 }"),
            &rules("{ deny = 404 }, { deny = 403 }"),
            &["~ frontend.f.http_request: another order"],
        );
        check(
            &rules("{ deny = 403 }, { deny = 404 }"),
            &rules("{ deny = 404 }, { deny = 500 }"),
            &["~ frontend.f.http_request: { deny = 403 } -> { deny = 500 }"],
        );
    }

    #[test]
    fn what_follows_is_told() {
        let identity = |vrid: u8| {
            let json =
                format!("{{\"interface\":\"eth0\",\"family\":\"V4\",\"vrid\":{vrid},\"virtual_mac\":false}}");
            serde_json::from_str::<Identity>(&json).unwrap()
        };
        let listener = |frontend: &str, address: &str| (frontend.to_owned(), address.to_owned());
        let old = InUse {
            listeners: vec![listener("f", "*:80"), listener("f", "*:81"), listener("g", "*:82")],
            servers: vec!["b/s1".into(), "b/s2".into()],
            routers: vec![("A".into(), identity(1)), ("B".into(), identity(2))],
            ..in_use("[frontend.f]\nmaxconn = 1\n")
        };
        let new = InUse {
            listeners: vec![listener("f", "*:80"), listener("h", "*:83")],
            servers: vec!["b/s2".into()],
            routers: vec![("Renamed".into(), identity(1)), ("B".into(), identity(3))],
            ..in_use("[frontend.f]\nmaxconn = 2\n")
        };
        let live = Live {
            connections: [("f".into(), 7), ("g".into(), 1)].into(),
            requests: [("b/s1".into(), 2)].into(),
        };
        assert_eq!(
            Difference::between(&old, &new, Some(&live)).consequences,
            [
                "another worker takes over; 8 connections are finished by the one that has them",
                "frontend f listens on *:81 no more: of 7 connections of the frontend, those to it are finished, then closed",
                "frontend g listens on *:82 no more: 1 connection is finished, then closed",
                "frontend h begins to listen on *:83",
                "server b/s1 goes: 2 requests are finished",
                "virtual router B (eth0, VRID 2) lets go of its addresses",
                "virtual router B (eth0, VRID 3) begins",
            ]
        );
    }

    #[test]
    fn files_of_tls_alone_leave_the_worker_where_it_is() {
        let with = |toml: &str, digest: &str| InUse {
            files: [("tls:www.pem".to_owned(), digest.to_owned())].into(),
            ..in_use(toml)
        };
        let live = Live::default();
        let alone = Difference::between(&with("", "1"), &with("", "2"), Some(&live));
        assert_eq!(alone.render(), "~ tls:www.pem: another content  (reload, the worker stays)\n");
        let both = Difference::between(&with("", "1"), &with("[backend.b]\n", "2"), Some(&live));
        assert!(
            both.render().starts_with("+ backend.b  (reload)\n~ tls:www.pem: another content  (reload)\n")
        );
        let saved = with("", "1").with_edited(&[("tls:www.pem".to_owned(), b"a".to_vec())].into());
        assert_eq!(digest(b"a"), "af63dc4c8601ec8c");
        assert_eq!(Difference::between(&saved, &with("", "af63dc4c8601ec8c"), None), Difference::default());
    }
}
