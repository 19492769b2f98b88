//! Servers that have a name: from the file to the plan.

use std::time::Duration;

use evenkeel::config::lower;
use evenkeel_proxy::names::{Hold, Name, Prefer, Resolvers, ResolversId};
use evenkeel_proxy::plan::ServerAddr;

use super::{TIMEOUTS, codes, good};

fn with(server: &str, resolvers: &str) -> String {
    format!("{TIMEOUTS}[listen.l]\nbind = \"*:80\"\nserver = [{{ name = \"s\", {server} }}]\n{resolvers}")
}

const DNS: &str = "[resolvers.dns]\nnameserver = \"10.0.0.2:53\"\n";

#[test]
fn a_name_finds_its_resolvers() {
    let plan = lower::proxy(&good(&with(r#"addr = "App.Example.com:8080""#, DNS))).plan;
    let name =
        Name { host: "app.example.com".into(), port: 8080, resolvers: ResolversId(0), prefer: Prefer::V6 };
    assert_eq!(plan.servers()[0].addr, ServerAddr::Named(name.clone()));
    let second = Duration::from_secs(1);
    let defaults = Resolvers {
        name: "dns".into(),
        nameservers: vec!["10.0.0.2:53".parse().unwrap()],
        hold: Hold::default(),
        retries: 3,
        answer_within: second,
        every: second,
    };
    assert_eq!(plan.resolvers(), [defaults]);

    let two = format!(
        "{DNS}[resolvers.other]\nnameserver = [\"10.0.0.3:53\", \"[fd00::3]:5353\"]\nresolve_retries = 1\n\
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
