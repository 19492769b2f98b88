//! One node with a configuration, servers behind it and a client before it: what the tests of protocols share.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use evenkeel_tests::lab::netns::Netns;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{self, SOON};
use evenkeel_tests::lab::{Backend, Lab, Node};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// One node with a configuration, servers behind it, a client before it, and certificates in its directory.
pub(crate) struct Site {
    pub(crate) node: Node,
    pub(crate) lab: Lab,
    files: Arc<Scratch>,
    _servers: [Backend; 2],
}

impl Site {
    /// `frontends` are sections of the configuration; `b` is the backend.
    pub(crate) fn start(frontends: &str, prepare: impl FnOnce(&Files<'_>)) -> Self {
        Self::start_in(Lab::new(), frontends, prepare)
    }

    pub(crate) fn start_in(lab: Lab, frontends: &str, prepare: impl FnOnce(&Files<'_>)) -> Self {
        let files = Arc::new(Scratch::new("tls"));
        prepare(&Files(&files));
        let servers = Backend::pair(&lab.servers);
        let config = format!(
            "[global]\nnbthread = 2\nlog = [{{ to = \"127.0.0.1:5514\" }}]\n\
             [defaults]\ntimeout = {{ connect = \"2s\", client = \"30s\", server = \"30s\" }}\n{frontends}\n\
             [backend.b]\nserver = [{{ name = \"s1\", addr = \"10.77.0.11:8080\" }}]\n"
        );
        let node = Node::start_in(&lab.a, &config, &files);
        node.wait_fit();
        Self { node, lab, files, _servers: servers }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.files.path().join(name).to_str().expect("a readable path").to_owned()
    }

    /// Runs curl at the client; what it prints, or why it failed.
    pub(crate) fn curl(&self, args: &str, url: &str) -> Result<String, String> {
        let resolve = "--resolve *:443:10.77.0.1 --resolve *:444:10.77.0.1 --resolve *:445:10.77.0.1";
        let ca = self.path("ca.pem");
        let line = format!("--silent --show-error --max-time 10 --cacert {ca} {resolve} {args} {url}");
        let out = run(&self.lab.client.ns, "curl", &line);
        if out.0 { Ok(out.1) } else { Err(out.2) }
    }

    /// Runs `openssl s_client` at the client with an empty input; everything it prints.
    pub(crate) fn s_client(&self, args: &str) -> String {
        let line = format!("s_client -connect 10.77.0.1:443 -CAfile {} {args}", self.path("ca.pem"));
        let out = run(&self.lab.client.ns, "openssl", &line);
        format!("{}\n{}", out.1, out.2)
    }
}

/// Runs a program to its end; whether it was content, its output and its errors.
pub(crate) fn run(ns: &Netns, program: &'static str, line: &str) -> (bool, String, String) {
    let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    let out = ns.run(move || Command::new(program).args(args).stdin(Stdio::null()).output());
    let out = out.unwrap_or_else(|e| panic!("cannot run {program}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), text(&out.stdout), text(&out.stderr))
}

/// Writes certificates into a directory.
pub(crate) struct Files<'a>(pub(crate) &'a Scratch);

impl Files<'_> {
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("make a directory");
        fs::write(&path, text).expect("write a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set permissions");
    }

    /// A certificate, its chain and its key in one file.
    pub(crate) fn bundle(&self, name: &str, ca: &Authority, names: &[&str]) {
        let (cert, key) = ca.issue(names, &rcgen::PKCS_ECDSA_P256_SHA256);
        self.write(name, &format!("{key}{cert}"));
    }
}

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let text = key.serialize_pem();
        Self { issuer: Issuer::new(params, key), pem, key: text }
    }

    /// A certificate with a number, its key behind it.
    pub(crate) fn issue_numbered(&self, name: &str, number: u64) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
        params.serial_number = Some(number.into());
        params.distinguished_name.push(DnType::CommonName, name);
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        format!("{}{}", cert.pem(), key.serialize_pem())
    }

    /// A list with the number of what it believes no more.
    pub(crate) fn revoke(&self, number: u64) -> String {
        let revoked = rcgen::RevokedCertParams {
            serial_number: number.into(),
            revocation_time: rcgen::date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2024, 1, 1),
            next_update: rcgen::date_time_ymd(2090, 1, 1),
            crl_number: 1_u64.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|l| l.pem()).expect("a list")
    }

    pub(crate) fn issue(
        &self,
        names: &[&str],
        algorithm: &'static rcgen::SignatureAlgorithm,
    ) -> (String, String) {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("good names");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        (cert.pem(), key.serialize_pem())
    }
}

pub(crate) const FRONT: &str = "[frontend.f]\ndefault_backend = \"b\"\n";

/// How a configuration of HAProxy begins.
pub(crate) const HAPROXY: &str =
    "defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n";

/// Starts HAProxy beside the servers and waits until it listens.
pub(crate) fn haproxy(lab: &Lab, files: &Scratch) -> Running {
    let config = files.path().join("haproxy.cfg");
    let haproxy = lab.servers.ns.command("haproxy", move |command| {
        command.arg("-db").arg("-f").arg(config).stdin(Stdio::null());
    });
    let running = Running(Pid::from_raw(i32::try_from(haproxy.id()).expect("a pid")), haproxy);
    let connects = || TcpStream::connect("10.77.0.11:8443").is_ok();
    wait::until_true("HAProxy listens", SOON, || lab.servers.ns.run(connects));
    running
}

/// A program that ends with the test.
pub(crate) struct Running(Pid, std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        kill(self.0, Signal::SIGKILL).unwrap_or_default();
        self.1.wait().map(drop).unwrap_or_default();
    }
}
