//! Frontends, backends and servers: merging of defaults, checks, lowering to the plan.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use evenkeel::config::{self, lower};
use evenkeel_proxy::access_log::{Destination, Facility, Level};
use evenkeel_proxy::hello::ClientHello;
use evenkeel_proxy::plan::{
    Action, AdminState, AnnounceOption, AnnounceOptions, BackendId, CheckConfig, Expect, HttpCheck,
    HttpManner, HttpVersion, InitState, Layer, LogFormat, Mode, OnError, Protocol, Redispatch, ServerId,
    ServerProtocol,
};
use evenkeel_proxy::proxy_protocol::Version;
use evenkeel_proxy::rules::{Hello, Looked, Request};
use evenkeel_proxy::tls::SessionFacts;

use super::{TIMEOUTS, codes, good, load, web};

fn check_of(keys: &str) -> Option<CheckConfig> {
    web(keys).backends[0].servers[0].check.clone()
}

#[test]
fn the_worker_loads_the_same_without_files_or_secrets() {
    let loaded = load(
        "[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }\nerrorfile = { 503 = \"errors/503.http\" }\n\
         [listen.l]\nbind = { vip = \"V\", port = 80 }\nserver = [{ name = \"s\", addr = \"10.0.0.1:80\" }]\n\
         [vrrp.V]\ninterface = \"e\"\nvirtual_router_id = 1\nvirtual_ipaddress = [\"10.0.0.50\"]\n\
         authentication = { auth_pass = \"file:vrrp.pass\" }\n\
         [vrrp.W]\ninterface = \"e\"\nvirtual_router_id = 2\nvirtual_ipaddress = [\"10.0.0.51\"]\n\
         authentication = { auth_pass = \"inline\" }\n",
    );
    let here = lower::proxy(loaded.config.as_ref().unwrap());
    let json = serde_json::to_string(&loaded.sources.for_worker()).unwrap();
    assert!(!json.contains("inline") && json.contains("file:vrrp.pass"));
    let sources: config::Sources = serde_json::from_str(&json).unwrap();
    assert!(!sources.blobs.values().any(|b| b.starts_with(b"s3cr3t")));
    let there = config::load_from_sources(&sources, "lb1");
    assert_eq!(there.render_human(false), "");
    let there = lower::proxy(there.config.as_ref().unwrap());
    assert_eq!(format!("{here:?}"), format!("{there:?}"));
    assert_eq!(there.plan.global.threads, 4);
    assert_eq!(there.plan.listeners()[0].addr, "10.0.0.50:80".parse().unwrap());
    assert_eq!(there.plan.frontends()[0].error_files.0.len(), 1);
}

#[test]
fn defaults_lie_under_profiles_under_sections() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "1s", client = "1s", server = "1s", queue = "1s" }
retries = 1
dontlognull = true
default_server = { inter = "1s", rise = 1, check = true }
[profile.base]
retries = 2
timeout = { server = "2s" }
[profile.slow]
from = "base"
timeout = { client = "3s" }
default_server = { inter = "3s" }
[frontend.f]
bind = "*:80"
from = "slow"
default_backend = "b"
[backend.b]
from = "slow"
timeout = { queue = "4s" }
default_server = { rise = 4 }
server = [{ name = "s", addr = "10.0.0.1:80", fall = 5 }, { name = "t", addr = "10.0.0.2:80", check = false }]
"#,
    );
    let s = Duration::from_secs;
    let (front, back) = (&config.frontends[0], &config.backends[0]);
    assert_eq!((front.timeout.client, front.dontlognull), (Some(s(3)), true));
    assert_eq!(
        (back.timeout.connect, back.timeout.server, back.timeout.queue),
        (Some(s(1)), Some(s(2)), Some(s(4)))
    );
    assert_eq!(back.retries, 2);
    let check = back.servers[0].check.as_ref().unwrap();
    assert_eq!((check.inter, check.rise, check.fall), (s(3), 4, 5));
    assert_eq!(back.servers[1].check, None);
}

