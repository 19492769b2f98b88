//! gRPC through the proxy, with Debian's gRPC for Python at both ends.

use std::net::TcpStream;

use evenkeel_tests::lab::Lab;
use evenkeel_tests::lab::peer::Peer;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};

use super::site::{Authority, Site, run};

/// Every kind of call and every kind of end, over each way into the proxy and each way out.
#[test]
fn every_kind_of_call_passes() {
    let ca = Authority::new("ca");
    let lab = Lab::new();
    let (crt, key) = ca.issue(&["server.example"], &rcgen::PKCS_ECDSA_P256_SHA256);
    let args = [SCRIPT, "serve", "10.77.0.11:8082", "10.77.0.11:8443", "@/key.pem", "@/crt.pem"];
    let server = Peer::start(&lab.servers, PYTHON, PACKAGE, &args, |scratch: &Scratch| {
        scratch.write("key.pem", &key);
        scratch.write("crt.pem", &crt);
    });
    let connects = || TcpStream::connect("10.77.0.11:8443").is_ok();
    wait::until_true("the server listens", SOON, || lab.servers.ns.run(connects));
    let site = Site::start_in(
        lab,
        "[frontend.f]\ndefault_backend = \"clear\"\n\
         bind = [\"*:80\", { addr = \"*:443\", ssl = true, crt = \"www.pem\" }]\n\
         [frontend.to_tls]\ndefault_backend = \"tls\"\nbind = \"*:81\"\n\
         [backend.clear]\nserver = [{ name = \"g\", addr = \"10.77.0.11:8082\", proto = \"h2\" }]\n\
         [backend.tls]\nserver = [{ name = \"g\", addr = \"10.77.0.11:8443\", ssl = true, ca_file = \"ca.pem\", \
         sni = \"server.example\", alpn = \"h2\" }]",
        |files| {
            files.write("ca.pem", &ca.pem);
            files.bundle("www.pem", &ca, &["www.example.com"]);
        },
    );
    for to in [
        "10.77.0.1:80".to_owned(),
        format!("10.77.0.1:443 {}", site.path("ca.pem")),
        "10.77.0.1:81".to_owned(),
    ] {
        let (well, said, errors) = run(&site.lab.client.ns, PYTHON, &format!("{SCRIPT} ask {to}"));
        assert!(well && said == "done\n", "{to}: {said}{errors}");
    }
    drop(server);
}

const PYTHON: &str = "/usr/bin/python3";
const PACKAGE: &str = "python3-grpcio";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/grpc_peer.py");
