//! Health checks against Debian's servers, with HAProxy's checks of the same server beside ours.

use std::path::Path;

use evenkeel_tests::lab::peer::{Oracle, Peer, prepare, prepare_from};
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until};
use evenkeel_tests::lab::{Lab, Node};

/// What our check of a server on `port` says: name and code, and the rest.
fn ours(lab: &Lab, port: u16, check: &str) -> Verdict {
    let node = Node::start(&lab.a, &config(port, check));
    let words = until("our check has ended", SOON, || {
        let words = node.status_at("/proxy/servers/0/check").as_str()?.to_owned();
        (!words.is_empty()).then_some(words)
    });
    Verdict::of(&words)
}

fn config(port: u16, check: &str) -> String {
    format!(
        "[defaults]\ntimeout = {{ connect = \"2s\", client = \"5s\", server = \"5s\", check = \"2s\" }}\n\
         [backend.b]\ncheck = [{check}]\ndefault_server = {{ inter = \"100ms\", verify = \"none\" }}\n\
         server = [{{ name = \"s\", addr = \"127.0.0.1:{port}\" }}]\n"
    )
}

/// A check's outcome in parts.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    status: String,
    code: String,
    info: String,
}

impl Verdict {
    /// Of `L7STS/48 in 1ms (words)`.
    fn of(words: &str) -> Self {
        let (status, rest) = words.split_once(" in ").unwrap_or((words, ""));
        let (status, code) = status.split_once('/').unwrap_or((status, ""));
        let info = rest.split_once(" (").map_or("", |(_, info)| info.strip_suffix(')').unwrap_or(info));
        Self { status: status.into(), code: code.into(), info: info.into() }
    }
}

/// Both checks agree in status, and in the code where HAProxy has one; ours is returned.
fn compared(lab: &Lab, port: u16, check: &str, haproxy: &str) -> Verdict {
    let oracle = Oracle::start(&lab.a, &format!("{haproxy}\n server s 127.0.0.1:{port} check inter 100ms"));
    let (status, code, said) = oracle.check();
    let ours = ours(lab, port, check);
    assert_eq!(ours.status, status, "{ours:?}, haproxy: {code} {said}, {}", oracle.log());
    if !matches!(code.as_str(), "" | "0") {
        assert_eq!(ours.code, code, "{ours:?}, haproxy: {said}");
    }
    ours
}

/// Waits until something accepts connections there.
fn listening(lab: &Lab, port: u16) {
    until("the server listens", SOON, || {
        lab.a.ns.run(move || std::net::TcpStream::connect(("127.0.0.1", port))).ok()
    });
}

fn nothing(_: &Scratch) {}

#[test]
fn redis() {
    let lab = Lab::new();
    let start = |port: &str, more: &[&str]| {
        let mut args =
            vec!["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "@"];
        args.extend(more);
        Peer::start(&lab.a, "/usr/bin/redis-server", "redis-server", &args, nothing)
    };
    let (_open, _closed) = (start("6379", &[]), start("6380", &["--requirepass", "x"]));
    listening(&lab, 6379);
    listening(&lab, 6380);
    let ok = compared(&lab, 6379, "{ redis = true }", "option redis-check");
    assert_eq!((ok.status.as_str(), ok.info.as_str()), ("L7OK", "Redis server is ok"));
    // HAProxy waits for more until its time is up.
    let closed = ours(&lab, 6380, "{ redis = true }");
    assert!(closed.status == "L7STS" && closed.info.contains("NOAUTH"), "{closed:?}");
    let steps = r#"{ send = "PING\r\n" }, { expect = { string = "+PONG" } }"#;
    let script = "option tcp-check\n tcp-check send PING\\r\\n\n tcp-check expect string +PONG";
    assert_eq!(compared(&lab, 6379, steps, script).info, "(tcp-check)");
    let wrong = r#"{ send = "PING\r\n" }, { expect = { string = "+PANG", min_recv = 3 } }"#;
    let script = "option tcp-check\n tcp-check send PING\\r\\n\n tcp-check expect min-recv 3 string +PANG";
    let wrong = compared(&lab, 6379, wrong, script);
    assert_eq!(wrong.info, "TCPCHK did not match content '+PANG' at step 2");
    let refused = compared(&lab, 6381, "{ redis = true }", "option redis-check");
    assert_eq!((refused.status.as_str(), refused.info.as_str()), ("L4CON", "Connection refused"));
}

/// Makes the system tables, from the files that the package brings, and two users.
fn mariadb_users(scratch: &Scratch) {
    let mut statements = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
    for file in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
        let path = Path::new("/usr/share/mysql").join(file);
        statements += &std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}: apt-get install mariadb-server-core", path.display()));
    }
    statements += "FLUSH PRIVILEGES;\nCREATE USER hap@'%';\nCREATE USER locked@'%' IDENTIFIED BY 'secret';\n";
    let statements = scratch.write("init.sql", &statements);
    let data = scratch.path().join("data");
    std::fs::create_dir(&data).expect("make the data directory");
    prepare_from(
        &statements,
        "/usr/sbin/mariadbd",
        &[
            "--no-defaults",
            "--bootstrap",
            &format!("--datadir={}", data.display()),
            "--user=root",
            "--skip-innodb",
            "--default-storage-engine=Aria",
        ],
    );
}

