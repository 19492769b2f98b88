//! Virtual routers: values per node, secrets, the protocol's limits, lowering to the engine.

use std::time::Duration;

use evenkeel::config::lower;
use evenkeel::config::model::Config;
use evenkeel_vrrp::config::{ChecksumForm, Preempt, TrackKind, Transport, VipMismatch};
use evenkeel_vrrp::types::{AuthPass, Family, Version};

use super::{Machine, codes, good, load, web};

/// A valid configuration with one virtual router, whose keys are added.
fn with_router(keys: &str) -> Config {
    good(&format!(
        "[vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n{keys}\n"
    ))
}

fn router_codes(keys: &str) -> Vec<&'static str> {
    codes(&format!(
        "[vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\nvirtual_ipaddress = [\"10.0.0.50/24\"]\n{keys}\n"
    ))
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
    assert_eq!(r.auth_pass, Some(AuthPass(*b"s3cr3t\0\0")));
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
        assert_eq!(
            lower::vrrp(&config).engine.routers()[0].auth_pass,
            Some(AuthPass(*b"s3cr3t42")),
            "{value}"
        );
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cr3t42") && !shown.contains("115, 51, 99"), "{shown}");
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
