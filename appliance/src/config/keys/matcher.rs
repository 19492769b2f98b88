//! Keys of matchers.

use super::counted::{sc, src};
use super::gauge::{COMPARED, HOURS, OF_BACKEND, OF_SERVER, RAND};
use super::{Key, Section, Type};

/// Several words for "one or an array".
const TEXTS: Type = Type::Text("a text or an array of them");
const PATHS: Type = Type::Text("a path or an array of them");
const PARTS: Type = Type::Text("a part of a path or an array of them");
const EXPRESSIONS: Type = Type::Text("a regular expression or an array of them");
const HOSTS: Type = Type::Text("a host name, an address, or an array of them");
const NETWORKS: Type = Type::Text("an address, a network (\"192.0.2.0/24\"), or an array of them");
const BY_NAME: Type = Type::Forms("a table from names to a text or an array of them", None);
const FILES: Type = Type::Text("a path or an array of them");
const BY_NAME_FILES: Type = Type::Forms("a table from names to a path or an array of them", None);
const OF_CONDITIONS: Type = Type::Forms("an array of names of matchers, \"!NAME\", and matchers", None);

/// How conditions are said wherever there is one.
pub(super) const CONDITION: Type =
    Type::Forms("the name of a matcher, \"!NAME\", a matcher, or an array of these", None);

