//! Keys of `[defaults]`, `[profile.X]`, `[frontend.X]`, `[backend.X]` and `[listen.X]`.

use super::balance::{BALANCE, FULLCONN, HASH_AVALANCHE, HASH_BALANCE_FACTOR, HASH_FUNCTION, HASH_TYPE};
use super::check::CHECK_STEP;
use super::compression::COMPRESS;
use super::cookie::COOKIE;
use super::http::{
    ABORTONCLOSE, BANDWIDTHS, HTTP_REUSE, MIN_REQUEST_RATE, MIN_RESPONSE_RATE, RETRY_BUDGET,
    RETRY_NON_IDEMPOTENT, RETRY_ON,
};
use super::log::{
    BACKEND_LOG, CAPTURE_KEY, DONTLOG_NORMAL, DONTLOGNULL, LOG, LOG_FORMAT, LOG_SEPARATE_ERRORS, LOG_TAG,
    UNIQUE_ID_KEY,
};
use super::matcher::ACL;
use super::route::{INSPECT_DELAY, USE_BACKENDS};
use super::rule::{HTTP_REQUESTS, HTTP_RESPONSES};
use super::server::{DEFAULT_SERVER, EJECTION, SERVER, SERVER_TEMPLATE};
use super::stats::STATS_PAGE;
use super::stick::STICK;
use super::tcp::TCP_REQUESTS;
use super::tls::{
    ALPN, BIND_CA_FILE, BIND_VERIFY, CIPHERS, CIPHERSUITES, CRL_FILE, CRT, CURVES, MAX_VER, MIN_VER,
    PREFER_CLIENT_CIPHERS, SSL, STRICT_SNI,
};
use super::{DAY, Key, Section, Type, ms};

/// Keys of proxy sections that concern HTTP only, and have no place in a section of mode tcp.
pub static OF_HTTP: &[&str] = &[
    "forwardfor",
    "errorfile",
    "cookie",
    "http_request",
    "http_response",
    "capture",
    "unique_id",
    "compression",
    "bandwidth",
    "stats",
];

/// `[defaults]`.
pub static DEFAULTS: Section = Section {
    path: "defaults",
    called: "defaults",
    doc: "What holds in every frontend, backend and listen that does not say otherwise, key by key.",
    keys: &[
        MODE,
        TIMEOUTS,
        FORWARDED,
        COMPRESS,
        BANDWIDTHS,
        DONTLOGNULL,
        DONTLOG_NORMAL,
        LOG,
        LOG_FORMAT,
        LOG_TAG,
        LOG_SEPARATE_ERRORS,
        CAPTURE_KEY,
        UNIQUE_ID_KEY,
        ERRORFILE,
        DEFAULT_BACKEND,
        MAXCONN,
        MIN_REQUEST_RATE,
        MIN_RESPONSE_RATE,
        BALANCE,
        HASH_TYPE,
        HASH_FUNCTION,
        HASH_AVALANCHE,
        HASH_BALANCE_FACTOR,
        FULLCONN,
        STICKY_COOKIE,
        RETRIES,
        RETRY_ON,
        RETRY_NON_IDEMPOTENT,
        RETRY_BUDGET,
        ABORTONCLOSE,
        HTTP_REUSE,
        REDISPATCH,
        ALLBACKUPS,
        HTTPCHK,
        CHECK,
        DISABLE_ON_404,
        SEND_STATE,
        EJECT,
        DEFAULTS_SERVER,
    ],
    hints: PROXY_HINTS,
};

/// `[profile.X]`.
pub static PROFILE: Section = Section {
    path: "profile.NAME",
    called: "a profile",
    doc: "A named set of defaults. It stands between a section that says `from = \"NAME\"` and `[defaults]`.",
    keys: &[
        FROM,
        MODE,
        TIMEOUTS,
        FORWARDED,
        COMPRESS,
        BANDWIDTHS,
        DONTLOGNULL,
        DONTLOG_NORMAL,
        LOG,
        LOG_FORMAT,
        LOG_TAG,
        LOG_SEPARATE_ERRORS,
        CAPTURE_KEY,
        UNIQUE_ID_KEY,
        ERRORFILE,
        DEFAULT_BACKEND,
        MAXCONN,
        MIN_REQUEST_RATE,
        MIN_RESPONSE_RATE,
        BALANCE,
        HASH_TYPE,
        HASH_FUNCTION,
        HASH_AVALANCHE,
        HASH_BALANCE_FACTOR,
        FULLCONN,
        STICKY_COOKIE,
        RETRIES,
        RETRY_ON,
        RETRY_NON_IDEMPOTENT,
        RETRY_BUDGET,
        ABORTONCLOSE,
        HTTP_REUSE,
        REDISPATCH,
        ALLBACKUPS,
        HTTPCHK,
        CHECK,
        DISABLE_ON_404,
        SEND_STATE,
        EJECT,
        DEFAULTS_SERVER,
    ],
    hints: PROXY_HINTS,
};

