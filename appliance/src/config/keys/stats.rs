//! Keys of `stats`.

use super::{DAY, Key, Section, Type, ms};

/// `stats`.
pub static STATS: Section = Section {
    path: "frontend.NAME.stats",
    called: "stats",
    doc: "The statistics page: every proxy with its servers, why a server is down, latencies and pictures of the last \
          minutes, virtual routers and their addresses. It answers what comes for its path when `http_request` has let it \
          through. Behind the path, HAProxy's words: `;csv`, `;json`, `;up`, `;no-maint`, `;norefresh`, `;scope=TEXT`.",
    keys: &[
        Key::new("uri", Type::Text("a path such as \"/stats\""), "Where the page is.")
            .default("\"/haproxy?stats\""),
        Key::new(
            "refresh",
            ms(1_000, DAY),
            "How often an open page looks again, in whole seconds. Chosen servers stay chosen; a page that is not seen does \
             not look.",
        )
        .default_is("only when asked to"),
        Key::new(
            "auth",
            Type::Passwords,
            "Who may see it: names, with passwords as secrets. Without it only listens on loopback addresses may have the \
             page. Passwords go over the wire as they are: use TLS (`ssl`).",
        ),
        Key::new("realm", Type::Text("a text in ASCII"), "What a browser shows when it asks for a password.")
            .default("\"Evenkeel statistics\""),
        Key::new(
            "admin_if",
            Type::Text("a condition, as behind `if`"),
            "Requests for which it holds may change servers: ready, drain, maint, forced health, weight, an end of \
             sessions. `LOCALHOST`: those that come from this machine. A form that another site has made a browser send is \
             refused (`Sec-Fetch-Site`, `Origin`, `Referer`).",
        )
        .default_is("nobody may"),
        Key::new("hide_version", Type::Bool, "The page does not tell the version.").default("false"),
        Key::new(
            "scope",
            Type::Text("the name of a proxy, or an array of them"),
            "Only these proxies are on it; `.` is this one.",
        )
        .default_is("all of them"),
    ],
    hints: &[
        ("enable", "stats = {} is enough"),
        ("admin", "admin_if = \"LOCALHOST\""),
        ("hide-version", "hide_version = true"),
        ("url", "uri"),
        ("path", "uri"),
        ("show-legends", "they are always shown"),
        ("show_legends", "they are always shown"),
        ("show-node", "the node is always shown"),
        ("show_node", "the node is always shown"),
        ("users", "auth = { admin = \"file:/etc/evenkeel/stats.pass\" }"),
        ("password", "auth = { admin = \"file:/etc/evenkeel/stats.pass\" }"),
    ],
};

/// `stats` of a section.
pub(super) const STATS_PAGE: Key =
    Key::new("stats", Type::Table(&STATS), "The statistics page of this listen or frontend.");
