//! Keys of `[global]`.

use super::log::LOG_TARGET;
use super::tls::TLS;
use super::{Key, SECOND, Section, Type, ms};
use crate::admin::Level;

/// `[global]`.
pub static GLOBAL: Section = Section {
    path: "global",
    called: "global",
    doc: "What concerns the processes as a whole.",
    keys: &[
        Key::new("user", Type::Text("a user name"), "The worker, which handles all bytes of clients and servers, runs as this user.")
            .default_is("\"evenkeel\" if there is such a user, else \"nobody\""),
        Key::new("group", Type::Text("a group name"), "The worker's group.").default_is("that of `user`"),
        Key::new(
            "script_user",
            Type::Text("a user name"),
            "Check and notify scripts run as this user. It should not be the worker's: a script's verdict moves addresses.",
        )
        .default_is("\"keepalived_script\" if there is such a user, else \"nobody\""),
        Key::new("nbthread", Type::Int { min: 1, max: 256 }, "Data threads of the worker.")
            .default_is("the CPUs the process may use"),
        Key::new("maxconn", Type::Int { min: 1, max: 10_000_000 }, "Most connections from clients, over all frontends. More wait in the backlog.")
            .default("10000"),
        Key::new(
            "spread_checks",
            Type::Int { min: 0, max: 50 },
            "How much the time between health checks varies, in percent of it, so that they do not march in step.",
        )
        .default("0"),
        Key::new("log", Type::Tables(&LOG_TARGET), "Where access records and state changes go.").default_is("nowhere"),
        Key::new(
            "hard_stop_after",
            ms(0, super::DAY),
            "How long running requests may take when the worker stops, before they are cut.",
        )
        .default("\"30s\""),
        Key::new("admin_socket", Type::Tables(&ADMIN_SOCKET), "Where operators and their tools talk to it, in HAProxy's language.")
            .default_is("nowhere"),
        Key::new(
            "saved_files",
            Type::Text("a path or an array of them"),
            "Files of maps and of conditions (`…_file`) into which what is changed at admin sockets is written within a second. \
             Comments stay, and so does what somebody else has written there meanwhile.",
        )
        .default_is("none: what is changed is gone when the node stops"),
        Key::new("worker", Type::Table(&WORKER), "How the keeper watches the worker."),
        Key::new("tls", Type::Table(&TLS), "TLS with clients: what holds for every bind that does not say otherwise."),
        Key::new("tune", Type::Table(&TUNE), "Sizes of buffers, and limits of protocols."),
    ],
    hints: &[
        ("ssl_default_bind_ciphers", "tls = { ciphers = [\"…\"] }"),
        ("ssl_default_bind_ciphersuites", "tls = { ciphersuites = [\"…\"] }"),
        ("ssl_default_bind_options", "tls = { min_ver = \"TLSv1.2\", tls_tickets = false }"),
        ("stats_socket", "admin_socket = [{ path = \"/run/evenkeel/admin.sock\", level = \"admin\" }]"),
        ("stats_timeout", "timeout of an admin_socket"),
        ("runtime_dir", "given on the command line: `--runtime-dir`"),
        ("maxzlibmem", "tune = { comp_max_memory = \"128MiB\" }"),
        ("maxcompcpuusage", "there is no such limit: tune = { comp_max_memory = \"128MiB\" } bounds how many are compressed"),
        ("maxcomprate", "there is no such limit: tune = { comp_max_memory = \"128MiB\" } bounds how many are compressed"),
        ("daemon", "not needed: it runs in the foreground and systemd supervises it"),
        ("threads", "nbthread"),
        ("chroot", "not needed: the worker is confined by the system (landlock, seccomp)"),
        ("pidfile", "not needed: it runs in the foreground"),
        ("router_id", "the node's name: `--node`, EVENKEEL_NODE or the host name"),
        ("enable_script_security", "always on: scripts run as `script_user`"),
        ("vrrp_version", "version, in [vrrp.NAME]"),
    ],
};

