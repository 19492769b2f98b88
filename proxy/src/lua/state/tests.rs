use std::cell::Cell;

use super::*;
use crate::h1::head::Version;
use crate::lua::{Client, Kind, OnError};
use crate::rules::Change;

thread_local! {
    /// The time that scripts have worked: a millisecond for each look.
    static WORKED: Cell<u64> = const { Cell::new(0) };
}

fn clock() -> Clock {
    let worked = || {
        WORKED.set(WORKED.get() + 1);
        Duration::from_millis(WORKED.get())
    };
    Clock { worked, wall: || Duration::new(1_700_000_000, 5000) }
}

fn limits() -> Limits {
    Limits { memory: 4 << 20, time: Duration::from_millis(20) }
}

fn load(text: &str) -> std::result::Result<Program, ScriptError> {
    let script = Script { name: "s.lua".into(), text: text.as_bytes().into() };
    Program::load(vec![script], limits(), OnError::Deny, clock())
}

fn state(text: &str) -> State {
    State::new(Arc::new(load(text).unwrap()), clock(), 1)
}

fn message() -> Message {
    let client = Client { source: ([192, 0, 2, 1], 4000).into(), destination: None, tls: None };
    let mut message = Message::request(client, Version::Http11, b"GET", b"/a/b?c=d", b"h.ex");
    message.push(b"Host", b"h.ex");
    message.push(b"X-A", b"one");
    message.push(b"X-A", b"two");
    message
}

fn call(state: &State, kind: Kind, name: &str, args: &[&str]) -> Call {
    let (function, _) = state.program.find(kind, name).unwrap();
    Call { function, name: name.into(), args: args.iter().map(|&a| a.into()).collect() }
}

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn any_time() -> Instant {
    Instant::now()
}

/// What an action `a` with this body comes to, and what it changes.
fn act(body: &str) -> (std::result::Result<Outcome, String>, Vec<String>) {
    let text = format!("core.register_action('a', {{'http-req'}}, function(txn) {body} end)");
    let mut state = state(&text);
    let call = call(&state, Kind::Action, "a", &[]);
    let (called, message) = state.act(&call, message(), any_time());
    let changes = message.unwrap().changes().map(|change| format!("{change:?}")).collect();
    (called.result.map_err(|e| e.to_string()), changes)
}

/// What a fetch that returns this says.
fn said(expression: &str) -> std::result::Result<Option<String>, String> {
    let text = format!("core.register_fetches('f', function(txn) return {expression} end)");
    let mut state = state(&text);
    let call = call(&state, Kind::Fetch, "f", &[]);
    let called = state.fetch(&call, message(), any_time());
    let text = |said: Said| String::from_utf8(said.into_text().into()).unwrap();
    called.result.map(|said| said.map(text)).map_err(|e| e.to_string())
}

