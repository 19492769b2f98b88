//! Keys of servers: what holds for each, and when it is checked.

use super::balance::{MAXQUEUE, MINCONN, SERVER_MAXCONN, SLOWSTART};
use super::tls::{
    CHECK_ALPN, CHECK_SNI, CHECK_SSL, CIPHERS, CIPHERSUITES, CRL_FILE, CURVES, MAX_VER, MIN_VER, SERVER_ALPN,
    SERVER_CA_FILE, SERVER_CRT, SERVER_SSL, SERVER_VERIFY, SNI, VERIFYHOST,
};
use super::{DAY, Key, Section, Type, ms};

/// One entry of `server`.
pub static SERVER: Section = Section {
    path: "backend.NAME.server",
    called: "a server",
    doc: "One server.",
    keys: &[
        Key::new("name", Type::Text("a name"), "Name, unique in the backend.").required(),
        Key::new("addr", Type::Text("\"IP:PORT\", \"unix@/PATH\", \"abns@NAME\" or \"abnsz@NAME\""),
            "Where requests go: an address, a Unix socket, or one in the abstract namespace, named as HAProxy names it \
             (`abns`, filled up) or as most others do (`abnsz`). Names of hosts are not resolved.").required(),
        WEIGHT,
        SERVER_MAXCONN,
        MINCONN,
        MAXQUEUE,
        SLOWSTART,
        BACKUP,
        STATE,
        CHECK,
        INTER,
        FASTINTER,
        DOWNINTER,
        RISE,
        FALL,
        CHECK_PORT,
        CHECK_ADDR,
        Key::new("cookie", Type::Text("a cookie's value"), "The server's value in the backend's `cookie`."),
        SERVER_SSL,
        SERVER_VERIFY,
        SERVER_CA_FILE,
        CRL_FILE,
        SNI,
        VERIFYHOST,
        SERVER_ALPN,
        CHECK_SSL,
        CHECK_SNI,
        CHECK_ALPN,
        SERVER_CRT,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
    ],
    hints: SERVER_HINTS,
};

/// `default_server`.
pub static DEFAULT_SERVER: Section = Section {
    path: "defaults.default_server",
    called: "default_server",
    doc: "What holds for every server that does not say otherwise.",
    keys: &[
        WEIGHT,
        SERVER_MAXCONN,
        MINCONN,
        MAXQUEUE,
        SLOWSTART,
        BACKUP,
        STATE,
        CHECK,
        INTER,
        FASTINTER,
        DOWNINTER,
        RISE,
        FALL,
        CHECK_PORT,
        CHECK_ADDR,
        SERVER_SSL,
        SERVER_VERIFY,
        SERVER_CA_FILE,
        CRL_FILE,
        SNI,
        VERIFYHOST,
        SERVER_ALPN,
        CHECK_SSL,
        CHECK_SNI,
        CHECK_ALPN,
        SERVER_CRT,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
    ],
    hints: SERVER_HINTS,
};

const WEIGHT: Key =
    Key::new("weight", Type::Int { min: 0, max: 256 }, "Share of the work; 0 gets no new work.").default("1");
const BACKUP: Key =
    Key::new("backup", Type::Bool, "Used only when no other server is usable.").default("false");
const STATE: Key = Key::new(
    "state",
    Type::Word(&["ready", "drain", "maint"]),
    "`drain` takes no new work and is still checked; `maint` takes nothing and is not checked.",
)
.default("\"ready\"");
const CHECK: Key =
    Key::new("check", Type::Bool, "Whether health checks are run; without them a server counts as up.")
        .default_is("true if the backend says how (`check` or `httpchk`), else false");
const INTER: Key = Key::new("inter", ms(10, DAY), "Time between checks.").default("\"2s\"");
const FASTINTER: Key =
    Key::new("fastinter", ms(10, DAY), "Time between checks while going up or down.").default_is("`inter`");
const DOWNINTER: Key =
    Key::new("downinter", ms(10, DAY), "Time between checks while down.").default_is("`inter`");
const RISE: Key =
    Key::new("rise", Type::Int { min: 1, max: 1000 }, "Successes in a row that bring a server up.")
        .default("2");
const FALL: Key =
    Key::new("fall", Type::Int { min: 1, max: 1000 }, "Failures in a row that take a server down.")
        .default("3");
const CHECK_PORT: Key =
    Key::new("check_port", Type::Int { min: 1, max: 65_535 }, "Port to check.").default_is("the server's");
const CHECK_ADDR: Key =
    Key::new("check_addr", Type::Text("an IP address"), "Address to check.").default_is("the server's");

const SERVER_HINTS: &[(&str, &str)] = &[
    ("drain", "state = \"drain\""),
    ("disabled", "state = \"maint\""),
    ("maint", "state = \"maint\""),
    ("ready", "state = \"ready\""),
    ("enabled", "state = \"ready\""),
    ("address", "addr = \"IP:PORT\""),
    ("port", "the port is part of the address: addr = \"IP:PORT\"; that of the checks is check_port"),
    ("timeout", "timeout = { check = \"…\" }, in the backend"),
];
