//! Scripts that rules call: the same ones in HAProxy and here, and what one that fails does to its neighbours.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_proxy::io::scripts::CLOCK;
use evenkeel_proxy::lua::{Kind, Limits, OnError, Program, Script};
use evenkeel_proxy::page::StatsPage;
use evenkeel_proxy::rules::ResponseAction;
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{
    Action, Call, Edit, How, Matcher, ResponseRule, ResponseRules, Rule, Test, Texts, Value,
};

use super::changes::{asked, echoing};
use super::common::{Client, Scripted, Setup, TestProxy, answering, field, gist, status};
use super::oracle::Haproxy;

fn program(text: &str, on_error: OnError) -> Arc<Program> {
    let script = Script { name: "s.lua".into(), text: text.as_bytes().into() };
    let limits = Limits { time: Duration::from_millis(20), ..Limits::default() };
    Arc::new(Program::load(vec![script], limits, on_error, CLOCK).unwrap())
}

fn call(program: &Program, kind: Kind, name: &str, args: &[&str]) -> Call {
    let (function, _) = program.find(kind, name).unwrap();
    Call { function, name: name.into(), args: args.iter().map(|&a| a.into()).collect() }
}

fn action(program: &Program, name: &str) -> Action {
    Action::Lua(call(program, Kind::Action, name, &[]))
}

fn under(prefix: &str) -> Matcher {
    Matcher::Test(Test::Path(Texts::new(How::Prefix, false, vec![prefix.into()]).unwrap()))
}

fn template(program: &Program, text: &str) -> Template {
    Template::parse_with(text, &|name| Some(program.find(Kind::Fetch, name)?.0)).unwrap()
}

/// A script as operators of HAProxy have them.
const COMMON: &str = r#"
core.register_action("fields", { "http-req" }, function(txn)
    local all = txn.http:req_get_headers()
    txn.http:req_add_header("x-add", "1")
    txn.http:req_add_header("x-add", "2")
    txn.http:req_set_header("x-set", txn.sf:req_hdr("x-one") .. "/" .. txn.sf:req_hdr("none"))
    txn.http:req_del_header("x-gone")
    txn.http:req_set_header("x-first", all["x-many"] and all["x-many"][0] or "none")
    txn.http:req_set_header("x-second", all["x-many"] and all["x-many"][1] or "none")
    txn:set_var("txn.asked", "by " .. txn.f:method())
    txn:Info("seen")
end)
core.register_action("line", { "http-req" }, function(txn)
    local what = txn.sf:urlp("do")
    if what == "path" then txn.http:req_set_path("/other") end
    if what == "query" then txn.http:req_set_query("new=1") end
    if what == "uri" then txn.http:req_set_uri("/all?new") end
    if what == "method" then txn.http:req_set_method("OPTIONS") end
end)
core.register_action("facts", { "http-req" }, function(txn)
    local function told(name, ...)
        local value = txn.f[name](txn.f, ...)
        txn.http:req_set_header("x-" .. name:gsub("_", "-"), type(value) .. ":" .. tostring(value))
    end
    told("path") told("url") told("query") told("method") told("base")
    told("req_hdr", "x-list") told("req_hdr", "x-list", 1) told("req_fhdr", "x-list") told("req_hdr_cnt", "x-list")
    told("req_cook", "b") told("urlp", "a") told("req_ver") told("src") told("ssl_fc") told("var", "txn.none")
    txn.http:req_set_header("x-conv", txn.c:lower("ABC") .. txn.c:upper("abc") .. txn.c:base64("hello") .. txn.c:hex("az"))
    txn.http:req_set_header("x-dec", txn.c:url_dec("a%20b+c") .. txn.c:b64dec("aGVsbG8=") .. txn.sc:length("abc"))
end)
core.register_action("deny", { "http-req" }, function(txn) return act.DENY end)
core.register_action("invalid", { "http-req" }, function(txn) return act.INVALID end)
core.register_action("failing", { "http-req" }, function(txn)
    txn.http:req_set_header("x-before", "1")
    error("no")
end)
core.register_action("answer", { "http-req" }, function(txn)
    local reply = txn:reply{ status = 429, headers = { ["x-a"] = { "1", "2" } }, body = "slow down" }
    reply:add_header("x-b", "3")
    txn:done(reply)
end)
core.register_action("stop", { "http-req" }, function(txn) return act.STOP end)
core.register_action("response", { "http-res" }, function(txn)
    local all = txn.http:res_get_headers()
    txn.http:res_set_header("x-length", all["content-length"][0])
    txn.http:res_add_header("x-status", tostring(txn.f:status()))
    txn.http:res_del_header("x-hidden")
    txn.http:res_set_header("x-asked", txn:get_var("txn.asked") or "nothing")
    if txn.f:res_hdr("x-mode") == "teapot" then txn.http:res_set_status(503) end
end)
core.register_fetches("tier", function(txn, of)
    local name = txn.f:req_hdr("x-tier")
    if name == "none" then return nil end
    return of .. "-" .. (name or "basic")
end)
core.register_fetches("is_bot", function(txn) return (txn.sf:req_hdr("user-agent"):find("bot", 1, true)) ~= nil end)
core.register_converters("backwards", function(text) return text:reverse() end)
"#;