#[test]
fn requests_are_seen_and_changed_as_haproxys_scripts_do() {
    for (body, changes) in [
        ("txn.http:req_set_header('X-B', 'v')", vec![Change::Fields("X-B", vec![b"v".to_vec()])]),
        ("txn.http:req_add_header('X-B', 7)", vec![Change::More("X-B", b"7".to_vec())]),
        ("txn.http:req_del_header('X-A')", vec![Change::Fields("X-A", vec![])]),
        ("txn.http_req:set_header('X-B', 'v')", vec![Change::Fields("X-B", vec![b"v".to_vec()])]),
        ("txn.http:req_set_method('PUT')", vec![Change::Method("PUT")]),
        ("txn.http:req_set_path('/n')", vec![Change::Target(b"/n?c=d".to_vec())]),
        ("txn.http:req_set_query('q')", vec![Change::Target(b"/a/b?q".to_vec())]),
        ("txn.http:req_set_uri('/u?v')", vec![Change::Target(b"/u?v".to_vec())]),
        ("txn:set_var('txn.v', 'x')", vec![Change::Variable("txn.v", b"x".as_slice().into())]),
        ("txn:set_var('txn.v', true)", vec![Change::Variable("txn.v", b"1".as_slice().into())]),
        ("txn:unset_var('txn.v')", vec![Change::NoVariable("txn.v")]),
    ] {
        let changes: Vec<String> = changes.iter().map(|c| format!("{c:?}")).collect();
        assert_eq!(act(body), (Ok(Outcome::Continue), changes), "{body}");
    }
    for (expression, found) in [
        ("txn.http:req_get_headers()['x-a'][0]", Some("one")),
        ("txn.http:req_get_headers()['x-a'][1]", Some("two")),
        ("txn.http_req:get_headers()['host'][0]", Some("h.ex")),
        ("txn.http:req_get_headers()['x-b']", None),
        ("txn.f:path()", Some("/a/b")),
        ("txn.f:req_hdr('x-a', 1)", Some("one")),
        ("txn.f:req_hdr('nobody')", None),
        ("'<' .. txn.sf:req_hdr('nobody') .. '>'", Some("<>")),
        ("txn.sf:src_port()", Some("4000")),
        ("txn.f:src_port() + 1", Some("4001")),
        ("math.type(txn.f:ssl_fc()) .. txn.f:ssl_fc()", Some("integer0")),
        (
            "load((function() local n = 0 return function() n = n + 1 return ({'return ', '7'})[n] end end)())()",
            Some("7"),
        ),
        ("txn.c:upper('a')", Some("A")),
        ("txn.sc:length('abc')", Some("3")),
        ("txn:get_var('txn.v')", None),
        ("txn:set_var('txn.v', 5) and txn:get_var('txn.v')", Some("5")),
        ("true", Some("1")),
        ("1.5", Some("1.5")),
        ("core.now().sec .. ' ' .. core.now().usec", Some("1700000000 5")),
        ("core.thread", Some("1")),
        ("table.concat(core.tokenize('a,b;;c', ',;', true), '|')", Some("a|b|c")),
        ("select(2, xpcall(error, function(e) return '<' .. e .. '>' end, 'no'))", Some("<no>")),
        ("select(3, xpcall(function(...) return ... end, print, 1, 2))", Some("2")),
        ("(function() local c = core.concat() c:add('a') c:add('b') return c:dump() end)()", Some("ab")),
        ("core.err .. act.DENY", Some("35")),
        ("load('return 1 + 1')()", Some("2")),
        ("load('return x', 'n', 't', { x = 3 })()", Some("3")),
        ("require('s') == nil", None),
    ] {
        let expected = if expression.starts_with("require") {
            Ok(Some("0".to_owned()))
        } else {
            Ok(found.map(str::to_owned))
        };
        assert_eq!(said(expression), expected, "{expression}");
    }
}

#[test]
fn outcomes_are_haproxys() {
    let reply = |status, fields: &str, content: &str| {
        Outcome::Reply(Reply { status, fields: fields.as_bytes().into(), content: content.as_bytes().into() })
    };
    for (body, outcome) in [
        ("", Outcome::Continue),
        ("return act.CONTINUE", Outcome::Continue),
        ("return act.STOP", Outcome::Stop),
        ("return act.DENY", Outcome::Deny),
        ("return act.INVALID", Outcome::Invalid),
        ("return act.ERROR", Outcome::Error),
        ("return act.ABORT", Outcome::Abort),
        ("txn:done()", Outcome::Abort),
        ("pcall(txn.done, txn) error('not here')", Outcome::Abort),
        ("txn:done(txn:reply())", reply(200, "", "")),
        (
            "txn:done(txn:reply{status = 429, headers = {['x-b'] = {'2', '3'}, ['x-a'] = '1'}, body = 'slow'})",
            reply(429, "x-a: 1\r\nx-b: 2\r\nx-b: 3\r\n", "slow"),
        ),
        (
            "local r = txn:reply() r:set_status(404, 'No') r:add_header('a', 'b') r:add_header('c', 'd') \
             r:del_header('a') r:set_body('x') txn:done(r)",
            reply(404, "c: d\r\n", "x"),
        ),
        ("txn:done(txn:reply{headers = {['Content-Length'] = {'999'}}, body = 'x'})", reply(200, "", "x")),
    ] {
        assert_eq!(act(body).0, Ok(outcome), "{body}");
    }
}

