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
        Key::new("addr", Type::Text("\"IP:PORT\", \"HOST:PORT\", \"_SERVICE._PROTO.NAME\", \"unix@/PATH\", \"abns@NAME\" or \"abnsz@NAME\""),
            "Where requests go: an address, a Unix socket, or one in the abstract namespace, named as HAProxy names it \
             (`abns`, filled up) or as most others do (`abnsz`). The name of a host is looked up by `resolvers`; \
             servers of one backend with the same name and port get an address each. Of a service the SRV records \
             are looked up, and each is for one server: its target, port and weight. Weights above 256 are divided by \
             256; if all are 0, servers keep their own.").required(),
        RESOLVERS,
        RESOLVE_PREFER,
        INIT_ADDR,
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
        PROTO,
        Key::new("cookie", Type::Text("a cookie's value"), "The server's value in the backend's `cookie`."),
        SEND_PROXY,
        SEND_PROXY_V2,
        PROXY_V2_OPTIONS,
        CHECK_SEND_PROXY,
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
        CHECK_PROTO,
        SERVER_CRT,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
        INIT_STATE,
        AGENT_CHECK,
        AGENT_PORT,
        AGENT_ADDR,
        AGENT_INTER,
        AGENT_SEND,
        OBSERVE,
        ERROR_LIMIT,
        ON_ERROR,
        ON_MARKED_DOWN,
        ON_MARKED_UP,
        Key::new(
            "track",
            Type::Text("a server, \"BACKEND/SERVER\""),
            "Follows this server instead of being checked: up and down as it is, down while it is in maintenance.",
        ),
    ],
    hints: SERVER_HINTS,
};

/// One entry of `server_template`.
pub static SERVER_TEMPLATE: Section = Section {
    path: "backend.NAME.server_template",
    called: "a server_template",
    doc: "Servers that share one name, an address or a record each. Those that the answer has nothing for are in \
          maintenance, \"MAINT (resolution)\", until it has.",
    keys: &[
        Key::new("prefix", Type::Text("a name"), "How their names begin; a number follows.").required(),
        Key::new(
            "range",
            Type::Text("\"COUNT\" or \"FIRST-LAST\""),
            "Their numbers: from 1, or from the first to the last.",
        )
        .required(),
        Key::new(
            "addr",
            Type::Text("\"HOST:PORT\" or \"_SERVICE._PROTO.NAME\""),
            "Their name, as that of a server.",
        )
        .required(),
        RESOLVERS,
        RESOLVE_PREFER,
        INIT_ADDR,
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
        PROTO,
        SEND_PROXY,
        SEND_PROXY_V2,
        PROXY_V2_OPTIONS,
        CHECK_SEND_PROXY,
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
        CHECK_PROTO,
        SERVER_CRT,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
        INIT_STATE,
        AGENT_CHECK,
        AGENT_PORT,
        AGENT_ADDR,
        AGENT_INTER,
        AGENT_SEND,
        OBSERVE,
        ERROR_LIMIT,
        ON_ERROR,
        ON_MARKED_DOWN,
        ON_MARKED_UP,
    ],
    hints: &[
        ("name", "prefix = \"web\", range = \"3\" makes web1, web2 and web3"),
        ("num", "range = \"3\", or range = \"1-3\""),
        ("cookie", "dynamic_cookie_key, in the backend: servers of one template have no values of their own"),
    ],
};

/// `outlier_ejection`.
pub static EJECTION: Section = Section {
    path: "backend.NAME.outlier_ejection",
    called: "outlier_ejection",
    doc: "Takes a server out for a while whose requests fail although its checks pass: connections that fail, in mode \
          http also bad responses (5xx but 501 and 505), broken and late ones. In mode tcp each connection is a request. \
          The last usable server is never taken out.",
    keys: &[
        Key::new(
            "consecutive_errors",
            Type::Int { min: 1, max: 1_000_000 },
            "Failures in a row that take a server out. This or `failure_percent` must be said.",
        ),
        Key::new(
            "failure_percent",
            Type::Int { min: 1, max: 100 },
            "Failures in percent of the requests of an interval that take a server out.",
        ),
        Key::new(
            "min_requests",
            Type::Int { min: 1, max: 1_000_000 },
            "Requests of an interval below which `failure_percent` does not count.",
        )
        .default("20"),
        Key::new("interval", ms(1000, DAY), "Over which `failure_percent` is counted.").default("\"10s\""),
        Key::new(
            "time",
            ms(100, DAY),
            "How long the first ejection lasts. The second one lasts twice as long, and so on; an interval without \
             one makes the next shorter again.",
        )
        .default("\"30s\""),
        Key::new("max_time", ms(100, DAY), "How long an ejection lasts at most.").default("\"5m\""),
        Key::new(
            "max_percent",
            Type::Int { min: 1, max: 100 },
            "Servers of the backend, in percent, that may be out at once; one always may.",
        )
        .default("10"),
    ],
    hints: &[],
};

