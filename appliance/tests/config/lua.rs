//! Scripts, and the rules that call them.

use std::time::Duration;

use evenkeel::config::{self, lower};
use evenkeel_proxy::lua::{Kind, Limits, OnError};
use evenkeel_proxy::rules::ResponseAction;
use evenkeel_proxy::rules::{Action, Edit, Matcher, Test, Value};

use super::good;

const CONFIG: &str = r#"
[lua]
load = ["lib/tiers.lua", "site.lua"]
memory = "8MiB"
time = "20ms"
on_error = "continue"
[defaults]
timeout = { connect = "5s", client = "50s", server = "50s" }
[frontend.f]
bind = ["*:80"]
default_backend = "b"
http_request = [
  { lua = "check", args = ["a", "b,c"] },
  { set_header = { X-T = "<${lua(tier,x,y)}>" } },
  { set_var = { short = { lua = "shorten,8", key = "${path}", default = "?" } } },
  { deny = 403, if = { lua = { "tier,x" = ["gold", "silver"] }, lua_true = ["tier,y", "tier"] } },
]
http_response = [{ lua = "mark" }]
[backend.b]
balance = { hash = "${lua(tier)}" }
server = [{ name = "s", addr = "10.0.0.1:80" }]
#@ file lib/tiers.lua
return { of = function(x) return x end }
#@ file site.lua
local tiers = require("tiers")
core.register_action("check", { "http-req" }, function(txn, x, y) end, 2)
core.register_action("mark", { "http-req", "http-res" }, function(txn) end)
core.register_fetches("tier", function(txn, x) return tiers.of(x) end)
core.register_converters("shorten", function(text, most) return text:sub(1, most) end)
"#;

#[test]
fn scripts_are_run_and_named() {
    let config = good(CONFIG);
    let plan = lower::proxy(&config).plan;
    let program = plan.lua().unwrap();
    assert_eq!(program.limits, Limits { memory: 8 << 20, time: Duration::from_millis(20) });
    assert_eq!(program.on_error, OnError::Continue);
    let names: Vec<(Kind, &str)> = program.functions().iter().map(|f| (f.kind, &*f.name)).collect();
    assert_eq!(
        names,
        [
            (Kind::Action, "check"),
            (Kind::Action, "mark"),
            (Kind::Fetch, "tier"),
            (Kind::Converter, "shorten")
        ]
    );
    let front = &plan.frontends()[0];
    let [check, header, variable, deny] = &front.http_request[..] else { panic!("{:?}", front.http_request) };
    let Action::Lua(call) = &check.action else { panic!("{check:?}") };
    assert_eq!((&*call.name, call.args.join("|").as_str(), call.function.0), ("check", "a|b,c", 0));
    assert_eq!(header.action.to_string(), "set_header X-T: <${lua(tier,x,y)}>");
    let Action::Edit(Edit::Variable(_, Value::Converted { by, default, .. })) = &variable.action else {
        panic!("{variable:?}")
    };
    assert_eq!((by.to_string().as_str(), default.as_deref(), by.function.0), ("shorten,8", Some("?"), 3));
    let Matcher::All(when) = &deny.when else { panic!("{deny:?}") };
    assert!(format!("{when:?}").contains("Fetched"), "{when:?}");
    let ResponseAction::Lua(mark) = &front.http_response.rules()[0].action else { panic!("no script") };
    assert_eq!(mark.function.0, 1);
    assert!(plan.wants_destination(), "a script may ask for it");
    // The worker has no files but those that were handed over.
    let loaded = super::load(CONFIG);
    let again = config::load_from_sources(&loaded.sources, "lb1");
    assert_eq!(lower::proxy(&again.config.unwrap()).plan.lua(), Some(program));
}

#[test]
fn without_a_section_there_are_none() {
    let config = good(
        "[frontend.f]\nbind = [\"*:80\"]\ndefault_backend = \"b\"\n[backend.b]\nserver = [{ name = \"s\", addr = \
         \"10.0.0.1:80\" }]\n[defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }\n",
    );
    assert!(lower::proxy(&config).plan.lua().is_none());
}

#[test]
fn a_matcher_asks_a_fetch() {
    let plan = lower::proxy(&good(CONFIG)).plan;
    let mut found = Vec::new();
    collect(&plan.frontends()[0].http_request[3].when, &mut found);
    let asked: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        asked,
        [
            "lua(tier,x), which is not run here, is one of \"gold\", \"silver\"",
            "lua(tier,y), which is not run here, says yes",
            "lua(tier), which is not run here, says yes"
        ]
    );
}

fn collect<'m>(matcher: &'m Matcher, found: &mut Vec<&'m Test>) {
    match matcher {
        Matcher::All(parts) | Matcher::Any(parts) => parts.iter().for_each(|part| collect(part, found)),
        Matcher::Not(part) => collect(part, found),
        Matcher::Test(test) => found.push(test),
    }
}
