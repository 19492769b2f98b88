//! Maps, and the rules that look into them.

use evenkeel::config::lower;
use evenkeel_proxy::map::{How, MapId, Maps};
use evenkeel_proxy::route::To;
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Action, Edit, Value};

use super::good;

const CONFIG: &str = r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[map.hosts]
nocase = true
file = "hosts.map"
[map.tenants]
match = "end"
entries = { ".example.org" = "org", ".example" = "none" }
[map.networks]
match = "ip"
file = ["networks.map"]
entries = { "10.0.0.0/8" = "inside" }
[frontend.f]
bind = ["*:80"]
default_backend = "a"
http_request = [
  { set_var = { tenant = { map = "tenants", key = "${host}", default = "?" }, plain = "x" } },
]
use_backend = [{ map = "hosts", key = "${host}" }]
[backend.a]
server = [{ name = "s", addr = "10.0.0.1:80" }]
[backend.b]
server = [{ name = "s", addr = "10.0.0.2:80" }]
#@ file hosts.map
# Hosts of the second backend.
B.example b

www.b.example   b
#@ file networks.map
192.0.2.0/24 office, second floor
"#;

#[test]
fn maps_are_read_and_named() {
    let plan = lower::proxy(&good(CONFIG)).plan;
    let all: Vec<(&str, How, bool, usize)> =
        plan.maps().iter().map(|m| (m.name.as_str(), m.how, m.nocase, m.entries.len())).collect();
    assert_eq!(
        all,
        [("hosts", How::Str, true, 2), ("tenants", How::End, false, 2), ("networks", How::Ip, false, 2)]
    );
    let maps = Maps::new(plan.maps()).unwrap();
    let found = |map: u16, text: &str| {
        maps.look(MapId(map), |map| map.look_up(text.as_bytes()).map(|entry| entry.value.to_string()))
            .unwrap()
    };
    assert_eq!(found(0, "b.EXAMPLE").as_deref(), Some("b"));
    assert_eq!(found(2, "192.0.2.9").as_deref(), Some("office, second floor"));
    assert_eq!(found(2, "10.9.9.9").as_deref(), Some("inside"));
    let host = || Template::parse("${host}").unwrap();
    let front = &plan.frontends()[0];
    assert_eq!(front.routes.rules()[0].to, To::Mapped { map: MapId(0), key: host() });
    let set: Vec<&Action> = front.http_request.iter().map(|rule| &rule.action).collect();
    let mapped = Value::Mapped { map: MapId(1), key: host(), default: Some("?".into()) };
    let plain = Value::Text(Template::parse("x").unwrap());
    let variable = |name: &str, value| Action::Edit(Edit::Variable(name.into(), value));
    assert_eq!(set, [&variable("tenant", mapped), &variable("plain", plain)]);
}
