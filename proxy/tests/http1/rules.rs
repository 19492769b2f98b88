//! Requests that rules answer in a server's place.

use std::sync::Arc;

use evenkeel_proxy::access_log::Level;
use evenkeel_proxy::plan::ErrorFiles;
use evenkeel_proxy::rules::action::{Location, Redirect, Reply};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{
    Action, Answered, Edit, How, LogLevel, Matcher, Range, ResponseAction, ResponseRule, ResponseRules, Rule,
    Test, Texts, Value,
};

use super::common::{Scripted, Setup, answering, gist, scripted, status, until};
use super::spellings;

fn under(prefix: &str, action: Action) -> Rule {
    let texts = Texts::new(How::Prefix, false, vec![prefix.into()]).unwrap();
    Rule { when: Matcher::Test(Test::Path(texts)), action }
}

const PAGE: &str =
    "<html><body><h1>403 Forbidden</h1>\nThe request is refused by a rule of this site.\n</body></html>\n";

#[test]
fn a_denial_leaves_the_connection() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![under("/admin", Action::Deny(403)), under("/fast", Action::Deny(429))];
    let proxy = setup.start();
    let mut client = proxy.client();
    // What was sent behind a request that is refused is another request.
    client.send("GET /admin HTTP/1.1\r\nHost: h\r\n\r\nGET /x/..//fast HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = format!(
        "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\ncache-control: no-cache\r\ncontent-type: text/html",
        PAGE.len()
    );
    assert_eq!(client.head(), head);
    assert_eq!(client.take(PAGE.len()), PAGE.as_bytes());
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 403 PR-- 0 GET /admin HTTP/1.1");
    assert_eq!(status(&client.response().0), 429);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 429 PR-- 0 GET /x/..//fast HTTP/1.1");
    client.send("HEAD /admin HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head(), head);
    proxy.record();
    client.send("POST /admin HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.head(), head, "content that came with it has been read");
    client.take(PAGE.len());
    proxy.record();
    client.send("GET /else HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 200);
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /else HTTP/1.1");
    let totals = proxy.frontend_totals();
    assert_eq!((totals.requests, totals.denied, totals.request_errors), (5, 4, 0));
}

#[test]
fn a_connection_with_something_unread_ends_after_the_answer() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![under("/", Action::Deny(403))];
    let proxy = setup.start();
    for request in [
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(request);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 403 ") && head.ends_with("\r\nconnection: close"), "{head}");
        client.take(PAGE.len());
        assert_eq!(client.rest(), b"", "{request}");
        proxy.record();
    }
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(client.head().ends_with("\r\nconnection: keep-alive"));
}

#[test]
fn an_error_file_is_what_a_denial_says() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![under("/", Action::Deny(403))];
    let file: Arc<[u8]> = b"HTTP/1.0 403 No\r\nX: y\r\n\r\nno".as_slice().into();
    setup.frontend.error_files = Arc::new(ErrorFiles([(403, file)].into()));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.rest(), b"HTTP/1.0 403 No\r\nX: y\r\n\r\nno");
}

/// `facts/haproxy.md`, item 17.
#[test]
fn clients_are_sent_elsewhere() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let redirect = |status, to| Action::Redirect(Redirect { status, to });
    setup.frontend.http_request = vec![
        under("/s", redirect(302, Location::Scheme("https".into()))),
        under("/p", redirect(301, Location::Prefix(text("https://${host}")))),
        under("/l", redirect(308, Location::Whole(text("/at$$/${path}?from=${src}&${query}")))),
    ];
    // What a client sends is no other host's name, unless the configuration says so.
    setup.frontend.http_request.extend([
        under("/evil", redirect(308, Location::Whole(text("${path}/")))),
        under("/named", redirect(308, Location::Whole(text("//cdn.example${path}")))),
    ]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for (target, expected) in [
        (
            "//evil.example",
            "HTTP/1.1 308 Permanent redirect\r\ncontent-length: 0\r\nlocation: /evil.example/",
        ),
        ("/\\evil", "HTTP/1.1 308 Permanent redirect\r\ncontent-length: 0\r\nlocation: /evil/"),
        ("/named", "HTTP/1.1 308 Permanent redirect\r\ncontent-length: 0\r\nlocation: //cdn.example/named"),
        (
            "/s/x?y",
            "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: https://H.example:8080/s/x?y\r\n\
             cache-control: no-cache",
        ),
        ("/p", "HTTP/1.1 301 Moved permanently\r\ncontent-length: 0\r\nlocation: https://h.example/p"),
        (
            "/l/%61?b",
            "HTTP/1.1 308 Permanent redirect\r\ncontent-length: 0\r\nlocation: /at$//l/%61?from=127.0.0.1&b",
        ),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: H.example:8080\r\n\r\n"));
        assert_eq!(client.head(), expected);
        let record = gist(&proxy.record());
        assert!(record.starts_with("front front/<NOSRV> 30") && record.contains(" LR-- 0 GET "), "{record}");
    }
    assert_eq!(proxy.frontend_totals().denied, 0);
}

