//! Keys of `compression`.

use super::{Key, Section, Type};

/// `compression`.
pub static COMPRESSION: Section = Section {
    path: "defaults.compression",
    called: "compression",
    doc: "Responses are compressed on their way to clients that take it (`Accept-Encoding`, with its weights): those with \
          status 200 to 203 in HTTP/1.1 or 2 whose end is known by a length or by chunks, without `Content-Encoding`, \
          `Cache-Control: no-transform`, a digest of their content, several entity tags or one that is none. They go out \
          in chunks, with `Content-Encoding` and `Vary`, their entity tag weak, and without `Accept-Ranges`. What a server \
          sends piece by piece is passed on when it pauses. A response that finds no compressor left stays as it is \
          (`comp_max_memory`). What a backend says goes before what its frontend says.",
    keys: &[
        Key::new(
            "algo",
            Type::Forms("\"gzip\", \"deflate\" or \"raw-deflate\", or an array of them", None),
            "Ways to compress. The client's weights decide, and then the order here. `raw-deflate` is what some old \
             clients take `deflate` for; clients know both as `deflate`.",
        )
        .required(),
        Key::new(
            "type",
            Type::Text("a media type such as \"text/html\" or \"text/*\", or an array of them"),
            "Types of content that are compressed. Parameters do not matter.",
        )
        .default_is("any but `multipart`"),
        Key::new(
            "min_size",
            Type::Size { min: 0, max: 1 << 30 },
            "Content that is known to be smaller stays as it is.",
        )
        .default("\"256B\""),
        Key::new("level", Type::Int { min: 1, max: 9 }, "Effort, from least to most.").default("2"),
        Key::new(
            "offload",
            Type::Bool,
            "Servers do not see the `Accept-Encoding` of clients whose responses can be compressed here, and so do not \
             compress themselves.",
        )
        .default("false"),
    ],
    hints: &[
        ("algo_res", "algo"),
        ("types", "type"),
        ("minsize_res", "min_size"),
        ("minsize", "min_size"),
        ("direction", "responses are compressed, requests are not"),
    ],
};

/// `compression` of a section.
pub(super) const COMPRESS: Key = Key::new(
    "compression",
    Type::Forms("false or a table", Some(&COMPRESSION)),
    "Compresses responses. `false` in a backend: they go out as its servers send them, whatever frontends say.",
)
.default("false");
