//! A node goes on as another program: the same process, sockets, connections and virtual routers.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use evenkeel_tests::lab::node::{binary, run_to_end};
use evenkeel_tests::lab::scratch::Scratch;
use evenkeel_tests::lab::wait::{SOON, until_true};
use evenkeel_tests::lab::{Node, Role};

use super::sight::ask;
use super::takeover::{Load, Rig, Tunnel};

/// A rig whose node runs a program of its own, and a BACKUP beside it.
struct Pair {
    rig: Rig,
    backup: Node,
}

impl Pair {
    fn start(name: &str) -> Self {
        let files = Arc::new(Scratch::new(name));
        install(files.path());
        let rig = Rig::start_in(files);
        let vrrp = rig.config.split_once("[vrrp.VI_1]").expect("a router").1;
        let vrrp = format!("[vrrp.VI_1]{}", vrrp.replace("priority = 100", "priority = 50"));
        let backup = Node::start(&rig.lab.b, &vrrp);
        backup.wait_state("VI_1", "BACKUP", SOON);
        Self { rig, backup }
    }

    fn upgrade(&self) -> (Option<i32>, String) {
        let directory = self.rig.files.path().join("run").display().to_string();
        let (code, _, told) = run_to_end(&self.rig.lab.a, &["upgrade", "--runtime-dir", &directory]);
        (code, told)
    }

    fn transitions(&self) -> (usize, usize) {
        (self.rig.transitions(), self.backup.transitions().len())
    }
}

/// Puts another copy of the program where the node's is, as a package does. Which file it is.
pub(super) fn install(directory: &Path) -> u64 {
    let new = directory.join("evenkeel.new");
    fs::copy(binary(), &new).expect("a copy of the program");
    put(directory, &new)
}

fn put(directory: &Path, new: &Path) -> u64 {
    fs::rename(new, directory.join("evenkeel")).expect("the program is replaced");
    fs::metadata(directory.join("evenkeel")).expect("it is there").ino()
}

/// Which file a process runs.
fn program_of(pid: nix::unistd::Pid) -> u64 {
    fs::metadata(format!("/proc/{pid}/exe")).map_or(0, |file| file.ino())
}

/// `EVENKEEL_UPGRADES=20` for as many as a release has to bear.
#[test]
fn a_node_goes_on_as_another_program_and_nobody_notices() {
    let pair = Pair::start("upgrade");
    let (rig, node) = (&pair.rig, &pair.rig.node);
    let count = std::env::var("EVENKEEL_UPGRADES").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let socket = rig.files.path().join("admin.sock");
    assert_eq!(ask(&socket, "set server app/s2 state drain").as_deref(), Some("\n"));
    let mut tunnel = Tunnel::open(&rig.lab.client);
    assert_eq!(tunnel.ask(), "HTTP/1.1 200 OK");
    let (keeper, transitions) = (node.pid(Role::Keeper), pair.transitions());
    let load = Load::start(&rig.lab.client, 4);
    load.wait(20);
    for number in 1..=count {
        let before = (node.pid(Role::Guard), node.status_at("/worker/pid"));
        let program = install(rig.files.path());
        let (code, told) = pair.upgrade();
        assert_eq!(code, Some(0), "upgrade {number}: {told}");
        assert_eq!(node.pid(Role::Keeper), keeper, "it is the same process");
        assert_eq!(program_of(keeper), program, "of another program");
        until_true("so is the guard", SOON, || {
            node.pids(Role::Guard).iter().any(|pid| *pid != before.0 && program_of(*pid) == program)
        });
        let worker = node.status_at("/worker/pid");
        assert_ne!(worker, before.1);
        let worker = i32::try_from(worker.as_i64().expect("a worker")).expect("a pid");
        assert_eq!(program_of(nix::unistd::Pid::from_raw(worker)), program, "and the worker");
        assert_eq!(node.status_at("/upgrade/number"), number);
        assert_eq!(node.status_at("/vrrp/0/state"), "MASTER");
        assert_eq!(tunnel.ask(), "HTTP/1.1 200 OK");
        load.wait(20);
    }
    let answered = load.stop();
    assert_eq!(pair.transitions(), transitions, "no virtual router has moved");
    assert_eq!(node.status_at("/worker/lost"), 0);
    let all = || rig.counted("web", "FRONTEND", "req_tot") >= Some(answered);
    until_true("all are counted", SOON, all);
    assert_eq!(rig.counted("web", "FRONTEND", "req_tot"), Some(answered));
    assert_eq!(rig.counted("web", "FRONTEND", "hrsp_5xx"), Some(0));
    let drained = ask(&socket, "show servers state app").unwrap_or_default();
    assert!(
        drained.lines().any(|l| l.contains(" s2 ") && l.split(' ').nth(6) == Some("8")),
        "what operators want goes on: {drained}"
    );

    // It still does everything: reads another configuration, replaces a guard, and stops in order.
    drop(tunnel);
    until_true("one worker is left", SOON, || node.pids(Role::Worker).len() == 1);
    let new = rig.config.replace("priority = 100", "priority = 99");
    assert_eq!(rig.reload(&new), (Some(0), String::new()));
    node.signal(Role::Guard, nix::sys::signal::Signal::SIGKILL);
    until_true("another guard", SOON, || node.pids(Role::Guard).len() == 1);
    assert_eq!(pair.transitions(), transitions);
    node.signal(Role::Keeper, nix::sys::signal::Signal::SIGTERM);
    pair.backup.wait_state("VI_1", "MASTER", SOON);
    until_true("nothing is left", SOON, || {
        [Role::Keeper, Role::Guard, Role::Worker].iter().all(|role| node.pids(*role).is_empty())
    });
}

#[test]
fn a_program_that_is_no_good_changes_nothing() {
    let pair = Pair::start("no-upgrade");
    let (rig, node) = (&pair.rig, &pair.rig.node);
    let directory = rig.files.path();
    let real = binary().display().to_string();
    let (keeper, worker, transitions) = (node.pid(Role::Keeper), node.pid(Role::Worker), pair.transitions());
    let program = program_of(keeper);
    for (what, script, why) in [
        ("none of ours", "#!/bin/sh\necho cannot >&2; exit 1\n".to_owned(), "cannot go on from here: cannot"),
        ("no program", "what is this".to_owned(), "cannot be run"),
        (
            "its worker ends",
            format!("#!/bin/sh\n[ \"$1\" = worker ] && exit 1\nexec {real} \"$@\"\n"),
            "the next worker cannot serve",
        ),
    ] {
        let new = directory.join("evenkeel.new");
        fs::write(&new, script).expect("a script");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("its mode");
        put(directory, &new);
        let (code, told) = pair.upgrade();
        assert_eq!(code, Some(1), "{what}: {told}");
        assert!(told.contains(why) && told.contains("nothing was replaced"), "{what}: {told}");
        assert_eq!((node.pid(Role::Keeper), program_of(keeper)), (keeper, program), "{what}");
        assert_eq!(node.pids(Role::Worker), [worker], "{what}");
        assert_eq!(rig.status("/"), "200", "{what}");
    }
    let good = install(directory);
    assert_eq!(pair.upgrade().0, Some(0));
    assert_eq!(program_of(keeper), good);
    assert_eq!((rig.status("/"), pair.transitions()), ("200".into(), transitions));
}
