//! TLS: certificates from files and directories, and what becomes of them on the way to the worker.

use std::path::Path;

use evenkeel::config::{self, lower};
use evenkeel_proxy::plan::{Action, Connect};
use evenkeel_proxy::tls::suites::{Curve, Version};
use rcgen::{CertificateParams, KeyPair};

use super::{Machine, TIMEOUTS};

/// A certificate for itself, and its key.
fn certificate(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

fn machine(global: &str, bind: &str, server: &str) -> Machine {
    let mut machine = Machine::with(&format!(
        "[global]\n{global}\n{TIMEOUTS}[frontend.f]\ndefault_backend = \"b\"\nbind = [{{ addr = \"*:443\", {bind} }}]\n\
         [backend.b]\nserver = [{{ name = \"s\", addr = \"10.0.0.1:443\", {server} }}]\n"
    ));
    for (name, mode) in [("certs/a.pem", 0o600), ("certs/b.pem", 0o640), ("open.pem", 0o644)] {
        let (cert, key) = certificate("www.example.com");
        machine.files.add(name, format!("{key}{cert}").as_bytes(), mode);
    }
    let (cert, key) = certificate("apart.example.com");
    machine.files.add("apart.crt", cert.as_bytes(), 0o644);
    machine.files.add("apart.key", key.as_bytes(), 0o600);
    machine.files.add("apart.crt.ocsp", b"", 0o644);
    machine.files.add("certs/a.pem.ocsp", b"", 0o644);
    machine.files.add("certs/.b.pem.swp", b"an editor's", 0o600);
    machine
}

#[test]
fn certificates_come_from_files_and_directories_and_reach_the_worker() {
    let bind =
        "ssl = true, crt = [\"apart.crt\", \"certs/\"], verify = \"optional\", ca_file = \"apart.crt\"";
    let server = "ssl = true, ca_file = \"apart.crt\", sni = \"x.example\", crt = \"certs/a.pem\"";
    let loaded = machine("", bind, server).load();
    assert_eq!(loaded.render_human(false), "");
    let json = serde_json::to_string(&loaded.sources.for_worker()).unwrap();
    let sources: config::Sources = serde_json::from_str(&json).unwrap();
    let there = config::load_from_sources(&sources, "lb1");
    assert_eq!(there.render_human(false), "");
    let plan = lower::proxy(there.config.as_ref().unwrap()).plan;
    assert!(plan.listeners().iter().all(|l| l.tls.is_some()) && plan.servers()[0].tls.is_some());
    let timeout = plan.listeners()[0].tls.as_ref().unwrap().handshake_timeout();
    assert_eq!(timeout, std::time::Duration::from_secs(5));
    // Both families of `*` show the same.
    assert_eq!(plan.listeners()[0].tls, plan.listeners()[1].tls);
}

#[test]
fn global_settings_hold_for_binds_that_say_nothing_else() {
    let global = "tls = { min_ver = \"TLSv1.3\", curves = \"X25519:P-256\", ciphers = \"ECDHE-RSA-AES128-GCM-SHA256\", \
                  tls_tickets = false, cache_size = 0, handshake_timeout = \"2s\" }";
    let loaded = machine(global, "ssl = true, crt = \"certs\"", "weight = 2").load();
    assert_eq!(loaded.render_human(false), "");
    let config = loaded.config.unwrap();
    let tls = config.global.tls.as_ref().unwrap();
    assert_eq!((tls.policy.min, tls.policy.max), (Version::Tls13, Version::Tls13));
    let curves: Vec<_> = tls.policy.curves.iter().map(|c| c.name()).collect();
    assert_eq!(curves, ["X25519", "P-256"]);
    assert!(!tls.policy.prefer_client_ciphers, "an order was said");
    assert_eq!(tls.policy.ciphers[0].name(), "ECDHE-RSA-AES128-GCM-SHA256");
    assert_eq!(tls.handshake_timeout.as_secs(), 2);
    assert_eq!(Curve::names().next(), Some("X25519MLKEM768"));
}

#[test]
fn keys_that_everybody_can_read_are_refused() {
    let loaded = machine("", "ssl = true, crt = \"open.pem\"", "weight = 1").load();
    let [found] = loaded.diagnostics.as_slice() else { panic!("{}", loaded.render_human(false)) };
    assert_eq!(found.code.as_str(), "secret-exposed");
    assert!(found.message.contains("the private key in `open.pem`"), "{}", found.message);
    assert!(loaded.sources.blobs.keys().all(|k| !Path::new(k).ends_with("open.pem")));
}

#[test]
fn a_step_of_a_check_asks_for_what_it_says() {
    // The steps are the backend's: they stand behind its servers.
    let server = |step: &str| {
        format!(
            "ca_file = \"apart.crt\", ssl = true, sni = \"a.example\", check = true }}]\ncheck = [{{ {step} }}]\n# "
        )
    };
    for (step, own) in [
        ("connect = true", false),
        ("connect = { sni = \"b.example\" }", true),
        ("connect = { alpn = [\"http/1.1\"], port = 444 }", true),
        ("connect = { ssl = true, sni = \"b.example\", alpn = \"http/1.1\" }", true),
        ("connect = { alpn = \"h2\" }", true),
    ] {
        let server = server(step);
        let loaded = machine("", "ssl = true, crt = \"certs\"", &server).load();
        assert_eq!(loaded.render_human(false), "", "{step}");
        let plan = lower::proxy(loaded.config.as_ref().unwrap()).plan;
        let check = plan.servers()[0].check.as_ref().unwrap();
        let Action::Connect(connect) = &check.script.steps[0].action else { panic!("{step}") };
        let (used, usual) = (check.connector(connect), check.connector(&Connect::default()));
        assert!(used.is_some() && usual.is_some(), "{step}");
        assert_eq!(used != usual, own, "{step}");
    }
    for (step, message) in [
        ("connect = { ssl = false, sni = \"b.example\" }", "`ssl = false` is without"),
        ("connect = { alpn = \"h3\" }", "`h3` is not a protocol that is spoken here"),
    ] {
        let server = server(step);
        let loaded = machine("", "ssl = true, crt = \"certs\"", &server).load();
        assert!(loaded.render_human(false).contains(message), "{step}: {}", loaded.render_human(false));
    }
}

#[test]
fn servers_that_speak_tls_are_checked_over_it() {
    let ca = "ca_file = \"apart.crt\"";
    for (server, everywhere, own) in [
        ("ssl = true, check = true", Some(true), true),
        ("check = true", None, false),
        ("check_ssl = true, check = true", Some(true), true),
        ("ssl = true, check_ssl = false, check = true", None, false),
        ("ssl = true, check_port = 80, check = true", None, false),
        (
            "ssl = true, check_port = 444, check_ssl = true, check_sni = \"x.example\", check = true",
            Some(true),
            true,
        ),
    ] {
        let loaded = machine("", "ssl = true, crt = \"certs\"", &format!("{ca}, {server}")).load();
        assert_eq!(loaded.render_human(false), "", "{server}");
        let plan = lower::proxy(loaded.config.as_ref().unwrap()).plan;
        let check = plan.servers()[0].check.as_ref().unwrap();
        assert_eq!(check.tls.as_ref().map(|t| t.everywhere), everywhere, "{server}");
        assert_eq!(check.connector(&Connect::default()).is_some(), own, "{server}");
        let elsewhere = Connect { port: Some(1), ..Connect::default() };
        assert!(check.connector(&elsewhere).is_none(), "{server}");
        let asked = Connect { tls: Some(true), ..elsewhere };
        assert_eq!(check.connector(&asked).is_some(), own, "{server}");
    }
}

#[test]
fn where_connections_go_by_their_hello_is_not_asked_of_tls_that_ends_here() {
    let mut machine = machine("", "", "");
    let text = format!(
        "{TIMEOUTS}mode = \"tcp\"\n[listen.l]\nbind = [\"*:80\", {{ addr = \"*:443\", ssl = true, crt = \"certs/a.pem\" }}]\n\
         use_backend = [{{ backend = \"l\", if = {{ req_ssl_sni = \"a.example\" }} }}]\n\
         server = [{{ name = \"s\", addr = \"10.0.0.1:443\" }}]\n"
    );
    machine.files.add("evenkeel.toml", text.as_bytes(), 0o644);
    let loaded = machine.load();
    let [found] = &loaded.diagnostics[..] else { panic!("{}", loaded.render_human(false)) };
    assert_eq!(found.code.as_str(), "bad-combination");
    assert!(found.message.contains("`l` ends it itself"), "{}", found.message);
}

/// Only files of TLS are read again, with the same checks; the rest is what it was, whatever the machine has meanwhile.
#[test]
fn reading_tls_anew_reads_nothing_else() {
    let bind = "ssl = true, crt = [\"apart.crt\", \"certs/\"]";
    let mut machine = machine("", bind, "ssl = true, verify = \"none\"");
    let sources = machine.load().sources.for_worker();
    let (cert, key) = certificate("new.example.com");
    machine.files.add("certs/a.pem", format!("{cert}{key}").as_bytes(), 0o600);
    machine.files.add("certs/c.pem", format!("{cert}{key}").as_bytes(), 0o600);
    machine.files.add("evenkeel.toml", b"no longer TOML", 0o644);
    let again = machine.reload_tls(&sources);
    assert_eq!(again.render_human(false), "");
    assert!(again.is_valid());
    assert_eq!(again.sources.blobs["tls:certs/a.pem"], format!("{cert}{key}").as_bytes());
    assert!(again.sources.blobs.contains_key("tls:certs/c.pem"));
    assert_eq!(again.sources.files[0].text, sources.files[0].text);
    // And so reads the worker.
    let there = config::load_from_sources(&again.sources.for_worker(), "lb1");
    assert_eq!(there.render_human(false), "");

    machine.files.add("certs/a.pem", b"nothing", 0o600);
    machine.files.add("apart.crt", b"nothing", 0o600);
    let broken = machine.reload_tls(&again.sources);
    assert!(!broken.is_valid());
    let lines: Vec<String> = broken.lines().into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("evenkeel.toml:") && lines[0].contains("`apart.crt` has no certificate"),
        "{lines:?}"
    );
    assert!(lines[1].contains("`certs/a.pem` has no private key"), "{lines:?}");
}
