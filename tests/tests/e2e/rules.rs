//! Rules, asked by real requests over every protocol.

use evenkeel_tests::lab::Lab;
use evenkeel_tests::lab::scratch::Scratch;

use super::site::{Authority, FRONT, Files, HAPROXY, Site, haproxy};

/// Requests that a rule takes go to `s2`, others to `s1`.
#[test]
fn requests_go_where_rules_say() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n\
             use_backend = [\n\
             {{ backend = \"inside\", if = [\"is_admin\", \"from_here\", {{ dst = \"10.77.0.1\", dst_port = \"80-443\" }}] }},\n\
             {{ backend = \"inside\", if = {{ hdr_sub = {{ User-Agent = \"mobile\" }}, nocase = true }} }},\n\
             {{ backend = \"inside\", if = [\"METH_POST\", {{ any = [\"is_api\", {{ host = \"api.example.com\" }}] }}] }},\n\
             {{ backend = \"inside\", if = {{ urlp = {{ to = \"inside\" }} }}, unless = {{ cook_exists = \"stay\" }} }},\n\
             {{ backend = \"inside\", if = {{ ssl_fc_sni = \"inside.example.com\", ssl_fc_alpn = \"h2\" }} }},\n]\n\
             [frontend.f.acl]\nis_api = {{ path_beg = \"/api/\" }}\n\
             [acl]\nis_admin = {{ path_beg = \"/admin\" }}\nfrom_here = {{ src = \"10.77.0.0/16\" }}\n\
             is_api = {{ path = \"/nothing\" }}\n\
             [backend.inside]\nserver = [{{ name = \"s2\", addr = \"10.77.0.12:8080\" }}]\n"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com", "api.example.com", "inside.example.com"]);
        },
    );
    for (args, path, inside) in [
        ("", "/", false),
        ("", "/admin", true),
        ("--path-as-is", "/x/../admin/", true),
        ("--path-as-is", "//%61dmin;v=1/", true),
        ("", "/%2561dmin", true),
        ("", "/api/x", false),
        ("--data x=1", "/api/x", true),
        ("--data x=1", "/nothing", false),
        ("--data x=1 --header Host:api.example.com", "/", true),
        ("--header User-Agent:Some/1.0(MOBILE)", "/", true),
        ("", "/?a=b&to=inside", true),
        ("--cookie stay=1", "/?a=b&to=inside", false),
    ] {
        for (protocol, origin) in [
            ("--http1.1", "http://10.77.0.1"),
            ("--http2-prior-knowledge", "http://10.77.0.1"),
            ("--http2", "https://www.example.com"),
        ] {
            let got = site.curl(&format!("{protocol} --globoff {args}"), &format!("{origin}{path}"));
            let expected = if inside { "ok s2\n" } else { "ok s1\n" };
            assert_eq!(got.as_deref(), Ok(expected), "{protocol} {args} {path}");
        }
    }
    for (protocol, expected) in [("--http2", "ok s2\n"), ("--http1.1", "ok s1\n")] {
        let got = site.curl(protocol, "https://inside.example.com/");
        assert_eq!(got.as_deref(), Ok(expected), "{protocol}");
    }
}

/// The rules of the tutorial, whose words these are, with Debian's HAProxy beside us.
const THEIRS: &str = "
frontend web
 bind 10.77.0.11:8443
 acl is_api hdr(host) -i api.example.com
 acl is_api_path path_beg /api/
 acl is_admin_path path_beg /admin
 acl is_admin_ip src 192.0.2.0/24
 acl is_websocket hdr(Upgrade) -i websocket
 acl is_mobile hdr_sub(User-Agent) -i mobile
 acl is_json hdr(Accept) -i application/json
 acl is_post method POST
 acl is_get method GET
 http-request deny if is_admin_path !is_admin_ip
 http-request deny deny_status 429 if { path /fast }
 http-request redirect scheme https if { path_beg /secure/ }
 http-request redirect prefix https://www.example.com code 301 if { path /moved }
 http-request redirect location /new code 308 if { path /old }
 http-request return status 200 content-type text/plain string pong if { path /ping }
 http-request set-header X-Proto http
 http-response del-header X-Via
 http-response set-header X-Frame-Options DENY
 http-response add-header X-Backend front if TRUE
 use_backend other if is_post is_api
 use_backend other if is_get is_api_path
 use_backend other if is_websocket or is_mobile or is_json
 default_backend b
