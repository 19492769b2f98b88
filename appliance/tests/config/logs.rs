//! Where log lines go, and what records show.

use evenkeel::config::lower;
use evenkeel_proxy::access_log::{
    Capture, CookieCapture, Destination, Fields, Format, Header, LogTarget, Sample,
};
use evenkeel_proxy::plan::{Frontend, LogFormat, Plan};
use evenkeel_proxy::rules::{Action, Edit, Rule};

use super::good;

fn parts(text: &str) -> (std::sync::Arc<Plan>, Vec<LogTarget>) {
    let timeouts = "[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }\n";
    let parts = lower::proxy(&good(&text.replace("[defaults]\n", timeouts)));
    (parts.plan, parts.log_targets)
}

fn custom(text: &str) -> LogFormat {
    LogFormat::Custom(Format::parse(text).unwrap().into())
}

#[test]
fn lines_go_where_they_are_said_to() {
    let (plan, targets) = parts(
        r#"
[global]
log = [
  { to = "/dev/log", format = "rfc3164" },
  { to = "tcp:[2001:db8::1]:6514", sample = "1,3-5:10" },
  { to = "udp:192.0.2.1:514", format = "rfc5424" },
]
[defaults]
[frontend.f]
bind = "*:80"
default_backend = "b"
[frontend.j]
bind = "*:81"
default_backend = "b"
log = [{ to = "journald" }, { to = "file:/var/log/a" }]
log_tag = "edge"
[backend.b]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[backend.own]
log = [{ to = "stderr", format = "short" }]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[backend.silent]
log = false
server = [{ name = "s", addr = "10.0.0.1:80" }]
[listen.l]
bind = "*:82"
log_tag = "l"
server = [{ name = "s", addr = "10.0.0.1:80" }]
"#,
    );
    let shown: Vec<_> = targets.iter().map(|t| (&t.to, t.header, t.tag.as_str())).collect();
    let tcp = Destination::Tcp("[2001:db8::1]:6514".parse().unwrap());
    let udp = Destination::Udp("192.0.2.1:514".parse().unwrap());
    let (unix, journal) =
        (Destination::Unix("/dev/log".into()), Destination::Journal("/run/systemd/journal/socket".into()));
    let (file, stderr) = (Destination::File("/var/log/a".into()), Destination::Stderr);
    assert_eq!(
        shown,
        [
            (&unix, Header::Rfc3164, "evenkeel"),
            (&tcp, Header::Rfc5424, "evenkeel"),
            (&udp, Header::Rfc5424, "evenkeel"),
            (&journal, Header::Raw, "edge"),
            (&file, Header::Raw, "evenkeel"),
            (&unix, Header::Rfc3164, "l"),
            (&tcp, Header::Rfc5424, "l"),
            (&udp, Header::Rfc5424, "l"),
            (&stderr, Header::Short, "evenkeel"),
        ]
    );
    assert_eq!(targets[1].sample, Some(Sample { ranges: vec![(1, 1), (3, 5)], of: 10 }));
    let fields: Vec<_> = plan.frontends().iter().map(|f| f.records.as_ref().map(|r| r.fields)).collect();
    assert_eq!(fields, [None, Some(Fields::Wanted), None]);
    let events: Vec<Vec<u16>> = plan.backends().iter().map(|b| b.log.iter().map(|l| l.0).collect()).collect();
    let by_name: Vec<_> =
        plan.backends().iter().map(|b| (b.name.as_str(), b.is_listen)).zip(events).collect();
    assert_eq!(
        by_name,
        [
            (("b", false), vec![0, 1, 2]),
            (("own", false), vec![8]),
            (("silent", false), vec![]),
            (("l", true), vec![5, 6, 7]),
        ]
    );
}

