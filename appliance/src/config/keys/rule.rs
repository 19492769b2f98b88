//! Keys of `http_request` and `http_response`.

use super::counted::{SC_INC_GPC0, SC_INC_GPC1, SC_SET_GPT0, TRACK};
use super::http::SET_BANDWIDTH_LIMIT;
use super::matcher::CONDITION;
use super::{DAY, Key, Section, Type, ms};

/// One entry of `http_request`.
pub static HTTP_REQUEST: Section = Section {
    path: "frontend.NAME.http_request",
    called: "a rule",
    doc: "What is done with requests, in the order of the file: those of a frontend before `use_backend`, those of the \
          backend after it. A rule does one thing, with the requests for which its condition holds; without a condition \
          with all that come to it. `deny`, `return`, `redirect` and `use_service` answer the request, and no further rule \
          is asked; the client's connection stays. The others change fields, for further rules and for the server, count \
          in tables, or hold it back (`wait_for_body`, `set_bandwidth_limit`). In texts of fields and of \
          `redirect` these are filled in: `${host}`, `${authority}` (with its port), \
          `${path}`, `${query}`, `${pathq}` \
          (path and query), `${method}`, `${src}`, `${dst}`, `${dst_port}`, `${ssl_fc_sni}`; and by name `${hdr(NAME)}` (the \
          last field of that name), `${query(NAME)}` (a parameter, as it was sent), `${cookie(NAME)}`, `${var(NAME)}` (what `set_var` has set) and \
          `${lua(NAME)}` (what a fetch of a script says; `${lua(NAME,ARG)}` calls it with an argument). What a request has \
          not got is empty; a dollar sign is `$$`.",
    keys: &[
        Key::new(
            "deny",
            Type::Forms("true or a status", None),
            "Refuses the request: `true` is 403. `errorfile` can say what its client gets; its connection ends then. \
             Statuses: 200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 421, 422, 425, 429, 431, 500 to 504.",
        ),
        Key::new(
            "tarpit",
            Type::Forms("true or a status", None),
            "Refuses the request, but lets its client wait for that as `timeout.tarpit` says; `true` is 500. Its \
             connection ends then. Of HTTP/1.1 the refusal comes at once to a client that closes meanwhile.",
        ),
        Key::new(
            "silent_drop",
            Type::Bool,
            "Gives the connection up without an answer, and so that its client does not hear of it: the reset goes no \
             further than to the first router. Of HTTP/2 only the stream ends.",
        ),
        Key::new("return", Type::Table(&RETURN), "Answers the request."),
        Key::new("redirect", Type::Table(&REDIRECT), "Sends its client elsewhere."),
        Key::new(
            "wait_for_body",
            Type::Table(&WAIT_FOR_BODY),
            "Keeps the request back until its content is there, all of it or as much as a buffer of 16 KiB has room for, so \
             that no server waits for a slow client. Once all rules have been asked.",
        ),
        Key::new(
            "set_bandwidth_limit",
            Type::Table(&SET_BANDWIDTH_LIMIT),
            "Limits how fast the request and its response move, besides the other limits that they have. Each may be limited \
             by itself, or all together that have the same `key`: what one client, one host, one API key may move.",
        ),
        Key::new(
            "use_service",
            Type::Word(&["prometheus_exporter", "stats"]),
            "Answers the request with what is counted, as Prometheus has it: `?scope=` picks among `global`, `frontend`, \
             `backend`, `server` and `evenkeel`, `?no-maint` leaves out servers in maintenance. Or with the statistics page, \
             to look at and not to change anything, at whatever path the rule is asked for; `stats` of the section is a page \
             with users and operators.",
        ),
        Key::new("capture", Type::Table(&RULE_CAPTURE), "Has the record of the request show a text."),
        SET_HEADER,
        ADD_HEADER,
        DEL_HEADER,
        REPLACE_HEADER,
        REPLACE_VALUE,
        Key::new(
            "set_method",
            Type::Text("a method"),
            "Another method. HEAD stays what it is, and nothing becomes HEAD: what has content would be misread.",
        ),
        Key::new(
            "set_path",
            Type::Text("a text"),
            "Another path; the query stays. What no path can have is encoded.",
        ),
        Key::new("set_query", Type::Text("a text"), "Another query, without the question mark; empty: none."),
        Key::new("set_pathq", Type::Text("a text"), "Another path and query."),
        Key::new(
            "replace_path",
            Type::Table(&REPLACE_LINE),
            "Another path, if something is found in it; the query stays.",
        ),
        Key::new(
            "replace_pathq",
            Type::Table(&REPLACE_LINE),
            "Another path and query, if something is found in them.",
        ),
        Key::new(
            "set_var",
            Type::Forms("a table from names to texts or to look-ups", Some(&LOOK_UP)),
            "Variables, for further rules (`var`), texts (`${var(NAME)}`), and what is changed in the response.",
        ),
        LUA,
        ARGS,
        SET_LOG_LEVEL,
        TRACK,
        SC_INC_GPC0,
        SC_INC_GPC1,
        SC_SET_GPT0,
        Key::new("if", CONDITION, "Which requests."),
        Key::new("unless", CONDITION, "Not those for which this holds."),
    ],
    hints: &[
        ("deny_status", "deny = 429"),
        ("script", "lua = \"NAME\", and [lua] load = [\"FILE\"]"),
        ("reject", "deny, or silent_drop"),
        ("set_uri", "set_pathq"),
        ("replace_uri", "replace_pathq"),
        ("silent-drop", "silent_drop"),
        ("log_level", "set_log_level"),
        ("track_sc0", "track = { key = \"src\", table = \"…\" }"),
        ("rate_limit", "track, and deny = 429 with if = { sc_http_req_rate = … }"),
        ("service", "use_service = \"prometheus_exporter\""),
        ("when", "if"),
        ("use_backend", "use_backend = [{ backend = \"…\", if = … }] of the frontend"),
    ],
};