#[test]
fn mariadb() {
    let lab = Lab::new();
    let args = [
        "--no-defaults",
        "--datadir=@/data",
        "--socket=@/sock",
        "--pid-file=@/pid",
        "--user=root",
        "--port=3306",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--skip-innodb",
        "--default-storage-engine=Aria",
    ];
    let _server = Peer::start(&lab.a, "/usr/sbin/mariadbd", "mariadb-server-core", &args, mariadb_users);
    listening(&lab, 3306);
    let greeting = compared(&lab, 3306, "{ mysql = true }", "option mysql-check");
    assert!(greeting.status == "L7OK" && greeting.info.contains("MariaDB"), "{greeting:?}");
    for version in ["", ", version = \"post-41\"", ", version = \"post-80\""] {
        let check = format!("{{ mysql = {{ user = \"hap\"{version} }} }}");
        let ok = compared(&lab, 3306, &check, "option mysql-check user hap");
        assert!(ok.status == "L7OK" && ok.info.contains("MariaDB"), "{version}: {ok:?}");
    }
    let check = "{ mysql = { user = \"locked\" } }";
    let locked = compared(&lab, 3306, check, "option mysql-check user locked");
    assert_eq!((locked.status.as_str(), locked.code.as_str()), ("L7STS", "1045"));
    assert!(locked.info.starts_with("Access denied for user 'locked'"), "{locked:?}");
}

#[test]
fn postgresql() {
    let lab = Lab::new();
    let bin = std::fs::read_dir("/usr/lib/postgresql").ok().and_then(|d| d.flatten().next());
    let bin = bin.expect("/usr/lib/postgresql is missing: apt-get install postgresql").path().join("bin");
    let at = |name: &str| bin.join(name).to_str().expect("a path in UTF-8").to_owned();
    // PostgreSQL refuses to run as root.
    let fill = |scratch: &Scratch| {
        let data = scratch.path().join("data");
        std::fs::create_dir(&data).expect("make the data directory");
        nobodys(scratch.path());
        nobodys(&data);
        let data = data.to_str().expect("a path in UTF-8").to_owned();
        prepare(
            "setpriv",
            &[NOBODY.as_slice(), &[&at("initdb"), "-D", &data, "-A", "trust", "-U", "hap", "-N"]].concat(),
        );
    };
    let postgres = at("postgres");
    let args = [NOBODY.as_slice(), &[&postgres, "-D", "@/data", "-k", "@", "-h", "127.0.0.1", "-p", "5432"]]
        .concat();
    let server = Peer::start(&lab.a, "/usr/bin/setpriv", "util-linux", &args, fill);
    listening(&lab, 5432);
    until("postgres is ready", SOON, || server.log().contains("ready to accept connections").then_some(()));
    let ok = compared(&lab, 5432, "{ pgsql = { user = \"hap\" } }", "option pgsql-check user hap");
    assert_eq!((ok.status.as_str(), ok.info.as_str()), ("L7OK", "PostgreSQL server is ok"));
    let unknown = ours(&lab, 5432, "{ pgsql = { user = \"nobody\" } }");
    assert_eq!(unknown.status, "L7OK", "the user is looked up after the password: {unknown:?}");
    // A database of the user's name is looked for once there is nothing left to ask.
    let no_rule = format!("host all other 127.0.0.1/32 reject\n{}", "host all all 127.0.0.1/32 trust\n");
    std::fs::write(server.path().join("data/pg_hba.conf"), no_rule).expect("write the rules");
    prepare(
        "setpriv",
        &[
            NOBODY.as_slice(),
            &[&at("pg_ctl"), "reload", "-D", server.path().join("data").to_str().expect("UTF-8")],
        ]
        .concat(),
    );
    until("the rules are in force", SOON, || server.log().contains("received SIGHUP").then_some(()));
    let rejected = compared(&lab, 5432, "{ pgsql = { user = \"other\" } }", "option pgsql-check user other");
    assert!(
        rejected.status == "L7RSP" && rejected.info.starts_with("FATAL 28000 pg_hba.conf rejects"),
        "{rejected:?}"
    );
}

const NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];

fn nobodys(path: &Path) {
    std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).expect("give the directory away");
}

#[test]
fn ldap() {
    let lab = Lab::new();
    let start = |url: &'static str, more: &str| {
        let fill = |scratch: &Scratch| {
            let dir = scratch.path().display();
            scratch.write("slapd.conf", &format!("pidfile {dir}/pid\nargsfile {dir}/args\n{more}\n"));
        };
        Peer::start(&lab.a, "/usr/sbin/slapd", "slapd", &["-h", url, "-f", "@/slapd.conf", "-d", "0"], fill)
    };
    let (_open, _closed) =
        (start("ldap://127.0.0.1:389", ""), start("ldap://127.0.0.1:390", "disallow bind_anon"));
    listening(&lab, 389);
    listening(&lab, 390);
    let ok = compared(&lab, 389, "{ ldap = true }", "option ldap-check");
    assert_eq!((ok.status.as_str(), ok.info.as_str()), ("L7OK", "Success"));
    let closed = compared(&lab, 390, "{ ldap = true }", "option ldap-check");
    assert_eq!((closed.status.as_str(), closed.code.as_str()), ("L7STS", "48"));
    assert!(closed.info.starts_with("inappropriateAuthentication: anonymous bind disallowed"), "{closed:?}");
}

#[test]
fn smtp() {
    let lab = Lab::new();
    let args = ["-m", "aiosmtpd", "-n", "-l", "127.0.0.1:25"];
    let _server = Peer::start(&lab.a, "/usr/bin/python3", "python3-aiosmtpd", &args, nothing);
    listening(&lab, 25);
    let ok = compared(&lab, 25, "{ smtp = { hello = \"EHLO lb1\" } }", "option smtpchk EHLO lb1");
    assert_eq!((ok.status.as_str(), ok.code.as_str()), ("L7OK", "221"), "{ok:?}");
    let steps = r#"{ connect = true }, { expect = { string = "220" } }, { send = "EHLO haproxy\r\n" }, { expect = { string = "250" } }, { send = "QUIT\r\n" }"#;
    let script = "option tcp-check\n tcp-check connect\n tcp-check expect string 220\n \
                  tcp-check send EHLO\\ haproxy\\r\\n\n tcp-check expect string 250\n tcp-check send QUIT\\r\\n";
    assert_eq!(compared(&lab, 25, steps, script).status, "L7OK");
}