#[test]
fn requests_are_answered() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let reply =
        Reply { status: 200, fields: b"a: b\r\n".as_slice().into(), content: b"pong".as_slice().into() };
    let nothing = Reply { status: 204, fields: Box::default(), content: Arc::default() };
    setup.backend.http_request =
        vec![under("/ping", Action::Return(reply)), under("/none", Action::Return(nothing))];
    setup.backend.http_request.push(under("/never", Action::Deny(404)));
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET /ping HTTP/1.1\r\nHost: h\r\n\r\nGET /none HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.head(), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\na: b");
    assert_eq!(client.take(4), b"pong");
    assert_eq!(gist(&proxy.record()), "front back/<NOSRV> 200 LR-- 0 GET /ping HTTP/1.1");
    assert_eq!(client.head(), "HTTP/1.1 204 No content");
    proxy.record();
    client.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 404);
    assert_eq!(gist(&proxy.record()), "front back/<NOSRV> 404 PR-- 0 GET /never HTTP/1.1");
    let backend = || proxy.stats.snapshot().backends[0];
    until("it is counted", || backend().requests == 3 && backend().denied == 1);
    assert_eq!(backend().current, 0, "nothing is under way");
}

/// A server that answers with the head it was sent.
fn echoing() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            let length = head.len();
            served.send(format!(
                "HTTP/1.1 200 OK\r\nServer: secret\r\nX-A: one\r\nContent-Length: {length}\r\nx-a: two\r\n\r\n{head}"
            ));
        }
    })
}

fn text(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn change(edit: Edit) -> Rule {
    Rule { when: Matcher::All(Vec::new()), action: Action::Edit(edit) }
}

#[test]
fn fields_of_requests_are_changed() {
    let server = echoing();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.forwarded_for = None;
    let has = |name: &str, value: &str| {
        let value = Texts::new(How::Exact, false, vec![value.into()]).unwrap();
        Matcher::Test(Test::Header(name.into(), value))
    };
    setup.frontend.http_request = vec![
        change(Edit::Set("X-Proto".into(), text("http, ${host}"))),
        change(Edit::Add("X-More".into(), text("1"))),
        change(Edit::Add("x-more".into(), text(""))),
        change(Edit::Del("x-gone".into())),
        // What has changed is what further rules see.
        Rule {
            when: Matcher::All(vec![
                has("x-more", "1"),
                Matcher::Not(Box::new(Matcher::Test(Test::HasHeader("X-Gone".into())))),
            ]),
            action: Action::Edit(Edit::Set("X-Seen".into(), text("${src}"))),
        },
    ];
    setup.backend.http_request = vec![
        change(Edit::Set("Host".into(), text("inside.example"))),
        Rule {
            when: Matcher::Not(Box::new(Matcher::Test(Test::Host(
                Texts::new(How::Exact, false, vec!["inside.example".into()]).unwrap(),
            )))),
            action: Action::Deny(403),
        },
    ];
    let proxy = setup.start();
    let mut client = proxy.client();
    for target in ["/", "http://H.example:80/"] {
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: H.example:80\r\nX-PROTO: spoofed\r\nx-gone: 1\r\nx-more: 0\r\nX-Gone: 2\r\n\
             X-Proto: again\r\nAccept: */*\r\n\r\n"
        ));
        let (_, body) = client.response();
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "GET / HTTP/1.1\r\nx-more: 0\r\nAccept: */*\r\nX-Proto: http, h.example\r\nX-More: 1\r\nx-more:\r\n\
             X-Seen: 127.0.0.1\r\nHost: inside.example",
            "{target}"
        );
    }
}