backend b
 http-request deny deny_status 404 if { path_end .php }
 server s1 10.77.0.11:8080
backend other
 server s2 10.77.0.12:8080
";

const OURS: &str = r#"
http_request = [
  { deny = true, if = ["is_admin_path", "!is_admin_ip"] },
  { deny = 429, if = { path = "/fast" } },
  { redirect = { scheme = "https" }, if = { path_beg = "/secure/" } },
  { redirect = { prefix = "https://www.example.com", code = 301 }, if = { path = "/moved" } },
  { redirect = { location = "/new", code = 308 }, if = { path = "/old" } },
  { return = { content_type = "text/plain", string = "pong" }, if = { path = "/ping" } },
  { set_header = { X-Proto = "http" } },
]
http_response = [
  { del_header = "x-via" },
  { set_header = { X-Frame-Options = "DENY" } },
  { add_header = { X-Backend = "front" }, if = "TRUE" },
]
use_backend = [
  { backend = "other", if = ["is_post", "is_api"] },
  { backend = "other", if = ["is_get", "is_api_path"] },
  { backend = "other", if = { any = ["is_websocket", "is_mobile", "is_json"] } },
]
[acl]
is_api = { host = "api.example.com" }
is_api_path = { path_beg = "/api/" }
is_admin_path = { path_beg = "/admin" }
is_admin_ip = { src = "192.0.2.0/24" }
is_websocket = { hdr = { Upgrade = "websocket" }, nocase = true }
is_mobile = { hdr_sub = { User-Agent = "mobile" }, nocase = true }
is_json = { hdr = { Accept = "application/json" } }
is_post = { method = "POST" }
is_get = { method = "GET" }
[backend.other]
server = [{ name = "s2", addr = "10.77.0.12:8080" }]
[backend.phps]
http_request = [{ deny = 404, if = { path_end = ".php" } }]
server = [{ name = "s1", addr = "10.77.0.11:8080" }]
"#;

#[test]
fn the_tutorials_rules_do_what_haproxys_do() {
    let lab = Lab::new();
    let files = Scratch::new("haproxy");
    Files(&files).write("haproxy.cfg", &format!("{HAPROXY}{THEIRS}"));
    let front = FRONT.replace("\"b\"", "\"phps\"");
    let site = Site::start_in(lab, &format!("{front}bind = [\"*:80\"]\n{OURS}"), |_| {});
    let _theirs = haproxy(&site.lab, &files);
    let asked = |authority: &str, args: &str, path: &str| {
        let args = format!("--path-as-is --write-out |%{{http_code}}|%{{redirect_url}} {args}");
        let got = site.curl(&args, &format!("http://{authority}{path}")).expect("an answer");
        // What the two say of a refusal is each one's own.
        let (body, rest) = got.split_once('|').expect("a status");
        let body = if body.starts_with(['<', 'H']) { "page" } else { body };
        format!("{body}|{rest}").replace(authority, "here")
    };
    for (args, path) in [
        ("", "/"),
        ("", "/admin"),
        ("", "/administrator?x"),
        ("--head", "/admin"),
        ("", "/fast"),
        ("", "/fast?x"),
        ("", "/secure/a?b=c"),
        ("--header Host:Www.Example.com:8080", "/secure/"),
        ("", "/moved"),
        ("", "/old"),
        ("--request POST --data x", "/old"),
        ("", "/ping"),
        ("", "/index.php"),
        ("--header Host:api.example.com", "/"),
        ("--header Host:API.example.com --data x", "/"),
        ("", "/api/"),
        ("--data x", "/api/x"),
        ("--header User-Agent:A-Mobile-B", "/"),
        ("--header Accept:text/html,application/json", "/"),
        ("--header Accept:application/json;q=0.9", "/"),
        ("--header Upgrade:WebSocket", "/"),
    ] {
        let theirs = asked("10.77.0.11:8443", args, path);
        assert_eq!(asked("10.77.0.1", args, path), theirs, "{args} {path}");
    }
    let lines = |authority: &str, path: &str| {
        let got = site.curl("--include", &format!("http://{authority}{path}")).expect("an answer");
        let mut lines: Vec<String> = got.lines().map(str::to_ascii_lowercase).collect();
        lines.sort_unstable();
        lines
    };
    for path in ["/", "/api/", "/ping", "/moved"] {
        assert_eq!(lines("10.77.0.1", path), lines("10.77.0.11:8443", path), "{path}");
    }
    // Where HAProxy is literal, and lets through what it was told to refuse.
    for path in ["/%61dmin", "//admin", "/x/../admin", "/./admin", "/x.%70hp"] {
        assert!(asked("10.77.0.11:8443", "", path).contains("|200|"), "{path}");
        let ours = asked("10.77.0.1", "", path);
        assert!(ours.contains("|403|") || ours.contains("|404|"), "{path}: {ours}");
    }
    // And where it lets a port decide where a request goes.
    let with_port = "--header Host:api.example.com:8081 --data x";
    assert_eq!(asked("10.77.0.11:8443", with_port, "/"), "ok s1\n|200|");
    assert_eq!(asked("10.77.0.1", with_port, "/"), "ok s2\n|200|");
}