/// `default_server`.
pub static DEFAULT_SERVER: Section = Section {
    path: "defaults.default_server",
    called: "default_server",
    doc: "What holds for every server that does not say otherwise.",
    keys: &[
        RESOLVERS,
        RESOLVE_PREFER,
        INIT_ADDR,
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
        PROTO,
        SEND_PROXY,
        SEND_PROXY_V2,
        PROXY_V2_OPTIONS,
        CHECK_SEND_PROXY,
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
        CHECK_PROTO,
        SERVER_CRT,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
        INIT_STATE,
        AGENT_CHECK,
        AGENT_PORT,
        AGENT_ADDR,
        AGENT_INTER,
        AGENT_SEND,
        OBSERVE,
        ERROR_LIMIT,
        ON_ERROR,
        ON_MARKED_DOWN,
        ON_MARKED_UP,
    ],
    hints: SERVER_HINTS,
};

const RESOLVERS: Key =
    Key::new("resolvers", Type::Text("the name of a [resolvers.X]"), "Who is asked where the server is.")
        .default_is("the only [resolvers.X]");
const RESOLVE_PREFER: Key = Key::new(
    "resolve_prefer",
    Type::Word(&["ipv4", "ipv6"]),
    "The family that is taken if the name has addresses of both; the other one is left alone.",
)
.default("\"ipv6\"");
const INIT_ADDR: Key = Key::new(
    "init_addr",
    Type::Text("\"last\", \"none\", an IP address, or an array of them"),
    "Where a server with a name is until it has been looked up, the first that says anything: `last` is where it was \
     before the data plane was replaced, `none` nowhere. Nothing waits for it.",
)
.default("[\"last\", \"none\"]");
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

const INIT_STATE: Key = Key::new(
    "init_state",
    Type::Word(&["fully-up", "up", "down", "fully-down"]),
    "What the server is until its first checks: `up` goes down at the first failure, `fully-up` after `fall` of them; \
     `down` comes up at the first success, `fully-down` after `rise` of them.",
)
.default("\"up\"");
const AGENT_CHECK: Key = Key::new(
    "agent_check",
    Type::Bool,
    "Asks an agent beside the server how it is: `up`, `down`, `ready`, `drain`, `maint`, a weight (`75%`), most \
     requests at once (`maxconn:30`; 0: any number). An agent that cannot be reached changes nothing.",
)
.default("false");
const AGENT_PORT: Key = Key::new("agent_port", Type::Int { min: 1, max: 65_535 }, "Port of the agent.")
    .default_is("none: `agent_check` needs it");
const AGENT_ADDR: Key =
    Key::new("agent_addr", Type::Text("an IP address"), "Address of the agent.").default_is("the server's");