#[test]
fn a_tcp_section_keeps_to_its_mode() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s", client_fin = "1s", server_fin = "2s", tunnel = "1h" }
log_format = "httplog"
forwardfor = true
[listen.redis]
bind = "*:6379"
mode = "tcp"
server = [{ name = "s", addr = "10.0.0.1:6379" }]
[listen.web]
bind = "*:80"
server = [{ name = "s", addr = "10.0.0.1:80" }]
[listen.sql]
bind = "*:5432"
mode = "tcp"
log_format = "json"
server = [{ name = "s", addr = "10.0.0.1:5432" }]
"#,
    );
    let plan = lower::proxy(&config).plan;
    let formats: Vec<_> =
        plan.frontends().iter().map(|f| (f.name.as_str(), f.mode, f.log_format.clone())).collect();
    assert_eq!(
        formats,
        [
            ("redis", Mode::Tcp, LogFormat::Tcplog),
            ("web", Mode::Http, LogFormat::Httplog),
            ("sql", Mode::Tcp, LogFormat::Json),
        ]
    );
    let (front, back) = (&plan.frontends()[0], &plan.backends()[0]);
    assert_eq!(back.mode, Mode::Tcp);
    let s = |n| Some(Duration::from_secs(n));
    assert_eq!((front.timeout.client_fin, back.timeout.server_fin), (s(1), s(2)));
    assert_eq!((front.timeout.tunnel, back.timeout.tunnel), (s(3600), s(3600)));
}

#[test]
fn headers_of_the_proxy_protocol() {
    let config = good(
        r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
default_server = { send_proxy = true, check = true }
[listen.l]
bind = [{ addr = "*:80", accept_proxy = ["192.0.2.0/24", "2001:db8::/32"] }, "*:81"]
server = [
  { name = "a", addr = "10.0.0.1:80" },
  { name = "b", addr = "10.0.0.2:80", send_proxy_v2 = true, proxy_v2_options = "crc32c" },
  { name = "c", addr = "10.0.0.3:80", send_proxy = false },
  { name = "d", addr = "10.0.0.4:80", check_port = 81 },
  { name = "e", addr = "10.0.0.5:80", check_send_proxy = false },
  { name = "f", addr = "10.0.0.6:80", send_proxy_v2 = true, check_port = 81, check_send_proxy = true, proxy_v2_options = [
    "ssl", "cert-cn", "cert-key", "cert-sig", "ssl-cipher", "authority", "crc32c"] },
  { name = "g", addr = "10.0.0.7:80", send_proxy_v2 = true, proxy_v2_options = ["cert-key"] },
]
"#,
    );
    let plan = lower::proxy(&config).plan;
    let none = AnnounceOptions::NONE;
    let (v1, v2) = (Some((Version::V1, none)), |options| Some((Version::V2, options)));
    let of_client = [AnnounceOption::CertCn, AnnounceOption::SslCipher, AnnounceOption::Authority];
    let all = [AnnounceOption::CertKey, AnnounceOption::CertSig, AnnounceOption::Crc32c];
    let said = of_client.into_iter().chain(all).fold(none, AnnounceOptions::with);
    let found =
        plan.servers().iter().map(|s| (s.send_proxy.map(|p| (p.version, p.options)), s.check_send_proxy));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (v1, Some(Version::V1)),
            (v2(none.with(AnnounceOption::Crc32c)), Some(Version::V2)),
            (None, None),
            (v1, None),
            (v1, None),
            (v2(said), Some(Version::V2)),
            (v2(none.with(AnnounceOption::CertKey)), Some(Version::V2)),
        ]
    );
    let expects = |source: &str| {
        let source = source.parse().unwrap();
        plan.listeners().iter().map(|l| l.expects_proxy(source)).collect::<Vec<_>>()
    };
    assert_eq!(plan.listeners().len(), 4, "`*` is two");
    assert_eq!(expects("192.0.2.7"), [true, true, false, false]);
    assert_eq!(expects("::ffff:192.0.2.7"), [true, true, false, false]);
    assert_eq!(expects("2001:db8::1"), [true, true, false, false]);
    assert_eq!(expects("192.0.3.7"), [false; 4]);
}

