//! Admin sockets and services.

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
