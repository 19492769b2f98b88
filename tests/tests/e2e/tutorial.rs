//! What a tutorial for HAProxy shows, in our language, beside a real HAProxy that runs the original where it takes it.
//!
//! | files | what they show | elsewhere |
//! |---|---|---|
//! | `balancing` | servers, checks, a spare, error files | |
//! | `algorithms` | roundrobin, leastconn, source, uri, first | hashes and weights: `proxy/src/balance` |
//! | `https` | TLS, redirection, fields for security | `tls.rs` |
//! | `routing` | hosts, paths, methods, fields | `rules.rs` |
//! | `checks` | checks that HAProxy misreads, drain, backup, slowstart | MySQL, Redis, SMTP: `checks.rs` |
//! | `securing` | limits, black and white lists | `limits.rs` |
//! | `monitoring` | statistics page, metrics | `page.rs`, `sight.rs`, `monitoring.rs` |
//! | | the pair | `pair.rs`, `interop.rs` |

use std::sync::Arc;

use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until};
use evenkeel_tests::lab::{Backend, Lab, Node};

use super::site::{Authority, Files, run};

macro_rules! snippet {
    ($name:literal) => {
        include_str!(concat!("tutorial/", $name))
    };
}

/// Ours on 10.77.0.1 and HAProxy on 10.77.0.2, before the same two servers.
struct Both {
    lab: Lab,
    node: Node,
    servers: [Option<Backend>; 2],
    ca: String,
    _haproxy: Peer,
}

impl Both {
    /// `@` in HAProxy's configuration stands for the directory of its files.
    fn start(ours: &str, theirs: &str) -> Self {
        let lab = Lab::new();
        let servers = Backend::pair(&lab.servers).map(Some);
        let ca = Authority::new("ca");
        let files = Arc::new(Scratch::new("tutorial"));
        let prepare = |scratch: &Scratch| {
            let files = Files(scratch);
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
            files.write("blacklist.txt", "# nobody\n192.0.2.0/24\n10.77.0.66\n");
        };
        prepare(&files);
        let node = Node::start_in(&lab.a, ours, &files);
        let haproxy =
            Peer::start(&lab.b, "/usr/sbin/haproxy", "haproxy", &["-db", "-f", "@/cfg"], |scratch| {
                prepare(scratch);
                let dir = scratch.path().to_str().expect("a readable path").to_owned();
                scratch.write("cfg", &theirs.replace('@', &dir));
            });
        node.wait_fit();
        let ca = files.path().join("ca.pem").display().to_string();
        Self { lab, node, servers, ca, _haproxy: haproxy }
    }

    /// What curl prints for a request to the one proxy or the other: `%` in the URL stands for its address.
    fn ask(&self, address: &str, args: &str, url: &str) -> String {
        let line = format!(
            "--silent --show-error --max-time 5 --cacert {} --resolve www.example.com:443:{address} {args} {}",
            self.ca,
            url.replace('%', address)
        );
        let (_, out, errors) = run(&self.lab.client.ns, "curl", &line);
        format!("{out}{errors}")
    }

    /// The same of both, which have to agree but for their addresses.
    fn agree(&self, args: &str, url: &str) -> String {
        // HAProxy has names of fields in lower case.
        let said = |at| self.ask(at, args, url).replace(at, "%");
        let said = |at| if args.contains("--head") { said(at).to_ascii_lowercase() } else { said(at) };
        let [ours, theirs] = [OURS, THEIRS].map(said);
        assert_eq!(ours, theirs, "{args} {url}");
        ours
    }

    /// Waits until both say that.
    fn wait(&self, what: &str, url: &str, said: &str) {
        for at in [OURS, THEIRS] {
            until(&format!("{at}: {what}"), SOON, || (self.ask(at, "", url) == said).then_some(()));
        }
    }
}

#[test]
fn servers_are_balanced_and_checked_and_one_is_spared() {
    let mut both = Both::start(snippet!("balancing.toml"), snippet!("balancing.cfg"));
    both.wait("the server answers", "http://%/", "ok s1\n");
    assert_eq!(both.agree("", "http://%/"), "ok s1\n");
    both.servers[0].as_ref().unwrap().set_healthy(false);
    both.wait("the spare takes over", "http://%/", "ok s2\n");
    both.servers[0].as_ref().unwrap().set_healthy(true);
    both.wait("the first is back", "http://%/", "ok s1\n");
    both.servers = [None, None];
    let file = std::fs::read_to_string("/etc/haproxy/errors/503.http").expect("Debian's error files");
    let content = file.split_once("\r\n\r\n").expect("a head").1;
    both.wait("nobody is left", "http://%/", content);
    assert_eq!(both.agree("--output /dev/null --write-out %{http_code}", "http://%/"), "503");
}

