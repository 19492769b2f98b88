//! Conditions: what the configuration says, asked of requests.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel::config::lower;
use evenkeel_proxy::plan::{BackendId, TcpRule};
use evenkeel_proxy::rules::NoScripts;
use evenkeel_proxy::rules::line::LineEdit;
use evenkeel_proxy::rules::replacement::Replacement;
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Action, Edit, Hours, Looked, Matcher, Request, Test, Value, Zone};
use evenkeel_proxy::tls::SessionFacts;

use super::{codes, good};

/// A request in clear text.
struct Sent<'a> {
    method: &'a str,
    host: &'a str,
    target: &'a str,
    fields: &'a [(&'a str, &'a str)],
    source: IpAddr,
}

impl Request for Sent<'_> {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn target(&self) -> &[u8] {
        self.target.as_bytes()
    }

    fn authority(&self) -> &[u8] {
        self.host.as_bytes()
    }

    fn fields(&self, name: &str, look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let named = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.into_iter().any(|(_, value)| look(value.as_bytes()))
    }

    fn source(&self) -> IpAddr {
        self.source
    }

    fn destination(&self) -> Option<SocketAddr> {
        Some(([192, 0, 2, 1], 8080).into())
    }

    fn tls(&self) -> Option<&SessionFacts> {
        None
    }
}

const PLAIN: Sent<'static> = Sent {
    method: "GET",
    host: "www.example",
    target: "/",
    fields: &[],
    source: IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3)),
};

/// Whether a rule with this `if`, and these named matchers, takes the request.
fn holds(acl: &str, condition: &str, request: &Sent<'_>) -> bool {
    let config = good(&format!(
        r#"
[defaults]
timeout = {{ connect = "5s", client = "50s", server = "50s" }}
{acl}
[frontend.f]
bind = ["*:80"]
default_backend = "a"
use_backend = [{{ backend = "b", if = {condition} }}]
[backend.a]
server = [{{ name = "s", addr = "10.0.0.1:80" }}]
[backend.b]
server = [{{ name = "s", addr = "10.0.0.2:80" }}]
"#
    ));
    let plan = lower::proxy(&config).plan;
    plan.frontends()[0].routes.backend(&Looked::new(request)) == Some(BackendId(1))
}

