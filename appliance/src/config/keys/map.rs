//! Keys of maps.

use super::{Key, Section, Type};

/// `[map.X]`.
pub static MAP: Section = Section {
    path: "map.NAME",
    called: "a map",
    doc: "Values that rules look up: `use_backend = [{ map = \"hosts\", key = \"${host}\" }]`, `set_var = { tenant = { map = \
          \"tenants\", key = \"${host}\" } }`. What is looked up takes about as long in a large map as in a small one.",
    keys: &[
        Key::new(
            "match",
            Type::Word(&["str", "beg", "end", "sub", "dir", "dom", "reg", "ip"]),
            "How a key is compared: it is the text, its beginning, its end, somewhere in it, a whole part of it between \
             slashes or dots, finds something in it as a regular expression, or is a network with the address. Of several \
             that match the longest beginning or the smallest network is found, else the first.",
        )
        .default("\"str\""),
        Key::new("nocase", Type::Bool, "Letters of either case are the same.").default("false"),
        Key::new("entries", Type::Forms("a table from keys to values", None), "Keys and their values."),
        Key::new(
            "file",
            Type::Text("a path or an array of them"),
            "Files with more of them, behind those: a key, blanks and its value in each line; blank lines and lines that \
             begin with `#` do not count.",
        ),
    ],
    hints: &[("type", "match"), ("files", "file"), ("map", "entries")],
};
