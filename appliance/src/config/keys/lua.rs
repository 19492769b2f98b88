//! Keys of `[lua]`.

use super::{Key, SECOND, Section, Type, ms};

/// `[lua]`.
pub static LUA: Section = Section {
    path: "lua",
    called: "lua",
    doc: "Scripts that rules call, written as for HAProxy (`docs/lua.md` lists what they have). Each data thread runs them by \
          itself, in an interpreter that reaches no file, no process and no other thread.",
    keys: &[
        Key::new(
            "load",
            Type::Text("a path or an array of them"),
            "Files of Lua, run in this order when the configuration is read, and in each data thread when it starts.",
        )
        .required(),
        Key::new(
            "memory",
            Type::Size { min: 1 << 20, max: 1 << 30 },
            "Memory that the scripts of one data thread may take up. When that is full what they remember is given up.",
        )
        .default("\"16MiB\""),
        Key::new(
            "time",
            ms(1, SECOND),
            "How long the processor may work for one call, which holds up the other clients of its data thread. Less than \
             `heartbeat_timeout` of `[global.worker]`. A function that has taken too long rests for ten times as long.",
        )
        .default("\"50ms\""),
        Key::new(
            "on_error",
            Type::Word(&["deny", "continue"]),
            "What becomes of a request for which a script fails or takes too much: it is answered with 500, or it goes on as \
             if the script had done nothing, as HAProxy lets it.",
        )
        .default("\"deny\""),
    ],
    hints: &[
        ("files", "load"),
        ("lua-load", "load"),
        ("lua_load", "load"),
        ("lua_load_per_thread", "load: every data thread loads them"),
        ("lua-load-per-thread", "load: every data thread loads them"),
        ("maxmem", "memory"),
        ("burst_timeout", "time"),
        ("forced_yield", "time"),
    ],
};
