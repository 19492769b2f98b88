//! What records show, beside HAProxy on the same requests.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use evenkeel_proxy::access_log::{Capture, Captures, CookieCapture, Format};
use evenkeel_proxy::plan::{LogFormat, Records, UniqueId};
use evenkeel_proxy::rules::template::Template;
use evenkeel_proxy::rules::{Action, Edit, How, Matcher, Rule, Test, Texts, Value};

use super::common::{Client, PATIENCE, Scripted, Setup, TestProxy, closed_port, field, scripted};
use super::oracle::Haproxy;

/// A server whose answers have something to show.
fn server() -> Scripted {
    scripted(|served, _| {
        while let Some(head) = served.request() {
            let length = field(&head, "content-length").map_or(0, |v| v.parse().unwrap());
            served.client.take(length);
            let status = field(&head, "x-status").unwrap_or("200 OK").to_owned();
            let body = if head.starts_with("HEAD ") { "" } else { "ok" };
            served.send(format!(
                "HTTP/1.1 {status}\r\nServer: unit\r\nX-Resp: \"a\" b|c\r\nSet-Cookie: x=1\r\nSet-Cookie: SRVC=xyz; \
                 path=/\r\nContent-Length: 2\r\n\r\n{body}"
            ));
        }
    })
}

fn client(addr: SocketAddr) -> Client {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

/// One request and its answer.
fn ask(client: &mut Client, request: &str) {
    client.send(request);
    let head = client.head();
    let length = field(&head, "content-length").map_or(0, |v| v.parse().unwrap());
    client.take(if request.starts_with("HEAD ") { 0 } else { length });
}

/// The same over a connection of its own.
fn ask_once(addr: SocketAddr, request: &str) {
    ask(&mut client(addr), request);
}

/// What both capture.
const CAPTURE: &str = " capture request header User-Agent len 12\n capture request header X-No len 10\n \
                       capture response header X-Resp len 32\n capture cookie SRVC len 20\n";

fn captures() -> Captures {
    let capture = |name: &str, bytes| Capture { name: name.into(), bytes };
    Captures {
        request: vec![capture("User-Agent", 12), capture("X-No", 10)],
        response: vec![capture("X-Resp", 32)],
        cookie: Some(CookieCapture { begin: "SRVC".into(), bytes: 20 }),
        ..Captures::default()
    }
}

fn logging(setup: &mut Setup, format: &str, records: Records) {
    let mut format = LogFormat::Custom(Arc::new(Format::parse(format).unwrap()));
    let mut records = records;
    records.ask(&mut format);
    setup.frontend.log_format = format;
    setup.frontend.records = Some(Box::new(records));
}

const REQUESTS: [&str; 6] = [
    "GET /p\"a%20th{x|y}]\\z?q=1&b=2 HTTP/1.1\r\nHost: h.example:80\r\nUser-Agent: A \"u]\" {a|b}\\zzz\r\nCookie: a=b; \
     SRVC=cl; z=1\r\n\r\n",
    "POST http://abs.example/x/y HTTP/1.1\r\nHost: abs.example\r\nContent-Length: 3\r\n\r\nabc",
    "HEAD /?x HTTP/1.1\r\nHost: h\r\nX-No: first\r\nX-No: second, third\r\nCookie: SRVC2=abcdefghijklmnopqrstuvwxyz\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent:\r\n\r\n",
    "GET /teapot HTTP/1.1\r\nHost: h\r\nX-Status: 418 I'm a teapot\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
];

/// Formats of which nothing depends on time or on who is first to a port.
const FORMATS: [&str; 8] = [
    "%HM|%HP|%HPO|%HQ|%HU|%HV|%ID|%ST|%f|%ft|%b/%s|%ts|%tsc|%rc|%sq/%bq",
    "%CC %CS %hr %hs %hrl %hsl |%hr|%hs|%hrl|%hsl|",
    "%{+Q}o %CC %CS %hr %hs %hrl %hsl %r %HM %HQ %b %s %ft %sslc %sslv %ID",
    "%{+E}o %hr %hrl %hs %r %HU %HP %HQ",
    "%{+Q,+E}o %hr %hrl %hs %r %HU %HP %HQ",
    "%{+X}ci %ci %fi %si:%sp %bi %{+X}si:%{+X}sp %{+Q}ci %{+Q}si %sslv",
    "  a   %hr   b  %% %{-Q}b \"c\" %hs  ",
    "%b%s-%ST_%HM:%bc/%sc/%rc",
];

fn compare(server: SocketAddr, format: &str, captures: Captures) {
    let marked = |line: &str| line.split_once("|<").expect("a mark").1.to_owned();
    let format = format!("|<%HM {format}");
    let quoted = format.replace('\\', "\\\\").replace('"', "\\\"");
    let capture = if captures.is_empty() { "" } else { CAPTURE };
    let frontend = format!("{capture} log-format \"{quoted}\"\n");
    let oracle = Haproxy::start_whole("", &frontend, &format!(" server s1 {server}\n"));
    let mut setup = Setup::new(&[server]);
    logging(&mut setup, &format, Records { captures, ..Records::default() });
    let proxy = setup.start();
    let (mut to_theirs, mut to_ours) = (client(oracle.addr), client(proxy.addr));
    for request in REQUESTS {
        ask(&mut to_theirs, request);
        ask(&mut to_ours, request);
        // Who has looked whether HAProxy listens is logged too, and has not asked for anything.
        let method = request.split(' ').next().unwrap();
        let theirs = marked(&oracle.line_with(&format!("|<{method} ")));
        assert_eq!(marked(&proxy.line()), theirs, "{format}: {request}");
    }
}

#[test]
fn operators_formats_give_haproxys_lines() {
    let server = server();
    for format in FORMATS {
        compare(server.addr, format, captures());
        compare(server.addr, format, Captures::default());
    }
}

/// Timers depend on the machine, HAProxy's clients are still there for a while, and its bytes are not those of the wire.
fn stable(line: &str) -> String {
    let record = line.split_once("] ").unwrap().1;
    let words: Vec<&str> = record.splitn(9, ' ').collect();
    let [frontend, server, timers, status, _bytes, cc, cs, flags, rest] = words[..] else {
        panic!("not a record: {line}")
    };
    assert_eq!(timers.split('/').count(), 5, "{line}");
    let counts = rest.splitn(3, '/').nth(2).unwrap();
    format!("{frontend} {server} {status} {cc} {cs} {flags} {counts}")
}

#[test]
fn httplog_spelled_out_gives_the_same_lines_as_httplog_and_as_haproxys() {
    let server = server();
    let quoted = Format::HTTPLOG.replace('"', "\\\"");
    let oracle = Haproxy::start_whole(
        "",
        &format!("{CAPTURE} log-format \"{quoted}\"\n"),
        &format!(" server s1 {}\n", server.addr),
    );
    let own = Records { captures: captures(), ..Records::default() };
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.records = Some(Box::new(own.clone()));
    let built_in = setup.start();
    let mut setup = Setup::new(&[server.addr]);
    logging(&mut setup, Format::HTTPLOG, own);
    let spelled = setup.start();
    let mut clients = [client(oracle.addr), client(built_in.addr), client(spelled.addr)];
    for request in REQUESTS {
        clients.iter_mut().for_each(|client| ask(client, request));
        let path = request.split(' ').nth(1).unwrap().replace('"', "#22");
        let theirs = stable(&oracle.line_with(&path));
        assert_eq!(stable(&built_in.line()), theirs);
        assert_eq!(stable(&spelled.line()), theirs);
    }
    let mut client = built_in.client();
    client.send("BAD\r\n\r\n");
    client.rest();
    let line = built_in.line();
    assert!(line.ends_with(" 0/0 \"<BADREQ>\""), "without a request nothing was captured: {line}");
}

#[test]
fn what_rules_capture_and_set_is_shown_as_haproxy_shows_it() {
    let server = server();
    let frontend = format!(
        "{CAPTURE} http-request set-var(txn.kind) str(api) if {{ path_beg /x }}\n \
         http-request capture req.hdr(Host) len 5\n http-request capture path len 4 if {{ path_beg /x }}\n \
         http-request deny if {{ path_beg /teapot }}\n \
         log-format \"|<%HM %hr|%hrl|%[var(txn.kind)]|%ST\"\n"
    );
    let oracle = Haproxy::start_whole("", &frontend, &format!(" server s1 {}\n", server.addr));
    let path =
        |begin: &str| Matcher::Test(Test::Path(Texts::new(How::Prefix, false, vec![begin.into()]).unwrap()));
    let text = |text: &str| Template::parse(text).unwrap();
    let all = || Matcher::All(Vec::new());
    let capture = |place, what: &str, bytes| Edit::Capture { place, text: text(what), bytes };
    let rules = [
        (path("/x"), Action::Edit(Edit::Variable("kind".into(), Value::Text(text("api"))))),
        (all(), Action::Edit(capture(0, "${hdr(host)}", 5))),
        (path("/x"), Action::Edit(capture(1, "${path}", 4))),
        (path("/teapot"), Action::Deny(403)),
    ];
    let mut setup = Setup::new(&[server.addr]);
    setup.frontend.http_request = rules.map(|(when, action)| Rule { when, action }).into();
    let captures = Captures { by_rules: 2, ..captures() };
    logging(&mut setup, "|<%HM %hr|%hrl|${var(kind)}|%ST", Records { captures, ..Records::default() });
    let proxy = setup.start();
    let (mut to_theirs, mut to_ours) = (client(oracle.addr), client(proxy.addr));
    let marked = |line: &str| line.split_once("|<").expect("a mark").1.to_owned();
    for request in REQUESTS {
        ask(&mut to_theirs, request);
        ask(&mut to_ours, request);
        let method = request.split(' ').next().unwrap();
        let theirs = marked(&oracle.line_with(&format!("|<{method} ")));
        assert_eq!(marked(&proxy.line()), theirs, "{request}");
    }
}

#[test]
fn clf_is_haproxys() {
    let server = server();
    let oracle = Haproxy::start_whole(
        "",
        &format!("{CAPTURE} option httplog clf\n"),
        &format!(" server s1 {}\n", server.addr),
    );
    let mut setup = Setup::new(&[server.addr]);
    logging(&mut setup, Format::CLF, Records { captures: captures(), ..Records::default() });
    let proxy = setup.start();
    let mut clients = [client(oracle.addr), client(proxy.addr)];
    for request in REQUESTS {
        clients.iter_mut().for_each(|client| ask(client, request));
        let path = request.split(' ').nth(1).unwrap().replace('"', "#22");
        // As above.
        let stable = |line: &str| {
            let (begin, rest) = line.split_once("]: ").unwrap().1.split_once(" \"\" \"\" ").unwrap();
            let asked = begin.split_once("] ").unwrap().1.rsplit_once(' ').unwrap().0;
            let client = begin.split_once('[').unwrap().0;
            let fields: Vec<&str> = rest.splitn(14, ' ').collect();
            let [_port, _ms, front, back, server, _, _, _, _, _, flags, _ac, _fc, rest] = fields[..] else {
                panic!("not a record: {line}")
            };
            format!("{client}{asked} {front} {back} {server} {flags} {rest}")
        };
        assert_eq!(stable(&proxy.line()), stable(&oracle.line_with(&path)));
    }
}

#[test]
fn the_server_and_the_log_have_the_same_identifier_and_no_other() {
    let server = server();
    let mut setup = Setup::new(&[server.addr]);
    let format = Format::parse("${uuid}").unwrap();
    let unique_id = Some(UniqueId { format, tells: Some("X-Request-ID".into()) });
    logging(&mut setup, "%ID ${hdr(x-request-id)}", Records { unique_id, ..Records::default() });
    let proxy = setup.start();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        ask_once(proxy.addr, "GET / HTTP/1.1\r\nHost: h\r\nx-request-id: mine\r\nX-REQUEST-ID: too\r\n\r\n");
        let head = server.head();
        let ids: Vec<&str> =
            head.lines().filter(|l| l.to_ascii_lowercase().starts_with("x-request-id:")).collect();
        let [id] = ids[..] else { panic!("{head}") };
        let id = id.split_once(": ").unwrap().1.to_owned();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        assert!(proxy.line().ends_with(&format!("]: {id} too")));
        assert!(seen.insert(id));
    }
}

