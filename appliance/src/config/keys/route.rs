//! Keys of `use_backend`.

use super::{DAY, Key, Section, Type, ms};

/// One entry of `use_backend`.
pub static USE_BACKEND: Section = Section {
    path: "frontend.NAME.use_backend",
    called: "a use_backend rule",
    doc: "Where requests go, and in mode tcp connections by the ClientHello that a TLS client begins with, without ending \
          its TLS. The first rule that matches decides; else `default_backend`. A connection that begins with something \
          else than a ClientHello, or says too little within `inspect_delay`, matches no rule.",
    keys: &[
        Key::new("backend", Type::Text("the name of a backend"), "Where they go.").required(),
        Key::new(
            "if",
            Type::Table(&MATCHER),
            "Which ones: all that is said here must hold, each by one of its values.",
        )
        .required(),
    ],
    hints: &[("use", "backend"), ("when", "if"), ("to", "backend")],
};

/// A matcher of connections.
pub static MATCHER: Section = Section {
    path: "frontend.NAME.use_backend.if",
    called: "a matcher",
    doc: "What is asked of a request, or in mode tcp (`req_…`) of a ClientHello; at least one of these.",
    keys: &[
        Key::new(
            "host",
            Type::Text("a host name, an address, or an array of them"),
            "The host that is asked for, in whatever case and on whatever port: what the request line says, else `Host`. \
             Hosts are found in a sorted table, however many there are.",
        ),
        Key::new("ssl_fc", Type::Bool, "Whether the client speaks TLS."),
        Key::new(
            "ssl_c_used",
            Type::Bool,
            "Whether the client has shown a certificate. One that is shown has been verified: with one that does not \
             verify there is no handshake, whether it is `required` or `optional`.",
        ),
        Key::new(
            "ssl_c_s_dn",
            Type::Text("a name or an array of them"),
            "Whom the client's certificate is for, written on one line: \"/O=Example/CN=builder\".",
        ),
        Key::new("ssl_c_s_dn_cn", Type::Text("a name or an array of them"), "The common name in it."),
        Key::new(
            "req_ssl_sni",
            Type::Text("a host name or an array of them"),
            "The name that the client asks for, in whatever case.",
        ),
        Key::new(
            "req_ssl_sni_end",
            Type::Text("the end of host names, or an array of such ends"),
            "How that name ends: \".example.com\" is every name below example.com.",
        ),
        Key::new(
            "req_ssl_alpn",
            Type::Text("a protocol name or an array of them"),
            "A protocol that the client would speak inside.",
        ),
    ],
    hints: &[
        ("sni", "req_ssl_sni"),
        ("req_sni", "req_ssl_sni"),
        ("alpn", "req_ssl_alpn"),
        ("ssl_fc_sni", "req_ssl_sni: what the client asks for before anybody has answered it"),
        ("hdr", "host"),
        ("hdr(host)", "host"),
        ("ssl_c_s_dn(CN)", "ssl_c_s_dn_cn"),
        ("ssl_c_verify", "ssl_c_used: a certificate that does not verify ends the handshake"),
    ],
};

/// `use_backend` of a frontend.
pub(super) const USE_BACKENDS: Key = Key::new(
    "use_backend",
    Type::Tables(&USE_BACKEND),
    "Requests that go elsewhere than to `default_backend`; in mode tcp connections of TLS clients, whose bytes are passed \
     on as they are.",
);
/// `inspect_delay` of a frontend.
pub(super) const INSPECT_DELAY: Key = Key::new(
    "inspect_delay",
    ms(1, DAY),
    "In mode tcp, how long `use_backend` waits for what it looks at. A client that waits for the server to speak first waits this long.",
)
.default_is("\"5s\"; of no use without `use_backend`");
