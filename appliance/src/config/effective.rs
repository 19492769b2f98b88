//! A configuration with nothing left open: the values of one node, what sections inherit from profiles and
//! `[defaults]`, and every default that is a value.

use evenkeel_proxy::plan::Mode;

use super::keys::{self, Key, Section, Type};
use super::parse::log_format;
use super::resolve::alien;
use super::source::Sources;
use super::tree::{Entry, Origin, Tree, Value, default_of};

impl Tree {
    /// What sources mean on a node, written out: it loads as the same configuration.
    pub fn effective(sources: &Sources, node: &str) -> Self {
        let mut tree = Self::effective_anywhere(sources, node);
        if let Some(global) = tree.table_mut("global")
            && !global.has("nbthread")
        {
            let threads = Value::Int(i64::from(sources.cpus.max(1)));
            global.set("nbthread", Entry::new(threads, Origin::Machine("CPUs of this machine")));
        }
        tree
    }

    /// The same but for what depends on the machine.
    pub(super) fn effective_anywhere(sources: &Sources, node: &str) -> Self {
        let mut tree = Self::of_sources(sources);
        choose(&mut tree, &keys::TOP, node);
        inherit(&mut tree);
        tree.remove(&["include", "defaults", "profile"]);
        if !tree.has("global") {
            tree.set("global", Entry::new(Value::Table(Self::default()), Origin::Default));
        }
        fill(&mut tree, &keys::TOP);
        tree
    }
}

/// Takes this node's values from the tables that have one for each.
fn choose(tree: &mut Tree, section: &'static Section, node: &str) {
    for (name, entry) in &mut tree.entries {
        let Some(key) = section.key(name) else { continue };
        if key.per_node {
            if let Some(own) = entry.table().and_then(|values| values.get(node)) {
                *entry = own.clone();
            }
        } else if let (Value::Table(named), Type::Named(section)) = (&mut entry.value, key.ty) {
            for (_, entry) in &mut named.entries {
                if let Value::Table(tree) = &mut entry.value {
                    choose(tree, section, node);
                }
            }
        }
    }
}

/// Writes into frontends, backends and listens what they take from profiles and `[defaults]`.
fn inherit(tree: &mut Tree) {
    let bases = tree.clone();
    for (kind, section) in PROXIES {
        let Some(Entry { value: Value::Table(named), .. }) = tree.get_mut(kind) else { continue };
        for (_, entry) in &mut named.entries {
            if let Value::Table(proxy) = &mut entry.value {
                inherit_proxy(proxy, section, &bases);
            }
        }
    }
}

fn inherit_proxy(proxy: &mut Tree, section: &'static Section, bases: &Tree) {
    let from = chain(proxy, bases);
    proxy.remove(&["from"]);
    let mode = from.iter().find_map(|(_, base)| base.get("mode"));
    let is_tcp = proxy.get("mode").or(mode).and_then(Entry::text) == Some("tcp");
    let mut knows_check = says_check(proxy);
    let mut checks = says_if_checked(proxy);
    let mut connect = None;
    for (called, base) in from {
        for (name, entry) in &base.entries {
            let concerns = !(is_tcp && keys::OF_HTTP.contains(&name.as_str()));
            match section.key(name) {
                Some(key) if concerns && inherits(section, key) => {
                    let skipped = knows_check && matches!(name.as_str(), "check" | "httpchk");
                    let without: &[&str] = match name.as_str() {
                        "default_server" if checks => &["check"],
                        "timeout" if is_tcp => &["http_request", "http_keep_alive"],
                        _ => &[],
                    };
                    if !skipped {
                        lay_under(proxy, key, &entry.inherited(&called), without);
                    }
                }
                Some(_) | None => {}
            }
        }
        knows_check = knows_check || says_check(base);
        checks = checks || says_if_checked(base);
        let timeouts = base.get("timeout").and_then(Entry::table);
        connect = connect.or_else(|| Some(timeouts?.get("connect")?.inherited(&called)));
    }
    tarpit(proxy, section, connect);
    own_log_format(proxy, if is_tcp { Mode::Tcp } else { Mode::Http });
}

