//! Keys of conditions on numbers, servers and the time of day.

use super::counted::{COMPARISONS, EQ, GE, GT, LE, LT};
use super::{Key, Section, Type};

/// `url_len` and the like of a matcher.
pub static COMPARED: Section = Section {
    path: "acl.NAME.url_len",
    called: "a number",
    doc: "What a number has to be: all of what is said.",
    keys: &[GT, GE, LT, LE, EQ],
    hints: COMPARISONS,
};

/// `nbsrv` and `queue` of a matcher.
pub static OF_BACKEND: Section = Section {
    path: "acl.NAME.nbsrv",
    called: "a number of a backend",
    doc: "The backend, and what its number has to be: all of what is said.",
    keys: &[
        Key::new("backend", Type::Text("the name of a backend"), "The backend.").required(),
        GT,
        GE,
        LT,
        LE,
        EQ,
    ],
    hints: COMPARISONS,
};

/// `srv_conn` and `srv_queue` of a matcher.
pub static OF_SERVER: Section = Section {
    path: "acl.NAME.srv_conn",
    called: "a number of a server",
    doc: "The server, and what its number has to be: all of what is said.",
    keys: &[
        Key::new("server", Type::Text("a server, as \"backend/server\""), "The server.").required(),
        GT,
        GE,
        LT,
        LE,
        EQ,
    ],
    hints: COMPARISONS,
};

/// `time` of a matcher.
pub static HOURS: Section = Section {
    path: "acl.NAME.time",
    called: "a time of day",
    doc: "A part of the day, on some days of the week. At least one of these is said.",
    keys: &[
        Key::new("from", Type::Text("a time, as \"22:00\""), "When it begins.").default("\"00:00\""),
        Key::new(
            "to",
            Type::Text("a time, as \"06:00\""),
            "Before which it ends; if that is no later than `from`, on the day after.",
        )
        .default("\"24:00\""),
        Key::new(
            "days",
            Type::Text("a day (\"mon\", …, \"sun\"), days (\"mon-fri\"), or an array of them"),
            "On which days it begins.",
        )
        .default_is("every day"),
        Key::new("utc", Type::Bool, "By the clock of UTC; else by that of the machine.").default("false"),
    ],
    hints: &[("after", "from"), ("before", "to"), ("until", "to"), ("on", "days"), ("weekday", "days")],
};

/// `rand` of a matcher.
pub static RAND: Section = Section {
    path: "acl.NAME.rand",
    called: "a random number",
    doc: "What a number that is another one for each request has to be: all of what is said.",
    keys: &[
        Key::new("of", Type::Int { min: 1, max: u32::MAX as i64 }, "It is below this, and 0 at least.")
            .default("100"),
        GT,
        GE,
        LT,
        LE,
        EQ,
    ],
    hints: &[("percent", "lt"), ("range", "of")],
};
