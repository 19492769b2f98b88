//! Keys about log lines: where they go, and what records of requests and connections show.

use evenkeel_proxy::access_log::Facility;

use super::{Key, Section, Type};

/// One entry of `log`.
pub static LOG_TARGET: Section = Section {
    path: "global.log",
    called: "a log target",
    doc: "Where log lines go. A line is sent to every target whose level admits it. No target is waited for: what one does \
          not take in time waits in a bounded queue, and beyond that is dropped and counted in the status.",
    keys: &[
        Key::new(
            "to",
            Type::Text(
                "a socket path, \"IP:PORT\", \"tcp:IP:PORT\", \"journald\", \"file:PATH\", \"stdout\" or \"stderr\"",
            ),
            "A syslog socket such as `/dev/log`; a syslog server reached by UDP, or by TCP with the length of each line in \
             front of it (RFC 6587); the journal of systemd, which gets what is known of a request in fields of its own \
             (`EVENKEEL_STATUS` and so on); a file, which is opened anew on SIGHUP and by `evenkeel reload`; or a standard \
             stream.",
        )
        .required(),
        Key::new(
            "format",
            Type::Word(&["raw", "short", "priority", "timed", "iso", "local", "rfc3164", "rfc5424"]),
            "What stands in front of a line, in HAProxy's words: `raw` nothing, `short` the level, `priority` facility and \
             level, `timed` level and date, `iso` the date, `local` a header of syslog without the machine's name, `rfc3164` \
             and `rfc5424` one with it.",
        )
        .default_is("`\"local\"` for syslog, over TCP `\"rfc5424\"`; else `\"raw\"`"),
        Key::new("facility", Type::Word(&Facility::NAMES), "Syslog facility.").default("\"local0\""),
        Key::new(
            "level",
            Type::Word(LEVELS),
            "The least urgent level that is sent. Access records are `info`, a server that goes down is `alert`, one that \
             comes up `notice`, a backend without servers `emerg`.",
        )
        .default("\"debug\""),
        Key::new("tag", Type::Text("a word"), "Program name in syslog lines.").default("\"evenkeel\""),
        Key::new(
            "sample",
            Type::Text("\"RANGES:SIZE\""),
            "Some of the access records only: `\"1:10\"` is the first of ten, `\"1,3-5:10\"` four of ten. Other lines are \
             all sent.",
        )
        .default_is("all of them"),
    ],
    hints: &[("address", "to"), ("max_level", "level"), ("minlevel", "level"), ("len", "nothing is cut short")],
};

/// `capture`.
pub static CAPTURE: Section = Section {
    path: "frontend.NAME.capture",
    called: "capture",
    doc: "What records show of requests and responses besides the request line: in `httplog` as `{…|…}`, in JSON as \
          `request_captures` and `response_captures`. Of fields that are there more than once the last one is shown.",
    keys: &[
        Key::new("request", Type::Tables(&CAPTURE_FIELD), "Fields of requests."),
        Key::new("response", Type::Tables(&CAPTURE_FIELD), "Fields of responses."),
        Key::new("cookie", Type::Table(&CAPTURE_COOKIE), "A cookie, of requests and responses."),
    ],
    hints: &[("header", "request = [{ header = \"User-Agent\", len = 64 }]")],
};

/// One entry of `request` and `response` of `capture`.
pub static CAPTURE_FIELD: Section = Section {
    path: "frontend.NAME.capture.request",
    called: "a captured field",
    doc: "A field that records show.",
    keys: &[
        Key::new("header", Type::Text("the name of a field"), "Its name.").required(),
        Key::new("len", Type::Int { min: 1, max: 8192 }, "Most bytes of it that are shown.").required(),
    ],
    hints: &[("name", "header"), ("length", "len")],
};

/// `cookie` of `capture`.
pub static CAPTURE_COOKIE: Section = Section {
    path: "frontend.NAME.capture.cookie",
    called: "a captured cookie",
    doc: "The first cookie of a request or response whose name begins with this, as `NAME=VALUE`.",
    keys: &[
        Key::new(
            "name",
            Type::Text("the beginning of a name"),
            "How its name begins; with `=` at the end the whole name.",
        )
        .required(),
        Key::new("len", Type::Int { min: 1, max: 8192 }, "Most bytes of name and value that are shown.")
            .required(),
    ],
    hints: &[("length", "len")],
};

