//! Servers that have a name: from the file to the plan.

use std::time::Duration;

use evenkeel::config::lower;
use evenkeel_proxy::names::{Hold, InitAddr, Name, Prefer, Resolvers, ResolversId};
use evenkeel_proxy::plan::ServerAddr;

use super::{TIMEOUTS, codes, good};

fn with(server: &str, resolvers: &str) -> String {
    format!("{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nserver = [{{ name = \"s\", {server} }}]\n{resolvers}")
}

const DNS: &str = "[resolvers.dns]\nnameserver = \"10.0.0.2:53\"\n";

#[test]
fn a_name_finds_its_resolvers() {
    let plan = lower::proxy(&good(&with(r#"addr = "App.Example.com:8080""#, DNS))).plan;
    let name = Name {
        host: "app.example.com".into(),
        port: Some(8080),
        resolvers: ResolversId(0),
        prefer: Prefer::V6,
        init: [InitAddr::Last, InitAddr::None].into(),
    };
    assert_eq!(plan.servers()[0].addr, ServerAddr::Named(name.clone()));
    let second = Duration::from_secs(1);
    let defaults = Resolvers {
        name: "dns".into(),
        nameservers: vec!["10.0.0.2:53".parse().unwrap()],
        hold: Hold::default(),
        retries: 3,
        answer_within: second,
        every: second,
        payload_bytes: 1232,
    };
    assert_eq!(plan.resolvers(), [defaults]);

    let two = format!(
        "{DNS}[resolvers.other]\nnameserver = [\"10.0.0.3:53\", \"[fd00::3]:5353\"]\nresolve_retries = 1\n\
         accepted_payload_size = 4096\n\
         hold = {{ valid = \"5s\", obsolete = \"1m\", nx = \"2s\", timeout = \"3s\", refused = \"4s\", other = \"6s\" }}\n\
         timeout = {{ resolve = \"7s\", retry = \"500ms\" }}\n"
    );
    let server = r#"addr = "app.example.com:8080", resolvers = "other", resolve_prefer = "ipv4""#;
    let plan = lower::proxy(&good(&with(server, &two))).plan;
    let name = Name { resolvers: ResolversId(1), prefer: Prefer::V4, ..name };
    assert_eq!(plan.servers()[0].addr, ServerAddr::Named(name));
    let seconds = Duration::from_secs;
    let said = &plan.resolvers()[1];
    assert_eq!(said.nameservers.len(), 2);
    assert_eq!(said.payload_bytes, 4096);
    assert_eq!((said.retries, said.every, said.answer_within), (1, seconds(7), Duration::from_millis(500)));
    let hold = Hold {
        valid: seconds(5),
        obsolete: seconds(60),
        nx: seconds(2),
        timeout: seconds(3),
        refused: seconds(4),
        other: seconds(6),
    };
    assert_eq!(said.hold, hold);
}

#[test]
fn a_name_nobody_is_asked_for_is_refused() {
    let named = r#"addr = "app.example.com:80""#;
    assert_eq!(codes(&with(named, "")), ["missing-key"]);
    let two = format!("{DNS}[resolvers.other]\nnameserver = \"10.0.0.3:53\"\n");
    assert_eq!(codes(&with(named, &two)), ["missing-key"], "which of them");
    assert_eq!(codes(&with(&format!("{named}, resolvers = \"dsn\""), DNS)), ["undefined"]);
    for bad in ["app.example.com", "app.example.com:0", "-a.example:80", "10.0.0.300:80", "a..b:80", "a b:80"]
    {
        assert_eq!(codes(&with(&format!("addr = \"{bad}\""), DNS)), ["bad-address"], "{bad}");
    }
}

fn plan(backend: &str) -> Vec<evenkeel_proxy::plan::Server> {
    let config = format!("{TIMEOUTS}{DNS}[backend.b]\n{backend}\n");
    lower::proxy(&good(&config)).plan.servers().to_vec()
}

#[test]
fn a_template_makes_servers_that_share_a_name() {
    let servers = plan(
        r#"default_server = { resolvers = "dns", resolve_prefer = "ipv4", init_addr = "none" }
        server = [{ name = "own", addr = "192.0.2.1:80" }, { name = "other", addr = "a.test:80", init_addr = ["last", "192.0.2.9"] }]
        server_template = [
          { prefix = "web", range = "2", addr = "Web.Test:8080", weight = 7 },
          { prefix = "svc", range = "9-10", addr = "_http._tcp.web.test", resolve_prefer = "ipv6" },
        ]"#,
    );
    let told: Vec<_> = servers.iter().map(|s| (s.name.as_str(), s.weight)).collect();
    assert_eq!(told, [("own", 1), ("other", 1), ("web1", 7), ("web2", 7), ("svc9", 1), ("svc10", 1)]);
    let name = |at: usize| match &servers[at].addr {
        ServerAddr::Named(name) => (&*name.host, name.port, name.prefer, name.init.to_vec()),
        ServerAddr::Fixed(_) => panic!("{at} has a name"),
    };
    let there = InitAddr::Ip("192.0.2.9".parse().unwrap());
    assert_eq!(name(1), ("a.test", Some(80), Prefer::V4, vec![InitAddr::Last, there]));
    assert_eq!(name(2), ("web.test", Some(8080), Prefer::V4, vec![InitAddr::None]));
    assert_eq!(servers[2].addr, servers[3].addr);
    assert_eq!(name(4), ("_http._tcp.web.test", None, Prefer::V6, vec![InitAddr::None]));
}

#[test]
fn templates_and_names_that_cannot_be_are_refused() {
    let template = |keys: &str| format!("{TIMEOUTS}{DNS}[backend.b]\nserver_template = [{{ {keys} }}]\n");
    for (keys, code) in [
        (r#"prefix = "w", range = "0", addr = "a.test:80""#, "bad-value"),
        (r#"prefix = "w", range = "3-2", addr = "a.test:80""#, "bad-value"),
        (r#"prefix = "w", range = "x", addr = "a.test:80""#, "bad-value"),
        (r#"prefix = "w", range = "5000", addr = "a.test:80""#, "bad-value"),
        (r#"prefix = "w", range = "3", addr = "192.0.2.1:80""#, "bad-address"),
        (r#"prefix = "w", range = "3", addr = "_http._tcp.a.test:80""#, "bad-address"),
        (r#"prefix = "w", range = "3""#, "missing-key"),
        (r#"prefix = "w", range = "3", addr = "a.test:80", name = "x""#, "unknown-key"),
        (r#"prefix = "w", range = "3", addr = "a.test:80", init_addr = "libc""#, "bad-address"),
        (
            r#"prefix = "w", range = "3", addr = "_http._tcp.a.test", init_addr = "192.0.2.1""#,
            "bad-combination",
        ),
        (r#"prefix = "w", range = "3", addr = "a.test:80", resolvers = "dsn""#, "undefined"),
    ] {
        assert_eq!(codes(&template(keys)), [code], "{keys}");
    }
    let long = "w".repeat(63);
    let keys = format!(r#"prefix = "{long}", range = "10", addr = "a.test:80""#);
    assert_eq!(codes(&template(&keys)), ["bad-name"]);
    let twice =
        format!("{}[backend.c]\n{}", template(r#"prefix = "w", range = "2", addr = "a.test:80""#), "");
    assert_eq!(codes(&twice), ["no-server"]);
    assert_eq!(codes(&format!("{TIMEOUTS}[resolvers.dns]\nresolve_retries = 1\n")), ["missing-key"]);
}
