//! Keys of `tcp_request`.

use super::counted::{SC_INC_GPC0, SC_INC_GPC1, SC_SET_GPT0, TRACK};
use super::matcher::CONDITION;
use super::{Key, Section, Type};

/// One entry of `tcp_request`.
pub static TCP_REQUEST: Section = Section {
    path: "frontend.NAME.tcp_request",
    called: "a rule for connections",
    doc: "What is done with connections, in the order of the file: first all rules `on` connections, then those on sessions, \
          then those on content. A rule does one thing, with the connections for which its condition holds; without a \
          condition with all. Rules on connections are asked before a byte is read, and know addresses, ports, tables and \
          servers; those on sessions after the header of the PROXY protocol and TLS, and know the session too (`ssl_…`); those \
          on content, in mode tcp, when the client has said something (`req_…`), for which `inspect_delay` is waited. What a \
          connection is counted in counts its requests, too. Connections that are rejected are counted and not logged, but for \
          those rejected by their content.",
    keys: &[
        Key::new("on", Type::Word(&["connection", "session", "content"]), "When it is asked.")
            .default("\"connection\""),
        Key::new("accept", Type::Bool, "Lets the connection pass: no further rule on the same is asked."),
        Key::new("reject", Type::Bool, "Closes the connection, with a reset."),
        Key::new(
            "silent_drop",
            Type::Bool,
            "Gives the connection up so that its client does not hear of it.",
        ),
        TRACK,
        SC_INC_GPC0,
        SC_INC_GPC1,
        SC_SET_GPT0,
        Key::new("if", CONDITION, "Which connections."),
        Key::new("unless", CONDITION, "Not those for which this holds."),
    ],
    hints: &[
        ("deny", "reject"),
        ("drop", "silent_drop"),
        ("expect_proxy", "accept_proxy of `bind`"),
        ("inspect_delay", "inspect_delay of the frontend"),
        ("use_backend", "use_backend = [{ backend = \"…\", if = … }] of the frontend"),
        ("when", "if"),
    ],
};

/// `tcp_request` of a frontend.
pub(super) const TCP_REQUESTS: Key =
    Key::new("tcp_request", Type::Tables(&TCP_REQUEST), "What is done with connections, rule by rule.");
