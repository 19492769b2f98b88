//! What `evenkeel explain request` tells of requests.

use std::process::Command;

use evenkeel_tests::lab::node::binary;
use evenkeel_tests::lab::scratch::Scratch;
use serde_json::Value;

const CONFIG: &str = r#"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[acl]
is_admin_path = { path_beg = "/admin" }
is_admin_ip = { src = "192.0.2.0/24" }
[frontend.web]
bind = "*:80"
default_backend = "app"
http_request = [
  { deny = 403, if = ["is_admin_path", "!is_admin_ip"] },
  { set_header = { X-Host = "${host}" } },
  { set_path = "/v2${path}", if = { path_beg = "/api" } },
]
use_backend = [{ backend = "inside", if = { path_beg = "/v2" } }]
http_response = [{ del_header = "Server" }]
[backend.app]
http_request = [{ use_service = "prometheus_exporter", if = { path = "/metrics" } }]
server = [{ name = "s1", addr = "10.0.0.1:80" }]
[backend.inside]
balance = "uri"
server = [{ name = "a", addr = "10.0.0.2:80" }, { name = "b", addr = "10.0.0.3:80", weight = 3 }]
"#;

fn explain(scratch: &Scratch, args: &[&str]) -> (bool, String) {
    let file = scratch.path().join("evenkeel.toml");
    let out = Command::new(binary())
        .args(["explain", "request", "--node", "lb1", "-c"])
        .arg(file)
        .args(args)
        .output()
        .expect("run the binary");
    let text = if out.status.success() { out.stdout } else { out.stderr };
    (out.status.success(), String::from_utf8(text).expect("text"))
}

#[test]
fn requests_are_explained() {
    let scratch = Scratch::new("explain");
    scratch.write("evenkeel.toml", CONFIG);
    let (ok, text) = explain(&scratch, &["--path", "/%61dmin/", "--src", "198.51.100.7"]);
    assert!(ok, "{text}");
    assert_eq!(
        text,
        "GET /%61dmin/ for localhost from 198.51.100.7 to web\n\n\
         yes web http_request rule 1: deny with 403\n    all of (yes)\n      \
         path begins with \"/admin\": it is \"/admin/\", sent as \"/%61dmin/\" (yes)\n      not (yes)\n        \
         source is in 192.0.2.0-192.0.2.255: it is 198.51.100.7 (no)\n\n=> answered with 403 by the last rule\n"
    );
    let (ok, text) = explain(&scratch, &["--path", "/api/x", "--host", "A.example:81", "--json"]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert!(ok);
    assert_eq!(json["fate"]["backend"], "inside", "{text}");
    assert_eq!(json["changes"]["path"], "/v2/api/x");
    assert_eq!(json["changes"]["fields"][0], "X-Host: a.example");
    let holds: Vec<_> =
        json["steps"].as_array().expect("steps").iter().map(|s| &s["condition"]["holds"]).collect();
    assert_eq!(holds, [false, true, true, true, true]);
    let (ok, text) = explain(&scratch, &[]);
    assert!(ok && text.contains("=> backend app by default"), "{text}");
    assert!(text.ends_with("-> s1 10.0.0.1:80 weight 1\n"), "{text}");
    let (ok, text) = explain(&scratch, &["--path", "/metrics"]);
    assert!(ok && text.ends_with("=> answered with 200 by the last rule\n"), "{text}");
    let (_, text) = explain(&scratch, &["--header", "a b"]);
    assert!(text.ends_with("=> it is no request, and refused with 400\n"), "{text}");
    let (ok, text) = explain(&scratch, &["--frontend", "wbe"]);
    assert!(!ok && text.contains("there are web"), "{text}");
}