/// `[frontend.X]`.
pub static FRONTEND: Section = Section {
    path: "frontend.NAME",
    called: "a frontend",
    doc: "What accepts clients.",
    keys: &[
        FROM,
        BIND_KEY,
        MODE,
        Key::new("timeout", Type::Table(&TIMEOUT_FRONTEND), "Timers of the client side."),
        FORWARDED,
        COMPRESS,
        BANDWIDTHS,
        DONTLOGNULL,
        DONTLOG_NORMAL,
        LOG,
        LOG_FORMAT,
        LOG_TAG,
        LOG_SEPARATE_ERRORS,
        CAPTURE_KEY,
        UNIQUE_ID_KEY,
        ERRORFILE,
        ACL,
        TCP_REQUESTS,
        HTTP_REQUESTS,
        HTTP_RESPONSES,
        USE_BACKENDS,
        INSPECT_DELAY,
        STATS_PAGE,
        DEFAULT_BACKEND,
        MAXCONN,
        MIN_REQUEST_RATE,
        MIN_RESPONSE_RATE,
    ],
    hints: PROXY_HINTS,
};

/// `[backend.X]`.
pub static BACKEND: Section = Section {
    path: "backend.NAME",
    called: "a backend",
    doc: "A group of servers.",
    keys: &[
        FROM,
        MODE,
        BALANCE,
        HASH_TYPE,
        HASH_FUNCTION,
        HASH_AVALANCHE,
        HASH_BALANCE_FACTOR,
        BACKEND_MAXCONN,
        FULLCONN,
        STICKY_COOKIE,
        STICK_RULES,
        ACL,
        HTTP_REQUESTS,
        HTTP_RESPONSES,
        Key::new("timeout", Type::Table(&TIMEOUT_BACKEND), "Timers of the server side."),
        FORWARDED,
        BACKEND_LOG,
        LOG_TAG,
        COMPRESS,
        BANDWIDTHS,
        ERRORFILE,
        RETRIES,
        RETRY_ON,
        RETRY_NON_IDEMPOTENT,
        RETRY_BUDGET,
        ABORTONCLOSE,
        HTTP_REUSE,
        REDISPATCH,
        ALLBACKUPS,
        HTTPCHK,
        CHECK,
        DISABLE_ON_404,
        SEND_STATE,
        EJECT,
        DEFAULTS_SERVER,
        SERVERS,
        SERVER_TEMPLATES,
    ],
    hints: PROXY_HINTS,
};

/// `[listen.X]`.
pub static LISTEN: Section = Section {
    path: "listen.NAME",
    called: "a listen",
    doc: "A frontend and a backend of the same name in one; it has the keys of both.",
    keys: &[
        FROM,
        BIND_KEY,
        MODE,
        BALANCE,
        HASH_TYPE,
        HASH_FUNCTION,
        HASH_AVALANCHE,
        HASH_BALANCE_FACTOR,
        FULLCONN,
        STICKY_COOKIE,
        STICK_RULES,
        TIMEOUTS,
        FORWARDED,
        COMPRESS,
        BANDWIDTHS,
        DONTLOGNULL,
        DONTLOG_NORMAL,
        LOG,
        LOG_FORMAT,
        LOG_TAG,
        LOG_SEPARATE_ERRORS,
        CAPTURE_KEY,
        UNIQUE_ID_KEY,
        ERRORFILE,
        ACL,
        TCP_REQUESTS,
        HTTP_REQUESTS,
        HTTP_RESPONSES,
        USE_BACKENDS,
        INSPECT_DELAY,
        STATS_PAGE,
        MAXCONN,
        MIN_REQUEST_RATE,
        MIN_RESPONSE_RATE,
        RETRIES,
        RETRY_ON,
        RETRY_NON_IDEMPOTENT,
        RETRY_BUDGET,
        ABORTONCLOSE,
        HTTP_REUSE,
        REDISPATCH,
        ALLBACKUPS,
        HTTPCHK,
        CHECK,
        DISABLE_ON_404,
        SEND_STATE,
        EJECT,
        DEFAULTS_SERVER,
        SERVERS,
        SERVER_TEMPLATES,
    ],
    hints: PROXY_HINTS,
};