#[test]
fn fields_of_responses_are_changed() {
    let server = echoing();
    let mut setup = Setup::new(&[server.addr]);
    let always = Matcher::All(Vec::new());
    let rule = |when: &Matcher, edit| ResponseRule { when: when.clone(), action: ResponseAction::Edit(edit) };
    let path = Matcher::Test(Test::Path(Texts::new(How::Exact, false, vec!["/x".into()]).unwrap()));
    setup.frontend.http_response = ResponseRules::new(vec![
        rule(&always, Edit::Del("server".into())),
        rule(&always, Edit::Set("x-frame-options".into(), text("DENY"))),
        rule(&always, Edit::Set("x-b".into(), text("frontend"))),
    ]);
    setup.backend.http_response = ResponseRules::new(vec![
        rule(&path, Edit::Set("X-A".into(), text("three"))),
        rule(&always, Edit::Add("X-B".into(), text("backend"))),
        rule(&always, Edit::Add("X-C".into(), text("$$"))),
    ]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for (target, head) in [
        ("/", "X-A: one\r\nContent-Length: 26\r\nx-a: two\r\nX-C: $"),
        ("/x", "Content-Length: 27\r\nX-A: three\r\nX-C: $"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: h.ex\r\n\r\n"));
        let expected = format!("HTTP/1.1 200 OK\r\n{head}\r\nx-frame-options: DENY\r\nx-b: frontend");
        let (found, _) = client.response();
        assert_eq!(found, expected);
    }
}

/// A server that answers a request with the status that its path ends in.
fn echoing_statuses() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            let status = head.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or("200");
            let content = if status == "304" { "" } else { "Content-Length: 2\r\n\r\nok" };
            let end = if content.is_empty() { "\r\n" } else { "" };
            served.send(format!("HTTP/1.1 {status} Theirs\r\nX-Secret: a, b\r\n{content}{end}"));
        }
    })
}

#[test]
fn responses_are_looked_at() {
    let server = echoing_statuses();
    let mut setup = Setup::new(&[server.addr]);
    let answered = |answered| Matcher::Test(Test::Response(answered));
    let status = |least, most| answered(Answered::Status(vec![Range { least, most }]));
    let under = |prefix: &str| {
        Matcher::Test(Test::Path(Texts::new(How::Prefix, false, vec![prefix.into()]).unwrap()))
    };
    let rule = |when: Matcher, action| ResponseRule { when, action };
    let reply =
        Reply { status: 404, fields: b"a: b\r\n".as_slice().into(), content: b"gone".as_slice().into() };
    let elsewhere =
        Redirect { status: 302, to: Location::Whole(Template::parse_of_response("/at/${status}").unwrap()) };
    let two = Answered::HeaderCount("x-secret".into(), Range { least: 2, most: 2 });
    setup.backend.http_response = ResponseRules::new(vec![
        rule(Matcher::All(vec![under("/deny"), status(500, 599)]), ResponseAction::Deny(502)),
        rule(Matcher::All(vec![under("/return"), status(404, 404)]), ResponseAction::Return(reply)),
        rule(
            Matcher::All(vec![under("/redirect"), Matcher::Not(status(200, 299).into())]),
            ResponseAction::Redirect(elsewhere),
        ),
        rule(Matcher::All(vec![under("/status"), status(500, 599)]), ResponseAction::SetStatus(429)),
        rule(status(429, 429), ResponseAction::Edit(Edit::Set("Retry-After".into(), text("5")))),
        rule(
            Matcher::All(Vec::new()),
            ResponseAction::Edit(Edit::Variable(
                "came".into(),
                Value::Text(Template::parse_of_response("${status} ${res_hdr(x-secret)}").unwrap()),
            )),
        ),
        rule(answered(two), ResponseAction::Edit(Edit::Del("x-secret".into()))),
    ]);
    setup.frontend.http_response = ResponseRules::new(vec![
        rule(
            Matcher::Not(answered(Answered::HasHeader("X-Secret".into())).into()),
            ResponseAction::Edit(Edit::Set("X-Came".into(), text("${var(came)}"))),
        ),
        rule(Matcher::Any(vec![under("/never"), status(410, 410)]), ResponseAction::Deny(403)),
    ]);
    let proxy = setup.start();
    let mut client = proxy.client();
    let passed = |line: &str, more: &str, came: &str| {
        format!("HTTP/1.1 {line}\r\nContent-Length: 2\r\n{more}X-Came: {came} a, b")
    };
    for (path, head, body, letters) in [
        ("/200", passed("200 Theirs", "", "200"), "ok", "----"),
        ("/deny/500", page_of("502 Bad gateway"), "page", "PH--"),
        ("/deny/499", passed("499 Theirs", "", "499"), "ok", "----"),
        ("/return/404", "HTTP/1.1 404 Not found\r\ncontent-length: 4\r\na: b".into(), "gone", "LH--"),
        (
            "/redirect/304",
            "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /at/304\r\ncache-control: no-cache".into(),
            "",
            "LH--",
        ),
        ("/redirect/200", passed("200 Theirs", "", "200"), "ok", "----"),
        ("/status/503", passed("429 Too many requests", "Retry-After: 5\r\n", "429"), "ok", "----"),
        ("/410", page_of("403 Forbidden"), "page", "PH--"),
        ("/never/200", page_of("403 Forbidden"), "page", "PH--"),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let (found, content) = client.response();
        if body == "page" {
            assert!(found.starts_with(&head), "{path}: {found}");
            assert!(!found.to_ascii_lowercase().contains("secret"), "{path}: {found}");
        } else {
            assert_eq!((found, content), (head, body.as_bytes().to_vec()), "{path}");
        }
        let record = gist(&proxy.record());
        assert!(record.starts_with("front back/s1 ") && record.contains(&format!(" {letters} ")), "{record}");
    }
    let totals = proxy.frontend_totals();
    assert_eq!((totals.denied, totals.denied_responses, totals.intercepted), (0, 3, 2));
}