/// A matcher.
pub static MATCHER: Section = Section {
    path: "acl.NAME",
    called: "a matcher",
    doc: "What is asked of a request, of a response (`status`, `res_hdr…`), or in mode tcp (`req_…`) of a ClientHello. All that is said must hold, each by one \
          of its values. Where a condition is expected, matchers have names (`[acl]`, `[frontend.NAME.acl]`) or stand in \
          place, and those in an array must all hold. Paths are compared in one spelling whatever the client has written: \
          percent-encoding and overlong UTF-8 undone, `//`, `/./` and `/../` resolved, `;…` and dots and blanks at the ends of \
          parts dropped, `\\` as `/`; the path that is forwarded stays as it is. Keys that end in `_file` name files with one value in each line (blank lines and lines that begin \
          with `#` do not count), and go together with what their key says: `src` and `src_file` hold by a value of either. \
          A hundred thousand lines cost a request about what one does, but for `_sub`, `_dir` and `_reg`. There from the \
          start: `TRUE`, `FALSE`, `LOCALHOST`, `METH_GET` (GET and HEAD), `METH_HEAD`, \
          `METH_POST`, `METH_PUT`, `METH_DELETE`, `METH_OPTIONS`, `METH_TRACE`, `HTTP_1.0`, `HTTP_1.1`, `HTTP_2.0`.",
    keys: &[
        Key::new("any", OF_CONDITIONS, "One of these holds."),
        Key::new("all", OF_CONDITIONS, "Every one of these holds."),
        Key::new("not", CONDITION, "This does not hold."),
        Key::new(
            "host",
            HOSTS,
            "The host that is asked for, in whatever case and on whatever port: what the request line says, else `Host`. \
             Rules that ask for hosts are found in a sorted table, however many there are.",
        ),
        Key::new("host_beg", TEXTS, "How the host begins."),
        Key::new("host_end", TEXTS, "How the host ends: \".example.com\" is every name below example.com."),
        Key::new("host_sub", TEXTS, "What is in the host."),
        Key::new("host_reg", EXPRESSIONS, "What is found in the host, which is in lower case."),
        Key::new("path", PATHS, "The path, without the query, in its one spelling."),
        Key::new("path_beg", PATHS, "How the path begins."),
        Key::new("path_end", PARTS, "How the path ends."),
        Key::new("path_dir", PARTS, "What is in the path as a whole part between slashes, or several."),
        Key::new("path_sub", PARTS, "What is in the path."),
        Key::new("path_reg", EXPRESSIONS, "What is found in the path."),
        Key::new("raw_path", TEXTS, "The path as the client has written it, as HAProxy's `path`."),
        Key::new("raw_path_beg", TEXTS, "How that begins."),
        Key::new("raw_path_end", TEXTS, "How that ends."),
        Key::new("raw_path_dir", TEXTS, "What is in it as a whole part between slashes."),
        Key::new("raw_path_sub", TEXTS, "What is in it."),
        Key::new("raw_path_reg", EXPRESSIONS, "What is found in it."),
        Key::new("url_len", Type::Table(&COMPARED), "How long path and query are as they were sent, in bytes."),
        Key::new(
            "http_version",
            Type::Text("\"1.0\", \"1.1\", \"2.0\", or an array of them"),
            "The version of HTTP that the client speaks.",
        ),
        Key::new("method", Type::Text("a method or an array of them"), "The method."),
        Key::new(
            "hdr",
            BY_NAME,
            "Fields by their names, in whatever case, that have such an element: values are lists, taken apart at commas.",
        ),
        Key::new("hdr_beg", BY_NAME, "How such an element begins."),
        Key::new("hdr_end", BY_NAME, "How such an element ends."),
        Key::new("hdr_sub", BY_NAME, "What is in such an element."),
        Key::new("hdr_reg", BY_NAME, "What is found in such an element."),
        Key::new(
            "hdr_exists",
            Type::Text("the name of a field or an array of them"),
            "There is such a field.",
        ),
        Key::new(
            "hdr_cnt",
            Type::Forms("a table from names to what the number has to be", Some(&COMPARED)),
            "How many elements fields of a name have, all together: `hdr_cnt = { X-Forwarded-For = { gt = 3 } }`.",
        ),
        Key::new(
            "accepts",
            Type::Text("a type of content (\"application/json\") or an array of them"),
            "The client takes such content, by the ranges and weights of `Accept`. Without that field it takes any.",
        ),
        Key::new("urlp", BY_NAME, "Parameters of the query, decoded, that have such a value."),
        Key::new("urlp_exists", TEXTS, "There is such a parameter."),
        Key::new("cook", BY_NAME, "Cookies that have such a value."),
        Key::new("cook_exists", TEXTS, "There is such a cookie."),
        Key::new("var", BY_NAME, "Variables that `set_var` has given such a value."),
        Key::new("var_exists", TEXTS, "There is such a variable."),
        Key::new(
            "lua",
            BY_NAME,
            "Fetches of scripts that say such a text; behind commas what they are called with: \"tier,gold\".",
        ),
        Key::new("lua_true", TEXTS, "Such a fetch says anything but `false` or nothing."),
        Key::new(
            "nocase",
            Type::Bool,
            "Letters of either case are the same in `path…`, `raw_path…`, `hdr…`, `res_hdr…`, `urlp`, `cook`, `var` and `lua`. Hosts are \
             compared so anyway.",
        )
        .default("false"),
        Key::new("src", NETWORKS, "The client's address."),
        Key::new(
            "src_port",
            Type::Forms("a port, or ports \"1-1023\"", None),
            "The port that the client has connected from.",
        ),
        Key::new("dst", NETWORKS, "The address that the client has connected to."),
        Key::new(
            "dst_port",
            Type::Forms("a port, or ports \"8000-8099\"", None),
            "The port that the client has connected to.",
        ),
        Key::new("ssl_fc", Type::Bool, "Whether the client speaks TLS."),
        Key::new("ssl_fc_sni", HOSTS, "The name that it has asked for in its TLS handshake, in whatever case."),
        Key::new("ssl_fc_alpn", TEXTS, "The protocol that was agreed on in it: \"h2\", \"http/1.1\"."),
        Key::new(
            "ssl_fc_protocol",
            Type::Text("\"TLSv1.2\", \"TLSv1.3\", or an array of them"),
            "The version of TLS that was agreed on.",
        ),
        Key::new("ssl_fc_cipher", TEXTS, "The cipher suite that was, by OpenSSL's name."),
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
            "status",
            Type::Forms("a status, statuses \"500-599\", or an array of them", None),
            "In `http_response`, the status of the response.",
        ),
        Key::new("res_hdr", BY_NAME, "In `http_response`, fields of the response that have such an element."),
        Key::new("res_hdr_beg", BY_NAME, "How such an element begins."),
        Key::new("res_hdr_end", BY_NAME, "How such an element ends."),
        Key::new("res_hdr_sub", BY_NAME, "What is in such an element."),
        Key::new("res_hdr_reg", BY_NAME, "What is found in such an element."),
        Key::new(
            "res_hdr_exists",
            Type::Text("the name of a field or an array of them"),
            "There is such a field in the response.",
        ),
        Key::new(
            "res_hdr_cnt",
            Type::Forms("a table from names to what the number has to be", Some(&COMPARED)),
            "How many elements fields of the response have, all together.",
        ),
        Key::new(
            "nbsrv",
            Type::Table(&OF_BACKEND),
            "How many servers of a backend get new work; backups count once no other server is left.",
        ),
        Key::new("queue", Type::Table(&OF_BACKEND), "How many requests wait in a backend, for whichever server."),
        Key::new(
            "srv_is_up",
            Type::Text("a server, as \"backend/server\", or an array of them"),
            "Whether one of these servers is up, or has no checks, and is not in maintenance.",
        ),
        Key::new("srv_conn", Type::Table(&OF_SERVER), "How many requests a server has."),
        Key::new("srv_queue", Type::Table(&OF_SERVER), "How many requests wait for this server in particular."),
        Key::new(
            "time",
            Type::Table(&HOURS),
            "The time of day: `time = { from = \"22:00\", to = \"06:00\", days = \"mon-fri\" }`.",
        ),
        Key::new(
            "rand",
            Type::Table(&RAND),
            "A random number: `rand = { lt = 5 }` holds for five requests of a hundred.",
        ),
        sc("sc_conn_cur", "Requests of a tracked entry that are under way."),
        sc("sc_conn_cnt", "How often it has been tracked."),
        sc("sc_conn_rate", "How often in the last while."),
        sc("sc_sess_cnt", "Connections of it."),
        sc("sc_sess_rate", "Those in the last while."),
        sc("sc_http_req_cnt", "Requests of it."),
        sc("sc_http_req_rate", "Those in the last while."),
        sc("sc_http_err_cnt", "Requests of it that were refused, or answered with 4xx."),
        sc("sc_http_err_rate", "Those in the last while."),
        sc("sc_http_fail_cnt", "Requests of it that a server has failed to answer."),
        sc("sc_http_fail_rate", "Those in the last while."),
        sc("sc_bytes_in_cnt", "Bytes of its requests."),
        sc("sc_bytes_in_rate", "Those in the last while."),
        sc("sc_bytes_out_cnt", "Bytes of what it was answered."),
        sc("sc_bytes_out_rate", "Those in the last while."),
        sc("sc_gpc0", "What rules have counted of it."),
        sc("sc_gpc0_rate", "The same in the last while."),
        sc("sc_gpc1", "What else they have counted."),
        sc("sc_gpc1_rate", "The same in the last while."),
        sc("sc_gpt0", "The number that rules have set."),
        src("src_conn_cur"),
        src("src_conn_cnt"),
        src("src_conn_rate"),
        src("src_sess_cnt"),
        src("src_sess_rate"),
        src("src_http_req_cnt"),
        src("src_http_req_rate"),
        src("src_http_err_cnt"),
        src("src_http_err_rate"),
        src("src_http_fail_cnt"),
        src("src_http_fail_rate"),
        src("src_bytes_in_cnt"),
        src("src_bytes_in_rate"),
        src("src_bytes_out_cnt"),
        src("src_bytes_out_rate"),
        src("src_gpc0"),
        src("src_gpc0_rate"),
        src("src_gpc1"),
        src("src_gpc1_rate"),
        src("src_gpt0"),
        Key::new(
            "req_ssl_sni",
            Type::Text("a host name or an array of them"),
            "In mode tcp, the name that a TLS client asks for, in whatever case.",
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
        Key::new(
            "req_len",
            Type::Table(&COMPARED),
            "In mode tcp, how much the client has said, in bytes, up to a ClientHello that is looked for, or 16 KiB.",
        ),
        Key::new("host_file", FILES, "`host` from files."),
        Key::new("host_beg_file", FILES, "`host_beg` from files."),
        Key::new("host_end_file", FILES, "`host_end` from files."),
        Key::new("host_sub_file", FILES, "`host_sub` from files."),
        Key::new("host_reg_file", FILES, "`host_reg` from files."),
        Key::new("path_file", FILES, "`path` from files."),
        Key::new("path_beg_file", FILES, "`path_beg` from files."),
        Key::new("path_end_file", FILES, "`path_end` from files."),
        Key::new("path_dir_file", FILES, "`path_dir` from files."),
        Key::new("path_sub_file", FILES, "`path_sub` from files."),
        Key::new("path_reg_file", FILES, "`path_reg` from files."),
        Key::new("raw_path_file", FILES, "`raw_path` from files."),
        Key::new("raw_path_beg_file", FILES, "`raw_path_beg` from files."),
        Key::new("raw_path_end_file", FILES, "`raw_path_end` from files."),
        Key::new("raw_path_dir_file", FILES, "`raw_path_dir` from files."),
        Key::new("raw_path_sub_file", FILES, "`raw_path_sub` from files."),
        Key::new("raw_path_reg_file", FILES, "`raw_path_reg` from files."),
        Key::new("src_file", FILES, "`src` from files."),
        Key::new("dst_file", FILES, "`dst` from files."),
        Key::new("hdr_file", BY_NAME_FILES, "`hdr` from files."),
        Key::new("hdr_beg_file", BY_NAME_FILES, "`hdr_beg` from files."),
        Key::new("hdr_end_file", BY_NAME_FILES, "`hdr_end` from files."),
        Key::new("hdr_sub_file", BY_NAME_FILES, "`hdr_sub` from files."),
        Key::new("hdr_reg_file", BY_NAME_FILES, "`hdr_reg` from files."),
        Key::new("urlp_file", BY_NAME_FILES, "`urlp` from files."),
        Key::new("cook_file", BY_NAME_FILES, "`cook` from files."),
    ],
    hints: &[
        ("sni", "ssl_fc_sni, or where TLS is passed on req_ssl_sni"),
        ("req_sni", "req_ssl_sni"),
        ("alpn", "ssl_fc_alpn, or where TLS is passed on req_ssl_alpn"),
        ("date", "time = { from = \"22:00\", to = \"06:00\" }"),
        ("utime", "time = { from = \"22:00\", to = \"06:00\", utc = true }"),
        ("req_ver", "http_version = \"1.1\""),
        ("percent", "rand = { lt = 5 }"),
        ("be_usable", "nbsrv = { backend = \"…\", gt = 0 }"),
        ("hdr(host)", "host"),
        ("header", "hdr = { NAME = \"value\" }"),
        ("query", "urlp = { NAME = \"value\" }"),
        ("url_param", "urlp = { NAME = \"value\" }"),
        ("cookie", "cook = { NAME = \"value\" }"),
        ("or", "any"),
        ("and", "all"),
        ("unless", "not"),
        ("ip", "src"),
        ("ssl_c_s_dn(CN)", "ssl_c_s_dn_cn"),
        ("sc_get_gpc0", "sc_gpc0"),
        ("sc_get_gpc1", "sc_gpc1"),
        ("sc_get_gpt0", "sc_gpt0"),
        ("sc_kbytes_in", "sc_bytes_in_cnt, in bytes"),
        ("sc_kbytes_out", "sc_bytes_out_cnt, in bytes"),
        ("src_get_gpc0", "src_gpc0"),
        ("src_get_gpt0", "src_gpt0"),
        ("ssl_c_verify", "ssl_c_used: a certificate that does not verify ends the handshake"),
    ],
};

/// `acl`, at the top and of a frontend.
pub(super) const ACL: Key = Key::new(
    "acl",
    Type::Named(&MATCHER),
    "Named matchers. Those of a section go before those at the top of the file.",
);
