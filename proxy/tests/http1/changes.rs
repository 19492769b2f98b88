//! What rules change in requests and responses, beside HAProxy with the same rules; and clients that are kept waiting.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use evenkeel_proxy::map::{self, MapConfig, MapId};
use evenkeel_proxy::plan::BackendId;
use evenkeel_proxy::route::{Route, Routes, To};
use evenkeel_proxy::rules::line::LineEdit;
use evenkeel_proxy::rules::replacement::Replacement;
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{
    Action, Edit, How, Matcher, ResponseAction, ResponseRule, ResponseRules, Rule, Test, Texts, Value,
};

use super::common::{Client, PATIENCE, Scripted, Setup, answering, gist, scripted, status};
use super::oracle::Haproxy;

/// A server that answers with the head it was sent, without the fields that proxies add.
pub(crate) fn echoing() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            let length = head.len();
            served.send(format!(
                "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nVia: one, two\r\nContent-Length: {length}\r\n\
                 Set-Cookie: b=2\r\n\r\n{head}"
            ));
        }
    })
}

fn text(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn by(expression: &str, with: &str) -> Replacement {
    Replacement::new(expression, false, with).unwrap()
}

/// A change under a path.
fn under(prefix: &str, edit: Edit) -> Rule {
    let texts = Texts::new(How::Prefix, false, vec![prefix.into()]).unwrap();
    Rule { when: Matcher::Test(Test::RawPath(texts)), action: Action::Edit(edit) }
}

/// What the server has got, and the answer's fields, in an order of their own: ours go behind those that came.
pub(crate) fn asked(addr: SocketAddr, request: &str) -> (String, Vec<String>, Vec<String>) {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Client::over(stream);
    client.send(request);
    let (head, body) = client.response();
    let sorted = |head: &str| {
        let mut lines: Vec<String> = head.split("\r\n").skip(1).map(str::to_owned).collect();
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("x-forwarded-for:"));
        lines.sort_by_key(|line| line.to_ascii_lowercase());
        lines
    };
    let body = String::from_utf8(body).unwrap();
    (body.split("\r\n").next().unwrap().to_owned(), sorted(&body), sorted(&head))
}

#[test]
fn changes_are_haproxys() {
    let server = echoing();
    let theirs = Haproxy::start(&format!(
        " http-request set-path /new if {{ path_beg /path }}\n \
         http-request set-path /at/%[path]/%[src] if {{ path_beg /fill }}\n \
         http-request set-query x=1&y=%[path] if {{ path_beg /query }}\n \
         http-request set-pathq /p?q if {{ path_beg /both }}\n \
         http-request set-method PUT if {{ path_beg /method }}\n \
         http-request replace-path ^/api/v1/(.*)$ /v1/\\1/end if {{ path_beg /api }}\n \
         http-request replace-pathq ^/item/([0-9]+)(\\?.*)?$ /item?id=\\1 if {{ path_beg /item }}\n \
         http-request replace-header Cookie foo=([^;]*);(.*) foo=\\1;ip=%[src];\\2 if {{ path_beg /cookie }}\n \
         http-request replace-value X-List ^b(.)$ <\\1> if {{ path_beg /list }}\n \
         http-response replace-header Set-Cookie ^(.*)$ \"\\1; Secure\"\n \
         http-response replace-value Via ^two$ 2\n server s {}\n",
        server.addr
    ));
    let mut setup = Setup::new(&[server.addr]);
    setup.backend.http_request = vec![
        under("/path", Edit::Line(LineEdit::Path(text("/new")))),
        under("/fill", Edit::Line(LineEdit::Path(text("/at/${path}/${src}")))),
        under("/query", Edit::Line(LineEdit::Query(text("x=1&y=${path}")))),
        under("/both", Edit::Line(LineEdit::PathQuery(text("/p?q")))),
        under("/method", Edit::Line(LineEdit::Method("PUT".into()))),
        under("/api", Edit::Line(LineEdit::ReplacePath(by("^/api/v1/(.*)$", r"/v1/\1/end")))),
        under(
            "/item",
            Edit::Line(LineEdit::ReplacePathQuery(by(r"^/item/([0-9]+)(\?.*)?$", r"/item?id=\1"))),
        ),
        under("/cookie", Edit::Replace("Cookie".into(), by("foo=([^;]*);(.*)", r"foo=\1;ip=${src};\2"))),
        under("/list", Edit::ReplaceElements("x-list".into(), by("^b(.)$", r"<\1>"))),
    ];
    let always = |edit| ResponseRule { when: Matcher::All(Vec::new()), action: ResponseAction::Edit(edit) };
    setup.backend.http_response = ResponseRules::new(vec![
        always(Edit::Replace("Set-Cookie".into(), by("^(.*)$", r"\1; Secure"))),
        always(Edit::ReplaceElements("Via".into(), by("^two$", "2"))),
    ]);
    let ours = setup.start();
    for (line, fields) in [
        ("GET /path/x?a=b", ""),
        ("GET /path", ""),
        ("GET /fill/%61?b", ""),
        ("GET /query", ""),
        ("GET /query?old", ""),
        ("GET /both/x?y", ""),
        ("POST /method", "Content-Length: 0\r\n"),
        ("GET /method", ""),
        ("GET /api/v1/users/7?x=/api/v1/", ""),
        ("GET /api/v2/users", ""),
        ("GET /item/17?x", ""),
        ("GET /item/17", ""),
        ("GET /item/x", ""),
        ("GET /cookie", "Cookie: foo=1; bar=2\r\n"),
        ("GET /cookie", "Cookie: bar=2\r\nCookie: foo=1;\r\n"),
        ("GET /cookie", ""),
        ("GET /list", "X-List: a1, b2,b3\r\nX-LIST: b4\r\n"),
        ("GET /list", "X-List: a1\r\n"),
        ("GET /", ""),
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n");
        let lowered = |(line, mut asked, mut answered): (String, Vec<String>, Vec<String>)| {
            // HAProxy writes names in lower case, and no blank behind a comma where there was none.
            for field in asked.iter_mut().chain(&mut answered) {
                let (name, value) = field.split_once(':').unwrap();
                *field = format!("{}: {}", name.to_ascii_lowercase(), value.replace(' ', ""));
            }
            answered.sort();
            asked.sort();
            answered.retain(|field| !field.starts_with("content-length"));
            (line, asked, answered)
        };
        assert_eq!(lowered(asked(ours.addr, &request)), lowered(asked(theirs.addr, &request)), "{request}");
    }
}