#[test]
fn what_becomes_of_servers_is_told_to_all_if_nobody_says_to_whom() {
    let (plan, _) = parts(
        r#"
[defaults]
[listen.a]
bind = "*:80"
log = [{ to = "stdout" }, { to = "/dev/log" }]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[frontend.f]
bind = "*:81"
default_backend = "b"
log_tag = "x"
log = [{ to = "/dev/log" }]
[backend.b]
server = [{ name = "s", addr = "10.0.0.1:80" }]
"#,
    );
    let events: Vec<Vec<u16>> = plan.backends().iter().map(|b| b.log.iter().map(|l| l.0).collect()).collect();
    // The tag makes `/dev/log` another target, which it is not for them.
    assert!(events.contains(&vec![0, 1]), "{events:?}");
    assert_eq!(events.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn records_show_what_is_said() {
    let (plan, _) = parts(
        r#"
[defaults]
log_format = "%ci ${hdr(X-A)} ${host} ${res_hdr(Server)} ${var(kind)} ${var(Kind)}"
dontlog_normal = true
unique_id = { format = "%{+X}o%ci:%cp_${hdr(x-b)}_%rt", header = "X-Request-ID" }
capture = { request = [{ header = "User-Agent", len = 64 }], response = { header = "Server", len = 10 }, cookie = { name = "SRV=", len = 20 } }
[frontend.f]
bind = "*:80"
default_backend = "b"
http_request = [
  { capture = { text = "${path}", len = 20 } },
  { set_var = { kind = "x" } },
  { capture = { text = "${method}", len = 8 }, if = { path = "/a" } },
]
[frontend.g]
bind = "*:81"
default_backend = "b"
log_format = "clf"
unique_id = true
dontlog_normal = false
log_separate_errors = true
capture = {}
[frontend.h]
bind = "*:82"
default_backend = "b"
log_format = "json"
unique_id = false
dontlog_normal = false
capture = {}
[backend.b]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[listen.t]
mode = "tcp"
bind = "*:83"
server = [{ name = "s", addr = "10.0.0.1:80" }]
[listen.u]
mode = "tcp"
bind = "*:84"
log_format = "%ci %Tt %si:%sp"
dontlog_normal = false
server = [{ name = "s", addr = "10.0.0.1:80" }]
"#,
    );
    let [f, g, h, t, u] = plan.frontends() else { panic!("five frontends") };
    let records = f.records.as_ref().unwrap();
    assert!(records.dontlog_normal && !records.separate_errors);
    let capture = |name: &str, bytes| Capture { name: name.into(), bytes };
    assert_eq!(records.captures.request, [capture("User-Agent", 64)]);
    assert_eq!(records.captures.response, [capture("Server", 10)]);
    assert_eq!(records.captures.cookie, Some(CookieCapture { begin: "SRV=".into(), bytes: 20 }));
    assert_eq!(*records.captures.request_named, ["x-b".into(), "X-A".into(), "host".into()]);
    assert_eq!(*records.captures.response_named, ["Server".into()]);
    assert_eq!((*records.captures.variables).to_vec(), ["kind".into(), "Kind".into()]);
    assert_eq!(records.captures.by_rules, 2);
    let captured = |rule: &Rule| {
        let Action::Edit(Edit::Capture { place, bytes, .. }) = &rule.action else { return None };
        Some((*place, *bytes))
    };
    assert_eq!(f.http_request.iter().filter_map(captured).collect::<Vec<_>>(), [(0, 20), (1, 8)]);
    let told = |f: &Frontend| f.records.as_ref()?.unique_id.as_ref()?.tells.clone();
    assert_eq!((told(f).as_deref(), told(g).as_deref()), (Some("X-Request-ID"), Some("X-Request-ID")));
    assert!(g.records.as_ref().is_some_and(|r| r.separate_errors && !r.dontlog_normal));
    assert_eq!(g.log_format, custom(Format::CLF));
    assert_eq!((&h.log_format, &h.records), (&LogFormat::Json, &None), "nothing is particular");
    assert_eq!(t.log_format, LogFormat::Tcplog, "what HTTP has is not for mode tcp");
    assert!(t.records.as_ref().is_some_and(|r| r.dontlog_normal && r.captures.is_empty()));
    assert_eq!(u.log_format, custom("%ci %Tt %si:%sp"));
    let LogFormat::Custom(format) = &u.log_format else { panic!("it has a format of its own") };
    assert!(format.looks_at_server() && u.records.is_some());
}
