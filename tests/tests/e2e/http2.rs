//! HTTP/2 to clients and to servers, with curl and HAProxy as the other side.

use evenkeel_tests::lab::Lab;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};

use super::tls::{Authority, FRONT, Files, Site, haproxy};

/// The version that curl has spoken, and the answer's status.
const SPOKEN: &str = "-o /dev/null -w %{http_version}/%{http_code}";

#[test]
fn clients_agree_on_http_2_inside_tls() {
    let ca = Authority::new("ca");
    let site = Site::start(
        &format!(
            "{FRONT}bind = [\n \"*:80\",\n\
             {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }},\n\
             {{ addr = \"*:444\", ssl = true, crt = \"www.pem\", alpn = \"http/1.1\" }},\n\
             {{ addr = \"*:445\", ssl = true, crt = \"www.pem\", alpn = [\"http/1.1\", \"h2\"] }},\n]"
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    let tls = "https://www.example.com";
    for (args, url, spoken) in [
        ("--http2", format!("{tls}/"), "2/200"),
        ("--http2 --tls-max 1.2", format!("{tls}/"), "2/200"),
        ("--http1.1", format!("{tls}/"), "1.1/200"),
        ("--no-alpn", format!("{tls}/"), "1.1/200"),
        ("--http2", format!("{tls}:444/"), "1.1/200"),
        // The proxy's order decides.
        ("--http2", format!("{tls}:445/"), "1.1/200"),
        ("--http2-prior-knowledge", "http://10.77.0.1/".to_owned(), "2/200"),
        ("--http1.1", "http://10.77.0.1/".to_owned(), "1.1/200"),
    ] {
        let got = site.curl(&format!("{args} {SPOKEN}"), &url);
        assert_eq!(got.as_deref(), Ok(spoken), "{args} {url}");
    }
    // Three requests, one connection.
    let count = "-o /dev/null -o /dev/null -o /dev/null -w %{num_connects}";
    assert_eq!(site.curl(count, &format!("{tls}/1 {tls}/2 {tls}/3")).unwrap(), "100");
}

#[test]
fn haproxy_is_a_good_server_over_http_2() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let haproxy_files = Scratch::new("haproxy");
    let files = Files(&haproxy_files);
    files.bundle("server.pem", &ca, &["server.example"]);
    let dir = haproxy_files.path().display();
    files.write(
        "haproxy.cfg",
        &format!(
            "defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n\
             frontend all\n bind 10.77.0.11:8443 ssl crt {dir}/server.pem alpn h2,http/1.1\n \
             bind 10.77.0.11:8082 proto h2\n \
             http-request return status 200 content-type text/plain lf-string \
             \"%[req.ver] %[ssl_fc_alpn] %[fc_http_major] %[method] %[path]\"\n"
        ),
    );
    let haproxy = haproxy(&lab, &haproxy_files);
    let server = |port: u16, addr: &str, more: &str| {
        format!(
            "[frontend.f{port}]\nbind = \"*:{port}\"\ndefault_backend = \"b{port}\"\n[backend.b{port}]\nserver = \
             [{{ name = \"h\", addr = \"10.77.0.11:{addr}\"{more} }}]\n"
        )
    };
    let tls = "ssl = true, ca_file = \"ca.pem\", sni = \"server.example\"";
    let site = Site::start_in(
        lab,
        &format!(
            "{FRONT}bind = \"*:80\"\n{}{}{}{}",
            server(81, "8443", &format!(", {tls}, alpn = [\"h2\", \"http/1.1\"]")),
            server(82, "8443", &format!(", {tls}, alpn = \"http/1.1\"")),
            server(83, "8443", &format!(", {tls}, proto = \"h2\"")),
            server(84, "8082", ", proto = \"h2\""),
        ),
        |files| files.write("ca.pem", &ca.pem),
    );
    wait::until_true("HAProxy listens", SOON, || {
        site.curl("-f", "http://10.77.0.1:84/").is_ok_and(|said| said.starts_with("2.0"))
    });
    for (port, said) in [
        (81, "2.0 h2 2 GET /x"),
        (82, "1.1 http/1.1 1 GET /x"),
        (83, "2.0 h2 2 GET /x"),
        (84, "2.0  2 GET /x"),
    ] {
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let url = format!("http://10.77.0.1:{port}/x");
            assert_eq!(site.curl(version, &url).as_deref(), Ok(said), "{port} {version}");
        }
        let posted = site.curl("-d hello", &format!("http://10.77.0.1:{port}/x")).unwrap();
        assert_eq!(posted, said.replace("GET", "POST"), "{port}");
    }
    drop(haproxy);
    assert!(site.node.status().is_some());
}