#[test]
fn every_algorithm_chooses_as_haproxys() {
    let both = Both::start(snippet!("algorithms.toml"), snippet!("algorithms.cfg"));
    for (port, algorithm) in
        [(8001, "roundrobin"), (8002, "leastconn"), (8003, "source"), (8004, "uri"), (8005, "first")]
    {
        until("HAProxy listens", SOON, || {
            both.ask(THEIRS, "", &format!("http://%:{port}/health")).starts_with("ok").then_some(())
        });
        both.ask(OURS, "", &format!("http://%:{port}/health"));
        let chosen: Vec<String> = ["/a", "/b", "/c", "/b", "/a", "/f?x=1"]
            .map(|path| both.agree("", &format!("http://%:{port}{path}")))
            .into();
        let both_used = ["ok s1\n", "ok s2\n"].iter().all(|name| chosen.iter().any(|c| c == name));
        match algorithm {
            "roundrobin" | "uri" => assert!(both_used, "{algorithm}: {chosen:?}"),
            "source" | "first" => assert!(!both_used, "{algorithm}: {chosen:?}"),
            _ => {}
        }
        if algorithm == "uri" {
            assert_eq!((&chosen[0], &chosen[1]), (&chosen[4], &chosen[3]), "the same path, the same server");
        }
    }
}

#[test]
fn tls_is_ended_and_fields_for_security_are_set() {
    let both = Both::start(snippet!("https.toml"), snippet!("https.cfg"));
    both.wait("the server answers", "https://www.example.com/", "ok s1\n");
    let redirect = both.agree("--write-out %{http_code}:%{redirect_url}", "http://%/x?y=z");
    assert_eq!(redirect, "302:https://%/x?y=z");
    let mut fields: Vec<String> = both
        .agree("--http1.1 --head --header user-agent:", "https://www.example.com/")
        .lines()
        .skip(1)
        .filter_map(|line| {
            Some(line.trim_end().to_owned()).filter(|l| l.contains(": ") && !l.starts_with("date"))
        })
        .collect();
    fields.sort();
    for expected in [
        "strict-transport-security: max-age=31536000; includeSubDomains; preload",
        "x-frame-options: DENY",
        "x-content-type-options: nosniff",
        "x-xss-protection: 1; mode=block",
        "referrer-policy: strict-origin-when-cross-origin",
    ] {
        assert!(fields.iter().any(|f| f.eq_ignore_ascii_case(expected)), "{expected}: {fields:?}");
    }
    assert!(!fields.iter().any(|f| f.to_ascii_lowercase().starts_with("x-backend")), "{fields:?}");
    for at in [OURS, THEIRS] {
        let old = "--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 --output /dev/null";
        let refused = both.ask(at, old, "https://www.example.com/");
        assert!(refused.contains("curl: (35)"), "{at}: {refused}");
    }
}

#[test]
fn requests_go_by_host_path_method_and_field() {
    let both = Both::start(snippet!("routing.toml"), snippet!("routing.cfg"));
    both.wait("HAProxy listens", "http://%:8003/", "ok s1\n");
    for (args, url, server) in [
        ("--header host:API.example.com", "http://%:8001/", "s2"),
        ("--header host:static.example.com", "http://%:8001/", "s1"),
        ("--header host:other.example.com", "http://%:8001/", "s1"),
        ("", "http://%:8002/api/x", "s2"),
        ("", "http://%:8002/admin/", "s2"),
        ("", "http://%:8002/apix", "s1"),
        (WEBSOCKET, "http://%:8002/", "s2"),
        ("--data x=1", "http://%:8003/api/", "s2"),
        ("", "http://%:8003/api/", "s1"),
        ("--user-agent Some-Mobile/1", "http://%:8003/", "s2"),
        ("--header accept:application/json", "http://%:8003/", "s2"),
        ("--data x=1", "http://%:8003/", "s1"),
    ] {
        assert_eq!(both.agree(args, url), format!("ok {server}\n"), "{args} {url}");
    }
}

