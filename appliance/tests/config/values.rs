//! What values become: merging of defaults, values per node, secrets, lowering.

use std::time::Duration;

use evenkeel::config;
use evenkeel::config::lower;
use evenkeel::config::model::Config;
use evenkeel_proxy::access_log::{Destination, Facility, Level};
use evenkeel_proxy::plan::{AdminState, CheckConfig, CheckKind, Expect, HttpVersion, LogFormat};
use evenkeel_vrrp::config::{ChecksumForm, Preempt, TrackKind, Transport, VipMismatch};
use evenkeel_vrrp::types::{Family, Version};

use super::{Machine, good, load};

const TIMEOUTS: &str = "[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"40s\" }\n";

/// A valid configuration with one virtual router, whose keys are added.
fn with_router(keys: &str) -> Config {
    good(&format!(
        "[vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n{keys}\n"
    ))
}

/// The codes of everything found.
fn codes(text: &str) -> Vec<&'static str> {
    load(text).diagnostics.iter().map(|d| d.code.as_str()).collect()
}

fn router_codes(keys: &str) -> Vec<&'static str> {
    codes(&format!(
        "[vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n{keys}\n"
    ))
}

fn web(keys: &str) -> Config {
    good(&format!(
        "{TIMEOUTS}[frontend.f]\nbind = \"*:80\"\ndefault_backend = \"b\"\n[backend.b]\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:80\" }}]\n{keys}\n"
    ))
}

fn check_of(keys: &str) -> Option<CheckConfig> {
    web(keys).backends[0].servers[0].check.clone()
}

#[test]
fn a_router_has_the_protocols_defaults() {
    let config = with_router("");
    let engine = lower::vrrp(&config).engine;
    let r = &engine.routers()[0];
    assert_eq!((r.name.as_str(), r.version, r.family, r.vrid.value()), ("VI_1", Version::V2, Family::V4, 51));
    assert_eq!((r.priority.value(), r.advert_int.value(), r.down_timer_adverts), (100, 100, 3));
    assert_eq!((r.preempt, &r.transport, r.source), (Preempt::Always, &Transport::Multicast, None));
    assert_eq!(
        (r.checksum, r.vip_mismatch, r.virtual_mac),
        (ChecksumForm::Rfc5798, VipMismatch::Drop, false)
    );
    assert_eq!(r.lease, Duration::from_millis(2500));
    assert_eq!(
        (r.announce.repeat, r.announce.delay, r.announce.refresh),
        (5, Duration::from_secs(5), Duration::from_secs(60))
    );
    assert_eq!(r.auth_pass, None);
    // Nothing is served, so there is nothing to watch.
    assert!(r.tracks.is_empty());
}

#[test]
fn a_serving_node_watches_its_data_plane() {
    let router =
        "[vrrp.V]\ninterface = \"e\"\nvirtual_router_id = 1\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n";
    let engine = lower::vrrp(&web(router)).engine;
    assert_eq!(engine.tracks()[0].kind, TrackKind::DataPlane);
    assert_eq!(engine.routers()[0].tracks[0].weight, None);
}

