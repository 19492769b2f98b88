//! The PROXY protocol beside HAProxy: the same clients announced by both, and HAProxy before and behind us.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;

use evenkeel_proxy::proxy_protocol::{Header, Origin, Version, kind, parse};
use evenkeel_tests::lab::netns::Netns;
use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until};
use evenkeel_tests::lab::{Lab, Node};

use super::site::{Authority, Files};

/// How our configurations begin.
const DEFAULTS: &str =
    "[defaults]\nlog = false\ntimeout = { connect = \"2s\", client = \"20s\", server = \"20s\" }\n";

/// Everything that can be said.
const OPTIONS: &str = "ssl,cert-cn,cert-key,cert-sig,ssl-cipher,authority,crc32c";

fn haproxy(lab: &Lab, sections: &str) -> Peer {
    let text = format!(
        "defaults\n mode tcp\n timeout connect 2s\n timeout client 20s\n timeout server 20s\n\
         frontend ready\n bind 127.0.0.1:7000\n{sections}"
    );
    let write = |scratch: &Scratch| drop(scratch.write("haproxy.cfg", &text));
    let haproxy = Peer::start(&lab.a, "/usr/sbin/haproxy", "haproxy", &["-db", "-f", "@/haproxy.cfg"], write);
    // It listens on all of its ports before it serves any.
    until("HAProxy listens", SOON, || {
        lab.a.ns.run(|| TcpStream::connect(("127.0.0.1", 7000)).is_ok()).then_some(())
    });
    haproxy
}

/// What a connection begins with, addresses aside: the kinds of command and family, and what follows the addresses but
/// for the checksum, which is right.
fn said(header: &Header<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut said = bytes[12..14].to_vec();
    for tlv in header.tlvs.iter() {
        said.push(tlv.kind);
        said.extend((tlv.value.len() as u16).to_be_bytes());
        if tlv.kind != kind::CRC32C {
            said.extend(tlv.value);
        }
    }
    said
}

/// A server that writes down what its connections begin with.
struct Recorder(TcpListener);

impl Recorder {
    fn start(lab: &Lab, port: u16) -> Self {
        let listener = lab.a.ns.run(move || TcpListener::bind(("127.0.0.1", port))).expect("bind");
        listener.set_nonblocking(true).expect("set nonblocking");
        Self(listener)
    }

    /// The header of the next connection, which is answered, so that the client is content.
    fn next(&self) -> Vec<u8> {
        let mut stream = until("a connection comes", SOON, || self.0.accept().ok()).0;
        stream.set_nonblocking(false).expect("set blocking");
        stream.set_read_timeout(Some(SOON)).expect("set a timeout");
        let mut bytes = Vec::new();
        let mut byte = [0];
        while matches!(parse(&bytes), Ok(None)) && matches!(stream.read(&mut byte), Ok(1)) {
            bytes.push(byte[0]);
        }
        let header = parse(&bytes).expect("a header").expect("a whole one");
        assert_eq!(header.version, Version::V2);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).unwrap_or_default();
        bytes
    }

    /// What the next connection is said to be, see [`said`].
    fn next_said(&self) -> Vec<u8> {
        let bytes = self.next();
        let header = parse(&bytes).expect("a header").expect("a whole one");
        said(&header, &bytes)
    }
}

/// A program that asks, ended when it is dropped.
struct Client(Child);

