//! TLS files that are replaced while a node runs: SIGHUP and `evenkeel reload`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use evenkeel_tests::lab::node::{self, Role};
use evenkeel_tests::lab::wait::{self, SOON};
use nix::sys::signal::Signal;

use super::site::{Authority, FRONT, Files, Site};

/// A TLS connection of OpenSSL's client over which one request is sent after the other.
struct Session {
    client: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Session {
    fn open(site: &Site, name: &str) -> Self {
        let args = format!(
            "s_client -quiet -verify_return_error -connect 10.77.0.1:443 -servername {name} -CAfile {}",
            site.path("ca.pem")
        );
        let mut client = site.lab.client.ns.command("openssl", move |command| {
            command.args(args.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        });
        let requests = client.stdin.take().expect("a pipe");
        let answers = BufReader::new(client.stdout.take().expect("a pipe"));
        Self { client, requests, answers }
    }

    /// Sends a request and reads the status line and the rest of the head of its answer.
    fn ask(&mut self) -> String {
        self.requests
            .write_all(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            .expect("it takes a request");
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).expect("a line") > 0, "the connection goes on");
            if line.starts_with("HTTP/1.1 ") {
                return line.trim_end().to_owned();
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.client.kill().unwrap_or_default();
        self.client.wait().map(drop).unwrap_or_default();
    }
}

#[test]
fn tls_files_are_read_anew_and_only_if_they_are_good() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = {{ addr = \"*:443\", ssl = true, crt = [\"www.pem\", \"certs/\"], strict_sni = true }}"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
            files.bundle("certs/a.pem", &ca, &["a.example.com"]);
        },
    );
    let serial = || {
        let shown = site.s_client("-servername www.example.com -showcerts");
        let at = shown.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
        shown[at..].lines().skip(1).take_while(|l| !l.starts_with("-----")).collect::<String>()
    };
    let reaches =
        |name: &str| site.s_client(&format!("-servername {name}")).contains(&format!("CN = {name}"));
    let mut session = Session::open(&site, "www.example.com");
    assert_eq!(session.ask(), "HTTP/1.1 200 OK");
    let first = serial();
    assert!(reaches("a.example.com") && !reaches("b.example.com"));

    // SIGHUP: the new certificate, and one more in the directory.
    let scratch = std::sync::Arc::clone(site.node.scratch());
    let files = Files(&scratch);
    files.bundle("www.pem", &ca, &["www.example.com"]);
    files.bundle("certs/b.pem", &ca, &["b.example.com"]);
    site.node.signal(Role::Keeper, Signal::SIGHUP);
    site.node.wait_log("TLS files in use", SOON);
    let second = serial();
    assert_ne!(first, second);
    assert!(reaches("b.example.com") && !reaches("c.example.com"), "the names are as strict as before");
    assert_eq!(session.ask(), "HTTP/1.1 200 OK", "what is connected lives on");

    // Two files that are no good: both are told of, and nothing is replaced, not even by the good one beside them.
    files.write("www.pem", "nothing");
    files.write("certs/a.pem", "nothing either");
    files.bundle("certs/c.pem", &ca, &["c.example.com"]);
    let directory = scratch.path().join("run").display().to_string();
    let reload = || node::run_to_end(&site.lab.a, &["reload", "--runtime-dir", &directory]);
    let (status, _, told) = reload();
    assert_eq!(status, Some(1), "{told}");
    for text in ["`www.pem` has no private key", "`certs/a.pem` has no private key", "nothing was replaced"] {
        assert!(told.contains(text), "{text}: {told}");
    }
    site.node.wait_log("configuration not replaced: the one in use stays", SOON);
    assert_eq!(serial(), second);
    assert!(!reaches("c.example.com"));

    // A later worker starts from what was read last, though the files are broken meanwhile.
    site.node.signal(Role::Worker, Signal::SIGKILL);
    wait::until_true("another worker serves", SOON, || reaches("b.example.com"));
    assert_eq!(serial(), second);
    assert!(reaches("a.example.com"));

    files.bundle("www.pem", &ca, &["www.example.com"]);
    files.bundle("certs/a.pem", &ca, &["a.example.com"]);
    let (status, _, told) = reload();
    assert_eq!((status, told.as_str()), (Some(0), ""));
    wait::until_true("it is in use", SOON, || reaches("c.example.com"));
    assert_ne!(serial(), second);
}