#[test]
fn every_key_of_a_router_arrives() {
    let config = with_router(
        r#"
version = 2
priority = 150
advert_int = "2s"
authentication = { auth_type = "PASS", auth_pass = "s3cr3t" }
virtual_ipaddress_excluded = ["fd00::1/64", { addr = "10.9.0.1", dev = "eth1" }]
preempt = { after = "60s" }
unicast_peer = ["10.0.0.2", "10.0.0.3"]
unicast_src_ip = "10.0.0.1"
check_unicast_src = false
use_vmac = true
checksum = "old_unicast"
vip_mismatch = "accept"
garp_master_repeat = 3
garp_master_delay = "1s"
garp_master_refresh = "30s"
garp_master_refresh_repeat = 2
garp_lower_prio_repeat = 0
track = [{ script = "chk", weight = -10 }, { interface = "eth1", reverse = true }, { file = "/run/x", weight = 2 }]
lease = "3s"
down_timer_adverts = 4
notify_master = ["/bin/echo", "master now"]
notify_stop = "/bin/true"
[vrrp_script.chk]
script = ["/usr/bin/check", "-v"]
interval = "500ms"
rise = 2
fall = 3
init_fail = true
user = "nobody"
"#,
    );
    let parts = lower::vrrp(&config);
    let r = &parts.engine.routers()[0];
    assert_eq!((r.priority.value(), r.advert_int.value(), r.down_timer_adverts), (150, 200, 4));
    assert_eq!(r.auth_pass, Some(*b"s3cr3t\0\0"));
    assert_eq!((r.excluded.len(), r.excluded[1].prefix_len), (2, 32));
    assert_eq!(r.excluded[1].dev.as_ref().map(ToString::to_string).as_deref(), Some("eth1"));
    assert_eq!(r.preempt, Preempt::After(Duration::from_secs(60)));
    let peers = vec!["10.0.0.2".parse().unwrap(), "10.0.0.3".parse().unwrap()];
    assert_eq!(r.transport, Transport::Unicast { peers, check_source: false });
    assert_eq!(r.source, Some("10.0.0.1".parse().unwrap()));
    assert_eq!(
        (r.checksum, r.vip_mismatch, r.virtual_mac),
        (ChecksumForm::OldUnicast, VipMismatch::Accept, true)
    );
    let a = r.announce;
    assert_eq!((a.repeat, a.refresh_repeat, a.lower_prio_repeat), (3, 2, 0));
    assert_eq!(
        (a.delay, a.refresh, r.lease),
        (Duration::from_secs(1), Duration::from_secs(30), Duration::from_secs(3))
    );
    let uses: Vec<_> = r.tracks.iter().map(|t| (t.weight, t.reverse)).collect();
    assert_eq!(uses, [(Some(-10), false), (None, true), (Some(2), false)]);
    let TrackKind::Script(script) = &parts.engine.tracks()[0].kind else { panic!("a script") };
    assert_eq!(script.command, ["/usr/bin/check", "-v"]);
    assert_eq!((script.interval, script.timeout), (Duration::from_millis(500), Duration::from_millis(500)));
    assert_eq!(
        (script.rise, script.fall, script.init_fail, script.user.as_deref()),
        (2, 3, true, Some("nobody"))
    );
    assert_eq!(
        parts.notify[0].master.as_deref(),
        Some(&["/bin/echo".to_owned(), "master now".to_owned()][..])
    );
    assert_eq!(parts.notify[0].stop.as_deref(), Some(&["/bin/true".to_owned()][..]));
    assert_eq!(parts.notify[0].backup, None);
}

#[test]
fn ipv6_implies_version_3() {
    let config = good(
        "[vrrp.v6]\ninterface = \"eth0\"\nvirtual_router_id = 1\nadvert_int = \"10ms\"\n\
         virtual_ipaddress = [\"fe80::50/64\", \"2001:db8::50\"]\n",
    );
    let engine = lower::vrrp(&config).engine;
    let r = &engine.routers()[0];
    assert_eq!(
        (r.version, r.family, r.advert_int.value(), r.vips[1].prefix_len),
        (Version::V3, Family::V6, 1, 128)
    );
    assert_eq!(r.lease, Duration::from_millis(25));
}

#[test]
fn values_per_node() {
    let text = "[vrrp.V]\ninterface = { lb1 = \"eth0\", lb2 = \"ens3\" }\nvirtual_router_id = 1\n\
                priority = { lb1 = 101, lb2 = 100 }\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n\
                unicast_peer = { lb1 = [\"10.0.0.2\"], lb2 = \"10.0.0.1\" }\n\
                unicast_src_ip = { lb1 = \"10.0.0.1\", lb2 = \"10.0.0.2\" }\n";
    for (node, interface, priority, peer) in
        [("lb1", "eth0", 101, "10.0.0.2"), ("lb2", "ens3", 100, "10.0.0.1")]
    {
        let mut machine = Machine::with(text);
        machine.node = node.into();
        let engine = lower::vrrp(&machine.load().config.unwrap()).engine;
        let r = &engine.routers()[0];
        assert_eq!((r.interface.as_str(), r.priority.value()), (interface, priority));
        assert_eq!(
            r.transport,
            Transport::Unicast { peers: vec![peer.parse().unwrap()], check_source: true }
        );
    }
}

