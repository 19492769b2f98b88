//! Keys of health checks: their steps, and what each step may say.

use super::{Key, Section, Type};

/// One step of a `check`.
pub static CHECK_STEP: Section = Section {
    path: "backend.NAME.check",
    called: "a check step",
    doc: "One step of a health check: exactly one of these keys, and a `comment` if wanted. Steps are run in order; the \
          check passes when all have. A check connects by itself unless its first step is `connect`.",
    keys: &[
        Key::new(
            "connect",
            Type::Forms("true or a table", Some(&CONNECT)),
            "Opens a connection, after closing the one there is; `true` is one to the server.",
        ),
        Key::new(
            "send",
            Type::Forms("text, or a table: an HTTP request", Some(&SEND)),
            "Sends the text as it is, or an HTTP request. Each HTTP request has a connection of its own.",
        ),
        Key::new(
            "send_binary",
            Type::Text("hexadecimal digits"),
            "Sends these bytes, written as hexadecimal digits; blanks between them are fine.",
        ),
        Key::new(
            "expect",
            Type::Table(&EXPECT),
            "What must have been received since something was last sent, or what the HTTP response must be. Several \
             must all hold.",
        ),
        Key::new(
            "mysql",
            Type::Forms("true or a table", Some(&MYSQL)),
            "Reads the greeting of a MySQL or MariaDB server and logs in if there is a `user`. Alone on its \
             connection, as are all protocols.",
        ),
        Key::new("redis", Type::Bool, "Says `PING` and wants `+PONG`."),
        Key::new("pgsql", Type::Table(&PGSQL), "Sends a startup message to a PostgreSQL server."),
        Key::new(
            "smtp",
            Type::Forms("true or a table", Some(&SMTP)),
            "Reads the greeting of a mail server, says hello and quits.",
        ),
        Key::new("ldap", Type::Bool, "Binds anonymously to an LDAPv3 server."),
        Key::new(
            "ssl_hello",
            Type::Forms("true or a table", Some(&SSL_HELLO)),
            "Sends a TLS ClientHello and wants TLS in answer, without shaking hands to the end.",
        ),
        Key::new("comment", Type::Text("text"), "Told in logs and status when the step fails."),
        Key::new(
            "raw",
            Type::Bool,
            "Beside a `send` of text: it is meant to end without a newline although an answer to it is expected.",
        )
        .default("false"),
    ],
    hints: &[
        ("send_lf", "send"),
        ("redis_check", "redis = true"),
        ("mysql_check", "mysql = { user = \"…\" }"),
        ("pgsql_check", "pgsql = { user = \"…\" }"),
        ("smtpchk", "smtp = true"),
        ("ldap_check", "ldap = true"),
        ("ssl_hello_chk", "ssl_hello = true"),
    ],
};

/// `connect` of a check step.
pub static CONNECT: Section = Section {
    path: "backend.NAME.check.connect",
    called: "connect",
    doc: "Where and how a check connects.",
    keys: &[
        Key::new("port", Type::Int { min: 1, max: 65_535 }, "Port to connect to.").default_is("the one that is checked"),
        Key::new("addr", Type::Text("an IP address"), "Address to connect to.").default_is("the one that is checked"),
        Key::new(
            "linger",
            Type::Bool,
            "Closes the connection in the usual way instead of by a reset: for servers that complain of resets.",
        )
        .default("false"),
        Key::new("ssl", Type::Bool, "The connection speaks TLS, in the way of the server's other checks.")
            .default_is("as the server's checks do (`check_ssl`); false with `port` or `addr`; true with `sni` or `alpn`"),
        Key::new("sni", Type::Text("a host name"), "The name this connection asks the server for in the handshake.")
            .default_is("`check_sni`"),
        Key::new("alpn", Type::Text(super::tls::ALPN_FORM), "Protocols that this connection offers the server inside TLS.")
            .default_is("`check_alpn`"),
        Key::new("proto", Type::Word(&["h1", "h2"]), "What HTTP requests on this connection are made in.")
            .default_is("as the check's; what TLS comes to with `port`, `addr`, `sni` or `alpn`"),
    ],
    hints: &[("default", "connect = true"), ("address", "addr")],
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
    doc: "What the answer to a check must be: exactly one of `status` to `not`, and what is reported of it. Patterns are \
          regular expressions over bytes, without backreferences and look-around.",
    keys: &[
        Key::new(
            "status",
            Type::Text("a status, a range \"200-399\", or an array of them"),
            "The HTTP status is one of these.",
        ),
        Key::new("rstatus", Type::Text("a regular expression"), "The HTTP status matches."),
        Key::new("header", Type::Table(&HEADER), "The HTTP response has such a field."),
        Key::new(
            "string",
            Type::Text("text"),
            "The answer, or the body of the HTTP response, its first 16 KiB, contains this.",
        ),
        Key::new("rstring", Type::Text("a regular expression"), "Likewise; the pattern matches in it."),
        Key::new("binary", Type::Text("hexadecimal digits"), "The answer contains these bytes."),
        Key::new(
            "rbinary",
            Type::Text("a regular expression"),
            "The pattern matches the answer written as upper-case hexadecimal digits.",
        ),
        Key::new("not", Type::Forms("a table like `expect` itself", Some(&EXPECT)), "What must not hold."),
        Key::new(
            "min_recv",
            Type::Int { min: 1, max: 16_384 },
            "Bytes before which nothing is decided, and at which an absence is. Not of HTTP.",
        )
        .default_is("an absence is decided when the server closes, 16 KiB are there, or time is up"),
        Key::new("on_success", Type::Text("text"), "Reported when it holds, and the check ends with it."),
        Key::new("on_error", Type::Text("text"), "Reported when it does not hold."),
        Key::new(
            "ok_status",
            Type::Word(&["L7OK", "L7OKC", "L6OK", "L4OK"]),
            "The result when the check ends with it. With `L7OKC` it does, and the server gets no new work (NOLB).",
        )
        .default("\"L7OK\""),
        Key::new(
            "error_status",
            Type::Word(&["L7OKC", "L7RSP", "L7STS", "L6RSP", "L4CON"]),
            "The result when it does not hold. With `L7OKC` that is no failure, but the server gets no new work (NOLB).",
        )
        .default_is("L7STS for `status`, `rstatus` and `header`, else L7RSP"),
        Key::new(
            "tout_status",
            Type::Word(&["L7TOUT", "L6TOUT", "L4TOUT"]),
            "The result when time runs out over it.",
        )
        .default("\"L7TOUT\""),
    ],
    hints: &[
        ("hdr", "header = { name = \"…\", value = \"…\" }"),
        ("fhdr", "header = { name = \"…\", value = \"…\", full = true }"),
    ],
};

