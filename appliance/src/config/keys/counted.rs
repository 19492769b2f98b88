//! Keys of what is counted in tables: what tables store, what rules track, and conditions on numbers.

use super::{DAY, Key, Section, Type, ms};

/// `store` of a table.
pub static TABLE_STORE: Section = Section {
    path: "table.NAME.store",
    called: "what a table stores",
    doc: "What is counted of every key. `…_rate` is how many there were in the last while, and says how long that is: what \
          has been counted in the present period, and of the period before as large a share as the last while still covers, \
          rounded down. Everything is counted by all threads together.",
    keys: &[
        Key::new("conn_cur", Type::Bool, "Requests, or connections, that are under way."),
        Key::new("conn_cnt", Type::Bool, "How often something has been tracked: requests, or connections."),
        Key::new("conn_rate", PERIOD, "How often in the last while."),
        Key::new(
            "sess_cnt",
            Type::Bool,
            "Connections that `tcp_request` tracks. Requests that rules track are none, as with HAProxy.",
        ),
        Key::new("sess_rate", PERIOD, "Those in the last while."),
        Key::new("http_req_cnt", Type::Bool, "Requests, those included that are refused."),
        Key::new("http_req_rate", PERIOD, "Those in the last while."),
        Key::new(
            "http_err_cnt",
            Type::Bool,
            "Requests that a rule has refused, or a server answered with 4xx.",
        ),
        Key::new("http_err_rate", PERIOD, "Those in the last while."),
        Key::new(
            "http_fail_cnt",
            Type::Bool,
            "Requests that a server has answered with 5xx (but for 501 and 505), not in time, or with what is no response.",
        ),
        Key::new("http_fail_rate", PERIOD, "Those in the last while."),
        Key::new("bytes_in_cnt", Type::Bool, "Bytes of requests, counted when they are over."),
        Key::new("bytes_in_rate", PERIOD, "Those in the last while."),
        Key::new("bytes_out_cnt", Type::Bool, "Bytes to clients, counted when requests are over."),
        Key::new("bytes_out_rate", PERIOD, "Those in the last while."),
        Key::new("gpc0", Type::Bool, "What `sc_inc_gpc0` counts."),
        Key::new("gpc0_rate", PERIOD, "The same in the last while."),
        Key::new("gpc1", Type::Bool, "What `sc_inc_gpc1` counts."),
        Key::new("gpc1_rate", PERIOD, "The same in the last while."),
        Key::new("gpt0", Type::Bool, "A number that `sc_set_gpt0` sets."),
    ],
    hints: &[
        ("req_rate", "http_req_rate = \"10s\""),
        ("gpc", "gpc0, gpc1"),
        ("gpt", "gpt0"),
        ("server_id", "`stick` remembers servers by itself"),
        ("http_req", "http_req_cnt, http_req_rate"),
    ],
};

/// `track` of a rule.
pub static TRACK_KEY: Section = Section {
    path: "frontend.NAME.http_request.track",
    called: "what is tracked",
    doc: "What of a request has an entry in a table. The request is counted in it, from here to its end.",
    keys: &[
        Key::new(
            "key",
            Type::Text("\"src\", \"dst\", \"host\", \"path\", \"base\" or a text with variables"),
            "What of the request: the client's address, what it has connected to, the host, the path (both as rules compare \
             them), host and path together, or a text that the request fills in, as \"${hdr(X-Api-Key)}\". A request that \
             has no such thing is not tracked.",
        )
        .required(),
        TABLE,
        Key::new(
            "sc",
            SC_TYPE,
            "A number for the entry, by which it can be asked for. If the request has one of that number already, this rule \
             does nothing.",
        )
        .default_is("the first that is free"),
    ],
    hints: &[("src", "key = \"src\""), ("by", "key"), ("on", "key")],
};

/// `sc_inc_gpc0` and `sc_inc_gpc1` of a rule.
pub static SC: Section = Section {
    path: "frontend.NAME.http_request.sc_inc_gpc0",
    called: "a tracked entry",
    doc: "Which of the entries that the request is counted in.",
    keys: &[TABLE, NUMBER],
    hints: &[],
};

/// `sc_set_gpt0` of a rule.
pub static SC_SET: Section = Section {
    path: "frontend.NAME.http_request.sc_set_gpt0",
    called: "a tracked entry and a number",
    doc: "Which of the entries that the request is counted in, and what its tag becomes.",
    keys: &[
        TABLE,
        NUMBER,
        Key::new("value", Type::Int { min: 0, max: u32::MAX as i64 }, "The number.").required(),
    ],
    hints: &[("int", "value")],
};

/// `sc_…` of a matcher.
pub static SC_COUNTED: Section = Section {
    path: "acl.NAME.sc_http_req_rate",
    called: "a number of a tracked entry",
    doc: "The entry, and what its number has to be: all of what is said. Without such an entry it does not hold. The request \
          itself has been counted: `gt = 100` holds for the 101st.",
    keys: &[TABLE, NUMBER, GT, GE, LT, LE, EQ],
    hints: COMPARISONS,
};

/// `src_…` of a matcher.
pub static SRC_COUNTED: Section = Section {
    path: "acl.NAME.src_http_req_rate",
    called: "a number of the client's address",
    doc: "The table, and what the number has to be: all of what is said. An address without an entry has the number 0.",
    keys: &[TABLE, GT, GE, LT, LE, EQ],
    hints: COMPARISONS,
};

/// A number of a tracked entry, for a matcher.
pub(super) const fn sc(name: &'static str, doc: &'static str) -> Key {
    Key::new(name, Type::Table(&SC_COUNTED), doc)
}

/// A number of the client's address, for a matcher.
pub(super) const fn src(name: &'static str) -> Key {
    Key::new(
        name,
        Type::Table(&SRC_COUNTED),
        "As `sc_…`, of the client's address, whether or not a rule tracks it.",
    )
}

/// What rules count, for `http_request`.
pub(super) const TRACK: Key =
    Key::new("track", Type::Table(&TRACK_KEY), "Counts the request in an entry of a table.");
pub(super) const SC_INC_GPC0: Key =
    Key::new("sc_inc_gpc0", Type::Table(&SC), "Counts one more in `gpc0` of a tracked entry.");
pub(super) const SC_INC_GPC1: Key =
    Key::new("sc_inc_gpc1", Type::Table(&SC), "Counts one more in `gpc1` of a tracked entry.");
pub(super) const SC_SET_GPT0: Key =
    Key::new("sc_set_gpt0", Type::Table(&SC_SET), "Sets `gpt0` of a tracked entry.");

const TABLE: Key = Key::new("table", Type::Text("the name of a table"), "The table.").required();
const NUMBER: Key = Key::new("sc", SC_TYPE, "Its number.").default_is("the first of that table");
pub(super) const GT: Key = Key::new("gt", COUNT, "More than this.");
pub(super) const GE: Key = Key::new("ge", COUNT, "This or more.");
pub(super) const LT: Key = Key::new("lt", COUNT, "Less than this.");
pub(super) const LE: Key = Key::new("le", COUNT, "This or less.");
pub(super) const EQ: Key = Key::new("eq", COUNT, "This and no other.");

pub(super) const COMPARISONS: &[(&str, &str)] =
    &[(">", "gt"), ("<", "lt"), ("over", "gt"), ("above", "gt"), ("max", "gt")];

const SC_TYPE: Type = Type::Int { min: 0, max: 15 };
const COUNT: Type = Type::Int { min: 0, max: i64::MAX };
const PERIOD: Type = ms(1, DAY);