/// The table form of `unique_id`.
pub static UNIQUE_ID: Section = Section {
    path: "frontend.NAME.unique_id",
    called: "unique_id",
    doc: "An identifier of each request, made when its head is there: `%ID` and `${unique_id}` in lines, `unique_id` in JSON.",
    keys: &[
        Key::new(
            "format",
            Type::Text("a line format"),
            "What it looks like: `${uuid}` is a random UUID; and what `log_format` has that is known when a request begins, \
             such as `%{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid`.",
        )
        .default("\"${uuid}\""),
        Key::new(
            "header",
            Type::Text("the name of a field"),
            "The field that tells the server. One of this name that the client has sent goes no further: whoever may choose an \
             identifier can make two requests look like one. Rules find it as `${hdr(NAME)}`.",
        )
        .default_is("the server is not told"),
    ],
    hints: &[("name", "header")],
};

/// `log_format`.
pub(super) const LOG_FORMAT: Key = Key::new(
    "log_format",
    Type::Text("\"httplog\", \"tcplog\", \"clf\", \"json\" or a text with variables"),
    "What access records look like: one of HAProxy's line formats, one JSON object per line, or a text. `httplog`, `clf` and \
     `tcplog` each hold for their mode only; the other mode keeps its own. A text has variables in HAProxy's own spelling with \
     its flags `%{+Q}`, `%{+E}`, `%{+X}` and `%{…}o`, or by name, or both; a percent sign is `%%`, a dollar sign `$$`, and \
     blanks are one. What strangers send is escaped as `#XX` so that it ends no line and no quotes; a backslash of theirs is \
     let through by HAProxy's letters, as HAProxy does it, and where it has a meaning, as in JSON, wants `%{+E}` or the name. \
     Connection: `%ci` `${client_ip}`, `%cp` `${client_port}`, `%fi` `${frontend_ip}`, `%fp` `${frontend_port}`, `%bi` \
     `${backend_source_ip}`, `%bp` `${backend_source_port}`, `%si` `${server_ip}`, `%sp` `${server_port}`, `%f` `${frontend}`, \
     `%ft` `${frontend_transport}`, `%b` `${backend}`, `%s` `${server}`, `%ts` `${termination_state}`, `%tsc` `${termination}`, \
     `%ac` `${process_connections}`, `%fc` `${frontend_connections}`, `%bc` `${backend_connections}`, `%sc` \
     `${server_connections}`, `%rc` `${retries}`, `%sq` `${server_queue}`, `%bq` `${backend_queue}`, `%B` `${bytes_out}`, `%U` \
     `${bytes_in}`. \
     Dates: `%t` `${accept_date}`, `%T` `${accept_date_gmt}`, `%Tl` `${accept_date_local}`, `%tr` `${request_date}`, `%trg` \
     `${request_date_gmt}`, `%trl` `${request_date_local}`, `${time}` (RFC 3339), `%Ts` `${timestamp}`, `%ms` `${milliseconds}`. \
     Milliseconds: `%TR` `${request_ms}`, `%Tw` `${queue_ms}`, `%Tc` `${connect_ms}`, `%Tr` `${response_ms}`, `%Ta` \
     `${active_ms}`, `%Td` `${data_ms}`, `%Th` `${handshake_ms}`, `%Ti` `${idle_ms}`, `%Tq` `${whole_request_ms}`, `%Tt` \
     `${total_ms}`, `%Tu` `${user_ms}`. \
     HTTP: `%r` `${request_line}`, `%HM` `${method}`, `%HU` `${uri}`, `%HP` `${uri_path}`, `%HPO` `${path}`, `%HQ` \
     `${query_string}`, `%HV` `${version}`, `%ST` `${status}`, `%CC` `${request_cookie}`, `%CS` `${response_cookie}`, `%hr` \
     `${request_captures}`, `%hs` `${response_captures}`, `%hrl` `${request_capture_list}`, `%hsl` `${response_capture_list}`, \
     `%ID` `${unique_id}`, `${res_hdr(NAME)}`, and all that texts of rules have, such as `${host}`, `${hdr(NAME)}` and `${var(NAME)}`, as rules have left it. \
     TLS: `%sslv` `${ssl_fc_protocol}`, `%sslc` `${ssl_fc_cipher}`, `${ssl_fc}`, `${ssl_fc_sni}`, `${ssl_fc_alpn}`, \
     `${ssl_fc_is_resumed}`, `${ssl_c_used}`, `${ssl_c_s_dn}`, `${ssl_c_i_dn}`, `${ssl_c_serial}`. \
     Process: `%H` `${hostname}`, `%pid` `${pid}`, `%rt` `${request_counter}`.",
)
.default_is("`\"httplog\"`, in mode tcp `\"tcplog\"`");