/// `return` of a rule.
pub static RETURN: Section = Section {
    path: "frontend.NAME.http_request.return",
    called: "an answer",
    doc: "What a request is answered with. At most one of `string` and `file`; without either it has no content.",
    keys: &[
        Key::new("status", Type::Int { min: 200, max: 599 }, "Its status.").default("200"),
        Key::new("content_type", Type::Text("a type of content"), "What its content is.")
            .default_is("\"text/plain\" if it has content"),
        Key::new("string", Type::Text("a text"), "Its content."),
        Key::new("file", Type::Text("a path"), "A file with its content, read when the configuration is."),
        Key::new("hdr", Type::Forms("a table from names to values", None), "Further fields."),
    ],
    hints: &[("lf_string", "string"), ("body", "string"), ("header", "hdr"), ("code", "status")],
};

/// `wait_for_body` of a rule.
pub static WAIT_FOR_BODY: Section = Section {
    path: "frontend.NAME.http_request.wait_for_body",
    called: "a wait for content",
    doc: "How long a request waits for its content, and for how much of it. A client that is too slow gets 408.",
    keys: &[
        Key::new("time", ms(1, DAY), "How long it waits, from its head on.").required(),
        Key::new("at_least", Type::Size { min: 1, max: 16 << 10 }, "So much is enough.")
            .default_is("all of it"),
    ],
    hints: &[("timeout", "time"), ("at-least", "at_least"), ("size", "at_least")],
};

/// `capture` of a rule.
pub static RULE_CAPTURE: Section = Section {
    path: "frontend.NAME.http_request.capture",
    called: "a capture",
    doc: "A text for access records, behind the fields that `capture` of the section has, in the order of the rules; nothing \
          where the rule does not hold. Rules of backends have none: their requests have records of several frontends.",
    keys: &[
        Key::new("text", Type::Text("a text"), "What is shown, filled in by the request.").required(),
        Key::new("len", Type::Int { min: 1, max: 8192 }, "Most bytes of it.").required(),
    ],
    hints: &[("sample", "text"), ("length", "len")],
};

/// `redirect` of a rule.
pub static REDIRECT: Section = Section {
    path: "frontend.NAME.http_request.redirect",
    called: "a redirect",
    doc: "Where a client is sent: one of `scheme`, `prefix` and `location`.",
    keys: &[
        Key::new("scheme", Type::Word(&["https", "http"]), "The same place by this scheme."),
        Key::new("prefix", Type::Text("a text"), "This, and behind it path and query as they are."),
        Key::new("location", Type::Text("a text"), "This place, as `Location` says it."),
        Key::new("code", Type::Int { min: 301, max: 308 }, "301, 302, 303, 307 or 308.").default("302"),
    ],
    hints: &[("to", "location"), ("url", "location"), ("status", "code")],
};

/// A value of `set_var` that a map has.
pub static LOOK_UP: Section = Section {
    path: "frontend.NAME.http_request.set_var.NAME",
    called: "a look-up",
    doc: "A value that a map has for a text, or a script makes of it: `map` or `lua`.",
    keys: &[
        Key::new("map", Type::Text("the name of a map"), "Where it is looked up."),
        Key::new(
            "lua",
            Type::Text("the name of a converter"),
            "A converter of a script, which is called with `key` and with what stands behind commas: \"shorten,8\".",
        ),
        Key::new("key", Type::Text("a text"), "What is looked up or converted.").required(),
        Key::new(
            "default",
            Type::Text("a text"),
            "The value if there is none. Not said: the variable stays as it is.",
        ),
    ],
    hints: &[("table", "map"), ("text", "key"), ("else", "default")],
};

/// `replace_header` and `replace_value` of a rule.
pub static REPLACE: Section = Section {
    path: "frontend.NAME.http_request.replace_header",
    called: "a replacement",
    doc: "Fields in which an expression finds something.",
    keys: &[Key::new("name", Type::Text("the name of a field"), "The field.").required(), REG, WITH, NOCASE],
    hints: REPLACE_HINTS,
};

/// `replace_path` and `replace_pathq` of a rule.
pub static REPLACE_LINE: Section = Section {
    path: "frontend.NAME.http_request.replace_path",
    called: "a replacement",
    doc: "What is asked for, if an expression finds something in it.",
    keys: &[REG, WITH, NOCASE],
    hints: REPLACE_HINTS,
};

