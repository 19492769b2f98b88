//! The guard process as the keeper sees it: started before the first address is added, replaced when it ends.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use tokio::process::Child;

use super::link::spawn_role;

/// A running guard.
#[derive(Debug)]
pub(super) struct GuardProcess {
    child: Child,
}

impl GuardProcess {
    /// Starts a guard; the descriptor is the keeper's end of its channel.
    ///
    /// # Errors
    /// If the process cannot be created.
    pub(super) fn spawn() -> io::Result<(Self, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self { child: spawn_role("guard", theirs)? }, ours))
    }

    /// Its process id while it lives.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end; how, in words.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(e) => e.to_string(),
        }
    }
}