fn page_of(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\ncontent-length: ")
}

/// What is said of servers is what they have answered with, and a status that has no content stays.
#[test]
fn a_status_that_has_no_content_stays() {
    let server = echoing_statuses();
    let mut setup = Setup::new(&[server.addr]);
    let always = Matcher::All(Vec::new());
    setup.frontend.http_response =
        ResponseRules::new(vec![ResponseRule { when: always, action: ResponseAction::SetStatus(503) }]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for (path, status) in [("/304", 304), ("/200", 503)] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(super::common::status(&client.response().0), status, "{path}");
        proxy.record();
    }
    assert_eq!(proxy.frontend_totals().responses[4], 1);
    assert_eq!(proxy.stats.snapshot().servers[0].responses[4], 0, "the server has answered with 200");
}

/// `facts/reliability.md`, classes 4 and 16.
#[test]
fn no_spelling_escapes_a_rule() {
    let server = answering();
    let proxy = spellings::guarded(&[server.addr]).start();
    let status_of = |target: &str, host: &str, by: &str| {
        let mut client = proxy.client();
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-By: {by}\r\nConnection: close\r\n\r\n"
        ));
        status(&client.head())
    };
    for path in spellings::PATHS {
        for by in spellings::WAYS {
            assert_eq!(status_of(path, "h", by), 403, "{path} by {by}");
            let absolute = format!("http://h{path}");
            assert_eq!(status_of(&absolute, "other", by), 403, "{absolute} by {by}");
        }
    }
    for path in spellings::CASES {
        assert_eq!(status_of(path, "h", "nocase"), 403, "{path}");
        assert_eq!(status_of(path, "h", "beg"), 200, "{path}: letters differ");
    }
    for host in spellings::HOSTS {
        assert_eq!(status_of("/", host, ""), 403, "{host}");
        assert_eq!(status_of(&format!("http://{host}/"), "other", ""), 403, "{host} in the target");
    }
    // What the target says goes before the field, here and for the server.
    assert_eq!(status_of("http://h/", "admin.example", ""), 200);
    // What some read as another path is no request.
    for target in
        ["/admin/#x", "/#/../admin/", "/x\t/admin", "/\u{c0}\u{af}admin/", "/admin/\0", "admin/", "*", ""]
    {
        assert_eq!(status_of(target, "h", "beg"), 400, "{target:?}");
    }
    for path in spellings::OTHERS {
        for by in spellings::WAYS {
            let expected = if *path == "/administer" && by == "beg" { 403 } else { 200 };
            assert_eq!(status_of(path, "h", by), expected, "{path} by {by}");
        }
    }
}

#[test]
fn rules_say_how_urgent_records_are() {
    let server = echoing_statuses();
    let mut setup = Setup::new(&[server.addr]);
    let path =
        |path: &str| Matcher::Test(Test::Path(Texts::new(How::Exact, false, vec![path.into()]).unwrap()));
    let level = |level| Edit::LogLevel(level);
    setup.frontend.http_request = vec![
        Rule { when: path("/quiet/200"), action: Action::Edit(level(LogLevel::Silent)) },
        Rule { when: path("/denied"), action: Action::Edit(level(LogLevel::Level(Level::Alert))) },
        Rule { when: path("/denied"), action: Action::Deny(403) },
    ];
    let failed = Matcher::Test(Test::Response(Answered::Status(vec![Range { least: 500, most: 599 }])));
    setup.frontend.http_response = ResponseRules::new(vec![ResponseRule {
        when: failed,
        action: ResponseAction::Edit(level(LogLevel::Level(Level::Err))),
    }]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for path in ["/quiet/200", "/denied", "/500", "/200"] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        client.response();
    }
    // Of local0, which is 16: RFC 5424 §6.2.1.
    for (priority, said) in [(129, "/denied"), (131, "/500"), (134, "/200")] {
        let line = proxy.line();
        assert!(line.starts_with(&format!("<{priority}>")) && line.contains(said), "{line}");
    }
}
