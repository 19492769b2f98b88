//! Keys about how HTTP is spoken, of `[defaults]`, `[profile.X]`, `[frontend.X]`, `[backend.X]` and `[listen.X]`.

use super::{Key, Section, Type};

/// `bandwidth`.
pub static BANDWIDTH: Section = Section {
    path: "defaults.bandwidth",
    called: "bandwidth",
    doc: "What one request and its response may move in a second, heads included. A tenth of that, or 4 KiB, may pass at \
          once; nobody is faster than that over any time. Who may not move is not waited for: no timeout ends it. A \
          tunnel that a request has become has the same limits. Of a frontend's and a backend's the lower holds. What is \
          compressed counts as it goes out.",
    keys: &[DOWNLOAD, UPLOAD],
    hints: &[
        ("limit", "download = \"1MiB\", upload = \"1MiB\""),
        ("default_limit", "download = \"1MiB\", upload = \"1MiB\""),
        ("default_period", "limits are per second"),
        ("period", "limits are per second"),
        ("bwlim_out", "download"),
        ("bwlim_in", "upload"),
        (
            "key",
            "these are of each request by itself: http_request = [{ set_bandwidth_limit = { download = \"1MiB\", key = \"src\" } }]",
        ),
    ],
};

/// `set_bandwidth_limit` of a rule.
pub static SET_BANDWIDTH_LIMIT: Section = Section {
    path: "frontend.NAME.http_request.set_bandwidth_limit",
    called: "a limit of bandwidth",
    doc: "What may move in a second, as in `bandwidth`. With `key` that is what all requests move together that have the same.",
    keys: &[
        DOWNLOAD,
        UPLOAD,
        Key::new(
            "key",
            Type::Text("\"src\", \"dst\", \"host\", \"path\", \"base\" or a text with variables"),
            "What of the request, as in `track`; clients of IPv6 by their /64. A request that has no such thing has a limit \
             of its own.",
        )
        .default_is("each request by itself"),
    ],
    hints: &[
        ("limit", "download = \"1MiB\", upload = \"1MiB\""),
        ("period", "limits are per second"),
        ("table", "it needs no table"),
    ],
};

const DOWNLOAD: Key =
    Key::new("download", Type::Size { min: 1 << 10, max: 1 << 40 }, "To the client, per second.")
        .default_is("no limit");
const UPLOAD: Key =
    Key::new("upload", Type::Size { min: 1 << 10, max: 1 << 40 }, "From the client, per second.")
        .default_is("no limit");

/// `bandwidth` of a section.
pub(super) const BANDWIDTHS: Key = Key::new(
    "bandwidth",
    Type::Forms("false or a table", Some(&BANDWIDTH)),
    "Limits how fast content moves, for each request by itself (HAProxy: `bwlim-in`, `bwlim-out`).",
)
.default("false");

/// `min_request_rate`.
pub(super) const MIN_REQUEST_RATE: Key = Key::new(
    "min_request_rate",
    Type::Int { min: 0, max: 1_000_000_000 },
    "Bytes per second that a client has to send of a request's content while it is waited for. One that falls behind by \
     more than `timeout.client` gets status 408 and the letter `r` in its record, however often it sends a byte. 0: \
     anything will do.",
)
.default("240");

/// `min_response_rate`.
pub(super) const MIN_RESPONSE_RATE: Key = Key::new(
    "min_response_rate",
    Type::Int { min: 0, max: 1_000_000_000 },
    "Bytes per second that a client has to take of a response while it is waited for. The connection of one that falls \
     behind by more than `timeout.client` is closed. 0: anything will do.",
)
.default("240");

/// `retry_on`.
pub(super) const RETRY_ON: Key = Key::new(
    "retry_on",
    Type::Forms("an array of events and status codes, such as [\"conn-failure\", \"empty-response\", 503]", None),
    "When a request is sent again, up to `retries` times in all: `conn-failure` (no connection was made), \
     `empty-response` (the server closed the connection without a word), `junk-response` (what came is no response, or \
     a part of its head), `response-timeout`, the status codes 401, 403, 404, 408, 421, 425, 429, 500, 501, 502, 503 \
     and 504, or `all-retryable-errors` (the four events and 500, 502, 503, 504). An empty array: never. With \
     `redispatch` another server gets the request. A request that is larger than 32 KiB is sent once.",
)
.default("[\"conn-failure\"]");

/// `retry_non_idempotent`.
pub(super) const RETRY_NON_IDEMPOTENT: Key = Key::new(
    "retry_non_idempotent",
    Type::Bool,
    "Sends requests again that could do something twice, such as POST. HAProxy does so unless told otherwise. A \
     connection that could not be made is tried again whatever the method.",
)
.default("false");

/// `retry_budget`.
pub(super) const RETRY_BUDGET: Key = Key::new(
    "retry_budget",
    Type::Int { min: 0, max: 1000 },
    "Of a hundred requests of the backend in the last 10 seconds, how many may be sent again after an answer, so that \
     retries do not multiply an outage. Ten in 10 seconds always may. Attempts to connect do not count.",
)
.default("20");

/// `http_reuse`.
pub(super) const HTTP_REUSE: Key = Key::new(
    "http_reuse",
    Type::Word(&["never", "safe", "always"]),
    "Which HTTP/1.1 connections to servers requests of different clients share. \"never\": none. \"safe\": any, but a request \
     that must not be sent twice, such as POST, goes over one that was in use within the last half second, which no \
     server closes, or a new one. \"always\": any. A connection belongs to one client in any case once its server has asked \
     for NTLM or Negotiate, and if the server is told whose it is (`send_proxy`).",
)
.default("\"safe\"");

/// `abortonclose`.
pub(super) const ABORTONCLOSE: Key = Key::new(
    "abortonclose",
    Type::Bool,
    "A client that closes its side while its request waits in a queue, for a connection or for the answer has gone: the \
     request is given up. Without it such a client may still read the answer. A stream of HTTP/2 that is reset is given \
     up in any case.",
)
.default("false");
