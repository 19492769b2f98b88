//! What operators see of requests, and what they do to them while they run.

use std::sync::Arc;

use evenkeel_proxy::h1::fault::Part;
use evenkeel_proxy::io::checker::Checker;
use evenkeel_proxy::io::sessions::{ClientSession, Speaks};
use evenkeel_proxy::io::sight::{Parts, Product, Sight};
use evenkeel_proxy::metrics::{Column, Wanted};
use evenkeel_proxy::plan::{BackendId, FrontendId, ServerId};
use evenkeel_proxy::rules::action::Service;
use evenkeel_proxy::rules::{Action, How, Matcher, Rule, Test, Texts};

use super::common::{Served, Setup, TestProxy, answering, field, gist, scripted, status, until};

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

fn sight(proxy: &TestProxy) -> (Arc<Sight>, Checker) {
    let checker = proxy.checker();
    let sight = Arc::new(Sight::new(Parts {
        plan: Arc::clone(&proxy.plan),
        state: Arc::clone(&proxy.balance),
        stats: Arc::clone(&proxy.stats),
        doors: proxy.proxy().doors(),
        operator: checker.operator(),
        product: Product { name: "Evenkeel", version: "0".into(), released: "" },
        dropped_logs: Box::new(|| 0),
    }));
    (sight, checker)
}

fn exporter() -> Rule {
    let path = Texts::new(How::Exact, false, vec!["/metrics".into()]).unwrap();
    Rule { when: Matcher::Test(Test::Path(path)), action: Action::Serve(Service::Prometheus) }
}

#[test]
fn a_rule_answers_with_what_is_counted() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = vec![exporter()];
    let proxy = setup.start();
    let mut client = proxy.client();
    client.send("GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(status(&client.response().0), 503, "there is nothing to see yet");
    let (sight, _checker) = sight(&proxy);
    proxy.services.offer(sight);
    client.send(GET);
    client.response();
    client.send("GET /metrics?scope=server&scope=frontend HTTP/1.1\r\nHost: h\r\n\r\n");
    let (head, body) = client.response();
    let fields = "\r\ncache-control: no-cache\r\ncontent-type: text/plain; version=0.0.4";
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with(fields), "{head}");
    let text = String::from_utf8(body).unwrap();
    for line in [
        "haproxy_server_sessions_total{proxy=\"back\",server=\"s1\"} 1",
        "haproxy_frontend_http_requests_total{proxy=\"front\"} 2",
        "haproxy_frontend_intercepted_requests_total{proxy=\"front\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(!text.contains("haproxy_backend_"), "nobody asked for it");
    for (request, expected) in [
        ("HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n", 200),
        ("GET /metrics?scope=x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("POST /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", 405),
    ] {
        client.send(request);
        let head = client.head();
        assert_eq!(status(&head), expected, "{request}");
    }
    for expected in [
        "front front/<NOSRV> 503 LR-- 0 GET /metrics HTTP/1.1",
        "front back/s1 200 ---- 0 GET /a HTTP/1.1",
        "front front/<NOSRV> 200 LR-- 0 GET /metrics?scope=server&scope=frontend HTTP/1.1",
    ] {
        assert_eq!(gist(&proxy.record()), expected);
    }
}

/// As HAProxy's `shutdown sessions server`: 502 where nothing has been said yet, and the letter K.
#[test]
fn an_operator_ends_what_is_under_way() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for (says, seen, letters) in [("", 502, "KH--"), (half, 200, "KD--")] {
        let server = scripted(move |served: &mut Served, _| {
            if served.request().is_some() {
                served.send(says);
                served.client.rest_or_reset();
            }
        });
        let proxy = Setup::new(&[server.addr]).start();
        proxy.balance.shutdowns().allow_orders();
        let mut client = proxy.client();
        client.send(GET);
        until("the server to have the request", || {
            proxy.balance.in_flight(ServerId(0)) == 1 && proxy.stats.snapshot().servers[0].connections > 0
        });
        let head = (!says.is_empty()).then(|| client.head());
        proxy.balance.shutdowns().order_by_operator(ServerId(0));
        let head = head.unwrap_or_else(|| client.head());
        assert_eq!(status(&head), seen);
        client.rest_or_reset();
        assert_eq!(gist(&proxy.record()), format!("front back/s1 {seen} {letters} 0 GET /a HTTP/1.1"));
    }
}

