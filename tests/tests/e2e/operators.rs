//! What operators see of single messages and connections, and certificates that they replace: at our admin socket and at a
//! real HAProxy's.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until_true};

use super::sight::{Both, ask};
use super::site::{Authority, Files, run};

impl Both {
    /// A client of ours, or of theirs, that has said something.
    fn client(&self, port: u16, says: &str) -> TcpStream {
        let stream = self.lab.client.ns.run(move || TcpStream::connect(("10.77.0.1", port)));
        let mut stream = stream.expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        stream.write_all(says.as_bytes()).expect("a client that can speak");
        stream
    }
}

/// Without times, addresses of clients, the numbers of proxies, and what is HAProxy's own: its buffers and flags.
#[test]
fn what_could_not_be_read_is_shown_as_by_haproxy() {
    let both = Both::start();
    let long = "y".repeat(200);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nbad header: y\r\nCookie: secret\r\n\r\n".to_owned(),
        format!("G\x01T / HTTP/1.1\r\nHost: \t\\{long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\nBro\"ken: \x1b[1m\r\n\r\n"),
    ] {
        let shown = [(80, &both.ours), (81, &both.theirs)].map(|(port, socket)| {
            let mut answer = String::new();
            let mut client = both.client(port, &request);
            client.read_to_string(&mut answer).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            let errors = ask(socket, "show errors web request").expect("an answer");
            let text = errors.lines().filter(|l| l.starts_with("  0")).collect::<Vec<_>>().join("\n");
            let place = errors.split_once("error at position ").expect("a place").1;
            let whose = errors.lines().any(|l| l.contains("] frontend web (#2): invalid request"));
            let nobodys = errors.contains("  backend <NONE> (#-1), server <NONE> (#-1), event #");
            let own = client.local_addr().expect("an address").to_string();
            let from = errors.contains(&format!(", src {own}\n"));
            (text, place.lines().next().map(str::to_owned), whose, nobodys, from)
        });
        assert_eq!(shown[0], shown[1], "{request}");
        assert!(shown[0].2 && shown[0].3 && shown[0].4, "{shown:?}");
    }
}