#[test]
fn a_changed_request_is_what_rules_and_balancers_see() {
    let server = echoing();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![
        under("/old", Edit::Line(LineEdit::Path(text("/secret/../admin")))),
        under("/h", Edit::Line(LineEdit::Path(text("${hdr(X-Path)}")))),
    ];
    let admin = Texts::new(How::Prefix, false, vec!["/admin".into()]).unwrap();
    setup
        .frontend
        .http_request
        .push(Rule { when: Matcher::Test(Test::Path(admin)), action: Action::Deny(403) });
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET /old HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 403);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 403 PR-- 0 GET /old HTTP/1.1");
    // What comes from elsewhere in a request does not end its line.
    client.send("GET /h?q HTTP/1.1\r\nHost: h\r\nX-Path: x y?z#\"\r\n\r\n");
    let (_, body) = client.response();
    assert!(body.starts_with(b"GET /x%20y%3Fz%23\"?q HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&body));
    proxy.record();
    client.send("GET http://H.example/h?q HTTP/1.1\r\nHost: h\r\nX-Path: /n\r\n\r\n");
    let (_, body) = client.response();
    assert!(body.starts_with(b"GET /n?q HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&body));
    assert!(body.ends_with(b"\r\nhost: H.example"), "{}", String::from_utf8_lossy(&body));
}

#[test]
fn variables_reach_the_response() {
    let server = echoing();
    let mut setup = Setup::new(&[server.addr]);
    let always = || Matcher::All(Vec::new());
    let variable = |name: &str, value: &str| Rule {
        when: always(),
        action: Action::Edit(Edit::Variable(name.into(), Value::Text(text(value)))),
    };
    setup.frontend.http_request = vec![variable("who", "${hdr(X-User)} of ${src}"), variable("n", "1")];
    let one = Texts::new(How::Exact, false, vec!["1".into()]).unwrap();
    let other = Texts::new(How::Exact, false, vec!["2".into()]).unwrap();
    setup.backend.http_request = vec![
        Rule { when: Matcher::Test(Test::Variable("n".into(), other)), action: Action::Deny(403) },
        Rule {
            when: Matcher::Test(Test::Variable("n".into(), one)),
            action: Action::Edit(Edit::Set("X-Who".into(), text("${var(who)}"))),
        },
        Rule { when: Matcher::Test(Test::HasVariable("m".into())), action: Action::Deny(403) },
    ];
    let set = |name: &str, value: &str| {
        let action = ResponseAction::Edit(Edit::Set(name.into(), text(value)));
        ResponseRule { when: always(), action }
    };
    setup.frontend.http_response =
        ResponseRules::new(vec![set("X-Asked", "<${var(who)}>"), set("X-None", "${var(m)}")]);
    let proxy = setup.start();
    let mut client = proxy.client();
    for user in ["a", "b"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: {user}\r\n\r\n"));
        let (head, body) = client.response();
        let (head, body) = (head + "\r\n", String::from_utf8(body).unwrap() + "\r\n");
        assert!(head.contains(&format!("\r\nX-Asked: <{user} of 127.0.0.1>\r\nX-None:\r\n")), "{head}");
        assert!(body.contains(&format!("\r\nX-Who: {user} of 127.0.0.1\r\n")), "{body}");
    }
}

#[test]
fn maps_say_where_requests_go_and_what_variables_are() {
    let (first, second) = (echoing(), echoing());
    let mut setup = Setup::new(&[first.addr, second.addr]);
    setup.split();
    let map = |name: &str, how, entries: &[(&str, &str)]| MapConfig {
        name: name.into(),
        how,
        nocase: false,
        entries: entries.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        file: None,
    };
    setup.maps = vec![
        map("hosts", map::How::Str, &[("a.example", "other"), ("b.example", "nothing")]),
        map("networks", map::How::Ip, &[("127.0.0.0/8", "local")]),
    ];
    let route =
        Route { when: Matcher::All(Vec::new()), to: To::Mapped { map: MapId(0), key: text("${host}") } };
    setup.frontend.routes = Routes::new(vec![route]).naming([("other".into(), BackendId(1))].into());
    let value = Value::Mapped { map: MapId(1), key: text("${src}"), default: None };
    setup.frontend.http_request = vec![
        Rule { when: Matcher::All(Vec::new()), action: Action::Edit(Edit::Variable("net".into(), value)) },
        Rule {
            when: Matcher::All(Vec::new()),
            action: Action::Edit(Edit::Set("X-Net".into(), text("${var(net)}"))),
        },
    ];
    let proxy = setup.start();
    let mut client = proxy.client();
    let mut goes = |host: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let (_, body) = client.response();
        assert!(String::from_utf8(body).unwrap().contains("\r\nX-Net: local"));
        gist(&proxy.record()).split(' ').nth(1).unwrap().split('/').next().unwrap().to_owned()
    };
    assert_eq!(
        [goes("a.example"), goes("A.example:80"), goes("b.example"), goes("c")],
        ["other", "other", "back", "back"]
    );
    // Maps change while requests are served.
    proxy.balance.maps().change(MapId(0), |map| map.add("c".into(), "other".into())).unwrap().unwrap();
    assert_eq!(goes("c"), "other");
}

#[test]
fn what_has_no_content_is_asked_for_without() {
    let server = echoing();
    let mut setup = Setup::new(&[server.addr]);
    let put = || Rule {
        when: Matcher::All(Vec::new()),
        action: Action::Edit(Edit::Line(LineEdit::Method("PUT".into()))),
    };
    setup.frontend.http_request = vec![put(), under("/", Edit::Line(LineEdit::Path(text("/x"))))];
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK"));
    assert!(server.head().starts_with("HEAD /x HTTP/1.1\r\n"));
    let mut client = proxy.client();
    client.send("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    client.response();
    assert!(server.head().starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn a_tarpit_holds_clients_and_refuses_them() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.tarpit = Some(Duration::from_millis(300));
    setup.frontend.http_request = vec![Rule { when: Matcher::All(Vec::new()), action: Action::Tarpit(500) }];
    let proxy = setup.start();
    let mut client = proxy.client();
    let asked = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
    let head = client.head();
    assert!(asked.elapsed() >= Duration::from_millis(300), "{:?}", asked.elapsed());
    assert!(head.starts_with("HTTP/1.1 500 ") && head.ends_with("\r\nconnection: close"), "{head}");
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 500 PT-- 0 POST / HTTP/1.1");
    let totals = proxy.frontend_totals();
    assert_eq!((totals.requests, totals.denied), (1, 1));
}

/// What it sends does not keep the thread from others, nor put its refusal off.
#[test]
fn who_sends_into_a_tarpit_is_refused_in_time() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.tarpit = Some(Duration::from_millis(300));
    let slow = Texts::new(How::Prefix, false, vec!["/slow".into()]).unwrap();
    setup.frontend.http_request =
        vec![Rule { when: Matcher::Test(Test::Path(slow)), action: Action::Tarpit(500) }];
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
    client.send(vec![b'x'; 4 << 20]);
    let mut other = proxy.client();
    other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&other.response().0), 200);
    assert!(client.head().starts_with("HTTP/1.1 500 "));
}

#[test]
fn who_leaves_a_tarpit_is_let_go() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.timeout.tarpit = Some(Duration::from_secs(3600));
    setup.frontend.http_request = vec![Rule { when: Matcher::All(Vec::new()), action: Action::Tarpit(503) }];
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    client.shut();
    assert_eq!(status(&client.response().0), 503);
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> 503 PT-- 0 GET / HTTP/1.1");
}

#[test]
fn who_is_dropped_gets_nothing() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![Rule { when: Matcher::All(Vec::new()), action: Action::SilentDrop }];
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    // Loopback is no router away.
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(gist(&proxy.record()), "front front/<NOSRV> -1 PR-- 0 GET / HTTP/1.1");
    assert_eq!(proxy.frontend_totals().denied, 1);
}