/// The table form of a `bind`.
pub static BIND: Section = Section {
    path: "frontend.NAME.bind",
    called: "a bind",
    doc: "A listening address: either `addr`, or `vip` with `port`.",
    keys: &[
        Key::new(
            "addr",
            Type::Text("\"IP:PORT\" or \"*:PORT\""),
            "The address; `*` is every IPv4 and IPv6 address.",
        ),
        Key::new(
            "vip",
            Type::Text("the name of a virtual router"),
            "Listens on every address of this virtual router.",
        ),
        Key::new("port", Type::Int { min: 1, max: 65_535 }, "The port that goes with `vip`."),
        Key::new(
            "accept_proxy",
            Type::Text("a network or an array of networks"),
            "Connections from these networks begin with a header of the PROXY protocol, version 1 or 2, and are taken for the \
             client's that it names; without one, or one that is late, they are closed. From elsewhere none is looked for: \
             whoever may send one chooses an address.",
        ),
        SSL,
        CRT,
        STRICT_SNI,
        ALPN,
        BIND_VERIFY,
        BIND_CA_FILE,
        CRL_FILE,
        MIN_VER,
        MAX_VER,
        CIPHERS,
        CIPHERSUITES,
        CURVES,
        PREFER_CLIENT_CIPHERS,
    ],
    hints: &[
        ("address", "addr"),
        ("tls", "ssl = true, crt = [\"/etc/evenkeel/certs/\"]"),
        ("tls_tickets", "of all binds alike: [global] tls = { tls_tickets = false }"),
        ("no_tls_tickets", "of all binds alike: [global] tls = { tls_tickets = false }"),
        ("interface", "bind an address, or a virtual router: { vip = \"VI_1\", port = 80 }"),
    ],
};

/// `timeout` where both sides meet.
pub static TIMEOUT: Section = Section {
    path: "defaults.timeout",
    called: "timeout",
    doc: "Timers. Not said: unlimited, with a warning where that is dangerous.",
    keys: &[
        T_CONNECT,
        T_CLIENT,
        T_SERVER,
        T_HTTP_REQUEST,
        T_HTTP_KEEP_ALIVE,
        T_QUEUE,
        T_TUNNEL,
        T_CLIENT_FIN,
        T_TARPIT,
        T_SERVER_FIN,
        T_CHECK,
    ],
    hints: &[],
};

/// `timeout` of a frontend.
pub static TIMEOUT_FRONTEND: Section = Section {
    path: "frontend.NAME.timeout",
    called: "timeout of a frontend",
    doc: "Timers of the client side.",
    keys: &[T_CLIENT, T_HTTP_REQUEST, T_HTTP_KEEP_ALIVE, T_TUNNEL, T_CLIENT_FIN, T_TARPIT],
    hints: &[
        ("connect", "a timer of the server side: say it in the backend or in [defaults]"),
        ("server", "a timer of the server side: say it in the backend or in [defaults]"),
        ("queue", "a timer of the server side: say it in the backend or in [defaults]"),
        ("check", "a timer of the server side: say it in the backend or in [defaults]"),
    ],
};

/// `timeout` of a backend.
pub static TIMEOUT_BACKEND: Section = Section {
    path: "backend.NAME.timeout",
    called: "timeout of a backend",
    doc: "Timers of the server side.",
    keys: &[T_CONNECT, T_SERVER, T_QUEUE, T_TUNNEL, T_SERVER_FIN, T_CHECK],
    hints: &[
        ("client", "a timer of the client side: say it in the frontend or in [defaults]"),
        ("http_request", "a timer of the client side: say it in the frontend or in [defaults]"),
        ("http_keep_alive", "a timer of the client side: say it in the frontend or in [defaults]"),
    ],
};

