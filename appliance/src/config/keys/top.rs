//! The file itself: which sections there are.

use super::matcher::ACL;
use super::{
    BACKEND, DEFAULTS, FRONTEND, GLOBAL, LISTEN, LUA, MAP, PROFILE, RESOLVERS, SYNC_GROUP, TABLE, VRRP,
    VRRP_SCRIPT,
};
use super::{Key, Section, Type};

/// What stands at the top of the file.
pub static TOP: Section = Section {
    path: "",
    called: "the configuration",
    doc: "One file, the same on every node. Relative paths start from the directory of the main file.",
    keys: &[
        Key::new(
            "include",
            Type::Text("a path or an array of paths, where the last part may have `*`"),
            "Further files, read in the order of their names as if their sections stood in this one. Only the main \
             file includes. A section or key that two files define is refused.",
        ),
        Key::new("global", Type::Table(&GLOBAL), "What concerns the processes as a whole."),
        Key::new(
            "defaults",
            Type::Table(&DEFAULTS),
            "What holds in every frontend, backend and listen that does not say otherwise.",
        ),
        Key::new(
            "profile",
            Type::Named(&PROFILE),
            "Named sets of defaults for sections that ask for one with `from`.",
        ),
        ACL,
        Key::new("frontend", Type::Named(&FRONTEND), "What accepts clients."),
        Key::new("backend", Type::Named(&BACKEND), "Groups of servers."),
        Key::new("listen", Type::Named(&LISTEN), "A frontend and a backend in one."),
        Key::new("table", Type::Named(&TABLE), "What is remembered of clients."),
        Key::new("map", Type::Named(&MAP), "Values that rules look up."),
        Key::new("lua", Type::Table(&LUA), "Scripts that rules call."),
        Key::new("resolvers", Type::Named(&RESOLVERS), "Name servers, for servers that have a name."),
        Key::new("vrrp", Type::Named(&VRRP), "Virtual routers: addresses that move between the nodes."),
        Key::new("vrrp_script", Type::Named(&VRRP_SCRIPT), "Check programs that virtual routers can track."),
        Key::new("sync_group", Type::Named(&SYNC_GROUP), "Virtual routers that move together."),
    ],
    hints: &[
        ("stick_table", "[table.NAME]"),
        ("vrrp_instance", "[vrrp.NAME]"),
        ("vrrp_sync_group", "[sync_group.NAME]"),
        ("global_defs", "[global]"),
        ("server", "servers stand in a backend: [backend.NAME] server = [{ name = \"…\", addr = \"…\" }]"),
        ("nodes", "a node is known by the tables that name it: priority = { lb1 = 101, lb2 = 100 }"),
    ],
};