/// A site that is well, one that is busy, and one over TLS.
fn nginx_conf(scratch: &Scratch) {
    let dir = scratch.path().display();
    prepare(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=peer",
            "-keyout",
            &format!("{dir}/key"),
            "-out",
            &format!("{dir}/crt"),
        ],
    );
    scratch.write(
        "nginx.conf",
        &format!(
            "user root; daemon off; pid {dir}/pid; error_log {dir}/errors; events {{}}\nhttp {{ access_log off;\n\
             server {{ listen 127.0.0.1:80; location /health {{ add_header X-State up; return 200 '{{\"status\":\"ok\"}}'; }}\n\
             location /busy {{ return 503; }} location /empty {{ return 204; }} location /gone {{ return 404; }}\n\
             location /list {{ add_header X-List \"a, b\"; add_header X-Other c; return 201 here; }} }}\n\
             server {{ listen 127.0.0.1:81 http2; location / {{ return 200 $server_protocol; }} }}\n\
             server {{ listen 127.0.0.1:444 ssl http2; ssl_certificate {dir}/crt; ssl_certificate_key {dir}/key;\n\
             location / {{ return 200 $server_protocol; }} }}\n\
             server {{ listen 127.0.0.1:443 ssl; ssl_certificate {dir}/crt; ssl_certificate_key {dir}/key; }}\n}}\n"
        ),
    );
}

