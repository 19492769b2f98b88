//! The VRRP thread. It feeds the engine with adverts, network changes, tracks, commands and time, and does what the
//! engine asks, in the order asked.
//!
//! It waits in one place only, for whichever comes first, and does nothing that can take long: no name is resolved,
//! nothing is logged, the only file it writes is the list of held addresses, after everything else of the turn. What
//! the rest of the process should know goes into a bounded queue ([`Events`]) and into snapshots.
//!
//! **A panic in this thread aborts the process.** The node then loses its addresses (the guard takes them off) and
//! the peer takes over; a process that lives on without its VRRP thread would be worse than none.

mod execute;
mod handed;
mod handle;
mod queue;
mod report;
mod sockets;
mod status;
mod turn;

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

pub use self::handed::{Handed, Record};
pub use self::handle::{DriverHandle, SendError};
pub use self::queue::Events;
pub use self::status::{DriverEvent, DriverStatus};

use self::handle::Shared;
use self::turn::Driver;
use crate::config::EngineConfig;
use crate::engine::Engine;
use crate::io::clock::BootClock;
use crate::io::leftovers::{self, StateFile};
use crate::io::netlink::Netlink;
use crate::io::realtime;

/// How to run the thread.
#[derive(Debug, Default)]
pub struct DriverOptions {
    /// `SCHED_RR` priority (1–99); `None`: normal scheduling.
    pub realtime_priority: Option<u8>,
    /// Lock all memory of the process. Takes effect only with an unlimited `RLIMIT_MEMLOCK`.
    pub lock_memory: bool,
    /// Where the held addresses are listed, for kernels that do not keep the `IFA_PROTO` tag. In a directory that does
    /// not outlive the boot.
    pub state_file: Option<PathBuf>,
    /// The keeper's end of the guard's socket; see [`DriverHandle::set_guard`].
    pub guard: Option<OwnedFd>,
    /// What an earlier thread has left, and this one goes on with.
    pub handed: Option<Handed>,
}

/// Removes what an earlier run left behind and starts the VRRP thread, in the network namespace of the caller.
///
/// # Errors
/// When the kernel refuses netlink or packet sockets, leftovers cannot be removed, or no thread can be started.
pub fn spawn(config: EngineConfig, options: DriverOptions) -> io::Result<DriverHandle> {
    let clock = BootClock::start()?;
    let now = clock.now();
    let engine = match &options.handed {
        Some(handed) => handed.engine(config, &clock, now),
        None => Engine::new(config, now),
    };
    let shared = Arc::new(Shared::new(engine.snapshot(now))?);
    let (opened, told) = mpsc::sync_channel(1);
    let its = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned()).spawn(move || {
        guarded(|| {
            // First of all: on a busy machine everything else could take longer than a lease.
            let refused = options.realtime_priority.and_then(realtime::schedule);
            let driver = Driver::new(engine, clock, options, refused, its);
            let (outcome, driver) = match driver {
                Ok(driver) => (Ok(()), Some(driver)),
                Err(err) => (Err(err), None),
            };
            // Whoever has asked waits for it.
            opened.send(outcome).map_err(io::Error::other)?;
            driver.map_or(Ok(None), Driver::run)
        })
    })?;
    // Without a word the thread has ended, and with it this process.
    told.recv().map_err(io::Error::other)??;
    Ok(DriverHandle::new(shared, thread))
}

/// Removes what an earlier run left behind, as [`spawn`] does at its start: for a service manager's last step after the
/// process has ended. How many addresses there were.
///
/// # Errors
/// When the kernel refuses netlink or an address cannot be removed.
pub fn release_leftovers(state_file: Option<PathBuf>) -> io::Result<usize> {
    leftovers::remove(&mut Netlink::open()?, state_file.map(StateFile::new).as_ref(), |_| false)
}

fn guarded(run: impl FnOnce() -> io::Result<Option<Handed>>) -> io::Result<Option<Handed>> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ended) => ended,
        // The panic hook has told what and where.
        Err(_) => std::process::abort(),
    }
}

const THREAD_NAME: &str = "ek-vrrp";
