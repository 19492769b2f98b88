//! What a configuration would change, asked of a running node before it is reloaded, and what it says of itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use evenkeel_tests::lab::node::run_to_end;
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until_true};
use evenkeel_tests::lab::{Backend, Lab, Node};

/// `@` is its directory.
const CONFIG: &str = "[global]\nnbthread = 1\n\
     [defaults]\ntimeout = { connect = \"2s\", client = \"30s\", server = \"30s\" }\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\", \"10.77.0.1:81\"]\ndefault_backend = \"app\"\n\
     [frontend.old]\nbind = [\"10.77.0.1:83\"]\ndefault_backend = \"app\"\n\
     errorfile = { 503 = \"@/503.http\" }\n\
     [backend.app]\nserver = [\n\
     { name = \"s1\", addr = \"10.77.0.11:8080\" },\n{ name = \"s2\", addr = \"10.77.0.12:8080\" },\n]\n\
     [vrrp.VI_1]\ninterface = \"eth0\"\nvirtual_router_id = 51\npriority = 100\nadvert_int = \"1s\"\n\
     authentication = { auth_pass = \"s3cr3t42\" }\nvirtual_ipaddress = [\"10.77.0.50/32\"]\n";

const ERROR: &str = "HTTP/1.1 503 Away\r\nContent-Length: 5\r\n\r\naway\n";

struct Rig {
    lab: Lab,
    files: Arc<Scratch>,
    config: String,
    _node: Node,
    _servers: [Backend; 2],
}

impl Rig {
    fn start() -> Self {
        let lab = Lab::new();
        let servers = Backend::pair(&lab.servers);
        let files = Arc::new(Scratch::new("difference"));
        files.write("503.http", ERROR);
        let config = CONFIG.replace('@', files.path().to_str().expect("a readable path"));
        let node = Node::start_in(&lab.a, &config, &files);
        node.wait_fit();
        Self { lab, files, config, _node: node, _servers: servers }
    }

    fn path(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let run = self.path("run");
        let args: Vec<&str> = args.iter().copied().chain(["--runtime-dir", run.as_str()]).collect();
        run_to_end(&self.lab.a, &args)
    }

    /// What another file would change.
    fn difference(&self, config: &str) -> (Option<i32>, String, String) {
        self.files.write("other.toml", config);
        self.run(&["config", "diff", &self.path("other.toml")])
    }
}