#[test]
fn sync_groups_and_shared_tracks() {
    let engine = lower::vrrp(&good(
        r#"
[vrrp.a]
interface = "e"
virtual_router_id = 1
virtual_ipaddress = ["10.0.0.50/24"]
track = ["chk"]
[vrrp.b]
interface = "e"
virtual_router_id = 2
virtual_ipaddress = ["10.0.0.51/24"]
track = ["chk", { interface = "f" }]
[vrrp_script.chk]
script = "/bin/true"
[sync_group.g]
group = ["b", "a"]
"#,
    ))
    .engine;
    assert_eq!(engine.groups()[0].members.iter().map(|m| m.0).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(engine.tracks().len(), 2);
    assert_eq!(engine.routers()[0].tracks[0].track, engine.routers()[1].tracks[0].track);
}

#[test]
fn a_script_lends_its_weight() {
    let weights = |track: &str, script: &str| {
        let config = with_router(&format!(
            "priority = {{ lb1 = 101, lb2 = 100 }}\ntrack = [{track}]\n[vrrp_script.c]\nscript = \"/bin/true\"\n{script}\n"
        ));
        let track = lower::vrrp(&config).engine.routers()[0].tracks[0];
        (track.weight, track.reverse)
    };
    assert_eq!(weights("\"c\"", "weight = 5"), (Some(5), false));
    assert_eq!(weights("\"c\"", "weight = 0"), (None, false));
    assert_eq!(weights("{ script = \"c\", weight = 9 }", "weight = 5\nreverse = true"), (Some(9), true));
    assert_eq!(weights("{ script = \"c\", weight = 0 }", "weight = 5"), (None, false));
}

#[test]
fn weights_that_move_are_accepted() {
    let router =
        |priority: &str, track: &str| router_codes(&format!("priority = {priority}\ntrack = [{track}]"));
    let two = "{ lb1 = 101, lb2 = 100 }";
    let six = "{ lb1 = 101, lb2 = 95 }";
    for (priority, track, refused) in [
        (two, "{ interface = \"x\", weight = 2 }", false),
        (two, "{ interface = \"x\", weight = 1 }", true),
        (two, "{ interface = \"x\", weight = -2 }", false),
        (two, "{ interface = \"x\", weight = -1 }", true),
        (six, "{ interface = \"x\", weight = 6 }", true),
        (six, "{ interface = \"x\", weight = 7 }", false),
        (six, "{ interface = \"x\", weight = 4 }, { interface = \"y\", weight = 4 }", false),
        (six, "{ interface = \"x\", weight = 3 }, { interface = \"y\", weight = -3 }", true),
        (six, "{ file = \"/x\", weight = 1 }", false),
        ("100", "{ interface = \"x\", weight = 1 }", false),
        // The second of three is what has to be outranked.
        ("{ lb1 = 101, lb2 = 50, lb3 = 100 }", "{ interface = \"x\", weight = 2 }", false),
        ("{ lb1 = 101, lb2 = 100, lb3 = 50 }", "{ interface = \"x\", weight = 1 }", true),
        // Priorities are cut at 254: 250 + 20 is not more than 254.
        ("{ lb1 = 254, lb2 = 250 }", "{ interface = \"x\", weight = 20 }", true),
    ] {
        let expected: &[&str] = if refused { &["vrrp-never-moves"] } else { &[] };
        assert_eq!(router(priority, track), expected, "{priority} {track}");
    }
}

#[test]
fn intervals_and_leases() {
    for (keys, expected) in [
        ("advert_int = \"1s\"", &[][..]),
        ("advert_int = \"255s\"", &[]),
        ("advert_int = \"100ms\"", &["vrrp-interval"]),
        ("version = 3\nadvert_int = \"100ms\"", &[]),
        ("version = 3\nadvert_int = \"40950ms\"", &[]),
        ("version = 3\nadvert_int = \"41s\"", &["vrrp-interval"]),
        ("version = 3\nadvert_int = \"15ms\"", &["vrrp-interval"]),
        ("lease = \"2999ms\"", &[]),
        ("lease = \"3s\"", &["vrrp-lease"]),
        ("lease = \"1001ms\"", &[]),
        ("lease = \"1s\"", &["vrrp-lease"]),
        ("lease = \"4s\"\ndown_timer_adverts = 5", &[]),
    ] {
        assert_eq!(router_codes(keys), expected, "{keys}");
    }
}

#[test]
fn secrets_come_from_where_they_are() {
    for value in ["file:vrrp.pass", "env:VRRP_PASS", "cred:vrrp", "s3cr3t42"] {
        let config = with_router(&format!("authentication = {{ auth_pass = \"{value}\" }}"));
        assert_eq!(lower::vrrp(&config).engine.routers()[0].auth_pass, Some(*b"s3cr3t42"), "{value}");
        assert!(!format!("{config:?}").contains("s3cr3t42\""));
    }
    for (value, expected) in [
        ("file:nowhere", "unreadable"),
        ("env:NOWHERE", "unreadable"),
        ("env:", "bad-value"),
        ("cred:../x", "bad-value"),
        ("cred:nowhere", "unreadable"),
        ("file:open.pass", "secret-exposed"),
        ("file:manual.pass", "secret-placeholder"),
        ("YourPassword", "secret-placeholder"),
        ("ninebytes", "auth-pass-length"),
        ("", "auth-pass-length"),
    ] {
        assert_eq!(
            router_codes(&format!("authentication = {{ auth_pass = \"{value}\" }}")),
            [expected],
            "{value}"
        );
    }
}

#[test]
fn diagnostics_do_not_show_secrets() {
    let loaded =
        load("[vrrp.V]\nauthentication = { auth_pass = \"hunter2hunter2\", x = 1 }\nauth_pass = \"hunter3\n");
    let text = loaded.render_human(false) + &loaded.render_json();
    assert!(!loaded.is_valid() && text.contains("auth-pass-length") && !text.contains("hunter"), "{text}");
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
    assert_eq!((f.default_backend.unwrap().0, f.log_format, f.maxconn), (0, LogFormat::Json, Some(100)));
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
    assert_eq!((b.servers.clone(), b.retries, b.redispatch, b.allbackups), (0..2, 0, true, true));
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

#[test]
fn who_is_checked_and_how() {
    assert_eq!(check_of(""), None);
    assert_eq!(check_of("check = false"), None);
    assert_eq!(check_of("default_server = { check = true }").unwrap().kind, CheckKind::Tcp);
    assert_eq!(check_of("check = true").unwrap().kind, CheckKind::Tcp);
    // Saying how turns checks on; the servers' own word is stronger.
    let usual = check_of("httpchk = \"/health\"").unwrap();
    assert_eq!((usual.inter, usual.fall, usual.rise, usual.addr), (Duration::from_secs(2), 3, 2, None));
    let CheckKind::Http(http) = usual.kind else { panic!("an HTTP check") };
    assert_eq!(
        (http.method.as_str(), http.uri.as_str(), http.version),
        ("GET", "/health", HttpVersion::V1_0)
    );
    assert!(http.expect.is_empty());
    assert_eq!(check_of("httpchk = \"/health\"\ndefault_server = { check = false }"), None);
    let elsewhere = check_of("check = true\ndefault_server = { check_port = 81 }").unwrap();
    assert_eq!(elsewhere.addr, Some("10.0.0.1:81".parse().unwrap()));
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
    let CheckKind::Http(http) = check.kind else { panic!("an HTTP check") };
    assert_eq!(http.method, "HEAD");
    let not = Expect::Not(Box::new(Expect::String(b"error".to_vec())));
    assert_eq!(http.expect, [Expect::Status(vec![200..=200, 300..=399]), not]);

    let check = check_of(
        r#"check = [{ send = { method = "POST", uri = "/h", version = "HTTP/1.1", headers = { Host = "a", Accept = "b" }, body = "x" } }]"#,
    )
    .unwrap();
    let CheckKind::Http(http) = check.kind else { panic!("an HTTP check") };
    assert_eq!(
        (http.method.as_str(), http.version, http.body.as_slice()),
        ("POST", HttpVersion::V1_1, &b"x"[..])
    );
    let names: Vec<&str> = http.headers.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["Host", "Accept"], "in the order of the file");
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