#[test]
fn errors_say_where_they_are() {
    for (body, why) in [
        ("error('no')", "s.lua:1: no"),
        ("local x = nil; x.y = 1", "s.lua:1: attempt to index a nil value (local 'x')"),
        ("error({})", "s.lua"),
        (
            "txn.http:req_set_header('content-length', '1')",
            "s.lua:1: field content-length is about the connection, which is not the script's",
        ),
        (
            "txn.http:req_set_header('a', 'b\\r\\nc: d')",
            "s.lua:1: the value of field a has control characters",
        ),
        ("txn.http:req_set_header('a')", "s.lua:1: argument 4: a string is needed, not a nil"),
        ("txn.http:res_set_header('a', 'b')", "s.lua:1: set_header is for responses, and this is a request"),
        ("txn.http:req_rep_header('a', 'b', 'c')", "s.lua:1: txn.http has no `req_rep_header` in Evenkeel"),
        ("txn.f:nothing()", "s.lua:1: txn.f has no `nothing` in Evenkeel"),
        ("txn:set_priv(1)", "s.lua:1: txn has no `set_priv` in Evenkeel"),
        ("core.register_task(function() end)", "s.lua:1: core has no `register_task` in Evenkeel"),
        ("io.open('/etc/passwd')", "s.lua:1: io has no `open` in Evenkeel"),
        ("os.execute('true')", "s.lua:1: os has no `execute` in Evenkeel"),
        ("os.getenv('PATH')", "s.lua:1: os has no `getenv` in Evenkeel"),
        ("coroutine.wrap(function() end)", "s.lua:1: coroutine has no `wrap` in Evenkeel"),
        ("debug.getinfo(1)", "s.lua:1: debug has no `getinfo` in Evenkeel"),
        ("package.loadlib('a', 'b')", "s.lua:1: package has no `loadlib` in Evenkeel"),
        ("require('json')", "s.lua:1: there is no module `json`: put its file into `load`, before this one"),
        ("dofile('/etc/passwd')", "s.lua:1: attempt to call a nil value (global 'dofile')"),
        ("setmetatable({}, { __gc = function() end })", "s.lua:1: there is no `__gc` in Evenkeel"),
        ("return 'x'", "an action has returned a string"),
        ("return 2", "an action has returned 2, which is no `act.…`"),
        (
            "core.register_action('b', {'http-req'}, function() end)",
            "s.lua:1: functions are registered while scripts are loaded",
        ),
        ("assert(load('return { __' .. 'close = 1 }'))", "s.lua:1: there is no `__close` in Evenkeel"),
        ("txn:done(txn:reply{status = 100})", "s.lua:1: 100 is no status of an answer: 200 to 599"),
        (
            "txn:done(txn:reply{headers = {a = {'b\\nc'}}})",
            "s.lua:1: the value of field a has control characters",
        ),
        ("assert(load('\\27Lua'))", "s.lua"),
    ] {
        let (result, _) = act(body);
        let found = result.unwrap_err();
        if why == "s.lua" { assert!(!found.is_empty()) } else { assert_eq!(found, why, "{body}") }
    }
    assert_eq!(said("{}").unwrap_err(), "a fetch has returned a table");
}

#[test]
fn what_a_script_has_changed_before_it_fails_is_told() {
    let (result, changes) = act("txn.http:req_set_header('X-B', 'v') error('no')");
    assert!(result.is_err());
    assert_eq!(changes.len(), 1);
}

#[test]
fn nothing_gets_past_the_limit_on_time() {
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "repeat local ok = xpcall(function() while true do end end, function() while true do end end) until false",
        "xpcall(function() while true do end end, function() while true do end end)",
        "error(setmetatable({}, { __tostring = function() while true do end end }))",
        "return tostring(setmetatable({}, { __tostring = function() while true do end end }))",
        "local function f() return f() end f()",
        "local function f() pcall(f) f() end f()",
        "('a'):rep(100000):find('.-.-.-.-.-.-b')",
        "while true do pcall(string.find, ('a'):rep(100000), '.-.-.-.-.-.-b') end",
        "('x'):rep(30000):gsub('x-x-x-x-y', '')",
        "for _ in ('a'):rep(100000):gmatch('.-.-.-.-b') do end",
        "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "('a'):gsub('a', function() while true do end end)",
        "load('while true do end')()",
    ] {
        let text = format!("core.register_action('a', {{'http-req'}}, function(txn) {body} end)");
        let mut state = state(&text);
        let call = call(&state, Kind::Action, "a", &[]);
        let (called, message) = state.act(&call, message(), any_time());
        let why = called.result.unwrap_err().to_string();
        assert!(why.contains("took"), "{body}: {why}");
        let place = if body.starts_with("load") { "[string " } else { "s.lua:1: " };
        assert!(why.starts_with(place), "{body}: {why}");
        assert!(message.is_some());
    }
}

