//! TLS to clients and to servers, with curl, OpenSSL and HAProxy as the other side.

use std::io::Read as _;
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_tests::lab::Lab;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};

use super::site::{Authority, FRONT, Files, HAPROXY, Site, haproxy};

#[test]
fn clients_are_shown_the_certificate_of_the_name_they_ask_for() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\n\
             {{ addr = \"*:443\", ssl = true, crt = [\"first.pem\", \"certs/\"] }},\n\
             {{ addr = \"*:444\", ssl = true, crt = \"certs\", strict_sni = true, ssl_min_ver = \"TLSv1.3\" }},\n]"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("first.pem", &ca, &["first.example"]);
            files.bundle("certs/wild.pem", &ca, &["*.example.com"]);
            files.bundle("certs/www.pem", &ca, &["www.example.com"]);
            // The key in a file of its own, RSA beside ECDSA for one name, and what is no certificate.
            let (cert, key) = ca.issue(&["www.example.com"], &rcgen::PKCS_RSA_SHA256);
            files.write("certs/rsa.crt", &cert);
            files.write("certs/rsa.key", &key);
            files.write("certs/.hidden", "nothing");
            files.write("certs/sub/x", "nothing");
        },
    );
    for name in ["first.example", "www.example.com", "other.example.com"] {
        for version in ["--tlsv1.3", "--tls-max 1.2"] {
            let got = site.curl(version, &format!("https://{name}/"));
            assert!(got.as_deref().is_ok_and(|b| b.contains("s1")), "{name} {version}: {got:?}");
        }
    }
    // Nobody has this name: the first certificate, which is not for it.
    let got = site.curl("", "https://unknown.example/").unwrap_err();
    assert!(got.contains("no alternative certificate subject name matches"), "{got}");
    let shown = site.s_client("-servername unknown.example");
    assert!(shown.contains("CN = first.example"), "{shown}");
    // Strict: a handshake without a name fails, and so does one for a name that nobody has, or an old version.
    assert!(site.curl("", "https://www.example.com:444/").is_ok());
    assert!(site.curl("", "https://unknown.example:444/").unwrap_err().contains("alert"));
    assert!(site.curl("--tls-max 1.2", "https://www.example.com:444/").unwrap_err().contains("alert"));
    // Whoever can verify RSA only gets it.
    let rsa = site.s_client("-servername www.example.com -sigalgs RSA-PSS+SHA256 -tls1_3");
    assert!(rsa.contains("Server public key is 2048 bit") && rsa.contains("Verify return code: 0"), "{rsa}");
    let both = site.s_client("-servername www.example.com -tls1_3");
    assert!(
        both.contains("Server public key is 256 bit") && both.contains("Verify return code: 0"),
        "{both}"
    );
    let old = site.s_client("-servername www.example.com -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256");
    assert!(old.contains("Server public key is 2048 bit"), "{old}");
    // Several requests over one connection, with a body either way.
    let url = "https://www.example.com/";
    let got = site.curl("-d hello", &format!("{url} {url} {url}")).unwrap();
    assert_eq!(got.matches("s1").count(), 3, "{got}");
}

