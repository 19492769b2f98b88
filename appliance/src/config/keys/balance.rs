//! Keys of balancing: which server a request goes to.

use super::{Key, Section, Type};

/// The table form of `balance`.
pub static BALANCE_BY: Section = Section {
    path: "backend.NAME.balance",
    called: "balance",
    doc: "What decides which server a request goes to: exactly one of these keys. All but `random` send requests with \
          the same key to the same server; a request without it goes round robin.",
    keys: &[
        Key::new("uri", Type::Table(&BALANCE_URI), "The request target, or some of it."),
        Key::new("hdr", Type::Text("a header field name"), "The first value of this request header."),
        Key::new(
            "use_domain_only",
            Type::Bool,
            "With `hdr`: only the part before the last dot, as `example` of `www.example.com`.",
        )
        .default("false"),
        Key::new(
            "url_param",
            Type::Text("the name of a parameter"),
            "The value of this parameter of the query.",
        ),
        Key::new("cookie", Type::Text("the name of a cookie"), "The value of this cookie."),
        Key::new(
            "hash",
            Type::Text("\"src\", \"host\", \"path\", \"pathq\", \"base\" or a text with variables"),
            "The client's address; the host in lower case without port; the path without or with the query; host and \
             path. Or a text with anything of the request filled in, as rules have it: `\"${host}${query(user)}\"`; a \
             request of which nothing is filled in goes round robin.",
        ),
        Key::new(
            "random",
            Type::Int { min: 1, max: 100 },
            "So many servers are drawn by weight; the least loaded of them is taken.",
        ),
    ],
    hints: &[
        ("header", "hdr = \"NAME\""),
        ("source", "balance = \"source\", or { hash = \"src\" } for one of the hash functions"),
        ("param", "url_param = \"NAME\""),
    ],
};

/// `uri` of the table form of `balance`.
pub static BALANCE_URI: Section = Section {
    path: "backend.NAME.balance.uri",
    called: "uri",
    doc: "Which part of the request target is hashed. Nothing said: what is before the `?`.",
    keys: &[
        Key::new("whole", Type::Bool, "With the query.").default("false"),
        Key::new("len", Type::Int { min: 1, max: 65_535 }, "So many bytes at most."),
        Key::new("depth", Type::Int { min: 1, max: 65_535 }, "So many directories at most."),
        Key::new("path_only", Type::Bool, "Without scheme and host, which clients of a proxy send.")
            .default("false"),
    ],
    hints: &[],
};

pub(super) const BALANCE: Key = Key::new(
    "balance",
    Type::Forms(
        "\"roundrobin\", \"static-rr\", \"leastconn\", \"first\", \"source\", \"uri\", \"random\" or a table",
        Some(&BALANCE_BY),
    ),
    "How a server is chosen. `roundrobin`: in turn, by weight, evenly spread. `static-rr`: the same in HAProxy's fixed \
     order. `leastconn`: the one with the fewest requests for its weight. `first`: the first that is not full. \
     `source`: always the same for a client's address. `uri`: always the same for a path. `random`: the less loaded of \
     two drawn by weight.",
)
.default("\"roundrobin\"");
pub(super) const HASH_TYPE: Key = Key::new(
    "hash_type",
    Type::Word(&["map-based", "consistent"]),
    "Where hashes lead. `map-based`: evenly over all servers, but nearly every key moves when a server comes or goes. \
     `consistent`: only the keys of that server move. Both send a key to the server to which HAProxy sends it. Of HTTP/2 \
     `uri` is what it is of HTTP/1.1, the path and the query, as HAProxy has it with `path-only`; and the host of `host` \
     and `base` is HAProxy's if clients send it in lower case and without a port.",
)
.default("\"map-based\"");
pub(super) const HASH_FUNCTION: Key = Key::new(
    "hash_function",
    Type::Word(&["sdbm", "djb2", "wt6", "crc32", "none"]),
    "How keys are hashed; `none` takes the key for a number. `source` has a way of its own.",
)
.default("\"sdbm\"");
pub(super) const HASH_AVALANCHE: Key = Key::new(
    "hash_avalanche",
    Type::Bool,
    "Mixes hashes once more, so that similar keys go to different servers.",
)
.default_is("true with `hash_type = \"consistent\"` and no `hash_function`, else false");
pub(super) const HASH_BALANCE_FACTOR: Key = Key::new(
    "hash_balance_factor",
    Type::Int { min: 101, max: 65_535 },
    "With `hash_type = \"consistent\"`: the most load of a server, in percent of the average. What is above goes to the \
     next server on the ring.",
);
pub(super) const FULLCONN: Key = Key::new(
    "fullconn",
    Type::Int { min: 1, max: 10_000_000 },
    "Requests in the backend at which every server with a `minconn` takes its `maxconn`.",
)
.default_is("a tenth of the `maxconn` of the frontends that lead here");

pub(super) const SERVER_MAXCONN: Key = Key::new(
    "maxconn",
    Type::Int { min: 1, max: 10_000_000 },
    "Requests the server gets at once. More wait, at most for `timeout.queue`. Not said: no limit.",
);
pub(super) const MINCONN: Key = Key::new(
    "minconn",
    Type::Int { min: 1, max: 10_000_000 },
    "Requests the server gets at once while the backend is idle: the limit grows with the backend's load up to \
     `maxconn`, which it has at `fullconn`.",
)
.default_is("`maxconn`");
pub(super) const MAXQUEUE: Key = Key::new(
    "maxqueue",
    Type::Int { min: 1, max: 10_000_000 },
    "Requests that may wait for this server in particular, because a hash or persistence names it. Not said: no limit.",
);
pub(super) const SLOWSTART: Key = Key::new(
    "slowstart",
    super::ms(1, super::DAY),
    "How long weight and `maxconn` take to grow to their full size after the server was down or in maintenance.",
);

/// `balance` as one word.
pub static BALANCE_WORD: Key = Key::new(
    "balance",
    Type::Word(&["roundrobin", "static-rr", "leastconn", "first", "source", "uri", "random"]),
    "How a server is chosen.",
);