#[test]
fn the_plan_has_what_was_said() {
    let config = good(
        r#"
[global]
nbthread = 2
maxconn = 500
hard_stop_after = "5s"
worker = { grace = "200ms" }
tune = { bufsize = "32KiB", http_maxhdr = 200 }
log = [{ to = "/dev/log", facility = "local3", level = "notice" }, { to = "10.0.0.9:514", tag = "lb" }]
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s", http_request = "10s", http_keep_alive = "2s", tunnel = "1h" }
[frontend.f]
bind = ["*:80", "10.0.0.1:8080", { addr = "[::1]:8081" }]
default_backend = "b"
forwardfor = { header = "X-Client", except = "127.0.0.0/8", if_none = true }
log_format = "json"
maxconn = 100
[frontend.quiet]
bind = "127.0.0.1:9"
default_backend = "b"
log = false
[frontend.own]
bind = "127.0.0.1:10"
default_backend = "b"
log = [{ to = "stdout" }, { to = "10.0.0.9:514", tag = "lb" }]
[backend.b]
forwardfor = true
retries = 0
redispatch = true
allbackups = true
server = [
  { name = "a", addr = "10.0.0.1:80", weight = 0, state = "drain" },
  { name = "b", addr = "[fd00::1]:80", backup = true, state = "maint" },
]
"#,
    );
    assert_eq!(config.global.drain_timeout, Duration::from_secs(5));
    assert_eq!(config.global.worker.grace, Duration::from_millis(200));
    let parts = lower::proxy(&config);
    let plan = &parts.plan;
    assert_eq!((plan.global.threads, plan.global.maxconn, plan.global.node.as_str()), (2, 500, "lb1"));
    assert_eq!((plan.global.max_head_bytes, plan.global.max_headers), (32 << 10, 200));
    let addrs: Vec<String> =
        plan.listeners().iter().map(|l| format!("{} {}", l.frontend.0, l.addr)).collect();
    let expected =
        ["0 0.0.0.0:80", "0 [::]:80", "0 10.0.0.1:8080", "0 [::1]:8081", "1 127.0.0.1:9", "2 127.0.0.1:10"];
    assert_eq!(addrs, expected);
    let f = &plan.frontends()[0];
    assert_eq!((f.default_backend.unwrap().0, &f.log_format, f.maxconn), (0, &LogFormat::Json, Some(100)));
    assert_eq!(f.timeout.http_keep_alive, Some(Duration::from_secs(2)));
    let xff = f.forwarded_for.as_ref().unwrap();
    assert_eq!((xff.header.as_str(), xff.if_none, xff.except[0].1), ("X-Client", true, 8));
    let logs: Vec<Vec<u16>> = plan.frontends().iter().map(|f| f.log.iter().map(|l| l.0).collect()).collect();
    assert_eq!(logs, [vec![0, 1], vec![], vec![2, 1]]);
    let syslog = &parts.log_targets[0];
    assert_eq!((&syslog.to, syslog.level), (&Destination::Unix("/dev/log".into()), Level::Notice));
    assert_eq!(Some(syslog.facility), Facility::named("local3"));
    assert_eq!(parts.log_targets[1].to, Destination::Udp("10.0.0.9:514".parse().unwrap()));
    assert_eq!((parts.log_targets[1].tag.as_str(), &parts.log_targets[2].to), ("lb", &Destination::Stdout));
    let b = &plan.backends()[0];
    assert_eq!((b.servers.clone(), b.retries, b.redispatch, b.allbackups), (0..2, 0, Redispatch::LAST, true));
    assert_eq!(b.forwarded_for.as_ref().unwrap().header, "X-Forwarded-For");
    assert_eq!((plan.servers()[0].weight, plan.servers()[0].admin), (0, AdminState::Drain));
    assert_eq!((plan.servers()[1].backup, plan.servers()[1].admin), (true, AdminState::Maint));
}

#[test]
fn a_listen_is_both_halves() {
    let config = good(&format!(
        "{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
    ));
    let plan = lower::proxy(&config).plan;
    assert_eq!(plan.frontends()[0].default_backend.unwrap().0, 0);
    assert_eq!((plan.frontends()[0].name.as_str(), plan.backends()[0].name.as_str()), ("l", "l"));
}