/// As HAProxy's manual recommends it.
#[test]
fn identifiers_of_haproxys_form() {
    let server = server();
    let mut setup = Setup::new(&[server.addr]);
    let format = Format::parse("%{+X}o%ci:%cp_%Ts_%rt:%pid").unwrap();
    let unique_id = Some(UniqueId { format, tells: None });
    logging(&mut setup, "%{+X}cp %rt %ID", Records { unique_id, ..Records::default() });
    let proxy = setup.start();
    for number in 0..2 {
        ask_once(proxy.addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let line = proxy.line().split_once("]: ").unwrap().1.to_owned();
        let [port, counted, id] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_eq!(counted, number.to_string());
        assert!(id.starts_with(&format!("7F000001:{port}_")), "{line}");
        assert!(id.ends_with(&format!("_{number:04X}:{:04X}", std::process::id())), "{line}");
    }
}

#[test]
fn what_went_as_it_should_is_left_out_if_so_wanted_as_haproxy_does_it() {
    let server = server();
    let oracle = Haproxy::start_with(
        " option dontlog-normal\n option log-separate-errors\n",
        &format!(" server s1 {}\n", server.addr),
    );
    let mut setup = Setup::new(&[server.addr]);
    let records = Records { dontlog_normal: true, separate_errors: true, ..Records::default() };
    setup.frontend.records = Some(Box::new(records));
    let mut proxy = setup.start();
    for status in ["200 OK", "302 Found", "404 Not Found", "499 X", "500 X", "503 X"] {
        let request = format!("GET /{} HTTP/1.1\r\nHost: h\r\nX-Status: {status}\r\n\r\n", &status[..3]);
        ask_once(proxy.addr, &request);
        ask_once(oracle.addr, &request);
    }
    for path in ["/500", "/503"] {
        let (ours, theirs) = (proxy.line(), oracle.line_with("HTTP/1.1"));
        for line in [ours, theirs] {
            assert!(line.starts_with("<131>") && line.contains(path), "{line}");
        }
    }
    proxy.no_more_records();
}

/// Runs Debian's `halog` over lines, as a syslog daemon writes them to a file.
fn halog(flag: &str, lines: &[String]) -> String {
    let mut halog = Command::new("halog")
        .arg(flag)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("halog is installed (apt-get install haproxy)");
    let in_file = |line: &String| {
        let (date, rest) = line.split_once('>').unwrap().1.split_at("Nov 30 14:33:28 ".len());
        format!("{date}lb1 {rest}\n")
    };
    halog.stdin.take().unwrap().write_all(lines.iter().map(in_file).collect::<String>().as_bytes()).unwrap();
    let output = halog.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let all_read =
        said.starts_with(&format!("{} lines in, ", lines.len())) && said.contains(", 0 parsing errors");
    assert!(output.status.success() && all_read, "halog {flag}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The tool that people read HAProxy's logs with counts the same in ours.
#[test]
fn halog_counts_the_same_as_in_haproxys_lines() {
    let (server, dead) = (server(), closed_port());
    let oracle = Haproxy::start(&format!(" server s1 {}\n", server.addr));
    let refusing = Haproxy::start(&format!(" server s1 {dead}\n"));
    let (proxy, ours_refusing): (TestProxy, TestProxy) =
        (Setup::new(&[server.addr]).start(), Setup::new(&[dead]).start());
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for n in 0..20 {
        let status = ["200 OK", "404 X", "500 X", "302 Found"][n % 4];
        let request = format!("GET /{}?{n} HTTP/1.1\r\nHost: h\r\nX-Status: {status}\r\n\r\n", n % 3);
        ask_once(oracle.addr, &request);
        ask_once(proxy.addr, &request);
        theirs.push(oracle.line_with("HTTP/1.1"));
        ours.push(proxy.line());
        if n % 5 == 0 {
            ask_once(refusing.addr, &request);
            ask_once(ours_refusing.addr, &request);
            theirs.push(refusing.line_with("HTTP/1.1"));
            ours.push(ours_refusing.line());
        }
    }
    // Columns that hold times, from where on they do.
    for (flag, columns) in [("-srv", 10), ("-st", usize::MAX), ("-tc", usize::MAX), ("-u", 2), ("-ue", 2)] {
        let counted = |lines: &[String]| {
            let text = halog(flag, lines);
            assert!(text.lines().count() > 1, "halog {flag}: {text}");
            let mut rows: Vec<String> = text
                .lines()
                .map(|row| {
                    let fields: Vec<&str> = row.split_whitespace().collect();
                    let name = fields.last().copied().unwrap_or_default();
                    let name = if columns == 2 { name } else { "" };
                    format!("{} {name}", fields.iter().take(columns).copied().collect::<Vec<_>>().join(" "))
                })
                .collect();
            // Rows with equal counts come in any order.
            rows.sort_unstable();
            rows
        };
        assert_eq!(counted(&ours), counted(&theirs), "halog {flag}");
    }
}
