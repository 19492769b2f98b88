//! Keys of TLS: on binds, on servers, and what all binds have in common.

use super::{DAY, HOUR, Key, Section, Type, ms};

/// `[global.tls]`.
pub static TLS: Section = Section {
    path: "global.tls",
    called: "tls",
    doc: "TLS with clients: what holds for every bind that does not say otherwise, and how sessions are resumed.",
    keys: &[
        Key::new("min_ver", VERSION, "Least version of TLS.").default("\"TLSv1.2\""),
        Key::new("max_ver", VERSION, "Greatest version of TLS.").default("\"TLSv1.3\""),
        CIPHERS,
        CIPHERSUITES,
        CURVES,
        PREFER_CLIENT_CIPHERS,
        Key::new(
            "tls_tickets",
            Type::Bool,
            "Gives clients session tickets, so that a later handshake is short. Their keys are new every six hours and good for twelve. Without tickets sessions are resumed from the cache.",
        )
        .default("true"),
        Key::new(
            "cache_size",
            Type::Int { min: 0, max: 10_000_000 },
            "Sessions kept for clients that take no tickets, or if there are none. With 0 and without tickets no session is resumed.",
        )
        .default("20000"),
        Key::new(
            "cache_lifetime",
            ms(1000, DAY),
            "How long a kept session can be resumed. Tickets are good for six hours at least.",
        )
        .default("\"5m\""),
        Key::new(
            "handshake_timeout",
            ms(100, HOUR),
            "How long a handshake may take. A client that stays silent for this long is closed.",
        )
        .default("\"5s\""),
    ],
    hints: &[
        ("ssl_min_ver", "min_ver"),
        ("ssl_max_ver", "max_ver"),
        ("no_tls_tickets", "tls_tickets = false"),
        ("cachesize", "cache_size"),
        ("lifetime", "cache_lifetime"),
        ("curves_list", "curves"),
    ],
};

pub(super) const SSL: Key =
    Key::new("ssl", Type::Bool, "Clients speak TLS. It needs a certificate, `crt`.").default("false");
pub(super) const CRT: Key = Key::new(
    "crt",
    PATHS,
    "PEM files with a certificate, its chain and its key, in any order, or directories of such files. The key may have a file of its own beside it (`NAME.key`), and so may a response of the OCSP responder (`NAME.ocsp`). The first certificate is the default.",
);
pub(super) const STRICT_SNI: Key = Key::new(
    "strict_sni",
    Type::Bool,
    "Refuses clients that ask for a name that is in no certificate, or for none, instead of giving them the default.",
)
.default("false");
pub(super) const ALPN: Key =
    Key::new("alpn", Type::Text(ALPN_FORM), "Protocols offered inside TLS, best first.")
        .default_is("[\"h2\", \"http/1.1\"]; none in mode tcp");
pub(super) const BIND_VERIFY: Key = Key::new(
    "verify",
    Type::Word(&["none", "optional", "required"]),
    "Whether clients are asked for a certificate, and whether those without one are refused. One that is shown must be good.",
)
.default("\"none\"");
pub(super) const BIND_CA_FILE: Key =
    Key::new("ca_file", PATH, "PEM file of the authorities that clients' certificates must come from.");
pub(super) const CRL_FILE: Key =
    Key::new("crl_file", PATH, "PEM file of revocation lists: certificates in them are refused.");
pub(super) const MIN_VER: Key = Key::new("ssl_min_ver", VERSION, "Least version of TLS.");
pub(super) const MAX_VER: Key = Key::new("ssl_max_ver", VERSION, "Greatest version of TLS.");
pub(super) const CIPHERS: Key = Key::new(
    "ciphers",
    Type::Text("cipher names, as an array or separated by `:`"),
    "Ciphers of TLS 1.2 by OpenSSL's or IANA's names, best first.",
)
.default_is("all that are safe");
pub(super) const CIPHERSUITES: Key = Key::new(
    "ciphersuites",
    Type::Text("cipher names, as an array or separated by `:`"),
    "Ciphers of TLS 1.3, best first.",
)
.default_is("all there are");
pub(super) const CURVES: Key = Key::new(
    "curves",
    Type::Text("curve names, as an array or separated by `:`"),
    "Key exchange groups, best first.",
)
.default("[\"X25519MLKEM768\", \"X25519\", \"P-256\", \"P-384\"]");
pub(super) const PREFER_CLIENT_CIPHERS: Key = Key::new(
    "prefer_client_ciphers",
    Type::Bool,
    "The client's order of ciphers decides: one without hardware for AES is faster with ChaCha20.",
)
.default_is("true, unless `ciphers` or `ciphersuites` says an order");

pub(super) const SERVER_SSL: Key =
    Key::new("ssl", Type::Bool, "Talks to the server over TLS.").default("false");
pub(super) const SERVER_VERIFY: Key = Key::new(
    "verify",
    Type::Word(&["none", "required"]),
    "Whether the server must prove by its certificate that it is the one meant.",
)
.default("\"required\"");
pub(super) const SERVER_CA_FILE: Key =
    Key::new("ca_file", PATH, "PEM file of the authorities that the server's certificate must come from.")
        .default_is("the system's");
pub(super) const SNI: Key =
    Key::new("sni", Type::Text("a host name"), "The name the server is asked for in the handshake.")
        .default_is("none is sent");
pub(super) const SERVER_ALPN: Key =
    Key::new("alpn", Type::Text(ALPN_FORM), "Protocols offered to the server inside TLS, best first. With \"h2\" it is spoken to in HTTP/2 if it agrees.")
        .default_is("none is named; [\"h2\"] with `proto = \"h2\"`");
pub(super) const CHECK_SSL: Key = Key::new("check_ssl", Type::Bool, "Checks the server over TLS.")
    .default_is("`ssl`, unless there is a `check_port` or `check_addr`");
pub(super) const CHECK_SNI: Key =
    Key::new("check_sni", Type::Text("a host name"), "The name checks ask the server for in the handshake.")
        .default_is("`sni`");
pub(super) const CHECK_ALPN: Key =
    Key::new("check_alpn", Type::Text(ALPN_FORM), "Protocols that checks offer the server inside TLS.")
        .default_is("none is named; \"h2\" if that is what the checks are made in");
pub(super) const VERIFYHOST: Key = Key::new(
    "verifyhost",
    Type::Text("a host name or IP address"),
    "The name or address that the server's certificate must be for.",
)
.default_is("`sni`, else the address of the server");
pub(super) const SERVER_CRT: Key = Key::new(
    "crt",
    PATH,
    "PEM file of the certificate, its chain and its key that the server is shown if it asks.",
);

/// Keys of a bind that mean nothing in clear text.
pub const BIND_TLS: &[&str] = &[
    "crt",
    "strict_sni",
    "alpn",
    "verify",
    "ca_file",
    "crl_file",
    "ssl_min_ver",
    "ssl_max_ver",
    "ciphers",
    "ciphersuites",
    "curves",
    "prefer_client_ciphers",
];

/// Keys that say what may be negotiated with a server.
pub const SERVER_POLICY: &[&str] = &["ssl_min_ver", "ssl_max_ver", "ciphers", "ciphersuites", "curves"];

const VERSION: Type = Type::Word(&["TLSv1.2", "TLSv1.3"]);
const PATH: Type = Type::Text("a path");
const PATHS: Type = Type::Text("a path or an array of paths");
pub(super) const ALPN_FORM: &str = "protocol names, as an array or separated by `,`";