fn ours(program: &Arc<Program>, server: SocketAddr) -> TestProxy {
    let mut setup = Setup::new(&[server]);
    setup.lua = Some(Arc::clone(program));
    let of_path = |path: &str, name: &str| Rule { when: under(path), action: action(program, name) };
    let set = |when, name: &str, text: &str| Rule {
        when,
        action: Action::Edit(Edit::Set(name.into(), template(program, text))),
    };
    let bot = Matcher::Test(Test::IsFetched(call(program, Kind::Fetch, "is_bot", &[])));
    let gold = Texts::new(How::Exact, false, vec!["a-gold".into()]).unwrap();
    let gold = Matcher::Test(Test::Fetched(call(program, Kind::Fetch, "tier", &["a"]), gold));
    let by = call(program, Kind::Converter, "backwards", &[]);
    let backwards = Value::Converted { by, of: template(program, "${path}"), default: None };
    setup.frontend.http_request = vec![
        of_path("/fields", "fields"),
        of_path("/line", "line"),
        of_path("/facts", "facts"),
        of_path("/deny", "deny"),
        of_path("/invalid", "invalid"),
        of_path("/failing", "failing"),
        of_path("/answer", "answer"),
        set(under("/fetch"), "x-tier-of", "<${lua(tier,a)}>"),
        set(gold, "x-gold", "1"),
        set(bot, "x-bot", "1"),
        Rule { when: under("/convert"), action: Action::Edit(Edit::Variable("txn.back".into(), backwards)) },
        set(under("/convert"), "x-back", "${var(txn.back)}"),
        of_path("/stop", "stop"),
        set(Matcher::All(Vec::new()), "x-last", "1"),
    ];
    let lua = ResponseAction::Lua(call(program, Kind::Action, "response", &[]));
    setup.frontend.http_response =
        ResponseRules::new(vec![ResponseRule { when: Matcher::All(Vec::new()), action: lua }]);
    setup.start()
}

fn theirs(server: SocketAddr) -> Haproxy {
    let path = std::env::temp_dir().join(format!("evenkeel-lua-{}.lua", std::process::id()));
    std::fs::write(&path, COMMON).unwrap();
    let haproxy = Haproxy::start_whole(
        &format!("global\n lua-load {}\n", path.display()),
        " http-request lua.fields if { path_beg /fields }\n http-request lua.line if { path_beg /line }\n \
         http-request lua.facts if { path_beg /facts }\n http-request lua.deny if { path_beg /deny }\n \
         http-request lua.invalid if { path_beg /invalid }\n http-request lua.failing if { path_beg /failing }\n \
         http-request lua.answer if { path_beg /answer }\n \
         http-request set-header x-tier-of <%[lua.tier(a)]> if { path_beg /fetch }\n \
         http-request set-header x-gold 1 if { lua.tier(a) -m str a-gold }\n \
         http-request set-header x-bot 1 if { lua.is_bot -m bool }\n \
         http-request set-var(txn.back) path,lua.backwards if { path_beg /convert }\n \
         http-request set-header x-back %[var(txn.back)] if { path_beg /convert }\n \
         http-request lua.stop if { path_beg /stop }\n http-request set-header x-last 1\n \
         http-response lua.response\n",
        &format!(" server s1 {server}\n"),
    );
    // It has been read by the time that HAProxy listens.
    std::fs::remove_file(path).unwrap();
    haproxy
}