/// HAProxy loses the quotes and never finds what is looked for, and does not know `drain` on a line of a server.
#[test]
fn checks_mean_what_they_say() {
    let both = Both::start(
        snippet!("checks.toml"),
        "defaults\n mode http\n timeout client 1s\nfrontend f\n bind 127.0.0.1:1\n",
    );
    until("the content is found", SOON, || {
        both.ask(OURS, "", "http://%/").contains("\"status\":\"ok\"").then_some(())
    });
    let states = || {
        let servers = both.node.status_at("/proxy/servers");
        let state = |name: &str| {
            let found = servers.as_array()?.iter().find(|s| s["name"] == name)?;
            Some(found["state"].as_str()?.to_owned())
        };
        ["web1", "app2", "app3", "app4"].map(|name| state(name).unwrap_or_default())
    };
    until("servers are as they are told to be", SOON, || {
        (states() == ["UP", "DRAIN", "UP", "UP"]).then_some(())
    });
    assert!(both.ask(OURS, "", "http://%:8082/").contains("\"status\":\"ok\""));
}

#[test]
fn clients_are_limited_and_kept_out() {
    let both = Both::start(snippet!("securing.toml"), snippet!("securing.cfg"));
    both.wait("HAProxy listens", "http://%:8002/", "ok s1\n");
    // The window has room for all of them, and each proxy counts its own.
    for at in [OURS, THEIRS] {
        let line = "--output /dev/null --write-out %{http_code}\\n";
        let answers = both.ask(at, line, "http://%:8001/[1-120]");
        let count = |status: &str| answers.lines().filter(|l| *l == status).count();
        assert_eq!((count("200"), count("429")), (100, 20), "{at}: {answers}");
    }
    let status = "--output /dev/null --write-out %{http_code}";
    for (path, expected) in [("/", "200"), ("/admin", "403"), ("/administrator", "403"), ("/x/admin", "200")]
    {
        assert_eq!(both.agree(status, &format!("http://%:8002{path}")), expected, "{path}");
    }
    for at in [OURS, THEIRS] {
        let line = format!("--silent --max-time 5 {status} http://{at}:8002/");
        let (_, out, _) = run(&both.lab.attacker.ns, "curl", &line);
        assert_eq!(out, "403", "{at}: its address is on the list");
    }
}

#[test]
fn statistics_and_metrics_are_where_the_tutorial_has_them() {
    let both = Both::start(snippet!("monitoring.toml"), snippet!("monitoring.cfg"));
    both.wait("HAProxy listens", "http://%/", "ok s1\n");
    let status = "--output /dev/null --write-out %{http_code}:%{content_type}";
    let known = "--user admin:Xy7-printed-nowhere";
    assert!(both.agree("--output /dev/null --write-out %{http_code}", "http://%:8404/stats") == "401");
    assert!(both.ask(OURS, &format!("{known} {status}"), "http://%:8404/stats").starts_with("200:text/html"));
    assert!(
        both.ask(THEIRS, &format!("{known} {status}"), "http://%:8404/stats").starts_with("200:text/html")
    );
    let [ours, theirs] = [OURS, THEIRS].map(|at| both.ask(at, known, "http://%:8404/stats;csv;norefresh"));
    let head = |csv: &str| csv.lines().next().map(|l| l.split(',').take(60).collect::<Vec<_>>().join(","));
    assert_eq!(head(&ours), head(&theirs));
    let rows = |csv: &str| -> Vec<String> {
        let names = csv.lines().skip(1).map(|l| l.split(',').take(2).collect::<Vec<_>>().join("/"));
        names.filter(|n| !n.is_empty() && n != "stats/BACKEND").collect()
    };
    assert_eq!(rows(&ours), rows(&theirs));
    assert_eq!(both.agree(status, "http://%:8405/metrics"), "200:text/plain; version=0.0.4");
    assert_eq!(both.agree("--output /dev/null --write-out %{http_code}", "http://%:8405/"), "404");
}

const OURS: &str = "10.77.0.1";
const THEIRS: &str = "10.77.0.2";

/// Without a key it is none to HAProxy.
const WEBSOCKET: &str = "--header upgrade:WebSocket --header connection:upgrade --header sec-websocket-version:13 \
                         --header sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==";