/// One entry of `admin_socket`.
pub static ADMIN_SOCKET: Section = Section {
    path: "global.admin_socket",
    called: "an admin socket",
    doc: "A Unix socket that speaks the language of HAProxy's `stats socket`: `show stat`, `set server`, `disable server` and so \
          on; `help` lists what there is. What is changed there survives the worker, and ends with a restart.",
    keys: &[
        Key::new("path", Type::Text("an absolute path"), "Its file. One that was left there is replaced.").required(),
        Key::new("mode", Type::Text("a file mode in octal"), "Permissions of the file: who may write to it may use it.")
            .default("\"660\""),
        Key::new("user", Type::Text("a user name"), "Owner of the file.").default_is("the user that starts the node"),
        Key::new("group", Type::Text("a group name"), "Group of the file.").default_is("the group that starts the node"),
        Key::new(
            "level",
            Type::Word(&Level::NAMES),
            "What its clients may do: `user` sees counters, `operator` sees everything, `admin` changes what there is.",
        )
        .default("\"operator\""),
        Key::new("timeout", ms(SECOND, super::DAY), "How long a client may be silent.").default("\"10s\""),
    ],
    hints: &[("bind", "path"), ("uid", "user"), ("gid", "group")],
};

/// `[global.worker]`.
pub static WORKER: Section = Section {
    path: "global.worker",
    called: "worker",
    doc: "How the keeper watches the worker.",
    keys: &[
        Key::new(
            "grace",
            ms(10, 60 * SECOND),
            "How long the node may be without a serving worker until it counts as unfit and gives its addresses up.",
        )
        .default("\"500ms\""),
        Key::new("heartbeat_interval", ms(5, 10 * SECOND), "How often every data thread has to answer.").default("\"50ms\""),
        Key::new(
            "heartbeat_timeout",
            ms(20, 60 * SECOND),
            "A data thread silent for this long makes the worker hung; it is replaced. What a thread of it waited for a \
             processor does not count. More than `heartbeat_interval`.",
        )
        .default("\"300ms\""),
        Key::new("start_timeout", ms(100, 600 * SECOND), "A worker that does not serve after this long, or gets no processor for this long, is replaced.")
            .default("\"10s\""),
    ],
    hints: &[("heartbeat", "heartbeat_interval")],
};

/// `[global.tune]`.
pub static TUNE: Section = Section {
    path: "global.tune",
    called: "tune",
    doc: "Sizes of buffers, and limits of protocols.",
    keys: &[
        Key::new(
            "bufsize",
            Type::Size { min: 4 << 10, max: 1 << 20 },
            "Largest request or response head, and largest errorfile.",
        )
        .default("\"16KiB\""),
        Key::new("http_maxhdr", Type::Int { min: 16, max: 32_767 }, "Most header fields in one message.")
            .default("101"),
        Key::new(
            "h2_max_concurrent_streams",
            Type::Int { min: 1, max: 10_000 },
            "Requests that may be open on one HTTP/2 connection at once.",
        )
        .default("100"),
        Key::new(
            "h2_initial_window_size",
            Type::Size { min: 1 << 10, max: 1 << 30 },
            "Content of one HTTP/2 stream that may be on its way to the proxy. All streams of a client's connection together: 1 MiB, or this if it is more; of a connection to a server: as much as they may have.",
        )
        .default("\"64KiB\""),
        Key::new(
            "h2_max_frame_size",
            Type::Size { min: 16 << 10, max: 8 << 20 },
            "Largest HTTP/2 frame that is accepted.",
        )
        .default("\"16KiB\""),
        Key::new(
            "h2_header_table_size",
            Type::Size { min: 1 << 10, max: 64 << 10 },
            "Table for compressed headers that each HTTP/2 peer may use.",
        )
        .default("\"4KiB\""),
        Key::new(
            "h2_fe_glitches_threshold",
            Type::Int { min: 100, max: 1_000_000 },
            "What one HTTP/2 client may do that nobody asked it for, before its connection is closed with ENHANCE_YOUR_CALM: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty and unknown frames count 1, a stream it resets 4, one it makes the proxy reset 8, an empty CONTINUATION 16. Each frame of a response gives 4 back, each second 100. Connections to servers are closed likewise.",
        )
        .default("2000"),
        Key::new(
            "comp_max_memory",
            Type::Size { min: 0, max: 1 << 40 },
            "Memory for compressors of responses, of which each takes 320 KiB and each data thread has its share. A \
             response that finds none left goes out as it came.",
        )
        .default("\"128MiB\""),
    ],
    hints: &[
        ("maxhdr", "http_maxhdr"),
        ("maxzlibmem", "comp_max_memory"),
        ("comp_maxlevel", "compression = { algo = \"gzip\", level = 6 }"),
    ],
};