/// `log` of a frontend, or of both sides.
pub(super) const LOG: Key = Key::new(
    "log",
    Type::Forms("true, false or an array of log targets", Some(&LOG_TARGET)),
    "Where access records and state changes of servers go; `true` is what `[global]` says.",
)
.default("true");

/// `log` of a backend.
pub(super) const BACKEND_LOG: Key = Key::new(
    "log",
    Type::Forms("true, false or an array of log targets", Some(&LOG_TARGET)),
    "Where state changes of its servers go; `true` is what `[global]` says. If that is nowhere, they go to all targets that \
     there are.",
)
.default("true");

/// `log_tag` of a proxy section.
pub(super) const LOG_TAG: Key = Key::new(
    "log_tag",
    Type::Text("a word"),
    "Program name in syslog lines of this section, in place of the target's `tag`.",
);

/// `dontlognull` of a frontend.
pub(super) const DONTLOGNULL: Key =
    Key::new("dontlognull", Type::Bool, "Writes no access record for a connection that carried no byte.")
        .default("false");

/// `dontlog_normal` of a frontend.
pub(super) const DONTLOG_NORMAL: Key = Key::new(
    "dontlog_normal",
    Type::Bool,
    "Writes access records only of what did not go as it should: statuses of 500 and more, retries, refusals, timeouts, \
     connections that broke.",
)
.default("false");

/// `log_separate_errors` of a frontend.
pub(super) const LOG_SEPARATE_ERRORS: Key = Key::new(
    "log_separate_errors",
    Type::Bool,
    "Access records of what did not go as it should are of level `err`, so that a target can get these alone.",
)
.default("false");

/// `capture` of a frontend.
pub(super) const CAPTURE_KEY: Key =
    Key::new("capture", Type::Table(&CAPTURE), "Fields and cookies that access records show.");

/// `unique_id` of a frontend.
pub(super) const UNIQUE_ID_KEY: Key = Key::new(
    "unique_id",
    Type::Forms("true, false or a table", Some(&UNIQUE_ID)),
    "Gives each request an identifier; `true` is `{ format = \"${uuid}\", header = \"X-Request-ID\" }`.",
)
.default("false");

/// RFC 5424 §6.2.1, most urgent first.
const LEVELS: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

#[cfg(test)]
mod tests {
    use evenkeel_proxy::access_log::{Header, format::Field};

    use super::*;

    #[test]
    fn the_reference_has_every_variable_and_header() {
        for (letters, name) in Field::letters() {
            assert!(LOG_FORMAT.doc.contains(&format!("`%{letters}`")), "%{letters}");
            assert!(LOG_FORMAT.doc.contains(&format!("`${{{name}}}`")) || name.is_empty(), "{name}");
        }
        for name in Field::names().filter(|name| *name != "uuid") {
            assert!(LOG_FORMAT.doc.contains(&format!("`${{{name}}}`")), "{name}");
        }
        let format = LOG_TARGET.key("format").unwrap();
        assert!(
            matches!(format.ty, Type::Word(words) if words.iter().copied().eq(Header::ALL.map(|(_, name)| name)))
        );
    }
}
