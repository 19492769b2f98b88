//! What operators change at the admin socket in lists and maps: it holds at once, outlives the worker, and is written
//! into the files that are to be saved.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until_true};
use evenkeel_tests::lab::{Backend, Lab, Node, Role};
use nix::sys::signal::Signal;

use super::sight::{ask, run};

const CONFIG: &str = "[global]\nnbthread = 2\nmaxconn = 500\nsaved_files = [\"saved.txt\", \"tenants.map\"]\n\
     admin_socket = [{ path = \"@/admin.sock\", mode = \"600\", level = \"admin\" }]\n\
     [defaults]\ntimeout = { connect = \"2s\", client = \"30s\", server = \"30s\" }\n\
     [map.tenants]\nfile = \"tenants.map\"\n\
     [frontend.web]\nbind = [\"10.77.0.1:80\"]\ndefault_backend = \"app\"\n\
     http_request = [\n\
     { deny = 403, if = { path_beg_file = \"saved.txt\" } },\n\
     { deny = 403, if = { hdr_file = { User-Agent = \"agents.txt\" } } },\n\
     { redirect = { location = \"/tenant-${var(t)}\" }, if = { path = \"/who\", var_exists = \"t\" } },\n\
     ]\n\
     [backend.app]\nserver = [{ name = \"s1\", addr = \"10.77.0.11:8080\" }]\n";

#[test]
fn they_outlive_the_worker_and_some_the_node() {
    let lab = Lab::new();
    let _servers = Backend::pair(&lab.servers);
    let files = Arc::new(Scratch::new("edits"));
    let path = files.path().to_owned();
    files.write("saved.txt", "# What nobody may see.\n/secret\n/private\n");
    files.write("agents.txt", "bad/1\n");
    files.write("tenants.map", "# Who is where.\na.example one\n");
    let config = CONFIG.replace('@', path.to_str().expect("a readable path")).replace(
        "{ deny = 403, if = { path_beg",
        "{ set_var = { t = { map = \"tenants\", key = \"${host}\" } } },\n{ deny = 403, if = { path_beg",
    );
    let mut node = Node::start_in(&lab.a, &config, &files);
    node.wait_fit();
    let socket = path.join("admin.sock");
    let status = |url: &str, args: &[&str]| {
        let url = format!("http://10.77.0.1{url}");
        let args = [&["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", &url], args].concat();
        run(&lab.client, "curl", &args, Path::new("/")).1
    };
    let text = |name: &str| fs::read_to_string(path.join(name)).expect("a file");
    let as_before = || {
        assert_eq!(status("/secret", &[]), "200");
        assert_eq!(status("/private/x", &[]), "403");
        assert_eq!(status("/new", &[]), "403");
        assert_eq!(status("/", &["-A", "bad/1"]), "403");
        assert_eq!(status("/", &["-A", "bad/2"]), "403");
        let who = ["-si", "--max-time", "5", "-H", "Host: b.example", "http://10.77.0.1/who"];
        let answer = run(&lab.client, "curl", &who, Path::new("/")).1;
        assert!(answer.contains("location: /tenant-two"), "{answer}");
    };
    assert_eq!((status("/secret", &[]), status("/new", &[])), ("403".into(), "200".into()));
    for line in [
        "del acl saved.txt /secret",
        "add acl saved.txt /new",
        "add acl agents.txt bad/2",
        "add map tenants b.example two",
        "set map tenants a.example three",
    ] {
        assert_eq!(ask(&socket, line).as_deref(), Some("\n"), "{line}");
    }
    as_before();
    until_true("the files have it", SOON, || {
        text("saved.txt") == "# What nobody may see.\n/private\n/new\n"
            && text("tenants.map") == "# Who is where.\na.example three\nb.example two\n"
    });
    assert_eq!(text("agents.txt"), "bad/1\n", "only what is to be saved is");

    let before = node.pids(Role::Worker);
    node.signal(Role::Worker, Signal::SIGKILL);
    until_true("the next worker serves", SOON, || {
        let now = node.pids(Role::Worker);
        !now.is_empty() && now != before && status("/", &[]) == "200"
    });
    as_before();

    // What somebody has written there meanwhile stays.
    fs::write(path.join("saved.txt"), "# Mine.\n/by-hand\n/private\n/new\n").unwrap();
    assert_eq!(ask(&socket, "del acl saved.txt /new").as_deref(), Some("\n"));
    until_true("the file has that too", SOON, || text("saved.txt") == "# Mine.\n/by-hand\n/private\n");
    node.terminate();
}