/// `header` of an expectation.
pub static HEADER: Section = Section {
    path: "backend.NAME.check.expect.header",
    called: "header",
    doc: "A field of an HTTP response: one of the names, and one of the values unless any will do. Names are compared \
          without regard to case.",
    keys: &[
        Key::new("name", Type::Text("text"), "Its name."),
        Key::new("name_beg", Type::Text("text"), "How its name begins."),
        Key::new("name_end", Type::Text("text"), "How its name ends."),
        Key::new("name_sub", Type::Text("text"), "What is in its name."),
        Key::new("name_reg", Type::Text("a regular expression"), "What its name matches."),
        Key::new("value", Type::Text("text"), "Its value."),
        Key::new("value_beg", Type::Text("text"), "How its value begins."),
        Key::new("value_end", Type::Text("text"), "How its value ends."),
        Key::new("value_sub", Type::Text("text"), "What is in its value."),
        Key::new("value_reg", Type::Text("a regular expression"), "What its value matches."),
        Key::new(
            "full",
            Type::Bool,
            "The value is taken whole; else each part of a comma-separated list is a value.",
        )
        .default("false"),
    ],
    hints: &[],
};

/// `mysql` of a check step.
pub static MYSQL: Section = Section {
    path: "backend.NAME.check.mysql",
    called: "mysql",
    doc: "A MySQL check. Without a user the server counts each check as a connection error, and blocks the host after \
          `max_connect_errors` of them.",
    keys: &[
        Key::new("user", Type::Text("a user"), "User that logs in; it has no password.")
            .default_is("nobody logs in: the greeting is enough"),
        Key::new(
            "version",
            Type::Word(&["pre-41", "post-41", "post-80"]),
            "Form of the login: before MySQL 4.1, since, or with the name of an authentication plugin.",
        )
        .default_is("the newest that the server's greeting offers"),
    ],
    hints: &[("password", "the user of a check has no password; give it no rights either")],
};

/// `pgsql` of a check step.
pub static PGSQL: Section = Section {
    path: "backend.NAME.check.pgsql",
    called: "pgsql",
    doc: "A PostgreSQL check: passed when the server asks for a password, or for none.",
    keys: &[Key::new("user", Type::Text("a user"), "User in the startup message.").required()],
    hints: &[("password", "the check ends before a password is asked for")],
};

/// `smtp` of a check step.
pub static SMTP: Section = Section {
    path: "backend.NAME.check.smtp",
    called: "smtp",
    doc: "A mail server's check.",
    keys: &[Key::new("hello", Type::Text("\"HELO NAME\" or \"EHLO NAME\""), "The greeting.")
        .default("\"HELO localhost\"")],
    hints: &[("ehlo", "hello = \"EHLO NAME\""), ("helo", "hello = \"HELO NAME\"")],
};

/// `ssl_hello` of a check step.
pub static SSL_HELLO: Section = Section {
    path: "backend.NAME.check.ssl_hello",
    called: "ssl_hello",
    doc: "A TLS server's check.",
    keys: &[Key::new("sni", Type::Text("a host name"), "Name of the server in the hello.").default_is("none")],
    hints: &[],
};