#[test]
fn a_difference_is_told_before_it_is_made() {
    let rig = Rig::start();
    assert_eq!(rig.run(&["config", "diff"]).0, Some(0), "its own file");
    let (code, out, told) = rig.difference(&format!("# Nothing new.\n{}", rig.config));
    assert_eq!((code, out.as_str()), (Some(0), "nothing would change\n"), "{told}");
    assert_eq!(told, "note: passwords are not compared\n");

    // A client that stays.
    let held = rig.lab.client.ns.run(|| {
        let mut stream = TcpStream::connect(SocketAddr::from(([10, 77, 0, 1], 83))).expect("it listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("it reads");
        assert!(stream.read(&mut [0; 4096]).expect("it answers") > 0);
        stream
    });
    let other = rig
        .config
        .replace("[frontend.old]\nbind = [\"10.77.0.1:83\"]", "[frontend.new]\nbind = [\"10.77.0.1:82\"]")
        .replace("\"10.77.0.1:80\", \"10.77.0.1:81\"", "\"10.77.0.1:80\"")
        .replace(
            ",\n{ name = \"s2\", addr = \"10.77.0.12:8080\" }",
            ", { name = \"s3\", addr = \"10.77.0.12:8080\" }",
        )
        .replace("virtual_router_id = 51", "virtual_router_id = 52")
        .replace("[backend.app]\n", "[backend.app]\nretries = 5\n");
    until_true("the client is counted", SOON, || rig.difference(&other).1.contains("1 connection"));
    let (code, out, told) = rig.difference(&other);
    assert_eq!(code, Some(1), "{told}");
    let lines: Vec<&str> = out.lines().collect();
    for line in [
        "+ frontend.new  (reload)",
        "- frontend.old  (reload)",
        "- frontend.web.bind = \"10.77.0.1:81\"  (reload)",
        "~ backend.app.retries: 3 -> 5  (reload)",
        "+ backend.app.server.s3 = { name = \"s3\", addr = \"10.77.0.12:8080\" }  (reload)",
        "- backend.app.server.s2 = { name = \"s2\", addr = \"10.77.0.12:8080\" }  (reload)",
        "~ vrrp.VI_1.virtual_router_id: 51 -> 52  (reload)",
        "another worker takes over; 1 connection is finished by the one that has them",
        "frontend web listens on 10.77.0.1:81 no more: no connections",
        "frontend old listens on 10.77.0.1:83 no more: 1 connection is finished, then closed",
        "frontend new begins to listen on 10.77.0.1:82",
        "server app/s2 goes",
        "virtual router VI_1 (eth0, VRID 51) lets go of its addresses",
        "virtual router VI_1 (eth0, VRID 52) begins",
    ] {
        assert!(lines.contains(&line), "{line}\n{out}");
    }
    assert_eq!(lines.len(), 15, "{out}");
    assert!(!out.contains("s3cr3t42"));

    // It is what happens.
    rig.files.write("evenkeel.toml", &other);
    let (code, _, told) = rig.run(&["reload"]);
    assert_eq!(code, Some(0), "{told}");
    for line in ["virtual router VI_1 (eth0, VRID 51) lets go", "virtual router VI_1 (eth0, VRID 52) begins"]
    {
        assert!(told.contains(line), "{told}");
    }
    let (code, out, told) = rig.difference(&other);
    assert_eq!((code, out.as_str()), (Some(0), "nothing would change\n"), "{told}");
    drop(held);

    // Files that it names.
    rig.files.write("503.http", &ERROR.replace("Away", "Gone"));
    let (code, out, _) = rig.difference(&other);
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.starts_with(&format!("~ file:{}: another content  (reload)\n", rig.path("503.http"))),
        "{out}"
    );

    // No good, and nobody to ask.
    let (code, out, told) = rig.difference("[globall]\n");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(told.contains("has no key `globall`"), "{told}");
    let (code, _, told) =
        run_to_end(&rig.lab.a, &["config", "diff", &rig.path("evenkeel.toml"), "--runtime-dir", "/nowhere"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("no answer from a running evenkeel") && told.contains("--with OTHER"), "{told}");
}

#[test]
fn a_configuration_is_shown_and_brought_into_its_form() {
    let lab = Lab::new();
    let files = Scratch::new("shown");
    files.write("503.http", ERROR);
    let config = CONFIG.replace('@', files.path().to_str().expect("a readable path"));
    files.write("evenkeel.toml", &config);
    let path = files.path().join("evenkeel.toml");
    let file = path.to_str().expect("a readable path");
    let run = |args: &[&str]| run_to_end(&lab.a, args);

    let (code, out, told) = run(&["config", "show", "--effective", "--origin", "--node", "a", file]);
    assert_eq!(code, Some(0), "{told}");
    assert!(out.contains(&format!("client = \"30s\"  # [defaults] {file}:4\n")), "{out}");
    assert!(out.contains("auth_pass = \"***\"") && !out.contains("s3cr3t42"), "{out}");
    files.write("effective.toml", &out);
    let effective = files.path().join("effective.toml");
    let effective = effective.to_str().expect("a readable path");
    let (code, _, told) = run(&["check", "--node", "a", "--config", effective]);
    assert_eq!(code, Some(0), "{told}");
    let (code, out, told) = run(&["config", "diff", effective, "--with", file, "--node", "a"]);
    assert_eq!((code, out.as_str()), (Some(0), "nothing would change\n"), "{told}");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a file of ours");
    let (code, out, _) = run(&["fmt", "--check", file]);
    assert_eq!((code, out), (Some(1), format!("{file}\n")));
    assert_eq!(std::fs::read_to_string(&path).expect("it is there"), config, "nothing was written");
    let (code, out, told) = run(&["fmt", file]);
    assert_eq!((code, out), (Some(0), format!("{file}\n")), "{told}");
    assert_eq!(std::fs::metadata(&path).expect("it is there").mode() & 0o7777, 0o640);
    assert_eq!(run(&["fmt", "--check", file]).0, Some(0));
    let written = std::fs::read_to_string(&path).expect("it is there");
    assert!(written.contains("\n]\n\n[vrrp.VI_1]\n"), "{written}");

    let (code, out, _) = run(&["config", "schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let (code, out, _) = run(&["config", "default", "global.worker"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("#[global.worker]\n") && out.contains("\n#grace = \"500ms\"\n"), "{out}");
    assert_eq!(run(&["config", "default", "nothing.at.all"]).0, Some(1));
}