#[test]
fn sessions_are_resumed_and_silence_ends() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [{{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n\
             [global.tls]\nhandshake_timeout = \"300ms\""
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    let log = site.lab.a.ns.run(|| UdpSocket::bind("127.0.0.1:5514").expect("bind"));
    log.set_read_timeout(Some(SOON)).expect("a limit");
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.path(&format!("session{version}"));
        // A ticket of TLS 1.3 comes with the first bytes: the client waits for them.
        let request = "-ign_eof -quiet -nocommands";
        let first = site_request(&site, &format!("{version} {request} -sess_out {session}"));
        assert!(first.contains("200 OK"), "{first}");
        let again = site_request(&site, &format!("{version} -ign_eof -nocommands -sess_in {session}"));
        assert!(again.contains("Reused, TLS") && again.contains("200 OK"), "{again}");
    }
    // Says nothing, or a part of a hello.
    for hello in [&b""[..], &[22, 3, 1, 2, 0, 1, 0]] {
        let begin = Instant::now();
        let end = site.lab.client.ns.run(move || {
            let mut stream = TcpStream::connect("10.77.0.1:443").expect("connect");
            stream.set_read_timeout(Some(SOON)).expect("a limit");
            std::io::Write::write_all(&mut stream, hello).expect("write");
            stream.read(&mut [0; 100])
        });
        assert!(end.is_ok_and(|n| n == 0), "closed");
        let took = begin.elapsed();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
        wait_line(&log, "f/1: Timeout during SSL handshake");
    }
    site.lab.client.ns.run(|| {
        let mut stream = TcpStream::connect("10.77.0.1:443").expect("connect");
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").expect("write");
    });
    wait_line(&log, "f/1: SSL handshake failure (received corrupt message");
    let counted = site.node.status_at("/proxy/frontends/0/tls");
    let expected = serde_json::json!({ "handshakes": 4, "resumed": 2, "failed": 1, "timeouts": 2 });
    assert_eq!(counted, expected);
}

#[test]
fn stalled_handshakes_make_room() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}maxconn = 4\nbind = [{{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n\
             [global.tls]\nhandshake_timeout = \"60s\""
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    let log = site.lab.a.ns.run(|| UdpSocket::bind("127.0.0.1:5514").expect("bind"));
    log.set_read_timeout(Some(SOON)).expect("a limit");
    // More than there is room for, with nothing to say but half a hello.
    let stalled = site.lab.client.ns.run(|| {
        let connect = |_| {
            let mut stream = TcpStream::connect("10.77.0.1:443").expect("connect");
            std::io::Write::write_all(&mut stream, &[22, 3, 1, 2, 0, 1, 0]).expect("write");
            stream
        };
        (0..6).map(connect).collect::<Vec<_>>()
    });
    wait_line(&log, "f/1: Connection closed during SSL handshake (to make room)");
    for _ in 0..3 {
        assert_eq!(
            site.curl("-o /dev/null -w %{http_code}", "https://www.example.com/").as_deref(),
            Ok("200")
        );
    }
    drop(stalled);
}

/// A GET request through `openssl s_client`.
fn site_request(site: &Site, args: &str) -> String {
    let ca = site.path("ca.pem");
    let line = format!("s_client -connect 10.77.0.1:443 -servername www.example.com -CAfile {ca} {args}");
    let mut child = site.lab.client.ns.command("openssl", move |command| {
        command.args(line.split_ascii_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    });
    let mut stdin = child.stdin.take().expect("piped");
    let request = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(&mut stdin, request).expect("write");
    let out = child.wait_with_output().expect("openssl ends");
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

/// Waits for a log line.
fn wait_line(log: &UdpSocket, text: &str) {
    wait_lines(log, &[text]);
}

/// Waits until every text has been in a log line.
fn wait_lines(log: &UdpSocket, texts: &[&str]) {
    let until = Instant::now() + SOON;
    let (mut seen, mut left) = (Vec::new(), texts.to_vec());
    while !left.is_empty() {
        assert!(Instant::now() < until, "no line with {left:?} but {seen:#?}");
        let mut bytes = [0; 4096];
        let n = log.recv(&mut bytes).unwrap_or_else(|e| panic!("no line with {left:?} but {seen:#?}: {e}"));
        let line = String::from_utf8_lossy(&bytes[..n]).into_owned();
        left.retain(|text| !line.contains(text));
        seen.push(line);
    }
}

#[test]
fn clients_show_certificates_where_they_must() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\n\
             {{ addr = \"*:443\", ssl = true, crt = \"www.pem\", verify = \"required\", ca_file = \"clients.pem\" }},\n\
             {{ addr = \"*:444\", ssl = true, crt = \"www.pem\", verify = \"optional\", ca_file = \"clients.pem\" }},\n\
             {{ addr = \"*:445\", ssl = true, crt = \"www.pem\", verify = \"required\", ca_file = \"clients.pem\", \
             crl_file = \"revoked.pem\" }},\n]\nlog_format = \"json\"\n"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.write("clients.pem", &clients.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
            files.write("alice.pem", &clients.issue_numbered("alice", 0x2a));
            files.write("bob.pem", &clients.issue_numbered("bob", 0x2b));
            files.write("revoked.pem", &clients.revoke(0x2b));
            files.bundle("mallory.pem", &Authority::new("clients"), &["mallory"]);
        },
    );
    let shown = |name: &str| format!("--cert {}", site.path(name));
    for (port, cert, good) in [
        (443, shown("alice.pem"), true),
        (443, String::new(), false),
        (443, shown("mallory.pem"), false),
        (444, shown("alice.pem"), true),
        (444, String::new(), true),
        (444, shown("mallory.pem"), false),
        (445, shown("alice.pem"), true),
        (445, shown("bob.pem"), false),
        (443, shown("bob.pem"), true),
    ] {
        for version in ["--tlsv1.3", "--tls-max 1.2"] {
            let got = site.curl(&format!("{version} {cert}"), &format!("https://www.example.com:{port}/"));
            assert_eq!(got.is_ok(), good, "{port} {version} {cert}: {got:?}");
        }
    }
    let log = site.lab.a.ns.run(|| UdpSocket::bind("127.0.0.1:5514").expect("bind"));
    log.set_read_timeout(Some(SOON)).expect("a limit");
    site.curl(&shown("alice.pem"), "https://www.example.com/").expect("alice is known");
    wait_line(
        &log,
        "\"tls_resumed\":false,\"sni\":\"www.example.com\",\"alpn\":\"h2\",\"client_subject\":\"/CN=alice\",\
         \"client_issuer\":\"/CN=clients\",\"client_serial\":\"2A\"",
    );
    site.curl(&shown("bob.pem"), "https://www.example.com:445/").expect_err("bob is known no more");
    wait_line(&log, "SSL handshake failure (invalid peer certificate: Revoked)");
}

#[test]
fn a_certificate_decides_where_its_client_goes() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"www.pem\", verify = \"optional\", \
             ca_file = \"clients.pem\" }}]\n\
             use_backend = [\n\
             {{ backend = \"inside\", if = {{ ssl_c_s_dn_cn = [\"alice\", \"carol\"], host = \"www.example.com\" }} }},\n\
             {{ backend = \"inside\", if = {{ ssl_c_s_dn = \"/CN=dave\" }} }},\n\
             {{ backend = \"nobody\", if = {{ ssl_c_used = true }} }},\n]\n\
             [backend.inside]\nserver = [{{ name = \"s2\", addr = \"10.77.0.12:8080\" }}]\n\
             [backend.nobody]\nserver = [{{ name = \"none\", addr = \"10.77.0.11:9\" }}]\n"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.write("clients.pem", &clients.pem);
            files.bundle("www.pem", &ca, &["www.example.com", "api.example.com"]);
            for (number, name) in (1..).zip(["alice", "bob", "dave"]) {
                files.write(&format!("{name}.pem"), &clients.issue_numbered(name, number));
            }
        },
    );
    for (name, host, answer) in [
        (Some("alice"), "www.example.com", "s2"),
        (Some("alice"), "api.example.com", "503"),
        (Some("bob"), "www.example.com", "503"),
        (Some("dave"), "api.example.com", "s2"),
        (None, "www.example.com", "s1"),
    ] {
        let cert = name.map(|n| format!("--cert {}", site.path(&format!("{n}.pem")))).unwrap_or_default();
        let got = site.curl(&cert, &format!("https://{host}/")).expect("an answer");
        assert!(got.contains(answer), "{name:?} at {host}: {got}");
    }
    let plain = site.curl("", "http://10.77.0.1/").expect("an answer");
    assert!(plain.contains("s1"), "{plain}");
}

#[test]
fn what_is_configured_is_negotiated() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\n\
             {{ addr = \"*:443\", ssl = true, crt = \"www.pem\", ciphers = \"ECDHE-ECDSA-AES256-GCM-SHA384\", \
             ciphersuites = \"TLS_CHACHA20_POLY1305_SHA256\", curves = \"P-384\" }},\n\
             {{ addr = \"*:444\", ssl = true, crt = \"www.pem\", ssl_max_ver = \"TLSv1.2\" }},\n]\n\
             [global.tls]\ntls_tickets = false\ncache_size = 0"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.write("ca.key", &ca.key);
            files.write("www.pem", &ca.issue_numbered("www.example.com", 0x2a));
            // What `openssl ca` would keep.
            files.write("index.txt", "V\t490101000000Z\t\t2A\tunknown\t/CN=www.example.com\n");
            let path = |name: &str| files.0.path().join(name).display().to_string();
            let (ca, index, www) = (path("ca.pem"), path("index.txt"), path("www.pem"));
            let line = format!(
                "ocsp -index {index} -CA {ca} -rsigner {ca} -rkey {} -issuer {ca} -cert {www} -ndays 7 -respout {www}.ocsp",
                path("ca.key")
            );
            let made = Command::new("openssl").args(line.split(' ')).output().expect("openssl runs");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        },
    );
    let new = site.s_client("-servername www.example.com -status");
    for text in [
        "TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256",
        "Server Temp Key: ECDH, secp384r1",
        "OCSP Response Status: successful (0x0)",
        "Cert Status: good",
        "Verify return code: 0",
    ] {
        assert!(new.contains(text), "{text}: {new}");
    }
    let old = site.s_client("-servername www.example.com -tls1_2 -status");
    assert!(old.contains("TLSv1.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"), "{old}");
    assert!(old.contains("Cert Status: good"), "{old}");
    let other = site.s_client("-servername www.example.com -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256");
    assert!(other.contains("alert handshake failure"), "{other}");
    assert!(site.curl("--tls-max 1.2", "https://www.example.com:444/").is_ok());
    let new = site.curl("--tlsv1.3", "https://www.example.com:444/").unwrap_err();
    assert!(new.contains("alert protocol version"), "{new}");
    // Neither tickets nor a cache: nothing to go on with.
    for version in ["-tls1_2", "-tls1_3"] {
        let session = site.path(&format!("session{version}"));
        let begin = format!("{version} -ign_eof -nocommands -sess_out {session}");
        assert!(site_request(&site, &begin).contains("200 OK"));
        if !Path::new(&session).exists() {
            continue;
        }
        let again = site_request(&site, &format!("{version} -ign_eof -nocommands -sess_in {session}"));
        assert!(again.contains("New, TLS") && again.contains("200 OK"), "{again}");
    }
}