/// The table form of `forwardfor`.
pub static FORWARDFOR: Section = Section {
    path: "defaults.forwardfor",
    called: "forwardfor",
    doc: "The client's address in a request header. A new, last field is added; what the client sent stays.",
    keys: &[
        Key::new("header", Type::Text("a header field name"), "Name of the field.")
            .default("\"X-Forwarded-For\""),
        Key::new("except", Type::Text("a network or an array of networks"), "Clients that get no field."),
        Key::new("if_none", Type::Bool, "Only if the request has no such field.").default("false"),
    ],
    hints: &[],
};

const FROM: Key =
    Key::new("from", Type::Text("the name of a profile"), "Takes what is not said here from this profile.");
const MODE: Key = Key::new(
    "mode",
    Type::Word(&["http", "tcp"]),
    "The protocol that is spoken. `tcp` passes the bytes of any protocol on as they are. A frontend and its backend are of \
     one mode.",
)
.default("\"http\"");
const TIMEOUTS: Key = Key::new("timeout", Type::Table(&TIMEOUT), "Timers.");
const FORWARDED: Key = Key::new(
    "forwardfor",
    Type::Forms("true, false or a table", Some(&FORWARDFOR)),
    "Adds the client's address to requests. Either side, frontend or backend, may ask for it.",
)
.default("false");
const ERRORFILE: Key = Key::new(
    "errorfile",
    Type::Text("a table from status codes to paths"),
    "Full HTTP responses that are sent instead of the proxy's own errors. Merged over the defaults code by code.",
);
const DEFAULT_BACKEND: Key =
    Key::new("default_backend", Type::Text("the name of a backend"), "Where requests go.");
const MAXCONN: Key = Key::new(
    "maxconn",
    Type::Int { min: 1, max: 10_000_000 },
    "Most connections of a frontend at once. More wait in the backlog until one ends; those that are idle between \
     requests make room, the one idle for the longest first.",
)
.default_is("the global limit");
const BACKEND_MAXCONN: Key = Key::new(
    "maxconn",
    Type::Int { min: 1, max: 10_000_000 },
    "Requests that the servers of the backend have at once, all together. More wait, at most for `timeout.queue`; who has \
     waited longest is next. Not said: no limit but that of each server. What [defaults] say is of frontends.",
);
const STICKY_COOKIE: Key = Key::new(
    "cookie",
    Type::Forms("false or a table", Some(&COOKIE)),
    "Clients keep their server by a cookie.",
)
.default("false");
const STICK_RULES: Key = Key::new(
    "stick",
    Type::Forms("a table or an array of tables", Some(&STICK)),
    "Clients keep their server by a table. The first rule whose table knows a usable server decides; a server that \
     `cookie` names goes before.",
);
const RETRIES: Key = Key::new(
    "retries",
    Type::Int { min: 0, max: 100 },
    "Attempts after the first one that failed; `retry_on` says after which failures.",
)
.default("3");
const REDISPATCH: Key = Key::new(
    "redispatch",
    Type::Forms("true, false, or a whole number from -100 to 100 that is not 0", None),
    "Retries may go to another server. One that any of several servers could have got goes at once, one that persistence \
     or hashing has brought where it is with the last retry (`true` is -1), with the N-th from the end (-N) or with every \
     N-th; and each as soon as its server is down.",
)
.default("false");
const ALLBACKUPS: Key =
    Key::new("allbackups", Type::Bool, "Uses every backup server instead of the first usable one.")
        .default("false");