/// A frontend that is disabled leaves who comes in the backlog, and those who are there alone.
#[test]
fn a_paused_frontend_lets_nobody_in_until_it_goes_on() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let beside = Setup::new(&[server.addr]).frontend;
    setup.beside = Some(evenkeel_proxy::plan::Frontend { name: "beside".into(), log: Vec::new(), ..beside });
    let proxy = setup.start();
    let (sight, _checker) = sight(&proxy);
    let mut present = proxy.client();
    present.send(GET);
    present.response();
    sight.doors().pause(FrontendId(0), true);
    let mut late = proxy.client();
    late.send(GET);
    present.send(GET);
    assert_eq!(status(&present.response().0), 200, "it was there before");
    // The same thread lets this one in, which has come later.
    let stream = std::net::TcpStream::connect(proxy.beside.unwrap()).unwrap();
    let mut other = super::common::Client::over(stream);
    other.send(GET);
    assert_eq!(status(&other.response().0), 200);
    assert_eq!(proxy.frontend_totals().connections, 1);
    let row = |column| sight.rows(&Wanted::ALL)[0].text(column).into_owned();
    assert_eq!(
        (row(Column::Status), row(Column::Scur), row(Column::Smax)),
        ("PAUSED".into(), "1".into(), "1".into())
    );
    sight.doors().pause(FrontendId(0), false);
    assert_eq!(status(&late.response().0), 200);
    assert_eq!(
        (row(Column::Status), row(Column::Scur), row(Column::Stot)),
        ("OPEN".into(), "2".into(), "2".into())
    );
}

/// Limits change while connections are there; what has been cleared begins anew.
#[test]
fn limits_and_counters_change_at_once() {
    let server = answering();
    let proxy = Setup::new(&[server.addr]).start();
    let (sight, _checker) = sight(&proxy);
    let mut first = proxy.client();
    first.send(GET);
    first.response();
    sight.doors().set_frontend_most(FrontendId(0), 1);
    let mut second = proxy.client();
    second.send(GET);
    // The first one is idle and makes room.
    assert_eq!(status(&second.response().0), 200);
    first.rest_or_reset();
    let cells =
        |column| sight.rows(&Wanted::ALL).iter().map(|r| r.text(column).into_owned()).collect::<Vec<_>>();
    until("both requests to be counted", || cells(Column::ReqTot) == ["2", "2", "2"]);
    assert_eq!(cells(Column::Slim)[0], "1");
    sight.clear();
    until("the first client to be gone", || cells(Column::Scur)[0] == "1");
    assert_eq!(
        (cells(Column::Stot), cells(Column::ReqTot)),
        (vec!["0".to_owned(); 3], vec!["0".to_owned(); 3])
    );
}