#[test]
fn haproxy_is_a_good_server_and_a_good_client() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let haproxy_files = Scratch::new("haproxy");
    let files = Files(&haproxy_files);
    files.write("ca.pem", &ca.pem);
    files.bundle("server.pem", &ca, &["server.example"]);
    files.bundle("front.pem", &ca, &["front.example"]);
    let dir = haproxy_files.path().display();
    files.write(
        "haproxy.cfg",
        &format!(
            "{HAPROXY}frontend tls\n bind 10.77.0.11:8443 ssl crt {dir}/server.pem ca-file {dir}/ca.pem verify optional\n \
             http-request return status 200 content-type text/plain lf-string \
             \"behind %[ssl_fc_protocol] %[ssl_fc_sni] %[ssl_c_s_dn(cn)] %[ssl_fc_is_resumed]\"\n\
             listen before\n bind 10.77.0.11:8081\n \
             server us 10.77.0.1:443 ssl verify required ca-file {dir}/ca.pem sni str(www.example.com) \
             verifyhost www.example.com\n"
        ),
    );
    let haproxy = haproxy(&lab, &haproxy_files);
    let tls = |name: &str, more: &str| {
        format!(
            "[frontend.{name}]\nbind = \"*:{}\"\ndefault_backend = \"{name}\"\n[backend.{name}]\nretries = 0\nserver = \
             [{{ name = \"h\", addr = \"10.77.0.11:8443\", ssl = true, {more} }}]\n",
            match name {
                "good" => 81,
                "wrong_name" => 82,
                "no_ca" => 83,
                _ => 84,
            }
        )
    };
    let site = Site::start_in(
        lab,
        &format!(
            "{FRONT}bind = [{{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n{}{}{}{}",
            tls("good", "ca_file = \"ca.pem\", sni = \"server.example\", crt = \"us.pem\""),
            tls("wrong_name", "ca_file = \"ca.pem\", sni = \"other.example\""),
            tls("no_ca", "sni = \"server.example\""),
            tls("anybody", "verify = \"none\", ssl_max_ver = \"TLSv1.2\""),
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
            files.bundle("us.pem", &ca, &["us"]);
        },
    );
    assert_eq!(site.curl("", "http://10.77.0.1:81/").unwrap(), "behind TLSv1.3 server.example us 0");
    // The pooled connection, then sessions that are resumed over new ones.
    let url = "http://10.77.0.1:81/";
    let got = site.curl("", &format!("{url} {url} {url}")).unwrap();
    assert_eq!(got.matches("behind TLSv1.3 server.example us").count(), 3, "{got}");
    assert_eq!(site.curl("", "http://10.77.0.1:84/").unwrap(), "behind TLSv1.2   0");
    for port in [82, 83] {
        let got = site.curl("-w %{http_code}", &format!("http://10.77.0.1:{port}/")).unwrap();
        assert!(got.ends_with("503"), "{port}: {got}");
    }
    let got = site.curl("", "http://10.77.0.11:8081/").unwrap();
    assert!(got.contains("s1"), "{got}");
    drop(haproxy);
    assert!(site.node.status().is_some());
}