const AGENT_INTER: Key = Key::new("agent_inter", ms(10, DAY), "Time between questions.").default("\"2s\"");
const AGENT_SEND: Key = Key::new(
    "agent_send",
    Type::Text("text"),
    "What the agent is told before it answers; a newline at its end is written `\\n`.",
);
const OBSERVE: Key = Key::new(
    "observe",
    Type::Word(&["layer4", "layer7"]),
    "Watches clients' requests: failed connections, with `layer7`, in mode http, also bad responses (5xx but 501 and \
     505), broken and late ones.",
);
const ERROR_LIMIT: Key = Key::new(
    "error_limit",
    Type::Int { min: 1, max: 1_000_000 },
    "Errors in a row, as `observe` sees them, that have the consequence of `on_error`. An attempt that `retry_on` repeats is one of them.",
)
.default("10");
const ON_ERROR: Key = Key::new(
    "on_error",
    Type::Word(&["fastinter", "fail-check", "sudden-death", "mark-down"]),
    "What too many errors do: hasten the next check, count as a failed one, count as one with the next taking the \
     server down, or take it down. All of them make the next check come after `fastinter`.",
)
.default("\"fail-check\"");
const ON_MARKED_DOWN: Key = Key::new(
    "on_marked_down",
    Type::Word(&["leave", "shutdown-sessions"]),
    "What becomes of requests, streams and connections that are with the server when it goes down or into maintenance: \
     `shutdown-sessions` ends them, with status 502 where no response has begun and the letter `D` in their records. \
     `retry_on` with `empty-response` sends them to another server. An ejection ends nothing.",
)
.default("\"leave\"");
const ON_MARKED_UP: Key = Key::new(
    "on_marked_up",
    Type::Word(&["leave", "shutdown-backup-sessions"]),
    "What becomes of those that are with the backend's backup servers when this server comes up, if it is none itself: \
     `shutdown-backup-sessions` ends them, with the letter `U` in their records.",
)
.default("\"leave\"");
const PROTO: Key = Key::new(
    "proto",
    Type::Word(&["h1", "h2"]),
    "In mode http, `h2` speaks HTTP/2 with the server without asking it whether it does, in clear text or inside TLS. Requests of all clients share connections. HTTP checks do so too, unless they go elsewhere.",
)
.default_is("`h1`, unless `alpn` comes to \"h2\"");
const CHECK_PROTO: Key = Key::new(
    "check_proto",
    Type::Word(&["h1", "h2"]),
    "What HTTP checks are made in; `h2` is spoken without asking. A `Host` among the fields is the authority.",
)
.default_is("`proto`, if the checks go where requests go (no `check_addr`, `check_port` or `check_ssl`); else what TLS comes to by `check_alpn`");
const SEND_PROXY: Key = Key::new(
    "send_proxy",
    Type::Bool,
    "Connections to the server begin with a line of the PROXY protocol, version 1, that says whose they are. The server \
     must expect it. In mode http such a connection is used for one request, and is none of HTTP/2.",
)
.default("false");
const SEND_PROXY_V2: Key =
    Key::new("send_proxy_v2", Type::Bool, "Likewise, with a binary header of version 2.").default("false");
const PROXY_V2_OPTIONS: Key = Key::new(
    "proxy_v2_options",
    Type::Text("an option such as \"ssl\", or an array of them"),
    "What `send_proxy_v2` says besides addresses and the protocol that the client has agreed on by ALPN: `crc32c` a \
     checksum of the header, `authority` the name the client asked for, as its TLS session or the header that it came \
     with says, `ssl` whether it speaks TLS, which version, and whether it has shown a certificate. With `ssl` come \
     `cert-cn`, the common name in that certificate, `ssl-cipher`, the cipher suite, `cert-key` and `cert-sig`, the kind \
     of key and of signature of the certificate it was shown.",
);
const CHECK_SEND_PROXY: Key = Key::new(
    "check_send_proxy",
    Type::Bool,
    "Health checks begin with such a header as well; it is that of a connection of our own, which is nobody's.",
)
.default_is("as `send_proxy` or `send_proxy_v2` says, if the checks go where the connections go");

const SERVER_HINTS: &[(&str, &str)] = &[
    ("drain", "state = \"drain\""),
    ("disabled", "state = \"maint\""),
    ("maint", "state = \"maint\""),
    ("ready", "state = \"ready\""),
    ("enabled", "state = \"ready\""),
    ("address", "addr = \"IP:PORT\""),
    ("port", "the port is part of the address: addr = \"IP:PORT\"; that of the checks is check_port"),
    ("send_proxy_v2_ssl", "send_proxy_v2 = true, proxy_v2_options = [\"ssl\"]"),
    ("send_proxy_v2_ssl_cn", "send_proxy_v2 = true, proxy_v2_options = [\"cert-cn\"]"),
    ("timeout", "timeout = { check = \"…\" }, in the backend"),
];
