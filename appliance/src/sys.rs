//! The places where the type system cannot know what the kernel promises.
#![expect(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;

use evenkeel_vrrp::io::driver::Events;
use tokio::io::unix::AsyncFd;

/// Takes a descriptor that has just come in by `SCM_RIGHTS`.
pub(crate) fn adopt_received(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller has the number from recvmsg, where the kernel created the descriptor for this process, and
    // gives it to nobody else.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Takes a descriptor that the program before this one, in the same process, has left open for it.
pub(crate) fn adopt_inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: nothing in this program has opened it; the record of the program before names each one once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Waits on the VRRP thread's events.
///
/// # Errors
/// If the descriptor cannot be registered with the runtime.
pub(crate) fn watch_events(events: Arc<Events>) -> io::Result<AsyncFd<Arc<Events>>> {
    // SAFETY: the queue owns its eventfd, never replaces it, and lives as long as the registration that holds it.
    unsafe { AsyncFd::register(events) }.map_err(Into::into)
}