#[test]
fn scripts_do_what_they_do_in_haproxy() {
    let program = program(COMMON, OnError::Continue);
    let server = echoing();
    let (ours, theirs) = (ours(&program, server.addr), theirs(server.addr));
    for (line, fields) in [
        ("GET /fields", "X-One: a\r\nX-Many: 1\r\nX-Many: 2\r\nX-Gone: x\r\nx-gone: y\r\nx-set: old\r\n"),
        ("POST /fields", "Content-Length: 0\r\n"),
        ("GET /line?do=path&a=b", ""),
        ("GET /line?do=query", ""),
        ("GET /line?do=uri", ""),
        ("GET /line?do=method", ""),
        ("GET /facts/x?a=%41&b", "X-List: one, two\r\nX-LIST: three\r\nCookie: a=1; b=2\r\n"),
        ("GET /facts", ""),
        ("GET /failing", ""),
        ("GET /fetch", ""),
        ("GET /fetch", "x-tier: gold\r\n"),
        ("GET /", "User-Agent: a bot\r\n"),
        ("GET /", "User-Agent: none\r\nx-tier: gold\r\n"),
        ("GET /convert/it", ""),
        ("GET /stop", ""),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n");
        let sorted = |(line, mut asked, mut answered): (String, Vec<String>, Vec<String>)| {
            for field in asked.iter_mut().chain(&mut answered) {
                let (name, value) = field.split_once(':').unwrap();
                *field = format!("{}:{value}", name.to_ascii_lowercase());
            }
            // The order of fields of different names is each one's own.
            let name = |field: &String| field.split_once(':').unwrap().0.to_owned();
            asked.sort_by_key(name);
            answered.sort_by_key(name);
            (line, asked, answered)
        };
        assert_eq!(sorted(asked(ours.addr, &request)), sorted(asked(theirs.addr, &request)), "{request}");
    }
    for path in ["/deny", "/invalid", "/answer"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h.example\r\n\r\n");
        let answer = |addr| {
            let mut client = Client::over(TcpStream::connect(addr).unwrap());
            client.send(&request);
            let (head, body) = client.response();
            let of = |name| field(&head, name).map(str::to_owned);
            let own = (status(&head) == 429).then(|| (of("x-a"), of("x-b"), body));
            (status(&head), own)
        };
        assert_eq!(answer(ours.addr), answer(theirs.addr), "{path}");
    }
}

