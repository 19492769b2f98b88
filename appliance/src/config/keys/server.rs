//! Keys of servers and their checks.

use super::{DAY, Key, Section, Type, ms};

/// One entry of `server`.
pub static SERVER: Section = Section {
    path: "backend.NAME.server",
    called: "a server",
    doc: "One server.",
    keys: &[
        Key::new("name", Type::Text("a name"), "Name, unique in the backend.").required(),
        Key::new("addr", Type::Text("\"IP:PORT\""), "Where requests go. Names are not resolved.").required(),
        WEIGHT,
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
    ],
    hints: SERVER_HINTS,
};

/// `default_server`.
pub static DEFAULT_SERVER: Section = Section {
    path: "defaults.default_server",
    called: "default_server",
    doc: "What holds for every server that does not say otherwise.",
    keys: &[WEIGHT, BACKUP, STATE, CHECK, INTER, FASTINTER, DOWNINTER, RISE, FALL, CHECK_PORT, CHECK_ADDR],
    hints: SERVER_HINTS,
};

/// One step of a `check`.
pub static CHECK_STEP: Section = Section {
    path: "backend.NAME.check",
    called: "a check step",
    doc: "One step of a health check: exactly one of these keys.",
    keys: &[
        Key::new(
            "send",
            Type::Table(&SEND),
            "Sends an HTTP request. The first step, unless `httpchk` says the request.",
        ),
        Key::new("expect", Type::Table(&EXPECT), "What the answer must be. Several must all hold."),
    ],
    hints: &[("connect", "a check connects by itself: leave the step out")],
};

/// `send` of a check step.
pub static SEND: Section = Section {
    path: "backend.NAME.check.send",
    called: "send",
    doc: "The HTTP request of a check.",
    keys: &[
        Key::new("method", Type::Text("an HTTP method"), "Method.").default("\"GET\""),
        Key::new("uri", Type::Text("a request target"), "Request target.").default("\"/\""),
        Key::new(
            "version",
            Type::Word(&["HTTP/1.0", "HTTP/1.1"]),
            "Protocol version. With HTTP/1.1 a `Connection: close` is added.",
        )
        .default("\"HTTP/1.0\""),
        Key::new(
            "headers",
            Type::Text("a table from field names to values"),
            "Header fields, sent in the order of the file.",
        ),
        Key::new("body", Type::Text("text"), "Body; its length is sent with it.").default("\"\""),
    ],
    hints: &[("hdr", "headers = { Host = \"www.example.com\" }"), ("meth", "method"), ("ver", "version")],
};

/// `expect` of a check step.
pub static EXPECT: Section = Section {
    path: "backend.NAME.check.expect",
    called: "expect",
    doc: "What the answer to a check must be: exactly one of these keys.",
    keys: &[
        Key::new(
            "status",
            Type::Text("a status, a range \"200-399\", or an array of them"),
            "The status is one of these.",
        ),
        Key::new("string", Type::Text("text"), "The body, its first 16 KiB, contains this."),
        Key::new("not", Type::Forms("a table like `expect` itself", Some(&EXPECT)), "What must not hold."),
    ],
    hints: &[("rstatus", "status = [200, \"300-399\"]")],
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
