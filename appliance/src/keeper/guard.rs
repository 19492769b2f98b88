//! The guard process as the keeper sees it: started before the first address is added, replaced when it ends.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::child::Process;
use super::link::{THIS, spawn_role};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

/// A running guard.
#[derive(Debug)]
pub(super) struct GuardProcess {
    process: Process,
}

impl GuardProcess {
    /// Starts a guard; the descriptor is the keeper's end of its channel.
    ///
    /// # Errors
    /// If the process cannot be created.
    pub(super) fn spawn() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        let process = Process::Started(spawn_role(Path::new(THIS), "guard", theirs)?);
        Ok((Self { process }, ours))
    }

    /// The one that was started before the upgrade.
    ///
    /// # Errors
    /// If its end cannot be listened for.
    pub(super) fn inherited(pid: u32) -> io::Result<Self> {
        Ok(Self { process: Process::inherited(pid)? })
    }

    /// Ends it, so that another one can take its place.
    ///
    /// # Errors
    /// If it has ended.
    pub(super) fn start_kill(&mut self) -> io::Result<()> {
        self.process.start_kill()
    }

    /// Its process id while it lives.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Waits for its end; how, in words.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn ended(&mut self) -> String {
        self.process.ended().await
    }
}