fn http_of(check: &CheckConfig) -> HttpCheck {
    let [step] = check.script.steps.as_slice() else { panic!("one step") };
    let Action::Http(http) = &step.action else { panic!("an HTTP check") };
    http.clone()
}

#[test]
fn who_is_checked_and_how() {
    assert_eq!(check_of(""), None);
    assert_eq!(check_of("check = false"), None);
    assert_eq!(check_of("default_server = { check = true }").unwrap().script.steps, []);
    assert_eq!(check_of("check = true").unwrap().script.steps, []);
    // Saying how turns checks on; the servers' own word is stronger.
    let usual = check_of("httpchk = \"/health\"").unwrap();
    assert_eq!((usual.inter, usual.fall, usual.rise, usual.addr), (Duration::from_secs(2), 3, 2, None));
    let http = &http_of(&usual);
    assert_eq!(
        (http.method.as_str(), http.uri.as_str(), http.version),
        ("GET", "/health", HttpVersion::V1_0)
    );
    assert!(http.expect.is_empty());
    assert_eq!(check_of("httpchk = \"/health\"\ndefault_server = { check = false }"), None);
    let elsewhere = check_of("check = true\ndefault_server = { check_port = 81 }").unwrap();
    assert_eq!((elsewhere.addr, elsewhere.port), (None, Some(81)));
}

#[test]
fn steps_become_one_http_check() {
    let check = check_of(
        r#"
timeout = { check = "1s" }
httpchk = "HEAD /up"
check = [
  { expect = { status = [200, "300-399"] } },
  { expect = { not = { string = "error" } } },
]
"#,
    )
    .unwrap();
    assert_eq!(check.timeout, Some(Duration::from_secs(1)));
    let http = &http_of(&check);
    assert_eq!(http.method, "HEAD");
    let not = Expect::Not(Box::new(Expect::String(b"error".to_vec())));
    assert_eq!(http.expect, [Expect::Status(vec![200..=200, 300..=399]).into(), not.into()]);

    let check = check_of(
        r#"check = [{ send = { method = "POST", uri = "/h", version = "HTTP/1.1", headers = { Host = "a", Accept = "b" }, body = "x" } }]"#,
    )
    .unwrap();
    let http = &http_of(&check);
    assert_eq!(
        (http.method.as_str(), http.version, http.body.as_slice()),
        ("POST", HttpVersion::V1_1, &b"x"[..])
    );
    let names: Vec<&str> = http.headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["Host", "Accept"], "in the order of the file");
}

/// The actions of a `check`, as they are.
fn steps_of(check: &str) -> String {
    let steps = &check_of(check).unwrap().script.steps;
    let words: Vec<String> = steps.iter().map(|s| format!("{} {:?}", s.number, s.action)).collect();
    words.join("\n")
}

#[test]
fn steps_become_a_script() {
    let smtp = r#"check = [{ connect = true }, { expect = { string = "220" } }, { send = "EHLO haproxy\r\n" }, { expect = { not = { rstring = "^5" }, min_recv = 4 } }, { send = "QUIT", raw = true }]"#;
    let expected = [
        "1 Connect(Connect { addr: None, port: None, linger: false, tls: None, hello: None, protocol: None })",
        "2 Expect(ByteExpect { wanted: Contains([50, 50, 48]), negate: false, min_recv: None,",
        "3 Send([69, 72, 76, 79, 32, 104, 97, 112, 114, 111, 120, 121, 13, 10])",
        "4 Expect(ByteExpect { wanted: Regex(Pattern(Regex(\"^5\"))), negate: true, min_recv: Some(4),",
        "5 Send([81, 85, 73, 84])",
    ];
    let steps = steps_of(smtp);
    for (step, start) in steps.lines().zip(expected) {
        assert!(step.starts_with(start), "{step}");
    }
    assert_eq!(steps.lines().count(), expected.len());
    for (step, expected) in [
        ("send_binary = \"16 03 01\"", "1 Send([22, 3, 1])"),
        ("mysql = true", "1 Protocol(Mysql(MysqlCheck { user: None, login: None }))"),
        (
            "mysql = { user = \"u\", version = \"post-80\" }",
            "1 Protocol(Mysql(MysqlCheck { user: Some(\"u\"), login: Some(Post80) }))",
        ),
        ("redis = true", "1 Protocol(Redis)"),
        ("pgsql = { user = \"u\" }", "1 Protocol(Pgsql { user: \"u\" })"),
        ("smtp = true", "1 Protocol(Smtp { hello: \"HELO localhost\" })"),
        ("smtp = { hello = \"EHLO a\" }", "1 Protocol(Smtp { hello: \"EHLO a\" })"),
        ("ldap = true", "1 Protocol(Ldap)"),
        ("ssl_hello = { sni = \"a.example\" }", "1 Protocol(SslHello { sni: Some(\"a.example\") })"),
        (
            "connect = { port = 81, addr = \"10.0.0.9\", linger = true }",
            "1 Connect(Connect { addr: Some(10.0.0.9), port: Some(81), linger: true, tls: None, hello: None, protocol: None })",
        ),
    ] {
        assert_eq!(steps_of(&format!("check = [{{ {step} }}]")), expected);
    }
}

