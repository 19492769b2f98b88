//! The guard process: what it gives up before it starts to watch. The watching itself is [`evenkeel_vrrp::io::guard`].

use std::io;
use std::os::fd::AsFd as _;

use caps::{Capability, CapsHashSet};
use evenkeel_vrrp::io::Speaker;
use evenkeel_vrrp::io::guard::{self, GuardOptions, GuardReport};
use nix::sys::signal::{SigSet, Signal};

use crate::worker::privileges;

/// Runs the guard of the parent process, whose socket is standard input, until the parent is gone.
///
/// # Errors
/// If privileges cannot be given up, or standard input is no socket.
pub fn run() -> io::Result<()> {
    nix::sys::prctl::set_name(c"ek-guard")?;
    // The guard ends when the keeper has ended. A SIGTERM to the whole unit must not end it first.
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|s| signals.add(s));
    signals.thread_block()?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    // Before the capability that it takes is gone. Without it the guard still guards, and the peers wait.
    let speaker = Speaker::open()
        .inspect_err(|e| eprintln!("ek-guard: no raw socket to tell the peers with: {e}"))
        .ok();
    privileges::no_new_privileges()?;
    let wanted = [Capability::CAP_NET_ADMIN, Capability::CAP_SYS_NICE, Capability::CAP_IPC_LOCK];
    privileges::keep_only(&CapsHashSet::from(wanted))?;
    // The end of the socket tells of the keeper's death; the kernel closes it before anything else can notice.
    let options =
        GuardOptions { keeper: None, realtime_priority: Some(REALTIME_PRIORITY), lock_memory: true, speaker };
    tell(&guard::run(socket, options)?);
    Ok(())
}

fn tell(report: &GuardReport) {
    if report.removed > 0 {
        eprintln!(
            "ek-guard: the keeper died; {} addresses taken off, {} priority-0 adverts sent",
            report.removed, report.farewells
        );
    }
    if let Some(errno) = report.unsaid_errno {
        let error = io::Error::from_raw_os_error(errno);
        eprintln!("ek-guard: {} priority-0 adverts not sent: {error}", report.unsaid);
    }
}

/// Above the VRRP thread: when that one runs wild, the guard still runs.
const REALTIME_PRIORITY: u8 = 60;