#[test]
fn what_the_library_would_do_without_end_is_refused() {
    for (body, why) in [
        ("table.move({}, 1, 1 << 60, 2)", "s.lua:1: table.move of more than a million elements"),
        ("table.concat({}, '', 1, 1 << 60)", "s.lua:1: table.concat of more than a million elements"),
        (
            "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 2)",
            "s.lua:1: table.insert of a table with `__len` is not possible in Evenkeel",
        ),
        ("string.dump(print)", "s.lua:1: attempt to call a nil value (field 'dump')"),
        ("collectgarbage('stop')", "s.lua:1: attempt to call a nil value (global 'collectgarbage')"),
    ] {
        assert_eq!(act(body).0, Err(why.to_owned()), "{body}");
    }
    assert_eq!(said("#(''):rep(1 << 62)"), Ok(Some("0".into())));
}

#[test]
fn a_function_that_has_taken_too_long_rests_and_others_do_not() {
    let mut state = state(
        "core.register_fetches('slow', function() while true do end end)
         core.register_fetches('quick', function() n = (n or 0) + 1 return n end)",
    );
    let (slow, quick) = (call(&state, Kind::Fetch, "slow", &[]), call(&state, Kind::Fetch, "quick", &[]));
    let start = any_time();
    let after = |ms| start + Duration::from_millis(ms);
    let late = "s.lua:1: took more than 20ms";
    let rests = "slow: not called: it has run out of its limits a moment ago";
    for (at, expected) in [(0, late), (1, rests), (199, rests), (200, late), (201, rests)] {
        let found = state.fetch(&slow, message(), after(at)).result.unwrap_err().to_string();
        assert_eq!(found, expected, "{at}");
        let said = state.fetch(&quick, message(), after(at)).result.unwrap();
        assert!(said.is_some());
    }
    // What it remembers is still there.
    let said = state.fetch(&quick, message(), after(300)).result.unwrap();
    assert_eq!(said, Some(Said::Text(b"6".as_slice().into())));
}

#[test]
fn a_full_memory_ends_the_call_and_what_was_remembered() {
    for bomb in [
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1 << 40)",
        "kept = kept or {} while true do kept[#kept + 1] = {} end",
        "return table.concat({('x'):rep(3000000), ('x'):rep(3000000)})",
        "return (('x'):rep(3000000):gsub('x', 'yyyyyyyyyy'))",
    ] {
        let mut state = state(&format!(
            "core.register_fetches('bomb', function() {bomb} end)
             core.register_fetches('n', function() n = (n or 0) + 1 return n end)"
        ));
        let (bomb_call, n) = (call(&state, Kind::Fetch, "bomb", &[]), call(&state, Kind::Fetch, "n", &[]));
        let now = any_time();
        state.fetch(&n, message(), now).result.unwrap();
        let called = state.fetch(&bomb_call, message(), now);
        let why = called.result.unwrap_err().to_string();
        assert!(why.contains("memory") || why.contains("too large") || why.contains("took"), "{bomb}: {why}");
        for _ in 0..3 {
            assert!(state.fetch(&n, message(), now).result.unwrap().is_some(), "{bomb}");
        }
    }
}

#[test]
fn texts_for_logs_are_bounded() {
    let mut state = state(
        "core.register_fetches('f', function(txn)
             core.Alert('first') txn:Info(7) txn:log(core.debug, ('x'):rep(5000)) print('a', nil, 1)
             for i = 1, 1000 do core.Debug(i) end
         end)",
    );
    let f = call(&state, Kind::Fetch, "f", &[]);
    let notes = state.fetch(&f, message(), any_time()).notes;
    let found: Vec<_> = notes.iter().map(|n| (n.level, n.text.len())).take(5).collect();
    let expected =
        [(Level::Alert, 5), (Level::Info, 1), (Level::Debug, 1024), (Level::Info, 7), (Level::Debug, 1)];
    assert_eq!(found, expected);
    assert_eq!((notes.len(), &*notes[3].text), (32, "a\tnil\t1"));
}