#[test]
fn requests_of_one_check_keep_their_own_expectations() {
    let check = check_of(
        r#"check = [
  { send = { uri = "/a" } },
  { expect = { status = 200 }, comment = "first" },
  { connect = { port = 81 } },
  { send = { uri = "/b" } },
  { expect = { header = { name = "X-Up", value_beg = "y", full = true }, on_error = "down", error_status = "L7RSP" } },
]"#,
    )
    .unwrap();
    let [Action::Http(a), Action::Connect(connect), Action::Http(b)] =
        &check.script.steps.iter().map(|s| s.action.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", check.script)
    };
    assert_eq!((a.uri.as_str(), a.expect.len(), a.expect[0].comment.as_deref()), ("/a", 1, Some("first")));
    assert_eq!((connect.port, b.uri.as_str(), b.expect.len()), (Some(81), "/b", 1));
    assert_eq!(b.expect[0].says.on_error.as_deref(), Some("down"));
    assert_eq!(check.script.steps[2].number, 4);
}

#[test]
fn what_is_particular_about_requests_of_checks() {
    let plain = check_of("httpchk = \"/\"").unwrap();
    assert_eq!(plain.http, HttpManner::default());
    let all = check_of("httpchk = \"/\"\ndisable_on_404 = true\nsend_state = true").unwrap();
    assert_eq!(all.http, HttpManner { disable_on_404: true, send_state: true, protocol: None });
    for (server, protocol) in [
        ("proto = \"h2\"", Some(ServerProtocol::Http2)),
        ("proto = \"h2\", check_port = 81", None),
        ("proto = \"h2\", check_proto = \"h1\"", Some(ServerProtocol::Http1)),
        ("check_proto = \"h2\", check_port = 81", Some(ServerProtocol::Http2)),
    ] {
        let send = "send = { headers = { Host = \"a\" } }";
        let check = check_of(&format!("check = [{{ {send} }}]\ndefault_server = {{ {server} }}")).unwrap();
        assert_eq!(check.http.protocol, protocol, "{server}");
    }
}