/// One entry of `http_response`.
pub static HTTP_RESPONSE: Section = Section {
    path: "frontend.NAME.http_response",
    called: "a rule for responses",
    doc: "What is done with the responses of servers, in the order of the file: first what the backend says, then the frontend. \
          A rule does one thing, with the responses, and to the requests, for which its condition holds; without a condition \
          with all. `deny`, `return` and `redirect` put another answer in the place of the response, and no further rule is \
          asked. The proxy's own answers stay as they are. In texts `${status}`, `${res_hdr(NAME)}` (the last field of that \
          name) and `${var(NAME)}` are filled in. At most 64 rules, and 64 different conditions on requests.",
    keys: &[
        Key::new(
            "deny",
            Type::Forms("true or a status", None),
            "Withholds the response: `true` is 502. `errorfile` can say what the client gets; its connection ends then.",
        ),
        Key::new("return", Type::Table(&RETURN), "Answers in the server's place."),
        Key::new("redirect", Type::Table(&RESPONSE_REDIRECT), "Sends the client elsewhere."),
        SET_HEADER,
        ADD_HEADER,
        DEL_HEADER,
        REPLACE_HEADER,
        REPLACE_VALUE,
        LUA,
        ARGS,
        Key::new(
            "set_status",
            Type::Int { min: 200, max: 599 },
            "Another status. Responses that have no content by their status (1xx, 204, 304) keep it.",
        ),
        Key::new(
            "set_var",
            Type::Forms("a table from names to texts", None),
            "Variables, for texts of further rules (`${var(NAME)}`).",
        ),
        SET_LOG_LEVEL,
        Key::new("if", CONDITION, "Which responses, to which requests."),
        Key::new("unless", CONDITION, "Not those for which this holds."),
    ],
    hints: &[("when", "if"), ("deny_status", "deny = 502")],
};

/// `redirect` of a rule for responses.
pub static RESPONSE_REDIRECT: Section = Section {
    path: "frontend.NAME.http_response.redirect",
    called: "a redirect",
    doc: "Where a client is sent.",
    keys: &[
        Key::new("location", Type::Text("a text"), "This place, as `Location` says it.").required(),
        Key::new("code", Type::Int { min: 301, max: 308 }, "301, 302, 303, 307 or 308.").default("302"),
    ],
    hints: &[
        ("to", "location"),
        ("url", "location"),
        ("status", "code"),
        ("scheme", "location, or `redirect` of http_request"),
        ("prefix", "location, or `redirect` of http_request"),
    ],
};

const SET_LOG_LEVEL: Key = Key::new(
    "set_log_level",
    Type::Word(&["silent", "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]),
    "How urgent the line in the log is, which else is `info`; `silent`: there is none. Of several rules the last holds.",
);

const FIELDS: Type = Type::Forms("a table from names to values", None);

const SET_HEADER: Key =
    Key::new("set_header", FIELDS, "Fields that there are once and with this value, whatever was there.");
const ADD_HEADER: Key = Key::new("add_header", FIELDS, "Fields that there are once more.");
const DEL_HEADER: Key = Key::new(
    "del_header",
    Type::Text("the name of a field or an array of them"),
    "Fields that there are none of.",
);

/// `http_response` of a frontend or backend.
pub(super) const HTTP_RESPONSES: Key =
    Key::new("http_response", Type::Tables(&HTTP_RESPONSE), "What changes in responses, rule by rule.");

/// `http_request` of a frontend or backend.
pub(super) const HTTP_REQUESTS: Key =
    Key::new("http_request", Type::Tables(&HTTP_REQUEST), "What is done with requests, rule by rule.");
const LUA: Key = Key::new(
    "lua",
    Type::Text("the name of an action"),
    "A script does with it what it wants: an action that it registers by `core.register_action`.",
);
const ARGS: Key = Key::new(
    "args",
    Type::Text("a text or an array of them"),
    "What the action is called with, as many as it is registered with.",
);
const REPLACE_HEADER: Key = Key::new(
    "replace_header",
    Type::Table(&REPLACE),
    "Fields of a name get another value where an expression finds something in their value.",
);
const REPLACE_VALUE: Key = Key::new(
    "replace_value",
    Type::Table(&REPLACE),
    "The same for each element of the lists that the values are, taken apart at commas.",
);
const REG: Key = Key::new(
    "reg",
    Type::Text("a regular expression"),
    "What is looked for, anywhere if it has no `^` and `$`.",
)
.required();
const WITH: Key = Key::new(
    "with",
    Type::Text("a text"),
    "What all of it becomes: with `\\1` for what the expression's first group has found and so on, `\\0` for all that it \
     has, and `\\\\` for a backslash. A literal string (`'…'`) saves doubling them.",
)
.required();
const NOCASE: Key = Key::new("nocase", Type::Bool, "Letters of either case are the same.").default("false");
const REPLACE_HINTS: &[(&str, &str)] =
    &[("regex", "reg"), ("pattern", "reg"), ("to", "with"), ("fmt", "with")];
