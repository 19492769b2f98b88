//! The statistics page, in Debian's Chromium and to HAProxy's tools.

use std::process::{Command, Stdio};

use evenkeel_tests::lab::browser::Browser;
use evenkeel_tests::lab::topology::Host;
use evenkeel_tests::lab::wait::{SOON, until_true};
use evenkeel_tests::lab::{Backend, Lab, Node};

const CONFIG: &str = "[global]\nnbthread = 1\n\
     [defaults]\ntimeout = { connect = \"1s\", client = \"10s\", server = \"10s\" }\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\"]\ndefault_backend = \"app\"\n\
     [listen.stats]\nbind = [\"10.77.0.1:8404\"]\n\
     stats = { uri = \"/stats\", refresh = \"1s\", admin_if = \"LAB\", auth = { admin = \"l3t:me in\" } }\n\
     acl = { LAB = { src = \"10.77.0.0/24\" } }\n\
     [backend.app]\nserver = [\n\
     { name = \"s1\", addr = \"10.77.0.11:8080\", check = true, inter = \"100ms\", fall = 1, rise = 1 },\n\
     { name = \"s2\", addr = \"10.77.0.12:8080\", check = true, inter = \"100ms\", fall = 1, rise = 1 },\n]\n";

const ADMIN: &str = "admin:l3t:me in";

fn start() -> (Lab, Node, [Backend; 2]) {
    let lab = Lab::new();
    let servers = Backend::pair(&lab.servers);
    let node = Node::start(&lab.a, CONFIG);
    node.wait_fit();
    (lab, node, servers)
}

