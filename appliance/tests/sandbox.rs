//! From inside a worker's fences: what it tries is refused, what it needs is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel::worker::{privileges, sandbox};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

const INSIDE: &str = "EVENKEEL_TEST_SANDBOX";

/// Not a test by itself: the body of the process that is shut in.
#[test]
fn inside() {
    let Some(directory) = std::env::var_os(INSIDE).map(PathBuf::from) else { return };
    let told = std::thread::spawn(move || try_everything(&directory)).join().unwrap();
    assert_eq!(told, [] as [&str; 0], "the kernel of this machine knows all of it");
}

fn try_everything(directory: &Path) -> Vec<&'static str> {
    privileges::no_new_privileges().unwrap();
    if nix::unistd::Uid::effective().is_root() {
        // Of this thread only, which is enough here: the kernel asks each thread for itself.
        privileges::keep_only(&caps::CapsHashSet::new()).unwrap();
    }
    let logs = directory.join("logs");
    let missing = sandbox::enter(std::slice::from_ref(&logs)).unwrap();
    fs::write(logs.join("access.log"), "line\n").expect("its logs");
    fs::rename(logs.join("access.log"), logs.join("access.log.1")).expect("rotated");
    fs::write(logs.join("access.log"), "line\n").expect("anew");
    let refused = |what: &str, tried: io::Result<()>| {
        let error = tried.expect_err(what);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{what}: {error}");
    };
    refused("a file elsewhere", fs::write(directory.join("other"), "x"));
    refused("a file that is there", fs::write(directory.join("there"), "x"));
    refused("a file taken away", fs::remove_file(directory.join("there")));
    refused("a directory", fs::create_dir(directory.join("new")));
    refused("a program", Command::new("/bin/true").status().map(drop));
    let open = |family, kind, protocol: Option<SockProtocol>| {
        socket(family, kind, SockFlag::empty(), protocol).map(drop).map_err(io::Error::from)
    };
    refused("a raw socket", open(AddressFamily::Inet, SockType::Raw, Some(SockProtocol::Icmp)));
    refused("packets", open(AddressFamily::Packet, SockType::Raw, None));
    refused("addresses", open(AddressFamily::Netlink, SockType::Raw, Some(SockProtocol::NetlinkRoute)));
    refused(
        "addresses, as datagrams",
        open(AddressFamily::Netlink, SockType::Datagram, Some(SockProtocol::NetlinkRoute)),
    );
    refused(
        "a name space",
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(io::Error::from),
    );

    // What it is there for.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    drop((listener.accept().unwrap(), client));
    assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7, "threads");
    assert!(!fs::read("/etc/passwd").unwrap().is_empty());
    missing
}

#[test]
fn a_worker_writes_no_files_opens_no_raw_sockets_and_changes_no_addresses() {
    let directory = std::env::temp_dir().join(format!("evenkeel-sandbox-{}", std::process::id()));
    fs::create_dir_all(directory.join("logs")).unwrap();
    fs::write(directory.join("there"), "precious").unwrap();
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--nocapture"])
        .env(INSIDE, &directory)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}\n{}", text(&out.stdout), text(&out.stderr));
    assert!(text(&out.stdout).contains("1 passed"));
    assert_eq!(fs::read_to_string(directory.join("there")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    fs::remove_dir_all(&directory).unwrap();
}