const HTTPCHK: Key = Key::new(
    "httpchk",
    Type::Text("\"URI\", \"METHOD URI\" or \"METHOD URI HTTP/1.1\""),
    "Checks servers by an HTTP request. Healthy is any 2xx or 3xx, unless `check` has other expectations.",
);
const CHECK: Key = Key::new(
    "check",
    Type::Forms("true, false or an array of steps", Some(&CHECK_STEP)),
    "How servers are checked: `true` is a TCP connection, steps are run in order. Turns checks on for servers that do \
     not say otherwise.",
)
.default_is("what the server's `check` says, by a TCP connection");
const DISABLE_ON_404: Key = Key::new(
    "disable_on_404",
    Type::Bool,
    "A server that is up says by a 404 to an HTTP check that it wants no new work, whatever else is expected: it gets \
     only clients that stay with it (NOLB), until another answer comes. One that is down is not brought up by it.",
)
.default("false");
const SEND_STATE: Key = Key::new(
    "send_state",
    Type::Bool,
    "HTTP checks tell each server what is known of it, in HAProxy's field and words: `X-Haproxy-Server-State: UP 2/3; \
     address=…; port=…; name=app/s1; node=a; weight=1/2; scur=3/5; qcur=0`.",
)
.default("false");
const DEFAULTS_SERVER: Key = Key::new(
    "default_server",
    Type::Table(&DEFAULT_SERVER),
    "What holds for every server that does not say otherwise. Merged over the defaults key by key.",
);
const EJECT: Key = Key::new(
    "outlier_ejection",
    Type::Table(&EJECTION),
    "Takes servers out for a while whose requests fail although their checks pass.",
);
const SERVERS: Key = Key::new("server", Type::Tables(&SERVER), "The servers, in order.");
const SERVER_TEMPLATES: Key = Key::new(
    "server_template",
    Type::Tables(&SERVER_TEMPLATE),
    "Servers as many as a name may have addresses, after those of `server`.",
);
const BIND_KEY: Key = Key::new(
    "bind",
    Type::Forms("an address, a table, or an array of them", Some(&BIND)),
    "Where clients connect.",
)
.required();

const T_CONNECT: Key = Key::new("connect", ms(1, DAY), "Until a connection to a server is established.");
const T_CLIENT: Key = Key::new("client", ms(1, DAY * 24), "Inactivity of the client.");
const T_SERVER: Key = Key::new("server", ms(1, DAY * 24), "Inactivity of the server.");
const T_HTTP_REQUEST: Key =
    Key::new("http_request", ms(1, DAY), "From the first byte of a request to the end of its head.")
        .default_is("`client`");
const T_HTTP_KEEP_ALIVE: Key = Key::new("http_keep_alive", ms(1, DAY), "Wait for the next request.")
    .default_is("`http_request`, else `client`");
const T_QUEUE: Key =
    Key::new("queue", ms(1, DAY), "Wait for a server that is not full.").default_is("`connect`");
const T_TUNNEL: Key = Key::new(
    "tunnel",
    ms(1, DAY * 24),
    "Inactivity of a tunnel, in both directions: after an upgrade, and in mode tcp.",
)
.default_is("`client` and `server`");
const T_CLIENT_FIN: Key = Key::new(
    "client_fin",
    ms(1, DAY),
    "Inactivity of the client in a tunnel of which one direction has ended.",
)
.default_is("`tunnel`, else `client`");
const T_TARPIT: Key =
    Key::new("tarpit", ms(1, DAY), "How long `tarpit` keeps clients waiting for their refusal.")
        .default_is("`connect` if it is said in the same place or in [defaults], else \"10s\"");
const T_SERVER_FIN: Key = Key::new(
    "server_fin",
    ms(1, DAY),
    "Inactivity of the server in a tunnel of which one direction has ended.",
)
.default_is("`tunnel`, else `server`");
const T_CHECK: Key = Key::new(
    "check",
    ms(1, DAY),
    "Of one whole health check, connecting included, which takes no longer than `connect` and `inter` either.",
)
.default_is("`inter`");

const PROXY_HINTS: &[(&str, &str)] = &[
    ("stick_table", "[table.NAME], and stick = [{ on = \"src\", table = \"NAME\" }] in the backend"),
    ("dontlognormal", "dontlog_normal"),
    ("unique_id_format", "unique_id = { format = \"…\" }"),
    ("unique_id_header", "unique_id = { header = \"X-Request-ID\" }"),
    ("option", "options are keys: `forwardfor = true`, `dontlognull = true`, `httpchk = \"/health\"`"),
    ("errorfiles", "errorfile = { 503 = \"…\" }"),
    ("servers", "server = [{ name = \"…\", addr = \"…\" }]"),
    ("timeouts", "timeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }"),
    ("http_check_disable_on_404", "disable_on_404 = true"),
    ("http_check_send_state", "send_state = true"),
    ("http_check", "check = [{ send = { … } }, { expect = { status = 200 } }]"),
];