#[test]
fn clients_are_listed_and_can_be_ended() {
    let both = Both::start();
    let mut client = both.client(80, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut some = [0; 12];
    client.read_exact(&mut some).expect("an answer");
    let own = format!(" src={} ", client.local_addr().expect("an address"));
    let line = || {
        let list = ask(&both.ours, "show sess").expect("an answer");
        list.lines().find(|line| line.contains(&own)).map(str::to_owned)
    };
    until_true("its request to be over", SOON, || line().is_some_and(|l| l.contains(" be=<NONE> ")));
    let line_now = line().expect("a line");
    assert!(line_now.contains(": proto=tcpv4 src=") && line_now.contains(" fe=web be="), "{line_now}");
    let id = line_now.split(':').next().expect("an id");
    let details = ask(&both.ours, &format!("show sess {id}")).expect("an answer");
    assert!(details.contains("\n  frontend=web (id=2 mode=http)\n"), "{details}");
    assert_eq!(ask(&both.ours, &format!("shutdown session {id}")).as_deref(), Some("\n"));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("an end");
    assert_eq!(line(), None);
    // What HAProxy says of one that is not there.
    for line in ["show sess 0x1234", "shutdown session 0x1234", "shutdown session"] {
        let [ours, theirs] = [&both.ours, &both.theirs].map(|socket| ask(socket, line).expect("an answer"));
        assert_eq!(ours, theirs, "{line}");
    }
}

const TLS: [&str; 2] = [
    "[frontend.tls]\nbind = [{ addr = \"10.77.0.1:443\", ssl = true, crt = \"@/site.pem\" }]\ndefault_backend = \"app\"\n",
    "frontend tls\n bind 10.77.0.1:444 ssl crt @/site.pem\n default_backend app\n",
];

/// The commands of acme.sh's hook for HAProxy, and what it looks for in their answers.
#[test]
fn certificates_are_replaced_as_in_haproxy() {
    let ca = Authority::new("ca");
    let issue = |name: &str| {
        let (certificate, key) = ca.issue(&[name], &rcgen::PKCS_ECDSA_P256_SHA256);
        format!("{certificate}{key}")
    };
    let (old, new, stranger) = (issue("old.example"), issue("new.example"), issue("x.example"));
    let both = Both::with(TLS, |files: &Scratch| Files(files).write("site.pem", &old));
    let shown = |port: u16| {
        let line = format!("s_client -connect 10.77.0.1:{port} -servername x");
        let (_, out, err) = run(&both.lab.client.ns, "openssl", &line);
        ["old.example", "new.example"]
            .into_iter()
            .find(|name| out.contains(&format!("CN = {name}")))
            .ok_or(err)
    };
    let say = |command: &dyn Fn(&str) -> String| {
        let [ours, theirs] = [&both.ours, &both.theirs].map(|socket| {
            let dir = socket.parent().and_then(Path::to_str).expect("a readable path");
            ask(socket, &command(&format!("{dir}/site.pem"))).expect("an answer").replace(dir, "")
        });
        assert_eq!(ours, theirs, "{}", command("/site.pem"));
        ours
    };
    let list = say(&|_| "show ssl cert".to_owned());
    assert_eq!(list, "# filename\n/site.pem\n\n");
    let details = |file: &str| {
        let [ours, theirs] = [&both.ours, &both.theirs].map(|socket| {
            let dir = socket.parent().and_then(Path::to_str).expect("a readable path");
            let said = ask(socket, &format!("show ssl cert {}", file.replace('@', dir))).expect("an answer");
            // It shows which response of an authority it would take.
            let lines = said.lines().filter(|l| !l.starts_with("OCSP Response Key"));
            lines.map(|l| l.replace(dir, "")).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs);
        ours
    };
    let before = details("@/site.pem");
    assert!(before.iter().any(|l| l == "Subject Alternative Name: DNS:old.example"), "{before:?}");
    let created = say(&|file| format!("set ssl cert {file} <<\n{new}"));
    assert_eq!(created, "Transaction created for certificate /site.pem!\n\n");
    assert_eq!(say(&|_| "show ssl cert".to_owned()), "# transaction\n*/site.pem\n# filename\n/site.pem\n\n");
    details("*@/site.pem");
    assert_eq!((shown(443), shown(444)), (Ok("old.example"), Ok("old.example")));
    let committed = say(&|file| format!("commit ssl cert {file}"));
    assert!(committed.lines().any(|l| l == "Success!"), "{committed}");
    assert_eq!((shown(443), shown(444)), (Ok("new.example"), Ok("new.example")));
    details("@/site.pem");
    // A key that is another's, which HAProxy 2.6 finds out at the commit.
    let certificate = &new[..new.find("-----BEGIN PRIVATE").expect("a key")];
    let key = &stranger[stranger.find("-----BEGIN PRIVATE").expect("a key")..];
    let file = both.ours.with_file_name("site.pem");
    let mixed = format!("set ssl cert {} <<\n{certificate}{key}", file.display());
    let refused = ask(&both.ours, &mixed).expect("an answer");
    assert!(refused.contains("has a private key that belongs to none of its certificates."), "{refused}");
    let answer = ask(&both.ours, &format!("commit ssl cert {}", file.display())).expect("an answer");
    assert!(answer.starts_with("No ongoing transaction!\n"), "{answer}");
    assert_eq!(shown(443), Ok("new.example"));
}

/// Ansible's `community.general.haproxy`, unmodified, as Ansible runs it: what it does, says and finds is the same.
#[test]
fn ansible_sees_and_does_the_same() {
    let both = Both::start();
    for (options, states) in [
        (r#""state": "disabled", "wait": true, "shutdown_sessions": true"#, "MAINT,UP"),
        (r#""state": "disabled""#, "MAINT,UP"),
        (r#""state": "enabled", "wait": true, "weight": "20", "health": true, "agent": true"#, "UP,UP"),
        (r#""state": "drain", "wait": true"#, "DRAIN,UP"),
        (r#""state": "disabled", "drain": true, "health": true, "wait": true"#, "MAINT,UP"),
        (r#""state": "enabled", "health": true, "wait": true, "weight": "50%""#, "UP,UP"),
        (r#""state": "enabled", "weight": "999""#, "UP,UP"),
    ] {
        let said = both.ansible("s1", options);
        both.agree(states);
        assert!(
            said.trim_start().starts_with("{") && said.contains("\"state_after\": "),
            "{options}: {said}"
        );
    }
    // Every backend that has it, and none.
    let said = both.ansible("nobody", r#""state": "disabled", "fail_on_not_found": true"#);
    assert!(said.contains("The specified backend 'app/nobody' was not found!"), "{said}");
}

impl Both {
    /// Runs the module against both; what it says, which is the same.
    fn ansible(&self, host: &str, options: &str) -> String {
        let arguments = format!(
            r#"{{"ANSIBLE_MODULE_ARGS": {{"host": "{host}", "socket": "@", "wait_interval": 1, {options}}}}}"#
        );
        let out = self.run("/usr/bin/python3", &["/usr/local/lib/ansible/haproxy.py", &arguments]);
        let [ours, theirs] = [(&out[0], &self.ours), (&out[1], &self.theirs)].map(|((ok, said), socket)| {
            // How far its first checks after maintenance are.
            let said = ["-1", "0", "1", "2"]
                .iter()
                .fold(said.clone(), |said, checks| said.replace(&format!("\"UP {checks}/3\""), "\"UP\""));
            (*ok, said.replace(socket.to_str().expect("a readable path"), ""))
        });
        assert_eq!(ours, theirs, "{options}");
        ours.1
    }
}