#[test]
fn arguments_and_converters() {
    let mut state = state(
        "core.register_action('a', {'http-req', 'http-res'}, function(txn, x, y)
             txn.http:req_set_header('X', x .. y) end, 2)
         core.register_converters('shorten', function(text, most) return text:sub(1, tonumber(most)) end)
         core.register_converters('none', function() end)
         core.register_converters('outside', function() return core.now().sec .. tostring(pcall(require, 'x')) end)",
    );
    let now = any_time();
    let a = call(&state, Kind::Action, "a", &["1", "2"]);
    let (called, message) = state.act(&a, message(), now);
    assert_eq!(called.result, Ok(Outcome::Continue));
    assert_eq!(message.unwrap().changes().collect::<Vec<_>>(), [Change::Fields("X", vec![b"12".to_vec()])]);
    let mut convert = |name, args: &[&str]| {
        let c = call(&state, Kind::Converter, name, args);
        state.convert(&c, b"abcdef", now).result.unwrap().map(|said| said.into_text().to_vec())
    };
    assert_eq!(convert("shorten", &["3"]), Some(b"abc".to_vec()));
    assert_eq!(convert("none", &[]), None);
    assert_eq!(convert("outside", &[]), Some(b"1700000000false".to_vec()));
}

#[test]
fn programs_tell_what_they_register() {
    let program = load(
        "core.register_action('a', {'tcp-req', 'http-req'}, function() end, 1)
         core.register_action('b', 'http-res', function() end)
         core.register_init(function() core.register_fetches('late', function() end) end)
         core.register_converters('a', function() end)",
    )
    .unwrap();
    let found: Vec<_> = program
        .functions()
        .iter()
        .map(|f| (f.kind, &*f.name, f.args, f.of_requests, f.of_responses))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::Action, "a", 1, true, false),
            (Kind::Action, "b", 0, false, true),
            (Kind::Converter, "a", 0, false, false),
            (Kind::Fetch, "late", 0, false, false),
        ]
    );
    for (text, why) in [
        ("\n\nx = ", "s.lua:3: unexpected symbol near <eof>"),
        ("\nerror('no')", "s.lua:2: no"),
        ("core.register_init(function() error('no') end)", "s.lua:1: no"),
        ("while true do end", "s.lua:1: took more than 1s"),
        ("pcall(function() while true do end end)", "s.lua:1: took more than 1s"),
        (
            "core.register_fetches('f', function() end) core.register_fetches('f', function() end)",
            "s.lua:1: fetch f is registered twice",
        ),
        (
            "core.register_fetches('a b', function() end)",
            "s.lua:1: \"a b\" is no name of a function: letters, digits, `_`, `-` and `.`",
        ),
        (
            "core.register_action('a', {'http'}, function() end)",
            "s.lua:1: a: there is no place \"http\" for actions: tcp-req, tcp-res, http-req, http-res, http-after-res",
        ),
        ("core.register_fetches('f')", "s.lua:1: argument 3: a function is needed, not a nil"),
        (
            "core.register_service('s', 'http', function() end)",
            "s.lua:1: core has no `register_service` in Evenkeel",
        ),
        ("local t = {} while true do t[#t + 1] = ('x'):rep(1000) end", "s.lua:1: not enough memory"),
        ("\nlocal x = { __close = 1 }", "s.lua:2: there is no `__close` in Evenkeel"),
        ("txn.f:path()", "s.lua:1: attempt to index a nil value (global 'txn')"),
        ("\u{1b}Lua", "s.lua"),
    ] {
        let found = load(text).unwrap_err().message;
        if why == "s.lua" { assert!(!found.is_empty()) } else { assert_eq!(found, why, "{text}") }
    }
}

#[test]
fn files_are_modules_of_those_behind_them() {
    let script = |name: &str, text: &str| Script { name: name.into(), text: text.as_bytes().into() };
    let scripts = vec![
        script(
            "lib/tiers.lua",
            "local M = {} function M.of(x) return x == 'a' and 'gold' or 'none' end return M",
        ),
        script(
            "main.lua",
            "local tiers = require('tiers') core.register_fetches('t', function(_, x) return tiers.of(x) end)",
        ),
    ];
    let program = Program::load(scripts, limits(), OnError::Deny, clock()).unwrap();
    let mut state = State::new(Arc::new(program), clock(), 1);
    let t = call(&state, Kind::Fetch, "t", &["a"]);
    assert_eq!(
        state.fetch(&t, message(), any_time()).result,
        Ok(Some(Said::Text(b"gold".as_slice().into())))
    );
}