#[test]
fn what_watches_a_server_beside_its_checks() {
    let config = good(&format!(
        r#"{TIMEOUTS}
[backend.a]
check = true
default_server = {{ agent_port = 9000, agent_inter = "5s", error_limit = 3, init_state = "down" }}
outlier_ejection = {{ consecutive_errors = 5, time = "1s" }}
server = [
  {{ name = "s1", addr = "10.0.0.1:80", agent_check = true, agent_send = "hello\n", observe = "layer4", on_error = "mark-down" }},
  {{ name = "s2", addr = "10.0.0.2:80", track = "b/s1" }},
  {{ name = "s3", addr = "10.0.0.3:80", track = "s1" }},
]
[backend.b]
server = [{{ name = "s1", addr = "10.0.0.1:81", check = true }}]
[global]
spread_checks = 20
"#
    ));
    let plan = lower::proxy(&config).plan;
    let [s1, s2, s3, leader] = plan.servers() else { panic!("four servers") };
    let agent = s1.watch.agent.as_ref().unwrap();
    assert_eq!((agent.port, agent.inter, agent.rise, agent.fall), (Some(9000), Duration::from_secs(5), 1, 1));
    assert_eq!(agent.script.steps[0].action, Action::Protocol(Protocol::Agent { send: b"hello\n".to_vec() }));
    let observe = s1.watch.observe.unwrap();
    assert_eq!((observe.layer, observe.error_limit, observe.on_error), (Layer::Layer4, 3, OnError::MarkDown));
    let check = s1.check.as_ref().unwrap();
    assert_eq!((check.init, check.spread_percent), (InitState::Down, 20));
    let ejection = s2.watch.ejection.unwrap();
    assert_eq!((ejection.consecutive_errors, ejection.failure_percent), (Some(5), None));
    assert_eq!((ejection.time, ejection.max_time), (Duration::from_secs(1), Duration::from_secs(300)));
    assert_eq!((s2.watch.track, s3.watch.track), (Some(ServerId(3)), Some(ServerId(0))));
    assert!(s2.check.is_none() && leader.check.is_some(), "followers are not checked themselves");
    assert!(leader.watch.ejection.is_none());
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let config = good(
        "include = [\"conf.d/*.toml\", \"extra.toml\"]\n\
         [defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }\n\
         #@ file conf.d/20-b.toml\n[backend.two]\nserver = [{ name = \"s\", addr = \"10.0.0.1:80\" }]\n\
         #@ file conf.d/10-a.toml\n[backend.one]\nserver = [{ name = \"s\", addr = \"10.0.0.1:80\" }]\n\
         #@ file conf.d/.hidden.toml\nbroken\n#@ file conf.d/x.toml~\nbroken\n\
         #@ file extra.toml\n[defaults]\nretries = 7\n[frontend.f]\nbind = \"*:80\"\ndefault_backend = \"one\"\n",
    );
    let names: Vec<&str> = config.backends.iter().map(|b| b.name.value.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(config.backends[0].retries, 7);
}

#[test]
fn binds_overlap_or_not() {
    let two = |a: &str, b: &str| {
        let text = format!(
            "{TIMEOUTS}[listen.a]\nbind = \"{a}\"\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n\
             [listen.b]\nbind = \"{b}\"\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        );
        codes(&text)
    };
    for (a, b, clash) in [
        ("*:80", "*:81", false),
        ("*:80", "*:80", true),
        ("*:80", "10.0.0.1:80", true),
        ("[::]:80", "*:80", true),
        ("0.0.0.0:80", "[::]:80", false),
        ("0.0.0.0:80", "[fd00::1]:80", false),
        ("10.0.0.1:80", "10.0.0.2:80", false),
        ("10.0.0.1:80", "10.0.0.1:80", true),
    ] {
        let expected: &[&str] = if clash { &["bind-overlap"] } else { &[] };
        assert_eq!(two(a, b), expected, "{a} {b}");
    }
}

#[test]
fn servers_may_be_at_sockets() {
    for (said, at) in [
        ("unix@/run/app.sock", "unix@/run/app.sock"),
        ("unix:/run/app.sock", "unix@/run/app.sock"),
        ("abns@app", "abns@app"),
        ("abnsz@app", "abnsz@app"),
        ("10.0.0.1:80", "10.0.0.1:80"),
    ] {
        let text = format!(
            "{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nserver = [{{ name = \"s\", addr = \"{said}\", check = true }}]\n"
        );
        let plan = lower::proxy(&good(&text)).plan;
        assert_eq!(plan.servers()[0].addr.fixed().unwrap().to_string(), at);
    }
    let secure = |more: &str| {
        codes(&format!(
            "{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nserver = [{{ name = \"s\", addr = \"unix@/run/app.sock\", ssl = true{more} }}]\n"
        ))
    };
    assert_eq!(secure(""), ["tls"], "a socket has no name that a certificate could be for");
    assert!(secure(", verify = \"none\"").is_empty());
}

/// A connection that begins with a hello.
struct Saying(ClientHello);

impl Request for Saying {
    fn method(&self) -> &[u8] {
        b""
    }

    fn target(&self) -> &[u8] {
        b""
    }

    fn authority(&self) -> &[u8] {
        b""
    }

    fn fields(&self, _name: &str, _look: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn source(&self) -> IpAddr {
        [192, 0, 2, 1].into()
    }

    fn destination(&self) -> Option<SocketAddr> {
        None
    }

    fn tls(&self) -> Option<&SessionFacts> {
        None
    }

    fn hello(&self) -> Hello<'_> {
        Hello::Said(&self.0)
    }
}

#[test]
fn connections_go_where_their_hello_says() {
    let config = good(
        r#"
[defaults]
mode = "tcp"
timeout = { connect = "5s", client = "50s", server = "50s" }
[frontend.f]
bind = ["*:443"]
inspect_delay = "3s"
use_backend = [
  { backend = "b", if = { req_ssl_sni = ["B.Example", "c.example"], req_ssl_alpn = "h2" } },
  { backend = "a", if = { req_ssl_sni_end = ".a.example" } },
]
[frontend.g]
bind = ["*:444"]
default_backend = "a"
[backend.a]
server = [{ name = "s", addr = "10.0.0.1:443" }]
[backend.b]
server = [{ name = "s", addr = "10.0.0.2:443" }]
"#,
    );
    let plan = lower::proxy(&config).plan;
    let front = &plan.frontends()[0];
    assert_eq!((front.tcp_request.inspect_delay, front.routes.rules().len()), (Duration::from_secs(3), 2));
    let goes = |name: &str, protocols: &[&str]| {
        let said = ClientHello {
            server_name: Some(name.into()),
            protocols: protocols.iter().map(|p| Box::from(p.as_bytes())).collect(),
            versions: Vec::new(),
        };
        front.routes.settled(&Looked::new(&Saying(said))).unwrap()
    };
    assert_eq!(goes("b.example", &["h2"]), Some(BackendId(1)));
    assert_eq!(goes("c.example", &["http/1.1", "h2"]), Some(BackendId(1)));
    assert_eq!(goes("b.example", &["http/1.1"]), None);
    assert_eq!(goes("x.a.example", &[]), Some(BackendId(0)));
    assert_eq!(goes("a.example", &[]), None);
    assert!(front.default_backend.is_none() && plan.frontends()[1].routes.is_empty());
}

#[test]
fn more_connections_than_files_are_warned_about() {
    let text = format!("[global]\nmaxconn = 5000\n{TIMEOUTS}");
    for (descriptors, warned) in [(None, false), (Some(10_100), false), (Some(10_099), true)] {
        let mut machine = super::Machine::with(&text);
        machine.descriptors = descriptors;
        let loaded = machine.load();
        assert!(loaded.is_valid());
        let found = loaded.diagnostics.iter().any(|d| d.code.as_str() == "descriptors");
        assert_eq!(found, warned, "{descriptors:?}");
    }
}

#[test]
fn retries_may_leave_their_server_in_several_ways() {
    let of = |value: &str| {
        let text = format!(
            "{TIMEOUTS}[backend.b]\nredispatch = {value}\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
        );
        load(&text).config.map(|c| c.backends[0].redispatch)
    };
    let n = |n: u8| n.try_into().unwrap();
    assert_eq!(of("true"), Some(Redispatch::LAST));
    assert_eq!(of("false"), Some(Redispatch::Never));
    assert_eq!(of("3"), Some(Redispatch::Every(n(3))));
    assert_eq!(of("-2"), Some(Redispatch::FromEnd(n(2))));
    assert_eq!((of("0"), of("101")), (None, None));
}

#[test]
fn a_backend_has_a_limit_of_its_own() {
    let text = format!(
        "{TIMEOUTS}maxconn = 70\n[backend.b]\nmaxconn = 7\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n\
         [backend.c]\nserver = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n"
    );
    let config = load(&text).config.unwrap();
    let most: Vec<_> = lower::proxy(&config).plan.backends().iter().map(|b| b.maxconn).collect();
    assert_eq!(most, [Some(7), None], "what the defaults say is of frontends");
}