impl Client {
    fn start(ns: &Netns, program: &str, line: &str) -> Self {
        let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        Self(ns.command(program, move |command| {
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        }))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

/// HAProxy and us with the same listeners and one recorder behind all of them: mode tcp inside TLS at port 1 of each,
/// clear text at port 2, mode http inside TLS at port 3.
struct Both {
    lab: Lab,
    files: Arc<Scratch>,
    recorder: Recorder,
    _theirs: Peer,
    _ours: Node,
}

impl Both {
    fn start() -> Self {
        let ca = Authority::new("ca");
        let (lab, files) = (Lab::new(), Arc::new(Scratch::new("announce")));
        certificates(&Files(&files), &ca);
        let dir = files.path().display();
        let tls = format!(
            "ssl crt {dir}/www.pem crt {dir}/rsa.pem alpn h2,http/1.1 verify optional ca-file {dir}/ca.pem"
        );
        let server = format!("server s 127.0.0.1:9000 send-proxy-v2 proxy-v2-options {OPTIONS}");
        let theirs = haproxy(
            &lab,
            &format!(
                "listen t\n bind 127.0.0.1:7001 {tls}\n {server}\nlisten c\n bind 127.0.0.1:7002\n {server}\n\
                 listen h\n mode http\n bind 127.0.0.1:7003 {tls}\n {server}\n"
            ),
        );
        let tls = "ssl = true, crt = [\"www.pem\", \"rsa.pem\"], alpn = [\"h2\", \"http/1.1\"], \
                   verify = \"optional\", ca_file = \"ca.pem\"";
        let options = OPTIONS.replace(',', "\", \"");
        let server = format!(
            "server = [{{ name = \"s\", addr = \"127.0.0.1:9000\", send_proxy_v2 = true, \
             proxy_v2_options = [\"{options}\"] }}]"
        );
        let config = format!(
            "{DEFAULTS}[listen.t]\nmode = \"tcp\"\nbind = [{{ addr = \"127.0.0.1:8001\", {tls} }}]\n{server}\n\
             [listen.c]\nmode = \"tcp\"\nbind = [\"127.0.0.1:8002\"]\n{server}\n\
             [listen.h]\nbind = [{{ addr = \"127.0.0.1:8003\", {tls} }}]\n{server}\n"
        );
        let ours = Node::start_in(&lab.a, &config, &files);
        ours.wait_fit();
        let recorder = Recorder::start(&lab, 9000);
        Self { lab, files, recorder, _theirs: theirs, _ours: ours }
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    /// The same client at this port of both of them is announced in the same words, among them `expected`.
    fn compare(&self, what: &str, port: u16, expected: &[&[u8]], run: impl Fn(u16) -> Client) {
        let [theirs, ours] = [7000 + port, 8000 + port].map(|port| {
            let _client = run(port);
            self.recorder.next_said()
        });
        assert_eq!(ours, theirs, "{what}: {:?} {:?}", text(&ours), text(&theirs));
        for word in expected {
            assert!(ours.windows(word.len()).any(|w| w == *word), "{what}: {:?}", text(&ours));
        }
    }

    /// OpenSSL's client, for which both have the same cipher suites. In `args` stands `@` for the directory.
    fn s_client(&self, args: &str, port: u16) -> Client {
        let args = args.replace('@', &self.path(""));
        let suites = "-ciphersuites TLS_AES_128_GCM_SHA256 -cipher ECDHE-ECDSA-AES128-GCM-SHA256";
        let line = format!("s_client -quiet -connect 127.0.0.1:{port} {suites} {args}");
        Client::start(&self.lab.a.ns, "openssl", &line)
    }

    fn curl(&self, args: &str, port: u16) -> Client {
        let ca = self.path("ca.pem");
        let tls = format!("--cacert {ca} --ciphers ECDHE-ECDSA-AES128-GCM-SHA256 --tls-max 1.2");
        let to = format!("--resolve www.example.com:{port}:127.0.0.1");
        Client::start(&self.lab.a.ns, "curl", &format!("--silent --max-time 10 {tls} {to} {args}:{port}/"))
    }
}

fn certificates(files: &Files<'_>, ca: &Authority) {
    files.write("ca.pem", &ca.pem);
    files.bundle("www.pem", ca, &["www.example.com"]);
    let (cert, key) = ca.issue(&["rsa.example.com"], &rcgen::PKCS_RSA_SHA256);
    files.write("rsa.pem", &format!("{key}{cert}"));
    files.bundle("alice.pem", ca, &["alice"]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn clients_are_announced_as_haproxy_announces_them() {
    let both = Both::start();
    let cases: [(&str, &str, &[&[u8]]); 6] = [
        ("nothing", "-noservername -tls1_3", &[b"\x20\x00", b"\x01\0\0\0\0\x21\0\x07TLSv1.3", b"EC256"]),
        ("a name", "-servername www.example.com -tls1_3", &[b"\x02\0\x0fwww.example.com"]),
        ("a protocol", "-servername www.example.com -alpn h2 -tls1_3", &[b"\x01\0\x02h2"]),
        ("RSA", "-servername rsa.example.com -tls1_3", &[b"RSA2048", b"ecdsa-with-SHA256"]),
        (
            "a certificate",
            "-servername www.example.com -cert @alice.pem -tls1_3",
            &[b"\x07\0\0\0\0", b"alice"],
        ),
        (
            "TLS 1.2",
            "-servername www.example.com -cert @alice.pem -tls1_2",
            &[b"TLSv1.2", b"ECDHE-ECDSA-AES128-GCM-SHA256"],
        ),
    ];
    for (what, args, expected) in cases {
        both.compare(what, 1, expected, |port| both.s_client(args, port));
    }
    both.compare("HTTP/2", 3, &[b"\x01\0\x02h2", b"www.example.com"], |port| {
        both.curl("--http2 https://www.example.com", port)
    });
    both.compare("HTTP/1", 3, &[b"\x01\0\x08http/1.1"], |port| {
        both.curl("--http1.1 https://www.example.com", port)
    });
    both.compare("no ALPN", 3, &[], |port| both.curl("--no-alpn https://www.example.com", port));
    both.compare("clear text", 2, &[b"\x20\0\x05\0\0\0\0\0"], |port| both.curl("http://127.0.0.1", port));
}

#[test]
fn sessions_that_go_on_are_announced_as_haproxy_announces_them() {
    let both = Both::start();
    for version in ["-tls1_2", "-tls1_3"] {
        let args = format!("{version} -servername www.example.com -cert @alice.pem");
        let session = |port| format!("session{version}{port}");
        for port in [7001, 8001] {
            let _client = both.s_client(&format!("{args} -sess_out @{}", session(port)), port);
            both.recorder.next();
            let file = both.path(&session(port));
            let is_there = |text: String| text.contains("END SSL SESSION").then_some(());
            until("a session", SOON, || is_there(std::fs::read_to_string(&file).ok()?));
        }
        let again = |port| both.s_client(&format!("{args} -sess_in @{}", session(port)), port);
        both.compare("a session that goes on", 1, &[b"\x20\x00", b"\x05\0\0\0\0", b"alice"], again);
    }
}

/// Sends bytes to a port and hands the connection back.
fn send(lab: &Lab, port: u16, bytes: Vec<u8>) -> TcpStream {
    lab.a.ns.run(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(SOON)).expect("set a timeout");
        stream.write_all(&bytes).expect("send");
        stream
    })
}

/// Kinds and values.
type Tlvs<'a> = &'a [(u8, &'a [u8])];

/// A header of version 2 with these TLVs, of a client at 192.0.2.1.
fn relayed(tlvs: Tlvs<'_>) -> Vec<u8> {
    let mut rest = vec![192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 0, 80];
    for (kind, value) in tlvs {
        rest.push(*kind);
        rest.extend((value.len() as u16).to_be_bytes());
        rest.extend(*value);
    }
    let length = (rest.len() as u16).to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11"[..], &length, &rest, b"data"].concat()
}

#[test]
fn what_is_relayed_of_a_header_is_what_haproxy_relays() {
    let lab = Lab::new();
    let server = "server s 127.0.0.1:9000 send-proxy-v2 proxy-v2-options ssl,authority,crc32c";
    let _theirs = haproxy(&lab, &format!("listen r\n bind 127.0.0.1:7004 accept-proxy\n {server}\n"));
    let node = Node::start(
        &lab.a,
        "[defaults]\nlog = false\nmode = \"tcp\"\ntimeout = { connect = \"2s\", client = \"20s\", server = \"20s\" }\n\
         [listen.r]\nbind = [{ addr = \"127.0.0.1:8004\", accept_proxy = \"127.0.0.1\" }]\n\
         server = [{ name = \"s\", addr = \"127.0.0.1:9000\", send_proxy_v2 = true, \
         proxy_v2_options = [\"ssl\", \"authority\", \"crc32c\"] }]\n",
    );
    node.wait_fit();
    let recorder = Recorder::start(&lab, 9000);
    let long = [b'x'; 256];
    let cases: [(Tlvs<'_>, Option<&[u8]>); 8] = [
        (&[], None),
        (&[(kind::AUTHORITY, b"Name.Example")], Some(b"Name.Example")),
        (&[(kind::AUTHORITY, b"a.example"), (kind::AUTHORITY, b"b.example")], Some(b"b.example")),
        (&[(kind::AUTHORITY, b"")], Some(b"")),
        (&[(kind::AUTHORITY, &long[..255])], Some(&long[..255])),
        (&[(kind::ALPN, b"h2"), (kind::SSL, b"\x07\0\0\0\0"), (kind::NOOP, b"xx")], None),
        (&[(kind::UNIQUE_ID, &long[..128]), (0xee, b"own")], None),
        (&[(kind::AUTHORITY, b"a"), (kind::UNIQUE_ID, b"7")], Some(b"a")),
    ];
    for (tlvs, name) in cases {
        let [theirs, ours] = [7004, 8004].map(|port| {
            let _client = send(&lab, port, relayed(tlvs));
            recorder.next()
        });
        let header = parse(&ours).expect("a header").expect("a whole one");
        assert_eq!(ours, theirs, "{tlvs:?}");
        assert_eq!(header.tlvs.find(kind::AUTHORITY), name);
        let from = |origin| matches!(origin, Origin::Relayed { source, .. } if source == SocketAddr::from(([192, 0, 2, 1], 0x1234)));
        assert!(from(header.origin), "{header:?}");
    }
    for tlvs in [[(kind::AUTHORITY, &long[..])], [(kind::UNIQUE_ID, &long[..129])]] {
        for port in [7004, 8004] {
            let mut client = send(&lab, port, relayed(&tlvs));
            // Closed with unread input, which is a reset.
            let end = client.read(&mut [0; 100]);
            assert!(!matches!(end, Ok(1..)), "{port} {end:?}");
            assert!(recorder.0.accept().is_err(), "{port}: nobody is told of it");
        }
    }
}

#[test]
fn haproxy_is_told_and_believes_it() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let files = Arc::new(Scratch::new("announce"));
    Files(&files).write("ca.pem", &ca.pem);
    Files(&files).bundle("www.pem", &ca, &["www.example.com"]);
    let _behind = haproxy(
        &lab,
        "frontend f\n mode http\n bind 127.0.0.1:9000 accept-proxy\n bind 127.0.0.1:9001\n \
         http-request return status 200 content-type text/plain \
         lf-string \"%[src] %[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]\"\n\
         listen before\n bind 127.0.0.1:7001\n server us 127.0.0.1:8002 send-proxy-v2 proxy-v2-options crc32c,ssl\n\
         listen before_tls\n bind 127.0.0.1:7002 ssl crt www.pem\n \
         server us 127.0.0.1:8002 send-proxy-v2 proxy-v2-options authority,cert-cn,ssl-cipher\n"
            .replace("www.pem", files.path().join("www.pem").to_str().expect("a path in UTF-8"))
            .as_str(),
    );
    let server = "server = [{ name = \"s\", addr = \"127.0.0.1:9000\", send_proxy_v2 = true, \
                  proxy_v2_options = [\"authority\", \"cert-cn\", \"cert-key\", \"crc32c\"] }]\n";
    let node = Node::start_in(
        &lab.a,
        &format!(
            "{DEFAULTS}[listen.t]\nbind = [{{ addr = \"127.0.0.1:8001\", ssl = true, crt = \"www.pem\" }}]\n{server}\
             [listen.p]\nbind = [{{ addr = \"127.0.0.1:8002\", accept_proxy = \"127.0.0.1\" }}]\n{server}"
        ),
        &files,
    );
    node.wait_fit();
    let ca = files.path().join("ca.pem").display().to_string();
    let curl = |url: &str, port: u16| {
        let resolve = format!("--resolve www.example.com:{port}:127.0.0.1");
        lab.a.ns.output(&format!(
            "curl --silent --show-error --max-time 10 --cacert {ca} {resolve} {url}:{port}/"
        ))
    };
    assert_eq!(curl("https://www.example.com", 8001), "127.0.0.1 8001 www.example.com ");
    // By way of HAProxy: its client's addresses, and the name that it was asked for.
    assert_eq!(curl("http://127.0.0.1", 7001), "127.0.0.1 7001  ");
    assert_eq!(curl("https://www.example.com", 7002), "127.0.0.1 7002 www.example.com ");
}