/// A format of the other mode is not inherited.
fn own_log_format(proxy: &mut Tree, mode: Mode) {
    let inherited = |e: &&Entry| matches!(e.origin, Origin::Inherited(..));
    let format = proxy.get("log_format").filter(inherited).and_then(Entry::text);
    if format.and_then(|text| log_format(text).ok()).is_some_and(|f| alien(&f, mode).is_some()) {
        proxy.remove(&["log_format"]);
    }
}

/// `tarpit` of a frontend is what `connect` is, which no frontend says.
fn tarpit(proxy: &mut Tree, section: &'static Section, connect: Option<Entry>) {
    let Some(connect) = connect.filter(|_| section.path == keys::FRONTEND.path) else { return };
    if let Some(timeouts) = proxy.table_mut("timeout")
        && !timeouts.has("tarpit")
    {
        timeouts.set("tarpit", connect);
    }
}

/// How servers are checked is one thing, said by either.
fn says_check(tree: &Tree) -> bool {
    tree.has("check") || tree.has("httpchk")
}

/// Whether servers are checked.
fn says_if_checked(tree: &Tree) -> bool {
    let of_servers = tree.get("default_server").and_then(Entry::table);
    says_check(tree) || of_servers.is_some_and(|servers| servers.has("check"))
}

/// The profiles of a section and `[defaults]`, nearest first, and what they are called.
fn chain<'t>(proxy: &Tree, bases: &'t Tree) -> Vec<(String, &'t Tree)> {
    let mut chain: Vec<(String, &Tree)> = Vec::new();
    let mut next = proxy.get("from").and_then(Entry::text);
    while let Some(name) = next {
        let called = format!("[profile.{name}]");
        let profile = bases.named("profile").iter().find(|(own, _)| own == name);
        let Some(profile) = profile.and_then(|(_, entry)| entry.table()) else { break };
        if chain.iter().any(|(seen, _)| *seen == called) {
            break;
        }
        chain.push((called, profile));
        next = profile.get("from").and_then(Entry::text);
    }
    let defaults = bases.get("defaults").and_then(Entry::table);
    chain.extend(defaults.map(|defaults| ("[defaults]".to_owned(), defaults)));
    chain
}

/// Whether sections of this kind take the key from `[defaults]`.
fn inherits(section: &Section, key: &Key) -> bool {
    // The limit of a backend is another one than that of frontends.
    let is_other = section.path == keys::BACKEND.path && key.name == "maxconn";
    key.name != "from" && !is_other && keys::DEFAULTS.key(key.name).is_some()
}

/// What the section does not say: some tables key by key, everything else as a whole.
fn lay_under(proxy: &mut Tree, key: &Key, base: &Entry, without: &[&str]) {
    let by_key = matches!(key.name, "timeout" | "errorfile" | "default_server");
    let Some(below) = base.table().filter(|_| by_key) else {
        if !proxy.has(key.name) {
            proxy.set(key.name, base.clone());
        }
        return;
    };
    if !proxy.has(key.name) {
        proxy.set(key.name, Entry::new(Value::Table(Tree::default()), base.origin.clone()));
    }
    let Some(own) = proxy.table_mut(key.name) else { return };
    for (name, entry) in &below.entries {
        let is_known = key.ty.section().is_none_or(|section| section.key(name).is_some());
        if is_known && !own.has(name) && !without.contains(&name.as_str()) {
            own.set(name, entry.clone());
        }
    }
}

