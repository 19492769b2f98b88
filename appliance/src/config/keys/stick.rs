//! Keys of tables and of `stick`.

use super::counted::TABLE_STORE;
use super::{DAY, Key, Section, Type, ms};

/// `[table.X]`.
pub static TABLE: Section = Section {
    path: "table.NAME",
    called: "a table",
    doc: "What is remembered of clients, in memory: which servers they had (`stick`), and what they have done (`store`, with \
          `track` of rules). Backends that share a table share what it knows, by the names of their servers. Where a table \
          serves both, there are as many entries of each as it says.",
    keys: &[
        Key::new(
            "type",
            Type::Word(&["ip", "integer", "string", "binary"]),
            "What its keys are: addresses of both families, numbers of 32 bits, text, or any bytes.",
        )
        .required(),
        Key::new(
            "size",
            Type::Text("a number of entries, also as \"100k\" (1024 each) or \"1m\""),
            "Most entries. What would end first makes room for more, but for what requests under way are counted in.",
        )
        .required(),
        Key::new("expire", ms(1000, DAY * 365), "An entry ends so long after it was last used.")
            .default_is("never; only room is made"),
        Key::new(
            "ipv6_prefix",
            Type::Int { min: 1, max: 128 },
            "Bits of an IPv6 address that are the key: a client has a network of addresses.",
        )
        .default("64"),
        Key::new("len", Type::Int { min: 1, max: 1024 }, "Bytes of a text or of bytes that are the key.").default("32"),
        Key::new(
            "nopurge",
            Type::Bool,
            "No room is made: while there is none, other keys are neither remembered nor counted.",
        )
        .default("false"),
        Key::new("store", Type::Table(&TABLE_STORE), "What is counted of every key."),
    ],
    hints: &[("ipv6", "type = \"ip\" has addresses of both families")],
};

/// One entry of `stick`.
pub static STICK: Section = Section {
    path: "backend.NAME.stick",
    called: "a stick rule",
    doc: "Persistence by a table: exactly one of `on`, `match` and `store_request`, and the table.",
    keys: &[
        Key::new(
            "on",
            STICK_KEY,
            "The client goes where the table says, and the table remembers who answered.",
        ),
        Key::new("match", STICK_KEY, "The client goes where the table says."),
        Key::new("store_request", STICK_KEY, "The table remembers who answered."),
        Key::new("table", Type::Text("the name of a table"), "The table.").required(),
    ],
    hints: &[("src", "on = \"src\""), ("store", "store_request")],
};

/// The table form of the key of a stick rule.
pub static STICK_FIELD: Section = Section {
    path: "backend.NAME.stick.on",
    called: "the key of a stick rule",
    doc: "What of a request is looked up: exactly one of these.",
    keys: &[
        Key::new("cookie", Type::Text("the name of a cookie"), "The value of a cookie of the request."),
        Key::new("hdr", Type::Text("a header field name"), "The value of a header field of the request."),
    ],
    hints: &[("header", "hdr = \"NAME\""), ("src", "\"src\", without a table")],
};

const STICK_KEY: Type =
    Type::Forms("\"src\", { cookie = \"NAME\" } or { hdr = \"NAME\" }", Some(&STICK_FIELD));
