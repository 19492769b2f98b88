//! Scripts in the real binary, over every protocol, and what bad ones do to it.

use std::process::Command;

use evenkeel_tests::lab::node::{Role, binary};
use evenkeel_tests::lab::scratch::Scratch;

use super::site::{FRONT, Site};

const SCRIPT: &str = r#"
core.register_action("greet", { "http-req" }, function(txn, word)
    local name = txn.f:urlp("name")
    if name == nil then return act.DENY end
    local reply = txn:reply{ status = 200, headers = { ["x-from"] = { txn.f:src() } } }
    reply:set_body(word .. " " .. name .. "\n")
    txn:done(reply)
end, 1)
core.register_action("mark", { "http-res" }, function(txn)
    txn.http:res_set_header("x-marked", txn.f:method() .. txn.f:status())
end)
core.register_fetches("is_slow", function(txn) return txn.sf:path():find("^/slow") ~= nil end)
core.register_action("loop", { "http-req" }, function() while true do pcall(function() while true do end end) end end)
core.register_action("bomb", { "http-req" }, function()
    local all = {}
    while true do all[#all + 1] = ("x"):rep(1000) .. #all end
end)
core.register_action("fail", { "http-req" }, function(txn) txn.f:nothing() end)
"#;

const RULES: &str = "http_request = [\n\
     { lua = \"greet\", args = \"hello\", if = { path = \"/greet\" } },\n\
     { lua = \"loop\", if = { path = \"/loop\" } },\n\
     { lua = \"bomb\", if = { path = \"/bomb\" } },\n\
     { lua = \"fail\", if = { path = \"/fail\" } },\n\
     { return = { status = 200, string = \"slow\" }, if = { lua_true = \"is_slow\" } },\n\
     { use_service = \"prometheus_exporter\", if = { path = \"/metrics\" } },\n]\n\
     http_response = [{ lua = \"mark\" }]\n";

#[test]
fn scripts_answer_and_bad_ones_end_nothing_but_their_request() {
    let config = format!("[lua]\nload = \"site.lua\"\n{FRONT}bind = [\"*:80\"]\n{RULES}");
    let site = Site::start(&config, |files| files.write("site.lua", SCRIPT));
    let worker = site.node.pid(Role::Worker);
    let code = "--output /dev/null --write-out %{http_code}";
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let get = |args: &str, path: &str| {
            site.curl(&format!("{protocol} {args}"), &format!("http://10.77.0.1{path}"))
        };
        assert_eq!(get("", "/greet?name=you").as_deref(), Ok("hello you\n"));
        assert_eq!(get(code, "/greet").as_deref(), Ok("403"));
        assert_eq!(get("", "/slow/x").as_deref(), Ok("slow"));
        let head = get("--include", "/else").expect("an answer");
        assert!(head.contains("x-marked: GET200\r\n") && head.ends_with("ok s1\n"), "{head}");
        for path in ["/loop", "/bomb", "/fail"] {
            assert_eq!(get(code, path).as_deref(), Ok("500"), "{path}");
            assert_eq!(get("", "/else").as_deref(), Ok("ok s1\n"), "after {path}");
        }
    }
    // All threads at once, again and again: the others are served, and no thread is taken for one that hangs.
    let many = "http://10.77.0.1/loop http://10.77.0.1/bomb http://10.77.0.1/else ".repeat(50);
    let said = site.curl("--parallel --parallel-immediate --parallel-max 30", &many).expect("answers");
    assert_eq!(said.matches("ok s1").count(), 50, "{said}");
    assert_eq!(site.curl("", "http://10.77.0.1/greet?name=you").as_deref(), Ok("hello you\n"));
    assert_eq!(site.node.pid(Role::Worker), worker, "the worker has not been replaced");
    let metrics = site.curl("", "http://10.77.0.1/metrics?scope=evenkeel").expect("metrics");
    let errors = metrics.lines().find_map(|line| line.strip_prefix("evenkeel_lua_errors_total "));
    assert!(errors.is_some_and(|n| n.parse::<u64>().is_ok_and(|n| n >= 100)), "{errors:?}");
}

const CONFIG: &str = "[lua]\nload = \"site.lua\"\n\
     [defaults]\ntimeout = { connect = \"5s\", client = \"50s\", server = \"50s\" }\n\
     [frontend.web]\nbind = \"*:80\"\ndefault_backend = \"app\"\n\
     http_request = [{ lua = \"greet\", args = \"hello\", if = { path = \"/greet\" } }]\n\
     use_backend = [{ backend = \"app\", if = { lua_true = \"is_slow\" } }]\n\
     http_response = [{ lua = \"mark\" }]\n\
     [backend.app]\nserver = [{ name = \"s1\", addr = \"10.0.0.1:80\" }]\n";

fn evenkeel(scratch: &Scratch, args: &[&str]) -> (bool, String) {
    let file = scratch.path().join("evenkeel.toml");
    let out = Command::new(binary()).args(args).args(["--node", "lb1", "-c"]).arg(file).output();
    let out = out.expect("run the binary");
    let text = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8(text).expect("text"))
}

#[test]
fn check_tells_what_scripts_register_and_where_they_are_wrong() {
    let scratch = Scratch::new("lua");
    scratch.write("evenkeel.toml", CONFIG);
    scratch.write("site.lua", SCRIPT);
    let (ok, text) = evenkeel(&scratch, &["check"]);
    assert!(ok, "{text}");
    assert!(
        text.ends_with("lua registers actions greet, mark, loop, bomb, fail; fetches is_slow\n"),
        "{text}"
    );
    let (ok, text) = evenkeel(&scratch, &["explain", "request", "--path", "/greet"]);
    assert!(ok, "{text}");
    for line in [
        "yes web http_request rule 1: lua greet,hello, which is not run here\n",
        "no  web use_backend rule 1: use_backend app\n    lua(is_slow), which is not run here, says yes (no)\n",
        "yes web http_response rule 1: lua mark, which is not run here\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    scratch.write("site.lua", &format!("{SCRIPT}\nlocal x = 1\nx.y.z = 1\n"));
    let (ok, text) = evenkeel(&scratch, &["check"]);
    assert!(!ok);
    assert!(
        text.contains("error[script]: site.lua:21: attempt to index a number value (local 'x')"),
        "{text}"
    );
}
