//! HTTP/2 to clients and to servers, with curl, HAProxy and nginx as the other side.

use evenkeel_tests::lab::Lab;
use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};

use super::site::{Authority, FRONT, Files, HAPROXY, Site, haproxy};

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
fn haproxy_is_a_good_server_and_a_good_client_over_http_2() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let haproxy_files = Scratch::new("haproxy");
    let files = Files(&haproxy_files);
    files.write("ca.pem", &ca.pem);
    files.bundle("server.pem", &ca, &["server.example"]);
    let dir = haproxy_files.path().display();
    files.write(
        "haproxy.cfg",
        &format!(
            "{HAPROXY}frontend all\n bind 10.77.0.11:8443 ssl crt {dir}/server.pem alpn h2,http/1.1\n \
             bind 10.77.0.11:8082 proto h2\n \
             http-request return status 200 content-type text/plain lf-string \
             \"%[req.ver] %[ssl_fc_alpn] %[fc_http_major] %[method] %[path]\"\n\
             listen before\n bind 10.77.0.11:8081\n server us 10.77.0.1:80 proto h2\n\
             listen before_tls\n bind 10.77.0.11:8083\n \
             server us 10.77.0.1:443 ssl alpn h2 verify required ca-file {dir}/ca.pem sni str(www.example.com)\n"
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
            "{FRONT}bind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"www.pem\" }}]\n{}{}{}{}",
            server(81, "8443", &format!(", {tls}, alpn = [\"h2\", \"http/1.1\"]")),
            server(82, "8443", &format!(", {tls}, alpn = \"http/1.1\"")),
            server(83, "8443", &format!(", {tls}, proto = \"h2\"")),
            server(84, "8082", ", proto = \"h2\""),
        ),
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
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
    for port in [8081, 8083] {
        let url = format!("http://10.77.0.11:{port}/");
        for body in ["", "-d hello"] {
            assert_eq!(site.curl(&format!("-f {body}"), &url).as_deref(), Ok("ok s1\n"), "{port} {body}");
        }
    }
    drop(haproxy);
    assert!(site.node.status().is_some());
}

#[test]
fn nginx_is_a_good_server_over_http_2() {
    let lab = Lab::new();
    let large = "0123456789abcdef".repeat(20_000);
    let written = large.clone();
    let fill = |scratch: &Scratch| {
        scratch.write("large", &written);
        scratch.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid {0}/pid; error_log {0}/errors;\nevents {{}}\nhttp {{ access_log off;\n\
                 client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; \
                 scgi_temp_path {0}/s;\nserver {{ listen 10.77.0.11:8084 http2; root {0};\n\
                 location /say {{ return 200 \"$server_protocol $request_method $uri $http_x_forwarded_for\"; }} }} }}\n",
                scratch.path().display()
            ),
        );
    };
    let args = ["-c", "@/nginx.conf"];
    let nginx = Peer::start(&lab.servers, "/usr/sbin/nginx", "nginx-light", &args, fill);
    let site = Site::start_in(
        lab,
        "[frontend.f]\nbind = \"*:80\"\nforwardfor = true\ndefault_backend = \"nginx\"\n\
         [backend.nginx]\nserver = [{ name = \"n\", addr = \"10.77.0.11:8084\", proto = \"h2\" }]",
        |_| {},
    );
    wait::until_true("nginx listens", SOON, || site.curl("-f", "http://10.77.0.1/say").is_ok());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let said = site.curl(version, "http://10.77.0.1/say/x").unwrap();
        assert!(said.starts_with("HTTP/2.0 GET /say/x 10.77.0."), "{said}");
        assert_eq!(site.curl(version, "http://10.77.0.1/large").unwrap(), large, "{version}");
        let found =
            site.curl(&format!("{version} -o /dev/null -w %{{http_code}} -I"), "http://10.77.0.1/none");
        assert_eq!(found.as_deref(), Ok("404"), "{version}");
    }
    drop(nginx);
}