#[test]
fn servers_are_checked_over_tls() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let haproxy_files = Scratch::new("haproxy");
    let files = Files(&haproxy_files);
    files.bundle("server.pem", &ca, &["server.example"]);
    let dir = haproxy_files.path().display();
    files.write(
        "haproxy.cfg",
        &format!(
            "{HAPROXY}frontend tls\n bind 10.77.0.11:8443 ssl crt {dir}/server.pem alpn h2,http/1.1\n \
             http-request return status 200 content-type text/plain string well if {{ ssl_fc_sni server.example }}\n \
             http-request return status 500\n"
        ),
    );
    let haproxy = haproxy(&lab, &haproxy_files);
    let server = |name: &str, more: &str| {
        format!(
            "[backend.{name}]\nhttpchk = \"/\"\ndefault_server = {{ inter = \"200ms\", fall = 1, rise = 1, \
             ssl = true, ca_file = \"ca.pem\", check = true }}\nserver = [{{ name = \"h\", addr = \
             \"10.77.0.11:8443\", {more} }}]\n"
        )
    };
    // What the steps say goes before what the server says.
    let steps = |name: &str, hello: &str| {
        let steps = format!(
            "check = [{{ connect = {{ {hello} }} }}, {{ send = {{ uri = \"/\" }} }}, {{ expect = {{ status = 200 }} }}]"
        );
        server(name, "check_sni = \"third.example\", verify = \"none\"").replace("httpchk = \"/\"", &steps)
    };
    let log = lab.a.ns.run(|| UdpSocket::bind("127.0.0.1:5514").expect("bind"));
    log.set_read_timeout(Some(SOON)).expect("a limit");
    let site = Site::start_in(
        lab,
        &format!(
            "[frontend.f]\nbind = \"*:80\"\ndefault_backend = \"good\"\n{}{}{}{}{}{}{}",
            server("good", "sni = \"server.example\", alpn = \"http/1.1\""),
            server("other", "sni = \"server.example\", check_sni = \"other.example\", verify = \"none\""),
            server("stranger", "sni = \"server.example\", verifyhost = \"other.example\""),
            server("clear", "sni = \"server.example\", check_port = 8080, check_ssl = true"),
            server("open", "sni = \"server.example\", check_ssl = false"),
            steps("step", "sni = \"server.example\", alpn = \"http/1.1\""),
            steps("misstep", "sni = \"other.example\""),
        ),
        |files| files.write("ca.pem", &ca.pem),
    );
    wait_lines(
        &log,
        &[
            "Server other/h is DOWN, reason: Layer7 wrong status, code: 500",
            "Server stranger/h is DOWN, reason: Layer6 invalid response, info: \"SSL handshake failure (",
            "Server clear/h is DOWN, reason: Layer6 timeout",
            "Server open/h is DOWN, reason: Layer7 invalid response",
            "Server misstep/h is DOWN, reason: Layer7 wrong status, code: 500",
        ],
    );
    assert_eq!(site.curl("", "http://10.77.0.1:80/").unwrap(), "well");
    wait::until_true("the step with a name of its own is content", SOON, || {
        let servers = site.node.status_at("/proxy/servers");
        let of_step = servers.as_array().and_then(|all| all.iter().find(|s| s["backend"] == "step"));
        of_step.is_some_and(|s| s["check"].to_string().contains("L7OK"))
    });
    drop(haproxy);
    // A check that is under way may fail in any layer.
    wait_lines(&log, &["Server good/h is DOWN, reason: Layer"]);
}