#[test]
fn nginx_over_http_and_tls() {
    let lab = Lab::new();
    let _server =
        Peer::start(&lab.a, "/usr/sbin/nginx", "nginx-light", &["-p", "@", "-c", "@/nginx.conf"], nginx_conf);
    listening(&lab, 80);
    listening(&lab, 443);
    let http = "mode http\n option httpchk GET /health HTTP/1.0";
    let send = r#"{ send = { uri = "/health" } }"#;
    let ok = compared(&lab, 80, send, http);
    assert_eq!((ok.status.as_str(), ok.code.as_str()), ("L7OK", "200"));
    let cases = [
        (
            r#"{ expect = { string = '"status":"ok"' } }"#,
            r#"http-check expect string \"status\":\"ok\""#,
            "L7OK",
            "",
        ),
        (r#"{ expect = { rstring = "status.*ok" } }"#, "http-check expect rstring status.*ok", "L7OK", ""),
        (
            r#"{ expect = { string = "down" } }"#,
            "http-check expect string down",
            "L7RSP",
            "HTTP content check did not match",
        ),
        (
            r#"{ expect = { not = { string = "ok" } } }"#,
            "http-check expect ! string ok",
            "L7RSP",
            "HTTP check matched unwanted content",
        ),
        (
            r#"{ expect = { status = [204, "300-399"] } }"#,
            "http-check expect status 204,300-399",
            "L7STS",
            "OK",
        ),
        (
            r#"{ expect = { header = { name = "x-state", value = "up" } } }"#,
            "http-check expect hdr name x-state value up",
            "L7OK",
            "",
        ),
        (
            r#"{ expect = { header = { name = "x-state", value_beg = "d" } } }"#,
            "http-check expect hdr name x-state value -m beg d",
            "L7STS",
            "OK",
        ),
    ];
    for (expect, theirs, status, info) in cases {
        let verdict = compared(&lab, 80, &format!("{send}, {expect}"), &format!("{http}\n {theirs}"));
        assert_eq!((verdict.status.as_str(), verdict.info.as_str()), (status, info), "{expect}");
    }
    let busy = compared(&lab, 80, r#"{ send = { uri = "/busy" } }"#, "mode http\n option httpchk GET /busy");
    assert_eq!((busy.status.as_str(), busy.code.as_str()), ("L7STS", "503"));
    let hello = ours(&lab, 443, "{ ssl_hello = { sni = \"peer\" } }");
    assert_eq!((hello.status.as_str(), hello.info.as_str()), ("L6OK", ""), "a hello that TLS 1.3 answers");
    let plain = compared(&lab, 80, "{ ssl_hello = true }", "option ssl-hello-chk");
    assert_eq!(plain.status, "L6RSP");
}

#[test]
fn heads_and_empty_bodies_of_nginx() {
    let lab = Lab::new();
    let _server =
        Peer::start(&lab.a, "/usr/sbin/nginx", "nginx-light", &["-p", "@", "-c", "@/nginx.conf"], nginx_conf);
    listening(&lab, 80);
    let list = r#"{ send = { uri = "/list" } }"#;
    let http = "mode http\n option httpchk GET /list";
    let cases = [
        (r#"rstatus = "^20""#, "rstatus ^20", "L7OK"),
        (r#"rstatus = "^2.0$""#, "rstatus ^2.0$", "L7STS"),
        (r#"not = { rstatus = "^[45]" }"#, "! rstatus ^[45]", "L7OK"),
        (r#"not = { rstatus = "1$" }"#, "! rstatus 1$", "L7STS"),
        (r#"header = { name = "X-List", value = "b" }"#, "hdr name x-list value b", "L7OK"),
        (r#"header = { name = "X-List", value = "b", full = true }"#, "fhdr name x-list value b", "L7STS"),
        (
            r#"header = { name = "X-List", value_end = "b", full = true }"#,
            "fhdr name x-list value -m end b",
            "L7OK",
        ),
        (
            r#"header = { name_beg = "x-o", value_reg = "^[cd]$" }"#,
            "hdr name -m beg x-o value -m reg ^[cd]$",
            "L7OK",
        ),
        (r#"not = { header = { name = "x-none" } }"#, "! hdr name x-none", "L7OK"),
        (r#"not = { header = { name = "x-list" } }"#, "! hdr name x-list", "L7STS"),
        (r#"not = { rstring = "t?here" }"#, "! rstring t?here", "L7RSP"),
        (r#"status = 201, ok_status = "L7OKC""#, "ok-status L7OKC status 201", "L7OKC"),
        (r#"not = { status = 201 }, error_status = "L7OKC""#, "error-status L7OKC ! status 201", "L7OKC"),
        (r#"string = "here", ok_status = "L6OK""#, "ok-status L6OK string here", "L6OK"),
        (r#"string = "gone", error_status = "L4CON""#, "error-status L4CON string gone", "L4CON"),
    ];
    for (expect, theirs, status) in cases {
        let theirs = format!("{http}\n http-check expect {theirs}");
        let verdict = compared(&lab, 80, &format!("{list}, {{ expect = {{ {expect} }} }}"), &theirs);
        assert_eq!(verdict.status, status, "{expect}");
    }
    for (expect, theirs) in [("string = \"x\"", "string x"), ("not = { rstring = \"x\" }", "! rstring x")] {
        let empty = format!("{{ send = {{ uri = \"/empty\" }} }}, {{ expect = {{ {expect} }} }}");
        let theirs = format!("mode http\n option httpchk GET /empty\n http-check expect {theirs}");
        let verdict = compared(&lab, 80, &empty, &theirs);
        let nothing = "HTTP content check could not find a response body";
        assert_eq!((verdict.status.as_str(), verdict.info.as_str()), ("L7RSP", nothing), "{expect}");
    }
}

#[test]
fn nginx_over_http2() {
    let lab = Lab::new();
    let _server =
        Peer::start(&lab.a, "/usr/sbin/nginx", "nginx-light", &["-p", "@", "-c", "@/nginx.conf"], nginx_conf);
    // By prior knowledge, and as TLS comes to it.
    let send = r#"{ send = { uri = "/", version = "HTTP/1.1", headers = { Host = "h" } } }, { expect = { string = "HTTP/2.0" } }"#;
    for (port, theirs, connect) in [
        (81, "proto h2", r#"{ connect = { proto = "h2" } }"#),
        (444, "ssl alpn h2", r#"{ connect = { alpn = "h2" } }"#),
    ] {
        listening(&lab, port);
        let haproxy = format!(
            "mode http\n option httpchk\n http-check connect {theirs}\n \
             http-check send meth GET uri / ver HTTP/1.1 hdr Host h\n \
             http-check expect string HTTP/2.0\n default-server verify none"
        );
        let verdict = compared(&lab, port, &format!("{connect}, {send}"), &haproxy);
        assert_eq!((verdict.status.as_str(), verdict.code.as_str()), ("L7OK", "200"), "{theirs}");
    }
}
