//! Keys of `http_request` and `http_response`.

use super::matcher::CONDITION;
use super::{Key, Section, Type};

/// One entry of `http_request`.
pub static HTTP_REQUEST: Section = Section {
    path: "frontend.NAME.http_request",
    called: "a rule",
    doc: "What is done with requests, in the order of the file: those of a frontend before `use_backend`, those of the \
          backend after it. A rule does one thing, with the requests for which its condition holds; without a condition \
          with all that come to it. `deny`, `return` and `redirect` answer the request, and no further rule is asked; the \
          client's connection stays. The others change fields, for further rules and for the server. In texts of fields and \
          of `redirect` these are filled in: `${host}`, `${authority}` (with its port), `${path}`, `${query}`, `${pathq}` \
          (path and query), `${method}`, `${src}`, `${dst}`, `${dst_port}`, `${ssl_fc_sni}`; and by name `${hdr(NAME)}` (the \
          last field of that name), `${query(NAME)}` (a parameter, as it was sent) and `${cookie(NAME)}`. What a request has \
          not got is empty; a dollar sign is `$$`.",
    keys: &[
        Key::new(
            "deny",
            Type::Forms("true or a status", None),
            "Refuses the request: `true` is 403. `errorfile` can say what its client gets; its connection ends then. \
             Statuses: 200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 421, 422, 425, 429, 431, 500 to 504.",
        ),
        Key::new("return", Type::Table(&RETURN), "Answers the request."),
        Key::new("redirect", Type::Table(&REDIRECT), "Sends its client elsewhere."),
        SET_HEADER,
        ADD_HEADER,
        DEL_HEADER,
        Key::new("if", CONDITION, "Which requests."),
        Key::new("unless", CONDITION, "Not those for which this holds."),
    ],
    hints: &[
        ("deny_status", "deny = 429"),
        ("reject", "deny"),
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

/// One entry of `http_response`.
pub static HTTP_RESPONSE: Section = Section {
    path: "frontend.NAME.http_response",
    called: "a rule for responses",
    doc: "What changes in the responses of servers, in the order of the file: first what the backend says, then the frontend. \
          A rule does one thing, in responses to the requests for which its condition holds; without a condition in all. The \
          proxy's own answers stay as they are. At most 64 rules.",
    keys: &[
        SET_HEADER,
        ADD_HEADER,
        DEL_HEADER,
        Key::new("if", CONDITION, "In responses to which requests."),
        Key::new("unless", CONDITION, "Not in responses to those for which this holds."),
    ],
    hints: &[("when", "if")],
};

const FIELDS: Type = Type::Forms("a table from names to values", None);

const SET_HEADER: Key = Key::new(
    "set_header",
    FIELDS,
    "Fields that there are once and with this value, whatever was there. In responses nothing is filled in.",
);
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