/// Writes defaults into every table of the kinds that have a page of their own, and makes those tables that hold
/// without being said.
fn fill(tree: &mut Tree, section: &'static Section) {
    for name in MADE.iter().filter(|(path, _)| *path == section.path).flat_map(|(_, names)| *names) {
        tree.table_mut(name);
    }
    if FILLED.contains(&section.path) {
        let is_tcp = tree.get("mode").and_then(Entry::text) == Some("tcp");
        let alien = |key: &Key| is_tcp && keys::OF_HTTP.contains(&key.name);
        for key in section.keys {
            let concerns = !alien(key) && !is_left_out(tree, section, key);
            if let (Some(value), false, true) = (default_of(key), tree.has(key.name), concerns) {
                tree.set(key.name, Entry::new(value.clone(), Origin::Default));
            }
        }
    }
    for (name, entry) in &mut tree.entries {
        let Some(key) = section.key(name) else { continue };
        let Some(below) = key.ty.section() else { continue };
        fill_value(&mut entry.value, key, below);
    }
}

fn fill_value(value: &mut Value, key: &Key, section: &'static Section) {
    match (value, key.ty) {
        (Value::Table(named), Type::Named(_)) => {
            named.entries.iter_mut().for_each(|(_, entry)| fill_table(&mut entry.value, section));
        }
        (Value::Array(all), _) => all.iter_mut().for_each(|entry| fill_table(&mut entry.value, section)),
        (value, _) => fill_table(value, section),
    }
}

fn fill_table(value: &mut Value, section: &'static Section) {
    if let Value::Table(tree) = value {
        fill(tree, section);
    }
}

/// Defaults that mean something else when they are said.
fn is_left_out(tree: &Tree, section: &Section, key: &Key) -> bool {
    let says = |name: &str, words: &[&str]| {
        tree.get(name).and_then(Entry::text).is_some_and(|said| words.contains(&said))
    };
    let is_on = |name: &str| matches!(tree.get(name), Some(Entry { value: Value::Bool(true), .. }));
    match (section.path, key.name) {
        // As many as there are, in the order of the library.
        ("global.tls" | "frontend.NAME.bind", "curves") => true,
        ("frontend.NAME.bind", _) => key.name != "ssl" && !is_on("ssl"),
        ("backend.NAME.balance", "use_domain_only") => !tree.has("hdr"),
        ("table.NAME", "ipv6_prefix") => !says("type", &["ip"]),
        ("table.NAME", "len") => !says("type", &["string", "binary"]),
        // Not said, it means more with this one.
        ("backend.NAME" | "listen.NAME", "hash_function") => says("hash_type", &["consistent"]),
        _ => false,
    }
}

const PROXIES: [(&str, &Section); 3] =
    [("frontend", &keys::FRONTEND), ("backend", &keys::BACKEND), ("listen", &keys::LISTEN)];

/// Tables whose keys have their defaults written in. Rules and conditions say what they say.
pub(super) const FILLED: &[&str] = &[
    "global",
    "global.admin_socket",
    "global.worker",
    "global.tune",
    "global.tls",
    "frontend.NAME",
    "backend.NAME",
    "listen.NAME",
    "defaults.default_server",
    "table.NAME",
    "map.NAME",
    "lua",
    "resolvers.NAME",
    "resolvers.NAME.hold",
    "resolvers.NAME.timeout",
    "vrrp.NAME",
    "vrrp.NAME.authentication",
    "vrrp_script.NAME",
    "backend.NAME.cookie",
    "backend.NAME.outlier_ejection",
    "backend.NAME.balance",
    "backend.NAME.balance.uri",
    "frontend.NAME.bind",
    "frontend.NAME.stats",
    "frontend.NAME.unique_id",
    "frontend.NAME.capture.request",
    "frontend.NAME.capture.cookie",
    "defaults.compression",
    "defaults.forwardfor",
    "global.log",
];

/// Tables that hold without being said, by the path of the section that they are in.
const MADE: &[(&str, &[&str])] = &[
    ("global", &["worker", "tune", "tls"]),
    ("backend.NAME", &["default_server"]),
    ("listen.NAME", &["default_server"]),
    ("resolvers.NAME", &["hold", "timeout"]),
];