#[test]
fn answers_of_scripts_byte_by_byte() {
    let program = program(COMMON, OnError::Deny);
    let server = echoing();
    let proxy = ours(&program, server.addr);
    let mut client = proxy.client();
    client.send("GET /answer HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        client.head(),
        "HTTP/1.1 429 Too many requests\r\ncontent-length: 9\r\nx-a: 1\r\nx-a: 2\r\nx-b: 3"
    );
    assert_eq!(client.take(9), b"slow down");
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 429 LR-- 0 GET /answer HTTP/1.1");
    client.send("HEAD /answer HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().contains("content-length: 9"));
    client.send("GET /deny HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 403);
    client.send("GET /failing HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 500);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(proxy.stats.lua_errors(), 1);
}

/// What can go wrong with a script.
const FAILING: &str = r#"
local kept = {}
core.register_action("loop", { "http-req", "http-res" }, function() while true do end end)
core.register_action("hidden", { "http-req", "http-res" }, function()
    while true do pcall(function() while true do end end) end end)
core.register_action("pattern", { "http-req", "http-res" }, function()
    return ("a"):rep(100000):find(".-.-.-.-.-.-b") end)
core.register_action("bomb", { "http-req", "http-res" }, function()
    while true do kept[#kept + 1] = ("x"):rep(100000) .. #kept end end)
core.register_action("error", { "http-req", "http-res" }, function() error("told") end)
core.register_action("nothing", { "http-req", "http-res" }, function(txn) return txn.nothing.there end)
core.register_fetches("wrong", function() error("no") end)
core.register_action("fine", { "http-req", "http-res" }, function() end)
"#;

const FAILURES: [&str; 6] = ["loop", "hidden", "pattern", "bomb", "error", "nothing"];

fn failing(server: &Scripted, on_error: OnError) -> TestProxy {
    let mut setup = Setup::new(&[server.addr]);
    let program = program(FAILING, on_error);
    let of = |name: &&str| Rule { when: under(&format!("/{name}")), action: action(&program, name) };
    let wrong = Matcher::Test(Test::IsFetched(call(&program, Kind::Fetch, "wrong", &[])));
    let wrong = Matcher::All(vec![under("/wrong"), wrong]);
    setup.frontend.http_request = FAILURES.iter().map(of).collect();
    setup.frontend.http_request.push(Rule { when: wrong, action: Action::Deny(403) });
    let edit = |path: &str| Rule {
        when: under(path),
        action: Action::Edit(Edit::Set("x".into(), template(&program, "${lua(wrong)}"))),
    };
    setup.frontend.http_request.push(edit("/edit/frontend"));
    setup.backend.http_request.push(edit("/edit/backend"));
    let of_response = |name: &str| ResponseRule {
        when: under(&format!("/response/{name}")),
        action: ResponseAction::Lua(call(&program, Kind::Action, name, &[])),
    };
    let responses = FAILURES.iter().map(|name| of_response(name)).collect();
    setup.backend.http_response = ResponseRules::new(responses);
    setup.lua = Some(program);
    setup.start()
}

#[test]
fn a_script_that_fails_ends_its_request_and_nothing_else() {
    let server = answering();
    let proxy = failing(&server, OnError::Deny);
    let mut neighbour = proxy.client();
    let mut client = proxy.client();
    let paths = FAILURES.iter().flat_map(|name| [format!("/{name}"), format!("/response/{name}")]);
    let mut failures = 0;
    for path in paths.chain(["/wrong", "/edit/frontend", "/edit/backend"].map(Into::into)) {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let (head, _) = client.response();
        assert_eq!(status(&head), 500, "{path}: {head}");
        failures += 1;
        assert_eq!(proxy.stats.lua_errors(), failures, "{path}");
        if head.ends_with("connection: close") {
            client = proxy.client();
        }
        for other in [&mut neighbour, &mut client] {
            other.send("GET /else HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(status(&other.response().0), 200, "after {path}");
        }
    }
}

#[test]
fn nobody_changes_servers_by_a_script_that_fails() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let program = program(FAILING, OnError::Deny);
    let wrong = Matcher::Test(Test::IsFetched(call(&program, Kind::Fetch, "wrong", &[])));
    let page = StatsPage {
        uri: "/stats".into(),
        refresh: None,
        realm: "r".into(),
        users: Vec::new(),
        admin_if: Some(Matcher::Not(Box::new(wrong))),
        hide_version: false,
        scope: Vec::new(),
    };
    setup.frontend.stats = Some(Arc::new(page));
    setup.lua = Some(program);
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("POST /stats HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\nb=c");
    assert_eq!(status(&client.response().0), 500);
    assert_eq!(proxy.stats.lua_errors(), 1);
}

#[test]
fn a_script_that_fails_may_be_overlooked() {
    let server = answering();
    let proxy = failing(&server, OnError::Continue);
    let mut client = proxy.client();
    for name in FAILURES {
        for path in [format!("/{name}"), format!("/response/{name}")] {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(status(&client.response().0), 200, "{path}");
        }
    }
    // What is not known is not so.
    client.send("GET /wrong HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(proxy.stats.lua_errors(), 13);
}

#[test]
fn what_is_wrong_is_logged_once_in_a_while() {
    let server = answering();
    let proxy = failing(&server, OnError::Deny);
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send("GET /error HTTP/1.1\r\nHost: h\r\n\r\n");
        client.response();
    }
    let lines: Vec<String> = (0..4).map(|_| proxy.line()).collect();
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("Lua: ")).collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0].ends_with("Lua: s.lua:10: told"), "{told:?}");
}

#[test]
fn each_thread_has_scripts_of_its_own() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let program = program(
        "core.register_action('who', {'http-req'}, function(txn)
             n = (n or 0) + 1
             txn:done(txn:reply{ headers = { ['x-thread'] = {tostring(core.thread)}, ['x-n'] = {tostring(n)} } })
         end)",
        OnError::Deny,
    );
    setup.global.threads = 2;
    setup.frontend.http_request =
        vec![Rule { when: Matcher::All(Vec::new()), action: action(&program, "who") }];
    setup.lua = Some(program);
    let proxy = setup.start();
    // A connection stays with its thread, which counts by itself.
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let mut client = proxy.client();
        for _ in 0..2 {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            let (head, _) = client.response();
            let thread = field(&head, "x-thread").unwrap().to_owned();
            let count = counts.entry(thread).or_insert(0);
            *count += 1;
            assert_eq!(field(&head, "x-n"), Some(&*count.to_string()));
        }
    }
    assert!(counts.keys().all(|thread| thread == "1" || thread == "2"), "{counts:?}");
}