/// Head and content of an answer.
fn curl(host: &Host, args: &[&str]) -> String {
    let mut all = vec!["-sS".to_owned(), "-i".to_owned(), "--max-time".to_owned(), "5".to_owned()];
    all.extend(args.iter().map(|&arg| arg.to_owned()));
    let out =
        host.ns.run(move || Command::new("curl").args(all).stdin(Stdio::null()).output().expect("curl"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// What the page says of a server: the text of its row, or of one cell of it.
fn row(server: &str) -> String {
    format!(
        "[...document.querySelectorAll('tr.server')].find((r) => r.querySelector('th').textContent === '{server}')"
    )
}

fn status_is(server: &str, status: &str) -> String {
    format!("return {}.querySelector('.status').textContent.startsWith('{status}')", row(server))
}

/// A person logs in, watches a server go down and come back, drains another one, and looks at it all on a phone.
#[test]
fn a_browser_shows_and_changes_servers() {
    let (lab, node, [first, second]) = start();
    let browser = Browser::start(&lab.client);
    browser.open("http://10.77.0.1:8404/stats");
    assert_eq!(
        browser.run("return document.querySelectorAll('tr.server').length"),
        0,
        "not without a password"
    );
    browser.open("http://admin:l3t%3Ame%20in@10.77.0.1:8404/stats");
    browser.wait(
        "both servers are up",
        &format!("{} && {}", status_is("s1", "UP"), &status_is("s2", "UP")[7..]),
    );
    assert_eq!(browser.run("return document.title"), "Statistics of a");
    assert_eq!(browser.run("return document.querySelector('#panels h2').textContent"), "This node");
    assert_eq!(
        browser.run("return getComputedStyle(document.body).paddingTop !== '0px'"),
        true,
        "it has its style"
    );

    // The page stays, and what was chosen stays chosen.
    browser.run("window.mark = 1; document.querySelector('#process').dataset.mark = 1");
    browser.click("input[name=s][value=s2]");
    drop(first);
    browser.wait("it sees a server go down", &status_is("s1", "DOWN"));
    let why = browser.run(&format!("return {}.querySelector('.why').textContent", row("s1")));
    assert!(why.as_str().is_some_and(|w| w.contains("Layer4 connection problem")), "{why}");
    assert_eq!(browser.run("return window.mark"), 1, "nothing was loaded anew");
    assert_eq!(browser.run("return document.querySelector('input[name=s][value=s2]').checked"), true);
    let _first = Backend::start(&lab.servers, "s1", [10, 77, 0, 11].into());
    browser.wait("it sees the server come back", &status_is("s1", "UP"));

    browser.run("document.querySelector('select[name=action]').value = 'drain'");
    browser.click("#proxy-app button");
    browser.wait(
        "it is told that it is done",
        "return document.getElementById('said')?.textContent === 'Done.'",
    );
    browser.wait("it sees the server drain", &status_is("s2", "DRAIN"));
    browser.wait("the other one is untouched", &status_is("s1", "UP"));
    let csv = curl(&lab.client, &["-u", ADMIN, "http://10.77.0.1:8404/stats;csv"]);
    assert!(csv.lines().any(|l| l.starts_with("app,s2,") && l.contains(",DRAIN,")), "{csv}");

    browser.resize(400, 800);
    browser.wait("it fits on a phone", "return document.documentElement.scrollWidth <= window.innerWidth");
    browser.wait("with what matters", &status_is("s2", "DRAIN"));
    let hidden = browser.run("return getComputedStyle(document.querySelector('td.x')).display");
    assert_eq!(hidden, "none");
    drop((second, node));
    browser.wait("it says that what it shows is old", "return !document.getElementById('stale').hidden");
}

/// Who is not known is asked, and no other site can make a browser change anything.
#[test]
fn nobody_else_sees_or_changes_anything() {
    let (lab, node, _servers) = start();
    let page = "http://10.77.0.1:8404/stats";
    for args in [&[page][..], &["-u", "admin:wrong", page], &["-u", "root:l3t:me in", page]] {
        let answer = curl(&lab.client, args);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("\r\nwww-authenticate: Basic realm=\"Evenkeel statistics\""), "{answer}");
        assert!(!answer.contains("s1"), "{answer}");
    }
    let post = |origin: &str, data: &str| {
        curl(&lab.client, &["-u", ADMIN, "-H", &format!("origin: {origin}"), "--data", data, page])
    };
    let location =
        |answer: &str| answer.lines().find_map(|l| l.strip_prefix("location: ").map(str::to_owned));
    let drain = "s=s1&b=app&action=drain";
    let state = || {
        let csv = curl(&lab.client, &["-u", ADMIN, "http://10.77.0.1:8404/stats;csv"]);
        let line = csv.lines().find(|l| l.starts_with("app,s1,")).expect("a line").to_owned();
        line.split(',').nth(17).expect("a status").to_owned()
    };
    for (origin, data, to) in [
        ("http://evil.example", drain, "/stats;st=DENY"),
        ("null", drain, "/stats;st=DENY"),
        ("http://10.77.0.1:8404", "s=s1&b=app&action=burn", "/stats;st=IVAL"),
        ("http://10.77.0.1:8404", "s=s1&b=app", "/stats;st=ERRP"),
        ("http://10.77.0.1:8404", "b=app&action=drain", "/stats;st=NONE"),
    ] {
        let answer = post(origin, data);
        assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
        assert_eq!(location(&answer).as_deref(), Some(to), "{origin} {data}");
        assert_eq!(state(), "UP");
    }
    // However it comes.
    for how in
        ["--http2-prior-knowledge", "--header=expect: 100-continue", "--header=transfer-encoding: chunked"]
    {
        let how: Vec<&str> = how.splitn(2, '=').collect();
        let mut args = vec!["-u", ADMIN, "--data", "s=s1&b=app&action=maint", page];
        args.extend(&how);
        let answer = curl(&lab.client, &args);
        assert!(answer.lines().any(|l| l.trim_end() == "location: /stats;st=DONE"), "{how:?}: {answer}");
        assert_eq!(state(), "MAINT", "{how:?}");
        post("http://10.77.0.1:8404", "s=s1&b=app&action=ready");
        until_true("it is back", SOON, || state() == "UP");
    }
    let large = format!("b=app&action=drain{}", "&s=s1".repeat(10_000));
    assert_eq!(location(&post("http://10.77.0.1:8404", &large)).as_deref(), Some("/stats;st=EXCD"));
    assert_eq!(location(&post("http://10.77.0.1:8404", drain)).as_deref(), Some("/stats;st=DONE"));
    assert_eq!(state(), "DRAIN");
    let asked = ["-u", ADMIN, "-X", "DELETE", page];
    assert!(curl(&lab.client, &asked).starts_with("HTTP/1.1 405 "));
    drop(node);
}
