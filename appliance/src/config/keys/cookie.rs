//! Keys of `cookie`.

use super::{DAY, Key, Section, Type, ms};

/// `cookie` of a backend.
pub static COOKIE: Section = Section {
    path: "backend.NAME.cookie",
    called: "cookie",
    doc: "Clients keep their server by a cookie. Each server says its value in the key `cookie`, unless \
          `dynamic_cookie_key` makes values.",
    keys: &[
        Key::new("name", Type::Text("the name of a cookie"), "The cookie; case matters.").required(),
        Key::new(
            "mode",
            Type::Word(&["insert", "prefix", "rewrite"]),
            "`insert`: the proxy adds a cookie of its own. `prefix`: the server's value goes out with the proxy's and \
             `~` before it, and comes back without. `rewrite`: the server's value is replaced by the proxy's.",
        )
        .default("\"insert\""),
        Key::new(
            "indirect",
            Type::Bool,
            "The server does not see an inserted cookie.",
        )
        .default("false"),
        Key::new(
            "nocache",
            Type::Bool,
            "Answers to which a cookie is added are marked `Cache-Control: private`, where a cache might keep them.",
        )
        .default("false"),
        Key::new("postonly", Type::Bool, "Adds the cookie to answers to POST requests only.").default("false"),
        Key::new(
            "preserve",
            Type::Bool,
            "A cookie of this name that the server sets is passed on as it is, and none is added to it.",
        )
        .default("false"),
        Key::new("httponly", Type::Bool, "Hides the cookie from scripts.").default("false"),
        Key::new("secure", Type::Bool, "Clients send the cookie over TLS only.").default("false"),
        Key::new(
            "domain",
            Type::Text("a domain or an array of domains"),
            "Hosts the cookie is for.",
        )
        .default_is("the host of the request"),
        Key::new(
            "attr",
            Type::Text("an attribute or an array of attributes"),
            "Attributes to add, such as \"SameSite=Lax\".",
        ),
        Key::new(
            "maxidle",
            ms(1000, DAY * 3650),
            "The cookie is not followed if the client was not here for so long; it carries the date of the last visit.",
        ),
        Key::new(
            "maxlife",
            ms(1000, DAY * 3650),
            "The cookie is not followed so long after it was first given; it carries that date.",
        ),
        Key::new(
            "dynamic_cookie_key",
            Type::Text("text"),
            "Makes the value of servers without one from this key and their address, as HAProxy's `dynamic` does: the \
             same on every node, without a value per server.",
        ),
    ],
    hints: &[
        ("dynamic", "dynamic_cookie_key = \"…\""),
        ("insert", "mode = \"insert\""),
        ("prefix", "mode = \"prefix\""),
        ("rewrite", "mode = \"rewrite\""),
    ],
};
