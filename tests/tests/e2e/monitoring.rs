//! A real Prometheus, as Debian has it, scrapes a node; the alerts and the dashboard that come with the product are asked of
//! it.

use std::process::{Command, Stdio};

use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until};
use evenkeel_tests::lab::{Backend, Lab, Node};
use serde_json::Value;

const CONFIG: &str = "[global]\nnbthread = 1\n\
     [defaults]\ntimeout = { connect = \"1s\", client = \"10s\", server = \"10s\" }\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\"]\ndefault_backend = \"app\"\n\
     [frontend.metrics]\nbind = [\"10.77.0.1:9101\"]\n\
     http_request = [{ use_service = \"prometheus_exporter\" }]\n\
     [backend.app]\nserver = [\n\
     { name = \"s1\", addr = \"10.77.0.11:8080\", check = true, inter = \"100ms\", fall = 1, rise = 1 },\n]\n\
     [vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\nversion = 3\npriority = 200\nadvert_int = \"100ms\"\n\
     virtual_ipaddress = [\"10.77.0.50/24\"]\n";

const PROMETHEUS: &str = "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [\"@/alerts.yml\"]\n\
     scrape_configs:\n- job_name: evenkeel\n  static_configs: [{ targets: [\"10.77.0.1:9101\"] }]\n";

const ALERTS: &str = include_str!("../../../appliance/share/alerts.yml");
const DASHBOARD: &str = include_str!("../../../appliance/share/grafana.json");

/// Prometheus' answer to a path of its interface, if it is content.
fn ask(host: &Host, path: &str, query: Option<&str>) -> Option<Value> {
    let mut args = vec!["-sS".to_owned(), "--max-time".to_owned(), "5".to_owned(), "-G".to_owned()];
    args.extend(query.iter().flat_map(|query| ["--data-urlencode".to_owned(), format!("query={query}")]));
    args.push(format!("http://127.0.0.1:9090/api/v1/{path}"));
    let out = host.ns.run(move || Command::new("curl").args(args).stdin(Stdio::null()).output()).ok()?;
    let answer: Value = serde_json::from_slice(&out.stdout).ok()?;
    (answer.get("status")? == "success").then(|| answer.get("data").cloned())?
}

/// What a query finds: a list of series.
fn query(host: &Host, query: &str) -> Vec<Value> {
    let found = ask(host, "query", Some(query)).unwrap_or_else(|| panic!("Prometheus refuses {query}"));
    found.get("result").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The queries of all panels, for this node and all proxies.
fn panels() -> Vec<(String, Vec<String>)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("a dashboard");
    let panels = dashboard["panels"].as_array().expect("panels").clone();
    let filled = |text: &str| {
        let text = text.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$proxy", ".*");
        assert!(!text.contains('$'), "{text}");
        text
    };
    let queries = |panel: &Value| -> Vec<String> {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.iter().filter_map(|t| Some(filled(t["expr"].as_str()?))).collect()
    };
    panels.iter().map(|panel| (panel["title"].as_str().unwrap_or("").to_owned(), queries(panel))).collect()
}

#[test]
fn prometheus_scrapes_and_alerts_and_fills_the_dashboard() {
    let lab = Lab::new();
    let server = Backend::start(&lab.servers, "s1", [10, 77, 0, 11].into());
    let node = Node::start(&lab.a, CONFIG);
    node.wait_fit();
    let host = &lab.client;
    let prometheus = Peer::start(
        host,
        "/usr/bin/prometheus",
        "prometheus",
        &[
            "--config.file=@/prometheus.yml",
            "--storage.tsdb.path=@/data",
            "--web.listen-address=127.0.0.1:9090",
        ],
        |scratch| {
            let dir = scratch.path().to_str().expect("a path in UTF-8").to_owned();
            scratch.write("alerts.yml", ALERTS);
            scratch.write("prometheus.yml", &PROMETHEUS.replace('@', &dir));
        },
    );
    let target = until("the node is scraped", 3 * SOON, || {
        let targets = ask(host, "targets", None)?;
        targets.pointer("/activeTargets/0").filter(|t| t["health"] != "unknown").cloned()
    });
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{}", prometheus.log());

    let served = || {
        let url = ["-s", "-o", "/dev/null", "--max-time", "5", "http://10.77.0.1/"];
        host.ns
            .run(move || Command::new("curl").args(url).stdin(Stdio::null()).status())
            .is_ok_and(|s| s.success())
    };
    // A rate wants two looks, with something between them.
    until("requests have a rate", 3 * SOON, || {
        assert!(served());
        (!query(host, "rate(haproxy_server_http_responses_total{code=\"2xx\"}[1m]) > 0").is_empty())
            .then_some(())
    });
    let idle = ["Since a peer was last heard"];
    for (title, queries) in panels() {
        for text in queries {
            let found = query(host, &text);
            assert!(!found.is_empty() || idle.contains(&title.as_str()), "{title} is empty: {text}");
        }
    }
    let rules = ask(host, "rules", None).expect("rules");
    for group in rules["groups"].as_array().expect("groups") {
        for rule in group["rules"].as_array().expect("rules of a group") {
            assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
        }
    }
    let alerts = || {
        query(host, "ALERTS")
            .iter()
            .filter_map(|a| Some(a["metric"]["alertname"].as_str()?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(alerts(), [""; 0], "all is well");
    drop(server);
    until("somebody is told", 3 * SOON, || {
        let told = alerts();
        ["EvenkeelBackendDown", "EvenkeelServerDown"]
            .iter()
            .all(|name| told.iter().any(|t| t == name))
            .then_some(())
    });
    drop(node);
}
