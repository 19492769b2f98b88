//! Keys of `use_backend`.

use super::matcher::CONDITION;
use super::{DAY, Key, Section, Type, ms};

/// One entry of `use_backend`.
pub static USE_BACKEND: Section = Section {
    path: "frontend.NAME.use_backend",
    called: "a use_backend rule",
    doc: "Where requests go, and in mode tcp connections by the ClientHello that a TLS client begins with, without ending \
          its TLS, or by what else is known of them (`src`, `ssl_…`, tables). The first rule that matches decides; else \
          `default_backend`. A connection that begins with something else than a ClientHello, or says too little within \
          `inspect_delay`, has no name and no protocol.",
    keys: &[
        Key::new("backend", Type::Text("the name of a backend"), "Where they go. This, or `map` and `key`."),
        Key::new(
            "map",
            Type::Text("the name of a map"),
            "Requests go to the backend whose name this map has for `key`. If it has none, or one of no backend, the next \
             rule is asked; such a rule needs no condition.",
        ),
        Key::new("key", Type::Text("a text"), "What is looked up in the map, as `\"${host}\"`."),
        Key::new("if", CONDITION, "Which ones."),
        Key::new("unless", CONDITION, "Not those for which this holds."),
    ],
    hints: &[("use", "backend"), ("when", "if"), ("to", "backend"), ("if_not", "unless")],
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
    "In mode tcp, how long `use_backend` and `tcp_request` wait for what they look at. A client that waits for the server to speak first waits this long.",
)
.default_is("\"5s\"; of no use without `use_backend` or `tcp_request`");