/// The tutorial's limit of requests, with Debian's HAProxy beside us.
#[test]
fn the_tutorials_limit_refuses_the_same_requests() {
    let lab = Lab::new();
    let files = Scratch::new("haproxy");
    let theirs = "
frontend web
 bind 10.77.0.11:8443
 stick-table type ip size 100k expire 30s store http_req_rate(10s)
 http-request track-sc0 src
 http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100 }
 default_backend b
backend b
 server s1 10.77.0.11:8080
";
    let ours = r#"
http_request = [
  { track = { key = "src", table = "per_ip" } },
  { deny = 429, if = "too_fast" },
]
[acl]
too_fast = { sc_http_req_rate = { table = "per_ip", gt = 100 } }
[table.per_ip]
type = "ip"
size = "100k"
expire = "30s"
store = { http_req_rate = "10s" }
"#;
    Files(&files).write("haproxy.cfg", &format!("{HAPROXY}{theirs}"));
    let site = Site::start_in(lab, &format!("{FRONT}bind = [\"*:80\"]\n{ours}"), |_| {});
    let _theirs = haproxy(&site.lab, &files);
    let statuses = |protocol: &str, authority: &str| {
        let args = format!("{protocol} --output /dev/null --write-out %{{http_code}}|");
        let got = site.curl(&args, &format!("http://{authority}/[1-120]")).expect("answers");
        got.split_terminator('|').map(str::to_owned).collect::<Vec<_>>()
    };
    let found = statuses("--http1.1", "10.77.0.1");
    assert_eq!(found, statuses("--http1.1", "10.77.0.11:8443"));
    assert_eq!(found.iter().position(|status| status == "429"), Some(100));
    // A client has a network of IPv6 addresses, all of which HAProxy lets do what they like.
    site.lab.client.ns.ip("addr add fd77::101/64 dev eth0 nodad");
    let refused = |statuses: Vec<String>| statuses.iter().filter(|status| *status == "429").count();
    assert_eq!(refused(statuses("--http1.1", "[fd77::1]")), 20);
    assert_eq!(refused(statuses("--interface fd77::101", "[fd77::1]")), 120);
    let over_http2 = site.curl("--http2-prior-knowledge --write-out |%{http_code}", "http://10.77.0.1/");
    assert!(over_http2.expect("an answer").ends_with("|429"), "a stream is a request as well");
}

/// What the origin answers with, whose answers both proxies pass on; in a frontend beside the one that is tested.
const ORIGIN: &str = r#"
[frontend.origin]
bind = ["*:8081"]
http_request = [
  { return = { status = 500, string = "broken", hdr = { X-Secret = "a, b" } }, if = { path_end = "/500" } },
  { return = { status = 404, string = "gone", hdr = { X-Secret = "a" } }, if = { path_end = "/404" } },
  { return = { status = 304 }, if = { path_end = "/304" } },
  { return = { string = "fine", hdr = { X-Secret = "a, b", X-Kind = "page" } } },
]
[backend.origin]
server = [{ name = "o", addr = "10.77.0.1:8081" }]
"#;