const TEXTS: &[&str] = &[
    "",
    "a",
    "hello world",
    "key = value",
    "(a(b)c) [x]",
    "aXbXc",
    "%d",
    "THE (quick) fox",
    "x\\0y",
    "  trim  ",
    "a.b.c",
    "2024-01-02",
];

const PATTERNS: &[&str] = &[
    "",
    "a",
    ".",
    "^a",
    "a$",
    "^$",
    ".*",
    ".-",
    ".+",
    ".?",
    "%a+",
    "%d+",
    "%s*$",
    "(%w+)",
    "(%w+) = (%w+)",
    "()a()",
    "%b()",
    "%f[%w]%w+",
    "%f[%W]",
    "[a-c]+",
    "[^a-c]+",
    "[]]",
    "[^]]",
    "[%a_]",
    "[a-]",
    "[%]]",
    "(.)(.)",
    "(a*(.)%w(%s*))",
    "%1",
    "(%a)%1",
    "x?b",
    "l+",
    "l*o",
    "l-o",
    "^%s*(.-)%s*$",
    "%%",
    "%.",
    "[",
    "[a",
    "%",
    "(",
    ")",
    "(()",
    "%b",
    "%f",
    "a**",
    "(%d+)-(%d+)-(%d+)",
    "[+-]?%d+",
    "\\0",
    "[%z]",
    "%x",
    "%g+",
    "%p",
    "%c",
    "%u%l",
    "[^%s]+",
    "^",
    "$",
    "^^a",
    "a^",
    "a$b",
];

/// What both say of a text and a pattern, as one text.
const CHECK: &str = r#"
    local text, pattern = ...
    local function shown(...)
        local all = table.pack(...)
        for i = 1, all.n do all[i] = tostring(all[i]) end
        return table.concat(all, ',', 1, all.n)
    end
    local function bare(ok, ...)
        if ok then return shown(...) end
        return 'error'
    end
    local out = {}
    for _, from in ipairs { 1, 2, -3, 0, 99 } do
        out[#out + 1] = bare(pcall(string.find, text, pattern, from))
        out[#out + 1] = bare(pcall(string.match, text, pattern, from))
    end
    out[#out + 1] = bare(pcall(string.find, text, pattern, 1, true))
    out[#out + 1] = bare(pcall(function()
        local found = {}
        for a, b in text:gmatch(pattern) do found[#found + 1] = shown(a, b) end
        return table.concat(found, ';')
    end))
    for _, by in ipairs { '<%0>', '%1%%', '', 'x', '%9', '%', '%q' } do
        out[#out + 1] = bare(pcall(string.gsub, text, pattern, by))
        out[#out + 1] = bare(pcall(string.gsub, text, pattern, by, 1))
    end
    out[#out + 1] = bare(pcall(string.gsub, text, pattern, { a = 'table', hello = false, key = 7 }))
    out[#out + 1] = bare(pcall(string.gsub, text, pattern, function(a, b) return a == 'a' and '!' or b end))
    out[#out + 1] = bare(pcall(string.gsub, text, pattern, function() return {} end))
    return table.concat(out, '\n')
"#;

/// Our patterns say what Lua's own do: the same expressions by an interpreter that has those.
#[test]
fn patterns_are_luas() {
    let own = Lua::new_with(mlua::StdLib::STRING | mlua::StdLib::TABLE, mlua::LuaOptions::new()).unwrap();
    let watch = Rc::new(Watch::new(clock()));
    watch.begin(Duration::from_secs(3600));
    let ours = sandbox::interpreter(16 << 20, &watch).unwrap();
    let (own, ours): (Function, Function) =
        (own.load(CHECK).into_function().unwrap(), ours.load(CHECK).into_function().unwrap());
    for text in TEXTS {
        for pattern in PATTERNS {
            let pattern = pattern.replace("\\0", "\0");
            let (a, b): (String, String) =
                (own.call((*text, &*pattern)).unwrap(), ours.call((*text, &*pattern)).unwrap());
            assert_eq!(b, a, "{text:?} {pattern:?}");
        }
    }
}