#[test]
fn every_key_asks_what_it_says() {
    let request = Sent {
        host: "App.Example:8080",
        target: "/%61pi/v1/users.json?user=j+d&debug",
        fields: &[
            ("Accept", "text/html, application/json;q=0.9"),
            ("User-Agent", "Mozilla/5.0 (Mobile)"),
            ("Cookie", "theme=Dark; sid=1"),
        ],
        ..PLAIN
    };
    for (condition, expected) in [
        (r#"{ host = ["APP.example", "b.example"] }"#, true),
        (r#"{ host = "192.0.2.1" }"#, false),
        (r#"{ host_beg = "APP." }"#, true),
        (r#"{ host_end = ".Example" }"#, true),
        (r#"{ host_end = ".example.org" }"#, false),
        (r#"{ host_sub = "exam" }"#, true),
        (r#"{ host_reg = "^App[.]" }"#, true),
        (r#"{ path = "/api/v1/users.json" }"#, true),
        (r#"{ path = "/api" }"#, false),
        (r#"{ path_beg = ["/v1", "/api/"] }"#, true),
        (r#"{ path_end = [".json", ".xml"] }"#, true),
        (r#"{ path_dir = "v1" }"#, true),
        (r#"{ path_dir = "v" }"#, false),
        (r#"{ path_sub = "users" }"#, true),
        (r#"{ path_reg = '^/api/v\d+/' }"#, true),
        (r#"{ path_beg = "/API/" }"#, false),
        (r#"{ path_beg = "/API/", nocase = true }"#, true),
        (r#"{ raw_path_beg = "/api/" }"#, false),
        (r#"{ raw_path_beg = "/%61pi/" }"#, true),
        (r#"{ method = ["GET", "HEAD"] }"#, true),
        (r#"{ method = "POST" }"#, false),
        (r#"{ hdr = { accept = "text/html" } }"#, true),
        (r#"{ hdr = { accept = "application/json" } }"#, false),
        (r#"{ hdr_beg = { accept = "application/json" } }"#, true),
        (r#"{ hdr_sub = { User-Agent = "mobile" } }"#, false),
        (r#"{ hdr_sub = { User-Agent = "mobile" }, nocase = true }"#, true),
        (r#"{ hdr_reg = { User-Agent = '/\d[.]\d ' } }"#, true),
        (r#"{ hdr_end = { User-Agent = ")" }, hdr_exists = "cookie" }"#, true),
        (r#"{ hdr_exists = ["X-A", "accept"] }"#, true),
        (r#"{ hdr_exists = "X-A" }"#, false),
        (r#"{ accepts = "application/json" }"#, true),
        (r#"{ accepts = ["image/png", "text/plain"] }"#, false),
        (r#"{ urlp = { user = "j d" } }"#, true),
        (r#"{ urlp = { user = "j d", debug = "1" } }"#, false),
        (r#"{ urlp_exists = "debug" }"#, true),
        (r#"{ cook = { theme = ["Light", "Dark"] }, cook_exists = "sid" }"#, true),
        (r#"{ cook = { theme = "dark" } }"#, false),
        (r#"{ src = ["192.0.2.0/24", "10.0.0.0/8"] }"#, true),
        (r#"{ src = "10.1.2.4" }"#, false),
        (r#"{ dst = "192.0.2.1", dst_port = 8080 }"#, true),
        (r#"{ dst_port = "8000-8079" }"#, false),
        (r#"{ ssl_fc = false, ssl_c_used = false }"#, true),
        (r#"{ ssl_fc = true }"#, false),
        (r#"{ ssl_fc_sni = "app.example" }"#, false),
        (r#"{ ssl_fc_alpn = "h2" }"#, false),
        (r#"{ ssl_c_s_dn = "/CN=x" }"#, false),
        (r#"{ ssl_c_s_dn_cn = "x" }"#, false),
        (r#"{ host = "app.example", method = "POST" }"#, false),
        (r#"{ host = "app.example", not = { method = "POST" } }"#, true),
        (r#"{ any = [{ method = "POST" }, { path_end = ".json" }] }"#, true),
        (r#"{ all = [{ method = "POST" }, { path_end = ".json" }] }"#, false),
        (r#"[{ method = "GET" }, { path_end = ".json" }]"#, true),
        (r#"[{ method = "GET" }, { path_end = ".xml" }]"#, false),
        (r#"{ method = "GET" }, unless = { path_end = ".json" }"#, false),
        (r#"{ method = "GET" }, unless = { path_end = ".xml" }"#, true),
    ] {
        assert_eq!(holds("", condition, &request), expected, "{condition}");
    }
}

#[test]
fn values_come_from_files() {
    let files = r#"
#@ file bad.txt
# Networks that are not welcome.
192.0.2.0/24

  2001:db8::/32
10.1.2.3
#@ file more.txt
198.51.100.7
#@ file names.txt
app.example
WWW.example
#@ file agents.txt
curl
wget
"#;
    let holds = |condition: &str, request: &Sent<'_>| {
        // Sections come first: a fixture's files are behind it.
        let main = format!(
            "[defaults]\ntimeout = {{ connect = \"5s\", client = \"50s\", server = \"50s\" }}\n[frontend.f]\n\
             bind = [\"*:80\"]\ndefault_backend = \"a\"\n\
             use_backend = [{{ backend = \"b\", if = {condition} }}]\n\
             [backend.a]\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n\
             [backend.b]\nserver = [{{ name = \"s\", addr = \"10.0.0.2:80\" }}]{files}"
        );
        let plan = lower::proxy(&good(&main)).plan;
        plan.frontends()[0].routes.backend(&Looked::new(request)) == Some(BackendId(1))
    };
    let agent = |value| Sent { fields: Box::leak(Box::new([("User-Agent", value)])), ..PLAIN };
    for (condition, request, expected) in [
        (r#"{ src_file = "bad.txt" }"#, PLAIN, true),
        (r#"{ src_file = "more.txt" }"#, PLAIN, false),
        (r#"{ src_file = ["more.txt", "bad.txt"] }"#, PLAIN, true),
        (r#"{ src_file = "more.txt", src = "10.0.0.0/8" }"#, PLAIN, true),
        (r#"{ src_file = "bad.txt", path = "/x" }"#, PLAIN, false),
        (r#"{ host_file = "names.txt" }"#, PLAIN, true),
        (r#"{ host_file = "names.txt" }"#, Sent { host: "else.example", ..PLAIN }, false),
        (r#"{ hdr_sub_file = { User-Agent = "agents.txt" } }"#, agent("my wget/1"), true),
        (r#"{ hdr_file = { User-Agent = "agents.txt" } }"#, agent("my wget/1"), false),
        (r#"{ hdr_file = { User-Agent = "agents.txt" } }"#, agent("wget"), true),
    ] {
        assert_eq!(holds(condition, &request), expected, "{condition}");
    }
}

/// A tarpit's time is what it says, else `connect`, else ten seconds.
#[test]
fn a_tarpit_has_its_time() {
    let of = |timeouts: &str| {
        let config = good(&format!(
            "[defaults]\ntimeout = {{ connect = \"5s\", client = \"50s\", server = \"50s\" }}\n[frontend.f]\n\
             bind = [\"*:80\"]\ndefault_backend = \"a\"\n{timeouts}\n\
             [backend.a]\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        ));
        lower::proxy(&config).plan.frontends()[0].timeout.tarpit
    };
    assert_eq!(of(""), Some(Duration::from_secs(5)));
    assert_eq!(of("timeout = { tarpit = \"1m\" }"), Some(Duration::from_secs(60)));
    assert_eq!(codes("[frontend.f]\nbind = \"*:80\"\ntimeout = { tarpit = 3 }\n")[0], "wrong-type");
}

/// The tutorial's rules for a path that only some addresses may ask for.
#[test]
fn matchers_have_names() {
    let acl = r#"
[acl]
is_admin_path = { path_beg = "/admin" }
is_admin_ip = { src = "192.0.2.0/24" }
stranger = { all = ["is_admin_path", "!is_admin_ip", "METH_GET"] }
local = "LOCALHOST"
"#;
    // A name stands for what a table says.
    let acl = acl.replace("local = \"LOCALHOST\"\n", "local = { any = [\"LOCALHOST\"] }\n");
    let admin = Sent { target: "/x/../admin/", ..PLAIN };
    for (condition, expected) in [
        (r#""is_admin_path""#, true),
        (r#""!is_admin_path""#, false),
        (r#"["is_admin_path", "!is_admin_ip"]"#, true),
        (r#"["is_admin_path", "is_admin_ip"]"#, false),
        (r#"{ any = ["is_admin_ip", { method = "GET" }] }"#, true),
        (r#""stranger""#, true),
        (r#"["stranger", "METH_POST"]"#, false),
        (r#""local""#, false),
        (r#"["TRUE", "!FALSE", "! LOCALHOST"]"#, true),
    ] {
        assert_eq!(holds(&acl, condition, &admin), expected, "{condition}");
    }
    let head = Sent { method: "HEAD", target: "/admin", source: [127, 0, 0, 1].into(), ..PLAIN };
    assert!(holds(&acl, r#"["stranger", "local"]"#, &head));
    // A frontend's own go first.
    let own = format!("{acl}[frontend.f.acl]\nis_admin_path = {{ path = \"/else\" }}\n");
    assert!(!holds(&own, r#""is_admin_path""#, &admin));
    assert!(holds(&own, r#""stranger""#, &admin), "what the file's say stays what it was");
}

#[test]
fn rules_stand_where_they_are_asked() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[frontend.f]
bind = ["*:80"]
default_backend = "a"
http_request = [
  { deny = true, if = { path = "/no" } },
  { deny = 429, unless = "TRUE" },
  { redirect = { scheme = "https" }, if = { path = "/s" } },
  { redirect = { location = "https://${host}/", code = 308 } },
  { return = { status = 200, string = "ok", hdr = { X-A = "b" } } },
  { return = { status = 503, content_type = "text/html", file = "errors/503.http" } },
  { set_header = { X-A = "a ${src}", X-B = "b" } },
  { del_header = ["X-C", "X-D"] },
]
http_response = [{ add_header = { X-A = "a" }, if = { path = "/" } }]
[listen.l]
bind = ["*:81"]
http_request = [{ deny = 404 }]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[backend.a]
http_request = [{ deny = 405 }]
http_response = [{ del_header = "Server" }, { set_header = { X-A = "a" } }]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[backend.a.acl]
unused = { path = "/" }
"#,
    );
    let plan = lower::proxy(&config).plan;
    let [front, listen] = plan.frontends() else { panic!("two frontends") };
    let said: Vec<&Action> = front.http_request.iter().map(|rule| &rule.action).collect();
    let [
        Action::Deny(403),
        Action::Deny(429),
        Action::Redirect(to_https),
        Action::Redirect(elsewhere),
        rest @ ..,
    ] = said.as_slice()
    else {
        panic!("{said:?}")
    };
    assert_eq!((to_https.status, elsewhere.status), (302, 308));
    let [Action::Return(ok), Action::Return(page), changes @ ..] = rest else { panic!("{rest:?}") };
    assert_eq!((&*ok.content, &*ok.fields), (&b"ok"[..], &b"content-type: text/plain\r\nX-A: b\r\n"[..]));
    assert!(page.status == 503 && page.content.starts_with(b"HTTP/1.1 503 Away"));
    let names: Vec<&str> = changes
        .iter()
        .map(|change| {
            let Action::Edit(Edit::Set(name, _) | Edit::Del(name)) = change else { panic!("{change:?}") };
            &**name
        })
        .collect();
    assert_eq!(names, ["X-A", "X-B", "X-C", "X-D"]);
    let looked = |target| Sent { target, ..PLAIN };
    let holding = |target| front.http_response.holding(&Looked::new(&looked(target)));
    assert_eq!((holding("/"), holding("/x")), (1, 0));
    // A listen asks once.
    assert_eq!((listen.http_request.len(), plan.backends()[0].http_request.len()), (1, 0));
    let backend = &plan.backends()[1];
    assert_eq!(backend.http_request[0].action, Action::Deny(405));
    let edits = backend.http_response.edits(0, &(), &mut NoScripts).unwrap();
    assert!(edits.is_gone(b"SERVER") && edits.added("x-a").eq([&b"a"[..]]));
}

#[test]
fn every_action_is_read() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[frontend.f]
bind = ["*:80"]
default_backend = "a"
http_request = [
  { tarpit = true, if = { path = "/slow" } },
  { tarpit = 429 },
  { silent_drop = true },
  { replace_header = { name = "X-E", reg = "^a(.)", with = 'b\1 ${src}', nocase = true } },
  { replace_value = { name = "X-E", reg = "a", with = "" } },
  { set_method = "PUT" },
  { set_path = "/x${path}" },
  { set_query = "" },
  { set_pathq = "/x?y" },
  { replace_path = { reg = "a", with = "b" } },
  { replace_pathq = { reg = "a", with = "b" } },
  { set_var = { who = "${hdr(X-User)}", "txn.b" = "" } },
]
[backend.a]
server = [{ name = "s", addr = "10.0.0.1:80" }]
"#,
    );
    let plan = lower::proxy(&config).plan;
    let front = &plan.frontends()[0];
    let said: Vec<&Action> = front.http_request.iter().map(|rule| &rule.action).collect();
    let refused = [Action::Tarpit(500), Action::Tarpit(429), Action::SilentDrop];
    assert_eq!(said[..3], refused.each_ref());
    let by = |reg, nocase, with| Replacement::new(reg, nocase, with).unwrap();
    let text = |text| Template::parse(text).unwrap();
    let edits = [
        Edit::Replace("X-E".into(), by("^a(.)", true, r"b\1 ${src}")),
        Edit::ReplaceElements("X-E".into(), by("a", false, "")),
        Edit::Line(LineEdit::Method("PUT".into())),
        Edit::Line(LineEdit::Path(text("/x${path}"))),
        Edit::Line(LineEdit::Query(text(""))),
        Edit::Line(LineEdit::PathQuery(text("/x?y"))),
        Edit::Line(LineEdit::ReplacePath(by("a", false, "b"))),
        Edit::Line(LineEdit::ReplacePathQuery(by("a", false, "b"))),
        Edit::Variable("who".into(), Value::Text(text("${hdr(X-User)}"))),
        Edit::Variable("txn.b".into(), Value::Text(text(""))),
    ];
    assert!(said[3..].iter().copied().eq(edits.map(Action::Edit).iter()), "{said:?}");
    assert_eq!(front.timeout.tarpit, Some(Duration::from_secs(5)));
}

#[test]
fn a_frontend_that_answers_by_itself_needs_no_backend() {
    let front = |rules: &str| {
        codes(&format!(
            "[defaults]\ntimeout = {{ connect = \"5s\", client = \"50s\", server = \"50s\" }}\n[frontend.f]\n\
             bind = [\"*:80\"]\nhttp_request = [{rules}]\n"
        ))
    };
    assert!(front("{ return = { status = 200 }, if = { path = \"/\" } }, { deny = 404 }").is_empty());
    assert_eq!(front("{ deny = 404, if = { path = \"/\" } }"), ["no-route"]);
    assert_eq!(front("{ set_header = { X-A = \"b\" } }"), ["no-route"]);
}

#[test]
fn rules_for_responses_and_connections_are_read() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[table.ips]
type = "ip"
size = "10k"
store = { conn_rate = "10s", sess_cnt = true }
[acl]
too_fast = { sc_conn_rate = { table = "ips", gt = 20 } }
[frontend.f]
bind = ["*:80"]
default_backend = "b"
tcp_request = [
  { on = "session", accept = true, if = { ssl_fc_alpn = "h2" } },
  { track = { key = "src", table = "ips" } },
  { reject = true, if = "too_fast" },
  { reject = true, if = { time = { from = "22:00", to = "06:00", days = ["sat", "sun-mon"], utc = true } } },
  { on = "session", silent_drop = true, if = { src_sess_cnt = { table = "ips", gt = 100 } } },
]
http_request = [{ deny = 503, if = { nbsrv = { backend = "b", lt = 2 } } }, { deny = 503, unless = { srv_is_up = ["a/s1", "b/s2"] } }]
http_response = [
  { deny = true, if = [{ status = [500, "502-504"] }, { path = "/" }] },
  { set_status = 404, if = { res_hdr = { X-Gone = "yes" }, res_hdr_cnt = { Via = { le = 2 } } } },
  { set_var = { came = "${status} ${res_hdr(Server)}" } },
  { redirect = { location = "/away/${var(came)}", code = 307 }, unless = { res_hdr_exists = "X-Gone" } },
]
[backend.a]
server = [{ name = "s1", addr = "10.0.0.1:80" }]
[backend.b]
server = [{ name = "s1", addr = "10.0.0.1:80" }, { name = "s2", addr = "10.0.0.2:80" }]
[listen.t]
mode = "tcp"
bind = ["*:443"]
inspect_delay = "1s"
tcp_request = [{ on = "content", reject = true, unless = { any = [{ req_ssl_sni = "a.example" }, { req_len = { eq = 0 } }] } }]
server = [{ name = "s", addr = "10.0.0.1:443" }]
"#,
    );
    let plan = lower::proxy(&config).plan;
    let [front, tcp] = plan.frontends() else { panic!("two frontends") };
    let said = |rules: &[TcpRule]| -> Vec<String> {
        rules.iter().map(|rule| format!("{:?}", rule.action).split('(').next().unwrap().to_owned()).collect()
    };
    assert_eq!(said(&front.tcp_request.connection), ["Count", "Reject", "Reject"]);
    assert_eq!(said(&front.tcp_request.session), ["Accept", "SilentDrop"]);
    let hours = Hours { from: 22 * 60, to: 6 * 60, days: 0b110_0001, zone: Zone::Utc };
    assert_eq!(front.tcp_request.connection[2].when, Matcher::Test(Test::Hours(hours)));
    let gauges: Vec<String> = front.http_request.iter().map(|rule| format!("{:?}", rule.when)).collect();
    assert!(gauges[0].contains("Gauge(Usable(BackendId(1)), Range { least: 0, most: 1 })"), "{}", gauges[0]);
    assert!(gauges[1].contains("Up(ServerId(0))") && gauges[1].contains("Up(ServerId(2))"), "{}", gauges[1]);
    let responses: Vec<String> =
        front.http_response.rules().iter().map(|rule| rule.action.to_string()).collect();
    let expected = [
        "deny with 502",
        "set_status 404",
        "set_var came = ${status} ${res_hdr(Server)}",
        "redirect with 307 to /away/${var(came)}",
    ];
    assert_eq!(responses, expected);
    assert_eq!(tcp.tcp_request.inspect_delay, Duration::from_secs(1));
    assert!(tcp.tcp_request.content[0].when.looks_at_hello());
}
