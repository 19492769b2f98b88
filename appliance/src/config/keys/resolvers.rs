//! Keys of `[resolvers.X]`.

use super::{DAY, Key, Section, Type, ms};

/// `[resolvers.X]`.
pub static RESOLVERS: Section = Section {
    path: "resolvers.NAME",
    called: "resolvers",
    doc: "Name servers that are asked where servers are which have a name. Lookups begin at once and hold nothing up: a \
          server is in maintenance until its name is found, and where it was is remembered when the data plane is \
          replaced. A name or a service that several servers of a backend have is looked up once for all of them.",
    keys: &[
        Key::new(
            "nameserver",
            Type::Text("\"IP:PORT\" or an array of them"),
            "The name servers. All are asked at once: the first answer with addresses counts, and that there are none is \
             believed once nobody knows better. Over UDP, and over TCP where an answer is too long. These or `parse_resolv_conf` must be said.",
        ),
        Key::new(
            "parse_resolv_conf",
            Type::Bool,
            "Also those of /etc/resolv.conf, after these, as they are when the configuration is read.",
        )
        .default("false"),
        Key::new(
            "accepted_payload_size",
            Type::Int { min: 512, max: 4096 },
            "Longest answer in bytes that is taken over UDP; a longer one is asked for again over TCP.",
        )
        .default("1232"),
        Key::new(
            "resolve_retries",
            Type::Int { min: 0, max: 10 },
            "How often a question is asked again without an answer.",
        )
        .default("3"),
        Key::new("hold", Type::Table(&HOLD), "How long answers hold."),
        Key::new("timeout", Type::Table(&RESOLVERS_TIMEOUT), "Timers of lookups."),
    ],
    hints: &[
        ("nameservers", "nameserver = [\"10.0.0.2:53\"]"),
        ("parse-resolv-conf", "parse_resolv_conf = true"),
    ],
};

/// `hold` of resolvers.
pub static HOLD: Section = Section {
    path: "resolvers.NAME.hold",
    called: "hold",
    doc: "How long answers hold, and how long servers keep their addresses without them.",
    keys: &[
        Key::new("valid", ms(0, DAY), "Longest time before a name is looked up again; its TTL may say less.")
            .default("\"10s\""),
        Key::new("obsolete", ms(0, DAY), "How long a server keeps an address that answers have no more.")
            .default("\"0s\""),
        Key::new("nx", ms(0, DAY), "How long servers stay where they were when the name does not exist.")
            .default("\"30s\""),
        Key::new("timeout", ms(0, DAY), "How long servers stay where they were when nobody answers.")
            .default("\"30s\""),
        Key::new("refused", ms(0, DAY), "How long servers stay where they were when the answer is refused.")
            .default("\"30s\""),
        Key::new("other", ms(0, DAY), "How long servers stay where they were when anything else is wrong.")
            .default("\"30s\""),
    ],
    hints: &[],
};

/// `timeout` of resolvers.
pub static RESOLVERS_TIMEOUT: Section = Section {
    path: "resolvers.NAME.timeout",
    called: "timeout",
    doc: "Timers of lookups.",
    keys: &[
        Key::new("resolve", ms(100, DAY), "Shortest time from one lookup of a name to the next.")
            .default("\"1s\""),
        Key::new(
            "retry",
            ms(10, 3_600_000),
            "How long an answer is waited for before the question is asked again.",
        )
        .default("\"1s\""),
    ],
    hints: &[],
};