/// The last of each is kept, with where it goes wrong; what could be read is not.
#[test]
fn what_cannot_be_read_is_kept() {
    let answers =
        ["SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n"];
    let server = scripted(move |served: &mut Served, _| {
        while let Some(request) = served.request() {
            let number = request.split(['/', ' ']).find_map(|word| word.parse::<usize>().ok());
            match number.and_then(|number| answers.get(number)) {
                Some(answer) => return served.send(answer),
                None => served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            }
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let kept = proxy.stats.unreadable().unwrap();
    let ask = |bytes: &str| {
        let mut client = proxy.client();
        client.send(bytes);
        status(&client.head())
    };
    assert_eq!(ask(GET), 200);
    assert_eq!(kept.events(), 0);
    for (number, (bytes, at, part, why)) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nbad header: y\r\n\r\n", 28, Part::FieldName, "malformed field line"),
        ("GET / HTTP/1.1\r\n\r\n", 16, Part::LastLine, "no Host"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(bytes), 400, "{bytes}");
        let event = kept.request(FrontendId(0)).unwrap();
        assert_eq!((&*event.bytes, event.at, event.part), (bytes.as_bytes(), at, part));
        assert_eq!((event.why.as_str(), event.number), (why, number as u64));
        assert_eq!((event.about.backend, event.about.server), (None, None));
    }
    for (number, (at, why)) in [
        (0, "unsupported protocol version"),
        (33, "malformed Content-Length"),
        (9, "nobody has asked for status 101"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(&format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n")), 502, "{why}");
        let event = kept.response(BackendId(0)).unwrap();
        assert_eq!((&*event.bytes, event.at, event.why.as_str()), (answers[number].as_bytes(), at, why));
        assert_eq!((event.about.frontend, event.about.server), (FrontendId(0), Some(ServerId(0))));
    }
    assert_eq!((ask(GET), kept.events()), (200, 5));
}

/// Whoever waits for a response says with whom; whoever is ended is gone, and its response does not pass for the whole.
#[test]
fn who_is_there_is_listed_and_can_be_ended() {
    let server = scripted(move |served: &mut Served, _| {
        while let Some(request) = served.request() {
            if request.starts_with("GET /half ") {
                served.send("HTTP/1.1 200 OK\r\n\r\nhalf");
                served.client.rest_or_reset();
                return;
            }
            served.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = Setup::new(&[server.addr]).start();
    let doors = proxy.proxy().doors();
    let list = || doors.sessions(None, 9).sessions;
    assert_eq!(list(), []);
    let mut idle = proxy.client();
    idle.send(GET);
    idle.response();
    until("the first one to be idle", || list().first().is_some_and(|s| s.backend.is_none()));
    let mut busy = proxy.client();
    busy.send("GET /half HTTP/1.1\r\nHost: h\r\n\r\n");
    busy.head();
    let seen = list();
    let kind = |s: &ClientSession| (s.frontend, s.backend, s.server, s.speaks, s.streams);
    let front = FrontendId(0);
    let to = (Some(BackendId(0)), Some(ServerId(0)));
    let expected = [(front, None, None, Speaks::Http1, 0), (front, to.0, to.1, Speaks::Http1, 1)];
    assert_eq!(seen.iter().map(kind).collect::<Vec<_>>(), expected);
    assert_eq!(seen[1].source, busy.stream.local_addr().unwrap());
    assert_eq!(doors.sessions(None, 1).more, 1);
    assert_eq!(doors.sessions(Some(seen[1].id), 9).sessions.len(), 1);
    assert!(doors.end_session(seen[1].id));
    let (rest, reset) = busy.rest_or_reset();
    assert!(reset, "an end would pass for the whole: {rest:?}");
    assert!(doors.end_session(seen[0].id));
    assert_eq!(idle.rest_or_reset(), (Vec::new(), false));
    until("both to be gone", || list().is_empty());
    assert!(seen.iter().all(|s| !doors.end_session(s.id)));
    assert_eq!(gist(&proxy.record()), "front back/s1 200 ---- 0 GET /a HTTP/1.1");
    assert_eq!(gist(&proxy.record()), "front back/s1 200 K--- 0 GET /half HTTP/1.1");
}

#[test]
fn a_rule_answers_with_the_statistics_page() {
    let server = answering();
    let mut setup = Setup::new(&[server.addr]);
    let path = Texts::new(How::Exact, false, vec!["/status".into()]).unwrap();
    let action = Action::Serve(Service::Stats);
    setup.frontend.http_request = vec![Rule { when: Matcher::Test(Test::Path(path)), action }];
    let proxy = setup.start();
    let (sight, _checker) = sight(&proxy);
    proxy.services.offer(sight);
    let mut client = proxy.client();
    let mut get = |target: &str| {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let (head, body) = client.response();
        (head, String::from_utf8(body).unwrap())
    };
    let (head, page) = get("/status");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(field(&head, "content-type"), Some("text/html; charset=utf-8"));
    for part in ["href=\"/status?stats;css\"", "src=\"/status?stats;js\"", "back"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("method=\"post\""), "nothing can be changed there");
    assert!(get("/status?stats;csv").1.starts_with("# pxname,svname,"));
    assert_eq!(field(&get("/status?stats;css").0, "content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(get("/elsewhere").1, "GET /elsewhere HTTP/1.1");
}