const THEIR_RESPONSES: &str = "
frontend web
 bind 10.77.0.11:8443
 acl many hdr_cnt(X-Hop) gt 2
 http-request deny deny_status 400 if many
 http-request deny deny_status 503 if { path_beg /none } { nbsrv(none) lt 1 }
 http-request deny deny_status 501 if { req.ver 1.0 }
 http-request set-var(txn.quiet) str(yes) if { path_beg /quiet }
 http-response deny if { var(txn.quiet) -m str yes } { status 500:599 }
 http-response return status 410 content-type text/plain string moved if { status 404 }
 http-response set-status 429 if { status 500 }
 http-response set-header Retry-After 5 if { status 429 }
 http-response redirect location /elsewhere code 307 if { res.hdr(X-Kind) page } { res.hdr_cnt(X-Secret) gt 2 }
 http-response del-header X-Secret if { res.hdr_cnt(X-Secret) ge 2 }
 default_backend o
backend o
 server o 10.77.0.1:8081
backend none
";

const OUR_RESPONSES: &str = r#"
http_request = [
  { deny = 400, if = { hdr_cnt = { X-Hop = { gt = 2 } } } },
  { deny = 503, if = { path_beg = "/none", nbsrv = { backend = "none", lt = 1 } } },
  { deny = 501, if = "HTTP_1.0" },
]
http_response = [
  { deny = true, if = { path_beg = "/quiet", status = "500-599" } },
  { return = { status = 410, string = "moved" }, if = { status = 404 } },
  { set_status = 429, if = { status = 500 } },
  { set_header = { Retry-After = "5" }, if = { status = 429 } },
  { redirect = { location = "/elsewhere", code = 307 }, if = { res_hdr = { X-Kind = "page" }, res_hdr_cnt = { X-Secret = { gt = 2 } } } },
  { del_header = "X-Secret", if = { res_hdr_cnt = { X-Secret = { ge = 2 } } } },
]
[backend.none]
server = [{ name = "s", addr = "10.77.0.12:1", state = "maint" }]
"#;

#[test]
fn responses_are_looked_at_as_by_haproxy() {
    let lab = Lab::new();
    let files = Scratch::new("haproxy");
    Files(&files).write("haproxy.cfg", &format!("{HAPROXY}{THEIR_RESPONSES}"));
    let front = FRONT.replace("\"b\"", "\"origin\"");
    let site = Site::start_in(lab, &format!("{front}bind = [\"*:80\"]\n{OUR_RESPONSES}{ORIGIN}"), |_| {});
    let _theirs = haproxy(&site.lab, &files);
    let asked = |authority: &str, args: &str, path: &str| {
        let got =
            site.curl(&format!("--include {args}"), &format!("http://{authority}{path}")).expect("an answer");
        let mut lines: Vec<String> = got.lines().map(str::to_ascii_lowercase).collect();
        // What a page says of a refusal is each one's own, and how the status is called.
        if lines.iter().any(|line| line.starts_with("<html>")) {
            lines.truncate(1);
        }
        let status = lines[0].split(' ').nth(1).unwrap().to_owned();
        lines[0] = status;
        lines[1..].sort_unstable();
        lines
    };
    for (args, path) in [
        ("", "/"),
        ("", "/500"),
        ("", "/404"),
        ("", "/304"),
        ("", "/quiet/500"),
        ("", "/quiet/404"),
        ("", "/none"),
        ("--http1.0", "/"),
        ("--header X-Hop:a,b", "/"),
        ("--header X-Hop:a,b,c", "/"),
        ("--header X-Hop:a --header X-Hop:b,c", "/"),
        ("--header X-Hop:a,,b", "/"),
    ] {
        assert_eq!(asked("10.77.0.1", args, path), asked("10.77.0.11:8443", args, path), "{args} {path}");
    }
    // Over HTTP/2 likewise.
    for (path, status) in [("/", "200"), ("/500", "429"), ("/404", "410"), ("/quiet/500", "502")] {
        assert_eq!(asked("10.77.0.1", "--http2-prior-knowledge", path)[0], status, "{path}");
    }
}
