//! Admin sockets, services and statistics pages.

use std::path::Path;
use std::time::Duration;

use evenkeel::admin::Level;
use evenkeel::config::lower;
use evenkeel_proxy::rules::Action;
use evenkeel_proxy::rules::action::Service;

use super::good;

#[test]
fn a_socket_has_what_it_says_and_defaults_that_are_safe() {
    let config = good(
        r#"
[global]
admin_socket = [
    { path = "/run/evenkeel/admin.sock" },
    { path = "/run/haproxy/admin.sock", mode = "600", user = "root", group = "adm", level = "admin", timeout = "2m" },
]
[defaults]
timeout = { connect = "5s", client = "30s", server = "30s" }
[frontend.f]
bind = ["*:80"]
default_backend = "b"
http_request = [{ use_service = "prometheus_exporter", if = { path = "/metrics" } }]
[backend.b]
server = [{ name = "s", addr = "192.0.2.1:80" }]
"#,
    );
    let [usual, other] = &config.global.admin_sockets[..] else { panic!("two sockets") };
    assert_eq!((usual.path.as_path(), usual.mode), (Path::new("/run/evenkeel/admin.sock"), 0o660));
    assert_eq!((usual.level, usual.timeout), (Level::Operator, Duration::from_secs(10)));
    assert_eq!((usual.user.as_deref(), usual.group.as_deref()), (None, None));
    assert_eq!((other.mode, other.level, other.timeout), (0o600, Level::Admin, Duration::from_secs(120)));
    assert_eq!((other.user.as_deref(), other.group.as_deref()), (Some("root"), Some("adm")));
    let plan = lower::proxy(&config).plan;
    assert_eq!(plan.frontends()[0].http_request[0].action, Action::Serve(Service::Prometheus));
}

#[test]
fn a_page_has_what_it_says() {
    let config = good(
        r#"
[listen.stats]
bind = ["*:8404"]
timeout = { client = "10s" }
stats = { uri = "/stats", refresh = "10s", admin_if = "LOCALHOST", auth = { admin = "file:vrrp.pass" }, scope = "." }
[listen.local]
bind = ["127.0.0.1:8405"]
timeout = { client = "10s" }
stats = {}
"#,
    );
    let plan = lower::proxy(&config).plan;
    let [page, local] = plan.frontends() else { panic!("two frontends") };
    let page = page.stats.as_ref().unwrap();
    assert_eq!((page.uri.as_str(), page.refresh), ("/stats", Some(Duration::from_secs(10))));
    assert_eq!((page.scope.clone(), page.admin_if.is_some()), (vec!["stats".to_owned()], true));
    assert!(page.knows(b"admin", b"s3cr3t42") && !page.knows(b"admin", b"********"));
    let local = local.stats.as_ref().unwrap();
    assert_eq!((local.uri.as_str(), local.refresh), ("/haproxy?stats", None));
    assert!(local.users.is_empty() && local.admin_if.is_none() && !local.hide_version);
}

/// The worker loads what the keeper has read; of that it needs these passwords, and others are hidden from it.
#[test]
fn the_worker_knows_the_passwords_of_pages() {
    let text = "[listen.s]\nbind = [\"*:84\"]\ntimeout = { client = \"1s\" }\n\
                stats = { auth = { a = \"file:vrrp.pass\", b = \"sesame open\" } }\n";
    let loaded = super::load(text);
    let sources = loaded.sources.for_worker();
    let again = evenkeel::config::load_from_sources(&sources, "a");
    let plan = lower::proxy(&again.config.unwrap()).plan;
    let page = plan.frontends()[0].stats.clone().unwrap();
    assert!(page.knows(b"a", b"s3cr3t42") && page.knows(b"b", b"sesame open"));
}
