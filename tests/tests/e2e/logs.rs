//! Log lines on their way out of the whole program.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use evenkeel_tests::lab::node::{Role, run_to_end};
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};
use nix::sys::signal::Signal;

use super::site::{Authority, FRONT, Site};

#[test]
fn lines_reach_files_and_daemons_and_files_are_opened_anew() {
    let logs = Scratch::new("logs");
    let path = |name: &str| logs.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    let daemon = UnixDatagram::bind(path("daemon")).expect("a socket");
    // The worker is nobody.
    for open in [logs.path(), &path("daemon")] {
        fs::set_permissions(open, Permissions::from_mode(0o777)).expect("set permissions");
    }
    daemon.set_read_timeout(Some(SOON)).expect("a timeout");
    let site = Site::start(
        &format!(
            "{FRONT}bind = \"*:80\"\nlog = [{{ to = \"file:{}\" }}, {{ to = \"{}\", format = \"rfc5424\", tag = \"edge\" }}]\n\
             log_format = \"%HM %HU %ST ${{hdr(user-agent)}} %b/%s\"\n\
             [listen.gone]\nbind = \"*:81\"\nlog = [{{ to = \"file:{}\", format = \"short\" }}]\n\
             server = [{{ name = \"g1\", addr = \"10.77.0.11:9\", check = true, inter = \"100ms\", fall = 1 }}]\n",
            shown("access.log"),
            shown("daemon"),
            shown("gone.log"),
        ),
        |_| {},
    );
    let written = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
    let asked = |target: &str| {
        let got = site.curl("--user-agent it\"s", &format!("http://10.77.0.1{target}"));
        assert!(got.is_ok(), "{got:?}");
    };
    asked("/one");
    wait::until_true("the first line", SOON, || written("access.log") == "GET /one 200 it#22s b/s1\n");
    let mut datagram = [0; 1024];
    let length = daemon.recv(&mut datagram).expect("a datagram");
    let datagram = String::from_utf8_lossy(&datagram[..length]);
    assert!(datagram.starts_with("<134>1 20") && datagram.contains(" edge "), "{datagram}");
    assert!(datagram.ends_with(" - - GET /one 200 it#22s b/s1"), "{datagram}");

    // Whoever rotates logs moves the file away and says so.
    fs::rename(path("access.log"), path("access.log.1")).expect("move the file");
    site.node.signal(Role::Keeper, Signal::SIGHUP);
    wait::until_true("the file is opened anew", SOON, || path("access.log").exists());
    asked("/two");
    wait::until_true("the second line", SOON, || written("access.log") == "GET /two 200 it#22s b/s1\n");
    assert_eq!(written("access.log.1"), "GET /one 200 it#22s b/s1\n");

    // In HAProxy's words and at its levels.
    let down = "<1>Server gone/g1 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", check duration: ";
    let lost = "<0>proxy gone has no server available!";
    wait::until_true("the server's end", SOON, || written("gone.log").lines().count() >= 2);
    let lines = written("gone.log");
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with(down), "{lines:?}");
    assert!(
        lines[0].ends_with(
            ". 0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue."
        ),
        "{lines:?}"
    );
    assert_eq!(lines[1], lost);
}

/// `evenkeel logs` needs no target that can be read, shows what the node says beside it, and goes on behind a cursor.
#[test]
fn the_node_shows_what_it_has_said() {
    let site = Site::start(&format!("{FRONT}bind = \"*:80\"\nlog = [{{ to = \"127.0.0.1:9\" }}]\n"), |_| {});
    let directory = site.node.scratch().path().join("run").display().to_string();
    let logs = |args: &[&str]| {
        let args = [&["logs", "--runtime-dir", &directory][..], args].concat();
        let (code, out, err) = run_to_end(&site.lab.a, &args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        out
    };
    for n in 0..3 {
        assert!(site.curl("", &format!("http://10.77.0.1/number-{n}")).is_ok());
    }
    wait::until_true("the lines are there", SOON, || logs(&[]).contains("GET /number-2 HTTP/1.1"));
    let all = logs(&[]);
    let lines: Vec<&str> = all.lines().collect();
    let place = |text: &str| lines.iter().position(|line| line.contains(text)).expect(text);
    assert!(place("worker ready") < place("/number-0") && place("/number-0") < place("/number-1"), "{all}");
    assert!(lines[place("worker ready")].contains("Z node  INFO"), "{all}");
    assert!(lines[place("/number-0")].contains("Z proxy 10.77.0."), "{all}");
    assert_eq!(logs(&["--lines", "1"]), format!("{}\n", lines[lines.len() - 1]));
    let last = logs(&["-n1", "--json"]);
    assert!(last.contains("\"source\":\"proxy\"") && last.contains("/number-2"), "{last}");

    // Another worker's lines come behind the first one's.
    let before = site.node.pids(Role::Worker);
    site.node.signal(Role::Worker, Signal::SIGKILL);
    wait::until_true("another worker", SOON, || {
        let now = site.node.pids(Role::Worker);
        !now.is_empty() && now != before && site.curl("", "http://10.77.0.1/after").is_ok()
    });
    wait::until_true("its lines are there", SOON, || logs(&[]).contains("GET /after HTTP/1.1"));
    assert!(logs(&[]).contains("worker ended"));

    let (code, _, err) = run_to_end(&site.lab.a, &["logs", "--runtime-dir", "/nowhere"]);
    assert!(code == Some(1) && err.contains("no answer from a running evenkeel"), "{err}");
}

#[test]
fn lines_show_the_session() {
    let ca = Authority::new("ca");
    let log = Scratch::new("logs");
    fs::set_permissions(log.path(), Permissions::from_mode(0o777)).expect("set permissions");
    let path = log.path().join("log");
    let site = Site::start(
        &format!(
            "{FRONT}bind = {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}\nlog = [{{ to = \"file:{}\" }}]\n\
             log_format = \"%ft %sslv ${{ssl_fc_sni}} ${{ssl_fc_alpn}} ${{ssl_c_used}} %HV ${{host}} %fi:%fp %si:%sp\"\n",
            path.display()
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    for (args, expected) in [
        (
            "--http2",
            "f~ TLSv1.3 www.example.com h2 0 HTTP/2.0 www.example.com 10.77.0.1:443 10.77.0.11:8080\n",
        ),
        (
            "--http1.1 --tls-max 1.2 --header Host:Other.example",
            "f~ TLSv1.2 www.example.com http/1.1 0 HTTP/1.1 other.example 10.77.0.1:443 10.77.0.11:8080\n",
        ),
    ] {
        fs::write(&path, "").expect("empty the file");
        site.curl(args, "https://www.example.com/").expect("an answer");
        let written = || fs::read_to_string(&path).unwrap_or_default();
        wait::until_true("a line", SOON, || written().ends_with('\n'));
        assert_eq!(written(), expected);
    }
}
